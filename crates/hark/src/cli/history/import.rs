//! `hark history import`: samples of the past out of a file.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use hark_model::Clock;
use hark_store::history::{History, Imported, Settings};
use hark_store::state::StateReader;
use serde_json::json;

use super::{Place, end_of_progress, show_progress};
use crate::config::{self, Paths};
use crate::exchange::bring::{Bringer, Sums};
use crate::exchange::read::MAX_LINE;
use crate::out;
use crate::server::{folder, history_loop};

/// Samples that are gathered before they are added: so many are in memory.
const BATCH: usize = 50_000;

/// Add samples of the past, out of a file: CSV or JSON lines as `hark history export` writes them,
/// `OpenMetrics`, the older text of Prometheus, or what `promtool tsdb dump` prints.
///
/// In any order; what is there already stays as it is, so that a file can be brought again, also one that was
/// cut off. The hosts must be known, and the server must not run. Samples that are older than samples are
/// kept become five-minute and hourly values.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hark history import samples.csv\n  \
    promtool tsdb dump /var/lib/prometheus/metrics2 | hark history import -\n  \
    hark history import --host web1 node.om")]
pub(super) struct Args {
    /// The file; `-` for standard input.
    file: PathBuf,
    /// The host, whatever the file says; else it is the column or label `host`, or what stands before the
    /// port in the label `instance`.
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    #[command(flatten)]
    place: Place,
}

impl Args {
    pub(super) fn place(&self) -> &Place {
        &self.place
    }
}

pub(super) fn run(args: &Args, data_dir: &Path, dir: &Path) -> anyhow::Result<ExitCode> {
    let input: Box<dyn Read> = if args.file == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        let file = File::open(&args.file);
        Box::new(file.with_context(|| format!("cannot read {}", args.file.display()))?)
    };
    let loaded = match config::load(&Paths::new(args.place.config.clone(), args.place.data.clone()))
    {
        Ok(loaded) => loaded,
        Err(error) => return Ok(crate::cli::config::report(&error, args.place.json)),
    };
    let lock = folder::lock(data_dir).context("the server must not run")?;
    let names = StateReader::open(data_dir).and_then(|reader| reader.host_names());
    let names = names.context("cannot read the names of the hosts")?;
    // Nothing goes because of its age here: which series are kept longer only the server finds out.
    let settings = history_loop::settings(&loaded.settings.history);
    let history = History::open(dir, Settings { has_exceptions: true, ..settings });
    let mut history = history.context("cannot open the history")?;
    // Frames of the log may be what the file has.
    while history.maintain(Clock.now(), 64) {}
    let mut bringer = Bringer::new(&mut history, names, args.host.clone(), BATCH);
    read(&mut bringer, BufReader::with_capacity(1 << 16, input))?;
    end_of_progress();
    folder::let_go(&lock);
    Ok(tell(bringer.sums(), args.place.json))
}

/// Takes all lines.
fn read(bringer: &mut Bringer<'_>, mut input: impl BufRead) -> anyhow::Result<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        let limit = (MAX_LINE + 1) as u64;
        let n = (&mut input).take(limit).read_until(b'\n', &mut line).context("cannot read")?;
        let taken = if n == 0 {
            bringer.bring()
        } else if line.len() > MAX_LINE {
            bail!("line {} is longer than any that is written", bringer.sums().lines + 1);
        } else {
            bringer.line(&line)
        };
        let Sums { lines, imported, .. } = bringer.sums();
        taken.with_context(|| {
            format!("up to line {lines} some of it was added: it can be brought again")
        })?;
        if n == 0 {
            return Ok(());
        }
        if lines.is_multiple_of(BATCH as u64) {
            show_progress(&format!("{lines} lines, {} samples added", imported.taken));
        }
    }
}

/// Says what became of it; the exit code is 1 if not all of it could be taken.
fn tell(sums: &Sums, as_json: bool) -> ExitCode {
    let left_out = sums.left_out();
    if as_json {
        let Imported { taken, known, refused } = sums.imported;
        out::json(&json!({
            "lines": sums.lines, "samples": sums.samples, "taken": taken, "known": known,
            "refused": refused, "no_numbers": sums.no_numbers, "bad_lines": sums.bad_lines,
            "without_host": sums.without_host, "unknown_hosts": sums.unknown_hosts,
            "unfit": sums.unfit,
        }));
    } else {
        out::line(format!("{}.", sums.words()));
        for what in &left_out {
            out::note(format!("hark: {what}"));
        }
    }
    if left_out.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

//! `hark journal`: looks into the message journal.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use hark_model::{Clock, Unix};
use hark_store::journal::{Entry, Filter, JournalReader};

use super::watch::{self, Watch};
use crate::config::{self, Paths};
use crate::out;

/// Show what was received, from the journal's files, oldest first.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hark journal -n 20 --watch\n  hark journal --id EVT --host db1 --since 2h\n  \
    hark journal --json | jq .message.ID | sort | uniq -c"
)]
pub(super) struct Args {
    /// Only the newest lines.
    #[arg(short = 'n', long, value_name = "N")]
    last: Option<usize>,
    /// Only of this kind: HEL, HTB, RES, EVT, FCT, THR.
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Only of this host.
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// Only with this in it.
    #[arg(long, value_name = "TEXT")]
    contains: Option<String>,
    /// Only of the last time, such as 2h.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Print the lines as they stand in the file.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    watch: Watch,
    /// The configuration that names the journal.
    #[arg(short, long, env = "HARK_CONFIG", value_name = "PATH")]
    config: Option<PathBuf>,
    /// The data folder.
    #[arg(long, env = "HARK_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let paths = Paths::new(args.config.clone(), args.data.clone());
    let loaded = match config::load(&paths) {
        Ok(loaded) => loaded,
        Err(error) => return Ok(super::config::report(&error, args.json)),
    };
    let Some(journal) = loaded.settings.journal else {
        anyhow::bail!("no journal is kept: journal_enabled is false");
    };
    let data_dir = paths.data_dir(loaded.settings.data_dir.as_deref());
    let path = journal.dir.unwrap_or_else(|| data_dir.join("journal")).join(journal.file);
    if !is_there(&path)? {
        anyhow::bail!(
            "there is no journal at {}: nothing was received yet, or the server has another data \
             folder (--data) or configuration (-c)",
            path.display()
        );
    }
    // The last two hours are others at each look.
    let filter = || -> anyhow::Result<Filter> {
        Ok(Filter {
            id: args.id.clone(),
            name: args.host.clone(),
            from: args.since.as_deref().map(since).transpose()?,
            contains: args.contains.clone(),
            ..Filter::default()
        })
    };
    watch::repeat(&args.watch, 1, || {
        show(args, &path, filter()?, journal.heartbeats).map(|()| ExitCode::SUCCESS)
    })
}

fn show(args: &Args, path: &Path, filter: Filter, has_heartbeats: bool) -> anyhow::Result<()> {
    let mut reader = JournalReader::open(path, filter);
    let mut any = false;
    if let Some(n) = args.last {
        for entry in reader.last(n)? {
            print(&entry, args.json);
            any = true;
        }
    } else {
        while let Some(entry) = reader.next_entry()? {
            print(&entry, args.json);
            any = true;
        }
    }
    if !any {
        let mut text = format!("hark: no line of {} fits", path.display());
        if args.id.as_deref() == Some("HTB") && !has_heartbeats {
            text.push_str(": heartbeats are not kept (journal_heartbeats is false)");
        }
        out::note(text);
    }
    if reader.skipped() > 0 {
        out::note(format!("hark: {} lines could not be read", reader.skipped()));
    }
    Ok(())
}

/// Returns whether the journal has a file: the present one or, just rotated, the one before.
fn is_there(path: &Path) -> anyhow::Result<bool> {
    let mut before = path.as_os_str().to_owned();
    before.push(".1");
    for file in [path, Path::new(&before)] {
        let there = file.try_exists().with_context(|| format!("cannot see {}", file.display()))?;
        if there {
            return Ok(true);
        }
    }
    Ok(false)
}

fn since(text: &str) -> anyhow::Result<Unix> {
    let back = hark_config::duration::parse(text, hark_config::Bare::Seconds)
        .map_err(|e| anyhow::anyhow!("--since: {e}"))?;
    Ok(Clock.now().unix - back)
}

fn print(entry: &Entry, as_json: bool) {
    if as_json {
        return out::line(&entry.line);
    }
    let at = hark_api::time::Timestamp(entry.at);
    let source = entry.source_ip.map(|ip| ip.to_string()).unwrap_or_default();
    let text = entry.message.to_string().replace(char::is_control, " ");
    out::line(format!("{at}  {source:15}  {text}"));
}

//! `hark history import`: samples of the past out of a file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use hark_model::labels::{Foreign, HOST, INSTANCE, Identity, JOB, Labels, from_labels};
use hark_model::{Clock, HostId, HostName, SeriesDef, SeriesName, Unit, Unix};
use hark_store::history::{Brought, History, ImportError, Imported, Settings};
use hark_store::state::StateReader;
use serde_json::json;

use super::{Place, end_of_progress, show_progress};
use crate::config::{self, Paths};
use crate::exchange::read::{MAX_LINE, Reader, Sample, Series};
use crate::out;
use crate::server::{folder, history_loop};

/// Samples that are gathered before they are added: so many are in memory.
const BATCH: usize = 50_000;

/// Lines and series that are shown because something is wrong with them; all are counted.
const SHOWN: usize = 10;

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

/// An import under way.
struct Import<'a> {
    args: &'a Args,
    history: History,
    hosts: BTreeMap<HostName, HostId>,
    gathered: BTreeMap<Series, Vec<(Unix, f64)>>,
    n_gathered: usize,
    sums: Sums,
}

/// What became of all of it.
#[derive(Debug, Default)]
struct Sums {
    lines: u64,
    samples: u64,
    imported: Imported,
    bad_lines: usize,
    without_host: u64,
    no_numbers: u64,
    unknown_hosts: BTreeSet<String>,
    unfit: BTreeSet<String>,
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
    let mut import = Import {
        args,
        history,
        hosts: names.into_iter().map(|(id, name)| (name, id)).collect(),
        gathered: BTreeMap::new(),
        n_gathered: 0,
        sums: Sums::default(),
    };
    import.read(BufReader::with_capacity(1 << 16, input))?;
    import.bring()?;
    end_of_progress();
    folder::let_go(&lock);
    Ok(import.sums.tell(args.place.json))
}

impl Import<'_> {
    fn read(&mut self, mut input: impl BufRead) -> anyhow::Result<()> {
        let mut reader = Reader::default();
        let mut line = Vec::new();
        loop {
            line.clear();
            let limit = (MAX_LINE + 1) as u64;
            let n = (&mut input).take(limit).read_until(b'\n', &mut line).context("cannot read")?;
            if n == 0 {
                return Ok(());
            }
            self.sums.lines += 1;
            if line.len() > MAX_LINE {
                bail!("line {} is longer than any that is written", self.sums.lines);
            }
            match reader.line(&String::from_utf8_lossy(&line)) {
                Ok(None) => {}
                Ok(Some(sample)) => self.take(sample)?,
                Err(why) => {
                    self.sums.bad_lines += 1;
                    if self.sums.bad_lines <= SHOWN {
                        out::note(format!("hark: line {} {why}", self.sums.lines));
                    }
                }
            }
        }
    }

    fn take(&mut self, sample: Sample) -> anyhow::Result<()> {
        let Sample { mut series, at, value } = sample;
        self.sums.samples += 1;
        if value.is_nan() {
            self.sums.no_numbers += 1;
            return Ok(());
        }
        let host = self.args.host.clone().or_else(|| host_of(&series));
        let Some(host) = host else {
            self.sums.without_host += 1;
            return Ok(());
        };
        series.host = host;
        self.gathered.entry(series).or_default().push((at, value));
        self.n_gathered += 1;
        if self.n_gathered >= BATCH { self.bring() } else { Ok(()) }
    }

    /// Adds what is gathered.
    fn bring(&mut self) -> anyhow::Result<()> {
        self.n_gathered = 0;
        let mut known: BTreeMap<HostId, Vec<SeriesDef>> = BTreeMap::new();
        let mut brought = Vec::new();
        for (series, samples) in std::mem::take(&mut self.gathered) {
            let host = HostName::new(&series.host).ok();
            let Some((id, host)) = host.and_then(|host| Some((*self.hosts.get(&host)?, host)))
            else {
                self.sums.unknown_hosts.insert(series.host);
                continue;
            };
            let known = known.entry(id).or_insert_with(|| self.history.series_of(id));
            let def = match series_of(&host, &series, known) {
                Ok(def) => def,
                Err(why) => {
                    self.sums.unfit.insert(format!("{}: {why}", series.metric));
                    continue;
                }
            };
            brought.push(Brought { host: id, def, samples });
        }
        match self.history.import(&brought, Clock.now()) {
            Ok(done) => self.sums.add(done),
            // One that cannot be kept keeps no other from it.
            Err(ImportError::Series(..)) => {
                for one in brought {
                    match self.history.import(&[one], Clock.now()) {
                        Ok(done) => self.sums.add(done),
                        Err(ImportError::Series(series, why)) => {
                            self.sums.unfit.insert(format!("{series}: {why}"));
                        }
                        Err(error) => return Err(self.cut_off(error)),
                    }
                }
            }
            Err(error) => return Err(self.cut_off(error)),
        }
        let taken = self.sums.imported.taken;
        show_progress(&format!("{} lines, {taken} samples added", self.sums.lines));
        Ok(())
    }
}

impl Import<'_> {
    /// Says how far it has come.
    fn cut_off(&self, error: ImportError) -> anyhow::Error {
        let lines = self.sums.lines;
        anyhow::Error::new(error)
            .context(format!("up to line {lines} some of it was added: it can be brought again"))
    }
}

/// Returns the host that a series names.
fn host_of(series: &Series) -> Option<String> {
    if !series.host.is_empty() {
        return Some(series.host.clone());
    }
    let labels = series.labels.as_ref()?;
    if let Some(host) = labels.get(HOST) {
        return Some(host.clone());
    }
    let instance = labels.get(INSTANCE)?;
    Some(instance.rsplit_once(':').map_or(instance.as_str(), |(host, _)| host).to_owned())
}

/// Returns which series of hark's it is: one that the host has under these labels, else one of others.
fn series_of(host: &HostName, series: &Series, known: &[SeriesDef]) -> Result<SeriesDef, String> {
    let unit = if series.unit.is_empty() {
        Unit::of_metric(&series.metric)
    } else {
        let known = Unit::ALL.into_iter().find(|unit| unit.word() == series.unit);
        known.ok_or_else(|| format!("`{}` is no unit", series.unit))?
    };
    let name = match &series.labels {
        None if series.collector.is_empty() => return Err("has no collector".to_owned()),
        None => SeriesName::of(&series.collector, &series.instance, &series.metric),
        Some(labels) => {
            let mut all = Labels::new(labels.iter().map(|(n, v)| (n.clone(), v.clone())));
            all.set(HOST, "");
            if all.get(INSTANCE) == host.as_str() {
                all.set(INSTANCE, "");
            }
            let wanted = Identity { metric: series.metric.clone(), labels: all };
            let is_it = |def: &&SeriesDef| Identity::of(&def.name, def.kind) == wanted;
            if let Some(def) = known.iter().find(is_it) {
                return Ok(def.clone());
            }
            let Identity { metric, labels } = wanted;
            let job = if labels.get(JOB).is_empty() { "import" } else { labels.get(JOB) };
            let name = from_labels(Foreign::Prometheus, host, job, &metric, labels.iter());
            name.map_err(|error| error.to_string())?
        }
    };
    Ok(SeriesDef { name, unit, kind: series.kind, decimals: 0 })
}

impl Sums {
    fn add(&mut self, done: Imported) {
        self.imported.taken += done.taken;
        self.imported.known += done.known;
        self.imported.refused += done.refused;
    }

    /// Says what became of it; the exit code is 1 if not all of it could be taken.
    fn tell(&self, as_json: bool) -> ExitCode {
        let Imported { taken, known, refused } = self.imported;
        let left_out = [
            (self.bad_lines as u64, "lines could not be read"),
            (self.without_host, "samples name no host: give --host"),
            (refused, "samples are from before 1970 or from more than a day ahead"),
        ];
        if as_json {
            out::json(&json!({
                "lines": self.lines, "samples": self.samples, "taken": taken, "known": known,
                "refused": refused, "no_numbers": self.no_numbers, "bad_lines": self.bad_lines,
                "without_host": self.without_host, "unknown_hosts": self.unknown_hosts,
                "unfit": self.unfit,
            }));
        } else {
            out::line(format!(
                "{} samples read, {taken} added, {known} there already, {} without a number.",
                self.samples, self.no_numbers
            ));
            for (n, what) in left_out.iter().filter(|(n, _)| *n > 0) {
                out::note(format!("hark: {n} {what}"));
            }
            for host in self.unknown_hosts.iter().take(SHOWN) {
                out::note(format!("hark: there is no host {host}: make it first"));
            }
            for series in self.unfit.iter().take(SHOWN) {
                out::note(format!("hark: not kept: {series}"));
            }
        }
        let is_whole = left_out.iter().all(|(n, _)| *n == 0)
            && self.unknown_hosts.is_empty()
            && self.unfit.is_empty();
        if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

//! `hark history kept`: how long which series are kept.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use hark_model::SeriesDef;
use hark_model::record::HostRecord;
use hark_store::history::View;
use hark_store::state::StateReader;
use serde_json::{Value, json};

use super::{Place, TIERS};
use crate::cli::watch::{self, Watch};
use crate::config::retention::words;
use crate::config::{self, HistorySettings, Override, Paths};
use crate::exchange;
use crate::out;

/// Show how long which series are kept: as the configuration says it now, of the series that there are.
///
/// Of one host each series is shown, else how many series each override is about. The server may run.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hark history kept\n  hark history kept --host web1\n  \
    hark history kept --host 'db*' --json | jq '.series[] | select(.raw_days > 14)'")]
pub(super) struct Args {
    /// Each series of the hosts whose name fits this pattern.
    #[arg(long, value_name = "PATTERN")]
    host: Option<String>,
    #[command(flatten)]
    watch: Watch,
    #[command(flatten)]
    place: Place,
}

impl Args {
    pub(super) fn place(&self) -> &Place {
        &self.place
    }
}

pub(super) fn run(args: &Args, data_dir: &Path, dir: &Path) -> anyhow::Result<ExitCode> {
    watch::repeat(&args.watch, 1, || show(args, data_dir, dir))
}

fn show(args: &Args, data_dir: &Path, dir: &Path) -> anyhow::Result<ExitCode> {
    let paths = Paths::new(args.place.config.clone(), args.place.data.clone());
    let settings = match config::load(&paths) {
        Ok(loaded) => loaded.settings.history,
        Err(error) => return Ok(crate::cli::config::report(&error, args.place.json)),
    };
    let hosts = StateReader::open(data_dir).and_then(|reader| reader.hosts());
    let hosts = hosts.context("cannot read the hosts")?;
    let view = View::open(dir, &|_| false);
    let view = view.with_context(|| format!("cannot read {}", dir.display()))?;
    if let Some(pattern) = &args.host {
        let is_meant = |host: &&HostRecord| exchange::fits(pattern, host.name.as_str());
        let meant: Vec<&HostRecord> = hosts.iter().filter(is_meant).collect();
        anyhow::ensure!(!meant.is_empty(), "no host fits {pattern}");
        let found = meant.iter().flat_map(|host| {
            let all = view.series_of(host.id).into_iter();
            all.map(|def| Kept { host, by: counts(&settings, host, &def), def })
        });
        tell_each(&settings, &found.collect::<Vec<_>>(), args.place.json);
        return Ok(ExitCode::SUCCESS);
    }
    let mut sums = vec![Sum::default(); settings.overrides.len() + 1];
    for host in &hosts {
        for def in view.series_of(host.id) {
            let place = counts(&settings, host, &def).unwrap_or(settings.overrides.len());
            if let Some(sum) = sums.get_mut(place) {
                sum.hosts.insert(host.id.0);
                sum.series += 1;
            }
        }
    }
    tell_all(&settings, &sums, args.place.json);
    Ok(ExitCode::SUCCESS)
}

/// How much an override is about.
#[derive(Clone, Debug, Default)]
struct Sum {
    hosts: BTreeSet<u32>,
    series: u64,
}

/// A series with the place of the override that counts for it.
struct Kept<'h> {
    host: &'h HostRecord,
    def: SeriesDef,
    by: Option<usize>,
}

/// Returns the place of the override that counts for a series.
fn counts(settings: &HistorySettings, host: &HostRecord, def: &SeriesDef) -> Option<usize> {
    let is_it = |one: &Override| one.covers(host.name.as_str(), &host.tags) && one.fits(def);
    settings.overrides.iter().position(is_it)
}

/// Returns for how long that is.
fn times(settings: &HistorySettings, by: Option<usize>) -> [std::time::Duration; 3] {
    by.and_then(|place| settings.overrides.get(place)).map_or(settings.kept, |one| one.kept)
}

/// Returns what an override is about.
fn about(settings: &HistorySettings, by: Option<usize>) -> String {
    match by.and_then(|place| settings.overrides.get(place)) {
        Some(one) => format!("{} of {}", one.words(), one.hosts_words()),
        None if settings.overrides.is_empty() => "all".to_owned(),
        None => "all else".to_owned(),
    }
}

fn as_json(settings: &HistorySettings, by: Option<usize>) -> Value {
    let mut shown = json!({"override": by.map(|place| place + 1), "about": about(settings, by)});
    for (tier, time) in TIERS.iter().zip(times(settings, by)) {
        shown[format!("{tier}_days")] = json!(time.as_secs() / 86_400);
    }
    shown
}

fn tell_each(settings: &HistorySettings, found: &[Kept<'_>], json: bool) {
    if json {
        let series = found.iter().map(|kept| {
            let mut shown = as_json(settings, kept.by);
            shown["host"] = json!(kept.host.name.as_str());
            shown["series"] = json!(kept.def.name.path());
            shown
        });
        return out::json(&json!({ "series": series.collect::<Vec<_>>() }));
    }
    let row = |kept: &Kept<'_>| {
        let [raw, medium, long] = times(settings, kept.by).map(words);
        let path = kept.def.name.path();
        vec![kept.host.name.to_string(), path, raw, medium, long, about(settings, kept.by)]
    };
    let rows: Vec<Vec<String>> = found.iter().map(row).collect();
    out::table(&["HOST", "SERIES", "RAW", "MEDIUM", "LONG", "AS"], &rows);
}

fn tell_all(settings: &HistorySettings, sums: &[Sum], json: bool) {
    let places = (0..settings.overrides.len()).map(Some).chain([None]);
    if json {
        let all = places.zip(sums).map(|(by, sum)| {
            let mut shown = as_json(settings, by);
            shown["hosts"] = json!(sum.hosts.len());
            shown["series"] = json!(sum.series);
            shown
        });
        return out::json(&json!({ "kept": all.collect::<Vec<_>>() }));
    }
    let row = |(by, sum): (Option<usize>, &Sum)| {
        let [raw, medium, long] = times(settings, by).map(words);
        let (hosts, series) = (sum.hosts.len().to_string(), sum.series.to_string());
        vec![about(settings, by), raw, medium, long, hosts, series]
    };
    let rows: Vec<Vec<String>> = places.zip(sums).map(row).collect();
    out::table(&["SERIES", "RAW", "MEDIUM", "LONG", "HOSTS", "NUMBER"], &rows);
}

//! How long samples are kept: the section `history`, with overrides for some hosts and metrics.

use std::sync::Arc;
use std::time::Duration;

use hark_config::{Bare, Key, Kind, Section};
use hark_engine::plan::{HOST_MATCH_KEYS, read_host_match};
use hark_model::record::Matcher;
use hark_model::{SeriesDef, Tag};
use serde_json::{Value as Json, json};

use crate::exchange::write::means;

/// The keys of the section.
pub(super) const KEYS: &[Key] = &[
    Key::new("raw", Kind::Duration, "How long every sample is kept.").default("14d"),
    Key::new("medium", Kind::Duration, "How long five-minute values are kept.").default("90d"),
    Key::new("long", Kind::Duration, "How long hourly values are kept.").default("1830d"),
    Key::new(
        "max_size",
        Kind::Size,
        "Disk space of all samples, beside what `remote_write` keeps; the oldest go first.",
    ),
    Key::new("raw_max_size", Kind::Size, "Disk space of samples as they came."),
    Key::new("medium_max_size", Kind::Size, "Disk space of five-minute values."),
    Key::new("long_max_size", Kind::Size, "Disk space of hourly values."),
    Key::new(
        "overrides",
        Kind::List(&Kind::Section(OVERRIDE_KEYS)),
        "Series that are kept for another time; the first that fits one counts.",
    ),
];

const OVERRIDE_KEYS: &[Key] = &[
    Key::new("match", Kind::Section(HOST_MATCH_KEYS), "Of which hosts; of all if absent."),
    Key::new(
        "metrics",
        Kind::OneOrMany(&Kind::Text),
        "Which series: `collector.metric`, the whole path or the name for Prometheus, with `*` and `?`; all if \
         absent.",
    ),
    Key::new("raw", Kind::Duration, "How long every sample is kept; by default that of all."),
    Key::new("medium", Kind::Duration, "The same of five-minute values."),
    Key::new("long", Kind::Duration, "The same of hourly values."),
];

/// Overrides at most: each is held against each host and each series.
const MAX_OVERRIDES: usize = 64;

/// Patterns of one override at most.
const MAX_PATTERNS: usize = 64;

/// Letters of a pattern at most: longer than the longest path of a series is a mistake.
const MAX_PATTERN: usize = 512;

const DAY: Duration = Duration::from_hours(24);

/// What the tiers are called.
const TIERS: [&str; 3] = ["raw", "medium", "long"];

/// How long samples are kept.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct HistorySettings {
    /// Every sample, five-minute values, hourly values.
    pub(crate) kept: [Duration; 3],
    /// Space of all, in bytes.
    pub(crate) max_bytes: Option<u64>,
    /// Space of each tier, samples first, in bytes.
    pub(crate) max_tier_bytes: [Option<u64>; 3],
    /// Series that are kept for another time, in the order in which they count.
    pub(crate) overrides: Arc<[Override]>,
}

/// Some series of some hosts that are kept for another time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Override {
    /// Of which hosts.
    pub(crate) hosts: Matcher,
    /// Which series, as patterns; all if there are none.
    pub(crate) metrics: Arc<[String]>,
    /// Every sample, five-minute values, hourly values.
    pub(crate) kept: [Duration; 3],
}

impl Default for HistorySettings {
    fn default() -> Self {
        Self {
            kept: [14 * DAY, 90 * DAY, 1830 * DAY],
            max_bytes: None,
            max_tier_bytes: [None; 3],
            overrides: Arc::new([]),
        }
    }
}

impl Override {
    /// Returns whether it is about a host with these tags.
    pub(crate) fn covers(&self, host: &str, tags: &[Tag]) -> bool {
        hark_engine::covers_host(&self.hosts, host, tags)
    }

    /// Returns whether it is about a series.
    pub(crate) fn fits(&self, def: &SeriesDef) -> bool {
        fits(&self.metrics, def)
    }

    /// Returns in words which series it is about.
    pub(crate) fn words(&self) -> String {
        if self.metrics.is_empty() { "*".to_owned() } else { self.metrics.join(" ") }
    }

    /// Returns in words of which hosts they are.
    pub(crate) fn hosts_words(&self) -> String {
        let tags: Vec<&str> = self.hosts.tags.iter().map(Tag::as_str).collect();
        match (self.hosts.hosts.join(" "), tags.join(" ")) {
            (hosts, tags) if hosts.is_empty() && tags.is_empty() => "*".to_owned(),
            (hosts, tags) if tags.is_empty() => hosts,
            (hosts, tags) if hosts.is_empty() => format!("tags {tags}"),
            (hosts, tags) => format!("{hosts} with tags {tags}"),
        }
    }
}

/// Returns whether one of the patterns is about a series; if there are none, all are.
pub(crate) fn fits(patterns: &[String], def: &SeriesDef) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| means(pattern, def))
}

impl HistorySettings {
    /// Reads the section; what is wrong is reported to the document of `root`.
    pub(super) fn read(root: &Section<'_>) -> Self {
        let mut history = Self::default();
        let Some(section) = root.child("history") else { return history };
        history.kept = read_kept(&section, history.kept);
        history.max_bytes = section.opt_size("max_size");
        let keys = ["raw_max_size", "medium_max_size", "long_max_size"];
        history.max_tier_bytes = keys.map(|key| section.opt_size(key));
        check_order(&section, history.kept);
        check_sizes(&section, &history);
        let overrides = section.list("overrides");
        if overrides.len() > MAX_OVERRIDES {
            section.error("overrides", format!("there are at most {MAX_OVERRIDES} overrides"));
        }
        history.overrides = overrides
            .iter()
            .take(MAX_OVERRIDES)
            .filter_map(|item| Some(read_override(&item.section()?, history.kept)))
            .collect();
        section.finish(KEYS);
        history
    }

    /// Returns it as it is written, for people.
    pub(super) fn show(&self) -> Json {
        let time = |time: Duration| hark_config::duration::format(time);
        let [raw, medium, long] = self.kept.map(time);
        let [raw_max, medium_max, long_max] = self.max_tier_bytes;
        let overrides: Vec<Json> = self
            .overrides
            .iter()
            .map(|one| {
                let tags: Vec<&str> = one.hosts.tags.iter().map(Tag::as_str).collect();
                let [raw, medium, long] = one.kept.map(time);
                json!({
                    "match": { "hosts": one.hosts.hosts, "tags": tags }, "metrics": *one.metrics,
                    "raw": raw, "medium": medium, "long": long,
                })
            })
            .collect();
        json!({
            "raw": raw, "medium": medium, "long": long, "max_size": self.max_bytes,
            "raw_max_size": raw_max, "medium_max_size": medium_max, "long_max_size": long_max,
            "overrides": overrides,
        })
    }
}

/// Reads how long each tier is kept. Samples lie in files of a day, so none is kept shorter.
fn read_kept(section: &Section<'_>, usual: [Duration; 3]) -> [Duration; 3] {
    let read =
        |(key, usual): (&'static str, Duration)| section.duration(key, Bare::Days, usual).max(DAY);
    let [raw, medium, long] = usual;
    [("raw", raw), ("medium", medium), ("long", long)].map(read)
}

fn read_override(section: &Section<'_>, usual: [Duration; 3]) -> Override {
    let hosts = section.child("match").map(|part| read_host_match(&part)).unwrap_or_default();
    let mut metrics = Vec::new();
    let patterns = section.one_or_many("metrics");
    if patterns.len() > MAX_PATTERNS {
        section.error("metrics", format!("one override has at most {MAX_PATTERNS} patterns"));
    }
    for value in patterns.iter().take(MAX_PATTERNS) {
        let Some(text) = value.str() else { continue };
        if text.is_empty() || text.len() > MAX_PATTERN || text.chars().any(char::is_control) {
            drop(value.error(format!("a pattern has 1 to {MAX_PATTERN} letters on one line")));
        }
        metrics.push(text.to_owned());
    }
    if hosts == Matcher::default() && metrics.is_empty() {
        let wrong = section.error("metrics", "this would be every series of every host");
        drop(
            wrong.hint("name `metrics`, or hosts by `match`; for all, set it in `history` itself"),
        );
    }
    if !TIERS.iter().any(|key| section.has(key)) {
        let wrong = section.error("raw", "this says nothing about how long they are kept");
        drop(wrong.hint("add `raw`, `medium` or `long`"));
    }
    let kept = read_kept(section, usual);
    check_order(section, kept);
    section.finish(OVERRIDE_KEYS);
    Override { hosts, metrics: metrics.into(), kept }
}

/// Refuses what cannot be meant: a chart over a long time reads the coarser values, so one that had expired
/// before finer ones would leave a gap where there are samples.
fn check_order(section: &Section<'_>, kept: [Duration; 3]) {
    let [raw, medium, long] = kept;
    for ((finer, kept), (coarser, shorter)) in
        [(("raw", raw), ("medium", medium)), (("medium", medium), ("long", long))]
    {
        if kept > shorter {
            // At the key that is there: of two, the coarser one.
            let at = if section.has(coarser) { coarser } else { finer };
            let text = format!(
                "`{coarser}` would be kept for {}, and `{finer}`, of which it is made, for {}",
                words(shorter),
                words(kept)
            );
            drop(section.error(at, text).hint(format!("keep `{coarser}` at least as long")));
        }
    }
}

fn check_sizes(section: &Section<'_>, history: &HistorySettings) {
    let Some(all) = history.max_bytes else { return };
    let keys = ["raw_max_size", "medium_max_size", "long_max_size"];
    for (key, most) in keys.into_iter().zip(history.max_tier_bytes) {
        if most.is_some_and(|most| most > all) {
            let wrong =
                section.error(key, "one tier would get more than `max_size`, which is for all");
            drop(wrong.hint("make it smaller, or `max_size` larger"));
        }
    }
}

/// Writes a time in days as people do.
pub(crate) fn words(time: Duration) -> String {
    format!("{} days", time.as_secs() / DAY.as_secs())
}

#[cfg(test)]
mod tests {
    use hark_config::{Document, NoSecrets, Style};
    use hark_model::{MetricKind, SeriesName, Unit};

    use super::*;

    fn read(text: &str) -> (HistorySettings, String) {
        let document = Document::single(text);
        let settings = HistorySettings::read(&document.root(&NoSecrets));
        (settings, document.diagnostics().render(Style::Plain))
    }

    fn def(collector: &str, metric: &str) -> SeriesDef {
        let name = SeriesName::plain(collector, metric);
        SeriesDef { name, unit: Unit::None, kind: MetricKind::Gauge, decimals: 0 }
    }

    #[test]
    fn a_coarser_tier_that_would_go_before_a_finer_one_is_refused_at_its_place() {
        let (settings, wrong) = read("history:\n  raw: 30d\n  raw_max_size: 1GiB\n");
        assert_eq!(wrong, "");
        assert_eq!(settings.max_tier_bytes, [Some(1 << 30), None, None]);
        for (text, place, what) in [
            (
                "history:\n  raw: 30d\n  medium: 20d\n",
                ":3:11",
                "`raw`, of which it is made, for 30 days",
            ),
            ("history:\n  raw: 120d\n", ":2:8", "`medium` would be kept for 90 days"),
            ("history: {medium: 3000d}\n", ":1:19", "`long` would be kept for 1830 days"),
            (
                "history:\n  max_size: 1GiB\n  long_max_size: 2GiB\n",
                ":3:18",
                "more than `max_size`",
            ),
        ] {
            let (_, wrong) = read(text);
            assert!(wrong.contains(place) && wrong.contains(what), "{text}{wrong}");
        }
        assert_eq!(read("history: {raw: 90d, medium: 90d, long: 90d}\n").1, "");
    }

    #[test]
    fn an_override_takes_from_all_what_it_does_not_say() {
        let (settings, wrong) = read(
            "history:\n  raw: 10d\n  overrides:\n    - {match: {tags: [role:db]}, metrics: \
             [disk_monitor.*, hark_cpu_percent], raw: 60}\n    - {match: {hosts: 'test*'}, raw: 2d, \
             medium: 5d, long: 30d}\n",
        );
        assert_eq!(wrong, "");
        let [first, second] = &settings.overrides[..] else { panic!("{settings:?}") };
        assert_eq!(first.kept, [60 * DAY, 90 * DAY, 1830 * DAY]);
        assert_eq!(second.kept, [2 * DAY, 5 * DAY, 30 * DAY]);
        let tags = [Tag::new("role:db").unwrap()];
        assert!(first.covers("db1", &tags) && !first.covers("db1", &[]));
        assert!(first.fits(&def("disk_monitor", "percent")));
        assert!(first.fits(&def("cpu_monitor", "percent")));
        assert!(!first.fits(&def("memory_monitor", "percent")));
        assert!(second.fits(&def("memory_monitor", "percent")));
        assert_eq!(first.hosts_words(), "tags role:db");
        assert_eq!((second.words(), second.hosts_words()), ("*".to_owned(), "test*".to_owned()));
    }

    #[test]
    fn what_an_override_cannot_mean_is_told_at_its_place() {
        for (item, what) in [
            ("{metrics: a.b}", "nothing about how long"),
            ("{raw: 2d}", "every series of every host"),
            ("{metrics: a.b, raw: 100d}", "`medium` would be kept for 90 days"),
            ("{metrics: a.b, medium: 3d}", "`raw`, of which it is made, for 14 days"),
            ("{metrics: a.b, rwa: 2d, long: 2000d}", "raw"),
            ("{metrics: '', raw: 2d}", "1 to 512 letters"),
            ("{match: {host: web1}, raw: 2d}", "hosts"),
        ] {
            let (_, wrong) = read(&format!("history:\n  overrides:\n    - {item}\n"));
            assert!(wrong.contains(":3:") && wrong.contains(what), "{item}: {wrong}");
        }
        let many = "    - {metrics: a.b, raw: 2d}\n".repeat(MAX_OVERRIDES + 1);
        let (settings, wrong) = read(&format!("history:\n  overrides:\n{many}"));
        assert!(wrong.contains("at most 64 overrides"), "{wrong}");
        assert_eq!(settings.overrides.len(), MAX_OVERRIDES);
    }
}

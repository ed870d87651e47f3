//! A series of hark as Prometheus sees it, and back: a metric's name and labels.
//!
//! | series | metric | labels |
//! | --- | --- | --- |
//! | `cpu_monitor.load_1min` of `web1` | `hark_cpu_load_1min` | `host="web1"`, `instance="web1"`, `job="hark"` |
//! | `disk_monitor./var.percent` | `hark_disk_percent` | the same and `name="/var"` |
//! | `exporter.node.cpu=0,mode=idle.node_cpu_seconds_total` | `node_cpu_seconds_total` | `cpu="0"`, `mode="idle"`, `host="web1"`, `instance="web1"`, `job="node"` |
//!
//! What hark measures itself (the agent's collectors, checks) is *own*: the metric is `hark_`, the
//! collector without `_monitor`, and the metric, a counter with `_total` at its end.
//!
//! What others measured is *foreign* ([`Foreign`]): its collector is the kind of way by which it came,
//! its instance begins with the job (the exporter's name, the database, the service), and after a dot
//! follow its labels as text, in the order of their names: `node.cpu=0,mode=idle`. In it
//!
//! - `\` stands before `,`, `=` and `\`, before a dot in a label's name, and before `=` in a job;
//! - a line's end is `\n`, and other characters that cannot be seen or that turn the direction of
//!   what follows are `\u{…}` with their number: a text must not look like another.
//!
//! A `\` before anything else is itself: agents of former versions wrote none.
//!
//! `host` is always hark's host. A label `host` of the foreign series that says something else is
//! called `exported_host`, as Prometheus does where names meet.

use std::fmt::Write as _;

use thiserror::Error;

use crate::name::HostName;
use crate::sample::{MetricKind, SeriesName};

/// The longest a name of a series may be, all three parts together: it stands in URLs and rows.
pub const MAX_SERIES_NAME: usize = 3 * HostName::MAX;

/// Bound on the labels of one series, as other stores of metrics have it: one with more is made by
/// mistake, and each costs memory in every answer.
pub const MAX_LABELS: usize = 64;

/// The label under which Prometheus has a metric's name.
pub const NAME: &str = "__name__";

/// The label with hark's host.
pub const HOST: &str = "host";

/// The label that dashboards for Prometheus know hosts by.
pub const INSTANCE: &str = "instance";

/// The label that says what measured.
pub const JOB: &str = "job";

/// The label with which one of several an own series is.
const WHICH: &str = "name";

/// What a foreign label `host` becomes.
const EXPORTED_HOST: &str = "exported_host";

/// The job of what hark measures itself.
const OWN_JOB: &str = "hark";

/// The ways by which series of others come. Their word is their collector: no collector of hark's own
/// may be called so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Foreign {
    /// A page that an agent reads.
    Exporter,
    /// Prometheus' remote write.
    Prometheus,
    /// OTLP.
    Otlp,
    /// Lines as `InfluxDB` takes them.
    Influx,
    /// Lines as Graphite takes them.
    Graphite,
}

impl Foreign {
    /// Every way. This is the only list of them.
    pub const ALL: [Self; 5] =
        [Self::Exporter, Self::Prometheus, Self::Otlp, Self::Influx, Self::Graphite];

    /// Returns the collector of its series.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Exporter => "exporter",
            Self::Prometheus => "prometheus",
            Self::Otlp => "otlp",
            Self::Influx => "influx",
            Self::Graphite => "graphite",
        }
    }

    /// Returns the way by which series of `collector` came; `None` if they are hark's own.
    pub fn of(collector: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|way| way.word() == collector)
    }
}

/// Labels in the order of their names: none twice, none empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels(Vec<(String, String)>);

impl Labels {
    /// Puts labels in order. One without a value is no label; of two with one name the later counts.
    pub fn new(labels: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut all: Vec<_> = labels.into_iter().collect();
        // Reversed first, so that a stable sort has the later one before the earlier.
        all.reverse();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all.dedup_by(|a, b| a.0 == b.0);
        all.retain(|(name, value)| !name.is_empty() && !value.is_empty());
        Self(all)
    }

    /// Returns the value of a label; empty if there is none, which means the same.
    pub fn get(&self, name: &str) -> &str {
        let found = self.0.binary_search_by(|(known, _)| known.as_str().cmp(name));
        found.ok().and_then(|at| self.0.get(at)).map_or("", |(_, value)| value)
    }

    /// Sets a label; an empty value takes it away.
    pub fn set(&mut self, name: &str, value: &str) {
        match self.0.binary_search_by(|(known, _)| known.as_str().cmp(name)) {
            Ok(at) if value.is_empty() => drop(self.0.remove(at)),
            Ok(at) => {
                if let Some(label) = self.0.get_mut(at) {
                    value.clone_into(&mut label.1);
                }
            }
            Err(at) if !value.is_empty() => {
                self.0.insert(at, (name.to_owned(), value.to_owned()));
            }
            Err(_) => {}
        }
    }

    /// Returns them in the order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Keeps those of which `wanted` says so.
    pub fn retain(&mut self, mut wanted: impl FnMut(&str) -> bool) {
        self.0.retain(|(name, _)| wanted(name));
    }

    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns true if there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What a series is called where the host is left open: the same for all hosts that have it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// The metric.
    pub metric: String,
    /// The labels but for `host`, and `instance` only if it is not the host.
    pub labels: Labels,
}

impl Identity {
    /// Returns what a series is called.
    pub fn of(name: &SeriesName, kind: MetricKind) -> Self {
        match Foreign::of(&name.collector) {
            Some(_) => foreign(name),
            None => own(name, kind),
        }
    }

    /// Returns all labels of it on a host.
    pub fn labels_on(&self, host: &HostName) -> Labels {
        let mut labels = self.labels.clone();
        labels.set(HOST, host.as_str());
        if labels.get(INSTANCE).is_empty() {
            labels.set(INSTANCE, host.as_str());
        }
        // Said by the series itself: what says something else than hark is kept beside it.
        let theirs = self.labels.get(HOST);
        if !theirs.is_empty() && theirs != host.as_str() {
            labels.set(EXPORTED_HOST, theirs);
        }
        labels
    }
}

/// Returns the metric and the labels of a series of a host.
pub fn to_labels(host: &HostName, name: &SeriesName, kind: MetricKind) -> (String, Labels) {
    let identity = Identity::of(name, kind);
    let labels = identity.labels_on(host);
    (identity.metric, labels)
}

fn own(name: &SeriesName, kind: MetricKind) -> Identity {
    let collector = name.collector.strip_suffix("_monitor").unwrap_or(&name.collector);
    let mut metric = format!("hark_{collector}_{}", name.metric);
    if kind == MetricKind::Counter && !metric.ends_with("_total") {
        metric.push_str("_total");
    }
    let sound = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let labels = [(JOB, OWN_JOB), (WHICH, name.instance.as_str())];
    Identity {
        metric: metric.chars().map(sound).collect(),
        labels: Labels::new(labels.map(|(n, v)| (n.to_owned(), v.to_owned()))),
    }
}

fn foreign(name: &SeriesName) -> Identity {
    let (job, text) = split_job(&name.instance);
    let mut labels = Labels::new(read(text));
    if labels.get(JOB).is_empty() {
        labels.set(JOB, &unescaped(job));
    }
    Identity { metric: name.metric.clone(), labels }
}

/// Why labels are no series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LabelError {
    /// Without a name.
    #[error("a series needs the name of its metric")]
    Name,
    /// Without a job.
    #[error("a series of others needs a job")]
    Job,
    /// More than [`MAX_LABELS`].
    #[error("a series may have {MAX_LABELS} labels, this one has {0}")]
    Many(usize),
    /// Together longer than [`MAX_SERIES_NAME`].
    #[error("name and labels of a series may take {MAX_SERIES_NAME} bytes, these take {0}")]
    Long(usize),
    /// Two labels with one name.
    #[error("a label stands twice")]
    Twice,
}

/// Returns the series of `host` that `metric` with `labels` is, where it came by `way`: what
/// [`to_labels`] makes `metric`, `labels`, and `host`, `job` and `instance` if they were missing of.
///
/// # Errors
/// If no series can be called so; nothing is cut, as two series would become one.
pub fn from_labels<'l>(
    way: Foreign,
    host: &HostName,
    job: &str,
    metric: &str,
    labels: impl IntoIterator<Item = (&'l str, &'l str)>,
) -> Result<SeriesName, LabelError> {
    if metric.is_empty() {
        return Err(LabelError::Name);
    }
    if job.is_empty() {
        return Err(LabelError::Job);
    }
    let implied = |name: &str, value: &str| match name {
        HOST | INSTANCE => value == host.as_str(),
        JOB => value == job,
        _ => name == NAME,
    };
    let mut kept: Vec<(&str, &str)> = labels
        .into_iter()
        .filter(|(name, value)| !name.is_empty() && !value.is_empty() && !implied(name, value))
        .collect();
    if kept.len() > MAX_LABELS {
        return Err(LabelError::Many(kept.len()));
    }
    kept.sort_unstable();
    if kept.windows(2).any(|pair| pair.first().map(|l| l.0) == pair.last().map(|l| l.0)) {
        return Err(LabelError::Twice);
    }
    let series = SeriesName {
        collector: way.word().to_owned(),
        instance: instance(job, kept),
        metric: metric.to_owned(),
    };
    let length = series.collector.len() + series.instance.len() + series.metric.len();
    if length > MAX_SERIES_NAME { Err(LabelError::Long(length)) } else { Ok(series) }
}

/// Returns the instance of a foreign series of `job` with these labels, in this order.
fn instance<'l>(job: &str, labels: impl IntoIterator<Item = (&'l str, &'l str)>) -> String {
    let mut text = escaped_job(job);
    let labels = text_of(labels);
    if !labels.is_empty() {
        text.push('.');
        text.push_str(&labels);
    }
    text
}

/// Returns a job as it begins the instance of its series.
pub fn escaped_job(job: &str) -> String {
    let mut text = String::with_capacity(job.len());
    escape(job, &['=', '\\'], &mut text);
    text
}

/// Returns labels as text, in the order given: `cpu=0,mode=idle`.
pub fn text_of<'l>(labels: impl IntoIterator<Item = (&'l str, &'l str)>) -> String {
    let mut text = String::new();
    for (name, value) in labels {
        if !text.is_empty() {
            text.push(',');
        }
        escape(name, &[',', '=', '\\', '.'], &mut text);
        text.push('=');
        escape(value, &[',', '=', '\\'], &mut text);
    }
    text
}

fn escape(text: &str, special: &[char], out: &mut String) {
    for c in text.chars() {
        if special.contains(&c) {
            out.push('\\');
            out.push(c);
        } else if c == '\n' {
            out.push_str("\\n");
        } else if is_hidden(c) {
            // Writing to a string cannot fail.
            let _written = write!(out, "\\u{{{:x}}}", u32::from(c));
        } else {
            out.push(c);
        }
    }
}

/// Returns true for control characters, and for those that turn the direction of what follows or
/// are not seen.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Takes the job off an instance: labels begin after the last dot before the first `=`. Without a `=`
/// all of it is the job.
fn split_job(instance: &str) -> (&str, &str) {
    let mut dot = None;
    let mut escaped = false;
    for (at, c) in instance.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '.' => dot = Some(at),
            '=' => {
                // Labels without a job are of no way of ours; what is read is what is there.
                let Some(dot) = dot else { return ("", instance) };
                let (job, rest) = instance.split_at(dot);
                return (job, rest.strip_prefix('.').unwrap_or(rest));
            }
            _ => {}
        }
    }
    (instance, "")
}

/// Reads labels from text. What has no `=` belongs to the value before it: agents of former versions
/// wrote commas as they are.
fn read(text: &str) -> Vec<(String, String)> {
    let mut labels: Vec<(String, String)> = Vec::new();
    for part in split(text, ',') {
        let mut sides = split(part, '=');
        let name = sides.next().unwrap_or_default();
        if name.len() < part.len() {
            let value = part.get(name.len() + 1..).unwrap_or_default();
            labels.push((unescaped(name), unescaped(value)));
        } else if let Some((_, value)) = labels.last_mut() {
            value.push(',');
            value.push_str(&unescaped(part));
        }
    }
    labels
}

/// Splits `text` at each `sign` before which no `\` stands.
fn split(text: &str, sign: char) -> impl Iterator<Item = &str> {
    let mut escaped = false;
    text.split(move |c| {
        let is_end = c == sign && !escaped;
        escaped = c == '\\' && !escaped;
        is_end
    })
}

fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, after) = rest.split_at(at);
        out.push_str(before);
        let after = after.strip_prefix('\\').unwrap_or_default();
        let (c, length) = escape_at(after).unwrap_or(('\\', 0));
        out.push(c);
        rest = after.get(length..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// Returns what the text after a `\` stands for, and how long it is.
fn escape_at(after: &str) -> Option<(char, usize)> {
    match after.chars().next()? {
        c @ (',' | '=' | '\\' | '.') => Some((c, 1)),
        'n' => Some(('\n', 1)),
        'u' => {
            let (number, _) = after.strip_prefix("u{")?.split_once('}')?;
            let c = char::from_u32(u32::from_str_radix(number, 16).ok()?)?;
            Some((c, number.len() + 3))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;

//! What was read, by host: the one form that all formats come to.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use hark_model::labels::{self, Foreign};
use hark_model::{HostName, MetricKind, SeriesName, Unix};

use crate::{MAX_SAMPLES, MAX_SERIES, Naming, Unreadable};

/// A series may have more labels on its way in than are kept: those that tell host and job are not.
/// Beyond this it is not looked at at all.
pub(crate) const MAX_LABELS_READ: usize = 2 * labels::MAX_LABELS;

/// The longest example of what was refused.
const MAX_EXAMPLE: usize = 200;

/// Everything that was taken of one body, by host.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// The hosts, in the order of their names.
    pub hosts: Vec<OfHost>,
    /// What was not taken.
    pub refused: Refused,
    /// Samples that were taken, those that say that a series has ended among them.
    pub samples: usize,
}

/// What was taken of one host.
#[derive(Clone, Debug, PartialEq)]
pub struct OfHost {
    /// Its name.
    pub host: HostName,
    /// Its series.
    pub series: Vec<Named>,
    /// Samples of them, by time, and at one time by series.
    pub points: Vec<Point>,
}

/// A series.
#[derive(Clone, Debug, PartialEq)]
pub struct Named {
    /// What it is called within its host.
    pub name: SeriesName,
    /// How it moves, as far as can be told.
    pub kind: MetricKind,
}

/// A sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// When it was taken; `None` for "now", where the sender did not say.
    pub at: Option<Unix>,
    /// Its place among the host's series.
    pub series: usize,
    /// The value; NaN says that the series has ended, or has none.
    pub value: f64,
}

/// Why a sample was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// The sender may not write to that host.
    Host,
    /// The host is not known, and the sender may not make it, or not one more.
    NewHost,
    /// The host or the sender has as many series as it may have.
    Cardinality,
    /// Name and labels cannot be a series.
    Labels,
    /// Older than samples are kept, or in the future.
    Time,
    /// Not a number.
    Value,
    /// Growth since the last sample, which means nothing once one is lost.
    Delta,
    /// A native histogram.
    Histogram,
    /// A line that is none.
    Line,
}

impl Why {
    /// Every reason.
    pub const ALL: [Self; 9] = [
        Self::Host,
        Self::NewHost,
        Self::Cardinality,
        Self::Labels,
        Self::Time,
        Self::Value,
        Self::Delta,
        Self::Histogram,
        Self::Line,
    ];

    /// Returns its word in figures.
    pub fn word(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::NewHost => "new_host",
            Self::Cardinality => "cardinality",
            Self::Labels => "labels",
            Self::Time => "time",
            Self::Value => "value",
            Self::Delta => "delta",
            Self::Histogram => "histogram",
            Self::Line => "line",
        }
    }

    /// Returns what is wrong, for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Host => "this source may not write to the host",
            Self::NewHost => {
                "the host is not known, and this source may not make it or not one more"
            }
            Self::Cardinality => "more series than a host or this source may have",
            Self::Labels => "name and labels cannot be a series",
            Self::Time => "older than samples are kept, or in the future",
            Self::Value => "not a number",
            Self::Delta => {
                "delta temporality, which means nothing once a sample is lost: send cumulative sums"
            }
            Self::Histogram => {
                "native histograms are not kept: have the sender scrape classic ones as well"
            }
            Self::Line => "not a line of this format",
        }
    }
}

/// What was not taken, by reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refused(BTreeMap<Why, (u64, String)>);

impl Refused {
    /// Counts `n` samples; the first example of each reason is kept.
    pub fn add(&mut self, why: Why, n: usize, example: &str) {
        if n == 0 {
            return;
        }
        let entry = self.0.entry(why).or_insert_with(|| (0, shown(example)));
        entry.0 += n as u64;
    }

    /// Returns true if everything was taken.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns how many samples were refused.
    pub fn total(&self) -> u64 {
        self.0.values().map(|(n, _)| n).sum()
    }

    /// Returns each reason with its count and an example.
    pub fn iter(&self) -> impl Iterator<Item = (Why, u64, &str)> {
        self.0.iter().map(|(why, (n, example))| (*why, *n, example.as_str()))
    }

    /// Returns all of it in one line: `3 samples: not a number (up{job="x"})`.
    pub fn sentence(&self) -> String {
        let parts = self.iter().map(|(why, n, example)| {
            let samples = if n == 1 { "sample" } else { "samples" };
            format!("{n} {samples}: {} ({example})", why.words())
        });
        parts.collect::<Vec<_>>().join("; ")
    }
}

/// Returns a text as it may stand in an answer and a log.
fn shown(text: &str) -> String {
    let clean = text.chars().map(|c| if labels::is_hidden(c) { '\u{fffd}' } else { c });
    let mut out: String = clean.take(MAX_EXAMPLE).collect();
    if text.chars().nth(MAX_EXAMPLE).is_some() {
        out.push('…');
    }
    out
}

/// A series as a format has it.
#[derive(Clone, Debug, Default)]
pub struct Found<'a> {
    /// The metric's name.
    pub metric: Cow<'a, str>,
    /// Its labels, in any order.
    pub labels: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// How it moves; if it is not said, the name decides.
    pub kind: Option<MetricKind>,
    /// The host, if the format has a place of its own for it.
    pub host: Option<Cow<'a, str>>,
    /// The job, if the format has a place of its own for it.
    pub job: Option<Cow<'a, str>>,
}

/// Puts what is read together.
#[derive(Debug)]
pub struct Gather<'n> {
    way: Foreign,
    naming: &'n Naming,
    hosts: BTreeMap<HostName, Gathered>,
    refused: Refused,
    samples: usize,
    n_series: usize,
}

#[derive(Debug, Default)]
struct Gathered {
    places: HashMap<SeriesName, usize>,
    series: Vec<Named>,
    points: Vec<Point>,
}

impl<'n> Gather<'n> {
    /// Begins with nothing; what is read came by `way`.
    pub fn new(way: Foreign, naming: &'n Naming) -> Self {
        Self {
            way,
            naming,
            hosts: BTreeMap::new(),
            refused: Refused::default(),
            samples: 0,
            n_series: 0,
        }
    }

    /// Returns how hosts are found.
    pub fn naming(&self) -> &'n Naming {
        self.naming
    }

    /// Takes samples of a series: when, and what; `None` for "now".
    ///
    /// # Errors
    /// If there are more samples or series than one request may have.
    pub fn take(
        &mut self,
        found: &Found<'_>,
        points: &[(Option<Unix>, f64)],
    ) -> Result<(), Unreadable> {
        if self.samples.saturating_add(points.len()) > MAX_SAMPLES {
            return Err(Unreadable::Samples);
        }
        self.n_series += 1;
        if self.n_series > MAX_SERIES {
            return Err(Unreadable::Series);
        }
        let Some((host, name)) = self.name(found) else {
            self.refuse(Why::Labels, points.len(), || path(found));
            return Ok(());
        };
        self.samples += points.len();
        let of_host = self.hosts.entry(host).or_default();
        let place = of_host.places.get(&name).copied().unwrap_or_else(|| {
            let place = of_host.series.len();
            let kind = found.kind.unwrap_or_else(|| kind_of(&name.metric));
            of_host.places.insert(name.clone(), place);
            of_host.series.push(Named { name, kind });
            place
        });
        let point =
            |(at, value): &(Option<Unix>, f64)| Point { at: *at, series: place, value: *value };
        of_host.points.extend(points.iter().map(point));
        Ok(())
    }

    fn name(&self, found: &Found<'_>) -> Option<(HostName, SeriesName)> {
        if found.labels.len() > MAX_LABELS_READ {
            return None;
        }
        let labels = found.labels.iter().map(|(name, value)| (name.as_ref(), value.as_ref()));
        let host = match &found.host {
            Some(host) => HostName::new(host).ok(),
            None => self.naming.told(&labels).and_then(|host| HostName::new(host).ok()),
        };
        let host = host.unwrap_or_else(|| self.naming.host.clone());
        let of_label = labels.clone().find(|(name, _)| *name == labels::JOB).map(|(_, job)| job);
        let job = found.job.as_deref().or(of_label).filter(|job| !job.is_empty());
        let job = job.unwrap_or(&self.naming.job);
        let name = labels::from_labels(self.way, &host, job, &found.metric, labels);
        Some((host, name.ok()?))
    }

    /// Counts what is not taken.
    pub fn refuse(&mut self, why: Why, n: usize, example: impl FnOnce() -> String) {
        if n > 0 {
            self.refused.add(why, n, &example());
        }
    }

    /// Returns what was read.
    pub fn finish(self) -> Batch {
        let hosts = self.hosts.into_iter().map(|(host, gathered)| {
            let Gathered { series, mut points, .. } = gathered;
            points.sort_by_key(|point| (point.at, point.series));
            OfHost { host, series, points }
        });
        Batch { hosts: hosts.collect(), refused: self.refused, samples: self.samples }
    }
}

/// Returns how a metric moves whose kind is not said: what everybody calls a counter is one.
fn kind_of(metric: &str) -> MetricKind {
    let counts = ["_total", "_count", "_sum", "_bucket"].iter().any(|end| metric.ends_with(end));
    if counts { MetricKind::Counter } else { MetricKind::Gauge }
}

/// Returns a series as people write it.
pub(crate) fn path(found: &Found<'_>) -> String {
    let labels = found.labels.iter().take(MAX_LABELS_READ);
    let labels: Vec<String> = labels.map(|(name, value)| format!("{name}={value:?}")).collect();
    format!("{}{{{}}}", found.metric, labels.join(","))
}

#[cfg(test)]
impl Batch {
    /// Returns a line for each sample, by the path of its series, and one for each reason to refuse some.
    pub(crate) fn lines(&self) -> Vec<String> {
        let points = self.hosts.iter().flat_map(|of| of.points.iter().map(move |p| (of, p)));
        let point = |(of, point): (&OfHost, &Point)| {
            let path = of.series[point.series].name.path();
            let at = point.at.map_or("now".to_owned(), |at| at.0.to_string());
            format!("{} {path} {} {at}", of.host, point.value)
        };
        let refused =
            self.refused.iter().map(|(why, n, example)| format!("{n} {} {example}", why.word()));
        points.map(point).chain(refused).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naming() -> Naming {
        Naming::new(HostName::new("prom").unwrap(), "src")
    }

    fn found<'a>(metric: &'a str, labels: &[(&'a str, &'a str)]) -> Found<'a> {
        Found {
            metric: metric.into(),
            labels: labels.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect(),
            ..Found::default()
        }
    }

    #[test]
    fn samples_of_many_series_are_put_together_by_host_and_time() {
        let naming = naming();
        let mut gather = Gather::new(Foreign::Prometheus, &naming);
        let at = |ms| Some(Unix(ms));
        let up = found("up", &[("instance", "web1:9100"), ("job", "node")]);
        let requests = found("http_total", &[("instance", "web1:9100"), ("job", "node")]);
        gather.take(&up, &[(at(2), 1.0), (at(1), 0.0)]).unwrap();
        gather.take(&requests, &[(at(1), 7.0)]).unwrap();
        gather.take(&found("rule", &[]), &[(at(1), 5.0)]).unwrap();
        gather.take(&up, &[(at(3), 1.0)]).unwrap();
        let batch = gather.finish();
        let [prom, web1] = &batch.hosts[..] else { panic!("{batch:?}") };
        assert_eq!((prom.host.as_str(), web1.host.as_str()), ("prom", "web1"));
        let names: Vec<_> = web1.series.iter().map(|s| (s.name.path(), s.kind)).collect();
        assert_eq!(
            names,
            [
                ("prometheus.node.instance=web1:9100.up".to_owned(), MetricKind::Gauge),
                ("prometheus.node.instance=web1:9100.http_total".to_owned(), MetricKind::Counter),
            ]
        );
        let points: Vec<_> = web1.points.iter().map(|p| (p.at.unwrap().0, p.series)).collect();
        assert_eq!(points, [(1, 0), (1, 1), (2, 0), (3, 0)]);
        assert_eq!(prom.series[0].name.path(), "prometheus.src.rule");
        assert_eq!(batch.samples, 5);
        let (metric, labels) =
            labels::to_labels(&web1.host, &web1.series[0].name, web1.series[0].kind);
        let labels: Vec<_> = labels.iter().collect();
        assert_eq!(metric, "up");
        assert_eq!(labels, [("host", "web1"), ("instance", "web1:9100"), ("job", "node")]);
    }

    #[test]
    fn what_cannot_be_a_series_is_counted_and_the_rest_is_taken() {
        let naming = naming();
        let mut gather = Gather::new(Foreign::Prometheus, &naming);
        let long = "x".repeat(labels::MAX_SERIES_NAME);
        gather.take(&found("up", &[("a", &long)]), &[(None, 1.0), (None, 2.0)]).unwrap();
        gather.take(&found("", &[]), &[(None, 1.0)]).unwrap();
        gather.take(&found("up", &[]), &[(None, 1.0)]).unwrap();
        let many = vec![("a", "b"); MAX_LABELS_READ + 1];
        gather.take(&found("up", &many), &[(None, 1.0)]).unwrap();
        let batch = gather.finish();
        assert_eq!((batch.samples, batch.refused.total()), (1, 4));
        let sentence = batch.refused.sentence();
        assert!(
            sentence.starts_with("4 samples: name and labels cannot be a series (up{a="),
            "{sentence}"
        );
        assert!(sentence.len() < 300, "{sentence}");
    }

    #[test]
    fn a_request_has_a_bound() {
        let naming = naming();
        let mut gather = Gather::new(Foreign::Prometheus, &naming);
        let up = found("up", &[]);
        let many = vec![(None, 1.0); MAX_SAMPLES];
        gather.take(&up, &many).unwrap();
        assert_eq!(gather.take(&up, &[(None, 1.0)]), Err(Unreadable::Samples));
        let mut gather = Gather::new(Foreign::Prometheus, &naming);
        for _ in 0..MAX_SERIES {
            gather.take(&up, &[]).unwrap();
        }
        assert_eq!(gather.take(&up, &[]), Err(Unreadable::Series));
    }
}

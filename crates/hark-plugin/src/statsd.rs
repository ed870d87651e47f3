//! `StatsD`: what programs count and measure themselves, told in datagrams.
//!
//! ```text
//! page.views:1|c
//! page.time:320|ms|@0.1
//! queue.length:42|g
//! queue.length:-3|g
//! users:alice|s|#region:eu
//! ```
//!
//! What is told within an interval comes to values at its end: of a counter how much it has grown
//! since the start (so that nothing is lost where an interval is missed), of a gauge the last value, of a
//! timer its count, mean, extremes and percentiles, of a set how many different members. Sampled counters
//! and timers (`@0.1`) count for what they stand for.

use std::collections::{BTreeMap, HashSet};

use hark_model::{MetricKind, Unit};

use crate::measure::{self, Measured};

/// Bound on metrics, each with its tags.
const MAX_METRICS: usize = 1000;

/// Bound on the measurements of a timer that are kept in an interval: percentiles are of these.
const MAX_TIMINGS: usize = 2048;

/// Bound on the members of a set that are told apart.
const MAX_MEMBERS: usize = 10_000;

/// A metric that was told nothing for so many intervals is forgotten.
const MAX_IDLE: u32 = 360;

/// What was told so far.
#[derive(Clone, Debug)]
pub struct Aggregate {
    metrics: BTreeMap<Name, Metric>,
    percentiles: Vec<u8>,
    /// Lines that are none.
    pub wrong: u64,
    /// Lines of metrics beyond the bound.
    pub refused: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    metric: String,
    /// Tags as `name=value`, in order.
    tags: String,
}

#[derive(Clone, Debug)]
struct Metric {
    told: Told,
    idle: u32,
}

#[derive(Clone, Debug)]
enum Told {
    Counter(f64),
    Gauge(f64),
    Timer(Timer),
    Set(HashSet<String>),
}

#[derive(Clone, Debug, Default)]
struct Timer {
    /// Measurements since the start, with those that they stand for.
    count: f64,
    /// Since the interval began.
    kept: Vec<f64>,
    seen: u64,
    sum: f64,
    unit_is_ms: bool,
}

/// A line, read.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Line<'a> {
    name: &'a str,
    values: &'a str,
    kind: &'a str,
    rate: f64,
    tags: &'a str,
}

impl Aggregate {
    /// Begins with nothing; timers get these percentiles.
    pub fn new(percentiles: &[u8]) -> Self {
        Self { metrics: BTreeMap::new(), percentiles: percentiles.to_vec(), wrong: 0, refused: 0 }
    }

    /// Takes in a datagram: a line or several.
    pub fn take(&mut self, datagram: &[u8]) {
        for line in datagram.split(|b| *b == b'\n') {
            let line = line.trim_ascii();
            if line.is_empty() {
                continue;
            }
            let read = std::str::from_utf8(line).ok().and_then(read);
            if read.and_then(|line| self.apply(line)).is_none() {
                self.wrong += 1;
            }
        }
    }

    /// Applies a line. `None` if its type or a value is wrong.
    fn apply(&mut self, line: Line<'_>) -> Option<()> {
        let name = Name { metric: measure::name(line.name)?, tags: tags(line.tags) };
        let fresh = match line.kind {
            "c" => Told::Counter(0.0),
            "g" => Told::Gauge(0.0),
            "ms" => Told::Timer(Timer { unit_is_ms: true, ..Timer::default() }),
            "h" | "d" => Told::Timer(Timer::default()),
            "s" => Told::Set(HashSet::new()),
            _ => return None,
        };
        let is_number = |value| matches!(measure::number(value), Some((_, "")));
        if line.kind != "s" && !line.values.split(':').any(is_number) {
            // What never had a value is no metric.
            return None;
        }
        if self.metrics.len() >= MAX_METRICS && !self.metrics.contains_key(&name) {
            self.refused += 1;
            return Some(());
        }
        let metric = self.metrics.entry(name).or_insert(Metric { told: fresh.clone(), idle: 0 });
        if std::mem::discriminant(&metric.told) != std::mem::discriminant(&fresh) {
            // Told as something else before: the last word counts.
            metric.told = fresh;
        }
        metric.idle = 0;
        let mut good = Some(());
        for value in line.values.split(':') {
            good = metric.told.add(value, line.rate).and(good);
        }
        good
    }

    /// Ends an interval: returns what it came to.
    pub fn end_interval(&mut self) -> Vec<Measured> {
        let mut values = Vec::new();
        self.metrics.retain(|_, metric| metric.idle < MAX_IDLE);
        for (name, metric) in &mut self.metrics {
            metric.idle += 1;
            metric.told.values(name, &self.percentiles, &mut values);
        }
        values
    }
}

impl Told {
    fn add(&mut self, text: &str, rate: f64) -> Option<()> {
        if let Self::Set(members) = self {
            if members.len() < MAX_MEMBERS {
                members.insert(text.to_owned());
            }
            return Some(());
        }
        let (value, rest) = measure::number(text)?;
        if !rest.is_empty() {
            return None;
        }
        match self {
            Self::Counter(total) => *total += value / rate,
            // A sign means a change.
            Self::Gauge(gauge) if text.starts_with(['+', '-']) => *gauge += value,
            Self::Gauge(gauge) => *gauge = value,
            Self::Timer(timer) => timer.add(value, rate),
            Self::Set(_) => {}
        }
        Some(())
    }

    fn values(&mut self, name: &Name, percentiles: &[u8], values: &mut Vec<Measured>) {
        let mut push = |suffix: &str, value: f64, unit, kind| {
            let metric = if suffix.is_empty() {
                name.metric.clone()
            } else {
                format!("{}.{suffix}", name.metric)
            };
            let instance = name.tags.clone();
            values.push(Measured { instance, metric, value, unit, kind, limits: None });
        };
        match self {
            Self::Counter(total) => push("", total.round(), Unit::None, MetricKind::Counter),
            Self::Gauge(value) => push("", *value, Unit::None, MetricKind::Gauge),
            Self::Set(members) => {
                let count = u32::try_from(members.len()).unwrap_or(u32::MAX);
                push("", f64::from(count), Unit::None, MetricKind::Gauge);
                members.clear();
            }
            Self::Timer(timer) => {
                let unit = if timer.unit_is_ms { Unit::Milliseconds } else { Unit::None };
                push("count", timer.count.round(), Unit::None, MetricKind::Counter);
                let figures = timer.figures(percentiles);
                for (suffix, value) in figures {
                    push(&suffix, value, unit, MetricKind::Gauge);
                }
            }
        }
    }
}

impl Timer {
    fn add(&mut self, value: f64, rate: f64) {
        self.count += 1.0 / rate;
        self.seen += 1;
        self.sum += value;
        if self.kept.len() < MAX_TIMINGS {
            self.kept.push(value);
        } else if let Some(slot) =
            usize::try_from(spread(self.seen) % self.seen).ok().and_then(|at| self.kept.get_mut(at))
        {
            // Each of all has the same chance to be kept.
            *slot = value;
        }
    }

    /// Mean, extremes and percentiles of the interval; absent if it was told nothing.
    fn figures(&mut self, percentiles: &[u8]) -> Vec<(String, f64)> {
        self.kept.sort_unstable_by(f64::total_cmp);
        let count = u32::try_from(self.seen).unwrap_or(u32::MAX);
        let mean = if count > 0 { self.sum / f64::from(count) } else { f64::NAN };
        let mut figures = vec![
            ("mean".to_owned(), mean),
            ("min".to_owned(), self.kept.first().copied().unwrap_or(f64::NAN)),
            ("max".to_owned(), self.kept.last().copied().unwrap_or(f64::NAN)),
        ];
        for percentile in percentiles {
            figures.push((format!("p{percentile}"), nearest_rank(&self.kept, *percentile)));
        }
        self.kept.clear();
        (self.seen, self.sum) = (0, 0.0);
        figures
    }
}

/// The smallest of `sorted` that is not below so many percent of them.
fn nearest_rank(sorted: &[f64], percentile: u8) -> f64 {
    let rank = (sorted.len() * usize::from(percentile)).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or(f64::NAN)
}

/// Spreads successive numbers over all: the finaliser of splitmix64.
fn spread(n: u64) -> u64 {
    let n = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

fn read(line: &str) -> Option<Line<'_>> {
    let mut parts = line.split('|');
    let (name, values) = parts.next()?.split_once(':')?;
    let kind = parts.next()?;
    let (mut rate, mut tags) = (1.0, "");
    for part in parts {
        if let Some(text) = part.strip_prefix('@') {
            rate = measure::number(text)
                .filter(|(rate, rest)| rest.is_empty() && *rate > 0.0 && *rate <= 1.0)
                .map(|(rate, _)| rate)?;
        } else if let Some(text) = part.strip_prefix('#') {
            tags = text;
        }
        // Others (time stamps, container ids) are of later dialects.
    }
    (!name.is_empty()).then_some(Line { name, values, kind, rate, tags })
}

/// Makes `a=b,c=d` of `c:d,a:b`.
fn tags(text: &str) -> String {
    let mut tags: Vec<String> = text
        .split(',')
        .filter(|tag| !tag.is_empty())
        .map(|tag| tag.replacen(':', "=", 1))
        .collect();
    tags.sort_unstable();
    measure::name(&tags.join(",")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(datagrams: &[&str]) -> Aggregate {
        let mut aggregate = Aggregate::new(&[50, 95]);
        for datagram in datagrams {
            aggregate.take(datagram.as_bytes());
        }
        aggregate
    }

    fn shown(values: &[Measured]) -> Vec<(String, String)> {
        let path = |value: &Measured| value.series("statsd", "").name.path();
        values.iter().map(|value| (path(value), value.value.to_string())).collect()
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn counters_go_on_and_sampled_ones_count_for_what_they_stand_for() {
        let mut aggregate = told(&["a:1|c\na:2|c|@0.5\n", "a:3:4|c"]);
        let values = aggregate.end_interval();
        assert_eq!(shown(&values), pairs(&[("statsd.a", "12")]));
        assert_eq!(values[0].kind, MetricKind::Counter);
        aggregate.take(b"a:1|c");
        assert_eq!(shown(&aggregate.end_interval()), pairs(&[("statsd.a", "13")]));
    }

    #[test]
    fn gauges_keep_their_value_and_signs_are_changes() {
        let mut aggregate = told(&["q:10|g", "q:-3|g", "q:+1|g"]);
        assert_eq!(shown(&aggregate.end_interval()), pairs(&[("statsd.q", "8")]));
        assert_eq!(shown(&aggregate.end_interval()), pairs(&[("statsd.q", "8")]));
    }

    #[test]
    fn what_never_had_a_value_is_no_metric() {
        let mut aggregate = told(&["y:abc|g", "z:1e|c", "t:|ms"]);
        assert_eq!((aggregate.wrong, aggregate.end_interval().len()), (3, 0));
    }

    #[test]
    fn timers_come_to_percentiles() {
        let lines: Vec<String> = (1..=100).map(|n| format!("t:{n}|ms|@0.5")).collect();
        let mut aggregate = told(&[&lines.join("\n")]);
        let expected = [
            ("statsd.t.count", "200"),
            ("statsd.t.mean", "50.5"),
            ("statsd.t.min", "1"),
            ("statsd.t.max", "100"),
            ("statsd.t.p50", "50"),
            ("statsd.t.p95", "95"),
        ];
        let values = aggregate.end_interval();
        assert_eq!(shown(&values), pairs(&expected));
        assert_eq!(values[1].unit, Unit::Milliseconds);
        let values = aggregate.end_interval();
        assert_eq!(values[0].value.to_string(), "200", "the count goes on");
        assert!(values[1..].iter().all(|value| value.value.is_nan()), "and nothing was measured");
    }

    #[test]
    fn sets_count_members_and_tags_are_instances_in_one_order() {
        let mut aggregate =
            told(&["u:alice|s\nu:bob|s\nu:alice|s", "r:1|c|#b:2,a:1", "r:1|c|#a:1,b:2"]);
        let values = shown(&aggregate.end_interval());
        assert_eq!(values, pairs(&[("statsd.a=1,b=2.r", "2"), ("statsd.u", "2")]));
        assert_eq!(shown(&aggregate.end_interval())[1].1, "0");
    }

    #[test]
    fn wrong_lines_are_counted() {
        let wrong = [
            "", "a", "a:1", "a:x|c", ":1|c", "a:1|z", "a:1|c|@0", "a:1|c|@2", "a:|g", "a:1x|c",
            "a:1|c|@x",
        ];
        let aggregate = told(&wrong);
        assert_eq!(aggregate.wrong, wrong.len() as u64 - 1);
        let mut binary = Aggregate::new(&[]);
        binary.take(b"\xff\xfe:1|c");
        assert_eq!(binary.wrong, 1);
    }

    #[test]
    fn everything_has_a_bound() {
        let mut aggregate = Aggregate::new(&[99]);
        for n in 0..MAX_METRICS + 50 {
            aggregate.take(format!("m{n}:1|c").as_bytes());
        }
        assert_eq!(aggregate.refused, 50);
        assert_eq!(aggregate.end_interval().len(), MAX_METRICS);
        for _ in 0..MAX_IDLE {
            aggregate.end_interval();
        }
        assert_eq!(aggregate.end_interval().len(), 0, "what is told no more is forgotten");
        for n in 0..100_000 {
            aggregate.take(format!("t:{n}|ms\nu:{n}|s").as_bytes());
        }
        let values = aggregate.end_interval();
        let p99 = values.iter().find(|value| value.metric == "t.p99").unwrap().value;
        assert!((90_000.0..100_000.0).contains(&p99), "{p99}");
        assert!(values.iter().any(|value| value.value.to_string() == "10000"));
    }

    proptest! {
        #[test]
        fn any_datagram_is_read(datagram in "[ab:|@#.,0-9cgmshd\n+-]{0,100}") {
            let mut aggregate = Aggregate::new(&[50]);
            aggregate.take(datagram.as_bytes());
            for value in aggregate.end_interval() {
                prop_assert!(!value.metric.is_empty());
            }
        }
    }
}

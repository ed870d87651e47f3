//! The newest values of hosts as `OpenMetrics`, for a Prometheus that reads them here.
//!
//! In this format all samples of a metric stand together, whatever host they are of. So the values are
//! gathered first, some hosts at a time, as numbers: 32 bytes each, and every name once. The text, five
//! times as long and more, is made piece by piece while it is sent.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::time::Duration;

use hark_metrics::sound;
use hark_model::labels::Identity;
use hark_model::time::Clock;
use hark_model::{HostId, HostName, MetricKind, SeriesDef, SeriesName, Unix};
use hark_web::{Answer, NewestFilter, Sight};

use super::ServerBackend;
use super::openmetrics::escaped;
use crate::server::hosts::is_like;

/// Hosts of which history is asked at once: some milliseconds of its thread.
const AT_ONCE: usize = 50;

/// How long a piece of the text is.
const PIECE: usize = 64 * 1024;

/// Bound on the values of one answer: what 100,000 hosts of the usual size have.
const MAX_VALUES: usize = 5_000_000;

/// A value, by the numbers of its host and its series.
#[derive(Clone, Copy, Debug)]
struct Sample {
    series: u32,
    host: u32,
    at: Unix,
    value: f64,
}

/// Everything that is to be written.
#[derive(Debug, Default)]
struct Gathered {
    hosts: Vec<HostName>,
    series: Vec<(Identity, MetricKind)>,
    /// Numbers of series; `None` for those that are not wanted.
    numbers: HashMap<(SeriesName, MetricKind), Option<u32>>,
    values: Vec<Sample>,
}

impl Gathered {
    fn take(&mut self, host: u32, def: SeriesDef, at: Unix, value: f64, filter: &NewestFilter) {
        let series = &mut self.series;
        let number =
            *self.numbers.entry((def.name, def.kind)).or_insert_with_key(|(name, kind)| {
                let identity = sound(Identity::of(name, *kind));
                let is_wanted = (filter.collectors.is_empty()
                    || filter.collectors.contains(&name.collector))
                    && is_like(&filter.metrics, &identity.metric);
                is_wanted.then(|| {
                    series.push((identity, *kind));
                    u32::try_from(series.len() - 1).unwrap_or(u32::MAX)
                })
            });
        if let Some(series) = number
            && self.values.len() < MAX_VALUES
        {
            self.values.push(Sample { series, host, at, value });
        }
    }

    /// Writes everything, family by family; ends early if nobody wants more.
    fn write(mut self, timestamps: bool, piece: &mut dyn FnMut(String) -> bool) {
        let mut order: BTreeMap<(String, &'static str), Vec<u32>> = BTreeMap::new();
        let mut kinds: BTreeMap<String, BTreeSet<&'static str>> = BTreeMap::new();
        for (identity, kind) in &self.series {
            let (family, kind) = family(&identity.metric, *kind);
            kinds.entry(family).or_default().insert(kind);
        }
        for (number, (identity, kind)) in (0u32..).zip(&self.series) {
            let mut family = family(&identity.metric, *kind);
            // A gauge `x` beside a counter `x_total`: one name has one type, so that none is said of either.
            if kinds.get(&family.0).is_some_and(|kinds| kinds.len() > 1) {
                family = (identity.metric.clone(), "");
            }
            order.entry(family).or_default().push(number);
        }
        let mut ranks = vec![0u32; self.series.len()];
        for (rank, number) in (0u32..).zip(order.values().flatten()) {
            if let Some(place) = ranks.get_mut(*number as usize) {
                *place = rank;
            }
        }
        let rank = |series: u32| ranks.get(series as usize).copied().unwrap_or(u32::MAX);
        self.values.sort_unstable_by_key(|value| (rank(value.series), value.host));
        let mut rest = self.values.as_slice();
        let mut text = String::with_capacity(PIECE + 1024);
        for ((family, kind), numbers) in &order {
            let last = numbers.last().map_or(0, |number| rank(*number));
            let length = rest.partition_point(|value| rank(value.series) <= last);
            let (values, after) = rest.split_at(length);
            rest = after;
            if values.is_empty() {
                continue;
            }
            if !kind.is_empty() {
                // Writing to a string cannot fail.
                let _written = writeln!(text, "# TYPE {family} {kind}");
            }
            for value in values {
                self.line(value, timestamps, &mut text);
                if text.len() >= PIECE && !piece(std::mem::take(&mut text)) {
                    return;
                }
            }
        }
        text.push_str("# EOF\n");
        piece(text);
    }

    fn line(&self, value: &Sample, timestamps: bool, text: &mut String) {
        let (Some((identity, _)), Some(host)) =
            (self.series.get(value.series as usize), self.hosts.get(value.host as usize))
        else {
            return;
        };
        text.push_str(&identity.metric);
        let mut sign = '{';
        for (name, label) in identity.labels_on(host).iter() {
            let _written = write!(text, "{sign}{name}=\"{}\"", escaped(label));
            sign = ',';
        }
        let _written = match value.value {
            f64::INFINITY => write!(text, "}} +Inf"),
            f64::NEG_INFINITY => write!(text, "}} -Inf"),
            value => write!(text, "}} {value}"),
        };
        if timestamps {
            let (seconds, millis) = (value.at.0.div_euclid(1000), value.at.0.rem_euclid(1000));
            let _written = write!(text, " {seconds}.{millis:03}");
        }
        text.push('\n');
    }
}

/// Returns the family of a metric, and its type: a counter's is called without `_total`, and what counts
/// and is not called so has no type that this format knows, so that none is said.
fn family(metric: &str, kind: MetricKind) -> (String, &'static str) {
    match (kind, metric.strip_suffix("_total")) {
        (MetricKind::Counter, Some(family)) if !family.is_empty() => (family.to_owned(), "counter"),
        (MetricKind::Counter, _) => (metric.to_owned(), ""),
        (MetricKind::Gauge, _) => (metric.to_owned(), "gauge"),
    }
}

impl ServerBackend {
    pub(super) fn newest_values(
        &self,
        sight: &Sight,
        filter: &NewestFilter,
        piece: &mut dyn FnMut(String) -> bool,
    ) -> Answer<()> {
        let (sight, patterns) = (sight.clone(), filter.hosts.clone());
        let mut hosts: Vec<(HostId, HostName)> = self.ask(move |engine| {
            let seen = engine.hosts().filter(|host| sight.covers(host.name().as_str()));
            let wanted = seen.filter(|host| is_like(&patterns, host.name().as_str()));
            wanted.map(|host| (host.id(), host.name().clone())).collect()
        })?;
        hosts.sort_by(|a, b| a.1.cmp(&b.1));
        let oldest = Clock.now().unix - Duration::from_secs(filter.age_seconds);
        let mut gathered = Gathered::default();
        for some in hosts.chunks(AT_ONCE) {
            let ids: Vec<HostId> = some.iter().map(|(id, _)| *id).collect();
            let latest = self.links.ask_history(move |history| {
                ids.iter().map(|id| history.latest(*id)).collect::<Vec<_>>()
            });
            for ((_, name), latest) in some.iter().zip(latest.unwrap_or_default()) {
                let number = u32::try_from(gathered.hosts.len()).unwrap_or(u32::MAX);
                gathered.hosts.push(name.clone());
                for one in latest.into_iter().filter(|l| l.at >= oldest && !l.value.is_nan()) {
                    gathered.take(number, one.def, one.at, one.value, filter);
                }
            }
        }
        gathered.write(filter.timestamps, piece);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use hark_model::Unit;

    use super::*;

    fn def(collector: &str, instance: &str, metric: &str, kind: MetricKind) -> SeriesDef {
        let name = SeriesName::of(collector, instance, metric);
        SeriesDef { name, unit: Unit::None, kind, decimals: 0 }
    }

    fn written(filter: &NewestFilter) -> String {
        let mut gathered = Gathered::default();
        for (number, name) in (0u32..).zip(["db1", "web1"]) {
            gathered.hosts.push(HostName::new(name).unwrap());
            for (def, value) in [
                (
                    def("otlp", "shop.host\\.id=a\"b", "queue.length", MetricKind::Gauge),
                    f64::INFINITY,
                ),
                (def("cpu_monitor", "", "load_1min", MetricKind::Gauge), 0.5),
                (
                    def("exporter", "node.cpu=0", "node_cpu_seconds_total", MetricKind::Counter),
                    7.25,
                ),
                (def("exporter", "node", "took_count", MetricKind::Counter), 3.0),
            ] {
                gathered.take(number, def, Unix(1_700_000_000_250), value, filter);
            }
        }
        let mut text = String::new();
        gathered.write(filter.timestamps, &mut |piece| {
            text.push_str(&piece);
            true
        });
        text
    }

    #[test]
    fn the_samples_of_a_metric_stand_together() {
        assert_eq!(
            written(&NewestFilter::default()),
            "# TYPE hark_cpu_load_1min gauge\n\
             hark_cpu_load_1min{host=\"db1\",instance=\"db1\",job=\"hark\"} 0.5\n\
             hark_cpu_load_1min{host=\"web1\",instance=\"web1\",job=\"hark\"} 0.5\n\
             # TYPE node_cpu_seconds counter\n\
             node_cpu_seconds_total{cpu=\"0\",host=\"db1\",instance=\"db1\",job=\"node\"} 7.25\n\
             node_cpu_seconds_total{cpu=\"0\",host=\"web1\",instance=\"web1\",job=\"node\"} 7.25\n\
             # TYPE queue_length gauge\n\
             queue_length{host=\"db1\",host_id=\"a\\\"b\",instance=\"db1\",job=\"shop\"} +Inf\n\
             queue_length{host=\"web1\",host_id=\"a\\\"b\",instance=\"web1\",job=\"shop\"} +Inf\n\
             took_count{host=\"db1\",instance=\"db1\",job=\"node\"} 3\n\
             took_count{host=\"web1\",instance=\"web1\",job=\"node\"} 3\n\
             # EOF\n"
        );
    }

    #[test]
    fn a_name_has_one_type_or_none() {
        let mut gathered = Gathered::default();
        gathered.hosts.push(HostName::new("db1").unwrap());
        for (metric, kind) in [
            ("alloc_bytes", MetricKind::Gauge),
            ("alloc_bytes_total", MetricKind::Counter),
            ("allocs_total", MetricKind::Counter),
        ] {
            let def = def("exporter", "go", metric, kind);
            gathered.take(0, def, Unix(0), 1.0, &NewestFilter::default());
        }
        let mut text = String::new();
        gathered.write(false, &mut |piece| {
            text.push_str(&piece);
            true
        });
        let labels = "{host=\"db1\",instance=\"db1\",job=\"go\"}";
        assert_eq!(
            text,
            format!(
                "alloc_bytes{labels} 1\nalloc_bytes_total{labels} 1\n\
                 # TYPE allocs counter\nallocs_total{labels} 1\n# EOF\n"
            )
        );
    }

    #[test]
    fn what_is_wanted_is_written_with_its_time() {
        let filter = NewestFilter {
            metrics: vec!["*_total".to_owned(), "hark_*".to_owned()],
            collectors: vec!["exporter".to_owned()],
            timestamps: true,
            ..NewestFilter::default()
        };
        assert_eq!(
            written(&filter),
            "# TYPE node_cpu_seconds counter\n\
             node_cpu_seconds_total{cpu=\"0\",host=\"db1\",instance=\"db1\",job=\"node\"} 7.25 1700000000.250\n\
             node_cpu_seconds_total{cpu=\"0\",host=\"web1\",instance=\"web1\",job=\"node\"} 7.25 1700000000.250\n\
             # EOF\n"
        );
    }

    #[test]
    fn who_has_gone_is_written_for_no_longer() {
        let mut gathered = Gathered::default();
        for number in 0..2000 {
            gathered.hosts.push(HostName::new(&format!("web{number}")).unwrap());
            let def = def("cpu_monitor", "", "load_1min", MetricKind::Gauge);
            gathered.take(number, def, Unix(0), 1.0, &NewestFilter::default());
        }
        let mut n_pieces = 0;
        gathered.write(false, &mut |piece| {
            assert!(piece.len() <= PIECE + 1024);
            n_pieces += 1;
            false
        });
        assert_eq!(n_pieces, 1);
    }
}

//! Where thresholds stand, and all of a host after the layers of the configuration were laid over each other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hark_model::{SeriesName, Unit};

use super::{Limits, LimitsError, Threshold};
use crate::plan::signal::{Measure, Measures};

/// Where a threshold stands in the tree: collector, perhaps instance, metric.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ThresholdPath {
    /// The collector, or `rtt`.
    pub collector: String,
    /// Which instance; `None` stands for all of them. For `rtt` the host's name.
    pub instance: Option<String>,
    /// The metric; empty for `rtt`.
    pub metric: String,
    /// What is measured of it.
    pub measure: Measure,
}

/// The collector word under which round trip times stand (seed 001, item 128).
pub const RTT: &str = "rtt";

impl ThresholdPath {
    /// Makes a path from the keys of the tree, or nothing if there are too few or too many.
    ///
    /// The level `partitions` is left out (seed 001, item 137) and the metric `memory_percent` is
    /// taken for `percent` (decision C2).
    pub fn from_keys(keys: &[&str]) -> Option<Self> {
        let keys: Vec<&str> = keys.iter().copied().filter(|k| *k != "partitions").collect();
        let (collector, instance, metric) = match keys[..] {
            [RTT, host] => (RTT, Some(host), ""),
            [collector, metric] => (collector, None, metric),
            [collector, instance, metric] => (collector, Some(instance), metric),
            _ => return None,
        };
        let metric = match (collector, metric) {
            ("memory_monitor", "memory_percent") => "percent",
            (_, metric) => metric,
        };
        Some(Self {
            collector: collector.to_owned(),
            instance: instance.map(str::to_owned),
            metric: metric.to_owned(),
            measure: Measure::Value,
        })
    }

    /// Returns the series that it names; without an instance the one that has none.
    pub fn series(&self) -> SeriesName {
        SeriesName::of(&self.collector, self.instance.as_deref().unwrap_or(""), &self.metric)
    }

    /// Returns the unit that its metric says.
    pub fn unit(&self) -> Unit {
        if self.collector == RTT { Unit::Milliseconds } else { Unit::of_metric(&self.metric) }
    }
}

/// One layer of thresholds: the global tree or a profile's.
pub type ThresholdLayer = BTreeMap<ThresholdPath, Limits>;

/// The thresholds of a host after all layers were laid over each other.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ThresholdSet {
    by_path: BTreeMap<ThresholdPath, Arc<Threshold>>,
    /// By host: looked up at each heartbeat, so without making a path.
    round_trip: BTreeMap<String, Arc<Threshold>>,
    /// What is measured of any series, so that nothing else is looked for.
    measures: Measures,
}

impl ThresholdSet {
    /// Lays `layers` over each other, later ones on top, and resolves each metric.
    ///
    /// An instance's limits lie on top of those for all instances of the metric.
    ///
    /// # Errors
    /// All metrics whose limits cannot be, with the reason.
    pub fn resolve(layers: &[&ThresholdLayer]) -> Result<Self, Vec<(ThresholdPath, LimitsError)>> {
        let mut merged = ThresholdLayer::new();
        for layer in layers {
            for (path, limits) in *layer {
                merged.entry(path.clone()).or_default().overlay(limits);
            }
        }
        let mut set = Self::default();
        let mut errors = Vec::new();
        for (path, limits) in &merged {
            let general = ThresholdPath { instance: None, ..path.clone() };
            let mut whole = match merged.get(&general) {
                Some(under) if path.instance.is_some() => under.clone(),
                _ => Limits::default(),
            };
            whole.overlay(limits);
            match whole.resolve_as(path.measure, path.unit()) {
                Ok(threshold) => {
                    let threshold = Arc::new(threshold);
                    set.measures.insert(path.measure);
                    if let (RTT, Some(host)) = (path.collector.as_str(), &path.instance) {
                        set.round_trip.insert(host.clone(), threshold);
                    } else {
                        set.by_path.insert(path.clone(), threshold);
                    }
                }
                Err(error) => errors.push((path.clone(), error)),
            }
        }
        if errors.is_empty() { Ok(set) } else { Err(errors) }
    }

    /// Returns the threshold that looks at the value of a series.
    pub fn of_series(&self, series: &SeriesName) -> Option<&Arc<Threshold>> {
        self.of(series, Measure::Value)
    }

    /// Returns every threshold that looks at a series, the one of its value first.
    pub fn all_of(&self, series: &SeriesName) -> impl Iterator<Item = (Measure, &Arc<Threshold>)> {
        let of = |measure| Some((measure, self.of(series, measure)?));
        self.measures.iter().filter_map(of)
    }

    /// Returns the threshold that looks at this of a series.
    pub fn of(&self, series: &SeriesName, measure: Measure) -> Option<&Arc<Threshold>> {
        let mut path = ThresholdPath {
            collector: series.collector.clone(),
            instance: None,
            metric: series.metric.clone(),
            measure,
        };
        if !series.instance.is_empty() {
            path.instance = Some(series.instance.clone());
            if let Some(found) = self.by_path.get(&path) {
                return Some(found);
            }
            path.instance = None;
        }
        self.by_path.get(&path)
    }

    /// Returns the series that must come, each with its threshold; one without instance stands for all
    /// instances of its metric.
    pub fn awaited(&self) -> impl Iterator<Item = (SeriesName, &Arc<Threshold>)> {
        let absent = self.by_path.iter().filter(|(path, _)| path.measure == Measure::Absence);
        absent.map(|(path, threshold)| (path.series(), threshold))
    }

    /// Returns which of [`ThresholdSet::awaited`] a series is.
    pub fn awaited_as(&self, series: &SeriesName) -> Option<SeriesName> {
        if !self.measures.has(Measure::Absence) {
            return None;
        }
        let named = self.awaited().find(|(name, _)| name == series);
        let general = || {
            let all = SeriesName::plain(&series.collector, &series.metric);
            self.awaited().find(|(name, _)| *name == all)
        };
        named.or_else(general).map(|(name, _)| name)
    }

    /// Returns the threshold on the round trip time of the host `name`; `*` stands for every host.
    pub fn of_rtt(&self, name: &str) -> Option<&Arc<Threshold>> {
        self.round_trip.get(name).or_else(|| self.round_trip.get("*"))
    }

    /// Returns every threshold with its path.
    pub fn iter(&self) -> impl Iterator<Item = (ThresholdPath, &Threshold)> {
        let rtt = |host: &String| ThresholdPath {
            collector: RTT.to_owned(),
            instance: Some(host.clone()),
            metric: String::new(),
            measure: Measure::Value,
        };
        let metrics = self.by_path.iter().map(|(path, limits)| (path.clone(), &**limits));
        metrics.chain(self.round_trip.iter().map(move |(host, limits)| (rtt(host), &**limits)))
    }

    /// Returns every threshold on the value of a series of `collector`; those for all instances come first.
    pub fn of_collector(
        &self,
        collector: &str,
    ) -> impl Iterator<Item = (&ThresholdPath, &Threshold)> {
        let first = ThresholdPath {
            collector: collector.to_owned(),
            instance: None,
            metric: String::new(),
            measure: Measure::Value,
        };
        let from = self.by_path.range(first..);
        let of_it = from.take_while(move |(path, _)| path.collector == collector);
        let of_values = of_it.filter(|(path, _)| path.measure == Measure::Value);
        of_values.map(|(path, threshold)| (path, &**threshold))
    }

    /// Returns the limits of single instances, such as `disk_monitor./boot.percent`, that look at none of
    /// `series`: a slip in the name, or something that is not measured.
    pub fn without_series<'a>(&self, series: impl Iterator<Item = &'a SeriesName>) -> Vec<String> {
        let instances = self.by_path.keys().filter_map(|path| {
            let ThresholdPath { collector, instance, metric, measure: _ } = path;
            Some((collector.as_str(), instance.as_deref()?, metric.as_str()))
        });
        let mut idle: BTreeSet<_> = instances.collect();
        for name in series {
            idle.remove(&(name.collector.as_str(), name.instance.as_str(), name.metric.as_str()));
        }
        let path = |(collector, instance, metric)| format!("{collector}.{instance}.{metric}");
        idle.into_iter().map(path).collect()
    }

    /// Returns how many metrics have a threshold.
    pub fn len(&self) -> usize {
        self.by_path.len() + self.round_trip.len()
    }

    /// Returns true if no metric has a threshold.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

//! Metrics of a host over time.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::hosts::Limits;
use crate::list::{Cursor, Sort, SortField};
use crate::words::{Letter, State};

/// The most series of one answer: a chart has five lines, a page a few charts.
pub const MAX_NAMES: usize = 32;

/// The most points of one series: two for each pixel of a wide screen.
pub const MAX_POINTS: u32 = 4000;

/// How many points if the request does not say.
pub const DEFAULT_POINTS: u32 = 600;

/// The most hosts whose series one answer holds: a chart draws five, its table lists these.
pub const MAX_HOSTS: usize = 10;

/// The most hosts that are looked at to find those with the highest values: each costs a read of its
/// history, some milliseconds.
pub const MAX_LOOKED: usize = 100;

/// All metrics of a host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Metrics {
    /// By path.
    pub items: Vec<Metric>,
}

/// A metric of a host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Metric {
    /// Its path: `cpu_monitor.cpu_percent`, `disk_monitor./.percent`.
    pub path: String,
    /// What measures it.
    pub collector: String,
    /// Which one of several; empty if there is only one.
    pub instance: String,
    /// What is measured.
    pub metric: String,
    /// Its unit: `percent`, `bytes` ...
    pub unit: String,
    /// `gauge` or `counter`.
    pub kind: MetricKind,
    /// The newest value.
    #[schema(required = true)]
    pub last: Option<f64>,
    /// When that was taken.
    #[schema(required = true)]
    pub at_unix_s: Option<i64>,
}

/// How a metric moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MetricKind {
    /// Goes up and down.
    Gauge,
    /// Only grows; shown as its rate.
    Counter,
}

impl From<hark_model::MetricKind> for MetricKind {
    fn from(kind: hark_model::MetricKind) -> Self {
        match kind {
            hark_model::MetricKind::Gauge => Self::Gauge,
            hark_model::MetricKind::Counter => Self::Counter,
        }
    }
}

/// A metric, and how many hosts have it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MetricSummary {
    /// Its name in questions: `hark_cpu_percent`, `node_load1`.
    pub name: String,
    /// What measures it.
    pub collector: String,
    /// What is measured.
    pub metric: String,
    /// Its unit: `percent`, `bytes` ...
    pub unit: String,
    /// `gauge` or `counter`.
    pub kind: MetricKind,
    /// How many hosts have it, each once.
    pub hosts: u64,
}

/// Which hosts of a metric.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct MetricHostsQuery {
    /// Part of a host's name or of that of a mount point, an interface ...
    pub q: Option<String>,
    /// In which order; `host` if not given.
    pub sort: Option<MetricHostSort>,
    /// The `next` of the page before.
    pub cursor: Option<Cursor>,
    /// How many items at most.
    pub limit: Option<u32>,
}

/// The order of the hosts of a metric. What is of one host stands by its instance.
pub type MetricHostSort = Sort<MetricHostField>;

/// What the hosts of a metric are put in order by: not by values, which are another in the next moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricHostField {
    /// The host.
    Host,
}

impl SortField for MetricHostField {
    const NAME: &'static str = "MetricHostSort";
    const WORDS: &'static [(&'static str, Self)] = &[("host", Self::Host)];
}

/// A series of a metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MetricOnHost {
    /// The host.
    pub host: String,
    /// Which one of several; empty if there is only one.
    pub instance: String,
    /// Its path, with which its samples are asked for.
    pub path: String,
    /// The newest value.
    #[schema(required = true)]
    pub last: Option<f64>,
    /// When that was taken.
    #[schema(required = true)]
    pub at_unix_s: Option<i64>,
}

/// Which series, and when.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SeriesQuery {
    /// Paths, split by commas; at most 32. A comma within a path is written `%2C` before the
    /// whole is encoded for the address.
    pub names: String,
    /// From when, Unix seconds; an hour before `to` if not given.
    pub from: Option<i64>,
    /// Until when, Unix seconds; now if not given.
    pub to: Option<i64>,
    /// How many points at most; 600 if not given.
    pub points: Option<u32>,
    /// Instead of `points`: the distance of the points in seconds. They lie at whole multiples of it, whatever
    /// `from` and `to` are, so that answers fit each other; it grows where only coarser values are kept.
    pub step: Option<u32>,
    /// What stands where there is no value: `none` if not given.
    pub fill: Option<Fill>,
    /// Only so many of the series: those with the highest values, the highest first.
    pub top: Option<u32>,
    /// What is compared for that: `max` if not given.
    pub by: Option<By>,
}

/// What stands at a point where a series has no value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Fill {
    /// Nothing: a point at which no series has a value is not there.
    #[default]
    None,
    /// `null`: every point is there.
    Null,
    /// The value before it; `null` where there is none before it.
    Previous,
    /// What a line from the value before to the value after it goes through; `null` at the ends.
    Linear,
    /// 0.
    Zero,
}

/// By what series are compared. A point that is filled does not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// The highest of the means of each step.
    #[default]
    Max,
    /// The mean of these.
    Avg,
    /// The lowest of these.
    Min,
    /// The newest of these.
    Last,
}

/// Series by columns: `avg[i][k]` is of `names[i]` at `at_unix_s[k]`; null is a gap.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Series {
    /// From when.
    pub from_unix_s: i64,
    /// Until when.
    pub to_unix_s: i64,
    /// Seconds that one point stands for.
    pub step_s: f64,
    /// The points' times.
    pub at_unix_s: Vec<i64>,
    /// Paths.
    pub names: Vec<String>,
    /// Units.
    pub units: Vec<String>,
    /// How each moves: the values of a counter are changes of its unit per second.
    #[serde(default)]
    #[schema(required = true)]
    pub kinds: Vec<MetricKind>,
    /// The lowest value within each step.
    pub min: Vec<Vec<Option<f64>>>,
    /// The mean of each step.
    pub avg: Vec<Vec<Option<f64>>>,
    /// The highest value within each step.
    pub max: Vec<Vec<Option<f64>>>,
    /// Incidents of these metrics within the time.
    pub incidents: Vec<IncidentSpan>,
    /// The limits of each path that has any.
    pub limits: BTreeMap<String, Limits>,
}

/// Which series of several hosts, and when.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AcrossQuery {
    /// Paths, split by commas, as for one host; with all hosts at most 32 series.
    pub names: String,
    /// Hosts, split by commas; at most 10. One that is not visible is left out.
    pub hosts: Option<String>,
    /// Instead of hosts: a tag. Of the first hundred hosts by name that have it, the ten with the highest
    /// values of the first path are answered with.
    pub tag: Option<String>,
    /// From when, Unix seconds; an hour before `to` if not given.
    pub from: Option<i64>,
    /// Until when, Unix seconds; now if not given.
    pub to: Option<i64>,
    /// How many points of each series at most; 600 if not given.
    pub points: Option<u32>,
    /// Instead of `points`: the distance of the points in seconds. They lie at whole multiples of it, whatever
    /// `from` and `to` are, so that answers fit each other; it grows where only coarser values are kept.
    pub step: Option<u32>,
    /// What stands where there is no value: `none` if not given.
    pub fill: Option<Fill>,
    /// Only so many of the hosts, at most 10: those with the highest values of the first path, the highest
    /// first.
    pub top: Option<u32>,
    /// What is compared for that, and for a tag: `max` if not given.
    pub by: Option<By>,
}

/// The same series of several hosts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Across {
    /// By host: as asked for, or those with the highest values first.
    pub items: Vec<HostSeries>,
    /// Hosts with the tag that are not among them.
    pub more: u64,
}

/// Series of one of several hosts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HostSeries {
    /// The host.
    pub host: String,
    /// Its series. Their times are its own.
    pub series: Series,
}

/// An incident on the time axis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct IncidentSpan {
    /// From when.
    pub from_unix_s: i64,
    /// Until when; null while it is open.
    #[schema(required = true)]
    pub to_unix_s: Option<i64>,
    /// Its number.
    pub id: u64,
    /// Its worst state.
    pub state: State,
}

/// From when to when.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SpanQuery {
    /// From when, Unix seconds; a day before `to` if not given.
    pub from: Option<i64>,
    /// Until when, Unix seconds; now if not given.
    pub to: Option<i64>,
}

/// The states of each check of a host over time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Lanes {
    /// One lane a check, the host's own liveness first.
    pub lanes: Vec<Lane>,
}

/// The states of one check over time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Lane {
    /// The check.
    pub check: String,
    /// Its states, oldest first, without overlaps.
    pub spans: Vec<LaneSpan>,
}

/// One state for a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LaneSpan {
    /// From when.
    pub from_unix_s: i64,
    /// Until when.
    pub to_unix_s: i64,
    /// Which.
    pub state: Letter,
}

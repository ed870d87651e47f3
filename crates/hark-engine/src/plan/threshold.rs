//! Thresholds: limits with hysteresis (design rule 6.4, seed 001 section F).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use hark_model::sample::show;
use hark_model::{SeriesName, Status, Unit};

use super::repair::RepairPlan;
use super::signal::{Measure, Measures, Signal, Terms};
use crate::words::lasting;

/// How a value is compared with a limit (seed 001, item 113).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Operator {
    /// Above.
    #[default]
    Greater,
    /// At or above.
    GreaterEqual,
    /// Below.
    Less,
    /// At or below.
    LessEqual,
    /// Equal.
    Equal,
    /// Not equal.
    NotEqual,
}

impl Operator {
    /// Every operator with its word in the configuration.
    pub const WORDS: [(&'static str, Self); 6] = [
        (">", Self::Greater),
        (">=", Self::GreaterEqual),
        ("<", Self::Less),
        ("<=", Self::LessEqual),
        ("==", Self::Equal),
        ("!=", Self::NotEqual),
    ];

    /// Returns true if `value` has crossed `limit`.
    #[expect(clippy::float_cmp, reason = "the operators == and != mean exactly that")]
    pub fn crossed(self, value: f64, limit: f64) -> bool {
        match self {
            Self::Greater => value > limit,
            Self::GreaterEqual => value >= limit,
            Self::Less => value < limit,
            Self::LessEqual => value <= limit,
            Self::Equal => value == limit,
            Self::NotEqual => value != limit,
        }
    }

    /// Returns its word in the configuration.
    pub fn sign(self) -> &'static str {
        Self::WORDS.iter().find(|(_, known)| *known == self).map_or("", |(word, _)| word)
    }

    /// Returns the preposition that stands before the limit in a sentence.
    fn words(self) -> &'static str {
        match self {
            Self::Greater => "above",
            Self::GreaterEqual => "at or above",
            Self::Less => "below",
            Self::LessEqual => "at or below",
            Self::Equal => "equal to",
            Self::NotEqual => "other than",
        }
    }

    /// Returns where values are bad: above, below, or neither.
    fn direction(self) -> Direction {
        match self {
            Self::Greater | Self::GreaterEqual => Direction::Above,
            Self::Less | Self::LessEqual => Direction::Below,
            Self::Equal | Self::NotEqual => Direction::None,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Above,
    Below,
    None,
}

/// One limit: where a level begins, and where it ends again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    /// The level is entered when the value crosses this.
    pub raise: f64,
    /// A level that is held is left when the value has come back to this (seed 001, items 118 to 120).
    pub clear: f64,
}

/// What is done when no fresh result arrives (rule F2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnStale {
    /// The check becomes unknown.
    #[default]
    Unknown,
    /// The check becomes critical (a dead-man check).
    Critical,
    /// An active check is asked for; the status stays until its result.
    Probe,
}

impl OnStale {
    /// Every policy with its word in the configuration.
    pub const WORDS: [(&'static str, Self); 3] =
        [("unknown", Self::Unknown), ("critical", Self::Critical), ("probe", Self::Probe)];
}

/// How often and how long a level must be seen to be believed (rule 6.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfirmRule {
    /// Bad results in a row.
    pub attempts: u32,
    /// How long it must be bad; results decide, time alone does not.
    pub hold_for: Duration,
    /// Good results in a row that end a problem.
    pub clear_attempts: u32,
    /// How long it must be good to end a problem.
    pub keep_firing_for: Duration,
}

impl ConfirmRule {
    /// One result decides: passive checks, thresholds, liveness.
    pub const AT_ONCE: Self = Self {
        attempts: 1,
        hold_for: Duration::ZERO,
        clear_attempts: 1,
        keep_firing_for: Duration::ZERO,
    };
    /// Three bad results in a row: active checks.
    pub const ACTIVE: Self = Self { attempts: 3, ..Self::AT_ONCE };
}

/// The resolved threshold of one metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    /// What of the series it looks at.
    pub signal: Signal,
    /// How values are compared.
    pub operator: Operator,
    /// Where warning begins.
    pub warning: Option<Limit>,
    /// Where critical begins.
    pub critical: Option<Limit>,
    /// How it is believed.
    pub confirm: ConfirmRule,
    /// What is done without fresh values.
    pub on_stale: OnStale,
    /// What is ordered at the host when it is confirmed bad.
    pub repair: Option<Arc<RepairPlan>>,
}

impl Threshold {
    /// Returns the level of `value` after `before`; NaN is unknown (rules A8, A9).
    ///
    /// Hysteresis protects only the level that is held; once left, the raw limits decide (seed 001,
    /// decision C1). `before` is the last level that was not unknown.
    pub fn level(&self, value: f64, before: Status) -> Status {
        if value.is_nan() {
            return Status::Unknown;
        }
        let raw = self.raw(value);
        if raw.rank() < before.rank() && self.held(before, value) { before } else { raw }
    }

    fn raw(&self, value: f64) -> Status {
        let over =
            |limit: Option<Limit>| limit.is_some_and(|l| self.operator.crossed(value, l.raise));
        if over(self.critical) {
            Status::Critical
        } else if over(self.warning) {
            Status::Warning
        } else {
            Status::Ok
        }
    }

    fn held(&self, level: Status, value: f64) -> bool {
        let limit = match level {
            Status::Warning => self.warning,
            Status::Critical => self.critical,
            Status::Ok | Status::Unknown => None,
        };
        limit.is_some_and(|limit| match self.operator.direction() {
            Direction::Above => value > limit.clear,
            Direction::Below => value < limit.clear,
            Direction::None => false,
        })
    }

    /// Returns the limit that belongs to a level; for ok the one that is crossed first.
    fn limit_of(&self, level: Status) -> Option<Limit> {
        match level {
            Status::Critical => self.critical.or(self.warning),
            Status::Ok | Status::Warning | Status::Unknown => self.warning.or(self.critical),
        }
    }

    /// Returns a value beside the limit that made it `level`: `98.5 % > 95.0 %`, and where the value is
    /// on the good side of that limit, why the level is what it is.
    pub fn compared(&self, value: f64, level: Status, unit: Unit) -> String {
        let show = |value| self.signal.show(value, unit);
        let value_text = show(value);
        let Some(limit) = self.limit_of(level) else { return value_text };
        let rule = format!("{} {}", self.operator.sign(), show(limit.raise));
        if level == Status::Ok {
            format!("{value_text} (limit {rule})")
        } else if self.operator.crossed(value, limit.raise) {
            format!("{value_text} {rule}")
        } else {
            format!("{value_text} (limit {rule}, clears at {})", show(limit.clear))
        }
    }

    /// Returns the rule in words for one level, for people: `above 90.0 %, clears at 81.0 %`.
    pub fn words(&self, level: Status, unit: Unit) -> String {
        let Some(limit) = self.limit_of(level) else { return String::new() };
        let show = |value| self.signal.show(value, unit);
        let over = format!("{} {}", self.operator.words(), show(limit.raise));
        if self.operator.direction() == Direction::None {
            over
        } else {
            format!("{over}, clears at {}", show(limit.clear))
        }
    }
}

/// The limits of one metric as they stand in one layer of the configuration: every key may be left
/// to the layers below (seed 001, items 141 to 144).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Limits {
    /// Where warning begins.
    pub warning: Option<f64>,
    /// Where critical begins.
    pub critical: Option<f64>,
    /// How values are compared; `>` by default.
    pub operator: Option<Operator>,
    /// Share of the limit by which a value must come back; 0.1 by default.
    pub hysteresis: Option<f64>,
    /// An absolute value that ends warning, instead of the share.
    pub warning_clear: Option<f64>,
    /// An absolute value that ends critical, instead of the share.
    pub critical_clear: Option<f64>,
    /// See [`ConfirmRule::attempts`]; 1 by default.
    pub attempts: Option<u32>,
    /// See [`ConfirmRule::hold_for`].
    pub hold_for: Option<Duration>,
    /// See [`ConfirmRule::clear_attempts`].
    pub clear_attempts: Option<u32>,
    /// See [`ConfirmRule::keep_firing_for`].
    pub keep_firing_for: Option<Duration>,
    /// See [`Threshold::on_stale`].
    pub on_stale: Option<OnStale>,
    /// See [`Threshold::repair`].
    pub repair: Option<Arc<RepairPlan>>,
    /// See [`Threshold::signal`].
    pub terms: Terms,
}

/// Why limits cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitsError {
    /// Neither limit is there.
    #[error("neither `warning` nor `critical` is given")]
    Empty,
    /// The clear value of a level lies on the bad side of its limit.
    #[error(
        "`{key}` is {clear}, on the bad side of the limit {raise}: the level would never be entered and left"
    )]
    ClearSide {
        /// Which key.
        key: &'static str,
        /// Its value.
        clear: String,
        /// The limit.
        raise: String,
    },
    /// Warning begins later than critical.
    #[error("warning ({warning}) is stricter than critical ({critical}): warning must come first")]
    Order {
        /// The warning limit.
        warning: String,
        /// The critical limit.
        critical: String,
    },
    /// A way to make one value of many, and not of which.
    #[error(
        "`by: {by}` makes one value of those of a while: it needs `over`, for example `over: 10m`"
    )]
    NoWindow {
        /// The way.
        by: String,
    },
    /// It is not known when it is full.
    #[error("`full_in` needs `full` or `empty`: the value at which it is so")]
    NoBorder,
    /// It is full and empty.
    #[error("`full` and `empty` exclude each other: something fills up or runs dry")]
    TwoBorders,
}

impl Limits {
    /// The share by which a value must come back, unless given (seed 001, item 114).
    pub const HYSTERESIS: f64 = 0.1;

    /// Lays `over` on top: what it gives wins, key by key (seed 001, item 143).
    pub fn overlay(&mut self, over: &Self) {
        fn put<T>(under: &mut Option<T>, over: Option<T>) {
            if over.is_some() {
                *under = over;
            }
        }
        put(&mut self.warning, over.warning);
        put(&mut self.critical, over.critical);
        put(&mut self.operator, over.operator);
        put(&mut self.hysteresis, over.hysteresis);
        put(&mut self.warning_clear, over.warning_clear);
        put(&mut self.critical_clear, over.critical_clear);
        put(&mut self.attempts, over.attempts);
        put(&mut self.hold_for, over.hold_for);
        put(&mut self.clear_attempts, over.clear_attempts);
        put(&mut self.keep_firing_for, over.keep_firing_for);
        put(&mut self.on_stale, over.on_stale);
        put(&mut self.repair, over.repair.clone());
        self.terms.overlay(&over.terms);
    }

    /// Returns the threshold that these limits make of the value of a series that counts in no unit.
    ///
    /// # Errors
    /// See [`Limits::resolve_as`].
    pub fn resolve(&self) -> Result<Threshold, LimitsError> {
        self.resolve_as(Measure::Value, Unit::None)
    }

    /// Returns the threshold that these limits make of what is measured of a series that counts in `unit`.
    ///
    /// # Errors
    /// If there is no limit, a clear value on the wrong side, a warning stricter than critical, or
    /// something missing from what a signal is derived by (rule 6.4): refused when the configuration is
    /// read, never guessed.
    pub fn resolve_as(&self, measure: Measure, unit: Unit) -> Result<Threshold, LimitsError> {
        let usual = if measure == Measure::FullIn { Operator::Less } else { Operator::Greater };
        let operator = self.operator.unwrap_or(usual);
        let first = self.warning.or(self.critical).unwrap_or_default();
        let signal = self.terms.resolve(measure, unit, first)?;
        if self.warning.is_none() && self.critical.is_none() {
            return Err(LimitsError::Empty);
        }
        if let (Some(warning), Some(critical)) = (self.warning, self.critical) {
            let stricter = match operator.direction() {
                Direction::Above => warning > critical,
                Direction::Below => warning < critical,
                Direction::None => false,
            };
            if stricter {
                let show = |limit| if measure.is_time() { lasting(limit) } else { show(limit) };
                return Err(LimitsError::Order {
                    warning: show(warning),
                    critical: show(critical),
                });
            }
        }
        Ok(Threshold {
            signal,
            operator,
            warning: self.limit(operator, self.warning, self.warning_clear, "warning_clear")?,
            critical: self.limit(operator, self.critical, self.critical_clear, "critical_clear")?,
            confirm: ConfirmRule {
                attempts: self.attempts.unwrap_or(1).max(1),
                hold_for: self.hold_for.unwrap_or_default(),
                clear_attempts: self.clear_attempts.unwrap_or(1).max(1),
                keep_firing_for: self.keep_firing_for.unwrap_or_default(),
            },
            on_stale: self.on_stale.unwrap_or_default(),
            repair: self.repair.clone(),
        })
    }

    fn limit(
        &self,
        operator: Operator,
        raise: Option<f64>,
        clear: Option<f64>,
        key: &'static str,
    ) -> Result<Option<Limit>, LimitsError> {
        let Some(raise) = raise else { return Ok(None) };
        // Relative hysteresis is nothing for the limit 0: that is what the absolute keys are for
        // (seed 001, item 122).
        let margin = self.hysteresis.unwrap_or(Self::HYSTERESIS) * raise.abs();
        let (clear, wrong) = match operator.direction() {
            Direction::Above => {
                let clear = clear.unwrap_or(raise - margin);
                (clear, clear > raise)
            }
            Direction::Below => {
                let clear = clear.unwrap_or(raise + margin);
                (clear, clear < raise)
            }
            Direction::None => (raise, false),
        };
        if wrong {
            return Err(LimitsError::ClearSide { key, clear: show(clear), raise: show(raise) });
        }
        Ok(Some(Limit { raise, clear }))
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(operator: Operator, warning: f64, critical: f64) -> Limits {
        Limits {
            warning: Some(warning),
            critical: Some(critical),
            operator: Some(operator),
            ..Limits::default()
        }
    }

    /// Feeds values to a threshold and returns the levels' first letters.
    fn levels(limits: &Limits, values: &[f64]) -> String {
        let threshold = limits.resolve().unwrap();
        let mut before = Status::Ok;
        let mut seen = String::new();
        for value in values {
            let level = threshold.level(*value, before);
            if level != Status::Unknown {
                before = level;
            }
            seen.extend(level.word().chars().next());
        }
        seen
    }

    #[test]
    fn levels_follow_limits_and_hysteresis_protects_the_present_level_only() {
        use Operator::{Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual};
        let cases: [(Operator, f64, f64, &[f64], &str); 10] = [
            // Seed items 117, 118, 120 and decision C1: 85 holds critical, 79 leaves for ok.
            (Greater, 80.0, 90.0, &[80.0, 80.1, 90.0, 90.1, 85.0, 81.1, 81.0], "owwcccw"),
            (Greater, 80.0, 90.0, &[95.0, 85.0, 79.0], "cco"),
            (Greater, 80.0, 90.0, &[85.0, 79.0, 72.1, 72.0, 79.0], "wwwoo"),
            (GreaterEqual, 80.0, 90.0, &[79.9, 80.0, 90.0, 81.0, 72.0], "owcwo"),
            // Item 119: below, the level is left at limit + share.
            (Less, 20.0, 10.0, &[20.0, 19.0, 9.0, 10.9, 11.0, 22.0], "owccwo"),
            (LessEqual, 20.0, 10.0, &[20.0, 10.0, 10.5, 21.9, 22.0], "wccoo"),
            // Item 121: none for == and !=.
            (Equal, 1.0, 2.0, &[0.0, 1.0, 2.0, 1.0, 0.0], "owcwo"),
            (NotEqual, 0.0, 0.0, &[0.0, 1.0, 0.0], "oco"),
            // Rule A8: unknown leaves the remembered level untouched.
            (Greater, 80.0, 90.0, &[95.0, f64::NAN, 85.0], "cuc"),
            // Negative limits: the share is taken of the absolute value.
            (Greater, -20.0, -10.0, &[-30.0, -9.0, -10.5, -11.0, -22.0], "occwo"),
        ];
        for (operator, warning, critical, values, expected) in cases {
            let limits = limits(operator, warning, critical);
            assert_eq!(levels(&limits, values), expected, "{operator:?} {values:?}");
        }
    }

    #[test]
    fn an_absolute_clear_value_serves_the_limit_zero() {
        let limits = Limits { warning: Some(0.0), warning_clear: Some(-1.0), ..Limits::default() };
        assert_eq!(levels(&limits, &[0.0, 0.1, -0.5, -1.0]), "owwo");
    }

    #[test]
    fn impossible_limits_are_refused_with_the_reason() {
        assert_eq!(Limits::default().resolve(), Err(LimitsError::Empty));
        assert!(matches!(
            limits(Operator::Greater, 90.0, 80.0).resolve(),
            Err(LimitsError::Order { .. })
        ));
        assert!(matches!(
            limits(Operator::Less, 5.0, 10.0).resolve(),
            Err(LimitsError::Order { .. })
        ));
        let clear = Limits { warning: Some(80.0), warning_clear: Some(85.0), ..Limits::default() };
        assert!(matches!(
            clear.resolve(),
            Err(LimitsError::ClearSide { key: "warning_clear", .. })
        ));
    }

    #[test]
    fn layers_merge_key_by_key_and_instances_lie_on_the_general_limits() {
        let path = |keys: &[&str]| ThresholdPath::from_keys(keys).unwrap();
        let general = ThresholdLayer::from([(
            path(&["disk_monitor", "percent"]),
            limits(Operator::Greater, 85.0, 95.0),
        )]);
        let profile = ThresholdLayer::from([(
            path(&["disk_monitor", "partitions", "/", "percent"]),
            Limits { critical: Some(99.0), ..Limits::default() },
        )]);
        let set = ThresholdSet::resolve(&[&general, &profile]).unwrap();
        let root = set.of_series(&SeriesName::of("disk_monitor", "/", "percent")).unwrap();
        assert_eq!(root.words(Status::Warning, Unit::None), "above 85.0, clears at 76.5");
        assert_eq!(root.words(Status::Critical, Unit::None), "above 99.0, clears at 89.1");
        let home = set.of_series(&SeriesName::of("disk_monitor", "/home", "percent")).unwrap();
        assert_eq!(home.words(Status::Critical, Unit::None), "above 95.0, clears at 85.5");
        assert!(set.of_series(&SeriesName::of("disk_monitor", "/", "free_gb")).is_none());
    }

    #[test]
    fn memory_percent_is_percent_and_rtt_is_by_host() {
        assert_eq!(
            ThresholdPath::from_keys(&["memory_monitor", "memory_percent"]).unwrap().metric,
            "percent"
        );
        let layer = ThresholdLayer::from([(
            ThresholdPath::from_keys(&["rtt", "web1"]).unwrap(),
            limits(Operator::Greater, 50.0, 100.0),
        )]);
        let set = ThresholdSet::resolve(&[&layer]).unwrap();
        assert!(set.of_rtt("web1").is_some() && set.of_rtt("web2").is_none());
    }

    #[test]
    fn a_value_is_shown_beside_the_limit_that_counts() {
        let above = limits(Operator::Greater, 80.0, 95.0).resolve().unwrap();
        assert_eq!(above.compared(98.5, Status::Critical, Unit::None), "98.5 > 95.0");
        assert_eq!(above.compared(85.0, Status::Warning, Unit::None), "85.0 > 80.0");
        let held = above.compared(90.0, Status::Critical, Unit::None);
        assert_eq!(held, "90.0 (limit > 95.0, clears at 85.5)");
        assert_eq!(above.compared(10.0, Status::Ok, Unit::None), "10.0 (limit > 80.0)");
        let percent = above.compared(98.5, Status::Critical, Unit::Percent);
        assert_eq!(percent, "98.5 % > 95.0 %");
        let below = limits(Operator::LessEqual, 20.0, 10.0).resolve().unwrap();
        assert_eq!(below.compared(10.0, Status::Critical, Unit::None), "10.0 <= 10.0");
    }

    #[test]
    fn rules_read_as_words() {
        let threshold = limits(Operator::Greater, 80.0, 90.0).resolve().unwrap();
        assert_eq!(threshold.words(Status::Critical, Unit::None), "above 90.0, clears at 81.0");
        assert_eq!(threshold.words(Status::Warning, Unit::None), "above 80.0, clears at 72.0");
    }
    #[test]
    fn limits_of_an_instance_that_sends_nothing_are_known() {
        let mut layer = ThresholdLayer::new();
        for keys in [
            &["disk_monitor", "partitions", "/", "percent"][..],
            &["disk_monitor", "/tmp", "percent"],
            &["battery_monitor", "percent"],
            &["rtt", "web1"],
        ] {
            let path = ThresholdPath::from_keys(keys).unwrap();
            layer.insert(path, limits(Operator::Greater, 80.0, 90.0));
        }
        let set = ThresholdSet::resolve(&[&layer]).unwrap();
        let sent = [SeriesName::of("disk_monitor", "/", "percent")];
        assert_eq!(set.without_series(sent.iter()), ["disk_monitor./tmp.percent"]);
        assert_eq!(
            set.without_series([].into_iter()),
            ["disk_monitor./.percent", "disk_monitor./tmp.percent"]
        );
    }
}

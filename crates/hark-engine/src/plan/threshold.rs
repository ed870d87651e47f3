//! Thresholds: limits with hysteresis (design rule 6.4, seed 001 section F).

mod limits;
mod set;

use std::sync::Arc;
use std::time::Duration;

use hark_model::{Status, Unit};

pub use limits::{Limits, LimitsError};
pub use set::{RTT, ThresholdLayer, ThresholdPath, ThresholdSet};

use super::repair::RepairPlan;
use super::signal::Signal;

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

    /// Returns the limit that belongs to a level, with what begins there; for ok the one that is crossed
    /// first.
    fn limit_of(&self, level: Status) -> Option<(Status, Limit)> {
        let warning = self.warning.map(|limit| (Status::Warning, limit));
        let critical = self.critical.map(|limit| (Status::Critical, limit));
        match level {
            Status::Critical => critical.or(warning),
            Status::Ok | Status::Warning | Status::Unknown => warning.or(critical),
        }
    }

    /// Returns a value beside the limit that made it `level`: `98.5 % > 95.0 %`, and where the value is
    /// on the good side of that limit, why the level is what it is.
    pub fn compared(&self, value: f64, level: Status, unit: Unit) -> String {
        let show = |value| self.signal.show(value, unit);
        let value_text = show(value);
        let Some((_, limit)) = self.limit_of(level) else { return value_text };
        let rule = format!("{} {}", self.operator.sign(), show(limit.raise));
        if level == Status::Ok {
            format!("{value_text} (limit {rule})")
        } else if self.operator.crossed(value, limit.raise) {
            format!("{value_text} {rule}")
        } else {
            format!("{value_text} (limit {rule}, clears at {})", show(limit.clear))
        }
    }

    /// Returns the same as a sentence goes on, for messages: `98.5 % (limit: critical above 95.0 %, clears at
    /// 85.5 %)`. Whoever reads it may have no page at hand, and not have made the rule.
    pub(crate) fn told(&self, value: f64, level: Status, unit: Unit) -> String {
        let show = |value| self.signal.show(value, unit);
        let Some((begins, limit)) = self.limit_of(level) else { return show(value) };
        let rule = format!("{begins} {} {}", self.operator.words(), show(limit.raise));
        let end = if level == Status::Ok || self.operator.direction() == Direction::None {
            String::new()
        } else if self.operator.crossed(value, limit.raise) {
            format!(", clears at {}", show(limit.clear))
        } else {
            format!(", holds until {}", show(limit.clear))
        };
        format!("{} (limit: {rule}{end})", show(value))
    }

    /// Returns which limit belongs to a level, in words: `critical above 95.0 %, clears at 85.5 %`.
    pub(crate) fn limit_in_words(&self, level: Status, unit: Unit) -> String {
        let begins = self.limit_of(level).map_or(level, |(begins, _)| begins);
        format!("{begins} {}", self.words(level, unit))
    }

    /// Returns the rule in words for one level, for people: `above 90.0 %, clears at 81.0 %`.
    pub fn words(&self, level: Status, unit: Unit) -> String {
        let Some((_, limit)) = self.limit_of(level) else { return String::new() };
        let show = |value| self.signal.show(value, unit);
        let over = format!("{} {}", self.operator.words(), show(limit.raise));
        if self.operator.direction() == Direction::None {
            over
        } else {
            format!("{over}, clears at {}", show(limit.clear))
        }
    }
}

#[cfg(test)]
mod tests {
    use hark_model::SeriesName;

    use super::*;
    use crate::plan::signal::Measure;

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
    fn what_is_bad_below_a_limit_is_over_at_the_most_that_it_can_be() {
        let below = |critical, unit| {
            let limits = Limits {
                operator: Some(Operator::Less),
                critical: Some(critical),
                ..Limits::default()
            };
            let threshold = limits.resolve_as(Measure::Value, unit).unwrap();
            threshold.critical.unwrap().clear.to_string()
        };
        assert_eq!(below(1.0, Unit::None), "1");
        assert_eq!(below(0.95, Unit::None), "1");
        assert_eq!(below(95.0, Unit::Percent), "100");
        // As the share says.
        assert_eq!(below(0.5, Unit::None), "0.55");
        assert_eq!(below(20.0, Unit::None), "22");
        assert_eq!(below(1.0, Unit::Seconds), "1.1");
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
    fn a_message_says_the_value_with_its_unit_and_which_limit_it_crossed() {
        let above = limits(Operator::Greater, 80.0, 95.0).resolve().unwrap();
        for (value, level, expected) in [
            (98.5, Status::Critical, "98.5 % (limit: critical above 95.0 %, clears at 85.5 %)"),
            (85.0, Status::Warning, "85.0 % (limit: warning above 80.0 %, clears at 72.0 %)"),
            (90.0, Status::Critical, "90.0 % (limit: critical above 95.0 %, holds until 85.5 %)"),
            (10.0, Status::Ok, "10.0 % (limit: warning above 80.0 %)"),
        ] {
            assert_eq!(above.told(value, level, Unit::Percent), expected);
        }
        let least = Limits {
            critical: Some(10.0),
            operator: Some(Operator::LessEqual),
            ..Limits::default()
        };
        let least = least.resolve().unwrap();
        let told = least.told(12.0, Status::Ok, Unit::Gibibytes);
        assert_eq!(told, "12.0 GiB (limit: critical at or below 10.0 GiB)");
        let other = limits(Operator::NotEqual, 0.0, 0.0).resolve().unwrap();
        let told = other.told(1.0, Status::Critical, Unit::None);
        assert_eq!(told, "1.0 (limit: critical other than 0.0)");
        let rule = above.limit_in_words(Status::Warning, Unit::Percent);
        assert_eq!(rule, "warning above 80.0 %, clears at 72.0 %");
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

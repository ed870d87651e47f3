//! Measured values and the series they belong to.

use std::fmt;

use crate::name::{CheckName, NameError};
use crate::time::Unix;

/// What a value counts in. Base units outside; the seeds' names keep their own (`_mb`, `_gb`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    /// A plain number.
    #[default]
    None,
    /// 0 to 100.
    Percent,
    /// Bytes.
    Bytes,
    /// Bytes in a second.
    BytesPerSecond,
    /// Mebibytes (seed names ending in `_mb`).
    Mebibytes,
    /// Gibibytes (seed names ending in `_gb`).
    Gibibytes,
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
    /// Things in a second.
    PerSecond,
    /// Megahertz.
    Megahertz,
    /// Degrees Celsius.
    Celsius,
}

impl Unit {
    /// Every unit, in the order of its number on the wire and on disk. Append only.
    pub const ALL: [Self; 11] = [
        Self::None,
        Self::Percent,
        Self::Bytes,
        Self::BytesPerSecond,
        Self::Mebibytes,
        Self::Gibibytes,
        Self::Seconds,
        Self::Milliseconds,
        Self::PerSecond,
        Self::Megahertz,
        Self::Celsius,
    ];

    /// Returns the word used in the API: `percent`, `bytes_per_second` ...
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Percent => "percent",
            Self::Bytes => "bytes",
            Self::BytesPerSecond => "bytes_per_second",
            Self::Mebibytes => "mebibytes",
            Self::Gibibytes => "gibibytes",
            Self::Seconds => "seconds",
            Self::Milliseconds => "milliseconds",
            Self::PerSecond => "per_second",
            Self::Megahertz => "megahertz",
            Self::Celsius => "celsius",
        }
    }

    /// Returns the sign that follows a number on the page: `%`, `B`, `ms` ...
    pub fn sign(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Percent => "%",
            Self::Bytes => "B",
            Self::BytesPerSecond => "B/s",
            Self::Mebibytes => "MiB",
            Self::Gibibytes => "GiB",
            Self::Seconds => "s",
            Self::Milliseconds => "ms",
            Self::PerSecond => "/s",
            Self::Megahertz => "MHz",
            Self::Celsius => "°C",
        }
    }

    /// Returns the unit that the name of a metric says, by the endings that all of ours have: for
    /// where its definition is not at hand. [`Unit::None`] if it says none.
    pub fn of_metric(metric: &str) -> Self {
        const ENDINGS: [(&str, Unit); 8] = [
            ("percent", Unit::Percent),
            ("mb", Unit::Mebibytes),
            ("gb", Unit::Gibibytes),
            ("bytes", Unit::Bytes),
            ("seconds", Unit::Seconds),
            ("ms", Unit::Milliseconds),
            ("mhz", Unit::Megahertz),
            ("temperature", Unit::Celsius),
        ];
        let ending = metric.rsplit('_').next().unwrap_or_default();
        ENDINGS.iter().find(|(known, _)| *known == ending).map_or(Self::None, |(_, unit)| *unit)
    }

    /// Returns a value as people read it, with its unit: `98.5 %`, `12.0`.
    pub fn show(self, value: f64) -> String {
        match self.sign() {
            "" => show(value),
            sign => format!("{} {sign}", show(value)),
        }
    }
}

/// How a series moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MetricKind {
    /// Goes up and down; the value itself is of interest.
    #[default]
    Gauge,
    /// Only grows (and starts again at a reset); its rate is of interest.
    Counter,
}

/// The name of a series within its host: `cpu_monitor.cpu_percent`, or with an instance
/// `disk_monitor./.percent`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesName {
    /// What measured it, in the seed's words: `cpu_monitor`, `disk_monitor` ...
    pub collector: String,
    /// Which one of several (mount point, interface, core); empty if there is only one.
    pub instance: String,
    /// What was measured: `percent`, `load_1min` ...
    pub metric: String,
}

impl SeriesName {
    /// Makes a name of a series that has no instance.
    pub fn plain(collector: &str, metric: &str) -> Self {
        Self::of(collector, "", metric)
    }

    /// Makes a name of a series of one `instance`.
    pub fn of(collector: &str, instance: &str, metric: &str) -> Self {
        Self {
            collector: collector.to_owned(),
            instance: instance.to_owned(),
            metric: metric.to_owned(),
        }
    }

    /// Returns the path used in messages, thresholds and the API (seed 001, items 134 to 137).
    pub fn path(&self) -> String {
        if self.instance.is_empty() {
            format!("{}.{}", self.collector, self.metric)
        } else {
            format!("{}.{}.{}", self.collector, self.instance, self.metric)
        }
    }

    /// Returns the name of the check that watches this series.
    ///
    /// # Errors
    /// If the path is longer than a check's name may be or has control characters.
    pub fn check(&self) -> Result<CheckName, NameError> {
        CheckName::new(&self.path())
    }
}

impl fmt::Display for SeriesName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path())
    }
}

/// A series as an agent declares it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesDef {
    /// Its name within the host.
    pub name: SeriesName,
    /// What its values count in.
    pub unit: Unit,
    /// How it moves.
    pub kind: MetricKind,
    /// Decimals kept, 0 to 6: a value is stored as the integer `round(value * 10^decimals)` where
    /// that is exact enough to be shown, which is what makes it small.
    pub decimals: u8,
}

/// One value of one series at one time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// When it was taken, by the clock of the one who took it.
    pub at: Unix,
    /// The value; NaN stands for "absent".
    pub value: f64,
}

/// Writes a number the way messages show it: shortest, at least one and at most three decimals
/// (seed 001, item 138: `85.0`, `45.2`).
pub fn show(value: f64) -> String {
    let text = format!("{value:.3}");
    let Some((whole, decimals)) = text.split_once('.') else { return text };
    let kept = decimals.trim_end_matches('0');
    if kept.is_empty() { format!("{whole}.0") } else { format!("{whole}.{kept}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_the_seeds() {
        assert_eq!(
            SeriesName::plain("cpu_monitor", "cpu_percent").path(),
            "cpu_monitor.cpu_percent"
        );
        assert_eq!(SeriesName::of("disk_monitor", "/", "percent").path(), "disk_monitor./.percent");
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(show(85.0), "85.0");
        assert_eq!(show(45.2), "45.2");
        assert_eq!(show(0.12345), "0.123");
        assert_eq!(show(f64::NAN), "NaN");
    }

    #[test]
    fn units_are_numbered_once() {
        let mut words: Vec<_> = Unit::ALL.iter().map(|u| u.word()).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Unit::ALL.len());
    }
}

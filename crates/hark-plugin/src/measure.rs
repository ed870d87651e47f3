//! A value as a foreign program prints it, and what its unit is here.

use hark_model::check::{Range, SeriesLimits};
use hark_model::{MetricKind, SeriesDef, SeriesName, Unit};

/// Bound on the bytes of a metric's or an instance's name, together with the rest below what a series
/// may be called.
pub(crate) const MAX_NAME: usize = 100;

/// A value that a foreign program printed.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// Which one of several; empty if there is only one.
    pub instance: String,
    /// What was measured.
    pub metric: String,
    /// The value in `unit`; NaN if it says itself that it does not know.
    pub value: f64,
    /// What it counts in.
    pub unit: Unit,
    /// How it moves.
    pub kind: MetricKind,
    /// What the program itself calls bad, in `unit`.
    pub limits: Option<Box<Limits>>,
}

/// What a program itself says of a value.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Limits {
    /// It warns outside of this.
    pub warning: Option<Range>,
    /// It is critical outside of this.
    pub critical: Option<Range>,
    /// The smallest value there can be.
    pub min: Option<f64>,
    /// The largest.
    pub max: Option<f64>,
}

impl Measured {
    /// Makes a plain number.
    pub fn number(metric: &str, value: f64) -> Self {
        Self {
            instance: String::new(),
            metric: metric.to_owned(),
            value,
            unit: Unit::None,
            kind: MetricKind::Gauge,
            limits: None,
        }
    }

    /// Returns the series it belongs to, below `collector`. An `instance` of the caller's stands
    /// before its own.
    pub fn series(&self, collector: &str, instance: &str) -> SeriesDef {
        let both = match (instance.is_empty(), self.instance.is_empty()) {
            (false, false) => format!("{instance}.{}", self.instance),
            (false, true) => instance.to_owned(),
            (true, _) => self.instance.clone(),
        };
        SeriesDef {
            name: SeriesName {
                collector: collector.to_owned(),
                instance: both,
                metric: self.metric.clone(),
            },
            unit: self.unit,
            kind: self.kind,
            decimals: decimals(self.unit, self.kind),
        }
    }

    /// Returns what the program says of this value, as it travels with a check's result.
    pub fn series_limits(&self, collector: &str, instance: &str) -> Option<SeriesLimits> {
        let limits = self.limits.as_deref()?;
        Some(SeriesLimits {
            series: self.series(collector, instance).name,
            warning: limits.warning,
            critical: limits.critical,
            min: limits.min,
            max: limits.max,
        })
    }
}

/// How many decimals are kept: what the unit is good for, not what was printed, since that changes
/// with each value and a series keeps its form.
fn decimals(unit: Unit, kind: MetricKind) -> u8 {
    if kind == MetricKind::Counter && unit != Unit::Seconds {
        return 0;
    }
    match unit {
        Unit::Bytes => 0,
        Unit::Percent | Unit::Celsius | Unit::BytesPerSecond | Unit::Megahertz => 2,
        Unit::Milliseconds | Unit::PerSecond | Unit::Mebibytes | Unit::Gibibytes => 3,
        Unit::None | Unit::Seconds => 6,
    }
}

/// A unit as programs write it: what it is here, how it moves, and what a value is multiplied with.
pub(crate) fn unit(word: &str) -> (Unit, MetricKind, f64) {
    const KIB: f64 = 1024.0;
    let gauge = |unit, factor| (unit, MetricKind::Gauge, factor);
    match word {
        "%" | "percent" => gauge(Unit::Percent, 1.0),
        "s" | "sec" | "seconds" => gauge(Unit::Seconds, 1.0),
        "ms" | "milliseconds" => gauge(Unit::Milliseconds, 1.0),
        "us" | "µs" | "μs" => gauge(Unit::Seconds, 1e-6),
        "ns" => gauge(Unit::Seconds, 1e-9),
        "min" => gauge(Unit::Seconds, 60.0),
        "h" => gauge(Unit::Seconds, 3600.0),
        "d" => gauge(Unit::Seconds, 86400.0),
        "B" | "b" | "bytes" => gauge(Unit::Bytes, 1.0),
        // The plugins count with 1024 and write it without `i`.
        "KB" | "kB" | "KiB" | "K" => gauge(Unit::Bytes, KIB),
        "MB" | "MiB" => gauge(Unit::Bytes, KIB * KIB),
        "GB" | "GiB" => gauge(Unit::Bytes, KIB * KIB * KIB),
        "TB" | "TiB" => gauge(Unit::Bytes, KIB * KIB * KIB * KIB),
        "PB" | "PiB" => gauge(Unit::Bytes, KIB * KIB * KIB * KIB * KIB),
        "mebibytes" => gauge(Unit::Mebibytes, 1.0),
        "gibibytes" => gauge(Unit::Gibibytes, 1.0),
        "B/s" | "Bps" | "bytes_per_second" => gauge(Unit::BytesPerSecond, 1.0),
        "/s" | "per_second" => gauge(Unit::PerSecond, 1.0),
        "MHz" | "megahertz" => gauge(Unit::Megahertz, 1.0),
        "C" | "°C" | "celsius" => gauge(Unit::Celsius, 1.0),
        "c" => (Unit::None, MetricKind::Counter, 1.0),
        _ => gauge(Unit::None, 1.0),
    }
}

/// Reads a number at the start of `text`; returns it and what follows.
pub(crate) fn number(text: &str) -> Option<(f64, &str)> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let sign = usize::from(text.starts_with(['-', '+']));
    let whole = digits(text.get(sign..)?);
    let mut end = sign + whole;
    let mut any = whole > 0;
    if text.get(end..).is_some_and(|rest| rest.starts_with('.')) {
        let decimals = digits(text.get(end + 1..)?);
        any |= decimals > 0;
        end += 1 + decimals;
    }
    if !any {
        return None;
    }
    // An exponent has digits; without them the letter begins a unit.
    let rest = text.get(end..)?;
    if rest.starts_with(['e', 'E']) {
        let sign = usize::from(rest.get(1..)?.starts_with(['-', '+']));
        let exponent = digits(rest.get(1 + sign..)?);
        if exponent > 0 {
            end += 1 + sign + exponent;
        }
    }
    let value: f64 = text.get(..end)?.parse().ok()?;
    value.is_finite().then_some((value, text.get(end..)?))
}

/// Makes a name of foreign text: printable, bounded, and not empty.
pub(crate) fn name(text: &str) -> Option<String> {
    let text = crate::text::clean(text.trim().as_bytes(), MAX_NAME).replace('\n', " ");
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_end_where_their_unit_begins() {
        for (text, value, rest) in [
            ("5", 5.0, ""),
            ("-0.5s", -0.5, "s"),
            ("1.5e3B", 1500.0, "B"),
            ("7e", 7.0, "e"),
            (".5%", 0.5, "%"),
            ("3.MB", 3.0, "MB"),
            ("+2", 2.0, ""),
        ] {
            assert_eq!(number(text), Some((value, rest)), "{text}");
        }
        for text in ["", "U", "-", ".", "e5", "1e999"] {
            assert_eq!(number(text), None, "{text}");
        }
    }

    #[test]
    fn a_series_is_named_after_caller_and_value() {
        let mut value = Measured::number("used", 1.0);
        assert_eq!(value.series("x", "").name.path(), "x.used");
        assert_eq!(value.series("x", "a").name.path(), "x.a.used");
        value.instance = "b".into();
        assert_eq!(value.series("x", "a").name.path(), "x.a.b.used");
        assert_eq!(value.series("x", "").name.path(), "x.b.used");
    }
}

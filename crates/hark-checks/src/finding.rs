//! What one look found, and how it is written: as a result for the engine, and as the line that
//! Nagios plugins print.

use std::fmt::Write as _;
use std::time::Duration;

use hark_model::name::CheckName;
use hark_model::sample::{SeriesName, Unit};
use hark_model::{CheckResult, Status, Unix};

/// A number that a look measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Measure {
    /// Its name: `total_seconds`, `loss_percent`. A fixed word of the check type.
    pub name: &'static str,
    /// Its value.
    pub value: f64,
    /// What it counts in.
    pub unit: Unit,
    /// From where on it is a warning; shown in plugin output.
    pub warning: Option<f64>,
    /// From where on it is critical; shown in plugin output.
    pub critical: Option<f64>,
}

impl Measure {
    /// Makes a measure without limits.
    pub fn new(name: &'static str, value: f64, unit: Unit) -> Self {
        Self { name, value, unit, warning: None, critical: None }
    }

    /// Makes a measure of a time in seconds.
    pub fn seconds(name: &'static str, time: Duration) -> Self {
        Self::new(name, time.as_secs_f64(), Unit::Seconds)
    }

    /// Adds limits.
    #[must_use]
    pub fn limits(mut self, warning: Option<f64>, critical: Option<f64>) -> Self {
        self.warning = warning;
        self.critical = critical;
        self
    }
}

/// What one look found.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// What it means.
    pub status: Status,
    /// The same in words; the first line is the short form.
    pub text: String,
    /// What was measured.
    pub measures: Vec<Measure>,
}

impl Finding {
    /// Makes a finding without measures.
    pub fn new(status: Status, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), measures: Vec::new() }
    }

    /// The finding of a look that did not end in time.
    pub(crate) fn timed_out(limit: Duration) -> Self {
        let limit = hark_config::duration::format(limit);
        Self::new(Status::Critical, format!("no result within {limit}"))
    }

    /// Cuts the text to what a result may hold.
    pub(crate) fn bounded(mut self) -> Self {
        if self.text.len() > CheckResult::MAX_TEXT {
            self.text.truncate(self.text.floor_char_boundary(CheckResult::MAX_TEXT));
        }
        self
    }

    /// Turns it into a result of the check called `check`. Its series are named after the type and
    /// the check: `http.web.total_seconds`.
    pub fn into_result(
        self,
        kind: &str,
        check: CheckName,
        began_at: Unix,
        took: Duration,
    ) -> CheckResult {
        let values = self
            .measures
            .iter()
            .map(|m| (SeriesName::of(kind, check.as_str(), m.name), m.value))
            .collect();
        CheckResult {
            status: self.status,
            text: self.text,
            began_at,
            took_ms: u32::try_from(took.as_millis()).unwrap_or(u32::MAX),
            values,
            limits: Vec::new(),
            next: hark_model::Next::default(),
            check,
        }
    }

    /// Returns the line that a Nagios plugin of this name would print: status, text, and the
    /// measures after a bar. Further lines of the text follow.
    pub fn plugin_output(&self, kind: &str) -> String {
        let (first, rest) = self.text.split_once('\n').unwrap_or((&self.text, ""));
        // A bar in the text would begin the measures.
        let first = first.replace('|', "/");
        let kind = kind.to_ascii_uppercase();
        let mut line = format!("{kind} {} - {first}", self.status.word().to_ascii_uppercase());
        let measures: Vec<String> = self.measures.iter().map(performance).collect();
        if !measures.is_empty() {
            line.push_str(" | ");
            line.push_str(&measures.join(" "));
        }
        if !rest.is_empty() {
            line.push('\n');
            line.push_str(rest);
        }
        line
    }
}

/// Writes one measure as plugins do: `name=value[unit];warning;critical`.
fn performance(m: &Measure) -> String {
    let unit = match m.unit {
        Unit::Seconds => "s",
        Unit::Milliseconds => "ms",
        Unit::Percent => "%",
        Unit::Bytes => "B",
        Unit::None
        | Unit::BytesPerSecond
        | Unit::Mebibytes
        | Unit::Gibibytes
        | Unit::PerSecond
        | Unit::Megahertz
        | Unit::Celsius => "",
    };
    let mut text = format!("{}={}{unit}", m.name, number(m.value));
    if m.warning.is_some() || m.critical.is_some() {
        let limit = |limit: Option<f64>| limit.map(number).unwrap_or_default();
        // Writing to a string cannot fail.
        let _written = write!(text, ";{};{}", limit(m.warning), limit(m.critical));
    }
    text
}

/// Writes a number with at most six decimals and no trailing zeros.
fn number(value: f64) -> String {
    let text = format!("{value:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding() -> Finding {
        Finding {
            status: Status::Warning,
            text: "slow | odd\nmore".to_owned(),
            measures: vec![
                Measure::seconds("total_seconds", Duration::from_micros(12_500))
                    .limits(Some(0.01), None),
                Measure::new("loss_percent", 0.0, Unit::Percent),
            ],
        }
    }

    #[test]
    fn plugin_output_is_what_nagios_reads() {
        assert_eq!(
            finding().plugin_output("http"),
            "HTTP WARNING - slow / odd | total_seconds=0.0125s;0.01; loss_percent=0%\nmore"
        );
        assert_eq!(Finding::new(Status::Ok, "fine").plugin_output("ping"), "PING OK - fine");
    }

    #[test]
    fn results_name_their_series_after_type_and_check() {
        let check = CheckName::new("web").unwrap();
        let result = finding().into_result("http", check, Unix(5), Duration::from_millis(13));
        assert_eq!(result.values[0].0.path(), "http.web.total_seconds");
        assert_eq!(result.took_ms, 13);
    }

    #[test]
    fn long_texts_are_cut_at_a_character() {
        let long = Finding::new(Status::Ok, "é".repeat(CheckResult::MAX_TEXT)).bounded();
        assert_eq!(long.text.len(), CheckResult::MAX_TEXT);
    }
}

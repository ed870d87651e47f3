//! What one look found, and how it is written: as a result for the engine, and as the line that
//! Nagios plugins print.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::Duration;

use hark_conditions::{Fact, Facts};
use hark_model::check::{Range, SeriesLimits};
use hark_model::name::CheckName;
use hark_model::sample::{SeriesName, Unit};
use hark_model::{CheckResult, Status, Unix};

/// A number that a look measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Measure {
    /// Its name: `total_seconds`, `loss_percent`, `eth0_in_bytes`. Letters, digits, `_` and `-`.
    pub name: Cow<'static, str>,
    /// Its value.
    pub value: f64,
    /// What it counts in.
    pub unit: Unit,
    /// Where it is a warning; shown in charts and plugin output.
    pub warning: Option<Range>,
    /// Where it is critical; shown in charts and plugin output.
    pub critical: Option<Range>,
}

impl Measure {
    /// Makes a measure without limits. A name that was made from what another machine says is cut to
    /// its bound, and other characters than letters, digits, `_` and `-` become `_`.
    pub fn new(name: impl Into<Cow<'static, str>>, value: f64, unit: Unit) -> Self {
        Self { name: clean(name.into()), value, unit, warning: None, critical: None }
    }

    /// Makes a measure of a time in seconds.
    pub fn seconds(name: impl Into<Cow<'static, str>>, time: Duration) -> Self {
        Self::new(name, time.as_secs_f64(), Unit::Seconds)
    }

    /// Adds limits that are met from below.
    #[must_use]
    pub fn limits(self, warning: Option<f64>, critical: Option<f64>) -> Self {
        let above = |limit: f64| Range { low: f64::NEG_INFINITY, high: limit, inside: false };
        self.ranges(warning.map(above), critical.map(above))
    }

    /// Adds limits of any kind.
    #[must_use]
    pub fn ranges(mut self, warning: Option<Range>, critical: Option<Range>) -> Self {
        self.warning = warning;
        self.critical = critical;
        self
    }
}

/// Longest name of a measure: charts show it beside others.
const MAX_NAME: usize = 64;

/// Most measures of one look: those of a switch with two hundred ports.
pub(crate) const MAX_MEASURES: usize = 2000;

fn clean(name: Cow<'static, str>) -> Cow<'static, str> {
    let is_fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if name.len() <= MAX_NAME && name.chars().all(is_fine) {
        return name;
    }
    let cleaned = name.chars().map(|c| if is_fine(c) { c } else { '_' });
    Cow::Owned(cleaned.take(MAX_NAME).collect())
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
    /// What else was seen, for conditions: `code`, `banner`, `answer`. Every measure is a fact too,
    /// without being named here.
    pub facts: Facts,
}

impl Finding {
    /// Makes a finding without measures.
    pub fn new(status: Status, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), measures: Vec::new(), facts: Facts::default() }
    }

    /// Adds a measure.
    #[must_use]
    pub fn measured(mut self, measure: Measure) -> Self {
        self.measures.push(measure);
        self
    }

    /// Adds a fact.
    #[must_use]
    pub fn saw(mut self, name: impl Into<Cow<'static, str>>, fact: impl Into<Fact>) -> Self {
        self.facts.put(name, fact);
        self
    }

    /// Adds words to the first line of the text.
    #[must_use]
    pub(crate) fn and(mut self, words: &str) -> Self {
        let end = self.text.find('\n').unwrap_or(self.text.len());
        self.text.insert_str(end, words);
        self
    }

    /// Returns everything that was seen, the measures too.
    pub fn all_facts(&self) -> Facts {
        let mut facts = self.facts.clone();
        for measure in &self.measures {
            facts.put(measure.name.clone(), measure.value);
        }
        facts
    }

    /// The finding of a look that did not end in time.
    pub(crate) fn timed_out(limit: Duration) -> Self {
        let limit = hark_config::duration::format(limit);
        Self::new(Status::Critical, format!("no result within {limit}"))
    }

    /// Cuts text and measures to what a result may hold.
    pub(crate) fn bounded(mut self) -> Self {
        let beyond = self.measures.len().saturating_sub(MAX_MEASURES);
        if beyond > 0 {
            self.measures.truncate(MAX_MEASURES);
            self = self.and(&format!(", {beyond} measures were too many"));
        }
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
        let series = |m: &Measure| SeriesName::of(kind, check.as_str(), &m.name);
        let values = self.measures.iter().map(|m| (series(m), m.value)).collect();
        let limits = self
            .measures
            .iter()
            .filter(|m| m.warning.is_some() || m.critical.is_some())
            .map(|m| SeriesLimits {
                series: series(m),
                warning: m.warning,
                critical: m.critical,
                min: None,
                max: None,
            })
            .collect();
        CheckResult {
            status: self.status,
            text: self.text,
            began_at,
            took_ms: u32::try_from(took.as_millis()).unwrap_or(u32::MAX),
            values,
            limits,
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
        let limit = |limit: Option<Range>| limit.map(range).unwrap_or_default();
        // Writing to a string cannot fail.
        let _written = write!(text, ";{};{}", limit(m.warning), limit(m.critical));
    }
    text
}

/// Writes a range as plugins do: `10` is bad above 10 (or below 0), `~:10` only above, `5:` below 5,
/// `@5:10` within.
fn range(range: Range) -> String {
    let inside = if range.inside { "@" } else { "" };
    let low = match range.low {
        f64::NEG_INFINITY if range.inside => "~:".to_owned(),
        // What is measured is never negative: the short form says the same.
        f64::NEG_INFINITY | 0.0 => String::new(),
        low => format!("{}:", number(low)),
    };
    let high = if range.high == f64::INFINITY { String::new() } else { number(range.high) };
    format!("{inside}{low}{high}")
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
        let total = Measure::seconds("total_seconds", Duration::from_micros(12_500));
        Finding::new(Status::Warning, "slow | odd\nmore")
            .measured(total.limits(Some(0.01), None))
            .measured(Measure::new("loss_percent", 0.0, Unit::Percent))
            .saw("code", 7.0)
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
        assert_eq!(result.limits.len(), 1, "the limits of the time go with it");
        assert_eq!(result.limits[0].series.path(), "http.web.total_seconds");
    }

    #[test]
    fn ranges_are_written_as_plugins_write_them() {
        let written = |low, high, inside| range(Range { low, high, inside });
        assert_eq!(written(f64::NEG_INFINITY, 10.0, false), "10");
        assert_eq!(written(5.0, f64::INFINITY, false), "5:");
        assert_eq!(written(5.0, 10.0, true), "@5:10");
        assert_eq!(written(f64::NEG_INFINITY, 1.5, true), "@~:1.5");
    }

    #[test]
    fn every_measure_is_a_fact_too() {
        let facts = finding().all_facts();
        assert_eq!(facts.get("code"), &Fact::Number(7.0));
        assert_eq!(facts.get("loss_percent"), &Fact::Number(0.0));
    }

    #[test]
    fn names_from_outside_are_cleaned_and_measures_bounded() {
        let odd = Measure::new(format!("eth0/1.100 in {}", "x".repeat(99)), 1.0, Unit::None);
        assert!(odd.name.starts_with("eth0_1_100_in_xxx"), "{}", odd.name);
        assert_eq!(odd.name.len(), MAX_NAME);
        let mut many = Finding::new(Status::Ok, "fine\nmore");
        many.measures = vec![odd; MAX_MEASURES + 3];
        let many = many.bounded();
        assert_eq!(many.measures.len(), MAX_MEASURES);
        assert_eq!(many.text, "fine, 3 measures were too many\nmore");
    }

    #[test]
    fn long_texts_are_cut_at_a_character() {
        let long = Finding::new(Status::Ok, "é".repeat(CheckResult::MAX_TEXT)).bounded();
        assert_eq!(long.text.len(), CheckResult::MAX_TEXT);
    }
}

//! Samples, read line by line from what hark and other programs write: a table, an object on each line, or
//! metrics with labels (`OpenMetrics`, the older text of Prometheus, `promtool tsdb dump`).

use std::collections::BTreeMap;

use hark_api::Timestamp;
use hark_model::{MetricKind, Unix};
use serde_json::Value;

use super::write::COLUMNS;

/// Longest line: a series of others has at most 64 labels.
pub(crate) const MAX_LINE: usize = 64 * 1024;

/// Metrics whose type is remembered: more are taken by their names.
const MAX_TYPES: usize = 100_000;

/// From here on a time is milliseconds: as seconds it would be of the year 5138, as milliseconds of 1973.
const MILLISECONDS: f64 = 1e11;

/// What a line says of its series: one of hark's by its parts, or one of any program by its labels.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Series {
    /// Of which host; empty if the line does not say.
    pub(crate) host: String,
    /// What measured it; empty with labels.
    pub(crate) collector: String,
    /// Which one of several.
    pub(crate) instance: String,
    /// What was measured.
    pub(crate) metric: String,
    /// Its labels, if it has any form with labels.
    pub(crate) labels: Option<BTreeMap<String, String>>,
    /// In the words of the API; empty if the line does not say.
    pub(crate) unit: String,
    /// How it moves.
    pub(crate) kind: MetricKind,
}

/// A sample with all that its line says of its series.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sample {
    /// Its series.
    pub(crate) series: Series,
    /// When.
    pub(crate) at: Unix,
    /// What.
    pub(crate) value: f64,
}

/// Reads lines, the first of which says what form they have.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    form: Option<Form>,
    types: BTreeMap<String, MetricKind>,
}

#[derive(Clone, Debug)]
enum Form {
    /// With where each of [`COLUMNS`] is.
    Table([Option<usize>; COLUMNS.len()]),
    Objects,
    Metrics,
}

impl Reader {
    /// Reads a line; `None` if it has no sample.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn line(&mut self, line: &str) -> Result<Option<Sample>, String> {
        let line = line.trim_end_matches(['\r', '\n']);
        if line.trim().is_empty() {
            return Ok(None);
        }
        let Some(form) = &self.form else {
            let (form, is_head) = Form::of(line)?;
            self.form = Some(form);
            return if is_head { Ok(None) } else { self.line(line) };
        };
        match form {
            Form::Table(columns) => table_line(columns, line).map(Some),
            Form::Objects => object_line(line).map(Some),
            Form::Metrics => self.metric_line(line),
        }
    }

    fn metric_line(&mut self, line: &str) -> Result<Option<Sample>, String> {
        if let Some(comment) = line.strip_prefix('#') {
            let mut words = comment.split_whitespace();
            if let (Some("TYPE"), Some(family), Some(word)) =
                (words.next(), words.next(), words.next())
                && self.types.len() < MAX_TYPES
            {
                let kind = if word == "counter" { MetricKind::Counter } else { MetricKind::Gauge };
                if matches!(word, "counter" | "gauge") {
                    self.types.insert(family.to_owned(), kind);
                }
            }
            return Ok(None);
        }
        let (metric, labels, rest) = metric_head(line)?;
        let mut words = rest.split_whitespace();
        let value = words.next().and_then(value).ok_or("has no value")?;
        let at = words.next().ok_or("has no time: what is imported is of the past")?;
        let at = time(at).ok_or_else(|| format!("`{at}` is no time"))?;
        let kind = self.kind(&metric);
        let series = Series { metric, labels: Some(labels), kind, ..Series::default() };
        Ok(Some(Sample { series, at, value }))
    }

    /// Returns what a metric is: as its family says, or by its name.
    fn kind(&self, metric: &str) -> MetricKind {
        let family = metric.strip_suffix("_total").unwrap_or(metric);
        let said = self.types.get(metric).or_else(|| self.types.get(family));
        let counts = ["_total", "_count", "_sum", "_bucket"];
        let by_name = if counts.iter().any(|ending| metric.ends_with(ending)) {
            MetricKind::Counter
        } else {
            MetricKind::Gauge
        };
        said.copied().unwrap_or(by_name)
    }
}

impl Form {
    /// Returns the form that the first line shows, and whether it has no sample itself.
    fn of(line: &str) -> Result<(Self, bool), String> {
        if line.starts_with('{') && serde_json::from_str::<Value>(line).is_ok() {
            return Ok((Self::Objects, false));
        }
        let names = cells(line);
        if names.iter().any(|name| name == "time") && names.iter().any(|name| name == "value") {
            let columns = COLUMNS.map(|wanted| names.iter().position(|name| name == wanted));
            if columns.get(4).is_none_or(Option::is_none) {
                return Err("the table has no column `metric`".to_owned());
            }
            return Ok((Self::Table(columns), true));
        }
        Ok((Self::Metrics, false))
    }
}

fn table_line(columns: &[Option<usize>; COLUMNS.len()], line: &str) -> Result<Sample, String> {
    let cells = cells(line);
    let [at, host, collector, instance, metric, unit, kind, number] =
        columns.map(|column| column.and_then(|at| cells.get(at)).map_or("", String::as_str));
    sample([at, host, collector, instance, metric, unit, kind], value(number))
}

fn object_line(line: &str) -> Result<Sample, String> {
    let object: Value =
        serde_json::from_str(line).map_err(|error| format!("is no JSON: {error}"))?;
    let text = |key: &str| object[key].as_str().unwrap_or_default();
    let number = object["value"].as_f64().or_else(|| value(text("value")));
    let parts = ["time", "host", "collector", "instance", "metric", "unit", "kind"];
    sample(parts.map(text), number)
}

fn sample(parts: [&str; 7], number: Option<f64>) -> Result<Sample, String> {
    let [at, host, collector, instance, metric, unit, kind] = parts;
    let at = time(at).ok_or_else(|| format!("`{at}` is no time"))?;
    let value = number.ok_or("has no value")?;
    if metric.is_empty() {
        return Err("has no metric".to_owned());
    }
    let series = Series {
        host: host.to_owned(),
        collector: collector.to_owned(),
        instance: instance.to_owned(),
        metric: metric.to_owned(),
        unit: unit.to_owned(),
        kind: if kind == "counter" { MetricKind::Counter } else { MetricKind::Gauge },
        ..Series::default()
    };
    Ok(Sample { series, at, value })
}

/// Reads a time: RFC 3339, seconds or milliseconds.
fn time(text: &str) -> Option<Unix> {
    if let Some(at) = Timestamp::parse(text) {
        return Some(at.0);
    }
    let number: f64 = text.parse().ok().filter(|number: &f64| number.is_finite())?;
    let ms = if number.abs() < MILLISECONDS { number * 1000.0 } else { number };
    // Beyond this a float is no exact number of milliseconds any more, nor a time.
    let is_time = ms.abs() < 9e15;
    #[expect(clippy::cast_possible_truncation, reason = "far below 2^63")]
    is_time.then(|| Unix(ms.round() as i64))
}

fn value(text: &str) -> Option<f64> {
    match text {
        "+Inf" => Some(f64::INFINITY),
        "-Inf" => Some(f64::NEG_INFINITY),
        _ => text.parse().ok(),
    }
}

/// Reads the name and the labels; returns what follows them.
fn metric_head(line: &str) -> Result<(String, BTreeMap<String, String>, &str), String> {
    let name_end = line.find(|c: char| c == '{' || c.is_whitespace()).unwrap_or(line.len());
    let (name, mut rest) = line.split_at(name_end);
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside.trim_start();
        loop {
            if let Some(after) = rest.strip_prefix('}') {
                rest = after;
                break;
            }
            let (label, after) = rest.split_once('=').ok_or("has labels that do not end")?;
            let (value, after) = quoted(after.trim_start())?;
            labels.insert(label.trim().to_owned(), value);
            rest = after.trim_start();
            rest = rest.strip_prefix(',').map_or(rest, str::trim_start);
        }
    }
    let within = labels.remove("__name__");
    let metric = if name.is_empty() { within.unwrap_or_default() } else { name.to_owned() };
    if metric.is_empty() { Err("has no metric".to_owned()) } else { Ok((metric, labels, rest)) }
}

/// Reads a text in quotes; returns what follows it.
fn quoted(text: &str) -> Result<(String, &str), String> {
    let inside = text.strip_prefix('"').ok_or("has a label without quotes")?;
    let mut value = String::new();
    let mut letters = inside.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Ok((value, inside.get(at + 1..).unwrap_or_default())),
            '\\' => match letters.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, escaped)) => value.push(escaped),
                None => break,
            },
            letter => value.push(letter),
        }
    }
    Err("has a label that does not end".to_owned())
}

/// Splits a line of a table. What was written as a text so that no table program runs it is that again.
fn cells(line: &str) -> Vec<String> {
    let mut cells = Vec::new();
    let (mut cell, mut is_quoted) = (String::new(), false);
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if is_quoted && letters.peek() == Some(&'"') => {
                letters.next();
                cell.push('"');
            }
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => cells.push(std::mem::take(&mut cell)),
            letter => cell.push(letter),
        }
    }
    cells.push(cell);
    for cell in &mut cells {
        if let Some(text) = cell.strip_prefix('\'')
            && text.starts_with(['=', '+', '-', '@', '\t', '\r', '\''])
        {
            *cell = text.to_owned();
        }
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Result<Sample, String>> {
        let mut reader = Reader::default();
        text.lines().filter_map(|line| reader.line(line).transpose()).collect()
    }

    fn good(text: &str) -> Vec<Sample> {
        read(text).into_iter().map(Result::unwrap).collect()
    }

    #[test]
    fn a_table_is_read_in_any_order_of_its_columns() {
        let found = good(
            "value,metric,time,host,collector\r\n1.5,percent,2026-11-20T00:00:00.250Z,web1,disk_monitor\r\n\
             +Inf,\"a,\"\"b\",1795132800,\"'=x\",c\r\n",
        );
        assert_eq!(found[0].at, Unix(1_795_132_800_250));
        assert_eq!((found[0].series.host.as_str(), found[0].value), ("web1", 1.5));
        assert_eq!(found[1].series.metric, "a,\"b");
        assert_eq!(found[1].series.host, "=x");
        assert_eq!((found[1].at, found[1].value), (Unix(1_795_132_800_000), f64::INFINITY));
    }

    #[test]
    fn metrics_are_read_as_openmetrics_prometheus_and_promtool_write_them() {
        let found = good(
            "# TYPE a counter\n# TYPE b gauge\n# HELP b some text\na_total{host=\"web1\"} 5 1795132800.125\n\
             b{x=\"1\\\"2\\\\\\n\",y=\"}\",} 1e3 1795132800125\n{__name__=\"c_sum\", z=\"1\"} -2 1795132800125\n\
             d 1 1\n# EOF\n",
        );
        let [a, b, c, d] = &found[..] else { panic!("{found:?}") };
        assert_eq!((a.at, a.series.kind), (Unix(1_795_132_800_125), MetricKind::Counter));
        assert_eq!(a.series.labels.as_ref().unwrap()["host"], "web1");
        assert_eq!((b.at, b.value), (a.at, 1000.0));
        let labels = b.series.labels.as_ref().unwrap();
        assert_eq!((labels["x"].as_str(), labels["y"].as_str()), ("1\"2\\\n", "}"));
        assert_eq!((c.series.metric.as_str(), c.series.kind), ("c_sum", MetricKind::Counter));
        assert_eq!((d.at, d.series.kind), (Unix(1000), MetricKind::Gauge));
    }

    #[test]
    fn objects_are_read_one_a_line() {
        let found = good(
            r#"{"time": "2026-11-20T00:00:00Z", "host": "web1", "metric": "m", "kind": "counter", "value": 7}"#,
        );
        assert_eq!((found[0].value, found[0].series.kind), (7.0, MetricKind::Counter));
    }

    #[test]
    fn what_is_wrong_is_said_and_the_rest_is_read() {
        for (text, expected) in [
            ("a 1\n", "has no time"),
            ("a{x=1} 1 1\n", "without quotes"),
            ("a{x=\"1 1 1\n", "does not end"),
            ("a{x=\"1\" 1 1\n", "do"),
            ("a x 1\n", "no value"),
            ("a 1 yesterday\n", "is no time"),
            ("{} 1 1\n", "no metric"),
            ("time,value\n", "no column `metric`"),
            ("time,metric,value\n1,,5\n", "has no metric"),
        ] {
            let found = read(text);
            assert!(found[0].as_ref().unwrap_err().contains(expected), "{text}: {found:?}");
        }
        let found = read("a 1\na 2 1795132800\n");
        assert!(found[0].is_err() && found[1].is_ok());
    }
}

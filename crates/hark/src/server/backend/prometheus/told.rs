//! Answers in the shapes of Prometheus' API.
//!
//! Written as text at once: an answer may have a million values, each of them a text, and a tree of them
//! would take ten times the room.

use std::fmt::Write as _;

use hark_api::alerts::Alerts;
use hark_model::{MetricKind, SeriesDef};
use hark_query::{Answer, Labels, Line};
use serde_json::{Value, json};

/// Returns an answer to an expression.
pub(super) fn answer(answer: &Answer, is_instant: bool) -> String {
    let mut text = String::new();
    match answer {
        Answer::Scalar(points) if is_instant => {
            text.push_str("{\"resultType\":\"scalar\",\"result\":");
            points.iter().take(1).for_each(|point_| point(&mut text, *point_));
        }
        Answer::Scalar(points) => {
            text.push_str("{\"resultType\":\"matrix\",\"result\":[{\"metric\":{},\"values\":[");
            list(&mut text, points, |text, p| point(text, *p));
            text.push_str("]}]");
        }
        Answer::Text(at, value) => {
            text.push_str("{\"resultType\":\"string\",\"result\":[");
            seconds(&mut text, *at);
            text.push(',');
            quoted(&mut text, value);
            text.push(']');
        }
        Answer::Vector(lines) if is_instant => {
            text.push_str("{\"resultType\":\"vector\",\"result\":[");
            list(&mut text, lines, |text, line| {
                text.push_str("{\"metric\":");
                labels(text, &line.labels);
                text.push_str(",\"value\":");
                line.points.iter().take(1).for_each(|p| point(text, *p));
                text.push('}');
            });
            text.push(']');
        }
        Answer::Vector(lines) | Answer::Matrix(lines) => matrix(&mut text, lines),
    }
    text.push('}');
    text
}

fn matrix(text: &mut String, lines: &[Line]) {
    text.push_str("{\"resultType\":\"matrix\",\"result\":[");
    list(text, lines, |text, line| {
        text.push_str("{\"metric\":");
        labels(text, &line.labels);
        text.push_str(",\"values\":[");
        list(text, &line.points, |text, p| point(text, *p));
        text.push_str("]}");
    });
    text.push(']');
}

fn list<'t, T: 't>(
    text: &mut String,
    all: impl IntoIterator<Item = &'t T>,
    mut write: impl FnMut(&mut String, &T),
) {
    for (n, one) in all.into_iter().enumerate() {
        if n > 0 {
            text.push(',');
        }
        write(text, one);
    }
}

fn point(text: &mut String, (at, value): (i64, f64)) {
    text.push('[');
    seconds(text, at);
    text.push_str(",\"");
    number(text, value);
    text.push_str("\"]");
}

/// Writes milliseconds as seconds, as short as can be.
fn seconds(text: &mut String, ms: i64) {
    // Writing to a string cannot fail.
    let sign = if ms < 0 { "-" } else { "" };
    let _written = write!(text, "{sign}{}", ms.unsigned_abs() / 1000);
    let rest = ms.unsigned_abs() % 1000;
    if rest > 0 {
        let digits = format!("{rest:03}");
        let _written = write!(text, ".{}", digits.trim_end_matches('0'));
    }
}

/// Writes a number as Go does: the shortest that is read as the same, with a sign and two digits at least
/// where there is an exponent.
fn number(text: &mut String, value: f64) {
    let _written = if value.is_nan() {
        write!(text, "NaN")
    } else if value.is_infinite() {
        write!(text, "{}", if value > 0.0 { "+Inf" } else { "-Inf" })
    } else if value != 0.0 && !(1e-6..1e21).contains(&value.abs()) {
        let written = format!("{value:e}");
        let (digits, exponent) = written.split_once('e').unwrap_or((&written, "0"));
        let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |e| ('-', e));
        write!(text, "{digits}e{sign}{exponent:0>2}")
    } else {
        write!(text, "{value}")
    };
}

fn quoted(text: &mut String, value: &str) {
    text.push_str(&Value::from(value).to_string());
}

fn labels(text: &mut String, all: &Labels) {
    text.push('{');
    for (n, (name, value)) in all.iter().enumerate() {
        if n > 0 {
            text.push(',');
        }
        quoted(text, name);
        text.push(':');
        quoted(text, value);
    }
    text.push('}');
}

/// Returns series.
pub(super) fn series<'l>(all: impl Iterator<Item = &'l Labels>) -> String {
    let mut text = String::from("[");
    list(&mut text, all, labels);
    text.push(']');
    text
}

/// Returns names or values.
pub(super) fn texts<'t>(all: impl Iterator<Item = &'t String>) -> String {
    let mut text = String::from("[");
    list(&mut text, all, |text, value| quoted(text, value));
    text.push(']');
    text
}

/// Returns what is known of metrics.
pub(super) fn metadata<'d>(all: impl Iterator<Item = (&'d str, &'d SeriesDef)>) -> String {
    let told = |(metric, def): (&str, &SeriesDef)| {
        let kind = match def.kind {
            MetricKind::Gauge => "gauge",
            MetricKind::Counter => "counter",
        };
        let help = format!("{} of {}", def.name.metric, def.name.collector);
        (metric.to_owned(), json!([{"type": kind, "help": help, "unit": def.unit.word()}]))
    };
    Value::Object(all.map(told).collect()).to_string()
}

/// Returns what is wrong at present.
pub(super) fn alerts(all: &Alerts) -> String {
    let told = |alert: &hark_api::alerts::Alert| {
        json!({
            "labels": {"alertname": alert.check, "host": alert.host, "severity": alert.status},
            "annotations": {"summary": alert.text},
            "state": "firing",
            "activeAt": alert.since_at,
            "value": alert.value.unwrap_or(f64::NAN).to_string(),
        })
    };
    json!({"alerts": all.alerts.iter().map(told).collect::<Vec<_>>()}).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_go_writes_them() {
        for (value, expected) in [
            (0.1, "0.1"),
            (-0.0, "-0"),
            (123_456_789.5, "123456789.5"),
            (999_999_999_999_999_900_000.0, "999999999999999900000"),
            (1e21, "1e+21"),
            (-1.5e300, "-1.5e+300"),
            (1e-6, "0.000001"),
            (9.5e-7, "9.5e-07"),
            (-5e-324, "-5e-324"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            let mut text = String::new();
            number(&mut text, value);
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn answers_have_prometheus_shapes() {
        let pairs = [("__name__", "up"), ("a", "\"\n")].map(|(n, v)| (n.to_owned(), v.to_owned()));
        let line = || Line {
            labels: pairs.clone().into_iter().collect(),
            points: vec![(1500, 0.1), (2000, 1e21)],
        };
        for (told, is_instant, expected) in [
            (
                Answer::Scalar(vec![(0, f64::NAN)]),
                true,
                r#"{"resultType":"scalar","result":[0,"NaN"]}"#,
            ),
            (
                Answer::Text(-1500, "a\"".into()),
                true,
                r#"{"resultType":"string","result":[-1.5,"a\""]}"#,
            ),
            (
                Answer::Scalar(vec![(0, f64::INFINITY), (10, -0.0)]),
                false,
                r#"{"resultType":"matrix","result":[{"metric":{},"values":[[0,"+Inf"],[0.01,"-0"]]}]}"#,
            ),
            (
                Answer::Vector(vec![line()]),
                true,
                r#"{"resultType":"vector","result":[{"metric":{"__name__":"up","a":"\"\n"},"value":[1.5,"0.1"]}]}"#,
            ),
            (
                Answer::Matrix(vec![line()]),
                false,
                r#"{"resultType":"matrix","result":[{"metric":{"__name__":"up","a":"\"\n"},"values":[[1.5,"0.1"],[2,"1e+21"]]}]}"#,
            ),
        ] {
            let text = answer(&told, is_instant);
            assert_eq!(text, expected);
            serde_json::from_str::<Value>(&text).unwrap();
        }
    }
}

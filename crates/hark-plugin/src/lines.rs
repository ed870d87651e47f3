//! JSON lines: how programs of one's own tell metrics, facts, events and check results.
//!
//! ```json
//! {"metrics": {"queue": 17, "age": {"value": 4.5, "unit": "s"}}, "instance": "mail"}
//! {"facts": {"release": "2026.11"}}
//! {"event": "backup took 3 h", "kind": "backup", "severity": "warning", "tags": ["nightly"]}
//! {"check": "backup", "status": "ok", "text": "done at 03:10", "metrics": {"size": {"value": 17, "unit": "GiB"}}}
//! ```
//!
//! One object a line, one to four of these parts in it. What is unknown in it is an error: a slip of the
//! pen must not look like silence.

use hark_model::{CheckName, Event, EventKind, MetricKind, Severity, Status};
use serde_json::{Map, Value};
use thiserror::Error;

use crate::measure::{self, Measured};
use crate::text::clean;

/// Bound on the metrics of one line.
pub const MAX_METRICS: usize = 512;

/// Bound on the facts of one line.
const MAX_FACTS: usize = 64;

/// Bound on a fact's value, a tag, and an event's kind.
const MAX_WORD: usize = 64;

/// Bound on the tags of an event.
const MAX_TAGS: usize = 16;

/// What a line says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Line {
    /// Values.
    pub metrics: Vec<Measured>,
    /// Names and texts; an empty text removes one.
    pub facts: Vec<(String, String)>,
    /// A thing that happened.
    pub event: Option<Happening>,
    /// What a check found.
    pub check: Option<Verdict>,
}

/// An event, without its time.
#[derive(Clone, Debug, PartialEq)]
pub struct Happening {
    /// What kind.
    pub kind: EventKind,
    /// How bad.
    pub severity: Severity,
    /// For people.
    pub text: String,
    /// Words to match on.
    pub tags: Vec<String>,
}

/// A check's result, without its time.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Which check.
    pub check: CheckName,
    /// What it found.
    pub status: Status,
    /// For people.
    pub text: String,
}

/// Why a line is none.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LineError {
    /// It is not JSON, or nested deeper than is read.
    #[error("not JSON: {0}")]
    Json(String),
    /// It is not an object.
    #[error("a line is a JSON object")]
    Object,
    /// It says nothing that is known.
    #[error("a line has `metrics`, `facts`, `event` or `check`")]
    Nothing,
    /// A key that is unknown.
    #[error("unknown key `{0}`")]
    Key(String),
    /// A value that cannot be.
    #[error("`{key}`: {wanted} is expected")]
    Wanted {
        /// Of which key.
        key: String,
        /// What it should be.
        wanted: &'static str,
    },
    /// More than is taken.
    #[error("`{0}` has too many entries")]
    Many(&'static str),
}

const KEYS: [&str; 10] = [
    "metrics", "instance", "facts", "event", "kind", "severity", "tags", "check", "status", "text",
];

/// Reads one line.
///
/// # Errors
/// What is wrong first.
pub fn read(line: &[u8]) -> Result<Line, LineError> {
    let value: Value =
        serde_json::from_slice(line).map_err(|error| LineError::Json(error.to_string()))?;
    let object = value.as_object().ok_or(LineError::Object)?;
    if let Some(key) = object.keys().find(|key| !KEYS.contains(&key.as_str())) {
        return Err(LineError::Key(clean(key.as_bytes(), MAX_WORD)));
    }
    let instance = text(object, "instance")?.map_or(Some(String::new()), measure::name);
    let instance = instance.ok_or_else(|| wanted("instance", "a name"))?;
    let line = Line {
        metrics: metrics(object, &instance)?,
        facts: facts(object)?,
        event: event(object)?,
        check: check(object)?,
    };
    let says = !line.metrics.is_empty()
        || !line.facts.is_empty()
        || line.event.is_some()
        || line.check.is_some()
        || object.contains_key("metrics");
    if says { Ok(line) } else { Err(LineError::Nothing) }
}

impl Happening {
    /// Returns the event that happened at `at`.
    pub fn at(self, at: hark_model::Unix) -> Event {
        Event {
            at,
            kind: self.kind,
            severity: self.severity,
            text: self.text,
            tags: self.tags,
            data: None,
        }
    }
}

fn wanted(key: &str, wanted: &'static str) -> LineError {
    LineError::Wanted { key: clean(key.as_bytes(), MAX_WORD), wanted }
}

fn text<'v>(object: &'v Map<String, Value>, key: &str) -> Result<Option<&'v str>, LineError> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(wanted(key, "a text")),
    }
}

fn metrics(object: &Map<String, Value>, instance: &str) -> Result<Vec<Measured>, LineError> {
    let Some(value) = object.get("metrics") else { return Ok(Vec::new()) };
    let all = value.as_object().ok_or_else(|| wanted("metrics", "an object of numbers"))?;
    if all.len() > MAX_METRICS {
        return Err(LineError::Many("metrics"));
    }
    all.iter().map(|(name, value)| metric(name, value, instance)).collect()
}

fn metric(key: &str, value: &Value, instance: &str) -> Result<Measured, LineError> {
    let name = measure::name(key).ok_or_else(|| wanted("metrics", "names that are not empty"))?;
    let mut measured = Measured::number(&name, f64::NAN);
    instance.clone_into(&mut measured.instance);
    let number = |value: &Value| {
        if value.is_null() {
            return Some(f64::NAN);
        }
        value.as_f64().filter(|number| number.is_finite())
    };
    let Some(object) = value.as_object() else {
        measured.value = number(value).ok_or_else(|| wanted(key, "a number"))?;
        return Ok(measured);
    };
    let mut factor = 1.0;
    for (field, value) in object {
        let word = || value.as_str().ok_or_else(|| wanted(key, "a text"));
        match field.as_str() {
            "value" => measured.value = number(value).ok_or_else(|| wanted(key, "a number"))?,
            "unit" => {
                let (unit, kind, times) = measure::unit(word()?);
                (measured.unit, factor) = (unit, times);
                if kind == MetricKind::Counter {
                    measured.kind = kind;
                }
            }
            "kind" => {
                measured.kind = match word()? {
                    "counter" => MetricKind::Counter,
                    "gauge" => MetricKind::Gauge,
                    _ => return Err(wanted(key, "the kind `gauge` or `counter`")),
                }
            }
            "instance" => {
                measured.instance =
                    measure::name(word()?).ok_or_else(|| wanted(key, "an instance"))?;
            }
            _ => return Err(LineError::Key(clean(field.as_bytes(), MAX_WORD))),
        }
    }
    if !object.contains_key("value") {
        return Err(wanted(key, "a `value`"));
    }
    measured.value *= factor;
    Ok(measured)
}

fn facts(object: &Map<String, Value>) -> Result<Vec<(String, String)>, LineError> {
    let Some(value) = object.get("facts") else { return Ok(Vec::new()) };
    let all = value.as_object().ok_or_else(|| wanted("facts", "an object of texts"))?;
    if all.len() > MAX_FACTS {
        return Err(LineError::Many("facts"));
    }
    let fact = |(name, value): (&String, &Value)| {
        let text = match value {
            Value::String(text) => clean(text.as_bytes(), MAX_WORD),
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            Value::Null => String::new(),
            Value::Array(_) | Value::Object(_) => return Err(wanted(name, "a text")),
        };
        let name =
            measure::name(name).ok_or_else(|| wanted("facts", "names that are not empty"))?;
        Ok((name, text))
    };
    all.iter().map(fact).collect()
}

fn event(object: &Map<String, Value>) -> Result<Option<Happening>, LineError> {
    let Some(message) = text(object, "event")? else {
        let alone = ["kind", "severity", "tags"].into_iter().find(|key| object.contains_key(*key));
        return alone.map_or(Ok(None), |key| Err(wanted(key, "an `event` beside it")));
    };
    let message = clean(message.trim().as_bytes(), Event::MAX_TEXT);
    if message.is_empty() {
        return Err(wanted("event", "a text that is not empty"));
    }
    let kind = text(object, "kind")?.unwrap_or("message");
    let severity = text(object, "severity")?.unwrap_or("info");
    let tags = match object.get("tags") {
        None => Vec::new(),
        Some(tags) => tags
            .as_array()
            .and_then(|tags| tags.iter().map(|tag| tag.as_str().and_then(word)).collect())
            .ok_or_else(|| wanted("tags", "a list of words"))?,
    };
    if tags.len() > MAX_TAGS {
        return Err(LineError::Many("tags"));
    }
    Ok(Some(Happening {
        kind: EventKind::from_word(&word(kind).ok_or_else(|| wanted("kind", "a word"))?),
        severity: Severity::from_word(severity)
            .ok_or_else(|| wanted("severity", "info, unknown, warning or critical"))?,
        text: message,
        tags,
    }))
}

fn check(object: &Map<String, Value>) -> Result<Option<Verdict>, LineError> {
    let Some(name) = text(object, "check")? else {
        let alone = ["status", "text"].into_iter().find(|key| object.contains_key(*key));
        return alone.map_or(Ok(None), |key| Err(wanted(key, "a `check` beside it")));
    };
    let check = CheckName::new(name).map_err(|_| wanted("check", "a check's name"))?;
    let status = text(object, "status")?.and_then(Status::from_word);
    let said = text(object, "text")?.unwrap_or_default();
    Ok(Some(Verdict {
        check,
        status: status.ok_or_else(|| wanted("status", "ok, warning, critical or unknown"))?,
        text: clean(said.trim().as_bytes(), hark_model::CheckResult::MAX_TEXT),
    }))
}

fn word(text: &str) -> Option<String> {
    let good = !text.is_empty()
        && text.len() <= MAX_WORD
        && !text.contains(|c: char| c.is_control() || c.is_whitespace());
    good.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use hark_model::Unit;
    use proptest::prelude::*;

    use super::*;

    fn line(text: &str) -> Line {
        read(text.as_bytes()).unwrap()
    }

    #[test]
    fn the_four_parts_are_read() {
        let metrics = line(
            r#"{"metrics": {"queue": 17, "age": {"value": 4.5, "unit": "s"}, "gone": null}, "instance": "mail"}"#,
        )
        .metrics;
        let named = |name: &str| metrics.iter().find(|m| m.metric == name).unwrap();
        assert_eq!((named("queue").value, named("queue").instance.as_str()), (17.0, "mail"));
        assert_eq!((named("age").value, named("age").unit), (4.5, Unit::Seconds));
        assert!(named("gone").value.is_nan());
        let facts = line(r#"{"facts": {"release": "2026.11", "old": null, "n": 3}}"#).facts;
        assert_eq!(facts.len(), 3);
        assert!(facts.contains(&("old".into(), String::new())));
        let said = line(
            r#"{"event": "took 3 h", "kind": "backup", "severity": "warning", "tags": ["a:b"]}"#,
        );
        let event = said.event.unwrap();
        assert_eq!((event.severity, event.text.as_str()), (Severity::Warning, "took 3 h"));
        let said = line(
            r#"{"check": "backup", "status": "critical", "text": "none", "metrics": {"size": {"value": 2, "unit": "KiB", "instance": "x"}}}"#,
        );
        assert_eq!(said.check.unwrap().status, Status::Critical);
        assert_eq!((said.metrics[0].value, said.metrics[0].instance.as_str()), (2048.0, "x"));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, said) in [
            ("", "not JSON"),
            ("[]", "a line is a JSON object"),
            ("{}", "a line has `metrics`"),
            (r#"{"metric": {}}"#, "unknown key `metric`"),
            (r#"{"metrics": {"a": "x"}}"#, "`a`: a number is expected"),
            (r#"{"metrics": {"a": {"unit": "s"}}}"#, "`a`: a `value` is expected"),
            (r#"{"metrics": {"a": {"value": 1, "unti": "s"}}}"#, "unknown key `unti`"),
            (r#"{"metrics": {"": 1}}"#, "names that are not empty"),
            (
                r#"{"metrics": {"a": {"value": 1, "kind": "rate"}}}"#,
                "the kind `gauge` or `counter`",
            ),
            (r#"{"facts": {"a": [1]}}"#, "`a`: a text is expected"),
            (r#"{"event": " "}"#, "a text that is not empty"),
            (r#"{"event": "x", "severity": "bad"}"#, "info, unknown, warning or critical"),
            (r#"{"event": "x", "tags": ["a b"]}"#, "a list of words"),
            (r#"{"severity": "info"}"#, "an `event` beside it"),
            (r#"{"check": "x"}"#, "ok, warning, critical or unknown"),
            (r#"{"status": "ok"}"#, "a `check` beside it"),
            (r#"{"check": "a\nb", "status": "ok"}"#, "a check's name"),
        ] {
            let error = read(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn depth_and_number_are_bounded() {
        let deep = format!("{{\"metrics\": {}{}}}", "[".repeat(10_000), "]".repeat(10_000));
        assert!(matches!(read(deep.as_bytes()), Err(LineError::Json(_))));
        let many: Vec<String> = (0..=MAX_METRICS).map(|n| format!("\"m{n}\": 1")).collect();
        let many = format!("{{\"metrics\": {{{}}}}}", many.join(","));
        assert_eq!(read(many.as_bytes()), Err(LineError::Many("metrics")));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in r#"[\{\}\[\]":,a-eimnorstv0-9. ]{0,80}"#) {
            if let Ok(line) = read(text.as_bytes()) {
                prop_assert!(line.metrics.len() <= MAX_METRICS);
            }
        }
    }
}

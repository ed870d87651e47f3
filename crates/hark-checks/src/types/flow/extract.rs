//! Values taken out of an answer.

use std::fmt;

use hark_config::{Key, Kind, Section};
use http::{HeaderMap, HeaderName};
use regex::Regex;
use serde_json::Value;

use super::template::{NAME_RULE, is_name};
use crate::pattern::read_regex;

/// How a value is found: one of these.
pub(super) const KEYS: &[Key] = &[
    Key::new("json", Kind::Text, "Path in a JSON answer: `access.token`, `items.0.id`."),
    Key::new(
        "matches",
        Kind::Text,
        "Regular expression; its first group, or all of it, is the value.",
    ),
    Key::new("header", Kind::Text, "Name of a header of the answer."),
];

/// Longest value.
const MAX_VALUE: usize = 16 * 1024;

/// How a value is found.
#[derive(Debug)]
pub(super) enum Extract {
    Json(String),
    Pattern(Regex),
    Header(HeaderName),
}

impl fmt::Display for Extract {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(path) => write!(f, "the path `{path}`"),
            Self::Pattern(pattern) => write!(f, "/{pattern}/"),
            Self::Header(name) => write!(f, "the header `{name}`"),
        }
    }
}

/// Reads the setting `extract` of a step.
pub(super) fn read_all(step: &Section<'_>) -> Vec<(String, Extract)> {
    let mut all = Vec::new();
    for (key, section) in step.children("extract") {
        section.finish(KEYS);
        if !is_name(key.value) {
            step.diagnostics().error(key.span, NAME_RULE);
        }
        let json = section.opt_str("json").map(|path| Extract::Json(path.to_owned()));
        let pattern = section.parse("matches", read_regex).map(Extract::Pattern);
        let header = section.parse("header", |text| {
            HeaderName::from_bytes(text.as_bytes())
                .map_err(|_| "this cannot be the name of a header")
        });
        let header = header.map(Extract::Header);
        if section.exactly_one_of(&["json", "matches", "header"]).is_some() {
            all.extend(json.or(pattern).or(header).map(|extract| (key.value.to_owned(), extract)));
        }
    }
    all
}

impl Extract {
    /// Takes the value out of an answer; `None` if it is not there.
    pub(super) fn take(&self, text: &str, body: &[u8], headers: &HeaderMap) -> Option<String> {
        let value = match self {
            Self::Json(path) => json(&serde_json::from_slice(body).ok()?, path)?,
            Self::Pattern(pattern) => {
                let found = pattern.captures(text)?;
                found.get(1).or(found.get(0))?.as_str().to_owned()
            }
            Self::Header(name) => headers.get(name)?.to_str().ok()?.to_owned(),
        };
        (value.len() <= MAX_VALUE).then_some(value)
    }
}

fn json(value: &Value, path: &str) -> Option<String> {
    let mut at = value;
    for part in path.split('.').filter(|part| !part.is_empty()) {
        at = match at {
            Value::Object(entries) => entries.get(part)?,
            Value::Array(items) => items.get(part.parse::<usize>().ok()?)?,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return None,
        };
    }
    match at {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(at.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

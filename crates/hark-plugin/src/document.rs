//! Any JSON document as values: each number in it is a metric, named by the way to it.
//!
//! `{"queue": {"length": 3, "oldest": 1.5}, "ok": true, "disks": [{"free": 7}]}` is `queue.length`,
//! `queue.oldest`, `ok` (1 or 0) and `disks.0.free`. Texts and nothing are passed over.

use serde_json::Value;
use thiserror::Error;

use crate::measure::{self, Measured};

/// Bound on the values of one document.
pub const MAX_VALUES: usize = 1024;

/// Why it is none.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the output is not JSON: {0}")]
pub struct DocumentError(String);

/// Reads a document. What is beyond [`MAX_VALUES`] is left out.
///
/// # Errors
/// If it is not JSON.
pub fn read(bytes: &[u8]) -> Result<Vec<Measured>, DocumentError> {
    let value = serde_json::from_slice(bytes).map_err(|error| DocumentError(error.to_string()))?;
    let mut values = Vec::new();
    // What is still to be walked, the next last: its depth is bounded by the parser, but the stack of
    // the thread that this runs on is small.
    let mut rest: Vec<(String, &Value)> = vec![(String::new(), &value)];
    while let Some((path, value)) = rest.pop() {
        let below = |name: &str| {
            if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
        };
        let number = match value {
            Value::Number(number) => number.as_f64(),
            Value::Bool(yes) => Some(f64::from(u8::from(*yes))),
            Value::Object(map) => {
                rest.extend(map.iter().rev().map(|(name, value)| (below(name), value)));
                None
            }
            Value::Array(list) => {
                let numbered = list.iter().enumerate().take(MAX_VALUES).rev();
                rest.extend(numbered.map(|(n, value)| (below(&n.to_string()), value)));
                None
            }
            Value::Null | Value::String(_) => None,
        };
        let name = if path.is_empty() { "value" } else { &path };
        if let (Some(number), Some(name)) = (number, measure::name(name)) {
            values.push(Measured::number(&name, number));
            if values.len() == MAX_VALUES {
                break;
            }
        }
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<(String, f64)> {
        let values = read(text.as_bytes()).unwrap();
        values.into_iter().map(|value| (value.metric, value.value)).collect()
    }

    #[test]
    fn numbers_are_named_by_the_way_to_them() {
        let text = r#"{"queue": {"length": 3, "oldest": 1.5}, "ok": true, "name": "x", "disks": [{"free": 7}], "no": null}"#;
        let mut found = shown(text);
        found.sort_by(|a, b| a.0.cmp(&b.0));
        let expected =
            [("disks.0.free", 7.0), ("ok", 1.0), ("queue.length", 3.0), ("queue.oldest", 1.5)];
        assert_eq!(found, expected.map(|(name, value)| (name.to_owned(), value)));
        assert_eq!(shown(" 17 \n"), [("value".to_owned(), 17.0)]);
    }

    #[test]
    fn wrong_deep_and_long_documents_are_refused_or_bounded() {
        assert!(read(b"{").unwrap_err().to_string().contains("not JSON"));
        assert!(read("[".repeat(100_000).as_bytes()).is_err());
        let many = format!("[{}1]", "1,".repeat(100_000));
        assert_eq!(shown(&many).len(), MAX_VALUES);
        let named = format!(
            "{{{}\"z\":1}}",
            (0..5000).map(|n| format!("\"n{n}\":1,")).collect::<Vec<_>>().concat()
        );
        assert_eq!(shown(&named).len(), MAX_VALUES);
    }
}

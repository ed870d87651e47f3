//! Values of a JSON answer, each by its path: what conditions can be about.

use hark_conditions::Facts;
use serde_json::Value;

/// Most values that are kept of one answer.
const MAX_VALUES: usize = 1000;

/// Longest path: longer ones are nothing that a person writes into a condition.
const MAX_PATH: usize = 200;

/// Puts every value of `body` as `json.PATH`, if it is JSON: numbers, texts and flags; of lists the
/// elements by their number, and how many there are as `json.PATH.length`.
pub(super) fn put(body: &[u8], facts: &mut Facts) {
    let begins = body.trim_ascii_start().first();
    if !matches!(begins, Some(b'{' | b'[')) {
        return;
    }
    // Depth is bounded by the reader.
    let Ok(value) = serde_json::from_slice::<Value>(body) else { return };
    let mut n_values = 0;
    walk("json", &value, facts, &mut n_values);
}

fn walk(path: &str, value: &Value, facts: &mut Facts, n_values: &mut usize) {
    if *n_values >= MAX_VALUES || path.len() > MAX_PATH {
        return;
    }
    *n_values += 1;
    match value {
        Value::Null => {}
        Value::Bool(flag) => facts.put(path.to_owned(), *flag),
        Value::Number(number) => facts.put(path.to_owned(), number.as_f64()),
        Value::String(text) => facts.put(path.to_owned(), text.clone()),
        Value::Array(items) => {
            let length = u32::try_from(items.len()).unwrap_or(u32::MAX);
            facts.put(format!("{path}.length"), f64::from(length));
            for (number, item) in items.iter().enumerate() {
                walk(&format!("{path}.{number}"), item, facts, n_values);
            }
        }
        Value::Object(entries) => {
            for (key, item) in entries {
                walk(&format!("{path}.{key}"), item, facts, n_values);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use hark_conditions::Fact;

    use super::*;

    #[test]
    fn values_are_found_by_their_path() {
        let mut facts = Facts::default();
        put(
            br#" {"state": "green", "queue": [{"n": 7}, {"n": 8.5}], "up": true, "x": null}"#,
            &mut facts,
        );
        assert_eq!(facts.get("json.state"), &Fact::Text("green".to_owned()));
        assert_eq!(facts.get("json.queue.1.n"), &Fact::Number(8.5));
        assert_eq!(facts.get("json.queue.length"), &Fact::Number(2.0));
        assert_eq!(facts.get("json.x"), &Fact::Absent);
    }

    #[test]
    fn what_is_no_json_or_too_much_puts_nothing_or_little() {
        let mut facts = Facts::default();
        put(b"<html>", &mut facts);
        put(b"{broken", &mut facts);
        put("[".repeat(100_000).as_bytes(), &mut facts);
        assert_eq!(facts.iter().count(), 0);
        put(format!("[{}1]", "1,".repeat(5000)).as_bytes(), &mut facts);
        assert!(facts.iter().count() <= MAX_VALUES + 1);
    }
}

//! A value as YAML that people can read and this crate reads back.

use serde_json::{Map, Value as Json};

/// Writes a value as YAML: mappings and lists in block form, scalars as JSON, which YAML contains.
pub fn yaml(value: &Json) -> String {
    let mut text = String::new();
    write(value, 0, &mut text);
    text
}

fn write(value: &Json, depth: usize, text: &mut String) {
    let pad = "  ".repeat(depth);
    match value {
        Json::Object(map) => {
            for (key, inner) in map {
                let key =
                    if is_plain(key) { key.clone() } else { Json::from(key.as_str()).to_string() };
                text.extend([pad.as_str(), key.as_str(), ":"]);
                nested(inner, depth, text);
            }
        }
        Json::Array(items) => {
            for inner in items {
                text.extend([pad.as_str(), "-"]);
                nested(inner, depth, text);
            }
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {
            text.extend([pad.as_str(), &value.to_string(), "\n"]);
        }
    }
}

/// Returns whether a key reads as the text that it is without quotes.
fn is_plain(key: &str) -> bool {
    let is_word = key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    // A hyphen alone begins an item; this word would be no text.
    // A hyphen alone begins an item, and this word is no text.
    let begins = key.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    is_word && begins && !key.eq_ignore_ascii_case("null")
}

fn nested(value: &Json, depth: usize, text: &mut String) {
    let empty =
        value.as_object().is_some_and(Map::is_empty) || value.as_array().is_some_and(Vec::is_empty);
    if value.is_object() || value.is_array() {
        if empty {
            text.push_str(if value.is_object() { " {}\n" } else { " []\n" });
            return;
        }
        text.push('\n');
        write(value, depth + 1, text);
    } else {
        text.extend([" ", &value.to_string(), "\n"]);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Document, NoSecrets};

    #[test]
    fn it_is_block_form() {
        let value = json!({"a": 1, "b": {"c d": ["x", true]}, "e": {}});
        assert_eq!(yaml(&value), "a: 1\nb:\n  \"c d\":\n    - \"x\"\n    - true\ne: {}\n");
    }

    #[test]
    fn what_is_written_reads_as_it_was() {
        let value = json!({
            "null": "null", "-": "- x", "<<": "& *", "": "", "true": "true", "007": "007", "~": "~",
            "deep": [{"a": [1, 2.5, -3, "1", "1.10"]}, {"b": {"c: d": "e # f"}}, [["x"]]],
            "lines": "one\n  two\ttab\u{1}\n", "quotes": "\"'\\", "far": "größe 日本 \u{1f600}",
            "empty list": [], "empty map": {}, "no": false,
        });
        let text = yaml(&value);
        let document = Document::single(&text);
        assert!(!document.has_errors(), "{text}");
        assert_eq!(document.root(&NoSecrets).to_json(), value, "{text}");
    }
}

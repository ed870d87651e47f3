//! Tables of keys as a JSON Schema, for editors and for the manual.
//!
//! Three words beside those of the standard carry what the manual and forms need: `x-value` says in words
//! what the value is, `x-order` is the place in the table, because JSON objects have no order, and `x-kind`
//! is the kind where the standard's words do not tell it from another: `duration`, `size` and `secret`.

use serde_json::{Map, Value as Json, json};

use crate::key::{Key, Kind};

/// Returns a JSON Schema (draft 2020-12) for one value of this kind.
pub fn schema_of(kind: &Kind) -> Json {
    kind_schema(kind)
}

/// Returns a JSON Schema (draft 2020-12) for a mapping with `keys`.
pub fn schema(keys: &[Key]) -> Json {
    let mut schema = section_schema(keys);
    if let Json::Object(members) = &mut schema {
        members.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
    }
    schema
}

fn section_schema(keys: &[Key]) -> Json {
    let properties: Map<String, Json> =
        keys.iter().zip(0..).map(|(key, n)| (key.name.to_owned(), key_schema(key, n))).collect();
    let required: Vec<&str> = keys.iter().filter(|k| k.required).map(|k| k.name).collect();
    let mut schema = json!({
        "type": "object",
        "properties": properties,
        "patternProperties": { "^x-": true },
        "additionalProperties": false,
    });
    if let (Json::Object(members), false) = (&mut schema, required.is_empty()) {
        members.insert("required".into(), json!(required));
    }
    schema
}

fn key_schema(key: &Key, order: usize) -> Json {
    let mut schema = kind_schema(&key.kind);
    if let Json::Object(members) = &mut schema {
        let unit = key.unit.map_or_else(String::new, |unit| format!("; a bare number is {unit}"));
        members.insert("description".into(), json!(key.help));
        members.insert("x-value".into(), json!(format!("{}{unit}", kind_words(&key.kind))));
        members.insert("x-order".into(), json!(order));
        if let Some(default) = key.default {
            members.insert("default".into(), default_json(default));
        }
    }
    schema
}

fn kind_schema(kind: &Kind) -> Json {
    match kind {
        Kind::Text => json!({ "type": ["string", "number", "boolean"] }),
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Integer => json!({ "type": "integer" }),
        Kind::Number => json!({ "type": "number" }),
        Kind::Duration => json!({
            "x-kind": "duration",
            "anyOf": [
                { "type": "number", "minimum": 0 },
                { "type": "string", "pattern": "^\\s*([0-9.]+\\s*[A-Za-z]*\\s*)+$" },
            ]
        }),
        Kind::Size => json!({
            "x-kind": "size",
            "anyOf": [
                { "type": "integer", "minimum": 0 },
                { "type": "string", "pattern": "^\\s*[0-9.]+\\s*[A-Za-z]*\\s*$" },
            ]
        }),
        Kind::Secret => json!({
            "x-kind": "secret",
            "anyOf": [
                { "type": ["string", "number"] },
                secret_place_schema("file"),
                secret_place_schema("env"),
            ]
        }),
        Kind::OneOf(words) => json!({ "enum": words }),
        Kind::List(kind) => json!({ "type": ["array", "null"], "items": kind_schema(kind) }),
        Kind::OneOrMany(kind) => {
            let one = kind_schema(kind);
            json!({ "anyOf": [one, { "type": "array", "items": one }] })
        }
        Kind::Section(keys) => or_null(section_schema(keys)),
        Kind::Named(kind) => or_null(json!({
            "type": "object",
            "additionalProperties": kind_schema(kind),
        })),
        Kind::Either(kinds) => {
            json!({ "anyOf": kinds.iter().map(kind_schema).collect::<Vec<Json>>() })
        }
        Kind::Any => json!({}),
    }
}

fn secret_place_schema(place: &str) -> Json {
    json!({
        "type": "object",
        "properties": { place: { "type": "string" } },
        "required": [place],
        "additionalProperties": false,
    })
}

/// A key without a value is an empty section, as in `hosts: {db1: }`.
fn or_null(mut schema: Json) -> Json {
    if let Json::Object(members) = &mut schema {
        members.insert("type".into(), json!(["object", "null"]));
    }
    schema
}

fn default_json(text: &str) -> Json {
    match text {
        "true" => json!(true),
        "false" => json!(false),
        _ => text.parse::<i64>().map_or_else(|_| json!(text), |number| json!(number)),
    }
}

fn kind_words(kind: &Kind) -> String {
    match kind {
        Kind::Text => "text".to_owned(),
        Kind::Bool => "`true` or `false`".to_owned(),
        Kind::Integer => "whole number".to_owned(),
        Kind::Number => "number".to_owned(),
        Kind::Duration => "duration".to_owned(),
        Kind::Size => "size".to_owned(),
        Kind::Secret => "secret".to_owned(),
        Kind::OneOf(words) => {
            words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
        }
        Kind::List(kind) => format!("list of: {}", kind_words(kind)),
        Kind::OneOrMany(kind) => format!("{}, or a list", kind_words(kind)),
        Kind::Section(_) => "section".to_owned(),
        Kind::Named(kind) => format!("names, each with: {}", kind_words(kind)),
        Kind::Either(kinds) => kinds.iter().map(kind_words).collect::<Vec<_>>().join(" or "),
        Kind::Any => "see below".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &[Key] = &[Key::new("address", Kind::Text, "Where it is.").required()];
    const KEYS: &[Key] = &[
        Key::new("interval", Kind::Duration, "Time between heartbeats.").default("30s"),
        Key::new("hosts", Kind::Named(&Kind::Section(HOST)), "Known hosts."),
        Key::new("to", Kind::OneOrMany(&Kind::OneOf(&["a", "b"])), "Who."),
    ];

    #[test]
    fn unknown_keys_are_refused_and_required_ones_named() {
        let schema = schema(KEYS);
        let host = &schema["properties"]["hosts"]["additionalProperties"];
        assert_eq!(schema["additionalProperties"], json!(false));
        assert_eq!(host["required"], json!(["address"]));
        assert_eq!(schema["properties"]["interval"]["default"], json!("30s"));
        assert_eq!(schema["properties"]["to"]["anyOf"][1]["items"], json!({ "enum": ["a", "b"] }));
    }
}

//! Tables of keys: what a section takes, as data. They feed the suggestions for unknown keys, the
//! JSON Schema for editors, and the manual.

use serde_json::{Map, Value as Json, json};

/// One key of a section.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// The key as it is written.
    pub name: &'static str,
    /// What its value is.
    pub kind: Kind,
    /// What holds if it is absent, as one would write it.
    pub default: Option<&'static str>,
    /// The unit of a bare number.
    pub unit: Option<&'static str>,
    /// Whether the section makes no sense without it.
    pub required: bool,
    /// One line for the manual.
    pub help: &'static str,
}

/// What a value is.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Any text.
    Text,
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// A span of time, such as `30s`.
    Duration,
    /// An amount of bytes, such as `100MiB`.
    Size,
    /// A text, `{file: …}` or `{env: …}`.
    Secret,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A list.
    List(&'static Kind),
    /// A single value or a list of them.
    OneOrMany(&'static Kind),
    /// A mapping with these keys.
    Section(&'static [Key]),
    /// A mapping of names that the person chooses.
    Named(&'static Kind),
    /// One of several kinds.
    Either(&'static [Kind]),
    /// A form described elsewhere.
    Any,
}

impl Key {
    /// Makes a key that may be left out.
    pub const fn new(name: &'static str, kind: Kind, help: &'static str) -> Self {
        Self { name, kind, default: None, unit: None, required: false, help }
    }

    /// Says what holds if it is absent, as one would write it.
    #[must_use]
    pub const fn default(self, text: &'static str) -> Self {
        Self { default: Some(text), ..self }
    }

    /// Says what a bare number means.
    #[must_use]
    pub const fn unit(self, unit: &'static str) -> Self {
        Self { unit: Some(unit), ..self }
    }

    /// Says that the section makes no sense without it.
    #[must_use]
    pub const fn required(self) -> Self {
        Self { required: true, ..self }
    }
}

/// Returns a JSON Schema (draft 2020-12) for a mapping with `keys`.
pub fn schema(keys: &[Key]) -> Json {
    let mut schema = section_schema(keys);
    if let Json::Object(members) = &mut schema {
        members.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
    }
    schema
}

/// Returns a table in markdown of `keys`; those of nested sections follow as `outer.inner`.
pub fn manual(keys: &[Key]) -> String {
    let mut table =
        String::from("| key | value | default | meaning |\n| --- | --- | --- | --- |\n");
    rows(&mut table, "", keys);
    table
}

fn section_schema(keys: &[Key]) -> Json {
    let properties: Map<String, Json> =
        keys.iter().map(|key| (key.name.to_owned(), key_schema(key))).collect();
    let required: Vec<&str> = keys.iter().filter(|k| k.required).map(|k| k.name).collect();
    let mut schema = json!({
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    });
    if let (Json::Object(members), false) = (&mut schema, required.is_empty()) {
        members.insert("required".into(), json!(required));
    }
    schema
}

fn key_schema(key: &Key) -> Json {
    let mut schema = kind_schema(&key.kind);
    if let Json::Object(members) = &mut schema {
        members.insert("description".into(), json!(key.help));
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
            "anyOf": [
                { "type": "number", "minimum": 0 },
                { "type": "string", "pattern": "^\\s*([0-9.]+\\s*[A-Za-z]*\\s*)+$" },
            ]
        }),
        Kind::Size => json!({
            "anyOf": [
                { "type": "integer", "minimum": 0 },
                { "type": "string", "pattern": "^\\s*[0-9.]+\\s*[A-Za-z]*\\s*$" },
            ]
        }),
        Kind::Secret => json!({
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

fn rows(table: &mut String, path: &str, keys: &[Key]) {
    for key in keys {
        let name = format!("{path}{}", key.name);
        let default = match (key.default, key.required) {
            (Some(text), _) => format!("`{text}`"),
            (None, true) => "required".to_owned(),
            (None, false) => String::new(),
        };
        let unit = key.unit.map_or_else(String::new, |unit| format!(", a bare number is {unit}"));
        let value = format!("{}{unit}", kind_words(&key.kind));
        let row = format!("| `{name}` | {value} | {default} | {} |\n", key.help);
        table.push_str(&row);
        nested_rows(table, &name, &key.kind);
    }
}

fn nested_rows(table: &mut String, name: &str, kind: &Kind) {
    match kind {
        Kind::Section(keys) => rows(table, &format!("{name}."), keys),
        Kind::Named(kind) => nested_rows(table, &format!("{name}.NAME"), kind),
        Kind::List(kind) | Kind::OneOrMany(kind) => nested_rows(table, &format!("{name}[]"), kind),
        Kind::Either(kinds) => kinds.iter().for_each(|kind| nested_rows(table, name, kind)),
        Kind::Text
        | Kind::Bool
        | Kind::Integer
        | Kind::Number
        | Kind::Duration
        | Kind::Size
        | Kind::Secret
        | Kind::OneOf(_)
        | Kind::Any => {}
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
        Key::new("interval", Kind::Duration, "Time between heartbeats.")
            .default("30s")
            .unit("seconds"),
        Key::new("hosts", Kind::Named(&Kind::Section(HOST)), "Known hosts."),
        Key::new("to", Kind::OneOrMany(&Kind::OneOf(&["a", "b"])), "Who."),
    ];

    #[test]
    fn the_manual_shows_nested_keys_by_path() {
        insta::assert_snapshot!(manual(KEYS), @r"
        | key | value | default | meaning |
        | --- | --- | --- | --- |
        | `interval` | duration, a bare number is seconds | `30s` | Time between heartbeats. |
        | `hosts` | names, each with: section |  | Known hosts. |
        | `hosts.NAME.address` | text | required | Where it is. |
        | `to` | `a`, `b`, or a list |  | Who. |
        ");
    }

    #[test]
    fn the_schema_refuses_unknown_keys_and_names_required_ones() {
        let schema = schema(KEYS);
        let host = &schema["properties"]["hosts"]["additionalProperties"];
        assert_eq!(schema["additionalProperties"], json!(false));
        assert_eq!(host["required"], json!(["address"]));
        assert_eq!(schema["properties"]["interval"]["default"], json!("30s"));
        assert_eq!(schema["properties"]["to"]["anyOf"][1]["items"], json!({ "enum": ["a", "b"] }));
    }
}

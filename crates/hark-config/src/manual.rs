//! A JSON Schema as a table for people.

use serde_json::Value as Json;

use crate::key::Key;
use crate::schema::schema;

/// Deeper sections than this are not shown: no section of hark is, and a schema from outside may
/// have no end.
const MAX_DEPTH: usize = 12;

/// Returns a table in markdown of `keys`; those of nested sections follow as `outer.inner`.
pub fn manual(keys: &[Key]) -> String {
    manual_of_schema(&schema(keys))
}

/// Returns the same table for a schema made by [`schema`], as the program itself prints it.
pub fn manual_of_schema(schema: &Json) -> String {
    let mut table =
        String::from("| key | value | default | meaning |\n| --- | --- | --- | --- |\n");
    section(&mut table, "", schema, 0);
    table
}

fn section(table: &mut String, path: &str, schema: &Json, depth: usize) {
    let Some(properties) = schema.get("properties").and_then(Json::as_object) else { return };
    // Only what stands in a table of keys: `{file: …}` of a secret is said once, for all.
    let in_table = |(_, key): &(&String, &Json)| key.get("x-order").is_some();
    let mut keys: Vec<(&String, &Json)> = properties.iter().filter(in_table).collect();
    keys.sort_by_key(|(_, key)| key.get("x-order").and_then(Json::as_u64));
    for (name, key) in keys {
        let required = schema.get("required").and_then(Json::as_array);
        let required = required.is_some_and(|names| names.iter().any(|other| other == name));
        row(table, &format!("{path}{name}"), key, required);
        nested(table, &format!("{path}{name}"), key, depth + 1);
    }
}

fn row(table: &mut String, path: &str, key: &Json, required: bool) {
    let text = |word: &str| key.get(word).and_then(Json::as_str).unwrap_or_default();
    let default = match key.get("default") {
        Some(Json::String(text)) => format!("`{text}`"),
        Some(other) => format!("`{other}`"),
        None if required => "required".to_owned(),
        None => String::new(),
    };
    let cells =
        [format!("`{path}`"), text("x-value").to_owned(), default, text("description").to_owned()];
    // A bar ends a cell, also within code marks.
    let cells = cells.map(|cell| cell.replace('|', "\\|"));
    let row = format!("| {} |\n", cells.join(" | "));
    table.push_str(&row);
}

/// Writes the keys of sections that are inside a value: by name, in a list, or one of several.
fn nested(table: &mut String, path: &str, schema: &Json, depth: usize) {
    if depth > MAX_DEPTH {
        return;
    }
    section(table, &format!("{path}."), schema, depth);
    if let Some(named) = schema.get("additionalProperties").filter(|inner| inner.is_object()) {
        nested(table, &format!("{path}.NAME"), named, depth + 1);
    }
    if let Some(item) = schema.get("items") {
        nested(table, &format!("{path}[]"), item, depth + 1);
    }
    let several = schema.get("anyOf").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    // The same section alone and in a list is shown once.
    let alone = several.iter().any(|kind| kind.get("properties").is_some());
    for kind in several.iter().filter(|kind| !(alone && kind.get("items").is_some())) {
        nested(table, path, kind, depth + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Kind;

    const HOST: &[Key] = &[Key::new("address", Kind::Text, "Where it is.").required()];
    const LIMIT: &[Key] = &[Key::new("warning", Kind::Number, "From here on.")];
    const KEYS: &[Key] = &[
        Key::new("interval", Kind::Duration, "Time between heartbeats.")
            .default("30s")
            .unit("seconds"),
        Key::new("hosts", Kind::Named(&Kind::Section(HOST)), "Known hosts."),
        Key::new("to", Kind::OneOrMany(&Kind::OneOf(&["a", "b"])), "Who."),
        Key::new("limits", Kind::OneOrMany(&Kind::Section(LIMIT)), "One | several."),
        Key::new("password", Kind::Secret, "Of the account."),
        Key::new("attempts", Kind::Integer, "How often.").default("3"),
    ];

    #[test]
    fn nested_keys_are_shown_by_path_in_the_order_of_the_table() {
        insta::assert_snapshot!(manual(KEYS), @r"
        | key | value | default | meaning |
        | --- | --- | --- | --- |
        | `interval` | duration; a bare number is seconds | `30s` | Time between heartbeats. |
        | `hosts` | names, each with: section |  | Known hosts. |
        | `hosts.NAME.address` | text | required | Where it is. |
        | `to` | `a`, `b`, or a list |  | Who. |
        | `limits` | section, or a list |  | One \| several. |
        | `limits.warning` | number |  | From here on. |
        | `password` | secret |  | Of the account. |
        | `attempts` | whole number | `3` | How often. |
        ");
    }
}

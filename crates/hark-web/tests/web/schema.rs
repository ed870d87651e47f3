//! Checks answers against the schemas of the API's own document.

use serde_json::Value;

/// Says where `value` is not as `schema` of `document` describes it.
pub(crate) fn check(document: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    at(document, schema, value, "$", Unknown::Refused)
}

#[derive(Clone, Copy, PartialEq)]
enum Unknown {
    Refused,
    Passed,
}

fn at(
    document: &Value,
    schema: &Value,
    value: &Value,
    path: &str,
    unknown: Unknown,
) -> Result<(), String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let pointer = reference.trim_start_matches('#');
        let target = document.pointer(pointer).ok_or(format!("{reference} leads nowhere"))?;
        return at(document, target, value, path, unknown);
    }
    if let Some(parts) = schema["allOf"].as_array() {
        for part in parts {
            at(document, part, value, path, Unknown::Passed)?;
        }
        let mut known = Vec::new();
        for part in parts {
            properties(document, part, &mut known);
        }
        return match value.as_object().and_then(|o| o.keys().find(|key| !known.contains(key))) {
            Some(key) => Err(format!("{path}.{key} is not described")),
            None => Ok(()),
        };
    }
    for word in ["oneOf", "anyOf"] {
        if let Some(options) = schema[word].as_array() {
            let results: Vec<_> =
                options.iter().map(|option| at(document, option, value, path, unknown)).collect();
            if results.iter().any(Result::is_ok) {
                return Ok(());
            }
            return Err(format!("{path}: none fits: {results:?}"));
        }
    }
    if let Some(words) = schema["enum"].as_array()
        && !words.contains(value)
    {
        return Err(format!("{path}: {value} is not one of {words:?}"));
    }
    if schema.is_object() && schema.get("type").is_none() {
        // Any JSON: what somebody else has put in.
        return Ok(());
    }
    kind(&schema["type"], value, path)?;
    match value {
        Value::Object(fields) => object(document, schema, fields, path, unknown),
        Value::Array(items) => array(document, schema, items, path),
        Value::String(text) if schema["format"] == "date-time" => {
            match hark_api::Timestamp::parse(text) {
                Some(_) if text.ends_with('Z') => Ok(()),
                _ => Err(format!("{path}: {text:?} is no time in UTC")),
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

fn kind(kind: &Value, value: &Value, path: &str) -> Result<(), String> {
    let is = |kind: &Value| match kind.as_str() {
        Some("null") => value.is_null(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("string") => value.is_string(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => true,
    };
    let fits = kind.as_array().map_or_else(|| is(kind), |kinds| kinds.iter().any(is));
    if fits { Ok(()) } else { Err(format!("{path}: {value} is not {kind}")) }
}

fn object(
    document: &Value,
    schema: &Value,
    fields: &serde_json::Map<String, Value>,
    path: &str,
    unknown: Unknown,
) -> Result<(), String> {
    for required in schema["required"].as_array().into_iter().flatten() {
        if !fields.contains_key(required.as_str().unwrap()) {
            return Err(format!("{path}.{required} is missing"));
        }
    }
    for (name, value) in fields {
        let path = format!("{path}.{name}");
        let other = &schema["additionalProperties"];
        match (schema["properties"].get(name), other) {
            (Some(property), _) => at(document, property, value, &path, Unknown::Refused)?,
            (None, Value::Object(_)) => at(document, other, value, &path, Unknown::Refused)?,
            (None, Value::Bool(true)) => {}
            (None, _) if unknown == Unknown::Passed => {}
            (None, _) => return Err(format!("{path} is not described")),
        }
    }
    Ok(())
}

fn array(document: &Value, schema: &Value, items: &[Value], path: &str) -> Result<(), String> {
    let first = schema["prefixItems"].as_array().cloned().unwrap_or_default();
    for (n, item) in items.iter().enumerate() {
        let schema = first.get(n).unwrap_or(&schema["items"]);
        if schema.is_object() {
            at(document, schema, item, &format!("{path}[{n}]"), Unknown::Refused)?;
        }
    }
    Ok(())
}

fn properties<'a>(document: &'a Value, schema: &'a Value, names: &mut Vec<&'a String>) {
    let target = schema["$ref"].as_str().map(|reference| reference.trim_start_matches('#'));
    if let Some(target) = target.and_then(|pointer| document.pointer(pointer)) {
        properties(document, target, names);
    }
    names.extend(schema["properties"].as_object().into_iter().flat_map(serde_json::Map::keys));
    for part in schema["allOf"].as_array().into_iter().flatten() {
        properties(document, part, names);
    }
}

#[test]
fn the_checker_finds_what_is_wrong() {
    let document = serde_json::json!({
        "components": {"schemas": {"Page": {
            "type": "object",
            "required": ["items", "next"],
            "properties": {
                "items": {"type": "array", "items": {"type": "integer"}},
                "next": {"type": ["string", "null"]},
                "state": {"type": "string", "enum": ["a", "b"]}
            }
        }}}
    });
    let schema = serde_json::json!({"$ref": "#/components/schemas/Page"});
    for (text, good) in [
        (r#"{"items": [1], "next": null}"#, true),
        (r#"{"items": [1], "next": "x", "state": "a"}"#, true),
        (r#"{"items": [1]}"#, false),
        (r#"{"items": ["x"], "next": null}"#, false),
        (r#"{"items": [], "next": null, "state": "c"}"#, false),
        (r#"{"items": [], "next": null, "more": 1}"#, false),
        ("[]", false),
    ] {
        let value = serde_json::from_str(text).unwrap();
        assert_eq!(check(&document, &schema, &value).is_ok(), good, "{text}");
    }
}

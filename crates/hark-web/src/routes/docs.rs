//! The API as a page for people: made of the document that programs read.
//!
//! It is plain HTML with a style sheet beside it, both of this server, so that the page's policy holds for
//! it as for everything else, and it reads without a script, on paper and in a text browser.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderValue, header};
use serde_json::Value;

use crate::app::Shared;

/// How the page looks.
const STYLE: &str = include_str!("docs/docs.css");

/// What every reader needs before the first request.
const BEGIN: &str = include_str!("docs/begin.html");

/// How deep the fields of a body are unfolded: deeper ones are named by their type, which has its own place.
const DEPTH: usize = 1;

/// The methods, in the order in which they are shown.
const METHODS: [&str; 4] = ["get", "post", "put", "delete"];

/// Serves what the page looks like.
pub(crate) fn router() -> Router<Shared> {
    Router::new().route("/api/0/docs.css", get(style))
}

async fn style() -> Response {
    let kind = const { HeaderValue::from_static("text/css; charset=utf-8") };
    ([(header::CONTENT_TYPE, kind)], STYLE).into_response()
}

/// One operation, and where it is.
struct Operation<'a> {
    method: &'static str,
    path: &'a str,
    value: &'a Value,
}

impl Operation<'_> {
    fn anchor(&self) -> String {
        let path = self.path.trim_start_matches("/api/0/");
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        format!("{}-{}", self.method, path.chars().map(plain).collect::<String>())
    }
}

/// Writes the page of `document`.
pub(super) fn page(document: &Value) -> String {
    let mut by_tag: BTreeMap<&str, Vec<Operation<'_>>> = BTreeMap::new();
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for method in METHODS {
            let Some(value) = item.get(method) else { continue };
            let tag = value["tags"][0].as_str().unwrap_or("other");
            by_tag.entry(tag).or_default().push(Operation { method, path, value });
        }
    }
    let mut out = String::from(BEGIN);
    out.push_str("<nav aria-label=\"Paths\">\n");
    for (tag, operations) in &by_tag {
        write(&mut out, format_args!("<h2>{}</h2>\n<ul>\n", escaped(tag)));
        for operation in operations {
            let (anchor, method, path) =
                (operation.anchor(), operation.method, escaped(operation.path));
            write(
                &mut out,
                format_args!(
                    "<li><a href=\"#{anchor}\"><b>{method}</b> <code>{path}</code></a></li>\n"
                ),
            );
        }
        out.push_str("</ul>\n");
    }
    out.push_str("</nav>\n");
    for (tag, operations) in &by_tag {
        write(&mut out, format_args!("<section><h2>{}</h2>\n", escaped(tag)));
        for operation in operations {
            describe(&mut out, document, operation);
        }
        out.push_str("</section>\n");
    }
    out.push_str("<section><h2 id=\"types\">Types</h2>\n");
    for (name, schema) in document["components"]["schemas"].as_object().into_iter().flatten() {
        let name = escaped(name);
        write(&mut out, format_args!("<article id=\"type-{name}\"><h3>{name}</h3>\n"));
        paragraph(&mut out, &schema["description"]);
        out.push_str(&fields(document, schema, DEPTH));
        out.push_str("</article>\n");
    }
    out.push_str("</section>\n</main>\n</body>\n</html>\n");
    out
}

fn describe(out: &mut String, document: &Value, operation: &Operation<'_>) {
    let (anchor, method, path) = (operation.anchor(), operation.method, escaped(operation.path));
    write(
        out,
        format_args!("<article id=\"{anchor}\"><h3><b>{method}</b> <code>{path}</code></h3>\n"),
    );
    paragraph(out, &operation.value["summary"]);
    if operation.value["description"] != operation.value["summary"] {
        paragraph(out, &operation.value["description"]);
    }
    if operation.value.get("security").is_none() {
        out.push_str("<p>Nobody needs to be signed in for it.</p>\n");
    }
    let parameters = operation.value["parameters"].as_array().into_iter().flatten();
    let rows: Vec<String> = parameters
        .map(|parameter| {
            let needed = if parameter["required"] == true { ", needed" } else { "" };
            format!(
                "<tr><td><code>{}</code></td><td>{}{needed}</td><td>{}</td><td>{}</td></tr>\n",
                text(&parameter["name"]),
                text(&parameter["in"]),
                kind(&parameter["schema"]),
                text(&parameter["description"]),
            )
        })
        .collect();
    if !rows.is_empty() {
        let head = "<th>Name</th><th>Where</th><th>Type</th><th>Meaning</th>";
        write(out, format_args!("<table><tr>{head}</tr>\n{}</table>\n", rows.concat()));
    }
    let body = &operation.value["requestBody"]["content"];
    for (media, content) in body.as_object().into_iter().flatten() {
        let kind = kind(&content["schema"]);
        write(out, format_args!("<h4>Body: {kind} ({})</h4>\n", escaped(media)));
        out.push_str(&fields(document, &content["schema"], DEPTH));
    }
    for (status, answer) in operation.value["responses"].as_object().into_iter().flatten() {
        let contents: Vec<String> = answer["content"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(media, content)| format!("{} ({})", kind(&content["schema"]), escaped(media)))
            .collect();
        let contents = if contents.is_empty() { "nothing".to_owned() } else { contents.join(", ") };
        let name = if status == "default" { "otherwise" } else { status.as_str() };
        write(out, format_args!("<p class=\"answer\"><b>{}</b> {contents}", escaped(name)));
        let about = text(&answer["description"]);
        write(
            out,
            format_args!("{}</p>\n", if about.is_empty() { about } else { format!(": {about}") }),
        );
    }
    out.push_str("</article>\n");
}

/// Returns the fields of `schema` as a table; empty if it has none.
fn fields(document: &Value, schema: &Value, depth: usize) -> String {
    let schema = resolved(document, schema);
    let mut rows = String::new();
    for part in schema["allOf"].as_array().into_iter().flatten() {
        rows.push_str(&fields(document, part, depth));
    }
    for option in ["oneOf", "anyOf"].iter().filter_map(|word| schema[*word].as_array()).flatten() {
        write(&mut rows, format_args!("<p>{}</p>\n", kind(option)));
        if depth > 0 {
            rows.push_str(&fields(document, option, depth - 1));
        }
    }
    let Some(properties) = schema["properties"].as_object() else {
        let words = schema["enum"].as_array().into_iter().flatten();
        let words: Vec<String> = words.map(|word| format!("<code>{}</code>", text(word))).collect();
        if !words.is_empty() {
            write(&mut rows, format_args!("<p>{}</p>\n", words.join(", ")));
        }
        return rows;
    };
    let needed: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    rows.push_str("<table><tr><th>Field</th><th>Type</th><th>Meaning</th></tr>\n");
    for (name, property) in properties {
        let always = if needed.contains(&name.as_str()) { "" } else { ", may be absent" };
        write(
            &mut rows,
            format_args!(
                "<tr><td><code>{}</code></td><td>{}{always}</td><td>{}</td></tr>\n",
                escaped(name),
                kind(property),
                text(&property["description"]),
            ),
        );
    }
    rows.push_str("</table>\n");
    rows
}

fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let target = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    target.and_then(|pointer| document.pointer(pointer)).unwrap_or(schema)
}

/// Returns what values of `schema` are, in a word or two, with a link to a type that has a name.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
        let name = escaped(name);
        return format!("<a href=\"#type-{name}\">{name}</a>");
    }
    for word in ["oneOf", "anyOf", "allOf"] {
        if let Some(options) = schema[word].as_array() {
            return options.iter().map(kind).collect::<Vec<_>>().join(" or ");
        }
    }
    let names = match &schema["type"] {
        Value::String(name) => vec![name.clone()],
        Value::Array(names) => names.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
            vec!["any".to_owned()]
        }
    };
    let one = |name: &String| match name.as_str() {
        "array" => format!("list of {}", kind(&schema["items"])),
        "object" if schema["additionalProperties"].is_object() => {
            format!("map of {}", kind(&schema["additionalProperties"]))
        }
        "string" if schema["format"] == "date-time" => "time".to_owned(),
        name => escaped(name),
    };
    names.iter().map(one).collect::<Vec<_>>().join(" or ")
}

fn paragraph(out: &mut String, value: &Value) {
    let text = text(value);
    if !text.is_empty() {
        write(out, format_args!("<p>{text}</p>\n"));
    }
}

fn text(value: &Value) -> String {
    escaped(value.as_str().unwrap_or_default())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn write(out: &mut String, what: std::fmt::Arguments<'_>) {
    // Writing into a String cannot fail.
    out.write_fmt(what).unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_page_has_every_operation_and_every_type_and_no_markup_of_others() {
        let document = json!({
            "paths": {"/api/0/x/{id}": {
                "get": {"tags": ["things"], "summary": "Returns <one>.", "parameters": [
                    {"name": "id", "in": "path", "required": true, "schema": {"type": "integer"}}
                ], "responses": {"200": {"content": {"application/json":
                    {"schema": {"$ref": "#/components/schemas/X"}}}}}},
                "delete": {"tags": ["things"], "security": [], "responses": {"204": {}}}
            }},
            "components": {"schemas": {"X": {"type": "object", "required": ["a"], "properties": {
                "a": {"type": ["string", "null"], "description": "What & why."},
                "b": {"type": "array", "items": {"type": "string", "format": "date-time"}}
            }}}}
        });
        let page = page(&document);
        for part in [
            "<a href=\"#get-x--id-\"><b>get</b> <code>/api/0/x/{id}</code></a>",
            "<article id=\"delete-x--id-\">",
            "<p>Returns &lt;one&gt;.</p>",
            "<td>path, needed</td><td>integer</td>",
            "<a href=\"#type-X\">X</a> (application/json)",
            "<article id=\"type-X\">",
            "<td>string or null</td><td>What &amp; why.</td>",
            "<td>list of time, may be absent</td>",
            "Nobody needs to be signed in",
        ] {
            assert!(page.contains(part), "{part} is missing in {page}");
        }
        assert!(!page.contains("<one>"));
        assert!(
            !page.contains("<script") && !page.contains("style=") && !page.contains("//"),
            "{page}"
        );
    }
}

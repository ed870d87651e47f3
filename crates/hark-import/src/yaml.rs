//! Writes configuration: block style, one key a line, comments above it.
//!
//! Own because no kept crate writes comments, and an import without them would not say where each
//! piece came from. It is a writer of four shapes, not of YAML.

use std::fmt::Write as _;

/// A piece of configuration.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    /// `true` or `false`.
    Bool(bool),
    /// A number; whole ones are written so.
    Number(f64),
    /// A text; quoted where it would be read as something else.
    Text(String),
    /// Values one a line.
    List(Vec<Node>),
    /// Keys in their order.
    Map(Map),
}

impl From<&str> for Node {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Node {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Node {
    fn from(flag: bool) -> Self {
        Self::Bool(flag)
    }
}

impl From<f64> for Node {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<u32> for Node {
    fn from(number: u32) -> Self {
        Self::Number(f64::from(number))
    }
}

impl From<Map> for Node {
    fn from(map: Map) -> Self {
        Self::Map(map)
    }
}

impl<T: Into<Node>> From<Vec<T>> for Node {
    fn from(list: Vec<T>) -> Self {
        Self::List(list.into_iter().map(Into::into).collect())
    }
}

/// Keys in the order in which they were put.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Map(Vec<Entry>);

#[derive(Clone, Debug, PartialEq)]
struct Entry {
    key: String,
    comment: Option<String>,
    value: Node,
}

impl Map {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds a key.
    pub(crate) fn put(&mut self, key: &str, value: impl Into<Node>) -> &mut Self {
        self.0.push(Entry { key: key.to_owned(), comment: None, value: value.into() });
        self
    }

    /// Adds a key with a comment above it.
    pub(crate) fn put_with(&mut self, comment: &str, key: &str, value: impl Into<Node>) {
        let comment = Some(comment.to_owned());
        self.0.push(Entry { key: key.to_owned(), comment, value: value.into() });
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Writes a configuration under a comment that says what it is.
pub(crate) fn document(title: &str, map: &Map) -> String {
    let mut out = String::new();
    for line in title.lines() {
        // Writing to a string cannot fail, here and below.
        let _written = writeln!(out, "# {line}");
    }
    entries(&mut out, map, 0);
    out
}

fn entries(out: &mut String, map: &Map, depth: usize) {
    let indent = "  ".repeat(depth);
    for entry in &map.0 {
        if depth == 0 {
            out.push('\n');
        }
        for line in entry.comment.iter().flat_map(|comment| comment.lines()) {
            let _written = writeln!(out, "{indent}# {line}");
        }
        let _written = write!(out, "{indent}{}:", scalar(&entry.key));
        value(out, &entry.value, depth);
    }
}

/// Writes a value after its key, with the line end.
fn value(out: &mut String, node: &Node, depth: usize) {
    match node {
        Node::Map(map) if map.is_empty() => out.push_str(" {}\n"),
        Node::Map(map) => {
            out.push('\n');
            entries(out, map, depth + 1);
        }
        Node::List(list) if list.is_empty() => out.push_str(" []\n"),
        Node::List(list) => {
            out.push('\n');
            for item in list {
                element(out, item, depth + 1);
            }
        }
        Node::Bool(_) | Node::Number(_) | Node::Text(_) => {
            let _written = writeln!(out, " {}", simple(node));
        }
    }
}

/// Writes one element of a list.
fn element(out: &mut String, node: &Node, depth: usize) {
    let indent = "  ".repeat(depth);
    match node {
        Node::Map(map) if !map.is_empty() => {
            let mut inner = String::new();
            entries(&mut inner, map, depth + 1);
            // The first key stands behind the dash, at the place of its own indentation.
            let rest = inner.strip_prefix("  ".repeat(depth + 1).as_str()).unwrap_or(&inner);
            let _written = write!(out, "{indent}- {rest}");
        }
        Node::List(list) if !list.is_empty() => {
            let items: Vec<String> = list.iter().map(simple).collect();
            let _written = writeln!(out, "{indent}- [{}]", items.join(", "));
        }
        Node::Bool(_) | Node::Number(_) | Node::Text(_) | Node::List(_) | Node::Map(_) => {
            let _written = writeln!(out, "{indent}- {}", simple(node));
        }
    }
}

fn simple(node: &Node) -> String {
    match node {
        Node::Bool(flag) => flag.to_string(),
        Node::Number(number) => number.to_string(),
        Node::Text(text) => scalar(text),
        Node::List(list) => {
            let items: Vec<String> = list.iter().map(simple).collect();
            format!("[{}]", items.join(", "))
        }
        Node::Map(_) => "{}".to_owned(),
    }
}

/// Writes a text: as it is where every reader of YAML takes it for the same text, else in the quotes
/// of JSON, which YAML reads.
fn scalar(text: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | '@');
    let begins_well = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    let is_reserved = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"]
        .contains(&&*text.to_ascii_lowercase());
    if begins_well && text.chars().all(is_word) && !is_reserved {
        return text.to_owned();
    }
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_as_the_same() {
        let mut http = Map::new();
        http.put("url", "https://example.net/?a=1&b=#x").put("insecure", true);
        let mut check = Map::new();
        check.put("http", http).put("every", "60s").put("attempts", 3_u32);
        let mut checks = Map::new();
        checks.put_with("config.py:3", "no", check);
        let mut route = Map::new();
        route.put("name", "all").put("to", vec!["mail: one", "ops"]);
        let mut root = Map::new();
        root.put("checks", checks).put("routes", vec![route]).put("empty", Map::new());
        let text = document("made by\nhark", &root);
        assert_eq!(
            text,
            "# made by\n# hark\n\nchecks:\n  # config.py:3\n  \"no\":\n    http:\n      \
             url: \"https://example.net/?a=1&b=#x\"\n      insecure: true\n    \
             every: \"60s\"\n    attempts: 3\n\nroutes:\n  - name: all\n    to:\n      \
             - \"mail: one\"\n      - ops\n\nempty: {}\n",
        );
        let read = hark_config::Document::single(&text);
        assert!(!read.has_errors());
        let root = read.root(&hark_config::NoSecrets);
        assert_eq!(
            root.to_json(),
            serde_json::json!({
                "checks": {"no": {"http": {"url": "https://example.net/?a=1&b=#x", "insecure": true},
                    "every": "60s", "attempts": 3}},
                "routes": [{"name": "all", "to": ["mail: one", "ops"]}],
                "empty": {}
            })
        );
    }
}

//! Settings that stand in no file: keys with their values, as on a command line.
//!
//! They are written as a file of one line each, so that what is wrong with one is found by its line. Most are
//! texts and numbers, which become a tree as they are; a list or a mapping is for the parser.

use std::fmt::Write as _;

use crate::document::Document;
use crate::source::{SourceFile, Span};
use crate::tree::{Body, Entry, Node};

/// The name of the file that they would be.
const NAME: &str = "hark.yaml";

impl Document {
    /// Reads settings, each a key and its value as a person types it: a number, a text, or a list or mapping
    /// of YAML's flow style. Setting `n` (from 0) stands in line `n + 1`.
    pub fn of_pairs(settings: &[(String, String)]) -> Self {
        let Pairs { text, entries, is_flat } = read(settings);
        let file = SourceFile { name: NAME.to_owned(), text };
        if is_flat { Self::of_entries(file, entries) } else { Self::parse(vec![file]) }
    }
}

/// Settings as the lines of a file.
struct Pairs {
    text: String,
    /// The same as a tree. Not of a list or mapping, which is for the parser.
    entries: Vec<Entry>,
    /// Whether the tree is all there is to say: no list, and no key twice.
    is_flat: bool,
}

fn read(settings: &[(String, String)]) -> Pairs {
    let mut text = String::new();
    let mut entries: Vec<Entry> = Vec::with_capacity(settings.len());
    let mut is_flat = true;
    for (key, value) in settings {
        let is_list = value.starts_with(['[', '{']);
        is_flat &= !is_list && entries.iter().all(|entry| *entry.key != **key);
        // Readers of numbers refuse a quoted one; readers of texts take both.
        let plain = value.parse::<f64>().is_ok() || matches!(value.as_str(), "true" | "false");
        let key_span = append(&mut text, key, false);
        text.push_str(": ");
        let span = append(&mut text, value, plain || is_list);
        text.push('\n');
        let body = Body::Scalar { text: value.as_str().into(), plain };
        entries.push(Entry { key: key.as_str().into(), key_span, value: Node { span, body } });
    }
    Pairs { text, entries, is_flat }
}

/// Writes a key or a value on the line that is open; returns its place.
fn append(text: &mut String, word: &str, plain: bool) -> Span {
    let start = text.len();
    if plain {
        text.extend(word.chars().map(|c| if c == '\n' { ' ' } else { c }));
    } else if word.chars().all(|c| matches!(c, ' '..='~') && !matches!(c, '"' | '\\')) {
        text.extend(["\"", word, "\""]);
    } else {
        // Strings of JSON are strings of YAML. Writing to a string cannot fail.
        let _written = write!(text, "{}", serde_json::Value::from(word));
    }
    let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    Span { file: 0, start: place(start), end: place(text.len()) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::diagnostics::Diagnostics;
    use crate::secret::NoSecrets;
    use crate::source::Sources;
    use crate::tree;

    fn own(settings: &[(&str, &str)]) -> Vec<(String, String)> {
        settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    /// What the parser makes of the same lines.
    fn parsed(text: String) -> Node {
        let sources = Arc::new(Sources::new(vec![SourceFile { name: NAME.to_owned(), text }]));
        let diagnostics = Diagnostics::new(Arc::clone(&sources));
        let (_, source) = sources.iter().next().unwrap();
        let node = tree::build(0, source, &diagnostics).unwrap();
        assert!(!diagnostics.has_errors());
        node
    }

    #[test]
    fn settings_are_what_the_parser_makes_of_them() {
        let pairs = read(&own(&[
            ("address", "192.0.2.7"),
            ("count", "5"),
            ("share", "-1.5e3"),
            ("follow", "true"),
            ("text", "say \"hello\" \\ ~ null # no comment: all text"),
            ("lines", "one\ntwo\tthree"),
            ("empty", ""),
            ("far", "größe 日本"),
            ("an \"odd\" key: #", "- no list"),
        ]));
        assert!(pairs.is_flat);
        let Body::Map(entries) = parsed(pairs.text).body else { panic!("not a mapping") };
        assert_eq!(format!("{entries:?}"), format!("{:?}", pairs.entries), "places too");
    }

    #[test]
    fn lists_and_mappings_are_read_by_the_parser() {
        let document = Document::of_pairs(&own(&[("list", "[1, {a: b}]"), ("text", "t")]));
        assert!(!document.has_errors());
        let said = document.root(&NoSecrets).to_json();
        assert_eq!(said, serde_json::json!({"list": [1, {"a": "b"}], "text": "t"}));
    }

    #[test]
    fn what_comes_twice_is_wrong_and_has_its_line() {
        let document =
            Document::of_pairs(&own(&[("count", "5"), ("address", "a"), ("count", "6")]));
        let lines: Vec<u32> = document
            .diagnostics()
            .list()
            .iter()
            .map(|mistake| document.position(mistake.span).line)
            .collect();
        assert_eq!(lines, [3]);
    }
}

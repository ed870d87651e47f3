//! Several files become one tree.
//!
//! Mappings are merged key by key, at every level, so that `conf.d/web.yaml` can add hosts and
//! `conf.d/secrets.yaml` can add the password of a receiver that stands elsewhere. Lists at the top
//! level (routes, silences) follow one another in the order of the files. Everything else that is
//! given twice is a conflict: "the last one wins" hides mistakes, and which file is last is not
//! what people keep in mind.

use std::collections::HashMap;

use crate::diagnostics::Diagnostics;
use crate::source::Span;
use crate::tree::{Body, Entry, Node};

/// Merges the roots of all files, in the order in which they are given.
pub(crate) fn merge(roots: Vec<Node>, diagnostics: &Diagnostics) -> Vec<Entry> {
    let mut all = Vec::new();
    for root in roots {
        match root.body {
            Body::Null => {}
            Body::Map(entries) => merge_entries(&mut all, entries, Lists::Append, diagnostics),
            Body::Scalar { .. } | Body::List(_) => {
                diagnostics
                    .error(
                        root.span,
                        format!("keys and values are expected, this is {}", root.kind()),
                    )
                    .hint("begin with a key, such as `interval: 30s`");
            }
        }
    }
    all
}

/// Merges one more root, whose objects (what stands under the names of a section, or in its list with a
/// `name`) give way to those of the same name that are there: what people wrote wins over what a program
/// keeps for them, and adding to a file what was made elsewhere breaks nothing.
pub(crate) fn merge_below(into: &mut Vec<Entry>, root: Node, diagnostics: &Diagnostics) {
    let Body::Map(entries) = root.body else {
        // Nothing is nothing to add; everything else is told as of any file.
        let wrong = merge(vec![root], diagnostics);
        debug_assert!(wrong.is_empty(), "only a mapping has entries");
        return;
    };
    let index: HashMap<Box<str>, usize> =
        into.iter().enumerate().map(|(at, entry)| (entry.key.clone(), at)).collect();
    for entry in entries {
        match index.get(&entry.key).and_then(|at| into.get_mut(*at)) {
            Some(first) => merge_section_below(first, entry, diagnostics),
            None => into.push(entry),
        }
    }
}

fn merge_section_below(first: &mut Entry, second: Entry, diagnostics: &Diagnostics) {
    match (&mut first.value.body, second.value.body) {
        (_, Body::Null) => {}
        (Body::Null, body) => {
            first.value = Node { span: second.value.span, body };
            first.key_span = second.key_span;
        }
        (Body::Map(into), Body::Map(from)) => {
            let known: HashMap<Box<str>, Span> =
                into.iter().map(|entry| (entry.key.clone(), entry.key_span)).collect();
            for entry in from {
                match known.get(&entry.key) {
                    Some(place) => gives_way(&entry.key, entry.key_span, *place, diagnostics),
                    None => into.push(entry),
                }
            }
        }
        (Body::List(into), Body::List(from)) => {
            let known: HashMap<String, Span> = into
                .iter()
                .filter_map(|item| name_of(item).map(|name| (name.to_owned(), item.span)))
                .collect();
            for item in from {
                match name_of(&item).and_then(|name| Some((name, known.get(name)?))) {
                    Some((name, place)) => gives_way(name, item.span, *place, diagnostics),
                    None => into.push(item),
                }
            }
        }
        _ => gives_way(&second.key, second.key_span, first.key_span, diagnostics),
    }
}

fn gives_way(name: &str, here: Span, there: Span, diagnostics: &Diagnostics) {
    diagnostics
        .warn(here, format!("`{name}` stands in another file as well, which holds"))
        .also(there, "this one holds")
        .hint("remove it here");
}

fn name_of(item: &Node) -> Option<&str> {
    let Body::Map(entries) = &item.body else { return None };
    match &entries.iter().find(|entry| &*entry.key == "name")?.value.body {
        Body::Scalar { text, .. } => Some(text),
        Body::Null | Body::List(_) | Body::Map(_) => None,
    }
}

#[derive(Clone, Copy)]
enum Lists {
    Append,
    Conflict,
}

fn merge_entries(into: &mut Vec<Entry>, from: Vec<Entry>, lists: Lists, diagnostics: &Diagnostics) {
    if into.is_empty() {
        *into = from;
        return;
    }
    let index: HashMap<Box<str>, usize> =
        into.iter().enumerate().map(|(at, entry)| (entry.key.clone(), at)).collect();
    for entry in from {
        match index.get(&entry.key).and_then(|at| into.get_mut(*at)) {
            Some(first) => merge_entry(first, entry, lists, diagnostics),
            None => into.push(entry),
        }
    }
}

fn merge_entry(first: &mut Entry, second: Entry, lists: Lists, diagnostics: &Diagnostics) {
    match (&mut first.value.body, second.value.body, lists) {
        (_, Body::Null, _) => {}
        (Body::Null, body, _) => {
            first.value = Node { span: second.value.span, body };
            first.key_span = second.key_span;
        }
        (Body::Map(into), Body::Map(from), _) => {
            merge_entries(into, from, Lists::Conflict, diagnostics);
        }
        (Body::List(into), Body::List(from), Lists::Append) => into.extend(from),
        _ => {
            diagnostics
                .error(second.key_span, format!("`{}` is set in two files", second.key))
                .also(first.key_span, "first set here")
                .hint("keep one of the two");
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{Document, NoSecrets, SourceFile};

    #[test]
    fn what_files_declare_wins_over_the_last_file_object_by_object() {
        let file = |name: &str, text: &str| SourceFile { name: name.into(), text: text.into() };
        let first = "grace: 5s\nhosts:\n  db1: {address: a}\nusers:\nroutes:\n  - {name: x, to: a}\n  - {to: b}\n";
        let last = "grace: 9s\nhosts:\n  db1: {address: b, tags: [c]}\n  web9: {}\nusers: {ben: {}}\n\
                    routes:\n  - {name: x, to: c}\n  - {name: y, to: d}\nteams: {t: ben}\n";
        let document = Document::parse(vec![file("hark.yaml", first)]).and(file("page", last));
        assert!(!document.has_errors());
        assert_eq!(
            document.root(&NoSecrets).to_json(),
            json!({
                "grace": "5s", "hosts": {"db1": {"address": "a"}, "web9": {}}, "users": {"ben": {}},
                "routes": [{"name": "x", "to": "a"}, {"to": "b"}, {"name": "y", "to": "d"}],
                "teams": {"t": "ben"},
            })
        );
        let said: Vec<String> = document
            .diagnostics()
            .list()
            .iter()
            .map(|d| format!("{} {}", document.position(d.span), d.message))
            .collect();
        let expected = ["page:1:1 `grace`", "page:3:3 `db1`", "page:7:5 `x`"]
            .map(|place| format!("{place} stands in another file as well, which holds"));
        assert_eq!(said, expected);
    }

    #[test]
    fn a_last_file_that_is_no_mapping_is_told() {
        let file = |text: &str| SourceFile { name: "page".into(), text: text.into() };
        assert!(Document::single("a: 1").and(file("- x")).has_errors());
        assert!(!Document::single("a: 1").and(file("# nothing")).has_errors());
    }
}

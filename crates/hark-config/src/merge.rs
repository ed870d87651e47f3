//! Several files become one tree.
//!
//! Mappings are merged key by key, at every level, so that `conf.d/web.yaml` can add hosts and
//! `conf.d/secrets.yaml` can add the password of a receiver that stands elsewhere. Lists at the top
//! level (routes, silences) follow one another in the order of the files. Everything else that is
//! given twice is a conflict: "the last one wins" hides mistakes, and which file is last is not
//! what people keep in mind.

use std::collections::HashMap;

use crate::diagnostics::Diagnostics;
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

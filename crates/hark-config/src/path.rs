//! From a place in a file back to the keys that lead there: for those who show a form instead of the text.

use crate::document::Document;
use crate::source::Span;
use crate::tree::{Body, Node};

impl Document {
    /// Returns the keys that lead to what stands at `span`, items of lists by their number (from 0). Empty
    /// if nothing stands there. Looks through the whole tree: for mistakes, which are few.
    pub fn path_of(&self, span: Span) -> Vec<String> {
        let mut best = Vec::new();
        find(self.tree(), span, &mut Vec::new(), &mut best);
        best
    }
}

/// Puts the longest way to `span` below `node`, which lies at `way`, into `best`.
fn find(node: &Node, span: Span, way: &mut Vec<String>, best: &mut Vec<String>) {
    match &node.body {
        Body::Null | Body::Scalar { .. } => {}
        Body::List(items) => {
            for (item, n) in items.iter().zip(0_usize..) {
                step(item, n.to_string(), item.span.touches(span), span, way, best);
            }
        }
        Body::Map(entries) => {
            for entry in entries {
                let is_here = entry.key_span.touches(span) || entry.value.span.touches(span);
                step(&entry.value, entry.key.to_string(), is_here, span, way, best);
            }
        }
    }
}

fn step(
    node: &Node,
    name: String,
    is_here: bool,
    span: Span,
    way: &mut Vec<String>,
    best: &mut Vec<String>,
) {
    way.push(name);
    if is_here && way.len() > best.len() {
        best.clone_from(way);
    }
    // What was merged from several files may hold parts of any of them, whatever its own place is.
    if is_here || !node.span.is_of(span) {
        find(node, span, way, best);
    }
    way.pop();
}

#[cfg(test)]
mod tests {
    use crate::{Document, NoSecrets, SourceFile};

    fn file(name: &str, text: &str) -> SourceFile {
        SourceFile { name: name.to_owned(), text: text.to_owned() }
    }

    /// Returns the ways to the values of these keys, asked for by their places.
    fn way(document: &Document, keys: &[&'static str], last: &'static str) -> String {
        let mut section = document.root(&NoSecrets);
        for key in keys {
            section = section.child(key).unwrap();
        }
        document.path_of(section.value_span(last)).join("/")
    }

    #[test]
    fn a_place_is_led_back_to_its_keys_whichever_file_it_is_in() {
        let document = Document::parse(vec![file("a", "hosts:\n  db1: {address: x}\n")])
            .and(file("b", "hosts:\n  web.9:\n    tags: [a, b]\n    address: 7\n"));
        assert!(!document.has_errors());
        assert_eq!(way(&document, &["hosts", "db1"], "address"), "hosts/db1/address");
        assert_eq!(way(&document, &["hosts", "web.9"], "address"), "hosts/web.9/address");
        let root = document.root(&NoSecrets);
        let tags = root.child("hosts").unwrap().child("web.9").unwrap().list("tags");
        assert_eq!(document.path_of(tags[1].span()), ["hosts", "web.9", "tags", "1"]);
        let missing = root.child("hosts").unwrap().child("web.9").unwrap().value_span("parent");
        assert_eq!(document.path_of(missing), ["hosts", "web.9"], "where it should stand");
    }

    #[test]
    fn what_stands_nowhere_has_no_way() {
        assert!(Document::single("").path_of(crate::Span::default()).is_empty());
    }
}

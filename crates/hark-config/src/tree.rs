//! The parser's events become a tree in which every key and value knows its place.
//!
//! `granit-parser` is used directly, not a deserializer above it: the tree needs the place of each
//! key and of each value, for free-form parts too, and reading must go on after a mistake. What
//! YAML offers and a configuration does not need is refused: tags, keys that are not text, several
//! documents in a file. Anchors, aliases and merge keys (`<<`) are kept, with a bound on what they
//! expand to.

use std::collections::{HashMap, HashSet};

use granit_parser::{Event, Parser, ScalarStyle};

use crate::diagnostics::Diagnostics;
use crate::source::{Source, Span};

/// A configuration of 10,000 hosts written out has a few hundred thousand nodes; a bomb made of
/// aliases has billions.
const MAX_NODES: usize = 2_000_000;

/// No section is nested nearly as deep. It bounds recursion here and in every reader.
const MAX_DEPTH: usize = 64;

/// Larger files are machine-made by mistake; offsets fit 32 bits with room to spare.
const MAX_FILE_BYTES: usize = 32 << 20;

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) body: Body,
}

#[derive(Clone, Debug)]
pub(crate) enum Body {
    /// Nothing, `~` or `null`.
    Null,
    /// `plain` is false when it was quoted or a block, and so can only be text.
    Scalar { text: Box<str>, plain: bool },
    /// In the order of the file.
    List(Vec<Node>),
    /// In the order of the file; no key twice.
    Map(Vec<Entry>),
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: Box<str>,
    pub(crate) key_span: Span,
    pub(crate) value: Node,
}

impl Entry {
    /// Where the value is, or the key if the value is not written at all.
    pub(crate) fn value_span(&self) -> Span {
        if self.value.span.is_empty() { self.key_span } else { self.value.span }
    }
}

/// Reads a scalar that is not quoted: a number, true, false, or a text.
pub fn plain_json(text: &str) -> serde_json::Value {
    match text {
        "true" => true.into(),
        "false" => false.into(),
        "" | "~" | "null" => serde_json::Value::Null,
        _ if text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '.')) => {
            // What a number would lose (leading zeros, a plus sign) makes it a text.
            let number = serde_json::from_str::<serde_json::Number>(text);
            number.map_or_else(|_| text.into(), serde_json::Value::Number)
        }
        _ => text.into(),
    }
}

/// Returns the entries of a mapping as JSON.
pub(crate) fn json_of(entries: &[Entry]) -> serde_json::Value {
    let members = entries.iter().map(|entry| (entry.key.to_string(), entry.value.to_json()));
    serde_json::Value::Object(members.collect())
}

impl Node {
    pub(crate) fn to_json(&self) -> serde_json::Value {
        match &self.body {
            Body::Null => serde_json::Value::Null,
            Body::Scalar { text, plain: true } => plain_json(text),
            Body::Scalar { text, plain: false } => (&**text).into(),
            Body::List(items) => items.iter().map(Self::to_json).collect(),
            Body::Map(entries) => json_of(entries),
        }
    }

    pub(crate) fn kind(&self) -> &'static str {
        match &self.body {
            Body::Null => "nothing",
            Body::Scalar { .. } => "a text",
            Body::List(_) => "a list",
            Body::Map(_) => "a mapping",
        }
    }
}

/// Builds the tree of one file. What is wrong goes to `diagnostics`; after a mistake in the syntax
/// nothing of the file is kept, because what follows it is guesswork.
pub(crate) fn build(file: u32, source: &Source, diagnostics: &Diagnostics) -> Option<Node> {
    let at = |start: u32, end: u32| Span { file, start, end };
    if source.text.len() > MAX_FILE_BYTES {
        let limit = crate::size::format(MAX_FILE_BYTES as u64);
        diagnostics.error(at(0, 0), format!("the file is larger than {limit}"));
        return None;
    }
    let mut options = granit_parser::Options::default();
    options.set_emit_comments(false);
    options.disallow_directives = true;
    options.emit_unresolved_aliases = true;
    options.flow_nesting_limit = MAX_DEPTH;
    options.block_nesting_limit = MAX_DEPTH;
    let mut builder = Builder::new(file, diagnostics);
    for next in Parser::new_from_str_with_options(&source.text, options) {
        match next {
            Ok((event, span)) => builder.take(event, builder.place(span))?,
            Err(error) => {
                let start = error.marker().byte_offset().unwrap_or(0);
                let start = u32::try_from(start).unwrap_or(u32::MAX);
                not_yaml(diagnostics, at(start, start), &error);
                return None;
            }
        }
    }
    let empty = Node { span: at(0, 0), body: Body::Map(Vec::new()) };
    Some(builder.root.unwrap_or(empty))
}

struct Builder<'d> {
    file: u32,
    diagnostics: &'d Diagnostics,
    open: Vec<Open>,
    root: Option<Node>,
    anchors: HashMap<usize, Node>,
    n_nodes: usize,
}

/// A collection whose end has not come yet.
struct Open {
    span: Span,
    anchor: usize,
    inside: Inside,
}

enum Inside {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, seen: HashSet<Box<str>>, pending: Pending, merged: Vec<Node> },
}

/// What the next node of a mapping is.
enum Pending {
    /// The next node is a key.
    Nothing,
    /// The next node is the value of this key.
    Key(Box<str>, Span),
    /// The next node is what `<<` merges in.
    Merge,
    /// The next node is the value of a key that was refused.
    Refused,
}

impl<'d> Builder<'d> {
    fn new(file: u32, diagnostics: &'d Diagnostics) -> Self {
        Self {
            file,
            diagnostics,
            open: Vec::new(),
            root: None,
            anchors: HashMap::new(),
            n_nodes: 0,
        }
    }

    fn place(&self, span: granit_parser::Span) -> Span {
        let range = span.byte_range().unwrap_or(0..0);
        let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Span { file: self.file, start: offset(range.start), end: offset(range.end) }
    }

    /// Takes one event; `None` if it makes no sense to go on with this file.
    fn take(&mut self, event: Event<'_>, span: Span) -> Option<()> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), span);
                let plain = style == ScalarStyle::Plain;
                let nothing = plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                let body =
                    if nothing { Body::Null } else { Body::Scalar { text: text.into(), plain } };
                self.close(Node { span, body }, anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), span);
                self.begin(span, anchor, Inside::List(Vec::new()))
            }
            Event::MappingStart(_, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), span);
                let inside = Inside::Map {
                    entries: Vec::new(),
                    seen: HashSet::new(),
                    pending: Pending::Nothing,
                    merged: Vec::new(),
                };
                self.begin(span, anchor, inside)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let open = self.open.pop()?;
                let span = Span { end: span.end.max(open.span.end), ..open.span };
                let body = match open.inside {
                    Inside::List(items) => Body::List(items),
                    Inside::Map { entries, seen, merged, .. } => {
                        Body::Map(self.with_merged(entries, seen, merged))
                    }
                };
                self.close(Node { span, body }, open.anchor)
            }
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor).cloned() else {
                    self.diagnostics.error(span, "this alias stands inside what it names");
                    return self.close(Node { span, body: Body::Null }, 0);
                };
                let (n_nodes, depth) = measure(&node);
                self.count(n_nodes, span)?;
                self.check_depth(depth, span)?;
                self.close(node, 0)
            }
            Event::UnresolvedAlias(name) => {
                self.diagnostics
                    .error(span, format!("there is no anchor `&{name}` before this"))
                    .hint("a text that begins with `*` must stand in quotes");
                self.close(Node { span, body: Body::Null }, 0)
            }
            Event::DocumentStart(..) if self.root.is_some() => {
                self.diagnostics
                    .error(span, "a second document begins here")
                    .hint("put it into a file of its own in conf.d, or remove the `---`");
                None
            }
            Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(..)
            | Event::DocumentEnd
            | Event::Anchor(..) => Some(()),
            // The enum may grow: an event that is not known here is not understood.
            _ => {
                self.diagnostics.error(span, "this part of YAML is not used in a configuration");
                None
            }
        }
    }

    fn begin(&mut self, span: Span, anchor: usize, inside: Inside) -> Option<()> {
        self.open.push(Open { span, anchor, inside });
        self.check_depth(0, span)
    }

    /// A node is complete: it goes into the collection that is open.
    fn close(&mut self, node: Node, anchor: usize) -> Option<()> {
        self.count(1, node.span)?;
        if anchor != 0 {
            let (n_nodes, _) = measure(&node);
            self.count(n_nodes, node.span)?;
            self.anchors.insert(anchor, node.clone());
        }
        let diagnostics = self.diagnostics;
        match self.open.last_mut().map(|open| &mut open.inside) {
            None => self.root = Some(node),
            Some(Inside::List(items)) => items.push(node),
            Some(Inside::Map { entries, seen, pending, merged }) => {
                match std::mem::replace(pending, Pending::Nothing) {
                    Pending::Nothing => *pending = key(node, diagnostics),
                    Pending::Refused => {}
                    Pending::Merge => merged.push(node),
                    Pending::Key(key, key_span) => {
                        let entry = Entry { key, key_span, value: node };
                        add(entries, seen, entry, diagnostics);
                    }
                }
            }
        }
        Some(())
    }

    /// Adds what `<<` named: only keys that the mapping does not have itself, as YAML 1.1 says.
    fn with_merged(
        &self,
        mut entries: Vec<Entry>,
        mut seen: HashSet<Box<str>>,
        merged: Vec<Node>,
    ) -> Vec<Entry> {
        for node in merged {
            let nodes = match node.body {
                Body::List(items) => items,
                body @ (Body::Null | Body::Scalar { .. } | Body::Map(_)) => {
                    vec![Node { span: node.span, body }]
                }
            };
            for node in nodes {
                let Body::Map(more) = node.body else {
                    let message = format!("`<<` takes a mapping, this is {}", node.kind());
                    self.diagnostics.error(node.span, message);
                    continue;
                };
                entries.extend(more.into_iter().filter(|entry| seen.insert(entry.key.clone())));
            }
        }
        entries
    }

    fn refuse_tag(&self, tag: Option<&granit_parser::Tag>, span: Span) {
        if let Some(tag) = tag {
            self.diagnostics
                .error(
                    span,
                    format!("the tag `{}` is not used in this configuration", tag.original()),
                )
                .hint("remove it; a text that begins with `!` must stand in quotes");
        }
    }

    fn count(&mut self, n_nodes: usize, span: Span) -> Option<()> {
        self.n_nodes = self.n_nodes.saturating_add(n_nodes);
        if self.n_nodes <= MAX_NODES {
            return Some(());
        }
        let message = format!("this expands to more than {MAX_NODES} keys and values");
        self.diagnostics.error(span, message).hint("aliases of aliases multiply what they name");
        None
    }

    fn check_depth(&self, more: usize, span: Span) -> Option<()> {
        if self.open.len() + more <= MAX_DEPTH {
            return Some(());
        }
        self.diagnostics.error(span, too_deep());
        None
    }
}

fn not_yaml(diagnostics: &Diagnostics, span: Span, error: &granit_parser::ScanError) {
    if *error.kind() == granit_parser::ErrorKind::RecursionLimitExceeded {
        diagnostics.error(span, too_deep());
        return;
    }
    diagnostics
        .error(span, format!("this is not YAML: {}", error.info()))
        .hint("often the cause is the indentation or a quote on the line before");
}

fn too_deep() -> String {
    format!("this is nested more than {MAX_DEPTH} levels deep")
}

fn key(node: Node, diagnostics: &Diagnostics) -> Pending {
    match node.body {
        Body::Scalar { text, plain: true } if &*text == "<<" => Pending::Merge,
        Body::Scalar { text, .. } => Pending::Key(text, node.span),
        Body::Null | Body::List(_) | Body::Map(_) => {
            diagnostics
                .error(node.span, format!("a key must be a text, this is {}", node.kind()))
                .hint("a value in braces that begins with `{{` must stand in quotes");
            Pending::Refused
        }
    }
}

fn add(
    entries: &mut Vec<Entry>,
    seen: &mut HashSet<Box<str>>,
    entry: Entry,
    diagnostics: &Diagnostics,
) {
    if seen.insert(entry.key.clone()) {
        entries.push(entry);
        return;
    }
    let first = entries.iter().find(|other| other.key == entry.key);
    let first = first.map_or(entry.key_span, |other| other.key_span);
    diagnostics
        .error(entry.key_span, format!("the key `{}` stands here a second time", entry.key))
        .also(first, "first here");
}

/// Returns how many nodes a tree has and how many levels of collections it is deep.
fn measure(node: &Node) -> (usize, usize) {
    let children = |nodes: &mut dyn Iterator<Item = &Node>| {
        nodes.map(measure).fold((1, 1), |(count, depth): (usize, usize), (n_nodes, levels)| {
            (count.saturating_add(n_nodes), depth.max(levels + 1))
        })
    };
    match &node.body {
        Body::Null | Body::Scalar { .. } => (1, 0),
        Body::List(items) => children(&mut items.iter()),
        Body::Map(entries) => children(&mut entries.iter().map(|entry| &entry.value)),
    }
}

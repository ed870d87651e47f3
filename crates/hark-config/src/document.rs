//! All files of a configuration, read into one tree.

use std::fmt;
use std::sync::Arc;

use crate::diagnostics::Diagnostics;
use crate::secret::SecretSource;
use crate::section::Section;
use crate::source::{Position, SourceFile, Sources, Span};
use crate::tree::{Body, Entry, Node};
use crate::{merge, tree};

/// A folder with more files than this is not a folder of configuration.
const MAX_FILES: usize = 10_000;

/// A configuration as a tree with positions, and everything found wrong with it so far.
pub struct Document {
    root: Node,
    diagnostics: Diagnostics,
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The tree is left out: it may hold secrets.
        f.debug_struct("Document").field("diagnostics", &self.diagnostics).finish_non_exhaustive()
    }
}

impl Document {
    /// Reads `files` in the given order: `hark.yaml` first, then `conf.d/*.yaml` by name. Mistakes
    /// are in [`Self::diagnostics`]; a file whose syntax is wrong adds nothing to the tree.
    pub fn parse(files: Vec<SourceFile>) -> Self {
        let n_files = files.len();
        let sources = Arc::new(Sources::new(files));
        let diagnostics = Diagnostics::new(Arc::clone(&sources));
        if n_files > MAX_FILES {
            diagnostics.error(Span::default(), format!("there are more than {MAX_FILES} files"));
        }
        let files = sources.iter().take(MAX_FILES);
        let roots: Vec<Node> =
            files.filter_map(|(file, source)| tree::build(file, source, &diagnostics)).collect();
        let span = roots.first().map_or_else(Span::default, |root| root.span);
        let entries = merge::merge(roots, &diagnostics);
        Self { root: Node { span, body: Body::Map(entries) }, diagnostics }
    }

    /// Reads one text as the file `hark.yaml`.
    pub fn single(text: &str) -> Self {
        Self::parse(vec![SourceFile { name: "hark.yaml".to_owned(), text: text.to_owned() }])
    }

    /// Reads one more file below all others: of what it says under a name that is there already, nothing
    /// holds, and that is a warning. For one that a program keeps, and that is known only by what the others
    /// say.
    #[must_use]
    pub fn and(self, file: SourceFile) -> Self {
        let (diagnostics, number) = self.diagnostics.with(file);
        let sources = Arc::clone(diagnostics.shared_sources());
        let added = sources.iter().find(|(file, _)| *file == number);
        let added = added.and_then(|(file, source)| tree::build(file, source, &diagnostics));
        let mut root = self.root;
        if let (Body::Map(entries), Some(added)) = (&mut root.body, added) {
            merge::merge_below(entries, added, &diagnostics);
        }
        Self { root, diagnostics }
    }

    /// Returns the tree of all files.
    pub(crate) fn tree(&self) -> &Node {
        &self.root
    }

    /// Makes one of what `file` says, as the caller has read it.
    pub(crate) fn of_entries(file: SourceFile, entries: Vec<Entry>) -> Self {
        let diagnostics = Diagnostics::new(Arc::new(Sources::new(vec![file])));
        let span = entries.first().map_or_else(Span::default, |entry| entry.key_span);
        Self { root: Node { span, body: Body::Map(entries) }, diagnostics }
    }

    /// Returns the cursor on the top level. `secrets` reads what `{file: …}` and `{env: …}` name.
    pub fn root<'d>(&'d self, secrets: &'d dyn SecretSource) -> Section<'d> {
        Section::of(&self.root, &self.diagnostics, secrets)
    }

    /// Returns true if an error was found so far. Right after [`Self::parse`] it means that the
    /// text itself is wrong, and that reading would only report what follows from that.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.has_errors()
    }

    /// Returns what is wrong, to show it or to add to it in a later stage.
    pub fn diagnostics(&self) -> &Diagnostics {
        &self.diagnostics
    }

    /// Gives up the tree and keeps what is wrong.
    pub fn into_diagnostics(self) -> Diagnostics {
        self.diagnostics
    }

    /// Returns where `span` is, as people name it.
    pub fn position(&self, span: Span) -> Position {
        self.diagnostics.position(span)
    }
}

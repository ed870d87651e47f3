//! What is wrong, collected: nothing stops at the first mistake.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use crate::source::{Position, SourceFile, Sources, Span};

/// More are counted, not kept: a file that is wrong from end to end must not fill the memory.
const MAX_KEPT: usize = 500;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// The configuration cannot be used.
    Error,
    /// It can be used, but probably does not do what was meant.
    Warning,
}

impl Level {
    /// Returns the word shown to people and used in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// A second place that belongs to a mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The place.
    pub span: Span,
    /// What it has to do with the mistake.
    pub text: String,
}

/// One mistake and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub level: Level,
    /// What is wrong, lower case, without a full stop.
    pub message: String,
    /// Where.
    pub span: Span,
    /// The way out.
    pub hint: Option<String>,
    /// The word that was probably meant.
    pub suggestion: Option<String>,
    /// Other places that belong to it.
    pub also: Vec<Note>,
}

impl Diagnostic {
    /// Returns true if the configuration cannot be used because of it.
    pub fn is_error(&self) -> bool {
        self.level == Level::Error
    }
}

/// All mistakes found so far in one document. Shared by every reader, hence the interior
/// mutability; it is not used by two threads at once.
pub struct Diagnostics {
    sources: Arc<Sources>,
    kept: RefCell<Vec<Diagnostic>>,
    n_not_kept: Cell<usize>,
    n_errors: Cell<usize>,
    /// Values that must not be shown, even in the line that is wrong.
    hidden: RefCell<Vec<Span>>,
}

impl fmt::Debug for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The sources are left out: they may hold secrets.
        f.debug_struct("Diagnostics").field("kept", &self.kept).finish_non_exhaustive()
    }
}

impl Diagnostics {
    pub(crate) fn new(sources: Arc<Sources>) -> Self {
        Self {
            sources,
            kept: RefCell::default(),
            n_not_kept: Cell::new(0),
            n_errors: Cell::new(0),
            hidden: RefCell::default(),
        }
    }

    /// Takes one more file; returns its number beside what is wrong so far.
    pub(crate) fn with(self, file: SourceFile) -> (Self, u32) {
        let mut sources = Arc::unwrap_or_clone(self.sources);
        let number = sources.add(file);
        (Self { sources: Arc::new(sources), ..self }, number)
    }

    /// Reports an error at `span`. It is added when the returned report is dropped.
    pub fn error(&self, span: Span, message: impl Into<String>) -> Report<'_> {
        self.report(Level::Error, span, message.into())
    }

    /// Reports a warning at `span`. It is added when the returned report is dropped.
    pub fn warn(&self, span: Span, message: impl Into<String>) -> Report<'_> {
        self.report(Level::Warning, span, message.into())
    }

    /// Returns what stands at `span`.
    pub(crate) fn written(&self, span: Span) -> Option<&str> {
        self.sources.file(span)?.text.get(span.start as usize..span.end as usize)
    }

    /// Returns true if there is at least one error; warnings do not count.
    pub fn has_errors(&self) -> bool {
        self.n_errors.get() > 0
    }

    /// Returns how many errors there are, also those that were not kept; warnings do not count.
    pub fn n_errors(&self) -> usize {
        self.n_errors.get()
    }

    /// Returns true if there is neither an error nor a warning.
    pub fn is_empty(&self) -> bool {
        self.kept.borrow().is_empty()
    }

    /// Returns every mistake that was kept, in the order of files and lines.
    pub fn list(&self) -> Vec<Diagnostic> {
        let mut list = self.kept.borrow().clone();
        list.sort_by_key(|d| d.span);
        list
    }

    /// Returns how many more there were than are kept.
    pub fn n_not_kept(&self) -> usize {
        self.n_not_kept.get()
    }

    /// Returns where `span` is, as people name it.
    pub fn position(&self, span: Span) -> Position {
        self.sources.position(span)
    }

    /// Returns the mistakes as a JSON array, for editors and the API. It holds no line of the
    /// files, so no secret either.
    pub fn to_json(&self) -> Json {
        Json::Array(self.list().iter().map(|d| self.diagnostic_to_json(d)).collect())
    }

    /// Makes sure that the bytes of `span` are never shown.
    pub(crate) fn hide(&self, span: Span) {
        self.hidden.borrow_mut().push(span);
    }

    pub(crate) fn hidden(&self) -> Vec<Span> {
        self.hidden.borrow().clone()
    }

    pub(crate) fn shared_sources(&self) -> &Arc<Sources> {
        &self.sources
    }

    pub(crate) fn sources(&self) -> &Sources {
        &self.sources
    }

    fn report(&self, level: Level, span: Span, message: String) -> Report<'_> {
        let diagnostic =
            Diagnostic { level, message, span, hint: None, suggestion: None, also: Vec::new() };
        Report { diagnostics: self, diagnostic: Some(diagnostic) }
    }

    fn add(&self, diagnostic: Diagnostic) {
        let mut kept = self.kept.borrow_mut();
        // A node that is reached twice (an alias, a profile read for two hosts) is wrong once.
        let same = |d: &Diagnostic| d.span == diagnostic.span && d.message == diagnostic.message;
        if kept.iter().any(same) {
            return;
        }
        if diagnostic.is_error() {
            self.n_errors.set(self.n_errors.get() + 1);
        }
        if kept.len() < MAX_KEPT {
            kept.push(diagnostic);
        } else {
            self.n_not_kept.set(self.n_not_kept.get() + 1);
        }
    }

    fn diagnostic_to_json(&self, diagnostic: &Diagnostic) -> Json {
        let place = |span: Span| {
            let start = self.position(span);
            let end = self.position(Span { start: span.end, ..span });
            json!({
                "file": &*start.file,
                "line": start.line,
                "column": start.column,
                "end_line": end.line,
                "end_column": end.column,
            })
        };
        let also = diagnostic.also.iter();
        let also: Vec<Json> =
            also.map(|note| json!({ "place": place(note.span), "text": note.text })).collect();
        json!({
            "level": diagnostic.level.word(),
            "message": diagnostic.message,
            "place": place(diagnostic.span),
            "hint": diagnostic.hint,
            "suggestion": diagnostic.suggestion,
            "also": also,
        })
    }
}

/// A mistake being described. It is added to its [`Diagnostics`] when this is dropped.
#[derive(Debug)]
pub struct Report<'d> {
    diagnostics: &'d Diagnostics,
    /// Always there until dropped.
    diagnostic: Option<Diagnostic>,
}

#[expect(
    clippy::return_self_not_must_use,
    reason = "a report is complete at any moment: dropping it is how it is added"
)]
impl Report<'_> {
    /// Says what the person can do.
    pub fn hint(self, text: impl Into<String>) -> Self {
        self.with(|d| d.hint = Some(text.into()))
    }

    /// Names the word that was probably meant.
    pub fn suggest(self, word: impl Into<String>) -> Self {
        self.with(|d| d.suggestion = Some(word.into()))
    }

    /// Names the candidate that is nearest to `word`, if one is near.
    pub fn nearest<'c>(self, word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Self {
        match crate::nearest(word, candidates) {
            Some(candidate) => self.suggest(candidate),
            None => self,
        }
    }

    /// Points to another place that belongs to the mistake.
    pub fn also(self, span: Span, text: impl Into<String>) -> Self {
        self.with(|d| d.also.push(Note { span, text: text.into() }))
    }

    fn with(mut self, change: impl FnOnce(&mut Diagnostic)) -> Self {
        if let Some(diagnostic) = &mut self.diagnostic {
            change(diagnostic);
        }
        self
    }
}

impl Drop for Report<'_> {
    fn drop(&mut self) {
        if let Some(diagnostic) = self.diagnostic.take() {
            self.diagnostics.add(diagnostic);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diagnostics() -> Diagnostics {
        Diagnostics::new(Arc::new(Sources::new(vec![])))
    }

    fn at(start: u32) -> Span {
        Span { file: 0, start, end: start + 1 }
    }

    #[test]
    fn the_same_mistake_is_kept_once_and_the_order_is_that_of_the_file() {
        let diagnostics = diagnostics();
        diagnostics.error(at(9), "b");
        diagnostics.error(at(3), "a").hint("h");
        diagnostics.error(at(9), "b");
        let messages: Vec<String> = diagnostics.list().into_iter().map(|d| d.message).collect();
        assert_eq!(messages, ["a", "b"]);
    }

    #[test]
    fn warnings_are_no_errors() {
        let diagnostics = diagnostics();
        diagnostics.warn(at(0), "w");
        assert!(!diagnostics.has_errors() && !diagnostics.is_empty());
    }

    #[test]
    fn more_than_the_bound_are_counted() {
        let diagnostics = diagnostics();
        for start in 0..502 {
            diagnostics.error(at(start), "x");
        }
        assert_eq!((diagnostics.list().len(), diagnostics.n_not_kept()), (MAX_KEPT, 2));
        assert_eq!(diagnostics.n_errors(), 502);
    }
}

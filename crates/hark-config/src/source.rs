//! The files as they were written, and places in them.

use std::fmt;
use std::sync::Arc;

/// One configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// The name shown to people, as they would type it.
    pub name: String,
    /// The whole text.
    pub text: String,
}

/// A place in one of the files: which bytes of which file. Small and copyable, so that values can
/// carry it to where their meaning is checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    pub(crate) file: u32,
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Span {
    pub(crate) fn is_empty(self) -> bool {
        self.start >= self.end
    }

    /// Returns whether both are of the same file.
    pub(crate) fn is_of(self, other: Self) -> bool {
        self.file == other.file
    }

    /// Returns whether `other` begins within it. Something that is not written at all
    /// has nothing within it.
    pub(crate) fn touches(self, other: Self) -> bool {
        self.is_of(other) && !self.is_empty() && self.start <= other.start && other.start < self.end
    }

    pub(crate) fn contains(self, offset: usize) -> bool {
        (self.start as usize..self.end as usize).contains(&offset)
    }
}

/// A value and where it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it was written.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// Returns the same place with another value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Spanned<U> {
        Spanned { value: f(self.value), span: self.span }
    }
}

/// A place as people name it. Shown as `hark.yaml:3:7`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The name of the file.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// Every file of a document, with an index of its lines.
#[derive(Clone, Debug)]
pub(crate) struct Sources {
    files: Vec<Source>,
}

#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) name: Arc<str>,
    pub(crate) text: String,
    /// Byte offsets at which lines begin; never empty.
    lines: Vec<u32>,
}

impl Sources {
    pub(crate) fn new(files: Vec<SourceFile>) -> Self {
        Self { files: files.into_iter().map(Source::new).collect() }
    }

    /// Adds a file as the last one; returns its number.
    pub(crate) fn add(&mut self, file: SourceFile) -> u32 {
        let number = u32::try_from(self.files.len()).unwrap_or(u32::MAX);
        self.files.push(Source::new(file));
        number
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Source)> {
        (0..).zip(&self.files)
    }

    pub(crate) fn file(&self, span: Span) -> Option<&Source> {
        self.files.get(span.file as usize)
    }

    pub(crate) fn position(&self, span: Span) -> Position {
        let Some(source) = self.file(span) else {
            return Position { file: Arc::from("configuration"), line: 1, column: 1 };
        };
        let (line, column) = source.line_and_column(span.start);
        Position { file: Arc::clone(&source.name), line, column }
    }
}

impl Source {
    fn new(file: SourceFile) -> Self {
        let breaks = file.text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let starts = breaks.map(|(at, _)| u32::try_from(at + 1).unwrap_or(u32::MAX));
        let lines = std::iter::once(0).chain(starts).collect();
        Self { name: Arc::from(file.name), text: file.text, lines }
    }

    /// Returns the line (from 1) and the column in characters (from 1) of a byte offset.
    pub(crate) fn line_and_column(&self, offset: u32) -> (u32, u32) {
        let line = self.line_number(offset);
        let before = self.text.get(self.line_start(line) as usize..offset as usize).unwrap_or("");
        let column = before.trim_start_matches('\u{feff}').chars().count() + 1;
        (line, u32::try_from(column).unwrap_or(u32::MAX))
    }

    /// Returns the line (from 1) in which a byte offset lies.
    pub(crate) fn line_number(&self, offset: u32) -> u32 {
        let n_before = self.lines.partition_point(|start| *start <= offset);
        u32::try_from(n_before.max(1)).unwrap_or(u32::MAX)
    }

    /// Returns the byte offset at which `line` (from 1) begins.
    pub(crate) fn line_start(&self, line: u32) -> u32 {
        let index = (line as usize).saturating_sub(1);
        self.lines.get(index).copied().unwrap_or_else(|| self.len())
    }

    /// Returns the byte offset just before the line break that ends `line` (from 1).
    pub(crate) fn line_end(&self, line: u32) -> u32 {
        let start = self.line_start(line) as usize;
        let end = self.line_start(line.saturating_add(1)) as usize;
        let text = self.text.get(start..end).unwrap_or("");
        let kept = text.trim_end_matches(['\n', '\r']).len();
        u32::try_from(start + kept).unwrap_or(u32::MAX)
    }

    fn len(&self) -> u32 {
        u32::try_from(self.text.len()).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::new(SourceFile { name: "f".into(), text: text.into() })
    }

    #[test]
    fn columns_count_characters_and_lines_count_from_one() {
        let source = source("é: ü\nzwei: 2\r\nend");
        assert_eq!(source.line_and_column(0), (1, 1));
        assert_eq!(source.line_and_column(4), (1, 4));
        assert_eq!(source.line_and_column(7), (2, 1));
        assert_eq!(source.line_end(2), 14, "the carriage return is not part of the line");
        assert_eq!(source.line_and_column(16), (3, 1));
        assert_eq!(source.line_end(3), 19);
    }

    #[test]
    fn a_byte_order_mark_does_not_move_the_first_column() {
        assert_eq!(source("\u{feff}a: 1").line_and_column(3), (1, 1));
    }

    #[test]
    fn places_outside_the_files_do_not_panic() {
        let sources = Sources::new(vec![]);
        let nowhere = Span { file: 7, start: 9, end: 3 };
        assert_eq!(sources.position(nowhere).to_string(), "configuration:1:1");
        assert_eq!(source("a").line_and_column(999).0, 1);
    }
}

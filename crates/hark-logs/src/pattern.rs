//! Patterns: what is looked for in a line.
//!
//! A pattern is a regular expression over bytes: a line may hold anything. Classes such as `\w` are
//! ASCII unless the pattern asks for `(?u)`, because a Unicode class cannot match bytes that are no
//! text and makes the automaton ten times larger. A pattern that needs Unicode (`[äöü]`) gets it.

use std::fmt;

use regex_syntax::hir::{
    Capture, Class, ClassBytesRange, ClassUnicodeRange, Hir, HirKind, Literal, Look, Repetition,
};
use thiserror::Error;

/// Bound on the text of one pattern: longer ones are made by a program, and belong into several.
const MAX_LEN: usize = 4096;

/// A pattern that was read.
#[derive(Clone)]
pub struct Pattern {
    text: String,
    hir: Hir,
}

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PatternError {
    /// It is too long.
    #[error("a pattern has at most {MAX_LEN} bytes")]
    Long,
    /// It is no regular expression.
    #[error("not a regular expression: {0}")]
    Syntax(String),
    /// It finds something in no line at all.
    #[error("this can never be found in a line")]
    Never,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// See [`PatternError`].
    pub fn new(text: &str) -> Result<Self, PatternError> {
        if text.len() > MAX_LEN {
            return Err(PatternError::Long);
        }
        let hir = parse(text, false).or_else(|_| parse(text, true))?;
        let pattern = Self { text: text.to_owned(), hir };
        // An empty class is how the library writes "nothing": its shortest match has no length.
        if pattern.hir.properties().minimum_len().is_none() {
            return Err(PatternError::Never);
        }
        Ok(pattern)
    }

    /// Returns it as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns its form for the automaton.
    pub(crate) fn hir(&self) -> &Hir {
        &self.hir
    }

    /// Returns it in the form that finds groups: slower, for lines that have it. None if it is too
    /// large for that.
    pub(crate) fn with_groups(&self) -> Option<regex::bytes::Regex> {
        let make = |unicode| regex::bytes::RegexBuilder::new(&self.text).unicode(unicode).build();
        make(false).or_else(|_| make(true)).ok()
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pattern").field(&self.text).finish()
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

fn parse(text: &str, unicode: bool) -> Result<Hir, PatternError> {
    let mut parser = regex_syntax::ParserBuilder::new().utf8(false).unicode(unicode).build();
    parser.parse(text).map_err(|error| PatternError::Syntax(plain(&error)))
}

/// The library shows the pattern with a mark below it on several lines; its last line says why.
fn plain(error: &regex_syntax::Error) -> String {
    let text = error.to_string();
    let last = text.lines().next_back().unwrap_or_default();
    last.trim().trim_start_matches("error: ").to_owned()
}

/// Returns the form of a pattern for a buffer of many lines: what it finds there begins and ends within
/// one line, exactly where it would in that line alone.
pub(crate) fn within_line(hir: Hir) -> Hir {
    match hir.into_kind() {
        HirKind::Empty => Hir::empty(),
        HirKind::Literal(Literal(bytes)) if bytes.contains(&b'\n') => Hir::fail(),
        HirKind::Literal(Literal(bytes)) => Hir::literal(bytes),
        HirKind::Class(class) => Hir::class(without_line_feed(class)),
        HirKind::Look(look) => Hir::look(of_line(look)),
        HirKind::Repetition(Repetition { min, max, greedy, sub }) => {
            let sub = Box::new(within_line(*sub));
            Hir::repetition(Repetition { min, max, greedy, sub })
        }
        HirKind::Capture(Capture { sub, .. }) => within_line(*sub),
        HirKind::Concat(parts) => Hir::concat(parts.into_iter().map(within_line).collect()),
        HirKind::Alternation(parts) => {
            Hir::alternation(parts.into_iter().map(within_line).collect())
        }
    }
}

fn without_line_feed(mut class: Class) -> Class {
    match &mut class {
        Class::Unicode(class) => {
            class.difference(&regex_syntax::hir::ClassUnicode::new([ClassUnicodeRange::new(
                '\n', '\n',
            )]));
        }
        Class::Bytes(class) => {
            class.difference(&regex_syntax::hir::ClassBytes::new([ClassBytesRange::new(
                b'\n', b'\n',
            )]));
        }
    }
    class
}

/// The line's end may be written `\r\n`, which belongs to neither line.
fn of_line(look: Look) -> Look {
    match look {
        Look::Start | Look::StartLF => Look::StartLF,
        Look::End | Look::EndLF | Look::EndCRLF => Look::EndCRLF,
        Look::StartCRLF
        | Look::WordAscii
        | Look::WordAsciiNegate
        | Look::WordUnicode
        | Look::WordUnicodeNegate
        | Look::WordStartAscii
        | Look::WordEndAscii
        | Look::WordStartUnicode
        | Look::WordEndUnicode
        | Look::WordStartHalfAscii
        | Look::WordEndHalfAscii
        | Look::WordStartHalfUnicode
        | Look::WordEndHalfUnicode => look,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_is_wrong_in_one_line() {
        for (text, said) in [
            ("(a", "unclosed group"),
            ("a{2,1}", "invalid repetition"),
            ("[z-a]", "invalid character class"),
            (r"(?<n>a)\k<n>", "not a regular expression"),
            ("[^\\x00-\\xff]", "never be found"),
        ] {
            let error = Pattern::new(text).unwrap_err().to_string();
            assert!(error.contains(said) && !error.contains('\n'), "{text}: {error}");
        }
        assert_eq!(Pattern::new(&"a".repeat(5000)), Err(PatternError::Long));
    }

    #[test]
    fn a_pattern_that_needs_unicode_gets_it() {
        assert!(Pattern::new("[äöü]ber").is_ok());
        assert!(Pattern::new(r"(?i)größe").is_ok());
        assert!(Pattern::new(r"\p{Greek}").is_ok());
    }
}

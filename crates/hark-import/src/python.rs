//! Reads configuration that is written in Python, without running it.
//!
//! What such files consist of is understood: assignments, literals, lists, arithmetic, string formatting
//! with `%`, f-strings and `+`, calls, `for` over lists, and comprehensions. Functions, classes, `if`, `while`,
//! `with` and `try` are left out with a note. Nothing is imported, opened or executed.
//!
//! Own, though the mission of this program prefers libraries: the kept parser of Python measured 1.2 MB
//! in the binary and some forty packages, for a command that is run once.

mod evaluate;
mod lex;
mod parse;
mod value;

pub(crate) use evaluate::{Call, evaluate};
pub(crate) use parse::parse;
pub(crate) use value::Value;

use crate::ImportError;

/// What is wrong in a text, and in which line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) line: u32,
    pub(crate) text: String,
}

impl Wrong {
    fn new(line: u32, text: impl Into<String>) -> Self {
        Self { line, text: text.into() }
    }

    /// Says in which file it is.
    pub(crate) fn at(self, path: &str) -> ImportError {
        ImportError { path: path.to_owned(), line: self.line, text: self.text }
    }
}

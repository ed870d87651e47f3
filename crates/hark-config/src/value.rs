//! A cursor on one node: turns it into a typed value or reports why it cannot be one.

use std::fmt;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use hark_model::Secret;

use crate::diagnostics::{Diagnostics, Report};
use crate::duration::{self, Bare};
use crate::secret::SecretSource;
use crate::section::Section;
use crate::size;
use crate::source::{Position, Span, Spanned};
use crate::tree::{Body, Entry, Node};

/// One node of the tree. Every reader returns `None` after it has reported what is wrong.
#[derive(Clone, Copy)]
pub struct Value<'d> {
    node: &'d Node,
    span: Span,
    /// Where a section made of it says it is: its key if it has one, because a mapping of many
    /// lines is a poor place to point to.
    section_span: Span,
    diagnostics: &'d Diagnostics,
    secrets: &'d dyn SecretSource,
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The text is left out: it may be a secret.
        write!(f, "Value({} at {})", self.node.kind(), self.position())
    }
}

impl<'d> Value<'d> {
    pub(crate) fn of_entry(
        entry: &'d Entry,
        diagnostics: &'d Diagnostics,
        secrets: &'d dyn SecretSource,
    ) -> Self {
        Self {
            node: &entry.value,
            span: entry.value_span(),
            section_span: entry.key_span,
            diagnostics,
            secrets,
        }
    }

    /// Reads a text: any scalar, as it is written.
    pub fn str(&self) -> Option<&'d str> {
        let text = self.scalar();
        if text.is_none() {
            self.expected("a text");
        }
        text
    }

    /// Reads `true` or `false`; nothing else is one, `no` and `yes` are texts.
    pub fn bool(&self) -> Option<bool> {
        let Body::Scalar { text, plain } = &self.node.body else {
            self.expected("true or false");
            return None;
        };
        if !plain {
            self.expected("true or false");
            return None;
        }
        let meant = match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "y" | "1" => "true",
            "false" | "no" | "off" | "n" | "0" => "false",
            _ => "",
        };
        match &**text {
            "true" => Some(true),
            "false" => Some(false),
            _ => {
                let report = self.error(format!("true or false is expected, not `{text}`"));
                drop(if meant.is_empty() { report } else { report.suggest(meant) });
                None
            }
        }
    }

    /// Reads a whole number within `range`.
    pub fn u64(&self, range: RangeInclusive<u64>) -> Option<u64> {
        let what = || match (range.start(), range.end()) {
            (0, &u64::MAX) => "a whole number".to_owned(),
            (low, &u64::MAX) => format!("a whole number from {low}"),
            (low, high) => format!("a whole number from {low} to {high}"),
        };
        let digits = self.plain().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
        let number = digits.and_then(|text| text.parse().ok()).filter(|n| range.contains(n));
        if number.is_none() {
            self.expected(&what());
        }
        number
    }

    /// Reads a number within `range`.
    pub fn f64(&self, range: RangeInclusive<f64>) -> Option<f64> {
        let what = || match (*range.start(), *range.end()) {
            (f64::MIN, f64::MAX) => "a number".to_owned(),
            (low, f64::MAX) => format!("a number from {low}"),
            (f64::MIN, high) => format!("a number up to {high}"),
            (low, high) => format!("a number from {low} to {high}"),
        };
        let digits =
            self.plain().filter(|text| !text.contains(|c: char| c.is_alphabetic() && c != 'e'));
        let number = digits.and_then(|text| text.parse().ok());
        let number = number.filter(|n: &f64| n.is_finite() && range.contains(n));
        if number.is_none() {
            self.expected(&what());
        }
        number
    }

    /// Reads a span of time; `bare` is what a number without a unit means.
    pub fn duration(&self, bare: Bare) -> Option<Duration> {
        const EXPECTED: &str = "a duration such as 30s, 5m, 1h30m or 2d";
        self.read(EXPECTED, |text| duration::parse(text, bare))
    }

    /// Reads an amount of bytes.
    pub fn size(&self) -> Option<u64> {
        self.read("a size such as 100MiB", size::parse)
    }

    /// Reads the key in the file that this names; a file that others can read is refused.
    pub fn key_file(&self) -> Option<Secret> {
        let path = self.str()?;
        match self.secrets.key_file(path) {
            Ok(text) => Some(Secret::new(text)),
            Err(reason) => {
                self.error(format!("this key cannot be read: {reason}"));
                None
            }
        }
    }

    /// Reads a secret: a text, or `{file: …}` or `{env: …}` that name where it stands.
    pub fn secret(&self) -> Option<Secret> {
        if let Some(text) = self.scalar() {
            self.diagnostics.hide(self.span);
            if text.is_empty() {
                self.error("this secret is empty");
                return None;
            }
            return Some(Secret::new(text));
        }
        if !self.is_map() {
            self.expected("a text, {file: …} or {env: …}");
            return None;
        }
        let section = self.section()?;
        let (place, value) = section.exactly_one_of(&["file", "env"])?;
        let name = value.str()?;
        let text = match place {
            "file" => self.secrets.file(name),
            _ => self.secrets.env(name),
        };
        match text.as_deref().map(str::trim_end) {
            Ok("") => {
                value.error(format!("the secret in `{name}` is empty"));
                None
            }
            Ok(text) => Some(Secret::new(text)),
            Err(reason) => {
                value.error(format!("this secret cannot be read: {reason}"));
                None
            }
        }
    }

    /// Reads a text and makes a value of it; the constructor's error is shown as it is.
    pub fn parse<T, E: fmt::Display>(&self, make: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        self.read("a text", make)
    }

    /// Reads one of a few fixed words.
    pub fn word<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        let text = self.str()?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let known = || words.iter().map(|(word, _)| *word);
        let list = known().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
        self.error(format!("`{text}` is not one of {list}")).nearest(text, known());
        None
    }

    /// Reads a mapping; nothing is an empty one.
    pub fn section(&self) -> Option<Section<'d>> {
        match &self.node.body {
            Body::Map(_) | Body::Null => {
                Some(Section::at(self.node, self.section_span, self.diagnostics, self.secrets))
            }
            Body::Scalar { .. } | Body::List(_) => {
                self.expected("a mapping of keys and values");
                None
            }
        }
    }

    /// Reads a list; nothing is an empty one.
    pub fn items(&self) -> Vec<Self> {
        match &self.node.body {
            Body::List(items) => items.iter().map(|node| self.child(node)).collect(),
            Body::Null => Vec::new(),
            Body::Scalar { .. } | Body::Map(_) => {
                self.expected("a list");
                Vec::new()
            }
        }
    }

    /// Reads a list, or a single value as a list of one.
    pub fn one_or_many(&self) -> Vec<Self> {
        match &self.node.body {
            Body::List(_) | Body::Null => self.items(),
            Body::Scalar { .. } | Body::Map(_) => vec![*self],
        }
    }

    /// Returns the text of a scalar, without a report if it is something else.
    pub fn scalar(&self) -> Option<&'d str> {
        match &self.node.body {
            Body::Scalar { text, .. } => Some(text),
            Body::Null | Body::List(_) | Body::Map(_) => None,
        }
    }

    /// Returns true if nothing is written, or `null`.
    pub fn is_null(&self) -> bool {
        matches!(self.node.body, Body::Null)
    }

    /// Returns true if it is a mapping.
    pub fn is_map(&self) -> bool {
        matches!(self.node.body, Body::Map(_))
    }

    /// Returns true if it is a list.
    pub fn is_list(&self) -> bool {
        matches!(self.node.body, Body::List(_))
    }

    /// Returns true if it is a scalar: text, number, true or false.
    pub fn is_text(&self) -> bool {
        matches!(self.node.body, Body::Scalar { .. })
    }

    /// Returns it, and everything in it, as JSON: plain scalars that look like a number, true or false
    /// are one.
    pub fn to_json(&self) -> serde_json::Value {
        self.node.to_json()
    }

    /// Returns its place.
    pub fn span(&self) -> Span {
        self.span
    }

    /// Returns its place as people name it.
    pub fn position(&self) -> Position {
        self.diagnostics.position(self.span)
    }

    /// Returns `value` with this place.
    pub fn spanned<T>(&self, value: T) -> Spanned<T> {
        Spanned { value, span: self.span }
    }

    /// Reports an error here.
    pub fn error(&self, message: impl Into<String>) -> Report<'d> {
        self.diagnostics.error(self.span, message)
    }

    /// Reports an error at some bytes of the text; at all of it where it stands otherwise in the file
    /// than it reads (escapes, several lines).
    pub fn error_at(&self, part: Range<usize>, message: impl Into<String>) -> Report<'d> {
        self.diagnostics.error(self.part(part).unwrap_or(self.span), message)
    }

    fn part(&self, part: Range<usize>) -> Option<Span> {
        let text = self.scalar()?;
        let written = self.diagnostics.written(self.span)?;
        let quote = usize::from(written != text);
        if quote == 1 && written.get(1..written.len().checked_sub(1)?)? != text {
            return None;
        }
        // An end that is missing is shown at the last character.
        let start = part.start.min(text.len().saturating_sub(1));
        let end = part.end.clamp(start + 1, text.len().max(start + 1));
        let at = |offset: usize| Some(self.span.start + u32::try_from(quote + offset).ok()?);
        Some(Span { start: at(start)?, end: at(end)?, ..self.span })
    }

    /// Reports a warning here.
    pub fn warn(&self, message: impl Into<String>) -> Report<'d> {
        self.diagnostics.warn(self.span, message)
    }

    fn read<T, E: fmt::Display>(
        &self,
        what: &str,
        make: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let Some(text) = self.scalar() else {
            self.expected(what);
            return None;
        };
        match make(text) {
            Ok(value) => Some(value),
            Err(error) => {
                self.error(error.to_string());
                None
            }
        }
    }

    fn expected(&self, what: &str) {
        match &self.node.body {
            Body::Scalar { text, plain: false } => {
                let report = self.error(format!("{what} is expected, this is the text {text:?}"));
                let bare = text.parse::<f64>().is_ok() || matches!(&**text, "true" | "false");
                drop(if bare { report.hint("write it without the quotes") } else { report });
            }
            Body::Scalar { text, plain: true } => {
                self.error(format!("{what} is expected, not `{text}`"));
            }
            Body::Null | Body::List(_) | Body::Map(_) => {
                self.error(format!("{what} is expected, this is {}", self.node.kind()));
            }
        }
    }

    fn plain(&self) -> Option<&'d str> {
        match &self.node.body {
            Body::Scalar { text, plain: true } => Some(text),
            Body::Scalar { .. } | Body::Null | Body::List(_) | Body::Map(_) => None,
        }
    }

    fn child(&self, node: &'d Node) -> Self {
        let span = if node.span.is_empty() { self.span } else { node.span };
        Self { node, span, section_span: span, ..*self }
    }
}

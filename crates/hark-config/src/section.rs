//! A cursor on a mapping: typed values by key, every mistake reported at its place.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use hark_model::Secret;

use crate::diagnostics::{Diagnostics, Report};
use crate::duration::Bare;
use crate::key::{Key, Kind};
use crate::secret::SecretSource;
use crate::source::{Position, Span, Spanned};
use crate::tree::{Body, Entry, Node};
use crate::value::Value;

/// A mapping of keys and values.
///
/// A reader named `opt_x` returns `None` if the key is absent, empty or wrong; a reader named `x`
/// returns the given default then. What is wrong has been reported.
pub struct Section<'d> {
    entries: &'d [Entry],
    span: Span,
    diagnostics: &'d Diagnostics,
    secrets: &'d dyn SecretSource,
    /// Which keys a reader looked for: tests compare it with the table of keys.
    asked: RefCell<BTreeSet<&'static str>>,
    /// An entry of another section, which holds where this one has none of its key.
    lent: Option<&'d Entry>,
}

impl fmt::Debug for Section<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values are left out: they may be secrets.
        let keys = self.entries.iter().map(|entry| &*entry.key);
        write!(f, "Section at {} ", self.diagnostics.position(self.span))?;
        f.debug_set().entries(keys).finish()
    }
}

impl<'d> Section<'d> {
    pub(crate) fn of(
        node: &'d Node,
        diagnostics: &'d Diagnostics,
        secrets: &'d dyn SecretSource,
    ) -> Self {
        Self::at(node, node.span, diagnostics, secrets)
    }

    /// A node that is no mapping becomes an empty section; the caller has looked.
    pub(crate) fn at(
        node: &'d Node,
        span: Span,
        diagnostics: &'d Diagnostics,
        secrets: &'d dyn SecretSource,
    ) -> Self {
        let entries = match &node.body {
            Body::Map(entries) => entries.as_slice(),
            Body::Null | Body::Scalar { .. } | Body::List(_) => &[],
        };
        Self { entries, span, diagnostics, secrets, asked: RefCell::default(), lent: None }
    }

    /// Takes the entry `key` of `other` as its own where it has none: a setting that may stand on
    /// either level.
    #[must_use]
    pub fn lending(self, key: &'static str, other: &Section<'d>) -> Self {
        other.asked.borrow_mut().insert(key);
        Self { lent: other.entry(key), ..self }
    }

    /// Returns true if `key` is there with a value.
    pub fn has(&self, key: &'static str) -> bool {
        self.value(key).is_some()
    }

    /// Returns the node of `key`, for parts whose form is free.
    pub fn value(&self, key: &'static str) -> Option<Value<'d>> {
        self.asked.borrow_mut().insert(key);
        let value = self.value_of(self.entry(key)?);
        (!value.is_null()).then_some(value)
    }

    /// Returns everything in it as JSON: see [`Value::to_json`].
    pub fn to_json(&self) -> serde_json::Value {
        crate::tree::json_of(self.entries)
    }

    /// Returns the node of `key`, and reports an error if it is missing.
    pub fn required(&self, key: &'static str) -> Option<Value<'d>> {
        let value = self.value(key);
        if value.is_none() {
            let place = self.key_span(key);
            self.diagnostics.error(place, format!("the key `{key}` is missing"));
        }
        value
    }

    /// Reads a text: any scalar, as it is written.
    pub fn opt_str(&self, key: &'static str) -> Option<&'d str> {
        self.value(key)?.str()
    }

    /// Reads a text: any scalar, as it is written.
    pub fn str(&self, key: &'static str, default: &'d str) -> &'d str {
        self.opt_str(key).unwrap_or(default)
    }

    /// Reads `true` or `false`.
    pub fn opt_bool(&self, key: &'static str) -> Option<bool> {
        self.value(key)?.bool()
    }

    /// Reads `true` or `false`.
    pub fn bool(&self, key: &'static str, default: bool) -> bool {
        self.opt_bool(key).unwrap_or(default)
    }

    /// Reads a whole number within `range`.
    pub fn opt_u64(&self, key: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        self.value(key)?.u64(range)
    }

    /// Reads a whole number within `range`.
    pub fn u64(&self, key: &'static str, default: u64, range: RangeInclusive<u64>) -> u64 {
        self.opt_u64(key, range).unwrap_or(default)
    }

    /// Reads a number within `range`.
    pub fn opt_f64(&self, key: &'static str, range: RangeInclusive<f64>) -> Option<f64> {
        self.value(key)?.f64(range)
    }

    /// Reads a number within `range`.
    pub fn f64(&self, key: &'static str, default: f64, range: RangeInclusive<f64>) -> f64 {
        self.opt_f64(key, range).unwrap_or(default)
    }

    /// Reads a span of time; `bare` is what a number without a unit means.
    pub fn opt_duration(&self, key: &'static str, bare: Bare) -> Option<Duration> {
        self.value(key)?.duration(bare)
    }

    /// Reads a span of time; `bare` is what a number without a unit means.
    pub fn duration(&self, key: &'static str, bare: Bare, default: Duration) -> Duration {
        self.opt_duration(key, bare).unwrap_or(default)
    }

    /// Reads a span of time of which a bare number counts `tick`s, fractions too; seconds without one.
    pub fn opt_ticks(&self, key: &'static str, tick: Option<Duration>) -> Option<Duration> {
        let value = self.value(key)?;
        let n_ticks = value.scalar().and_then(|text| text.parse::<f64>().ok());
        let (Some(tick), Some(n_ticks)) = (tick, n_ticks) else {
            return value.duration(Bare::Seconds);
        };
        let span = Duration::try_from_secs_f64(tick.as_secs_f64() * n_ticks).ok();
        let span = span.filter(|span| *span <= crate::duration::MAX);
        if span.is_none() {
            value.error("a number of ticks is expected, or a duration such as 30s");
        }
        span
    }

    /// Reads an amount of bytes.
    pub fn opt_size(&self, key: &'static str) -> Option<u64> {
        self.value(key)?.size()
    }

    /// Reads an amount of bytes.
    pub fn size(&self, key: &'static str, default: u64) -> u64 {
        self.opt_size(key).unwrap_or(default)
    }

    /// Reads a secret: a text, or `{file: …}` or `{env: …}` that name where it stands.
    pub fn opt_secret(&self, key: &'static str) -> Option<Secret> {
        self.value(key)?.secret()
    }

    /// Reads the key in the file that `key` names: see [`Value::key_file`].
    pub fn opt_key_file(&self, key: &'static str) -> Option<Secret> {
        self.value(key)?.key_file()
    }

    /// Reads a text and makes a value of it; the constructor's error is shown as it is.
    pub fn parse<T, E: fmt::Display>(
        &self,
        key: &'static str,
        make: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        self.value(key)?.parse(make)
    }

    /// Reads a list of texts (or a single one) and makes values of them, each with its place.
    pub fn parse_many<T, E: fmt::Display>(
        &self,
        key: &'static str,
        make: impl Fn(&str) -> Result<T, E>,
    ) -> Vec<Spanned<T>> {
        let values = self.one_or_many(key).into_iter();
        values.filter_map(|value| Some(value.spanned(value.parse(&make)?))).collect()
    }

    /// Reads one of a few fixed words.
    pub fn word<T: Copy>(&self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        self.value(key)?.word(words)
    }

    /// Reads a list, or a single value as a list of one; nothing is an empty one.
    pub fn one_or_many(&self, key: &'static str) -> Vec<Value<'d>> {
        self.value(key).map_or_else(Vec::new, |value| value.one_or_many())
    }

    /// Reads a list; nothing is an empty one.
    pub fn list(&self, key: &'static str) -> Vec<Value<'d>> {
        self.value(key).map_or_else(Vec::new, |value| value.items())
    }

    /// Reads a mapping.
    pub fn child(&self, key: &'static str) -> Option<Section<'d>> {
        self.value(key)?.section()
    }

    /// Reads a mapping of names to mappings, such as hosts; a name alone has an empty one.
    pub fn children(&self, key: &'static str) -> Vec<(Spanned<&'d str>, Section<'d>)> {
        let Some(section) = self.child(key) else { return Vec::new() };
        let named = section.entries().into_iter();
        named.filter_map(|(name, value)| Some((name, value.section()?))).collect()
    }

    /// Returns its own keys and values in the order of the file.
    pub fn entries(&self) -> Vec<(Spanned<&'d str>, Value<'d>)> {
        let named = self.entries.iter();
        named.map(|entry| (entry_key(entry), self.value_of(entry))).collect()
    }

    /// Returns the one of `keys` that is there. Reports an error if none or several are.
    pub fn exactly_one_of(&self, keys: &[&'static str]) -> Option<(&'static str, Value<'d>)> {
        let mut found = keys.iter().filter_map(|key| Some((*key, self.value(key)?)));
        let list = || keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
        let Some(first) = found.next() else {
            let report =
                self.diagnostics.error(self.span, format!("one of {} is expected", list()));
            let slip = self
                .entries
                .iter()
                .find_map(|entry| crate::nearest(&entry.key, keys.iter().copied()));
            drop(if let Some(word) = slip { report.suggest(word) } else { report });
            return None;
        };
        if let Some(second) = found.next() {
            let message = format!("only one of {} can be set", list());
            let report = self.diagnostics.error(self.key_span(second.0), message);
            drop(report.also(self.key_span(first.0), "first one here"));
            return None;
        }
        Some(first)
    }

    /// Returns the place of the whole section.
    pub fn span(&self) -> Span {
        self.span
    }

    /// Returns the place of `key` itself, or of the section if it is absent.
    pub fn key_span(&self, key: &str) -> Span {
        self.entry(key).map_or(self.span, |entry| entry.key_span)
    }

    /// Returns the place of the value of `key`, or of the section if it is absent.
    pub fn value_span(&self, key: &str) -> Span {
        self.entry(key).map_or(self.span, Entry::value_span)
    }

    /// Returns the place of `key` as people name it.
    pub fn position_of(&self, key: &str) -> Position {
        self.diagnostics.position(self.key_span(key))
    }

    /// Returns what is wrong so far, to add to it.
    pub fn diagnostics(&self) -> &'d Diagnostics {
        self.diagnostics
    }

    /// Reports an error at the value of `key`, or at the section if it is absent.
    pub fn error(&self, key: &str, message: impl Into<String>) -> Report<'d> {
        self.diagnostics.error(self.value_span(key), message)
    }

    /// Reports a warning at the value of `key`, or at the section if it is absent.
    pub fn warn(&self, key: &str, message: impl Into<String>) -> Report<'d> {
        self.diagnostics.warn(self.value_span(key), message)
    }

    /// Reports every key that is not in the table, with the nearest one that is, and every
    /// required one that is missing. Keys that begin with `x-` are left alone: they hold what
    /// anchors name.
    pub fn finish(&self, keys: &[Key]) {
        for entry in self.entries {
            let known = keys.iter().any(|key| key.name == &*entry.key);
            if !known && !entry.key.starts_with("x-") {
                self.unknown(entry, keys);
            }
        }
        for key in keys.iter().filter(|key| key.required) {
            if self.entry(key.name).is_none_or(|entry| matches!(entry.value.body, Body::Null)) {
                // The same words as `required`, so that it is told once.
                let message = format!("the key `{}` is missing", key.name);
                self.diagnostics.error(self.key_span(key.name), message);
            }
        }
    }

    /// Returns the keys that were asked for so far, in order.
    pub fn asked(&self) -> Vec<&'static str> {
        self.asked.borrow().iter().copied().collect()
    }

    fn unknown(&self, entry: &Entry, keys: &[Key]) {
        let names = || keys.iter().map(|key| key.name);
        let meant = crate::nearest(&entry.key, names());
        let secret = |key: &&Key| Some(key.name) == meant && matches!(key.kind, Kind::Secret);
        if keys.iter().any(|key| secret(&key)) {
            self.diagnostics.hide(entry.value.span);
        }
        let report = self.diagnostics.error(entry.key_span, format!("unknown key `{}`", entry.key));
        if let Some(word) = meant {
            report.suggest(word);
        } else if keys.len() <= MAX_LISTED {
            let list = names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            report.hint(format!("known here: {list}"));
        }
    }

    fn entry(&self, key: &str) -> Option<&'d Entry> {
        let own = self.entries.iter().find(|entry| &*entry.key == key);
        own.or_else(|| self.lent.filter(|entry| &*entry.key == key))
    }

    fn value_of(&self, entry: &'d Entry) -> Value<'d> {
        Value::of_entry(entry, self.diagnostics, self.secrets)
    }
}

/// A longer list of known keys is no help.
const MAX_LISTED: usize = 12;

fn entry_key(entry: &Entry) -> Spanned<&str> {
    Spanned { value: &entry.key, span: entry.key_span }
}

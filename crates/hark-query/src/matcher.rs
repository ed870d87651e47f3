//! Which series a selector means.

use std::collections::BTreeSet;

use regex::Regex;

/// What a label must be.
#[derive(Clone, Debug)]
pub struct Matcher {
    /// The label.
    pub name: String,
    /// What its value must be; a label that is not there has an empty one.
    pub test: Test,
}

/// What a value must be.
#[derive(Clone, Debug)]
pub enum Test {
    /// This.
    Is(String),
    /// Anything else.
    IsNot(String),
    /// One that the whole pattern fits.
    Like(Pattern),
    /// One that it does not.
    Unlike(Pattern),
}

/// A pattern.
#[derive(Clone, Debug)]
pub struct Pattern {
    regex: Regex,
    /// What fits if the pattern is a list of plain words, as `web1|web2`: dashboards make such of
    /// what was chosen in them, hundreds long.
    words: Option<BTreeSet<String>>,
}

impl Pattern {
    /// Takes `regex`, which is anchored, and the text that it was made of.
    pub(crate) fn new(regex: Regex, text: &str) -> Self {
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | ':' | '/' | ' ' | '|');
        let words = text.chars().all(plain).then(|| text.split('|').map(str::to_owned).collect());
        Self { regex, words }
    }

    fn fits(&self, value: &str) -> bool {
        match &self.words {
            Some(words) => words.contains(value),
            None => self.regex.is_match(value),
        }
    }
}

impl Matcher {
    /// Returns whether a label with this value is meant.
    pub fn fits(&self, value: &str) -> bool {
        match &self.test {
            Test::Is(wanted) => wanted == value,
            Test::IsNot(unwanted) => unwanted != value,
            Test::Like(pattern) => pattern.fits(value),
            Test::Unlike(pattern) => !pattern.fits(value),
        }
    }

    /// Returns the values that it can only be, if they are known: so that they can be looked up.
    pub fn values(&self) -> Option<Vec<&str>> {
        match &self.test {
            Test::Is(value) => Some(vec![value]),
            Test::Like(pattern) => {
                pattern.words.as_ref().map(|words| words.iter().map(String::as_str).collect())
            }
            Test::IsNot(_) | Test::Unlike(_) => None,
        }
    }
}

//! Named values.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// One value that was seen.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// A number, in the base unit that its name says: seconds, bytes, days, percent.
    Number(f64),
    /// A text.
    Text(String),
    /// Several texts, such as the answers to a question.
    Texts(Vec<String>),
    /// Yes or no.
    Bool(bool),
    /// It was looked for and is not there.
    Absent,
}

/// Most texts of one fact that are kept: no answer that people write conditions about has more.
const MAX_TEXTS: usize = 1000;

/// Longest text of a fact: what a check may read of a page.
const MAX_TEXT: usize = 1024 * 1024;

/// Most facts of one look; the values of a whole device's interfaces fit.
const MAX_FACTS: usize = 4096;

/// How much of a text is shown.
const MAX_SHOWN: usize = 120;

/// How many of several texts are shown.
const MAX_LISTED: usize = 8;

impl From<f64> for Fact {
    fn from(value: f64) -> Self {
        Self::Number(value)
    }
}

impl From<u32> for Fact {
    fn from(value: u32) -> Self {
        Self::Number(value.into())
    }
}

impl From<u16> for Fact {
    fn from(value: u16) -> Self {
        Self::Number(value.into())
    }
}

impl From<bool> for Fact {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<&str> for Fact {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Fact {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Vec<String>> for Fact {
    fn from(texts: Vec<String>) -> Self {
        Self::Texts(texts)
    }
}

impl<T: Into<Self>> From<Option<T>> for Fact {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Absent, Into::into)
    }
}

/// Shows it as people are told: `3.25`, `"220 ready"`, `"a", "b"`, `yes`, `absent`.
impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(value) => f.write_str(&number(*value)),
            Self::Text(text) => quoted(f, text),
            Self::Texts(texts) if texts.is_empty() => f.write_str("nothing"),
            Self::Texts(texts) => {
                for (n, text) in texts.iter().take(MAX_LISTED).enumerate() {
                    if n > 0 {
                        f.write_str(", ")?;
                    }
                    quoted(f, text)?;
                }
                match texts.len().saturating_sub(MAX_LISTED) {
                    0 => Ok(()),
                    more => write!(f, " and {more} more"),
                }
            }
            Self::Bool(true) => f.write_str("yes"),
            Self::Bool(false) => f.write_str("no"),
            Self::Absent => f.write_str("absent"),
        }
    }
}

fn quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    if text.len() <= MAX_SHOWN {
        return write!(f, "{text:?}");
    }
    let start = text.get(..text.floor_char_boundary(MAX_SHOWN)).unwrap_or_default();
    write!(f, "{start:?}...")
}

/// Writes a number with at most six decimals and no trailing zeros.
pub(crate) fn number(value: f64) -> String {
    let text = format!("{value:.6}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// What one look saw, by name. Names are words of the one who looked: `status`, `days_left`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts(BTreeMap<Cow<'static, str>, Fact>);

impl Facts {
    /// Takes a value; a later one of the same name takes the place of the former. Texts are cut to
    /// their bounds, and beyond the bound of names a new one is left out.
    pub fn put(&mut self, name: impl Into<Cow<'static, str>>, fact: impl Into<Fact>) {
        let name = name.into();
        if self.0.len() >= MAX_FACTS && !self.0.contains_key(&name) {
            return;
        }
        let fact = match fact.into() {
            Fact::Text(text) => Fact::Text(cut(text)),
            Fact::Texts(texts) => Fact::Texts(texts.into_iter().take(MAX_TEXTS).map(cut).collect()),
            other @ (Fact::Number(_) | Fact::Bool(_) | Fact::Absent) => other,
        };
        self.0.insert(name, fact);
    }

    /// Returns the value of that name; what nobody saw is absent.
    pub fn get(&self, name: &str) -> &Fact {
        self.0.get(name).unwrap_or(&Fact::Absent)
    }

    /// Returns every value, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Fact)> {
        self.0.iter().map(|(name, fact)| (&**name, fact))
    }

    /// Returns true if nothing was seen.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn cut(mut text: String) -> String {
    if text.len() > MAX_TEXT {
        text.truncate(text.floor_char_boundary(MAX_TEXT));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_shown_as_people_are_told() {
        let many: Vec<String> = (0..10).map(|n| n.to_string()).collect();
        for (fact, shown) in [
            (Fact::from(3.25), "3.25"),
            (Fact::from(200_u16), "200"),
            (Fact::from("220 ready\r\n"), r#""220 ready\r\n""#),
            (Fact::from(vec!["a".to_owned(), "b".to_owned()]), r#""a", "b""#),
            (Fact::from(many), r#""0", "1", "2", "3", "4", "5", "6", "7" and 2 more"#),
            (Fact::from(Vec::new()), "nothing"),
            (Fact::from(true), "yes"),
            (Fact::from(None::<bool>), "absent"),
        ] {
            assert_eq!(fact.to_string(), shown);
        }
        assert!(Fact::from("x".repeat(500)).to_string().ends_with("x\"..."));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut facts = Facts::default();
        facts.put("body", "é".repeat(MAX_TEXT));
        assert_eq!(facts.get("body"), &Fact::Text("é".repeat(MAX_TEXT / 2)));
        for n in 0..2 * MAX_FACTS {
            facts.put(format!("n{n}"), 1.0);
        }
        assert_eq!(facts.iter().count(), MAX_FACTS);
        facts.put("body", 1.0);
        assert_eq!(facts.get("body"), &Fact::Number(1.0), "a known name takes its new value");
        assert_eq!(facts.get("nobody"), &Fact::Absent);
    }
}

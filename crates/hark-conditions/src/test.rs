//! One test of one value.

use std::net::IpAddr;

use hark_config::{Bare, duration, size};
use regex::Regex;

use crate::fact::Fact;

/// How a number is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Below.
    Less,
    /// At or below.
    LessEqual,
    /// Above.
    Greater,
    /// At or above.
    GreaterEqual,
    /// Equal.
    Equal,
    /// Not equal.
    NotEqual,
}

impl Order {
    #[expect(clippy::float_cmp, reason = "whoever writes `is 200` means exactly that")]
    pub(crate) fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Self::Less => value < limit,
            Self::LessEqual => value <= limit,
            Self::Greater => value > limit,
            Self::GreaterEqual => value >= limit,
            Self::Equal => value == limit,
            Self::NotEqual => value != limit,
        }
    }
}

/// A number as it was written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Number {
    value: f64,
    unit: Unit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    None,
    /// The value is in seconds.
    Time,
    /// The value is in bytes.
    Size,
    Percent,
}

impl Number {
    /// Reads `200`, `-1.5`, `2s`, `10MiB` or `5%`.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let of = |value: f64, unit| value.is_finite().then_some(Self { value, unit });
        let is_number =
            text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'));
        if !is_number {
            return None;
        }
        if let Ok(value) = text.parse() {
            return of(value, Unit::None);
        }
        if let Some(share) = text.strip_suffix('%') {
            return of(share.parse().ok()?, Unit::Percent);
        }
        let (sign, bare) = text.strip_prefix('-').map_or((1.0, text), |bare| (-1.0, bare));
        if let Ok(time) = duration::parse(bare, Bare::Refused) {
            return of(sign * time.as_secs_f64(), Unit::Time);
        }
        let bytes = u32::try_from(size::parse(bare).ok()? >> 10);
        let low = u32::try_from(size::parse(bare).ok()? & 1023).unwrap_or(0);
        // Beyond 4 TiB nothing that is compared here goes; below, the number is exact.
        of(sign * (f64::from(bytes.ok()?) * 1024.0 + f64::from(low)), Unit::Size)
    }

    /// Returns it in the unit that the name of a value ends in.
    pub(crate) fn for_name(self, name: &str) -> f64 {
        let ends = |unit: &str| {
            name == unit || name.strip_suffix(unit).is_some_and(|start| start.ends_with(['_', '.']))
        };
        match self.unit {
            Unit::Time if ends("ms") || ends("milliseconds") => self.value * 1000.0,
            Unit::Time if ends("minutes") => self.value / 60.0,
            Unit::Time if ends("hours") => self.value / 3600.0,
            Unit::Time if ends("days") || ends("days_left") => self.value / 86_400.0,
            Unit::Percent if ends("ratio") => self.value / 100.0,
            Unit::None | Unit::Time | Unit::Size | Unit::Percent => self.value,
        }
    }
}

/// A value as it was written, which may be compared as text and as number.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Literal {
    pub(crate) text: String,
    pub(crate) number: Option<Number>,
}

/// What is asked about a value.
#[derive(Clone, Debug)]
pub(crate) enum Predicate {
    Compare(Order, Number),
    Between(Number, Number),
    /// It is one of these.
    OneOf(Vec<Literal>),
    /// It is all of these and nothing else.
    Exactly(Vec<Literal>),
    Contains(String),
    Begins(String),
    Ends(String),
    Matches(Regex),
    /// One of several texts is this; of all of them, or of any.
    Includes {
        wanted: Vec<Literal>,
        all: bool,
    },
    Counts(Order, f64),
    Empty,
    Present,
}

impl Predicate {
    /// Returns whether it holds for a value of that name; nothing if the value cannot be asked that.
    pub(crate) fn holds(&self, name: &str, fact: &Fact) -> Option<bool> {
        if let Self::Present = self {
            return Some(!matches!(fact, Fact::Absent));
        }
        if let Fact::Absent = fact {
            return None;
        }
        let texts = texts(fact);
        match self {
            Self::Present => Some(true),
            Self::Compare(order, limit) => Some(order.holds(number(fact)?, limit.for_name(name))),
            Self::Between(low, high) => {
                let value = number(fact)?;
                Some(low.for_name(name) <= value && value <= high.for_name(name))
            }
            Self::OneOf(literals) => {
                let is_one = |part: &Fact| literals.iter().any(|one| is(name, part, one));
                let Fact::Texts(texts) = fact else { return Some(is_one(fact)) };
                let mut each = texts.iter().map(|text| Fact::Text(text.clone()));
                Some(!texts.is_empty() && each.all(|text| is_one(&text)))
            }
            Self::Exactly(literals) => Some(
                texts.iter().all(|text| literals.iter().any(|one| same(text, &one.text)))
                    && literals.iter().all(|one| texts.iter().any(|text| same(text, &one.text))),
            ),
            Self::Contains(part) => Some(texts.iter().any(|text| text.contains(part))),
            Self::Begins(start) => Some(texts.iter().any(|text| text.starts_with(start))),
            Self::Ends(end) => Some(texts.iter().any(|text| text.ends_with(end))),
            Self::Matches(pattern) => Some(texts.iter().any(|text| pattern.is_match(text))),
            Self::Includes { wanted, all } => {
                let has = |one: &Literal| texts.iter().any(|text| same(text, &one.text));
                Some(if *all { wanted.iter().all(has) } else { wanted.iter().any(has) })
            }
            Self::Counts(order, limit) => {
                let n = u32::try_from(texts.len()).unwrap_or(u32::MAX);
                Some(order.holds(f64::from(n), *limit))
            }
            Self::Empty => Some(texts.iter().all(|text| text.is_empty())),
        }
    }
}

/// Returns the value as texts to look into.
fn texts(fact: &Fact) -> Vec<std::borrow::Cow<'_, str>> {
    match fact {
        Fact::Texts(texts) => texts.iter().map(|text| text.as_str().into()).collect(),
        Fact::Text(text) => vec![text.as_str().into()],
        Fact::Number(value) => vec![crate::fact::number(*value).into()],
        Fact::Bool(value) => vec![if *value { "yes" } else { "no" }.into()],
        Fact::Absent => Vec::new(),
    }
}

/// Returns the value as a number; texts that are one count as such.
fn number(fact: &Fact) -> Option<f64> {
    match fact {
        Fact::Number(value) => (!value.is_nan()).then_some(*value),
        Fact::Text(text) => text.trim().parse().ok().filter(|value: &f64| value.is_finite()),
        Fact::Texts(_) | Fact::Bool(_) | Fact::Absent => None,
    }
}

/// Returns true if the value is what was written.
fn is(name: &str, fact: &Fact, literal: &Literal) -> bool {
    match fact {
        Fact::Number(value) => {
            literal.number.is_some_and(|limit| Order::Equal.holds(*value, limit.for_name(name)))
        }
        Fact::Bool(value) => match &*literal.text {
            "true" | "yes" => *value,
            "false" | "no" => !*value,
            _ => false,
        },
        Fact::Text(text) => same(text, &literal.text),
        Fact::Texts(_) | Fact::Absent => false,
    }
}

/// Returns true if both texts are the same; addresses have several ways to be written.
fn same(one: &str, other: &str) -> bool {
    if one == other {
        return true;
    }
    match (one.parse::<IpAddr>(), other.parse::<IpAddr>()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

//! Values, and what operators make of them.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "every form that is not named is one that cannot be known, a new one too"
)]

use std::fmt::Write as _;

use super::evaluate::Call;

/// Longest text or list that an operation may make.
pub(super) const MAX_LENGTH: usize = 100_000;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    None,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Value>),
    Dict(Vec<(Value, Value)>),
    /// A name from elsewhere, with its dots: `CheckPing4`, `checks.add`.
    Name(String),
    /// What a call gave: an object of that class.
    Made(Box<Call>),
    /// It cannot be known: why.
    Unknown(String),
}

impl Value {
    /// Returns the text that it is.
    pub(crate) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// Returns the number that it is.
    pub(crate) fn number(&self) -> Option<f64> {
        if let Self::Number(number) = self { Some(*number) } else { None }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the number was compared with the bounds before"
)]
pub(super) fn range(end: &Value) -> Result<Vec<Value>, String> {
    match end {
        Value::Number(end) if (0.0..=10_000.0).contains(end) => {
            Ok((0..*end as u32).map(|n| Value::Number(f64::from(n))).collect())
        }
        _ => Err("a `range` of what is not known".to_owned()),
    }
}

pub(super) fn item(of: Value, index: &Value) -> Value {
    match (of, index) {
        (Value::Dict(entries), index) => entries
            .into_iter()
            .rev()
            .find(|(key, _)| key == index)
            .map_or(Value::Unknown("a key that is not there".to_owned()), |(_, value)| value),
        (Value::List(mut items), Value::Number(index)) => {
            #[expect(clippy::cast_precision_loss, reason = "lists are bounded")]
            let place = if *index < 0.0 { index + items.len() as f64 } else { *index };
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "negative and broken numbers become 0, which the comparison refuses"
            )]
            let at = place as usize;
            if place >= 0.0 && at < items.len() {
                items.swap_remove(at)
            } else {
                Value::Unknown("an element that is not there".to_owned())
            }
        }
        (Value::Unknown(why), _) => Value::Unknown(why),
        _ => Value::Unknown("an element of what is not known".to_owned()),
    }
}

/// Calculates.
pub(super) fn operate(left: Value, sign: &str, right: Value) -> Value {
    match (left, sign, right) {
        (Value::Number(a), _, Value::Number(b)) => {
            let result = match sign {
                "+" => a + b,
                "-" => a - b,
                "*" => a * b,
                "/" => a / b,
                "//" => (a / b).floor(),
                "%" => a - b * (a / b).floor(),
                "**" => a.powf(b),
                _ => f64::NAN,
            };
            if result.is_finite() {
                Value::Number(result)
            } else {
                Value::Unknown(format!("`{a} {sign} {b}`"))
            }
        }
        (Value::Text(a), "+", Value::Text(b)) if a.len() + b.len() <= MAX_LENGTH => {
            Value::Text(a + &b)
        }
        (Value::List(mut a), "+", Value::List(b)) if a.len() + b.len() <= MAX_LENGTH => {
            a.extend(b);
            Value::List(a)
        }
        (Value::Text(format), "%", values) => percent(&format, values),
        (Value::Unknown(why), _, _) | (_, _, Value::Unknown(why)) => Value::Unknown(why),
        _ => Value::Unknown(format!("`{sign}` of what is not known")),
    }
}

/// Puts values into a text, as the operator `%` does.
fn percent(format: &str, values: Value) -> Value {
    let mut values = match values {
        Value::List(values) => values.into_iter(),
        other => vec![other].into_iter(),
    };
    let mut out = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let value = match chars.next() {
            Some('%') => Some("%".to_owned()),
            Some('s') => values.next().as_ref().and_then(shown),
            Some('d' | 'i') => match values.next() {
                Some(Value::Number(number)) => Some(number.trunc().to_string()),
                _ => None,
            },
            _ => None,
        };
        match value {
            Some(value) if out.len() <= MAX_LENGTH => out.push_str(&value),
            _ => return Value::Unknown("a text with `%` that is not understood".to_owned()),
        }
    }
    Value::Text(out)
}

/// Returns a value as `str` would write it, if it is simple.
pub(super) fn shown(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.clone()),
        Value::Number(number) => {
            let mut text = String::new();
            // Writing to a string cannot fail.
            let _written = write!(text, "{number}");
            Some(text)
        }
        Value::Bool(true) => Some("True".to_owned()),
        Value::Bool(false) => Some("False".to_owned()),
        Value::None => Some("None".to_owned()),
        Value::List(_) | Value::Dict(_) | Value::Name(_) | Value::Made(_) | Value::Unknown(_) => {
            None
        }
    }
}

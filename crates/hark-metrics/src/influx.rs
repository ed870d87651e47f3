//! Lines as `InfluxDB` takes them: `measurement,tag=value field=1,other=2i 1700000000000000000`.
//!
//! Each field that is a number or a truth is a series: its metric is the measurement and the field, and
//! the measurement alone for a field called `value`; tags are labels. Texts are no samples, and are left
//! out without a word.

use std::borrow::Cow;

use hark_model::Unix;
use hark_model::labels::Foreign;

use crate::gather::{Found, MAX_LABELS_READ};
use crate::{Batch, Gather, Naming, Unreadable, Why};

/// In what the times of a request are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// What it is if nothing is said.
    #[default]
    Nanoseconds,
    /// `u`, `us`.
    Microseconds,
    /// `ms`.
    Milliseconds,
    /// `s`.
    Seconds,
    /// `m`.
    Minutes,
    /// `h`.
    Hours,
}

impl Precision {
    /// Returns the precision of a word in a query.
    pub fn of_word(word: &str) -> Option<Self> {
        Some(match word {
            "" | "n" | "ns" => Self::Nanoseconds,
            "u" | "us" | "µ" | "µs" => Self::Microseconds,
            "ms" => Self::Milliseconds,
            "s" => Self::Seconds,
            "m" => Self::Minutes,
            "h" => Self::Hours,
            _ => return None,
        })
    }

    /// Returns a number of these as a time; `None` if there is no such time.
    fn time(self, number: i64) -> Option<Unix> {
        Some(Unix(match self {
            Self::Nanoseconds => number.div_euclid(1_000_000),
            Self::Microseconds => number.div_euclid(1000),
            Self::Milliseconds => number,
            Self::Seconds => number.checked_mul(1000)?,
            Self::Minutes => number.checked_mul(60_000)?,
            Self::Hours => number.checked_mul(3_600_000)?,
        }))
    }
}

/// Reads a body; lines that are none are counted, the others are taken.
///
/// # Errors
/// If it has more than a request may have.
pub fn read(body: &[u8], precision: Precision, naming: &Naming) -> Result<Batch, Unreadable> {
    let mut gather = Gather::new(Foreign::Influx, naming);
    for line in body.split(|byte| *byte == b'\n') {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let read = std::str::from_utf8(line).ok().and_then(|line| Line::read(line, precision));
        match read {
            Some(line) => line.give(&mut gather)?,
            None => gather.refuse(Why::Line, 1, || String::from_utf8_lossy(line).into_owned()),
        }
    }
    Ok(gather.finish())
}

/// A line.
struct Line<'a> {
    measurement: Cow<'a, str>,
    tags: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    fields: Vec<(Cow<'a, str>, f64)>,
    at: Option<Unix>,
}

impl<'a> Line<'a> {
    fn read(line: &'a str, precision: Precision) -> Option<Self> {
        let (key, rest) = cut(line, b' ', Quotes::Plain)?;
        let (fields, time) = match cut(rest.trim_start(), b' ', Quotes::Heeded) {
            Some((fields, time)) => (fields, time.trim()),
            None => (rest.trim(), ""),
        };
        let at = match time {
            "" => None,
            time => Some(precision.time(time.parse().ok()?)?),
        };
        let mut parts = pieces(key, Quotes::Plain);
        let measurement = unescaped(parts.next()?);
        let mut tags = Vec::new();
        for part in parts {
            let (name, value) = cut(part, b'=', Quotes::Plain)?;
            if name.is_empty() || value.is_empty() || tags.len() > MAX_LABELS_READ {
                return None;
            }
            tags.push((unescaped(name), unescaped(value)));
        }
        let mut numbers = Vec::new();
        for field in pieces(fields, Quotes::Heeded) {
            let (name, value) = cut(field, b'=', Quotes::Plain)?;
            if name.is_empty() {
                return None;
            }
            if let Field::Number(value) = field_of(value)? {
                numbers.push((unescaped(name), value));
            }
        }
        (!measurement.is_empty()).then_some(Self { measurement, tags, fields: numbers, at })
    }

    fn give(self, gather: &mut Gather<'_>) -> Result<(), Unreadable> {
        let mut found = Found { labels: self.tags, ..Found::default() };
        for (field, value) in self.fields {
            found.metric = match field.as_ref() {
                "value" => self.measurement.clone(),
                field => Cow::Owned(format!("{}_{field}", self.measurement)),
            };
            gather.take(&found, &[(self.at, value)])?;
        }
        Ok(())
    }
}

/// Whether what stands in quotes is one piece.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quotes {
    Plain,
    Heeded,
}

/// Cuts `text` at the first `sign` that no `\` stands before, and that is not in quotes.
fn cut(text: &str, sign: u8, quotes: Quotes) -> Option<(&str, &str)> {
    let (mut escaped, mut quoted) = (false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' if quotes == Quotes::Heeded => quoted = !quoted,
            byte if byte == sign && !quoted => {
                let (before, after) = text.split_at_checked(at)?;
                return Some((before, after.get(1..)?));
            }
            _ => {}
        }
    }
    None
}

/// Returns what stands between commas.
fn pieces(text: &str, quotes: Quotes) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        match cut(text, b',', quotes) {
            Some((piece, after)) => {
                rest = Some(after);
                Some(piece)
            }
            None => rest.take(),
        }
    })
}

fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\\', Some(' ' | ',' | '=' | '\\')) => out.extend(chars.next()),
            _ => out.push(c),
        }
    }
    out.into()
}

/// The value of a field.
enum Field {
    Number(f64),
    Text,
}

/// Reads the value of a field.
fn field_of(text: &str) -> Option<Field> {
    #[expect(clippy::cast_precision_loss, reason = "every store of samples has doubles")]
    let value = match text.as_bytes() {
        [b'"', .., b'"'] if text.len() > 1 => return Some(Field::Text),
        [.., b'i'] => text.strip_suffix('i')?.parse::<i64>().ok()? as f64,
        [.., b'u'] => text.strip_suffix('u')?.parse::<u64>().ok()? as f64,
        b"t" | b"T" | b"true" | b"True" | b"TRUE" => 1.0,
        b"f" | b"F" | b"false" | b"False" | b"FALSE" => 0.0,
        // What Rust reads beyond numbers, `inf` and `nan`, has no place in this format.
        [b'0'..=b'9' | b'.' | b'+' | b'-', ..] => {
            text.parse::<f64>().ok().filter(|v| v.is_finite())?
        }
        _ => return None,
    };
    Some(Field::Number(value))
}

#[cfg(test)]
mod tests {
    use hark_model::HostName;
    use proptest::prelude::*;

    use super::*;

    fn naming() -> Naming {
        Naming::new(HostName::new("telegraf").unwrap(), "db")
    }

    fn shown(text: &str) -> Vec<String> {
        read(text.as_bytes(), Precision::Nanoseconds, &naming()).unwrap().lines()
    }

    #[test]
    fn lines_are_read_as_their_documents_say() {
        for (line, expected) in [
            (
                "cpu,host=web1,cpu=cpu0 usage_idle=92.5,usage_user=3i 1700000000123456789",
                &[
                    "web1 influx.db.cpu=cpu0.cpu_usage_idle 92.5 1700000000123",
                    "web1 influx.db.cpu=cpu0.cpu_usage_user 3 1700000000123",
                ][..],
            ),
            ("load value=1", &["telegraf influx.db.load 1 now"]),
            (
                r#"weather\ station,place=Bad\ Aibling,a\=b=c\,d temp=-1e1,said="a b, c=\"d\"",up=t,n=5u"#,
                &[
                    r"telegraf influx.db.a\=b=c\,d,place=Bad Aibling.weather station_temp -10 now",
                    r"telegraf influx.db.a\=b=c\,d,place=Bad Aibling.weather station_up 1 now",
                    r"telegraf influx.db.a\=b=c\,d,place=Bad Aibling.weather station_n 5 now",
                ],
            ),
            ("# remark", &[]),
            ("said text=\"only\"", &[]),
            ("cpu", &["1 line cpu"]),
            ("cpu value", &["1 line cpu value"]),
            ("cpu value=", &["1 line cpu value="]),
            ("cpu value=nan", &["1 line cpu value=nan"]),
            ("cpu value=inf", &["1 line cpu value=inf"]),
            ("cpu value=1 soon", &["1 line cpu value=1 soon"]),
            ("cpu,host= value=1", &["1 line cpu,host= value=1"]),
            (",host=a value=1", &["1 line ,host=a value=1"]),
            ("cpu value=9999999999999999999i", &["1 line cpu value=9999999999999999999i"]),
        ] {
            assert_eq!(shown(line), expected, "{line}");
        }
    }

    #[test]
    fn a_wrong_line_does_not_take_the_others_along() {
        let found = shown("a value=1\nnonsense\n\nb value=2\r\n");
        assert_eq!(
            found,
            ["telegraf influx.db.a 1 now", "telegraf influx.db.b 2 now", "1 line nonsense"]
        );
    }

    #[test]
    fn times_are_in_what_the_request_says() {
        for (word, number, ms) in [
            ("ns", 1_500_000, 1),
            ("us", 1500, 1),
            ("ms", -7, -7),
            ("s", 2, 2000),
            ("m", 1, 60_000),
            ("h", 1, 3_600_000),
        ] {
            assert_eq!(Precision::of_word(word).unwrap().time(number), Some(Unix(ms)), "{word}");
        }
        assert_eq!(Precision::of_word("d"), None);
        assert_eq!(Precision::Hours.time(i64::MAX), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in r#"[ -~äµ\\"\n]{0,80}"#) {
            let _read = read(text.as_bytes(), Precision::Seconds, &naming());
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _read = read(&bytes, Precision::Hours, &naming());
        }
    }
}

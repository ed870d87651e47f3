//! Questions and answers of SNMP (RFC 3416), and how version 2c wraps them.

use std::fmt;
use std::net::Ipv4Addr;

use crate::ber::{self, Elements};
use crate::octets::text;

/// Largest datagram there is.
pub(super) const MAX_DATAGRAM: usize = 65_507;

/// Bound on the text of a value: descriptions have some hundred bytes.
const MAX_TEXT: usize = 1024;

const RESPONSE: u8 = 0xa2;
const REPORT: u8 = 0xa8;

/// An object identifier.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Oid(pub(super) Vec<u32>);

/// Names that people know by heart.
const NAMES: &[(&str, &[u32])] = &[
    ("sysDescr", &[1, 3, 6, 1, 2, 1, 1, 1]),
    ("sysObjectID", &[1, 3, 6, 1, 2, 1, 1, 2]),
    ("sysUpTime", &[1, 3, 6, 1, 2, 1, 1, 3]),
    ("sysContact", &[1, 3, 6, 1, 2, 1, 1, 4]),
    ("sysName", &[1, 3, 6, 1, 2, 1, 1, 5]),
    ("sysLocation", &[1, 3, 6, 1, 2, 1, 1, 6]),
    ("ifNumber", &[1, 3, 6, 1, 2, 1, 2, 1]),
];

impl Oid {
    /// Reads one: numbers with dots, or one of a few names: `1.3.6.1.2.1.1.3.0`, `sysUpTime.0`.
    ///
    /// # Errors
    /// If it is none.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let bare = text.trim_start_matches('.');
        let (first, rest) = bare.split_once('.').unwrap_or((bare, ""));
        let named = NAMES.iter().find(|(name, _)| *name == first);
        let (mut numbers, rest) = match named {
            Some((_, numbers)) => (numbers.to_vec(), rest),
            None => (Vec::new(), bare),
        };
        for part in rest.split('.').filter(|part| named.is_none() || !part.is_empty()) {
            let number = part.parse();
            numbers.push(number.map_err(|_| format!("`{text}` is not an object identifier"))?);
        }
        let oid = Self(numbers);
        match ber::write_oid(&oid.0) {
            Some(_) => Ok(oid),
            None => Err(format!("`{text}` is not an object identifier")),
        }
    }

    /// Returns what follows after `start`, if it begins so.
    pub(super) fn below(&self, start: &Self) -> Option<&[u32]> {
        self.0.strip_prefix(&*start.0)
    }

    fn element(&self) -> Vec<u8> {
        // Every one was read or parsed, which the same bounds hold for.
        ber::write_oid(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<String> = self.0.iter().map(u32::to_string).collect();
        f.write_str(&numbers.join("."))
    }
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// A number: a count, a gauge, seconds of a time.
    Number(f64),
    /// A text, an address, an identifier; bytes that are no text as hexadecimal digits.
    Text(String),
    /// There is no such thing.
    Missing,
    /// The walk is at the end of everything.
    End,
}

impl Value {
    fn read(tag: u8, content: &[u8]) -> Option<Self> {
        Some(match tag {
            ber::INTEGER => Self::Number(number(ber::integer(content)?)),
            ber::OCTETS => Self::Text(words(content)),
            ber::OID => Self::Text(Oid(ber::oid(content)?).to_string()),
            0x40 => Self::Text(Ipv4Addr::from(<[u8; 4]>::try_from(content).ok()?).to_string()),
            // Counters and gauges.
            0x41 | 0x42 | 0x46 => Self::Number(count(ber::unsigned(content)?)),
            // Hundredths of a second.
            0x43 => Self::Number(count(ber::unsigned(content)?) / 100.0),
            0x44 => opaque(content),
            ber::NULL | 0x80 | 0x81 => Self::Missing,
            0x82 => Self::End,
            _ => return None,
        })
    }
}

/// A float of Net-SNMP; other opaque things are bytes.
fn opaque(content: &[u8]) -> Value {
    match content {
        [0x9f, 0x78, 4, a, b, c, d] => Value::Number(f32::from_be_bytes([*a, *b, *c, *d]).into()),
        _ => Value::Text(words(content)),
    }
}

#[expect(clippy::cast_precision_loss, reason = "counters beyond 2^53 are drawn, not added up")]
fn count(value: u64) -> f64 {
    value as f64
}

#[expect(clippy::cast_precision_loss, reason = "numbers beyond 2^53 are drawn, not added up")]
fn number(value: i64) -> f64 {
    value as f64
}

fn words(bytes: &[u8]) -> String {
    let bytes = bytes.get(..bytes.len().min(MAX_TEXT)).unwrap_or_default();
    // Some agents end their texts with a zero.
    let bare = bytes.strip_suffix(&[0]).unwrap_or(bytes);
    let is_text = |byte: &u8| *byte >= 0x20 && *byte != 0x7f || b"\t\r\n".contains(byte);
    if std::str::from_utf8(bare).is_ok() && bare.iter().all(is_text) {
        return text(bare);
    }
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.join(":")
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// The values of these.
    Get,
    /// So many values behind each of these.
    Bulk(u8),
}

/// Writes a question.
pub(super) fn question(ask: Ask, id: i32, oids: &[Oid]) -> Vec<u8> {
    let (tag, repetitions) = match ask {
        Ask::Get => (0xa0, 0),
        Ask::Bulk(n) => (0xa5, n),
    };
    let null = ber::element(ber::NULL, &[]);
    let pairs: Vec<_> =
        oids.iter().map(|oid| ber::group(ber::SEQUENCE, &[oid.element(), null.clone()])).collect();
    let parts = [
        ber::number(ber::INTEGER, id.into()),
        ber::number(ber::INTEGER, 0),
        ber::number(ber::INTEGER, repetitions.into()),
        ber::group(ber::SEQUENCE, &pairs),
    ];
    ber::group(tag, &parts)
}

/// What is answered.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answer {
    /// The number of the question.
    pub(super) id: i64,
    /// Whether it is about the messages themselves, not an answer (version 3).
    pub(super) is_report: bool,
    /// What went wrong, and with which of the values asked for.
    error: (i64, i64),
    /// The values.
    pub(super) values: Vec<(Oid, Value)>,
}

impl Answer {
    /// Reads one from the front of `elements`.
    pub(super) fn read(elements: &mut Elements<'_>) -> Option<Self> {
        let (tag, content) = elements.next()?;
        if tag != RESPONSE && tag != REPORT {
            return None;
        }
        let mut parts = Elements::new(content);
        let (id, error) = (parts.integer()?, (parts.integer()?, parts.integer()?));
        let mut pairs = parts.enter(ber::SEQUENCE)?;
        let mut values = Vec::new();
        while !pairs.is_empty() {
            let mut pair = pairs.enter(ber::SEQUENCE)?;
            let oid = Oid(ber::oid(pair.take(ber::OID)?)?);
            let (tag, content) = pair.next()?;
            values.push((oid, Value::read(tag, content)?));
        }
        Some(Self { id, is_report: tag == REPORT, error, values })
    }

    /// Returns the values.
    ///
    /// # Errors
    /// What went wrong, in the words of the standard.
    pub(super) fn into_values(self) -> Result<Vec<(Oid, Value)>, String> {
        let word = match self.error.0 {
            0 => return Ok(self.values),
            1 => "tooBig",
            2 => "noSuchName",
            3 => "badValue",
            5 => "genErr",
            6 => "noAccess",
            13 => "resourceUnavailable",
            16 => "authorizationError",
            other => return Err(format!("the device answers with error {other}")),
        };
        let asked = usize::try_from(self.error.1 - 1).ok().and_then(|n| self.values.get(n));
        Err(match asked {
            Some((oid, _)) => format!("the device answers {word} for {oid}"),
            None => format!("the device answers {word}"),
        })
    }
}

/// Wraps a question into a message of version 2c.
pub(super) fn with_community(community: &str, question: Vec<u8>) -> Vec<u8> {
    const V2C: i64 = 1;
    let parts =
        [ber::number(ber::INTEGER, V2C), ber::element(ber::OCTETS, community.as_bytes()), question];
    ber::group(ber::SEQUENCE, &parts)
}

/// Reads the answer of a message of version 2c.
pub(super) fn of_community(bytes: &[u8], community: &str) -> Option<Answer> {
    let mut message = Elements::new(bytes).enter(ber::SEQUENCE)?;
    let version = message.integer()?;
    let theirs = message.take(ber::OCTETS)?;
    let answer = Answer::read(&mut message)?;
    (version == 1 && theirs == community.as_bytes()).then_some(answer)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn response(id: i64, error: i64, values: &[Vec<u8>]) -> Vec<u8> {
        let parts = [
            ber::number(ber::INTEGER, id),
            ber::number(ber::INTEGER, error),
            ber::number(ber::INTEGER, 1),
            ber::group(ber::SEQUENCE, values),
        ];
        with_community("public", ber::group(RESPONSE, &parts))
    }

    fn pair(oid: &str, value: Vec<u8>) -> Vec<u8> {
        ber::group(ber::SEQUENCE, &[Oid::parse(oid).unwrap().element(), value])
    }

    #[test]
    fn identifiers_are_numbers_or_well_known_names() {
        let numbers = Oid::parse(".1.3.6.1.2.1.1.3.0").unwrap();
        assert_eq!(Oid::parse("sysUpTime.0").unwrap(), numbers);
        assert_eq!(numbers.to_string(), "1.3.6.1.2.1.1.3.0");
        assert_eq!(numbers.below(&Oid::parse("sysUpTime").unwrap()), Some(&[0][..]));
        for wrong in ["", "1", "1..3", "9.9.9", "sysFoo.0", "1.3.-1"] {
            assert!(Oid::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_question_is_what_other_tools_send() {
        let question = question(Ask::Get, 1, &[Oid::parse("sysUpTime.0").unwrap()]);
        let message = with_community("public", question);
        let expected =
            b"\x30\x26\x02\x01\x01\x04\x06public\xa0\x19\x02\x01\x01\x02\x01\0\x02\x01\0\
            \x30\x0e\x30\x0c\x06\x08\x2b\x06\x01\x02\x01\x01\x03\0\x05\0";
        assert_eq!(message, expected);
    }

    #[test]
    fn values_of_every_kind_are_read() {
        let bytes = response(
            7,
            0,
            &[
                pair("1.3.1", ber::element(0x43, &[0x30, 0x39])),
                pair("1.3.2", ber::element(ber::OCTETS, b"eth0\0")),
                pair("1.3.3", ber::element(ber::OCTETS, &[0, 0x1b, 0xff])),
                pair(
                    "1.3.4",
                    ber::element(0x46, &[0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
                ),
                pair("1.3.5", ber::element(0x40, &[192, 0, 2, 1])),
                pair("1.3.6", ber::element(0x81, &[])),
                pair("1.3.7", ber::element(0x44, &[0x9f, 0x78, 4, 0x3f, 0x80, 0, 0])),
            ],
        );
        let answer = of_community(&bytes, "public").unwrap();
        assert_eq!(answer.id, 7);
        let values: Vec<_> = answer.into_values().unwrap().into_iter().map(|(_, v)| v).collect();
        let text = |text: &str| Value::Text(text.to_owned());
        assert_eq!(values[0], Value::Number(123.45));
        assert_eq!(values[1..3], [text("eth0"), text("00:1b:ff")]);
        assert_eq!(values[3], Value::Number(18_446_744_073_709_551_615.0));
        assert_eq!(values[4..], [text("192.0.2.1"), Value::Missing, Value::Number(1.0)]);
        assert!(of_community(&bytes, "private").is_none());
    }

    #[test]
    fn errors_name_what_they_are_about() {
        let bytes = response(7, 2, &[pair("1.3.9", ber::element(ber::NULL, &[]))]);
        let error = of_community(&bytes, "public").unwrap().into_values().unwrap_err();
        assert_eq!(error, "the device answers noSuchName for 1.3.9");
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_without_panic(tag: u8, content in prop::collection::vec(any::<u8>(), 0..64), word in ".{0,20}") {
            drop(of_community(&content, "public"));
            let value = ber::element(tag, &content);
            drop(of_community(&response(1, 0, &[pair("1.3.1", value.clone())]), "public"));
            drop(of_community(&response(1, 0, &[value]), "public"));
            drop(Oid::parse(&word));
        }
    }
}

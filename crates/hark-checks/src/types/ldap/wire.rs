//! Messages of LDAP 3 (RFC 4511), as many as a bind and one search need.

use crate::ber::{self, Elements};
use crate::frames::Read;
use crate::octets::text;

/// Bound on one message: an entry with its photographs.
pub(crate) const MAX_MESSAGE: usize = 1024 * 1024;

/// Bound on the values kept of one attribute: as many as Active Directory gives at once.
const MAX_VALUES: usize = 1500;

const BIND: u8 = 0x60;
const BIND_ANSWER: u8 = 0x61;
const UNBIND: u8 = 0x42;
const SEARCH: u8 = 0x63;
const ENTRY: u8 = 0x64;
const DONE: u8 = 0x65;
const REFERENCE: u8 = 0x73;
const EXTENDED: u8 = 0x77;
const EXTENDED_ANSWER: u8 = 0x78;

/// What asks for TLS.
const START_TLS: &[u8] = b"1.3.6.1.4.1.1466.20037";

/// How deep below its base a search looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Scope {
    #[default]
    Base,
    One,
    Sub,
}

impl Scope {
    pub(crate) const WORDS: &'static [(&'static str, Self)] =
        &[("base", Self::Base), ("one", Self::One), ("sub", Self::Sub)];

    fn number(self) -> i64 {
        match self {
            Self::Base => 0,
            Self::One => 1,
            Self::Sub => 2,
        }
    }
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) code: i64,
    pub(crate) message: String,
}

impl Outcome {
    pub(crate) fn is_success(&self) -> bool {
        self.code == 0
    }

    /// Returns it as the standard names it, with what the server adds.
    pub(crate) fn words(&self) -> String {
        let name = match self.code {
            0 => "success",
            1 => "operationsError",
            2 => "protocolError",
            3 => "timeLimitExceeded",
            4 => "sizeLimitExceeded",
            7 => "authMethodNotSupported",
            8 => "strongerAuthRequired",
            10 => "referral",
            11 => "adminLimitExceeded",
            13 => "confidentialityRequired",
            16 => "noSuchAttribute",
            32 => "noSuchObject",
            34 => "invalidDNSyntax",
            48 => "inappropriateAuthentication",
            49 => "invalidCredentials",
            50 => "insufficientAccessRights",
            51 => "busy",
            52 => "unavailable",
            53 => "unwillingToPerform",
            _ => "",
        };
        match (name, self.message.as_str()) {
            ("", "") => format!("result {}", self.code),
            ("", message) => format!("result {} ({message})", self.code),
            (name, "") => name.to_owned(),
            (name, message) => format!("{name} ({message})"),
        }
    }
}

/// What the server sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Bound(Outcome),
    Entry(Entry),
    /// Other servers have more.
    Reference,
    Done(Outcome),
    /// Also what it says when it ends the connection by itself.
    Extended(Outcome),
}

/// One entry that was found. Names and values are as they came: most are text, some are pictures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: Vec<u8>,
    /// The attributes with their values.
    pub(crate) attributes: Vec<(String, Vec<Vec<u8>>)>,
}

impl Entry {
    /// Returns the values of the attribute `wanted`. Attributes know no case, and may have options behind a
    /// semicolon.
    pub(crate) fn values(&self, wanted: &str) -> impl Iterator<Item = &[u8]> {
        let bare = |name: &str| name.split(';').next().unwrap_or_default().to_ascii_lowercase();
        let wanted = bare(wanted);
        let of = self.attributes.iter().filter(move |(name, _)| bare(name) == wanted);
        of.flat_map(|(_, values)| values.iter().map(Vec::as_slice))
    }
}

/// Writes a bind with a name and a password; both empty: as nobody.
pub(crate) fn bind(id: i64, name: &str, password: &str) -> Vec<u8> {
    let parts = [
        ber::number(ber::INTEGER, 3),
        ber::element(ber::OCTETS, name.as_bytes()),
        ber::element(0x80, password.as_bytes()),
    ];
    message(id, ber::group(BIND, &parts))
}

/// Writes what asks for TLS.
pub(crate) fn start_tls(id: i64) -> Vec<u8> {
    message(id, ber::group(EXTENDED, &[ber::element(0x80, START_TLS)]))
}

/// Writes what ends a connection.
pub(crate) fn unbind(id: i64) -> Vec<u8> {
    message(id, ber::element(UNBIND, &[]))
}

/// Writes a search. `filter` was made by [`filter`]; no attribute means all.
pub(crate) fn search(
    id: i64,
    base: &str,
    scope: Scope,
    filter: &[u8],
    attributes: &[&str],
    most: i64,
) -> Vec<u8> {
    let attributes: Vec<_> =
        attributes.iter().map(|name| ber::element(ber::OCTETS, name.as_bytes())).collect();
    let parts = [
        ber::element(ber::OCTETS, base.as_bytes()),
        ber::number(ber::ENUMERATED, scope.number()),
        ber::number(ber::ENUMERATED, 0),
        ber::number(ber::INTEGER, most),
        ber::number(ber::INTEGER, 0),
        ber::element(ber::BOOLEAN, &[0]),
        filter.to_vec(),
        ber::group(ber::SEQUENCE, &attributes),
    ];
    message(id, ber::group(SEARCH, &parts))
}

fn message(id: i64, operation: Vec<u8>) -> Vec<u8> {
    ber::group(ber::SEQUENCE, &[ber::number(ber::INTEGER, id), operation])
}

/// Reads one message from the front of `bytes`: its number, what it says, and how long it is. `None`:
/// it is not whole yet.
///
/// # Errors
/// If this is no message of LDAP.
pub(crate) fn read(bytes: &[u8]) -> Read<(i64, Answer)> {
    let foreign = || "it does not speak LDAP".to_owned();
    if bytes.first().is_some_and(|first| *first != ber::SEQUENCE) {
        return Err(foreign());
    }
    let Some(n) = ber::whole_length(bytes).map_err(|()| foreign())? else { return Ok(None) };
    if n > MAX_MESSAGE {
        return Err(format!("a message of {n} bytes is more than is read"));
    }
    let Some(whole) = bytes.get(..n) else { return Ok(None) };
    let message = answer(whole).ok_or("a message of the server is broken")?;
    Ok(Some((message, n)))
}

fn answer(bytes: &[u8]) -> Option<(i64, Answer)> {
    let mut message = Elements::new(bytes).enter(ber::SEQUENCE)?;
    let id = message.integer()?;
    let (tag, content) = message.next()?;
    let content = Elements::new(content);
    let answer = match tag {
        BIND_ANSWER => Answer::Bound(outcome(content)?),
        ENTRY => Answer::Entry(entry(content)?),
        DONE => Answer::Done(outcome(content)?),
        REFERENCE => Answer::Reference,
        EXTENDED_ANSWER => Answer::Extended(outcome(content)?),
        _ => return None,
    };
    Some((id, answer))
}

fn outcome(mut content: Elements<'_>) -> Option<Outcome> {
    let code = ber::integer(content.take(ber::ENUMERATED)?)?;
    let _matched = content.take(ber::OCTETS)?;
    Some(Outcome { code, message: text(content.take(ber::OCTETS)?) })
}

fn entry(mut content: Elements<'_>) -> Option<Entry> {
    let name = content.take(ber::OCTETS)?.to_vec();
    let mut list = content.enter(ber::SEQUENCE)?;
    let mut attributes = Vec::new();
    while !list.is_empty() {
        let mut attribute = list.enter(ber::SEQUENCE)?;
        let name = text(attribute.take(ber::OCTETS)?);
        let mut set = attribute.enter(ber::SET)?;
        let mut values = Vec::new();
        while let Some(value) = set.take(ber::OCTETS).filter(|_| values.len() < MAX_VALUES) {
            values.push(value.to_vec());
        }
        attributes.push((name, values));
    }
    Some(Entry { name, attributes })
}

/// How deep filters may be nested.
const MAX_DEPTH: usize = 8;

/// Turns a filter as people write it (RFC 4515) into its bytes: `(&(objectClass=person)(uid=a*))`.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn filter(text: &str) -> Result<Vec<u8>, String> {
    let trimmed = text.trim();
    // People leave the outer brackets out.
    let whole = if trimmed.starts_with('(') { trimmed.to_owned() } else { format!("({trimmed})") };
    let (filter, rest) = part(&whole, 0)?;
    if rest.is_empty() { Ok(filter) } else { Err(format!("`{rest}` follows the filter")) }
}

fn part(text: &str, depth: usize) -> Result<(Vec<u8>, &str), String> {
    if depth > MAX_DEPTH {
        return Err("the filter is nested too deep".to_owned());
    }
    let inner = text.strip_prefix('(').ok_or_else(|| format!("`(` is expected at `{text}`"))?;
    let several = |tag: u8, mut rest| {
        let mut parts = Vec::new();
        while let Some('(') = str::chars(rest).next() {
            let (filter, after) = part(rest, depth + 1)?;
            parts.push(filter);
            rest = after;
        }
        let rest = rest.strip_prefix(')').ok_or("a `)` is missing")?;
        Ok((ber::group(tag, &parts), rest))
    };
    if let Some(rest) = inner.strip_prefix('&') {
        return several(0xa0, rest);
    }
    if let Some(rest) = inner.strip_prefix('|') {
        return several(0xa1, rest);
    }
    if let Some(rest) = inner.strip_prefix('!') {
        let (filter, rest) = part(rest, depth + 1)?;
        let rest = rest.strip_prefix(')').ok_or("a `)` is missing")?;
        return Ok((ber::group(0xa2, &[filter]), rest));
    }
    let (item, rest) = inner.split_once(')').ok_or("a `)` is missing")?;
    Ok((comparison(item)?, rest))
}

fn comparison(item: &str) -> Result<Vec<u8>, String> {
    let (left, value) =
        item.split_once('=').ok_or_else(|| format!("`{item}` compares nothing: no `=`"))?;
    let (tag, name) = match left.chars().last() {
        Some('>') => (0xa5, left.trim_end_matches('>')),
        Some('<') => (0xa6, left.trim_end_matches('<')),
        Some('~') => (0xa8, left.trim_end_matches('~')),
        _ => (0xa3, left),
    };
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | ';' | '.');
    if name.is_empty() || !name.chars().all(fine) {
        return Err(format!("`{name}` is not an attribute"));
    }
    if value == "*" && tag == 0xa3 {
        return Ok(ber::element(0x87, name.as_bytes()));
    }
    let name = ber::element(ber::OCTETS, name.as_bytes());
    if tag == 0xa3 && value.contains('*') {
        let pieces: Vec<&str> = value.split('*').collect();
        let last = pieces.len() - 1;
        let mut parts = Vec::new();
        for (n, piece) in pieces.into_iter().enumerate().filter(|(_, piece)| !piece.is_empty()) {
            // The first, those between, the last.
            let place = if n == 0 {
                0x80
            } else if n == last {
                0x82
            } else {
                0x81
            };
            parts.push(ber::element(place, &unescape(piece)?));
        }
        return Ok(ber::group(0xa4, &[name, ber::group(ber::SEQUENCE, &parts)]));
    }
    Ok(ber::group(tag, &[name, ber::element(ber::OCTETS, &unescape(value)?)]))
}

/// Turns `\2a` into the byte it stands for.
fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = text.bytes();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|byte| char::from(byte).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else {
            return Err(format!("after a `\\` in `{text}` two hexadecimal digits are expected"));
        };
        out.push(u8::try_from(high * 16 + low).unwrap_or(0));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_bind_as_nobody_is_what_the_standard_shows() {
        assert_eq!(bind(1, "", ""), b"\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00");
    }

    #[test]
    fn filters_are_read_as_people_write_them() {
        assert_eq!(filter("objectClass=*").unwrap(), b"\x87\x0bobjectClass");
        assert_eq!(filter("(uid=a)").unwrap(), b"\xa3\x08\x04\x03uid\x04\x01a");
        assert_eq!(
            filter("(cn=a*\\2a*b)").unwrap(),
            b"\xa4\x0f\x04\x02cn\x30\x09\x80\x01a\x81\x01*\x82\x01b"
        );
        let both = filter("(&(a=1)(!(b>=2)))").unwrap();
        assert_eq!(both, b"\xa0\x12\xa3\x06\x04\x01a\x04\x011\xa2\x08\xa5\x06\x04\x01b\x04\x012");
        for (text, why) in [
            ("(uid=a", "`)` is missing"),
            ("(uid)", "compares nothing"),
            ("(=a)", "is not an attribute"),
            ("(uid=a)x", "follows the filter"),
            ("(uid=\\zz)", "hexadecimal"),
            (&"(!".repeat(20), "too deep"),
        ] {
            let error = filter(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn outcomes_are_told_by_name() {
        let refused = b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x31\x04\x00\x04\x00";
        let Ok(Some(((1, Answer::Bound(outcome)), 14))) = read(refused) else { unreachable!() };
        assert_eq!(outcome.words(), "invalidCredentials");
        assert!(!outcome.is_success());
        assert_eq!(read(&refused[..9]), Ok(None));
        assert!(read(b"HTTP/1.1 400").is_err());
        let own = Outcome { code: 80, message: "no".to_owned() };
        assert_eq!(own.words(), "result 80 (no)");
    }

    #[test]
    fn entries_are_read_with_their_values() {
        let value = |text: &str| ber::element(ber::OCTETS, text.as_bytes());
        let attribute = ber::group(
            ber::SEQUENCE,
            &[value("ou"), ber::group(ber::SET, &[value("a"), value("b")])],
        );
        let list = ber::group(ber::SEQUENCE, &[attribute]);
        let bytes = message(2, ber::group(ENTRY, &[value("dc=x"), list]));
        let Ok(Some(((2, Answer::Entry(entry)), _))) = read(&bytes) else { unreachable!() };
        assert_eq!(entry.name, b"dc=x");
        assert_eq!(entry.attributes, [("ou".to_owned(), vec![b"a".to_vec(), b"b".to_vec()])]);
    }

    #[test]
    fn attributes_are_found_however_they_are_written() {
        let attributes = vec![
            ("MemberOf".to_owned(), vec![b"a".to_vec(), b"b".to_vec()]),
            ("memberOf;range=2-*".to_owned(), vec![b"c".to_vec()]),
            ("member".to_owned(), vec![b"d".to_vec()]),
        ];
        let entry = Entry { name: Vec::new(), attributes };
        assert_eq!(entry.values("memberof").collect::<Vec<_>>(), [b"a", b"b", b"c"]);
        assert_eq!(entry.values("cn").count(), 0);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_without_panic(tag in prop::sample::select(vec![BIND_ANSWER, ENTRY, DONE, EXTENDED_ANSWER]), content in prop::collection::vec(any::<u8>(), 0..64), text in ".{0,40}") {
            drop(read(&content));
            drop(read(&message(1, ber::element(tag, &content))));
            drop(filter(&text));
            drop(filter(&format!("(&({text})(a={text}))")));
        }
    }
}

//! Packets of MQTT 3.1.1 and 5, as many as a login and one message there and back need.

use crate::octets::{Octets, text};

/// Bound on one packet: the own message comes back, and what others keep under the topic.
pub(super) const MAX_PACKET: usize = 64 * 1024;

/// Which version is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Version {
    #[default]
    V311,
    V5,
}

impl Version {
    pub(super) const WORDS: &'static [(&'static str, Self)] =
        &[("3.1.1", Self::V311), ("5", Self::V5)];

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::V311 => "3.1.1",
            Self::V5 => "5",
        }
    }

    /// Properties of a packet, of which none are set here; older packets have no place for them.
    fn properties(self) -> &'static [u8] {
        match self {
            Self::V311 => &[],
            Self::V5 => &[0],
        }
    }
}

/// A packet of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Packet {
    /// Its answer to the login.
    Connected { code: u8 },
    /// Its answer to a subscription.
    Subscribed { code: u8 },
    /// A message.
    Message { topic: String, payload: Vec<u8> },
    /// It ends the connection, and says why (5 alone).
    Disconnect { code: u8 },
    /// Anything else.
    Other,
}

/// What ends a connection.
pub(super) const DISCONNECT: [u8; 2] = [0xe0, 0];

/// Nothing of an earlier session is wanted, and nothing of this one is to stay.
const CLEAN: u8 = 2;

/// Seconds without a word after which the broker may hang up: the check is over before.
const KEEP_ALIVE: [u8; 2] = [0, 60];

/// Writes the login, which leaves nothing behind at the server (a clean session).
pub(super) fn connect(
    version: Version,
    client: &str,
    user: Option<&str>,
    password: Option<&str>,
) -> Vec<u8> {
    let mut body = field(b"MQTT");
    body.push(match version {
        Version::V311 => 4,
        Version::V5 => 5,
    });
    let user_flag = if user.is_some() { 0x80 } else { 0 };
    let password_flag = if password.is_some() { 0x40 } else { 0 };
    body.push(CLEAN | user_flag | password_flag);
    body.extend(KEEP_ALIVE);
    body.extend(version.properties());
    for text in [Some(client), user, password].into_iter().flatten() {
        body.extend(field(text.as_bytes()));
    }
    packet(0x10, &body)
}

/// Writes a subscription to one topic, at most once.
pub(super) fn subscribe(version: Version, topic: &str) -> Vec<u8> {
    let body = [&[0, 1][..], version.properties(), &field(topic.as_bytes()), &[0]].concat();
    packet(0x82, &body)
}

/// Writes a message that is not kept.
pub(super) fn publish(version: Version, topic: &str, payload: &[u8]) -> Vec<u8> {
    packet(0x30, &[&field(topic.as_bytes()), version.properties(), payload].concat())
}

fn packet(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![kind];
    let mut left = body.len();
    loop {
        let digit = u8::try_from(left % 128).unwrap_or(0);
        left /= 128;
        if left == 0 {
            out.push(digit);
            break;
        }
        out.push(digit | 0x80);
    }
    out.extend_from_slice(body);
    out
}

fn field(bytes: &[u8]) -> Vec<u8> {
    // Texts of the settings are bounded far below 64 KiB; a longer one is cut rather than lied about.
    let n = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    let mut out = n.to_be_bytes().to_vec();
    out.extend(bytes.iter().take(n.into()));
    out
}

/// Reads one packet from the front of `bytes`, and how long it is. `None`: it is not whole yet.
///
/// # Errors
/// If this is no packet of MQTT.
pub(super) fn read(version: Version, bytes: &[u8]) -> Result<Option<(Packet, usize)>, String> {
    let mut octets = Octets::new(bytes);
    let Some(first) = octets.u8() else { return Ok(None) };
    // Those that a server sends. An `H` of HTTP is 4, which could be one, but not with such flags.
    let known = matches!(
        (first >> 4, first & 0x0f),
        (2 | 4 | 5 | 7 | 9 | 11 | 13 | 14 | 15, 0) | (6, 2) | (3, _)
    );
    if !known {
        return Err("it does not speak MQTT".to_owned());
    }
    let Some(n) = length(&mut octets)? else { return Ok(None) };
    if n > MAX_PACKET {
        return Err(format!("a packet of {n} bytes is more than is read"));
    }
    let header = bytes.len() - octets.rest().len();
    let Some(body) = octets.take(n) else { return Ok(None) };
    let packet = content(version, first, body).ok_or("a packet of the server is broken")?;
    Ok(Some((packet, header + n)))
}

/// Reads a length of up to four digits of seven bits, the low one first.
fn length(octets: &mut Octets<'_>) -> Result<Option<usize>, String> {
    let mut n = 0;
    for shift in [0, 7, 14, 21] {
        let Some(digit) = octets.u8() else { return Ok(None) };
        n |= usize::from(digit & 0x7f) << shift;
        if digit & 0x80 == 0 {
            return Ok(Some(n));
        }
    }
    Err("it does not speak MQTT".to_owned())
}

fn content(version: Version, first: u8, body: &[u8]) -> Option<Packet> {
    let mut octets = Octets::new(body);
    Some(match first >> 4 {
        2 => {
            let _flags = octets.u8()?;
            Packet::Connected { code: octets.u8()? }
        }
        3 => {
            let n = octets.u16()?;
            let topic = text(octets.take(n.into())?);
            // The number of a message that wants to be acknowledged.
            if first & 0x06 != 0 {
                octets.u16()?;
            }
            if version == Version::V5 {
                let n = length(&mut octets).ok()??;
                octets.take(n)?;
            }
            Packet::Message { topic, payload: octets.rest().to_vec() }
        }
        // The code is the last byte, behind number and properties: there was one topic.
        9 => Packet::Subscribed { code: *body.get(2..)?.last()? },
        14 => Packet::Disconnect { code: octets.u8().unwrap_or(0) },
        _ => Packet::Other,
    })
}

/// Returns what a code of the server means.
pub(super) fn reason(version: Version, code: u8) -> String {
    let words = match (version, code) {
        (Version::V311, 1) | (Version::V5, 0x84) => "it does not take this version of MQTT",
        (Version::V311, 2) | (Version::V5, 0x85) => "it does not take this client's name",
        (Version::V311, 3) | (Version::V5, 0x88) => "it is not available",
        (Version::V311, 4) | (Version::V5, 0x86) => "wrong user or password",
        (Version::V311, 5) | (Version::V5, 0x87) => "not authorized",
        (Version::V5, 0x89) => "it is busy",
        (Version::V5, 0x8a) => "banned",
        (Version::V5, 0x8b) => "it is shutting down",
        (Version::V5, 0x97) => "a quota is used up",
        (Version::V5, 0x9f) => "too many connections in a short time",
        (Version::V311, 0x80) => "it refuses",
        _ => return format!("code {code}"),
    };
    words.to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_login_is_what_the_standard_shows() {
        let bytes = connect(Version::V311, "hark", Some("u"), Some("p"));
        assert_eq!(bytes, b"\x10\x16\0\x04MQTT\x04\xc2\0\x3c\0\x04hark\0\x01u\0\x01p");
        let bytes = connect(Version::V5, "", None, None);
        assert_eq!(bytes, b"\x10\x0d\0\x04MQTT\x05\x02\0\x3c\0\0\0");
    }

    #[test]
    fn packets_are_read_when_they_are_whole() {
        let read = |bytes: &[u8]| read(Version::V311, bytes);
        assert_eq!(read(b"\x20\x02\0\x05"), Ok(Some((Packet::Connected { code: 5 }, 4))));
        assert_eq!(read(b"\x20\x02\0"), Ok(None));
        assert_eq!(read(b"\x90\x03\0\x01\x80"), Ok(Some((Packet::Subscribed { code: 128 }, 5))));
        assert!(read(b"HTTP/1.1 400").is_err());
        assert!(read(b"\x20\xff\xff\xff\xff\x7f").is_err());
    }

    #[test]
    fn messages_come_back_as_they_were_sent() {
        for version in [Version::V311, Version::V5] {
            let payload = vec![7; 200];
            let bytes = publish(version, "a/b", &payload);
            let message = Packet::Message { topic: "a/b".to_owned(), payload };
            assert_eq!(read(version, &bytes), Ok(Some((message, bytes.len()))));
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_without_panic(first: u8, rest in prop::collection::vec(any::<u8>(), 0..64)) {
            for version in [Version::V311, Version::V5] {
                drop(read(version, &rest));
                let whole = packet(first, &rest);
                if let Ok(Some((_, used))) = read(version, &whole) {
                    prop_assert_eq!(used, whole.len());
                }
            }
        }
    }
}

//! The part of a datagram that stands in clear: 26 bytes, and a host name in a simple-mode hello.
//!
//! | at | bytes | what |
//! | --- | --- | --- |
//! | 0 | 1 | magic and version: `0xA1`. No text and no JSON begins so: it is not the start of UTF-8 |
//! | 1 | 1 | kind |
//! | 2 | 8 | agent number |
//! | 10 | 8 | session |
//! | 18 | 8 | counter |
//!
//! All numbers have their most significant byte first. All of it, the host name or the salt of a reset or wait
//! included, is authenticated.

use std::fmt;

use crate::refused::Refused;
use crate::{MAX_DATAGRAM, MAX_REPLY, MIN_REQUEST, TAG};

/// The first byte: upper half the protocol, lower half its version.
pub const MAGIC: u8 = 0xA1;

/// The length of the header in bytes.
pub const HEADER: usize = 26;

/// The highest session number: milliseconds of a clock stay below it for 285,000 years, and a
/// number that JSON cannot hold never gets into a table.
pub const MAX_SESSION: u64 = 1 << 53;

/// The length of a reset's salt in bytes, and of a wait's.
pub const SALT: usize = 16;

/// The longest host name in bytes, as DNS has it.
pub const MAX_NAME: usize = 253;

/// The opaque number of an agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgentId(pub u64);

impl fmt::Display for AgentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What a datagram is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Agent: who I am.
    Hello,
    /// Agent: I am alive, with fresh sample frames.
    Beat,
    /// Agent: what the series of a set are.
    Sets,
    /// Agent: check results, events, facts.
    Report,
    /// Agent: sample frames of the past.
    Backlog,
    /// Agent: a piece of a paper, please.
    Fetch,
    /// Server: what is stored, and what time it is.
    Ack,
    /// Server: this session is over.
    Reset,
    /// Server: these sets are not known.
    WantSets,
    /// Server: a piece of a paper.
    Piece,
    /// Server: too many introduce themselves, come later.
    Wait,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 11] = [
        Self::Hello,
        Self::Beat,
        Self::Sets,
        Self::Report,
        Self::Backlog,
        Self::Fetch,
        Self::Ack,
        Self::Reset,
        Self::WantSets,
        Self::Piece,
        Self::Wait,
    ];

    /// Returns the number on the wire; the top bit is set for the server's.
    pub fn number(self) -> u8 {
        match self {
            Self::Hello => 1,
            Self::Beat => 2,
            Self::Sets => 3,
            Self::Report => 4,
            Self::Backlog => 5,
            Self::Fetch => 6,
            Self::Ack => 0x81,
            Self::Reset => 0x82,
            Self::WantSets => 0x83,
            Self::Piece => 0x84,
            // 0x85 is an answer to a call: see `seek`.
            Self::Wait => 0x86,
        }
    }

    /// Returns the kind with this number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    /// Returns true if agents send it.
    pub fn is_request(self) -> bool {
        self.number() < 0x80
    }

    /// Returns the word used in counters and documents.
    pub fn word(self) -> &'static str {
        match self {
            Self::Hello => "hello",
            Self::Beat => "beat",
            Self::Sets => "sets",
            Self::Report => "report",
            Self::Backlog => "backlog",
            Self::Fetch => "fetch",
            Self::Ack => "ack",
            Self::Reset => "reset",
            Self::WantSets => "want_sets",
            Self::Piece => "piece",
            Self::Wait => "wait",
        }
    }
}

/// The header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What it is.
    pub kind: Kind,
    /// From whom, or to whom.
    pub agent: AgentId,
    /// In which session. Grows for ever per agent.
    pub session: u64,
    /// Which datagram of the session and direction, from 1. For a reset and a wait: the one it answers.
    pub counter: u64,
}

/// The clear part of a datagram, read but not authenticated: good for choosing a key, for nothing
/// else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// The header.
    pub header: Header,
    /// The host name of a simple-mode hello, well-formed UTF-8 of 1 to 253 bytes.
    pub name: Option<&'a str>,
    /// Where the sealed part begins.
    pub clear: usize,
}

impl Header {
    /// Appends the header to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.push(MAGIC);
        out.push(self.kind.number());
        out.extend_from_slice(&self.agent.0.to_be_bytes());
        out.extend_from_slice(&self.session.to_be_bytes());
        out.extend_from_slice(&self.counter.to_be_bytes());
    }

    fn read(bytes: &[u8]) -> Result<(Self, &[u8]), Refused> {
        let (&[magic, kind], rest) = bytes.split_first_chunk().ok_or(Refused::Short)?;
        if magic != MAGIC {
            return Err(Refused::Magic);
        }
        let kind = Kind::from_number(kind).ok_or(Refused::Kind)?;
        let (agent, rest) = rest.split_first_chunk().ok_or(Refused::Short)?;
        let (session, rest) = rest.split_first_chunk().ok_or(Refused::Short)?;
        let (counter, rest) = rest.split_first_chunk().ok_or(Refused::Short)?;
        let agent = AgentId(u64::from_be_bytes(*agent));
        let session = u64::from_be_bytes(*session);
        let counter = u64::from_be_bytes(*counter);
        if session == 0 || session > MAX_SESSION || counter == 0 {
            return Err(Refused::Header);
        }
        Ok((Self { kind, agent, session, counter }, rest))
    }
}

/// Reads the clear part of a datagram to the server. No cryptography: what this refuses has cost
/// some nanoseconds.
///
/// # Errors
/// Why it is refused; to be counted, never answered.
pub fn peek(datagram: &[u8]) -> Result<Envelope<'_>, Refused> {
    bounded(datagram, MIN_REQUEST, MAX_DATAGRAM)?;
    let (header, rest) = Header::read(datagram)?;
    if !header.kind.is_request() {
        return Err(Refused::Kind);
    }
    if header.kind != Kind::Hello {
        return Ok(Envelope { header, name: None, clear: HEADER });
    }
    let (&length, rest) = rest.split_first().ok_or(Refused::Short)?;
    let length = usize::from(length);
    if length > MAX_NAME {
        return Err(Refused::Header);
    }
    let name = rest.get(..length).ok_or(Refused::Short)?;
    let name = std::str::from_utf8(name).map_err(|_| Refused::Header)?;
    let clear = HEADER + 1 + length;
    if datagram.len() < clear + TAG {
        return Err(Refused::Short);
    }
    Ok(Envelope { header, name: (length > 0).then_some(name), clear })
}

/// Reads the clear part of a datagram to an agent.
///
/// # Errors
/// Why it is refused.
pub fn peek_reply(datagram: &[u8]) -> Result<Envelope<'_>, Refused> {
    bounded(datagram, HEADER + TAG, MAX_DATAGRAM)?;
    let (header, _) = Header::read(datagram)?;
    // Only what was asked for with a datagram as long may be longer than the shortest request.
    if header.kind != Kind::Piece {
        bounded(datagram, HEADER + TAG, MAX_REPLY)?;
    }
    if header.kind.is_request() {
        return Err(Refused::Kind);
    }
    let has_salt = matches!(header.kind, Kind::Reset | Kind::Wait);
    let clear = if has_salt { HEADER + SALT } else { HEADER };
    if datagram.len() < clear + TAG {
        return Err(Refused::Short);
    }
    Ok(Envelope { header, name: None, clear })
}

fn bounded(datagram: &[u8], shortest: usize, longest: usize) -> Result<(), Refused> {
    if datagram.len() < shortest {
        return Err(Refused::Short);
    }
    if datagram.len() > longest {
        return Err(Refused::Long);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datagram(kind: u8, after: &[u8]) -> Vec<u8> {
        let header = Header { kind: Kind::Beat, agent: AgentId(1), session: 2, counter: 3 };
        let mut bytes = Vec::new();
        header.write(&mut bytes);
        bytes[1] = kind;
        bytes.extend_from_slice(after);
        bytes.resize(bytes.len().max(MIN_REQUEST), 0);
        bytes
    }

    #[test]
    fn the_header_is_26_bytes_and_comes_back() {
        for kind in Kind::ALL {
            let header = Header { kind, agent: AgentId(0x0102_0304), session: 5, counter: 6 };
            let mut bytes = Vec::new();
            header.write(&mut bytes);
            assert_eq!(bytes.len(), HEADER);
            assert_eq!(Header::read(&bytes), Ok((header, &[][..])));
        }
    }

    #[test]
    fn kinds_have_one_number_each() {
        for number in 0..=255 {
            if let Some(kind) = Kind::from_number(number) {
                assert_eq!(kind.number(), number);
                assert_eq!(kind.is_request(), number < 0x80);
            }
        }
    }

    #[test]
    fn a_look_at_the_clear_part_refuses_what_cannot_be_ours() {
        let good = datagram(2, &[]);
        assert!(peek(&good).is_ok());
        assert_eq!(peek(&[]), Err(Refused::Short));
        assert_eq!(peek(&good[..MIN_REQUEST - 1]), Err(Refused::Short));
        assert_eq!(peek(&vec![MAGIC; MAX_DATAGRAM + 1]), Err(Refused::Long));
        for (at, byte, refused) in [
            (0, b'{', Refused::Magic),
            (0, 0xA2, Refused::Magic),
            (1, 0, Refused::Kind),
            (1, 0x81, Refused::Kind),
            (17, 0, Refused::Header),
            (10, 0xff, Refused::Header),
            (25, 0, Refused::Header),
        ] {
            let mut bad = good.clone();
            bad[at] = byte;
            assert_eq!(peek(&bad), Err(refused), "{at}");
        }
    }

    #[test]
    fn a_hello_names_its_host_in_clear_or_not_at_all() {
        let named = datagram(1, b"\x04db-1");
        let envelope = peek(&named).unwrap();
        assert_eq!((envelope.name, envelope.clear), (Some("db-1"), HEADER + 5));
        let unnamed = datagram(1, b"\x00");
        let envelope = peek(&unnamed).unwrap();
        assert_eq!((envelope.name, envelope.clear), (None, HEADER + 1));
        assert_eq!(peek(&datagram(1, b"\x02\xff\xff")), Err(Refused::Header));
        assert_eq!(peek(&datagram(1, b"\xff")), Err(Refused::Header));
        assert_eq!(peek(&datagram(1, b"\x60")), Err(Refused::Short), "name and tag do not fit");
    }
}

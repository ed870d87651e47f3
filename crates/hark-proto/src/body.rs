//! What is inside a datagram to the server.
//!
//! A request's plaintext is a preamble of 16 bytes, the content, and zeros up to
//! [`crate::MIN_REQUEST`]. The [`Content`] is what an agent keeps until it is stored: sealed again, it
//! gets a new preamble and a new counter and means the same.
//!
//! The hot kinds ([`Beat`], [`Backlog`]) have a layout of their own and are read in place; the rare
//! ones are CBOR maps with numbered keys, of which unknown ones are skipped. That, and bytes after
//! the content, are how later versions add to this one.

mod beat;
mod hello;
mod paper;
mod reply;
mod report;
mod sets;

use hark_model::time::{Micros, Unix};
use minicbor::{Decode, Encode};
use thiserror::Error;

pub use beat::{Backlog, BacklogBuilder, Beat, BeatBuilder, Frame, Frames};
pub use hello::Hello;
pub use paper::{Assembled, Fetch, MAX_PAPER, MAX_PIECE, Paper, PaperAssembler, Piece};
pub use reply::{Ack, AckFlags, MAX_WANTED, Reset, Wait, WantSets};
pub use report::{MAX_ITEM_TEXT, Outcome, Pushed, Report, ReportBuilder, ReportItem};
pub use sets::{MAX_ASSEMBLIES, SetAssembler, SetError, SetsPart, set_number, split_set};

use crate::header::{HEADER, Kind, MAX_NAME};
use crate::refused::Refused;
use crate::{MAX_DATAGRAM, TAG};

/// The length of the preamble in bytes.
pub const PREAMBLE: usize = 16;

/// The longest content in bytes.
pub const MAX_CONTENT: usize = MAX_DATAGRAM - HEADER - TAG - PREAMBLE;

/// The longest content of a hello in bytes: the longest host name stands before it.
pub const MAX_HELLO: usize = MAX_CONTENT - 1 - MAX_NAME;

/// What an agent wants stored: one kind and its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    kind: Kind,
    bytes: Vec<u8>,
}

impl Content {
    /// Takes back what [`Content::kind`] and [`Content::bytes`] gave, as from a spool.
    ///
    /// # Errors
    /// If it is not a well-formed content of a request.
    pub fn from_parts(kind: Kind, bytes: Vec<u8>) -> Result<Self, Refused> {
        let longest = if kind == Kind::Hello { MAX_HELLO } else { MAX_CONTENT };
        if bytes.len() > longest {
            return Err(Refused::Long);
        }
        decode(kind, &bytes)?;
        Ok(Self { kind, bytes })
    }

    /// Returns its kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn new(kind: Kind, bytes: Vec<u8>) -> Self {
        debug_assert!(bytes.len() <= MAX_CONTENT, "builders keep the bound");
        Self { kind, bytes }
    }
}

/// Something that does not fit one datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("this takes {len} bytes, a datagram has room for {max}")]
pub struct TooLong {
    /// How long it is.
    pub len: usize,
    /// How long it may be.
    pub max: usize,
}

/// A content, read.
#[derive(Clone, Debug, PartialEq)]
pub enum Body<'a> {
    /// Who the agent is.
    Hello(Hello),
    /// It is alive, with fresh frames.
    Beat(Beat<'a>),
    /// The series of a set, or some of them.
    Sets(SetsPart),
    /// Results, events and facts.
    Report(Report),
    /// Frames of the past.
    Backlog(Backlog<'a>),
    /// It wants a piece of a paper.
    Fetch(Fetch),
}

/// Reads the content of a request.
///
/// # Errors
/// [`Refused::Malformed`]; for a reply's kind [`Refused::Kind`].
pub fn decode(kind: Kind, content: &[u8]) -> Result<Body<'_>, Refused> {
    Ok(match kind {
        Kind::Hello => Body::Hello(Hello::decode(content)?),
        Kind::Beat => Body::Beat(Beat::decode(content)?),
        Kind::Sets => Body::Sets(SetsPart::decode(content)?),
        Kind::Report => Body::Report(Report::decode(content)?),
        Kind::Backlog => Body::Backlog(Backlog::decode(content)?),
        Kind::Fetch => Body::Fetch(Fetch::decode(content)?),
        Kind::Ack | Kind::Reset | Kind::WantSets | Kind::Piece | Kind::Wait => {
            return Err(Refused::Kind);
        }
    })
}

/// What stands before every request's content: new at each sealing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preamble {
    /// The agent's monotonic clock; the server only echoes it.
    pub stamp: Micros,
    /// The agent's wall clock. Informational: it decides nothing about acceptance.
    pub sent_at: Unix,
}

impl Preamble {
    /// Appends it to `out`.
    pub fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.stamp.0.to_be_bytes());
        out.extend_from_slice(&self.sent_at.0.to_be_bytes());
    }

    /// Reads it from the start of a plaintext; returns the rest.
    ///
    /// # Errors
    /// [`Refused::Malformed`] if there are not 16 bytes.
    pub fn read(plain: &[u8]) -> Result<(Self, &[u8]), Refused> {
        let mut bytes = Bytes(plain);
        let stamp = Micros(bytes.u64()?);
        let sent_at = Unix(bytes.i64()?);
        Ok((Self { stamp, sent_at }, bytes.0))
    }
}

/// Takes numbers from the front of a slice, most significant byte first.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Refused> {
        let (first, rest) = self.0.split_first_chunk().ok_or(Refused::Malformed)?;
        self.0 = rest;
        Ok(*first)
    }

    fn u8(&mut self) -> Result<u8, Refused> {
        self.array().map(u8::from_be_bytes)
    }

    fn u16(&mut self) -> Result<u16, Refused> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32, Refused> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Result<u64, Refused> {
        self.array().map(u64::from_be_bytes)
    }

    fn i64(&mut self) -> Result<i64, Refused> {
        self.array().map(i64::from_be_bytes)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Refused> {
        let (first, rest) = self.0.split_at_checked(length).ok_or(Refused::Malformed)?;
        self.0 = rest;
        Ok(first)
    }
}

fn cbor<T: Encode<()>>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    let written = minicbor::encode(value, &mut out);
    written.expect("writing to memory does not fail, and no type here refuses to be encoded");
    out
}

fn from_cbor<'b, T: Decode<'b, ()>>(content: &'b [u8]) -> Result<T, Refused> {
    minicbor::decode(content).map_err(|_| Refused::Malformed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn replies_are_no_contents() {
        for kind in [Kind::Ack, Kind::Reset, Kind::WantSets, Kind::Piece, Kind::Wait] {
            assert_eq!(decode(kind, &[0; 60]), Err(Refused::Kind));
            assert_eq!(Content::from_parts(kind, vec![0; 60]), Err(Refused::Kind));
        }
    }

    #[test]
    fn a_content_longer_than_a_datagram_is_refused() {
        let bytes = BeatBuilder::new(1000, None).finish().bytes().to_vec();
        let mut padded = bytes.clone();
        padded.resize(MAX_CONTENT, 0);
        assert!(Content::from_parts(Kind::Beat, padded.clone()).is_ok());
        padded.push(0);
        assert_eq!(Content::from_parts(Kind::Beat, padded), Err(Refused::Long));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(
            kind in 0usize..6, bytes in prop::collection::vec(any::<u8>(), 0..1200),
        ) {
            // Reading must end without a panic; whatever it gives is bounded by the datagram.
            if let Ok(Body::Beat(beat)) = decode(Kind::ALL[kind], &bytes) {
                let held: usize = beat.frames.map(|frame| frame.values.len()).sum();
                prop_assert!(held <= bytes.len());
            }
        }
    }
}

//! Papers: what the server has for an agent and one datagram cannot hold, fetched piece by piece.
//!
//! An acknowledgement says that there is one (its revision, its order); the agent asks for the first
//! piece, then for the one behind it. The server keeps nothing in mind between two pieces. A question
//! is padded to the longest datagram, so that no answer is longer than what asked for it.

use super::{Bytes, Content, MAX_CONTENT};
use crate::header::{HEADER, Kind};
use crate::refused::Refused;
use crate::{MAX_DATAGRAM, TAG};

/// The longest paper in bytes: some 230 exchanges. A configuration is a few kilobytes.
pub const MAX_PAPER: u32 = 256 * 1024;

/// What stands before the bytes of a piece.
const HEAD: usize = 1 + 4 + 4 + 4;

/// The most bytes of a paper in one piece.
pub const MAX_PIECE: usize = MAX_DATAGRAM - HEADER - TAG - HEAD;

/// Which paper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Paper {
    /// The agent's configuration, by its revision.
    Configuration(u32),
    /// An order, by its number.
    Order(u32),
}

impl Paper {
    fn write(self, out: &mut Vec<u8>) {
        let (what, number) = match self {
            Self::Configuration(revision) => (1, revision),
            Self::Order(number) => (2, number),
        };
        out.push(what);
        out.extend_from_slice(&u32::to_be_bytes(number));
    }

    fn read(bytes: &mut Bytes<'_>) -> Result<Self, Refused> {
        let (what, number) = (bytes.u8()?, bytes.u32()?);
        match what {
            1 => Ok(Self::Configuration(number)),
            2 => Ok(Self::Order(number)),
            _ => Err(Refused::Malformed),
        }
    }
}

/// An agent's question for a piece of a paper. 9 bytes, and zeros to the longest content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// Of which one.
    pub paper: Paper,
    /// From which byte on.
    pub offset: u32,
}

impl Fetch {
    /// Returns the content.
    pub fn encode(self) -> Content {
        let mut bytes = Vec::with_capacity(MAX_CONTENT);
        self.paper.write(&mut bytes);
        bytes.extend_from_slice(&self.offset.to_be_bytes());
        bytes.resize(MAX_CONTENT, 0);
        Content::new(Kind::Fetch, bytes)
    }

    /// Refuses what is shorter than its answer may be.
    pub(super) fn decode(content: &[u8]) -> Result<Self, Refused> {
        if content.len() < MAX_CONTENT {
            return Err(Refused::Malformed);
        }
        let mut bytes = Bytes(content);
        Ok(Self { paper: Paper::read(&mut bytes)?, offset: bytes.u32()? })
    }
}

/// A piece of a paper. 13 bytes and what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Of which one.
    pub paper: Paper,
    /// From which byte on.
    pub offset: u32,
    /// How long the whole is. 0: there is no such paper (any more).
    pub total: u32,
    /// At most [`MAX_PIECE`] bytes.
    pub bytes: Vec<u8>,
}

impl Piece {
    /// Cuts the piece that `fetch` asks for out of the whole; behind its end a piece is empty.
    pub fn cut(fetch: Fetch, whole: &[u8]) -> Self {
        let rest = usize::try_from(fetch.offset).ok().and_then(|offset| whole.get(offset..));
        let rest = rest.unwrap_or_default();
        let bytes = rest.get(..MAX_PIECE).unwrap_or(rest).to_vec();
        let total = u32::try_from(whole.len()).unwrap_or(u32::MAX);
        Self { paper: fetch.paper, offset: fetch.offset, total, bytes }
    }

    /// Appends the plaintext to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        self.paper.write(out);
        out.extend_from_slice(&self.offset.to_be_bytes());
        out.extend_from_slice(&self.total.to_be_bytes());
        out.extend_from_slice(self.bytes.get(..MAX_PIECE).unwrap_or(&self.bytes));
    }

    /// Reads a plaintext.
    ///
    /// # Errors
    /// [`Refused::Malformed`] if it is too short, or of a paper of a later version.
    pub fn read(plain: &[u8]) -> Result<Self, Refused> {
        let mut bytes = Bytes(plain);
        Ok(Self {
            paper: Paper::read(&mut bytes)?,
            offset: bytes.u32()?,
            total: bytes.u32()?,
            bytes: bytes.0.to_vec(),
        })
    }
}

/// Puts the pieces of one paper together, in order.
#[derive(Clone, Debug)]
pub struct PaperAssembler {
    paper: Paper,
    bytes: Vec<u8>,
}

/// What a piece brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Assembled {
    /// Ask for the next one: [`PaperAssembler::next`].
    More,
    /// All of it.
    Whole(Vec<u8>),
    /// The server does not have it (any more), or it is longer than [`MAX_PAPER`].
    Gone,
    /// It is none that was asked for: a late copy, or of another paper.
    Other,
}

impl PaperAssembler {
    /// Begins with nothing.
    pub fn new(paper: Paper) -> Self {
        Self { paper, bytes: Vec::new() }
    }

    /// Returns which paper it is.
    pub fn paper(&self) -> Paper {
        self.paper
    }

    /// Returns the question for the next piece.
    pub fn next(&self) -> Fetch {
        let offset = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        Fetch { paper: self.paper, offset }
    }

    /// Takes a piece.
    pub fn take(&mut self, piece: &Piece) -> Assembled {
        if (Fetch { paper: piece.paper, offset: piece.offset }) != self.next() {
            return Assembled::Other;
        }
        if piece.total == 0 || piece.total > MAX_PAPER {
            return Assembled::Gone;
        }
        self.bytes.extend_from_slice(&piece.bytes);
        let held = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        if held > piece.total || (piece.bytes.is_empty() && held < piece.total) {
            return Assembled::Gone;
        }
        if held == piece.total {
            return Assembled::Whole(std::mem::take(&mut self.bytes));
        }
        Assembled::More
    }
}

/// A piece is no longer than the question for it.
const _: () = assert!(HEAD + MAX_PIECE + TAG + HEADER <= MAX_DATAGRAM);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::body::{Body, decode};

    const PAPER: Paper = Paper::Configuration(7);

    #[test]
    fn a_question_is_as_long_as_its_longest_answer() {
        let content = Fetch { paper: PAPER, offset: 5 }.encode();
        assert_eq!(content.bytes().len(), MAX_CONTENT);
        let read = decode(Kind::Fetch, content.bytes()).unwrap();
        assert_eq!(read, Body::Fetch(Fetch { paper: PAPER, offset: 5 }));
        let short = content.bytes().get(..MAX_CONTENT - 1).unwrap();
        assert_eq!(decode(Kind::Fetch, short), Err(Refused::Malformed));
    }

    #[test]
    fn papers_of_a_later_version_are_refused() {
        assert_eq!(Piece::read(&[3; 20]), Err(Refused::Malformed));
        assert_eq!(decode(Kind::Fetch, &[9; MAX_CONTENT]), Err(Refused::Malformed));
    }

    #[test]
    fn what_was_not_asked_for_changes_nothing() {
        let whole = [1; 3 * MAX_PIECE];
        let mut assembler = PaperAssembler::new(PAPER);
        let first = Piece::cut(assembler.next(), &whole);
        assert_eq!(assembler.take(&first), Assembled::More);
        assert_eq!(assembler.take(&first), Assembled::Other, "a late copy");
        let other = Piece { paper: Paper::Order(7), ..Piece::cut(assembler.next(), &whole) };
        assert_eq!(assembler.take(&other), Assembled::Other);
        assert_eq!(assembler.take(&Piece::cut(assembler.next(), &whole)), Assembled::More);
    }

    #[test]
    fn a_paper_that_is_gone_or_lies_about_its_length_ends() {
        let mut assembler = PaperAssembler::new(PAPER);
        assert_eq!(assembler.take(&Piece::cut(assembler.next(), &[])), Assembled::Gone);
        let piece = Piece { paper: PAPER, offset: 0, total: 2, bytes: vec![0; 3] };
        assert_eq!(PaperAssembler::new(PAPER).take(&piece), Assembled::Gone);
        let piece = Piece { total: MAX_PAPER + 1, ..piece };
        assert_eq!(PaperAssembler::new(PAPER).take(&piece), Assembled::Gone);
        let piece = Piece { total: 9, bytes: Vec::new(), ..piece };
        assert_eq!(PaperAssembler::new(PAPER).take(&piece), Assembled::Gone, "no end");
    }

    proptest! {
        #[test]
        fn pieces_make_the_whole_again(whole in prop::collection::vec(any::<u8>(), 1..5000)) {
            let mut assembler = PaperAssembler::new(Paper::Order(3));
            let mut asked = 0;
            let found = loop {
                asked += 1;
                let Ok(Body::Fetch(fetch)) = decode(Kind::Fetch, assembler.next().encode().bytes())
                else { panic!("a question") };
                let mut plain = Vec::new();
                Piece::cut(fetch, &whole).write(&mut plain);
                match assembler.take(&Piece::read(&plain).unwrap()) {
                    Assembled::More => {}
                    end @ (Assembled::Whole(_) | Assembled::Gone | Assembled::Other) => break end,
                }
            };
            prop_assert_eq!(asked, whole.len().div_ceil(MAX_PIECE));
            prop_assert_eq!(found, Assembled::Whole(whole));
        }
    }
}

//! A pattern as positions: each byte that it may consume is one, and each knows which may follow.
//!
//! What bit-parallel search needs (see [`super::bits`]), and no more: counted repetitions are written
//! out, groups are gone, the ends of a line are positions of their own.

use regex_syntax::hir::{Class, ClassUnicode, Hir, HirKind, Look};
use regex_syntax::utf8::Utf8Sequences;

use super::which::numbers;

/// Bound on positions that are searched together: eight words of 64.
pub(super) const MOST: usize = 512;

/// Bound on the byte sequences that a Unicode class is written as. A larger one stands for every
/// letter that is not ASCII, and what was found is looked at again.
const MOST_SEQUENCES: usize = 4;

/// A set of positions.
pub(super) type Set = [u64; MOST / 64];

/// A set of bytes.
pub(super) type Bytes = [u64; 4];

/// One place in a pattern.
#[derive(Clone, Debug)]
pub(super) struct Position {
    /// What it consumes.
    pub(super) bytes: Bytes,
    /// Which may come next.
    pub(super) follow: Set,
}

/// The positions of some patterns.
#[derive(Debug)]
pub(super) struct Positions {
    pub(super) all: Vec<Position>,
    /// Those that consume the end of the line before: where `^` stands.
    pub(super) starts: Set,
    /// Those that consume the `\r` of a line's end.
    pub(super) carriages: Set,
    /// Whether the last pattern finds exactly what it says, and not more.
    exact: bool,
}

/// A part of a pattern: where it may begin and end.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Part {
    pub(super) first: Set,
    pub(super) last: Set,
    /// Whether it may be nothing at all.
    empty: bool,
}

/// Where patterns are placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// One behind the other.
    Close,
    /// In one word each if they fit one, with places before it that nothing reaches.
    Words,
}

/// A whole pattern.
#[derive(Clone, Copy, Debug)]
pub(super) struct Whole {
    pub(super) part: Part,
    /// Whether it finds exactly what the pattern says, and not more.
    pub(super) exact: bool,
}

/// The pattern has too many positions, or finds something in every line.
#[derive(Debug)]
pub(super) struct Unsuitable;

/// What stands around a part: nothing of the pattern before it, nothing after it.
#[derive(Clone, Copy, Debug)]
struct Around {
    starts: bool,
    ends: bool,
}

const INSIDE: Around = Around { starts: false, ends: false };

const NOTHING: Part = Part { first: [0; MOST / 64], last: [0; MOST / 64], empty: true };

pub(super) fn put<const N: usize>(set: &mut [u64; N], number: usize) {
    if let Some(word) = set.get_mut(number / 64) {
        *word |= 1 << (number % 64);
    }
}

pub(super) fn has<const N: usize>(set: &[u64; N], number: usize) -> bool {
    set.get(number / 64).is_some_and(|word| word >> (number % 64) & 1 == 1)
}

fn add_all<const N: usize>(set: &mut [u64; N], other: &[u64; N]) {
    for (word, other) in set.iter_mut().zip(other) {
        *word |= other;
    }
}

fn bytes(from: u8, to: u8) -> Bytes {
    let mut bytes = Bytes::default();
    for byte in from..=to {
        put(&mut bytes, usize::from(byte));
    }
    bytes
}

impl Positions {
    /// None yet.
    pub(super) fn new() -> Self {
        Self { all: Vec::new(), starts: Set::default(), carriages: Set::default(), exact: true }
    }

    /// Adds a pattern in its form for a buffer of many lines.
    ///
    /// # Errors
    /// If it has no place here. Then this is to be thrown away.
    pub(super) fn add_whole(&mut self, hir: &Hir, room: Room) -> Result<Whole, Unsuitable> {
        self.exact = true;
        let (begin, starts, carriages) = (self.all.len(), self.starts, self.carriages);
        let mut part = self.add(hir, Around { starts: true, ends: true })?;
        let length = self.all.len() - begin;
        if room == Room::Words && begin % 64 + length > 64 && length <= 64 {
            self.all.truncate(begin);
            (self.starts, self.carriages) = (starts, carriages);
            while !self.all.len().is_multiple_of(64) {
                self.position(Bytes::default())?;
            }
            part = self.add(hir, Around { starts: true, ends: true })?;
        }
        let ends_before_it_begins =
            part.last.iter().zip(&self.starts).any(|(last, start)| last & start != 0);
        if part.empty || ends_before_it_begins {
            return Err(Unsuitable);
        }
        Ok(Whole { part, exact: self.exact })
    }

    fn add(&mut self, hir: &Hir, around: Around) -> Result<Part, Unsuitable> {
        match hir.kind() {
            HirKind::Empty => Ok(NOTHING),
            HirKind::Literal(literal) => {
                self.each(&literal.0, |positions, byte, _| positions.position(bytes(*byte, *byte)))
            }
            HirKind::Class(Class::Bytes(class)) => {
                let mut all = Bytes::default();
                for range in class.ranges() {
                    add_all(&mut all, &bytes(range.start(), range.end()));
                }
                self.position(all)
            }
            HirKind::Class(Class::Unicode(class)) => self.letters(class),
            HirKind::Look(look) => self.look(*look, around),
            HirKind::Repetition(repetition) => {
                self.repeat(&repetition.sub, repetition.min, repetition.max)
            }
            HirKind::Capture(capture) => self.add(&capture.sub, around),
            HirKind::Concat(parts) => {
                let last = parts.len().saturating_sub(1);
                self.each(parts, |positions, part, at| {
                    let starts = around.starts && at == 0;
                    positions.add(part, Around { starts, ends: around.ends && at == last })
                })
            }
            HirKind::Alternation(parts) => {
                let mut whole = Part::default();
                for part in parts {
                    whole.or(&self.add(part, around)?);
                }
                Ok(whole)
            }
        }
    }

    /// One after the other.
    fn each<T>(
        &mut self,
        parts: &[T],
        mut add: impl FnMut(&mut Self, &T, usize) -> Result<Part, Unsuitable>,
    ) -> Result<Part, Unsuitable> {
        let mut whole = NOTHING;
        for (at, part) in parts.iter().enumerate() {
            let next = add(self, part, at)?;
            whole = self.join(&whole, &next);
        }
        Ok(whole)
    }

    fn position(&mut self, bytes: Bytes) -> Result<Part, Unsuitable> {
        let at = self.all.len();
        if at == MOST {
            return Err(Unsuitable);
        }
        self.all.push(Position { bytes, follow: Set::default() });
        let mut set = Set::default();
        put(&mut set, at);
        Ok(Part { first: set, last: set, empty: false })
    }

    fn letters(&mut self, class: &ClassUnicode) -> Result<Part, Unsuitable> {
        let mut ascii = Bytes::default();
        let mut long = Vec::new();
        for range in class.ranges() {
            for sequence in Utf8Sequences::new(range.start(), range.end()) {
                match sequence.as_slice() {
                    [one] => add_all(&mut ascii, &bytes(one.start, one.end)),
                    _ if long.len() <= MOST_SEQUENCES => long.push(sequence),
                    _ => {}
                }
            }
        }
        let mut whole = Part::default();
        if ascii != Bytes::default() {
            whole.or(&self.position(ascii)?);
        }
        if long.len() > MOST_SEQUENCES {
            self.exact = false;
            let high = self.position(bytes(0x80, 0xff))?;
            self.follow(&high.last, &high.first);
            whole.or(&high);
            return Ok(whole);
        }
        for sequence in &long {
            let part = self.each(sequence.as_slice(), |positions, range, _| {
                positions.position(bytes(range.start, range.end))
            })?;
            whole.or(&part);
        }
        Ok(whole)
    }

    /// The beginning of a line consumes the end of the one before, and the end of a line its own,
    /// which may be `\r\n`. Any other condition counts as fulfilled.
    fn look(&mut self, look: Look, around: Around) -> Result<Part, Unsuitable> {
        let feed = bytes(b'\n', b'\n');
        match look {
            Look::Start | Look::StartLF if around.starts => {
                let start = self.position(feed)?;
                add_all(&mut self.starts, &start.first);
                Ok(start)
            }
            Look::End | Look::EndLF | Look::EndCRLF if around.ends => {
                let carriage = self.position(bytes(b'\r', b'\r'))?;
                add_all(&mut self.carriages, &carriage.first);
                let feed = self.position(feed)?;
                Ok(self.join(&Part { empty: true, ..carriage }, &feed))
            }
            Look::Start
            | Look::StartLF
            | Look::StartCRLF
            | Look::End
            | Look::EndLF
            | Look::EndCRLF
            | Look::WordAscii
            | Look::WordAsciiNegate
            | Look::WordUnicode
            | Look::WordUnicodeNegate
            | Look::WordStartAscii
            | Look::WordEndAscii
            | Look::WordStartUnicode
            | Look::WordEndUnicode
            | Look::WordStartHalfAscii
            | Look::WordEndHalfAscii
            | Look::WordStartHalfUnicode
            | Look::WordEndHalfUnicode => {
                self.exact = false;
                Ok(NOTHING)
            }
        }
    }

    fn repeat(&mut self, sub: &Hir, min: u32, max: Option<u32>) -> Result<Part, Unsuitable> {
        let mut whole = NOTHING;
        let mut last = Part::default();
        for _ in 0..min {
            let before = self.all.len();
            last = self.add(sub, INSIDE)?;
            whole = self.join(&whole, &last);
            if self.all.len() == before {
                return Ok(whole);
            }
        }
        let Some(max) = max else {
            if min == 0 {
                last = self.add(sub, INSIDE)?;
                whole = Part { empty: true, ..last };
            }
            self.follow(&last.last, &last.first);
            return Ok(whole);
        };
        // One inside the other, `(x(x)?)?`: each leads to the next, and to what follows all.
        let mut ends = whole.last;
        for at in min..max {
            let before = self.all.len();
            let next = self.add(sub, INSIDE)?;
            if self.all.len() == before {
                break;
            }
            self.follow(&ends, &next.first);
            if at == 0 {
                whole.first = next.first;
            }
            add_all(&mut whole.last, &next.last);
            ends = next.last;
        }
        Ok(whole)
    }

    fn join(&mut self, left: &Part, right: &Part) -> Part {
        self.follow(&left.last, &right.first);
        let mut whole =
            Part { first: left.first, last: right.last, empty: left.empty && right.empty };
        if left.empty {
            add_all(&mut whole.first, &right.first);
        }
        if right.empty {
            add_all(&mut whole.last, &left.last);
        }
        whole
    }

    fn follow(&mut self, from: &Set, to: &Set) {
        for at in numbers(*from) {
            if let Some(position) = self.all.get_mut(at) {
                add_all(&mut position.follow, to);
            }
        }
    }
}

impl Part {
    fn or(&mut self, other: &Self) {
        add_all(&mut self.first, &other.first);
        add_all(&mut self.last, &other.last);
        self.empty |= other.empty;
    }
}

//! Sets of places where a byte is one of some.

use regex_syntax::hir::{Class, ClassUnicode, Hir, HirKind};
use regex_syntax::utf8::Utf8Sequences;

use super::rounds::Lengths;
use super::step::{SetNumber, Step, bit};
use super::{From, Kitchen, Unsuitable};
use crate::scan::positions::{Bytes as ByteSet, has, put};

/// Bound on the byte sequences that letters are written as which are not ASCII: all of these are eight, and all but one some
/// more.
const MOST_SEQUENCES: usize = 16;

/// A set of bytes.
enum Bytes {
    None,
    All,
    Some(SetNumber),
}

impl Kitchen<'_> {
    /// Returns where a byte is of the class that `hir` is, if it is one.
    pub(super) fn one_byte(&mut self, hir: &Hir) -> Result<Option<SetNumber>, Unsuitable> {
        let class = match hir.kind() {
            HirKind::Literal(literal) if literal.0.len() == 1 => {
                return self.class(|byte| literal.0.contains(&byte)).map(Some);
            }
            HirKind::Capture(capture) => return self.one_byte(&capture.sub),
            HirKind::Class(Class::Bytes(class)) => Some(class.clone()),
            HirKind::Class(Class::Unicode(class)) => class.to_byte_class(),
            HirKind::Empty
            | HirKind::Literal(_)
            | HirKind::Look(_)
            | HirKind::Repetition(_)
            | HirKind::Concat(_)
            | HirKind::Alternation(_) => None,
        };
        let Some(class) = class else { return Ok(None) };
        let has = |byte| class.ranges().iter().any(|r| (r.start()..=r.end()).contains(&byte));
        self.class(has).map(Some)
    }

    pub(super) fn byte_set(&mut self, bytes: &ByteSet) -> Result<SetNumber, Unsuitable> {
        self.class(|byte| has(bytes, usize::from(byte)))
    }

    pub(super) fn letter(&mut self, class: &Class, from: From) -> Result<From, Unsuitable> {
        if let Some(class) = self.one_byte(&Hir::class(class.clone()))? {
            return self.exactly(from, class, 1);
        }
        let Class::Unicode(class) = class else { return Err(Unsuitable) };
        let lengths = self.letters(class)?;
        let Some((before, after)) = from.places() else {
            let mut ends = None;
            for end in lengths.values() {
                ends = self.either_of(ends, Some(*end))?;
            }
            return ends.map(From::After).ok_or(Unsuitable);
        };
        let mut ends = match after {
            Some(of) => Some(self.at_lengths(of, &lengths)?),
            None => None,
        };
        if let Some(before) = before {
            // There it begins, and not behind it.
            for (length, end) in lengths {
                let end = match length {
                    1 => self.step(Step::Both(before, end))?,
                    _ => self.after(before, length - 1, end)?,
                };
                ends = self.either_of(ends, Some(end))?;
            }
        }
        ends.map(From::After).ok_or(Unsuitable)
    }

    /// Returns where a letter of the class ends, by the bytes that it has.
    pub(super) fn letters(&mut self, class: &ClassUnicode) -> Result<Lengths, Unsuitable> {
        let mut ascii = ByteSet::default();
        let mut long = Vec::new();
        let ranges = class.ranges().iter();
        for sequence in ranges.flat_map(|range| Utf8Sequences::new(range.start(), range.end())) {
            match sequence.as_slice() {
                [one] => {
                    (one.start..=one.end).for_each(|byte| put(&mut ascii, usize::from(byte)));
                }
                _ if long.len() == MOST_SEQUENCES => return Err(Unsuitable),
                _ => long.push(sequence),
            }
        }
        let mut lengths = Lengths::new();
        if ascii != ByteSet::default() {
            lengths.insert(1, self.byte_set(&ascii)?);
        }
        for sequence in long {
            let mut end = None;
            for range in sequence.as_slice() {
                let class = self.class(|byte| (range.start..=range.end).contains(&byte))?;
                end = Some(match end {
                    Some(of) => self.after(of, 1, class)?,
                    None => class,
                });
            }
            if let Some(end) = end {
                self.add_length(&mut lengths, sequence.len(), end)?;
            }
        }
        Ok(lengths)
    }

    /// Returns where these bytes are, which are neither none nor all.
    pub(super) fn class(&mut self, has: impl Fn(u8) -> bool) -> Result<SetNumber, Unsuitable> {
        let bytes: Vec<bool> = (0..=u8::MAX).map(has).collect();
        match self.half(&bytes)? {
            Bytes::Some(set) => Ok(set),
            Bytes::None | Bytes::All => Err(Unsuitable),
        }
    }

    /// Returns where the lower bits of a byte are one of these.
    fn bytes(&mut self, bytes: &[bool]) -> Result<Bytes, Unsuitable> {
        let (zero, one) = bytes.split_at(bytes.len() / 2);
        if zero == one {
            return self.bytes(one);
        }
        let by = bit(one.len().ilog2() as usize);
        let [zero, one] = if one.len() == 1 {
            [zero, one].map(|half| if half == [true] { Bytes::All } else { Bytes::None })
        } else {
            [self.half(zero)?, self.half(one)?]
        };
        let step = match (zero, one) {
            (Bytes::None, Bytes::All) => return Ok(Bytes::Some(by)),
            (Bytes::None, Bytes::None) => return Ok(Bytes::None),
            (Bytes::All, Bytes::All) => return Ok(Bytes::All),
            (Bytes::All, Bytes::None) => Step::Not(by),
            (Bytes::None, Bytes::Some(one)) => Step::Both(one, by),
            (Bytes::Some(zero), Bytes::None) => Step::Without(zero, by),
            (Bytes::All, Bytes::Some(one)) => Step::OrNot(one, by),
            (Bytes::Some(zero), Bytes::All) => Step::Either(zero, by),
            (Bytes::Some(zero), Bytes::Some(one)) => Step::Choose { by, one, zero },
        };
        Ok(Bytes::Some(self.step(step)?))
    }

    fn half(&mut self, bytes: &[bool]) -> Result<Bytes, Unsuitable> {
        if bytes.iter().all(|has| *has) {
            Ok(Bytes::All)
        } else if bytes.iter().any(|has| *has) {
            self.bytes(bytes)
        } else {
            Ok(Bytes::None)
        }
    }
}

//! Sets of places where a byte is one of some.

use regex_syntax::hir::{Class, Hir, HirKind};
use regex_syntax::utf8::Utf8Sequences;

use super::step::{SetNumber, Step, bit};
use super::{From, Kitchen, Unsuitable};
use crate::scan::positions::{Bytes as ByteSet, has};

/// Bound on the byte sequences that letters are written as.
const MOST_SEQUENCES: usize = 8;

/// A set of bytes.
enum Bytes {
    None,
    All,
    Some(SetNumber),
}

impl Kitchen {
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
        let ranges = class.ranges().iter();
        let sequences = ranges.flat_map(|range| Utf8Sequences::new(range.start(), range.end()));
        let sequences: Vec<_> = sequences.take(MOST_SEQUENCES + 1).collect();
        if sequences.len() > MOST_SEQUENCES {
            return Err(Unsuitable);
        }
        let mut whole = None;
        for sequence in sequences {
            let end = sequence.as_slice().iter().try_fold(from, |from, range| {
                let class = self.class(|byte| (range.start..=range.end).contains(&byte))?;
                self.exactly(from, class, 1)
            })?;
            whole = Some(whole.map_or(Ok(end), |whole| self.either(whole, end))?);
        }
        whole.ok_or(Unsuitable)
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

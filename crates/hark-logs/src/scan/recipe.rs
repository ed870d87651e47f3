//! Patterns as steps with sets of places in the text.
//!
//! A set holds for each byte of the text whether some part of a pattern ends with it, 64 of them in a
//! word. So one operation on a word takes 64 bytes of text one position further in the pattern, and a
//! class that is repeated hundreds of times takes not hundreds of positions but a few steps: where
//! there are 300 of them in a row is known from where there are 256, and that from where there are 128.
//! What sets are made of in the beginning are the eight bits of each byte.

use std::collections::{BTreeMap, HashMap};

use regex_syntax::hir::{Class, Hir, HirKind, Look, Repetition};
use regex_syntax::utf8::Utf8Sequences;

use super::positions::Unsuitable;

/// Bits of a byte, which are the first sets.
pub(super) const BITS: usize = 8;

/// Bound on steps of one pattern: so many of them cost about two nanoseconds a byte, more than bits do.
const MOST_STEPS: usize = 512;

/// Patterns together may have as many as so many of them alone. They share classes, so that two recipes instead
/// of one would be more work. These have half a megabyte of sets.
const SHARING: usize = 2;

/// Bound on bytes that a step goes back in the text. What was found there has to be kept.
const MOST_BACK: usize = 4096;

/// Bound on the byte sequences that letters are written as.
const MOST_SEQUENCES: usize = 8;

/// Stands for a set: the place of the step that makes it, behind the bits.
pub(super) type SetNumber = usize;

/// Makes a set from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Step {
    Not(SetNumber),
    Both(SetNumber, SetNumber),
    Either(SetNumber, SetNumber),
    /// The first without the second.
    Without(SetNumber, SetNumber),
    /// The first, and all that is not in the second.
    OrNot(SetNumber, SetNumber),
    Choose {
        by: SetNumber,
        one: SetNumber,
        zero: SetNumber,
    },
    /// Those of `among` that are so far after one of `of`.
    After {
        of: SetNumber,
        by: usize,
        among: SetNumber,
    },
    /// These and `of`.
    OrAfter {
        of: SetNumber,
        by: usize,
        among: SetNumber,
    },
    /// Those of `of`, and all of `among` that follow one of them without a gap.
    Through {
        of: SetNumber,
        among: SetNumber,
    },
}

impl Step {
    /// Returns the sets that it is made of.
    pub(super) fn operands(self) -> impl Iterator<Item = SetNumber> {
        let (first, others) = match self {
            Self::Not(a) => (a, [None; 2]),
            Self::Both(a, b) | Self::Either(a, b) | Self::Without(a, b) | Self::OrNot(a, b) => {
                (a, [Some(b), None])
            }
            Self::Choose { by, one, zero } => (by, [Some(one), Some(zero)]),
            Self::After { of, among, .. }
            | Self::OrAfter { of, among, .. }
            | Self::Through { of, among } => (of, [Some(among), None]),
        };
        std::iter::once(first).chain(others.into_iter().flatten())
    }
}

/// See the module's text.
#[derive(Debug)]
pub(super) struct Recipe {
    pub(super) steps: Vec<Step>,
    /// Where a line ends.
    pub(super) feeds: SetNumber,
    /// Where each pattern ends.
    pub(super) ends: Vec<SetNumber>,
}

/// Where a part of a pattern may begin: after which places.
#[derive(Clone, Copy, Debug)]
enum From {
    Anywhere,
    After(SetNumber),
}

/// What stands around a part: nothing of the pattern before it, nothing after it.
#[derive(Clone, Copy, Debug)]
struct Around {
    starts: bool,
    ends: bool,
}

const INSIDE: Around = Around { starts: false, ends: false };

/// A set of bytes.
enum Bytes {
    None,
    All,
    Some(SetNumber),
}

#[derive(Debug)]
struct Kitchen {
    most_steps: usize,
    steps: Vec<Step>,
    known: HashMap<Step, SetNumber>,
    /// Where so many of a class end that are in a row.
    runs: HashMap<(SetNumber, usize), SetNumber>,
    /// And those that begin after some set.
    counted: BTreeMap<(SetNumber, SetNumber, usize), SetNumber>,
}

impl Recipe {
    /// Compiles patterns, in their form for a buffer of many lines.
    ///
    /// # Errors
    /// If one may find nothing at all, has what cannot be said so, or they need too many steps.
    pub(super) fn new<'h>(forms: impl IntoIterator<Item = &'h Hir>) -> Result<Self, Unsuitable> {
        let forms: Vec<&Hir> = forms.into_iter().collect();
        let most_steps = MOST_STEPS * forms.len().min(SHARING);
        let mut kitchen = Kitchen {
            most_steps,
            steps: Vec::new(),
            known: HashMap::new(),
            runs: HashMap::new(),
            counted: BTreeMap::new(),
        };
        let feeds = kitchen.class(|byte| byte == b'\n')?;
        let mut ends = Vec::new();
        for form in forms {
            if form.properties().minimum_len().unwrap_or(0) == 0 {
                return Err(Unsuitable);
            }
            let around = Around { starts: true, ends: true };
            match kitchen.add(form, From::Anywhere, around, feeds)? {
                From::After(end) => ends.push(end),
                From::Anywhere => return Err(Unsuitable),
            }
        }
        Ok(Self { steps: kitchen.steps, feeds, ends })
    }

    /// Returns how many words before the present one are asked for of each set.
    pub(super) fn words_back(&self) -> Vec<usize> {
        let mut back = vec![0; BITS + self.steps.len()];
        for step in &self.steps {
            let (of, by) = match *step {
                Step::After { of, by, .. } | Step::OrAfter { of, by, .. } => (of, by),
                Step::Through { of, .. } => (of, 1),
                Step::Not(_)
                | Step::Both(..)
                | Step::Either(..)
                | Step::Without(..)
                | Step::OrNot(..)
                | Step::Choose { .. } => continue,
            };
            if let Some(words) = back.get_mut(of) {
                *words = (*words).max(by / 64 + 1);
            }
        }
        back
    }
}

impl Kitchen {
    fn step(&mut self, step: Step) -> Result<SetNumber, Unsuitable> {
        if let Some(known) = self.known.get(&step) {
            return Ok(*known);
        }
        if self.steps.len() >= self.most_steps {
            return Err(Unsuitable);
        }
        let number = BITS + self.steps.len();
        self.steps.push(step);
        self.known.insert(step, number);
        Ok(number)
    }

    /// Returns where what is found by `hir` ends if it begins after `from`.
    fn add(
        &mut self,
        hir: &Hir,
        from: From,
        around: Around,
        feeds: SetNumber,
    ) -> Result<From, Unsuitable> {
        match hir.kind() {
            HirKind::Empty => Ok(from),
            HirKind::Literal(literal) => literal.0.iter().try_fold(from, |from, one| {
                let class = self.class(|byte| byte == *one)?;
                self.exactly(from, class, 1)
            }),
            HirKind::Class(class) => self.letter(class, from),
            // Nothing that a line has is before its beginning, or after its end.
            HirKind::Look(Look::Start | Look::StartLF) if around.starts => Ok(From::After(feeds)),
            HirKind::Look(Look::End | Look::EndLF | Look::EndCRLF) if around.ends => {
                self.exactly(from, feeds, 1)
            }
            HirKind::Look(_) => Err(Unsuitable),
            HirKind::Repetition(repetition) => self.repeat(repetition, from, feeds),
            HirKind::Capture(capture) => self.add(&capture.sub, from, around, feeds),
            HirKind::Concat(parts) => {
                let last = parts.len().saturating_sub(1);
                parts.iter().enumerate().try_fold(from, |from, (at, part)| {
                    let starts = around.starts && at == 0;
                    self.add(part, from, Around { starts, ends: around.ends && at == last }, feeds)
                })
            }
            HirKind::Alternation(parts) => {
                let mut whole = None;
                for part in parts {
                    let end = self.add(part, from, around, feeds)?;
                    whole = Some(whole.map_or(Ok(end), |whole| self.either(whole, end))?);
                }
                whole.ok_or(Unsuitable)
            }
        }
    }

    fn either(&mut self, one: From, other: From) -> Result<From, Unsuitable> {
        match (one, other) {
            (From::After(one), From::After(other)) if one == other => Ok(From::After(one)),
            (From::After(one), From::After(other)) => {
                Ok(From::After(self.step(Step::Either(one, other))?))
            }
            (From::Anywhere, _) | (_, From::Anywhere) => Ok(From::Anywhere),
        }
    }

    fn repeat(
        &mut self,
        repetition: &Repetition,
        from: From,
        feeds: SetNumber,
    ) -> Result<From, Unsuitable> {
        let Repetition { min, max, sub, .. } = repetition;
        let min = usize::try_from(*min).map_err(|_| Unsuitable)?;
        let more = max.map(|max| usize::try_from(max).map_or(usize::MAX, |max| max - min));
        if let Some(class) = self.one_byte(sub)? {
            let from = self.exactly(from, class, min)?;
            return match more {
                Some(more) => self.up_to(from, class, more),
                None => self.through(from, class),
            };
        }
        let mut end = from;
        for _ in 0..min {
            end = self.add(sub, end, INSIDE, feeds)?;
        }
        for _ in 0..more.ok_or(Unsuitable)? {
            let next = self.add(sub, end, INSIDE, feeds)?;
            let before = self.steps.len();
            end = self.either(end, next)?;
            if self.steps.len() == before {
                break;
            }
        }
        Ok(end)
    }

    /// So many of the class.
    fn exactly(&mut self, from: From, class: SetNumber, count: usize) -> Result<From, Unsuitable> {
        if count == 0 {
            return Ok(from);
        }
        let From::After(of) = from else { return Ok(From::After(self.run(class, count)?)) };
        let fewer = self.counted.range((of, class, 0)..=(of, class, count)).next_back();
        let fewer = fewer.map(|((.., fewer), end)| (*fewer, *end));
        let (from, more) = match fewer {
            Some((fewer, end)) if fewer == count => return Ok(From::After(end)),
            // Another pattern goes the same way, but for the rest.
            Some((fewer, end)) if !self.runs.contains_key(&(class, count)) => (end, count - fewer),
            _ => (of, count),
        };
        let among = self.run(class, more)?;
        let end = self.after(from, more, among)?;
        self.counted.insert((of, class, count), end);
        Ok(From::After(end))
    }

    /// Up to so many of the class.
    fn up_to(&mut self, from: From, class: SetNumber, most: usize) -> Result<From, Unsuitable> {
        let From::After(mut of) = from else { return Ok(from) };
        let mut done = 0;
        while done < most {
            let by = (done + 1).min(most - done);
            let among = self.run(class, by)?;
            of = self.step(Step::OrAfter { of, by, among })?;
            done += by;
        }
        Ok(From::After(of))
    }

    /// Any number of the class.
    fn through(&mut self, from: From, among: SetNumber) -> Result<From, Unsuitable> {
        let From::After(of) = from else { return Ok(from) };
        Ok(From::After(self.step(Step::Through { of, among })?))
    }

    /// Where so many of the class end that are in a row.
    fn run(&mut self, class: SetNumber, count: usize) -> Result<SetNumber, Unsuitable> {
        let (mut run, mut done) = (class, 1);
        while done < count {
            let by = done.min(count - done);
            run = self.after(run, by, run)?;
            done += by;
            self.runs.insert((class, done), run);
        }
        Ok(run)
    }

    fn after(
        &mut self,
        of: SetNumber,
        by: usize,
        among: SetNumber,
    ) -> Result<SetNumber, Unsuitable> {
        if by > MOST_BACK {
            return Err(Unsuitable);
        }
        self.step(Step::After { of, by, among })
    }

    /// Returns where a byte is of the class that `hir` is, if it is one.
    fn one_byte(&mut self, hir: &Hir) -> Result<Option<SetNumber>, Unsuitable> {
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

    fn letter(&mut self, class: &Class, from: From) -> Result<From, Unsuitable> {
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
    fn class(&mut self, has: impl Fn(u8) -> bool) -> Result<SetNumber, Unsuitable> {
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
        let by = one.len().ilog2() as usize;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::{Pattern, within_line};

    fn steps(counts: impl Iterator<Item = usize>) -> usize {
        let forms: Vec<Hir> = counts
            .map(|count| Pattern::new(&format!("[a-q][^x]{{{count}}}x")).unwrap())
            .map(|pattern| within_line(pattern.hir().clone()))
            .collect();
        Recipe::new(&forms).unwrap().steps.len()
    }

    #[test]
    fn patterns_that_go_the_same_way_share_it() {
        let one = steps(std::iter::once(10));
        assert!(steps(10..30) <= one + 2 * 19, "one step further, and the end");
        assert_eq!(steps([10, 10, 10].into_iter()), one);
        // Hundreds are a few steps more.
        assert!(steps([10, 210].into_iter()) <= one + 6 + 2);
    }
}

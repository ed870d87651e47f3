//! Patterns as steps with sets of places in the text.
//!
//! A set holds for each byte of the text whether some part of a pattern ends with it, 64 of them in a
//! word. So one operation on a word takes 64 bytes of text one position further in the pattern, and a
//! class that is repeated hundreds of times takes not hundreds of positions but a few steps: where
//! there are 300 of them in a row is known from where there are 256, and that from where there are 128.
//! What sets are made of in the beginning are the eight bits of each byte.
//!
//! Three things are less work than they seem to be. A round of bytes of some lengths (`(ab?|[^c]){50}`) is one step,
//! since where such words end is the same in every round. A way back (`(a|b|cd)+`) is a run of pairs of bytes
//! that may follow one another, if each byte says where in the round it stands (`pairs`). And the border of a word
//! is a place before a byte, known from that byte and the one before it.

use std::collections::{BTreeMap, HashMap};

use regex_syntax::hir::{Class, Hir, HirKind, Look, Repetition};
use regex_syntax::utf8::Utf8Sequences;

use super::pairs::Pairs;
use super::positions::{Bytes as ByteSet, Unsuitable, has};

/// Bits of a byte, which are the first sets.
pub(super) const BITS: usize = 8;

/// Bound on steps of one pattern: so many of them cost about two nanoseconds a byte, more than bits do.
const MOST_STEPS: usize = 512;

/// Patterns together may have as many as so many of them alone. They share classes, so that two recipes instead
/// of one would be more work. These have half a megabyte of sets.
const SHARING: usize = 2;

/// Bound on bytes that a step goes back in the text: eight words, of which one is looked at in part. More are several
/// steps.
const MOST_BACK: usize = 511;

/// Bound on the byte sequences that letters are written as.
const MOST_SEQUENCES: usize = 8;

/// Bound on the different lengths of what is a round, two of which are a step.
const MOST_LENGTHS: usize = 4;

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
    /// Those of `among` that are so far after one of `of`, of two distances.
    AfterEither {
        of: SetNumber,
        by: [usize; 2],
        among: [SetNumber; 2],
    },
    /// Those of `of`, and all of `among` that follow one of them without a gap.
    Through {
        of: SetNumber,
        among: SetNumber,
    },
}

impl Step {
    /// Returns the same of other sets.
    pub(super) fn map(self, of: impl Fn(SetNumber) -> SetNumber) -> Self {
        let set = of;
        match self {
            Self::Not(a) => Self::Not(set(a)),
            Self::Both(a, b) => Self::Both(set(a), set(b)),
            Self::Either(a, b) => Self::Either(set(a), set(b)),
            Self::Without(a, b) => Self::Without(set(a), set(b)),
            Self::OrNot(a, b) => Self::OrNot(set(a), set(b)),
            Self::Choose { by, one, zero } => {
                Self::Choose { by: set(by), one: set(one), zero: set(zero) }
            }
            Self::After { of, by, among } => Self::After { of: set(of), by, among: set(among) },
            Self::OrAfter { of, by, among } => Self::OrAfter { of: set(of), by, among: set(among) },
            Self::AfterEither { of, by, among } => {
                Self::AfterEither { of: set(of), by, among: among.map(set) }
            }
            Self::Through { of, among } => Self::Through { of: set(of), among: set(among) },
        }
    }

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
            Self::AfterEither { of, among, .. } => (of, among.map(Some)),
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
    /// Other sets that have where lines end and are asked for by what is in the next line.
    pub(super) with_feeds: Vec<SetNumber>,
}

/// Where a part of a pattern may begin.
#[derive(Clone, Copy, Debug)]
enum From {
    Anywhere,
    /// After these places.
    After(SetNumber),
    /// Before these, where there is a border, and after those.
    Before(SetNumber, Option<SetNumber>),
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
    known_pairs: Vec<(Hir, Run)>,
    with_feeds: Vec<SetNumber>,
}

/// Where rounds may begin and end, and where a byte may follow the one before it.
#[derive(Clone, Copy, Debug)]
struct Run {
    first: SetNumber,
    pairs: Option<SetNumber>,
    last: SetNumber,
}

/// Where something ends that begins anywhere, by its length.
type Lengths = BTreeMap<usize, SetNumber>;

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
            known_pairs: Vec::new(),
            with_feeds: Vec::new(),
        };
        let feeds = kitchen.class(|byte| byte == b'\n')?;
        let mut ends = Vec::new();
        for form in forms {
            if form.properties().minimum_len().unwrap_or(0) == 0 {
                return Err(Unsuitable);
            }
            let around = Around { starts: true, ends: true };
            let end = kitchen.add(form, From::Anywhere, around, feeds)?;
            // The place before which a pattern ends may be the end of its line, but not of the next.
            let end = match end {
                From::Anywhere => return Err(Unsuitable),
                From::After(end) | From::Before(end, None) => end,
                From::Before(one, Some(other)) => kitchen.step(Step::Either(one, other))?,
            };
            ends.push(end);
        }
        let Kitchen { steps, with_feeds, .. } = kitchen;
        Ok(Self { steps, feeds, ends, with_feeds })
    }

    /// Returns for each set whether the text before the present one is asked for.
    pub(super) fn is_asked_before(&self) -> Vec<bool> {
        let mut is_asked = vec![false; BITS + self.steps.len()];
        for step in &self.steps {
            match *step {
                Step::After { of, .. }
                | Step::OrAfter { of, .. }
                | Step::AfterEither { of, .. }
                | Step::Through { of, .. } => is_asked[of] = true,
                Step::Not(_)
                | Step::Both(..)
                | Step::Either(..)
                | Step::Without(..)
                | Step::OrNot(..)
                | Step::Choose { .. } => {}
            }
        }
        is_asked
    }
}

impl From {
    /// Before these places, and after those; none at all of either is no place.
    fn of(before: Option<SetNumber>, after: Option<SetNumber>) -> Option<Self> {
        before.map(|before| Self::Before(before, after)).or(after.map(Self::After))
    }

    /// Returns before and after which places, if it is not anywhere.
    fn places(self) -> Option<(Option<SetNumber>, Option<SetNumber>)> {
        match self {
            Self::Anywhere => None,
            Self::After(after) => Some((None, Some(after))),
            Self::Before(before, after) => Some((Some(before), after)),
        }
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
            HirKind::Look(look) => self.border(*look, from),
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
        let (Some((before, after)), Some((or_before, or_after))) = (one.places(), other.places())
        else {
            return Ok(From::Anywhere);
        };
        let before = self.either_of(before, or_before)?;
        let after = self.either_of(after, or_after)?;
        From::of(before, after).ok_or(Unsuitable)
    }

    fn either_of(
        &mut self,
        one: Option<SetNumber>,
        other: Option<SetNumber>,
    ) -> Result<Option<SetNumber>, Unsuitable> {
        match (one, other) {
            (Some(one), Some(other)) if one != other => {
                self.step(Step::Either(one, other)).map(Some)
            }
            (one, other) => Ok(one.or(other)),
        }
    }

    /// Returns where there is a border if it is asked for after `from`.
    fn border(&mut self, look: Look, from: From) -> Result<From, Unsuitable> {
        let borders = self.borders(look)?;
        let Some((before, after)) = from.places() else { return Ok(From::Before(borders, None)) };
        let before = match before {
            Some(before) => Some(self.step(Step::Both(before, borders))?),
            None => None,
        };
        let after = match after {
            Some(of) => Some(self.step(Step::After { of, by: 1, among: borders })?),
            None => None,
        };
        From::of(self.either_of(before, after)?, None).ok_or(Unsuitable)
    }

    /// Returns the places before which there is a border.
    fn borders(&mut self, look: Look) -> Result<SetNumber, Unsuitable> {
        let is_word = |byte: u8| byte == b'_' || byte.is_ascii_alphanumeric();
        let (word, other) = (self.class(is_word)?, self.class(|byte| !is_word(byte))?);
        // Nothing that a line has is before its first byte: there is the end of the line before.
        if !self.with_feeds.contains(&other) {
            self.with_feeds.push(other);
        }
        let mut between = |of, among| self.step(Step::After { of, by: 1, among });
        let (one, two) = match look {
            Look::WordAscii => (between(word, other)?, between(other, word)?),
            Look::WordAsciiNegate => (between(word, word)?, between(other, other)?),
            Look::WordStartAscii => return between(other, word),
            Look::WordEndAscii => return between(word, other),
            Look::WordStartHalfAscii => (between(other, other)?, between(other, word)?),
            Look::WordEndHalfAscii => return Ok(other),
            Look::Start
            | Look::StartLF
            | Look::StartCRLF
            | Look::End
            | Look::EndLF
            | Look::EndCRLF
            | Look::WordUnicode
            | Look::WordUnicodeNegate
            | Look::WordStartUnicode
            | Look::WordEndUnicode
            | Look::WordStartHalfUnicode
            | Look::WordEndHalfUnicode => return Err(Unsuitable),
        };
        self.step(Step::Either(one, two))
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
        let lengths = if min + more.unwrap_or(0) > 2 { self.lengths(sub)? } else { None };
        let lengths = lengths.filter(|lengths| lengths.len() <= MOST_LENGTHS);
        let round = |kitchen: &mut Self, from| match (from, &lengths) {
            (From::After(of), Some(lengths)) => kitchen.after_lengths(of, lengths),
            (From::Anywhere | From::After(_) | From::Before(..), _) => {
                kitchen.add(sub, from, INSIDE, feeds)
            }
        };
        let Some(more) = more else {
            let mut end = from;
            for _ in 1..min {
                end = round(self, end)?;
            }
            let any = self.any_number(sub, end)?;
            return if min == 0 { self.either(from, any) } else { Ok(any) };
        };
        let mut end = from;
        for _ in 0..min {
            end = round(self, end)?;
        }
        for _ in 0..more {
            let next = round(self, end)?;
            let before = self.steps.len();
            end = self.either(end, next)?;
            if self.steps.len() == before {
                break;
            }
        }
        Ok(end)
    }

    /// One round or more, if that is a run of pairs.
    fn any_number(&mut self, sub: &Hir, from: From) -> Result<From, Unsuitable> {
        let Run { first, pairs, last } = self.pairs(sub)?;
        let begun = self.exactly(from, first, 1)?;
        let run = match (begun, pairs) {
            (From::After(of), Some(among)) => self.step(Step::Through { of, among })?,
            (From::After(of), None) => of,
            (From::Anywhere | From::Before(..), _) => return Err(Unsuitable),
        };
        self.step(Step::Both(run, last)).map(From::After)
    }

    /// Returns the pairs of which rounds of `hir` are a run.
    fn pairs(&mut self, hir: &Hir) -> Result<Run, Unsuitable> {
        if let Some((_, known)) = self.known_pairs.iter().find(|(of, _)| of == hir) {
            return Ok(*known);
        }
        let Pairs { first, next, last } = Pairs::new(hir)?;
        let mut pairs = None;
        for (before, after) in &next {
            let (of, among) = (self.byte_set(before)?, self.byte_set(after)?);
            let one = self.step(Step::After { of, by: 1, among })?;
            pairs = self.either_of(pairs, Some(one))?;
        }
        let run = Run { first: self.byte_set(&first)?, pairs, last: self.byte_set(&last)? };
        self.known_pairs.push((hir.clone(), run));
        Ok(run)
    }

    /// Returns where `hir` ends if it begins anywhere, by its length; none if it may be of very many lengths, or of
    /// none.
    fn lengths(&mut self, hir: &Hir) -> Result<Option<Lengths>, Unsuitable> {
        let (least, most) = (hir.properties().minimum_len(), hir.properties().maximum_len());
        let few = |(least, most): (usize, usize)| least > 0 && most - least < BITS;
        if !least.zip(most).is_some_and(few) || !hir.properties().look_set().is_empty() {
            return Ok(None);
        }
        let mut lengths = Lengths::new();
        if let Some(class) = self.one_byte(hir)? {
            lengths.insert(1, class);
            return Ok(Some(lengths));
        }
        match hir.kind() {
            HirKind::Capture(capture) => return self.lengths(&capture.sub),
            HirKind::Literal(literal) => {
                for byte in &literal.0 {
                    let class = self.class(|one| one == *byte)?;
                    lengths = self.longer(&lengths, &Lengths::from([(1, class)]), false)?;
                }
            }
            HirKind::Concat(parts) => {
                for part in parts {
                    let (part, may_be_none) = match part.kind() {
                        HirKind::Repetition(Repetition { min: 0, max: Some(1), sub, .. }) => {
                            (&**sub, true)
                        }
                        _ => (part, false),
                    };
                    let Some(part) = self.lengths(part)? else { return Ok(None) };
                    if lengths.is_empty() && may_be_none {
                        return Ok(None);
                    }
                    lengths = self.longer(&lengths, &part, may_be_none)?;
                }
            }
            HirKind::Alternation(parts) => {
                for part in parts {
                    let Some(part) = self.lengths(part)? else { return Ok(None) };
                    for (length, end) in part {
                        self.add_length(&mut lengths, length, end)?;
                    }
                }
            }
            HirKind::Repetition(Repetition { min, max: Some(max), sub, .. }) if min == max => {
                let Some(part) = self.lengths(sub)? else { return Ok(None) };
                for _ in 0..*min {
                    lengths = self.longer(&lengths, &part, false)?;
                }
            }
            HirKind::Empty | HirKind::Class(_) | HirKind::Look(_) | HirKind::Repetition(_) => {
                return Ok(None);
            }
        }
        Ok(Some(lengths))
    }

    /// Returns what is of some lengths and then of some more.
    fn longer(
        &mut self,
        lengths: &Lengths,
        more: &Lengths,
        may_be_none: bool,
    ) -> Result<Lengths, Unsuitable> {
        if lengths.is_empty() {
            return Ok(more.clone());
        }
        let mut all = if may_be_none { lengths.clone() } else { Lengths::new() };
        for (length, of) in lengths {
            for (by, among) in more {
                let end = self.after(*of, *by, *among)?;
                self.add_length(&mut all, length + by, end)?;
            }
        }
        Ok(all)
    }

    fn add_length(
        &mut self,
        lengths: &mut Lengths,
        length: usize,
        end: SetNumber,
    ) -> Result<(), Unsuitable> {
        let known = lengths.get(&length).copied();
        if let Some(end) = self.either_of(known, Some(end))? {
            lengths.insert(length, end);
        }
        Ok(())
    }

    /// Something of these lengths.
    fn after_lengths(&mut self, of: SetNumber, lengths: &Lengths) -> Result<From, Unsuitable> {
        let mut lengths = lengths.iter();
        let mut whole = None;
        while let Some((by, among)) = lengths.next() {
            let end = match lengths.next() {
                Some((or_by, or_among)) => {
                    let (by, among) = ([*by, *or_by], [*among, *or_among]);
                    self.step(Step::AfterEither { of, by, among })?
                }
                None => self.after(of, *by, *among)?,
            };
            whole = self.either_of(whole, Some(end))?;
        }
        whole.map(From::After).ok_or(Unsuitable)
    }

    /// So many of the class.
    fn exactly(&mut self, from: From, class: SetNumber, count: usize) -> Result<From, Unsuitable> {
        if count == 0 {
            return Ok(from);
        }
        let of = match from {
            From::Anywhere => return Ok(From::After(self.run(class, count)?)),
            From::After(of) => of,
            From::Before(before, after) => {
                let one = From::After(self.step(Step::Both(before, class))?);
                let end = self.exactly(one, class, count - 1)?;
                let Some(after) = after else { return Ok(end) };
                let other = self.exactly(From::After(after), class, count)?;
                return self.either(end, other);
            }
        };
        let fewer = self.counted.range((of, class, 0)..=(of, class, count)).next_back();
        let fewer = fewer.map(|((.., fewer), end)| (*fewer, *end));
        let (from, more) = match fewer {
            Some((fewer, end)) if fewer == count => return Ok(From::After(end)),
            // Another pattern goes the same way, but for the rest.
            Some((fewer, end)) if !self.runs.contains_key(&(class, count)) => (end, count - fewer),
            _ => (of, count),
        };
        let (mut end, mut left) = (from, more);
        while left > 0 {
            let by = left.min(MOST_BACK);
            let among = self.run(class, by)?;
            end = self.after(end, by, among)?;
            left -= by;
        }
        self.counted.insert((of, class, count), end);
        Ok(From::After(end))
    }

    /// Up to so many of the class.
    fn up_to(&mut self, from: From, class: SetNumber, most: usize) -> Result<From, Unsuitable> {
        let mut of = match from {
            From::Anywhere => return Ok(from),
            From::After(of) => of,
            From::Before(..) if most == 0 => return Ok(from),
            From::Before(before, after) => {
                let one = From::After(self.step(Step::Both(before, class))?);
                let mut end = self.up_to(one, class, most - 1)?;
                if let Some(after) = after {
                    let other = self.up_to(From::After(after), class, most)?;
                    end = self.either(end, other)?;
                }
                return self.either(end, From::Before(before, None));
            }
        };
        let mut done = 0;
        while done < most {
            let by = (done + 1).min(most - done).min(MOST_BACK);
            let among = self.run(class, by)?;
            of = self.step(Step::OrAfter { of, by, among })?;
            done += by;
        }
        Ok(From::After(of))
    }

    /// Any number of the class.
    fn through(&mut self, from: From, among: SetNumber) -> Result<From, Unsuitable> {
        match from {
            From::Anywhere => Ok(from),
            From::After(of) => Ok(From::After(self.step(Step::Through { of, among })?)),
            From::Before(before, after) => {
                let one = self.step(Step::Both(before, among))?;
                let of = self.either_of(after, Some(one))?.ok_or(Unsuitable)?;
                let end = self.step(Step::Through { of, among })?;
                Ok(From::Before(before, Some(end)))
            }
        }
    }

    /// Where so many of the class end that are in a row.
    fn run(&mut self, class: SetNumber, count: usize) -> Result<SetNumber, Unsuitable> {
        let (mut run, mut done) = (class, 1);
        while done < count {
            let by = done.min(count - done).min(MOST_BACK);
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

    fn byte_set(&mut self, bytes: &ByteSet) -> Result<SetNumber, Unsuitable> {
        self.class(|byte| has(bytes, usize::from(byte)))
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

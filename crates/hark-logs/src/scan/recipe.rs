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
//! is a place before a byte, known from that byte and the one before it. Where letters are written as bytes (`letters`),
//! that is so with words of Unicode, too.

mod classes;
mod rounds;
mod step;

use std::collections::{BTreeMap, HashMap};

use regex_syntax::hir::{Hir, HirKind, Look};

use self::rounds::{Lengths, Run};
pub(super) use self::step::{BITS, Distance, SetNumber, Step};
use self::step::{MOST_BACK, bit};
use super::letters::Borders;
use super::positions::Unsuitable;

/// Bound on steps of one pattern: so many of them cost about two nanoseconds a byte, more than bits do.
const MOST_STEPS: usize = 512;

/// Patterns together may have as many as so many of them alone. They share classes, so that two recipes instead
/// of one would be more work.
const SHARING: usize = 2;

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

/// Which border of a word is asked for.
#[derive(Clone, Copy, Debug)]
enum Border {
    Any,
    /// There is none.
    None,
    Start,
    End,
    StartHalf,
    EndHalf,
}

const INSIDE: Around = Around { starts: false, ends: false };

#[derive(Debug)]
struct Kitchen<'b> {
    most_steps: usize,
    /// What bytes are where borders of words of Unicode are asked for, if that is known.
    borders: Option<&'b Borders>,
    steps: Vec<Step>,
    known: HashMap<Step, SetNumber>,
    /// Where so many of a class end that are in a row.
    runs: HashMap<(SetNumber, usize), SetNumber>,
    /// And those that begin after some set.
    counted: BTreeMap<(SetNumber, SetNumber, usize), SetNumber>,
    known_pairs: Vec<(Hir, Run)>,
    /// Where one round ends, where two do, and so on.
    known_powers: Vec<(Hir, Vec<Lengths>)>,
    with_feeds: Vec<SetNumber>,
}

impl Recipe {
    /// Compiles patterns, in their form for a buffer of many lines, and for text in which bytes are so much where borders
    /// of words of Unicode are asked for.
    ///
    /// # Errors
    /// If one may find nothing at all, has what cannot be said so, or they need too many steps.
    pub(super) fn new<'h>(
        forms: impl IntoIterator<Item = &'h Hir>,
        borders: Option<&Borders>,
    ) -> Result<Self, Unsuitable> {
        let forms: Vec<&Hir> = forms.into_iter().collect();
        let most_steps = MOST_STEPS * forms.len().min(SHARING);
        let mut kitchen = Kitchen {
            most_steps,
            borders,
            steps: Vec::new(),
            known: HashMap::new(),
            runs: HashMap::new(),
            counted: BTreeMap::new(),
            known_pairs: Vec::new(),
            known_powers: Vec::new(),
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

impl Kitchen<'_> {
    fn step(&mut self, step: Step) -> Result<SetNumber, Unsuitable> {
        if let Some(known) = self.known.get(&step) {
            return Ok(*known);
        }
        if self.steps.len() >= self.most_steps {
            return Err(Unsuitable);
        }
        let number = bit(BITS + self.steps.len());
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
        let ascii = Borders::ascii();
        let of_letters = self.borders.ok_or(Unsuitable);
        let (border, all) = match look {
            Look::Start
            | Look::StartLF
            | Look::StartCRLF
            | Look::End
            | Look::EndLF
            | Look::EndCRLF => return Err(Unsuitable),
            Look::WordAscii => (Border::Any, &ascii),
            Look::WordUnicode => (Border::Any, of_letters?),
            Look::WordAsciiNegate => (Border::None, &ascii),
            Look::WordUnicodeNegate => (Border::None, of_letters?),
            Look::WordStartAscii => (Border::Start, &ascii),
            Look::WordStartUnicode => (Border::Start, of_letters?),
            Look::WordEndAscii => (Border::End, &ascii),
            Look::WordEndUnicode => (Border::End, of_letters?),
            Look::WordStartHalfAscii => (Border::StartHalf, &ascii),
            Look::WordStartHalfUnicode => (Border::StartHalf, of_letters?),
            Look::WordEndHalfAscii => (Border::EndHalf, &ascii),
            Look::WordEndHalfUnicode => (Border::EndHalf, of_letters?),
        };
        // Beside what is no letter there is no border that asks for none of a word. Of ASCII all are letters.
        let needs_letters = match border {
            Border::None | Border::StartHalf | Border::EndHalf => true,
            Border::Any | Border::Start | Border::End => false,
        };
        let (end, begin) = (self.byte_set(&all.ends_word)?, self.byte_set(&all.begins_word)?);
        let other_end = self.class(|byte| all.ends_no_word(byte, needs_letters))?;
        let other_begin = self.class(|byte| all.begins_no_word(byte, needs_letters))?;
        // Nothing that a line has is before its first byte: there is the end of the line before.
        if !self.with_feeds.contains(&other_end) {
            self.with_feeds.push(other_end);
        }
        let mut between = |of, among| self.step(Step::After { of, by: 1, among });
        let (one, two) = match border {
            Border::Any => (between(end, other_begin)?, between(other_end, begin)?),
            Border::None => (between(end, begin)?, between(other_end, other_begin)?),
            Border::Start => return between(other_end, begin),
            Border::End => return between(end, other_begin),
            Border::StartHalf => {
                // Whatever there is before the place, what is behind it makes no difference.
                let any_other = self.class(|byte| !all.begins_word(byte))?;
                let mut between = |among| self.step(Step::After { of: other_end, by: 1, among });
                (between(any_other)?, between(begin)?)
            }
            Border::EndHalf => return Ok(other_begin),
        };
        self.step(Step::Either(one, two))
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
            of = self.step(Step::OrAfter { of, by: distance(by)?, among })?;
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
        self.step(Step::After { of, by: distance(by)?, among })
    }
}

/// Returns a distance that a step can have.
fn distance(by: usize) -> Result<Distance, Unsuitable> {
    Distance::try_from(by).ok().filter(|_| by <= MOST_BACK).ok_or(Unsuitable)
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
        Recipe::new(&forms, None).unwrap().steps.len()
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

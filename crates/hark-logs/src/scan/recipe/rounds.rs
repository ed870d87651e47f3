//! Rounds of more than one byte.

use std::collections::{BTreeMap, BTreeSet};

use regex_syntax::hir::{Class, Hir, HirKind, Repetition};

use super::step::{MOST_BACK, SetNumber, Step, TERMS, Terms};
use super::{From, INSIDE, Kitchen, Unsuitable, distance};
use crate::scan::pairs::Pairs;

/// So few rounds are not worth the steps that make them one each.
const FEW: usize = 3;

/// So many are worth those that make some of them one.
const MANY: usize = 12;

/// Bound on rounds that are one step: more are so many steps that few are saved.
const MOST_AT_ONCE: usize = 8;

/// The shortest and the longest round differ by less, if it is looked at by its lengths.
const SPREAD: usize = 8;

/// Where rounds may begin and end, and where a byte may follow the one before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    first: SetNumber,
    pairs: Option<SetNumber>,
    last: SetNumber,
}

/// Where something ends that begins anywhere, by its length.
pub(super) type Lengths = BTreeMap<usize, SetNumber>;

/// Whether something of these lengths can be after some places by one step.
fn fits_a_step(lengths: impl Iterator<Item = usize>) -> bool {
    let lengths: BTreeSet<usize> = lengths.collect();
    lengths.len() <= TERMS && lengths.last().is_none_or(|longest| *longest <= MOST_BACK)
}

impl Kitchen<'_> {
    pub(super) fn repeat(
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
        let explicit = if more.is_none() { min.saturating_sub(1) } else { min };
        let are_few = explicit + more.unwrap_or(0) < FEW;
        let mut end = from;
        if are_few {
            for _ in 0..explicit {
                end = self.add(sub, end, INSIDE, feeds)?;
            }
        } else {
            end = self.rounds(sub, end, explicit, feeds)?;
        }
        let Some(more) = more else {
            let any = self.any_number(sub, end)?;
            return if min == 0 { self.either(from, any) } else { Ok(any) };
        };
        for _ in 0..more {
            let next = if are_few {
                self.add(sub, end, INSIDE, feeds)?
            } else {
                self.rounds(sub, end, 1, feeds)?
            };
            let before = self.steps.len();
            end = self.either(end, next)?;
            if self.steps.len() == before {
                break;
            }
        }
        Ok(end)
    }

    /// So many rounds.
    fn rounds(
        &mut self,
        sub: &Hir,
        from: From,
        mut count: usize,
        feeds: SetNumber,
    ) -> Result<From, Unsuitable> {
        let mut end = from;
        let most = if count >= MANY { MOST_AT_ONCE } else { 1 };
        while count > 0 {
            let power = match end {
                From::After(of) => self.power(sub, count.min(most))?.map(|power| (of, power)),
                From::Anywhere | From::Before(..) => None,
            };
            let Some((of, (at_once, lengths))) = power else {
                end = self.add(sub, end, INSIDE, feeds)?;
                count -= 1;
                continue;
            };
            end = From::After(self.at_lengths(of, &lengths)?);
            count -= at_once;
        }
        Ok(end)
    }

    /// Returns where something ends that begins after `of`, by its lengths, which fit a step.
    pub(super) fn at_lengths(
        &mut self,
        of: SetNumber,
        lengths: &Lengths,
    ) -> Result<SetNumber, Unsuitable> {
        let mut terms = Terms::default();
        for (term, (by, among)) in terms.iter_mut().zip(lengths) {
            *term = Some((distance(*by)?, *among));
        }
        match terms {
            [Some((by, among)), None, ..] => self.step(Step::After { of, by, among }),
            _ => self.step(Step::AfterAny { of, terms }),
        }
    }

    /// Returns where some rounds of `sub` end, by their lengths: as many rounds as a step can be, but not more than
    /// `most`. None if already one is too many lengths.
    fn power(&mut self, sub: &Hir, most: usize) -> Result<Option<(usize, Lengths)>, Unsuitable> {
        let known = self.known_powers.iter().position(|(of, _)| of == sub);
        let mut powers = if let Some(known) = known {
            self.known_powers.swap_remove(known).1
        } else {
            let fits = |lengths: &Lengths| fits_a_step(lengths.keys().copied());
            self.lengths(sub)?.filter(fits).into_iter().collect()
        };
        while let (Some(one), Some(last)) = (powers.first(), powers.last())
            && powers.len() < most
            && fits_a_step(last.keys().flat_map(|a| one.keys().map(move |b| a + b)))
        {
            let next = self.longer(last, one, false)?;
            powers.push(next);
        }
        let at_once = powers.len().min(most);
        let power = at_once.checked_sub(1).and_then(|last| powers.get(last)).cloned();
        self.known_powers.push((sub.clone(), powers));
        Ok(power.map(|lengths| (at_once, lengths)))
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
        let few = |(least, most): (usize, usize)| least > 0 && most - least < SPREAD;
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
            HirKind::Class(Class::Unicode(class)) => return self.letters(class).map(Some),
            HirKind::Literal(literal) => {
                for byte in &literal.0 {
                    let class = self.class(|one| one == *byte)?;
                    lengths = self.longer(&lengths, &Lengths::from([(1, class)]), false)?;
                }
            }
            HirKind::Concat(parts) => {
                for part in parts {
                    let (part, may_be_none) = if let HirKind::Repetition(repetition) = part.kind()
                        && (repetition.min, repetition.max) == (0, Some(1))
                    {
                        (&*repetition.sub, true)
                    } else {
                        (part, false)
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

    pub(super) fn add_length(
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
}

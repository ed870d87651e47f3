//! Which patterns are in a line that was found.

use regex_automata::{PatternID, PatternSet};
use regex_syntax::hir::{Capture, Hir, HirKind, Repetition};

use super::TooLarge;
use super::along::Along;
use super::automaton::{Asked, Automaton};
use super::bits::Bits;
use super::borders::{has_unicode_borders, without_borders_in_text};
use super::part::{Numbered, Text, along, along_near};
use super::which::Which;

/// A repetition that is counted so high can make an automaton large, but not bits.
const HIGH: u32 = 6;

/// Tells which patterns are in one line or record.
#[derive(Debug)]
pub(super) struct Teller {
    how: Tell,
    /// Their numbers.
    numbers: Vec<PatternID>,
}

#[derive(Debug)]
enum Tell {
    /// What found the line knows; it may have the same numbers for them.
    Found {
        in_order: bool,
    },
    Bits(Bits),
    /// Many lines are looked at together, before the first of them is told (`ahead`).
    Along(Box<Along>),
    /// So are those that may have some of the patterns, and only these are told by others.
    Near(Box<Along>, Vec<Teller>),
    Automaton(Whole, PatternSet),
}

/// All patterns of a teller as automata.
#[derive(Debug)]
struct Whole {
    /// For text that is UTF-8, in which borders of Unicode words are no riddle.
    text: Box<Automaton>,
    /// For other bytes, if that makes a difference.
    bytes: Option<Box<Automaton>>,
}

/// Those that an automaton could be large for are told by their positions, the others by one automaton.
pub(super) fn tellers(patterns: &[Numbered], of: Text) -> Result<Vec<Teller>, TooLarge> {
    let by_positions = |pattern: &&Numbered| {
        (of.is_hostile() || is_high(&pattern.form)) && !pattern.has_crlf_mode()
    };
    let (high, mut low): (Vec<&Numbered>, Vec<&Numbered>) = patterns.iter().partition(by_positions);
    let mut tellers = Vec::new();
    let is_narrow = bits(&high).is_some_and(|bits| !bits.is_wide());
    let can_go_along = |pattern: &&Numbered| !is_narrow && along(&[*pattern]).is_ok();
    let (long, others): (Vec<&Numbered>, Vec<&Numbered>) = high.into_iter().partition(can_go_along);
    pack_along(long, &mut tellers);
    let can_go_near = |pattern: &&Numbered| !is_narrow && along_near(&[*pattern]).is_some();
    let (near, others): (Vec<&Numbered>, Vec<&Numbered>) =
        others.into_iter().partition(can_go_near);
    if let Some(along) = along_near(&near) {
        let numbers = near.iter().map(|pattern| pattern.number).collect();
        tellers.push(Teller { how: Tell::Near(along, exact(near, of)?), numbers });
    } else {
        low.extend(near);
    }
    // Many bits for each byte are the last resort.
    if is_narrow || of.is_hostile() {
        pack(others, &mut tellers, &mut low);
    } else {
        low.extend(others);
    }
    if !low.is_empty() {
        tellers.push(Teller::automaton(low)?);
    }
    Ok(tellers)
}

/// Tells patterns that do not go along the text.
pub(super) fn exact(patterns: Vec<&Numbered>, of: Text) -> Result<Vec<Teller>, TooLarge> {
    let (mut tellers, mut rest) = (Vec::new(), Vec::new());
    if of.is_hostile() {
        pack(patterns, &mut tellers, &mut rest);
    } else {
        rest = patterns;
    }
    if !rest.is_empty() {
        tellers.push(Teller::automaton(rest)?);
    }
    Ok(tellers)
}

/// Makes as few tellers as halving gives. Each pattern alone can be told so.
fn pack_along(mut patterns: Vec<&Numbered>, tellers: &mut Vec<Teller>) {
    if patterns.is_empty() {
        return;
    }
    let has_letters = |pattern: &&Numbered| pattern.has_letters();
    if patterns.iter().any(has_letters) && !patterns.iter().all(has_letters) {
        let (letters, others) = patterns.into_iter().partition(has_letters);
        pack_along(letters, tellers);
        pack_along(others, tellers);
        return;
    }
    if let Ok(along) = along(&patterns) {
        let numbers = patterns.iter().map(|pattern| pattern.number).collect();
        tellers.push(Teller { how: Tell::Along(along), numbers });
    } else {
        let others = patterns.split_off(patterns.len() / 2);
        pack_along(patterns, tellers);
        pack_along(others, tellers);
    }
}

/// Makes as few tellers as halving gives; leaves in `rest` what cannot be told so.
fn pack<'p>(
    mut patterns: Vec<&'p Numbered>,
    tellers: &mut Vec<Teller>,
    rest: &mut Vec<&'p Numbered>,
) {
    if patterns.is_empty() {
        return;
    }
    if let Some(bits) = bits(&patterns) {
        let numbers = patterns.iter().map(|pattern| pattern.number).collect();
        tellers.push(Teller { how: Tell::Bits(bits), numbers });
    } else if patterns.len() == 1 {
        rest.append(&mut patterns);
    } else {
        let others = patterns.split_off(patterns.len() / 2);
        pack(patterns, tellers, rest);
        pack(others, tellers, rest);
    }
}

/// Returns the positions of all of them as bits, if they tell exactly what the patterns say.
fn bits(patterns: &[&Numbered]) -> Option<Bits> {
    Bits::new(patterns.iter().map(|pattern| &pattern.form)).ok().filter(Bits::is_exact)
}

/// Returns true if a repetition in it is counted to more than a few.
fn is_high(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => false,
        HirKind::Repetition(Repetition { min, max, sub, .. }) => {
            *min >= HIGH || max.is_some_and(|max| max >= HIGH) || is_high(sub)
        }
        HirKind::Capture(Capture { sub, .. }) => is_high(sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().any(is_high),
    }
}

impl Teller {
    /// Of patterns that are told by what finds the line.
    pub(super) fn found(numbers: Vec<PatternID>) -> Self {
        let in_order = numbers.iter().enumerate().all(|(at, id)| at == id.as_usize());
        Self { how: Tell::Found { in_order }, numbers }
    }

    /// In a line alone its end is the end: the patterns as they are written.
    pub(super) fn automaton<'a>(
        patterns: impl IntoIterator<Item = &'a Numbered>,
    ) -> Result<Self, TooLarge> {
        let (numbers, forms): (Vec<PatternID>, Vec<&Hir>) =
            patterns.into_iter().map(|pattern| (pattern.number, &pattern.alone)).unzip();
        let which = |forms: &[&Hir]| Automaton::new(forms, Asked::Which).map(Box::new);
        let in_text: Vec<Hir> = forms.iter().map(|form| without_borders_in_text(form)).collect();
        // What stands beside borders may be larger than the borders.
        let text = which(&in_text.iter().collect::<Vec<_>>()).or_else(|_| which(&forms))?;
        let differ = forms.iter().any(|form| has_unicode_borders(form));
        let bytes = differ.then(|| which(&forms)).transpose()?;
        let set = PatternSet::new(numbers.len());
        Ok(Self { how: Tell::Automaton(Whole { text, bytes }, set), numbers })
    }

    /// Returns the numbers of its patterns.
    pub(super) fn numbers(&self) -> impl Iterator<Item = usize> {
        self.numbers.iter().map(PatternID::as_usize)
    }

    /// Returns true if it looks at many lines together.
    pub(super) fn is_along(&self) -> bool {
        matches!(self.how, Tell::Along(_) | Tell::Near(..))
    }

    pub(super) fn is_automaton(&self) -> bool {
        match &self.how {
            Tell::Automaton(..) => true,
            Tell::Near(_, exact) => exact.iter().any(Self::is_automaton),
            Tell::Found { .. } | Tell::Bits(_) | Tell::Along(_) => false,
        }
    }

    /// Returns what looks at many lines together, if it does.
    pub(super) fn along(&mut self) -> Option<&mut Along> {
        match &mut self.how {
            Tell::Along(along) | Tell::Near(along, _) => Some(along),
            Tell::Found { .. } | Tell::Bits(_) | Tell::Automaton(..) => None,
        }
    }

    /// Looks at a line that is told next, and was not looked at with others.
    pub(super) fn look(&mut self, text: &[u8]) {
        if let Some(along) = self.along() {
            along.look(text);
        }
    }

    /// Adds to `found` what found the line, in bits for its patterns, if it knows that by the same bits.
    pub(super) fn tell_at_once(&self, known: &[u64], found: &mut Which) -> bool {
        let is_known = matches!(self.how, Tell::Found { in_order: true });
        if is_known {
            found.add(known);
        }
        is_known
    }

    /// Adds to `found` which patterns are in the line or record that was found, which is `text`; what found
    /// it says that it has `known`.
    pub(super) fn tell(
        &mut self,
        text: &[u8],
        known: impl Iterator<Item = usize>,
        found: &mut Which,
    ) {
        let Self { how, numbers } = self;
        let mut add = |number: usize| {
            if let Some(id) = numbers.get(number) {
                found.insert(id.as_usize());
            }
        };
        match how {
            Tell::Found { .. } => known.take(numbers.len()).for_each(add),
            Tell::Along(along) => along.which().for_each(add),
            Tell::Near(along, exact) if along.which().next().is_some() => {
                for teller in exact {
                    teller.tell(text, std::iter::empty(), found);
                }
            }
            Tell::Near(..) => {}
            Tell::Bits(bits) => {
                bits.look(text);
                bits.which().for_each(add);
            }
            Tell::Automaton(Whole { text: of_text, bytes }, set) => {
                set.clear();
                let bytes = bytes.as_mut().filter(|_| std::str::from_utf8(text).is_err());
                bytes.unwrap_or(of_text).which(text, set);
                set.iter().for_each(|id| add(id.as_usize()));
            }
        }
    }

    /// Gives back the memory of what was learned so far.
    pub(super) fn forget(&mut self) {
        match &mut self.how {
            Tell::Automaton(Whole { text, bytes }, _) => {
                text.forget();
                if let Some(bytes) = bytes {
                    bytes.forget();
                }
            }
            Tell::Near(_, exact) => exact.iter_mut().for_each(Self::forget),
            Tell::Found { .. } | Tell::Bits(_) | Tell::Along(_) => {}
        }
    }

    /// Whether an automaton was of no use for what there was in the text.
    pub(super) fn has_given_up(&self) -> bool {
        match &self.how {
            Tell::Automaton(Whole { text, bytes }, _) => {
                text.is_dear() || bytes.as_ref().is_some_and(|bytes| bytes.is_dear())
            }
            Tell::Near(_, exact) => exact.iter().any(Self::has_given_up),
            Tell::Found { .. } | Tell::Bits(_) | Tell::Along(_) => false,
        }
    }

    /// Returns the bytes that it holds now.
    pub(super) fn memory(&self) -> usize {
        match &self.how {
            Tell::Found { .. } => 0,
            Tell::Bits(bits) => bits.memory(),
            Tell::Along(along) => along.memory(),
            Tell::Near(along, exact) => {
                along.memory() + exact.iter().map(Self::memory).sum::<usize>()
            }
            Tell::Automaton(Whole { text, bytes }, _) => {
                text.memory() + bytes.as_ref().map_or(0, |bytes| bytes.memory())
            }
        }
    }
}

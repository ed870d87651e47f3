//! Patterns that are found in the same way, and how they are found.

use regex_automata::{PatternID, PatternSet};
use regex_syntax::hir::{Capture, Hir, HirKind, Look, Repetition};

use super::automaton::{Asked, Automaton};
use super::bits::Bits;
use super::borders::without_borders;
use super::literals::{Finder, MOST, Needles};
use super::plain::plain;
use super::{TooLarge, Unit};
use crate::pattern::{Pattern, within_line};

/// Bound on passes over the buffer with bits: with more of them one automaton is faster.
const MOST_BITS: usize = 4;

/// Bound on passes over the buffer that look for words.
const MOST_FINDERS: usize = 4;

/// A repetition that is counted so high can make an automaton large, but not bits.
const HIGH: u32 = 6;

/// Counted repetitions of a pattern that is too large for bits are cut to this in the search for
/// lines that may have it.
const CUT: u32 = 16;

/// Some of the patterns, which are found in the same way.
#[derive(Debug)]
pub(super) struct Part {
    find: Find,
    tellers: Vec<Teller>,
    /// A place in the next line that may have one of them.
    pub(super) next: Option<usize>,
}

/// Finds lines that have one of the patterns, and perhaps others.
#[derive(Debug)]
enum Find {
    /// Every line has them.
    Everywhere,
    Words(Finder),
    Bits(Bits),
    Automaton(Box<Automaton>),
}

/// Tells which patterns are in one line or record.
#[derive(Debug)]
struct Teller {
    how: Tell,
    /// Their numbers.
    numbers: Vec<PatternID>,
}

#[derive(Debug)]
enum Tell {
    /// The bits that found the line know.
    Found,
    Bits(Bits),
    Automaton(Box<Automaton>, PatternSet),
}

/// A pattern with its number.
pub(super) struct Numbered {
    pub(super) number: PatternID,
    /// The form in which it is looked for in one line or record.
    alone: Hir,
    /// The form in which it is looked for in a buffer.
    form: Hir,
}

impl Numbered {
    pub(super) fn new(number: usize, pattern: &Pattern, unit: Unit) -> Self {
        let number = PatternID::new(number).unwrap_or(PatternID::MAX);
        let alone = plain(pattern.hir());
        let form = match unit {
            Unit::Lines => without_borders(&within_line(alone.clone())),
            Unit::Records => alone.clone(),
        };
        Self { number, alone, form }
    }

    /// Whether `$` is meant to find a `\r` in the middle of a line, `(?R)`: bits know it as the end.
    fn has_crlf_mode(&self) -> bool {
        self.alone.properties().look_set().contains(Look::EndCRLF)
    }
}

/// Puts patterns together that are found in the same way in a buffer of many lines.
///
/// # Errors
/// If they are too large together.
pub(super) fn group(patterns: Vec<Numbered>) -> Result<Vec<Part>, TooLarge> {
    let mut parts = Vec::new();
    let (mut plain, mut folded, mut rest) = (Vec::new(), Vec::new(), Vec::new());
    let mut everywhere = Vec::new();
    for pattern in patterns {
        if matches!(pattern.form.kind(), HirKind::Empty) {
            everywhere.push(pattern.number);
            continue;
        }
        match Needles::of(&pattern.form) {
            Some(needles) if needles.folded => folded.push((pattern, needles)),
            Some(needles) => plain.push((pattern, needles)),
            None => rest.push(pattern),
        }
    }
    if !everywhere.is_empty() {
        let teller = Teller { how: Tell::Found, numbers: everywhere };
        parts.push(Part { find: Find::Everywhere, tellers: vec![teller], next: None });
    }
    with_words(plain, &mut parts, &mut rest)?;
    with_words(folded, &mut parts, &mut rest)?;
    with_positions(rest, &mut parts)?;
    Ok(parts)
}

/// Makes parts of patterns that have words; leaves in `rest` what is too much.
fn with_words(
    patterns: Vec<(Numbered, Needles)>,
    parts: &mut Vec<Part>,
    rest: &mut Vec<Numbered>,
) -> Result<(), TooLarge> {
    let mut patterns = patterns.into_iter().peekable();
    while let Some((_, Needles { folded, .. })) = patterns.peek() {
        let folded = *folded;
        let mut words = Vec::new();
        let mut batch = Vec::new();
        while let Some((pattern, needles)) =
            patterns.next_if(|(_, needles)| words.len() + needles.words.len() <= MOST)
        {
            words.extend(needles.words);
            batch.push(pattern);
        }
        match Finder::new(&words, folded).filter(|_| parts.len() < MOST_FINDERS) {
            Some(finder) => {
                let tellers = tellers(&batch)?;
                parts.push(Part { find: Find::Words(finder), tellers, next: None });
            }
            None => rest.extend(batch),
        }
    }
    Ok(())
}

/// Makes parts of patterns that have no words.
fn with_positions(rest: Vec<Numbered>, parts: &mut Vec<Part>) -> Result<(), TooLarge> {
    let (mut exact, mut inexact, mut large) = (Vec::new(), Vec::new(), Vec::new());
    for mut pattern in rest {
        if pattern.has_crlf_mode() {
            large.push(pattern);
            continue;
        }
        if let Ok(bits) = Bits::new([&pattern.form]) {
            let fit = if bits.is_exact() { &mut exact } else { &mut inexact };
            fit.push(pattern);
            continue;
        }
        let cut = cut(&pattern.form);
        if Bits::new([&cut]).is_ok() {
            pattern.form = cut;
            inexact.push(pattern);
        } else {
            large.push(pattern);
        }
    }
    let (mut sure, mut unsure) = (Vec::new(), Vec::new());
    pack(&exact, &mut sure);
    pack(&inexact, &mut unsure);
    if sure.len() + unsure.len() > MOST_BITS {
        large.extend(exact);
        large.extend(inexact);
        parts.push(Part::automaton(&large)?);
        return Ok(());
    }
    for (bits, patterns) in sure {
        let numbers = patterns.iter().map(|pattern| pattern.number).collect();
        let teller = Teller { how: Tell::Found, numbers };
        parts.push(Part { find: Find::Bits(bits), tellers: vec![teller], next: None });
    }
    for (bits, patterns) in unsure {
        let teller = Teller::automaton(patterns)?;
        parts.push(Part { find: Find::Bits(bits), tellers: vec![teller], next: None });
    }
    if !large.is_empty() {
        parts.push(Part::automaton(&large)?);
    }
    Ok(())
}

/// Packs patterns, each of which fits, into as few machines as halving gives.
fn pack<'a>(patterns: &'a [Numbered], groups: &mut Vec<(Bits, &'a [Numbered])>) {
    if patterns.is_empty() {
        return;
    }
    if let Ok(bits) = Bits::new(patterns.iter().map(|pattern| &pattern.form)) {
        groups.push((bits, patterns));
        return;
    }
    let (first, second) = patterns.split_at(patterns.len() / 2);
    pack(first, groups);
    pack(second, groups);
}

/// Those that an automaton could be large for are told by bits, the others by one automaton.
fn tellers(patterns: &[Numbered]) -> Result<Vec<Teller>, TooLarge> {
    let (mut high, mut low): (Vec<&Numbered>, Vec<&Numbered>) =
        patterns.iter().partition(|pattern| is_high(&pattern.form) && !pattern.has_crlf_mode());
    let mut tellers = Vec::new();
    if !high.is_empty() {
        match Bits::new(high.iter().map(|pattern| &pattern.form)) {
            Ok(bits) if bits.is_exact() => {
                let numbers = high.iter().map(|pattern| pattern.number).collect();
                tellers.push(Teller { how: Tell::Bits(bits), numbers });
            }
            _ => low.append(&mut high),
        }
    }
    if !low.is_empty() {
        tellers.push(Teller::automaton(low)?);
    }
    Ok(tellers)
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

/// Returns a pattern that finds whatever `hir` does, and is smaller.
fn cut(hir: &Hir) -> Hir {
    match hir.kind() {
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => hir.clone(),
        HirKind::Repetition(repetition) => {
            let Repetition { min, max, greedy, sub } = repetition.clone();
            let max = max.filter(|max| *max <= CUT);
            Hir::repetition(Repetition { min: min.min(CUT), max, greedy, sub: Box::new(cut(&sub)) })
        }
        HirKind::Capture(Capture { sub, .. }) => cut(sub),
        HirKind::Concat(parts) => Hir::concat(parts.iter().map(cut).collect()),
        HirKind::Alternation(parts) => Hir::alternation(parts.iter().map(cut).collect()),
    }
}

impl Part {
    /// One whose patterns are found by an automaton, whatever they are.
    pub(super) fn automaton(patterns: &[Numbered]) -> Result<Self, TooLarge> {
        let forms: Vec<Hir> = patterns.iter().map(|pattern| pattern.form.clone()).collect();
        let find = Automaton::new(&[&Hir::alternation(forms)], Asked::Where)?;
        let tellers = vec![Teller::automaton(patterns)?];
        Ok(Self { find: Find::Automaton(Box::new(find)), tellers, next: None })
    }

    /// Another buffer comes.
    pub(super) fn begin(&mut self) {
        match &mut self.find {
            Find::Words(finder) => finder.begin(),
            Find::Bits(bits) => bits.begin(),
            Find::Everywhere | Find::Automaton(_) => {}
        }
    }

    /// Returns a place in the first line that may have one of the patterns, from `at` on, where a
    /// line begins.
    pub(super) fn find(&mut self, buffer: &[u8], at: usize) -> Option<usize> {
        match &mut self.find {
            Find::Everywhere => (at < buffer.len()).then_some(at),
            Find::Words(finder) => finder.find(buffer, at),
            Find::Bits(bits) => bits.find(buffer, at),
            Find::Automaton(automaton) if at <= buffer.len() => automaton.find(buffer, at),
            Find::Automaton(_) => None,
        }
    }

    /// Adds to `found` which patterns are in the line or record that was found, which is `text`.
    pub(super) fn tell(&mut self, text: &[u8], found: &mut PatternSet) {
        for Teller { how, numbers } in &mut self.tellers {
            let mut add = |number: usize| {
                numbers.get(number).map(|id| found.insert(*id));
            };
            match (how, &self.find) {
                (Tell::Found, Find::Bits(bits)) => bits.which().for_each(add),
                (Tell::Found, Find::Everywhere) => (0..numbers.len()).for_each(add),
                (Tell::Found, Find::Words(_) | Find::Automaton(_)) => {}
                (Tell::Bits(bits), _) => {
                    bits.look(text);
                    bits.which().for_each(add);
                }
                (Tell::Automaton(automaton, set), _) => {
                    set.clear();
                    automaton.which(text, set);
                    set.iter().for_each(|id| add(id.as_usize()));
                }
            }
        }
    }

    /// Returns the bytes that it holds now.
    pub(super) fn memory(&self) -> usize {
        let find = match &self.find {
            Find::Everywhere => 0,
            Find::Words(finder) => finder.memory(),
            Find::Bits(bits) => bits.memory(),
            Find::Automaton(automaton) => automaton.memory(),
        };
        let tellers = self.tellers.iter().map(|teller| match &teller.how {
            Tell::Found => 0,
            Tell::Bits(bits) => bits.memory(),
            Tell::Automaton(automaton, _) => automaton.memory(),
        });
        find + tellers.sum::<usize>()
    }
}

impl Teller {
    /// In a line alone its end is the end: the patterns as they are written.
    fn automaton<'a>(patterns: impl IntoIterator<Item = &'a Numbered>) -> Result<Self, TooLarge> {
        let (numbers, forms): (Vec<PatternID>, Vec<&Hir>) =
            patterns.into_iter().map(|pattern| (pattern.number, &pattern.alone)).unzip();
        let automaton = Automaton::new(&forms, Asked::Which)?;
        let set = PatternSet::new(numbers.len());
        Ok(Self { how: Tell::Automaton(Box::new(automaton), set), numbers })
    }
}

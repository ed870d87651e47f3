//! Patterns that are found in the same way, and how they are found.

use regex_automata::{PatternID, PatternSet};
use regex_syntax::hir::{Capture, Hir, HirKind, Look, Repetition};

use super::along::Along;
use super::automaton::{Asked, Automaton};
use super::bits::{Bits, LONG};
use super::borders::{
    has_unicode_borders, without_borders, without_borders_in_text, without_unicode_borders,
};
use super::gates::Gate;
use super::literals::{Finder, MOST, Needles};
use super::plain::plain;
use super::positions::Unsuitable;
use super::which::Which;
use super::{TooLarge, Unit};
use crate::pattern::{Pattern, within_line};

/// Bound on passes over the buffer with bits: with more of them one automaton is faster.
const MOST_BITS: usize = 4;

/// Bound on passes over the buffer that look for words.
const MOST_FINDERS: usize = 4;

/// A repetition that is counted so high can make an automaton large, but not bits.
const HIGH: u32 = 6;

/// Counted repetitions of a pattern that is too large for bits are cut to the first of these with which
/// it fits, in the search for lines that may have it.
const CUTS: [u32; 3] = [128, 32, 8];

/// Bytes of a line that is worth going along: shorter ones, each alone, are only a few words of text.
const LONG_LINE: usize = 1024;

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
    Along(Box<Along>),
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
    /// What found the line knows.
    Found,
    /// By the second one if the line is a [`LONG_LINE`].
    Bits(Bits, Option<Box<Along>>),
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

/// A pattern with its number.
pub(super) struct Numbered {
    pub(super) number: PatternID,
    /// The form in which it is looked for in one line or record.
    alone: Hir,
    /// The form in which it is looked for in a buffer.
    form: Hir,
    /// Bytes that a line with a match has at least.
    least: usize,
}

impl Numbered {
    pub(super) fn new(number: usize, pattern: &Pattern, unit: Unit) -> Self {
        let number = PatternID::new(number).unwrap_or(PatternID::MAX);
        let alone = plain(pattern.hir());
        let form = match unit {
            Unit::Lines => without_borders(&within_line(alone.clone())),
            Unit::Records => alone.clone(),
        };
        let least = alone.properties().minimum_len().unwrap_or(0);
        Self { number, alone, form, least }
    }

    /// Whether what is found in a record by its form is what the pattern finds.
    pub(super) fn is_sure(&self) -> bool {
        !has_unicode_borders(&self.form)
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
    let (dear, mut rest): (Vec<Numbered>, Vec<Numbered>) = rest.into_iter().partition(is_dear);
    let mut along = Vec::new();
    pack_along(dear, &mut along, &mut rest);
    let n_along = along.len();
    parts.append(&mut along);
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
        let mut cuts = CUTS.iter().map(|most| cut(&pattern.form, *most));
        if let Some(cut) = cuts.find(|cut| Bits::new([cut]).is_ok()) {
            pattern.form = cut;
            inexact.push(pattern);
        } else {
            large.push(pattern);
        }
    }
    let (mut sure, mut unsure) = (Vec::new(), Vec::new());
    for (patterns, groups) in [(&mut exact, &mut sure), (&mut inexact, &mut unsure)] {
        // Those that short lines are too short for stand apart.
        patterns.sort_by_key(|pattern| pattern.least >= LONG);
        let (usual, long) = patterns.split_at(patterns.partition_point(|p| p.least < LONG));
        pack(usual, groups);
        pack(long, groups);
    }
    if n_along + sure.len() + unsure.len() > MOST_BITS {
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

/// Whether the pattern would cost some words of bits for each byte, in lines that it is not too long for.
fn is_dear(pattern: &Numbered) -> bool {
    !pattern.has_crlf_mode()
        && (pattern.least >= LONG
            || Bits::new([&pattern.form]).map_or(true, |bits| bits.is_exact() && bits.is_wide()))
}

/// Makes as few parts as halving gives; leaves in `rest` what cannot be looked for so.
fn pack_along(mut patterns: Vec<Numbered>, parts: &mut Vec<Part>, rest: &mut Vec<Numbered>) {
    if patterns.is_empty() {
        return;
    }
    match along(&patterns.iter().collect::<Vec<_>>()) {
        Ok(along) => {
            let numbers = patterns.iter().map(|pattern| pattern.number).collect();
            let tellers = vec![Teller { how: Tell::Found, numbers }];
            parts.push(Part { find: Find::Along(along), tellers, next: None });
        }
        Err(_) if patterns.len() == 1 => rest.append(&mut patterns),
        Err(_) => {
            let others = patterns.split_off(patterns.len() / 2);
            pack_along(patterns, parts, rest);
            pack_along(others, parts, rest);
        }
    }
}

/// Packs patterns, each of which fits, into as few machines as halving gives.
fn pack<'a>(patterns: &'a [Numbered], groups: &mut Vec<(Bits, &'a [Numbered])>) {
    if patterns.is_empty() {
        return;
    }
    if let Ok(mut bits) = Bits::new(patterns.iter().map(|pattern| &pattern.form)) {
        if patterns.iter().all(|pattern| pattern.least >= LONG) {
            let gate = |pattern: &Numbered| Gate::new(&pattern.form, pattern.least);
            bits.leave_out_lines(patterns.iter().map(gate).collect());
        }
        groups.push((bits, patterns));
        return;
    }
    let (first, second) = patterns.split_at(patterns.len() / 2);
    pack(first, groups);
    pack(second, groups);
}

/// Those that an automaton could be large for are told by bits, the others by one automaton.
fn tellers(patterns: &[Numbered]) -> Result<Vec<Teller>, TooLarge> {
    let (high, mut low): (Vec<&Numbered>, Vec<&Numbered>) =
        patterns.iter().partition(|pattern| is_high(&pattern.form) && !pattern.has_crlf_mode());
    let mut tellers = Vec::new();
    if !high.is_empty() {
        let numbers = high.iter().map(|pattern| pattern.number).collect();
        let bits = Bits::new(high.iter().map(|pattern| &pattern.form));
        let bits = bits.ok().filter(Bits::is_exact);
        match bits {
            Some(bits) => {
                let along = if bits.is_wide() { along(&high).ok() } else { None };
                tellers.push(Teller { how: Tell::Bits(bits, along), numbers });
            }
            None => low.extend(high),
        }
    }
    if !low.is_empty() {
        tellers.push(Teller::automaton(low)?);
    }
    Ok(tellers)
}

fn along(patterns: &[&Numbered]) -> Result<Box<Along>, Unsuitable> {
    let gates = patterns.iter().map(|pattern| Gate::new(&pattern.form, pattern.least)).collect();
    Along::new(patterns.iter().map(|pattern| &pattern.form), gates).map(Box::new)
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

/// Returns a pattern that finds whatever `hir` does, and counts no repetition higher than to `most`.
fn cut(hir: &Hir, most: u32) -> Hir {
    match hir.kind() {
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => hir.clone(),
        HirKind::Repetition(repetition) => {
            let Repetition { min, max, greedy, sub } = repetition.clone();
            let max = max.filter(|max| *max <= most);
            Hir::repetition(Repetition {
                min: min.min(most),
                max,
                greedy,
                sub: Box::new(cut(&sub, most)),
            })
        }
        HirKind::Capture(Capture { sub, .. }) => cut(sub, most),
        HirKind::Concat(parts) => Hir::concat(parts.iter().map(|part| cut(part, most)).collect()),
        HirKind::Alternation(parts) => {
            Hir::alternation(parts.iter().map(|part| cut(part, most)).collect())
        }
    }
}

impl Part {
    /// One whose patterns are found by an automaton, whatever they are.
    pub(super) fn automaton(patterns: &[Numbered]) -> Result<Self, TooLarge> {
        // With borders of Unicode words it would be slow; whatever it finds is looked at again.
        let form = |pattern: &Numbered| without_unicode_borders(&pattern.form);
        let forms: Vec<Hir> = patterns.iter().map(form).collect();
        let find = Automaton::new(&[&Hir::alternation(forms)], Asked::Where)?;
        let tellers = vec![Teller::automaton(patterns)?];
        Ok(Self { find: Find::Automaton(Box::new(find)), tellers, next: None })
    }

    /// Another buffer comes.
    pub(super) fn begin(&mut self) {
        match &mut self.find {
            Find::Words(finder) => finder.begin(),
            Find::Bits(bits) => bits.begin(),
            Find::Along(along) => along.begin(),
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
            Find::Along(along) => along.find(buffer, at),
            Find::Automaton(automaton) if at <= buffer.len() => automaton.find(buffer, at),
            Find::Automaton(_) => None,
        }
    }

    /// Adds to `found` which patterns are in a line that was not found before.
    pub(super) fn tell_anew(&mut self, text: &[u8], found: &mut Which) {
        match &mut self.find {
            Find::Bits(bits) => bits.look(text),
            Find::Along(along) => along.look(text),
            Find::Everywhere | Find::Words(_) | Find::Automaton(_) => {}
        }
        self.tell(text, found);
    }

    /// Returns true if it has all lines, which need not be looked at for that.
    pub(super) fn is_everywhere(&self) -> bool {
        matches!(self.find, Find::Everywhere)
    }

    /// Returns the numbers of its patterns.
    pub(super) fn numbers(&self) -> impl Iterator<Item = usize> {
        let numbers = self.tellers.iter().flat_map(|teller| &teller.numbers);
        numbers.map(PatternID::as_usize)
    }

    /// Gives back the memory of what was learned so far.
    pub(super) fn forget(&mut self) {
        if let Find::Automaton(automaton) = &mut self.find {
            automaton.forget();
        }
        for teller in &mut self.tellers {
            if let Tell::Automaton(Whole { text, bytes }, _) = &mut teller.how {
                text.forget();
                if let Some(bytes) = bytes {
                    bytes.forget();
                }
            }
        }
    }

    /// Adds to `found` which patterns are in the line or record that was found, which is `text`.
    pub(super) fn tell(&mut self, text: &[u8], found: &mut Which) {
        for Teller { how, numbers } in &mut self.tellers {
            let mut add = |number: usize| {
                if let Some(id) = numbers.get(number) {
                    found.insert(id.as_usize());
                }
            };
            match (how, &self.find) {
                (Tell::Found, Find::Bits(bits)) => bits.which().for_each(add),
                (Tell::Found, Find::Along(along)) => along.which().for_each(add),
                (Tell::Found, Find::Everywhere) => (0..numbers.len()).for_each(add),
                (Tell::Found, Find::Words(_) | Find::Automaton(_)) => {}
                (Tell::Bits(_, Some(along)), _) if text.len() >= LONG_LINE => {
                    along.look(text);
                    along.which().for_each(add);
                }
                (Tell::Bits(bits, _), _) => {
                    bits.look(text);
                    bits.which().for_each(add);
                }
                (Tell::Automaton(Whole { text: of_text, bytes }, set), _) => {
                    set.clear();
                    let bytes = bytes.as_mut().filter(|_| std::str::from_utf8(text).is_err());
                    bytes.unwrap_or(of_text).which(text, set);
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
            Find::Along(along) => along.memory(),
            Find::Automaton(automaton) => automaton.memory(),
        };
        let tellers = self.tellers.iter().map(|teller| match &teller.how {
            Tell::Found => 0,
            Tell::Bits(bits, along) => {
                bits.memory() + along.as_ref().map_or(0, |along| along.memory())
            }
            Tell::Automaton(Whole { text, bytes }, _) => {
                text.memory() + bytes.as_ref().map_or(0, |bytes| bytes.memory())
            }
        });
        find + tellers.sum::<usize>()
    }
}

impl Teller {
    /// In a line alone its end is the end: the patterns as they are written.
    fn automaton<'a>(patterns: impl IntoIterator<Item = &'a Numbered>) -> Result<Self, TooLarge> {
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
}

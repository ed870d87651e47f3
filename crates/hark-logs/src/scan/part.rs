//! Patterns that are found in the same way, and how they are found.

use std::ops::Range;

use regex_automata::PatternID;
use regex_syntax::hir::{Capture, Hir, HirKind, Look, Repetition};

use super::ahead::Ahead;
use super::along::Along;
use super::automaton::{Asked, Automaton};
use super::bits::{Bits, LONG};
use super::borders::{has_unicode_borders, without_borders, without_unicode_borders};
use super::gates::Gate;
use super::letters::has_letters;
use super::literals::{Finder, MOST, Needles};
use super::near::{Kept, near, uncounted};
use super::plain::plain;
use super::positions::Unsuitable;
use super::teller::{Teller, exact, tellers};
use super::which::Which;
use super::{TooLarge, Unit};
use crate::pattern::{Pattern, within_line};

/// Bound on passes over the buffer with bits: with more of them one automaton is faster.
const MOST_BITS: usize = 4;

/// Bound on passes over the buffer that look for words.
const MOST_FINDERS: usize = 4;

/// Counted repetitions of a pattern that is too large for bits are cut to the first of these with which
/// it fits, in the search for lines that may have it.
const CUTS: [u32; 3] = [128, 32, 8];

/// So much work for each word of text and pattern does not matter beside the rest.
const CHEAP: usize = 32;

/// So much for all patterns together is about a nanosecond for each byte.
const LITTLE: usize = 320;

/// Some of the patterns, which are found in the same way.
#[derive(Debug)]
pub(super) struct Part {
    find: Find,
    tellers: Vec<Teller>,
    /// Lines that words were found in, if some teller looks at many at once.
    ahead: Option<Ahead>,
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

/// What is known of the text that patterns are looked for in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Text {
    /// Nothing yet. Automata are small for most patterns.
    Any,
    /// It made an automaton of these patterns so large that it was of no use.
    Hostile,
    /// So it did, and so many lines have hits that words are of no use. Some patterns are of letters.
    Crowded,
}

impl Text {
    /// Whether automata are of no use.
    pub(super) fn is_hostile(self) -> bool {
        match self {
            Self::Any => false,
            Self::Hostile | Self::Crowded => true,
        }
    }
}

/// A pattern with its number.
pub(super) struct Numbered {
    pub(super) number: PatternID,
    /// The form in which it is looked for in one line or record.
    pub(super) alone: Hir,
    /// The form in which it is looked for in a buffer.
    pub(super) form: Hir,
    /// Bytes that a line with a match has at least.
    least: usize,
    has_letters: bool,
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
        let has_letters = has_letters(&form);
        Self { number, alone, form, least, has_letters }
    }

    /// Whether what is found in a record by its form is what the pattern finds.
    pub(super) fn is_sure(&self) -> bool {
        !has_unicode_borders(&self.form)
    }

    /// Whether letters of it are better written as one byte each.
    pub(super) fn has_letters(&self) -> bool {
        self.has_letters
    }

    /// Whether `$` is meant to find a `\r` in the middle of a line, `(?R)`: bits know it as the end.
    pub(super) fn has_crlf_mode(&self) -> bool {
        self.alone.properties().look_set().contains(Look::EndCRLF)
    }
}

/// Puts patterns together that are found in the same way in a buffer of many lines.
///
/// # Errors
/// If they are too large together.
pub(super) fn group(patterns: Vec<Numbered>, of: Text) -> Result<Vec<Part>, TooLarge> {
    let mut parts = Vec::new();
    let (mut plain, mut folded, mut rest) = (Vec::new(), Vec::new(), Vec::new());
    let mut everywhere = Vec::new();
    let mut patterns = patterns;
    if of == Text::Crowded {
        let goes_along = |pattern: &Numbered| !pattern.has_crlf_mode() && along(&[pattern]).is_ok();
        let (dear, others) = patterns.into_iter().partition(goes_along);
        pack_along(dear, &mut parts);
        patterns = others;
    }
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
        parts.push(Part::new(Find::Everywhere, vec![Teller::found(everywhere)]));
    }
    with_words(plain, of, &mut parts, &mut rest)?;
    with_words(folded, of, &mut parts, &mut rest)?;
    with_positions(rest, of, &mut parts)?;
    Ok(parts)
}

/// Makes parts of patterns that have words; leaves in `rest` what is too much.
fn with_words(
    patterns: Vec<(Numbered, Needles)>,
    of: Text,
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
                parts.push(Part::new(Find::Words(finder), tellers(&batch, of)?));
            }
            None => rest.extend(batch),
        }
    }
    Ok(())
}

/// Makes parts of patterns that have no words.
fn with_positions(rest: Vec<Numbered>, of: Text, parts: &mut Vec<Part>) -> Result<(), TooLarge> {
    let is_hostile = of.is_hostile();
    let are_dear = match Bits::new(rest.iter().map(|pattern| &pattern.form)) {
        // What bits do not tell an automaton would, which is of no use.
        Ok(bits) => is_hostile && (bits.is_wide() || !bits.is_exact()),
        Err(Unsuitable) => is_hostile || is_little_along(&rest),
    };
    let goes_along = |pattern: &Numbered| {
        !pattern.has_crlf_mode() && (are_dear || is_dear(pattern)) && along(&[pattern]).is_ok()
    };
    let (dear, rest): (Vec<Numbered>, Vec<Numbered>) = rest.into_iter().partition(goes_along);
    let n_before = parts.len();
    pack_along(dear, parts);
    let rest = pack_near(rest, of, parts)?;
    let n_along = parts.len() - n_before;
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
    if n_along + sure.len() + unsure.len() > MOST_BITS && !is_hostile {
        large.extend(exact);
        large.extend(inexact);
        if !large.is_empty() {
            parts.push(Part::automaton(&large)?);
        }
        return Ok(());
    }
    for (bits, patterns) in sure {
        let numbers = patterns.iter().map(|pattern| pattern.number).collect();
        parts.push(Part::new(Find::Bits(bits), vec![Teller::found(numbers)]));
    }
    for (bits, patterns) in unsure {
        parts.push(Part::new(Find::Bits(bits), vec![Teller::automaton(patterns)?]));
    }
    if !large.is_empty() {
        parts.push(Part::automaton(&large)?);
    }
    Ok(())
}

/// Whether the pattern would cost some words of bits for each byte, in lines that it is not too long for.
fn is_dear(pattern: &Numbered) -> bool {
    pattern.least >= LONG
        || Bits::new([&pattern.form]).map_or(true, |bits| bits.is_exact() && bits.is_wide())
}

/// Whether patterns that are too many for bits go along the text with less work than an automaton would be that the
/// text may make useless.
fn is_little_along(patterns: &[Numbered]) -> bool {
    let all: Vec<&Numbered> = patterns.iter().collect();
    let is_little = |along: Box<Along>| along.cost() <= LITTLE;
    !all.iter().any(|pattern| pattern.has_crlf_mode()) && along(&all).is_ok_and(is_little)
}

/// Makes as few parts as halving gives. Each pattern alone can be looked for so.
fn pack_along(mut patterns: Vec<Numbered>, parts: &mut Vec<Part>) {
    if patterns.is_empty() {
        return;
    }
    if patterns.iter().any(Numbered::has_letters) && !patterns.iter().all(Numbered::has_letters) {
        let (letters, others): (Vec<_>, Vec<_>) =
            patterns.into_iter().partition(Numbered::has_letters);
        let has_letters = |pattern: &Numbered| has_letters(&uncounted(&pattern.form));
        let (unsure, others) = others.into_iter().partition(has_letters);
        pack_letters(letters, unsure, parts);
        pack_along(others, parts);
        return;
    }
    if let Ok(along) = along(&patterns.iter().collect::<Vec<_>>()) {
        let numbers = patterns.iter().map(|pattern| pattern.number).collect();
        parts.push(Part::new(Find::Along(along), vec![Teller::found(numbers)]));
    } else {
        let others = patterns.split_off(patterns.len() / 2);
        pack_along(patterns, parts);
        pack_along(others, parts);
    }
}

/// Makes one part of patterns of letters and of those that count bytes beside letters, if that can be.
fn pack_letters(letters: Vec<Numbered>, unsure: Vec<Numbered>, parts: &mut Vec<Part>) {
    if unsure.is_empty() {
        pack_along(letters, parts);
        return;
    }
    let all = || letters.iter().chain(&unsure);
    let sure = letters.iter().map(|pattern| pattern.form.clone());
    let forms: Vec<Hir> = sure.chain(unsure.iter().map(|p| uncounted(&p.form))).collect();
    let gates = all().map(|pattern| Gate::new(&pattern.form, pattern.least)).collect();
    let exact = along(&unsure.iter().collect::<Vec<_>>());
    if let (Ok(found), Ok(exact)) = (Along::of_letters(&forms, gates), exact) {
        let numbers = all().map(|pattern| pattern.number).collect();
        let find = Find::Along(Box::new(found.ask(exact)));
        parts.push(Part::new(find, vec![Teller::found(numbers)]));
    } else {
        pack_along(letters, parts);
        pack_along(unsure, parts);
    }
}

/// Makes a part of patterns that are dear, which goes along the text and finds more than they do. Returns the
/// others.
fn pack_near(
    patterns: Vec<Numbered>,
    of: Text,
    parts: &mut Vec<Part>,
) -> Result<Vec<Numbered>, TooLarge> {
    let goes_near = |pattern: &Numbered| {
        !pattern.has_crlf_mode() && is_dear(pattern) && along_near(&[pattern]).is_some()
    };
    let (near, mut rest): (Vec<Numbered>, Vec<Numbered>) =
        patterns.into_iter().partition(goes_near);
    match along_near(&near.iter().collect::<Vec<_>>()) {
        Some(along) => {
            let tellers = exact(near.iter().collect(), of)?;
            parts.push(Part::new(Find::Along(along), tellers));
        }
        None => rest.extend(near),
    }
    Ok(rest)
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

/// What goes along the text and finds these patterns: letters may be written as bytes, if that is less work.
pub(super) fn along(patterns: &[&Numbered]) -> Result<Box<Along>, Unsuitable> {
    let forms = || patterns.iter().map(|pattern| &pattern.form);
    let gates = || patterns.iter().map(|p| Gate::new(&p.form, p.least)).collect();
    let usual = Along::new(forms(), gates());
    let of_letters = patterns
        .iter()
        .any(|pattern| pattern.has_letters)
        .then(|| Along::of_letters(forms(), gates()));
    let ways = [usual, of_letters.unwrap_or(Err(Unsuitable))];
    let cheapest = ways.into_iter().flatten().min_by_key(Along::cost);
    cheapest.map(Box::new).ok_or(Unsuitable)
}

/// What goes along the text and finds at least these patterns, if there is such a thing.
pub(super) fn along_near(patterns: &[&Numbered]) -> Option<Box<Along>> {
    if patterns.is_empty() {
        return None;
    }
    let made = |kept| {
        let forms: Vec<Hir> = patterns.iter().map(|pattern| near(&pattern.form, kept)).collect();
        let least = |form: &Hir| form.properties().minimum_len().unwrap_or(0);
        let gates = forms.iter().map(|form| Gate::new(form, least(form))).collect();
        Along::new(&forms, gates).map(Box::new).ok()
    };
    let most = made(Kept::Most);
    if most.as_ref().is_some_and(|along| along.cost() <= CHEAP * patterns.len()) {
        return most;
    }
    [most, made(Kept::Runs)].into_iter().flatten().min_by_key(|along| along.cost())
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
    fn new(find: Find, tellers: Vec<Teller>) -> Self {
        let ahead = tellers.iter().any(Teller::is_along).then(Ahead::default);
        Self { find, tellers, ahead, next: None }
    }

    /// One whose patterns are found by an automaton, whatever they are.
    pub(super) fn automaton(patterns: &[Numbered]) -> Result<Self, TooLarge> {
        // With borders of Unicode words it would be slow; whatever it finds is looked at again.
        let form = |pattern: &Numbered| without_unicode_borders(&pattern.form);
        let forms: Vec<Hir> = patterns.iter().map(form).collect();
        let find = Automaton::new(&[&Hir::alternation(forms)], Asked::Where)?;
        let tellers = vec![Teller::automaton(patterns)?];
        Ok(Self::new(Find::Automaton(Box::new(find)), tellers))
    }

    /// Another buffer comes.
    pub(super) fn begin(&mut self) {
        match &mut self.find {
            Find::Words(finder) => finder.begin(),
            Find::Bits(bits) => bits.begin(),
            Find::Along(along) => along.begin(),
            Find::Everywhere | Find::Automaton(_) => {}
        }
        if let Some(ahead) = &mut self.ahead {
            ahead.begin();
        }
    }

    /// Returns a place in the first line that may have one of the patterns, from `at` on, where a
    /// line begins.
    pub(super) fn find(&mut self, buffer: &[u8], at: usize) -> Option<usize> {
        match &mut self.find {
            Find::Everywhere => (at < buffer.len()).then_some(at),
            Find::Words(finder) => match &mut self.ahead {
                Some(ahead) => ahead.find(finder, &mut self.tellers, buffer, at),
                None => finder.find(buffer, at),
            },
            Find::Bits(bits) => bits.find(buffer, at),
            Find::Along(along) => along.find(buffer, at),
            Find::Automaton(automaton) if at <= buffer.len() => automaton.find(buffer, at),
            Find::Automaton(_) => None,
        }
    }

    /// Returns where the line stands that was found, to its `\n`, if that is known.
    pub(super) fn line(&self) -> Option<Range<usize>> {
        match &self.find {
            Find::Along(along) => along.line(),
            Find::Everywhere | Find::Words(_) | Find::Bits(_) | Find::Automaton(_) => None,
        }
    }

    /// Adds to `found` which patterns are in a line that was not found before.
    pub(super) fn tell_anew(&mut self, text: &[u8], found: &mut Which) {
        match &mut self.find {
            Find::Bits(bits) => bits.look(text),
            Find::Along(along) => along.look(text),
            Find::Everywhere | Find::Words(_) | Find::Automaton(_) => {}
        }
        self.tellers.iter_mut().for_each(|teller| teller.look(text));
        self.tell(text, found);
    }

    /// Returns true if it has all lines, which need not be looked at for that.
    pub(super) fn is_everywhere(&self) -> bool {
        matches!(self.find, Find::Everywhere)
    }

    /// Returns the numbers of its patterns.
    pub(super) fn numbers(&self) -> impl Iterator<Item = usize> {
        self.tellers.iter().flat_map(Teller::numbers)
    }

    /// Gives back the memory of what was learned so far.
    pub(super) fn forget(&mut self) {
        if let Find::Automaton(automaton) = &mut self.find {
            automaton.forget();
        }
        self.tellers.iter_mut().for_each(Teller::forget);
    }

    /// Whether an automaton was of no use for what there was in the text.
    pub(super) fn has_given_up(&self) -> bool {
        let found = match &self.find {
            Find::Automaton(automaton) => automaton.is_dear(),
            Find::Bits(bits) => bits.has_given_up(),
            Find::Everywhere | Find::Words(_) | Find::Along(_) => false,
        };
        found || self.tellers.iter().any(Teller::has_given_up)
    }

    /// Whether it asks any automaton.
    pub(super) fn has_automaton(&self) -> bool {
        matches!(self.find, Find::Automaton(_)) || self.tellers.iter().any(Teller::is_automaton)
    }

    /// Whether it may have found a record that has nothing.
    pub(super) fn has_guessed(&self) -> bool {
        matches!(&self.find, Find::Automaton(automaton) if automaton.has_guessed())
    }

    /// Adds to `found` which patterns are in the line or record that was found, which is `text`.
    pub(super) fn tell(&mut self, text: &[u8], found: &mut Which) {
        for teller in &mut self.tellers {
            match &self.find {
                Find::Bits(bits) => teller.tell(text, bits.which(), found),
                Find::Along(along) if teller.tell_at_once(along.found(), found) => {}
                Find::Along(along) => teller.tell(text, along.which(), found),
                Find::Everywhere => teller.tell(text, 0..usize::MAX, found),
                Find::Words(_) | Find::Automaton(_) => teller.tell(text, 0..0, found),
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
        let ahead = self.ahead.as_ref().map_or(0, Ahead::memory);
        let tellers = self.tellers.iter().map(Teller::memory);
        find + ahead + tellers.sum::<usize>()
    }
}

//! All patterns of a file in one pass.
//!
//! A whole buffer of lines is looked at, not each line: most lines hold nothing, and looking for their
//! ends would cost more than looking for the patterns. Only a line that may have a hit is cut out and
//! asked which patterns are in it. Each pattern is first written without what makes no difference to
//! whether a line has it (`plain`, `borders`). How it is looked for then depends on what it is:
//!
//! | it | is found by | and then |
//! | --- | --- | --- |
//! | has a rare word in every match | the words of all such patterns at once, with vectors (`literals`) | the line is looked at with an automaton of these patterns |
//! | has none | its positions as bits (`bits`), a few operations a byte, or by a table where that is small (`table`) | nothing: the bits tell which patterns |
//! | has none and very many positions | for each of some steps through it, the places of the text that it has come to, 64 in a word (`along`, `recipe`, `sets`) | nothing, as above |
//! | has these and ways back | in the same way, if each byte says where in a round it is (`pairs`) | nothing, as above |
//! | has other ways back | in the same way what finds more (`near`) | one of the others for the line |
//! | has letters of many kinds that are not ASCII | one of the ways along the text, which is written with one byte for each letter before (`letters`) | nothing, as above |
//! | has a rare word and very many positions | the words, as above | some lines are looked at together, along the text (`ahead`) |
//! | may be nothing at all | every line has it | nothing |
//! | has none and is too large for that | an automaton that is made lazily within bounds | another one of these patterns |
//!
//! Text that makes an automaton or a table of some patterns too large again and again has them looked for
//! by their positions alone from then on (`part`), or along the text; where most lines have hits, patterns of letters
//! whatever words they have.
//!
//! Where so many lines have hits that this is dear, all of the text goes through a table that tells all of
//! them (`dense`, `rows`); `choice` says when.
//!
//! The time of a pass is linear in the buffer, whatever the patterns and the text.

mod ahead;
mod along;
mod automaton;
mod bits;
mod borders;
mod choice;
mod dense;
mod ends;
mod gates;
mod letters;
mod literals;
mod machine;
mod near;
mod pairs;
mod part;
mod plain;
mod positions;
mod recipe;
mod rows;
mod sets;
mod subsets;
mod table;
mod teller;
mod which;
mod widths;

use std::ops::Range;

use thiserror::Error;

use self::choice::{Choice, Counted, LINES};
use self::dense::Seen;
use self::part::{Numbered, Part, Text};
pub use self::which::Which;
use crate::pattern::Pattern;

/// Why patterns cannot be looked for together.
#[derive(Debug, Error)]
#[error("the patterns of one file together are too large: {0}")]
pub struct TooLarge(String);

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unit {
    /// Lines, many in a buffer.
    Lines,
    /// Records of one or more lines, one by one.
    Records,
}

/// Patterns, ready to be looked for.
#[derive(Debug)]
pub struct Scanner {
    parts: Vec<Part>,
    /// What they were made for.
    text: Text,
    /// Whether some are better looked for with letters as one byte each, where words are of no use.
    has_letters: bool,
    /// Whether what a part finds in a record needs no second look: there is one pattern.
    sure: bool,
    found: Which,
    /// For lines: which way to go.
    choice: Choice,
}

impl Scanner {
    /// Compiles `patterns`.
    ///
    /// # Errors
    /// If they are too large together.
    pub fn new<'p>(
        patterns: impl IntoIterator<Item = &'p Pattern>,
        unit: Unit,
    ) -> Result<Self, TooLarge> {
        let patterns: Vec<&Pattern> = patterns.into_iter().collect();
        let choice = Choice::new(if unit == Unit::Lines { &patterns } else { &[] });
        let patterns: Vec<Numbered> = patterns
            .into_iter()
            .enumerate()
            .map(|(at, pattern)| Numbered::new(at, pattern, unit))
            .collect();
        debug_assert!(!patterns.is_empty(), "a watch has a pattern");
        let n_patterns = patterns.len();
        let has_letters = patterns.iter().any(Numbered::has_letters);
        let sure =
            n_patterns == 1 && unit == Unit::Records && patterns.iter().all(Numbered::is_sure);
        let parts = match unit {
            Unit::Lines => part::group(patterns, Text::Any)?,
            Unit::Records => vec![Part::automaton(&patterns)?],
        };
        let mut found = Which::none_of(n_patterns);
        if sure {
            found.insert(0);
        }
        Ok(Self { parts, text: Text::Any, has_letters, sure, found, choice })
    }

    /// Looks through `buffer`, which holds whole lines (the last one's end may be missing), and
    /// calls `hit` for each line that has any of the patterns, with its place without its end, and
    /// the numbers of the patterns.
    pub fn lines(&mut self, buffer: &[u8], mut hit: impl FnMut(Range<usize>, &Which)) {
        let mut from = 0;
        while from < buffer.len() {
            from = self.all_lines(buffer, from, &mut hit);
            self.look_for_other_ways();
            from = self.some_lines(buffer, from, &mut hit);
        }
    }

    /// Looks for the patterns in another way if the text made automata of them so large that they were of no use.
    fn look_for_other_ways(&mut self) {
        let is_dear = |part: &Part| {
            part.has_given_up() || (self.choice.has_given_up() && part.has_automaton())
        };
        let is_crowded = self.choice.has_given_up() && self.has_letters;
        match self.text {
            Text::Any if self.parts.iter().any(is_dear) => {
                self.go_other_ways(if is_crowded { Text::Crowded } else { Text::Hostile });
            }
            Text::Hostile if is_crowded => self.go_other_ways(Text::Crowded),
            Text::Any | Text::Hostile | Text::Crowded => {}
        }
    }

    fn go_other_ways(&mut self, text: Text) {
        self.text = text;
        let Some(patterns) = self.choice.patterns() else { return };
        let numbered = patterns.iter().enumerate();
        let numbered = numbered.map(|(at, pattern)| Numbered::new(at, pattern, Unit::Lines));
        if let Ok(parts) = part::group(numbered.collect(), text) {
            self.parts = parts;
        }
    }

    /// Looks at all of the text from `from` on, where a line begins, if that is the way to go. Returns where
    /// the rest of it begins.
    fn all_lines(
        &mut self,
        buffer: &[u8],
        from: usize,
        mut hit: impl FnMut(Range<usize>, &Which),
    ) -> usize {
        let Self { parts, found, choice, .. } = self;
        let Some(dense) = choice.dense() else { return from };
        found.clear();
        let everywhere = parts.iter().filter(|part| part.is_everywhere()).flat_map(Part::numbers);
        everywhere.for_each(|number| found.insert(number));
        let everywhere = found.clone();
        let looked =
            dense.lines(buffer, from, &everywhere, |line, Seen { patterns, is_unsure }| {
                found.set(patterns);
                if is_unsure {
                    let text = buffer.get(line.clone()).unwrap_or_default();
                    found.clear();
                    for part in &mut *parts {
                        part.tell_anew(text, found);
                    }
                    if found.is_empty() {
                        return;
                    }
                }
                hit(line, found);
            });
        // A search cuts out each line if some pattern is everywhere.
        let lines = if everywhere.is_empty() { looked.loud_lines } else { looked.lines };
        choice.note(Counted { bytes: looked.until - from, lines, again: looked.loud_bytes });
        if looked.until < buffer.len() {
            choice.give_up();
        }
        looked.until
    }

    /// Searches for the lines that have a hit, from `from` on, where one begins, until there are so many
    /// that it is better to look at all. Returns where the rest of the text begins.
    fn some_lines(
        &mut self,
        buffer: &[u8],
        from: usize,
        mut hit: impl FnMut(Range<usize>, &Which),
    ) -> usize {
        if from >= buffer.len() {
            return buffer.len();
        }
        let Self { parts, text: of, found, choice, .. } = self;
        for part in &mut *parts {
            part.begin();
            part.next = part.find(buffer, from);
        }
        let may_give_up = *of == Text::Any && parts.iter().any(Part::has_automaton);
        let mut counted = Counted::default();
        let (mut noted, mut known) = (from, from);
        while let Some((at, part)) =
            parts.iter().filter_map(|part| Some((part.next?, part))).min_by_key(|(at, _)| *at)
        {
            let (line, after) = match part.line() {
                Some(line) => without_end(buffer, line),
                None => line_around(buffer, known, at),
            };
            known = after;
            if line.start >= buffer.len() {
                break;
            }
            let text = buffer.get(line.clone()).unwrap_or_default();
            found.clear();
            counted.lines += 1;
            for part in &mut *parts {
                if part.next.is_some_and(|next| next < after) {
                    counted.again += if part.is_everywhere() { 0 } else { text.len() };
                    part.tell(text, found);
                    part.next = part.find(buffer, after);
                }
            }
            if !found.is_empty() {
                hit(line, found);
            }
            if may_give_up && parts.iter().any(Part::has_given_up) {
                return after;
            }
            if counted.lines == LINES {
                counted.bytes = after.min(buffer.len()) - noted;
                noted = after;
                if choice.note(std::mem::take(&mut counted)) {
                    parts.iter_mut().for_each(Part::forget);
                    return after;
                }
            }
        }
        counted.bytes = buffer.len().saturating_sub(noted);
        choice.note(counted);
        buffer.len()
    }

    /// Says which patterns are in one record; none if no pattern is.
    pub fn record(&mut self, record: &[u8]) -> Option<&Which> {
        if !self.sure {
            self.found.clear();
        }
        let mut any = false;
        for part in &mut self.parts {
            part.begin();
            let place = part.find(record, 0);
            if self.sure && part.has_guessed() {
                // Then what it finds has to be looked at.
                self.sure = false;
                self.found.clear();
            }
            if place.is_some() {
                any = true;
                if !self.sure {
                    part.tell(record, &mut self.found);
                }
            }
        }
        (any && !self.found.is_empty()).then_some(&self.found)
    }

    /// Returns the bytes that its automata hold now.
    pub fn memory(&self) -> usize {
        self.parts.iter().map(Part::memory).sum::<usize>() + self.choice.memory()
    }
}

/// Returns the line that `offset` is in or at the end of, without its end, and where the next one
/// begins. A line begins at `from`, which is before it.
fn line_around(buffer: &[u8], from: usize, offset: usize) -> (Range<usize>, usize) {
    let between = buffer.get(from..offset).unwrap_or_default();
    let start = match between {
        [] => offset,
        _ => memchr::memrchr(b'\n', between).map_or(from, |at| from + at + 1),
    };
    let after = buffer.get(offset..).unwrap_or_default();
    let end = memchr::memchr(b'\n', after).map_or(buffer.len(), |at| offset + at);
    without_end(buffer, start..end)
}

/// Returns a line that goes to its `\n` without its end, and where the next one begins.
fn without_end(buffer: &[u8], Range { start, end }: Range<usize>) -> (Range<usize>, usize) {
    let line = buffer.get(start..end).unwrap_or_default();
    let shown = line.strip_suffix(b"\r").unwrap_or(line).len();
    (start..start + shown, end + 1)
}

#[cfg(test)]
mod tests;

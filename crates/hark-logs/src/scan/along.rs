//! Patterns with hundreds of positions, by sets of places in the text.
//!
//! As bits of words (`bits`) they would cost some words of work for each byte. Here 64 bytes of text are
//! a word, and the work is that of the steps of a [`Recipe`]: a class that is repeated hundreds of times is
//! a few of them.
//!
//! Only lines that may have a match are looked at: those that are long enough for one and have the bytes
//! that it needs ([`Gate`]). They are copied side by side, so that short ones and long ones cost the
//! same. Letters may be written as one byte each before (`letters`). Of patterns that count bytes then something is looked
//! for that finds more, and only the lines that have it are looked at as they are ([`Unsure`]).

use std::ops::Range;

use regex_syntax::hir::Hir;

use super::ends::Ends;
use super::gates::{Gate, has_any, without_the_stricter};
use super::letters::{COST, Letters};
use super::machine::meets;
use super::positions::{Unsuitable, put};
use super::recipe::Recipe;
use super::sets::{BYTES, EIGHT, EIGHTS, Found, MOST, NONE, Sets, TEXT, is_any};
use crate::sys::vectors::{Kind, Vectors, Work};

/// So much of a line is looked at together that is longer than the text: soon it may have all patterns, and the rest
/// of it is passed over.
const CUT: usize = TEXT / 2;

/// See the module's text.
#[derive(Debug)]
pub(super) struct Along {
    /// What lets a line in that may have any of the patterns.
    gates: Vec<Gate>,
    /// No line with a match is shorter.
    least: usize,
    /// Bytes of which each line has one that has a match of some patterns, and which these are.
    asked: Vec<(Vec<u8>, Found)>,
    vectors: Vectors,
    sets: Sets,
    /// All patterns.
    all: Found,
    /// Lines side by side, each with its end.
    text: Box<[u8; TEXT]>,
    filled: usize,
    /// Writes letters as one byte each, if what is looked for is so.
    letters: Option<Box<Letters>>,
    /// Not all lines of `text` are there as a whole.
    is_cut: bool,
    lines: Lines,
    unsure: Option<Unsure>,
    /// Where lines end in the buffer.
    ends: Ends,
    /// Where the next line begins in the buffer.
    looked: usize,
    /// How many hits were told.
    told: usize,
    found: Found,
}

/// The last of the patterns, of which more was found than there is.
#[derive(Debug)]
struct Unsure {
    patterns: Found,
    /// So many patterns are before them.
    first: usize,
    /// Finds what there is.
    exact: Box<Along>,
}

/// Lines of the text at hand.
#[derive(Debug, Default)]
struct Lines {
    /// Where they stand in the buffer: their ends are what they end before.
    places: Vec<Range<usize>>,
    /// Which patterns were found in the line whose end was not yet looked at.
    open: Found,
    /// Those with patterns: where they stand, and which.
    hits: Vec<(Range<usize>, Found)>,
}

impl Along {
    /// Compiles patterns, in their form for a buffer of many lines, with what a line has for each of them.
    ///
    /// # Errors
    /// If they cannot be said so, or need too many steps.
    pub(super) fn new<'h>(
        forms: impl IntoIterator<Item = &'h Hir>,
        gates: Vec<Gate>,
    ) -> Result<Self, Unsuitable> {
        Self::of_recipe(&Recipe::new(forms, None)?, gates, None)
    }

    /// As above, for text whose letters are written as one byte each.
    ///
    /// # Errors
    /// As above, and if they ask for single bytes that are not ASCII.
    pub(super) fn of_letters<'h>(
        forms: impl IntoIterator<Item = &'h Hir>,
        gates: Vec<Gate>,
    ) -> Result<Self, Unsuitable> {
        let forms: Vec<&Hir> = forms.into_iter().collect();
        let (letters, forms) = Letters::new(&forms)?;
        let recipe = Recipe::new(&forms, letters.borders())?;
        Self::of_recipe(&recipe, gates, Some(Box::new(letters)))
    }

    fn of_recipe(
        recipe: &Recipe,
        gates: Vec<Gate>,
        letters: Option<Box<Letters>>,
    ) -> Result<Self, Unsuitable> {
        if recipe.ends.len() > MOST {
            return Err(Unsuitable);
        }
        let sets = Sets::new(recipe);
        let mut asked = asked(&gates);
        if letters.is_some() {
            // Only these are in the text as they are.
            asked.retain(|(bytes, _)| bytes.is_ascii());
        }
        let vectors = Vectors::best();
        let mut along = Self {
            least: gates.iter().map(Gate::least).min().unwrap_or(0),
            asked,
            gates: without_the_stricter(gates),
            vectors,
            all: sets.all(),
            sets,
            text: Box::new([b'\n'; TEXT]),
            filled: 0,
            letters,
            is_cut: false,
            unsure: None,
            lines: Lines::default(),
            ends: Ends::new(vectors),
            looked: 0,
            told: 0,
            found: NONE,
        };
        along.forget_line();
        Ok(along)
    }

    /// Says of the last patterns that they are only found if `exact`, which is for as many, finds them, too.
    pub(super) fn ask(mut self, exact: Box<Self>) -> Self {
        let first = self.sets.n_patterns() - exact.sets.n_patterns();
        let mut patterns = NONE;
        (first..self.sets.n_patterns()).for_each(|number| put(&mut patterns, number));
        self.unsure = Some(Unsure { patterns, first, exact });
        self
    }

    /// Another buffer comes.
    pub(super) fn begin(&mut self) {
        if self.filled > 0 {
            self.forget_line();
        }
        self.lines.hits.clear();
        self.ends.begin();
        (self.told, self.looked) = (0, 0);
    }

    /// Finds the first line from `at` on that has any of the patterns; `at` is where a line begins.
    /// Returns the place of its end.
    pub(super) fn find(&mut self, buffer: &[u8], at: usize) -> Option<usize> {
        loop {
            while let Some((line, patterns)) = self.lines.hits.get(self.told) {
                self.told += 1;
                if line.end >= at {
                    self.found = *patterns;
                    return Some(line.end);
                }
            }
            self.lines.hits.clear();
            self.told = 0;
            if self.looked >= buffer.len() {
                return None;
            }
            while self.lines.hits.is_empty() && self.looked < buffer.len() {
                self.take_lines(buffer);
            }
            if self.looked >= buffer.len() {
                self.finish();
            }
            if let Some(unsure) = &mut self.unsure {
                let line = |place: &Range<usize>| {
                    let line = buffer.get(place.clone()).unwrap_or_default();
                    line.strip_suffix(b"\r").unwrap_or(line)
                };
                unsure.make_sure(&mut self.lines.hits, line);
            }
        }
    }

    /// Returns where the line stands that was found, with what may be its end but for a `\n`.
    pub(super) fn line(&self) -> Option<Range<usize>> {
        let told = self.told.checked_sub(1)?;
        self.lines.hits.get(told).map(|(line, _)| line.clone())
    }

    /// Looks at one line, which is given without its end.
    pub(super) fn look(&mut self, line: &[u8]) {
        self.begin();
        if self.gates.iter().any(|gate| gate.lets_in(line)) {
            self.take(line, 0..0);
            self.finish();
        }
        if let Some(unsure) = &mut self.unsure {
            unsure.make_sure(&mut self.lines.hits, |_| line);
        }
        self.found = self.lines.hits.pop().map_or(NONE, |(_, patterns)| patterns);
    }

    /// Looks at some lines, which are given without their ends, each with a number, in the order of these. All patterns are
    /// sure.
    pub(super) fn look_at_all<'l>(&mut self, lines: impl Iterator<Item = (&'l [u8], usize)>) {
        self.begin();
        for (line, number) in lines {
            if self.gates.iter().any(|gate| gate.lets_in(line)) {
                self.take(line, number..number);
            }
        }
        self.finish();
    }

    /// Chooses one of the lines that were looked at together.
    pub(super) fn choose(&mut self, number: usize) {
        let hit = self.lines.hits.binary_search_by_key(&number, |(line, _)| line.end);
        self.found =
            hit.ok().and_then(|hit| self.lines.hits.get(hit)).map_or(NONE, |(_, found)| *found);
    }

    /// Returns how much work there is for each word of text.
    pub(super) fn cost(&self) -> usize {
        self.sets.cost() + if self.letters.is_some() { COST } else { 0 }
    }

    /// Returns which patterns the line has that was found, looked at last or chosen.
    pub(super) fn which(&self) -> impl Iterator<Item = usize> + use<> {
        super::which::numbers(self.found)
    }

    /// Returns the same as bits.
    pub(super) fn found(&self) -> &Found {
        &self.found
    }

    /// Takes lines of the buffer that stand side by side, as many as there is room for.
    fn take_lines(&mut self, buffer: &[u8]) {
        let begin = self.looked;
        let most = buffer.len().min(begin + self.room() - self.filled);
        let mut end = begin;
        let next = loop {
            match self.next_line(buffer) {
                // Its end is what stands there in the text.
                Some(line)
                    if line.start == end && line.end < most && self.looked == line.end + 1 =>
                {
                    end = self.looked;
                    self.lines.places.push(line);
                }
                next => break next,
            }
        };
        if let Some(lines) = buffer.get(begin..end).filter(|lines| !lines.is_empty()) {
            self.filled += self.write(lines, 0).1;
        }
        if let Some(line) = next {
            let place = line.start..self.looked - 1;
            self.take(buffer.get(line).unwrap_or_default(), place);
        }
    }

    /// Returns the next line of the buffer that may have a match, without its end, and goes behind it.
    fn next_line(&mut self, buffer: &[u8]) -> Option<Range<usize>> {
        while self.looked < buffer.len() {
            let start = self.looked;
            let end = self.ends.after(buffer, start);
            self.looked = end + 1;
            if end - start < self.least {
                // All lines that end in there are shorter than it.
                let near = buffer.get(start..buffer.len().min(start + self.least));
                let last = near.and_then(|near| memchr::memrchr(b'\n', near));
                self.looked = last.map_or(self.looked, |last| start + last + 1);
                continue;
            }
            let line = buffer.get(start..end).unwrap_or_default();
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if let Some(gate) = self.gates.iter().position(|gate| gate.lets_in(line)) {
                // What let this line in is asked first for the next.
                self.gates.swap(0, gate);
                return Some(start..start + line.len());
            }
        }
        None
    }

    /// Writes what there is of a line from `from` on, or of lines with their ends, as far as there is room. Returns how much
    /// of it was written, and to how many bytes.
    fn write(&mut self, line: &[u8], from: usize) -> (usize, usize) {
        let room = self.room();
        let place = self.text.get_mut(self.filled..room).unwrap_or_default();
        if let Some(letters) = &mut self.letters {
            return letters.write(self.vectors, line, from, place);
        }
        let rest = line.get(from..).unwrap_or_default();
        let now = rest.len().min(place.len());
        if let (Some(place), Some(now)) = (place.get_mut(..now), rest.get(..now)) {
            place.copy_from_slice(now);
        }
        (now, now)
    }

    /// Takes a line, which stands there in the buffer.
    fn take(&mut self, line: &[u8], place: Range<usize>) {
        if self.filled + line.len() >= self.room() {
            // One that is not too long for that is not cut.
            self.finish();
            self.is_cut = line.len() >= TEXT;
        }
        let mut taken = 0;
        loop {
            let (now, written) = self.write(line, taken);
            (taken, self.filled) = (taken + now, self.filled + written);
            let room = self.room();
            if let Some(end) = self.text.get_mut(self.filled).filter(|_| self.filled < room) {
                *end = b'\n';
                self.filled += 1;
                self.lines.places.push(place);
                return;
            }
            self.look_at_text();
            self.is_cut = true;
            if self.lines.open == self.all {
                taken = line.len();
            }
        }
    }

    /// Returns how much is looked at together.
    fn room(&self) -> usize {
        if self.is_cut { CUT } else { TEXT }
    }

    /// Looks at what there is.
    fn finish(&mut self) {
        if self.filled > 0 {
            self.look_at_text();
        }
    }

    /// Nothing goes on from what was before.
    fn forget_line(&mut self) {
        (self.filled, self.is_cut) = (1, false);
        if let Some(first) = self.text.first_mut() {
            *first = b'\n';
        }
        self.lines.places.clear();
        self.look_at_text();
        self.lines.open = NONE;
        self.lines.hits.clear();
    }

    /// Returns the patterns that may end in the text at hand.
    fn wanted(&self) -> Found {
        let mut wanted = self.all;
        if !self.is_cut {
            let text = self.text.get(..self.filled).unwrap_or_default();
            for (_, patterns) in self.asked.iter().filter(|(bytes, _)| !has_any(text, bytes)) {
                remove(&mut wanted, patterns);
            }
        } else if self.lines.places.is_empty() {
            // It is within one line. What has been found in that is not asked again.
            remove(&mut wanted, &self.lines.open);
        }
        wanted
    }

    fn look_at_text(&mut self) {
        let wanted = self.wanted();
        // The rest is empty lines. All words are less work than nearly all of them: a length that is known when
        // it is compiled is faster.
        let eights = self.filled.div_ceil(EIGHT * BYTES);
        let eights = if eights > EIGHTS / 8 * 7 { EIGHTS } else { eights };
        if let Some(more) = self.text.get_mut(self.filled..eights * EIGHT * BYTES) {
            more.fill(b'\n');
        }
        self.filled = 0;
        self.is_cut = false;
        let Self { sets, lines, text, .. } = self;
        self.vectors.run(Look { sets, lines, text, eights, wanted });
        self.lines.places.clear();
    }

    /// Looks with these from now on.
    #[cfg(test)]
    pub(super) fn use_vectors(&mut self, vectors: Vectors) {
        (self.vectors, self.ends) = (vectors, Ends::new(vectors));
    }

    /// Returns the bytes that it holds.
    pub(super) fn memory(&self) -> usize {
        let lines = self.lines.places.capacity() * size_of::<Range<usize>>();
        let hits = self.lines.hits.capacity() * size_of::<(Range<usize>, Found)>();
        let letters = self.letters.as_ref().map_or(0, |letters| letters.memory());
        let exact = self.unsure.as_ref().map_or(0, |unsure| unsure.exact.memory());
        size_of::<Self>() + TEXT + self.sets.memory() + lines + hits + letters + exact
    }
}

/// Returns bytes of which each line has one that has a match of some patterns, and which these are.
fn asked(gates: &[Gate]) -> Vec<(Vec<u8>, Found)> {
    let mut asked: Vec<(Vec<u8>, Found)> = Vec::new();
    for (number, gate) in gates.iter().enumerate() {
        let Some(bytes) = gate.bytes() else { continue };
        if let Some((_, patterns)) = asked.iter_mut().find(|(known, _)| known == bytes) {
            put(patterns, number);
        } else {
            let mut one = NONE;
            put(&mut one, number);
            asked.push((bytes.to_vec(), one));
        }
    }
    asked
}

fn remove(all: &mut Found, some: &Found) {
    all.iter_mut().zip(some).for_each(|(all, some)| *all &= !some);
}

impl Unsure {
    /// Leaves only what is sure. `line` returns the text of what stands somewhere.
    fn make_sure<'l>(
        &mut self,
        hits: &mut Vec<(Range<usize>, Found)>,
        line: impl Fn(&Range<usize>) -> &'l [u8],
    ) {
        let Self { patterns, first, exact } = self;
        let is_unsure = |(_, found): &&(Range<usize>, Found)| meets(found, patterns);
        let unsure = hits.iter().filter(is_unsure);
        exact.look_at_all(unsure.map(|(place, _)| (line(place), place.end)));
        hits.retain_mut(|(place, found)| {
            if meets(found, patterns) {
                remove(found, patterns);
                exact.choose(place.end);
                exact.which().for_each(|number| put(found, *first + number));
            }
            is_any(found)
        });
    }
}

impl Lines {
    /// Notes which lines have which patterns.
    #[expect(clippy::inline_always, reason = "the work is compiled for the vectors of its caller")]
    #[inline(always)]
    fn note_hits<K: Kind>(&mut self, kind: K, sets: &mut Sets, eights: usize) {
        let Self { places, open, hits } = self;
        let mut lines = places.iter();
        let mut known = 0;
        for word in 0..eights * EIGHT {
            let (feeds, ever) = (sets.feeds(word), sets.ever(word));
            let mut rest = u64::MAX;
            while rest != 0 {
                if !is_any(open) && ever & rest == 0 {
                    // Lines without hits, as most are.
                    let others = (feeds & rest).count_ones() as usize;
                    if others > 0 {
                        lines.nth(others - 1);
                    }
                    break;
                }
                let feed = feeds & rest & (feeds & rest).wrapping_neg();
                let line = rest & (feed | feed.wrapping_sub(1));
                if ever & line != 0 {
                    if word >= known {
                        sets.take_words(word);
                        known = (word / EIGHT + 1) * EIGHT;
                    }
                    sets.add_which(kind, word, line, open);
                }
                if feed == 0 {
                    break;
                }
                let place = lines.next();
                if let Some(place) = place.filter(|_| is_any(open)) {
                    hits.push((place.clone(), *open));
                }
                *open = NONE;
                rest &= !line;
            }
        }
    }
}

struct Look<'s> {
    sets: &'s mut Sets,
    lines: &'s mut Lines,
    text: &'s [u8; TEXT],
    /// So many eights of its words.
    eights: usize,
    /// Patterns that it is done for.
    wanted: Found,
}

impl Work for Look<'_> {
    type Done = ();

    const WIDEST: bool = true;

    #[expect(clippy::inline_always, reason = "see `Work`")]
    #[inline(always)]
    fn run<K: Kind>(self, kind: K) {
        self.sets.look(kind, self.text, self.eights, &self.wanted);
        self.lines.note_hits(kind, self.sets, self.eights);
    }
}

#[cfg(test)]
pub(super) mod tests;

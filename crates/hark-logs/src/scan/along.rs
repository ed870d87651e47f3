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
        let mut along = Self {
            least: gates.iter().map(Gate::least).min().unwrap_or(0),
            asked,
            gates: without_the_stricter(gates),
            vectors: Vectors::best(),
            all: sets.all(),
            sets,
            text: Box::new([b'\n'; TEXT]),
            filled: 0,
            letters,
            is_cut: false,
            unsure: None,
            lines: Lines::default(),
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

    /// Takes lines of the buffer that stand side by side, as many as there is room for, or passes over lines that are
    /// too short.
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

    /// Returns the next line of the buffer that may have a match, without its end, and goes behind it; none if there is none,
    /// or if lines were passed over that are too short.
    fn next_line(&mut self, buffer: &[u8]) -> Option<Range<usize>> {
        let rest = buffer.get(self.looked..).filter(|rest| !rest.is_empty())?;
        let near = rest.get(..self.least).unwrap_or(rest);
        // All lines that end in there are shorter than it.
        if let Some(last) = memchr::memrchr(b'\n', near) {
            self.looked += last + 1;
            return None;
        }
        let after = rest.get(near.len()..).unwrap_or_default();
        let length = memchr::memchr(b'\n', after).map_or(rest.len(), |at| near.len() + at);
        let start = self.looked;
        self.looked = start + length + 1;
        let line = rest.get(..length).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let is_let_in = self.gates.iter().any(|gate| gate.lets_in(line));
        is_let_in.then_some(start..start + line.len())
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
        self.vectors = vectors;
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
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::pattern::{Pattern, within_line};

    fn along(patterns: &[&str]) -> Result<Along, Unsuitable> {
        let forms: Vec<Hir> = patterns
            .iter()
            .map(|pattern| within_line(Pattern::new(pattern).unwrap().hir().clone()))
            .collect();
        let least = |form: &Hir| form.properties().minimum_len().unwrap_or(0);
        let gates = forms.iter().map(|form| Gate::new(form, least(form))).collect();
        Along::new(&forms, gates)
    }

    /// Where lines end that are found, and what they have.
    fn found(along: &mut Along, buffer: &[u8]) -> Vec<(usize, Vec<usize>)> {
        let mut found = Vec::new();
        let mut at = 0;
        along.begin();
        while let Some(end) = along.find(buffer, at) {
            found.push((end, along.which().collect()));
            at = end + 1;
        }
        found
    }

    fn one_by_one(patterns: &[&str], buffer: &[u8]) -> Vec<(usize, Vec<usize>)> {
        let machines: Vec<regex::bytes::Regex> = patterns
            .iter()
            .map(|text| Pattern::new(text).unwrap().with_groups().unwrap())
            .collect();
        let mut all = Vec::new();
        let mut start = 0;
        for line in buffer.split_inclusive(|byte| *byte == b'\n') {
            let end = start + line.strip_suffix(b"\n").unwrap_or(line).len();
            let text = buffer[start..end].strip_suffix(b"\r").unwrap_or(&buffer[start..end]);
            let has = machines.iter().enumerate().filter(|(_, machine)| machine.is_match(text));
            let has: Vec<usize> = has.map(|(number, _)| number).collect();
            if !has.is_empty() {
                all.push((end, has));
            }
            start += line.len();
        }
        all
    }

    /// Lines by chance of few different letters, up to so long.
    fn text(seed: u64, length: usize, longest: u64) -> Vec<u8> {
        let mut seed = seed;
        let mut next = move |most: u64| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed >> 24) % most
        };
        let mut text = Vec::new();
        while text.len() < length {
            let letters: &[u8] = [&b"a"[..], b"ab", b"aaaaaaaaaaaaaaab", b"ab1 -\r\xff"]
                [usize::try_from(next(4)).unwrap()];
            for _ in 0..next(longest) {
                let n_letters = u64::try_from(letters.len()).unwrap();
                text.push(letters[usize::try_from(next(n_letters)).unwrap()]);
            }
            text.extend_from_slice(
                [&b"\n"[..], b"\r\n", b"b\n"][usize::try_from(next(3)).unwrap()],
            );
        }
        text
    }

    /// What stands at ends of lines in some stretches of text, and not in others.
    const ENDS: [&[&[u8]]; 4] = [
        &[b"\n", b"x\n", b"xaby\n", b"x\n"],
        &[b"q\n", b"\n", b"b#\nb"],
        &[b"\n", b"\r\n"],
        &[b"y\nz", b"y\nz", b"z\n"],
    ];

    fn text_without_ends(length: usize) -> Vec<u8> {
        let mut text = text(0x0dd, 2 * length, 9000);
        text.retain(|byte| b"ab".contains(byte));
        text.truncate(length);
        text
    }

    #[test]
    fn what_is_found_along_the_text_is_what_each_line_has() {
        let sets: [&[&str]; 15] = [
            &["a{64}b", "[^b]{65}", "a{127}", "[ab]{128}", "[ab]{129}$"],
            &["b[^b]{63}b", "b[^1]{64}a", "1[^b]{65}a", "b.{191}b", "b.{192}b"],
            &["^a{70,90}b", "^.{100}$", "ba{3,67}b", "b[ab]{60,}1"],
            &["a{40}(b|1{2}| -)a{20,30}", "(ab?){30}b", "b(aa|b){9,12}1"],
            &["b[^1]*1[^b]+b{9}", "^[^b]*b[^b]*b[ab]+$", "b+a*b*1* *-"],
            &["[ab]{300}", "[ab]{299}b", "[^ ]{256}", "[^ ]{257}", "a[^ ]{511}a", "[^-]{700,900}1"],
            &["(^|1)a{63}", "(a{70}|b{9})(1|$)", "b{2}$"],
            &["a{2000}", "b[ab]{2047}b", "b[ab]{2048}b", "a[^1]{3000}"],
            &["(?u)[à-ö]{3}b", "(?u)[à-ö]b", r"\xff[ab]{30}", "(?i)A{90}B"],
            &[
                r"\b[ab]{64}\b",
                r"a\b.*\b1{3}\b",
                r"^\b[ab1]+\b-",
                r"\Ba{40}\b{end}",
                r"[\x80-\xff]",
            ],
            &[r"b[ab]*1\b{end-half} ", r"\b{start}a+\b{end}", r"(\b1|a)1\B[ab]", r"1.*\bb{1,4}\b$"],
            &[r"\b{start-half}a{3}\b", r" \B *\b[ab]+", r"^\B.", r"1a\B1|b\B1"],
            &["b(a|1b)+[^a]{3}-", "1(ab?1)+-", "1([ab]+ )*b", "-(ab|1-){2,}a", "^(a|b1)+$"],
            &["(ab?|[^1]){20}b", "(ab?|[^1]){40}b$", "(ab|a1b|b){13,17}-", "1(ab|b){30}1"],
            &["b(a.b){30}", "1(a.{2}b){20,25}", "a(b|1ab|[ab]{4}){3,40}1", r"\b(a|bb){40}\b"],
        ];
        for (number, patterns) in sets.iter().enumerate() {
            for longest in [10, 200, 700, 20_000] {
                let mut text = text(0x5eed + longest, 40_000, longest);
                let mut along = along(patterns).unwrap_or_else(|_| panic!("{patterns:?}"));
                for _ in 0..2 {
                    let expected = one_by_one(patterns, &text);
                    assert!(found(&mut along, &text) == expected, "{number}: {patterns:?}");
                    // And without the last line's end.
                    text.pop();
                }
            }
        }
    }

    #[test]
    fn what_the_text_lacks_is_left_out_and_taken_up_again() {
        let patterns = [
            "[ab]{70}x",
            "b[^z]{80}z",
            "^[^q]{97}q$",
            "(^|b)[abxz]{66}#",
            "x[ab]*y",
            "[ab]{64}$",
            "^[ab]{3,70}x",
            "z.{4000}y",
        ];
        let mut text = Vec::new();
        // All lengths, each with all ends.
        let some = TEXT + 900;
        for (number, letters) in text_without_ends(56 * some).chunks(some).enumerate() {
            let ends = ENDS[number / 2 % ENDS.len()];
            let length = [97, 4000, 31, TEXT - 1, 150, TEXT - 2, 75][number % 7];
            for (line, end) in letters.chunks(length).zip(ends.iter().cycle()) {
                text.extend_from_slice(line);
                text.extend_from_slice(end);
            }
        }
        let expected = one_by_one(&patterns, &text);
        let all: BTreeSet<usize> = expected.iter().flat_map(|(_, has)| has.clone()).collect();
        assert_eq!(all.len(), patterns.len(), "{all:?}");
        for vectors in Vectors::all() {
            let mut along = along(&patterns).unwrap();
            along.vectors = vectors;
            assert!(found(&mut along, &text) == expected, "{vectors:?}");
            assert!(found(&mut along, &text) == expected, "again: {vectors:?}");
        }
    }

    #[test]
    fn two_hundred_patterns_are_told_apart() {
        let patterns: Vec<String> = (0..200_u8)
            .map(|n| format!("{}[^{}]{{{}}}1", char::from(b'a' + n % 2), n % 10, 1 + n / 2))
            .collect();
        let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
        let text = text(0x5eed, 20_000, 200);
        let expected = one_by_one(&patterns, &text);
        assert!(expected.iter().any(|(_, has)| has.len() > 100));
        assert!(expected.iter().any(|(_, has)| has.len() < 10));
        for vectors in Vectors::all() {
            let mut along = along(&patterns).unwrap();
            along.vectors = vectors;
            assert!(found(&mut along, &text) == expected, "{vectors:?}");
        }
        let too_many: Vec<&str> = std::iter::repeat_n("a{70}", MOST + 1).collect();
        assert!(along(&too_many).is_err());
        assert!(along(&too_many[1..]).is_ok());
    }

    #[test]
    fn a_line_that_is_given_up_leaves_nothing_behind() {
        let mut along = along(&["[ab]{100}", "^a{80}", "b[ab]+1"]).unwrap();
        let long = b"ab".repeat(50_000);
        let buffer = [&long[..], b"\n", &b"a".repeat(90), b"\n1\n"].concat();
        assert_eq!(along.find(&buffer, 0), Some(100_000));
        assert_eq!(along.which().collect::<Vec<_>>(), [0]);
        assert_eq!(found(&mut along, &[&b"a".repeat(79)[..], b"\n1\n"].concat()), []);
        along.look(&b"a".repeat(80));
        assert_eq!(along.which().collect::<Vec<_>>(), [1]);
        along.look(b"ba1");
        assert_eq!(along.which().collect::<Vec<_>>(), [2]);
        along.look(b"b1");
        assert_eq!(along.which().count(), 0);
    }

    #[test]
    fn what_cannot_be_said_so_is_refused() {
        for pattern in [
            "a*",
            "^",
            "^a*",
            "(a.)*c",
            r"(?u)a\bb",
            "(a.*){600}",
            "(?u)\\w{9}",
            "a^b",
            r"\b",
            "1(ab|ba)+",
        ] {
            assert!(along(&[pattern]).is_err(), "{pattern}");
        }
        let hundreds = along(&["[a-q][^u-z]{300}[a-x]", "[0-9][^#]{150}[QZ][a-z]"]).unwrap();
        assert!(hundreds.memory() < 160_000, "{}", hundreds.memory());
    }
}

//! Patterns with hundreds of positions, by sets of places in the text.
//!
//! As bits of words (`bits`) they would cost some words of work for each byte. Here 64 bytes of text are
//! a word, and the work is that of the steps of a [`Recipe`]: a class that is repeated hundreds of times is
//! a few of them.
//!
//! Only lines that may have a match are looked at: those that are long enough for one and have the bytes
//! that it needs ([`Gate`]). They are copied side by side, so that short ones and long ones cost the
//! same.

use regex_syntax::hir::Hir;

use super::gates::Gate;
use super::positions::Unsuitable;
use super::recipe::{BITS, Recipe, SetNumber, Step};
use crate::sys::{Vectors, Work};

/// Words of text that are looked at together: their sets stay in the fastest memory of a processor.
const WORDS: usize = 64;

/// Bytes of text in a word.
const WORD: usize = 64;

const TEXT: usize = WORDS * WORD;

/// Bound on patterns: the bits of a word.
const MOST: usize = 64;

/// See the module's text.
#[derive(Debug)]
pub(super) struct Along {
    gates: Vec<Gate>,
    /// No line with a match is shorter.
    least: usize,
    sets: Sets,
    /// Lines side by side, each with its end.
    text: Box<[u8; TEXT]>,
    filled: usize,
    /// Where the lines of `text` end in the buffer.
    ends: Vec<usize>,
    /// Which patterns were found in the line whose end was not yet looked at, a bit for each.
    open: u64,
    /// Where the next line begins in the buffer.
    looked: usize,
    /// Lines with patterns: where they end in the buffer, and which.
    hits: Vec<(usize, u64)>,
    /// How many of these were told.
    told: usize,
    found: u64,
}

/// The sets of all steps, for the text at hand.
#[derive(Debug)]
struct Sets {
    recipe: Recipe,
    vectors: Vectors,
    /// First the words before the present ones that are asked for, as many as `back` says.
    words: Vec<Box<[u64]>>,
    back: Vec<usize>,
    /// For each step that goes through a class: whether it goes on in the next word.
    through: Vec<bool>,
    /// Where any of the patterns ends.
    ever: [u64; WORDS],
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
        let recipe = Recipe::new(forms)?;
        if recipe.ends.len() > MOST {
            return Err(Unsuitable);
        }
        let back = recipe.words_back();
        let words = back.iter().map(|back| vec![0; back + WORDS].into()).collect();
        let through = vec![false; recipe.steps.len()];
        let mut along = Self {
            least: gates.iter().map(Gate::least).min().unwrap_or(0),
            gates,
            sets: Sets { recipe, vectors: Vectors::best(), words, back, through, ever: [0; WORDS] },
            text: Box::new([b'\n'; TEXT]),
            filled: 0,
            ends: Vec::new(),
            open: 0,
            looked: 0,
            hits: Vec::new(),
            told: 0,
            found: 0,
        };
        along.forget_line();
        Ok(along)
    }

    /// Another buffer comes.
    pub(super) fn begin(&mut self) {
        if self.filled > 0 {
            self.forget_line();
        }
        self.hits.clear();
        (self.told, self.looked) = (0, 0);
    }

    /// Finds the first line from `at` on that has any of the patterns; `at` is where a line begins.
    /// Returns the place of its end.
    pub(super) fn find(&mut self, buffer: &[u8], at: usize) -> Option<usize> {
        loop {
            while let Some((end, patterns)) = self.hits.get(self.told) {
                self.told += 1;
                if *end >= at {
                    self.found = *patterns;
                    return Some(*end);
                }
            }
            self.hits.clear();
            self.told = 0;
            if self.looked >= buffer.len() {
                return None;
            }
            while self.hits.is_empty() && self.looked < buffer.len() {
                self.take_line(buffer);
            }
            if self.looked >= buffer.len() {
                self.finish();
            }
        }
    }

    /// Looks at one line, which is given without its end.
    pub(super) fn look(&mut self, line: &[u8]) {
        self.begin();
        if self.gates.iter().any(|gate| gate.lets_in(line)) {
            self.take(line, 0);
            self.finish();
        }
        self.found = self.hits.pop().map_or(0, |(_, patterns)| patterns);
    }

    /// Looks at some lines, which are given without their ends, each with a number, in the order of these.
    pub(super) fn look_at_all<'l>(&mut self, lines: impl Iterator<Item = (&'l [u8], usize)>) {
        self.begin();
        for (line, number) in lines {
            if self.gates.iter().any(|gate| gate.lets_in(line)) {
                self.take(line, number);
            }
        }
        self.finish();
    }

    /// Chooses one of the lines that were looked at together.
    pub(super) fn choose(&mut self, number: usize) {
        let hit = self.hits.binary_search_by_key(&number, |(number, _)| *number);
        self.found = hit.ok().and_then(|hit| self.hits.get(hit)).map_or(0, |(_, found)| *found);
    }

    /// Returns which patterns the line has that was found, looked at last or chosen.
    pub(super) fn which(&self) -> impl Iterator<Item = usize> + use<> {
        let found = self.found;
        (0..MOST).filter(move |number| found >> number & 1 == 1)
    }

    /// Takes the next line of the buffer, or passes over lines that are too short.
    fn take_line(&mut self, buffer: &[u8]) {
        let rest = buffer.get(self.looked..).unwrap_or_default();
        let near = rest.get(..self.least).unwrap_or(rest);
        // All lines that end in there are shorter than it.
        if let Some(last) = memchr::memrchr(b'\n', near) {
            self.looked += last + 1;
            return;
        }
        let after = rest.get(near.len()..).unwrap_or_default();
        let length = memchr::memchr(b'\n', after).map_or(rest.len(), |at| near.len() + at);
        let end = self.looked + length;
        self.looked = end + 1;
        let line = rest.get(..length).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if self.gates.iter().any(|gate| gate.lets_in(line)) {
            self.take(line, end);
        }
    }

    /// Takes a line, which ends there in the buffer.
    fn take(&mut self, line: &[u8], end: usize) {
        let mut rest = line;
        loop {
            let place = self.text.get_mut(self.filled..).unwrap_or_default();
            let (now, later) = rest.split_at(rest.len().min(place.len()));
            if let Some(place) = place.get_mut(..now.len()) {
                place.copy_from_slice(now);
            }
            self.filled += now.len();
            rest = later;
            if let Some(place) = self.text.get_mut(self.filled) {
                *place = b'\n';
                self.filled += 1;
                self.ends.push(end);
                return;
            }
            self.look_at_text();
            if self.open == self.all() {
                rest = &[];
            }
        }
    }

    fn all(&self) -> u64 {
        u64::MAX >> (MOST - self.sets.recipe.ends.len().min(MOST))
    }

    /// Looks at what there is.
    fn finish(&mut self) {
        if self.filled > 0 {
            self.look_at_text();
        }
    }

    /// Nothing goes on from what was before.
    fn forget_line(&mut self) {
        self.filled = 1;
        if let Some(first) = self.text.first_mut() {
            *first = b'\n';
        }
        self.ends.clear();
        self.look_at_text();
        self.open = 0;
        self.hits.clear();
    }

    fn look_at_text(&mut self) {
        // What is more than whole words is empty lines.
        let n_words = self.filled.div_ceil(WORD);
        if let Some(more) = self.text.get_mut(self.filled..n_words * WORD) {
            more.fill(b'\n');
        }
        self.filled = 0;
        let vectors = self.sets.vectors;
        vectors.run(Look { sets: &mut self.sets, text: &self.text, n_words });
        self.note_hits(n_words);
        self.ends.clear();
    }

    /// Notes which lines have which patterns.
    fn note_hits(&mut self, n_words: usize) {
        let Self { sets, ends, open, hits, .. } = self;
        let mut lines = ends.iter();
        for word in 0..n_words {
            let feeds = sets.word(sets.recipe.feeds, word);
            let ever = sets.ever.get(word).copied().unwrap_or_default();
            let mut rest = u64::MAX;
            while rest != 0 {
                if *open == 0 && ever & rest == 0 {
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
                    for (number, set) in sets.recipe.ends.iter().enumerate() {
                        *open |= u64::from(sets.word(*set, word) & line != 0) << number;
                    }
                }
                if feed == 0 {
                    break;
                }
                let end = lines.next();
                if let Some(end) = end.filter(|_| *open != 0) {
                    hits.push((*end, *open));
                }
                *open = 0;
                rest &= !line;
            }
        }
    }

    /// Returns the bytes that it holds.
    pub(super) fn memory(&self) -> usize {
        let sets: usize = self.sets.words.iter().map(|set| size_of_val(&**set)).sum();
        let steps = self.sets.recipe.steps.capacity() * size_of::<Step>();
        let lines = self.ends.capacity() * size_of::<usize>();
        let hits = self.hits.capacity() * size_of::<(usize, u64)>();
        size_of::<Self>() + TEXT + sets + steps + lines + hits
    }
}

impl Sets {
    fn word(&self, set: SetNumber, word: usize) -> u64 {
        let back = self.back.get(set).copied().unwrap_or(0);
        self.words.get(set).and_then(|set| set.get(back + word)).copied().unwrap_or_default()
    }

    /// The present words of a set.
    #[inline]
    fn now(&self, set: SetNumber, n_words: usize) -> &[u64] {
        let back = self.back.get(set).copied().unwrap_or(0);
        let words = self.words.get(set).map_or(&[][..], |set| set);
        words.get(back..back + n_words).unwrap_or_default()
    }

    /// For each of the present words of a set the one that so many bytes before it begins in, and
    /// the one before that.
    #[inline]
    fn before(&self, set: SetNumber, by: usize, n_words: usize) -> (&[u64], &[u64]) {
        let back = self.back.get(set).copied().unwrap_or(0).saturating_sub(by / WORD);
        let words = self.words.get(set).map_or(&[][..], |set| set);
        let later = words.get(back..back + n_words).unwrap_or_default();
        (later, words.get(back.saturating_sub(1)..).unwrap_or_default())
    }

    /// Makes all sets of the text anew.
    #[expect(clippy::inline_always, reason = "the work is compiled for the vectors of its caller")]
    #[inline(always)]
    fn look(&mut self, text: &[u8; TEXT], n_words: usize) {
        for (word, bytes) in text.as_chunks::<WORD>().0.iter().enumerate().take(n_words) {
            for (bit, set) in bits(bytes).into_iter().enumerate() {
                let back = self.back.get(bit).copied().unwrap_or(0);
                if let Some(place) = self.words.get_mut(bit).and_then(|s| s.get_mut(back + word)) {
                    *place = set;
                }
            }
        }
        for number in 0..self.recipe.steps.len() {
            self.step(number, n_words);
        }
        let mut ever = [0; WORDS];
        for set in &self.recipe.ends {
            let found = self.now(*set, n_words);
            ever.iter_mut().zip(found).for_each(|(ever, found)| *ever |= found);
        }
        self.ever = ever;
        for (set, back) in self.words.iter_mut().zip(&self.back) {
            // They are few: a call would cost more.
            for word in 0..*back {
                set[word] = set[n_words + word];
            }
        }
    }

    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn step(&mut self, number: usize, n_words: usize) {
        let Some(step) = self.recipe.steps.get(number).copied() else { return };
        let back = self.back.get(BITS + number).copied().unwrap_or(0);
        let Some(mut set) = self.words.get_mut(BITS + number).map(std::mem::take) else { return };
        let made = set.get_mut(back..back + n_words).unwrap_or_default();
        let now = |set| self.now(set, n_words);
        match step {
            Step::Not(a) => made.iter_mut().zip(now(a)).for_each(|(made, a)| *made = !a),
            Step::Both(a, b) => combine(made, now(a), now(b), |a, b| a & b),
            Step::Either(a, b) => combine(made, now(a), now(b), |a, b| a | b),
            Step::Without(a, b) => combine(made, now(a), now(b), |a, b| a & !b),
            Step::OrNot(a, b) => combine(made, now(a), now(b), |a, b| a | !b),
            Step::Choose { by, one, zero } => {
                for ((made, by), (one, zero)) in
                    made.iter_mut().zip(now(by)).zip(now(one).iter().zip(now(zero)))
                {
                    *made = (by & one) | (!by & zero);
                }
            }
            Step::After { of, by, among } => {
                let (later, earlier) = self.before(of, by, n_words);
                let (left, right) = (by % WORD, WORD - 1 - by % WORD);
                for ((made, among), (later, earlier)) in
                    made.iter_mut().zip(now(among)).zip(later.iter().zip(earlier))
                {
                    *made = (later << left | earlier >> 1 >> right) & among;
                }
            }
            Step::OrAfter { of, by, among } => {
                let (later, earlier) = self.before(of, by, n_words);
                let (left, right) = (by % WORD, WORD - 1 - by % WORD);
                for (((made, among), of), (later, earlier)) in
                    made.iter_mut().zip(now(among)).zip(now(of)).zip(later.iter().zip(earlier))
                {
                    *made = of | ((later << left | earlier >> 1 >> right) & among);
                }
            }
            Step::Through { of, among } => {
                let (_, earlier) = self.before(of, 1, n_words);
                let mut goes_on = self.through.get(number).copied().unwrap_or(false);
                for (((made, among), of), earlier) in
                    made.iter_mut().zip(now(among)).zip(now(of)).zip(earlier)
                {
                    let first = (of << 1 | earlier >> (WORD - 1)) & among;
                    // What is carried goes through all that are in a row, and ends behind the last.
                    let (sum, over) = first.overflowing_add(*among);
                    let (sum, over_again) = sum.overflowing_add(u64::from(goes_on));
                    goes_on = over | over_again;
                    *made = of | first | (among & !sum);
                }
                if let Some(through) = self.through.get_mut(number) {
                    *through = goes_on;
                }
            }
        }
        if let Some(place) = self.words.get_mut(BITS + number) {
            *place = set;
        }
    }
}

#[expect(clippy::inline_always, reason = "as above")]
#[inline(always)]
fn combine(made: &mut [u64], one: &[u64], other: &[u64], with: impl Fn(u64, u64) -> u64) {
    for (made, (one, other)) in made.iter_mut().zip(one.iter().zip(other)) {
        *made = with(*one, *other);
    }
}

/// Returns each of the eight bits of some bytes.
#[expect(clippy::inline_always, reason = "as above")]
#[inline(always)]
fn bits(bytes: &[u8; WORD]) -> [u64; BITS] {
    let eights = bytes.as_chunks::<8>().0;
    let mut words: [u64; BITS] =
        std::array::from_fn(|at| eights.get(at).copied().map_or(0, u64::from_le_bytes));
    // Within each word rows of eight bits become columns, and then the same is done with bytes of words.
    for (by, mask) in
        [(7, 0x00aa_00aa_00aa_00aa), (14, 0x0000_cccc_0000_cccc), (28, 0x0000_0000_f0f0_f0f0)]
    {
        for word in &mut words {
            let differ = (*word ^ (*word >> by)) & mask;
            *word ^= differ ^ (differ << by);
        }
    }
    for (apart, by, mask) in [
        (4, 32, 0x0000_0000_ffff_ffff),
        (2, 16, 0x0000_ffff_0000_ffff),
        (1, 8, 0x00ff_00ff_00ff_00ff),
    ] {
        for one in (0..BITS).filter(|at| at & apart == 0) {
            let differ = ((words[one] >> by) ^ words[one + apart]) & mask;
            words[one + apart] ^= differ;
            words[one] ^= differ << by;
        }
    }
    words
}

struct Look<'s> {
    sets: &'s mut Sets,
    text: &'s [u8; TEXT],
    n_words: usize,
}

impl Work for Look<'_> {
    type Done = ();

    #[expect(clippy::inline_always, reason = "see `Work`")]
    #[inline(always)]
    fn run(self) {
        self.sets.look(self.text, self.n_words);
    }
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn bytes_become_their_bits() {
        let mut bytes = [0; WORD];
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::try_from(at * 37 % 256).unwrap();
        }
        for (bit, set) in bits(&bytes).into_iter().enumerate() {
            for (at, byte) in bytes.iter().enumerate() {
                assert_eq!(set >> at & 1 == 1, byte >> bit & 1 == 1, "{bit} of {at}");
            }
        }
    }

    #[test]
    fn what_is_found_along_the_text_is_what_each_line_has() {
        let sets: [&[&str]; 9] = [
            &["a{64}b", "[^b]{65}", "a{127}", "[ab]{128}", "[ab]{129}$"],
            &["b[^b]{63}b", "b[^1]{64}a", "1[^b]{65}a", "b.{191}b", "b.{192}b"],
            &["^a{70,90}b", "^.{100}$", "ba{3,67}b", "b[ab]{60,}1"],
            &["a{40}(b|1{2}| -)a{20,30}", "(ab?){30}b", "b(aa|b){9,12}1"],
            &["b[^1]*1[^b]+b{9}", "^[^b]*b[^b]*b[ab]+$", "b+a*b*1* *-"],
            &["[ab]{300}", "[ab]{299}b", "[^ ]{256}", "[^ ]{257}", "a[^ ]{511}a", "[^-]{700,900}1"],
            &["(^|1)a{63}", "(a{70}|b{9})(1|$)", "b{2}$"],
            &["a{2000}", "b[ab]{2047}b", "b[ab]{2048}b", "a[^1]{3000}"],
            &["(?u)[à-ö]{3}b", "(?u)[à-ö]b", r"\xff[ab]{30}", "(?i)A{90}B"],
        ];
        for (number, patterns) in sets.iter().enumerate() {
            for longest in [10, 200, 700, 9000] {
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
        for pattern in
            ["a*", "^", "^a*", "(ab)*c", "ba{9000}", r"a\bb", "(a.){300}", "(?u)\\w{9}", "a^b"]
        {
            assert!(along(&[pattern]).is_err(), "{pattern}");
        }
        let hundreds = along(&["[a-q][^u-z]{300}[a-x]", "[0-9][^#]{150}[QZ][a-z]"]).unwrap();
        assert!(hundreds.memory() < 80_000, "{}", hundreds.memory());
    }
}

//! The sets of all steps of a [`Recipe`], for some text.
//!
//! Each step is taken for a stretch of text before the next one is, with vectors: so it is asked only once for
//! a stretch which step it is. What the steps after it ask for of the text before the stretch is kept.

use std::collections::BTreeSet;

use super::machine::{add, meets};
use super::positions::{has, put};
use super::recipe::{BITS, Recipe, SetNumber, Step};
use crate::sys::vectors::{Kind, LANES};

/// Bytes of text that are a word.
pub(super) const BYTES: usize = 64;

/// Words of text that are looked at together.
pub(super) const WORDS: usize = 64;

pub(super) const TEXT: usize = WORDS * BYTES;

/// Words of a line of the processor's memory. Sets begin with one: vectors that are part of two take twice the
/// time.
const LINE: usize = LANES;

/// Bound on patterns.
pub(super) const MOST: usize = GROUPS * GROUP - 1;

/// Stands among the patterns for what is needed whatever is looked for.
const ALWAYS: usize = MOST;

/// So many simple steps take as long as one that goes through a class, from word to word.
const THROUGH: usize = 3;

/// Patterns whose bits are a word, and words of these.
const GROUP: usize = 64;
const GROUPS: usize = 4;

/// A bit for each pattern.
pub(super) type Found = [u64; GROUPS];

pub(super) const NONE: Found = [0; GROUPS];

/// See the module's text.
#[derive(Debug)]
pub(super) struct Sets {
    recipe: Recipe,
    /// Where each pattern ends, in the order of the sets.
    patterns: Vec<(SetNumber, usize)>,
    /// All sets one behind the other. Of each the words before the present ones that are asked for stand before
    /// them.
    room: Vec<u64>,
    /// Where the present words of each begin.
    begins: Vec<usize>,
    /// How many words before these are asked for.
    back: Vec<usize>,
    /// For each step the patterns that need it.
    needed: Vec<Found>,
    /// For each step that goes through a class: whether it goes on in the next word.
    through: Vec<bool>,
    /// Where any of the patterns ends.
    ever: [u64; WORDS],
    /// Of the word at hand, where each pattern ends.
    ends: Box<[[u64; GROUP]; GROUPS]>,
    /// Patterns that end anywhere in the text, with where the present words of that begin.
    some: Vec<(usize, usize)>,
}

/// Returns for each step the patterns that need it.
fn needed(recipe: &Recipe) -> Vec<Found> {
    let mut needed = vec![NONE; BITS + recipe.steps.len()];
    for (number, set) in recipe.ends.iter().enumerate() {
        put(&mut needed[*set], number);
    }
    for set in with_feeds(recipe) {
        put(&mut needed[set], ALWAYS);
    }
    for (number, step) in recipe.steps.iter().enumerate().rev() {
        let by = needed[BITS + number];
        step.operands().for_each(|set| add(&mut needed[set], &by));
    }
    needed.split_off(BITS)
}

/// Returns the sets that have where lines end, and so begin: the end of the line before the text is asked for.
fn with_feeds(recipe: &Recipe) -> BTreeSet<SetNumber> {
    let mut sets: BTreeSet<SetNumber> = recipe.with_feeds.iter().copied().collect();
    sets.insert(recipe.feeds);
    for (number, step) in recipe.steps.iter().enumerate() {
        let has_feeds = match step {
            Step::Either(a, b) => sets.contains(a) || sets.contains(b),
            Step::OrAfter { of, .. } | Step::Through { of, .. } => sets.contains(of),
            // Those of bytes that are no end of a line, and what ends with one.
            Step::Not(_)
            | Step::Both(..)
            | Step::Without(..)
            | Step::OrNot(..)
            | Step::Choose { .. }
            | Step::After { .. }
            | Step::AfterEither { .. } => false,
        };
        if has_feeds {
            sets.insert(BITS + number);
        }
    }
    sets
}

pub(super) fn is_any(found: &Found) -> bool {
    found.iter().any(|group| *group != 0)
}

impl Sets {
    pub(super) fn new(recipe: Recipe) -> Self {
        let back = recipe.words_back();
        let mut end = 0;
        let mut begins = Vec::with_capacity(back.len());
        for back in &back {
            let begin = end + back.next_multiple_of(LINE);
            begins.push(begin);
            end = begin + WORDS;
        }
        let room = vec![0_u64; end + LINE];
        // Where that cannot be told it is only slower.
        let first = room.as_ptr().align_offset(size_of::<u64>() * LINE).min(LINE);
        for begin in &mut begins {
            *begin += first;
        }
        let ends = recipe.ends.iter().enumerate();
        let mut patterns: Vec<(SetNumber, usize)> =
            ends.map(|(number, set)| (*set, number)).collect();
        patterns.sort_unstable();
        Self {
            patterns,
            needed: needed(&recipe),
            through: vec![false; recipe.steps.len()],
            recipe,
            room,
            begins,
            back,
            ever: [0; WORDS],
            ends: Box::new([[0; GROUP]; GROUPS]),
            some: Vec::new(),
        }
    }

    /// Returns the bytes that it holds.
    pub(super) fn memory(&self) -> usize {
        let Self { recipe, room, begins, back, needed, through, some, .. } = self;
        let sets = size_of_val(&**room) + size_of_val(&**begins) + size_of_val(&**back);
        let steps = recipe.steps.capacity() * size_of::<Step>() + through.capacity();
        let patterns = size_of_val(&*self.ends) + some.capacity() * size_of::<(usize, usize)>();
        sets + steps + size_of_val(&**needed) + patterns
    }

    /// Returns how much work there is for each word of text, in simple steps.
    pub(super) fn cost(&self) -> usize {
        let of = |step: &Step| if matches!(step, Step::Through { .. }) { THROUGH } else { 1 };
        self.recipe.steps.iter().map(of).sum()
    }

    /// Returns a bit for each pattern.
    pub(super) fn all(&self) -> Found {
        let mut all = NONE;
        for number in 0..self.recipe.ends.len() {
            put(&mut all, number);
        }
        all
    }

    /// Returns where lines end in a word of text.
    #[inline]
    pub(super) fn feeds(&self, word: usize) -> u64 {
        self.word(self.recipe.feeds, word)
    }

    /// Returns where any of the patterns that were wanted ends in a word of text.
    #[inline]
    pub(super) fn ever(&self, word: usize) -> u64 {
        self.ever.get(word).copied().unwrap_or_default()
    }

    #[inline]
    fn word(&self, set: SetNumber, word: usize) -> u64 {
        let begin = self.begins.get(set).copied().unwrap_or(0);
        self.room.get(begin + word).copied().unwrap_or_default()
    }

    /// Takes a word of text, of which is asked next where in it patterns end.
    #[expect(clippy::inline_always, reason = "the work is compiled for the vectors of its caller")]
    #[inline(always)]
    pub(super) fn take_word(&mut self, word: usize) {
        let room = self.room.get(word..).unwrap_or_default();
        take_each(&self.some, room, self.ends.as_flattened_mut());
    }

    /// Adds which patterns end in some places of the word that was taken.
    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    pub(super) fn add_which<K: Kind>(&self, kind: K, places: u64, found: &mut Found) {
        let groups = self.recipe.ends.len().div_ceil(GROUP);
        for (found, ends) in found.iter_mut().zip(self.ends.iter()).take(groups) {
            let mut here = [0; GROUP / LANES];
            for (here, ends) in here.iter_mut().zip(ends.as_chunks().0) {
                *here = kind.which_meet(ends, places);
            }
            *found |= u64::from_le_bytes(here);
        }
    }

    /// Makes the sets of the text anew that are needed for some of the patterns.
    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    pub(super) fn look<K: Kind>(
        &mut self,
        kind: K,
        text: &[u8; TEXT],
        n_words: usize,
        wanted: &Found,
    ) {
        for (word, bytes) in text.as_chunks::<BYTES>().0.iter().enumerate().take(n_words) {
            for (begin, set) in self.begins.iter().zip(kind.bits(bytes)) {
                if let Some(place) = self.room.get_mut(begin + word) {
                    *place = set;
                }
            }
        }
        self.forget_ends();
        let mut wanted = *wanted;
        put(&mut wanted, ALWAYS);
        // A length that is known when it is compiled is faster.
        if n_words == WORDS {
            self.steps(kind, WORDS, &wanted);
        } else {
            self.steps(kind, n_words, &wanted);
        }
        self.note_ever(n_words);
        self.keep_the_last(n_words, &wanted);
    }

    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn steps<K: Kind>(&mut self, kind: K, n_words: usize, wanted: &Found) {
        let mut ends = 0;
        for number in 0..self.recipe.steps.len() {
            if self.needed.get(number).is_some_and(|needed| meets(needed, wanted)) {
                self.step(kind, number, n_words);
            }
            // What was just made is still near.
            while let Some((set, pattern)) = self.patterns.get(ends).copied()
                && set <= BITS + number
            {
                ends += 1;
                if has(wanted, pattern) {
                    self.note_end(set, pattern, n_words);
                }
            }
        }
    }

    /// Keeps what is asked for of the text after this. Of sets that were not made nothing goes on: they have no
    /// part in the line at hand, and no line before it leads to the next.
    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn keep_the_last(&mut self, n_words: usize, wanted: &Found) {
        for (set, (begin, back)) in self.begins.iter().zip(&self.back).enumerate() {
            let step = set.checked_sub(BITS);
            let is_made = step.is_none_or(|step| meets(&self.needed[step], wanted));
            // They are few: a call would cost more.
            for place in begin - back..*begin {
                self.room[place] = if is_made { self.room[place + n_words] } else { 0 };
            }
            if let Some(step) = step {
                self.through[step] &= is_made;
            }
        }
    }

    /// Nothing ends anywhere.
    fn forget_ends(&mut self) {
        for (number, _) in self.some.drain(..) {
            if let Some(end) = self.ends.as_flattened_mut().get_mut(number) {
                *end = 0;
            }
        }
    }

    /// Notes whether a pattern ends anywhere in the text.
    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn note_end(&mut self, set: SetNumber, pattern: usize, n_words: usize) {
        let begin = self.begins.get(set).copied().unwrap_or(0);
        let found = self.room.get(begin..begin + n_words).unwrap_or_default();
        if found.iter().fold(0, |any, found| any | found) != 0 {
            self.some.push((pattern, begin));
        }
    }

    /// Notes where any pattern ends.
    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn note_ever(&mut self, n_words: usize) {
        let mut ever = [0; WORDS];
        for (_, begin) in &self.some {
            let found = self.room.get(*begin..begin + n_words).unwrap_or_default();
            ever.iter_mut().zip(found).for_each(|(ever, found)| *ever |= found);
        }
        self.ever = ever;
    }

    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn step<K: Kind>(&mut self, kind: K, number: usize, n_words: usize) {
        let Self { recipe, room, begins, through, .. } = self;
        let Some(step) = recipe.steps.get(number).copied() else { return };
        let begin_of = |set: SetNumber| begins.get(set).copied().unwrap_or(0);
        // What a set is made of stands before it.
        let begin = begin_of(BITS + number);
        let Some((room, made)) = room.split_at_mut_checked(begin) else { return };
        let made = made.get_mut(..n_words).unwrap_or_default();
        let stretch = |begin: usize| room.get(begin..begin + n_words).unwrap_or_default();
        let now = |set| stretch(begin_of(set));
        // For each of the present words the one that so many bytes before it begins in, and the one before the
        // first of these.
        let before = |set, by| {
            let later = begin_of(set).saturating_sub(by / BYTES);
            let earlier = room.get(later.saturating_sub(1)).copied().unwrap_or_default();
            (stretch(later), earlier)
        };
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
            // Most are of this kind, and a shift that is known when it is compiled is faster.
            Step::After { of, by: 1, among } => {
                let after = shifted(before(of, 1), 1);
                made.iter_mut().zip(after.zip(now(among))).for_each(|(m, (a, b))| *m = a & b);
            }
            Step::After { of, by, among } => {
                let after = shifted(before(of, by), by % BYTES);
                made.iter_mut().zip(after.zip(now(among))).for_each(|(m, (a, b))| *m = a & b);
            }
            Step::OrAfter { of, by, among } => {
                let after = shifted(before(of, by), by % BYTES).zip(now(among));
                for ((made, of), (after, among)) in made.iter_mut().zip(now(of)).zip(after) {
                    *made = of | (after & among);
                }
            }
            Step::AfterEither { of, by: [by, or_by], among: [among, or_among] } => {
                let one = shifted(before(of, by), by % BYTES).zip(now(among));
                let other = shifted(before(of, or_by), or_by % BYTES).zip(now(or_among));
                for (made, ((a, b), (c, d))) in made.iter_mut().zip(one.zip(other)) {
                    *made = (a & b) | (c & d);
                }
            }
            Step::Through { of, among } => {
                if let Some(goes_on) = through.get_mut(number) {
                    *goes_on = go_through(kind, made, before(of, 1), now(among), *goes_on);
                }
            }
        }
    }
}

/// Returns some words, shifted by so many bits. First comes the word before them.
#[expect(clippy::inline_always, reason = "as above")]
#[inline(always)]
fn shifted((words, before): (&[u64], u64), by: usize) -> impl Iterator<Item = u64> {
    let mut earlier = before;
    words.iter().map(move |word| {
        let shifted = word << by | earlier >> 1 >> (BYTES - 1 - by);
        earlier = *word;
        shifted
    })
}

/// Makes words of all of `among` that follow one of some others without a gap, and of these. First comes the
/// word before them. Returns whether it goes on in the next word.
#[expect(clippy::inline_always, reason = "as above")]
#[inline(always)]
fn go_through<K: Kind>(
    kind: K,
    made: &mut [u64],
    (of, mut earlier): (&[u64], u64),
    among: &[u64],
    mut goes_on: bool,
) -> bool {
    let (of, of_rest) = of.as_chunks();
    let (among, among_rest) = among.as_chunks();
    let (eights, rest) = made.as_chunks_mut();
    for ((made, of), among) in eights.iter_mut().zip(of).zip(among) {
        (*made, goes_on) = through_eight(kind, of, earlier, among, goes_on);
        earlier = of[LINE - 1];
    }
    for ((made, of), among) in rest.iter_mut().zip(of_rest).zip(among_rest) {
        let first = (of << 1 | earlier >> (BYTES - 1)) & among;
        // What is carried goes through all that are in a row, and ends behind the last.
        let sum;
        (sum, goes_on) = among.carrying_add(first, goes_on);
        *made = of | first | (among & !sum);
        earlier = *of;
    }
    goes_on
}

/// The same for as many words as are a vector.
#[expect(clippy::inline_always, reason = "as above")]
#[inline(always)]
fn through_eight<K: Kind>(
    kind: K,
    of: &[u64; LINE],
    earlier: u64,
    among: &[u64; LINE],
    goes_on: bool,
) -> ([u64; LINE], bool) {
    let mut first = [0; LINE];
    let mut before = earlier;
    for word in 0..LINE {
        first[word] = (of[word] << 1 | before >> (BYTES - 1)) & among[word];
        before = of[word];
    }
    let (sums, goes_on) = kind.add(among, &first, goes_on);
    (std::array::from_fn(|word| of[word] | first[word] | (among[word] & !sums[word])), goes_on)
}

/// Takes for each pattern what begins there.
#[expect(clippy::inline_always, reason = "as above")]
#[inline(always)]
fn take_each(patterns: &[(usize, usize)], room: &[u64], ends: &mut [u64]) {
    for (number, begin) in patterns {
        if let Some((place, end)) = ends.get_mut(*number).zip(room.get(*begin)) {
            *place = *end;
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sys::vectors::Any;

    fn some_word() -> impl Strategy<Value = u64> {
        prop_oneof![Just(0), Just(1), Just(1 << 63), any::<u64>()]
    }

    fn many_bits() -> impl Strategy<Value = u64> {
        let others = prop_oneof![Just(0), Just(u64::MAX - 1), Just(u64::MAX >> 1), any::<u64>()];
        prop_oneof![4 => Just(u64::MAX), 2 => others]
    }

    proptest! {
        #[test]
        fn what_goes_through_a_class_goes_from_place_to_place(
            words in prop::collection::vec((some_word(), many_bits()), 0..40),
            earlier in prop_oneof![Just(0), Just(1_u64 << 63)],
            goes_on: bool,
        ) {
            let (of, among): (Vec<u64>, Vec<u64>) = words.into_iter().unzip();
            let mut goes = goes_on || earlier != 0;
            let mut expected = of.clone();
            for (word, among) in expected.iter_mut().zip(&among) {
                for bit in 0..64 {
                    let is_there = *word >> bit & 1 == 1;
                    goes &= among >> bit & 1 == 1;
                    *word |= u64::from(goes) << bit;
                    goes |= is_there;
                }
            }
            for piece in [1, 3, 8, 11, 64] {
                let (mut made, mut carried, mut last) = (vec![0; of.len()], goes_on, earlier);
                let pieces = made.chunks_mut(piece).zip(of.chunks(piece)).zip(among.chunks(piece));
                for ((made, of), among) in pieces {
                    carried = go_through(Any, made, (of, last), among, carried);
                    last = of.last().copied().unwrap_or_default();
                }
                prop_assert_eq!(&made, &expected);
            }
        }
    }
}

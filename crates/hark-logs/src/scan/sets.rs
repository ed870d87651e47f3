//! The sets of all steps of a [`Recipe`], for some text.
//!
//! Each step is taken for a stretch of text before the next one is, with vectors: so it is asked only once for
//! a stretch which step it is. Its set stands where one stood that is not asked for any more, so that all of them
//! stay in the nearest memory of the processor. What is asked for of the text before the stretch is kept.

use std::collections::BTreeSet;

use super::machine::{add, meets};
use super::positions::{has, put};
use super::recipe::{BITS, Distance, Recipe, SetNumber, Step};
use crate::sys::vectors::{Kind, LANES, Words};

/// Bytes of text that are a word.
pub(super) const BYTES: usize = 64;

/// Words of text that are looked at together.
pub(super) const WORDS: usize = 128;

pub(super) const TEXT: usize = WORDS * BYTES;

/// Words that are kept of the text before: as far back as steps go.
const BEFORE: usize = LANES;

/// Bound on patterns.
pub(super) const MOST: usize = GROUPS * GROUP - 1;

/// Stands among the patterns for what is needed whatever is looked for.
const ALWAYS: usize = MOST;

/// So many simple steps take as long as one that goes through a class, from word to word.
const THROUGH: usize = 2;

/// Patterns whose bits are a word, and words of these.
const GROUP: usize = 64;
const GROUPS: usize = 4;

/// A bit for each pattern.
pub(super) type Found = [u64; GROUPS];

pub(super) const NONE: Found = [0; GROUPS];

/// See the module's text.
#[derive(Debug)]
pub(super) struct Sets {
    work: Vec<Task>,
    /// The patterns that need each of them.
    needed: Vec<Found>,
    n_patterns: usize,
    /// Where sets are made. One that is being made is taken out.
    places: Vec<Option<Box<Place>>>,
    /// Of the first sets: what of the text before is asked for, if anything is.
    bits: [Kept; BITS],
    /// Patterns that are a bit of a byte (`[\x80-\xff]`), and which.
    bit_ends: Vec<(usize, usize)>,
    /// Where the set stands that has where lines end.
    feeds: usize,
    /// Where any of the patterns ends.
    ever: [u64; WORDS],
    /// Of the words at hand, where each pattern ends.
    ends: Box<[[u64; GROUPS * GROUP]; LANES]>,
    /// Patterns that end anywhere in the text, with where that stands.
    some: Vec<(usize, usize)>,
}

/// Where a set stands: what is kept of it, and then its present words. A vector is no part of two lines of the
/// processor's memory: that would take twice the time.
#[derive(Clone, Debug)]
#[repr(align(64))]
struct Place([u64; BEFORE + WORDS]);

/// A step, with places instead of sets. It is small: all of them are gone through for each stretch of text.
#[derive(Debug)]
struct Task {
    step: Step,
    /// Where its set is made.
    made: SetNumber,
    /// Whether what goes through a class goes on in the next word.
    goes_on: bool,
    kept: Kept,
    /// The patterns that end where it does.
    ends: Box<[usize]>,
}

/// What is kept of a set: as much of the text before as is asked for.
#[derive(Clone, Debug)]
enum Kept {
    Nothing,
    Word(u64),
    Words(Box<Words>),
}

impl Kept {
    /// For steps that go back so far, if any does.
    fn new(by: Option<Distance>) -> Self {
        match by {
            None => Self::Nothing,
            Some(by) if usize::from(by) < BYTES => Self::Word(0),
            Some(_) => Self::Words(Box::new([0; BEFORE])),
        }
    }

    fn forget(&mut self) {
        match self {
            Self::Nothing => {}
            Self::Word(word) => *word = 0,
            Self::Words(words) => **words = [0; BEFORE],
        }
    }

    /// Puts what was kept before the present words.
    #[expect(clippy::inline_always, reason = "see `Place`")]
    #[inline(always)]
    fn put_before(&self, place: &mut Place) {
        match self {
            Self::Nothing => {}
            Self::Word(word) => place.0[BEFORE - 1] = *word,
            Self::Words(words) => place.0[..BEFORE].copy_from_slice(&**words),
        }
    }

    /// Keeps the last of the present words, which are so many.
    #[expect(clippy::inline_always, reason = "see `Place`")]
    #[inline(always)]
    fn keep(&mut self, place: &Place, n_words: usize) {
        match self {
            Self::Nothing => {}
            Self::Word(word) => *word = place.0[BEFORE + n_words - 1],
            Self::Words(words) => words.copy_from_slice(&place.0[n_words..n_words + BEFORE]),
        }
    }
}

/// Returns for each step the patterns that need it.
fn needed(recipe: &Recipe) -> Vec<Found> {
    let mut needed = vec![NONE; BITS + recipe.steps.len()];
    for (number, set) in recipe.ends.iter().enumerate() {
        put(&mut needed[usize::from(*set)], number);
    }
    for set in with_feeds(recipe) {
        put(&mut needed[usize::from(set)], ALWAYS);
    }
    for (number, step) in recipe.steps.iter().enumerate().rev() {
        let by = needed[BITS + number];
        step.operands().for_each(|set| add(&mut needed[usize::from(set)], &by));
    }
    needed.split_off(BITS)
}

/// Returns the sets that have where lines end, and so begin: the end of the line before the text is asked for.
fn with_feeds(recipe: &Recipe) -> BTreeSet<SetNumber> {
    let mut sets: BTreeSet<SetNumber> = recipe.with_feeds.iter().copied().collect();
    sets.insert(recipe.feeds);
    for (number, step) in (BITS..).map(SetNumber::try_from).map_while(Result::ok).zip(&recipe.steps)
    {
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
            | Step::AfterAny { .. } => false,
        };
        if has_feeds {
            sets.insert(number);
        }
    }
    sets
}

pub(super) fn is_any(found: &Found) -> bool {
    found.iter().any(|group| *group != 0)
}

/// Returns for each set the last step that asks for it; none if it is asked for afterwards, or never.
fn last_asked(recipe: &Recipe) -> Vec<Option<usize>> {
    let mut last = vec![None; BITS + recipe.steps.len()];
    for (number, step) in recipe.steps.iter().enumerate() {
        step.operands().for_each(|set| last[usize::from(set)] = Some(number));
    }
    for set in recipe.ends.iter().chain([&recipe.feeds]) {
        last[usize::from(*set)] = None;
    }
    last
}

/// Returns a place for each set.
fn places(recipe: &Recipe) -> Vec<SetNumber> {
    let last = last_asked(recipe);
    let mut fresh = 0..;
    let mut places: Vec<SetNumber> = fresh.by_ref().take(BITS).collect();
    let mut free = BTreeSet::new();
    for (number, step) in recipe.steps.iter().enumerate() {
        // Not one of those that it is made of.
        let place = free.pop_first().or_else(|| fresh.next());
        places.push(place.unwrap_or_default());
        let over = step.operands().filter(|set| last[usize::from(*set)] == Some(number));
        free.extend(over.map(|set| places[usize::from(set)]));
    }
    places
}

impl Sets {
    pub(super) fn new(recipe: &Recipe) -> Self {
        let places = places(recipe);
        let place = |set: SetNumber| places.get(usize::from(set)).copied().unwrap_or_default();
        let mut back = vec![None; BITS + recipe.steps.len()];
        for (set, by) in recipe.steps.iter().filter_map(|step| step.before()) {
            let back = &mut back[usize::from(set)];
            *back = (*back).max(Some(by));
        }
        let mut ends = vec![Vec::new(); BITS + recipe.steps.len()];
        for (number, set) in recipe.ends.iter().enumerate() {
            ends[usize::from(*set)].push(number);
        }
        let of_steps = recipe.steps.iter().zip(&places[BITS..]);
        let task =
            |((step, made), (back, ends)): ((&Step, &SetNumber), (&Option<_>, &Vec<_>))| Task {
                step: step.map(place),
                made: *made,
                goes_on: false,
                kept: Kept::new(*back),
                ends: ends.as_slice().into(),
            };
        let work: Vec<Task> =
            of_steps.zip(back[BITS..].iter().zip(&ends[BITS..])).map(task).collect();
        let of_bits = ends.iter().take(BITS).enumerate();
        let n_places = places.iter().max().map_or(0, |last| usize::from(*last) + 1);
        Self {
            work,
            needed: needed(recipe),
            n_patterns: recipe.ends.len(),
            places: vec![Some(Box::new(Place([0; BEFORE + WORDS]))); n_places],
            bits: std::array::from_fn(|bit| Kept::new(back[bit])),
            bit_ends: of_bits
                .flat_map(|(bit, ends)| ends.iter().map(move |end| (*end, bit)))
                .collect(),
            feeds: usize::from(place(recipe.feeds)),
            ever: [0; WORDS],
            ends: Box::new([[0; GROUPS * GROUP]; LANES]),
            some: Vec::new(),
        }
    }

    /// Returns the bytes that it holds.
    pub(super) fn memory(&self) -> usize {
        let Self { work, needed, places, ends, some, bit_ends, .. } = self;
        let beside = |task: &Task| {
            let kept = if matches!(task.kept, Kept::Words(_)) { size_of::<Words>() } else { 0 };
            kept + size_of_val(&*task.ends)
        };
        size_of_val(&**work)
            + work.iter().map(beside).sum::<usize>()
            + size_of_val(&**needed)
            + places.len() * (size_of::<Place>() + size_of::<usize>())
            + size_of_val(&**ends)
            + (some.capacity() + bit_ends.capacity()) * size_of::<(usize, usize)>()
    }

    /// Returns how much work there is for each word of text, in simple steps.
    pub(super) fn cost(&self) -> usize {
        let of = |task: &Task| if matches!(task.step, Step::Through { .. }) { THROUGH } else { 1 };
        self.work.iter().map(of).sum()
    }

    /// Returns a bit for each pattern.
    pub(super) fn all(&self) -> Found {
        let mut all = NONE;
        for number in 0..self.n_patterns {
            put(&mut all, number);
        }
        all
    }

    /// Returns where lines end in a word of text.
    #[inline]
    pub(super) fn feeds(&self, word: usize) -> u64 {
        self.now(self.feeds).get(word).copied().unwrap_or_default()
    }

    /// Returns where any of the patterns that were wanted ends in a word of text.
    #[inline]
    pub(super) fn ever(&self, word: usize) -> u64 {
        self.ever.get(word).copied().unwrap_or_default()
    }

    /// Returns the present words of what stands there.
    #[inline]
    fn now(&self, place: usize) -> &[u64] {
        self.places.get(place).and_then(Option::as_ref).map_or(&[], |place| &place.0[BEFORE..])
    }

    /// Takes some words of text, the first of which has this number: of these is asked next where in them patterns
    /// end.
    #[expect(clippy::inline_always, reason = "the work is compiled for the vectors of its caller")]
    #[inline(always)]
    pub(super) fn take_words(&mut self, first: usize) {
        let Self { places, some, ends, .. } = self;
        for (number, place) in &*some {
            let place = places.get(*place).and_then(Option::as_ref);
            let words: Option<&Words> =
                place.and_then(|p| p.0[BEFORE..].as_chunks().0.get(first / LANES));
            for (ends, word) in ends.iter_mut().zip(words.copied().unwrap_or_default()) {
                ends[*number % (GROUPS * GROUP)] = word;
            }
        }
    }

    /// Adds which patterns end in some places of a word, which is one of those that were taken.
    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    pub(super) fn add_which<K: Kind>(&self, kind: K, word: usize, places: u64, found: &mut Found) {
        let ends = self.ends[word % LANES].as_chunks().0;
        let eights = self.n_patterns.div_ceil(LANES);
        for (number, ends) in ends.iter().enumerate().take(eights) {
            let here = u64::from(kind.which_meet(ends, places));
            found[number * LANES / GROUP] |= here << (number * LANES % GROUP);
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
        self.take_text(kind, text, n_words);
        self.forget_ends();
        let mut wanted = *wanted;
        put(&mut wanted, ALWAYS);
        // A length that is known when it is compiled is faster.
        if n_words == WORDS {
            self.take_steps(kind, WORDS, &wanted);
        } else {
            self.take_steps(kind, n_words, &wanted);
        }
        self.note_ever(n_words);
    }

    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn take_text<K: Kind>(&mut self, kind: K, text: &[u8; TEXT], n_words: usize) {
        let mut places = self.places.iter_mut().map(Option::as_deref_mut);
        let mut sets: [_; BITS] = std::array::from_fn(|_| places.next().flatten());
        for (place, kept) in sets.iter_mut().flatten().zip(&self.bits) {
            kept.put_before(place);
        }
        for (word, bytes) in text.as_chunks::<BYTES>().0.iter().enumerate().take(n_words) {
            for (place, set) in sets.iter_mut().flatten().zip(kind.bits(bytes)) {
                place.0[BEFORE + word] = set;
            }
        }
        for (place, kept) in sets.iter().flatten().zip(&mut self.bits) {
            kept.keep(place, n_words);
        }
    }

    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn take_steps<K: Kind>(&mut self, kind: K, n_words: usize, wanted: &Found) {
        let Self { work, needed, places, some, bit_ends, .. } = self;
        some.extend(bit_ends.iter().filter(|(pattern, _)| has(wanted, *pattern)));
        for (task, needed) in work.iter_mut().zip(needed) {
            let Task { step, made: number, goes_on, kept, ends } = task;
            if !meets(needed, wanted) {
                // Nothing goes on from it: it has no part in the line at hand, and no line before it leads to
                // the next.
                *goes_on = false;
                kept.forget();
                continue;
            }
            let number = usize::from(*number);
            let Some(mut made) = places.get_mut(number).and_then(Option::take) else { continue };
            make(kind, *step, places, &mut made.0[BEFORE..BEFORE + n_words], goes_on);
            kept.put_before(&mut made);
            kept.keep(&made, n_words);
            // What was just made is still near.
            if !ends.is_empty()
                && made.0[BEFORE..BEFORE + n_words].iter().fold(0, |a, b| a | b) != 0
            {
                let wanted = ends.iter().filter(|pattern| has(wanted, **pattern));
                some.extend(wanted.map(|pattern| (*pattern, number)));
            }
            places[number] = Some(made);
        }
    }

    /// Nothing ends anywhere.
    fn forget_ends(&mut self) {
        for (number, _) in self.some.drain(..) {
            for ends in &mut *self.ends {
                ends[number % (GROUPS * GROUP)] = 0;
            }
        }
    }

    /// Notes where any pattern ends.
    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn note_ever(&mut self, n_words: usize) {
        let Self { places, some, ever, .. } = self;
        *ever = [0; WORDS];
        for (_, place) in some {
            let Some(Some(place)) = places.get(*place) else { continue };
            let found = &place.0[BEFORE..BEFORE + n_words];
            ever.iter_mut().zip(found).for_each(|(ever, found)| *ever |= found);
        }
    }
}

/// Takes a step.
#[expect(clippy::inline_always, reason = "as above")]
#[inline(always)]
fn make<K: Kind>(
    kind: K,
    step: Step,
    places: &[Option<Box<Place>>],
    made: &mut [u64],
    goes_on: &mut bool,
) {
    let n_words = made.len();
    let of = |place: SetNumber| places.get(usize::from(place)).and_then(Option::as_ref);
    let now = |place| of(place).map_or(&[][..], |place| &place.0[BEFORE..BEFORE + n_words]);
    // For each of the present words the one that so many bytes before it begins in, and the one before the
    // first of these.
    let before = |place, by: Distance| {
        let begin = BEFORE - usize::from(by) / BYTES % BEFORE;
        of(place).map_or((&[][..], 0), |p| (&p.0[begin..begin + n_words], p.0[begin - 1]))
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
            let after = shifted(before(of, by), by);
            made.iter_mut().zip(after.zip(now(among))).for_each(|(m, (a, b))| *m = a & b);
        }
        Step::OrAfter { of, by, among } => {
            let after = shifted(before(of, by), by).zip(now(among));
            for ((made, of), (after, among)) in made.iter_mut().zip(now(of)).zip(after) {
                *made = of | (after & among);
            }
        }
        Step::AfterAny { of, terms: [Some((by, among)), Some((or_by, or_among)), None, None] } => {
            let one = shifted(before(of, by), by).zip(now(among));
            let other = shifted(before(of, or_by), or_by).zip(now(or_among));
            for (made, ((a, b), (c, d))) in made.iter_mut().zip(one.zip(other)) {
                *made = (a & b) | (c & d);
            }
        }
        Step::AfterAny { of, terms: [Some(a), Some(b), Some(c), Some(d)] } => {
            // Not in a loop: its body would not be compiled for the vectors of its caller.
            let one = shifted(before(of, a.0), a.0).zip(now(a.1));
            let two = shifted(before(of, b.0), b.0).zip(now(b.1));
            let three = shifted(before(of, c.0), c.0).zip(now(c.1));
            let four = shifted(before(of, d.0), d.0).zip(now(d.1));
            for (made, ((a, b), (c, d))) in made.iter_mut().zip(one.zip(two).zip(three.zip(four))) {
                *made = (a.0 & a.1) | (b.0 & b.1) | (c.0 & c.1) | (d.0 & d.1);
            }
        }
        Step::AfterAny { of, terms } => {
            made.fill(0);
            for (by, among) in terms.into_iter().flatten() {
                let after = shifted(before(of, by), by).zip(now(among));
                made.iter_mut().zip(after).for_each(|(m, (a, b))| *m |= a & b);
            }
        }
        Step::Through { of, among } => {
            *goes_on = go_through(kind, made, before(of, 1), now(among), *goes_on);
        }
    }
}

/// Returns some words, shifted by so many bits of a word. First comes the word before them.
#[expect(clippy::inline_always, reason = "as above")]
#[inline(always)]
fn shifted((words, before): (&[u64], u64), by: Distance) -> impl Iterator<Item = u64> {
    let by = u32::from(by) % u64::BITS;
    let mut earlier = before;
    words.iter().map(move |word| {
        let shifted = word << by | earlier >> 1 >> (u64::BITS - 1 - by);
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
        earlier = of[LANES - 1];
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
    of: &[u64; LANES],
    earlier: u64,
    among: &[u64; LANES],
    goes_on: bool,
) -> ([u64; LANES], bool) {
    let mut first = [0; LANES];
    let mut before = earlier;
    for word in 0..LANES {
        first[word] = (of[word] << 1 | before >> (BYTES - 1)) & among[word];
        before = of[word];
    }
    let (sums, goes_on) = kind.add(among, &first, goes_on);
    (std::array::from_fn(|word| of[word] | first[word] | (among[word] & !sums[word])), goes_on)
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

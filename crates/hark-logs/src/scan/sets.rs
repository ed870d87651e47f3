//! The sets of all steps of a [`Recipe`], for some text.
//!
//! Each step is taken for a stretch of text before the next one is, with vectors: so it is asked only once for
//! a stretch which step it is. Its set stands where one stood that is not asked for any more, so that all of them
//! stay in the nearest memory of the processor. What is asked for of the text before the stretch is kept.

use std::collections::BTreeSet;

use super::machine::{add, meets};
use super::positions::{has, put};
use super::recipe::{BITS, Distance, Recipe, SetNumber, Step};
use crate::sys::vectors::{Kind, LANES, Term, Words};

/// Bytes of text that are a word.
pub(super) const BYTES: usize = 64;

/// Words of text that are looked at together. Fewer of them, and asking each step which one it is would be a sixth of
/// the work; more, and the sets would not stay near.
const WORDS: usize = 256;

pub(super) const TEXT: usize = WORDS * BYTES;

/// Words that are a vector: whole ones are looked at, whatever there is in the last.
pub(super) const EIGHT: usize = LANES;

pub(super) const EIGHTS: usize = WORDS / EIGHT;

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
    ends: Box<[[u64; GROUPS * GROUP]; EIGHT]>,
    /// Patterns that end anywhere in the text, with where that stands.
    some: Vec<(usize, usize)>,
}

/// Where a set stands: what is kept of it, which is as far back as steps go, and then its present words. A vector is no
/// part of two lines of the processor's memory: that would take twice the time.
#[derive(Clone, Debug)]
#[repr(align(64))]
struct Place([Words; 1 + EIGHTS]);

/// Stands for a set that is not there, which does not happen: so all are known to be of the same length.
static NOTHING: Place = Place([[0; EIGHT]; 1 + EIGHTS]);

impl Place {
    /// Returns the present words.
    fn now(&self) -> &[Words] {
        &self.0[1..]
    }
}

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
            Some(_) => Self::Words(Box::new([0; EIGHT])),
        }
    }

    fn forget(&mut self) {
        match self {
            Self::Nothing => {}
            Self::Word(word) => *word = 0,
            Self::Words(words) => **words = [0; EIGHT],
        }
    }

    /// Puts what was kept before the present words.
    #[expect(clippy::inline_always, reason = "see `Place`")]
    #[inline(always)]
    fn put_before(&self, place: &mut Place) {
        match self {
            Self::Nothing => {}
            // As a vector, which is what it is read as.
            Self::Word(word) => place.0[0] = [0, 0, 0, 0, 0, 0, 0, *word],
            Self::Words(words) => place.0[0] = **words,
        }
    }

    /// Keeps the last of the present words, which are so many eights.
    #[expect(clippy::inline_always, reason = "see `Place`")]
    #[inline(always)]
    fn keep(&mut self, place: &Place, eights: usize) {
        match self {
            Self::Nothing => {}
            Self::Word(word) => *word = place.0[eights][EIGHT - 1],
            Self::Words(words) => **words = place.0[eights],
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
            places: vec![Some(Box::new(Place([[0; EIGHT]; 1 + EIGHTS]))); n_places],
            bits: std::array::from_fn(|bit| Kept::new(back[bit])),
            bit_ends: of_bits
                .flat_map(|(bit, ends)| ends.iter().map(move |end| (*end, bit)))
                .collect(),
            feeds: usize::from(place(recipe.feeds)),
            ever: [0; WORDS],
            ends: Box::new([[0; GROUPS * GROUP]; EIGHT]),
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

    pub(super) fn n_patterns(&self) -> usize {
        self.n_patterns
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
        self.places
            .get(place)
            .and_then(Option::as_ref)
            .map_or(&[], |place| place.now().as_flattened())
    }

    /// Takes some words of text, the first of which has this number: of these is asked next where in them patterns
    /// end.
    #[expect(clippy::inline_always, reason = "the work is compiled for the vectors of its caller")]
    #[inline(always)]
    pub(super) fn take_words(&mut self, first: usize) {
        let Self { places, some, ends, .. } = self;
        for (number, place) in &*some {
            let place = places.get(*place).and_then(Option::as_ref);
            let words = place.and_then(|place| place.0.get(1 + first / EIGHT));
            for (ends, word) in ends.iter_mut().zip(words.copied().unwrap_or_default()) {
                ends[*number % (GROUPS * GROUP)] = word;
            }
        }
    }

    /// Adds which patterns end in some places of a word, which is one of those that were taken.
    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    pub(super) fn add_which<K: Kind>(&self, kind: K, word: usize, places: u64, found: &mut Found) {
        let ends: &[Words] = self.ends[word % EIGHT].as_chunks().0;
        let ends = &ends[..self.n_patterns.div_ceil(EIGHT).min(ends.len())];
        for (group, ends) in found.iter_mut().zip(ends.chunks(GROUP / EIGHT)) {
            for (number, ends) in ends.iter().enumerate() {
                *group |= u64::from(kind.which_meet(ends, places)) << (number * EIGHT);
            }
        }
    }

    /// Makes the sets of so many eights of the text anew that are needed for some of the patterns.
    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    pub(super) fn look<K: Kind>(
        &mut self,
        kind: K,
        text: &[u8; TEXT],
        eights: usize,
        wanted: &Found,
    ) {
        self.take_text(kind, text, eights);
        self.forget_ends();
        let mut wanted = *wanted;
        put(&mut wanted, ALWAYS);
        // A length that is known when it is compiled is faster.
        if eights == EIGHTS {
            self.take_steps(kind, EIGHTS, &wanted);
        } else {
            self.take_steps(kind, eights, &wanted);
        }
    }

    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn take_text<K: Kind>(&mut self, kind: K, text: &[u8; TEXT], eights: usize) {
        let Some(sets) = self.places.first_chunk_mut::<BITS>() else { return };
        // Asked once and not for each word.
        let [Some(s0), Some(s1), Some(s2), Some(s3), Some(s4), Some(s5), Some(s6), Some(s7)] = sets
        else {
            return;
        };
        let mut sets = [s0, s1, s2, s3, s4, s5, s6, s7];
        for (place, kept) in sets.iter_mut().zip(&self.bits) {
            kept.put_before(place);
        }
        for (eight, bytes) in text.as_chunks::<BYTES>().0.as_chunks::<EIGHT>().0.iter().enumerate()
        {
            if eight >= eights {
                break;
            }
            for (word, bytes) in bytes.iter().enumerate() {
                for (place, set) in sets.iter_mut().zip(kind.bits(bytes)) {
                    place.0[1 + eight][word] = set;
                }
            }
        }
        for (place, kept) in sets.iter().zip(&mut self.bits) {
            kept.keep(place, eights);
        }
    }

    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn take_steps<K: Kind>(&mut self, kind: K, eights: usize, wanted: &Found) {
        let Self { work, needed, places, some, bit_ends, ever, .. } = self;
        *ever = [0; WORDS];
        for (pattern, place) in bit_ends.iter().filter(|(pattern, _)| has(wanted, *pattern)) {
            let Some(Some(ends)) = places.get(*place) else { continue };
            note_ends(std::iter::once(*pattern), *place, &ends.now()[..eights], ever, some);
        }
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
            let (_, now) = made.0.split_at_mut(1);
            make(kind, *step, places, &mut now[..eights], goes_on);
            kept.put_before(&mut made);
            kept.keep(&made, eights);
            // What was just made is still near.
            if !ends.is_empty() {
                let ends = ends.iter().copied().filter(|pattern| has(wanted, *pattern));
                note_ends(ends, number, &made.now()[..eights], ever, some);
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
}

/// Notes where some patterns end that are wanted, if they do.
#[expect(clippy::inline_always, reason = "as above")]
#[inline(always)]
fn note_ends(
    patterns: impl Iterator<Item = usize>,
    place: usize,
    made: &[Words],
    ever: &mut [u64; WORDS],
    some: &mut Vec<(usize, usize)>,
) {
    let made = made.as_flattened();
    if made.iter().fold(0, |any, word| any | word) == 0 {
        return;
    }
    let before = some.len();
    some.extend(patterns.map(|pattern| (pattern, place)));
    if some.len() > before {
        ever.iter_mut().zip(made).for_each(|(ever, made)| *ever |= made);
    }
}

/// What sets are made of: others, of so many eights.
#[derive(Clone, Copy)]
struct Operands<'p> {
    places: &'p [Option<Box<Place>>],
    /// With the one before them.
    eights: usize,
}

impl<'p> Operands<'p> {
    /// Returns the words at hand, with the eight before them.
    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn whole(self, place: SetNumber) -> &'p [Words] {
        let place = self.places.get(usize::from(place)).and_then(Option::as_deref);
        &place.unwrap_or(&NOTHING).0[..self.eights]
    }

    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn now(self, place: SetNumber) -> &'p [Words] {
        &self.whole(place)[1..]
    }

    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn term(self, (by, among): (Distance, SetNumber)) -> Term<'p> {
        (usize::from(by), self.now(among))
    }
}

/// Takes a step.
#[expect(clippy::inline_always, reason = "as above")]
#[inline(always)]
fn make<K: Kind>(
    kind: K,
    step: Step,
    places: &[Option<Box<Place>>],
    made: &mut [Words],
    goes_on: &mut bool,
) {
    let of = Operands { places, eights: 1 + made.len() };
    match step {
        Step::Not(a) => {
            let (made, a) = (made.as_flattened_mut(), of.now(a).as_flattened());
            made.iter_mut().zip(a).for_each(|(made, a)| *made = !a);
        }
        Step::Both(a, b) => combine(made, of.now(a), of.now(b), |a, b| a & b),
        Step::Either(a, b) => combine(made, of.now(a), of.now(b), |a, b| a | b),
        Step::Without(a, b) => combine(made, of.now(a), of.now(b), |a, b| a & !b),
        Step::OrNot(a, b) => combine(made, of.now(a), of.now(b), |a, b| a | !b),
        Step::Choose { by, one, zero } => {
            let (by, made) = (of.now(by).as_flattened(), made.as_flattened_mut());
            let (one, zero) = (of.now(one).as_flattened(), of.now(zero).as_flattened());
            for ((made, by), (one, zero)) in made.iter_mut().zip(by).zip(one.iter().zip(zero)) {
                *made = (by & one) | (!by & zero);
            }
        }
        Step::After { of: from, by, among } => {
            kind.after(made, of.whole(from), [of.term((by, among))], false);
        }
        Step::OrAfter { of: from, by, among } => {
            kind.after(made, of.whole(from), [of.term((by, among))], true);
        }
        Step::AfterAny { of: from, terms } => match terms {
            [Some(a), Some(b), Some(c), Some(d)] => {
                let terms = [of.term(a), of.term(b), of.term(c), of.term(d)];
                kind.after(made, of.whole(from), terms, false);
            }
            [Some(a), Some(b), Some(c), None] => {
                kind.after(made, of.whole(from), [of.term(a), of.term(b), of.term(c)], false);
            }
            [Some(a), Some(b), ..] => {
                kind.after(made, of.whole(from), [of.term(a), of.term(b)], false);
            }
            [Some(a), ..] => kind.after(made, of.whole(from), [of.term(a)], false),
            [None, ..] => made.fill([0; EIGHT]),
        },
        Step::Through { of: from, among } => {
            *goes_on = kind.through(made, of.whole(from), of.now(among), *goes_on);
        }
    }
}

#[expect(clippy::inline_always, reason = "as above")]
#[inline(always)]
fn combine(made: &mut [Words], one: &[Words], other: &[Words], with: impl Fn(u64, u64) -> u64) {
    let (one, other) = (one.as_flattened(), other.as_flattened());
    for (made, (one, other)) in made.as_flattened_mut().iter_mut().zip(one.iter().zip(other)) {
        *made = with(*one, *other);
    }
}

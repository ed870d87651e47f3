//! Rounds that are told by pairs of bytes.
//!
//! In `([a-f]+[g-m]?[0-9])+` each byte says where in the round it is, whatever was before it. So whether a text is
//! some of these rounds is whether its first byte begins one, its last ends one, and each may follow the one
//! before it.

use std::collections::BTreeMap;
use std::iter::zip;

use regex_syntax::hir::Hir;

use super::machine::{add, meets};
use super::positions::{Bytes, Positions, Room, Set, Unsuitable, has, put};
use super::which::numbers;

/// Bound on kinds of bytes that differ in what may follow them: each is a step.
const MOST_KINDS: usize = 8;

/// See the module's text.
#[derive(Debug)]
pub(super) struct Pairs {
    /// The bytes that a round may begin with.
    pub(super) first: Bytes,
    /// Some bytes, and those that may follow them.
    pub(super) next: Vec<(Bytes, Bytes)>,
    /// Those that a round may end with.
    pub(super) last: Bytes,
}

/// Bytes that the same positions consume.
struct Alike {
    bytes: Bytes,
    positions: Set,
    /// The positions that a text with one of them at its end has come to, once that is known.
    come_to: Option<Set>,
}

struct Round {
    positions: Positions,
    begin: Set,
    end: Set,
    kinds: Vec<Alike>,
    /// Kinds of which is known what they come to, and not yet what may follow them.
    todo: Vec<usize>,
}

impl Pairs {
    /// Makes them for rounds of `hir`.
    ///
    /// # Errors
    /// If a byte may stand at several places of a round, or a round may be nothing at all.
    pub(super) fn new(hir: &Hir) -> Result<Self, Unsuitable> {
        let mut round = Round::new(hir)?;
        let first = round.lead_to(&round.begin.clone())?;
        let mut last = Bytes::default();
        let mut next: BTreeMap<Bytes, Bytes> = BTreeMap::new();
        while let Some(number) = round.todo.pop() {
            let Some(Alike { bytes, come_to: Some(come_to), .. }) = round.kinds.get(number) else {
                continue;
            };
            let (bytes, come_to) = (*bytes, *come_to);
            if meets(&come_to, &round.end) {
                add(&mut last, &bytes);
            }
            let after = round.lead_to(&round.after(&come_to))?;
            if after != Bytes::default() {
                add(next.entry(after).or_default(), &bytes);
            }
        }
        if next.len() > MOST_KINDS {
            return Err(Unsuitable);
        }
        Ok(Self {
            first,
            next: next.into_iter().map(|(after, before)| (before, after)).collect(),
            last,
        })
    }
}

impl Round {
    fn new(hir: &Hir) -> Result<Self, Unsuitable> {
        let mut positions = Positions::new();
        let whole = positions.add_whole(hir, Room::Close)?;
        if !whole.exact {
            return Err(Unsuitable);
        }
        let mut kinds: BTreeMap<Set, Bytes> = BTreeMap::new();
        for byte in 0..=usize::from(u8::MAX) {
            let mut consume = Set::default();
            let all = positions.all.iter().enumerate();
            all.filter(|(_, one)| has(&one.bytes, byte)).for_each(|(at, _)| put(&mut consume, at));
            put(kinds.entry(consume).or_default(), byte);
        }
        let kinds = kinds.into_iter();
        let kinds = kinds.map(|(positions, bytes)| Alike { bytes, positions, come_to: None });
        let (begin, end) = (whole.part.first, whole.part.last);
        Ok(Self { positions, begin, end, kinds: kinds.collect(), todo: Vec::new() })
    }

    /// Returns the positions that may come after some, in this round or the next.
    fn after(&self, some: &Set) -> Set {
        let mut after = Set::default();
        for at in numbers(*some) {
            if let Some(position) = self.positions.all.get(at) {
                add(&mut after, &position.follow);
            }
        }
        if meets(some, &self.end) {
            add(&mut after, &self.begin);
        }
        after
    }

    /// Notes that some positions come next. Returns the bytes that they consume.
    fn lead_to(&mut self, next: &Set) -> Result<Bytes, Unsuitable> {
        let mut all = Bytes::default();
        for (number, kind) in self.kinds.iter_mut().enumerate() {
            let mut reached = *next;
            zip(&mut reached, &kind.positions).for_each(|(reached, these)| *reached &= these);
            if reached == Set::default() {
                continue;
            }
            add(&mut all, &kind.bytes);
            match kind.come_to {
                None => {
                    kind.come_to = Some(reached);
                    self.todo.push(number);
                }
                Some(known) if known == reached => {}
                Some(_) => return Err(Unsuitable),
            }
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::Pattern;

    fn bytes(bytes: &Bytes) -> String {
        numbers(*bytes).map(|byte| char::from(u8::try_from(byte).unwrap())).collect()
    }

    type Said = (String, Vec<(String, String)>, String);

    fn pairs(pattern: &str) -> Option<Said> {
        let Pairs { first, next, last } = Pairs::new(Pattern::new(pattern).unwrap().hir()).ok()?;
        let mut next: Vec<_> = next.iter().map(|(a, b)| (bytes(a), bytes(b))).collect();
        next.sort();
        Some((bytes(&first), next, bytes(&last)))
    }

    #[test]
    fn what_may_follow_a_byte_says_what_a_round_is() {
        let pair = |before: &str, after: &str| (before.to_owned(), after.to_owned());
        let all = |first: &str, next: &[(String, String)], last: &str| {
            Some((first.to_owned(), next.to_vec(), last.to_owned()))
        };
        let same = all("abc", &[pair("abd", "abc"), pair("c", "d")], "abd");
        assert_eq!(pairs("a|b|cd"), same);
        assert_eq!(pairs("ab|ac"), all("a", &[pair("a", "bc"), pair("bc", "a")], "bc"));
        let words = all("ab", &[pair(" ", "ab"), pair("ab", " ab")], " ");
        assert_eq!(pairs("[ab]+ "), words);
        assert_eq!(
            pairs("a(bc)?"),
            all("a", &[pair("a", "ab"), pair("b", "c"), pair("c", "a")], "ac")
        );
    }

    #[test]
    fn a_byte_at_two_places_of_a_round_says_too_little() {
        for pattern in ["ab?|[^c]", "aba", "a.", "a*", r"\ba", "[a-z]+a", "a{3}"] {
            assert_eq!(pairs(pattern), None, "{pattern}");
        }
    }
}

//! Which numbers are done with.

use std::collections::BTreeMap;

/// Numbers that are done with: all below the cursor, and runs above it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Acked {
    cursor: u64,
    /// First number of a run, and the number after its last. Runs neither touch nor overlap, and
    /// begin above the cursor.
    runs: BTreeMap<u64, u64>,
}

/// Bound on runs: with every second datagram lost over a whole backlog there would be thousands.
/// What is forgotten is sent once more, and the server drops it.
const MAX_RUNS: usize = 4096;

impl Acked {
    /// Everything below `cursor` is done with.
    pub(super) fn below(cursor: u64) -> Self {
        Self { cursor, runs: BTreeMap::new() }
    }

    /// Returns the lowest number that is not done with.
    pub(super) fn cursor(&self) -> u64 {
        self.cursor
    }

    /// Returns true if `number` is done with.
    pub(super) fn contains(&self, number: u64) -> bool {
        number < self.cursor
            || self.runs.range(..=number).next_back().is_some_and(|(_, end)| number < *end)
    }

    /// Returns how many of `from..until` are not done with.
    pub(super) fn missing(&self, from: u64, until: u64) -> u64 {
        let from = from.max(self.cursor);
        let done: u64 = self
            .runs
            .iter()
            .map(|(start, end)| (*end).min(until).saturating_sub((*start).max(from)))
            .sum();
        until.saturating_sub(from).saturating_sub(done)
    }

    /// Marks `from..until` as done with.
    pub(super) fn insert(&mut self, from: u64, until: u64) {
        let (mut from, mut until) = (from, until);
        if from >= until || until <= self.cursor {
            return;
        }
        let before = self.runs.range(..=from).next_back().map(|(s, e)| (*s, *e));
        if let Some((start, end)) = before.filter(|(_, end)| *end >= from) {
            from = start;
            until = until.max(end);
        }
        while let Some((start, end)) = self.runs.range(from..=until).next().map(|(s, e)| (*s, *e)) {
            self.runs.remove(&start);
            until = until.max(end);
        }
        if from <= self.cursor {
            self.cursor = until;
        } else {
            self.runs.insert(from, until);
            if self.runs.len() > MAX_RUNS {
                self.runs.pop_last();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn is_a_set_of_numbers(ranges in prop::collection::vec((0_u64..100, 0_u64..12), 0..40)) {
            let mut acked = Acked::below(10);
            let mut model: BTreeSet<u64> = (0..10).collect();
            for (from, len) in ranges {
                acked.insert(from, from + len);
                model.extend(from..from + len);
                for number in 0..120 {
                    prop_assert_eq!(acked.contains(number), model.contains(&number), "{}", number);
                }
                let cursor = (0..200).find(|n| !model.contains(n)).unwrap();
                prop_assert_eq!(acked.cursor(), cursor);
                let missing = (20..90).filter(|n| !model.contains(n)).count() as u64;
                prop_assert_eq!(acked.missing(20, 90), missing);
                let apart = acked.runs.iter().zip(acked.runs.keys().skip(1)).all(|((_, end), next)| end < next);
                prop_assert!(apart);
            }
        }
    }

    #[test]
    fn the_number_of_runs_is_bounded_by_forgetting_the_newest() {
        let mut acked = Acked::below(0);
        for number in 0..3 * MAX_RUNS as u64 {
            acked.insert(number * 2 + 1, number * 2 + 2);
        }
        assert_eq!(acked.runs.len(), MAX_RUNS);
        assert!(acked.contains(1));
        assert_eq!(acked.cursor(), 0);
    }
}

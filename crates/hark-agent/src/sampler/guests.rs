//! Series that other threads of the agent measure, at times of their own.
//!
//! A set of series is known by its definition, so one that changes with each batch (a program that
//! prints a value only now and then) would be defined again each time. Therefore what a source has
//! ever measured stays in its sets, absent where it is not there, until most of it is gone for good.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use hark_model::frame::MAX_SERIES;
use hark_model::{SeriesDef, SeriesName};

use super::{Round, Set, sets};
use crate::inlet::Batch;

/// Bound on frames that wait for the next heartbeat: as many as ten heartbeats carry.
const MAX_FRAMES: usize = 256;

/// A source forgets what is gone when that is more than it has now, and more than this.
const SPARE: usize = 32;

/// All sources.
#[derive(Debug, Default)]
pub(super) struct Guests {
    all: BTreeMap<Arc<str>, Guest>,
    waiting: Round,
    lost: u64,
}

#[derive(Debug)]
struct Guest {
    /// The series of the last batch.
    given: Arc<[SeriesDef]>,
    /// Where each of them is in `known`.
    places: Vec<usize>,
    known: Vec<SeriesDef>,
    by_name: HashMap<SeriesName, usize>,
    sets: Vec<Set>,
    /// One value for each of `known`.
    values: Vec<f64>,
}

impl Guests {
    /// Takes in a batch; `others` are the series that collectors have.
    pub(super) fn take(&mut self, batch: &Batch, others: usize) {
        let others = others
            + self
                .all
                .iter()
                .filter(|(name, _)| **name != batch.source)
                .map(|g| g.1.n())
                .sum::<usize>();
        let guest =
            self.all.entry(Arc::clone(&batch.source)).or_insert_with(|| Guest::new(&batch.series));
        guest.learn(batch, MAX_SERIES.saturating_sub(others));
        guest.values.fill(f64::NAN);
        for (place, value) in guest.places.iter().zip(&batch.values) {
            if let Some(slot) = guest.values.get_mut(*place) {
                *slot = *value;
            }
        }
        for set in &guest.sets {
            if self.waiting.len() >= MAX_FRAMES {
                self.lost += 1;
                if self.lost.is_power_of_two() {
                    tracing::warn!(lost = self.lost, source = %batch.source,
                        "values are lost: more came than a heartbeat carries");
                }
                return;
            }
            self.waiting.push(set, &guest.values, batch.taken_at);
        }
    }

    /// Moves what waits into `round`.
    pub(super) fn hand_over(&mut self, round: &mut Round) {
        round.append(&mut self.waiting);
    }

    /// Returns the sets in use.
    pub(super) fn sets(&self) -> impl Iterator<Item = &Set> + Clone {
        self.all.values().flat_map(|guest| &guest.sets)
    }

    /// Returns how many series there are.
    pub(super) fn n(&self) -> usize {
        self.all.values().map(Guest::n).sum()
    }
}

impl Guest {
    fn new(series: &Arc<[SeriesDef]>) -> Self {
        Self {
            // Another `Arc`, so that the first batch is looked at.
            given: Arc::from(Vec::new()),
            places: Vec::new(),
            known: Vec::with_capacity(series.len()),
            by_name: HashMap::new(),
            sets: Vec::new(),
            values: Vec::new(),
        }
    }

    fn n(&self) -> usize {
        self.sets.iter().map(|set| set.defs.len()).sum()
    }

    fn learn(&mut self, batch: &Batch, room: usize) {
        if Arc::ptr_eq(&self.given, &batch.series) {
            return;
        }
        if self.given == batch.series {
            self.given = Arc::clone(&batch.series);
            return;
        }
        self.given = Arc::clone(&batch.series);
        if self.known.len() > 2 * batch.series.len() + SPARE {
            self.known.clear();
            self.by_name.clear();
        }
        let before = self.known.len();
        let mut changed = before == 0;
        self.places.clear();
        for def in batch.series.iter() {
            if let Some(place) = self.by_name.get(&def.name) {
                self.places.push(*place);
                if let Some(known) = self.known.get_mut(*place).filter(|known| *known != def) {
                    known.clone_from(def);
                    changed = true;
                }
                continue;
            }
            self.by_name.insert(def.name.clone(), self.known.len());
            self.places.push(self.known.len());
            self.known.push(def.clone());
        }
        if changed || self.known.len() > before {
            self.values.resize(self.known.len(), f64::NAN);
            self.sets = sets(&batch.source, self.known.clone(), room);
        }
    }
}

#[cfg(test)]
mod tests {
    use hark_model::frame::{Item, ValueReader};
    use hark_model::{MetricKind, Unit, Unix};

    use super::*;

    fn def(name: &str) -> SeriesDef {
        SeriesDef {
            name: SeriesName::plain("x", name),
            unit: Unit::None,
            kind: MetricKind::Gauge,
            decimals: 0,
        }
    }

    fn batch(source: &str, at: i64, values: &[(&str, f64)]) -> Batch {
        Batch {
            source: Arc::from(source),
            taken_at: Unix(at),
            series: values.iter().map(|(name, _)| def(name)).collect(),
            values: values.iter().map(|(_, value)| *value).collect(),
        }
    }

    fn frames(guests: &mut Guests) -> Vec<(u32, Unix, Vec<Item>)> {
        let mut round = Round::default();
        guests.hand_over(&mut round);
        let read = |bytes| ValueReader::new(bytes).map(Result::unwrap).collect();
        round.frames().map(|(set, at, bytes)| (set, at, read(bytes))).collect()
    }

    #[test]
    fn batches_wait_for_the_heartbeat_with_their_own_time() {
        let mut guests = Guests::default();
        guests.take(&batch("a", 10, &[("p", 1.0), ("q", 2.0)]), 0);
        guests.take(&batch("b", 11, &[("p", 3.0)]), 0);
        guests.take(&batch("a", 12, &[("q", 5.0), ("p", 4.0)]), 0);
        let found = frames(&mut guests);
        assert_eq!(found.len(), 3);
        assert_eq!((found[0].1, found[1].1, found[2].1), (Unix(10), Unix(11), Unix(12)));
        assert_eq!(found[0].0, found[2].0, "another order is no other set");
        assert_eq!(found[2].2, [Item::Scaled(4), Item::Scaled(5)]);
        assert_eq!(frames(&mut guests), []);
        assert_eq!((guests.n(), guests.sets().count()), (3, 2));
    }

    #[test]
    fn what_is_missing_once_is_absent_and_what_is_new_joins() {
        let mut guests = Guests::default();
        guests.take(&batch("a", 1, &[("p", 1.0), ("q", 2.0)]), 0);
        guests.take(&batch("a", 2, &[("q", 3.0)]), 0);
        guests.take(&batch("a", 3, &[("r", 4.0)]), 0);
        let found = frames(&mut guests);
        assert_eq!(found[0].0, found[1].0);
        assert_eq!(found[1].2, [Item::Absent, Item::Scaled(3)]);
        assert_eq!(found[2].2, [Item::Absent, Item::Absent, Item::Scaled(4)]);
    }

    #[test]
    fn a_source_that_always_has_other_names_does_not_grow_without_end() {
        let mut guests = Guests::default();
        for n in 0..1000 {
            guests.take(&batch("a", n, &[(&format!("n{n}"), 1.0)]), 0);
            frames(&mut guests);
        }
        assert!(guests.n() <= 2 + SPARE + 1, "{}", guests.n());
    }

    #[test]
    fn series_beyond_the_hosts_bound_are_left_out() {
        let mut guests = Guests::default();
        let names: Vec<String> = (0..300).map(|n| format!("n{n}")).collect();
        let values: Vec<(&str, f64)> = names.iter().map(|name| (name.as_str(), 1.0)).collect();
        guests.take(&batch("a", 1, &values), MAX_SERIES - 100);
        assert_eq!(guests.n(), 100);
        guests.take(&batch("b", 1, &values), MAX_SERIES - 100);
        assert_eq!(guests.n(), 100);
    }

    #[test]
    fn frames_that_nobody_takes_have_a_bound() {
        let mut guests = Guests::default();
        for n in 0..1000 {
            guests.take(&batch("a", n, &[("p", 1.0)]), 0);
        }
        assert_eq!(frames(&mut guests).len(), MAX_FRAMES);
        assert_eq!(guests.lost, 1000 - MAX_FRAMES as u64);
    }
}

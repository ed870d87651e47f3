//! The sets that agents use, and what somebody wants of them. Most hosts of a fleet use the same ones and are looked
//! at alike: they share one list, which stays in the processor's caches while heartbeats come.

use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use hark_engine::effect::Watch;
use hark_model::SeriesDef;
use hark_store::history::SetId;

use super::super::vitals::Vital;

/// Sets an agent may use at once: about one a collector and instance group; more is a fault (42).
pub(super) const MAX_SETS: usize = 64;

/// Lists are looked through for unused ones when they have doubled, and this many more have come.
const SLACK: usize = 64;

/// What a set holds; the same for every host that declares the same list.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) series: Arc<[SeriesDef]>,
    vitals: Vec<(usize, Vital)>,
}

/// One value of a set that somebody wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Want {
    /// Place in the set.
    pub(super) place: usize,
    /// For scaling.
    pub(super) decimals: u8,
    /// The engine's number, if a threshold looks at it.
    pub(super) watch: Option<u32>,
    /// The list's column, if it is one.
    pub(super) vital: Option<Vital>,
}

/// A set as an agent uses it.
#[derive(Clone, Debug)]
pub(super) struct SetUse {
    pub(super) number: u32,
    /// The set in history's catalogue.
    pub(super) catalogue: SetId,
    pub(super) shape: Arc<Shape>,
    /// What somebody wants of it, by place.
    pub(super) wants: Box<[Want]>,
    /// The ticket under which the engine was asked what it wants of it, until it has answered. Meanwhile
    /// a heartbeat with it would be stored without being compared with its thresholds.
    pub(super) asked: Option<u64>,
}

/// All sets of an agent, the newest last.
pub(super) type Sets = Arc<[SetUse]>;

/// What agents have in common: shapes by their number, and lists that are settled.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    shapes: HashMap<u32, Arc<Shape>>,
    sweep_shapes_at: usize,
    lists: HashSet<Sets>,
    sweep_at: usize,
}

impl Shelf {
    /// Returns `sets` with one more, in place of the one with its number or of the oldest where there are
    /// [`MAX_SETS`]; the engine is asked under `ticket` what it wants of it.
    pub(super) fn with(
        &mut self,
        sets: &Sets,
        number: u32,
        series: &Arc<[SeriesDef]>,
        catalogue: SetId,
        ticket: u64,
    ) -> Sets {
        let shape = self.shape(number, series);
        let wants = shape.wants(|_| None);
        let mut more: Vec<SetUse> = sets.iter().filter(|s| s.number != number).cloned().collect();
        if more.len() >= MAX_SETS {
            more.remove(0);
        }
        more.push(SetUse { number, catalogue, shape, wants, asked: Some(ticket) });
        more.into()
    }

    /// Returns `sets` with what the engine wants of them, which has seen everything up to `ticket`.
    pub(super) fn watched(&mut self, sets: &Sets, watches: &[Watch], ticket: u64) -> Sets {
        let watch =
            |def: &SeriesDef| watches.iter().find(|w| w.series == def.name).map(|w| w.number);
        let watched = |set: &SetUse| SetUse {
            wants: set.shape.wants(watch),
            asked: set.asked.filter(|asked| *asked > ticket),
            ..set.clone()
        };
        let sets: Vec<SetUse> = sets.iter().map(watched).collect();
        if sets.iter().any(|set| set.asked.is_some()) {
            return sets.into();
        }
        self.shared(sets)
    }

    /// Returns the list that is already there, if one is.
    fn shared(&mut self, sets: Vec<SetUse>) -> Sets {
        if let Some(known) = self.lists.get(sets.as_slice()) {
            return Arc::clone(known);
        }
        if self.lists.len() >= self.sweep_at {
            self.lists.retain(|list| Arc::strong_count(list) > 1);
            self.sweep_at = self.lists.len() * 2 + SLACK;
        }
        let sets = Sets::from(sets);
        self.lists.insert(Arc::clone(&sets));
        sets
    }

    fn shape(&mut self, number: u32, series: &Arc<[SeriesDef]>) -> Arc<Shape> {
        match self.shapes.get(&number) {
            // Numbers come from agents: two may give different lists the same number.
            Some(shape) if *shape.series == **series => Arc::clone(shape),
            _ => {
                // An agent may declare the same list under ever new numbers.
                if self.shapes.len() >= self.sweep_shapes_at {
                    self.shapes.retain(|_, shape| Arc::strong_count(shape) > 1);
                    self.sweep_shapes_at = self.shapes.len() * 2 + SLACK;
                }
                let shape = Arc::new(Shape::new(Arc::clone(series)));
                self.shapes.insert(number, Arc::clone(&shape));
                shape
            }
        }
    }
}

/// Alike are sets of the same shape, not of shapes that look the same: that would be to compare every name.
impl PartialEq for SetUse {
    fn eq(&self, other: &Self) -> bool {
        let Self { number, catalogue, shape, wants, asked } = other;
        self.number == *number
            && self.catalogue == *catalogue
            && Arc::ptr_eq(&self.shape, shape)
            && self.wants == *wants
            && self.asked == *asked
    }
}

impl Eq for SetUse {}

impl Hash for SetUse {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.number, &self.wants, self.asked).hash(state);
    }
}

impl Shape {
    fn new(series: Arc<[SeriesDef]>) -> Self {
        let vitals = series
            .iter()
            .enumerate()
            .filter_map(|(place, def)| Some((place, Vital::of(&def.name)?)))
            .collect();
        Self { series, vitals }
    }

    fn wants(&self, watch: impl Fn(&SeriesDef) -> Option<u32>) -> Box<[Want]> {
        let want = |(place, def): (usize, &SeriesDef)| {
            let vital = self.vitals.iter().find(|(p, _)| *p == place).map(|(_, v)| *v);
            let watch = watch(def);
            let wanted = watch.is_some() || vital.is_some();
            wanted.then_some(Want { place, decimals: def.decimals, watch, vital })
        };
        self.series.iter().enumerate().filter_map(want).collect()
    }
}

#[cfg(test)]
mod tests {
    use hark_model::{MetricKind, SeriesName, Unit};

    use super::*;

    fn series(metric: &str) -> Arc<[SeriesDef]> {
        let name = SeriesName::plain("cpu_monitor", metric);
        Arc::from([SeriesDef { name, unit: Unit::None, kind: MetricKind::Gauge, decimals: 1 }])
    }

    fn watch(metric: &str, number: u32) -> Watch {
        Watch { number, series: SeriesName::plain("cpu_monitor", metric) }
    }

    /// The sets of a host that has declared `of` and is looked at by `number`.
    fn settled(shelf: &mut Shelf, of: &Arc<[SeriesDef]>, number: u32) -> Sets {
        let sets = shelf.with(&Sets::default(), 1, of, SetId::KEPT_NOWHERE, 7);
        shelf.watched(&sets, &[watch("a", number)], 7)
    }

    #[test]
    fn hosts_alike_share_one_list_and_others_do_not() {
        let mut shelf = Shelf::default();
        let (a, b) = (series("a"), series("b"));
        let first = settled(&mut shelf, &a, 1);
        assert_eq!(first[0].wants[0].watch, Some(1));
        assert!(
            Arc::ptr_eq(&first, &settled(&mut shelf, &series("a"), 1)),
            "the same list, made anew"
        );
        let other = settled(&mut shelf, &a, 2);
        assert_eq!(other[0].wants[0].watch, Some(2), "looked at under another number");
        // The same number of another agent for another list.
        let strange = settled(&mut shelf, &b, 1);
        assert!(strange[0].wants.is_empty() && strange[0].shape.series == b);
        assert_eq!(first[0].shape.series, a, "nobody else's list has changed");
    }

    #[test]
    fn a_set_is_not_settled_before_the_engine_has_seen_it() {
        let mut shelf = Shelf::default();
        let sets = shelf.with(&Sets::default(), 1, &series("a"), SetId::KEPT_NOWHERE, 8);
        let sets = shelf.watched(&sets, &[watch("a", 1)], 7);
        assert_eq!((sets[0].asked, shelf.lists.len()), (Some(8), 0));
        assert_eq!(shelf.watched(&sets, &[], 8)[0].asked, None);
        assert_eq!(shelf.lists.len(), 1);
    }

    #[test]
    fn an_agent_has_so_many_and_loses_the_oldest() {
        let mut shelf = Shelf::default();
        let most = u32::try_from(MAX_SETS).unwrap();
        let mut sets = Sets::default();
        for number in (0..=most).chain([5]) {
            sets = shelf.with(&sets, number, &series("a"), SetId::KEPT_NOWHERE, 1);
        }
        let numbers: Vec<u32> = sets.iter().map(|set| set.number).collect();
        assert_eq!(numbers, (1..=most).filter(|n| *n != 5).chain([5]).collect::<Vec<_>>());
    }

    #[test]
    fn numbers_that_an_agent_goes_through_leave_nothing() {
        let mut shelf = Shelf::default();
        let mut sets = Sets::default();
        for number in 0..10_000 {
            sets = shelf.with(&sets, number, &series("a"), SetId::KEPT_NOWHERE, 1);
        }
        assert!(shelf.shapes.len() <= 2 * (MAX_SETS + SLACK), "{}", shelf.shapes.len());
        assert!(sets.iter().all(|set| shelf.shapes.contains_key(&set.number)));
    }

    #[test]
    fn lists_that_nobody_uses_any_more_are_let_go() {
        let mut shelf = Shelf::default();
        let used = settled(&mut shelf, &series("a"), 0);
        for number in 1..10_000 {
            settled(&mut shelf, &series("a"), number);
        }
        assert!(shelf.lists.len() <= SLACK + 2, "{}", shelf.lists.len());
        assert!(Arc::ptr_eq(&used, &settled(&mut shelf, &series("a"), 0)));
    }
}

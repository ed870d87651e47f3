//! What is known of one host's series: where each lies among the sets of history.
//!
//! A series gets its place when it is first brought, with those of the same job that were brought with it
//! for the same time: they will come together again, and share a frame then. Where they do not, their
//! frames complete each other, so that the sets never matter for what is kept.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;

use hark_engine::Input;
use hark_engine::input::Sampled;
use hark_metrics::OfHost;
use hark_model::frame::{Item, MAX_DECIMALS, MAX_SET, encode_item, item, scale};
use hark_model::time::{Mono, Unix};
use hark_model::{HostId, HostName, SeriesDef, SeriesName, Unit};
use hark_store::history::SetId;

use crate::server::messages::FrameAt;

/// Makes a number of a name. 128 bits of a hash that nobody outside can aim at stand for a name as well as
/// the name itself, in a tenth of the memory.
#[derive(Debug, Default)]
pub(super) struct Keys(RandomState, RandomState);

impl Keys {
    pub(super) fn of(&self, name: &SeriesName) -> u128 {
        u128::from(self.0.hash_one(name)) << 64 | u128::from(self.1.hash_one(name))
    }
}

/// Whether some threshold looks at a series.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Watched {
    #[default]
    Unasked,
    No,
    Yes,
}

/// Where a series lies.
#[derive(Clone, Copy, Debug)]
struct Place {
    set: u32,
    at: u8,
    decimals: u8,
    watched: Watched,
}

/// One host.
#[derive(Debug)]
pub(super) struct HostDesk {
    /// Its number.
    pub(super) id: HostId,
    /// Whether its sets were asked for.
    pub(super) is_known: bool,
    /// The number of the plan by which thresholds were looked for.
    plan: u64,
    /// Until when history is not asked for room for more series.
    pub(super) full_until: Mono,
    /// When it was last brought something.
    pub(super) used: Mono,
    places: HashMap<u128, Place>,
    sets: Vec<(SetId, u8)>,
}

/// What is on its way to history and to the engine.
#[derive(Debug, Default)]
pub(super) struct Shipment {
    pub(super) frames: Vec<FrameAt>,
    pub(super) bytes: Vec<u8>,
    /// How many samples each frame has.
    pub(super) samples: Vec<usize>,
    /// The hosts, and where the frames of each end.
    pub(super) hosts: Vec<(HostName, usize)>,
    pub(super) inputs: Vec<Input>,
}

impl HostDesk {
    pub(super) fn new(id: HostId, now: Mono) -> Self {
        Self {
            id,
            is_known: false,
            plan: 0,
            full_until: Mono(0),
            used: now,
            places: HashMap::new(),
            sets: Vec::new(),
        }
    }

    /// Returns how many series it has.
    pub(super) fn n_series(&self) -> usize {
        self.places.len()
    }

    /// Takes in a set that history has.
    pub(super) fn know(&mut self, id: SetId, defs: &[SeriesDef], keys: &Keys) {
        let set = u32::try_from(self.sets.len()).unwrap_or(u32::MAX);
        for (at, def) in (0u8..).zip(defs) {
            let place = Place { set, at, decimals: def.decimals, watched: Watched::Unasked };
            self.places.entry(keys.of(&def.name)).or_insert(place);
        }
        self.sets.push((id, u8::try_from(defs.len()).unwrap_or(u8::MAX)));
    }

    /// Returns those series of `of` that have no place, as the sets that they are to be.
    pub(super) fn missing(&self, of: &OfHost, found: &[u128]) -> Vec<Vec<usize>> {
        let mut first = vec![None; of.series.len()];
        for point in &of.points {
            if let Some(first) = first.get_mut(point.series) {
                first.get_or_insert(point.at);
            }
        }
        let is_missing =
            |at: &usize| found.get(*at).is_some_and(|key| !self.places.contains_key(key));
        let mut new: Vec<usize> = (0..of.series.len()).filter(is_missing).collect();
        let group = |at: usize| {
            let name = of.series.get(at).map(|series| &series.name);
            let job = name.map(|name| name.instance.split('.').next().unwrap_or_default());
            (job, first.get(at).copied().flatten().flatten())
        };
        new.sort_by(|a, b| (group(*a), *a).cmp(&(group(*b), *b)));
        new.chunk_by(|a, b| group(*a) == group(*b))
            .flat_map(|together| together.chunks(MAX_SET))
            .map(<[usize]>::to_vec)
            .collect()
    }

    /// Returns the series of `of` of which it is not known whether a threshold looks at them, under the plan
    /// of this number.
    pub(super) fn unasked(&mut self, found: &[u128], plan: u64) -> Vec<usize> {
        if std::mem::replace(&mut self.plan, plan) != plan {
            self.places.values_mut().for_each(|place| place.watched = Watched::Unasked);
        }
        let is_unasked = |key: &u128| {
            self.places.get(key).is_some_and(|place| place.watched == Watched::Unasked)
        };
        (0..found.len()).filter(|at| found.get(*at).is_some_and(is_unasked)).collect()
    }

    /// Notes which series a threshold looks at.
    pub(super) fn watch(&mut self, key: u128, is_watched: bool) {
        if let Some(place) = self.places.get_mut(&key) {
            place.watched = if is_watched { Watched::Yes } else { Watched::No };
        }
    }

    /// Packs the samples of `of`; returns how many have no place.
    pub(super) fn pack(&self, of: &OfHost, found: &[u128], now: Unix, to: &mut Shipment) -> usize {
        let places: Vec<Option<Place>> =
            found.iter().map(|key| self.places.get(key).copied()).collect();
        let (mut values, mut n_lost) = (Vec::new(), 0);
        let mut row: Vec<(Place, f64)> = Vec::new();
        for together in of.points.chunk_by(|a, b| a.at == b.at) {
            let Some(at) = together.first().map(|point| point.at.unwrap_or(now)) else { continue };
            row.clear();
            for point in together {
                let Some(place) = places.get(point.series).copied().flatten() else {
                    n_lost += 1;
                    continue;
                };
                if place.watched == Watched::Yes
                    && let Some(series) = of.series.get(point.series)
                {
                    values.push((series.name.clone(), at, point.value));
                }
                // That a series has ended is seen by that nothing more comes of it.
                if !point.value.is_nan() {
                    row.push((place, point.value));
                }
            }
            row.sort_by_key(|(place, _)| (place.set, place.at));
            for frame in row.chunk_by(|a, b| a.0.set == b.0.set) {
                self.frame(frame, at, to);
            }
        }
        if !values.is_empty() {
            to.inputs.push(Input::Sampled(Sampled { host: self.id, alive: None, values }));
        }
        n_lost
    }

    fn frame(&self, row: &[(Place, f64)], at: Unix, to: &mut Shipment) {
        let Some((set, length)) =
            row.first().and_then(|(place, _)| self.sets.get(place.set as usize).copied())
        else {
            return;
        };
        let (mut next, mut n_samples) = (0, 0);
        for (place, value) in row {
            if place.at < next {
                // Twice in one request: the first one counts, as it does in history.
                continue;
            }
            for _ in next..place.at {
                encode_item(Item::Absent, &mut to.bytes);
            }
            encode_item(exactly(*value, place.decimals), &mut to.bytes);
            next = place.at + 1;
            n_samples += 1;
        }
        for _ in next..length {
            encode_item(Item::Absent, &mut to.bytes);
        }
        to.frames.push(FrameAt { host: self.id, set, taken_at: at, end: to.bytes.len() });
        to.samples.push(n_samples);
    }
}

/// Returns the item that is exactly `value`: scaled where that loses nothing.
fn exactly(value: f64, decimals: u8) -> Item {
    let scaled = item(value, decimals);
    if scale(scaled, decimals).to_bits() == value.to_bits() { scaled } else { Item::Float(value) }
}

/// Returns how many decimals a series is kept with whose first value is this: as many as it has. Values
/// with more are kept whole all the same.
fn decimals_of(value: f64) -> u8 {
    let is_exact = |decimals: &u8| matches!(exactly(value, *decimals), Item::Scaled(_));
    (0..=MAX_DECIMALS).find(is_exact).unwrap_or(0)
}

/// Returns series as they are declared.
pub(super) fn definitions(of: &OfHost, set: &[usize]) -> Arc<[SeriesDef]> {
    let mut first: HashMap<usize, f64> = HashMap::new();
    for point in of.points.iter().filter(|point| !point.value.is_nan()) {
        first.entry(point.series).or_insert(point.value);
    }
    let def = |at: &usize| {
        let series = of.series.get(*at)?;
        Some(SeriesDef {
            unit: unit_of(&series.name.metric),
            decimals: first.get(at).map_or(0, |value| decimals_of(*value)),
            kind: series.kind,
            name: series.name.clone(),
        })
    };
    set.iter().filter_map(def).collect()
}

/// Returns the unit that a name says by the custom of Prometheus, which ours follow as well.
fn unit_of(metric: &str) -> Unit {
    let base = metric.strip_suffix("_total").unwrap_or(metric);
    match base.rsplit('_').next() {
        Some("bytes") => Unit::Bytes,
        Some("seconds") => Unit::Seconds,
        Some("celsius") => Unit::Celsius,
        Some("percent") => Unit::Percent,
        _ => Unit::None,
    }
}

#[cfg(test)]
mod tests;

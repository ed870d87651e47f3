//! Samples of the past, put where they belong: in any order, and again without harm.
//!
//! They do not go by the log and the heads, which are for what comes now. Of each day that a batch has samples
//! of, those that are new become chunks at once, with their five-minute and hourly values. A time at which a
//! series has a value already, wherever that lies, keeps the one it has.
//!
//! What was measured together shares its times again: series of a host that bring the same new times of a day
//! become one set, as they were when the host sent them. Each for itself would keep the times, and what a row
//! costs, as often as there are series.
//!
//! Samples that are older than samples are kept become chunks too, so that the rest of an import finds them.
//! Ten minutes after the last batch they expire like any other, and what is left of them are the coarser
//! values. An import that is done again then must not count them twice: an hour of which there are coarser values
//! and no samples is over, and nothing is added to it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hark_model::frame::{Item, MAX_SET, ValueReader, item, scale};
use hark_model::record::HostId;
use hark_model::time::Now;
use hark_model::{SeriesDef, SeriesName, Unix};
use thiserror::Error;

use super::chunk::{Chunk, Column, Columns};
use super::maintain::{LONGEST_CHUNK, put_group, rows_of};
use super::partition::{MAX_GROUP, Row, partition_of};
use super::strand::BlockFrames;
use super::tier::{self, Aggregate, Tier};
use super::{DeclareError, History, MAX_AHEAD_MS, MAX_HOST, Trouble};

/// Samples of one batch: what the owner is held up by is some tenths of a second.
pub const MAX_IMPORTED: usize = 100_000;

/// How long after a batch samples that are too old are kept for the next one.
const HOLD: Duration = Duration::from_mins(10);

/// The most decimals with which values are kept as whole numbers: what is finer is kept as it is.
const MAX_DECIMALS: u8 = 9;

/// Series with fewer new samples on a day stay alone: a set that is made for them takes as much of the catalogue
/// as so many samples take of a chunk, and series that came together once may do so never again.
const SHARES: usize = 256;

const HOUR_MS: i64 = 3_600_000;

/// Samples of one series.
#[derive(Clone, Debug, PartialEq)]
pub struct Brought {
    /// Of which host.
    pub host: HostId,
    /// Of which series; its decimals are chosen by the values where it is not known.
    pub def: SeriesDef,
    /// Its values, in any order.
    pub samples: Vec<(Unix, f64)>,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Samples that were added.
    pub taken: u64,
    /// Samples that were there already, or of an hour that is over.
    pub known: u64,
    /// Samples whose time is before 1970 or more than a day ahead, or that are no numbers.
    pub refused: u64,
}

/// Why a batch is refused. Of one that was cut off a part may be there; the whole can be brought again.
#[derive(Debug, Error)]
pub enum ImportError {
    /// Too much at once.
    #[error("a batch has at most {MAX_IMPORTED} samples")]
    Many,
    /// A series cannot be.
    #[error("the series {0} cannot be kept")]
    Series(String, #[source] DeclareError),
    /// History is stopped, or stops now.
    #[error("history is stopped")]
    Stopped,
}

impl History {
    /// Adds samples of the past. They are on the disk when this returns.
    ///
    /// # Errors
    /// If the batch is too large, a series cannot be, or history is stopped.
    pub fn import(&mut self, batch: &[Brought], now: Now) -> Result<Imported, ImportError> {
        if batch.iter().map(|brought| brought.samples.len()).sum::<usize>() > MAX_IMPORTED {
            return Err(ImportError::Many);
        }
        if self.stopped.is_some() {
            return Err(ImportError::Stopped);
        }
        self.holds_old_until = Some(now.mono + HOLD);
        let mut imported = Imported::default();
        let mut together = Together::new();
        for brought in batch {
            let refused = |error| ImportError::Series(brought.def.name.path(), error);
            if brought.host.0 > MAX_HOST {
                return Err(refused(DeclareError::Host(brought.host.0)));
            }
            if self.erasures.is_gone(brought.host.0) {
                return Err(refused(DeclareError::Gone));
            }
            if let Err(trouble) = self.gather_new(brought, now, &mut imported, &mut together) {
                self.stop(&trouble, now);
                return Err(ImportError::Stopped);
            }
        }
        let mut days: BTreeMap<i64, Vec<[Row; 3]>> = BTreeMap::new();
        for (Frames { host, day, times }, bunches) in &together {
            for bunch in bunches {
                let rows = self.rows_of_bunch(*host, times, bunch, now)?;
                days.entry(*day).or_default().extend(rows);
            }
        }
        if let Err(trouble) = self.keep_imported(&days) {
            self.stop(&trouble, now);
            return Err(ImportError::Stopped);
        }
        Ok(imported)
    }

    /// Writes the chunks of a batch.
    fn keep_imported(&mut self, days: &BTreeMap<i64, Vec<[Row; 3]>>) -> Result<(), Trouble> {
        self.catalogue.commit()?;
        for rows in days.values() {
            let rows: Vec<&[Row; 3]> = rows.iter().collect();
            for group in rows.chunks(MAX_GROUP) {
                put_group(&mut self.partitions, group)?;
                self.counts.chunks += group.len() as u64;
            }
        }
        Ok(())
    }

    /// Adds what is new of a series to what came at the same times.
    fn gather_new(
        &mut self,
        brought: &Brought,
        now: Now,
        imported: &mut Imported,
        together: &mut Together,
    ) -> Result<(), Trouble> {
        let Brought { host, def, samples } = brought;
        let latest = now.unix.0.saturating_add(MAX_AHEAD_MS);
        let mut wanted: Vec<(i64, f64)> = samples
            .iter()
            .map(|(at, value)| (at.0, *value))
            .filter(|(at, value)| (0..=latest).contains(at) && !value.is_nan())
            .collect();
        imported.refused += (samples.len() - wanted.len()) as u64;
        wanted.sort_by_key(|(at, _)| *at);
        let n_wanted = wanted.len();
        wanted.dedup_by_key(|(at, _)| *at);
        imported.known += (n_wanted - wanted.len()) as u64;
        let def = self.fitting(*host, def, &wanted);
        let Some((first, last)) = wanted.first().map(|f| f.0).zip(wanted.last().map(|l| l.0))
        else {
            return Ok(());
        };
        let loose = self.loose_times(*host, &def.name, first, last);
        let day = |at: i64| partition_of(Tier::Raw, at);
        for of_day in wanted.chunk_by(|a, b| day(a.0) == day(b.0)) {
            let Some((begin, _)) = of_day.first() else { continue };
            let known = self.known_of_day(*host, &def.name, of_day)?;
            let is_new = |at: i64| {
                let is_over = known.hours.contains(&at.div_euclid(HOUR_MS));
                !is_over && !known.times.contains(&at) && !loose.contains(&at)
            };
            let new = of_day.iter().filter(|(at, _)| is_new(*at));
            let (times, items): (Vec<i64>, Vec<Item>) =
                new.map(|(at, value)| (*at, exact(*value, def.decimals))).unzip();
            imported.taken += times.len() as u64;
            imported.known += (of_day.len() - times.len()) as u64;
            if times.is_empty() {
                continue;
            }
            let shares = times.len() >= SHARES;
            let frames = Frames { host: host.0, day: day(*begin), times };
            let bunches = together.entry(frames).or_default();
            let has_room = |bunch: &&mut Vec<Fresh>| {
                shares
                    && bunch.len() < MAX_SET
                    && bunch.iter().all(|fresh| fresh.def.name != def.name)
            };
            let fresh = Fresh { def: def.clone(), items };
            match bunches.iter_mut().find(has_room) {
                Some(bunch) => bunch.push(fresh),
                None => bunches.push(vec![fresh]),
            }
        }
        Ok(())
    }

    /// Makes the rows of series of a host that share their times.
    fn rows_of_bunch(
        &mut self,
        host: u32,
        times: &[i64],
        bunch: &[Fresh],
        now: Now,
    ) -> Result<Vec<[Row; 3]>, ImportError> {
        let defs: Vec<SeriesDef> = bunch.iter().map(|fresh| fresh.def.clone()).collect();
        let set = match self.catalogue.declare(host, &defs, now.unix) {
            Ok(set) => set,
            Err(DeclareError::Stopped(trouble)) => {
                if let Some(trouble) = trouble {
                    self.stop(&trouble, now);
                }
                return Err(ImportError::Stopped);
            }
            Err(error) => {
                // Which of them it is, each for itself says.
                if let [_, _, ..] = bunch {
                    let alone = bunch.chunks(1);
                    let rows = alone.map(|one| self.rows_of_bunch(host, times, one, now));
                    return Ok(rows.collect::<Result<Vec<_>, _>>()?.concat());
                }
                let path = defs.first().map(|def| def.name.path()).unwrap_or_default();
                return Err(ImportError::Series(path, error));
            }
        };
        let n_pieces = times.len().div_ceil(LONGEST_CHUNK).max(1);
        let longest = times.len().div_ceil(n_pieces).max(1);
        let mut rows = Vec::with_capacity(n_pieces);
        for (n, times) in times.chunks(longest).enumerate() {
            let piece = n * longest..n * longest + times.len();
            let items = |fresh: &Fresh| Column::of(fresh.items.get(piece.clone()).unwrap_or(&[]));
            let columns = Columns {
                times: times.to_vec(),
                series: bunch.iter().map(items).collect(),
                damaged: 0,
            };
            rows.extend(rows_of(host, set, &columns, &defs));
        }
        Ok(rows)
    }

    /// Returns the series as it is kept: with the decimals that the host's own has if they hold the values,
    /// else with as few as do.
    fn fitting(&self, host: HostId, def: &SeriesDef, samples: &[(i64, f64)]) -> SeriesDef {
        let holds = |decimals: u8| {
            let exact =
                |value: f64| scale(item(value, decimals), decimals).to_bits() == value.to_bits();
            samples.iter().all(|(_, value)| exact(*value))
        };
        let sets: Vec<_> = self.catalogue.sets_of(host.0).collect();
        let known =
            sets.iter().rev().find_map(|(_, defs)| defs.iter().find(|d| d.name == def.name));
        let mut fitting = SeriesDef { name: def.name.clone(), ..known.unwrap_or(def).clone() };
        if !holds(fitting.decimals) {
            let fewest = (0..=MAX_DECIMALS).find(|decimals| holds(*decimals));
            // None holds them all: each that is not held is kept as it is.
            fitting.decimals = fewest.unwrap_or(fitting.decimals);
        }
        fitting
    }

    /// Returns the times of a series that lie in heads and blocks.
    fn loose_times(&self, host: HostId, name: &SeriesName, from: i64, to: i64) -> BTreeSet<i64> {
        let mut times = BTreeSet::new();
        for (set, defs) in self.catalogue.sets_of(host.0) {
            let Some(column) = defs.iter().position(|def| def.name == *name) else { continue };
            for block in self.blocks(host, set, from, to.saturating_add(1)) {
                for (at, values) in BlockFrames::new(&block) {
                    let value = ValueReader::new(values).nth(column);
                    if matches!(value, Some(Ok(value)) if value != Item::Absent) {
                        times.insert(at);
                    }
                }
            }
        }
        times
    }

    /// Returns what chunks of a day hold of a series within the time of these samples.
    fn known_of_day(
        &mut self,
        host: HostId,
        name: &SeriesName,
        of_day: &[(i64, f64)],
    ) -> Result<Known, Trouble> {
        let mut known = Known::default();
        let (Some((from, _)), Some((to, _))) = (of_day.first(), of_day.last()) else {
            return Ok(known);
        };
        // Whole hours: whether there are samples of one is asked of all of it.
        let from = from.div_euclid(HOUR_MS) * HOUR_MS;
        let to = (to.div_euclid(HOUR_MS) + 1) * HOUR_MS - 1;
        let sets: Vec<(u32, usize)> = self
            .catalogue
            .sets_of(host.0)
            .filter_map(|(set, defs)| Some((set, defs.iter().position(|def| def.name == *name)?)))
            .collect();
        for (set, column) in sets {
            for body in self.partitions.overlapping(Tier::Raw, host.0, set, from, to)? {
                let read = Chunk::open(&body).and_then(|c| Some((c.times()?, c.column(column)?)));
                let Some((times, column)) = read else { continue };
                let there =
                    times.iter().enumerate().filter(|(n, _)| column.item(*n) != Item::Absent);
                known.times.extend(there.map(|(_, at)| *at));
            }
            for body in self.partitions.overlapping(Tier::Hours, host.0, set, from, to)? {
                let Some(buckets) = tier::decode(&body) else { continue };
                let Some(series) = buckets.series.get(column) else { continue };
                for (n, hour) in buckets.numbers.iter().enumerate() {
                    if holds(series, n) {
                        known.hours.insert(*hour);
                    }
                }
            }
        }
        for at in &known.times {
            known.hours.remove(&at.div_euclid(HOUR_MS));
        }
        Ok(known)
    }
}

/// What is new of one day of a host, by its times: series of which that is the same become a set, with room for
/// so many and for one of each name.
type Together = BTreeMap<Frames, Vec<Vec<Fresh>>>;

/// When something is new, on one day of a host.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Frames {
    host: u32,
    day: i64,
    times: Vec<i64>,
}

/// What is new of one series at these times.
#[derive(Debug)]
struct Fresh {
    def: SeriesDef,
    items: Vec<Item>,
}

/// What is there of a series on a day.
#[derive(Default)]
struct Known {
    /// The times of samples.
    times: BTreeSet<i64>,
    /// Hours of which there are coarser values and no samples.
    hours: BTreeSet<i64>,
}

/// Returns whether a bucket of a series has a value.
fn holds(series: &Aggregate, n: usize) -> bool {
    match series {
        Aggregate::Absent => false,
        Aggregate::Gauge(all) | Aggregate::Counter(all) => all.get(n).is_some_and(|b| b.count > 0),
        Aggregate::Floats(all) => all.get(n).is_some_and(|b| b.count > 0),
    }
}

/// Returns the item of a value: exactly that.
fn exact(value: f64, decimals: u8) -> Item {
    let scaled = item(value, decimals);
    let is_exact = scale(scaled, decimals).to_bits() == value.to_bits();
    if is_exact { scaled } else { Item::Float(value) }
}

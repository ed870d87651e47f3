//! A history as those read it who do not own it: sample by sample, out of its files.
//!
//! For exports. Nothing is locked and nobody is asked: the log and the blocks are listed first, with their
//! files held open, then the chunks are read as they are needed. So a sample that moves on meanwhile is met
//! twice rather than not at all, and is one for the reader. In memory is where the frames lie that are not in
//! chunks, and a day of one series.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use hark_model::frame::{ValueReader, scale};
use hark_model::record::HostId;
use hark_model::{SeriesDef, SeriesName, Unix};
use rusqlite::Connection;

use super::catalogue::reading::Read;
use super::chunk::Chunk;
use super::examine::{numbered, open, present};
use super::level0::scan::{Scan as Blocks, paths};
use super::level0::{BlockRef, Found};
use super::partition::{partition_of, path_of};
use super::strand::BlockFrames;
use super::tier::{DAY_MS, Tier};
use super::wal::Frames;
use super::wal::scan::Scan as Log;

/// Partitions kept open: a series is read day by day, and the next one goes through the same days.
const MAX_OPEN: usize = 64;

/// Sets of hosts whose loose frames are kept in memory: the series of a set are read one after the other.
const MAX_LOOSE: usize = 8;

/// A frame of the log.
#[derive(Clone, Copy, Debug)]
struct Logged {
    /// Number of the segment.
    segment: u64,
    /// Where its values begin in it.
    offset: u64,
    /// How long they are.
    len: u32,
    at: i64,
}

/// Frames that are not in chunks, each with its time.
type Loose = Vec<(i64, Vec<u8>)>;

/// Takes samples of a series in order of time; it may end the reading there.
pub type Each<'e> = &'e mut dyn FnMut(&[(Unix, f64)]) -> ControlFlow<()>;

/// What is loose of a set of which nothing is.
static NONE: Loose = Loose::new();

/// A history, open for reading.
#[derive(Debug)]
pub struct View {
    dir: PathBuf,
    catalogue: Read,
    logged: BTreeMap<(u32, u32), Vec<Logged>>,
    segments: BTreeMap<u64, File>,
    blocks: BTreeMap<(u32, u32), Vec<BlockRef>>,
    data: BTreeMap<u32, File>,
    days: BTreeSet<i64>,
    open: BTreeMap<i64, Option<Connection>>,
    loose: Vec<((u32, u32), Loose)>,
    /// Pieces that could not be read and are left out.
    damaged: u64,
}

impl View {
    /// Opens the history in `dir` for what is `wanted` of it; its owner may be at work.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn open(dir: &Path, wanted: &dyn Fn(HostId) -> bool) -> io::Result<Self> {
        let mut view = Self {
            dir: dir.to_owned(),
            catalogue: Read::default(),
            logged: BTreeMap::new(),
            segments: BTreeMap::new(),
            blocks: BTreeMap::new(),
            data: BTreeMap::new(),
            days: BTreeSet::new(),
            open: BTreeMap::new(),
            loose: Vec::new(),
            damaged: 0,
        };
        for (number, path) in numbered(&dir.join("wal"), "log")? {
            let (file, bytes) = match File::open(&path).and_then(|f| Ok((f, std::fs::read(&path)?)))
            {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                opened => opened?,
            };
            view.list_segment(number, &bytes, wanted);
            view.segments.insert(number, file);
        }
        let level0 = dir.join("level0");
        for Found { host, set, block } in Blocks::of(&level0)?.waiting {
            if !wanted(HostId(host)) {
                continue;
            }
            if let std::collections::btree_map::Entry::Vacant(place) = view.data.entry(block.file) {
                match File::open(paths(&level0, block.file).0) {
                    // What is gone is in chunks.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    opened => place.insert(opened?),
                };
            }
            view.blocks.entry((host, set)).or_default().push(block);
        }
        view.days = present(dir)?.remove(&Tier::Raw).unwrap_or_default();
        view.catalogue = Read::of(dir).map_err(io::Error::other)?;
        Ok(view)
    }

    fn list_segment(&mut self, segment: u64, bytes: &[u8], wanted: &dyn Fn(HostId) -> bool) {
        for batch in Log::of(bytes).batches {
            let begin = batch.start;
            let mut frames = Frames::new(bytes.get(batch).unwrap_or_default());
            while let Some(frame) = frames.next() {
                if !wanted(HostId(frame.host)) {
                    continue;
                }
                let end = begin + frames.place();
                let len = frame.values.len();
                self.logged.entry((frame.host, frame.set)).or_default().push(Logged {
                    segment,
                    offset: (end - len) as u64,
                    len: u32::try_from(len).unwrap_or(u32::MAX),
                    at: frame.at,
                });
            }
        }
    }

    /// Returns the hosts that have series.
    pub fn hosts(&self) -> Vec<HostId> {
        self.catalogue.hosts.keys().map(|host| HostId(*host)).collect()
    }

    /// Returns the series of a host, by name, each as it was declared last.
    pub fn series_of(&self, host: HostId) -> Vec<SeriesDef> {
        let mut all: BTreeMap<&SeriesName, &SeriesDef> = BTreeMap::new();
        for set in self.catalogue.hosts.get(&host.0).into_iter().flat_map(BTreeMap::keys) {
            let defs = self.catalogue.sets.get(set);
            all.extend(defs.into_iter().flat_map(|defs| defs.iter()).map(|def| (&def.name, def)));
        }
        all.into_values().cloned().collect()
    }

    /// Returns how many pieces could not be read and were left out.
    pub fn damaged(&self) -> u64 {
        self.damaged
    }

    /// Calls `each` with the samples of a series from `from` to before `to`, a day at a time, in order of time
    /// and none twice.
    ///
    /// # Errors
    /// If the disk fails. What is damaged is left out and counted.
    pub fn samples(
        &mut self,
        host: HostId,
        name: &SeriesName,
        (from, to): (Unix, Unix),
        each: Each<'_>,
    ) -> io::Result<ControlFlow<()>> {
        let places = self.places(host, name);
        let mut loose: Vec<(i64, f64)> = Vec::new();
        for (set, at, decimals) in &places {
            for (time, values) in self.loose_of((host.0, *set))? {
                if let Some(Ok(item)) = ValueReader::new(values).nth(*at)
                    && (from.0..to.0).contains(time)
                {
                    loose.push((*time, scale(item, *decimals)));
                }
            }
        }
        let day = |at: i64| partition_of(Tier::Raw, at);
        let asked = day(from.0)..=day(to.0.saturating_sub(1));
        let mut days: BTreeSet<i64> =
            self.days.iter().copied().filter(|n| asked.contains(n)).collect();
        days.extend(loose.iter().map(|(at, _)| day(*at)));
        for number in days {
            let begin = number.saturating_mul(DAY_MS * Tier::Raw.days());
            let mut samples = self.of_day(number, host, &places, (from.0, to.0))?;
            samples.extend(loose.iter().copied().filter(|(at, _)| day(*at) == number));
            // The first of two counts, as for every other question.
            samples.retain(|(_, value)| !value.is_nan());
            samples.sort_by_key(|(at, _)| *at);
            samples.dedup_by_key(|(at, _)| *at);
            debug_assert!(samples.first().is_none_or(|(at, _)| *at >= begin));
            let samples: Vec<(Unix, f64)> =
                samples.into_iter().map(|(at, value)| (Unix(at), value)).collect();
            if !samples.is_empty() && each(&samples).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Returns in which sets of a host a series is, where in them, and with how many decimals.
    fn places(&self, host: HostId, name: &SeriesName) -> Vec<(u32, usize, u8)> {
        let sets = self.catalogue.hosts.get(&host.0).into_iter().flat_map(BTreeMap::keys);
        let place = |set: &u32| {
            let defs = self.catalogue.sets.get(set)?;
            let at = defs.iter().position(|def| def.name == *name)?;
            Some((*set, at, defs.get(at)?.decimals))
        };
        sets.filter_map(place).collect()
    }

    /// Reads the samples of a series out of the chunks of a day.
    fn of_day(
        &mut self,
        day: i64,
        host: HostId,
        places: &[(u32, usize, u8)],
        (from, to): (i64, i64),
    ) -> io::Result<Vec<(i64, f64)>> {
        let mut samples = Vec::new();
        let mut damaged = 0;
        let Some(connection) = self.connection(day)? else { return Ok(samples) };
        for (set, column, decimals) in places {
            let mut read = || -> rusqlite::Result<()> {
                let mut statement = connection.prepare_cached(
                    "SELECT body FROM chunk WHERE host = ?1 AND series_set = ?2
                       AND from_ms < ?4 AND to_ms >= ?3 ORDER BY from_ms, id",
                )?;
                let mut rows = statement.query(rusqlite::params![host.0, set, from, to])?;
                while let Some(row) = rows.next()? {
                    let body = row.get_ref(0)?.as_blob().unwrap_or_default();
                    let read = Chunk::open(body)
                        .and_then(|chunk| Some((chunk.times()?, chunk.column(*column)?)));
                    let Some((times, column)) = read else {
                        damaged += 1;
                        continue;
                    };
                    for (n, at) in
                        times.iter().enumerate().filter(|(_, at)| (from..to).contains(at))
                    {
                        samples.push((*at, scale(column.item(n), *decimals)));
                    }
                }
                Ok(())
            };
            // A damaged file gives what it gives.
            damaged += u64::from(read().is_err());
        }
        self.damaged += damaged;
        Ok(samples)
    }

    fn connection(&mut self, day: i64) -> io::Result<Option<&Connection>> {
        if !self.open.contains_key(&day) {
            while self.open.len() >= MAX_OPEN {
                self.open.pop_first();
            }
            let path = path_of(&self.dir, Tier::Raw, day);
            let connection = match open(&path) {
                Ok(connection) => Some(connection),
                // One that expired meanwhile has nothing.
                Err(_) if !path.exists() => None,
                Err(error) => return Err(io::Error::other(error)),
            };
            self.open.insert(day, connection);
        }
        Ok(self.open.get(&day).and_then(Option::as_ref))
    }

    /// Returns the frames of a set of a host that were not in chunks, those of blocks first.
    fn loose_of(&mut self, key: (u32, u32)) -> io::Result<&Loose> {
        if !self.loose.iter().any(|(known, _)| *known == key) {
            let mut frames = Loose::new();
            for block in self.blocks.get(&key).into_iter().flatten() {
                let Some(data) = self.data.get(&block.file) else { continue };
                match super::examine::read_block(data, block) {
                    Ok(bytes) => {
                        frames.extend(BlockFrames::new(&bytes).map(|(at, v)| (at, v.to_vec())));
                    }
                    Err(_) => self.damaged += 1,
                }
            }
            for frame in self.logged.get(&key).into_iter().flatten() {
                let Some(file) = self.segments.get(&frame.segment) else { continue };
                let mut values = vec![0; frame.len as usize];
                crate::disk::read_exact_at(file, &mut values, frame.offset)?;
                frames.push((frame.at, values));
            }
            if self.loose.len() >= MAX_LOOSE {
                self.loose.remove(0);
            }
            self.loose.push((key, frames));
        }
        Ok(self.loose.iter().find(|(known, _)| *known == key).map_or(&NONE, |(_, frames)| frames))
    }
}

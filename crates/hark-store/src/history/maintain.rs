//! What history does besides taking in frames: all in steps of about a millisecond.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::Duration;

use hark_model::time::{Now, Unix, millis};

use super::chunk::{self, Chunk, Columns, MAX_FRAMES};
use super::exceptions::Exceptions;
use super::heads::seal;
use super::level0::BlockRef;
use super::merge;
use super::partition::{MAX_GROUP, Partitions, Row, partition_of};
use super::strand::BlockFrames;
use super::tier::{self, Buckets, DAY_MS, Tier};
use super::{CHUNK_FRAMES, History, Trouble};
use crate::disk::Disk;

/// How long a stopped history waits before it tries the disk again.
pub(super) const RETRY: Duration = Duration::from_secs(10);

/// How much must fit on the disk before a stopped history goes on: a few seconds of a big server.
const PROBE: usize = 4 * 1024 * 1024;

/// Bytes of the log above which heads are sealed early, so that its oldest segment can go. A host
/// that sends once an hour would hold it for days.
const MAX_LOG: u64 = 384 * 1024 * 1024;

/// How long one segment of the log is written, about. What a start reads of it is put where it is not any more: so
/// a log must be empty of what can be over, also that of a server which takes months to fill a segment.
const LONGEST_SEGMENT: Duration = Duration::from_hours(6);

/// Bytes of blocks above which chunks are made early, so that the oldest file can go.
const MAX_BLOCKS: u64 = 16 * 1024 * 1024 * 1024;

/// Frames older than this are sealed, and blocks older than this become chunks, however few: a host
/// that is gone must not stay in memory, and a day must be whole before it can expire.
const MAX_AGE_MS: i64 = DAY_MS + 2 * 3_600_000;

/// Hosts looked at in one call of the sweep.
const SWEEP: usize = 2000;

/// How often that is done where it is only about age, which is counted in days.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// How old the spare of the catalogue is at most.
const SPARE_EVERY: Duration = Duration::from_hours(1);

/// Chunks wait so long for others, to be committed together.
const COMMIT_AFTER: Duration = Duration::from_secs(2);

/// A chunk is not made larger than this: a question reads whole chunks.
pub(super) const LONGEST_CHUNK: usize = 1500;

/// A chunk's rows, made but not committed.
#[derive(Debug)]
pub(super) struct Pending {
    host: u32,
    set: u32,
    blocks: Vec<BlockRef>,
    rows: Vec<[Row; 3]>,
}

impl Pending {
    /// Returns true if it is of that host.
    pub(super) fn is_of(&self, host: u32) -> bool {
        self.host == host
    }
}

impl History {
    /// Does up to `steps` steps of what is to be done: takes in the old log, makes chunks, drops what
    /// is old, tries a failed disk again. Call it after every sync, with few steps when there is much
    /// to take in and more when there is not. Returns true if there is more to do at once.
    ///
    /// A step takes about a millisecond (a chunk, a batch of the log), a commit some more.
    pub fn maintain(&mut self, now: Now, steps: u32) -> bool {
        if let Some(stopped) = &self.stopped {
            if now.mono >= stopped.next_try {
                self.try_again(now);
            }
            return false;
        }
        match self.work(now, steps) {
            Ok(more) => more,
            Err(trouble) => {
                self.stop(&trouble, now);
                false
            }
        }
    }

    fn work(&mut self, now: Now, steps: u32) -> Result<bool, Trouble> {
        for _ in 0..steps {
            if !self.replay_batch()? && !self.compact_one(now)? {
                break;
            }
        }
        let is_full = self.pending.len() >= MAX_GROUP;
        let has_waited = now.mono.since(self.pending_since) >= COMMIT_AFTER;
        if is_full || (has_waited && !self.pending.is_empty()) {
            self.commit_pending()?;
        }
        self.sweep(now)?;
        self.remove_log()?;
        let erases = self.erase_step(now)?;
        let holds_old = self.holds_old_until.is_some_and(|until| now.mono < until);
        // Samples of an import that are too old are looked at by the next batch of it.
        let thins = !holds_old && self.thin_step()?;
        if now.mono >= self.next_minute {
            self.next_minute = now.mono + Duration::from_mins(1);
            self.end_old_segment(now);
            let newest = self.newest_possible();
            let aged = self.aging.at(now, newest);
            self.expire(aged, holds_old)?;
            if now.mono >= self.next_spare {
                self.next_spare = now.mono + SPARE_EVERY;
                self.catalogue.keep_spare(&self.dir, &self.disk);
            }
        }
        Ok(erases || thins || self.replay.is_going_on() || !self.due.is_empty())
    }

    /// Seals and compacts everything there is, and commits it: for tests and for the end of an import.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn settle(&mut self, now: Now) -> Result<(), Trouble> {
        while self.replay_batch()? {}
        loop {
            let mut is_settled = true;
            for host in 0..self.hosts.len() {
                is_settled &= self.settle_host(host)?;
                while self.compact_one(now)? {
                    if self.pending.len() >= MAX_GROUP {
                        self.commit_pending()?;
                    }
                }
            }
            self.commit_pending()?;
            if is_settled {
                return self.remove_log();
            }
        }
    }

    /// Seals the heads of a host and notes its blocks as due. Returns true if there were none.
    pub(super) fn settle_host(&mut self, host: usize) -> Result<bool, Trouble> {
        let number = u32::try_from(host).unwrap_or(u32::MAX);
        let mut is_settled = true;
        for strand in self.hosts.get_mut(host).into_iter().flatten() {
            seal(&mut self.level0, &mut self.holding, &mut self.due, number, strand)?;
            if strand.sealed.is_empty() {
                continue;
            }
            is_settled = false;
            let entry = (number, strand.set);
            if !strand.is_compacting && !self.due.contains(&entry) {
                self.due.push_back(entry);
            }
        }
        Ok(is_settled)
    }

    /// Tries whether the disk works again; if so everything is opened anew from what is on it.
    fn try_again(&mut self, now: Now) {
        let room = if self.gives_way { Err(full()) } else { probe(&self.dir, &self.disk) };
        let opened = room.map_err(Trouble::from).and_then(|()| {
            Self::open_epoch(&self.dir, self.settings, self.disk.clone(), self.epoch + 1)
        });
        match opened {
            Ok(mut history) => {
                tracing::info!("history goes on");
                history.counts = self.counts;
                history.erasures.take_over(&mut self.erasures);
                history.exceptions = self.exceptions.take();
                history.aging = std::mem::take(&mut self.aging);
                history.aged = self.aged;
                history.thinning.begin_anew();
                *self = history;
            }
            Err(trouble) => {
                tracing::debug!(%trouble, "history stays stopped");
                if let Some(stopped) = &mut self.stopped {
                    stopped.next_try = now.mono + RETRY;
                    stopped.fault = trouble.fault();
                }
            }
        }
    }

    /// Notes which strands have enough sealed frames for a chunk.
    pub(super) fn find_due(&mut self) {
        for (host, strands) in (0u32..).zip(&self.hosts) {
            for strand in strands.iter().filter(|s| s.n_sealed() >= CHUNK_FRAMES) {
                self.due.push_back((host, strand.set));
            }
        }
    }

    /// Makes the chunk of one strand; it is committed later. Returns false if none is due.
    fn compact_one(&mut self, now: Now) -> Result<bool, Trouble> {
        let Some((host, set)) = self.due.pop_front() else { return Ok(false) };
        let strands = self.hosts.get_mut(host as usize);
        let Some(strand) = strands.into_iter().flatten().find(|s| s.set == set) else {
            return Ok(true);
        };
        if strand.is_compacting || strand.sealed.is_empty() {
            return Ok(true);
        }
        let blocks = strand.sealed.clone();
        let mut bodies = Vec::with_capacity(blocks.len());
        for block in &blocks {
            match self.level0.read(block)? {
                Some(body) => bodies.push(body),
                None => self.counts.damaged += 1,
            }
        }
        let mut frames: Vec<(i64, &[u8])> =
            bodies.iter().flat_map(|body| BlockFrames::new(body)).collect();
        if !frames.is_sorted_by_key(|(at, _)| *at) {
            frames.sort_by_key(|(at, _)| *at);
        }
        let (frames, n_duplicates) = merge::join(frames);
        self.counts.duplicates += n_duplicates;
        let frames: Vec<(i64, &[u8])> =
            frames.iter().map(|(at, values)| (*at, values.as_ref())).collect();
        let mut rows = Vec::new();
        if let Some(defs) = self.catalogue.set(set) {
            for piece in pieces(&frames) {
                let known = known_frames(&mut self.partitions, host, set, piece)?;
                let new: Vec<(i64, Cow<'_, [u8]>)> = piece
                    .iter()
                    .filter_map(|(at, values)| match known.get(at) {
                        None => Some((*at, Cow::Borrowed(*values))),
                        Some(known) => Some((*at, Cow::Owned(merge::rest(known, values)?))),
                    })
                    .collect();
                self.counts.duplicates += (piece.len() - new.len()) as u64;
                let new = new.iter().map(|(at, values)| (*at, values.as_ref()));
                let mut columns = Columns::of(new, defs.len());
                self.counts.damaged += columns.damaged;
                let at = columns.times.first().copied().unwrap_or_default();
                if let Some(gone) = self.over_at(host, defs, at) {
                    columns.let_go(&gone);
                }
                rows.extend(rows_of(host, set, &columns, defs));
            }
        } else {
            self.counts.damaged += frames.len() as u64;
        }
        let strands = self.hosts.get_mut(host as usize);
        if let Some(strand) = strands.into_iter().flatten().find(|s| s.set == set) {
            strand.is_compacting = true;
        }
        if self.pending.is_empty() {
            self.pending_since = now.mono;
        }
        self.pending.push(Pending { host, set, blocks, rows });
        Ok(true)
    }

    /// Commits the chunks that wait: the coarser tiers of a day before its samples.
    fn commit_pending(&mut self) -> Result<(), Trouble> {
        // Blocks must not be lost before their chunks are there, nor be needed after.
        self.level0.sync()?;
        let pending = std::mem::take(&mut self.pending);
        let mut days: BTreeMap<i64, Vec<&[Row; 3]>> = BTreeMap::new();
        for rows in pending.iter().flat_map(|p| &p.rows) {
            let [raw, ..] = rows;
            days.entry(partition_of(Tier::Raw, raw.from)).or_default().push(rows);
        }
        for rows in days.values() {
            for group in rows.chunks(MAX_GROUP) {
                put_group(&mut self.partitions, group)?;
                self.counts.chunks += group.len() as u64;
            }
        }
        for Pending { host, set, blocks, .. } in &pending {
            self.level0.done(*host, *set, blocks)?;
            let strands = self.hosts.get_mut(*host as usize);
            if let Some(strand) = strands.into_iter().flatten().find(|s| s.set == *set) {
                strand.sealed.drain(..blocks.len().min(strand.sealed.len()));
                strand.sealed.shrink_to(8);
                strand.is_compacting = false;
                if strand.n_sealed() >= CHUNK_FRAMES {
                    self.due.push_back((*host, *set));
                }
            }
        }
        self.level0.flush()?;
        self.level0.remove_done()?;
        Ok(())
    }

    /// Looks at some strands: seals and compacts what is old, or what keeps the log and the blocks
    /// from being removed.
    fn sweep(&mut self, now: Now) -> Result<(), Trouble> {
        if self.hosts.is_empty() {
            return Ok(());
        }
        let is_log_large = self.wal.bytes() > MAX_LOG;
        let are_blocks_large = self.level0.bytes() > MAX_BLOCKS;
        if now.mono < self.next_sweep && !is_log_large && !are_blocks_large {
            return Ok(());
        }
        self.next_sweep = now.mono + SWEEP_EVERY;
        let oldest_segment =
            self.holding.first_key_value().map(|(s, _)| *s).filter(|_| is_log_large);
        let oldest_segment = oldest_segment.max(self.erasures.drain_to);
        let oldest_file = self.level0.oldest_file().filter(|_| are_blocks_large);
        let old = now.unix.0 - MAX_AGE_MS;
        if self.sweep_at >= self.hosts.len() {
            self.sweep_at = 0;
        }
        let end = (self.sweep_at + SWEEP).min(self.hosts.len());
        for host in self.sweep_at..end {
            let number = u32::try_from(host).unwrap_or(u32::MAX);
            let Some(strands) = self.hosts.get_mut(host) else { break };
            for strand in strands {
                let holds_log = oldest_segment.is_some_and(|s| strand.segment <= s);
                if strand.n_open > 0 && (holds_log || strand.oldest < old) {
                    let (level0, holding) = (&mut self.level0, &mut self.holding);
                    seal(level0, holding, &mut self.due, number, strand)?;
                }
                let Some(first) = strand.sealed.first() else { continue };
                let holds_file = oldest_file.is_some_and(|f| first.file <= f);
                let is_few = strand.n_sealed() < CHUNK_FRAMES;
                if is_few && !strand.is_compacting && (holds_file || first.oldest < old) {
                    let entry = (number, strand.set);
                    if !self.due.contains(&entry) {
                        self.due.push_back(entry);
                    }
                }
            }
        }
        self.sweep_at = end;
        Ok(())
    }

    /// Removes the segments of the log whose frames are all in blocks.
    fn remove_log(&mut self) -> Result<(), Trouble> {
        let held = self.holding.first_key_value().map(|(segment, _)| *segment);
        let unread = self.replay.oldest();
        let newest = self.wal.segment() + 1;
        let keep_from = held.unwrap_or(newest).min(unread.unwrap_or(newest));
        if self.wal.closed().next().is_some_and(|oldest| oldest < keep_from) {
            self.level0.sync()?;
            self.wal.remove_before(keep_from)?;
        }
        Ok(())
    }

    /// Ends the segment of the log that is written if it was begun long ago: what is in it is in blocks after a
    /// day, and then it can go.
    fn end_old_segment(&mut self, now: Now) {
        let (segment, since) = self.segment_since;
        if segment != self.wal.segment() {
            self.segment_since = (self.wal.segment(), now.mono);
        } else if now.mono >= since + LONGEST_SEGMENT {
            self.wal.end_segment();
        }
    }

    /// Returns when the newest samples that are there can have been written, at most: the end of their
    /// day, and as long after it as samples are kept.
    fn newest_possible(&self) -> Option<Unix> {
        let newest = self.partitions.newest(Tier::Raw)?;
        let end = newest.saturating_add(1).saturating_mul(DAY_MS * Tier::Raw.days());
        Some(Unix(end) + self.settings.raw)
    }

    /// Drops what is old; while an import goes on, no samples. As long as it is not known which series are
    /// exceptions, nothing goes because of its age.
    fn expire(&mut self, now: Unix, holds_old: bool) -> Result<(), Trouble> {
        self.aged = Some(now);
        // Also who has not read them has them no longer than they are kept.
        self.wal.expire_followed(now - self.settings.raw)?;
        if let Some(exceptions) = self.exceptions.clone() {
            self.expire_aged(&exceptions, now, holds_old)?;
        }
        self.expire_sized(holds_old)
    }

    fn expire_aged(
        &mut self,
        exceptions: &Exceptions,
        now: Unix,
        holds_old: bool,
    ) -> Result<(), Trouble> {
        for tier in Tier::ALL {
            if holds_old && tier == Tier::Raw {
                continue;
            }
            let usual = self.settings.kept(tier);
            let longest = exceptions.longest(tier, usual);
            let mut gone = self.partitions.expire(tier, (now - longest.unwrap_or(usual)).0)?;
            if longest.is_some() {
                gone += self.remove_emptied(tier)?;
            }
            if gone > 0 {
                tracing::info!(tier = tier.word(), partitions = gone, "history expired");
            }
        }
        let hours = exceptions.longest(Tier::Hours, self.settings.hours);
        let age = i64::try_from(millis(hours.unwrap_or(self.settings.hours))).unwrap_or(i64::MAX);
        self.catalogue.expire(now.0.saturating_sub(age).div_euclid(DAY_MS))?;
        self.catalogue.commit()?;
        let touched = self.partitions.touched();
        self.thinning.look(&touched);
        Ok(())
    }
}

/// Cuts frames in order into pieces of one day and not too many frames.
fn pieces<'f, 'v>(frames: &'f [(i64, &'v [u8])]) -> impl Iterator<Item = &'f [(i64, &'v [u8])]> {
    const { assert!(LONGEST_CHUNK <= MAX_FRAMES) };
    let day = |at: i64| partition_of(Tier::Raw, at);
    frames.chunk_by(move |a, b| day(a.0) == day(b.0)).flat_map(|of_day| {
        let n_pieces = of_day.len().div_ceil(LONGEST_CHUNK).max(1);
        of_day.chunks(of_day.len().div_ceil(n_pieces).max(1))
    })
}

/// Returns what chunks hold already of the times of `piece`.
fn known_frames(
    partitions: &mut Partitions,
    host: u32,
    set: u32,
    piece: &[(i64, &[u8])],
) -> Result<BTreeMap<i64, Vec<u8>>, Trouble> {
    let (Some((from, _)), Some((to, _))) = (piece.first(), piece.last()) else {
        return Ok(BTreeMap::new());
    };
    let mut known: BTreeMap<i64, Vec<u8>> = BTreeMap::new();
    for body in partitions.overlapping(Tier::Raw, host, set, *from, *to)? {
        let is_asked = |at: i64| piece.binary_search_by_key(&at, |(at, _)| *at).is_ok();
        let frames = Chunk::open(&body).and_then(|chunk| chunk.frames(is_asked));
        for (at, values) in frames.into_iter().flatten() {
            // What one chunk has not, a later one may have.
            let all = match known.get(&at) {
                Some(first) => merge::both(first, &values).unwrap_or_else(|| first.clone()),
                None => values,
            };
            known.insert(at, all);
        }
    }
    Ok(known)
}

/// Makes the rows of the three tiers; none if there are no frames.
pub(super) fn rows_of(
    host: u32,
    set: u32,
    columns: &Columns,
    defs: &[hark_model::SeriesDef],
) -> Option<[Row; 3]> {
    let (from, to) = (*columns.times.first()?, *columns.times.last()?);
    let row = |body| Row { host, set, from, to, body };
    let minutes = Buckets::of(columns, defs, Tier::Minutes.width_ms());
    let hours = minutes.coarser(Tier::Hours.width_ms() / Tier::Minutes.width_ms());
    Some([row(chunk::encode(columns)), row(tier::encode(&minutes)), row(tier::encode(&hours))])
}

/// Writes rows of one day, the coarser tiers first.
pub(super) fn put_group(partitions: &mut Partitions, group: &[&[Row; 3]]) -> Result<(), Trouble> {
    let Some([first, ..]) = group.first() else { return Ok(()) };
    let id = partitions.numbers(group.len());
    for (n, tier) in Tier::ALL.into_iter().enumerate().rev() {
        let rows: Vec<&Row> = group.iter().filter_map(|rows| rows.get(n)).collect();
        partitions.put(tier, partition_of(tier, first.from), id, &rows)?;
    }
    Ok(())
}

/// What a full disk says.
pub(super) fn full() -> io::Error {
    io::ErrorKind::StorageFull.into()
}

/// Writes and removes a file, to see whether the disk takes it.
fn probe(dir: &Path, disk: &Disk) -> io::Result<()> {
    let path = dir.join("probe");
    let result = disk.open(&path).and_then(|file| {
        disk.write_at(&file, &vec![0; PROBE], 0)?;
        disk.sync(&file)
    });
    disk.remove(&path)?;
    result
}

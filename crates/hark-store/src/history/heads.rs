//! Frames on their way into the heads: those of the batch that was just written, and those that the log of the last
//! run still holds; and heads on their way into blocks.

use std::collections::{BTreeMap, VecDeque};
use std::io;

use super::level0::Level0;
use super::strand::Strand;
use super::wal::{Frames, Segment, Wal};
use super::{CHUNK_FRAMES, History, MAX_HOST, Trouble};

/// Frames after which a head is sealed.
const HEAD_FRAMES: u32 = 64;

/// Bytes after which a head is sealed, and the least to which this is lowered for many hosts.
const HEAD_BYTES: (usize, usize) = (6 * 1024, 2 * 1024);

/// Bytes that all heads together may take, about: 10,000 hosts are below, 100,000 seal earlier.
const ALL_HEADS_BYTES: usize = 64 * 1024 * 1024;

/// Frames whose strands are read together before they are taken in one by one: what the processor has forgotten
/// since the last frame of each host comes back for several side by side. Their strands fit in its nearest memory.
const AHEAD: usize = 64;

/// The segments of the last run's log that are not taken in yet.
#[derive(Debug, Default)]
pub(super) struct Replay {
    waiting: VecDeque<u64>,
    current: Option<(u64, Segment)>,
    batch: Vec<u8>,
}

impl Replay {
    pub(super) fn of(wal: &Wal) -> Self {
        Self { waiting: wal.closed().collect(), current: None, batch: Vec::new() }
    }

    pub(super) fn is_going_on(&self) -> bool {
        self.current.is_some() || !self.waiting.is_empty()
    }

    /// Returns the oldest segment that is not taken in.
    pub(super) fn oldest(&self) -> Option<u64> {
        self.current.as_ref().map(|(number, _)| *number).or(self.waiting.front().copied())
    }

    /// Reads the next batch; returns its segment.
    fn next(&mut self, path: impl Fn(u64) -> std::path::PathBuf) -> io::Result<Option<u64>> {
        loop {
            if let Some((number, segment)) = &mut self.current {
                if segment.next(&mut self.batch)? {
                    return Ok(Some(*number));
                }
                if segment.is_torn() {
                    tracing::info!(segment = *number, "log ends in a torn batch");
                }
                self.current = None;
            }
            let Some(number) = self.waiting.pop_front() else {
                self.batch = Vec::new();
                return Ok(None);
            };
            self.current = Some((number, Segment::open(&path(number))?));
        }
    }
}

impl History {
    /// Puts the frames of the batch that was just written into the heads.
    pub(super) fn take_in_batch(&mut self) -> Result<(), Trouble> {
        let segment = self.wal.segment();
        let limit = self.head_limit();
        let mut result = Ok(());
        let mut n_duplicates = 0;
        let mut ahead = self.wal.batch();
        for (n, frame) in self.wal.batch().enumerate() {
            if n % AHEAD == 0 {
                let (mut next, mut filled) = ([(0, 0); AHEAD], 0);
                for (place, frame) in next.iter_mut().zip(&mut ahead) {
                    *place = (frame.host, frame.set);
                    filled += 1;
                }
                prefetch(&self.hosts, next.get(..filled).unwrap_or_default());
            }
            if self.erasures.is_gone(frame.host) {
                continue;
            }
            let strand = strand_of(&mut self.hosts, &mut self.n_strands, frame.host, frame.set);
            let was_empty = strand.n_open == 0;
            if !strand.push(frame.at, frame.values, segment) {
                n_duplicates += 1;
                continue;
            }
            if was_empty {
                *self.holding.entry(segment).or_default() += 1;
            }
            if strand.n_open >= HEAD_FRAMES || strand.open.len() >= limit {
                let sealed =
                    seal(&mut self.level0, &mut self.holding, &mut self.due, frame.host, strand);
                if result.is_ok() {
                    result = sealed;
                }
            }
        }
        self.counts.duplicates += n_duplicates;
        result
    }

    /// Takes in the next batch of the last run's log; returns false if all of it is taken in.
    pub(super) fn replay_batch(&mut self) -> Result<bool, Trouble> {
        let wal = &self.wal;
        let Some(segment) = self.replay.next(|number| wal.path(number))? else {
            return Ok(false);
        };
        let limit = self.head_limit();
        let batch = std::mem::take(&mut self.replay.batch);
        let mut result = Ok(());
        for frame in Frames::new(&batch) {
            if self.erasures.is_gone(frame.host) {
                continue;
            }
            if frame.host > MAX_HOST || self.catalogue.set(frame.set).is_none() {
                self.counts.damaged += 1;
                continue;
            }
            let strand = strand_of(&mut self.hosts, &mut self.n_strands, frame.host, frame.set);
            let held = (strand.n_open > 0).then_some(strand.segment);
            if !strand.push(frame.at, frame.values, segment) {
                continue;
            }
            self.counts.replayed += 1;
            // Frames of this run may be in the head already; the oldest segment counts.
            if held.is_none_or(|held| held > segment) {
                if let Some(held) = held {
                    release(&mut self.holding, held);
                }
                strand.segment = segment;
                *self.holding.entry(segment).or_default() += 1;
            }
            if strand.n_open >= HEAD_FRAMES || strand.open.len() >= limit {
                result =
                    seal(&mut self.level0, &mut self.holding, &mut self.due, frame.host, strand);
                if result.is_err() {
                    break;
                }
            }
        }
        self.replay.batch = batch;
        result.map(|()| true)
    }

    /// Returns at how many bytes a head is sealed.
    fn head_limit(&self) -> usize {
        let (most, least) = HEAD_BYTES;
        (ALL_HEADS_BYTES / self.n_strands.max(1)).clamp(least, most)
    }
}

/// Reads what pushing a frame to each of these strands will need: first the strands, then what they say where to find.
/// Each pass is short, so that the processor waits for many at once.
fn prefetch(hosts: &[Vec<Strand>], next: &[(u32, u32)]) {
    let strands = |host: u32| hosts.get(host as usize).map_or(&[][..], Vec::as_slice);
    let of_strand = |sum: usize, strand: &Strand| sum ^ strand.set as usize ^ strand.open.len();
    let read = next.iter().fold(0, |sum, (host, _)| strands(*host).iter().fold(sum, of_strand));
    let read = next.iter().fold(read, |sum, (host, set)| {
        let strand = strands(*host).iter().find(|strand| strand.set == *set);
        sum ^ usize::from(strand.and_then(|strand| strand.open.last().copied()).unwrap_or_default())
    });
    std::hint::black_box(read);
}

/// Returns the strand of a set of a host, making it if it is not there.
#[inline]
pub(super) fn strand_of<'h>(
    hosts: &'h mut Vec<Vec<Strand>>,
    n_strands: &mut usize,
    host: u32,
    set: u32,
) -> &'h mut Strand {
    let at = host as usize;
    if at >= hosts.len() {
        hosts.resize_with(at + 1, Vec::new);
    }
    let Some(strands) = hosts.get_mut(at) else {
        unreachable!("the list was made long enough above")
    };
    let found = strands.iter().position(|s| s.set == set);
    let found = found.unwrap_or_else(|| {
        strands.reserve_exact(1);
        strands.push(Strand::new(set));
        *n_strands += 1;
        strands.len() - 1
    });
    match strands.get_mut(found) {
        Some(strand) => strand,
        None => unreachable!("it was found or pushed above"),
    }
}

/// Notes that a strand holds nothing of `segment` any more.
pub(super) fn release(holding: &mut BTreeMap<u64, u64>, segment: u64) {
    if let Some(n) = holding.get_mut(&segment) {
        *n -= 1;
        if *n == 0 {
            holding.remove(&segment);
        }
    }
}

/// Makes a block of the open frames of a strand.
pub(super) fn seal(
    level0: &mut Level0,
    holding: &mut BTreeMap<u64, u64>,
    due: &mut VecDeque<(u32, u32)>,
    host: u32,
    strand: &mut Strand,
) -> Result<(), Trouble> {
    if strand.n_open == 0 {
        return Ok(());
    }
    let times = (strand.oldest, strand.newest);
    let block = level0.push(host, strand.set, &strand.open, strand.n_open, times)?;
    let was_due = strand.n_sealed() >= CHUNK_FRAMES;
    strand.sealed.push(block);
    release(holding, strand.segment);
    strand.close();
    if !was_due && strand.n_sealed() >= CHUNK_FRAMES && !strand.is_compacting {
        due.push_back((host, strand.set));
    }
    if level0.is_buffer_full() {
        level0.flush()?;
    }
    Ok(())
}

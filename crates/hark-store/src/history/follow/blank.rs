//! What is erased goes out of what is kept for readers, too.
//!
//! A segment that has something of it is written anew beside itself and then takes its own place, so that
//! whoever dies in between leaves the old one or the new one. Readers go by places, so every frame keeps
//! its place and its length:
//!
//! - a frame that goes as a whole becomes one of host 0 and set 0, which is nobody's, and its values zeros;
//!   what stays is that something was sent at that time;
//! - of any other frame the values that go become absent, those after them move up, and zeros follow.
//!
//! What cannot be read of a segment nobody reads: it is left out of a new one, and makes it new.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::PathBuf;

use hark_model::frame::{Item, ValueReader, encode_item};

use super::{Followed, Kept, read_batch};
use crate::disk::Disk;
use crate::history::bytes::Reader;
use crate::history::wal::{BATCH_HEADER, Frames, LoggedFrame, MAGIC, path_of};

/// What the name of a segment ends in that is not whole.
pub(super) const COPY: &str = "new";

/// How much is looked at in a step: some milliseconds.
const PIECE: u64 = 1024 * 1024;

/// What of a frame is to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::history) enum Meant {
    /// Nothing.
    Nothing,
    /// The values of these series of its set.
    Columns(Vec<bool>),
    /// All of it.
    All,
}

/// Says what of a frame is to go.
pub(in crate::history) type Judge<'j> = &'j dyn Fn(&LoggedFrame<'_>) -> Meant;

/// How far the work has come.
#[derive(Debug, Default)]
pub(in crate::history) struct Blanking {
    /// The segment that is looked at next.
    next: u64,
    segment: Option<Anew>,
}

/// A segment that is looked at.
#[derive(Debug)]
struct Anew {
    number: u64,
    source: File,
    len: u64,
    /// Where the next batch begins.
    at: u64,
    /// The new one, once it is known that there must be one.
    copy: Option<File>,
}

impl Followed {
    /// Returns how many steps [`Self::blank`] takes, about.
    pub(in crate::history) fn n_pieces(&self) -> u64 {
        self.segments.values().map(|segment| 1 + segment.bytes / PIECE).sum()
    }

    /// Takes out of the next piece what is meant. Returns false once nothing is left of it in any segment up
    /// to number `to`.
    pub(in crate::history) fn blank(
        &mut self,
        work: &mut Blanking,
        to: u64,
        judge: Judge<'_>,
        disk: &Disk,
    ) -> io::Result<bool> {
        let Some(mut segment) = work.segment.take() else {
            let mut left = self.segments.range(work.next..).map(|(number, _)| *number);
            let Some(number) = left.next().filter(|number| *number <= to) else {
                return Ok(false);
            };
            work.next = number + 1;
            let source = File::open(path_of(&self.dir, number))?;
            let len = source.metadata()?.len();
            let at = MAGIC.len() as u64;
            work.segment = Some(Anew { number, source, len, at, copy: None });
            return Ok(true);
        };
        if !self.segments.contains_key(&segment.number) {
            // It was given up meanwhile.
            disk.remove(&self.copy_of(segment.number))?;
        } else if !self.blank_piece(&mut segment, judge, disk)? {
            work.segment = Some(segment);
        } else if let Anew { number, source, copy: Some(copy), .. } = segment {
            // It is as old as the other one was.
            copy.set_modified(source.metadata()?.modified()?)?;
            disk.sync(&copy)?;
            drop((source, copy));
            let path = path_of(&self.dir, number);
            disk.rename(&self.copy_of(number), &path)?;
            disk.sync_dir(&self.dir)?;
            self.segments.insert(number, Kept::of(&path)?);
        }
        Ok(true)
    }

    fn copy_of(&self, number: u64) -> PathBuf {
        path_of(&self.dir, number).with_extension(COPY)
    }

    /// Looks at a piece of a segment; returns true at its end.
    fn blank_piece(&self, anew: &mut Anew, judge: Judge<'_>, disk: &Disk) -> io::Result<bool> {
        let until = anew.at + PIECE;
        let mut frames = Vec::new();
        while anew.at < until {
            let begin = anew.at;
            let after = read_batch(&anew.source, begin, anew.len, &mut frames)?;
            let is_changed = match after {
                Some(_) => blank(&mut frames, judge),
                None => anew.at < anew.len,
            };
            match (&anew.copy, after) {
                (None, _) if is_changed => {
                    let path = self.copy_of(anew.number);
                    disk.remove(&path)?;
                    let copy = disk.open(&path)?;
                    disk.write_at(&copy, MAGIC, 0)?;
                    anew.copy = Some(copy);
                    anew.at = MAGIC.len() as u64;
                    return Ok(false);
                }
                (_, None) => return Ok(true),
                (None, Some(after)) => anew.at = after,
                (Some(copy), Some(after)) => {
                    disk.write_at(copy, &with_header(&frames), begin)?;
                    anew.at = after;
                }
            }
        }
        Ok(false)
    }
}

/// Returns a batch as it lies in a segment.
fn with_header(frames: &[u8]) -> Vec<u8> {
    let len = u32::try_from(frames.len()).unwrap_or(u32::MAX);
    let mut batch = Vec::with_capacity(BATCH_HEADER + frames.len());
    batch.extend_from_slice(&len.to_le_bytes());
    batch.extend_from_slice(&crc32fast::hash(frames).to_le_bytes());
    batch.extend_from_slice(frames);
    batch
}

/// Takes out of a batch what is meant; returns whether there was anything.
fn blank(batch: &mut [u8], judge: Judge<'_>) -> bool {
    let mut changes: Vec<(Range<usize>, Vec<u8>)> = Vec::new();
    let mut frames = Frames::new(batch);
    let mut begin = 0;
    while let Some(frame) = frames.next() {
        let place = begin..frames.place();
        begin = place.end;
        let bytes = batch.get(place.clone()).unwrap_or_default();
        let new = match judge(&frame) {
            Meant::Nothing => continue,
            Meant::All => without_all(bytes, &frame),
            Meant::Columns(columns) => without(bytes, &frame, &columns),
        };
        if new != bytes {
            changes.push((place, new));
        }
    }
    for (place, new) in &changes {
        if let Some(bytes) = batch.get_mut(place.clone()).filter(|old| old.len() == new.len()) {
            bytes.copy_from_slice(new);
        }
    }
    !changes.is_empty()
}

/// Returns a frame without anything but its time.
fn without_all(bytes: &[u8], frame: &LoggedFrame<'_>) -> Vec<u8> {
    let mut new = bytes.to_vec();
    let mut reader = Reader::new(bytes);
    let mut begin = 0;
    for _host_and_set in 0..2 {
        if reader.id().is_some() {
            let end = bytes.len() - reader.len();
            zero(&mut new, begin..end);
            begin = end;
        }
    }
    new.truncate(bytes.len() - frame.values.len());
    new.resize(bytes.len(), 0);
    new
}

/// Writes the number 0 so that it takes all of `place`.
fn zero(bytes: &mut [u8], place: Range<usize>) {
    if let Some((last, others)) = bytes.get_mut(place).and_then(<[u8]>::split_last_mut) {
        others.fill(0x80);
        *last = 0;
    }
}

/// Returns a frame without the values of some series.
fn without(bytes: &[u8], frame: &LoggedFrame<'_>, columns: &[bool]) -> Vec<u8> {
    let mut new = bytes.to_vec();
    new.truncate(bytes.len() - frame.values.len());
    for (item, is_meant) in ValueReader::new(frame.values).zip(columns) {
        // What cannot be understood ends it.
        let Ok(item) = item else { break };
        encode_item(if *is_meant { Item::Absent } else { item }, &mut new);
    }
    debug_assert!(new.len() <= bytes.len(), "nothing is shorter than what is absent");
    new.resize(bytes.len(), 0);
    new
}

#[cfg(test)]
mod tests;

//! One run of numbered entries over several files.

use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hark_model::Mono;

use super::acked::Acked;
use super::segment::{Entry, Kind, MAX_PAYLOAD, Scan, encode};
use crate::sys;

/// Entries of one kind, numbered from 1. Entries of [`Kind::Set`] may stand between them.
#[derive(Debug)]
pub(super) struct Log {
    folder: PathBuf,
    /// First part of the files' names.
    prefix: &'static str,
    /// The kind that is numbered.
    kind: Kind,
    /// From this length on a new file is begun.
    segment_len: u64,
    segments: VecDeque<Segment>,
    /// The file that is written to, the last of `segments`; none before the first entry and after
    /// a failed write: what follows a torn entry goes to a new file.
    active: Option<Active>,
    next: u64,
    /// The number after the last entry that was there at the start.
    pub(super) found: u64,
    pub(super) acked: Acked,
    /// Numbers that are under way: sent, neither acknowledged nor given up.
    flying: BTreeSet<u64>,
    reader: Reader,
    scratch: Vec<u8>,
    pub(super) damage: Damage,
    /// Every write fails.
    #[cfg(test)]
    pub(super) refuse: bool,
}

/// What could not be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    /// Bytes that were skipped.
    pub bytes: u64,
    /// Numbered entries that are missing; at least so many.
    pub entries: u64,
}

impl Damage {
    /// Adds `other`.
    pub(super) fn add(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.entries += other.entries;
    }

    /// Returns true if nothing is missing.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// What was given up because there was no room or it was too old.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gap {
    /// Entries that were not acknowledged.
    pub entries: u64,
    /// When the first and the last of them were made, milliseconds since 1970.
    pub from: i64,
    /// See `from`.
    pub until: i64,
}

impl Gap {
    /// Adds `other`.
    pub(super) fn add(&mut self, other: Self) {
        if self.entries == 0 {
            *self = other;
        } else if other.entries > 0 {
            self.entries += other.entries;
            self.from = self.from.min(other.from);
            self.until = self.until.max(other.until);
        }
    }

    /// Adds one entry made `at`.
    fn add_one(&mut self, at: i64) {
        self.add(Self { entries: 1, from: at, until: at });
    }
}

#[derive(Debug)]
struct Segment {
    path: PathBuf,
    /// The number its name says: none of its entries has a lower one.
    first: u64,
    len: u64,
    /// When its first and its last entry were made.
    from: i64,
    until: i64,
    /// When it was first seen to be complete.
    complete: Option<Mono>,
}

#[derive(Debug)]
struct Active {
    file: File,
    /// Which sets are defined in it.
    sets: BTreeSet<u32>,
    dirty: bool,
}

/// Where reading for sending stands.
#[derive(Debug, Default)]
struct Reader {
    /// The next number to be looked at: all below are done with or under way.
    at: u64,
    /// The file that holds it, while reading goes on.
    loaded: Option<Loaded>,
}

#[derive(Debug, Default)]
struct Loaded {
    first: u64,
    bytes: Vec<u8>,
    offset: usize,
    /// The number that was read last, and where it was looked for.
    last: Option<(u64, usize)>,
}

impl Log {
    /// Opens the files in `folder` that begin with `prefix`. What is below `cursor` was
    /// acknowledged; new numbers are at least `next`.
    pub(super) fn open(
        folder: &Path,
        (prefix, kind): (&'static str, Kind),
        segment_len: u64,
        cursor: u64,
        next: u64,
    ) -> io::Result<Self> {
        let mut log = Self {
            folder: folder.to_owned(),
            prefix,
            kind,
            segment_len,
            segments: VecDeque::new(),
            active: None,
            next: 1,
            found: 1,
            acked: Acked::below(cursor.max(1)),
            flying: BTreeSet::new(),
            reader: Reader::default(),
            scratch: Vec::new(),
            damage: Damage::default(),
            #[cfg(test)]
            refuse: false,
        };
        for (first, path) in log.files()? {
            log.open_segment(first, path)?;
        }
        log.found = log.next;
        let next = next.max(log.next).max(cursor);
        log.acked.insert(log.next, next);
        log.next = next;
        log.drop_done();
        Ok(log)
    }

    /// Takes in one file, in order of the numbers.
    fn open_segment(&mut self, first: u64, path: PathBuf) -> io::Result<()> {
        let bytes = std::fs::read(&path)?;
        let mut segment =
            Segment { path, first, len: bytes.len() as u64, from: 0, until: 0, complete: None };
        // Between two files numbers may be left out on purpose; within one they may not.
        self.acked.insert(self.next, first.max(self.next));
        self.next = self.next.max(first);
        let mut scan = Scan::new(&bytes, 0);
        let mut damage = Damage::default();
        for entry in scan.by_ref() {
            if segment.from == 0 {
                segment.from = entry.at;
            }
            segment.until = entry.at;
            if entry.kind != self.kind || entry.number < self.next {
                continue;
            }
            damage.entries += entry.number - self.next;
            self.acked.insert(self.next, entry.number);
            self.next = entry.number + 1;
        }
        damage.bytes = scan.skipped;
        if damage.bytes > 0 {
            // What is missing at the end leaves no gap behind it: at least one.
            damage.entries = damage.entries.max(1);
        }
        self.damage.add(damage);
        self.segments.push_back(segment);
        Ok(())
    }

    /// Returns the files, lowest number first.
    fn files(&self) -> io::Result<Vec<(u64, PathBuf)>> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let number = name
                .to_str()
                .and_then(|name| name.strip_prefix(self.prefix)?.strip_suffix(SUFFIX))
                .and_then(|digits| u64::from_str_radix(digits, 16).ok());
            files.extend(number.map(|number| (number, entry.path())));
        }
        files.sort();
        Ok(files)
    }

    /// Returns the number that the next entry gets.
    pub(super) fn next_number(&self) -> u64 {
        self.next
    }

    /// Returns the bytes of all files.
    pub(super) fn len(&self) -> u64 {
        self.segments.iter().map(|s| s.len).sum()
    }

    /// Returns how many entries are neither acknowledged nor given up.
    pub(super) fn pending(&self) -> u64 {
        self.acked.missing(self.acked.cursor(), self.next)
    }

    /// Returns how many entries wait to be read: pending and not under way.
    pub(super) fn waiting(&self) -> u64 {
        self.pending().saturating_sub(self.flying.len() as u64)
    }

    /// Appends an entry and the definitions `sets` that its file does not have yet, and returns its
    /// number. It counts as under way: the caller sends it now, or calls [`Log::release`].
    ///
    /// # Errors
    /// If it cannot be written; the number is used up all the same.
    pub(super) fn append(
        &mut self,
        at: i64,
        payload: &[u8],
        sets: &mut dyn Iterator<Item = (u32, &[Vec<u8>])>,
    ) -> (u64, io::Result<()>) {
        let number = self.next;
        self.next += 1;
        let written = self.write(Entry { kind: self.kind, number, at, payload }, sets);
        if written.is_err() {
            self.active = None;
            self.acked.insert(number, number + 1);
        } else {
            self.flying.insert(number);
        }
        (number, written)
    }

    fn write(
        &mut self,
        entry: Entry<'_>,
        sets: &mut dyn Iterator<Item = (u32, &[Vec<u8>])>,
    ) -> io::Result<()> {
        if entry.payload.len() > MAX_PAYLOAD {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        #[cfg(test)]
        if self.refuse {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        let full = self.segments.back().is_some_and(|s| s.len >= self.segment_len);
        if full || self.active.is_none() {
            self.begin(entry.number)?;
        }
        let (Some(active), Some(segment)) = (&mut self.active, self.segments.back_mut()) else {
            return Err(io::Error::from(io::ErrorKind::NotFound));
        };
        self.scratch.clear();
        for (set, parts) in sets {
            if active.sets.insert(set) {
                for payload in parts {
                    // A set's number stands where other entries have theirs.
                    let number = u64::from(set);
                    encode(
                        Entry { kind: Kind::Set, number, at: entry.at, payload },
                        &mut self.scratch,
                    );
                }
            }
        }
        encode(entry, &mut self.scratch);
        let written = active.file.write_all(&self.scratch);
        active.dirty = true;
        // Also after a failure: some of it may be there.
        segment.len += self.scratch.len() as u64;
        segment.until = entry.at;
        if segment.from == 0 {
            segment.from = entry.at;
        }
        written
    }

    /// Begins a new file.
    fn begin(&mut self, first: u64) -> io::Result<()> {
        self.sync()?;
        let path = self.folder.join(format!("{}{first:016x}{SUFFIX}", self.prefix));
        // A file of this name can be there: its only entry was torn. Nothing of it is wanted.
        self.segments.retain(|segment| segment.first != first);
        let file = sys::private_file().write(true).create(true).truncate(true).open(&path)?;
        sys::sync_folder(&self.folder)?;
        self.segments.push_back(Segment { path, first, len: 0, from: 0, until: 0, complete: None });
        self.active = Some(Active { file, sets: BTreeSet::new(), dirty: false });
        Ok(())
    }

    /// Brings what was appended onto the disk.
    ///
    /// # Errors
    /// If the disk says so: the file is not written to again, since what is in it is unknown now.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        let Some(active) = self.active.as_mut().filter(|a| a.dirty) else { return Ok(()) };
        active.dirty = false;
        let synced = active.file.sync_data();
        if synced.is_err() {
            self.active = None;
        }
        synced
    }

    /// `number` was acknowledged, or need not be sent: files without any other are removed.
    pub(super) fn done(&mut self, number: u64) {
        self.flying.remove(&number);
        self.acked.insert(number, number + 1);
        self.drop_done();
    }

    /// `number` did not arrive: it is read again by [`Log::read`].
    pub(super) fn release(&mut self, number: u64) {
        if self.flying.remove(&number) && number < self.reader.at {
            let mut loaded = self.reader.loaded.take();
            if let Some(loaded) = &mut loaded
                && let Some((_, offset)) = loaded.last.take_if(|(last, _)| *last == number)
            {
                // Read, and found not to fit: the file need not be read again for it.
                loaded.offset = offset;
                self.reader = Reader { at: number, loaded: Some(std::mem::take(loaded)) };
                return;
            }
            self.reader = Reader { at: number, loaded: None };
        }
    }

    /// Everything under way did not arrive.
    pub(super) fn release_all(&mut self) {
        if let Some(first) = self.flying.first().copied() {
            self.flying.clear();
            self.reader = Reader { at: first.min(self.reader.at), loaded: None };
        }
    }

    /// Removes the files of which everything is done with.
    fn drop_done(&mut self) {
        while let Some(oldest) = self.segments.front() {
            let end = self.segments.get(1).map_or(self.next, |after| after.first);
            if self.acked.missing(oldest.first, end) > 0
                || (self.segments.len() == 1 && self.active.is_some())
            {
                return;
            }
            self.drop_oldest();
        }
    }

    /// Removes the oldest file, whatever is in it; returns what was lost by that, none if there is
    /// no file.
    pub(super) fn drop_oldest(&mut self) -> Option<Gap> {
        let oldest = self.segments.pop_front()?;
        let end = self.segments.front().map_or(self.next, |after| after.first);
        if self.segments.is_empty() {
            self.active = None;
        }
        let lost = self.lost_with(&oldest, end);
        self.acked.insert(oldest.first, end);
        self.flying = self.flying.split_off(&end);
        if let Err(error) = std::fs::remove_file(&oldest.path) {
            tracing::warn!(path = %oldest.path.display(), %error, "cannot remove a spool file");
        }
        Some(lost)
    }

    /// Returns what is in `segment` and was not acknowledged. Its entries are below `end`.
    fn lost_with(&self, segment: &Segment, end: u64) -> Gap {
        let entries = self.acked.missing(segment.first, end);
        let mut lost = Gap::default();
        // What is whole and was acknowledged is removed all the time, and need not be read.
        if entries > 0 {
            let bytes = std::fs::read(&segment.path).unwrap_or_default();
            let found = Scan::new(&bytes, 0)
                .filter(|entry| entry.kind == self.kind && !self.acked.contains(entry.number));
            found.for_each(|entry| lost.add_one(entry.at));
        }
        if lost.entries == 0 {
            // It cannot be read: as near as is known.
            lost = Gap { entries, from: segment.from, until: segment.until };
        }
        // Also those that are damaged.
        Gap { entries, ..lost }
    }

    /// Removes the oldest file if it has been complete for `age`; returns what was lost by that, none
    /// if it has not.
    pub(super) fn drop_old(&mut self, age: Duration, now: Mono) -> Option<Gap> {
        let n_complete = self.segments.len().saturating_sub(1);
        for segment in self.segments.iter_mut().take(n_complete) {
            segment.complete.get_or_insert(now);
        }
        let complete = self.segments.front()?.complete?;
        if now.since(complete) > age { self.drop_oldest() } else { None }
    }

    /// Returns the oldest entry that is neither done with nor under way, and puts it under way.
    pub(super) fn read(&mut self) -> Option<(u64, Vec<u8>)> {
        self.reader.at = self.reader.at.max(self.acked.cursor());
        loop {
            let at = self.reader.at;
            if at >= self.next {
                self.reader.loaded = None;
                return None;
            }
            let after = self.segments.partition_point(|s| s.first <= at);
            let end = self.segments.get(after).map_or(self.next, |s| s.first);
            if self.acked.contains(at) || self.flying.contains(&at) {
                self.reader.at += 1;
                continue;
            }
            let Some(segment) = after.checked_sub(1).and_then(|index| self.segments.get(index))
            else {
                self.lose(at, end);
                continue;
            };
            if self.reader.loaded.as_ref().is_none_or(|l| l.first != segment.first) {
                match std::fs::read(&segment.path) {
                    Ok(bytes) => {
                        self.reader.loaded =
                            Some(Loaded { first: segment.first, bytes, offset: 0, last: None });
                    }
                    Err(error) => {
                        // Trying again for ever would hold up everything after it.
                        tracing::warn!(path = %segment.path.display(), %error, "cannot read a spool file");
                        self.lose(at, end);
                        continue;
                    }
                }
            }
            match self.scan_loaded(at) {
                Scanned::Here(payload) => {
                    self.reader.at = at + 1;
                    self.flying.insert(at);
                    return Some((at, payload));
                }
                Scanned::Later(number) => self.lose(at, number.min(end)),
                Scanned::Grown => self.reader.loaded = None,
                Scanned::End => self.lose(at, end),
            }
        }
    }

    /// Looks for entry `at` from where reading stands in the loaded file.
    fn scan_loaded(&mut self, at: u64) -> Scanned {
        let Some(loaded) = &mut self.reader.loaded else { return Scanned::End };
        let mut scan = Scan::new(&loaded.bytes, loaded.offset);
        for entry in scan.by_ref() {
            if entry.kind != self.kind || entry.number < at {
                continue;
            }
            if entry.number > at {
                // Left where it is: it is looked at again for its own number.
                return Scanned::Later(entry.number);
            }
            let payload = entry.payload.to_vec();
            loaded.last = Some((at, loaded.offset));
            loaded.offset = scan.offset;
            return Scanned::Here(payload);
        }
        let len = self.segments.iter().find(|s| s.first == loaded.first).map_or(0, |s| s.len);
        if len > loaded.bytes.len() as u64 { Scanned::Grown } else { Scanned::End }
    }

    /// Entries `from..until` should be there and are not.
    fn lose(&mut self, from: u64, until: u64) {
        let until = until.max(from + 1);
        self.damage.entries += self.acked.missing(from, until);
        self.acked.insert(from, until);
        self.reader.at = until;
    }

    /// Returns the parts of the definition of `set`, from the newest file that has it.
    pub(super) fn set(&self, set: u32) -> io::Result<Vec<Vec<u8>>> {
        for segment in self.segments.iter().rev() {
            let bytes = std::fs::read(&segment.path)?;
            let parts: Vec<_> = Scan::new(&bytes, 0)
                .filter(|e| e.kind == Kind::Set && e.number == u64::from(set))
                .map(|e| e.payload.to_vec())
                .collect();
            if !parts.is_empty() {
                return Ok(parts);
            }
        }
        Ok(Vec::new())
    }
}

/// The end of the spool files' names.
const SUFFIX: &str = ".spool";

/// What was found where an entry should be.
enum Scanned {
    Here(Vec<u8>),
    Later(u64),
    Grown,
    End,
}

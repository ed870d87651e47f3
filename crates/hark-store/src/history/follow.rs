//! The log as those read it who pass on what comes in: every frame that was written, in the order in which
//! it came.
//!
//! A reader has a place in the log, and goes on from there after whatever happened to it. As long as history
//! is told that somebody reads ([`History::keep_log`]), a segment whose frames lie in blocks is not removed
//! but moved to the folder `followed`, where no start takes it in again, until every reader is past it or
//! there is more of it than may be.
//!
//! Frames stand here as they came: one that came twice stands here twice. What is erased goes from here too
//! (see [`blank`]), and no segment stays for longer than samples do.

pub(super) mod blank;

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use hark_model::record::HostId;
use hark_model::time::millis;
use hark_model::{SeriesDef, Unix};

use super::History;
use super::bytes::Reader;
use super::wal::{BATCH_HEADER, Frames, MAGIC, MAX_BATCH, number_of, path_of};
use crate::disk::{Disk, read_exact_at};

/// Where segments lie that are only kept for readers, beside the log.
pub(super) const FOLDER: &str = "followed";

/// A place between two batches of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogPlace {
    /// The number of the segment.
    pub segment: u64,
    /// Bytes of it before the place.
    pub offset: u64,
}

/// Segments that are kept for readers.
#[derive(Debug)]
pub(super) struct Followed {
    dir: PathBuf,
    /// From which segment on they are kept; `None` if nobody reads.
    from: Option<u64>,
    max_bytes: u64,
    /// Those that are there.
    segments: BTreeMap<u64, Kept>,
}

/// A segment that is kept.
#[derive(Clone, Copy, Debug)]
struct Kept {
    bytes: u64,
    /// When it was written last.
    written: Unix,
}

impl Kept {
    fn of(path: &Path) -> io::Result<Self> {
        let file = path.metadata()?;
        let written = file.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        let written = Unix(i64::try_from(millis(written)).unwrap_or(i64::MAX));
        Ok(Self { bytes: file.len(), written })
    }
}

impl Followed {
    /// Opens the folder in `dir`. If it is there somebody read before this start, and nothing is given up
    /// before it is known whether he still does.
    pub(super) fn open(dir: &Path) -> io::Result<Self> {
        let dir = dir.join(FOLDER);
        let mut segments = BTreeMap::new();
        let from = dir.is_dir().then_some(0);
        if from.is_some() {
            for entry in std::fs::read_dir(&dir)? {
                let path = entry?.path();
                if let Some(number) = number_of(&path, "log") {
                    segments.insert(number, Kept::of(&path)?);
                } else if number_of(&path, blank::COPY).is_some() {
                    // A copy that was not finished: it may have what was erased since.
                    std::fs::remove_file(&path)?;
                }
            }
        }
        Ok(Self { dir, from, max_bytes: u64::MAX, segments })
    }

    /// Returns the number of the newest segment.
    pub(super) fn newest(&self) -> u64 {
        self.segments.last_key_value().map_or(0, |(number, _)| *number)
    }

    /// Returns the number of the oldest segment.
    pub(super) fn oldest(&self) -> Option<u64> {
        self.segments.first_key_value().map(|(number, _)| *number)
    }

    /// Returns how many bytes they take.
    pub(super) fn bytes(&self) -> u64 {
        self.segments.values().map(|segment| segment.bytes).sum()
    }

    /// Takes a segment that the log needs no more: keeps it, or removes it.
    pub(super) fn take(&mut self, path: &Path, number: u64, disk: &Disk) -> io::Result<()> {
        if self.from.is_none_or(|from| number < from) {
            return disk.remove(path);
        }
        let segment = Kept::of(path)?;
        let kept = path_of(&self.dir, number);
        let mut moved = disk.rename(path, &kept);
        if moved.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            // Somebody has removed the folder.
            std::fs::create_dir_all(&self.dir)?;
            moved = disk.rename(path, &kept);
        }
        moved?;
        self.segments.insert(number, segment);
        self.trim(disk)
    }

    /// Removes the oldest ones that were written last before `time`; the newest one stays if its number is
    /// needed (see [`Self::trim`]).
    pub(super) fn expire(&mut self, time: Unix, keeps_newest: bool, disk: &Disk) -> io::Result<()> {
        while let Some((&oldest, segment)) = self.segments.first_key_value() {
            if segment.written >= time || (keeps_newest && self.segments.len() == 1) {
                break;
            }
            disk.remove(&path_of(&self.dir, oldest))?;
            self.segments.remove(&oldest);
        }
        Ok(())
    }

    fn keep(&mut self, from: Option<u64>, max_bytes: u64, disk: &Disk) -> io::Result<()> {
        (self.from, self.max_bytes) = (from, max_bytes);
        if from.is_some() {
            if !self.dir.is_dir() {
                std::fs::create_dir_all(&self.dir)?;
            }
            return self.trim(disk);
        }
        if self.dir.is_dir() {
            self.trim(disk)?;
            // With what may be there of a copy.
            std::fs::remove_dir_all(&self.dir)?;
        }
        Ok(())
    }

    /// Removes what every reader is past, and the oldest of what is more than may be. The newest one stays
    /// as long as somebody reads: its number says where the log has been.
    fn trim(&mut self, disk: &Disk) -> io::Result<()> {
        let mut bytes = self.bytes();
        while let Some((&oldest, segment)) = self.segments.first_key_value() {
            let size = segment.bytes;
            let is_needed = self.from.is_some_and(|from| oldest >= from);
            if is_needed && (bytes <= self.max_bytes || self.segments.len() == 1) {
                break;
            }
            disk.remove(&path_of(&self.dir, oldest))?;
            self.segments.remove(&oldest);
            bytes = bytes.saturating_sub(size);
        }
        Ok(())
    }
}

/// For those who read the log after it was written.
impl History {
    /// Keeps the log from segment `from` on also when its frames are in blocks, up to about `max_bytes`;
    /// nothing for `None`. It is said again by whoever reads as he goes on.
    ///
    /// # Errors
    /// If the disk fails: segments that need not be there are, and it is tried again the next time.
    pub fn keep_log(&mut self, from: Option<u64>, max_bytes: u64) -> io::Result<()> {
        let disk = self.disk.clone();
        self.wal.followed().keep(from, max_bytes, &disk)
    }

    /// Returns the oldest segment of the log that is there for readers; the one that is written next if there
    /// is none.
    pub fn log_begin(&self) -> u64 {
        self.wal.begin_of_all()
    }

    /// Returns up to where the log is on the disk.
    pub fn log_end(&self) -> LogPlace {
        self.wal.end()
    }

    /// Returns what the frames of a set have.
    pub fn series_of_set(&self, set: u32) -> Option<Arc<[SeriesDef]>> {
        self.catalogue.set(set).map(Arc::clone)
    }
}

/// A frame of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogFrame<'a> {
    /// Of which host.
    pub host: HostId,
    /// What it has: see [`History::series_of_set`].
    pub set: u32,
    /// When it was taken.
    pub at: Unix,
    /// The values, as in `hark_model::frame`; where some were erased more may follow than the set has series.
    pub values: &'a [u8],
}

/// Reads the log from a place on, on any thread, while its owner writes.
#[derive(Debug)]
pub struct LogReader {
    dir: PathBuf,
    place: LogPlace,
    /// Where the batch begins that was read last.
    begin: LogPlace,
    batch: Vec<u8>,
    missing: u64,
}

impl LogReader {
    /// Begins at `place` of the history in `dir`.
    pub fn new(dir: &Path, place: LogPlace) -> Self {
        let (dir, batch) = (dir.to_owned(), Vec::new());
        Self { dir, place, begin: place, batch, missing: 0 }
    }

    /// Returns how far it has read.
    pub fn place(&self) -> LogPlace {
        self.place
    }

    /// Returns where the batch begins that was read last.
    pub fn begin(&self) -> LogPlace {
        self.begin
    }

    /// Returns how many segments were gone before they could be read.
    pub fn missing(&self) -> u64 {
        self.missing
    }

    /// Reads the next batch; returns false if there is none before `end`. What is damaged is passed over.
    ///
    /// # Errors
    /// If the disk fails; the next call tries again.
    pub fn read(&mut self, end: LogPlace) -> io::Result<bool> {
        if self.place.segment > end.segment {
            // A history that was begun anew: everything in it is news.
            *self = Self { missing: self.missing, ..Self::new(&self.dir, LogPlace::default()) };
        }
        while self.place < end {
            let is_last = self.place.segment == end.segment;
            // Opened each time: a file that is held would keep what is erased meanwhile.
            if let Some(file) = self.open(self.place.segment)? {
                let limit = if is_last { end.offset } else { file.metadata()?.len() };
                let begin = self.place.offset.max(MAGIC.len() as u64);
                if let Some(after) = read_batch(&file, begin, limit, &mut self.batch)? {
                    self.begin = LogPlace { offset: begin, ..self.place };
                    self.place.offset = after;
                    return Ok(true);
                }
            } else if self.place.segment > 0 && !is_last {
                self.missing += 1;
            }
            if is_last {
                return Ok(false);
            }
            self.place = LogPlace { segment: self.place.segment + 1, offset: 0 };
        }
        Ok(false)
    }

    /// Returns the frames of the batch that was read last.
    pub fn frames(&self) -> impl Iterator<Item = LogFrame<'_>> {
        Frames::new(&self.batch).map(|frame| LogFrame {
            host: HostId(frame.host),
            set: frame.set,
            at: Unix(frame.at),
            values: frame.values,
        })
    }

    /// Opens a segment: in the log, or where it was moved to, which may be just now.
    fn open(&self, number: u64) -> io::Result<Option<File>> {
        for folder in ["wal", FOLDER] {
            match File::open(path_of(&self.dir.join(folder), number)) {
                Ok(file) => return Ok(Some(file)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

/// Reads the frames of the batch that begins at `begin` of a segment; returns where the next one begins.
/// Nothing if there is no whole one before `limit`.
fn read_batch(
    file: &File,
    begin: u64,
    limit: u64,
    frames: &mut Vec<u8>,
) -> io::Result<Option<u64>> {
    let body = begin + BATCH_HEADER as u64;
    if body > limit {
        return Ok(None);
    }
    let mut header = [0; BATCH_HEADER];
    read_exact_at(file, &mut header, begin)?;
    let mut reader = Reader::new(&header);
    let (Some(len), Some(crc)) = (reader.u32(), reader.u32()) else { return Ok(None) };
    let after = body + u64::from(len);
    // A batch has at most what was gathered, and the frame that made it full.
    if len == 0 || len as usize > 2 * MAX_BATCH || after > limit {
        return Ok(None);
    }
    frames.resize(len as usize, 0);
    read_exact_at(file, frames, body)?;
    Ok((crc32fast::hash(frames) == crc).then_some(after))
}

#[cfg(test)]
mod tests;

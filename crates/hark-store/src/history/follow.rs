//! The log as those read it who pass on what comes in: every frame that was written, in the order in which
//! it came.
//!
//! A reader has a place in the log, and goes on from there after whatever happened to it. As long as history
//! is told that somebody reads ([`History::keep_log`]), a segment whose frames lie in blocks is not removed
//! but moved to the folder `followed`, where no start takes it in again, until every reader is past it or
//! there is more of it than may be.
//!
//! Frames stand here as they came: one that came twice stands here twice.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hark_model::record::HostId;
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
    /// Those that are there, with their sizes.
    segments: BTreeMap<u64, u64>,
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
                let entry = entry?;
                if let Some(number) = number_of(&entry.path(), "log") {
                    segments.insert(number, entry.metadata()?.len());
                }
            }
        }
        Ok(Self { dir, from, max_bytes: u64::MAX, segments })
    }

    /// Returns the number of the newest segment.
    pub(super) fn newest(&self) -> u64 {
        self.segments.last_key_value().map_or(0, |(number, _)| *number)
    }

    /// Takes a segment that the log needs no more: keeps it, or removes it.
    pub(super) fn take(
        &mut self,
        path: &Path,
        number: u64,
        size: u64,
        disk: &Disk,
    ) -> io::Result<()> {
        if self.from.is_none_or(|from| number < from) {
            return disk.remove(path);
        }
        let kept = path_of(&self.dir, number);
        let mut moved = disk.rename(path, &kept);
        if moved.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            // Somebody has removed the folder.
            std::fs::create_dir_all(&self.dir)?;
            moved = disk.rename(path, &kept);
        }
        moved?;
        self.segments.insert(number, size);
        self.trim(disk)
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
            std::fs::remove_dir(&self.dir)?;
        }
        Ok(())
    }

    /// Removes what every reader is past, and the oldest of what is more than may be. The newest one stays
    /// as long as somebody reads: its number says where the log has been.
    fn trim(&mut self, disk: &Disk) -> io::Result<()> {
        let mut bytes: u64 = self.segments.values().sum();
        while let Some((&oldest, &size)) = self.segments.first_key_value() {
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
    /// The values, as in `hark_model::frame`.
    pub values: &'a [u8],
}

/// Reads the log from a place on, on any thread, while its owner writes.
#[derive(Debug)]
pub struct LogReader {
    dir: PathBuf,
    place: LogPlace,
    /// Where the batch begins that was read last.
    begin: LogPlace,
    file: Option<File>,
    batch: Vec<u8>,
    missing: u64,
}

impl LogReader {
    /// Begins at `place` of the history in `dir`.
    pub fn new(dir: &Path, place: LogPlace) -> Self {
        let (dir, batch) = (dir.to_owned(), Vec::new());
        Self { dir, place, begin: place, file: None, batch, missing: 0 }
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
            if self.file.is_none() {
                self.file = self.open(self.place.segment)?;
            }
            if let Some(file) = &self.file {
                let limit = if is_last { end.offset } else { file.metadata()?.len() };
                if self.read_batch(limit)? {
                    return Ok(true);
                }
            } else if self.place.segment > 0 && !is_last {
                self.missing += 1;
            }
            if is_last {
                return Ok(false);
            }
            self.file = None;
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

    fn read_batch(&mut self, limit: u64) -> io::Result<bool> {
        let Some(file) = &self.file else { return Ok(false) };
        let begin = self.place.offset.max(MAGIC.len() as u64);
        let body = begin + BATCH_HEADER as u64;
        if body > limit {
            return Ok(false);
        }
        let mut header = [0; BATCH_HEADER];
        read_exact_at(file, &mut header, begin)?;
        let mut reader = Reader::new(&header);
        let (Some(len), Some(crc)) = (reader.u32(), reader.u32()) else { return Ok(false) };
        let after = body + u64::from(len);
        // A batch has at most what was gathered, and the frame that made it full.
        if len == 0 || len as usize > 2 * MAX_BATCH || after > limit {
            return Ok(false);
        }
        self.batch.resize(len as usize, 0);
        read_exact_at(file, &mut self.batch, body)?;
        if crc32fast::hash(&self.batch) != crc {
            return Ok(false);
        }
        self.begin = LogPlace { offset: begin, ..self.place };
        self.place.offset = after;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hark_model::frame::{Item, encode_item};
    use hark_model::time::{Mono, Now};
    use hark_model::{MetricKind, SeriesName, Unit};

    use super::super::{SetId, Settings};
    use super::*;

    const START: Now = Now { mono: Mono(1_000), unix: Unix(1_795_132_800_000) };

    struct World {
        dir: tempfile::TempDir,
        history: History,
        set: SetId,
        now: Now,
    }

    impl World {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let mut history = History::open(dir.path(), Settings::default()).unwrap();
            let name = SeriesName::of("a", "", "b");
            let def = SeriesDef { name, unit: Unit::None, kind: MetricKind::Gauge, decimals: 0 };
            let set = history.declare(HostId(1), &[def], START).unwrap();
            Self { dir, history, set, now: START }
        }

        /// Writes a batch of one frame; returns its time.
        fn write(&mut self) -> i64 {
            self.now = Now {
                mono: self.now.mono + Duration::from_secs(1),
                unix: self.now.unix + Duration::from_secs(1),
            };
            let mut values = Vec::new();
            encode_item(Item::Scaled(7), &mut values);
            self.history.append(HostId(1), self.set, self.now.unix, &values, self.now).unwrap();
            self.history.sync(self.now).unwrap();
            self.now.unix.0
        }

        /// Opens it anew; everything of the old log goes to blocks.
        fn open_anew(self) -> Self {
            let Self { dir, history, now, .. } = self;
            drop(history);
            let mut history = History::open(dir.path(), Settings::default()).unwrap();
            history.settle(now).unwrap();
            let series = history.series_of_set(1).unwrap();
            let set = history.declare(HostId(1), &series, now).unwrap();
            Self { dir, history, set, now }
        }

        fn reader(&self, place: LogPlace) -> LogReader {
            LogReader::new(self.dir.path(), place)
        }
    }

    fn times(reader: &mut LogReader, end: LogPlace) -> Vec<i64> {
        let mut all = Vec::new();
        while reader.read(end).unwrap() {
            all.extend(reader.frames().map(|frame| frame.at.0));
        }
        all
    }

    #[test]
    fn what_was_synced_is_read_once_and_in_its_order() {
        let mut world = World::new();
        let first: Vec<i64> = (0..3).map(|_| world.write()).collect();
        let mut reader = world.reader(LogPlace::default());
        assert_eq!(times(&mut reader, world.history.log_end()), first);
        let place = reader.place();
        let second = world.write();
        assert_eq!(times(&mut reader, place), [0; 0], "not before it is said to be on the disk");
        assert_eq!(times(&mut reader, world.history.log_end()), [second]);
        assert_eq!(times(&mut world.reader(place), world.history.log_end()), [second]);
    }

    #[test]
    fn what_went_to_blocks_is_still_there_for_who_reads() {
        let mut world = World::new();
        world.history.keep_log(Some(1), u64::MAX).unwrap();
        let first = world.write();
        let mut world = world.open_anew();
        assert_eq!(world.history.status().log_bytes, 0, "the log itself has nothing of it");
        let second = world.write();
        let mut reader = world.reader(LogPlace::default());
        assert_eq!(times(&mut reader, world.history.log_end()), [first, second]);
        assert_eq!(reader.missing(), 0);
        // Past it, it goes.
        world.history.keep_log(Some(2), u64::MAX).unwrap();
        let mut late = world.reader(LogPlace { segment: 1, offset: 0 });
        assert_eq!(times(&mut late, world.history.log_end()), [second]);
        assert_eq!(late.missing(), 1);
    }

    #[test]
    fn numbers_of_segments_go_on_where_the_log_is_empty() {
        let mut world = World::new();
        world.history.keep_log(Some(1), u64::MAX).unwrap();
        world.write();
        let world = world.open_anew();
        let place = world.history.log_end();
        let mut world = world.open_anew();
        let next = world.write();
        assert_eq!(times(&mut world.reader(place), world.history.log_end()), [next]);
    }

    #[test]
    fn more_than_may_be_is_given_up_the_oldest_first() {
        let mut world = World::new();
        world.history.keep_log(Some(1), 1).unwrap();
        let mut last = 0;
        for _ in 0..3 {
            last = world.write();
            world = world.open_anew();
            world.history.keep_log(Some(1), 1).unwrap();
        }
        let mut reader = world.reader(LogPlace { segment: 1, offset: 0 });
        assert_eq!(times(&mut reader, world.history.log_end()), [last]);
        assert_eq!(reader.missing(), 2);
    }

    #[test]
    fn where_nobody_reads_nothing_is_kept() {
        let mut world = World::new();
        world.write();
        let mut world = world.open_anew();
        assert!(!world.dir.path().join(FOLDER).exists());
        world.history.keep_log(Some(1), u64::MAX).unwrap();
        world.write();
        let mut world = world.open_anew();
        assert!(world.dir.path().join(FOLDER).read_dir().unwrap().next().is_some());
        world.history.keep_log(None, 0).unwrap();
        assert!(!world.dir.path().join(FOLDER).exists());
    }

    #[test]
    fn a_history_that_was_begun_anew_is_read_from_its_beginning() {
        let mut world = World::new();
        let first = world.write();
        let mut reader = world.reader(LogPlace { segment: 40, offset: 1000 });
        assert_eq!(times(&mut reader, world.history.log_end()), [first]);
    }
}

//! The write-ahead log: raw frames in the order in which they came, synced before they are
//! acknowledged.
//!
//! A segment is a file `wal/<number>.log`: 8 bytes [`MAGIC`], then batches. A batch is
//!
//! | bytes | what |
//! | --- | --- |
//! | 4 | length of the frames, low byte first |
//! | 4 | CRC-32 of the frames |
//! | … | the frames |
//!
//! and a frame is: host (varint), set (varint), time taken in Unix milliseconds as the difference to
//! the frame before it in the batch (zigzag varint, the first one to 0), length (varint), value bytes
//! as in `hark_model::frame`.
//!
//! One batch is one sync. A batch that is torn ends its segment: what comes after it was never
//! acknowledged. Every start and every failed sync begins a new segment; a segment is removed once
//! all its frames lie, synced, in sealed blocks, or moved aside for those who read it.

pub(super) mod scan;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use hark_model::Unix;

use super::bytes::{Reader, put_signed, put_varint};
use super::follow::{Followed, LogPlace};
use crate::disk::Disk;

/// First bytes of a segment; the last one is the version.
pub(super) const MAGIC: &[u8; 8] = b"harkwal\x01";

/// Size at which a segment is closed: a restart reads a few of them, and they go one by one.
const SEGMENT: u64 = 32 * 1024 * 1024;

/// Frames in memory that are not written yet: more than a group commit of 100 ms ever gathers.
pub(super) const MAX_BATCH: usize = 16 * 1024 * 1024;

pub(super) const BATCH_HEADER: usize = 8;

/// A frame as it lies in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LoggedFrame<'a> {
    pub(super) host: u32,
    pub(super) set: u32,
    pub(super) at: i64,
    pub(super) values: &'a [u8],
}

/// The log, open for writing.
#[derive(Debug)]
pub(super) struct Wal {
    dir: PathBuf,
    disk: Disk,
    /// `None` until the first write after a start or a failure: the segment is made then.
    file: Option<File>,
    segment: u64,
    offset: u64,
    batch: Vec<u8>,
    n_frames: u64,
    last_at: i64,
    /// Segments that are closed, with their sizes.
    closed: BTreeMap<u64, u64>,
    /// Segments that are kept for readers.
    followed: Followed,
}

impl Wal {
    /// Opens the log in `dir`. The numbers of the segments that are there already are the closed
    /// ones: see [`Wal::closed`].
    pub(super) fn open(dir: &Path, disk: Disk) -> io::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let mut closed = BTreeMap::new();
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            if let Some(number) = number_of(&entry.path(), "log") {
                closed.insert(number, entry.metadata()?.len());
            }
        }
        let followed = Followed::open(dir.parent().unwrap_or(dir))?;
        // Numbers are never used again, also where the log is empty: readers go by them.
        let segment = closed.last_key_value().map_or(0, |(last, _)| *last).max(followed.newest());
        let mut wal = Self {
            dir: dir.to_owned(),
            disk,
            file: None,
            segment,
            offset: 0,
            batch: Vec::new(),
            n_frames: 0,
            last_at: 0,
            closed,
            followed,
        };
        wal.clear();
        Ok(wal)
    }

    /// Adds a frame to the batch in memory.
    pub(super) fn push(&mut self, host: u32, set: u32, at: i64, values: &[u8]) {
        put_varint(&mut self.batch, u64::from(host));
        put_varint(&mut self.batch, u64::from(set));
        put_signed(&mut self.batch, at.wrapping_sub(self.last_at));
        put_varint(&mut self.batch, values.len() as u64);
        self.batch.extend_from_slice(values);
        self.last_at = at;
        self.n_frames += 1;
    }

    pub(super) fn n_frames(&self) -> u64 {
        self.n_frames
    }

    pub(super) fn is_batch_full(&self) -> bool {
        self.batch.len() >= MAX_BATCH
    }

    /// Writes and syncs the batch; it stays in memory for [`Wal::batch`] until [`Wal::clear`].
    ///
    /// # Errors
    /// Nothing of the batch is acknowledged; the next one goes to a new segment.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if self.n_frames == 0 {
            return Ok(());
        }
        let result = self.write();
        if result.is_err() {
            // What of this segment is on the disk is not known beyond the last sync: a reader ends
            // at the torn batch, so nothing may ever follow it.
            self.close();
        } else if self.offset >= SEGMENT {
            self.close();
        }
        result
    }

    fn write(&mut self) -> io::Result<()> {
        let (header, frames) = self.batch.split_at(BATCH_HEADER);
        debug_assert_eq!(header.len(), BATCH_HEADER);
        let len = u32::try_from(frames.len()).map_err(io::Error::other)?;
        let crc = crc32fast::hash(frames);
        if let Some(place) = self.batch.first_chunk_mut::<BATCH_HEADER>() {
            let value = u64::from(len) | (u64::from(crc) << 32);
            *place = value.to_le_bytes();
        }
        if self.file.is_none() {
            self.begin()?;
        }
        let Some(file) = &self.file else { return Ok(()) };
        self.disk.write_at(file, &self.batch, self.offset)?;
        self.disk.sync(file)?;
        self.offset += self.batch.len() as u64;
        Ok(())
    }

    fn begin(&mut self) -> io::Result<()> {
        let path = path_of(&self.dir, self.segment + 1);
        let file = self.disk.open(&path)?;
        // No number is left out: readers take one that is not there for one that they missed.
        self.segment += 1;
        self.file = Some(file);
        self.offset = 0;
        if let Some(file) = &self.file {
            self.disk.write_at(file, MAGIC, 0)?;
            self.disk.sync_dir(&self.dir)?;
        }
        self.offset = MAGIC.len() as u64;
        Ok(())
    }

    fn close(&mut self) {
        if self.file.take().is_some() {
            self.closed.insert(self.segment, self.offset);
        }
    }

    /// Ends the segment that is written, so that it can go once its frames are in blocks; returns its
    /// number. What is appended from here on is in the next one.
    pub(super) fn end_segment(&mut self) -> u64 {
        self.close();
        self.segment
    }

    /// Returns the frames that the last [`Wal::sync`] has written.
    pub(super) fn batch(&self) -> Frames<'_> {
        Frames::new(self.batch.get(BATCH_HEADER..).unwrap_or_default())
    }

    /// Forgets the batch in memory.
    pub(super) fn clear(&mut self) {
        self.batch.clear();
        self.batch.resize(BATCH_HEADER, 0);
        self.n_frames = 0;
        self.last_at = 0;
    }

    /// Returns the number of the segment that is or was written last.
    pub(super) fn segment(&self) -> u64 {
        self.segment
    }

    /// Returns the numbers of the closed segments, oldest first.
    pub(super) fn closed(&self) -> impl Iterator<Item = u64> {
        self.closed.keys().copied()
    }

    /// Returns how many bytes all segments take.
    pub(super) fn bytes(&self) -> u64 {
        self.closed.values().sum::<u64>() + if self.file.is_some() { self.offset } else { 0 }
    }

    /// Returns up to where it is on the disk.
    pub(super) fn end(&self) -> LogPlace {
        match self.file {
            Some(_) => LogPlace { segment: self.segment, offset: self.offset },
            None => LogPlace { segment: self.segment + 1, offset: 0 },
        }
    }

    /// Returns what is kept for readers.
    pub(super) fn followed(&mut self) -> &mut Followed {
        &mut self.followed
    }

    /// Returns how many bytes are kept for readers alone.
    pub(super) fn followed_bytes(&self) -> u64 {
        self.followed.bytes()
    }

    /// Removes what is kept for readers alone and was written last before `time`.
    pub(super) fn expire_followed(&mut self, time: Unix) -> io::Result<()> {
        let is_empty = self.file.is_none() && self.closed.is_empty();
        self.followed.expire(time, is_empty, &self.disk)
    }

    /// Returns the oldest segment that readers find.
    pub(super) fn begin_of_all(&self) -> u64 {
        let in_log = self.closed.first_key_value().map(|(oldest, _)| *oldest);
        let written = self.segment + u64::from(self.file.is_none());
        self.followed.oldest().or(in_log).unwrap_or(written)
    }

    /// Removes the closed segments before `segment`, or leaves them to who reads them.
    pub(super) fn remove_before(&mut self, segment: u64) -> io::Result<()> {
        while let Some((&oldest, _)) = self.closed.first_key_value() {
            if oldest >= segment {
                break;
            }
            self.followed.take(&path_of(&self.dir, oldest), oldest, &self.disk)?;
            self.closed.remove(&oldest);
        }
        Ok(())
    }

    /// Returns where segment `number` lies.
    pub(super) fn path(&self, number: u64) -> PathBuf {
        path_of(&self.dir, number)
    }
}

pub(super) fn path_of(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:010}.log"))
}

/// Returns the number in a file name such as `0000000012.log`.
pub(super) fn number_of(path: &Path, extension: &str) -> Option<u64> {
    if path.extension()?.to_str()? != extension {
        return None;
    }
    path.file_stem()?.to_str()?.parse().ok()
}

/// The frames of one batch, one after the other; ends at the first thing that is wrong.
#[derive(Clone, Debug)]
pub(super) struct Frames<'a> {
    reader: Reader<'a>,
    last_at: i64,
    len: usize,
}

impl<'a> Frames<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { reader: Reader::new(bytes), last_at: 0, len: bytes.len() }
    }

    /// Returns how many bytes were read.
    pub(super) fn place(&self) -> usize {
        self.len - self.reader.len()
    }

    /// Returns true if nothing is left that is no frame.
    fn is_at_end(&self) -> bool {
        self.reader.len() == 0
    }

    fn read(&mut self) -> Option<LoggedFrame<'a>> {
        let host = self.reader.id()?;
        let set = self.reader.id()?;
        let at = self.last_at.wrapping_add(self.reader.signed()?);
        let len = self.reader.count()?;
        let values = self.reader.bytes(len)?;
        self.last_at = at;
        Some(LoggedFrame { host, set, at, values })
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = LoggedFrame<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read()
    }
}

/// Reads the batches of a closed segment, one at a time.
#[derive(Debug)]
pub(super) struct Segment {
    file: File,
    /// Bytes not read yet.
    left: u64,
    /// True once a batch was not whole.
    torn: bool,
}

impl Segment {
    /// Opens the segment at `path`. One without its first bytes (the machine died while it was made)
    /// has no batches.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let len = file.metadata()?.len();
        let mut magic = [0; MAGIC.len()];
        let whole = len >= MAGIC.len() as u64 && {
            file.read_exact(&mut magic)?;
            &magic == MAGIC
        };
        let left = if whole { len - MAGIC.len() as u64 } else { 0 };
        Ok(Self { file, left, torn: !whole && len > 0 })
    }

    /// Reads the next batch into `frames`. Returns false at the end.
    pub(super) fn next(&mut self, frames: &mut Vec<u8>) -> io::Result<bool> {
        frames.clear();
        if self.torn || self.left == 0 {
            return Ok(false);
        }
        self.torn = true;
        if self.left < BATCH_HEADER as u64 {
            return Ok(false);
        }
        let mut header = [0; BATCH_HEADER];
        self.file.read_exact(&mut header)?;
        self.left -= BATCH_HEADER as u64;
        let mut reader = Reader::new(&header);
        let (Some(len), Some(crc)) = (reader.u32(), reader.u32()) else { return Ok(false) };
        if u64::from(len) > self.left || len == 0 {
            return Ok(false);
        }
        frames.resize(len as usize, 0);
        self.file.read_exact(frames)?;
        self.left -= u64::from(len);
        if crc32fast::hash(frames) != crc {
            return Ok(false);
        }
        self.torn = false;
        Ok(true)
    }

    /// Returns true if the segment ends in a batch that is not whole.
    pub(super) fn is_torn(&self) -> bool {
        self.torn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Frame = (u32, u32, i64, Vec<u8>);

    fn read(path: &Path) -> (Vec<Frame>, bool) {
        let mut segment = Segment::open(path).unwrap();
        let mut frames = Vec::new();
        let mut all = Vec::new();
        while segment.next(&mut frames).unwrap() {
            all.extend(Frames::new(&frames).map(|f| (f.host, f.set, f.at, f.values.to_vec())));
        }
        (all, segment.is_torn())
    }

    /// Three batches of two frames each.
    fn written(dir: &Path) -> PathBuf {
        let mut wal = Wal::open(dir, Disk::real()).unwrap();
        for batch in 0..3 {
            for frame in 0..2u8 {
                wal.push(7, batch, 1_700_000_000_000 - i64::from(frame), &[frame; 5]);
            }
            wal.sync().unwrap();
            assert_eq!(wal.batch().count(), 2);
            wal.clear();
        }
        wal.path(1)
    }

    #[test]
    fn synced_batches_are_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let (frames, torn) = read(&written(dir.path()));
        assert_eq!(frames.len(), 6);
        assert!(!torn);
        assert_eq!(frames[1], (7, 0, 1_699_999_999_999, vec![1; 5]));
    }

    #[test]
    fn a_log_torn_at_any_byte_gives_the_batches_before_it() {
        let dir = tempfile::tempdir().unwrap();
        let whole = std::fs::read(written(dir.path())).unwrap();
        let batch = (whole.len() - MAGIC.len()) / 3;
        for cut in 0..whole.len() {
            let path = dir.path().join("torn");
            std::fs::write(&path, &whole[..cut]).unwrap();
            let (frames, torn) = read(&path);
            let n_batches = cut.saturating_sub(MAGIC.len()) / batch;
            assert_eq!(frames.len(), 2 * n_batches, "cut at {cut}");
            let ends_between =
                cut == 0 || cut >= MAGIC.len() && (cut - MAGIC.len()).is_multiple_of(batch);
            assert_eq!(torn, !ends_between, "cut at {cut}");
        }
    }

    #[test]
    fn a_flipped_bit_anywhere_loses_no_batch_before_it_and_invents_none() {
        let dir = tempfile::tempdir().unwrap();
        let whole = std::fs::read(written(dir.path())).unwrap();
        let before = read(&dir.path().join("0000000001.log")).0;
        let batch = (whole.len() - MAGIC.len()) / 3;
        for at in 0..whole.len() {
            let path = dir.path().join("flipped");
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            std::fs::write(&path, bytes).unwrap();
            let (frames, _) = read(&path);
            let intact = 2 * (at.saturating_sub(MAGIC.len()) / batch);
            assert_eq!(frames, before[..frames.len()], "flipped at {at}");
            assert_eq!(frames.len(), if at < MAGIC.len() { 0 } else { intact });
        }
    }

    #[test]
    fn segments_are_removed_in_order() {
        let dir = tempfile::tempdir().unwrap();
        for _ in 0..3 {
            let mut wal = Wal::open(dir.path(), Disk::real()).unwrap();
            wal.push(1, 1, 1, &[0]);
            wal.sync().unwrap();
        }
        let mut wal = Wal::open(dir.path(), Disk::real()).unwrap();
        assert_eq!(wal.closed().collect::<Vec<_>>(), [1, 2, 3]);
        wal.remove_before(3).unwrap();
        assert_eq!(wal.closed().collect::<Vec<_>>(), [3]);
        assert!(!wal.path(2).exists() && wal.path(3).exists());
        wal.push(1, 1, 1, &[0]);
        wal.sync().unwrap();
        assert_eq!(wal.segment(), 4);
    }
}

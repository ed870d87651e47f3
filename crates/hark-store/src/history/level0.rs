//! Sealed blocks: runs of some 60 raw frames of one set, written one after the other, waiting to be
//! gathered into a chunk.
//!
//! The log holds frames in the order in which they came; gathering 960 frames of one host out of it
//! would read all of it. Blocks make that sixteen reads. They lie in `level0/<number>.dat`, and what
//! lies where in `level0/<number>.idx`: entries of [`ENTRY`] bytes, little-endian,
//!
//! | bytes | block | done |
//! | --- | --- | --- |
//! | 4 | 1 | 2 |
//! | 4, 4 | host, set | host, set |
//! | 4 | number of frames | 0 |
//! | 8 | place in the file | number of a file |
//! | 8 | length | place in that file |
//! | 8, 8 | oldest and newest time | 0, 0 |
//! | 4 | CRC-32 of the block | 0 |
//! | 4 | CRC-32 of the entry before this | the same |
//!
//! *Done* says that the blocks of that host and set up to that place are in chunks. Files go oldest
//! first, so that a *done* never goes before the blocks it speaks of. A block that is met again
//! because its *done* was lost is compacted again, which changes nothing: frames that are in a chunk
//! already are left out.

pub(super) mod scan;

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::bytes::Reader;
use super::wal::number_of;
use crate::disk::Disk;

/// Size of an entry of the index.
const ENTRY: usize = 56;

const BLOCK: u32 = 1;
const DONE: u32 = 2;

/// Size at which a file is closed.
const FILE: u64 = 64 * 1024 * 1024;

/// Bytes gathered in memory before they are written.
const BUFFER: usize = 1024 * 1024;

/// Where a sealed block lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlockRef {
    pub(super) file: u32,
    pub(super) offset: u32,
    pub(super) len: u32,
    pub(super) n_frames: u32,
    pub(super) crc: u32,
    pub(super) oldest: i64,
    pub(super) newest: i64,
}

/// A block, to be read anywhere.
#[derive(Debug)]
pub(super) enum AtRest {
    /// In a file.
    File { file: Arc<File>, block: BlockRef },
    /// In memory.
    Memory { bytes: Vec<u8>, crc: u32 },
}

impl AtRest {
    /// Reads it. `None` if it is damaged.
    ///
    /// # Errors
    /// If the disk fails.
    pub(super) fn read(self) -> io::Result<Option<Vec<u8>>> {
        let (bytes, crc) = match self {
            Self::Memory { bytes, crc } => (bytes, crc),
            Self::File { file, block } => {
                let mut bytes = vec![0; block.len as usize];
                match crate::disk::read_exact_at(&file, &mut bytes, u64::from(block.offset)) {
                    Ok(()) => (bytes, block.crc),
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
                    Err(error) => return Err(error),
                }
            }
        };
        Ok((crc32fast::hash(&bytes) == crc).then_some(bytes))
    }
}

/// A block found when the index is read at start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) host: u32,
    pub(super) set: u32,
    pub(super) block: BlockRef,
}

#[derive(Debug)]
struct Blocks {
    /// Shared with those who read in it elsewhere; one that is removed meanwhile can still be read.
    data: Arc<File>,
    index: File,
    data_len: u64,
    index_len: u64,
    /// Blocks that are not in chunks yet.
    n_live: u64,
}

/// The sealed blocks, open for writing.
#[derive(Debug)]
pub(super) struct Level0 {
    dir: PathBuf,
    disk: Disk,
    files: BTreeMap<u32, Blocks>,
    /// The file that is written now; `None` before the first write and after a failure.
    current: Option<u32>,
    data: Vec<u8>,
    index: Vec<u8>,
    needs_sync: bool,
    n_damaged: u64,
}

impl Level0 {
    /// Opens the blocks in `dir` and returns those that wait.
    pub(super) fn open(dir: &Path, disk: Disk) -> io::Result<(Self, Vec<Found>)> {
        std::fs::create_dir_all(dir)?;
        let mut level0 = Self {
            dir: dir.to_owned(),
            disk,
            files: BTreeMap::new(),
            current: None,
            data: Vec::new(),
            index: Vec::new(),
            needs_sync: false,
            n_damaged: 0,
        };
        let mut numbers = Vec::new();
        for entry in std::fs::read_dir(dir)? {
            numbers.extend(number_of(&entry?.path(), "idx").and_then(|n| u32::try_from(n).ok()));
        }
        numbers.sort_unstable();
        let mut waiting: BTreeMap<(u32, u32), Vec<BlockRef>> = BTreeMap::new();
        for number in numbers {
            level0.read_index(number, &mut waiting)?;
        }
        let mut found = Vec::new();
        for ((host, set), blocks) in waiting {
            for block in blocks {
                if let Some(file) = level0.files.get_mut(&block.file) {
                    file.n_live += 1;
                    found.push(Found { host, set, block });
                }
            }
        }
        Ok((level0, found))
    }

    fn read_index(
        &mut self,
        number: u32,
        waiting: &mut BTreeMap<(u32, u32), Vec<BlockRef>>,
    ) -> io::Result<()> {
        let (data_path, index_path) = self.paths(number);
        let bytes = std::fs::read(&index_path)?;
        let index = File::open(&index_path)?;
        let data = match File::open(&data_path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let data_len = data.metadata()?.len();
        // What a torn entry at the end spoke of is still in the log.
        for entry in bytes.chunks_exact(ENTRY) {
            let Some(entry) = Entry::read(entry) else {
                self.n_damaged += 1;
                continue;
            };
            let blocks = waiting.entry((entry.host, entry.set)).or_default();
            match entry.kind {
                BLOCK if entry.end() <= data_len => blocks.extend(entry.block(number)),
                DONE => {
                    let done = (entry.a, entry.b);
                    blocks.retain(|b| (u64::from(b.file), u64::from(b.offset)) > done);
                }
                _ => {}
            }
        }
        let index_len = bytes.len() as u64;
        let data = Arc::new(data);
        self.files.insert(number, Blocks { data, index, data_len, index_len, n_live: 0 });
        Ok(())
    }

    fn paths(&self, number: u32) -> (PathBuf, PathBuf) {
        let name = |extension| self.dir.join(format!("{number:010}.{extension}"));
        (name("dat"), name("idx"))
    }

    /// Adds a block; it is written with the next [`Level0::flush`] at the latest.
    ///
    /// # Errors
    /// If it cannot be written; it is kept in memory then, and written later.
    pub(super) fn push(
        &mut self,
        host: u32,
        set: u32,
        block: &[u8],
        n_frames: u32,
        times: (i64, i64),
    ) -> io::Result<BlockRef> {
        let number = self.current_file()?;
        let Some(file) = self.files.get_mut(&number) else {
            return Err(io::Error::other("no file"));
        };
        let offset = file.data_len + self.data.len() as u64;
        let (oldest, newest) = times;
        let block_ref = BlockRef {
            file: number,
            offset: u32::try_from(offset).map_err(io::Error::other)?,
            len: u32::try_from(block.len()).map_err(io::Error::other)?,
            n_frames,
            crc: crc32fast::hash(block),
            oldest,
            newest,
        };
        self.data.extend_from_slice(block);
        file.n_live += 1;
        let entry = Entry {
            kind: BLOCK,
            host,
            set,
            n_frames,
            a: offset,
            b: block.len() as u64,
            oldest,
            newest,
            crc: block_ref.crc,
        };
        entry.write(&mut self.index);
        Ok(block_ref)
    }

    /// Returns true if enough has gathered in memory to be written.
    pub(super) fn is_buffer_full(&self) -> bool {
        self.data.len() >= BUFFER
    }

    /// Says that the blocks of a host and set up to `last` are in chunks, and for how many blocks of
    /// which files that is.
    pub(super) fn done(&mut self, host: u32, set: u32, blocks: &[BlockRef]) -> io::Result<()> {
        let Some(last) = blocks.last() else { return Ok(()) };
        self.current_file()?;
        let entry = Entry {
            kind: DONE,
            host,
            set,
            n_frames: 0,
            a: u64::from(last.file),
            b: u64::from(last.offset),
            oldest: 0,
            newest: 0,
            crc: 0,
        };
        entry.write(&mut self.index);
        for block in blocks {
            if let Some(file) = self.files.get_mut(&block.file) {
                file.n_live = file.n_live.saturating_sub(1);
            }
        }
        Ok(())
    }

    fn current_file(&mut self) -> io::Result<u32> {
        if let Some(number) = self.current {
            let len = self.files.get(&number).map_or(0, |f| f.data_len) + self.data.len() as u64;
            if len < FILE {
                return Ok(number);
            }
            self.flush()?;
            self.sync()?;
        }
        let number = self.files.last_key_value().map_or(1, |(last, _)| last + 1);
        let (data, index) = self.paths(number);
        let data = self.disk.open(&data)?;
        let index = self.disk.open(&index)?;
        // Left behind by a start that died here: nothing in it was ever relied on.
        data.set_len(0)?;
        index.set_len(0)?;
        self.disk.sync_dir(&self.dir)?;
        let data = Arc::new(data);
        self.files.insert(number, Blocks { data, index, data_len: 0, index_len: 0, n_live: 0 });
        self.current = Some(number);
        Ok(number)
    }

    /// Writes what has gathered in memory.
    ///
    /// # Errors
    /// If it cannot be written; it stays in memory.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        let Some(file) = self.current.and_then(|number| self.files.get_mut(&number)) else {
            return Ok(());
        };
        if self.index.is_empty() {
            return Ok(());
        }
        self.disk.write_at(&file.data, &self.data, file.data_len)?;
        self.disk.write_at(&file.index, &self.index, file.index_len)?;
        file.data_len += self.data.len() as u64;
        file.index_len += self.index.len() as u64;
        self.data.clear();
        self.index.clear();
        self.needs_sync = true;
        Ok(())
    }

    /// Makes what was written survive a power cut.
    ///
    /// # Errors
    /// If it cannot be written or synced.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.flush()?;
        if !self.needs_sync {
            return Ok(());
        }
        if let Some(file) = self.current.and_then(|number| self.files.get(&number)) {
            self.disk.sync(&file.data)?;
            self.disk.sync(&file.index)?;
        }
        self.needs_sync = false;
        Ok(())
    }

    /// Reads a block. `None` if it is damaged.
    ///
    /// # Errors
    /// If the disk fails.
    pub(super) fn read(&self, block: &BlockRef) -> io::Result<Option<Vec<u8>>> {
        self.at_rest(block).map_or(Ok(None), AtRest::read)
    }

    /// Returns what is needed to read a block on another thread. `None` if it is not there.
    pub(super) fn at_rest(&self, block: &BlockRef) -> Option<AtRest> {
        let file = self.files.get(&block.file)?;
        let offset = u64::from(block.offset);
        if offset < file.data_len {
            return Some(AtRest::File { file: Arc::clone(&file.data), block: *block });
        }
        // Not written yet.
        let from = usize::try_from(offset - file.data_len).ok()?;
        let bytes = self.data.get(from..from.checked_add(block.len as usize)?)?.to_vec();
        Some(AtRest::Memory { bytes, crc: block.crc })
    }

    /// Returns the place behind the newest block: file, and byte in it.
    pub(super) fn end(&self) -> (u32, u32) {
        let Some((number, file)) = self.files.last_key_value() else { return (0, 0) };
        let end = file.data_len + self.data.len() as u64;
        (*number, u32::try_from(end).unwrap_or(u32::MAX))
    }

    /// Returns the numbers of the files up to `last`.
    pub(super) fn numbers_to(&self, last: u32) -> Vec<u32> {
        self.files.range(..=last).map(|(number, _)| *number).collect()
    }

    /// Overwrites with zeros the blocks of file `number` for which `is_erased` says so, by host and place.
    /// They must be done with, and [`Level0::sync`] have succeeded since: nobody reads them again, and one
    /// that is torn harms nobody.
    ///
    /// # Errors
    /// If it cannot be read, written or synced.
    pub(super) fn erase(
        &self,
        number: u32,
        is_erased: impl Fn(u32, (u32, u32)) -> bool,
    ) -> io::Result<()> {
        if !self.files.contains_key(&number) {
            return Ok(());
        }
        let (data_path, index_path) = self.paths(number);
        let index = std::fs::read(&index_path)?;
        let entries = index.chunks_exact(ENTRY).filter_map(Entry::read);
        let blocks = entries.filter(|entry| entry.kind == BLOCK);
        let erased: Vec<BlockRef> = blocks
            .filter_map(|entry| Some((entry.host, entry.block(number)?)))
            .filter(|(host, block)| is_erased(*host, (number, block.offset)))
            .map(|(_, block)| block)
            .collect();
        if erased.is_empty() {
            return Ok(());
        }
        let data = self.disk.open(&data_path)?;
        let len = data.metadata()?.len();
        for block in erased {
            if u64::from(block.offset) + u64::from(block.len) <= len {
                let zeros = vec![0; block.len as usize];
                self.disk.write_at(&data, &zeros, u64::from(block.offset))?;
            }
        }
        self.disk.sync(&data)
    }

    /// Removes the oldest files that hold nothing that waits.
    ///
    /// # Errors
    /// If a file cannot be removed.
    pub(super) fn remove_done(&mut self) -> io::Result<()> {
        while let Some((&number, file)) = self.files.first_key_value() {
            if file.n_live > 0 || Some(number) == self.current {
                break;
            }
            let (data, index) = self.paths(number);
            self.disk.remove(&data)?;
            self.disk.remove(&index)?;
            self.files.remove(&number);
        }
        Ok(())
    }

    /// Returns how many bytes the files take.
    pub(super) fn bytes(&self) -> u64 {
        self.files.values().map(|f| f.data_len + f.index_len).sum()
    }

    /// Returns how many entries could not be read at the start.
    pub(super) fn n_damaged(&self) -> u64 {
        self.n_damaged
    }

    /// Returns the number of the oldest file.
    pub(super) fn oldest_file(&self) -> Option<u32> {
        self.files.first_key_value().map(|(number, _)| *number)
    }
}

/// An entry of the index.
struct Entry {
    kind: u32,
    host: u32,
    set: u32,
    n_frames: u32,
    a: u64,
    b: u64,
    oldest: i64,
    newest: i64,
    crc: u32,
}

impl Entry {
    fn write(&self, out: &mut Vec<u8>) {
        let begin = out.len();
        for value in [self.kind, self.host, self.set, self.n_frames] {
            out.extend_from_slice(&value.to_le_bytes());
        }
        for value in [self.a, self.b] {
            out.extend_from_slice(&value.to_le_bytes());
        }
        for value in [self.oldest, self.newest] {
            out.extend_from_slice(&value.to_le_bytes());
        }
        out.extend_from_slice(&self.crc.to_le_bytes());
        let crc = crc32fast::hash(out.get(begin..).unwrap_or_default());
        out.extend_from_slice(&crc.to_le_bytes());
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (body, crc) = bytes.split_last_chunk::<4>()?;
        if crc32fast::hash(body) != u32::from_le_bytes(*crc) {
            return None;
        }
        let mut reader = Reader::new(body);
        Some(Self {
            kind: reader.u32()?,
            host: reader.u32()?,
            set: reader.u32()?,
            n_frames: reader.u32()?,
            a: reader.u64()?,
            b: reader.u64()?,
            oldest: reader.i64()?,
            newest: reader.i64()?,
            crc: reader.u32()?,
        })
    }

    fn end(&self) -> u64 {
        self.a.saturating_add(self.b)
    }

    fn block(&self, file: u32) -> Option<BlockRef> {
        Some(BlockRef {
            file,
            offset: u32::try_from(self.a).ok()?,
            len: u32::try_from(self.b).ok()?,
            n_frames: self.n_frames,
            crc: self.crc,
            oldest: self.oldest,
            newest: self.newest,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_found_again_but_for_those_that_are_done() {
        let dir = tempfile::tempdir().unwrap();
        let (mut level0, found) = Level0::open(dir.path(), Disk::real()).unwrap();
        assert!(found.is_empty());
        let a = level0.push(1, 1, b"aaa", 3, (1, 3)).unwrap();
        let b = level0.push(2, 1, b"bbbb", 4, (1, 4)).unwrap();
        let c = level0.push(1, 1, b"cc", 2, (5, 6)).unwrap();
        assert_eq!(level0.read(&b).unwrap().unwrap(), b"bbbb", "read before it is written");
        level0.done(1, 1, &[a]).unwrap();
        level0.sync().unwrap();
        assert_eq!(level0.read(&c).unwrap().unwrap(), b"cc");
        drop(level0);
        let (mut level0, found) = Level0::open(dir.path(), Disk::real()).unwrap();
        let blocks: Vec<_> = found.iter().map(|f| (f.host, f.set, f.block)).collect();
        assert_eq!(blocks, [(1, 1, c), (2, 1, b)]);
        assert_eq!(level0.read(&c).unwrap().unwrap(), b"cc");
        level0.done(1, 1, &[c]).unwrap();
        level0.done(2, 1, &[b]).unwrap();
        level0.sync().unwrap();
        level0.remove_done().unwrap();
        assert_eq!(level0.files.len(), 1, "only the file that says so is left");
        drop(level0);
        let (_, found) = Level0::open(dir.path(), Disk::real()).unwrap();
        assert!(found.is_empty());
    }

    #[test]
    fn an_index_torn_at_any_byte_loses_only_what_comes_after() {
        let dir = tempfile::tempdir().unwrap();
        let (mut level0, _) = Level0::open(dir.path(), Disk::real()).unwrap();
        for n in 0..5 {
            level0.push(n, 1, b"abc", 1, (0, 0)).unwrap();
        }
        level0.sync().unwrap();
        let path = dir.path().join("0000000001.idx");
        let whole = std::fs::read(&path).unwrap();
        for cut in 0..=whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let (_, found) = Level0::open(dir.path(), Disk::real()).unwrap();
            assert_eq!(found.len(), cut / ENTRY, "cut at {cut}");
        }
    }

    #[test]
    fn a_damaged_entry_is_counted_and_the_others_are_found() {
        let dir = tempfile::tempdir().unwrap();
        let (mut level0, _) = Level0::open(dir.path(), Disk::real()).unwrap();
        for n in 0..5 {
            level0.push(n, 1, b"abc", 1, (0, 0)).unwrap();
        }
        level0.sync().unwrap();
        let path = dir.path().join("0000000001.idx");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[2 * ENTRY + 5] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let (level0, found) = Level0::open(dir.path(), Disk::real()).unwrap();
        let hosts: Vec<u32> = found.iter().map(|f| f.host).collect();
        assert_eq!((hosts.as_slice(), level0.n_damaged()), ([0, 1, 3, 4].as_slice(), 1));
    }

    #[test]
    fn a_damaged_block_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let (mut level0, _) = Level0::open(dir.path(), Disk::real()).unwrap();
        let block = level0.push(1, 1, b"abc", 1, (0, 0)).unwrap();
        level0.sync().unwrap();
        std::fs::write(dir.path().join("0000000001.dat"), b"abd").unwrap();
        assert_eq!(level0.read(&block).unwrap(), None);
        std::fs::write(dir.path().join("0000000001.dat"), b"a").unwrap();
        assert_eq!(level0.read(&block).unwrap(), None);
    }
}

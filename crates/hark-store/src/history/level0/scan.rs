//! The blocks as those read them who look for damage.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use super::{BLOCK, BlockRef, DONE, ENTRY, Entry, Found};
use crate::history::wal::number_of;

/// One pair of files, as it lies there.
#[derive(Debug, Default)]
pub(in crate::history) struct Pair {
    /// How long the blocks are; `None` if their file is not there.
    pub(in crate::history) data_len: Option<u64>,
    /// Whether its index is there.
    pub(in crate::history) has_index: bool,
    /// Entries of the index whose sum is wrong, counted from 0.
    pub(in crate::history) bad_entries: Vec<usize>,
    /// Bytes after the last whole entry.
    pub(in crate::history) cut_off: usize,
    /// The entries that can be read, as they lie there.
    entries: Vec<[u8; ENTRY]>,
}

/// All blocks.
#[derive(Debug, Default)]
pub(in crate::history) struct Scan {
    /// The pairs of files, by number.
    pub(in crate::history) pairs: BTreeMap<u32, Pair>,
    /// Blocks that are not in chunks.
    pub(in crate::history) waiting: Vec<Found>,
    /// Blocks of which an index says that they lie beyond the end of their file.
    pub(in crate::history) beyond: Vec<Found>,
}

/// Returns the two files of a number.
pub(in crate::history) fn paths(dir: &Path, number: u32) -> (PathBuf, PathBuf) {
    let name = |extension| dir.join(format!("{number:010}.{extension}"));
    (name("dat"), name("idx"))
}

impl Scan {
    /// Reads every index in `dir`. A file that goes meanwhile is done with, and left out.
    ///
    /// # Errors
    /// If the folder or a file cannot be read.
    pub(in crate::history) fn of(dir: &Path) -> io::Result<Self> {
        let mut scan = Self::default();
        let mut numbers = BTreeSet::new();
        let listed = match std::fs::read_dir(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(scan),
            listed => listed?,
        };
        for entry in listed {
            let path = entry?.path();
            let number = number_of(&path, "idx").or_else(|| number_of(&path, "dat"));
            numbers.extend(number.and_then(|number| u32::try_from(number).ok()));
        }
        let mut waiting: BTreeMap<(u32, u32), Vec<BlockRef>> = BTreeMap::new();
        for number in numbers {
            let (data_path, index_path) = paths(dir, number);
            let index = there(std::fs::read(&index_path))?;
            // After the index: what that speaks of is written before it.
            let data_len = there(std::fs::metadata(&data_path))?.map(|data| data.len());
            if index.is_none() && data_len.is_none() {
                continue;
            }
            let mut pair = Pair { data_len, has_index: index.is_some(), ..Pair::default() };
            scan.read_index(number, &mut pair, &index.unwrap_or_default(), &mut waiting);
            scan.pairs.insert(number, pair);
        }
        for ((host, set), blocks) in waiting {
            scan.waiting.extend(blocks.into_iter().map(|block| Found { host, set, block }));
        }
        Ok(scan)
    }

    fn read_index(
        &mut self,
        number: u32,
        pair: &mut Pair,
        index: &[u8],
        waiting: &mut BTreeMap<(u32, u32), Vec<BlockRef>>,
    ) {
        let (entries, cut_off) = index.as_chunks::<ENTRY>();
        pair.cut_off = cut_off.len();
        for (at, bytes) in entries.iter().enumerate() {
            let Some(entry) = Entry::read(bytes) else {
                pair.bad_entries.push(at);
                continue;
            };
            pair.entries.push(*bytes);
            let of_set = waiting.entry((entry.host, entry.set)).or_default();
            match (entry.kind, entry.block(number)) {
                (BLOCK, Some(block)) if entry.end() <= pair.data_len.unwrap_or(0) => {
                    of_set.push(block);
                }
                (BLOCK, Some(block)) => {
                    self.beyond.push(Found { host: entry.host, set: entry.set, block });
                }
                (DONE, _) => {
                    let done = (entry.a, entry.b);
                    of_set.retain(|b| (u64::from(b.file), u64::from(b.offset)) > done);
                    let is_done = |found: &Found| {
                        let place = (u64::from(found.block.file), u64::from(found.block.offset));
                        (found.host, found.set) == (entry.host, entry.set) && place <= done
                    };
                    self.beyond.retain(|found| !is_done(found));
                }
                _ => pair.bad_entries.push(at),
            }
        }
    }
}

impl Pair {
    /// Returns an index with the entries that can be read, without those of `lost` blocks.
    pub(in crate::history) fn index_without(&self, number: u32, lost: &[Found]) -> Vec<u8> {
        let is_lost = |bytes: &&[u8; ENTRY]| {
            let entry = Entry::read(*bytes);
            let block = entry.filter(|e| e.kind == BLOCK).and_then(|e| e.block(number));
            block.is_some_and(|block| lost.iter().any(|found| found.block == block))
        };
        self.entries.iter().filter(|entry| !is_lost(entry)).flatten().copied().collect()
    }
}

/// Takes a file that is not there as none.
fn there<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

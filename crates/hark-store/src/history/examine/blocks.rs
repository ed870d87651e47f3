//! The blocks: their index, their sums, the frames in them.

use std::fs::File;
use std::io;
use std::ops::ControlFlow;

use super::{Look, Watcher};
use crate::history::level0::scan::{Pair, Scan, paths};
use crate::history::level0::{BlockRef, Found};
use crate::history::strand::BlockFrames;

impl Look<'_> {
    pub(super) fn blocks(&mut self, watcher: Watcher<'_>) -> io::Result<ControlFlow<()>> {
        let dir = self.dir.join("level0");
        let scan = Scan::of(&dir)?;
        for (number, pair) in &scan.pairs {
            let file = format!("level0/{number:010}");
            if watcher(&file).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            let of_pair = |found: &&Found| found.block.file == *number;
            let waiting: Vec<&Found> = scan.waiting.iter().filter(of_pair).collect();
            let beyond: Vec<&Found> = scan.beyond.iter().filter(of_pair).collect();
            self.index(&file, pair, waiting.len() + beyond.len());
            for found in beyond {
                let what = format!(
                    "a block of host {} at byte {} lies beyond the end",
                    found.host, found.block.offset
                );
                self.found.damage(&format!("{file}.dat"), what);
            }
            let (data_path, _) = paths(&dir, *number);
            let data = match File::open(&data_path) {
                Ok(data) => data,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            for found in waiting {
                if let Err(what) = self.block(&data, found) {
                    self.found.damage(&format!("{file}.dat"), what);
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn index(&mut self, file: &str, pair: &Pair, blocks: usize) {
        for at in &pair.bad_entries {
            self.found.damage(&format!("{file}.idx"), format!("entry {at} is damaged"));
        }
        if pair.cut_off > 0 {
            // The log still has what it would have spoken of.
            let what = "ends within an entry";
            self.found.find(&format!("{file}.idx"), super::Weight::Trace, what);
        }
        if pair.data_len.is_none() && blocks > 0 {
            self.found
                .damage(&format!("{file}.dat"), format!("is not there, with {blocks} blocks"));
        }
        if !pair.has_index && pair.data_len.is_some_and(|len| len > 0) {
            self.found.damage(&format!("{file}.idx"), "is not there, while its blocks are");
        }
    }

    fn block(&mut self, data: &File, found: &Found) -> Result<(), String> {
        let Found { host, set, block } = found;
        let place = format!("the block of host {host} at byte {}", block.offset);
        read_block(data, block).map_err(|what| format!("{place} {what}"))?;
        if self.sets.get(*set).is_none() {
            return Err(format!("{place} is of set {set}, which is not known"));
        }
        self.found.blocks += 1;
        self.found.block_frames += u64::from(block.n_frames);
        Ok(())
    }
}

/// Reads a block, and says what is wrong with it.
pub(in crate::history) fn read_block(data: &File, block: &BlockRef) -> Result<Vec<u8>, String> {
    let mut bytes = vec![0; block.len as usize];
    crate::disk::read_exact_at(data, &mut bytes, u64::from(block.offset))
        .map_err(|error| format!("cannot be read: {error}"))?;
    if crc32fast::hash(&bytes) != block.crc {
        return Err("is damaged".to_owned());
    }
    let times: Vec<i64> = BlockFrames::new(&bytes).map(|(at, _)| at).collect();
    let (oldest, newest) = (times.iter().min(), times.iter().max());
    let is_as_said = times.len() == block.n_frames as usize
        && oldest == Some(&block.oldest)
        && newest == Some(&block.newest);
    if is_as_said { Ok(bytes) } else { Err("is not what its index says".to_owned()) }
}

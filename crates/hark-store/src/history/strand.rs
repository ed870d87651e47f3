//! One set of one host: the frames that are still open, and where its sealed blocks lie.

use std::borrow::Cow;

use super::bytes::{Reader, put_signed, put_varint};
use super::level0::BlockRef;
use super::merge;

/// The frames of a block, one after the other: time as the difference to the frame before (zigzag
/// varint, the first one to 0), length (varint), value bytes.
#[derive(Clone, Debug)]
pub(super) struct BlockFrames<'a> {
    reader: Reader<'a>,
    last_at: i64,
}

impl<'a> BlockFrames<'a> {
    pub(super) fn new(block: &'a [u8]) -> Self {
        Self { reader: Reader::new(block), last_at: 0 }
    }
}

impl<'a> Iterator for BlockFrames<'a> {
    type Item = (i64, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let at = self.last_at.wrapping_add(self.reader.signed()?);
        let len = self.reader.count()?;
        let values = self.reader.bytes(len)?;
        self.last_at = at;
        Some((at, values))
    }
}

/// Room is made in steps of this size: heads are the bulk of history's memory, and doubling would
/// leave a third of it unused. Half as large, a head of 64 frames would move twelve times.
const STEP: usize = 1024;

/// One set of one host.
#[derive(Debug)]
pub(super) struct Strand {
    pub(super) set: u32,
    /// How many frames are open.
    pub(super) n_open: u32,
    /// The segment of the log with the first open frame.
    pub(super) segment: u64,
    /// When the newest open frame was taken.
    last_at: i64,
    /// When the newest and the oldest of the open frames were taken.
    pub(super) newest: i64,
    pub(super) oldest: i64,
    /// The open frames, as [`BlockFrames`] reads them.
    pub(super) open: Vec<u8>,
    /// The sealed blocks, oldest first.
    pub(super) sealed: Vec<BlockRef>,
    /// True while a chunk of the sealed blocks waits to be committed.
    pub(super) is_compacting: bool,
}

impl Strand {
    pub(super) fn new(set: u32) -> Self {
        Self {
            set,
            n_open: 0,
            segment: 0,
            last_at: 0,
            newest: i64::MIN,
            oldest: i64::MAX,
            open: Vec::new(),
            sealed: Vec::new(),
            is_compacting: false,
        }
    }

    /// Adds a frame that stands in `segment` of the log. Returns false if open frames of the same time
    /// say all that it says: it is one of them, sent again.
    pub(super) fn push(&mut self, at: i64, values: &[u8], segment: u64) -> bool {
        if self.n_open == 0 {
            self.open.clear();
            self.segment = segment;
            self.last_at = 0;
        } else if at <= self.newest && self.says(at, values) {
            return false;
        }
        // At most ten bytes each for time and length.
        let need = values.len() + 20;
        if self.open.capacity() - self.open.len() < need {
            self.open.reserve_exact(need.next_multiple_of(STEP));
        }
        put_signed(&mut self.open, at.wrapping_sub(self.last_at));
        put_varint(&mut self.open, values.len() as u64);
        self.open.extend_from_slice(values);
        self.last_at = at;
        self.newest = self.newest.max(at);
        self.oldest = self.oldest.min(at);
        self.n_open += 1;
        true
    }

    /// Returns true if the open frames of this time have all these values.
    fn says(&self, at: i64, values: &[u8]) -> bool {
        let mut left = Cow::Borrowed(values);
        for (_, known) in BlockFrames::new(&self.open).filter(|(open, _)| *open == at) {
            if known == values {
                return true;
            }
            match merge::rest(known, &left) {
                None => return true,
                Some(rest) => left = Cow::Owned(rest),
            }
        }
        false
    }

    /// Returns the newest values that are at hand: those of all frames of the newest time.
    pub(super) fn latest(&self) -> Option<(i64, Cow<'_, [u8]>)> {
        let newest = BlockFrames::new(&self.open).map(|(at, _)| at).max()?;
        let of_then = BlockFrames::new(&self.open).filter(|(at, _)| *at == newest);
        merge::join(of_then.collect()).0.pop()
    }

    /// Notes that the open frames are sealed. The newest values stay in the bytes until the next frame
    /// comes, so that they can always be shown; the room is given back.
    pub(super) fn close(&mut self) {
        let mut kept = Vec::new();
        if let Some((at, values)) = self.latest() {
            kept.reserve_exact(values.len() + 20);
            put_signed(&mut kept, at);
            put_varint(&mut kept, values.len() as u64);
            kept.extend_from_slice(&values);
        }
        self.open = kept;
        self.n_open = 0;
        self.last_at = 0;
        self.newest = i64::MIN;
        self.oldest = i64::MAX;
    }

    /// Returns how many frames are sealed and not compacted.
    pub(super) fn n_sealed(&self) -> u64 {
        self.sealed.iter().map(|block| u64::from(block.n_frames)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back_in_the_order_in_which_they_came() {
        let mut strand = Strand::new(1);
        assert!(strand.push(100, &[1, 2], 9));
        assert!(strand.push(200, &[3], 10));
        assert!(strand.push(150, &[], 11));
        assert!(!strand.push(100, &[9], 12));
        assert!(!strand.push(200, &[9], 12));
        let frames: Vec<_> = BlockFrames::new(&strand.open).collect();
        assert_eq!(frames, [(100, &[1u8, 2][..]), (200, &[3]), (150, &[])]);
        assert_eq!((strand.segment, strand.oldest, strand.newest), (9, 100, 200));
        strand.close();
        assert!(strand.push(100, &[1], 12));
        assert_eq!(strand.segment, 12);
    }
}

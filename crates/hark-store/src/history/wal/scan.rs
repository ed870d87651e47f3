//! A segment as those read it who look for damage: every batch that is whole, also behind one that is not.

use std::ops::Range;

use super::{BATCH_HEADER, Frames, LoggedFrame, MAGIC, MAX_BATCH};
use crate::history::MAX_HOST;
use crate::history::bytes::{Reader, put_signed, put_varint};

/// The longest a batch can be: what was gathered and the frame that made it full.
const LONGEST: usize = 2 * MAX_BATCH;

/// What the bytes of a segment are.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::history) struct Scan {
    /// Where the frames of whole batches lie.
    pub(in crate::history) batches: Vec<Range<usize>>,
    /// Where bytes lie that are no batch, with whole ones behind them, or as long as one.
    pub(in crate::history) damaged: Vec<Range<usize>>,
    /// Where a batch begins that ends too early: what a kill leaves of the last one.
    pub(in crate::history) torn: Option<usize>,
}

impl Scan {
    /// Looks at all bytes of a segment.
    pub(in crate::history) fn of(bytes: &[u8]) -> Self {
        let mut scan = Self::default();
        let mut at = MAGIC.len();
        if bytes.is_empty() {
            return scan;
        }
        if bytes.len() < at {
            scan.torn = Some(0);
            return scan;
        }
        if !bytes.starts_with(MAGIC) {
            scan.damaged.push(0..at);
        }
        while at < bytes.len() {
            if let Some(frames) = batch_at(bytes, at) {
                at = frames.end;
                scan.batches.push(frames);
                continue;
            }
            let next = (at + 1..bytes.len()).find(|at| batch_at(bytes, *at).is_some());
            match next {
                Some(next) => scan.damaged.push(at..next),
                None if is_cut_off(bytes, at) => scan.torn = Some(at),
                None => scan.damaged.push(at..bytes.len()),
            }
            at = next.unwrap_or(bytes.len());
        }
        scan
    }
}

/// Returns where the frames of the whole batch lie that begins at `at`. What is no batch is mostly known by
/// its first bytes, so that a search for the next one does not compute a sum for each byte.
fn batch_at(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let mut reader = Reader::new(bytes.get(at..)?);
    let (len, crc) = (usize::try_from(reader.u32()?).ok()?, reader.u32()?);
    if len == 0 || len > LONGEST {
        return None;
    }
    let frames = reader.bytes(len)?;
    let mut read = Frames::new(frames);
    if read.any(|frame| frame.host > MAX_HOST) {
        return None;
    }
    let begin = at + BATCH_HEADER;
    (read.is_at_end() && crc32fast::hash(frames) == crc).then(|| begin..begin + len)
}

/// Returns true if the batch at `at` says that it is longer than what is there.
fn is_cut_off(bytes: &[u8], at: usize) -> bool {
    let rest = bytes.get(at..).unwrap_or_default();
    let Some(len) = Reader::new(rest).u32() else { return true };
    rest.len() < BATCH_HEADER || len as usize > rest.len() - BATCH_HEADER
}

/// Returns a segment with these batches of frames.
pub(in crate::history) fn segment<'f>(
    batches: impl Iterator<Item = Vec<LoggedFrame<'f>>>,
) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    for frames in batches.filter(|frames| !frames.is_empty()) {
        let mut body = Vec::new();
        let mut last_at = 0;
        for frame in frames {
            put_varint(&mut body, u64::from(frame.host));
            put_varint(&mut body, u64::from(frame.set));
            put_signed(&mut body, frame.at.wrapping_sub(last_at));
            put_varint(&mut body, frame.values.len() as u64);
            body.extend_from_slice(frame.values);
            last_at = frame.at;
        }
        // A batch was read from a file whose lengths are of four bytes, and has at most as much as that.
        out.extend_from_slice(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes());
        out.extend_from_slice(&crc32fast::hash(&body).to_le_bytes());
        out.extend_from_slice(&body);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(n: u8) -> Vec<LoggedFrame<'static>> {
        let frame = |k: u8| LoggedFrame {
            host: u32::from(n),
            set: u32::from(k),
            at: 1_795_132_800_000 + i64::from(k),
            values: b"values",
        };
        (0..4).map(frame).collect()
    }

    fn whole() -> Vec<u8> {
        segment((1..=5).map(frames))
    }

    fn read(bytes: &[u8], scan: &Scan) -> Vec<Vec<LoggedFrame<'static>>> {
        let of = |range: &Range<usize>| {
            let read = Frames::new(&bytes[range.clone()]);
            let host = read.clone().next().unwrap().host;
            let expected = frames(u8::try_from(host).unwrap());
            assert!(read.eq(expected.iter().copied()));
            expected
        };
        scan.batches.iter().map(of).collect()
    }

    #[test]
    fn a_whole_segment_has_its_batches_and_no_damage() {
        let bytes = whole();
        let scan = Scan::of(&bytes);
        assert_eq!(read(&bytes, &scan).len(), 5);
        assert_eq!((scan.damaged.len(), scan.torn), (0, None));
    }

    #[test]
    fn a_flipped_bit_costs_its_batch_and_is_seen_wherever_it_is() {
        let bytes = whole();
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x04;
            let scan = Scan::of(&flipped);
            assert!(!scan.damaged.is_empty() || scan.torn.is_some(), "byte {at}");
            let left = read(&flipped, &scan).len();
            assert!(left >= 4, "byte {at}: {left} batches");
        }
    }

    #[test]
    fn a_cut_is_what_a_kill_leaves() {
        let bytes = whole();
        for cut in 0..bytes.len() {
            let scan = Scan::of(&bytes[..cut]);
            assert!(scan.damaged.is_empty(), "cut at {cut}");
            let ends = Scan::of(&bytes).batches.iter().any(|batch| batch.end == cut);
            assert_eq!(scan.torn.is_none(), ends || cut == 0 || cut == MAGIC.len(), "cut at {cut}");
        }
    }

    #[test]
    fn noise_between_two_batches_costs_nothing_else() {
        let bytes = whole();
        let first = Scan::of(&bytes).batches[0].end;
        let mut noisy = bytes[..first].to_vec();
        noisy.extend((0..5000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8));
        noisy.extend_from_slice(&bytes[first..]);
        let scan = Scan::of(&noisy);
        assert_eq!(read(&noisy, &scan).len(), 5);
        let noise = first..first + 5000;
        assert_eq!((scan.damaged.len(), scan.damaged.first()), (1, Some(&noise)));
    }
}

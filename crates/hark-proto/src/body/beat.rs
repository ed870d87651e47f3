//! Heartbeats and old frames: the hot bodies, read in place without allocation.
//!
//! Beat: interval in milliseconds (4 bytes), round trip in microseconds (4, all ones: not known), then
//! frames. Backlog: frames. Frames: their number (1), then for each the set's number (4), when it was
//! taken (8, Unix milliseconds), the length of its values (2), and the values as
//! [`hark_model::frame`] has them.

use hark_model::time::Unix;

use super::{Bytes, Content, MAX_CONTENT};
use crate::header::Kind;
use crate::refused::Refused;

/// The bytes of a frame before its values.
const FRAME: usize = 14;

const NO_RTT: u32 = u32::MAX;

/// A heartbeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beat<'a> {
    /// How often the agent sends, in milliseconds.
    pub interval_ms: u32,
    /// The round trip of the last exchange, in microseconds.
    pub rtt_us: Option<u32>,
    /// What was measured.
    pub frames: Frames<'a>,
}

/// Frames of the past: for history only, they never raise or clear anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backlog<'a> {
    /// What was measured, in any order.
    pub frames: Frames<'a>,
}

/// The values of one set at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The set.
    pub set: u32,
    /// When they were taken, by the agent's clock.
    pub taken_at: Unix,
    /// The value bytes; not yet checked against the set
    /// (see [`hark_model::frame::check_values`]).
    pub values: &'a [u8],
}

/// The frames of a datagram, whose bounds were checked when it was decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frames<'a> {
    left: u8,
    rest: &'a [u8],
}

impl<'a> Beat<'a> {
    pub(super) fn decode(content: &'a [u8]) -> Result<Self, Refused> {
        let mut bytes = Bytes(content);
        let interval_ms = bytes.u32()?;
        let rtt_us = Some(bytes.u32()?).filter(|rtt| *rtt != NO_RTT);
        Ok(Self { interval_ms, rtt_us, frames: Frames::decode(bytes)? })
    }
}

impl<'a> Backlog<'a> {
    pub(super) fn decode(content: &'a [u8]) -> Result<Self, Refused> {
        Ok(Self { frames: Frames::decode(Bytes(content))? })
    }
}

impl<'a> Frames<'a> {
    fn decode(mut bytes: Bytes<'a>) -> Result<Self, Refused> {
        let left = bytes.u8()?;
        let all = bytes.0;
        for _ in 0..left {
            read_frame(&mut bytes)?;
        }
        // Without what follows, so that frames are equal if they are the same.
        let rest = all.get(..all.len() - bytes.0.len()).unwrap_or_default();
        Ok(Self { left, rest })
    }

    /// Returns how many frames are left.
    pub fn len(&self) -> usize {
        usize::from(self.left)
    }

    /// Returns true if no frame is left.
    pub fn is_empty(&self) -> bool {
        self.left == 0
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Frame<'a>;

    fn next(&mut self) -> Option<Frame<'a>> {
        self.left = self.left.checked_sub(1)?;
        let mut bytes = Bytes(self.rest);
        let frame = read_frame(&mut bytes).ok();
        self.rest = bytes.0;
        frame
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len(), Some(self.len()))
    }
}

impl ExactSizeIterator for Frames<'_> {}

fn read_frame<'a>(bytes: &mut Bytes<'a>) -> Result<Frame<'a>, Refused> {
    let set = bytes.u32()?;
    let taken_at = Unix(bytes.i64()?);
    let length = bytes.u16()?;
    let values = bytes.take(usize::from(length))?;
    Ok(Frame { set, taken_at, values })
}

/// Makes a heartbeat that fits one datagram.
#[derive(Clone, Debug)]
pub struct BeatBuilder(FramesBuilder);

/// Makes a datagram of old frames.
#[derive(Clone, Debug)]
pub struct BacklogBuilder(FramesBuilder);

impl BeatBuilder {
    /// Begins a heartbeat. A round trip of over an hour counts as not known.
    pub fn new(interval_ms: u32, rtt_us: Option<u32>) -> Self {
        let mut head = interval_ms.to_be_bytes().to_vec();
        head.extend_from_slice(&rtt_us.unwrap_or(NO_RTT).to_be_bytes());
        Self(FramesBuilder::after(head))
    }

    /// Adds a frame; false if it does not fit, then nothing has changed. The first frame of a set of
    /// at most [`hark_model::frame::MAX_SET`] series always fits.
    #[must_use]
    pub fn push(&mut self, set: u32, taken_at: Unix, values: &[u8]) -> bool {
        self.0.push(set, taken_at, values)
    }

    /// Returns the content.
    pub fn finish(self) -> Content {
        Content::new(Kind::Beat, self.0.bytes)
    }
}

impl Default for BacklogBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl BacklogBuilder {
    /// Begins without frames.
    pub fn new() -> Self {
        Self(FramesBuilder::after(Vec::new()))
    }

    /// Adds a frame; false if it does not fit, then nothing has changed.
    #[must_use]
    pub fn push(&mut self, set: u32, taken_at: Unix, values: &[u8]) -> bool {
        self.0.push(set, taken_at, values)
    }

    /// Returns true if no frame was added.
    pub fn is_empty(&self) -> bool {
        self.0.bytes.get(self.0.count_at) == Some(&0)
    }

    /// Returns the content.
    pub fn finish(self) -> Content {
        Content::new(Kind::Backlog, self.0.bytes)
    }
}

#[derive(Clone, Debug)]
struct FramesBuilder {
    bytes: Vec<u8>,
    count_at: usize,
}

impl FramesBuilder {
    fn after(head: Vec<u8>) -> Self {
        let count_at = head.len();
        let mut bytes = head;
        bytes.push(0);
        Self { bytes, count_at }
    }

    fn push(&mut self, set: u32, taken_at: Unix, values: &[u8]) -> bool {
        let Ok(length) = u16::try_from(values.len()) else { return false };
        if self.bytes.len() + FRAME + values.len() > MAX_CONTENT {
            return false;
        }
        let Some(count) = self.bytes.get_mut(self.count_at) else { return false };
        let Some(more) = count.checked_add(1) else { return false };
        *count = more;
        self.bytes.extend_from_slice(&set.to_be_bytes());
        self.bytes.extend_from_slice(&taken_at.0.to_be_bytes());
        self.bytes.extend_from_slice(&length.to_be_bytes());
        self.bytes.extend_from_slice(values);
        true
    }
}

#[cfg(test)]
mod tests {
    use hark_model::frame::{MAX_ITEM, MAX_SET};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_longest_frame_of_a_full_set_fits() {
        let longest = vec![0; MAX_SET * MAX_ITEM];
        assert!(BeatBuilder::new(1, None).push(1, Unix(0), &longest));
        assert!(BacklogBuilder::new().push(1, Unix(0), &longest));
    }

    #[test]
    fn what_does_not_fit_changes_nothing() {
        let mut builder = BacklogBuilder::new();
        assert!(builder.is_empty());
        let mut pushed = 0;
        while builder.push(pushed, Unix(i64::from(pushed)), &[0; 80]) {
            pushed += 1;
        }
        assert_eq!(pushed, 12);
        let content = builder.finish();
        assert!(content.bytes().len() <= MAX_CONTENT);
        assert_eq!(Backlog::decode(content.bytes()).unwrap().frames.len(), 12);
        let mut many = BacklogBuilder::new();
        assert_eq!((0..300).filter(|_| many.push(1, Unix(0), &[])).count(), 81);
    }

    #[test]
    fn every_cut_of_a_beat_is_refused() {
        let mut builder = BeatBuilder::new(10_000, Some(250));
        assert!(builder.push(7, Unix(1_700_000_000_000), &[1, 2, 3]));
        assert!(builder.push(8, Unix(-5), &[]));
        let content = builder.finish();
        for length in 0..content.bytes().len() {
            let cut = &content.bytes()[..length];
            assert_eq!(Beat::decode(cut), Err(Refused::Malformed), "{length}");
        }
    }

    proptest! {
        #[test]
        fn beats_come_back_whatever_follows(
            interval_ms: u32,
            rtt_us in prop::option::of(0..NO_RTT),
            frames in prop::collection::vec(
                (any::<u32>(), any::<i64>(), prop::collection::vec(any::<u8>(), 0..90)), 0..10),
            padding in 0usize..40,
        ) {
            let mut builder = BeatBuilder::new(interval_ms, rtt_us);
            for (set, at, values) in &frames {
                prop_assert!(builder.push(*set, Unix(*at), values));
            }
            let mut bytes = builder.finish().bytes().to_vec();
            bytes.resize(bytes.len() + padding, 0);
            let beat = Beat::decode(&bytes).unwrap();
            prop_assert_eq!((beat.interval_ms, beat.rtt_us), (interval_ms, rtt_us));
            prop_assert_eq!(beat.frames.len(), frames.len());
            let read: Vec<_> =
                beat.frames.map(|f| (f.set, f.taken_at.0, f.values.to_vec())).collect();
            prop_assert_eq!(read, frames);
        }
    }
}

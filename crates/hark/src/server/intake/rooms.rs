//! Lists that came back empty from the engine and from history, to be filled again.

use hark_engine::input::Input;

use crate::server::messages::{Emptied, HistoryBatch};

/// Lists of inputs, and batches for history, that are kept: as many as are on the way where nobody is behind.
const MOST_LISTS: usize = 4;

/// Lists of values that are kept: those of some batches.
const MOST_VALUES: usize = 2048;

/// The largest list of inputs, and of values of one heartbeat, that is kept: what was larger was a flood.
const LARGEST: (usize, usize) = (1024, 64);

/// The largest batch for history that is kept, in bytes.
const LARGEST_BYTES: usize = 512 << 10;

/// See above.
#[derive(Debug, Default)]
pub(super) struct Rooms {
    inputs: Vec<Vec<Input>>,
    values: Vec<Vec<(u32, f64)>>,
    frames: Vec<HistoryBatch>,
}

impl Rooms {
    /// Takes back what was emptied.
    pub(super) fn take(&mut self, emptied: Emptied) {
        match emptied {
            Emptied::Engine(mut inputs) => {
                for input in inputs.drain(..) {
                    if let Input::Heard(heard) = input {
                        self.unused(heard.values);
                    }
                }
                if self.inputs.len() < MOST_LISTS && inputs.capacity() <= LARGEST.0 {
                    self.inputs.push(inputs);
                }
            }
            Emptied::History(batch) => {
                if self.frames.len() < MOST_LISTS && batch.bytes.capacity() <= LARGEST_BYTES {
                    self.frames.push(batch);
                }
            }
        }
    }

    /// Takes back a list of values.
    pub(super) fn unused(&mut self, mut values: Vec<(u32, f64)>) {
        if (1..=LARGEST.1).contains(&values.capacity()) && self.values.len() < MOST_VALUES {
            values.clear();
            self.values.push(values);
        }
    }

    /// Returns an empty list of inputs.
    pub(super) fn inputs(&mut self) -> Vec<Input> {
        self.inputs.pop().unwrap_or_default()
    }

    /// Returns an empty list of values.
    pub(super) fn values(&mut self) -> Vec<(u32, f64)> {
        self.values.pop().unwrap_or_default()
    }

    /// Returns an empty batch for history.
    pub(super) fn frames(&mut self) -> HistoryBatch {
        self.frames.pop().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use hark_engine::input::Heard;
    use hark_model::HostId;
    use hark_model::time::Unix;

    use super::*;

    fn heard(room: usize) -> Input {
        let mut values = Vec::with_capacity(room);
        values.push((1, 2.0));
        Input::Heard(Heard {
            host: HostId(1),
            interval_ms: 15_000,
            moved_to: None,
            rtt_us: None,
            taken_at: Unix(0),
            skew_ms: 0,
            values,
        })
    }

    fn batch(room: usize) -> Emptied {
        let mut inputs = Vec::with_capacity(room);
        inputs.extend([heard(8), Input::Tick, heard(1000)]);
        Emptied::Engine(inputs)
    }

    #[test]
    fn rooms_come_back_empty_and_those_of_a_flood_do_not_stay() {
        let mut rooms = Rooms::default();
        rooms.take(batch(100));
        let inputs = rooms.inputs();
        assert!(inputs.is_empty() && inputs.capacity() >= 100);
        assert_eq!(rooms.inputs().capacity(), 0);
        let values = rooms.values();
        assert!(values.is_empty() && (8..=LARGEST.1).contains(&values.capacity()));
        assert_eq!(rooms.values().capacity(), 0, "a thousand values are no common heartbeat");
        for _ in 0..=MOST_VALUES {
            rooms.take(batch(LARGEST.0 + 1));
            let bytes = Vec::with_capacity(10);
            rooms.take(Emptied::History(HistoryBatch { bytes, ..HistoryBatch::default() }));
        }
        assert_eq!(rooms.inputs.len(), 0);
        assert_eq!(rooms.values.len(), MOST_VALUES);
        assert_eq!(rooms.frames.len(), MOST_LISTS);
    }
}

//! Fresh frames whose set is not known yet, or of which the engine has not said yet what it looks at. They are not
//! acknowledged and come again, but as old ones, for history alone: what they say about now is kept here. Of what is
//! looked at once an hour, such as certificates, the next value is far away.

use hark_engine::input::{Input, Sampled};
use hark_model::frame::{ValueReader, scale};
use hark_model::time::Unix;
use hark_model::{HostId, SeriesName};

use super::Intake;
use super::agents::Slot;
use super::sets::{MAX_SETS, SetUse};

/// One of them, the newest of its set.
#[derive(Debug)]
pub(super) struct EarlyFrame {
    set: u32,
    taken_at: Unix,
    values: Vec<u8>,
}

impl Slot {
    /// Keeps a fresh frame until it can be judged: one of each set, at most so many as an agent may have.
    pub(super) fn keep_early(&mut self, set: u32, taken_at: Unix, values: &[u8]) {
        let frame = EarlyFrame { set, taken_at, values: values.to_vec() };
        if let Some(known) = self.early.iter_mut().find(|known| known.set == set) {
            *known = frame;
        } else if self.early.len() < MAX_SETS {
            self.early.push(frame);
        }
    }
}

impl Intake {
    /// Has the engine judge the frames of a host that it looks at now.
    pub(super) fn judge_early(&mut self, host: HostId) {
        let Some(place) = self.setup.agents.place_of_host(host) else { return };
        let slot = self.setup.agents.slot(place);
        let mut values = Vec::new();
        for frame in std::mem::take(&mut slot.early) {
            match slot.set(frame.set) {
                Some(set) if set.asked.is_none() => values.extend(looked_at(set, &frame)),
                Some(_) | None => slot.early.push(frame),
            }
        }
        if !values.is_empty() {
            self.inputs.push(Input::Sampled(Sampled { host, alive: None, values }));
        }
    }
}

/// Returns what the engine looks at of a frame; nothing of one that is not what its set says.
fn looked_at(set: &SetUse, frame: &EarlyFrame) -> Vec<(SeriesName, Unix, f64)> {
    let items: Result<Vec<_>, _> = ValueReader::new(&frame.values).collect();
    let Ok(items) = items else { return Vec::new() };
    if items.len() != set.shape.series.len() {
        return Vec::new();
    }
    let watched = set.wants.iter().filter(|want| want.watch.is_some());
    let named = watched.filter_map(|want| {
        let series = set.shape.series.get(want.place)?;
        let value = scale(*items.get(want.place)?, want.decimals);
        Some((series.name.clone(), frame.taken_at, value))
    });
    named.collect()
}

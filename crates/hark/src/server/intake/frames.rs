//! The hot path: the frames of a heartbeat, once through each value.

use hark_engine::input::{Heard, Input};
use hark_model::HostId;
use hark_model::frame::{FrameError, ValueReader, scale};
use hark_model::time::Unix;
use hark_proto::times::{placed, taken};
use hark_proto::{Backlog, Beat, Frame, Refused};

use super::super::message_journal::Line;
use super::super::messages::FrameAt;
use super::super::tally::Fate;
use super::super::vitals::News;
use super::bodies::heard;
use super::pending::Samples;
use super::sets::SetUse;
use super::shedding::Fresh;
use super::{Arrival, Intake};

impl Intake {
    /// Takes a heartbeat. The host lives even if its samples cannot be kept yet. Returns `None` if it
    /// must come again, else what becomes of its samples.
    pub(super) fn beat(&mut self, arrival: Arrival, beat: &Beat<'_>) -> Option<Samples> {
        let agent = self.setup.agents.slot(arrival.slot);
        agent.rtt_us = beat.rtt_us.or(agent.rtt_us);
        let host = agent.host?;
        let frames = beat.frames.clone();
        let fresh = self.fresh(arrival.slot, arrival.now.mono);
        let known = self.lives(arrival, host, beat.interval_ms, beat.rtt_us, frames, fresh);
        if self
            .setup
            .journal
            .as_ref()
            .is_some_and(super::super::message_journal::MessageJournal::takes_heartbeats)
        {
            let name = self.setup.agents.slot(arrival.slot).name.clone();
            self.journal(arrival, || Line::beat(&name, beat));
        }
        known.then_some(Samples::of(!beat.frames.is_empty(), fresh))
    }

    /// Takes a sign of life with its fresh frames; returns as [`Intake::frames`].
    pub(super) fn lives<'a>(
        &mut self,
        arrival: Arrival,
        host: HostId,
        interval_ms: u32,
        rtt_us: Option<u32>,
        frames: impl Iterator<Item = Frame<'a>>,
        fresh: Fresh,
    ) -> bool {
        let mut heard =
            heard(self.setup.agents.peek(arrival.slot), arrival, host, interval_ms, rtt_us);
        heard.values = self.rooms.values();
        let known = self.frames(arrival, host, frames, Some(&mut heard), fresh);
        if heard.values.is_empty() {
            self.rooms.unused(std::mem::take(&mut heard.values));
        }
        self.inputs.push(Input::Heard(heard));
        self.heartbeats += 1;
        known
    }

    /// Takes old frames: for history alone, they say nothing about now.
    pub(super) fn backlog(&mut self, arrival: Arrival, backlog: &Backlog<'_>) -> Option<Samples> {
        let host = self.setup.agents.slot(arrival.slot).host?;
        if self.sheds_the_past() {
            return Some(Samples::Shed);
        }
        let frames = backlog.frames.clone();
        self.frames(arrival, host, frames, None, Fresh::Kept).then_some(Samples::Handed)
    }

    /// Hands frames to history, and what somebody looks at to the engine and the lists. Returns false
    /// if the set of one is not known, or if it is fresh and the engine has not said yet what it wants of
    /// its set: then all come again, and those kept already are dropped as doubles by history.
    pub(super) fn frames<'a>(
        &mut self,
        arrival: Arrival,
        host: HostId,
        frames: impl Iterator<Item = Frame<'a>>,
        mut heard: Option<&mut Heard>,
        fresh: Fresh,
    ) -> bool {
        self.wanted.clear();
        let mut newest: Option<Unix> = None;
        let mut news = News::default();
        let mut unjudged = false;
        let skew_ms = self.setup.agents.peek(arrival.slot).skew_ms;
        for frame in frames {
            let live = heard.is_some();
            let known = self.setup.agents.peek(arrival.slot).set(frame.set);
            let Some(set) = known.filter(|set| !live || set.asked.is_none()) else {
                if known.is_some() {
                    unjudged = true;
                } else {
                    self.wanted.push(frame.set);
                }
                if live {
                    let at = taken(frame.taken_at, skew_ms, arrival.now.unix);
                    self.setup.agents.slot(arrival.slot).keep_early(frame.set, at, frame.values);
                }
                continue;
            };
            let values = heard.as_deref_mut().map(|h| &mut h.values);
            let mut told = news;
            if read(set, &frame, values, live.then_some(&mut told)).is_err() {
                self.setup.tally.count(Fate::Refused(Refused::Malformed));
                continue;
            }
            news = told;
            newest = newest.max(Some(frame.taken_at));
            if fresh == Fresh::Shed {
                self.setup.tally.shed(set.shape.series.len());
                continue;
            }
            self.samples += set.shape.series.len() as u64;
            let bytes = &mut self.frames.bytes;
            bytes.extend_from_slice(frame.values);
            let end = bytes.len();
            let catalogue = set.catalogue;
            let taken_at = placed(frame.taken_at, skew_ms, arrival.now.unix);
            self.frames.frames.push(FrameAt { host, set: catalogue, taken_at, end });
        }
        if let (Some(heard), Some(newest)) = (heard, newest) {
            heard.taken_at = taken(newest, skew_ms, arrival.now.unix);
            if !news.is_empty() {
                self.news.push((host, news));
            }
        }
        if self.wanted.is_empty() {
            return !unjudged;
        }
        self.want_sets(arrival);
        false
    }
}

/// Reads every item of a frame, so that a broken one is refused whole, and picks what is wanted.
fn read(
    set: &SetUse,
    frame: &Frame<'_>,
    mut values: Option<&mut Vec<(u32, f64)>>,
    mut news: Option<&mut News>,
) -> Result<(), FrameError> {
    let expected = set.shape.series.len();
    let before = values.as_ref().map_or(0, |v| v.len());
    let mut wants = set.wants.iter();
    let mut want = wants.next();
    let mut found = 0;
    for item in ValueReader::new(frame.values) {
        let item = match item {
            Ok(item) => item,
            Err(error) => {
                forget(values, before);
                return Err(error);
            }
        };
        if let Some(wanted) = want
            && wanted.place == found
        {
            let value = scale(item, wanted.decimals);
            if let (Some(number), Some(values)) = (wanted.watch, values.as_deref_mut()) {
                values.push((number, value));
            }
            if let (Some(vital), Some(news)) = (wanted.vital, news.as_deref_mut()) {
                news.note(vital, value);
            }
            want = wants.next();
        }
        found += 1;
    }
    if found == expected {
        return Ok(());
    }
    forget(values, before);
    Err(FrameError::Count { expected, found })
}

/// Takes back the values of a frame that turned out to be broken.
fn forget(values: Option<&mut Vec<(u32, f64)>>, before: usize) {
    if let Some(values) = values {
        values.truncate(before);
    }
}

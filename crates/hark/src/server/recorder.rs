//! What the first screen shows of the last 24 hours: states in half hours, how many hosts were up, how
//! much came in during the last minute.
//!
//! Looked at every few seconds by its own thread; kept in memory only: after a start it fills anew.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hark_api::words::{Letter, strip};
use hark_engine::HostState;
use hark_model::HostId;
use hark_model::time::{Clock, Unix};

use super::links::Links;
use super::tally::Totals;
use crate::stop::Stop;

/// How often it is looked at. A state that lasts shorter than this may be missing in a strip; it is
/// never missing in the journal.
const LOOK: Duration = Duration::from_secs(5);

/// Half hours in a strip: a day.
const SPAN: u8 = 48;

/// [`SPAN`] as the length of a list.
const SLOTS: usize = SPAN as usize;

/// One slot.
const SLOT: Duration = Duration::from_mins(30);

/// Looks that make a minute.
const LOOKS_A_MINUTE: usize = 12;

/// The record of the last 24 hours.
#[derive(Debug, Default)]
pub(crate) struct Recorder(Mutex<Recorded>);

#[derive(Debug, Default)]
struct Recorded {
    slot: i64,
    hosts: BTreeMap<HostId, [Cell; SLOTS]>,
    looks: VecDeque<(Unix, Totals)>,
    up: VecDeque<(i64, u64, u64)>,
}

/// The worst state of a half hour, as its rank; 0 is nothing known.
type Cell = u8;

/// Figures of the last minute and day.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Figures {
    /// Share of the looks of 24 hours at which hosts were up.
    pub(crate) availability: Option<f64>,
    /// Heartbeats in a minute.
    pub(crate) heartbeats_per_minute: f64,
    /// Samples in a second.
    pub(crate) samples_per_second: f64,
}

/// Looks until the flag is raised.
pub(crate) fn run(recorder: &Recorder, links: &Arc<Links>, stop: &Stop) {
    while !stop.wait(LOOK) {
        let states = links.ask(|engine| {
            let up = |h: hark_engine::view::HostView<'_>| !matches!(h.word(), "Down" | "Silent");
            engine.hosts().map(|h| (h.id(), h.state(), up(h))).collect::<Vec<_>>()
        });
        let Some(states) = states else { return };
        recorder.look(Clock.now().unix, &states, links.tally.totals());
    }
}

impl Recorder {
    fn look(&self, at: Unix, states: &[(HostId, HostState, bool)], totals: Totals) {
        let mut r = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = at.0.div_euclid(1000 * i64::try_from(SLOT.as_secs()).unwrap_or(1800));
        r.advance(slot);
        let place = place(slot);
        for (host, state, _) in states {
            let cells = r.hosts.entry(*host).or_insert([0; SLOTS]);
            cells[place] = cells[place].max(rank(*state));
        }
        if r.hosts.len() > states.len() {
            let known: std::collections::BTreeSet<HostId> =
                states.iter().map(|(h, ..)| *h).collect();
            r.hosts.retain(|h, _| known.contains(h));
        }
        r.looks.push_back((at, totals));
        if r.looks.len() > LOOKS_A_MINUTE + 1 {
            r.looks.pop_front();
        }
        // Planned work is no part of the availability: neither up nor down.
        let judged = states
            .iter()
            .filter(|(_, s, _)| !matches!(s, HostState::Pending | HostState::Maintenance));
        let (up, all) =
            judged.fold((0, 0), |(up, all), (_, _, is_up)| (up + u64::from(*is_up), all + 1));
        match r.up.back_mut() {
            Some((last, ups, alls)) if *last == slot => {
                *ups += up;
                *alls += all;
            }
            _ => r.up.push_back((slot, up, all)),
        }
        while r.up.len() > SLOTS {
            r.up.pop_front();
        }
    }

    /// Returns the last 24 hours of a host in 48 half hours, oldest first, as run lengths.
    pub(crate) fn strip(&self, host: HostId) -> String {
        let r = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        r.strip(host)
    }

    /// As [`Recorder::strip`], of many hosts at once.
    pub(crate) fn strips(&self, hosts: impl Iterator<Item = HostId>) -> Vec<String> {
        let r = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.map(|host| r.strip(host)).collect()
    }

    /// Returns the figures beside the headline.
    pub(crate) fn figures(&self) -> Figures {
        let r = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (up, all) = r.up.iter().fold((0, 0), |(u, a), (_, up, all)| (u + up, a + all));
        let mut figures = Figures { availability: share(up, all), ..Figures::default() };
        if let (Some((from, before)), Some((to, after))) = (r.looks.front(), r.looks.back()) {
            let seconds = to.since(*from).as_secs_f64();
            if seconds > 0.0 {
                let rate = |a: u64, b: u64| share(b.saturating_sub(a), 1).unwrap_or(0.0) / seconds;
                figures.heartbeats_per_minute = rate(before.heartbeats, after.heartbeats) * 60.0;
                figures.samples_per_second = rate(before.samples, after.samples);
            }
        }
        figures
    }
}

impl Recorded {
    /// Empties the places of the half hours that have begun since the last look.
    fn advance(&mut self, slot: i64) {
        if slot == self.slot {
            return;
        }
        let passed = slot.saturating_sub(self.slot).clamp(1, i64::from(SPAN));
        for ahead in 0..passed {
            let empty = place(slot - ahead);
            for cells in self.hosts.values_mut() {
                cells[empty] = 0;
            }
        }
        self.slot = slot;
    }

    fn strip(&self, host: HostId) -> String {
        let none = [0; SLOTS];
        let cells = self.hosts.get(&host).unwrap_or(&none);
        let oldest = self.slot - i64::from(SPAN) + 1;
        strip((oldest..=self.slot).map(|slot| letter(cells[place(slot)])))
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share needs few digits")]
fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn place(slot: i64) -> usize {
    usize::try_from(slot.rem_euclid(i64::from(SPAN))).unwrap_or(0)
}

fn rank(state: HostState) -> Cell {
    match state {
        HostState::Pending => 0,
        HostState::Ok => 1,
        HostState::Maintenance => 2,
        HostState::Unknown => 3,
        HostState::Warning => 4,
        HostState::Critical => 5,
    }
}

fn letter(cell: Cell) -> Letter {
    match cell {
        1 => Letter::Ok,
        2 => Letter::Maintenance,
        3 => Letter::Unknown,
        4 => Letter::Warning,
        5 => Letter::Critical,
        _ => Letter::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALF_HOUR: i64 = 1_800_000;

    fn at(half_hours: i64) -> Unix {
        Unix(1_000 * HALF_HOUR + half_hours * HALF_HOUR)
    }

    #[test]
    fn the_worst_of_a_half_hour_stays_and_old_ones_go() {
        let recorder = Recorder::default();
        let host = HostId(7);
        let look = |when: i64, state| {
            let up = state != HostState::Critical;
            recorder.look(at(when), &[(host, state, up)], Totals::default());
        };
        look(0, HostState::Critical);
        look(0, HostState::Ok);
        look(1, HostState::Ok);
        assert_eq!(recorder.strip(host), "-46c1o1");
        look(3, HostState::Warning);
        assert_eq!(recorder.strip(host), "-44c1o1-1w1");
        look(60, HostState::Ok);
        assert_eq!(recorder.strip(host), "-47o1");
        assert_eq!(recorder.strip(HostId(9)), "-48");
        assert_eq!(recorder.figures().availability, Some(0.8));
        look(60, HostState::Maintenance);
        assert_eq!(recorder.figures().availability, Some(0.8), "planned work does not count");
    }

    #[test]
    fn rates_are_of_the_last_minute() {
        let recorder = Recorder::default();
        for i in 0..30u64 {
            let totals = Totals { heartbeats: i * 50, samples: i * 1650, ..Totals::default() };
            recorder.look(Unix(1_000_000 + i.cast_signed() * 5_000), &[], totals);
        }
        let figures = recorder.figures();
        assert!((figures.heartbeats_per_minute - 600.0).abs() < 1e-6);
        assert!((figures.samples_per_second - 330.0).abs() < 1e-6);
    }
}

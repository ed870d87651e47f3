//! What the first screen shows of the last 24 hours: states in half hours, how many hosts were up, how
//! much came in during the last minute.
//!
//! ```text
//! engine, every few seconds -> half hours in memory
//! state, once after a start -> the half hours before it (`past`)
//! when the server ran       -> state, once a minute (`ran`)
//! ```
//!
//! It has a thread of its own, which fills the time before the start behind the first look: nobody waits for it. What
//! nobody looked at, since the server did not run, stays unknown.

mod past;
mod ran;

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use anyhow::anyhow;
use hark_api::words::{Letter, strip};
use hark_engine::HostState;
use hark_engine::view::CheckView;
use hark_model::time::{Clock, Mono, Unix};
use hark_model::{CheckName, HostId};
use hark_report::{Span, Spans};
use hark_store::state::{Change, OpenError, StateReader};

use super::links::Links;
use super::store_loop::{ToStore, chain};
use super::tally::Totals;
use crate::stop::Stop;

use past::{Known, Past, Slot};
use ran::Ran;

/// How often it is looked at. A state that lasts shorter than this may be missing in a strip; it is
/// never missing in the journal.
const LOOK: Duration = Duration::from_secs(5);

/// How often it is written down that the server runs: so much of the time before a crash is unknown afterwards.
const WRITE: Duration = Duration::from_mins(1);

/// Half hours in a strip: a day.
const SPAN: u8 = 48;

/// [`SPAN`] as the length of a list.
const SLOTS: usize = SPAN as usize;

/// One slot, in milliseconds.
const SLOT: i64 = 30 * 60 * 1000;

/// Looks that make a minute.
const LOOKS_A_MINUTE: usize = 12;

/// Hosts whose past is taken on at once: so much is held of it, about a megabyte, and for so many the page waits.
const AT_ONCE: usize = 1000;

/// The record of the last 24 hours.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    recorded: Mutex<Recorded>,
    /// Whom to ask what the checks are; there once it runs.
    links: OnceLock<Arc<Links>>,
}

#[derive(Debug, Default)]
struct Recorded {
    slot: i64,
    hosts: BTreeMap<HostId, [Cell; SLOTS]>,
    looks: VecDeque<(Unix, Totals)>,
    /// By the number of the half hour: at how many looks hosts were up, of how many.
    up: BTreeMap<i64, (u64, u64)>,
    ran: Ran,
    /// From when on it is known what was, but for the times in which the server did not run.
    known_from: Option<Unix>,
}

/// The worst state of a half hour, as its rank; 0 is nothing known.
type Cell = u8;

/// Who brings what a check judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Feed {
    /// The host's agent: while it is silent, the check says nothing.
    Agent,
    /// Somebody else, who looks also at a host that is down.
    Other,
}

/// Figures of the last minute and day.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Figures {
    /// Share of the looks of 24 hours at which hosts were up.
    pub(crate) availability: Option<f64>,
    /// The first of these looks, if nothing is known of the half hours before it.
    pub(crate) since: Option<Unix>,
    /// For how long it was looked.
    pub(crate) looked: Duration,
    /// Heartbeats in a minute.
    pub(crate) heartbeats_per_minute: f64,
    /// Samples in a second.
    pub(crate) samples_per_second: f64,
}

/// Looks until the flag is raised. What was before is read from the state in `data_dir`.
pub(crate) fn run(recorder: &Recorder, links: &Arc<Links>, data_dir: &Path, stop: &Stop) {
    recorder.links.get_or_init(|| Arc::clone(links));
    let mut is_filled = false;
    let mut written: Option<Mono> = None;
    while !stop.wait(LOOK) {
        let states = links.ask(|engine| {
            let up = |h: hark_engine::view::HostView<'_>| !matches!(h.word(), "Down" | "Silent");
            engine.hosts().map(|h| (h.id(), h.state(), up(h))).collect::<Vec<_>>()
        });
        let Some(states) = states else { return };
        let now = Clock.now();
        recorder.look(now.unix, &states, links.tally.totals());
        if written.is_some_and(|at| now.mono.since(at) < WRITE) {
            continue;
        }
        written = Some(now.mono);
        if !is_filled {
            match recorder.fill(links, data_dir, stop) {
                Ok(filled) => is_filled = filled,
                Err(error) => tracing::warn!("the day before the start is not shown: {error:#}"),
            }
        }
        if is_filled {
            recorder.write(links);
        }
    }
    if is_filled {
        recorder.write(links);
    }
}

impl Recorder {
    fn lock(&self) -> MutexGuard<'_, Recorded> {
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self, at: Unix, states: &[(HostId, HostState, bool)], totals: Totals) {
        let mut r = self.lock();
        let slot = at.0.div_euclid(SLOT);
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
        r.count(slot, up, all);
        let oldest = r.oldest();
        r.ran.look(at, slot_span(oldest).from);
        r.known_from.get_or_insert(at - LOOK);
    }

    /// Writes down when the server ran. If the store has no room for it now, the next time says it as well.
    fn write(&self, links: &Links) {
        let text = self.lock().ran.text();
        let change = Change::Setting { name: ran::KEY.to_owned(), value: Some(text) };
        if links.store.try_send(ToStore::Write { changes: vec![change], reply: None }).is_err() {
            tracing::debug!("it is not written down now that the server runs");
        }
    }

    /// Fills the half hours before the start. Returns false if the server ends meanwhile.
    ///
    /// # Errors
    /// If the state cannot be read.
    fn fill(&self, links: &Links, data_dir: &Path, stop: &Stop) -> anyhow::Result<bool> {
        let reader = StateReader::open(data_dir).map_err(|e| anyhow!(chain(&e)))?;
        let stored = reader.setting(ran::KEY).map_err(|e| anyhow!(chain(&e)))?;
        let ran = Ran::read(&stored.unwrap_or_default());
        let (oldest, begun) = {
            let r = self.lock();
            (r.oldest(), r.known_from)
        };
        let Some(begun) = begun else { return Ok(false) };
        let period = Span { from: slot_span(oldest).from, until: begun };
        let read = Past::read((&reader, links, stop), &ran, period)?;
        let Some((past, hosts)) = read else { return Ok(false) };
        self.take_on(&past, &hosts, &ran, oldest);
        Ok(true)
    }

    /// Takes on what was before the first look, from the half hour `oldest` on.
    fn take_on(&self, past: &Past, hosts: &[Known], ran: &Ran, oldest: i64) {
        // Most hosts had nothing: what is known of them is the same for all, and reckoned once.
        let plain = past.plain_slots(oldest);
        let slots = |host: &Known| (!past.is_plain(host)).then(|| past.slots(host, oldest));
        for some in hosts.chunks(AT_ONCE) {
            // Nothing is reckoned under the lock: the page waits for it.
            let known: Vec<_> = some.iter().map(|host| (host.id, slots(host))).collect();
            let mut r = self.lock();
            for (host, slots) in &known {
                r.add(*host, oldest, slots.as_ref().unwrap_or(&plain));
            }
        }
        let mut r = self.lock();
        r.ran.before(ran);
        let first = ran.first(Span { from: past.from, until: r.known_from.unwrap_or(past.from) });
        r.known_from = first.or(r.known_from);
    }

    /// Returns the last 24 hours of a check in 48 half hours, oldest first, as run lengths: it was ok where its host is known to
    /// have been watched and nothing of its own is stored. What its agent brings is not known while nobody heard that one.
    ///
    /// # Errors
    /// If the state cannot be read.
    pub(crate) fn strip_of_check(
        &self,
        reader: &StateReader,
        (host, check): (HostId, &CheckName),
        now: Unix,
    ) -> Result<String, OpenError> {
        self.strip_fed_by(self.feed(host, check), reader, (host, check), now)
    }

    /// Returns who brings what a check judges. Of one that is not known any more, that is taken to have been the agent: then
    /// less is claimed.
    fn feed(&self, host: HostId, check: &CheckName) -> Feed {
        let name = check.clone();
        let kind = self.links.get().and_then(|links| {
            let kind = links
                .ask(move |engine| engine.host(host)?.check(name.as_str()).map(CheckView::kind));
            kind.flatten()
        });
        if kind.is_none_or(|kind| matches!(kind, "limit" | "reported")) {
            Feed::Agent
        } else {
            Feed::Other
        }
    }

    fn strip_fed_by(
        &self,
        feed: Feed,
        reader: &StateReader,
        (host, check): (HostId, &CheckName),
        now: Unix,
    ) -> Result<String, OpenError> {
        let slot = now.0.div_euclid(SLOT);
        let oldest = slot - i64::from(SPAN) + 1;
        let period = Span { from: slot_span(oldest).from, until: now };
        let troubles = past::of_check(reader, (host, check), period)?;
        let silent = match feed {
            Feed::Agent => past::silent(reader, host, period)?,
            Feed::Other => Spans::default(),
        };
        let r = self.lock();
        let none = [0; SLOTS];
        let cells = r.hosts.get(&host).unwrap_or(&none);
        let cell = |number: i64| {
            let known = match number - r.slot {
                ..=0 => cells[place(number)],
                // The newest half hour may have begun since the last look.
                1 => rank(HostState::Ok),
                // Nobody has looked so far.
                _ => return 0,
            };
            let span = slot_span(number);
            let base = match known {
                0 => return 0,
                known if known == rank(HostState::Maintenance) => known,
                _ if is_within(span.within(period), &silent) => 0,
                _ => rank(HostState::Ok),
            };
            troubles.iter().fold(base, |cell, trouble| trouble.over(cell, span))
        };
        Ok(strip((oldest..=slot).map(|number| letter(cell(number)))))
    }

    /// As [`Recorder::strip_of_check`], of whole hosts.
    pub(crate) fn strips(&self, hosts: impl Iterator<Item = HostId>) -> Vec<String> {
        let r = self.lock();
        hosts.map(|host| r.strip(host)).collect()
    }

    /// Returns the figures beside the headline.
    pub(crate) fn figures(&self) -> Figures {
        let r = self.lock();
        let (up, all) = r.up.values().fold((0, 0), |(u, a), (up, all)| (u + up, a + all));
        let day = Span { from: slot_span(r.oldest()).from, until: slot_span(r.slot).until };
        let mut figures = Figures {
            availability: share(up, all),
            since: r.known_from.filter(|at| *at >= slot_span(r.oldest()).until),
            looked: r.ran.within(day).length(),
            ..Figures::default()
        };
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
        self.up = self.up.split_off(&self.oldest());
    }

    /// Returns the number of the first half hour that is shown.
    fn oldest(&self) -> i64 {
        self.slot - i64::from(SPAN) + 1
    }

    fn count(&mut self, slot: i64, up: u64, all: u64) {
        let (ups, alls) = self.up.entry(slot).or_default();
        *ups += up;
        *alls += all;
    }

    /// Adds what is known of half hours of a host, from number `oldest` on.
    fn add(&mut self, host: HostId, oldest: i64, slots: &[Slot; SLOTS]) {
        let shown = self.oldest()..=self.slot;
        let Some(cells) = self.hosts.get_mut(&host) else { return };
        for (number, slot) in (oldest..).zip(slots).filter(|(number, _)| shown.contains(number)) {
            let cell = &mut cells[place(number)];
            *cell = slot.cell.max(*cell);
        }
        for (number, slot) in (oldest..).zip(slots).filter(|(number, _)| shown.contains(number)) {
            self.count(number, slot.up, slot.all);
        }
    }

    fn strip(&self, host: HostId) -> String {
        let none = [0; SLOTS];
        let cells = self.hosts.get(&host).unwrap_or(&none);
        strip((self.oldest()..=self.slot).map(|slot| letter(cells[place(slot)])))
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share needs few digits")]
fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn place(slot: i64) -> usize {
    usize::try_from(slot.rem_euclid(i64::from(SPAN))).unwrap_or(0)
}

/// Returns true if there is a moment in `span`, and none outside `spans`.
fn is_within(span: Span, spans: &Spans) -> bool {
    !span.is_empty() && Spans::of([span]).without(spans).is_empty()
}

/// Returns when the half hour of this number is.
fn slot_span(slot: i64) -> Span {
    let at = |slot: i64| Unix(slot.saturating_mul(SLOT));
    Span { from: at(slot), until: at(slot.saturating_add(1)) }
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
    use hark_model::Status;
    use hark_model::record::{IncidentId, IncidentRecord, Record};
    use hark_store::state::State;

    use super::*;

    fn at(half_hours: i64) -> Unix {
        Unix((1_000 + half_hours) * SLOT)
    }

    fn strip_of(recorder: &Recorder, host: HostId) -> String {
        recorder.strips([host].into_iter()).remove(0)
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
        assert_eq!(strip_of(&recorder, host), "-46c1o1");
        look(3, HostState::Warning);
        assert_eq!(strip_of(&recorder, host), "-44c1o1-1w1");
        assert_eq!(recorder.figures().availability, Some(0.75));
        look(60, HostState::Ok);
        assert_eq!(strip_of(&recorder, host), "-47o1");
        assert_eq!(strip_of(&recorder, HostId(9)), "-48");
        assert_eq!(recorder.figures().availability, Some(1.0), "the rest is more than a day ago");
        look(60, HostState::Maintenance);
        assert_eq!(recorder.figures().availability, Some(1.0), "planned work does not count");
    }

    /// Returns the incident of a check that was critical in these half hours.
    fn incident(id: u64, check: &str, from: Unix, until: Option<Unix>) -> Record {
        let (id, check) = (IncidentId(id), CheckName::new(check).unwrap());
        let mut record = IncidentRecord::opened(id, HostId(7), check, from, from, Status::Critical);
        record.resolved_at = until;
        if until.is_some() {
            record.status = Status::Ok;
        }
        Record::Incident(record)
    }

    #[test]
    fn a_check_is_not_known_to_be_ok_while_nobody_heard_its_agent() {
        let minutes = Duration::from_mins;
        let folder = tempfile::tempdir().unwrap();
        let mut state = State::open(folder.path()).unwrap();
        let records = [
            // The host is down for three half hours and a bit, then its agent alone for one.
            incident(1, "host", at(1), Some(at(4) + minutes(10))),
            incident(2, "agent", at(5), Some(at(6))),
            incident(3, "disk", at(7), None),
        ];
        state.commit(&records, &[]).unwrap();
        let reader = state.reader().unwrap();
        let (recorder, host) = (Recorder::default(), HostId(7));
        for half_hour in 0..8 {
            let is_up = !(1..=4).contains(&half_hour);
            let state = if is_up { HostState::Ok } else { HostState::Critical };
            recorder.look(at(half_hour), &[(host, state, is_up)], Totals::default());
        }
        let strip = |feed, check: &str| {
            let check = CheckName::new(check).unwrap();
            recorder.strip_fed_by(feed, &reader, (host, &check), at(7) + minutes(10)).unwrap()
        };
        assert_eq!(strip(Feed::Agent, "disk"), "-40o1-3o1-1o1c1");
        assert_eq!(strip(Feed::Other, "disk"), "-40o7c1", "whoever looks from outside goes on");
        assert_eq!(strip(Feed::Other, "host"), "-40o1c4o3", "its own trouble is not hidden");
        let check = CheckName::new("disk").unwrap();
        let of_nobody = recorder.strip_of_check(&reader, (host, &check), at(7) + minutes(10));
        assert_eq!(of_nobody.unwrap(), strip(Feed::Agent, "disk"), "the less is claimed");
    }

    #[test]
    fn planned_work_stays_in_the_strip_of_a_check() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = State::open(folder.path()).unwrap();
        state.commit(&[incident(1, "host", at(0), Some(at(2)))], &[]).unwrap();
        let reader = state.reader().unwrap();
        let (recorder, host) = (Recorder::default(), HostId(7));
        for (half_hour, state) in [(0, HostState::Maintenance), (1, HostState::Critical)] {
            recorder.look(at(half_hour), &[(host, state, false)], Totals::default());
        }
        let check = CheckName::new("disk").unwrap();
        // The newest half hour has begun since the last look.
        let strip = recorder.strip_of_check(&reader, (host, &check), at(2));
        assert_eq!(strip.unwrap(), "-45m1-1o1");
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

//! What was before the start, told by what is stored: when the server ran, the incidents, how they went, and
//! planned work.
//!
//! Read once, behind the start, in pieces: nobody waits for it.

use std::collections::BTreeMap;

use anyhow::anyhow;
use hark_engine::HostState;
use hark_model::record::{IncidentRecord, JournalKind, JournalLine, Matcher};
use hark_model::{CheckName, HostId, IncidentId, Status, Unix};
use hark_report::{Span, Spans};
use hark_store::state::{IncidentFilter, JournalFilter, OpenError, StateReader};

use super::{Cell, LOOK, SLOTS, rank, slot_span};
use crate::server::links::Links;
use crate::server::reports::planned::{planned, until as planned_until};
use crate::server::store_loop::chain;
use crate::stop::Stop;

/// Rows read at once.
const PIECE: u32 = 1000;

/// The most lines of the history and the most incidents that are looked at, the newest first: two a second, for
/// a day. What is older than them is unknown; of incidents, as many again are looked at that began before and went on.
const MAX_ROWS: usize = 172_800;

/// The most incidents of one check, and lines of one of them, that are looked at for its strip.
const OF_CHECK: u32 = 100;

/// The word in each line about planned work, and how many lines with it are looked at for the last of these: others may say it
/// in a reason.
const WORK: &str = "maintenance";
const LOOKED_BACK: u32 = 10;

/// The check of an agent's liveness, where a probe tells that of its host.
const AGENT: &str = "agent";

/// The most planned works on whole hosts that are looked at.
const MAX_WINDOWS: usize = 100;

/// The day before the start.
#[derive(Debug)]
pub(super) struct Past {
    /// From when on it is known.
    pub(super) from: Unix,
    /// When the server ran in it.
    ran: Spans,
    hosts: BTreeMap<HostId, HostPast>,
}

/// What a host went through.
#[derive(Debug, Default)]
pub(super) struct HostPast {
    troubles: Vec<Trouble>,
    planned: Spans,
}

/// A check was not ok.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    span: Span,
    status: Status,
    /// Whether the host was down.
    is_down: bool,
}

impl Trouble {
    /// Returns the state of a half hour that was `cell` but for this.
    pub(super) fn over(&self, cell: Cell, half_hour: Span) -> Cell {
        let is_in = !self.span.within(half_hour).is_empty();
        if is_in { cell.max(rank(state(self.status))) } else { cell }
    }
}

/// A host as the engine has it.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) id: HostId,
    pub(super) first_seen: Unix,
    /// Whether it has no result so far.
    pub(super) is_pending: bool,
    /// Whether planned work covers it now.
    pub(super) is_in_work: bool,
    windows: Vec<Span>,
}

/// What is known of a half hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Slot {
    /// Its worst state.
    pub(super) cell: Cell,
    /// Looks at which the host would have been up.
    pub(super) up: u64,
    /// Looks at which it would have been either.
    pub(super) all: u64,
}

/// What the history says about an incident: from then on it was so.
type Turns = BTreeMap<IncidentId, Vec<(Unix, Option<Status>, Status)>>;

impl Past {
    /// Reads what is stored of `period`, and which hosts there are. `None` if the server ends meanwhile.
    ///
    /// # Errors
    /// If the state cannot be read.
    pub(super) fn read(
        (reader, links, stop): (&StateReader, &Links, &Stop),
        ran: &super::Ran,
        period: Span,
    ) -> anyhow::Result<Option<(Self, Vec<Known>)>> {
        let Some(mut lines) = Lines::read(reader, period, stop)? else { return Ok(None) };
        let period = Span { from: lines.from, ..period };
        let read = troubles(reader, &lines.turns, period, (MAX_ROWS, PIECE), stop)?;
        let Some((from, mut hosts)) = read else { return Ok(None) };
        let period = Span { from, ..period };
        let Some(known) = known(reader, links, period)? else { return Ok(None) };
        for host in &known {
            if stop.is_raised() {
                return Ok(None);
            }
            // Of others it makes no difference to who was up.
            if host.is_in_work || hosts.get(&host.id).is_some_and(HostPast::was_down) {
                lines.reach_back(reader, host.id, period).map_err(|e| failed(&e))?;
            }
            let planned = lines.planned(host, period);
            if !planned.is_empty() {
                hosts.entry(host.id).or_default().planned = planned;
            }
        }
        Ok(Some((Self { from: period.from, ran: ran.within(period), hosts }, known)))
    }

    /// Returns what is known of the half hours from number `oldest` on, of a host.
    pub(super) fn slots(&self, host: &Known, oldest: i64) -> [Slot; SLOTS] {
        let nothing = HostPast::default();
        let past = self.hosts.get(&host.id).unwrap_or(&nothing);
        self.slots_of(past, oldest, host.first_seen, host.is_pending)
    }

    /// As [`Past::slots`], of a host for which [`Past::is_plain`] is true.
    pub(super) fn plain_slots(&self, oldest: i64) -> [Slot; SLOTS] {
        self.slots_of(&HostPast::default(), oldest, self.from, false)
    }

    /// Tells whether nothing but its being there is written of a host.
    pub(super) fn is_plain(&self, host: &Known) -> bool {
        !self.hosts.contains_key(&host.id) && host.first_seen <= self.from && !host.is_pending
    }

    fn slots_of(
        &self,
        past: &HostPast,
        oldest: i64,
        first_seen: Unix,
        is_pending: bool,
    ) -> [Slot; SLOTS] {
        let mut slots = [Slot::default(); SLOTS];
        for (slot, number) in slots.iter_mut().zip(oldest..) {
            let span = slot_span(number);
            let known = Span { from: span.from.max(first_seen), ..span };
            *slot = past.slot(&self.ran.within(known), is_pending);
        }
        slots
    }
}

impl HostPast {
    fn was_down(&self) -> bool {
        self.troubles.iter().any(|trouble| trouble.is_down)
    }

    fn slot(&self, known: &Spans, is_pending: bool) -> Slot {
        let mut slot = Slot::default();
        let judged = known.without(&self.planned);
        if judged.length() < known.length() {
            slot.cell = rank(HostState::Maintenance);
        }
        if judged.is_empty() || is_pending {
            return slot;
        }
        slot.cell = slot.cell.max(rank(HostState::Ok));
        let mut down = Spans::default();
        for trouble in &self.troubles {
            let part = judged.within(trouble.span);
            if part.is_empty() {
                continue;
            }
            slot.cell = slot.cell.max(rank(state(trouble.status)));
            if trouble.is_down {
                down = down.union(&part);
            }
        }
        slot.all = looks(&judged);
        slot.up = looks(&judged.without(&down));
        slot
    }
}

/// Returns how often it would have been looked.
fn looks(spans: &Spans) -> u64 {
    let looks = spans.length().as_millis() / LOOK.as_millis();
    u64::try_from(looks).unwrap_or(u64::MAX)
}

fn state(status: Status) -> HostState {
    match status {
        Status::Ok => HostState::Ok,
        Status::Unknown => HostState::Unknown,
        Status::Warning => HostState::Warning,
        Status::Critical => HostState::Critical,
    }
}

/// What the history says about a period.
#[derive(Debug)]
struct Lines {
    /// From when on all its lines were read.
    from: Unix,
    turns: Turns,
    /// Lines about planned work, the newest first.
    work: BTreeMap<HostId, Vec<JournalLine>>,
}

impl Lines {
    fn read(reader: &StateReader, period: Span, stop: &Stop) -> anyhow::Result<Option<Self>> {
        let mut lines = Self { from: period.from, turns: Turns::new(), work: BTreeMap::new() };
        let (filter, mut before, mut n) = (JournalFilter::default(), None, 0);
        loop {
            if stop.is_raised() {
                return Ok(None);
            }
            let piece = reader.journal(&filter, before, PIECE).map_err(|e| failed(&e))?;
            let Some(oldest) = piece.last() else { break };
            before = Some(oldest.id);
            n += piece.len();
            let (at, is_done) = (oldest.line.at, oldest.line.at < period.from);
            for entry in piece {
                lines.add(entry.line);
            }
            if is_done {
                break;
            }
            if n >= MAX_ROWS {
                lines.from = at;
                break;
            }
        }
        // They came the newest first.
        lines.turns.values_mut().for_each(|turns| turns.reverse());
        Ok(Some(lines))
    }

    fn add(&mut self, line: JournalLine) {
        match (line.kind, line.incident, line.host) {
            (JournalKind::Transition, Some(incident), _) => {
                if let Some(turn) = hark_engine::turned(&line.text) {
                    let turn = (line.at, turn.before, turn.after);
                    self.turns.entry(incident).or_default().push(turn);
                }
            }
            (JournalKind::Server, _, Some(host)) if is_about_work(&line) => {
                self.work.entry(host).or_default().push(line);
            }
            _ => {}
        }
    }

    /// Reads the last line about planned work of a host from before `period`: what began then may have gone on in it. Work
    /// that a file declares is nowhere else, nor is any that is over.
    fn reach_back(
        &mut self,
        reader: &StateReader,
        host: HostId,
        period: Span,
    ) -> Result<(), OpenError> {
        let is_before = |line: &JournalLine| line.at < period.from;
        let lines = self.work.entry(host).or_default();
        if lines.last().is_some_and(is_before) {
            return Ok(());
        }
        let filter = JournalFilter {
            host: Some(host),
            kind: Some(JournalKind::Server),
            before: Some(period.from),
            contains: Some(WORK.to_owned()),
            ..JournalFilter::default()
        };
        let older = reader.journal(&filter, None, LOOKED_BACK)?;
        lines.extend(older.into_iter().map(|entry| entry.line).find(is_about_work));
        Ok(())
    }

    /// Returns when planned work covered a host in `period`.
    fn planned(&self, host: &Known, period: Span) -> Spans {
        let written = self.work.get(&host.id).map(|lines| work(lines, period));
        let windows = host.windows.iter().copied();
        Spans::of(windows.chain(written.into_iter().flatten())).within(period)
    }
}

/// Tells whether a line says that planned work on a whole host begins or is over.
fn is_about_work(line: &JournalLine) -> bool {
    line.text == hark_engine::MAINTENANCE_OVER || planned_until(&line.text).is_some()
}

/// Returns when planned work was, by its lines within `period`. Work that was over without having begun in it began
/// before.
fn work(lines: &[JournalLine], period: Span) -> Vec<Span> {
    let mut spans = planned(lines.iter());
    if let Some(first) = lines.last().filter(|line| line.text == hark_engine::MAINTENANCE_OVER) {
        spans.push(Span { from: period.from, until: first.at });
    }
    spans
}

/// Reads the incidents that were open in `period`, and gives each its course; `most` of them and those that went on when
/// the oldest of these began, so many at once. Returns from when on all were read.
fn troubles(
    reader: &StateReader,
    turns: &Turns,
    period: Span,
    (most, piece): (usize, u32),
    stop: &Stop,
) -> anyhow::Result<Option<(Unix, BTreeMap<HostId, HostPast>)>> {
    let mut hosts: BTreeMap<HostId, HostPast> = BTreeMap::new();
    let (mut from, mut before, mut n) = (period.from, None, 0);
    while !stop.is_raised() {
        let within = Some((from, period.until));
        let filter = IncidentFilter { within, ..IncidentFilter::default() };
        let records = reader.incidents(&filter, before, piece).map_err(|e| failed(&e))?;
        let Some(last) = records.last() else { return Ok(Some((from, hosts))) };
        before = Some(last.id.0);
        let n_before = n;
        n += records.len();
        if n >= 2 * most {
            // What is left went on for so long that it says something of each moment.
            return Ok(Some((period.until, hosts)));
        }
        if n_before < most && n >= most {
            from = last.since.max(from);
        }
        for record in records {
            let turns = turns.get(&record.id).map_or(&[][..], Vec::as_slice);
            hosts.entry(record.host).or_default().troubles.extend(course(&record, turns, period));
        }
    }
    Ok(None)
}

/// Returns how an incident went.
fn course(
    record: &IncidentRecord,
    turns: &[(Unix, Option<Status>, Status)],
    period: Span,
) -> Vec<Trouble> {
    let end = record.resolved_at.unwrap_or(period.until).min(period.until);
    let first = turns.first().map(|(_, before, after)| (*before, *after));
    let mut status = match first {
        None if record.resolved_at.is_none() => record.status,
        // What it was before it ended is not in its last line.
        None | Some((None, Status::Ok)) => record.peak,
        // Before it was believed, all was well.
        Some((None, _)) => Status::Ok,
        Some((Some(before), _)) => before,
    };
    let mut from = record.since.max(period.from);
    let mut all = Vec::new();
    let is_down = |status| record.check.is_host() && status == Status::Critical;
    let mut add = |span: Span, status: Status| {
        if status != Status::Ok && !span.is_empty() {
            all.push(Trouble { span, status, is_down: is_down(status) });
        }
    };
    for (at, _, after) in turns {
        add(Span { from, until: *at }, status);
        (from, status) = (from.max(*at), *after);
    }
    add(Span { from, until: end }, status);
    all
}

/// Returns how the incidents of one check went in `period`, the newest of them if there are many.
///
/// # Errors
/// If the state cannot be read.
pub(super) fn of_check(
    reader: &StateReader,
    (host, check): (HostId, &CheckName),
    period: Span,
) -> Result<Vec<Trouble>, OpenError> {
    let filter = IncidentFilter {
        host: Some(host),
        check: Some(check.clone()),
        within: Some((period.from, period.until)),
        ..IncidentFilter::default()
    };
    let mut all = Vec::new();
    for record in reader.incidents(&filter, None, OF_CHECK)? {
        let filter = JournalFilter {
            incident: Some(record.id),
            kind: Some(JournalKind::Transition),
            from: Some(period.from),
            ..JournalFilter::default()
        };
        let lines = reader.journal(&filter, None, OF_CHECK)?;
        let turn = |line: &JournalLine| {
            hark_engine::turned(&line.text).map(|turn| (line.at, turn.before, turn.after))
        };
        let turns: Vec<_> = lines.iter().rev().filter_map(|entry| turn(&entry.line)).collect();
        all.extend(course(&record, &turns, period));
    }
    Ok(all)
}

/// Returns when nobody heard the agent of a host in `period`: it was silent, or the host was down.
///
/// # Errors
/// If the state cannot be read.
pub(super) fn silent(reader: &StateReader, host: HostId, period: Span) -> Result<Spans, OpenError> {
    let mut spans = Vec::new();
    for check in CheckName::new(AGENT).into_iter().chain([CheckName::host()]) {
        let troubles = of_check(reader, (host, &check), period)?;
        let critical = troubles.iter().filter(|trouble| trouble.status == Status::Critical);
        spans.extend(critical.map(|trouble| trouble.span));
    }
    Ok(Spans::of(spans))
}

/// Asks the engine which hosts there are, and which planned work covers them. `None` if it has ended.
fn known(reader: &StateReader, links: &Links, period: Span) -> anyhow::Result<Option<Vec<Known>>> {
    let mut silences = reader.silences().map_err(|e| failed(&e))?;
    silences.retain(|silence| {
        let is_whole = silence.matcher.checks.is_empty() && silence.matcher.severity.is_none();
        // One that waits for a problem covers nothing before that; then the history has it.
        let is_meant = silence.maintenance && silence.flexible.is_none() && is_whole;
        let span = Span { from: silence.from, until: silence.until };
        is_meant && !span.within(period).is_empty()
    });
    silences.truncate(MAX_WINDOWS);
    let windows: Vec<(Matcher, Span)> = silences
        .into_iter()
        .map(|silence| (silence.matcher, Span { from: silence.from, until: silence.until }))
        .collect();
    Ok(links.ask(move |engine| {
        let known = |host: hark_engine::view::HostView<'_>| {
            let covers = |matcher: &Matcher| {
                hark_engine::covers_host(matcher, host.name().as_str(), host.tags())
            };
            let covering = windows.iter().filter(|(matcher, _)| covers(matcher));
            Known {
                id: host.id(),
                first_seen: host.first_seen(),
                is_pending: host.state() == HostState::Pending,
                is_in_work: host.state() == HostState::Maintenance,
                windows: covering.map(|(_, span)| *span).collect(),
            }
        };
        engine.hosts().map(known).collect()
    }))
}

fn failed(error: &dyn std::error::Error) -> anyhow::Error {
    anyhow!("cannot read the state: {}", chain(error))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hark_model::record::Record;
    use hark_store::state::State;

    use super::super::{AT_ONCE, Ran, Recorder};
    use super::*;
    use crate::server::tally::Totals;

    fn at(minutes: i64) -> Unix {
        Unix(minutes * 60_000)
    }

    fn span(from: i64, until: i64) -> Span {
        Span { from: at(from), until: at(until) }
    }

    fn incident(check: &str, since: i64, until: Option<i64>, peak: Status) -> IncidentRecord {
        let check = CheckName::new(check).unwrap();
        let id = IncidentId(1);
        let mut record = IncidentRecord::opened(id, HostId(1), check, at(since), at(since), peak);
        record.resolved_at = until.map(at);
        record
    }

    fn host() -> Known {
        let (id, first_seen) = (HostId(1), at(0));
        Known { id, first_seen, is_pending: false, is_in_work: false, windows: Vec::new() }
    }

    /// A day of two half hours, of which the server ran for 40 minutes.
    fn past(went: HostPast) -> (Past, Known) {
        let ran = Spans::of([span(0, 10), span(30, 60)]);
        let past = Past { from: at(0), ran, hosts: [(HostId(1), went)].into() };
        (past, host())
    }

    fn slots(host: HostPast) -> [Slot; 3] {
        let (past, known) = past(host);
        let slots = past.slots(&known, 0);
        [slots[0], slots[1], slots[2]]
    }

    const UP: u8 = 1;
    const WORK: u8 = 2;
    const WARNING: u8 = 4;
    const CRITICAL: u8 = 5;

    #[test]
    fn a_quiet_host_was_up_while_the_server_ran_and_nothing_is_known_else() {
        let quiet = slots(HostPast::default());
        let of = |minutes: u64| Slot { cell: UP, up: minutes * 12, all: minutes * 12 };
        assert_eq!(quiet, [of(10), of(30), Slot::default()]);
        let (past, known) = past(HostPast::default());
        assert_eq!(past.plain_slots(0)[..3], quiet);
        let later = Known { first_seen: at(45), ..known };
        assert_eq!(past.slots(&later, 0)[..2], [Slot::default(), of(15)]);
        let waits = Known { first_seen: at(0), is_pending: true, ..later };
        assert_eq!(past.slots(&waits, 0)[..2], [Slot::default(); 2]);
    }

    #[test]
    fn a_host_was_down_only_while_somebody_looked() {
        let down = incident("host", 5, Some(36), Status::Critical);
        let troubles = course(&down, &[], span(0, 60));
        let slots = slots(HostPast { troubles, planned: Spans::default() });
        assert_eq!(slots[0], Slot { cell: CRITICAL, up: 5 * 12, all: 10 * 12 });
        assert_eq!(slots[1], Slot { cell: CRITICAL, up: 24 * 12, all: 30 * 12 });
    }

    #[test]
    fn a_full_disk_takes_no_host_down() {
        let full = incident("disk", 31, None, Status::Critical);
        let troubles = course(&full, &[], span(0, 60));
        let slots = slots(HostPast { troubles, planned: Spans::default() });
        assert_eq!(slots[0].cell, UP);
        assert_eq!(slots[1], Slot { cell: CRITICAL, up: 360, all: 360 });
    }

    #[test]
    fn what_is_too_much_to_read_is_not_taken_for_good() {
        let down = |id: u32, since, until| {
            let (id, host) = (IncidentId(u64::from(id)), HostId(id));
            IncidentRecord { id, host, ..incident("host", since, Some(until), Status::Critical) }
        };
        // The first goes on while the third begins, the second does not.
        let all = [down(1, 5, 50), down(2, 10, 12), down(3, 30, 31), down(4, 40, 41)];
        let (_folder, reader) = stored(&all.map(Record::Incident));
        let read = |most| {
            let (turns, stop) = (Turns::new(), Stop::default());
            let read = troubles(&reader, &turns, span(0, 60), most, &stop).unwrap().unwrap();
            (read.0, read.1.into_keys().map(|host| host.0).collect::<Vec<_>>())
        };
        assert_eq!(read((100, 10)), (at(0), vec![1, 2, 3, 4]));
        assert_eq!(read((2, 2)), (at(30), vec![1, 3, 4]));
        assert_eq!(read((1, 1)).0, at(60), "nothing is known where even that is too much");
    }

    #[test]
    fn planned_work_is_neither_up_nor_down() {
        let down = incident("host", 30, Some(50), Status::Critical);
        let troubles = course(&down, &[], span(0, 60));
        let planned = Spans::of([span(0, 50)]);
        let slots = slots(HostPast { troubles, planned });
        assert_eq!(slots[0], Slot { cell: WORK, up: 0, all: 0 });
        assert_eq!(slots[1], Slot { cell: WORK, up: 120, all: 120 });
    }

    #[test]
    fn an_incident_was_as_its_history_says() {
        let warning = |from, until| Trouble {
            span: span(from, until),
            status: Status::Warning,
            is_down: false,
        };
        let critical = |from, until| Trouble { status: Status::Critical, ..warning(from, until) };
        let record = incident("disk", 1, Some(50), Status::Critical);
        let (w, c) = (Status::Warning, Status::Critical);
        let turns = [(at(3), None, w), (at(20), Some(w), c), (at(30), Some(c), w)];
        let over = (at(50), None, Status::Ok);
        let all: Vec<_> = turns.into_iter().chain([over]).collect();
        let whole = [warning(3, 20), critical(20, 30), warning(30, 50)];
        assert_eq!(course(&record, &all, span(0, 60)), whole);
        // Its begin is older than what is read.
        assert_eq!(course(&record, &all[1..], span(10, 60))[0], warning(10, 20));
        // Nothing but its end, or nothing at all, is in the time.
        assert_eq!(course(&record, &all[3..], span(40, 60)), [critical(40, 50)]);
        let open = IncidentRecord { resolved_at: None, status: w, ..record.clone() };
        assert_eq!(course(&open, &[], span(40, 60)), [warning(40, 60)]);
        // Over for a while, and back.
        let again = [(at(10), None, w), (at(20), None, Status::Ok), (at(40), None, w)];
        assert_eq!(course(&open, &again, span(0, 60)), [warning(10, 20), warning(40, 60)]);
    }

    fn line(minutes: i64, text: &str) -> JournalLine {
        JournalLine {
            at: at(minutes),
            host: Some(HostId(1)),
            check: None,
            incident: None,
            kind: JournalKind::Server,
            receiver: None,
            text: text.to_owned(),
        }
    }

    fn begins(minutes: i64, until: i64) -> JournalLine {
        line(minutes, &format!("{} until {}: x", hark_engine::IN_MAINTENANCE, at(until).rfc3339()))
    }

    /// Returns a state with these in it. The folder goes with what is returned.
    fn stored(records: &[Record]) -> (tempfile::TempDir, StateReader) {
        let folder = tempfile::tempdir().unwrap();
        let mut state = State::open(folder.path()).unwrap();
        state.commit(records, &[]).unwrap();
        let reader = state.reader().unwrap();
        (folder, reader)
    }

    #[test]
    fn work_that_was_over_began_before() {
        let lines = [begins(40, 55), line(20, hark_engine::MAINTENANCE_OVER)];
        assert_eq!(work(&lines, span(0, 60)), [span(40, 55), span(0, 20)]);
        assert_eq!(work(&lines[..1], span(0, 60)), [span(40, 55)]);
    }

    #[test]
    fn work_that_began_before_the_day_goes_on_over_a_start() {
        let planned = |lines: Vec<JournalLine>| {
            // The first piece ends between it and the day.
            let others = (0..PIECE).map(|_| line(4, "the clock is set"));
            let mut lines: Vec<_> = lines.into_iter().chain(others).collect();
            lines.sort_by_key(|line| line.at);
            let records: Vec<_> = lines.into_iter().map(Record::Journal).collect();
            let (_folder, reader) = stored(&records);
            let period = span(5, 60);
            let mut lines = Lines::read(&reader, period, &Stop::default()).unwrap().unwrap();
            lines.reach_back(&reader, HostId(1), period).unwrap();
            lines.planned(&host(), period)
        };
        let over = |minutes| line(minutes, hark_engine::MAINTENANCE_OVER);
        // The start says again what covers the host.
        assert_eq!(planned(vec![begins(1, 90), begins(60, 90)]), Spans::of([span(5, 60)]));
        assert_eq!(planned(vec![begins(1, 30)]), Spans::of([span(5, 30)]), "over while it was off");
        assert_eq!(planned(vec![begins(1, 90), over(20)]), Spans::of([span(5, 20)]));
        assert_eq!(planned(vec![begins(1, 90), over(3)]), Spans::default());
        let again = vec![begins(1, 90), over(3), begins(40, 50)];
        assert_eq!(planned(again), Spans::of([span(40, 50)]));
    }

    /// Takes on the past of an hour for hosts 0 to 1000, of which host 2 is gone, behind looks that the server made at these
    /// minutes, of which the first found out what is missing.
    fn taken_on(looks: &[i64]) -> Recorder {
        let hosts = 0..=u32::try_from(AT_ONCE).unwrap();
        let recorder = Recorder::default();
        let there = hosts.clone().filter(|id| *id != 2);
        let states: Vec<_> = there.map(|id| (HostId(id), HostState::Ok, true)).collect();
        let look = |minutes| recorder.look(at(minutes) + LOOK, &states, Totals::default());
        look(looks[0]);
        let oldest = recorder.lock().oldest();
        looks[1..].iter().copied().for_each(look);
        let down = course(&incident("host", 30, Some(45), Status::Critical), &[], span(0, 60));
        let (mut past, _) = past(HostPast { troubles: down, planned: Spans::default() });
        let planned = Spans::of([span(0, 10)]);
        past.hosts.insert(HostId(3), HostPast { troubles: Vec::new(), planned });
        let known: Vec<Known> = hosts
            .map(|id| {
                // The last one came late.
                let first_seen = if id == 1000 { at(45) } else { at(0) };
                Known { id: HostId(id), first_seen, ..host() }
            })
            .collect();
        let ran = Ran::read("0..600000 1800000..3600000");
        recorder.take_on(&past, &known, &ran, oldest);
        recorder
    }

    /// Returns at how many looks hosts were up, of how many, by half hours in which it was looked.
    fn counted(recorder: &Recorder) -> Vec<(i64, (u64, u64))> {
        let up = recorder.lock().up.clone();
        up.into_iter().filter(|(_, (_, all))| *all > 0).collect()
    }

    #[test]
    fn the_past_of_every_host_is_taken_on() {
        let recorder = taken_on(&[60]);
        let hosts = [0, 1, 2, 3, 4, 1000].map(HostId);
        let strips = recorder.strips(hosts.into_iter());
        assert_eq!(strips, ["-45o3", "-45o1c1o1", "-48", "-45m1o2", "-45o3", "-46o2"]);
        // Of the 1000 that are there, one was in work in the first ten minutes, and one had not come.
        let (first, second) = (998 * 120, 999 * 360 + 180);
        let up = [(0, (first, first)), (1, (second - 180, second)), (2, (1000, 1000))];
        assert_eq!(counted(&recorder), up);
        let figures = recorder.figures();
        assert_eq!(figures.since, Some(at(0)));
        assert_eq!(figures.looked, Duration::from_mins(40) + LOOK);
    }

    #[test]
    fn what_is_a_day_ago_meanwhile_is_not_taken_on() {
        let recorder = taken_on(&[60, 49 * 30]);
        let strips = recorder.strips([1, 3].map(HostId).into_iter());
        assert_eq!(strips, ["o1-46o1", "o1-46o1"]);
        assert_eq!(counted(&recorder), [(2, (1000, 1000)), (49, (1000, 1000))]);
    }

    #[test]
    fn looks_are_counted_over_all_spans_and_a_part_of_one_is_none() {
        let counted = |spans: &[Span]| looks(&Spans::of(spans.iter().copied()));
        let short = Span { from: at(50), until: at(50) + Duration::from_millis(4_999) };
        assert_eq!(counted(&[]), 0);
        assert_eq!(counted(&[short]), 0);
        assert_eq!(counted(&[span(0, 10), span(30, 31), short]), 11 * 12);
        assert_eq!(counted(&[span(0, 10), span(5, 20)]), 20 * 12, "what is in two counts once");
    }

    #[test]
    fn a_status_is_as_bad_in_the_past_as_in_the_present() {
        let states = [HostState::Ok, HostState::Maintenance, HostState::Warning];
        assert_eq!(states.map(rank), [UP, WORK, WARNING]);
        let statuses = [Status::Ok, Status::Unknown, Status::Warning, Status::Critical];
        assert_eq!(statuses.map(|status| rank(state(status))), [UP, 3, WARNING, CRITICAL]);
    }
}

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
mod tests;

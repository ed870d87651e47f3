//! The server of the world: the real engine, protocol machine, outbox machine, state and history, and
//! between them the shortest driver that keeps the promises of the real one.
//!
//! What an input causes is staged; a commit writes records, sessions and applied items in one
//! transaction after the frames; only then is anything acknowledged or sent. While history is out of
//! order, datagrams with samples are not acknowledged, and all else goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hark_engine::Engine;
use hark_engine::effect::{Effect, Effects, Watch};
use hark_engine::input::{Heard, HostSeen, Input};
use hark_engine::plan::Plan;
use hark_model::frame::{ValueReader, check_values, scale};
use hark_model::record::{DeliveryRecord, DeliveryState, HostId, JournalLine, Record};
use hark_model::time::Micros;
use hark_model::{CheckName, HostName, Notification, Now, ReceiverName, Unix};
use hark_notify::delivery::Policy;
use hark_notify::outbox::Outbox;
use hark_proto::{
    AckFacts, AgentId, AgentKey, Beat, Body, Frame, Header, ItemWindow, Refused, Report,
    ReportItem, ServerSession, SetAssembler, decode, peek, simple_identity,
};
use hark_store::disk::{Disk, FaultPlan};
use hark_store::state::{
    AgentMode, AgentRecord, Change, CommitError, DeliveryView, JournalFilter, OpenError,
    ReportWindow, State,
};

use super::WorldError;
use super::agent::KeptFrame;
use super::samples::{Promised, Samples};

/// How long resolved incidents are loaded for: the reopen window and room.
const RESOLVED_SINCE: Duration = Duration::from_hours(1);

/// Messages of one incident that are read at a start: more than any incident of a world has.
const MAX_ROWS: u32 = 1000;

/// An agent as the server knows it.
#[derive(Debug)]
struct Known {
    host: HostName,
    host_id: Option<HostId>,
    key: AgentKey,
    session: ServerSession,
    assembler: SetAssembler,
    items: ItemWindow,
    watches: Vec<Watch>,
    /// The engine was told this life which series there are.
    declared: bool,
}

/// What the next commit writes and what it allows.
#[derive(Debug, Default)]
struct Staged {
    records: Vec<Record>,
    changes: Vec<Change>,
    stored: Vec<Receipt>,
    sessions: BTreeMap<AgentId, u64>,
    wanted: BTreeMap<AgentId, BTreeSet<u32>>,
}

/// A datagram that is acknowledged once what it brought is on the disk.
#[derive(Clone, Copy, Debug)]
struct Receipt {
    agent: AgentId,
    session: u64,
    counter: u64,
    has_samples: bool,
}

/// Why a write did not succeed.
#[derive(Debug)]
pub(super) enum Failed {
    /// The machine died in it.
    Died,
    /// The disk has no room; it is tried again.
    Later,
    /// Something is broken that nobody broke.
    Broken(CommitError),
}

/// What a commit has written, and the datagrams that may be sent since.
#[derive(Debug)]
pub(super) struct Committed {
    pub(super) records: Vec<Record>,
    pub(super) replies: Vec<(AgentId, Vec<u8>)>,
}

/// How a server breaks its promises, to see that the oracle notices.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lies {
    /// Acknowledges what is not on the disk.
    pub(super) acks_before_commit: bool,
    /// Acknowledges samples that history has refused.
    pub(super) acks_without_history: bool,
    /// Sends a message that stands in for another again after each restart.
    pub(super) sends_known_keys: bool,
}

/// What a step wants of the world.
#[derive(Debug)]
pub(super) enum Wish {
    /// Look at this check now.
    Probe(HostName, CheckName),
    /// Effects, as text for the log.
    Log(String),
    /// These records are about to be committed.
    Records(Vec<Record>),
    /// The engine was fed a good or bad fresh sign of this host.
    Fed(HostName),
}

/// The running server.
#[derive(Debug)]
pub(super) struct SimServer {
    pub(super) engine: Engine,
    pub(super) state: State,
    pub(super) disk: Arc<FaultPlan>,
    pub(super) samples: Samples,
    pub(super) outbox: Outbox,
    /// Receivers that have taken a message in this life.
    pub(super) proven: BTreeSet<ReceiverName>,
    /// Where messages stand, not written yet for want of room.
    unwritten: Vec<DeliveryRecord>,
    secret: Vec<u8>,
    agents: BTreeMap<AgentId, Known>,
    hosts: BTreeMap<HostName, HostId>,
    staged: Staged,
    pub(super) refused: [u64; Refused::ALL.len()],
    salt: u64,
    pub(super) lies: Lies,
}

impl SimServer {
    /// Starts on what is in `dir`.
    pub(super) fn start(
        dir: &Path,
        plan: Arc<Plan>,
        receivers: Vec<(ReceiverName, Option<ReceiverName>)>,
        secret: &[u8],
        now: Now,
        salt: u64,
        wishes: &mut Vec<Wish>,
    ) -> Result<Self, WorldError> {
        let disk = FaultPlan::counting();
        let mut state = State::open_on(dir, Disk::breaking(Arc::clone(&disk)))?;
        state.release_leases(now.unix)?;
        let loaded = state.load(now.unix - RESOLVED_SINCE)?;
        let agents = state.reader()?.agents()?.into_iter().map(known).collect();
        let hosts = loaded.snapshot.hosts.iter().map(|h| (h.name.clone(), h.id)).collect();
        let (engine, effects) = Engine::new(plan, loaded.snapshot, now);
        // One message a receiver at a time, as the real driver has it: the bound on doubles.
        let policy = Policy { in_flight: 1, ..Policy::default() };
        let mut server = Self {
            engine,
            state,
            disk,
            samples: Samples::open(dir, FaultPlan::counting())?,
            outbox: Outbox::new(receivers, policy),
            proven: BTreeSet::new(),
            unwritten: Vec::new(),
            secret: secret.to_vec(),
            agents,
            hosts,
            staged: Staged::default(),
            refused: [0; Refused::ALL.len()],
            salt,
            lies: Lies::default(),
        };
        server.absorb(effects, wishes);
        Ok(server)
    }

    /// Returns the messages of before this start that the outbox must know: all that are open, and
    /// those of incidents that may go on.
    pub(super) fn rows(&self, now: Now) -> Result<Vec<DeliveryRecord>, OpenError> {
        let snapshot = self.state.load(now.unix - RESOLVED_SINCE)?.snapshot;
        let reader = self.state.reader()?;
        let mut rows = snapshot.outbox;
        for incident in &snapshot.incidents {
            rows.extend(reader.deliveries(DeliveryView::Of(incident.id), None, MAX_ROWS)?);
        }
        rows.sort_by_key(|row| row.notification.id);
        rows.dedup_by_key(|row| row.notification.id);
        Ok(rows)
    }

    /// Feeds the engine.
    pub(super) fn step(&mut self, input: Input, now: Now, wishes: &mut Vec<Wish>) {
        let mut effects = Effects::default();
        self.engine.step(input, now, &mut effects);
        self.absorb(effects, wishes);
    }

    fn absorb(&mut self, effects: Effects, wishes: &mut Vec<Wish>) {
        if effects.is_empty() {
            return;
        }
        wishes.push(Wish::Log(format!("{effects:?}")));
        for effect in effects.effects {
            match effect {
                Effect::HostLearned { host, name } => {
                    self.hosts.insert(name, host);
                }
                Effect::HostDropped { host } => self.hosts.retain(|_, id| *id != host),
                Effect::Watch { host, watches } => {
                    for agent in self.agents.values_mut().filter(|a| a.host_id == Some(host)) {
                        agent.watches.clone_from(&watches);
                    }
                }
                Effect::Probe { host, check } => {
                    if let Some(name) = self.host_name(host) {
                        wishes.push(Wish::Probe(name, check));
                    }
                }
                // Agents of this world offer no actions.
                Effect::Order { .. } | Effect::Changed(_) | Effect::Answer { .. } => {}
            }
        }
        if !effects.records.is_empty() {
            wishes.push(Wish::Records(effects.records.clone()));
            self.staged.records.extend(effects.records);
        }
    }

    /// Returns the number of a host.
    pub(super) fn host_id(&self, name: &HostName) -> Option<HostId> {
        self.hosts.get(name).copied()
    }

    /// Returns the name of a host.
    pub(super) fn host_name(&self, id: HostId) -> Option<HostName> {
        self.hosts.iter().find(|(_, host)| **host == id).map(|(name, _)| name.clone())
    }

    /// Takes a datagram from the network; returns a reset if one is owed.
    pub(super) fn receive(
        &mut self,
        mut datagram: Vec<u8>,
        now: Now,
        at: Micros,
        wishes: &mut Vec<Wish>,
    ) -> Option<Vec<u8>> {
        let header = peek(&datagram).ok()?.header;
        match self.accept(&mut datagram, now, at, wishes) {
            Ok(()) => None,
            Err(refused) => {
                self.refused[refused.index()] += 1;
                if refused != Refused::Stale {
                    return None;
                }
                self.reset(header, at)
            }
        }
    }

    fn reset(&mut self, header: Header, at: Micros) -> Option<Vec<u8>> {
        self.salt += 1;
        let mut salt = [0; 16];
        salt[..8].copy_from_slice(&self.salt.to_be_bytes());
        let known = self.agents.get_mut(&header.agent)?;
        let mut out = Vec::new();
        let key = known.key.clone();
        known.session.reset(&key, &header, salt, at, &mut out).then_some(out)
    }

    fn accept(
        &mut self,
        datagram: &mut [u8],
        now: Now,
        at: Micros,
        wishes: &mut Vec<Wish>,
    ) -> Result<(), Refused> {
        let envelope = peek(datagram)?;
        let agent = envelope.header.agent;
        if !self.agents.contains_key(&agent) {
            let name = envelope.name.ok_or(Refused::Agent)?;
            let known = self.meet(agent, name, now)?;
            self.agents.insert(agent, known);
        }
        let Some(known) = self.agents.get_mut(&agent) else { return Err(Refused::Agent) };
        let from = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let key = known.key.clone();
        let received = known.session.open(&key, datagram, from, at)?;
        if let Some(session) = known.session.to_persist() {
            self.staged.sessions.insert(agent, session);
        }
        let header = received.header;
        let body = decode(header.kind, received.content)?;
        let skew_ms = skew(received.sent_at, now);
        let has_samples = matches!(body, Body::Beat(_) | Body::Backlog(_));
        let is_stored = self.take(agent, body, skew_ms, now, wishes)?;
        if is_stored {
            let Header { session, counter, .. } = header;
            self.staged.stored.push(Receipt { agent, session, counter, has_samples });
        }
        Ok(())
    }

    fn meet(&mut self, agent: AgentId, name: &str, now: Now) -> Result<Known, Refused> {
        let (id, key) = simple_identity(&self.secret, name);
        let host = HostName::new(name).map_err(|_| Refused::Header)?;
        if id != agent {
            return Err(Refused::Forged);
        }
        let record = AgentRecord {
            id: id.0,
            host: host.clone(),
            mode: AgentMode::Shared,
            key: *key.expose(),
            session: 0,
            reports: ReportWindow::default(),
            created: now.unix,
            revoked: None,
        };
        self.staged.changes.push(Change::Agent(record.clone()));
        Ok(known(record).1)
    }

    /// Applies a content; false if it cannot be stored yet. `skew_ms` is to be taken off its times.
    fn take(
        &mut self,
        agent: AgentId,
        body: Body<'_>,
        skew_ms: i64,
        now: Now,
        wishes: &mut Vec<Wish>,
    ) -> Result<bool, Refused> {
        match body {
            Body::Hello(hello) => {
                let interval = Duration::from_millis(u64::from(hello.interval_ms));
                self.seen(agent, interval, now, wishes);
                let host = self.host_of(agent)?;
                let sets = hello.sets.iter().copied();
                let unknown: BTreeSet<u32> =
                    sets.filter(|set| self.samples.set(&host, *set).is_none()).collect();
                self.staged.wanted.entry(agent).or_default().extend(unknown);
                Ok(true)
            }
            Body::Beat(beat) => self.beat(agent, beat, skew_ms, now, wishes),
            Body::Backlog(backlog) => {
                let mut is_stored = true;
                for frame in backlog.frames {
                    is_stored &= self.keep(agent, frame)?;
                }
                Ok(is_stored)
            }
            Body::Sets(part) => {
                let host = self.host_of(agent)?;
                let known = self.agents.get_mut(&agent).ok_or(Refused::Agent)?;
                if let Some((set, series)) = known.assembler.add(part) {
                    known.declared = false;
                    if let Some(id) = known.host_id {
                        self.samples.declare(&host, id, set, series, now);
                    }
                }
                Ok(true)
            }
            Body::Report(report) => self.report(agent, report, now, wishes),
            // Nobody is given anything here.
            Body::Fetch(_) => Ok(true),
        }
    }

    fn beat(
        &mut self,
        agent: AgentId,
        beat: Beat<'_>,
        skew_ms: i64,
        now: Now,
        wishes: &mut Vec<Wish>,
    ) -> Result<bool, Refused> {
        let interval = Duration::from_millis(u64::from(beat.interval_ms));
        self.seen(agent, interval, now, wishes);
        self.declare(agent, now, wishes);
        let mut is_stored = true;
        let (mut values, mut taken_at) = (Vec::new(), now.unix);
        for frame in beat.frames {
            is_stored &= self.keep(agent, frame)?;
            taken_at = Unix(frame.taken_at.0 - skew_ms);
            self.watched(agent, frame, &mut values)?;
        }
        let host = self.agents.get(&agent).and_then(|known| known.host_id);
        let host = host.ok_or(Refused::Agent)?;
        wishes.push(Wish::Fed(self.host_of(agent)?));
        let heard = Heard {
            host,
            interval_ms: beat.interval_ms,
            moved_to: None,
            rtt_us: beat.rtt_us,
            taken_at,
            values,
        };
        self.step(Input::Heard(heard), now, wishes);
        Ok(is_stored)
    }

    fn report(
        &mut self,
        agent: AgentId,
        report: Report,
        now: Now,
        wishes: &mut Vec<Wish>,
    ) -> Result<bool, Refused> {
        self.seen(agent, Duration::ZERO, now, wishes);
        let known = self.agents.get_mut(&agent).ok_or(Refused::Agent)?;
        let (host, mut items) = (known.host_id.ok_or(Refused::Agent)?, known.items);
        let fresh =
            report.items.into_iter().filter(|(number, _)| items.take(report.epoch, *number));
        let fresh: Vec<_> = fresh.filter_map(|(_, item)| item).collect();
        known.items = items;
        for item in fresh {
            self.apply(host, item, now, wishes);
        }
        let ItemWindow { epoch, newest, before } = items;
        let window = ReportWindow { epoch, newest, before };
        self.staged.changes.push(Change::AgentReports { agent: agent.0, window });
        Ok(true)
    }

    fn apply(&mut self, host: HostId, item: ReportItem, now: Now, wishes: &mut Vec<Wish>) {
        let input = match item {
            ReportItem::Result(result) => Input::Result { host, result },
            ReportItem::Event(event) => Input::Event { host, event },
            ReportItem::Facts(facts) => Input::Facts { host, facts },
            ReportItem::Outcome(outcome) => Input::Event { host, event: outcome.event(now.unix) },
        };
        self.step(input, now, wishes);
    }

    fn host_of(&self, agent: AgentId) -> Result<HostName, Refused> {
        self.agents.get(&agent).map(|known| known.host.clone()).ok_or(Refused::Agent)
    }

    /// Makes the host known to the engine.
    fn seen(&mut self, agent: AgentId, interval: Duration, now: Now, wishes: &mut Vec<Wish>) {
        let Ok(name) = self.host_of(agent) else { return };
        if self.host_id(&name).is_none() {
            let seen = HostSeen { name: name.clone(), interval, address: None };
            self.step(Input::HostSeen(seen), now, wishes);
        }
        let host = self.host_id(&name);
        if let Some(known) = self.agents.get_mut(&agent) {
            known.host_id = host;
        }
    }

    /// Tells the engine once in this life, and after each new set, which series the host has.
    fn declare(&mut self, agent: AgentId, now: Now, wishes: &mut Vec<Wish>) {
        let Some(known) = self.agents.get_mut(&agent) else { return };
        let (Some(host), false) = (known.host_id, known.declared) else { return };
        let series = self.samples.series_of(&known.host);
        if series.is_empty() {
            return;
        }
        known.declared = true;
        self.step(Input::SeriesSeen { host, series }, now, wishes);
    }

    /// Stages a frame; false if its set is not known.
    fn keep(&mut self, agent: AgentId, frame: Frame<'_>) -> Result<bool, Refused> {
        let host = self.host_of(agent)?;
        let id = self.host_id(&host).ok_or(Refused::Agent)?;
        let Some(series) = self.samples.set(&host, frame.set) else {
            self.staged.wanted.entry(agent).or_default().insert(frame.set);
            return Ok(false);
        };
        check_values(frame.values, series.len()).map_err(|_| Refused::Malformed)?;
        let kept = KeptFrame { set: frame.set, values: frame.values.to_vec() };
        self.samples.keep(host, id, frame.taken_at, kept);
        Ok(true)
    }

    /// Adds the values that some threshold looks at.
    fn watched(
        &self,
        agent: AgentId,
        frame: Frame<'_>,
        values: &mut Vec<(u32, f64)>,
    ) -> Result<(), Refused> {
        let Some(known) = self.agents.get(&agent) else { return Ok(()) };
        let Some(series) = self.samples.set(&known.host, frame.set) else { return Ok(()) };
        for (def, item) in series.iter().zip(ValueReader::new(frame.values)) {
            let item = item.map_err(|_| Refused::Malformed)?;
            for watch in known.watches.iter().filter(|watch| watch.series == def.name) {
                values.push((watch.number, scale(item, def.decimals)));
            }
        }
        Ok(())
    }

    /// Returns the messages among committed `records` that are in the outbox: one whose key was there
    /// before is not.
    pub(super) fn new_rows(
        &self,
        records: Vec<Record>,
    ) -> Result<Vec<DeliveryRecord>, CommitError> {
        let mut rows = Vec::new();
        for record in records {
            if let Record::Outbox(row) = record
                && (self.lies.sends_known_keys || self.state.has_delivery(row.notification.id)?)
            {
                rows.push(row);
            }
        }
        Ok(rows)
    }

    /// Puts a message that stands in for another into the outbox, in the same transaction as the other if
    /// that is settled by it.
    pub(super) fn hand_over(
        &mut self,
        settled: Option<DeliveryRecord>,
        notification: Notification,
    ) {
        self.staged.changes.extend(settled.map(Change::Delivery));
        let id = self.engine.delivery_number();
        self.staged.records.push(Record::Outbox(DeliveryRecord {
            notification: Notification { id, ..notification },
            state: DeliveryState::Queued,
            attempts: 0,
            last_error: String::new(),
            took_ms: 0,
        }));
    }

    /// Returns true if there is something to commit.
    pub(super) fn is_dirty(&self) -> bool {
        let Staged { records, changes, stored, sessions, wanted } = &self.staged;
        self.samples.is_dirty()
            || !(records.is_empty()
                && changes.is_empty()
                && stored.is_empty()
                && sessions.is_empty()
                && wanted.is_empty()
                && self.unwritten.is_empty())
    }

    /// Returns the keys of the messages of which it is not written where they stand.
    pub(super) fn unwritten_keys(&self) -> Vec<String> {
        let staged =
            self.staged.changes.iter().filter_map(|change| {
                if let Change::Delivery(row) = change { Some(row) } else { None }
            });
        self.unwritten.iter().chain(staged).map(|row| row.notification.key.clone()).collect()
    }

    /// Writes where messages stand, behind what waits already.
    pub(super) fn write(&mut self, rows: Vec<DeliveryRecord>) -> Result<(), Failed> {
        self.unwritten.extend(rows);
        let changes: Vec<Change> = self.unwritten.iter().cloned().map(Change::Delivery).collect();
        self.state.commit(&[], &changes).map_err(|error| self.why(error))?;
        self.unwritten.clear();
        Ok(())
    }

    /// Writes what is staged: frames first, then state in one transaction. Returns the committed
    /// records and the datagrams that may now be sent; nothing is lost if it fails.
    pub(super) fn commit(
        &mut self,
        promised: &mut Promised,
        now: Now,
        at: Micros,
    ) -> Result<Committed, Failed> {
        if !self.samples.sync(promised, now) && !self.lies.acks_without_history {
            self.staged.stored.retain(|receipt| !receipt.has_samples);
        }
        if self.samples.disk.is_dead() {
            return Err(Failed::Died);
        }
        let mut changes = self.staged.changes.clone();
        let sessions = self.staged.sessions.iter();
        changes.extend(
            sessions
                .map(|(agent, session)| Change::AgentSession { agent: agent.0, session: *session }),
        );
        changes.extend(self.unwritten.iter().cloned().map(Change::Delivery));
        if !(changes.is_empty() && self.staged.records.is_empty()) {
            let written = self.state.commit(&self.staged.records, &changes);
            written.map_err(|error| self.why(error))?;
        }
        self.unwritten.clear();
        let staged = std::mem::take(&mut self.staged);
        let replies = self.allow(&staged, now, at);
        Ok(Committed { records: staged.records, replies })
    }

    fn why(&self, error: CommitError) -> Failed {
        if self.disk.is_dead() {
            Failed::Died
        } else if error.is_transient() {
            Failed::Later
        } else {
            Failed::Broken(error)
        }
    }

    /// Returns what may be said now that `staged` is on the disk.
    fn allow(&mut self, staged: &Staged, now: Now, at: Micros) -> Vec<(AgentId, Vec<u8>)> {
        for (agent, session) in &staged.sessions {
            if let Some(known) = self.agents.get_mut(agent) {
                known.session.persisted(*session);
            }
        }
        for receipt in &staged.stored {
            if let Some(known) = self.agents.get_mut(&receipt.agent) {
                known.session.stored(receipt.session, receipt.counter);
            }
        }
        let mut replies = Vec::new();
        for (agent, known) in &mut self.agents {
            let facts = AckFacts { now, ..AckFacts::default() };
            let mut datagram = Vec::new();
            if known.session.ack(*agent, &facts, at, &mut datagram) {
                replies.push((*agent, datagram));
            }
            let wanted: Vec<u32> =
                staged.wanted.get(agent).into_iter().flatten().copied().collect();
            let mut datagram = Vec::new();
            if known.session.want_sets(*agent, &wanted, &mut datagram) {
                replies.push((*agent, datagram));
            }
        }
        replies
    }

    /// Says that everything is on the disk, which it is not.
    pub(super) fn lie(&mut self, now: Now, at: Micros) -> Vec<(AgentId, Vec<u8>)> {
        let stored = self.staged.stored.clone();
        let sessions = self.staged.sessions.clone();
        self.allow(&Staged { stored, sessions, ..Staged::default() }, now, at)
    }

    /// Reads the whole journal back.
    pub(super) fn journal(&self) -> Result<Vec<JournalLine>, OpenError> {
        const ROWS: u32 = 1000;
        let reader = self.state.reader()?;
        let (mut lines, mut before) = (Vec::new(), None);
        loop {
            let rows = reader.journal(&JournalFilter::default(), before, ROWS)?;
            let Some(last) = rows.last() else { return Ok(lines) };
            before = Some(last.id);
            lines.extend(rows.into_iter().map(|row| row.line));
        }
    }

    /// Returns what was being committed when the server died.
    pub(super) fn staged_records(&self) -> Vec<Record> {
        self.staged.records.clone()
    }

    /// Returns how often two agents seemed to share a key.
    pub(super) fn duplicates(&self) -> u32 {
        self.agents.values().map(|known| known.session.duplicates()).sum()
    }
}

/// Returns what must be taken off an agent's times before the engine sees them: what it measured just now
/// must not count as old because its clock is wrong (fault 9). Of a clock that is far ahead the engine
/// shall know.
fn skew(sent_at: Unix, now: Now) -> i64 {
    const ON_THE_WAY: i64 = 5_000;
    const FAR_AHEAD: i64 = 60_000;
    let ahead = sent_at.0 - now.unix.0;
    if (-ON_THE_WAY..=ON_THE_WAY).contains(&ahead) || ahead > FAR_AHEAD { 0 } else { ahead }
}

fn known(record: AgentRecord) -> (AgentId, Known) {
    let ReportWindow { epoch, newest, before } = record.reports;
    let known = Known {
        host: record.host,
        host_id: None,
        key: AgentKey::new(record.key),
        session: ServerSession::new(record.session, None),
        assembler: SetAssembler::default(),
        items: ItemWindow { epoch, newest, before },
        watches: Vec::new(),
        declared: false,
    };
    (AgentId(record.id), known)
}

//! Ingest: sockets, keys, sessions. One thread receives in batches, refuses cheaply, opens, decodes,
//! splits each datagram between the engine and history, and answers once both have kept it.
//!
//! ```text
//! receive -> peek -> agent by id -> open (window, seal) -> decode -> frames  -> history thread
//!                                                                 -> inputs  -> engine thread -> store thread
//! answer  <- stored(counter) <- both have said that ticket N is on the disk
//! ```
//!
//! Each flush of a batch gets a *ticket*. The engine's records caused by it are committed under the same
//! ticket, the frames are synced under the same ticket, and only when both have come back are the
//! datagrams of that ticket marked stored and acknowledged. If history is stopped (full disk), datagrams
//! with frames are answered but not marked stored: their agent keeps them and sends them again.
//!
//! The thread never waits for the disk. It waits for the engine only when the engine's queue is full, and
//! then the kernel's buffer is the queue; what that loses is counted and shown.

mod agents;
mod frames;
mod https;
mod limiter;
mod orders;
mod papers;
mod pending;

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError};
use std::time::Duration;

use hark_engine::input::{Heard, HostSeen, Input};
use hark_model::HostName;
use hark_model::time::{Clock, Micros, Mono, Now};
use hark_proto::header::SALT;
use hark_proto::{AckFacts, AckFlags, Body, Header, Hello, Refused, Report, ReportItem};
use hark_store::history::SetId;
use hark_store::state::Change;
use hark_web::Live;

pub(crate) use agents::{AgentFacts, Agents, KnownAgent, Mode};
pub(crate) use https::{Brought, Taken};
use limiter::Limiter;
use orders::Orders;
use papers::Papers;
use pending::{Entry, Outcome, Pending, To};

use super::history_loop::ToHistory;
use super::message_journal::{Line, MessageJournal};
use super::messages::{DefineSet, EngineBatch, HistoryBatch, ToEngine, ToIntake};
use super::own_limits::OwnLimits;
use super::tally::{Fate, Tally};
use super::vitals::Vitals;
use crate::stop::Stop;
use crate::sys::{BATCH, Bell, ReceiveBatch, SendBatch, Sent, wait};

/// How long the thread sleeps when nothing happens: bounds how late it notices the end.
const IDLE: Duration = Duration::from_millis(500);

/// How long what was received waits for company before it is handed on: waking the engine and history
/// for each datagram would cost more than the datagram.
const GATHER: Duration = Duration::from_millis(10);

/// How often the last batch is offered to an engine that is behind: a second in all.
const HAND_ON_TRIES: usize = 500;

/// How much is handed on at once at the latest.
const GATHER_MOST: usize = 512;

/// How long to wait for an engine that is behind before looking again.
const BEHIND: Duration = Duration::from_millis(2);

/// How often the kernel is asked how many datagrams it dropped.
const LOOK_FOR_DROPS: Duration = Duration::from_secs(1);

/// Batches taken from one socket before what was found is handed on: bounds the latency of a flush
/// under flood to about a millisecond.
const BATCHES_PER_FLUSH: usize = 16;

/// What the thread is given.
pub(crate) struct Setup {
    /// Bound sockets, all served alike.
    pub(crate) sockets: Vec<UdpSocket>,
    /// Rung when `inbox` has something.
    pub(crate) bell: Arc<Bell>,
    /// Who is known.
    pub(crate) agents: Agents,
    /// Messages from the engine, the store, history and the page.
    pub(crate) inbox: Receiver<ToIntake>,
    /// To the engine thread.
    pub(crate) engine: SyncSender<ToEngine>,
    /// To the history thread.
    pub(crate) history: SyncSender<ToHistory>,
    /// To the message journal, if it is kept.
    pub(crate) journal: Option<MessageJournal>,
    /// Counters.
    pub(crate) tally: Arc<Tally>,
    /// Newest values for lists.
    pub(crate) vitals: Arc<Vitals>,
    /// Limits that came with plugins' results, for charts.
    pub(crate) own_limits: Arc<OwnLimits>,
    /// Told of every host that was heard, while somebody watches.
    pub(crate) live: Live,
    /// Ends the thread.
    pub(crate) stop: Stop,
}

impl std::fmt::Debug for Setup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setup").field("sockets", &self.sockets).finish_non_exhaustive()
    }
}

/// Runs ingest until the flag is raised and everything received is handed on.
pub(crate) fn run(setup: Setup) {
    let mut intake = Intake::new(setup);
    let mut room = ReceiveBatch::new();
    loop {
        let busy = intake.turn(&mut room);
        if intake.setup.stop.is_raised() {
            break;
        }
        if !busy {
            let limit = if intake.has_open() { GATHER } else { IDLE };
            wait(&intake.setup.sockets, &intake.setup.bell, limit);
        }
    }
    // What was received is handed on, as far as the engine still takes it.
    for _ in 0..HAND_ON_TRIES {
        if intake.unsent.is_none() {
            break;
        }
        intake.read_inbox();
        intake.hand_on();
        wait(&[], &intake.setup.bell, BEHIND);
    }
    if intake.unsent.is_none() {
        intake.close_ticket();
    }
}

struct Intake {
    setup: Setup,
    limiter: Limiter,
    pending: Pending,
    waiting: https::Waiting,
    out: SendBatch,
    reply: Vec<u8>,
    inputs: Vec<Input>,
    changes: Vec<Change>,
    frames: HistoryBatch,
    /// Handed on by nobody yet because the engine's or history's queue is full.
    unsent: Option<(EngineBatch, HistoryBatch)>,
    ticket: u64,
    history_stopped: bool,
    papers: Papers,
    orders: Orders,
    answers_due: Vec<usize>,
    wanted: Vec<u32>,
    heartbeats: u64,
    samples: u64,
    drops: u64,
    looked_at: Mono,
    open_since: Option<Mono>,
}

/// One datagram, or request, that passed the door.
#[derive(Clone, Copy)]
struct Arrival {
    slot: usize,
    session: u64,
    counter: u64,
    from: SocketAddr,
    socket: usize,
    moved: bool,
    now: Now,
}

impl Intake {
    fn new(setup: Setup) -> Self {
        Self {
            setup,
            limiter: Limiter::default(),
            pending: Pending::default(),
            waiting: https::Waiting::default(),
            out: SendBatch::new(),
            reply: Vec::with_capacity(hark_proto::MAX_DATAGRAM),
            inputs: Vec::new(),
            changes: Vec::new(),
            frames: HistoryBatch::default(),
            unsent: None,
            ticket: 0,
            history_stopped: false,
            papers: Papers::default(),
            orders: Orders::default(),
            answers_due: Vec::new(),
            wanted: Vec::new(),
            heartbeats: 0,
            samples: 0,
            drops: 0,
            looked_at: Clock.now().mono,
            open_since: None,
        }
    }

    /// Looks whether the kernel dropped datagrams because we were too slow: then silence of hosts says
    /// nothing about them (rule F5).
    fn look_for_drops(&mut self, now: Now) {
        if now.mono.since(self.looked_at) < LOOK_FOR_DROPS {
            return;
        }
        self.looked_at = now.mono;
        let drops: u64 = self.setup.sockets.iter().map(crate::sys::dropped).sum();
        let before = std::mem::replace(&mut self.drops, drops);
        if drops == before {
            return;
        }
        self.setup.tally.lost(drops);
        let lost = drops.saturating_sub(before);
        tracing::warn!(lost, "the kernel dropped datagrams: ingest is too slow");
        let reason = format!("{lost} datagrams were dropped before they could be read");
        self.inputs.push(Input::IngestDegraded { reason, gap: Duration::ZERO });
        self.inputs.push(Input::IngestHealthy);
    }

    /// Reads what waits on every socket, hands it on, answers what is stored; returns true if there
    /// may be more.
    fn turn(&mut self, room: &mut ReceiveBatch) -> bool {
        let now = Clock.now();
        let at = Clock.micros();
        self.read_inbox();
        self.spread_papers(now);
        self.answer(now, at);
        self.hand_on();
        if self.unsent.is_some() {
            // The engine is behind: the kernel's buffer is the queue until it has caught up.
            self.send_answers();
            wait(&[], &self.setup.bell, BEHIND);
            return true;
        }
        let mut more = false;
        for socket in 0..self.setup.sockets.len() {
            more |= self.drain(room, socket, now, at);
        }
        self.look_for_drops(now);
        if self.has_gathered(now.mono) {
            self.close_ticket();
        }
        self.send_answers();
        more || self.papers.is_busy()
    }

    /// Returns whether something waits to be handed on.
    fn has_open(&self) -> bool {
        !(self.inputs.is_empty()
            && self.changes.is_empty()
            && self.frames.is_empty()
            && self.pending.is_open_empty())
    }

    /// Returns whether what waits has waited long enough, or is enough.
    fn has_gathered(&mut self, now: Mono) -> bool {
        if !self.has_open() {
            return false;
        }
        let since = *self.open_since.get_or_insert(now);
        self.inputs.len() >= GATHER_MOST || now.since(since) >= GATHER
    }

    fn drain(&mut self, room: &mut ReceiveBatch, socket: usize, now: Now, at: Micros) -> bool {
        for _ in 0..BATCHES_PER_FLUSH {
            let n = match room.receive(&self.setup.sockets[socket]) {
                Ok(n) => n,
                Err(error) => {
                    tracing::error!(%error, "cannot receive datagrams");
                    return false;
                }
            };
            for i in 0..n {
                if let Some((datagram, from)) = room.get(i) {
                    let fate = self.datagram(datagram, from, socket, now, at);
                    self.setup.tally.count(fate);
                }
            }
            if n < BATCH {
                return false;
            }
        }
        true
    }

    /// Looks at one datagram. Refusals come in the order of their cost.
    fn datagram(
        &mut self,
        datagram: &mut [u8],
        from: SocketAddr,
        socket: usize,
        now: Now,
        at: Micros,
    ) -> Fate {
        let envelope = match hark_proto::peek(datagram) {
            Ok(envelope) => envelope,
            Err(refused) => return Fate::Refused(refused),
        };
        let header = envelope.header;
        let Some(slot) = self.setup.agents.find(header.agent) else {
            let name = envelope.name.and_then(|name| HostName::new(name).ok());
            return match name {
                Some(name) => self.stranger(&name, header, datagram, from, socket, now, at),
                None => Fate::Refused(Refused::Agent),
            };
        };
        let agent = self.setup.agents.slot(slot);
        match agent.session.open(&agent.key, datagram, from.ip(), at) {
            Ok(received) => {
                let moved = received.moved;
                let sent_at = received.sent_at;
                if received.opened {
                    self.limiter.prove(from.ip(), at);
                    let agent = header.agent.0;
                    self.changes.push(Change::AgentSession { agent, session: header.session });
                }
                agent.reply_to = Some((from, socket));
                agent.last_seen = Some(now.unix);
                agent.skew_ms = sent_at.0.saturating_sub(now.unix.0);
                let Header { session, counter, .. } = header;
                let arrival = Arrival { slot, session, counter, from, socket, moved, now };
                match hark_proto::decode(received.header.kind, received.content) {
                    Ok(body) => self.body(arrival, body),
                    Err(refused) => Fate::Refused(refused),
                }
            }
            Err(Refused::Stale) => {
                self.owe_reset(slot, header, from, socket, at);
                Fate::Refused(Refused::Stale)
            }
            Err(refused) => Fate::Refused(refused),
        }
    }

    /// Looks at the hello of somebody who is not known but may hold the shared secret.
    #[expect(clippy::too_many_arguments, reason = "the parts of one datagram, passed on once")]
    fn stranger(
        &mut self,
        name: &HostName,
        header: Header,
        datagram: &mut [u8],
        from: SocketAddr,
        socket: usize,
        now: Now,
        at: Micros,
    ) -> Fate {
        if !self.limiter.admit(from.ip(), at) {
            return Fate::Refused(Refused::Limited);
        }
        let known = match self.setup.agents.stranger(header.agent, name) {
            Ok(known) => known,
            Err(fate) => return fate,
        };
        let mut session = hark_proto::ServerSession::new(0, None);
        let key = hark_proto::AgentKey::new(known.key);
        let received = match session.open(&key, datagram, from.ip(), at) {
            Ok(received) => received,
            Err(refused) => return Fate::Refused(refused),
        };
        let body = match hark_proto::decode(received.header.kind, received.content) {
            Ok(body) => body,
            Err(refused) => return Fate::Refused(refused),
        };
        self.limiter.prove(from.ip(), at);
        self.changes.push(Change::Agent(known.record(now.unix, header.session)));
        let slot = self.setup.agents.admit(known);
        let agent = self.setup.agents.slot(slot);
        agent.session = session;
        agent.reply_to = Some((from, socket));
        agent.last_seen = Some(now.unix);
        let Header { session, counter, .. } = header;
        self.body(Arrival { slot, session, counter, from, socket, moved: false, now }, body)
    }

    fn owe_reset(
        &mut self,
        slot: usize,
        header: Header,
        from: SocketAddr,
        socket: usize,
        at: Micros,
    ) {
        let Ok(salt) = random_salt() else { return };
        let agent = self.setup.agents.slot(slot);
        if agent.session.reset(&agent.key, &header, salt, at, &mut self.reply) {
            self.push_reply(from, socket);
        }
    }

    /// Splits one decoded datagram between the engine and history. What cannot be kept yet, because
    /// its host or one of its sets is not known so far, is not acknowledged and comes again.
    fn body(&mut self, arrival: Arrival, body: Body<'_>) -> Fate {
        let kept = match body {
            Body::Hello(hello) => {
                self.hello(arrival, &hello);
                Some(false)
            }
            Body::Beat(beat) => self.beat(arrival, &beat),
            Body::Backlog(backlog) => self.backlog(arrival, &backlog),
            Body::Sets(part) => self.set(arrival, part),
            Body::Report(report) => self.report(arrival, report),
            Body::Fetch(fetch) => {
                self.fetch(arrival.slot, fetch, arrival.now);
                Some(false)
            }
        };
        if let Some(has_frames) = kept {
            let Arrival { slot, session, counter, .. } = arrival;
            self.pending.add(Entry { slot, session, to: To::Counter(counter), has_frames });
        }
        Fate::Accepted
    }

    fn hello(&mut self, arrival: Arrival, hello: &Hello) {
        let agent = self.setup.agents.slot(arrival.slot);
        let name = agent.name.clone();
        let interval = Duration::from_millis(u64::from(hello.interval_ms));
        let address = Some(arrival.from.ip());
        if let Some(host) = agent.host {
            let mut facts: Vec<(String, String)> =
                hello.facts.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
            facts.push(("agent_version".to_owned(), hello.version.clone()));
            self.inputs.push(Input::Facts { host, facts });
            let heard = heard(arrival, host, hello.interval_ms, None);
            self.inputs.push(Input::Heard(heard));
        } else {
            // The facts come again with the next hello or report, once the host has its number.
            agent.hello = Some(Box::new(hello.clone()));
            self.inputs.push(Input::HostSeen(HostSeen { name: name.clone(), interval, address }));
        }
        let unknown = hello.sets.iter().filter(|n| agent_lacks(&self.setup.agents, arrival, **n));
        self.wanted.clear();
        self.wanted.extend(unknown);
        self.want_sets(arrival);
        self.journal(arrival, || Line::hello(&name, hello));
        self.paper_for(arrival.slot);
    }

    fn set(&mut self, arrival: Arrival, part: hark_proto::SetsPart) -> Option<bool> {
        let agent = self.setup.agents.slot(arrival.slot);
        let host = agent.host?;
        let assembler = agent.assembler.get_or_insert_default();
        let complete = assembler.add(part);
        if assembler.is_empty() {
            agent.assembler = None;
        }
        if let Some((number, series)) = complete {
            let series = Arc::from(series);
            self.frames.define.push(DefineSet { slot: arrival.slot, host, number, series });
        }
        Some(false)
    }

    fn report(&mut self, arrival: Arrival, report: Report) -> Option<bool> {
        let agent = self.setup.agents.slot(arrival.slot);
        let host = agent.host?;
        let id = agent.id.0;
        for (number, item) in report.items {
            let agent = self.setup.agents.slot(arrival.slot);
            if !agent.items.take(report.epoch, number) {
                continue;
            }
            let Some(item) = item else { continue };
            let name = agent.name.clone();
            self.journal(arrival, || Line::item(&name, &item));
            if let ReportItem::Outcome(outcome) = &item {
                self.order_ended(name.clone(), outcome, arrival.now);
            }
            self.inputs.push(match item {
                ReportItem::Result(result) => {
                    self.setup.own_limits.take(host, &result.limits);
                    Input::Result { host, result }
                }
                ReportItem::Event(event) => Input::Event { host, event },
                ReportItem::Facts(facts) => Input::Facts { host, facts },
                ReportItem::Outcome(outcome) => {
                    Input::Event { host, event: outcome.event(arrival.now.unix) }
                }
            });
        }
        let items = self.setup.agents.slot(arrival.slot).items;
        self.changes.push(Change::AgentReports { agent: id, window: agents::stored_window(items) });
        Some(false)
    }

    fn journal(&self, arrival: Arrival, line: impl FnOnce() -> Line) {
        if let Some(journal) = &self.setup.journal {
            let Arrival { from, now, .. } = arrival;
            if !journal.write(now.unix, Some(from), line()) {
                self.setup.tally.journal_dropped();
            }
        }
    }

    /// Gives what was found so far a ticket, if there is anything.
    fn close_ticket(&mut self) {
        let counted = (std::mem::take(&mut self.heartbeats), std::mem::take(&mut self.samples));
        self.setup.tally.heard(counted.0, counted.1);
        if !self.has_open() {
            return;
        }
        self.open_since = None;
        self.ticket += 1;
        let ticket = self.ticket;
        let inputs = std::mem::take(&mut self.inputs);
        let changes = std::mem::take(&mut self.changes);
        let mut frames = std::mem::take(&mut self.frames);
        frames.ticket = ticket;
        self.pending.close(ticket, !frames.is_empty());
        self.unsent = Some((EngineBatch { ticket, inputs, changes }, frames));
        self.hand_on();
    }

    fn hand_on(&mut self) {
        let Some((batch, frames)) = self.unsent.take() else { return };
        if !frames.is_empty()
            && let Err(TrySendError::Full(ToHistory::Batch(frames))) =
                self.setup.history.try_send(ToHistory::Batch(frames))
        {
            self.unsent = Some((batch, frames));
            return;
        }
        if let Err(TrySendError::Full(ToEngine::Batch(batch))) =
            self.setup.engine.try_send(ToEngine::Batch(batch))
        {
            self.unsent = Some((batch, HistoryBatch::default()));
        }
    }

    /// Seals and queues the answers for everything that both parts have kept.
    fn answer(&mut self, now: Now, at: Micros) {
        let Self { pending, setup, answers_due, waiting, .. } = self;
        pending.settle(|entry, outcome| {
            let agent = setup.agents.slot(entry.slot);
            agent.session.persisted(entry.session);
            match (entry.to, outcome) {
                (To::Counter(counter), Outcome::Stored) => {
                    agent.session.stored(entry.session, counter);
                }
                (To::Counter(_), Outcome::NotKept) => agent.session.received(entry.session),
                (To::Asker(asker), outcome) => return waiting.settle(asker, outcome),
            }
            if !std::mem::replace(&mut agent.answer_due, true) {
                answers_due.push(entry.slot);
            }
        });
        let flags = if self.history_stopped { AckFlags::HISTORY_STOPPED } else { AckFlags(0) };
        if self.papers.is_unread() {
            return;
        }
        for slot in std::mem::take(&mut self.answers_due) {
            let agent = self.setup.agents.slot(slot);
            self.papers.renew(agent);
            let revision = agent.paper.revision();
            let order = self.orders.oldest(&agent.name, now.unix);
            let facts = AckFacts { now, revision, order, flags, ..AckFacts::default() };
            agent.answer_due = false;
            let Some((to, socket)) = agent.reply_to else { continue };
            if agent.session.ack(agent.id, &facts, at, &mut self.reply) {
                self.push_reply(to, socket);
            }
            let agent = self.setup.agents.slot(slot);
            let wanted = std::mem::take(&mut agent.wanted);
            if agent.session.want_sets(agent.id, &wanted, &mut self.reply) {
                self.push_reply(to, socket);
            }
        }
    }

    /// Asks for the sets in `wanted`: at once, or with the first answer of a session that is not on the
    /// disk yet.
    fn want_sets(&mut self, arrival: Arrival) {
        if self.wanted.is_empty() {
            return;
        }
        let agent = self.setup.agents.slot(arrival.slot);
        if agent.session.want_sets(agent.id, &self.wanted, &mut self.reply) {
            self.push_reply(arrival.from, arrival.socket);
        } else {
            agent.wanted.clone_from(&self.wanted);
        }
    }

    /// Queues what stands in `reply`. The batch goes out over the first socket of the family.
    fn push_reply(&mut self, to: SocketAddr, socket: usize) {
        if self.out.push(&self.reply, to, socket) {
            self.send_answers();
        }
    }

    fn send_answers(&mut self) {
        let Sent { taken, refused } = self.out.send(&self.setup.sockets);
        self.setup.tally.answered(taken, refused);
    }

    fn read_inbox(&mut self) {
        while let Ok(message) = self.setup.inbox.try_recv() {
            self.message(message);
        }
    }

    fn message(&mut self, message: ToIntake) {
        let agents = &mut self.setup.agents;
        match message {
            ToIntake::Done { part, ticket } => {
                self.pending.done(part, ticket);
            }
            ToIntake::SetsForgotten => agents.forget_sets(),
            ToIntake::HistoryStopped(stopped) => self.history_stopped = stopped,
            ToIntake::Orders { host, offers } => self.take_orders(&host, offers),
            ToIntake::HostLearned { host, name } => self.learned(host, &name),
            ToIntake::HostDropped { host } => {
                agents.dropped(host);
                self.setup.vitals.forget(host);
                self.setup.own_limits.forget(host);
            }
            ToIntake::Watch { host, watches, ticket } => agents.watch(host, &watches, ticket),
            ToIntake::SetReady { set, outcome } => self.set_ready(&set, outcome),
            ToIntake::Enrolled { agent, host, done } => {
                let name = agent.name.clone();
                agents.admit(agent);
                agents.learned(host, &name);
                if done.send(()).is_err() {
                    tracing::debug!("whoever enrolled a host has gone");
                }
            }
            ToIntake::Reloaded { secret, configs } => {
                self.papers.change(configs);
                agents.change_secret(secret);
                let all = agents.all_series();
                self.inputs.extend(
                    all.into_iter().map(|(host, series)| Input::SeriesSeen { host, series }),
                );
            }
            ToIntake::Prove(claim, reply) => drop(reply.send(self.prove(&claim))),
            ToIntake::Brought(brought, reply) => self.brought(brought, reply),
            ToIntake::Given(place, reply) => drop(reply.send(self.given(place))),
            ToIntake::FactsOf(host, reply) => drop(reply.send(agents.facts_of(&host))),
            ToIntake::Facts(reply) => drop(reply.send(agents.facts())),
        }
    }

    fn learned(&mut self, host: hark_model::HostId, name: &HostName) {
        let Some(place) = self.setup.agents.learned(host, name) else { return };
        let agent = self.setup.agents.slot(place);
        if let Some(hello) = agent.hello.take() {
            let mut facts: Vec<(String, String)> = hello.facts.into_iter().collect();
            facts.push(("agent_version".to_owned(), hello.version));
            self.inputs.push(Input::Facts { host, facts });
        }
    }

    fn set_ready(&mut self, set: &DefineSet, outcome: Result<SetId, String>) {
        match outcome {
            Ok(catalogue) => {
                let agents = &mut self.setup.agents;
                // The engine sees it under the ticket that is being filled, and all sets of the host at
                // once: its answer to that ticket says what it wants of this one.
                agents.define(set.slot, set.number, &set.series, catalogue, self.ticket + 1);
                let series = agents.series_of(set.slot);
                let earlier = |input: &Input| matches!(input, Input::SeriesSeen { host, .. } if *host == set.host);
                self.inputs.retain(|input| !earlier(input));
                self.inputs.push(Input::SeriesSeen { host: set.host, series });
            }
            Err(why) => {
                tracing::warn!(host = set.host.0, why, "a set of series was refused");
            }
        }
    }
}

fn heard(
    arrival: Arrival,
    host: hark_model::HostId,
    interval_ms: u32,
    rtt_us: Option<u32>,
) -> Heard {
    Heard {
        host,
        interval_ms,
        moved_to: arrival.moved.then_some(arrival.from.ip()),
        rtt_us,
        taken_at: arrival.now.unix,
        values: Vec::new(),
    }
}

fn agent_lacks(agents: &Agents, arrival: Arrival, number: u32) -> bool {
    agents.peek(arrival.slot).set(number).is_none()
}

fn random_salt() -> Result<[u8; SALT], ring::error::Unspecified> {
    let random = ring::rand::SystemRandom::new();
    let mut salt = [0; SALT];
    ring::rand::SecureRandom::fill(&random, &mut salt)?;
    Ok(salt)
}

#[cfg(test)]
mod tests;

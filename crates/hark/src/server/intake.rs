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
mod answers;
mod bodies;
mod calls;
mod door;
mod early;
mod frames;
mod https;
mod inbox;
mod limiter;
mod orders;
mod papers;
mod pending;
mod refusals;
mod rooms;
mod sets;
mod shedding;
mod sweep;
mod tickets;

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::Duration;

use hark_engine::input::Input;
use hark_model::HostId;
use hark_model::time::{Clock, Micros, Mono, Now};
use hark_store::state::Change;
use hark_web::Live;
use tokio::sync::mpsc;

pub(crate) use agents::{AgentFacts, Agents, KnownAgent, Mode};
pub(crate) use https::{Brought, Taken};
use limiter::Limiter;
use orders::Orders;
use papers::Papers;
use pending::Pending;
use refusals::Refusals;
use rooms::Rooms;
use shedding::Shedding;
use sweep::Sweep;
use tickets::GATHER;

use super::discovery::Discovery;
use super::history_loop::ToHistory;
use super::message_journal::MessageJournal;
use super::messages::{EngineBatch, HistoryBatch, ToEngine, ToIntake};
use super::own_datagram::OwnDatagram;
use super::own_limits::OwnLimits;
use super::probes::ToProbes;
use super::progress::{Loop, Progress};
use super::tally::Tally;
use super::vitals::{News, Vitals};
use crate::stop::Stop;
use crate::sys::{BATCH, Bell, ReceiveBatch, SendBatch, wait};

/// How long the thread sleeps when nothing happens and nothing is due; whoever ends it rings the bell. Half of what
/// it may take to turn (`progress`).
const IDLE: Duration = Duration::from_secs(5);

/// How long while something is due that nobody sends: agents to be nudged, hosts to be asked about.
const SOON: Duration = Duration::from_millis(500);

/// How often the last batch is offered to an engine that is behind: a second in all.
const HAND_ON_TRIES: usize = 500;

/// How long to wait for an engine that is behind before looking again.
const BEHIND: Duration = Duration::from_millis(2);

/// How often the kernel is asked how many datagrams it dropped.
const LOOK_FOR_DROPS: Duration = Duration::from_secs(1);

/// Datagrams a second from which on those that come within [`BREATH`] are taken together: being woken for each
/// costs more than all that is done with it.
const MANY: u64 = 100;

/// How long the first of them waits at most. What it has waited is known, and is no part of its round trip. Each
/// time wakes the engine, history and the store as well. The receive buffer holds what comes meanwhile: 130,000 a
/// second of its smallest, the 4 MiB that the system gives to everybody who was allowed to ask. What people
/// and programs ask of this thread waits as long.
const BREATH: Duration = Duration::from_millis(80);

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
    /// To the probes: what sites found.
    pub(crate) probes: mpsc::Sender<ToProbes>,
    /// Counters.
    pub(crate) tally: Arc<Tally>,
    /// Newest values for lists.
    pub(crate) vitals: Arc<Vitals>,
    /// Limits that came with plugins' results, for charts.
    pub(crate) own_limits: Arc<OwnLimits>,
    /// Told of every host that was heard, while somebody watches.
    pub(crate) live: Live,
    /// Answers calls on the local network; none: they are refused.
    pub(crate) discovery: Option<Discovery>,
    /// Told of each turn.
    pub(crate) progress: Arc<Progress>,
    /// What the server sends to its own socket.
    pub(crate) own_datagram: Arc<OwnDatagram>,
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
        intake.setup.progress.turn(Loop::Intake);
        let busy = intake.turn(&mut room);
        if intake.setup.stop.is_raised() {
            break;
        }
        if !busy {
            intake.rest();
        }
    }
    intake.setup.progress.ended(Loop::Intake);
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
        intake.are_many = false;
        intake.close_ticket(Clock.now().mono);
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
    /// For the lists.
    news: Vec<(HostId, News)>,
    frames: HistoryBatch,
    /// How many of the frames have a ticket already and wait for company.
    held: usize,
    /// Handed on by nobody yet because the engine's or history's queue is full.
    unsent: Option<(EngineBatch, HistoryBatch)>,
    ticket: u64,
    history_stopped: bool,
    papers: Papers,
    orders: Orders,
    sweep: Sweep,
    refusals: Refusals,
    shedding: Shedding,
    rooms: Rooms,
    answers_due: Vec<usize>,
    wanted: Vec<u32>,
    heartbeats: u64,
    samples: u64,
    drops: u64,
    looked_at: Mono,
    /// Datagrams since `looked_at`, and whether they were [`MANY`] in the second before.
    received: u64,
    are_many: bool,
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
            news: Vec::new(),
            frames: HistoryBatch::default(),
            held: 0,
            unsent: None,
            ticket: 0,
            history_stopped: false,
            papers: Papers::default(),
            orders: Orders::default(),
            sweep: Sweep::default(),
            refusals: Refusals::default(),
            shedding: Shedding::default(),
            rooms: Rooms::default(),
            answers_due: Vec::new(),
            wanted: Vec::new(),
            heartbeats: 0,
            samples: 0,
            drops: 0,
            looked_at: Clock.now().mono,
            received: 0,
            are_many: false,
            open_since: None,
        }
    }

    /// Waits until something comes; where many datagrams come, lets them gather.
    fn rest(&self) {
        // A flood is known before its first second is over.
        if self.are_many || self.received >= MANY {
            return std::thread::park_timeout(if self.sweep.is_busy() {
                sweep::STEP
            } else {
                BREATH
            });
        }
        let limit = if self.has_open() {
            GATHER
        } else if self.papers.waits() || self.sweep.is_busy() {
            SOON
        } else {
            IDLE
        };
        wait(&self.setup.sockets, &self.setup.bell, limit);
    }

    /// Looks, once a second, whether we are too slow, and whether the kernel dropped datagrams because of that: then
    /// silence of hosts says nothing about them (rule F5).
    fn look_for_drops(&mut self, now: Now) {
        let passed = now.mono.since(self.looked_at);
        if passed < LOOK_FOR_DROPS {
            return;
        }
        self.looked_at = now.mono;
        let received = std::mem::take(&mut self.received);
        self.are_many = u128::from(received) * 1000 >= u128::from(MANY) * passed.as_millis();
        let drops: u64 = self.setup.sockets.iter().map(crate::sys::dropped).sum();
        let before = std::mem::replace(&mut self.drops, drops);
        self.shed_if_late(drops > before, now.mono);
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
        self.ask_again(now.mono);
        self.ask_for_refused(now.mono);
        self.answer(now, at);
        self.hand_on();
        if self.unsent.is_some() {
            // The engine is behind: the kernel's buffer is the queue until it has caught up.
            self.look_for_drops(now);
            self.send_answers();
            wait(&[], &self.setup.bell, BEHIND);
            return true;
        }
        let mut more = false;
        for socket in 0..self.setup.sockets.len() {
            more |= self.drain(room, socket, now, at);
        }
        self.look_for_drops(now);
        if let Some(discovery) = &mut self.setup.discovery {
            discovery.join(&self.setup.sockets, now.mono);
        }
        if self.has_gathered(now.mono, more) {
            self.close_ticket(now.mono);
        }
        self.send_answers();
        more || self.papers.is_busy()
    }

    /// Returns at which places the agents of a batch are, and has them fetched from memory side by side: the last
    /// datagrams of most came long ago.
    fn expect(&self, room: &mut ReceiveBatch, n: usize) -> [Option<usize>; BATCH] {
        let mut places = [None; BATCH];
        for (i, place) in places.iter_mut().enumerate().take(n) {
            if let Some(Ok(envelope)) = room.get(i).map(|(datagram, _)| hark_proto::peek(datagram))
            {
                *place = self.setup.agents.expect(envelope.header.agent);
            }
        }
        places
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
            self.received += n as u64;
            // Not the moment at which the turn began: some have come since, and some long before.
            let read_at = if n > 0 { Clock.micros() } else { at };
            if let Some(youngest) = n.checked_sub(1) {
                self.shedding.read(room.waited(youngest));
            }
            let places = self.expect(room, n);
            for (i, place) in places.into_iter().enumerate().take(n) {
                let waited = u64::try_from(room.waited(i).as_micros()).unwrap_or_default();
                let at = Micros(read_at.0.saturating_sub(waited));
                if let Some((datagram, from)) = room.get(i) {
                    let fate = self.datagram(datagram, place, from, socket, now, at);
                    self.setup.tally.count(fate);
                }
            }
            if n < BATCH {
                return false;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests;

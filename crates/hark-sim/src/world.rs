//! A seeded world: hosts with agents, a bad network, a server that dies at any write, clocks that jump,
//! receivers that are away; driving the real engine, protocol, outbox machine, state and history without sleeping.
//!
//! Time is a number. The world jumps from one thing that happens to the next; what happens in the same
//! millisecond happens in the order it was asked for. The same seed and the same configuration give the
//! same course, byte for byte: [`World::fingerprint`] is a hash of every effect of the engine.
//!
//! Until [`WorldConfig::calm_from_ms`] faults happen by chance; then all of them end, and everything must
//! come to rest: what the [`Violation`]s name is what must hold (design rules 6.12).

mod agent;
mod config;
mod driving;
mod faults;
mod messages;
mod network;
mod oracle;
mod plan;
mod receiver;
mod samples;
mod server;
mod verdict;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hark_engine::input::Input;
use hark_engine::plan::Plan;
use hark_model::record::Record;
use hark_model::time::Micros;
use hark_model::{CheckName, Mono, Now, ReceiverName, Unix};
use hark_proto::AgentId;
use thiserror::Error;

use crate::machine::Trouble;
use crate::random::Random;
use agent::SimAgent;
pub use config::{Faults, WorldConfig};
use faults::Kind;
use messages::Try;
use network::Network;
pub use network::Weather;
use oracle::Oracle;
pub use oracle::Violation;
use plan::{host_name, ping, plan, receiver_name, signed, standby};
pub use receiver::Arrived;
use receiver::SimReceiver;
use samples::Promised;
use server::{Lies, SimServer};

/// When the world begins: 2026-11-20 00:00 UTC.
const BEGIN: i64 = 1_795_132_800_000;

/// How much the monotonic clocks show at the beginning, so that deadlines can be computed backwards.
const HEAD: u64 = 3_600_000;

/// How long the server gathers before it commits.
const GATHER: u64 = 100;

/// How long the kernel keeps what a paused server does not read: more is lost.
const SOCKET: usize = 200;

/// How long after a refused commit it is tried again.
const AGAIN: u64 = 1_000;

/// How often history's upkeep is done.
const UPKEEP: u64 = 5_000;

const SECRET: &[u8] = b"simulated";

/// Why a world cannot go on: the machine that runs it has a fault of its own.
#[derive(Debug, Error)]
pub enum WorldError {
    /// The state cannot be opened although nothing broke it.
    #[error("the simulated server's state cannot be opened")]
    Open(#[from] hark_store::state::OpenError),
    /// The state refuses a commit although nothing broke it.
    #[error("the simulated server's state refuses a commit")]
    Commit(#[from] hark_store::state::CommitError),
    /// History cannot be opened although nothing broke it.
    #[error("the simulated server's history cannot be opened")]
    History(#[from] hark_store::history::OpenError),
    /// History cannot put its samples in order although nothing breaks it any more.
    #[error("the simulated server's history fails")]
    Settle(#[from] hark_store::history::Trouble),
}

/// One thing that happens.
#[derive(Clone, Debug)]
enum Happening {
    AgentBeats(usize),
    AgentLooks(usize),
    AgentStarts(usize),
    ToServer(usize, Vec<u8>),
    ToAgent(usize, Vec<u8>),
    ServerStarts,
    ServerTicks,
    Commit,
    Upkeep,
    Deliver,
    Tried(Box<Try>),
    Probe(usize, CheckName),
    Probed(usize, CheckName, Unix, bool),
    Fault(Kind),
    ServerResumes(u64),
    Healthy,
    DiskFree,
    Calm,
}

/// The world.
#[derive(Debug)]
pub struct World {
    config: WorldConfig,
    random: Random,
    dir: PathBuf,
    plan: Arc<Plan>,
    now: u64,
    next: u64,
    happenings: BTreeMap<(u64, u64), Happening>,
    network: Network,
    agents: Vec<SimAgent>,
    by_id: BTreeMap<AgentId, usize>,
    receivers: Vec<(ReceiverName, SimReceiver)>,
    server: Option<SimServer>,
    /// How many servers there have been.
    life: u64,
    paused_since: Option<u64>,
    in_socket: Vec<(usize, Vec<u8>)>,
    server_clock: i64,
    promised: Promised,
    /// Records whose commit the server died in.
    maybe: Vec<Record>,
    oracle: Oracle,
    fingerprint: u64,
    commit_due: bool,
    /// When the outbox is next looked at.
    deliver_at: Option<u64>,
    counts: Counts,
    lies: Lies,
}

/// What has happened so far: a test that nothing happened in shows nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Things that happened.
    pub happenings: u64,
    /// Starts of the server.
    pub server_starts: u64,
    /// Incidents.
    pub incidents: usize,
    /// Messages that arrived.
    pub arrived: usize,
    /// Frames stored.
    pub frames: usize,
    /// Second copies of frames that were dropped.
    pub copies: u64,
    /// Sessions that were reset.
    pub resets: u64,
    /// How often history was stopped.
    pub stops: u64,
}

impl World {
    /// Makes a world whose server keeps its state in `dir`, which should be empty and in memory.
    ///
    /// # Errors
    /// If the state cannot be opened.
    pub fn new(seed: u64, config: WorldConfig, dir: &Path) -> Result<Self, WorldError> {
        let mut random = Random::new(seed);
        let begin = Now { mono: Mono(HEAD), unix: Unix(BEGIN) };
        let agents: Vec<SimAgent> = (0..config.n_hosts)
            .map(|n| {
                let seed = random.next_u64();
                SimAgent::new(host_name(n), SECRET, seed, config.interval_ms, begin)
            })
            .collect();
        let by_id = (0..)
            .zip(&agents)
            .map(|(n, agent)| (hark_proto::simple_identity(SECRET, agent.name.as_str()).0, n))
            .collect();
        let receivers = (0..config.n_receivers)
            .map(receiver_name)
            .chain([standby()])
            .map(|name| (name, SimReceiver::new(config.faults.unsure)))
            .collect();
        let mut world = Self {
            plan: Arc::new(plan(&config)),
            network: Network::new(config.weather),
            random,
            dir: dir.to_owned(),
            now: 0,
            next: 0,
            happenings: BTreeMap::new(),
            agents,
            by_id,
            receivers,
            server: None,
            life: 0,
            paused_since: None,
            in_socket: Vec::new(),
            server_clock: 0,
            promised: Promised::default(),
            maybe: Vec::new(),
            oracle: Oracle::new(standby()),
            fingerprint: 0xcbf2_9ce4_8422_2325,
            commit_due: false,
            deliver_at: None,
            counts: Counts::default(),
            lies: Lies::default(),
            config,
        };
        world.set_off();
        Ok(world)
    }

    fn set_off(&mut self) {
        self.after(0, Happening::ServerStarts);
        self.after(UPKEEP, Happening::Upkeep);
        for agent in 0..self.agents.len() {
            let spread = self.random.below(self.config.interval_ms);
            self.after(1 + spread, Happening::AgentStarts(agent));
            self.after(1 + spread, Happening::AgentBeats(agent));
            self.after(5_000 + spread, Happening::Probe(agent, ping()));
        }
        for kind in Kind::ALL {
            self.next_fault(kind);
        }
        let calm = self.config.calm_from_ms;
        self.after(calm, Happening::Calm);
    }

    /// Lives on until `until_ms`.
    ///
    /// # Errors
    /// If the machine that runs the world fails; what goes wrong in the world is in
    /// [`World::violations`].
    pub fn run(&mut self, until_ms: u64) -> Result<(), WorldError> {
        while let Some(entry) = self.happenings.first_entry() {
            if entry.key().0 > until_ms {
                break;
            }
            let ((at, _), happening) = entry.remove_entry();
            self.now = at;
            self.counts.happenings += 1;
            self.happen(happening)?;
            self.plan_tick();
        }
        self.now = self.now.max(until_ms);
        Ok(())
    }

    /// Runs to the end and checks that everything came to rest.
    ///
    /// # Errors
    /// As [`World::run`].
    pub fn run_to_rest(&mut self) -> Result<&[Violation], WorldError> {
        self.run(self.config.end_ms())?;
        let names: Vec<ReceiverName> = (0..self.config.n_receivers).map(receiver_name).collect();
        self.all_kept()?;
        if let Some(server) = &self.server {
            let snapshot = server.state.load(Unix(0))?.snapshot;
            let journal = server.journal()?;
            self.oracle.at_rest(self.now, &snapshot, &journal, &names);
            self.all_arrived(&journal);
        }
        Ok(&self.oracle.violations)
    }

    /// Returns what must not be and was.
    pub fn violations(&self) -> &[Violation] {
        &self.oracle.violations
    }

    /// Returns a hash of all effects of the engine so far: equal for equal seeds.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// Returns what a receiver was told, by its place.
    pub fn inbox(&self, receiver: usize) -> &[Arrived] {
        self.receivers.get(receiver).map_or(&[], |(_, receiver)| &receiver.inbox)
    }

    /// Returns what has happened so far.
    pub fn counts(&self) -> Counts {
        Counts {
            incidents: self.oracle.n_incidents(),
            arrived: self.receivers.iter().map(|(_, r)| r.inbox.len()).sum(),
            frames: self.promised.frames.values().map(BTreeMap::len).sum(),
            copies: self.promised.copies,
            resets: self.agents.iter().map(|agent| agent.resets).sum(),
            ..self.counts
        }
    }

    /// Returns host and check of each incident there was.
    pub fn incidents(&self) -> Vec<(String, String)> {
        self.oracle.incidents()
    }

    fn happen(&mut self, happening: Happening) -> Result<(), WorldError> {
        match happening {
            Happening::AgentStarts(agent) => self.agent_starts(agent),
            Happening::AgentBeats(agent) => self.agent_beats(agent),
            Happening::AgentLooks(agent) => {
                self.with_agent(agent, SimAgent::look);
            }
            Happening::ToAgent(agent, mut datagram) => {
                self.with_agent(agent, |agent, now, at, out| {
                    agent.receive(&mut datagram, now, at, out);
                });
            }
            Happening::ToServer(agent, datagram) => self.arrives_at_server(agent, datagram),
            Happening::ServerStarts => self.server_starts()?,
            Happening::ServerTicks => self.feed(Input::Tick),
            Happening::Commit => self.commit()?,
            Happening::Upkeep => self.upkeep(),
            Happening::Deliver => self.deliver()?,
            Happening::Tried(tried) => self.tried(*tried)?,
            Happening::Probe(host, check) => self.probe(host, check),
            Happening::Probed(host, check, began_at, good) => {
                self.probed(host, check, began_at, good);
            }
            Happening::Fault(kind) => {
                self.fault(kind);
                self.next_fault(kind);
            }
            Happening::ServerResumes(life) => self.server_resumes(life),
            Happening::Healthy => self.healthy(),
            Happening::DiskFree => {
                if let Some(server) = &self.server {
                    server.disk.fill(false);
                    server.samples.disk.fill(false);
                }
            }
            Happening::Calm => self.calm(),
        }
        Ok(())
    }

    fn after(&mut self, delay: u64, happening: Happening) {
        self.next += 1;
        self.happenings.insert((self.now + delay, self.next), happening);
    }

    fn server_now(&self) -> Now {
        Now {
            mono: Mono(HEAD + self.now),
            unix: Unix(BEGIN + signed(self.now) + self.server_clock),
        }
    }

    fn at(&self) -> Micros {
        Micros((HEAD + self.now) * 1000)
    }

    fn agent_now(&self, agent: usize) -> Now {
        let off = self.agents.get(agent).map_or(0, |agent| agent.clock_ms);
        Now { mono: Mono(HEAD + self.now), unix: Unix(BEGIN + signed(self.now) + off) }
    }

    fn with_agent(
        &mut self,
        number: usize,
        act: impl FnOnce(&mut SimAgent, Now, Micros, &mut Vec<Vec<u8>>),
    ) {
        let (now, at) = (self.agent_now(number), self.at());
        let Some(agent) = self.agents.get_mut(number) else { return };
        if agent.machine.trouble() == Trouble::Silent {
            return;
        }
        let mut out = Vec::new();
        act(agent, now, at, &mut out);
        let look = agent.next_look().map(|due| due.0.div_ceil(1000).saturating_sub(HEAD));
        for datagram in out {
            for arrival in self.network.arrivals(number, self.now, &mut self.random) {
                self.after(arrival - self.now, Happening::ToServer(number, datagram.clone()));
            }
        }
        if let Some(look) = look {
            self.after(look.saturating_sub(self.now).max(1), Happening::AgentLooks(number));
        }
    }

    fn agent_starts(&mut self, number: usize) {
        if self.agents.get(number).is_some_and(|agent| !agent.is_running()) {
            self.with_agent(number, SimAgent::start);
        }
    }

    fn agent_beats(&mut self, number: usize) {
        self.after(self.config.interval_ms, Happening::AgentBeats(number));
        let now = self.agent_now(number);
        let Some(agent) = self.agents.get_mut(number) else { return };
        // Ends a trouble; begins none, as troubles are this world's faults.
        agent.machine.live(now.unix, 0.0, 1.0);
        if !agent.is_running() {
            return;
        }
        self.with_agent(number, SimAgent::beat);
    }
}

#[cfg(test)]
mod days;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod weight;

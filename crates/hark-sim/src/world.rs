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
mod faults;
mod messages;
mod network;
mod oracle;
mod receiver;
mod samples;
mod server;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hark_engine::input::Input;
use hark_engine::plan::{
    CheckPlan, Draft, HostDraft, Limits, Liveness, Plan, ReceiverPlan, ThresholdPath,
};
use hark_model::record::{JournalKind, JournalLine, Record};
use hark_model::time::Micros;
use hark_model::{CheckName, CheckResult, HostName, Mono, Now, ReceiverName, Status, Unix};
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
pub use receiver::Arrived;
use receiver::SimReceiver;
use samples::Promised;
use server::{Committed, Failed, Lies, SimServer, Wish};

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

    fn server_starts(&mut self) -> Result<(), WorldError> {
        if self.server.is_some() {
            return Ok(());
        }
        self.life += 1;
        self.counts.server_starts += 1;
        let (now, mut wishes) = (self.server_now(), Vec::new());
        let plan = Arc::clone(&self.plan);
        let salt = self.life << 32;
        let receivers = self.fallbacks();
        let mut server =
            SimServer::start(&self.dir, plan, receivers, SECRET, now, salt, &mut wishes)?;
        server.lies = self.lies;
        let snapshot = server.state.load(Unix(0))?.snapshot;
        let rows = server.rows(now)?;
        let maybe = std::mem::take(&mut self.maybe);
        self.oracle.reloaded(self.now, &snapshot, &maybe);
        self.server = Some(server);
        self.commit_due = false;
        self.deliver_at = None;
        self.fulfil(wishes);
        // Whatever the server before said of its history: this one's is open.
        self.say("history", None);
        self.after(30_000, Happening::Healthy);
        self.hand_rows(rows)
    }

    /// Returns the receivers with their fallbacks: the first has one, which nothing else goes to.
    fn fallbacks(&self) -> Vec<(ReceiverName, Option<ReceiverName>)> {
        let names = self.receivers.iter().map(|(name, _)| name.clone());
        names.enumerate().map(|(n, name)| (name, (n == 0).then(standby))).collect()
    }

    fn server_dies(&mut self) {
        if let Some(server) = self.server.take() {
            self.counts.stops += server.samples.n_stops();
            for key in server.unwritten_keys() {
                self.oracle.unsure(&key);
            }
        }
        self.paused_since = None;
        self.in_socket.clear();
        let away = 500 + self.random.below(60_000);
        self.after(away, Happening::ServerStarts);
    }

    /// Does history's upkeep, and says when it stops and goes on.
    fn upkeep(&mut self) {
        self.after(UPKEEP, Happening::Upkeep);
        let now = self.server_now();
        if self.paused_since.is_some() {
            return;
        }
        let Some(server) = &mut self.server else { return };
        let changed = server.samples.maintain(now);
        if server.samples.disk.is_dead() {
            self.maybe = server.staged_records();
            self.server_dies();
        } else if let Some(changed) = changed {
            self.say("history", changed.problem());
        }
    }

    fn feed(&mut self, input: Input) {
        if self.paused_since.is_some() {
            return;
        }
        let now = self.server_now();
        let Some(server) = &mut self.server else { return };
        let mut wishes = Vec::new();
        server.step(input, now, &mut wishes);
        self.fulfil(wishes);
    }

    fn arrives_at_server(&mut self, agent: usize, datagram: Vec<u8>) {
        if self.paused_since.is_some() {
            if self.in_socket.len() < SOCKET {
                self.in_socket.push((agent, datagram));
            }
            return;
        }
        let (now, at) = (self.server_now(), self.at());
        let Some(server) = &mut self.server else { return };
        let mut wishes = Vec::new();
        let reset = server.receive(datagram, now, at, &mut wishes);
        if let Some(reset) = reset {
            self.sends_to_agent(agent, &reset);
        }
        if self.lies.acks_before_commit {
            self.lie();
        }
        self.fulfil(wishes);
    }

    fn lie(&mut self) {
        let (now, at) = (self.server_now(), self.at());
        let Some(server) = &mut self.server else { return };
        for (agent, datagram) in server.lie(now, at) {
            if let Some(number) = self.by_id.get(&agent).copied() {
                self.sends_to_agent(number, &datagram);
            }
        }
    }

    fn sends_to_agent(&mut self, agent: usize, datagram: &[u8]) {
        for arrival in self.network.arrivals(agent, self.now, &mut self.random) {
            self.after(arrival - self.now, Happening::ToAgent(agent, datagram.to_vec()));
        }
    }

    /// Does what a step wants.
    fn fulfil(&mut self, wishes: Vec<Wish>) {
        for wish in wishes {
            match wish {
                Wish::Log(text) => self.log(&text),
                Wish::Fed(host) => self.oracle.fed(&host, self.now),
                Wish::Records(records) => self.oracle.decided(self.now, &records),
                Wish::Probe(host, check) => {
                    if let Some(number) = self.agents.iter().position(|agent| agent.name == host) {
                        self.start_probe(number, check);
                    }
                }
            }
        }
        self.plan_commit();
    }

    fn plan_commit(&mut self) {
        if !self.commit_due && self.server.as_ref().is_some_and(SimServer::is_dirty) {
            self.commit_due = true;
            self.after(GATHER, Happening::Commit);
        }
    }

    fn log(&mut self, text: &str) {
        for byte in self.now.to_le_bytes().into_iter().chain(text.bytes()) {
            self.fingerprint ^= u64::from(byte);
            self.fingerprint = self.fingerprint.wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// Has the engine woken at its next deadline.
    fn plan_tick(&mut self) {
        let Some(server) = &self.server else { return };
        if self.paused_since.is_some() {
            return;
        }
        let Some(due) = server.engine.next_deadline() else { return };
        let due = due.0.saturating_sub(HEAD).max(self.now + 1);
        let planned = self.happenings.range((self.now, 0)..=(due, u64::MAX));
        let planned = planned.into_iter().any(|(_, h)| matches!(h, Happening::ServerTicks));
        if !planned {
            self.after(due - self.now, Happening::ServerTicks);
        }
    }

    fn commit(&mut self) -> Result<(), WorldError> {
        self.commit_due = false;
        if self.paused_since.is_some() {
            self.commit_due = true;
            self.after(GATHER, Happening::Commit);
            return Ok(());
        }
        let (now, at) = (self.server_now(), self.at());
        let Some(server) = &mut self.server else { return Ok(()) };
        match server.commit(&mut self.promised, now, at) {
            Ok(Committed { records, replies }) => {
                self.oracle.committed(self.now, &records);
                let rows = server.new_rows(records)?;
                for (agent, datagram) in replies {
                    if let Some(number) = self.by_id.get(&agent).copied() {
                        self.sends_to_agent(number, &datagram);
                    }
                }
                self.hand_rows(rows)
            }
            Err(Failed::Later) => {
                self.commit_due = true;
                self.after(AGAIN, Happening::Commit);
                Ok(())
            }
            Err(failed) => {
                self.maybe = server.staged_records();
                self.failed(failed)
            }
        }
    }

    fn probe(&mut self, host: usize, check: CheckName) {
        self.after(30_000, Happening::Probe(host, check.clone()));
        self.start_probe(host, check);
    }

    fn start_probe(&mut self, host: usize, check: CheckName) {
        if check != ping() || self.server.is_none() || self.paused_since.is_some() {
            return;
        }
        let silent = self.agents.get(host).is_none_or(|a| a.machine.trouble() == Trouble::Silent);
        let good = !silent && !self.network.is_cut(host, self.now);
        let took = if good { 5 } else { 2_000 };
        let began_at = self.server_now().unix;
        self.after(took, Happening::Probed(host, check, began_at, good));
    }

    fn probed(&mut self, host: usize, check: CheckName, began_at: Unix, good: bool) {
        let Some(name) = self.agents.get(host).map(|agent| agent.name.clone()) else { return };
        let Some(host) = self.server.as_ref().and_then(|server| server.host_id(&name)) else {
            return;
        };
        let status = if good { Status::Ok } else { Status::Critical };
        let text = if good { "answers" } else { "does not answer" }.to_owned();
        let (values, limits) = (Vec::new(), Vec::new());
        let next = hark_model::Next::AsBefore;
        let result =
            CheckResult { check, status, text, began_at, took_ms: 5, values, limits, next };
        if self.paused_since.is_none() {
            self.oracle.fed(&name, self.now);
        }
        self.feed(Input::Result { host, result });
    }

    /// What was promised to agents is in history, wherever it lies by now.
    fn all_kept(&mut self) -> Result<(), WorldError> {
        let now = self.server_now();
        let is_settled = self.random.chance(0.5);
        let Some(server) = &mut self.server else { return Ok(()) };
        self.counts.stops += server.samples.n_stops();
        if is_settled {
            server.samples.settle(now)?;
        }
        let nothing = BTreeMap::new();
        for agent in &self.agents {
            let promised = self.promised.frames.get(&agent.name).unwrap_or(&nothing);
            let Some(id) = server.host_id(&agent.name) else { continue };
            let wrong = server.samples.compare(id, agent.series(), &agent.measured, promised);
            if let Some(first) = wrong.first() {
                let text =
                    format!("{}: {} wrong in history, first {first}", agent.name, wrong.len());
                self.oracle.violate(self.now, 0, text);
            }
        }
        Ok(())
    }

    /// What agents measured and made is stored, as it was and once.
    fn all_arrived(&mut self, journal: &[JournalLine]) {
        let now = self.now;
        let mut wrong = Vec::new();
        for agent in &self.agents {
            let nothing = BTreeMap::new();
            let stored = self.promised.frames.get(&agent.name).unwrap_or(&nothing);
            let is_there = |taken_at: &Unix| {
                agent
                    .measured
                    .get(taken_at)
                    .is_some_and(|frame| stored.get(&(frame.set, *taken_at)) == Some(&frame.values))
            };
            let lost = agent.acked_frames.iter().filter(|taken_at| !is_there(taken_at)).count();
            if lost > 0 {
                wrong.push(format!("{}: {lost} acknowledged frames are lost", agent.name));
            }
            let left = agent.measured.keys().filter(|taken_at| !is_there(taken_at)).count();
            // The last heartbeat may still be on its way.
            if left > 2 {
                wrong.push(format!("{}: {left} frames never arrived", agent.name));
            }
            for number in &agent.made {
                let text = format!("{} item {number}", agent.name);
                let is_it = |line: &&JournalLine| {
                    line.kind == JournalKind::Event && line.text.ends_with(&text)
                };
                let times = journal.iter().filter(is_it).count();
                let item = format!("{}: item {number}", agent.name);
                if times > 1 {
                    wrong.push(format!("{item} was applied {times} times"));
                } else if times == 0 && agent.acked_items.contains(number) {
                    wrong.push(format!("{item} was acknowledged and is lost"));
                } else if times == 0 {
                    wrong.push(format!("{item} never arrived; {} wait", agent.n_waiting()));
                }
            }
        }
        if self.promised.different > 0 {
            wrong.push(format!("{} frames came with two contents", self.promised.different));
        }
        if let Some(server) = self.server.as_ref().filter(|server| server.duplicates() > 0) {
            wrong.push(format!("{} clones were seen where there are none", server.duplicates()));
        }
        for text in wrong {
            self.oracle.violate(now, 0, text);
        }
    }
}

fn host_name(number: usize) -> HostName {
    HostName::new(&format!("host-{number}")).expect("letters, digits and a hyphen")
}

fn self_host() -> HostName {
    HostName::new(hark_engine::plan::SELF).expect("the word is a name")
}

fn receiver_name(number: usize) -> ReceiverName {
    ReceiverName::new(&format!("receiver-{number}")).expect("letters, digits and a hyphen")
}

/// The fallback of the first receiver.
fn standby() -> ReceiverName {
    ReceiverName::new("standby").expect("letters")
}

fn ping() -> CheckName {
    CheckName::new("ping").expect("the word is a name")
}

fn below(random: &mut Random, bound: usize) -> usize {
    usize::try_from(random.below(bound as u64)).unwrap_or(0)
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn plan(config: &WorldConfig) -> Plan {
    let limits = |warning: f64, critical: f64| Limits {
        warning: Some(warning),
        critical: Some(critical),
        ..Limits::default()
    };
    let path = |keys: &[&str]| ThresholdPath::from_keys(keys).expect("two keys make a path");
    let mut draft = Draft {
        liveness: Liveness {
            interval: Duration::from_millis(config.interval_ms),
            ..Liveness::default()
        },
        ..Draft::default()
    };
    draft.thresholds.insert(path(&["cpu_monitor", "cpu_percent"]), limits(80.0, 90.0));
    draft.thresholds.insert(path(&["memory_monitor", "percent"]), limits(85.0, 95.0));
    draft.thresholds.insert(path(&["disk_monitor", "percent"]), limits(85.0, 95.0));
    for number in 0..config.n_hosts {
        let parents = if number == 0 { Vec::new() } else { vec![vec![host_name(0)]] };
        draft.hosts.insert(host_name(number), HostDraft { parents, ..HostDraft::default() });
        let mut check = CheckPlan::new(host_name(number), ping());
        check.every = Duration::from_secs(30);
        check.probes_host = true;
        draft.checks.push(check);
    }
    let names = (0..config.n_receivers).map(receiver_name);
    draft.receivers = names.map(ReceiverPlan::new).collect();
    Plan::resolve(&draft).expect("the world's plan has no faults: every run shows it")
}

#[cfg(test)]
mod tests;

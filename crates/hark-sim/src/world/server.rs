//! The server of the world: the real engine, protocol machine, outbox machine, state and history, and
//! between them the shortest driver that keeps the promises of the real one.
//!
//! What an input causes is staged; a commit writes records, sessions and applied items in one
//! transaction after the frames; only then is anything acknowledged or sent. While history is out of
//! order, datagrams with samples are not acknowledged, and all else goes on.

mod taking;
mod writing;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hark_engine::Engine;
use hark_engine::effect::{Effect, Effects, Watch};
use hark_engine::input::Input;
use hark_engine::plan::Plan;
use hark_model::record::{DeliveryRecord, HostId, JournalLine, Record};
use hark_model::{CheckName, HostName, Now, ReceiverName, Unix};
use hark_notify::delivery::Policy;
use hark_notify::outbox::Outbox;
use hark_proto::{AgentId, AgentKey, ItemWindow, Refused, ServerSession, SetAssembler};
use hark_store::disk::{Disk, FaultPlan};
use hark_store::state::{
    AgentRecord, Change, CommitError, DeliveryView, JournalFilter, OpenError, ReportWindow, State,
};

use super::WorldError;
use super::samples::Samples;

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
    /// When the results began that were fed to the engine in this life.
    pub(super) results: Vec<Unix>,
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
            results: Vec::new(),
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
                // Agents of this world offer no actions, no route of it is for new hosts, nobody drops one, and
                // no limit looks at more than the newest value.
                Effect::Order { .. }
                | Effect::Dropped(_)
                | Effect::DroppedBack { .. }
                | Effect::HostForgotten { .. }
                | Effect::Recall { .. }
                | Effect::Happened { .. }
                | Effect::Changed(_)
                | Effect::Answer { .. } => {}
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

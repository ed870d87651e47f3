//! Who may send: every agent's key, session and dictionary.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::mem::offset_of;
use std::net::SocketAddr;
use std::sync::Arc;

use hark_engine::effect::Watch;
use hark_model::time::{Mono, Unix};
use hark_model::{HostId, HostName, Secret, SeriesDef, SeriesName, Tag};
use hark_proto::{
    AgentId, AgentKey, Hello, ItemWindow, ServerSession, SetAssembler, simple_identity,
};
use hark_store::history::SetId;
use hark_store::state::{AgentMode, AgentRecord, ReportWindow};

use super::super::tally::Fate;
use super::early::EarlyFrame;
use super::papers::SlotPaper;
use super::sets::{SetUse, Sets, Shelf};
use crate::sys::prefetch;

/// Agents a server takes on by itself with the shared secret: whoever holds the secret could otherwise
/// fill the memory with invented names.
const MAX_AGENTS: usize = 1_000_000;

/// How a host's key came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Derived from the shared secret.
    Shared,
    /// Made by the agent when it was enrolled.
    Enrolled,
}

/// An agent as the store keeps it.
#[derive(Clone, Debug)]
pub(crate) struct KnownAgent {
    /// Its opaque number.
    pub(crate) id: u64,
    /// Its host.
    pub(crate) name: HostName,
    /// Its key.
    pub(crate) key: [u8; 32],
    /// How the key came about.
    pub(crate) mode: Mode,
    /// The highest session that was ever accepted.
    pub(crate) session: u64,
    /// Which reports were applied.
    pub(crate) items: ItemWindow,
    /// The tags that it joined with: what it is given may depend on them.
    pub(crate) tags: Vec<Tag>,
}

impl KnownAgent {
    /// Returns it as the store keeps it.
    pub(crate) fn record(&self, now: Unix, session: u64) -> AgentRecord {
        AgentRecord {
            id: self.id,
            host: self.name.clone(),
            mode: match self.mode {
                Mode::Shared => AgentMode::Shared,
                Mode::Enrolled => AgentMode::Enrolled,
            },
            key: self.key,
            session,
            reports: stored_window(self.items),
            created: now,
            revoked: None,
        }
    }

    /// Reads it from what the store keeps.
    pub(crate) fn from_record(record: &AgentRecord, tags: Vec<Tag>) -> Self {
        let ReportWindow { epoch, newest, before } = record.reports;
        Self {
            id: record.id,
            name: record.host.clone(),
            key: record.key,
            mode: match record.mode {
                AgentMode::Shared => Mode::Shared,
                AgentMode::Enrolled => Mode::Enrolled,
            },
            session: record.session,
            items: ItemWindow { epoch, newest, before },
            tags,
        }
    }
}

/// Returns a report window as the store keeps it.
pub(super) fn stored_window(window: ItemWindow) -> ReportWindow {
    ReportWindow { epoch: window.epoch, newest: window.newest, before: window.before }
}

/// What the page shows of an agent.
#[derive(Clone, Debug)]
pub(crate) struct AgentFacts {
    /// Its host.
    pub(crate) name: HostName,
    /// Its number, once the engine has given it one.
    pub(crate) host: Option<HostId>,
    /// How its key came about.
    pub(crate) mode: Mode,
    /// Where it last sent from.
    pub(crate) address: Option<SocketAddr>,
    /// When it last sent.
    pub(crate) last_seen: Option<Unix>,
    /// Share of its datagrams that never arrived, 0 to 1.
    pub(crate) loss: Option<f64>,
    /// Its clock against ours in milliseconds; positive is ahead.
    pub(crate) skew_ms: i64,
    /// Its last round trip in microseconds.
    pub(crate) rtt_us: Option<u32>,
    /// How often its session changed hands: above zero, two machines share a key.
    pub(crate) duplicates: u32,
}

/// One agent. In the order of memory: what each datagram needs comes first, up to [`Slot::NEEDED`].
#[derive(Debug)]
#[repr(C)]
pub(super) struct Slot {
    pub(super) id: AgentId,
    pub(super) host: Option<HostId>,
    pub(super) sets: Sets,
    pub(super) reply_to: Option<(SocketAddr, usize)>,
    pub(super) last_seen: Option<Unix>,
    pub(super) skew_ms: i64,
    pub(super) rtt_us: Option<u32>,
    pub(super) answer_due: bool,
    /// Sets to be asked for once the session is on the disk.
    pub(super) wanted: Vec<u32>,
    /// What it is given.
    pub(super) paper: SlotPaper,
    pub(super) session: ServerSession,
    pub(super) key: AgentKey,
    pub(super) name: HostName,
    pub(super) mode: Mode,
    pub(super) items: ItemWindow,
    pub(super) tags: Vec<Tag>,
    pub(super) assembler: Option<Box<SetAssembler>>,
    /// The highest number of a request over HTTPS in this life of the server.
    pub(super) number: u64,
    /// Where the last such request came from.
    pub(super) asked_from: Option<SocketAddr>,
    /// Fresh frames that could not be judged yet.
    pub(super) early: Vec<EarlyFrame>,
    /// The hello of a host that has no number yet.
    pub(super) hello: Option<Box<Hello>>,
    /// Whether the engine was told that it cannot be given anything.
    pub(super) paper_trouble_told: bool,
    /// When the last round of samples began that was kept while others were shed.
    pub(super) round: Option<Mono>,
}

impl Slot {
    /// So many of its bytes, from the first on, are what a heartbeat of a session that goes on needs.
    const NEEDED: usize = offset_of!(Self, session) + ServerSession::NEEDED;

    fn new(known: KnownAgent, host: Option<HostId>) -> Self {
        Self {
            id: AgentId(known.id),
            key: AgentKey::new(known.key),
            name: known.name,
            mode: known.mode,
            host,
            session: ServerSession::new(known.session, None),
            items: known.items,
            tags: known.tags,
            sets: Sets::default(),
            assembler: None,
            reply_to: None,
            last_seen: None,
            skew_ms: 0,
            rtt_us: None,
            answer_due: false,
            number: 0,
            asked_from: None,
            wanted: Vec::new(),
            early: Vec::new(),
            hello: None,
            paper: SlotPaper::default(),
            paper_trouble_told: false,
            round: None,
        }
    }

    /// Returns the set with the agent's `number`.
    pub(super) fn set(&self, number: u32) -> Option<&SetUse> {
        self.sets.iter().find(|s| s.number == number)
    }
}

/// Agent ids are themselves the output of a hash or of chance: hashing them again gains nothing.
#[derive(Debug, Default)]
pub(super) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, n: u64) {
        self.0 = n;
    }
}

/// Every agent that is known.
#[derive(Debug, Default)]
pub(crate) struct Agents {
    slots: Vec<Slot>,
    by_id: HashMap<u64, usize, BuildHasherDefault<IdHasher>>,
    by_name: HashMap<HostName, usize>,
    by_host: HashMap<HostId, usize>,
    shelf: Shelf,
    secret: Option<Secret>,
}

impl Agents {
    /// Makes the registry from what the store knows.
    pub(crate) fn new(
        secret: Option<Secret>,
        known: impl IntoIterator<Item = (KnownAgent, Option<HostId>)>,
    ) -> Self {
        let mut agents = Self { secret, ..Self::default() };
        for (agent, host) in known {
            agents.insert(Slot::new(agent, host));
        }
        agents.refuse_old_secrets();
        agents
    }

    /// Takes another shared secret; agents that hold the old one are refused from now on.
    pub(crate) fn change_secret(&mut self, secret: Option<Secret>) {
        self.secret = secret;
        self.refuse_old_secrets();
    }

    /// Takes the numbers away from agents whose key comes from another secret than the present one; with
    /// the present one they introduce themselves again.
    fn refuse_old_secrets(&mut self) {
        let Self { slots, secret, by_id, .. } = self;
        let derived = |slot: &Slot| {
            secret.as_ref().is_some_and(|secret| {
                let secret = secret.expose().as_bytes();
                simple_identity(secret, slot.name.as_str()).0 == slot.id
            })
        };
        by_id.retain(|_, place| slots[*place].mode == Mode::Enrolled || derived(&slots[*place]));
    }

    /// Returns how many places there are.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Returns the place of the agent with this id.
    pub(super) fn find(&self, id: AgentId) -> Option<usize> {
        self.by_id.get(&id.0).copied()
    }

    /// Returns the place of the agent with this id, and has all that a datagram of it will need fetched from memory,
    /// without waiting for it.
    pub(super) fn expect(&self, id: AgentId) -> Option<usize> {
        let place = self.find(id)?;
        self.expect_at(place);
        Some(place)
    }

    /// Returns the place of the agent with this id, which was `before`, if it was known, when its datagram was
    /// received: others of the same batch may have changed that.
    pub(super) fn find_again(&self, id: AgentId, before: Option<usize>) -> Option<usize> {
        before.filter(|place| self.slots[*place].id == id).or_else(|| self.find(id))
    }

    /// Has what a heartbeat of the agent at a place needs fetched from memory.
    pub(super) fn expect_at(&self, place: usize) {
        prefetch(self.peek(place), Slot::NEEDED);
    }

    /// Returns the place of the agent of the host with this number.
    pub(super) fn place_of_host(&self, host: HostId) -> Option<usize> {
        self.by_host.get(&host).copied()
    }

    /// Returns the place of a host's agent.
    pub(super) fn place_of(&self, host: &HostName) -> Option<usize> {
        self.by_name.get(host).copied()
    }

    /// Returns the agent at a place that [`Agents::find`] gave.
    pub(super) fn slot(&mut self, place: usize) -> &mut Slot {
        &mut self.slots[place]
    }

    /// As [`Agents::slot`], to look only.
    pub(super) fn peek(&self, place: usize) -> &Slot {
        &self.slots[place]
    }

    /// Returns every series that an agent has declared.
    pub(super) fn series_of(&self, place: usize) -> Vec<SeriesName> {
        let sets = self.slots[place].sets.iter();
        sets.flat_map(|s| s.shape.series.iter()).map(|d| d.name.clone()).collect()
    }

    /// Derives what a stranger must hold if it knows the shared secret and is called `name`. Costs a
    /// key derivation: the caller limits how often.
    pub(super) fn stranger(&self, id: AgentId, name: &HostName) -> Result<KnownAgent, Fate> {
        let unknown = Fate::Refused(hark_proto::Refused::Agent);
        let secret = self.secret.as_ref().ok_or(unknown)?;
        if let Some(place) = self.by_name.get(name)
            && self.slots[*place].mode == Mode::Enrolled
        {
            return Err(Fate::NotEnrolled);
        }
        if self.slots.len() >= MAX_AGENTS {
            return Err(Fate::TooManyHosts);
        }
        let (derived, key) = simple_identity(secret.expose().as_bytes(), name.as_str());
        if derived != id {
            return Err(unknown);
        }
        Ok(KnownAgent {
            id: id.0,
            name: name.clone(),
            key: *key.expose(),
            mode: Mode::Shared,
            session: 0,
            items: ItemWindow::default(),
            tags: Vec::new(),
        })
    }

    /// Takes on an agent, in the place of the one with the same host name if there is one, and returns
    /// its place.
    pub(super) fn admit(&mut self, known: KnownAgent) -> usize {
        let former = self.by_name.get(&known.name).copied();
        let host = former.and_then(|p| self.slots[p].host);
        let slot = Slot::new(known, host);
        match former {
            Some(place) => {
                self.by_id.remove(&self.slots[place].id.0);
                self.by_id.insert(slot.id.0, place);
                self.slots[place] = slot;
                place
            }
            None => self.insert(slot),
        }
    }

    fn insert(&mut self, slot: Slot) -> usize {
        let place = self.slots.len();
        self.by_id.insert(slot.id.0, place);
        self.by_name.insert(slot.name.clone(), place);
        if let Some(host) = slot.host {
            self.by_host.insert(host, place);
        }
        self.slots.push(slot);
        place
    }

    /// Notes the number of a host. Returns the place of its agent, if it has one.
    pub(super) fn learned(&mut self, host: HostId, name: &HostName) -> Option<usize> {
        let place = *self.by_name.get(name)?;
        self.slots[place].host = Some(host);
        self.by_host.insert(host, place);
        Some(place)
    }

    /// Forgets the number of a host that was dropped: if its agent sends again, it is learned anew.
    pub(super) fn dropped(&mut self, host: HostId) {
        if let Some(place) = self.by_host.remove(&host) {
            let slot = &mut self.slots[place];
            slot.host = None;
            slot.sets = Sets::default();
        }
    }

    /// Enters a set under the catalogue's number; the engine is asked under `ticket` what it wants of it.
    pub(super) fn define(
        &mut self,
        place: usize,
        number: u32,
        series: &Arc<[SeriesDef]>,
        catalogue: SetId,
        ticket: u64,
    ) {
        let slot = &mut self.slots[place];
        slot.sets = self.shelf.with(&slot.sets, number, series, catalogue, ticket);
    }

    /// Forgets every set: agents are asked to declare them again when they use them.
    pub(super) fn forget_sets(&mut self) {
        for slot in &mut self.slots {
            slot.sets = Sets::default();
        }
    }

    /// Notes which values of `host` the engine wants, in place of what it wanted before. It has seen
    /// everything up to `ticket`.
    pub(super) fn watch(&mut self, host: HostId, watches: &[Watch], ticket: u64) {
        let Some(place) = self.by_host.get(&host) else { return };
        let slot = &mut self.slots[*place];
        slot.sets = self.shelf.watched(&slot.sets, watches, ticket);
    }

    /// Returns what the page shows of the agent of one host.
    pub(crate) fn facts_of(&self, host: &HostName) -> Option<AgentFacts> {
        self.by_name.get(host).map(|place| self.slots[*place].facts())
    }

    /// Returns what the page shows of every agent.
    pub(crate) fn facts(&self) -> Vec<AgentFacts> {
        self.slots.iter().map(Slot::facts).collect()
    }
}

impl Slot {
    fn facts(&self) -> AgentFacts {
        AgentFacts {
            name: self.name.clone(),
            host: self.host,
            mode: self.mode,
            address: self.reply_to.map(|(address, _)| address).or(self.asked_from),
            last_seen: self.last_seen,
            loss: self.session.loss(),
            skew_ms: self.skew_ms,
            rtt_us: self.rtt_us,
            duplicates: self.session.duplicates(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_facts_of_one_host_are_those_of_its_agent() {
        let known = ["db1", "web1"].map(|name| KnownAgent {
            id: name.len() as u64,
            name: HostName::new(name).unwrap(),
            key: [0; 32],
            mode: Mode::Enrolled,
            session: 0,
            items: ItemWindow::default(),
            tags: Vec::new(),
        });
        let agents = Agents::new(None, known.map(|agent| (agent, None)));
        let of = |name: &str| agents.facts_of(&HostName::new(name).unwrap()).map(|f| f.name);
        assert_eq!(of("web1").as_ref().map(HostName::as_str), Some("web1"));
        assert_eq!(of("db1").as_ref().map(HostName::as_str), Some("db1"));
        assert_eq!(of("db2"), None, "a host without an agent");
    }

    #[test]
    fn another_secret_leaves_only_who_is_enrolled() {
        let name = HostName::new("db1").unwrap();
        let (id, key) = simple_identity(b"old", name.as_str());
        let shared = KnownAgent {
            id: id.0,
            name,
            key: *key.expose(),
            mode: Mode::Shared,
            session: 7,
            items: ItemWindow::default(),
            tags: Vec::new(),
        };
        let enrolled = KnownAgent {
            id: 42,
            name: HostName::new("web1").unwrap(),
            mode: Mode::Enrolled,
            ..shared.clone()
        };
        let known = [(shared, None), (enrolled, None)];
        let mut agents = Agents::new(Some(Secret::new("old")), known.clone());
        assert!(agents.find(id).is_some() && agents.find(AgentId(42)).is_some());
        agents.change_secret(Some(Secret::new("new")));
        assert!(agents.find(id).is_none(), "its key comes from the old secret");
        assert!(agents.find(AgentId(42)).is_some());
        let after_a_restart = Agents::new(None, known);
        assert!(after_a_restart.find(id).is_none());
    }
}

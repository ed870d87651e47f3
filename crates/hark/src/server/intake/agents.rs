//! Who may send: every agent's key, session and dictionary.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::net::SocketAddr;
use std::sync::Arc;

use hark_engine::effect::Watch;
use hark_model::time::Unix;
use hark_model::{HostId, HostName, Secret, SeriesDef, SeriesName, Tag};
use hark_proto::{
    AgentId, AgentKey, Hello, ItemWindow, ServerSession, SetAssembler, simple_identity,
};
use hark_store::history::SetId;
use hark_store::state::{AgentMode, AgentRecord, ReportWindow};

use super::super::tally::Fate;
use super::super::vitals::Vital;
use super::early::EarlyFrame;
use super::papers::SlotPaper;

/// Agents a server takes on by itself with the shared secret: whoever holds the secret could otherwise
/// fill the memory with invented names.
const MAX_AGENTS: usize = 1_000_000;

/// Sets an agent may use at once: about one a collector and instance group; more is a fault (42).
pub(super) const MAX_SETS: usize = 64;

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

/// What a set holds; the same for every host that declares the same list.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) series: Arc<[SeriesDef]>,
    vitals: Vec<(usize, Vital)>,
}

/// One value of a set that somebody wants.
#[derive(Clone, Copy, Debug)]
pub(super) struct Want {
    /// Place in the set.
    pub(super) place: usize,
    /// For scaling.
    pub(super) decimals: u8,
    /// The engine's number, if a threshold looks at it.
    pub(super) watch: Option<u32>,
    /// The list's column, if it is one.
    pub(super) vital: Option<Vital>,
}

/// A set as one agent uses it.
#[derive(Debug)]
pub(super) struct SetUse {
    pub(super) number: u32,
    /// The set in history's catalogue.
    pub(super) catalogue: SetId,
    pub(super) shape: Arc<Shape>,
    /// What somebody wants of it, by place.
    pub(super) wants: Box<[Want]>,
    /// The ticket under which the engine was asked what it wants of it, until it has answered. Meanwhile
    /// a heartbeat with it would be stored without being compared with its thresholds.
    pub(super) asked: Option<u64>,
}

/// One agent.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) id: AgentId,
    pub(super) key: AgentKey,
    pub(super) name: HostName,
    pub(super) mode: Mode,
    pub(super) host: Option<HostId>,
    pub(super) session: ServerSession,
    pub(super) items: ItemWindow,
    pub(super) tags: Vec<Tag>,
    pub(super) sets: Vec<SetUse>,
    pub(super) assembler: Option<Box<SetAssembler>>,
    pub(super) reply_to: Option<(SocketAddr, usize)>,
    pub(super) last_seen: Option<Unix>,
    pub(super) skew_ms: i64,
    pub(super) rtt_us: Option<u32>,
    pub(super) answer_due: bool,
    /// The highest number of a request over HTTPS in this life of the server.
    pub(super) number: u64,
    /// Where the last such request came from.
    pub(super) asked_from: Option<SocketAddr>,
    /// Sets to be asked for once the session is on the disk.
    pub(super) wanted: Vec<u32>,
    /// Fresh frames that could not be judged yet.
    pub(super) early: Vec<EarlyFrame>,
    /// The hello of a host that has no number yet.
    pub(super) hello: Option<Box<Hello>>,
    /// What it is given.
    pub(super) paper: SlotPaper,
    /// Whether the engine was told that it cannot be given anything.
    pub(super) paper_trouble_told: bool,
}

impl Slot {
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
            sets: Vec::new(),
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
    shapes: HashMap<u32, Arc<Shape>>,
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

    /// Reads what a datagram of this agent will need; see [`hark_engine::Engine::prefetch`].
    pub(super) fn prefetch(&self, id: AgentId) {
        if let Some(place) = self.find(id) {
            self.prefetch_at(place);
        }
    }

    /// As [`Agents::prefetch`], of the agent at a place.
    pub(super) fn prefetch_at(&self, place: usize) {
        let slot = self.peek(place);
        let wants = slot.sets.first().and_then(|set| set.wants.first().map(|want| want.place));
        let session = (slot.session.session(), slot.session.ack_due(), slot.session.flaps());
        std::hint::black_box((session, wants, slot.skew_ms, slot.key.expose()[0]));
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
            slot.sets.clear();
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
        let shape = match self.shapes.get(&number) {
            // Numbers come from agents: two may give different lists the same number.
            Some(shape) if *shape.series == **series => Arc::clone(shape),
            _ => {
                let shape = Arc::new(Shape::new(Arc::clone(series)));
                self.shapes.insert(number, Arc::clone(&shape));
                shape
            }
        };
        let slot = &mut self.slots[place];
        slot.sets.retain(|s| s.number != number);
        if slot.sets.len() >= MAX_SETS {
            slot.sets.remove(0);
        }
        let wants = shape.wants(|_| None);
        slot.sets.push(SetUse { number, catalogue, shape, wants, asked: Some(ticket) });
    }

    /// Forgets every set: agents are asked to declare them again when they use them.
    pub(super) fn forget_sets(&mut self) {
        for slot in &mut self.slots {
            slot.sets.clear();
        }
    }

    /// Notes which values of `host` the engine wants, in place of what it wanted before. It has seen
    /// everything up to `ticket`.
    pub(super) fn watch(&mut self, host: HostId, watches: &[Watch], ticket: u64) {
        let Some(place) = self.by_host.get(&host) else { return };
        for set in &mut self.slots[*place].sets {
            set.wants = set
                .shape
                .wants(|def| watches.iter().find(|w| w.series == def.name).map(|w| w.number));
            set.asked = set.asked.filter(|asked| *asked > ticket);
        }
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

impl Shape {
    fn new(series: Arc<[SeriesDef]>) -> Self {
        let vitals = series
            .iter()
            .enumerate()
            .filter_map(|(place, def)| Some((place, Vital::of(&def.name)?)))
            .collect();
        Self { series, vitals }
    }

    fn wants(&self, watch: impl Fn(&SeriesDef) -> Option<u32>) -> Box<[Want]> {
        let want = |(place, def): (usize, &SeriesDef)| {
            let vital = self.vitals.iter().find(|(p, _)| *p == place).map(|(_, v)| *v);
            let watch = watch(def);
            let wanted = watch.is_some() || vital.is_some();
            wanted.then_some(Want { place, decimals: def.decimals, watch, vital })
        };
        self.series.iter().enumerate().filter_map(want).collect()
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

//! A host as the engine holds it, and the hosts as a whole.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hark_model::record::HostRecord;
use hark_model::{HostId, HostName, IncidentId, Now, SeriesName, Status, Tag, Unix};

use crate::check::{Check, Kind};
use crate::moment::Moment;
use crate::plan::{HostPlan, Measure};

/// The worst that is known of a host, as one letter of the page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostState {
    /// Nothing is known yet.
    #[default]
    Pending,
    /// All is well.
    Ok,
    /// In maintenance, whatever its checks say.
    Maintenance,
    /// Some check could not tell.
    Unknown,
    /// Some check is warning.
    Warning,
    /// Down, or some check is critical.
    Critical,
}

impl HostState {
    /// Every state.
    pub const ALL: [Self; 6] =
        [Self::Pending, Self::Ok, Self::Maintenance, Self::Unknown, Self::Warning, Self::Critical];

    /// Returns the letter used by the page: `o w c u m -`.
    pub fn letter(self) -> char {
        match self {
            Self::Pending => '-',
            Self::Ok => 'o',
            Self::Maintenance => 'm',
            Self::Unknown => 'u',
            Self::Warning => 'w',
            Self::Critical => 'c',
        }
    }

    fn of(status: Option<Status>) -> Self {
        match status {
            None => Self::Pending,
            Some(Status::Ok) => Self::Ok,
            Some(Status::Unknown) => Self::Unknown,
            Some(Status::Warning) => Self::Warning,
            Some(Status::Critical) => Self::Critical,
        }
    }
}

/// What has happened with a host's agent lately. Most hosts have all of these `false`.
#[expect(
    clippy::struct_excessive_bools,
    reason = "four independent facts, each set and cleared alone"
)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags {
    /// The agent missed its deadline and that was acted upon.
    pub(crate) silent: bool,
    /// The agent is past 1.5 intervals (rule F1).
    pub(crate) late: bool,
    /// Some child waits for a sign of life (rule D4).
    pub(crate) awaited: bool,
    /// Nothing was heard since the server started (rule F4).
    pub(crate) not_reproven: bool,
}

/// The tags of a host that joined with a token that has some.
#[derive(Debug)]
struct Joined {
    /// The token's.
    own: Vec<Tag>,
    /// The plan's and, behind them, the token's: what filters are held against.
    all: Vec<Tag>,
}

/// A host.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) id: HostId,
    pub(crate) name: HostName,
    pub(crate) plan: Arc<HostPlan>,
    /// Index 0 is the host's own liveness, always.
    pub(crate) checks: Vec<Check>,
    pub(crate) facts: Vec<(Arc<str>, Arc<str>)>,
    /// Of the checks that look at one series: the first, and each other. Empty where no series has two.
    pub(crate) siblings: Vec<(usize, usize)>,
    /// Only of hosts that joined with tags: most have those of their plan alone.
    joined: Option<Box<Joined>>,
    pub(crate) first_seen: Unix,
    /// When it was last heard; `LONG_AGO` if never.
    pub(crate) heard: Moment,
    pub(crate) heard_unix: Unix,
    /// Since when it is heard without a break: windows of its checks count from here.
    pub(crate) whole_since: Moment,
    /// What of `heard_unix` was stored last.
    pub(crate) stored_heard: Unix,
    /// When it is looked at next.
    pub(crate) armed: Moment,
    /// Until when a probe's answer is waited for before a silent host is called down.
    pub(crate) probe_until: Option<Moment>,
    pub(crate) address: Option<IpAddr>,
    probe_at: Option<usize>,
    round_trip_at: Option<usize>,
    /// 0 for a host without agent.
    pub(crate) interval_ms: u32,
    /// `u32::MAX` if not known.
    pub(crate) rtt_us: u32,
    /// The watch number of the check with index 0; numbers below are void.
    pub(crate) watch_base: u32,
    pub(crate) flags: Flags,
    pub(crate) state: HostState,
    /// Events seen lately, to know a second copy: time and a digest of kind and text.
    pub(crate) events: Vec<(Unix, u64)>,
    /// Incidents that are not forgotten yet.
    pub(crate) incidents: BTreeSet<IncidentId>,
}

impl Host {
    /// Returns the interval of the agent; `None` without agent.
    pub(crate) fn interval(&self) -> Option<Duration> {
        (self.interval_ms != 0).then(|| Duration::from_millis(u64::from(self.interval_ms)))
    }

    /// Returns true if heartbeats are expected.
    pub(crate) fn has_agent(&self) -> bool {
        self.interval_ms != 0
    }

    /// Returns the host's own liveness.
    pub(crate) fn liveness(&self) -> &Check {
        self.checks.first().expect("every host is made with its liveness first")
    }

    /// Returns true if the host is believed to be down.
    pub(crate) fn is_down(&self) -> bool {
        self.liveness().hard == Some(Status::Critical)
    }

    /// Returns the index of the check called `name`.
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.checks.iter().position(|check| check.rule.name.as_str() == name)
    }

    /// Returns the index of the check that probes the host.
    pub(crate) fn probe(&self) -> Option<usize> {
        self.probe_at
    }

    /// Returns the index of the round trip time's check.
    pub(crate) fn round_trip(&self) -> Option<usize> {
        self.round_trip_at
    }

    /// Finds the checks that are looked for by kind; to be called when the list has changed.
    pub(crate) fn reindex(&mut self) {
        let at = |what: &dyn Fn(&Check) -> bool| self.checks.iter().position(what);
        self.probe_at = at(&|check| check.rule.plan().is_some_and(|plan| plan.probes_host));
        self.round_trip_at = at(&|check| matches!(check.rule.kind, Kind::RoundTrip(_)));
        self.siblings = self.same_series();
        self.checks.shrink_to_fit();
    }

    /// Finds checks that look at the same series.
    fn same_series(&self) -> Vec<(usize, usize)> {
        let derived = |check: &Check| {
            check.rule.threshold().is_some_and(|t| t.signal.measure() != Measure::Value)
        };
        if !self.checks.iter().any(derived) {
            return Vec::new();
        }
        let mut first: BTreeMap<&SeriesName, usize> = BTreeMap::new();
        let mut siblings = Vec::new();
        let looks = self.checks.iter().enumerate().filter_map(|(index, check)| {
            let Kind::Threshold(_, series) = &check.rule.kind else { return None };
            Some((index, series))
        });
        let feeds = self.checks.iter().enumerate().flat_map(|(index, check)| {
            let feeders = check.more().map_or(&[][..], |more| more.feeders.as_slice());
            feeders.iter().map(move |series| (index, series))
        });
        for (index, series) in looks.chain(feeds) {
            match first.entry(series) {
                Entry::Vacant(entry) => {
                    entry.insert(index);
                }
                Entry::Occupied(entry) => siblings.push((*entry.get(), index)),
            }
        }
        siblings
    }

    /// Returns the first check that looks at a series, or is fed by it.
    pub(crate) fn first_of(&self, series: &SeriesName) -> Option<usize> {
        let looks =
            |check: &Check| matches!(&check.rule.kind, Kind::Threshold(_, own) if own == series);
        let fed = |check: &Check| check.more().is_some_and(|more| more.feeders.contains(series));
        let at = |what: &dyn Fn(&Check) -> bool| self.checks.iter().position(what);
        at(&looks).or_else(|| at(&fed))
    }

    /// Returns true if something tells whether the host lives.
    pub(crate) fn is_watched(&self) -> bool {
        self.has_agent() || self.probe().is_some()
    }

    /// Returns the tags.
    pub(crate) fn tags(&self) -> &[Tag] {
        self.joined.as_ref().map_or(&self.plan.tags, |joined| &joined.all)
    }

    /// Returns the tags that it joined with.
    pub(crate) fn joined_tags(&self) -> &[Tag] {
        self.joined.as_ref().map_or(&[], |joined| &joined.own)
    }

    /// Gives it the tags of the token that it joined with, in place of those it had from another.
    pub(crate) fn join(&mut self, own: Vec<Tag>) {
        let mut all = self.plan.tags.clone();
        all.extend(own.iter().filter(|tag| !self.plan.tags.contains(tag)).cloned());
        self.joined = (!own.is_empty()).then(|| Box::new(Joined { own, all }));
    }

    /// Takes another plan and returns the one before.
    pub(crate) fn replace_plan(&mut self, plan: Arc<HostPlan>) -> Arc<HostPlan> {
        let old = std::mem::replace(&mut self.plan, plan);
        if let Some(joined) = self.joined.take() {
            self.join(joined.own);
        }
        old
    }

    /// Returns the worst of all checks.
    pub(crate) fn worst(&self) -> HostState {
        let worst = self.checks.iter().filter_map(|check| check.hard).reduce(Status::worse);
        HostState::of(worst)
    }

    /// Returns true if a heartbeat needs more than to be noted.
    pub(crate) fn needs_attention(&self) -> bool {
        let liveness = self.liveness();
        self.flags != Flags::default()
            || liveness.hard != Some(Status::Ok)
            || liveness.passage() != crate::confirm::Passage::Steady
    }

    /// Returns the host as it is stored.
    pub(crate) fn record(&self) -> HostRecord {
        HostRecord {
            id: self.id,
            name: self.name.clone(),
            interval_ms: u64::from(self.interval_ms),
            first_seen: self.first_seen,
            last_heard: (self.heard != Moment::LONG_AGO).then_some(self.heard_unix),
            address: self.address,
            tags: self.tags().to_vec(),
            joined_tags: self.joined_tags().to_vec(),
            facts: self
                .facts
                .iter()
                .map(|(name, value)| (name.to_string(), value.to_string()))
                .collect(),
        }
    }

    /// Takes from a host all that is about checks, `liveness` being its first again: what is believed of it must be
    /// seen again, and windows count from now.
    pub(crate) fn begin_anew(&mut self, liveness: Check, now: Now) {
        self.checks = vec![liveness];
        self.incidents.clear();
        self.flags = Flags::default();
        self.state = HostState::Pending;
        self.whole_since = Moment::of(now);
        (self.armed, self.probe_until) = (Moment::NEVER, None);
        (self.rtt_us, self.watch_base) = (u32::MAX, 0);
        self.reindex();
    }

    /// Takes over what was learned of the same host under another number, which is newer.
    pub(crate) fn take_over(&mut self, newer: &Self) {
        if newer.heard != Moment::LONG_AGO {
            (self.heard, self.heard_unix) = (newer.heard, newer.heard_unix);
        }
        self.address = newer.address.or(self.address);
        if newer.interval_ms != 0 {
            self.interval_ms = newer.interval_ms;
        }
        if !newer.facts.is_empty() {
            self.facts.clone_from(&newer.facts);
        }
        if !newer.joined_tags().is_empty() {
            self.join(newer.joined_tags().to_vec());
        }
    }

    /// Makes a host that was never heard; `liveness` is its first check.
    pub(crate) fn new(
        id: HostId,
        name: HostName,
        plan: Arc<HostPlan>,
        liveness: Check,
        now: Now,
    ) -> Self {
        Self {
            id,
            name,
            address: plan.address,
            plan,
            checks: vec![liveness],
            facts: Vec::new(),
            siblings: Vec::new(),
            joined: None,
            first_seen: now.unix,
            heard: Moment::LONG_AGO,
            heard_unix: Unix(0),
            whole_since: Moment::of(now),
            stored_heard: Unix(0),
            armed: Moment::NEVER,
            probe_until: None,
            probe_at: None,
            round_trip_at: None,
            interval_ms: 0,
            rtt_us: u32::MAX,
            watch_base: 0,
            flags: Flags::default(),
            state: HostState::Pending,
            events: Vec::new(),
            incidents: BTreeSet::new(),
        }
    }
}

/// All hosts, by number.
#[derive(Debug, Default)]
pub(crate) struct Hosts {
    slots: Vec<Option<Box<Host>>>,
    names: HashMap<HostName, HostId>,
}

impl Hosts {
    /// Returns the host with this number.
    pub(crate) fn get(&self, id: HostId) -> Option<&Host> {
        self.slots.get(slot(id)).and_then(Option::as_deref)
    }

    /// Returns the host with this number.
    pub(crate) fn get_mut(&mut self, id: HostId) -> Option<&mut Host> {
        self.slots.get_mut(slot(id)).and_then(Option::as_deref_mut)
    }

    /// Returns the number of the host with this name.
    pub(crate) fn id(&self, name: &str) -> Option<HostId> {
        self.names.get(name).copied()
    }

    /// Puts a host in.
    pub(crate) fn insert(&mut self, host: Host) {
        let at = slot(host.id);
        if self.slots.len() <= at {
            self.slots.resize_with(at + 1, || None);
        }
        self.names.insert(host.name.clone(), host.id);
        self.slots[at] = Some(Box::new(host));
    }

    /// Takes a host out.
    pub(crate) fn remove(&mut self, id: HostId) -> Option<Box<Host>> {
        let host = self.slots.get_mut(slot(id))?.take()?;
        self.names.remove(host.name.as_str());
        Some(host)
    }

    /// Returns all hosts by number.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Host> {
        self.slots.iter().filter_map(Option::as_deref)
    }

    /// Returns the numbers of all hosts.
    pub(crate) fn ids(&self) -> Vec<HostId> {
        self.iter().map(|host| host.id).collect()
    }

    /// Returns how many there are.
    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }
}

fn slot(id: HostId) -> usize {
    usize::try_from(id.0).unwrap_or(usize::MAX)
}

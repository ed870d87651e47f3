//! What changed, told once a second to those who look.
//!
//! The server says *what* changed ([`Live::host`], [`Live::incident`] ...): a few instructions under a
//! lock, from any thread. Once a second a tick carries these numbers to every live connection, each
//! of which builds its own frame by asking the backend for what its user may see and has on the
//! screen. So a thousand heartbeats in a second are one frame, and a slow client costs a place in a
//! queue of 64 ticks; when it falls further behind it gets a gap and a snapshot.

pub(crate) mod client;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use hark_api::events::{Activity, Happened};
use hark_api::live::JoinSeen;
use hark_api::overview::{Counts, Problem};
use hark_model::{DeliveryId, HostId};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use crate::backend::{Backend, Sight};

/// How often frames are made.
const INTERVAL: Duration = Duration::from_secs(1);

/// Ticks that a slow client may be behind: a minute.
const QUEUE: usize = 64;

/// Every so many ticks there is one even if nothing changed, for topics that have no events.
pub(crate) const PULSE: u64 = 5;

/// Bounds on what is kept between two ticks. More hosts than this in a second: all count as changed.
const MAX_HOSTS: usize = 20_000;
/// More lines in a second than anybody reads: the newest are kept.
const MAX_EVENTS: usize = 200;
/// Messages and joined agents in a second.
const MAX_OTHERS: usize = 200;

/// What is told to live connections. Clones are the same thing.
#[derive(Clone, Debug)]
pub struct Live {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    pending: Mutex<Changes>,
    ticks: broadcast::Sender<Arc<Tick>>,
}

/// What changed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes {
    /// Hosts, and whether a check of theirs changed.
    pub(crate) hosts: BTreeMap<HostId, bool>,
    /// So many hosts changed that all count as changed.
    pub(crate) all_hosts: bool,
    /// An incident, acknowledgement or silence changed.
    pub(crate) problems: bool,
    pub(crate) events: Vec<Activity>,
    pub(crate) happened: Vec<Happened>,
    pub(crate) deliveries: BTreeSet<DeliveryId>,
    pub(crate) joined: Vec<JoinSeen>,
    /// Somebody may do or see other things than before, or is no user any more.
    pub(crate) rights: bool,
}

impl Changes {
    fn is_empty(&self) -> bool {
        self.hosts.is_empty()
            && !self.all_hosts
            && !self.problems
            && self.events.is_empty()
            && self.happened.is_empty()
            && self.deliveries.is_empty()
            && self.joined.is_empty()
            && !self.rights
    }

    /// Adds what changed later.
    pub(crate) fn merge(&mut self, later: &Self) {
        for (host, checks) in &later.hosts {
            *self.hosts.entry(*host).or_insert(false) |= checks;
        }
        self.all_hosts |= later.all_hosts;
        self.problems |= later.problems;
        self.events.extend(later.events.iter().cloned());
        keep_newest(&mut self.events, MAX_EVENTS);
        self.happened.extend(later.happened.iter().cloned());
        keep_newest(&mut self.happened, MAX_EVENTS);
        self.deliveries.extend(&later.deliveries);
        self.joined.extend(later.joined.iter().cloned());
        keep_newest(&mut self.joined, MAX_OTHERS);
        self.rights |= later.rights;
    }
}

/// One second.
#[derive(Debug)]
pub(crate) struct Tick {
    pub(crate) number: u64,
    pub(crate) changes: Changes,
    /// What everybody who sees everything gets: asked once, by the first who needs it.
    everything: OnceLock<Option<Common>>,
}

/// Counts and problems within one sight.
#[derive(Clone, Debug)]
pub(crate) struct Common {
    pub(crate) counts: Counts,
    pub(crate) problems: Vec<Problem>,
}

impl Tick {
    pub(crate) fn new(number: u64, changes: Changes) -> Self {
        Self { number, changes, everything: OnceLock::new() }
    }

    /// Returns counts and problems within `sight` as of this second; `None` if the backend could not
    /// say.
    pub(crate) fn common(&self, backend: &dyn Backend, sight: &Sight) -> Option<Common> {
        let ask = || {
            let counts = backend.counts(sight).ok()?;
            Some(Common { counts, problems: backend.problems(sight).ok()? })
        };
        match sight {
            Sight::Everything => self.everything.get_or_init(ask).clone(),
            Sight::Hosts(_) => ask(),
        }
    }
}

impl Default for Live {
    fn default() -> Self {
        Self::new()
    }
}

impl Live {
    /// Makes one; [`crate::serve`] drives it.
    pub fn new() -> Self {
        let (ticks, _) = broadcast::channel(QUEUE);
        Self { shared: Arc::new(Shared { pending: Mutex::default(), ticks }) }
    }

    /// Returns whether anybody watches: for callers who would tell a hundred thousand times a second.
    pub fn is_watched(&self) -> bool {
        self.shared.ticks.receiver_count() > 0
    }

    /// A host was heard: its times and values changed.
    pub fn heard(&self, host: HostId) {
        self.change(|changes| note_host(changes, host, false));
    }

    /// A host's state, or that of a check of it, changed.
    pub fn host(&self, host: HostId) {
        self.change(|changes| note_host(changes, host, true));
    }

    /// An incident began, changed or ended, or something that holds it quiet did.
    pub fn incident(&self) {
        self.change(|changes| changes.problems = true);
    }

    /// Something happened.
    pub fn event(&self, activity: Activity) {
        self.change(|changes| {
            changes.events.push(activity);
            keep_newest(&mut changes.events, MAX_EVENTS);
        });
    }

    /// Something happened on a host.
    pub fn happened(&self, event: Happened) {
        self.change(|changes| {
            changes.happened.push(event);
            keep_newest(&mut changes.happened, MAX_EVENTS);
        });
    }

    /// A message moved.
    pub fn delivery(&self, delivery: DeliveryId) {
        self.change(|changes| {
            changes.deliveries.insert(delivery);
            while changes.deliveries.len() > MAX_OTHERS {
                changes.deliveries.pop_first();
            }
        });
    }

    /// An agent joined.
    pub fn joined(&self, join: JoinSeen) {
        self.change(|changes| {
            changes.joined.push(join);
            keep_newest(&mut changes.joined, MAX_OTHERS);
        });
    }

    /// Users, their roles or their sessions changed: everybody who listens is looked up again.
    pub fn rights(&self) {
        self.change(|changes| changes.rights = true);
    }

    /// Returns what is told from now on.
    pub(crate) fn ticks(&self) -> broadcast::Receiver<Arc<Tick>> {
        self.shared.ticks.subscribe()
    }

    /// Makes a tick of what changed; returns false if there was nothing to tell or nobody to hear.
    pub(crate) fn tick(&self, number: u64) -> bool {
        let changes = self.change(std::mem::take);
        if changes.is_empty() && !number.is_multiple_of(PULSE) {
            return false;
        }
        self.shared.ticks.send(Arc::new(Tick::new(number, changes))).is_ok()
    }

    /// Makes a tick each second until `shutdown`.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let mut interval = tokio::time::interval(INTERVAL);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        for number in 1.. {
            tokio::select! {
                _ = interval.tick() => { self.tick(number); }
                () = shutdown.cancelled() => return,
            }
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Changes) -> T) -> T {
        change(&mut self.shared.pending.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn note_host(changes: &mut Changes, host: HostId, checks: bool) {
    if changes.hosts.len() >= MAX_HOSTS && !changes.hosts.contains_key(&host) {
        changes.all_hosts = true;
        return;
    }
    *changes.hosts.entry(host).or_insert(false) |= checks;
    // Counts are of hosts: a changed state changes them.
    changes.problems |= checks;
}

fn keep_newest<T>(list: &mut Vec<T>, bound: usize) {
    if list.len() > bound {
        list.drain(..list.len() - bound);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hark_api::words::Kind;

    fn activity(n: i64) -> Activity {
        Activity {
            at_unix_s: n,
            kind: Kind::Server,
            host: None,
            check: None,
            incident: None,
            state: None,
            message_state: None,
            text: String::new(),
        }
    }

    #[test]
    fn a_second_is_one_tick() {
        let live = Live::new();
        let mut ticks = live.ticks();
        for _ in 0..1000 {
            live.heard(HostId(7));
        }
        live.host(HostId(8));
        live.event(activity(1));
        assert!(live.tick(1));
        let tick = ticks.try_recv().unwrap();
        assert_eq!(tick.changes.hosts, BTreeMap::from([(HostId(7), false), (HostId(8), true)]));
        assert!(tick.changes.problems);
        assert_eq!(tick.changes.events.len(), 1);
        assert!(!live.tick(2), "nothing changed since");
        assert!(live.tick(5), "the pulse comes anyway");
    }

    #[test]
    fn a_slow_client_is_told_of_its_gap() {
        let live = Live::new();
        let mut ticks = live.ticks();
        for number in 1..=100 {
            live.incident();
            live.tick(number);
        }
        let error = ticks.try_recv().unwrap_err();
        assert!(matches!(error, broadcast::error::TryRecvError::Lagged(36)), "{error:?}");
    }

    #[test]
    fn what_is_kept_between_ticks_is_bounded() {
        let live = Live::new();
        let mut ticks = live.ticks();
        for n in 0..30_000 {
            live.heard(HostId(n));
            live.delivery(DeliveryId(u64::from(n)));
            live.event(activity(i64::from(n)));
        }
        live.tick(1);
        let changes = &ticks.try_recv().unwrap().changes;
        assert!(changes.all_hosts);
        assert_eq!(changes.hosts.len(), MAX_HOSTS);
        assert_eq!(changes.deliveries.len(), MAX_OTHERS);
        assert_eq!(changes.events.last().unwrap().at_unix_s, 29_999, "the newest are kept");
    }

    #[test]
    fn late_ticks_are_merged() {
        let mut changes = Changes::default();
        changes.hosts.insert(HostId(1), true);
        let mut later = Changes::default();
        later.hosts.extend([(HostId(1), false), (HostId(2), false)]);
        later.events.push(activity(3));
        later.rights = true;
        changes.merge(&later);
        assert_eq!(changes.hosts, BTreeMap::from([(HostId(1), true), (HostId(2), false)]));
        assert_eq!(changes.events.len(), 1);
        assert!(changes.rights && !changes.is_empty());
    }
}

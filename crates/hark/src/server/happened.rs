//! Events on their way into the engine: folded, numbered, known again.
//!
//! Everything here is on the engine's thread: an event that comes from several sides at once is seen by
//! one after the other. What is decided about an event is written in the commit of the engine's own
//! records, so a server that is killed has either all of it or nothing, and is brought it again.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use hark_engine::Engine;
use hark_engine::fold::{Folds, Taken};
use hark_engine::plan::SELF;
use hark_model::time::{Mono, Now};
use hark_model::{Event, HostName};
use hark_store::state::{Change, EventRecord, EventUid, MAX_EVENTS, StateReader};
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::Value;

use super::topics::Topics;

/// The most hosts that are learned from others: as many as a server is made for.
const MAX_HOSTS: usize = 100_000;

/// How often it is looked what has been counted.
const LOOK: Duration = Duration::from_secs(1);

/// The rules of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    /// How long identical events are counted before they are told.
    pub(crate) fold: Duration,
    /// The name of this server among others.
    pub(crate) node: String,
    /// What it takes of others.
    pub(crate) take: Topics,
}

/// How long identical events are counted if nothing else is said.
pub(crate) const FOLD: Duration = Duration::from_mins(5);

impl Default for Rules {
    fn default() -> Self {
        let node = crate::sys::host_name().unwrap_or_else(|| "hark".to_owned());
        Self { fold: FOLD, node, take: Topics::default() }
    }
}

/// An event that another server brings.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Brought {
    /// Its number over all servers.
    pub(crate) uid: EventUid,
    /// The servers that it has come through; not empty.
    pub(crate) hops: Vec<String>,
    /// The host on which it happened.
    pub(crate) host: HostName,
    /// What happened.
    pub(crate) event: Event,
}

/// Returns what programs are to read of an event; an agent may have sent what is no JSON, which is a text.
pub(crate) fn data(event: &Event) -> Option<Value> {
    let data = event.data.as_deref()?;
    Some(serde_json::from_str(data).unwrap_or_else(|_| data.into()))
}

/// What becomes of an event.
#[derive(Debug)]
pub(crate) enum Fate {
    /// The engine is to be told; then this is to be written.
    Tell(Box<EventRecord>),
    /// This alone is to be written.
    Count(Box<Change>),
    /// Nothing: it is known.
    Known,
}

/// What is known of events.
#[derive(Debug)]
pub(crate) struct Happened {
    rules: Arc<ArcSwap<Rules>>,
    folds: Folds<EventUid>,
    seen: BTreeSet<EventUid>,
    order: VecDeque<EventUid>,
    random: SystemRandom,
    looked: Mono,
}

impl Happened {
    /// Begins with what `reader` finds.
    pub(crate) fn new(rules: Arc<ArcSwap<Rules>>, reader: &StateReader, now: Now) -> Self {
        let fold = rules.load().fold;
        let mut happened = Self { rules, ..Self::default() };
        happened.folds.configure(fold);
        // Without them an event may be told twice, which is better than no server.
        let uids = reader.event_uids().unwrap_or_else(|error| {
            tracing::warn!(%error, "the events of before cannot be read");
            Vec::new()
        });
        for uid in uids {
            happened.see(uid);
        }
        let last = reader.event_places().ok().flatten().map_or(0, |(_, last)| last);
        for (_, r) in reader.events_after(last.saturating_sub(1000), 1000).unwrap_or_default() {
            happened.folds.restore(&r.host, &r.event, r.uid, (r.count, r.last), now);
        }
        happened
    }

    /// Decides about an event that was met here.
    pub(crate) fn met(&mut self, host: &HostName, event: &Event, now: Now) -> Fate {
        self.folds.configure(self.rules.load().fold);
        let uid = self.draw();
        match self.folds.take(host, event, uid, now) {
            Taken::New => self.tell(uid, host.clone(), event.clone(), Vec::new()),
            Taken::Again { id, count, last } => {
                Fate::Count(Box::new(Change::EventRepeated { uid: id, count, last }))
            }
            Taken::Copy => Fate::Known,
        }
    }

    /// Decides about an event that another server brings. It was folded there.
    pub(crate) fn brought(&mut self, brought: Brought, engine: &Engine) -> Fate {
        let Brought { uid, hops, host, event } = brought;
        let is_ours = hops.contains(&self.rules.load().node);
        if is_ours || self.seen.contains(&uid) {
            return Fate::Known;
        }
        if !self.rules.load().take.want(&event) {
            return Fate::Known;
        }
        // What another server says of itself is no word about this one.
        let host = if host.as_str() == SELF {
            hops.first().and_then(|node| HostName::new(node).ok()).unwrap_or(host)
        } else {
            host
        };
        let is_new = engine.host_named(host.as_str()).is_none();
        if is_new && engine.n_hosts() >= MAX_HOSTS {
            tracing::warn!(%host, "an event of another server is refused: there are too many hosts");
            return Fate::Known;
        }
        self.tell(uid, host, event, hops)
    }

    /// Returns the events that stand for several, each with what is to be written.
    pub(crate) fn due(&mut self, now: Mono) -> Vec<EventRecord> {
        if now.since(self.looked) < LOOK {
            return Vec::new();
        }
        self.looked = now;
        let due = self.folds.due(now);
        let records = due.into_iter().map(|(host, event)| {
            let uid = self.draw();
            self.record(uid, host, event, Vec::new())
        });
        records.collect()
    }

    /// Takes back that an event was new: the engine knows it.
    pub(crate) fn was_known(&mut self, record: &EventRecord) {
        if record.hops.len() <= 1 {
            self.folds.forget(&record.host, &record.event);
        }
    }

    fn tell(&mut self, uid: EventUid, host: HostName, event: Event, hops: Vec<String>) -> Fate {
        Fate::Tell(Box::new(self.record(uid, host, event, hops)))
    }

    fn record(
        &mut self,
        uid: EventUid,
        host: HostName,
        event: Event,
        mut hops: Vec<String>,
    ) -> EventRecord {
        self.see(uid);
        hops.push(self.rules.load().node.clone());
        EventRecord { uid, host, count: 1, last: event.at, event, hops }
    }

    fn see(&mut self, uid: EventUid) {
        if self.seen.insert(uid) {
            self.order.push_back(uid);
        }
        if self.order.len() as u64 > MAX_EVENTS
            && let Some(oldest) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
        }
    }

    fn draw(&self) -> EventUid {
        let mut bytes = [0; 16];
        if self.random.fill(&mut bytes).is_err() {
            tracing::error!("the system gives no random numbers: events have none of their own");
        }
        EventUid(u128::from_be_bytes(bytes))
    }
}

impl Default for Happened {
    fn default() -> Self {
        Self {
            rules: Arc::default(),
            folds: Folds::new(FOLD),
            seen: BTreeSet::new(),
            order: VecDeque::new(),
            random: SystemRandom::new(),
            looked: Mono(0),
        }
    }
}

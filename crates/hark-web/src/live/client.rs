//! One live connection: what it wants, what it was sent, and the frame that follows.
//!
//! A machine without sockets: the WebSocket and the event stream drive the same one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hark_api::deliveries::DeliveriesQuery;
use hark_api::events::Happened;
use hark_api::list::PageQuery;
use hark_api::live::{Frame, HostChange, JoinSeen, ProblemChange, Rows, Subscribe};
use hark_api::overview::{Counts, Overview, Problem};
use hark_model::{HostId, HostName};

use super::{Changes, PULSE, Tick};
use crate::backend::{Backend, Sight};

/// Messages in a snapshot.
const MAX_DELIVERIES: u32 = 20;

/// One live connection.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    sight: Sight,
    wants: Wants,
    /// What it wants since it was last sent the whole of something: that is due.
    fresh: Wants,
    seq: u64,
    counts: Option<Counts>,
    problems: BTreeMap<u64, Problem>,
}

/// What a client can want to hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Topic {
    Counts,
    Problems,
    Events,
    Deliveries,
    Enrol,
    Server,
    /// Rows of hosts whose state changes, whichever they are.
    States,
    /// What the user is told about himself.
    Me,
}

impl Topic {
    fn from_word(word: &str) -> Option<Self> {
        match word {
            "counts" => Some(Self::Counts),
            "problems" => Some(Self::Problems),
            "events" => Some(Self::Events),
            "deliveries" => Some(Self::Deliveries),
            "enrol" => Some(Self::Enrol),
            "self" => Some(Self::Server),
            "states" => Some(Self::States),
            "me" => Some(Self::Me),
            _ => None,
        }
    }
}

/// What a client wants to hear of.
#[derive(Clone, Debug, Default)]
struct Wants {
    topics: BTreeSet<Topic>,
    /// Kinds and severities of events of hosts, in small letters; `None` wants none of them, an empty list all.
    happened: Option<Vec<String>>,
    hosts: Vec<HostName>,
    rows: Vec<HostId>,
}

impl Wants {
    /// Returns what is wanted here and not in `before`. Events of hosts have no whole.
    fn without(&self, before: &Self) -> Self {
        let shown: BTreeSet<&HostId> = before.rows.iter().collect();
        let is_new = |host: &&HostName| !before.hosts.contains(host);
        Self {
            topics: &self.topics - &before.topics,
            happened: None,
            hosts: self.hosts.iter().filter(is_new).cloned().collect(),
            rows: self.rows.iter().filter(|id| !shown.contains(id)).copied().collect(),
        }
    }
}

impl Client {
    /// Makes a client that wants nothing yet.
    pub(crate) fn new(sight: Sight) -> Self {
        let (wants, fresh) = (Wants::default(), Wants::default());
        Self { sight, wants, fresh, seq: 0, counts: None, problems: BTreeMap::new() }
    }

    /// Replaces what the client wants. Topics that do not exist are left out, so that newer pages
    /// work with older servers; what goes beyond the bounds is left out as well. [`Client::added`] is due then.
    pub(crate) fn subscribe(&mut self, subscribe: &Subscribe) {
        let mut wants = Wants::default();
        for topic in subscribe.sub.iter().take(Subscribe::MAX_TOPICS) {
            if topic == "happened" {
                wants.happened = Some(Vec::new());
            } else if let Some(word) = topic.strip_prefix("happened:") {
                match &mut wants.happened {
                    // Who wants all of them has these.
                    Some(words) if words.is_empty() => {}
                    words => words.get_or_insert_default().push(word.to_lowercase()),
                }
            } else if let Some(name) = topic.strip_prefix("host:") {
                let name = HostName::new(name).ok();
                wants.hosts.extend(name.filter(|name| self.sight.covers(name.as_str())));
            } else {
                wants.topics.extend(Topic::from_word(topic));
            }
        }
        let rows = subscribe.rows.iter().take(Subscribe::MAX_ROWS);
        wants.rows = rows.map(|id| HostId(*id)).collect();
        self.fresh = wants.without(&self.wants);
        self.wants = wants;
    }

    /// Changes what the user may see; returns true if it did change, and a snapshot is due.
    pub(crate) fn set_sight(&mut self, sight: Sight) -> bool {
        let changed = self.sight != sight;
        if changed {
            let seen = &sight;
            self.wants.hosts.retain(|host| seen.covers(host.as_str()));
            self.sight = sight;
        }
        changed
    }

    /// Returns all of what the client wants.
    pub(crate) fn snapshot(&mut self, backend: &dyn Backend, at_unix_s: i64) -> Frame {
        self.fresh = Wants::default();
        self.whole(backend, &self.wants.clone(), at_unix_s)
    }

    /// Returns all of what the client wants and did not want before: a page that scrolls gets the rows that
    /// come into view, and not everything else anew.
    pub(crate) fn added(&mut self, backend: &dyn Backend, at_unix_s: i64) -> Frame {
        let fresh = std::mem::take(&mut self.fresh);
        self.whole(backend, &fresh, at_unix_s)
    }

    /// Returns all that there is of `wants`.
    fn whole(&mut self, backend: &dyn Backend, wants: &Wants, at_unix_s: i64) -> Frame {
        if wants.topics.contains(&Topic::Counts) {
            self.counts = None;
        }
        if wants.topics.contains(&Topic::Problems) {
            self.problems.clear();
        }
        let tick = Tick::new(PULSE, Changes { problems: true, ..Changes::default() });
        let mut frame = Frame { snapshot: true, ..self.common(backend, &wants.topics, &tick) };
        if wants.topics.contains(&Topic::Problems) && frame.problems.is_none() {
            frame.problems = Some(ProblemChange::default());
        }
        if !wants.rows.is_empty() {
            frame.rows = backend.rows(&self.sight, &wants.rows).ok();
        }
        if wants.topics.contains(&Topic::Events) {
            let page = PageQuery {
                limit: u32::try_from(Overview::MAX_EVENTS).ok(),
                ..PageQuery::default()
            };
            let events = backend.events(&self.sight, None, None, &page);
            frame.events = events.ok().map(|page| page.items.into_iter().rev().collect());
        }
        if wants.topics.contains(&Topic::Deliveries) {
            let query =
                DeliveriesQuery { limit: Some(MAX_DELIVERIES), ..DeliveriesQuery::default() };
            frame.deliveries = backend.deliveries(&self.sight, &query).ok().map(|page| page.items);
        }
        let hosts = wants.hosts.iter().filter_map(|host| {
            let change = backend.host_change(host).ok()?;
            Some((host.to_string(), HostChange { checks_changed: true, ..change }))
        });
        frame.host = some(hosts.collect());
        self.number(frame, at_unix_s)
    }

    /// Returns what changed in the seconds of `ticks`, as one frame; `None` if nothing that the
    /// client wants did.
    pub(crate) fn frame(
        &mut self,
        backend: &dyn Backend,
        ticks: &[Arc<Tick>],
        at_unix_s: i64,
    ) -> Option<Frame> {
        let last = ticks.last()?;
        let mut changes = Changes::default();
        for tick in ticks {
            changes.merge(&tick.changes);
        }
        let mut frame = if changes.problems || last.number.is_multiple_of(PULSE) {
            self.common(backend, &self.wants.topics.clone(), last)
        } else {
            Frame::default()
        };
        frame.rows = self.rows(backend, &changes);
        frame.host = self.hosts(backend, &changes);
        let sight = &self.sight;
        if self.wants(Topic::Events) {
            let seen = changes.events.into_iter().filter(|event| sight.covers_activity(event));
            frame.events = some(seen.collect());
        }
        if let Some(words) = &self.wants.happened {
            let wanted = |event: &Happened| {
                let is_one =
                    |word: &String| *word == event.severity || *word == event.kind.to_lowercase();
                sight.covers(&event.host) && (words.is_empty() || words.iter().any(is_one))
            };
            frame.happened = some(changes.happened.into_iter().filter(wanted).collect());
        }
        if self.wants(Topic::Deliveries) {
            let seen = changes.deliveries.iter().filter_map(|id| backend.delivery(sight, *id).ok());
            frame.deliveries = some(seen.collect());
        }
        if self.wants(Topic::Enrol) && *sight == Sight::Everything {
            frame.enrol = some::<Vec<JoinSeen>>(changes.joined);
        }
        (!frame.is_empty()).then(|| self.number(frame, at_unix_s))
    }

    /// Returns whether the client wants to hear of its user's own rights.
    pub(crate) fn wants_me(&self) -> bool {
        self.wants(Topic::Me)
    }

    fn wants(&self, topic: Topic) -> bool {
        self.wants.topics.contains(&topic)
    }

    fn number(&mut self, mut frame: Frame, at_unix_s: i64) -> Frame {
        self.seq += 1;
        frame.seq = self.seq;
        frame.at_unix_s = at_unix_s;
        frame
    }

    /// Returns a frame with what is compared with what was sent before.
    fn common(&mut self, backend: &dyn Backend, topics: &BTreeSet<Topic>, tick: &Tick) -> Frame {
        let mut frame = Frame::default();
        if topics.contains(&Topic::Server) && tick.number.is_multiple_of(PULSE) {
            frame.server = backend.server().ok();
        }
        if !(topics.contains(&Topic::Counts) || topics.contains(&Topic::Problems)) {
            return frame;
        }
        let Some(common) = tick.common(backend, &self.sight) else { return frame };
        if topics.contains(&Topic::Counts) && self.counts != Some(common.counts) {
            self.counts = Some(common.counts);
            frame.counts = self.counts;
        }
        if topics.contains(&Topic::Problems) {
            frame.problems = self.problems(common.problems);
        }
        frame
    }

    fn problems(&mut self, now: Vec<Problem>) -> Option<ProblemChange> {
        let now: BTreeMap<u64, Problem> = now.into_iter().map(|p| (p.incident, p)).collect();
        let drop: Vec<u64> =
            self.problems.keys().filter(|id| !now.contains_key(id)).copied().collect();
        let add: Vec<Problem> = now
            .iter()
            .filter(|(id, problem)| self.problems.get(id) != Some(problem))
            .map(|(_, problem)| problem.clone())
            .collect();
        self.problems = now;
        (!add.is_empty() || !drop.is_empty()).then_some(ProblemChange { add, drop })
    }

    /// Returns the rows that changed among those that are shown, and those of hosts whose state changed. Where
    /// more hosts changed than are known by their numbers, the latter are left out: then all are read anew.
    fn rows(&self, backend: &dyn Backend, changes: &Changes) -> Option<Rows> {
        let changed = |id: &&HostId| changes.all_hosts || changes.hosts.contains_key(id);
        let mut ids: BTreeSet<HostId> = self.wants.rows.iter().filter(changed).copied().collect();
        if self.wants(Topic::States) {
            ids.extend(changes.hosts.iter().filter(|(_, state)| **state).map(|(id, _)| *id));
        }
        if ids.is_empty() {
            return None;
        }
        let ids: Vec<HostId> = ids.into_iter().collect();
        backend.rows(&self.sight, &ids).ok().filter(|rows| !rows.id.is_empty())
    }

    fn hosts(
        &self,
        backend: &dyn Backend,
        changes: &Changes,
    ) -> Option<BTreeMap<String, HostChange>> {
        let changed = self.wants.hosts.iter().filter_map(|host| {
            let id = backend.host_id(host).ok()?;
            let checks_changed = match changes.hosts.get(&id) {
                Some(checks) => *checks,
                None if changes.all_hosts => true,
                None => return None,
            };
            let change = backend.host_change(host).ok()?;
            Some((host.to_string(), HostChange { checks_changed, ..change }))
        });
        some(changed.collect())
    }
}

/// Returns `list` unless it is empty.
fn some<T: IntoIterator>(list: T) -> Option<T>
where
    for<'a> &'a T: IntoIterator,
{
    let empty = (&list).into_iter().next().is_none();
    (!empty).then_some(list)
}

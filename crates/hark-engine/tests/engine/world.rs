//! A world around the engine: time that jumps from deadline to deadline, a store, receivers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use hark_config::{Document, NoSecrets, Style};
use hark_engine::{
    Action, Effect, Effects, Engine, Expected, Heard, HostJoined, HostSeen, Input, Outcome, Plan,
    Recall, Recalled, plan,
};
use hark_model::record::{DeliveryState, JournalKind, Matcher, Record, SilenceTerms, Snapshot};
use hark_model::{
    CheckName, CheckResult, DeliveryId, Event, EventKind, HostId, HostName, Mono, Next,
    Notification, Now, ReceiverName, SeriesName, Severity, Status, Tag, Unix, UserName,
};

use hark_signals::Band;

use crate::store::Store;

/// 2026-11-20 00:00:00 UTC: times of day in scenarios are times since the beginning.
pub(crate) const MIDNIGHT: Unix = Unix(1_795_132_800_000);

/// Returns the plan that a text makes.
pub(crate) fn plan_of(text: &str) -> Arc<Plan> {
    let document = Document::single(text);
    let root = document.root(&NoSecrets);
    let plan = plan::read(&root);
    assert!(plan.is_some(), "{}", document.diagnostics().render(Style::Plain));
    Arc::new(plan.unwrap())
}

/// A message and when it was put into the outbox.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Said {
    pub(crate) at: u64,
    pub(crate) notification: Notification,
}

/// The engine and everything around it.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) store: Store,
    pub(crate) plan: Arc<Plan>,
    /// Milliseconds since the beginning.
    pub(crate) time: u64,
    /// How far the wall clock has been put forward.
    pub(crate) wall: i64,
    pub(crate) said: Vec<Said>,
    /// What was kept back: time, receiver, block.
    pub(crate) withheld: Vec<(u64, String, String)>,
    pub(crate) probes: Vec<(u64, HostId, CheckName)>,
    /// Repairs that were ordered: host and action.
    pub(crate) ordered: Vec<(HostName, String)>,
    /// What the history says of repairs.
    pub(crate) repairs: Vec<String>,
    /// What the server did, and what of people's deeds it wrote down.
    pub(crate) journal: Vec<String>,
    pub(crate) away: BTreeSet<ReceiverName>,
    pub(crate) refuses: BTreeSet<ReceiverName>,
    pub(crate) watches: BTreeMap<(HostId, String), u32>,
    pub(crate) answers: Vec<Result<hark_engine::Done, hark_engine::Refused>>,
    /// What history would have of each series: all values of heartbeats; nothing while it is stopped.
    pub(crate) past: BTreeMap<(HostId, String), Vec<(Unix, f64)>>,
    pub(crate) has_history: bool,
    /// What is usual of each series, at every hour; nothing is where history is too young.
    pub(crate) usual: BTreeMap<String, Band>,
    request: u64,
    /// How many effects there were, and how many of them change what is stored, lines of history aside.
    pub(crate) effects: usize,
    pub(crate) records: usize,
}

impl World {
    pub(crate) fn new(plan: Arc<Plan>) -> Self {
        let start = Now { mono: Mono(3_600_000), unix: MIDNIGHT };
        let (engine, effects) = Engine::new(Arc::clone(&plan), Snapshot::default(), start);
        let mut world = Self {
            engine,
            store: Store::default(),
            plan,
            time: 0,
            wall: 0,
            said: Vec::new(),
            withheld: Vec::new(),
            probes: Vec::new(),
            ordered: Vec::new(),
            repairs: Vec::new(),
            journal: Vec::new(),
            away: BTreeSet::new(),
            refuses: BTreeSet::new(),
            watches: BTreeMap::new(),
            answers: Vec::new(),
            past: BTreeMap::new(),
            has_history: true,
            usual: BTreeMap::new(),
            request: 0,
            effects: 0,
            records: 0,
        };
        world.take(effects);
        world
    }

    pub(crate) fn now(&self) -> Now {
        let time = i64::try_from(self.time).unwrap();
        Now { mono: Mono(3_600_000 + self.time), unix: Unix(MIDNIGHT.0 + time + self.wall) }
    }

    /// Lets time pass, ticking at each deadline.
    pub(crate) fn run_to(&mut self, time: u64) {
        for _ in 0..100_000 {
            let Some(next) = self.engine.next_deadline() else { break };
            let next = next.0.saturating_sub(3_600_000).max(self.time);
            if next > time {
                break;
            }
            self.time = next;
            self.step(Input::Tick);
        }
        self.time = self.time.max(time);
    }

    /// Lets time pass without a tick.
    pub(crate) fn sleep_to(&mut self, time: u64) {
        self.time = self.time.max(time);
    }

    pub(crate) fn step(&mut self, input: Input) {
        let mut effects = Effects::default();
        self.engine.step(input, self.now(), &mut effects);
        self.take(effects);
    }

    /// Carries effects out: commit first, then everything else.
    fn take(&mut self, effects: Effects) {
        self.effects += effects.records.len() + effects.effects.len();
        let changes = effects.records.iter().filter(|r| !matches!(r, Record::Journal(_)));
        self.records += changes.count();
        self.store.commit(&effects.records);
        let mut rows = Vec::new();
        for record in effects.records {
            match record {
                // Also what is kept for somebody's hours: it has its time with it.
                Record::Outbox(row) if row.attempts == 0 && is_on_its_way(&row.state) => {
                    rows.push(row.notification);
                }
                Record::Journal(line) if line.kind == JournalKind::Withheld => {
                    let receiver = line.receiver.map_or("-".to_owned(), |r| r.to_string());
                    let block = line.text.split(':').next().unwrap_or("").to_owned();
                    let at = u64::try_from(line.at.0 - MIDNIGHT.0 - self.wall).unwrap_or(0);
                    self.withheld.push((at, receiver, block));
                }
                Record::Journal(line) if line.text.starts_with("repair: ") => {
                    assert!(line.incident.is_some(), "it is in the incident's history: {line:?}");
                    self.repairs.push(line.text);
                }
                Record::Journal(line)
                    if matches!(line.kind, JournalKind::Server | JournalKind::Operator) =>
                {
                    self.journal.push(line.text);
                }
                _ => {}
            }
        }
        let mut answers = Vec::new();
        for effect in effects.effects {
            match effect {
                Effect::Happened { host, event } => answers.push(Input::Event { host, event }),
                Effect::Recall { host, check, series, recall } if self.has_history => {
                    let past = self.recalled(host, &series, &recall);
                    answers.push(Input::Recalled { host, check, past });
                }
                Effect::Watch { host, watches } => {
                    self.watches.retain(|(id, _), _| *id != host);
                    for watch in watches {
                        self.watches.insert((host, watch.series.path()), watch.number);
                    }
                }
                Effect::Probe { host, check } => self.probes.push((self.time, host, check)),
                Effect::Order { host, action, .. } => self.ordered.push((host, action)),
                Effect::Answer { result, .. } => self.answers.push(result),
                // As ingest does: whoever sends again says anew what he has.
                Effect::HostDropped { host } => self.watches.retain(|(id, _), _| *id != host),
                Effect::Dropped(dropped) => {
                    self.store.dropped.insert(dropped.host.id, *dropped);
                }
                Effect::DroppedBack { host } => {
                    let dropped = self.store.dropped.remove(&host);
                    assert!(dropped.is_some(), "only one that was dropped comes back");
                }
                Effect::HostLearned { .. }
                | Effect::HostForgotten { .. }
                | Effect::Recall { .. }
                | Effect::Changed(_) => {}
            }
        }
        for notification in rows {
            let at = notification.at.0 - MIDNIGHT.0 - self.wall;
            let said = Said { at: u64::try_from(at).unwrap_or(0), notification };
            self.said.push(said.clone());
            self.deliver(&said.notification);
        }
        for input in answers {
            self.step(input);
        }
    }

    /// Returns what history has, every value of it.
    fn recalled(&self, host: HostId, series: &SeriesName, recall: &Recall) -> Recalled {
        let all = self.past.get(&(host, series.path())).cloned().unwrap_or_default();
        let since = |span: Duration| {
            let from = self.now().unix - span;
            all.iter().filter(move |(at, _)| *at > from)
        };
        Recalled {
            values: since(recall.over).copied().collect(),
            extremes: recall
                .extremes
                .map(|span| since(span).map(|(at, value)| (*at, *value, *value)).collect())
                .unwrap_or_default(),
            usual: recall.usual.map(|_| Expected {
                from: MIDNIGHT - Duration::from_hours(24),
                hours: vec![self.usual.get(&series.path()).copied(); 72],
            }),
        }
    }

    fn deliver(&mut self, notification: &Notification) {
        let outcome = if self.refuses.contains(&notification.receiver) {
            Outcome::Dead
        } else if self.away.contains(&notification.receiver) {
            return;
        } else {
            Outcome::Sent
        };
        self.store.delivered(notification.id, outcome == Outcome::Sent, self.now());
        self.step(Input::Delivery {
            delivery: notification.id,
            incident: notification.incident,
            receiver: notification.receiver.clone(),
            outcome,
        });
    }

    /// A receiver can be reached again: what waits is delivered.
    pub(crate) fn back(&mut self, receiver: &str) {
        self.away.remove(receiver);
        for row in self.store.snapshot(self.now()).outbox {
            if row.notification.receiver.as_str() == receiver {
                self.deliver(&row.notification);
            }
        }
    }

    /// Returns what has not arrived.
    pub(crate) fn waiting(&self) -> Vec<DeliveryId> {
        self.store.snapshot(self.now()).outbox.iter().map(|row| row.notification.id).collect()
    }

    pub(crate) fn host(&mut self, name: &str) -> HostId {
        if let Some(host) = self.engine.host_named(name) {
            return host.id();
        }
        self.step(Input::HostSeen(HostSeen {
            name: HostName::new(name).unwrap(),
            interval: Duration::from_secs(30),
            address: None,
        }));
        self.engine.host_named(name).unwrap().id()
    }

    /// A host joins with a token that has these tags.
    pub(crate) fn join(&mut self, name: &str, tags: &[&str]) {
        let joined = HostJoined {
            name: HostName::new(name).unwrap(),
            address: None,
            facts: Vec::new(),
            tags: tags.iter().map(|tag| Tag::new(tag).unwrap()).collect(),
        };
        self.operate("mira", Action::Join(joined));
    }

    pub(crate) fn heard(&mut self, name: &str, values: &[(&str, f64)]) {
        self.heard_taken(name, values, self.now().unix);
    }

    pub(crate) fn heard_taken(&mut self, name: &str, values: &[(&str, f64)], taken_at: Unix) {
        let host = self.host(name);
        let series: Vec<SeriesName> = values
            .iter()
            .filter(|(path, _)| *path != "rtt")
            .map(|(path, _)| series(path))
            .collect();
        let known = |s: &SeriesName| self.watches.contains_key(&(host, s.path()));
        if !series.iter().all(known) {
            self.step(Input::SeriesSeen { host, series });
        }
        for (path, value) in values.iter().filter(|(_, value)| !value.is_nan()) {
            let past = self.past.entry((host, (*path).to_owned())).or_default();
            past.push((taken_at, *value));
        }
        let rtt = values.iter().find(|(path, _)| *path == "rtt").map(|(_, value)| *value);
        let numbered = values
            .iter()
            .filter_map(|(path, value)| {
                self.watches.get(&(host, (*path).to_owned())).map(|number| (*number, *value))
            })
            .collect();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "test values")]
        let rtt_us = rtt.map(|ms| (ms * 1000.0) as u32);
        self.step(Input::Heard(Heard {
            host,
            interval_ms: 30_000,
            moved_to: None,
            rtt_us,
            taken_at,
            skew_ms: (taken_at.0 - self.now().unix.0).max(0),
            values: numbered,
        }));
    }

    pub(crate) fn result(&mut self, host: &str, check: &str, status: Status, text: &str) {
        self.result_before(host, check, status, text, Next::AsBefore);
    }

    /// A result that says when the next one comes.
    pub(crate) fn result_before(
        &mut self,
        host: &str,
        check: &str,
        status: Status,
        text: &str,
        next: Next,
    ) {
        let host = self.host(host);
        let result = CheckResult {
            check: CheckName::new(check).unwrap(),
            status,
            text: text.to_owned(),
            began_at: self.now().unix,
            took_ms: 10,
            values: Vec::new(),
            limits: Vec::new(),
            next,
        };
        self.step(Input::Result { host, result });
    }

    pub(crate) fn event(&mut self, host: &str, kind: &str, severity: Severity, text: &str) {
        let host = self.host(host);
        let event = Event {
            at: self.now().unix,
            kind: EventKind::from_word(kind),
            severity,
            text: text.to_owned(),
            tags: Vec::new(),
            data: None,
        };
        self.step(Input::Event { host, event });
    }

    pub(crate) fn operate(&mut self, by: &str, action: Action) {
        self.request += 1;
        let by = UserName::new(by).unwrap();
        self.step(Input::Operator { request: self.request, by, action });
    }

    /// Returns the open incident of a check.
    pub(crate) fn incident(&self, host: &str, check: &str) -> Option<hark_model::IncidentId> {
        self.engine.host_named(host)?.check(check)?.incident()
    }

    pub(crate) fn silence(&mut self, host: &str, seconds: u64, reason: &str, maintenance: bool) {
        let matcher = Matcher { hosts: vec![host.to_owned()], ..Matcher::default() };
        let from = self.now().unix;
        let until = from + Duration::from_secs(seconds);
        let (reason, flexible) = (reason.to_owned(), None);
        self.operate(
            "mira",
            Action::Silence(SilenceTerms {
                matcher,
                reason,
                from,
                until,
                maintenance,
                flexible,
                repeats: None,
            }),
        );
    }

    /// Plans work that begins with the first problem within `window`, and lasts for `lasts`.
    pub(crate) fn flexible(&mut self, host: &str, window: Duration, lasts: Duration, why: &str) {
        let matcher = Matcher { hosts: vec![host.to_owned()], ..Matcher::default() };
        let from = self.now().unix;
        let (until, reason, flexible) = (from + window, why.to_owned(), Some(lasts));
        let action = Action::Silence(SilenceTerms {
            matcher,
            reason,
            from,
            until,
            maintenance: true,
            flexible,
            repeats: None,
        });
        self.operate("mira", action);
    }

    /// The server is killed and starts again `pause` milliseconds later.
    pub(crate) fn restart(&mut self, pause: u64) {
        self.time += pause;
        let snapshot = self.store.snapshot(self.now());
        let now = self.now();
        let (mut engine, mut effects) = Engine::new(Arc::clone(&self.plan), snapshot, now);
        let dropped = self.store.dropped.values().cloned().collect();
        engine.remember_dropped(dropped, now, &mut effects);
        self.engine = engine;
        self.watches.clear();
        self.take(effects);
    }

    pub(crate) fn reload(&mut self, plan: Arc<Plan>) {
        self.plan = Arc::clone(&plan);
        self.step(Input::Planned(plan));
    }

    /// Returns what was said, as lines.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.said.iter().map(|said| line(said.at, &said.notification)).collect()
    }
}

/// Takes a path apart into a series.
pub(crate) fn series(path: &str) -> SeriesName {
    let (collector, rest) = path.split_once('.').unwrap();
    match rest.rsplit_once('.') {
        Some((instance, metric)) => SeriesName::of(collector, instance, metric),
        None => SeriesName::plain(collector, rest),
    }
}

/// Writes a message the way scenarios do.
pub(crate) fn line(at: u64, notification: &Notification) -> String {
    format!("{} > {} {}", seconds(at), notification.receiver, notification.summary)
}

/// Writes milliseconds as seconds.
pub(crate) fn seconds(at: u64) -> String {
    if at.is_multiple_of(1000) {
        format!("{}s", at / 1000)
    } else {
        format!("{}.{:03}s", at / 1000, at % 1000)
    }
}

fn is_on_its_way(state: &DeliveryState) -> bool {
    matches!(state, DeliveryState::Queued | DeliveryState::Retry { .. })
}

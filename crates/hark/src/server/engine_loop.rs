//! The thread that owns the engine: feeds it inputs and time, carries its effects to the others.
//!
//! It never waits for the disk. Records go to the store thread in order; answers to people travel with
//! them and are given after the commit. What the page shows is asked for between two inputs.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::Duration;

use hark_engine::Engine;
use hark_engine::effect::{Changed, Done, Effect, Effects, Refused};
use hark_engine::input::{Action, HostSeen, Input};
use hark_engine::view::HostView;
use hark_model::name::{CheckName, UserName};
use hark_model::record::{DeliveryRecord, DeliveryState, JournalKind, JournalLine, Record};
use hark_model::time::{Clock, Mono, Now};
use hark_model::{Event, HostId, HostName, Notification};
use hark_store::state::{Change, EventRecord};
use tokio::sync::oneshot;

use super::dropped;
use super::happened::{Brought, Fate, Happened};
use super::messages::{Emptied, EngineBatch, ToEngine, ToIntake};
use super::progress::{Loop, Progress};
use super::recall::Wanted;
use super::repairs::Repair;
use super::store_loop::{Answer, ToStore};
use crate::sys::Bell;

/// The longest sleep: bounds how late the engine notices that the process stood still.
pub(super) const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// The same where there is no host but this machine, which stands still as a whole; half of what the engine may
/// take to turn (`progress`).
pub(super) const LONGEST_SLEEP_ALONE: Duration = Duration::from_secs(5);

/// The shortest sleep: deadlines that come up within it are looked at together. Ten thousand hosts have one every
/// two milliseconds, of which nearly all find that the host has been heard meanwhile; what comes in wakes at once.
/// Longer than ingest lets datagrams gather, so that where many come only they wake.
const SHORTEST_SLEEP: Duration = Duration::from_millis(90);

/// How often the store is told of tickets that brought nothing to write: history syncs no faster, and the same
/// acknowledgements wait for it.
const TELL: Duration = Duration::from_millis(100);

/// A round that took this much longer than it was to sleep means that the process was paused or starved,
/// or that this thread was held up by another or by its own work (rule F5): silence of hosts in that
/// time says nothing about them.
const PAUSE: Duration = Duration::from_secs(2);

/// The wall clock going ahead of the other by more than this means that the machine was suspended, in
/// which our clock stands still. That somebody set the clock looks the same and costs a quiet minute;
/// smaller steps are those of time daemons at their start.
const SUSPENDED: Duration = Duration::from_secs(10);

/// Messages taken before effects are handed on: bounds how long a commit can wait under load.
const MESSAGES_AT_ONCE: usize = 64;

/// Told what has changed, on the engine's thread: must not wait.
pub(crate) type OnChange = Box<dyn Fn(&[Changed]) + Send>;

/// Told that a host got its number and name, or (`None`) lost them; as [`OnChange`].
pub(crate) type OnHost = Box<dyn Fn(HostId, Option<&HostName>) + Send>;

/// Told that what history has of a host is nobody's; as [`OnChange`].
pub(crate) type OnForgotten = Box<dyn Fn(HostId) + Send>;

/// Where effects go.
pub(crate) struct Outlets {
    /// Records and answers.
    pub(crate) store: SyncSender<ToStore>,
    /// Host numbers and watches.
    pub(crate) intake: SyncSender<ToIntake>,
    /// Wakes ingest.
    pub(crate) bell: Arc<Bell>,
    /// Probes to be run now.
    pub(crate) probes: tokio::sync::mpsc::Sender<ProbeNow>,
    /// Repairs to be ordered.
    pub(crate) repairs: tokio::sync::mpsc::Sender<Repair>,
    /// What is wanted of history.
    pub(crate) recall: SyncSender<Box<Wanted>>,
    /// What the page shows has changed.
    pub(crate) changed: OnChange,
    /// A host got or lost its number.
    pub(crate) hosts: OnHost,
    /// A host that was dropped will not come back.
    pub(crate) forgotten: OnForgotten,
    /// Told of each turn.
    pub(crate) progress: Arc<Progress>,
    /// What is known of events.
    pub(crate) events: Happened,
}

impl std::fmt::Debug for Outlets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Outlets")
    }
}

/// A probe that the engine asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProbeNow {
    /// Of which host.
    pub(crate) host: HostId,
    /// Which check.
    pub(crate) check: CheckName,
}

/// An operator's action on its way to the engine.
#[derive(Debug)]
pub(crate) struct Request {
    /// Who.
    pub(crate) by: UserName,
    /// What.
    pub(crate) action: Action,
    /// Gets the outcome once it is on the disk.
    pub(crate) reply: oneshot::Sender<Result<Done, Refused>>,
}

/// Starts the engine from what was stored and runs it until every sender is gone or the flag is up, which it sees
/// with the next message or after its longest sleep.
pub(crate) fn run(
    engine: Engine,
    start: Effects,
    inbox: &Receiver<ToEngine>,
    outlets: Outlets,
    longest_sleep: Duration,
    stop: &crate::stop::Stop,
) {
    let mut driver = Driver {
        engine,
        longest_sleep,
        effects: Effects::default(),
        outlets,
        records: Vec::new(),
        changes: Vec::new(),
        answers: Vec::new(),
        repairs: Vec::new(),
        waiting: HashMap::new(),
        changed: Vec::new(),
        happened: Vec::new(),
        next_request: 1,
        ticket: 0,
        told_ticket: 0,
        told_at: Mono(0),
        degraded: false,
        bringers: Vec::new(),
    };
    let mut last = Clock.now();
    driver.carry(start);
    // A trouble of the run before is over; the other parts speak for themselves.
    driver.step(Input::IngestHealthy, Clock.now());
    driver.hand_on();
    loop {
        driver.outlets.progress.turn(Loop::Engine);
        let sleep = driver.sleep(Clock.now().mono);
        let first = inbox.recv_timeout(sleep);
        let now = Clock.now();
        driver.notice_pause(last, sleep, now);
        last = now;
        match first {
            Ok(message) => {
                driver.take(message, now);
                for message in inbox.try_iter().take(MESSAGES_AT_ONCE) {
                    driver.take(message, now);
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        driver.tick(now);
        driver.tell_folded(now);
        if !driver.may_wait(now.mono) {
            driver.hand_on();
        }
        if stop.is_raised() {
            break;
        }
    }
    driver.outlets.progress.ended(Loop::Engine);
    driver.finish(inbox);
}

struct Driver {
    engine: Engine,
    longest_sleep: Duration,
    effects: Effects,
    outlets: Outlets,
    records: Vec<Record>,
    changes: Vec<Change>,
    answers: Vec<Answer>,
    repairs: Vec<Repair>,
    waiting: HashMap<u64, oneshot::Sender<Result<Done, Refused>>>,
    changed: Vec<Changed>,
    /// What the engine itself says happened, until it is taken in as an event.
    happened: Vec<(HostId, Event)>,
    next_request: u64,
    ticket: u64,
    told_ticket: u64,
    /// When it was told.
    told_at: Mono,
    degraded: bool,
    /// Other servers and programs that wait until what they brought is on the disk.
    bringers: Vec<oneshot::Sender<Result<(), String>>>,
}

impl Driver {
    fn sleep(&self, now: Mono) -> Duration {
        let due = self.engine.next_deadline().map_or(self.longest_sleep, |at| at.since(now));
        let due = due.clamp(SHORTEST_SLEEP, self.longest_sleep);
        if self.ticket == self.told_ticket {
            due
        } else {
            due.min((self.told_at + TELL).since(now))
        }
    }

    /// Returns whether there is nothing to hand on but a ticket, and one was told just now.
    fn may_wait(&self, now: Mono) -> bool {
        let is_told =
            self.changed.is_empty() && self.bringers.is_empty() && self.repairs.is_empty();
        is_told && self.has_nothing_to_write() && now.since(self.told_at) < TELL
    }

    fn has_nothing_to_write(&self) -> bool {
        self.records.is_empty() && self.changes.is_empty() && self.answers.is_empty()
    }

    /// Looks whether the round since `last`, in which there was `sleep` at most, took too long: asleep,
    /// at work, or waiting for the store.
    fn notice_pause(&mut self, last: Now, sleep: Duration, now: Now) {
        if let Some(late) = stood_still(last, sleep, now) {
            tracing::warn!(late_ms = hark_model::time::millis(late), "the process stood still");
            let reason = format!("the server stood still for {} s", late.as_secs());
            self.step(Input::IngestDegraded { reason, gap: late }, now);
            self.degraded = true;
        } else if self.degraded {
            self.degraded = false;
            self.step(Input::IngestHealthy, now);
        }
    }

    fn take(&mut self, message: ToEngine, now: Now) {
        match message {
            ToEngine::Batch(batch) => self.batch(batch, now),
            ToEngine::Input(input) => self.input(input, now),
            ToEngine::Brought { events, reply } => {
                for event in events {
                    self.brought(event, now);
                }
                self.bringers.push(reply);
            }
            ToEngine::Sampled { inputs, reply } => {
                for input in inputs {
                    self.input(input, now);
                }
                self.bringers.push(reply);
            }
            ToEngine::HandOver(message) => {
                self.changes.extend(message.settled.map(Change::Delivery));
                self.hand_over(message.stand_in);
            }
            ToEngine::Request(request) => self.request(request, now),
            ToEngine::Ask(question) => question(&self.engine),
        }
    }

    /// Feeds the engine with what ingest found, and gives the lists back to it.
    fn batch(&mut self, batch: EngineBatch, now: Now) {
        let EngineBatch { ticket, mut inputs, changes } = batch;
        self.ticket = self.ticket.max(ticket);
        self.changes.extend(changes);
        self.engine.prefetch(inputs.iter().filter_map(heard_host));
        for input in &mut inputs {
            if let Input::Heard(heard) = input {
                self.fed(now, |engine, effects| engine.heard(heard, now, effects));
            } else {
                self.input(std::mem::replace(input, Input::Tick), now);
            }
        }
        // If its queue is full it will do without them.
        drop(self.outlets.intake.try_send(ToIntake::Emptied(Emptied::Engine(inputs))));
    }

    /// Feeds the engine; an event may be one of many that are the same.
    fn input(&mut self, input: Input, now: Now) {
        if let Input::Event { host, event } = &input {
            let Some(name) = self.engine.host(*host).map(|host| host.name().clone()) else {
                return;
            };
            let fate = self.outlets.events.met(&name, event, now);
            return self.happens(*host, fate, now);
        }
        self.step(input, now);
    }

    /// Takes in an event of another server, and its host if that is new.
    fn brought(&mut self, event: Brought, now: Now) {
        let Fate::Tell(record) = self.outlets.events.brought(event, &self.engine) else { return };
        self.tell(record, now);
    }

    /// Tells the engine of an event on a host that may be new.
    fn tell(&mut self, record: Box<EventRecord>, now: Now) {
        if self.engine.host_named(record.host.as_str()).is_none() {
            let (name, interval, address) = (record.host.clone(), Duration::ZERO, None);
            self.step(Input::HostSeen(HostSeen { name, interval, address }), now);
        }
        let host = self.engine.host_named(record.host.as_str()).map(HostView::id);
        if let Some(host) = host {
            self.happens(host, Fate::Tell(record), now);
        }
    }

    fn happens(&mut self, host: HostId, fate: Fate, now: Now) {
        match fate {
            Fate::Known => {}
            Fate::Count(change) => self.changes.push(*change),
            Fate::Tell(record) => {
                let before = self.records.len();
                self.step(Input::Event { host, event: record.event.clone() }, now);
                let is_event = |line: &JournalLine| line.kind == JournalKind::Event;
                let new = &self.records[before..];
                if new.iter().any(|r| matches!(r, Record::Journal(line) if is_event(line))) {
                    self.changes.push(Change::Event(*record));
                } else {
                    self.outlets.events.was_known(&record);
                }
            }
        }
    }

    /// Tells what was counted since it was told.
    fn tell_folded(&mut self, now: Now) {
        for record in self.outlets.events.due(now.mono) {
            self.tell(Box::new(record), now);
        }
    }

    /// Puts a message that stands in for another into the outbox; a key that is there already changes
    /// nothing.
    fn hand_over(&mut self, notification: Notification) {
        let id = self.engine.delivery_number();
        self.records.push(Record::Outbox(DeliveryRecord {
            notification: Notification { id, ..notification },
            state: DeliveryState::Queued,
            attempts: 0,
            last_error: String::new(),
            took_ms: 0,
        }));
    }

    fn request(&mut self, request: Request, now: Now) {
        let number = self.next_request;
        self.next_request += 1;
        self.waiting.insert(number, request.reply);
        let input = Input::Operator { request: number, by: request.by, action: request.action };
        self.step(input, now);
    }

    fn tick(&mut self, now: Now) {
        if self.engine.next_deadline().is_some_and(|at| at <= now.mono) {
            self.step(Input::Tick, now);
        }
    }

    fn step(&mut self, input: Input, now: Now) {
        self.fed(now, |engine, effects| engine.step(input, now, effects));
    }

    /// Carries what feeding the engine brings.
    fn fed(&mut self, now: Now, feed: impl FnOnce(&mut Engine, &mut Effects)) {
        let mut effects = std::mem::take(&mut self.effects);
        feed(&mut self.engine, &mut effects);
        if !effects.is_empty() {
            self.records.append(&mut effects.records);
            for effect in effects.effects.drain(..) {
                self.carry_one(effect);
            }
        }
        self.effects = effects;
        for (host, event) in std::mem::take(&mut self.happened) {
            self.input(Input::Event { host, event }, now);
        }
    }

    fn carry(&mut self, mut effects: Effects) {
        self.records.append(&mut effects.records);
        for effect in effects.effects {
            self.carry_one(effect);
        }
    }

    fn carry_one(&mut self, effect: Effect) {
        match effect {
            Effect::HostLearned { host, name } => {
                (self.outlets.hosts)(host, Some(&name));
                self.to_intake(ToIntake::HostLearned { host, name });
            }
            Effect::HostDropped { host } => {
                (self.outlets.hosts)(host, None);
                self.to_intake(ToIntake::HostDropped { host });
            }
            Effect::Dropped(host) => self.changes.push(dropped::remember(&host)),
            Effect::DroppedBack { host } => self.changes.push(dropped::forget(host)),
            Effect::HostForgotten { host } => (self.outlets.forgotten)(host),
            Effect::Watch { host, watches } => {
                self.to_intake(ToIntake::Watch { host, watches, ticket: self.ticket });
            }
            Effect::Probe { host, check } => {
                // A full queue means that probes run late anyway; the engine asks again.
                drop(self.outlets.probes.try_send(ProbeNow { host, check }));
            }
            Effect::Order { host, action, reason, incident, expires_after } => {
                self.repairs.push(Repair { host, action, reason, incident, expires_after });
            }
            Effect::Recall { host, check, series, recall } => {
                // A full queue means that there is much to answer; the engine asks again.
                let wanted = Box::new(Wanted { host, check, series, recall });
                drop(self.outlets.recall.try_send(wanted));
            }
            Effect::Happened { host, event } => self.happened.push((host, event)),
            Effect::Changed(changed) => self.changed.push(changed),
            Effect::Answer { request, result } => {
                if let Some(to) = self.waiting.remove(&request) {
                    self.answers.push(Answer { to, result });
                }
            }
        }
    }

    /// Ingest always empties its queue, also while ours is full, so this cannot stand still.
    fn to_intake(&self, message: ToIntake) {
        if self.outlets.intake.send(message).is_ok() {
            self.outlets.bell.ring();
        }
    }

    /// Hands on what has gathered: records to the store, what changed to the page.
    fn hand_on(&mut self) {
        if !self.changed.is_empty() {
            (self.outlets.changed)(&self.changed);
            self.changed.clear();
        }
        if self.has_nothing_to_write() && self.ticket == self.told_ticket {
            return self.answer_bringers();
        }
        (self.told_ticket, self.told_at) = (self.ticket, Clock.now().mono);
        let commit = ToStore::Commit {
            ticket: self.ticket,
            records: std::mem::take(&mut self.records),
            changes: std::mem::take(&mut self.changes),
            answers: std::mem::take(&mut self.answers),
        };
        if self.outlets.store.send(commit).is_err() {
            tracing::error!("the store has ended before the engine");
            return;
        }
        self.answer_bringers();
        // Behind the records that count the tries, so that none is made that the store does not know.
        for repair in self.repairs.drain(..) {
            if let Err(error) = self.outlets.repairs.try_send(repair) {
                tracing::warn!(%error, "a repair is not ordered");
            }
        }
    }

    /// Answers behind what they brought: the store writes in order.
    fn answer_bringers(&mut self) {
        for reply in self.bringers.drain(..) {
            let write = ToStore::Write { changes: Vec::new(), reply: Some(reply) };
            if self.outlets.store.send(write).is_err() {
                tracing::error!("the store has ended before the engine");
            }
        }
    }

    fn finish(mut self, inbox: &Receiver<ToEngine>) {
        let now = Clock.now();
        for message in inbox.try_iter() {
            self.take(message, now);
        }
        self.hand_on();
    }
}

/// Returns the host whose heartbeat this is.
fn heard_host(input: &Input) -> Option<HostId> {
    if let Input::Heard(heard) = input { Some(heard.host) } else { None }
}

/// Returns how long the process, or this thread, did not do its work in a round from `last` to `now`.
fn stood_still(last: Now, sleep: Duration, now: Now) -> Option<Duration> {
    let late = now.mono.since(last.mono + sleep);
    if late > PAUSE {
        return Some(late);
    }
    let ahead = now.unix.since(last.unix).saturating_sub(now.mono.since(last.mono));
    (ahead > SUSPENDED).then_some(ahead)
}

/// Makes the input that says how a part of the server is.
pub(crate) fn part(name: &str, problem: Option<String>) -> Input {
    let part = CheckName::new(name).expect("the names of the server's parts are plain words");
    Input::SelfCheck { part, problem }
}

#[cfg(test)]
mod tests;

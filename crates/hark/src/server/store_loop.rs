//! The thread that owns the state: group commit, writes of the page and the outbox.
//!
//! A commit that only keeps sessions or checkpoints may wait up to [`GATHER`] for company; one with
//! a message for somebody, or that somebody waits for, does not. If the disk refuses, what was to be
//! written is kept and tried again each second; nothing that depends on it is said or sent meanwhile,
//! but for one message: that the state cannot be written goes out without being on the disk, marked as
//! such, since nobody would hear of it otherwise.
//!
//! What is kept has a bound ([`MOST_WAITING`]). Beyond it nothing more is taken: the queue to this thread
//! fills, then the engine waits, then ingest, and the kernel drops datagrams. Nobody is called silent for
//! that time (the engine notices that it stood still), and agents keep what was not acknowledged.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::Duration;

use hark_engine::effect::{Done, Refused};
use hark_model::DeliveryId;
use hark_model::record::{DeliveryRecord, DeliveryState, JournalLine, Record};
use hark_model::time::{Clock, Mono};
use hark_store::state::{Change, CommitError, EventRecord, State};
use tokio::sync::oneshot;

use super::messages::{Part, ToEngine, ToIntake};
use super::outbox::ToOutbox;
use super::progress::{Loop, Progress};
use super::self_report::{self, SelfReport};
use crate::sys::Bell;

/// The longest that an unhurried commit waits for company: the bound of the group commit.
const GATHER: Duration = Duration::from_millis(100);

/// How long after a refused commit it is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Records and changes that may wait while the disk refuses them: at some 300 bytes each 30 MB, and an
/// hour of 25 transitions a second.
const MOST_WAITING: usize = 100_000;

/// What the one message says that is sent before it is on the disk.
const UNWRITTEN: &str = "This message is not on the server's disk yet: if the server ends before it is, it comes again.";

/// How often the reserve is looked after and old rows are pruned.
const HOUSEKEEPING: Duration = Duration::from_secs(5);

/// How long journal lines, finished messages and resolved incidents are kept.
const KEPT: Duration = Duration::from_hours(9600);

/// How long events are kept for those to whom they are forwarded.
const EVENTS_KEPT: Duration = Duration::from_hours(7 * 24);

/// How often old events are pruned at each housekeeping while there are more: a storm brings thousands
/// a second, and their number must stay bounded.
const EVENT_PRUNES: u32 = 40;

/// How long tries of messages are kept: long enough to ask why somebody was not told last month.
const TRIES_KEPT: Duration = Duration::from_hours(30 * 24);

/// How long a dashboard that was removed can be restored: over a week's holiday. How many are kept is the
/// store's to say.
pub(super) const REMOVED_KEPT: Duration = Duration::from_hours(7 * 24);

/// Rows of each kind pruned at once: a commit of some milliseconds.
const PRUNED_AT_ONCE: u32 = 500;

/// The part of the server that this is.
const PART: &str = "store";

/// Messages that may wait for the store.
pub(crate) const STORE_QUEUE: usize = 1024;

/// An answer that is given once the commit is on the disk.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Who waits.
    pub(crate) to: oneshot::Sender<Result<Done, Refused>>,
    /// What came of it.
    pub(crate) result: Result<Done, Refused>,
}

/// Everything that reaches the store thread.
#[derive(Debug)]
pub(crate) enum ToStore {
    /// The engine's records and ingest's changes, up to a ticket.
    Commit {
        /// Everything ingest handed on up to here is part of this or an earlier commit.
        ticket: u64,
        /// The engine's records, in order.
        records: Vec<Record>,
        /// Ingest's changes, in order.
        changes: Vec<Change>,
        /// To be given after the commit.
        answers: Vec<Answer>,
    },
    /// The page's or the outbox's changes; the answer comes after the commit.
    Write {
        /// What to write.
        changes: Vec<Change>,
        /// Gets the outcome; `None` if nobody waits.
        reply: Option<oneshot::Sender<Result<(), String>>>,
    },
    /// A question that needs the writing connection: backup, enrolment tokens.
    With(StateWork),
    /// Write what is left and end.
    End,
}

/// A piece of work on the writing connection.
pub(crate) struct StateWork(pub(crate) Box<dyn FnOnce(&mut State) + Send>);

impl std::fmt::Debug for StateWork {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StateWork")
    }
}

/// Where the outcome of commits goes.
pub(crate) struct Listeners {
    /// To ingest: tickets that are on the disk.
    pub(crate) intake: SyncSender<ToIntake>,
    /// Wakes ingest.
    pub(crate) bell: Arc<Bell>,
    /// To the engine: trouble.
    pub(crate) engine: SyncSender<ToEngine>,
    /// To the outbox: rows that are on the disk.
    pub(crate) outbox: tokio::sync::mpsc::Sender<ToOutbox>,
    /// To the page: lines of the journal, as they are written.
    pub(crate) lines: Box<dyn Fn(&JournalLine) + Send>,
    /// To those who forward and write events, as they are written.
    pub(crate) events: Box<dyn Fn(&EventRecord) + Send>,
    /// Told of each turn.
    pub(crate) progress: Arc<Progress>,
    /// Whether the disk has no room but the reserve that the state gave up for itself.
    pub(crate) on_reserve: Arc<AtomicBool>,
}

impl std::fmt::Debug for Listeners {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Listeners")
    }
}

/// Runs the store until it is told to end.
pub(crate) fn run(state: State, inbox: &Receiver<ToStore>, listeners: Listeners) {
    let mut store = Store {
        state,
        report: SelfReport::new(PART, listeners.engine.clone()),
        listeners,
        waiting: Waiting::default(),
        trouble: false,
        full_since: None,
        unwritten: BTreeSet::new(),
        retry_at: None,
        kept_house_at: Clock.now().mono,
        ended: false,
        broken: false,
    };
    loop {
        store.listeners.progress.turn(Loop::Store);
        let message = if store.takes_no_more() {
            std::thread::park_timeout(store.patience());
            Err(RecvTimeoutError::Timeout)
        } else {
            inbox.recv_timeout(store.patience())
        };
        match message {
            Ok(ToStore::End) | Err(RecvTimeoutError::Disconnected) => break,
            Ok(message) => store.take(message),
            Err(RecvTimeoutError::Timeout) => {}
        }
        store.commit_if_due(inbox);
        store.keep_house();
        store.report.tell();
        if store.broken {
            return;
        }
        if store.ended {
            break;
        }
    }
    store.listeners.progress.ended(Loop::Store);
    for message in inbox.try_iter() {
        if !matches!(message, ToStore::End) {
            store.take(message);
        }
    }
    store.commit();
}

/// What is to be written by the next commit.
#[derive(Debug, Default)]
struct Waiting {
    since: Option<Mono>,
    hurried: bool,
    ticket: u64,
    records: Vec<Record>,
    changes: Vec<Change>,
    answers: Vec<Answer>,
    writes: Vec<Write>,
}

impl Waiting {
    fn len(&self) -> usize {
        let writes: usize = self.writes.iter().map(|write| write.changes.len()).sum();
        self.records.len() + self.changes.len() + writes
    }
}

/// What the page or the outbox wants to be written.
#[derive(Debug)]
struct Write {
    changes: Vec<Change>,
    reply: Option<oneshot::Sender<Result<(), String>>>,
}

struct Store {
    state: State,
    listeners: Listeners,
    waiting: Waiting,
    report: SelfReport,
    /// The last commit was refused.
    trouble: bool,
    /// Since when so much waits that nothing more is taken.
    full_since: Option<Mono>,
    /// Messages that were given to the outbox before they were on the disk.
    unwritten: BTreeSet<DeliveryId>,
    retry_at: Option<Mono>,
    kept_house_at: Mono,
    ended: bool,
    broken: bool,
}

impl Store {
    fn patience(&self) -> Duration {
        let now = Clock.now().mono;
        let due = match (self.retry_at, self.waiting.since) {
            (Some(at), _) => at.since(now),
            (None, Some(since)) => (since + GATHER).since(now),
            (None, None) => HOUSEKEEPING,
        };
        let longest = if self.report.is_untold() { self_report::AGAIN } else { HOUSEKEEPING };
        due.min(longest)
    }

    /// Returns true while so much waits for the disk that no more may be taken.
    fn takes_no_more(&mut self) -> bool {
        let waiting = self.waiting.len();
        let is_full = self.trouble && waiting >= MOST_WAITING;
        match (is_full, self.full_since) {
            (true, None) => {
                self.full_since = Some(Clock.now().mono);
                tracing::error!(waiting, "too much waits for the disk: nothing more is taken");
                self.report.say(Some(format!(
                    "the state cannot be written: {waiting} changes wait, and monitoring stands still"
                )));
            }
            (false, Some(since)) => {
                self.full_since = None;
                let seconds = Clock.now().mono.since(since).as_secs();
                tracing::info!(seconds, "the store takes what waits for it again");
            }
            (true, Some(_)) | (false, None) => {}
        }
        is_full
    }

    fn take(&mut self, message: ToStore) {
        match message {
            ToStore::Commit { ticket, records, changes, answers } => {
                let nothing = records.is_empty() && changes.is_empty() && answers.is_empty();
                if nothing && self.waiting.since.is_none() && !self.broken {
                    // Heartbeats that changed nothing: what they need is on the disk already.
                    return self.listeners.stored(ticket);
                }
                let told = records.iter().any(|r| matches!(r, Record::Outbox(_)));
                self.waiting.hurried |= told || !answers.is_empty();
                if told && self.trouble {
                    self.tell_unwritten(&records);
                }
                self.waiting.ticket = self.waiting.ticket.max(ticket);
                self.waiting.records.extend(records);
                self.waiting.changes.extend(changes);
                self.waiting.answers.extend(answers);
                self.begin_waiting();
            }
            ToStore::Write { changes, reply } => {
                self.waiting.hurried |= reply.is_some();
                self.waiting.writes.push(Write { changes, reply });
                self.begin_waiting();
            }
            ToStore::With(work) => {
                self.commit();
                (work.0)(&mut self.state);
            }
            ToStore::End => {}
        }
    }

    /// Gives the message that the state cannot be written to the outbox at once, marked as not written.
    fn tell_unwritten(&mut self, records: &[Record]) {
        for record in records {
            let Record::Outbox(row) = record else { continue };
            if !is_about_us(row) || self.unwritten.contains(&row.notification.id) {
                continue;
            }
            let mut row = row.clone();
            let detail = &mut row.notification.detail;
            if !detail.is_empty() {
                detail.push('\n');
            }
            detail.push_str(UNWRITTEN);
            let id = row.notification.id;
            tracing::warn!(delivery = id.0, "sending a message that could not be written");
            // A full queue means that it is told with the commit, as all others.
            if self.listeners.outbox.try_send(ToOutbox::Rows(vec![row])).is_ok() {
                self.unwritten.insert(id);
            }
        }
    }

    fn begin_waiting(&mut self) {
        self.waiting.since.get_or_insert_with(|| Clock.now().mono);
    }

    fn commit_if_due(&mut self, inbox: &Receiver<ToStore>) {
        let now = Clock.now().mono;
        if self.retry_at.is_some_and(|at| now < at) {
            return;
        }
        let Some(since) = self.waiting.since else { return };
        if !self.waiting.hurried && now < since + GATHER {
            return;
        }
        // Whatever else has arrived goes into the same sync.
        while !self.takes_no_more()
            && let Ok(message) = inbox.try_recv()
        {
            self.ended |= matches!(message, ToStore::End);
            self.take(message);
        }
        self.commit();
    }

    fn commit(&mut self) {
        if self.waiting.since.is_none() || self.broken {
            return;
        }
        let mut changes = self.waiting.changes.clone();
        changes.extend(self.waiting.writes.iter().flat_map(|w| w.changes.iter().cloned()));
        match self.state.commit(&self.waiting.records, &changes) {
            Ok(()) => self.committed(),
            Err(error) if error.is_transient() => self.refused(&error),
            Err(error) => self.rejected(&error),
        }
    }

    fn committed(&mut self) {
        let done = std::mem::take(&mut self.waiting);
        self.retry_at = None;
        if std::mem::take(&mut self.trouble) {
            tracing::info!("the state can be written again");
            self.report.say(None);
        }
        self.listeners.stored(done.ticket);
        for given in done.answers {
            answer(given.to, given.result);
        }
        for reply in done.writes.into_iter().filter_map(|w| w.reply) {
            answer(reply, Ok(()));
        }
        self.listeners.lines(&done.records);
        self.listeners.events(&done.changes);
        let rows = self.new_rows(done.records);
        self.listeners.rows(rows);
    }

    /// Returns the messages among `records` that are in the outbox. One that stands in for another and
    /// was put there before a restart has its key in use: sent again, it would be told twice.
    fn new_rows(&mut self, records: Vec<Record>) -> Vec<DeliveryRecord> {
        let unwritten = std::mem::take(&mut self.unwritten);
        let is_new = |row: &DeliveryRecord| {
            let id = row.notification.id;
            if row.state == DeliveryState::Queued && unwritten.contains(&id) {
                // The outbox has got it already.
                return false;
            }
            // Telling twice is better than telling nobody, should the question fail.
            self.state.has_delivery(id).unwrap_or(true)
        };
        let mut rows = Vec::new();
        for record in records {
            if let Record::Outbox(row) = record
                && is_new(&row)
            {
                rows.push(row);
            }
        }
        rows
    }

    /// The disk is full or busy: keep everything, say so, try again.
    fn refused(&mut self, error: &CommitError) {
        self.retry_at = Some(Clock.now().mono + RETRY);
        let text = chain(error);
        if !std::mem::replace(&mut self.trouble, true) {
            tracing::error!(error = text, "the state cannot be written; trying again each second");
            self.report.say(Some(text.clone()));
        }
        for given in std::mem::take(&mut self.waiting.answers) {
            // The engine has done it already; it is written as soon as there is room.
            let refused = Refused::Invalid(format!("it is not on the disk yet: {text}"));
            answer(given.to, Err(refused));
        }
        // People must not wait for a full disk: they are told, and nothing of theirs is done later.
        let (asked, own) = std::mem::take(&mut self.waiting.writes)
            .into_iter()
            .partition::<Vec<_>, _>(|write| write.reply.is_some());
        self.waiting.writes = own;
        for reply in asked.into_iter().filter_map(|w| w.reply) {
            answer(reply, Err(text.clone()));
        }
    }

    /// The disk is broken, or one of the changes is wrong. A wrong change of one must not take those of
    /// the others with it: each is tried alone.
    fn rejected(&mut self, error: &CommitError) {
        tracing::error!(error = chain(error), "the state refused a commit");
        let together = std::mem::take(&mut self.waiting);
        for write in together.writes {
            let result = self.state.commit(&[], &write.changes).map_err(|e| chain(&e));
            if let Some(reply) = write.reply {
                answer(reply, result);
            }
        }
        match self.state.commit(&together.records, &together.changes) {
            Ok(()) => {
                let Waiting { ticket, records, answers, .. } = together;
                self.waiting = Waiting { ticket, records, answers, ..Waiting::default() };
                self.committed();
            }
            Err(error) if error.is_transient() => {
                let Waiting { ticket, records, changes, answers, .. } = together;
                let since = Some(Clock.now().mono);
                self.waiting =
                    Waiting { since, ticket, records, changes, answers, ..Waiting::default() };
                self.refused(&error);
            }
            Err(error) => {
                // Going on would acknowledge what is not on the disk and tell nobody of anything:
                // whoever started the server starts it again, from what is on the disk.
                self.broken = true;
                let text = chain(&error);
                tracing::error!(error = text, "the state is broken: the server ends");
                for given in together.answers {
                    let refused = Refused::Invalid(format!("it could not be stored: {text}"));
                    answer(given.to, Err(refused));
                }
            }
        }
    }

    fn keep_house(&mut self) {
        let now = Clock.now();
        if now.mono.since(self.kept_house_at) < HOUSEKEEPING {
            return;
        }
        self.kept_house_at = now.mono;
        self.state.maintain();
        if let Err(error) = self.state.prune(now.unix - KEPT, PRUNED_AT_ONCE) {
            tracing::debug!(error = chain(&error), "old rows could not be removed");
        }
        for _ in 0..EVENT_PRUNES {
            match self.state.prune_events(now.unix - EVENTS_KEPT, PRUNED_AT_ONCE) {
                Ok(gone) if gone >= u64::from(PRUNED_AT_ONCE) => {}
                Ok(_) => break,
                Err(error) => {
                    tracing::debug!(error = chain(&error), "old events could not be removed");
                    break;
                }
            }
        }
        if let Err(error) = self.state.prune_attempts(now.unix - TRIES_KEPT, PRUNED_AT_ONCE) {
            tracing::debug!(error = chain(&error), "old tries of messages could not be removed");
        }
        if let Err(error) = self.state.prune_dashboards(now.unix - REMOVED_KEPT) {
            tracing::debug!(error = chain(&error), "removed dashboards could not be forgotten");
        }
        self.listeners.on_reserve.store(self.state.is_on_reserve(), Ordering::Relaxed);
    }
}

impl Listeners {
    fn stored(&self, ticket: u64) {
        let done = ToIntake::Done { part: Part::State, ticket };
        // A full queue loses nothing: the next ticket covers this one.
        if self.intake.try_send(done).is_ok() {
            self.bell.ring();
        }
    }

    fn lines(&self, records: &[Record]) {
        for record in records {
            if let Record::Journal(line) = record {
                (self.lines)(line);
            }
        }
    }

    fn events(&self, changes: &[Change]) {
        for change in changes {
            if let Change::Event(record) = change {
                (self.events)(record);
            }
        }
    }

    fn rows(&self, rows: Vec<DeliveryRecord>) {
        if !rows.is_empty() && self.outbox.blocking_send(ToOutbox::Rows(rows)).is_err() {
            tracing::debug!("the outbox has ended: the next start sends what is left");
        }
    }
}

/// Returns true for the message that the state cannot be written.
fn is_about_us(row: &DeliveryRecord) -> bool {
    let n = &row.notification;
    row.state == DeliveryState::Queued
        && n.host.as_str() == hark_engine::plan::SELF
        && n.check.as_ref().is_some_and(|check| check.as_str() == PART)
}

/// Gives an answer to somebody who may have gone.
fn answer<T>(to: oneshot::Sender<T>, value: T) {
    drop(to.send(value));
}

/// Writes an error with everything behind it.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}

#[cfg(test)]
mod tests;

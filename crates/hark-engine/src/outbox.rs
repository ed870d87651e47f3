//! Messages on their way: rows for the outbox, what became of them, and the storm rule (design rule
//! 6.10). The engine decides and remembers; sending, trying again and the fallback receiver are the
//! delivery machine's, in another crate.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use hark_model::record::{DeliveryRecord, DeliveryState, JournalKind, Record};
use hark_model::{
    DeliveryId, IncidentId, Notification, Now, Reason, ReceiverName, Severity, Status,
};

use crate::decide::is_end;
use crate::due::Due;
use crate::effect::{Changed, Effect, Effects};
use crate::engine::{About, Engine};
use crate::incident::{FlapTold, Incident};
use crate::input::Outcome;
use crate::message::{Words, clock, kept_line, step_line, words};
use crate::moment::Moment;
use crate::timers::Timer;

/// More messages than this to one receiver ...
const STORM_MESSAGES: usize = 100;
/// ... within this time are a storm.
const STORM_WINDOW: Duration = Duration::from_mins(1);
/// The first summary waits this long, so that it covers what comes together.
const SUMMARY_FIRST: Duration = Duration::from_secs(5);
/// Further summaries come this often.
const SUMMARY_EVERY: Duration = Duration::from_mins(5);
/// A summary names at most this many (6.10, grouping).
const SUMMARY_LINES: usize = 50;

/// What is on its way.
#[derive(Debug)]
pub(crate) struct Outbox {
    rows: BTreeMap<DeliveryId, Row>,
    storms: BTreeMap<ReceiverName, Storm>,
    armed: Moment,
}

impl Default for Outbox {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), storms: BTreeMap::new(), armed: Moment::NEVER }
    }
}

#[derive(Debug)]
struct Row {
    record: DeliveryRecord,
    /// It is being sent: it cannot be replaced any more.
    started: bool,
}

/// Messages to one receiver, problems and ends counted apart so that ends never wait for problems.
#[derive(Debug, Default)]
struct Storm {
    recent: [VecDeque<Moment>; 2],
    next_summary: Option<Moment>,
    waiting: BTreeSet<IncidentId>,
}

impl Storm {
    fn lane(reason: Option<Reason>) -> usize {
        usize::from(matches!(
            reason,
            Some(Reason::Recovery | Reason::Merged | Reason::Removed | Reason::FlapEnd)
        ))
    }

    fn is_full(&self, lane: usize, now: Moment) -> bool {
        let recent = &self.recent[lane];
        recent.len() >= STORM_MESSAGES
            && recent.front().is_some_and(|oldest| now.since(*oldest) < STORM_WINDOW)
    }

    fn note(&mut self, lane: usize, now: Moment) {
        let recent = &mut self.recent[lane];
        recent.push_back(now);
        if recent.len() > STORM_MESSAGES {
            recent.pop_front();
        }
    }
}

impl Outbox {
    /// Returns true if messages to `receiver` are summed up now.
    pub(crate) fn storms_at(
        &self,
        receiver: &ReceiverName,
        reason: Option<Reason>,
        now: Moment,
    ) -> bool {
        self.storms.get(receiver).is_some_and(|storm| {
            storm.next_summary.is_some() || storm.is_full(Storm::lane(reason), now)
        })
    }

    /// Has an incident wait for the next summary.
    pub(crate) fn wait_for_summary(
        &mut self,
        receiver: &ReceiverName,
        incident: IncidentId,
        now: Moment,
    ) {
        let storm = self.storms.entry(receiver.clone()).or_default();
        storm.waiting.insert(incident);
        storm.next_summary.get_or_insert(now + SUMMARY_FIRST);
    }

    /// Brings a row back from the store.
    pub(crate) fn restore(&mut self, record: DeliveryRecord) {
        let started = match record.state {
            // After a start no lease holds any more (rule R2).
            DeliveryState::Queued | DeliveryState::Leased { .. } | DeliveryState::Retry { .. } => {
                false
            }
            DeliveryState::Sent { .. }
            | DeliveryState::Dead { .. }
            | DeliveryState::Superseded { .. } => return,
        };
        let id = record.notification.id;
        self.rows.insert(id, Row { record, started });
    }

    /// Returns how many messages are on their way.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    fn next(&self) -> Moment {
        let summaries = self.storms.values().filter_map(|storm| storm.next_summary);
        summaries.min().unwrap_or(Moment::NEVER)
    }
}

/// What a row is made of.
struct Draft<'a> {
    receiver: &'a ReceiverName,
    reason: Reason,
    key: String,
    sequence: u32,
    was: Option<Status>,
    words: Words,
}

impl Engine {
    pub(crate) fn arm_outbox(&mut self, at_least: Moment) {
        let due = self.outbox.next().max(at_least);
        self.timers.arm(&mut self.outbox.armed, due, Timer::Outbox);
    }

    /// Puts a message about an incident into the outbox, with the told-state, in one step. `way` is
    /// how the receiver comes to hear of it.
    pub(crate) fn tell(
        &mut self,
        incident: &mut Incident,
        receiver: &ReceiverName,
        reason: Reason,
        way: Option<&Due>,
        now: Now,
        fx: &mut Effects,
    ) {
        self.refresh_shown(incident);
        let mut passage = self.supersede(incident, receiver, now, fx);
        let id = incident.record.id;
        let deferred = incident.told.get(receiver).and_then(|told| told.deferred);
        passage.extend(deferred.map(|since| kept_line(since.unix(now))));
        passage.extend(way.filter(|_| !is_end(reason)).and_then(step_line));
        let told = incident.told.entry(receiver.clone()).or_default();
        let (was, sequence) = (told.status, told.sequence);
        let host = self.hosts.get(incident.record.host);
        let check = host.and_then(|host| {
            host.find(incident.record.check.as_str()).map(|index| &host.checks[index])
        });
        let draft = Draft {
            receiver,
            reason,
            key: format!("{}/{receiver}/{}/{sequence}", id.0, reason.word()),
            sequence,
            was: (sequence > 0).then_some(was),
            words: words(reason, incident, check, was, &passage, now),
        };
        let text = format!("{receiver}: {}", draft.words.summary);
        let delivery = self.put_about(incident, draft, now, fx);
        let about = About::incident(incident).receiver(receiver);
        let believed = incident.believed();
        let told = incident.told.entry(receiver.clone()).or_default();
        match reason {
            Reason::FlapStart => told.flap = FlapTold::Told,
            Reason::FlapEnd => {
                told.flap = FlapTold::No;
                told.status = believed;
            }
            Reason::Problem => {
                told.delivered = None;
                told.status = believed;
            }
            Reason::Worse
            | Reason::Better
            | Reason::Recovery
            | Reason::Reminder
            | Reason::Removed
            | Reason::Merged
            | Reason::Summary
            | Reason::Event
            | Reason::Report
            | Reason::Test => told.status = believed,
        }
        if reason == Reason::Removed || reason == Reason::Recovery {
            told.flap = FlapTold::No;
        }
        told.reminders = if reason == Reason::Reminder { told.reminders + 1 } else { 0 };
        told.at = Moment::of(now);
        told.sequence += 1;
        told.block = None;
        told.deferred = None;
        told.again = false;
        told.remind_now = false;
        told.dead = false;
        told.unsent.push(delivery);
        fx.records.push(Record::Told(told.record(id, receiver, now)));
        fx.journal(now, about, JournalKind::Told, text);
        fx.effects.push(Effect::Changed(Changed::Incident(id)));
        let lane = Storm::lane(Some(reason));
        self.outbox.storms.entry(receiver.clone()).or_default().note(lane, Moment::of(now));
        self.arm_outbox(Moment::of(now));
    }

    /// Keeps what stands behind the `=`, also for when the check is gone.
    pub(crate) fn refresh_shown(&self, incident: &mut Incident) {
        let Some(host) = self.hosts.get(incident.record.host) else { return };
        if let Some(index) = host.find(incident.record.check.as_str()) {
            incident.shown = host.checks[index].shown();
        }
    }

    /// Replaces older messages of the incident to the receiver that have not been started, and
    /// returns a line about each (6.10: never dropped without a trace).
    fn supersede(
        &mut self,
        incident: &mut Incident,
        receiver: &ReceiverName,
        now: Now,
        fx: &mut Effects,
    ) -> Vec<String> {
        let Some(told) = incident.told.get_mut(receiver) else { return Vec::new() };
        let mut passage = Vec::new();
        let rows = &mut self.outbox.rows;
        told.unsent.retain(|id| {
            let Some(row) = rows.get(id) else { return false };
            if row.started {
                return true;
            }
            let Some(mut row) = rows.remove(id) else { return false };
            let old = &row.record.notification;
            passage.push(format!("Not delivered before: {} at {}.", old.summary, clock(old.at)));
            row.record.state = DeliveryState::Superseded { at: now.unix };
            fx.records.push(Record::Outbox(row.record));
            false
        });
        passage
    }

    fn put_about(
        &mut self,
        incident: &Incident,
        draft: Draft<'_>,
        now: Now,
        fx: &mut Effects,
    ) -> DeliveryId {
        let id = self.next_delivery();
        let record = &incident.record;
        let removed = draft.reason == Reason::Removed;
        let severity = if removed { Severity::Info } else { incident.severity() };
        let notification = Notification {
            id,
            key: draft.key,
            receiver: draft.receiver.clone(),
            reason: draft.reason,
            incident: Some(record.id),
            host: incident.host_name.clone(),
            check: Some(record.check.clone()),
            severity,
            was: draft.was,
            status: record.status,
            summary: draft.words.summary,
            detail: draft.words.detail,
            since: record.since,
            at: now.unix,
            sequence: draft.sequence,
            reference: None,
            document: None,
        };
        self.put(notification, fx);
        id
    }

    pub(crate) fn next_delivery(&mut self) -> DeliveryId {
        self.numbers.delivery += 1;
        DeliveryId(self.numbers.delivery)
    }

    /// Puts a row into the outbox.
    pub(crate) fn put(&mut self, notification: Notification, fx: &mut Effects) {
        let record = DeliveryRecord {
            notification,
            state: DeliveryState::Queued,
            attempts: 0,
            last_error: String::new(),
            took_ms: 0,
        };
        fx.records.push(Record::Outbox(record.clone()));
        let id = record.notification.id;
        let row = Row { record, started: false };
        self.outbox.rows.insert(id, row);
    }

    /// Takes the outcome of a delivery.
    pub(crate) fn delivered(
        &mut self,
        delivery: DeliveryId,
        incident: Option<IncidentId>,
        receiver: &ReceiverName,
        outcome: Outcome,
        now: Now,
        fx: &mut Effects,
    ) {
        match outcome {
            Outcome::Started | Outcome::Failed => {
                let started = outcome == Outcome::Started;
                if let Some(row) = self.outbox.rows.get_mut(&delivery) {
                    row.started = started;
                }
                let told =
                    incident.and_then(|id| self.incidents.get_mut(&id)?.told.get_mut(receiver));
                if let Some(told) = told.filter(|told| told.unsent.contains(&delivery)) {
                    told.in_flight = started;
                }
                return;
            }
            Outcome::Sent | Outcome::Dead => {}
        }
        self.outbox.rows.remove(&delivery);
        let Some(id) = incident else { return };
        let Some(incident) = self.incidents.get_mut(&id) else { return };
        let about = About::incident(incident).receiver(receiver);
        let Some(told) = incident.told.get_mut(receiver) else { return };
        told.unsent.retain(|unsent| *unsent != delivery);
        told.in_flight = false;
        if outcome == Outcome::Sent {
            told.delivered = Some(Moment::of(now));
            told.dead = false;
            fx.records.push(Record::Told(told.record(id, receiver, now)));
        } else {
            told.dead = told.delivered.is_none() && told.unsent.is_empty();
            let text = format!("{receiver}: a message was given up");
            fx.journal(now, about, JournalKind::Server, text);
        }
        fx.effects.push(Effect::Changed(Changed::Incident(id)));
        self.reconcile(id, now, fx);
    }

    pub(crate) fn look_at_outbox(&mut self, due: Moment, now: Now, fx: &mut Effects) {
        if self.outbox.armed != due {
            return;
        }
        self.outbox.armed = Moment::NEVER;
        let moment = Moment::of(now);
        let storms: Vec<ReceiverName> = self
            .outbox
            .storms
            .iter()
            .filter(|(_, storm)| storm.next_summary.is_some_and(|next| next <= moment))
            .map(|(receiver, _)| receiver.clone())
            .collect();
        for receiver in storms {
            self.sum_up(&receiver, now, fx);
        }
        self.arm_outbox(moment);
    }

    /// Tells in one message what waited during a storm.
    fn sum_up(&mut self, receiver: &ReceiverName, now: Now, fx: &mut Effects) {
        let Some(storm) = self.outbox.storms.get_mut(receiver) else { return };
        // Open, so that the decisions below are about everything but the storm.
        storm.next_summary = None;
        storm.recent.iter_mut().for_each(VecDeque::clear);
        let waiting = std::mem::take(&mut storm.waiting);
        let mut lines = Vec::new();
        let mut by_status: BTreeMap<&'static str, usize> = BTreeMap::new();
        for id in waiting {
            let Some(mut incident) = self.incidents.remove(&id) else { continue };
            if self.is_free(&incident, receiver, now) {
                self.refresh_shown(&mut incident);
                let status = incident.believed();
                *by_status.entry(status.word()).or_default() += 1;
                lines.push(format!(
                    "{} - {} = {}",
                    incident.host_name, incident.path, incident.shown
                ));
                let told = incident.told.entry(receiver.clone()).or_default();
                told.status = status;
                told.again = false;
                told.at = Moment::of(now);
                told.delivered = Some(Moment::of(now));
                told.block = None;
                told.deferred = None;
                told.reminders = 0;
                fx.records.push(Record::Told(told.record(id, receiver, now)));
                let about = About::incident(&incident).receiver(receiver);
                fx.journal(now, about, JournalKind::Told, format!("{receiver}: in a summary"));
            }
            self.incidents.insert(id, incident);
        }
        if lines.is_empty() {
            // The storm is over: messages go one by one again.
            return;
        }
        if let Some(storm) = self.outbox.storms.get_mut(receiver) {
            storm.next_summary = Some(Moment::of(now) + SUMMARY_EVERY);
        }
        self.put_summary(receiver, &lines, &by_status, now, fx);
    }

    /// Returns true if nothing but the storm keeps a message back.
    fn is_free(&self, incident: &Incident, receiver: &ReceiverName, now: Now) -> bool {
        let reach = self.reach(incident, Moment::of(now));
        let covers = self.covers(incident);
        let due = self.due(incident, &self.times, Moment::of(now));
        let ways = due.get(receiver).map_or(&[][..], Vec::as_slice);
        let decision = self.decision(incident, &reach, &covers, ways, receiver, now);
        decision.block.is_none() && decision.reason != Some(Reason::Reminder)
    }

    fn put_summary(
        &mut self,
        receiver: &ReceiverName,
        lines: &[String],
        by_status: &BTreeMap<&'static str, usize>,
        now: Now,
        fx: &mut Effects,
    ) {
        let counts: Vec<String> =
            by_status.iter().map(|(status, count)| format!("{count} {status}")).collect();
        let mut detail: Vec<String> = lines.iter().take(SUMMARY_LINES).cloned().collect();
        if let Some(more) = lines.len().checked_sub(SUMMARY_LINES).filter(|more| *more > 0) {
            detail.push(format!("and {more} more"));
        }
        let severity = Status::ALL
            .into_iter()
            .filter(|status| by_status.contains_key(status.word()))
            .map(Severity::from)
            .max()
            .unwrap_or(Severity::Info);
        let id = self.next_delivery();
        let notification = Notification {
            id,
            key: format!("summary/{receiver}/{}", id.0),
            receiver: receiver.clone(),
            reason: Reason::Summary,
            incident: None,
            host: self_name(),
            check: None,
            severity,
            was: None,
            status: Status::Ok,
            summary: format!("SUMMARY: {} changes at once: {}", lines.len(), counts.join(", ")),
            detail: detail.join("\n"),
            since: now.unix,
            at: now.unix,
            sequence: 0,
            reference: None,
            document: None,
        };
        self.put(notification, fx);
    }
}

/// Returns the name under which messages about no particular host go.
pub(crate) fn self_name() -> hark_model::HostName {
    hark_model::HostName::new(crate::plan::SELF).expect("the word is a name")
}

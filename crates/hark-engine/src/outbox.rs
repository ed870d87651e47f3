//! Messages on their way: rows for the outbox, what became of them, and the storm rule (design rule
//! 6.10). The engine decides and remembers; sending, trying again and the fallback receiver are the
//! delivery machine's, in another crate.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use hark_model::record::{DeliveryRecord, DeliveryState, JournalKind, Record};
use hark_model::{
    DeliveryId, IncidentId, Notification, Now, Reason, ReceiverName, Severity, Status, Unix,
};

use crate::check::Check;
use crate::decide::{is_end, mix};
use crate::due::{Due, site_of};
use crate::effect::{Changed, Effect, Effects};
use crate::engine::{About, Engine};
use crate::group::Groups;
use crate::incident::{FlapTold, Incident};
use crate::input::Outcome;
use crate::message::{
    Words, clock, given_back_words, kept_line, step_line, taken_line, upper, words,
};
use crate::moment::Moment;
use crate::plan::StormPlan;
use crate::timers::Timer;

/// The first summary waits this long, so that it covers what comes together. Each further one waits twice
/// as long as the one before ...
const SUMMARY_FIRST: Duration = Duration::from_secs(1);
/// ... but never longer than this.
const SUMMARY_EVERY: Duration = Duration::from_mins(5);
/// A summary names at most this many (6.10, grouping).
const SUMMARY_LINES: usize = 50;
/// What stands there for a check that flaps, as a status does for others.
const FLAPPING: &str = "flapping";

/// What is on its way.
#[derive(Debug)]
pub(crate) struct Outbox {
    rows: BTreeMap<DeliveryId, Row>,
    storms: BTreeMap<ReceiverName, Storm>,
    pub(crate) groups: Groups,
    armed: Moment,
}

impl Default for Outbox {
    fn default() -> Self {
        Self {
            rows: BTreeMap::new(),
            storms: BTreeMap::new(),
            groups: Groups::default(),
            armed: Moment::NEVER,
        }
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
    /// Those about hosts that fell silent or came back.
    hosts: [VecDeque<Moment>; 2],
    next_summary: Option<Moment>,
    /// How long the last summary was waited for.
    waited: Duration,
    waiting: BTreeSet<IncidentId>,
}

impl Storm {
    fn lane(reason: Option<Reason>) -> usize {
        usize::from(matches!(
            reason,
            Some(Reason::Recovery | Reason::Merged | Reason::Removed | Reason::FlapEnd)
        ))
    }

    fn is_full(&self, lane: usize, is_host: bool, limits: &StormPlan, now: Moment) -> bool {
        fills(&self.recent[lane], limits.messages, limits.within, now)
            || is_host && fills(&self.hosts[lane], limits.hosts, limits.hosts_within, now)
    }

    fn note(&mut self, lane: usize, is_host: bool, now: Moment) {
        let host = is_host.then_some(&mut self.hosts[lane]);
        for recent in [&mut self.recent[lane]].into_iter().chain(host) {
            recent.push_back(now);
            if recent.len() > StormPlan::MOST {
                recent.pop_front();
            }
        }
    }
}

/// Returns true if the last `most` came within `within`; never if that is none.
fn fills(recent: &VecDeque<Moment>, most: usize, within: Duration, now: Moment) -> bool {
    let oldest = recent.len().checked_sub(most).and_then(|at| recent.get(at));
    oldest.is_some_and(|oldest| now.since(*oldest) < within)
}

/// What goes in one message.
#[derive(Debug, Default)]
pub(crate) struct Bundle {
    lines: Vec<String>,
    /// How many of the lines say what is known already.
    reminders: usize,
    by_status: BTreeMap<&'static str, usize>,
    /// How bad the worst of them is.
    severity: Severity,
    by_site: BTreeMap<String, usize>,
}

impl Bundle {
    /// A number that differs for different contents; the same on every run.
    fn digest(&self) -> u64 {
        let bytes = self.lines.iter().flat_map(|line| line.bytes().chain([0]));
        bytes.fold(0, |sum, byte| mix(sum, u64::from(byte) + 1))
    }
}

impl Outbox {
    /// Returns true if messages to `receiver` are summed up now, by the limits of the route that leads
    /// there. What a route never wants summed up goes alone also while the rest does not.
    pub(crate) fn storms_at(
        &self,
        receiver: &ReceiverName,
        reason: Option<Reason>,
        incident: &Incident,
        limits: &StormPlan,
        now: Moment,
    ) -> bool {
        !limits.is_off()
            && self.storms.get(receiver).is_some_and(|storm| {
                let is_host = incident.record.check.is_host();
                let lane = Storm::lane(reason);
                storm.next_summary.is_some() || storm.is_full(lane, is_host, limits, now)
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
        if storm.next_summary.is_none() {
            storm.waited = SUMMARY_FIRST;
            storm.next_summary = Some(now + SUMMARY_FIRST);
        }
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
        summaries.min().unwrap_or(Moment::NEVER).min(self.groups.next())
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
        let limits = way.map(|way| way.storm).unwrap_or_default();
        self.refresh_shown(incident);
        let mut passage = self.supersede(incident, receiver, now, fx);
        let id = incident.record.id;
        let deferred = incident.told.get(receiver).and_then(|told| told.deferred);
        let pages = reason == Reason::FlapStart && self.flaps_critically(incident);
        let flaps = incident.told.get(receiver).is_some_and(|told| told.flap.knows());
        if flaps && reason == Reason::FlapStart {
            passage.push(format!("It still flaps; at its worst it was {}.", incident.record.peak));
        }
        passage.extend(deferred.map(|since| kept_line(since.unix(now))));
        let is_asked = incident.told.get(receiver).is_some_and(|told| told.remind_now);
        let given_back = incident.given_back.as_ref();
        let given_back = given_back.filter(|_| is_asked && reason == Reason::Reminder);
        let taken = incident.record.ack.as_ref().filter(|_| reason == Reason::Acknowledged);
        let taken_at = taken.map(|ack| ack.at);
        passage.extend(taken.map(taken_line));
        let follows = is_end(reason) || taken.is_some();
        passage.extend(way.filter(|_| !follows).and_then(step_line));
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
            words: match given_back {
                Some(by) => given_back_words(by, incident, check, &passage, now),
                None => words(reason, incident, check, was, &passage, now),
            },
        };
        let text = format!("{receiver}: {}", draft.words.summary);
        let delivery = self.put_about(incident, draft, now, fx);
        let about = About::incident(incident).receiver(receiver);
        let believed = incident.believed();
        let told = incident.told.entry(receiver.clone()).or_default();
        told.hears(reason, believed, Moment::of(now));
        if pages {
            told.flap = FlapTold::Mostly;
        }
        told.taken_at = taken_at.or(told.taken_at);
        told.unsent.push(delivery);
        fx.records.push(Record::Told(told.record(id, receiver, now)));
        fx.journal(now, about, JournalKind::Told, text);
        fx.effects.push(Effect::Changed(Changed::Incident(id)));
        let (lane, is_host) = (Storm::lane(Some(reason)), incident.record.check.is_host());
        if !limits.is_off() {
            let storm = self.outbox.storms.entry(receiver.clone()).or_default();
            storm.note(lane, is_host, Moment::of(now));
        }
        self.arm_outbox(Moment::of(now));
    }

    /// Keeps what stands behind the `=`, also for when the check is gone.
    pub(crate) fn refresh_shown(&self, incident: &mut Incident) {
        let Some(host) = self.hosts.get(incident.record.host) else { return };
        if let Some(index) = host.find(incident.record.check.as_str()) {
            incident.shown = host.checks[index].shown();
        }
    }

    /// Returns what a line among others says behind the `=`: a value with its unit and its limit, since nothing
    /// follows that would say them.
    fn said(&self, incident: &Incident) -> String {
        let host = self.hosts.get(incident.record.host);
        let check = host.and_then(|host| {
            let index = host.find(incident.record.check.as_str())?;
            host.checks.get(index)
        });
        check.map_or_else(|| incident.shown.clone(), Check::told)
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
        // Neither asks anything of anybody.
        let is_taking = draft.reason == Reason::Acknowledged;
        let is_quiet = is_taking || draft.reason == Reason::Removed;
        let severity = if is_quiet { Severity::Info } else { incident.severity() };
        let taken = record.ack.as_ref().filter(|_| is_taking);
        let taken_by = taken.map(|ack| ack.by.clone());
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
            taken_by,
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
        self.put_as(notification, DeliveryState::Queued, fx);
    }

    /// Puts a row into the outbox that is sent at a time to come: what delivery has not tried waits for
    /// that, and counts from then on.
    pub(crate) fn put_for_later(&mut self, notification: Notification, at: Unix, fx: &mut Effects) {
        self.put_as(Notification { at, ..notification }, DeliveryState::Retry { at }, fx);
    }

    fn put_as(&mut self, notification: Notification, state: DeliveryState, fx: &mut Effects) {
        let record = DeliveryRecord {
            notification,
            state,
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
        fx.effects.push(Effect::Changed(Changed::Incident(id)));
        if outcome == Outcome::Dead {
            // Also of one that stood in for another receiver's, of which no told-state says anything.
            let about = About::incident(incident).receiver(receiver);
            let text = format!("{receiver}: a message was given up");
            fx.journal(now, about, JournalKind::Server, text);
        }
        let Some(told) = incident.told.get_mut(receiver) else { return };
        if told.unsent.contains(&delivery) {
            told.unsent.retain(|unsent| *unsent != delivery);
            told.in_flight = false;
        }
        if outcome == Outcome::Sent {
            told.delivered = Some(Moment::of(now));
            told.dead = false;
            fx.records.push(Record::Told(told.record(id, receiver, now)));
        } else {
            told.dead = told.delivered.is_none() && told.unsent.is_empty();
        }
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
        self.flush_groups(now, fx);
        self.arm_outbox(moment);
    }

    /// Tells in one message what waited during a storm.
    fn sum_up(&mut self, receiver: &ReceiverName, now: Now, fx: &mut Effects) {
        let Some(storm) = self.outbox.storms.get_mut(receiver) else { return };
        // Open, so that the decisions below are about everything but the storm.
        storm.next_summary = None;
        storm.recent.iter_mut().chain(&mut storm.hosts).for_each(VecDeque::clear);
        let waiting = std::mem::take(&mut storm.waiting);
        let mut bundle = Bundle::default();
        let mut told = Vec::new();
        for id in waiting {
            let free = self.incidents.get(&id).is_some_and(|i| self.is_free(i, receiver, now));
            if free {
                self.tell_in_bundle(id, receiver, "in a summary", &mut bundle, now, fx);
                told.push(id);
            } else {
                // Something else keeps it back by now, like a silence.
                self.reconcile(id, now, fx);
            }
        }
        if bundle.lines.is_empty() {
            // The storm is over: messages go one by one again.
            return;
        }
        if let Some(storm) = self.outbox.storms.get_mut(receiver) {
            storm.waited = (storm.waited * 2).min(SUMMARY_EVERY);
            storm.next_summary = Some(Moment::of(now) + storm.waited);
        }
        self.put_bundle(receiver, "SUMMARY", &bundle, now, fx);
        self.await_reminders(told, now, fx);
    }

    /// Has incidents that were told in a message about several looked at again when they are to be told
    /// once more: the delivery of such a message is no news of any of them.
    pub(crate) fn await_reminders(&mut self, told: Vec<IncidentId>, now: Now, fx: &mut Effects) {
        for id in told {
            self.reconcile(id, now, fx);
        }
    }

    /// Notes that a receiver is told about an incident in a message about several.
    pub(crate) fn tell_in_bundle(
        &mut self,
        id: IncidentId,
        receiver: &ReceiverName,
        how: &str,
        bundle: &mut Bundle,
        now: Now,
        fx: &mut Effects,
    ) {
        let Some(mut incident) = self.incidents.remove(&id) else { return };
        self.refresh_shown(&mut incident);
        let status = incident.believed();
        // While it flaps that it does so is all there is to tell (P3), here as in a message of its own.
        let flaps = self.flaps(&incident);
        let pages = self.flaps_critically(&incident);
        let what = if flaps { FLAPPING } else { status.word() };
        *bundle.by_status.entry(what).or_default() += 1;
        bundle.severity = bundle.severity.max(status.into());
        if let Some(site) = site_of(self.tags_of(incident.host_name.as_str())) {
            *bundle.by_site.entry(site.to_owned()).or_default() += 1;
        }
        let ack = incident.record.ack.as_ref();
        let taken_at = ack.map(|ack| ack.at);
        // What is known already, flapping and taker included, stands there to remind of it.
        let reminds = incident.told.get(receiver).is_some_and(|told| {
            let known = if flaps {
                told.flap == FlapTold::Mostly || told.flap == FlapTold::Told && !pages
            } else {
                status.is_problem() && told.status == status && !told.flap.knows()
            };
            known && !told.again && (taken_at.is_none() || taken_at == told.taken_at)
        });
        bundle.reminders += usize::from(reminds);
        let what = what.to_uppercase();
        let is = match (reminds, pages) {
            (true, _) => format!("REMINDER ({what})"),
            (false, true) => format!("{what} ({})", upper(status)),
            (false, false) => what,
        };
        let Incident { host_name, path, .. } = &incident;
        let said = self.said(&incident);
        let taken = ack.map(|ack| format!(" (taken by {})", ack.by)).unwrap_or_default();
        bundle.lines.push(format!("{is}: {host_name} - {path} = {said}{taken}"));
        let told = incident.told.entry(receiver.clone()).or_default();
        let reason = match (status, told.status == status) {
            _ if flaps => Reason::FlapStart,
            (_, true) => Reason::Reminder,
            (Status::Ok, false) => Reason::Recovery,
            (_, false) => Reason::Problem,
        };
        told.hears(reason, status, Moment::of(now));
        // A line says that it flaps, or what it is now that it does so no more, and who is on it.
        told.flap = match (flaps, pages || told.flap == FlapTold::Mostly) {
            (true, true) => FlapTold::Mostly,
            (true, false) => FlapTold::Told,
            (false, _) => FlapTold::No,
        };
        told.taken_at = taken_at.or(told.taken_at);
        told.delivered = Some(Moment::of(now));
        fx.records.push(Record::Told(told.record(id, receiver, now)));
        let about = About::incident(&incident).receiver(receiver);
        fx.journal(now, about, JournalKind::Told, format!("{receiver}: {how}"));
        self.incidents.insert(id, incident);
    }

    /// Returns true if nothing but the storm keeps a message back. Who would wait for a group does not: a
    /// summary is a larger one.
    fn is_free(&self, incident: &Incident, receiver: &ReceiverName, now: Now) -> bool {
        let reach = self.reach(incident, Moment::of(now));
        let covers = self.covers(incident);
        let due = self.due(incident, &self.times, Moment::of(now));
        let ways = due.get(receiver).map_or(&[][..], Vec::as_slice);
        let decision =
            self.decision_at(incident, &reach, &covers, ways, receiver, &self.times, now);
        decision.block.is_none()
    }

    /// Puts a message about several incidents into the outbox.
    pub(crate) fn put_bundle(
        &mut self,
        receiver: &ReceiverName,
        title: &str,
        bundle: &Bundle,
        now: Now,
        fx: &mut Effects,
    ) {
        let Bundle { lines, reminders, by_status, severity, by_site } = bundle;
        let what = if *reminders == lines.len() { "reminders" } else { "changes" };
        let counts: Vec<String> =
            by_status.iter().map(|(status, count)| format!("{count} {status}")).collect();
        let mut detail = Vec::new();
        if !by_site.is_empty() {
            let mut sites: Vec<(&String, &usize)> = by_site.iter().collect();
            sites.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
            let sites: Vec<String> =
                sites.iter().take(SUMMARY_LINES).map(|(site, n)| format!("{site} {n}")).collect();
            detail.push(format!("By site: {}.", sites.join(", ")));
        }
        detail.extend(lines.iter().take(SUMMARY_LINES).cloned());
        if let Some(more) = lines.len().checked_sub(SUMMARY_LINES).filter(|more| *more > 0) {
            detail.push(format!("and {more} more"));
        }
        let id = self.next_delivery();
        let notification = Notification {
            id,
            key: format!("summary/{receiver}/{:x}/{}", bundle.digest(), id.0),
            receiver: receiver.clone(),
            reason: Reason::Summary,
            incident: None,
            host: self_name(),
            check: None,
            severity: *severity,
            was: None,
            status: Status::Ok,
            summary: format!("{title}: {} {what} at once: {}", lines.len(), counts.join(", ")),
            detail: detail.join("\n"),
            since: now.unix,
            at: now.unix,
            sequence: 0,
            reference: None,
            document: None,
            taken_by: None,
        };
        self.put(notification, fx);
    }
}

/// Returns the name under which messages about no particular host go.
pub(crate) fn self_name() -> hark_model::HostName {
    hark_model::HostName::new(crate::plan::SELF).expect("the word is a name")
}

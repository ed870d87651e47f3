//! Reconciliation: what is believed against what each receiver was told (design rules 6.1, 6.8).
//!
//! [`Engine::reconcile`] is called whenever anything changes that could matter to an incident, and
//! may be called as often as one likes: it tells the difference, or writes down once why it does not.

use std::collections::BTreeSet;
use std::time::Duration;

use hark_model::record::{JournalKind, Record};
use hark_model::{HostId, IncidentId, Now, ReceiverName, Severity, Status};

use crate::decide::{Block, Decision, Flaps, Scene, decide};
use crate::due::Due;
use crate::effect::{Changed, Effect, Effects};
use crate::engine::{About, Engine};
use crate::incident::{AFTER_START, Incident, REOPEN_WINDOW, Told, is_removed};
use crate::moment::Moment;
use crate::overlay::{Covers, calendar_wake, expire_ack};
use crate::reach::Reach;
use crate::timers::Timer;
use crate::times::Times;

impl Engine {
    pub(crate) fn look_at_incident(
        &mut self,
        id: IncidentId,
        due: Moment,
        now: Now,
        fx: &mut Effects,
    ) {
        let Some(incident) = self.incidents.get_mut(&id) else { return };
        if incident.armed == due {
            incident.armed = Moment::NEVER;
            self.reconcile(id, now, fx);
        }
    }

    /// Reconciles all incidents of a host.
    pub(crate) fn reconcile_host(&mut self, id: HostId, now: Now, fx: &mut Effects) {
        let Some(host) = self.hosts.get(id) else { return };
        let incidents: Vec<IncidentId> = host.incidents.iter().copied().collect();
        for incident in incidents {
            self.reconcile(incident, now, fx);
        }
    }

    /// Reconciles every incident; after silences, maintenance and reloads.
    pub(crate) fn reconcile_all(&mut self, now: Now, fx: &mut Effects) {
        let incidents: Vec<IncidentId> = self.incidents.keys().copied().collect();
        for incident in incidents {
            self.reconcile(incident, now, fx);
        }
    }

    /// Brings what every receiver was told about an incident in line with what is believed, as far
    /// as nothing keeps it back.
    pub(crate) fn reconcile(&mut self, id: IncidentId, now: Now, fx: &mut Effects) {
        let moment = Moment::of(now);
        self.begin_flexible(id, now, fx);
        let Some(mut incident) = self.incidents.remove(&id) else { return };
        expire_ack(&mut incident, now, fx);
        let reach = self.reach(&incident, moment);
        self.end_release(&mut incident, moment);
        self.note_reach(&mut incident, &reach, now, fx);
        let covers = self.covers(&incident);
        // Before messages, so that they say what was tried.
        let mut again = self.repair(&mut incident, &reach, &covers, now, fx);
        again = again.min(self.escalate(&mut incident, &reach, &covers, &self.times, now, fx));
        let due = self.due(&incident, &self.times, moment);
        let receivers: BTreeSet<ReceiverName> =
            due.keys().chain(incident.told.keys()).cloned().collect();
        for receiver in receivers {
            let ways = due.get(&receiver).map_or(&[][..], Vec::as_slice);
            let decision = self.decision(&incident, &reach, &covers, ways, &receiver, now);
            again = again.min(decision.again);
            self.act(&mut incident, &covers, &receiver, ways, decision, now, fx);
        }
        note_nobody(&mut incident, due.is_empty(), now, fx);
        if incident.is_finished(moment) {
            self.forget(&incident);
            return;
        }
        let again = again.min(own_deadline(&incident, now));
        // What is decided at a moment is not decided again in it, whatever a deadline says.
        let again = again.max(moment + Duration::from_millis(1));
        self.timers.arm(&mut incident.armed, again, Timer::Incident(id));
        self.incidents.insert(id, incident);
    }

    /// Decides about one receiver: the one place, also for `explain`.
    pub(crate) fn decision(
        &self,
        incident: &Incident,
        reach: &Reach,
        covers: &Covers,
        ways: &[Due],
        receiver: &ReceiverName,
        now: Now,
    ) -> Decision {
        let decision = self.decision_at(incident, reach, covers, ways, receiver, &self.times, now);
        if decision.block.is_none() {
            let reason = decision.reason;
            let limits = ways.get(decision.way).map(|way| way.storm).unwrap_or_default();
            if self.outbox.storms_at(receiver, reason, incident, &limits, Moment::of(now)) {
                let text = "too many at once, comes with the next summary".to_owned();
                // The summary comes by itself: nothing of the incident has to be looked at for it.
                return Decision { block: Some(Block::Storm), text, ..decision };
            }
            let way = ways.get(decision.way);
            return self.grouped(decision, way, incident, receiver, now);
        }
        decision
    }

    /// Decides about one receiver, storms left aside, by a calendar that may be that of another moment.
    #[expect(clippy::too_many_arguments, reason = "all that a decision is about, and nothing else")]
    pub(crate) fn decision_at(
        &self,
        incident: &Incident,
        reach: &Reach,
        covers: &Covers,
        ways: &[Due],
        receiver: &ReceiverName,
        times: &Times,
        now: Now,
    ) -> Decision {
        let scene = Scene {
            notify: self.plan.notify,
            believed: incident.believed(),
            removed: is_removed(&incident.record.resolution),
            reach,
            release: incident.release,
            maintenance: covers.maintenance.as_ref().map(|(_, cover)| cover),
            silence: covers.silence.as_ref().map(|(_, cover)| cover),
            flapping: match (self.flaps(incident), self.flaps_critically(incident)) {
                (false, _) => Flaps::No,
                (true, false) => Flaps::Yes,
                (true, true) => Flaps::Critically,
            },
            ack: incident.record.ack.as_ref(),
            reminders: self.plan.reminders,
            times,
            spread: incident.record.id.0,
        };
        let nothing = Told::default();
        let told = incident.told.get(receiver).unwrap_or(&nothing);
        let plan = self.plan.receivers.get(receiver);
        let decision = decide(&scene, plan, ways, told, now);
        // Who was told nevertheless, by an older version, hears of the end.
        let begins = decision.block.is_none() && !told.lacks_the_end();
        if begins && incident.is_about(receiver) {
            let text = "it is about this receiver itself: the others are told".to_owned();
            return Decision { block: Some(Block::Route), text, ..decision };
        }
        decision
    }

    #[expect(clippy::too_many_arguments, reason = "a decision and all that it is about")]
    fn act(
        &mut self,
        incident: &mut Incident,
        covers: &Covers,
        receiver: &ReceiverName,
        ways: &[Due],
        decision: Decision,
        now: Now,
        fx: &mut Effects,
    ) {
        let Decision { reason, block, due, text, quietly, again: _, way } = decision;
        let Some(reason) = reason else {
            if let Some(told) = incident.told.get_mut(receiver) {
                told.block = None;
                told.deferred = None;
            }
            return;
        };
        let Some(block) = block else {
            self.tell(incident, receiver, reason, ways.get(way), now, fx);
            return;
        };
        let about = About::incident(incident).receiver(receiver);
        let id = incident.record.id;
        let believed = incident.believed();
        if block == Block::Group {
            self.wait_for_group(incident, receiver, ways.get(way), now);
        }
        let told = incident.told.entry(receiver.clone()).or_default();
        if quietly {
            told.status = believed;
            told.block = None;
            fx.records.push(Record::Told(told.record(id, receiver, now)));
            fx.journal(now, about, JournalKind::Withheld, format!("{}: {text}", block.word()));
            return;
        }
        if block == Block::Storm {
            self.outbox.wait_for_summary(receiver, id, Moment::of(now));
            self.arm_outbox(Moment::of(now));
        }
        // What kept it back before a start was counted then, and is not known to have ended.
        let after_start = incident.release.is_some_and(|release| release.after == AFTER_START);
        let still_kept = block == Block::Release && after_start && told.block.is_some();
        let kept = !matches!(block, Block::Told | Block::Reminder) && due && !still_kept;
        if !kept && !still_kept {
            // What is kept back from here on is news for the journal, also if it was so before.
            told.block = None;
            told.deferred = None;
        } else if kept && told.block != Some((block, reason)) {
            told.block = Some((block, reason));
            if block == Block::Hours {
                told.deferred.get_or_insert(Moment::of(now));
            }
            let text = format!("{}: {}: {text}", block.word(), reason.word());
            fx.journal(now, about, JournalKind::Withheld, text);
            self.count_withheld(covers, block, fx);
            fx.effects.push(Effect::Changed(Changed::Incident(id)));
        }
    }

    /// Links the incident to its cause, and has parents remember that they are waited for.
    fn note_reach(&mut self, incident: &mut Incident, reach: &Reach, now: Now, fx: &mut Effects) {
        let cause = match reach {
            _ if !incident.is_open() => return,
            Reach::Unreachable { incident, .. } => *incident,
            Reach::Symptom { incident, .. } => Some(*incident),
            Reach::Held { .. } => {
                self.await_parents(incident.record.host);
                return;
            }
            // Until a result after the parent's recovery has come, it stays a symptom (rule D6).
            Reach::Reachable if incident.release.is_some() => return,
            Reach::Reachable => None,
        };
        if self.link_cause(incident, cause) {
            fx.records.push(Record::Incident(incident.record.clone()));
            let text = match reach {
                Reach::Unreachable { root, .. } => format!("is a symptom: {root} is down"),
                Reach::Symptom { of, .. } => format!("is a symptom of {of}"),
                Reach::Held { .. } | Reach::Reachable => "is a problem of its own".to_owned(),
            };
            fx.journal(now, About::incident(incident), JournalKind::Transition, text);
        }
    }

    /// Ends the wait after a block when a fresh result has come, or the limit has passed.
    fn end_release(&self, incident: &mut Incident, now: Moment) {
        let Some(release) = incident.release else { return };
        let fresh = self.hosts.get(incident.record.host).is_none_or(|host| {
            let check = host.find(incident.record.check.as_str()).map(|i| &host.checks[i]);
            check.is_none_or(|check| check.heard >= release.since)
        });
        if fresh || now >= release.limit || !incident.is_open() {
            incident.release = None;
        }
    }

    pub(crate) fn flaps(&self, incident: &Incident) -> bool {
        self.hosts.get(incident.record.host).is_some_and(|host| {
            host.find(incident.record.check.as_str())
                .is_some_and(|i| host.checks[i].flapping().is_some())
        })
    }

    /// Returns true if its check flaps, was critical most of the time, and is believed to be so now: what is
    /// not believed is not told, also of what flaps.
    pub(crate) fn flaps_critically(&self, incident: &Incident) -> bool {
        incident.believed() == Status::Critical
            && self.hosts.get(incident.record.host).is_some_and(|host| {
                host.find(incident.record.check.as_str())
                    .is_some_and(|i| host.checks[i].flaps_critically())
            })
    }

    /// Drops an incident from memory; the store keeps it.
    fn forget(&mut self, incident: &Incident) {
        let id = incident.record.id;
        let Some(host) = self.hosts.get_mut(incident.record.host) else { return };
        host.incidents.remove(&id);
        for check in &mut host.checks {
            if check.more().is_some_and(|more| more.former == Some(id)) {
                check.more_mut().former = None;
            }
        }
    }
}

/// Writes once that nobody is told.
fn note_nobody(incident: &mut Incident, nobody: bool, now: Now, fx: &mut Effects) {
    if nobody && incident.is_open() && !incident.nobody {
        let text = format!("{}: no route leads to a receiver", Block::Route.word());
        fx.journal(now, About::incident(incident), JournalKind::Withheld, text);
    }
    incident.nobody = nobody;
}

/// Returns when an incident must be looked at for its own sake.
fn own_deadline(incident: &Incident, now: Now) -> Moment {
    let mut at = Moment::NEVER;
    if let Some(release) = incident.release {
        at = at.min(release.limit);
    }
    if let Some(until) = incident.record.ack.as_ref().and_then(|ack| ack.until) {
        at = at.min(calendar_wake(until, now));
    }
    if let Some(resolved) = incident.resolved {
        let end = resolved + REOPEN_WINDOW + Duration::from_millis(1);
        if end > Moment::of(now) {
            at = at.min(end);
        }
    }
    at
}

/// Returns how bad an incident is for filters: its end is as bad as it was at its worst, so that
/// what kept the problem back keeps its end back as well.
pub(crate) fn shown_severity(incident: &Incident) -> Severity {
    let status = incident.record.status;
    if status == Status::Ok { incident.record.peak.into() } else { status.into() }
}

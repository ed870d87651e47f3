//! Messages that belong together go as one: groups of a route (design rule 6.10, grouping).
//!
//! What a receiver is to be told is decided for each incident as ever; a route that groups only has it wait
//! for the others of its group, a first time for the route's `group_wait`, after that until `group_interval`
//! has passed since the group's last message. What is still to be told then goes in one message. So no
//! second memory of what was told is needed: a message comes when some member's state and told-state
//! differ, and for no other reason.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hark_model::{IncidentId, Now, Reason, ReceiverName};

use crate::decide::{Block, Decision};
use crate::due::{Due, Group};
use crate::effect::Effects;
use crate::engine::Engine;
use crate::incident::Incident;
use crate::message::clock;
use crate::moment::Moment;
use crate::outbox::Bundle;

/// What is critical waits at most this long for the others of its group.
const CRITICAL_WAIT: Duration = Duration::from_secs(5);

/// What waits, and what was sent last, for each receiver and group.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    by_key: BTreeMap<(ReceiverName, String), Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    incidents: BTreeSet<IncidentId>,
    /// When they are told.
    at: Option<Moment>,
    /// When the next message may come at the earliest.
    not_before: Option<Moment>,
}

impl Groups {
    /// Returns when something that is free at `now` is told, as a member of the group.
    fn flush_at(
        &self,
        receiver: &ReceiverName,
        group: &Group,
        wait: Duration,
        now: Moment,
    ) -> Moment {
        let key = (receiver.clone(), group.key.clone());
        let known = self.by_key.get(&key);
        let begin = known.and_then(|known| known.not_before).unwrap_or(now).max(now + wait);
        known.and_then(|known| known.at).map_or(begin, |at| at.min(begin))
    }

    /// Has an incident wait for its group.
    fn wait(&mut self, receiver: &ReceiverName, group: &Group, incident: IncidentId, at: Moment) {
        let waiting = self.by_key.entry((receiver.clone(), group.key.clone())).or_default();
        waiting.incidents.insert(incident);
        waiting.at = Some(waiting.at.map_or(at, |before| before.min(at)));
    }

    /// Returns when a group is to be looked at.
    pub(crate) fn next(&self) -> Moment {
        let times = self.by_key.values().filter_map(|waiting| waiting.at.or(waiting.not_before));
        times.min().unwrap_or(Moment::NEVER)
    }
}

impl Engine {
    /// Has a message that nothing else keeps back wait for the others of its group.
    pub(crate) fn grouped(
        &self,
        decision: Decision,
        way: Option<&Due>,
        incident: &Incident,
        receiver: &ReceiverName,
        now: Now,
    ) -> Decision {
        let flaps = matches!(decision.reason, Some(Reason::FlapStart | Reason::FlapEnd));
        let Some(group) = way.and_then(|way| way.group.as_ref()).filter(|_| !flaps) else {
            return decision;
        };
        let at = self.flush_at(incident, receiver, group, Moment::of(now));
        let text = format!("waits for the others of its group until {}", clock(at.unix(now)));
        Decision { block: Some(Block::Group), text, ..decision }
    }

    fn flush_at(
        &self,
        incident: &Incident,
        receiver: &ReceiverName,
        group: &Group,
        now: Moment,
    ) -> Moment {
        let critical = incident.severity() == hark_model::Severity::Critical;
        let wait = if critical { group.wait.min(CRITICAL_WAIT) } else { group.wait };
        self.outbox.groups.flush_at(receiver, group, wait, now)
    }

    pub(crate) fn wait_for_group(
        &mut self,
        incident: &Incident,
        receiver: &ReceiverName,
        way: Option<&Due>,
        now: Now,
    ) {
        let Some(group) = way.and_then(|way| way.group.as_ref()) else { return };
        let at = self.flush_at(incident, receiver, group, Moment::of(now));
        self.outbox.groups.wait(receiver, group, incident.record.id, at);
        self.arm_outbox(Moment::of(now));
    }

    /// Tells what waits in the groups whose time has come, and forgets groups that rest.
    pub(crate) fn flush_groups(&mut self, now: Now, fx: &mut Effects) {
        let moment = Moment::of(now);
        let due: Vec<(ReceiverName, String)> = self
            .outbox
            .groups
            .by_key
            .iter()
            .filter(|(_, waiting)| waiting.at.or(waiting.not_before).is_some_and(|at| at <= moment))
            .map(|(key, _)| key.clone())
            .collect();
        for key in due {
            let Some(waiting) = self.outbox.groups.by_key.remove(&key) else { continue };
            if waiting.at.is_some() {
                self.flush_group(&key, &waiting.incidents, now, fx);
            }
        }
    }

    fn flush_group(
        &mut self,
        key: &(ReceiverName, String),
        incidents: &BTreeSet<IncidentId>,
        now: Now,
        fx: &mut Effects,
    ) {
        let (receiver, name) = key;
        let mut free: Vec<(IncidentId, Reason, Due)> = Vec::new();
        for id in incidents {
            let Some(incident) = self.incidents.get(id) else { continue };
            match self.free_in_group(incident, receiver, name, now) {
                Some((reason, way)) => free.push((*id, reason, way)),
                // Something else keeps it back by now: too many at once, or another group.
                None => self.reconcile(*id, now, fx),
            }
        }
        let Some((first, reason, way)) = free.first().cloned() else { return };
        if free.len() == 1 {
            // One alone is told as ever, in the thread of its incident.
            let Some(mut incident) = self.incidents.remove(&first) else { return };
            self.tell(&mut incident, receiver, reason, Some(&way), now, fx);
            self.incidents.insert(first, incident);
        } else {
            let mut bundle = Bundle::default();
            for (id, ..) in &free {
                self.tell_in_bundle(*id, receiver, "in a group", &mut bundle, now, fx);
            }
            self.put_bundle(receiver, &format!("GROUP {name}"), &bundle, now, fx);
        }
        let interval = way.group.as_ref().map(|group| group.interval).unwrap_or_default();
        let waiting = self.outbox.groups.by_key.entry(key.clone()).or_default();
        waiting.not_before = Some(Moment::of(now) + interval);
        self.await_reminders(free.into_iter().map(|(id, ..)| id).collect(), now, fx);
    }

    /// Returns why and how a member is told, if nothing but its group has kept it back.
    fn free_in_group(
        &self,
        incident: &Incident,
        receiver: &ReceiverName,
        name: &str,
        now: Now,
    ) -> Option<(Reason, Due)> {
        let reach = self.reach(incident, Moment::of(now));
        let covers = self.covers(incident);
        let due = self.due(incident, &self.times, Moment::of(now));
        let ways = due.get(receiver).map_or(&[][..], Vec::as_slice);
        let decision =
            self.decision_at(incident, &reach, &covers, ways, receiver, &self.times, now);
        let way = ways.get(decision.way)?;
        let is_member = way.group.as_ref().is_some_and(|group| group.key == name);
        let storms =
            self.outbox.storms_at(receiver, decision.reason, incident, &way.storm, Moment::of(now));
        (decision.block.is_none() && is_member && !storms)
            .then_some((decision.reason?, way.clone()))
    }
}

//! What waits for one receiver: what is folded, what goes to its fallback, what is started next.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hark_model::record::{DeliveryId, DeliveryRecord, DeliveryState, IncidentId};
use hark_model::{Mono, Notification, Now, Reason, ReceiverName, Unix};

use super::Order;
use super::own::Own;
use super::references::References;
use crate::delivery::{
    Breaker, Policy, Tried, collapse, due, follow_up, hand_over, is_settled, is_urgent,
    was_tried_by,
};

/// How often at least the machine wants to be looked at while something waits, so that a jump of
/// the wall clock cannot hold messages back for long.
pub(super) const LOOK: Duration = Duration::from_secs(30);

/// What waits for one receiver, and how that receiver does.
#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) fallback: Option<ReceiverName>,
    pub(super) waiting: BTreeMap<DeliveryId, DeliveryRecord>,
    /// What is on its way, and when its lease ends.
    pub(super) in_flight: BTreeMap<DeliveryId, Mono>,
    pub(super) breaker: Breaker,
    /// Rows that the fallback got as well, and those that nobody is left for.
    pub(super) handed: BTreeSet<DeliveryId>,
    /// Rows that a fallback has not got because it is told the same itself, and which one: it gets them if that
    /// is given up.
    known: BTreeMap<DeliveryId, ReceiverName>,
    /// Incidents of which a fallback was told something that has not ended, and which one: it may be another
    /// by now.
    pub(super) followed: BTreeMap<IncidentId, ReceiverName>,
    /// Rows that somebody waits for.
    pub(super) hurried: BTreeSet<DeliveryId>,
    /// Rows whose receiver asked for a time: these do not go early when it works again.
    pub(super) asked: BTreeSet<DeliveryId>,
    pub(super) references: References,
}

/// What became of a message that its receiver does not get.
enum Given {
    /// The fallback gets this.
    StandIn(Notification),
    /// This fallback is told the same itself.
    Known(ReceiverName),
    /// There is nobody left to get it.
    Nobody,
}

impl Queue {
    /// Folds what waits for the same incident. A message on its way is left alone, and what waits
    /// behind it is folded among itself.
    pub(super) fn fold(&mut self, now: Unix, orders: &mut Vec<Order>) {
        let mut by_incident: BTreeMap<IncidentId, Vec<&DeliveryRecord>> = BTreeMap::new();
        for (id, row) in &self.waiting {
            if let Some(incident) = row.notification.incident
                && !self.in_flight.contains_key(id)
            {
                by_incident.entry(incident).or_default().push(row);
            }
        }
        let folded: Vec<_> =
            by_incident.values().filter_map(|waiting| collapse(waiting, now)).collect();
        for fold in folded {
            let mut rows = fold.superseded;
            for row in &rows {
                self.waiting.remove(&row.notification.id);
                self.handed.remove(&row.notification.id);
                self.known.remove(&row.notification.id);
                self.asked.remove(&row.notification.id);
                if self.hurried.remove(&row.notification.id) {
                    self.hurried.insert(fold.newest.notification.id);
                }
            }
            self.waiting.insert(fold.newest.notification.id, fold.newest.clone());
            rows.push(fold.newest);
            orders.push(Order::Folded(rows));
        }
    }

    pub(super) fn hand_over_due(
        &mut self,
        now: Unix,
        policy: &Policy,
        own: &Own,
        orders: &mut Vec<Order>,
    ) {
        if self.fallback.is_none() && self.followed.is_empty() {
            return;
        }
        let is_open = self.breaker.is_open();
        let mut handed = Vec::new();
        for (id, row) in &self.waiting {
            let n = &row.notification;
            if is_kept(row, now) || self.is_given(*id) {
                continue;
            }
            let is_late = is_open || now.since(n.at) >= policy.fallback_after;
            // What follows goes to the fallback even if our own receiver works again by now.
            let is_wanted = self.is_followed(n) || (is_late && is_urgent(n));
            if is_wanted {
                handed.push((*id, n.clone(), is_late));
            }
        }
        for (id, n, is_late) in handed {
            match self.give(&n, is_late, own) {
                Given::Known(by) => {
                    self.known.insert(id, by);
                    continue;
                }
                Given::StandIn(stand_in) => orders.push(Order::HandOver(stand_in)),
                Given::Nobody => {}
            }
            self.handed.insert(id);
        }
    }

    /// Returns true if it is settled who gets a message beside its receiver.
    fn is_given(&self, id: DeliveryId) -> bool {
        self.handed.contains(&id) || self.known.contains_key(&id)
    }

    /// What was made for a receiver about an incident was given up: who counted on that goes by it no more.
    pub(super) fn is_not_told(&mut self, receiver: &ReceiverName, incident: IncidentId) {
        let waiting = &self.waiting;
        let is_about = |id: &DeliveryId| {
            waiting.get(id).is_some_and(|row| row.notification.incident == Some(incident))
        };
        self.known.retain(|id, by| by != receiver || !is_about(id));
    }

    fn is_followed(&self, n: &Notification) -> bool {
        n.incident.is_some_and(|incident| self.followed.contains_key(&incident))
    }

    /// Returns who gets what stands in for `n`: the fallback that was told of its incident before, else that of
    /// now. `None` if there is none, and if it has failed with it already.
    fn heir(&self, n: &Notification) -> Option<&ReceiverName> {
        let before = n.incident.and_then(|incident| self.followed.get(&incident));
        before.or(self.fallback.as_ref()).filter(|to| !was_tried_by(n, to))
    }

    /// Makes what stands in for `n`. `fails` says whether our own receiver is what keeps it from being told.
    fn give(&mut self, n: &Notification, fails: bool, own: &Own) -> Given {
        let Some(to) = self.heir(n).cloned() else { return Given::Nobody };
        if own.knows(&to, n) {
            return Given::Known(to);
        }
        if let Some(incident) = n.incident {
            if is_end(n) {
                self.followed.remove(&incident);
            } else {
                self.followed.insert(incident, to.clone());
            }
        }
        Given::StandIn(if fails { hand_over(n, &to) } else { follow_up(n, &to) })
    }

    /// Starts what somebody waits for, before all others and one at a time, as the trials of a failing receiver.
    /// Returns how many that are.
    fn start_hurried(&mut self, now: Now, policy: &Policy, orders: &mut Vec<Order>) -> usize {
        if !self.in_flight.is_empty() {
            return 0;
        }
        while let Some(id) = self.hurried.pop_first() {
            if self.waiting.contains_key(&id) {
                self.start(id, now, policy, orders);
                return 1;
            }
        }
        0
    }

    fn start(&mut self, id: DeliveryId, now: Now, policy: &Policy, orders: &mut Vec<Order>) {
        let Some(row) = self.waiting.get_mut(&id) else { return };
        row.state = DeliveryState::Leased { until: now.unix + policy.lease };
        if let Some(reference) = self.references.of(&row.notification) {
            row.notification.reference = Some(reference.clone());
        }
        self.in_flight.insert(id, now.mono + policy.lease);
        self.asked.remove(&id);
        self.hurried.remove(&id);
        orders.push(Order::Send(row.clone()));
    }

    pub(super) fn start_due(&mut self, now: Now, policy: &Policy, orders: &mut Vec<Order>) {
        let room = self.breaker.room(now.mono, self.in_flight.len(), policy.in_flight);
        let room = room.saturating_sub(self.start_hurried(now, policy, orders));
        if room == 0 {
            return;
        }
        let mut busy = self.busy();
        let mut due_now = Vec::new();
        for (id, row) in &self.waiting {
            if self.in_flight.contains_key(id) {
                continue;
            }
            // The oldest unsent message of an incident holds its place even while it is not due.
            let is_first = row.notification.incident.is_none_or(|incident| busy.insert(incident));
            let is_due =
                due(&row.state, row.attempts, now.unix, policy).is_some_and(|at| at <= now.unix);
            if !is_first || !is_due {
                continue;
            }
            due_now.push(*id);
            if due_now.len() == room {
                break;
            }
        }
        for id in due_now {
            self.start(id, now, policy, orders);
        }
    }

    /// Returns the incidents of the messages that are on their way.
    fn busy(&self) -> BTreeSet<IncidentId> {
        let rows = self.in_flight.keys().filter_map(|id| self.waiting.get(id));
        rows.filter_map(|row| row.notification.incident).collect()
    }

    /// Takes a row's new state after a try, and returns its stand-in: a critical message that is
    /// refused for good goes to the fallback at once.
    pub(super) fn finish(
        &mut self,
        next: &DeliveryRecord,
        tried: &Tried,
        own: &Own,
    ) -> Option<Notification> {
        let n = &next.notification;
        if !is_settled(&next.state) {
            if matches!(tried, Tried::Failed { retry_after: Some(_), .. }) {
                self.asked.insert(n.id);
            }
            self.waiting.insert(n.id, next.clone());
            return None;
        }
        let was_handed = self.handed.remove(&n.id);
        self.known.remove(&n.id);
        self.waiting.remove(&n.id);
        let is_dead = matches!(next.state, DeliveryState::Dead { .. });
        let wanted = !was_handed && ((is_dead && is_urgent(n)) || self.is_followed(n));
        let given = if wanted { self.give(n, is_dead, own) } else { Given::Nobody };
        if let Some(incident) = n.incident.filter(|_| is_end(n)) {
            self.followed.remove(&incident);
        }
        match given {
            Given::StandIn(stand_in) => Some(stand_in),
            Given::Known(_) | Given::Nobody => None,
        }
    }

    /// Makes everything due that only waits because of earlier failures.
    pub(super) fn hurry(&mut self, now: Unix) {
        for (id, row) in &mut self.waiting {
            let waits = matches!(row.state, DeliveryState::Retry { .. }) && row.attempts > 0;
            if waits && !self.asked.contains(id) {
                row.state = DeliveryState::Retry { at: now };
            }
        }
    }

    pub(super) fn sleep(&self, now: Now, policy: &Policy) -> Option<Duration> {
        if self.waiting.is_empty() {
            return None;
        }
        let mut sleep = LOOK;
        let may_start = match self.breaker.trial_at() {
            Some(at) if at > now.mono => {
                sleep = sleep.min(at.since(now.mono));
                false
            }
            Some(_) => self.in_flight.is_empty(),
            None => self.in_flight.len() < policy.in_flight,
        };
        let mut busy = self.busy();
        for (id, row) in &self.waiting {
            let n = &row.notification;
            // What waits behind another message of its incident is woken by the end of that.
            if may_start
                && !self.in_flight.contains_key(id)
                && n.incident.is_none_or(|incident| busy.insert(incident))
                && let Some(at) = due(&row.state, row.attempts, now.unix, policy)
            {
                sleep = sleep.min(at.since(now.unix));
            }
            if self.fallback.is_some() && is_urgent(n) && !self.is_given(*id) {
                sleep = sleep.min((n.at + policy.fallback_after).since(now.unix));
            }
        }
        Some(sleep)
    }
}

/// Returns true if nothing follows this message about its incident.
pub(super) fn is_end(n: &Notification) -> bool {
    matches!(n.reason, Reason::Recovery | Reason::Merged | Reason::Removed)
        || (n.reason == Reason::FlapEnd && n.status == hark_model::Status::Ok)
}

/// Returns true for what is kept back for its receiver's hours: no failure of anything makes it due.
fn is_kept(row: &DeliveryRecord, now: Unix) -> bool {
    row.attempts == 0 && matches!(row.state, DeliveryState::Retry { at } if at > now)
}

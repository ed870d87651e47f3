//! The outbox as a machine: rows in, orders out. No IO, no clock, no chance of its own.
//!
//! The driver keeps one [`Outbox`], feeds it every row that was committed, does what the [`Order`]s
//! say, and tells it what came of each send. What must hold is written at each order; beyond that
//! the driver decides nothing.
//!
//! - One message of an incident is on its way to a receiver at a time; newer ones wait for it.
//! - What waits for the same incident and receiver is folded into one message that tells the passage.
//! - A receiver that fails again and again gets single trials until one succeeds; then everything
//!   that waits for it goes at once.
//! - What a receiver's service calls a message ([`Attempt::reference`]) stands in the row once it is sent,
//!   and goes with each later message of that incident to that receiver: it can answer, edit or close.
//! - Critical messages that wait too long, or for a failing receiver, or were refused for good, also
//!   go to its fallback; so does what follows about the same incident, so that nobody who was told of
//!   a problem is left without its end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hark_model::record::{DeliveryId, DeliveryRecord, DeliveryState, IncidentId};
use hark_model::{Mono, Notification, Now, Reason, ReceiverName, Unix};

use self::references::References;
use crate::delivery::{
    Breaker, Chance, Change, Policy, Tried, collapse, decide, due, hand_over, handed_from,
    is_settled, is_urgent, was_tried_by,
};

mod references;

pub use references::MAX_REFERENCE;

/// One thing the driver must do, in the order given.
#[derive(Clone, Debug, PartialEq)]
pub enum Order {
    /// Write the row, commit, then send its notification and call [`Outbox::tried`].
    Send(DeliveryRecord),
    /// Write the row: it is sent, dead, or waits for its next try. The engine wants to know
    /// (`Input::Delivery`).
    Settled(DeliveryRecord),
    /// Write the rows in one transaction: older messages were folded into a newer one, which is the
    /// last of them.
    Folded(Vec<DeliveryRecord>),
    /// Give this message a number and put it into the outbox unless its key is there already, then
    /// [`Outbox::add`] it. Its `id` is that of the message it stands in for.
    HandOver(Notification),
    /// Both at once: write the row, which is settled, and put its stand-in into the outbox as with
    /// [`Order::HandOver`], in one transaction. A crash between the two would leave a message that is
    /// given up and that nobody stands in for.
    SettledFor {
        /// As in [`Order::Settled`].
        settled: DeliveryRecord,
        /// As in [`Order::HandOver`].
        stand_in: Box<Notification>,
    },
    /// Raise (`Some`, in words) or clear the problem `receiver NAME` of the server itself.
    Failing {
        /// Which receiver.
        receiver: ReceiverName,
        /// What is wrong; `None` when it works again.
        problem: Option<String>,
    },
}

/// One send that has ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// To whom.
    pub receiver: ReceiverName,
    /// Which message.
    pub delivery: DeliveryId,
    /// What came of it.
    pub tried: Tried,
    /// What the receiver's service calls the message, if it arrived and has such a name.
    pub reference: Option<String>,
    /// How long it took.
    pub took: Duration,
    /// The chance of the wait before the next one.
    pub chance: Chance,
}

/// What came of asking for a message to be tried at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hurried {
    /// It is due now.
    Due,
    /// It is on its way already.
    UnderWay,
    /// Nothing of that number waits.
    Gone,
}

/// What waits for one receiver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// How many messages, those on their way among them.
    pub messages: usize,
    /// When the oldest of them was decided.
    pub oldest: Option<Unix>,
    /// Whether the receiver is failing.
    pub is_failing: bool,
}

/// How often at least the machine wants to be looked at while something waits, so that a jump of
/// the wall clock cannot hold messages back for long.
const LOOK: Duration = Duration::from_secs(30);

/// All messages that are not settled, by receiver.
#[derive(Debug)]
pub struct Outbox {
    policy: Policy,
    queues: BTreeMap<ReceiverName, Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    fallback: Option<ReceiverName>,
    waiting: BTreeMap<DeliveryId, DeliveryRecord>,
    /// What is on its way, and when its lease ends.
    in_flight: BTreeMap<DeliveryId, Mono>,
    breaker: Breaker,
    /// Rows that the fallback got as well.
    handed: BTreeSet<DeliveryId>,
    /// Incidents of which the fallback was told something that has not ended.
    followed: BTreeSet<IncidentId>,
    /// Rows whose receiver asked for a time: these do not go early when it works again.
    asked: BTreeSet<DeliveryId>,
    references: References,
}

impl Outbox {
    /// Makes an outbox for `receivers`, each with its fallback.
    pub fn new(
        receivers: impl IntoIterator<Item = (ReceiverName, Option<ReceiverName>)>,
        policy: Policy,
    ) -> Self {
        let mut outbox = Self { policy, queues: BTreeMap::new() };
        outbox.configure(receivers, &mut Vec::new(), Unix::default());
        outbox
    }

    /// Takes a new set of receivers after a reload. What waits for one that is gone is given up.
    pub fn configure(
        &mut self,
        receivers: impl IntoIterator<Item = (ReceiverName, Option<ReceiverName>)>,
        orders: &mut Vec<Order>,
        now: Unix,
    ) {
        let mut old = std::mem::take(&mut self.queues);
        for (name, fallback) in receivers {
            let mut queue = old.remove(&name).unwrap_or_default();
            queue.fallback = fallback;
            self.queues.insert(name, queue);
        }
        for (receiver, queue) in old {
            if queue.breaker.is_open() {
                orders.push(Order::Failing { receiver, problem: None });
            }
            orders.extend(queue.waiting.into_values().map(|row| Order::Settled(gone(row, now))));
        }
    }

    /// Takes a row: at start every row of an open incident and every unsettled one, later each row
    /// once it was committed. A lease found at start has ended with the process that held it.
    pub fn add(&mut self, mut row: DeliveryRecord, orders: &mut Vec<Order>, now: Unix) {
        self.note_hand_over(&row);
        if let DeliveryState::Sent { .. } = row.state
            && let Some(queue) = self.queues.get_mut(&row.notification.receiver)
        {
            queue.references.note(&row.notification);
        }
        if is_settled(&row.state) {
            // The engine has taken it back before it was begun.
            if let Some(queue) = self.queues.get_mut(&row.notification.receiver)
                && !queue.in_flight.contains_key(&row.notification.id)
            {
                queue.waiting.remove(&row.notification.id);
            }
            return;
        }
        let Some(queue) = self.queues.get_mut(&row.notification.receiver) else {
            return orders.push(Order::Settled(gone(row, now)));
        };
        if queue.in_flight.contains_key(&row.notification.id) {
            return;
        }
        if matches!(row.state, DeliveryState::Leased { .. }) {
            row.state = DeliveryState::Queued;
        }
        queue.waiting.insert(row.notification.id, row);
    }

    /// A row that stands in for another receiver shows that receiver's queue what the fallback was
    /// told, also after a restart.
    fn note_hand_over(&mut self, row: &DeliveryRecord) {
        let n = &row.notification;
        let Some(queue) = handed_from(n).and_then(|from| self.queues.get_mut(&from)) else {
            return;
        };
        if let Some(incident) = n.incident {
            if is_end(n) {
                queue.followed.remove(&incident);
            } else {
                queue.followed.insert(incident);
            }
        }
    }

    /// Starts what is due. A message whose lease ended without word of what came of it failed: the
    /// task that sent it is gone, and its place must not be taken for ever.
    pub fn step(&mut self, now: Now, orders: &mut Vec<Order>) {
        for (receiver, delivery) in self.lost(now.mono) {
            let error = "no word came of what became of it".to_owned();
            let tried = Tried::Failed { permanent: false, retry_after: None, error };
            let took = self.policy.lease;
            let chance = Chance::default();
            let lost = Attempt { receiver, delivery, tried, reference: None, took, chance };
            self.tried(&lost, now, orders);
        }
        for queue in self.queues.values_mut() {
            queue.fold(now.unix, orders);
            queue.hand_over_due(now.unix, &self.policy, orders);
            queue.start_due(now, &self.policy, orders);
        }
    }

    fn lost(&self, now: Mono) -> Vec<(ReceiverName, DeliveryId)> {
        let mut lost = Vec::new();
        for (receiver, queue) in &self.queues {
            let ended = queue.in_flight.iter().filter(|(_, until)| **until <= now);
            lost.extend(ended.map(|(id, _)| (receiver.clone(), *id)));
        }
        lost
    }

    /// Takes what came of a send. A message that is not on its way is ignored.
    pub fn tried(&mut self, attempt: &Attempt, now: Now, orders: &mut Vec<Order>) {
        let Attempt { receiver, delivery, tried, reference, took, chance } = attempt;
        let Some(queue) = self.queues.get_mut(receiver) else { return };
        if queue.in_flight.remove(delivery).is_none() {
            return;
        }
        let Some(row) = queue.waiting.get(delivery) else { return };
        let mut next = decide(row, tried, *took, now.unix, *chance, &self.policy);
        if *tried == Tried::Arrived {
            if let Some(reference) = reference.as_ref().filter(|r| r.len() <= MAX_REFERENCE) {
                next.notification.reference = Some(reference.clone());
            }
            queue.references.note(&next.notification);
        }
        orders.push(match queue.finish(&next, tried) {
            Some(stand_in) => Order::SettledFor { settled: next, stand_in: Box::new(stand_in) },
            None => Order::Settled(next),
        });
        let change = match tried {
            Tried::Arrived => queue.breaker.succeeded(),
            Tried::Failed { .. } => queue.breaker.failed(now.mono, *chance, &self.policy),
        };
        let problem = match (change, tried) {
            (Change::None, _) => return,
            (Change::Failing, Tried::Failed { error, .. }) => {
                Some(format!("receiver {receiver} failing: {error}"))
            }
            (Change::Failing | Change::Working, _) => {
                queue.hurry(now.unix);
                None
            }
        };
        orders.push(Order::Failing { receiver: receiver.clone(), problem });
    }

    /// Makes a message due because somebody asked for it, whatever its receiver asked for and whether or
    /// not it is failing. The next [`Outbox::step`] starts it, as soon as there is room.
    pub fn hurry(&mut self, delivery: DeliveryId, now: Now) -> Hurried {
        let Some(queue) =
            self.queues.values_mut().find(|queue| queue.waiting.contains_key(&delivery))
        else {
            return Hurried::Gone;
        };
        if queue.in_flight.contains_key(&delivery) {
            return Hurried::UnderWay;
        }
        if let Some(row) = queue.waiting.get_mut(&delivery)
            && matches!(row.state, DeliveryState::Retry { .. })
        {
            row.state = DeliveryState::Retry { at: now.unix };
        }
        queue.asked.remove(&delivery);
        queue.breaker.allow_trial(now.mono);
        Hurried::Due
    }

    /// Returns what waits for each receiver.
    pub fn waiting(&self) -> impl Iterator<Item = (&ReceiverName, Waiting)> {
        self.queues.iter().map(|(name, queue)| {
            let oldest = queue.waiting.first_key_value().map(|(_, row)| row.notification.at);
            let (messages, is_failing) = (queue.waiting.len(), queue.breaker.is_open());
            (name, Waiting { messages, oldest, is_failing })
        })
    }

    /// Returns how long the driver may sleep; `None` if nothing waits.
    pub fn sleep(&self, now: Now) -> Option<Duration> {
        self.queues.values().filter_map(|queue| queue.sleep(now, &self.policy)).min()
    }

    /// Returns the receivers that are failing.
    pub fn failing(&self) -> Vec<ReceiverName> {
        let failing = self.queues.iter().filter(|(_, queue)| queue.breaker.is_open());
        failing.map(|(name, _)| name.clone()).collect()
    }

    /// Returns how many messages are not settled.
    pub fn n_waiting(&self) -> usize {
        self.queues.values().map(|queue| queue.waiting.len()).sum()
    }
}

/// Returns true if nothing follows this message about its incident.
fn is_end(n: &Notification) -> bool {
    matches!(n.reason, Reason::Recovery | Reason::Merged | Reason::Removed)
        || (n.reason == Reason::FlapEnd && n.status == hark_model::Status::Ok)
}

/// Returns true for what is kept back for its receiver's hours: no failure of anything makes it due.
fn is_kept(row: &DeliveryRecord, now: Unix) -> bool {
    row.attempts == 0 && matches!(row.state, DeliveryState::Retry { at } if at > now)
}

fn gone(mut row: DeliveryRecord, now: Unix) -> DeliveryRecord {
    row.state = DeliveryState::Dead { at: now };
    "this receiver is no longer configured".clone_into(&mut row.last_error);
    row
}

impl Queue {
    /// Folds what waits for the same incident. A message on its way is left alone, and what waits
    /// behind it is folded among itself.
    fn fold(&mut self, now: Unix, orders: &mut Vec<Order>) {
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
                self.asked.remove(&row.notification.id);
            }
            self.waiting.insert(fold.newest.notification.id, fold.newest.clone());
            rows.push(fold.newest);
            orders.push(Order::Folded(rows));
        }
    }

    fn hand_over_due(&mut self, now: Unix, policy: &Policy, orders: &mut Vec<Order>) {
        let Some(fallback) = self.fallback.clone() else { return };
        let is_open = self.breaker.is_open();
        let mut handed = Vec::new();
        for (id, row) in &self.waiting {
            let n = &row.notification;
            if is_kept(row, now) {
                continue;
            }
            let is_late = is_open || now.since(n.at) >= policy.fallback_after;
            let is_followed = n.incident.is_some_and(|i| self.followed.contains(&i));
            // What follows goes to the fallback even if our own receiver works again by now.
            if (is_followed || (is_late && is_urgent(n))) && !self.handed.contains(id) {
                handed.push((*id, n.clone()));
            }
        }
        for (id, n) in handed {
            orders.extend(self.give(&n, &fallback).map(Order::HandOver));
            self.handed.insert(id);
        }
    }

    /// Returns what stands in for `n` at the fallback; `None` if the fallback has failed with it already.
    fn give(&mut self, n: &Notification, fallback: &ReceiverName) -> Option<Notification> {
        if was_tried_by(n, fallback) {
            return None;
        }
        if let Some(incident) = n.incident {
            if is_end(n) {
                self.followed.remove(&incident);
            } else {
                self.followed.insert(incident);
            }
        }
        Some(hand_over(n, fallback))
    }

    fn start_due(&mut self, now: Now, policy: &Policy, orders: &mut Vec<Order>) {
        let mut room = self.breaker.room(now.mono, self.in_flight.len(), policy.in_flight);
        if room == 0 {
            return;
        }
        let mut busy = self.busy();
        for (id, row) in &mut self.waiting {
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
            row.state = DeliveryState::Leased { until: now.unix + policy.lease };
            if let Some(reference) = self.references.of(&row.notification) {
                row.notification.reference = Some(reference.clone());
            }
            self.in_flight.insert(*id, now.mono + policy.lease);
            self.asked.remove(id);
            orders.push(Order::Send(row.clone()));
            room -= 1;
            if room == 0 {
                return;
            }
        }
    }

    /// Returns the incidents of the messages that are on their way.
    fn busy(&self) -> BTreeSet<IncidentId> {
        let rows = self.in_flight.keys().filter_map(|id| self.waiting.get(id));
        rows.filter_map(|row| row.notification.incident).collect()
    }

    /// Takes a row's new state after a try, and returns its stand-in: a critical message that is
    /// refused for good goes to the fallback at once.
    fn finish(&mut self, next: &DeliveryRecord, tried: &Tried) -> Option<Notification> {
        let n = &next.notification;
        if !is_settled(&next.state) {
            if matches!(tried, Tried::Failed { retry_after: Some(_), .. }) {
                self.asked.insert(n.id);
            }
            self.waiting.insert(n.id, next.clone());
            return None;
        }
        let was_handed = self.handed.remove(&n.id);
        self.waiting.remove(&n.id);
        let is_followed = n.incident.is_some_and(|i| self.followed.contains(&i));
        let is_dead = matches!(next.state, DeliveryState::Dead { .. });
        let fallback = self.fallback.clone()?;
        let wanted = !was_handed && ((is_dead && is_urgent(n)) || is_followed);
        wanted.then(|| self.give(n, &fallback)).flatten()
    }

    /// Makes everything due that only waits because of earlier failures.
    fn hurry(&mut self, now: Unix) {
        for (id, row) in &mut self.waiting {
            let waits = matches!(row.state, DeliveryState::Retry { .. }) && row.attempts > 0;
            if waits && !self.asked.contains(id) {
                row.state = DeliveryState::Retry { at: now };
            }
        }
    }

    fn sleep(&self, now: Now, policy: &Policy) -> Option<Duration> {
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
            if self.fallback.is_some() && is_urgent(n) && !self.handed.contains(id) {
                sleep = sleep.min((n.at + policy.fallback_after).since(now.unix));
            }
        }
        Some(sleep)
    }
}

#[cfg(test)]
mod tests;

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
//!   go to its fallback, unless it is told the same itself; so does what follows about the same
//!   incident, so that nobody who was told of a problem is left without its end.
//! - What somebody waits for, a test or a message that is to be tried now, goes before all others, also to
//!   a receiver that is failing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hark_model::record::{DeliveryId, DeliveryRecord, DeliveryState};
use hark_model::{Mono, Notification, Now, Reason, ReceiverName, Unix};

use self::own::Own;
use self::queue::{Queue, is_end};
use crate::delivery::{Chance, Change, Policy, Tried, decide, handed_from, is_settled, made_for};

mod own;
mod queue;
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
    /// It is the next one: another message is on its way to the receiver.
    Next,
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
    /// When it is tried next, if it is.
    pub trial_at: Option<Mono>,
    /// How many of them are on their way.
    pub under_way: usize,
}

/// All messages that are not settled, by receiver.
#[derive(Debug)]
pub struct Outbox {
    policy: Policy,
    queues: BTreeMap<ReceiverName, Queue>,
    own: Own,
}

impl Outbox {
    /// Makes an outbox for `receivers`, each with its fallback.
    pub fn new(
        receivers: impl IntoIterator<Item = (ReceiverName, Option<ReceiverName>)>,
        policy: Policy,
    ) -> Self {
        let mut outbox = Self { policy, queues: BTreeMap::new(), own: Own::default() };
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
        let names: BTreeSet<ReceiverName> = self.queues.keys().cloned().collect();
        for queue in self.queues.values_mut() {
            queue.followed.retain(|_, told| names.contains(told));
        }
        for (receiver, queue) in old {
            if queue.breaker.is_open() {
                orders.push(Order::Failing { receiver, problem: None });
            }
            for row in queue.waiting.into_values().map(|row| gone(row, now)) {
                self.note(&row);
                orders.push(Order::Settled(row));
            }
        }
    }

    /// Takes a row: at start every row of an open incident and every unsettled one, later each row
    /// once it was committed. A lease found at start has ended with the process that held it.
    pub fn add(&mut self, mut row: DeliveryRecord, orders: &mut Vec<Order>, now: Unix) {
        self.note_hand_over(&row);
        self.note(&row);
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
            let row = gone(row, now);
            self.note(&row);
            return orders.push(Order::Settled(row));
        };
        if queue.in_flight.contains_key(&row.notification.id) {
            return;
        }
        if matches!(row.state, DeliveryState::Leased { .. }) {
            row.state = DeliveryState::Queued;
        }
        if row.notification.reason == Reason::Test && row.attempts == 0 {
            queue.hurried.insert(row.notification.id);
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
                queue.followed.insert(incident, n.receiver.clone());
            }
        }
    }

    /// Keeps what a row says its receiver is told of its incident, or is not.
    fn note(&mut self, row: &DeliveryRecord) {
        self.own.note(row);
        let n = &row.notification;
        if matches!(row.state, DeliveryState::Dead { .. })
            && let (Some(receiver), Some(incident)) = (made_for(n), n.incident)
        {
            for queue in self.queues.values_mut() {
                queue.is_not_told(&receiver, incident);
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
        let begun = orders.len();
        for queue in self.queues.values_mut() {
            queue.fold(now.unix, orders);
            queue.hand_over_due(now.unix, &self.policy, &self.own, orders);
            queue.start_due(now, &self.policy, orders);
        }
        for order in orders.iter().skip(begun) {
            if let Order::HandOver(stand_in) = order {
                self.own.hands(stand_in);
            }
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
        self.note(&next);
        let Some(queue) = self.queues.get_mut(receiver) else { return };
        let stand_in = queue.finish(&next, tried, &self.own);
        if let Some(stand_in) = &stand_in {
            self.own.hands(stand_in);
        }
        orders.push(match stand_in {
            Some(stand_in) => Order::SettledFor { settled: next, stand_in: Box::new(stand_in) },
            None => Order::Settled(next),
        });
        let Some(queue) = self.queues.get_mut(receiver) else { return };
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

    /// Makes a message the next one because somebody asked for it, whatever its receiver asked for and whether
    /// or not it is failing. The next [`Outbox::step`] starts it, if no other is on its way there.
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
        queue.hurried.insert(delivery);
        if queue.in_flight.is_empty() { Hurried::Due } else { Hurried::Next }
    }

    /// Returns what waits for each receiver.
    pub fn waiting(&self) -> impl Iterator<Item = (&ReceiverName, Waiting)> {
        self.queues.iter().map(|(name, queue)| {
            let oldest = queue.waiting.first_key_value().map(|(_, row)| row.notification.at);
            let (messages, is_failing) = (queue.waiting.len(), queue.breaker.is_open());
            let (trial_at, under_way) = (queue.breaker.trial_at(), queue.in_flight.len());
            (name, Waiting { messages, oldest, is_failing, trial_at, under_way })
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

fn gone(mut row: DeliveryRecord, now: Unix) -> DeliveryRecord {
    row.state = DeliveryState::Dead { at: now };
    "this receiver is no longer configured".clone_into(&mut row.last_error);
    row
}

#[cfg(test)]
mod tests;

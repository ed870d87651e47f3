//! Messages on their way: the real machine of the outbox, and receivers that are sometimes away.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hark_engine::input::{Input, Outcome};
use hark_model::record::{DeliveryRecord, DeliveryState, Record};
use hark_model::{CheckName, Notification, Now, ReceiverName};
use hark_notify::delivery::{Chance, Policy, Tried};
use hark_notify::outbox::{Attempt, Order, Outbox};
use hark_store::state::Change;

use super::counts::Counts;
use super::judge::Judge;
use super::plan::{RECEIVERS, STANDBY};
use super::server::Server;
use crate::random::Random;

/// How long a try takes at a receiver that takes the connection and says nothing.
const HANGS: u64 = 60;

/// How long a receiver that is asked too often wants to be left alone.
const LEFT_ALONE: Duration = Duration::from_secs(20);

/// Share of tries whose answer is lost.
const LOST_ANSWERS: f64 = 0.002;

/// What the machine says of a receiver: its place, and whether it fails.
pub(super) type Said = (usize, bool);

/// Makes the outbox of a server that starts.
pub(super) fn machine() -> Outbox {
    let standby = ReceiverName::new(STANDBY).expect("letters");
    let names = RECEIVERS.iter().map(|name| ReceiverName::new(name).expect("letters"));
    let with_fallback =
        names.enumerate().map(|(n, name)| (name, (n == 0).then(|| standby.clone())));
    Outbox::new(with_fallback.chain([(standby.clone(), None)]), Policy::default())
}

/// What a receiver does while it is away.
#[derive(Clone, Copy, Debug)]
enum Away {
    Refuses,
    Hangs,
    Overrun,
}

/// A try to deliver that ends.
#[derive(Debug)]
struct Try {
    notification: Notification,
    arrives: bool,
    tried: Tried,
    took: u64,
    /// Whether the server that began it still runs.
    server: bool,
}

/// Everybody who is told, and what is on its way there.
#[derive(Debug)]
pub(super) struct Receivers {
    random: Random,
    away: BTreeMap<ReceiverName, (u64, Away)>,
    tries: BTreeMap<u64, Vec<Try>>,
    /// Receivers that have taken a message in the life of this server.
    proven: BTreeSet<ReceiverName>,
    /// What the machine has said of receivers in this second.
    said: Vec<Said>,
    /// Keys of messages that went in newer ones in this second.
    folded: Vec<String>,
    /// Keys of messages of which the server has learned in this second what became of them.
    settled: Vec<String>,
    counts: BTreeMap<&'static str, u64>,
}

impl Receivers {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            random: Random::new(!seed),
            away: BTreeMap::new(),
            tries: BTreeMap::new(),
            proven: BTreeSet::new(),
            said: Vec::new(),
            folded: Vec::new(),
            settled: Vec::new(),
            counts: BTreeMap::new(),
        }
    }

    pub(super) fn count(&self, counts: &mut Counts) {
        for (name, count) in &self.counts {
            counts.add("deliveries", name, *count);
        }
    }

    fn note(&mut self, name: &'static str) {
        *self.counts.entry(name).or_default() += 1;
    }

    /// A receiver, by chance, is away for a while.
    pub(super) fn somebody_is_away(&mut self, until: u64, random: &mut Random) {
        let place = usize::try_from(random.below(RECEIVERS.len() as u64)).unwrap_or(0);
        let way = [Away::Refuses, Away::Hangs, Away::Overrun];
        let way = way[usize::try_from(random.below(3)).unwrap_or(0)];
        let name = ReceiverName::new(RECEIVERS[place]).expect("letters");
        self.away.insert(name, (until, way));
        self.note("times a receiver was away");
    }

    /// Returns what was said of receivers in this second, in order.
    pub(super) fn said(&mut self) -> Vec<Said> {
        std::mem::take(&mut self.said)
    }

    /// Returns the keys of messages that went in newer ones in this second.
    pub(super) fn folded(&mut self) -> Vec<String> {
        std::mem::take(&mut self.folded)
    }

    /// Returns the keys of messages of which the server has learned what became of them.
    pub(super) fn settled(&mut self) -> Vec<String> {
        std::mem::take(&mut self.settled)
    }

    /// Tells the server what became of the tries that end in this second, and lets it go on.
    pub(super) fn second(&mut self, second: u64, server: &mut Server, judge: &mut Judge, now: Now) {
        for tried in self.tries.remove(&second).unwrap_or_default() {
            self.arrive(&tried, second, judge);
            if !tried.server {
                continue;
            }
            if tried.tried == Tried::Arrived {
                let name = tried.notification.receiver.clone();
                // That it was failing is known from before the start by the engine alone.
                if self.proven.insert(name.clone()) {
                    self.say(server, &name, None, now);
                }
            }
            let attempt = Attempt {
                receiver: tried.notification.receiver.clone(),
                delivery: tried.notification.id,
                reference: None,
                tried: tried.tried,
                took: Duration::from_secs(tried.took),
                chance: Chance::from_bits(self.random.next_u64()),
            };
            let mut orders = Vec::new();
            server.outbox.tried(&attempt, now, &mut orders);
            self.carry_out(orders, server, second, now);
        }
        let mut orders = Vec::new();
        server.outbox.step(now, &mut orders);
        self.carry_out(orders, server, second, now);
    }

    /// Hands messages that are written to the machine, and sends what it orders.
    pub(super) fn send(
        &mut self,
        rows: Vec<DeliveryRecord>,
        server: &mut Server,
        second: u64,
        now: Now,
    ) {
        let mut orders = Vec::new();
        for row in rows {
            server.outbox.add(row, &mut orders, now.unix);
        }
        server.outbox.step(now, &mut orders);
        self.carry_out(orders, server, second, now);
    }

    /// The server is gone: what is on its way goes on, and nobody learns what came of it.
    pub(super) fn server_dies(&mut self, judge: &mut Judge) {
        self.proven.clear();
        for tried in self.tries.values_mut().flatten().filter(|tried| tried.server) {
            tried.server = false;
            judge.may_come_twice(&tried.notification.key);
        }
    }

    /// What was on its way when the server died arrives.
    pub(super) fn server_is_away(&mut self, second: u64, judge: &mut Judge) {
        for tried in self.tries.remove(&second).unwrap_or_default() {
            // Also what ended in the second in which it died.
            judge.may_come_twice(&tried.notification.key);
            self.arrive(&tried, second, judge);
        }
    }

    fn arrive(&mut self, tried: &Try, second: u64, judge: &mut Judge) {
        self.note("tries");
        if tried.arrives && tried.tried != Tried::Arrived {
            self.note("tries whose answer was lost");
            judge.may_come_twice(&tried.notification.key);
        }
        if tried.arrives {
            self.note("arrived");
            judge.arrived(&tried.notification, second);
        } else {
            self.note("tries that failed");
        }
    }

    fn carry_out(&mut self, orders: Vec<Order>, server: &mut Server, second: u64, now: Now) {
        for order in orders {
            match order {
                Order::Send(row) => {
                    tell_engine(server, &row, now);
                    self.begin(&row.notification, second);
                    server.changes.push(Change::Delivery(row));
                }
                Order::Settled(row) => {
                    self.settle(&row);
                    tell_engine(server, &row, now);
                    server.changes.push(Change::Delivery(row));
                }
                Order::Folded(rows) => {
                    for row in rows {
                        if let DeliveryState::Superseded { .. } = row.state {
                            self.note("folded into a newer one");
                            self.folded.push(row.notification.key.clone());
                        }
                        tell_engine(server, &row, now);
                        server.changes.push(Change::Delivery(row));
                    }
                }
                Order::HandOver(notification) => self.hand_over(server, notification),
                Order::SettledFor { settled, stand_in } => {
                    self.settle(&settled);
                    tell_engine(server, &settled, now);
                    server.changes.push(Change::Delivery(settled));
                    self.hand_over(server, *stand_in);
                }
                Order::Failing { receiver, problem } => {
                    self.say(server, &receiver, problem, now);
                }
            }
        }
    }

    fn settle(&mut self, row: &DeliveryRecord) {
        if let DeliveryState::Sent { .. } | DeliveryState::Dead { .. } = row.state {
            self.settled.push(row.notification.key.clone());
        }
    }

    /// Tells the engine how a receiver is.
    fn say(
        &mut self,
        server: &mut Server,
        receiver: &ReceiverName,
        problem: Option<String>,
        now: Now,
    ) {
        let part = format!("receiver {receiver}");
        let part = CheckName::new(&part).expect("a check's name may have two words");
        if let Some(place) = RECEIVERS.iter().position(|name| *name == receiver.as_str()) {
            self.said.push((place, problem.is_some()));
        }
        server.step(Input::SelfCheck { part, problem }, now);
    }

    fn begin(&mut self, notification: &Notification, second: u64) {
        let away = self.away.get(&notification.receiver).filter(|(until, _)| second < *until);
        let failed = |retry_after| Tried::Failed {
            permanent: false,
            retry_after,
            error: "no answer".to_owned(),
        };
        let (arrives, tried, took) = match away {
            Some((_, Away::Refuses)) => (false, failed(None), 1),
            Some((_, Away::Hangs)) => (false, failed(None), HANGS),
            Some((_, Away::Overrun)) => (false, failed(Some(LEFT_ALONE)), 1),
            None if self.random.chance(LOST_ANSWERS) => (true, failed(None), 10),
            None => (true, Tried::Arrived, 1),
        };
        let notification = notification.clone();
        let tried = Try { notification, arrives, tried, took, server: true };
        self.tries.entry(second + took).or_default().push(tried);
    }

    fn hand_over(&mut self, server: &mut Server, notification: Notification) {
        self.note("handed to the fallback");
        let id = server.delivery_number();
        server.records.push(Record::Outbox(DeliveryRecord {
            notification: Notification { id, ..notification },
            state: DeliveryState::Queued,
            attempts: 0,
            last_error: String::new(),
            took_ms: 0,
        }));
    }
}

fn tell_engine(server: &mut Server, row: &DeliveryRecord, now: Now) {
    let outcome = match row.state {
        DeliveryState::Sent { .. } => Outcome::Sent,
        DeliveryState::Retry { .. } => Outcome::Failed,
        DeliveryState::Dead { .. } => Outcome::Dead,
        DeliveryState::Leased { .. } => Outcome::Started,
        DeliveryState::Queued | DeliveryState::Superseded { .. } => return,
    };
    let delivery = row.notification.id;
    let (incident, receiver) = (row.notification.incident, row.notification.receiver.clone());
    server.step(Input::Delivery { delivery, incident, receiver, outcome }, now);
}

//! Messages on their way: the real machine of the outbox, and a driver that does what it orders.
//!
//! ```text
//! committed row -> machine -> Send: write "leased", then send -> answer -> Settled: write, tell the engine
//! ```

use std::time::Duration;

use hark_engine::input::{Input, Outcome};
use hark_model::record::{DeliveryRecord, DeliveryState};
use hark_model::{CheckName, Notification};
use hark_notify::delivery::{Chance, Tried};
use hark_notify::outbox::{Attempt, Order};

use super::plan::self_host;
use super::receiver::{Arrived, Course};
use super::server::Failed;
use super::{Happening, World, WorldError};

/// How long the answer to a message waits in the socket of a server that stands still until it is
/// looked for again.
const ASIDE: u64 = 1_000;

/// A try to deliver that ends.
#[derive(Clone, Debug)]
pub(super) struct Try {
    place: usize,
    life: u64,
    notification: Notification,
    course: Course,
}

impl Try {
    /// Returns true if it was begun by server number `life` for the receiver at `place`.
    fn is_of(&self, life: u64, place: usize) -> bool {
        (self.life, self.place) == (life, place)
    }
}

impl World {
    /// Hands rows that were committed to the machine.
    pub(super) fn hand_rows(&mut self, rows: Vec<DeliveryRecord>) -> Result<(), WorldError> {
        let now = self.server_now().unix;
        let Some(server) = &mut self.server else { return Ok(()) };
        let mut orders = Vec::new();
        for row in rows {
            server.outbox.add(row, &mut orders, now);
        }
        self.carry_out(orders)?;
        self.deliver()
    }

    /// Has the machine look at what is due.
    pub(super) fn deliver(&mut self) -> Result<(), WorldError> {
        if self.paused_since.is_some() {
            return Ok(());
        }
        let now = self.server_now();
        let Some(server) = &mut self.server else { return Ok(()) };
        let mut orders = Vec::new();
        server.outbox.step(now, &mut orders);
        self.carry_out(orders)?;
        self.plan_delivery();
        Ok(())
    }

    /// Has the machine looked at when it next wants to be.
    fn plan_delivery(&mut self) {
        let now = self.server_now();
        let Some(sleep) = self.server.as_ref().and_then(|server| server.outbox.sleep(now)) else {
            return;
        };
        let wait = u64::try_from(sleep.as_millis()).unwrap_or(u64::MAX).max(1);
        let due = self.now.saturating_add(wait);
        if self.deliver_at.is_none_or(|at| at <= self.now || at > due) {
            self.deliver_at = Some(due);
            self.after(wait, Happening::Deliver);
        }
    }

    fn carry_out(&mut self, orders: Vec<Order>) -> Result<(), WorldError> {
        for order in orders {
            match order {
                Order::Send(row) => self.send(row)?,
                Order::Settled(row) => {
                    self.tell_engine(&row);
                    self.write(vec![row])?;
                }
                Order::Folded(rows) => {
                    for row in &rows {
                        self.tell_engine(row);
                    }
                    self.write(rows)?;
                }
                Order::HandOver(notification) => {
                    if let Some(server) = &mut self.server {
                        server.hand_over(None, notification);
                    }
                    self.plan_commit();
                }
                Order::SettledFor { settled, stand_in } => {
                    self.tell_engine(&settled);
                    if let Some(server) = &mut self.server {
                        server.hand_over(Some(settled), *stand_in);
                    }
                    self.plan_commit();
                }
                Order::Failing { receiver, problem } => {
                    self.say(&format!("receiver {receiver}"), problem);
                }
            }
        }
        Ok(())
    }

    /// Tells the engine how a part of the server is.
    pub(super) fn say(&mut self, part: &str, problem: Option<String>) {
        let part = CheckName::new(part).expect("the names of the server's parts are plain words");
        self.oracle.fed(&self_host(), self.now);
        self.feed(Input::SelfCheck { part, problem });
    }

    fn tell_engine(&mut self, row: &DeliveryRecord) {
        let outcome = match row.state {
            DeliveryState::Sent { .. } => Outcome::Sent,
            DeliveryState::Retry { .. } => Outcome::Failed,
            DeliveryState::Dead { .. } => Outcome::Dead,
            DeliveryState::Leased { .. } => Outcome::Started,
            DeliveryState::Queued | DeliveryState::Superseded { .. } => return,
        };
        self.feed(Input::Delivery {
            delivery: row.notification.id,
            incident: row.notification.incident,
            receiver: row.notification.receiver.clone(),
            outcome,
        });
    }

    /// Writes where messages stand; what a full disk refuses is written with the next commit.
    fn write(&mut self, rows: Vec<DeliveryRecord>) -> Result<(), WorldError> {
        let Some(server) = &mut self.server else { return Ok(()) };
        match server.write(rows) {
            Ok(()) => Ok(()),
            Err(failed) => self.failed(failed),
        }
    }

    fn send(&mut self, row: DeliveryRecord) -> Result<(), WorldError> {
        let notification = row.notification.clone();
        let name = &notification.receiver;
        let Some(place) = self.receivers.iter().position(|(known, _)| known == name) else {
            return Ok(());
        };
        self.tell_engine(&row);
        let life = self.life;
        self.write(vec![row])?;
        // Dead or not: a message whose lease was not written has not left.
        if self.server.is_none() || self.life != life {
            return Ok(());
        }
        let on_their_way = self.happenings.values();
        let busy =
            on_their_way.filter(|h| matches!(h, Happening::Tried(t) if t.is_of(life, place)));
        if busy.count() > 0 {
            let text = format!("two messages are on their way to {name} at once");
            self.oracle.violate(self.now, 0, text);
        }
        let Some((_, receiver)) = self.receivers.get(place) else { return Ok(()) };
        let course = receiver.course(self.now, &mut self.random);
        let took = course.took;
        let tried = Try { place, life, notification, course };
        self.after(took, Happening::Tried(Box::new(tried)));
        Ok(())
    }

    pub(super) fn tried(&mut self, tried: Try) -> Result<(), WorldError> {
        let is_alive = self.server.is_some() && self.life == tried.life;
        let knows = is_alive && tried.course.tried == Tried::Arrived;
        let Try { place, life, notification, mut course } = tried;
        if !knows {
            self.oracle.unsure(&notification.key);
        }
        // The message is on its way whether the server lives or not.
        if std::mem::take(&mut course.arrives)
            && let Some((name, receiver)) = self.receivers.get_mut(place)
        {
            let arrived = Arrived { at: self.now, notification: notification.clone() };
            self.oracle.arrived(name, &arrived);
            receiver.inbox.push(arrived);
        }
        if !is_alive {
            return Ok(());
        }
        if self.paused_since.is_some() {
            let later = Try { place, life, notification, course };
            self.after(ASIDE, Happening::Tried(Box::new(later)));
            return Ok(());
        }
        let now = self.server_now();
        if course.tried == Tried::Arrived
            && let Some(server) = &mut self.server
            && server.proven.insert(notification.receiver.clone())
        {
            // That it was failing is known from before the start by the engine alone.
            self.say(&format!("receiver {}", notification.receiver), None);
        }
        let attempt = Attempt {
            receiver: notification.receiver,
            delivery: notification.id,
            reference: notification
                .reference
                .or_else(|| Some(format!("{}", notification.id.0)))
                .filter(|_| course.tried == Tried::Arrived),
            tried: course.tried,
            took: Duration::from_millis(course.took),
            chance: Chance::from_bits(self.random.next_u64()),
        };
        let mut orders = Vec::new();
        let Some(server) = &mut self.server else { return Ok(()) };
        server.outbox.tried(&attempt, now, &mut orders);
        self.carry_out(orders)?;
        self.deliver()
    }

    /// Deals with a write that was refused.
    pub(super) fn failed(&mut self, failed: Failed) -> Result<(), WorldError> {
        match failed {
            Failed::Died => self.server_dies(),
            Failed::Later => self.plan_commit(),
            Failed::Broken(error) => return Err(error.into()),
        }
        Ok(())
    }
}

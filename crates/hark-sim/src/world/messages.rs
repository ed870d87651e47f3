//! Messages on their way: claimed from the store, tried, their outcome written and told to the engine.

use std::time::Duration;

use hark_engine::input::{Input, Outcome};
use hark_model::Notification;
use hark_model::record::DeliveryId;
use hark_store::state::Fence;

use super::receiver::{Arrived, Fate};
use super::{Happening, World, WorldError};

/// How long a claim on a message lasts.
const LEASE: Duration = Duration::from_secs(30);

/// A try to deliver that ends.
#[derive(Clone, Debug)]
pub(super) struct Try {
    receiver: usize,
    life: u64,
    delivery: DeliveryId,
    fence: Fence,
    notification: Notification,
    attempts: u32,
    fate: Fate,
    took: u64,
}

impl World {
    pub(super) fn deliver(&mut self) -> Result<(), WorldError> {
        if self.paused_since.is_some() {
            return Ok(());
        }
        let now = self.server_now();
        for place in 0..self.receivers.len() {
            let Some(server) = &mut self.server else { return Ok(()) };
            let Some((name, receiver)) = self.receivers.get_mut(place) else { continue };
            if receiver.busy {
                continue;
            }
            match server.state.claim(name, now.unix, LEASE) {
                Ok(None) => {}
                Ok(Some(claim)) => {
                    receiver.busy = true;
                    let (fate, took) = receiver.fate(self.now, &mut self.random);
                    let tried = Try {
                        receiver: place,
                        life: self.life,
                        delivery: claim.record.notification.id,
                        fence: claim.fence,
                        attempts: claim.record.attempts,
                        notification: claim.record.notification,
                        fate,
                        took,
                    };
                    let (incident, receiver) =
                        (tried.notification.incident, tried.notification.receiver.clone());
                    let delivery = tried.delivery;
                    self.after(took, Happening::Tried(tried));
                    let outcome = Outcome::Started;
                    self.feed(Input::Delivery { delivery, incident, receiver, outcome });
                }
                Err(_) if server.disk.is_dead() => {
                    self.server_dies();
                    return Ok(());
                }
                Err(error) if error.is_transient() => self.after(1_000, Happening::Deliver),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    pub(super) fn tried(&mut self, tried: Try) -> Result<(), WorldError> {
        let is_alive = self.server.is_some() && self.life == tried.life;
        // The message is on its way whether the server lives or not.
        let arrives = tried.fate != Fate::Lost;
        if tried.fate == Fate::Unsure || !is_alive {
            self.oracle.unsure(&tried.notification.key);
        }
        if arrives {
            let arrived = Arrived { at: self.now, notification: tried.notification.clone() };
            if let Some((name, receiver)) = self.receivers.get_mut(tried.receiver) {
                self.oracle.arrived(name, &arrived);
                receiver.inbox.push(arrived);
            }
        }
        if !is_alive {
            return Ok(());
        }
        if self.paused_since.is_some() {
            // The answer waits in the socket.
            let later = Try { fate: Fate::Lost, ..tried };
            self.oracle.unsure(&later.notification.key);
            self.after(1_000, Happening::Tried(later));
            return Ok(());
        }
        self.outcome(&tried)
    }

    /// Writes what came of a try, then tells the engine.
    fn outcome(&mut self, tried: &Try) -> Result<(), WorldError> {
        let now = self.server_now();
        let took = u32::try_from(tried.took).unwrap_or(u32::MAX);
        let (delivery, fence) = (tried.delivery, tried.fence);
        let backoff = 5_000u64 << tried.attempts.min(7);
        let again = now.unix
            + Duration::from_millis(backoff.min(600_000) / 2 + self.random.below(backoff / 2));
        let Some(server) = &mut self.server else { return Ok(()) };
        let (written, outcome) = if tried.fate == Fate::Sent {
            (server.state.mark_sent(delivery, fence, now.unix, took), Outcome::Sent)
        } else {
            let error = "no answer";
            (server.state.mark_retry(delivery, fence, again, error, took), Outcome::Failed)
        };
        match written {
            Ok(held) => {
                if let Some((_, receiver)) = self.receivers.get_mut(tried.receiver) {
                    receiver.busy = false;
                }
                self.after(0, Happening::Deliver);
                if outcome == Outcome::Failed {
                    let wait = u64::try_from(again.0 - now.unix.0).unwrap_or(0);
                    self.after(wait + 1, Happening::Deliver);
                }
                if held {
                    let notification = &tried.notification;
                    let (incident, receiver) =
                        (notification.incident, notification.receiver.clone());
                    self.feed(Input::Delivery { delivery, incident, receiver, outcome });
                }
                Ok(())
            }
            Err(_) if server.disk.is_dead() => {
                self.oracle.unsure(&tried.notification.key);
                self.server_dies();
                Ok(())
            }
            Err(error) if error.is_transient() => {
                // The answer is kept and written once there is room.
                let mut later = tried.clone();
                later.took = 1_000;
                self.keep_answer(later);
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Tries to write an answer again; it has already arrived or not.
    fn keep_answer(&mut self, tried: Try) {
        self.oracle.unsure(&tried.notification.key);
        let later = Try { fate: Fate::Lost, ..tried };
        self.after(1_000, Happening::Tried(later));
    }
}

//! A receiver of messages that is sometimes away, and what it was told.

use hark_model::Notification;

use crate::random::Random;

/// A message that arrived.
#[derive(Clone, Debug)]
pub struct Arrived {
    /// When, in milliseconds of the world.
    pub at: u64,
    /// What.
    pub notification: Notification,
}

/// What a try to deliver comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It arrives and the server is told so.
    Sent,
    /// It does not arrive.
    Lost,
    /// It arrives, but the server does not hear that it did.
    Unsure,
}

/// One receiver.
#[derive(Debug)]
pub(super) struct SimReceiver {
    pub(super) away_until: u64,
    /// Share of tries whose answer is lost.
    pub(super) unsure: f64,
    pub(super) inbox: Vec<Arrived>,
    /// A try is going on.
    pub(super) busy: bool,
}

impl SimReceiver {
    pub(super) fn new(unsure: f64) -> Self {
        Self { away_until: 0, unsure, inbox: Vec::new(), busy: false }
    }

    /// Decides what comes of a try begun at `now`, and how long it takes.
    pub(super) fn fate(&self, now: u64, random: &mut Random) -> (Fate, u64) {
        if now < self.away_until {
            return (Fate::Lost, 10_000);
        }
        let took = 20 + random.below(400);
        if random.chance(self.unsure) { (Fate::Unsure, 10_000) } else { (Fate::Sent, took) }
    }
}

//! A receiver of messages that is sometimes away, and what it was told.

use std::time::Duration;

use hark_model::Notification;
use hark_notify::delivery::Tried;

use crate::random::Random;

/// How long a try takes at a receiver that takes the connection and says nothing: the time limit of a
/// real one.
const HANGS: u64 = 60_000;

/// How long a receiver that is asked too often wants to be left alone.
const LEFT_ALONE: Duration = Duration::from_secs(20);

/// A message that arrived.
#[derive(Clone, Debug)]
pub struct Arrived {
    /// When, in milliseconds of the world.
    pub at: u64,
    /// What.
    pub notification: Notification,
}

/// What a receiver does while it is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Away {
    /// Refuses at once.
    Refuses,
    /// Takes the connection and says nothing.
    Hangs,
    /// Asks to be left alone for a while.
    Overrun,
}

/// What a try to deliver comes to.
#[derive(Clone, Debug)]
pub(super) struct Course {
    /// The message arrives, whatever the server hears.
    pub(super) arrives: bool,
    /// What the server hears.
    pub(super) tried: Tried,
    /// After how many milliseconds.
    pub(super) took: u64,
}

/// One receiver.
#[derive(Debug)]
pub(super) struct SimReceiver {
    pub(super) away_until: u64,
    pub(super) away: Away,
    /// Share of tries whose answer is lost.
    pub(super) unsure: f64,
    pub(super) inbox: Vec<Arrived>,
}

impl SimReceiver {
    pub(super) fn new(unsure: f64) -> Self {
        Self { away_until: 0, away: Away::Refuses, unsure, inbox: Vec::new() }
    }

    /// Decides what comes of a try begun at `now`, and how long it takes.
    pub(super) fn course(&self, now: u64, random: &mut Random) -> Course {
        let took = 20 + random.below(400);
        if now < self.away_until {
            let (took, retry_after) = match self.away {
                Away::Refuses => (took, None),
                Away::Hangs => (HANGS, None),
                Away::Overrun => (took, Some(LEFT_ALONE)),
            };
            return Course { arrives: false, tried: failed(retry_after), took };
        }
        if random.chance(self.unsure) {
            return Course { arrives: true, tried: failed(None), took: 10_000 };
        }
        Course { arrives: true, tried: Tried::Arrived, took }
    }
}

fn failed(retry_after: Option<Duration>) -> Tried {
    Tried::Failed { permanent: false, retry_after, error: "no answer".to_owned() }
}

//! The time that each part of something takes.

use std::time::Duration;

use hark_model::time::{Clock, Micros};

/// Measures one step after the other.
#[derive(Debug)]
pub struct Stopwatch(Micros);

impl Stopwatch {
    /// Starts it.
    pub fn start() -> Self {
        Self(Clock.micros())
    }

    /// Returns the time since the start or the last lap.
    pub fn lap(&mut self) -> Duration {
        let now = Clock.micros();
        let lap = Duration::from_micros(now.since(self.0));
        self.0 = now;
        lap
    }
}

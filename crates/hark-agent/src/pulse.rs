//! Signs of life of the agent's thread, for whoever watches over it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hark_model::time::millis;

/// Counts what the agent's thread does; copies count the same.
#[derive(Clone, Debug, Default)]
pub struct Pulse(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    rounds: AtomicU64,
    stored: AtomicU64,
    interval_ms: AtomicU64,
}

impl Pulse {
    /// Notes one more round, in which the server is known to have stored so many datagrams, and
    /// after which the next comes within `interval`.
    pub(crate) fn beat(&self, stored: u64, interval: Duration) {
        self.0.interval_ms.store(millis(interval), Ordering::Relaxed);
        self.0.rounds.fetch_add(1, Ordering::Relaxed);
        self.0.stored.store(stored, Ordering::Relaxed);
    }

    /// Returns how many rounds there were: grows at least once in each interval.
    pub fn rounds(&self) -> u64 {
        self.0.rounds.load(Ordering::Relaxed)
    }

    /// Returns the time between two heartbeats, which the server may change.
    pub fn interval(&self) -> Duration {
        Duration::from_millis(self.0.interval_ms.load(Ordering::Relaxed))
    }

    /// Returns how many datagrams the server has stored since the start.
    pub fn stored(&self) -> u64 {
        self.0.stored.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_feels_the_same_pulse() {
        let pulse = Pulse::default();
        let copy = pulse.clone();
        pulse.beat(0, Duration::from_secs(30));
        pulse.beat(7, Duration::from_secs(10));
        assert_eq!((copy.rounds(), copy.stored()), (2, 7));
        assert_eq!(copy.interval(), Duration::from_secs(10));
    }
}

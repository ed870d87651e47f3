//! Whether the loops of the server turn: each says so at every turn, and who watches looks how long ago
//! that was.
//!
//! This is what systemd's watchdog and `/healthz` go by, and not a timer of their own: a loop that hangs
//! says nothing, however well the rest of the process does. A loop that turns and cannot do its work, as
//! the store on a full disk, is no matter for a restart: it speaks for itself.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hark_model::time::{Clock, Mono};

/// A loop that is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Loop {
    /// Decides.
    Engine,
    /// Writes the state.
    Store,
    /// Receives datagrams.
    Intake,
    /// Sends messages.
    Outbox,
    /// Writes samples.
    History,
    /// Looks from here.
    Probes,
}

/// Every loop.
const ALL: [Loop; 6] =
    [Loop::Engine, Loop::Store, Loop::Intake, Loop::Outbox, Loop::History, Loop::Probes];

impl Loop {
    /// Returns its name, as in the names of threads.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Engine => "engine",
            Self::Store => "store",
            Self::Intake => "intake",
            Self::Outbox => "outbox",
            Self::History => "history",
            Self::Probes => "probes",
        }
    }

    /// Returns true if nothing is noticed, kept or told while it hangs.
    fn is_essential(self) -> bool {
        match self {
            Self::Engine | Self::Store | Self::Intake | Self::Outbox => true,
            Self::History | Self::Probes => false,
        }
    }

    /// Returns how long after a turn the next one is missed: twice the longest that the loop sleeps, and
    /// no less than 10 s, which a slow disk or a machine that swaps may take.
    fn limit(self) -> Duration {
        Duration::from_secs(match self {
            Self::Engine | Self::Store | Self::Intake | Self::History => 10,
            Self::Outbox => 60,
            Self::Probes => 120,
        })
    }
}

/// A loop that stands still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stuck {
    /// Which.
    pub(crate) who: Loop,
    /// For how long.
    pub(crate) still: Duration,
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} has stood still for {} s", self.who.word(), self.still.as_secs())
    }
}

/// When each loop turned last. A loop that has never turned is not watched yet.
#[derive(Debug, Default)]
pub(crate) struct Progress([AtomicU64; ALL.len()]);

/// The stamp of a loop that is not watched. Our clock counts from the machine's start: nothing of ours
/// runs in its first millisecond.
const NEVER: u64 = 0;

impl Progress {
    /// Says that a loop turns.
    pub(crate) fn turn(&self, who: Loop) {
        self.0[who as usize].store(Clock.now().mono.0, Ordering::Relaxed);
    }

    /// Says that a loop has ended in order and is not to be missed.
    pub(crate) fn ended(&self, who: Loop) {
        self.0[who as usize].store(NEVER, Ordering::Relaxed);
    }

    /// Returns the essential loop that has stood still the longest.
    pub(crate) fn stuck(&self, now: Mono) -> Option<Stuck> {
        self.all_stuck(now).filter(|s| s.who.is_essential()).max_by_key(|s| s.still)
    }

    /// Returns what stands still that can be done without for a while.
    pub(crate) fn degraded(&self, now: Mono) -> Option<Stuck> {
        self.all_stuck(now).filter(|s| !s.who.is_essential()).max_by_key(|s| s.still)
    }

    fn all_stuck(&self, now: Mono) -> impl Iterator<Item = Stuck> + '_ {
        ALL.into_iter().filter_map(move |who| {
            let turned = self.0[who as usize].load(Ordering::Relaxed);
            let still = now.since(Mono(turned));
            (turned != NEVER && still > who.limit()).then_some(Stuck { who, still })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_loop_has_its_own_place() {
        for (place, who) in ALL.into_iter().enumerate() {
            assert_eq!(who as usize, place);
        }
    }

    #[test]
    fn a_loop_is_missed_after_its_limit_and_not_before_its_first_turn() {
        let progress = Progress::default();
        let start = Clock.now().mono;
        assert_eq!(progress.stuck(start + Duration::from_hours(1)), None);
        progress.turn(Loop::Store);
        assert_eq!(progress.stuck(start + Duration::from_secs(10)), None);
        let stuck = progress.stuck(start + Duration::from_secs(30)).unwrap();
        assert_eq!(stuck.who, Loop::Store);
        assert!(stuck.to_string().starts_with("store has stood still for "), "{stuck}");
        progress.ended(Loop::Store);
        assert_eq!(progress.stuck(start + Duration::from_hours(1)), None);
    }

    #[test]
    fn history_may_hang_without_a_restart_and_is_still_seen() {
        let progress = Progress::default();
        progress.turn(Loop::History);
        let later = Clock.now().mono + Duration::from_mins(5);
        assert_eq!(progress.stuck(later), None);
        assert_eq!(progress.degraded(later).map(|s| s.who), Some(Loop::History));
    }
}

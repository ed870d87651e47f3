//! What a server that has more than it can keep is spared: first the past, then every other round of values. It all
//! waits in the spool, and comes slowly when the server has room again.

use std::time::Duration;

use hark_model::Mono;
use hark_proto::AckFlags;
use hark_proto::bucket::Rate;

use super::past::BACKLOG;
use crate::schedule::Chance;

/// The longest delay before the past is sent again: all agents hear of it within an interval.
const LONGEST_RETURN: Duration = Duration::from_secs(30);

/// For how long after it the past goes slowly: that of every agent at once is what the server could not keep.
const SLOW_FOR: Duration = Duration::from_mins(10);

/// How fast it goes then: some ten times as fast as it was measured at 10 s.
const SLOWLY: Rate = Rate { burst: 1, per_second: 1 };

/// What the server has asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Nothing,
    /// No samples of the past.
    Past,
    /// And no fresh ones with every other heartbeat.
    Values,
}

/// See above.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sparing {
    asked: Asked,
    /// Whether the last heartbeat went without values.
    was_bare: bool,
    past_from: Mono,
    slow_until: Mono,
}

impl Sparing {
    pub(super) fn new() -> Self {
        Self { asked: Asked::Nothing, was_bare: false, past_from: Mono(0), slow_until: Mono(0) }
    }

    /// Takes in what an acknowledgement says.
    pub(super) fn told(&mut self, flags: AckFlags, mono: Mono, chance: &mut Chance) {
        let asked = if flags.has(AckFlags::SHEDDING.with(AckFlags::SHEDDING_METRICS)) {
            Asked::Values
        } else if flags.has(AckFlags::SHEDDING) {
            Asked::Past
        } else {
            Asked::Nothing
        };
        if asked == self.asked {
            return;
        }
        tracing::info!(?asked, "what the server is spared, as it sheds load");
        if asked == Asked::Nothing {
            self.past_from = mono + chance.below(LONGEST_RETURN);
            self.slow_until = mono + SLOW_FOR;
        }
        self.asked = asked;
    }

    /// Returns whether samples of the past may go, sooner or later.
    pub(super) fn takes_the_past(&self) -> bool {
        self.asked == Asked::Nothing
    }

    /// Returns from when on they may.
    pub(super) fn past_from(&self) -> Mono {
        self.past_from
    }

    /// Returns how fast they may go.
    pub(super) fn rate(&self, mono: Mono) -> Rate {
        if mono < self.slow_until { SLOWLY } else { BACKLOG }
    }

    /// Returns whether the heartbeat that is due goes without values.
    pub(super) fn leaves_out_values(&mut self) -> bool {
        self.was_bare = self.asked == Asked::Values && !self.was_bare;
        self.was_bare
    }
}

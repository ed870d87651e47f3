//! The server's own wall clock: when it is set, every agent seems to be wrong.
//!
//! What the wall clock has gained on the clock that never jumps is counted. An agent whose clock is off by just
//! that goes by what ours showed before: ours is to blame, which is one check of the server itself and not
//! one for each host.

use std::time::Duration;

use hark_model::time::millis;
use hark_model::{CheckName, Mono, Now};

use crate::check::CLOCK_CHECK;
use crate::effect::Effects;
use crate::engine::Engine;
use crate::message::span;

/// A step of less is what clocks make, as is a difference between two of them.
const SMALL_MS: i64 = 60_000;

/// How far the wall clock was set while the server ran, and whether that was said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OwnClock {
    last: Now,
    set_ms: i64,
    blamed: Blame,
}

/// Whether the clock was said to be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blame {
    /// By nobody, as far as this run knows; the run before may have.
    Unknown,
    /// By nobody.
    None,
    /// By an agent, last then.
    Since(Mono),
}

/// How long nobody may go by the time before the jump until the present one is taken for right. With two
/// agents of two minds the check would come and go with each heartbeat.
const PEACE: Duration = Duration::from_mins(5);

impl OwnClock {
    pub(crate) fn new(now: Now) -> Self {
        Self { last: now, set_ms: 0, blamed: Blame::Unknown }
    }

    /// Notices jumps: to be called with each input.
    #[inline]
    pub(crate) fn look(&mut self, now: Now) {
        let passed = millis(now.mono.since(self.last.mono)).cast_signed();
        let step = now.unix.0.saturating_sub(self.last.unix.0).saturating_sub(passed);
        self.last = now;
        if step.saturating_abs() > SMALL_MS {
            self.set_ms = self.set_ms.saturating_add(step);
            if self.set_ms.saturating_abs() <= SMALL_MS {
                self.set_ms = 0;
            }
        }
    }

    /// Returns true if an agent whose clock is `skew_ms` ahead of ours goes by what ours showed before.
    pub(crate) fn is_to_blame(self, skew_ms: i64, wrong: bool) -> bool {
        wrong
            && self.set_ms != 0
            && skew_ms.saturating_add(self.set_ms).saturating_abs() <= SMALL_MS
    }
}

impl Engine {
    /// Raises the check of the server's own clock.
    pub(crate) fn blame_own_clock(&mut self, now: Now, fx: &mut Effects) {
        let before = std::mem::replace(&mut self.own_clock.blamed, Blame::Since(now.mono));
        if matches!(before, Blame::Since(_)) {
            return;
        }
        let set_ms = self.own_clock.set_ms;
        let far = span(Duration::from_millis(set_ms.unsigned_abs()).as_secs());
        let side = if set_ms > 0 { "ahead" } else { "back" };
        let text =
            format!("this server's clock was set {far} {side}; agents go by what it showed before");
        self.self_check(&part(), Some(&text), now, fx);
    }

    /// Clears it once an agent agrees with the clock.
    pub(crate) fn own_clock_is_right(&mut self, wrong: bool, now: Now, fx: &mut Effects) {
        let is_over = match self.own_clock.blamed {
            Blame::None => return,
            Blame::Unknown => true,
            Blame::Since(at) => self.own_clock.set_ms == 0 || now.mono.since(at) > PEACE,
        };
        if !wrong && is_over {
            self.own_clock.blamed = Blame::None;
            self.self_check(&part(), None, now, fx);
        }
    }
}

fn part() -> CheckName {
    CheckName::new(CLOCK_CHECK).expect("own checks have constant names")
}

#[cfg(test)]
mod tests {
    use hark_model::Unix;

    use super::*;

    const YEAR: i64 = 365 * 86_400_000;

    #[test]
    fn only_who_goes_by_the_time_before_the_jump_blames_us() {
        let at = |ms: u64, off: i64| Now { mono: Mono(ms), unix: Unix(ms.cast_signed() + off) };
        let mut clock = OwnClock::new(at(0, 0));
        clock.look(at(10_000, 30_000));
        assert!(!clock.is_to_blame(-YEAR, true));
        clock.look(at(20_000, YEAR));
        assert!(clock.is_to_blame(-YEAR, true));
        assert!(!clock.is_to_blame(YEAR, true), "the agent's own");
        assert!(!clock.is_to_blame(10, false));
        clock.look(at(30_000, 20));
        assert!(!clock.is_to_blame(-YEAR, true), "it is right again");
    }
}

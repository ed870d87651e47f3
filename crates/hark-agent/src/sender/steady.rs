//! Times that go on evenly when the wall clock is set.
//!
//! What is measured gets the wall clock's time, and a wall clock may be set wrong by years and right again
//! while samples wait for the server. So the jump is taken off: times go on as they were, until the
//! server has said what time it is. Then the wall clock is believed again if it agrees with the server,
//! else the times from before the jump if they do, else the server: what it cannot place is lost.
//!
//! What waits and was measured by a clock that turned out to be wrong is put right when it is sent
//! ([`Steady::correction`]). The skew itself is not hidden: every datagram tells the wall clock's time.

use std::collections::VecDeque;
use std::time::Duration;

use hark_model::time::millis;
use hark_model::{Now, Unix};

/// A step of less is left to the clock: whoever keeps it makes such steps.
const SMALL_MS: i64 = 60_000;

/// The clock that never jumps stands still while the machine sleeps, so that waking up looks like a step
/// ahead. Beyond this it was the clock.
const LONGEST_SLEEP: Duration = Duration::from_hours(30 * 24);

/// Bound on corrections that are remembered: a clock that is set more often has no right time.
const MOST: usize = 16;

/// How the wall clock differs from even times.
#[derive(Debug)]
pub(super) struct Steady {
    seen: Now,
    /// What the wall clock is ahead of even times.
    ahead_ms: i64,
    /// The first entry whose times differ from the present reckoning by corrections alone.
    since: u64,
    corrections: VecDeque<Correction>,
}

/// Entries whose times were wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Correction {
    from: u64,
    until: u64,
    by_ms: i64,
}

impl Steady {
    /// Begins, with `next` as the number of the next entry.
    pub(super) fn new(now: Now, next: u64) -> Self {
        Self { seen: now, ahead_ms: 0, since: next, corrections: VecDeque::new() }
    }

    /// Notices jumps: to be called often. `next` is the number of the next entry.
    pub(super) fn look(&mut self, now: Now, next: u64) {
        let passed = millis(now.mono.since(self.seen.mono)).cast_signed();
        let step = now.unix.0.saturating_sub(self.seen.unix.0).saturating_sub(passed);
        self.seen = now;
        let sleep = millis(LONGEST_SLEEP).cast_signed();
        let ahead = self.ahead_ms.saturating_add(step);
        if self.ahead_ms != 0 && step.abs() > SMALL_MS && ahead.abs() <= SMALL_MS {
            tracing::info!(step_ms = step, "the clock is as it was before it was set");
            self.ahead_ms = 0;
        } else if step < -SMALL_MS || step > sleep {
            tracing::warn!(step_ms = step, "the clock was set: times go on as they were");
            self.ahead_ms = ahead;
        } else if step > SMALL_MS {
            // A sleep, or else what the server says soon holds only for what is measured from now on.
            self.since = next;
        }
    }

    /// The server is `server_ahead_ms` ahead of the wall clock. `next` is the number of the next entry.
    pub(super) fn learn(&mut self, server_ahead_ms: i64, next: u64) {
        let ahead = if server_ahead_ms.abs() <= SMALL_MS {
            0
        } else if server_ahead_ms.saturating_add(self.ahead_ms).abs() <= SMALL_MS {
            return;
        } else {
            server_ahead_ms.saturating_neg()
        };
        let by_ms = self.ahead_ms.saturating_sub(ahead);
        if by_ms == 0 {
            return;
        }
        if next > self.since {
            if self.corrections.len() >= MOST {
                self.corrections.pop_front();
            }
            self.corrections.push_back(Correction { from: self.since, until: next, by_ms });
        }
        self.ahead_ms = ahead;
    }

    /// Returns a time of the wall clock as it would be had the clock not been set.
    pub(super) fn time(&self, wall: Unix) -> Unix {
        if self.ahead_ms == 0 {
            return wall;
        }
        let even = wall.0.saturating_sub(self.ahead_ms);
        let now = self.seen.unix.0.saturating_sub(self.ahead_ms);
        // What another thread measured just before the clock was set has the right time already.
        Unix(if now.abs_diff(even) <= now.abs_diff(wall.0) { even } else { wall.0 })
    }

    /// Returns what is to be added to the times of an entry that waited.
    pub(super) fn correction(&self, number: u64) -> i64 {
        let of = |c: &&Correction| (c.from..c.until).contains(&number);
        self.corrections.iter().filter(of).map(|c| c.by_ms).sum()
    }
}

#[cfg(test)]
mod tests {
    use hark_model::Mono;

    use super::*;

    const YEAR: i64 = 365 * 86_400_000;
    const T: i64 = 1_700_000_000_000;

    fn at(ms: u64, off: i64) -> Now {
        Now { mono: Mono(1000 + ms), unix: Unix(T + ms.cast_signed() + off) }
    }

    #[test]
    fn times_go_on_while_the_clock_is_wrong_and_after_it_is_right_again() {
        for wrong in [-60 * YEAR, -YEAR, -120_000, YEAR, 13 * YEAR, 90 * YEAR] {
            let mut steady = Steady::new(at(0, 0), 1);
            for (ms, off) in
                [(10_000, 0), (20_000, wrong), (30_000, wrong), (40_000, 0), (50_000, 0)]
            {
                let now = at(ms, off);
                steady.look(now, 1);
                assert_eq!(steady.time(now.unix), at(ms, 0).unix, "{wrong} at {ms}");
            }
        }
    }

    #[test]
    fn small_steps_and_sleep_are_the_clocks_own() {
        for step in [-59_000, 59_000, 3_600_000, 20 * 86_400_000] {
            let mut steady = Steady::new(at(0, 0), 1);
            let now = at(10_000, step);
            steady.look(now, 1);
            assert_eq!(steady.time(now.unix), now.unix, "{step}");
        }
    }

    #[test]
    fn a_clock_that_was_wrong_from_the_start_is_put_right_by_the_server_and_what_waits_as_well() {
        let mut steady = Steady::new(at(0, -53 * YEAR), 1);
        steady.look(at(10_000, -53 * YEAR), 1);
        let measured = steady.time(at(10_000, -53 * YEAR).unix);
        // The network comes, the clock is set right, and the server answers.
        steady.look(at(20_000, 0), 1);
        steady.learn(5, 7);
        assert_eq!(steady.time(at(20_000, 0).unix), at(20_000, 0).unix);
        assert_eq!(measured.0 + steady.correction(3), at(10_000, 0).unix.0);
        assert_eq!((steady.correction(0), steady.correction(7)), (0, 0));
        // Without a right clock the server's time is taken.
        let mut steady = Steady::new(at(0, 20 * YEAR), 1);
        steady.learn(-20 * YEAR, 4);
        let now = at(10_000, 20 * YEAR);
        steady.look(now, 1);
        assert_eq!(steady.time(now.unix), at(10_000, 0).unix);
        assert_eq!(steady.correction(3), -20 * YEAR);
    }

    #[test]
    fn a_server_whose_clock_was_wrong_for_a_while_leaves_what_waits_at_its_time() {
        let mut steady = Steady::new(at(0, 0), 1);
        steady.learn(YEAR, 5);
        let now = at(10_000, 0);
        steady.look(now, 5);
        assert_eq!(
            steady.time(now.unix).0,
            now.unix.0 + YEAR,
            "else the server could not place it"
        );
        assert_eq!(steady.correction(3), YEAR);
        steady.learn(-3, 9);
        assert_eq!((steady.correction(3), steady.correction(7)), (0, -YEAR));
        assert_eq!(steady.time(now.unix), now.unix);
    }

    #[test]
    fn a_server_that_agrees_with_the_times_before_the_jump_changes_nothing() {
        let mut steady = Steady::new(at(0, 0), 1);
        steady.look(at(10_000, -YEAR), 1);
        steady.learn(YEAR + 20, 9);
        assert_eq!(steady.time(at(10_000, -YEAR).unix), at(10_000, 0).unix);
        assert_eq!(steady.correction(3), 0);
    }

    #[test]
    fn what_was_measured_just_before_the_jump_keeps_its_time() {
        let mut steady = Steady::new(at(0, 0), 1);
        steady.look(at(10_000, 5 * YEAR), 1);
        assert_eq!(steady.time(at(9_000, 0).unix), at(9_000, 0).unix);
        assert_eq!(steady.time(at(9_000, 5 * YEAR).unix), at(9_000, 0).unix);
    }
}

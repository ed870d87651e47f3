//! What time it is for throwing things away.
//!
//! A server's clock that is set ahead by years, or stands so at its start, would make all history old at
//! once, and what is thrown away does not come back when the clock is right again. So this time follows
//! the wall clock ahead at most twice as fast as time passes: whoever keeps the clock has as long as it was
//! wrong. Where a machine slept or was off for long, the oldest goes later than it could; the
//! bound on bytes holds all the same.

use hark_model::time::millis;
use hark_model::{Now, Unix};

/// How fast this time catches up: twice as fast as time passes.
const SPEED: i64 = 2;

/// A step of less is what clocks make.
const SMALL_MS: i64 = 3_600_000;

/// The time that is gone by.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Aging {
    last: Option<Now>,
}

impl Aging {
    /// Returns the time to go by. At a start it is at most `newest`: when what is there can have been
    /// written last.
    pub(super) fn at(&mut self, now: Now, newest: Option<Unix>) -> Unix {
        let Some(last) = self.last else {
            let unix = newest.map_or(now.unix, |newest| now.unix.min(newest));
            self.last = Some(Now { mono: now.mono, unix });
            return unix;
        };
        let passed = i64::try_from(millis(now.mono.since(last.mono))).unwrap_or(i64::MAX);
        let even = last.unix.0.saturating_add(passed);
        let most = if now.unix.0.saturating_sub(even) <= SMALL_MS {
            now.unix.0
        } else {
            last.unix.0.saturating_add(passed.saturating_mul(SPEED))
        };
        let unix = Unix(now.unix.0.min(most));
        // A clock that is set back for a while does not have to catch up after it.
        self.last = Some(Now { mono: now.mono, unix: unix.max(Unix(even)) });
        unix
    }
}

#[cfg(test)]
mod tests {
    use hark_model::Mono;

    use super::*;

    const DAY: i64 = 86_400_000;

    fn at(minutes: i64, off: i64) -> Now {
        let ms = minutes * 60_000;
        Now { mono: Mono(ms.cast_unsigned()), unix: Unix(100 * DAY + ms + off) }
    }

    #[test]
    fn a_clock_that_is_right_is_gone_by() {
        let mut aging = Aging::default();
        for minutes in 0..10_000 {
            assert_eq!(aging.at(at(minutes, 0), None), at(minutes, 0).unix);
        }
        assert_eq!(aging.at(at(10_001, 59_000), None), at(10_001, 59_000).unix);
    }

    #[test]
    fn a_clock_set_ahead_makes_little_old_and_a_right_one_is_believed_at_once() {
        let mut aging = Aging::default();
        aging.at(at(0, 0), None);
        for minutes in 1..=480 {
            let aged = aging.at(at(minutes, 3650 * DAY), None);
            assert_eq!(aged, Unix(100 * DAY + 2 * minutes * 60_000), "twice as fast");
        }
        assert_eq!(aging.at(at(481, 0), None), at(481, 0).unix);
        assert_eq!(aging.at(at(482, -3650 * DAY), None), at(482, -3650 * DAY).unix);
        assert_eq!(aging.at(at(483, 0), None), at(483, 0).unix);
    }

    #[test]
    fn a_start_with_a_wrong_clock_makes_nothing_old() {
        let mut aging = Aging::default();
        let newest = Unix(100 * DAY);
        assert_eq!(aging.at(at(0, 3650 * DAY), Some(newest)), newest);
        assert_eq!(aging.at(at(1, 3650 * DAY), Some(newest)), Unix(newest.0 + 120_000));
    }

    #[test]
    fn after_a_long_sleep_it_catches_up() {
        let mut aging = Aging::default();
        aging.at(at(0, 0), None);
        let slept = 2 * DAY;
        let minutes =
            (1..3000).find(|m| aging.at(at(*m, slept), None) == at(*m, slept).unix).unwrap();
        assert!((2 * 1440 - 61..=2 * 1440).contains(&minutes), "{minutes}");
    }
}

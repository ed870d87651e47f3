//! A moment on the monotonic clock that may lie before the clock's start.
//!
//! [`Mono`] is never negative, but a stored wall-clock time of last week, brought back at start, lies
//! before the clock's beginning. Inside the engine all waiting is counted in [`Moment`]s; the wall
//! clock is only kept beside them for people.

use std::ops::{Add, Sub};
use std::time::Duration;

use hark_model::time::millis;
use hark_model::{Mono, Now, Unix};

/// Milliseconds of the monotonic clock; negative for what was stored by an earlier run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Moment(i64);

impl Moment {
    /// Later than everything.
    pub(crate) const NEVER: Self = Self(i64::MAX);
    /// Earlier than everything.
    pub(crate) const LONG_AGO: Self = Self(i64::MIN / 4);

    /// Returns the moment of `now`.
    pub(crate) fn of(now: Now) -> Self {
        Self::at(now.mono)
    }

    /// Returns the moment of a monotonic time.
    pub(crate) fn at(mono: Mono) -> Self {
        Self(i64::try_from(mono.0).unwrap_or(i64::MAX))
    }

    /// Returns the moment of a wall-clock time, as seen from `now`.
    pub(crate) fn of_unix(unix: Unix, now: Now) -> Self {
        Self(Self::of(now).0.saturating_add(unix.0.saturating_sub(now.unix.0)))
    }

    /// Returns the moment of something past that was stored; `now` if the wall clock has been put
    /// back since, which would place it in the future.
    pub(crate) fn past(unix: Unix, now: Now) -> Self {
        Self::of_unix(unix, now).min(Self::of(now))
    }

    /// Returns the wall-clock time of this moment, as seen from `now`.
    pub(crate) fn unix(self, now: Now) -> Unix {
        Unix(now.unix.0.saturating_add(self.0.saturating_sub(Self::of(now).0)))
    }

    /// Returns this moment as a deadline for the driver; `None` for [`Moment::NEVER`].
    pub(crate) fn mono(self) -> Option<Mono> {
        (self != Self::NEVER).then(|| Mono(u64::try_from(self.0).unwrap_or(0)))
    }

    /// Returns both clocks at this moment, as seen from `now`.
    pub(crate) fn now(self, now: Now) -> Now {
        Now { mono: self.mono().unwrap_or(now.mono), unix: self.unix(now) }
    }

    /// Returns the time since `earlier`; zero if `earlier` is later.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl Add<Duration> for Moment {
    type Output = Self;
    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(millis(rhs)).unwrap_or(i64::MAX)))
    }
}

impl Sub<Duration> for Moment {
    type Output = Self;
    fn sub(self, rhs: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(millis(rhs)).unwrap_or(i64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_time_before_the_clocks_start_keeps_its_distance() {
        let now = Now { mono: Mono(5_000), unix: Unix(1_000_000_000) };
        let week = Duration::from_hours(7 * 24);
        let stored = Moment::of_unix(now.unix - week, now);
        assert_eq!(Moment::of(now).since(stored), week);
        assert_eq!(stored.unix(now), now.unix - week);
        assert_eq!(stored.mono(), Some(Mono(0)));
        assert_eq!(Moment::NEVER.mono(), None);
    }
}

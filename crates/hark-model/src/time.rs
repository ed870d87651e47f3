//! Two clocks that cannot be mixed up, and the one place that reads them.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

/// Milliseconds of a clock that never jumps (`CLOCK_MONOTONIC`; it stands still in suspend, which
/// the driver notices as a gap against the wall clock). For deadlines; never stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mono(pub u64);

/// Milliseconds since 1970-01-01 UTC of the wall clock. For people and files; may jump.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Unix(pub i64);

/// Microseconds of the same clock as [`Mono`]. For round trips, where a millisecond is too coarse;
/// never stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Micros(pub u64);

impl Micros {
    /// Returns the microseconds since `earlier`, zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Returns the millisecond this lies in.
    pub fn mono(self) -> Mono {
        Mono(self.0 / 1000)
    }
}

/// One moment on both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// For deadlines.
    pub mono: Mono,
    /// For people and files.
    pub unix: Unix,
}

/// Returns `duration` in whole milliseconds, at most `u64::MAX`.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Mono {
    /// Returns the time since `earlier`, zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Mono {
    type Output = Self;
    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(millis(rhs)))
    }
}

impl AddAssign<Duration> for Mono {
    fn add_assign(&mut self, rhs: Duration) {
        *self = *self + rhs;
    }
}

impl Sub<Duration> for Mono {
    type Output = Self;
    fn sub(self, rhs: Duration) -> Self {
        Self(self.0.saturating_sub(millis(rhs)))
    }
}

impl Unix {
    /// Returns the time since `earlier`, zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Returns whole seconds since 1970-01-01 UTC, rounded towards minus infinity.
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Returns it in UTC with whole seconds, as `2026-11-20T22:03:01Z` (RFC 3339).
    pub fn rfc3339(self) -> String {
        let (year, month, day) = civil(self.0.div_euclid(86_400_000));
        let second = self.0.rem_euclid(86_400_000) / 1000;
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

/// Returns year, month and day of the Gregorian calendar, so many days after 1970-01-01.
///
/// Years are counted from March, so that the leap day is the last one; 146,097 days are 400 years.
pub fn civil(days: i64) -> (i64, i64, i64) {
    let days = days.saturating_add(719_468);
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (year_of_era + era * 400 + later, month, day)
}

impl Add<Duration> for Unix {
    type Output = Self;
    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(millis(rhs)).unwrap_or(i64::MAX)))
    }
}

impl Sub<Duration> for Unix {
    type Output = Self;
    fn sub(self, rhs: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(millis(rhs)).unwrap_or(i64::MAX)))
    }
}

impl Now {
    /// Returns the moment `duration` later on both clocks.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self { mono: self.mono + duration, unix: self.unix + duration }
    }
}

impl fmt::Display for Mono {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ms", self.0)
    }
}

/// Reads both clocks. The only reader of the machine's clocks in hark: everything that decides takes
/// [`Now`] as an argument.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock;

impl Clock {
    /// Returns this moment.
    pub fn now(self) -> Now {
        Now { mono: self.micros().mono(), unix: Unix(unix_micros() / 1000) }
    }

    /// Returns this moment of the wall clock in microseconds since 1970, for comparing it with other
    /// clocks. It may jump.
    pub fn unix_micros(self) -> i64 {
        unix_micros()
    }

    /// Returns this moment on the monotonic clock, in microseconds.
    pub fn micros(self) -> Micros {
        Micros(boot_micros())
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one clock")]
fn boot_micros() -> u64 {
    use std::sync::LazyLock;
    use std::time::Instant;
    // `Instant` is CLOCK_MONOTONIC and stands still in suspend; a gap against the wall clock is
    // what the driver reports to the engine as a pause. An hour of head start lets deadlines be
    // computed backwards without meeting zero.
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    3_600_000_000 + u64::try_from(START.elapsed().as_micros()).unwrap_or(u64::MAX / 2)
}

#[expect(clippy::disallowed_methods, reason = "this is the one clock")]
fn unix_micros() -> i64 {
    let micros = |d: Duration| i64::try_from(d.as_micros()).unwrap_or(i64::MAX);
    // A clock that was never set may well stand before 1970; it goes on there like any other.
    match std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH) {
        Ok(since) => micros(since),
        Err(before) => -micros(before.duration()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_never_go_below_zero() {
        assert_eq!(Mono(5).since(Mono(9)), Duration::ZERO);
        assert_eq!(Unix(5).since(Unix(9)), Duration::ZERO);
        assert_eq!(Mono(3) - Duration::from_secs(1), Mono(0));
    }

    #[test]
    fn seconds_round_down_before_1970() {
        assert_eq!(Unix(-1).seconds(), -1);
        assert_eq!(Unix(1999).seconds(), 1);
    }

    #[test]
    fn days_are_named_as_the_calendar_does() {
        for (at, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (2_147_483_648_000, "2038-01-19T03:14:08Z"),
            (4_294_967_296_000, "2106-02-07T06:28:16Z"),
            (1_795_219_381_250, "2026-11-21T00:03:01Z"),
        ] {
            assert_eq!(Unix(at).rfc3339(), text);
        }
    }

    #[test]
    fn the_clock_does_not_go_back() {
        let a = Clock.now();
        let b = Clock.now();
        assert!(b.mono >= a.mono);
    }
}

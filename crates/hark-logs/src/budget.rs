//! How much of a processor may go into logs.

use std::time::Duration;

use hark_model::{Mono, Now};

/// The time over which the share is kept: short enough that nobody notices the work, long enough
/// that a usual burst is read at once.
const OVER: Duration = Duration::from_secs(1);

/// Being behind for so long is worth an event.
const LATE: Duration = Duration::from_secs(10);

/// A bucket of processor time, filled by the share of a core that logs may have.
#[derive(Debug)]
pub(crate) struct Budget {
    /// Thousandths of a core.
    share: u32,
    /// Microseconds that may be used now; below zero if more was used.
    left: i64,
    filled: Mono,
    used: Duration,
    /// Since when there has always been more to read than there was time for.
    behind: Option<Mono>,
    told: bool,
}

/// News about being behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// Logs are written faster than the share allows to read them.
    Behind,
    /// Everything was read again.
    CaughtUp,
}

impl Budget {
    /// `percent` of a core; `used` is the thread's time so far.
    pub(crate) fn new(percent: f64, used: Duration, now: Now) -> Self {
        // 1 to 100 percent: the settings say so.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a float is cut to the range, which is what is wanted"
        )]
        let share = (percent.clamp(0.1, 100.0) * 10.0) as u32;
        let mut budget = Self { share, left: 0, filled: now.mono, used, behind: None, told: false };
        budget.left = budget.full();
        budget
    }

    fn full(&self) -> i64 {
        i64::from(self.share) * i64::try_from(OVER.as_micros() / 1000).unwrap_or(i64::MAX)
    }

    /// Fills and empties the bucket; `used` is the thread's time so far.
    pub(crate) fn spend(&mut self, used: Duration, now: Now) {
        let passed = now.mono.since(self.filled);
        self.filled = self.filled.max(now.mono);
        let passed = i64::try_from(passed.as_millis()).unwrap_or(i64::MAX);
        let gained = passed.saturating_mul(i64::from(self.share));
        let spent = used.saturating_sub(self.used);
        self.used = used;
        let spent = i64::try_from(spent.as_micros()).unwrap_or(i64::MAX);
        self.left = self.left.saturating_add(gained).min(self.full()).saturating_sub(spent);
    }

    /// Returns true if there is time for work.
    pub(crate) fn allows(&self) -> bool {
        self.left > 0
    }

    /// Returns how long to wait until a tenth of the bucket is there again: not a fraction of a
    /// millisecond of work at a time.
    pub(crate) fn pause(&self) -> Duration {
        let missing = (self.full() / 10).saturating_sub(self.left).max(0);
        let millis = missing / i64::from(self.share.max(1));
        Duration::from_millis(u64::try_from(millis).unwrap_or(0) + 1)
    }

    /// Notes whether everything was read; says what that means if it is news.
    pub(crate) fn note(&mut self, all_read: bool, now: Now) -> Option<News> {
        if all_read {
            self.behind = None;
            return std::mem::take(&mut self.told).then_some(News::CaughtUp);
        }
        let since = *self.behind.get_or_insert(now.mono);
        if self.told || now.mono.since(since) < LATE {
            return None;
        }
        self.told = true;
        Some(News::Behind)
    }
}

#[cfg(test)]
mod tests {
    use hark_model::Unix;

    use super::*;

    fn at(millis: u64) -> Now {
        Now { mono: Mono(1_000_000 + millis), unix: Unix(0) }
    }

    #[test]
    fn a_share_of_a_core_is_kept_however_long_the_work_is() {
        let mut budget = Budget::new(20.0, Duration::ZERO, at(0));
        let (mut used, mut millis) = (Duration::ZERO, 0);
        while millis < 60_000 {
            budget.spend(used, at(millis));
            if budget.allows() {
                used += Duration::from_millis(3);
                millis += 3;
            } else {
                millis += u64::try_from(budget.pause().as_millis()).unwrap();
            }
        }
        let share = used.as_secs_f64() / 60.0;
        assert!((0.19..0.21).contains(&share), "{share}");
    }

    #[test]
    fn being_behind_is_told_once_and_its_end_too() {
        let mut budget = Budget::new(20.0, Duration::ZERO, at(0));
        assert_eq!(budget.note(false, at(0)), None);
        assert_eq!(budget.note(false, at(9_999)), None);
        assert_eq!(budget.note(false, at(10_000)), Some(News::Behind));
        assert_eq!(budget.note(false, at(90_000)), None);
        assert_eq!(budget.note(true, at(90_001)), Some(News::CaughtUp));
        assert_eq!(budget.note(true, at(90_002)), None);
        assert_eq!(budget.note(false, at(90_003)), None);
    }
}

//! Flapping: a ring of the last results' changes, weighted towards the newest (rules P1 to P5), and of which
//! of them were critical (rule P6).

use std::time::Duration;

use hark_model::Status;

use crate::moment::Moment;
use crate::plan::Flapping;

/// Places of the ring (rule P1).
const PLACES: u8 = 20;
/// Fewer results say nothing (rule P2).
const ENOUGH: u8 = 10;
/// A change older than this counts as none (rule P1).
const FORGOTTEN: Duration = Duration::from_hours(24);
/// Results that change nothing are not stored each, but after so many of them: so many less one a restart
/// loses at most (rule R1). Without that a check that was unsteady hours ago would come back as if it had
/// just been so.
const STORED_EACH: u32 = 5;
/// Weights go in equal steps from 1.2 at the newest place to 0.8 at the oldest (rule P1), which is from 57 down
/// to 38. They are whole numbers so that a share that is exactly a limit is taken for that: sums of fractions
/// come out above or below it by the order of what was added.
const NEWEST_WEIGHT: u32 = 57;
/// The weight of all places.
const ALL_WEIGHTS: u32 = 950;
/// More critical results than this among the last twenty are most of them (rule P6). Counted and not weighed, so
/// that whoever reads "11 of the last 20" can count along; places that are not filled yet are not critical.
const HALF: u32 = PLACES as u32 / 2;

/// The ring of a check. The bits stand for themselves; the times are only kept for those that are
/// set, which are none for nearly all checks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ring {
    /// Newest in bit 0: 1 where the level changed.
    pub(crate) bits: u32,
    /// How many places are filled.
    pub(crate) filled: u8,
    /// Newest in bit 0: 1 where the level was critical.
    pub(crate) critical: u32,
}

impl Ring {
    /// Puts a result in; `times` holds when the set bits happened, newest first.
    pub(crate) fn push(
        &mut self,
        level: Status,
        changed: bool,
        at: Moment,
        times: &mut Vec<Moment>,
    ) {
        self.shift(level);
        if changed {
            self.bits |= 1;
            times.insert(0, at);
        }
        times.truncate(self.changes());
    }

    /// Puts a result in that changed nothing, where no place is set: the common case, for free.
    pub(crate) fn push_quiet(&mut self, level: Status) {
        self.shift(level);
    }

    fn shift(&mut self, level: Status) {
        let all = (1 << PLACES) - 1;
        self.bits = (self.bits << 1) & all;
        self.critical = (self.critical << 1 | u32::from(level == Status::Critical)) & all;
        self.filled = (self.filled + 1).min(PLACES);
    }

    /// Returns true if more than half of the results were critical (rule P6).
    pub(crate) fn is_mostly_critical(self) -> bool {
        self.critical.count_ones() > HALF
    }

    /// Says how many of the results were critical: `critical in 11 of the last 20 results`.
    pub(crate) fn criticals(self) -> String {
        format!("critical in {} of the last {PLACES} results", self.critical.count_ones())
    }

    /// Returns true if the ring is to be stored after a result that changed nothing: now and then while
    /// places are set, and when the last of them has gone.
    pub(crate) fn is_due(self) -> bool {
        self.bits == 0 || self.bits.trailing_zeros().is_multiple_of(STORED_EACH)
    }

    /// Returns how many places are set.
    pub(crate) fn changes(self) -> usize {
        usize::try_from(self.bits.count_ones()).unwrap_or(0)
    }

    /// Returns the weighted share of changes, 0 to 1.
    pub(crate) fn share(self, now: Moment, times: &[Moment]) -> f64 {
        let mut sum = 0;
        let mut time = times.iter();
        for place in (0..PLACES).filter(|place| self.bits >> place & 1 == 1) {
            // After a restart the times of older changes are not known: they count as recent.
            let old = time.next().is_some_and(|t| now.since(*t) > FORGOTTEN);
            if !old {
                sum += NEWEST_WEIGHT - u32::from(place);
            }
        }
        f64::from(sum) / f64::from(ALL_WEIGHTS)
    }

    /// Returns whether the check flaps, given whether it did.
    pub(crate) fn flaps(self, was: bool, rule: &Flapping, now: Moment, times: &[Moment]) -> bool {
        if self.bits == 0 || self.filled < ENOUGH {
            return false;
        }
        let share = self.share(now, times);
        share >= if was { rule.end } else { rule.start }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(pattern: &str, every: Duration) -> (Ring, Vec<Moment>, Moment) {
        let (mut ring, mut times, mut now) = (Ring::default(), Vec::new(), Moment::default());
        for c in pattern.chars() {
            now = now + every;
            ring.push(Status::Ok, c == 'x', now, &mut times);
        }
        (ring, times, now)
    }

    #[test]
    fn flapping_begins_at_thirty_and_ends_below_twenty_percent() {
        let rule = Flapping::default();
        let minute = Duration::from_mins(1);
        let cases = [
            ("steady", "....................", false, false),
            ("too few results", "xxxxxxxxx", false, false),
            ("ten results are enough", "..xxxxxxxx", false, true),
            ("five of twenty, newest", "...............xxxxx", false, false),
            ("six of twenty, newest", "..............xxxxxx", false, true),
            ("six of twenty, oldest", "xxxxxx..............", false, false),
            ("five hold what began", "...............xxxxx", true, true),
            ("four old ones do not", "xxxx................", true, false),
            ("exactly a fifth holds what began", "...x....x...x..x....", true, true),
            ("a fifth in other places does as well", ".....x..x.x....x....", true, true),
            ("a place older is less", "....x..x.x....x.....", true, false),
        ];
        for (why, pattern, was, expected) in cases {
            let (ring, times, now) = feed(pattern, minute);
            assert_eq!(ring.flaps(was, &rule, now, &times), expected, "{why}");
        }
    }

    #[test]
    fn eleven_of_twenty_are_most_and_ten_are_not() {
        let minute = Duration::from_mins(1);
        let mostly = |levels: &str| {
            let (mut ring, mut times, mut now) = (Ring::default(), Vec::new(), Moment::default());
            for c in levels.chars() {
                now = now + minute;
                let level = if c == 'c' { Status::Critical } else { Status::Ok };
                ring.push(level, true, now, &mut times);
            }
            ring.is_mostly_critical()
        };
        let cases = [
            ("cccccccccc", false),
            ("ccccccccccc", true),
            ("cocococococococococo", false),
            ("ccocococococococococ", true),
            ("cccccccccccoooooooooo", false),
            ("cooooooooocccccccccc", true),
        ];
        for (levels, expected) in cases {
            assert_eq!(mostly(levels), expected, "{levels}");
        }
    }

    #[test]
    fn changes_older_than_a_day_count_as_none() {
        let rule = Flapping::default();
        let (ring, times, now) = feed("xxxxxxxxxxxxxxxxxxxx", Duration::from_hours(2));
        let day = FORGOTTEN;
        assert!(ring.flaps(false, &rule, now, &times));
        assert!(!ring.flaps(false, &rule, now + day, &times));
    }

    #[test]
    fn a_full_ring_weighs_one() {
        let (ring, times, now) = feed("xxxxxxxxxxxxxxxxxxxx", Duration::from_secs(1));
        assert_eq!(ring.share(now, &times).to_bits(), 1.0_f64.to_bits());
        assert_eq!(times.len(), 20);
    }
}

//! What a threshold would have made of values that were measured: asked before it is saved.
//!
//! The values go through the same two tables as those of a running check (`Threshold::level` and
//! `confirm::advance`), so that hysteresis, attempts and holding times count as they will.

use std::time::Duration;

use hark_model::{Now, Status, Unix};

use crate::confirm::{Belief, Change, Passage, Since, advance};
use crate::moment::Moment;
use crate::plan::threshold::Threshold;

/// The times that are looked back: a day and a week.
pub const WINDOWS: [Duration; 2] = [Duration::from_hours(24), Duration::from_hours(24 * 7)];

/// A value stands for the time until the next one, but for no longer than this: what came after it is not
/// known. Three of the buckets that are left of old samples.
const LONGEST_STAND: Duration = Duration::from_mins(15);

/// What would have been within a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Problems that would have begun: each is an incident.
    pub problems: u32,
    /// How long warning would have been believed.
    pub warning: Duration,
    /// How long critical would have been believed.
    pub critical: Duration,
}

/// A threshold that is tried on values of the past, from the oldest on.
#[derive(Debug)]
pub struct Trial<'a> {
    threshold: &'a Threshold,
    /// When the windows begin.
    from: [Unix; WINDOWS.len()],
    tallies: [Tally; WINDOWS.len()],
    remembered: Status,
    belief: Belief,
    last: Option<Unix>,
}

impl<'a> Trial<'a> {
    /// Begins; the windows end at `now`.
    pub fn new(threshold: &'a Threshold, now: Unix) -> Self {
        Self {
            threshold,
            from: WINDOWS.map(|window| now - window),
            tallies: [Tally::default(); WINDOWS.len()],
            remembered: Status::Ok,
            belief: Belief { hard: None, passage: Passage::Steady },
            last: None,
        }
    }

    /// Takes the lowest and the highest value of a moment, which are the same where every sample is kept. The
    /// worse one decides. What is not later than the moment before is left out.
    pub fn value(&mut self, at: Unix, lowest: f64, highest: f64) {
        if lowest.is_nan() || highest.is_nan() || self.last.is_some_and(|last| at <= last) {
            return;
        }
        self.stand_until(at);
        let level = |value| self.threshold.level(value, self.remembered);
        let level = level(lowest).worse(level(highest));
        self.remembered = level;
        let since = Since { unix: at, moment: Moment::of_unix(at, Now::default()) };
        let rule = &self.threshold.confirm;
        let (belief, change) = advance(self.belief, level, since, rule, false);
        self.belief = belief;
        self.last = Some(at);
        if let Change::Raised(_) = change {
            for (tally, from) in self.tallies.iter_mut().zip(self.from) {
                tally.problems += u32::from(at >= from);
            }
        }
    }

    /// Ends at `now`, and returns what would have been in each of the [`WINDOWS`].
    pub fn end(mut self, now: Unix) -> [Tally; WINDOWS.len()] {
        self.stand_until(now);
        self.tallies
    }

    /// Returns what would be believed after the newest value; nothing without one.
    pub fn believed(&self) -> Option<Status> {
        self.belief.hard
    }

    /// Returns when the newest value was measured.
    pub fn last(&self) -> Option<Unix> {
        self.last
    }

    fn stand_until(&mut self, until: Unix) {
        let Some(last) = self.last else { return };
        let until = until.min(last + LONGEST_STAND);
        for (tally, from) in self.tallies.iter_mut().zip(self.from) {
            let lasted = until.since(last.max(from));
            match self.belief.hard {
                Some(Status::Warning) => tally.warning += lasted,
                Some(Status::Critical) => tally.critical += lasted,
                Some(Status::Ok | Status::Unknown) | None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Limits;

    const HOUR: Duration = Duration::from_hours(1);
    const NOW: Unix = Unix(1_700_000_000_000);

    fn threshold(attempts: u32) -> Threshold {
        let limits = Limits {
            warning: Some(80.0),
            critical: Some(90.0),
            attempts: Some(attempts),
            ..Limits::default()
        };
        limits.resolve().unwrap()
    }

    /// Feeds values that lie `step` apart; the newest one is at [`NOW`].
    fn run(threshold: &Threshold, step: Duration, values: &[f64]) -> (Option<Status>, [Tally; 2]) {
        let mut trial = Trial::new(threshold, NOW);
        for (ago, value) in (0..u32::try_from(values.len()).unwrap()).rev().zip(values) {
            trial.value(NOW - step * ago, *value, *value);
        }
        (trial.believed(), trial.end(NOW))
    }

    #[test]
    fn problems_are_counted_as_they_would_be_believed() {
        let minute = Duration::from_mins(1);
        let values = [10.0, 85.0, 95.0, 91.0, 70.0, 10.0, 85.0, 10.0, 95.0];
        let (now, [day, week]) = run(&threshold(1), minute, &values);
        assert_eq!(now, Some(Status::Critical));
        let expected = Tally { problems: 3, warning: minute * 2, critical: minute * 2 };
        assert_eq!((day, week), (expected, expected));
        // With two attempts single spikes are nothing.
        let (now, [day, _]) = run(&threshold(2), minute, &values);
        assert_eq!(now, Some(Status::Ok));
        assert_eq!(day, Tally { problems: 1, warning: Duration::ZERO, critical: minute * 2 });
    }

    #[test]
    fn hysteresis_holds_in_the_past_as_well() {
        // Left at a tenth below the limit: 85 holds critical, so nothing ends and begins again.
        let values = [95.0, 85.0, 95.0, 85.0, 95.0];
        let (now, [day, _]) = run(&threshold(1), Duration::from_mins(1), &values);
        assert_eq!((now, day.problems), (Some(Status::Critical), 1));
    }

    #[test]
    fn what_was_before_a_window_is_not_in_it() {
        let limits = threshold(1);
        let mut trial = Trial::new(&limits, NOW);
        trial.value(NOW - HOUR * 30, 95.0, 95.0);
        trial.value(NOW - HOUR * 29, 10.0, 10.0);
        trial.value(NOW - Duration::from_mins(5), 85.0, 85.0);
        let [day, week] = trial.end(NOW);
        assert_eq!((day.problems, week.problems), (1, 2));
        assert_eq!(day.critical, Duration::ZERO);
        // An hour without values: for so long nobody knows how it was.
        assert_eq!(week.critical, LONGEST_STAND);
        assert_eq!(day.warning, Duration::from_mins(5));
    }

    #[test]
    fn a_problem_that_is_older_than_the_window_counts_with_its_time_only() {
        let limits = threshold(1);
        let mut trial = Trial::new(&limits, NOW);
        let minutes = u32::try_from(WINDOWS[0].as_secs() / 60).unwrap() + 10;
        for ago in (0..=minutes).rev() {
            trial.value(NOW - Duration::from_mins(1) * ago, 95.0, 95.0);
        }
        let [day, week] = trial.end(NOW);
        assert_eq!((day.problems, week.problems), (0, 1));
        assert_eq!(day.critical, WINDOWS[0]);
    }

    #[test]
    fn of_old_samples_the_worst_of_each_bucket_decides() {
        let limits = threshold(1);
        let mut trial = Trial::new(&limits, NOW);
        trial.value(NOW - HOUR, 10.0, 95.0);
        assert_eq!(trial.believed(), Some(Status::Critical));
        trial.value(NOW - HOUR, 10.0, 10.0);
        assert_eq!(trial.believed(), Some(Status::Critical), "the same moment again is nothing");
        trial.value(NOW, f64::NAN, f64::NAN);
        assert_eq!(trial.last(), Some(NOW - HOUR));
    }
}

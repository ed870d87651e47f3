//! What a threshold would have made of values that were measured: asked before it is saved.
//!
//! The values go through the same two tables as those of a running check (`Threshold::level` and
//! `confirm::advance`), so that hysteresis, attempts and holding times count as they will; what looks at more
//! than the newest value has the window of a running check.

use std::time::Duration;

use hark_model::{Now, Status, Unit, Unix};
use hark_signals::By;

use crate::confirm::{Belief, Change, Passage, Since, advance};
use crate::input::{Expected, Recalled};
use crate::moment::Moment;
use crate::plan::signal::Signal;
use crate::plan::threshold::{Limit, Threshold};
use crate::watching::{Circumstances, Verdict, Watching};

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

/// What was measured at a moment of the past; all three are the same where every sample is kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// The lowest value.
    pub lowest: f64,
    /// The mean; of a counter its growth in a second.
    pub mean: f64,
    /// The highest value.
    pub highest: f64,
}

impl Measured {
    /// Returns what one sample is.
    pub fn one(value: f64) -> Self {
        Self { lowest: value, mean: value, highest: value }
    }
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
    watching: Option<Watching>,
    derived: Option<f64>,
    /// What a counter has counted since the first value.
    counted: f64,
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
            watching: Watching::new(threshold.signal),
            derived: None,
            counted: 0.0,
        }
    }

    /// Takes what was measured at a moment. The worse of the extremes decides. What is not later than the moment
    /// before is left out.
    pub fn value(&mut self, at: Unix, measured: Measured) {
        let Measured { lowest, mean, highest } = measured;
        let is_old = self.last.is_some_and(|last| at <= last);
        if lowest.is_nan() || mean.is_nan() || highest.is_nan() || is_old {
            return;
        }
        if self.threshold.signal == Signal::Absence {
            self.came(at);
            self.last = Some(at);
            self.belief.hard = Some(Status::Ok);
            return;
        }
        self.stand_until(at);
        let before = self.last.replace(at);
        let level = |value| self.threshold.level(value, self.remembered);
        let level = if self.watching.is_some() {
            let Some(value) = self.derive(at, measured, before) else { return };
            self.derived = value.is_finite().then_some(value);
            self.threshold.level(value, self.remembered)
        } else {
            level(lowest).worse(level(highest))
        };
        self.remembered = level;
        let since = Since { unix: at, moment: Moment::of_unix(at, Now::default()) };
        let rule = &self.threshold.confirm;
        let (belief, change) = advance(self.belief, level, since, rule, false);
        self.belief = belief;
        if let Change::Raised(_) = change {
            for (tally, from) in self.tallies.iter_mut().zip(self.from) {
                tally.problems += u32::from(at >= from);
            }
        }
    }

    /// Counts the time without a value until one came, or until the end.
    fn came(&mut self, at: Unix) {
        let Some(last) = self.last else { return };
        let after = |limit: Option<Limit>| {
            let raise = Duration::try_from_secs_f64(limit?.raise).ok()?;
            (at.since(last) >= raise).then(|| last + raise)
        };
        let (warning, critical) = (after(self.threshold.warning), after(self.threshold.critical));
        let Some(began) = warning.into_iter().chain(critical).min() else { return };
        self.belief.hard =
            Some(if critical.is_some() { Status::Critical } else { Status::Warning });
        for (tally, from) in self.tallies.iter_mut().zip(self.from) {
            tally.problems += u32::from(began >= from);
            if let Some(warning) = warning {
                tally.warning += critical.unwrap_or(at).since(warning.max(from));
            }
            if let Some(critical) = critical {
                tally.critical += at.since(critical.max(from));
            }
        }
    }

    /// Says what was usual at the hours that are tried, for thresholds that compare with it.
    pub fn expect(&mut self, usual: Expected) {
        if let Some(watching) = &mut self.watching {
            let past = Recalled { usual: Some(usual), ..Recalled::default() };
            watching.recalled(past, Moment::LONG_AGO);
        }
    }

    /// Returns what is derived from the values up to now; nothing if it is too early to say.
    fn derive(&mut self, at: Unix, measured: Measured, before: Option<Unix>) -> Option<f64> {
        let gap = before.map_or(Duration::ZERO, |before| at.since(before));
        self.counted += measured.mean * gap.min(LONGEST_STAND).as_secs_f64();
        let value = match self.threshold.signal {
            Signal::Window { by: By::Min, .. } => measured.lowest,
            Signal::Window { by: By::Max, .. } => measured.highest,
            Signal::Window { by: By::Rate, .. } => self.counted,
            Signal::Newest
            | Signal::Window { .. }
            | Signal::Growth { .. }
            | Signal::FullIn { .. }
            | Signal::Deviation { .. }
            | Signal::Absence => measured.mean,
        };
        let how = Circumstances {
            now: Moment::of_unix(at, Now::default()),
            whole_since: Moment::LONG_AGO,
            spacing: gap,
            held: self.remembered.is_problem(),
            must: self.belief.hard.is_none(),
        };
        match self.watching.as_mut()?.take(at, value, how)? {
            Verdict::Value(value) => Some(value),
            Verdict::Wait | Verdict::CannotTell(_) => None,
        }
    }

    /// Returns what was derived from the newest values, for thresholds that look at more than one, and how in
    /// words.
    pub fn derived(&self, unit: Unit) -> Option<(Option<f64>, String)> {
        Some((self.derived, self.watching.as_ref()?.words(unit)))
    }

    /// Ends at `now`, and returns what would have been in each of the [`WINDOWS`].
    pub fn end(mut self, now: Unix) -> [Tally; WINDOWS.len()] {
        if self.threshold.signal == Signal::Absence {
            self.came(now);
        } else {
            self.stand_until(now);
        }
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
    use crate::plan::{Limits, Measure, Terms};

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
            trial.value(NOW - step * ago, Measured::one(*value));
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
        trial.value(NOW - HOUR * 30, Measured::one(95.0));
        trial.value(NOW - HOUR * 29, Measured::one(10.0));
        trial.value(NOW - Duration::from_mins(5), Measured::one(85.0));
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
            trial.value(NOW - Duration::from_mins(1) * ago, Measured::one(95.0));
        }
        let [day, week] = trial.end(NOW);
        assert_eq!((day.problems, week.problems), (0, 1));
        assert_eq!(day.critical, WINDOWS[0]);
    }

    #[test]
    fn of_old_samples_the_worst_of_each_bucket_decides() {
        let limits = threshold(1);
        let mut trial = Trial::new(&limits, NOW);
        trial.value(NOW - HOUR, Measured { lowest: 10.0, mean: 20.0, highest: 95.0 });
        assert_eq!(trial.believed(), Some(Status::Critical));
        trial.value(NOW - HOUR, Measured::one(10.0));
        assert_eq!(trial.believed(), Some(Status::Critical), "the same moment again is nothing");
        trial.value(NOW, Measured::one(f64::NAN));
        assert_eq!(trial.last(), Some(NOW - HOUR));
    }

    #[test]
    fn windows_are_tried_as_they_will_run() {
        let terms = Terms { over: Some(HOUR / 6), ..Terms::default() };
        let limits = Limits { warning: Some(50.0), terms, ..Limits::default() };
        let minute = Duration::from_mins(1);
        // A spike of two minutes within ten is nothing, and one of eight is a problem.
        let mut values = [10.0; 60];
        values[20..22].fill(99.0);
        values[40..48].fill(99.0);
        let (now, [day, _]) = run(&limits.resolve().unwrap(), minute, &values);
        assert_eq!((now, day.problems), (Some(Status::Ok), 1));
        let newest = Limits { warning: Some(50.0), ..Limits::default() };
        assert_eq!(run(&newest.resolve().unwrap(), minute, &values).1[0].problems, 2);
    }

    #[test]
    fn time_without_a_value_is_tried_too() {
        let limits = Limits { warning: Some(600.0), critical: Some(3600.0), ..Limits::default() };
        let absent = limits.resolve_as(Measure::Absence, Unit::Percent).unwrap();
        let mut trial = Trial::new(&absent, NOW);
        let minute = Duration::from_mins(1);
        // Nothing for half an hour, then two hours ago nothing for an hour and a half, and nothing since ten minutes.
        for ago in (0..240).rev() {
            if !(200..=229).contains(&ago) && !(30..=119).contains(&ago) && ago >= 10 {
                trial.value(NOW - minute * ago, Measured::one(5.0));
            }
        }
        assert_eq!(trial.believed(), Some(Status::Ok));
        let [day, _] = trial.end(NOW);
        assert_eq!((day.problems, day.warning, day.critical), (3, minute * 71, minute * 31));
    }

    #[test]
    fn what_is_usual_is_tried_by_what_it_was() {
        let terms = Terms { least: Some(5.0), over: Some(HOUR / 6), ..Terms::default() };
        let limits = Limits { warning: Some(4.0), terms, ..Limits::default() };
        let unusual = limits.resolve_as(Measure::Deviation, Unit::Percent).unwrap();
        let minute = Duration::from_mins(1);
        let mut trial = Trial::new(&unusual, NOW);
        let band = hark_signals::Band { middle: 40.0, spread: 1.0, of: 5 };
        trial.expect(Expected { from: NOW - HOUR * 6, hours: vec![Some(band); 7] });
        for ago in (0..300).rev() {
            let value = if (100..150).contains(&ago) { 60.0 } else { 41.0 };
            trial.value(NOW - minute * ago, Measured::one(value));
        }
        let [day, _] = trial.end(NOW);
        assert_eq!(day.problems, 1);
        assert!(day.warning > minute * 45 && day.warning < minute * 60, "{day:?}");
    }

    #[test]
    fn forecasts_and_counters_are_tried_too() {
        let minute = Duration::from_mins(1);
        let limits = Limits { warning: Some(4.0 * 3600.0), ..Limits::default() };
        let full_in = limits.resolve_as(Measure::FullIn, Unit::Percent).unwrap();
        let values: Vec<f64> = (0..480).map(|n| 60.0 + f64::from(n) / 15.0).collect();
        let (now, [day, _]) = run(&full_in, minute, &values);
        assert_eq!((now, day.problems), (Some(Status::Warning), 1));
        // What a counter is asked about are its rates: 5 a second for an hour, then 20.
        let terms = Terms { over: Some(HOUR / 6), by: Some(By::Rate), ..Terms::default() };
        let limits = Limits { warning: Some(10.0), terms, ..Limits::default() };
        let rates: Vec<f64> = (0..120).map(|n| if n < 60 { 5.0 } else { 20.0 }).collect();
        let rate = limits.resolve().unwrap();
        let mut trial = Trial::new(&rate, NOW);
        for (ago, value) in (0..120).rev().zip(&rates) {
            trial.value(NOW - minute * ago, Measured::one(*value));
        }
        let (value, words) = trial.derived(Unit::None).unwrap();
        assert!((value.unwrap() - 20.0).abs() < 1e-9, "{value:?}");
        assert_eq!(words, "growth in a second of the last 10 min, 10 values");
        assert_eq!(trial.end(NOW)[0].problems, 1);
    }
}

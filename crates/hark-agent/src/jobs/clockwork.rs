//! When each job's time is: spread over its interval by its phase, never twice for what was missed.

use std::time::Duration;

use hark_model::time::millis;
use hark_model::{Mono, Next, Now};

use super::Timing;

/// The first times are spread over at most this, so that a start soon shows what works.
const FIRST: Duration = Duration::from_secs(5);

/// Nothing is run in the first moment: the heartbeat is first.
const SETTLE: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(super) struct Clockwork {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    timing: Timing,
    /// Decides its place within an interval.
    phase: u32,
    due: Option<Mono>,
}

impl Clockwork {
    /// Begins with the phases and timings of all jobs.
    pub(super) fn new(jobs: impl Iterator<Item = (String, Timing)>, now: Now) -> Self {
        let entry = |(phase, timing): (String, Timing)| {
            let spread = timing.every.unwrap_or_default().min(FIRST);
            let phase = crc32fast::hash(phase.as_bytes());
            let share = (u64::from(phase) * millis(spread)) >> 32;
            Entry { timing, phase, due: Some(now.mono + SETTLE + Duration::from_millis(share)) }
        };
        Self { entries: jobs.map(entry).collect() }
    }

    /// Returns when the next time is.
    pub(super) fn next(&self) -> Option<Mono> {
        self.next_of(|_| true)
    }

    /// Returns when the next time is of those with such an interval.
    pub(super) fn next_of(&self, of: impl Fn(Option<Duration>) -> bool) -> Option<Mono> {
        let wanted = self.entries.iter().filter(|entry| of(entry.timing.every));
        wanted.filter_map(|entry| entry.due).min()
    }

    /// Returns whose time has come, and sets their next ones.
    pub(super) fn due(&mut self, now: Now) -> Vec<usize> {
        self.due_soon(now, |_| Duration::ZERO)
    }

    /// Returns whose time has come or comes within what `early` says for their interval, and sets their
    /// next ones.
    pub(super) fn due_soon(
        &mut self,
        now: Now,
        early: impl Fn(Duration) -> Duration,
    ) -> Vec<usize> {
        let mut due = Vec::new();
        for (index, entry) in self.entries.iter_mut().enumerate() {
            let soon = now.mono + entry.timing.every.map_or(Duration::ZERO, &early);
            let Some(at) = entry.due.filter(|at| *at <= soon) else { continue };
            entry.due = entry.timing.every.map(|every| {
                // One that is early is so for company, and has its time from here on.
                let next = at.min(now.mono) + every;
                // What was missed (a suspended machine) is not made up for.
                if next > now.mono { next } else { now.mono + every }
            });
            match (&entry.timing.active, entry.timing.every) {
                (Some(window), Some(every)) if !window.contains(now.unix) => {
                    entry.due = Some(now.mono + window.wait(now.unix, every, entry.phase.into()));
                }
                _ => due.push(index),
            }
        }
        due
    }

    /// Takes over the time that the job at `from` of another clockwork had.
    pub(super) fn keep(&mut self, place: usize, other: &Self, from: usize) {
        if let (Some(entry), Some(former)) = (self.entries.get_mut(place), other.entries.get(from))
        {
            entry.due = former.due;
        }
    }

    /// Returns within which time a job has something to say again. One without an interval of its own
    /// says so itself, or never again.
    pub(super) fn until_next(&self, index: usize, now: Now) -> Next {
        let Some(entry) = self.entries.get(index) else { return Next::Whenever };
        let Some(every) = entry.timing.every else { return Next::Whenever };
        let Some(active) = &entry.timing.active else { return Next::Within(every) };
        let due = now.after(entry.due.map_or(every, |due| due.since(now.mono)));
        if active.contains(due.unix) {
            // Later than the interval where it closed while the job still ran.
            return Next::Within(every.max(due.mono.since(now.mono)));
        }
        match active.next_change(due.unix) {
            Some(opens) => Next::Within(opens.since(now.unix) + every),
            None => Next::Whenever,
        }
    }

    /// Sets a job's next time.
    pub(super) fn set(&mut self, index: usize, at: Mono) {
        if let Some(entry) = self.entries.get_mut(index) {
            entry.due = Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use hark_calendar::ActiveWindow;
    use hark_model::Unix;

    use super::*;

    fn timing(seconds: u64) -> Timing {
        Timing { every: Some(Duration::from_secs(seconds)), active: None }
    }

    fn at(ms: u64) -> Now {
        // A Monday, at midnight.
        let unix = Unix(1_795_392_000_000 + i64::try_from(ms).unwrap());
        Now { mono: Mono(1_000_000 + ms), unix }
    }

    fn times(timing: &Timing, until: u64) -> Vec<u64> {
        let mut clockwork = Clockwork::new([("x".to_owned(), timing.clone())].into_iter(), at(0));
        let mut times = Vec::new();
        while let Some(next) = clockwork.next().filter(|next| *next < at(until).mono) {
            let ms = next.0 - at(0).mono.0;
            if !clockwork.due(at(ms)).is_empty() {
                times.push(ms);
            }
        }
        times
    }

    #[test]
    fn times_are_an_interval_apart_and_begin_soon() {
        let times = times(&timing(60), 600_000);
        assert!((500..5500).contains(&times[0]), "{times:?}");
        assert!(times.windows(2).all(|w| w[1] - w[0] == 60_000));
        assert_eq!(times.len(), 10);
    }

    #[test]
    fn jobs_are_spread() {
        let jobs = (0..100).map(|n| (format!("job {n}"), timing(60)));
        let mut clockwork = Clockwork::new(jobs, at(0));
        let mut most = 0;
        for second in 0..6 {
            most = most.max(clockwork.due(at(second * 1000)).len());
        }
        assert!(most < 40, "{most}");
    }

    #[test]
    fn jobs_of_one_phase_have_their_time_together() {
        let jobs = (0..10).map(|_| ("processes".to_owned(), timing(20)));
        let mut clockwork = Clockwork::new(jobs, at(0));
        let first = clockwork.next().unwrap();
        for round in 0..3 {
            let ms = first.0 - at(0).mono.0 + round * 20_000;
            assert_eq!(clockwork.due(at(ms - 1)), [0; 0]);
            assert_eq!(clockwork.due(at(ms)).len(), 10);
        }
    }

    #[test]
    fn what_was_missed_is_not_made_up_for() {
        let mut clockwork = Clockwork::new([("x".to_owned(), timing(10))].into_iter(), at(0));
        assert_eq!(clockwork.due(at(3_600_000)), [0]);
        assert_eq!(clockwork.due(at(3_600_001)), [0; 0]);
        assert_eq!(clockwork.next(), Some(at(3_610_000).mono));
    }

    #[test]
    fn outside_of_its_window_a_jobs_time_passes_by() {
        let mut timing = timing(60);
        timing.active = Some(ActiveWindow::parse("mon 00:10-00:20 UTC", None).unwrap());
        let times = times(&timing, 3_600_000);
        assert_eq!(times.len(), 10);
        assert!(times.iter().all(|ms| (600_000..1_200_000).contains(ms)), "{times:?}");
    }

    #[test]
    fn what_is_done_once_a_day_is_done_in_each_of_its_windows() {
        let mut timing = timing(86_400);
        timing.active = Some(ActiveWindow::parse("08:00-09:00 UTC", None).unwrap());
        let times = times(&timing, 4 * 86_400_000);
        let days: Vec<u64> = times.iter().map(|ms| ms / 86_400_000).collect();
        assert_eq!(days, [0, 1, 2, 3], "{times:?}");
    }

    #[test]
    fn the_next_result_is_expected_after_the_interval_or_when_the_window_opens_again() {
        let mut night = timing(60);
        night.active = Some(ActiveWindow::parse("mon 00:00-00:10 UTC", None).unwrap());
        let jobs = [("a".to_owned(), timing(60)), ("b".to_owned(), night)];
        let mut clockwork = Clockwork::new(jobs.into_iter(), at(0));
        clockwork.due(at(6000));
        let minute = Next::Within(Duration::from_mins(1));
        assert_eq!(
            (clockwork.until_next(0, at(6000)), clockwork.until_next(1, at(6000))),
            (minute, minute)
        );
        for ms in (7000..599_000).step_by(1000) {
            clockwork.due(at(ms));
        }
        let last = at(599_000);
        assert_eq!(clockwork.until_next(0, last), minute);
        let Next::Within(week) = clockwork.until_next(1, last) else {
            panic!("there is a next one")
        };
        let days = week.as_secs_f64() / 86400.0;
        assert!((6.9..7.1).contains(&days), "{days}");
        let once = Timing { every: None, active: None };
        let clockwork = Clockwork::new([("c".to_owned(), once)].into_iter(), at(0));
        assert_eq!(clockwork.until_next(0, last), Next::Whenever);
    }

    #[test]
    fn a_job_without_interval_is_called_once_and_when_it_says() {
        let once = Timing { every: None, active: None };
        assert_eq!(times(&once, 1_000_000), [500]);
        let mut clockwork = Clockwork::new([("x".to_owned(), once)].into_iter(), at(0));
        assert_eq!(clockwork.due(at(1000)), [0]);
        clockwork.set(0, at(9000).mono);
        assert_eq!(clockwork.due(at(8999)), [0; 0]);
        assert_eq!(clockwork.due(at(9000)), [0]);
    }
}

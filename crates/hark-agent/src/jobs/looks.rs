//! Jobs that only look at the machine, done along with heartbeats on the agent's own thread.
//!
//! A look at the process table costs some microseconds for each process, and a thread that wakes for it wakes
//! the main one with what it found, which wakes again for the server's answer. So a job that needs no
//! program and no socket shares the heartbeat's wake-up, its look at the table and its answer: its time is
//! the heartbeat that is nearest. Only one that wants to look more often than heartbeats are sent has
//! wake-ups of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use hark_model::{Mono, Now};

use super::clockwork::Clockwork;
use super::{Job, JobsConfig, Made, Turn};
use crate::inlet::{Found, Gathered, Inlet, gathering};
use crate::source::Root;

/// The looks of an agent.
#[derive(Debug)]
pub(crate) struct Looks {
    jobs: Vec<Look>,
    clockwork: Clockwork,
    /// Between two heartbeats.
    interval: Duration,
    inlet: Inlet,
    found: Gathered,
}

#[derive(Debug)]
struct Look {
    job: Box<dyn Job>,
    identity: Arc<str>,
    /// It panicked, and is asked no more.
    broken: bool,
}

impl Look {
    fn new(made: Made) -> Self {
        let Made { job, identity } = made;
        Self { job, identity, broken: false }
    }
}

fn clockwork(jobs: &[Look], now: Now) -> Clockwork {
    Clockwork::new(jobs.iter().map(|look| (look.job.phase().to_owned(), look.job.timing())), now)
}

impl Looks {
    /// Makes one without jobs, for heartbeats that are `interval` apart.
    pub(crate) fn new(interval: Duration, now: Now) -> Self {
        let (inlet, found) = gathering();
        Self { jobs: Vec::new(), clockwork: clockwork(&[], now), interval, inlet, found }
    }

    /// Heartbeats are so far apart from now on.
    pub(crate) fn set_interval(&mut self, interval: Duration) {
        self.interval = interval;
    }

    /// Goes over to other jobs. Those whose settings are the same go on as they are.
    pub(crate) fn change(&mut self, wanted: &JobsConfig, root: &Root, now: Now) {
        let mut former: Vec<Option<Look>> = self.jobs.drain(..).map(Some).collect();
        let mut kept = Vec::new();
        for (place, identity) in wanted.identities().iter().enumerate() {
            let same = |look: &Look| look.identity == *identity && !look.broken;
            let from = former.iter().position(|look| look.as_ref().is_some_and(same));
            if let Some((from, look)) = from.and_then(|n| Some((n, former.get_mut(n)?.take()?))) {
                kept.push((self.jobs.len(), from));
                self.jobs.push(look);
            } else {
                self.jobs.extend(wanted.make_one(place, root).map(Look::new));
            }
        }
        let before = std::mem::replace(&mut self.clockwork, clockwork(&self.jobs, now));
        for (place, from) in kept {
            self.clockwork.keep(place, &before, from);
        }
    }

    /// Does what is due at a heartbeat, or before the next one by less than after it; returns what was found.
    pub(crate) fn along(&mut self, now: Now) -> Vec<Found> {
        let half = self.interval / 2;
        self.look(now, |every| half.min(every / 2))
    }

    /// Does what cannot wait for a heartbeat; returns what was found.
    pub(crate) fn between(&mut self, now: Now) -> Vec<Found> {
        if self.next().is_none_or(|at| at > now.mono) {
            return Vec::new();
        }
        self.look(now, |_| Duration::ZERO)
    }

    /// Returns when there is something to do that does not wait for a heartbeat.
    pub(crate) fn next(&self) -> Option<Mono> {
        self.clockwork.next_of(|every| every.is_some_and(|every| every < self.interval))
    }

    fn look(&mut self, now: Now, early: impl Fn(Duration) -> Duration) -> Vec<Found> {
        for index in self.clockwork.due_soon(now, early) {
            let next = self.clockwork.until_next(index, now);
            let Some(look) = self.jobs.get_mut(index).filter(|look| !look.broken) else { continue };
            let mut turn = Turn::new(now, &self.inlet, next);
            if catch_unwind(AssertUnwindSafe(|| look.job.begin(&mut turn))).is_err() {
                look.broken = true;
                tracing::error!(job = look.job.name(), "a job failed and is switched off");
            }
        }
        self.found.take()
    }
}

#[cfg(test)]
mod tests {
    use hark_model::{CheckResult, Unix};
    use hark_proto::ReportItem;

    use super::super::tests::configured;
    use super::*;

    const HEARTBEAT: Duration = Duration::from_secs(15);

    fn at(seconds: u64) -> Now {
        let unix = Unix(1_795_392_000_000 + i64::try_from(seconds).unwrap() * 1000);
        Now { mono: Mono(1_000_000 + seconds * 1000), unix }
    }

    fn ten(every: u64) -> JobsConfig {
        let one = |n| format!("  p{n}: {{name: p{n}, min: 0, every: {every}s}}\n");
        configured(&format!("processes:\n{}", (0..10).map(one).collect::<String>()))
    }

    fn looks(jobs: &JobsConfig) -> (tempfile::TempDir, Root, Looks) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("proc")).unwrap();
        let root = Root::at(folder.path());
        let mut looks = Looks::new(HEARTBEAT, at(0));
        looks.change(jobs, &root, at(0));
        (folder, root, looks)
    }

    fn results(found: &[Found]) -> Vec<&CheckResult> {
        let result = |found| match found {
            &Found::Report(ReportItem::Result(ref result)) => Some(result),
            Found::Report(_) | Found::Batch(_) => None,
        };
        found.iter().filter_map(result).collect()
    }

    /// When there was a wake-up within `until` seconds that no heartbeat needed, and how many looks there
    /// were.
    fn an_hour(looks: &mut Looks) -> (usize, usize) {
        let (mut own, mut done, mut second) = (0, 0, 1);
        let mut heartbeat = 1;
        while second < 3600 {
            if second >= heartbeat {
                heartbeat += 15;
                done += results(&looks.along(at(second))).len();
            } else {
                own += 1;
                done += results(&looks.between(at(second))).len();
            }
            let whole = |next: Mono| (next.0 - at(0).mono.0).div_ceil(1000);
            let next = looks.next().map_or(heartbeat, whole);
            second = heartbeat.min(next).max(second + 1);
        }
        (own, done)
    }

    #[test]
    fn ten_checks_at_the_heartbeats_interval_wake_nobody_for_themselves() {
        let (_folder, _root, mut looks) = looks(&ten(15));
        assert_eq!(an_hour(&mut looks), (0, 240 * 10));
    }

    #[test]
    fn a_check_that_is_due_between_two_heartbeats_is_done_with_the_nearest() {
        for (every, least, most) in [(20, 180, 240), (60, 58, 62), (100, 34, 37)] {
            let (_folder, _root, mut looks) = looks(&ten(every));
            let (own, done) = an_hour(&mut looks);
            assert_eq!(own, 0, "{every}");
            assert!((least * 10..=most * 10).contains(&done), "{every}: {done}");
        }
    }

    #[test]
    fn a_check_that_is_wanted_more_often_than_heartbeats_has_its_own_time() {
        let (_folder, _root, mut looks) = looks(&ten(5));
        let (own, done) = an_hour(&mut looks);
        assert!((480..=730).contains(&own), "{own}");
        assert!((7100..=7400).contains(&done), "{done}");
    }

    #[test]
    fn what_has_not_changed_goes_on_and_the_rest_begins() {
        let (_folder, root, mut looks) = looks(&ten(60));
        assert_eq!(results(&looks.along(at(6))).len(), 10);
        let text = "processes:\n  p3: {name: p3, min: 0, every: 60s}\n  new: {name: x, every: 60s, attempts: 1}\n";
        looks.change(&configured(text), &root, at(10));
        let found = looks.along(at(16));
        let names: Vec<&str> = results(&found).iter().map(|result| result.check.as_str()).collect();
        assert_eq!(names, ["new"], "the other was asked ten seconds ago");
        assert_eq!(results(&looks.along(at(76))).len(), 2);
    }
}

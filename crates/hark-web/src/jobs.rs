//! The frame for long work: ordered by a request, done after its answer, with progress and an end that
//! somebody may bring about earlier.
//!
//! A request has [`crate::envelope`]'s time limit, and whoever waits for it sees nothing meanwhile. What can
//! take longer is a job: it goes step by step, each step asks for its turn as any request does, so that a
//! thousand of them do not keep people from asking, and between two steps it can be ended. Jobs are in
//! memory: what a job does is on the disk step by step, and one that a restart cut off is ordered anew.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hark_api::Timestamp;
use hark_api::jobs::{Job, JobFailure, JobKind, JobState, MAX_FAILURES};
use hark_model::{Clock, UserName};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::app::Shared;
use crate::failure::{Failure, Reply};
use crate::policy::{Action, Object};
use crate::who::{self, Who};

/// Jobs that run at the same time: their steps wait for the same disk.
const MAX_RUNNING: usize = 2;
/// Jobs of one user that have not ended.
const MAX_OPEN: usize = 8;
/// Jobs that are known; of those that have ended the oldest go first.
const MAX_KNOWN: usize = 200;
/// How long a job is known after its end.
const KNOWN: Duration = Duration::from_hours(24);

/// All jobs that are known.
#[derive(Debug)]
pub(crate) struct Jobs {
    known: Arc<Mutex<Known>>,
    turns: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Known {
    highest: u64,
    jobs: BTreeMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    job: Job,
    by: UserName,
    cancelled: CancellationToken,
}

impl Known {
    /// Makes room for one more.
    fn forget(&mut self) {
        let now = Clock.now().unix;
        let is_old = |job: &Job| job.ended_at.is_some_and(|ended| now.since(ended.0) > KNOWN);
        self.jobs.retain(|_, entry| !is_old(&entry.job));
        while self.jobs.len() >= MAX_KNOWN {
            let ended = self.jobs.iter().find(|(_, entry)| entry.job.ended_at.is_some());
            let Some(oldest) = ended.map(|(id, _)| *id) else { return };
            self.jobs.remove(&oldest);
        }
    }
}

/// What a job reports to. Without an end it has failed: its work ended in a panic.
#[derive(Debug)]
pub(crate) struct Progress {
    known: Arc<Mutex<Known>>,
    turns: Arc<Semaphore>,
    id: u64,
    cancelled: CancellationToken,
    end: JobState,
}

impl Default for Jobs {
    fn default() -> Self {
        Self { known: Arc::default(), turns: Arc::new(Semaphore::new(MAX_RUNNING)) }
    }
}

impl Jobs {
    /// Takes an order of so many steps.
    ///
    /// # Errors
    /// If the user has too many that have not ended, or all users together.
    pub(crate) fn begin(
        &self,
        kind: JobKind,
        title: String,
        who: &Who,
        total: usize,
    ) -> Reply<Progress> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.forget();
        let is_open = |entry: &&Entry| entry.job.ended_at.is_none() && entry.by == *who.name();
        if known.jobs.values().filter(is_open).count() >= MAX_OPEN {
            let text = format!("{MAX_OPEN} jobs of yours have not ended: wait, or cancel one");
            return Err(Failure::Conflict(text));
        }
        if known.jobs.len() >= MAX_KNOWN {
            return Err(Failure::Busy);
        }
        known.highest += 1;
        let (id, cancelled) = (known.highest, CancellationToken::new());
        let job = Job {
            id,
            kind,
            title,
            by: who.name().to_string(),
            state: JobState::Waiting,
            done: 0,
            total: total as u64,
            failed: 0,
            failures: Vec::new(),
            outcome: String::new(),
            ordered_at: Timestamp(Clock.now().unix),
            ended_at: None,
        };
        let entry = Entry { job, by: who.name().clone(), cancelled: cancelled.clone() };
        known.jobs.insert(id, entry);
        Ok(Progress {
            known: Arc::clone(&self.known),
            turns: Arc::clone(&self.turns),
            id,
            cancelled,
            end: JobState::Failed,
        })
    }

    /// Returns the jobs that the user may see, the newest first.
    pub(crate) fn list(&self, who: &Who) -> Vec<Job> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = known.jobs.values().rev().filter(|entry| sees(who, entry));
        seen.map(|entry| entry.job.clone()).collect()
    }

    /// Returns one.
    pub(crate) fn one(&self, who: &Who, id: u64) -> Reply<Job> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = known.jobs.get(&id).filter(|entry| sees(who, entry)).ok_or(Failure::Absent)?;
        Ok(entry.job.clone())
    }

    /// Ends one between two steps.
    pub(crate) fn cancel(&self, who: &Who, id: u64) -> Reply<Job> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = known.jobs.get(&id).filter(|entry| sees(who, entry)).ok_or(Failure::Absent)?;
        if entry.job.ended_at.is_some() {
            return Err(Failure::Conflict("it has ended already".to_owned()));
        }
        entry.cancelled.cancel();
        Ok(entry.job.clone())
    }
}

/// Whose jobs are seen: one's own, by administrators all.
fn sees(who: &Who, entry: &Entry) -> bool {
    entry.by == *who.name() || who.must(Action::See, Object::Server).is_ok()
}

impl Progress {
    /// Returns the job as it stands.
    pub(crate) fn job(&self) -> Reply<Job> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.jobs.get(&self.id).map(|entry| entry.job.clone()).ok_or(Failure::Internal)
    }

    /// Waits until it may run; returns who ordered it, with the rights that he has by then. None if it was
    /// ended before, or if he may no longer. It may run as long as the first value is held.
    pub(crate) async fn turn(
        &self,
        app: &Shared,
        who: &Who,
    ) -> Option<(OwnedSemaphorePermit, Who)> {
        let turn = tokio::select! {
            turn = Arc::clone(&self.turns).acquire_owned() => turn.ok()?,
            () = self.cancelled.cancelled() => return None,
        };
        let who = self.again(app, who).await?;
        self.change(|job| job.state = JobState::Running);
        Some((turn, who))
    }

    /// Returns who ordered it, with the rights that he has now. None if he may no longer, or if that cannot
    /// be known: then the job says so, and must end.
    pub(crate) async fn again(&self, app: &Shared, who: &Who) -> Option<Who> {
        let detail = match who::again(app, who).await {
            Ok(Some(who)) => return Some(who),
            Ok(None) => "who ordered this is no longer signed in, or may no longer".to_owned(),
            Err(failure) => failure.detail(),
        };
        let what = format!("user {}", who.name());
        self.change(|job| job.failures.push(JobFailure { what, detail }));
        None
    }

    /// Returns whether it is to end.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.is_cancelled()
    }

    /// Notes what came of a step.
    pub(crate) fn step(&self, what: &str, outcome: Reply<()>) {
        self.change(|job| {
            job.done += 1;
            if let Err(failure) = outcome {
                job.failed += 1;
                if job.failures.len() < MAX_FAILURES {
                    let detail = failure.detail();
                    job.failures.push(JobFailure { what: what.to_owned(), detail });
                }
            }
        });
    }

    /// Notes what came of it.
    pub(crate) fn outcome(&self, outcome: String) {
        self.change(|job| job.outcome = outcome);
    }

    /// Returns what work reports to that says itself how far it has come.
    pub(crate) fn teller(&self) -> Teller {
        Teller { known: Arc::clone(&self.known), id: self.id, cancelled: self.cancelled.clone() }
    }

    /// Ends it: it could not be done.
    pub(crate) fn fail(self, what: &str, failure: Failure) {
        self.change(|job| (job.done, job.total) = (0, 1));
        self.step(what, Err(failure));
        self.finish();
    }

    /// Ends it; one of which every step has failed has failed itself.
    pub(crate) fn finish(mut self) {
        let is_all_failed = self.job().is_ok_and(|job| job.total > 0 && job.failed == job.total);
        self.end = if is_all_failed { JobState::Failed } else { JobState::Done };
    }

    /// Ends it before its last step.
    pub(crate) fn give_up(mut self) {
        self.end = JobState::Cancelled;
    }

    fn change(&self, change: impl FnOnce(&mut Job)) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = known.jobs.get_mut(&self.id) {
            change(&mut entry.job);
        }
    }
}

/// What work on another thread reports to.
#[derive(Debug)]
pub(crate) struct Teller {
    known: Arc<Mutex<Known>>,
    id: u64,
    cancelled: CancellationToken,
}

impl Teller {
    /// Notes how far the work has come.
    pub(crate) fn so_far(&self, done: u64, total: u64) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = known.jobs.get_mut(&self.id) {
            (entry.job.done, entry.job.total) = (done.min(total), total);
        }
    }

    /// Returns whether it is to end.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.is_cancelled()
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        let end = self.end;
        self.change(|job| {
            job.state = end;
            job.ended_at = Some(Timestamp(Clock.now().unix));
        });
    }
}

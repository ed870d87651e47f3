//! Jobs that report themselves (rule F8): backups, nightly imports, whatever is run by cron. Nobody
//! looks at them; they say that they began, are done or failed, and that they say nothing is the news.
//!
//! [`Job`] is a machine beside the engine: it is told what the job says and the time, and has a
//! [`View`] of it, which the driver hands to the engine as the check's result. It works with the wall
//! clock alone, because that is what schedules are about.
//!
//! | state | is | the check |
//! | --- | --- | --- |
//! | new | it never reported; nobody expects it before `first_by` | without a result |
//! | up | it reported, and is not due yet | ok |
//! | late | it is due, within the grace time | ok, said so |
//! | down | it is overdue, or runs longer than it may | critical |
//! | running | it said that it began | as before |
//! | failed | it said that it failed | critical |
//! | paused | nothing is expected of it | as before |
//!
//! Only a success ends a problem: not that it runs again, that it is paused, or that time passes.

use hark_model::{Status, Unix};

use crate::message::span;
use crate::plan::PushPlan;

/// What a job says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ping {
    /// It began.
    Start,
    /// It is done.
    Success,
    /// It failed, perhaps with an exit code.
    Failure(Option<u8>),
}

/// How a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobState {
    /// It never reported.
    New,
    /// It reported, and is not due yet.
    Up,
    /// It is due, within its grace time.
    Late,
    /// It is overdue, or runs for too long.
    Down,
    /// It said that it began.
    Running,
    /// It said that it failed.
    Failed,
    /// Nothing is expected of it.
    Paused,
}

impl JobState {
    /// Returns the word used in the API.
    pub fn word(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Up => "up",
            Self::Late => "late",
            Self::Down => "down",
            Self::Running => "running",
            Self::Failed => "failed",
            Self::Paused => "paused",
        }
    }
}

/// What is bad about a job, until its next success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bad {
    /// It said that it failed.
    Failed,
    /// It said nothing, or did not end.
    Down,
}

/// What is remembered of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobRecord {
    /// When it was done the last time.
    pub done_at: Option<Unix>,
    /// Since when it runs.
    pub started_at: Option<Unix>,
    /// What is bad about it.
    pub bad: Option<Bad>,
    /// What was said last, in words.
    pub text: String,
}

/// How a job is at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// In which state.
    pub state: JobState,
    /// What that makes of its check; `None` if nothing is known of it.
    pub status: Option<Status>,
    /// In words.
    pub text: String,
}

/// A job that reports itself.
#[derive(Clone, Debug)]
pub struct Job {
    plan: PushPlan,
    record: JobRecord,
    /// Before that nobody is called overdue: what was said while nobody listened is not known.
    listening: Unix,
}

impl Job {
    /// Makes a job as it is remembered; `now` is when somebody begins to listen to it.
    pub fn new(plan: PushPlan, record: JobRecord, now: Unix) -> Self {
        let listening = now + plan.grace;
        Self { plan, record, listening }
    }

    /// Returns what is to be remembered.
    pub fn record(&self) -> &JobRecord {
        &self.record
    }

    /// Returns what is expected of it.
    pub fn plan(&self) -> &PushPlan {
        &self.plan
    }

    /// Expects something else of it from now on; what is remembered stays.
    pub fn expect(&mut self, plan: PushPlan) {
        self.plan = plan;
    }

    /// Takes what the job says, with `log`, which may be empty.
    pub fn ping(&mut self, ping: Ping, log: &str, now: Unix) {
        let record = &mut self.record;
        let took = record.started_at.map(|at| span(now.since(at).as_secs()));
        let said = match (ping, took) {
            (Ping::Start, _) => {
                record.started_at = Some(now);
                return;
            }
            (Ping::Success, Some(took)) => format!("done in {took}"),
            (Ping::Success, None) => "done".to_owned(),
            (Ping::Failure(Some(code)), _) => format!("failed with exit code {code}"),
            (Ping::Failure(None), _) => "failed".to_owned(),
        };
        record.started_at = None;
        match ping {
            Ping::Success => (record.done_at, record.bad) = (Some(now), None),
            Ping::Failure(_) | Ping::Start => record.bad = Some(Bad::Failed),
        }
        let log = log.trim();
        record.text = match log.split_once('\n') {
            _ if log.is_empty() => said,
            None => format!("{said}: {log}"),
            Some((first, rest)) => format!("{said}: {first}\n{rest}"),
        };
    }

    /// Lets time pass: a job that is overdue is down from now on. Returns true if it is so now and was
    /// not before.
    pub fn tick(&mut self, now: Unix) -> bool {
        let Some(limit) = self.limit().filter(|limit| *limit <= now) else { return false };
        let late = self.due().map_or(now.since(limit), |due| now.since(due));
        let record = &mut self.record;
        record.text = match (record.started_at, self.plan.max_run, record.done_at) {
            (Some(at), Some(most), _) => format!(
                "runs for {}, longer than {}",
                span(now.since(at).as_secs()),
                span(most.as_secs())
            ),
            (_, _, Some(done)) => format!(
                "not done for {}, {} later than expected",
                span(now.since(done).as_secs()),
                span(late.as_secs())
            ),
            (_, _, None) => "never done, and it should be by now".to_owned(),
        };
        record.bad = Some(Bad::Down);
        record.started_at = None;
        true
    }

    /// Returns when [`Job::tick`] or [`Job::view`] have something new to say; `None` if only the job
    /// itself can change that.
    pub fn next_change(&self, now: Unix) -> Option<Unix> {
        let due = self.due().filter(|due| *due > now && self.view(now).state == JobState::Up);
        due.into_iter().chain(self.limit()).min()
    }

    /// Returns when it is due; `None` if nothing is expected of it.
    pub fn due(&self) -> Option<Unix> {
        if self.plan.paused || self.record.bad.is_some() {
            return None;
        }
        match self.record.done_at {
            Some(done) => self.plan.due.next_after(done),
            None => self.plan.first_by,
        }
    }

    /// Returns how it is.
    pub fn view(&self, now: Unix) -> View {
        let record = &self.record;
        let state = match (record.started_at, record.bad) {
            _ if self.plan.paused => JobState::Paused,
            (Some(_), _) => JobState::Running,
            (None, Some(Bad::Failed)) => JobState::Failed,
            (None, Some(Bad::Down)) => JobState::Down,
            (None, None) if self.due().is_some_and(|due| due <= now) => JobState::Late,
            (None, None) if record.done_at.is_none() => JobState::New,
            (None, None) => JobState::Up,
        };
        let status = match (record.bad, record.done_at) {
            (Some(_), _) => Some(Status::Critical),
            (None, Some(_)) => Some(Status::Ok),
            (None, None) => None,
        };
        let text = match state {
            JobState::New => "it never reported".to_owned(),
            JobState::Late => format!("due, not done yet ({})", self.plan.due),
            JobState::Running if record.bad.is_some() => format!("runs again; {}", record.text),
            JobState::Running => "runs".to_owned(),
            JobState::Paused if record.text.is_empty() => "paused".to_owned(),
            JobState::Paused => format!("paused; {}", record.text),
            JobState::Up | JobState::Down | JobState::Failed => record.text.clone(),
        };
        View { state, status, text }
    }

    /// Returns when it is down unless it reports before.
    fn limit(&self) -> Option<Unix> {
        let due = self.due();
        let limit = match (self.record.started_at, self.plan.max_run) {
            _ if self.plan.paused || self.record.bad.is_some() => None,
            (Some(started), Some(most)) => Some(started + most),
            _ => due.map(|due| due + self.plan.grace),
        };
        limit.map(|limit| limit.max(self.listening))
    }
}

#[cfg(test)]
mod tests;

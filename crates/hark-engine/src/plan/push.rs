//! What is expected of a job that reports itself (rule F8).

use std::time::Duration;

use hark_calendar::Recurrence;
use hark_model::Unix;

/// When a job is expected to report, and how late it may.
#[derive(Clone, Debug, PartialEq)]
pub struct PushPlan {
    /// When it is due after the last success.
    pub due: Recurrence,
    /// How late it may be.
    pub grace: Duration,
    /// How long it may run once it has said that it began.
    pub max_run: Option<Duration>,
    /// When a job that never reported must have done so; without it nobody is told of one.
    pub first_by: Option<Unix>,
    /// Nothing is expected of it for now.
    pub paused: bool,
    /// Another number makes another address, and voids the one before.
    pub rotation: u64,
}

impl PushPlan {
    /// How late a job may be, unless given.
    pub const GRACE: Duration = Duration::from_mins(5);
}

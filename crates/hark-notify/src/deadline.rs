//! One bound on the time of a whole delivery, shared by all its steps.

use std::io;
use std::time::Duration;

use hark_config::{Bare, Section};
use hark_model::time::{Clock, Mono};

use crate::error::{Doing, SendError};

/// Longest time limit of a receiver: below the lease of a message, which another try follows.
pub(crate) const MAX_TIMEOUT: Duration = Duration::from_mins(5);

/// Reads a time limit.
pub(crate) fn read_timeout(
    section: &Section<'_>,
    key: &'static str,
    default: Duration,
) -> Duration {
    let duration = section.duration(key, Bare::Seconds, default);
    if duration.is_zero() || duration > MAX_TIMEOUT {
        section.error(key, "must be more than 0s and at most 5m");
        return default;
    }
    duration
}

/// When a delivery must have ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    allowed: Duration,
    end: Mono,
}

impl Deadline {
    /// Starts the clock: everything must be done within `allowed`.
    pub(crate) fn start(allowed: Duration) -> Self {
        Self { allowed, end: Clock.now().mono + allowed }
    }

    /// Returns the time that is left.
    pub(crate) fn left(&self) -> Duration {
        self.end.since(Clock.now().mono)
    }

    /// Returns `error` with the time that all steps together had, where time is what ran out.
    pub(crate) fn of_all_steps(&self, error: SendError) -> SendError {
        if let SendError::Timeout { doing, .. } = error {
            return SendError::Timeout { doing, after: self.allowed };
        }
        error
    }

    /// Waits for `step`, at most until the deadline. Cancelling drops `step`.
    pub(crate) async fn within<T>(
        &self,
        doing: Doing,
        step: impl Future<Output = T>,
    ) -> Result<T, SendError> {
        tokio::time::timeout(self.left(), step)
            .await
            .map_err(|_elapsed| SendError::Timeout { doing, after: self.allowed })
    }

    /// As [`Deadline::within`], for a step whose failure means that the connection broke.
    pub(crate) async fn io<T>(
        &self,
        doing: Doing,
        step: impl Future<Output = io::Result<T>>,
    ) -> Result<T, SendError> {
        self.within(doing, step).await?.map_err(|source| SendError::Broken { doing, source })
    }
}

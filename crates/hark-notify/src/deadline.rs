//! One bound on the time of a whole delivery, shared by all its steps.

use std::io;
use std::time::Duration;

use hark_model::time::{Clock, Mono};

use crate::error::{Doing, SendError};

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

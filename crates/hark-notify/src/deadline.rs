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

    /// Waits for `step`, at most until the deadline. Cancelling drops `step`.
    pub(crate) async fn within<T>(
        &self,
        doing: Doing,
        step: impl Future<Output = T>,
    ) -> Result<T, SendError> {
        let left = self.end.since(Clock.now().mono);
        tokio::time::timeout(left, step)
            .await
            .map_err(|_elapsed| SendError::Timeout { doing, after: self.allowed })
    }

    /// As [`Deadline::within`], for the first of `n` steps that could replace each other: it gets
    /// its share of what is left, so that one that hangs does not use up the time of the rest.
    pub(crate) async fn share<T>(
        &self,
        doing: Doing,
        n: usize,
        step: impl Future<Output = T>,
    ) -> Result<T, SendError> {
        let left = self.end.since(Clock.now().mono) / u32::try_from(n.max(1)).unwrap_or(u32::MAX);
        tokio::time::timeout(left, step)
            .await
            .map_err(|_elapsed| SendError::Timeout { doing, after: left })
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

//! Jobs that report themselves.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::time::Timestamp;

/// A job that reports itself, and where it does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Push {
    /// Its host.
    pub host: String,
    /// Its check.
    pub check: String,
    /// How it is: `new`, `up`, `late`, `down`, `running`, `failed` or `paused`.
    pub state: String,
    /// In words.
    pub text: String,
    /// When it is expected, in words: `0 3 * * * Europe/Berlin`.
    pub schedule: String,
    /// When it was done the last time.
    #[schema(required = true)]
    pub done_at: Option<Timestamp>,
    /// When it is due; null if nothing is expected of it, or it is late enough to be a problem.
    #[schema(required = true)]
    pub due_at: Option<Timestamp>,
    /// The path that it calls on this server. Whoever knows it can speak for the job.
    pub path: String,
}

//! Why there is no answer.

use thiserror::Error;

/// Why there is no answer. The texts are Prometheus' where it has one, since programs and people know
/// them.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum QueryError {
    /// The question is none.
    #[error("{0}")]
    Bad(String),
    /// The question cannot be answered of these series, or is larger than it may be.
    #[error("{0}")]
    Execution(String),
    /// It took too long.
    #[error("query timed out in expression evaluation")]
    Timeout,
    /// Nobody waits for it any more.
    #[error("query was canceled in expression evaluation")]
    Canceled,
    /// The source failed.
    #[error("{0}")]
    Source(String),
}

impl QueryError {
    /// Returns the word by which Prometheus' API calls this kind of error.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Bad(_) => "bad_data",
            Self::Execution(_) => "execution",
            Self::Timeout => "timeout",
            Self::Canceled => "canceled",
            Self::Source(_) => "internal",
        }
    }

    pub(crate) fn bad(text: &str) -> Self {
        Self::Bad(text.to_owned())
    }

    pub(crate) fn same_labels() -> Self {
        Self::Execution("vector cannot contain metrics with the same labelset".to_owned())
    }
}

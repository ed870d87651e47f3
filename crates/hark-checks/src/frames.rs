//! What the types that speak a protocol of messages share: reading one message after another from a
//! [`Link`], and saying at which step a dialogue ended.

use std::{fmt, io};

use crate::endpoint::Endpoint;
use crate::finding::Finding;
use crate::link::Link;

/// Why a dialogue ended before its end.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The connection failed, or what came is not of the protocol, at this step.
    Broken {
        /// The step, as a failure: `no greeting`.
        doing: &'static str,
        /// What was met.
        error: io::Error,
    },
    /// What it means was found out already.
    Found(Finding),
    /// What was said decides it, whatever follows.
    Judged(Finding),
}

impl Stop {
    /// Returns what it means for a check of `endpoint`.
    pub(crate) fn finding(self, endpoint: &Endpoint, link: &Link) -> Finding {
        match self {
            Self::Broken { doing, error } => endpoint.broken(&link.seen(), doing, &error),
            Self::Found(finding) => finding,
            Self::Judged(finding) => endpoint.judge(&link.seen(), finding),
        }
    }
}

/// Says at which step something failed.
pub(crate) trait During<T> {
    /// Names the step, as a failure: `no greeting`.
    fn during(self, doing: &'static str) -> Result<T, Stop>;
}

impl<T> During<T> for io::Result<T> {
    fn during(self, doing: &'static str) -> Result<T, Stop> {
        self.map_err(|error| Stop::Broken { doing, error })
    }
}

/// Reads one message: `read` finds it at the front of what has come, and says how long it is.
///
/// # Errors
/// If it is not of the protocol, `room` bytes do not hold it, or the stream ends, fails or takes too
/// long.
pub(crate) async fn message<T>(
    link: &mut Link,
    room: usize,
    read: impl Fn(&[u8]) -> Read<T>,
) -> io::Result<T> {
    loop {
        if let Some((message, n)) = read(link.pending()).map_err(foreign)? {
            link.exactly(n).await?;
            return Ok(message);
        }
        if link.pending().len() >= room {
            return Err(foreign("the answer is too long"));
        }
        if link.more().await? == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server hung up"));
        }
    }
}

/// A message at the front of some bytes, and how long it is; `None` if it is not whole yet.
pub(crate) type Read<T> = Result<Option<(T, usize)>, String>;

/// Says that something else was said than must be at this step.
pub(crate) fn unexpected<T>(what: &impl fmt::Debug, doing: &'static str) -> Result<T, Stop> {
    Err(foreign(format!("it says {what:?}"))).during(doing)
}

/// An error of what was said, not of the way.
pub(crate) fn foreign(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

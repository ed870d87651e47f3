//! Why history refuses something.

use std::io;

use thiserror::Error;

use crate::fault::Fault;

/// Why history cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// A newer program has written it.
    #[error("history has version {found}, this hark knows version {known}: start the newer hark")]
    Newer {
        /// The version found.
        found: u32,
        /// The newest version known.
        known: u32,
    },
    /// It cannot be read or written.
    #[error("history cannot be opened: {}", fault.words())]
    Unusable {
        /// What kind of failure.
        fault: Fault,
        /// What it says.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Why a set of series is refused.
#[derive(Debug, Error)]
pub enum DeclareError {
    /// Too few or too many series for one set.
    #[error("a set has 1 to {most} series, this has {found}")]
    Size {
        /// How many it has.
        found: usize,
        /// How many it may have.
        most: usize,
    },
    /// The same series twice.
    #[error("a series stands twice in the set")]
    Twice,
    /// A name is too long.
    #[error("the name of a series has at most {most} bytes")]
    Name {
        /// How many it may have.
        most: usize,
    },
    /// The host has too many series; those it had go on.
    #[error("a host has at most {most} series")]
    TooMany {
        /// How many it may have.
        most: usize,
    },
    /// The number of the host cannot be.
    #[error("host number {0} is out of range")]
    Host(u32),
    /// The host was dropped, and what it had is being erased.
    #[error("the host was dropped")]
    Gone,
    /// History is stopped, or stops now.
    #[error("history is stopped")]
    Stopped(#[source] Option<Trouble>),
}

impl From<Trouble> for DeclareError {
    fn from(trouble: Trouble) -> Self {
        Self::Stopped(Some(trouble))
    }
}

/// Why a frame is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AppendError {
    /// History is stopped: nothing may be acknowledged.
    #[error("history is stopped")]
    Stopped,
    /// The set was not declared since history was opened anew: declare it again.
    #[error("the set of the frame is not declared")]
    Undeclared,
    /// The host was dropped. It may be acknowledged: it will never be accepted.
    #[error("the host of the frame was dropped")]
    Gone,
    /// The frame's time lies more than a day ahead, or before what is kept. It may be acknowledged:
    /// it will never be accepted.
    #[error("the time of the frame is out of range")]
    Time,
}

/// A failing disk, as the parts of history meet it.
#[derive(Debug, Error)]
pub enum Trouble {
    /// The operating system failed.
    #[error("cannot write: {}", Fault::of_io(.0).words())]
    Io(#[from] io::Error),
    /// `SQLite` failed.
    #[error("cannot write: {}", Fault::of_sql(.0).words())]
    Sql(#[from] rusqlite::Error),
    /// A newer program has written it.
    #[error("version {found} is not known")]
    Newer {
        /// The version found.
        found: u32,
        /// The newest version known.
        known: u32,
    },
}

impl Trouble {
    /// Returns what kind of failure it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Io(error) => Fault::of_io(error),
            Self::Sql(error) => Fault::of_sql(error),
            Self::Newer { .. } => Fault::Other,
        }
    }
}

impl From<Trouble> for OpenError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Newer { found, known } => Self::Newer { found, known },
            Trouble::Io(_) | Trouble::Sql(_) => {
                Self::Unusable { fault: trouble.fault(), source: Box::new(trouble) }
            }
        }
    }
}

//! What a check can say, and how bad that is.

use std::fmt;

/// What a check says. The order of the variants is not an order of badness: see [`Status::rank`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// As it should be: needs a fresh, good result.
    Ok,
    /// Somebody should look.
    Warning,
    /// Something is broken. A host that is down is critical.
    Critical,
    /// The check itself could not tell.
    Unknown,
}

impl Status {
    /// Every status, best first.
    pub const ALL: [Self; 4] = [Self::Ok, Self::Unknown, Self::Warning, Self::Critical];

    /// Returns how bad it is, 0 (ok) to 3 (critical); unknown is below warning, so that a failing
    /// check never hides a real problem.
    pub fn rank(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Unknown => 1,
            Self::Warning => 2,
            Self::Critical => 3,
        }
    }

    /// Returns the worse of the two.
    #[must_use]
    pub fn worse(self, other: Self) -> Self {
        if other.rank() > self.rank() { other } else { self }
    }

    /// Returns true for everything but [`Status::Ok`].
    pub fn is_problem(self) -> bool {
        self != Self::Ok
    }

    /// Returns the word used in the API and in files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Critical => "critical",
            Self::Unknown => "unknown",
        }
    }

    /// Returns the status for a word made by [`Status::word`], in any case.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.word().eq_ignore_ascii_case(word))
    }

    /// Returns the exit code of a Nagios plugin with this status: 0, 1, 2 or 3.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warning => 1,
            Self::Critical => 2,
            Self::Unknown => 3,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// How bad an event, incident or notification is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Good to know; recoveries.
    #[default]
    Info,
    /// The check could not tell.
    Unknown,
    /// Somebody should look.
    Warning,
    /// Somebody must look now.
    Critical,
}

impl Severity {
    /// Returns the word used in the API and in files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Unknown => "unknown",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }

    /// Returns the severity for a word made by [`Severity::word`], in any case.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Info, Self::Unknown, Self::Warning, Self::Critical]
            .into_iter()
            .find(|s| s.word().eq_ignore_ascii_case(word))
    }
}

impl From<Status> for Severity {
    fn from(status: Status) -> Self {
        match status {
            Status::Ok => Self::Info,
            Status::Warning => Self::Warning,
            Status::Critical => Self::Critical,
            Status::Unknown => Self::Unknown,
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_round_trip() {
        for status in Status::ALL {
            assert_eq!(Status::from_word(status.word()), Some(status));
        }
        assert_eq!(Status::from_word("CRITICAL"), Some(Status::Critical));
        assert_eq!(Status::from_word("bad"), None);
    }

    #[test]
    fn critical_is_worst_and_unknown_never_hides_a_warning() {
        assert_eq!(Status::Unknown.worse(Status::Warning), Status::Warning);
        assert_eq!(Status::Critical.worse(Status::Unknown), Status::Critical);
    }
}

//! The few closed sets of words that many answers use.

use hark_model::record::JournalKind;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a check says, with the state before its first result.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// As it should be.
    Ok,
    /// Somebody should look.
    Warning,
    /// Broken, down.
    Critical,
    /// The check could not tell.
    Unknown,
    /// No result yet.
    Pending,
}

impl Status {
    /// Returns its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Critical => "critical",
            Self::Unknown => "unknown",
            Self::Pending => "pending",
        }
    }

    /// Returns its place in lists that begin with the worst.
    pub fn place(self) -> u8 {
        match self {
            Self::Critical => 0,
            Self::Warning => 1,
            Self::Unknown => 2,
            Self::Pending => 3,
            Self::Ok => 4,
        }
    }
}

impl From<hark_model::Status> for Status {
    fn from(status: hark_model::Status) -> Self {
        match status {
            hark_model::Status::Ok => Self::Ok,
            hark_model::Status::Warning => Self::Warning,
            hark_model::Status::Critical => Self::Critical,
            hark_model::Status::Unknown => Self::Unknown,
        }
    }
}

impl From<Option<hark_model::Status>> for Status {
    fn from(status: Option<hark_model::Status>) -> Self {
        status.map_or(Self::Pending, Self::from)
    }
}

/// The same, short: what the page draws.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Critical, down.
    Crit,
    /// Warning.
    Warn,
    /// Unknown.
    Unk,
    /// Good.
    Ok,
}

impl From<hark_model::Status> for State {
    fn from(status: hark_model::Status) -> Self {
        match status {
            hark_model::Status::Ok => Self::Ok,
            hark_model::Status::Warning => Self::Warn,
            hark_model::Status::Critical => Self::Crit,
            hark_model::Status::Unknown => Self::Unk,
        }
    }
}

/// A host's or check's state in one letter, as strips and tables hold it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
pub enum Letter {
    /// Good.
    #[serde(rename = "o")]
    Ok,
    /// Warning.
    #[serde(rename = "w")]
    Warning,
    /// Critical, down.
    #[serde(rename = "c")]
    Critical,
    /// Unknown.
    #[serde(rename = "u")]
    Unknown,
    /// In maintenance.
    #[serde(rename = "m")]
    Maintenance,
    /// No data, or waiting for the first.
    #[serde(rename = "-")]
    None,
}

impl Letter {
    /// Returns the letter itself.
    pub fn letter(self) -> char {
        match self {
            Self::Ok => 'o',
            Self::Warning => 'w',
            Self::Critical => 'c',
            Self::Unknown => 'u',
            Self::Maintenance => 'm',
            Self::None => '-',
        }
    }
}

impl From<hark_model::Status> for Letter {
    fn from(status: hark_model::Status) -> Self {
        match status {
            hark_model::Status::Ok => Self::Ok,
            hark_model::Status::Warning => Self::Warning,
            hark_model::Status::Critical => Self::Critical,
            hark_model::Status::Unknown => Self::Unknown,
        }
    }
}

/// Writes letters as a strip: each letter followed by how often it stands in a row (`o40w6c2`).
pub fn strip(letters: impl IntoIterator<Item = Letter>) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    let mut run: Option<(Letter, u32)> = None;
    let mut write = |run: Option<(Letter, u32)>| {
        if let Some((letter, n)) = run {
            // Writing into a String cannot fail.
            write!(text, "{}{n}", letter.letter()).unwrap_or_default();
        }
    };
    for letter in letters {
        run = match run {
            Some((same, n)) if same == letter => Some((same, n + 1)),
            other => {
                write(other);
                Some((letter, 1))
            }
        };
    }
    write(run);
    text
}

/// How bad.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    Info,
    /// The check could not tell.
    Unknown,
    /// Somebody should look.
    Warning,
    /// Somebody must look now.
    Critical,
}

impl From<hark_model::Severity> for Severity {
    fn from(severity: hark_model::Severity) -> Self {
        match severity {
            hark_model::Severity::Info => Self::Info,
            hark_model::Severity::Unknown => Self::Unknown,
            hark_model::Severity::Warning => Self::Warning,
            hark_model::Severity::Critical => Self::Critical,
        }
    }
}

impl From<Severity> for hark_model::Severity {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Info => Self::Info,
            Severity::Unknown => Self::Unknown,
            Severity::Warning => Self::Warning,
            Severity::Critical => Self::Critical,
        }
    }
}

/// How fresh the newest result is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Fresh {
    /// Within its interval.
    Fresh,
    /// Past one and a half intervals.
    Late,
    /// Past its deadline.
    Stale,
}

impl From<hark_model::record::Fresh> for Fresh {
    fn from(fresh: hark_model::record::Fresh) -> Self {
        match fresh {
            hark_model::record::Fresh::Fresh => Self::Fresh,
            hark_model::record::Fresh::Late => Self::Late,
            hark_model::record::Fresh::Stale => Self::Stale,
        }
    }
}

/// What kind of line an activity is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A check's believed status changed.
    Transition,
    /// A message was put into the outbox.
    Told,
    /// A message was kept back.
    Withheld,
    /// Somebody did something.
    Operator,
    /// A thing happened on a host.
    Event,
    /// The server did or met something.
    Server,
}

impl From<JournalKind> for Kind {
    fn from(kind: JournalKind) -> Self {
        match kind {
            JournalKind::Transition => Self::Transition,
            JournalKind::Told => Self::Told,
            JournalKind::Withheld => Self::Withheld,
            JournalKind::Operator => Self::Operator,
            JournalKind::Event => Self::Event,
            JournalKind::Server => Self::Server,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strips_are_run_lengths() {
        use Letter::{Critical, None, Ok, Warning};
        assert_eq!(strip([]), "");
        assert_eq!(strip([Ok, Ok, Warning, Critical, Critical, None]), "o2w1c2-1");
        assert_eq!(strip([Ok; 48]), "o48");
    }

    #[test]
    fn words_are_those_of_the_model() {
        for status in hark_model::Status::ALL {
            let word = serde_json::to_value(Status::from(status)).unwrap();
            assert_eq!(word, status.word());
        }
        for kind in JournalKind::ALL {
            assert_eq!(serde_json::to_value(Kind::from(kind)).unwrap(), kind.word());
        }
        let letter = serde_json::to_value(Letter::None).unwrap();
        assert_eq!(letter, Letter::None.letter().to_string());
    }
}

//! Things that happened on a host.

use crate::status::Severity;
use crate::time::Unix;

/// What kind of thing happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// The agent's host has booted.
    Boot,
    /// The agent's host or the agent itself ends in order.
    Shutdown,
    /// A free text (`hark send -m TEXT`).
    Message,
    /// Anything else, named by who made it.
    Other(String),
}

impl EventKind {
    /// Returns the word used in the API, in files and on the wire.
    pub fn word(&self) -> &str {
        match self {
            Self::Boot => "boot",
            Self::Shutdown => "shutdown",
            Self::Message => "message",
            Self::Other(word) => word,
        }
    }

    /// Returns the kind for a word made by [`EventKind::word`].
    pub fn from_word(word: &str) -> Self {
        match word {
            "boot" => Self::Boot,
            "shutdown" => Self::Shutdown,
            "message" => Self::Message,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// A thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// When, by the clock of the one who saw it.
    pub at: Unix,
    /// What.
    pub kind: EventKind,
    /// How bad.
    pub severity: Severity,
    /// For people. At most [`Event::MAX_TEXT`] bytes.
    pub text: String,
    /// Words to match on.
    pub tags: Vec<String>,
    /// What programs are to read: one JSON value as text, of at most [`Event::MAX_DATA`] bytes. Whoever takes an
    /// event in from outside sees to that; it is no place to look for something that is secret.
    pub data: Option<String>,
}

impl Event {
    /// Bound on the text: an event must fit one datagram below 1200 bytes.
    pub const MAX_TEXT: usize = 900;

    /// Bound on the data, which is brought whole or not at all: beside the longest words there is room for a
    /// line of text in the same datagram.
    pub const MAX_DATA: usize = 500;
}

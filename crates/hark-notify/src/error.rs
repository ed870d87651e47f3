//! Why a message did not arrive, and what that means for the next try.

use std::error::Error;
use std::fmt::{self, Write as _};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

/// What was being done when time ran out or the connection broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Looking the name up.
    Resolving,
    /// Opening the connection.
    Connecting,
    /// Agreeing on TLS.
    Securing,
    /// Greeting and logging in.
    Greeting,
    /// Naming sender and recipients, or sending the message.
    Sending,
    /// Waiting for the answer to a message that has been sent whole: it may have arrived.
    Waiting,
    /// Reading a mailbox.
    Reading,
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolving => "looking up the name",
            Self::Connecting => "connecting",
            Self::Securing => "agreeing on TLS",
            Self::Greeting => "greeting and logging in",
            Self::Sending => "sending",
            Self::Waiting => "waiting for the answer to a message sent whole",
            Self::Reading => "reading the mailbox",
        })
    }
}

/// Why a message did not arrive. Texts never hold a password, token, signature or the path of an
/// address: they are stored, shown on the page and logged.
#[derive(Debug, Error)]
pub enum SendError {
    /// A template failed on this message although it passed when the configuration was read.
    #[error("the template could not be filled in")]
    Render(#[source] minijinja::Error),
    /// The parts do not make a message.
    #[error("the message could not be put together: {what}")]
    Compose {
        /// What is wrong.
        what: String,
    },
    /// The receiver's name has no address now.
    #[error("no address for {host}")]
    Unresolved {
        /// The name.
        host: String,
        /// What the resolver said.
        #[source]
        source: io::Error,
    },
    /// The receiver's name leads to an address that the settings keep out.
    #[error("{host} leads to the private address {address}, which `forbid_private` keeps out")]
    Forbidden {
        /// The name.
        host: String,
        /// Where it leads.
        address: IpAddr,
    },
    /// Nobody answers at the address.
    #[error("no connection to {address}")]
    Unreachable {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// TLS failed, most often because the certificate is not trusted.
    #[error("no TLS with {host}")]
    Untrusted {
        /// The name that the certificate must have.
        host: String,
        /// What was wrong.
        #[source]
        source: io::Error,
    },
    /// The file named by `ca_file` cannot be used.
    #[error("cannot use the certificates in {path}")]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What was wrong.
        #[source]
        source: io::Error,
    },
    /// Time ran out.
    #[error("timed out after {} s while {doing}", .after.as_secs_f32())]
    Timeout {
        /// What was being done.
        doing: Doing,
        /// How long the whole try was allowed to take.
        after: Duration,
    },
    /// The connection ended early or spoke nonsense.
    #[error("the connection failed while {doing}")]
    Broken {
        /// What was being done.
        doing: Doing,
        /// What was wrong.
        #[source]
        source: io::Error,
    },
    /// The other side cannot do what the settings demand.
    #[error("{host} does not offer {what}")]
    Lacks {
        /// The other side.
        host: String,
        /// What is missing.
        what: &'static str,
    },
    /// The other side said no.
    #[error("answered {code}{}{text}", if text.is_empty() { "" } else { ": " })]
    Refused {
        /// Its code (HTTP status, SMTP reply).
        code: u16,
        /// What it said, shortened.
        text: String,
        /// Whether to ask again.
        again: Again,
    },
    /// A program of this machine, or a service that speaks no HTTP, did not take it.
    #[error("{what}")]
    Program {
        /// What it did, and its words.
        what: String,
        /// Whether to ask again.
        again: Again,
    },
    /// Some recipients were served, others were put off; a retry goes to those alone.
    #[error("put off for {}: {text}", .waiting.join(", "))]
    Partly {
        /// Who still waits.
        waiting: Vec<String>,
        /// What was said about the first of them.
        text: String,
    },
}

/// Whether the same message may succeed later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// Never: the other side refuses this message for good.
    Never,
    /// Later, when is up to us.
    Later,
    /// Later, not before this time has passed.
    After(Duration),
}

/// Bound on the text of a failure: it stands in a row of the outbox and on the page.
const MAX_TEXT: usize = 500;

impl SendError {
    /// Returns the word for it in the API and in the metrics.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Render(_) | Self::Compose { .. } => "message",
            Self::Unresolved { .. } => "name",
            Self::Forbidden { .. } => "forbidden",
            Self::Unreachable { .. } => "unreachable",
            Self::Untrusted { .. } | Self::CaFile { .. } => "tls",
            Self::Timeout { .. } => "timeout",
            Self::Broken { .. } => "broken",
            Self::Lacks { .. } => "lacks",
            Self::Refused { again: Again::Never, .. } => "refused",
            Self::Refused { .. } => "put_off",
            Self::Program { .. } => "program",
            Self::Partly { .. } => "partly",
        }
    }

    /// Returns true if sending the same message again is useless.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Render(_) | Self::Compose { .. } | Self::Forbidden { .. } => true,
            Self::Refused { again, .. } | Self::Program { again, .. } => *again == Again::Never,
            Self::Unresolved { .. }
            | Self::Unreachable { .. }
            | Self::Untrusted { .. }
            | Self::CaFile { .. }
            | Self::Timeout { .. }
            | Self::Broken { .. }
            | Self::Lacks { .. }
            | Self::Partly { .. } => false,
        }
    }

    /// Returns how long the other side asked to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { again: Again::After(wait), .. }
            | Self::Program { again: Again::After(wait), .. } => Some(*wait),
            Self::Refused { again: Again::Never | Again::Later, .. }
            | Self::Program { again: Again::Never | Again::Later, .. }
            | Self::Render(_)
            | Self::Compose { .. }
            | Self::Unresolved { .. }
            | Self::Forbidden { .. }
            | Self::Unreachable { .. }
            | Self::Untrusted { .. }
            | Self::CaFile { .. }
            | Self::Timeout { .. }
            | Self::Broken { .. }
            | Self::Lacks { .. }
            | Self::Partly { .. } => None,
        }
    }

    /// Returns true if the message may have arrived all the same: it must be sent again under the
    /// same key.
    pub fn is_outcome_unknown(&self) -> bool {
        matches!(
            self,
            Self::Timeout { doing: Doing::Waiting, .. }
                | Self::Broken { doing: Doing::Waiting, .. }
        )
    }

    /// Returns the error with all its causes in one line of at most 500 bytes.
    pub fn text(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            let said = error.to_string();
            // Wrappers such as `io::Error::other` repeat the text of what they wrap.
            if !text.ends_with(&said) && write!(text, ": {said}").is_err() {
                break;
            }
            cause = error.source();
        }
        one_line(&text, MAX_TEXT)
    }
}

/// Returns `text` without control characters and at most `max` bytes long, cut at a character.
pub(crate) fn one_line(text: &str, max: usize) -> String {
    let mut line = String::with_capacity(text.len().min(max));
    for c in text.trim().chars() {
        let c = if c.is_control() { ' ' } else { c };
        if line.len() + c.len_utf8() > max {
            break;
        }
        line.push(c);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_holds_the_whole_chain_once() {
        let error = SendError::Unresolved {
            host: "smtp.example.net".to_owned(),
            source: io::Error::other("no such name"),
        };
        assert_eq!(error.text(), "no address for smtp.example.net: no such name");
    }

    #[test]
    fn text_is_one_short_line() {
        let error = SendError::Refused {
            code: 500,
            text: format!("a\r\nb{}", "é".repeat(600)),
            again: Again::Later,
        };
        assert!(error.text().starts_with("answered 500: a  b"));
        assert!(error.text().len() <= MAX_TEXT);
    }

    #[test]
    fn only_a_lost_answer_leaves_the_outcome_open() {
        let at = |doing| SendError::Timeout { doing, after: Duration::from_secs(1) };
        assert!(at(Doing::Waiting).is_outcome_unknown());
        assert!(!at(Doing::Sending).is_outcome_unknown());
        assert!(!at(Doing::Waiting).is_permanent());
    }
}

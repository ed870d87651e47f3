//! Handling an incident from outside the page, with the token that a message carried.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The longest that an acknowledgement from outside may hold on by itself: who wants more logs in.
pub const MAX_HELD_SECONDS: u64 = 7 * 24 * 3600;

/// Acknowledges the incident that a message was about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HandleRequest {
    /// The token of the message. It is all that is needed, and good for nothing else.
    pub token: String,
    /// How the token came back.
    #[serde(default)]
    pub way: Way,
    /// The address that a mail says it is from. It proves nothing: a user whom the configuration knows by
    /// it is named, and may do no more than that user may.
    #[serde(default)]
    pub from: String,
    /// Why; may be empty.
    #[serde(default)]
    pub comment: String,
    /// For how long, at most a week; until it is over if not given.
    #[serde(default)]
    pub for_seconds: Option<u64>,
    /// Survives a rise in severity.
    #[serde(default)]
    pub sticky: bool,
}

/// How a token came back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// By the link in the message.
    #[default]
    Link,
    /// By a reply to the mail.
    Mail,
}

impl Way {
    /// Returns it in words, as in the audit.
    pub fn words(self) -> &'static str {
        match self {
            Self::Link => "by the link in a message",
            Self::Mail => "by a reply to a mail",
        }
    }
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Handled {
    /// The incident's number.
    pub incident: u64,
    /// The host.
    pub host: String,
    /// The check.
    pub check: String,
    /// As whom: a user, if the configuration knows who answers; else those who read the messages of a
    /// receiver.
    pub by: String,
    /// Whether something was changed: not if somebody had it already, or it is over.
    pub done: bool,
    /// Whether nothing was done because the user may not.
    #[serde(default)]
    pub refused: bool,
    /// What is so now, in a sentence.
    pub text: String,
}

//! What the answer of a service means for a message.

use std::time::Duration;

use hark_model::time::{Clock, Unix};
use hark_net::Reply;
use http::StatusCode;

use crate::Delivered;
use crate::error::{Again, SendError};

/// What a service answered.
#[derive(Debug)]
pub(crate) struct Answered {
    /// The status.
    pub(crate) status: StatusCode,
    /// What it said about when to come again.
    pub(crate) retry_after: Option<Duration>,
    /// By how many milliseconds its clock is ahead of ours, as far as `Date` says it.
    ahead: i64,
    /// The beginning of the content in one line, without our secrets: may be shown.
    pub(crate) text: String,
    document: serde_json::Value,
}

/// Judges what came back now.
impl From<Reply> for Answered {
    fn from(reply: Reply) -> Self {
        let now = Clock.now().unix;
        Self {
            status: reply.status,
            retry_after: reply.retry_after(now),
            ahead: reply.ahead(now),
            document: reply.json(),
            text: reply.text,
        }
    }
}

impl Answered {
    /// Returns the content as JSON; nothing if it is none. It may repeat secrets: only what is taken
    /// out of it on purpose may be shown.
    pub(crate) fn json(&self) -> serde_json::Value {
        self.document.clone()
    }

    /// Returns when by our clock it was what the service calls `theirs`: times of a service are never
    /// compared with ours as they are.
    pub(crate) fn by_our_clock(&self, theirs: Unix) -> Unix {
        Unix(theirs.0.saturating_sub(self.ahead))
    }

    /// Returns when to try again, by the status and the headers alone.
    pub(crate) fn again(&self) -> Again {
        let status = self.status;
        if !status.is_server_error() && !matches!(status.as_u16(), 408 | 425 | 429) {
            return Again::Never;
        }
        self.retry_after.map_or(Again::Later, Again::After)
    }

    /// Judges by the status alone.
    ///
    /// # Errors
    /// If the status is not 2xx.
    pub(crate) fn delivered(self) -> Result<Delivered, SendError> {
        if self.status.is_success() {
            let text = format!("{} {}", self.status.as_u16(), self.text).trim().to_owned();
            return Ok(Delivered { text, ..Delivered::default() });
        }
        let again = self.again();
        Err(self.refused(again))
    }

    /// As [`Answered::delivered`], with what the service calls the message.
    ///
    /// # Errors
    /// If the status is not 2xx.
    pub(crate) fn delivered_as(self, reference: Option<String>) -> Result<Delivered, SendError> {
        Ok(Delivered { reference, ..self.delivered()? })
    }

    /// Returns that the service said no, in its own words.
    pub(crate) fn refused(self, again: Again) -> SendError {
        let text = if self.status.is_redirection() {
            "redirects are not followed, put the final address into `url`".to_owned()
        } else {
            self.text
        };
        SendError::Refused { code: self.status.as_u16(), text, again }
    }
}

/// Returns true if `error` is one of these statuses, for good.
pub(crate) fn is_refused_as(error: &SendError, statuses: &[u16]) -> bool {
    matches!(error, SendError::Refused { code, again: Again::Never, .. } if statuses.contains(code))
}

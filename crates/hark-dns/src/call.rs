//! One call of a service, and what its answer means where the service says nothing better.

use std::time::Duration;

use hark_config::{Key, Kind, Section};
use hark_model::time::Clock;
use hark_net::{Call, CallError, Client, Origin, Reply, Tls, Trust, one_line};
use http::HeaderMap;
use http::header::RETRY_AFTER;

use crate::way::{Context, Failure};

/// The time for one request.
const TIME: Duration = Duration::from_secs(20);

/// Bound on an answer: a list of a name's records.
const MAX_ANSWER: usize = 1 << 20;

/// Bound on what is repeated of an answer that is not understood, in bytes.
pub(crate) const MAX_SAID: usize = 200;

/// How long a service is left alone that wants to be and does not say for how long.
pub(crate) const PATIENCE: Duration = Duration::from_mins(5);

/// The settings of a service's address.
pub(crate) const ENDPOINT: Key =
    Key::new("endpoint", Kind::Text, "Address of the service, if another one than the usual.");
pub(crate) const CA_FILE: Key = Key::new(
    "ca_file",
    Kind::Text,
    "PEM file of the authorities to trust instead of the system's.",
);

/// A service.
#[derive(Debug)]
pub(crate) struct Service(Client);

/// What it answers.
pub(crate) struct Answered {
    pub(crate) status: u16,
    /// The whole content: it may repeat secrets.
    pub(crate) text: String,
    reply: Reply,
}

impl Service {
    /// Reads where it is; `usual` if nothing else is said.
    pub(crate) fn read(section: &Section<'_>, usual: &str) -> Option<Self> {
        let trust = Trust::of_settings(section.opt_str("ca_file"), false);
        let address = section.opt_str("endpoint").unwrap_or(usual);
        match Self::at(address, trust) {
            Ok(service) => Some(service),
            Err(error) => {
                section.error("endpoint", error);
                None
            }
        }
    }

    pub(crate) fn at(address: &str, trust: Trust) -> Result<Self, String> {
        Ok(Self(Client::at(address, Tls::new(trust))?.reading(MAX_ANSWER)))
    }

    /// Returns its address, for people.
    pub(crate) fn origin(&self) -> &Origin {
        self.0.origin()
    }

    /// Returns what stands before each path.
    pub(crate) fn base(&self) -> &str {
        self.0.base().trim_end_matches('/')
    }

    /// Makes a call.
    pub(crate) async fn call(&self, context: &Context, call: Call) -> Result<Answered, Failure> {
        match self.0.call(&*context.resolve, call, TIME).await {
            Ok(reply) => Ok(Answered {
                status: reply.status.as_u16(),
                text: reply.content().into_owned(),
                reply,
            }),
            Err(error) => {
                let failure = Failure::from(error);
                Err(Failure { text: format!("{}: {}", self.origin(), failure.text), ..failure })
            }
        }
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        if matches!(error, CallError::Compose(_)) {
            return Self::refused(error.to_string());
        }
        let is_open = error.may_be_heard();
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(error) = cause {
            let said = error.to_string();
            // Wrappers repeat the text of what they wrap.
            if !text.ends_with(&said) {
                text = format!("{text}: {said}");
            }
            cause = error.source();
        }
        if is_open { Self::unanswered(text) } else { Self::away(text) }
    }
}

impl Answered {
    pub(crate) fn is_good(&self) -> bool {
        self.reply.status.is_success()
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.reply.headers
    }

    /// Returns its content as JSON; null if it is none.
    pub(crate) fn json(&self) -> serde_json::Value {
        self.reply.json()
    }

    /// Says what a refusal means; `said` is what the service says of it, if that was found.
    pub(crate) fn refusal(&self, said: Option<&str>) -> Failure {
        let said = one_line(said.unwrap_or(&self.text), MAX_SAID);
        let text = format!("{} {said}", self.status).trim_end().to_owned();
        match self.status {
            401 | 403 => Failure::refused(text),
            429 => {
                let wait = self.reply.retry_after(Clock.now().unix).unwrap_or(PATIENCE);
                Failure::not_before(wait, text)
            }
            408 | 425 => Failure::away(text),
            503 if self.headers().contains_key(RETRY_AFTER) => {
                let wait = self.reply.retry_after(Clock.now().unix).unwrap_or(PATIENCE);
                Failure::not_before(wait, text)
            }
            300..=399 => Failure::refused(format!("{text}: redirects are not followed")),
            500.. => Failure::unanswered(text),
            _ => Failure::of_name(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, StatusCode};

    use super::*;
    use crate::way::{Again, Scope};

    fn answered(status: u16, header: Option<&'static str>) -> Answered {
        let mut headers = HeaderMap::new();
        headers.extend(header.map(|value| (RETRY_AFTER, HeaderValue::from_static(value))));
        let (text, body) = ("nope".to_owned(), b"nope\n".to_vec());
        let status_code = StatusCode::from_u16(status).unwrap();
        let reply = Reply { status: status_code, headers, text, body, is_whole: true };
        Answered { status, text: reply.content().into_owned(), reply }
    }

    #[test]
    fn statuses_mean_what_they_say() {
        let failure = |status, header| answered(status, header).refusal(None);
        assert_eq!(failure(401, None), Failure::refused("401 nope"));
        assert_eq!(failure(404, None).scope, Scope::Name);
        assert_eq!(failure(503, None).again, Again::Later);
        assert!(failure(500, None).maybe_done);
        assert_eq!(failure(429, Some("7")).again, Again::After(Duration::from_secs(7)));
        assert_eq!(failure(429, None).again, Again::After(PATIENCE));
    }
}

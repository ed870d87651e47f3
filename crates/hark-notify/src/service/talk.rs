//! One delivery to a service: its calls, under one time limit, noted in the log of deliveries.

use hark_net::{Call, CallError, HttpError, MASK};
use http::HeaderMap;
use http::header::{HOST, USER_AGENT};

use super::{Answered, Service};
use crate::Context;
use crate::deadline::Deadline;
use crate::error::{Doing, SendError};
use crate::reach::untrusted;
use crate::trace::Asked;

/// What stands for a path that is a secret.
const HIDDEN_PATH: &str = "/…";

/// Parts of the names of headers that prove who sends: their values are never shown.
const PROOFS: [&str; 5] = ["authorization", "token", "signature", "secret", "cookie"];

/// One delivery under way.
#[derive(Debug)]
pub(crate) struct Talk<'a> {
    service: &'a Service,
    context: &'a Context,
    deadline: Deadline,
}

impl<'a> Talk<'a> {
    /// Starts one: its calls share the time limit of the service.
    pub(super) fn begin(service: &'a Service, context: &'a Context) -> Self {
        Self { service, context, deadline: Deadline::start(service.settings.timeout) }
    }

    /// Makes one call and waits for its answer.
    ///
    /// # Errors
    /// If no status came back, or the call cannot be put together.
    pub(crate) async fn call(&self, call: Call) -> Result<Answered, SendError> {
        let trace = &self.context.trace;
        let question = trace.ask(|| self.service.asked(&call));
        let time = self.deadline.left();
        match self.service.client.call(&*self.context.resolve, call, time).await {
            Ok(reply) => {
                trace.answered(question, reply.status.as_str(), &reply.content());
                Ok(reply.into())
            }
            Err(error) => {
                let error = self.deadline.of_all_steps(error.into());
                trace.failed(question, &error);
                Err(error)
            }
        }
    }
}

impl Service {
    /// Returns a call for people.
    fn asked(&self, call: &Call) -> Asked {
        Asked {
            line: self.shown(call),
            headers: self.open(call.headers()),
            body: match str::from_utf8(call.body()) {
                Ok(text) => text.to_owned(),
                Err(_) => format!("({} bytes that are no text)", call.body().len()),
            },
        }
    }

    /// Returns method and address of a call for people. A path that is a secret is left out; what else is
    /// secret is masked by its value.
    fn shown(&self, call: &Call) -> String {
        let base = if self.shows_path { self.client.base() } else { HIDDEN_PATH };
        let path = if self.shows_calls { call.path() } else { "" };
        let base = if path.is_empty() { base } else { base.trim_end_matches('/') };
        let slash = if base.is_empty() && !path.starts_with('/') { "/" } else { "" };
        format!("{} {}{base}{slash}{path}", call.method(), self.client.origin())
    }

    /// Returns the headers of a call for people: those that prove something are masked.
    fn open(&self, of_call: &HeaderMap) -> Vec<(String, String)> {
        let credentials = self.client.credentials();
        let own = of_call.iter().filter(|(name, _)| !credentials.contains_key(*name));
        let all = own.chain(credentials).filter(|(name, _)| *name != HOST && *name != USER_AGENT);
        all.map(|(name, value)| {
            let proves = PROOFS.iter().any(|proof| name.as_str().contains(proof));
            let is_hidden = proves || value.is_sensitive() || credentials.contains_key(name);
            let value = if is_hidden { MASK } else { value.to_str().unwrap_or_default() };
            (name.to_string(), value.to_owned())
        })
        .collect()
    }
}

/// Says what a missing answer means. The request is small and written at once, so time is lost on waiting
/// for the answer.
impl From<CallError> for SendError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Compose(what) => Self::Compose { what: what.to_owned() },
            CallError::Unreached(unreached) => unreached.into(),
            CallError::Untrusted { host, source } => untrusted(&host, source),
            CallError::NotSecured { after, .. } => Self::Timeout { doing: Doing::Securing, after },
            CallError::Unanswered(HttpError::Begin(source)) => {
                Self::Broken { doing: Doing::Sending, source: std::io::Error::other(source) }
            }
            CallError::Unanswered(HttpError::Failed(source)) => {
                Self::Broken { doing: Doing::Waiting, source: std::io::Error::other(source) }
            }
            CallError::Unanswered(HttpError::Late(after)) => {
                Self::Timeout { doing: Doing::Waiting, after }
            }
        }
    }
}

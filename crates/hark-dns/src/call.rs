//! One HTTP request to a service, and what its answer means where the service says nothing better.
//!
//! Each request is one connection: they are rare. Redirects are not followed.

use std::time::Duration;

use bytes::Bytes;
use hark_config::{Key, Kind, Section};
use hark_model::Secret;
use hark_model::time::{Clock, Unix};
use hark_net::{Dial, HttpError, Limits, Origin, Tls, Trust, Version, connect, exchange};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use http_body_util::Full;

use crate::way::{Context, Failure};

/// How we are called: services refuse those who do not say (dyndns2), and write to whom it names.
pub(crate) const AGENT: &str = concat!("hark/", env!("CARGO_PKG_VERSION"));

/// The time for one request.
const TIME: Duration = Duration::from_secs(20);

/// Bound on an answer: a list of a name's records.
const MAX_ANSWER: usize = 1 << 20;

/// Bound on what is repeated of an answer that is not understood.
const MAX_SAID: usize = 200;

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
pub(crate) struct Service {
    origin: Origin,
    /// What stands before each path.
    base: String,
    tls: Tls,
}

/// What is asked of it.
pub(crate) struct Asked {
    pub(crate) method: Method,
    /// Path and query, behind the base.
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    /// Content and its type.
    pub(crate) body: Option<(&'static str, String)>,
}

/// What it answers.
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Asked {
    pub(crate) fn new(method: Method, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), headers: HeaderMap::new(), body: None }
    }

    /// Proves who asks.
    pub(crate) fn authorized(mut self, scheme: &str, secret: &str) -> Result<Self, Failure> {
        let value = HeaderValue::from_str(&format!("{scheme} {secret}"));
        let mut value =
            value.map_err(|_| Failure::refused("the secret has a character no header can have"))?;
        value.set_sensitive(true);
        self.headers.insert(AUTHORIZATION, value);
        Ok(self)
    }

    pub(crate) fn json(mut self, body: &serde_json::Value) -> Self {
        self.body = Some(("application/json", body.to_string()));
        self
    }
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
        let (origin, base) = Origin::split(address)?;
        Ok(Self { origin, base: base.trim_end_matches('/').to_owned(), tls: Tls::new(trust) })
    }

    /// Returns its address, for people.
    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Returns what stands before each path.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// Sends a request.
    pub(crate) async fn call(&self, context: &Context, asked: Asked) -> Result<Answered, Failure> {
        let Asked { method, path, headers, body } = asked;
        let target = format!("{}{path}", self.base);
        let uri: Uri = target
            .parse()
            .map_err(|_| Failure::refused("the address has characters that it cannot have"))?;
        let mut request = Request::new(Full::new(Bytes::new()));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        let host = HeaderValue::from_str(&self.origin.authority)
            .map_err(|_| Failure::refused("the host has characters that it cannot have"))?;
        request.headers_mut().insert(HOST, host);
        request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(AGENT));
        if let Some((kind, text)) = body {
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            *request.body_mut() = Full::new(Bytes::from(text));
        }
        let answer = tokio::time::timeout(TIME, self.exchange(context, request)).await;
        answer.map_err(|_| Failure::unanswered(format!("{}: no answer in time", self.origin)))?
    }

    async fn exchange(
        &self,
        context: &Context,
        request: Request<Full<Bytes>>,
    ) -> Result<Answered, Failure> {
        let away =
            |error: &dyn std::fmt::Display| Failure::away(format!("{}: {error}", self.origin));
        let Origin { host, port, secure, .. } = &self.origin;
        let dial = Dial::new(host, *port, TIME);
        let stream = connect(&*context.resolve, dial).await.map_err(|e| away(&e))?.stream;
        let limits = Limits { max_body: MAX_ANSWER, time: TIME };
        let answer = if *secure {
            let stream = self.tls.secure(stream, host).await.map_err(|e| away(&e))?;
            exchange(stream, Version::Http1, request, limits).await
        } else {
            exchange(stream, Version::Http1, request, limits).await
        };
        let answer = answer.map_err(|error| match error {
            HttpError::Begin(error) => away(&error),
            error @ (HttpError::Failed(_) | HttpError::Late(_)) => {
                Failure::unanswered(format!("{}: {error}", self.origin))
            }
        })?;
        Ok(Answered {
            status: answer.status.as_u16(),
            headers: answer.headers,
            text: String::from_utf8_lossy(&answer.body).into_owned(),
        })
    }
}

impl Answered {
    pub(crate) fn is_good(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Returns its content as JSON; null if it is none.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// Returns for how long the service wants to be left alone (RFC 9110, 10.2.3).
    pub(crate) fn retry_after(&self, now: Unix) -> Option<Duration> {
        let text = self.headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
        if let Ok(seconds) = text.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
        Some(Unix(at.as_millisecond()).since(now))
    }

    /// Says what a refusal means; `said` is what the service says of it, if that was found.
    pub(crate) fn refusal(&self, said: Option<&str>) -> Failure {
        let said = said.map_or_else(|| one_line(&self.text), one_line);
        let text = format!("{} {said}", self.status).trim_end().to_owned();
        match self.status {
            401 | 403 => Failure::refused(text),
            429 => {
                let wait = self.retry_after(Clock.now().unix).unwrap_or(PATIENCE);
                Failure::not_before(wait, text)
            }
            408 | 425 => Failure::away(text),
            503 if self.headers.contains_key(RETRY_AFTER) => {
                let wait = self.retry_after(Clock.now().unix).unwrap_or(PATIENCE);
                Failure::not_before(wait, text)
            }
            300..=399 => Failure::refused(format!("{text}: redirects are not followed")),
            500.. => Failure::unanswered(text),
            _ => Failure::of_name(text),
        }
    }
}

/// Makes one short line of what somebody else wrote.
pub(crate) fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line: String = words.join(" ").chars().filter(|c| !c.is_control()).collect();
    match line.char_indices().nth(MAX_SAID) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

/// Writes a text so that it can stand in a query (RFC 3986, 2.3).
pub(crate) fn encoded(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut written, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            written.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _written = write!(written, "%{byte:02X}");
        }
        written
    })
}

/// Returns `text` without any of the secrets, which a service may repeat.
pub(crate) fn masked(text: &str, secrets: &[&Secret]) -> String {
    /// Shorter ones would match by chance.
    const LEAST: usize = 4;
    let hidden =
        secrets.iter().map(|secret| secret.expose()).filter(|secret| secret.len() >= LEAST);
    hidden.fold(text.to_owned(), |text, secret| text.replace(secret, "…"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::way::{Again, Scope};

    fn answered(status: u16, header: Option<&'static str>) -> Answered {
        let mut headers = HeaderMap::new();
        headers.extend(header.map(|value| (RETRY_AFTER, HeaderValue::from_static(value))));
        Answered { status, headers, text: "nope\n".to_owned() }
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
        let at = "Sun, 06 Nov 1994 08:49:37 GMT";
        let wait = answered(429, Some(at)).retry_after(Unix(784_111_770_000));
        assert_eq!(wait, Some(Duration::from_secs(7)));
    }

    #[test]
    fn secrets_and_long_answers_are_kept_out_of_texts() {
        let secret = Secret::new("hunter2");
        assert_eq!(masked("no: hunter2!", &[&secret]), "no: …!");
        assert_eq!(one_line(" a\n\tb\u{7} "), "a b");
        assert_eq!(one_line(&"ä".repeat(300)).chars().count(), MAX_SAID + 1);
        assert_eq!(encoded("a b/ü:1"), "a%20b%2F%C3%BC%3A1");
    }
}

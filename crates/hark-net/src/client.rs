//! One call of a web service: what all who call one have in common.
//!
//! A [`Client`] is where a service is and how it is called, as configured: address, credentials, whom to
//! trust. A [`Call`] is one question to it, a [`Reply`] what came back, a [`CallError`] why no status did.
//! What an answer means, and what is tried again, is the caller's.
//!
//! Each call is one connection: calls are rare, and a kept connection would have to be watched. Redirects
//! are not followed, since a guard on the first address says nothing about the second, and would give the
//! credentials to whoever is named. Every step shares one time limit. What is secret about the client or
//! the call is in no text that comes back, as far as [`Masks`] find it.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use hark_model::Secret;
use hark_model::time::Unix;
use http::header::{AUTHORIZATION, CONTENT_TYPE, DATE, HOST, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::Full;
use thiserror::Error;
use tokio::time::timeout;

use crate::connect::{Dial, Unreached, connect};
use crate::guard::Guard;
use crate::http::{Answer, End, HttpError, Limits, Version, exchange};
use crate::mask::Masks;
use crate::origin::Origin;
use crate::percent::form;
use crate::resolve::Resolve;
use crate::said::one_line;
use crate::stopwatch::Stopwatch;
use crate::tls::{Tls, TlsError, Trust};

/// How hark calls itself: services refuse those who do not say, and write to whom it names.
pub const AGENT: &str = concat!("hark/", env!("CARGO_PKG_VERSION"));

/// Bound on what is read of an answer, in bytes, unless the client has another one: enough for any
/// message about an error. The rest is not waited for.
const MAX_ANSWER: usize = 64 * 1024;

/// Bound on what is shown of an answer, in bytes.
const MAX_SHOWN: usize = 300;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

/// A web service, as configured.
pub struct Client {
    origin: Origin,
    /// What stands before the path of each call; begins with a slash or is empty.
    base: String,
    /// What stands in the query of each call; empty or without question mark.
    query: String,
    credentials: HeaderMap,
    secrets: Masks,
    guard: Guard,
    tls: Tls,
    max_answer: usize,
    /// The time for making the connection; `None`: that of the call.
    connecting: Option<Duration>,
}

/// Shows with whom one speaks, and nothing of what follows: many put their tokens there.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("origin", &self.origin)
            .field("credentials", &self.credentials)
            .field("guard", &self.guard)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Makes one of an address; calls are made to paths below it.
    ///
    /// # Errors
    /// Why it is none, for people.
    pub fn at(address: &str, tls: Tls) -> Result<Self, String> {
        let (origin, path) = Origin::split(address.trim())?;
        let path = path.split_once('#').map_or(path, |(path, _)| path);
        let (base, query) = path.split_once('?').unwrap_or((path, ""));
        let slash = if base.starts_with('/') { "" } else { "/" };
        if format!("{slash}{base}?{query}").parse::<Uri>().is_err() {
            return Err("this is not an address".to_owned());
        }
        let client = Self::of(origin, base.to_owned(), tls);
        Ok(Self { query: query.to_owned(), ..client })
    }

    /// Makes one of an address that was read; `base` begins with a slash or is empty.
    pub fn of(origin: Origin, base: String, tls: Tls) -> Self {
        let (query, credentials, secrets) = (String::new(), HeaderMap::new(), Masks::default());
        let (guard, max_answer, connecting) = (Guard::default(), MAX_ANSWER, None);
        Self { origin, base, query, credentials, secrets, guard, tls, max_answer, connecting }
    }

    /// Returns true if calls go the same way with both, whatever is hidden of them. Never where authorities are in a
    /// file, which may hold others by now: what a client has read of it is kept.
    pub fn goes_as(&self, other: &Self) -> bool {
        let Self { origin, base, query, credentials, secrets: _, guard, tls, .. } = self;
        let Self { max_answer, connecting, .. } = self;
        let trust = tls.trust();
        !matches!(trust, Trust::File(_))
            && *trust == *other.tls.trust()
            && *origin == other.origin
            && *base == other.base
            && *query == other.query
            && *credentials == other.credentials
            && *guard == other.guard
            && *max_answer == other.max_answer
            && *connecting == other.connecting
    }

    /// Goes to no address that `guard` keeps out.
    #[must_use]
    pub fn guarded(self, guard: Guard) -> Self {
        Self { guard, ..self }
    }

    /// Reads as much of an answer, in bytes.
    #[must_use]
    pub fn reading(self, max_answer: usize) -> Self {
        Self { max_answer, ..self }
    }

    /// Gives the other side less time to be reached than to answer, where answers are long.
    #[must_use]
    pub fn connecting_within(self, time: Duration) -> Self {
        Self { connecting: Some(time), ..self }
    }

    /// Treats its path and its query as secrets.
    #[must_use]
    pub fn with_secret_address(mut self) -> Self {
        self.secrets.hide_path(&format!("{}?{}", self.base, self.query));
        self
    }

    /// Takes `secret` out of every text that comes back.
    #[must_use]
    pub fn hiding(mut self, secret: &str) -> Self {
        self.secrets.hide(secret);
        self
    }

    /// Adds headers to each call. Their values are credentials.
    #[must_use]
    pub fn bearing(mut self, headers: HeaderMap) -> Self {
        for value in headers.values().filter_map(|value| value.to_str().ok()) {
            self.secrets.hide(value);
        }
        self.credentials.extend(headers);
        self
    }

    /// Returns with whom one speaks.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Returns the path that calls are below.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Returns how TLS is agreed on.
    pub fn tls(&self) -> &Tls {
        &self.tls
    }

    /// Returns the headers that each call has.
    pub fn credentials(&self) -> &HeaderMap {
        &self.credentials
    }

    /// Returns `text` in one short line without what is secret here.
    pub fn redacted(&self, text: &str) -> String {
        one_line(&self.secrets.clean(text), MAX_SHOWN)
    }

    /// Makes one call within `time` and waits for its answer. Cancelling closes the connection; whether
    /// the other side heard it is then unknown.
    ///
    /// # Errors
    /// If no status came, or the call cannot be put together.
    pub async fn call(
        &self,
        resolver: &dyn Resolve,
        call: Call,
        time: Duration,
    ) -> Result<Reply, CallError> {
        let hidden = call.hidden();
        let request = self.request(call)?;
        let mut watch = Stopwatch::start();
        let Origin { host, port, secure: is_secure, .. } = &self.origin;
        let connecting = self.connecting.map_or(time, |connecting| connecting.min(time));
        let dial = Dial { guard: self.guard, ..Dial::new(host, *port, connecting) };
        let stream = connect(resolver, dial).await?.stream;
        let left = time.saturating_sub(watch.lap());
        let answer = if *is_secure {
            let late = |_elapsed| CallError::NotSecured { host: host.clone(), after: time };
            let secured = timeout(left, self.tls.secure(stream, host)).await.map_err(late)?;
            let stream =
                secured.map_err(|source| CallError::Untrusted { host: host.clone(), source })?;
            let left = left.saturating_sub(watch.lap());
            exchange(stream, Version::Http1, request, self.limits(left)).await
        } else {
            exchange(stream, Version::Http1, request, self.limits(left)).await
        };
        // The status has come: whether the content came whole matters to few.
        let Answer { status, headers, body, end, .. } = answer.map_err(|error| match error {
            HttpError::Late(_) => HttpError::Late(time),
            error @ (HttpError::Begin(_) | HttpError::Failed(_)) => error,
        })?;
        let beginning = body.get(..MAX_ANSWER).unwrap_or(&body);
        let text = self.redacted(&hidden.clean(&String::from_utf8_lossy(beginning)));
        Ok(Reply { status, headers, text, body, is_whole: matches!(end, End::Whole) })
    }

    fn limits(&self, time: Duration) -> Limits {
        Limits { max_body: self.max_answer, time }
    }

    fn request(&self, call: Call) -> Result<Request<Full<Bytes>>, CallError> {
        let wrong = CallError::Compose(
            "the address has characters that it cannot have; use the filter `urlencode`",
        );
        let host = HeaderValue::from_str(&self.origin.authority)
            .map_err(|_| CallError::Compose("the host has characters that it cannot have"))?;
        let mut request = Request::new(Full::new(Bytes::from(call.body)));
        *request.method_mut() = call.method;
        *request.uri_mut() = self.target(&call.path).parse().map_err(|_| wrong)?;
        let headers = request.headers_mut();
        headers.insert(HOST, host);
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        headers.extend(call.headers);
        headers.extend(self.credentials.clone());
        Ok(request)
    }

    /// Returns path and query of a call: those of the address and its own.
    fn target(&self, of_call: &str) -> String {
        let (path, query) = of_call.split_once('?').unwrap_or((of_call, ""));
        // What a person wrote stays as it is where nothing is put behind it.
        let base =
            if path.is_empty() { self.base.as_str() } else { self.base.trim_end_matches('/') };
        let slash = if base.is_empty() && !path.starts_with('/') { "/" } else { "" };
        let mut target = format!("{base}{slash}{path}");
        let queries = [self.query.as_str(), query].into_iter().filter(|query| !query.is_empty());
        for (query, sign) in queries.zip(["?", "&"]) {
            target.push_str(sign);
            target.push_str(query);
        }
        target
    }
}

/// One question to a service.
#[derive(Debug)]
pub struct Call {
    method: Method,
    path: String,
    is_secret: bool,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Call {
    /// Makes a call without content. `path` has what is below the service's address, and a query.
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        let (headers, body) = (HeaderMap::new(), Vec::new());
        Self { method, path: path.into(), is_secret: false, headers, body }
    }

    /// Makes a POST of a JSON document.
    pub fn post_json(path: impl Into<String>, document: &serde_json::Value) -> Self {
        Self::new(Method::POST, path).json(document)
    }

    /// Makes a POST of a form.
    pub fn post_form(path: impl Into<String>, fields: &[(&str, &str)]) -> Self {
        Self::new(Method::POST, path).content(FORM, form(fields))
    }

    /// Takes its path out of every text that comes back.
    #[must_use]
    pub fn secret(self) -> Self {
        Self { is_secret: true, ..self }
    }

    /// Gives it a JSON document as content.
    #[must_use]
    pub fn json(self, document: &serde_json::Value) -> Self {
        self.content(JSON, document.to_string())
    }

    /// Gives it content of any type.
    #[must_use]
    pub fn content(mut self, content_type: HeaderValue, body: impl Into<Vec<u8>>) -> Self {
        self.headers.insert(CONTENT_TYPE, content_type);
        self.body = body.into();
        self
    }

    /// Adds a header that is this call's own.
    ///
    /// # Errors
    /// If no header can hold `text`.
    pub fn header(mut self, name: &'static str, text: &str) -> Result<Self, CallError> {
        self.headers.insert(HeaderName::from_static(name), value(text)?);
        Ok(self)
    }

    /// Adds headers that are this call's own.
    #[must_use]
    pub fn with_headers(mut self, headers: HeaderMap) -> Self {
        self.headers.extend(headers);
        self
    }

    /// Proves who asks.
    ///
    /// # Errors
    /// If no header can hold `credential`.
    pub fn authorized(mut self, scheme: &str, credential: &Secret) -> Result<Self, CallError> {
        let mut value = value(&format!("{scheme} {}", credential.expose().trim()))?;
        value.set_sensitive(true);
        self.headers.insert(AUTHORIZATION, value);
        Ok(self)
    }

    /// Returns the method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Returns path and query.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns its own headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Returns the content.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Returns what is secret about it alone.
    fn hidden(&self) -> Masks {
        let mut hidden = Masks::default();
        if self.is_secret {
            hidden.hide_path(&self.path);
        }
        for value in self.headers.values().filter(|value| value.is_sensitive()) {
            hidden.hide(value.to_str().unwrap_or_default());
        }
        hidden
    }
}

fn value(text: &str) -> Result<HeaderValue, CallError> {
    HeaderValue::from_str(text).map_err(|_| CallError::Compose("a header with control characters"))
}

/// What a service answered.
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The beginning of the content in one line, without secrets: may be shown.
    pub text: String,
    /// The content, as much of it as was read. It may repeat secrets: only what is taken out of it on
    /// purpose may be shown.
    pub body: Vec<u8>,
    /// The content ends here: nothing was left unread, and nothing was lost on the way.
    pub is_whole: bool,
}

impl Reply {
    /// Returns the content as a text, with whatever is in it.
    pub fn content(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }

    /// Returns the content as JSON; null if it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Returns for how long the service wants to be left alone, in both forms of `Retry-After` (RFC 9110,
    /// 10.2.3), by our clock, which says `now`.
    pub fn retry_after(&self, now: Unix) -> Option<Duration> {
        let text = self.headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
        // Some services write fractions.
        if let Some(wait) = text.parse().ok().and_then(|s: f64| Duration::try_from_secs_f64(s).ok())
        {
            return Some(wait);
        }
        Some(date(text)?.since(now))
    }

    /// Returns by how many milliseconds the service's clock is ahead of ours, which says `now`; 0 if it
    /// does not say what it is o'clock.
    pub fn ahead(&self, now: Unix) -> i64 {
        let theirs = self.headers.get(DATE).and_then(|text| date(text.to_str().ok()?.trim()));
        theirs.map_or(0, |theirs| theirs.0.saturating_sub(now.0))
    }
}

fn date(text: &str) -> Option<Unix> {
    let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Unix(at.as_millisecond()))
}

/// Why a call has no answer.
#[derive(Debug, Error)]
pub enum CallError {
    /// The parts do not make a call.
    #[error("{0}")]
    Compose(&'static str),
    /// No connection.
    #[error(transparent)]
    Unreached(#[from] Unreached),
    /// No TLS.
    #[error("no TLS with {host}")]
    Untrusted {
        /// The name that the certificate must have.
        host: String,
        /// What was wrong.
        #[source]
        source: TlsError,
    },
    /// No TLS in time.
    #[error("no TLS with {host} within {} s", .after.as_secs_f32())]
    NotSecured {
        /// The other side.
        host: String,
        /// The time for the whole call.
        after: Duration,
    },
    /// No answer.
    #[error("no answer")]
    Unanswered(#[from] HttpError),
}

impl CallError {
    /// Returns true if the other side may have heard the call all the same.
    pub fn may_be_heard(&self) -> bool {
        matches!(self, Self::Unanswered(HttpError::Failed(_) | HttpError::Late(_)))
    }
}

#[cfg(test)]
mod tests;

//! The frame of services that are called over HTTP: everything that their receivers have in common,
//! so that the file of a service holds only what is its own.
//!
//! A receiver's file holds its keys with [`TIMEOUT`], [`FORBID_PRIVATE`], [`CA_FILE`] and [`INSECURE`]
//! among them, what it makes of a message, and what it reads out of the answers. From here it takes:
//! - [`Service`]: where calls go, as configured. [`Service::at`] reads an address that may be shown,
//!   [`Service::at_secret`] one whose path is a token; [`Service::bearing`] adds a header, and
//!   [`Service::hiding`] makes sure that a secret which stands elsewhere is in no text that is shown.
//! - [`ServiceReceiver`], which makes a [`Receiver`] of a service and of what it does with a message.
//! - [`Service::begin`] starts one delivery: a [`Talk`], with one time limit for all its calls. Each
//!   [`Talk::call`] sends one [`Call`] over a connection of its own (calls are rare, and a kept
//!   connection would have to be watched), follows no redirect, and ends with an [`Answered`] or,
//!   without a status, with the [`SendError`] that says how far it came.
//! - [`Answered::delivered`] judges by status alone: 2xx arrived; 408, 425, 429 and 5xx again later,
//!   not before `Retry-After`; all else never. Services that say more in the body look at
//!   [`Answered::json`] first and use [`Answered::refused`] with their own [`Again`].
//!
//! Texts of errors and answers are shortened to one line and cleaned of every secret known here. The
//! tests of a type use `types/tests/server.rs`, a server that keeps what it was sent; a type that is
//! in the list there is also held to what all services must do.

use std::fmt;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use hark_config::{Key, Kind, Section};
use hark_model::time::{Clock, Unix};
use hark_model::{Notification, Secret};
use hark_net::{
    Answer, BoxFuture, Guard, HttpError, Limits, Origin, Tls, Trust, Version, exchange,
};
use http::header::{AUTHORIZATION, CONTENT_TYPE, DATE, HOST, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::Full;

use crate::deadline::{Deadline, read_timeout};
use crate::digest;
use crate::error::{Again, Doing, SendError, one_line};
use crate::handling::{self, Acknowledged, CallError, Called};
use crate::mask::MASK;
use crate::reach::{connect, secure};
use crate::trace::Asked;
use crate::{Context, Delivered, Receiver};

/// The setting for the time of one delivery.
pub(crate) const TIMEOUT: Key =
    Key::new("timeout", Kind::Duration, "Time for one delivery, all steps together.")
        .default("10s");

/// The setting that keeps private addresses out.
pub(crate) const FORBID_PRIVATE: Key = Key::new(
    "forbid_private",
    Kind::Bool,
    "Refuse addresses of this machine and of private networks.",
)
.default("false");

/// The setting for authorities of one's own.
pub(crate) const CA_FILE: Key = Key::new(
    "ca_file",
    Kind::Text,
    "PEM file of the authorities to trust instead of the system's.",
);

/// The setting that takes any certificate.
pub(crate) const INSECURE: Key =
    Key::new("insecure", Kind::Bool, "Accept any certificate. The page shows that.")
        .default("false");

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// Bound on what is read of an answer, in bytes: enough for any message about an error. The rest is
/// not waited for.
const MAX_ANSWER: usize = 64 * 1024;

/// Bound on what is kept of an answer.
const MAX_ANSWER_TEXT: usize = 300;

/// Secrets shorter than this are not looked for in answers: they would match by chance.
const MIN_REDACTED: usize = 6;

/// Parts of a path shorter than this are no tokens.
const MIN_TOKEN: usize = 8;

/// Paths shorter than this hide nothing.
const MIN_PATH: usize = 3;

/// What stands for a path that is a secret.
const HIDDEN_PATH: &str = "/…";

/// Parts of the names of headers that prove who sends: their values are never shown.
const PROOFS: [&str; 5] = ["authorization", "token", "signature", "secret", "cookie"];

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
const AGENT: &str = concat!("hark/", env!("CARGO_PKG_VERSION"));

/// Where a service is called and how, as configured.
pub(crate) struct Service {
    origin: Origin,
    /// What stands before the path of each call; begins with a slash or is empty, ends without one.
    /// It is never shown: chat services put their tokens there.
    base: String,
    /// What stands in the query of each call; empty or without question mark. Never shown either.
    query: String,
    headers: HeaderMap,
    /// What must not be shown, in addition to the headers.
    secrets: Vec<Secret>,
    /// Whether `base` may be shown to those who may see what was sent.
    shows_path: bool,
    /// Whether the paths of calls may be shown to them.
    shows_calls: bool,
    settings: Settings,
}

/// How a service is called: the settings that are the same for all.
#[derive(Debug)]
pub(crate) struct Settings {
    timeout: Duration,
    guard: Guard,
    tls: Tls,
}

impl Settings {
    /// Reads [`TIMEOUT`], [`FORBID_PRIVATE`], [`CA_FILE`] and [`INSECURE`].
    pub(crate) fn read(section: &Section<'_>) -> Self {
        let timeout = read_timeout(section, TIMEOUT.name, DEFAULT_TIMEOUT);
        let is_public = section.bool(FORBID_PRIVATE.name, false);
        let guard = if is_public { Guard::PublicOnly } else { Guard::Open };
        let ca_file = section.opt_str(CA_FILE.name);
        let trust = Trust::of_settings(ca_file, section.bool(INSECURE.name, false));
        Self { timeout, guard, tls: Tls::new(trust) }
    }
}

/// A receiver that is a service: what is its own. The rest of a [`Receiver`] is the same for all.
pub(crate) trait ServiceReceiver: fmt::Debug + Send + Sync {
    /// Returns where it is called.
    fn service(&self) -> &Service;

    /// As [`Receiver::target`]; the address, without more, by default.
    fn target(&self) -> String {
        self.service().target()
    }

    /// As [`Receiver::send`].
    fn deliver(
        &self,
        notification: &Notification,
        context: &Context,
    ) -> impl Future<Output = Result<Delivered, SendError>> + Send;

    /// Returns true if `error` says that the service does not know (any more) what the message refers to:
    /// somebody has deleted the first one. It is then sent once more as a first one.
    fn is_gone(&self, _error: &SendError) -> bool {
        false
    }

    /// As [`Receiver::called`].
    fn called(&self, _call: &handling::Call<'_>) -> Option<Result<Called, CallError>> {
        None
    }

    /// As [`Receiver::acknowledged`].
    fn acknowledged<'a>(
        &'a self,
        _reference: &'a str,
        _context: &'a Context,
    ) -> Option<BoxFuture<'a, Result<Option<Acknowledged>, SendError>>> {
        None
    }

    /// As [`Receiver::answer`].
    fn answer<'a>(
        &'a self,
        _taken: &'a Acknowledged,
        _said: &'a str,
        _context: &'a Context,
    ) -> Option<BoxFuture<'a, Result<(), SendError>>> {
        None
    }
}

impl<T: ServiceReceiver> Receiver for T {
    fn target(&self) -> String {
        ServiceReceiver::target(self)
    }

    fn warnings(&self) -> Vec<String> {
        self.service().warnings()
    }

    fn send<'a>(
        &'a self,
        notification: &'a Notification,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<Delivered, SendError>> {
        Box::pin(async move {
            let deadline = Deadline::start(self.service().settings.timeout);
            match self.deliver(notification, context).await {
                Err(error) if notification.reference.is_some() && self.is_gone(&error) => {
                    let first = Notification { reference: None, ..notification.clone() };
                    deadline.within(Doing::Waiting, self.deliver(&first, context)).await?
                }
                outcome => outcome,
            }
        })
    }

    fn called(&self, call: &handling::Call<'_>) -> Option<Result<Called, CallError>> {
        ServiceReceiver::called(self, call)
    }

    fn acknowledged<'a>(
        &'a self,
        reference: &'a str,
        context: &'a Context,
    ) -> Option<BoxFuture<'a, Result<Option<Acknowledged>, SendError>>> {
        ServiceReceiver::acknowledged(self, reference, context)
    }

    fn answer<'a>(
        &'a self,
        taken: &'a Acknowledged,
        said: &'a str,
        context: &'a Context,
    ) -> Option<BoxFuture<'a, Result<(), SendError>>> {
        ServiceReceiver::answer(self, taken, said, context)
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("origin", &self.origin)
            .field("headers", &self.headers)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Service {
    /// Reads the address `key` of a service, which is `default` if it is not there; without a default
    /// it is required. Calls are made to paths below it.
    pub(crate) fn at(
        section: &Section<'_>,
        key: &'static str,
        default: Option<&str>,
    ) -> Option<Self> {
        if default.is_none() {
            section.required(key);
        }
        // What stands there and is no text was reported, and is no reason to use the default.
        let url = if section.has(key) { section.opt_str(key) } else { default };
        let settings = Settings::read(section);
        Self::split(section, key, url?, settings)
    }

    /// Reads the address `key`, whose path is a secret.
    pub(crate) fn at_secret(section: &Section<'_>, key: &'static str) -> Option<Self> {
        section.required(key);
        let url = section.opt_secret(key);
        let settings = Settings::read(section);
        let url = url?;
        let service = Self::split(section, key, url.expose().trim(), settings)?;
        let hidden = parts_of(&format!("{}?{}", service.base, service.query));
        let service = hidden.into_iter().map(Secret::new).fold(service, Self::hiding);
        Some(Self { shows_path: false, ..service })
    }

    /// Makes a service of what was read elsewhere; `base` begins with a slash or is empty.
    pub(crate) fn of(settings: Settings, origin: Origin, base: String) -> Self {
        let (query, headers, secrets) = (String::new(), HeaderMap::new(), Vec::new());
        let (shows_path, shows_calls) = (true, true);
        Self { origin, base, query, headers, secrets, shows_path, shows_calls, settings }
    }

    fn split(
        section: &Section<'_>,
        key: &'static str,
        url: &str,
        settings: Settings,
    ) -> Option<Self> {
        let (origin, path) = match Origin::split(url) {
            Ok(parts) => parts,
            Err(what) => {
                section.error(key, what);
                return None;
            }
        };
        let path = path.split_once('#').map_or(path, |(path, _)| path);
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        if format!("/{path}?{query}").parse::<Uri>().is_err() {
            section.error(key, "this is not an address");
            return None;
        }
        let service = Self::of(settings, origin, path.trim_end_matches('/').to_owned());
        Some(Self { query: query.to_owned(), ..service })
    }

    /// Adds a header to each call. Its value is a credential. A value that no header can hold is
    /// reported at `key`.
    pub(crate) fn bearing(
        mut self,
        section: &Section<'_>,
        key: &str,
        name: HeaderName,
        value: &str,
    ) -> Option<Self> {
        let Ok(mut content) = HeaderValue::from_str(value) else {
            section.error(key, "a header cannot contain control characters");
            return None;
        };
        content.set_sensitive(true);
        self.headers.insert(name, content);
        Some(self)
    }

    /// Adds `Authorization: Bearer TOKEN` to each call (RFC 6750); `token` was read from `key`.
    pub(crate) fn bearer(self, section: &Section<'_>, key: &str, token: &Secret) -> Option<Self> {
        self.bearing(section, key, AUTHORIZATION, &format!("Bearer {}", token.expose()))
    }

    /// Adds headers, whose values are credentials.
    pub(crate) fn with_headers(mut self, headers: HeaderMap) -> Self {
        self.headers.extend(headers);
        self
    }

    /// Takes `secret` out of every text that comes from this service.
    pub(crate) fn hiding(mut self, secret: Secret) -> Self {
        self.secrets.push(secret);
        self
    }

    /// Treats the paths of its calls as secrets.
    pub(crate) fn hiding_paths(self) -> Self {
        Self { shows_path: false, shows_calls: false, ..self }
    }

    /// Returns where messages go, for people: never the path.
    pub(crate) fn target(&self) -> String {
        self.origin.to_string()
    }

    /// Returns what people should be warned of.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let unverified = *self.settings.tls.trust() == Trust::Anybody && self.origin.secure;
        unverified.then(|| "the certificate is not verified".to_owned()).into_iter().collect()
    }

    /// Starts one delivery: its calls share one time limit.
    pub(crate) fn begin<'a>(&'a self, context: &'a Context) -> Talk<'a> {
        Talk { service: self, context, deadline: Deadline::start(self.settings.timeout) }
    }

    fn request(&self, call: Call) -> Result<Request<Full<Bytes>>, SendError> {
        let mut request = Request::new(Full::new(Bytes::from(call.body)));
        *request.method_mut() = call.method;
        let (path, query) = call.path.split_once('?').unwrap_or((&call.path, ""));
        let slash = if self.base.is_empty() && !path.starts_with('/') { "/" } else { "" };
        let mut uri = format!("{}{slash}{path}", self.base);
        for (query, sign) in
            [&*self.query, query].into_iter().filter(|q| !q.is_empty()).zip(["?", "&"])
        {
            uri.push_str(sign);
            uri.push_str(query);
        }
        *request.uri_mut() = uri.parse().map_err(|_| SendError::Compose {
            what: "the address has characters that it cannot have; use the filter `urlencode`"
                .to_owned(),
        })?;
        let headers = request.headers_mut();
        headers.insert(HOST, value(&self.origin.authority)?);
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        headers.extend(call.headers);
        headers.extend(self.headers.clone());
        Ok(request)
    }

    /// Returns method and address of a call for people. A path that is a secret is left out; what else is
    /// secret is masked by its value.
    fn shown(&self, call: &Call) -> String {
        let base = if self.shows_path { self.base.as_str() } else { HIDDEN_PATH };
        let path = if self.shows_calls { call.path.as_str() } else { "" };
        let slash = if base.is_empty() && !path.starts_with('/') { "/" } else { "" };
        format!("{} {}{base}{slash}{path}", call.method, self.origin)
    }

    /// Returns the headers of a request for people: those that prove something are masked.
    fn open(&self, headers: &HeaderMap) -> Vec<(String, String)> {
        let shown = headers.iter().filter(|(name, _)| *name != HOST && *name != USER_AGENT);
        shown
            .map(|(name, value)| {
                let proves = PROOFS.iter().any(|proof| name.as_str().contains(proof));
                let is_hidden = proves || value.is_sensitive() || self.headers.contains_key(name);
                let value = if is_hidden { MASK } else { value.to_str().unwrap_or_default() };
                (name.to_string(), value.to_owned())
            })
            .collect()
    }

    /// Takes our own secrets out of an answer that repeats the request.
    pub(crate) fn redacted(&self, text: &str) -> String {
        self.redacted_of(text, &[])
    }

    /// As [`Service::redacted`], with secrets of one call in addition.
    fn redacted_of(&self, text: &str, own: &[String]) -> String {
        let mut text = text.to_owned();
        for part in own {
            text = text.replace(part, "…");
        }
        let headers = self.headers.values().filter_map(|v| v.to_str().ok());
        for secret in headers.chain(self.secrets.iter().map(Secret::expose)) {
            // `Bearer abc` is also known as `abc`.
            for part in std::iter::once(secret).chain(secret.split_whitespace()) {
                if part.len() >= MIN_REDACTED {
                    text = text.replace(part, "…").replace(&encoded(part), "…");
                }
            }
        }
        one_line(&text, MAX_ANSWER_TEXT)
    }
}

/// One delivery under way.
#[derive(Debug)]
pub(crate) struct Talk<'a> {
    service: &'a Service,
    context: &'a Context,
    deadline: Deadline,
}

impl Talk<'_> {
    /// Makes one call and waits for its answer.
    ///
    /// # Errors
    /// If no status came back, or the call cannot be put together.
    pub(crate) async fn call(&self, call: Call) -> Result<Answered, SendError> {
        let service = self.service;
        let hidden = if call.is_secret { parts_of(&call.path) } else { Vec::new() };
        let trace = &self.context.trace;
        let body = call.body.clone();
        let shown = service.shown(&call);
        let request = service.request(call)?;
        let headers = request.headers();
        let question = trace.ask(|| Asked { line: shown, headers: service.open(headers), body });
        match self.exchange(request, &hidden).await {
            Ok((answered, said)) => {
                trace.answered(question, answered.status.as_str(), &said);
                Ok(answered)
            }
            Err(error) => {
                trace.failed(question, &error);
                Err(error)
            }
        }
    }

    /// Returns what was answered, also as a text with whatever is in it.
    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
        hidden: &[String],
    ) -> Result<(Answered, String), SendError> {
        let service = self.service;
        let Settings { timeout, guard, tls } = &service.settings;
        let Origin { host, port, secure: is_secure, .. } = &service.origin;
        let stream = connect(self.context, host, *port, *guard, self.deadline).await?;
        let answer = if *is_secure {
            let stream = secure(tls, stream, host, self.deadline).await?;
            let limits = Limits { max_body: MAX_ANSWER, time: self.deadline.left() };
            exchange(stream, Version::Http1, request, limits).await
        } else {
            let limits = Limits { max_body: MAX_ANSWER, time: self.deadline.left() };
            exchange(stream, Version::Http1, request, limits).await
        };
        // Whether the content came whole does not matter: the status has come.
        let Answer { status, headers, body, .. } =
            answer.map_err(|error| unanswered(error, *timeout))?;
        let said = String::from_utf8_lossy(&body).into_owned();
        let text = service.redacted_of(&said, hidden);
        let now = Clock.now().unix;
        let ahead = date(&headers).map_or(0, |theirs| theirs.0.saturating_sub(now.0));
        let retry_after = retry_after(&headers, now);
        Ok((Answered { status, retry_after, ahead, text, body }, said))
    }
}

/// One call of a service.
#[derive(Debug)]
pub(crate) struct Call {
    method: Method,
    /// Below the address of the service: path and query.
    path: String,
    /// Whether the path must not be shown.
    is_secret: bool,
    headers: HeaderMap,
    body: String,
}

impl Call {
    /// Makes a call without content.
    pub(crate) fn new(method: Method, path: impl Into<String>) -> Self {
        let (headers, body) = (HeaderMap::new(), String::new());
        Self { method, path: path.into(), is_secret: false, headers, body }
    }

    /// Takes its path out of every text that comes back.
    #[must_use]
    pub(crate) fn secret(mut self) -> Self {
        self.is_secret = true;
        self
    }

    /// Makes a POST of a JSON document.
    pub(crate) fn post_json(path: impl Into<String>, document: &serde_json::Value) -> Self {
        Self::new(Method::POST, path).json(document)
    }

    /// Makes a POST of a form.
    pub(crate) fn post_form(path: impl Into<String>, fields: &[(&str, &str)]) -> Self {
        Self::new(Method::POST, path).content(FORM, form(fields))
    }

    /// Gives it a JSON document as content.
    #[must_use]
    pub(crate) fn json(self, document: &serde_json::Value) -> Self {
        self.content(JSON, document.to_string())
    }

    /// Gives it content of any type.
    #[must_use]
    pub(crate) fn content(mut self, content_type: HeaderValue, body: String) -> Self {
        self.headers.insert(CONTENT_TYPE, content_type);
        self.body = body;
        self
    }

    /// Adds a header that is this call's own.
    ///
    /// # Errors
    /// If no header can hold `text`.
    pub(crate) fn header(mut self, name: &'static str, text: &str) -> Result<Self, SendError> {
        self.headers.insert(HeaderName::from_static(name), value(text)?);
        Ok(self)
    }

    /// Adds the header `Idempotency-Key`: the same for each try of one message.
    #[must_use]
    pub(crate) fn once(mut self, key: &str) -> Self {
        let name = HeaderName::from_static("idempotency-key");
        self.headers.insert(name, idempotency_key(key));
        self
    }
}

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
    body: Vec<u8>,
}

impl Answered {
    /// Returns the content as JSON; nothing if it is none. It may repeat secrets: only what is taken
    /// out of it on purpose may be shown.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
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

/// Returns what must not be shown of a path with a query: all of it, and each part that may be a token by
/// itself. Short ones and plain words would be found in any text.
fn parts_of(path: &str) -> Vec<String> {
    let (whole, query) = path.split_once('?').unwrap_or((path, ""));
    let may_be_token = |part: &str| {
        part.len() >= MIN_TOKEN
            && !part.chars().all(|c| c.is_ascii_lowercase() || c == '-' || c == '_')
    };
    let parts = path.split(['/', '?', '&', '=']).filter(|part| may_be_token(part));
    let mut parts: Vec<String> =
        [path, whole, query].into_iter().chain(parts).map(str::to_owned).collect();
    parts.retain(|part| part.trim_matches(['/', '?']).len() >= MIN_PATH);
    // The longest first: what is left of one when a part of it is gone is not found any more.
    parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
    parts
}

/// Returns true if `error` is one of these statuses, for good.
pub(crate) fn is_refused_as(error: &SendError, statuses: &[u16]) -> bool {
    matches!(error, SendError::Refused { code, again: Again::Never, .. } if statuses.contains(code))
}

/// Returns `fields` as the content of a form.
pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    let mut form = String::new();
    for (name, value) in fields {
        if !form.is_empty() {
            form.push('&');
        }
        form.push_str(&encoded(name));
        form.push('=');
        form.push_str(&encoded(value));
    }
    form
}

/// Returns `text` as one part of a path or query: everything but letters, digits and `-._~` is
/// written as `%` and two digits (RFC 3986).
pub(crate) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push_str(&digest::hex(&[byte]).to_ascii_uppercase());
        }
    }
    encoded
}

/// Returns what a value of a form says; `None` if it is none.
pub(crate) fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => u8::try_from(digit(rest.next())? << 4 | digit(rest.next())?).ok()?,
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

fn value(text: &str) -> Result<HeaderValue, SendError> {
    HeaderValue::from_str(text)
        .map_err(|_| SendError::Compose { what: "a header with control characters".to_owned() })
}

/// Returns the key as it is where a header can hold it, else its digest: unique all the same.
fn idempotency_key(key: &str) -> HeaderValue {
    HeaderValue::from_str(key).unwrap_or_else(|_| {
        HeaderValue::from_str(&digest::sha256(key))
            .expect("hexadecimal digits are valid in a header")
    })
}

/// Says what a missing answer means. The request is small and written at once, so time is lost on
/// waiting for the answer.
fn unanswered(error: HttpError, after: Duration) -> SendError {
    match error {
        HttpError::Begin(source) => {
            SendError::Broken { doing: Doing::Sending, source: io::Error::other(source) }
        }
        HttpError::Failed(source) => {
            SendError::Broken { doing: Doing::Waiting, source: io::Error::other(source) }
        }
        HttpError::Late(_) => SendError::Timeout { doing: Doing::Waiting, after },
    }
}

/// Reads `Retry-After` in both its forms, seconds and date.
fn retry_after(headers: &HeaderMap, now: Unix) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    // Some services write fractions.
    if let Some(wait) = text.parse().ok().and_then(|s: f64| Duration::try_from_secs_f64(s).ok()) {
        return Some(wait);
    }
    Some(read_date(text)?.since(now))
}

/// Returns what the service says that it is o'clock.
fn date(headers: &HeaderMap) -> Option<Unix> {
    read_date(headers.get(DATE)?.to_str().ok()?.trim())
}

fn read_date(text: &str) -> Option<Unix> {
    let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Unix(at.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_as_seconds_and_as_a_date() {
        let now = Unix(1_798_761_600_000);
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            retry_after(&headers, now)
        };
        assert_eq!(read("120"), Some(Duration::from_mins(2)));
        assert_eq!(read("0.25"), Some(Duration::from_millis(250)));
        assert_eq!(read("Fri, 01 Jan 2027 00:00:30 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(read("Thu, 31 Dec 2026 00:00:00 GMT"), Some(Duration::ZERO), "already over");
        assert_eq!(read("soon"), None);
        assert_eq!(read("-1"), None);
    }

    #[test]
    fn queries_of_the_address_and_of_the_call_come_together() {
        let uri = |url: &str, path: &str| {
            let document = hark_config::Document::single(&format!("url: '{url}'"));
            let service =
                Service::at_secret(&document.root(&hark_config::NoSecrets), "url").unwrap();
            service.request(Call::new(Method::POST, path)).unwrap().uri().to_string()
        };
        assert_eq!(uri("https://a.example", ""), "/");
        assert_eq!(uri("https://a.example/b/", "/c?d=e"), "/b/c?d=e");
        assert_eq!(uri("https://a.example/b?key=1&token=2#x", ""), "/b?key=1&token=2");
        assert_eq!(uri("https://a.example/b?key=1", "?d=e"), "/b?key=1&d=e");
    }

    #[test]
    fn a_secret_path_is_hidden_whole_and_in_its_parts() {
        assert_eq!(parts_of("/"), Vec::<String>::new());
        let parts = parts_of("/services/T0K3N/B0123456789?sig=abc-Def-0123");
        let expected = [
            "/services/T0K3N/B0123456789?sig=abc-Def-0123",
            "/services/T0K3N/B0123456789",
            "sig=abc-Def-0123",
            "abc-Def-0123",
            "B0123456789",
        ];
        assert_eq!(parts, expected);
    }

    #[test]
    fn forms_and_paths_are_encoded() {
        assert_eq!(form(&[("a b", "1&2=3"), ("c", "é")]), "a%20b=1%262%3D3&c=%C3%A9");
        assert_eq!(encoded("!room:example.org"), "%21room%3Aexample.org");
        assert_eq!(decoded("a+b%26%C3%A9").unwrap(), "a b&é");
        assert_eq!([decoded("%4"), decoded("%zz"), decoded("%FF")], [None, None, None]);
    }
}

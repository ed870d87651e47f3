//! A web address that this server calls by itself: that of a dead man's switch, or of another hark.
//!
//! Each call is one connection, as those of receivers: calls are rare, and a kept connection would have
//! to be watched. Redirects are not followed. What follows the host may be secret and is never shown.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use hark_config::{Key, Kind, Section};
use hark_model::Secret;
use hark_net::{
    Answer, Dial, HttpError, Limits, Origin, Resolve, Tls, TlsError, Trust, Unreached, Version,
    connect, exchange,
};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use http_body_util::Full;
use thiserror::Error;

/// The settings of an address that is called, beside `url`.
pub(crate) const CALL_KEYS: &[Key] = &[
    Key::new("timeout", Kind::Duration, "Time for one call, all steps together.").default("10s"),
    Key::new(
        "ca_file",
        Kind::Text,
        "PEM file of the authorities to trust instead of the system's.",
    ),
    Key::new(
        "fingerprint",
        Kind::Text,
        "SHA-256 of the one certificate to trust, in hexadecimal: that of another hark.",
    ),
    Key::new("insecure", Kind::Bool, "Accept any certificate.").default("false"),
];

/// Bound on what is read of an answer: more than any of those who are called has to say.
const MAX_ANSWER: usize = 64 * 1024;

/// Parts of a path that are shorter than this are not looked for in answers: they are words.
const LEAST_HIDDEN: usize = 8;

/// Bound on what is kept of an answer for people.
const MAX_SHOWN: usize = 200;

/// Bounds of `timeout`.
const TIMEOUT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

const AGENT: &str = concat!("hark/", env!("CARGO_PKG_VERSION"));

/// An address that is called.
#[derive(Debug)]
pub(crate) struct Address {
    origin: Origin,
    /// Path and query.
    path: Secret,
    tls: Tls,
    timeout: Duration,
}

/// What was not answered, or how.
#[derive(Debug, Error)]
pub(crate) enum CallError {
    /// No connection.
    #[error(transparent)]
    Unreached(#[from] Unreached),
    /// No TLS.
    #[error("no TLS with the other side")]
    Tls(#[source] TlsError),
    /// No answer.
    #[error("the connection failed before the answer")]
    Unanswered(#[source] HttpError),
    /// Time ran out.
    #[error("no answer within {} s", .0.as_secs_f32())]
    Late(Duration),
    /// The other side said no.
    #[error("answered {code}{}{text}", if text.is_empty() { "" } else { ": " })]
    Refused {
        /// Its code.
        code: u16,
        /// What it said, shortened.
        text: String,
    },
}

impl Address {
    /// Reads `url` and [`CALL_KEYS`] of `section`; what is wrong is reported there.
    pub(crate) fn read(section: &Section<'_>) -> Option<Self> {
        let url = section.required("url").and_then(|value| value.secret());
        let timeout =
            section.duration("timeout", hark_config::Bare::Seconds, Duration::from_secs(10));
        if timeout < TIMEOUT.0 || timeout > TIMEOUT.1 {
            section.error("timeout", "must be at least 1s and at most 1m");
        }
        let pinned = section.parse("fingerprint", fingerprint);
        let trust = Trust::of_settings(section.opt_str("ca_file"), section.bool("insecure", false));
        let trust = pinned.map_or(trust, Trust::Pinned);
        match Self::parse(&url?, trust, timeout) {
            Ok(address) => Some(address),
            Err(what) => {
                section.error("url", what);
                None
            }
        }
    }

    /// Makes one of its text.
    ///
    /// # Errors
    /// Why it is none, for people.
    pub(crate) fn parse(url: &Secret, trust: Trust, timeout: Duration) -> Result<Self, String> {
        let (origin, path) = Origin::split(url.expose().trim())?;
        let slash = if path.starts_with('/') { "" } else { "/" };
        let path = format!("{slash}{}", path.split('#').next().unwrap_or_default());
        path.parse::<Uri>().map_err(|_| "this is not an address".to_owned())?;
        Ok(Self { origin, path: Secret::new(path), tls: Tls::new(trust), timeout })
    }

    /// Calls the address with `below` put behind its path, and returns the content of an answer that
    /// says yes. It ends within the time limit; cancelling it closes the connection, and whether the
    /// other side heard it is then unknown.
    ///
    /// # Errors
    /// See [`CallError`].
    pub(crate) async fn call(
        &self,
        resolver: &dyn Resolve,
        below: &str,
        call: Call,
    ) -> Result<Vec<u8>, CallError> {
        let whole = self.exchange(resolver, below, call);
        let limited = tokio::time::timeout(self.timeout, whole).await;
        let answer = limited.map_err(|_elapsed| CallError::Late(self.timeout))??;
        if answer.status.is_success() {
            return Ok(answer.body);
        }
        let text = String::from_utf8_lossy(&answer.body);
        let text =
            self.redacted(&text).chars().filter(|c| !c.is_control()).take(MAX_SHOWN).collect();
        Err(CallError::Refused { code: answer.status.as_u16(), text })
    }

    /// Takes the parts of our own path, any of which may be a secret, out of what the other side says.
    fn redacted(&self, text: &str) -> String {
        let parts = self.path.expose().split(['/', '?', '&', '=']);
        let secret = parts.filter(|part| part.len() >= LEAST_HIDDEN);
        secret.fold(text.to_owned(), |text, part| text.replace(part, "…"))
    }

    async fn exchange(
        &self,
        resolver: &dyn Resolve,
        below: &str,
        call: Call,
    ) -> Result<Answer, CallError> {
        let request = self.request(below, call);
        let dial = Dial::new(&self.origin.host, self.origin.port, self.timeout);
        let stream = connect(resolver, dial).await?.stream;
        let limits = Limits { max_body: MAX_ANSWER, time: self.timeout };
        let answer = if self.origin.secure {
            let stream =
                self.tls.secure(stream, &self.origin.host).await.map_err(CallError::Tls)?;
            exchange(stream, Version::Http1, request, limits).await
        } else {
            exchange(stream, Version::Http1, request, limits).await
        };
        answer.map_err(CallError::Unanswered)
    }

    fn request(&self, below: &str, call: Call) -> Request<Full<Bytes>> {
        let (path, query) = match self.path.expose().split_once('?') {
            Some((path, query)) => (path, format!("?{query}")),
            None => (self.path.expose(), String::new()),
        };
        let path = if below.is_empty() { path } else { path.strip_suffix('/').unwrap_or(path) };
        let mut request = Request::new(Full::new(Bytes::from(call.body)));
        *request.method_mut() = call.method;
        *request.uri_mut() = format!("{path}{below}{query}")
            .parse()
            .expect("the path was parsed with the settings, and what is put behind it is ours");
        let headers = request.headers_mut();
        headers.extend(call.headers);
        let host = HeaderValue::from_str(&self.origin.authority);
        headers.insert(HOST, host.expect("an authority was parsed of it"));
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        if let Some(content_type) = call.content_type {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        request
    }
}

/// Shows with whom one speaks, and nothing of what follows.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.origin.fmt(f)
    }
}

/// What is said in a call.
#[derive(Debug)]
pub(crate) struct Call {
    method: Method,
    headers: HeaderMap,
    content_type: Option<&'static str>,
    body: Vec<u8>,
}

impl Call {
    /// Asks for what is there.
    pub(crate) fn get() -> Self {
        Self {
            method: Method::GET,
            headers: HeaderMap::new(),
            content_type: None,
            body: Vec::new(),
        }
    }

    /// Shows `token` as the right to do so.
    pub(crate) fn bearing(mut self, token: &Secret) -> Self {
        if let Ok(mut value) = HeaderValue::from_str(&format!("Bearer {}", token.expose().trim())) {
            value.set_sensitive(true);
            self.headers.insert(AUTHORIZATION, value);
        }
        self
    }

    /// Brings `body`.
    pub(crate) fn post(content_type: &'static str, body: Vec<u8>) -> Self {
        Self { method: Method::POST, content_type: Some(content_type), body, ..Self::get() }
    }
}

/// Reads a fingerprint as `hark enroll` and browsers show it, with or without colons.
fn fingerprint(text: &str) -> Result<[u8; 32], String> {
    let wrong = || "a fingerprint is 64 hexadecimal digits".to_owned();
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b':').collect();
    let mut bytes = [0; 32];
    if digits.len() != 2 * bytes.len() {
        return Err(wrong());
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
        let pair = std::str::from_utf8(pair).map_err(|_| wrong())?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| wrong())?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(url: &str, below: &str) -> String {
        let address =
            Address::parse(&Secret::new(url.to_owned()), Trust::System, TIMEOUT.0).unwrap();
        address.request(below, Call::get()).uri().to_string()
    }

    #[test]
    fn a_word_goes_behind_the_path_and_before_the_query() {
        assert_eq!(uri("https://hc.example/u-u-i-d", "/fail"), "/u-u-i-d/fail");
        assert_eq!(uri("https://hc.example/u-u-i-d/", "/fail"), "/u-u-i-d/fail");
        assert_eq!(uri("https://hc.example/u?create=1", "/fail"), "/u/fail?create=1");
        assert_eq!(uri("https://hc.example/u/", ""), "/u/");
        assert_eq!(uri("https://hc.example", ""), "/");
    }

    #[test]
    fn what_follows_the_host_is_not_shown() {
        let url = Secret::new("https://hc.example/secret-path".to_owned());
        let address = Address::parse(&url, Trust::System, TIMEOUT.0).unwrap();
        assert_eq!(address.to_string(), "https://hc.example");
        assert!(!format!("{address:?}").contains("secret-path"));
    }

    #[test]
    fn a_fingerprint_is_read_with_and_without_colons() {
        let plain = "0a".repeat(32);
        assert_eq!(fingerprint(&plain), Ok([10; 32]));
        assert_eq!(fingerprint(&vec!["0A"; 32].join(":")), Ok([10; 32]));
        for wrong in ["", "0a", &"zz".repeat(32), &"é".repeat(32)] {
            assert!(fingerprint(wrong).is_err(), "{wrong}");
        }
    }
}

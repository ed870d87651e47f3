//! A call of a web address with a templated body: whatever service has no receiver type of its own.
//!
//! Each message is one connection: calls are rare, and a kept connection would have to be watched.
//! Redirects are not followed, since a guard on the first address says nothing about the second.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use hark_config::{Key, Kind, Section};
use hark_model::time::{Clock, Unix};
use hark_model::{Notification, Secret};
use hark_net::{
    Answer, BoxFuture, Guard, HttpError, Limits, Origin, Tls, Trust, Version, exchange,
    read_headers,
};
use http::header::{CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::Full;
use ring::hmac;

use super::email::{read_template, read_timeout};
use crate::deadline::Deadline;
use crate::digest;
use crate::error::{Again, Doing, SendError, one_line};
use crate::reach::{connect, secure};
use crate::render::{self, Template};
use crate::{Context, Delivered, Receiver, ReceiverType};

/// The receiver type `webhook`.
#[derive(Debug)]
pub(crate) struct Webhook;

const METHODS: &[(&str, Word)] =
    &[("POST", Word::Post), ("PUT", Word::Put), ("PATCH", Word::Patch), ("GET", Word::Get)];

/// A method, as a word of the configuration.
#[derive(Clone, Copy, Debug)]
enum Word {
    Post,
    Put,
    Patch,
    Get,
}

pub(crate) const KEYS: &[Key] = &[
    Key::new("url", Kind::Secret, "Address to call. After the host it is a template: `https://example.net/hosts/{{ host|urlencode }}`.").required(),
    Key::new("method", Kind::OneOf(&["POST", "PUT", "PATCH", "GET"]), "Method of the call; GET has no body.").default("POST"),
    Key::new("headers", Kind::Named(&Kind::Secret), "Further headers; values may stand in files or the environment."),
    Key::new("template", Kind::Text, "Template of the body; by default a JSON document with all fields."),
    Key::new("content_type", Kind::Text, "Type of the body.").default(JSON),
    Key::new("secret", Kind::Secret, "Key of the signature in the header `Hark-Signature`."),
    Key::new("timeout", Kind::Duration, "Time for one delivery, all steps together.").default("10s"),
    Key::new("forbid_private", Kind::Bool, "Refuse addresses of this machine and of private networks.").default("false"),
    Key::new("ca_file", Kind::Text, "PEM file of the authorities to trust instead of the system's."),
    Key::new("insecure", Kind::Bool, "Accept any certificate. The page shows that.").default("false"),
];

const JSON: &str = "application/json";

const TIMEOUT: Duration = Duration::from_secs(10);

/// Bound on what is read of an answer, in bytes: enough for any message about an error. The rest is
/// not waited for.
const MAX_ANSWER: usize = 64 * 1024;

/// Bound on what is kept of an answer.
const MAX_ANSWER_TEXT: usize = 300;

/// Secrets shorter than this are not looked for in answers: they would match by chance.
const MIN_REDACTED: usize = 6;

impl ReceiverType for Webhook {
    fn name(&self) -> &'static str {
        "webhook"
    }

    fn manual(&self) -> &'static str {
        "Calls a web address. Answers 2xx mean that the message arrived; 408, 425, 429 and 5xx are \
         tried again for a day, after the time in `Retry-After` if there is one; all others, \
         redirects too, end the message. The header `Idempotency-Key` is the same for each try of \
         one message. With `secret`, `Hark-Timestamp` holds the seconds since 1970 and \
         `Hark-Signature` is `v1=` and the hexadecimal HMAC-SHA-256 of the timestamp, a dot and the \
         body."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn example(&self) -> &'static str {
        "url: https://chat.example.net/hooks/hark\n\
         template: '{\"text\": {{ summary|tojson }}}'\n\
         headers: {Authorization: Bearer abc}\n\
         secret: correct-horse\n"
    }

    fn read(&self, section: &Section<'_>) -> Option<Box<dyn Receiver>> {
        section.required("url");
        let endpoint = section.opt_secret("url").and_then(|url| match Endpoint::parse(&url) {
            Ok(endpoint) => Some(endpoint),
            Err(what) => {
                section.error("url", what);
                None
            }
        });
        let method = match section.word("method", METHODS).unwrap_or(Word::Post) {
            Word::Post => Method::POST,
            Word::Put => Method::PUT,
            Word::Patch => Method::PATCH,
            Word::Get => Method::GET,
        };
        let guard =
            if section.bool("forbid_private", false) { Guard::PublicOnly } else { Guard::Open };
        let trust = Trust::of_settings(section.opt_str("ca_file"), section.bool("insecure", false));
        let content_type = section.parse("content_type", HeaderValue::from_str);
        let headers = read_headers(section, OWN_HEADERS);
        let template = read_template(section, "template");
        let secret = section.opt_secret("secret");
        let timeout = read_timeout(section, "timeout", TIMEOUT);
        Some(Box::new(Hook {
            endpoint: endpoint?,
            method,
            headers,
            content_type: content_type.unwrap_or(HeaderValue::from_static(JSON)),
            template,
            secret,
            timeout,
            guard,
            tls: Tls::new(trust),
        }))
    }
}

/// Headers that the call itself decides.
const OWN_HEADERS: &[&str] =
    &["host", "content-length", "transfer-encoding", "connection", "upgrade", "idempotency-key"];

/// An address that was found to be one. Its path is treated as a secret: chat services put their
/// tokens there.
#[derive(Debug)]
struct Endpoint {
    origin: Origin,
    /// Path and query, a template.
    path: Path,
}

struct Path(Template);

impl std::fmt::Debug for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Path(…)")
    }
}

impl Endpoint {
    fn parse(url: &Secret) -> Result<Self, String> {
        let url = url.expose().trim();
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        if rest.split(['/', '?']).next().is_some_and(|authority| authority.contains('{')) {
            return Err(
                "the host must be written out: only what follows it is a template".to_owned()
            );
        }
        let (origin, path) = Origin::split(url)?;
        let slash = if path.starts_with('/') { "" } else { "/" };
        let template =
            Template::parse(&format!("{slash}{path}")).map_err(|error| render::explain(&error))?;
        let endpoint = Self { origin, path: Path(template) };
        for sample in render::samples() {
            endpoint.uri(&sample, "").map_err(|_| "this is not an address".to_owned())?;
        }
        Ok(endpoint)
    }

    fn uri(&self, n: &Notification, page: &str) -> Result<Uri, SendError> {
        let path = self.path.0.render(n, page).map_err(SendError::Render)?;
        path.parse().map_err(|_| SendError::Compose {
            what: "the address has characters that it cannot have; use the filter `urlencode`"
                .to_owned(),
        })
    }
}

/// One configured webhook.
#[derive(Debug)]
struct Hook {
    endpoint: Endpoint,
    method: Method,
    headers: HeaderMap,
    content_type: HeaderValue,
    template: Option<Template>,
    secret: Option<Secret>,
    timeout: Duration,
    guard: Guard,
    tls: Tls,
}

impl Receiver for Hook {
    fn target(&self) -> String {
        self.endpoint.origin.to_string()
    }

    fn warnings(&self) -> Vec<String> {
        let unverified = *self.tls.trust() == Trust::Anybody && self.endpoint.origin.secure;
        unverified.then(|| "the certificate is not verified".to_owned()).into_iter().collect()
    }

    fn send<'a>(
        &'a self,
        notification: &'a Notification,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<Delivered, SendError>> {
        Box::pin(self.deliver(notification, context))
    }
}

impl Hook {
    async fn deliver(&self, n: &Notification, context: &Context) -> Result<Delivered, SendError> {
        let now = Clock.now().unix;
        let request = self.request(n, context, now)?;
        let deadline = Deadline::start(self.timeout);
        let Origin { host, port, secure: is_secure, .. } = &self.endpoint.origin;
        let stream = connect(context, host, *port, self.guard, deadline).await?;
        let answer = if *is_secure {
            let stream = secure(&self.tls, stream, host, deadline).await?;
            let limits = Limits { max_body: MAX_ANSWER, time: deadline.left() };
            exchange(stream, Version::Http1, request, limits).await
        } else {
            let limits = Limits { max_body: MAX_ANSWER, time: deadline.left() };
            exchange(stream, Version::Http1, request, limits).await
        };
        // Whether the content came whole does not matter: the status has come.
        let Answer { status, headers, body, .. } =
            answer.map_err(|error| unanswered(error, self.timeout))?;
        let text = self.redact(&String::from_utf8_lossy(&body));
        judge(status, retry_after(&headers, now), text)
    }

    fn request(
        &self,
        n: &Notification,
        context: &Context,
        now: Unix,
    ) -> Result<Request<Full<Bytes>>, SendError> {
        let body = match (&self.template, &self.method) {
            (_, &Method::GET) => String::new(),
            (Some(template), _) => template.render(n, &context.page).map_err(SendError::Render)?,
            (None, _) => render::document(n, &context.page).to_string(),
        };
        let mut request = Request::new(Full::new(Bytes::new()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.endpoint.uri(n, &context.page)?;
        let headers = request.headers_mut();
        headers.insert(HOST, value(&self.endpoint.origin.authority)?);
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        if self.method != Method::GET {
            headers.insert(CONTENT_TYPE, self.content_type.clone());
        }
        headers.extend(self.headers.clone());
        headers.insert(HeaderName::from_static("idempotency-key"), idempotency_key(&n.key));
        if let Some(secret) = &self.secret {
            let timestamp = now.seconds().to_string();
            let signature = sign(secret, &timestamp, &body);
            headers.insert(HeaderName::from_static("hark-timestamp"), value(&timestamp)?);
            headers.insert(HeaderName::from_static("hark-signature"), value(&signature)?);
        }
        *request.body_mut() = Full::new(Bytes::from(body));
        Ok(request)
    }

    /// Takes our own secrets out of an answer that repeats the request.
    fn redact(&self, text: &str) -> String {
        let mut text = text.to_owned();
        let headers = self.headers.values().filter_map(|v| v.to_str().ok());
        for secret in headers.chain(self.secret.as_ref().map(Secret::expose)) {
            // `Bearer abc` is also known as `abc`.
            for part in std::iter::once(secret).chain(secret.split_whitespace()) {
                if part.len() >= MIN_REDACTED {
                    text = text.replace(part, "…");
                }
            }
        }
        one_line(&text, MAX_ANSWER_TEXT)
    }
}

const AGENT: &str = concat!("hark/", env!("CARGO_PKG_VERSION"));

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

fn sign(secret: &Secret, timestamp: &str, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
    let mut context = hmac::Context::with_key(&key);
    context.update(timestamp.as_bytes());
    context.update(b".");
    context.update(body.as_bytes());
    format!("v1={}", digest::hex(context.sign().as_ref()))
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
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Unix(at.as_millisecond()).since(now))
}

/// Decides what an answer means.
fn judge(
    status: StatusCode,
    retry_after: Option<Duration>,
    text: String,
) -> Result<Delivered, SendError> {
    if status.is_success() {
        return Ok(Delivered {
            text: format!("{} {text}", status.as_u16()).trim().to_owned(),
            ..Default::default()
        });
    }
    let temporary = status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429);
    let again = match retry_after {
        _ if !temporary => Again::Never,
        Some(wait) => Again::After(wait),
        None => Again::Later,
    };
    let text = if status.is_redirection() {
        "redirects are not followed, put the final address into `url`".to_owned()
    } else {
        text
    };
    Err(SendError::Refused { code: status.as_u16(), text, again })
}

#[cfg(test)]
mod tests;

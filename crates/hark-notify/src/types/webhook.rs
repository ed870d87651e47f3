//! A call of a web address with a templated body: whatever service has no receiver type of its own.
//!
//! Each message is one connection: calls are rare, and a kept connection would have to be watched.
//! Redirects are not followed, since a guard on the first address says nothing about the second.

use std::future::poll_fn;
use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use hark_config::{Key, Kind, Section};
use hark_model::time::{Clock, Unix};
use hark_model::{Notification, Secret};
use http::header::{CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Incoming};
use hyper_util::rt::TokioIo;
use ring::hmac;
use tokio::io::{AsyncRead, AsyncWrite};

use super::email::{read_template, read_timeout};
use crate::connect::{Guard, connect};
use crate::deadline::Deadline;
use crate::digest;
use crate::error::{Again, Doing, SendError, one_line};
use crate::render::{self, Template};
use crate::tls::Trust;
use crate::{BoxFuture, Context, Delivered, Receiver, ReceiverType};

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
        let ca_file = section.opt_str("ca_file").map(PathBuf::from);
        let trust = Trust::new(ca_file, section.bool("insecure", false));
        let content_type = section.parse("content_type", HeaderValue::from_str);
        let headers = read_headers(section);
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
            trust,
        }))
    }
}

/// Headers that the call itself decides.
const OWN_HEADERS: &[&str] =
    &["host", "content-length", "transfer-encoding", "connection", "upgrade", "idempotency-key"];

fn read_headers(section: &Section<'_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let Some(child) = section.child("headers") else { return headers };
    for (key, value) in child.entries() {
        let Ok(name) = HeaderName::from_bytes(key.value.as_bytes()) else {
            value.error(format!("`{}` cannot be the name of a header", key.value));
            continue;
        };
        if OWN_HEADERS.contains(&name.as_str()) {
            value.error(format!("hark sets the header `{}` itself", key.value));
            continue;
        }
        let Some(secret) = value.secret() else { continue };
        match HeaderValue::from_str(secret.expose()) {
            Ok(mut content) => {
                content.set_sensitive(true);
                headers.insert(name, content);
            }
            Err(_) => drop(value.error("a header cannot contain control characters")),
        }
    }
    headers
}

/// An address that was found to be one. Its path is treated as a secret: chat services put their
/// tokens there.
#[derive(Debug)]
struct Endpoint {
    secure: bool,
    host: String,
    port: u16,
    /// Value of the header `Host`.
    authority: String,
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
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err("an address begins with https:// or http://".to_owned());
        };
        let secure = match scheme {
            "https" => true,
            "http" => false,
            other => return Err(format!("`{other}` is not http or https")),
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.contains('{') {
            return Err(
                "the host must be written out: only what follows it is a template".to_owned()
            );
        }
        if authority.contains('@') {
            return Err("no name or password here: use `headers: {Authorization: …}`".to_owned());
        }
        let parsed: http::uri::Authority =
            authority.parse().map_err(|_| "this has no valid host".to_owned())?;
        let slash = if path.starts_with('/') { "" } else { "/" };
        let template =
            Template::parse(&format!("{slash}{path}")).map_err(|error| render::explain(&error))?;
        let endpoint = Self {
            secure,
            host: parsed.host().trim_matches(['[', ']']).to_owned(),
            port: parsed.port_u16().unwrap_or(if secure { 443 } else { 80 }),
            authority: authority.to_owned(),
            path: Path(template),
        };
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
    trust: Trust,
}

impl Receiver for Hook {
    fn target(&self) -> String {
        let scheme = if self.endpoint.secure { "https" } else { "http" };
        format!("{scheme}://{}", self.endpoint.authority)
    }

    fn warnings(&self) -> Vec<String> {
        let unverified = self.trust.insecure && self.endpoint.secure;
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
        let Endpoint { host, port, .. } = &self.endpoint;
        let stream = connect(context, host, *port, self.guard, deadline).await?;
        let (status, retry_after, text) = if self.endpoint.secure {
            let stream = self.trust.secure(stream, host, deadline).await?;
            exchange(stream, request, deadline, now).await?
        } else {
            exchange(stream, request, deadline, now).await?
        };
        judge(status, retry_after, self.redact(&text))
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
        headers.insert(HOST, value(&self.endpoint.authority)?);
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

type Answer = (StatusCode, Option<Duration>, String);

/// Sends the request and reads what is of interest of the answer.
async fn exchange<S>(
    stream: S,
    request: Request<Full<Bytes>>,
    deadline: Deadline,
    now: Unix,
) -> Result<Answer, SendError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broken =
        |doing| move |error| SendError::Broken { doing, source: std::io::Error::other(error) };
    let (mut sender, connection) = deadline
        .within(Doing::Sending, hyper::client::conn::http1::handshake(TokioIo::new(stream)))
        .await?
        .map_err(broken(Doing::Sending))?;
    let talk = async {
        // The request is small: hyper writes it at once, so time is lost on waiting.
        let answer = deadline
            .within(Doing::Waiting, sender.send_request(request))
            .await?
            .map_err(broken(Doing::Waiting))?;
        let retry_after = retry_after(&answer, now);
        let status = answer.status();
        let body = read_some(answer.into_body(), MAX_ANSWER);
        // The status has come: a body that never ends does not change it.
        let body = deadline.within(Doing::Waiting, body).await.unwrap_or_default();
        Ok((status, retry_after, String::from_utf8_lossy(&body).into_owned()))
    };
    drive(connection, talk).await
}

/// Runs `talk` while keeping `connection` going, without a task of its own: dropping the future
/// closes everything.
async fn drive<C: Future, T: Future>(connection: C, talk: T) -> T::Output {
    let mut connection = pin!(connection);
    let mut talk = pin!(talk);
    let mut is_open = true;
    poll_fn(|cx| {
        if is_open && connection.as_mut().poll(cx).is_ready() {
            is_open = false;
        }
        let answer = talk.as_mut().poll(cx);
        // The talk may have given the connection something to do.
        if answer.is_pending() && is_open && connection.as_mut().poll(cx).is_ready() {
            is_open = false;
            return talk.as_mut().poll(cx);
        }
        answer
    })
    .await
}

async fn read_some(mut body: Incoming, max: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while !body.is_end_stream() && bytes.len() < max {
        let Some(Ok(frame)) = body.frame().await else { break };
        if let Some(data) = frame.data_ref() {
            bytes.extend(data.iter().take(max - bytes.len()));
        }
    }
    bytes
}

/// Reads `Retry-After` in both its forms, seconds and date.
fn retry_after<B>(answer: &Response<B>, now: Unix) -> Option<Duration> {
    let text = answer.headers().get(RETRY_AFTER)?.to_str().ok()?.trim();
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

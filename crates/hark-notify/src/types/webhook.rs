//! A call of a web address with a templated body: whatever service has no receiver type of its own.
//!
//! Each message is one connection: calls are rare, and a kept connection would have to be watched.
//! Redirects are not followed, since a guard on the first address says nothing about the second.

use std::borrow::Cow;

use hark_config::{Key, Kind, Section};
use hark_model::time::{Clock, Unix};
use hark_model::{Notification, Secret};
use hark_net::{Call, Origin, read_headers};
use http::{HeaderValue, Method, Uri};
use ring::hmac;

use crate::error::SendError;
use crate::render::{self, Template, read_template};
use crate::service::{self, Service, ServiceReceiver};
use crate::{Context, Delivered, Receiver, ReceiverType, digest};

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
    service::TIMEOUT,
    service::FORBID_PRIVATE,
    service::CA_FILE,
    service::INSECURE,
];

const JSON: &str = "application/json";

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
        let content_type = section.parse("content_type", HeaderValue::from_str);
        let headers = read_headers(section, OWN_HEADERS);
        let template = read_template(section, "template");
        let secret = section.opt_secret("secret");
        let settings = service::Settings::read(section);
        let endpoint = endpoint?;
        let mut service = Service::hidden_below(settings, endpoint.origin).with_headers(headers);
        if let Some(secret) = &secret {
            service = service.hiding(secret);
        }
        Some(Box::new(Hook {
            service,
            path: endpoint.path,
            method,
            content_type: content_type.unwrap_or(HeaderValue::from_static(JSON)),
            template,
            secret,
        }))
    }
}

/// Headers that the call itself decides.
const OWN_HEADERS: &[&str] = &[
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "upgrade",
    "idempotency-key",
    "hark-timestamp",
    "hark-signature",
];

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
            let path =
                endpoint.path.0.render(&sample, "", "").map_err(|error| render::explain(&error))?;
            if path.parse::<Uri>().is_err() {
                return Err("this is not an address".to_owned());
            }
        }
        Ok(endpoint)
    }
}

/// One configured webhook.
#[derive(Debug)]
struct Hook {
    service: Service,
    path: Path,
    method: Method,
    content_type: HeaderValue,
    template: Option<Template>,
    secret: Option<Secret>,
}

impl ServiceReceiver for Hook {
    fn service(&self) -> &Service {
        &self.service
    }

    async fn deliver(
        &self,
        notification: &Notification,
        context: &Context,
    ) -> Result<Delivered, SendError> {
        let call = self.call(notification, context, Clock.now().unix)?;
        self.service.begin(context).call(call).await?.delivered()
    }
}

impl Hook {
    fn call(&self, n: &Notification, context: &Context, now: Unix) -> Result<Call, SendError> {
        let body = match (&self.template, &self.method) {
            (_, &Method::GET) => String::new(),
            (Some(template), _) => template.fill(n, context)?,
            (None, _) => render::document(n, &context.page).to_string(),
        };
        let path = self.path.0.fill(n, context)?;
        let mut call = Call::new(self.method.clone(), path).secret();
        call = call.header("idempotency-key", &idempotency_key(&n.key))?;
        if let Some(secret) = &self.secret {
            let timestamp = now.seconds().to_string();
            let signature = sign(secret, &timestamp, &body);
            call = call.header("hark-timestamp", &timestamp)?;
            call = call.header("hark-signature", &signature)?;
        }
        if self.method != Method::GET {
            call = call.content(self.content_type.clone(), body);
        }
        Ok(call)
    }
}

/// Returns the key as it is where a header can hold it, else its digest: unique all the same.
fn idempotency_key(key: &str) -> Cow<'_, str> {
    match HeaderValue::from_str(key) {
        Ok(_) => key.into(),
        Err(_) => digest::sha256(key).into(),
    }
}

fn sign(secret: &Secret, timestamp: &str, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
    let mut context = hmac::Context::with_key(&key);
    context.update(timestamp.as_bytes());
    context.update(b".");
    context.update(body.as_bytes());
    format!("v1={}", hark_net::hex(context.sign().as_ref()))
}

#[cfg(test)]
mod tests;

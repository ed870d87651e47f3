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
//!   [`Talk::call`] sends one [`Call`](hark_net::Call) as [`hark_net::Client`] does, and ends with an
//!   [`Answered`] or, without a status, with the [`SendError`](crate::error::SendError) that says how far
//!   it came.
//! - [`Answered::delivered`] judges by status alone: 2xx arrived; 408, 425, 429 and 5xx again later,
//!   not before `Retry-After`; all else never. Services that say more in the body look at
//!   [`Answered::json`] first and use [`Answered::refused`] with their own
//!   [`Again`](crate::error::Again).
//!
//! Texts of errors and answers are shortened to one line and cleaned of every secret known here. The
//! tests of a type use `types/tests/server.rs`, a server that keeps what it was sent; a type that is
//! in the list there is also held to what all services must do.

use std::time::Duration;

use hark_config::{Key, Kind, Section};
use hark_model::Secret;
use hark_net::{Client, Guard, Origin, Tls, Trust};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::Context;
use crate::deadline::read_timeout;

mod answered;
mod receiver;
mod talk;

pub(crate) use answered::{Answered, is_refused_as};
pub(crate) use receiver::ServiceReceiver;
pub(crate) use talk::Talk;

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

/// Where a service is called and how, as configured.
#[derive(Debug)]
pub(crate) struct Service {
    client: Client,
    /// Whether the path of the address may be shown to those who may see what was sent.
    shows_path: bool,
    /// Whether the paths of calls may be shown to them.
    shows_calls: bool,
    settings: Settings,
}

/// How a service is called: the settings that are the same for all.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    timeout: Duration,
    guard: Guard,
    trust: Trust,
}

impl Settings {
    /// Reads [`TIMEOUT`], [`FORBID_PRIVATE`], [`CA_FILE`] and [`INSECURE`].
    pub(crate) fn read(section: &Section<'_>) -> Self {
        Self::read_guarded(section, false)
    }

    /// As [`Settings::read`], where private addresses may be kept out unless the settings say otherwise.
    pub(crate) fn read_guarded(section: &Section<'_>, is_public: bool) -> Self {
        let timeout = read_timeout(section, TIMEOUT.name, DEFAULT_TIMEOUT);
        let is_public = section.bool(FORBID_PRIVATE.name, is_public);
        let guard = if is_public { Guard::PublicOnly } else { Guard::Open };
        let ca_file = section.opt_str(CA_FILE.name);
        let trust = Trust::of_settings(ca_file, section.bool(INSECURE.name, false));
        Self { timeout, guard, trust }
    }

    /// Returns true if private addresses are kept out.
    pub(crate) fn is_guarded(&self) -> bool {
        self.guard == Guard::PublicOnly
    }

    fn tls(&self) -> Tls {
        Tls::new(self.trust.clone())
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
        let service = Self::split(section, key, url?.expose(), settings)?;
        let client = service.client.with_secret_address();
        Some(Self { client, shows_path: false, ..service })
    }

    /// Makes a service of what was read elsewhere; the paths of its calls are whole and secret.
    pub(crate) fn hidden_below(settings: Settings, origin: Origin) -> Self {
        let client = Client::of(origin, String::new(), settings.tls());
        let service = Self::of(settings, client);
        Self { shows_path: false, shows_calls: false, ..service }
    }

    fn of(settings: Settings, client: Client) -> Self {
        let client = client.guarded(settings.guard);
        Self { client, shows_path: true, shows_calls: true, settings }
    }

    fn split(
        section: &Section<'_>,
        key: &'static str,
        url: &str,
        settings: Settings,
    ) -> Option<Self> {
        match Client::at(url, settings.tls()) {
            Ok(client) => Some(Self::of(settings, client)),
            Err(what) => {
                section.error(key, what);
                None
            }
        }
    }

    /// Adds a header to each call. Its value is a credential. A value that no header can hold is
    /// reported at `key`.
    pub(crate) fn bearing(
        self,
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
        Some(self.with_headers(HeaderMap::from_iter([(name, content)])))
    }

    /// Adds `Authorization: Bearer TOKEN` to each call (RFC 6750); `token` was read from `key`.
    pub(crate) fn bearer(self, section: &Section<'_>, key: &str, token: &Secret) -> Option<Self> {
        self.bearing(section, key, AUTHORIZATION, &format!("Bearer {}", token.expose()))
    }

    /// Adds headers, whose values are credentials.
    pub(crate) fn with_headers(self, headers: HeaderMap) -> Self {
        Self { client: self.client.bearing(headers), ..self }
    }

    /// Takes `secret` out of every text that comes from this service.
    pub(crate) fn hiding(self, secret: &Secret) -> Self {
        Self { client: self.client.hiding(secret.expose()), ..self }
    }

    /// Returns where messages go, for people: never the path.
    pub(crate) fn target(&self) -> String {
        self.client.origin().to_string()
    }

    /// Returns what people should be warned of.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let takes_any = *self.client.tls().trust() == Trust::Anybody;
        let unverified = takes_any && self.client.origin().secure;
        unverified.then(|| "the certificate is not verified".to_owned()).into_iter().collect()
    }

    /// Starts one delivery: its calls share one time limit.
    pub(crate) fn begin<'a>(&'a self, context: &'a Context) -> Talk<'a> {
        Talk::begin(self, context)
    }

    /// Takes our own secrets out of an answer that repeats the request.
    pub(crate) fn redacted(&self, text: &str) -> String {
        self.client.redacted(text)
    }
}

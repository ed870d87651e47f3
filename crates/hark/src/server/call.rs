//! A web address that this server calls by itself: that of a dead man's switch, or of another hark.
//!
//! It is called as receivers are ([`hark_net::Client`]). What follows the host may be secret and is never
//! shown.

use std::fmt;
use std::time::Duration;

use hark_config::{Key, Kind, Section};
use hark_model::Secret;
use hark_net::{Call, Client, Reply, Resolve, Tls, Trust, read_fingerprint};
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

/// Bounds of `timeout`.
const TIMEOUT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

/// An address that is called.
#[derive(Debug)]
pub(crate) struct Address {
    client: Client,
    timeout: Duration,
}

/// What was not answered, or how.
#[derive(Debug, Error)]
pub(crate) enum CallError {
    /// No answer.
    #[error(transparent)]
    Unanswered(#[from] hark_net::CallError),
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
        let pinned = section.parse("fingerprint", read_fingerprint);
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
        let client = Client::at(url.expose(), Tls::new(trust))?;
        Ok(Self { client: client.with_secret_address(), timeout })
    }

    /// Adds headers to each call; their values are credentials.
    pub(crate) fn bearing(self, headers: http::HeaderMap) -> Self {
        Self { client: self.client.bearing(headers), ..self }
    }

    /// Returns true if calls go the same way with both: never where authorities are in a file.
    pub(crate) fn goes_as(&self, other: &Self) -> bool {
        self.timeout == other.timeout && self.client.goes_as(&other.client)
    }

    /// Makes a call below the address, and returns whatever is answered. Otherwise as [`Address::call`].
    ///
    /// # Errors
    /// If nothing is.
    pub(crate) async fn ask(
        &self,
        resolver: &dyn Resolve,
        call: Call,
    ) -> Result<Reply, hark_net::CallError> {
        self.client.call(resolver, call, self.timeout).await
    }

    /// Makes a call below the address, and returns the content of an answer that says yes. It ends within
    /// the time limit; cancelling it closes the connection, and whether the other side heard it is then
    /// unknown.
    ///
    /// # Errors
    /// See [`CallError`].
    pub(crate) async fn call(
        &self,
        resolver: &dyn Resolve,
        call: Call,
    ) -> Result<Vec<u8>, CallError> {
        let reply = self.ask(resolver, call).await?;
        if reply.status.is_success() {
            return Ok(reply.body);
        }
        Err(CallError::Refused { code: reply.status.as_u16(), text: reply.text })
    }
}

/// Shows with whom one speaks, and nothing of what follows.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.client.origin().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_go_the_same_way_if_all_that_is_sent_and_trusted_is_the_same() {
        let header = |value: &'static str| {
            let value = http::HeaderValue::from_static(value);
            http::HeaderMap::from_iter([(http::header::AUTHORIZATION, value)])
        };
        let make = |url: &str, trust, seconds, value| {
            let timeout = Duration::from_secs(seconds);
            let address = Address::parse(&Secret::new(url.to_owned()), trust, timeout).unwrap();
            address.bearing(header(value))
        };
        let one = make("https://a.example/b?c", Trust::System, 5, "x");
        assert!(one.goes_as(&make("https://a.example/b?c", Trust::System, 5, "x")));
        for other in [
            make("http://a.example/b?c", Trust::System, 5, "x"),
            make("https://a.example/d?c", Trust::System, 5, "x"),
            make("https://a.example/b?d", Trust::System, 5, "x"),
            make("https://a.example/b?c", Trust::Anybody, 5, "x"),
            make("https://a.example/b?c", Trust::System, 6, "x"),
            make("https://a.example/b?c", Trust::System, 5, "y"),
        ] {
            assert!(!one.goes_as(&other) && !other.goes_as(&one), "{other:?}");
        }
        let in_file = || make("https://a.example", Trust::File("ca.pem".into()), 5, "x");
        assert!(!in_file().goes_as(&in_file()), "the file may hold others by now");
    }

    #[test]
    fn what_follows_the_host_is_not_shown() {
        let url = Secret::new("https://hc.example/secret-path".to_owned());
        let address = Address::parse(&url, Trust::System, TIMEOUT.0).unwrap();
        assert_eq!(address.to_string(), "https://hc.example");
        assert!(!format!("{address:?}").contains("secret-path"));
    }
}

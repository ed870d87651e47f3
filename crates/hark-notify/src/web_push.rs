//! Browsers that show notifications while the page is closed: what is known of each, and how a message is
//! made that only that browser can read.
//!
//! A browser gives an address at the push service of its maker, and keys. The service carries what it
//! cannot read (RFC 8291), and takes it from this server alone (RFC 8292). Which browsers there are is kept
//! by whoever implements [`Browsers`].

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hark_model::{RotaName, TeamName, UserName};
use hark_net::{BoxFuture, Origin};

mod seal;
mod vapid;

pub(crate) use seal::{MAX_PLAIN, seal};
pub use vapid::{VapidKey, VapidKeyError};

/// Bound on the address that a browser gives, in bytes: the longest known have some 600.
pub const MAX_ENDPOINT: usize = 2048;

/// Bytes of a public key: a point of P-256, not compressed.
const KEY_BYTES: usize = 65;

/// Bytes of the secret that a browser shares with those who write to it.
const SECRET_BYTES: usize = 16;

/// A browser that shows notifications.
#[derive(Clone, PartialEq, Eq)]
pub struct Browser {
    /// Its number.
    pub id: u64,
    /// What its user calls it.
    pub name: String,
    endpoint: String,
    key: Vec<u8>,
    secret: Vec<u8>,
}

/// Shows no address: whoever knows it can at least annoy.
impl fmt::Debug for Browser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Browser")
            .field("id", &self.id)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Browser {
    /// Reads what a browser says of itself: the address, the public key and the shared secret, the latter two
    /// in base64 as [`URL_SAFE_NO_PAD`] writes them.
    ///
    /// # Errors
    /// Which of the three is wrong, and why.
    pub fn read(
        (id, name): (u64, String),
        endpoint: &str,
        key: &str,
        secret: &str,
    ) -> Result<Self, (Wrong, &'static str)> {
        let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text.trim_end_matches('='));
        let endpoint = endpoint.trim().to_owned();
        let key = bytes(key).map_err(|_| (Wrong::Key, "this is not base64url"))?;
        let secret = bytes(secret).map_err(|_| (Wrong::Secret, "this is not base64url"))?;
        let browser = Self { id, name, endpoint, key, secret };
        browser.check()?;
        Ok(browser)
    }

    fn check(&self) -> Result<(), (Wrong, &'static str)> {
        if self.endpoint.len() > MAX_ENDPOINT {
            return Err((Wrong::Endpoint, "the address is too long"));
        }
        let (_, path) =
            Origin::split(&self.endpoint).map_err(|_| (Wrong::Endpoint, "this is no address"))?;
        if path.parse::<http::Uri>().is_err() || !path.starts_with('/') {
            return Err((Wrong::Endpoint, "this is no address of a push service"));
        }
        if self.secret.len() != SECRET_BYTES {
            return Err((Wrong::Secret, "16 bytes are expected"));
        }
        if self.key.len() != KEY_BYTES {
            return Err((Wrong::Key, "65 bytes are expected"));
        }
        // A point that is not on the curve would be found out by the first message.
        match seal(self, b"") {
            Ok(_) => Ok(()),
            Err(_) => Err((Wrong::Key, "this is no point of P-256")),
        }
    }

    /// Returns the address at the push service. Whoever knows it can send what the browser cannot read.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Returns the public key in base64.
    pub fn key(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.key)
    }

    /// Returns the shared secret in base64.
    pub fn secret(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.secret)
    }

    /// Returns with whom one speaks and the path there.
    pub(crate) fn place(&self) -> Result<(Origin, &str), String> {
        Origin::split(&self.endpoint)
    }
}

/// What is wrong about a browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// The address.
    Endpoint,
    /// The public key.
    Key,
    /// The shared secret.
    Secret,
}

/// Whose browsers a receiver means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Those of a user.
    User(UserName),
    /// Those of every member of a team.
    Team(TeamName),
    /// Those of whoever is on call.
    OnCall(RotaName),
}

impl fmt::Display for Whose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(user) => user.fmt(f),
            Self::Team(team) => write!(f, "team:{team}"),
            Self::OnCall(rota) => write!(f, "oncall:{rota}"),
        }
    }
}

/// Who knows which browsers show notifications, and has the key of this server.
pub trait Browsers: Send + Sync {
    /// Returns what this server proves itself with to push services.
    fn key(&self) -> &VapidKey;

    /// Returns the users who are meant at present, each once.
    ///
    /// # Errors
    /// Why they are not known at present.
    fn members<'a>(&'a self, whose: &'a Whose) -> BoxFuture<'a, Result<Vec<UserName>, String>>;

    /// Returns the browsers of a user.
    ///
    /// # Errors
    /// Why they are not known at present.
    fn of<'a>(&'a self, user: &'a UserName) -> BoxFuture<'a, Result<Vec<Browser>, String>>;

    /// Forgets a browser of a user: its push service says that it is gone.
    fn gone<'a>(&'a self, user: &'a UserName, browser: &'a Browser) -> BoxFuture<'a, ()>;
}

#[cfg(test)]
pub(crate) mod tests {
    pub(crate) use super::seal::tests::Reader;
    use super::*;

    /// What RFC 8291 has as an example (appendix A).
    pub(crate) const KEY: &str =
        "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
    pub(crate) const SECRET: &str = "BTBZMqHH6r4Tts7J_aSIgg";

    fn read(endpoint: &str, key: &str, secret: &str) -> Result<Browser, (Wrong, &'static str)> {
        Browser::read((1, "phone".to_owned()), endpoint, key, secret)
    }

    #[test]
    fn what_a_browser_says_of_itself_is_read_and_written_alike() {
        let endpoint = "https://push.example.net/push/JzLQ3raZJfFBR0aqvOMsLrt54w4rJUsV";
        let browser = read(endpoint, KEY, SECRET).unwrap();
        assert_eq!((browser.endpoint(), browser.key().as_str()), (endpoint, KEY));
        assert_eq!(browser.secret(), SECRET);
        assert_eq!(read(endpoint, &format!("{KEY}="), &format!("{SECRET}==")).unwrap(), browser);
        let shown = format!("{browser:?}");
        assert!(!shown.contains("JzLQ3") && !shown.contains("push.example"), "{shown}");
    }

    #[test]
    fn what_cannot_be_written_to_is_refused_at_once() {
        let good = "https://push.example.net/x";
        let off_curve = URL_SAFE_NO_PAD.encode([&[4_u8][..], &[1; 64]].concat());
        let long = format!("https://push.example.net/{}", "x".repeat(MAX_ENDPOINT));
        for (endpoint, key, secret, wrong) in [
            ("ftp://push.example.net/x", KEY, SECRET, Wrong::Endpoint),
            ("https://push.example.net", KEY, SECRET, Wrong::Endpoint),
            ("https://push.example.net/a b", KEY, SECRET, Wrong::Endpoint),
            ("https://me:pass@push.example.net/x", KEY, SECRET, Wrong::Endpoint),
            (long.as_str(), KEY, SECRET, Wrong::Endpoint),
            (good, "BCVx", SECRET, Wrong::Key),
            (good, "?", SECRET, Wrong::Key),
            (good, &off_curve, SECRET, Wrong::Key),
            (good, KEY, "BTBZ", Wrong::Secret),
        ] {
            assert_eq!(read(endpoint, key, secret).unwrap_err().0, wrong, "{endpoint} {key}");
        }
    }
}

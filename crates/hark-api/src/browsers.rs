//! Browsers of a user that show notifications, also while the page is closed.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::time::Timestamp;

/// The most browsers of one user: each message goes to all of them.
pub const MAX_BROWSERS: usize = 10;

/// The longest name of a browser, in bytes.
pub const MAX_BROWSER_NAME: usize = 100;

/// How notifications come to one's browsers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Browsers {
    /// The public key of the server, which a browser is told when notifications are turned on (RFC 8292):
    /// base64url.
    pub key: String,
    /// Receivers of the type `web_push` that lead to one. With none nothing is ever shown.
    pub receivers: Vec<String>,
    /// The browsers, the oldest first.
    pub browsers: Vec<Browser>,
}

/// A browser.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Browser {
    /// Its number.
    pub id: u64,
    /// What its user calls it.
    pub name: String,
    /// The host of the push service that carries its messages.
    pub service: String,
    /// SHA-256 of its address at the push service, in hexadecimal digits: by it a browser knows itself.
    pub digest: String,
    /// When notifications were turned on.
    pub created_at: Timestamp,
}

/// Turns notifications on in a browser.
#[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewBrowser {
    /// What its user calls it.
    pub name: String,
    /// Its address at a push service.
    pub endpoint: String,
    /// Its public key, in base64url.
    pub p256dh: String,
    /// What it shares with those who write to it, in base64url.
    pub auth: String,
}

/// Shows neither address nor secret.
impl std::fmt::Debug for NewBrowser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewBrowser").field("name", &self.name).finish_non_exhaustive()
    }
}

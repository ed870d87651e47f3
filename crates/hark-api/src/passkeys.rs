//! Passkeys: what a browser is asked, and what it answers. Bytes are base64url without padding.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::second_factor::Passkey;

/// What a browser needs to make a passkey.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PasskeyOffer {
    /// What it must answer, within five minutes.
    pub challenge: String,
    /// The name of the server that the key is bound to.
    pub domain: String,
    /// The number of the user for the key.
    pub user_id: String,
    /// The name to log in with.
    pub user_name: String,
    /// The name for people.
    pub user_full_name: String,
    /// Algorithms that are understood, the best first, as COSE numbers them.
    pub algorithms: Vec<i64>,
    /// Keys that the user has already.
    pub known: Vec<String>,
}

/// A passkey that a browser has made.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPasskey {
    /// What its owner calls it.
    pub name: String,
    /// `response.clientDataJSON`.
    pub client_data: String,
    /// `response.attestationObject`.
    pub attestation: String,
}

impl std::fmt::Debug for NewPasskey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewPasskey").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A passkey that counts from now on.
#[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PasskeyMade {
    /// What is kept of it.
    pub passkey: Passkey,
    /// Recovery codes, if there were none: the only time that they are shown.
    pub recovery_codes: Vec<String>,
}

impl std::fmt::Debug for PasskeyMade {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PasskeyMade").field("passkey", &self.passkey).finish_non_exhaustive()
    }
}

/// What a passkey must sign to log in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PasskeyChallenge {
    /// What it must answer, within five minutes.
    pub challenge: String,
    /// The name of the server that the key is bound to.
    pub domain: String,
}

/// A log-in by a passkey.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasskeyLogin {
    /// Which key: its `rawId`.
    pub id: String,
    /// `response.clientDataJSON`.
    pub client_data: String,
    /// `response.authenticatorData`.
    pub authenticator_data: String,
    /// `response.signature`.
    pub signature: String,
    /// `response.userHandle`, if the key gives one.
    #[serde(default)]
    pub user_id: Option<String>,
}

impl std::fmt::Debug for PasskeyLogin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PasskeyLogin").field("id", &self.id).finish_non_exhaustive()
    }
}

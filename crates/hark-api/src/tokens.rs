//! API tokens of the user.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::time::Timestamp;

/// One API token, without its text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Token {
    /// Its number, to revoke it by.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends; null if it does not.
    #[schema(required = true)]
    pub expires_at: Option<Timestamp>,
    /// When it was last used, to the minute; null if never.
    #[schema(required = true)]
    pub last_used_at: Option<Timestamp>,
}

/// Makes an API token with the rights of its user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenRequest {
    /// What it is for.
    pub name: String,
    /// How long it is valid; without, until it is revoked.
    #[serde(default)]
    pub valid_seconds: Option<u64>,
}

/// A new API token: the only time that its text is shown.
#[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NewToken {
    /// The text: `Authorization: Bearer …`.
    pub secret: String,
    /// What is kept of it.
    pub token: Token,
}

impl std::fmt::Debug for NewToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewToken").field("token", &self.token).finish_non_exhaustive()
    }
}

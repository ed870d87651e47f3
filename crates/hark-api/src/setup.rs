//! The first start: making the first administrator.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Whether the first administrator is still to be made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Setup {
    /// True until the first administrator exists.
    pub needed: bool,
    /// The server's version.
    pub version: String,
    /// What this server is called, for titles; empty if nobody has said.
    #[serde(default)]
    pub site_name: String,
}

/// Makes the first administrator.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetupRequest {
    /// The one-time code that the server printed.
    pub code: String,
    /// The name to log in with.
    pub user: String,
    /// The name for people.
    #[serde(default)]
    pub full_name: String,
    /// At least 10 characters.
    pub password: String,
}

impl std::fmt::Debug for SetupRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SetupRequest").field("user", &self.user).finish_non_exhaustive()
    }
}

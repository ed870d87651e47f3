//! Sessions of the user.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::time::Timestamp;

/// One session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Session {
    /// Its number, to revoke it by; not its token.
    pub id: String,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last used, to the minute.
    pub last_seen_at: Timestamp,
    /// The address it was last used from.
    pub address: String,
    /// What the browser or program calls itself.
    pub agent: String,
    /// True for the session that asks.
    pub current: bool,
}

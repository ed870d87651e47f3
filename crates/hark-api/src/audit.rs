//! Who did what.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::time::Timestamp;

/// One line of the audit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AuditLine {
    /// When.
    pub at: Timestamp,
    /// Who; empty if nobody was logged in.
    pub who: String,
    /// From which address.
    pub address: String,
    /// What, in one word with a dot: `session.login`, `incident.ack` ...
    pub what: String,
    /// On what and how, for people.
    pub detail: String,
}

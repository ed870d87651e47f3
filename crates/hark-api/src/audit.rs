//! Who did what.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::time::Timestamp;

/// What following the audit's chain of hashes from its first line to its last has found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditChain {
    /// How many lines follow from one another.
    pub lines: u64,
    /// The first line that does not follow from the one before it; null if all do.
    #[schema(required = true)]
    pub broken_at: Option<u64>,
    /// The hash of the newest line, in hexadecimal digits; empty if the chain is broken or has no line.
    pub newest: String,
}

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

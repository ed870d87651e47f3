//! Who did what.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::list::{Cursor, TimeSort};
use crate::sought::Sought;
use crate::time::Timestamp;

/// Which lines.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    /// Part of who, from where, what, or on what.
    pub q: Option<String>,
    /// In which order; `-at`, the newest first, if not given.
    pub sort: Option<TimeSort>,
    /// The `next` of the page before.
    pub cursor: Option<Cursor>,
    /// How many items at most.
    pub limit: Option<u32>,
}

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

impl AuditLine {
    /// Returns whether `q` is anywhere in the line.
    pub fn mentions(&self, q: &Sought) -> bool {
        [&self.who, &self.address, &self.what, &self.detail].iter().any(|text| q.is_in(text))
    }
}

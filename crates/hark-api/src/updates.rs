//! Releases that the server offers to agents.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::time::Timestamp;

/// What is offered to whom, and how far it has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Rollout {
    /// Whether anything is offered to anybody.
    pub enabled: bool,
    /// To how many of every hundred hosts of those below.
    pub percent: u64,
    /// Patterns of the hosts that it is offered to; empty for all.
    pub hosts: Vec<String>,
    /// Tags of the hosts that it is offered to; empty for all.
    pub tags: Vec<String>,
    /// What lies there.
    pub releases: Vec<OfferedRelease>,
    /// How many hosts have which version.
    pub versions: BTreeMap<String, u64>,
}

/// A release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OfferedRelease {
    /// For which machines, such as `x86_64-linux`.
    pub target: String,
    /// Its version, as its signature says.
    pub version: String,
    /// When it was put there.
    pub placed_at: Option<Timestamp>,
    /// To how many hosts it is offered, of any kind of machine.
    pub offered_to: u64,
    /// How many of these have it, or a newer one.
    pub arrived: u64,
}

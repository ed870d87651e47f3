//! The server about itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::keeping::Quarantine;
use crate::time::Timestamp;

/// How the server is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Server)]
pub struct ServerReport {
    /// Its version.
    pub version: String,
    /// When it started.
    pub started_at: Timestamp,
    /// How long ago that is.
    pub uptime_seconds: f64,
    /// How many hosts it knows.
    pub hosts: u64,
    /// How many series it keeps.
    pub series: u64,
    /// What became of datagrams: `received`, `accepted`, and one figure for each reason why not.
    pub datagrams: BTreeMap<String, u64>,
    /// How history is.
    pub history: HistoryReport,
    /// Figures of the store: `state_bytes`, `commits`, `commit_ms_p99` ...
    pub store: BTreeMap<String, f64>,
    /// How full each queue is.
    pub queues: BTreeMap<String, u64>,
    /// Receivers whose last try failed.
    pub receivers_failing: Vec<String>,
    /// Set if the server was restored from a backup and tells nobody yet.
    #[schema(required = true)]
    pub quarantine: Option<Quarantine>,
}

/// How history is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HistoryReport {
    /// Whether samples are written.
    pub state: HistoryState,
    /// Why not, or why not all; empty if they are.
    pub reason: String,
    /// How much it holds.
    pub bytes: u64,
}

/// Whether samples are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum HistoryState {
    /// They are.
    Ok,
    /// They are not; alerting goes on.
    Stopped,
    /// More comes than can be kept: some are not, and come later.
    Shedding,
}

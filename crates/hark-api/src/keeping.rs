//! Backups, and the quarantine of a server that was restored from one.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::time::Timestamp;

/// A backup that the server has made by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Backup {
    /// Its name within the folder of backups.
    pub name: String,
    /// Where it lies on the server.
    pub path: String,
    /// When it was taken.
    pub taken_at: Timestamp,
    /// How many bytes its files have; those of several backups may be the same.
    pub bytes: u64,
    /// Whether samples are part of it.
    pub with_history: bool,
    /// What of the samples was damaged when it was taken; empty if nothing was.
    pub damage: String,
    /// The version of hark that has made it.
    pub version: String,
}

/// The server was restored from a backup, and tells nobody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Quarantine {
    /// When it was restored.
    pub restored_at: Timestamp,
    /// Of when the backup is.
    pub taken_at: Timestamp,
}

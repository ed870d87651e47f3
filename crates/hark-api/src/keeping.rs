//! Backups, the quarantine of a server that was restored from one, and samples that are erased.

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

/// Which samples of a host are to be erased. They do not come back; backups of before have them still.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EraseRequest {
    /// The host.
    pub host: String,
    /// Which series, as a pattern with `*` and `?`: `collector.metric`, the whole path, or the name for
    /// Prometheus. All if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1024)]
    pub metric: Option<String>,
    /// What is from before; what there is by now if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Timestamp>,
    /// Only say how much it would be.
    #[serde(default)]
    pub dry_run: bool,
}

/// How much an erasure would take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErasePlan {
    /// The host.
    pub host: String,
    /// How many of its series are meant.
    pub series: u64,
    /// What is from before.
    pub before: Timestamp,
    /// Samples.
    pub samples: u64,
    /// Chunks and rows of coarser values that it touches.
    pub rows: u64,
    /// Bytes of these that it takes, about.
    pub bytes: u64,
}

/// Which samples are to be written as text, into a file that lies on the server for a day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExportRequest {
    /// Of hosts whose name fits one of these patterns (`*`, `?`); of all if there are none.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Series that fit one of these patterns: `collector.metric`, the whole path, or the name for Prometheus. All
    /// if there are none.
    #[serde(default)]
    pub metrics: Vec<String>,
    /// From when; all that there is if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Until before when; now if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    /// How they are written.
    #[serde(default)]
    pub format: ExportFormat,
}

/// How samples are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ExportFormat {
    /// Metrics and labels, as Prometheus reads them.
    #[default]
    Openmetrics,
    /// A line for each sample, with a head.
    Csv,
    /// An object on each line.
    Jsonl,
}

/// Samples that were written as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Export {
    /// The name of its file, for `GET /api/0/history/exports/NAME`.
    pub name: String,
    /// How long it is.
    pub bytes: u64,
    /// When it was whole; a day later it is gone.
    pub made_at: Timestamp,
}

/// Samples of the past, as text: CSV or JSON lines as an export has them, `OpenMetrics`, the older text of Prometheus,
/// or what `promtool tsdb dump` prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportRequest {
    /// The text, 16 MiB of the request at most: a longer one in pieces, each with its head.
    pub text: String,
    /// The host, whatever the text says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
}

/// The server was restored from a backup, and tells nobody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Quarantine {
    /// When it was restored.
    pub restored_at: Timestamp,
    /// Of when the backup is.
    pub taken_at: Timestamp,
}

//! Checks of all hosts.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::list::Cursor;
use crate::time::Timestamp;
use crate::words::Status;

/// Which checks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ChecksQuery {
    /// Part of a host's name, of a check's name or of what it says.
    pub q: Option<String>,
    /// Those of this name.
    pub check: Option<String>,
    /// One state.
    pub state: Option<Status>,
    /// In which order; `host` if not given.
    pub sort: Option<CheckSort>,
    /// The `next` of the page before.
    pub cursor: Option<Cursor>,
    /// How many items at most.
    pub limit: Option<u32>,
}

/// The order of a list of checks. What is alike stands by host, then by name; with a minus the whole order is backwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum CheckSort {
    /// By host.
    #[default]
    #[serde(rename = "host")]
    Host,
    /// By host, backwards.
    #[serde(rename = "-host")]
    HostBackwards,
    /// The worst state first.
    #[serde(rename = "state")]
    State,
    /// The best state first.
    #[serde(rename = "-state")]
    StateBackwards,
    /// The one that has been as it is for longest first.
    #[serde(rename = "changed_at")]
    Changed,
    /// The one that changed last first.
    #[serde(rename = "-changed_at")]
    ChangedBackwards,
}

/// A check of a host in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CheckRow {
    /// The host.
    pub host: String,
    /// Its name within the host.
    pub check: String,
    /// What is believed.
    pub status: Status,
    /// The newest value.
    #[schema(required = true)]
    pub value: Option<f64>,
    /// The value's unit: `percent`, `seconds` ...
    pub unit: String,
    /// What it says, in words.
    pub text: String,
    /// When what is believed last changed.
    #[schema(required = true)]
    pub changed_at: Option<Timestamp>,
    /// When the look began that the newest result is of.
    #[schema(required = true)]
    pub seen_at: Option<Timestamp>,
    /// The open incident.
    #[schema(required = true)]
    pub incident: Option<u64>,
}

/// The checks of one name on all hosts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CheckSummary {
    /// The name.
    pub check: String,
    /// What they are about, in the words of their configuration.
    #[schema(required = true)]
    pub description: Option<String>,
    /// What looks: the type of a configured check (`http`, `dns`, `push` ...), `limit` for limits on what agents
    /// measure, `host`, `agent`, `clock` and `server` for what hark watches by itself, `reported` for what an agent
    /// reports. Several if hosts have several of this name.
    #[serde(default)]
    pub kinds: Vec<String>,
    /// How often is looked, the shortest of all; null if nothing says so.
    #[serde(default)]
    #[schema(required = true)]
    pub interval_seconds: Option<f64>,
    /// What 95 of 100 looks took at most, of the newest 16 at each; null if this server does not look.
    #[serde(default)]
    #[schema(required = true)]
    pub p95_seconds: Option<f64>,
    /// The host, if there is one alone.
    #[serde(default)]
    #[schema(required = true)]
    pub host: Option<String>,
    /// How many hosts have one.
    pub hosts: u64,
    /// How many of them are critical.
    pub critical: u64,
    /// How many warn.
    pub warning: u64,
    /// How many could not tell.
    pub unknown: u64,
    /// How many are well.
    pub ok: u64,
    /// How many have no result yet.
    pub pending: u64,
    /// When one of them last changed.
    #[schema(required = true)]
    pub changed_at: Option<Timestamp>,
}

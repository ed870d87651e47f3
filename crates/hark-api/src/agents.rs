//! Agents: how they are, and how they join.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::list::{Cursor, Sort, SortField};
use crate::time::Timestamp;

/// Which agents.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AgentsQuery {
    /// Part of a host's name, an address, a version or the mode.
    pub q: Option<String>,
    /// In which order; `host` if not given. What has no value comes last.
    pub sort: Option<AgentSort>,
    /// That of the header Link of the page before; none for the first.
    pub cursor: Option<Cursor>,
    /// How many items at most: 1 to 1000; the whole list if not given.
    pub limit: Option<u32>,
}

/// The order of a list of agents. What is alike stands by host.
pub type AgentSort = Sort<AgentField>;

/// What agents are put in order by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentField {
    /// The host it runs on.
    Host,
    /// How it proves who it is.
    Mode,
    /// Its version.
    Version,
    /// When it was last heard.
    LastSeen,
    /// The address it last sent from.
    Address,
    /// Share of datagrams that were lost.
    Loss,
    /// The last round trip.
    RoundTrip,
    /// How far its clock is ahead.
    Skew,
    /// How many datagrams came twice.
    Duplicates,
}

impl SortField for AgentField {
    const NAME: &'static str = "AgentSort";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("host", Self::Host),
        ("mode", Self::Mode),
        ("version", Self::Version),
        ("last_seen_at", Self::LastSeen),
        ("address", Self::Address),
        ("loss_ratio", Self::Loss),
        ("rtt_seconds", Self::RoundTrip),
        ("clock_skew_seconds", Self::Skew),
        ("duplicates", Self::Duplicates),
    ];
}

/// An agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Agent {
    /// The host it runs on.
    pub host: String,
    /// How it proves who it is.
    pub mode: AgentMode,
    /// Its version.
    pub version: String,
    /// When it was last heard.
    #[schema(required = true)]
    pub last_seen_at: Option<Timestamp>,
    /// The address it last sent from.
    #[schema(required = true)]
    pub address: Option<String>,
    /// Share of datagrams that were lost, 0 to 1.
    #[schema(required = true)]
    pub loss_ratio: Option<f64>,
    /// The last round trip.
    #[schema(required = true)]
    pub rtt_seconds: Option<f64>,
    /// How far its clock is ahead of the server's.
    #[schema(required = true)]
    pub clock_skew_seconds: Option<f64>,
    /// How many datagrams came twice.
    pub duplicates: u64,
}

/// How an agent proves who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AgentMode {
    /// By its own key.
    Enrolled,
    /// By a key derived from the shared secret.
    Shared,
}

/// An agent joins.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JoinRequest {
    /// The one-time token.
    pub token: String,
    /// The host's name.
    pub name: String,
    /// The agent's key: 32 random bytes in standard base64.
    pub key: String,
    /// Facts: `os`, `kernel`, `arch`, `agent_version` ...
    #[serde(default)]
    pub facts: BTreeMap<String, String>,
}

impl std::fmt::Debug for JoinRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JoinRequest").field("name", &self.name).finish_non_exhaustive()
    }
}

/// An agent has joined.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Joined {
    /// The number it puts into each datagram, as 16 hexadecimal digits.
    pub agent_id: String,
    /// The port it sends to.
    pub server_udp_port: u16,
    /// How often it shall send.
    pub interval_seconds: f64,
    /// The revision of its configuration.
    pub config_revision: u64,
}

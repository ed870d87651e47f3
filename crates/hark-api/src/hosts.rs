//! Hosts and their checks.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::auth::Role;
use crate::list::Cursor;
use crate::overview::Soft;
use crate::time::Timestamp;
use crate::words::{Fresh, Letter, Status};

/// Which hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct HostsQuery {
    /// Part of a name, address or tag.
    pub q: Option<String>,
    /// One state.
    pub state: Option<Letter>,
    /// In which order; `name` if not given.
    pub sort: Option<HostSort>,
    /// The `next` of the page before.
    pub cursor: Option<Cursor>,
    /// How many items at most.
    pub limit: Option<u32>,
}

/// The order of a list of hosts. What is alike stands by name; with a minus the whole order is backwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum HostSort {
    /// By name.
    #[default]
    #[serde(rename = "name")]
    Name,
    /// By name, backwards.
    #[serde(rename = "-name")]
    NameBackwards,
    /// The worst state first.
    #[serde(rename = "state")]
    State,
    /// The best state first.
    #[serde(rename = "-state")]
    StateBackwards,
    /// The one that was not heard for longest first.
    #[serde(rename = "last_heard_at")]
    LastHeard,
    /// The one that was heard last first.
    #[serde(rename = "-last_heard_at")]
    LastHeardBackwards,
}

/// A host in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HostRow {
    /// Its number.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Its worst state.
    pub state: Letter,
    /// What is wrong; empty if nothing.
    pub text: String,
    /// When it was last heard.
    #[schema(required = true)]
    pub last_heard_at: Option<Timestamp>,
    /// How often its agent sends; 0 without an agent.
    pub interval_seconds: f64,
    /// The address it last sent from.
    #[schema(required = true)]
    pub address: Option<String>,
    /// Its tags.
    pub tags: Vec<String>,
}

/// A host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Host {
    /// Its number.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Its worst state.
    pub state: Letter,
    /// The state in a word: `Healthy`, `Down`, `Silent`, `Unreachable` ...
    pub word: String,
    /// What is wrong; empty if nothing.
    pub text: String,
    /// Since when.
    #[schema(required = true)]
    pub since_at: Option<Timestamp>,
    /// The address it last sent from.
    #[schema(required = true)]
    pub address: Option<String>,
    /// Its tags.
    pub tags: Vec<String>,
    /// Whose it is; null if nobody's.
    #[schema(required = true)]
    pub owner: Option<String>,
    /// Facts: `os`, `kernel`, `arch` ...
    pub facts: BTreeMap<String, String>,
    /// How often its agent sends; 0 without an agent.
    pub interval_seconds: f64,
    /// When it was last heard.
    #[schema(required = true)]
    pub last_heard_at: Option<Timestamp>,
    /// The last round trip between agent and server.
    #[schema(required = true)]
    pub rtt_seconds: Option<f64>,
    /// The agent's version; empty without an agent.
    pub agent_version: String,
    /// Share of datagrams that were lost, 0 to 1.
    #[schema(required = true)]
    pub loss_ratio: Option<f64>,
    /// Its checks, worst first.
    pub checks: Vec<Check>,
    /// Its open incidents.
    pub incidents: Vec<u64>,
    /// Hosts it is reached through.
    pub parents: Vec<String>,
    /// Hosts that are reached through it.
    pub children: Vec<String>,
    /// Threshold profiles it takes on.
    pub profile: Vec<String>,
    /// The host that is down in front of it.
    #[schema(required = true)]
    pub unreachable_because: Option<String>,
    /// Its state is from before the server's start and not yet confirmed.
    pub not_reproven: bool,
    /// Limits of single instances, such as `disk_monitor./boot.percent`, for which it sends no values: they
    /// look at nothing.
    #[serde(default)]
    pub limits_without_values: Vec<String>,
    /// Where the configuration declares it.
    #[schema(required = true)]
    pub declared: Option<Declared>,
}

/// A host that was dropped, as long as that can be undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DroppedHost {
    /// Its name.
    pub name: String,
    /// Who dropped it.
    pub by: String,
    /// When.
    pub dropped_at: Timestamp,
    /// Until when that can be undone: then what history has of it goes, too.
    pub until_at: Timestamp,
    /// Its agent was heard since: a new host of its name is there, which makes way for it.
    pub is_back: bool,
}

/// Whose a host is to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewOwner {
    /// A user.
    pub owner: String,
}

/// Who may do what with a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HostAccess {
    /// Whose it is; null if nobody's.
    #[schema(required = true)]
    pub owner: Option<String>,
    /// Who may also act on it: acknowledge, comment, silence.
    pub managers: Vec<String>,
    /// Who may see it.
    pub monitors: Vec<String>,
    /// Everybody who may do something with it, from wherever that comes: these, `access` of the configuration
    /// and its teams, what is stored with users, and administrators. Null for who is not its owner.
    #[schema(required = true)]
    pub everybody: Option<Vec<HostUser>>,
}

/// Somebody who may do something with a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HostUser {
    /// His name.
    pub user: String,
    /// The most that he may.
    pub role: Role,
    /// May do everything with every host.
    pub admin: bool,
}

/// Who may do what with a host from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewHostAccess {
    /// Whose it is to be; without, it stays whose it is.
    #[serde(default)]
    pub owner: Option<String>,
    /// Who may also act on it: nobody else who is named on the host itself.
    pub managers: Vec<String>,
    /// Who may see it, as well.
    pub monitors: Vec<String>,
}

/// A place in the configuration: such an object is read-only in the page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Declared {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
}

/// A check of a host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Check {
    /// Its name within the host.
    pub name: String,
    /// What it is about, in the words of its configuration.
    #[serde(default)]
    pub description: Option<String>,
    /// Not shown on the page of its host while it is well.
    #[serde(default)]
    pub hidden: bool,
    /// What the newest result says.
    pub status: Status,
    /// What is believed.
    pub hard: Status,
    /// Tries, while `status` is not yet believed.
    #[schema(required = true)]
    pub soft: Option<Soft>,
    /// The newest value.
    #[schema(required = true)]
    pub value: Option<f64>,
    /// The value's unit: `percent`, `seconds` ...
    pub unit: String,
    /// What it says, in words.
    pub text: String,
    /// What its newest result says in further lines, as plugins do; empty if there are none. With the first line at
    /// most 8 KiB.
    #[serde(default)]
    pub further_lines: String,
    /// The rule in words: `above 90, clears at 81`.
    pub rule: String,
    /// When what is believed last changed.
    #[schema(required = true)]
    pub changed_at: Option<Timestamp>,
    /// When the look began that the newest result is of.
    #[schema(required = true)]
    pub seen_at: Option<Timestamp>,
    /// How fresh the newest result is.
    pub fresh: Fresh,
    /// It changes to and fro.
    pub flapping: bool,
    /// The open incident.
    #[schema(required = true)]
    pub incident: Option<u64>,
    /// The limits.
    pub limits: Limits,
    /// Whether the server or its sites look at it: such a check can be looked at now. Others are what
    /// agents and jobs report by themselves.
    #[serde(default)]
    pub is_looked_at: bool,
    /// The days and hours in which it is looked at, if those are not all. Outside of them it stays what it was.
    #[serde(default)]
    pub active: Option<Active>,
    /// What each site says, where it is looked at from several places.
    #[serde(default)]
    pub sites: Vec<SiteSays>,
}

/// When a check is looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Active {
    /// The days and hours in words: `mon-fri 08:00-18:00 Europe/Berlin`.
    pub window: String,
    /// Whether now is one of them.
    pub now: bool,
    /// When that changes.
    #[schema(required = true)]
    pub changes_at: Option<Timestamp>,
}

/// What one site says of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SiteSays {
    /// The host whose agent is the site; `server` for the server itself.
    pub site: String,
    /// What it last found; `pending` if it has not said anything yet.
    pub status: Status,
    /// The same in words.
    pub text: String,
    /// When that look began.
    #[schema(required = true)]
    pub seen_at: Option<Timestamp>,
    /// Whether it counts: its result is fresh, and it can tell.
    pub counts: bool,
}

/// The limits of a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Limits {
    /// Where warning begins.
    #[schema(required = true)]
    pub warning: Option<f64>,
    /// Where critical begins.
    #[schema(required = true)]
    pub critical: Option<f64>,
}

/// Which of a host's checks are looked at now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LookQuery {
    /// The check; all that the server runs for the host if none is named.
    pub check: Option<String>,
}

/// What a wish to look now leads to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Looking {
    /// How many checks are looked at, as soon as there is room.
    pub checks: u64,
}

//! What happened: lines of the journal for people.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::deliveries::DeliveryState;
use crate::list::{Cursor, TimeSort};
use crate::words::{Kind, State};

/// Which part of what happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EventsQuery {
    /// Part of the text.
    pub q: Option<String>,
    /// In which order; `-at`, the newest first, if not given.
    pub sort: Option<TimeSort>,
    /// The `next` of the page before.
    pub cursor: Option<Cursor>,
    /// How many items at most.
    pub limit: Option<u32>,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Activity {
    /// When.
    pub at_unix_s: i64,
    /// What kind of line.
    pub kind: Kind,
    /// The host, if it is about one.
    #[schema(required = true)]
    pub host: Option<String>,
    /// The check, if it is about one.
    #[schema(required = true)]
    pub check: Option<String>,
    /// The incident, if it is about one.
    #[schema(required = true)]
    pub incident: Option<u64>,
    /// What the check says since then.
    #[schema(required = true)]
    pub state: Option<State>,
    /// In the timeline of an incident, where the message stands that the line is about; null if it is about none,
    /// or that is not kept any more.
    #[serde(default)]
    #[schema(required = true)]
    pub message_state: Option<DeliveryState>,
    /// In words.
    pub text: String,
}

/// Events that another server brings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EventsBrought {
    /// In the order in which they came there.
    pub events: Vec<BroughtEvent>,
}

/// An event that another server brings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BroughtEvent {
    /// Its number over all servers: 32 hexadecimal digits. One that is known already is dropped.
    pub uid: String,
    /// The servers that it has come through, the one that met it first.
    pub hops: Vec<String>,
    /// The host on which it happened.
    pub host: String,
    /// When.
    pub at_unix_s: f64,
    /// `boot`, `shutdown`, `message` or another word.
    pub kind: String,
    /// `info`, `unknown`, `warning` or `critical`.
    pub severity: String,
    /// For people.
    pub text: String,
    /// Words to match on.
    #[serde(default)]
    pub tags: Vec<String>,
    /// What programs are to read: any JSON of at most 500 bytes. Only for servers whose answer has it among
    /// what they take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
}

/// What became of events that another server brought: they are on the disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventsTaken {
    /// The name of this server among others.
    pub node: String,
    /// How many of them cannot be: they are not to be brought again.
    pub refused: u64,
    /// What an event may have besides what servers of the first version took: `data`.
    #[serde(default)]
    pub takes: Vec<String>,
}

/// Which events that happened on hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct HappenedQuery {
    /// Part of a host's name, of the kind, the text or a tag.
    pub q: Option<String>,
    /// Kinds and severities, split by commas; all if there are none.
    #[serde(default)]
    pub topics: String,
    /// Of this host alone.
    pub host: Option<String>,
    /// From when, Unix seconds. With the host.
    pub from: Option<i64>,
    /// Before when, Unix seconds. With the host.
    pub to: Option<i64>,
    /// In which order; `-at`, the newest first, if not given.
    pub sort: Option<TimeSort>,
    /// The `next` of the page before.
    pub cursor: Option<Cursor>,
    /// How many items at most.
    pub limit: Option<u32>,
}

/// An event: a thing that happened on a host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Happened {
    /// Its number over all servers: 32 hexadecimal digits.
    pub uid: String,
    /// The host on which it happened.
    pub host: String,
    /// When.
    pub at_unix_s: f64,
    /// `boot`, `shutdown`, `message` or another word.
    pub kind: String,
    /// `info`, `unknown`, `warning` or `critical`.
    pub severity: String,
    /// For people.
    pub text: String,
    /// Words to match on.
    pub tags: Vec<String>,
    /// What programs are to read; null if there is nothing.
    pub data: Option<Value>,
    /// How often it has happened within a window, each being the same but for the time.
    pub count: u32,
    /// The servers that it has come through, the one that met it first.
    pub hops: Vec<String>,
}

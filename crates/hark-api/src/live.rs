//! Messages of the WebSocket `/ws` and of the stream `/api/0/stream`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::auth::Me;
use crate::deliveries::Delivery;
use crate::events::{Activity, Happened};
use crate::overview::{Counts, Problem};
use crate::server::ServerReport;

/// What a client wants to hear of; replaces what it wanted before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Subscribe {
    /// Topics: `counts`, `problems`, `events`, `deliveries`, `enrol`, `self`, `states` (rows of hosts whose state changes), `me`
    /// (who listens, again whenever a role of his is given, changed or taken back), `host:NAME`,
    /// `happened` (events of hosts) and `happened:WORD` (those of a kind or severity).
    #[serde(default)]
    pub sub: Vec<String>,
    /// Numbers of hosts whose rows are shown.
    #[serde(default)]
    pub rows: Vec<u32>,
}

impl Subscribe {
    /// Bound on `sub`: a page shows a few topics and hosts.
    pub const MAX_TOPICS: usize = 32;
    /// Bound on `rows`: what fits the tallest screen, twice.
    pub const MAX_ROWS: usize = 500;
}

/// What a stream of server-sent events carries: it cannot be changed later.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct StreamQuery {
    /// Topics, split by commas.
    #[serde(default)]
    pub sub: String,
    /// Numbers of hosts, split by commas.
    #[serde(default)]
    pub rows: String,
}

/// One message of the server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Message {
    /// The first.
    Hello(Hello),
    /// What changed.
    Frame(Box<Frame>),
    /// Frames were dropped because the client was slow; a snapshot follows.
    Gap,
}

/// The first message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Hello {
    /// The sequence number before the first frame.
    pub seq: u64,
    /// The server's time.
    pub at_unix_s: i64,
    /// The server's version: a page of another one should load itself again.
    pub version: String,
}

/// What changed since the last frame, or, in a snapshot, all of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Frame {
    /// One more than that of the frame before.
    pub seq: u64,
    /// The server's time.
    pub at_unix_s: i64,
    /// True if the given topics are whole: after a new subscription those that are new in it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub snapshot: bool,
    /// Hosts by their worst state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<Counts>,
    /// What needs somebody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problems: Option<ProblemChange>,
    /// Rows of the fleet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<Rows>,
    /// What happened, oldest first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<Activity>>,
    /// Events of hosts, oldest first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub happened: Option<Vec<Happened>>,
    /// Hosts by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<BTreeMap<String, HostChange>>,
    /// Messages that moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deliveries: Option<Vec<Delivery>>,
    /// Agents that joined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enrol: Option<Vec<JoinSeen>>,
    /// Who listens, and what he may do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub me: Option<Me>,
    /// How the server is.
    #[serde(rename = "self", default, skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerReport>,
}

impl Frame {
    /// Returns true if nothing changed.
    pub fn is_empty(&self) -> bool {
        self.counts.is_none()
            && self.problems.is_none()
            && self.rows.is_none()
            && self.events.is_none()
            && self.happened.is_none()
            && self.host.is_none()
            && self.deliveries.is_none()
            && self.enrol.is_none()
            && self.me.is_none()
            && self.server.is_none()
    }
}

/// Which problems are new or changed, and which are gone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ProblemChange {
    /// New or changed.
    pub add: Vec<Problem>,
    /// Incidents that are gone.
    pub drop: Vec<u64>,
}

/// Rows of the fleet, by columns.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Rows {
    /// Numbers of hosts.
    pub id: Vec<u32>,
    /// One letter a host.
    pub state: String,
    /// When it came into that state.
    pub since_unix_s: Vec<i64>,
    /// Processor use in percent.
    pub cpu: Vec<Option<f64>>,
    /// Memory use in percent.
    pub mem: Vec<Option<f64>>,
    /// Use of the fullest file system in percent.
    pub disk: Vec<Option<f64>>,
    /// When it was last heard.
    pub last_heard_unix_s: Vec<Option<i64>>,
    /// What is wrong; `""` if nothing.
    pub text: Vec<String>,
}

/// A host whose page is open.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HostChange {
    /// One letter.
    pub state: String,
    /// What is wrong; empty if nothing.
    pub text: String,
    /// When it was last heard.
    #[schema(required = true)]
    pub last_heard_unix_s: Option<i64>,
    /// The last round trip.
    #[schema(required = true)]
    pub rtt_seconds: Option<f64>,
    /// Its checks should be read again.
    pub checks_changed: bool,
    /// The newest sample of each series: when, and the value (null if absent).
    pub samples: BTreeMap<String, (f64, Option<f64>)>,
}

/// An agent that joined.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JoinSeen {
    /// The host.
    pub host: String,
    /// When.
    pub at_unix_s: i64,
    /// From which address.
    pub address: String,
    /// Its operating system; empty if not known.
    pub os: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_holds_only_what_changed() {
        let counts = Counts { ok: 3, ..Counts::default() };
        let frame = Frame { seq: 7, at_unix_s: 5, counts: Some(counts), ..Frame::default() };
        let text = serde_json::to_string(&Message::Frame(Box::new(frame))).unwrap();
        assert_eq!(
            text,
            r#"{"type":"frame","seq":7,"at_unix_s":5,"counts":{"crit":0,"warn":0,"unk":0,"mnt":0,"ok":3,"pending":0,"silenced":0,"silenced_incidents":0,"quiet_revision":0,"unheard":0}}"#
        );
        assert_eq!(serde_json::to_string(&Message::Gap).unwrap(), r#"{"type":"gap"}"#);
    }

    #[test]
    fn messages_of_newer_pages_are_understood_in_part() {
        let subscribe: Subscribe =
            serde_json::from_str(r#"{"sub":["counts"],"rows":[1,2],"colour":"blue"}"#).unwrap();
        assert_eq!(subscribe.rows, [1, 2]);
    }
}

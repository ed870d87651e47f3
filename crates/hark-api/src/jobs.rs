//! Long work: what is under way, and one operation on many things.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::incidents::{AckRequest, CommentRequest, ResolveRequest, SilenceIncidentRequest, View};
use crate::time::Timestamp;
use crate::words::{Letter, Severity};

/// The most things that one operation is done to: the hosts of the largest fleet.
pub const MAX_CHOSEN: usize = 10_000;

/// The most numbers or names that a choice may list.
pub const MAX_LISTED: usize = 1000;

/// How many of the things that failed are kept with their reason.
pub const MAX_FAILURES: usize = 20;

/// Long work. It is known until [`Job::ended_at`] is a day ago, or the server starts anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Job {
    /// Its number.
    pub id: u64,
    /// What kind of work.
    pub kind: JobKind,
    /// What is done, for people.
    pub title: String,
    /// Who ordered it.
    pub by: String,
    /// Where it stands.
    pub state: JobState,
    /// How many steps are done, those that failed included.
    pub done: u64,
    /// How many steps there are.
    pub total: u64,
    /// How many have failed.
    pub failed: u64,
    /// The first of those that failed.
    pub failures: Vec<JobFailure>,
    /// What came of it, for people; left out where there is nothing to say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub outcome: String,
    /// When it was ordered.
    pub ordered_at: Timestamp,
    /// When it ended.
    #[schema(required = true)]
    pub ended_at: Option<Timestamp>,
}

/// A kind of long work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum JobKind {
    /// One operation on many things.
    Bulk,
    /// A report is made and sent.
    Report,
    /// A backup is made.
    Backup,
    /// Samples are erased.
    Erase,
    /// Samples are written as text.
    Export,
    /// Samples of the past are added.
    Import,
}

/// Where long work stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// Others are before it.
    Waiting,
    /// It is being done.
    Running,
    /// It is done, perhaps with some steps that failed.
    Done,
    /// It could not be done.
    Failed,
    /// Somebody has ended it, or who ordered it may no longer. What it had done stays.
    Cancelled,
}

/// A step that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobFailure {
    /// What it was about: `incident 7`, `host db1`.
    pub what: String,
    /// Why it failed.
    pub detail: String,
}

/// One operation on many things: on `incidents`, or for `look` on `hosts`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BulkRequest {
    /// What is done.
    #[serde(rename = "do")]
    pub operation: Bulk,
    /// To which incidents.
    #[serde(default)]
    pub incidents: Option<IncidentChoice>,
    /// To which hosts.
    #[serde(default)]
    pub hosts: Option<HostChoice>,
}

/// What is done to many things.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Bulk {
    /// Takes incidents.
    Acknowledge(AckRequest),
    /// Gives incidents back.
    GiveBack(Plain),
    /// Adds a remark to incidents.
    Comment(CommentRequest),
    /// Silences host and check of each incident.
    Silence(SilenceIncidentRequest),
    /// Ends incidents that do not end by themselves.
    Resolve(ResolveRequest),
    /// Looks at all checks of hosts that the server runs.
    Look(Plain),
}

/// Nothing more is to be said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Plain {}

/// Which incidents: those of `ids`, or all that the rest describes. One that says nothing must say `all`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IncidentChoice {
    /// These.
    #[serde(default)]
    pub ids: Vec<u64>,
    /// Of this part; `open` if not given.
    #[serde(default)]
    pub view: View,
    /// The lowest severity.
    #[serde(default)]
    pub sev: Option<Severity>,
    /// Part of a host's name, a check's name or the text.
    #[serde(default)]
    pub q: Option<String>,
    /// All of the part are meant.
    #[serde(default)]
    pub all: bool,
}

/// Which hosts: those of `names`, or all that the rest describes. One that says nothing must say `all`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HostChoice {
    /// These.
    #[serde(default)]
    pub names: Vec<String>,
    /// One state.
    #[serde(default)]
    pub state: Option<Letter>,
    /// Part of a name, address or tag.
    #[serde(default)]
    pub q: Option<String>,
    /// All hosts are meant.
    #[serde(default)]
    pub all: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_says_what_it_does_and_to_what() {
        let text = r#"{"do":{"acknowledge":{"comment":"storm"}},"incidents":{"q":"db"}}"#;
        let request: BulkRequest = serde_json::from_str(text).unwrap();
        assert!(matches!(&request.operation, Bulk::Acknowledge(ack) if ack.comment == "storm"));
        assert_eq!(request.incidents.unwrap().view, View::Open);
        let look: BulkRequest =
            serde_json::from_str(r#"{"do":{"look":{}},"hosts":{"all":true}}"#).unwrap();
        assert_eq!(look.operation, Bulk::Look(Plain {}));
        for wrong in [
            r#"{"do":{"look":{"x":1}},"hosts":{}}"#,
            r#"{"do":{"look":{}},"hots":{}}"#,
            r#"{"do":{"delete":{}}}"#,
        ] {
            assert!(serde_json::from_str::<BulkRequest>(wrong).is_err(), "{wrong}");
        }
    }
}

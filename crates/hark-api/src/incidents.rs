//! Incidents: from confirmed bad until confirmed good.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::deliveries::{Delivery, DeliveryState};
use crate::events::Activity;
use crate::hosts::Limits;
use crate::list::{Cursor, Sort, SortField};
use crate::time::Timestamp;
use crate::words::{Severity, State, Status};

/// Which incidents.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct IncidentsQuery {
    /// `open` if not given.
    #[serde(default)]
    pub view: View,
    /// The lowest severity.
    pub sev: Option<Severity>,
    /// Part of a host's name, a check's name or the text.
    pub q: Option<String>,
    /// In which order; `-since_at` if not given. By state and host the newest 10,000 are put in order.
    pub sort: Option<IncidentSort>,
    /// The `next` of the page before.
    pub cursor: Option<Cursor>,
    /// How many items at most.
    pub limit: Option<u32>,
}

/// The order of a list of incidents. Of what is alike the newest stands first; with a minus the whole order is backwards.
pub type IncidentSort = Sort<IncidentField>;

/// What incidents are put in order by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IncidentField {
    /// The oldest first.
    Since,
    /// The worst first.
    State,
    /// By host and check.
    Host,
}

impl SortField for IncidentField {
    const NAME: &'static str = "IncidentSort";
    const WORDS: &'static [(&'static str, Self)] =
        &[("since_at", Self::Since), ("state", Self::State), ("host", Self::Host)];
}

/// A part of the incidents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum View {
    /// Open and not silenced.
    #[default]
    Open,
    /// Open and silenced.
    Silenced,
    /// Over.
    Resolved,
    /// All.
    All,
}

/// An incident in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct IncidentRow {
    /// Its number.
    pub id: u64,
    /// The host.
    pub host: String,
    /// The check.
    pub check: String,
    /// How it stands: the worst state if it is over.
    pub state: State,
    /// The worst state.
    pub peak: State,
    /// What the check says now; `ok` if it is over.
    pub status: Status,
    /// In words.
    pub text: String,
    /// Since when.
    pub since_at: Timestamp,
    /// Since when.
    pub since_unix_s: i64,
    /// When it was over.
    #[schema(required = true)]
    pub resolved_at: Option<Timestamp>,
    /// Who took it.
    #[schema(required = true)]
    pub ack: Option<Ack>,
    /// Until when it is silenced.
    #[schema(required = true)]
    pub silenced_until_at: Option<Timestamp>,
    /// The incident it follows from.
    #[schema(required = true)]
    pub cause: Option<u64>,
    /// Whether somebody has said so, and it was not found out.
    #[serde(default)]
    pub caused_by_hand: bool,
    /// How many incidents follow from it.
    pub symptoms: u64,
    /// What became of the last message.
    #[schema(required = true)]
    pub last_notification: Option<LastNotification>,
}

/// Who took an incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Ack {
    /// Who.
    pub by: String,
    /// Why.
    pub comment: String,
    /// Until when; null until it is over.
    #[schema(required = true)]
    pub until_unix_s: Option<i64>,
    /// Survives a rise in severity.
    pub sticky: bool,
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LastNotification {
    /// To whom.
    pub receiver: String,
    /// What became of it.
    pub result: Told,
    /// When.
    pub at: Timestamp,
    /// In words.
    pub text: String,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Told {
    /// It arrived.
    Sent,
    /// It did not arrive.
    Failed,
    /// It is on its way.
    Queued,
    /// It was kept back.
    Withheld,
}

/// An incident with all that is known about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Incident {
    /// What the list shows.
    #[serde(flatten)]
    pub row: IncidentRow,
    /// It does not end by itself: somebody ends it.
    #[serde(default)]
    pub resolvable: bool,
    /// Since when its check changes too often: as long as it does, only that is told. Null if it does not.
    #[serde(default)]
    #[schema(required = true)]
    pub flapping_since_at: Option<Timestamp>,
    /// What its check says now in further lines, as plugins do; empty if there are none, and once it is over. With the
    /// first line at most 8 KiB.
    #[serde(default)]
    pub further_lines: String,
    /// What the check said last while it was a problem; null if it still is one, or nobody knows any more.
    #[serde(default)]
    #[schema(required = true)]
    pub said: Option<String>,
    /// The rule in words.
    pub rule: String,
    /// The value that broke it, or the present one once it is over.
    #[schema(required = true)]
    pub value: Option<f64>,
    /// The value's unit.
    pub unit: String,
    /// The limits.
    pub limits: Limits,
    /// How the value came from its series, and what of that can be drawn; null where it is the newest value.
    #[serde(default)]
    #[schema(required = true)]
    pub derived: Option<Derived>,
    /// Messages, newest first.
    pub notifications: Vec<Delivery>,
    /// What happened, newest first.
    pub timeline: Vec<Activity>,
    /// What people said, oldest first.
    pub comments: Vec<Comment>,
    /// Incidents that follow from it.
    pub symptoms_list: Vec<Symptom>,
    /// Earlier incidents of the same check, newest first.
    pub seen_before: Vec<Earlier>,
}

/// How a value was derived from a series: over a while, by a line, from what is usual, or from its staying out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Derived {
    /// The path of the series.
    pub series: String,
    /// In words.
    pub text: String,
    /// A line beside the series, oldest first: the mean of its window, or where it goes.
    pub line: Vec<DrawnPoint>,
    /// When it is full or empty, if it goes on like this.
    #[schema(required = true)]
    pub reached_at_unix_s: Option<i64>,
    /// What is usual, oldest first.
    pub band: Vec<DrawnBand>,
    /// When the last value was taken of a series that must come and stays out; null if there never was one, and of
    /// what comes.
    #[serde(default)]
    #[schema(required = true)]
    pub missing_from_unix_s: Option<i64>,
}

/// A point of a line.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DrawnPoint {
    /// When.
    pub at_unix_s: i64,
    /// How high.
    pub value: f64,
}

/// What is usual at a time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DrawnBand {
    /// When.
    pub at_unix_s: i64,
    /// From here on.
    pub low: f64,
    /// Up to here.
    pub high: f64,
}

/// A remark.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Comment {
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// What.
    pub text: String,
}

/// An incident that follows from another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Symptom {
    /// Its number.
    pub id: u64,
    /// The host.
    pub host: String,
    /// The check.
    pub check: String,
}

/// An earlier incident of the same check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Earlier {
    /// Its number.
    pub id: u64,
    /// When it began.
    pub since_at: Timestamp,
    /// How long it took; null while it is open.
    #[schema(required = true)]
    pub duration_seconds: Option<f64>,
    /// How it ended.
    pub resolution: String,
}

/// Why each receiver was told or not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    /// Newest first.
    pub lines: Vec<ExplainLine>,
    /// What is done about its repair at this moment, in words; null if its check has none.
    #[serde(default)]
    #[schema(required = true)]
    pub repair: Option<String>,
    /// How the value that is judged came from its series, in words; null where it is the newest value.
    #[serde(default)]
    #[schema(required = true)]
    pub derived: Option<String>,
}

/// One decision of the engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ExplainLine {
    /// True for what is decided at this moment, as of `at`; false for what was told or withheld then.
    #[serde(default)]
    pub present: bool,
    /// When.
    pub at: Timestamp,
    /// About whom; null if about all.
    #[schema(required = true)]
    pub receiver: Option<String>,
    /// Which.
    pub decision: Decision,
    /// The step that held it back.
    #[schema(required = true)]
    pub block: Option<String>,
    /// The message that was made then.
    #[serde(default)]
    #[schema(required = true)]
    pub message: Option<u64>,
    /// Where that message stands by now; null if it is not kept any more.
    #[serde(default)]
    #[schema(required = true)]
    pub message_state: Option<DeliveryState>,
    /// In words.
    pub text: String,
}

/// A decision about a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// A message was put into the outbox; of what is decided at this moment: the receiver has it.
    Told,
    /// The receiver is told, and does not have the message yet.
    Queued,
    /// It was kept back.
    Withheld,
    /// It is not yet due.
    Waiting,
    /// Somebody took it, gave it back or said something about it.
    Handled,
}

/// Takes an incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AckRequest {
    /// Why: required.
    pub comment: String,
    /// Until when; without, until it is over.
    #[serde(default)]
    pub until_at: Option<Timestamp>,
    /// Survives a rise in severity.
    #[serde(default)]
    pub sticky: bool,
}

/// A remark.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CommentRequest {
    /// What.
    pub text: String,
}

/// Silences the incident's host and check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SilenceIncidentRequest {
    /// Why.
    pub reason: String,
    /// For how long: at most 30 days.
    pub duration_seconds: u64,
}

/// Ends an incident that does not end by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResolveRequest {
    /// Why: required.
    pub comment: String,
}

/// Says from what an incident follows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CauseRequest {
    /// The open incident that it follows from; null if it is a problem of its own after all.
    #[serde(default)]
    #[schema(required = true)]
    pub cause: Option<u64>,
}

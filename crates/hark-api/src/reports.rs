//! What an agent brings over HTTPS, and what it is told.
//!
//! A bulk form: times are Unix seconds, with a fraction down to the millisecond. A sample is the same if
//! host, set and time are the same, an item if epoch and number are: sent again, both are dropped.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// The most sets in one report, and for one agent.
pub const MAX_SETS: usize = 64;

/// The most samples in one report, of now and of the past each.
pub const MAX_SAMPLES: usize = 1000;

/// The most items in one report: what the server can tell from a second copy.
pub const MAX_ITEMS: usize = 64;

/// What an agent brings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentReport {
    /// How often the agent sends; 0 for a single report of something that is no agent at work, which
    /// is not taken for a heartbeat.
    #[serde(default)]
    pub interval_seconds: f64,
    /// The agent's clock when it sent this.
    pub sent_at_unix_s: f64,
    /// How long the request before this took, without the time for which the server held it.
    #[serde(default)]
    pub round_trip_seconds: Option<f64>,
    /// What `set` in the samples counts, from 0.
    #[serde(default)]
    pub sets: Vec<Vec<ReportedSeries>>,
    /// Fresh samples: compared with thresholds.
    #[serde(default)]
    pub samples: Vec<ReportedSample>,
    /// Samples of the past: they go to history and raise or clear nothing.
    #[serde(default)]
    pub backlog: Vec<ReportedSample>,
    /// What the numbers of the items count in: made anew, and higher, with each new spool.
    #[serde(default)]
    pub epoch: u64,
    /// Results, events and facts.
    #[serde(default)]
    pub items: Vec<ReportedItem>,
}

/// A series.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportedSeries {
    /// What measured it, such as `disk_monitor`.
    pub collector: String,
    /// Which one of several, such as `/`; empty if there is only one.
    #[serde(default)]
    pub instance: String,
    /// What was measured, such as `percent`.
    pub metric: String,
    /// `percent`, `bytes`, `seconds` ... as in `/api/0/hosts/{host}/metrics`; empty for a plain number.
    #[serde(default)]
    pub unit: String,
    /// It only grows, and its rate is of interest.
    #[serde(default)]
    pub counter: bool,
    /// How many decimals are kept: 0 to 6.
    #[serde(default)]
    pub decimals: u8,
}

/// The values of a set at one time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportedSample {
    /// Which of `sets`.
    pub set: usize,
    /// When, by the agent's clock.
    pub taken_at_unix_s: f64,
    /// One for each series of the set, in its order; null where there is none.
    pub values: Vec<Option<f64>>,
}

/// Something to be applied once: one of `result`, `event`, `facts` and `outcome`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportedItem {
    /// From 1, one more for each item of the epoch.
    pub number: u64,
    /// A check's result.
    #[serde(default)]
    pub result: Option<ReportedResult>,
    /// A thing that happened.
    #[serde(default)]
    pub event: Option<ReportedEvent>,
    /// Facts by name; an empty text removes one.
    #[serde(default)]
    pub facts: Option<BTreeMap<String, String>>,
    /// What became of an order.
    #[serde(default)]
    pub outcome: Option<ReportedOutcome>,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportedResult {
    /// The check.
    pub check: String,
    /// `ok`, `warning`, `critical` or `unknown`.
    pub status: String,
    /// For people.
    #[serde(default)]
    pub text: String,
    /// When the look began.
    pub began_at_unix_s: f64,
    /// How long it took.
    #[serde(default)]
    pub took_seconds: f64,
    /// Within which time the next result is to be expected: one that stays out longer is missed. 0: it
    /// comes when there is something to say, and none is missed. Not given: as far apart as those before.
    #[serde(default)]
    pub next_seconds: Option<f64>,
}

/// A thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportedEvent {
    /// When.
    pub at_unix_s: f64,
    /// `boot`, `shutdown`, `message` or another word.
    pub kind: String,
    /// `info`, `unknown`, `warning` or `critical`; `info` if it is not given.
    #[serde(default)]
    pub severity: Option<String>,
    /// For people.
    pub text: String,
    /// Words to match on.
    #[serde(default)]
    pub tags: Vec<String>,
    /// What programs are to read: any JSON of at most 500 bytes.
    #[serde(default)]
    pub data: Option<serde_json::Value>,
}

/// What became of an order that the agent took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportedOutcome {
    /// The order's number.
    pub order: u32,
    /// The exit status of what it ran; absent if nothing ran or a signal ended it.
    #[serde(default)]
    pub exit: Option<u8>,
    /// What it printed, or why it was refused.
    pub text: String,
}

/// What became of a report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReportStored {
    /// The samples are on the disk. If not, history is out of order: send them again later. Everything
    /// else of the report is stored in any case.
    pub samples_stored: bool,
    /// For how long the server held the request.
    pub held_seconds: f64,
    /// The server's clock.
    pub now_unix_s: f64,
    /// The revision of the agent's configuration; 0 if it is given none.
    pub config_revision: u32,
    /// The oldest order that waits for the agent; 0 if there is none.
    pub order: u32,
}

/// The longest time for which a question for news is held.
pub const MAX_NEWS_WAIT_SECONDS: u64 = 20;

/// What an agent has heard already, and how long it is content to wait for something else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct NewsQuestion {
    /// The revision of the configuration that it has.
    #[serde(default)]
    pub config_revision: u32,
    /// The newest order that it has taken.
    #[serde(default)]
    pub order: u32,
    /// Answer at once if there is news, else after so many seconds, at most 20.
    #[serde(default)]
    pub wait_seconds: u64,
}

/// What there is for an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AgentNews {
    /// The revision of the agent's configuration; 0 if it is given none.
    pub config_revision: u32,
    /// The oldest order that waits for the agent; 0 if there is none.
    pub order: u32,
}

impl AgentNews {
    /// Returns true if there is something that who asked does not have.
    pub fn answers(&self, question: NewsQuestion) -> bool {
        self.config_revision != question.config_revision || self.order > question.order
    }
}

/// Which order is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct OrderQuestion {
    /// Its number.
    pub number: u32,
}

/// An order for an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GivenOrder {
    /// Its number.
    pub number: u32,
    /// What is to be done, as JSON: `action` and `expires`, the latter in milliseconds since 1970; empty if
    /// there is no such order any more.
    pub text: String,
}

/// What the server gives an agent as settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GivenConfiguration {
    /// Changes with the text; 0 if nothing is given.
    pub revision: u32,
    /// Settings as in the section `agent` of a configuration, as JSON; empty if nothing is given.
    pub text: String,
}

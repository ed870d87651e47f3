//! The first screen.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::events::Activity;
use crate::incidents::Ack;
use crate::silences::Silence;
use crate::words::State;

/// The first screen in one answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Overview {
    /// When it was true.
    pub at_unix_s: i64,
    /// The headline.
    pub verdict: Verdict,
    /// Hosts by their worst state.
    pub counts: Counts,
    /// Figures beside the headline.
    pub kpis: Kpis,
    /// What needs somebody: worst first, not acknowledged before acknowledged; at most 50.
    pub problems: Vec<Problem>,
    /// How many more there are.
    pub more: u64,
    /// How many receivers there are: without one, nobody is told.
    #[serde(default)]
    pub receivers: u64,
    /// What is quiet on purpose.
    pub quiet: Quiet,
    /// The last 20 things that happened, newest first.
    pub events: Vec<Activity>,
}

impl Overview {
    /// Bound on [`Overview::problems`]: a screen, not a list.
    pub const MAX_PROBLEMS: usize = 50;
    /// Bound on [`Overview::events`].
    pub const MAX_EVENTS: usize = 20;
}

/// The headline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Verdict {
    /// One sentence: `8 hosts need attention`.
    pub text: String,
    /// A second one.
    pub sub: String,
}

/// Hosts by their worst state, and how much of that is quiet on purpose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Counts {
    /// Critical or down.
    pub crit: u64,
    /// Warning.
    pub warn: u64,
    /// Unknown.
    pub unk: u64,
    /// In maintenance.
    pub mnt: u64,
    /// Good.
    pub ok: u64,
    /// Waiting for the first result.
    pub pending: u64,
    /// Of those that are critical, warning or unknown: hosts with silenced problems alone.
    #[serde(default)]
    pub silenced: u64,
    /// Open incidents that a silence or maintenance covers: those of the view `silenced`.
    #[serde(default)]
    pub silenced_incidents: u64,
    /// Another number whenever a silence or maintenance is made, changed, begins, ends or is over: lists of
    /// them that were asked for before are old.
    #[serde(default)]
    pub quiet_revision: u32,
    /// Of those that are good: hosts that were heard before the server started and not since. It is too
    /// early to call them silent, and to call them healthy.
    #[serde(default)]
    pub unheard: u64,
}

/// Figures beside the headline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Kpis {
    /// Share of the last 24 hours that hosts were up, 0 to 1; null if nothing is known.
    #[schema(required = true)]
    pub availability_24h: Option<f64>,
    /// From when on that is known, if nothing is known of what was earlier in these 24 hours.
    #[serde(default)]
    #[schema(required = true)]
    pub availability_since_unix_s: Option<i64>,
    /// For how long it is known: the server looked. Less than a day if it did not run for a while.
    #[serde(default)]
    pub availability_looked_s: u64,
    /// Heartbeats in the last minute.
    pub heartbeats_per_minute: f64,
    /// Samples a second, over the last minute.
    pub samples_per_second: f64,
    /// Open incidents that are no symptoms.
    pub open_incidents: u64,
}

/// One row that needs somebody.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// The incident.
    pub incident: u64,
    /// The host.
    pub host: String,
    /// The check.
    pub check: String,
    /// What it says now.
    pub state: State,
    /// In words.
    pub text: String,
    /// Since when.
    pub since_unix_s: i64,
    /// Who took it.
    #[schema(required = true)]
    pub ack: Option<Ack>,
    /// Until when it is silenced.
    #[schema(required = true)]
    pub silenced_until_unix_s: Option<i64>,
    /// How many incidents follow from it.
    pub symptoms: u64,
    /// Tries, while it is not yet believed.
    #[schema(required = true)]
    pub soft: Option<Soft>,
    /// States of the check in the last 24 hours, in 48 half hours, as run lengths: `o40w6c2`.
    pub strip: String,
    /// The last hour of the value, oldest first; empty if there is no value.
    pub spark: Vec<Option<f64>>,
    /// The limit that was crossed.
    #[schema(required = true)]
    pub limit: Option<f64>,
    /// It changes to and fro.
    pub flapping: bool,
}

/// How far a new state is from being believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Soft {
    /// How many times it was seen in a row.
    pub attempt: u32,
    /// How many times are needed.
    pub of: u32,
}

/// What is quiet on purpose.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Quiet {
    /// Silences in force.
    pub silences: Vec<Silence>,
    /// Maintenance in force.
    pub maintenance: Vec<Silence>,
}

//! Silences and maintenance.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::hosts::Declared;
use crate::time::Timestamp;
use crate::words::{Severity, State};

/// The longest silence: one that must not end is a configuration.
pub const MAX_SECONDS: u64 = 30 * 24 * 3600;

/// The most patterns of one kind in a matcher.
pub const MAX_PATTERNS: usize = 100;

/// A filter on hosts and checks; all given parts must match, an empty one matches all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Matcher {
    /// Patterns (`*`, `?`) of which one must match the host's name.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Patterns of which one must match the check's name.
    #[serde(default)]
    pub checks: Vec<String>,
    /// Tags of which the host must have one.
    #[serde(default)]
    pub tags: Vec<String>,
    /// The lowest severity that matches.
    #[serde(default)]
    #[schema(required = true)]
    pub severity: Option<Severity>,
}

/// A silence or maintenance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Silence {
    /// Its number.
    pub id: u64,
    /// What it covers.
    pub matcher: Matcher,
    /// Who made it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// From when.
    pub from_at: Timestamp,
    /// Until when.
    pub until_at: Timestamp,
    /// It is in force now: neither still to come, nor waiting for a problem to begin with.
    #[serde(default)]
    pub active: bool,
    /// A planned one: also keeps the incident out of availability.
    pub maintenance: bool,
    /// It begins with the first problem in that time, and holds for so long.
    #[serde(default)]
    #[schema(required = true)]
    pub flexible_seconds: Option<f64>,
    /// When that problem came; null while it is waited for.
    #[serde(default)]
    #[schema(required = true)]
    pub begun_at: Option<Timestamp>,
    /// When it comes again, in words; `from_at` and `until_at` are then the present or the next time.
    #[serde(default)]
    #[schema(required = true)]
    pub repeats: Option<String>,
    /// When it comes again, as it was asked for; null for one that a file declares.
    #[serde(default)]
    #[schema(required = true)]
    pub again: Option<Again>,
    /// How many messages it has kept back.
    pub withheld: u64,
    /// What it covers now.
    pub matches: Matches,
    /// Where the configuration declares it.
    #[schema(required = true)]
    pub declared: Option<Declared>,
}

/// When a maintenance comes again, as it was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Again {
    /// By what.
    pub repeats: Repeats,
    /// Before this it does not hold.
    pub from_at: Timestamp,
    /// From this on it holds no more; null: until somebody ends it.
    #[serde(default)]
    #[schema(required = true)]
    pub until_at: Option<Timestamp>,
}

/// What a matcher covers now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Matches {
    /// How many hosts.
    pub hosts: u64,
    /// How many open incidents.
    pub incidents: u64,
}

/// What a silence or maintenance is to be, or to be from now on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SilenceRequest {
    /// What it shall cover.
    pub matcher: Matcher,
    /// Why.
    pub reason: String,
    /// From when; now if not given, or for one that is changed, as before.
    #[serde(default)]
    pub from_at: Option<Timestamp>,
    /// Until when: at most 30 days after the start. This or `duration_seconds`.
    #[serde(default)]
    pub until_at: Option<Timestamp>,
    /// For how long. This or `until_at`.
    #[serde(default)]
    pub duration_seconds: Option<u64>,
    /// A planned one.
    #[serde(default)]
    pub maintenance: bool,
    /// A planned one begins with the first problem in its time, and holds for so long.
    #[serde(default)]
    pub flexible_seconds: Option<u64>,
    /// A planned one comes again and again: from `from_at` on, and if it is given, up to `until_at`.
    #[serde(default)]
    pub repeats: Option<Repeats>,
}

/// When a maintenance comes again: `cron` and `lasts_seconds`, or `when`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Repeats {
    /// A pattern of cron by which it begins, such as `0 3 * * sun`.
    #[serde(default)]
    pub cron: Option<String>,
    /// How long it holds each time; with `cron`.
    #[serde(default)]
    pub lasts_seconds: Option<u64>,
    /// The days and hours of the week in which it holds, such as `sat-sun 02:00-04:00`.
    #[serde(default)]
    pub when: Option<String>,
    /// The time zone of that, such as `Europe/Berlin`; the server's if not given.
    #[serde(default)]
    pub timezone: Option<String>,
}

/// Asks what a matcher covers, and when a maintenance would hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PreviewRequest {
    /// The matcher.
    pub matcher: Matcher,
    /// When it would come again.
    #[serde(default)]
    pub repeats: Option<Repeats>,
    /// With `repeats`: from when on; now if not given.
    #[serde(default)]
    pub from_at: Option<Timestamp>,
    /// With `repeats`: up to when; without end if not given.
    #[serde(default)]
    pub until_at: Option<Timestamp>,
}

/// What a matcher covers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Preview {
    /// How many hosts.
    pub hosts: u64,
    /// The first 20 of them.
    pub names: Vec<String>,
    /// How many open incidents.
    pub incidents: u64,
    /// The first 20 of them.
    #[serde(default)]
    pub incidents_list: Vec<CoveredIncident>,
    /// The next times at which what comes again would hold, at most 5.
    #[serde(default)]
    pub times: Vec<Held>,
}

/// A time in which a maintenance holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Held {
    /// From when.
    pub from_at: Timestamp,
    /// Until when.
    pub until_at: Timestamp,
}

/// An open incident that a matcher covers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CoveredIncident {
    /// Its number.
    pub id: u64,
    /// The host.
    pub host: String,
    /// The check.
    pub check: String,
    /// How it stands.
    pub state: State,
}

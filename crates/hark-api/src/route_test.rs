//! Who would be told of something, and who is on call.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::time::Timestamp;
use crate::words::Severity;

/// What is asked about.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RouteTestQuery {
    /// The host; it need not be known yet.
    pub host: String,
    /// Its check; the host itself if not given.
    pub check: Option<String>,
    /// How bad; critical if not given.
    pub severity: Option<Severity>,
    /// Instead of a problem: the kind of an event, such as `boot`.
    pub event: Option<String>,
    /// When it begins; now if not given, and not before now.
    pub at: Option<Timestamp>,
}

/// Something that would be told, or would be kept back. One without receiver and without block is a remark
/// about the question, such as that nobody knows the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RouteTestLine {
    /// When.
    pub at: Timestamp,
    /// To whom; nobody if no route leads anywhere.
    #[schema(required = true)]
    pub receiver: Option<String>,
    /// The user who is meant.
    #[schema(required = true)]
    pub user: Option<String>,
    /// By which route.
    #[schema(required = true)]
    pub route: Option<String>,
    /// By which step of its escalation, from 1.
    #[schema(required = true)]
    pub step: Option<u64>,
    /// What kind of message: `problem`, `reminder` ...
    #[schema(required = true)]
    pub reason: Option<String>,
    /// What would keep it back, if anything.
    #[schema(required = true)]
    pub block: Option<String>,
    /// Why, in words.
    pub text: String,
    /// How often, one after the other: reminders of a receiver between which he hears nothing else are one
    /// line.
    #[serde(default = "once")]
    pub times: u64,
    /// When it is the last time, if there are several.
    #[schema(required = true)]
    #[serde(default)]
    pub until: Option<Timestamp>,
}

fn once() -> u64 {
    1
}

/// A rota.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Rota {
    /// Its name.
    pub name: String,
    /// Who is on call now.
    #[schema(required = true)]
    pub now: Option<String>,
    /// Until when.
    #[schema(required = true)]
    pub until: Option<Timestamp>,
    /// Who is on call then.
    #[schema(required = true)]
    pub next: Option<String>,
}

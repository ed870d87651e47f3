//! Reports to people: what a period was like, and what has been failing for long.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::time::Timestamp;

/// A report that is made regularly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReportRow {
    /// Its name.
    pub name: String,
    /// What it tells: `summary` or `failures`.
    pub kind: String,
    /// The receivers it goes to.
    pub to: Vec<String>,
    /// When, in words: `0 8 * * mon Europe/Berlin`.
    pub schedule: String,
    /// Up to when it was made last; null if it never was.
    #[schema(required = true)]
    pub last_at: Option<Timestamp>,
    /// When it is due; null if never again.
    #[schema(required = true)]
    pub next_at: Option<Timestamp>,
}

/// A report in all its forms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MadeReport {
    /// Its subject.
    pub title: String,
    /// As a document for programs: docs/reports.md lists its fields.
    #[schema(value_type = std::collections::BTreeMap<String, serde_json::Value>)]
    pub report: serde_json::Value,
    /// As text.
    pub text: String,
    /// As a page.
    pub html: String,
}

/// Over which period a report is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ReportQuery {
    /// From when, Unix seconds; as long before `to` as is usual for the report if not given.
    pub from: Option<i64>,
    /// Until when, Unix seconds; now if not given.
    pub to: Option<i64>,
}

//! What has been failing for long: the reminder of old failures (Picomon's report).

use std::cmp::Reverse;
use std::time::Duration;

use serde::Serialize;

use crate::Span;
use crate::facts::Facts;
use crate::summary::{LongIncident, row};

/// Rows of the list: beyond it there is another problem than the single ones.
const MOST_ROWS: usize = 200;

/// What has been failing for long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Overdue {
    /// How long is long.
    pub older_than_s: u64,
    /// The failures, oldest first.
    pub failures: Vec<OverdueRow>,
    /// How many are not shown.
    pub more: usize,
}

/// One failure.
pub type OverdueRow = LongIncident;

impl Overdue {
    /// Returns what is open at the end of `period` and older than `older_than`; those that only follow
    /// from another one are left out, as everywhere.
    pub fn make(facts: &Facts, period: Span, older_than: Duration) -> Self {
        let mut failures = Vec::new();
        for host in &facts.hosts {
            for incident in host.incidents.iter().filter(|i| i.until.is_none() && !i.is_symptom) {
                if period.until.since(incident.since) > older_than {
                    failures.push(row(host, incident, period));
                }
            }
        }
        failures.sort_by_key(|row| (Reverse(row.lasted_s), row.incident));
        let more = failures.len().saturating_sub(MOST_ROWS);
        failures.truncate(MOST_ROWS);
        Self { older_than_s: older_than.as_secs(), failures, more }
    }
}

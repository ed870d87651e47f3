//! The newest row of each of many incidents, by one query for all of them.

use hark_model::IncidentId;
use hark_model::record::{DeliveryRecord, JournalKind};
use rusqlite::types::Value;

use super::{JournalEntry, MAX_ROWS, Query, StateReader, journal};
use crate::state::OpenError;
use crate::state::commit;

impl StateReader {
    /// Returns the newest message about each of `incidents` that has one; only the first 1000 are
    /// looked up.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn newest_deliveries(
        &self,
        incidents: &[IncidentId],
    ) -> Result<Vec<DeliveryRecord>, OpenError> {
        let mut query = Query::new();
        query.values.push(list(incidents));
        let sql = format!(
            "SELECT {} FROM outbox WHERE id IN (
               SELECT (SELECT max(id) FROM outbox WHERE incident = asked.value)
               FROM json_each(?1) AS asked)",
            commit::DELIVERY
        );
        self.rows(&sql, &query, commit::delivery)
    }

    /// Returns the newest journal line of `kind` about each of `incidents` that has one; only the
    /// first 1000 are looked up.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn newest_lines(
        &self,
        incidents: &[IncidentId],
        kind: JournalKind,
    ) -> Result<Vec<JournalEntry>, OpenError> {
        let mut query = Query::new();
        query.values.push(list(incidents));
        query.values.push(Value::Text(kind.word().to_owned()));
        let sql = "SELECT id, at, host, name, incident, kind, line, receiver FROM journal
                   WHERE id IN (
                     SELECT (SELECT id FROM journal WHERE incident = asked.value AND kind = ?2
                             ORDER BY id DESC LIMIT 1)
                     FROM json_each(?1) AS asked)";
        self.rows(sql, &query, journal)
    }
}

/// One value instead of a mark for each: the text of the query stays the same and is prepared once.
fn list(incidents: &[IncidentId]) -> Value {
    let numbers = incidents.iter().take(MAX_ROWS as usize).map(|i| i.0.cast_signed().to_string());
    Value::Text(format!("[{}]", numbers.collect::<Vec<_>>().join(",")))
}

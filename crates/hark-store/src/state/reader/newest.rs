//! Rows of many incidents by one query: the newest of each, and messages about several of them.

use hark_model::name::ReceiverName;
use hark_model::record::{DeliveryRecord, JournalKind};
use hark_model::{IncidentId, Unix};
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

impl StateReader {
    /// Returns the messages to `receiver` about several incidents that were decided at one of `times`, of which
    /// only the first 1000 are looked up.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn summaries(
        &self,
        receiver: &ReceiverName,
        times: &[Unix],
    ) -> Result<Vec<DeliveryRecord>, OpenError> {
        let mut query = Query::new();
        // Keys are in order: what lies between the two begins with the first.
        query.values.push(Value::Text(format!("summary/{receiver}/")));
        query.values.push(Value::Text(format!("summary/{receiver}0")));
        query.values.push(numbers(times.iter().map(|at| at.0)));
        let sql = format!(
            "SELECT {} FROM outbox WHERE key > ?1 AND key < ?2
               AND json_extract(body, '$.at') IN (SELECT value FROM json_each(?3))",
            commit::DELIVERY
        );
        self.rows(&sql, &query, commit::delivery)
    }
}

/// One value instead of a mark for each: the text of the query stays the same and is prepared once.
fn list(incidents: &[IncidentId]) -> Value {
    numbers(incidents.iter().map(|incident| incident.0.cast_signed()))
}

fn numbers(all: impl Iterator<Item = i64>) -> Value {
    let all = all.take(MAX_ROWS as usize).map(|number| number.to_string());
    Value::Text(format!("[{}]", all.collect::<Vec<_>>().join(",")))
}

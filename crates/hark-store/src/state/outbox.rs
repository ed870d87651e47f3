//! Where messages stand: put in with the engine's records, moved on by whoever delivers them.
//!
//! Who is tried when is decided by the machine of `hark-notify`, of which there is one: the data folder
//! is locked by one process, so nothing here keeps two senders apart. A lease is only written down, so
//! that a start knows what may have arrived already.

use hark_model::record::DeliveryRecord;
use hark_model::{DeliveryId, Unix};
use rusqlite::{Transaction, params};

use super::State;
use super::commit::{CommitError, int};
use super::stored;

impl State {
    /// Ends the leases of the process before: at start, when nobody can be sending. Returns how many
    /// there were. They may have arrived; they go out again with the same key, unless the engine
    /// replaces them first, which it can do with what is not on its way.
    ///
    /// # Errors
    /// As [`State::commit`].
    pub fn release_leases(&mut self, now: Unix) -> Result<usize, CommitError> {
        self.transact(|transaction, _| {
            let sql = "UPDATE outbox SET state = 'retry', due_at = ?1,
                         last_error = 'interrupted by a restart' WHERE state = 'leased'";
            Ok(transaction.prepare_cached(sql)?.execute([now.0])?)
        })
    }

    /// Returns true if message `id` is in the outbox. A message that was committed is not if another
    /// with its key was there already: then it must not be sent.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn has_delivery(&self, id: DeliveryId) -> Result<bool, CommitError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM outbox WHERE id = ?1)";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row([int(id.0)?], |row| row.get(0))?)
    }
}

/// Writes where a message stands, unless it is finished.
pub(super) fn advance(
    transaction: &Transaction<'_>,
    row: &DeliveryRecord,
) -> Result<(), CommitError> {
    let (state, due_at) = stored::delivery_state(row);
    transaction
        .prepare_cached(
            "UPDATE outbox SET state = ?2, due_at = ?3, attempts = ?4, last_error = ?5,
               took_ms = ?6, v = ?7, body = ?8
             WHERE id = ?1 AND state IN ('queued', 'leased', 'retry')",
        )?
        .execute(params![
            int(row.notification.id.0)?,
            state,
            due_at.0,
            row.attempts,
            row.last_error,
            row.took_ms,
            stored::VERSION,
            stored::encode_notification(&row.notification)?
        ])?;
    Ok(())
}

//! The queue of messages: claimed under a lease, finished under a fence.
//!
//! A message is *open* while it is queued, leased or waiting for another try. Of one incident and
//! one receiver only the oldest open message can be claimed, so that a recovery never overtakes its
//! problem. A claim whose lease has run out can be claimed by another; the first one's outcome then
//! bears an old fence and changes nothing.

use std::time::Duration;

use hark_model::name::ReceiverName;
use hark_model::record::DeliveryRecord;
use hark_model::{DeliveryId, Unix};
use rusqlite::{OptionalExtension, Transaction, params};

use super::State;
use super::change::Change;
use super::commit::{CommitError, DELIVERY, RowError, delivery, int};
use super::stored::{self, StoredError};

/// The number of a claim on one message: only the newest may say how the message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fence(pub u32);

/// A message to be sent now.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// The message, with the try that now begins counted.
    pub record: DeliveryRecord,
    /// To be given back with the outcome.
    pub fence: Fence,
}

impl State {
    /// Takes the oldest message to `receiver` that is due at `now` and whose turn it is, for the time
    /// of `lease`. `None` if there is none.
    ///
    /// # Errors
    /// As [`State::commit`]. A message that cannot be read is marked dead, so that it does not stop
    /// those behind it.
    pub fn claim(
        &mut self,
        receiver: &ReceiverName,
        now: Unix,
        lease: Duration,
    ) -> Result<Option<Claim>, CommitError> {
        if !self.any_due(receiver, now)? {
            return Ok(None);
        }
        self.transact(|transaction, _| {
            while let Some(id) = oldest_due(transaction, receiver, now)? {
                transaction
                    .prepare_cached(
                        "UPDATE outbox SET state = 'leased', due_at = ?2, fence = fence + 1,
                           attempts = attempts + 1 WHERE id = ?1",
                    )?
                    .execute(params![id, (now + lease).0])?;
                let sql = format!("SELECT {DELIVERY}, fence FROM outbox WHERE id = ?1");
                let mut statement = transaction.prepare_cached(&sql)?;
                let mut rows = statement.query([id])?;
                let Some(row) = rows.next()? else { break };
                let fence = Fence(row.get(8)?);
                match delivery(row) {
                    Ok(record) => return Ok(Some(Claim { record, fence })),
                    Err(RowError::File(error)) => return Err(error.into()),
                    Err(RowError::Stored(error)) => bury(transaction, id, now, &error)?,
                }
            }
            Ok(None)
        })
    }

    /// Looks for work without writing: most calls find none.
    fn any_due(&self, receiver: &ReceiverName, now: Unix) -> Result<bool, CommitError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM outbox
               WHERE receiver = ?1 AND due_at <= ?2 AND state IN ('queued', 'leased', 'retry'))",
        )?;
        Ok(statement.query_row(params![receiver.as_str(), now.0], |row| row.get(0))?)
    }

    /// Returns when the next open message of each receiver is due, leases included; the order is that
    /// of the receivers' names.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn next_due(&self) -> Result<Vec<(ReceiverName, Unix)>, CommitError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT receiver, min(due_at) FROM outbox WHERE state IN ('queued', 'leased', 'retry')
             GROUP BY receiver ORDER BY receiver",
        )?;
        let mut rows = statement.query([])?;
        let mut due = Vec::new();
        while let Some(row) = rows.next()? {
            let name: String = row.get(0)?;
            if let Ok(name) = ReceiverName::new(&name) {
                due.push((name, Unix(row.get(1)?)));
            }
        }
        Ok(due)
    }

    /// Gives every leased message free to be claimed at once: at start, when nobody can be sending.
    /// Returns how many there were. They may have arrived; they go out again with the same key.
    ///
    /// # Errors
    /// As [`State::commit`].
    pub fn release_leases(&mut self, now: Unix) -> Result<usize, CommitError> {
        self.transact(|transaction, _| {
            let sql = "UPDATE outbox SET state = 'retry', due_at = ?1, fence = fence + 1,
                         last_error = 'interrupted by a restart' WHERE state = 'leased'";
            Ok(transaction.prepare_cached(sql)?.execute([now.0])?)
        })
    }

    /// Marks a claimed message as arrived. Returns false if the claim had been lost.
    ///
    /// # Errors
    /// As [`State::commit`].
    pub fn mark_sent(
        &mut self,
        delivery: DeliveryId,
        fence: Fence,
        at: Unix,
        took_ms: u32,
    ) -> Result<bool, CommitError> {
        self.mark(&Change::DeliverySent { delivery, fence, at, took_ms })
    }

    /// Marks a claimed message as failed, to be tried again at `again_at`. Returns false if the claim
    /// had been lost.
    ///
    /// # Errors
    /// As [`State::commit`].
    pub fn mark_retry(
        &mut self,
        delivery: DeliveryId,
        fence: Fence,
        again_at: Unix,
        error: &str,
        took_ms: u32,
    ) -> Result<bool, CommitError> {
        let error = error.to_owned();
        self.mark(&Change::DeliveryRetry { delivery, fence, again_at, error, took_ms })
    }

    /// Marks a claimed message as given up. Returns false if the claim had been lost.
    ///
    /// # Errors
    /// As [`State::commit`].
    pub fn mark_dead(
        &mut self,
        delivery: DeliveryId,
        fence: Fence,
        at: Unix,
        error: &str,
        took_ms: u32,
    ) -> Result<bool, CommitError> {
        let error = error.to_owned();
        self.mark(&Change::DeliveryDead { delivery, fence, at, error, took_ms })
    }

    fn mark(&mut self, outcome: &Change) -> Result<bool, CommitError> {
        self.transact(|transaction, _| {
            finish(transaction, outcome)?;
            Ok(transaction.changes() > 0)
        })
    }
}

fn oldest_due(
    transaction: &Transaction<'_>,
    receiver: &ReceiverName,
    now: Unix,
) -> Result<Option<i64>, CommitError> {
    let mut statement = transaction.prepare_cached(
        "SELECT id FROM outbox AS o
         WHERE receiver = ?1 AND due_at <= ?2 AND state IN ('queued', 'leased', 'retry')
           AND (incident IS NULL OR NOT EXISTS (SELECT 1 FROM outbox AS earlier
             WHERE earlier.receiver = o.receiver AND earlier.incident = o.incident
               AND earlier.id < o.id AND earlier.state IN ('queued', 'leased', 'retry')))
         ORDER BY due_at, id LIMIT 1",
    )?;
    Ok(statement.query_row(params![receiver.as_str(), now.0], |row| row.get(0)).optional()?)
}

fn bury(
    transaction: &Transaction<'_>,
    id: i64,
    now: Unix,
    error: &StoredError,
) -> Result<(), CommitError> {
    tracing::error!(delivery = id, %error, "stored message cannot be read: given up");
    transaction
        .prepare_cached(
            "UPDATE outbox SET state = 'dead', due_at = ?2, last_error = ?3 WHERE id = ?1",
        )?
        .execute(params![id, now.0, error.to_string()])?;
    Ok(())
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

/// Writes the outcome of a claimed message, if its fence is still the newest.
#[expect(clippy::wildcard_enum_match_arm, reason = "the caller has sorted them")]
pub(super) fn finish(transaction: &Transaction<'_>, outcome: &Change) -> Result<(), CommitError> {
    let (delivery, fence, state, at, error, took_ms) = match outcome {
        Change::DeliverySent { delivery, fence, at, took_ms } => {
            (delivery, fence, "sent", at, "", took_ms)
        }
        Change::DeliveryRetry { delivery, fence, again_at, error, took_ms } => {
            (delivery, fence, "retry", again_at, error.as_str(), took_ms)
        }
        Change::DeliveryDead { delivery, fence, at, error, took_ms } => {
            (delivery, fence, "dead", at, error.as_str(), took_ms)
        }
        _ => return Ok(()),
    };
    transaction
        .prepare_cached(
            "UPDATE outbox SET state = ?3, due_at = ?4, last_error = ?5, took_ms = ?6
             WHERE id = ?1 AND fence = ?2 AND state = 'leased'",
        )?
        .execute(params![int(delivery.0)?, fence.0, state, at.0, error, took_ms])?;
    Ok(())
}

//! Tries of messages: what was asked and answered, kept for a while so that people can see why somebody
//! was not told.

use hark_model::Unix;
use hark_model::record::{AttemptRecord, DeliveryId};
use rusqlite::{Row, Transaction, params};

use super::commit::{self, CommitError, RowError, int, number};
use super::reader::{Query, StateReader};
use super::{OpenError, State, stored};

/// The most tries that are kept. A receiver that is away for a day is tried some 200 times for each
/// message, so this is many such days; at 3 kB each it is 30 MB, and at the most that one can have 200.
pub const MAX_ATTEMPTS: u64 = 10_000;

/// Tries of one message that are returned: more than a message has in a day.
const MAX_OF_ONE: u32 = 500;

/// Puts a try in.
pub(super) fn insert(t: &Transaction<'_>, record: &AttemptRecord) -> Result<(), CommitError> {
    t.prepare_cached("INSERT INTO attempt (delivery, at, v, body) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![
            int(record.delivery.0)?,
            record.at.0,
            stored::VERSION,
            stored::encode_attempt(record)?
        ])?;
    Ok(())
}

fn attempt(row: &Row<'_>) -> Result<AttemptRecord, RowError> {
    let delivery = number(row, 0)?;
    Ok(stored::decode_attempt(row.get(2)?, delivery, Unix(row.get(1)?), commit::text(row, 3)?)?)
}

impl StateReader {
    /// Returns the tries of a message that are kept, the first one first; only the newest 500.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn attempts(&self, delivery: DeliveryId) -> Result<Vec<AttemptRecord>, OpenError> {
        let mut query = Query::new();
        query.with("delivery =", Some(delivery.0.cast_signed()));
        let sql = query.sql("delivery, at, v, body", "attempt", MAX_OF_ONE);
        let mut found = self.rows(&sql, &query, attempt)?;
        found.reverse();
        Ok(found)
    }
}

impl State {
    /// Removes tries that began before `before`, and the oldest above [`MAX_ATTEMPTS`]; at most `rows`.
    /// Returns how many.
    ///
    /// # Errors
    /// As [`State::commit`].
    pub fn prune_attempts(&mut self, before: Unix, rows: u32) -> Result<u64, CommitError> {
        let most = int(MAX_ATTEMPTS)?;
        self.transact(|t, _| {
            // Numbers rise with time: only the oldest are looked at.
            let gone = t
                .prepare_cached(
                    "DELETE FROM attempt WHERE id IN (
                       SELECT id FROM (SELECT id, at FROM attempt ORDER BY id LIMIT ?2)
                       WHERE id <= (SELECT max(id) FROM attempt) - ?3 OR at < ?1)",
                )?
                .execute(params![before.0, rows, most])?;
            Ok(gone as u64)
        })
    }
}

#[cfg(test)]
mod tests {
    use hark_model::record::{DeliveryState, Exchange};

    use super::super::Change;
    use super::*;

    fn record(delivery: u64, number: u32, at: i64) -> AttemptRecord {
        AttemptRecord {
            delivery: DeliveryId(delivery),
            number,
            at: Unix(at),
            took_ms: 12,
            state: DeliveryState::Retry { at: Unix(at + 5) },
            failure: "refused".to_owned(),
            said: "answered 500: no".to_owned(),
            exchanges: vec![Exchange {
                asked: "POST https://hooks.example.net/…".to_owned(),
                headers: vec![("authorization".to_owned(), "…".to_owned())],
                body: "{}".to_owned(),
                body_bytes: 2,
                status: "500".to_owned(),
                answer: "no".to_owned(),
                took_ms: 11,
            }],
            omitted: 3,
        }
    }

    #[test]
    fn tries_come_back_as_they_were_kept_in_their_order() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = State::open(folder.path()).unwrap();
        let mut sent = record(7, 2, 90);
        sent.state = DeliveryState::Sent { at: Unix(91) };
        sent.exchanges.clear();
        let kept = [record(7, 1, 50), record(8, 1, 60), sent];
        for attempt in &kept {
            state.commit(&[], &[Change::Attempt(Box::new(attempt.clone()))]).unwrap();
        }
        let reader = StateReader::open(folder.path()).unwrap();
        let found = reader.attempts(DeliveryId(7)).unwrap();
        assert_eq!(found, [kept[0].clone(), kept[2].clone()]);
        assert_eq!(reader.attempts(DeliveryId(9)).unwrap(), []);
    }

    #[test]
    fn the_oldest_tries_go_by_age_and_by_number() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = State::open(folder.path()).unwrap();
        let many: Vec<_> = (0..MAX_ATTEMPTS + 5)
            .map(|n| Change::Attempt(Box::new(record(1, 1, n.cast_signed()))))
            .collect();
        state.commit(&[], &many).unwrap();
        assert_eq!(state.prune_attempts(Unix(0), 3).unwrap(), 3, "at most so many at once");
        assert_eq!(state.prune_attempts(Unix(0), 500).unwrap(), 2);
        assert_eq!(state.prune_attempts(Unix(105), 500).unwrap(), 100);
        assert_eq!(state.prune_attempts(Unix(105), 500).unwrap(), 0);
    }
}

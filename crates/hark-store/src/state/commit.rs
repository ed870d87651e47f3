//! Writing the engine's records and reading them back.

use std::io;
use std::time::Duration;

use hark_model::name::ReceiverName;
use hark_model::record::{
    CheckRecord, DeliveryRecord, FlapsTold, HostRecord, IncidentRecord, JournalLine, Record,
    SilenceRecord, ToldRecord,
};
use hark_model::{DeliveryId, IncidentId, Status, Unix};
use rusqlite::{Connection, Row, Transaction, TransactionBehavior, params};
use thiserror::Error;

use super::change::{self, Change};
use super::stored::{self, StoredError, VERSION};
use super::{Loaded, State};
use crate::fault::Fault;

/// Why a commit has changed nothing.
#[derive(Debug, Error)]
pub enum CommitError {
    /// `SQLite` failed.
    #[error("the state is not written: {}", Fault::of_sql(.0).words())]
    Sql(#[from] rusqlite::Error),
    /// The operating system failed.
    #[error("the state is not written: {}", Fault::of_io(.0).words())]
    Io(#[from] io::Error),
    /// A record cannot be encoded, or a stored one not decoded.
    #[error("a record does not fit the store")]
    Record(#[from] StoredError),
    /// A number is above what the store can hold.
    #[error("the number {0} does not fit the store")]
    Number(u64),
    /// An earlier commit met a failing disk: open the state again.
    #[error("the state is stopped since the disk failed: it must be opened again")]
    Stopped,
}

impl CommitError {
    /// Returns what kind of failure it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Sql(error) => Fault::of_sql(error),
            Self::Io(error) => Fault::of_io(error),
            Self::Record(_) | Self::Number(_) => Fault::Other,
            Self::Stopped => Fault::Io,
        }
    }

    /// Returns true if there is no room: the same commit may be tried again later.
    pub fn is_full(&self) -> bool {
        self.fault() == Fault::Full
    }

    /// Returns true if trying the same again later can help without opening the state again.
    pub fn is_transient(&self) -> bool {
        matches!(self.fault(), Fault::Full | Fault::Busy)
    }
}

/// Returns `value` as `SQLite`'s integer.
pub(super) fn int(value: u64) -> Result<i64, CommitError> {
    i64::try_from(value).map_err(|_| CommitError::Number(value))
}

/// What stands in `setting` before the number of a host that is gone, with its name: the incidents that it had are
/// shown for as long as they are kept.
pub(super) const FORMER_HOST: &str = "former_host ";

/// Keeps the name of a host that goes, if it has incidents.
const REMEMBER_NAME: &str = "INSERT OR REPLACE INTO setting (name, value)
    SELECT ?1 || id, name FROM host
    WHERE id = ?2 AND EXISTS (SELECT 1 FROM incident WHERE incident.host = ?2)";

/// Forgets the names of those whose last incident is gone. A space stands before `!` in the order of names.
const FORGET_NAMES: &str = "DELETE FROM setting WHERE name IN (
    SELECT name FROM setting WHERE name >= 'former_host ' AND name < 'former_host!'
      AND NOT EXISTS (SELECT 1 FROM incident
        WHERE incident.host = CAST(substr(setting.name, 13) AS INTEGER))
    LIMIT ?1)";

impl State {
    /// Writes `records` and then `extra`, all or nothing, and returns once they survive a power cut.
    ///
    /// On a full disk the reserve is given up and the commit tried once more.
    ///
    /// # Errors
    /// If nothing was written: see [`CommitError::is_transient`]. After a failing disk every later
    /// commit fails until the state is opened again.
    pub fn commit(&mut self, records: &[Record], extra: &[Change]) -> Result<(), CommitError> {
        self.transact(|transaction, disk| {
            let mut highest = Highest::default();
            for record in records {
                disk.point_with_room()?;
                apply(transaction, record)?;
                highest.note(record);
            }
            highest.write(transaction)?;
            for change in extra {
                disk.point_with_room()?;
                change::apply(transaction, change)?;
            }
            Ok(())
        })
    }

    /// Runs `work` as one synced transaction.
    pub(super) fn transact<T>(
        &mut self,
        work: impl Fn(&Transaction<'_>, &crate::disk::Disk) -> Result<T, CommitError>,
    ) -> Result<T, CommitError> {
        if self.stopped {
            return Err(CommitError::Stopped);
        }
        let mut result = self.transact_once(&work);
        if let Err(error) = &result
            && error.is_full()
            && self.reserve.release()
        {
            result = self.transact_once(&work);
        }
        if let Err(error) = &result
            && matches!(error.fault(), Fault::Io | Fault::Corrupt)
        {
            self.stopped = true;
        }
        result
    }

    fn transact_once<T>(
        &mut self,
        work: &impl Fn(&Transaction<'_>, &crate::disk::Disk) -> Result<T, CommitError>,
    ) -> Result<T, CommitError> {
        self.disk.point()?;
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let value = work(&transaction, &self.disk)?;
        self.disk.point()?;
        transaction.commit()?;
        self.disk.point()?;
        Ok(value)
    }

    /// Removes what is old, at most `rows` of each kind, and returns how many rows went: journal
    /// lines and finished messages before `before`, incidents resolved before it with what was told
    /// about them, silences that ended before it. Call again while it returns more than zero.
    ///
    /// # Errors
    /// As [`State::commit`].
    pub fn prune(&mut self, before: Unix, rows: u32) -> Result<u64, CommitError> {
        const OLD: [&str; 5] = [
            "DELETE FROM journal WHERE id IN
               (SELECT id FROM (SELECT id, at FROM journal ORDER BY id LIMIT ?2) WHERE at < ?1)",
            "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox
               WHERE state IN ('sent', 'dead', 'superseded') AND due_at < ?1 LIMIT ?2)",
            "DELETE FROM told WHERE incident IN (SELECT id FROM incident
               WHERE resolved_at IS NOT NULL AND resolved_at < ?1 ORDER BY resolved_at LIMIT ?2)",
            "DELETE FROM incident WHERE id IN (SELECT id FROM incident
               WHERE resolved_at IS NOT NULL AND resolved_at < ?1 ORDER BY resolved_at LIMIT ?2)",
            "DELETE FROM silence WHERE id IN
               (SELECT id FROM silence WHERE until < ?1 LIMIT ?2)",
        ];
        self.transact(|transaction, _| {
            let mut gone = 0;
            for sql in OLD {
                let n = transaction.prepare_cached(sql)?.execute(params![before.0, rows])?;
                gone += n as u64;
            }
            transaction.prepare_cached(FORGET_NAMES)?.execute([rows])?;
            Ok(gone)
        })
    }
}

/// The highest numbers ever given: kept apart, since the rows that had them may be gone.
#[derive(Default)]
struct Highest {
    host: Option<u64>,
    incident: Option<u64>,
    silence: Option<u64>,
    delivery: Option<u64>,
}

impl Highest {
    fn note(&mut self, record: &Record) {
        match record {
            Record::Host(host) => self.host = self.host.max(Some(u64::from(host.id.0))),
            Record::Incident(incident) => self.incident = self.incident.max(Some(incident.id.0)),
            Record::Silence(silence) => self.silence = self.silence.max(Some(silence.id.0)),
            Record::Outbox(row) => self.delivery = self.delivery.max(Some(row.notification.id.0)),
            Record::HostRemoved(_)
            | Record::Check(_)
            | Record::CheckRemoved(..)
            | Record::Told(_)
            | Record::SilenceRemoved(_)
            | Record::Journal(_) => {}
        }
    }

    fn write(&self, transaction: &Transaction<'_>) -> Result<(), CommitError> {
        let numbers = [
            ("host", self.host),
            ("incident", self.incident),
            ("silence", self.silence),
            ("delivery", self.delivery),
        ];
        for (name, number) in numbers {
            let Some(number) = number else { continue };
            transaction
                .prepare_cached(
                    "INSERT INTO counter (name, value) VALUES (?1, ?2)
                     ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)",
                )?
                .execute(params![name, int(number)?])?;
        }
        Ok(())
    }
}

fn apply(t: &Transaction<'_>, record: &Record) -> Result<(), CommitError> {
    match record {
        Record::Host(host) => put_host(t, host),
        Record::HostRemoved(host) => {
            t.prepare_cached(REMEMBER_NAME)?.execute(params![FORMER_HOST, host.0])?;
            t.prepare_cached("DELETE FROM checks WHERE host = ?1")?.execute([host.0])?;
            t.prepare_cached("DELETE FROM host WHERE id = ?1")?.execute([host.0])?;
            Ok(())
        }
        Record::Check(check) => put_check(t, check),
        Record::CheckRemoved(host, name) => {
            t.prepare_cached("DELETE FROM checks WHERE host = ?1 AND name = ?2")?
                .execute(params![host.0, name.as_str()])?;
            Ok(())
        }
        Record::Incident(incident) => put_incident(t, incident),
        Record::Told(told) => put_told(t, told),
        Record::Silence(silence) => put_silence(t, silence),
        Record::SilenceRemoved(silence) => {
            t.prepare_cached("DELETE FROM silence WHERE id = ?1")?.execute([int(silence.0)?])?;
            Ok(())
        }
        Record::Outbox(row) => put_outbox(t, row),
        Record::Journal(line) => put_journal(t, line),
    }
}

fn put_host(t: &Transaction<'_>, host: &HostRecord) -> Result<(), CommitError> {
    t.prepare_cached(
        "INSERT INTO host (id, name, v, body) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, v = excluded.v,
           body = excluded.body",
    )?
    .execute(params![host.id.0, host.name.as_str(), VERSION, stored::encode_host(host)?])?;
    Ok(())
}

fn put_check(t: &Transaction<'_>, check: &CheckRecord) -> Result<(), CommitError> {
    t.prepare_cached(
        "INSERT INTO checks (host, name, v, body) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (host, name) DO UPDATE SET v = excluded.v, body = excluded.body",
    )?
    .execute(params![
        check.host.0,
        check.name.as_str(),
        VERSION,
        stored::encode_check(check)?
    ])?;
    Ok(())
}

fn put_incident(t: &Transaction<'_>, incident: &IncidentRecord) -> Result<(), CommitError> {
    t.prepare_cached(
        "INSERT INTO incident (id, host, name, since, peak, resolved_at, v, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (id) DO UPDATE SET host = excluded.host, name = excluded.name,
           since = excluded.since, peak = excluded.peak, resolved_at = excluded.resolved_at,
           v = excluded.v, body = excluded.body",
    )?
    .execute(params![
        int(incident.id.0)?,
        incident.host.0,
        incident.check.as_str(),
        incident.since.0,
        incident.peak.word(),
        incident.resolved_at.map(|r| r.0),
        VERSION,
        stored::encode_incident(incident)?
    ])?;
    Ok(())
}

fn put_told(t: &Transaction<'_>, told: &ToldRecord) -> Result<(), CommitError> {
    t.prepare_cached(
        "INSERT INTO told (incident, receiver, status, at, delivered_at, sequence, reminders, flaps,
           acknowledged)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT (incident, receiver) DO UPDATE SET status = excluded.status,
           at = excluded.at, delivered_at = excluded.delivered_at, sequence = excluded.sequence,
           reminders = excluded.reminders, flaps = excluded.flaps,
           acknowledged = excluded.acknowledged",
    )?
    .execute(params![
        int(told.incident.0)?,
        told.receiver.as_str(),
        told.status.word(),
        told.at.0,
        told.delivered_at.map(|d| d.0),
        told.sequence,
        told.reminders,
        match told.flaps {
            FlapsTold::No => 0,
            FlapsTold::Flaps => 1,
            FlapsTold::MostlyCritical => 2,
        },
        told.acknowledged.map(|at| at.0)
    ])?;
    Ok(())
}

fn put_silence(t: &Transaction<'_>, silence: &SilenceRecord) -> Result<(), CommitError> {
    t.prepare_cached(
        "INSERT INTO silence (id, until, v, body) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (id) DO UPDATE SET until = excluded.until, v = excluded.v,
           body = excluded.body",
    )?
    .execute(params![
        int(silence.id.0)?,
        silence.until.0,
        VERSION,
        stored::encode_silence(silence)?
    ])?;
    Ok(())
}

/// A key that is there already is the same message. The engine may still take one back that nobody
/// has begun to send.
fn put_outbox(t: &Transaction<'_>, row: &DeliveryRecord) -> Result<(), CommitError> {
    let (state, due_at) = stored::delivery_state(row);
    t.prepare_cached(
        "INSERT INTO outbox
           (id, key, receiver, incident, state, due_at, attempts, last_error, took_ms, v, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
         ON CONFLICT (key) DO UPDATE SET state = excluded.state, due_at = excluded.due_at
           WHERE outbox.state IN ('queued', 'retry')
             AND excluded.state IN ('superseded', 'dead')",
    )?
    .execute(params![
        int(row.notification.id.0)?,
        row.notification.key,
        row.notification.receiver.as_str(),
        row.notification.incident.map(|i| int(i.0)).transpose()?,
        state,
        due_at.0,
        row.attempts,
        row.last_error,
        row.took_ms,
        VERSION,
        stored::encode_notification(&row.notification)?
    ])?;
    Ok(())
}

fn put_journal(t: &Transaction<'_>, line: &JournalLine) -> Result<(), CommitError> {
    t.prepare_cached(
        "INSERT INTO journal (at, host, name, incident, kind, receiver, line)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        line.at.0,
        line.host.map(|h| h.0),
        line.check.as_ref().map(hark_model::CheckName::as_str),
        line.incident.map(|i| int(i.0)).transpose()?,
        line.kind.word(),
        line.receiver.as_ref().map(ReceiverName::as_str),
        line.text
    ])?;
    Ok(())
}

/// Somebody who still believes in an incident hears of its end, however long ago that was: silences, the
/// longest of what keeps it back, last 30 days at most. What is older is no news any more.
const UNTOLD: Duration = Duration::from_hours(31 * 24);

/// The incidents that the engine starts with: what is open, what ended since `?1`, and what ended since
/// `?2` and somebody was not told so.
const ALIVE: &str = "SELECT id FROM incident WHERE resolved_at IS NULL
    UNION ALL SELECT id FROM incident WHERE resolved_at >= ?1
    UNION ALL SELECT id FROM incident WHERE resolved_at >= ?2 AND resolved_at < ?1
      AND EXISTS (SELECT 1 FROM told WHERE told.incident = incident.id
        AND (told.status <> 'ok' OR told.flaps))";

/// Reads everything the engine starts from.
pub(super) fn load(c: &Connection, resolved_since: Unix) -> rusqlite::Result<Loaded> {
    let mut loaded = Loaded::default();
    let damaged = &mut loaded.damaged;
    let snapshot = &mut loaded.snapshot;
    let since = [resolved_since.0, (resolved_since - UNTOLD).0];
    snapshot.hosts = read(c, "SELECT id, name, v, body FROM host ORDER BY id", [], damaged, host)?;
    snapshot.checks =
        read(c, "SELECT host, name, v, body FROM checks ORDER BY host, name", [], damaged, check)?;
    snapshot.incidents = read(
        c,
        &format!("SELECT id, v, body FROM incident WHERE id IN ({ALIVE}) ORDER BY id"),
        since,
        damaged,
        incident,
    )?;
    snapshot.told = read(
        c,
        &format!("SELECT {TOLD} FROM told WHERE incident IN ({ALIVE}) ORDER BY incident, receiver"),
        since,
        damaged,
        told,
    )?;
    snapshot.silences =
        read(c, "SELECT id, v, body FROM silence ORDER BY id", [], damaged, silence)?;
    snapshot.outbox = read(
        c,
        &format!(
            "SELECT {DELIVERY} FROM outbox WHERE state IN ('queued', 'leased', 'retry')
             ORDER BY id"
        ),
        [],
        damaged,
        delivery,
    )?;
    let counter = |name: &str| -> rusqlite::Result<u64> {
        let mut statement = c.prepare("SELECT value FROM counter WHERE name = ?1")?;
        let mut rows = statement.query([name])?;
        let found: Option<i64> = rows.next()?.map(|row| row.get(0)).transpose()?;
        Ok(found.and_then(|n| u64::try_from(n).ok()).unwrap_or(0))
    };
    snapshot.last_host = u32::try_from(counter("host")?).unwrap_or(u32::MAX);
    snapshot.last_incident = counter("incident")?;
    snapshot.last_silence = counter("silence")?;
    snapshot.last_delivery = counter("delivery")?;
    Ok(loaded)
}

/// What went wrong with one row: with the file (ends the reading) or with what is in it.
pub(super) enum RowError {
    File(rusqlite::Error),
    Stored(StoredError),
}

impl From<rusqlite::Error> for RowError {
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others concern the file")]
    fn from(error: rusqlite::Error) -> Self {
        match error {
            // A column of another type than it should be is damage of this row only.
            rusqlite::Error::InvalidColumnType(_, name, _) => Self::Stored(StoredError::Word(name)),
            rusqlite::Error::IntegralValueOutOfRange(_, value) => {
                Self::Stored(StoredError::Word(value.to_string()))
            }
            rusqlite::Error::FromSqlConversionFailure(column, _, _) => {
                Self::Stored(StoredError::Word(format!("column {column}")))
            }
            other => Self::File(other),
        }
    }
}

impl From<StoredError> for RowError {
    fn from(error: StoredError) -> Self {
        Self::Stored(error)
    }
}

/// Reads all rows of `sql`; one that cannot be understood is counted and left out.
pub(super) fn read<T>(
    c: &Connection,
    sql: &str,
    values: impl rusqlite::Params,
    damaged: &mut u64,
    decode: impl Fn(&Row<'_>) -> Result<T, RowError>,
) -> rusqlite::Result<Vec<T>> {
    let mut statement = c.prepare_cached(sql)?;
    let mut rows = statement.query(values)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        match decode(row) {
            Ok(value) => all.push(value),
            Err(RowError::File(error)) => return Err(error),
            Err(RowError::Stored(error)) => {
                *damaged += 1;
                tracing::error!(%error, source = ?std::error::Error::source(&error), sql, "stored row skipped");
            }
        }
    }
    Ok(all)
}

/// Returns a text column without copying it.
pub(super) fn text<'r>(row: &'r Row<'_>, column: usize) -> Result<&'r str, RowError> {
    row.get_ref(column)?
        .as_str()
        .map_err(|_| RowError::Stored(StoredError::Word(format!("column {column}"))))
}

/// Returns a column that holds a number without sign.
pub(super) fn number(row: &Row<'_>, column: usize) -> Result<u64, RowError> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|_| RowError::Stored(StoredError::Word(value.to_string())))
}

pub(super) fn host(row: &Row<'_>) -> Result<HostRecord, RowError> {
    Ok(stored::decode_host(row.get(2)?, row.get(0)?, text(row, 1)?, text(row, 3)?)?)
}

fn check(row: &Row<'_>) -> Result<CheckRecord, RowError> {
    Ok(stored::decode_check(row.get(2)?, row.get(0)?, text(row, 1)?, text(row, 3)?)?)
}

pub(super) fn incident(row: &Row<'_>) -> Result<IncidentRecord, RowError> {
    Ok(stored::decode_incident(row.get(1)?, number(row, 0)?, text(row, 2)?)?)
}

pub(super) fn silence(row: &Row<'_>) -> Result<SilenceRecord, RowError> {
    Ok(stored::decode_silence(row.get(1)?, number(row, 0)?, text(row, 2)?)?)
}

/// The columns of [`told`].
pub(super) const TOLD: &str =
    "incident, receiver, status, at, delivered_at, sequence, reminders, flaps, acknowledged";

pub(super) fn told(row: &Row<'_>) -> Result<ToldRecord, RowError> {
    let status = text(row, 2)?;
    Ok(ToldRecord {
        incident: IncidentId(number(row, 0)?),
        receiver: ReceiverName::new(text(row, 1)?).map_err(StoredError::Name)?,
        status: Status::from_word(status).ok_or_else(|| StoredError::Word(status.to_owned()))?,
        at: Unix(row.get(3)?),
        delivered_at: row.get::<_, Option<i64>>(4)?.map(Unix),
        sequence: row.get(5)?,
        reminders: row.get(6)?,
        flaps: match row.get(7)? {
            0 => FlapsTold::No,
            2 => FlapsTold::MostlyCritical,
            _ => FlapsTold::Flaps,
        },
        acknowledged: row.get::<_, Option<i64>>(8)?.map(Unix),
    })
}

/// The columns of [`delivery`].
pub(super) const DELIVERY: &str = "id, v, body, state, due_at, attempts, last_error, took_ms";

/// Reads the columns [`DELIVERY`].
pub(super) fn delivery(row: &Row<'_>) -> Result<DeliveryRecord, RowError> {
    let id = DeliveryId(number(row, 0)?);
    Ok(DeliveryRecord {
        notification: stored::decode_notification(row.get(1)?, id.0, text(row, 2)?)?,
        state: stored::delivery_state_of(text(row, 3)?, row.get(4)?)?,
        attempts: row.get(5)?,
        last_error: text(row, 6)?.to_owned(),
        took_ms: row.get(7)?,
    })
}

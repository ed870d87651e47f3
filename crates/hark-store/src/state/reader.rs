//! Reading the state for the page: a connection of its own that cannot write.

mod accounts;
mod factors;
mod newest;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hark_model::name::{CheckName, HostName, ReceiverName};
use hark_model::record::{
    DeliveryRecord, DeliveryState, HostId, HostRecord, IncidentRecord, JournalKind, JournalLine,
    SilenceRecord, ToldRecord,
};
use hark_model::{DeliveryId, IncidentId, Unix};
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, Row, params_from_iter};

use super::commit::{self, RowError, number, text};
use super::stored::StoredError;
use super::{BUSY, FILE, OpenError, STATEMENTS};

pub use accounts::AuditCheck;

/// The most rows one call returns, whatever was asked for.
pub(super) const MAX_ROWS: u32 = 1000;

/// The state, open for reading. As many as wanted; each is for one thread at a time.
#[derive(Debug)]
pub struct StateReader {
    connection: Connection,
    path: PathBuf,
}

/// Where a page of rows begins, and which way it goes: rows are numbered as they came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The newest, and on to older ones.
    Newest,
    /// Those below a number, the highest first.
    Below(u64),
    /// The oldest, and on to newer ones.
    Oldest,
    /// Those above a number, the lowest first.
    Above(u64),
}

impl Place {
    /// Returns where the next page begins if this one ends with the row `number`.
    #[must_use]
    pub fn beyond(self, number: u64) -> Self {
        match self {
            Self::Newest | Self::Below(_) => Self::Below(number),
            Self::Oldest | Self::Above(_) => Self::Above(number),
        }
    }

    /// Returns the comparison that the rows pass, with its number, and their order.
    pub(super) fn terms(self) -> (Option<(&'static str, i64)>, &'static str) {
        let bound = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        match self {
            Self::Newest => (None, "DESC"),
            Self::Below(number) => (Some(("<", bound(number))), "DESC"),
            Self::Oldest => (None, "ASC"),
            Self::Above(number) => (Some((">", bound(number))), "ASC"),
        }
    }
}

impl From<Option<u64>> for Place {
    fn from(before: Option<u64>) -> Self {
        before.map_or(Self::Newest, Self::Below)
    }
}

/// A journal line with its number, which is the cursor of the next page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalEntry {
    /// Its number; grows with time.
    pub id: u64,
    /// The line.
    pub line: JournalLine,
}

/// Which journal lines; all given parts must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JournalFilter {
    /// Only of this host.
    pub host: Option<HostId>,
    /// Only of this incident.
    pub incident: Option<IncidentId>,
    /// Only of this kind.
    pub kind: Option<JournalKind>,
    /// Only from then on.
    pub from: Option<Unix>,
    /// Only before then.
    pub before: Option<Unix>,
    /// Only whose text has this in it (any case for ASCII letters).
    pub contains: Option<String>,
}

/// Which incidents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IncidentFilter {
    /// `Some(true)`: only open ones; `Some(false)`: only resolved ones.
    pub open: Option<bool>,
    /// Only of this host.
    pub host: Option<HostId>,
    /// Only of this check.
    pub check: Option<CheckName>,
    /// Only those that were open at some moment from the first time to before the second.
    pub within: Option<(Unix, Unix)>,
}

/// Which messages of the outbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeliveryView {
    /// All.
    #[default]
    All,
    /// Queued, or being sent.
    Queued,
    /// To be tried again.
    Retry,
    /// Arrived.
    Sent,
    /// Given up.
    Dead,
    /// Replaced.
    Superseded,
    /// About one incident.
    Of(IncidentId),
}

/// Messages of one receiver or about one incident.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// To this receiver alone.
    pub receiver: Option<ReceiverName>,
    /// About this incident alone.
    pub incident: Option<IncidentId>,
}

impl StateReader {
    /// Opens the state in folder `dir` for reading.
    ///
    /// # Errors
    /// If there is none or it cannot be read.
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        Self::open_file(&dir.join(FILE))
    }

    pub(super) fn open_file(path: &Path) -> Result<Self, OpenError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let open = || -> rusqlite::Result<Connection> {
            let connection = Connection::open_with_flags(path, flags)?;
            connection.busy_timeout(BUSY)?;
            connection.set_prepared_statement_cache_capacity(STATEMENTS);
            connection.pragma_update(None, "query_only", true)?;
            Ok(connection)
        };
        let connection = open().map_err(|e| OpenError::of("open", path, &e, None))?;
        Ok(Self { connection, path: path.to_owned() })
    }

    /// Returns the names of the hosts that are known, by their numbers.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn host_names(&self) -> Result<BTreeMap<HostId, HostName>, OpenError> {
        let read = || -> rusqlite::Result<BTreeMap<HostId, HostName>> {
            let mut statement = self.connection.prepare_cached("SELECT id, name FROM host")?;
            let mut rows = statement.query([])?;
            let mut names = BTreeMap::new();
            while let Some(row) = rows.next()? {
                let name: String = row.get(1)?;
                if let Ok(name) = HostName::new(&name) {
                    names.insert(HostId(row.get(0)?), name);
                }
            }
            Ok(names)
        };
        read().map_err(|e| OpenError::of("read", &self.path, &e, None))
    }

    /// Returns the name of a host that is gone, as long as an incident of it is kept.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn former_host(&self, host: HostId) -> Result<Option<HostName>, OpenError> {
        let name = self.setting(&format!("{}{}", commit::FORMER_HOST, host.0))?;
        Ok(name.and_then(|name| HostName::new(&name).ok()))
    }

    /// Returns the hosts that are known.
    ///
    /// # Errors
    /// If the file cannot be read. What is damaged in it is left out.
    pub fn hosts(&self) -> Result<Vec<HostRecord>, OpenError> {
        let sql = "SELECT id, name, v, body FROM host ORDER BY id";
        let mut damaged = 0;
        let read = commit::read(&self.connection, sql, [], &mut damaged, commit::host);
        read.map_err(|e| OpenError::of("read", &self.path, &e, None))
    }

    /// Returns journal lines from a place on.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn journal(
        &self,
        filter: &JournalFilter,
        place: impl Into<Place>,
        limit: u32,
    ) -> Result<Vec<JournalEntry>, OpenError> {
        let mut query = Query::from(place.into());
        query.with("host =", filter.host.map(|h| i64::from(h.0)));
        query.with("incident =", filter.incident.map(|i| i.0.cast_signed()));
        query.with("kind =", filter.kind.map(|k| k.word().to_owned()));
        query.with("at >=", filter.from.map(|t| t.0));
        query.with("at <", filter.before.map(|t| t.0));
        let pattern = filter.contains.as_ref().map(|c| format!("%{}%", escaped(c)));
        query.with("line LIKE", pattern);
        self.rows(
            &query.sql("id, at, host, name, incident, kind, line, receiver", "journal", limit),
            &query,
            journal,
        )
    }

    /// Returns incidents from a place on.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn incidents(
        &self,
        filter: &IncidentFilter,
        place: impl Into<Place>,
        limit: u32,
    ) -> Result<Vec<IncidentRecord>, OpenError> {
        let mut query = Query::from(place.into());
        query.with("host =", filter.host.map(|h| i64::from(h.0)));
        query.with("name =", filter.check.as_ref().map(ToString::to_string));
        match filter.open {
            Some(true) => query.fixed("resolved_at IS NULL"),
            Some(false) => query.fixed("resolved_at IS NOT NULL"),
            None => {}
        }
        if let Some((from, until)) = filter.within {
            query.with("since <", Some(until.0));
            query.with(&format!("coalesce(resolved_at, {}) >=", i64::MAX), Some(from.0));
        }
        self.rows(&query.sql("id, v, body", "incident", limit), &query, commit::incident)
    }

    /// Returns how many messages about each incident arrived from the first time to before the second.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn messages_sent(
        &self,
        from: Unix,
        until: Unix,
    ) -> Result<Vec<(IncidentId, u64)>, OpenError> {
        let mut query = Query::new();
        query.with("due_at >=", Some(from.0));
        query.with("due_at <", Some(until.0));
        let sql = format!(
            "SELECT incident, count(*) FROM outbox WHERE state = 'sent' AND incident IS NOT NULL
             AND {} GROUP BY incident",
            query.conditions.join(" AND ")
        );
        self.rows(&sql, &query, |row| Ok((IncidentId(number(row, 0)?), number(row, 1)?)))
    }

    /// Returns one incident.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn incident(&self, id: IncidentId) -> Result<Option<IncidentRecord>, OpenError> {
        let mut query = Query::new();
        query.with("id =", Some(id.0.cast_signed()));
        self.one(&query.sql("id, v, body", "incident", 1), &query, commit::incident)
    }

    /// Returns what each receiver was told about an incident.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn told(&self, incident: IncidentId) -> Result<Vec<ToldRecord>, OpenError> {
        let mut query = Query::new();
        query.with("incident =", Some(incident.0.cast_signed()));
        let sql = query.sql_ordered(commit::TOLD, "told", "receiver", MAX_ROWS);
        self.rows(&sql, &query, commit::told)
    }

    /// Returns all silences, ended ones too as long as they are kept.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn silences(&self) -> Result<Vec<SilenceRecord>, OpenError> {
        let query = Query::new();
        self.rows(&query.sql("id, v, body", "silence", MAX_ROWS), &query, commit::silence)
    }

    /// Returns messages of the outbox, newest first: those below `before`, or the newest.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn deliveries(
        &self,
        view: DeliveryView,
        before: Option<DeliveryId>,
        limit: u32,
    ) -> Result<Vec<DeliveryRecord>, OpenError> {
        self.deliveries_of(view, &DeliveryFilter::default(), before.map(|id| id.0), limit)
    }

    /// As [`StateReader::deliveries`], of some alone.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn deliveries_of(
        &self,
        view: DeliveryView,
        filter: &DeliveryFilter,
        place: impl Into<Place>,
        limit: u32,
    ) -> Result<Vec<DeliveryRecord>, OpenError> {
        let mut query = Query::from(place.into());
        query.with("receiver =", filter.receiver.as_ref().map(ToString::to_string));
        query.with("incident =", filter.incident.map(|incident| incident.0.cast_signed()));
        match view {
            DeliveryView::All => {}
            DeliveryView::Queued => query.fixed("state IN ('queued', 'leased')"),
            DeliveryView::Retry => query.fixed("state = 'retry'"),
            DeliveryView::Sent => query.fixed("state = 'sent'"),
            DeliveryView::Dead => query.fixed("state = 'dead'"),
            DeliveryView::Superseded => query.fixed("state = 'superseded'"),
            DeliveryView::Of(incident) => query.with("incident =", Some(incident.0.cast_signed())),
        }
        self.rows(&query.sql(commit::DELIVERY, "outbox", limit), &query, commit::delivery)
    }

    /// Returns the newest message to `receiver` that is finished or was tried.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn last_delivery(
        &self,
        receiver: &ReceiverName,
    ) -> Result<Option<DeliveryRecord>, OpenError> {
        let mut query = Query::new();
        query.with("receiver =", Some(receiver.to_string()));
        query.fixed("attempts > 0");
        self.one(&query.sql(commit::DELIVERY, "outbox", 1), &query, commit::delivery)
    }

    /// Returns how many messages stand in each state: queued, leased, to be tried again, sent, dead,
    /// superseded; only states that occur.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn delivery_counts(&self) -> Result<Vec<(DeliveryState, u64)>, OpenError> {
        let sql = "SELECT state, count(*) FROM outbox GROUP BY state ORDER BY state";
        self.rows(sql, &Query::new(), |row| {
            Ok((super::stored::delivery_state_of(text(row, 0)?, 0)?, number(row, 1)?))
        })
    }

    pub(super) fn rows<T>(
        &self,
        sql: &str,
        query: &Query,
        decode: impl Fn(&Row<'_>) -> Result<T, RowError>,
    ) -> Result<Vec<T>, OpenError> {
        let mut damaged = 0;
        commit::read(&self.connection, sql, params_from_iter(&query.values), &mut damaged, decode)
            .map_err(|e| OpenError::of("read", &self.path, &e, None))
    }

    /// Reads rows of a plain statement.
    pub(super) fn query<T>(
        &self,
        sql: &str,
        values: impl rusqlite::Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, OpenError> {
        let found = self
            .connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_map(values, read)?.collect());
        found.map_err(|e| OpenError::of("read", &self.path, &e, None))
    }

    fn one<T>(
        &self,
        sql: &str,
        query: &Query,
        decode: impl Fn(&Row<'_>) -> Result<T, RowError>,
    ) -> Result<Option<T>, OpenError> {
        Ok(self.rows(sql, query, decode)?.into_iter().next())
    }
}

/// Conditions that are put together at run time; values never become part of the text.
pub(super) struct Query {
    conditions: Vec<String>,
    values: Vec<Value>,
    /// Of the numbers of the rows.
    order: &'static str,
}

impl From<Place> for Query {
    fn from(place: Place) -> Self {
        let (bound, order) = place.terms();
        let mut query = Self { order, ..Self::new() };
        if let Some((comparison, number)) = bound {
            query.with(&format!("id {comparison}"), Some(number));
        }
        query
    }
}

impl Query {
    pub(super) fn new() -> Self {
        Self { conditions: Vec::new(), values: Vec::new(), order: "DESC" }
    }

    fn fixed(&mut self, condition: &str) {
        self.conditions.push(condition.to_owned());
    }

    pub(super) fn with(&mut self, condition: &str, value: Option<impl Into<Value>>) {
        let Some(value) = value else { return };
        self.values.push(value.into());
        let escape = if condition.ends_with("LIKE") { r" ESCAPE '\'" } else { "" };
        self.conditions.push(format!("{condition} ?{}{escape}", self.values.len()));
    }

    pub(super) fn sql(&self, columns: &str, table: &str, limit: u32) -> String {
        self.sql_ordered(columns, table, &format!("id {}", self.order), limit)
    }

    fn sql_ordered(&self, columns: &str, table: &str, order: &str, limit: u32) -> String {
        let limit = limit.min(MAX_ROWS);
        let conditions = if self.conditions.is_empty() {
            String::new()
        } else {
            format!(" WHERE {}", self.conditions.join(" AND "))
        };
        format!("SELECT {columns} FROM {table}{conditions} ORDER BY {order} LIMIT {limit}")
    }
}

/// Returns `text` so that `LIKE` takes each of its characters as it is.
fn escaped(text: &str) -> String {
    text.replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_")
}

fn journal(row: &Row<'_>) -> Result<JournalEntry, RowError> {
    let kind = text(row, 5)?;
    let check: Option<String> = row.get(3)?;
    let receiver: Option<String> = row.get(7)?;
    Ok(JournalEntry {
        id: number(row, 0)?,
        line: JournalLine {
            at: Unix(row.get(1)?),
            host: row.get::<_, Option<u32>>(2)?.map(HostId),
            check: check.as_deref().map(CheckName::new).transpose().map_err(StoredError::Name)?,
            incident: row.get::<_, Option<i64>>(4)?.map(|i| IncidentId(i.cast_unsigned())),
            kind: JournalKind::from_word(kind).ok_or_else(|| StoredError::Word(kind.to_owned()))?,
            receiver: receiver
                .as_deref()
                .map(ReceiverName::new)
                .transpose()
                .map_err(StoredError::Name)?,
            text: text(row, 6)?.to_owned(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::State;

    #[test]
    fn the_reader_cannot_write() {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open(dir.path()).unwrap();
        let reader = state.reader().unwrap();
        let sql = "INSERT INTO setting (name, value) VALUES ('a', 'b')";
        assert!(reader.connection.execute(sql, []).is_err());
        assert!(state.connection.execute(sql, []).is_ok());
        assert_eq!(reader.setting("a").unwrap().as_deref(), Some("b"));
    }

    #[test]
    fn texts_to_look_for_have_no_wildcards() {
        assert_eq!(escaped(r"50% of_a\b"), r"50\% of\_a\\b");
    }
}

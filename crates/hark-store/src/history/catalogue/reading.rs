//! The catalogue as those read it who do not own it: while a server writes, and when it is damaged.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use hark_model::SeriesDef;
use rusqlite::{Connection, OpenFlags, Row, params};

use super::{SCHEMA, VERSION, decode};

/// What is being erased, as it lies there: host, until when, names.
type StoredOrder = (u32, Option<i64>, Option<String>);

/// What could be read of a catalogue.
#[derive(Debug, Default)]
pub(in crate::history) struct Read {
    /// The sets by their numbers.
    pub(in crate::history) sets: BTreeMap<u32, Arc<[SeriesDef]>>,
    /// The text of each set, as it lies there.
    bodies: BTreeMap<u32, String>,
    /// For each host its sets, with the day they were last declared.
    pub(in crate::history) hosts: BTreeMap<u32, BTreeMap<u32, i64>>,
    /// What is being erased.
    orders: Vec<StoredOrder>,
    /// What is wrong with it, in words.
    pub(in crate::history) wrong: Vec<String>,
    is_newer: bool,
}

/// The file within the folder of history.
pub(in crate::history) const FILE: &str = "catalogue.db";

/// A copy of it that is an hour old at most, beside it: without the catalogue nobody knows what the samples
/// of years stand for, and it is small.
pub(in crate::history) const SPARE: &str = "catalogue.spare";

impl Read {
    /// Reads the catalogue in `dir`, as much of it as can be read.
    ///
    /// # Errors
    /// If there is no catalogue, or nothing of it can be read.
    pub(in crate::history) fn of(dir: &Path) -> rusqlite::Result<Self> {
        Self::of_file(&dir.join(FILE))
    }

    /// Adds the sets that the spare knows and this does not. What hosts have stands in the chunks.
    pub(in crate::history) fn add_spare(&mut self, dir: &Path) {
        let Ok(spare) = Self::of_file(&dir.join(SPARE)) else { return };
        for (id, body) in spare.bodies {
            if let Some(set) = spare.sets.get(&id)
                && !self.sets.contains_key(&id)
            {
                self.sets.insert(id, Arc::clone(set));
                self.bodies.insert(id, body);
            }
        }
    }

    fn of_file(path: &Path) -> rusqlite::Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        let version: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        let mut read = Self::default();
        if version > VERSION {
            read.is_newer = true;
            read.wrong.push(format!("is of version {version}, this hark knows {VERSION}"));
            return Ok(read);
        }
        read.wrong = damage(&connection);
        if read.wrong.is_empty() {
            read.sets(&connection)?;
            read.declared(&connection)?;
        } else {
            read.salvage(&connection);
        }
        // A catalogue of before it could be ordered has no such table.
        drop(read.orders(&connection));
        Ok(read)
    }

    /// Returns true if something is being erased.
    pub(in crate::history) fn is_erasing(&self) -> bool {
        !self.orders.is_empty()
    }

    /// Returns true if a newer program has written it.
    pub(in crate::history) fn is_newer(&self) -> bool {
        self.is_newer
    }

    fn take_set(&mut self, row: &Row<'_>) -> rusqlite::Result<()> {
        let (id, version, body): (u32, u32, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        match (version == 1).then(|| decode(&body)).flatten() {
            Some(set) => {
                self.sets.insert(id, set.into());
                self.bodies.insert(id, body);
            }
            None => self.wrong.push(format!("set {id} of series cannot be understood")),
        }
        Ok(())
    }

    fn sets(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let mut statement = connection.prepare("SELECT id, v, body FROM series_set")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            self.take_set(row)?;
        }
        Ok(())
    }

    fn declared(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let mut statement = connection.prepare("SELECT host, id, day FROM host_set")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            self.hosts.entry(row.get(0)?).or_default().insert(row.get(1)?, row.get(2)?);
        }
        Ok(())
    }

    fn orders(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let sql = "SELECT host, before_ms, names FROM erasure ORDER BY id";
        let mut statement = connection.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            self.orders.push((row.get(0)?, row.get(1)?, row.get(2)?));
        }
        Ok(())
    }

    /// Takes what a damaged file still gives: from the front up to the damage, then from the back.
    fn salvage(&mut self, connection: &Connection) {
        for order in ["ASC", "DESC"] {
            let sql = format!("SELECT id, v, body FROM series_set NOT INDEXED ORDER BY id {order}");
            let Ok(mut statement) = connection.prepare(&sql) else { continue };
            let Ok(mut rows) = statement.query([]) else { continue };
            while let Ok(Some(row)) = rows.next() {
                // A row that cannot be read is not the end: the next one may be.
                drop(self.take_set(row));
            }
        }
        // Those that are known stand in the chunks as well: an error costs only hosts without any.
        drop(self.declared(connection));
        let wrong: BTreeSet<String> = std::mem::take(&mut self.wrong).into_iter().collect();
        self.wrong = wrong.into_iter().collect();
    }

    /// Writes what was read as a new catalogue at `path`, with `declared` beside what hosts are known to
    /// have.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(in crate::history) fn write(
        &self,
        path: &Path,
        declared: &BTreeMap<(u32, u32), i64>,
    ) -> rusqlite::Result<()> {
        let mut connection = Connection::open(path)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        let transaction = connection.transaction()?;
        transaction.execute_batch(SCHEMA)?;
        for (id, body) in &self.bodies {
            transaction.execute(
                "INSERT OR IGNORE INTO series_set (id, v, body) VALUES (?1, 1, ?2)",
                params![id, body],
            )?;
        }
        let known = self
            .hosts
            .iter()
            .flat_map(|(host, sets)| sets.iter().map(move |(set, day)| ((*host, *set), *day)));
        for ((host, set), day) in known.chain(declared.iter().map(|(key, day)| (*key, *day))) {
            if !self.sets.contains_key(&set) {
                continue;
            }
            transaction.execute(
                "INSERT INTO host_set (host, id, day) VALUES (?1, ?2, ?3)
                 ON CONFLICT (host, id) DO UPDATE SET day = max(day, excluded.day)",
                params![host, set, day],
            )?;
        }
        put_orders(&transaction, &self.orders)?;
        // The number of a set that is lost stands in rows that are not: it must not be given again.
        let known = self.hosts.values().flat_map(BTreeMap::keys);
        let highest = known.chain(declared.keys().map(|(_, set)| set)).max();
        if let Some(highest) = highest {
            transaction.execute_batch(&format!(
                "INSERT INTO series_set (id, v, body) VALUES ({highest} + 1, 0, 'no set');
                 DELETE FROM series_set WHERE id = {highest} + 1"
            ))?;
        }
        transaction.pragma_update(None, "user_version", VERSION)?;
        transaction.commit()
    }
}

fn put_orders(connection: &Connection, orders: &[StoredOrder]) -> rusqlite::Result<()> {
    connection.execute_batch(super::orders::SCHEMA)?;
    for (host, before, names) in orders {
        connection.execute(
            "INSERT INTO erasure (host, before_ms, names)
             SELECT ?1, ?2, ?3 WHERE NOT EXISTS
               (SELECT 1 FROM erasure WHERE host = ?1 AND before_ms IS ?2 AND names IS ?3)",
            params![host, before, names],
        )?;
    }
    Ok(())
}

/// What was being erased at some time.
#[derive(Debug)]
pub(crate) struct Orders(Vec<StoredOrder>);

impl Orders {
    /// Returns what is being erased in the history in `dir`; nothing if it cannot be read.
    pub(crate) fn of(dir: &Path) -> Self {
        Self(Read::of(dir).map(|read| read.orders).unwrap_or_default())
    }

    /// Adds it to the catalogue at `path`, a copy.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn add_to(&self, path: &Path) -> rusqlite::Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let connection = Connection::open(path)?;
        put_orders(&connection, &self.0)?;
        connection.close().map_err(|(_, error)| error)
    }
}

/// Returns what `SQLite` finds wrong with a file, at most a few lines.
pub(in crate::history) fn damage(connection: &Connection) -> Vec<String> {
    let look = || -> rusqlite::Result<Vec<String>> {
        let mut statement = connection.prepare("PRAGMA integrity_check(5)")?;
        let lines = statement.query_map([], |row| row.get::<_, String>(0))?;
        lines.collect()
    };
    match look() {
        Ok(lines) => lines.into_iter().filter(|line| line != "ok").collect(),
        Err(error) => vec![error.to_string()],
    }
}

//! What alerting stands on: one `SQLite` file, every commit synced before it is said to be done.
//!
//! ```text
//! engine step ── records ─┐
//! ingest ─ agents' sessions ├─> State::commit ── one transaction ──> state.db
//! web ─ users, tokens ────┘        │ full disk: the reserve is given up, once more
//! outbox ─ leased, sent, retry ────┘
//! page ── StateReader (own connection, cannot write)
//! ```
//!
//! Invariants:
//! - a commit is whole or absent, whatever dies at whatever moment;
//! - a failed sync stops the state: nothing is written until it was opened again, because nobody
//!   knows what of the last pages is on the disk;
//! - a message is in the outbox once under its key, whoever puts it there again;
//! - a message that arrived, was given up or replaced stays so.

mod access;
mod attempts;
mod browsers;
mod change;
mod commit;
mod dashboards;
mod events;
mod factors;
mod outbox;
mod public_incidents;
mod reader;
mod reserve;
mod schema;
mod status_readers;
mod stored;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hark_model::Unix;
use hark_model::record::Snapshot;
use rusqlite::{Connection, OpenFlags};
use thiserror::Error;

pub use access::{
    AgentMode, AgentRecord, ApiTokenRecord, AuditRecord, EnrolmentRecord, OrderRecord,
    OriginRecord, ReportWindow, SessionRecord, TokenHash, UserKind, UserRecord,
};
pub use attempts::MAX_ATTEMPTS;
pub use browsers::BrowserRecord;
pub use change::{AuditEntry, Change};
pub use commit::CommitError;
pub use dashboards::{DASHBOARD_VERSION, DashboardRecord};
pub use events::{EventRecord, EventUid, MAX_EVENTS};
pub use factors::{FactorsRecord, PasskeyRecord, TotpRecord};
pub use public_incidents::{PUBLIC_INCIDENT_VERSION, PublicIncidentRecord};
pub use reader::{
    AuditCheck, DeliveryFilter, DeliveryView, IncidentFilter, JournalEntry, JournalFilter, Place,
    StateReader,
};
pub use status_readers::ReaderRecord;
pub use stored::StoredError;

use crate::disk::Disk;
use crate::fault::Fault;
use reserve::Reserve;

/// The file within the data folder.
const FILE: &str = "state.db";

/// How long a commit waits for a foreign holder of the lock (a person with the sqlite3 shell, a
/// backup): long enough for a copy, short enough that the watchdog does not bite.
const BUSY: Duration = Duration::from_secs(5);

/// Prepared statements kept: more than there are in this module.
const STATEMENTS: usize = 96;

/// The state, open for writing. One per data folder.
#[derive(Debug)]
pub struct State {
    connection: Connection,
    path: PathBuf,
    disk: Disk,
    reserve: Reserve,
    stopped: bool,
    copy: Option<PathBuf>,
}

/// Returns the newest version of the tables that this program knows.
pub fn known_version() -> u32 {
    u32::try_from(schema::MIGRATIONS.len()).unwrap_or(u32::MAX)
}

/// Why the state cannot be opened or read.
#[derive(Debug, Error)]
pub enum OpenError {
    /// A newer program has written it.
    #[error(
        "{} has tables of version {found}, this hark knows version {known}: start the newer \
         hark, or restore the copy made before the upgrade",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version found.
        found: u32,
        /// The newest version known.
        known: u32,
    },
    /// `SQLite` failed.
    #[error("cannot {attempt} {}: {}", path.display(), fault.words())]
    Sql {
        /// What was tried.
        attempt: &'static str,
        /// The file.
        path: PathBuf,
        /// The migration that was running.
        migration: Option<u32>,
        /// What kind of failure.
        fault: Fault,
        /// What `SQLite` says.
        #[source]
        source: rusqlite::Error,
    },
    /// The operating system failed.
    #[error("cannot use {}: {}", path.display(), fault.words())]
    Io {
        /// The file.
        path: PathBuf,
        /// What kind of failure.
        fault: Fault,
        /// What it says.
        #[source]
        source: io::Error,
    },
}

impl OpenError {
    #[expect(clippy::wildcard_enum_match_arm, reason = "only one kind has a code to keep")]
    fn of(
        attempt: &'static str,
        path: &Path,
        source: &rusqlite::Error,
        migration: Option<u32>,
    ) -> Self {
        let fault = Fault::of_sql(source);
        let source = match source {
            rusqlite::Error::SqliteFailure(code, text) => {
                rusqlite::Error::SqliteFailure(*code, text.clone())
            }
            other => rusqlite::Error::InvalidParameterName(other.to_string()),
        };
        Self::Sql { attempt, path: path.to_owned(), migration, fault, source }
    }

    /// Returns what kind of failure it is; `None` if the file is of a newer program.
    pub fn fault(&self) -> Option<Fault> {
        match self {
            Self::Newer { .. } => None,
            Self::Sql { fault, .. } | Self::Io { fault, .. } => Some(*fault),
        }
    }
}

/// What [`State::load`] found.
#[derive(Debug, Default)]
pub struct Loaded {
    /// All that can be read.
    pub snapshot: Snapshot,
    /// Rows that cannot: each was logged; more than zero is worth an incident on the server.
    pub damaged: u64,
}

impl State {
    /// Opens the state in folder `dir`, making folder and file if they are not there, and brings its
    /// tables to the newest version.
    ///
    /// # Errors
    /// If the file is of a newer hark, damaged (see [`State::set_aside`]), or cannot be used.
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        Self::open_on(dir, Disk::real())
    }

    /// Opens the state on a given disk: for the simulator and for tests.
    ///
    /// # Errors
    /// As [`State::open`].
    pub fn open_on(dir: &Path, disk: Disk) -> Result<Self, OpenError> {
        Self::open_with(dir, disk, schema::MIGRATIONS)
    }

    fn open_with(dir: &Path, disk: Disk, migrations: &[&str]) -> Result<Self, OpenError> {
        let path = dir.join(FILE);
        let io = |source: io::Error| OpenError::Io {
            fault: Fault::of_io(&source),
            path: path.clone(),
            source,
        };
        std::fs::create_dir_all(dir).map_err(io)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let open = |e: rusqlite::Error| OpenError::of("open", &path, &e, None);
        let mut connection = Connection::open_with_flags(&path, flags).map_err(open)?;
        set_up(&connection).map_err(open)?;
        let copy = schema::migrate(&mut connection, &path, migrations)?;
        disk.sync_dir(dir).map_err(io)?;
        let reserve = Reserve::open(dir, disk.clone());
        Ok(Self { connection, path, disk, reserve, stopped: false, copy })
    }

    /// Returns where the copy of the file lies that was made before its tables were changed at this
    /// start, if they were.
    pub fn copy_before_migration(&self) -> Option<&Path> {
        self.copy.as_deref()
    }

    /// Opens a second connection that can only read, for the page.
    ///
    /// # Errors
    /// If the file cannot be opened.
    pub fn reader(&self) -> Result<StateReader, OpenError> {
        StateReader::open_file(&self.path)
    }

    /// Returns true once a sync or write has failed: nothing is written until the state was dropped
    /// and opened again.
    pub fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Returns true while the reserve is given up because the disk is (or was just) full.
    pub fn is_on_reserve(&self) -> bool {
        self.reserve.is_released()
    }

    /// Does what is due now and then: takes the reserve back when there is room again. Call it every
    /// few seconds.
    pub fn maintain(&mut self) {
        self.reserve.restore();
    }

    /// Reads everything the engine starts from. Incidents resolved at or after `resolved_since` are
    /// part of it: they may be reopened. So are older ones of whose end somebody was not told.
    ///
    /// # Errors
    /// If the file cannot be read; single rows that cannot be understood are counted instead.
    pub fn load(&self, resolved_since: Unix) -> Result<Loaded, OpenError> {
        commit::load(&self.connection, resolved_since)
            .map_err(|e| OpenError::of("read", &self.path, &e, None))
    }

    /// Writes a copy of the state, as of this moment, to `to`; the copy is whole or not there.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn copy_to(&self, to: &Path) -> Result<(), OpenError> {
        let failed = |source: io::Error| OpenError::Io {
            fault: Fault::of_io(&source),
            path: to.to_owned(),
            source,
        };
        let unfinished = to.with_extension("unfinished");
        self.disk.remove(&unfinished).map_err(failed)?;
        self.connection
            .execute("VACUUM INTO ?1", [unfinished.to_string_lossy()])
            .map_err(|e| OpenError::of("copy", &self.path, &e, None))?;
        self.disk.rename(&unfinished, to).map_err(failed)
    }

    /// Looks for damage in the whole file: all pages and indexes. Takes about a second for each
    /// 200 MB, so not at every start.
    ///
    /// # Errors
    /// If the file cannot be read at all.
    pub fn damage(&self) -> Result<Vec<String>, OpenError> {
        let read = |e: rusqlite::Error| OpenError::of("check", &self.path, &e, None);
        let mut statement = self.connection.prepare("PRAGMA quick_check(20)").map_err(read)?;
        let lines = statement
            .query_map([], |row| row.get::<_, String>(0))
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(read)?;
        Ok(lines.into_iter().filter(|l| l != "ok").collect())
    }

    /// Puts a damaged state in folder `dir` aside under a name with `now` in it, so that the next
    /// [`State::open`] begins anew or with `copy` (made by [`State::copy_to`]) in its place. Returns
    /// where the damaged file lies.
    ///
    /// # Errors
    /// If a file cannot be renamed or copied.
    pub fn set_aside(dir: &Path, now: Unix, copy: Option<&Path>) -> io::Result<PathBuf> {
        let damaged = dir.join(format!("state.db.damaged-{}", now.seconds()));
        std::fs::rename(dir.join(FILE), &damaged)?;
        for tail in ["-wal", "-shm"] {
            let from = dir.join(format!("{FILE}{tail}"));
            if from.exists() {
                std::fs::rename(
                    from,
                    dir.join(format!("state.db.damaged-{}{tail}", now.seconds())),
                )?;
            }
        }
        if let Some(copy) = copy {
            let unfinished = dir.join("state.db.restoring");
            std::fs::copy(copy, &unfinished)?;
            std::fs::rename(unfinished, dir.join(FILE))?;
        }
        Ok(damaged)
    }
}

/// Sets what every writing connection to the state needs.
fn set_up(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // A checkpoint takes the log back to this size after a burst.
    connection.pragma_update(None, "journal_size_limit", 16 * 1024 * 1024)?;
    connection.pragma_update(None, "cache_size", -16_000)?;
    // Pages are checked when they are read: a damaged cell is an error, not a wrong answer.
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "trusted_schema", false)
}

#[cfg(test)]
mod tests;

//! The tables of `state`, as an ordered list of migrations.
//!
//! `PRAGMA user_version` says how many of them a file has seen. A migration is never changed after
//! a release: a change is a new entry. Each runs in its own transaction together with the new
//! number, so a start that dies in between goes on where it stopped; before the first of them
//! touches a file that has data, the file is copied (see [`migrate`]).

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::OpenError;
use crate::fault::Fault;

/// Every migration, oldest first.
pub(crate) const MIGRATIONS: &[&str] =
    &[V1, V2, V3, V4, V5, V6, V7, V8, V9, V10, V11, V12, V13, V14, V15, V16];

/// The tables of the first version.
///
/// Numbers of 64 bits without sign are stored as they are where only equality counts, and shifted
/// by 2^63 where they are compared (`session`, `report_epoch`, `report_newest`): `SQLite`'s integers have a sign.
const V1: &str = "
CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE host (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, v INTEGER NOT NULL, body TEXT NOT NULL
) STRICT;

CREATE TABLE checks (
  host INTEGER NOT NULL, name TEXT NOT NULL, v INTEGER NOT NULL, body TEXT NOT NULL,
  PRIMARY KEY (host, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE incident (
  id INTEGER PRIMARY KEY, host INTEGER NOT NULL, name TEXT NOT NULL, since INTEGER NOT NULL,
  peak TEXT NOT NULL, resolved_at INTEGER, v INTEGER NOT NULL, body TEXT NOT NULL
) STRICT;
CREATE INDEX incident_open ON incident (id) WHERE resolved_at IS NULL;
CREATE INDEX incident_resolved ON incident (resolved_at) WHERE resolved_at IS NOT NULL;
CREATE INDEX incident_host ON incident (host, name, id);

CREATE TABLE told (
  incident INTEGER NOT NULL, receiver TEXT NOT NULL, status TEXT NOT NULL, at INTEGER NOT NULL,
  delivered_at INTEGER, sequence INTEGER NOT NULL,
  PRIMARY KEY (incident, receiver)
) STRICT, WITHOUT ROWID;

CREATE TABLE silence (
  id INTEGER PRIMARY KEY, until INTEGER NOT NULL, v INTEGER NOT NULL, body TEXT NOT NULL
) STRICT;

CREATE TABLE outbox (
  id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, receiver TEXT NOT NULL, incident INTEGER,
  state TEXT NOT NULL, due_at INTEGER NOT NULL, fence INTEGER NOT NULL, attempts INTEGER NOT NULL,
  last_error TEXT NOT NULL, took_ms INTEGER NOT NULL, v INTEGER NOT NULL, body TEXT NOT NULL
) STRICT;
CREATE INDEX outbox_due ON outbox (receiver, due_at, id)
  WHERE state IN ('queued', 'leased', 'retry');
CREATE INDEX outbox_order ON outbox (receiver, incident, id)
  WHERE state IN ('queued', 'leased', 'retry');
CREATE INDEX outbox_incident ON outbox (incident, id) WHERE incident IS NOT NULL;
CREATE INDEX outbox_done ON outbox (due_at) WHERE state IN ('sent', 'dead', 'superseded');

CREATE TABLE journal (
  id INTEGER PRIMARY KEY, at INTEGER NOT NULL, host INTEGER, name TEXT, incident INTEGER,
  kind TEXT NOT NULL, receiver TEXT, line TEXT NOT NULL
) STRICT;
CREATE INDEX journal_host ON journal (host, id) WHERE host IS NOT NULL;
CREATE INDEX journal_incident ON journal (incident, id) WHERE incident IS NOT NULL;

CREATE TABLE agent (
  id INTEGER PRIMARY KEY, host TEXT NOT NULL UNIQUE, mode TEXT NOT NULL, key BLOB NOT NULL,
  session INTEGER NOT NULL, report_epoch INTEGER NOT NULL,
  report_newest INTEGER NOT NULL, report_before INTEGER NOT NULL, created INTEGER NOT NULL, revoked INTEGER
) STRICT;

CREATE TABLE user (
  name TEXT PRIMARY KEY, full_name TEXT NOT NULL, password TEXT NOT NULL, admin INTEGER NOT NULL,
  created INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE session (
  token BLOB PRIMARY KEY, name TEXT NOT NULL, created INTEGER NOT NULL, last_seen INTEGER NOT NULL,
  address TEXT NOT NULL, agent TEXT NOT NULL, csrf TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX session_user ON session (name);

CREATE TABLE api_token (
  id INTEGER PRIMARY KEY, token BLOB NOT NULL UNIQUE, name TEXT NOT NULL, label TEXT NOT NULL,
  scope TEXT NOT NULL, created INTEGER NOT NULL, expires INTEGER
) STRICT;

CREATE TABLE enrolment (
  id INTEGER PRIMARY KEY, token BLOB NOT NULL UNIQUE, name TEXT NOT NULL, created INTEGER NOT NULL,
  expires INTEGER NOT NULL, uses INTEGER NOT NULL, host TEXT, tags TEXT NOT NULL
) STRICT;

CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
  id INTEGER PRIMARY KEY, at INTEGER NOT NULL, who TEXT NOT NULL, address TEXT NOT NULL,
  what TEXT NOT NULL, detail TEXT NOT NULL, hash BLOB NOT NULL
) STRICT;
";

/// The outbox without the numbers of claims: one process delivers, so nobody claims a message.
const V2: &str = "
DROP INDEX outbox_due;
DROP INDEX outbox_order;
ALTER TABLE outbox DROP COLUMN fence;
CREATE INDEX outbox_open ON outbox (id) WHERE state IN ('queued', 'leased', 'retry');
";

/// Orders to agents.
const V3: &str = "
CREATE TABLE action_order (
  id INTEGER PRIMARY KEY, host TEXT NOT NULL, action TEXT NOT NULL, who TEXT NOT NULL,
  reason TEXT NOT NULL, at INTEGER NOT NULL, expires INTEGER NOT NULL, taken INTEGER,
  ended INTEGER, exit INTEGER, said TEXT NOT NULL
) STRICT;
CREATE INDEX action_order_host ON action_order (host, id);
CREATE INDEX action_order_open ON action_order (id) WHERE ended IS NULL;
";

/// How many reminders were told in a row: the next one comes after the gap of that number.
const V4: &str = "
ALTER TABLE told ADD COLUMN reminders INTEGER NOT NULL DEFAULT 0;
";

/// Events, to be forwarded and to be known again. Their places are cursors of others: never used again.
const V5: &str = "
CREATE TABLE event (
  id INTEGER PRIMARY KEY AUTOINCREMENT, uid TEXT NOT NULL UNIQUE, host TEXT NOT NULL,
  at INTEGER NOT NULL, last INTEGER NOT NULL, count INTEGER NOT NULL, kind TEXT NOT NULL,
  severity TEXT NOT NULL, line TEXT NOT NULL, tags TEXT NOT NULL, hops TEXT NOT NULL
) STRICT;
";

/// Whether a receiver was told that a check flaps: that it does so no more is owed to it. 2 if it was told as
/// well that it is critical most of the time; programs that know 0 and 1 alone take that for 1.
const V6: &str = "
ALTER TABLE told ADD COLUMN flaps INTEGER NOT NULL DEFAULT 0;
";

/// Tries of messages. Their numbers rise with time, also when the newest is gone.
const V7: &str = "
CREATE TABLE attempt (
  id INTEGER PRIMARY KEY AUTOINCREMENT, delivery INTEGER NOT NULL, at INTEGER NOT NULL,
  v INTEGER NOT NULL, body TEXT NOT NULL
) STRICT;
CREATE INDEX attempt_delivery ON attempt (delivery, id);
";

/// Which acknowledgement was told, by the time at which it was made: none is told twice.
const V8: &str = "
ALTER TABLE told ADD COLUMN acknowledged INTEGER;
";

/// What programs are to read of an event.
const V9: &str = "
ALTER TABLE event ADD COLUMN data TEXT;
";

/// What users prove themselves with beside the password, and their roles. The former is not tied to `user`: those of the configuration
/// have some as well.
const V10: &str = "
CREATE TABLE totp (
  name TEXT PRIMARY KEY, secret BLOB NOT NULL, since INTEGER NOT NULL, step INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE recovery_code (
  name TEXT NOT NULL, hash BLOB NOT NULL, PRIMARY KEY (name, hash)
) STRICT, WITHOUT ROWID;
CREATE TABLE passkey (
  id BLOB PRIMARY KEY, name TEXT NOT NULL, label TEXT NOT NULL, domain TEXT NOT NULL,
  algorithm INTEGER NOT NULL, key BLOB NOT NULL, counter INTEGER NOT NULL,
  created INTEGER NOT NULL, used INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX passkey_user ON passkey (name);
CREATE TABLE user_role (
  name TEXT NOT NULL, host TEXT NOT NULL, role TEXT NOT NULL, PRIMARY KEY (name, host)
) STRICT, WITHOUT ROWID;
";

/// Events of one host in a time: for the lanes under its charts.
const V11: &str = "
CREATE INDEX event_host ON event (host, at);
";

/// Dashboards. Their numbers are in addresses that people send each other: none is used twice.
const V12: &str = "
CREATE TABLE dashboard (
  id INTEGER PRIMARY KEY AUTOINCREMENT, owner TEXT NOT NULL, version INTEGER NOT NULL,
  updated INTEGER NOT NULL, removed INTEGER, v INTEGER NOT NULL, body TEXT NOT NULL
) STRICT;
";

/// What was published on status pages. Numbers are in addresses and feeds: none is used twice.
const V13: &str = "
CREATE TABLE public_incident (
  id INTEGER PRIMARY KEY AUTOINCREMENT, page TEXT NOT NULL, version INTEGER NOT NULL,
  updated INTEGER NOT NULL, closed INTEGER, v INTEGER NOT NULL, body TEXT NOT NULL
) STRICT;
CREATE INDEX public_incident_page ON public_incident (page, id);
";

/// When tokens were last used; which users are programs, and who else vouches for those who log in elsewhere,
/// with the teams that it says they are in.
const V14: &str = "
ALTER TABLE api_token ADD COLUMN used INTEGER;
ALTER TABLE user ADD COLUMN kind TEXT NOT NULL DEFAULT 'person';
ALTER TABLE user ADD COLUMN origin TEXT;
ALTER TABLE user ADD COLUMN subject TEXT;
CREATE UNIQUE INDEX user_subject ON user (origin, subject) WHERE origin IS NOT NULL;
CREATE TABLE user_team (
  name TEXT NOT NULL, team TEXT NOT NULL, PRIMARY KEY (name, team)
) STRICT, WITHOUT ROWID;
";

/// Browsers that show notifications: each has one address, and a number that is never used again, since a
/// push service may say of a former one that it is gone.
const V15: &str = "
CREATE TABLE browser (
  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, label TEXT NOT NULL,
  endpoint TEXT NOT NULL UNIQUE, key TEXT NOT NULL, secret TEXT NOT NULL, created INTEGER NOT NULL
) STRICT;
CREATE INDEX browser_user ON browser (name, id);
";

/// Who is told of what is published on status pages. Their numbers are in links that end it: none is used twice.
const V16: &str = "
CREATE TABLE status_reader (
  id INTEGER PRIMARY KEY AUTOINCREMENT, page TEXT NOT NULL, way TEXT NOT NULL,
  address TEXT NOT NULL, created INTEGER NOT NULL, told INTEGER NOT NULL,
  UNIQUE (page, way, address)
) STRICT;
";

/// Brings the tables to the newest version and returns where the copy of the old file is, if one
/// was made.
pub(crate) fn migrate(
    connection: &mut Connection,
    path: &Path,
    migrations: &[&str],
) -> Result<Option<PathBuf>, OpenError> {
    let read = |e: rusqlite::Error| OpenError::of("read", path, &e, None);
    let found: u32 =
        connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(read)?;
    let known = u32::try_from(migrations.len()).unwrap_or(u32::MAX);
    if found > known {
        return Err(OpenError::Newer { path: path.to_owned(), found, known });
    }
    if found == known {
        return Ok(None);
    }
    let copy = if found > 0 { Some(copy_of(connection, path, found)?) } else { None };
    for (number, sql) in (1u32..).zip(migrations).skip(found as usize) {
        let apply = |c: &mut Connection| {
            let transaction = c.transaction()?;
            transaction.execute_batch(sql)?;
            transaction.pragma_update(None, "user_version", number)?;
            transaction.commit()
        };
        apply(connection).map_err(|e| OpenError::of("migrate", path, &e, Some(number)))?;
    }
    Ok(copy)
}

/// Copies the file before version `found` is left behind, whole or not at all.
fn copy_of(connection: &Connection, path: &Path, found: u32) -> Result<PathBuf, OpenError> {
    let copy = path.with_extension(format!("db.before-v{}", found + 1));
    let unfinished = path.with_extension("db.copying");
    let failed = |source: std::io::Error| OpenError::Io {
        fault: Fault::of_io(&source),
        path: copy.clone(),
        source,
    };
    crate::disk::Disk::real().remove(&unfinished).map_err(failed)?;
    connection
        .execute("VACUUM INTO ?1", [unfinished.to_string_lossy()])
        .map_err(|e| OpenError::of("copy", path, &e, None))?;
    std::fs::rename(&unfinished, &copy).map_err(failed)?;
    Ok(copy)
}

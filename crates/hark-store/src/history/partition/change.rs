//! Taking rows out of partitions that stay, and writing others anew.
//!
//! Each change is one synced transaction: a kill leaves the old or the new. What is taken out is
//! overwritten with zeros (`secure_delete`), first in the log of `SQLite`, then in the file; when nothing is
//! left to take out, [`Partitions::give_back`] makes the file as small as what is in it and empties that log.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};

use super::{PATIENCE, Partitions, Row, partition_of};
use crate::history::Trouble;
use crate::history::examine::row_of;
use crate::history::tier::{DAY_MS, Tier};

/// Pages given back in one step: some megabytes, which is some ten milliseconds.
const PAGES: u32 = 256;

/// A row of a host, by its number.
#[derive(Clone, Copy, Debug)]
pub(in crate::history) struct Held {
    pub(in crate::history) id: i64,
    pub(in crate::history) set: u32,
}

/// What becomes of a row.
#[derive(Debug)]
pub(in crate::history) enum Change {
    /// The row of this number goes.
    Remove(i64),
    /// The row of this number, if it is there, becomes another.
    Replace(i64, Row),
}

/// How much room was given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::history) enum GivenBack {
    /// Some of it: there is more.
    Some,
    /// None, since somebody reads: later.
    Waits,
    /// All of it.
    All,
}

impl Partitions {
    /// Returns which partitions there are, those of samples first.
    pub(in crate::history) fn keys(&self) -> Vec<(Tier, i64)> {
        self.files.keys().copied().collect()
    }

    /// Returns up to `limit` rows of a host with numbers above `after`, by number.
    pub(in crate::history) fn rows_of_host(
        &mut self,
        key: (Tier, i64),
        host: u32,
        after: i64,
        limit: u32,
    ) -> Result<Vec<(i64, Row)>, Trouble> {
        let found = self.with(key, false, |connection| {
            connection
                .prepare_cached(
                    "SELECT id, host, series_set, from_ms, to_ms, body FROM chunk
                     WHERE host = ?1 AND id > ?2 ORDER BY id LIMIT ?3",
                )?
                .query_map(params![host, after, limit], row_of)?
                .collect()
        })?;
        Ok(found.unwrap_or_default())
    }

    /// Returns whether samples of this number, which began at `from`, are there.
    pub(in crate::history) fn has_samples(&mut self, id: i64, from: i64) -> Result<bool, Trouble> {
        let key = (Tier::Raw, partition_of(Tier::Raw, from));
        let found = self.with(key, false, |connection| {
            connection
                .prepare_cached("SELECT EXISTS (SELECT 1 FROM chunk WHERE id = ?1)")?
                .query_row([id], |row| row.get(0))
        })?;
        Ok(found.unwrap_or(false))
    }

    /// Takes up to `limit` rows of a host out; returns how many there were.
    ///
    /// # Errors
    /// If nothing was changed.
    pub(in crate::history) fn remove_rows_of(
        &mut self,
        key: (Tier, i64),
        host: u32,
        limit: u32,
    ) -> Result<usize, Trouble> {
        self.changed(key, |connection| {
            connection
                .prepare_cached(
                    "DELETE FROM chunk WHERE id IN (SELECT id FROM chunk WHERE host = ?1 LIMIT ?2)",
                )?
                .execute(params![host, limit])
        })
    }

    /// Changes rows of one partition; one that has expired has none.
    ///
    /// # Errors
    /// If nothing was changed.
    pub(in crate::history) fn change(
        &mut self,
        key: (Tier, i64),
        changes: &[Change],
    ) -> Result<(), Trouble> {
        if changes.is_empty() {
            return Ok(());
        }
        self.changed(key, |connection| apply(connection, changes)).map(drop)
    }

    /// Returns up to `limit` hosts with numbers above `after` that have rows, by number, each with what was
    /// noted of it.
    pub(in crate::history) fn hosts_after(
        &mut self,
        key: (Tier, i64),
        after: u32,
        limit: u32,
    ) -> Result<Vec<(u32, Option<String>)>, Trouble> {
        let found = self.with(key, false, |connection| {
            connection
                .prepare_cached(
                    "SELECT of.host, over FROM
                       (SELECT DISTINCT host FROM chunk WHERE host > ?1 ORDER BY host LIMIT ?2) AS of
                     LEFT JOIN thinned ON thinned.host = of.host ORDER BY of.host",
                )?
                .query_map([after, limit], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })?;
        Ok(found.unwrap_or_default())
    }

    /// Returns up to `limit` rows of a host with numbers above `after`, by number, without what is in them.
    pub(in crate::history) fn held_by(
        &mut self,
        key: (Tier, i64),
        host: u32,
        after: i64,
        limit: u32,
    ) -> Result<Vec<Held>, Trouble> {
        let found = self.with(key, false, |connection| {
            connection
                .prepare_cached(
                    "SELECT id, series_set FROM chunk WHERE host = ?1 AND id > ?2
                     ORDER BY id LIMIT ?3",
                )?
                .query_map(params![host, after, limit], |row| {
                    Ok(Held { id: row.get(0)?, set: row.get(1)? })
                })?
                .collect()
        })?;
        Ok(found.unwrap_or_default())
    }

    /// Returns the row of a number.
    pub(in crate::history) fn row(
        &mut self,
        key: (Tier, i64),
        id: i64,
    ) -> Result<Option<Row>, Trouble> {
        let found = self.with(key, false, |connection| {
            connection
                .prepare_cached(
                    "SELECT id, host, series_set, from_ms, to_ms, body FROM chunk WHERE id = ?1",
                )?
                .query_row([id], row_of)
                .optional()
        })?;
        Ok(found.flatten().map(|(_, row)| row))
    }

    /// Changes rows of one partition in which what is over of some hosts was found, and notes of these what it
    /// was. What is taken out is as little overwritten as that of a file that goes: its room is given back.
    ///
    /// # Errors
    /// If nothing was changed.
    pub(in crate::history) fn thin(
        &mut self,
        key: (Tier, i64),
        changes: &[Change],
        notes: &[(u32, String)],
    ) -> Result<(), Trouble> {
        if changes.is_empty() && notes.is_empty() {
            return Ok(());
        }
        let overwrites = |partitions: &mut Self, overwrites: bool| {
            partitions.with(key, false, |c| c.pragma_update(None, "secure_delete", overwrites))
        };
        overwrites(self, false)?;
        let changed = self.changed(key, |connection| {
            for (host, over) in notes {
                connection
                    .prepare_cached("INSERT OR REPLACE INTO thinned (host, over) VALUES (?1, ?2)")?
                    .execute(params![host, over])?;
            }
            apply(connection, changes)
        });
        // Also where the disk has failed: the next erasure may come by this connection.
        overwrites(self, true)?;
        changed.map(drop)
    }

    /// Notes of a partition that what is kept no longer than all else goes before its time. Returns false, and
    /// notes nothing, if that would give no room back.
    ///
    /// # Errors
    /// If nothing was noted.
    pub(in crate::history) fn press(&mut self, key: (Tier, i64)) -> Result<bool, Trouble> {
        self.disk.point_with_room()?;
        let noted = self.with(key, false, |connection| {
            let vacuum: i64 = connection.query_row("PRAGMA auto_vacuum", [], |row| row.get(0))?;
            if vacuum != 0 {
                connection.execute(
                    "INSERT OR REPLACE INTO thinned (host, over) VALUES (?1, 'size')",
                    [super::NOBODY],
                )?;
            }
            Ok(vacuum != 0)
        })?;
        self.disk.point()?;
        let is_pressed = noted.unwrap_or(false);
        if is_pressed {
            self.pressed.insert(key);
        }
        Ok(is_pressed)
    }

    /// Returns true if what is kept no longer than all else goes out of a partition before its time.
    pub(in crate::history) fn is_pressed(&self, key: (Tier, i64)) -> bool {
        self.pressed.contains(&key)
    }

    /// Returns where the newest partition of a tier ends of which that is so.
    pub(in crate::history) fn pressed_until(&self, tier: Tier) -> Option<i64> {
        let (_, newest) =
            self.pressed.range((tier, i64::MIN)..=(tier, i64::MAX)).next_back().copied()?;
        Some(newest.saturating_add(1).saturating_mul(DAY_MS * tier.days()))
    }

    /// Returns true if no host has a row in a partition.
    pub(in crate::history) fn is_empty(&mut self, key: (Tier, i64)) -> Result<bool, Trouble> {
        let found = self.with(key, false, |connection| {
            connection
                .prepare_cached("SELECT NOT EXISTS (SELECT 1 FROM chunk WHERE host > ?1)")?
                .query_row([super::NOBODY], |row| row.get(0))
        })?;
        Ok(found.unwrap_or(false))
    }

    /// Runs `work` as one synced transaction. The highest number of samples stays in their partition: the
    /// coarser rows of others would look left over without it, and it would be given again.
    fn changed(
        &mut self,
        (tier, number): (Tier, i64),
        work: impl FnOnce(&Connection) -> rusqlite::Result<usize>,
    ) -> Result<usize, Trouble> {
        self.disk.point_with_room()?;
        let mark = Row::mark(number.saturating_mul(DAY_MS * tier.days()));
        let n_changed = self.with((tier, number), false, |connection| {
            let highest = |connection: &Connection| -> rusqlite::Result<i64> {
                connection.query_row("SELECT ifnull(max(id), 0) FROM chunk", [], |row| row.get(0))
            };
            let transaction = connection.transaction()?;
            let before = highest(&transaction)?;
            let n_changed = work(&transaction)?;
            if tier == Tier::Raw && highest(&transaction)? < before {
                transaction
                    .prepare_cached(
                        "INSERT INTO chunk (id, host, series_set, from_ms, to_ms, body)
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                    )?
                    .execute(params![before, mark.host, mark.set, mark.from, mark.to, mark.body])?;
            }
            transaction.commit()?;
            Ok(n_changed)
        })?;
        self.disk.point()?;
        Ok(n_changed.unwrap_or(0))
    }

    /// Gives some of the room back that was taken by what is not there any more.
    ///
    /// # Errors
    /// If the disk fails.
    pub(in crate::history) fn give_back(&mut self, key: (Tier, i64)) -> Result<GivenBack, Trouble> {
        self.disk.point_with_room()?;
        let given = self.with(key, false, |connection| {
            // A page at a time, each of which is a row of the answer.
            let mut statement =
                connection.prepare(&format!("PRAGMA incremental_vacuum({PAGES})"))?;
            let mut rows = statement.query([])?;
            while rows.next()?.is_some() {}
            drop(rows);
            drop(statement);
            let pragma = |name: &str| -> rusqlite::Result<i64> {
                connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))
            };
            // Files of before have no way to be made smaller; what was in them is overwritten.
            if pragma("auto_vacuum")? != 0 && pragma("freelist_count")? > 0 {
                return Ok(GivenBack::Some);
            }
            // Who reads is not waited for: nothing else would be done meanwhile.
            connection.busy_timeout(Duration::ZERO)?;
            let is_busy = pragma("wal_checkpoint(TRUNCATE)");
            connection.busy_timeout(PATIENCE)?;
            Ok(if is_busy? == 0 { GivenBack::All } else { GivenBack::Waits })
        })?;
        self.disk.point()?;
        Ok(given.unwrap_or(GivenBack::All))
    }
}

/// Changes rows; returns how many there were.
fn apply(connection: &Connection, changes: &[Change]) -> rusqlite::Result<usize> {
    let mut n_changed = 0;
    for change in changes {
        n_changed += match change {
            Change::Remove(id) => {
                connection.prepare_cached("DELETE FROM chunk WHERE id = ?1")?.execute([id])?
            }
            Change::Replace(id, row) => connection
                .prepare_cached(
                    "UPDATE chunk SET from_ms = ?2, to_ms = ?3, body = ?4 WHERE id = ?1",
                )?
                .execute(params![id, row.from, row.to, row.body])?,
        };
    }
    Ok(n_changed)
}

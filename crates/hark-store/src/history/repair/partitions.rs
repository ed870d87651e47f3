//! The partitions: what can be read of a damaged one, and the coarser tiers made again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use hark_model::SeriesDef;
use rusqlite::{Connection, OptionalExtension, params};

use super::{Mend, RepairError};
use crate::history::catalogue::reading::damage;
use crate::history::examine::{
    Watcher, buckets_of, coarse_of, columns_of, gaps, is_same, open, partition_name, present,
    row_of,
};
use crate::history::partition::{self, Row, partition_of, path_of};
use crate::history::tier::{self, DAY_MS, Tier};

/// Rows written as one.
const GROUP: usize = 64;

/// Numbers of rows that are tried one by one where a damaged file does not give them in order.
const MOST_TRIED: i64 = 1_000_000;

impl Mend<'_> {
    pub(super) fn partitions(
        &mut self,
        watcher: Watcher<'_>,
    ) -> Result<ControlFlow<()>, RepairError> {
        for (tier, numbers) in present(self.dir)? {
            for number in numbers {
                if watcher(&partition_name(tier, number)).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
                self.partition(tier, number)?;
            }
        }
        let raw = present(self.dir)?.remove(&Tier::Raw).unwrap_or_default();
        for number in gaps(&raw) {
            // Its five-minute values stay; without the file each later look would speak of it.
            if self.has_coarser(number)? {
                drop(partition::open(&path_of(self.dir, Tier::Raw, number))?);
                self.say(&partition_name(Tier::Raw, number), "was not there: made, and empty");
            }
        }
        for number in raw {
            if watcher(&partition_name(Tier::Raw, number)).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            self.make_coarser(number)?;
        }
        self.mark()?;
        Ok(ControlFlow::Continue(()))
    }

    /// Writes a partition anew if something in it is damaged.
    fn partition(&mut self, tier: Tier, number: i64) -> Result<(), RepairError> {
        let name = partition_name(tier, number);
        let path = path_of(self.dir, tier, number);
        let sets = self.read.sets.clone();
        let judge = |row: &Row| -> bool {
            let Some(defs) = sets.get(&row.set) else { return row.is_mark() };
            let is_right = match tier {
                Tier::Raw => columns_of(row, defs).is_ok(),
                Tier::Minutes | Tier::Hours => buckets_of(row, tier, defs).is_ok(),
            };
            is_right && partition_of(tier, row.from) == number
        };
        if mend_beginning(&path)? {
            self.say(&name, "its first bytes were damaged: put right");
        }
        let Ok(connection) = open(&path) else { return Ok(()) };
        let is_damaged = !damage(&connection).is_empty();
        let mut bad = 0;
        let whole = each_row(&connection, "ORDER BY id", |_, row| bad += u64::from(!judge(row)));
        if !is_damaged && whole.is_ok() && bad == 0 {
            return Ok(());
        }
        let mut kept = 0;
        self.replace(&name, |new| {
            let mut target = Target::at(new)?;
            salvage(&connection, |id, row| {
                if judge(row) && target.put(id, row)? {
                    kept += 1;
                }
                Ok(())
            })?;
            target.close()
        })?;
        drop(connection);
        self.say(&name, format!("written anew with the {kept} rows that can be read"));
        Ok(())
    }

    fn has_coarser(&self, number: i64) -> Result<bool, RepairError> {
        let from = number.saturating_mul(DAY_MS * Tier::Raw.days());
        let path = path_of(self.dir, Tier::Minutes, partition_of(Tier::Minutes, from));
        if !path.exists() {
            return Ok(false);
        }
        let sql = "SELECT 1 FROM chunk WHERE from_ms >= ?1 AND from_ms < ?2 LIMIT 1";
        let to = from.saturating_add(DAY_MS * Tier::Raw.days());
        let found = open(&path)?.query_row(sql, [from, to], |_| Ok(())).optional()?;
        Ok(found.is_some())
    }

    /// Makes the rows of the coarser tiers that are missing or wrong of the samples of a day.
    fn make_coarser(&mut self, number: i64) -> Result<(), RepairError> {
        let samples = open(&path_of(self.dir, Tier::Raw, number))?;
        let from = number.saturating_mul(DAY_MS * Tier::Raw.days());
        for tier in [Tier::Minutes, Tier::Hours] {
            let coarse = partition_of(tier, from);
            let path = path_of(self.dir, tier, coarse);
            let is_there = path.exists();
            // What is older than the oldest one has expired.
            let oldest = present(self.dir)?.remove(&tier).and_then(|mut n| n.pop_first());
            if !is_there && oldest.is_some_and(|oldest| coarse < oldest) {
                continue;
            }
            let stored = is_there.then(|| open(&path)).transpose()?;
            let mut made = 0;
            let mut target = None;
            let mut failed = None;
            each_row(&samples, "ORDER BY id", |id, row| {
                let Some(right) = wanted(stored.as_ref(), id, row, tier, &self.read.sets) else {
                    return;
                };
                let put = match &mut target {
                    Some(target) => Ok(target),
                    None => Target::at(&path).map(|new| target.insert(new)),
                };
                match put.and_then(|target| target.put(id, &right)) {
                    Ok(_) => made += 1,
                    Err(error) => failed = Some(error),
                }
            })?;
            if let Some(failed) = failed {
                return Err(failed);
            }
            if let Some(target) = target {
                target.close()?;
            }
            if made > 0 {
                let name = partition_name(tier, coarse);
                self.say(&name, format!("{made} rows made again of the samples of day {number}"));
            }
        }
        Ok(())
    }

    /// Notes that the coarser rows that are there are whole, where the samples of the newest of them are
    /// lost: the next start would take them for left over.
    fn mark(&mut self) -> Result<(), RepairError> {
        let mut highest: BTreeMap<Tier, i64> = BTreeMap::new();
        let present = present(self.dir)?;
        for (tier, numbers) in &present {
            for number in numbers {
                let connection = open(&path_of(self.dir, *tier, *number))?;
                let sql = "SELECT ifnull(max(id), 0) FROM chunk";
                let id: i64 = connection.query_row(sql, [], |row| row.get(0))?;
                let of_tier = highest.entry(*tier).or_insert(0);
                *of_tier = id.max(*of_tier);
            }
        }
        let all = highest.values().copied().max().unwrap_or(0);
        if all <= highest.get(&Tier::Raw).copied().unwrap_or(0) {
            return Ok(());
        }
        let newest = present.get(&Tier::Raw).and_then(BTreeSet::last).copied().unwrap_or(0);
        let at = newest.saturating_mul(DAY_MS * Tier::Raw.days());
        let mut target = Target::at(&path_of(self.dir, Tier::Raw, newest))?;
        target.put(all, &Row::mark(at))?;
        target.close()
    }
}

/// What every file of `SQLite` begins with; without it none of the rest is read.
const BEGINNING: &[u8; 16] = b"SQLite format 3\0";

/// Writes these bytes where a few of them are damaged; returns whether they were.
fn mend_beginning(path: &Path) -> io::Result<bool> {
    let mut file = File::options().read(true).write(true).open(path)?;
    let mut found = [0; 16];
    if file.read_exact(&mut found).is_err() || found == *BEGINNING {
        return Ok(false);
    }
    // A file of which a whole block is something else is none of these any more.
    let n_right = found.iter().zip(BEGINNING).filter(|(found, right)| found == right).count();
    if n_right < BEGINNING.len() / 2 {
        return Ok(false);
    }
    file.rewind()?;
    file.write_all(BEGINNING)?;
    file.sync_all()?;
    Ok(true)
}

/// Returns the coarser row that a chunk makes, if the one that is stored is not that.
fn wanted(
    stored: Option<&Connection>,
    id: i64,
    row: &Row,
    tier: Tier,
    sets: &BTreeMap<u32, Arc<[SeriesDef]>>,
) -> Option<Row> {
    let defs = sets.get(&row.set)?;
    let columns = columns_of(row, defs).ok().filter(|columns| !columns.times.is_empty())?;
    let made = coarse_of(&columns, defs, tier);
    let found: Option<Vec<u8>> = stored.and_then(|stored| {
        let mut statement = stored.prepare_cached("SELECT body FROM chunk WHERE id = ?1").ok()?;
        statement.query_row([id], |row| row.get(0)).optional().ok()?
    });
    let is_right =
        found.and_then(|body| tier::decode(&body)).is_some_and(|buckets| is_same(&buckets, &made));
    (!is_right).then(|| Row { body: tier::encode(&made), ..row.clone() })
}

/// Calls `each` with the rows of a partition, in the order asked for.
fn each_row(
    connection: &Connection,
    order: &str,
    mut each: impl FnMut(i64, &Row),
) -> rusqlite::Result<()> {
    let sql =
        format!("SELECT id, host, series_set, from_ms, to_ms, body FROM chunk NOT INDEXED {order}");
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if let Ok((id, row)) = row_of(row) {
            each(id, &row);
        }
    }
    Ok(())
}

/// Calls `each` with every row that a damaged file gives: from the front, from the back, and in between
/// each by its number.
fn salvage(
    connection: &Connection,
    mut each: impl FnMut(i64, &Row) -> Result<(), RepairError>,
) -> Result<(), RepairError> {
    let mut failed = None;
    let (mut first, mut last) = (i64::MAX, i64::MIN);
    let mut end_of_front = None;
    for order in ["ORDER BY id", "ORDER BY id DESC"] {
        let read = each_row(connection, order, |id, row| {
            (first, last) = (first.min(id), last.max(id));
            if order == "ORDER BY id" {
                end_of_front = Some(id);
            }
            if failed.is_none() {
                failed = each(id, row).err();
            }
        });
        if let Some(failed) = failed {
            return Err(failed);
        }
        if read.is_ok() {
            return Ok(());
        }
    }
    let from = end_of_front.unwrap_or(first);
    for id in (from..=last).take(usize::try_from(MOST_TRIED).unwrap_or(usize::MAX)) {
        let sql = "SELECT id, host, series_set, from_ms, to_ms, body FROM chunk WHERE id = ?1";
        if let Ok((id, row)) = connection.query_row(sql, [id], row_of) {
            each(id, &row)?;
        }
    }
    Ok(())
}

/// A partition that is written, a group of rows as one.
struct Target {
    connection: Connection,
    waiting: usize,
    done: BTreeSet<i64>,
}

impl Target {
    fn at(path: &Path) -> Result<Self, RepairError> {
        let connection = partition::open(path)?;
        connection.execute_batch("BEGIN")?;
        Ok(Self { connection, waiting: 0, done: BTreeSet::new() })
    }

    /// Puts a row in the place of the one with that number. Returns false if it was put already.
    fn put(&mut self, id: i64, row: &Row) -> Result<bool, RepairError> {
        if !self.done.insert(id) {
            return Ok(false);
        }
        let sql = "INSERT OR REPLACE INTO chunk (id, host, series_set, from_ms, to_ms, body)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let values = params![id, row.host, row.set, row.from, row.to, row.body];
        self.connection.prepare_cached(sql)?.execute(values)?;
        self.waiting += 1;
        if self.waiting >= GROUP {
            self.waiting = 0;
            self.connection.execute_batch("COMMIT; BEGIN")?;
        }
        Ok(true)
    }

    fn close(self) -> Result<(), RepairError> {
        self.connection.execute_batch("COMMIT")?;
        // Back into one file, so that it can be given another name.
        self.connection.pragma_update(None, "wal_checkpoint", "TRUNCATE")?;
        self.connection.close().map_err(|(_, error)| error)?;
        Ok(())
    }
}

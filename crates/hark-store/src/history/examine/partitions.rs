//! The partitions: pages, rows, chunks; the coarser tiers against the samples they were made of.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::ControlFlow;
use std::path::Path;

use hark_model::SeriesDef;
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::{Look, Watcher, partition_name};
use crate::history::catalogue::reading::damage;
use crate::history::chunk::{Chunk, Column, Columns};
use crate::history::partition::{Row, partition_of, path_of};
use crate::history::tier::{self, Aggregate, Buckets, Tier};

/// Which partitions there are of each tier.
pub(in crate::history) type Present = BTreeMap<Tier, BTreeSet<i64>>;

/// Open partitions of the coarser tiers, for the rows made of the same samples.
type Coarse = BTreeMap<Tier, (i64, Option<Connection>)>;

impl Look<'_> {
    pub(super) fn partitions(&mut self, watcher: Watcher<'_>) -> io::Result<ControlFlow<()>> {
        let present = present(self.dir)?;
        for (tier, numbers) in &present {
            for number in numbers {
                let name = partition_name(*tier, *number);
                if watcher(&name).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
                let path = path_of(self.dir, *tier, *number);
                let looked = open(&path).and_then(|connection| {
                    for wrong in damage(&connection) {
                        self.found.damage(&name, wrong);
                    }
                    self.rows(&connection, (*tier, *number), &present)
                });
                // One that expired meanwhile is done with.
                if let Err(error) = looked
                    && path.exists()
                {
                    self.found.damage(&name, format!("cannot be read: {error}"));
                }
            }
        }
        self.gaps(&present);
        Ok(ControlFlow::Continue(()))
    }

    /// Says which days are not there although days before and after them are: what is dropped is dropped
    /// from the oldest on.
    fn gaps(&mut self, present: &Present) {
        for (tier, numbers) in present {
            for number in gaps(numbers) {
                let is_known = tier == &Tier::Raw && {
                    let width = Tier::Raw.days() * tier::DAY_MS;
                    self.has_coarser(number.saturating_mul(width), width)
                };
                if is_known {
                    let what = "is not there, while its five-minute values are";
                    self.found.damage(&partition_name(*tier, number), what);
                }
            }
        }
    }

    /// Returns true if there are five-minute values of samples of that time.
    fn has_coarser(&self, from: i64, width: i64) -> bool {
        let path = path_of(self.dir, Tier::Minutes, partition_of(Tier::Minutes, from));
        let found = open(&path).and_then(|connection| {
            let sql = "SELECT 1 FROM chunk WHERE from_ms >= ?1 AND from_ms < ?2 LIMIT 1";
            connection.query_row(sql, [from, from.saturating_add(width)], |_| Ok(())).optional()
        });
        found.is_ok_and(|found| found.is_some())
    }

    fn rows(
        &mut self,
        connection: &Connection,
        (tier, number): (Tier, i64),
        present: &Present,
    ) -> rusqlite::Result<()> {
        let name = partition_name(tier, number);
        let mut coarse = Coarse::new();
        let mut statement =
            connection.prepare("SELECT id, host, series_set, from_ms, to_ms, body FROM chunk")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (id, row) = row_of(row)?;
            if row.is_mark() {
                continue;
            }
            let Some(defs) = self.sets.get(row.set) else {
                let what = format!("row {id} is of set {}, which is not known", row.set);
                self.found.damage(&name, what);
                continue;
            };
            if partition_of(tier, row.from) != number {
                self.found.damage(&name, format!("row {id} is of another time"));
            }
            if tier != Tier::Raw {
                self.found.rows += 1;
                if let Err(what) = buckets_of(&row, tier, &defs) {
                    self.found.damage(&name, format!("row {id} {what}"));
                }
                continue;
            }
            self.found.chunks += 1;
            match columns_of(&row, &defs) {
                Ok(columns) => {
                    self.found.chunk_frames += columns.times.len() as u64;
                    self.agrees((id, &row), &columns, &defs, present, &mut coarse);
                }
                Err(what) => self.found.damage(&name, format!("row {id} {what}")),
            }
        }
        Ok(())
    }

    /// Compares a chunk with the rows of the coarser tiers that were made of it.
    fn agrees(
        &mut self,
        (id, row): (i64, &Row),
        columns: &Columns,
        defs: &[SeriesDef],
        present: &Present,
        coarse: &mut Coarse,
    ) {
        for tier in [Tier::Minutes, Tier::Hours] {
            let number = partition_of(tier, row.from);
            let oldest = present.get(&tier).and_then(BTreeSet::first);
            if oldest.is_some_and(|oldest| number < *oldest) {
                continue;
            }
            let name = partition_name(tier, number);
            let found = coarse_row(self.dir, tier, number, id, coarse);
            let Ok(found) = found else { continue };
            let Some(body) = found else {
                if !columns.times.is_empty() {
                    let what = format!("row {id} is not there, while the samples of it are");
                    self.found.find(&name, self.sets.weight(), what);
                }
                continue;
            };
            if let Some(stored) = tier::decode(&body)
                && !is_same(&stored, &coarse_of(columns, defs, tier))
            {
                let what = format!("row {id} is not what its samples say");
                self.found.find(&name, self.sets.weight(), what);
            }
        }
    }
}

/// Returns which partitions there are.
pub(in crate::history) fn present(dir: &Path) -> io::Result<Present> {
    let mut present = Present::new();
    for tier in Tier::ALL {
        let numbers = super::numbered(&dir.join(tier.word()), "db")?;
        let numbers = numbers.into_keys().filter_map(|number| i64::try_from(number).ok());
        present.insert(tier, numbers.collect());
    }
    Ok(present)
}

/// Returns the numbers between the first and the last that are not there.
pub(in crate::history) fn gaps(numbers: &BTreeSet<i64>) -> Vec<i64> {
    let (Some(first), Some(last)) = (numbers.first(), numbers.last()) else { return Vec::new() };
    // Somebody who was away for ten years has no ten years of gaps to be told of.
    let span = *first..=*last;
    if last - first > 4000 {
        return Vec::new();
    }
    span.filter(|number| !numbers.contains(number)).collect()
}

/// Opens a partition for reading.
pub(in crate::history) fn open(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    connection.pragma_update(None, "cell_size_check", true)?;
    Ok(connection)
}

/// Reads a row with its number.
pub(in crate::history) fn row_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<(i64, Row)> {
    let read = Row {
        host: row.get(1)?,
        set: row.get(2)?,
        from: row.get(3)?,
        to: row.get(4)?,
        body: row.get(5)?,
    };
    Ok((row.get(0)?, read))
}

/// Takes the samples out of a row, or says what is wrong with it.
pub(in crate::history) fn columns_of(row: &Row, defs: &[SeriesDef]) -> Result<Columns, String> {
    let chunk = Chunk::open(&row.body).ok_or("is damaged")?;
    let times = chunk.times().ok_or("has no times")?;
    if !times.is_sorted_by(|a, b| a < b) {
        return Err("is not in order of time".to_owned());
    }
    let ends = times.first().zip(times.last());
    if ends.is_some_and(|ends| ends != (&row.from, &row.to)) {
        return Err("is of another time than it says".to_owned());
    }
    let series: Option<Vec<Column>> = (0..defs.len()).map(|n| chunk.column(n)).collect();
    let series = series.ok_or("has not all its series")?;
    Ok(Columns { times, series, damaged: 0 })
}

/// Takes the buckets out of a row, or says what is wrong with it.
pub(in crate::history) fn buckets_of(
    row: &Row,
    tier: Tier,
    defs: &[SeriesDef],
) -> Result<Buckets, String> {
    let buckets = tier::decode(&row.body).ok_or("is damaged")?;
    if buckets.series.len() != defs.len() {
        return Err("has not all its series".to_owned());
    }
    if !buckets.numbers.is_sorted_by(|a, b| a < b) {
        return Err("is not in order of time".to_owned());
    }
    let number = |at: i64| at.div_euclid(tier.width_ms());
    let ends = buckets.numbers.first().zip(buckets.numbers.last());
    if ends.is_some_and(|ends| ends != (&number(row.from), &number(row.to))) {
        return Err("is of another time than it says".to_owned());
    }
    Ok(buckets)
}

/// Returns the buckets of a coarser tier that samples make.
pub(in crate::history) fn coarse_of(columns: &Columns, defs: &[SeriesDef], tier: Tier) -> Buckets {
    let minutes = Buckets::of(columns, defs, Tier::Minutes.width_ms());
    match tier {
        Tier::Raw | Tier::Minutes => minutes,
        Tier::Hours => minutes.coarser(Tier::Hours.width_ms() / Tier::Minutes.width_ms()),
    }
}

/// Returns the body of the row with the same number in a coarser tier.
fn coarse_row(
    dir: &Path,
    tier: Tier,
    number: i64,
    id: i64,
    open_ones: &mut Coarse,
) -> rusqlite::Result<Option<Vec<u8>>> {
    let is_open = open_ones.get(&tier).is_some_and(|(open, _)| *open == number);
    if !is_open {
        let path = path_of(dir, tier, number);
        let connection = path.exists().then(|| open(&path)).transpose()?;
        open_ones.insert(tier, (number, connection));
    }
    let Some((_, Some(connection))) = open_ones.get(&tier) else { return Ok(None) };
    let mut statement = connection.prepare_cached("SELECT body FROM chunk WHERE id = ?1")?;
    statement.query_row([id], |row| row.get(0)).optional()
}

/// Returns true if two rows say the same of the series that both have.
pub(in crate::history) fn is_same(stored: &Buckets, made: &Buckets) -> bool {
    if made.numbers.is_empty() {
        return true;
    }
    let shared = stored.numbers == made.numbers
        && stored.spans == made.spans
        && stored.frames == made.frames
        && stored.series.len() == made.series.len();
    let is_absent = |series: &Aggregate| *series == Aggregate::Absent;
    let mut pairs = stored.series.iter().zip(&made.series);
    shared && pairs.all(|(a, b)| is_absent(a) || is_absent(b) || a == b)
}

//! Chunks on the disk: for each tier and some days one `SQLite` file, thrown away whole when it is old.
//! What is taken out of one before that is changed in it: see [`change`].
//!
//! Every row has a number that only grows over all files. Rows of coarser tiers are committed before
//! the samples they were made of; a start that finds coarser rows with numbers above the highest one
//! among the samples knows that their samples are still in the blocks, and removes them. So a bucket
//! is never counted twice.

mod change;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, params};

pub(super) use change::{Change, GivenBack, Held};

use super::Trouble;
use super::chunk::{self, Columns};
use super::tier::{DAY_MS, Tier};
use crate::disk::Disk;
use crate::fault::Fault;

const SCHEMA: &str = "
CREATE TABLE chunk (
  id INTEGER PRIMARY KEY, host INTEGER NOT NULL, series_set INTEGER NOT NULL,
  from_ms INTEGER NOT NULL, to_ms INTEGER NOT NULL, body BLOB NOT NULL
) STRICT;
CREATE INDEX chunk_host ON chunk (host, series_set, from_ms);
";

/// Beside the version of the rest: an older program that does not know it leaves it alone. What was taken out of
/// the rows of a host because it was over, in the words of `Exceptions::note`; a row of nobody says that what is
/// kept no longer than all else goes before its time, because of its size.
const THINNED: &str = "
CREATE TABLE IF NOT EXISTS thinned (host INTEGER PRIMARY KEY, over TEXT NOT NULL) STRICT;
";

const VERSION: u32 = 1;

/// How long a file that somebody else has locked is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Files kept open: today's three, and a few for samples that come late.
const MAX_OPEN: usize = 8;

/// A group of chunks is at most this large, so no more coarser rows than this can be left over.
pub(super) const MAX_GROUP: usize = 64;

/// The host of rows that are of none: hosts are numbered from one on.
const NOBODY: u32 = 0;

/// One chunk, or one row of a coarser tier.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) host: u32,
    pub(super) set: u32,
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) body: Vec<u8>,
}

impl Row {
    /// Returns a row that only has a number, of no host: it says that coarser rows with numbers up to it
    /// are whole, where the samples of the last of them are not there any more.
    pub(super) fn mark(at: i64) -> Self {
        let nothing = Columns { times: Vec::new(), series: Vec::new(), damaged: 0 };
        Self { host: NOBODY, set: 0, from: at, to: at, body: chunk::encode(&nothing) }
    }

    /// Returns true if it is such a row.
    pub(super) fn is_mark(&self) -> bool {
        self.host == NOBODY && self.set == 0
    }
}

/// The partition files.
#[derive(Debug)]
pub(super) struct Partitions {
    dir: PathBuf,
    disk: Disk,
    files: BTreeMap<(Tier, i64), u64>,
    open: BTreeMap<(Tier, i64), Connection>,
    next_id: i64,
    /// Partitions that got rows since that was asked last.
    touched: BTreeSet<(Tier, i64)>,
    /// Partitions of which all goes before its time that is kept no longer than all else.
    pressed: BTreeSet<(Tier, i64)>,
    /// Files that were damaged and put aside since the start.
    pub(super) n_damaged: u64,
}

/// Returns the partition that holds `at`.
pub(super) fn partition_of(tier: Tier, at: i64) -> i64 {
    at.div_euclid(DAY_MS * tier.days())
}

/// Returns where the partition lies.
pub(super) fn path_of(dir: &Path, tier: Tier, partition: i64) -> PathBuf {
    dir.join(tier.word()).join(format!("{partition}.db"))
}

impl Partitions {
    /// Opens the partitions in `dir`.
    pub(super) fn open(dir: &Path, disk: Disk) -> Result<Self, Trouble> {
        let mut partitions = Self {
            dir: dir.to_owned(),
            disk,
            files: BTreeMap::new(),
            open: BTreeMap::new(),
            next_id: 1,
            touched: BTreeSet::new(),
            pressed: BTreeSet::new(),
            n_damaged: 0,
        };
        for tier in Tier::ALL {
            std::fs::create_dir_all(dir.join(tier.word()))?;
        }
        partitions.measure()?;
        partitions.remove_left_over()?;
        Ok(partitions)
    }

    /// Looks up which files there are and how large.
    pub(super) fn measure(&mut self) -> Result<(), Trouble> {
        self.files.clear();
        for tier in Tier::ALL {
            for entry in std::fs::read_dir(self.dir.join(tier.word()))? {
                let entry = entry?;
                let path = entry.path();
                let number = path.file_stem().and_then(|s| s.to_str()).and_then(|s| s.parse().ok());
                if let (Some(number), Some("db")) =
                    (number, path.extension().and_then(|e| e.to_str()))
                {
                    self.files.insert((tier, number), entry.metadata()?.len());
                }
            }
        }
        Ok(())
    }

    fn remove_left_over(&mut self) -> Result<(), Trouble> {
        let mut highest = BTreeMap::new();
        for key in self.files.keys().copied().collect::<Vec<_>>() {
            let noted = |connection: &mut Connection| -> rusqlite::Result<(i64, bool)> {
                let sql = "SELECT ifnull(max(id), 0),
                     EXISTS (SELECT 1 FROM thinned WHERE host = ?1) FROM chunk";
                connection.query_row(sql, [NOBODY], |row| Ok((row.get(0)?, row.get(1)?)))
            };
            if let Some((id, is_pressed)) = self.with(key, false, noted)? {
                let of_tier = highest.entry(key.0).or_insert(0);
                *of_tier = id.max(*of_tier);
                if is_pressed {
                    self.pressed.insert(key);
                }
            }
        }
        let samples = highest.get(&Tier::Raw).copied().unwrap_or(0);
        let all = highest.values().copied().max().unwrap_or(0);
        self.next_id = all + 1;
        let few = i64::try_from(MAX_GROUP).unwrap_or(i64::MAX);
        // Were a file of samples lost, everything coarser would look left over: then better a bucket
        // twice than a year gone.
        if self.n_damaged > 0 || all - samples > few {
            return Ok(());
        }
        for key in self.files.keys().copied().filter(|(t, _)| *t != Tier::Raw).collect::<Vec<_>>() {
            self.with(key, false, |c| c.execute("DELETE FROM chunk WHERE id > ?1", [samples]))?;
        }
        Ok(())
    }

    /// Runs `work` on a partition. `None` if it is not there, or was damaged and put aside.
    fn with<T>(
        &mut self,
        key: (Tier, i64),
        create: bool,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, Trouble> {
        if !create && !self.files.contains_key(&key) {
            return Ok(None);
        }
        let result = self.connection(key).and_then(work);
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) if Fault::of_sql(&error) == Fault::Corrupt => {
                tracing::error!(%error, tier = key.0.word(), partition = key.1, "partition damaged");
                self.set_aside(key)?;
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn connection(&mut self, key: (Tier, i64)) -> rusqlite::Result<&mut Connection> {
        if !self.open.contains_key(&key) {
            while self.open.len() >= MAX_OPEN {
                self.open.pop_first();
            }
            let connection = open(&path_of(&self.dir, key.0, key.1))?;
            self.open.insert(key, connection);
            self.files.entry(key).or_insert(0);
        }
        self.open.get_mut(&key).ok_or(rusqlite::Error::InvalidQuery)
    }

    fn set_aside(&mut self, key: (Tier, i64)) -> Result<(), Trouble> {
        self.open.remove(&key);
        self.files.remove(&key);
        self.pressed.remove(&key);
        self.n_damaged += 1;
        let path = path_of(&self.dir, key.0, key.1);
        self.disk.rename(&path, &path.with_extension("damaged"))?;
        self.disk.remove(&path.with_extension("db-wal"))?;
        self.disk.remove(&path.with_extension("db-shm"))?;
        Ok(())
    }

    /// Writes rows of one partition as one synced transaction. A damaged file is put aside and begun
    /// anew.
    ///
    /// # Errors
    /// If nothing was written.
    pub(super) fn put(
        &mut self,
        tier: Tier,
        partition: i64,
        first_id: i64,
        rows: &[&Row],
    ) -> Result<(), Trouble> {
        self.disk.point_with_room()?;
        let insert = |connection: &mut Connection| -> rusqlite::Result<()> {
            let transaction = connection.transaction()?;
            {
                let mut statement = transaction.prepare_cached(
                    "INSERT INTO chunk (id, host, series_set, from_ms, to_ms, body)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )?;
                let mut forget =
                    transaction.prepare_cached("DELETE FROM thinned WHERE host = ?1")?;
                let mut last = NOBODY;
                for (id, row) in (first_id..).zip(rows) {
                    statement
                        .execute(params![id, row.host, row.set, row.from, row.to, row.body])?;
                    // What was taken out of the others is in this one.
                    if std::mem::replace(&mut last, row.host) != row.host {
                        forget.execute([row.host])?;
                    }
                }
            }
            transaction.commit()
        };
        let key = (tier, partition);
        if self.with(key, true, insert)?.is_none() {
            self.with(key, true, insert)?;
        }
        self.touched.insert(key);
        self.disk.point()?;
        Ok(())
    }

    /// Returns which partitions got rows since this was asked last.
    pub(super) fn touched(&mut self) -> BTreeSet<(Tier, i64)> {
        std::mem::take(&mut self.touched)
    }

    /// Returns a number for each of `n` rows, the first of them.
    pub(super) fn numbers(&mut self, n: usize) -> i64 {
        let first = self.next_id;
        self.next_id += i64::try_from(n).unwrap_or(i64::MAX - first);
        first
    }

    /// Returns the number that the next row will get.
    pub(super) fn next_id(&self) -> i64 {
        self.next_id
    }

    /// Returns the chunks of a set that overlap a time within one partition.
    pub(super) fn overlapping(
        &mut self,
        tier: Tier,
        host: u32,
        set: u32,
        from: i64,
        to: i64,
    ) -> Result<Vec<Vec<u8>>, Trouble> {
        let key = (tier, partition_of(tier, from));
        let found = self.with(key, false, |connection| {
            connection
                .prepare_cached(
                    "SELECT body FROM chunk
                     WHERE host = ?1 AND series_set = ?2 AND from_ms <= ?4 AND to_ms >= ?3",
                )?
                .query_map(params![host, set, from, to], |row| row.get(0))?
                .collect()
        })?;
        Ok(found.unwrap_or_default())
    }

    /// Throws away the partitions of `tier` that end before `before`, but never the newest one: its
    /// numbers say which coarser rows are whole.
    pub(super) fn expire(&mut self, tier: Tier, before: i64) -> Result<u64, Trouble> {
        let mut gone = 0;
        while let Some(oldest) = self.oldest(tier) {
            let end = (oldest + 1).saturating_mul(DAY_MS * tier.days());
            if end > before || self.newest(tier) == Some(oldest) {
                break;
            }
            self.remove(tier, oldest)?;
            gone += 1;
        }
        Ok(gone)
    }

    /// Throws away the oldest partition of a tier that has more than one. Returns false if it has not.
    pub(super) fn shrink_tier(&mut self, tier: Tier) -> Result<bool, Trouble> {
        let (Some(oldest), Some(newest)) = (self.oldest(tier), self.newest(tier)) else {
            return Ok(false);
        };
        if oldest < newest {
            self.remove(tier, oldest)?;
        }
        Ok(oldest < newest)
    }

    /// Returns the oldest partition of a tier that has more than one.
    pub(super) fn oldest_of_several(&self, tier: Tier) -> Option<(Tier, i64)> {
        let oldest = self.oldest(tier).filter(|oldest| self.newest(tier) != Some(*oldest))?;
        Some((tier, oldest))
    }

    pub(super) fn remove(&mut self, tier: Tier, partition: i64) -> Result<(), Trouble> {
        if tier == Tier::Raw {
            self.keep_highest(partition)?;
        }
        self.open.remove(&(tier, partition));
        let path = path_of(&self.dir, tier, partition);
        self.disk.remove(&path.with_extension("db-wal"))?;
        self.disk.remove(&path.with_extension("db-shm"))?;
        self.disk.remove(&path)?;
        self.files.remove(&(tier, partition));
        self.pressed.remove(&(tier, partition));
        Ok(())
    }

    /// Notes the highest number of samples that are about to go, if none as high stays: the coarser rows of
    /// them would look left over at the next start. Samples that come late have high numbers in old files.
    fn keep_highest(&mut self, leaving: i64) -> Result<(), Trouble> {
        let Some(newest) = self.newest(Tier::Raw).filter(|newest| *newest != leaving) else {
            return Ok(());
        };
        let highest = |connection: &mut Connection| -> rusqlite::Result<i64> {
            connection.query_row("SELECT ifnull(max(id), 0) FROM chunk", [], |row| row.get(0))
        };
        let leaving = self.with((Tier::Raw, leaving), false, highest)?.unwrap_or(0);
        let staying = self.with((Tier::Raw, newest), false, highest)?.unwrap_or(0);
        if leaving <= staying {
            return Ok(());
        }
        let mark = Row::mark(newest.saturating_mul(DAY_MS * Tier::Raw.days()));
        self.put(Tier::Raw, newest, leaving, &[&mark])
    }

    fn of(&self, tier: Tier) -> impl DoubleEndedIterator<Item = i64> {
        self.files.range((tier, i64::MIN)..=(tier, i64::MAX)).map(|((_, number), _)| *number)
    }

    fn oldest(&self, tier: Tier) -> Option<i64> {
        self.of(tier).next()
    }

    pub(super) fn newest(&self, tier: Tier) -> Option<i64> {
        self.of(tier).next_back()
    }

    /// Returns when the oldest partition of a tier begins, of those that reach beyond `kept`: what an import has
    /// brought of before is there for a while, with gaps up to the others, and what is older may be of other
    /// series.
    pub(super) fn begin(&self, tier: Tier, kept: i64) -> Option<i64> {
        let width = DAY_MS * tier.days();
        let is_kept = |number: &i64| number.saturating_add(1).saturating_mul(width) > kept;
        let oldest = self.of(tier).find(is_kept).or_else(|| self.newest(tier))?;
        Some(oldest.saturating_mul(width))
    }

    /// Returns the files of a tier that may hold something of that time.
    pub(super) fn paths(&self, tier: Tier, from: i64, to: i64) -> Vec<PathBuf> {
        let range = (tier, partition_of(tier, from))..=(tier, partition_of(tier, to));
        if from > to {
            return Vec::new();
        }
        self.files.range(range).map(|((_, n), _)| path_of(&self.dir, tier, *n)).collect()
    }

    /// Returns how many bytes a tier took when last measured.
    pub(super) fn bytes(&self, tier: Tier) -> u64 {
        self.files.range((tier, i64::MIN)..=(tier, i64::MAX)).map(|(_, bytes)| bytes).sum()
    }
}

/// Opens a partition for writing, making it if it is not there.
pub(super) fn open(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(PATIENCE)?;
    // What is taken out of a partition that stays is overwritten, and its pages are given back in steps.
    connection.pragma_update(None, "auto_vacuum", 2)?;
    connection.pragma_update(None, "secure_delete", true)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "cache_size", -1_000)?;
    connection.pragma_update(None, "journal_size_limit", 8 * 1024 * 1024)?;
    let found: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found > VERSION {
        let code = rusqlite::ffi::Error { code: ErrorCode::Unknown, extended_code: 1 };
        let text = format!("the partition has version {found}, this hark knows {VERSION}");
        return Err(rusqlite::Error::SqliteFailure(code, Some(text)));
    }
    if found == 0 {
        connection
            .execute_batch(&format!("BEGIN; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT"))?;
    }
    connection.execute_batch(THINNED)?;
    Ok(connection)
}

/// Partitions open for reading, on any thread. Opening one takes longer than reading a chunk: who asks of
/// many hosts keeps them.
#[derive(Debug, Default)]
pub struct Readers {
    open: BTreeMap<PathBuf, Connection>,
}

/// Partitions kept open by one reader: a fortnight of samples.
const MAX_READ: usize = 16;

impl Readers {
    fn connection(&mut self, path: &Path) -> rusqlite::Result<&mut Connection> {
        if !self.open.contains_key(path) {
            while self.open.len() >= MAX_READ {
                self.open.pop_first();
            }
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(path, flags)?;
            connection.busy_timeout(PATIENCE)?;
            // Hardly anything is read twice.
            connection.pragma_update(None, "cache_size", -256)?;
            self.open.insert(path.to_owned(), connection);
        }
        self.open.get_mut(path).ok_or(rusqlite::Error::InvalidQuery)
    }
}

/// Reads the rows of a set of one host from the partition at `path`, ascending in time, but for rows
/// with numbers from `below` on. A file that is gone or damaged has none: `false` then.
pub(super) fn read(
    readers: &mut Readers,
    path: &Path,
    host: u32,
    sets: &[u32],
    times: (i64, i64),
    below: i64,
    mut each: impl FnMut(u32, &[u8]),
) -> bool {
    let mut work = || -> rusqlite::Result<()> {
        let connection = readers.connection(path)?;
        let mut statement = connection.prepare_cached(
            "SELECT body FROM chunk WHERE host = ?1 AND series_set = ?2
               AND from_ms <= ?4 AND to_ms >= ?3 AND id < ?5 ORDER BY from_ms",
        )?;
        for set in sets {
            let mut rows = statement.query(params![host, set, times.0, times.1, below])?;
            while let Some(row) = rows.next()? {
                let body = row.get_ref(0)?;
                each(*set, body.as_blob().unwrap_or_default());
            }
        }
        Ok(())
    };
    match work() {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(%error, path = %path.display(), "partition not read");
            false
        }
    }
}

//! Which series a set has, and which sets a host has sent.
//!
//! A set is an ordered list of series; hosts with the same collectors share it. Its number is what
//! the log and the chunks hold instead of names. Numbers are never used again.

mod orders;
pub(super) mod reading;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hark_model::frame::{MAX_SERIES, MAX_SET};
use hark_model::labels::MAX_SERIES_NAME;
use hark_model::record::HostId;
use hark_model::{MetricKind, SeriesDef, SeriesName, Unit, Unix};
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};

use super::tier::DAY_MS;
use super::{DeclareError, Trouble};
use crate::disk::Disk;

/// Sets that were declared within so many days count towards the bound on a host's series: a
/// container that comes and goes must not use it up for ever.
const COUNTED_DAYS: i64 = 7;

/// How long a reader is waited for.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS series_set (
  id INTEGER PRIMARY KEY AUTOINCREMENT, v INTEGER NOT NULL, body TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE IF NOT EXISTS host_set (
  host INTEGER NOT NULL, id INTEGER NOT NULL, day INTEGER NOT NULL, PRIMARY KEY (host, id)
) STRICT, WITHOUT ROWID;
";

const VERSION: u32 = 1;

/// A series as it lies in the catalogue.
#[derive(Serialize, Deserialize)]
struct StoredSeriesV1 {
    c: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    i: String,
    m: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    u: String,
    /// 1 for a counter.
    #[serde(default, skip_serializing_if = "is_gauge")]
    k: u8,
    #[serde(default, skip_serializing_if = "is_gauge")]
    d: u8,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde calls")]
fn is_gauge(number: &u8) -> bool {
    *number == 0
}

/// The catalogue, open for writing.
#[derive(Debug)]
pub(super) struct Catalogue {
    connection: Connection,
    sets: BTreeMap<u32, Arc<[SeriesDef]>>,
    numbers: BTreeMap<String, u32>,
    /// For each host its sets, with the day they were last declared.
    hosts: BTreeMap<u32, BTreeMap<u32, i64>>,
    is_changed: bool,
    /// Whether sets were added since the spare was written.
    is_spare_old: bool,
    /// What follows the catalogue goes by these: how often everything was read anew, and how many
    /// changes there were of which host has which set, with the last one of each host.
    readings: u64,
    changes: u64,
    changed: BTreeMap<u32, u64>,
}

/// How far somebody has followed the catalogue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    epoch: u32,
    readings: u64,
    changes: u64,
    sets: u32,
}

/// What is new in the catalogue.
#[derive(Clone, Debug, Default)]
pub struct News {
    /// How far it has been followed with this.
    pub mark: Mark,
    /// Whether this is all that there is, and what was known is to be forgotten.
    pub is_all: bool,
    /// Sets that were not there before; a set never changes.
    pub sets: Vec<(u32, Arc<[SeriesDef]>)>,
    /// Hosts of which the sets have changed, with all sets that each has now.
    pub hosts: Vec<(HostId, Vec<u32>)>,
}

impl Catalogue {
    /// Opens the catalogue in `dir`.
    pub(super) fn open(dir: &Path) -> Result<Self, Trouble> {
        let path: PathBuf = dir.join("catalogue.db");
        let connection = Connection::open(path)?;
        connection.busy_timeout(PATIENCE)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        // What is retired is not to be found in free pages either.
        connection.pragma_update(None, "secure_delete", true)?;
        let found: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if found > VERSION {
            return Err(Trouble::Newer { found, known: VERSION });
        }
        if found == 0 {
            connection.execute_batch(&format!(
                "BEGIN; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT"
            ))?;
        }
        connection.execute_batch(orders::SCHEMA)?;
        let mut catalogue = Self {
            connection,
            sets: BTreeMap::new(),
            numbers: BTreeMap::new(),
            hosts: BTreeMap::new(),
            is_changed: false,
            readings: 0,
            changes: 0,
            changed: BTreeMap::new(),
            is_spare_old: true,
        };
        catalogue.load()?;
        Ok(catalogue)
    }

    fn load(&mut self) -> Result<(), Trouble> {
        self.readings += 1;
        self.changed.clear();
        let mut statement = self.connection.prepare("SELECT id, v, body FROM series_set")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (id, version, body): (u32, u32, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
            if let Some(set) = (version == 1).then(|| decode(&body)).flatten() {
                self.sets.insert(id, set.into());
                self.numbers.insert(body, id);
            } else {
                tracing::error!(set = id, "stored set of series skipped");
            }
        }
        let mut statement = self.connection.prepare("SELECT host, id, day FROM host_set")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            self.hosts.entry(row.get(0)?).or_default().insert(row.get(1)?, row.get(2)?);
        }
        Ok(())
    }

    /// Returns the number of the set `series`, noting that `host` has it.
    pub(super) fn declare(
        &mut self,
        host: u32,
        series: &[SeriesDef],
        now: Unix,
    ) -> Result<u32, DeclareError> {
        if series.is_empty() || series.len() > MAX_SET {
            return Err(DeclareError::Size { found: series.len(), most: MAX_SET });
        }
        let names: BTreeSet<&SeriesName> = series.iter().map(|s| &s.name).collect();
        if names.len() < series.len() {
            return Err(DeclareError::Twice);
        }
        let length = |n: &SeriesName| n.collector.len() + n.instance.len() + n.metric.len();
        if names.iter().any(|n| length(n) > MAX_SERIES_NAME) {
            return Err(DeclareError::Name { most: MAX_SERIES_NAME });
        }
        let today = now.0.div_euclid(DAY_MS);
        let body = encode(series);
        if let Some(number) = self.numbers.get(&body)
            && self.hosts.get(&host).and_then(|sets| sets.get(number)) == Some(&today)
        {
            return Ok(*number);
        }
        let known = self.numbers.get(&body).and_then(|number| self.hosts.get(&host)?.get(number));
        // One that counts already brings no name that is new: to look at all of them once a day for each
        // set of a host with thousands would take seconds.
        if known.is_none_or(|day| *day <= today - COUNTED_DAYS) {
            self.check_bound(host, &names, today)?;
        }
        self.begin()?;
        let number = match self.numbers.get(&body) {
            Some(number) => *number,
            None => self.insert(body, series)?,
        };
        self.connection
            .prepare_cached(
                "INSERT INTO host_set (host, id, day) VALUES (?1, ?2, ?3)
                 ON CONFLICT (host, id) DO UPDATE SET day = excluded.day",
            )
            .and_then(|mut s| s.execute(params![host, number, today]))
            .map_err(Trouble::Sql)?;
        if self.hosts.entry(host).or_default().insert(number, today).is_none() {
            self.note(host);
        }
        Ok(number)
    }

    fn check_bound(
        &self,
        host: u32,
        names: &BTreeSet<&SeriesName>,
        today: i64,
    ) -> Result<(), DeclareError> {
        let mut all = names.clone();
        for (set, day) in self.hosts.get(&host).into_iter().flatten() {
            if *day > today - COUNTED_DAYS
                && let Some(series) = self.sets.get(set)
            {
                all.extend(series.iter().map(|s| &s.name));
            }
        }
        if all.len() > MAX_SERIES {
            return Err(DeclareError::TooMany { most: MAX_SERIES });
        }
        Ok(())
    }

    fn insert(&mut self, body: String, series: &[SeriesDef]) -> Result<u32, Trouble> {
        self.connection
            .prepare_cached("INSERT INTO series_set (v, body) VALUES (1, ?1)")?
            .execute([&body])?;
        let number = u32::try_from(self.connection.last_insert_rowid())
            .map_err(|_| Trouble::Io(std::io::Error::other("no numbers left for sets")))?;
        self.sets.insert(number, series.into());
        self.numbers.insert(body, number);
        self.is_spare_old = true;
        Ok(number)
    }

    /// Writes the spare if there are sets that it does not know. To be called when nothing is uncommitted.
    /// Where it cannot be written the one before it stays, until the next time: samples do not wait for it.
    pub(super) fn keep_spare(&mut self, dir: &Path, disk: &Disk) {
        if self.is_spare_old {
            let written = self.write_spare(dir, disk);
            self.is_spare_old = written.is_err();
            if let Err(trouble) = written {
                tracing::warn!(%trouble, "the spare of the catalogue cannot be written");
            }
        }
    }

    pub(super) fn write_spare(&self, dir: &Path, disk: &Disk) -> Result<(), Trouble> {
        let unfinished = dir.join(reading::SPARE).with_extension("spare-new");
        disk.remove(&unfinished)?;
        disk.point_with_room()?;
        self.connection.execute("VACUUM INTO ?1", [unfinished.to_string_lossy()])?;
        disk.sync(&std::fs::File::open(&unfinished)?)?;
        disk.rename(&unfinished, &dir.join(reading::SPARE))?;
        Ok(())
    }

    fn begin(&mut self) -> Result<(), Trouble> {
        if !self.is_changed {
            self.connection.execute_batch("BEGIN IMMEDIATE")?;
            self.is_changed = true;
        }
        Ok(())
    }

    /// Makes what was declared survive a power cut.
    ///
    /// # Errors
    /// If it cannot be written: what was declared since the last success is forgotten, and its numbers
    /// must not be used.
    pub(super) fn commit(&mut self) -> Result<(), Trouble> {
        if !self.is_changed {
            return Ok(());
        }
        let result = self.connection.execute_batch("COMMIT");
        self.is_changed = false;
        if let Err(error) = result {
            if !self.connection.is_autocommit() {
                self.connection.execute_batch("ROLLBACK")?;
            }
            self.sets.clear();
            self.numbers.clear();
            self.hosts.clear();
            self.load()?;
            return Err(error.into());
        }
        Ok(())
    }

    /// Forgets which sets a host has.
    fn forget(&mut self, host: u32) -> Result<(), Trouble> {
        if self.hosts.remove(&host).is_some() {
            self.note(host);
            self.begin()?;
            self.connection
                .prepare_cached("DELETE FROM host_set WHERE host = ?1")?
                .execute([host])?;
        }
        Ok(())
    }

    /// Forgets the sets that hosts have not declared since `day`: nothing of them is left.
    pub(super) fn expire(&mut self, day: i64) -> Result<(), Trouble> {
        if self.hosts.values().flat_map(BTreeMap::values).all(|declared| *declared >= day) {
            return Ok(());
        }
        let mut changed = Vec::new();
        for (host, sets) in &mut self.hosts {
            let before = sets.len();
            sets.retain(|_, declared| *declared >= day);
            if sets.len() < before {
                changed.push(*host);
            }
        }
        for host in changed {
            self.note(host);
        }
        self.hosts.retain(|_, sets| !sets.is_empty());
        self.begin()?;
        self.connection.execute("DELETE FROM host_set WHERE day < ?1", [day])?;
        Ok(())
    }

    /// Notes that the sets of a host have changed.
    fn note(&mut self, host: u32) {
        self.changes += 1;
        self.changed.insert(host, self.changes);
    }

    /// Returns what is new since `mark`; everything if that is of another life. Takes some microseconds
    /// for a thousand hosts of which nothing is new.
    pub(super) fn news(&self, epoch: u32, mark: Mark) -> News {
        let is_all = mark.epoch != epoch || mark.readings != self.readings;
        let seen = if is_all { Mark::default() } else { mark };
        let sets = self.sets.range(seen.sets.saturating_add(1)..);
        let sets: Vec<_> = sets.map(|(number, set)| (*number, Arc::clone(set))).collect();
        let sets_of = |host: u32| {
            let sets = self.hosts.get(&host).map_or_else(Vec::new, |s| s.keys().copied().collect());
            (HostId(host), sets)
        };
        let hosts = if is_all {
            self.hosts.keys().copied().map(sets_of).collect()
        } else {
            let new = self.changed.iter().filter(|(_, change)| **change > seen.changes);
            new.map(|(host, _)| sets_of(*host)).collect()
        };
        let last = sets.last().map_or(seen.sets, |(number, _)| *number);
        let mark = Mark { epoch, readings: self.readings, changes: self.changes, sets: last };
        News { mark, is_all, sets, hosts }
    }

    /// Returns the series of a set.
    pub(super) fn set(&self, number: u32) -> Option<&Arc<[SeriesDef]>> {
        self.sets.get(&number)
    }

    /// Returns the sets of a host.
    pub(super) fn sets_of(&self, host: u32) -> impl Iterator<Item = (u32, &Arc<[SeriesDef]>)> {
        let numbers = self.hosts.get(&host).into_iter().flatten();
        numbers.filter_map(|(number, _)| Some((*number, self.sets.get(number)?)))
    }

    /// Returns the sets of a host that count towards the bound on its series.
    pub(super) fn lately(
        &self,
        host: u32,
        now: Unix,
    ) -> impl Iterator<Item = (u32, &Arc<[SeriesDef]>)> {
        let since = now.0.div_euclid(DAY_MS) - COUNTED_DAYS;
        let numbers = self.hosts.get(&host).into_iter().flatten();
        let numbers = numbers.filter(move |(_, day)| **day > since);
        numbers.filter_map(|(number, _)| Some((*number, self.sets.get(number)?)))
    }

    /// Returns how many series all hosts have.
    pub(super) fn n_series(&self) -> u64 {
        let len = |set: &u32| self.sets.get(set).map_or(0, |s| s.len() as u64);
        self.hosts.values().flat_map(|sets| sets.keys()).map(len).sum()
    }
}

fn encode(series: &[SeriesDef]) -> String {
    let stored: Vec<StoredSeriesV1> = series
        .iter()
        .map(|s| StoredSeriesV1 {
            c: s.name.collector.clone(),
            i: s.name.instance.clone(),
            m: s.name.metric.clone(),
            u: s.unit.word().to_owned(),
            k: u8::from(s.kind == MetricKind::Counter),
            d: s.decimals,
        })
        .collect();
    // Only maps with keys that are no texts cannot be written as JSON.
    serde_json::to_string(&stored).unwrap_or_default()
}

fn decode(body: &str) -> Option<Vec<SeriesDef>> {
    let stored: Vec<StoredSeriesV1> = serde_json::from_str(body).ok()?;
    stored
        .into_iter()
        .map(|s| {
            Some(SeriesDef {
                name: SeriesName { collector: s.c, instance: s.i, metric: s.m },
                unit: Unit::ALL.into_iter().find(|u| u.word() == s.u)?,
                kind: if s.k == 1 { MetricKind::Counter } else { MetricKind::Gauge },
                decimals: s.d,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(n: std::ops::Range<usize>) -> Vec<SeriesDef> {
        n.map(|n| SeriesDef {
            name: SeriesName::of("disk_monitor", &format!("/{n}"), "percent"),
            unit: Unit::Percent,
            kind: MetricKind::Gauge,
            decimals: 1,
        })
        .collect()
    }

    fn day(n: i64) -> Unix {
        Unix(n * DAY_MS)
    }

    #[test]
    fn hosts_with_the_same_series_share_a_set_that_keeps_its_number() {
        let dir = tempfile::tempdir().unwrap();
        let mut catalogue = Catalogue::open(dir.path()).unwrap();
        let a = catalogue.declare(1, &series(0..3), day(1)).unwrap();
        let b = catalogue.declare(2, &series(0..3), day(1)).unwrap();
        let c = catalogue.declare(2, &series(0..4), day(1)).unwrap();
        assert_eq!(a, b);
        assert_ne!(b, c);
        catalogue.commit().unwrap();
        drop(catalogue);
        let mut catalogue = Catalogue::open(dir.path()).unwrap();
        assert_eq!(catalogue.declare(3, &series(0..4), day(1)).unwrap(), c);
        assert_eq!(catalogue.set(a).unwrap().to_vec(), series(0..3));
        assert_eq!(catalogue.sets_of(2).count(), 2);
        assert_eq!(catalogue.n_series(), 3 + 3 + 4 + 4);
    }

    #[test]
    fn what_is_new_is_told_once() {
        let dir = tempfile::tempdir().unwrap();
        let mut catalogue = Catalogue::open(dir.path()).unwrap();
        let first = catalogue.declare(1, &series(0..3), day(1)).unwrap();
        let news = catalogue.news(1, Mark::default());
        assert!(news.is_all);
        assert_eq!((news.sets.len(), &news.hosts[..]), (1, &[(HostId(1), vec![first])][..]));
        let mark = news.mark;
        assert_eq!(catalogue.declare(1, &series(0..3), day(2)).unwrap(), first);
        let news = catalogue.news(1, mark);
        assert_eq!(
            (news.is_all, news.sets.len(), news.hosts.len(), news.mark),
            (false, 0, 0, mark)
        );
        let second = catalogue.declare(2, &series(0..4), day(2)).unwrap();
        catalogue.declare(2, &series(0..3), day(2)).unwrap();
        let news = catalogue.news(1, mark);
        assert_eq!(news.sets.iter().map(|(n, _)| *n).collect::<Vec<_>>(), [second]);
        assert_eq!(news.hosts, [(HostId(2), vec![first, second])]);
        let mark = news.mark;
        catalogue.forget(2).unwrap();
        catalogue.expire(3).unwrap();
        let news = catalogue.news(1, mark);
        assert_eq!(news.hosts, [(HostId(1), vec![]), (HostId(2), vec![])]);
        assert!(catalogue.news(2, news.mark).is_all, "history was opened anew");
        catalogue.load().unwrap();
        assert!(catalogue.news(1, news.mark).is_all, "numbers may be others now");
    }

    #[test]
    fn what_was_not_committed_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let mut catalogue = Catalogue::open(dir.path()).unwrap();
        catalogue.declare(1, &series(0..3), day(1)).unwrap();
        drop(catalogue);
        assert_eq!(Catalogue::open(dir.path()).unwrap().sets_of(1).count(), 0);
    }

    #[test]
    fn a_host_with_ever_new_series_is_refused_new_ones_and_keeps_the_old() {
        let dir = tempfile::tempdir().unwrap();
        let mut catalogue = Catalogue::open(dir.path()).unwrap();
        let sets = MAX_SERIES / MAX_SET;
        for n in 0..sets {
            catalogue.declare(1, &series(n * MAX_SET..(n + 1) * MAX_SET), day(1)).unwrap();
        }
        let next = series(sets * MAX_SET..(sets + 1) * MAX_SET);
        let error = catalogue.declare(1, &next, day(2)).unwrap_err();
        assert!(matches!(error, DeclareError::TooMany { most: MAX_SERIES }));
        assert!(catalogue.declare(1, &series(0..MAX_SET), day(2)).is_ok());
        assert!(catalogue.declare(2, &next, day(2)).is_ok(), "others are not concerned");
        assert!(catalogue.declare(1, &next, day(1 + COUNTED_DAYS)).is_ok(), "old ones are out");
    }

    #[test]
    fn sets_that_cannot_be_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut catalogue = Catalogue::open(dir.path()).unwrap();
        let twice = [series(0..1), series(0..1)].concat();
        for (bad, text) in
            [(Vec::new(), "1 to 120"), (series(0..MAX_SET + 1), "1 to 120"), (twice, "twice")]
        {
            let error = catalogue.declare(1, &bad, day(1)).unwrap_err();
            assert!(error.to_string().contains(text), "{error}");
        }
    }
}

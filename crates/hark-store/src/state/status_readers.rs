//! Readers of status pages who are told of what is published, by mail or by a call.

use hark_model::time::Unix;
use rusqlite::{Row, Transaction, params};

use super::OpenError;
use super::change::Change;
use super::commit::{CommitError, int};
use super::reader::StateReader;

/// A reader who has confirmed.
#[derive(Clone, PartialEq, Eq)]
pub struct ReaderRecord {
    /// The number: never given to another one.
    pub id: u64,
    /// The page.
    pub page: String,
    /// How: `mail` or `webhook`.
    pub way: String,
    /// The address of mail, or the web address that is called.
    pub address: String,
    /// When it was confirmed.
    pub created: Unix,
    /// What was said up to this moment is told.
    pub told: Unix,
}

impl std::fmt::Debug for ReaderRecord {
    /// Shows everything but the address.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReaderRecord")
            .field("id", &self.id)
            .field("page", &self.page)
            .field("way", &self.way)
            .field("told", &self.told)
            .finish_non_exhaustive()
    }
}

/// Applies what is about readers.
#[expect(clippy::wildcard_enum_match_arm, reason = "the caller has sorted them")]
pub(super) fn apply(t: &Transaction<'_>, change: &Change) -> Result<(), CommitError> {
    match change {
        Change::Reader(reader) => put(t, reader),
        Change::ReaderTold { id, at } => told(t, *id, *at),
        Change::ReaderRemoved(id) => remove(t, *id),
        _ => Ok(()),
    }
}

/// Writes one, unless the address reads the page already.
fn put(t: &Transaction<'_>, reader: &ReaderRecord) -> Result<(), CommitError> {
    let ReaderRecord { id, page, way, address, created, told } = reader;
    t.prepare_cached(
        "INSERT INTO status_reader (id, page, way, address, created, told)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (page, way, address) DO NOTHING",
    )?
    .execute(params![int(*id)?, page, way, address, created.0, told.0])?;
    Ok(())
}

/// Remembers what one was told.
fn told(t: &Transaction<'_>, id: u64, at: Unix) -> Result<(), CommitError> {
    let sql = "UPDATE status_reader SET told = max(told, ?2) WHERE id = ?1";
    t.prepare_cached(sql)?.execute(params![int(id)?, at.0])?;
    Ok(())
}

/// Forgets one.
fn remove(t: &Transaction<'_>, id: u64) -> Result<(), CommitError> {
    t.prepare_cached("DELETE FROM status_reader WHERE id = ?1")?.execute([int(id)?])?;
    Ok(())
}

fn read(row: &Row<'_>) -> rusqlite::Result<ReaderRecord> {
    Ok(ReaderRecord {
        id: row.get::<_, i64>(0)?.cast_unsigned(),
        page: row.get(1)?,
        way: row.get(2)?,
        address: row.get(3)?,
        created: Unix(row.get(4)?),
        told: Unix(row.get(5)?),
    })
}

const COLUMNS: &str = "SELECT id, page, way, address, created, told FROM status_reader";

impl StateReader {
    /// Returns `limit` readers of a page, after the one of number `after`, who were not told what was said up
    /// to `until`; by their numbers.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn readers_behind(
        &self,
        page: &str,
        until: Unix,
        after: u64,
        limit: u32,
    ) -> Result<Vec<ReaderRecord>, OpenError> {
        let sql =
            format!("{COLUMNS} WHERE page = ?1 AND told < ?2 AND id > ?3 ORDER BY id LIMIT ?4");
        self.query(&sql, params![page, until.0, after.cast_signed(), limit], read)
    }

    /// Returns the reader of a number.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn status_reader(&self, id: u64) -> Result<Option<ReaderRecord>, OpenError> {
        let Ok(id) = i64::try_from(id) else { return Ok(None) };
        let found = self.query(&format!("{COLUMNS} WHERE id = ?1"), [id], read)?;
        Ok(found.into_iter().next())
    }

    /// Returns how many readers a page has.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn count_readers(&self, page: &str) -> Result<u64, OpenError> {
        let sql = "SELECT count(*) FROM status_reader WHERE page = ?1";
        let found = self.query(sql, [page], |row| row.get::<_, i64>(0))?;
        Ok(found.first().map_or(0, |count| count.cast_unsigned()))
    }

    /// Returns the highest number that a reader ever had; 0 if there was none.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn last_reader(&self) -> Result<u64, OpenError> {
        let sql = "SELECT seq FROM sqlite_sequence WHERE name = 'status_reader'";
        let found = self.query(sql, params![], |row| row.get::<_, i64>(0))?;
        Ok(found.first().map_or(0, |seq| seq.cast_unsigned()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    fn reader(id: u64, page: &str, address: &str) -> ReaderRecord {
        ReaderRecord {
            id,
            page: page.to_owned(),
            way: "mail".to_owned(),
            address: address.to_owned(),
            created: Unix(1000),
            told: Unix(1000),
        }
    }

    #[test]
    fn who_confirms_twice_is_one_reader_and_who_leaves_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = State::open(folder.path()).unwrap();
        let all = [
            reader(1, "a", "x@y.example"),
            reader(2, "a", "x@y.example"),
            reader(3, "b", "x@y.example"),
        ];
        state.commit(&[], &all.clone().map(Change::Reader)).unwrap();
        let look = state.reader().unwrap();
        assert_eq!((look.count_readers("a").unwrap(), look.count_readers("b").unwrap()), (1, 1));
        assert_eq!(look.status_reader(1).unwrap(), Some(all[0].clone()));
        state.commit(&[], &[Change::ReaderRemoved(1)]).unwrap();
        assert_eq!(look.status_reader(1).unwrap(), None);
        assert_eq!((look.count_readers("a").unwrap(), look.last_reader().unwrap()), (0, 3));
    }

    #[test]
    fn those_who_were_not_told_are_found_in_parts_and_none_is_told_twice() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = State::open(folder.path()).unwrap();
        let all: Vec<Change> =
            (1..=5).map(|id| Change::Reader(reader(id, "a", &format!("{id}@y.example")))).collect();
        state.commit(&[], &all).unwrap();
        let look = state.reader().unwrap();
        let behind = |until: i64, after: u64| -> Vec<u64> {
            let found = look.readers_behind("a", Unix(until), after, 2).unwrap();
            found.iter().map(|reader| reader.id).collect()
        };
        assert_eq!(behind(1000, 0), Vec::<u64>::new());
        assert_eq!((behind(2000, 0), behind(2000, 2)), (vec![1, 2], vec![3, 4]));
        state.commit(&[], &[Change::ReaderTold { id: 1, at: Unix(2000) }]).unwrap();
        state.commit(&[], &[Change::ReaderTold { id: 1, at: Unix(1500) }]).unwrap();
        assert_eq!(behind(2000, 0), [2, 3]);
    }
}

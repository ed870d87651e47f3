//! What was published on status pages. What it says is a text to the store: those that show it know its
//! shape, and its version.

use hark_model::time::Unix;
use rusqlite::{Row, Transaction, params};

use super::OpenError;
use super::commit::{CommitError, int};
use super::reader::StateReader;

/// The version of the texts that are written.
pub const PUBLIC_INCIDENT_VERSION: u32 = 1;

/// Something that was published on a status page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicIncidentRecord {
    /// Its number.
    pub id: u64,
    /// The word of the page.
    pub page: String,
    /// Counts its changes.
    pub version: u64,
    /// When it was last changed.
    pub updated: Unix,
    /// When it was over, or is to be.
    pub closed: Option<Unix>,
    /// The version of the text: see [`PUBLIC_INCIDENT_VERSION`].
    pub v: u32,
    /// What it says.
    pub body: String,
}

/// Puts one in the place of that of the same number.
pub(super) fn put(t: &Transaction<'_>, record: &PublicIncidentRecord) -> Result<(), CommitError> {
    let PublicIncidentRecord { id, page, version, updated, closed, v, body } = record;
    t.prepare_cached(
        "INSERT INTO public_incident (id, page, version, updated, closed, v, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (id) DO UPDATE SET page = excluded.page, version = excluded.version,
           updated = excluded.updated, closed = excluded.closed, v = excluded.v,
           body = excluded.body",
    )?
    .execute(params![
        int(*id)?,
        page,
        int(*version)?,
        updated.0,
        closed.map(|at| at.0),
        v,
        body
    ])?;
    Ok(())
}

/// Forgets all of a page that are over but the newest.
pub(super) fn keep(
    t: &Transaction<'_>,
    page: &str,
    keep: u32,
    now: Unix,
) -> Result<(), CommitError> {
    t.prepare_cached(
        "DELETE FROM public_incident WHERE page = ?1 AND closed < ?3 AND id <= (
           SELECT id FROM public_incident WHERE page = ?1 AND closed < ?3
           ORDER BY id DESC LIMIT 1 OFFSET ?2)",
    )?
    .execute(params![page, keep, now.0])?;
    Ok(())
}

fn read(row: &Row<'_>) -> rusqlite::Result<PublicIncidentRecord> {
    Ok(PublicIncidentRecord {
        id: row.get::<_, i64>(0)?.cast_unsigned(),
        page: row.get(1)?,
        version: row.get::<_, i64>(2)?.cast_unsigned(),
        updated: Unix(row.get(3)?),
        closed: row.get::<_, Option<i64>>(4)?.map(Unix),
        v: row.get(5)?,
        body: row.get(6)?,
    })
}

const COLUMNS: &str = "SELECT id, page, version, updated, closed, v, body FROM public_incident";

impl StateReader {
    /// Returns what was published on a page, by number.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn public_incidents(&self, page: &str) -> Result<Vec<PublicIncidentRecord>, OpenError> {
        self.query(&format!("{COLUMNS} WHERE page = ?1 ORDER BY id"), [page], read)
    }

    /// Returns the highest number that something published ever had; 0 if nothing was.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn last_public_incident(&self) -> Result<u64, OpenError> {
        let sql = "SELECT seq FROM sqlite_sequence WHERE name = 'public_incident'";
        let found = self.query(sql, params![], |row| row.get::<_, i64>(0))?;
        Ok(found.first().map_or(0, |seq| seq.cast_unsigned()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Change, State};
    use super::*;

    fn incident(id: u64, page: &str, closed: Option<i64>) -> PublicIncidentRecord {
        PublicIncidentRecord {
            id,
            page: page.to_owned(),
            version: 1,
            updated: Unix(1000),
            closed: closed.map(Unix),
            v: PUBLIC_INCIDENT_VERSION,
            body: "{\"title\":\"x\"}".to_owned(),
        }
    }

    fn made(state: &mut State, incidents: &[PublicIncidentRecord]) {
        let changes: Vec<Change> = incidents.iter().cloned().map(Change::PublicIncident).collect();
        state.commit(&[], &changes).unwrap();
    }

    #[test]
    fn what_was_published_comes_back_whole_and_a_change_takes_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = State::open(folder.path()).unwrap();
        made(&mut state, &[incident(1, "a", None), incident(2, "b", None)]);
        let changed =
            PublicIncidentRecord { version: 2, body: "{}".to_owned(), ..incident(1, "a", Some(5)) };
        made(&mut state, std::slice::from_ref(&changed));
        let reader = state.reader().unwrap();
        assert_eq!(reader.public_incidents("a").unwrap(), [changed]);
        assert_eq!(reader.public_incidents("c").unwrap(), []);
    }

    #[test]
    fn the_newest_that_are_over_are_kept_and_none_that_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = State::open(folder.path()).unwrap();
        let all = [Some(1), None, Some(9000), Some(1), Some(1), Some(1)];
        let all: Vec<PublicIncidentRecord> =
            (1..).zip(all).map(|(id, closed)| incident(id, "a", closed)).collect();
        made(&mut state, &all);
        made(&mut state, &[incident(7, "b", Some(1))]);
        let kept = Change::PublicIncidentsKept { page: "a".to_owned(), keep: 2, now: Unix(8000) };
        state.commit(&[], &[kept]).unwrap();
        let reader = state.reader().unwrap();
        let ids = |page: &str| -> Vec<u64> {
            reader.public_incidents(page).unwrap().iter().map(|one| one.id).collect()
        };
        assert_eq!((ids("a"), ids("b")), (vec![2, 3, 5, 6], vec![7]));
    }

    #[test]
    fn a_number_is_never_used_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = State::open(folder.path()).unwrap();
        made(&mut state, &[incident(7, "a", None)]);
        state.commit(&[], &[Change::PublicIncidentRemoved(7)]).unwrap();
        let reader = state.reader().unwrap();
        assert_eq!(reader.public_incidents("a").unwrap(), []);
        assert_eq!(reader.last_public_incident().unwrap(), 7);
    }
}

//! Dashboards. What they show is a text to the store: those that show it know its shape, and its version.

use hark_model::name::UserName;
use hark_model::time::Unix;
use rusqlite::{Row, Transaction, params};

use super::commit::{CommitError, int};
use super::reader::StateReader;
use super::{OpenError, State};

/// The version of the texts that are written.
pub const DASHBOARD_VERSION: u32 = 1;

/// Dashboards that were removed and are kept of each owner: as many as somebody may have, so that a whole
/// set that was removed by mistake comes back. Of more, the ones that were removed first are forgotten.
const KEPT_OF_OWNER: u32 = 50;

/// Dashboards that were removed and are kept of all: as many as there may be.
const KEPT: u32 = 1000;

/// A dashboard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DashboardRecord {
    /// Its number.
    pub id: u64,
    /// Who made it.
    pub owner: UserName,
    /// Counts its changes.
    pub version: u64,
    /// When it was last changed.
    pub updated: Unix,
    /// When it was removed: it can be restored for a while.
    pub removed: Option<Unix>,
    /// The version of the text: see [`DASHBOARD_VERSION`].
    pub v: u32,
    /// What it shows.
    pub body: String,
}

/// Puts one in the place of that of the same number.
pub(super) fn put(t: &Transaction<'_>, dashboard: &DashboardRecord) -> Result<(), CommitError> {
    let DashboardRecord { id, owner, version, updated, removed, v, body } = dashboard;
    t.prepare_cached(
        "INSERT INTO dashboard (id, owner, version, updated, removed, v, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (id) DO UPDATE SET owner = excluded.owner, version = excluded.version,
           updated = excluded.updated, removed = excluded.removed, v = excluded.v,
           body = excluded.body",
    )?
    .execute(params![
        int(*id)?,
        owner.as_str(),
        int(*version)?,
        updated.0,
        removed.map(|at| at.0),
        v,
        body
    ])?;
    if removed.is_some() { bound(t, owner) } else { Ok(()) }
}

/// Removes all dashboards of a user, as he would one by one.
pub(super) fn remove_of(
    t: &Transaction<'_>,
    owner: &UserName,
    at: Unix,
) -> Result<(), CommitError> {
    t.prepare_cached("UPDATE dashboard SET removed = ?2 WHERE owner = ?1 AND removed IS NULL")?
        .execute(params![owner.as_str(), at.0])?;
    bound(t, owner)
}

/// Forgets those above the bounds: nobody fills the disk by making dashboards and removing them.
fn bound(t: &Transaction<'_>, owner: &UserName) -> Result<(), CommitError> {
    t.prepare_cached(
        "DELETE FROM dashboard WHERE id IN (
           SELECT id FROM dashboard WHERE owner = ?1 AND removed IS NOT NULL
           ORDER BY removed DESC, id DESC LIMIT -1 OFFSET ?2)",
    )?
    .execute(params![owner.as_str(), KEPT_OF_OWNER])?;
    t.prepare_cached(
        "DELETE FROM dashboard WHERE id IN (
           SELECT id FROM dashboard WHERE removed IS NOT NULL
           ORDER BY removed DESC, id DESC LIMIT -1 OFFSET ?1)",
    )?
    .execute([KEPT])?;
    Ok(())
}

impl State {
    /// Forgets dashboards that were removed before `before`; returns how many.
    ///
    /// # Errors
    /// As [`State::commit`].
    pub fn prune_dashboards(&mut self, before: Unix) -> Result<u64, CommitError> {
        // A commit that changes nothing would be synced all the same, each time.
        let look = "SELECT EXISTS (SELECT 1 FROM dashboard WHERE removed < ?1)";
        if !self.connection.query_row(look, [before.0], |row| row.get::<_, bool>(0))? {
            return Ok(0);
        }
        self.transact(|t, _| {
            let mut gone = t.prepare_cached("DELETE FROM dashboard WHERE removed < ?1")?;
            Ok(gone.execute([before.0])? as u64)
        })
    }
}

/// A damaged row is left out: the others are still of use.
fn read(row: &Row<'_>) -> rusqlite::Result<Option<DashboardRecord>> {
    let Ok(owner) = UserName::new(&row.get::<_, String>(1)?) else { return Ok(None) };
    Ok(Some(DashboardRecord {
        id: row.get::<_, i64>(0)?.cast_unsigned(),
        owner,
        version: row.get::<_, i64>(2)?.cast_unsigned(),
        updated: Unix(row.get(3)?),
        removed: row.get::<_, Option<i64>>(4)?.map(Unix),
        v: row.get(5)?,
        body: row.get(6)?,
    }))
}

const COLUMNS: &str = "SELECT id, owner, version, updated, removed, v, body FROM dashboard";

impl StateReader {
    /// Returns every dashboard that was not removed, by number.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn dashboards(&self) -> Result<Vec<DashboardRecord>, OpenError> {
        let sql = format!("{COLUMNS} WHERE removed IS NULL ORDER BY id");
        Ok(self.query(&sql, params![], read)?.into_iter().flatten().collect())
    }

    /// Returns a dashboard, also one that was removed.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn dashboard(&self, id: u64) -> Result<Option<DashboardRecord>, OpenError> {
        let Ok(id) = i64::try_from(id) else { return Ok(None) };
        let found = self.query(&format!("{COLUMNS} WHERE id = ?1"), [id], read)?;
        Ok(found.into_iter().flatten().next())
    }

    /// Returns the highest number that a dashboard ever had; 0 if there was none.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn last_dashboard(&self) -> Result<u64, OpenError> {
        let sql = "SELECT seq FROM sqlite_sequence WHERE name = 'dashboard'";
        let found = self.query(sql, params![], |row| row.get::<_, i64>(0))?;
        Ok(found.first().map_or(0, |seq| seq.cast_unsigned()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Change;
    use super::*;

    fn dashboard(id: u64, owner: &str) -> DashboardRecord {
        DashboardRecord {
            id,
            owner: UserName::new(owner).unwrap(),
            version: 1,
            updated: Unix(1000),
            removed: None,
            v: DASHBOARD_VERSION,
            body: "{\"title\":\"Databases\"}".to_owned(),
        }
    }

    #[test]
    fn a_dashboard_comes_back_whole_and_a_change_takes_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = State::open(folder.path()).unwrap();
        let first = dashboard(1, "mira");
        let changed = DashboardRecord { version: 2, body: "{}".to_owned(), ..first.clone() };
        let made = [Change::Dashboard(first), Change::Dashboard(dashboard(2, "ben"))];
        state.commit(&[], &made).unwrap();
        state.commit(&[], &[Change::Dashboard(changed.clone())]).unwrap();
        let reader = state.reader().unwrap();
        assert_eq!(reader.dashboards().unwrap(), [changed.clone(), dashboard(2, "ben")]);
        assert_eq!(reader.dashboard(1).unwrap(), Some(changed));
        assert_eq!(reader.dashboard(u64::MAX).unwrap(), None);
    }

    #[test]
    fn one_that_was_removed_is_kept_for_a_while_and_its_number_is_never_used_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = State::open(folder.path()).unwrap();
        let gone = DashboardRecord { removed: Some(Unix(5000)), ..dashboard(7, "mira") };
        state.commit(&[], &[Change::Dashboard(gone.clone())]).unwrap();
        let reader = state.reader().unwrap();
        assert_eq!(reader.dashboards().unwrap(), []);
        assert_eq!(reader.dashboard(7).unwrap(), Some(gone));
        assert_eq!(state.prune_dashboards(Unix(5000)).unwrap(), 0);
        assert!(reader.dashboard(7).unwrap().is_some(), "not before the time");
        assert_eq!(state.prune_dashboards(Unix(5001)).unwrap(), 1);
        assert_eq!(reader.dashboard(7).unwrap(), None);
        assert_eq!(reader.last_dashboard().unwrap(), 7);
    }

    #[test]
    fn of_those_that_were_removed_the_last_are_kept_of_each_owner_and_of_all() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = State::open(folder.path()).unwrap();
        let gone = |id: u64, owner: &str| {
            let removed = Some(Unix(5000 + id.cast_signed()));
            Change::Dashboard(DashboardRecord { removed, ..dashboard(id, owner) })
        };
        let kept = |state: &State| -> Vec<u64> {
            let reader = state.reader().unwrap();
            (1..=2000).filter(|id| reader.dashboard(*id).unwrap().is_some()).collect()
        };
        state.commit(&[], &[Change::Dashboard(dashboard(1, "mira")), gone(2, "ben")]).unwrap();
        let many: Vec<Change> = (3..=100).map(|id| gone(id, "mira")).collect();
        state.commit(&[], &many).unwrap();
        let expected: Vec<u64> = [1, 2].into_iter().chain(51..=100).collect();
        assert_eq!(kept(&state), expected, "what is there stays, and what is somebody else's");
        let many: Vec<Change> =
            (101..=1200).map(|id| gone(id, &format!("user{}", id / 40))).collect();
        state.commit(&[], &many).unwrap();
        let found = kept(&state);
        assert_eq!((found.len(), found[0], found[1]), (1001, 1, 201));
    }

    #[test]
    fn the_dashboards_of_a_user_go_with_him() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = State::open(folder.path()).unwrap();
        let made =
            [Change::Dashboard(dashboard(1, "mira")), Change::Dashboard(dashboard(2, "ben"))];
        state.commit(&[], &made).unwrap();
        let mira = UserName::new("mira").unwrap();
        state.commit(&[], &[Change::UserRemoved(mira)]).unwrap();
        assert_eq!(state.reader().unwrap().dashboards().unwrap(), [dashboard(2, "ben")]);
    }
}

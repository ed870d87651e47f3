//! Browsers in which users have turned notifications on.

use hark_model::name::UserName;
use hark_model::time::Unix;
use rusqlite::{Row, Transaction, params};

use super::OpenError;
use super::commit::{CommitError, int};
use super::reader::StateReader;

/// A browser that shows notifications.
#[derive(Clone, PartialEq, Eq)]
pub struct BrowserRecord {
    /// Its number.
    pub id: u64,
    /// Whose.
    pub user: UserName,
    /// What its user calls it.
    pub label: String,
    /// Its address at a push service: one browser has one.
    pub endpoint: String,
    /// Its public key.
    pub key: String,
    /// What it shares with those who write to it.
    pub secret: String,
    /// When notifications were turned on.
    pub created: Unix,
}

impl std::fmt::Debug for BrowserRecord {
    /// Shows everything but address and secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BrowserRecord")
            .field("id", &self.id)
            .field("user", &self.user)
            .field("label", &self.label)
            .field("created", &self.created)
            .finish_non_exhaustive()
    }
}

/// Writes one. A browser that changes hands shows the notifications of whoever turned them on last: it is
/// the address that counts.
pub(super) fn put(t: &Transaction<'_>, browser: &BrowserRecord) -> Result<(), CommitError> {
    let BrowserRecord { id, user, label, endpoint, key, secret, created } = browser;
    t.prepare_cached("DELETE FROM browser WHERE endpoint = ?1")?.execute([endpoint])?;
    t.prepare_cached(
        "INSERT INTO browser (id, name, label, endpoint, key, secret, created)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![int(*id)?, user.as_str(), label, endpoint, key, secret, created.0])?;
    Ok(())
}

/// Forgets one of a user.
pub(super) fn remove(t: &Transaction<'_>, id: u64, user: &UserName) -> Result<(), CommitError> {
    let sql = "DELETE FROM browser WHERE id = ?1 AND name = ?2";
    t.prepare_cached(sql)?.execute(params![int(id)?, user.as_str()])?;
    Ok(())
}

/// Forgets all of a user.
pub(super) fn forget(t: &Transaction<'_>, user: &UserName) -> Result<(), CommitError> {
    t.prepare_cached("DELETE FROM browser WHERE name = ?1")?.execute([user.as_str()])?;
    Ok(())
}

/// A damaged row is left out: the others are still of use.
fn read(row: &Row<'_>) -> rusqlite::Result<Option<BrowserRecord>> {
    let Ok(user) = UserName::new(&row.get::<_, String>(1)?) else { return Ok(None) };
    Ok(Some(BrowserRecord {
        id: row.get::<_, i64>(0)?.cast_unsigned(),
        user,
        label: row.get(2)?,
        endpoint: row.get(3)?,
        key: row.get(4)?,
        secret: row.get(5)?,
        created: Unix(row.get(6)?),
    }))
}

impl StateReader {
    /// Returns the browsers of a user, the oldest first.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn browsers(&self, user: &UserName) -> Result<Vec<BrowserRecord>, OpenError> {
        let sql = "SELECT id, name, label, endpoint, key, secret, created FROM browser
                   WHERE name = ?1 ORDER BY id";
        Ok(self.query(sql, [user.as_str()], read)?.into_iter().flatten().collect())
    }

    /// Returns the highest number that a browser ever had; 0 if there was none.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn last_browser(&self) -> Result<u64, OpenError> {
        let sql = "SELECT seq FROM sqlite_sequence WHERE name = 'browser'";
        let found = self.query(sql, params![], |row| row.get::<_, i64>(0))?;
        Ok(found.first().map_or(0, |seq| seq.cast_unsigned()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Change, State};
    use super::*;

    fn user(name: &str) -> UserName {
        UserName::new(name).unwrap()
    }

    fn browser(id: u64, of: &str, endpoint: &str) -> BrowserRecord {
        BrowserRecord {
            id,
            user: user(of),
            label: "phone".to_owned(),
            endpoint: endpoint.to_owned(),
            key: "key".to_owned(),
            secret: "secret".to_owned(),
            created: Unix(1000),
        }
    }

    #[test]
    fn a_browser_is_its_users_until_somebody_else_turns_it_on_there() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = State::open(folder.path()).unwrap();
        let both = [browser(1, "mira", "https://a/1"), browser(2, "mira", "https://a/2")];
        state.commit(&[], &both.clone().map(Change::Browser)).unwrap();
        let reader = state.reader().unwrap();
        assert_eq!(reader.browsers(&user("mira")).unwrap(), both);
        let taken = browser(3, "tom", "https://a/1");
        state.commit(&[], &[Change::Browser(taken.clone())]).unwrap();
        assert_eq!(reader.browsers(&user("mira")).unwrap(), both[1..]);
        assert_eq!(reader.browsers(&user("tom")).unwrap(), [taken]);
    }

    #[test]
    fn only_the_address_that_is_gone_is_forgotten_and_only_by_its_user() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = State::open(folder.path()).unwrap();
        let known = browser(1, "mira", "https://a/1");
        state.commit(&[], &[Change::Browser(known.clone())]).unwrap();
        let reader = state.reader().unwrap();
        let gone = |of: &str| Change::BrowserRemoved { id: 1, user: user(of) };
        state.commit(&[], &[gone("tom")]).unwrap();
        assert_eq!(reader.browsers(&user("mira")).unwrap(), [known]);
        state.commit(&[], &[gone("mira")]).unwrap();
        assert_eq!(reader.browsers(&user("mira")).unwrap(), []);
        assert_eq!(reader.last_browser().unwrap(), 1, "its number is never used again");
    }

    #[test]
    fn the_browsers_of_a_user_go_with_him() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = State::open(folder.path()).unwrap();
        let all = [browser(1, "mira", "https://a/1"), browser(2, "tom", "https://a/2")];
        state.commit(&[], &all.clone().map(Change::Browser)).unwrap();
        let left = Change::UserLeft { user: user("mira"), at: Unix(5) };
        state.commit(&[], &[left]).unwrap();
        let reader = state.reader().unwrap();
        assert_eq!(reader.browsers(&user("mira")).unwrap(), []);
        assert_eq!(reader.browsers(&user("tom")).unwrap(), all[1..]);
        state.commit(&[], &[Change::UserRemoved(user("tom"))]).unwrap();
        assert_eq!(reader.browsers(&user("tom")).unwrap(), []);
    }
}

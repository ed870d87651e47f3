//! What users prove themselves with beside the password.

use hark_model::Unix;
use hark_model::name::UserName;
use rusqlite::Row;

use super::accounts::{hash, user_name};
use super::{MAX_ROWS, Query, StateReader};
use crate::state::OpenError;
use crate::state::commit::RowError;
use crate::state::factors::{FactorsRecord, PasskeyRecord, TotpRecord};

impl StateReader {
    /// Returns the second factors of a user; a user who has none has an empty record.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn factors(&self, user: &UserName) -> Result<FactorsRecord, OpenError> {
        let mut query = Query::new();
        query.with("name =", Some(user.to_string()));
        let sql = query.sql_ordered("secret, since, step", "totp", "name", 1);
        let totp = self.one(&sql, &query, totp)?;
        let sql = query.sql_ordered("hash", "recovery_code", "hash", MAX_ROWS);
        let recovery = self.rows(&sql, &query, |row| hash(row, 0))?;
        let sql = query.sql_ordered(PASSKEY, "passkey", "created, id", MAX_ROWS);
        let passkeys = self.rows(&sql, &query, passkey)?;
        Ok(FactorsRecord { user: user.clone(), totp, recovery, passkeys })
    }

    /// Returns whose the passkey with this number is.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn passkey_owner(&self, id: &[u8]) -> Result<Option<UserName>, OpenError> {
        let mut query = Query::new();
        query.with("id =", Some(id.to_vec()));
        let sql = query.sql_ordered("name", "passkey", "id", 1);
        self.one(&sql, &query, |row| user_name(row, 0))
    }

    /// Returns every user who has a second factor, by name.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn users_with_factors(&self) -> Result<Vec<UserName>, OpenError> {
        let sql = "SELECT name FROM totp UNION SELECT name FROM passkey ORDER BY name";
        self.rows(sql, &Query::new(), |row| user_name(row, 0))
    }
}

fn totp(row: &Row<'_>) -> Result<TotpRecord, RowError> {
    Ok(TotpRecord {
        secret: row.get(0)?,
        since: Unix(row.get(1)?),
        step: row.get::<_, i64>(2)?.cast_unsigned(),
    })
}

const PASSKEY: &str = "id, label, domain, algorithm, key, counter, created, used";

fn passkey(row: &Row<'_>) -> Result<PasskeyRecord, RowError> {
    Ok(PasskeyRecord {
        id: row.get(0)?,
        label: row.get(1)?,
        domain: row.get(2)?,
        algorithm: row.get(3)?,
        key: row.get(4)?,
        counter: row.get(5)?,
        created: Unix(row.get(6)?),
        used: row.get::<_, Option<i64>>(7)?.map(Unix),
    })
}

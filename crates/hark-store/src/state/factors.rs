//! What users prove themselves with beside the password: codes of an app, codes kept for the worst, keys.
//!
//! All of one user is written at once, in place of what was there: what belongs together cannot come
//! apart, and a code that was used is gone for good with the commit that let its user in.

use hark_model::name::UserName;
use hark_model::time::Unix;
use rusqlite::{Transaction, params};

use super::access::TokenHash;
use super::commit::CommitError;

/// Second factors of a user, whether the user stands in the store or in the configuration.
#[derive(Clone, PartialEq, Eq)]
pub struct FactorsRecord {
    /// Whose.
    pub user: UserName,
    /// The app that makes codes.
    pub totp: Option<TotpRecord>,
    /// Hashes of the recovery codes that were not used yet.
    pub recovery: Vec<TokenHash>,
    /// Passkeys, the oldest first.
    pub passkeys: Vec<PasskeyRecord>,
}

impl FactorsRecord {
    /// Returns that `user` has none.
    pub fn none(user: UserName) -> Self {
        Self { user, totp: None, recovery: Vec::new(), passkeys: Vec::new() }
    }
}

impl std::fmt::Debug for FactorsRecord {
    /// Shows everything but the secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FactorsRecord")
            .field("user", &self.user)
            .field("totp", &self.totp.is_some())
            .field("recovery", &self.recovery.len())
            .field("passkeys", &self.passkeys.len())
            .finish()
    }
}

/// An app that makes codes.
#[derive(Clone, PartialEq, Eq)]
pub struct TotpRecord {
    /// What the codes are made of. It cannot be a hash: the server makes the same codes.
    pub secret: Vec<u8>,
    /// Since when.
    pub since: Unix,
    /// The step of the newest code that was used: none up to it is taken again.
    pub step: u64,
}

impl std::fmt::Debug for TotpRecord {
    /// Shows everything but the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TotpRecord").field("since", &self.since).finish_non_exhaustive()
    }
}

/// A passkey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasskeyRecord {
    /// What the browser knows it by.
    pub id: Vec<u8>,
    /// What its owner calls it.
    pub label: String,
    /// The name of the server it was made for.
    pub domain: String,
    /// Its algorithm, as COSE numbers them.
    pub algorithm: i64,
    /// Its public key, in the form that the algorithm is checked with.
    pub key: Vec<u8>,
    /// How often it has signed, as far as it says so.
    pub counter: u32,
    /// Since when.
    pub created: Unix,
    /// When it was last used.
    pub used: Option<Unix>,
}

/// Writes `record` in place of what the user had. A passkey that is somebody else's stays his: to fail
/// would fail everything that is committed with it.
pub(super) fn replace(t: &Transaction<'_>, record: &FactorsRecord) -> Result<(), CommitError> {
    let name = record.user.as_str();
    forget(t, &record.user)?;
    if let Some(totp) = &record.totp {
        t.prepare_cached("INSERT INTO totp (name, secret, since, step) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![name, totp.secret, totp.since.0, totp.step.cast_signed()])?;
    }
    for hash in &record.recovery {
        t.prepare_cached("INSERT INTO recovery_code (name, hash) VALUES (?1, ?2)")?
            .execute(params![name, hash.as_slice()])?;
    }
    for key in &record.passkeys {
        let sql = "INSERT INTO passkey
                     (id, name, label, domain, algorithm, key, counter, created, used)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (id) DO NOTHING";
        t.prepare_cached(sql)?.execute(params![
            key.id,
            name,
            key.label,
            key.domain,
            key.algorithm,
            key.key,
            key.counter,
            key.created.0,
            key.used.map(|used| used.0)
        ])?;
    }
    Ok(())
}

/// Drops all that `user` has.
pub(super) fn forget(t: &Transaction<'_>, user: &UserName) -> Result<(), CommitError> {
    for sql in [
        "DELETE FROM totp WHERE name = ?1",
        "DELETE FROM recovery_code WHERE name = ?1",
        "DELETE FROM passkey WHERE name = ?1",
    ] {
        t.prepare_cached(sql)?.execute([user.as_str()])?;
    }
    Ok(())
}

//! Second factors as stored.

use std::fmt;

use hark_model::{Unix, UserName};

use super::{Answer, TokenHash};

/// What a user proves himself with beside the password.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Factors {
    /// The app that makes codes.
    pub totp: Option<Totp>,
    /// Hashes of the recovery codes that were not used.
    pub recovery: Vec<TokenHash>,
    /// Passkeys, the oldest first.
    pub passkeys: Vec<PasskeyRecord>,
}

impl Factors {
    /// Returns true if there is one: recovery codes alone are none.
    pub fn any(&self) -> bool {
        self.totp.is_some() || !self.passkeys.is_empty()
    }
}

/// An app that makes codes.
#[derive(Clone, PartialEq, Eq)]
pub struct Totp {
    /// What the codes are made of.
    pub secret: Vec<u8>,
    /// Since when.
    pub since: Unix,
    /// The step of the newest code that was used.
    pub step: u64,
}

impl fmt::Debug for Totp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Totp").field("since", &self.since).finish_non_exhaustive()
    }
}

/// A passkey as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasskeyRecord {
    /// What the browser knows it by.
    pub id: Vec<u8>,
    /// What its owner calls it.
    pub name: String,
    /// The name of the server it was made for.
    pub domain: String,
    /// Its algorithm, as COSE numbers them.
    pub algorithm: i64,
    /// Its public key, in the form that the algorithm is checked with.
    pub key: Vec<u8>,
    /// How often it has signed, as far as it says so.
    pub counter: u32,
    /// When it was made.
    pub created: Unix,
    /// When it was last used.
    pub used: Option<Unix>,
}

/// Storage of second factors. They are of users of the store and of the configuration alike.
#[expect(clippy::missing_errors_doc, reason = "said once, at the type that all of them return")]
pub trait FactorStore {
    /// Returns the second factors of a user; none if nothing is stored.
    fn factors(&self, user: &UserName) -> Answer<Factors>;
    /// Stores them in place of what was there.
    fn put_factors(&self, user: &UserName, factors: &Factors) -> Answer<()>;
    /// Returns whose the passkey of this number is.
    fn passkey_owner(&self, id: &[u8]) -> Answer<UserName>;
    /// Returns every user who has a second factor.
    fn users_with_factors(&self) -> Answer<Vec<UserName>>;
}

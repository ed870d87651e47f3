//! Second factors in memory.

use hark_model::UserName;
use hark_web::{Answer, FactorStore, Factors};

use super::{Fake, found};

impl FactorStore for Fake {
    fn factors(&self, user: &UserName) -> Answer<Factors> {
        Ok(self.stored().factors.get(user).cloned().unwrap_or_default())
    }

    fn put_factors(&self, user: &UserName, factors: &Factors) -> Answer<()> {
        self.stored().factors.insert(user.clone(), factors.clone());
        Ok(())
    }

    fn passkey_owner(&self, id: &[u8]) -> Answer<UserName> {
        let stored = self.stored();
        let mut all = stored.factors.iter();
        found(all.find(|(_, f)| f.passkeys.iter().any(|key| key.id == id)).map(|(u, _)| u.clone()))
    }

    fn users_with_factors(&self) -> Answer<Vec<UserName>> {
        let stored = self.stored();
        Ok(stored.factors.iter().filter(|(_, f)| f.any()).map(|(user, _)| user.clone()).collect())
    }
}

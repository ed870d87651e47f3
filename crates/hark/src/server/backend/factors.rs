//! Storage of second factors.

use hark_model::UserName;
use hark_store::state::{Change, FactorsRecord, PasskeyRecord as StoredPasskey, TotpRecord};
use hark_web::{Answer, FactorStore, Factors, PasskeyRecord, Refused, Totp};

use super::ServerBackend;

impl FactorStore for ServerBackend {
    fn factors(&self, user: &UserName) -> Answer<Factors> {
        let stored = self.read(|reader| reader.factors(user))?;
        let totp = stored.totp.map(|t| Totp { secret: t.secret, since: t.since, step: t.step });
        let passkeys = stored.passkeys.into_iter().map(shown).collect();
        Ok(Factors { totp, recovery: stored.recovery, passkeys })
    }

    fn put_factors(&self, user: &UserName, factors: &Factors) -> Answer<()> {
        let totp = factors.totp.as_ref().map(|totp| TotpRecord {
            secret: totp.secret.clone(),
            since: totp.since,
            step: totp.step,
        });
        self.write(vec![Change::Factors(FactorsRecord {
            user: user.clone(),
            totp,
            recovery: factors.recovery.clone(),
            passkeys: factors.passkeys.iter().map(stored).collect(),
        })])
    }

    fn passkey_owner(&self, id: &[u8]) -> Answer<UserName> {
        self.read(|reader| reader.passkey_owner(id))?.ok_or(Refused::Absent)
    }

    fn users_with_factors(&self) -> Answer<Vec<UserName>> {
        self.read(hark_store::state::StateReader::users_with_factors)
    }
}

fn shown(key: StoredPasskey) -> PasskeyRecord {
    PasskeyRecord {
        id: key.id,
        name: key.label,
        domain: key.domain,
        algorithm: key.algorithm,
        key: key.key,
        counter: key.counter,
        created: key.created,
        used: key.used,
    }
}

fn stored(key: &PasskeyRecord) -> StoredPasskey {
    StoredPasskey {
        id: key.id.clone(),
        label: key.name.clone(),
        domain: key.domain.clone(),
        algorithm: key.algorithm,
        key: key.key.clone(),
        counter: key.counter,
        created: key.created,
        used: key.used,
    }
}

//! Backups of the fake: one that there is, and one that is made.

use hark_api::Timestamp;
use hark_api::keeping::Backup;
use hark_web::{Answer, Keeping, Refused, Told};

use super::{Fake, THEN};

fn backup(name: &str) -> Backup {
    Backup {
        name: name.to_owned(),
        path: format!("/var/lib/hark/backups/{name}"),
        taken_at: Timestamp(THEN),
        bytes: 4096,
        with_history: true,
        damage: String::new(),
        version: "0.1.0".to_owned(),
    }
}

impl Keeping for Fake {
    fn backups(&self) -> Answer<Vec<Backup>> {
        Ok(vec![backup("hark-20261120T000000Z")])
    }

    fn back_up(&self, told: Told<'_>) -> Answer<Backup> {
        for done in 0..=3 {
            if !told(done, 3) {
                return Err(Refused::Conflict("it was ended before it was whole".to_owned()));
            }
        }
        Ok(backup("hark-20261121T000000Z"))
    }

    fn end_quarantine(&self) -> Answer<()> {
        Ok(())
    }
}

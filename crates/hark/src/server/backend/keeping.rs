//! Backups, and the end of a quarantine.

use hark_api::keeping::Backup;
use hark_web::{Answer, Keeping, Refused, Told};

use super::ServerBackend;
use crate::server::quarantine;
use crate::server::store_loop::chain;

impl Keeping for ServerBackend {
    fn backups(&self) -> Answer<Vec<Backup>> {
        Ok(self.links.backups.list())
    }

    fn back_up(&self, told: Told<'_>) -> Answer<Backup> {
        let made = self.links.backups.make(told);
        made.map_err(|error| Refused::Conflict(chain(&error)))
    }

    fn end_quarantine(&self) -> Answer<()> {
        let quarantine = &self.links.quarantine;
        if !quarantine.is_on() {
            return Err(Refused::Conflict("this server is in no quarantine".to_owned()));
        }
        quarantine.end().map_err(|error| {
            Refused::Conflict(format!("the mark of the quarantine cannot be removed: {error}"))
        })?;
        tracing::warn!("the quarantine is over: people are told from here on");
        self.links.is(quarantine::PART, None);
        Ok(())
    }
}

//! Dashboards of the fake: those that there are, and those that were removed.

use hark_api::dashboards::{Content, MAX_OWN};
use hark_model::{Unix, UserName};
use hark_web::{Answer, DashboardRecord, Dashboards, Refused};

use super::{Fake, THEN, found};

impl Dashboards for Fake {
    fn dashboards(&self) -> Answer<Vec<DashboardRecord>> {
        let stored = self.stored();
        let there = stored.dashboards.values().filter(|(_, removed)| !removed);
        Ok(there.map(|(one, _)| one.clone()).collect())
    }

    fn dashboard(&self, id: u64, removed: bool) -> Answer<DashboardRecord> {
        let stored = self.stored();
        let one = stored.dashboards.get(&id).filter(|(_, gone)| *gone == removed);
        found(one.map(|(one, _)| one.clone()))
    }

    fn make_dashboard(&self, owner: &UserName, content: &Content) -> Answer<DashboardRecord> {
        let mut stored = self.stored();
        if stored.dashboards.values().filter(|(one, _)| one.owner == *owner).count() >= MAX_OWN {
            return Err(Refused::Conflict("too many".to_owned()));
        }
        let id = stored.dashboards.len() as u64 + 1;
        let (owner, content) = (owner.clone(), content.clone());
        let made = DashboardRecord { id, owner, version: 1, updated: THEN, content };
        stored.dashboards.insert(id, (made.clone(), false));
        Ok(made)
    }

    fn change_dashboard(
        &self,
        id: u64,
        version: Option<u64>,
        content: &Content,
    ) -> Answer<DashboardRecord> {
        let before = self.dashboard(id, false)?;
        if version.is_some_and(|version| version != before.version) {
            return Err(Refused::Conflict("it was changed meanwhile".to_owned()));
        }
        let updated = Unix(before.updated.0 + 1000);
        let content = content.clone();
        let changed = DashboardRecord { version: before.version + 1, updated, content, ..before };
        self.stored().dashboards.insert(id, (changed.clone(), false));
        Ok(changed)
    }

    fn remove_dashboard(&self, id: u64) -> Answer<()> {
        let gone = self.dashboard(id, false)?;
        self.stored().dashboards.insert(id, (gone, true));
        Ok(())
    }

    fn restore_dashboard(&self, id: u64) -> Answer<DashboardRecord> {
        let back = self.dashboard(id, true)?;
        self.stored().dashboards.insert(id, (back.clone(), false));
        Ok(back)
    }
}

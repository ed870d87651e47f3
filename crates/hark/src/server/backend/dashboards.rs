//! Dashboards: kept in `state` as JSON of the API's own shape, which only ever gains fields.

use std::sync::PoisonError;

use hark_api::dashboards::{Content, MAX_ALL, MAX_OWN};
use hark_model::UserName;
use hark_model::time::Clock;
use hark_store::state::{Change, DASHBOARD_VERSION, DashboardRecord as Stored, StateReader};
use hark_web::{Answer, DashboardRecord, Dashboards, Refused};

use super::ServerBackend;
use crate::server::store_loop::REMOVED_KEPT;

impl Dashboards for ServerBackend {
    fn dashboards(&self) -> Answer<Vec<DashboardRecord>> {
        let all = self.read(StateReader::dashboards)?;
        Ok(all.into_iter().filter_map(read).collect())
    }

    fn dashboard(&self, id: u64, removed: bool) -> Answer<DashboardRecord> {
        read(self.stored(id, removed)?).ok_or(Refused::Absent)
    }

    fn make_dashboard(&self, owner: &UserName, content: &Content) -> Answer<DashboardRecord> {
        let _alone = self.ordering.lock().unwrap_or_else(PoisonError::into_inner);
        self.check_room(owner)?;
        let made = Stored {
            id: self.read(StateReader::last_dashboard)? + 1,
            owner: owner.clone(),
            version: 1,
            updated: Clock.now().unix,
            removed: None,
            v: DASHBOARD_VERSION,
            body: body(content)?,
        };
        self.put(made)
    }

    fn change_dashboard(
        &self,
        id: u64,
        version: Option<u64>,
        content: &Content,
    ) -> Answer<DashboardRecord> {
        let _alone = self.ordering.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.stored(id, false)?;
        if version.is_some_and(|version| version != before.version) {
            return Err(Refused::Conflict(format!(
                "it was changed meanwhile: it is version {} now",
                before.version
            )));
        }
        let version = before.version + 1;
        let updated = Clock.now().unix;
        let body = body(content)?;
        self.put(Stored { version, updated, v: DASHBOARD_VERSION, body, ..before })
    }

    fn remove_dashboard(&self, id: u64) -> Answer<()> {
        let _alone = self.ordering.lock().unwrap_or_else(PoisonError::into_inner);
        let gone = Stored { removed: Some(Clock.now().unix), ..self.stored(id, false)? };
        self.write(vec![Change::Dashboard(gone)])
    }

    fn restore_dashboard(&self, id: u64) -> Answer<DashboardRecord> {
        let _alone = self.ordering.lock().unwrap_or_else(PoisonError::into_inner);
        let gone = self.stored(id, true)?;
        self.check_room(&gone.owner)?;
        self.put(Stored { removed: None, ..gone })
    }
}

impl ServerBackend {
    /// Returns one that is there, or one that was removed not too long ago.
    fn stored(&self, id: u64, removed: bool) -> Answer<Stored> {
        let found = self.read(|reader| reader.dashboard(id))?.ok_or(Refused::Absent)?;
        let is_meant = match found.removed {
            None => !removed,
            Some(at) => removed && Clock.now().unix.since(at) < REMOVED_KEPT,
        };
        if is_meant { Ok(found) } else { Err(Refused::Absent) }
    }

    fn check_room(&self, owner: &UserName) -> Answer<()> {
        let all = self.read(StateReader::dashboards)?;
        if all.iter().filter(|one| one.owner == *owner).count() >= MAX_OWN {
            let what = format!("{owner} has {MAX_OWN} dashboards: remove one first");
            return Err(Refused::Conflict(what));
        }
        if all.len() >= MAX_ALL {
            let what = format!("this server has {MAX_ALL} dashboards: one must be removed first");
            return Err(Refused::Conflict(what));
        }
        Ok(())
    }

    fn put(&self, dashboard: Stored) -> Answer<DashboardRecord> {
        let shown = read(dashboard.clone()).ok_or(Refused::Absent)?;
        self.write(vec![Change::Dashboard(dashboard)])?;
        Ok(shown)
    }
}

fn body(content: &Content) -> Answer<String> {
    serde_json::to_string(content).map_err(|error| Refused::Unavailable(error.to_string()))
}

/// Reads what is stored. One that a newer program has written stays where it is, unseen.
fn read(stored: Stored) -> Option<DashboardRecord> {
    let content = match serde_json::from_str(&stored.body) {
        Ok(content) if stored.v <= DASHBOARD_VERSION => content,
        Ok(_) => return None,
        Err(error) => {
            tracing::warn!(dashboard = stored.id, %error, "a dashboard cannot be read");
            return None;
        }
    };
    let Stored { id, owner, version, updated, .. } = stored;
    Some(DashboardRecord { id, owner, version, updated, content })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hark_model::Unix;

    /// What the first version wrote must be read for ever.
    const FIRST: &str = r#"{"title":"Databases","description":"","shared":{"everyone":true,"users":["ida"]},
        "range":"24h","variables":{"host":"db1","tag":null},"panels":[{"kind":"chart","title":"CPU of $host",
        "width":6,"height":2,"hosts":["$host"],"tag":null,"metrics":["cpu_monitor.cpu_percent"],
        "compare":"7d","text":""}]}"#;

    fn stored(v: u32, body: &str) -> Stored {
        Stored {
            id: 1,
            owner: UserName::new("mira").unwrap(),
            version: 3,
            updated: Unix(0),
            removed: None,
            v,
            body: body.to_owned(),
        }
    }

    #[test]
    fn what_the_first_version_wrote_is_read_whole() {
        let content = read(stored(1, FIRST)).unwrap().content;
        assert_eq!((content.title.as_str(), content.range.as_str()), ("Databases", "24h"));
        assert!(content.shared.everyone);
        assert_eq!(content.panels[0].compare.as_deref(), Some("7d"));
        let again: Content = serde_json::from_str(&body(&content).unwrap()).unwrap();
        assert_eq!(again, content);
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        assert_eq!(read(stored(1, "{")), None);
        assert_eq!(read(stored(2, FIRST)), None, "of a newer program");
    }
}

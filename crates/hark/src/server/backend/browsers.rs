//! Browsers that show notifications, as their users turn them on.

use std::sync::PoisonError;

use hark_api::browsers::{Browser, MAX_BROWSERS, NewBrowser};
use hark_api::problem::FieldError;
use hark_model::time::Clock;
use hark_model::{ReceiverName, UserName};
use hark_net::Origin;
use hark_notify::web_push::{self, Browsers as _, Whose, Wrong};
use hark_store::state::{BrowserRecord, Change, StateReader};
use hark_web::{Answer, BrowserStore, Refused};

use super::ServerBackend;
use crate::server::browsers::target;

impl BrowserStore for ServerBackend {
    fn push_key(&self) -> Answer<String> {
        let desk = self.links.browsers.get();
        desk.map(|desk| desk.key().public()).ok_or_else(super::ending)
    }

    fn push_receivers(&self, user: &UserName) -> Answer<Vec<ReceiverName>> {
        let receivers = self.receivers.load();
        let leads = receivers.iter().filter_map(|(name, configured)| {
            Some((name.clone(), target(configured.receiver.screens()?)))
        });
        let (leads, user) = (leads.collect::<Vec<_>>(), user.clone());
        if leads.is_empty() {
            return Ok(Vec::new());
        }
        self.ask(move |engine| {
            let own = leads.into_iter().filter(|(_, target)| engine.meant(target).contains(&user));
            own.map(|(name, _)| name).collect()
        })
    }

    fn own_push_receiver(&self, user: &UserName) -> Answer<Option<ReceiverName>> {
        let receivers = self.receivers.load();
        let own = receivers.iter().find(|(_, configured)| {
            matches!(configured.receiver.screens(), Some(Whose::User(whose)) if whose == user)
        });
        Ok(own.map(|(name, _)| name.clone()))
    }

    fn browsers(&self, user: &UserName) -> Answer<Vec<Browser>> {
        let stored = self.read(|reader| reader.browsers(user))?;
        Ok(stored.into_iter().map(shown).collect())
    }

    fn add_browser(&self, user: &UserName, browser: &NewBrowser) -> Answer<Browser> {
        let _alone = self.ordering.lock().unwrap_or_else(PoisonError::into_inner);
        let NewBrowser { name, endpoint, p256dh, auth } = browser;
        let id = self.read(StateReader::last_browser)? + 1;
        let read = web_push::Browser::read((id, name.trim().to_owned()), endpoint, p256dh, auth);
        let read = read.map_err(|(wrong, why)| {
            let field = match wrong {
                Wrong::Endpoint => "endpoint",
                Wrong::Key => "p256dh",
                Wrong::Secret => "auth",
            };
            Refused::Wrong(vec![FieldError::new(field, why)])
        })?;
        let known = self.read(|reader| reader.browsers(user))?;
        let others = known.iter().filter(|known| known.endpoint != read.endpoint()).count();
        if others >= MAX_BROWSERS {
            let what = format!("{user} shows notifications in {MAX_BROWSERS} browsers: remove one");
            return Err(Refused::Conflict(what));
        }
        let record = BrowserRecord {
            id,
            user: user.clone(),
            label: read.name.clone(),
            endpoint: read.endpoint().to_owned(),
            key: read.key(),
            secret: read.secret(),
            created: Clock.now().unix,
        };
        self.write(vec![Change::Browser(record.clone())])?;
        Ok(shown(record))
    }

    fn drop_browser(&self, user: &UserName, id: u64) -> Answer<()> {
        let known = self.read(|reader| reader.browsers(user))?;
        if !known.iter().any(|known| known.id == id) {
            return Err(Refused::Absent);
        }
        self.write(vec![Change::BrowserRemoved { id, user: user.clone() }])
    }
}

fn shown(record: BrowserRecord) -> Browser {
    let digest = ring::digest::digest(&ring::digest::SHA256, record.endpoint.as_bytes());
    Browser {
        id: record.id,
        name: record.label,
        service: Origin::split(&record.endpoint).map(|(origin, _)| origin.host).unwrap_or_default(),
        digest: super::access::hex(digest.as_ref()),
        created_at: record.created.into(),
    }
}

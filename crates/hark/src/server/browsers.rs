//! Browsers that show notifications, and the key with which this server proves itself to their push services:
//! both are kept in `state`.

use std::sync::mpsc::SyncSender;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, anyhow};
use hark_engine::Engine;
use hark_engine::plan::Target;
use hark_model::{Secret, UserName};
use hark_net::BoxFuture;
use hark_notify::web_push::{Browser, Browsers, VapidKey, Whose};
use hark_store::state::{BrowserRecord, Change, State, StateReader};

use super::links::ask_engine;
use super::messages::ToEngine;
use super::store_loop::{ToStore, chain};

/// The setting with the key. It is made once: a browser that was told another key would have to be turned on
/// again.
const KEY: &str = "web_push_key";

/// What is known of browsers.
pub(crate) struct Desk {
    key: VapidKey,
    reader: Mutex<StateReader>,
    store: SyncSender<ToStore>,
    engine: SyncSender<ToEngine>,
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").field("key", &self.key).finish_non_exhaustive()
    }
}

impl Desk {
    /// Reads the key; makes it at the first start. A key that is none stops the start: with a new one every
    /// browser would be lost.
    pub(super) fn open(
        state: &mut State,
        store: SyncSender<ToStore>,
        engine: SyncSender<ToEngine>,
    ) -> anyhow::Result<Self> {
        let reader = state.reader().map_err(|e| anyhow!("cannot read the state: {}", chain(&e)))?;
        let stored =
            reader.setting(KEY).map_err(|e| anyhow!("cannot read the state: {}", chain(&e)))?;
        let kept = match stored {
            Some(kept) => Secret::new(kept),
            None => new_key(state)?,
        };
        let key =
            VapidKey::read(&kept).with_context(|| format!("the setting {KEY} of the state"))?;
        Ok(Self { key, reader: Mutex::new(reader), store, engine })
    }

    fn stored(&self, user: &UserName) -> Result<Vec<Browser>, String> {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let stored = reader.browsers(user).map_err(|error| chain(&error))?;
        Ok(stored.into_iter().filter_map(read).collect())
    }
}

fn new_key(state: &mut State) -> anyhow::Result<Secret> {
    let key = VapidKey::make()?;
    let change = Change::Setting { name: KEY.to_owned(), value: Some(key.expose().to_owned()) };
    let written = state.commit(&[], &[change]);
    written.map_err(|e| anyhow!("cannot write the state: {}", chain(&e)))?;
    Ok(key)
}

/// One that cannot be read is left out: it was checked before it was stored.
fn read(stored: BrowserRecord) -> Option<Browser> {
    let BrowserRecord { id, label, endpoint, key, secret, .. } = stored;
    match Browser::read((id, label), &endpoint, &key, &secret) {
        Ok(browser) => Some(browser),
        Err((_, why)) => {
            tracing::warn!(browser = id, why, "a browser cannot be read");
            None
        }
    }
}

/// Returns by which word of a route's `to` the same people are meant.
pub(super) fn target(whose: &Whose) -> Target {
    match whose {
        Whose::User(user) => Target::User(user.clone()),
        Whose::Team(team) => Target::Team(team.clone()),
        Whose::OnCall(rota) => Target::OnCall(rota.clone()),
    }
}

impl Browsers for Desk {
    fn key(&self) -> &VapidKey {
        &self.key
    }

    fn members<'a>(&'a self, whose: &'a Whose) -> BoxFuture<'a, Result<Vec<UserName>, String>> {
        Box::pin(async move {
            if let Whose::User(user) = whose {
                return Ok(vec![user.clone()]);
            }
            let target = target(whose);
            let asked = move |engine: &Engine| engine.meant(&target);
            let found = tokio::task::block_in_place(|| ask_engine(&self.engine, asked));
            found.ok_or_else(|| "the server is about to end".to_owned())
        })
    }

    fn of<'a>(&'a self, user: &'a UserName) -> BoxFuture<'a, Result<Vec<Browser>, String>> {
        Box::pin(async { tokio::task::block_in_place(|| self.stored(user)) })
    }

    fn gone<'a>(&'a self, user: &'a UserName, browser: &'a Browser) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            tracing::info!(%user, browser = browser.name, "a browser shows no notifications any more");
            let changes = vec![Change::BrowserRemoved { id: browser.id, user: user.clone() }];
            let write = ToStore::Write { changes, reply: None };
            // The store always empties its queue.
            tokio::task::block_in_place(|| {
                if self.store.send(write).is_err() {
                    tracing::debug!("the store has ended before a browser was forgotten");
                }
            });
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    #[test]
    fn the_key_is_made_once_and_a_damaged_one_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = State::open(folder.path()).unwrap();
        let open = |state: &mut State| Desk::open(state, sync_channel(1).0, sync_channel(1).0);
        let first = open(&mut state).unwrap().key.public();
        assert_eq!(open(&mut state).unwrap().key.public(), first);
        let change = Change::Setting { name: KEY.to_owned(), value: Some("x".to_owned()) };
        state.commit(&[], &[change]).unwrap();
        assert!(format!("{:#}", open(&mut state).unwrap_err()).contains("web_push_key"));
    }
}

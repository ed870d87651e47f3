//! What strangers get of status pages, kept ready: however many ask, and however often, the server makes
//! each of it once in [`FRESH`], one after the other.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hark_model::Mono;
use http::HeaderValue;

use crate::app::App;
use crate::auth::token;
use crate::backend::{StatusDocument, StatusPart};
use crate::failure::Reply;

/// How long something is sent as it is: people who look at a page that is on fire look every few seconds.
const FRESH: Duration = Duration::from_secs(2);

/// So much is kept before what is no longer fresh is dropped: some dozens of pages with their badges.
const MANY: usize = 1000;

/// Something that is ready to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Sendable {
    /// Changes when it does.
    pub(crate) tag: HeaderValue,
    /// It.
    pub(crate) document: StatusDocument,
}

#[derive(Debug, Default)]
struct Shelf {
    kept: BTreeMap<(String, StatusPart), (Mono, Sendable)>,
    /// Counts what was published: what was begun to be made before that is not kept.
    published: u64,
}

/// What is ready.
#[derive(Debug, Default)]
pub(crate) struct Ready {
    shelf: Mutex<Shelf>,
    making: tokio::sync::Mutex<()>,
}

impl Ready {
    /// Forgets everything: something was published.
    pub(crate) fn forget(&self) {
        let mut shelf = self.shelf();
        shelf.kept.clear();
        shelf.published += 1;
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fresh(&self, key: &(String, StatusPart), now: Mono) -> Option<Sendable> {
        let shelf = self.shelf();
        let (until, kept) = shelf.kept.get(key)?;
        (now < *until).then(|| kept.clone())
    }

    fn keep(&self, key: (String, StatusPart), made: &Sendable, published: u64, now: Mono) {
        let mut shelf = self.shelf();
        if shelf.published != published {
            return;
        }
        if shelf.kept.len() >= MANY {
            shelf.kept.retain(|_, (until, _)| now < *until);
        }
        shelf.kept.insert(key, (now + FRESH, made.clone()));
    }
}

/// Returns a part of a page, made by the server if it is not ready. Cancelling it lets what has begun end
/// unheard.
pub(crate) async fn ready(app: &App, page: &str, part: &StatusPart) -> Reply<Sendable> {
    let key = (page.to_owned(), part.clone());
    if let Some(kept) = app.ready.fresh(&key, app.now().mono) {
        return Ok(kept);
    }
    let _alone = app.ready.making.lock().await;
    if let Some(kept) = app.ready.fresh(&key, app.now().mono) {
        return Ok(kept);
    }
    let published = app.ready.shelf().published;
    let (page, part) = key.clone();
    let document = app.ask(move |backend| backend.status_document(&page, &part)).await?;
    let hash = token::hex(&token::hash(&document.bytes));
    let tag = HeaderValue::from_str(&format!("\"{}\"", hash.get(..32).unwrap_or(&hash)));
    let tag = tag.unwrap_or_else(|_| HeaderValue::from_static("\"0\""));
    let made = Sendable { tag, document };
    app.ready.keep(key, &made, published, app.now().mono);
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn sendable(text: &'static str) -> Sendable {
        let document = StatusDocument { content_type: "text/plain", bytes: Bytes::from(text) };
        Sendable { tag: HeaderValue::from_static("\"x\""), document }
    }

    fn key(page: &str) -> (String, StatusPart) {
        (page.to_owned(), StatusPart::Page)
    }

    #[test]
    fn what_is_kept_is_sent_for_a_while() {
        let ready = Ready::default();
        ready.keep(key("a"), &sendable("one"), 0, Mono(1000));
        assert!(ready.fresh(&key("a"), Mono(2999)).is_some());
        assert!(ready.fresh(&key("a"), Mono(3000)).is_none());
        assert!(ready.fresh(&key("b"), Mono(1000)).is_none());
    }

    #[test]
    fn what_was_begun_before_something_was_published_is_not_kept() {
        let ready = Ready::default();
        ready.keep(key("a"), &sendable("old"), 0, Mono(0));
        ready.forget();
        assert!(ready.fresh(&key("a"), Mono(0)).is_none());
        ready.keep(key("a"), &sendable("old"), 0, Mono(0));
        assert!(ready.fresh(&key("a"), Mono(0)).is_none());
        ready.keep(key("a"), &sendable("new"), 1, Mono(0));
        assert!(ready.fresh(&key("a"), Mono(0)).is_some());
    }

    #[test]
    fn what_nobody_asks_for_any_more_is_dropped() {
        let ready = Ready::default();
        for n in 0..MANY {
            ready.keep(key(&n.to_string()), &sendable("x"), 0, Mono(0));
        }
        ready.keep(key("new"), &sendable("x"), 0, Mono(10_000));
        assert_eq!(ready.shelf().kept.len(), 1);
    }
}

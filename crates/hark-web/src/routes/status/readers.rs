//! Readers of a status page who want to be told: asking, confirming, ending.
//!
//! Whoever asks gets the same answer whatever the address is and whether it reads the page already. Nothing is
//! kept before the address has confirmed. What is fetched changes nothing: programs that look at mails follow
//! their links; a link leads to a button, and mail programs press theirs (RFC 8058).

use axum::extract::{FromRequest as _, Request};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use serde::Deserialize;

use super::{Reader, has_key, sent};
use crate::app::App;
use crate::backend::{ReadersStep, StatusPart, StatusSite};
use crate::failure::{Failure, Reply};
use crate::policy::may_read;
use crate::ready::ready;

/// The longest address in bytes: far above any that is used.
const MAX_ADDRESS: usize = 500;

/// What the form of a page sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Form {
    way: String,
    address: String,
}

/// What somebody wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish<'a> {
    /// To be told.
    Ask,
    /// To confirm, with the token of a message.
    Join(&'a str),
    /// To be told no more, with the token of a message.
    Leave(&'a str),
}

/// Returns of which page somebody wants what, by what follows `/status/`.
pub(super) fn wish(rest: &str) -> Option<(&str, Wish<'_>)> {
    let (slug, rest) = rest.split_once('/')?;
    match rest.split_once('/') {
        None if rest == "readers" => Some((slug, Wish::Ask)),
        Some(("join", token)) => Some((slug, Wish::Join(token))),
        Some(("leave", token)) => Some((slug, Wish::Leave(token))),
        _ => None,
    }
}

/// Does what is wanted, and says what came of it.
pub(super) async fn take(
    app: &App,
    (slug, wish): (&str, Wish<'_>),
    reader: &Reader,
    request: Request,
) -> Reply<Response> {
    // Counted before anything is looked up: whether there is such a page does not show by it.
    app.attempt_call(reader.peer.address).map_err(Failure::Limited)?;
    let sites = app.backend.status_sites();
    let found = sites.sites.iter().find(|site| site.slug == slug && !site.readers.is_empty());
    let site = found.filter(|site| reader.own.as_ref().is_none_or(|own| own.0 == site.slug));
    let site = site.ok_or(Failure::Absent)?;
    let page = slug.to_owned();
    let step = match wish {
        Wish::Ask => {
            let key = has_key(app, Some(site), reader)?;
            if !may_read(&site.access, reader.is_user, key.is_some()) {
                return Err(Failure::Absent);
            }
            ask(app, site, request).await?
        }
        Wish::Join(token) => {
            let token = token.to_owned();
            let is_in = app.ask(move |backend| backend.reader_joins(&page, &token)).await?;
            if is_in { ReadersStep::Joined } else { ReadersStep::Gone }
        }
        Wish::Leave(token) => {
            let token = token.to_owned();
            let is_out = app.ask(move |backend| backend.reader_leaves(&page, &token)).await?;
            if is_out { ReadersStep::Left } else { ReadersStep::Gone }
        }
    };
    // Whoever had a token did not guess it.
    if matches!(step, ReadersStep::Joined | ReadersStep::Left) {
        app.call_was_good(reader.peer.address);
    }
    let part = StatusPart::Readers(step);
    let made = ready(app, slug, &part).await?;
    let mut response = sent(made, site, &part, &http::HeaderMap::new());
    if step == ReadersStep::Gone {
        *response.status_mut() = StatusCode::GONE;
    }
    Ok(response)
}

async fn ask(app: &App, site: &StatusSite, request: Request) -> Reply<ReadersStep> {
    let axum::Form(form) = axum::Form::<Form>::from_request(request, &()).await.map_err(
        |rejection| match rejection.into_response().status() {
            StatusCode::PAYLOAD_TOO_LARGE => Failure::TooLarge,
            _ => Failure::Malformed("the form cannot be read".to_owned()),
        },
    )?;
    let way = site.readers.iter().copied().find(|way| way.word() == form.way);
    let address = form.address.trim().to_owned();
    if let Some(way) = way
        && !address.is_empty()
        && address.len() <= MAX_ADDRESS
    {
        let page = site.slug.clone();
        app.ask(move |backend| backend.reader_asks(&page, way, &address)).await?;
    }
    Ok(ReadersStep::Asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_what_is_wanted() {
        for (rest, expected) in [
            ("x/readers", Some(("x", Wish::Ask))),
            ("x/join/abc", Some(("x", Wish::Join("abc")))),
            ("x/leave/abc", Some(("x", Wish::Leave("abc")))),
            ("x/open", None),
            ("x", None),
            ("x/readers/y", None),
        ] {
            assert_eq!(wish(rest), expected, "{rest}");
        }
    }
}

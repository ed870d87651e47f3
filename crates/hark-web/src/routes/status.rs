//! Public status pages, as strangers get them: HTML without script, JSON, feeds, badges.
//!
//! A page that there is not, one of another name of a host, and one that whoever asks may not see answer
//! the same, down to the form for a password. What is sent is made by the server a bounded number of times
//! ([`crate::ready`]); here is only who gets it.

mod readers;

use axum::Router;
use axum::extract::{FromRequest, FromRequestParts, Query, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hark_model::Secret;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use ring::hmac;
use serde::Deserialize;

use crate::app::{App, Shared};
use crate::auth::password::Checked;
use crate::auth::token;
use crate::backend::{ReadersStep, StatusAccess, StatusPart, StatusSite};
use crate::envelope::RESOURCE_POLICY;
use crate::extract::Path;
use crate::failure::{Failure, Reply};
use crate::page::{font, same};
use crate::peer::Peer;
use crate::policy::may_read;
use crate::ready::{Sendable, ready};
use crate::site::OwnName;
use crate::who::{self, Who};

/// How long a browser remembers that a page was opened, in seconds: a month. A page that gets another password
/// or token is shut at once.
const REMEMBERED: u64 = 30 * 24 * 3600;

/// What a page without a password or token looks like to those who may not see it, and one that there is not.
const SHUT: &str = include_str!("status/shut.html");

/// Returns the paths of status pages.
pub(super) fn router() -> Router<Shared> {
    Router::new()
        .route("/status.css", get(style))
        .route("/status.js", get(script))
        .route("/status.woff2", get(letters))
        .route("/status/{*rest}", get(show).post(open))
}

async fn style(State(app): State<Shared>, headers: HeaderMap) -> Response {
    fixed(&headers, "text/css; charset=utf-8", app.backend.status_sites().style)
}

async fn script(State(app): State<Shared>, headers: HeaderMap) -> Response {
    fixed(&headers, "text/javascript; charset=utf-8", app.backend.status_sites().script)
}

async fn letters() -> Response {
    let Some(bytes) = font() else { return StatusCode::NOT_FOUND.into_response() };
    let headers = [(header::CONTENT_TYPE, "font/woff2"), (header::CACHE_CONTROL, "max-age=86400")];
    (headers, bytes).into_response()
}

fn fixed(headers: &HeaderMap, kind: &'static str, text: &'static str) -> Response {
    let tag = format!("\"{}\"", token::hex(&token::hash(text.as_bytes())));
    let mut response = if same(headers, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        text.into_response()
    };
    let out = response.headers_mut();
    out.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=300"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        out.insert(header::ETAG, tag);
    }
    response
}

/// What is asked for with the address.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    token: Option<String>,
}

/// What the form of a page that is shut sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Form {
    password: String,
}

/// Who asks, and what he has brought.
struct Reader {
    peer: Peer,
    headers: HeaderMap,
    is_user: bool,
    token: Option<String>,
    own: Option<OwnName>,
}

impl FromRequestParts<Shared> for Reader {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut http::request::Parts, app: &Shared) -> Reply<Self> {
        let asked = Query::<Asked>::try_from_uri(&parts.uri).map(|Query(asked)| asked);
        Ok(Self {
            peer: Peer::from_request_parts(parts, app).await?,
            headers: parts.headers.clone(),
            is_user: parts.extensions.get::<Who>().is_some(),
            token: asked.unwrap_or_default().token,
            own: parts.extensions.get::<OwnName>().cloned(),
        })
    }
}

async fn show(State(app): State<Shared>, Path(rest): Path<String>, reader: Reader) -> Response {
    match answer(&app, &rest, &reader).await {
        Ok(response) => response,
        Err(failure) => refused(&rest, failure),
    }
}

async fn answer(app: &Shared, rest: &str, reader: &Reader) -> Reply<Response> {
    let (slug, part) = parse(rest).ok_or(Failure::Absent)?;
    let sites = app.backend.status_sites();
    let found = sites.sites.iter().find(|site| site.slug == slug);
    let site = found.filter(|site| reader.own.as_ref().is_none_or(|own| own.0 == site.slug));
    let key = has_key(app, site, reader)?;
    let site = site.ok_or(Failure::Absent)?;
    // A link in a message is as good as what opens the page.
    let has_link = matches!(part, StatusPart::Readers(ReadersStep::Join | ReadersStep::Leave));
    let may = has_link || may_read(&site.access, reader.is_user, key.is_some());
    if !may || !has_part(site, &part) {
        return Err(Failure::Absent);
    }
    if key == Some(Key::Token) && part == StatusPart::Page {
        // The token leaves the address before anybody copies it from there.
        return Ok(remembered(site, reader));
    }
    let made = ready(app, &site.slug, &part).await?;
    Ok(sent(made, site, &part, &reader.headers))
}

/// What has opened a page that is not for everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    /// A token in the address.
    Token,
    /// What the browser remembers.
    Remembered,
}

/// Returns what `reader` has brought that opens `site`. A token that opens nothing is counted against his
/// address, whether there is such a page or not.
fn has_key(app: &App, site: Option<&StatusSite>, reader: &Reader) -> Reply<Option<Key>> {
    if let Some(brought) = &reader.token {
        app.attempt_call(reader.peer.address).map_err(Failure::Limited)?;
        let is_right = site.is_some_and(|site| {
            let StatusAccess::Closed { token: Some(token), .. } = &site.access else {
                return false;
            };
            // Of digests nothing can be learned by how long they take to compare.
            token::hash(token.expose().as_bytes()) == token::hash(brought.as_bytes())
        });
        if is_right {
            app.call_was_good(reader.peer.address);
            return Ok(Some(Key::Token));
        }
    }
    let Some(site) = site else { return Ok(None) };
    let kept =
        who::cookie(&reader.headers, &cookie_name(site, reader.peer)).and_then(token::unbase64);
    let is_right = kept.is_some_and(|kept| {
        secrets(site)
            .any(|secret| hmac::verify(&signer(secret), site.slug.as_bytes(), &kept).is_ok())
    });
    Ok(is_right.then_some(Key::Remembered))
}

/// Opens a page by its password, or does what readers want who are told.
async fn open(
    State(app): State<Shared>,
    Path(rest): Path<String>,
    reader: Reader,
    request: Request,
) -> Response {
    let answered = match readers::wish(&rest) {
        Some(wish) => readers::take(&app, wish, &reader, request).await,
        None => opened(&app, &rest, &reader, request).await,
    };
    match answered {
        Ok(response) => response,
        Err(failure) => refused(&rest, failure),
    }
}

async fn opened(app: &Shared, rest: &str, reader: &Reader, request: Request) -> Reply<Response> {
    let slug = rest.strip_suffix("/open").ok_or(Failure::Method)?;
    let axum::Form(form) = axum::Form::<Form>::from_request(request, app).await.map_err(
        |rejection| match rejection.into_response().status() {
            StatusCode::PAYLOAD_TOO_LARGE => Failure::TooLarge,
            _ => Failure::Malformed("the form cannot be read".to_owned()),
        },
    )?;
    app.attempt_call(reader.peer.address).map_err(Failure::Limited)?;
    let sites = app.backend.status_sites();
    let found = sites.sites.iter().find(|site| site.slug == slug);
    let site = found.filter(|site| reader.own.as_ref().is_none_or(|own| own.0 == site.slug));
    let stored = site.and_then(|site| match &site.access {
        StatusAccess::Closed { password, .. } => password.clone(),
        StatusAccess::Everyone => None,
    });
    // Where there is no such page the same work is done.
    let checked = app.hasher.check(Secret::new(form.password), stored).await?;
    match (site, checked) {
        (Some(site), Checked::Right | Checked::RightButOld(_)) => {
            app.call_was_good(reader.peer.address);
            Ok(remembered(site, reader))
        }
        _ => Err(Failure::Absent),
    }
}

/// Leads to the page, and has the browser remember that it was opened.
fn remembered(site: &StatusSite, reader: &Reader) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    let place =
        if reader.own.is_some() { "/".to_owned() } else { format!("/status/{}", site.slug) };
    let Some(secret) = secrets(site).next() else { return response };
    let value = token::base64(hmac::sign(&signer(secret), site.slug.as_bytes()).as_ref());
    let secure = if reader.peer.secure { "; Secure" } else { "" };
    let cookie = format!(
        "{}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={REMEMBERED}{secure}",
        cookie_name(site, reader.peer)
    );
    for (name, text) in [(header::LOCATION, place), (header::SET_COOKIE, cookie)] {
        if let Ok(value) = HeaderValue::from_str(&text) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// Returns what a page is opened with: what a browser remembers is signed with it, so that another password
/// or token shuts the page again.
fn secrets(site: &StatusSite) -> impl Iterator<Item = &Secret> {
    let (password, token) = match &site.access {
        StatusAccess::Everyone => (None, None),
        StatusAccess::Closed { password, token, .. } => (password.as_ref(), token.as_ref()),
    };
    password.into_iter().chain(token)
}

fn signer(secret: &Secret) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, &token::hash(secret.expose().as_bytes()))
}

fn cookie_name(site: &StatusSite, peer: Peer) -> String {
    let prefix = if peer.secure { "__Host-" } else { "" };
    format!("{prefix}hark-status-{}", site.slug)
}

/// Returns which page, and what of it, the rest of an address names.
fn parse(rest: &str) -> Option<(&str, StatusPart)> {
    let mut words = rest.split('/');
    let first = words.next()?;
    let (slug, part) = match (words.next(), words.next(), words.next()) {
        (None, None, None) => match first.strip_suffix(".json") {
            Some(slug) => (slug, StatusPart::Json),
            None => (first, StatusPart::Page),
        },
        (Some(word), None, None) => {
            let part = match word {
                "history" => StatusPart::History,
                "feed.atom" => StatusPart::Atom,
                "feed.rss" => StatusPart::Rss,
                "badge.svg" => StatusPart::Badge,
                "logo" => StatusPart::Logo,
                "style.css" => StatusPart::Style,
                "readers" => StatusPart::Readers(ReadersStep::Ask),
                _ => return None,
            };
            (first, part)
        }
        (Some(component), Some("badge.svg"), None) => {
            (first, StatusPart::ComponentBadge(component.to_owned()))
        }
        (Some(component), Some("uptime.svg"), None) => {
            (first, StatusPart::UptimeBadge(component.to_owned()))
        }
        (Some("join"), Some(_token), None) => (first, StatusPart::Readers(ReadersStep::Join)),
        (Some("leave"), Some(_token), None) => (first, StatusPart::Readers(ReadersStep::Leave)),
        _ => return None,
    };
    Some((slug, part))
}

fn has_part(site: &StatusSite, part: &StatusPart) -> bool {
    match part {
        StatusPart::ComponentBadge(component) | StatusPart::UptimeBadge(component) => {
            site.components.contains(component)
        }
        StatusPart::Readers(_) => !site.readers.is_empty(),
        StatusPart::Page
        | StatusPart::History
        | StatusPart::Json
        | StatusPart::Atom
        | StatusPart::Rss
        | StatusPart::Badge
        | StatusPart::Logo
        | StatusPart::Style => true,
    }
}

fn sent(made: Sendable, site: &StatusSite, part: &StatusPart, headers: &HeaderMap) -> Response {
    let Sendable { tag, document } = made;
    let is_known = tag.to_str().is_ok_and(|tag| same(headers, tag));
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        document.bytes.into_response()
    };
    let out = response.headers_mut();
    out.insert(header::CONTENT_TYPE, HeaderValue::from_static(document.content_type));
    out.insert(header::ETAG, tag);
    let is_public = matches!(site.access, StatusAccess::Everyone);
    let is_shown_elsewhere =
        !matches!(part, StatusPart::Page | StatusPart::History | StatusPart::Readers(_));
    if is_public && is_shown_elsewhere {
        // What is for everybody may stand in the pages of others.
        out.insert(RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
        out.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    }
    let keep = match (is_public, is_shown_elsewhere) {
        (true, true) => "public, max-age=30",
        (true, false) => "public, no-cache",
        (false, _) => "private, no-cache",
    };
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
    response
}

/// Answers in the form that was asked for; whatever is absent looks the same.
fn refused(rest: &str, failure: Failure) -> Response {
    let (status, said) = if failure == Failure::Absent {
        (StatusCode::NOT_FOUND, "")
    } else if matches!(failure, Failure::Limited(_)) {
        let text =
            "<p>Too many wrong tries came from your address. Wait a minute and try again.</p>";
        (StatusCode::TOO_MANY_REQUESTS, text)
    } else {
        return failure.into_response();
    };
    let last = rest.rsplit('/').next().unwrap_or_default();
    if last.contains('.') {
        return failure.into_response();
    }
    // Nothing of the address stands in the answer but what may be the word of a page.
    let slug = rest.split('/').next().unwrap_or_default();
    let is_word = !slug.is_empty()
        && slug.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    let slug = if is_word { slug } else { "none" };
    let html = SHUT.replace("{slug}", slug).replace("{said}", said);
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    (status, [(header::CONTENT_TYPE, kind)], html).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_a_page_and_what_of_it_is_asked_for() {
        let badge = StatusPart::ComponentBadge("api".to_owned());
        for (rest, expected) in [
            ("x", Some(("x", StatusPart::Page))),
            ("x.json", Some(("x", StatusPart::Json))),
            ("x/history", Some(("x", StatusPart::History))),
            ("x/feed.rss", Some(("x", StatusPart::Rss))),
            ("x/api/badge.svg", Some(("x", badge))),
            ("x/api/uptime.svg", Some(("x", StatusPart::UptimeBadge("api".to_owned())))),
            ("x/readers", Some(("x", StatusPart::Readers(ReadersStep::Ask)))),
            ("x/join/t", Some(("x", StatusPart::Readers(ReadersStep::Join)))),
            ("x/leave/t", Some(("x", StatusPart::Readers(ReadersStep::Leave)))),
            ("x/api", None),
            ("x/", None),
            ("x/api/badge.svg/y", None),
            ("x/../y", None),
        ] {
            assert_eq!(parse(rest), expected, "{rest}");
        }
    }

    #[test]
    fn nothing_of_an_address_is_said_again() {
        let response = refused("<b>", Failure::Absent);
        assert_eq!(response.status(), 404);
        assert_eq!(refused("x/feed.atom", Failure::Absent).headers().get("content-type"), None);
    }
}

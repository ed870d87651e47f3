//! One's own browsers that show notifications.

use axum::Json;
use axum::extract::State;
use hark_api::browsers::{Browser, Browsers, MAX_BROWSER_NAME, NewBrowser};
use hark_api::receivers::TestSent;
use http::StatusCode;

use crate::app::Shared;
use crate::backend::Refused;
use crate::extract::{Body, Path};
use crate::failure::{Failure, Reply};
use crate::peer::Peer;
use crate::who::{Proof, Who};

/// Returns one's browsers that show notifications, and what a browser needs to become one.
#[utoipa::path(
    get, path = "/api/0/auth/browsers", tag = "session", responses((status = 200, body = Browsers))
)]
pub(crate) async fn list(State(app): State<Shared>, who: Who) -> Reply<Json<Browsers>> {
    let user = who.name().clone();
    let found = app
        .ask(move |backend| {
            let receivers = backend.push_receivers(&user)?;
            Ok(Browsers {
                key: backend.push_key()?,
                receivers: receivers.iter().map(ToString::to_string).collect(),
                browsers: backend.browsers(&user)?,
            })
        })
        .await?;
    Ok(Json(found))
}

/// Turns notifications on in a browser. One that showed those of somebody else shows one's own instead.
#[utoipa::path(
    post, path = "/api/0/auth/browsers", tag = "session", request_body = NewBrowser,
    responses((status = 200, body = Browser))
)]
pub(crate) async fn make(
    State(app): State<Shared>,
    peer: Peer,
    who: Who,
    Body(browser): Body<NewBrowser>,
) -> Reply<Json<Browser>> {
    if matches!(who.proof, Proof::Open) {
        return Err(Failure::Needs("user: notifications need one whose they are"));
    }
    if browser.name.trim().is_empty() || browser.name.len() > MAX_BROWSER_NAME {
        let why = format!("say which one it is in 1 to {MAX_BROWSER_NAME} bytes");
        return Err(Failure::field("name", why));
    }
    let user = who.name().clone();
    let made = app.ask(move |backend| backend.add_browser(&user, &browser)).await?;
    let detail = format!("{} at {}", made.name, made.service);
    app.audit(Some(who.name()), peer.address, "browser.add", detail).await;
    Ok(Json(made))
}

/// Turns notifications off in a browser.
#[utoipa::path(
    delete, path = "/api/0/auth/browsers/{id}", tag = "session",
    params(("id" = u64, Path, description = "The browser's number.")),
    responses((status = 204))
)]
pub(crate) async fn remove(
    State(app): State<Shared>,
    peer: Peer,
    who: Who,
    Path(id): Path<u64>,
) -> Reply<StatusCode> {
    let user = who.name().clone();
    app.ask(move |backend| backend.drop_browser(&user, id)).await?;
    app.audit(Some(who.name()), peer.address, "browser.remove", id.to_string()).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Sends a test message to one's browsers, as any other message goes.
#[utoipa::path(
    post, path = "/api/0/auth/browsers/test", tag = "session",
    responses((status = 200, body = TestSent))
)]
pub(crate) async fn test(State(app): State<Shared>, peer: Peer, who: Who) -> Reply<Json<TestSent>> {
    let user = who.name().clone();
    let sent = app
        .ask(move |backend| {
            let Some(receiver) = backend.own_push_receiver(&user)? else {
                let is_shared = !backend.push_receivers(&user)?.is_empty();
                return Err(Refused::Conflict(if is_shared {
                    format!(
                        "what leads to the browsers of {user} leads to those of others, too: an \
                         administrator tests it under Notifications"
                    )
                } else {
                    format!(
                        "no receiver leads to the browsers of {user}: an administrator makes one of \
                         the type `web_push`"
                    )
                }));
            };
            if backend.browsers(&user)?.is_empty() {
                return Err(Refused::Conflict(format!("{user} shows notifications in no browser")));
            }
            backend.test_receiver(&receiver, &user)
        })
        .await?;
    app.audit(Some(who.name()), peer.address, "browser.test", String::new()).await;
    Ok(Json(sent))
}

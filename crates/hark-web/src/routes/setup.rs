//! Making the first administrator.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use hark_api::auth::Me;
use hark_api::setup::{Setup, SetupRequest};
use hark_model::{Secret, UserName};
use http::HeaderMap;

use super::sessions::{begin, with_cookie};
use crate::app::{App, Shared};
use crate::auth::password;
use crate::backend::Account;
use crate::extract::Body;
use crate::failure::{Failure, Reply};
use crate::peer::Peer;
use crate::who::{self, Proof, Who};

/// What tries of the code are counted as: no user can be called that.
const LIMIT_NAME: &str = "(setup)";

/// Says whether the first administrator is still to be made.
#[utoipa::path(get, path = "/api/0/setup", tag = "setup", responses((status = 200, body = Setup)))]
pub(crate) async fn status(
    State(app): State<Shared>,
    who: Option<Extension<Who>>,
) -> Reply<Json<Setup>> {
    // Whoever may do everything without logging in need not be asked for a name first.
    let open = who.is_some_and(|Extension(who)| who.proof == Proof::Open);
    let needed = !open && !app.is_set_up().await?;
    let (version, site_name) = (app.config.version.clone(), app.config.site_name.clone());
    Ok(Json(Setup { needed, version, site_name }))
}

/// Makes the first administrator with the code that the server printed, and logs in.
#[utoipa::path(
    post, path = "/api/0/setup", tag = "setup", request_body = SetupRequest,
    responses((status = 200, body = Me))
)]
pub(crate) async fn make(
    State(app): State<Shared>,
    peer: Peer,
    headers: HeaderMap,
    Body(request): Body<SetupRequest>,
) -> Reply<Response> {
    app.attempt(peer.address, LIMIT_NAME)?;
    if app.is_set_up().await? {
        return Err(Failure::WrongCode);
    }
    let name = UserName::new(&request.user).map_err(|e| Failure::field("user", e.to_string()))?;
    if let Some(weakness) = password::weakness(&request.password) {
        return Err(Failure::field("password", weakness));
    }
    let Some(code) = app.gate.take(&request.code) else {
        app.audit(None, peer.address, "setup.refused", "wrong code").await;
        return Err(Failure::WrongCode);
    };
    let stored = store(&app, name, request).await;
    if stored.is_err() {
        app.gate.give_back(code);
    }
    let account = stored?;
    app.gate.pass();
    app.succeeded(peer.address, LIMIT_NAME);
    app.audit(Some(&account.name), peer.address, "setup.done", "first administrator").await;
    let (token, _) = begin(&app, &account.name, peer, &headers).await?;
    let answer = Json(who::me(&app, &account).await?).into_response();
    Ok(with_cookie(&app, answer, peer, &token))
}

async fn store(app: &App, name: UserName, request: SetupRequest) -> Reply<Account> {
    let hash = app.hasher.hash(Secret::new(request.password)).await?;
    let account = Account {
        full_name: request.full_name,
        password: Some(hash.ok_or(Failure::Internal)?),
        admin: true,
        ..Account::named(name)
    };
    let stored = account.clone();
    app.change_users(move |backend| backend.put_account(&stored)).await?;
    Ok(account)
}

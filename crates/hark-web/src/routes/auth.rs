//! Logging in and out.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use hark_api::auth::{Login, LoginRequest, Me, PasswordRequest};
use hark_model::{Secret, UserName};
use http::{HeaderMap, StatusCode};

use super::directories;
use super::sessions::{begin, end_others, with_cookie, with_mark, without_cookie};
use crate::app::Shared;
use crate::auth::browser::KnownBrowser;
use crate::auth::password::{self, Checked};
use crate::auth::totp::{self, Passed};
use crate::backend::{Account, Refused};
use crate::extract::Body;
use crate::failure::{Failure, Reply};
use crate::peer::Peer;
use crate::who::{self, Claim, Unfinished, Who};

/// Logs in. The token is for programs; browsers get it as a cookie.
#[utoipa::path(
    post, path = "/api/0/auth/login", tag = "open", request_body = LoginRequest,
    responses((status = 200, body = Login))
)]
pub(crate) async fn login(
    State(app): State<Shared>,
    peer: Peer,
    headers: HeaderMap,
    Body(request): Body<LoginRequest>,
) -> Reply<Response> {
    let browser = known_browser(&app, &headers, peer, &request.username);
    app.attempt_in(peer.address, &request.username, browser)?;
    let account = find(&app, &request.username).await?;
    let stored = account.as_ref().and_then(|account| account.password.clone());
    let password = Secret::new(request.password);
    let checked = app.hasher.check(password.clone(), stored).await?;
    let (account, better, by) = match (account, checked) {
        (Some(account), Checked::Right) => (account, None, String::new()),
        (Some(account), Checked::RightButOld(better)) => (account, Some(better), String::new()),
        (found, _) => {
            let name = request.username.trim();
            let vouched = directories::ask(&app, peer, found.as_ref(), name, &password).await?;
            let Some((account, by)) = vouched else {
                let who = found.map(|account| account.name);
                let why = "wrong name or password";
                app.audit(who.as_ref(), peer.address, "session.refused", why).await;
                return Err(Failure::WrongLogin);
            };
            (account, None, by)
        }
    };
    let how = second_step(&app, &account, peer, request.code).await?;
    let how = format!("{by} {how}").trim().to_owned();
    app.succeeded_in(peer.address, &request.username, browser);
    let account = match better.filter(|_| account.declared.is_none()) {
        Some(better) => replace_password(&app, account, better).await?,
        None => account,
    };
    enter(&app, &account, peer, &headers, how).await
}

/// Stores `hash` as the password of the user of `account`, unless it is no longer the one of `account`:
/// then somebody has changed it meanwhile, and that holds.
async fn replace_password(app: &Shared, account: Account, hash: Secret) -> Reply<Account> {
    app.change_users(move |backend| {
        let now = backend.account(&account.name)?;
        if now.password != account.password {
            return Err(Refused::Conflict("the password was changed meanwhile".to_owned()));
        }
        let changed = Account { password: Some(hash), ..now };
        backend.put_account(&changed)?;
        Ok(changed)
    })
    .await
}

/// Begins a session of `account`, who has proven himself; `how` is for the audit.
pub(super) async fn enter(
    app: &Shared,
    account: &Account,
    peer: Peer,
    headers: &HeaderMap,
    how: String,
) -> Reply<Response> {
    let token = begin_session(app, account, peer, headers, how).await?;
    let answer = Login { token: token.clone(), user: who::me(app, account).await? };
    let answer = with_cookie(app, Json(answer).into_response(), peer, &token);
    Ok(with_mark(app, answer, peer, &account.name))
}

/// Returns the browser of `headers`, if `username` has logged in there before.
fn known_browser(
    app: &Shared,
    headers: &HeaderMap,
    peer: Peer,
    username: &str,
) -> Option<KnownBrowser> {
    let mark = who::cookie(headers, who::mark_name(peer.secure))?;
    app.browsers.as_ref()?.find(mark, username)
}

/// As [`enter`]; returns the token alone.
pub(super) async fn begin_session(
    app: &Shared,
    account: &Account,
    peer: Peer,
    headers: &HeaderMap,
    how: String,
) -> Reply<String> {
    // A session that the browser still has is given up: the number changes at each log-in, so that
    // nobody can have planted it before.
    if let Claim::Cookie(old) = who::claim(headers, peer.secure) {
        app.ask(move |backend| backend.drop_session(&old)).await?;
    }
    let (token, session) = begin(app, &account.name, peer, headers).await?;
    // Whoever has changed the password meanwhile, or removed the user, has ended his sessions before this
    // one was there.
    let now = find(app, account.name.as_str()).await?;
    if now.is_none_or(|now| now.password != account.password) {
        app.ask(move |backend| backend.drop_session(&session.hash)).await?;
        return Err(Failure::WrongLogin);
    }
    app.audit(Some(&account.name), peer.address, "session.login", how).await;
    Ok(token)
}

/// Lets `account` through, whose password was right, if no second factor guards it or `code` is one.
/// Returns how, in words for the audit.
///
/// The password is sent with the code once more, so that there is no half of a session that would have to
/// be kept, bounded and guarded. Until the code is right, the try counts as failed.
async fn second_step(
    app: &Shared,
    account: &Account,
    peer: Peer,
    code: Option<String>,
) -> Reply<String> {
    let now = app.now().unix;
    let Some(code) = code else {
        let guarded = app.factors(&account.name, |factors| factors.any()).await?;
        return if guarded { Err(Failure::SecondFactor) } else { Ok(String::new()) };
    };
    let is_guessable = totp::is_code(&code);
    if is_guessable {
        app.attempt_code(peer.address, account.name.as_str())?;
    }
    let passed = app.factors(&account.name, move |factors| {
        if factors.any() { Some(totp::pass(factors, &code, now)) } else { None }
    });
    let passed = passed.await?;
    if is_guessable && !matches!(passed, Some(None)) {
        app.code_was_right(peer.address, account.name.as_str());
    }
    match passed {
        // A program may send a code always.
        None => Ok(String::new()),
        Some(Some(Passed::Totp)) => Ok("with a code".to_owned()),
        Some(Some(Passed::Recovery(left))) => Ok(format!("with a recovery code, {left} left")),
        Some(None) => {
            app.audit(Some(&account.name), peer.address, "session.refused", "wrong code").await;
            Err(Failure::WrongSecondFactor)
        }
    }
}

async fn find(app: &Shared, username: &str) -> Reply<Option<Account>> {
    let Ok(name) = UserName::new(username) else { return Ok(None) };
    app.ask(move |backend| match backend.account(&name) {
        Ok(account) => Ok(Some(account)),
        Err(Refused::Absent) => Ok(None),
        Err(other) => Err(other),
    })
    .await
}

/// Ends the session.
#[utoipa::path(post, path = "/api/0/auth/logout", tag = "session", responses((status = 204)))]
pub(crate) async fn logout(
    State(app): State<Shared>,
    peer: Peer,
    Unfinished(who): Unfinished,
) -> Reply<Response> {
    if let Some(hash) = who.session() {
        app.change_rights(move |backend| backend.drop_session(&hash)).await?;
        app.audit(Some(who.name()), peer.address, "session.logout", "").await;
    }
    Ok(without_cookie(StatusCode::NO_CONTENT.into_response(), peer))
}

/// Returns the user of this session.
#[utoipa::path(get, path = "/api/0/auth/me", tag = "session", responses((status = 200, body = Me)))]
pub(crate) async fn me(State(app): State<Shared>, Unfinished(who): Unfinished) -> Reply<Json<Me>> {
    who.me(&app).await.map(Json)
}

/// Changes one's own password and ends one's other sessions.
#[utoipa::path(
    post, path = "/api/0/auth/password", tag = "session", request_body = PasswordRequest,
    responses((status = 204))
)]
pub(crate) async fn password(
    State(app): State<Shared>,
    peer: Peer,
    who: Who,
    Body(request): Body<PasswordRequest>,
) -> Reply<StatusCode> {
    if let Some(declared) = who.account.declared.clone() {
        return Err(Failure::Declared(declared));
    }
    if let Some(weakness) = password::weakness(&request.new) {
        return Err(Failure::field("new", weakness));
    }
    app.attempt(peer.address, who.name().as_str())?;
    let stored = who.account.password.clone();
    if app.hasher.check(Secret::new(request.old), stored).await? == Checked::Wrong {
        return Err(Failure::field("old", "this is not the present password"));
    }
    app.succeeded(peer.address, who.name().as_str());
    let hash = app.hasher.hash(Secret::new(request.new)).await?.ok_or(Failure::Internal)?;
    replace_password(&app, (*who.account).clone(), hash).await?;
    end_others(&app, who.name().clone(), who.session()).await?;
    app.audit(Some(who.name()), peer.address, "user.password", "own").await;
    Ok(StatusCode::NO_CONTENT)
}

//! API tokens: they have their user's rights, or a part of them.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use hark_api::Timestamp;
use hark_api::tokens::{NewToken, Scope, Token, TokenRequest};
use hark_model::UserName;
use http::StatusCode;

use crate::app::Shared;
use crate::auth::session::{self, MAX_TOKENS};
use crate::auth::token;
use crate::backend::{Account, ApiTokenRecord, Refused};
use crate::extract::{Body, Path};
use crate::failure::{Failure, Reply};
use crate::peer::Peer;
use crate::who::{Admin, LOCAL, Proof, Who};

/// The longest name of a token in bytes.
const MAX_NAME: usize = 100;

/// The longest a token may be valid: ten years stand for "very long".
const MAX_SECONDS: u64 = 10 * 366 * 24 * 3600;

/// Returns one's API tokens.
#[utoipa::path(
    get, path = "/api/0/tokens", tag = "session", responses((status = 200, body = Vec<Token>))
)]
pub(crate) async fn list(State(app): State<Shared>, who: Who) -> Reply<Json<Vec<Token>>> {
    let user = who.name().clone();
    let now = app.now().unix;
    let mut records = app.ask(move |backend| backend.api_tokens(&user)).await?;
    records.retain(|record| session::token_alive(record, now));
    Ok(Json(records.iter().map(shown).collect()))
}

/// Makes an API token. A token cannot make further ones: what was stolen must not outlive its
/// revocation.
#[utoipa::path(
    post, path = "/api/0/tokens", tag = "session", request_body = TokenRequest,
    responses((status = 200, body = NewToken))
)]
pub(crate) async fn make(
    State(app): State<Shared>,
    peer: Peer,
    who: Who,
    Body(request): Body<TokenRequest>,
) -> Reply<Json<NewToken>> {
    match who.proof {
        Proof::Cookie(_) | Proof::Session(_) | Proof::Proxy => {}
        Proof::Api(_) => return Err(Failure::Needs("session: an API token cannot make another")),
        Proof::Open => return Err(Failure::Needs("user: a token needs one whose it is")),
    }
    let user = who.name().clone();
    make_for(&app, peer, &who, user, request).await.map(Json)
}

/// Returns the API tokens of a user.
#[utoipa::path(
    get, path = "/api/0/users/{name}/tokens", tag = "users",
    params(("name" = String, Path, description = "Whose.")),
    responses((status = 200, body = Vec<Token>))
)]
pub(crate) async fn list_of(
    State(app): State<Shared>,
    _admin: Admin,
    Path(name): Path<String>,
) -> Reply<Json<Vec<Token>>> {
    let account = account(&app, &name).await?;
    let now = app.now().unix;
    let mut records = app.ask(move |backend| backend.api_tokens(&account.name)).await?;
    records.retain(|record| session::token_alive(record, now));
    Ok(Json(records.iter().map(shown).collect()))
}

/// Makes an API token of a program. People make their own: whoever could make one of theirs could do things
/// in their name.
#[utoipa::path(
    post, path = "/api/0/users/{name}/tokens", tag = "users", request_body = TokenRequest,
    params(("name" = String, Path, description = "Which program's.")),
    responses((status = 200, body = NewToken))
)]
pub(crate) async fn make_of(
    State(app): State<Shared>,
    peer: Peer,
    Admin(who): Admin,
    Path(name): Path<String>,
    Body(request): Body<TokenRequest>,
) -> Reply<Json<NewToken>> {
    // The server's own machine asks with a token as well, which its next start voids.
    if matches!(who.proof, Proof::Api(_)) && who.name().as_str() != LOCAL {
        return Err(Failure::Needs("session: an API token cannot make another"));
    }
    let account = account(&app, &name).await?;
    if !account.service {
        let why =
            format!("{name} is a person, who makes his own tokens in the settings of the page");
        return Err(Failure::Conflict(why));
    }
    make_for(&app, peer, &who, account.name, request).await.map(Json)
}

/// Revokes an API token of a user.
#[utoipa::path(
    delete, path = "/api/0/users/{name}/tokens/{id}", tag = "users",
    params(
        ("name" = String, Path, description = "Whose."),
        ("id" = String, Path, description = "The token's number.")
    ),
    responses((status = 204))
)]
pub(crate) async fn revoke_of(
    State(app): State<Shared>,
    peer: Peer,
    Admin(who): Admin,
    Path((name, id)): Path<(String, String)>,
) -> Reply<StatusCode> {
    let account = account(&app, &name).await?;
    drop_one(&app, account.name, id.clone()).await?;
    let detail = format!("{id} of {name}");
    app.audit(Some(who.name()), peer.address, "token.revoke", detail).await;
    Ok(StatusCode::NO_CONTENT)
}

async fn account(app: &Shared, name: &str) -> Reply<Account> {
    let name = UserName::new(name).map_err(|_| Failure::Absent)?;
    app.ask(move |backend| backend.account(&name)).await
}

async fn drop_one(app: &Shared, user: UserName, id: String) -> Reply<()> {
    app.change_rights(move |backend| {
        let tokens = backend.api_tokens(&user)?;
        let found = tokens.iter().find(|token| token::id(&token.hash) == id);
        backend.drop_api_token(&found.ok_or(Refused::Absent)?.hash)
    })
    .await
}

async fn make_for(
    app: &Shared,
    peer: Peer,
    who: &Who,
    user: UserName,
    request: TokenRequest,
) -> Reply<NewToken> {
    if request.name.trim().is_empty() || request.name.len() > MAX_NAME {
        return Err(Failure::field("name", format!("say what it is for in 1 to {MAX_NAME} bytes")));
    }
    if request.valid_seconds.is_some_and(|seconds| seconds == 0 || seconds > MAX_SECONDS) {
        return Err(Failure::field("valid_seconds", "use 1 second to 10 years"));
    }
    let scopes: BTreeSet<Scope> = request.scopes.into_iter().collect();
    let (secret, hash) = token::new_api()?;
    let now = app.now().unix;
    let record = ApiTokenRecord {
        hash,
        user,
        name: request.name,
        scopes: scopes.into_iter().collect(),
        created: now,
        expires: request.valid_seconds.map(|seconds| now + Duration::from_secs(seconds)),
        last_used: None,
    };
    let stored = record.clone();
    app.ask(move |backend| {
        if backend.api_tokens(&stored.user)?.len() >= MAX_TOKENS {
            let why = format!("{} has {MAX_TOKENS} tokens: revoke one first", stored.user);
            return Err(Refused::Conflict(why));
        }
        backend.put_api_token(&stored)
    })
    .await?;
    let words: Vec<&str> = record.scopes.iter().map(|scope| scope.word()).collect();
    let words = if words.is_empty() { "everything".to_owned() } else { words.join(" ") };
    let detail = format!("{} of {} for {words}", token::id(&hash), record.user);
    app.audit(Some(who.name()), peer.address, "token.make", detail).await;
    Ok(NewToken { secret, token: shown(&record) })
}

/// Revokes one of one's API tokens.
#[utoipa::path(
    delete, path = "/api/0/tokens/{id}", tag = "session",
    params(("id" = String, Path, description = "The token's number.")),
    responses((status = 204))
)]
pub(crate) async fn revoke(
    State(app): State<Shared>,
    peer: Peer,
    who: Who,
    Path(id): Path<String>,
) -> Reply<StatusCode> {
    drop_one(&app, who.name().clone(), id.clone()).await?;
    app.audit(Some(who.name()), peer.address, "token.revoke", id).await;
    Ok(StatusCode::NO_CONTENT)
}

fn shown(record: &ApiTokenRecord) -> Token {
    Token {
        id: token::id(&record.hash),
        name: record.name.clone(),
        scopes: record.scopes.clone(),
        created_at: Timestamp(record.created),
        expires_at: record.expires.map(Timestamp),
        last_used_at: record.last_used.map(Timestamp),
    }
}

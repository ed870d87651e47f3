//! API tokens of the user: they have his rights.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use hark_api::Timestamp;
use hark_api::tokens::{NewToken, Token, TokenRequest};
use http::StatusCode;

use crate::app::Shared;
use crate::auth::session::{self, MAX_TOKENS};
use crate::auth::token;
use crate::backend::{ApiTokenRecord, Refused};
use crate::extract::{Body, Path};
use crate::failure::{Failure, Reply};
use crate::peer::Peer;
use crate::who::{Proof, Who};

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
    if request.name.trim().is_empty() || request.name.len() > MAX_NAME {
        return Err(Failure::field("name", format!("say what it is for in 1 to {MAX_NAME} bytes")));
    }
    if request.valid_seconds.is_some_and(|seconds| seconds == 0 || seconds > MAX_SECONDS) {
        return Err(Failure::field("valid_seconds", "use 1 second to 10 years"));
    }
    let (secret, hash) = token::new_api()?;
    let now = app.now().unix;
    let record = ApiTokenRecord {
        hash,
        user: who.name().clone(),
        name: request.name,
        created: now,
        expires: request.valid_seconds.map(|seconds| now + Duration::from_secs(seconds)),
        last_used: None,
    };
    let stored = record.clone();
    app.ask(move |backend| {
        if backend.api_tokens(&stored.user)?.len() >= MAX_TOKENS {
            return Err(Refused::Conflict(format!(
                "you have {MAX_TOKENS} tokens: revoke one first"
            )));
        }
        backend.put_api_token(&stored)
    })
    .await?;
    app.audit(Some(who.name()), peer.address, "token.make", token::id(&hash)).await;
    Ok(Json(NewToken { secret, token: shown(&record) }))
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
    let user = who.name().clone();
    let wanted = id.clone();
    app.ask(move |backend| {
        let tokens = backend.api_tokens(&user)?;
        let found = tokens.iter().find(|token| token::id(&token.hash) == wanted);
        backend.drop_api_token(&found.ok_or(Refused::Absent)?.hash)
    })
    .await?;
    app.audit(Some(who.name()), peer.address, "token.revoke", id).await;
    Ok(StatusCode::NO_CONTENT)
}

fn shown(record: &ApiTokenRecord) -> Token {
    Token {
        id: token::id(&record.hash),
        name: record.name.clone(),
        created_at: Timestamp(record.created),
        expires_at: record.expires.map(Timestamp),
        last_used_at: record.last_used.map(Timestamp),
    }
}

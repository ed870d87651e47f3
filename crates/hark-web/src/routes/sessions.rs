//! Sessions: beginning, listing, revoking.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use hark_api::Timestamp;
use hark_api::sessions::Session;
use hark_model::UserName;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::app::{App, Shared};
use crate::auth::session::{self, MAX_SESSIONS};
use crate::auth::token;
use crate::backend::{SessionRecord, TokenHash};
use crate::extract::Path;
use crate::failure::{Failure, Reply};
use crate::peer::Peer;
use crate::who::{Who, cookie_name, mark_name};

/// How long a browser keeps its mark: as long as one is away at most and still expects to come in at once.
const MARK_SECONDS: u64 = 180 * 86_400;

/// Returns one's sessions, the newest first.
#[utoipa::path(
    get, path = "/api/0/sessions", tag = "session", responses((status = 200, body = Vec<Session>))
)]
pub(crate) async fn list(State(app): State<Shared>, who: Who) -> Reply<Json<Vec<Session>>> {
    let user = who.name().clone();
    let now = app.now().unix;
    let mut records = app.ask(move |backend| backend.sessions(&user)).await?;
    let login = app.login();
    records.retain(|record| session::alive(record, now, &login));
    records.sort_by_key(|record| std::cmp::Reverse(record.created));
    Ok(Json(records.iter().map(|record| shown(record, who.session())).collect()))
}

/// Ends one of one's sessions.
#[utoipa::path(
    delete, path = "/api/0/sessions/{id}", tag = "session",
    params(("id" = String, Path, description = "The session's number.")),
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
    app.change_rights(move |backend| {
        let sessions = backend.sessions(&user)?;
        let found = sessions.iter().find(|session| token::id(&session.hash) == wanted);
        backend.drop_session(&found.ok_or(crate::backend::Refused::Absent)?.hash)
    })
    .await?;
    app.audit(Some(who.name()), peer.address, "session.revoke", id).await;
    Ok(StatusCode::NO_CONTENT)
}

fn shown(record: &SessionRecord, current: Option<TokenHash>) -> Session {
    Session {
        id: token::id(&record.hash),
        created_at: Timestamp(record.created),
        last_seen_at: Timestamp(record.last_seen),
        address: record.address.to_string(),
        agent: record.agent.clone(),
        current: current == Some(record.hash),
    }
}

/// Begins a session of `user`; returns its token and record.
pub(super) async fn begin(
    app: &Shared,
    user: &UserName,
    peer: Peer,
    headers: &HeaderMap,
) -> Reply<(String, SessionRecord)> {
    let (text, hash) = token::new_session()?;
    let now = app.now().unix;
    let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    let record = SessionRecord {
        hash,
        user: user.clone(),
        created: now,
        last_seen: now,
        address: peer.address,
        agent: session::agent(agent.unwrap_or_default()),
    };
    let (stored, login) = (record.clone(), app.login());
    app.ask(move |backend| {
        let mut sessions = backend.sessions(&stored.user)?;
        sessions.sort_by_key(|session| std::cmp::Reverse(session.last_seen));
        let ended = sessions.iter().filter(|session| !session::alive(session, now, &login));
        let too_many = sessions.iter().skip(MAX_SESSIONS - 1);
        for session in ended.chain(too_many) {
            backend.drop_session(&session.hash)?;
        }
        backend.put_session(&stored)
    })
    .await?;
    Ok((text, record))
}

/// Ends every session of `user` but the one of `keep`.
pub(super) async fn end_others(
    app: &Shared,
    user: UserName,
    keep: Option<TokenHash>,
) -> Result<(), Failure> {
    app.change_rights(move |backend| {
        for session in backend.sessions(&user)? {
            if Some(session.hash) != keep {
                backend.drop_session(&session.hash)?;
            }
        }
        Ok(())
    })
    .await
}

/// Gives the browser the session of `token`, for as long as it can be good.
pub(super) fn with_cookie(app: &App, response: Response, peer: Peer, token: &str) -> Response {
    set_cookie(response, peer, cookie_name(peer.secure), token, app.login().longest.as_secs())
}

/// Marks the browser as one in which `account` has logged in. The mark stays when the session ends: it is for the next
/// log-in.
pub(super) fn with_mark(app: &App, response: Response, peer: Peer, account: &UserName) -> Response {
    let mark = app.browsers.as_ref().and_then(|browsers| browsers.mark(account.as_str()).ok());
    match mark {
        Some(mark) => set_cookie(response, peer, mark_name(peer.secure), &mark, MARK_SECONDS),
        None => response,
    }
}

/// Takes the session from the browser.
pub(super) fn without_cookie(response: Response, peer: Peer) -> Response {
    set_cookie(response, peer, cookie_name(peer.secure), "", 0)
}

/// `Lax`, not `Strict`: a link in a mail must open signed in. What `Strict` would prevent, the guard's
/// origin check does.
fn set_cookie(
    mut response: Response,
    peer: Peer,
    name: &str,
    value: &str,
    seconds: u64,
) -> Response {
    let secure = if peer.secure { "; Secure" } else { "" };
    let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}");
    if let Ok(value) = HeaderValue::from_str(&text) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}

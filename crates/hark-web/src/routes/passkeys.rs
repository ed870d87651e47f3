//! Passkeys: making them, removing them, and logging in with one.

use std::sync::PoisonError;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use hark_api::auth::Login;
use hark_api::passkeys::{NewPasskey, PasskeyChallenge, PasskeyLogin, PasskeyMade, PasskeyOffer};
use hark_api::second_factor::Confirmation;
use hark_model::UserName;
use http::{HeaderMap, StatusCode, Uri};

use super::auth::enter;
use super::second_factor::{
    by_session, confirm, first_codes, forget_codes, guarded, passkey_id, shown,
};
use crate::app::Shared;
use crate::auth::challenge::Mark;
use crate::auth::webauthn::{self, ALGORITHMS, Answer, Site, Wrong};
use crate::auth::{token, totp};
use crate::backend::{PasskeyRecord, Refused};
use crate::extract::{Body, Path};
use crate::failure::{Failure, Reply};
use crate::peer::{self, Peer};
use crate::who::Unfinished;

/// The most passkeys of one user: more than anybody has devices.
const MAX_PASSKEYS: usize = 20;

/// The longest name of a passkey in bytes.
const MAX_NAME: usize = 100;

/// What challenges for log-ins are made for.
const LOGIN: &str = "login";

/// Begins to make a passkey. Browsers take part on pages over TLS and by name, not by address.
#[utoipa::path(
    post, path = "/api/0/auth/passkeys/offer", tag = "session", request_body = Confirmation,
    responses((status = 200, body = PasskeyOffer))
)]
pub(crate) async fn offer(
    State(app): State<Shared>,
    peer: Peer,
    Unfinished(who): Unfinished,
    uri: Uri,
    headers: HeaderMap,
    Body(request): Body<Confirmation>,
) -> Reply<Json<PasskeyOffer>> {
    let authority = authority(&uri, &headers)?;
    confirm(&app, peer, &who, request).await?;
    let known = app.factors(who.name(), |factors| {
        factors.passkeys.iter().map(|key| token::base64(&key.id)).collect::<Vec<_>>()
    });
    let known = known.await?;
    if known.len() >= MAX_PASSKEYS {
        let text = format!("you have {MAX_PASSKEYS} passkeys: remove one first");
        return Err(Failure::Conflict(text));
    }
    Ok(Json(PasskeyOffer {
        challenge: new_challenge(&app, &making(who.name()))?,
        domain: peer::host(&authority).to_owned(),
        user_id: token::base64(&user_id(who.name())),
        user_name: who.name().to_string(),
        user_full_name: who.account.full_name.clone(),
        algorithms: ALGORITHMS.to_vec(),
        known,
    }))
}

/// Takes a passkey that the browser has made; ends one's other sessions.
#[utoipa::path(
    post, path = "/api/0/auth/passkeys", tag = "session", request_body = NewPasskey,
    responses((status = 200, body = PasskeyMade))
)]
pub(crate) async fn make(
    State(app): State<Shared>,
    peer: Peer,
    Unfinished(who): Unfinished,
    uri: Uri,
    headers: HeaderMap,
    Body(request): Body<NewPasskey>,
) -> Reply<Json<PasskeyMade>> {
    by_session(&who)?;
    let name = request.name.trim().to_owned();
    if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(Failure::field("name", format!("say which it is in 1 to {MAX_NAME} bytes")));
    }
    let authority = authority(&uri, &headers)?;
    let site = Site { authority: &authority, domain: peer::host(&authority) };
    let client_data = bytes("client_data", &request.client_data)?;
    let attestation = bytes("attestation", &request.attestation)?;
    let wrong = |wrong: Wrong| Failure::field("attestation", format!("the key's answer: {wrong}"));
    let made = webauthn::made(&client_data, &attestation, site).map_err(wrong)?;
    let mark = answered(&app, &client_data, &making(who.name()));
    let over = "the key has answered something else, or too late: begin anew";
    if !mark.is_some_and(|mark| spend(&app, mark)) {
        return Err(Failure::Conflict(over.to_owned()));
    }
    let record = PasskeyRecord {
        id: made.id,
        name,
        domain: site.domain.to_owned(),
        algorithm: made.algorithm,
        key: made.key,
        counter: made.counter,
        created: app.now().unix,
        used: None,
    };
    let id = record.id.clone();
    let known = app.ask(move |backend| match backend.passkey_owner(&id) {
        Ok(_) => Ok(true),
        Err(Refused::Absent) => Ok(false),
        Err(other) => Err(other),
    });
    if known.await? {
        return Err(Failure::Conflict("this passkey is known already".to_owned()));
    }
    let passkey = shown(&record);
    let (codes, hashes) = totp::new_recovery_codes()?;
    let kept = app.factors(who.name(), move |factors| {
        factors.passkeys.push(record);
        first_codes(factors, hashes)
    });
    let recovery_codes = if kept.await? { codes } else { Vec::new() };
    guarded(&app, peer, &who, "factor.passkey", &passkey.name).await?;
    Ok(Json(PasskeyMade { passkey, recovery_codes }))
}

/// Removes a passkey.
#[utoipa::path(
    post, path = "/api/0/auth/passkeys/{id}/remove", tag = "session", request_body = Confirmation,
    params(("id" = String, Path, description = "The passkey's number.")),
    responses((status = 204))
)]
pub(crate) async fn remove(
    State(app): State<Shared>,
    peer: Peer,
    Unfinished(who): Unfinished,
    Path(id): Path<String>,
    Body(request): Body<Confirmation>,
) -> Reply<StatusCode> {
    confirm(&app, peer, &who, request).await?;
    let removed = app.factors(who.name(), move |factors| {
        let place = factors.passkeys.iter().position(|key| passkey_id(key) == id)?;
        let removed = factors.passkeys.remove(place);
        forget_codes(factors);
        Some(removed.name)
    });
    let name = removed.await?.ok_or(Failure::Absent)?;
    app.audit(Some(who.name()), peer.address, "factor.remove", format!("passkey {name}")).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Returns what a passkey must sign to log in.
#[utoipa::path(
    post, path = "/api/0/auth/passkey/challenge", tag = "open",
    responses((status = 200, body = PasskeyChallenge))
)]
pub(crate) async fn challenge(
    State(app): State<Shared>,
    uri: Uri,
    headers: HeaderMap,
) -> Reply<Json<PasskeyChallenge>> {
    let authority = authority(&uri, &headers)?;
    let challenge = new_challenge(&app, LOGIN)?;
    Ok(Json(PasskeyChallenge { challenge, domain: peer::host(&authority).to_owned() }))
}

/// Logs in with a passkey: it stands for password and code.
#[utoipa::path(
    post, path = "/api/0/auth/passkey", tag = "open", request_body = PasskeyLogin,
    responses((status = 200, body = Login))
)]
pub(crate) async fn login(
    State(app): State<Shared>,
    peer: Peer,
    uri: Uri,
    headers: HeaderMap,
    Body(request): Body<PasskeyLogin>,
) -> Reply<Response> {
    // Signatures are not guessed: what is slowed down is the work that trying makes.
    app.attempt_from(peer.address)?;
    let authority = authority(&uri, &headers)?;
    let proof = Proof::read(&request)?;
    let mark = answered(&app, &proof.client_data, LOGIN).ok_or(Failure::WrongPasskey)?;
    let (id, asked) = (proof.id.clone(), request.user_id);
    let found = app.ask(move |backend| match backend.passkey_owner(&id) {
        Ok(user) => Ok(Some(backend.account(&user)?)),
        Err(Refused::Absent) => Ok(None),
        Err(other) => Err(other),
    });
    let Some(account) = found.await? else {
        app.audit(None, peer.address, "session.refused", "an unknown passkey").await;
        return Err(Failure::WrongPasskey);
    };
    let other = asked.is_some_and(|asked| asked != token::base64(&user_id(&account.name)));
    let now = app.now().unix;
    let checked = app.factors(&account.name, move |factors| {
        let key = factors.passkeys.iter_mut().find(|key| key.id == proof.id).ok_or(Wrong::Form)?;
        // What the header says is the caller's: only the name that the key was made for is the site.
        if !peer::host(&authority).eq_ignore_ascii_case(&key.domain) {
            return Err(Wrong::Site);
        }
        let site = Site { authority: &authority, domain: &key.domain };
        key.counter = webauthn::check(proof.answer(), site, &key.key, key.counter)?;
        key.used = Some(now);
        Ok::<_, Wrong>(key.name.clone())
    });
    let name = match checked.await? {
        Ok(name) if !other && spend(&app, mark) => name,
        Ok(_) => return Err(Failure::WrongPasskey),
        Err(wrong) => {
            let detail = format!("a passkey: {wrong}");
            app.audit(Some(&account.name), peer.address, "session.refused", detail).await;
            return Err(Failure::WrongPasskey);
        }
    };
    app.succeeded_from(peer.address);
    enter(&app, &account, peer, &headers, format!("with the passkey {name}")).await
}

/// The parts of a log-in.
struct Proof {
    id: Vec<u8>,
    client_data: Vec<u8>,
    authenticator_data: Vec<u8>,
    signature: Vec<u8>,
}

impl Proof {
    fn read(request: &PasskeyLogin) -> Reply<Self> {
        Ok(Self {
            id: bytes("id", &request.id)?,
            client_data: bytes("client_data", &request.client_data)?,
            authenticator_data: bytes("authenticator_data", &request.authenticator_data)?,
            signature: bytes("signature", &request.signature)?,
        })
    }

    fn answer(&self) -> Answer<'_> {
        Answer {
            client_data: &self.client_data,
            authenticator_data: &self.authenticator_data,
            signature: &self.signature,
        }
    }
}

fn bytes(field: &'static str, text: &str) -> Reply<Vec<u8>> {
    token::unbase64(text).ok_or_else(|| Failure::field(field, "use base64url without padding"))
}

/// Returns host and port of the request.
fn authority(uri: &Uri, headers: &HeaderMap) -> Reply<String> {
    let found = peer::authority(uri, headers).map(str::to_ascii_lowercase);
    found.ok_or_else(|| Failure::Malformed("no valid Host header".to_owned()))
}

/// What challenges for a new key of `user` are made for: another user's are not good for it.
fn making(user: &UserName) -> String {
    format!("a key of {user}")
}

/// Returns the number of `user` for keys. Keys show it to whoever finds them, so it is not the name.
fn user_id(user: &UserName) -> [u8; 32] {
    token::hash(format!("hark user {user}").as_bytes())
}

fn new_challenge(app: &Shared, purpose: &str) -> Reply<String> {
    let challenges = app.challenges.lock().unwrap_or_else(PoisonError::into_inner);
    let challenges = challenges.as_ref().ok_or(Failure::Internal)?;
    Ok(token::base64(&challenges.make(purpose, app.now().mono)?))
}

/// Returns the challenge that `client_data` answers, if it is one of ours.
fn answered(app: &Shared, client_data: &[u8], purpose: &str) -> Option<Mark> {
    let challenge = webauthn::challenge(client_data).ok()?;
    let challenges = app.challenges.lock().unwrap_or_else(PoisonError::into_inner);
    challenges.as_ref()?.check(&challenge, purpose, app.now().mono)
}

fn spend(app: &Shared, mark: Mark) -> bool {
    let mut challenges = app.challenges.lock().unwrap_or_else(PoisonError::into_inner);
    challenges.as_mut().is_some_and(|challenges| challenges.spend(mark, app.now().mono))
}

//! One's own second factors: an app that makes codes, and recovery codes.
//!
//! Each change asks for the password once more: a browser that was left open must not be enough to take
//! an account over, or to take its guard away.

use std::sync::PoisonError;

use axum::Json;
use axum::extract::State;
use hark_api::Timestamp;
use hark_api::second_factor::{
    Confirmation, Passkey, RecoveryCodes, SecondFactors, TotpConfirmation, TotpOffer,
};
use hark_model::Secret;
use http::{HeaderMap, StatusCode, Uri};

use super::sessions::end_others;
use crate::app::Shared;
use crate::auth::password::Checked;
use crate::auth::token;
use crate::auth::totp::{self, SECRET};
use crate::backend::{Factors, PasskeyRecord, Totp};
use crate::extract::Body;
use crate::failure::{Failure, Reply};
use crate::peer::{self, Peer};
use crate::who::{Proof, Unfinished, Who};

/// Returns one's second factors, without what is secret of them.
#[utoipa::path(
    get, path = "/api/0/auth/second-factor", tag = "session",
    responses((status = 200, body = SecondFactors))
)]
pub(crate) async fn list(
    State(app): State<Shared>,
    Unfinished(who): Unfinished,
) -> Reply<Json<SecondFactors>> {
    let factors = app.factors(who.name(), |factors| factors.clone()).await?;
    Ok(Json(SecondFactors {
        totp_since_at: factors.totp.as_ref().map(|totp| Timestamp(totp.since)),
        recovery_codes: factors.recovery.len() as u64,
        passkeys: factors.passkeys.iter().map(shown).collect(),
        demanded: app.login().second_factor.is_of(&who.account),
    }))
}

/// Makes a secret for an app. It guards nothing until a code of it has come back, within ten minutes.
#[utoipa::path(
    post, path = "/api/0/auth/totp", tag = "session", request_body = Confirmation,
    responses((status = 200, body = TotpOffer))
)]
pub(crate) async fn offer_totp(
    State(app): State<Shared>,
    peer: Peer,
    Unfinished(who): Unfinished,
    uri: Uri,
    headers: HeaderMap,
    Body(request): Body<Confirmation>,
) -> Reply<Json<TotpOffer>> {
    confirm(&app, peer, &who, request).await?;
    let secret = token::random::<SECRET>()?.to_vec();
    // So that somebody with several servers knows which code is for which.
    let host = peer::authority(&uri, &headers).map(peer::host).unwrap_or_default();
    let address = totp::address(&secret, who.name(), format!("hark {host}").trim_end());
    let offer = TotpOffer {
        secret: totp::base32(&secret),
        qr: totp::qr(&address).ok_or(Failure::Internal)?,
        address,
    };
    let mut offers = app.offers.lock().unwrap_or_else(PoisonError::into_inner);
    if !offers.put(who.name().clone(), secret, app.now().mono) {
        return Err(Failure::Busy);
    }
    Ok(Json(offer))
}

/// Has the app guard the account from now on, with a code of it; ends one's other sessions.
#[utoipa::path(
    post, path = "/api/0/auth/totp/confirm", tag = "session", request_body = TotpConfirmation,
    responses((status = 200, body = RecoveryCodes))
)]
pub(crate) async fn confirm_totp(
    State(app): State<Shared>,
    peer: Peer,
    Unfinished(who): Unfinished,
    Body(request): Body<TotpConfirmation>,
) -> Reply<Json<RecoveryCodes>> {
    by_session(&who)?;
    app.attempt(peer.address, who.name().as_str())?;
    let now = app.now();
    let offered = {
        let offers = app.offers.lock().unwrap_or_else(PoisonError::into_inner);
        offers.of(who.name(), now.mono)
    };
    let gone = "there is no secret that waits for its first code: begin anew";
    let secret = offered.ok_or_else(|| Failure::Conflict(gone.to_owned()))?;
    let Some(step) = totp::matches(&secret, &request.code, now.unix, 0) else {
        return Err(Failure::field("code", "this is not the code that the app shows now"));
    };
    app.succeeded(peer.address, who.name().as_str());
    let (codes, hashes) = totp::new_recovery_codes()?;
    let kept = app.factors(who.name(), move |factors| {
        factors.totp = Some(Totp { secret, since: now.unix, step });
        first_codes(factors, hashes)
    });
    let recovery_codes = if kept.await? { codes } else { Vec::new() };
    app.offers.lock().unwrap_or_else(PoisonError::into_inner).forget(who.name());
    guarded(&app, peer, &who, "factor.totp", "an app").await?;
    Ok(Json(RecoveryCodes { recovery_codes }))
}

/// Takes the app away.
#[utoipa::path(
    post, path = "/api/0/auth/totp/remove", tag = "session", request_body = Confirmation,
    responses((status = 204))
)]
pub(crate) async fn remove_totp(
    State(app): State<Shared>,
    peer: Peer,
    Unfinished(who): Unfinished,
    Body(request): Body<Confirmation>,
) -> Reply<StatusCode> {
    confirm(&app, peer, &who, request).await?;
    let removed = app.factors(who.name(), |factors| {
        let removed = factors.totp.take().is_some();
        forget_codes(factors);
        removed
    });
    if !removed.await? {
        return Err(Failure::Absent);
    }
    app.audit(Some(who.name()), peer.address, "factor.remove", "an app").await;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes new recovery codes in place of those of before.
#[utoipa::path(
    post, path = "/api/0/auth/recovery-codes", tag = "session", request_body = Confirmation,
    responses((status = 200, body = RecoveryCodes))
)]
pub(crate) async fn recovery_codes(
    State(app): State<Shared>,
    peer: Peer,
    Unfinished(who): Unfinished,
    Body(request): Body<Confirmation>,
) -> Reply<Json<RecoveryCodes>> {
    confirm(&app, peer, &who, request).await?;
    let (recovery_codes, hashes) = totp::new_recovery_codes()?;
    let made = app.factors(who.name(), move |factors| {
        let guards = factors.any();
        if guards {
            factors.recovery = hashes;
        }
        guards
    });
    if !made.await? {
        let text = "recovery codes stand for a second factor: set one up first";
        return Err(Failure::Conflict(text.to_owned()));
    }
    app.audit(Some(who.name()), peer.address, "factor.recovery-codes", "").await;
    Ok(Json(RecoveryCodes { recovery_codes }))
}

/// Fails unless `who` has come by a session and `request` has the present password.
pub(super) async fn confirm(
    app: &Shared,
    peer: Peer,
    who: &Who,
    request: Confirmation,
) -> Reply<()> {
    by_session(who)?;
    let Some(stored) = who.account.password.clone() else {
        let text =
            "you do not log in with a password here: what guards your account is set elsewhere";
        return Err(Failure::Conflict(text.to_owned()));
    };
    app.attempt(peer.address, who.name().as_str())?;
    if app.hasher.check(Secret::new(request.password), Some(stored)).await? == Checked::Wrong {
        return Err(Failure::field("password", "this is not the present password"));
    }
    app.succeeded(peer.address, who.name().as_str());
    Ok(())
}

/// Fails for programs with a token: it must not outlive its revocation by a factor of its own.
pub(super) fn by_session(who: &Who) -> Reply<()> {
    match who.proof {
        Proof::Cookie(_) | Proof::Session(_) => Ok(()),
        Proof::Proxy | Proof::Open => Err(Failure::Conflict(
            "you have not logged in here: what guards your account is set elsewhere".to_owned(),
        )),
        Proof::Api(_) => Err(Failure::Needs("session: an API token cannot change how one logs in")),
    }
}

/// Keeps the first recovery codes of a user. False if there are some already.
pub(super) fn first_codes(factors: &mut Factors, hashes: Vec<crate::backend::TokenHash>) -> bool {
    let first = factors.recovery.is_empty();
    if first {
        factors.recovery = hashes;
    }
    first
}

/// Forgets recovery codes that stand for nothing any more.
pub(super) fn forget_codes(factors: &mut Factors) {
    if !factors.any() {
        factors.recovery.clear();
    }
}

/// What follows once an account is guarded better: sessions that were begun with less end.
pub(super) async fn guarded(
    app: &Shared,
    peer: Peer,
    who: &Who,
    what: &str,
    detail: &str,
) -> Reply<()> {
    end_others(app, who.name().clone(), who.session()).await?;
    app.audit(Some(who.name()), peer.address, what, detail).await;
    Ok(())
}

/// Returns the number that people see of a passkey.
pub(super) fn passkey_id(key: &PasskeyRecord) -> String {
    token::id(&token::hash(&key.id))
}

/// Returns what is shown of a passkey.
pub(super) fn shown(key: &PasskeyRecord) -> Passkey {
    Passkey {
        id: passkey_id(key),
        name: key.name.clone(),
        domain: key.domain.clone(),
        created_at: Timestamp(key.created),
        used_at: key.used.map(Timestamp),
    }
}

//! Logging in at a provider of `OpenID` Connect: to it, and back from it.
//!
//! Both are visited by the browser itself, so they answer with a place to go and not with documents. What went
//! wrong is in the log and the audit; the log-in page gets a word for it, since what a provider says is not for
//! everybody who can make a browser come here.

use std::sync::PoisonError;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use hark_api::auth::{Provider, Providers};
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use serde::Deserialize;

use super::auth::begin_session;
use crate::app::Shared;
use crate::auth::token;
use crate::extract::{Params, Path};
use crate::failure::{Failure, Reply};
use crate::login::OidcSettings;
use crate::oidc::{Flow, Return, short};
use crate::peer::{self, Peer};
use crate::vouched::{self, Vouched};
use crate::who::cookie;

/// The longest path that one comes back to after the log-in.
const MAX_NEXT: usize = 512;

/// The longest code of a provider that is looked at.
const MAX_CODE: usize = 4096;

/// How long somebody may take at the provider, in seconds: as long as challenges are good.
const COOKIE_SECONDS: u64 = 300;

/// Where one wants to go after the log-in.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Begin {
    next: String,
}

/// What a provider sends the browser back with. More than that is its affair.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Back {
    code: String,
    state: String,
    error: String,
    error_description: String,
    iss: Option<String>,
}

/// Why nobody was let in, as the log-in page is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    /// The provider did not let the user in, or the user did not want to.
    Denied,
    /// The log-in is not one of this browser, is over, or was finished already.
    Stale,
    /// The provider cannot be reached, or its answer is not what it must be.
    Provider,
    /// Whom it names is not to be let in here.
    Unknown,
}

impl Refusal {
    fn word(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Stale => "stale",
            Self::Provider => "provider",
            Self::Unknown => "unknown",
        }
    }
}

/// Returns at which providers one can log in.
#[utoipa::path(
    get, path = "/api/0/auth/providers", tag = "open",
    responses((status = 200, body = Providers))
)]
pub(crate) async fn list(State(app): State<Shared>) -> Json<Providers> {
    let login = app.login();
    let shown = |one: &OidcSettings| Provider {
        label: one.label.clone(),
        path: format!("/oidc/{}/login", one.name),
    };
    Json(Providers { providers: login.oidc.iter().map(shown).collect() })
}

/// Sends the browser to the provider.
pub(crate) async fn begin(
    State(app): State<Shared>,
    peer: Peer,
    uri: Uri,
    headers: HeaderMap,
    Path(name): Path<String>,
    Params(Begin { next }): Params<Begin>,
) -> Reply<Response> {
    let settings = provider(&app, &name)?;
    let secret = token::random::<32>()?;
    let next = if is_own_path(&next) { next } else { "/".to_owned() };
    let held = format!("{}.{}", token::base64(&secret), token::base64(next.as_bytes()));
    let now = app.now();
    let state = {
        let challenges = app.challenges.lock().unwrap_or_else(PoisonError::into_inner);
        let challenges = challenges.as_ref().ok_or(Failure::Internal)?;
        token::base64(&challenges.make(&purpose(&name, &held), now.mono)?)
    };
    let redirect = redirect(&app, peer, &uri, &headers, &name)?;
    let (flow, outside) = (Flow::of(&secret), &*app.config.outside);
    let address = app.providers.address(outside, &settings, &flow, &redirect, &state, now).await;
    match address {
        Ok(address) => Ok(with_held(go(&address)?, peer, &held, COOKIE_SECONDS)),
        Err(error) => {
            tracing::warn!(provider = name, %error, "nobody can log in at a provider");
            refused(peer, Refusal::Provider)
        }
    }
}

/// Takes the browser back from the provider and begins a session, or says why not.
///
/// A reading request changes nothing that a page of another site could want changed: it begins a session for
/// the very browser that has asked for it, which the cookie proves.
pub(crate) async fn back(
    State(app): State<Shared>,
    peer: Peer,
    uri: Uri,
    headers: HeaderMap,
    Path(name): Path<String>,
    Params(back): Params<Back>,
) -> Reply<Response> {
    // A browser that hangs up here must not leave a session without its line in the audit.
    let deeds = app.deeds.tasks.clone();
    let done = deeds.spawn(async move {
        let settings = provider(&app, &name)?;
        app.attempt_from(peer.address)?;
        match enter(&app, peer, &uri, &headers, &settings, &back).await {
            Ok(response) => Ok(response),
            Err((refusal, why)) => {
                let why = short(&why);
                tracing::warn!(provider = name, why, "somebody was not let in by a provider");
                let detail = format!("by {}: {why}", settings.provider());
                app.audit(None, peer.address, "session.refused", detail).await;
                refused(peer, refusal)
            }
        }
    });
    done.await.map_err(|_panicked| Failure::Internal)?
}

async fn enter(
    app: &Shared,
    peer: Peer,
    uri: &Uri,
    headers: &HeaderMap,
    settings: &OidcSettings,
    back: &Back,
) -> Result<Response, (Refusal, String)> {
    let stale = |why: &str| (Refusal::Stale, why.to_owned());
    let held = cookie(headers, cookie_name(peer)).unwrap_or_default();
    let (secret, next) = held.split_once('.').ok_or_else(|| stale("no log-in of this browser"))?;
    let secret = token::unbase64(secret).ok_or_else(|| stale("no log-in of this browser"))?;
    let state = token::unbase64(&back.state).ok_or_else(|| stale("the state is none"))?;
    let now = app.now();
    // Used up before anything else: what comes a second time, for whatever reason, begins anew.
    let is_good = {
        let mut challenges = app.challenges.lock().unwrap_or_else(PoisonError::into_inner);
        challenges.as_mut().is_some_and(|challenges| {
            let mark = challenges.check(&state, &purpose(&settings.name, held), now.mono);
            mark.is_some_and(|mark| challenges.spend(mark, now.mono))
        })
    };
    if !is_good {
        return Err(stale("the state is of another log-in, over, or was used"));
    }
    // Who answers says who he is (RFC 9207): another provider's code is not for this one.
    if back.iss.as_ref().is_some_and(|iss| *iss != settings.issuer) {
        return Err((Refusal::Provider, "another provider has answered".to_owned()));
    }
    if !back.error.is_empty() {
        return Err((Refusal::Denied, format!("{} {}", back.error, back.error_description)));
    }
    if back.code.is_empty() || back.code.len() > MAX_CODE {
        return Err((Refusal::Provider, "it brings no code".to_owned()));
    }
    let internal = |failure: Failure| (Refusal::Provider, failure.detail());
    let redirect = redirect(app, peer, uri, headers, &settings.name).map_err(internal)?;
    let flow = Flow::of(&secret);
    let given = Return { redirect: &redirect, code: &back.code };
    let claims = app.providers.claims(&*app.config.outside, settings, &flow, given, now).await;
    let claims = claims.map_err(|error| (Refusal::Provider, error.to_string()))?;
    let vouched = Vouched {
        provider: settings.provider(),
        name: claims.text(&settings.name_claim).unwrap_or_default().to_owned(),
        full_name: claims.text("name").unwrap_or_default().to_owned(),
        groups: claims.texts(&settings.groups_claim),
        subject: claims.subject,
    };
    let account = vouched::account(app, vouched, &settings.membership).await;
    let account = account.map_err(|failure| (Refusal::Unknown, failure.detail()))?;
    app.succeeded_from(peer.address);
    let how = format!("by {}", settings.provider());
    let token = begin_session(app, &account, peer, headers, how).await;
    let token = token.map_err(|failure| (Refusal::Unknown, failure.detail()))?;
    let next = token::unbase64(next).and_then(|next| String::from_utf8(next).ok());
    let next = next.filter(|next| is_own_path(next)).unwrap_or_else(|| "/".to_owned());
    let response = with_held(go(&next).map_err(internal)?, peer, "", 0);
    Ok(super::sessions::with_cookie(app, response, peer, &token))
}

fn provider(app: &Shared, name: &str) -> Reply<OidcSettings> {
    app.login().oidc.iter().find(|one| one.name == name).cloned().ok_or(Failure::NoSuchPath)
}

/// Returns what a state is made for: this provider, this browser, and where it wants to go.
fn purpose(provider: &str, held: &str) -> String {
    format!("oidc {provider} {}", token::hex(&token::hash(held.as_bytes())))
}

/// Returns whether `path` leads to a page of this server and nowhere else.
fn is_own_path(path: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_graphic() && c != '\\';
    path.starts_with('/')
        && !path.starts_with("//")
        && path.len() <= MAX_NEXT
        && path.chars().all(is_plain)
}

/// Returns the address that the provider sends the browser back to. It is compared there with what was
/// entered, so that a name that somebody makes a browser send leads nowhere.
fn redirect(app: &Shared, peer: Peer, uri: &Uri, headers: &HeaderMap, name: &str) -> Reply<String> {
    let base = if app.config.public_url.is_empty() {
        let authority = peer::authority(uri, headers);
        let authority =
            authority.ok_or_else(|| Failure::Malformed("no valid Host header".to_owned()))?;
        format!("{}://{authority}", if peer.secure { "https" } else { "http" })
    } else {
        app.config.public_url.clone()
    };
    Ok(format!("{base}/oidc/{name}/back"))
}

/// Sends the browser to `address`.
fn go(address: &str) -> Reply<Response> {
    let address = HeaderValue::from_str(address).map_err(|_| Failure::Internal)?;
    Ok((StatusCode::SEE_OTHER, [(header::LOCATION, address)]).into_response())
}

/// Sends the browser to the log-in page with a word on why.
fn refused(peer: Peer, refusal: Refusal) -> Reply<Response> {
    Ok(with_held(go(&format!("/?refused={}", refusal.word()))?, peer, "", 0))
}

fn cookie_name(peer: Peer) -> &'static str {
    if peer.secure { "__Host-hark-oidc" } else { "hark-oidc" }
}

/// Has the browser hold what proves that it has begun the log-in. `Lax`, since the provider's page is what
/// leads back here.
fn with_held(mut response: Response, peer: Peer, value: &str, seconds: u64) -> Response {
    let name = cookie_name(peer);
    let secure = if peer.secure { "; Secure" } else { "" };
    let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}");
    if let Ok(value) = HeaderValue::from_str(&text) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_comes_back_to_this_server_and_nowhere_else() {
        for (path, expected) in [
            ("/", true),
            ("/hosts/db1?range=7d#cpu", true),
            ("", false),
            ("hosts", false),
            ("//evil.example.net", false),
            ("/\\evil.example.net", false),
            ("https://evil.example.net", false),
            ("/a\r\nset-cookie: x", false),
            ("/ ä", false),
        ] {
            assert_eq!(is_own_path(path), expected, "{path:?}");
        }
        assert!(!is_own_path(&format!("/{}", "a".repeat(MAX_NEXT))));
    }
}

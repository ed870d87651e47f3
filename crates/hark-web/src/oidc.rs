//! Logging in at a provider of `OpenID` Connect: the code flow with PKCE, as far as it needs the provider.
//!
//! What a log-in under way needs is in the browser's cookie and proves itself ([`crate::auth::challenge`]), so
//! that beginning one costs the server nothing. What is kept is what the provider says of itself, for an
//! hour, and its keys, until a token names one that is not among them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hark_model::{Mono, Now, Secret};
use jsonwebtoken::jwk::Jwk;
use ring::hmac;
use serde::Deserialize;
use serde_json::Value;

use crate::auth::jwt::{self, Claims, Expected, Wrong};
use crate::auth::token;
use crate::login::{OidcSettings, is_safe};
use crate::outside::{Fetch, Outside};

/// How long is believed what a provider says of itself, and its keys.
const BELIEVED: Duration = Duration::from_hours(1);

/// How often its keys are asked for at most: a token can name any key.
const KEYS_PAUSE: Duration = Duration::from_mins(1);

/// How long a provider that has not answered is not asked again: anybody can begin a log-in, and each would
/// wait for it.
const FAILED_PAUSE: Duration = Duration::from_secs(15);

/// The longest text of a provider that is shown in the log.
const MAX_SAID: usize = 200;

/// Why a provider lets nobody in; in words for the log and the audit, without secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failed {
    /// It cannot be asked, or answers what it must not.
    #[error("{0}")]
    Provider(String),
    /// It does not take the code.
    #[error("the provider does not take the code: {0}")]
    Refused(String),
    /// Its token lets nobody in.
    #[error("the token of the provider: {0}")]
    Token(#[from] Wrong),
}

/// What is known of providers, by their names.
#[derive(Debug, Default)]
pub(crate) struct Providers(Mutex<BTreeMap<String, Arc<Known>>>);

/// What is known of a provider with these settings.
#[derive(Debug)]
struct Known {
    settings: OidcSettings,
    /// Held while it is asked: whoever comes meanwhile waits for that answer and asks nothing.
    kept: tokio::sync::Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    says: Asked<Says>,
    keys: Asked<Vec<Jwk>>,
}

/// What is asked for now and then.
#[derive(Debug)]
struct Asked<T> {
    /// The newest answer, and when it was asked for.
    answer: Option<(Arc<T>, Mono)>,
    /// Why there was none since, and when it was asked for.
    failed: Option<(Failed, Mono)>,
}

impl<T> Default for Asked<T> {
    fn default() -> Self {
        Self { answer: None, failed: None }
    }
}

impl<T> Asked<T> {
    /// Returns what is known if it is younger than `old`, or if it was asked for in vain just now; an answer
    /// of before is better than nobody who gets in. `None`: it is to be asked for.
    fn known(&self, old: Duration, now: Mono) -> Option<Result<Arc<T>, Failed>> {
        let is_young = self.answer.as_ref().is_some_and(|(_, at)| now.since(*at) < old);
        let failed = self.failed.as_ref().filter(|(_, at)| now.since(*at) < FAILED_PAUSE);
        match (&self.answer, failed) {
            (Some((answer, _)), _) if is_young => Some(Ok(Arc::clone(answer))),
            (_, None) => None,
            (Some((answer, _)), Some(_)) => Some(Ok(Arc::clone(answer))),
            (None, Some((why, _))) => Some(Err(why.clone())),
        }
    }

    /// Takes what came of asking at `now`; returns what is known by it.
    fn take(&mut self, came: Result<T, Failed>, now: Mono) -> Result<Arc<T>, Failed> {
        match (came, &self.answer) {
            (Ok(answer), _) => {
                let answer = Arc::new(answer);
                *self = Self { answer: Some((Arc::clone(&answer), now)), failed: None };
                Ok(answer)
            }
            (Err(why), before) => {
                let known = before.as_ref().map(|(answer, _)| Arc::clone(answer));
                self.failed = Some((why.clone(), now));
                known.ok_or(why)
            }
        }
    }
}

/// What a provider says of itself.
#[derive(Clone, Debug, Deserialize)]
struct Says {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    #[serde(default)]
    userinfo_endpoint: Option<String>,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
}

/// What a log-in under way is known by, made of the one random text in the browser's cookie.
#[derive(Debug)]
pub(crate) struct Flow {
    /// Comes back in the token.
    pub(crate) nonce: String,
    /// Proves to the provider that who brings the code has begun the log-in.
    verifier: String,
}

impl Flow {
    /// Makes it of the browser's secret.
    pub(crate) fn of(secret: &[u8]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let part = |name: &str| token::base64(hmac::sign(&key, name.as_bytes()).as_ref());
        Self { nonce: part("nonce"), verifier: part("verifier") }
    }

    fn challenge(&self) -> String {
        token::base64(&token::hash(self.verifier.as_bytes()))
    }
}

/// Where a log-in comes back to, and with what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Return<'a> {
    /// The address of this server that the provider knows.
    pub(crate) redirect: &'a str,
    /// The code.
    pub(crate) code: &'a str,
}

impl Providers {
    /// Returns where the browser is sent to log in.
    pub(crate) async fn address(
        &self,
        outside: &dyn Outside,
        settings: &OidcSettings,
        flow: &Flow,
        redirect: &str,
        state: &str,
        now: Now,
    ) -> Result<String, Failed> {
        let says = self.of(settings).says(outside, now.mono).await?;
        let scopes = settings.scopes.join(" ");
        let fields = [
            ("response_type", "code"),
            ("client_id", &settings.client_id),
            ("redirect_uri", redirect),
            ("scope", &scopes),
            ("state", state),
            ("nonce", &flow.nonce),
            ("code_challenge", &flow.challenge()),
            ("code_challenge_method", "S256"),
        ];
        let endpoint = &says.authorization_endpoint;
        let sign = if endpoint.contains('?') { '&' } else { '?' };
        Ok(format!("{endpoint}{sign}{}", form(&fields)))
    }

    /// Changes the code that the browser has brought for what the provider says of the user.
    pub(crate) async fn claims(
        &self,
        outside: &dyn Outside,
        settings: &OidcSettings,
        flow: &Flow,
        back: Return<'_>,
        now: Now,
    ) -> Result<Claims, Failed> {
        let provider = self.of(settings);
        let says = provider.says(outside, now.mono).await?;
        let tokens = exchange(outside, settings, &says, flow, back).await?;
        let expected =
            Expected { issuer: &says.issuer, client: &settings.client_id, nonce: &flow.nonce };
        let keys = provider.keys(outside, &says, BELIEVED, now.mono).await?;
        let mut checked = jwt::check(&tokens.id_token, &keys, expected, now.unix);
        if checked == Err(Wrong::Key) {
            // It has new ones, perhaps.
            let keys = provider.keys(outside, &says, KEYS_PAUSE, now.mono).await?;
            checked = jwt::check(&tokens.id_token, &keys, expected, now.unix);
        }
        let claims = checked?;
        let is_whole = [&settings.name_claim, &settings.groups_claim]
            .into_iter()
            .all(|name| claims.all.contains_key(name));
        match (&says.userinfo_endpoint, tokens.access_token) {
            (Some(endpoint), Some(access)) if !is_whole => {
                more(outside, settings, endpoint, &access, claims).await
            }
            _ => Ok(claims),
        }
    }

    /// Returns what is known of the provider of these settings; with other ones it is another.
    fn of(&self, settings: &OidcSettings) -> Arc<Known> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.get(&settings.name).filter(|known| known.settings == *settings).cloned();
        known.unwrap_or_else(|| {
            let (settings, kept) = (settings.clone(), tokio::sync::Mutex::default());
            let made = Arc::new(Known { settings, kept });
            all.insert(made.settings.name.clone(), Arc::clone(&made));
            made
        })
    }
}

impl Known {
    /// Returns what it says of itself.
    async fn says(&self, outside: &dyn Outside, now: Mono) -> Result<Arc<Says>, Failed> {
        let mut kept = self.kept.lock().await;
        if let Some(known) = kept.says.known(BELIEVED, now) {
            return known;
        }
        let came = discover(outside, &self.settings).await;
        if let Err(error) = &came {
            let provider = &self.settings.name;
            tracing::warn!(provider, %error, "a provider does not say what it is");
        }
        kept.says.take(came, now)
    }

    /// Returns its keys, asked for anew if they are `old`.
    async fn keys(
        &self,
        outside: &dyn Outside,
        says: &Says,
        old: Duration,
        now: Mono,
    ) -> Result<Arc<Vec<Jwk>>, Failed> {
        let mut kept = self.kept.lock().await;
        if let Some(known) = kept.keys.known(old, now) {
            return known;
        }
        let asked = get(outside, &self.settings, &says.jwks_uri, None).await;
        let came = asked.and_then(|body| {
            let none = || Failed::Provider("its document of keys cannot be read".to_owned());
            jwt::keys(&body).ok_or_else(none)
        });
        if let Err(error) = &came {
            let provider = &self.settings.name;
            tracing::warn!(provider, %error, "a provider does not show its keys");
        }
        kept.keys.take(came, now)
    }
}

/// What is given for a code.
#[derive(Deserialize)]
struct Tokens {
    id_token: String,
    #[serde(default)]
    access_token: Option<String>,
}

async fn discover(outside: &dyn Outside, settings: &OidcSettings) -> Result<Says, Failed> {
    let issuer = settings.issuer.trim_end_matches('/');
    let url = format!("{issuer}/.well-known/openid-configuration");
    let body = get(outside, settings, &url, None).await?;
    let says: Says = serde_json::from_slice(&body).map_err(|error| {
        Failed::Provider(format!("what it says of itself cannot be read: {error}"))
    })?;
    if says.issuer != settings.issuer {
        let text = format!("it calls itself {}, and not {}", short(&says.issuer), settings.issuer);
        return Err(Failed::Provider(text));
    }
    let endpoints = [
        Some(&says.authorization_endpoint),
        Some(&says.token_endpoint),
        Some(&says.jwks_uri),
        says.userinfo_endpoint.as_ref(),
    ];
    let path = |url: &str| url.split('?').next().unwrap_or_default().to_owned();
    if let Some(url) = endpoints.into_iter().flatten().find(|url| !is_safe(&path(url))) {
        return Err(Failed::Provider(format!("{} is without TLS", short(url))));
    }
    Ok(says)
}

async fn exchange(
    outside: &dyn Outside,
    settings: &OidcSettings,
    says: &Says,
    flow: &Flow,
    back: Return<'_>,
) -> Result<Tokens, Failed> {
    let mut fields = vec![
        ("grant_type".to_owned(), "authorization_code".to_owned()),
        ("code".to_owned(), back.code.to_owned()),
        ("redirect_uri".to_owned(), back.redirect.to_owned()),
        ("code_verifier".to_owned(), flow.verifier.clone()),
    ];
    let methods = &says.token_endpoint_auth_methods_supported;
    // Without a word on it, the standard says that it is the first of these.
    let knows = |method: &str| methods.iter().any(|known| known == method);
    let by_header =
        methods.is_empty() || knows("client_secret_basic") || !knows("client_secret_post");
    let mut authorization = None;
    match &settings.client_secret {
        Some(secret) if by_header => {
            let pair = [&settings.client_id, secret.expose()].map(encoded).join(":");
            authorization = Some(Secret::new(format!("Basic {}", STANDARD.encode(pair))));
        }
        Some(secret) => {
            fields.push(("client_id".to_owned(), settings.client_id.clone()));
            fields.push(("client_secret".to_owned(), secret.expose().to_owned()));
        }
        None => fields.push(("client_id".to_owned(), settings.client_id.clone())),
    }
    let fetch = Fetch {
        url: says.token_endpoint.clone(),
        form: Some(fields),
        authorization,
        ca_file: settings.ca_file.clone(),
    };
    let answer = outside.fetch(fetch).await.map_err(Failed::Provider)?;
    if answer.status != 200 {
        return Err(Failed::Refused(said(answer.status, &answer.body)));
    }
    serde_json::from_slice(&answer.body)
        .map_err(|_| Failed::Provider("it gives no ID token for the code".to_owned()))
}

/// Adds to `claims` what only the provider's own address tells of the user.
async fn more(
    outside: &dyn Outside,
    settings: &OidcSettings,
    endpoint: &str,
    access: &str,
    mut claims: Claims,
) -> Result<Claims, Failed> {
    let bearer = Secret::new(format!("Bearer {access}"));
    let body = get(outside, settings, endpoint, Some(bearer)).await?;
    let Ok(Value::Object(told)) = serde_json::from_slice(&body) else {
        return Err(Failed::Provider("what it says of the user cannot be read".to_owned()));
    };
    // The standard's own warning: else somebody could put another one's answer in its place.
    if told.get("sub").and_then(Value::as_str) != Some(claims.subject.as_str()) {
        return Err(Failed::Provider("it speaks of another user than its token".to_owned()));
    }
    for (name, value) in told {
        claims.all.entry(name).or_insert(value);
    }
    Ok(claims)
}

async fn get(
    outside: &dyn Outside,
    settings: &OidcSettings,
    url: &str,
    authorization: Option<Secret>,
) -> Result<bytes::Bytes, Failed> {
    let ca_file = settings.ca_file.clone();
    let fetch = Fetch { url: url.to_owned(), form: None, authorization, ca_file };
    let answer = outside.fetch(fetch).await.map_err(Failed::Provider)?;
    if answer.status == 200 {
        return Ok(answer.body);
    }
    let text = said(answer.status, &answer.body);
    Err(Failed::Provider(format!("{}: {text}", short(url))))
}

/// Returns what a provider says about a failure.
fn said(status: u16, body: &[u8]) -> String {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Said {
        error: String,
        error_description: String,
    }
    let said: Said = serde_json::from_slice(body).unwrap_or_default();
    let text = [said.error, said.error_description];
    let text = text.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ");
    short(format!("status {status} {text}").trim())
}

/// Returns `text` as it may stand in a log.
pub(crate) fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_SAID).collect()
}

/// Returns fields as they stand in a query.
pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    let pair = |(name, value): &(&str, &str)| format!("{}={}", encoded(name), encoded(value));
    fields.iter().map(pair).collect::<Vec<_>>().join("&")
}

/// Returns `text` with everything but plain characters in hexadecimal digits.
pub(crate) fn encoded(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            // Writing into a String cannot fail.
            _ => write!(out, "%{byte:02X}").unwrap_or_default(),
        }
        out
    })
}

#[cfg(test)]
mod tests;

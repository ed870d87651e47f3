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

/// What is known of providers, by their names and settings.
#[derive(Debug, Default)]
pub(crate) struct Providers(Mutex<BTreeMap<String, Known>>);

#[derive(Clone, Debug)]
struct Known {
    settings: OidcSettings,
    at: Mono,
    says: Arc<Says>,
    keys: Arc<Vec<Jwk>>,
    keys_at: Mono,
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
        let known = self.known(outside, settings, now.mono).await?;
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
        let endpoint = &known.says.authorization_endpoint;
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
        let known = self.known(outside, settings, now.mono).await?;
        let tokens = exchange(outside, settings, &known.says, flow, back).await?;
        let issuer = known.says.issuer.clone();
        let expected =
            Expected { issuer: &issuer, client: &settings.client_id, nonce: &flow.nonce };
        let keys = self.keys(outside, settings, KEYS_PAUSE, BELIEVED, now.mono).await?;
        let mut checked = jwt::check(&tokens.id_token, &keys, expected, now.unix);
        if checked == Err(Wrong::Key) {
            // It has new ones, perhaps.
            let keys = self.keys(outside, settings, KEYS_PAUSE, KEYS_PAUSE, now.mono).await?;
            checked = jwt::check(&tokens.id_token, &keys, expected, now.unix);
        }
        let claims = checked?;
        let is_whole = [&settings.name_claim, &settings.groups_claim]
            .into_iter()
            .all(|name| claims.all.contains_key(name));
        match (&known.says.userinfo_endpoint, tokens.access_token) {
            (Some(endpoint), Some(access)) if !is_whole => {
                more(outside, settings, endpoint, &access, claims).await
            }
            _ => Ok(claims),
        }
    }

    fn kept(&self, settings: &OidcSettings) -> Option<Known> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&settings.name).filter(|known| known.settings == *settings).cloned()
    }

    async fn known(
        &self,
        outside: &dyn Outside,
        settings: &OidcSettings,
        now: Mono,
    ) -> Result<Known, Failed> {
        let kept = self.kept(settings);
        if let Some(known) = &kept
            && now.since(known.at) < BELIEVED
        {
            return Ok(known.clone());
        }
        match discover(outside, settings).await {
            Ok(says) => {
                let keys_at = kept.as_ref().map_or(Mono(0), |known| known.keys_at);
                let keys = kept.map(|known| known.keys).unwrap_or_default();
                let settings = settings.clone();
                let known = Known { settings, at: now, says: Arc::new(says), keys, keys_at };
                self.keep(known.clone());
                Ok(known)
            }
            // What it said an hour ago is better than nobody who gets in.
            Err(error) => {
                tracing::warn!(provider = settings.name, %error, "a provider does not say what it is");
                kept.ok_or(error)
            }
        }
    }

    fn keep(&self, known: Known) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(known.settings.name.clone(), known);
    }

    /// Returns the keys of a provider, asked for anew if they are `old`, though not within `pause`.
    async fn keys(
        &self,
        outside: &dyn Outside,
        settings: &OidcSettings,
        pause: Duration,
        old: Duration,
        now: Mono,
    ) -> Result<Arc<Vec<Jwk>>, Failed> {
        let Some(mut known) = self.kept(settings) else {
            return Err(Failed::Provider("its settings have just changed".to_owned()));
        };
        let age = now.since(known.keys_at);
        let is_first = known.keys.is_empty();
        if !is_first && (age < old || age < pause) {
            return Ok(known.keys);
        }
        let asked = get(outside, settings, &known.says.jwks_uri, None).await;
        let read = asked.and_then(|body| {
            let none = || Failed::Provider("its document of keys cannot be read".to_owned());
            jwt::keys(&body).ok_or_else(none)
        });
        match read {
            Ok(keys) => {
                known.keys = Arc::new(keys);
                known.keys_at = now;
                self.keep(known.clone());
                Ok(known.keys)
            }
            Err(error) if is_first => Err(error),
            Err(error) => {
                tracing::warn!(provider = settings.name, %error, "a provider does not show its keys");
                Ok(known.keys)
            }
        }
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
mod tests {
    use super::*;

    #[test]
    fn the_challenge_is_that_of_the_standard() {
        // RFC 7636, appendix B.
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned();
        let flow = Flow { nonce: String::new(), verifier };
        assert_eq!(flow.challenge(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn each_browser_has_its_own_texts_and_one_says_nothing_of_the_other() {
        let (a, b) = (Flow::of(b"a"), Flow::of(b"b"));
        assert_ne!(a.nonce, b.nonce);
        assert_ne!(a.nonce, a.verifier);
        assert_eq!(a.verifier.len(), 43, "as the standard wants it");
        assert_eq!(Flow::of(b"a").verifier, a.verifier);
    }

    #[test]
    fn what_stands_in_a_query_ends_nothing() {
        assert_eq!(form(&[("a b", "c&d=e#f"), ("g", "ü/")]), "a%20b=c%26d%3De%23f&g=%C3%BC%2F");
    }

    #[test]
    fn what_a_provider_says_is_short_and_of_one_line() {
        let body = br#"{"error": "invalid_grant", "error_description": "no\nsuch code"}"#;
        assert_eq!(said(400, body), "status 400 invalid_grant, nosuch code");
        assert_eq!(said(502, b"<html>"), "status 502");
        assert!(
            said(400, format!("{{\"error\": \"{}\"}}", "x".repeat(5000)).as_bytes()).len() <= 200
        );
    }
}

use std::sync::MutexGuard;

use futures_util::future::BoxFuture;
use hark_model::Unix;
use serde_json::json;

use super::*;
use crate::auth::jwt::signing::Provider;
use crate::login::{LdapSettings, Membership};
use crate::outside::{Fetched, Person};

const ISSUER: &str = "https://id.example.net";

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
    assert!(said(400, format!("{{\"error\": \"{}\"}}", "x".repeat(5000)).as_bytes()).len() <= 200);
}

/// When tests begin.
const START: Now = Now { mono: Mono(10_000_000), unix: Unix(1_800_000_000_000) };

/// Returns the moment so much later.
fn after(wait: Duration) -> Now {
    let millis = i64::try_from(wait.as_millis()).unwrap();
    Now { mono: START.mono + wait, unix: Unix(START.unix.0 + millis) }
}

fn flow() -> Flow {
    Flow::of(b"a browser")
}

/// A provider whose answers take a turn of the runtime, so that others come meanwhile.
struct Fake {
    state: Mutex<State>,
}

struct State {
    key: Provider,
    kid: String,
    now: Now,
    is_away: bool,
    hides_keys: bool,
    /// The key that its tokens name, if it is not the one that they are signed with.
    signs_as: Option<String>,
    /// What was asked for, in its order.
    asked: Vec<String>,
}

impl std::fmt::Debug for Fake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fake")
    }
}

impl Fake {
    fn new() -> Self {
        Self {
            state: Mutex::new(State {
                key: Provider::new(),
                kid: "a".to_owned(),
                now: START,
                is_away: false,
                hides_keys: false,
                signs_as: None,
                asked: Vec::new(),
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Has another key from now on.
    fn rotate(&self, kid: &str) {
        let mut state = self.state();
        (state.key, state.kid) = (Provider::new(), kid.to_owned());
    }

    /// Returns how often `part` of an address was asked for.
    fn times(&self, part: &str) -> usize {
        self.state().asked.iter().filter(|url| url.contains(part)).count()
    }
}

impl State {
    fn answer(&self, path: &str) -> Value {
        let at = |path: &str| format!("{ISSUER}{path}");
        let seconds = self.now.unix.seconds();
        match path {
            "/.well-known/openid-configuration" => json!({"issuer": ISSUER,
                "authorization_endpoint": at("/authorize"), "token_endpoint": at("/token"),
                "jwks_uri": at("/keys")}),
            "/keys" => json!({"keys": [self.key.key(&self.kid)]}),
            "/token" => {
                let claims = json!({"iss": ISSUER, "sub": "17", "aud": "hark",
                    "nonce": flow().nonce, "exp": seconds + 60, "iat": seconds});
                let kid = self.signs_as.as_ref().unwrap_or(&self.kid);
                let header = json!({"alg": "ES256", "kid": kid});
                json!({"id_token": self.key.signed(&header, &claims)})
            }
            other => panic!("{other} is not asked for"),
        }
    }
}

impl Outside for Fake {
    fn fetch(&self, fetch: Fetch) -> BoxFuture<'_, Result<Fetched, String>> {
        let mut state = self.state();
        state.asked.push(fetch.url.clone());
        let is_hidden = state.hides_keys && fetch.url.ends_with("/keys");
        let answer = if state.is_away || is_hidden {
            Err("nobody answers there".to_owned())
        } else {
            let body = state.answer(fetch.url.strip_prefix(ISSUER).unwrap());
            Ok(Fetched { status: 200, body: body.to_string().into() })
        };
        drop(state);
        Box::pin(async move {
            tokio::task::yield_now().await;
            answer
        })
    }

    fn person<'a>(
        &'a self,
        _: &'a LdapSettings,
        _: &'a str,
        _: &'a Secret,
    ) -> BoxFuture<'a, Result<Option<Person>, String>> {
        Box::pin(std::future::ready(Err("this is no directory".to_owned())))
    }
}

fn settings() -> OidcSettings {
    OidcSettings {
        name: "work".to_owned(),
        issuer: ISSUER.to_owned(),
        client_id: "hark".to_owned(),
        client_secret: None,
        label: String::new(),
        scopes: Vec::new(),
        name_claim: "preferred_username".to_owned(),
        groups_claim: "groups".to_owned(),
        ca_file: None,
        membership: Membership::default(),
    }
}

/// Begins a log-in so much later.
async fn begin(providers: &Providers, fake: &Fake, wait: Duration) -> Result<String, Failed> {
    let redirect = "https://mon.example.net/oidc/work/back";
    providers.address(fake, &settings(), &flow(), redirect, "state", after(wait)).await
}

/// Ends a log-in so much later.
async fn enter(providers: &Providers, fake: &Fake, wait: Duration) -> Result<String, Failed> {
    fake.state().now = after(wait);
    let back = Return { redirect: "https://mon.example.net/oidc/work/back", code: "good" };
    let claims = providers.claims(fake, &settings(), &flow(), back, after(wait)).await;
    claims.map(|claims| claims.subject)
}

const DISCOVERY: &str = "openid-configuration";

#[tokio::test]
async fn a_provider_that_is_away_is_asked_again_after_a_pause_and_not_by_each_stranger() {
    let (providers, fake) = (Providers::default(), Fake::new());
    fake.state().is_away = true;
    let seconds = Duration::from_secs;
    let at_once = (0..20).map(|_| begin(&providers, &fake, seconds(0)));
    for came in futures_util::future::join_all(at_once).await {
        assert_eq!(came.unwrap_err().to_string(), "nobody answers there");
    }
    assert_eq!(fake.times(DISCOVERY), 1, "whoever comes meanwhile hears the same");
    for second in 0..15 {
        assert!(begin(&providers, &fake, seconds(second)).await.is_err());
    }
    assert_eq!(fake.times(DISCOVERY), 1);
    assert!(begin(&providers, &fake, seconds(15)).await.is_err());
    assert_eq!(fake.times(DISCOVERY), 2);
    // It is back, and that is seen after the pause.
    fake.state().is_away = false;
    assert!(begin(&providers, &fake, seconds(29)).await.is_err());
    assert!(begin(&providers, &fake, seconds(30)).await.is_ok());
    assert_eq!(fake.times(DISCOVERY), 3);
    // Another provider under the same name has nothing of it.
    let other = OidcSettings { client_id: "other".to_owned(), ..settings() };
    providers.address(&fake, &other, &flow(), "r", "s", after(seconds(31))).await.unwrap();
    assert_eq!(fake.times(DISCOVERY), 4);
}

#[tokio::test]
async fn what_a_provider_has_said_an_hour_ago_holds_while_it_is_away() {
    let (providers, fake) = (Providers::default(), Fake::new());
    let minutes = Duration::from_mins;
    begin(&providers, &fake, minutes(0)).await.unwrap();
    begin(&providers, &fake, minutes(59)).await.unwrap();
    assert_eq!(fake.times(DISCOVERY), 1);
    fake.state().is_away = true;
    for _ in 0..5 {
        begin(&providers, &fake, minutes(60)).await.unwrap();
    }
    assert_eq!(fake.times(DISCOVERY), 2, "it is asked once in a pause");
    begin(&providers, &fake, minutes(61)).await.unwrap();
    assert_eq!(fake.times(DISCOVERY), 3);
}

#[tokio::test]
async fn a_new_key_of_the_provider_is_taken_and_unknown_ones_make_nobody_ask_without_end() {
    let (providers, fake) = (Providers::default(), Fake::new());
    let seconds = Duration::from_secs;
    assert_eq!(enter(&providers, &fake, seconds(0)).await.as_deref(), Ok("17"));
    assert_eq!(fake.times("/keys"), 1);
    fake.rotate("b");
    // Within a minute of the last look nobody looks, whatever key a token names.
    for second in 1..60 {
        let wrong = enter(&providers, &fake, seconds(second)).await;
        assert_eq!(wrong, Err(Failed::Token(Wrong::Key)), "{second}");
    }
    assert_eq!(fake.times("/keys"), 1);
    assert_eq!(enter(&providers, &fake, seconds(60)).await.as_deref(), Ok("17"));
    assert_eq!(fake.times("/keys"), 2);
    // One that it never shows is looked for once a minute.
    fake.state().signs_as = Some("z".to_owned());
    for second in 61..=240 {
        let wrong = enter(&providers, &fake, seconds(second)).await;
        assert_eq!(wrong, Err(Failed::Token(Wrong::Key)), "{second}");
    }
    assert_eq!(fake.times("/keys"), 5);
}

#[tokio::test]
async fn keys_that_are_not_shown_are_asked_for_after_a_pause() {
    let (providers, fake) = (Providers::default(), Fake::new());
    let seconds = Duration::from_secs;
    assert_eq!(enter(&providers, &fake, seconds(0)).await.as_deref(), Ok("17"));
    fake.rotate("b");
    fake.state().hides_keys = true;
    for second in 60..75 {
        let wrong = enter(&providers, &fake, seconds(second)).await;
        assert_eq!(wrong, Err(Failed::Token(Wrong::Key)), "{second}");
    }
    assert_eq!(fake.times("/keys"), 2);
    fake.state().hides_keys = false;
    assert_eq!(enter(&providers, &fake, seconds(75)).await.as_deref(), Ok("17"));
    assert_eq!(fake.times("/keys"), 3);
}

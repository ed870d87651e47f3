//! A provider of `OpenID` Connect in memory, which does as tests tell it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::BoxFuture;
use hark_model::{Clock, Secret};
use hark_web::{Fetch, Fetched, LdapSettings, Outside, Person};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};

use crate::server::sha256;

pub(crate) const ISSUER: &str = "https://id.example.net";

pub(crate) struct FakeProvider(Mutex<State>);

pub(crate) struct State {
    key: EcdsaKeyPair,
    pub(crate) kid: String,
    /// What the next tokens say beside what all say.
    pub(crate) claims: Value,
    /// What it tells when it is asked with an access token.
    pub(crate) told: Value,
    /// The nonce that the browser has brought.
    pub(crate) nonce: String,
    /// The challenge that it has brought.
    pub(crate) challenge: String,
    /// What was asked for, in its order.
    pub(crate) asked: Vec<Fetch>,
    /// Whom directories know, by their names; one that is not here cannot be reached.
    pub(crate) people: BTreeMap<String, Result<Vec<Person>, String>>,
    /// Other names that they find people by.
    pub(crate) aliases: BTreeMap<String, String>,
    /// Whom they were asked for.
    pub(crate) people_asked: Vec<String>,
    /// It cannot be reached.
    pub(crate) is_away: bool,
    /// What it calls itself.
    pub(crate) issuer: String,
}

impl std::fmt::Debug for FakeProvider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FakeProvider")
    }
}

fn new_key() -> EcdsaKeyPair {
    let (algorithm, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
    let key = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
    EcdsaKeyPair::from_pkcs8(algorithm, key.as_ref(), &random).unwrap()
}

impl FakeProvider {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(State {
            key: new_key(),
            kid: "a".to_owned(),
            claims: json!({}),
            told: json!({}),
            nonce: String::new(),
            challenge: String::new(),
            asked: Vec::new(),
            people: BTreeMap::new(),
            aliases: BTreeMap::new(),
            people_asked: Vec::new(),
            is_away: false,
            issuer: ISSUER.to_owned(),
        }))
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has another key from now on.
    pub(crate) fn rotate(&self) {
        let mut state = self.state();
        (state.key, state.kid) = (new_key(), format!("{}a", state.kid));
    }

    /// Returns how often `part` of an address was asked for.
    pub(crate) fn times(&self, part: &str) -> usize {
        self.state().asked.iter().filter(|fetch| fetch.url.contains(part)).count()
    }
}

impl State {
    fn keys(&self) -> Value {
        let point = self.key.public_key().as_ref();
        let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
        json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": self.kid, "x": x, "y": y}]})
    }

    fn token(&self) -> String {
        let now = Clock.now().unix.seconds();
        let mut claims = json!({"iss": ISSUER, "aud": "hark", "sub": "17", "iat": now,
            "exp": now + 60, "nonce": self.nonce});
        for (name, value) in self.claims.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let header = json!({"alg": "ES256", "kid": self.kid});
        let text = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
        let signature = self.key.sign(&SystemRandom::new(), text.as_bytes()).unwrap();
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }

    fn answer(&mut self, fetch: &Fetch) -> (u16, Value) {
        let at = |path: &str| format!("{ISSUER}{path}");
        match fetch.url.strip_prefix(ISSUER).unwrap() {
            "/.well-known/openid-configuration" => (
                200,
                json!({"issuer": self.issuer, "authorization_endpoint": at("/authorize"),
                    "token_endpoint": at("/token"), "jwks_uri": at("/keys"),
                    "userinfo_endpoint": at("/told")}),
            ),
            "/keys" => (200, self.keys()),
            "/told" => (200, self.told.clone()),
            "/token" => {
                let form: BTreeMap<String, String> =
                    fetch.form.clone().unwrap().into_iter().collect();
                assert_eq!(form["grant_type"], "authorization_code");
                let hash = sha256(form["code_verifier"].as_bytes());
                assert_eq!(URL_SAFE_NO_PAD.encode(hash), self.challenge, "who has begun it");
                if form["code"] != "good" {
                    return (400, json!({"error": "invalid_grant", "error_description": "no"}));
                }
                (200, json!({"id_token": self.token(), "access_token": "opaque"}))
            }
            other => panic!("{other} is not asked for"),
        }
    }
}

impl Outside for FakeProvider {
    fn fetch(&self, fetch: Fetch) -> BoxFuture<'_, Result<Fetched, String>> {
        let mut state = self.state();
        state.asked.push(fetch.clone());
        let answer = if state.is_away {
            Err("nobody answers there".to_owned())
        } else {
            let (status, body) = state.answer(&fetch);
            Ok(Fetched { status, body: body.to_string().into() })
        };
        drop(state);
        Box::pin(std::future::ready(answer))
    }

    fn person<'a>(
        &'a self,
        directory: &'a LdapSettings,
        name: &'a str,
        password: &'a Secret,
    ) -> BoxFuture<'a, Result<Option<Person>, String>> {
        let mut state = self.state();
        state.people_asked.push(format!("{}: {name}", directory.name));
        let found =
            state.people.get(&directory.name).cloned().unwrap_or_else(|| Err("away".to_owned()));
        let name = state.aliases.get(name).map_or(name, String::as_str);
        let is_he = |person: &Person| person.name == name && password.expose() == "open sesame";
        let found = found.map(|people| people.into_iter().find(is_he));
        drop(state);
        Box::pin(std::future::ready(found))
    }
}

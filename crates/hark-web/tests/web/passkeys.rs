//! Passkeys, made by a key that the test holds itself.

use hark_model::{Clock, UserName};
use minicbor::Encoder;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};

use crate::server::{Caller, Reply, Running, sha256, start_tls};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// User present, user verified.
const FLAGS: u8 = 5;
/// A key follows.
const HAS_KEY: u8 = 0x40;

fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

struct Key {
    pair: EcdsaKeyPair,
    id: Vec<u8>,
    counter: u32,
}

impl Key {
    fn new(id: &str) -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let der = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, der.as_ref(), &random).unwrap();
        Self { pair, id: id.as_bytes().to_vec(), counter: 0 }
    }

    fn data(&self, flags: u8) -> Vec<u8> {
        [&sha256(b"localhost")[..], &[flags], &self.counter.to_be_bytes()].concat()
    }

    /// Returns the attestation of a new key.
    fn attestation(&self) -> Vec<u8> {
        let point = self.pair.public_key().as_ref();
        let mut cose = Encoder::new(Vec::new());
        cose.map(5).unwrap().u8(1).unwrap().u8(2).unwrap().u8(3).unwrap().i8(-7).unwrap();
        cose.i8(-1).unwrap().u8(1).unwrap().i8(-2).unwrap().bytes(&point[1..33]).unwrap();
        cose.i8(-3).unwrap().bytes(&point[33..]).unwrap();
        let length = u16::try_from(self.id.len()).unwrap().to_be_bytes();
        let head = self.data(FLAGS | HAS_KEY);
        let data = [&head[..], &[0; 16], &length, &self.id, &cose.into_writer()].concat();
        let mut out = Encoder::new(Vec::new());
        out.map(3).unwrap().str("fmt").unwrap().str("none").unwrap();
        out.str("attStmt").unwrap().map(0).unwrap().str("authData").unwrap().bytes(&data).unwrap();
        out.into_writer()
    }

    /// Answers `challenge` for a log-in.
    fn answer(&mut self, running: &Running, challenge: &Value) -> Value {
        self.counter += 1;
        let client = client(running, "webauthn.get", challenge);
        let data = self.data(FLAGS);
        let signed = [&data[..], &sha256(client.as_bytes())].concat();
        let signature = self.pair.sign(&SystemRandom::new(), &signed).unwrap();
        json!({
            "id": text(&self.id),
            "client_data": text(client.as_bytes()),
            "authenticator_data": text(&data),
            "signature": text(signature.as_ref())
        })
    }
}

fn client(running: &Running, kind: &str, challenge: &Value) -> String {
    let origin = format!("https://localhost:{}", running.address.port());
    json!({"type": kind, "challenge": challenge, "origin": origin, "crossOrigin": false})
        .to_string()
}

async fn offer(browser: &Caller) -> Value {
    let body = json!({"password": "correct horse"});
    let offer = browser.post("/api/0/auth/passkeys/offer", body).await;
    assert_eq!(offer.status, 200, "{}", offer.text());
    offer.json()
}

async fn make(running: &Running, browser: &Caller, key: &Key, challenge: &Value) -> Reply {
    let client = client(running, "webauthn.create", challenge);
    let attestation = text(&key.attestation());
    let body = json!({
        "name": "laptop", "client_data": text(client.as_bytes()), "attestation": attestation
    });
    browser.post("/api/0/auth/passkeys", body).await
}

async fn challenge(running: &Running) -> Value {
    let challenge = running.nobody().post("/api/0/auth/passkey/challenge", json!({})).await.json();
    assert_eq!(challenge["domain"], "localhost");
    challenge["challenge"].clone()
}

async fn login(running: &Running, answer: &Value) -> Reply {
    running.nobody().post("/api/0/auth/passkey", answer.clone()).await
}

#[tokio::test]
async fn a_passkey_logs_in_without_a_password() {
    let running = start_tls().await;
    let root = running.browser("root");
    let mut key = Key::new("a key");
    let offered = offer(&root).await;
    assert_eq!((&offered["user_name"], &offered["known"]), (&json!("root"), &json!([])));
    let made = make(&running, &root, &key, &offered["challenge"]).await;
    assert_eq!(made.status, 200, "{}", made.text());
    assert_eq!(made.json()["recovery_codes"].as_array().unwrap().len(), 10);
    assert_eq!(made.json()["passkey"]["name"], "laptop");
    assert_eq!(offer(&root).await["known"], json!([text(b"a key")]));

    let mut answer = key.answer(&running, &challenge(&running).await);
    answer["user_id"] = offered["user_id"].clone();
    let reply = login(&running, &answer).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.json()["user"]["second_factor"], "set");
    assert!(reply.header("set-cookie").starts_with("__Host-hark="));
    let line = running.fake.stored().audit.last().unwrap().clone();
    assert_eq!((line.who.as_str(), line.detail.as_str()), ("root", "with the passkey laptop"));

    // From now on a password alone does not do.
    let body = json!({"username": "root", "password": "correct horse"});
    let by_password = running.nobody().post("/api/0/auth/login", body).await;
    assert_eq!(by_password.problem(), "second-factor");
}

#[tokio::test]
async fn an_answer_is_good_once_and_for_its_own_challenge() {
    let running = start_tls().await;
    let root = running.browser("root");
    let mut key = Key::new("a key");
    let offered = offer(&root).await;
    assert_eq!(make(&running, &root, &key, &offered["challenge"]).await.status, 200);
    let again = make(&running, &root, &Key::new("b"), &offered["challenge"]).await;
    assert_eq!(again.problem(), "conflict", "the challenge was answered");
    let same = offer(&root).await;
    let twice = make(&running, &root, &key, &same["challenge"]).await;
    assert_eq!(twice.problem(), "conflict", "the key is known");

    let asked = challenge(&running).await;
    let answer = key.answer(&running, &asked);
    assert_eq!(login(&running, &answer).await.status, 200);
    assert_eq!(login(&running, &answer).await.problem(), "wrong-passkey");
    let new = key.answer(&running, &asked);
    assert_eq!(login(&running, &new).await.problem(), "wrong-passkey", "another signature of it");
    let invented = key.answer(&running, &json!(text(&[7; 56])));
    assert_eq!(login(&running, &invented).await.problem(), "wrong-passkey");
    let for_making = key.answer(&running, &offer(&root).await["challenge"]);
    assert_eq!(login(&running, &for_making).await.problem(), "wrong-passkey");
}

#[tokio::test]
async fn what_is_not_the_keys_answer_lets_nobody_in() {
    let running = start_tls().await;
    let root = running.browser("root");
    let mut key = Key::new("a key");
    let offered = offer(&root).await;
    assert_eq!(make(&running, &root, &key, &offered["challenge"]).await.status, 200);
    let mut answers = Vec::new();
    let mut stranger = Key::new("another");
    answers.push(stranger.answer(&running, &challenge(&running).await));
    stranger.id = b"a key".to_vec();
    answers.push(stranger.answer(&running, &challenge(&running).await));
    let good = key.answer(&running, &challenge(&running).await);
    let set = |field: &str, value: Value| {
        let mut changed = good.clone();
        changed[field] = value;
        changed
    };
    answers.push(set("user_id", json!(text(&[1; 32]))));
    answers.push(set("signature", json!("AAAA")));
    answers.push(set("authenticator_data", json!(text(&key.data(1)))));
    for answer in answers {
        let reply = login(&running, &answer).await;
        assert_eq!((reply.status, reply.problem()), (401, "wrong-passkey".to_owned()), "{answer}");
        assert!(reply.header("set-cookie").is_empty());
    }
    let unread = login(&running, &set("id", json!("?"))).await;
    assert_eq!(unread.json()["errors"][0]["field"], "id");
}

#[tokio::test]
async fn a_copy_of_a_key_is_noticed_by_its_count() {
    let running = start_tls().await;
    let root = running.browser("root");
    let mut key = Key::new("a key");
    let offered = offer(&root).await;
    assert_eq!(make(&running, &root, &key, &offered["challenge"]).await.status, 200);
    for _ in 0..3 {
        let answer = key.answer(&running, &challenge(&running).await);
        assert_eq!(login(&running, &answer).await.status, 200);
    }
    key.counter = 1;
    let answer = key.answer(&running, &challenge(&running).await);
    assert_eq!(login(&running, &answer).await.problem(), "wrong-passkey");
    let line = running.fake.stored().audit.last().unwrap().clone();
    assert_eq!(line.what, "session.refused");
    assert!(line.detail.contains("there may be a copy"), "{}", line.detail);
}

#[tokio::test]
async fn a_passkey_that_is_removed_opens_nothing() {
    let running = start_tls().await;
    let root = running.browser("root");
    let elsewhere = running.session("root", "elsewhere", Clock.now().unix);
    let mut key = Key::new("a key");
    let offered = offer(&root).await;
    let made = make(&running, &root, &key, &offered["challenge"]).await.json();
    assert!(!running.fake.stored().sessions.contains_key(&elsewhere), "other sessions end");
    let path = format!("/api/0/auth/passkeys/{}/remove", made["passkey"]["id"].as_str().unwrap());
    let wrong = root.post(&path, json!({"password": "wrong horse"})).await;
    assert_eq!(wrong.status, 422);
    assert_eq!(root.post(&path, json!({"password": "correct horse"})).await.status, 204);
    let answer = key.answer(&running, &challenge(&running).await);
    assert_eq!(login(&running, &answer).await.problem(), "wrong-passkey");
    let stored = running.fake.stored().factors[&UserName::new("root").unwrap()].clone();
    assert_eq!(stored, hark_web::Factors::default());
}

#[tokio::test]
async fn a_challenge_for_one_users_key_makes_none_of_another() {
    let running = start_tls().await;
    running.user("mira", false, &[]);
    let (root, mira) = (running.browser("root"), running.browser("mira"));
    let offered = offer(&root).await;
    let reply = make(&running, &mira, &Key::new("a key"), &offered["challenge"]).await;
    assert_eq!((reply.status, reply.problem()), (409, "conflict".to_owned()));
    assert!(running.fake.stored().factors.is_empty());
}

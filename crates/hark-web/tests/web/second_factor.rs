//! Codes of an app, recovery codes, and servers that demand them.

use hark_model::{Clock, UserName};
use hark_web::{Demand, LoginSettings, Network, Proxies};
use http::Method;
use ring::hmac;
use serde_json::{Value, json};

use crate::server::{Caller, Reply, Running, start, start_as, start_demanding};

/// Returns the code that an app shows `ahead` steps from now: an implementation of its own.
fn code(secret: &str, ahead: i64) -> String {
    let digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let (mut bytes, mut kept, mut bits) = (Vec::new(), 0_usize, 0);
    for digit in secret.chars() {
        kept = (kept << 5) | digits.find(digit).unwrap();
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from((kept >> bits) & 0xff).unwrap());
            kept &= (1 << bits) - 1;
        }
    }
    let step = Clock.now().unix.0 / 30_000 + ahead;
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &bytes);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let tag = tag.as_ref();
    let at = usize::from(tag[19] & 15);
    let number = u32::from_be_bytes(tag[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

async fn login(running: &Running, user: &str, code: Option<&str>) -> Reply {
    let mut body = json!({"username": user, "password": "correct horse"});
    if let Some(code) = code {
        body["code"] = json!(code);
    }
    running.nobody().post("/api/0/auth/login", body).await
}

fn password() -> Value {
    json!({"password": "correct horse"})
}

/// Sets an app up in `browser`; returns its secret and the recovery codes.
async fn enrol(browser: &Caller) -> (String, Vec<String>) {
    let offer = browser.post("/api/0/auth/totp", password()).await;
    assert_eq!(offer.status, 200, "{}", offer.text());
    let secret = offer.json()["secret"].as_str().unwrap().to_owned();
    // The step before: so that the present one is still unused afterwards.
    let body = json!({"code": code(&secret, -1)});
    let done = browser.post("/api/0/auth/totp/confirm", body).await;
    assert_eq!(done.status, 200, "{}", done.text());
    let codes = done.json()["recovery_codes"].clone();
    (secret, serde_json::from_value(codes).unwrap())
}

#[tokio::test]
async fn an_app_guards_the_log_in_once_its_first_code_has_come_back() {
    let running = start().await;
    let root = running.browser("root");
    let offer = root.post("/api/0/auth/totp", password()).await.json();
    let secret = offer["secret"].as_str().unwrap();
    let address = offer["address"].as_str().unwrap();
    assert!(address.starts_with("otpauth://totp/hark%20127.0.0.1:root?secret="), "{address}");
    assert!(address.contains(secret));
    assert!(offer["qr"]["path"].as_str().unwrap().starts_with("M0 0h7v1h-7z"));
    assert_eq!(login(&running, "root", None).await.status, 200, "it is not confirmed yet");
    let other = running.session("root", "elsewhere", Clock.now().unix);

    let wrong = root.post("/api/0/auth/totp/confirm", json!({"code": "000000"})).await;
    assert_eq!(wrong.json()["errors"][0]["field"], "code", "{}", wrong.text());
    let (secret, codes) = enrol(&root).await;
    assert_eq!(codes.len(), 10);
    assert!(!running.fake.stored().sessions.contains_key(&other), "other sessions end");
    let state = root.get("/api/0/auth/second-factor").await.json();
    assert_eq!(state["recovery_codes"], 10);
    assert!(state["totp_since_at"].is_string());
    assert_eq!(root.get("/api/0/auth/me").await.json()["second_factor"], "set");
    assert_eq!(root.get("/api/0/users").await.json()[0]["second_factor"], true);

    let asked = login(&running, "root", None).await;
    assert_eq!((asked.status, asked.problem()), (401, "second-factor".to_owned()));
    assert!(asked.header("set-cookie").is_empty());
    let wrong = login(&running, "root", Some("12345")).await;
    assert_eq!((wrong.status, wrong.problem()), (401, "wrong-second-factor".to_owned()));
    let now = code(&secret, 0);
    assert_eq!(login(&running, "root", Some(&now)).await.status, 200);
    let again = login(&running, "root", Some(&now)).await;
    assert_eq!(again.problem(), "wrong-second-factor", "a code is good once");
    assert_eq!(login(&running, "root", Some(&code(&secret, 1))).await.status, 200);
}

#[tokio::test]
async fn a_code_does_not_tell_whether_a_password_was_right() {
    let running = start().await;
    let (secret, _) = enrol(&running.browser("root")).await;
    let body = json!({"username": "root", "password": "wrong horse", "code": code(&secret, 0)});
    let reply = running.nobody().post("/api/0/auth/login", body).await;
    assert_eq!(reply.problem(), "wrong-login");
    assert_eq!(login(&running, "root", Some(&code(&secret, 0))).await.status, 200, "not used up");
}

#[tokio::test]
async fn two_who_bring_the_same_code_at_once_are_one_too_many() {
    let running = start().await;
    let (secret, _) = enrol(&running.browser("root")).await;
    let now = code(&secret, 0);
    let (a, b, c) = tokio::join!(
        login(&running, "root", Some(&now)),
        login(&running, "root", Some(&now)),
        login(&running, "root", Some(&now))
    );
    let mut statuses = [a.status, b.status, c.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401, 401]);
}

#[tokio::test]
async fn guessing_codes_is_slowed_down() {
    let running = start().await;
    let (secret, _) = enrol(&running.browser("root")).await;
    let mut statuses = Vec::new();
    for _ in 0..9 {
        statuses.push(login(&running, "root", Some("000000")).await.status);
    }
    assert_eq!(statuses, [401, 401, 401, 401, 401, 401, 401, 401, 429]);
    assert_eq!(login(&running, "root", Some(&code(&secret, 0))).await.status, 429);
}

#[tokio::test]
async fn who_has_the_password_guesses_codes_slowly_from_everywhere_and_holds_nobody_up() {
    let proxies =
        Proxies { from: vec![Network::parse("127.0.0.1").unwrap()], ..Proxies::default() };
    let running = start_as(None, LoginSettings { proxies, ..LoginSettings::default() }).await;
    running.user("root", true, &[]);
    let (secret, codes) = enrol(&running.browser("root")).await;
    let from = async |address: String, code: &str| {
        let body = json!({"username": "root", "password": "correct horse", "code": code});
        let caller = running.nobody().with("x-forwarded-for", &address);
        caller.post("/api/0/auth/login", body).await
    };
    let home = || "192.0.2.7".to_owned();
    assert_eq!(from(home(), &code(&secret, 0)).await.status, 200);
    let mut statuses = Vec::new();
    for n in 0..12 {
        statuses.push(from(format!("198.51.100.{n}"), "000000").await.status);
    }
    assert_eq!(statuses, [[401; 10].as_slice(), &[429, 429]].concat(), "each address is a new one");
    let elsewhere = from("203.0.113.9".to_owned(), &code(&secret, 1)).await;
    assert_eq!((elsewhere.status, elsewhere.problem()), (429, "limited".to_owned()));
    let wait: u64 = elsewhere.header("retry-after").parse().unwrap();
    assert!((1700..=1800).contains(&wait), "{wait}");
    assert_eq!(from(home(), &code(&secret, 1)).await.status, 200, "where its owner usually is");
    let recovered = from("203.0.113.9".to_owned(), &codes[0]).await;
    assert_eq!(recovered.status, 200, "what nobody guesses is not counted");
}

#[tokio::test]
async fn a_recovery_code_opens_once() {
    let running = start().await;
    let root = running.browser("root");
    let (_, codes) = enrol(&root).await;
    assert_eq!(login(&running, "root", Some(&codes[0])).await.status, 200);
    assert_eq!(login(&running, "root", Some(&codes[0])).await.problem(), "wrong-second-factor");
    let stored = running.fake.stored().factors[&UserName::new("root").unwrap()].clone();
    assert_eq!(stored.recovery.len(), 9);
    let last = running.fake.stored().audit.iter().rfind(|l| l.what == "session.login").cloned();
    assert_eq!(last.unwrap().detail, "with a recovery code, 9 left");
    let fresh = root.post("/api/0/auth/recovery-codes", password()).await.json();
    assert_eq!(fresh["recovery_codes"].as_array().unwrap().len(), 10);
    assert_eq!(login(&running, "root", Some(&codes[1])).await.status, 401, "the old ones are void");
    let fresh = fresh["recovery_codes"][5].as_str().unwrap().to_owned();
    assert_eq!(login(&running, "root", Some(&fresh)).await.status, 200);
}

#[tokio::test]
async fn what_guards_an_account_is_changed_with_its_password_alone() {
    let running = start().await;
    let root = running.browser("root");
    enrol(&root).await;
    for path in ["/api/0/auth/totp", "/api/0/auth/totp/remove", "/api/0/auth/recovery-codes"] {
        let reply = root.post(path, json!({"password": "wrong horse"})).await;
        assert_eq!((reply.status, reply.problem()), (422, "wrong-fields".to_owned()), "{path}");
        let by_token = running.program("root").post(path, password()).await;
        assert_eq!(by_token.status, 403, "{path}");
    }
    assert_eq!(root.post("/api/0/auth/totp/remove", password()).await.status, 204);
    assert_eq!(login(&running, "root", None).await.status, 200);
    let stored = running.fake.stored().factors[&UserName::new("root").unwrap()].clone();
    assert_eq!(stored, hark_web::Factors::default(), "codes that stand for nothing go as well");
}

#[tokio::test]
async fn an_administrator_lets_in_who_has_lost_everything() {
    let running = start().await;
    running.user("mira", false, &[]);
    let mira = running.browser("mira");
    enrol(&mira).await;
    let reset = "/api/0/users/mira/second-factor";
    assert_eq!(mira.call(Method::DELETE, reset, None).await.status, 403);
    let root = running.browser("root");
    assert_eq!(root.call(Method::DELETE, reset, None).await.status, 204);
    assert_eq!(mira.get("/api/0/auth/me").await.status, 401, "sessions end with what let them in");
    assert_eq!(login(&running, "mira", None).await.status, 200);
    let gone = root.call(Method::DELETE, "/api/0/users/nobody/second-factor", None).await;
    assert_eq!(gone.status, 404);
    let words: Vec<String> =
        running.fake.stored().audit.iter().map(|line| line.what.clone()).collect();
    assert_eq!(words, ["factor.totp", "user.reset-factors", "session.login"]);
}

#[tokio::test]
async fn where_one_is_demanded_nothing_else_can_be_done_before() {
    let running = start_demanding(Demand::Administrators).await;
    running.user("mira", false, &[]);
    assert_eq!(running.browser("mira").get("/api/0/overview").await.status, 200);
    let root = running.browser("root");
    assert_eq!(root.get("/api/0/auth/me").await.json()["second_factor"], "needed");
    for caller in [&root, &running.program("root")] {
        for path in ["/api/0/overview", "/api/0/users", "/metrics", "/api/0/stream", "/ws"] {
            let reply = caller.get(path).await;
            let problem = (403, "second-factor-demanded".to_owned());
            assert_eq!((reply.status, reply.problem()), problem, "{path}");
        }
    }
    assert_eq!(root.post("/api/0/tokens", json!({"name": "x"})).await.status, 403);
    let (secret, _) = enrol(&root).await;
    assert_eq!(root.get("/api/0/overview").await.status, 200);
    assert_eq!(running.program("root").get("/api/0/overview").await.status, 200);
    assert_eq!(login(&running, "root", Some(&code(&secret, 0))).await.status, 200);
}

#[tokio::test]
async fn one_who_has_no_password_here_is_told_where_it_is_changed() {
    let running = start().await;
    let name = running.user("mira", false, &[]);
    running.fake.stored().accounts.get_mut(&name).unwrap().password = None;
    let reply = running.browser("mira").post("/api/0/auth/totp", password()).await;
    assert_eq!((reply.status, reply.problem()), (409, "conflict".to_owned()));
}

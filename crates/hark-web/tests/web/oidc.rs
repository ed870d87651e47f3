//! Logging in at a provider: what of it this server decides.

use std::collections::BTreeMap;

use hark_model::{Secret, TeamName, UserName};
use hark_web::{LoginSettings, Membership, NewUsers, OidcSettings, Rights};
use http::Method;
use serde_json::{Value, json};

use crate::fake::provider::ISSUER;
use crate::server::{Caller, Reply, Running, start_as};

fn settings() -> OidcSettings {
    let admins = Rights { admin: true, ..Rights::default() };
    let dba = Rights { teams: [TeamName::new("dba").unwrap()].into(), ..Rights::default() };
    OidcSettings {
        name: "work".to_owned(),
        issuer: ISSUER.to_owned(),
        client_id: "hark".to_owned(),
        client_secret: Some(Secret::new("s3cret&")),
        label: "Work account".to_owned(),
        scopes: vec!["openid".to_owned(), "groups".to_owned()],
        name_claim: "preferred_username".to_owned(),
        groups_claim: "groups".to_owned(),
        ca_file: None,
        membership: Membership {
            groups: [("admins".to_owned(), admins), ("dba".to_owned(), dba)].into(),
            ..Membership::default()
        },
    }
}

async fn running(settings: OidcSettings) -> Running {
    let running =
        start_as(None, LoginSettings { oidc: vec![settings], ..LoginSettings::default() });
    let running = running.await;
    running.user("root", true, &[]);
    mira(&running);
    running
}

/// Has the provider vouch for mira, who is a database administrator.
fn mira(running: &Running) {
    running.outside.state().claims =
        json!({"preferred_username": "mira", "name": "Mira Kvale", "groups": ["dba", "staff"]});
}

/// A browser that has begun to log in.
struct Begun {
    caller: Caller,
    state: String,
}

fn cookie_of(reply: &Reply, name: &str) -> Option<String> {
    let all = reply.headers.get_all("set-cookie").iter();
    let found =
        all.filter_map(|value| value.to_str().unwrap().split_once(';').map(|(pair, _)| pair));
    found
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, v)| v.to_owned())
}

fn query_of(address: &str) -> BTreeMap<String, String> {
    let query = address.split_once('?').unwrap().1;
    let decode = |text: &str| {
        let mut parts = text.split('%');
        let mut bytes = parts.next().unwrap().as_bytes().to_vec();
        for part in parts {
            let (digits, rest) = part.split_at(2);
            bytes.push(u8::from_str_radix(digits, 16).unwrap());
            bytes.extend(rest.as_bytes());
        }
        String::from_utf8(bytes).unwrap()
    };
    query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap())
        .map(|(k, v)| (k.to_owned(), decode(v)))
        .collect()
}

async fn begin(running: &Running, next: &str) -> Begun {
    let reply = running.nobody().get(&format!("/oidc/work/login{next}")).await;
    assert_eq!(reply.status, 303, "{}", reply.text());
    let address = reply.header("location");
    assert!(address.starts_with("https://id.example.net/authorize?"), "{address}");
    let query = query_of(address);
    let held = cookie_of(&reply, "hark-oidc").unwrap();
    assert_eq!(query["code_challenge_method"], "S256");
    running.outside.state().nonce = query["nonce"].clone();
    running.outside.state().challenge = query["code_challenge"].clone();
    let caller = running.nobody().with("cookie", &format!("hark-oidc={held}"));
    Begun { caller, state: query["state"].clone() }
}

impl Begun {
    async fn back(&self, more: &str) -> Reply {
        self.caller.get(&format!("/oidc/work/back?state={}{more}", self.state)).await
    }
}

/// Logs in; returns where the browser is sent, and a caller with its session if there is one.
async fn log_in(running: &Running) -> (String, Option<Caller>) {
    let reply = begin(running, "").await.back("&code=good").await;
    assert_eq!(reply.status, 303, "{}", reply.text());
    let session =
        cookie_of(&reply, "hark").map(|cookie| Caller { cookie: Some(cookie), ..running.nobody() });
    (reply.header("location").to_owned(), session)
}

fn last_refusal(running: &Running) -> String {
    let stored = running.fake.stored();
    stored.audit.iter().rfind(|line| line.what == "session.refused").unwrap().detail.clone()
}

#[tokio::test]
async fn whom_the_provider_vouches_for_is_let_in_with_what_his_groups_may() {
    let running = running(settings()).await;
    let shown = running.nobody().get("/api/0/auth/providers").await.json();
    assert_eq!(
        shown,
        json!({"providers": [{"label": "Work account", "path": "/oidc/work/login"}]})
    );
    let begun = begin(&running, "?next=/hosts/db1").await;
    let reply = begun.back("&code=good&iss=https://id.example.net&session_state=x").await;
    assert_eq!((reply.status, reply.header("location")), (303, "/hosts/db1"));
    let session = cookie_of(&reply, "hark").unwrap();
    assert_eq!(cookie_of(&reply, "hark-oidc").as_deref(), Some(""), "it is not needed any more");
    let me =
        Caller { cookie: Some(session), ..running.nobody() }.get("/api/0/auth/me").await.json();
    assert_eq!(
        (&me["name"], &me["full_name"], &me["admin"]),
        (&json!("mira"), &json!("Mira Kvale"), &json!(false))
    );
    let account = running.fake.stored().accounts[&UserName::new("mira").unwrap()].clone();
    assert_eq!(account.teams, [TeamName::new("dba").unwrap()].into());
    assert_eq!(account.password, None);
    let login = running.fake.stored().audit.iter().rfind(|l| l.what == "session.login").cloned();
    assert_eq!(login.unwrap().detail, "by oidc work");
    let users = running.browser("root").get("/api/0/users").await.json();
    let mira = users.as_array().unwrap().iter().find(|user| user["name"] == "mira").unwrap();
    assert_eq!(mira["origin"], "oidc work");

    // The provider is asked with what it has given this server, and with nothing that is secret of others.
    let asked = running.outside.state().asked.clone();
    let token = asked.iter().find(|fetch| fetch.url.ends_with("/token")).unwrap();
    let basic = token.authorization.as_ref().unwrap().expose();
    assert_eq!(basic, "Basic aGFyazpzM2NyZXQlMjY=", "the secret, encoded as the standard wants it");
    let again = log_in(&running).await;
    assert_eq!(again.0, "/");
    assert_eq!(running.outside.times("openid-configuration"), 1, "what it says is kept");
    assert_eq!(running.outside.times("/keys"), 1);
}

#[tokio::test]
async fn groups_that_have_changed_change_the_rights_and_end_the_sessions_of_before() {
    let running = running(settings()).await;
    let (_, first) = log_in(&running).await;
    let first = first.unwrap();
    assert_eq!(first.get("/api/0/users").await.status, 403);
    running.outside.state().claims["groups"] = json!(["admins"]);
    let (_, second) = log_in(&running).await;
    assert_eq!(second.unwrap().get("/api/0/users").await.status, 200);
    assert_eq!(first.get("/api/0/auth/me").await.status, 401);
    // Called otherwise there, he is still the same one; without a group he is let in no more.
    running.outside.state().claims["preferred_username"] = json!("mira.kvale");
    let (_, third) = log_in(&running).await;
    assert_eq!(third.unwrap().get("/api/0/auth/me").await.json()["name"], "mira");
    running.outside.state().claims["groups"] = json!(["staff"]);
    let (place, nobody) = log_in(&running).await;
    assert_eq!((place.as_str(), nobody.is_none()), ("/?refused=unknown", true));
    assert!(last_refusal(&running).contains("in no group that is let in"));
}

#[tokio::test]
async fn a_log_in_is_of_the_browser_that_has_begun_it_and_good_once() {
    let running = running(settings()).await;
    let begun = begin(&running, "").await;
    let other = begin(&running, "").await;
    let stale = async |caller: &Caller, state: &str, what: &str| {
        let reply = caller.get(&format!("/oidc/work/back?code=good&state={state}")).await;
        assert_eq!((reply.status, reply.header("location")), (303, "/?refused=stale"), "{what}");
        assert_eq!(cookie_of(&reply, "hark"), None, "{what}");
    };
    stale(&running.nobody(), &begun.state, "a browser that has begun nothing").await;
    stale(&other.caller, &begun.state, "somebody else's state").await;
    stale(&begun.caller, "", "none").await;
    stale(&begun.caller, "AAAA", "one that was made up").await;
    assert_eq!(running.outside.times("/token"), 0, "nobody is asked for any of these");
    running.outside.state().nonce = String::new();
    let begun = begin(&running, "").await;
    assert_eq!(begun.back("&code=good").await.header("location"), "/");
    stale(&begun.caller, &begun.state, "a second time").await;
    // One that was refused is used up as well.
    let denied = begin(&running, "").await;
    let reply = denied.back("&error=access_denied&error_description=no%20thanks").await;
    assert_eq!(reply.header("location"), "/?refused=denied");
    stale(&denied.caller, &denied.state, "after a refusal").await;
}

#[tokio::test]
async fn what_the_provider_must_not_say_lets_nobody_in() {
    let then = hark_model::Clock.now().unix.seconds() - 1000;
    for (claims, why) in [
        (json!({"nonce": "another"}), "another log-in"),
        (json!({"aud": "other"}), "another client"),
        (json!({"iss": "https://evil.example.net"}), "another issuer"),
        (json!({"exp": then}), "expired"),
        (json!({"sub": "18", "preferred_username": "a b"}), "cannot be a name"),
        (json!({"sub": "18", "preferred_username": ""}), "cannot be a name"),
        (json!({"sub": "18", "preferred_username": "local"}), "no person can be called"),
        (json!({"sub": "18", "preferred_username": "root"}), "another user called root"),
    ] {
        // Each is a failure that counts against its address.
        let running = running(settings()).await;
        for (name, value) in claims.as_object().unwrap() {
            running.outside.state().claims[name] = value.clone();
        }
        let (place, session) = log_in(&running).await;
        assert!(place.starts_with("/?refused=") && session.is_none(), "{claims}: {place}");
        let told = last_refusal(&running);
        assert!(told.contains(why), "{claims}: {told}");
    }
    let running = running(settings()).await;
    let begun = begin(&running, "").await;
    assert_eq!(begun.back("&code=bad").await.header("location"), "/?refused=provider");
    assert!(last_refusal(&running).contains("invalid_grant"));
    let begun = begin(&running, "").await;
    let mixed = begun.back("&code=good&iss=https://evil.example.net").await;
    assert_eq!(mixed.header("location"), "/?refused=provider");
}

#[tokio::test]
async fn a_new_key_of_the_provider_is_found_and_one_that_it_does_not_show_is_not_asked_for_without_end()
 {
    let running = running(settings()).await;
    assert_eq!(log_in(&running).await.0, "/");
    running.outside.rotate();
    // Within a minute of the first look nothing is asked for again: whoever signs with what he likes could
    // make this server ask as often as he likes.
    assert_eq!(log_in(&running).await.0, "/?refused=provider");
    assert_eq!(running.outside.times("/keys"), 1);
    assert!(last_refusal(&running).contains("a key that the provider does not show"));
}

#[tokio::test]
async fn what_the_token_leaves_out_is_asked_for_of_the_same_user() {
    let running = running(settings()).await;
    running.outside.state().claims = json!({"preferred_username": "mira"});
    running.outside.state().told = json!({"sub": "18", "groups": ["admins"]});
    assert_eq!(log_in(&running).await.0, "/?refused=provider");
    assert!(last_refusal(&running).contains("another user"));
    running.outside.state().told =
        json!({"sub": "17", "groups": ["dba"], "preferred_username": "eve"});
    let (_, session) = log_in(&running).await;
    let me = session.unwrap().get("/api/0/auth/me").await.json();
    assert_eq!(me["name"], "mira", "the token goes first");
}

#[tokio::test]
async fn who_is_known_already_is_the_same_only_where_that_is_said() {
    let running = running(OidcSettings {
        membership: Membership {
            new_users: NewUsers::Nobody,
            same_names: true,
            ..Membership::default()
        },
        ..settings()
    })
    .await;
    assert_eq!(log_in(&running).await.0, "/?refused=unknown");
    assert!(last_refusal(&running).contains("mira is not known here"));
    let name = running.user("mira", false, &[]);
    let (_, session) = log_in(&running).await;
    assert_eq!(session.unwrap().get("/api/0/auth/me").await.json()["name"], "mira");
    let before = running.fake.stored().accounts[&name].clone();
    assert!(before.origin.is_none() && before.password.is_some(), "he stays as he is");
    let mut program = before;
    (program.service, program.password) = (true, None);
    running.fake.stored().accounts.insert(name, program);
    assert_eq!(log_in(&running).await.0, "/?refused=unknown", "nobody is a program");
    running.outside.state().claims["preferred_username"] = json!("local");
    assert_eq!(log_in(&running).await.0, "/?refused=unknown");
}

#[tokio::test]
async fn one_comes_back_to_this_server_alone_and_to_a_provider_that_is_there() {
    let running = running(settings()).await;
    for next in [
        "?next=//evil.example.net",
        "?next=https://evil.example.net/",
        "?next=/%5Cevil.example.net",
    ] {
        let begun = begin(&running, next).await;
        assert_eq!(begun.back("&code=good").await.header("location"), "/", "{next}");
    }
    assert_eq!(running.nobody().get("/oidc/home/login").await.status, 404);
    assert_eq!(running.nobody().get("/oidc/home/back").await.status, 404);
}

#[tokio::test]
async fn a_provider_that_is_away_or_is_not_who_it_should_be_is_told_without_its_words() {
    let running = running(settings()).await;
    running.outside.state().issuer = "https://evil.example.net".to_owned();
    let reply = running.nobody().get("/oidc/work/login").await;
    assert_eq!((reply.status, reply.header("location")), (303, "/?refused=provider"));
    // Nobody asks it again so soon, though it would be who it should be by now.
    running.outside.state().issuer = ISSUER.to_owned();
    let reply = running.nobody().get("/oidc/work/login").await;
    assert_eq!(reply.header("location"), "/?refused=provider");
    assert_eq!(running.outside.times("openid-configuration"), 1);
    let running = self::running(settings()).await;
    assert_eq!(log_in(&running).await.0, "/");
    running.outside.state().is_away = true;
    let begun = begin(&running, "").await;
    assert_eq!(begun.back("&code=good").await.header("location"), "/?refused=provider");
}

#[tokio::test]
async fn trying_is_slowed_down() {
    let running = running(settings()).await;
    let caller = running.nobody();
    let mut statuses = Vec::new();
    while statuses.last() != Some(&429) && statuses.len() < 500 {
        statuses.push(caller.get("/oidc/work/back?code=x&state=y").await.status);
    }
    assert_eq!(statuses.last(), Some(&429), "{statuses:?}");
    assert!(statuses.len() > 60, "others share the address");
}

#[tokio::test]
async fn who_is_vouched_for_has_no_password_and_nothing_to_guard_it_with_here() {
    let running = running(settings()).await;
    let (_, session) = log_in(&running).await;
    let mut session = session.unwrap();
    session.csrf = true;
    session.origin = Some(format!("http://{}", running.address));
    let totp = session.post("/api/0/auth/totp", json!({"password": "x"})).await;
    assert_eq!(totp.status, 409, "{}", totp.text());
    let login = json!({"username": "mira", "password": ""});
    assert_eq!(running.nobody().post("/api/0/auth/login", login).await.problem(), "wrong-login");
    let set: Value = json!({"password": "correct horse"});
    let root = running.browser("root");
    assert_eq!(root.call(Method::PUT, "/api/0/users/mira", Some(set)).await.status, 409);
    // Once he is removed, the provider brings him anew, with nothing of before.
    assert_eq!(root.call(Method::DELETE, "/api/0/users/mira", None).await.status, 204);
    assert_eq!(session.get("/api/0/auth/me").await.status, 401);
    assert_eq!(log_in(&running).await.0, "/");
}

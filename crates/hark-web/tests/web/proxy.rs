//! Proxies that are believed, servers that are open, and how long sessions last.

use std::time::Duration;

use base64::Engine as _;
use hark_model::Clock;
use hark_web::{Demand, LoginSettings, Network, Open, Proxies};
use http::Method;
use serde_json::json;

use crate::server::{Caller, Running, start, start_as};

async fn running(login: LoginSettings) -> Running {
    let running = start_as(None, login).await;
    running.user("root", true, &[]);
    running.user("mira", false, &[]);
    running
}

fn behind_a_proxy() -> LoginSettings {
    let proxies = Proxies {
        from: vec![Network::parse("127.0.0.0/8").unwrap()],
        header: Some(http::HeaderName::from_static("remote-user")),
    };
    LoginSettings { proxies, ..LoginSettings::default() }
}

fn open(open: Open) -> LoginSettings {
    LoginSettings { open, ..LoginSettings::default() }
}

/// Makes a caller say what a page of this server says with its writes.
fn page(mut caller: Caller) -> Caller {
    caller.csrf = true;
    caller.origin = Some(format!("http://{}", caller.address));
    caller
}

#[tokio::test]
async fn a_proxy_that_is_believed_names_the_user() {
    let running = running(behind_a_proxy()).await;
    let caller = running.nobody().with("remote-user", "mira");
    let me = caller.get("/api/0/auth/me").await.json();
    assert_eq!(
        (&me["name"], &me["admin"], &me["open"]),
        (&json!("mira"), &json!(false), &json!(false))
    );
    assert_eq!(caller.get("/api/0/users").await.status, 403);
    let unknown = running.nobody().with("remote-user", "eve").get("/api/0/auth/me").await;
    assert_eq!(unknown.status, 401, "nobody is made by being named");
    // The proxy adds its word to whatever a page of another site makes the browser send.
    let token = json!({"name": "backup"});
    assert_eq!(caller.post("/api/0/tokens", token.clone()).await.status, 403);
    assert_eq!(page(caller.clone()).post("/api/0/tokens", token).await.status, 200);
    // It goes before a cookie that is left, and after a token.
    let other = running.browser("root").with("remote-user", "mira");
    assert_eq!(other.get("/api/0/auth/me").await.json()["name"], "mira");
    let program = running.program("root").with("remote-user", "mira");
    assert_eq!(program.get("/api/0/auth/me").await.json()["name"], "root");
    let guarded = page(caller).post("/api/0/auth/totp", json!({"password": "correct horse"})).await;
    assert_eq!(guarded.status, 409, "what guards the account is the proxy's affair");
}

#[tokio::test]
async fn whom_a_proxy_has_let_in_needs_no_second_factor_here() {
    let login = LoginSettings { second_factor: Demand::Everybody, ..behind_a_proxy() };
    let running = running(login).await;
    let caller = running.nobody().with("remote-user", "mira");
    assert_eq!(caller.get("/api/0/auth/me").await.json()["second_factor"], "none");
    assert_eq!(caller.get("/api/0/overview").await.status, 200);
    let by_password = running.browser("mira");
    assert_eq!(by_password.get("/api/0/overview").await.status, 403);
}

#[tokio::test]
async fn what_the_configuration_says_of_log_in_holds_at_once() {
    let running = running(LoginSettings::default()).await;
    let login = |login: LoginSettings| running.login.store(login.into());
    let status = async |caller: &Caller| caller.get("/api/0/overview").await.status;
    let named = running.nobody().with("remote-user", "root");
    let (nobody, browser) = (running.nobody(), running.browser("root"));
    assert_eq!(
        [status(&named).await, status(&nobody).await, status(&browser).await],
        [401, 401, 200]
    );
    login(behind_a_proxy());
    assert_eq!([status(&named).await, status(&nobody).await], [200, 401]);
    login(open(Open::ThisMachine));
    assert_eq!([status(&named).await, status(&nobody).await], [200, 200]);
    login(LoginSettings { second_factor: Demand::Everybody, ..LoginSettings::default() });
    assert_eq!(
        [status(&named).await, status(&nobody).await, status(&browser).await],
        [401, 401, 403]
    );
    running.session("root", "old", Clock.now().unix - Duration::from_hours(2));
    let old = Caller { bearer: Some("old".to_owned()), ..running.nobody() };
    login(LoginSettings::default());
    assert_eq!(status(&old).await, 200);
    running.session("root", "old", Clock.now().unix - Duration::from_hours(2));
    login(LoginSettings { idle: Duration::from_hours(1), ..LoginSettings::default() });
    assert_eq!(status(&old).await, 401);
}

#[tokio::test]
async fn nobody_else_is_believed() {
    let elsewhere = Proxies {
        from: vec![Network::parse("192.0.2.1").unwrap()],
        header: Some(http::HeaderName::from_static("remote-user")),
    };
    for login in
        [LoginSettings::default(), LoginSettings { proxies: elsewhere, ..behind_a_proxy() }]
    {
        let running = running(login).await;
        let caller = running.nobody().with("remote-user", "root");
        assert_eq!(caller.get("/api/0/auth/me").await.status, 401);
    }
}

#[tokio::test]
async fn who_guesses_behind_a_proxy_slows_nobody_else_down() {
    let running = running(behind_a_proxy()).await;
    let body = json!({"username": "root", "password": "wrong horse"});
    let from = |address: &str| running.nobody().with("x-forwarded-for", address);
    let mut last = 0;
    for _ in 0..9 {
        last = from("198.51.100.1").post("/api/0/auth/login", body.clone()).await.status;
    }
    assert_eq!(last, 429);
    let other = from("198.51.100.1, 198.51.100.2").post("/api/0/auth/login", body).await;
    assert_eq!(other.status, 401);
    let line = running.fake.stored().audit.last().unwrap().clone();
    assert_eq!(line.address, "198.51.100.2");
}

#[tokio::test]
async fn a_browser_that_speaks_tls_with_the_proxy_gets_the_strict_cookie() {
    let running = running(behind_a_proxy()).await;
    let body = json!({"username": "root", "password": "correct horse"});
    let caller = running.nobody().with("x-forwarded-proto", "https");
    let reply = caller.post("/api/0/auth/login", body).await;
    let cookie = reply.header("set-cookie");
    assert!(cookie.starts_with("__Host-hark=") && cookie.ends_with("; Secure"), "{cookie}");
}

#[tokio::test]
async fn an_open_server_asks_nobody_on_its_own_machine() {
    let running = running(open(Open::ThisMachine)).await;
    let anybody = running.nobody();
    let me = anybody.get("/api/0/auth/me").await.json();
    assert_eq!(
        (&me["name"], &me["admin"], &me["open"]),
        (&json!("anybody"), &json!(true), &json!(true))
    );
    assert_eq!(anybody.get("/api/0/users").await.status, 200);
    assert_eq!(running.browser("mira").get("/api/0/auth/me").await.json()["name"], "mira");
    let ended = Caller { cookie: Some("long ago".to_owned()), ..running.nobody() };
    assert_eq!(ended.get("/api/0/auth/me").await.json()["name"], "anybody");
    let wrong = Caller { bearer: Some("hark_wrong".to_owned()), ..running.nobody() };
    assert_eq!(wrong.get("/api/0/auth/me").await.status, 401, "a wrong token is told");
    for header in ["x-forwarded-for", "forwarded", "via", "x-real-ip"] {
        let through = running.nobody().with(header, "192.0.2.1");
        assert_eq!(through.get("/api/0/auth/me").await.status, 401, "{header}");
    }
}

#[tokio::test]
async fn a_page_of_another_site_gets_nothing_of_an_open_server() {
    let running = running(open(Open::Everybody)).await;
    let comment = json!({"text": "hello"});
    let write = async |caller: Caller| {
        caller.post("/api/0/incidents/1/comment", comment.clone()).await.status
    };
    assert_eq!(write(page(running.nobody())).await, 200);
    assert_eq!(write(running.nobody()).await, 403, "a form of another site");
    let program = running.nobody().with("x-hark-csrf", "1");
    assert_eq!(write(program).await, 200, "a program says what no form can");
    for evil in [page(running.nobody()), running.nobody().with("x-hark-csrf", "1")] {
        let origin = Some("https://evil.example".to_owned());
        assert_eq!(write(Caller { origin, ..evil }).await, 403);
    }
    // A foreign name that leads here: the browser believes that it is the same site.
    let mut request = http::Request::builder().method(Method::GET).uri("/api/0/overview");
    request = request.header("host", "evil.example:80").header("origin", "http://evil.example:80");
    let reply = running.nobody().send(request.body(http_body_util::Full::default()).unwrap()).await;
    assert_eq!(reply.status, 401);
    let own = http::Request::builder().uri("/api/0/overview").header("host", "mon.example.net");
    let reply = running.nobody().send(own.body(http_body_util::Full::default()).unwrap()).await;
    assert_eq!(reply.status, 200, "a name that the server says it has");
}

#[tokio::test]
async fn agents_join_and_report_to_an_open_server_as_to_any_other() {
    let running = running(open(Open::Everybody)).await;
    let key = base64::engine::general_purpose::STANDARD.encode([9; 32]);
    let join = json!({"token": "hark-of-yesterday", "name": "db2", "key": key});
    let mut evil = running.nobody();
    evil.origin = Some("https://evil.example".to_owned());
    assert_eq!(evil.post("/api/0/agents/enrol", join.clone()).await.problem(), "cross-origin");
    // Its token is looked at, as it is everywhere.
    assert_eq!(running.nobody().post("/api/0/agents/enrol", join).await.problem(), "wrong-token");
    // What they bring is asked of the agents' own part, which wants a key and no page.
    for path in ["agent/report", "handle", "receivers/phone/call"] {
        let reply = running.nobody().post(&format!("/api/0/{path}"), json!({})).await;
        assert_ne!(reply.problem(), "cross-origin", "{path}: {}", reply.text());
    }
}

#[tokio::test]
async fn an_open_server_needs_no_first_administrator() {
    let running = start_as(None, open(Open::ThisMachine)).await;
    assert_eq!(running.nobody().get("/api/0/setup").await.json()["needed"], false);
    assert_eq!(running.nobody().get("/api/0/overview").await.status, 200);
    let through = running.nobody().with("via", "1.1 proxy");
    assert_eq!(through.get("/api/0/setup").await.json()["needed"], true);
    assert_eq!(through.get("/api/0/overview").await.problem(), "setup-required");
    let taken = json!({"name": "anybody", "password": "correct horse"});
    let reply = page(running.nobody()).post("/api/0/users", taken).await;
    assert_eq!(reply.json()["errors"][0]["field"], "name", "{}", reply.text());
    let token = page(running.nobody()).post("/api/0/tokens", json!({"name": "x"})).await;
    assert_eq!(token.status, 403, "a token needs somebody whose it is");
}

#[tokio::test]
async fn sessions_last_as_long_as_the_configuration_says() {
    let hour = Duration::from_hours(1);
    let login = LoginSettings { idle: 2 * hour, longest: 5 * hour, ..LoginSettings::default() };
    let running = running(login).await;
    let now = Clock.now().unix;
    for (hours, expected) in [(1, 200), (3, 401)] {
        let caller = Caller { cookie: Some("a".to_owned()), ..running.nobody() };
        running.session("root", "a", now - hour * hours);
        assert_eq!(caller.get("/api/0/auth/me").await.status, expected, "{hours} hours unused");
    }
    let body = json!({"username": "root", "password": "correct horse"});
    let reply = running.nobody().post("/api/0/auth/login", body).await;
    assert!(
        reply.header("set-cookie").contains("; Max-Age=18000"),
        "{}",
        reply.header("set-cookie")
    );
}

#[tokio::test]
async fn a_session_that_was_planted_is_not_the_one_that_logs_in() {
    let running = start().await;
    running.user("eve", false, &[]);
    let planted = "a-value-that-eve-has-chosen";
    let known = running.session("eve", "eves-own", Clock.now().unix);
    for cookie in [planted, "eves-own"] {
        let victim = Caller { cookie: Some(cookie.to_owned()), ..running.nobody() };
        let body = json!({"username": "root", "password": "correct horse"});
        let reply = page(victim.clone()).post("/api/0/auth/login", body).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert!(!reply.header("set-cookie").contains(cookie));
        assert_eq!(victim.get("/api/0/auth/me").await.status, 401, "{cookie} opens nothing");
    }
    assert!(!running.fake.stored().sessions.contains_key(&known));
}

#[tokio::test]
async fn other_rights_end_the_sessions_of_before() {
    let running = start().await;
    running.user("mira", false, &[]);
    let mira = running.browser("mira");
    let root = running.browser("root");
    let change = |body| root.call(Method::PUT, "/api/0/users/mira", Some(body));
    assert_eq!(change(json!({"full_name": "Mira"})).await.status, 200);
    assert_eq!(mira.get("/api/0/auth/me").await.status, 200, "a name is no right");
    assert_eq!(change(json!({"admin": true})).await.status, 200);
    assert_eq!(mira.get("/api/0/auth/me").await.status, 401);
}

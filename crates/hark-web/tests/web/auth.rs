//! Logging in, sessions, tokens, setting up, joining.

use std::time::Duration;

use base64::Engine as _;
use hark_api::auth::Role;
use hark_api::hosts::Declared;
use hark_model::{Clock, EnrolToken, UserName};
use http::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::server::{Caller, Running, SETUP_CODE, id, sha256, start, start_tls, start_with};

async fn login(caller: &Caller, user: &str, password: &str) -> crate::server::Reply {
    caller.post("/api/0/auth/login", json!({"username": user, "password": password})).await
}

fn bearer(running: &Running, token: &str) -> Caller {
    Caller { bearer: Some(token.to_owned()), ..running.nobody() }
}

#[tokio::test]
async fn a_program_logs_in_and_uses_its_token() {
    let running = start().await;
    let reply = login(&running.nobody(), "root", "correct horse").await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let token = reply.json()["token"].as_str().unwrap().to_owned();
    let program = bearer(&running, &token);
    let me = program.get("/api/0/auth/me").await.json();
    assert_eq!(
        (&me["name"], &me["admin"], &me["csrf"]),
        (&json!("root"), &json!(true), &json!("1"))
    );
    let stored = running.fake.stored().sessions.keys().copied().collect::<Vec<_>>();
    assert_eq!(stored, [sha256(token.as_bytes())], "only the hash is stored");
    assert_eq!(program.call(Method::POST, "/api/0/auth/logout", None).await.status, 204);
    assert_eq!(program.get("/api/0/auth/me").await.status, 401);
}

#[tokio::test]
async fn a_seeds_hash_is_replaced_at_log_in() {
    let running = start().await;
    let root = UserName::new("root").unwrap();
    let hash = |running: &Running| {
        running.fake.stored().accounts[&root].password.clone().unwrap().expose().to_owned()
    };
    assert!(hash(&running).starts_with("pbkdf2:sha256:"));
    assert_eq!(login(&running.nobody(), "root", "correct horse").await.status, 200);
    assert!(hash(&running).starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
    assert_eq!(login(&running.nobody(), "root", "correct horse").await.status, 200);
    assert_eq!(login(&running.nobody(), "root", "wrong horse!!").await.status, 401);
}

#[tokio::test]
async fn a_users_hash_in_the_configuration_stays_there() {
    let running = start().await;
    let name = running.user("mira", false, &[]);
    let declared = Some(Declared { file: "hark.yaml".to_owned(), line: 7 });
    running.fake.stored().accounts.get_mut(&name).unwrap().declared = declared;
    assert_eq!(login(&running.nobody(), "mira", "correct horse").await.status, 200);
    let mira = running.browser("mira");
    let change = json!({"old": "correct horse", "new": "battery staple"});
    let reply = mira.post("/api/0/auth/password", change).await;
    assert_eq!((reply.status, reply.problem()), (409, "declared".to_owned()));
    assert!(reply.text().contains("hark.yaml line 7"));
    let root = running.browser("root");
    let reply = root.call(Method::DELETE, "/api/0/users/mira", None).await;
    assert_eq!(reply.problem(), "declared");
}

#[tokio::test]
async fn a_wrong_name_and_a_wrong_password_answer_the_same() {
    let running = start().await;
    let mut answers = Vec::new();
    for (user, password) in
        [("root", "wrong horse"), ("nobody", "wrong horse"), ("a b", "x"), ("", "")]
    {
        let reply = login(&running.nobody(), user, password).await;
        let mut document = reply.json();
        document["instance"].take();
        assert!(reply.header("set-cookie").is_empty());
        answers.push((reply.status, document.to_string()));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(answers[0].0, 401);
}

#[tokio::test]
async fn guessing_is_slowed_down() {
    let running = start().await;
    let mut statuses = Vec::new();
    for _ in 0..9 {
        statuses.push(login(&running.nobody(), "root", "wrong horse").await.status);
    }
    assert_eq!(statuses, [401, 401, 401, 401, 401, 401, 401, 401, 429]);
    let reply = login(&running.nobody(), "root", "correct horse").await;
    assert_eq!((reply.status, reply.problem()), (429, "limited".to_owned()));
    let wait: u64 = reply.header("retry-after").parse().unwrap();
    assert!((1..=15).contains(&wait), "{wait}");
    assert_eq!(running.browser("root").get("/api/0/auth/me").await.status, 200, "sessions go on");
}

#[tokio::test]
async fn what_one_gets_wrong_does_not_delay_others_at_the_address() {
    let running = start().await;
    let eve = running.nobody();
    let mut last = 0;
    for _ in 0..9 {
        last = login(&eve, "monitor", "wrong horse").await.status;
    }
    assert_eq!(last, 429);
    let reply = login(&running.nobody(), "root", "correct horse").await;
    assert_eq!(reply.status, 200, "the same address: {}", reply.text());
    let mut marks = reply.headers.get_all("set-cookie").iter().map(|one| one.to_str().unwrap());
    let mark = marks.find_map(|one| one.strip_prefix("hark-browser=")).unwrap();
    assert!(mark.contains("; HttpOnly; SameSite=Lax; "), "{mark}");
    let mark = mark.split(';').next().unwrap();
    // Somebody there guesses at her: the browser that she has used before does not wait, another does.
    for _ in 0..9 {
        last = login(&eve, "root", "wrong horse").await.status;
    }
    assert_eq!(last, 429);
    assert_eq!(login(&running.nobody(), "root", "correct horse").await.status, 429);
    let hers = running.nobody().with("cookie", &format!("hark-browser={mark}"));
    assert_eq!(login(&hers, "root", "correct horse").await.status, 200);
    assert_eq!(login(&hers, "root", "wrong horse").await.status, 401);
    // It lets nobody in, and is for its own account alone.
    assert_eq!(hers.get("/api/0/auth/me").await.status, 401);
    assert_eq!(login(&hers, "monitor", "correct horse").await.status, 429);
}

#[tokio::test]
async fn one_password_on_many_names_from_one_address_ends() {
    let running = start().await;
    let mut tried = 0;
    while tried < 500 {
        let reply = login(&running.nobody(), &format!("name{tried}"), "wrong horse").await;
        if reply.status == 429 {
            break;
        }
        assert_eq!(reply.status, 401);
        tried += 1;
    }
    assert!((60..500).contains(&tried), "{tried}");
    let known = running.nobody();
    assert_eq!(login(&known, "root", "correct horse").await.status, 429, "not known here");
}

#[tokio::test]
async fn logging_in_gives_the_former_session_up() {
    let running = start().await;
    let before = running.browser("root");
    let reply = login(&before, "root", "correct horse").await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(before.get("/api/0/auth/me").await.status, 401);
    let cookie = reply.header("set-cookie").split(['=', ';']).nth(1).unwrap().to_owned();
    let after = Caller { cookie: Some(cookie), ..before };
    assert_eq!(after.get("/api/0/auth/me").await.status, 200);
}

#[tokio::test]
async fn old_sessions_end() {
    let running = start().await;
    let now = Clock.now().unix;
    for (days, expected) in [(6, 200), (8, 401)] {
        let seen = now - Duration::from_hours(24 * days);
        let hash = running.session("root", "old", seen);
        let reply = bearer(&running, "old").get("/api/0/auth/me").await;
        assert_eq!(reply.status, expected, "unused for {days} days");
        assert_eq!(running.fake.stored().sessions.contains_key(&hash), expected == 200);
    }
    let hash = running.session("root", "long", now - Duration::from_hours(24 * 31));
    running.fake.stored().sessions.get_mut(&hash).unwrap().last_seen = now;
    assert_eq!(bearer(&running, "long").get("/api/0/auth/me").await.status, 401, "after 30 days");
}

#[tokio::test]
async fn use_keeps_a_session_alive() {
    let running = start().await;
    let now = Clock.now().unix;
    let hash = running.session("root", "s", now - Duration::from_hours(100));
    bearer(&running, "s").with("user-agent", "curl/8").get("/api/0/auth/me").await;
    let stored = running.fake.stored();
    let session = &stored.sessions[&hash];
    assert!(session.last_seen >= now);
    assert_eq!(session.agent, "curl/8");
}

#[tokio::test]
async fn sessions_are_listed_and_revoked() {
    let running = start().await;
    let browser = running.browser("root");
    running.session("root", "stolen", Clock.now().unix);
    running.user("ben", false, &[]);
    running.session("ben", "his", Clock.now().unix);
    let list = browser.get("/api/0/sessions").await.json();
    let list = list.as_array().unwrap();
    assert_eq!(list.len(), 2, "one's own only");
    let other = list.iter().find(|session| session["current"] == false).unwrap();
    let path = format!("/api/0/sessions/{}", other["id"].as_str().unwrap());
    assert_eq!(bearer(&running, "stolen").get("/api/0/auth/me").await.status, 200);
    assert_eq!(browser.call(Method::DELETE, &path, None).await.status, 204);
    assert_eq!(bearer(&running, "stolen").get("/api/0/auth/me").await.status, 401);
    assert_eq!(browser.get("/api/0/auth/me").await.status, 200);
    let his = id(&sha256(b"his"));
    let reply = browser.call(Method::DELETE, &format!("/api/0/sessions/{his}"), None).await;
    assert_eq!(reply.status, 404, "another user's session");
}

#[tokio::test]
async fn api_tokens_work_until_they_end() {
    let running = start().await;
    let browser = running.browser("root");
    let made =
        browser.post("/api/0/tokens", json!({"name": "backup", "valid_seconds": 3600})).await;
    let secret = made.json()["secret"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("hark_"));
    let program = bearer(&running, &secret);
    assert_eq!(program.get("/api/0/overview").await.status, 200);
    assert_eq!(program.post("/api/0/incidents/1/ack", json!({"comment": "x"})).await.status, 200);
    let list = browser.get("/api/0/tokens").await.text();
    assert!(list.contains("backup") && !list.contains(&secret), "{list}");
    let hash = sha256(secret.as_bytes());
    running.fake.stored().api_tokens.get_mut(&hash).unwrap().expires = Some(Clock.now().unix);
    assert_eq!(program.get("/api/0/overview").await.status, 401);
}

#[tokio::test]
async fn a_new_password_ends_the_other_sessions() {
    let running = start().await;
    let browser = running.browser("root");
    running.session("root", "other", Clock.now().unix);
    let change = |old: &str| json!({"old": old, "new": "battery staple"});
    let reply = browser.post("/api/0/auth/password", change("wrong horse")).await;
    assert_eq!((reply.status, &reply.json()["errors"][0]["field"]), (422, &json!("old")));
    assert_eq!(browser.post("/api/0/auth/password", change("correct horse")).await.status, 204);
    assert_eq!(browser.get("/api/0/auth/me").await.status, 200);
    assert_eq!(bearer(&running, "other").get("/api/0/auth/me").await.status, 401);
    assert_eq!(login(&running.nobody(), "root", "battery staple").await.status, 200);
}

/// Sends the head of a request and waits until its handler asks for the body: what stands before it, who
/// asks, is settled by then. Returns the connection, for the body.
async fn begin(caller: &Caller, path: &str, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(caller.address).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        caller.address,
        caller.bearer.as_deref().unwrap(),
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).await.unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream
}

async fn end(mut stream: TcpStream, body: &str) -> String {
    stream.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.lines().next().unwrap().to_owned()
}

#[tokio::test]
async fn a_new_password_does_not_bring_back_what_an_administrator_has_taken_meanwhile() {
    let running = start().await;
    let ben = running.user("ben", true, &[]);
    running.session("ben", "of-ben", Clock.now().unix);
    let caller = bearer(&running, "of-ben");
    let body = json!({"old": "correct horse", "new": "battery staple"}).to_string();
    let under_way = begin(&caller, "/api/0/auth/password", &body).await;
    let root = running.browser("root");
    let demote = json!({"admin": false, "roles": {"db1": "monitor"}});
    assert_eq!(root.call(Method::PUT, "/api/0/users/ben", Some(demote)).await.status, 200);
    assert_eq!(end(under_way, &body).await, "HTTP/1.1 204 No Content");
    let account = running.fake.stored().accounts[&ben].clone();
    assert!(!account.admin && account.granted.len() == 1, "{account:?}");
    assert_eq!(login(&running.nobody(), "ben", "battery staple").await.status, 200);
}

#[tokio::test]
async fn a_new_password_does_not_undo_the_one_that_an_administrator_has_set_meanwhile() {
    let running = start().await;
    running.user("ben", false, &[]);
    running.session("ben", "of-ben", Clock.now().unix);
    let caller = bearer(&running, "of-ben");
    let body = json!({"old": "correct horse", "new": "battery staple"}).to_string();
    let under_way = begin(&caller, "/api/0/auth/password", &body).await;
    let root = running.browser("root");
    let reset = json!({"password": "another horse"});
    assert_eq!(root.call(Method::PUT, "/api/0/users/ben", Some(reset)).await.status, 200);
    assert_eq!(end(under_way, &body).await, "HTTP/1.1 409 Conflict");
    assert_eq!(login(&running.nobody(), "ben", "another horse").await.status, 200);
}

#[tokio::test]
async fn of_two_administrators_who_demote_each_other_one_stays() {
    let running = start().await;
    running.user("ben", true, &[]);
    let (root, ben) = (running.browser("root"), running.browser("ben"));
    let demote = || Some(json!({"admin": false}));
    let (a, b) = tokio::join!(
        root.call(Method::PUT, "/api/0/users/ben", demote()),
        ben.call(Method::PUT, "/api/0/users/root", demote())
    );
    assert_ne!((a.status, b.status), (200, 200));
    assert!(running.fake.stored().accounts.values().any(|account| account.admin));
}

#[tokio::test]
async fn other_rights_end_the_users_sessions() {
    let running = start().await;
    running.user("ben", false, &[("db1", Role::Monitor)]);
    let (root, ben) = (running.browser("root"), running.browser("ben"));
    let rename = json!({"full_name": "Ben B."});
    assert_eq!(root.call(Method::PUT, "/api/0/users/ben", Some(rename)).await.status, 200);
    assert_eq!(ben.get("/api/0/auth/me").await.json()["full_name"], "Ben B.");
    let promote = json!({"roles": {"db1": "owner"}});
    assert_eq!(root.call(Method::PUT, "/api/0/users/ben", Some(promote)).await.status, 200);
    assert_eq!(ben.get("/api/0/auth/me").await.status, 401);
}

#[tokio::test]
async fn the_last_administrator_stays() {
    let running = start().await;
    let root = running.browser("root");
    let reply = root.call(Method::DELETE, "/api/0/users/root", None).await;
    assert_eq!((reply.status, reply.problem()), (409, "conflict".to_owned()));
    let demote = json!({"admin": false});
    assert_eq!(root.call(Method::PUT, "/api/0/users/root", Some(demote)).await.status, 409);
    running.user("second", true, &[]);
    assert_eq!(root.call(Method::DELETE, "/api/0/users/root", None).await.status, 204);
    assert_eq!(root.get("/api/0/auth/me").await.status, 401);
}

#[tokio::test]
async fn nothing_but_set_up_is_open_before_it() {
    let running = start_with(None).await;
    let nobody = running.nobody();
    let setup = nobody.get("/api/0/setup").await.json();
    // Titles have the name before anybody has logged in.
    assert_eq!(setup, json!({"needed": true, "version": "0.1.0", "site_name": "Nordlys"}));
    for path in ["/api/0/overview", "/api/0/auth/me", "/ws", "/api/0/stream"] {
        let reply = nobody.get(path).await;
        assert_eq!((reply.status, reply.problem()), (403, "setup-required".to_owned()), "{path}");
    }
    assert_eq!(login(&nobody, "root", "correct horse").await.problem(), "setup-required");
    assert_eq!(nobody.get("/healthz").await.text(), "ok");
    assert_eq!(nobody.get("/setup").await.status, 200, "the page itself is shown");
}

#[tokio::test]
async fn the_code_makes_one_administrator() {
    let running = start_with(None).await;
    let nobody = running.nobody();
    let request = |code: &str, password: &str| json!({"code": code, "user": "mira", "full_name": "Mira M.", "password": password});
    let reply = nobody.post("/api/0/setup", request("0000-0000", "correct horse")).await;
    assert_eq!((reply.status, reply.problem()), (403, "wrong-code".to_owned()));
    let reply = nobody.post("/api/0/setup", request(SETUP_CODE, "short")).await;
    assert_eq!((reply.status, &reply.json()["errors"][0]["field"]), (422, &json!("password")));
    let reply = nobody.post("/api/0/setup", request(SETUP_CODE, "correct horse")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.json()["admin"], true);
    let cookie = reply.header("set-cookie").split(['=', ';']).nth(1).unwrap().to_owned();
    let mira = Caller { cookie: Some(cookie), ..running.nobody() };
    assert_eq!(mira.get("/api/0/auth/me").await.json()["full_name"], "Mira M.");
    let again = nobody.post("/api/0/setup", request(SETUP_CODE, "correct horse")).await;
    assert_eq!((again.status, again.problem()), (403, "wrong-code".to_owned()));
    assert_eq!(nobody.get("/api/0/setup").await.json()["needed"], false);
    assert_eq!(running.fake.stored().accounts.len(), 1);
}

#[tokio::test]
async fn an_agent_joins_once_with_its_token() {
    let running = start_tls().await;
    let root = running.browser("root");
    let made = root.post("/api/0/enrol", json!({"host": "db2", "tags": ["role:db"]})).await.json();
    let token = made["token"].as_str().unwrap();
    let read = EnrolToken::decode(token).unwrap();
    let fingerprint = sha256(running.certificate.as_ref().unwrap());
    assert_eq!(*read.fingerprint(), fingerprint, "the token names the certificate");
    assert_eq!(
        read.servers(),
        ["mon.example.net:50004"],
        "not the name that only this machine knows"
    );
    assert_eq!(made["command"].as_str().unwrap(), format!("hark agent --token {token} --name db2"));
    let key = base64::engine::general_purpose::STANDARD.encode([9; 32]);
    let join = |token: &str, name: &str| json!({"token": token, "name": name, "key": key, "facts": {"os": "Debian 12"}});
    let nobody = running.nobody();
    let reply = nobody.post("/api/0/agents/enrol", join(token, "other")).await;
    assert_eq!(
        (reply.status, reply.problem()),
        (403, "token-of-other-host".to_owned()),
        "bound to db2"
    );
    assert!(reply.text().contains("--name db2"), "{}", reply.text());
    let reply = nobody.post("/api/0/agents/enrol", join(token, "db2")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.json()["agent_id"], "00112233445566ff");
    assert_eq!(running.fake.stored().joined[0].1, [9; 32]);
    let again = nobody.post("/api/0/agents/enrol", join(token, "db2")).await;
    assert_eq!((again.status, again.problem()), (403, "wrong-token".to_owned()), "used up");
    assert_eq!(root.get("/api/0/enrol").await.json(), json!([]));
}

#[tokio::test]
async fn a_token_for_agents_ends() {
    let running = start_tls().await;
    let root = running.browser("root");
    let made = root.post("/api/0/enrol", json!({"valid_seconds": 1, "uses": 5})).await.json();
    for record in running.fake.stored().enrolments.values_mut() {
        record.expires = Clock.now().unix;
    }
    let key = base64::engine::general_purpose::STANDARD.encode([9; 32]);
    let join = json!({"token": made["token"], "name": "db2", "key": key});
    assert_eq!(running.nobody().post("/api/0/agents/enrol", join).await.problem(), "wrong-token");
}

#[tokio::test]
async fn without_tls_there_are_no_tokens_for_agents() {
    let running = start().await;
    let reply = running.browser("root").post("/api/0/enrol", json!({})).await;
    assert_eq!((reply.status, reply.problem()), (409, "conflict".to_owned()));
}

//! Public status pages: who gets which, under which name, and how often the server has to make them.

use bytes::Bytes;
use http::Method;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::fake::PAGE_TOKEN;
use crate::prepared::prepared;
use crate::server::{Caller, Reply, Running};

/// Asks as somebody who has typed another name of a host.
async fn at(caller: &Caller, host: &str, path: &str) -> Reply {
    let mut request = caller.request(&Method::GET, path).body(Full::default()).unwrap();
    request.headers_mut().insert("host", host.parse().unwrap());
    caller.send(request).await
}

async fn form(running: &Running, path: &str, password: &str) -> Reply {
    post(running, path, &format!("password={}", password.replace(' ', "+"))).await
}

/// Sends a form as somebody who has nothing.
async fn post(running: &Running, path: &str, fields: &str) -> Reply {
    let caller = running.nobody();
    let request = caller
        .request(&Method::POST, path)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Full::new(Bytes::from(fields.to_owned())));
    caller.send(request.unwrap()).await
}

/// All of an answer by which two of them can be told apart, but for the word that was asked for.
fn shape(reply: &Reply, word: &str) -> (u16, String, Vec<String>) {
    let mut names: Vec<String> = reply.headers.keys().map(ToString::to_string).collect();
    names.sort();
    let mut text = reply.text().replace(word, "WORD");
    if let Ok(mut document) = serde_json::from_str::<Value>(&text) {
        document["instance"] = Value::Null;
        text = document.to_string();
    }
    (reply.status, text, names)
}

#[tokio::test]
async fn what_there_is_not_and_what_is_not_for_the_reader_look_the_same() {
    let running = prepared().await;
    let nobody = running.nobody();
    assert_eq!(nobody.get("/status/open").await.status, 200);
    for rest in ["", ".json", "/history", "/feed.atom", "/badge.svg", "/api/badge.svg", "/logo"] {
        let absent = nobody.get(&format!("/status/absent{rest}")).await;
        assert_eq!(absent.status, 404, "{rest}");
        for shut in ["users", "keyed"] {
            let found = nobody.get(&format!("/status/{shut}{rest}")).await;
            assert_eq!(shape(&found, shut), shape(&absent, "absent"), "{shut}{rest}");
        }
        let other = at(&nobody, "status.example.net", &format!("/status/keyed{rest}")).await;
        assert_eq!(other.status, 404, "{rest}");
    }
    assert_eq!(nobody.get("/status/open/none/badge.svg").await.status, 404);
    assert_eq!(nobody.get("/status/open/none").await.status, 404);
}

#[tokio::test]
async fn a_page_for_users_is_for_users() {
    let running = prepared().await;
    for caller in [running.browser("stranger"), running.program("stranger")] {
        assert_eq!(caller.get("/status/users").await.status, 200);
        assert_eq!(caller.get("/status/keyed").await.status, 404, "that is for who has its key");
    }
    let mut gone = running.browser("stranger");
    gone.cookie = Some("no-session".to_owned());
    assert_eq!(gone.get("/status/users").await.status, 404);
    let reply = running.browser("stranger").get("/status/users").await;
    assert_eq!(reply.header("cache-control"), "private, no-cache");
    assert_eq!(reply.header("cross-origin-resource-policy"), "same-origin");
}

#[tokio::test]
async fn a_password_opens_its_page_and_the_browser_remembers_it() {
    for running in [prepared().await, prepared().await] {
        let wrong = form(&running, "/status/keyed/open", "wrong horse").await;
        let absent = form(&running, "/status/absent/open", "correct horse").await;
        assert_eq!(shape(&wrong, "keyed"), shape(&absent, "absent"));
        assert_eq!(wrong.status, 404);
        let right = form(&running, "/status/keyed/open", "correct horse").await;
        assert_eq!((right.status, right.header("location")), (303, "/status/keyed"));
        let cookie = right.header("set-cookie").to_owned();
        let is_tls = running.certificate.is_some();
        assert_eq!(cookie.starts_with("__Host-"), is_tls, "{cookie}");
        assert!(cookie.contains("HttpOnly; SameSite=Lax"), "{cookie}");
        assert_eq!(cookie.contains("Secure"), is_tls);
        let pair = cookie.split(';').next().unwrap();
        let kept = running.nobody().with("cookie", pair);
        assert_eq!(kept.get("/status/keyed").await.status, 200);
        assert_eq!(kept.get("/status/users").await.status, 404, "it opens no other");
        let (name, value) = pair.split_once('=').unwrap();
        let forged = format!("{name}={}", value.chars().rev().collect::<String>());
        let forged = running.nobody().with("cookie", &forged);
        assert_eq!(forged.get("/status/keyed").await.status, 404);
    }
}

#[tokio::test]
async fn a_token_opens_its_page_and_leaves_the_address() {
    let running = prepared().await;
    let nobody = running.nobody();
    let first = nobody.get(&format!("/status/keyed?token={PAGE_TOKEN}")).await;
    assert_eq!((first.status, first.header("location")), (303, "/status/keyed"));
    let feed = nobody.get(&format!("/status/keyed/feed.atom?token={PAGE_TOKEN}")).await;
    assert_eq!(feed.status, 200, "readers of feeds keep no cookies");
    assert_eq!(nobody.get("/status/keyed?token=wrong").await.status, 404);
    assert_eq!(nobody.get(&format!("/status/users?token={PAGE_TOKEN}")).await.status, 404);
}

#[tokio::test]
async fn who_guesses_is_slowed_down_and_nobody_else_is_locked_out() {
    let running = prepared().await;
    let mut limited = None;
    for n in 0..200 {
        let reply = running.nobody().get(&format!("/status/keyed?token=guess{n}")).await;
        if reply.status == 429 {
            limited = Some(reply);
            break;
        }
    }
    let limited = limited.expect("guessing has an end");
    assert!(limited.text().contains("Wait a minute"), "{}", limited.text());
    assert_eq!(running.nobody().get("/status/open").await.status, 200);
    let login = json!({"username": "root", "password": "correct horse"});
    assert_eq!(running.nobody().post("/api/0/auth/login", login).await.status, 200);
}

#[tokio::test]
async fn under_its_own_name_there_is_the_page_and_nothing_else_of_hark() {
    let running = prepared().await;
    let nobody = running.nobody();
    for host in ["status.example.net", "STATUS.example.net:8443"] {
        let page = at(&nobody, host, "/").await;
        assert_eq!((page.status, page.text().starts_with("open Page")), (200, true), "{host}");
        assert!(at(&nobody, host, "/feed.atom").await.text().starts_with("open Atom"));
        assert!(at(&nobody, host, "/status.json").await.text().starts_with("open Json"));
        assert_eq!(at(&nobody, host, "/status.css").await.text(), "body {}");
        for path in
            ["/login", "/api/0/setup", "/hosts", "/healthz", "/ws", "/status/users", "/metrics"]
        {
            assert_eq!(at(&nobody, host, path).await.status, 404, "{host}{path}");
        }
    }
    assert!(!at(&nobody, "other.example.net", "/").await.text().contains("open Page"));
    let keyed = at(&nobody, "keyed.example.net", &format!("/?token={PAGE_TOKEN}")).await;
    assert_eq!((keyed.status, keyed.header("location")), (303, "/"));
}

#[tokio::test]
async fn strangers_cannot_make_the_server_work() {
    let running = prepared().await;
    let nobody = running.nobody();
    let asked = (0..40).map(|_| nobody.get("/status/open"));
    let mut tags = std::collections::BTreeSet::new();
    for reply in futures_util::future::join_all(asked).await {
        assert_eq!(reply.status, 200);
        tags.insert(reply.header("etag").to_owned());
    }
    assert_eq!((tags.len(), running.fake.stored().made_pages), (1, 1));
    let known = running.nobody().with("if-none-match", tags.first().unwrap());
    let again = known.get("/status/open").await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    assert_eq!(running.nobody().get("/status/open/nonsense/badge.svg").await.status, 404);
    assert_eq!(running.fake.stored().made_pages, 1, "what is no component is not asked for");
}

#[tokio::test]
async fn what_is_published_is_seen_at_once() {
    let running = prepared().await;
    let nobody = running.nobody();
    assert!(!nobody.get("/status/open").await.text().contains("Trouble"));
    let order = json!({"title": "Trouble", "text": "We look.", "components": ["api"]});
    let made = running.browser("owner").post("/api/0/status-pages/open/incidents", order).await;
    assert_eq!((made.status, made.header("etag")), (200, "\"1\""), "{}", made.text());
    assert!(nobody.get("/status/open").await.text().contains("Trouble"));
    let what: Vec<String> = running
        .fake
        .stored()
        .audit
        .iter()
        .map(|line| format!("{}: {}", line.what, line.detail))
        .collect();
    assert!(
        what.contains(&"status.publish: open 2: investigating: Trouble".to_owned()),
        "{what:?}"
    );
}

#[tokio::test]
async fn an_incident_lives_from_its_publication_to_its_end() {
    let running = prepared().await;
    let owner = running.browser("owner");
    let all = "/api/0/status-pages/open/incidents";
    let order = json!({"title": "Trouble", "text": "We look.", "impact": "major_outage"});
    let id = owner.post(all, order).await.json()["id"].as_u64().unwrap();
    let one = format!("{all}/{id}");
    let next =
        json!({"text": "A cable.", "stage": "identified", "version": 1, "components": ["web"]});
    let changed = owner.post(&one, next.clone()).await;
    assert_eq!((changed.status, changed.json()["stage"].as_str()), (200, Some("identified")));
    assert_eq!(owner.post(&one, next).await.status, 409, "it is not that version any more");
    assert_eq!(owner.post(&one, json!({"text": "x", "stage": "scheduled"})).await.status, 422);
    let over = owner.post(&one, json!({"text": "Mended.", "stage": "resolved"})).await.json();
    assert!(over["closed_at"].is_string(), "{over}");
    assert_eq!(over["updates"].as_array().unwrap().len(), 3);
    assert_eq!(over["updates"][0]["by"], "owner");
    let open = owner.get(&format!("{all}?open=true")).await.json();
    assert_eq!(open["items"][0]["title"], "Old trouble", "{open}");
    assert_eq!(open["items"].as_array().unwrap().len(), 1);
    assert_eq!(owner.get(&format!("{all}?open=false")).await.json()["items"][0]["id"], id);
    let stale = owner.clone().with("if-match", "\"1\"");
    assert_eq!(stale.post(&one, json!({"text": "x"})).await.status, 412);
    assert_eq!(owner.call(Method::DELETE, &one, None).await.status, 204);
    assert_eq!(owner.get(&one).await.status, 404);
}

#[tokio::test]
async fn only_editors_and_administrators_publish() {
    let running = prepared().await;
    let order = json!({"title": "Trouble", "text": "We look."});
    for (user, status) in [("stranger", 403), ("manager", 403), ("owner", 200), ("root", 200)] {
        let caller = running.program(user);
        let reply = caller.post("/api/0/status-pages/open/incidents", order.clone()).await;
        assert_eq!(reply.status, status, "{user}");
        let rows = caller.get("/api/0/status-pages").await.json();
        assert_eq!(rows["items"][0]["may_publish"], json!(status == 200), "{user}");
    }
    let absent = running.program("root").post("/api/0/status-pages/none/incidents", order).await;
    assert_eq!(absent.status, 404);
}

#[tokio::test]
async fn what_is_for_everybody_may_stand_in_pages_of_others() {
    let running = prepared().await;
    let badge = running.nobody().get("/status/open/badge.svg").await;
    assert_eq!(badge.header("cross-origin-resource-policy"), "cross-origin");
    assert_eq!(badge.header("access-control-allow-origin"), "*");
    let page = running.nobody().get("/status/open").await;
    assert_eq!(page.header("cross-origin-resource-policy"), "same-origin");
    assert_eq!(page.header("access-control-allow-origin"), "");
    assert!(page.header("content-security-policy").starts_with("default-src 'none'"));
}

#[tokio::test]
async fn who_asks_for_updates_learns_nothing_and_a_page_that_is_shut_takes_nobody() {
    let running = prepared().await;
    let asked = |path: &'static str, fields: &'static str| post(&running, path, fields);
    let first = asked("/status/open/readers", "way=mail&address=+a%40y.example").await;
    assert_eq!(first.status, 200, "{}", first.text());
    assert!(first.text().contains("Readers(Asked)"), "{}", first.text());
    for fields in ["way=mail&address=a%40y.example", "way=mail&address=", "way=fax&address=x", ""] {
        let other = asked("/status/open/readers", fields).await;
        assert_eq!(shape(&other, "open"), shape(&first, "open"), "{fields}");
    }
    assert_eq!(running.fake.stored().readers, ["open mail a@y.example", "open mail a@y.example"]);
    let absent = asked("/status/none/readers", "way=mail&address=a%40y.example").await;
    for page in ["/status/users/readers", "/status/keyed/readers"] {
        let shut = asked(page, "way=mail&address=a%40y.example").await;
        let word = page.split('/').nth(2).unwrap();
        assert_eq!((shut.status, shape(&shut, word)), (404, shape(&absent, "none")), "{page}");
    }
    assert_eq!(running.fake.stored().readers.len(), 2);
}

#[tokio::test]
async fn a_link_does_nothing_before_its_button_and_ends_it_also_where_the_page_is_shut() {
    let running = prepared().await;
    let nobody = running.nobody();
    for (path, said) in [
        ("/status/open/readers", "Readers(Ask)"),
        ("/status/open/join/joins-open", "Readers(Join)"),
        ("/status/keyed/leave/leaves-keyed", "Readers(Leave)"),
    ] {
        let shown = nobody.get(path).await;
        assert_eq!(shown.status, 200, "{path}");
        assert!(shown.text().contains(said), "{path}: {}", shown.text());
    }
    for (path, status, said) in [
        ("/status/open/join/joins-open", 200, "Readers(Joined)"),
        ("/status/open/join/joins-keyed", 410, "Readers(Gone)"),
        ("/status/keyed/leave/leaves-keyed", 200, "Readers(Left)"),
        ("/status/open/leave/joins-open", 410, "Readers(Gone)"),
    ] {
        let done = post(&running, path, "List-Unsubscribe=One-Click").await;
        assert_eq!((done.status, done.text().contains(said)), (status, true), "{path}");
    }
    assert_eq!(nobody.get("/status/users/leave/x").await.status, 404, "it has no readers");
}

#[tokio::test]
async fn who_asks_again_and_again_waits() {
    let running = prepared().await;
    let mut last = 200;
    for _ in 0..100 {
        last =
            post(&running, "/status/open/readers", "way=mail&address=a%40y.example").await.status;
        if last == 429 {
            break;
        }
    }
    assert_eq!(last, 429);
}

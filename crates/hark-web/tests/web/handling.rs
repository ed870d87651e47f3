//! Handling from outside: the link in a message, its token, calls of services.

use bytes::Bytes;
use http::Method;
use http_body_util::Full;
use serde_json::json;

use crate::server::{Caller, Reply, start_tls};

/// More tries than any limit allows in the time that they take.
const MANY: usize = 500;

async fn send(caller: &Caller, path: &str, kind: &str, body: &str) -> Reply {
    let request = caller.request(&Method::POST, path).header("content-type", kind);
    caller.send(request.body(Full::new(Bytes::from(body.to_owned()))).unwrap()).await
}

async fn form(caller: &Caller, path: &str, body: &str) -> Reply {
    send(caller, path, "application/x-www-form-urlencoded", body).await
}

#[tokio::test]
async fn a_link_shows_the_incident_and_only_its_form_acknowledges() {
    let running = start_tls().await;
    let nobody = running.nobody();
    for _ in 0..20 {
        let shown = nobody.get("/a/a-token").await;
        assert_eq!((shown.status, shown.header("content-type")), (200, "text/html; charset=utf-8"));
        let text = shown.text();
        assert!(text.contains("db1&lt;b&gt;") && !text.contains("<b>"), "text stays text: {text}");
        assert!(text.contains("<form method=\"post\">") && !text.contains("script"), "{text}");
        assert_eq!(shown.header("cache-control"), "no-store");
        assert_eq!(shown.header("referrer-policy"), "no-referrer");
        assert!(shown.header("content-security-policy").contains("frame-ancestors 'none'"));
    }
    assert!(running.fake.stored().acks.is_empty(), "looking changes nothing");
    let done = form(&nobody, "/a/a-token", "comment=on+it&held=3600&sticky=1").await;
    assert_eq!(done.status, 200);
    assert!(done.text().contains("acknowledged"), "{}", done.text());
    {
        let stored = running.fake.stored();
        let ack = &stored.acks[&1];
        assert_eq!(
            (ack.by.as_str(), ack.comment.as_str(), ack.sticky),
            ("via chat", "on it", true)
        );
        assert!(ack.until_unix_s.is_some());
        let line = stored.audit.last().unwrap();
        assert_eq!((line.who.as_str(), line.what.as_str()), ("via chat", "incident.ack"));
        assert_eq!(line.detail, "1: by the link in a message: on it");
        assert_eq!(line.address, "127.0.0.1");
    }
    let again = form(&nobody, "/a/a-token", "").await;
    assert!(again.text().contains("somebody has it already"), "{}", again.text());
    assert_eq!(running.fake.stored().audit.len(), 1, "a replay does nothing");
    assert!(!nobody.get("/a/a-token").await.text().contains("<form"), "nothing is left to do");
}

#[tokio::test]
async fn a_link_that_is_none_or_old_is_said_to_be_and_guessing_is_slowed_down() {
    let running = start_tls().await;
    let nobody = running.nobody();
    assert_eq!(nobody.get("/a/an-old-token").await.status, 410);
    assert_eq!(form(&nobody, "/a/an-old-token", "").await.status, 410);
    assert_eq!(nobody.get(&format!("/a/{}", "x".repeat(200))).await.status, 404);
    let mut found = Vec::new();
    while found.last() != Some(&429) && found.len() < MANY {
        found.push(form(&nobody, &format!("/a/guess{}", found.len()), "").await.status);
    }
    assert_eq!(found[0], 404);
    assert_eq!(found.last(), Some(&429), "{found:?}");
    assert!(running.fake.stored().acks.is_empty());
}

#[tokio::test]
async fn a_form_that_is_wrong_does_nothing() {
    let running = start_tls().await;
    let nobody = running.nobody();
    for body in ["held=soon", "held=0", "held=999999999"] {
        let reply = form(&nobody, "/a/a-token", body).await;
        assert!([400, 422].contains(&reply.status), "{body}: {}", reply.status);
    }
    let long = format!("comment={}", "x".repeat(5000));
    assert_eq!(form(&nobody, "/a/a-token", &long).await.status, 422);
    assert_eq!(form(&nobody, "/a/a-token", &"x".repeat(70_000)).await.status, 413);
    assert!(running.fake.stored().acks.is_empty());
}

#[tokio::test]
async fn a_program_acknowledges_with_the_token_alone() {
    let running = start_tls().await;
    let nobody = running.nobody();
    let body = json!({"token": "a-token", "way": "mail", "comment": "looking", "for_seconds": 60});
    let done = nobody.post("/api/0/handle", body.clone()).await;
    assert_eq!((done.status, done.json()["done"].as_bool()), (200, Some(true)));
    assert_eq!(running.fake.stored().audit[0].detail, "1: by a reply to a mail: looking");
    assert_eq!(nobody.post("/api/0/handle", body).await.json()["done"], false);
    assert_eq!(nobody.post("/api/0/handle", json!({"token": "x"})).await.status, 404);
    let old = nobody.post("/api/0/handle", json!({"token": "an-old-token"})).await;
    assert_eq!((old.status, old.problem()), (409, "conflict".to_owned()));
}

#[tokio::test]
async fn a_service_is_obeyed_if_it_signs() {
    let running = start_tls().await;
    let path = "/api/0/receivers/chat/call";
    let signed = running.nobody().with("x-signature", "good");
    let reply = send(&signed, path, "application/x-www-form-urlencoded", "payload=1").await;
    assert_eq!((reply.status, reply.text().as_str()), (200, "{\"bytes\":9}"));
    assert_eq!(reply.header("content-type"), "application/json");
    let line = running.fake.stored().audit.pop().unwrap();
    assert_eq!((line.who.as_str(), line.what.as_str()), ("via chat", "incident.ack"));
    assert_eq!(send(&signed, path, "text/plain", "").await.status, 400);
    let none = send(&signed, "/api/0/receivers/ops-mail/call", "text/plain", "x").await;
    assert_eq!(none.status, 404, "it makes no calls");
    let forged = running.nobody().with("x-signature", "bad");
    assert_eq!(send(&forged, path, "text/plain", "x").await.problem(), "unsigned");
    assert!(running.fake.stored().audit.is_empty());
}

#[tokio::test]
async fn who_guesses_does_not_keep_the_service_from_being_heard() {
    let running = start_tls().await;
    let path = "/api/0/receivers/chat/call";
    let forged = running.nobody().with("x-signature", "bad");
    for _ in 0..8 {
        assert_eq!(send(&forged, path, "text/plain", "x").await.problem(), "unsigned");
    }
    assert_eq!(send(&forged, path, "text/plain", "x").await.status, 429);
    let signed = running.nobody().with("x-signature", "good");
    for _ in 0..20 {
        assert_eq!(send(&signed, path, "text/plain", "x").await.status, 200);
    }
    assert_eq!(send(&forged, path, "text/plain", "x").await.status, 429, "still");
}

#[tokio::test]
async fn a_call_that_proves_nothing_is_a_guess_and_holds_no_link_of_others() {
    let running = start_tls().await;
    let (nobody, path) = (running.nobody(), "/api/0/receivers/chat/call");
    let unsigned = running.nobody().with("x-signature", "none needed");
    for _ in 0..8 {
        let reply = send(&unsigned, path, "application/json", "{}").await;
        assert_eq!((reply.status, reply.text().as_str()), (200, "none of this server's"));
    }
    assert_eq!(send(&unsigned, path, "application/json", "{}").await.status, 429);
    // Links of messages are counted apart, and only a guesser without end is slowed down.
    for n in 0..8 {
        let guess = json!({"token": format!("guess-{n}")});
        assert_eq!(nobody.post("/api/0/handle", guess).await.status, 404);
    }
    let done = nobody.post("/api/0/handle", json!({"token": "a-token", "way": "mail"})).await;
    assert_eq!(done.status, 200, "{}", done.text());
}

//! Headers of every answer, and answers of the edge: unknown paths, methods, sizes, faults.

use bytes::Bytes;
use http::Method;
use http_body_util::Full;

use crate::server::{Reply, start, start_tls};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    font-src 'self'; connect-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; \
    form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
    trusted-types svelte-trusted-html hark-worker";

pub(crate) fn dressed(reply: &Reply, name: &str) {
    assert_eq!(reply.header("content-security-policy"), POLICY, "{name}");
    assert_eq!(reply.header("x-content-type-options"), "nosniff", "{name}");
    assert_eq!(reply.header("referrer-policy"), "no-referrer", "{name}");
    assert_eq!(reply.header("cross-origin-opener-policy"), "same-origin", "{name}");
    let permissions = reply.header("permissions-policy");
    for part in permissions.split(", ") {
        // Passkeys are asked for by the page itself.
        let own = part == "publickey-credentials-get=(self)";
        assert!(own || part.ends_with("=()"), "{name}: {part} is not off");
    }
    assert!(permissions.contains("camera=()") && permissions.contains("geolocation=()"), "{name}");
    assert_eq!(reply.header("x-request-id").len(), 16, "{name}");
    assert!(!reply.header("cache-control").is_empty(), "{name}");
}

#[tokio::test]
async fn every_answer_carries_them() {
    let running = start().await;
    let root = running.browser("root");
    for path in [
        "/",
        "/hosts/db1",
        "/assets/gone.js",
        "/live",
        "/healthz",
        "/ws",
        "/api/0/overview",
        "/api/0/nothing",
        "/api/0/openapi.json",
    ] {
        dressed(&root.get(path).await, path);
    }
    dressed(&running.nobody().get("/api/0/overview").await, "anonymous");
    assert_eq!(root.get("/api/0/overview").await.header("cache-control"), "no-store");
    assert_eq!(root.get("/").await.header("cache-control"), "no-cache");
}

#[tokio::test]
async fn addresses_of_the_seed_lead_to_the_views() {
    let nobody = start().await;
    let nobody = nobody.nobody();
    for (seed, view) in
        [("/live", "/hosts"), ("/plugins", "/all-metrics"), ("/alerts", "/incidents")]
    {
        let reply = nobody.get(seed).await;
        assert_eq!((reply.status, reply.header("location")), (302, view));
    }
    for path in ["/login", "/", "/incidents/7"] {
        let reply = nobody.get(path).await;
        assert_eq!((reply.status, reply.header("content-type")), (200, "text/html; charset=utf-8"));
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problem_documents() {
    let running = start().await;
    let root = running.browser("root");
    let reply = root.get("/api/0/nothing").await;
    assert_eq!((reply.status, reply.problem()), (404, "no-such-path".to_owned()));
    let reply = root.call(Method::DELETE, "/api/0/overview", None).await;
    assert_eq!((reply.status, reply.problem()), (405, "method-not-allowed".to_owned()));
    assert_eq!(reply.header("allow"), "GET,HEAD");
    let reply = root.call(Method::POST, "/hosts", None).await;
    assert_eq!((reply.status, reply.problem()), (405, "method-not-allowed".to_owned()));
    let reply = root.get("/api/0/incidents/seven").await;
    assert_eq!((reply.status, reply.problem()), (404, "not-found".to_owned()));
    let number = reply.header("x-request-id").to_owned();
    assert_eq!(reply.json()["instance"], format!("/requests/{number}"));
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let running = start().await;
    let reply = running.browser("root").call(Method::HEAD, "/api/0/overview", None).await;
    assert_eq!((reply.status, reply.body.len()), (200, 0));
}

#[tokio::test]
async fn bodies_have_a_bound_and_a_type() {
    let running = start().await;
    let root = running.browser("root");
    let send = |content_type: &'static str, body: Vec<u8>| {
        let request = root
            .request(&Method::POST, "/api/0/incidents/1/comment")
            .header("content-type", content_type)
            .body(Full::new(Bytes::from(body)))
            .unwrap();
        let root = &root;
        async move {
            let reply = root.send(request).await;
            (reply.status, reply.problem())
        }
    };
    let long = format!("{{\"text\": \"{}\"}}", "a".repeat(64 * 1024)).into_bytes();
    let problem = |status, name: &str| (status, name.to_owned());
    assert_eq!(send("application/json", long).await, problem(413, "too-large"));
    assert_eq!(send("text/plain", b"{}".to_vec()).await, problem(415, "not-json"));
    assert_eq!(send("application/json", b"{".to_vec()).await, problem(400, "malformed"));
    assert_eq!(send("application/json", vec![b'['; 60_000]).await.0, 422);
    assert_eq!(send("application/json; charset=utf-8", b"{}".to_vec()).await.0, 422);
}

#[tokio::test]
async fn faults_of_the_server_are_told_without_their_cause() {
    let running = start().await;
    let root = running.browser("root");
    running.fake.stored().broken = true;
    let reply = root.get("/api/0/overview").await;
    assert_eq!((reply.status, reply.problem()), (503, "unavailable".to_owned()));
    assert!(!reply.text().contains("fire"));
    running.fake.stored().broken = false;
    running.fake.stored().panics = true;
    let reply = root.get("/api/0/overview").await;
    assert_eq!((reply.status, reply.problem()), (500, "internal".to_owned()));
    running.fake.stored().panics = false;
    assert_eq!(root.get("/api/0/overview").await.status, 200, "one request ended, not the server");
}

#[tokio::test]
async fn cookies_are_as_strict_as_their_transport_allows() {
    let login = serde_json::json!({"username": "root", "password": "correct horse"});
    let plain = start().await.nobody().post("/api/0/auth/login", login.clone()).await;
    let cookie = plain.header("set-cookie").to_owned();
    assert!(cookie.starts_with("hark="), "{cookie}");
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax; Max-Age=2592000"), "{cookie}");
    let tls = start_tls().await.nobody().post("/api/0/auth/login", login).await;
    let cookie = tls.header("set-cookie").to_owned();
    assert!(cookie.starts_with("__Host-hark="), "{cookie}");
    assert!(
        cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax; Max-Age=2592000; Secure"),
        "{cookie}"
    );
}

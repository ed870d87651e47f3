//! What somebody tries who means harm: sessions of his choice, ways out of the server, paths out of its
//! folders, bodies that are too much.

use bytes::Bytes;
use http::Method;
use http_body_util::Full;
use serde_json::json;

use crate::headers::dressed;
use crate::prepared::prepared;
use crate::server::{Caller, Reply, start, start_tls};
use crate::table::{Route, table};

/// Sends a body as it is.
async fn send(caller: &Caller, route: &Route, kind: &str, body: Vec<u8>) -> Reply {
    let request = caller
        .request(&route.method, &route.path.replace("{own}", "ffffffffffffffff"))
        .header("content-type", kind)
        .body(Full::new(Bytes::from(body)));
    caller.send(request.unwrap()).await
}

#[tokio::test]
async fn nobody_is_logged_in_under_a_session_that_somebody_else_has_chosen() {
    for running in [start().await, start_tls().await] {
        let mut victim = running.nobody();
        victim.cookie = Some("chosen-by-another".to_owned());
        let login = json!({"username": "root", "password": "correct horse"});
        let reply = victim.post("/api/0/auth/login", login).await;
        assert_eq!(reply.status, 200);
        let set = reply.header("set-cookie").to_owned();
        assert!(!set.contains("chosen-by-another"), "{set}");
        let mut attacker = running.nobody();
        attacker.cookie = Some("chosen-by-another".to_owned());
        assert_eq!(attacker.get("/api/0/auth/me").await.status, 401);
        // In the address a session is nothing at all.
        let token = reply.json()["token"].as_str().unwrap().to_owned();
        for path in
            [format!("/api/0/auth/me?token={token}"), format!("/api/0/auth/me;hark={token}")]
        {
            assert!(running.nobody().get(&path).await.status >= 400, "{path}");
        }
    }
}

#[tokio::test]
async fn no_address_leads_away_from_the_server() {
    let running = prepared().await;
    let root = running.browser("root");
    for path in [
        "//evil.example/",
        "/\\evil.example",
        "/%2f%2fevil.example",
        "/live?next=https://evil.example",
        "/login?return=//evil.example/x",
        "/live//evil.example",
        "/api/0/docs?url=https://evil.example/openapi.json",
        "/setup?to=https://evil.example",
    ] {
        let reply = root.get(path).await;
        let to = reply.header("location");
        assert!(to.is_empty() || to.starts_with('/') && !to.starts_with("//"), "{path}: {to}");
        assert!(reply.header("refresh").is_empty(), "{path}");
        dressed(&reply, path);
    }
}

#[tokio::test]
async fn no_path_leads_out_of_what_is_served() {
    let running = prepared().await;
    let root = running.browser("root");
    let start = root.get("/").await.body;
    for way in [
        "../../../../etc/passwd",
        "..%2f..%2f..%2f..%2fetc%2fpasswd",
        "%2e%2e/%2e%2e/etc/passwd",
        "..\\..\\etc\\passwd",
        "....//....//etc/passwd",
        "%00/etc/passwd",
        "..;/etc/passwd",
    ] {
        for begin in [
            "/",
            "/assets/",
            "/api/0/hosts/",
            "/api/0/updates/",
            "/api/0/oncall/",
            "/api/0/reports/",
            "/api/0/hosts/db1/plugins/",
            "/push/",
            "/a/",
        ] {
            let path = format!("{begin}{way}?host=db1");
            let request = root.request(&Method::GET, &path).body(Full::default());
            // Some of them are no address at all.
            let Ok(request) = request else { continue };
            let reply = root.send(request).await;
            assert!(!reply.text().contains("root:"), "{path}: {}", reply.text());
            let is_start = reply.body == start;
            let is_sample = begin.ends_with("plugins/") && reply.status == 200;
            assert!(
                reply.status >= 400 && reply.status < 500 || is_start || is_sample,
                "{path}: {}",
                reply.status
            );
        }
    }
}

#[tokio::test]
async fn no_body_is_too_much_for_any_route() {
    let mut wrong = Vec::new();
    for route in table().into_iter().filter(|route| route.body.is_some()) {
        let running = prepared().await;
        let root = running.program("root");
        let nested = [vec![b'['; 30_000], vec![b']'; 30_000]].concat();
        let deep = [b"{\"a\":".repeat(8_000), b"1".to_vec(), vec![b'}'; 8_000]].concat();
        // Samples are brought in larger pieces than anything else.
        let large = if route.path == "/api/0/history/import" { 17 << 20 } else { 2 << 20 };
        let bodies = [
            ("oversized", "application/json", format!("\"{}\"", "a".repeat(large)).into_bytes()),
            ("long", "application/json", format!("\"{}\"", "a".repeat(60_000)).into_bytes()),
            ("nested", "application/json", nested),
            ("deep", "application/json", deep),
            ("cut", "application/json", b"{\"a".to_vec()),
            ("no text", "application/json", vec![0xff; 100]),
            ("of another type", "text/html", b"{}".to_vec()),
            ("numbers", "application/json", format!("[{}]", "9".repeat(50_000)).into_bytes()),
        ];
        for (name, kind, body) in bodies {
            let reply = send(&root, &route, kind, body).await;
            let good = (400..500).contains(&reply.status)
                && reply.header("content-type") == "application/problem+json"
                && reply.text().len() < 4096;
            if !good || name == "oversized" && reply.status == 422 {
                wrong.push(format!(
                    "{} {} {name}: {} {}",
                    route.method,
                    route.path,
                    reply.status,
                    reply.text()
                ));
            }
        }
        assert_eq!(root.get("/api/0/auth/me").await.status, 200, "the server goes on");
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[tokio::test]
async fn every_route_answers_whoever_asks_with_the_headers_that_protect_him() {
    for route in table() {
        let running = prepared().await;
        let path = route.path.replace("{own}", "ffffffffffffffff");
        if route.template == "/api/0/stream" {
            continue;
        }
        for caller in [running.nobody(), running.browser("monitor"), running.browser("root")] {
            let reply = caller.call(route.method.clone(), &path, route.body.clone()).await;
            dressed(&reply, &path);
            assert_eq!(
                reply.header("access-control-allow-origin"),
                "",
                "{path}: no other site may read it"
            );
        }
    }
}

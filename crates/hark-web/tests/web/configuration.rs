//! The configuration as the page edits it: versions, what is refused, and what is noted.

use http::Method;
use serde_json::{Value, json};

use crate::prepared::prepared;
use crate::server::{Caller, Reply};

const OBJECTS: &str = "/api/0/config/objects/hosts";

async fn change(caller: &Caller, name: &str, value: Value) -> Reply {
    let order = json!({ "value": value });
    caller.call(Method::PUT, &format!("{OBJECTS}/{name}"), Some(order)).await
}

#[tokio::test]
async fn who_has_not_seen_what_is_there_does_not_change_it() {
    let running = prepared().await;
    let root = running.browser("root");
    let read = root.get(&format!("{OBJECTS}/web9")).await;
    let tag = read.header("etag").to_owned();
    assert_eq!(tag, format!("\"{}\"", read.json()["version"].as_str().unwrap()));
    let blind = change(&root, "web9", json!({"address": "b"})).await;
    assert_eq!((blind.status, blind.problem().as_str()), (412, "changed"));
    let knowing = running.browser("root").with("if-match", &tag);
    let changed = change(&knowing, "web9", json!({"address": "longer"})).await;
    assert_eq!(changed.status, 200, "{}", changed.text());
    assert_ne!(changed.header("etag"), tag);
    let late = change(&knowing, "web9", json!({"address": "c"})).await;
    assert_eq!(late.status, 412, "another one was faster");
    let current = running.browser("root").with("if-match", changed.header("etag"));
    let gone = current.call(Method::DELETE, &format!("{OBJECTS}/web9"), None).await;
    assert_eq!((gone.status, &gone.json()["object"]), (200, &Value::Null));
    assert_eq!(root.get(&format!("{OBJECTS}/web9")).await.status, 404);
}

#[tokio::test]
async fn what_a_file_declares_is_changed_there() {
    let running = prepared().await;
    let refused = change(&running.browser("root"), "db1", json!({})).await;
    assert_eq!((refused.status, refused.problem().as_str()), (409, "declared"));
    assert!(refused.text().contains("hark.yaml line 3"), "{}", refused.text());
}

#[tokio::test]
async fn mistakes_are_told_by_their_keys() {
    let running = prepared().await;
    let root = running.browser("root");
    let wrong = change(&root, "a", json!({"address": 7})).await;
    assert_eq!(wrong.status, 422);
    assert_eq!(wrong.json()["errors"][0]["field"], "address");
    for (body, field) in [
        (json!({"value": null}), "value"),
        (json!({}), "value"),
        (json!({"value": {}, "befor": "x"}), "befor"),
    ] {
        let reply = root.call(Method::PUT, &format!("{OBJECTS}/a"), Some(body.clone())).await;
        assert_eq!(reply.status, 422, "{body}: {}", reply.text());
        assert_eq!(reply.json()["errors"][0]["field"], field);
    }
    let long = "x".repeat(201);
    assert_eq!(change(&root, &long, json!({})).await.status, 422);
    for name in ["", "a\nb"] {
        let asked = json!({"section": "hosts", "name": name, "value": {}});
        assert_eq!(root.post("/api/0/config/validate", asked).await.status, 422, "{name:?}");
    }
    for tag in ["web", "\"a\", \"b\"", "*"] {
        let odd = running.browser("root").with("if-match", tag);
        assert_eq!(change(&odd, "a", json!({})).await.status, 412, "{tag}");
    }
}

#[tokio::test]
async fn who_changed_what_is_in_the_audit() {
    let running = prepared().await;
    let root = running.browser("root");
    assert_eq!(change(&root, "a", json!({})).await.status, 200);
    let asked = json!({"section": "checks", "name": "c", "value": {}});
    assert_eq!(root.post("/api/0/config/test", asked).await.status, 200);
    let restored = root.post("/api/0/config/history/1/restore", json!({})).await;
    assert_eq!(restored.status, 200);
    let stored = running.fake.stored();
    let of_config: Vec<(&str, &str)> = stored
        .audit
        .iter()
        .filter(|line| line.what.starts_with("config."))
        .map(|line| (line.what.as_str(), line.detail.as_str()))
        .collect();
    let expected = [
        ("config.put", "hosts/a: version 1"),
        ("config.test", "checks/c"),
        ("config.restore", "version 3 is version 1 again"),
    ];
    assert_eq!(of_config, expected);
}

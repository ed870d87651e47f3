//! Silences and maintenance: who may make and change them, and what is refused.

use http::Method;
use serde_json::{Value, json};

use crate::prepared::prepared;

#[tokio::test]
async fn a_manager_silences_his_hosts_and_no_pattern() {
    let running = prepared().await;
    let manager = running.browser("manager");
    let silence =
        |matcher: Value| json!({"matcher": matcher, "reason": "x", "duration_seconds": 60});
    for (matcher, expected) in [
        (json!({"hosts": ["db1"]}), 200),
        (json!({"hosts": ["db1", "web1"]}), 404),
        (json!({"hosts": ["db*"]}), 403),
        (json!({"hosts": []}), 403),
        (json!({"tags": ["role:db"]}), 403),
    ] {
        let reply = manager.post("/api/0/silences", silence(matcher.clone())).await;
        assert_eq!(reply.status, expected, "{matcher}: {}", reply.text());
    }
    let all = running.browser("root").post("/api/0/silences", silence(json!({}))).await;
    assert_eq!(all.status, 200);
    let id = all.json()["id"].as_u64().unwrap();
    let ended = manager.call(Method::DELETE, &format!("/api/0/silences/{id}"), None).await;
    assert_eq!(ended.status, 404, "a silence over all hosts is not the manager's");
}

#[tokio::test]
async fn what_comes_again_must_say_when_and_for_how_long() {
    let running = prepared().await;
    let root = running.browser("root");
    let base = json!({"matcher": {}, "reason": "x", "maintenance": true});
    for (more, field) in [
        (json!({"maintenance": false, "repeats": {"when": "sun 02:00-04:00"}}), "repeats"),
        (json!({"repeats": {"cron": "@daily"}}), "repeats"),
        (json!({"repeats": {"cron": "@daily", "lasts_seconds": 9, "when": "x"}}), "repeats"),
        (json!({"repeats": {"when": ""}}), "repeats"),
        (json!({"repeats": {"when": "x"}, "duration_seconds": 9}), "duration_seconds"),
        (json!({"repeats": {"when": "x"}, "flexible_seconds": 9}), "flexible_seconds"),
        (json!({"repeats": {"cron": "@daily", "lasts_seconds": 0}}), "repeats.lasts_seconds"),
        (json!({"repeats": {"cron": "x", "lasts_seconds": 9}}), "repeats"),
        (json!({"repeats": {"cron": "0 0 30 2 *", "lasts_seconds": 9}}), "repeats"),
        (json!({"repeats": {"when": "x"}, "until_at": "2020-01-01T00:00:00Z"}), "until_at"),
    ] {
        let mut body = base.clone();
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let reply = root.post("/api/0/silences", body.clone()).await;
        assert_eq!(reply.status, 422, "{body}: {}", reply.text());
        assert_eq!(reply.json()["errors"][0]["field"], field, "{}", reply.text());
    }
    let mut body = base;
    body["repeats"] = json!({"cron": "30 2 * * *", "lasts_seconds": 60, "timezone": "UTC"});
    let made = root.post("/api/0/silences", body).await;
    assert_eq!(made.status, 200, "{}", made.text());
}

#[tokio::test]
async fn a_preview_tells_when_what_comes_again_would_hold() {
    let running = prepared().await;
    let root = running.browser("root");
    let from = "2026-12-01T02:30:00Z";
    let repeats = json!({"cron": "30 2 * * *", "lasts_seconds": 60, "timezone": "UTC"});
    let body = json!({"matcher": {}, "from_at": from, "repeats": repeats});
    let preview = root.post("/api/0/match/preview", body).await;
    assert_eq!(preview.status, 200, "{}", preview.text());
    let times = preview.json()["times"].clone();
    assert_eq!(times.as_array().unwrap().len(), 5, "{times}");
    assert_eq!(times[0], json!({"from_at": from, "until_at": "2026-12-01T02:31:00Z"}));
    let wrong = json!({"matcher": {}, "repeats": {"cron": "x", "lasts_seconds": 60}});
    let refused = root.post("/api/0/match/preview", wrong).await;
    assert_eq!(refused.status, 422);
    assert_eq!(refused.json()["errors"][0]["field"], "repeats");
    let plain = root.post("/api/0/match/preview", json!({"matcher": {}})).await;
    assert_eq!(plain.json()["times"], json!([]));
}

#[tokio::test]
async fn what_is_changed_keeps_its_number_and_its_beginning() {
    let running = prepared().await;
    let root = running.browser("root");
    let from = "2026-11-01T00:00:00Z";
    let repeats = json!({"cron": "30 2 * * *", "lasts_seconds": 60, "timezone": "UTC"});
    let mut body = json!({
        "matcher": {"hosts": ["db1"]}, "reason": "backup", "maintenance": true, "from_at": from,
        "repeats": repeats,
    });
    let made = root.post("/api/0/silences", body.clone()).await.json();
    assert_eq!(made["again"]["from_at"], from);
    body["reason"] = "longer backup".into();
    body.as_object_mut().unwrap().remove("from_at");
    let path = format!("/api/0/silences/{}", made["id"]);
    let changed = root.call(Method::PUT, &path, Some(body.clone())).await;
    assert_eq!(changed.status, 200, "{}", changed.text());
    let changed = changed.json();
    assert_eq!((&changed["id"], &changed["reason"]), (&made["id"], &"longer backup".into()));
    assert_eq!(changed["again"]["from_at"], from, "it began when it began");
    // Once it is for once, it begins now: it came again since long ago.
    let mut once = body.clone();
    once.as_object_mut().unwrap().remove("repeats");
    once["duration_seconds"] = 3600.into();
    let changed = root.call(Method::PUT, &path, Some(once)).await;
    assert_eq!(changed.status, 200, "{}", changed.text());
    assert_eq!(changed.json()["again"], Value::Null);
    assert!(changed.json()["from_at"].as_str() > made["from_at"].as_str(), "{}", changed.text());
    body["repeats"]["cron"] = "x".into();
    let refused = root.call(Method::PUT, &path, Some(body.clone())).await;
    assert_eq!(refused.json()["errors"][0]["field"], "repeats");
    body["repeats"]["cron"] = "@daily".into();
    let absent = root.call(Method::PUT, "/api/0/silences/99", Some(body)).await;
    assert_eq!(absent.status, 404);
    let audit = root.get("/api/0/audit").await.json();
    let lines = audit["items"].as_array().unwrap();
    assert!(lines.iter().any(|line| line["what"] == "silence.change"), "{audit}");
}

#[tokio::test]
async fn a_manager_changes_nothing_onto_hosts_of_others() {
    let running = prepared().await;
    let manager = running.browser("manager");
    let body = |matcher: Value| json!({"matcher": matcher, "reason": "x", "duration_seconds": 60});
    let own = json!({"hosts": ["db1"]});
    let made = manager.post("/api/0/silences", body(own.clone())).await;
    assert_eq!(made.status, 200, "{}", made.text());
    let path = format!("/api/0/silences/{}", made.json()["id"]);
    for (matcher, status) in
        [(json!({"hosts": ["web1"]}), 404), (json!({"hosts": ["db*"]}), 403), (json!({}), 403)]
    {
        let refused = manager.call(Method::PUT, &path, Some(body(matcher.clone()))).await;
        assert_eq!(refused.status, status, "{matcher}");
    }
    assert_eq!(manager.call(Method::PUT, &path, Some(body(own.clone()))).await.status, 200);
    let all = running.browser("root").post("/api/0/silences", body(json!({}))).await.json();
    let path = format!("/api/0/silences/{}", all["id"]);
    let hidden = manager.call(Method::PUT, &path, Some(body(own))).await;
    assert_eq!(hidden.status, 404, "a silence over all hosts is not the manager's");
}

//! Who may do what with a host: looked at and changed.

use hark_api::auth::Role;
use http::Method;
use serde_json::{Value, json};

use crate::server::{Caller, Reply, Running, start};

const PATH: &str = "/api/0/hosts/web1/access";

async fn put(caller: &Caller, body: Value) -> Reply {
    caller.call(Method::PUT, PATH, Some(body)).await
}

/// A server whose host `web1` has an owner, a manager and a monitor.
async fn running() -> Running {
    let running = start().await;
    running.user("ben", false, &[("web1", Role::Owner)]);
    running.user("tom", false, &[("web1", Role::Manager)]);
    running.user("ida", false, &[("web1", Role::Monitor)]);
    running.user("eve", false, &[("db1", Role::Owner)]);
    let said = json!({"address": "192.0.2.1", "managers": "tom", "monitors": ["ida", "tom"]});
    running.fake.stored().made.insert("web1".to_owned(), said);
    running
}

#[tokio::test]
async fn whoever_sees_a_host_sees_whose_it_is_and_its_owner_sees_everybody() {
    let running = running().await;
    for user in ["tom", "ida"] {
        let shown = running.browser(user).get(PATH).await.json();
        let expected = json!({"owner": "root", "managers": ["tom"], "monitors": ["ida", "tom"],
            "everybody": null});
        assert_eq!(shown, expected, "{user}");
    }
    let everybody = json!([
        {"user": "ben", "role": "owner", "admin": false},
        {"user": "ida", "role": "monitor", "admin": false},
        {"user": "root", "role": "owner", "admin": true},
        {"user": "tom", "role": "manager", "admin": false},
    ]);
    for user in ["ben", "root"] {
        let shown = running.browser(user).get(PATH).await.json();
        assert_eq!(shown["everybody"], everybody, "{user}");
    }
    assert_eq!(running.browser("eve").get(PATH).await.status, 404);
    let unsaid = running.browser("root").get("/api/0/hosts/db1/access").await.json();
    assert_eq!((&unsaid["managers"], &unsaid["monitors"]), (&json!([]), &json!([])));
}

#[tokio::test]
async fn its_owner_says_who_may_do_what_and_nobody_else_does() {
    let running = running().await;
    let others = json!({"managers": ["eve"], "monitors": []});
    for (user, status) in [("tom", 403), ("ida", 403), ("eve", 404)] {
        assert_eq!(put(&running.browser(user), others.clone()).await.status, status, "{user}");
    }
    assert_eq!(running.fake.stored().made["web1"]["managers"], "tom");
    let ben = running.browser("ben");
    assert_eq!(put(&ben, others).await.status, 204);
    let expected = json!({"address": "192.0.2.1", "managers": ["eve"]});
    assert_eq!(running.fake.stored().made["web1"], expected, "what else was said of it stays");
    let line = running.fake.stored().audit.last().cloned().unwrap();
    assert_eq!((line.what.as_str(), line.who.as_str()), ("host.access", "ben"));
    let detail = "web1: managers eve instead of tom, monitors nobody instead of ida tom";
    assert_eq!(line.detail, detail);

    let handed_over = json!({"owner": "tom", "managers": ["eve"], "monitors": []});
    assert_eq!(put(&ben, handed_over).await.status, 204);
    assert_eq!(running.fake.stored().made["web1"]["owner"], "tom");
    let line = running.fake.stored().audit.last().cloned().unwrap();
    assert_eq!(line.detail, "web1: from root to tom");
}

#[tokio::test]
async fn whoever_is_no_user_is_named_and_nothing_is_changed() {
    let running = running().await;
    let root = running.browser("root");
    let before = running.fake.stored().made["web1"].clone();
    let wrong = json!({"owner": "nobody", "managers": ["tom", "a b"], "monitors": ["gone"]});
    let refused = put(&root, wrong).await;
    assert_eq!(refused.status, 422);
    let fields: Vec<Value> = refused.json()["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["field"].clone())
        .collect();
    assert_eq!(fields, ["owner", "managers", "monitors"]);
    let many: Vec<String> = (0..201).map(|n| format!("u{n}")).collect();
    for body in [
        json!({"managers": many, "monitors": []}),
        json!({"managers": []}),
        json!({"managers": [], "monitors": [], "admins": []}),
    ] {
        let status = put(&root, body).await.status;
        assert!(matches!(status, 400 | 422), "{status}");
    }
    assert_eq!(running.fake.stored().made["web1"], before);
}

#[tokio::test]
async fn what_somebody_else_has_changed_meanwhile_is_not_overwritten() {
    let running = running().await;
    let ben = running.browser("ben");
    let seen = ben.get(PATH).await.header("etag").to_owned();
    let body = json!({"managers": ["eve"], "monitors": []});
    assert_eq!(put(&running.browser("root"), body.clone()).await.status, 204);
    let late = put(&ben.clone().with("if-match", &seen), body.clone()).await;
    assert_eq!((late.status, late.problem()), (412, "changed".to_owned()));
    let seen = ben.get(PATH).await.header("etag").to_owned();
    assert_eq!(put(&ben.with("if-match", &seen), body).await.status, 204);
}

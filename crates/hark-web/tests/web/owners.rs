//! Handing hosts over.

use hark_api::auth::Role;
use http::Method;
use serde_json::{Value, json};

use crate::server::{Caller, Reply, start};

async fn hand_over(caller: &Caller, host: &str, owner: &str) -> Reply {
    let body = Some(json!({"owner": owner}));
    caller.call(Method::PUT, &format!("/api/0/hosts/{host}/owner"), body).await
}

#[tokio::test]
async fn an_owner_hands_his_host_over_and_nobody_else_does() {
    let running = start().await;
    running.user("ben", false, &[("web1", Role::Owner)]);
    running.user("tom", false, &[("web1", Role::Manager)]);
    running.user("eve", false, &[]);
    assert_eq!(hand_over(&running.browser("tom"), "web1", "tom").await.problem(), "role-needed");
    assert_eq!(hand_over(&running.browser("eve"), "web1", "eve").await.status, 404);
    let ben = running.browser("ben");
    let unknown = hand_over(&ben, "web1", "nobody").await;
    assert_eq!((unknown.status, &unknown.json()["errors"][0]["field"]), (422, &json!("owner")));
    assert_eq!(hand_over(&ben, "web1", "a b").await.status, 422);
    assert_eq!(running.fake.stored().made.get("web1"), None, "nothing has changed so far");
    assert_eq!(hand_over(&ben, "web1", "tom").await.status, 204);
    assert_eq!(running.fake.stored().made["web1"], json!({"owner": "tom"}));
    let line = running.fake.stored().audit.last().cloned().unwrap();
    assert_eq!((line.what.as_str(), line.who.as_str()), ("host.owner", "ben"));
    assert_eq!(line.detail, "web1: from root to tom");
}

#[tokio::test]
async fn what_else_was_said_of_a_host_stays() {
    let running = start().await;
    let said: Value = json!({"address": "192.0.2.1", "owner": "ben", "secret": {"kept": 0}});
    running.fake.stored().made.insert("web1".to_owned(), said);
    let root = running.browser("root");
    assert_eq!(hand_over(&root, "web1", "root").await.status, 204);
    let expected = json!({"address": "192.0.2.1", "owner": "root", "secret": {"kept": 0}});
    assert_eq!(running.fake.stored().made["web1"], expected);
    let declared = hand_over(&root, "db1", "root").await;
    assert_eq!((declared.status, declared.problem()), (409, "declared".to_owned()));
}

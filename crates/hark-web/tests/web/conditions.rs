//! Versions, writes that are sent again, and how fast one may ask.

use http::Method;
use serde_json::json;

use crate::prepared::prepared;
use crate::server::start;

#[tokio::test]
async fn what_has_not_changed_is_not_sent_again() {
    let running = prepared().await;
    let root = running.browser("root");
    for path in ["/api/0/hosts/db1", "/api/0/incidents", "/api/0/silences", "/api/0/incidents/1"] {
        let first = root.get(path).await;
        let tag = first.header("etag").to_owned();
        assert_eq!((first.status, tag.len()), (200, 34), "{path}: {tag}");
        let again = root.clone().with("if-none-match", &tag).get(path).await;
        assert_eq!(
            (again.status, again.body.len(), again.header("etag")),
            (304, 0, &*tag),
            "{path}"
        );
        let other = root.clone().with("if-none-match", "\"other\"").get(path).await;
        assert_eq!((other.status, other.body), (200, first.body), "{path}");
        let head = root.call(Method::HEAD, path, None).await;
        assert_eq!((head.status, head.body.len(), head.header("etag")), (200, 0, &*tag), "{path}");
    }
    let before = root.get("/api/0/incidents/1").await.header("etag").to_owned();
    root.post("/api/0/incidents/1/unack", json!({})).await;
    let after = root.clone().with("if-none-match", &before).get("/api/0/incidents/1").await;
    assert_eq!(after.status, 200, "it has changed");
}

#[tokio::test]
async fn nothing_is_written_over_what_somebody_else_has_changed() {
    let running = prepared().await;
    let root = running.browser("root");
    let seen = root.get("/api/0/silences/1").await;
    let tag = seen.header("etag").to_owned();
    let order = |reason: &str| json!({"matcher": {"hosts": ["db1"]}, "reason": reason, "duration_seconds": 900});
    let mine = root.clone().with("if-match", &tag);
    let first = mine.call(Method::PUT, "/api/0/silences/1", Some(order("one"))).await;
    assert_eq!(first.status, 200, "{}", first.text());
    let second = mine.call(Method::PUT, "/api/0/silences/1", Some(order("two"))).await;
    assert_eq!((second.status, second.problem()), (412, "changed".to_owned()));
    assert_eq!(root.get("/api/0/silences/1").await.json()["reason"], "one");
    let any = root.clone().with("if-match", "*");
    assert_eq!(any.call(Method::DELETE, "/api/0/silences/1", None).await.status, 204);
    let gone = any.call(Method::DELETE, "/api/0/silences/1", None).await;
    assert_eq!((gone.status, gone.problem()), (412, "changed".to_owned()));
}

#[tokio::test]
async fn a_deed_goes_by_the_version_of_what_it_is_done_to() {
    let running = prepared().await;
    let owner = running.browser("owner");
    let tag = owner.get("/api/0/incidents/1").await.header("etag").to_owned();
    let mine = owner.with("if-match", &tag);
    let said = mine.post("/api/0/incidents/1/comment", json!({"text": "looking"})).await;
    assert_eq!(said.status, 200, "{}", said.text());
    running.browser("root").post("/api/0/incidents/1/unack", json!({})).await;
    let late = mine.post("/api/0/incidents/1/ack", json!({"comment": "mine"})).await;
    assert_eq!(late.status, 412);
    // What one may not see has no version, not even any.
    let blind = running.browser("stranger").with("if-match", "*");
    let hidden = blind.post("/api/0/incidents/1/ack", json!({"comment": "x"})).await;
    let absent = blind.post("/api/0/incidents/99/ack", json!({"comment": "x"})).await;
    assert_eq!((hidden.status, absent.status), (412, 412));
}

#[tokio::test]
async fn a_write_with_a_key_is_done_once_and_answered_the_same_again() {
    let running = start().await;
    let root = running.program("root").with("idempotency-key", "4711");
    let body = json!({"text": "looks like the backup"});
    let first = root.post("/api/0/incidents/1/comment", body.clone()).await;
    let again = root.post("/api/0/incidents/1/comment", body.clone()).await;
    assert_eq!((first.status, again.status), (200, 200));
    assert_eq!((&first.body, again.header("idempotency-replayed")), (&again.body, "true"));
    assert_eq!(first.header("idempotency-replayed"), "");
    assert_eq!(running.fake.stored().comments.len(), 1);
    for (path, body) in [
        ("/api/0/incidents/1/comment", json!({"text": "another"})),
        ("/api/0/incidents/2/comment", body.clone()),
    ] {
        let other = root.post(path, body).await;
        assert_eq!((other.status, other.problem()), (422, "wrong-fields".to_owned()));
        assert_eq!(other.json()["errors"][0]["field"], "Idempotency-Key");
    }
    // The same key of somebody else is another one; that of the same user's browser is refused, since it
    // may be allowed less.
    running.user("ben", true, &[]);
    let ben = running.program("ben").with("idempotency-key", "4711");
    assert_eq!(ben.post("/api/0/incidents/1/comment", body.clone()).await.status, 200);
    let browser = running.browser("root").with("idempotency-key", "4711");
    assert_eq!(browser.post("/api/0/incidents/1/comment", body).await.status, 422);
    assert_eq!(running.fake.stored().comments.len(), 2);
}

#[tokio::test]
async fn what_was_refused_is_not_kept_by_its_key() {
    let running = start().await;
    let root = running.program("root").with("idempotency-key", "a");
    assert_eq!(root.post("/api/0/incidents/99/comment", json!({"text": "x"})).await.status, 404);
    assert_eq!(root.post("/api/0/incidents/1/comment", json!({"text": " "})).await.status, 422);
    assert_eq!(root.post("/api/0/incidents/1/comment", json!({"text": "x"})).await.status, 200);
    let long = running.program("root").with("idempotency-key", &"k".repeat(256));
    assert_eq!(long.post("/api/0/incidents/1/comment", json!({"text": "x"})).await.status, 422);
}

#[tokio::test]
async fn answers_say_how_much_may_still_be_asked() {
    let running = start().await;
    running.user("ben", true, &[]);
    let root = running.program("root");
    let first = root.get("/api/0/auth/me").await;
    assert_eq!(first.header("ratelimit-policy"), "\"requests\";q=3000;w=30");
    assert_eq!(first.header("ratelimit"), "\"requests\";r=2999;t=1");
    // What fails counts and says so too; what another user asks does not.
    let failed = root.get("/api/0/hosts/nothing").await;
    assert_eq!((failed.status, failed.header("ratelimit-policy").len()), (404, 22));
    let ben = running.program("ben").get("/api/0/auth/me").await;
    assert_eq!(ben.header("ratelimit"), "\"requests\";r=2999;t=1");
}

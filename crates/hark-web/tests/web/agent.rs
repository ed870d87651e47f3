//! What agents bring over HTTPS: signed heads, bounded bodies, and no cookie.

use http::{HeaderValue, Method};
use serde_json::{Value, json};

use crate::fake::AGENT_TAG;
use crate::server::{Caller, Reply, Running, hex, sha256, start, start_tls};

const REPORT: &str = "/api/0/agent/report";
const CONFIGURATION: &str = "/api/0/agent/configuration";

/// Returns the head of a request whose body is `body`.
fn signed(number: u64, body: &[u8], tag: &[u8]) -> String {
    let (digest, tag) = (hex(&sha256(body)), hex(tag));
    format!("Hark agent=00000000000000ff,number={number},digest={digest},tag={tag}")
}

fn with(caller: &Caller, authorization: &str) -> Caller {
    let mut caller = caller.clone();
    let value = HeaderValue::from_str(authorization).unwrap();
    caller.headers.insert("authorization", value);
    caller
}

async fn report(running: &Running, number: u64, body: &Value, tag: &[u8]) -> Reply {
    let head = signed(number, body.to_string().as_bytes(), tag);
    with(&running.nobody(), &head).post(REPORT, body.clone()).await
}

fn body() -> Value {
    json!({
        "interval_seconds": 30.0, "sent_at_unix_s": 1_795_176_000.0,
        "sets": [[{"collector": "cpu_monitor", "metric": "cpu_percent", "unit": "percent",
            "decimals": 1}]],
        "samples": [{"set": 0, "taken_at_unix_s": 1_795_176_000.25, "values": [85.2]}],
        "epoch": 9,
        "items": [{"number": 4, "event": {"at_unix_s": 1.0, "kind": "boot", "text": "up"}}],
    })
}

#[tokio::test]
async fn a_signed_report_reaches_the_server_once() {
    let running = start_tls().await;
    let reply = report(&running, 7, &body(), &AGENT_TAG).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.json()["samples_stored"], true);
    assert_eq!(reply.json()["config_revision"], 7);
    let claim = running.fake.stored().claims[0].clone();
    assert_eq!((claim.method.as_str(), claim.path.as_str(), claim.number), ("POST", REPORT, 7));
    let batch = running.fake.stored().batches[0].clone();
    assert_eq!(batch.samples[0].values, [85.2]);
    assert_eq!((batch.epoch, batch.items[0].0), (9, 4));
    // The same request again, as somebody would who has recorded it.
    let again = report(&running, 7, &body(), &AGENT_TAG).await;
    assert_eq!((again.status, again.problem()), (409, "stale-number".to_owned()));
    assert_eq!(again.header("hark-highest"), "7");
    assert_eq!(running.fake.stored().batches.len(), 1);
}

#[tokio::test]
async fn who_cannot_sign_is_refused_before_the_body_is_read() {
    let running = start_tls().await;
    for number in 1..4 {
        let reply = report(&running, number, &body(), &[0; 32]).await;
        assert_eq!((reply.status, reply.problem()), (401, "wrong-proof".to_owned()));
        assert_eq!(reply.header("www-authenticate"), "Hark");
    }
    // Not even that the body is no JSON is told.
    let head = signed(9, b"{", &[0; 32]);
    let reply = with(&running.nobody(), &head).post(REPORT, json!("{")).await;
    assert_eq!(reply.status, 401);
    // The head is good, the body another one.
    let head = signed(10, b"{}", &AGENT_TAG);
    let reply = with(&running.nobody(), &head).post(REPORT, body()).await;
    assert_eq!((reply.status, reply.problem()), (401, "wrong-proof".to_owned()));
    assert!(running.fake.stored().batches.is_empty());
}

#[tokio::test]
async fn a_report_may_be_longer_than_other_bodies_but_not_without_end() {
    let running = start_tls().await;
    let mut long = body();
    let sample = long["samples"][0].clone();
    long["samples"] = vec![sample; 1000].into();
    long["backlog"] = long["samples"].clone();
    assert!(long.to_string().len() > 100_000);
    let reply = report(&running, 1, &long, &AGENT_TAG).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    long["items"][0]["event"]["text"] = "x".repeat(600_000).into();
    let reply = report(&running, 2, &long, &AGENT_TAG).await;
    assert_eq!((reply.status, reply.problem()), (413, "too-large".to_owned()));
}

#[tokio::test]
async fn what_is_wrong_in_a_report_is_named_by_its_field() {
    let running = start_tls().await;
    let mut wrong = body();
    wrong["sets"][0][0]["unit"] = "miles".into();
    let reply = report(&running, 1, &wrong, &AGENT_TAG).await;
    assert_eq!(reply.status, 422);
    assert_eq!(reply.json()["errors"][0]["field"], "sets[0][0]");
    let mut unknown = body();
    unknown["intervall"] = 3.into();
    assert_eq!(report(&running, 2, &unknown, &AGENT_TAG).await.status, 422);
    assert!(running.fake.stored().batches.is_empty());
}

#[tokio::test]
async fn the_configuration_is_given_to_who_signs() {
    let running = start_tls().await;
    let caller = with(&running.nobody(), &signed(3, b"", &AGENT_TAG));
    let reply = caller.get(CONFIGURATION).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.json()["revision"], 7);
    assert_eq!(caller.get(CONFIGURATION).await.status, 409, "the number is used up");
    // A signature for one path is none for another, and a session is none at all.
    let browser = running.browser("root");
    assert_eq!(browser.call(Method::GET, CONFIGURATION, None).await.status, 401);
}

#[tokio::test]
async fn an_agent_hears_of_news_as_soon_as_there_is_some() {
    let running = start_tls().await;
    let mut number = 2;
    let mut asked = async |path: &str| {
        number += 1;
        let caller = with(&running.nobody(), &signed(number, b"", &AGENT_TAG));
        caller.get(path).await
    };
    let now = asked("/api/0/agent/news?config_revision=6&wait_seconds=20").await;
    assert_eq!(now.json(), json!({"config_revision": 7, "order": 0}), "another revision is news");
    let waited = asked("/api/0/agent/news?config_revision=7&wait_seconds=20").await;
    assert_eq!(waited.json(), json!({"config_revision": 7, "order": 5}), "the next look finds it");
    let none = asked("/api/0/agent/news?config_revision=7&order=5").await;
    assert_eq!(none.json()["order"], 5, "who does not wait is told what there is");
    let order = asked("/api/0/agent/order?number=5").await;
    assert_eq!(order.json(), json!({"number": 5, "text": "{\"action\":\"restart\"}"}));
    assert_eq!(asked("/api/0/agent/order?number=6").await.json()["text"], "");
    assert_eq!(asked("/api/0/agent/news?revision=7").await.status, 422);
    let unsigned = running.nobody().get("/api/0/agent/news").await;
    assert_eq!(unsigned.status, 401);
}

#[tokio::test]
async fn a_release_goes_to_the_hosts_that_it_is_for() {
    let running = start_tls().await;
    let path = "/api/0/updates/hark-x86_64-linux";
    let host = |name: &str| {
        let mut caller = running.nobody();
        caller.headers.insert("hark-host", HeaderValue::from_str(name).unwrap());
        caller
    };
    let reply = host("web1").get(path).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(reply.text().contains("fn release("), "the file itself");
    assert_eq!(reply.headers["content-type"], "application/octet-stream");
    assert_eq!(host("web2").get(path).await.status, 204);
    assert_eq!(host("web1").get("/api/0/updates/local-token").await.status, 404);
    assert_eq!(running.nobody().get(path).await.status, 422, "who asks says its name");
    assert_eq!(running.nobody().get("/api/0/updates").await.status, 401);
    let rollout = running.browser("root").get("/api/0/updates").await;
    assert_eq!(rollout.json()["versions"]["0.1.0"], 2);
}

#[tokio::test]
async fn from_this_machine_it_works_without_tls() {
    let running = start().await;
    let reply = report(&running, 1, &body(), &AGENT_TAG).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}

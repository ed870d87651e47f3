//! Prometheus' API, as Grafana and promtool ask it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hark_api::auth::Role;
use hark_api::tokens::Scope;
use http::Method;
use http_body_util::Full;
use serde_json::json;

use crate::server::{Caller, Reply, Running, start};

const UP: &str = "/prometheus/api/v1/query?query=up&time=1700000000.5";

async fn running() -> Running {
    let running = start().await;
    running.user("root", true, &[]);
    running.user("ida", false, &[("db1", Role::Monitor)]);
    running.user("eve", false, &[]);
    running
}

async fn form(caller: &Caller, path: &str, body: &str) -> Reply {
    let request = caller
        .request(&Method::POST, path)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Full::new(Bytes::from(body.to_owned())));
    caller.send(request.unwrap()).await
}

#[tokio::test]
async fn a_token_is_taken_as_bearer_and_as_password_and_nothing_else_is() {
    let running = running().await;
    let token = running.program("ida");
    let reply = token.get(UP).await;
    assert_eq!((reply.status, reply.header("content-type")), (200, "application/json"));
    let header = token.request(&Method::GET, UP).body(()).unwrap();
    let header = header.headers()["authorization"].to_str().unwrap().to_owned();
    let secret = header.split_once(' ').unwrap().1;
    let basic = |name: &str, password: &str| {
        let pair = STANDARD.encode(format!("{name}:{password}"));
        running.nobody().with("authorization", &format!("Basic {pair}"))
    };
    for name in ["", "grafana", "ida"] {
        assert_eq!(basic(name, secret).get(UP).await.status, 200, "{name}");
    }
    assert_eq!(basic("ida", "correct horse battery").get(UP).await.status, 401);
    assert_eq!(basic("ida", "hark_nobodys").get(UP).await.status, 401);
    assert_eq!(running.nobody().with("authorization", "Basic !").get(UP).await.status, 401);
    assert_eq!(running.nobody().get(UP).await.status, 401);
    // Browsers send it by themselves: nowhere else is it good for anything.
    assert_eq!(basic("ida", secret).get("/api/0/hosts").await.status, 401);
    assert_eq!(
        running.browser("ida").get(UP).await.status,
        200,
        "who looks at the page may as well"
    );
}

#[tokio::test]
async fn what_is_asked_is_about_the_hosts_that_one_may_see() {
    let running = running().await;
    for (user, hosts) in [("root", json!("all")), ("ida", json!(["db1"])), ("eve", json!([]))] {
        for path in [
            "query?query=up",
            "query_range?query=up&start=1&end=2&step=1s",
            "series?match[]=up",
            "labels",
            "label/host/values",
            "metadata",
            "alerts",
        ] {
            let reply = running.program(user).get(&format!("/prometheus/api/v1/{path}")).await;
            assert_eq!(reply.status, 200, "{path}: {}", reply.text());
            assert_eq!(reply.json()["status"], "success");
            assert_eq!(reply.json()["data"]["hosts"], hosts, "{user} {path}");
        }
    }
    // To read hosts is enough, by POST as well; to send events is not.
    let path = "/prometheus/api/v1/query";
    let reader = running.program_for("ida", &[Scope::HostsRead]);
    assert_eq!(form(&reader, path, "query=up").await.status, 200);
    let sender = running.program_for("ida", &[Scope::EventsSend]);
    assert_eq!(form(&sender, path, "query=up").await.problem(), "scope-needed");
    assert_eq!(sender.get(UP).await.problem(), "scope-needed");
}

#[tokio::test]
async fn parameters_come_in_the_path_and_in_a_form() {
    let running = running().await;
    let root = running.program("root");
    let path = "/prometheus/api/v1/query_range";
    let asked =
        "Range { text: \"sum(up) + 1\", start: 1700000000000, end: 1795214172250, step: 90000 }";
    let parameters =
        "query=sum%28up%29%20%2B%201&start=1700000000&end=2026-11-20T22%3A36%3A12.25Z&step=1m30s";
    for reply in [
        root.get(&format!("{path}?{parameters}")).await,
        form(&root, path, parameters).await,
        form(&root, &format!("{path}?start=1700000000"), parameters).await,
    ] {
        assert_eq!(reply.json()["data"]["asked"], asked, "{}", reply.text());
    }
    let reply = form(&root, "/prometheus/api/v1/series", "match[]=a&match%5B%5D=b&limit=3").await;
    let asked = "Series(PromChoice { selectors: [\"a\", \"b\"], limit: Some(3) })";
    assert_eq!(reply.json()["data"]["asked"], asked, "{}", reply.text());
    let reply = root.get("/prometheus/api/v1/label/job/values?match[]=up").await;
    let asked = "LabelValues(\"job\", PromChoice { selectors: [\"up\"], limit: None })";
    assert_eq!(reply.json()["data"]["asked"], asked);
    for wrong in [
        "query_range?query=up&start=1&end=2",
        "query_range?query=up&start=1&step=1",
        "query_range?query=up&start=x&end=2&step=1",
        "query_range?query=up&start=1&end=2&step=fast",
        "query?query=up&time=yesterday",
        "query?query=up&timeout=never",
        "series",
        "series?match[]=up&limit=many",
        "labels?start=x",
        "label/a-b/values",
        "label/0a/values",
        "query_exemplars?query=up&start=never",
        "query_exemplars?query=up&start=2&end=1",
    ] {
        let reply = root.get(&format!("/prometheus/api/v1/{wrong}")).await;
        assert_eq!(reply.status, 400, "{wrong}: {}", reply.text());
        let told = reply.json();
        assert_eq!((&told["status"], &told["errorType"]), (&json!("error"), &json!("bad_data")));
    }
    let many = "a=b&".repeat(300);
    assert_eq!(form(&root, path, &many).await.status, 400);
    let long = format!("query={}", "a".repeat(70_000));
    assert_eq!(form(&root, path, &long).await.status, 413);
}

#[tokio::test]
async fn what_goes_wrong_has_prometheus_words_and_codes() {
    let running = running().await;
    let root = running.program("root");
    for (query, status, kind) in [
        ("bad", 400, "bad_data"),
        ("large", 422, "execution"),
        ("slow", 503, "timeout"),
        ("broken", 500, "internal"),
    ] {
        let reply = root.get(&format!("/prometheus/api/v1/query?query={query}")).await;
        assert_eq!(reply.status, status);
        assert_eq!(
            reply.json(),
            json!({"status": "error", "errorType": kind, "error": "as it is"})
        );
    }
    assert_eq!(root.get("/prometheus/api/v1/targets").await.json()["errorType"], "not_found");
    let build = root.get("/prometheus/api/v1/status/buildinfo").await.json();
    assert_eq!(build["data"]["version"], "2.42.0");
    assert_eq!(root.get("/prometheus/api/v1/rules").await.json()["data"], json!({"groups": []}));
    let exemplars = form(&root, "/prometheus/api/v1/query_exemplars", "query=up").await;
    let asked = "Exemplars { text: \"up\" }";
    assert_eq!(exemplars.json()["data"]["asked"], asked, "{}", exemplars.text());
    for path in ["rules", "status/buildinfo", "query_exemplars", "targets", "metadata"] {
        let reply = running.nobody().get(&format!("/prometheus/api/v1/{path}")).await;
        assert_eq!(reply.status, 401, "{path}");
    }
}

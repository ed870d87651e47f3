//! What answers hold and what they hide, route by route.

use http::Method;
use serde_json::{Value, json};

use crate::prepared::{prepared, prepared_tls};
use crate::server::{Caller, Reply};

#[tokio::test]
async fn the_shifts_of_a_rota_are_a_calendar() {
    let running = prepared().await;
    let reply = running.browser("stranger").get("/api/0/oncall/web.ics").await;
    assert_eq!((reply.status, reply.header("content-type")), (200, "text/calendar; charset=utf-8"));
    assert!(reply.text().starts_with("BEGIN:VCALENDAR"), "{}", reply.text());
    assert_eq!(running.browser("stranger").get("/api/0/oncall/web").await.status, 404);
}

#[tokio::test]
async fn figures_are_for_users_and_for_programs_with_a_token() {
    let running = prepared().await;
    let shown = running.browser("stranger").get("/metrics").await;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!((shown.status, shown.header("content-type")), (200, kind));
    assert!(shown.text().ends_with("# EOF\n"), "{}", shown.text());
    assert_eq!(running.nobody().get("/metrics").await.status, 401);
}

#[tokio::test]
async fn what_was_asked_of_a_service_is_for_administrators() {
    let running = prepared().await;
    let whole = running.browser("root").get("/api/0/deliveries/1").await.json();
    assert_eq!(whole["tries"][0]["exchanges"][0]["asked"], "POST https://hooks.example.net/…");
    assert_eq!(whole["exchanges_hidden"], false);
    let part = running.browser("monitor").get("/api/0/deliveries/1").await.json();
    assert_eq!(part["tries"][0]["said"], "answered 503: later");
    assert_eq!(part["tries"][0]["exchanges"], json!([]));
    assert_eq!(part["exchanges_hidden"], true);
}

#[tokio::test]
async fn a_route_test_of_a_host_that_one_may_not_see_is_of_no_host() {
    let running = prepared().await;
    let hidden = running.browser("stranger").get("/api/0/routes/test?host=db1").await;
    assert_eq!(hidden.status, 404);
    let wrong = running.browser("monitor").get("/api/0/routes/test?host=db1&check=").await;
    assert_eq!(wrong.status, 422);
}

#[tokio::test]
async fn an_object_that_is_not_visible_looks_like_one_that_does_not_exist() {
    let running = prepared().await;
    let monitor = running.browser("monitor");
    for (hidden, absent) in [
        ("/api/0/hosts/web1", "/api/0/hosts/nothing"),
        ("/api/0/hosts/web1/metrics", "/api/0/hosts/nothing/metrics"),
        ("/api/0/incidents/2", "/api/0/incidents/99"),
        ("/api/0/incidents/2/explain", "/api/0/incidents/99/explain"),
    ] {
        let [mut hidden, mut absent] =
            [monitor.get(hidden).await.json(), monitor.get(absent).await.json()];
        hidden["instance"].take();
        absent["instance"].take();
        assert_eq!(hidden, absent);
        assert_eq!(hidden["status"], 404);
    }
    let body = json!({"comment": "x"});
    assert_eq!(monitor.post("/api/0/incidents/2/ack", body.clone()).await.status, 404);
    assert_eq!(monitor.post("/api/0/incidents/99/ack", body).await.status, 404);
}

#[tokio::test]
async fn lists_hold_only_what_the_user_may_see() {
    let running = prepared().await;
    let monitor = running.browser("monitor");
    for path in [
        "/api/0/overview",
        "/api/0/fleet",
        "/api/0/hosts",
        "/api/0/alerts",
        "/api/0/checks",
        "/api/0/metrics/hark_cpu_percent/hosts",
        "/api/0/incidents",
        "/api/0/deliveries",
        "/api/0/events",
        "/api/0/happened",
        "/api/0/agents",
    ] {
        let text = monitor.get(path).await.text();
        assert!(text.contains("db1"), "{path}: {text}");
        assert!(!text.contains("web1"), "{path} shows a host without a role: {text}");
        assert!(running.browser("root").get(path).await.text().contains("web1"), "{path}");
    }
}

#[tokio::test]
async fn a_manager_says_what_follows_from_what_among_his_hosts_alone() {
    let running = prepared().await;
    let manager = running.browser("manager");
    let hidden = manager.post("/api/0/incidents/1/cause", json!({"cause": 2})).await;
    assert_eq!(hidden.status, 404, "the cause is of a host that he does not see");
    let root = running.browser("root");
    let row = root.post("/api/0/incidents/1/cause", json!({"cause": 2})).await.json();
    assert_eq!((&row["cause"], &row["caused_by_hand"]), (&json!(2), &json!(true)));
    let detail = running.fake.stored().audit.last().unwrap().detail.clone();
    assert_eq!(detail, "1 follows from 2");
}

#[tokio::test]
async fn wrong_requests_name_their_fields() {
    let running = prepared_tls().await;
    let root = running.browser("root");
    for (path, body, field) in [
        ("/api/0/incidents/1/ack", json!({"comment": "  "}), "comment"),
        ("/api/0/incidents/1/ack", json!({}), "comment"),
        (
            "/api/0/incidents/1/ack",
            json!({"comment": "x", "until_at": "2020-01-01T00:00:00Z"}),
            "until_at",
        ),
        ("/api/0/incidents/1/ack", json!({"comment": "x", "untl_at": null}), "untl_at"),
        (
            "/api/0/incidents/1/silence",
            json!({"reason": "x", "duration_seconds": 9_999_999}),
            "duration_seconds",
        ),
        ("/api/0/silences", json!({"matcher": {}, "reason": "x"}), "until_at"),
        (
            "/api/0/silences",
            json!({"matcher": {"tags": ["a b"]}, "reason": "x", "duration_seconds": 1}),
            "matcher.tags",
        ),
        (
            "/api/0/silences",
            json!({"matcher": {"hosts": [""]}, "reason": "x", "duration_seconds": 1}),
            "matcher.hosts",
        ),
        (
            "/api/0/silences",
            json!({"matcher": {}, "reason": "x", "duration_seconds": 9, "flexible_seconds": 1}),
            "flexible_seconds",
        ),
        ("/api/0/incidents/1/resolve", json!({"comment": " "}), "comment"),
        ("/api/0/incidents/1/cause", json!({"cause": "x"}), "cause"),
        ("/api/0/users", json!({"name": "a b", "password": "correct horse"}), "name"),
        ("/api/0/users", json!({"name": "ab", "password": "short"}), "password"),
        (
            "/api/0/users",
            json!({"name": "ab", "password": "correct horse", "roles": {"a b": "owner"}}),
            "roles",
        ),
        ("/api/0/tokens", json!({"name": ""}), "name"),
        ("/api/0/enrol", json!({"uses": 0}), "uses"),
        ("/api/0/enrol", json!({"host": "a b"}), "host"),
        ("/api/0/agents/enrol", json!({"token": "x", "name": "a", "key": "AAAA"}), "key"),
    ] {
        let reply = root.post(path, body.clone()).await;
        assert_eq!(reply.status, 422, "{path} {body}: {}", reply.text());
        assert_eq!(reply.problem(), "wrong-fields");
        assert_eq!(reply.json()["errors"][0]["field"], field, "{}", reply.text());
    }
    for (path, field) in [
        ("/api/0/hosts?limit=many", "limit"),
        ("/api/0/hosts?state=x", "state"),
        ("/api/0/hosts?colour=red", "colour"),
        ("/api/0/hosts?cursor=zzz", "cursor"),
        ("/api/0/hosts/db1/series?names=", "names"),
        ("/api/0/hosts/db1/series?names=a&from=5&to=5", "from"),
    ] {
        let reply = root.get(path).await;
        assert_eq!(reply.status, 422, "{path}");
        assert_eq!(reply.json()["errors"][0]["field"], field, "{}", reply.text());
    }
}

#[tokio::test]
async fn lists_are_read_page_by_page() {
    let running = prepared().await;
    let root = running.browser("root");
    let first = root.get("/api/0/hosts?limit=1").await.json();
    assert_eq!(first["items"][0]["name"], "db1");
    let next = first["next"].as_str().unwrap();
    let second = root.get(&format!("/api/0/hosts?limit=1&cursor={next}")).await.json();
    assert_eq!(second["items"][0]["name"], "web1");
    assert_eq!(second["next"], Value::Null);
}

#[tokio::test]
async fn the_fleet_is_packed_for_who_takes_it_packed() {
    let running = prepared().await;
    let (root, monitor) = (running.browser("root"), running.browser("monitor"));
    let plain = root.get("/api/0/fleet").await;
    assert_eq!(plain.header("content-encoding"), "");
    assert_eq!(plain.header("vary"), "Accept-Encoding");
    let unpacked = |reply: &Reply| -> Value {
        assert_eq!(reply.header("content-encoding"), "gzip");
        assert_eq!(reply.header("content-type"), "application/json");
        serde_json::from_reader(flate2::read::GzDecoder::new(&reply.body[..])).unwrap()
    };
    let packs = |caller: &Caller| caller.clone().with("accept-encoding", "br, gzip");
    let reply = packs(&root).get("/api/0/fleet").await;
    assert_eq!(unpacked(&reply)["name"], plain.json()["name"]);
    assert_eq!(reply.header("etag"), format!("W/{}", plain.header("etag")));
    // What another sees is not what was packed for him.
    let seen = unpacked(&packs(&monitor).get("/api/0/fleet").await);
    assert_eq!(seen["name"], monitor.get("/api/0/fleet").await.json()["name"]);
    assert_ne!(seen["name"], plain.json()["name"]);
    let again = packs(&root).with("if-none-match", reply.header("etag")).get("/api/0/fleet").await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    let refused = root.with("accept-encoding", "gzip;q=0").get("/api/0/fleet").await;
    assert_eq!(refused.header("content-encoding"), "");
}

#[tokio::test]
async fn the_fleet_is_sent_again_only_if_it_changed() {
    let running = prepared().await;
    let root = running.browser("root");
    let first = root.get("/api/0/fleet").await;
    let tag = first.header("etag").to_owned();
    assert_eq!(tag, format!("\"{}\"", first.json()["etag"].as_str().unwrap()));
    let again = root.clone().with("if-none-match", &tag).get("/api/0/fleet").await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    running.fake.stored().hosts.pop();
    let monitor =
        running.browser("monitor").with("if-none-match", "\"r1\"").get("/api/0/fleet").await;
    assert_eq!(monitor.status, 200, "another user's fleet of the same revision is another fleet");
    assert_eq!(root.with("if-none-match", &tag).get("/api/0/fleet").await.status, 200);
}

#[tokio::test]
async fn what_people_do_is_audited() {
    let running = prepared().await;
    let owner = running.browser("owner");
    owner.post("/api/0/incidents/1/comment", json!({"text": "looking"})).await;
    owner.call(Method::DELETE, "/api/0/hosts/db1", None).await;
    let stored = running.fake.stored();
    let of_owner: Vec<(&str, &str)> = stored
        .audit
        .iter()
        .filter(|line| line.who == "owner")
        .map(|line| (line.what.as_str(), line.detail.as_str()))
        .collect();
    assert_eq!(of_owner, [("incident.comment", "1: looking"), ("host.drop", "db1")]);
}

#[tokio::test]
async fn whoever_may_drop_a_host_sees_and_undoes_it() {
    let running = prepared().await;
    for (user, shown) in [
        ("owner", vec!["db1"]),
        ("manager", vec![]),
        ("stranger", vec![]),
        ("root", vec!["db1", "web1"]),
    ] {
        let list = running.browser(user).get("/api/0/dropped").await.json();
        let names = list.as_array().unwrap().iter().map(|host| host["name"].as_str().unwrap());
        assert_eq!(names.collect::<Vec<_>>(), shown, "{user}");
    }
    let owner = running.browser("owner");
    assert_eq!(owner.post("/api/0/hosts/db1/restore", json!({})).await.status, 204);
    let stored = running.fake.stored();
    let last = stored.audit.last().unwrap();
    assert_eq!((last.what.as_str(), last.detail.as_str()), ("host.restore", "db1"));
}

//! Dashboards: whose they are, who sees what of them, and what two people do to one at once.

use hark_model::{TeamName, UserName};
use http::Method;
use serde_json::{Value, json};

use crate::prepared::prepared;

fn titles(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|one| one["title"].as_str().unwrap()).collect()
}

fn chart(hosts: &[&str]) -> Value {
    json!({"kind": "chart", "title": "CPU", "hosts": hosts, "metrics": ["cpu_monitor.cpu_percent"]})
}

#[tokio::test]
async fn a_dashboard_is_seen_by_those_it_is_shown_to_and_as_absent_by_others() {
    let running = prepared().await;
    let manager = running.browser("manager");
    let made = manager.post("/api/0/dashboards", json!({"title": "Mine"})).await;
    assert_eq!((made.status, made.header("etag")), (200, "\"1\""));
    let id = made.json()["id"].as_u64().unwrap();
    let path = format!("/api/0/dashboards/{id}");
    let monitor = running.browser("monitor");
    assert_eq!(monitor.get(&path).await.status, 404, "private at first");
    assert_eq!(
        monitor.get("/api/0/dashboards/999").await.text().len(),
        monitor.get(&path).await.text().len(),
        "a hidden one answers as one that is not there"
    );
    assert_eq!(titles(&monitor.get("/api/0/dashboards").await.json()), Vec::<&str>::new());
    let shown = json!({"content": {"title": "Ours", "shared": {"everyone": true}}});
    assert_eq!(manager.call(Method::PUT, &path, Some(shown.clone())).await.status, 200);
    let seen = monitor.get(&path).await.json();
    assert_eq!((&seen["may_change"], &seen["owner"]), (&json!(false), &json!("manager")));
    assert_eq!(titles(&monitor.get("/api/0/dashboards?q=OUR").await.json()), ["Ours"]);
    assert_eq!(monitor.call(Method::PUT, &path, Some(shown)).await.status, 403);
    assert_eq!(monitor.call(Method::DELETE, &path, None).await.status, 403);
}

#[tokio::test]
async fn who_may_not_see_a_host_does_not_find_its_name_in_a_dashboard() {
    let running = prepared().await;
    let root = running.browser("root");
    let content = json!({
        "title": "All", "shared": {"everyone": true}, "variables": {"host": "web1"},
        "panels": [chart(&["db1", "web1", "$host"])],
    });
    let id = root.post("/api/0/dashboards", content).await.json()["id"].as_u64().unwrap();
    let path = format!("/api/0/dashboards/{id}");
    let whole = root.get(&path).await.json();
    assert_eq!(whole["content"]["panels"][0]["hosts"], json!(["db1", "web1", "$host"]));
    let part = running.browser("monitor").get(&path).await;
    assert_eq!(part.json()["content"]["panels"][0]["hosts"], json!(["db1", "$host"]));
    assert!(!part.text().contains("web1"), "{}", part.text());
}

#[tokio::test]
async fn of_two_who_change_the_same_version_the_second_is_told() {
    let running = prepared().await;
    let root = running.browser("root");
    let change = |title: &str| Some(json!({"version": 1, "content": {"title": title}}));
    let first = root.call(Method::PUT, "/api/0/dashboards/1", change("First")).await;
    assert_eq!((first.status, first.header("etag")), (200, "\"2\""));
    let second = root.call(Method::PUT, "/api/0/dashboards/1", change("Second")).await;
    assert_eq!(second.status, 409, "{}", second.text());
    let now = root.get("/api/0/dashboards/1").await.json();
    assert_eq!((&now["content"]["title"], &now["version"]), (&json!("First"), &json!(2)));
}

#[tokio::test]
async fn members_of_a_team_that_it_is_shown_to_may_look_and_others_see_nothing() {
    let running = prepared().await;
    let content = json!({"title": "Disks", "shared": {"teams": ["storage"]}});
    let made = running.browser("root").post("/api/0/dashboards", content).await.json();
    let path = format!("/api/0/dashboards/{}", made["id"]);
    let monitor = UserName::new("monitor").unwrap();
    assert_eq!(running.browser("monitor").get(&path).await.status, 404);
    {
        let mut stored = running.fake.stored();
        let account = stored.accounts.get_mut(&monitor).unwrap();
        account.member_of.insert(TeamName::new("storage").unwrap());
    }
    let seen = running.browser("monitor").get(&path).await;
    assert_eq!((seen.status, &seen.json()["may_change"]), (200, &json!(false)));
    let change = Some(json!({"content": {"title": "Mine"}}));
    assert_eq!(running.browser("monitor").call(Method::PUT, &path, change).await.status, 403);
    assert_eq!(running.browser("manager").get(&path).await.status, 404);
    let wrong = json!({"title": "x", "shared": {"teams": ["a b"]}});
    let wrong = running.browser("root").post("/api/0/dashboards", wrong).await;
    assert_eq!(wrong.json()["errors"][0]["field"], "shared.teams", "{}", wrong.text());
}

#[tokio::test]
async fn a_change_that_names_a_version_by_if_match_is_refused_when_it_is_another_by_now() {
    let running = prepared().await;
    let root = running.browser("root");
    let seen = root.get("/api/0/dashboards/1").await.header("etag").to_owned();
    let knowing = root.clone().with("if-match", &seen);
    let change = |title: &str| Some(json!({"content": {"title": title}}));
    let first = knowing.call(Method::PUT, "/api/0/dashboards/1", change("First")).await;
    assert_eq!(first.status, 200, "{}", first.text());
    let second = knowing.call(Method::PUT, "/api/0/dashboards/1", change("Second")).await;
    assert_eq!(second.status, 412, "{}", second.text());
    let gone = knowing.call(Method::DELETE, "/api/0/dashboards/1", None).await;
    assert_eq!(gone.status, 412, "{}", gone.text());
    let now = root.get("/api/0/dashboards/1").await.json();
    assert_eq!(now["content"]["title"], "First");
}

#[tokio::test]
async fn what_was_removed_can_be_restored_and_both_are_in_the_audit() {
    let running = prepared().await;
    let root = running.browser("root");
    assert_eq!(root.call(Method::DELETE, "/api/0/dashboards/1", None).await.status, 204);
    assert_eq!(root.get("/api/0/dashboards/1").await.status, 404);
    let owner = running.browser("owner");
    assert_eq!(owner.post("/api/0/dashboards/1/restore", json!({})).await.status, 403);
    let back = root.post("/api/0/dashboards/1/restore", json!({})).await;
    assert_eq!((back.status, &back.json()["content"]["title"]), (200, &json!("Databases")));
    assert_eq!(root.post("/api/0/dashboards/1/restore", json!({})).await.status, 404, "once");
    let stored = running.fake.stored();
    let deeds: Vec<_> = stored.audit.iter().rev().take(2).map(|line| line.what.as_str()).collect();
    assert_eq!(deeds, ["dashboard.restore", "dashboard.remove"]);
}

#[tokio::test]
async fn mistakes_in_panels_are_told_by_their_place() {
    let running = prepared().await;
    let root = running.browser("root");
    for (content, field) in [
        (json!({"title": ""}), "title"),
        (json!({"title": "x", "panels": [{"kind": "pie"}]}), "panels[0].kind"),
        (json!({"title": "x", "panels": [{"kind": "text", "colour": 1}]}), "panels[0].colour"),
        (json!({"title": "x", "panels": [{"kind": "text"}, chart(&[])]}), "panels[1].hosts"),
        (json!({"title": "x", "panels": [chart(&["$host"])]}), "panels[0].hosts"),
    ] {
        let reply = root.post("/api/0/dashboards", content.clone()).await;
        assert_eq!(reply.status, 422, "{content}: {}", reply.text());
        assert_eq!(reply.json()["errors"][0]["field"], field, "{}", reply.text());
    }
}

#[tokio::test]
async fn a_dashboard_of_grafana_is_read_and_not_stored() {
    let running = prepared().await;
    let monitor = running.browser("monitor");
    let panel = json!({"type": "graph", "title": "Load", "targets": [{"expr": "node_load1"}]});
    // As long as they are: far beyond the usual bound on a body.
    let document = json!({"title": "Nodes", "panels": [panel], "more": "x".repeat(500_000)});
    let read = monitor.post("/api/0/dashboards/import", json!({"grafana": document})).await;
    assert_eq!(read.status, 200, "{}", read.text());
    let content = read.json()["content"].clone();
    assert_eq!(content["panels"][0]["metrics"], json!(["cpu_monitor.load_1min"]));
    assert_eq!(titles(&monitor.get("/api/0/dashboards").await.json()), Vec::<&str>::new());
    assert_eq!(monitor.post("/api/0/dashboards", content).await.status, 200, "it can be made");
    let wrong = monitor.post("/api/0/dashboards/import", json!({"grafana": {"a": 1}})).await;
    assert_eq!((wrong.status, &wrong.json()["errors"][0]["field"]), (422, &json!("grafana")));
}

//! Long work: one operation on many things, its progress and its end.

use hark_api::auth::Role;
use http::Method;
use serde_json::{Value, json};

use crate::prepared::{job_of, prepared};
use crate::server::{Caller, Running, start};

async fn ended(caller: &Caller, job: &Value) -> Value {
    let path = format!("/api/0/jobs/{}", job["id"]);
    loop {
        let job = caller.get(&path).await.json();
        if !job["ended_at"].is_null() {
            return job;
        }
        tokio::task::yield_now().await;
    }
}

fn many(running: &Running, number: usize) {
    running.fake.stored().hosts = (0..number).map(|n| format!("host{n:04}")).collect();
}

#[tokio::test]
async fn a_storm_is_acknowledged_as_one_job_and_each_incident_by_its_own_rights() {
    let running = start().await;
    running.user("manager", false, &[("db1", Role::Manager), ("web1", Role::Monitor)]);
    let manager = running.browser("manager");
    let order = json!({"do": {"acknowledge": {"comment": "storm"}}, "incidents": {"all": true}});
    let reply = manager.post("/api/0/bulk", order).await;
    let job = reply.json();
    assert_eq!(reply.status, 202, "{job}");
    assert_eq!(reply.header("location"), format!("/api/0/jobs/{}", job["id"]));
    assert_eq!((&job["total"], &job["kind"]), (&json!(2), &json!("bulk")));
    assert_eq!(job["title"], "acknowledge 2 incidents");
    let job = ended(&manager, &job).await;
    assert_eq!(
        (&job["state"], &job["done"], &job["failed"]),
        (&json!("done"), &json!(2), &json!(1))
    );
    assert_eq!(job["failures"][0]["what"], "incident 2");
    assert!(job["failures"][0]["detail"].as_str().unwrap().contains("manager"), "{job}");
    let stored = running.fake.stored();
    assert_eq!(stored.acks.keys().collect::<Vec<_>>(), [&1]);
    let whats: Vec<&str> = stored.audit.iter().map(|line| line.what.as_str()).collect();
    assert_eq!(whats, ["bulk", "incident.ack"]);
}

#[tokio::test]
async fn many_hosts_are_looked_at_now() {
    let running = start().await;
    many(&running, 30);
    let root = running.browser("root");
    let order = json!({"do": {"look": {}}, "hosts": {"q": "host"}});
    let job = root.post("/api/0/bulk", order).await.json();
    let job = ended(&root, &job).await;
    assert_eq!(
        (&job["state"], &job["done"], &job["failed"]),
        (&json!("done"), &json!(30), &json!(0))
    );
}

#[tokio::test]
async fn a_job_that_is_cancelled_ends_between_two_steps() {
    let running = start().await;
    many(&running, 5000);
    let root = running.browser("root");
    let order = json!({"do": {"look": {}}, "hosts": {"all": true}});
    let job = root.post("/api/0/bulk", order).await.json();
    let path = format!("/api/0/jobs/{}/cancel", job["id"]);
    assert_eq!(root.post(&path, json!({})).await.status, 200);
    let job = ended(&root, &job).await;
    assert_eq!(job["state"], "cancelled");
    assert!(job["done"].as_u64().unwrap() < 5000, "{job}");
    assert_eq!(root.post(&path, json!({})).await.status, 409, "it has ended");
    let audit = running.fake.stored().audit.clone();
    assert!(audit.iter().any(|line| line.what == "job.cancel"), "{audit:?}");
}

#[tokio::test]
async fn samples_are_weighed_first_and_erased_as_a_job_that_can_be_taken_back() {
    let running = start().await;
    let root = running.browser("root");
    let path = "/api/0/history/erase";
    let weighed = root.post(path, json!({"host": "db1", "dry_run": true})).await;
    assert_eq!((weighed.status, &weighed.json()["samples"]), (200, &json!(240)));
    assert!(running.fake.stored().erased.is_empty() && running.fake.stored().audit.is_empty());
    for (wrong, status) in [
        (json!({"host": "nothing", "dry_run": true}), 404),
        (json!({"host": "no name"}), 422),
        (json!({"host": "db1", "metric": "*".repeat(1025)}), 422),
        (json!({"host": "db1", "dry": true}), 422),
    ] {
        assert_eq!(root.post(path, wrong.clone()).await.status, status, "{wrong}");
    }
    let before = "2026-11-01T00:00:00Z";
    let order = json!({"host": "db1", "metric": "cpu_monitor.*", "before": before});
    let job = root.post(path, order).await.json();
    let job = ended(&root, &job).await;
    assert_eq!((&job["state"], &job["kind"]), (&json!("done"), &json!("erase")), "{job}");
    let title = format!("erase the samples cpu_monitor.* of db1 from before {before}");
    assert_eq!(job["title"], title);
    // It goes on until somebody ends it.
    let job = root.post(path, json!({"host": "db1", "metric": "**"})).await.json();
    while running.fake.stored().erased.len() < 2 {
        tokio::task::yield_now().await;
    }
    root.post(&format!("/api/0/jobs/{}/cancel", job["id"]), json!({})).await;
    let job = ended(&root, &job).await;
    assert_eq!(job["state"], "cancelled");
    let stored = running.fake.stored();
    assert_eq!(stored.taken_back, [7]);
    let audit: Vec<&str> = stored.audit.iter().map(|line| line.what.as_str()).collect();
    assert_eq!(audit, ["history.erase", "history.erase", "job.cancel"]);
    assert!(stored.audit[0].detail.contains(&title), "{:?}", stored.audit[0]);
}

#[tokio::test]
async fn samples_go_out_and_come_in_as_jobs_that_say_what_came_of_them() {
    let running = start().await;
    let root = running.browser("root");
    let path = "/api/0/history/export";
    for wrong in [
        json!({"format": "xml"}),
        json!({"metrics": ["*".repeat(1025)]}),
        json!({"hosts": vec!["a"; 101]}),
        json!({"host": "db1"}),
        json!({"from": "yesterday"}),
    ] {
        assert_eq!(root.post(path, wrong.clone()).await.status, 422, "{wrong}");
    }
    let order = json!({"hosts": ["db1"], "metrics": ["cpu_monitor.*"], "format": "csv"});
    let job = root.post(path, order).await.json();
    let job = ended(&root, &job).await;
    assert_eq!((&job["state"], &job["kind"]), (&json!("done"), &json!("export")), "{job}");
    assert_eq!(job["outcome"], "7 samples in samples-1.csv");
    assert_eq!(job["title"], "export the samples of cpu_monitor.* of db1");
    let listed = root.get("/api/0/history/exports").await.json();
    let file = root.get("/api/0/history/exports/samples-1.csv").await;
    assert_eq!((listed[0]["name"].as_str(), file.status), (Some("samples-1.csv"), 200));
    assert!(file.text().contains("hark-web"), "{}", file.text());
    assert_eq!(root.get("/api/0/history/exports/samples-2.csv").await.status, 404);
    // One that takes for ever is ended.
    let job = root.post(path, json!({"metrics": ["**"]})).await.json();
    root.post(&format!("/api/0/jobs/{}/cancel", job["id"]), json!({})).await;
    assert_eq!(ended(&root, &job).await["state"], "cancelled");

    let path = "/api/0/history/import";
    let job = root.post(path, json!({"text": "a\nb\n", "host": "db1"})).await.json();
    let job = ended(&root, &job).await;
    assert_eq!(
        (&job["kind"], &job["outcome"]),
        (&json!("import"), &json!("2 samples read")),
        "{job}"
    );
    let job = root.post(path, json!({"text": ""})).await.json();
    let job = ended(&root, &job).await;
    assert_eq!(job["state"], "failed");
    assert_eq!(job["failures"][0]["detail"], "no sample could be taken");
    assert_eq!(root.post(path, json!({"text": "a", "host": "no name"})).await.status, 422);
    let long = "x".repeat(16 * 1024 * 1024);
    assert_eq!(root.post(path, json!({ "text": long })).await.status, 413);
    let long = "x".repeat(15 * 1024 * 1024);
    assert_eq!(root.post(path, json!({ "text": long })).await.status, 202);
    let audit = running.fake.stored().audit.clone();
    let named = |what: &str| audit.iter().any(|line| line.what == what);
    assert!(named("history.export") && named("history.import"), "{audit:?}");
}

#[tokio::test]
async fn jobs_of_others_are_for_administrators() {
    let running = prepared().await;
    let id = job_of(&running, "manager").await;
    let path = format!("/api/0/jobs/{id}");
    assert_eq!(running.browser("root").get(&path).await.status, 200);
    let stranger = running.browser("stranger");
    assert_eq!(stranger.get(&path).await.status, 404);
    assert_eq!(stranger.post(&format!("{path}/cancel"), json!({})).await.status, 404);
    assert_eq!(stranger.get("/api/0/jobs").await.json(), json!([]));
    assert_eq!(running.browser("manager").get("/api/0/jobs").await.json()[0]["id"], id);
}

#[tokio::test]
async fn nobody_fills_the_server_with_jobs() {
    let running = start().await;
    many(&running, 5000);
    let root = running.browser("root");
    let order = json!({"do": {"look": {}}, "hosts": {"all": true}});
    let mut statuses = Vec::new();
    for _ in 0..9 {
        statuses.push(root.post("/api/0/bulk", order.clone()).await.status);
    }
    assert_eq!(statuses, [[202; 8].as_slice(), &[409]].concat());
    let waiting = root.get("/api/0/jobs").await.json();
    let states: Vec<&str> =
        waiting.as_array().unwrap().iter().map(|job| job["state"].as_str().unwrap()).collect();
    assert!(states.iter().filter(|state| **state == "running").count() <= 2, "{states:?}");
    for job in waiting.as_array().unwrap() {
        root.post(&format!("/api/0/jobs/{}/cancel", job["id"]), json!({})).await;
    }
}

#[tokio::test]
async fn who_loses_his_session_goes_no_further() {
    let running = start().await;
    many(&running, 5000);
    running.user("ben", true, &[]);
    let ben = running.browser("ben");
    let order = json!({"do": {"look": {}}, "hosts": {"all": true}});
    let job = ben.post("/api/0/bulk", order).await.json();
    running.fake.stored().sessions.clear();
    let job = ended(&running.browser("root"), &job).await;
    assert_eq!(job["state"], "cancelled");
}

#[tokio::test]
async fn a_job_that_has_waited_is_done_with_the_rights_of_then() {
    let running = start().await;
    many(&running, 5000);
    let root = running.browser("root");
    let long = json!({"do": {"look": {}}, "hosts": {"all": true}});
    let mut long_ones = Vec::new();
    for _ in 0..2 {
        long_ones.push(root.post("/api/0/bulk", long.clone()).await.json());
    }
    let roles = [("host0001", Role::Manager), ("host0002", Role::Manager)];
    let ben = running.user("ben", false, &roles);
    running.user("ida", false, &roles);
    let order = json!({"do": {"look": {}}, "hosts": {"names": ["host0001", "host0002"]}});
    let of_ben = running.browser("ben").post("/api/0/bulk", order.clone()).await.json();
    let of_ida = running.browser("ida").post("/api/0/bulk", order).await.json();
    assert_eq!((&of_ben["state"], &of_ida["state"]), (&json!("waiting"), &json!("waiting")));
    let demoted = [(hark_model::HostName::new("host0001").unwrap(), Role::Monitor)];
    running.fake.stored().accounts.get_mut(&ben).unwrap().roles = demoted.into();
    running.fake.stored().sessions.retain(|_, session| session.user.as_str() != "ida");
    for job in long_ones {
        root.post(&format!("/api/0/jobs/{}/cancel", job["id"]), json!({})).await;
    }
    let of_ben = ended(&root, &of_ben).await;
    assert_eq!((&of_ben["state"], &of_ben["failed"]), (&json!("failed"), &json!(2)), "{of_ben}");
    let of_ida = ended(&root, &of_ida).await;
    assert_eq!((&of_ida["state"], &of_ida["done"]), (&json!("cancelled"), &json!(0)), "{of_ida}");
    assert!(of_ida["failures"][0]["detail"].as_str().unwrap().contains("no longer"), "{of_ida}");
}

#[tokio::test]
async fn a_choice_that_says_nothing_or_too_much_is_refused_before_anything_is_done() {
    let running = start().await;
    let root = running.browser("root");
    let ack = json!({"acknowledge": {"comment": "x"}});
    for (order, field) in [
        (json!({"do": ack, "incidents": {}}), "incidents"),
        (json!({"do": ack, "hosts": {"all": true}}), "incidents"),
        (json!({"do": ack}), "incidents"),
        (json!({"do": {"look": {}}, "incidents": {"all": true}}), "hosts"),
        (json!({"do": {"look": {}}, "hosts": {}}), "hosts"),
        (
            json!({"do": {"acknowledge": {"comment": " "}}, "incidents": {"all": true}}),
            "do.acknowledge.comment",
        ),
        (json!({"do": ack, "incidents": {"ids": vec![1; 1001]}}), "incidents.ids"),
        (
            json!({"do": {"silence": {"reason": "x", "duration_seconds": 0}}, "incidents": {"all": true}}),
            "duration_seconds",
        ),
    ] {
        let reply = root.post("/api/0/bulk", order.clone()).await;
        assert_eq!(reply.status, 422, "{order}: {}", reply.text());
        assert_eq!(reply.json()["errors"][0]["field"], field, "{order}");
    }
    assert_eq!(root.get("/api/0/jobs").await.json(), json!([]));
}

#[tokio::test]
async fn a_report_that_takes_long_is_a_job_if_one_would_rather_not_wait() {
    let running = start().await;
    let root = running.browser("root").with("prefer", "respond-async, wait=1");
    let reply = root.call(Method::POST, "/api/0/reports/weekly/send", None).await;
    assert_eq!((reply.status, &reply.json()["kind"]), (202, &json!("report")));
    let job = ended(&root, &reply.json()).await;
    assert_eq!((&job["state"], &job["title"]), (&json!("done"), &json!("send the report weekly")));
    let reply = root.call(Method::POST, "/api/0/reports/nothing/send", None).await;
    assert_eq!(ended(&root, &reply.json()).await["state"], "failed");
}

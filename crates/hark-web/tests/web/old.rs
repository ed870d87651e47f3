//! The API of seed 004 under its old path, as its programs use it.

use hark_api::auth::Role;
use hark_api::tokens::Scope;
use hark_web::JobPing;
use http::Method;
use serde_json::{Value, json};

use crate::server::{Caller, Running, start};

/// A server with an administrator, a manager and a monitor of `db1`, and somebody who sees nothing.
async fn running() -> Running {
    let running = start().await;
    running.user("ben", false, &[("db1", Role::Manager)]);
    running.user("ida", false, &[("db1", Role::Monitor)]);
    running.user("eve", false, &[]);
    running
}

async fn get(caller: &Caller, path: &str) -> Value {
    let reply = caller.get(path).await;
    assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    assert_eq!(reply.header("content-type"), "application/json", "{path}");
    reply.json()
}

/// Returns the path of the check `backup` of `db1`, a job that reports itself.
async fn backup(caller: &Caller) -> String {
    let all = get(caller, "/api/v1/windowsservice/?agent__id=1").await;
    let all = all["objects"].as_array().unwrap().clone();
    let found = all.iter().find(|one| one["service_name"] == "backup").unwrap();
    found["resource_uri"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_index_leads_to_every_list_and_its_description() {
    let running = running().await;
    let ida = running.program("ida");
    let index = get(&ida, "/api/v1/").await;
    let names: Vec<&String> = index.as_object().unwrap().keys().collect();
    let expected =
        ["agent", "check_history", "process_check", "windowsservice", "windowsservicelog"];
    assert_eq!(names, expected);
    for (name, entry) in index.as_object().unwrap() {
        assert_eq!(entry["list_endpoint"], format!("/api/v1/{name}/"));
        let schema = get(&ida, entry["schema"].as_str().unwrap()).await;
        let filter =
            if name.ends_with("log") || name == "check_history" { "?service__agent=1" } else { "" };
        let list = get(&ida, &format!("/api/v1/{name}/{filter}")).await;
        for object in list["objects"].as_array().unwrap() {
            let fields: Vec<&String> = object.as_object().unwrap().keys().collect();
            let described: Vec<&String> = schema["fields"].as_object().unwrap().keys().collect();
            assert_eq!(fields, described, "{name}");
        }
        assert_eq!(list["meta"]["limit"], schema["default_limit"], "{name}");
        assert_eq!(schema["allowed_detail_http_methods"], json!(["get"]));
    }
}

#[tokio::test]
async fn agents_are_hosts_in_the_envelope_of_old() {
    let running = running().await;
    let root = running.program("root");
    let all = get(&root, "/api/v1/agent/").await;
    let meta = json!({"limit": 20, "next": null, "offset": 0, "previous": null, "total_count": 2});
    assert_eq!(all["meta"], meta);
    let db1 = json!({"check_interval_ms": 30000, "guid": null, "hostname": "db1", "id": 1,
        "last_checkin": null, "resource_uri": "/api/v1/agent/1/", "version": "0.1.0"});
    assert_eq!(all["objects"][0], db1);
    assert_eq!(get(&root, "/api/v1/agent/1/").await, db1);
    assert_eq!(get(&root, "/api/v1/agent/?id__in=1,9&format=xml").await["objects"], json!([db1]));
    let page = get(&root, "/api/v1/agent/?limit=1").await;
    assert_eq!(page["meta"]["next"], "/api/v1/agent/?offset=1&limit=1");
    let second = get(&root, page["meta"]["next"].as_str().unwrap()).await;
    assert_eq!(second["objects"][0]["hostname"], "web1");
    assert_eq!(second["meta"]["previous"], "/api/v1/agent/?offset=0&limit=1");
    // Whoever sees one host finds one agent.
    let ida = running.program("ida");
    assert_eq!(get(&ida, "/api/v1/agent/").await["meta"]["total_count"], 1);
    assert_eq!(get(&running.program("eve"), "/api/v1/agent/").await["objects"], json!([]));
}

#[tokio::test]
async fn services_are_checks_and_their_agent_is_a_path() {
    let running = running().await;
    let ida = running.program("ida");
    let all = get(&ida, "/api/v1/windowsservice/?agent=1").await;
    assert_eq!(all["meta"]["limit"], 1000, "its agent asks for no second page");
    let path = backup(&ida).await;
    let one = get(&ida, &path).await;
    assert_eq!(one["agent"], "/api/v1/agent/1/");
    assert_eq!((&one["expected_status"], &one["hidden"]), (&json!("RUNNING"), &json!(false)));
    assert_eq!(
        all["meta"]["total_count"],
        get(&ida, "/api/v1/windowsservice/").await["meta"]["total_count"]
    );
    let promised = get(&ida, &format!("/api/v1/process_check/{}/", one["id"])).await;
    assert_eq!(promised["resource_uri"], format!("/api/v1/process_check/{}/", one["id"]));
    assert_eq!(get(&ida, "/api/v1/windowsservice/?agent=9").await["objects"], json!([]));
    let set = get(&ida, &format!("/api/v1/windowsservice/set/{};7/", one["id"])).await;
    assert_eq!((&set["objects"], &set["not_found"]), (&json!([one]), &json!(["7"])));
    let several = get(&running.program("root"), "/api/v1/agent/set/2;1/").await;
    assert_eq!(
        several["objects"][0]["hostname"], "web1",
        "in the order in which they are asked for"
    );
    assert_eq!(several.get("not_found"), None);
}

#[tokio::test]
async fn results_are_listed_and_taken_for_jobs_that_report_themselves() {
    let running = running().await;
    let ben = running.program("ben");
    let service = backup(&ben).await;
    let post =
        async |caller: &Caller, body: Value| caller.post("/api/v1/windowsservicelog/", body).await;
    // As its agent sends it, of a server below another path.
    let sent = json!({"service": format!("https://mon.example.net/vilicus{service}"),
        "timestamp": "2014-11-02T03:56:40.25Z", "expected_status": "RUNNING",
        "actual_status": "RUNNING", "action_taken": "TODO", "comments": null});
    let made = post(&ben, sent).await;
    assert_eq!((made.status, made.text().as_str()), (201, ""));
    let place = made.header("location").to_owned();
    assert!(place.starts_with("/api/v1/windowsservicelog/"), "{place}");
    let bad = json!({"service": service, "actual_status": "STOPPED", "comments": "it is gone"});
    assert_eq!(post(&ben, bad.clone()).await.status, 201);
    let told = "STOPPED, expected RUNNING\nit is gone".to_owned();
    let pings = running.fake.stored().pings.clone();
    assert_eq!(pings, [(JobPing::Success, "RUNNING".to_owned()), (JobPing::Failure(None), told)]);
    let found = get(&ben, &place).await;
    assert_eq!((&found["service"], &found["actual_status"]), (&json!(service), &json!("RUNNING")));
    let id = service.trim_end_matches('/').rsplit('/').next().unwrap();
    let listed = get(&ben, &format!("/api/v1/windowsservicelog/?service={id}")).await;
    assert_eq!(listed["objects"][0]["service"], service.as_str());
    assert_eq!(
        get(&ben, "/api/v1/check_history/?service__agent=1").await["objects"][0]["service"],
        format!("/api/v1/process_check/{id}/")
    );

    for (body, error) in [
        (
            json!({"service": "/api/v1/windowsservice/999/", "actual_status": "RUNNING"}),
            "Could not find the provided object via resource URI '/api/v1/windowsservice/999/'.",
        ),
        (json!({"service": service, "actual_status": "GONE"}), "'GONE' is no status."),
    ] {
        let refused = post(&ben, body).await;
        assert_eq!((refused.status, refused.json()), (400, json!({"error": error})));
    }
    let other = get(&ben, "/api/v1/windowsservice/").await["objects"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["service_name"] != "backup")
        .unwrap()["resource_uri"]
        .clone();
    let looked_at = post(&ben, json!({"service": other, "actual_status": "RUNNING"})).await;
    assert!(looked_at.status == 400 && looked_at.text().contains("this server looks at it"));
    let monitor = running.program("ida");
    assert_eq!(post(&monitor, bad.clone()).await.problem(), "role-needed");
    let unseen = post(&running.program("eve"), bad.clone()).await;
    assert!(unseen.status == 400 && unseen.text().contains("Could not find"), "{}", unseen.text());
    assert_eq!(post(&running.nobody(), bad.clone()).await.status, 401);
    let reader = running.program_for("ben", &[Scope::HostsRead]);
    assert_eq!(post(&reader, bad.clone()).await.problem(), "scope-needed");
    assert_eq!(running.fake.stored().pings.len(), 2, "nothing more was taken");
    let sender = running.program_for("ben", &[Scope::EventsSend]);
    assert_eq!(post(&sender, bad).await.status, 201);
}

#[tokio::test]
async fn what_is_not_to_be_done_is_answered_as_of_old() {
    let running = running().await;
    let root = running.program("root");
    for (method, path, allow) in [
        (Method::DELETE, "/api/v1/agent/1/", "GET"),
        (Method::PUT, "/api/v1/agent/", "GET"),
        (Method::PUT, "/api/v1/agent/1/", "GET"),
        (Method::POST, "/api/v1/windowsservice/", "GET"),
        (Method::PATCH, "/api/v1/windowsservicelog/", "GET,POST"),
        (Method::POST, "/api/v1/", "GET"),
    ] {
        let refused = root.call(method.clone(), path, Some(json!({"objects": []}))).await;
        assert_eq!((refused.status, refused.header("allow")), (405, allow), "{method} {path}");
        assert_eq!(refused.problem(), "method-not-allowed");
    }
    for path in [
        "/api/v1/agent/9/",
        "/api/v1/agent/x/",
        "/api/v1/nothing/",
        // Samples are taken of agents that prove who they are.
        "/api/v1/performancelogentry/",
        "/api/v1/agent/1/x/y/",
        "/api/v1/windowsservice/4294967296000/",
        "/api/v1/windowsservicelog/1-x/",
        "/api/v1/windowsservicelog/1/",
    ] {
        let absent = root.get(path).await;
        assert_eq!((absent.status, absent.text().as_str()), (404, ""), "{path}");
    }
    // What is foreign answers as what is absent.
    assert_eq!(running.program("eve").get("/api/v1/agent/1/").await.status, 404);
    let moved = root.get("/api/v1/agent?limit=1").await;
    assert_eq!((moved.status, moved.header("location")), (301, "/api/v1/agent/?limit=1"));
    let lost = root.call(Method::POST, "/api/v1/windowsservicelog", Some(json!({}))).await;
    assert_eq!(lost.status, 404, "what is written would be lost on the way");
    for (path, error) in [
        ("/api/v1/agent/?hostname=db1", "The 'hostname' field does not allow filtering."),
        ("/api/v1/agent/?order_by=hostname", "The 'hostname' field does not allow ordering."),
        (
            "/api/v1/agent/?limit=abc",
            "Invalid limit 'abc' provided. Please provide a positive integer.",
        ),
        ("/api/v1/windowsservicelog/", "There are too many results: name a service or an agent."),
    ] {
        let refused = root.get(path).await;
        assert_eq!((refused.status, refused.json()), (400, json!({"error": error})), "{path}");
    }
    assert_eq!(running.nobody().get("/api/v1/agent/").await.status, 401);
    let sender = running.program_for("ben", &[Scope::EventsSend]);
    assert_eq!(sender.get("/api/v1/agent/").await.problem(), "scope-needed");
    // A page of another site makes no browser write.
    let mut browser = running.browser("ben");
    browser.origin = Some("https://evil.example.net".to_owned());
    let body = json!({"service": "/api/v1/windowsservice/1/", "actual_status": "RUNNING"});
    assert_eq!(browser.post("/api/v1/windowsservicelog/", body).await.problem(), "cross-origin");
}

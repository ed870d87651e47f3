//! The fourth older tool's API against a real server: what its agent does in a round, in its order.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::server::{Server, Start};
use crate::support::wait::until;
use crate::support::{PASSWORD, folder};

const LIMIT: Duration = Duration::from_secs(30);

/// Returns the checks of an agent's host by their names, as services.
fn services(server: &Server, agent: &Value) -> Vec<Value> {
    let list = server.get(&format!("/api/v1/windowsservice/?agent__id={}", agent["id"]));
    list["objects"].as_array().unwrap().clone()
}

#[test]
fn a_program_of_old_finds_its_agent_and_services_and_brings_their_results() {
    let folder = folder();
    let config = "hosts: {win1: {}, win2: {}}\n\
                  checks: {spooler: {host: win1, push: {every: 1d, grace: 5s}}}\n";
    let mut server = Start::new("server", folder.path()).config(config).go();
    server.set_up(PASSWORD);
    let agents = until("both hosts", LIMIT, || {
        let list = server.get("/api/v1/agent/");
        (list["meta"]["total_count"] == 2).then(|| list["objects"].as_array().unwrap().clone())
    });
    let names: Vec<&Value> = agents.iter().map(|agent| &agent["hostname"]).collect();
    assert_eq!(names, ["win1", "win2"]);
    let own = server.get(agents[0]["resource_uri"].as_str().unwrap());
    assert_eq!(own["hostname"], "win1");
    let spooler = until("the service", LIMIT, || {
        services(&server, &own).into_iter().find(|one| one["service_name"] == "spooler")
    });
    assert_eq!(
        (&spooler["agent"], &spooler["expected_status"]),
        (&own["resource_uri"], &json!("RUNNING"))
    );
    assert_eq!(services(&server, &agents[1]).iter().filter(|one| **one == spooler).count(), 0);

    for (actual, expected) in [("STOPPED", "critical"), ("RUNNING", "ok")] {
        let result = json!({"service": spooler["resource_uri"], "expected_status": "RUNNING",
            "timestamp": "2014-11-02T03:56:40.25Z", "actual_status": actual,
            "action_taken": "TODO", "comments": null});
        let made = server.call("POST", "/api/v1/windowsservicelog/", &[], Some(&result));
        assert_eq!((made.status, made.text.as_str()), (201, ""), "{}", made.head);
        let place = made.header("location").unwrap().to_owned();
        server.host_when("win1", LIMIT, |host| {
            let checks = host["checks"].as_array().unwrap();
            checks.iter().any(|check| check["name"] == "spooler" && check["hard"] == expected)
        });
        let brought = until("the result", LIMIT, || {
            let answer = server.try_get(&place).ok()?;
            (answer.status == 200).then_some(answer.body)
        });
        assert_eq!(brought["service"], spooler["resource_uri"]);
    }
    let history = format!("/api/v1/check_history/?service={}", spooler["id"]);
    let words = |list: &Value| -> Vec<Value> {
        let all = list["objects"].as_array().unwrap().iter();
        all.map(|one| one["actual_status"].clone()).collect()
    };
    // Newest first: it is well, it was not, and before that nobody had said anything else.
    until("its history", LIMIT, || {
        let told = words(&server.get(&history));
        (told.first() == Some(&json!("RUNNING")) && told.contains(&json!("STOPPED"))).then_some(())
    });
    let stranger = crate::support::http::request(server.http, "GET", "/api/v1/agent/", &[], None);
    assert_eq!(stranger.unwrap().status, 401);
}

//! What is quiet on purpose is the same everywhere: on the first screen, in the lists, and at the command line.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::process::{hark_does, parsed};
use crate::support::server::{Server, Start};
use crate::support::wait::until;
use crate::support::{PASSWORD, folder};

/// How long it takes until two checks are bad and what is silenced is counted, on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

const CONFIG: &str = "\
hosts: {db1: {address: 127.0.0.1}, web1: {address: 127.0.0.1}}
checks: {port: {tcp: {port: 1}, host: [db1, web1], every: 5s, attempts: 1}}
silences:
  - {name: a, match: {hosts: web1}, reason: over, from: '2020-01-01T00:00:00Z', until: '2020-01-02T00:00:00Z'}
  - {name: b, match: {hosts: web1}, reason: comes, from: '2099-01-01T00:00:00Z', until: '2099-01-02T00:00:00Z'}
maintenance:
  - {name: c, match: {hosts: db9}, reason: waits, from: '2020-01-01T00:00:00Z', until: '2099-01-02T00:00:00Z', flexible: 1h}
";

fn reasons(silences: &Value) -> Vec<&str> {
    silences.as_array().unwrap().iter().map(|one| one["reason"].as_str().unwrap()).collect()
}

fn silenced(server: &Server) -> u64 {
    server.get("/api/0/overview")["counts"]["silenced_incidents"].as_u64().unwrap()
}

#[test]
fn all_that_counts_what_is_silenced_comes_to_the_same_number() {
    let folder = folder();
    let mut server = Start::new("server", folder.path()).config(CONFIG).go();
    server.set_up(PASSWORD);
    let open = until("two problems", LIMIT, || {
        let open = server.get("/api/0/incidents?view=open")["items"].clone();
        (open.as_array()?.len() == 2).then_some(open)
    });
    // One follows from the other, so that only one of them is told: silenced are both.
    let follows = json!({"cause": open[1]["id"]});
    let path = format!("/api/0/incidents/{}/cause", open[0]["id"]);
    assert_eq!(server.post(&path, &follows).status, 200);
    let before = server.get("/api/0/overview");
    assert_eq!(before["quiet"], json!({"silences": [], "maintenance": []}), "{before}");
    assert_eq!(reasons(&server.get("/api/0/silences")), ["comes", "waits"], "one is over");

    let order = json!({"matcher": {"hosts": ["db1", "web1"]}, "reason": "known",
        "duration_seconds": 600});
    let made = server.post("/api/0/silences", &order);
    assert_eq!((made.status, &made.body["active"]), (200, &true.into()), "{}", made.body);
    until("both to be counted", LIMIT, || (silenced(&server) == 2).then_some(()));
    let overview = server.get("/api/0/overview");
    assert_eq!(reasons(&overview["quiet"]["silences"]), ["known"], "{overview}");
    assert_eq!(reasons(&overview["quiet"]["maintenance"]), Vec::<&str>::new(), "{overview}");
    assert_ne!(overview["counts"]["quiet_revision"], before["counts"]["quiet_revision"]);
    let silences = server.get("/api/0/silences");
    let active: Vec<bool> =
        silences.as_array().unwrap().iter().map(|one| one["active"] == true).collect();
    assert_eq!(reasons(&silences), ["known", "comes", "waits"]);
    assert_eq!(active, [true, false, false]);
    let listed = server.get("/api/0/incidents?view=silenced");
    assert_eq!(listed["items"].as_array().unwrap().len(), 2, "{listed}");
    let status = hark_does(folder.path(), "incidents --state silenced --json --data data");
    let status = parsed(&status);
    let listed = status["items"].as_array().or(status.as_array()).unwrap();
    assert_eq!(listed.len(), 2, "{status}");
    let silences = parsed(&hark_does(folder.path(), "silence --json --data data"));
    assert_eq!(reasons(&silences), ["known", "comes", "waits"]);

    let path = format!("/api/0/silences/{}", made.body["id"]);
    assert_eq!(server.call("DELETE", &path, &[], None).status, 204);
    until("none to be counted", LIMIT, || (silenced(&server) == 0).then_some(()));
    let after = server.get("/api/0/overview");
    assert_eq!(after["quiet"], before["quiet"]);
    assert_eq!(after["counts"]["quiet_revision"], before["counts"]["quiet_revision"]);
}

//! Limits made in the page: tried on what was measured before they are saved, for everyone, for hosts with a
//! tag and for one host.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::server::{Server, Start};
use crate::support::{PASSWORD, folder};

/// For what takes longer on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

const CHECK: &str = "memory_monitor.percent";

fn tried(server: &Server, section: &str, name: &str, value: &Value) -> Value {
    let asked = json!({"section": section, "name": name, "value": value});
    let answer = server.post("/api/0/config/test", &asked);
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body
}

fn made(server: &Server, object: &str, value: &Value) {
    let path = format!("/api/0/config/objects/{object}");
    let answer = server.call("PUT", &path, &[], Some(&json!({ "value": value })));
    assert_eq!(answer.status, 200, "{object}: {}", answer.text);
}

/// Returns the name of this machine's host once it has values.
fn host(server: &Server) -> String {
    crate::support::wait::until("the agent's own values", PATIENCE, || {
        let fleet = server.get("/api/0/fleet");
        let names = fleet["name"].as_array()?.iter().filter_map(Value::as_str);
        let host = names.into_iter().find(|name| *name != "self")?.to_owned();
        let metrics = server.get(&format!("/api/0/hosts/{host}/metrics"));
        let mut items = metrics["items"].as_array()?.iter();
        items.any(|item| item["path"] == CHECK && item["last"].is_number()).then_some(host)
    })
}

#[test]
fn limits_are_tried_on_what_was_measured_and_hold_where_they_are_said() {
    let folder = folder();
    let config = "interval: 1s\nagent: {interval: 1s}\n";
    let mut server = Start::new("up", folder.path()).config(config).go();
    server.set_up(PASSWORD);
    let host = host(&server);

    // Everyone: always crossed, so critical now and a problem of the day; nothing is kept.
    let low = json!({"percent": {"warning": 0.01, "critical": 0.02}});
    let found = tried(&server, "thresholds", "memory_monitor", &low);
    let limits = &found["limits"];
    assert_eq!(
        (&found["ok"], &limits["series"], &limits["critical_now"]),
        (&json!(true), &json!(1), &json!(1)),
        "{found}"
    );
    assert_eq!(
        (&limits["problems_day"], &limits["problems_week"]),
        (&json!(1), &json!(1)),
        "{found}"
    );
    let item = &limits["items"][0];
    assert_eq!(
        (&item["host"], &item["check"], &item["state"]),
        (&json!(host), &json!(CHECK), &json!("crit"))
    );
    assert_eq!(item["is"], Value::Null, "there is no such check yet: {found}");
    assert!(item["text"].as_str().unwrap().ends_with("% > 0.02 %"), "{found}");
    assert!(found["lines"][1].as_str().unwrap().contains("1 critical"), "{found}");
    assert_eq!(server.get("/api/0/config/history"), json!([]), "nothing is kept");

    // What nobody crosses finds nothing, and what nobody measures says so.
    let high = json!({"percent": {"critical": 101}});
    let found = tried(&server, "thresholds", "memory_monitor", &high);
    assert_eq!(
        (&found["limits"]["series"], &found["limits"]["items"]),
        (&json!(1), &json!([])),
        "{found}"
    );
    let none = tried(
        &server,
        "thresholds",
        "disk_monitor",
        &json!({"/nowhere": {"percent": {"critical": 1}}}),
    );
    assert_eq!((&none["ok"], &none["limits"]["series"]), (&json!(false), &json!(0)), "{none}");

    // A profile is for nobody until a tag brings it; of a host its own limits are tried.
    let profile = json!({"tags": "role:lab", "thresholds": {"memory_monitor": low}});
    let found = tried(&server, "threshold_configs", "lab", &profile);
    assert_eq!(found["limits"]["series"], 0, "{found}");
    made(&server, &format!("hosts/{host}"), &json!({"tags": "role:lab"}));
    let found = tried(&server, "threshold_configs", "lab", &profile);
    assert_eq!(found["limits"]["critical_now"], 1, "{found}");
    let own = json!({"tags": "role:lab", "thresholds": {"memory_monitor": {"percent": {"critical": 100.5}}}});
    made(&server, "threshold_configs/lab", &profile);
    let critical = |wanted: bool| {
        server.host_when(&host, PATIENCE, |host| {
            let checks = host["checks"].as_array().into_iter().flatten();
            let mut ours = checks.filter(|check| check["name"] == CHECK);
            ours.any(|check| (check["status"] == "critical") == wanted)
        })
    };
    critical(true);
    let seen = server.get(&format!("/api/0/config/objects/hosts/{host}"));
    let asked = json!({"section": "hosts", "name": host, "value": own});
    let found = server.post("/api/0/config/test", &asked).body;
    assert_eq!(found["limits"]["warning_now"], 1, "the profile's warning stays: {found}");
    assert_eq!(found["limits"]["items"][0]["is"], "crit", "{found}");
    let etag = format!("If-Match: \"{}\"", seen["version"].as_str().unwrap());
    let path = format!("/api/0/config/objects/hosts/{host}");
    let kept = server.call("PUT", &path, &[etag], Some(&json!({ "value": own })));
    assert_eq!(kept.status, 200, "{}", kept.text);
    critical(false);

    let plain =
        server.post("/api/0/config/test", &json!({"section": "hosts", "name": "x", "value": {}}));
    assert_eq!(plain.status, 409, "{}", plain.text);
}

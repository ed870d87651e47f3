//! One hark tells another.

use serde_json::Value;

use crate::support::http;
use crate::support::server::{START, Server, Start};
use crate::support::wait::until;
use crate::support::{PASSWORD, folder};

/// Sends a test message to the receiver `central`, and returns what became of it.
fn test(branch: &Server) -> Value {
    let token = std::fs::read_to_string(branch.data.join("local-token")).unwrap();
    let bearer = format!("Authorization: Bearer {}", token.trim());
    let path = "/api/0/receivers/central/test";
    let sent = http::request(branch.http, "POST", path, &[bearer], None).unwrap();
    assert_eq!(sent.status, 200, "{}", sent.body);
    let id = sent.body["delivery"].as_u64().unwrap();
    until("the delivery's end", START, || {
        let list = branch.get("/api/0/deliveries?limit=100");
        let mut deliveries = list["items"].as_array()?.clone().into_iter();
        let is_tried = |delivery: &Value| delivery["attempts"].as_u64() > Some(0);
        deliveries.find(|delivery| delivery["id"] == id && is_tried(delivery))
    })
}

#[test]
fn a_message_for_another_hark_is_an_event_there_and_a_wrong_secret_is_refused() {
    let (here, there) = (folder(), folder());
    let mut central = Start::new("server", there.path()).config("secret: shared there\n").go();
    central.set_up(PASSWORD);
    let configuration = |secret: &str| {
        format!(
            "receivers:\n  central:\n    hark: {{url: 'http://127.0.0.1:{}', host: branch, secret: {secret}}}\n",
            central.http
        )
    };
    let mut branch = Start::new("server", here.path()).config(&configuration("shared there")).go();
    branch.set_up(PASSWORD);
    test(&branch);
    let event = until("the event", START, || {
        let events = central.try_get("/api/0/events?limit=100").ok()?.body;
        let mut events = events["items"].as_array()?.clone().into_iter();
        events.find(|event| event.to_string().contains("(relayed by branch)"))
    });
    assert_eq!(event["host"], "branch", "{event}");

    drop(branch);
    let other = folder();
    let mut wrong =
        Start::new("server", other.path()).config(&configuration("not-that-secret")).go();
    wrong.set_up(PASSWORD);
    let delivery = test(&wrong);
    assert!(delivery["error"].as_str().unwrap().contains("401"), "{delivery}");
    assert!(!delivery.to_string().contains("not-that-secret"), "{delivery}");
}

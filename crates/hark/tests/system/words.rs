//! What messages say, as somebody reads them who was woken: the same as the page and the API.

use std::time::Duration;

use crate::support::hook::{Call, Hook};
use crate::support::server::Start;
use crate::support::wait::until;
use crate::support::{PASSWORD, folder};

/// How long a message may take in all, on a busy machine.
const TOLD: Duration = Duration::from_secs(30);

#[test]
fn a_message_about_a_value_has_its_unit_and_the_limit_that_was_crossed() {
    let folder = folder();
    let hook = Hook::start();
    let config = format!(
        "agent: {{interval: 1s}}\nreceivers: {{ops: {{webhook: {{url: '{}'}}}}}}\n\
         thresholds:\n  memory_monitor: {{percent: {{warning: 0.1, critical: 100}}}}\n",
        hook.url()
    );
    let mut server = Start::new("up", folder.path()).config(&config).go();
    server.set_up(PASSWORD);
    let about_memory = |call: &Call| call.text("check") == "memory_monitor.percent";
    let told = until("the call", TOLD, || hook.calls().into_iter().find(about_memory));
    let value = told.text("summary").rsplit_once(" = ").unwrap().1;
    assert!(value.parse::<f64>().is_ok(), "the short form is the seed's: {value}");
    let expected = format!(
        "Value: memory_monitor.percent is {value} % (limit: warning above 0.1 %, clears at 0.09 %)."
    );
    assert_eq!(told.text("detail").lines().next(), Some(expected.as_str()));
    // Values move on: only their form is compared.
    let is_beside_its_limit = |text: &str| {
        text.strip_suffix(" % > 0.1 %").is_some_and(|value| value.parse::<f64>().is_ok())
    };
    let incidents = server.get("/api/0/incidents?view=open");
    let incident = incidents["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|incident| incident["check"] == "memory_monitor.percent")
        .unwrap();
    assert!(is_beside_its_limit(incident["text"].as_str().unwrap()), "{incident}");
    let host = server.get(&format!("/api/0/hosts/{}", told.text("host")));
    let text = host["text"].as_str().unwrap();
    let text = text.strip_prefix("memory_monitor.percent = ").unwrap_or_else(|| panic!("{text}"));
    assert!(is_beside_its_limit(text), "{text}");
}

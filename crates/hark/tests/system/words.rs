//! What messages say, as somebody reads them who was woken: the same as the page and the API.

use std::path::Path;
use std::time::Duration;

use crate::support::hook::{Call, Hook};
use crate::support::process::{Process, clean, succeed};
use crate::support::server::{START, Server, Start};
use crate::support::wait::until;
use crate::support::{HARK, PASSWORD, folder};

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

#[test]
fn an_agent_that_was_ended_in_order_is_told_as_such_and_one_that_died_as_silent() {
    let folder = folder();
    let hook = Hook::start();
    let config = format!(
        "interval: 1s\ngrace: 1s\nreceivers: {{ops: {{webhook: {{url: '{}'}}}}}}\n",
        hook.url()
    );
    let mut server = Start::new("server", folder.path()).config(&config).go();
    server.set_up(PASSWORD);
    let mut enroll = clean(HARK, folder.path());
    enroll.args(["enroll", "--address", "127.0.0.1", "--data"]).arg(&server.data);
    let line = succeed(&mut enroll, START);
    let words: Vec<&str> = line.split_whitespace().skip(1).collect();
    let said = |number: usize| {
        let call = until("a call", TOLD, || hook.calls().get(number).cloned());
        call.text("summary").to_owned()
    };

    let mut first = agent(&server, folder.path(), &words);
    first.signal("TERM");
    assert!(first.wait(START).success());
    // The page has it before the host is missed.
    let host = server.host_when("branch", START, |host| host["text"] != "");
    let text = host["text"].as_str().unwrap();
    assert!(text.starts_with("the agent was ended in order at "), "{host}");
    assert_eq!(said(0), format!("CRITICAL: branch - host = down ({text} and has not come back)"));

    let mut second = agent(&server, folder.path(), &["agent"]);
    assert_eq!(said(1), "RECOVERED: branch - host = up (CRITICAL -> OK)");
    second.kill();
    let died = said(2);
    assert!(died.starts_with("CRITICAL: branch - host = down (no heartbeat for "), "{died}");
}

/// Starts the agent of the host `branch`, and waits until it is heard.
fn agent(server: &Server, folder: &Path, words: &[&str]) -> Process {
    let mut command = clean(HARK, folder);
    command.args(words).args(["--name", "branch", "--interval", "1s", "--data"]);
    command.arg(folder.join("agent"));
    let agent = Process::start(&mut command, folder, "agent");
    server.host_when("branch", START, |host| host["state"] == "o" && host["text"] == "");
    agent
}

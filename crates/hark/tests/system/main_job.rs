//! The main job, as somebody new to it does it: a server, an administrator, a second machine that joins
//! by one copied line, falls silent and comes back, and who is told what.

use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::support::hook::Hook;
use crate::support::http;
use crate::support::network::Namespace;
use crate::support::postfix::Postfix;
use crate::support::process::{Process, clean, succeed};
use crate::support::server::{START, Server, Start};
use crate::support::wait::{pause, until};
use crate::support::{HARK, PASSWORD, folder, write};

/// How long a message may take in all: missed heartbeats, the outbox, the receiver, on a busy machine.
const TOLD: Duration = Duration::from_secs(30);

#[test]
fn a_silent_host_is_told_once_and_its_recovery_in_the_same_thread() {
    let folder = folder();
    let postfix = Postfix::start(folder.path());
    let hook = Hook::start();
    let network = Namespace::new();
    let start =
        Start { ip: std::net::Ipv4Addr::UNSPECIFIED, ..Start::new("server", folder.path()) };
    let mut server = start
        .config(&format!(
            "interval: 1s\ngrace: 1s\nreceivers:\n  \
             ops-mail: {{email: {{to: [ops@example.net], from: hark@example.net, \
             server: 127.0.0.1, port: {}, security: none}}}}\n  \
             hook: {{webhook: {{url: '{}'}}}}\n",
            postfix.port(),
            hook.url(),
        ))
        .go();

    only_the_link_makes_an_administrator(&mut server);

    // The line for the other machine.
    let mut enroll = clean(HARK, folder.path());
    enroll.args(["enroll", "--address", &network.here.to_string(), "--tag", "role:branch"]);
    enroll.arg("--data").arg(&server.data);
    let line = succeed(&mut enroll, START);
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words[0], "hark");

    let data = folder.path().join("agent");
    let inside = |arguments: &[&str]| {
        let mut command: Command = clean("ip", folder.path());
        command.args(["netns", "exec", &network.name, HARK]).args(arguments);
        command.args(["--name", "branch", "--interval", "1s", "--data"]).arg(&data);
        Process::start(&mut command, folder.path(), "agent")
    };
    let mut agent = inside(&words[1..]);
    let host = server.host_when("branch", START, |h| h["state"] == "o");
    assert_eq!(host["address"], network.there.to_string());
    assert_eq!(host["tags"], json!(["role:branch"]), "the token's tags are the host's");
    let agents = server.get("/api/0/agents");
    assert_eq!(agents[0]["mode"], "enrolled", "{agents}");

    // It dies without a word.
    agent.kill();
    let told = until("the call about the silence", TOLD, || hook.calls().first().cloned());
    assert_eq!(told.text("host"), "branch");
    assert_eq!(told.text("status"), "critical");
    let mail = until("the mail about the silence", TOLD, || postfix.mails().first().cloned());
    assert!(mail.header("subject").contains("branch"), "{mail:?}");
    assert_eq!(mail.header("to"), "ops@example.net");
    let first_id = mail.header("message-id").to_owned();
    assert!(first_id.starts_with('<'), "{mail:?}");
    let incidents = server.get("/api/0/incidents?view=open");
    assert_eq!(incidents["items"].as_array().unwrap().len(), 1, "{incidents}");
    let incident = incidents["items"][0]["id"].as_u64().unwrap();
    assert_eq!(told.body["incident"], incident);

    // It is known: it comes back without the token.
    let _agent = inside(&["agent"]);
    server.host_when("branch", START, |h| h["state"] == "o");
    let recovery = until("the mail about the recovery", TOLD, || postfix.mails().get(1).cloned());
    assert_eq!(recovery.header("in-reply-to"), first_id, "{recovery:?}");
    assert!(recovery.header("references").contains(&first_id), "{recovery:?}");
    assert_ne!(recovery.header("message-id"), first_id);
    until("the call about the recovery", TOLD, || hook.calls().get(1).cloned());

    // Nothing is told twice, and the reason of everything can be asked for.
    pause(Duration::from_secs(3));
    let statuses: Vec<String> = hook.calls().iter().map(|c| c.text("status").to_owned()).collect();
    assert_eq!(statuses, ["critical", "ok"]);
    assert_eq!(postfix.mails().len(), 2);
    what_is_decided_now_stands_apart(&server, incident);
    let mut explain = clean(HARK, folder.path());
    explain.args(["explain", &incident.to_string(), "--data"]).arg(&server.data);
    let why = succeed(&mut explain, START);
    assert!(why.contains("sent") && !why.contains("queued"), "{why}");
    assert!(why.contains("ops-mail") && why.contains("hook"), "{why}");
}

#[test]
fn an_agent_that_is_given_limits_keeps_its_own_interval_and_its_end_is_told_in_time() {
    let folder = folder();
    let hook = Hook::start();
    // The limits travel to the agent with its settings; the interval is its command line's.
    let server = Start::new("server", folder.path())
        .config(&format!(
            "secret: a secret of this run only\ngrace: 1s\n\
             thresholds: {{memory_monitor: {{percent: {{warning: 0.1}}}}}}\n\
             receivers: {{hook: {{webhook: {{url: '{}'}}}}}}\n",
            hook.url(),
        ))
        .go();
    let secret = write(folder.path(), "secret", "a secret of this run only");
    let mut command = clean(HARK, folder.path());
    command.arg("agent").arg(format!("127.0.0.1:{}", server.udp));
    command.args(["--name", "web1", "--interval", "1s"]);
    command.arg("--secret-file").arg(secret).arg("--data").arg(folder.path().join("agent"));
    let mut agent = Process::start(&mut command, folder.path(), "agent");
    let said = |status: &str| hook.calls().iter().any(|call| call.text("status") == status);
    until("the call about the memory", TOLD, || said("warning").then_some(()));
    until("the limits at the agent", TOLD, || {
        agent.errors().contains("settings changed").then_some(())
    });
    // What it sends by its settings has come.
    pause(Duration::from_secs(3));
    agent.kill();
    until("the call about the silence", Duration::from_secs(15), || said("critical").then_some(()));
}

/// The reasons of an incident: what holds at present, then what was told.
fn what_is_decided_now_stands_apart(server: &Server, incident: u64) {
    let explained = server.get(&format!("/api/0/incidents/{incident}/explain"));
    let present: Vec<bool> = explained["lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["present"].as_bool().unwrap())
        .collect();
    assert!(present[0], "what is decided now stands first, and says so: {explained}");
    assert!(present.contains(&false), "what was told stands below: {explained}");
}

/// Makes the first administrator with the printed link, and nobody else by that link.
fn only_the_link_makes_an_administrator(server: &mut Server) {
    let code = server.code.clone().unwrap();
    let setup = json!({"code": code, "user": "mallory", "password": PASSWORD});
    let refused = http::request(server.http, "GET", "/api/0/hosts", &[], None).unwrap();
    assert_eq!(refused.status, 403, "{}", refused.body);
    let made = server.set_up(PASSWORD);
    assert_eq!(made.body["admin"], true);
    let cookie = made.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let again = http::request(server.http, "POST", "/api/0/setup", &[], Some(&setup)).unwrap();
    assert_eq!(again.status, 403, "{}", again.body);
    let cookie = [format!("Cookie: {cookie}")];
    let me = http::request(server.http, "GET", "/api/0/auth/me", &cookie, None).unwrap();
    assert_eq!(me.body["name"], "mira");
}

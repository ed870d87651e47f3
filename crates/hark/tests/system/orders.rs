//! Orders: an action of a host's own list, carried out once, its outcome shown where it was asked for.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::process::{Process, clean};
use crate::support::server::{Server, Start};
use crate::support::wait::until;
use crate::support::{HARK, PASSWORD, folder, write};

/// For starts and first heartbeats on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

fn agent(folder: &Path, server: &Server) -> Process {
    let action = folder.join("action");
    let count = folder.join("count").display().to_string();
    std::fs::write(&action, format!("#!/bin/sh\necho x >>{count}\necho it was done\nexit $1\n"))
        .expect("a file");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&action, mode).expect("a mode");
    let secret = write(folder, "secret", "a secret of this run only");
    let own = format!(
        "agent: {{actions: {{good: {{run: {0} 0}}, bad: {{run: {0} 3}}, hang: {{run: sleep 60, timeout: 1s}}}}}}\n",
        action.display()
    );
    let own = write(folder, "agent.yaml", &own);
    let mut command = clean(HARK, folder);
    command.arg("agent").arg(format!("127.0.0.1:{}", server.udp)).args(["--name", "web1"]);
    command.arg("--secret-file").arg(secret).arg("--data").arg(folder.join("agent"));
    command.arg("--config").arg(own);
    Process::start(&mut command, folder, "agent")
}

fn cmd(folder: &Path, server: &Server, words: &[&str]) -> (Option<i32>, Value) {
    let mut command = clean(HARK, folder);
    command.arg("cmd").args(words).arg("--json");
    command.arg("--data").arg(folder.join("data"));
    command.arg("--url").arg(format!("http://127.0.0.1:{}", server.http));
    let output = command.output().expect("hark cmd");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let json = serde_json::from_str(&text).unwrap_or_else(
        |_| json!({ "error": String::from_utf8_lossy(&output.stderr).into_owned() + &text }),
    );
    (output.status.code(), json)
}

fn runs(folder: &Path) -> usize {
    std::fs::read_to_string(folder.join("count")).unwrap_or_default().lines().count()
}

#[test]
fn an_action_of_the_hosts_own_list_is_carried_out_once_and_its_outcome_shown() {
    let folder = folder();
    let config = "secret: a secret of this run only\nhosts: {web1: {tags: [every:1s]}}\n";
    let start = Start::new("server", folder.path());
    let mut start = start.config(config);
    let mut server = start.go();
    server.set_up(PASSWORD);
    let mut agent_process = agent(folder.path(), &server);
    until("the offer", PATIENCE, || {
        let answer = server.try_get("/api/0/hosts/web1/actions").ok()?;
        (answer.body["offered"] == json!(["bad", "good", "hang"])).then_some(())
    });

    let (code, order) = cmd(folder.path(), &server, &["web1", "good", "--reason", "a test"]);
    assert_eq!(code, Some(0), "{order}");
    assert_eq!(order["state"], "done", "{order}");
    assert_eq!(order["text"], "it was done", "{order}");
    assert_eq!(order["reason"], "a test", "{order}");
    let (code, order) = cmd(folder.path(), &server, &["web1", "bad"]);
    assert_eq!((code, &order["state"]), (Some(3), &json!("failed")), "{order}");
    assert_eq!(runs(folder.path()), 2);
    let (code, ended) = cmd(folder.path(), &server, &["web1", "hang"]);
    assert_eq!((code, &ended["state"]), (Some(125), &json!("failed")), "{ended}");
    assert!(ended["text"].as_str().unwrap().contains("time limit of 1s"), "{ended}");
    let (code, refused) = cmd(folder.path(), &server, &["web1", "rm"]);
    assert_eq!(code, Some(125), "{refused}");
    assert!(refused["error"].as_str().unwrap().contains("offers no such action"), "{refused}");
    let audit = server.try_get("/api/0/audit").unwrap().body.to_string();
    assert!(audit.contains("host.action") && audit.contains("web1 good: a test"), "{audit}");

    // Nobody is there to fetch it: it expires, and is not carried out by an agent that comes later.
    agent_process.kill();
    let words = ["web1", "good", "--expires", "1", "--wait", "20"];
    let (code, order) = cmd(folder.path(), &server, &words);
    assert_eq!((code, &order["state"]), (Some(125), &json!("expired")), "{order}");

    // One that waits survives the server's end, and is carried out once when the agent is back.
    let words = ["web1", "good", "--expires", "60", "--wait", "0"];
    let (_, order) = cmd(folder.path(), &server, &words);
    assert_eq!(order["state"], "waiting", "{order}");
    server.process.kill();
    start.ports = (server.http, server.udp);
    let server = start.go_as("again");
    let _agent = agent(folder.path(), &server);
    until("the outcome", PATIENCE, || {
        let answer = server.try_get("/api/0/hosts/web1/actions").ok()?;
        let newest = &answer.body["orders"][0];
        (newest["id"] == order["id"] && newest["state"] == "done").then_some(())
    });
    assert_eq!(runs(folder.path()), 3, "neither the expired one nor any twice");
}

#[test]
fn a_check_that_is_confirmed_bad_has_its_repair_carried_out_once_also_over_a_restart() {
    let folder = folder();
    // Nobody listens on port 1.
    let config = "secret: a secret of this run only\n\
                  hosts: {web1: {address: 127.0.0.1, tags: [every:1s]}}\n\
                  checks: {port: {tcp: {port: 1}, host: web1, every: 10s, attempts: 1, \
                  repair: {action: good, tries: 1, wait: 10s}}}\n";
    let start = Start::new("server", folder.path());
    let mut start = start.config(config);
    let mut server = start.go();
    server.set_up(PASSWORD);
    let _agent = agent(folder.path(), &server);
    let newest = |server: &Server| {
        server.try_get("/api/0/hosts/web1/actions").ok().map(|a| a.body["orders"].clone())
    };
    let orders = until("the outcome", 2 * PATIENCE, || {
        newest(&server).filter(|orders| orders[0]["state"] == "done")
    });
    assert_eq!(orders[0]["by"], "hark", "{orders}");
    assert_eq!(orders[0]["action"], "good", "{orders}");
    let reason = orders[0]["reason"].as_str().unwrap();
    assert!(reason.ends_with("port is critical, try 1 of 1"), "{orders}");
    let audit = server.try_get("/api/0/audit").unwrap().body.to_string();
    assert!(audit.contains("web1 good: incident "), "{audit}");
    server.process.kill();
    start.ports = (server.http, server.udp);
    let server = start.go_as("again");
    // What was tried is known, and that it did not help.
    until("the end of tries", 2 * PATIENCE, || {
        let lines = server.try_get("/api/0/hosts/web1/events").ok()?.body.to_string();
        lines.contains("good tried 1 of 1, it did not help").then_some(())
    });
    assert_eq!(newest(&server).unwrap().as_array().unwrap().len(), 1);
    assert_eq!(runs(folder.path()), 1);
}

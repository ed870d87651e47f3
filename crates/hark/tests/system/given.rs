//! What the server gives its agents: soon after a change, per host and tag, refused where it is wrong.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::support::process::{Process, clean};
use crate::support::server::{Server, Start};
use crate::support::wait::until;
use crate::support::{HARK, PASSWORD, folder, write};

/// How soon after the change of a file the agent works by it.
const SOON: Duration = Duration::from_secs(5);

/// For what takes longer on a busy machine: starts and first heartbeats.
const PATIENCE: Duration = Duration::from_secs(30);

fn config(give: &str) -> String {
    format!(
        "secret: a secret of this run only\nhosts: {{web1: {{tags: [role:web, every:1s]}}}}\n\
         agent_configs:\n  \
           all: {{match: {{}}, give: {{interval: 1s, collectors: {{load: {{enabled: false}}}}}}}}\n  \
           web: {{match: {{tags: role:web}}, give: {give}}}\n"
    )
}

fn agent(folder: &Path, server: &Server) -> Process {
    let secret = write(folder, "secret", "a secret of this run only");
    let mut command = clean(HARK, folder);
    command.arg("agent").arg(format!("127.0.0.1:{}", server.udp)).args(["--name", "web1"]);
    command.arg("--secret-file").arg(secret).arg("--data").arg(folder.join("agent"));
    Process::start(&mut command, folder, "agent")
}

fn check(host: &Value) -> Option<(String, String)> {
    let checks = host["checks"].as_array()?;
    let check = checks.iter().find(|check| check["name"] == "agent configuration")?;
    let word = |key: &str| check[key].as_str().unwrap_or_default().to_owned();
    Some((word("status"), word("text")))
}

fn waits_for(server: &Server, limit: Duration, wanted: impl Fn(&str, &str) -> bool) -> String {
    let what = "what the agent says of its configuration";
    until(what, limit, || {
        let answer = server.try_get("/api/0/hosts/web1").ok()?;
        let (status, text) = check(&answer.body)?;
        wanted(&status, &text).then_some(text)
    })
}

/// What the host says of one of its checks.
fn told(server: &Server, name: &str) -> Option<(String, String)> {
    let answer = server.try_get("/api/0/hosts/web1").ok()?;
    let checks = answer.body["checks"].as_array()?.clone();
    let check = checks.iter().find(|check| check["name"] == name)?;
    let word = |key: &str| check[key].as_str().unwrap_or_default().to_owned();
    Some((word("status"), word("text")))
}

/// Says the same in one line and in more, and is not content with `second`.
const PLUGIN: &str = "#!/bin/sh\necho \"it is $1 | n=1\"\necho \"as it was\"\necho \"on $1 | m=2\"\n\
    [ \"$1\" != second ]\n";

#[test]
fn a_program_that_the_server_names_runs_only_where_the_host_allows_it() {
    let folder = folder();
    let plugin = folder.path().join("plugin");
    std::fs::write(&plugin, PLUGIN).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&plugin, mode).unwrap();
    let give = |word: &str| {
        let plugin = plugin.display();
        config(&format!(
            "{{plugins: {{allowed: {{command: {plugin} {word}, every: 1s}}, \
               other: {{command: {plugin} bad, every: 1s}}}}}}"
        ))
    };
    let start = Start::new("server", folder.path());
    let mut server = start.config(&give("first")).go();
    server.set_up(PASSWORD);
    let own = write(folder.path(), "agent.yaml", "agent: {permit: [allowed]}\n");
    let secret = write(folder.path(), "secret", "a secret of this run only");
    let mut command = clean(HARK, folder.path());
    command.arg("agent").arg(format!("127.0.0.1:{}", server.udp)).args(["--name", "web1"]);
    command.arg("--secret-file").arg(secret).arg("--data").arg(folder.path().join("agent"));
    command.arg("--config").arg(own);
    let _agent = Process::start(&mut command, folder.path(), "agent");

    let said =
        waits_for(&server, PATIENCE, |status, text| status == "warning" && text.contains("other"));
    assert!(said.contains("permit: [other]"), "{said}");
    let wait = |word: &str| {
        until("the plugin's result", PATIENCE, || {
            told(&server, "allowed").filter(|(_, text)| *text == format!("it is {word}"))
        })
    };
    assert_eq!(wait("first").0, "ok");
    write(folder.path(), "hark.yaml", &give("second"));
    wait("second");
    assert_eq!(told(&server, "other"), None, "it was never run");

    // The lines behind the first are with the check, and with its incident.
    let host = server.try_get("/api/0/hosts/web1").unwrap();
    let checks = host.body["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["name"] == "allowed").unwrap();
    assert_eq!(check["further_lines"], "as it was\non second");
    let incident = until("the incident", PATIENCE, || {
        let open = server.try_get("/api/0/incidents?q=allowed").ok()?;
        let id = open.body["items"][0]["id"].as_u64()?;
        Some(server.try_get(&format!("/api/0/incidents/{id}")).ok()?.body)
    });
    assert_eq!(incident["text"], "it is second");
    assert_eq!(incident["further_lines"], "as it was\non second");
}

#[test]
fn who_uses_most_is_in_the_incident_of_a_limit_far_below_the_agents_own_mark() {
    let folder = folder();
    // Every machine uses so much of its memory, and few use 80 percent.
    let limit = |least: &str| {
        format!(
            "secret: a secret of this run only\nhosts: {{web1: {{tags: [role:web]}}}}\n\
             agent_configs: {{all: {{match: {{}}, give: {{interval: 1s}}}}}}\n\
             thresholds: {{memory_monitor: {{percent: {{warning: {least}}}}}}}\n"
        )
    };
    let start = Start::new("server", folder.path());
    let mut server = start.config(&limit("99.9")).go();
    server.set_up(PASSWORD);
    let _agent = agent(folder.path(), &server);
    waits_for(&server, PATIENCE, |status, _| status == "ok");
    assert_eq!(events(&server, "memory is used by"), 0);
    write(folder.path(), "hark.yaml", &limit("0.1"));
    let open = until("the incident", PATIENCE, || {
        let open = server.try_get("/api/0/incidents?q=memory_monitor.percent").ok()?;
        Some(open.body["items"].get(0)?.clone())
    });
    // As the page asks when it shows the incident.
    let since = open["since_unix_s"].as_i64().unwrap();
    let (from, to) = (since - 3600, since + 3600);
    let path = format!("/api/0/happened?host=web1&topics=busy&from={from}&to={to}");
    // The processors may have been busy, too.
    let is_about_memory = |one: &Value| {
        one["text"].as_str().is_some_and(|text| text.starts_with("memory is used by "))
    };
    let said = until("who uses most", PATIENCE, || {
        let mut found = server.try_get(&path).ok()?.body["items"].as_array()?.clone();
        found.retain(is_about_memory);
        (!found.is_empty()).then_some(found)
    });
    assert_eq!(said.len(), 1, "{said:?}");
    let text = said[0]["text"].as_str().unwrap();
    assert!(text.contains(" MiB ") && text.contains("(pid "), "{text}");
}

#[test]
fn who_uses_most_is_told_at_limits_on_other_values_of_processors_and_memory() {
    let folder = folder();
    // Every machine is above and below these.
    let config = "secret: a secret of this run only\nagent_configs: {all: {match: {}, give: {interval: 1s}}}\n\
        thresholds:\n  cpu_monitor: {load_15min: {operator: '>=', warning: 0}}\n  \
        memory_monitor: {available_mb: {operator: '<', warning: 100000000}}\n";
    let start = Start::new("server", folder.path());
    let mut server = start.config(config).go();
    server.set_up(PASSWORD);
    let _agent = agent(folder.path(), &server);
    for (value, text) in [
        ("cpu_monitor.load_15min", "; processors are used by "),
        ("memory_monitor.available_mb", " MiB; memory is used by "),
    ] {
        until(&format!("who uses most at {value}"), PATIENCE, || {
            let happened = server.try_get("/api/0/happened?host=web1&topics=busy").ok()?;
            let items = happened.body["items"].as_array()?.clone();
            let mut texts = items.iter().filter_map(|item| item["text"].as_str());
            texts
                .find(|said| said.starts_with(&format!("{value} is ")) && said.contains(text))
                .map(drop)
        });
    }
}

/// How many events of the host have this text.
fn events(server: &Server, text: &str) -> usize {
    let Ok(answer) = server.try_get("/api/0/hosts/web1/events?limit=100") else { return 0 };
    let items = answer.body["items"].as_array().cloned().unwrap_or_default();
    let has = |item: &&Value| item["text"].as_str().is_some_and(|found| found.contains(text));
    items.iter().filter(has).count()
}

#[test]
fn logs_are_watched_as_the_server_says_and_read_on_after_a_change() {
    let folder = folder();
    let log = write(folder.path(), "app.log", "ERROR of before\n");
    let give = |more: &str| {
        config(&format!("{{logs: {{app: {{file: {}, match: ERROR}}{more}}}}}", log.display()))
    };
    let start = Start::new("server", folder.path());
    let mut server = start.config(&give("")).go();
    server.set_up(PASSWORD);
    let _agent = agent(folder.path(), &server);
    let first = waits_for(&server, PATIENCE, |status, _| status == "ok");
    let append = |line: &str| {
        let mut file = std::fs::OpenOptions::new().append(true).open(&log).unwrap();
        std::io::Write::write_all(&mut file, format!("{line}\n").as_bytes()).unwrap();
    };
    let arrives = |text: &str| {
        until("the event", PATIENCE, || (events(&server, text) > 0).then_some(()));
    };
    // The agent begins at the end of the file; until it watches, lines are not for it.
    until("the watch", PATIENCE, || {
        append("ERROR probing");
        (events(&server, "ERROR probing") > 0).then_some(())
    });
    append("ERROR one");
    arrives("ERROR one");
    write(folder.path(), "hark.yaml", &give(", other: {file: /no/such/file, match: x}"));
    append("ERROR two");
    waits_for(&server, PATIENCE, |status, text| status == "ok" && text != first);
    append("ERROR three");
    arrives("ERROR three");
    for text in ["ERROR one", "ERROR two", "ERROR three"] {
        assert_eq!(events(&server, text), 1, "{text}");
    }
    assert_eq!(events(&server, "of before"), 0);
}

#[test]
fn agents_work_by_what_the_server_gives_soon_after_it_changed() {
    let folder = folder();
    let start = Start::new("server", folder.path());
    let mut start = start.config(&config("{collectors: {uptime: {enabled: false}}}"));
    let mut server = start.go();
    server.set_up(PASSWORD);
    let mut agent_process = agent(folder.path(), &server);
    let first = waits_for(&server, PATIENCE, |status, _| status == "ok");

    // Another text, and the agent works by it.
    write(folder.path(), "hark.yaml", &config("{collectors: {uptime: {interval: 1m}}}"));
    let second = waits_for(&server, SOON, |status, text| status == "ok" && text != first);

    // A text that only this agent can refuse, as it comes from a tag: the one before goes on.
    write(folder.path(), "hark.yaml", &config("{interval: '{{ tags.role }}'}"));
    let refused = waits_for(&server, SOON, |status, _| status == "warning");
    assert!(
        refused.contains("is refused") && refused.contains("`web` is not a duration"),
        "{refused}"
    );
    assert!(agent_process.is_running());

    // A text that the server itself refuses changes nothing at the agents.
    write(folder.path(), "hark.yaml", &config("{intervall: 5s}"));
    until("the server's own problem", PATIENCE, || {
        let open = server.try_get("/api/0/incidents?view=open&limit=20").ok()?;
        let items = open.body["items"].as_array()?.clone();
        items.iter().any(|item| item["host"] == "self" && item["check"] == "config").then_some(())
    });
    write(folder.path(), "hark.yaml", &config("{collectors: {uptime: {interval: 1m}}}"));
    let third = waits_for(&server, PATIENCE, |status, _| status == "ok");
    assert_eq!(third, second, "the same text has the same number");

    // Killed and started again, both sides go on where they were.
    agent_process.kill();
    server.process.kill();
    start.ports = (server.http, server.udp);
    let server = start.go_as("again");
    let _agent = agent(folder.path(), &server);
    waits_for(&server, PATIENCE, |status, text| status == "ok" && text == second);
}

#[test]
fn what_cannot_be_made_for_a_host_is_a_problem_of_it_that_names_the_word() {
    let folder = folder();
    let text = |vars: &str| {
        format!(
            "secret: a secret of this run only\nagent_configs: {{a: {{match: {{}}{vars}, \
             give: {{interval: '{{{{ vars.pace }}}}'}}}}}}\n"
        )
    };
    let start = Start::new("server", folder.path());
    let mut server = start.config(&text("")).go();
    server.set_up(PASSWORD);
    let _agent = agent(folder.path(), &server);
    let said = waits_for(&server, PATIENCE, |status, _| status == "warning");
    assert!(said.ends_with("there is no vars.pace"), "{said}");
    write(folder.path(), "hark.yaml", &text(", vars: {pace: 1s}"));
    waits_for(&server, PATIENCE, |status, _| status == "ok");
    // And back.
    write(folder.path(), "hark.yaml", &text(""));
    waits_for(&server, PATIENCE, |status, text| status == "warning" && text == said);
}

#[test]
fn sockets_and_exporters_of_the_host_go_on_whatever_the_server_gives() {
    let folder = folder();
    let config = |limits: &str| {
        format!(
            "secret: a secret of this run only\nhosts: {{web1: {{}}}}\n\
             agent_configs: {{all: {{match: {{}}, give: {{interval: 1s}}}}}}\n{limits}"
        )
    };
    let start = Start::new("server", folder.path());
    let mut server = start.config(&config("")).go();
    server.set_up(PASSWORD);
    let socket = folder.path().join("lines.sock");
    let own = format!("agent: {{lines: {{socket: {}}}}}\n", socket.display());
    let own = write(folder.path(), "agent.yaml", &own);
    let secret = write(folder.path(), "secret", "a secret of this run only");
    let mut command = clean(HARK, folder.path());
    command.arg("agent").arg(format!("127.0.0.1:{}", server.udp)).args(["--name", "web1"]);
    command.arg("--secret-file").arg(secret).arg("--data").arg(folder.path().join("agent"));
    command.arg("--config").arg(own);
    let _agent = Process::start(&mut command, folder.path(), "agent");
    let says = |name: &str| {
        until(&format!("the check {name}"), PATIENCE, || {
            let line = format!("{{\"check\": \"{name}\", \"status\": \"ok\"}}");
            let sender = std::os::unix::net::UnixDatagram::unbound().unwrap();
            drop(sender.send_to(line.as_bytes(), &socket));
            told(&server, &format!("lines.{name}")).map(drop)
        });
    };
    let first = waits_for(&server, PATIENCE, |status, _| status == "ok");
    says("before");
    // A limit of the server's travels to the agent, and is a change of what it is given.
    let limit = "thresholds: {cpu_monitor: {cpu_percent: {warning: 101}}}\n";
    write(folder.path(), "hark.yaml", &config(limit));
    waits_for(&server, PATIENCE, |status, text| status == "ok" && text != first);
    says("after");
}

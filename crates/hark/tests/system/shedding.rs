//! Load is shed while samples are kept too late: it begins, is seen, ends, and costs nothing in the end (fault 22).

use std::path::Path;
use std::time::Duration;

use hark_model::Clock;
use serde_json::Value;

use crate::support::process::{Process, clean};
use crate::support::server::{START, Server, Start};
use crate::support::wait::until;
use crate::support::{HARK, PASSWORD, folder, http, write};

/// How long it may take until shedding begins, and until it is over and all samples are there: two steps of 20 s, half
/// a minute that agents wait at most, and a slow machine.
const LIMIT: Duration = Duration::from_mins(5);

/// A configuration in which samples may be kept so late.
fn config(secret: &Path, shed_after: &str) -> String {
    format!(
        "secret: {{file: {}}}\nshed_after: {shed_after}\nthresholds:\n  memory_monitor: {{percent: {{warning: 0.1}}}}\n",
        secret.display()
    )
}

fn history(server: &Server) -> Value {
    server.get("/api/0/self")["history"].clone()
}

/// Returns a figure of the server.
fn figure(server: &Server, name: &str) -> u64 {
    let bearer = format!("Authorization: Bearer {}", server.token().unwrap());
    let text = http::request(server.http, "GET", "/metrics", &[bearer], None).unwrap().text;
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.unwrap_or_else(|| panic!("{name}: {text}")).parse().unwrap()
}

/// Returns the status of a check.
fn status(server: &Server, host: &str, check: &str) -> Option<String> {
    let answer = server.try_get(&format!("/api/0/hosts/{host}")).ok()?;
    let checks = answer.body["checks"].as_array()?.clone();
    let found = checks.iter().find(|found| found["name"] == check)?;
    Some(found["status"].as_str()?.to_owned())
}

/// Returns how many samples of the host's processor there are between two times.
fn points(server: &Server, from: i64, to: i64) -> usize {
    let series = server.get(&format!(
        "/api/0/hosts/web/series?names=cpu_monitor.cpu_percent&from={from}&to={to}&points=4000"
    ));
    series["at_unix_s"].as_array().map_or(0, Vec::len)
}

#[test]
fn load_is_shed_while_samples_are_kept_too_late_and_all_are_there_when_it_is_over() {
    let folder = folder();
    let secret = write(folder.path(), "secret", "shared by all hosts of this test\n");
    // Samples wait longer than that for others, with which they share a sync.
    let mut server = Start::new("server", folder.path()).config(&config(&secret, "5ms")).go();
    server.set_up(PASSWORD);
    let mut command = clean(HARK, folder.path());
    command.args(["agent", "--name", "web", "--interval", "1s"]);
    command.arg(format!("127.0.0.1:{}", server.udp)).arg("--secret-file").arg(&secret);
    command.arg("--data").arg(folder.path().join("web"));
    let _agent = Process::start(&mut command, folder.path(), "web");
    server.host_when("web", START, |h| h["state"] != "u");

    let reason = until("load to be shed", LIMIT, || {
        let history = history(&server);
        (history["state"] == "shedding").then(|| history["reason"].clone())
    });
    assert!(reason.as_str().unwrap().starts_with("more comes than can be kept"), "{reason}");
    let shed_from = Clock.now().unix.seconds();
    assert!(figure(&server, "hark_shedding") > 0);
    until("the problem of the server", LIMIT, || {
        (status(&server, "self", "shedding")? == "critical").then_some(())
    });
    until("samples that are not kept", LIMIT, || {
        (figure(&server, "hark_samples_shed_total") > 600).then_some(())
    });
    // What is shed is judged all the same.
    let memory = status(&server, "web", "memory_monitor.percent");
    assert_eq!(memory.as_deref(), Some("warning"));
    let shed_until = Clock.now().unix.seconds();
    let wanted = usize::try_from(shed_until - shed_from).unwrap().saturating_sub(1);
    let kept = points(&server, shed_from, shed_until);
    assert!(kept * 2 < wanted, "{kept} of {wanted} are kept already");

    write(folder.path(), "hark.yaml", &config(&secret, "10s"));
    server.process.signal("HUP");
    until("load to be taken again", LIMIT, || (history(&server)["state"] == "ok").then_some(()));
    assert_eq!(figure(&server, "hark_shedding"), 0);
    until("the end of the problem", LIMIT, || {
        (status(&server, "self", "shedding")? == "ok").then_some(())
    });
    until("the samples of meanwhile", LIMIT, || {
        (points(&server, shed_from, shed_until) >= wanted).then_some(())
    });
    // Nobody was told that the host is away, or that its values are.
    let web = server.get("/api/0/incidents?view=all");
    let text = web.to_string();
    assert!(!text.contains("no data for") && !text.contains("silent"), "{web:#}");
}

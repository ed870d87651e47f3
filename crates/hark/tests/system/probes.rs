//! Checks that the server runs: all of them once, one of them now, and what a signal shows of them.

use std::net::TcpListener;
use std::process::Output;
use std::time::Duration;

use serde_json::Value;

use crate::support::hook::Hook;
use crate::support::network::Namespace;
use crate::support::process::hark;
use crate::support::server::Start;
use crate::support::wait::until;
use crate::support::{PASSWORD, folder, write};

/// How long a command may take that asks nobody far away.
const LIMIT: Duration = Duration::from_secs(30);

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Returns a port that is open as long as the listener lives, and one that is closed.
fn ports() -> (TcpListener, u16, u16) {
    let open = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let (at, away) = (open.local_addr().unwrap().port(), closed.local_addr().unwrap().port());
    (open, at, away)
}

#[test]
fn everything_is_looked_at_once_and_the_exit_code_says_whether_all_is_well() {
    let folder = folder();
    let (_open, at, away) = ports();
    let config = format!(
        "checks:\n  door: {{host: web1, tcp: {{address: 127.0.0.1, port: {at}}}, every: 1d, attempts: 9}}\n  \
         gate: {{host: db1, tcp: {{address: 127.0.0.1, port: {away}}}}}\n  \
         slow: {{host: db1, tcp: {{address: 127.0.0.1, port: {at}}}, conditions: total_seconds < 0}}\n"
    );
    write(folder.path(), "hark.yaml", &config);
    let all = hark(folder.path(), "once -c hark.yaml");
    let text = said(&all);
    assert_eq!(all.status.code(), Some(1), "{text}");
    assert!(text.contains("ok       web1/door (tcp 127.0.0.1:"), "{text}");
    assert!(text.contains("critical db1/gate (tcp 127.0.0.1:"), "{text}");
    assert!(text.contains("`total_seconds < 0` is not met: total_seconds is 0"), "{text}");
    assert!(text.contains("1 of 3 are ok."), "{text}");
    assert!(!text.contains('\u{1b}'), "progress is for terminals: {text}");
    let failed = said(&hark(folder.path(), "once -c hark.yaml --failed"));
    assert!(!failed.contains("web1/door") && failed.contains("db1/gate"), "{failed}");
    let json = hark(folder.path(), "once -c hark.yaml --json");
    let shown: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(shown[1]["status"], "critical");
    assert_eq!((&shown[0]["host"], &shown[0]["check"]), (&"web1".into(), &"door".into()));
    assert!(shown[0]["values"]["connect_seconds"].as_f64().unwrap() >= 0.0);
    assert_eq!(hark(folder.path(), "once -c hark.yaml web1").status.code(), Some(0));
    assert_eq!(hark(folder.path(), "once -c hark.yaml db1/gate").status.code(), Some(1));
    assert_eq!(hark(folder.path(), "once -c hark.yaml nobody").status.code(), Some(2));
    write(folder.path(), "wrong.yaml", "checks: {a: {host: b, tcp: {prot: 1}}}\n");
    assert_eq!(hark(folder.path(), "once -c wrong.yaml").status.code(), Some(2));
    // Private addresses kept out: nothing is looked at, which is not well.
    let kept_out = format!("check_defaults: {{private_targets: false}}\n{config}");
    write(folder.path(), "public.yaml", &kept_out);
    let kept_out = hark(folder.path(), "once -c public.yaml web1");
    assert_eq!(kept_out.status.code(), Some(1));
    assert!(said(&kept_out).contains("leads to the private address 127.0.0.1"));
}

#[test]
fn what_a_check_measures_is_kept_as_series_of_its_host_and_compared_with_thresholds() {
    let folder = folder();
    let (_open, at, _) = ports();
    let config = format!(
        "agent: {{interval: 1s}}\nhosts: {{web1: {{}}}}\n\
         thresholds: {{tcp: {{total_seconds: {{critical: '>= 0'}}}}}}\nchecks:\n  \
         door: {{host: web1, tcp: {{address: 127.0.0.1, port: {at}}}, every: 2s, timeout: 1s}}\n"
    );
    let mut server = Start::new("up", folder.path()).config(&config).go();
    server.set_up(PASSWORD);
    let metrics = until("what was measured", LIMIT, || {
        let found = server.get("/api/0/hosts/web1/metrics").to_string();
        found.contains("total_seconds").then_some(found)
    });
    assert!(metrics.contains("connect_seconds"), "{metrics}");
    until("the threshold's incident", LIMIT, || {
        let found = server.get("/api/0/incidents?q=web1").to_string();
        found.contains("tcp.door.total_seconds").then_some(())
    });
}

#[test]
fn a_check_is_looked_at_now_and_the_state_is_shown_failing_first() {
    let folder = folder();
    let (open, at, _) = ports();
    let config = format!(
        "agent: {{interval: 1s}}\nhosts: {{web1: {{}}}}\ncheck_defaults: {{every: 1d}}\nchecks:\n  \
         door: {{host: web1, tcp: {{address: 127.0.0.1, port: {at}}}, retry: 1}}\n  \
         gate: {{host: web1, tcp: {{address: 127.0.0.1, port: {at}}}, attempts: 5, retry_every: 1h}}\n"
    );
    let mut server = Start::new("up", folder.path()).config(&config).go();
    server.set_up(PASSWORD);
    let checks = |more: &str| hark(folder.path(), &format!("checks web1 --data data {more}"));
    // In a day by its phase, but somebody wants to know now.
    let first = until("the first result", LIMIT, || {
        let now = checks("door --now");
        (now.status.code() == Some(0) && said(&now).contains("is open")).then(|| said(&now))
    });
    assert!(first.contains("CHECK") && first.contains("ok"), "{first}");
    assert_eq!(checks("nobody --now").status.code(), Some(3));
    drop(open);
    let both = checks("--now");
    assert_eq!(both.status.code(), Some(2), "{}", said(&both));
    let figures = server.get("/api/0/self");
    assert_eq!(figures["queues"]["checks_planned"], 2, "{figures}");
    assert!(figures["queues"]["checks_runs"].as_u64().unwrap() >= 3, "{figures}");
    assert_eq!(figures["queues"]["checks_started_late"], 0, "{figures}");
    server.process.signal("USR1");
    let shown = until("the state on the output", LIMIT, || {
        let output = server.process.output();
        output.contains("tried again").then_some(output)
    });
    let line = |start: &str| {
        let found = shown.lines().position(|line| line.contains(start));
        found.unwrap_or_else(|| panic!("{start} is missing in:\n{shown}"))
    };
    assert!(line("checks are failing") < line("critical     web1/door since 20"), "{shown}");
    assert!(line("critical     web1/door") < line("tried again  web1/gate: "), "{shown}");
    assert!(shown.contains("no connection to 127.0.0.1:"), "{shown}");
}

#[test]
fn a_server_that_is_cut_off_calls_nobody_down() {
    let folder = folder();
    let hook = Hook::start();
    let (site, elsewhere) = (Namespace::new(), Namespace::new());
    let config = format!(
        "receivers:\n  hook: {{webhook: {{url: '{}'}}}}\nhosts: {{web1: {{}}}}\n\
         check_defaults: {{uplink: ['{}'], every: 2s, retry_every: 1s}}\nchecks:\n  \
         alive: {{host: web1, ping: {{address: {}, count: 1, timeout: 1s}}, attempts: 2}}\n",
        hook.url(),
        elsewhere.there,
        site.there
    );
    let mut server = Start::new("up", folder.path()).config(&config).go();
    server.set_up(PASSWORD);
    let runs = || server.get("/api/0/self")["queues"]["checks_runs"].as_u64().unwrap();
    let is_ok =
        |host: &Value| host["checks"].as_array().unwrap().iter().any(|c| c["status"] == "ok");
    server.host_when("web1", LIMIT, is_ok);
    // Both are gone: it is this server that is cut off. Enough looks to confirm it three times over.
    site.set_wire("down");
    elsewhere.set_wire("down");
    let of_host = |host: &str| {
        let calls = hook.calls().into_iter().filter(|call| call.text("host") == host);
        calls.map(|call| call.text("summary").to_owned()).collect::<Vec<String>>()
    };
    let told = until("word of the uplink", LIMIT, || {
        let told = of_host("self");
        told.iter().any(|text| text.contains("this server is cut off")).then_some(told)
    });
    assert_eq!(told.len(), 1, "{told:?}");
    let before = runs();
    until("four more looks", LIMIT, || (runs() >= before + 4).then_some(()));
    assert_eq!(of_host("web1"), [""; 0], "a false alarm");
    // The network is back: nothing was told of the host, and nothing is.
    site.set_wire("up");
    elsewhere.set_wire("up");
    until("the uplink is back", LIMIT, || (of_host("self").len() == 2).then_some(()));
    server.host_when("web1", LIMIT, is_ok);
    assert_eq!(of_host("web1"), [""; 0]);
    // Now the host alone is cut from here: that is told.
    site.set_wire("down");
    let told = until("the alarm", LIMIT, || of_host("web1").first().cloned());
    assert!(told.contains("web1"), "{told}");
}

//! The small agent in Python, as it is, against the server: joins, brings, keeps while the server is away,
//! is refused with another key.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use hark_model::{Clock, Unix};
use serde_json::{Value, json};

use crate::support::process::{Process, clean, run, succeed};
use crate::support::server::{START, Server, Start};
use crate::support::wait::{pause, until};
use crate::support::{HARK, PASSWORD, folder, write};

/// What starts it; `scripts/setup-test` installs it.
const PYTHON: &str = "python3";

/// How long it may take to do what it does within a heartbeat or two.
const SOON: Duration = Duration::from_secs(20);

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../clients").join(name)
}

fn mini(folder: &Path) -> Command {
    let mut command = clean(PYTHON, folder);
    command.arg(script("hark_mini.py")).args(["--name", "mini-1", "--data", "mini"]);
    command
}

/// Returns a token that one host may use.
fn token(server: &Server, folder: &Path) -> String {
    let mut enroll = clean(HARK, folder);
    enroll.args(["enroll", "--json", "--address", "127.0.0.1", "--data"]).arg(&server.data);
    let made: Value = serde_json::from_str(&succeed(&mut enroll, START)).unwrap();
    made["token"].as_str().unwrap_or_else(|| panic!("no token: {made}")).to_owned()
}

/// Returns how many samples of the load the server has of the time between.
fn samples(server: &Server, from: Unix, to: Unix) -> usize {
    let found = server.get(&format!(
        "/api/0/hosts/mini-1/series?names=cpu_monitor.load_1min&from={}&to={}&points=600",
        from.seconds(),
        to.seconds()
    ));
    let points = found["avg"][0].as_array().into_iter().flatten();
    points.filter(|value| value.is_f64()).count()
}

/// Returns how many events have this text.
fn events(server: &Server, text: &str) -> usize {
    let found = server.get("/api/0/events?limit=100");
    found["items"].as_array().unwrap().iter().filter(|e| e.to_string().contains(text)).count()
}

fn now() -> Unix {
    Clock.now().unix
}

#[test]
fn the_small_agent_joins_brings_and_keeps_what_it_cannot_bring() {
    let folder = folder();
    // The server says how often: without that it would be every 30 s.
    let mut start = Start::new("server", folder.path()).config(
        "agent_configs:\n  all: {match: {}, give: {interval: 1s, collectors: {disk: {enabled: false}}}}\n",
    );
    let mut server = start.go();
    server.set_up(PASSWORD);
    start.ports = (server.http, server.udp);
    let token = token(&server, folder.path());
    let mut agent =
        Process::start(mini(folder.path()).args(["--token", &token]), folder.path(), "mini");

    let host = server.host_when("mini-1", SOON, |host| host["interval_seconds"] == 1.0);
    assert_eq!(host["facts"]["os"], "Linux");
    let host = server.host_when("mini-1", SOON, |host| host["rtt_seconds"].is_f64());
    assert_eq!(host["state"], "o", "{host}");
    let began = now();
    until("some samples", SOON, || {
        (samples(&server, began - Duration::from_secs(5), now()) >= 3).then_some(())
    });
    let latest = server.get("/api/0/hosts/mini-1/plugins");
    let memory = &latest["plugins"]["memory_monitor"]["values"]["percent"];
    assert!(memory.as_f64().is_some_and(|p| (0.0..=100.0).contains(&p)), "{latest}");
    let given = server.host_when("mini-1", SOON, |host| {
        let checks = host["checks"].as_array().into_iter().flatten();
        checks.into_iter().any(|c| c["name"] == "agent configuration" && c["status"] == "ok")
    });
    assert_eq!(given["interval_seconds"], 1.0);
    // A message goes through the agent that runs.
    succeed(mini(folder.path()).args(["-m", "hello from the mini"]), SOON);
    until("the message", SOON, || (events(&server, "hello from the mini") == 1).then_some(()));
    assert_eq!(
        events(&server, "new_host"),
        1,
        "that it joined is news, its first heartbeat is none"
    );

    // Both end as in a power cut, the agent some seconds later.
    server.process.kill();
    let away = now();
    succeed(mini(folder.path()).args(["-m", "told while it was away"]), SOON);
    pause(Duration::from_secs(4));
    agent.kill();
    let mut agent = Process::start(&mut mini(folder.path()), folder.path(), "mini");
    pause(Duration::from_secs(2));
    let back = now();
    let server = start.go();
    server.host_when("mini-1", SOON, |host| host["state"] == "o");
    // In steps of less than a second each sample is a point of its own.
    until("the samples of the time between", SOON, || {
        (samples(&server, away + Duration::from_secs(1), back) >= 3).then_some(())
    });
    until("an empty spool", SOON, || {
        let mut left = std::fs::read_dir(folder.path().join("mini/spool")).unwrap();
        let is_spool = |name: &Path| name.extension().is_some_and(|e| e == "jsonl");
        (!left.any(|entry| is_spool(&entry.unwrap().path()))).then_some(())
    });
    agent.signal("TERM");
    assert!(agent.wait(SOON).success());
    until("its end", SOON, || (events(&server, "agent ends") == 1).then_some(()));
    for text in ["hello from the mini", "told while it was away"] {
        assert_eq!(events(&server, text), 1, "{text}");
    }
}

#[test]
fn settings_and_orders_reach_the_small_agent_between_its_heartbeats() {
    let folder = folder();
    let mut server = Start::new("server", folder.path()).config("{}\n").go();
    server.set_up(PASSWORD);
    let settings = json!({
        "interval": 300,
        "actions": {
            "say": {"run": ["/bin/echo", "it is done"]},
            "fail": {"run": ["/bin/false"]},
            "hang": {"run": ["/bin/sleep", "60"], "timeout": 1},
        },
    });
    let file = write(folder.path(), "mini.json", &settings.to_string());
    let token = token(&server, folder.path());
    let mut command = mini(folder.path());
    command.arg("-c").arg(&file).args(["--token", &token]);
    let mut agent = Process::start(&mut command, folder.path(), "mini");
    server.host_when("mini-1", SOON, |host| host["facts"]["actions"] == "fail hang say");

    // The next heartbeat is minutes away.
    let began = Clock.now().mono;
    write(
        folder.path(),
        "hark.yaml",
        "agent_configs:\n  all: {match: {}, give: {collectors: {disk: {enabled: false}}}}\n",
    );
    server.host_when("mini-1", SOON, |host| {
        let checks = host["checks"].as_array().into_iter().flatten();
        checks.into_iter().any(|c| c["name"] == "agent configuration" && c["status"] == "ok")
    });
    // 5 s are promised; the rest is for a busy machine.
    let took = Clock.now().mono.since(began);
    assert!(took < Duration::from_secs(10), "{took:?}");

    let order = |action: &str| {
        let mut command = clean(HARK, folder.path());
        command.args(["cmd", "mini-1", action, "--reason", "test", "--data"]).arg(&server.data);
        run(&mut command, SOON)
    };
    let said = order("say");
    assert_eq!(said.status.code(), Some(0), "{said:?}");
    assert!(String::from_utf8_lossy(&said.stdout).contains("it is done"), "{said:?}");
    assert_eq!(order("fail").status.code(), Some(1));
    assert!(String::from_utf8_lossy(&order("hang").stdout).contains("ended after 1 s"));
    let orders = server.get("/api/0/hosts/mini-1/actions");
    let states: Vec<&str> =
        orders["orders"].as_array().unwrap().iter().map(|o| o["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["failed", "failed", "done"], "the newest first: {orders}");
    agent.signal("TERM");
    assert!(agent.wait(SOON).success());
}

#[test]
fn limits_of_the_server_alone_show_no_check_of_settings() {
    let folder = folder();
    let limits = "thresholds: {memory_monitor: {percent: {warning: 99.9}}}\n";
    let mut server = Start::new("server", folder.path()).config(limits).go();
    server.set_up(PASSWORD);
    let token = token(&server, folder.path());
    let mut agent = mini(folder.path());
    agent.args(["--interval", "1", "--token", &token]);
    let _agent = Process::start(&mut agent, folder.path(), "mini");
    let has = |host: &Value, check: &str| {
        let checks = host["checks"].as_array().into_iter().flatten();
        checks.into_iter().any(|found| found["name"] == check)
    };
    until("the limits", SOON, || {
        let given = std::fs::read_to_string(folder.path().join("mini/given.json")).ok()?;
        given.contains("memory_monitor.percent").then_some(())
    });
    let since = server.host_when("mini-1", SOON, |host| has(host, "memory_monitor.percent"));
    let host =
        server.host_when("mini-1", SOON, |host| host["last_heard_at"] != since["last_heard_at"]);
    assert!(!has(&host, "agent configuration"), "{host}");

    let more = "agent_configs: {all: {match: {}, give: {interval: 1s}}}\n";
    write(folder.path(), "hark.yaml", &format!("{limits}{more}"));
    server.host_when("mini-1", SOON, |host| has(host, "agent configuration"));
}

#[test]
fn another_key_is_refused_and_what_it_brings_is_kept_by_the_agent() {
    let folder = folder();
    let mut server = Start::new("server", folder.path()).go();
    server.set_up(PASSWORD);
    let token = token(&server, folder.path());
    let mut agent = mini(folder.path());
    agent.args(["--interval", "1", "--token", &token]);
    let mut agent = Process::start(&mut agent, folder.path(), "mini");
    server.host_when("mini-1", SOON, |host| host["state"] == "o");
    agent.signal("TERM");
    assert!(agent.wait(SOON).success());
    let heard = server.get("/api/0/hosts/mini-1")["last_heard_at"].clone();

    let path = folder.path().join("mini/identity.json");
    let mut identity: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    identity["key"] = json!("00".repeat(32));
    std::fs::write(&path, identity.to_string()).unwrap();
    let mut agent = mini(folder.path());
    let mut agent = Process::start(agent.args(["--interval", "1"]), folder.path(), "forged");
    until("the refusal", SOON, || {
        (server.get("/api/0/self")["datagrams"]["forged"].as_u64() >= Some(2)).then_some(())
    });
    until("the agent's complaint", SOON, || agent.errors().contains("(401)").then_some(()));
    assert!(agent.is_running(), "it goes on and keeps what it finds");
    assert_eq!(server.get("/api/0/hosts/mini-1")["last_heard_at"], heard);
    let kept = std::fs::read_dir(folder.path().join("mini/spool")).unwrap().count();
    assert!(kept > 0, "samples are kept");

    // A server with another certificate is told nothing.
    identity["fingerprint"] = json!("11".repeat(32));
    agent.kill();
    std::fs::write(&path, identity.to_string()).unwrap();
    let told = run(mini(folder.path()).args(["-m", "secret"]), SOON);
    assert_eq!(told.status.code(), Some(1));
    let said = String::from_utf8_lossy(&told.stderr).into_owned();
    assert!(said.contains("another certificate"), "{said}");
    let events = server.get("/api/0/events?q=secret");
    assert!(!events.to_string().contains("secret"), "{events}");
}

#[test]
fn hosts_that_share_a_secret_are_learned_over_https_too() {
    let folder = folder();
    let mut server = Start::new("server", folder.path()).config("secret: a shared one\n").go();
    server.set_up(PASSWORD);
    let fingerprint = fingerprint(&token(&server, folder.path()));
    let settings = json!({
        "server": format!("127.0.0.1:{}", server.http), "hb_port": 50003, "interval": 1,
        "secret": "a shared one", "fingerprint": fingerprint,
        "plugins": {
            "memory_monitor": {},
            "nagios_runner": {"interval": 1, "commands": [
                {"name": "two", "command": "/bin/sh -c 'echo \"bad | n=3\"; exit 2'"}]},
        },
    });
    let path = write(folder.path(), "mini.json", &settings.to_string());
    let mut agent = mini(folder.path());
    let _agent = Process::start(agent.arg("-c").arg(path), folder.path(), "mini");
    let host = server.host_when("mini-1", SOON, |host| {
        let checks = host["checks"].as_array().into_iter().flatten();
        checks.into_iter().any(|c| c["name"] == "two" && c["status"] == "critical")
    });
    assert_eq!(host["interval_seconds"], 1.0);
    let values = until("the plugin's values", SOON, || {
        let plugins = server.get("/api/0/hosts/mini-1/plugins");
        let values = plugins["plugins"]["nagios_runner"]["values"].clone();
        values.is_object().then_some(values)
    });
    assert_eq!(values, json!({"two.exit_code": 2.0, "two.n": 3.0}));
    let agents = server.get("/api/0/agents");
    assert_eq!(agents[0]["mode"], "shared", "{agents}");
}

/// Returns the fingerprint of the server's certificate, as its tokens carry it.
fn fingerprint(token: &str) -> String {
    let token = hark_model::EnrolToken::decode(token).unwrap();
    token.fingerprint().iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

#[test]
fn what_the_small_agent_and_the_package_promise_alone() {
    let mut tests = clean(PYTHON, &script(""));
    tests.args(["-m", "unittest", "discover", "-s", ".", "-t", "."]);
    succeed(tests.env("PYTHONDONTWRITEBYTECODE", "1"), Duration::from_mins(2));
    let sdk = script("../sdk/python");
    let mut tests = clean(PYTHON, &sdk);
    tests.args(["-m", "unittest", "discover", "-s", "tests", "-t", "."]);
    succeed(tests.env("PYTHONDONTWRITEBYTECODE", "1"), Duration::from_mins(2));
}

#[test]
fn a_collector_in_python_reaches_the_page_through_the_real_agent() {
    let folder = folder();
    let plugins = folder.path().join("plugins");
    std::fs::create_dir(&plugins).unwrap();
    write(
        &plugins,
        "mine.py",
        "from hark import Metric, MonitorPlugin\n\n\n\
         class Mine(MonitorPlugin):\n    name = 'mine'\n    interval = 1\n    looks = 0\n\n    \
         async def collect(self):\n        self.looks += 1\n        \
         if self.looks == 2:\n            raise RuntimeError('the second look fails')\n        \
         self.check('queue', 'warning', 'too long')\n        \
         return {'value': 42, 'nested': {'deep': Metric(1.5, 's')}, 'release': '2026.11'}\n",
    );
    let sdk = script("../sdk/python").canonicalize().unwrap();
    let command = json!([
        "/usr/bin/env",
        format!("PYTHONPATH={}", sdk.display()),
        "PYTHONDONTWRITEBYTECODE=1",
        PYTHON,
        "-m",
        "hark",
        "run",
        plugins,
    ]);
    let config = json!({"agent": {
        "name": "py-1", "interval": "1s", "custom": {"python": {"command": command}}}});
    let mut server = Start::new("up", folder.path()).config(&config.to_string()).go();
    server.set_up(PASSWORD);
    let host = server.host_when("py-1", SOON, |host| {
        let has = |name: &str, status: &str| {
            let checks = host["checks"].as_array().into_iter().flatten();
            checks.into_iter().any(|c| c["name"] == name && c["status"] == status)
        };
        has("python.queue", "warning") && has("python.mine", "ok")
    });
    assert_eq!(host["facts"]["mine.release"], "2026.11", "{host}");
    let values = until("the values", SOON, || {
        let plugins = server.get("/api/0/hosts/py-1/plugins");
        let values = plugins["plugins"]["custom"]["values"].clone();
        values.is_object().then_some(values)
    });
    assert_eq!(values["python.mine.value"], 42.0, "{values}");
    assert_eq!(values["python.mine.nested.deep"], 1.5, "{values}");
    // The error of the second look was told, and the looks after it came.
    until("the error and its end", SOON, || {
        let events = server.get("/api/0/events?q=second%20look");
        events["items"].as_array()?.first().map(|_| ())
    });
}

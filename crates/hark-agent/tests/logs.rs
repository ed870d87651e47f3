//! The whole agent watching logs: what is written is on the server's disk, once, whatever happens to
//! the agent.

#![expect(clippy::unwrap_used, reason = "a failure here is a failed test")]

#[path = "support/server.rs"]
mod server;

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use hark_agent::{Access, Agent, AgentConfig, AgentError, Stop, Summary};
use hark_config::{Document, NoSecrets, Style};
use hark_model::{Clock, HostName, Secret, Status};
use hark_proto::{Identity, ReportItem};
use server::{Disk, Server};

const SECRET: &str = "shared by all";

fn identity() -> Identity {
    Identity::simple(SECRET.as_bytes(), HostName::new("web").unwrap())
}

fn anywhere() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

/// The settings of an agent with `logs`, where DIR is the folder of the logs.
fn config(folder: &Path, server: SocketAddr, logs: &str) -> AgentConfig {
    let text = format!("logs:\n{}", logs.replace("DIR", folder.to_str().unwrap()));
    let document = Document::single(&text);
    let read = AgentConfig::read(&document.root(&NoSecrets), PathBuf::from("/"));
    assert_eq!(document.diagnostics().render(Style::Plain), "");
    let access = Access::Secret(Secret::new(SECRET));
    let mut config = AgentConfig::new(folder.join("agent"), access);
    config.logs = read.logs;
    config.servers = vec![hark_agent::Server::parse(&server.to_string()).unwrap()];
    config.host = Some(HostName::new("web").unwrap());
    config.interval = Some(Duration::from_secs(1));
    config
}

struct Running {
    stop: Stop,
    thread: JoinHandle<Result<Summary, AgentError>>,
}

impl Running {
    fn start(config: &AgentConfig) -> Self {
        let agent = Agent::new(config).unwrap();
        let stop = Stop::new().unwrap();
        let inside = stop.clone();
        Self { stop, thread: std::thread::spawn(move || agent.run(&inside)) }
    }

    fn end(self) {
        self.stop.stop();
        self.thread.join().unwrap().unwrap();
    }
}

fn append(path: &Path, text: &str) {
    let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// The texts of the events of watches.
fn lines(disk: &Disk) -> Vec<String> {
    let text = |item: &ReportItem| match item {
        ReportItem::Event(event) if event.kind.word() == "log" => Some(event.text.clone()),
        ReportItem::Event(_)
        | ReportItem::Result(_)
        | ReportItem::Facts(_)
        | ReportItem::Outcome(_) => None,
    };
    disk.applied.iter().filter_map(text).collect()
}

fn statuses(disk: &Disk, check: &str) -> Vec<Status> {
    let status = |item: &ReportItem| match item {
        ReportItem::Result(result) if result.check.as_str() == check => Some(result.status),
        ReportItem::Event(_)
        | ReportItem::Result(_)
        | ReportItem::Facts(_)
        | ReportItem::Outcome(_) => None,
    };
    let mut statuses: Vec<Status> = disk.applied.iter().filter_map(status).collect();
    statuses.dedup();
    statuses
}

#[test]
fn events_checks_and_counts_reach_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(identity(), anywhere(), Arc::default());
    let log = folder.path().join("app.log");
    append(&log, "old ERROR\n");
    let agent = Running::start(&config(
        folder.path(),
        server.address,
        "  errors: {file: DIR/*.log, match: '(ERROR|FATAL) (\\w+)', severity: critical, \
         tags: [app], text: '{2} in {file}'}\n\
         \x20 many: {file: DIR/app.log, match: timeout, more_than: 2, within: 3s}\n\
         \x20 quiet: {file: DIR/app.log, match: beat, silent_for: 2s, severity: critical}\n\
         \x20 hits: {file: DIR/app.log, match: 'GET /', count_every: 1s}\n",
    ));
    let ok = |disk: &Disk, check: &str| statuses(disk, check).contains(&Status::Ok);
    assert!(server.wait(|disk| ok(disk, "log_monitor.many")));
    append(&log, "2026 ERROR disk full\n");
    append(&log, "timeout\ntimeout\ntimeout GET /\n");
    append(&folder.path().join("other.log"), "FATAL end\n");
    let expected = [
        format!("disk in {}", log.display()),
        format!("end in {}", folder.path().join("other.log").display()),
    ];
    assert!(server.wait(|disk| expected.iter().all(|text| lines(disk).contains(text))));
    assert!(server.wait(|disk| {
        let flow = statuses(disk, "log_monitor.many");
        flow.contains(&Status::Warning) && flow.last() == Some(&Status::Ok)
    }));
    assert!(server.wait(|disk| statuses(disk, "log_monitor.quiet").contains(&Status::Critical)));
    append(&log, "beat\n");
    assert!(server.wait(|disk| statuses(disk, "log_monitor.quiet").len() >= 3));
    assert!(server.wait(|disk| disk.values.contains_key("log_monitor.hits.count")));
    agent.end();
    let disk = server.disk.0.lock().unwrap();
    let texts = lines(&disk);
    assert_eq!(texts.iter().filter(|text| **text == "more than 2 hits within 3 s").count(), 1);
    assert!(!texts.iter().any(|text| text.contains("old")), "{texts:?}");
}

#[test]
fn what_is_written_while_the_agent_is_restarted_with_other_settings_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(identity(), anywhere(), Arc::default());
    let log = folder.path().join("a.log");
    append(&log, "");
    let one = "  w: {file: DIR/a.log, match: line}\n";
    let agent = Running::start(&config(folder.path(), server.address, one));
    append(&log, "line 1\n");
    // Before the first look this is old, and after it news.
    let seen = server.wait(|disk| {
        append(&log, "line\n");
        lines(disk).contains(&"line".to_owned())
    });
    assert!(seen);
    agent.end();
    append(&log, "line 2\n");
    std::fs::rename(&log, folder.path().join("a.log.1")).unwrap();
    append(&log, "line 3\n");
    let two = format!("{one}  v: {{file: DIR/a.log, match: '3', more_than: 5, within: 60s}}\n");
    let agent = Running::start(&config(folder.path(), server.address, &two));
    assert!(server.wait(|disk| lines(disk).contains(&"line 3".to_owned())));
    agent.end();
    let texts = lines(&server.disk.0.lock().unwrap());
    for text in ["line 2", "line 3"] {
        assert_eq!(texts.iter().filter(|other| *other == text).count(), 1, "{text}: {texts:?}");
    }
}

#[test]
fn an_agent_that_cannot_watch_its_logs_says_so_and_does_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(identity(), anywhere(), Arc::default());
    // A folder where the number of the last batch should stand.
    std::fs::create_dir_all(folder.path().join("agent/logs-done")).unwrap();
    let logs = "  w: {file: DIR/a.log, match: line}\n";
    let agent = Running::start(&config(folder.path(), server.address, logs));
    let told = |item: &ReportItem| {
        matches!(item, ReportItem::Event(event)
            if event.kind.word() == "log_watch" && event.text.contains("logs are not watched"))
    };
    assert!(server.wait(|disk| disk.applied.iter().any(told) && disk.beats >= 2));
    agent.end();
}

/// The agent as a process of its own.
struct Process(Child);

impl Process {
    fn start(folder: &Path, server: SocketAddr) -> Self {
        // Built with the tests, beside the folder of this very program.
        let own = std::env::current_exe().unwrap();
        let built = own.parent().unwrap().parent().unwrap().join("examples/log_agent");
        let files = folder.join("*.log");
        let child = Command::new(built)
            .arg(folder.join("agent"))
            .arg(server.to_string())
            .arg(SECRET)
            .arg(files)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }
}

impl Drop for Process {
    /// As `kill -9`.
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn an_agent_that_is_killed_again_and_again_tells_each_line_once() {
    const KILLS: u64 = 12;
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(identity(), anywhere(), Arc::default());
    let log = folder.path().join("a.log");
    append(&log, "");
    let mut process = Process::start(folder.path(), server.address);
    // From here on the log is known to the agent.
    let state = folder.path().join("agent/logs.1");
    let patience = Clock.now().mono + Duration::from_secs(30);
    while std::fs::metadata(&state).map_or(0, |found| found.len()) == 0 {
        assert!(Clock.now().mono < patience);
        std::thread::park_timeout(Duration::from_millis(20));
    }
    let mut written = 0;
    for kill in 0..KILLS {
        // Each time the kill comes at another moment.
        for _ in 0..(20 + kill * 7) {
            append(&log, &format!("line {written}\n"));
            written += 1;
            std::thread::park_timeout(Duration::from_millis(1 + kill));
            if written % 97 == 0 {
                let old = folder.path().join(format!("a.log.{}", written / 97));
                std::fs::rename(&log, old).unwrap();
                File::create(&log).unwrap();
            }
        }
        drop(process);
        process = Process::start(folder.path(), server.address);
    }
    append(&log, "line last\n");
    let all = server.wait(|disk| lines(disk).len() > written);
    drop(process);
    let texts = lines(&server.disk.0.lock().unwrap());
    let mut counted: BTreeMap<&str, usize> = BTreeMap::new();
    for text in &texts {
        *counted.entry(text).or_default() += 1;
    }
    let twice: Vec<_> = counted.iter().filter(|(_, count)| **count > 1).collect();
    let missing: Vec<usize> =
        (0..written).filter(|n| !counted.contains_key(format!("line {n}").as_str())).collect();
    assert!(all && twice.is_empty() && missing.is_empty(), "{twice:?} twice, {missing:?} missing");
}

//! The whole agent over loopback: its own thread, real sockets, a server that dies and comes back.

#![expect(clippy::unwrap_used, reason = "a failure here is a failed test")]

#[path = "support/server.rs"]
mod server;

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use hark_agent::{Access, Agent, AgentConfig, AgentError, Returning, Stop, Summary, inject};
use hark_model::{Clock, Event, EventKind, HostName, Secret, Severity, Status, Unix};
use hark_proto::{Identity, ReportItem};
use server::{Disk, Server};

const SECRET: &str = "shared by all";

fn identity() -> Identity {
    Identity::simple(SECRET.as_bytes(), HostName::new("web").unwrap())
}

fn anywhere() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

fn config(folder: &Path, server: SocketAddr) -> AgentConfig {
    let access = Access::Secret(Secret::new(SECRET));
    let mut config = AgentConfig::new(folder.to_owned(), access);
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

    fn end(self) -> Summary {
        let began = Clock.now().mono;
        self.stop.stop();
        let summary = self.thread.join().unwrap().unwrap();
        let took = Clock.now().mono.since(began);
        assert!(took < Duration::from_secs(3), "{took:?}");
        summary
    }
}

fn events(disk: &Disk) -> Vec<(String, String)> {
    let event = |item: &ReportItem| match item {
        ReportItem::Event(event) => Some((event.kind.word().to_owned(), event.text.clone())),
        ReportItem::Result(_) | ReportItem::Facts(_) | ReportItem::Outcome(_) => None,
    };
    disk.applied.iter().filter_map(event).collect()
}

#[test]
fn a_machine_is_on_the_servers_disk_within_seconds_and_says_when_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(identity(), anywhere(), Arc::default());
    let agent = Running::start(&config(&folder.path().join("agent"), server.address));
    assert!(server.wait(|disk| disk.values.contains_key("cpu_monitor.cpu_percent")));
    assert!(server.wait(|disk| disk.beats >= 3));
    let summary = agent.end();
    assert_eq!((summary.pending.samples, summary.pending.reports), (0, 0));
    let disk = server.disk.0.lock().unwrap();
    let hello = disk.hello.as_ref().unwrap();
    assert_eq!((hello.host.as_str(), hello.interval_ms), ("web", 1000));
    assert!(hello.facts.contains_key("kernel") && hello.booted_at.is_some());
    for path in [
        "cpu_monitor.cpu_percent",
        "cpu_monitor.load_1min",
        "memory_monitor.percent",
        "uptime_monitor.uptime_seconds",
        "network_monitor.connections",
    ] {
        assert!(disk.values[path].is_finite(), "{path}");
    }
    assert_eq!(events(&disk).last().unwrap().0, "shutdown");
}

/// Settings of an agent, as its host's file has them.
fn read(text: &str) -> AgentConfig {
    let document = hark_config::Document::single(text);
    let section = document.root(&hark_config::NoSecrets);
    let config = AgentConfig::read(&section, std::path::PathBuf::from("/nowhere"));
    assert_eq!(document.diagnostics().render(hark_config::Style::Plain), "");
    config
}

#[test]
fn plugins_and_commands_are_checks_and_series_on_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(identity(), anywhere(), Arc::default());
    let mut settings = config(&folder.path().join("agent"), server.address);
    settings.jobs = read(
        "plugins: {answer: {command: [printf, 'ANSWER WARNING | ''the answer''=42ms;40;50;0'], every: 1s}}\n\
         commands: {load: {command: echo load=5.25, extract: '(load)=([0-9.]+)', every: 1s,\n  \
         metrics: {value: 2, name: load}, alert_if: {value: 2, above: 4, message: load above 4, tags: LOAD}}}\n\
         custom: {mine: {command: [echo, '{\"facts\": {\"release\": \"7\"}}'], every: 1s}}\n",
    )
    .jobs;
    let agent = Running::start(&settings);
    let results = |disk: &Disk, name: &str| -> Vec<hark_model::CheckResult> {
        let result = |item: &ReportItem| match item {
            ReportItem::Result(result) if result.check.as_str() == name => Some(result.clone()),
            ReportItem::Result(_)
            | ReportItem::Event(_)
            | ReportItem::Facts(_)
            | ReportItem::Outcome(_) => None,
        };
        disk.applied.iter().filter_map(result).collect()
    };
    assert!(server.wait(|disk| results(disk, "answer").len() >= 2));
    assert!(server.wait(|disk| disk.values.contains_key("nagios_runner.answer.the answer")));
    assert!(server.wait(|disk| disk.values.contains_key("command.load.load")));
    agent.end();
    let disk = server.disk.0.lock().unwrap();
    let answer = &results(&disk, "answer")[0];
    assert_eq!((answer.status, answer.text.as_str()), (Status::Ok, "ANSWER WARNING"));
    let limits = &answer.limits[0];
    assert_eq!(limits.series.path(), "nagios_runner.answer.the answer");
    assert!(limits.warning.unwrap().is_bad(42.0) && !limits.critical.unwrap().is_bad(42.0));
    assert!((disk.values["nagios_runner.answer.the answer"] - 42.0).abs() < 1e-9);
    assert!((disk.values["command.load.load"] - 5.25).abs() < 1e-9);
    assert_eq!(results(&disk, "load")[0].text, "load above 4 (5.25)");
    assert_eq!(results(&disk, "mine")[0].status, Status::Ok);
    let fact = ReportItem::Facts(vec![("release".to_owned(), "7".to_owned())]);
    assert!(disk.applied.contains(&fact));
    let told = events(&disk).iter().filter(|(kind, _)| kind == "command").count();
    assert_eq!(told, 1, "a trouble that goes on is one event");
}

#[test]
fn a_collector_that_was_asked_for_and_finds_nothing_is_a_check_until_nobody_asks_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(identity(), anywhere(), Arc::default());
    let mut settings = config(&folder.path().join("agent"), server.address);
    let socket = folder.path().join("engine.sock");
    let named = format!("containers: {{interval: 1s, socket: {}}}", socket.display());
    settings.collectors = read(&format!("collectors: {{{named}}}\n")).collectors;
    let newest = |disk: &Disk| {
        disk.applied.iter().rev().find_map(|item| match item {
            ReportItem::Result(r) if r.check.as_str() == "collectors" => Some(r.clone()),
            ReportItem::Result(_)
            | ReportItem::Event(_)
            | ReportItem::Facts(_)
            | ReportItem::Outcome(_) => None,
        })
    };
    let is = |disk: &Disk, status| newest(disk).is_some_and(|found| found.status == status);
    let agent = Running::start(&settings);
    assert!(server.wait(|disk| is(disk, Status::Warning)));
    let text = newest(&server.disk.0.lock().unwrap()).unwrap().text;
    let said = format!("containers: there is no {}; start Docker", socket.display());
    assert!(text.starts_with(&said), "{text}");
    agent.end();

    settings.collectors = read("{}\n").collectors;
    let agent = Running::start(&settings);
    assert!(server.wait(|disk| is(disk, Status::Ok)));
    agent.end();
}

fn configured(disk: &Disk, status: Status) -> Option<String> {
    disk.applied.iter().rev().find_map(|item| match item {
        ReportItem::Result(r) if r.check.as_str() == "agent configuration" => {
            (r.status == status).then(|| r.text.clone())
        }
        ReportItem::Result(_)
        | ReportItem::Event(_)
        | ReportItem::Facts(_)
        | ReportItem::Outcome(_) => None,
    })
}

#[test]
fn settings_come_from_the_server_and_a_wrong_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("agent");
    let server = Server::start(identity(), anywhere(), Arc::default());
    let (address, disk) = (server.address, Arc::clone(&server.disk));
    let give = |revision: u32, text: &str| {
        disk.0.lock().unwrap().given = Some((revision, text.to_owned()));
    };
    give(1, "{\"collectors\": {\"uptime\": {\"enabled\": false}, \"cpu\": {\"enabled\": true}}}\n");
    let mut settings = config(&home, address);
    settings.own = r#"{"interval":"1s","collectors":{"load":{"enabled":false}}}"#.to_owned();
    let agent = Running::start(&settings);
    assert!(server.wait(|disk| configured(disk, Status::Ok).is_some()));
    let forget = || {
        let mut disk = disk.0.lock().unwrap();
        disk.values.clear();
        disk.beats = 0;
    };
    forget();
    assert!(server.wait(|disk| disk.beats >= 3));
    let has = |path: &str| disk.0.lock().unwrap().values.contains_key(path);
    assert!(has("cpu_monitor.cpu_percent") && !has("uptime_monitor.uptime_seconds"));
    assert!(!has("load_monitor.load_1min"), "the host's own file wins");

    give(2, "{\"collectors\": {\"uptimes\": {}}}\n");
    assert!(server.wait(|disk| configured(disk, Status::Warning).is_some()));
    let refused = configured(&disk.0.lock().unwrap(), Status::Warning).unwrap();
    assert!(refused.contains("00000002 is refused") && refused.contains("`uptime`"), "{refused}");
    forget();
    assert!(server.wait(|disk| disk.beats >= 2));
    assert!(!has("uptime_monitor.uptime_seconds"), "the one before goes on");

    // What was given last holds while the server is away, also after a start of the agent.
    agent.end();
    drop(server);
    let silent = UdpSocket::bind(address).unwrap();
    silent.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let agent = Running::start(&settings);
    for _ in 0..4 {
        silent.recv(&mut [0; 2048]).unwrap();
    }
    agent.end();
    drop(silent);
    forget();
    disk.0.lock().unwrap().given = None;
    let server = Server::start(identity(), address, Arc::clone(&disk));
    let agent = Running::start(&settings);
    assert!(server.wait(|disk| disk.values.contains_key("uptime_monitor.uptime_seconds")));
    agent.end();
}

#[test]
fn what_was_measured_while_server_and_agent_were_away_arrives_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("agent");
    let server = Server::start(identity(), anywhere(), Arc::default());
    let (address, disk) = (server.address, Arc::clone(&server.disk));
    let agent = Running::start(&config(&home, address));
    assert!(server.wait(|disk| disk.beats >= 2 && !disk.frames.is_empty()));
    drop(server);
    let began = Clock.now().mono;
    let silent = UdpSocket::bind(address).unwrap();
    silent.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut buffer = [0; 2048];
    // Some heartbeats go to somebody who says nothing.
    while Clock.now().mono.since(began) < Duration::from_secs(4) {
        silent.recv(&mut buffer).unwrap();
    }
    let summary = agent.end();
    assert!(summary.pending.samples >= 2, "{summary:?}");
    assert!(summary.pending.reports >= 1, "the shutdown, and facts of slow collectors");
    drop(silent);
    let agent = Running::start(&config(&home, address));
    let server = Server::start(identity(), address, disk);
    assert!(server.wait(|disk| events(disk).iter().any(|(kind, _)| kind == "shutdown")));
    // No hole of more than two intervals in what the server has.
    let whole = |disk: &Disk| {
        let mut times: Vec<i64> = disk.frames.iter().map(|(_, at)| *at).collect();
        times.sort_unstable();
        times.windows(2).all(|two| two[1] - two[0] < 3500) && disk.beats >= 4
    };
    assert!(server.wait(whole));
    agent.end();
}

#[test]
fn a_server_that_was_restarted_is_spoken_to_in_a_new_session() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(identity(), anywhere(), Arc::default());
    let (address, disk) = (server.address, Arc::clone(&server.disk));
    let agent = Running::start(&config(&folder.path().join("agent"), address));
    assert!(server.wait(|disk| disk.beats >= 1));
    drop(server);
    let before = disk.0.lock().unwrap().highest;
    let server = Server::start(identity(), address, disk);
    assert!(server.wait(|disk| disk.highest > before && disk.beats >= 3));
    assert_eq!(agent.end().counts.sessions, 2);
}

#[test]
fn an_agent_goes_to_the_second_server_after_silence_and_back_when_the_first_lives() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("agent");
    let first = Server::start(identity(), anywhere(), Arc::default());
    let second = Server::start(identity(), anywhere(), Arc::default());
    let (address, disk) = (first.address, Arc::clone(&first.disk));
    let mut settings = config(&home, address);
    settings.servers.push(hark_agent::Server::parse(&second.address.to_string()).unwrap());
    let seconds = Duration::from_secs;
    settings.returning = Returning { stay: seconds(3), shortest: seconds(1), longest: seconds(2) };
    let agent = Running::start(&settings);
    let tell = |text: &str| {
        let kind = EventKind::Other("backup".to_owned());
        let (severity, text) = (Severity::Info, text.to_owned());
        inject::send(
            &home,
            &Event { at: Unix(0), kind, severity, text, tags: Vec::new(), data: None },
        )
        .unwrap();
    };
    let has = |disk: &Disk, text: &str| events(disk).iter().any(|(_, told)| told == text);
    tell("at the first");
    assert!(first.wait(|disk| disk.beats >= 3 && has(disk, "at the first")));
    assert_eq!(second.disk.0.lock().unwrap().datagrams, 0);

    drop(first);
    tell("at none");
    assert!(second.wait(|disk| disk.beats >= 3 && has(disk, "at none")));
    // The first one is asked all the while, and the second notices nothing of it.
    assert!(second.wait(|disk| disk.beats >= 9));
    assert_eq!(second.disk.0.lock().unwrap().sessions.len(), 1);

    let before = disk.0.lock().unwrap().beats;
    let first = Server::start(identity(), address, disk);
    assert!(first.wait(|disk| disk.beats >= before + 3));
    tell("at the first again");
    assert!(first.wait(|disk| has(disk, "at the first again")));
    assert!(agent.end().pending.samples == 0);

    let (first, second) = (first.disk.0.lock().unwrap(), second.disk.0.lock().unwrap());
    assert!(first.sessions.is_disjoint(&second.sessions), "no two servers answer in one session");
    assert!(!has(&second, "at the first again"));
    let mut times: Vec<i64> = first.frames.union(&second.frames).map(|(_, at)| *at).collect();
    times.sort_unstable();
    let longest = times.windows(2).map(|two| two[1] - two[0]).max().unwrap();
    assert!(longest < 3500, "{longest} ms are missing");
}

#[test]
fn a_local_program_hands_in_an_event() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("agent");
    let server = Server::start(identity(), anywhere(), Arc::default());
    let agent = Running::start(&config(&home, server.address));
    let event = Event {
        at: Unix(0),
        kind: EventKind::Other("backup".to_owned()),
        severity: Severity::Warning,
        text: "took 3 h".to_owned(),
        tags: Vec::new(),
        data: None,
    };
    inject::send(&home, &event).unwrap();
    assert!(server.wait(|disk| events(disk).contains(&("backup".into(), "took 3 h".into()))));
    agent.end();
}

#[test]
fn events_are_delivered_without_a_running_agent_or_kept_for_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("agent");
    let event = |text: &str| Event {
        at: Unix(5),
        kind: EventKind::Message,
        severity: Severity::Info,
        text: text.to_owned(),
        tags: Vec::new(),
        data: None,
    };
    let away = UdpSocket::bind(anywhere()).unwrap();
    let address = away.local_addr().unwrap();
    let agent = Agent::new(&config(&home, address)).unwrap();
    assert!(!agent.deliver(vec![event("one")], Duration::from_millis(50)).unwrap());
    drop(away);
    let server = Server::start(identity(), address, Arc::default());
    let agent = Agent::new(&config(&home, address)).unwrap();
    assert!(agent.deliver(vec![event("two")], Duration::from_secs(20)).unwrap());
    let disk = server.disk.0.lock().unwrap();
    let texts: Vec<String> = events(&disk).into_iter().map(|(_, text)| text).collect();
    assert!(texts.contains(&"one".to_owned()) && texts.contains(&"two".to_owned()), "{texts:?}");
}

#[test]
fn a_boot_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let (home, root) = (folder.path().join("agent"), folder.path().join("root"));
    let random = root.join("proc/sys/kernel/random");
    std::fs::create_dir_all(&random).unwrap();
    std::fs::write(root.join("proc/stat"), "cpu 1 1 1 1\nbtime 1700000000\n").unwrap();
    std::fs::write(root.join("proc/uptime"), "90000.00 1.0\n").unwrap();
    let server = Server::start(identity(), anywhere(), Arc::default());
    let run = |boot: &str| {
        std::fs::write(random.join("boot_id"), boot).unwrap();
        let mut config = config(&home, server.address);
        config.root = hark_agent::collectors::Root::at(&root);
        assert!(Agent::new(&config).unwrap().deliver(Vec::new(), Duration::from_secs(20)).unwrap());
        let disk = server.disk.0.lock().unwrap();
        events(&disk).iter().filter(|(kind, _)| kind == "boot").count()
    };
    assert_eq!(run("one"), 0, "up for a day at the first start: that boot is old news");
    assert_eq!(run("one"), 0);
    assert_eq!(run("two"), 1);
    assert_eq!(run("two"), 1);
}

#[test]
fn only_one_agent_runs_in_a_folder_and_none_without_a_server_or_a_secret() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("agent");
    let agent = Agent::new(&config(&home, anywhere_closed())).unwrap();
    assert!(matches!(Agent::new(&config(&home, anywhere_closed())), Err(AgentError::Home(_))));
    drop(agent);
    let nowhere = AgentConfig { servers: Vec::new(), ..config(&home, anywhere_closed()) };
    assert!(matches!(Agent::new(&nowhere), Err(AgentError::NoServer)));
    let unknown = AgentConfig { access: Access::Stored, ..config(&home, anywhere_closed()) };
    assert!(matches!(Agent::new(&unknown), Err(AgentError::Unknown)));
}

fn anywhere_closed() -> SocketAddr {
    UdpSocket::bind(anywhere()).unwrap().local_addr().unwrap()
}

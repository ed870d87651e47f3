//! Measures what an agent costs: `footprint [SECONDS [INTERVAL_SECONDS [everything]]]`; with
//! `everything` also what is off by default. `footprint looks` says what each collector takes.
//!
//! The server runs in a process of its own (this program again, called with `serve`), so that only
//! the agent is measured: its memory, and the time all its threads were on a processor.

#![expect(clippy::unwrap_used, reason = "a measurement that fails has nothing to say")]
#![expect(clippy::print_stdout, reason = "its result is what it prints")]

#[path = "../tests/support/server.rs"]
mod server;

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use hark_agent::collectors::{self, Configured, Root};
use hark_agent::{Access, Agent, AgentConfig, Stop};
use hark_config::{Document, NoSecrets};
use hark_model::{Clock, HostName, Secret};
use hark_proto::Identity;
use server::Server;

const SECRET: &str = "footprint";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|a| a == "serve") {
        serve();
    } else if arguments.first().is_some_and(|a| a == "looks") {
        time_looks();
    } else {
        let number = |place: usize, default: u64| {
            arguments.get(place).map_or(default, |text| text.parse().unwrap())
        };
        let collectors =
            if arguments.get(2).is_some() { everything() } else { collectors::read(None) };
        let (time, interval) = (number(0, 60), number(1, 10));
        measure(Duration::from_secs(time), Duration::from_secs(interval), collectors);
    }
}

/// Every collector, also those that are off unless they are asked for.
fn everything() -> Vec<Configured> {
    let of = |kind: &&dyn collectors::CollectorType| match kind.name() {
        "cpu" => "cpu: {per_core: true}\n".to_owned(),
        "certificates" => "certificates: {paths: ['/etc/ssl/certs/*.pem']}\n".to_owned(),
        "systemd" => "systemd: {units: [ssh, cron]}\n".to_owned(),
        "smart" => "smart: {drives: [/dev/sda]}\n".to_owned(),
        name => format!("{name}: {{enabled: true}}\n"),
    };
    let text: String = collectors::COLLECTORS.iter().map(of).collect();
    let document = Document::single(&text);
    collectors::read(Some(&document.root(&NoSecrets)))
}

/// Prints what one look of each collector takes, with files warm.
fn time_looks() {
    const LOOKS: u32 = 300;
    for configured in everything() {
        let mut collector = configured.make.make(&Root::system());
        let mut values = Vec::new();
        let began = Clock.micros();
        for _ in 0..LOOKS {
            values.clear();
            if let Err(error) = collector.collect(began.mono(), &mut values) {
                println!("{}: {error}", configured.name);
                break;
            }
        }
        let took = f64::from(u32::try_from(Clock.micros().since(began)).unwrap());
        println!(
            "{}: {:.1} us for {} values",
            configured.name,
            took / f64::from(LOOKS),
            values.len()
        );
    }
}

/// Serves until standard input is closed, and then says what came.
fn serve() {
    let identity = Identity::simple(SECRET.as_bytes(), HostName::new("footprint").unwrap());
    let server = Server::start(identity, "127.0.0.1:0".parse().unwrap(), Arc::default());
    println!("{}", server.address);
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    assert!(server.wait(|disk| disk.beats > 0));
    let disk = server.disk.0.lock().unwrap();
    println!(
        "{} heartbeats of {} series in {} datagrams, {} bytes",
        disk.beats,
        disk.values.len(),
        disk.datagrams,
        disk.bytes
    );
}

fn measure(time: Duration, interval: Duration, collectors: Vec<Configured>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .arg("serve")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap());
    let mut address = String::new();
    said.read_line(&mut address).unwrap();

    let folder = tempfile::tempdir().unwrap();
    let access = Access::Secret(Secret::new(SECRET));
    let mut config = AgentConfig::new(folder.path().join("agent"), access);
    config.servers = vec![hark_agent::Server::parse(&address).unwrap()];
    config.host = Some(HostName::new("footprint").unwrap());
    config.interval = Some(interval);
    config.collectors = collectors;
    let agent = Agent::new(&config).unwrap();
    let stop = Stop::new().unwrap();
    let (timer, end) = (stop.clone(), sync_channel::<()>(1));
    let waiter = std::thread::spawn(move || {
        // Nobody sends: this only waits. The first two seconds are the start.
        assert!(end.1.recv_timeout(Duration::from_secs(2)).is_err());
        let before = on_processor();
        assert!(end.1.recv_timeout(time).is_err());
        let used = on_processor().saturating_sub(before);
        let memory = memory();
        timer.stop();
        (used, memory)
    });
    let summary = agent.run(&stop).unwrap();
    let (used, memory) = waiter.join().unwrap();
    println!("{memory}");
    let share = 100.0 * used.as_secs_f64() / time.as_secs_f64();
    println!("cpu: {:.1} ms in {time:?}: {share:.4} % of a core", used.as_secs_f64() * 1e3);
    println!("{summary:?}");
    drop(child.stdin.take());
    let mut came = String::new();
    said.read_to_string(&mut came).unwrap();
    print!("server: {came}");
    child.wait().unwrap();
    drop(end.0);
}

/// Time on a processor of all threads, as the scheduler counts it.
fn on_processor() -> Duration {
    let mut nanos = 0;
    for task in std::fs::read_dir("/proc/self/task").unwrap() {
        let text = std::fs::read_to_string(task.unwrap().path().join("schedstat")).unwrap();
        nanos += text.split(' ').next().unwrap().parse::<u64>().unwrap();
    }
    Duration::from_nanos(nanos)
}

/// RSS, PSS and what is not shared with any file.
fn memory() -> String {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    let wanted =
        |line: &&str| ["Rss:", "Pss:", "Anonymous:"].iter().any(|name| line.starts_with(name));
    let lines: Vec<String> = text
        .lines()
        .filter(wanted)
        .map(|line| line.split_ascii_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    lines.join(", ")
}

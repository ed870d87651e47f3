//! Agents that find their server on the local network, where somebody else answers as well.

use std::net::{Ipv4Addr, Ipv6Addr, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use hark_model::HostName;
use hark_proto::seek::{self, Here};
use hark_proto::{Identity, Kind};

use crate::support::network::Namespace;
use crate::support::process::{Process, clean, succeed};
use crate::support::server::{START, Start};
use crate::support::wait::until;
use crate::support::{HARK, PASSWORD, folder, write};

const SECRET: &str = "shared by all of ours";

/// Answers every call as well as somebody without the key can.
struct Forger {
    port: u16,
    calls: Arc<AtomicU64>,
    others: Arc<AtomicU64>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Forger {
    fn start(here: Ipv4Addr) -> Self {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        socket.join_multicast_v4(&seek::GROUP_V4, &here).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let port = socket.local_addr().unwrap().port();
        let [calls, others] = [0, 0].map(|n| Arc::new(AtomicU64::new(n)));
        let ended = Arc::new(AtomicBool::new(false));
        let told = (Arc::clone(&calls), Arc::clone(&others), Arc::clone(&ended));
        let thread = std::thread::spawn(move || forge(&socket, port, &told));
        Self { port, calls, others, ended, thread: Some(thread) }
    }
}

impl Drop for Forger {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        self.thread.take().unwrap().join().unwrap();
    }
}

fn forge(socket: &UdpSocket, port: u16, told: &(Arc<AtomicU64>, Arc<AtomicU64>, Arc<AtomicBool>)) {
    let (calls, others, ended) = told;
    // Somebody with a hark of their own: all is right but the key.
    let own = Identity::simple(b"another secret", HostName::new("branch").unwrap());
    let mut buffer = [0; 2048];
    while !ended.load(Ordering::SeqCst) {
        let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
        let Ok(call) = seek::peek(&buffer[..length]) else {
            others.fetch_add(1, Ordering::SeqCst);
            continue;
        };
        let here = Here { udp_port: port, https_port: port };
        let mut answer = Vec::new();
        seek::answer(&own.key, (call.agent, &call.random), &[7; 16], here, &mut answer);
        let echo = [&buffer[..1], &[seek::ANSWER], &buffer[2..length]].concat();
        for datagram in [&answer, &echo, &b"SRVHB%%mallory".to_vec(), &answer[..30].to_vec()] {
            socket.send_to(datagram, from).unwrap();
        }
        calls.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn an_agent_finds_its_server_on_the_local_network_and_believes_no_other() {
    let folder = folder();
    let network = Namespace::new();
    let secret = write(folder.path(), "secret", SECRET);
    let inside = |name: &str, arguments: &[&str]| {
        let mut command: Command = clean("ip", folder.path());
        command.args(["netns", "exec", &network.name, HARK, "agent"]).args(arguments);
        command.args(["--name", name, "--interval", "1s", "--data"]).arg(folder.path().join(name));
        Process::start(&mut command, folder.path(), name)
    };
    let with_secret = ["--secret-file", secret.to_str().unwrap()];

    let forger = Forger::start(network.here);
    let port = forger.port;
    let discover = format!("discover:{port}");
    let mut deceived = inside("branch", &[&[discover.as_str()], &with_secret[..]].concat());
    until("that nobody is found", START, || {
        deceived.errors().contains("no server that knows this agent").then_some(())
    });
    assert!(forger.calls.load(Ordering::SeqCst) >= 3, "by broadcast and multicast, more than once");
    assert_eq!(forger.others.load(Ordering::SeqCst), 0, "nothing but calls goes to a stranger");
    deceived.kill();
    drop(forger);

    let start = Start {
        ip: Ipv4Addr::UNSPECIFIED,
        ports: (0, port),
        ..Start::new("server", folder.path())
    };
    let mut server = start.config(&format!("discovery: true\nsecret: {SECRET}\n")).go();
    server.set_up(PASSWORD);
    let _found = inside("branch", &[&[discover.as_str()], &with_secret[..]].concat());
    let host = server.host_when("branch", START, |host| host["state"] == "o");
    assert_eq!(host["address"], network.there.to_string());

    // One with a token whose addresses lead nowhere.
    let mut enroll = clean(HARK, folder.path());
    enroll.args(["enroll", "--address", "192.0.2.1", "--data"]).arg(&server.data);
    let line = succeed(&mut enroll, START);
    let token = line.split_whitespace().find(|word| word.starts_with("hark-")).unwrap();
    let _joined = inside("second", &[discover.as_str(), "--token", token]);
    server.host_when("second", START, |host| host["state"] == "o");
    let agents = server.get("/api/0/agents");
    let mode = |name: &str| {
        let agents = agents.as_array().unwrap();
        agents.iter().find(|agent| agent["host"] == name).unwrap()["mode"].clone()
    };
    assert_eq!((mode("branch"), mode("second")), ("shared".into(), "enrolled".into()));
    assert_eq!(Kind::from_number(seek::CALL), None, "calls are no part of a session");
}

#[test]
fn where_there_is_ipv6_alone_an_agent_finds_its_server_as_well() {
    let folder = folder();
    let network = Namespace::new();
    network.leave_ipv6_alone();
    let secret = write(folder.path(), "secret", SECRET);
    // A port that is free now: agents have to be told which.
    let port = UdpSocket::bind("[::]:0").unwrap().local_addr().unwrap().port();
    let start = Start {
        agents_ip: Some(Ipv6Addr::UNSPECIFIED.into()),
        ports: (0, port),
        ..Start::new("server", folder.path())
    };
    let mut server = start.config(&format!("discovery: true\nsecret: {SECRET}\n")).go();
    server.set_up(PASSWORD);
    let mut command: Command = clean("ip", folder.path());
    command.args(["netns", "exec", &network.name, HARK, "agent", &format!("discover:{port}")]);
    command.args(["--name", "branch", "--interval", "1s"]).arg("--secret-file").arg(secret);
    command.arg("--data").arg(folder.path().join("branch"));
    let _found = Process::start(&mut command, folder.path(), "branch");
    let host = server.host_when("branch", START, |host| host["state"] == "o");
    let address = host["address"].as_str().unwrap();
    assert!(address.starts_with("fe80::"), "{address}");
}

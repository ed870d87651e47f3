//! An agent whose servers stand in the DNS, against a real name server (BIND).

#![expect(clippy::unwrap_used, reason = "a failure here is a failed test")]

#[path = "support/server.rs"]
mod server;

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use hark_agent::{Access, Agent, AgentConfig, Names, Returning, Stop};
use hark_model::{HostName, Secret};
use hark_proto::Identity;
use server::Server;

const SECRET: &str = "shared by all";

/// A name server with one zone, which ends with it.
struct Bind {
    child: Child,
    /// Kept, as it goes on to write there.
    said: BufReader<ChildStderr>,
    folder: PathBuf,
    address: SocketAddr,
}

impl Bind {
    /// Starts it with these records SRV of `_hark._udp.example.net`.
    fn start(folder: &Path, services: &[(u16, u16, &str)]) -> Self {
        let address = free();
        let port = address.port();
        let conf = format!(
            "options {{ directory \"{0}\"; pid-file none; session-keyfile \"{0}/session.key\"; \
             listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; recursion no; \
             dnssec-validation no; empty-zones-enable no; }};\ncontrols {{ }};\n\
             zone \"example.net\" {{ type primary; file \"zone\"; }};\n",
            folder.display()
        );
        std::fs::write(folder.join("named.conf"), conf).unwrap();
        write_zone(folder, 1, services);
        let (child, said) = named(folder);
        Self { child, said, folder: folder.to_owned(), address }
    }

    /// Gives it another zone, which it reads again.
    fn change(&mut self, services: &[(u16, u16, &str)]) {
        self.end();
        write_zone(&self.folder, 2, services);
        (self.child, self.said) = named(&self.folder);
    }

    fn end(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Bind {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Starts it, and waits until it says that it runs.
fn named(folder: &Path) -> (Child, BufReader<ChildStderr>) {
    let mut child = Command::new("/usr/sbin/named")
        .args(["-g", "-n", "1", "-c"])
        .arg(folder.join("named.conf"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("named is there: scripts/setup-test installs it");
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.trim_end().ends_with(" running") {
        line.clear();
        assert_ne!(said.read_line(&mut line).unwrap(), 0, "named has ended by itself");
    }
    (child, said)
}

fn write_zone(folder: &Path, serial: u32, services: &[(u16, u16, &str)]) {
    let mut zone = format!(
        "$TTL 60\n@ SOA ns hostmaster {serial} 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\nhere A 127.0.0.1\n"
    );
    for (priority, port, target) in services {
        writeln!(zone, "_hark._udp SRV {priority} 1 {port} {target}").unwrap();
    }
    std::fs::write(folder.join("zone"), zone).unwrap();
}

/// Returns an address that is free for both kinds of sockets.
fn free() -> SocketAddr {
    loop {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = udp.local_addr().unwrap();
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

fn serve(address: &str) -> Server {
    let identity = Identity::simple(SECRET.as_bytes(), HostName::new("web").unwrap());
    Server::start(identity, address.parse().unwrap(), Arc::default())
}

#[test]
fn an_agent_finds_its_servers_by_their_priorities_and_outlives_its_name_server() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second, third] = ["127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"].map(serve);
    let port = |server: &Server| server.address.port();
    let mut bind =
        Bind::start(folder.path(), &[(20, port(&second), "here"), (10, port(&first), "here")]);

    let access = Access::Secret(Secret::new(SECRET));
    let mut config = AgentConfig::new(folder.path().join("agent"), access);
    config.servers = vec![hark_agent::Server::parse("srv:example.net").unwrap()];
    config.names = Names::asking(vec![bind.address]);
    config.host = Some(HostName::new("web").unwrap());
    config.interval = Some(Duration::from_secs(1));
    let seconds = Duration::from_secs;
    config.returning = Returning { stay: seconds(1), shortest: seconds(1), longest: seconds(1) };
    let agent = Agent::new(&config).unwrap();
    let stop = Stop::new().unwrap();
    let inside = stop.clone();
    let thread = std::thread::spawn(move || agent.run(&inside));
    assert!(first.wait(|disk| disk.beats >= 1), "the lower priority");
    assert_eq!(second.disk.0.lock().unwrap().datagrams, 0);

    // The list stays while nobody answers for the names.
    bind.end();
    drop(first);
    assert!(second.wait(|disk| disk.beats >= 1), "the next one after silence");

    // The zone has another first one now, beside one that does not exist: the agent asks for it while it
    // is away from the first.
    let better = [(10, port(&third), "here"), (5, port(&third), "nowhere")];
    bind.change(&[(20, port(&second), "here"), better[0], better[1]]);
    assert!(third.wait(|disk| disk.beats >= 1), "the new list");
    stop.stop();
    thread.join().unwrap().unwrap();
}

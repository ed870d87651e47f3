//! What the tests share: processes, ports, certificates, relays, looks, and plugins.

pub(crate) mod certificates;
pub(crate) mod datagrams;
pub(crate) mod network;
pub(crate) mod process;
pub(crate) mod relay;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use hark_checks::{Context, Finding, from_target, run};
use hark_model::Status;
use hark_net::Resolver;

pub(crate) use hark_testing::free_port;
use process::{Process, until};
use relay::Relay;

/// How long a server may take to be there: the machine may be busy with other tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until something listens there.
pub(crate) async fn until_open(port: u16) {
    let address: SocketAddr = (Ipv4Addr::LOCALHOST, port).into();
    until(&format!("port {port} opens"), PATIENCE, async || {
        tokio::net::TcpStream::connect(address).await.is_ok()
    })
    .await;
}

/// Fails with what to do if a program of a server is not there.
pub(crate) fn needs(program: &str) {
    assert!(Path::new(program).exists(), "{program} is missing: run scripts/setup-test");
}

/// A name of this machine that has an address of each family.
const HERE: &str = "here.test";

/// Looks once at `address` and `port`.
pub(crate) async fn look_at(
    kind: &str,
    address: &str,
    port: u16,
    options: &[(&str, &str)],
) -> Finding {
    let (target, mut all) = target(kind, address, port);
    all.extend(options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    let check = from_target(kind, &target, &all).unwrap();
    // Names of this machine alone: what is in its own files does not matter.
    let folder = tempfile::tempdir().unwrap();
    let hosts = folder.path().join("hosts");
    std::fs::write(&hosts, format!("127.0.0.1 {HERE}\n::1 {HERE}\n")).unwrap();
    let resolver = Resolver::with_files(hosts, folder.path().join("none"));
    run(&*check, &Context::new(Arc::new(resolver))).await.0
}

/// Says where to look, in the words of the type.
fn target(kind: &str, address: &str, port: u16) -> (String, Vec<(String, String)>) {
    match kind {
        "http" => (format!("http://{address}:{port}/"), Vec::new()),
        "flow" => (format!("[{{url: 'http://{address}:{port}/'}}]"), Vec::new()),
        _ => (address.to_owned(), vec![("port".to_owned(), port.to_string())]),
    }
}

/// Looks once at a port of this machine.
pub(crate) async fn look(kind: &str, port: u16, options: &[(&str, &str)]) -> Finding {
    look_at(kind, "127.0.0.1", port, options).await
}

/// Looks and demands a status; `words` must stand in the text.
pub(crate) async fn expect(
    kind: &str,
    port: u16,
    options: &[(&str, &str)],
    status: Status,
    words: &str,
) -> Finding {
    let finding = look(kind, port, options).await;
    assert_eq!(finding.status, status, "{kind} {options:?}: {}", finding.text);
    assert!(finding.text.contains(words), "{kind} {options:?}: {}", finding.text);
    finding
}

/// What every type does beside a server that is well over TCP: the time is measured and judged, IPv6 is
/// gone over where it is the only way, and a server that is away is critical.
pub(crate) async fn good_slow_and_over_ipv6_alone(kind: &str, port: u16, options: &[(&str, &str)]) {
    let with = |more: &[(&'static str, &'static str)]| [options, more].concat();
    let good = expect(kind, port, options, Status::Ok, "").await;
    let measured = |name: &str| good.measures.iter().any(|m| m.name == name);
    assert!(measured("total_seconds"), "{good:?}");
    // A flow measures its steps, a port that opens is all of that; where TLS is all that is looked at,
    // nothing is said in it.
    let parts = match kind {
        "flow" => ["step1_seconds"; 2],
        "tcp" => ["connect_seconds"; 2],
        "tls" => ["connect_seconds", "tls_seconds"],
        _ => ["connect_seconds", "first_byte_seconds"],
    };
    assert!(parts.iter().all(|part| measured(part)), "{good:?}");
    let slow = Relay::start("127.0.0.1", port, Duration::from_millis(120)).await;
    let warned = with(&[("warning", "100ms"), ("timeout", "9s")]);
    expect(kind, slow.port(), &warned, Status::Warning, "ms").await;
    let too_slow = with(&[("timeout", "90ms")]);
    expect(kind, slow.port(), &too_slow, Status::Critical, "").await;

    let six = Relay::start("::1", port, Duration::ZERO).await;
    for (family, status) in [
        ("ipv6", Status::Ok),
        ("either", Status::Ok),
        ("ipv4", Status::Critical),
        ("both", Status::Critical),
    ] {
        let options = with(&[("family", family)]);
        let finding = look_at(kind, HERE, six.port(), &options).await;
        assert_eq!(finding.status, status, "{kind} {family}: {}", finding.text);
    }
    expect(kind, free_port(), options, Status::Critical, "refused").await;
}

/// Runs one of Debian's Nagios plugins and returns what its exit code means.
pub(crate) fn plugin(name: &str, arguments: &[&str]) -> (Status, String) {
    plugin_without_limit(name, &[arguments, &["-t", "5"]].concat())
}

/// The same for one that has no setting of its time.
pub(crate) fn plugin_without_limit(name: &str, arguments: &[&str]) -> (Status, String) {
    let path = format!("/usr/lib/nagios/plugins/{name}");
    needs(&path);
    let output = Command::new(path).args(arguments).output().unwrap();
    let status = match output.status.code() {
        Some(0) => Status::Ok,
        Some(1) => Status::Warning,
        Some(2) => Status::Critical,
        _ => Status::Unknown,
    };
    (status, String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Demands the same verdict of a plugin and of ours.
pub(crate) fn same(finding: &Finding, plugin: &(Status, String)) {
    assert_eq!(finding.status, plugin.0, "ours: {}\nplugin: {}", finding.text, plugin.1);
}

/// Starts a program that stays in the foreground.
pub(crate) fn start(program: &str, arguments: &[&str], folder: &Path) -> Process {
    needs(program);
    Process::start(Command::new(program).args(arguments), folder)
}

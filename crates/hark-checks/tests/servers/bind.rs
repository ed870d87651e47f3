//! `dns` and `dns_zone` against BIND, beside `check_dig` and `check_dns`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use hark_conditions::Fact;
use hark_model::Status;
use tempfile::TempDir;

use crate::support::certificates::{Authority, NAME};
use crate::support::datagrams::DatagramRelay;
use crate::support::network::alone;
use crate::support::process::{Process, as_nobody, folder_of_nobody, open_to_all, until};
use crate::support::{PATIENCE, expect, free_port, look_at, needs, plugin, same, until_open};

const PROGRAM: &str = "/usr/sbin/named";

const ZONE: &str = "$TTL 300\n@ SOA ns1 host SERIAL 3600 600 86400 300\n NS ns1\n NS ns2\n\
    ns1 A 127.0.0.1\nns2 AAAA ::1\nwww A 192.0.2.1\nwww A 192.0.2.2\n@ MX 10 www\n\
    @ TXT \"v=spf1 -all\"\nalias CNAME www\n";

/// A server with the zone `zone.test`.
struct Named {
    port: u16,
    folder: PathBuf,
    _process: Process,
}

impl Named {
    /// Starts one on `address`; `options` and `more` are added to its settings, the first within
    /// `options`, the second behind it.
    async fn start(
        folder: &Path,
        name: &str,
        at: (&str, u16),
        zone: Option<&str>,
        (options, more): (&str, &str),
    ) -> Self {
        needs(PROGRAM);
        let folder = folder_of_nobody(folder, name);
        let (address, port) = at;
        let listen = if address.contains(':') {
            format!("listen-on {{ none; }}; listen-on-v6 port {port} {{ {address}; }}")
        } else {
            format!("listen-on port {port} {{ {address}; }}; listen-on-v6 {{ none; }}")
        };
        let dir = folder.display();
        let mut settings = format!(
            "{more}\noptions {{ directory \"{dir}\"; pid-file \"{dir}/pid\"; \
             session-keyfile \"{dir}/key\"; managed-keys-directory \"{dir}\"; \
             {listen}; notify no; \
             {options} }};\ncontrols {{ }};\n"
        );
        if let Some(zone) = zone {
            std::fs::write(folder.join("zone"), zone).unwrap();
            settings += "zone \"zone.test\" { type primary; file \"zone\"; };\n";
        }
        let file = folder.join("named.conf");
        std::fs::write(&file, settings).unwrap();
        let mut command = Command::new(PROGRAM);
        command.args(["-g", "-n", "1", "-c", &file.display().to_string()]);
        as_nobody(&mut command, &folder.join(".."));
        let process = Process::start(&mut command, &folder);
        let log = folder.join("printed");
        until("named runs", PATIENCE, async || {
            std::fs::read_to_string(&log).is_ok_and(|log| log.contains(" running\n"))
        })
        .await;
        Self { port, folder, _process: process }
    }
}

/// Starts the server that most tests need.
async fn primary(folder: &TempDir) -> Named {
    let zone = ZONE.replace("SERIAL", "2026112101");
    let port = free_port();
    Named::start(folder.path(), "a", ("127.0.0.1", port), Some(&zone), ("recursion no;", "")).await
}

#[tokio::test]
async fn dns_asks_bind_as_check_dig_does() {
    let folder = tempfile::tempdir().unwrap();
    let server = primary(&folder).await;
    let number = server.port.to_string();
    let www = [("name", "www.zone.test")];
    for (expected, address, status) in [
        (&[][..], None, Status::Ok),
        (&[("expect", "192.0.2.2")], Some("192.0.2.2"), Status::Ok),
        (&[("expect", "192.0.2.9")], Some("192.0.2.9"), Status::Critical),
    ] {
        let ours = [&www[..], expected].concat();
        let ours = expect("dns", server.port, &ours, status, "www.zone.test A is 192.0.2.").await;
        let mut theirs = vec!["-H", "127.0.0.1", "-p", &number, "-l", "www.zone.test"];
        theirs.extend(address.iter().flat_map(|address| ["-a", *address]));
        let theirs = plugin("check_dig", &theirs);
        if status == Status::Ok {
            same(&ours, &theirs);
        } else {
            // The plugin warns only when another record came than was expected.
            assert_eq!(theirs.0, Status::Warning, "{}", theirs.1);
        }
    }
    let missing = [("name", "missing.zone.test")];
    let ours = expect("dns", server.port, &missing, Status::Critical, "NXDOMAIN").await;
    let theirs =
        plugin("check_dig", &["-H", "127.0.0.1", "-p", &number, "-l", "missing.zone.test"]);
    same(&ours, &theirs);
    let blocked = [("name", "missing.zone.test"), ("code", "NXDOMAIN")];
    expect("dns", server.port, &blocked, Status::Ok, "NXDOMAIN").await;
    let foreign = [("name", "www.example.net")];
    expect("dns", server.port, &foreign, Status::Critical, "REFUSED").await;
    let away = free_port();
    let ours = expect("dns", away, &www, Status::Critical, "no answer from").await;
    let away = away.to_string();
    let theirs = ["-H", "127.0.0.1", "-p", &away, "-l", "www.zone.test", "-A", "+tries=1"];
    let theirs = plugin("check_dig", &theirs);
    // The plugin warns only when its tool fails, whatever the reason.
    assert_eq!((ours.status, theirs.0), (Status::Critical, Status::Warning), "{}", theirs.1);
}

#[test]
fn dns_asks_bind_as_check_dns_does() {
    alone("bind::dns_asks_bind_as_check_dns_does", &[], beside_check_dns);
}

/// The plugin asks port 53 alone, which only a network of its own has for a test.
async fn beside_check_dns() {
    // In this network anybody may have it.
    std::fs::write("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let zone = ZONE.replace("SERIAL", "1");
    let at = ("127.0.0.1", 53);
    let options = ("recursion no;", "");
    let _server = Named::start(folder.path(), "a", at, Some(&zone), options).await;
    let theirs = |name: &str, more: &[&str]| {
        let begin = ["-s", "127.0.0.1", "-H", name];
        plugin("check_dns", &[&begin[..], more].concat())
    };
    let one = [("name", "ns1.zone.test")];
    let ours = expect("dns", 53, &one, Status::Ok, "is 127.0.0.1").await;
    same(&ours, &theirs("ns1.zone.test", &[]));
    let right = [&one[..], &[("expect", "127.0.0.1")]].concat();
    let ours = expect("dns", 53, &right, Status::Ok, "is 127.0.0.1").await;
    same(&ours, &theirs("ns1.zone.test", &["-a", "127.0.0.1"]));
    let wrong = [&one[..], &[("expect", "192.0.2.9")]].concat();
    let ours = expect("dns", 53, &wrong, Status::Critical, "127.0.0.1").await;
    same(&ours, &theirs("ns1.zone.test", &["-a", "192.0.2.9"]));
    let missing = [("name", "missing.zone.test")];
    let ours = expect("dns", 53, &missing, Status::Critical, "NXDOMAIN").await;
    same(&ours, &theirs("missing.zone.test", &[]));
    let foreign = [("name", "www.example.net")];
    let ours = expect("dns", 53, &foreign, Status::Critical, "REFUSED").await;
    same(&ours, &theirs("www.example.net", &[]));
    let away = [("name", "ns1.zone.test"), ("timeout", "1s")];
    let ours = look_at("dns", "127.0.0.2", 53, &away).await;
    assert_eq!(ours.status, Status::Critical, "{}", ours.text);
    same(&ours, &plugin("check_dns", &["-s", "127.0.0.2", "-H", "ns1.zone.test"]));
}

#[tokio::test]
async fn dns_reads_records_of_every_kind() {
    let folder = tempfile::tempdir().unwrap();
    let server = primary(&folder).await;
    for (name, kind, record) in [
        ("zone.test", "MX", "10 WWW.zone.test."),
        ("zone.test", "TXT", "v=spf1 -all"),
        ("zone.test", "NS", "ns2.zone.test"),
        ("alias.zone.test", "CNAME", "www.zone.test"),
        ("alias.zone.test", "A", "192.0.2.1"),
    ] {
        for transport in ["udp", "tcp"] {
            let options = [("name", name), ("type", kind), ("expect", record)];
            let options = [&options[..], &[("transport", transport)]].concat();
            expect("dns", server.port, &options, Status::Ok, name).await;
        }
    }
    let soa = [("name", "zone.test"), ("type", "SOA"), ("authoritative", "true")];
    let finding = expect("dns", server.port, &soa, Status::Ok, "2026112101").await;
    assert_eq!(finding.facts.get("serial"), &Fact::Number(2_026_112_101.0));
    assert_eq!(finding.facts.get("authoritative"), &Fact::Bool(true));
    let validated = [("name", "www.zone.test"), ("dnssec", "true")];
    expect("dns", server.port, &validated, Status::Critical, "not validated").await;
    let exactly = [("name", "www.zone.test"), ("expect", "192.0.2.1"), ("match", "exactly")];
    expect("dns", server.port, &exactly, Status::Critical, "192.0.2.2 too").await;
}

#[tokio::test]
async fn dns_is_slow_silent_wrong_or_over_ipv6_alone() {
    let folder = tempfile::tempdir().unwrap();
    let server = primary(&folder).await;
    let www = [("name", "www.zone.test")];
    let slow = DatagramRelay::start("127.0.0.1", server.port, Duration::from_millis(120)).await;
    let warned = [&www[..], &[("warning", "100ms")]].concat();
    expect("dns", slow.port(), &warned, Status::Warning, "ms").await;
    let six = DatagramRelay::start("::1", server.port, Duration::ZERO).await;
    let finding = look_at("dns", "::1", six.port(), &www).await;
    assert_eq!(finding.status, Status::Ok, "{}", finding.text);
    // What is not the answer to the question is passed over.
    let wrong = DatagramRelay::answering(|_| b"what?".to_vec()).await;
    let hasty = [&www[..], &[("timeout", "300ms")]].concat();
    expect("dns", wrong.port(), &hasty, Status::Critical, "nothing came back in time").await;
    let refuses = DatagramRelay::answering(|asked| {
        let mut answer = asked.to_vec();
        answer[2] |= 0x80;
        answer[3] = 5;
        answer
    })
    .await;
    expect("dns", refuses.port(), &www, Status::Critical, "REFUSED").await;
}

#[tokio::test]
async fn dns_asks_over_tls_and_https_with_a_certificate_that_is_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    let (tls, https, expired) = (free_port(), free_port(), free_port());
    let (mut options, mut more) = ("recursion no; ".to_owned(), String::new());
    for (name, pair) in [("good", authority.good()), ("expired", authority.expired())] {
        open_to_all(&pair.key);
        let (certificate, key) = (pair.certificate.display(), pair.key.display());
        writeln!(more, "tls {name} {{ cert-file \"{certificate}\"; key-file \"{key}\"; }};")
            .unwrap();
    }
    let listen = "{ 127.0.0.1; };";
    write!(options, "listen-on port {tls} tls good {listen} ").unwrap();
    write!(options, "listen-on port {https} tls good http default {listen} ").unwrap();
    write!(options, "listen-on port {expired} tls expired {listen}").unwrap();
    let zone = ZONE.replace("SERIAL", "1");
    let at = ("127.0.0.1", free_port());
    let _server = Named::start(folder.path(), "a", at, Some(&zone), (&options, &more)).await;
    let ca_file = authority.file();
    for (transport, port) in [("tls", tls), ("https", https)] {
        until_open(port).await;
        let options = [("name", "www.zone.test"), ("transport", transport), ("tls_name", NAME)];
        let trusting = [&options[..], &[("ca_file", &*ca_file)]].concat();
        let finding = expect("dns", port, &trusting, Status::Ok, "certificate good for").await;
        assert!(finding.measures.iter().any(|m| m.name == "tls_seconds"), "{finding:?}");
        expect("dns", port, &options, Status::Critical, "UnknownIssuer").await;
        let other = [&trusting[..2], &[("tls_name", "other.test"), ("ca_file", &ca_file)]].concat();
        expect("dns", port, &other, Status::Critical, "other.test").await;
    }
    let path = [("path", "/elsewhere"), ("name", "www.zone.test"), ("transport", "https")];
    let path = [&path[..], &[("tls_name", NAME), ("ca_file", &ca_file)]].concat();
    expect("dns", https, &path, Status::Critical, "HTTP status 404").await;
    let options = [("name", "www.zone.test"), ("transport", "tls"), ("tls_name", NAME)];
    let options = [&options[..], &[("ca_file", &*ca_file)]].concat();
    let finding = expect("dns", expired, &options, Status::Critical, "no TLS").await;
    assert!(finding.text.to_lowercase().contains("expired"), "{}", finding.text);
}

/// Runs a program of BIND in `folder`, which must succeed, and returns what it prints.
fn tool(program: &str, arguments: &[&str], folder: &Path) -> String {
    let path = ["/usr/bin", "/usr/sbin"].map(|dir| Path::new(dir).join(program));
    let path = path.iter().find(|path| path.exists());
    let path = path.unwrap_or_else(|| panic!("{program} is missing: run scripts/setup-test"));
    let output = Command::new(path).args(arguments).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn dns_believes_a_validating_resolver_that_an_answer_is_signed() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    std::fs::create_dir(&keys).unwrap();
    let zone = ZONE.replace("SERIAL", "1");
    std::fs::write(keys.join("zone"), format!("$ORIGIN zone.test.\n{zone}")).unwrap();
    let key = tool("dnssec-keygen", &["-q", "-a", "13", "-f", "KSK", "zone.test"], &keys);
    tool("dnssec-signzone", &["-q", "-S", "-z", "-O", "full", "-o", "zone.test", "zone"], &keys);
    let signed = std::fs::read_to_string(keys.join("zone.signed")).unwrap();
    let key = std::fs::read_to_string(keys.join(format!("{key}.key"))).unwrap();
    let key = key.lines().find(|line| !line.starts_with(';')).unwrap();
    let words: Vec<&str> = key.split_whitespace().skip_while(|word| *word != "DNSKEY").collect();
    let [_, flags, protocol, algorithm, ref public @ ..] = words[..] else { unreachable!("{key}") };
    let public = public.concat();
    let primary = free_port();
    let at = ("127.0.0.1", primary);
    let _primary = Named::start(folder.path(), "a", at, Some(&signed), ("recursion no;", "")).await;
    let anchor = format!(
        "trust-anchors {{ zone.test. static-key {flags} {protocol} {algorithm} \"{public}\"; }};\n\
         zone \"zone.test\" {{ type forward; forward only; \
         forwarders {{ 127.0.0.1 port {primary}; }}; }};"
    );
    let at = ("127.0.0.1", free_port());
    let options = "recursion yes; dnssec-validation yes;";
    let resolver = Named::start(folder.path(), "b", at, None, (options, &anchor)).await;
    let www = [("name", "www.zone.test"), ("dnssec", "true"), ("expect", "192.0.2.1")];
    let finding = expect("dns", resolver.port, &www, Status::Ok, "192.0.2.1").await;
    assert_eq!(finding.facts.get("validated"), &Fact::Bool(true));
}

#[tokio::test]
async fn dns_zone_asks_every_name_server() {
    let folder = tempfile::tempdir().unwrap();
    let server = primary(&folder).await;
    let resolver = format!("127.0.0.1:{}", server.port);
    let options = [("zone", "zone.test"), ("resolver", &*resolver), ("timeout", "3s")];
    let look = async |more: &[(&'static str, &'static str)]| {
        let mut options: Vec<_> = options.iter().copied().skip(1).collect();
        options.extend_from_slice(more);
        look_at("dns_zone", "zone.test", server.port, &options).await
    };
    // The second of them is away.
    let half = look(&[]).await;
    assert_eq!(half.status, Status::Critical, "{}", half.text);
    assert!(half.text.contains("1 of 2 servers are well; ns2.zone.test ([::1]:"), "{half:?}");
    let zone = ZONE.replace("SERIAL", "2026112101");
    let at = ("::1", server.port);
    let second = Named::start(folder.path(), "b", at, Some(&zone), ("recursion no;", "")).await;
    let whole = look(&[("age_warning", "36500d")]).await;
    assert_eq!(whole.status, Status::Ok, "{}", whole.text);
    assert!(whole.text.starts_with("zone.test: 2 servers have serial 2026112101"), "{whole:?}");
    let measure = |name: &str| whole.measures.iter().find(|m| m.name == name).map(|m| m.value);
    assert_eq!(measure("servers_well"), Some(2.0));
    assert!(measure("age_seconds").is_some(), "{whole:?}");
    assert_eq!(look(&[("min_servers", "3")]).await.status, Status::Critical);
    for family in ["ipv4", "ipv6"] {
        let one = look(&[("family", family)]).await;
        assert_eq!(one.status, Status::Ok, "{}", one.text);
        assert!(one.text.starts_with("zone.test: 1 servers have"), "{}", one.text);
    }
    drop(second);
    // It is behind.
    let zone = ZONE.replace("SERIAL", "2026112000");
    let second = Named::start(folder.path(), "c", at, Some(&zone), ("recursion no;", "")).await;
    let behind = look(&[]).await;
    assert_eq!(behind.status, Status::Warning, "{}", behind.text);
    assert!(behind.text.contains("the newest is 2026112101; ns2.zone.test"), "{behind:?}");
    assert_eq!(look(&[("mismatch", "critical")]).await.status, Status::Critical);
    drop(second);
    // It does not have the zone.
    let _second = Named::start(folder.path(), "d", at, None, ("recursion no;", "")).await;
    let lame = look(&[]).await;
    assert_eq!(lame.status, Status::Critical);
    assert!(lame.text.contains("says REFUSED"), "{}", lame.text);
    assert!(server.folder.exists());
}

#[tokio::test]
async fn dns_zone_tells_a_zone_that_is_not_from_a_resolver_that_is_away() {
    let folder = tempfile::tempdir().unwrap();
    let server = primary(&folder).await;
    let look = async |zone: &str, resolver: u16, more: &[(&'static str, &'static str)]| {
        let resolver = format!("127.0.0.1:{resolver}");
        let mut options = vec![("resolver", &*resolver), ("timeout", "1s")];
        options.extend_from_slice(more);
        look_at("dns_zone", zone, server.port, &options).await
    };
    let missing = look("missing.zone.test", server.port, &[]).await;
    assert_eq!(missing.status, Status::Critical);
    assert!(missing.text.contains("there is no zone missing.zone.test"), "{}", missing.text);
    let name = look("www.zone.test", server.port, &[]).await;
    assert_eq!(name.status, Status::Critical);
    assert!(name.text.contains("is no zone"), "{}", name.text);
    let away = look("zone.test", free_port(), &[]).await;
    assert_eq!(away.status, Status::Unknown, "{}", away.text);
    // With servers named in the settings nobody is asked who they are.
    let given = look("zone.test", free_port(), &[("servers", "127.0.0.1")]).await;
    assert_eq!(given.status, Status::Ok, "{}", given.text);
    let six = look("zone.test", server.port, &[("family", "ipv6")]).await;
    assert_eq!(six.status, Status::Critical, "none of them has IPv6: {}", six.text);
}

//! Tests written once for every check type.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use hark_config::{Document, NoSecrets, Style};
use hark_model::Status;

use crate::conditions::Conditions;
use crate::programs::Programs;
use crate::{CHECK_KEYS, Context, TYPES, families};

#[test]
fn every_file_of_the_folder_is_in_the_table() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/types");
    let files: BTreeSet<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .filter(|name| name != "tests")
        // People say ping, the protocol is ICMP.
        .map(|name| if name == "icmp" { "ping".to_owned() } else { name })
        .collect();
    let names: BTreeSet<String> = TYPES.iter().map(|kind| kind.name().to_owned()).collect();
    assert_eq!(names.len(), TYPES.len(), "names are unique");
    assert_eq!(names, files);
    for name in names {
        assert!(CHECK_KEYS.iter().any(|key| key.name == name), "{name} has no key");
    }
}

#[test]
fn every_example_is_accepted() {
    for kind in TYPES {
        let document = Document::single(kind.example());
        let root = document.root(&NoSecrets);
        root.finish(kind.keys());
        let check = families::read(*kind, &root, &[], Conditions::default());
        assert_eq!(document.diagnostics().render(Style::Plain), "", "{}", kind.name());
        let check = check.unwrap();
        assert_eq!(check.kind(), kind.name());
        assert!(!check.target().is_empty());
        assert!(kind.keys().iter().any(|key| key.name == kind.target_key()));
    }
}

#[test]
fn unknown_keys_are_refused_with_a_suggestion() {
    for kind in TYPES {
        let text = format!("{}timeot: 5s\n", kind.example());
        let document = Document::single(&text);
        document.root(&NoSecrets).finish(kind.keys());
        let errors = document.diagnostics().render(Style::Plain);
        let line = text.lines().count();
        assert!(errors.contains("unknown key `timeot`"), "{errors}");
        assert!(errors.contains("timeout"), "{errors}");
        assert!(errors.contains(&format!("hark.yaml:{line}:1")), "{errors}");
    }
}

#[test]
fn the_keys_of_the_manual_are_the_keys_that_are_read() {
    for kind in TYPES {
        let document = Document::single(kind.example());
        let root = document.root(&NoSecrets);
        drop(families::read(*kind, &root, &[], Conditions::default()));
        let read: BTreeSet<&str> = root.asked().into_iter().collect();
        let written: BTreeSet<&str> = kind.keys().iter().map(|key| key.name).collect();
        assert_eq!(read, written, "{}", kind.name());
        assert!(!kind.manual().is_empty());
    }
}

#[test]
fn a_wrong_value_is_an_error_and_not_a_default() {
    for kind in TYPES {
        for key in kind.keys() {
            let kept: Vec<&str> = kind
                .example()
                .lines()
                .filter(|line| !line.starts_with(&format!("{}:", key.name)))
                .collect();
            let text = format!("{}\n{}: [[]]\n", kept.join("\n"), key.name);
            let document = Document::single(&text);
            let root = document.root(&NoSecrets);
            drop(families::read(*kind, &root, &[], Conditions::default()));
            assert!(document.has_errors(), "{} takes anything for {}", kind.name(), key.name);
        }
    }
}

#[tokio::test]
async fn a_cancelled_run_leaves_nothing_behind() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // The same port for datagrams, which nobody answers either.
    let _silent = std::net::UdpSocket::bind(("127.0.0.1", port)).unwrap();
    let mut context = Context::new(Arc::new(hark_net::Resolver::default()));
    context.programs = Programs::new("a-cancelled-run");
    for kind in TYPES {
        let settings = match kind.name() {
            "plugin" | "exec" => "command: sleep 60".to_owned(),
            "http" => format!("url: 'http://127.0.0.1:{port}/'"),
            "domain" => format!("name: example.net\nwhois: '127.0.0.1:{port}'"),
            "flow" => format!("steps: [{{url: 'http://127.0.0.1:{port}/'}}]"),
            "tcp" => format!("address: 127.0.0.1\nport: {port}\nexpect: never"),
            "ping" => "address: 127.0.0.1\ncount: 10\ninterval: 300ms".to_owned(),
            "dns" => format!("address: 127.0.0.1\nport: {port}\nname: a.example"),
            "dns_zone" => format!("resolver: '127.0.0.1:{port}'\nzone: a.example"),
            "udp" => format!("address: 127.0.0.1\nport: {port}\nsend: anybody"),
            // A type with an endpoint waits for what this port never says.
            _ => format!("address: 127.0.0.1\nport: {port}"),
        };
        let document = Document::single(&settings);
        let root = document.root(&NoSecrets);
        let check = families::read(*kind, &root, &[], Conditions::default()).unwrap();
        let began = hark_model::Clock.now().mono;
        let cut =
            tokio::time::timeout(Duration::from_millis(100), crate::run(&*check, &context)).await;
        if let Ok((finding, _)) = &cut {
            assert_eq!(
                (kind.name(), finding.status),
                ("ping", Status::Unknown),
                "only a machine that may not ping ends early: {finding:?}"
            );
        }
        assert!(hark_model::Clock.now().mono.since(began) < Duration::from_secs(3));
    }
    // Every connection that was made is closed from the other side.
    listener.set_nonblocking(true).unwrap();
    let mut n_connections = 0;
    while let Ok((stream, _)) = listener.accept() {
        n_connections += 1;
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut rest = Vec::new();
        std::io::Read::read_to_end(&mut &stream, &mut rest).unwrap();
    }
    assert!(n_connections >= 2, "tcp and http have connected");
}

/// Settings with which each type goes to `host` at `port`, in every way that it can go.
fn ways_to(kind: &str, host: &str, port: u16) -> Vec<String> {
    let in_url = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let address = format!("address: '{host}'\nport: {port}\n");
    match kind {
        "http" => vec![
            format!("url: 'http://{in_url}:{port}/'"),
            format!("url: 'http://192.0.2.7:{port}/'\naddress: '{host}'"),
            format!("url: 'http://192.0.2.7/'\nproxy: 'http://{in_url}:{port}'"),
            format!("url: 'https://192.0.2.7/'\nproxy: 'http://{in_url}:{port}'"),
        ],
        "flow" => vec![
            format!("steps: [{{url: 'http://{in_url}:{port}/'}}]"),
            format!("steps: [{{url: 'http://192.0.2.7/'}}]\nproxy: 'http://{in_url}:{port}'"),
        ],
        "domain" => {
            let rdap = format!("name: example.net\nrdap: 'http://{in_url}:{port}/'");
            let whois = format!("name: example.net\nwhois: '{host}:{port}'");
            // Addresses of IPv6 are no names of WHOIS servers.
            [rdap, whois].into_iter().take(if host.contains(':') { 1 } else { 2 }).collect()
        }
        "ping" => vec![format!("address: '{host}'\ncount: 1")],
        "dns" => ["udp", "tcp", "tls", "https"]
            .map(|way| format!("{address}name: a.example\ntransport: {way}"))
            .to_vec(),
        "dns_zone" => vec![
            format!("zone: a.example\nservers: ['{host}']\nport: {port}"),
            format!("zone: a.example\nresolver: '{in_url}:{port}'"),
        ],
        "udp" => vec![format!("{address}send: anybody")],
        "sip" | "openvpn" => {
            ["udp", "tcp"].map(|way| format!("{address}transport: {way}")).to_vec()
        }
        "plugin" | "exec" => Vec::new(),
        _ => vec![address],
    }
}

#[tokio::test]
async fn no_type_goes_to_a_private_address_where_that_is_forbidden() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let datagrams = std::net::UdpSocket::bind(("127.0.0.1", port)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let hosts = folder.path().join("hosts");
    std::fs::write(&hosts, "127.0.0.1 inner.example\n").unwrap();
    let resolver = hark_net::Resolver::with_files(hosts, folder.path().join("none"));
    let context =
        Context { guard: hark_net::Guard::PublicOnly, ..Context::new(Arc::new(resolver)) };
    let mut n_ways = 0;
    for kind in TYPES {
        for host in ["127.0.0.1", "inner.example", "fd00::7", "::ffff:127.0.0.1", "169.254.169.254"]
        {
            for settings in ways_to(kind.name(), host, port) {
                let document = Document::single(&settings);
                let root = document.root(&NoSecrets);
                let check = families::read(*kind, &root, &[], Conditions::default());
                if document.has_errors() {
                    // Where only addresses are taken, names are none; nothing else is refused here.
                    let said = document.diagnostics().render(Style::Plain);
                    assert_eq!(host, "inner.example", "{said}");
                    continue;
                }
                let Some(check) = check else { continue };
                let finding = crate::run(&*check, &context).await.0;
                let said = format!("{}\n{settings}\n{}", kind.name(), finding.text);
                assert_ne!(finding.status, Status::Ok, "{said}");
                assert!(finding.text.contains("private address"), "{said}");
                n_ways += 1;
            }
        }
    }
    assert!(n_ways >= 5 * TYPES.len(), "{n_ways}");
    for refused in [listener.set_nonblocking(true), datagrams.set_nonblocking(true)] {
        refused.unwrap();
    }
    assert!(listener.accept().is_err(), "somebody has connected");
    assert!(datagrams.recv(&mut [0; 64]).is_err(), "somebody has sent a datagram");
}

//! What holds for every type alike: servers that refuse, are silent, drop, talk nonsense, or have a
//! certificate that is no good.

use std::net::{Ipv4Addr, SocketAddr};

use hark_model::Status;

use crate::support::certificates::{Authority, NAME};
use crate::support::relay::Relay;
use crate::support::{expect, free_port, look};

/// Types that go over TCP, and what they need beside address and port.
const OVER_TCP: &[(&str, &[(&str, &str)])] = &[
    ("smtp", &[]),
    ("imap", &[]),
    ("pop3", &[]),
    ("ftp", &[]),
    ("ssh", &[]),
    ("xmpp", &[]),
    ("tls", &[]),
    ("tls", &[("tls", "starttls"), ("protocol", "smtp")]),
    ("tls", &[("tls", "starttls"), ("protocol", "xmpp")]),
    ("sip", &[("transport", "tcp")]),
    ("openvpn", &[("transport", "tcp")]),
    ("amqp", &[]),
    ("dns", &[("transport", "tcp"), ("name", "a.test")]),
    ("ldap", &[]),
    ("memcached", &[]),
    ("mqtt", &[]),
    ("mysql", &[]),
    ("postgres", &[]),
    ("redis", &[]),
    ("http", &[]),
    ("flow", &[]),
    ("tcp", &[("expect", "hark")]),
];

/// Those of them that speak TLS.
const OVER_TLS: &[&str] =
    &["smtp", "imap", "pop3", "ftp", "xmpp", "sip", "amqp", "ldap", "memcached", "mqtt", "redis"];

const OVER_UDP: &[&str] = &["sip", "openvpn", "ntp", "snmp"];

/// What else there is, and why the tables above do not have it.
const OTHERS: &[(&str, &str)] = &[
    ("udp", "says only what it is told to: udp.rs"),
    ("ping", "has no port: ping.rs"),
    ("dns_zone", "asks many servers: bind.rs"),
    ("domain", "a registry that does not answer says nothing of the domain: its own tests"),
    ("exec", "runs a program"),
    ("plugin", "runs a program"),
];

/// The file with the real server of each type that is looked at over a connection: there it is good, slow, too
/// slow, away, and over IPv6 alone.
const BESIDE_REAL_SERVERS: &[(&str, &str)] = &[
    ("amqp", include_str!("rabbitmq.rs")),
    ("dns", include_str!("bind.rs")),
    ("flow", include_str!("http.rs")),
    ("ftp", include_str!("vsftpd.rs")),
    ("http", include_str!("http.rs")),
    ("imap", include_str!("dovecot.rs")),
    ("ldap", include_str!("slapd.rs")),
    ("memcached", include_str!("caches.rs")),
    ("mqtt", include_str!("mosquitto.rs")),
    ("mysql", include_str!("mariadb.rs")),
    ("ntp", include_str!("chrony.rs")),
    ("openvpn", include_str!("openvpn.rs")),
    ("pop3", include_str!("dovecot.rs")),
    ("postgres", include_str!("postgres.rs")),
    ("redis", include_str!("caches.rs")),
    ("sip", include_str!("kamailio.rs")),
    ("smtp", include_str!("postfix.rs")),
    ("snmp", include_str!("snmpd.rs")),
    ("ssh", include_str!("sshd.rs")),
    ("tcp", include_str!("tcp.rs")),
    ("tls", include_str!("nginx.rs")),
    ("xmpp", include_str!("prosody.rs")),
];

#[test]
fn every_type_meets_every_kind_of_server() {
    for kind in hark_checks::TYPES {
        let name = kind.name();
        let has_keys = |word: &str| kind.keys().iter().any(|key| key.name == word);
        if OTHERS.iter().any(|(other, _)| *other == name) {
            continue;
        }
        let over_tcp = OVER_TCP.iter().any(|(kind, _)| *kind == name);
        assert!(over_tcp || OVER_UDP.contains(&name), "{name} meets no bad server");
        // `tls` and `http` meet bad certificates beside nginx, `tcp` beside its relay.
        let elsewhere = ["tls", "http", "flow", "tcp", "dns"].contains(&name);
        let over_tls = !has_keys("tls_name") || OVER_TLS.contains(&name) || elsewhere;
        let starts_late = ["mysql", "postgres"].contains(&name);
        assert!(over_tls || starts_late, "{name} meets no bad certificate");
        let real = BESIDE_REAL_SERVERS.iter().find(|(kind, _)| *kind == name);
        let Some((_, file)) = real else { panic!("{name} meets no real server") };
        let all = file.contains(&format!("good_slow_and_over_ipv6_alone(\"{name}\""));
        let by_hand = ["dns", "ntp", "snmp"].contains(&name)
            && file.contains(&format!("expect(\"{name}\", slow.port()"))
            && file.contains("\"::1\"");
        assert!(all || by_hand, "{name} is not looked at slow and over IPv6 alone");
    }
}

#[tokio::test]
async fn a_port_that_refuses_is_critical_at_once() {
    for (kind, options) in OVER_TCP {
        let finding = expect(kind, free_port(), options, Status::Critical, "refused").await;
        assert!(finding.text.contains("no connection to 127.0.0.1"), "{}", finding.text);
    }
    for kind in OVER_UDP {
        expect(kind, free_port(), &[], Status::Critical, "nobody listens there").await;
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_is_critical_when_the_time_is_over() {
    let silent = Relay::says("").await;
    for (kind, options) in OVER_TCP {
        let options = [*options, &[("timeout", "250ms")]].concat();
        let late = match *kind {
            "http" | "flow" => "within 0.25 s",
            "tcp" => "nothing came back",
            _ => "timed out",
        };
        expect(kind, silent.port(), &options, Status::Critical, late).await;
    }
    let socket = tokio::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = socket.local_addr().unwrap().port();
    for kind in OVER_UDP {
        let options = [("timeout", "250ms")];
        expect(kind, port, &options, Status::Critical, "nothing came back in time").await;
    }
}

#[tokio::test]
async fn a_port_that_drops_is_critical_when_the_time_is_over() {
    // A listener whose queue is full drops further connections.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let _first = tokio::net::TcpStream::connect(address).await.unwrap();
    for (kind, options) in OVER_TCP {
        let options = [*options, &[("timeout", "250ms")]].concat();
        expect(kind, address.port(), &options, Status::Critical, "timed out").await;
    }
}

#[tokio::test]
async fn a_server_of_another_protocol_is_critical() {
    for text in ["HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "\0\0\0\0\0\0\0\0\0\0\n"]
    {
        let other = Relay::says(text).await;
        for (kind, options) in OVER_TCP {
            let options = [*options, &[("timeout", "1s")]].concat();
            expect(kind, other.port(), &options, Status::Critical, "").await;
        }
    }
    // A mail server is no mailbox server, and the other way round.
    let mail = Relay::says("220 mx.test ESMTP\r\n").await;
    for (kind, wrong) in [
        ("imap", "does not greet with `* OK`: 220 mx.test"),
        ("pop3", "this is no answer: 220 mx.test"),
        ("xmpp", "this is no XMPP: 220 mx.test"),
    ] {
        expect(kind, mail.port(), &[("timeout", "1s")], Status::Critical, wrong).await;
    }
}

#[tokio::test]
async fn datagrams_of_another_protocol_are_critical() {
    let socket = tokio::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = socket.local_addr().unwrap().port();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move {
        let mut buffer = [0; 2048];
        while let Ok((_, from)) = socket.recv_from(&mut buffer).await {
            drop(socket.send_to(b"what?", from).await);
        }
    });
    expect("openvpn", port, &[], Status::Critical, "its answer is too short").await;
    expect("sip", port, &[], Status::Critical, "this is no SIP").await;
}

#[tokio::test]
async fn a_certificate_that_is_no_good_is_critical_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    let ca_file = authority.file();
    let silent = Relay::says("").await;
    let trusting = [("tls", "true"), ("tls_name", NAME), ("ca_file", &ca_file), ("timeout", "2s")];
    for (pair, wrong) in [
        (authority.expired(), "Expired"),
        (authority.for_another(), "certificate not valid for name \"svc.test\""),
    ] {
        let relay = Relay::secured(silent.port(), pair.acceptor()).await;
        for kind in OVER_TLS {
            let finding = expect(kind, relay.port(), &trusting, Status::Critical, "no TLS").await;
            let text = finding.text.to_lowercase();
            assert!(text.contains(&wrong.to_lowercase()), "{kind}: {text}");
        }
    }
    let good = Relay::secured(silent.port(), authority.good().acceptor()).await;
    for kind in OVER_TLS {
        let untrusted = [("tls", "true"), ("tls_name", NAME), ("timeout", "2s")];
        expect(kind, good.port(), &untrusted, Status::Critical, "UnknownIssuer").await;
        // With trust it is the silence that is wrong, and the certificate is seen none the less.
        let trusting = [&trusting[..3], &[("timeout", "300ms")]].concat();
        let silent = look(kind, good.port(), &trusting).await;
        assert_eq!(silent.status, Status::Critical);
        assert!(silent.text.contains("certificate good for"), "{kind}: {}", silent.text);
    }
}

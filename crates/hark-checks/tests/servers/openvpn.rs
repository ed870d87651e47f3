//! `openvpn` against `OpenVPN`, beside `check_udp` as Picomon called it.

use std::path::Path;
use std::process::Command;

use hark_conditions::Fact;
use hark_model::Status;
use tempfile::TempDir;

use crate::support::certificates::Authority;
use crate::support::process::{Process, succeed, until};
use crate::support::{
    PATIENCE, expect, free_port, good_slow_and_over_ipv6_alone, look, needs, plugin, same, start,
    until_open,
};

const PROGRAM: &str = "/usr/sbin/openvpn";

struct OpenVpn {
    port: u16,
    key: String,
    _process: Process,
    _folder: TempDir,
}

/// Starts a server, whose network has no addresses and leads nowhere. `guard` are its words about a static key, in which
/// `KEY` stands for the file.
async fn openvpn(transport: &str, guard: &[&str]) -> OpenVpn {
    needs(PROGRAM);
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    let pair = authority.good();
    let key_file = folder.path().join("static.key").display().to_string();
    succeed(Command::new(PROGRAM).args(["--genkey", "secret", &key_file]));
    let key = std::fs::read_to_string(&key_file).unwrap();
    let port = free_port();
    let number = port.to_string();
    let text = |path: &Path| path.display().to_string();
    let (ca, certificate, secret) = (authority.file(), text(&pair.certificate), text(&pair.key));
    let mut arguments = vec![
        "--mode",
        "server",
        "--tls-server",
        "--dev",
        "tun",
        "--ifconfig-noexec",
        "--dh",
        "none",
        "--proto",
        transport,
        "--local",
        "127.0.0.1",
        "--port",
        &number,
        "--ca",
        &ca,
        "--cert",
        &certificate,
        "--key",
        &secret,
        "--verb",
        "3",
    ];
    arguments
        .extend(guard.iter().map(|word| if *word == "KEY" { key_file.as_str() } else { word }));
    let process = start(PROGRAM, &arguments, folder.path());
    if transport == "udp" {
        let log = folder.path().join("printed");
        until("the server's start", PATIENCE, async || {
            std::fs::read_to_string(&log).unwrap().contains("Initialization Sequence Completed")
        })
        .await;
    } else {
        until_open(port).await;
    }
    OpenVpn { port, key, _process: process, _folder: folder }
}

/// Runs the plugin as Picomon did: nine bytes, and any answer.
fn picomon(port: u16) -> (Status, String) {
    let sent = "8\u{1}\u{1}\u{1}\u{1}\u{1}\u{1}\u{1}B";
    let port = port.to_string();
    let arguments = ["-H", "127.0.0.1", "-p", &port, "-m", "1", "-M", "ok", "-s", sent, "-e", "@"];
    plugin("check_udp", &arguments)
}

#[tokio::test]
async fn openvpn_gets_a_servers_first_packet_where_check_udp_takes_anything() {
    let server = openvpn("udp", &[]).await;
    let good = expect("openvpn", server.port, &[], Status::Ok, "answers as a server").await;
    assert_eq!(good.facts.get("opcode"), &Fact::from(8_u16));
    same(&good, &picomon(server.port));
    // Anything that comes back was a good answer to Picomon; here it must be a server's.
    let other = std::net::UdpSocket::bind((std::net::Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = other.local_addr().unwrap().port();
    let answering = std::thread::spawn(move || {
        for _both in 0..2 {
            let mut buffer = [0; 64];
            let (_, from) = other.recv_from(&mut buffer).unwrap();
            other.send_to(b"no VPN at all", from).unwrap();
        }
    });
    let begins = "its answer begins with 0x6e, not 0x40";
    expect("openvpn", port, &[], Status::Critical, begins).await;
    let theirs = picomon(port);
    assert_eq!(theirs.0, Status::Ok, "{}", theirs.1);
    answering.join().unwrap();
    let away = free_port();
    let closed = look("openvpn", away, &[]).await;
    let number = away.to_string();
    same(&closed, &plugin("check_udp", &["-H", "127.0.0.1", "-p", &number, "-s", "8", "-e", "@"]));
}

#[tokio::test]
async fn openvpn_over_tcp_is_measured_and_goes_over_ipv6() {
    let server = openvpn("tcp-server", &[]).await;
    let tcp = [("transport", "tcp")];
    expect("openvpn", server.port, &tcp, Status::Ok, "answers as a server").await;
    good_slow_and_over_ipv6_alone("openvpn", server.port, &tcp).await;
}

#[tokio::test]
async fn openvpn_has_the_key_of_tls_auth_or_meets_silence() {
    let server = openvpn("udp", &["--tls-auth", "KEY", "0", "--auth", "SHA256"]).await;
    let with = |direction: &'static str, digest: &'static str| {
        let key = server.key.as_str();
        [("tls_auth", key), ("key_direction", direction), ("auth", digest), ("timeout", "700ms")]
    };
    expect("openvpn", server.port, &with("1", "sha256"), Status::Ok, "").await;
    let silence = "nothing came back in time";
    for options in [with("0", "sha256"), with("1", "sha1")] {
        expect("openvpn", server.port, &options, Status::Critical, silence).await;
    }
    expect("openvpn", server.port, &[("timeout", "700ms")], Status::Critical, silence).await;
}

#[tokio::test]
async fn openvpn_has_the_key_of_tls_crypt_or_meets_silence() {
    let server = openvpn("udp", &["--tls-crypt", "KEY"]).await;
    let with = [("tls_crypt", server.key.as_str()), ("timeout", "2s")];
    expect("openvpn", server.port, &with, Status::Ok, "answers as a server").await;
    expect("openvpn", server.port, &[("timeout", "400ms")], Status::Critical, "nothing came back")
        .await;
}

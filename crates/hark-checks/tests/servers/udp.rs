//! `udp` beside `check_udp`.

use hark_model::Status;

use crate::support::datagrams::DatagramRelay;
use crate::support::{expect, free_port, plugin, same};

// The plugin is waited for while the server of the test answers it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn udp_sends_and_expects_as_check_udp_does() {
    let server = DatagramRelay::answering(|asked| [b"pong ", asked].concat()).await;
    let port = server.port();
    let number = port.to_string();
    let theirs = |expect: &str| {
        plugin("check_udp", &["-H", "127.0.0.1", "-p", &number, "-s", "ping", "-e", expect])
    };
    let options = [("send", "ping"), ("expect", "pong")];
    let ours = expect("udp", port, &options, Status::Ok, "9 bytes came back").await;
    same(&ours, &theirs("pong"));
    let options = [("send", "ping"), ("expect", "gone")];
    let ours = expect("udp", port, &options, Status::Critical, "pong ping").await;
    // A wrong answer is a warning of the plugin where `-M` does not say otherwise.
    assert_eq!(theirs("gone").0, Status::Warning, "{}", ours.text);
    let away = free_port();
    let options = [("send", "ping"), ("expect", "pong"), ("timeout", "1s")];
    let ours = expect("udp", away, &options, Status::Critical, "nobody listens there").await;
    let away = away.to_string();
    let theirs = ["-H", "127.0.0.1", "-p", &away, "-s", "ping", "-e", "pong"];
    same(&ours, &plugin("check_udp", &theirs));
}

// What Picomon looks for at a VPN server, written as its settings are.
#[tokio::test]
async fn udp_sends_bytes_of_any_kind() {
    let server = DatagramRelay::answering(|asked| {
        assert_eq!(asked, [0x38, 1, 1, 1, 1, 1, 1, 1, 0x42]);
        vec![0x40, 0, 0xff]
    })
    .await;
    let send = "8\\x01\\x01\\x01\\x01\\x01\\x01\\x01B";
    let options = [("send", send), ("expect", "@\\x00\\xff")];
    let finding = expect("udp", server.port(), &options, Status::Ok, "3 bytes came back").await;
    assert_eq!(finding.facts.get("answer_hex"), &hark_conditions::Fact::from("4000ff"));
}

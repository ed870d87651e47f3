//! `tcp` beside `check_tcp`.

use std::time::Duration;

use hark_model::Status;

use crate::support::certificates::{Authority, NAME};
use crate::support::relay::Relay;
use crate::support::{
    expect, free_port, good_slow_and_over_ipv6_alone, plugin_without_limit, same,
};

// The plugin is waited for while the relays of the test work.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tcp_sends_and_expects_as_check_tcp_does() {
    let server = Relay::says("220 ready\r\n").await;
    let theirs = |port: u16, more: &[&str]| {
        let port = port.to_string();
        plugin_without_limit("check_tcp", &[&["-H", "127.0.0.1", "-p", &port], more].concat())
    };
    let port = server.port();
    same(&expect("tcp", port, &[], Status::Ok, "").await, &theirs(port, &[]));
    let greeted = [("expect", "220 "), ("timeout", "1s")];
    let ours = expect("tcp", port, &greeted, Status::Ok, "").await;
    same(&ours, &theirs(port, &["-e", "220 ", "-t", "1"]));
    let spoken = [("send", "QUIT\\r\\n"), ("expect", "ready"), ("timeout", "1s")];
    let ours = expect("tcp", port, &spoken, Status::Ok, "").await;
    same(&ours, &theirs(port, &["-E", "-s", "QUIT\\r\\n", "-e", "220 ready", "-t", "1"]));
    // As long as the server does not hang up, what is expected may still come: both wait for it.
    let wrong = [("expect", "SSH-"), ("timeout", "1s")];
    expect("tcp", port, &wrong, Status::Critical, "220 ready").await;
    let ours = expect("tcp", port, &wrong, Status::Critical, "").await;
    same(&ours, &theirs(port, &["-e", "SSH-", "-t", "1"]));
    // One that hangs up after another answer is a warning of the plugin where `-M` does not say otherwise.
    let short = Relay::says_and_leaves("220 ready\r\n").await;
    expect("tcp", short.port(), &wrong, Status::Critical, "220 ready").await;
    assert_eq!(theirs(short.port(), &["-e", "SSH-", "-t", "1"]).0, Status::Warning);

    let silent = Relay::says("").await;
    let ours = expect("tcp", silent.port(), &greeted, Status::Critical, "").await;
    same(&ours, &theirs(silent.port(), &["-e", "220 ", "-t", "1"]));
    let away = free_port();
    same(&expect("tcp", away, &[], Status::Critical, "refused").await, &theirs(away, &[]));
    let slow = Relay::start("127.0.0.1", port, Duration::from_millis(150)).await;
    let late = [("expect", "220 "), ("warning", "100ms")];
    let ours = expect("tcp", slow.port(), &late, Status::Warning, "ms").await;
    same(&ours, &theirs(slow.port(), &["-e", "220 ", "-w", "0.1", "-t", "2"]));
    good_slow_and_over_ipv6_alone("tcp", port, &[("expect", "220 ")]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tcp_over_tls_wants_a_certificate_that_is_good() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    let ca_file = authority.file();
    let server = Relay::says("220 ready\r\n").await;
    let trusting = [("tls", "true"), ("tls_name", NAME), ("ca_file", &ca_file), ("expect", "220 ")];
    for (pair, ours, theirs) in [
        (authority.good(), Status::Ok, Status::Ok),
        (authority.expired(), Status::Critical, Status::Critical),
        // The plugin counts days alone.
        (authority.for_another(), Status::Critical, Status::Ok),
    ] {
        let relay = Relay::secured(server.port(), pair.acceptor()).await;
        expect("tcp", relay.port(), &trusting, ours, "").await;
        let port = relay.port().to_string();
        let arguments = ["-H", "127.0.0.1", "-p", &port, "-S", "-D", "14,3", "-t", "2"];
        let said = plugin_without_limit("check_tcp", &arguments);
        assert_eq!(said.0, theirs, "{}", said.1);
    }
}

//! `mqtt` against mosquitto. Debian has no Nagios plugin for it.

use std::path::Path;
use std::process::Command;

use hark_conditions::Fact;
use hark_model::Status;

use crate::support::certificates::{Authority, NAME};
use crate::support::process::{Process, as_nobody, folder_of_nobody, open_to_all, succeed};
use crate::support::relay::Relay;
use crate::support::{expect, free_port, good_slow_and_over_ipv6_alone, needs, until_open};

async fn mosquitto(folder: &Path, more: &str) -> (u16, Process) {
    const PROGRAM: &str = "/usr/sbin/mosquitto";
    needs(PROGRAM);
    let own = folder_of_nobody(folder, "own");
    let port = free_port();
    let file = own.join("mosquitto.conf");
    std::fs::write(&file, format!("listener {port} 127.0.0.1\n{more}\n")).unwrap();
    let mut command = Command::new(PROGRAM);
    command.args(["-c", &file.display().to_string()]);
    as_nobody(&mut command, folder);
    let process = Process::start(&mut command, &own);
    until_open(port).await;
    (port, process)
}

#[tokio::test]
async fn mqtt_brings_a_message_back_in_both_versions() {
    let folder = tempfile::tempdir().unwrap();
    let (port, _process) = mosquitto(folder.path(), "allow_anonymous true").await;
    for version in ["3.1.1", "5"] {
        let options = [("version", version)];
        expect("mqtt", port, &options, Status::Ok, &format!("MQTT {version}, logged in")).await;
        let options = [("version", version), ("topic", "monitoring/hark")];
        let finding = expect("mqtt", port, &options, Status::Ok, "the message was back").await;
        assert!(finding.measures.iter().any(|m| m.name == "round_trip_seconds"), "{finding:?}");
    }
    good_slow_and_over_ipv6_alone("mqtt", port, &[]).await;
    let authority = Authority::new(folder.path());
    let ca_file = authority.file();
    let over_tls = Relay::secured(port, authority.good().acceptor()).await;
    let options = [("tls", "true"), ("tls_name", NAME), ("ca_file", ca_file.as_str())];
    expect("mqtt", over_tls.port(), &options, Status::Ok, "certificate good for").await;
}

#[tokio::test]
async fn mqtt_says_why_the_broker_refuses() {
    let folder = tempfile::tempdir().unwrap();
    let (users, access) = (folder.path().join("users"), folder.path().join("access"));
    let file = users.display().to_string();
    succeed(Command::new("/usr/bin/mosquitto_passwd").args(["-c", "-b", &file, "watcher", "hush"]));
    std::fs::write(&access, "user watcher\ntopic readwrite monitoring/#\n").unwrap();
    open_to_all(&users);
    open_to_all(&access);
    let settings = format!("password_file {file}\nacl_file {}", access.display());
    let (port, _process) = mosquitto(folder.path(), &settings).await;
    let login = [("user", "watcher"), ("password", "hush")];
    let with = |more: &[(&'static str, &'static str)]| [&login[..], more].concat();
    expect("mqtt", port, &with(&[("topic", "monitoring/a")]), Status::Ok, "was back").await;
    expect("mqtt", port, &[], Status::Critical, "not authorized").await;
    let wrong = [("user", "watcher"), ("password", "no")];
    let refused = expect("mqtt", port, &wrong, Status::Critical, "the login is refused").await;
    assert_eq!(refused.facts.get("code"), &Fact::Number(5.0));
    let wrong = [&wrong[..], &[("version", "5")]].concat();
    expect("mqtt", port, &wrong, Status::Critical, "not authorized").await;
    // The broker drops what may not be written, without a word.
    let elsewhere = with(&[("topic", "secret/a"), ("timeout", "1s")]);
    expect("mqtt", port, &elsewhere, Status::Critical, "the message does not come back").await;
}

//! `mqtt` at mosquitto, read back by Debian's own subscriber.

use std::path::Path;
use std::process::Command;

use hark_notify::samples;
use serde_json::Value;

use crate::support::{
    Certificate, NAME, Process, as_nobody, folder_of_nobody, free_port, needs, open_to_all,
    problem, receiver, recovery, send, succeed, until_open,
};

struct Mosquitto {
    plain: u16,
    secure: u16,
    certificate: Certificate,
    _process: Process,
}

/// Starts a broker that lets in one user, on a plain port and on one with TLS.
async fn mosquitto(folder: &Path) -> Mosquitto {
    const PROGRAM: &str = "/usr/sbin/mosquitto";
    needs(PROGRAM);
    needs("/usr/bin/mosquitto_sub");
    let own = folder_of_nobody(folder, "own");
    let certificate = Certificate::new(folder);
    let (users, access) = (folder.join("users"), folder.join("access"));
    let file = users.display().to_string();
    succeed(Command::new("/usr/bin/mosquitto_passwd").args(["-c", "-b", &file, "hark", "hush"]));
    std::fs::write(&access, "user hark\ntopic readwrite hark/#\n").unwrap();
    open_to_all(&users);
    open_to_all(&access);
    let (plain, secure) = (free_port(), free_port());
    let settings = format!(
        "password_file {file}\nacl_file {}\nlistener {plain} 127.0.0.1\n\
         listener {secure} 127.0.0.1\ncertfile {}\nkeyfile {}\n",
        access.display(),
        certificate.file,
        certificate.key,
    );
    let file = own.join("mosquitto.conf");
    std::fs::write(&file, settings).unwrap();
    let mut command = Command::new(PROGRAM);
    command.args(["-c", &file.display().to_string()]);
    as_nobody(&mut command, folder);
    let process = Process::start(&mut command, &own);
    until_open(plain).await;
    until_open(secure).await;
    Mosquitto { plain, secure, certificate, _process: process }
}

/// Returns what the broker keeps under `hark/`, topic and content a line.
fn kept(port: u16) -> Vec<String> {
    let port = port.to_string();
    let login = ["-h", "127.0.0.1", "-p", &port, "-u", "hark", "-P", "hush"];
    let mut command = Command::new("/usr/bin/mosquitto_sub");
    command.args(login).args(["-t", "hark/#", "-v", "-W", "1"]);
    // It ends by its own time limit, which is no success to it.
    let output = command.output().unwrap();
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn the_state_stands_at_the_broker_for_those_who_come_later() {
    let folder = tempfile::tempdir().unwrap();
    let broker = mosquitto(folder.path()).await;
    let state = receiver(
        "mqtt",
        &format!(
            "server: {NAME}, port: {}, user: hark, password: hush, retain: true",
            broker.plain
        ),
    );
    assert_eq!(send(&state, &problem()).await.unwrap(), "confirmed by the broker");
    send(&state, &samples()[2]).await.unwrap();
    let kept_then = kept(broker.plain);
    let [line] = &kept_then[..] else { unreachable!("events are not kept: {kept_then:?}") };
    let (topic, content) = line.split_once(' ').unwrap();
    assert_eq!(topic, "hark/db1.example.net/cpu_monitor.cpu_percent");
    let content: Value = serde_json::from_str(content).unwrap();
    assert_eq!((&content["status"], &content["key"]), (&"critical".into(), &"1/problem/0".into()));

    let secure = receiver(
        "mqtt",
        &format!(
            "server: {NAME}, port: {}, user: hark, password: hush, retain: true, tls: true, ca_file: \
             {}, template: '{{{{ status }}}} now'",
            broker.secure, broker.certificate.authority
        ),
    );
    send(&secure, &recovery()).await.unwrap();
    assert_eq!(kept(broker.plain), ["hark/db1.example.net/cpu_monitor.cpu_percent ok now"]);
}

#[tokio::test]
async fn the_broker_says_who_may_not_come_in_and_whose_certificate_is_not_good() {
    let folder = tempfile::tempdir().unwrap();
    let broker = mosquitto(folder.path()).await;
    let wrong = format!("server: {NAME}, port: {}, user: hark, password: no", broker.plain);
    let error = send(&receiver("mqtt", &wrong), &problem()).await.unwrap_err();
    assert!(error.contains("does not let this client in"), "{error}");
    let untrusted =
        format!("server: {NAME}, port: {}, user: hark, password: hush, tls: true", broker.secure);
    let error = send(&receiver("mqtt", &untrusted), &problem()).await.unwrap_err();
    assert!(error.contains("UnknownIssuer"), "{error}");
    assert!(kept(broker.plain).is_empty());
}

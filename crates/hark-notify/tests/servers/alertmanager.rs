//! `alertmanager` at Debian's own, read back with `amtool`.

use std::process::Command;

use hark_model::{Clock, Notification, Reason, Status};
use hark_notify::samples;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{
    Process, free_port, needs, problem, receiver, recovery, send, succeed, until_open,
};

struct Alertmanager {
    port: u16,
    _process: Process,
    _folder: TempDir,
}

async fn alertmanager() -> Alertmanager {
    const PROGRAM: &str = "/usr/bin/prometheus-alertmanager";
    needs(PROGRAM);
    needs("/usr/bin/amtool");
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let file = folder.path().join("alertmanager.yml");
    // Without a repeat, an alert would end a second after its last message.
    let settings =
        "global: {resolve_timeout: 1s}\nroute: {receiver: none}\nreceivers: [{name: none}]\n";
    std::fs::write(&file, settings).unwrap();
    let mut command = Command::new(PROGRAM);
    command
        .arg(format!("--config.file={}", file.display()))
        .arg(format!("--storage.path={}", folder.path().join("data").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .arg("--cluster.listen-address=");
    let process = Process::start(&mut command, folder.path());
    until_open(port).await;
    Alertmanager { port, _process: process, _folder: folder }
}

impl Alertmanager {
    /// Returns the alerts that are on, as `amtool` shows them.
    fn alerts(&self) -> Vec<Value> {
        let url = format!("http://127.0.0.1:{}", self.port);
        let query = ["alert", "query", "-o", "json", "--alertmanager.url", &url];
        let printed = succeed(Command::new("/usr/bin/amtool").args(query));
        let mut alerts: Vec<Value> = serde_json::from_str(&printed).unwrap();
        alerts.sort_by_key(|alert| alert["labels"]["severity"].to_string());
        alerts
    }
}

/// The message as if it had been decided now: what ended long ago is never shown.
fn now(mut message: Notification) -> Notification {
    message.at = Clock.now().unix;
    message.since = hark_model::Unix(message.at.0 - 60_000);
    message
}

#[tokio::test]
async fn an_incident_is_an_alert_from_its_begin_to_its_end() {
    let server = alertmanager().await;
    let settings = format!("url: 'http://svc.test:{}', labels: {{team: ops}}", server.port);
    let feed = receiver("alertmanager", &settings);
    let first = now(problem());
    send(&feed, &first).await.unwrap();
    let [alert] = &server.alerts()[..] else { unreachable!("{:?}", server.alerts()) };
    let labels = &alert["labels"];
    assert_eq!(labels["alertname"], "cpu_monitor.cpu_percent");
    assert_eq!((&labels["host"], &labels["team"]), (&"db1.example.net".into(), &"ops".into()));
    assert_eq!(labels["severity"], "critical");
    assert_eq!(alert["annotations"]["summary"], first.summary.as_str());
    assert_eq!(alert["generatorURL"], "https://hark.example.net/incidents/1");
    assert_eq!(alert["status"]["state"], "active");

    // Longer than it would hold an alert that does not say when it ends.
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    assert_eq!(server.alerts().len(), 1, "nobody has said that it is over");

    let mut better = Notification { since: first.since, ..now(problem()) };
    (better.reason, better.was, better.status) =
        (Reason::Better, Some(Status::Critical), Status::Warning);
    send(&feed, &better).await.unwrap();
    let [alert] = &server.alerts()[..] else { unreachable!("{:?}", server.alerts()) };
    assert_eq!(alert["labels"]["severity"], "warning");

    let mut over = Notification { since: first.since, ..now(recovery()) };
    over.was = Some(Status::Warning);
    send(&feed, &over).await.unwrap();
    assert!(server.alerts().is_empty(), "{:?}", server.alerts());

    send(&feed, &now(samples().swap_remove(2))).await.unwrap();
    assert_eq!(server.alerts()[0]["labels"]["alertname"], "event");
}

#[tokio::test]
async fn a_wrong_path_is_final() {
    let server = alertmanager().await;
    let settings = format!("url: 'http://svc.test:{}/elsewhere'", server.port);
    let error = send(&receiver("alertmanager", &settings), &now(problem())).await.unwrap_err();
    assert!(error.contains("404"), "{error}");
}

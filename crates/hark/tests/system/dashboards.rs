//! Dashboards from the shell: brought in as files, kept over a kill, removed and restored.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::support::process::{clean, run, succeed};
use crate::support::server::{Server, Start};
use crate::support::{HARK, PASSWORD, folder, write};

const TIME: Duration = Duration::from_secs(30);

const MINE: &str = "title: 'Databases: main'
variables: {host: db1}
panels:
  - {kind: value, hosts: [$host], metrics: [memory_monitor.percent], width: 3}
  - {kind: text, text: \"one\\n\\ntwo\"}
";

fn dashboards(folder: &Path, server: &Server, words: &[&str]) -> String {
    let mut command = clean(HARK, folder);
    command.arg("dashboards").args(words).arg("--data").arg(&server.data);
    succeed(&mut command, TIME)
}

#[test]
fn dashboards_come_and_go_as_files_and_outlive_a_kill() {
    let folder = folder();
    let folder = folder.path();
    let mut start = Start::new("server", folder).config("hosts: {db1: {}}\n");
    let mut server = start.go();
    server.set_up(PASSWORD);
    write(folder, "mine.yaml", MINE);
    let made = dashboards(folder, &server, &["import", "mine.yaml"]);
    assert!(made.contains("\"Databases: main\" is made: http"), "{made}");

    // Killed at once: what was answered is there.
    server.process.kill();
    start.ports = (server.http, server.udp);
    server = start.go();
    let list: Value = serde_json::from_str(&dashboards(folder, &server, &["--json"])).unwrap();
    assert_eq!((&list[0]["id"], &list[0]["panels"]), (&1.into(), &2.into()), "{list}");

    // What comes out goes in again, as another one.
    let exported = dashboards(folder, &server, &["export", "1"]);
    write(folder, "again.yaml", &exported);
    dashboards(folder, &server, &["import", "again.yaml"]);
    assert_eq!(dashboards(folder, &server, &["export", "2"]), exported);

    dashboards(folder, &server, &["remove", "1"]);
    let left = dashboards(folder, &server, &[]);
    assert_eq!(left.lines().count(), 2, "a head and one: {left}");
    assert!(dashboards(folder, &server, &["restore", "1"]).contains("is there again"));

    // One of Grafana, with what does not map on standard error.
    let grafana = r#"{"schemaVersion": 38, "title": "Nodes", "panels": [
        {"type": "stat", "title": "Load", "targets": [{"expr": "node_load1"}]},
        {"type": "heatmap", "title": "Heat"}]}"#;
    write(folder, "grafana.json", grafana);
    let mut import = clean(HARK, folder);
    import.args(["dashboards", "import", "grafana.json", "--data"]).arg(&server.data);
    let output = run(&mut import, TIME);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("left out: panel `Heat`: there is no kind like `heatmap`"), "{said}");
    assert!(output.status.success(), "{said}");
    let nodes = dashboards(folder, &server, &["export", "3"]);
    assert!(nodes.contains("- \"cpu_monitor.load_1min\""), "{nodes}");

    // A mistake is told with its place.
    write(folder, "wrong.yaml", "title: x\npanels: [{kind: pie}]\n");
    let mut import = clean(HARK, folder);
    import.args(["dashboards", "import", "wrong.yaml", "--data"]).arg(&server.data);
    let output = run(&mut import, TIME);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("panels[0].kind"), "{said}");
}

//! An agent with some of everything, and its server: the same on every system. With
//! `--features portable` nothing in either is what only Linux has (docs/platforms.md).

use std::time::Duration;

use serde_json::Value;

use crate::support::process::{Process, clean};
use crate::support::server::Start;
use crate::support::wait::until;
use crate::support::{HARK, PASSWORD, folder, write};

/// Starts, heartbeats and looks at files that nobody tells of, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(40);

fn status<'h>(host: &'h Value, name: &str) -> Option<&'h str> {
    let checks = host["checks"].as_array()?;
    checks.iter().find(|check| check["name"] == name)?["status"].as_str()
}

#[test]
fn what_an_agent_measures_reads_and_runs_reaches_its_server_in_either_form() {
    let folder = folder();
    let server = Start::new("server", folder.path()).config("secret: a secret of this run only\n");
    let mut server = server.go();
    server.set_up(PASSWORD);
    let log = folder.path().join("app.log");
    std::fs::write(&log, "before anybody looked\n").unwrap();
    let config = format!(
        "agent:\n  \
           logs: {{app: {{file: {log}, match: 'disk (full|gone)', more_than: 0, within: 1m}}}}\n  \
           processes: {{own: {{name: hark, every: 1s}}, none: {{name: no-such-one, every: 1s, attempts: 1}}}}\n  \
           commands: {{said: {{command: /bin/echo load=7, every: 1s, extract: '(load)=([0-9]+)', \
             alert_if: {{match: [1, load], value: 2, above: 4, message: above 4, severity: warning}}}}}}\n  \
           plugins: {{echo: {{command: \"/bin/echo 'OK - all well | n=3'\", every: 1s}}}}\n",
        log = log.display()
    );
    let config = write(folder.path(), "agent.yaml", &config);
    let secret = write(folder.path(), "secret", "a secret of this run only");
    let mut command = clean(HARK, folder.path());
    command.arg("agent").arg(format!("127.0.0.1:{}", server.udp)).args(["--name", "web1"]);
    command.arg("--secret-file").arg(secret).arg("--data").arg(folder.path().join("agent"));
    command.args(["--interval", "1s"]).arg("--config").arg(config);
    let mut agent = Process::start(&mut command, folder.path(), "agent");
    let host = server.host_when("web1", PATIENCE, |host| {
        ["own", "none", "echo", "said"].iter().all(|name| status(host, name).is_some())
    });
    assert_eq!(status(&host, "own"), Some("ok"), "{host}");
    assert_eq!(status(&host, "none"), Some("critical"), "{host}");
    assert_eq!(status(&host, "echo"), Some("ok"), "{host}");
    assert_eq!(status(&host, "said"), Some("warning"), "{host}");
    let listed = until("the series of the collectors", PATIENCE, || {
        let answer = server.try_get("/api/0/hosts/web1/metrics").ok()?;
        let text = answer.body.to_string();
        ["cpu_percent", "memory_monitor", "disk_monitor", "uptime_seconds"]
            .iter()
            .all(|name| text.contains(name))
            .then_some(text)
    });
    assert!(listed.contains("process_monitor"), "{listed}");
    std::fs::write(&log, "before anybody looked\nthe disk full of sand\n").unwrap();
    server.host_when("web1", PATIENCE, |host| status(host, "log_monitor.app") == Some("warning"));
    agent.signal("TERM");
    assert!(agent.wait(PATIENCE).success(), "{}", agent.errors());
    assert!(
        agent.errors().is_empty() || !agent.errors().contains("panicked"),
        "{}",
        agent.errors()
    );
}

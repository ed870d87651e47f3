//! Jobs that report themselves: by address, with exit codes and logs, by mail, over a kill of the server.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::support::hook::{Call, Hook};
use crate::support::process::{clean, run, succeed};
use crate::support::server::{Server, Start};
use crate::support::wait::{pause, until};
use crate::support::{HARK, PASSWORD, folder, write};

/// How long a message may take on a busy machine.
const TOLD: Duration = Duration::from_secs(30);

fn job(folder: &Path, server: &Server) -> Value {
    let mut command = clean(HARK, folder);
    command.args(["push", "backup", "--json", "--data"]).arg(&server.data);
    let jobs: Value = serde_json::from_str(&succeed(&mut command, TOLD)).unwrap();
    jobs[0].clone()
}

fn send(folder: &Path, server: &Server, path: &str, words: &[&str]) -> Command {
    let mut command = clean(HARK, folder);
    let address = format!("http://127.0.0.1:{}{path}", server.http);
    command.args(["send", "--push", &address]).args(words);
    command
}

fn newest(hook: &Hook, count: usize) -> Call {
    until(&format!("call {count}"), TOLD, || hook.calls().get(count - 1).cloned())
}

#[test]
fn a_job_says_how_it_went_and_that_it_says_nothing_is_told() {
    let folder = folder();
    let folder = folder.path();
    let hook = Hook::start();
    let config = |rotation: u32| {
        format!(
            "receivers: {{hook: {{webhook: {{url: '{}'}}}}}}\nhosts: {{db1: {{}}}}\n\
             checks: {{backup: {{host: db1, push: {{every: 1d, grace: 5s, max_run: 5s, \
             rotation: {rotation}}}}}}}\n",
            hook.url()
        )
    };
    let mut start = Start::new("server", folder).config(&config(0));
    let mut server = start.go();
    server.set_up(PASSWORD);
    let new = job(folder, &server);
    assert_eq!((&new["state"], &new["due_at"]), (&"new".into(), &Value::Null), "{new}");
    let path = new["path"].as_str().unwrap().to_owned();

    // It is well, then it fails: told with its exit code and what it printed.
    succeed(&mut send(folder, &server, &path, &["-m", "12 files"]), TOLD);
    assert_eq!(job(folder, &server)["text"], "done: 12 files");
    succeed(&mut send(folder, &server, &path, &["--exit-code", "3", "-m", "disk full"]), TOLD);
    let told = newest(&hook, 1);
    assert_eq!((told.text("check"), told.text("status")), ("backup", "critical"));
    assert!(told.body.to_string().contains("failed with exit code 3: disk full"), "{}", told.body);

    // Killed at once after the answer: it is known, told to nobody again, and ended by a success alone.
    succeed(&mut send(folder, &server, &path, &["--start"]), TOLD);
    server.process.kill();
    start.ports = (server.http, server.udp);
    server = start.go();
    let after = job(folder, &server);
    assert_eq!((&after["state"], &after["path"]), (&"running".into(), &path.clone().into()));
    let mut mail = send(folder, &server, &path, &["--mail"]);
    let text = write(folder, "mail", "To: jobs@example.net\nSubject: backup of db1\n\n14 files\n");
    mail.stdin(Stdio::from(std::fs::File::open(text).unwrap()));
    succeed(&mut mail, TOLD);
    let over = newest(&hook, 2);
    assert_eq!(over.text("status"), "ok", "{}", over.body);
    let text = job(folder, &server)["text"].as_str().unwrap().to_owned();
    assert!(text.starts_with("done in ") && text.ends_with("backup of db1\n14 files"), "{text}");

    // It begins and does not end.
    succeed(&mut send(folder, &server, &path, &["--start"]), TOLD);
    let hung = newest(&hook, 3);
    assert_eq!(hung.text("status"), "critical", "{}", hung.body);
    assert!(hung.body.to_string().contains("longer than 5s"), "{}", hung.body);
    assert_eq!(job(folder, &server)["state"], "down");

    // Another address: the one before says nothing any more.
    write(folder, "hark.yaml", &config(1));
    server.process.signal("HUP");
    let rotated = until("another address", TOLD, || {
        let rotated = job(folder, &server)["path"].as_str().unwrap().to_owned();
        (rotated != path).then_some(rotated)
    });
    let refused = run(&mut send(folder, &server, &path, &[]), TOLD);
    assert!(!refused.status.success(), "{refused:?}");
    succeed(&mut send(folder, &server, &rotated, &[]), TOLD);
    assert_eq!(newest(&hook, 4).text("status"), "ok");
    pause(Duration::from_secs(1));
    assert_eq!(hook.calls().len(), 4, "{:?}", hook.calls());
}

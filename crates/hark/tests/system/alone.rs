//! An agent without a server: it decides itself and tells receivers of its own, once each, also when it
//! is killed while the mail server is away.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::support::hook::{Call, Hook};
use crate::support::postfix::{Mail, Postfix};
use crate::support::process::{Process, clean, run, succeed};
use crate::support::wait::{pause, until};
use crate::support::{HARK, folder, write};

/// How long a message may take in all: a look, the engine, the outbox, the receiver, on a busy machine.
const TOLD: Duration = Duration::from_mins(1);

/// For what ends by itself.
const SOON: Duration = Duration::from_secs(20);

/// The process that must run; no other has this number of seconds in its command line.
const WORKER: &str = "86399.25";

fn configuration(folder: &Path, mail: u16, hook: &str) -> String {
    let dir = folder.display();
    format!(
        "receivers:\n  \
         ops-mail: {{email: {{to: [ops@example.net], from: hark@example.net, \
         server: 127.0.0.1, port: {mail}, security: none}}}}\n  \
         hook: {{webhook: {{url: '{hook}'}}}}\n\
         routes:\n  - {{name: all, to: [ops-mail, hook]}}\n  \
         - {{name: news, match: {{events: [log, message]}}, to: [ops-mail, hook]}}\n\
         thresholds:\n  command: {{app: {{queue: {{critical: 20}}}}}}\n\
         agent:\n  name: alone\n  interval: 1s\n  \
         processes: {{worker: {{pattern: '^sleep {WORKER}', every: 1s, attempts: 1}}}}\n  \
         commands: {{app: {{command: cat {dir}/queue, every: 1s, extract: 'queue=([0-9.]+)', \
         metrics: {{value: 1, name: queue}}}}}}\n  \
         plugins: {{flag: {{command: [test, '!', -e, {dir}/flag], every: 1s}}}}\n  \
         logs: {{app: {{file: {dir}/app.log, match: FATAL, severity: critical}}}}\n"
    )
}

fn agent(folder: &Path) -> Process {
    let mut command = clean(HARK, folder);
    command.args(["agent", "--config"]).arg(folder.join("hark.yaml"));
    command.arg("--data").arg(folder.join("data"));
    let process = Process::start(&mut command, folder, "agent");
    until("the agent's first lines", TOLD, || process.output().contains("  data ").then_some(()));
    let shown = process.output();
    assert!(shown.contains("  tells   hook, ops-mail\n"), "{shown}");
    process
}

/// Returns the newest call about `check` with `status`.
fn call(hook: &Hook, check: &str, status: &str) -> Option<Call> {
    let is = |call: &Call| call.text("check") == check && call.text("status") == status;
    hook.calls().into_iter().rfind(is)
}

fn called(hook: &Hook, check: &str, status: &str) -> Call {
    until(&format!("the call that {check} is {status}"), TOLD, || call(hook, check, status))
}

fn mailed(postfix: &Postfix, words: &[&str]) -> Mail {
    until(&format!("the mail about {words:?}"), TOLD, || {
        let mut mails = postfix.mails().into_iter();
        mails.find(|mail| words.iter().all(|word| mail.header("subject").contains(word)))
    })
}

#[test]
fn it_tells_its_own_receivers_once_also_when_killed() {
    let folder = folder();
    let folder = folder.path();
    let mut postfix = Postfix::start(folder);
    let hook = Hook::start();
    write(folder, "queue", "queue=3\n");
    let log = write(folder, "app.log", "");
    write(folder, "hark.yaml", &configuration(folder, postfix.port(), &hook.url()));
    let mut running = agent(folder);

    // A process that does not run, and then does: two mails of one thread.
    let missing = called(&hook, "worker", "critical");
    assert_eq!(missing.text("host"), "alone");
    let mail = mailed(&postfix, &["CRITICAL", "worker"]);
    assert_eq!(mail.header("to"), "ops@example.net");
    // As it lies in the mailbox: text first, then the page, neither of them changed on the way.
    assert!(mail.header("content-type").starts_with("multipart/alternative;"), "{mail:?}");
    assert!(mail.header("list-id").contains(".hark."), "{mail:?}");
    let (plain, page) = mail.body().split_once("Content-Type: text/html; charset=utf-8").unwrap();
    assert!(plain.contains("Content-Type: text/plain; charset=utf-8"), "{plain}");
    assert!(plain.contains("\nHost:     alone\n"), "{plain}");
    assert!(page.contains("<h1 style=3D\"") && page.contains("</html>"), "{page}");
    let mut sleep = Command::new("sleep");
    let worker = Process::start(sleep.arg(WORKER), folder, "worker");
    called(&hook, "worker", "ok");
    let over = mailed(&postfix, &["RECOVERED", "worker"]);
    assert_eq!(over.header("in-reply-to"), mail.header("message-id"));

    // What a plugin says, a line of a log, a message of a person.
    let flag = write(folder, "flag", "");
    called(&hook, "flag", "warning");
    std::fs::write(&log, "all is well\nFATAL no more room\n").unwrap();
    let mut send = clean(HARK, folder);
    send.args(["send", "-m", "backup finished", "--data"]).arg(folder.join("data"));
    succeed(&mut send, SOON);
    mailed(&postfix, &["no more room"]);
    mailed(&postfix, &["backup finished"]);

    // A limit is crossed while the mail server is away; one receiver has heard of it when all ends as
    // by a power cut, and it is over before the agent runs again.
    postfix.pause();
    write(folder, "queue", "queue=50\n");
    called(&hook, "command.app.queue", "critical");
    running.kill();
    std::fs::remove_file(flag).unwrap();
    postfix.resume();
    let running = agent(folder);
    mailed(&postfix, &["CRITICAL", "queue"]);
    called(&hook, "flag", "ok");
    write(folder, "queue", "queue=4\n");
    called(&hook, "command.app.queue", "ok");
    mailed(&postfix, &["RECOVERED", "queue"]);
    is_reached_by_nobody(&running);

    // Nothing was told twice, and nothing was told about the agent's own end and start.
    pause(Duration::from_secs(2));
    // But for the call that was being answered when the agent was killed: it comes again, with its key.
    let mut calls = hook.calls();
    let made = calls.len();
    let mut keys = BTreeSet::new();
    calls.retain(|call| keys.insert(call.key.clone()));
    assert!(made - calls.len() <= 1, "{:?}", hook.calls());
    let ids: Vec<String> =
        postfix.mails().iter().map(|mail| mail.header("message-id").to_owned()).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{ids:?}");
    let about: Vec<&str> = calls.iter().map(|call| call.text("check")).collect();
    assert!(!about.contains(&"host"), "{about:?}");
    let critical = |call: &&Call| {
        call.text("check") == "command.app.queue" && call.text("status") == "critical"
    };
    assert_eq!(calls.iter().filter(critical).count(), 1, "{calls:?}");
    drop((running, worker));
}

/// Looks at every socket of the process: none takes connections, none is bound beyond loopback.
fn is_reached_by_nobody(process: &Process) {
    let folder = format!("/proc/{}", process.id());
    let sockets: BTreeSet<String> = std::fs::read_dir(format!("{folder}/fd"))
        .unwrap()
        .filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok())
        .filter_map(|link| {
            let inode = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
            Some(inode.to_owned())
        })
        .collect();
    assert!(!sockets.is_empty());
    for table in ["tcp", "tcp6", "udp", "udp6"] {
        let text = std::fs::read_to_string(format!("{folder}/net/{table}")).unwrap_or_default();
        for line in text.lines().skip(1) {
            let words: Vec<&str> = line.split_whitespace().collect();
            if !sockets.contains(words[9]) {
                continue;
            }
            assert!(words[1].starts_with("0100007F:"), "{table}: {line}");
            assert!(table.starts_with("udp") || words[3] != "0A", "it takes connections: {line}");
        }
    }
}

#[test]
fn without_server_and_receivers_it_says_what_is_missing() {
    let folder = folder();
    let folder = folder.path();
    let mut command = clean(HARK, folder);
    command.arg("agent").arg("--data").arg(folder.join("data"));
    let output = run(&mut command, SOON);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(said.contains("hark enroll") && said.contains("receivers"), "{said}");
}

#[test]
fn a_boot_is_handed_to_the_agent_that_runs() {
    let folder = folder();
    let folder = folder.path();
    let hook = Hook::start();
    let text = format!(
        "receivers: {{hook: {{webhook: {{url: '{}'}}}}}}\n\
         routes: [{{name: boots, match: {{events: [boot]}}, to: hook}}]\nagent: {{name: alone, interval: 1s}}\n",
        hook.url()
    );
    write(folder, "hark.yaml", &text);
    let boot = || {
        let mut command = clean(HARK, folder);
        command.args(["agent", "--boot", "--config"]).arg(folder.join("hark.yaml"));
        command.arg("--data").arg(folder.join("data"));
        run(&mut command, SOON)
    };
    let nobody = boot();
    let said = String::from_utf8_lossy(&nobody.stderr);
    assert!(!nobody.status.success() && said.contains("no agent runs"), "{said}");
    let mut command = clean(HARK, folder);
    command.args(["agent", "--config"]).arg(folder.join("hark.yaml"));
    command.arg("--data").arg(folder.join("data"));
    let running = Process::start(&mut command, folder, "agent");
    until("the agent takes it", TOLD, || boot().status.success().then_some(()));
    let told = until("the call about the boot", TOLD, || {
        hook.calls().into_iter().find(|call| call.body.to_string().contains("has booted"))
    });
    assert_eq!(told.text("host"), "alone");

    let mut check = clean(HARK, folder);
    check.args(["config", "check", "--config"]).arg(folder.join("hark.yaml"));
    let said = succeed(&mut check, SOON);
    assert!(said.contains("is in order") && said.contains("tells hook itself"), "{said}");
    drop(running);
}

#[test]
fn who_uses_most_is_told_where_its_own_limit_is_crossed() {
    let folder = folder();
    let folder = folder.path();
    let hook = Hook::start();
    let text = format!(
        "receivers: {{hook: {{webhook: {{url: '{}'}}}}}}\n\
         routes: [{{name: busy, match: {{events: [busy]}}, to: hook}}]\n\
         thresholds: {{memory_monitor: {{percent: {{warning: 0.1}}}}}}\nagent: {{name: alone, interval: 1s}}\n",
        hook.url()
    );
    write(folder, "hark.yaml", &text);
    let mut command = clean(HARK, folder);
    command.args(["agent", "--config"]).arg(folder.join("hark.yaml"));
    command.arg("--data").arg(folder.join("data"));
    let _running = Process::start(&mut command, folder, "agent");
    let told = until("the call about who uses most", TOLD, || {
        hook.calls().into_iter().find(|call| call.body.to_string().contains("memory is used by"))
    });
    let body = told.body.to_string();
    assert!(
        told.text("host") == "alone" && body.contains(" MiB ") && body.contains("(pid "),
        "{body}"
    );
}

/// How often the threads of a process have gone to sleep by themselves.
fn sleeps(process: &Process) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", process.id())).unwrap();
    let of_task = |task: std::io::Result<std::fs::DirEntry>| -> Option<u64> {
        let status = std::fs::read_to_string(task.ok()?.path().join("status")).ok()?;
        let line = status.lines().find_map(|l| l.strip_prefix("voluntary_ctxt_switches:"))?;
        line.trim().parse().ok()
    };
    tasks.filter_map(of_task).sum()
}

#[test]
fn at_rest_it_is_hardly_ever_awake() {
    let folder = folder();
    let folder = folder.path();
    let text = "receivers: {hook: {webhook: {url: 'http://127.0.0.1:9/x'}}}\n\
                agent: {name: alone, interval: 1h}\n";
    write(folder, "hark.yaml", text);
    let mut command = clean(HARK, folder);
    command.args(["agent", "--config"]).arg(folder.join("hark.yaml"));
    command.arg("--data").arg(folder.join("data"));
    let running = Process::start(&mut command, folder, "agent");
    until("the agent's first lines", TOLD, || running.output().contains("  data ").then_some(()));
    // It has its start behind it once there is a while in which little happens; a thread that looks around twice a
    // second would not let that come.
    let window = Duration::from_secs(10);
    let most = 25;
    until("a while of rest", TOLD, || {
        let before = sleeps(&running);
        pause(window);
        (sleeps(&running) - before <= most).then_some(())
    });
}

//! The watch on the server itself: what it says to systemd and to a dead man's switch, and what is said of
//! it by others when it cannot.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::support::hook::Hook;
use crate::support::http;
use crate::support::postfix::Postfix;
use crate::support::process::{Process, clean, send_signal, succeed};
use crate::support::server::{START, Start};
use crate::support::wait::{Deadline, pause, until};
use crate::support::{HARK, PASSWORD, folder, write};

/// How long a message may take on a busy machine.
const TOLD: Duration = Duration::from_secs(30);

#[test]
fn the_dead_mans_switch_is_called_while_the_whole_server_works_and_told_what_does_not() {
    let folder = folder();
    let switch = Hook::start();
    let config = format!("deadman: {{url: '{}?a=b', every: 5s}}\n", switch.url());
    let start = Start::new("server", folder.path()).config(&config);
    let mut server = start.go();
    server.set_up(PASSWORD);
    let first = until("the first call", TOLD, || switch.calls().first().cloned());
    assert_eq!(first.path, "/hook?a=b");
    assert!(server.get("/api/0/self")["datagrams"]["own"].as_u64().unwrap() >= 1, "it was sent");

    // A mistake in the file: the one before goes on, and the server is not whole.
    write(folder.path(), "hark.yaml", &config.replace("every", "evry"));
    let failed = until("the call about the mistake", TOLD, || {
        switch.calls().into_iter().find(|call| call.path == "/hook/fail?a=b")
    });
    assert!(failed.raw.contains("config: the configuration has"), "{}", failed.raw);
    assert_eq!(failed.raw.lines().count(), 1, "nothing else is wrong: {}", failed.raw);

    write(folder.path(), "hark.yaml", &config);
    until("the call after the mistake was mended", TOLD, || {
        let calls = switch.calls();
        let failed = calls.iter().rposition(|call| call.path.contains("/fail"))?;
        (failed + 1 < calls.len()).then_some(())
    });
}

#[test]
fn a_dead_mans_switch_that_is_not_reached_is_told_by_the_receivers() {
    let folder = folder();
    let (hook, switch) = (Hook::start(), Hook::refusing_after(Duration::ZERO));
    let config = format!(
        "deadman: {{url: '{}', every: 5s}}\nreceivers:\n  hook: {{webhook: {{url: '{}'}}}}\n",
        switch.url(),
        hook.url()
    );
    let _server = Start::new("server", folder.path()).config(&config).go();
    let told = until("the call about the switch", TOLD, || hook.calls().first().cloned());
    assert_eq!((told.text("host"), told.text("check")), ("self", "deadman"), "{}", told.raw);
    assert!(told.raw.contains("answered 404"), "{}", told.raw);
    assert!(!told.raw.contains("/hook\""), "the address's path is nobody's business: {}", told.raw);
}

/// Another hark is the dead man's switch, over TLS: known by its certificate's fingerprint alone.
#[test]
fn two_servers_watch_each_other_over_tls_and_no_other_certificate_is_believed() {
    let folder = folder();
    let [near, far] = ["near", "far"].map(|name| folder.path().join(name));
    for path in [&near, &far] {
        std::fs::create_dir(path).unwrap();
    }
    let jobs = "hosts: {near: {}}\nchecks: {server: {host: near, push: {every: 1m}}}\n";
    let mut far = Start::new("server", &far).config(jobs).go();
    far.set_up(PASSWORD);
    let job = || -> Value {
        let mut list = clean(HARK, folder.path());
        list.args(["push", "server", "--json", "--data"]).arg(&far.data);
        let jobs: Value = serde_json::from_str(&succeed(&mut list, TOLD)).unwrap();
        jobs[0].clone()
    };
    let mut invite = clean(HARK, folder.path());
    invite.args(["enroll", "--json", "--address", "127.0.0.1", "--data"]).arg(&far.data);
    let token: Value = serde_json::from_str(&succeed(&mut invite, TOLD)).unwrap();
    let token = hark_model::EnrolToken::decode(token["token"].as_str().unwrap()).unwrap();
    let right = token.fingerprint().iter().fold(String::new(), |t, byte| format!("{t}{byte:02x}"));
    let hook = Hook::start();
    let config = |fingerprint: &str, every: &str| {
        format!(
            "deadman: {{url: 'https://127.0.0.1:{}{}', {every}: 5s, fingerprint: '{fingerprint}'}}\n\
             receivers: {{hook: {{webhook: {{url: '{}'}}}}}}\n",
            far.http,
            job()["path"].as_str().unwrap(),
            hook.url()
        )
    };
    let _near = Start::new("server", &near).config(&config(&right, "every")).go();
    until("the first call", TOLD, || (job()["state"] == "up").then_some(()));
    write(&near, "hark.yaml", &config(&right, "evry"));
    let failed = until("the call that something is wrong", TOLD, || {
        Some(job()).filter(|job| job["state"] == "failed")
    });
    assert!(failed["text"].as_str().unwrap().contains("config: "), "{failed}");
    write(&near, "hark.yaml", &config(&"11".repeat(32), "every"));
    let told = until("that the switch is not reached", TOLD, || {
        hook.calls().into_iter().find(|call| call.text("check") == "deadman")
    });
    assert!(told.raw.contains("no TLS with 127.0.0.1"), "{}", told.raw);
    assert_eq!(job()["state"], "failed", "nothing was said to somebody else");
}

/// Holds one thread of a process as a debugger does, and lets go of it with its value.
struct Held(Child);

const HOLD: &str = "\
import ctypes, os, sys
ptrace = ctypes.CDLL(None, use_errno=True).ptrace
ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
thread = int(sys.argv[1])
if ptrace(16, thread, None, None) != 0:
    sys.exit('cannot hold the thread: ' + os.strerror(ctypes.get_errno()))
os.waitpid(thread, 0x40000000)
print('held', flush=True)
sys.stdin.readline()
ptrace(17, thread, None, None)
";

impl Held {
    fn thread(process: &Process, name: &str) -> Self {
        let tasks = format!("/proc/{}/task", process.id());
        let thread = std::fs::read_dir(tasks).unwrap().map(|task| task.unwrap()).find(|task| {
            let comm = std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
            comm.trim() == name
        });
        let thread = thread.unwrap_or_else(|| panic!("there is no thread {name}")).file_name();
        let mut holder = Command::new("python3");
        holder.arg("-c").arg(HOLD).arg(thread).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut holder = holder.spawn().unwrap();
        let mut said = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said, "held\n", "nothing is held");
        Self(holder)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(mut stdin) = self.0.stdin.take() {
            drop(stdin.write_all(b"\n"));
        }
        drop(self.0.wait());
    }
}

/// What systemd would be: hears what a service says.
struct Manager(UnixDatagram);

impl Manager {
    fn listen(at: &Path) -> Self {
        let socket = UnixDatagram::bind(at).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        Self(socket)
    }

    /// Returns the next word, if one comes soon.
    fn heard(&self) -> Option<String> {
        let mut room = [0; 512];
        let len = self.0.recv(&mut room).ok()?;
        Some(String::from_utf8_lossy(&room[..len]).into_owned())
    }

    /// Waits for a word.
    fn hears(&self, word: &str) {
        until(&format!("{word} for systemd"), TOLD, || {
            self.heard().is_some_and(|heard| heard == word).then_some(())
        });
    }

    /// Counts the signs of life in a time.
    fn lives_in(&self, length: Duration) -> usize {
        let end = Deadline::after(length);
        let mut n = 0;
        while !end.is_over() {
            n += usize::from(self.heard().is_some_and(|heard| heard == "WATCHDOG=1"));
        }
        n
    }
}

#[test]
fn systemd_hears_of_life_while_every_essential_loop_turns_and_not_by_a_timer() {
    let folder = folder();
    let socket = folder.path().join("notify");
    let manager = Manager::listen(&socket);
    let start = Start::new("server", folder.path());
    let mut command = start.command();
    command.env("NOTIFY_SOCKET", &socket).env("WATCHDOG_USEC", "1500000");
    let server = Process::start(&mut command, folder.path(), "server");
    manager.hears("READY=1");
    manager.hears("STATUS=all loops turn");
    assert!(manager.lives_in(Duration::from_secs(3)) >= 3, "thrice in the time of the watchdog");

    // One thread hangs; the others, and the timer that tells systemd, go on.
    let held = Held::thread(&server, "hark-store");
    manager.hears("STATUS=store stands still");
    assert_eq!(manager.lives_in(Duration::from_secs(3)), 0, "a hanging store is no life");
    drop(held);
    manager.hears("STATUS=all loops turn");
    assert!(manager.lives_in(Duration::from_secs(3)) >= 3);
}

#[test]
fn healthz_says_which_loop_hangs() {
    let folder = folder();
    let server = Start::new("server", folder.path()).go();
    let ask = || http::request(server.http, "GET", "/healthz", &[], None).unwrap();
    assert_eq!(ask().status, 200);
    let held = Held::thread(&server.process, "hark-intake");
    until("the hanging loop", TOLD, || (ask().status == 503).then_some(()));
    drop(held);
    until("the turning loop", START, || (ask().status == 200).then_some(()));
}

#[test]
fn without_its_state_the_server_is_blind_and_says_so_and_sees_again_when_that_is_mended() {
    let folder = folder();
    let (hook, switch) = (Hook::start(), Hook::start());
    let config = format!(
        "deadman: {{url: '{}', every: 5s}}\nreceivers:\n  hook: {{webhook: {{url: '{}'}}}}\n",
        switch.url(),
        hook.url()
    );
    let start = Start::new("server", folder.path()).config(&config);
    let mut server = start.go();
    server.set_up(PASSWORD);
    server.process.kill();
    let state = server.data.join("state.db");
    let whole = std::fs::read(&state).unwrap();
    let wal = std::fs::read(server.data.join("state.db-wal")).unwrap_or_default();
    std::fs::write(&state, b"this was a database").unwrap();
    // A log beside it would bring every page back: that is no damage.
    for log in ["state.db-wal", "state.db-shm"] {
        drop(std::fs::remove_file(server.data.join(log)));
    }
    let started = switch.calls().len();

    let mut blind = Process::start(&mut start.command(), folder.path(), "blind");
    let told = until("the call that monitoring is down", TOLD, || hook.calls().first().cloned());
    assert_eq!((told.text("host"), told.text("check")), ("self", "store"), "{}", told.raw);
    assert_eq!(told.text("status"), "critical");
    assert!(told.raw.contains("state.db"), "the reason is said: {}", told.raw);
    until("the dead man's switch", TOLD, || {
        let calls = switch.calls();
        calls[started..].iter().any(|call| call.path == "/hook/fail").then_some(())
    });
    let http = until("the page of the blind server", TOLD, || {
        let output = blind.output();
        output
            .lines()
            .find_map(|line| line.trim().strip_prefix("page")?.rsplit(':').next()?.parse().ok())
    });
    for path in ["/", "/healthz", "/api/0/hosts", "/api/0/setup"] {
        let answer = http::request(http, "GET", path, &[], None).unwrap();
        assert_eq!(answer.status, 503, "{path}");
    }
    assert_eq!(std::fs::read(&state).unwrap(), b"this was a database", "nothing begins anew");
    blind.signal("TERM");
    assert!(blind.wait(TOLD).success());

    // Blind again: those who were told are not told again before the reminder is due.
    let mut again = Process::start(&mut start.command(), folder.path(), "again");
    until("the second blind start", TOLD, || again.output().contains("  page").then_some(()));
    pause(Duration::from_secs(2));
    assert_eq!(hook.calls().len(), 1);
    again.kill();

    std::fs::write(&state, whole).unwrap();
    std::fs::write(server.data.join("state.db-wal"), wal).unwrap();
    let server = start.go_as("mended");
    let over = until("the call that it is over", TOLD, || hook.calls().get(1).cloned());
    assert_eq!((over.text("status"), over.text("reason")), ("ok", "recovery"), "{}", over.raw);
    assert_eq!(server.code, None, "the administrator is there again");
}

fn watchdog(folder: &Path, data: &Path, mail: &Postfix, more: &str) -> Process {
    let config = format!(
        "watchdog: {{every: 1s, misses: 3, timeout: 1s, subject: '[example.net] hark {{state}}'{more}}}\n\
         receivers:\n  ops: {{email: {{to: [ops@example.net], from: hark@example.net, \
         server: 127.0.0.1, port: {}, security: none, subject: '{{{{ summary }}}}'}}}}\n",
        mail.port(),
    );
    let config = write(folder, "watchdog.yaml", &config);
    let mut command = clean(HARK, folder);
    command.arg("watchdog").arg("--config").arg(config).arg("--data").arg(data);
    Process::start(&mut command, folder, "watchdog")
}

/// Waits for the mail of a number, from 0, and returns its subject.
fn subject(mail: &Postfix, number: usize) -> String {
    until(&format!("mail {number}"), TOLD, || {
        let mails = mail.mails();
        mails.get(number).map(|mail| mail.header("subject").to_owned())
    })
}

#[test]
fn the_watchdog_mails_when_the_server_dies_hangs_and_is_back() {
    let folder = folder();
    let mail = Postfix::start(folder.path());
    let start = Start::new("server", folder.path());
    let mut server = start.go();
    let _watchdog = watchdog(folder.path(), &server.data, &mail, "");

    pause(Duration::from_secs(2));
    server.process.signal("STOP");
    assert_eq!(subject(&mail, 0), "[example.net] hark hangs");
    server.process.signal("CONT");
    assert_eq!(subject(&mail, 1), "[example.net] hark is back");

    server.process.kill();
    assert_eq!(subject(&mail, 2), "[example.net] hark stopped");
    let mut server = start.go_as("anew");
    assert_eq!(subject(&mail, 3), "[example.net] hark is back");

    // A restart in order is no news.
    server.process.signal("TERM");
    assert!(server.process.wait(TOLD).success());
    let _server = start.go_as("restarted");
    pause(Duration::from_secs(4));
    assert_eq!(mail.mails().len(), 4);
}

#[test]
fn the_watchdog_mails_with_what_status_its_child_has_ended() {
    let folder = folder();
    let hook = Hook::start();
    let config = format!("receivers:\n  hook: {{webhook: {{url: '{}'}}}}\n", hook.url());
    let config = write(folder.path(), "watchdog.yaml", &config);
    let start = Start::new("server", folder.path());
    let mut command = clean(HARK, folder.path());
    command.arg("watchdog").arg("--config").arg(&config).arg("--data").arg(&start.data).arg("--");
    let server = start.command();
    command.arg(server.get_program()).args(server.get_args());
    let mut watchdog = Process::start(&mut command, folder.path(), "watchdog");
    let lock = start.data.join("lock");
    let child: u32 = until("the child", START, || {
        // It answers: it is past its start.
        watchdog.output().contains("  data ").then_some(())?;
        std::fs::read_to_string(&lock).ok()?.parse().ok()
    });
    send_signal(child, "KILL");
    let told = until("the call about the end", TOLD, || hook.calls().first().cloned());
    assert!(told.raw.contains("hark exited with status -9"), "{}", told.raw);
    assert_eq!(watchdog.wait(TOLD).code(), Some(1));
    assert_eq!(hook.calls().len(), 1);
}

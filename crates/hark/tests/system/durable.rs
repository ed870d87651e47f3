//! What is brought to the disk when, as the kernel sees it: strace looks at the real program. Being killed says
//! nothing about that: what a dead process has written is there, synced or not. Only a power cut would tell.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hark_model::Clock;

use crate::support::hook::Hook;
use crate::support::server::{Server, Start};
use crate::support::wait::{pause, until};
use crate::support::{PASSWORD, folder};

const LIMIT: Duration = Duration::from_mins(2);

/// How long an idle server is looked at: two of the agent's heartbeats.
const LOOKED: Duration = Duration::from_secs(30);

/// A call of the kernel that has ended.
#[derive(Debug)]
struct Call {
    /// When it began or, of one that waited, ended, in seconds since 1970.
    at: f64,
    /// What was called, with what: `fdatasync(12</…/state.db-wal>`.
    what: String,
}

impl Call {
    fn is_sync(&self) -> bool {
        self.what.starts_with("fdatasync(") || self.what.starts_with("fsync(")
    }
}

/// Starts a server under strace, and returns where that writes to.
fn traced(command: &'static str, folder: &Path, config: &str) -> (Server, PathBuf) {
    let strace = Path::new("/usr/bin/strace");
    assert!(strace.exists(), "strace is missing: scripts/setup-test installs it");
    let trace = folder.join("trace");
    let mut start = Start::new(command, folder).config(config);
    // As a grandchild, so that the process of the test is the server; with the names of files, and all of what is
    // written, which is a page at a time.
    let calls = "trace=fdatasync,fsync,msync,sync_file_range,pwrite64,connect";
    let flags = ["-D", "-f", "--seccomp-bpf", "-y", "-ttt", "-s", "70000", "-e", calls, "-o"];
    start.under = [strace].into_iter().chain(flags.map(Path::new)).map(Into::into).collect();
    start.under.push(trace.clone().into());
    let mut server = start.go();
    server.set_up(PASSWORD);
    (server, trace)
}

/// Returns what strace has written, in the order in which it ended.
fn calls(trace: &Path) -> Vec<Call> {
    let bytes = std::fs::read(trace).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    let mut begun = std::collections::BTreeMap::new();
    let mut ended = Vec::new();
    // The last line may not be whole.
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    for line in whole.lines() {
        let words = line.split_once(' ').and_then(|(process, rest)| {
            let (at, what) = rest.trim_start().split_once(' ')?;
            Some((process, at, what))
        });
        let (process, at, what) = words.unwrap_or_else(|| panic!("not a line of strace: {line}"));
        let at = at.parse().unwrap_or_else(|e| panic!("{e}: {line}"));
        if let Some(what) = what.strip_suffix(" <unfinished ...>") {
            begun.insert(process.to_owned(), what.to_owned());
        } else if what.starts_with("<... ") {
            let what = begun.remove(process).unwrap_or_else(|| panic!("it began: {line}"));
            ended.push(Call { at, what });
        } else {
            ended.push(Call { at, what: what.to_owned() });
        }
    }
    ended
}

#[test]
fn a_transition_is_synced_before_its_message_leaves() {
    let folder = folder();
    let hook = Hook::start();
    let check =
        "{host: web1, tcp: {address: 127.0.0.1, port: 1}, every: 2s, timeout: 1s, attempts: 1}";
    let config = format!(
        "receivers: {{hook: {{webhook: {{url: '{}'}}}}}}\nhosts: {{web1: {{}}}}\n\
         checks: {{unmistakable: {check}}}\n",
        hook.url()
    );
    let (_server, trace) = traced("server", folder.path(), &config);
    until("the message", LIMIT, || {
        hook.calls().iter().any(|call| call.text("check") == "unmistakable").then_some(())
    });
    let port = hook.url().trim_end_matches('/').rsplit(':').next().unwrap().to_owned();
    let port = port.split('/').next().unwrap().to_owned();
    let calls = until("the call of the kernel for it", LIMIT, || {
        let calls = calls(&trace);
        let is_left = |call: &Call| call.what.contains(&format!("htons({port})"));
        calls.iter().any(is_left).then_some(calls)
    });
    let place = |what: &str, from: usize, is: &dyn Fn(&Call) -> bool| {
        let found = calls.iter().enumerate().skip(from).find(|(_, call)| is(call));
        found.unwrap_or_else(|| panic!("{what}: not in {} calls", calls.len())).0
    };
    let of_state = |call: &Call| call.what.contains("state.db-wal>");
    let written = place("the message is written", 0, &|call| {
        call.what.starts_with("pwrite64(")
            && of_state(call)
            && call.what.contains("CRITICAL: web1 - unmistakable")
    });
    let synced = place("it is synced", written, &|call| call.is_sync() && of_state(call));
    let left = place("the message leaves", 0, &|call| {
        call.what.starts_with("connect(") && call.what.contains(&format!("htons({port})"))
    });
    assert!(written < synced && synced < left, "{written} {synced} {left}");
}

#[test]
fn an_idle_server_syncs_at_most_once_a_second() {
    let folder = folder();
    let (server, trace) = traced("up", folder.path(), "");
    until("the agent's own values", LIMIT, || {
        let fleet = server.get("/api/0/fleet");
        let mut names = fleet["name"].as_array()?.iter();
        let host = names.find(|name| *name != "self")?.as_str()?.to_owned();
        let metrics = server.get(&format!("/api/0/hosts/{host}/metrics"));
        metrics["items"].as_array()?.first().map(drop)
    });
    let seconds = |at: hark_model::Unix| {
        #[expect(clippy::cast_precision_loss, reason = "a time of this century")]
        let milliseconds = at.0 as f64;
        milliseconds / 1000.0
    };
    let from = seconds(Clock.now().unix);
    pause(LOOKED);
    let to = seconds(Clock.now().unix);
    let calls = calls(&trace);
    let within = calls.iter().filter(|call| call.is_sync() && (from..to).contains(&call.at));
    let syncs: Vec<&str> = within.map(|call| call.what.as_str()).collect();
    // For who runs it with `--nocapture`: the figure in docs/benchmarks.md.
    println!("{} syncs in {:.1} s: {syncs:#?}", syncs.len(), to - from);
    assert!(!syncs.is_empty(), "two heartbeats came: what is acknowledged is synced");
    #[expect(clippy::cast_precision_loss, reason = "a few")]
    let each_second = syncs.len() as f64 / (to - from);
    assert!(each_second <= 1.0, "{each_second} a second: {syncs:#?}");
}

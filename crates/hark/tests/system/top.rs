//! `hark top` in a real terminal (tmux, with a server of its own), and lists that are watched.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use crate::support::process::{clean, run, succeed};
use crate::support::server::{Server, Start};
use crate::support::wait::until;
use crate::support::{HARK, PASSWORD, folder};

const LIMIT: Duration = Duration::from_secs(30);

/// Returns the name of the only host.
fn own_host(server: &Server) -> String {
    until("the own host", LIMIT, || {
        server.get("/api/0/hosts")["items"][0]["name"].as_str().map(str::to_owned)
    })
}

/// A terminal of 80 columns and 24 rows with a program in it. Ended when it is dropped.
struct Terminal<'f> {
    folder: &'f Path,
}

impl<'f> Terminal<'f> {
    fn new(folder: &'f Path, words: &[&str]) -> Self {
        let terminal = Self { folder };
        let mut all = vec!["new-session", "-d", "-x", "80", "-y", "24", HARK];
        all.extend(words);
        terminal.tmux(&all);
        terminal
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = clean("tmux", self.folder);
        command.args(["-u", "-f", "/dev/null", "-S"]).arg(self.folder.join("tmux")).args(words);
        command.env("LC_ALL", "C.UTF-8");
        command
    }

    fn tmux(&self, words: &[&str]) -> String {
        succeed(&mut self.command(words), LIMIT)
    }

    fn try_tmux(&self, words: &[&str]) -> Output {
        run(&mut self.command(words), LIMIT)
    }

    fn press(&self, keys: &[&str]) {
        self.tmux(&[["send-keys"].as_slice(), keys].concat());
    }

    /// Waits until the screen has all of these, and returns it.
    fn shows(&self, wanted: &[&str]) -> String {
        until(&format!("{wanted:?} on the screen"), LIMIT, || {
            let shown = self.tmux(&["capture-pane", "-p"]);
            wanted.iter().all(|word| shown.contains(word)).then_some(shown)
        })
    }

    fn is_over(&self) -> bool {
        !self.try_tmux(&["has-session"]).status.success()
    }
}

impl Drop for Terminal<'_> {
    fn drop(&mut self) {
        // Fails if the program has ended, and the server of the terminal with it.
        drop(self.command(&["kill-server"]).output());
    }
}

#[test]
fn an_incident_is_opened_and_taken_and_a_host_has_its_chart_in_a_terminal() {
    let folder = folder();
    let config =
        "agent: {interval: 1s}\nthresholds:\n  memory_monitor: {percent: {critical: 0.1}}\n";
    let mut server = Start::new("up", folder.path()).config(config).go();
    server.set_up(PASSWORD);
    let host = own_host(&server);
    let terminal = Terminal::new(folder.path(), &["top", "--data", "data"]);
    terminal.shows(&["1 critical", "CRIT", "memory_monitor", "1 incidents (1)"]);
    terminal.press(&["Enter"]);
    terminal.shows(&["› incident 1", "rule", "happened"]);
    terminal.press(&["a"]);
    terminal.shows(&["take incident 1, why:"]);
    terminal.press(&["-l", "on it; not q"]);
    terminal.press(&["Enter"]);
    terminal.shows(&["taken by", "on it; not q"]);
    terminal.press(&["Escape"]);
    terminal.press(&["2"]);
    terminal.shows(&["CRIT", &host, "HEARD"]);
    terminal.press(&["Enter"]);
    let shown =
        terminal.shows(&["CHECK", "memory_monitor.percent", "cpu_monitor.cpu_percent", " of "]);
    assert!(shown.lines().count() <= 24, "{shown}");
    let at = shown.split("← ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
    let next = at.parse::<u32>().unwrap() + 1;
    terminal.press(&["Right"]);
    terminal.shows(&[&format!("← {next} of ")]);
    server.process.signal("KILL");
    terminal.shows(&["no answer since"]);
    terminal.press(&["q"]);
    until("the end", LIMIT, || terminal.is_over().then_some(()));
}

#[test]
fn without_a_terminal_it_says_what_to_do_instead() {
    let folder = folder();
    let done = run(clean(HARK, folder.path()).args(["top", "--data", "data"]), LIMIT);
    let complained = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(complained.contains("`hark status`"), "{complained}");
    assert!(!done.status.success());
}

#[test]
fn a_list_is_watched_until_somebody_ends_it() {
    let folder = folder();
    let start = Start::new("up", folder.path()).config("agent: {interval: 1s}\n");
    let mut server = start.go();
    server.set_up(PASSWORD);
    let host = own_host(&server);
    let terminal = Terminal::new(
        folder.path(),
        &["hosts", "--data", "data", "--watch=500ms", "--state", "ok"],
    );
    terminal.shows(&["HOST", &host, "ok"]);
    server.process.signal("KILL");
    terminal.shows(&["hark: ", "cannot list the hosts"]);
    assert!(!terminal.is_over(), "it is asked again");
    // The next server has another token for its own machine.
    let _next = Start { ports: (server.http, server.udp), ..start }.go_as("next");
    terminal.shows(&["HOST", &host, "ok"]);
    terminal.press(&["C-c"]);
    until("the end", LIMIT, || terminal.is_over().then_some(()));
}

#[test]
fn a_list_that_is_watched_ends_with_who_reads_it() {
    let folder = folder();
    let mut server = Start::new("up", folder.path()).config("agent: {interval: 1s}\n").go();
    server.set_up(PASSWORD);
    // `hark … | head -1`, and `hark … 2>&1 | head -1` whose server is away by then.
    for (redirected, dies) in [("", false), ("2>&1", true)] {
        let mut command = clean("sh", folder.path());
        let line = format!("exec {HARK} hosts --data data --watch=500ms {redirected}");
        let mut watch = command.args(["-c", &line]).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(watch.stdout.take().unwrap());
        let mut head = String::new();
        lines.read_line(&mut head).unwrap();
        assert!(head.contains("HOST"), "{head}");
        if dies {
            server.process.kill();
        }
        drop(lines);
        until("the end", LIMIT, || watch.try_wait().unwrap());
    }
}

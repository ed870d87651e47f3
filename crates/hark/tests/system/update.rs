//! Updates with the real program, real signatures and real ends of processes: whatever a new version
//! does, and whenever power is lost, a program that works runs.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;

use crate::support::process::{Process, clean, run, succeed};
use crate::support::server::{Server, Start};
use crate::support::wait::{pause, until};
use crate::support::{HARK, PASSWORD, folder, write};

/// Copying, signing and verifying a debug build takes seconds.
const LIMIT: Duration = Duration::from_mins(2);

/// A server, an agent that is updated, and whoever makes releases.
struct World {
    folder: tempfile::TempDir,
    server: Server,
    /// The program without what only a debugger needs: less to sign and to copy.
    program: PathBuf,
}

impl World {
    fn new() -> Self {
        let folder = folder();
        let program = folder.path().join("hark");
        let strip = ["--strip-debug", HARK, "-o"];
        succeed(Command::new("strip").args(strip).arg(&program), LIMIT);
        let config = "secret: a shared one\n";
        let mut server = Start::new("server", folder.path()).config(config).go();
        server.set_up(PASSWORD);
        std::fs::create_dir(folder.path().join("releases")).unwrap();
        std::fs::create_dir(folder.path().join("agent-data")).unwrap();
        let world = Self { folder, server, program };
        world.minisign(&["-GWf", "-s", "key", "-p", "key.pub"]);
        world.configure("confirm_within: 60s");
        world
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn minisign(&self, arguments: &[&str]) {
        let mut command = Command::new("minisign");
        succeed(command.args(arguments).current_dir(self.folder.path()), LIMIT);
    }

    /// Writes the agent's configuration; `more` are further keys of `update`.
    fn configure(&self, more: &str) {
        self.configure_from(&self.at("releases").display().to_string(), more);
    }

    /// As [`World::configure`], with releases from there.
    fn configure_from(&self, from: &str, more: &str) {
        let key = std::fs::read_to_string(self.at("key.pub")).unwrap();
        let key = key.lines().nth(1).unwrap().to_owned();
        let text = format!(
            "agent:\n  name: web1\n  server: '127.0.0.1:{}'\n  secret: a shared one\n  \
             interval: 1s\n  update: {{from: '{from}', public_key: {key}, {more}}}\n",
            self.server.udp,
        );
        write(self.folder.path(), "agent.yaml", &text);
    }

    /// Releases a program as `version`.
    fn release(&self, version: &str, program: &Path) {
        let target = format!("{}-linux", std::env::consts::ARCH);
        let name = format!("releases/hark-{target}");
        std::fs::copy(program, self.at(&name)).unwrap();
        self.minisign(&[
            "-SH",
            "-s",
            "key",
            "-t",
            &format!("hark {version} {target}"),
            "-m",
            &name,
        ]);
    }

    /// Releases a script as `version`: a program that does what a bad one might.
    fn release_script(&self, version: &str, text: &str) {
        let path = write(self.folder.path(), "script", text);
        self.release(version, &path);
    }

    fn command(&self, word: &str) -> Command {
        let mut command = clean(self.program.to_str().unwrap(), self.folder.path());
        command.arg(word).arg("--config").arg(self.at("agent.yaml"));
        command.arg("--data").arg(self.at("agent-data"));
        command
    }

    fn update(&self) -> Output {
        run(&mut self.command("update"), LIMIT)
    }

    fn update_says(&self, expected: &str) {
        let output = self.update();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(said.contains(expected), "{said}");
    }

    fn start(&self) -> Process {
        Process::start(&mut self.command("agent"), self.folder.path(), "agent")
    }

    fn state(&self) -> Value {
        let text = std::fs::read(self.at("agent-data/update.json")).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    fn in_use(&self) -> Option<String> {
        Some(self.state()["current"]["version"].as_str()?.to_owned())
    }

    fn until_in_use(&self, version: &str) {
        until(&format!("version {version} in use"), LIMIT, || {
            (self.in_use().as_deref() == Some(version)).then_some(())
        });
    }

    /// Waits until the server hears heartbeats that it has not heard yet.
    fn until_heard(&self) {
        let heard = |host: &Value| host["last_heard_at"].as_str().unwrap_or_default().to_owned();
        let path = "/api/0/hosts/web1";
        let now = || self.server.try_get(path).ok().map(|answer| heard(&answer.body));
        let before = now().unwrap_or_default();
        until("a new heartbeat", LIMIT, || now().filter(|at| !at.is_empty() && *at > before));
    }
}

/// Returns the program that a process runs.
fn program_of(id: u32) -> PathBuf {
    std::fs::read_link(format!("/proc/{id}/exe")).unwrap_or_default()
}

#[test]
fn a_good_version_is_taken_proves_itself_and_is_started_directly_from_then_on() {
    let world = World::new();
    world.release("7.0.0", &world.program);
    world.update_says("7.0.0 is taken at the next start");
    let mut agent = world.start();
    world.until_in_use("7.0.0");
    world.until_heard();
    agent.signal("TERM");
    assert!(agent.wait(LIMIT).success(), "{}", agent.errors());
    // No parent any more: the process itself is the new version.
    let agent = world.start();
    let slot = world.at("agent-data/bin/a/hark");
    until("the new version", LIMIT, || (program_of(agent.id()) == slot).then_some(()));
    world.until_heard();
    world.update_says("7.0.0 is the newest");
    world.release("6.0.0", &world.program);
    world.update_says("7.0.0 is the newest");
}

#[test]
fn the_server_hands_out_its_releases_to_the_hosts_that_they_are_for() {
    let world = World::new();
    world.release("7.0.0", &world.program);
    std::fs::rename(world.at("releases"), world.server.data.join("updates")).unwrap();
    let from = format!("http://127.0.0.1:{}/api/0/updates", world.server.http);
    world.configure_from(&from, "confirm_within: 60s");
    let refused = world.update();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("404"), "{said}");

    let until_said = |offer: &str, expected: &str| {
        let text = format!("secret: a shared one\nupdates: {offer}\n");
        write(world.folder.path(), "hark.yaml", &text);
        until(expected, LIMIT, || {
            let said = world.update().stdout;
            String::from_utf8_lossy(&said).contains(expected).then_some(())
        });
    };
    let newest = format!("{} is the newest", env!("CARGO_PKG_VERSION"));
    until_said("{match: {hosts: [web2]}}", &newest);
    until_said("{match: {hosts: ['web*']}, percent: 100}", "7.0.0 is taken at the next start");
    let _agent = world.start();
    world.until_in_use("7.0.0");
    world.until_heard();
    let rollout = world.server.get("/api/0/updates");
    assert_eq!((&rollout["enabled"], &rollout["percent"]), (&true.into(), &100.into()));
    let release = &rollout["releases"][0];
    assert_eq!(release["version"], "7.0.0", "{rollout}");
    // The program says its own version, which a signature cannot change.
    assert_eq!((&release["offered_to"], &release["arrived"]), (&1.into(), &0.into()), "{rollout}");
    assert_eq!(rollout["versions"][env!("CARGO_PKG_VERSION")], 1, "{rollout}");
}

#[test]
fn versions_that_crash_hang_or_reach_nobody_are_given_up_for_the_one_before() {
    let world = World::new();
    world.release("7.0.0", &world.program);
    world.update_says("7.0.0 is taken");
    let mut agent = world.start();
    world.until_in_use("7.0.0");
    world.configure("confirm_within: 3s");
    // The real program, but one that looks for its server in the wrong place.
    let lost =
        format!("#!/bin/sh\nshift\nexec {} agent 127.0.0.1:9 \"$@\"\n", world.program.display());
    for (version, script, why) in [
        ("7.1.0", "#!/bin/sh\nexit 3\n", "ended before it worked"),
        ("7.2.0", "#!/no/such/loader\n", "cannot be started"),
        ("7.2.1", &lost, "did not come to work"),
        ("7.3.0", "#!/bin/sh\ntrap '' TERM\nwhile :; do sleep 1; done\n", "did not come to work"),
    ] {
        world.release_script(version, script);
        world.update_says(version);
        agent.signal("TERM");
        agent.wait(LIMIT);
        agent = world.start();
        until(&format!("the end of {version}"), LIMIT, || {
            let failed = world.state()["failed"].clone();
            let text = failed["why"].as_str().unwrap_or_default();
            (failed["version"] == version && text.contains(why)).then_some(())
        });
        assert!(agent.is_running(), "{version}: {}", agent.errors());
        assert_eq!(world.in_use().as_deref(), Some("7.0.0"), "{version}");
        world.until_heard();
        assert_eq!(program_of(agent.id()), world.at("agent-data/bin/a/hark"), "{version}");
        let again = world.update();
        let said = String::from_utf8_lossy(&again.stdout).into_owned();
        assert!(said.contains("--again"), "{said}");
    }
}

#[test]
fn a_running_agent_goes_over_to_a_newer_version_by_itself() {
    let world = World::new();
    world.configure("automatic: true, every: 2s, confirm_within: 60s");
    let mut agent = world.start();
    world.until_heard();
    world.release("7.0.0", &world.program);
    world.until_in_use("7.0.0");
    world.until_heard();
    // The next one is taken by the one on trial before.
    world.release("7.0.1", &world.program);
    world.until_in_use("7.0.1");
    world.until_heard();
    assert!(agent.is_running(), "one process, for init: {}", agent.errors());
    // A slot that the disk has damaged is not started, and the version before is.
    world.configure("confirm_within: 60s");
    agent.signal("TERM");
    agent.wait(LIMIT);
    let slot = world.state()["current"]["slot"].as_str().unwrap().to_owned();
    let program = world.at(&format!("agent-data/bin/{slot}/hark"));
    let mut bytes = std::fs::read(&program).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&program, bytes).unwrap();
    let _agent = world.start();
    until("the version before", LIMIT, || {
        (world.in_use().as_deref() == Some("7.0.0")).then_some(())
    });
    world.until_heard();
}

/// `kill -9` at many moments of taking a version, of trying it, and of going back: the next start
/// works, each time.
#[test]
fn whenever_power_is_lost_the_next_start_runs_a_whole_program() {
    let world = World::new();
    world.configure("confirm_within: 3s");
    world.release("7.0.0", &world.program);
    let begun = hark_model::Clock.now().mono;
    world.update_says("7.0.0 is taken");
    let whole = hark_model::Clock.now().mono.since(begun);
    let mut agent = world.start();
    world.until_in_use("7.0.0");
    for n in 0..8u32 {
        // While it is got, written and verified.
        world.release(&format!("7.1.{n}"), &world.program);
        let mut update =
            Process::start(&mut world.command("update"), world.folder.path(), "update");
        pause(whole * n / 7);
        update.kill();
        agent.kill();
        // While it is started for the first time, or the one before is.
        agent = world.start();
        pause(Duration::from_millis(150) * n);
        agent.kill();
        agent = world.start();
        world.until_heard();
        assert!(agent.is_running(), "{n}: {}", agent.errors());
    }
    // While a bad one is on trial: its parent dies with power, and so does it.
    world.release_script("8.0.0", "#!/bin/sh\nwhile :; do sleep 1; done\n");
    for n in 0..4u32 {
        drop(world.update());
        agent.kill();
        agent = world.start();
        pause(Duration::from_millis(400) * n);
    }
    agent.kill();
    let agent = world.start();
    until("the end of the bad one", LIMIT, || {
        (world.state()["failed"]["version"] == "8.0.0").then_some(())
    });
    world.until_heard();
    assert_eq!(agent.output(), "");
}

#[test]
fn a_server_goes_over_likewise_and_ends_when_it_is_asked_to() {
    let world = World::new();
    world.release("7.0.0", &world.program);
    world.update_says("7.0.0 is taken");
    let start = || {
        let mut command = world.command("server");
        command.args(["--http", "127.0.0.1:0", "--udp", "127.0.0.1:0"]);
        Process::start(&mut command, world.folder.path(), "second")
    };
    let mut server = start();
    world.until_in_use("7.0.0");
    assert!(server.output().contains("  page "), "{}", server.output());
    // The parent passes on that it shall end, and ends as its child does.
    server.signal("TERM");
    assert!(server.wait(LIMIT).success(), "{}", server.errors());
    let server = start();
    let slot = world.at("agent-data/bin/a/hark");
    until("the new version", LIMIT, || (program_of(server.id()) == slot).then_some(()));
    until("its first lines", LIMIT, || server.output().contains("  page ").then_some(()));
}

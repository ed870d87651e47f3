//! The disk is full: alerting goes on, history stops and says so, and all returns by itself.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use hark_model::Clock;
use hark_store::disk::LEAST_ROOM;
use serde_json::{Value, json};

use crate::support::hook::Hook;
use crate::support::process::{Process, clean, run, succeed};
use crate::support::server::{START, Server, Start};
use crate::support::wait::{pause, until};
use crate::support::{HARK, PASSWORD, folder, write};

/// Size of the disk in MiB: the state's reserve is 8 of it.
const DISK: u64 = 40;

/// So many MiB more than it wants are on the disk of a server that has enough.
const MORE_THAN_WANTED: u64 = 50;

const MIB: u64 = 1 << 20;

/// How long the disk stays full.
const FULL: Duration = Duration::from_secs(5);

/// How long history and the spools may take to return.
const RETURN: Duration = Duration::from_mins(1);

/// A small file system in memory; unmounted with its value.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path, mebibytes: u64) -> Self {
        std::fs::create_dir(at).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={mebibytes}m"), "hark-test"]).arg(at);
        succeed(&mut mount, START);
        Self(at.to_owned())
    }

    /// Takes all the room that is left.
    fn fill(&self) {
        let mut file =
            File::options().create(true).append(true).open(self.0.join("filler")).unwrap();
        for block in [1 << 20, 4096, 1] {
            let bytes = vec![0; block];
            while file.write_all(&bytes).is_ok() {}
        }
    }

    fn take(&self, mebibytes: u64) {
        let filler = vec![0; usize::try_from(mebibytes * MIB).unwrap()];
        std::fs::write(self.0.join("filler"), filler).unwrap();
    }

    fn free(&self) {
        std::fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(run(Command::new("umount").arg("--lazy").arg(&self.0), START));
    }
}

#[test]
fn a_full_disk_stops_history_alone_and_only_while_it_is_full() {
    let folder = folder();
    let disk = SmallDisk::mount(&folder.path().join("disk"), DISK);
    let hook = Hook::start();
    let secret = write(folder.path(), "secret", "shared by all hosts of this test\n");
    let config = format!(
        "secret: {{file: {}}}\ngrace: 1s\njournal_enabled: false\n\
         receivers:\n  hook: {{webhook: {{url: '{}'}}}}\n",
        secret.display(),
        hook.url()
    );
    let start = Start { data: disk.0.join("data"), ..Start::new("server", folder.path()) };
    let mut server = start.config(&config).go();
    server.set_up(PASSWORD);
    let agent = |name: &str| {
        let mut command = clean(HARK, folder.path());
        command.args(["agent", "--name", name, "--interval", "1s"]);
        command.arg(format!("127.0.0.1:{}", server.udp)).arg("--secret-file").arg(&secret);
        command.arg("--data").arg(folder.path().join(name));
        Process::start(&mut command, folder.path(), name)
    };
    let _living = agent("living");
    let mut dying = agent("dying");
    for name in ["living", "dying"] {
        server.host_when(name, START, |h| h["state"] == "o");
    }
    until("samples in history", START, || (points(&server, 10, 0) >= 2).then_some(()));
    assert_eq!(history(&server), "ok");

    disk.fill();
    // History notices when it next writes, which it does seldom.
    until("history to stop", RETURN, || (history(&server) == "stopped").then_some(()));
    let reason = server.get("/api/0/self")["history"]["reason"].to_string();
    assert!(reason.len() > 4, "no reason is given: {reason}");
    let full_since = Clock.now().unix.seconds();

    dying.kill();
    let told = until("the call about the silence", RETURN, || {
        hook.calls().into_iter().find(|c| c.text("host") == "dying")
    });
    assert_eq!(told.text("status"), "critical");
    server.host_when("living", START, |h| h["state"] == "o");
    pause(FULL);
    assert_eq!(history(&server), "stopped");
    let full_until = Clock.now().unix.seconds();

    disk.free();
    until("history to return", RETURN, || (history(&server) == "ok").then_some(()));
    // What was measured while the disk was full comes from the agent's spool.
    let wanted = usize::try_from(full_until - full_since).unwrap() - 1;
    until("the samples of meanwhile", RETURN, || {
        let now = Clock.now().unix.seconds();
        (points(&server, now - full_since, now - full_until) >= wanted).then_some(())
    });
    let calls: Vec<String> = hook.calls().iter().map(|c| c.text("summary").to_owned()).collect();
    let about = |what: &str| calls.iter().filter(|c| c.contains(what)).count();
    assert_eq!(about("dying"), 1, "{calls:?}");
    assert_eq!(about("living"), 0, "{calls:?}");
    until("the word that history is back", RETURN, || {
        let all = hook.calls();
        all.iter().any(|c| c.text("check") == "history" && c.text("status") == "ok").then_some(())
    });
}

#[test]
fn an_export_leaves_the_server_the_room_that_it_wants() {
    let folder = folder();
    let disk = SmallDisk::mount(&folder.path().join("disk"), LEAST_ROOM / MIB + MORE_THAN_WANTED);
    let start = Start { data: disk.0.join("data"), ..Start::new("up", folder.path()) };
    let mut server = start.config("agent: {interval: 1s}\n").go();
    server.set_up(PASSWORD);
    let job = || server.done(&server.post("/api/0/history/export", &json!({"format": "csv"})));
    let exported = || (job()["state"] == "done").then_some(());
    until("samples that are exported", RETURN, exported);
    // By the command line, into a file on the same disk.
    let by_hand = |name: &str| {
        let mut command = clean(HARK, folder.path());
        command.args(["history", "export", "--format", "csv", "--data"]).arg(&server.data);
        let mut export = Process::start(&mut command, &disk.0, name);
        (export.wait(START).code(), export.errors())
    };
    assert_eq!(by_hand("before").0, Some(0));

    // Not full by far, but less is free than the server wants.
    disk.take(MORE_THAN_WANTED);
    let refused = job();
    assert_eq!(refused["state"], "failed", "{refused:#}");
    let why = refused["failures"][0]["detail"].as_str().unwrap();
    assert!(why.contains("MiB left") && why.contains("256 MiB"), "{why}");
    let (code, why) = by_hand("after");
    assert!(code == Some(1) && why.contains("MiB left"), "{code:?} {why}");
    let left = std::fs::read_dir(server.data.join("exports")).unwrap();
    let is_part = |name: &std::ffi::OsStr| name.to_string_lossy().ends_with(".part");
    assert!(!left.flatten().any(|file| is_part(&file.file_name())), "a part stays behind");
    assert_eq!(history(&server), "ok");

    disk.free();
    until("the export that there is room for again", RETURN, exported);
}

#[test]
fn a_backup_leaves_the_server_the_room_that_it_wants() {
    let folder = folder();
    let disk = SmallDisk::mount(&folder.path().join("disk"), LEAST_ROOM / MIB + MORE_THAN_WANTED);
    let start = Start { data: disk.0.join("data"), ..Start::new("up", folder.path()) };
    let start = start.config("agent: {interval: 1s}\n");
    let mut server = start.go();
    server.set_up(PASSWORD);
    let job = || server.done(&server.post("/api/0/backups", &json!(null)));
    let by_hand = |to: &Path| {
        let mut command = clean(HARK, folder.path());
        let made = run(command.arg("backup").arg(to).arg("--data").arg(&server.data), START);
        (made.status.code(), String::from_utf8_lossy(&made.stderr).into_owned())
    };
    let names = |dir: &Path| -> Vec<_> {
        std::fs::read_dir(dir).unwrap().map(|file| file.unwrap().file_name()).collect()
    };
    assert_eq!(job()["state"], "done");
    let archives = disk.0.join("archives");
    std::fs::create_dir(&archives).unwrap();
    assert_eq!(by_hand(&archives.join("before.tar.gz")).0, Some(0));
    // As if it were older: another one each hour is due. Names are of whole seconds.
    let backups = server.data.join("backups");
    let older = backups.join("hark-20261120T000000Z");
    std::fs::rename(backups.join(&names(&backups)[0]), &older).unwrap();
    let manifest = older.join("manifest.json");
    let mut text: Value = serde_json::from_slice(&std::fs::read(&manifest).unwrap()).unwrap();
    text["taken_at_ms"] = (text["taken_at_ms"].as_i64().unwrap() - 2 * 3_600_000).into();
    std::fs::write(&manifest, text.to_string()).unwrap();

    disk.take(MORE_THAN_WANTED);
    let is_why = |why: &str| why.contains("256 MiB of it are kept") && why.contains("another disk");
    let refused = job();
    let why = refused["failures"][0]["detail"].as_str().unwrap();
    assert!(refused["state"] == "failed" && is_why(why), "{refused:#}");
    let (code, why) = by_hand(&archives.join("after"));
    assert!(code == Some(1) && is_why(&why), "{code:?} {why}");
    let elsewhere = by_hand(&folder.path().join("after"));
    assert_eq!(elsewhere.0, Some(0), "another disk has room: {}", elsewhere.1);
    let check = |status: &'static str| {
        let own = server.host_when("self", RETURN, |own| {
            let all = own["checks"].as_array().unwrap();
            all.iter().any(|one| one["name"] == "backup" && one["status"] == status)
        });
        own["checks"].to_string()
    };
    write(folder.path(), "hark.yaml", "agent: {interval: 1s}\nbackup: {every: 1h}\n");
    server.process.signal("HUP");
    let told = check("critical");
    assert!(is_why(&told), "{told}");
    assert_eq!((names(&backups).len(), names(&archives).len()), (1, 1), "nothing is left of them");

    disk.free();
    assert_eq!(job()["state"], "done");
    check("ok");
}

fn history(server: &Server) -> String {
    server.get("/api/0/self")["history"]["state"].as_str().unwrap().to_owned()
}

/// Returns how many points the host that lives has between so many seconds ago.
fn points(server: &Server, from_ago: i64, to_ago: i64) -> usize {
    let now = Clock.now().unix.seconds();
    let series = server.get(&format!(
        "/api/0/hosts/living/series?names=cpu_monitor.cpu_percent&from={}&to={}&points=4000",
        now - from_ago,
        now - to_ago
    ));
    series["at_unix_s"].as_array().map_or(0, Vec::len)
}

//! What keeps the samples: looking for damage, repair, backups, their return in quarantine.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use hark_model::HostId;
use hark_store::history::View;
use hark_store::state::{Change, State, StateReader};
use serde_json::{Value, json};

use crate::support::hook::Hook;
use crate::support::process::{clean, hark, parsed, run};
use crate::support::server::{Server, Start};
use crate::support::wait::{pause, until};
use crate::support::{PASSWORD, folder, write};

const LIMIT: Duration = Duration::from_mins(1);

/// A server that watches its own machine each second, and has samples of that.
fn lively(folder: &Path) -> Server {
    let server = Start::new("up", folder).config("agent: {interval: 1s}\n").go();
    until("samples on the disk", LIMIT, || {
        let found = parsed(&hark(folder, "history check --data data --json"));
        (found["log_frames"].as_u64()? > 40).then_some(())
    });
    server
}

/// A byte of the first batch's frames, behind the heads of the segment and of the batch. A flipped
/// length would look like the end that a kill leaves.
const IN_FIRST_BATCH: usize = 36;

/// Returns the newest segment of the log that holds anything.
fn segment(data: &Path) -> PathBuf {
    let files = std::fs::read_dir(data.join("history/wal")).unwrap();
    let files = files.map(|file| file.unwrap().path());
    files.filter(|path| std::fs::metadata(path).unwrap().len() > 200).max().unwrap()
}

#[test]
fn damage_is_found_beside_the_server_and_repaired_without_it() {
    let folder = folder();
    let mut server = lively(folder.path());
    let shown = parsed(&hark(folder.path(), "history --data data --json"));
    assert!(shown["series"].as_u64().unwrap() > 10, "{shown:#}");
    let refused = hark(folder.path(), "history repair --data data");
    assert_eq!(refused.status.code(), Some(1), "the server runs");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("must not run"));
    server.process.kill();
    assert!(shown["log_samples"].as_u64().unwrap() > 40, "all is in the log still: {shown:#}");
    let log = segment(&server.data);
    let mut bytes = std::fs::read(&log).unwrap();
    bytes[IN_FIRST_BATCH] ^= 1;
    std::fs::write(&log, bytes).unwrap();
    let checked = hark(folder.path(), "history check --data data --json");
    assert_eq!(checked.status.code(), Some(1));
    assert_eq!(parsed(&checked)["damages"], 1);
    let repaired = hark(folder.path(), "history repair --data data --json");
    assert_eq!(repaired.status.code(), Some(0));
    let repaired = parsed(&repaired);
    assert_eq!(repaired["repaired"].as_array().unwrap().len(), 1, "{repaired:#}");
    assert!(folder.path().join(repaired["aside"].as_str().unwrap()).is_dir());
    let checked = hark(folder.path(), "history check --data data --json");
    assert_eq!(checked.status.code(), Some(0), "{}", parsed(&checked));
    let mut server = lively(folder.path());
    server.set_up(PASSWORD);
    assert_eq!(server.get("/api/0/self")["history"]["state"], "ok");
}

/// The configuration of a server that looks at closed ports of these hosts and calls the hook.
fn looking_at(hook: &Hook, hosts: &[&str]) -> String {
    let mut text = format!("receivers:\n  hook: {{webhook: {{url: '{}'}}}}\nhosts:\n", hook.url());
    for host in hosts {
        text.extend(["  ", host, ": {}\n"]);
    }
    text.push_str("checks:\n");
    for (port, host) in (1..).zip(hosts) {
        let check = format!(
            "tcp: {{address: 127.0.0.1, port: {port}}}, every: 2s, timeout: 1s, attempts: 1"
        );
        text.extend(["  ", host, "-port: {host: ", host, ", ", &check, "}\n"]);
    }
    text
}

fn told_of(hook: &Hook, host: &str) -> Option<()> {
    hook.calls().iter().any(|call| call.text("host") == host).then_some(())
}

#[test]
fn a_restored_server_tells_nobody_until_somebody_says_so() {
    let folder = folder();
    let hook = Hook::start();
    let start = Start::new("server", folder.path()).config(&looking_at(&hook, &["web1"]));
    let mut first = start.go();
    first.set_up(PASSWORD);
    until("the message of the first server", LIMIT, || told_of(&hook, "web1"));
    let made = hark(folder.path(), "backup copy.tar.gz --data data --json");
    assert_eq!(made.status.code(), Some(0), "{}", String::from_utf8_lossy(&made.stderr));
    assert_eq!(parsed(&made)["damage"], "");
    let again = hark(folder.path(), "backup copy.tar.gz --data data");
    assert_eq!(again.status.code(), Some(1), "it is there already");
    let verified = hark(folder.path(), "backup --verify copy.tar.gz");
    assert_eq!(verified.status.code(), Some(0));
    let taken = hark(folder.path(), "restore copy.tar.gz --data data");
    assert_eq!(taken.status.code(), Some(1), "there is a server in it");
    first.process.kill();

    let restored = hark(folder.path(), "restore copy.tar.gz --data second");
    assert_eq!(restored.status.code(), Some(0), "{}", String::from_utf8_lossy(&restored.stderr));
    let mut start =
        Start::new("server", folder.path()).config(&looking_at(&hook, &["web1", "db1"]));
    start.data = folder.path().join("second");
    let before = hook.calls().len();
    // Killed in between: it is in quarantine still.
    for _ in 0..2 {
        let mut second = start.go();
        second.host_when("db1", LIMIT, |host| host["state"] == "c");
        let own = second.get("/api/0/self");
        assert!(own["quarantine"]["taken_at"].is_string(), "{own:#}");
        let own = second.host_when("self", LIMIT, |host| host["state"] == "c");
        assert!(own.to_string().contains("tells nobody"), "{own:#}");
        pause(Duration::from_secs(2));
        assert_eq!(hook.calls().len(), before, "{:?}", hook.calls().last());
        second.process.kill();
    }
    let second = start.go();
    let shown = hark(folder.path(), "quarantine --data second");
    assert_eq!(shown.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&shown.stdout).contains("nobody is told"));
    let ended = hark(folder.path(), "quarantine end --data second");
    assert_eq!(ended.status.code(), Some(0), "{}", String::from_utf8_lossy(&ended.stderr));
    until("the message that had waited", LIMIT, || told_of(&hook, "db1"));
    assert!(second.get("/api/0/self")["quarantine"].is_null());
    assert_eq!(hark(folder.path(), "quarantine --data second").status.code(), Some(0));
}

/// Samples of hosts whose names fit, as `hark history export` writes them.
fn exported(folder: &Path, host: &str) -> Vec<String> {
    let line = format!("history export --data data --format csv --host {host}");
    let written = hark(folder, &line);
    let text = String::from_utf8(written.stdout).unwrap();
    text.lines().skip(1).map(str::to_owned).collect()
}

#[test]
fn samples_are_erased_by_order_and_those_of_a_dropped_host_with_it() {
    let folder = folder();
    let mut server = lively(folder.path());
    server.set_up(PASSWORD);
    let host = exported(folder.path(), "*")
        .iter()
        .filter_map(|line| line.split(',').nth(1))
        .find(|host| *host != "self")
        .unwrap()
        .to_owned();
    let api = "--data data";
    let before = exported(folder.path(), &host);
    let is_cpu = |line: &&String| line.contains(",cpu_monitor,");
    assert!(before.iter().any(|line| is_cpu(&line)) && !before.iter().all(|line| is_cpu(&line)));
    let weighed = hark(
        folder.path(),
        &format!("history delete --host {host} --metric cpu_monitor.* --dry-run --json {api}"),
    );
    assert_eq!(weighed.status.code(), Some(0), "{}", String::from_utf8_lossy(&weighed.stderr));
    assert!(parsed(&weighed)["samples"].as_u64().unwrap() > 0);
    let nothing =
        hark(folder.path(), &format!("history delete --host {host} --metric nonsense.* {api}"));
    assert_eq!(nothing.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&nothing.stderr).contains("no series"));
    let begun = hark_model::Clock.now().unix.0;
    let erased =
        hark(folder.path(), &format!("history delete --host {host} --metric cpu_monitor.* {api}"));
    assert_eq!(erased.status.code(), Some(0), "{}", String::from_utf8_lossy(&erased.stderr));
    let after = exported(folder.path(), &host);
    let first = |line: &String| -> i64 {
        let at = hark_api::Timestamp::parse(line.split(',').next().unwrap()).unwrap();
        at.0.0
    };
    assert!(after.iter().filter(is_cpu).all(|line| first(line) >= begun), "{:?}", after.first());
    let others = |all: &[String]| all.iter().filter(|line| !is_cpu(line)).count();
    assert!(others(&after) >= others(&before), "the rest stays");
    let audit = server.get("/api/0/audit").to_string();
    assert!(audit.contains("history.erase"), "{audit}");
    server.process.kill();
    let checked = hark(folder.path(), "history check --data data --json");
    assert_eq!(checked.status.code(), Some(0), "{}", parsed(&checked));
}

/// The numbers of the hosts that have series.
fn with_series(data: &Path) -> Vec<HostId> {
    View::open(&data.join("history"), &|_| true).unwrap().hosts()
}

#[test]
fn a_dropped_host_outlives_a_kill_comes_back_or_goes_with_its_samples() {
    let folder = folder();
    let start = || Start::new("up", folder.path()).config("agent: {interval: 1s}\n").go();
    let mut server = lively(folder.path());
    server.set_up(PASSWORD);
    let name = until("the agent's host", LIMIT, || {
        let names = server.get("/api/0/fleet")["name"].as_array()?.clone();
        names.iter().filter_map(Value::as_str).find(|name| *name != "self").map(str::to_owned)
    });
    let number = |server: &Server| {
        let reader = StateReader::open(&server.data).unwrap();
        let all = reader.host_names().unwrap().into_iter();
        all.filter(|(_, known)| known.as_str() == name).map(|(id, _)| id).next()
    };
    let drop_it = |server: &Server| {
        let dropped = server.call("DELETE", &format!("/api/0/hosts/{name}"), &[], None);
        assert!([200, 204].contains(&dropped.status), "{}", dropped.body);
    };
    let listed = |server: &Server| server.get("/api/0/dropped");
    let first = number(&server).unwrap();
    drop_it(&server);
    let before = listed(&server);
    server.process.kill();

    let mut server = start();
    let after = listed(&server);
    for key in ["name", "by", "dropped_at"] {
        assert_eq!(after[0][key], before[0][key], "{after}");
    }
    // The time is reckoned anew from a clock that has no parts of milliseconds.
    let until_at =
        |all: &Value| hark_api::Timestamp::parse(all[0]["until_at"].as_str().unwrap()).unwrap().0.0;
    assert!((until_at(&after) - until_at(&before)).abs() < 2000, "{before} {after}");
    assert!(with_series(&server.data).contains(&first), "nothing of it has gone");
    let back = server.post(&format!("/api/0/hosts/{name}/restore"), &Value::Null);
    assert!([200, 204].contains(&back.status), "{}", back.body);
    until("it is back under its number", LIMIT, || (number(&server) == Some(first)).then_some(()));
    drop_it(&server);
    server.process.kill();

    // The hour is over while the server does not run.
    let mut state = State::open(&server.data).unwrap();
    let setting = format!("dropped_host {}", first.0);
    let text = state.reader().unwrap().setting(&setting).unwrap().unwrap();
    let mut dropped: Value = serde_json::from_str(&text).unwrap();
    dropped["until"] = dropped["at"].clone();
    let over = Change::Setting { name: setting.clone(), value: Some(dropped.to_string()) };
    state.commit(&[], &[over]).unwrap();
    drop(state);
    let server = start();
    until("its samples are gone", LIMIT, || {
        (!with_series(&server.data).contains(&first)).then_some(())
    });
    until("nothing is left of it", LIMIT, || {
        let reader = StateReader::open(&server.data).unwrap();
        reader.setting(&setting).unwrap().is_none().then_some(())
    });
    assert_eq!(listed(&server).as_array().map(Vec::len), Some(0));
}

#[test]
fn the_server_makes_backups_by_itself_and_says_if_it_cannot() {
    let folder = folder();
    let place = folder.path().join("copies");
    let config = format!("backup: {{dir: '{}', every: 1h, keep: 2}}\n", place.display());
    let mut server = Start::new("server", folder.path()).config(&config).go();
    server.set_up(PASSWORD);
    let job = server.done(&server.post("/api/0/backups", &Value::Null));
    assert_eq!((&job["state"], &job["failed"]), (&"done".into(), &0.into()), "{job:#}");
    let listed = server.get("/api/0/backups");
    let one = Path::new(listed[0]["path"].as_str().unwrap());
    assert!(one.starts_with(&place) && one.join("manifest.json").is_file(), "{listed:#}");
    // Where the folder should be is a file: none can be made.
    std::fs::remove_dir_all(&place).unwrap();
    std::fs::write(&place, "").unwrap();
    let by_hand = hark(folder.path(), "backup --data data");
    assert_eq!(by_hand.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&by_hand.stderr).contains("copies"), "{by_hand:?}");
}

/// The lines of an export that have samples, in any order.
fn sample_lines(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    lines.sort_unstable();
    lines
}

#[test]
fn samples_go_out_as_text_and_come_back_elsewhere_once() {
    let folder = folder();
    let mut first = lively(folder.path());
    first.process.kill();
    let export = |data: &str, form: &str| {
        let line = format!("history export --data {data} --format {form} --metric cpu_monitor.*");
        let done = hark(folder.path(), &line);
        assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    };
    for form in ["csv", "jsonl", "openmetrics"] {
        let text = export("data", form);
        assert!(text.lines().count() > 5, "{text}");
        write(folder.path(), "samples", &text);
        let line = sample_lines(&export("data", "csv"))[0].to_owned();
        let host = line.split(',').nth(1).unwrap().to_owned();
        // A server that knows the host, and nothing else.
        let config = format!("hosts: {{{host}: {{}}}}\n");
        let mut start = Start::new("server", folder.path()).config(&config);
        start.data = folder.path().join(form);
        let mut other = start.go();
        other.set_up(PASSWORD);
        other.host_when(&host, LIMIT, |_| true);
        other.process.kill();
        let bring = || {
            parsed(&hark(folder.path(), &format!("history import samples --data {form} --json")))
        };
        let done = bring();
        assert!(done["samples"].as_u64().unwrap() > 4, "{done:#}");
        assert_eq!(done["taken"], done["samples"], "{done:#}");
        let again = bring();
        assert_eq!((&again["taken"], &again["known"]), (&0.into(), &done["samples"]), "{again:#}");
        let back = hark(folder.path(), &format!("history export --data {form} --format {form}"));
        let back = String::from_utf8(back.stdout).unwrap();
        // Of metrics with labels the other server knows none as its own: they are those of another program, with
        // the same names, labels, times and values.
        assert_eq!(sample_lines(&back), sample_lines(&text), "{form}");
        let checked = hark(folder.path(), &format!("history check --data {form}"));
        assert_eq!(checked.status.code(), Some(0));
    }
}

#[test]
fn samples_go_out_and_come_in_by_the_interface_while_the_server_runs() {
    let folder = folder();
    let mut server = lively(folder.path());
    server.set_up(PASSWORD);
    let export = |metric: &str| {
        let order = json!({"metrics": [metric], "format": "csv"});
        let job = server.done(&server.post("/api/0/history/export", &order));
        assert_eq!((&job["state"], &job["kind"]), (&"done".into(), &"export".into()), "{job:#}");
        let newest = server.get("/api/0/history/exports")[0]["name"].as_str().unwrap().to_owned();
        assert!(job["outcome"].as_str().unwrap().contains(&newest), "{job:#}");
        let path = format!("/api/0/history/exports/{newest}");
        let text = server.call("GET", &path, &[], None).text;
        let removed = server.call("DELETE", &path, &[], None);
        assert_eq!((removed.status, server.call("GET", &path, &[], None).status), (204, 404));
        text
    };
    let text = export("cpu_monitor.*");
    let lines = sample_lines(&text);
    assert!(lines.len() > 5 && lines.iter().any(|line| line.contains(",cpu_monitor,")), "{text}");
    let host = lines[0].split(',').nth(1).unwrap().to_owned();
    // What is there already is taken for what it is, and what is new is added.
    let again = server.done(&server.post("/api/0/history/import", &json!({ "text": text })));
    assert!(again["outcome"].as_str().unwrap().contains(" 0 added"), "{again:#}");
    let hour_ago = hark_model::Clock.now().unix.seconds() - 3600;
    let past = (0..10).map(|n| format!("{},past_monitor,value,{n}", hour_ago + n));
    let past = past.collect::<Vec<_>>().join("\n");
    let past = format!("time,collector,metric,value\n{past}\ntomorrow,past_monitor,value,1\n");
    let brought = json!({"text": past, "host": host});
    let job = server.done(&server.post("/api/0/history/import", &brought));
    assert_eq!((&job["state"], &job["kind"]), (&"done".into(), &"import".into()), "{job:#}");
    let outcome = job["outcome"].as_str().unwrap();
    assert!(outcome.starts_with("10 samples read, 10 added, 0 there"), "{outcome}");
    assert!(outcome.contains("1 lines could not be read"), "{outcome}");
    // The command line says it as well: of this job, of all, and to programs.
    let asked = |line: String| hark(folder.path(), &format!("jobs {line} --data data"));
    for line in [job["id"].to_string(), String::new()] {
        let said = String::from_utf8(asked(line).stdout).unwrap();
        assert!(said.contains(outcome), "{said}");
    }
    let said = parsed(&asked(format!("{} --json", job["id"])));
    assert_eq!(said["outcome"], outcome, "{said:#}");
    assert_eq!(export("past_monitor.*").lines().count(), 11);
    let unknown = json!({"text": "time,collector,metric,host,value\n1,a,b,nobody,1\n"});
    let job = server.done(&server.post("/api/0/history/import", &unknown));
    assert_eq!(job["state"], "failed", "{job:#}");
    assert!(job["failures"][0]["detail"].as_str().unwrap().contains("no host nobody"), "{job:#}");
}

/// Runs `promtool`.
fn promtool(folder: &Path, line: &str) -> Output {
    let promtool = Path::new("/usr/bin/promtool");
    assert!(promtool.exists(), "promtool is missing: scripts/setup-test installs it");
    let mut command = clean("/usr/bin/promtool", folder);
    run(command.args(line.split_whitespace()), LIMIT)
}

#[test]
fn prometheus_reads_what_is_exported_and_its_dump_is_imported() {
    let folder = folder();
    let mut first = lively(folder.path());
    first.process.kill();
    let exported = hark(folder.path(), "history export --data data");
    assert_eq!(exported.status.code(), Some(0));
    let text = String::from_utf8(exported.stdout).unwrap();
    write(folder.path(), "all.om", &text);
    let made = promtool(folder.path(), "tsdb create-blocks-from openmetrics all.om blocks");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    // It wants the folder of a log as well.
    std::fs::create_dir(folder.path().join("blocks/wal")).unwrap();
    let dumped = promtool(folder.path(), "tsdb dump blocks");
    assert!(dumped.status.success(), "{}", String::from_utf8_lossy(&dumped.stderr));
    let dump = String::from_utf8(dumped.stdout).unwrap();
    assert_eq!(dump.lines().count(), sample_lines(&text).len());
    write(folder.path(), "dump", &dump);
    // What is there already is known by its labels, as hark's own series.
    let done = parsed(&hark(folder.path(), "history import dump --data data --json"));
    assert_eq!((&done["taken"], &done["known"]), (&0.into(), &done["samples"]), "{done:#}");
    assert_eq!(done["samples"], dump.lines().count());
}

//! Checks of processes, with processes that are really there.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

use hark_model::Severity;

use super::*;

/// A `sleep` with a command line of its own; ends with this.
struct Sleep(Child);

impl Sleep {
    fn new(name: &str) -> Self {
        Self(Command::new("sleep").arg0(name).arg("1000").spawn().unwrap())
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn unique(name: &str) -> String {
    format!("{name}-{}", std::process::id())
}

/// Seed 436, chapter 11: `PROC,P1` at 42 s and every 42 s, `worker count out of range [0]`; here with
/// seconds instead of twenty.
#[test]
fn the_seeds_example_gives_the_same_events() {
    let name = unique("seed-77777");
    let mut scene = Scene::of(&format!(
        "processes:\n  workers: {{pattern: '^{name}', min: 1, max: 2, message: worker count out of range, \
         tags: [PROC, P1], every: 1s, events: each}}\n"
    ));
    scene.until(|scene| scene.events.len() >= 2);
    for event in &scene.events {
        assert_eq!(event.text, "worker count out of range [0]");
        assert_eq!(event.tags, ["PROC", "P1"]);
    }
    // Two looks for each event, as the seed counted.
    let apart = scene.events[1].at.since(scene.events[0].at);
    assert!(apart >= Duration::from_millis(1900), "{apart:?}");
    assert_eq!(scene.result("workers").unwrap().status, Status::Critical);
    let worker = Sleep::new(&name);
    scene.until(|scene| scene.result("workers").unwrap().status == Status::Ok);
    let last = scene.events.last().unwrap();
    assert_eq!((last.text.as_str(), last.severity), ("all clear: workers [1]", Severity::Info));
    drop(worker);
}

#[test]
fn a_group_is_counted_and_measured_together() {
    let name = unique("group");
    let workers: Vec<Sleep> = (0..3).map(|_| Sleep::new(&name)).collect();
    let mut scene = Scene::of(&format!(
        "processes:\n  few: {{pattern: '^{name} ', min: 3, max: 3, every: 1s}}\n  \
         many: {{pattern: '^{name} ', max: 2, severity: warning, every: 1s, attempts: 1}}\n"
    ));
    let has = |scene: &Scene, name: &str, n| scene.values.get(name).is_some_and(|v| v.len() >= n);
    scene.until(|scene| {
        has(scene, "process_monitor.few.cpu_percent", 2) && scene.result("many").is_some()
    });
    assert_eq!(scene.values["process_monitor.few.count"][0].to_string(), "3");
    assert_eq!(scene.values["process_monitor.few.threads"][0].to_string(), "3");
    assert!(scene.values["process_monitor.few.memory_mb"][0] > 0.1);
    let cpu = &scene.values["process_monitor.few.cpu_percent"];
    assert!(cpu[0].is_nan() && cpu[1] < 50.0, "{cpu:?}");
    assert_eq!(scene.result("few").unwrap().text, "3 running");
    let many = scene.result("many").unwrap();
    assert_eq!(
        (many.status, many.text.as_str()),
        (Status::Warning, "3 running, at most 2 may be [3]")
    );
    drop(workers);
    scene.until(|scene| scene.result("few").unwrap().status == Status::Critical);
    assert_eq!(scene.result("few").unwrap().text, "0 running instead of 3 [0]");
    scene.until(|scene| {
        scene.result("many").unwrap().status == Status::Warning
            && scene.result("many").unwrap().text.starts_with("not running")
    });
}

#[test]
fn name_user_and_pid_file_choose_too() {
    let folder = tempfile::tempdir().unwrap();
    let worker = Sleep::new("any");
    let pid_file = folder.path().join("x.pid");
    fs::write(&pid_file, format!("{}\n", worker.0.id())).unwrap();
    let path = pid_file.display();
    let none = folder.path().join("none.pid");
    let mut scene = Scene::of(&format!(
        "processes:\n  by_file: {{pid_file: {path}, name: sleep, every: 1s, attempts: 1}}\n  \
         other_name: {{pid_file: {path}, name: wake, every: 1s, attempts: 1}}\n  \
         no_file: {{pid_file: {}, every: 1s, attempts: 1}}\n  \
         no_user: {{user: nobody-here, every: 1s, attempts: 1}}\n  \
         nobody: {{pid_file: {path}, user: '65534', every: 1s, attempts: 1}}\n",
        none.display(),
    ));
    let checks = ["by_file", "other_name", "no_file", "no_user", "nobody"];
    scene.until(|scene| checks.iter().all(|check| scene.result(check).is_some()));
    let found: Vec<Status> = checks.iter().map(|c| scene.result(c).unwrap().status).collect();
    assert_eq!(found[0], Status::Ok, "{scene:?}");
    assert!(found[1..].iter().all(|status| *status == Status::Critical), "{found:?}");
}

#[test]
fn wrong_settings_are_said() {
    for (text, said) in [
        ("processes: {x: {}}\n", "which processes?"),
        ("processes: {x: {name: a-name-of-more-than-fifteen}}\n", "is never found"),
        ("processes: {x: {pattern: '('}}\n", "this pattern is wrong: unclosed group"),
        ("processes: {x: {name: a, min: 3, max: 2}}\n", "cannot both be"),
        ("processes: {x: {nmae: a}}\n", "`name`"),
        ("processes: {x: {name: a, tags: ['a b']}}\n", "tag"),
    ] {
        let found = read(text).1;
        assert!(found.contains(said) && found.contains("hark.yaml:"), "{text}: {found}");
    }
}

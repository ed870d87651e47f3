//! Jobs with real programs, driven by the thread's own loop.

mod commands;
mod custom;
mod exporters;
mod listening;
mod processes;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use hark_config::{Document, NoSecrets, Style};
use hark_model::{CheckResult, Event, Status};
use hark_proto::Outcome;

use super::*;
use crate::inlet::{Outlet, inlet};
use crate::sys;

/// Reads the sections of jobs; what is wrong is a failure.
pub(super) fn configured(text: &str) -> JobsConfig {
    let (config, said) = read(text);
    assert_eq!(said, "");
    config
}

pub(super) fn read(text: &str) -> (JobsConfig, String) {
    let document = Document::single(text);
    let section = document.root(&NoSecrets);
    let config = JobsConfig::read(&section);
    section.finish(crate::settings::KEYS);
    let said = document.diagnostics().render(Style::Plain);
    (config, said)
}

/// The thread at work, and what it found so far.
pub(super) struct Scene {
    pub(super) jobs: Jobs,
    outlet: Outlet,
    pub(super) results: Vec<CheckResult>,
    pub(super) events: Vec<Event>,
    pub(super) outcomes: Vec<Outcome>,
    pub(super) facts: BTreeMap<String, String>,
    pub(super) values: BTreeMap<String, Vec<f64>>,
}

impl Scene {
    pub(super) fn of(text: &str) -> Self {
        Self::with(configured(text).make(&Root::system()))
    }

    fn with(jobs: Vec<Made>) -> Self {
        let (inlet, outlet) = inlet().unwrap();
        let mark = format!("jobs-test-{}-{:?}", std::process::id(), std::thread::current().id());
        Self {
            jobs: Jobs::start(jobs, inlet, &mark).unwrap(),
            outlet,
            results: Vec::new(),
            events: Vec::new(),
            outcomes: Vec::new(),
            facts: BTreeMap::new(),
            values: BTreeMap::new(),
        }
    }

    /// Waits until `enough`; half a minute is a failure.
    pub(super) fn until(&mut self, enough: impl Fn(&Self) -> bool) {
        let begin = Clock.now().mono;
        while !enough(self) {
            assert!(Clock.now().mono.since(begin) < Duration::from_secs(30), "{self:?}");
            sys::readable([Some(self.outlet.descriptor())], Duration::from_millis(200)).unwrap();
            let mut taken = Vec::new();
            self.outlet.take(1000, &mut taken);
            for found in taken {
                self.take(found);
            }
        }
    }

    fn take(&mut self, found: Found) {
        match found {
            Found::Report(ReportItem::Result(result)) => self.results.push(result),
            Found::Report(ReportItem::Event(event)) => self.events.push(event),
            Found::Report(ReportItem::Facts(facts)) => self.facts.extend(facts),
            Found::Report(ReportItem::Outcome(outcome)) => self.outcomes.push(outcome),
            Found::Batch(batch) => {
                for (def, value) in batch.series.iter().zip(batch.values) {
                    self.values.entry(def.name.path()).or_default().push(value);
                }
            }
        }
    }

    pub(super) fn result(&self, check: &str) -> Option<&CheckResult> {
        self.results.iter().rev().find(|result| result.check.as_str() == check)
    }
}

impl Debug for Scene {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { results, events, outcomes, facts, values, .. } = self;
        write!(f, "{results:#?} {events:#?} {outcomes:?} {facts:?} {values:?}")
    }
}

pub(super) fn script(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

#[test]
fn a_plugin_becomes_a_check_with_series_and_its_limits() {
    let folder = tempfile::tempdir().unwrap();
    let path =
        script(folder.path(), "check_x", "echo \"WARNING - $1 | 'a b'=5MB;4;~:10;0;20\"; exit 1");
    let mut scene = Scene::of(&format!("plugins: {{disk: {path} 'two words'}}\n"));
    scene.until(|scene| scene.result("disk").is_some() && !scene.values.is_empty());
    let result = scene.result("disk").unwrap();
    assert_eq!(result.status, Status::Warning);
    assert_eq!(result.text, "WARNING - two words");
    let mib = 1024.0 * 1024.0;
    assert_eq!(scene.values["nagios_runner.disk.a b"], [5.0 * mib]);
    assert_eq!(scene.values["nagios_runner.disk.exit_code"], [1.0]);
    let limits = &result.limits[0];
    assert_eq!(limits.series.path(), "nagios_runner.disk.a b");
    assert!(limits.warning.unwrap().is_bad(4.1 * mib) && !limits.critical.unwrap().is_bad(-mib));
    assert_eq!((limits.min, limits.max), (Some(0.0), Some(20.0 * mib)));
}

#[test]
fn plugins_that_hang_or_are_missing_are_unknown_and_hold_nobody_up() {
    let mut scene = Scene::of(
        "plugins:\n  hang: {command: sleep 1000, timeout: 300ms, every: 1s}\n  missing: no-such-plugin\n  fine: [echo, 'all is well']\n",
    );
    scene.until(|scene| ["hang", "missing", "fine"].iter().all(|c| scene.result(c).is_some()));
    let said = |check| {
        let result = scene.result(check).unwrap();
        (result.status, result.text.as_str())
    };
    assert_eq!(said("hang"), (Status::Unknown, "did not end within 300ms"));
    let missing = "not run: there is no program `no-such-plugin`";
    assert_eq!(said("missing"), (Status::Unknown, missing));
    assert_eq!(said("fine"), (Status::Ok, "all is well"));
}

#[test]
fn a_bad_result_is_told_after_so_many_in_a_row_and_looked_at_again_soon() {
    let folder = tempfile::tempdir().unwrap();
    let count = folder.path().join("count");
    let path = script(
        folder.path(),
        "check_x",
        &format!("echo x >> {0}; echo bad; exit 2", count.display()),
    );
    let mut scene = Scene::of(&format!(
        "plugins: {{x: {{command: {path}, every: 1h, attempts: 3, retry: 100ms}}}}\n"
    ));
    scene.until(|scene| !scene.results.is_empty());
    assert_eq!(scene.result("x").unwrap().status, Status::Critical);
    assert_eq!(fs::read_to_string(count).unwrap().lines().count(), 3);
}

#[test]
fn several_plugins_have_one_status_by_the_seeds_rule() {
    let mut scene = Scene::of(
        "nagios_runner:\n  commands:\n  - check_dummy 1 careful\n  - {name: third, command: check_dummy 3}\n  - {name: good, command: [check_dummy, '0']}\n",
    );
    scene.until(|scene| scene.result("nagios_runner").is_some());
    let all = scene.result("nagios_runner").unwrap();
    assert_eq!(all.status, Status::Unknown);
    assert_eq!(all.text, "2 of 3 plugins: check_dummy is warning, third is unknown");
    assert_eq!(scene.result("check_dummy").unwrap().text, "WARNING: careful");
    assert_eq!(scene.result("good").unwrap().status, Status::Ok);
    scene.until(|scene| scene.values.len() >= 3);
    assert_eq!(scene.values["nagios_runner.third.exit_code"], [3.0]);
}

#[test]
fn wrong_settings_are_shown_with_their_place() {
    for (text, said) in [
        ("plugins: {x: a | b}\n", "means something in a shell"),
        ("plugins: {x: {}}\n", "the key `command` is missing"),
        ("plugins: {x: {comand: y}}\n", "`command`"),
        ("plugins: {x: {command: y, every: 0s}}\n", "between every 1s and every 7d"),
        ("plugins: {x: {command: y, timeout: 2h}}\n", "between 1ms and 1h"),
        ("plugins: {x: {command: y, active: mun}}\n", "`mun` is neither a day"),
        ("plugins: {x: y}\nnagios_runner: {commands: [/bin/x]}\n", "there is a check `x` already"),
        ("nagios_runner: {commands: [{name: x}]}\n", "the key `command` is missing"),
    ] {
        let found = read(text).1;
        assert!(found.contains(said) && found.contains("hark.yaml:"), "{text}: {found}");
    }
}

/// A job that fails.
#[derive(Clone, Debug)]
struct Broken;

impl Job for Broken {
    fn name(&self) -> &'static str {
        "broken"
    }

    fn timing(&self) -> Timing {
        Timing { every: Some(Duration::from_millis(10)), active: None }
    }

    fn begin(&mut self, _turn: &mut Turn<'_>) {
        panic!("broken on purpose");
    }
}

#[test]
fn a_job_that_panics_is_switched_off_and_the_others_go_on() {
    let mut jobs = vec![Made { job: Box::new(Broken), identity: "broken".into() }];
    jobs.extend(configured("plugins: {x: {command: echo x, every: 1s}}\n").make(&Root::system()));
    let mut scene = Scene::with(jobs);
    scene.until(|scene| scene.results.len() >= 2);
}

#[test]
fn more_programs_than_run_at_a_time_wait_for_their_turn() {
    let plugins: Vec<String> =
        (0..30).map(|n| format!("p{n}: {{command: sleep 0.1, every: 1h}}")).collect();
    let mut scene = Scene::of(&format!("plugins: {{{}}}\n", plugins.join(", ")));
    scene.until(|scene| scene.results.len() == 30);
    assert!(scene.results.iter().all(|result| result.status == Status::Ok));
}

#[test]
fn the_thread_ends_at_once_with_what_it_runs() {
    let scene = Scene::of("plugins: {x: {command: sleep 1000, timeout: 1h}}\n");
    let begin = Clock.now().mono;
    drop(scene);
    assert!(Clock.now().mono.since(begin) < Duration::from_secs(5));
}

#[test]
fn what_has_not_changed_goes_on_and_what_is_gone_is_ended() {
    let folder = tempfile::tempdir().unwrap();
    let pids = |name: &str| {
        let text = fs::read_to_string(folder.path().join(name)).unwrap_or_default();
        text.lines().filter_map(|line| line.trim().parse::<u32>().ok()).collect::<Vec<_>>()
    };
    let program = |name: &str| {
        let file = folder.path().join(name).display().to_string();
        script(folder.path(), &format!("run-{name}"), &format!("echo $$ >>{file}; exec sleep 600"))
    };
    let (stays, goes, comes) = (program("stays"), program("goes"), program("comes"));
    let running = |pid: u32| Path::new(&format!("/proc/{pid}/stat")).exists();
    let begin = Clock.now().mono;
    let until = |enough: &dyn Fn() -> bool| {
        while !enough() {
            assert!(Clock.now().mono.since(begin) < Duration::from_secs(30));
            drop(sys::readable([None], Duration::from_millis(20)));
        }
    };

    let mut scene =
        Scene::of(&format!("custom: {{goes: {{command: {goes}}}, stays: {{command: {stays}}}}}\n"));
    until(&|| pids("stays").len() == 1 && pids("goes").len() == 1);
    let wanted = configured(&format!(
        "custom: {{comes: {{command: {comes}}}, stays: {{command: {stays}}}}}\n"
    ));
    scene.jobs.change(wanted, Root::system());
    until(&|| pids("comes").len() == 1 && !running(pids("goes")[0]));
    assert_eq!(pids("stays").len(), 1, "it was not started again");
    assert!(running(pids("stays")[0]));

    // Another command under the same name is another job.
    let wanted = configured(&format!("custom: {{stays: {{command: {stays} x}}}}\n"));
    let first = pids("stays")[0];
    scene.jobs.change(wanted, Root::system());
    until(&|| pids("stays").len() == 2 && !running(first) && !running(pids("comes")[0]));
}

#[test]
fn an_ordered_action_is_run_once_and_its_outcome_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = script(folder.path(), "act", "echo done $1; echo but >&2; exit 3");
    let document = Document::single(&format!(
        "actions: {{act: {{run: {path} twice, timeout: 5s}}, gone: {{run: /no/such/program}}}}\n"
    ));
    let actions = Actions::read(&document.root(&NoSecrets));
    assert_eq!(actions.names().collect::<Vec<_>>(), ["act", "gone"]);
    assert!(actions.run(7, "rm").is_none());
    let mut scene = Scene::with(Vec::new());
    assert!(scene.jobs.order(actions.run(7, "act").unwrap()).is_none());
    assert!(scene.jobs.order(actions.run(8, "gone").unwrap()).is_none());
    scene.until(|scene| scene.outcomes.len() == 2);
    scene.outcomes.sort_by_key(|outcome| outcome.order);
    let [done, not_run] = scene.outcomes.as_slice() else { panic!("{:?}", scene.outcomes) };
    assert_eq!((done.exit, done.text.as_str()), (Some(3), "but\ndone twice"));
    assert!(not_run.exit.is_none() && not_run.text.starts_with("not run: "), "{not_run:?}");
}

#[test]
fn wrong_actions_are_named() {
    for (text, said) in [
        ("{'a b': {run: /bin/true}}", "an action's name is"),
        ("{a: {timeout: 5s}}", "`run`"),
        ("{a: {run: /bin/true, timeout: 2h}}", "between 1ms and 1h"),
        ("{a: {run: '/bin/true | /bin/false'}}", "shell"),
    ] {
        let document = Document::single(&format!("actions: {text}\n"));
        drop(Actions::read(&document.root(&NoSecrets)));
        let found = document.diagnostics().render(Style::Plain);
        assert!(found.contains(said), "{text}: {found}");
    }
}

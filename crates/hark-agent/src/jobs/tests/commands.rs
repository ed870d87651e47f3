//! Commands whose output is looked through.

use hark_model::Severity;

use super::*;

/// Seed 436, chapter 11: `LOAD,P2` with `load above 4`, `LOAD_M` with `5.25`, each time that it is looked.
#[test]
fn the_seeds_example_gives_the_same_events() {
    let folder = tempfile::tempdir().unwrap();
    let load = folder.path().join("app.load");
    fs::write(&load, "load=5.25\n").unwrap();
    let mut scene = Scene::of(&format!(
        "commands:\n  load:\n    command: cat {}\n    every: 1s\n    extract: (load)=([0-9.]+)\n    \
         alert_if: {{match: [1, load], value: 2, above: 4, message: load above 4, tags: [LOAD, P2]}}\n    \
         metrics: {{match: [1, load], value: 2, name: load, tags: LOAD_M}}\n    events: each\n",
        load.display()
    ));
    scene.until(|scene| scene.events.len() >= 4 && !scene.results.is_empty());
    let shown: Vec<(String, &str)> =
        scene.events.iter().map(|e| (e.tags.join(","), e.text.as_str())).collect();
    let mut first = shown[..2].to_vec();
    first.sort();
    let expected = [("LOAD,P2".to_owned(), "load above 4"), ("LOAD_M".to_owned(), "5.25")];
    assert_eq!(first, expected);
    let again = shown[2..4].iter().filter(|(tags, _)| tags == "LOAD,P2").count();
    assert_eq!(again, 1, "told each time, as the seed does: {shown:?}");
    let result = scene.result("load").unwrap();
    assert_eq!((result.status, result.text.as_str()), (Status::Warning, "load above 4 (5.25)"));
    assert_eq!(scene.values["command.load.load"][0].to_string(), "5.25");
}

#[test]
fn a_lower_limit_and_a_value_in_range() {
    let mut scene = Scene::of(
        "commands:\n  low: {command: echo load 0.25, extract: '(load) ([0-9.]+)', alert_if: {match: [1, load], \
         value: 2, below: 0.5, message: load very low, severity: critical}}\n  \
         fine: {command: echo load 0.75, extract: '(load) ([0-9.]+)', metrics: {value: 2, name: '$1'}, \
         alert_if: {value: 2, below: 0.5, message: load very low}}\n",
    );
    scene.until(|scene| scene.result("low").is_some() && scene.result("fine").is_some());
    assert_eq!(scene.result("low").unwrap().status, Status::Critical);
    assert_eq!(scene.result("fine").unwrap().text, "load = 0.75");
    let event = &scene.events[0];
    assert_eq!((event.text.as_str(), event.severity), ("load very low", Severity::Critical));
    assert_eq!(scene.events.len(), 1);
}

#[test]
fn events_are_made_at_begin_and_end_and_the_worst_limit_counts() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x");
    fs::write(&file, "a 97%\nb 3%\n").unwrap();
    let mut scene = Scene::of(&format!(
        "commands:\n  use:\n    command: cat {}\n    every: 1s\n    extract: '(\\w) (\\d+)%'\n    \
         metrics: {{value: 2, name: used $1}}\n    alert_if:\n    \
         - {{value: 2, above: 80, message: filling}}\n    - {{value: 2, above: 95, message: full, severity: critical}}\n",
        file.display()
    ));
    scene.until(|scene| scene.results.len() >= 3);
    let result = scene.result("use").unwrap();
    assert_eq!(
        (result.status, result.text.as_str()),
        (Status::Critical, "full (97.0); filling (97.0)")
    );
    assert_eq!(scene.events.len(), 2, "told once: {:?}", scene.events);
    fs::write(&file, "a 1%\nb 3%\n").unwrap();
    scene.until(|scene| scene.result("use").unwrap().status == Status::Ok);
    scene.until(|scene| scene.events.len() == 4);
    assert_eq!(scene.events[3].text, "all clear: full");
    assert_eq!(scene.values["command.use.used b"][0].to_string(), "3");
}

#[test]
fn json_and_prometheus_output_become_series() {
    let mut scene = Scene::of(
        "commands:\n  j: {command: [echo, '{\"queue\": {\"length\": 3}, \"ok\": true}'], format: json}\n  \
         p: {command: [printf, '# TYPE a counter\\na{b=\"c\"} 7\\n'], format: prometheus}\n  \
         wrong: {command: echo hello, format: json}\n",
    );
    scene.until(|scene| scene.results.len() >= 3 && scene.values.len() >= 3);
    assert_eq!(scene.values["command.j.queue.length"][0].to_string(), "3");
    assert_eq!(scene.values["command.p.b=c.a"][0].to_string(), "7");
    let wrong = scene.result("wrong").unwrap();
    assert_eq!(wrong.status, Status::Unknown);
    assert!(wrong.text.starts_with("the output is not JSON"), "{}", wrong.text);
}

#[test]
fn a_command_that_fails_is_told_and_ends_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let fails = script(folder.path(), "fails", "echo out; echo no such disk >&2; exit 3");
    let mut scene = Scene::of(&format!(
        "commands:\n  fails: {{command: {fails}}}\n  bad: {{command: {fails}, failure: critical}}\n  \
         fine: {{command: {fails}, failure: ignore}}\n  missing: {{command: /no/such}}\n  \
         slow: {{command: sleep 100, timeout: 200ms}}\n  \
         number: {{command: echo a x, extract: '(a) (.*)', metrics: {{value: 2}}}}\n"
    ));
    scene.until(|scene| scene.results.len() >= 6);
    let said = |check: &str| {
        let result = scene.result(check).unwrap();
        (result.status, result.text.as_str())
    };
    assert_eq!(said("fails"), (Status::Unknown, "ended with code 3: no such disk"));
    assert_eq!(said("bad").0, Status::Critical);
    assert_eq!(said("fine"), (Status::Ok, "out"));
    assert!(said("missing").1.contains("No such file"), "{:?}", said("missing"));
    assert_eq!(said("slow"), (Status::Unknown, "did not end within 200ms"));
    assert_eq!(said("number"), (Status::Unknown, "rule 1: `x` is no number"));
}

#[test]
fn wrong_settings_are_said() {
    for (text, said) in [
        ("commands: {x: {command: y, extract: '(a'}}\n", "this pattern is wrong"),
        ("commands: {x: {command: y, metrics: {value: 1}}}\n", "`extract`, which is missing"),
        (
            "commands: {x: {command: y, extract: '(a)', metrics: {value: 2}}}\n",
            "1 groups, and no group 2",
        ),
        ("commands: {x: {command: y, extract: a, metrics: {}}}\n", "`value` is missing"),
        (
            "commands: {x: {command: y, extract: '(a)', alert_if: {value: 1, message: m}}}\n",
            "one of `above`, `below`",
        ),
        (
            "commands: {x: {command: y, extract: '(a)', alert_if: {value: 1, above: 1}}}\n",
            "`message` is missing",
        ),
        (
            "commands: {x: {command: y, extract: '(a)', metrics: {match: [1], value: 1}}}\n",
            "a group and its text",
        ),
        ("commands: {x: {command: y, format: json, extract: a}}\n", "for output that is text"),
        ("commands: {x: {}}\n", "`command` is missing"),
    ] {
        let found = read(text).1;
        assert!(found.contains(said) && found.contains("hark.yaml:"), "{text}: {found}");
    }
}

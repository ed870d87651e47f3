//! Programs that print JSON lines.

use hark_model::Severity;

use super::*;

const LINES: &str = r#"echo '{"metrics": {"queue": 17}, "instance": "mail"}'
echo '{"metrics": {"queue": 4}, "instance": "web"}'
echo '{"facts": {"release": "2026.11"}}'
echo '{"event": "took 3 h", "severity": "warning", "tags": ["nightly"]}'
echo '{"check": "backup", "status": "critical", "text": "none since Monday"}'"#;

#[test]
fn a_program_that_is_run_now_and_then_tells_four_kinds_of_things() {
    let folder = tempfile::tempdir().unwrap();
    let path = script(folder.path(), "x", LINES);
    let mut scene = Scene::of(&format!("custom: {{mine: {{command: {path}, every: 1m}}}}\n"));
    scene.until(|scene| scene.result("mine").is_some() && scene.values.len() == 2);
    assert_eq!(scene.values["custom.mine.mail.queue"], [17.0]);
    assert_eq!(scene.values["custom.mine.web.queue"], [4.0]);
    assert_eq!(scene.facts["release"], "2026.11");
    let event = &scene.events[0];
    assert_eq!((event.text.as_str(), event.severity), ("took 3 h", Severity::Warning));
    let check = scene.result("mine.backup").unwrap();
    assert_eq!((check.status, check.text.as_str()), (Status::Critical, "none since Monday"));
    assert_eq!(scene.result("mine").unwrap().status, Status::Ok);
}

#[test]
fn a_program_that_runs_on_is_heard_while_it_runs_and_started_again_when_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let path = script(
        folder.path(),
        "x",
        "n=0\nwhile [ $n -lt 3 ]; do n=$((n+1)); echo \"{\\\"metrics\\\": {\\\"n\\\": $n}}\"; sleep 0.7; done\n\
         echo not json; sleep 0.7; echo bye >&2; exit 4",
    );
    let mut scene = Scene::of(&format!("custom: {{mine: {{command: {path}, restart: 1s}}}}\n"));
    scene.until(|scene| scene.values.get("custom.mine.n").is_some_and(|values| values.len() >= 4));
    assert_eq!(scene.values["custom.mine.n"][..4], [1.0, 2.0, 3.0, 1.0]);
    let texts: Vec<&str> = scene.results.iter().map(|result| result.text.as_str()).collect();
    assert_eq!(texts[0], "runs");
    assert_eq!(texts[1], "ended with code 4, is started again: bye");
}

#[test]
fn wrong_lines_make_it_unknown_and_the_right_ones_count() {
    let folder = tempfile::tempdir().unwrap();
    let path =
        script(folder.path(), "x", "echo '{\"metrics\": {\"a\": 1}}'\necho '{\"metric\": {}}'");
    let mut scene = Scene::of(&format!("custom: {{mine: {{command: {path}, every: 1m}}}}\n"));
    scene.until(|scene| scene.result("mine").is_some() && !scene.values.is_empty());
    let result = scene.result("mine").unwrap();
    assert_eq!(result.status, Status::Unknown);
    assert_eq!(result.text, "a line is wrong: unknown key `metric`");
}

#[test]
fn a_program_that_tells_events_in_a_loop_fills_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = script(
        folder.path(),
        "x",
        "n=0; while [ $n -lt 2000 ]; do n=$((n+1)); echo '{\"event\": \"again\"}'; done",
    );
    let mut scene = Scene::of(&format!("custom: {{mine: {{command: {path}, every: 1m}}}}\n"));
    scene.until(|scene| scene.result("mine").is_some());
    assert!(scene.events.len() <= 130, "{}", scene.events.len());
}

#[test]
fn wrong_settings_are_said() {
    for (text, said) in [
        ("custom: {x: {command: y, timeout: 5s}}\n", "has no time limit"),
        ("custom: {x: {command: y, restart: 0s}}\n", "after 1s at the earliest"),
        ("custom: {x: {every: 5s}}\n", "`command` is missing"),
    ] {
        let found = read(text).1;
        assert!(found.contains(said) && found.contains("hark.yaml:"), "{text}: {found}");
    }
}

//! The journal as a source, with a program that stands in for `journalctl`.

#![expect(clippy::unwrap_used, reason = "a failure here is a failed test")]

use std::fmt::Write;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hark_config::{Document, NoSecrets, Style};
use hark_logs::{ABOUT, Item, Logs, Settings, State, Watch};
use hark_model::{Clock, Now};

/// Puts the stand-in into `folder`.
fn stand_in(folder: &Path) -> PathBuf {
    // Built with the tests, beside the folder of this very program.
    let own = std::env::current_exe().unwrap();
    let built = own.parent().unwrap().parent().unwrap().join("examples/journal_stand_in");
    let program = folder.join("journalctl");
    std::os::unix::fs::symlink(built, &program).unwrap();
    program
}

fn entry(number: u32, message: &str) -> String {
    format!("{{\"__CURSOR\":\"s={number}\",\"MESSAGE\":\"{message}\"}}\n")
}

/// Watches until an event with `last` was told; returns all that were, and where that is.
fn told(program: &Path, state: Option<State>, last: &str) -> (Vec<String>, State) {
    let text = "logs: {w: {journal: {unit: x.service}, match: X}}\n";
    let document = Document::single(text);
    let watches = Watch::read_all(&document.root(&NoSecrets), "logs");
    assert_eq!(document.diagnostics().render(Style::Plain), "");
    let settings = Settings { journalctl: program.to_owned(), ..Settings::new(watches) };
    let mut logs = Logs::new(settings, state, Clock.now()).unwrap();
    let (never, _rope) = std::io::pipe().unwrap();
    let mut told: Vec<String> = Vec::new();
    let until = Clock.now().mono + Duration::from_secs(30);
    loop {
        let now: Now = Clock.now();
        assert!(now.mono < until, "{told:?}");
        let items = logs.work(now).map(|batch| batch.items).unwrap_or_default();
        told.extend(items.into_iter().filter_map(|item| match item {
            Item::Event(event) if event.kind.word() == ABOUT => Some(ABOUT.to_owned()),
            Item::Event(event) => Some(event.text),
            Item::Result(_) | Item::Count { .. } => None,
        }));
        if told.iter().any(|text| text == last) {
            return (told, logs.end().state.unwrap());
        }
        logs.wait(never.as_fd(), || now).unwrap();
    }
}

#[test]
fn entries_are_told_once_also_after_a_restart_and_an_entry_that_is_too_long_is_skipped() {
    let folder = tempfile::tempdir().unwrap();
    let (program, said) = (stand_in(folder.path()), folder.path().join("said"));
    std::fs::write(folder.path().join("on"), "").unwrap();
    let mut text = format!("-- noise --\n{}{}", entry(1, "one X"), entry(2, "two"));
    text.push_str(&entry(3, "three X"));
    std::fs::write(&said, &text).unwrap();
    let (first, state) = told(&program, None, "three X");
    assert_eq!(first, ["one X", "three X"]);
    let state = State::from_text(&state.to_text()).unwrap();
    let long = "X".repeat(300 * 1024);
    write!(text, "{}{}{}", entry(4, "four"), entry(5, &long), entry(6, "six X")).unwrap();
    std::fs::write(&said, &text).unwrap();
    assert_eq!(told(&program, Some(state), "six X").0, ["six X"]);
}

#[test]
fn a_program_that_ends_is_told_and_started_again_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (program, said) = (stand_in(folder.path()), folder.path().join("said"));
    std::fs::write(&said, entry(1, "one X")).unwrap();
    let (first, state) = told(&program, None, ABOUT);
    assert_eq!(first, ["one X", ABOUT]);
    std::fs::write(&said, format!("{}{}", entry(1, "one X"), entry(2, "two X"))).unwrap();
    assert_eq!(told(&program, Some(state), "two X").0.first().unwrap(), "two X");
}

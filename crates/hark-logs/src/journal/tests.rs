use std::path::Path;
use std::sync::Arc;

use hark_config::{Document, NoSecrets};
use hark_model::Unix;

use super::*;
use crate::scan::Unit;
use crate::settings::Watch;
use crate::team::Work;
use crate::watch::{Item, Out};

#[test]
fn entries_are_read_in_all_their_forms() {
    let read = |text: &str| entry(text.as_bytes()).map(|entry| entry.message);
    let with = |message: &str| read(&format!("{{\"__CURSOR\":\"s=1\",\"MESSAGE\":{message}}}\n"));
    assert_eq!(with("\"a\\nb\"").unwrap(), b"a\nb");
    assert_eq!(with("[97,255,98]").unwrap(), b"a\xffb");
    assert_eq!(with("[\"a\",[98]]").unwrap(), b"a\nb");
    assert_eq!(with("null").unwrap(), b"");
    assert_eq!(read("{\"MESSAGE\":\"a\"}"), None, "without a cursor");
    assert_eq!(read("-- No entries --"), None);
}

#[test]
fn the_program_is_asked_from_the_cursor_on_and_for_the_filter_alone() {
    let filter = JournalFilter {
        units: vec!["backup.service".to_owned()],
        identifiers: vec!["sshd".to_owned()],
        priority: Some(4),
    };
    let now = Now { mono: Mono(0), unix: Unix(1_795_200_322_123) };
    let mut journal = Journal::new(filter, None, now);
    let arguments = journal.arguments();
    assert!(arguments.contains(&"--since=@1795200322".to_owned()), "{arguments:?}");
    for wanted in ["--unit=backup.service", "--identifier=sshd", "--priority=4", "--follow"] {
        assert!(arguments.contains(&wanted.to_owned()), "{wanted} in {arguments:?}");
    }
    journal.state.cursor = Some("s=7".to_owned());
    let arguments = journal.arguments();
    assert!(arguments.contains(&"--after-cursor=s=7".to_owned()));
    assert!(!arguments.iter().any(|argument| argument.starts_with("--since")));
}

/// Puts the stand-in for the program into `folder`.
fn stand_in(folder: &Path) -> String {
    // Built with the tests, beside the folder of this very program.
    let own = std::env::current_exe().unwrap();
    let built = own.parent().unwrap().parent().unwrap().join("examples/journal_stand_in");
    let program = folder.join("journalctl");
    std::os::unix::fs::symlink(built, &program).unwrap();
    program.to_str().unwrap().to_owned()
}

/// A watch for `X` in the journal, and its team.
fn watching() -> (Team, Crew) {
    let document = Document::single("journal: {}\nmatch: X\n");
    let watch = Watch::read("w", &document.root(&NoSecrets)).unwrap();
    let work = Work::new(Arc::new(watch), None, AGAIN, at(0)).unwrap();
    let crew = Crew { works: vec![work], out: Out::default() };
    let team = Team::new(&[0], &crew, Unit::Records).unwrap();
    (team, crew)
}

fn at(millis: u64) -> Now {
    Now { mono: Mono(millis), unix: Unix(0) }
}

/// Reads until there is nothing for a while; returns what was told and whether it failed.
fn read_all(journal: &mut Journal, now: Now) -> (Vec<String>, bool) {
    let (mut team, mut crew) = watching();
    let mut failed = false;
    loop {
        match journal.step(&mut [0; 100], &mut team, &mut crew, now) {
            Said::More => {}
            Said::Failed => failed = true,
            Said::Idle => {
                let patience = if failed { Duration::ZERO } else { Duration::from_millis(400) };
                let more = journal.descriptor().map(|fd| sys::readable(&[fd], patience).unwrap());
                if more.is_none_or(|more| !more[0]) {
                    break;
                }
            }
        }
    }
    let text = |item| match item {
        Item::Event(event) => event.text,
        other @ (Item::Result(_) | Item::Count { .. }) => format!("{other:?}"),
    };
    (crew.out.take().into_iter().map(text).collect(), failed)
}

#[test]
fn entries_are_told_once_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let program = stand_in(folder.path());
    std::fs::write(folder.path().join("on"), "").unwrap();
    let line = |n: u32, text: &str| format!("{{\"__CURSOR\":\"s={n}\",\"MESSAGE\":\"{text}\"}}\n");
    let mut said = format!("-- noise --\n{}{}", line(1, "one X"), line(2, "two"));
    std::fs::write(folder.path().join("said"), &said).unwrap();
    let mut journal = Journal::new(JournalFilter::default(), None, at(0)).with_program(&program);
    assert_eq!(read_all(&mut journal, at(0)), (vec!["one X".to_owned()], false));
    let state = journal.state.clone();
    assert_eq!(state.cursor.as_deref(), Some("s=2"));
    drop(journal);
    let long = "y".repeat(MAX_ENTRY);
    said.push_str(&line(3, &long));
    said.push_str(&line(4, "four X"));
    std::fs::write(folder.path().join("said"), &said).unwrap();
    let mut journal =
        Journal::new(JournalFilter::default(), Some(state), at(0)).with_program(&program);
    assert_eq!(read_all(&mut journal, at(0)), (vec!["four X".to_owned()], false));
    assert_eq!(journal.state.cursor.as_deref(), Some("s=4"));
}

#[test]
fn a_program_that_ends_is_started_again_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let program = stand_in(folder.path());
    let said = "{\"__CURSOR\":\"s=1\",\"MESSAGE\":\"X\"}\n";
    std::fs::write(folder.path().join("said"), said).unwrap();
    let mut journal = Journal::new(JournalFilter::default(), None, at(0)).with_program(&program);
    assert_eq!(read_all(&mut journal, at(0)), (vec!["X".to_owned()], true));
    assert_eq!(journal.next_deadline(), Some(at(10_000).mono));
    std::fs::write(folder.path().join("on"), "").unwrap();
    assert_eq!(read_all(&mut journal, at(10_000)), (Vec::new(), false));
    assert!(journal.descriptor().is_some());
}

#[test]
fn a_program_that_cannot_run_is_told_once_and_tried_again() {
    let journal = Journal::new(JournalFilter::default(), None, at(0));
    let mut journal = journal.with_program("/no/such/program");
    let (mut team, mut crew) = watching();
    let mut step = |millis| journal.step(&mut [0; 64], &mut team, &mut crew, at(millis));
    assert_eq!(step(0), Said::Failed);
    assert_eq!(step(5_000), Said::Idle, "not at once again");
    assert_eq!(step(10_000), Said::Idle, "tried, and still not news");
}

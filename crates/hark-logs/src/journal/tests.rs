use std::path::Path;
use std::sync::Arc;

use hark_config::{Document, NoSecrets};
use hark_model::Unix;

use super::*;
use crate::scan::Unit;
use crate::settings::Watch;
use crate::team::Work;
use crate::watch::Out;

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
    let mut journal = Journal::new(Path::new("journalctl"), filter, None, now);
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

#[test]
fn a_program_that_cannot_run_is_told_once_and_tried_again() {
    let program = Path::new("/no/such/program");
    let mut journal = Journal::new(program, JournalFilter::default(), None, at(0));
    let (mut team, mut crew) = watching();
    let mut step = |millis| journal.step(&mut [0; 64], &mut team, &mut crew, at(millis));
    assert_eq!(step(0), Said::Failed);
    assert_eq!(step(5_000), Said::Idle, "not at once again");
    assert_eq!(step(10_000), Said::Idle, "tried, and still not news");
}

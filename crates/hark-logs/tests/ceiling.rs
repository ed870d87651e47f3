//! The share of a processor that logs may have, against a log that could take all of it.

#![expect(clippy::unwrap_used, reason = "a failure here is a failed test")]

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

use hark_config::{Document, NoSecrets, Style};
use hark_logs::{Item, Logs, Settings, Watch};
use hark_model::Clock;

const PERCENT: f64 = 5.0;

/// How long it is measured.
const LONG: Duration = Duration::from_secs(4);

/// Lines that are written, and how often: more than can be read in that time.
const COPIED: usize = 100_000;
const COPIES: usize = 20;

/// Processor time of this thread so far, in nanoseconds, as the scheduler counts it.
fn used() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split_ascii_whitespace().next().unwrap().parse().unwrap()
}

fn write(log: &Path) {
    let mut lines = String::new();
    for n in 0..COPIED {
        writeln!(lines, "Nov 21 00:00:00 web01 app: some words and more of them number {n}")
            .unwrap();
    }
    let mut file = OpenOptions::new().append(true).open(log).unwrap();
    for _ in 0..COPIES {
        file.write_all(lines.as_bytes()).unwrap();
    }
}

#[test]
fn a_log_that_is_written_faster_than_it_may_be_read_takes_its_share_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("a.log");
    File::create(&log).unwrap();
    // Patterns that an automaton would be large for, and one that every line has.
    let text = format!(
        "logs:\n  counted: {{file: {0}, match: ['[a-q][^u-z]{{13}}x', '(\\w+ )+\\d{{9}}'], count_every: 1s}}\n  \
         told: {{file: {0}, match: '[a-z]+ [0-9]'}}\n",
        log.display()
    );
    let document = Document::single(&text);
    let watches = Watch::read_all(&document.root(&NoSecrets), "logs");
    assert_eq!(document.diagnostics().render(Style::Plain), "");
    let mut settings = Settings::new(watches);
    settings.cpu_percent = PERCENT;
    let mut logs = Logs::new(settings, None, Clock.now()).unwrap();
    assert!(logs.work(Clock.now()).is_some(), "where it begins");
    // On a thread of its own: its time is not the time of logs.
    std::thread::scope(|scope| scope.spawn(|| write(&log)).join().unwrap());
    let (never, _rope) = std::io::pipe().unwrap();
    let (begin, before) = (Clock.now().mono, used());
    let (mut events, mut counts) = (0, 0);
    while Clock.now().mono.since(begin) < LONG {
        let batch = logs.work(Clock.now());
        for item in batch.map(|batch| batch.items).unwrap_or_default() {
            match item {
                Item::Event(_) => events += 1,
                Item::Count { .. } => counts += 1,
                Item::Result(_) => {}
            }
        }
        logs.wait(never.as_fd(), || Clock.now()).unwrap();
    }
    let took = Duration::from_nanos(used() - before).as_secs_f64();
    // The share of the time that it really lasted, the bucket of a second that was full at the
    // beginning, and a piece of work that is not interrupted: on a machine that others use as well
    // the same piece takes up to three times as long. Without a ceiling it would be all the time.
    let lasted = Clock.now().mono.since(begin).as_secs_f64();
    let most = PERCENT / 100.0 * (lasted + 1.0) + 0.3;
    assert!(took <= most, "{took} s instead of {most} s");
    assert!(events > 0, "nothing was read in {took} s");
    // A window is counted once all of it was read.
    assert_eq!(counts, 0, "the log is too short for this test");
}

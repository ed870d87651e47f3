//! A log that is written fast, and rotated meanwhile: nothing of it is lost, and the share of a
//! processor is kept.

#![expect(clippy::unwrap_used, reason = "a failure here is a failed test")]

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

use hark_config::{Document, NoSecrets, Style};
use hark_logs::{Item, Logs, Settings, Watch};
use hark_model::Clock;

/// Lines a second, for so many seconds.
const RATE: usize = 50_000;
const SECONDS: usize = 3;

/// One line in so many has a hit, of each pattern in turn.
const SELDOM: usize = 10;

const PATTERNS: [&str; 20] = [
    "Out of memory: Killed process",
    "segfault at [0-9a-f]+",
    "I/O error, dev [a-z0-9]+",
    "EXT4-fs error",
    "Failed password for (invalid user )?[a-z0-9]+",
    "authentication failure; .*user=[a-z0-9]+",
    "Connection refused",
    "error: maximum authentication attempts",
    r"kernel: \[.*\] CPU[0-9]+: Core temperature above",
    r"upstream timed out \(110",
    "no live upstreams",
    "panic:",
    "FATAL:  .*",
    "deadlock detected",
    "disk full",
    "Too many open files",
    "certificate (has )?expired",
    "link is not ready",
    "nf_conntrack: table full",
    "task [a-z0-9]+:[0-9]+ blocked for more than [0-9]+ seconds",
];

const HITS: [&str; 20] = [
    "Out of memory: Killed process 77",
    "segfault at 0dead",
    "I/O error, dev sda1",
    "EXT4-fs error (device sda1)",
    "Failed password for invalid user admin",
    "authentication failure; logname= user=root",
    "connect: Connection refused",
    "error: maximum authentication attempts exceeded",
    "kernel: [12.3] CPU1: Core temperature above threshold",
    "upstream timed out (110: x)",
    "no live upstreams while connecting",
    "panic: runtime error",
    "FATAL:  the end",
    "deadlock detected",
    "disk full",
    "Too many open files",
    "certificate has expired",
    "link is not ready",
    "nf_conntrack: table full, dropping packet",
    "task jbd2:321 blocked for more than 120 seconds",
];

/// Writes as many lines in each hundredth of a second, and rotates some times.
fn write(log: &Path) {
    let mut file = OpenOptions::new().append(true).open(log).unwrap();
    let began = Clock.now().mono;
    let mut written = 0;
    for turn in 1..=SECONDS * 100 {
        let mut text = String::new();
        while written < turn * RATE / 100 {
            let nth = written / SELDOM;
            let hit = written % SELDOM == 0;
            let said = if hit { HITS[nth % HITS.len()] } else { "GET /api/v1/items 200 ok" };
            text.push_str("Nov 21 00:00:00 web01 app[77]: level=info msg=\"request done\" ");
            text.push_str(said);
            text.push('\n');
            written += 1;
        }
        file.write_all(text.as_bytes()).unwrap();
        if turn % 120 == 0 {
            let old = format!("{}.{}", log.display(), turn / 120);
            std::fs::rename(log, old).unwrap();
            file = File::create(log).unwrap();
        }
        let next = began + Duration::from_millis(turn as u64 * 10);
        std::thread::park_timeout(next.since(Clock.now().mono));
    }
}

#[test]
fn fifty_thousand_lines_a_second_with_twenty_patterns_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("a.log");
    File::create(&log).unwrap();
    let mut text = String::from("logs:\n");
    for (n, pattern) in PATTERNS.iter().enumerate() {
        let watch =
            format!("  w{n}: {{file: {}, match: '{pattern}', count_every: 1s}}\n", log.display());
        text.push_str(&watch);
    }
    let document = Document::single(&text);
    let watches = Watch::read_all(&document.root(&NoSecrets), "logs");
    assert_eq!(document.diagnostics().render(Style::Plain), "");
    let mut logs = Logs::new(Settings::new(watches), None, Clock.now()).unwrap();
    assert!(logs.work(Clock.now()).is_some(), "where it begins");
    let writer = std::thread::spawn(move || write(&log));
    let (never, _rope) = std::io::pipe().unwrap();
    let all = (RATE * SECONDS / SELDOM) as u64;
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let until = Clock.now().mono + Duration::from_mins(2);
    while counts.values().sum::<u64>() < all {
        assert!(Clock.now().mono < until, "{counts:?}");
        let batch = logs.work(Clock.now());
        for item in batch.map(|batch| batch.items).unwrap_or_default() {
            if let Item::Count { series, value, .. } = item {
                *counts.entry(series.instance).or_default() += value;
            }
        }
        logs.wait(never.as_fd(), || Clock.now()).unwrap();
    }
    writer.join().unwrap();
    assert!(counts.values().all(|count| *count == all / 20), "{counts:?}");
}

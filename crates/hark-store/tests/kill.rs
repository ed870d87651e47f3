//! The process is killed with SIGKILL at any moment while it writes; what it had said to be done must
//! be there. The child is this same test binary: it writes and prints the number of each commit that
//! it was told is safe.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use hark_model::frame::encode_values;
use hark_model::name::{CheckName, HostName, ReceiverName};
use hark_model::record::{
    CheckRecord, Confirm, DeliveryRecord, DeliveryState, FlapsTold, Fresh, HostId, IncidentId,
    IncidentRecord, JournalKind, JournalLine, Record, ToldRecord,
};
use hark_model::time::{Mono, Now, Unix};
use hark_model::{
    DeliveryId, MetricKind, Notification, Reason, SeriesDef, SeriesName, Severity, Status, Unit,
};
use hark_store::history::{History, Settings};
use hark_store::state::{JournalFilter, State};

/// Set in the child: the folder to write to.
const DIR: &str = "HARK_STORE_KILL_DIR";
const KILLS: u32 = 20;
const BEGIN: i64 = 1_795_132_800_000;

/// What one engine step about incident `n` writes: all of it or nothing must be found.
fn step(n: u64) -> Vec<Record> {
    let (host, check) = (HostId(1), CheckName::host());
    let receiver = ReceiverName::new("mail").unwrap();
    let status = Status::Critical;
    vec![
        Record::Check(CheckRecord {
            host,
            name: check.clone(),
            level: Some(status),
            confirm: Confirm::Hard(status),
            fresh: Fresh::Fresh,
            began_at: Some(Unix(1)),
            value: None,
            text: n.to_string(),
            changed_at: None,
            flap_ring: 0,
            flap_filled: 0,
            flap_critical: 0,
            flapping_since: None,
            incident: Some(IncidentId(n)),
        }),
        Record::Incident(IncidentRecord {
            text: "down".repeat(200),
            ..IncidentRecord::opened(IncidentId(n), host, check.clone(), Unix(1), Unix(1), status)
        }),
        Record::Told(ToldRecord {
            incident: IncidentId(n),
            receiver: receiver.clone(),
            status,
            at: Unix(1),
            delivered_at: None,
            sequence: 1,
            reminders: 0,
            flaps: FlapsTold::No,
            acknowledged: None,
        }),
        Record::Outbox(message(n, receiver, check.clone())),
        Record::Journal(JournalLine {
            at: Unix(1),
            host: Some(host),
            check: Some(check),
            incident: Some(IncidentId(n)),
            kind: JournalKind::Transition,
            receiver: None,
            text: n.to_string(),
        }),
    ]
}

/// The message about incident `n`.
fn message(n: u64, receiver: ReceiverName, check: CheckName) -> DeliveryRecord {
    DeliveryRecord {
        notification: Notification {
            id: DeliveryId(n),
            key: format!("{n}/mail/problem/0"),
            receiver,
            reason: Reason::Problem,
            incident: Some(IncidentId(n)),
            host: HostName::new("host1").unwrap(),
            check: Some(check),
            severity: Severity::Critical,
            was: None,
            status: Status::Critical,
            summary: "CRITICAL".to_owned(),
            detail: String::new(),
            since: Unix(1),
            at: Unix(1),
            sequence: 0,
            reference: None,
            document: None,
            taken_by: None,
        },
        state: DeliveryState::Queued,
        attempts: 0,
        last_error: String::new(),
        took_ms: 0,
    }
}

fn series() -> Vec<SeriesDef> {
    vec![SeriesDef {
        name: SeriesName::plain("test_monitor", "value"),
        unit: Unit::None,
        kind: MetricKind::Gauge,
        decimals: 0,
    }]
}

fn now_at(n: i64) -> Now {
    let unix = Unix(BEGIN + n * 1000);
    Now { mono: Mono(1_000_000 + u64::try_from(n).unwrap() * 1000), unix }
}

/// The child: writes until it is killed, and prints what is safe.
fn write_for_ever(dir: &Path) {
    let mut state = State::open(&dir.join("state")).unwrap();
    let mut history = History::open(&dir.join("history"), Settings::default()).unwrap();
    let first = state.load(Unix(0)).unwrap().snapshot.last_incident + 1;
    let mut out = std::io::stdout().lock();
    for n in first.. {
        state.commit(&step(n), &[]).unwrap();
        writeln!(out, "\nstate {n}").unwrap();
        let k = i64::try_from(n).unwrap() * 40;
        let now = now_at(k);
        let set = history.declare(HostId(1), &series(), now).unwrap();
        for k in k..k + 40 {
            let mut bytes = Vec::new();
            #[expect(clippy::cast_precision_loss, reason = "small")]
            encode_values(&series(), &[k as f64], &mut bytes);
            let at = Unix(BEGIN + k * 1000);
            history.append(HostId(1), set, at, &bytes, now).unwrap();
        }
        history.sync(now).unwrap();
        writeln!(out, "\nhistory {n}").unwrap();
        history.maintain(now, 2);
    }
}

/// Runs a child, kills it after `after` lines, and returns the last numbers it has called safe.
fn killed_child(dir: &Path, after: u32) -> (u64, u64) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "what_was_called_safe_survives_kill_9", "--nocapture"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut state, mut history, mut n_lines) = (0, 0, 0);
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let number = |word| line.strip_prefix(word).and_then(|n: &str| n.trim().parse().ok());
        if let Some(n) = number("state ") {
            state = n;
            n_lines += 1;
        }
        if let Some(n) = number("history ") {
            history = n;
            n_lines += 1;
        }
        if n_lines == after {
            // The child goes on writing: where it is hit is left to chance.
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(n_lines >= after, "the child ended by itself");
    (state, history)
}

fn check_state(dir: &Path, safe: u64) -> u64 {
    let state = State::open(&dir.join("state")).unwrap();
    assert!(state.damage().unwrap().is_empty());
    let loaded = state.load(Unix(0)).unwrap();
    let snapshot = loaded.snapshot;
    let last = snapshot.last_incident;
    assert!(last >= safe, "{safe} was called safe, {last} is there");
    assert!(last <= safe + 1, "one step may have been written and not yet told");
    let n = usize::try_from(last).unwrap();
    assert_eq!(loaded.damaged, 0);
    assert_eq!(snapshot.incidents.len(), n);
    assert_eq!(snapshot.told.len(), n);
    assert_eq!(snapshot.outbox.len(), n);
    assert_eq!(snapshot.checks.len(), 1);
    assert_eq!(snapshot.checks[0].text, last.to_string());
    let newest = state.reader().unwrap().journal(&JournalFilter::default(), None, 1).unwrap();
    assert_eq!(newest[0].line.text, last.to_string());
    last
}

fn check_history(dir: &Path, safe: u64, first: u64) {
    let mut history = History::open(&dir.join("history"), Settings::default()).unwrap();
    let end = i64::try_from(safe + 3).unwrap() * 40;
    while history.maintain(now_at(end), 8) {}
    let name = [SeriesName::plain("test_monitor", "value")];
    let mut found = Vec::new();
    for k in (0..end).step_by(2000) {
        let from = Unix(BEGIN + k * 1000);
        let to = Unix(BEGIN + (k + 2000) * 1000);
        let answer = history.query(HostId(1), &name, from, to, 2000);
        assert_eq!((answer.damaged, answer.step_ms), (0, 1000));
        if let Some(line) = answer.lines.first() {
            for (at, value) in answer.at.iter().zip(&line.avg) {
                #[expect(clippy::cast_precision_loss, reason = "small")]
                let expected = ((at.0 - BEGIN) / 1000) as f64;
                assert!((value - expected).abs() < 1e-9, "{value} at {expected}");
                found.push((at.0 - BEGIN) / 1000);
            }
        }
    }
    let last_safe = i64::try_from((safe + 1) * 40).unwrap();
    let n_safe = found.iter().filter(|k| **k < last_safe).count();
    let n_steps = usize::try_from(safe + 1 - first).unwrap();
    // A step whose state was written when the child was killed has no samples: at most one a kill.
    assert!(n_safe + 40 * KILLS as usize >= 40 * n_steps, "{n_safe} of {n_steps} steps");
    assert_eq!(found.len() % 40, 0, "a batch is whole or absent");
    assert!(found.contains(&(last_safe - 1)), "the newest safe sample is there");
}

#[test]
fn what_was_called_safe_survives_kill_9() {
    if let Some(dir) = std::env::var_os(DIR) {
        write_for_ever(Path::new(&dir));
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    for kill in 0..KILLS {
        let after = 2 + kill * 7 % 40;
        let (state, history) = killed_child(dir.path(), after);
        check_state(dir.path(), state);
        check_history(dir.path(), history, 1);
    }
}

//! A disk that is really full: a small file system in memory, mounted for the test. Needs root; without
//! it the test says so and passes.
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "helpers of tests may panic and say why they do nothing"
)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use hark_model::frame::encode_values;
use hark_model::record::{HostId, JournalKind, JournalLine, Record};
use hark_model::time::{Mono, Now, Unix};
use hark_model::{MetricKind, SeriesDef, SeriesName, Unit};
use hark_store::Fault;
use hark_store::history::{AppendError, History, SetId, Settings};
use hark_store::state::{JournalFilter, State};

const NOW: Now = Now { mono: Mono(1_000_000), unix: Unix(1_795_132_800_000) };

/// A file system of a few megabytes, unmounted at the end.
struct SmallDisk {
    dir: tempfile::TempDir,
}

impl SmallDisk {
    fn mount(mebibytes: u32) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={mebibytes}m"), "hark-test"])
            .arg(dir.path())
            .status();
        match mounted {
            Ok(status) if status.success() => Some(Self { dir }),
            other => {
                eprintln!("skipped: a small file system cannot be mounted here ({other:?})");
                None
            }
        }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Takes all the room that is left.
    fn fill(&self) -> PathBuf {
        let path = self.path().join("filler");
        let mut len = 0;
        for block in [1024 * 1024, 4096, 1] {
            let bytes = vec![0; block];
            loop {
                let file = std::fs::OpenOptions::new().create(true).append(true).open(&path);
                if std::io::Write::write_all(&mut file.unwrap(), &bytes).is_err() {
                    break;
                }
                len += block;
            }
        }
        assert!(len > 0);
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(self.dir.path()).status();
        assert!(
            unmounted.is_ok_and(|s| s.success()),
            "{} stays mounted",
            self.dir.path().display()
        );
    }
}

fn line(n: i64) -> Record {
    Record::Journal(JournalLine {
        at: Unix(n),
        host: None,
        check: None,
        incident: None,
        kind: JournalKind::Server,
        receiver: None,
        text: format!("line {n} {}", "x".repeat(500)),
    })
}

fn series() -> Vec<SeriesDef> {
    vec![SeriesDef {
        name: SeriesName::plain("test_monitor", "value"),
        unit: Unit::None,
        kind: MetricKind::Gauge,
        decimals: 0,
    }]
}

fn append(history: &mut History, set: SetId, n: i64, now: Now) -> Result<u64, AppendError> {
    let mut bytes = Vec::new();
    encode_values(&series(), &[7.0], &mut bytes);
    history.append(HostId(1), set, Unix(NOW.unix.0 + n * 1000), &bytes, now)?;
    history.sync(now)
}

#[test]
fn the_state_goes_on_on_its_reserve_and_takes_it_back() {
    let Some(disk) = SmallDisk::mount(40) else { return };
    let mut state = State::open(disk.path()).unwrap();
    state.commit(&[line(0)], &[]).unwrap();
    let filler = disk.fill();
    // Alerting goes on: a thousand commits, far more than a full disk would take.
    for n in 1..=1000 {
        state.commit(&[line(n)], &[]).unwrap();
    }
    assert!(state.is_on_reserve());
    assert!(!state.is_stopped());
    // At the end of the reserve it is full, says so, and is not broken.
    let mut n = 1000;
    let error = loop {
        let batch: Vec<Record> = (0..500).map(|_| line(n)).collect();
        match state.commit(&batch, &[]) {
            Ok(()) => n += 1,
            Err(error) => break error,
        }
        assert!(n < 100_000);
    };
    assert!(error.is_full() && error.is_transient(), "{error:?}");
    assert!(!state.is_stopped());
    let newest = state.reader().unwrap().journal(&JournalFilter::default(), None, 1).unwrap();
    assert_eq!(newest[0].line.at, Unix(n - 1), "what was committed can be read");
    std::fs::remove_file(filler).unwrap();
    state.commit(&[line(n)], &[]).unwrap();
    state.maintain();
    assert!(!state.is_on_reserve());
    drop(state);
    let state = State::open(disk.path()).unwrap();
    assert!(state.damage().unwrap().is_empty());
}

#[test]
fn history_stops_says_so_and_goes_on_while_the_state_never_stops() {
    let Some(disk) = SmallDisk::mount(40) else { return };
    let mut state = State::open(&disk.path().join("state")).unwrap();
    let dir = disk.path().join("history");
    let mut history = History::open(&dir, Settings::default()).unwrap();
    let set = history.declare(HostId(1), &series(), NOW).unwrap();
    let mut acknowledged = 0;
    for n in 0..100 {
        assert_eq!(append(&mut history, set, n, NOW), Ok(1));
        acknowledged += 1;
    }
    let filler = disk.fill();
    let mut n = 100;
    while append(&mut history, set, n, NOW).is_ok() {
        acknowledged += 1;
        n += 1;
        assert!(n < 100_000, "the log must meet the end of the disk");
    }
    let stopped = history.status().stopped.unwrap();
    assert_eq!(stopped.fault, Fault::Full);
    for n in 0..100 {
        state.commit(&[line(n)], &[]).unwrap();
    }
    assert!(state.is_on_reserve(), "alerting goes on");
    let later = |seconds| NOW.after(Duration::from_secs(seconds));
    history.maintain(later(10), 4);
    history.maintain(later(20), 4);
    // The reserve has made room that history may take: what counts is that it is never damaged.
    std::fs::remove_file(filler).unwrap();
    history.maintain(later(40), 4);
    assert!(history.is_running());
    let set = history.declare(HostId(1), &series(), later(40)).unwrap();
    assert_eq!(append(&mut history, set, n + 1, later(40)), Ok(1));
    acknowledged += 1;
    while history.maintain(later(41), 4) {}
    history.settle(later(42)).unwrap();
    let name = [SeriesName::plain("test_monitor", "value")];
    let to = Unix(NOW.unix.0 + (n + 2) * 1000);
    let points = u32::try_from(n + 2).unwrap();
    let answer = history.query(HostId(1), &name, NOW.unix, to, points);
    assert_eq!((answer.at.len(), answer.step_ms), (acknowledged, 1000));
    assert_eq!(answer.damaged, 0);
}

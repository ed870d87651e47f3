use std::cell::RefCell;
use std::collections::BTreeSet;

use hark_model::frame::{Item, encode_item};
use hark_model::record::HostId;
use hark_model::time::{Mono, Now};
use hark_model::{MetricKind, SeriesDef, SeriesName, Unit};

use super::*;
use crate::history::{Erasure, History, SetId, Settings};
use crate::state::State;

/// 2026-11-20 00:00 UTC.
const MIDNIGHT: i64 = 1_795_132_800_000;
const HOST: HostId = HostId(3);

fn now_at(unix: i64) -> Now {
    Now { mono: Mono(u64::try_from(unix - MIDNIGHT + 1_000_000).unwrap()), unix: Unix(unix) }
}

fn on(_what: &str) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn declare(history: &mut History) -> SetId {
    let series = SeriesDef {
        name: SeriesName::plain("test_monitor", "value"),
        unit: Unit::None,
        kind: MetricKind::Gauge,
        decimals: 0,
    };
    history.declare(HOST, &[series], now_at(MIDNIGHT)).unwrap()
}

fn append(history: &mut History, set: SetId, numbers: std::ops::Range<i64>) {
    for n in numbers {
        let mut values = Vec::new();
        encode_item(Item::Scaled(n), &mut values);
        let at = MIDNIGHT + n * 15_000;
        history.append(HOST, set, Unix(at), &values, now_at(at)).unwrap();
        history.sync(now_at(at)).unwrap();
    }
}

/// How many samples there are up to number `until`.
fn count(history: &mut History, until: i64) -> usize {
    let now = now_at(MIDNIGHT + until * 15_000);
    history.settle(now).unwrap();
    let name = [SeriesName::plain("test_monitor", "value")];
    let mut n = 0;
    // A question has at most so many points.
    for from in (MIDNIGHT..now.unix.0).step_by(2000 * 15_000) {
        let to = Unix((from + 2000 * 15_000).min(now.unix.0));
        let answer = history.query(HOST, &name, Unix(from), to, 4000);
        assert_eq!(answer.damaged, 0);
        n += answer.at.len();
    }
    n
}

fn lived_in(dir: &Path) -> History {
    drop(State::open(dir).unwrap());
    std::fs::create_dir_all(dir.join("configuration/history")).unwrap();
    std::fs::write(dir.join("configuration/page.yaml"), "hosts: {}\n").unwrap();
    std::fs::write(dir.join("configuration/history/1.yaml"), "\n").unwrap();
    std::fs::write(dir.join("handling.key"), "secret").unwrap();
    std::fs::write(dir.join("lock"), "17").unwrap();
    let mut history = History::open(&dir.join("history"), Settings::default()).unwrap();
    let set = declare(&mut history);
    append(&mut history, set, 0..2000);
    history.settle(now_at(MIDNIGHT + 2000 * 15_000)).unwrap();
    append(&mut history, set, 2000..2100);
    history
}

/// Room for so many bytes in each question, and for so many questions; it notes them.
#[derive(Debug)]
struct Narrow {
    bytes: u64,
    questions: usize,
    asked: RefCell<Vec<u64>>,
}

impl Narrow {
    fn of(bytes: u64, questions: usize) -> Self {
        Self { bytes, questions, asked: RefCell::new(Vec::new()) }
    }
}

impl Room for Narrow {
    fn takes(&self, bytes: u64) -> Result<(), NoRoom> {
        self.asked.borrow_mut().push(bytes);
        let is_over = bytes > self.bytes || self.asked.borrow().len() > self.questions;
        if is_over { Err("full".into()) } else { Ok(()) }
    }
}

/// A disk without end.
#[derive(Debug)]
struct Wide;

impl Room for Wide {
    fn takes(&self, _bytes: u64) -> Result<(), NoRoom> {
        Ok(())
    }
}

fn order(data_dir: &Path) -> Order<'_> {
    Order { data_dir, with_history: true, program: "0.1.0", now: Unix(MIDNIGHT), room: &Wide }
}

#[test]
fn a_backup_beside_an_open_history_comes_back_whole() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut history = lived_in(&data);
    for name in ["backup", "backup.tar", "backup.tar.gz"] {
        let to = folder.path().join(name);
        let made = create(&order(&data), &to, None, &mut on).unwrap();
        assert_eq!(verify(&to, &mut on).unwrap(), made, "{name}");
        let paths: BTreeSet<&str> = made.files.iter().map(|file| file.path.as_str()).collect();
        for wanted in ["state.db", "handling.key", "configuration/history/1.yaml"] {
            assert!(paths.contains(wanted), "{name}: {paths:?}");
        }
        assert!(!paths.iter().any(|path| path.contains("lock") || path.contains("-wal")));
        let back = folder.path().join(format!("{name}-back"));
        restore(&to, &back, made.state_version, Unix(MIDNIGHT), &mut on).unwrap();
        assert!(back.join(MARK).exists());
        drop(State::open(&back).unwrap());
        let mut copy = History::open(&back.join("history"), Settings::default()).unwrap();
        assert_eq!(count(&mut copy, 2100), 2100, "{name}");
    }
    assert_eq!(count(&mut history, 2100), 2100, "the one that was copied goes on");
}

#[test]
fn samples_that_move_on_while_they_are_copied_are_there_once() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut history = lived_in(&data);
    let set = declare(&mut history);
    let to = folder.path().join("backup");
    let mut n = 2100;
    let mut steps = 0;
    // At each step of the copy samples come, and all that there are become chunks.
    let mut busy = |what: &str| {
        steps += 1;
        if what.starts_with("history/") {
            append(&mut history, set, n..n + 70);
            n += 70;
            if steps % 2 == 0 {
                history.settle(now_at(MIDNIGHT + n * 15_000)).unwrap();
            }
        }
        ControlFlow::Continue(())
    };
    create(&order(&data), &to, None, &mut busy).unwrap();
    assert!(n > 2500, "{n}");
    let back = folder.path().join("back");
    restore(&to, &back, u32::MAX, Unix(MIDNIGHT), &mut on).unwrap();
    let mut copy = History::open(&back.join("history"), Settings::default()).unwrap();
    let kept = count(&mut copy, n);
    assert!(kept >= 2100, "{kept}: what was synced before it began");
    drop(copy);
    let found = crate::history::examine(&back.join("history"), &mut on).unwrap();
    assert!(found.is_sound(), "{:?}", found.findings);
    assert_eq!(found.chunk_frames, kept as u64);
    assert_eq!(found.rows, 2 * found.chunks, "no bucket is there twice");
}

/// Has the upkeep done until nothing is being erased.
fn erase_all(history: &mut History, order: u64) {
    let mut now = now_at(MIDNIGHT + 2100 * 15_000);
    while history.erasing(order).is_some() {
        history.maintain(now, 10);
        now = now.after(std::time::Duration::from_secs(1));
    }
}

#[test]
fn a_copy_made_while_something_is_erased_erases_it_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut history = lived_in(&data);
    let before = Unix(MIDNIGHT + 1000 * 15_000);
    let what = Erasure::Part { host: HOST, series: None, before };
    let order_number = history.erase(&what, now_at(MIDNIGHT + 2100 * 15_000)).unwrap();
    let to = folder.path().join("backup");
    // The samples are copied before, their coarser values and the catalogue after it was done.
    let mut busy = |what: &str| {
        if what.starts_with("history/minutes/") {
            erase_all(&mut history, order_number);
        }
        ControlFlow::Continue(())
    };
    let made = create(&order(&data), &to, None, &mut busy).unwrap();
    assert_eq!(made.damage, "");
    let back = folder.path().join("back");
    restore(&to, &back, u32::MAX, Unix(MIDNIGHT), &mut on).unwrap();
    let mut copy = History::open(&back.join("history"), Settings::default()).unwrap();
    // Under a number of its own.
    let number = (1..4).find(|number| copy.erasing(*number).is_some());
    erase_all(&mut copy, number.expect("it goes on with it"));
    let found = crate::history::examine(&back.join("history"), &mut on).unwrap();
    assert_eq!((found.damages, found.traces), (0, 0), "{:?}", found.findings);
    assert_eq!(count(&mut copy, 2100), 1100);
    assert_eq!(count(&mut history, 2100), 1100);
}

#[test]
fn a_backup_of_which_anything_was_changed_is_refused_and_nothing_is_restored() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    drop(lived_in(&data));
    let (to, tar) = (folder.path().join("backup"), folder.path().join("backup.tar"));
    let made = create(&order(&data), &to, None, &mut on).unwrap();
    create(&order(&data), &tar, None, &mut on).unwrap();
    let back = folder.path().join("back");
    for file in &made.files {
        let path = to.join(&file.path);
        let whole = std::fs::read(&path).unwrap();
        let mut changed = whole.clone();
        let middle = changed.len() / 2;
        changed[middle] ^= 1;
        for bytes in [changed, whole[..middle].to_vec()] {
            std::fs::write(&path, bytes).unwrap();
            verify(&to, &mut on).unwrap_err();
            restore(&to, &back, u32::MAX, Unix(MIDNIGHT), &mut on).unwrap_err();
            assert!(!back.exists());
        }
        std::fs::write(&path, whole).unwrap();
    }
    verify(&to, &mut on).unwrap();
    let whole = std::fs::read(&tar).unwrap();
    // The end of an archive is zeros that nobody needs.
    for at in (0..whole.len() - 1024).step_by(whole.len() / 200) {
        let mut changed = whole.clone();
        changed[at] ^= 0x10;
        std::fs::write(&tar, changed).unwrap();
        if verify(&tar, &mut on).is_ok() {
            assert!(is_padding(&whole, at), "byte {at}");
        }
        std::fs::write(&tar, &whole[..at]).unwrap();
        restore(&tar, &back, u32::MAX, Unix(MIDNIGHT), &mut on).unwrap_err();
        assert!(!back.exists(), "cut at {at}");
    }
}

/// Whether a byte of an archive fills a block up: none of a file and none of a head.
fn is_padding(tar: &[u8], at: usize) -> bool {
    let mut head = 0;
    loop {
        let text = std::str::from_utf8(&tar[head + 124..head + 135]).unwrap();
        let len = usize::from_str_radix(text, 8).unwrap();
        let (end, next) = (head + 512 + len, head + 512 + len.next_multiple_of(512));
        if at < next {
            return at >= end;
        }
        head = next;
    }
}

#[test]
fn a_backup_takes_no_place_of_another_and_a_restore_only_an_empty_one() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    drop(lived_in(&data));
    let to = folder.path().join("backup");
    let made = create(&order(&data), &to, None, &mut on).unwrap();
    let again = create(&order(&data), &to, None, &mut on).unwrap_err();
    assert!(matches!(again, BackupError::There(_)), "{again}");
    let taken = restore(&to, &data, u32::MAX, Unix(MIDNIGHT), &mut on).unwrap_err();
    assert!(matches!(taken, BackupError::There(_)), "{taken}");
    let back = folder.path().join("back");
    let older = restore(&to, &back, made.state_version - 1, Unix(MIDNIGHT), &mut on).unwrap_err();
    assert!(matches!(older, BackupError::Newer { .. }), "{older}");
    std::fs::create_dir(&back).unwrap();
    restore(&to, &back, made.state_version, Unix(MIDNIGHT), &mut on).unwrap();
    assert!(!back.join("restoring").exists());
    let none = folder.path().join("none");
    let empty = create(&order(&none), &folder.path().join("b"), None, &mut on).unwrap_err();
    assert!(matches!(empty, BackupError::Empty(_)), "{empty}");
}

#[test]
fn one_that_is_ended_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    drop(lived_in(&data));
    for name in ["backup", "backup.tar.gz"] {
        let to = folder.path().join(name);
        for steps in [0, 3, 9, 15] {
            let mut left = steps;
            let mut ends = |_: &str| {
                left -= 1;
                if left < 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            let ended = create(&order(&data), &to, None, &mut ends).unwrap_err();
            assert!(matches!(ended, BackupError::Ended), "{ended}");
        }
    }
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn what_has_not_changed_since_the_last_one_takes_no_room() {
    use std::os::unix::fs::MetadataExt;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut history = lived_in(&data);
    let set = declare(&mut history);
    append(&mut history, set, 2100..9000);
    history.settle(now_at(MIDNIGHT + 9000 * 15_000)).unwrap();
    let (first, second) = (folder.path().join("1"), folder.path().join("2"));
    create(&order(&data), &first, None, &mut on).unwrap();
    append(&mut history, set, 9000..9100);
    history.settle(now_at(MIDNIGHT + 9100 * 15_000)).unwrap();
    let made = create(&order(&data), &second, Some(&first), &mut on).unwrap();
    let raw: Vec<&Entry> =
        made.files.iter().filter(|f| f.path.starts_with("history/raw")).collect();
    let links = |file: &Entry| std::fs::metadata(second.join(&file.path)).unwrap().nlink();
    assert_eq!(raw.iter().map(|file| links(file)).collect::<Vec<_>>(), [2, 1]);
    verify(&first, &mut on).unwrap();
    verify(&second, &mut on).unwrap();
}

#[test]
fn damage_of_samples_is_said_and_one_of_the_state_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    drop(lived_in(&data));
    let raw = std::fs::read_dir(data.join("history/raw")).unwrap().next().unwrap().unwrap().path();
    let damage = Connection::open(&raw).unwrap();
    damage.execute("UPDATE chunk SET body = zeroblob(50) WHERE id = 1", []).unwrap();
    drop(damage);
    let to = folder.path().join("backup");
    let made = create(&order(&data), &to, None, &mut on).unwrap();
    assert!(made.damage.contains("row 1 is damaged"), "{made:?}");
    verify(&to, &mut on).unwrap();
    let state = data.join("state.db");
    let mut bytes = std::fs::read(&state).unwrap();
    bytes[4096..].fill(0xff);
    std::fs::write(&state, bytes).unwrap();
    let to = folder.path().join("another");
    create(&order(&data), &to, None, &mut on).unwrap_err();
    assert!(!to.exists());
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    drop(lived_in(&data));
    let (to, tar) = (folder.path().join("backup"), folder.path().join("backup.tar"));
    let made = create(&order(&data), &to, None, &mut on).unwrap();
    create(&order(&data), &tar, None, &mut on).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&to), mode(&tar)), (0o700, 0o600));
    for file in &made.files {
        assert_eq!(mode(&to.join(&file.path)), 0o600, "{}", file.path);
    }
}

#[test]
fn one_that_would_fill_the_disk_is_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (folder.path().join("data"), folder.path().join("out"));
    let history = lived_in(&data);
    std::fs::create_dir(&out).unwrap();
    for (name, times) in [("backup", 1), ("backup.tar.gz", 1), ("backup.tar", 2)] {
        let bytes = times * room::weigh(&order(&data)).unwrap();
        let narrow = Narrow::of(bytes - 1, usize::MAX);
        let refused = Order { room: &narrow, ..order(&data) };
        let mut never = |what: &str| panic!("{what}");
        let error = create(&refused, &out.join(name), None, &mut never).unwrap_err();
        assert!(matches!(error, BackupError::Room(_)) && error.to_string() == "full", "{error}");
        assert_eq!(*narrow.asked.borrow(), [bytes]);
        assert_eq!(files(&out).unwrap(), [""; 0]);
        let enough = Narrow::of(bytes, usize::MAX);
        let wanted = Order { room: &enough, ..order(&data) };
        let made = create(&wanted, &out.join(name), None, &mut on).unwrap();
        let asked: u64 = enough.asked.borrow().iter().skip(1).sum();
        let manifest = serde_json::to_vec_pretty(&made).unwrap().len() as u64;
        let packed = if name == "backup" { 0 } else { made.bytes() + manifest };
        assert!(asked >= made.bytes() + packed, "{name}: {asked}: all of it was asked for");
        assert!(made.bytes() * times <= bytes, "{name}: {bytes}");
        std::fs::remove_dir_all(&out).and_then(|()| std::fs::create_dir(&out)).unwrap();
    }
    drop(history);
}

#[test]
fn nothing_is_left_where_the_room_goes_while_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (folder.path().join("data"), folder.path().join("out"));
    let history = lived_in(&data);
    std::fs::create_dir(&out).unwrap();
    for name in ["backup", "backup.tar", "backup.tar.gz"] {
        let to = out.join(name);
        let mut questions = 1;
        loop {
            let narrow = Narrow::of(u64::MAX, questions);
            let made = create(&Order { room: &narrow, ..order(&data) }, &to, None, &mut on);
            let Err(error) = made else { break };
            assert!(matches!(error, BackupError::Room(_)), "{name}, {questions}: {error}");
            assert_eq!(files(&out).unwrap(), [""; 0], "{name}, {questions}");
            questions += 1;
        }
        assert!(questions > 8, "{name}: {questions}");
        verify(&to, &mut on).unwrap();
        std::fs::remove_dir_all(&out).and_then(|()| std::fs::create_dir(&out)).unwrap();
    }
    drop(history);
}

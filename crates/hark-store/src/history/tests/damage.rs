//! Bits flipped all over, files cut off and files that are gone: seen, and repaired to what can be read.

use std::ops::ControlFlow;

use super::*;

fn look(dir: &Path) -> Examined {
    examine(dir, &mut |_| ControlFlow::Continue(())).unwrap()
}

fn mend(dir: &Path) -> Repaired {
    repair(dir, &mut |_| ControlFlow::Continue(())).unwrap()
}

/// Two days of a host in chunks, then blocks, then a log: as a kill leaves them.
fn lived_in(dir: &Path) {
    let mut history = open(dir);
    let set = history.declare(HOST, &gauge_and_counter(), now_at(MIDNIGHT)).unwrap();
    fill(&mut history, set, MIDNIGHT, 7000);
    history.settle(now_at(MIDNIGHT + 7000 * 15_000)).unwrap();
    fill(&mut history, set, MIDNIGHT + 7000 * 15_000, 300);
    history.level0.sync().unwrap();
    fill(&mut history, set, MIDNIGHT + 7300 * 15_000, 20);
}

const END: i64 = MIDNIGHT + 7320 * 15_000;

fn all(history: &mut History) -> Vec<(i64, f64)> {
    while history.maintain(now_at(END), 100) {}
    let mut found = Vec::new();
    // A question has at most so many points, and these are of a second each.
    for part in (MIDNIGHT..END).step_by(3_600_000) {
        found.extend(samples_by(history, part, (part + 3_600_000).min(END)));
    }
    found
}

/// As `samples`, where some may be damaged.
fn samples_by(history: &History, from: i64, to: i64) -> Vec<(i64, f64)> {
    let mut plan = history.plan(HOST, &[name("gauge")], Unix(from), Unix(to), MAX_POINTS);
    plan.tier = Tier::Raw;
    plan.paths = history.partitions.paths(Tier::Raw, from - LOOK_BACK_MS, to);
    plan.step = 1000;
    let answer = plan.run();
    let Some(line) = answer.lines.first() else { return Vec::new() };
    answer.at.iter().zip(&line.avg).map(|(at, value)| (at.0, *value)).collect()
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

pub(super) fn copy(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    for file in files(from) {
        let target = to.path().join(file.strip_prefix(from).unwrap());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(file, target).unwrap();
    }
    to
}

/// What is left after a repair: part of what was there, and nothing else.
fn left_after_repair(dir: &Path, before: &[(i64, f64)], what: &str) -> usize {
    let done = mend(dir);
    assert!(done.is_whole || done.mended.len() == 1, "{what}: {done:?}");
    let again = look(dir);
    assert!(again.is_sound(), "{what}: {:?} after {done:?}", again.findings);
    assert!(mend(dir).mended.is_empty(), "{what}: a repair has nothing to do after a repair");
    let after = all(&mut open(dir));
    let known: BTreeMap<i64, f64> = before.iter().copied().collect();
    for (at, value) in &after {
        assert_eq!(known.get(at), Some(value), "{what}: at {at}");
    }
    after.len()
}

#[test]
fn a_history_that_was_killed_is_sound() {
    let dir = tempfile::tempdir().unwrap();
    lived_in(dir.path());
    let found = look(dir.path());
    assert!(found.is_sound() && found.is_whole, "{:?}", found.findings);
    assert_eq!((found.chunk_frames, found.block_frames), (7000, 256));
    assert!(found.log_frames >= 64, "{found:?}");
    assert!(found.chunks >= 5 && found.rows == 2 * found.chunks, "{found:?}");
    assert!(mend(dir.path()).mended.is_empty());
    let survey = survey(dir.path(), &mut |_| ControlFlow::Continue(())).unwrap();
    assert_eq!((survey.samples, survey.series, survey.unread), (14_000, 2, 0));
    let of_raw = &survey.tiers[0];
    let extent = Extent { oldest: Unix(MIDNIGHT), newest: Unix(MIDNIGHT + 6999 * 15_000) };
    assert_eq!((of_raw.files, of_raw.extent), (2, Some(extent)));
    assert_eq!(survey.hosts[0].what, HOST);
    assert_eq!(survey.metrics.iter().map(|m| m.samples).collect::<Vec<_>>(), [7000, 7000]);
}

#[test]
fn a_flipped_bit_is_seen_or_changes_nothing_and_is_repaired() {
    let dir = tempfile::tempdir().unwrap();
    lived_in(dir.path());
    let before = all(&mut open(copy(dir.path()).path()));
    assert_eq!(before.len(), 7320);
    let mut n_seen = 0;
    for file in files(dir.path()) {
        let len = std::fs::metadata(&file).unwrap().len();
        let name = file.strip_prefix(dir.path()).unwrap().to_owned();
        for part in 0..4 {
            // Odd steps, so that heads, tails and all kinds of pages are met.
            let at = usize::try_from(len * part / 4 + part * 13).unwrap();
            let damaged = copy(dir.path());
            let path = damaged.path().join(&name);
            let mut bytes = std::fs::read(&path).unwrap();
            let Some(byte) = bytes.get_mut(at) else { continue };
            *byte ^= 0x20;
            std::fs::write(&path, bytes).unwrap();
            let what = format!("{} byte {at}", name.display());
            let found = look(damaged.path());
            if found.is_sound() && found.traces == 0 {
                assert_eq!(all(&mut open(damaged.path())), before, "{what}");
                continue;
            }
            n_seen += 1;
            let left = left_after_repair(damaged.path(), &before, &what);
            // One piece is lost at most: a chunk, a block, a batch.
            assert!(left + 1500 >= before.len(), "{what}: {left} left");
        }
    }
    assert!(n_seen > 8, "{n_seen}");
}

#[test]
fn files_that_end_too_early_or_are_gone_are_seen_and_the_rest_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    lived_in(dir.path());
    let before = all(&mut open(copy(dir.path()).path()));
    for file in files(dir.path()) {
        let name = file.strip_prefix(dir.path()).unwrap().to_owned();
        let len = std::fs::metadata(&file).unwrap().len();
        for cut in [Some(len / 3), Some(len - 1), None] {
            let damaged = copy(dir.path());
            let path = damaged.path().join(&name);
            match cut {
                Some(cut) => File::options().write(true).open(&path).unwrap().set_len(cut).unwrap(),
                None => std::fs::remove_file(&path).unwrap(),
            }
            let what = format!("{} cut to {cut:?}", name.display());
            let found = look(damaged.path());
            let text = name.to_string_lossy();
            // What a log ends with was not acknowledged, and days go from the oldest on.
            let may_be_so = text.starts_with("wal") || (text.starts_with("raw") && cut.is_none());
            if found.is_sound() && !may_be_so {
                // The last byte may be nobody's.
                assert_eq!(all(&mut open(damaged.path())), before, "{what}");
                continue;
            }
            let left = left_after_repair(damaged.path(), &before, &what);
            assert!(left > 1000, "{what}: {left} left");
        }
    }
}

#[test]
fn coarser_values_are_made_again_of_the_samples() {
    let dir = tempfile::tempdir().unwrap();
    lived_in(dir.path());
    let minutes: Vec<PathBuf> = files(&dir.path().join("minutes"));
    let bodies = |path: &Path| -> Vec<Vec<u8>> {
        let connection = rusqlite::Connection::open(path).unwrap();
        let mut statement = connection.prepare("SELECT body FROM chunk ORDER BY id").unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    };
    let before: Vec<_> = minutes.iter().map(|path| bodies(path)).collect();
    std::fs::remove_file(&minutes[0]).unwrap();
    let found = look(dir.path());
    assert!(found.damages > 0 && found.findings[0].what.contains("samples of it are"), "{found:?}");
    mend(dir.path());
    assert_eq!(minutes.iter().map(|path| bodies(path)).collect::<Vec<_>>(), before);
}

#[test]
fn a_day_in_between_that_is_gone_is_seen_by_its_five_minute_values() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = open(dir.path());
    let set = history.declare(HOST, &gauge_and_counter(), now_at(MIDNIGHT)).unwrap();
    fill(&mut history, set, MIDNIGHT, 3 * 5760);
    history.settle(now_at(MIDNIGHT + 3 * DAY_MS)).unwrap();
    drop(history);
    let days = files(&dir.path().join("raw"));
    assert_eq!(days.len(), 3);
    std::fs::remove_file(&days[1]).unwrap();
    let found = look(dir.path());
    assert_eq!(found.damages, 1, "{found:?}");
    assert!(found.findings[0].what.contains("five-minute values are"), "{found:?}");
    mend(dir.path());
    assert!(look(dir.path()).is_sound());
}

#[test]
fn coarser_rows_survive_where_the_samples_of_the_newest_are_lost() {
    let dir = tempfile::tempdir().unwrap();
    lived_in(dir.path());
    let days = files(&dir.path().join("raw"));
    // The newest day cannot be read at all: what is left of it is coarser.
    std::fs::write(&days[1], b"not a database, but long enough to be looked at as one").unwrap();
    mend(dir.path());
    let history = open(dir.path());
    let (from, to) = (MIDNIGHT + DAY_MS, MIDNIGHT + 6990 * 15_000);
    let answer = history.query(HOST, &[name("gauge")], Unix(from), Unix(to), 40);
    assert!(answer.at.len() > 20, "{answer:?}");
}

#[test]
fn a_look_that_is_ended_says_that_it_is_not_whole() {
    let dir = tempfile::tempdir().unwrap();
    lived_in(dir.path());
    let found = examine(dir.path(), &mut |_| ControlFlow::Break(())).unwrap();
    assert!(!found.is_whole);
}

#[test]
fn looking_beside_an_owner_at_work_finds_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = open(dir.path());
    let set = history.declare(HOST, &gauge_and_counter(), now_at(MIDNIGHT)).unwrap();
    for part in 0..40 {
        fill(&mut history, set, MIDNIGHT + part * 150 * 15_000, 150);
        if part % 7 == 3 {
            history.settle(now_at(MIDNIGHT + part * 150 * 15_000)).unwrap();
        }
        let found = look(dir.path());
        assert!(found.is_sound(), "{part}: {:?}", found.findings);
    }
}

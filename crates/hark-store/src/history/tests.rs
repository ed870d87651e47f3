mod bounds;
mod damage;
mod erase;
mod exceptions;
mod naive;
mod past;

use std::fs::File;
use std::sync::Arc;

use hark_model::frame::{Item, encode_item};
use hark_model::{MetricKind, Unit};
use proptest::prelude::*;

use super::query::LOOK_BACK_MS;
use super::strand::BlockFrames;
use super::*;
use crate::disk::{Break, FaultPlan};

mod fetch;
mod pieces;

/// 2026-11-20 00:00 UTC: a day begins.
const MIDNIGHT: i64 = 1_795_132_800_000;
const HOST: HostId = HostId(3);

fn now_at(unix: i64) -> Now {
    Now { mono: Mono(u64::try_from(unix - MIDNIGHT + 10 * DAY_MS).unwrap()), unix: Unix(unix) }
}

fn def(metric: &str, kind: MetricKind) -> SeriesDef {
    SeriesDef {
        name: SeriesName::plain("test_monitor", metric),
        unit: Unit::None,
        kind,
        decimals: 1,
    }
}

fn gauge_and_counter() -> Vec<SeriesDef> {
    vec![def("gauge", MetricKind::Gauge), def("counter", MetricKind::Counter)]
}

fn frame(items: &[Item]) -> Vec<u8> {
    let mut out = Vec::new();
    for item in items {
        encode_item(*item, &mut out);
    }
    out
}

fn both(gauge: i64, counter: i64) -> Vec<u8> {
    frame(&[Item::Scaled(gauge), Item::Scaled(counter)])
}

fn open(dir: &Path) -> History {
    History::open(dir, Settings::default()).unwrap()
}

fn name(metric: &str) -> SeriesName {
    SeriesName::plain("test_monitor", metric)
}

/// Every sample of a gauge from `from` to `to`: the tests take them at whole seconds.
fn samples(history: &History, metric: &str, from: i64, to: i64) -> Vec<(i64, f64)> {
    let mut plan = history.plan(HOST, &[name(metric)], Unix(from), Unix(to), MAX_POINTS);
    plan.tier = Tier::Raw;
    plan.paths = history.partitions.paths(Tier::Raw, from - LOOK_BACK_MS, to);
    plan.step = 1000;
    let answer = plan.run();
    assert_eq!(answer.damaged, 0);
    let Some(line) = answer.lines.first() else { return Vec::new() };
    answer.at.iter().zip(&line.avg).map(|(at, value)| (at.0, *value)).collect()
}

/// Appends `n` frames from `from` on, every 15 s, 50 a sync.
fn fill(history: &mut History, set: SetId, from: i64, n: i64) {
    for k in 0..n {
        let at = from + k * 15_000;
        let now = now_at(at);
        history.append(HOST, set, Unix(at), &both(k % 1000, k * 10), now).unwrap();
        if k % 50 == 49 || k == n - 1 {
            history.sync(now).unwrap();
            history.maintain(now, 2);
        }
    }
}

#[test]
fn what_was_synced_is_there_after_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = open(dir.path());
    let set = history.declare(HOST, &gauge_and_counter(), now_at(MIDNIGHT)).unwrap();
    fill(&mut history, set, MIDNIGHT, 3000);
    let end = MIDNIGHT + 3000 * 15_000;
    let before = samples(&history, "gauge", MIDNIGHT, end);
    assert_eq!(before.len(), 3000);
    assert_eq!(before[10], (MIDNIGHT + 150_000, 1.0));
    // Not synced: gone, and nobody was told otherwise.
    history.append(HOST, set, Unix(end), &both(1, 1), now_at(end)).unwrap();
    // As a kill would leave it: nothing is flushed, closed or committed.
    #[expect(clippy::mem_forget, reason = "a killed process runs no destructors")]
    std::mem::forget(history);
    let mut history = open(dir.path());
    assert!(history.status().is_replaying, "the start does not wait for the log");
    while history.maintain(now_at(end), 4) {}
    assert_eq!(samples(&history, "gauge", MIDNIGHT, end + 60_000), before);
    history.settle(now_at(end)).unwrap();
    assert_eq!(samples(&history, "gauge", MIDNIGHT, end + 60_000), before);
    assert_eq!(history.status().counts.damaged, 0);
}

#[test]
fn frames_sent_again_are_stored_once_wherever_the_first_copy_is() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = open(dir.path());
    let set = history.declare(HOST, &gauge_and_counter(), now_at(MIDNIGHT)).unwrap();
    fill(&mut history, set, MIDNIGHT, 200);
    fill(&mut history, set, MIDNIGHT, 200);
    let end = MIDNIGHT + 200 * 15_000;
    assert_eq!(samples(&history, "gauge", MIDNIGHT, end).len(), 200);
    history.settle(now_at(end)).unwrap();
    fill(&mut history, set, MIDNIGHT + 10 * 15_000, 100);
    history.settle(now_at(end)).unwrap();
    assert_eq!(samples(&history, "gauge", MIDNIGHT, end).len(), 200);
    assert_eq!(history.status().counts.duplicates, 300);
    let mut plan = history.plan(HOST, &[name("gauge")], Unix(MIDNIGHT), Unix(end), 5);
    plan.tier = Tier::Minutes;
    plan.paths = history.partitions.paths(Tier::Minutes, MIDNIGHT, end);
    let mut n = 0;
    for path in &plan.paths {
        partition::read(
            &mut Readers::default(),
            path,
            HOST.0,
            &[set.number],
            (0, i64::MAX),
            i64::MAX,
            |_, body| {
                n += tier::decode(body).unwrap().frames.iter().sum::<u64>();
            },
        );
    }
    assert_eq!(n, 200, "no frame is counted twice in the buckets either");
}

#[test]
fn old_frames_that_come_late_are_put_in_their_place() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = open(dir.path());
    let set = history.declare(HOST, &gauge_and_counter(), now_at(MIDNIGHT)).unwrap();
    let now = now_at(MIDNIGHT + 3_600_000);
    let mut expected = Vec::new();
    // Every second frame backwards, then the rest forwards, across midnight.
    let times: Vec<i64> = (-100..100).map(|n| MIDNIGHT + n * 15_000).collect();
    let (even, odd): (Vec<i64>, Vec<i64>) = times.iter().partition(|t| (*t / 15_000) % 2 == 0);
    for at in even.iter().rev() {
        history.append(HOST, set, Unix(*at), &both(at % 977, 0), now).unwrap();
    }
    history.sync(now).unwrap();
    history.settle(now).unwrap();
    for at in &odd {
        history.append(HOST, set, Unix(*at), &both(at % 977, 0), now).unwrap();
    }
    history.sync(now).unwrap();
    for at in times {
        #[expect(clippy::cast_precision_loss, reason = "below 1000")]
        expected.push((at, (at % 977) as f64 / 10.0));
    }
    let (from, to) = (MIDNIGHT - DAY_MS / 2, MIDNIGHT + DAY_MS / 2);
    assert_eq!(samples(&history, "gauge", from, to), expected);
    history.settle(now).unwrap();
    assert_eq!(samples(&history, "gauge", from, to), expected);
    assert_eq!(history.partitions.paths(Tier::Raw, from, to).len(), 2);
}

#[test]
fn a_counter_is_shown_as_its_rate_at_every_zoom() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = open(dir.path());
    let set = history.declare(HOST, &gauge_and_counter(), now_at(MIDNIGHT)).unwrap();
    // Grows by 1.0 each 15 s.
    fill(&mut history, set, MIDNIGHT, 2 * 5760);
    let ask = |history: &History, points| {
        let to = Unix(MIDNIGHT + 2 * DAY_MS);
        history.query(HOST, &[name("counter"), name("nonsense")], Unix(MIDNIGHT), to, points)
    };
    for (points, tier) in [(4000, Tier::Raw), (500, Tier::Minutes), (40, Tier::Hours)] {
        let answer = ask(&history, points);
        assert_eq!(answer.tier, tier);
        assert_eq!(answer.lines.len(), 1);
        let line = &answer.lines[0];
        assert!(answer.at.len() + 2 >= points as usize, "{} of {points}", answer.at.len());
        for values in [&line.min, &line.avg, &line.max] {
            for value in values {
                assert!((value - 1.0 / 15.0).abs() < 1e-9, "{tier:?}: {value}");
            }
        }
    }
}

#[test]
fn hosts_do_not_mix_and_series_of_two_sets_are_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = open(dir.path());
    let now = now_at(MIDNIGHT);
    let (gauge, more) = (vec![def("gauge", MetricKind::Gauge)], gauge_and_counter());
    let first = history.declare(HOST, &gauge, now).unwrap();
    let other = history.declare(HostId(4), &gauge, now).unwrap();
    history.append(HOST, first, Unix(MIDNIGHT), &frame(&[Item::Scaled(10)]), now).unwrap();
    history.append(HostId(4), other, Unix(MIDNIGHT), &frame(&[Item::Scaled(99)]), now).unwrap();
    let second = history.declare(HOST, &more, now).unwrap();
    history.append(HOST, second, Unix(MIDNIGHT + 15_000), &both(20, 5), now).unwrap();
    history.sync(now).unwrap();
    let expected = [(MIDNIGHT, 1.0), (MIDNIGHT + 15_000, 2.0)];
    assert_eq!(samples(&history, "gauge", MIDNIGHT, MIDNIGHT + 60_000), expected);
    let latest = history.latest(HOST);
    let values: Vec<_> = latest.iter().map(|l| (l.def.name.metric.as_str(), l.value)).collect();
    assert_eq!(values, [("counter", 0.5), ("gauge", 2.0)]);
    assert_eq!(history.series_of(HOST).len(), 2);
    history.erase(&Erasure::Host(HOST), now).unwrap();
    assert!(history.latest(HOST).is_empty() && history.series_of(HOST).is_empty());
    assert_eq!(history.latest(HostId(4)).len(), 1);
}

#[test]
fn the_newest_values_are_there_after_sealing() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = open(dir.path());
    let set = history.declare(HOST, &gauge_and_counter(), now_at(MIDNIGHT)).unwrap();
    fill(&mut history, set, MIDNIGHT, 64);
    history.settle(now_at(MIDNIGHT + DAY_MS / 2)).unwrap();
    let latest = history.latest(HOST);
    assert_eq!(latest.len(), 2);
    assert_eq!(latest[1].at, Unix(MIDNIGHT + 63 * 15_000));
    assert_eq!(latest[1].value.to_string(), "6.3");
}

#[test]
fn times_that_cannot_be_are_refused_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = open(dir.path());
    let now = now_at(MIDNIGHT);
    let set = history.declare(HOST, &gauge_and_counter(), now).unwrap();
    for at in [i64::MIN, 0, MIDNIGHT - 15 * DAY_MS, MIDNIGHT + DAY_MS + 1, i64::MAX] {
        let result = history.append(HOST, set, Unix(at), &both(1, 1), now);
        assert_eq!(result, Err(AppendError::Time), "{at}");
    }
    assert!(history.append(HOST, set, Unix(MIDNIGHT + DAY_MS), &both(1, 1), now).is_ok());
    assert_eq!(history.status().counts.out_of_range, 5);
}

#[test]
fn damaged_frames_are_left_out_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = open(dir.path());
    let now = now_at(MIDNIGHT);
    let set = history.declare(HOST, &gauge_and_counter(), now).unwrap();
    history.append(HOST, set, Unix(MIDNIGHT), &[5, 5], now).unwrap();
    history.append(HOST, set, Unix(MIDNIGHT + 1), &both(7, 7), now).unwrap();
    history.append(HOST, set, Unix(MIDNIGHT + 2), &[], now).unwrap();
    history.sync(now).unwrap();
    let answer = history.query(HOST, &[name("gauge")], Unix(MIDNIGHT), Unix(MIDNIGHT + 1000), 1000);
    assert_eq!((answer.damaged, answer.at.as_slice()), (2, [Unix(MIDNIGHT + 1)].as_slice()));
    history.settle(now).unwrap();
    assert_eq!(history.status().counts.damaged, 2);
    assert_eq!(samples(&history, "gauge", MIDNIGHT, MIDNIGHT + 1000).len(), 1);
}

#[test]
fn a_damaged_chunk_or_partition_costs_only_itself() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = open(dir.path());
    let set = history.declare(HOST, &gauge_and_counter(), now_at(MIDNIGHT)).unwrap();
    fill(&mut history, set, MIDNIGHT, 2000);
    let end = MIDNIGHT + 2000 * 15_000;
    history.settle(now_at(end)).unwrap();
    let path = history.partitions.paths(Tier::Raw, MIDNIGHT, MIDNIGHT)[0].clone();
    let damage = rusqlite::Connection::open(&path).unwrap();
    let sql = "UPDATE chunk SET body = zeroblob(100) WHERE id = (SELECT min(id) FROM chunk)";
    assert_eq!(damage.execute(sql, []).unwrap(), 1);
    drop(damage);
    let from = Unix(MIDNIGHT);
    let answer = history.query(HOST, &[name("gauge")], from, Unix(end), 4000);
    assert_eq!(answer.damaged, 1);
    assert!(answer.at.len() > 900 && answer.at.len() < 1200, "{}", answer.at.len());
    drop(history);
    // Now the whole file.
    std::fs::write(&path, vec![0x55; 100_000]).unwrap();
    let mut history = open(dir.path());
    assert_eq!(history.status().counts.damaged, 1);
    assert!(path.with_extension("damaged").exists());
    let set = history.declare(HOST, &gauge_and_counter(), now_at(end)).unwrap();
    fill(&mut history, set, end, 100);
    history.settle(now_at(end + 100 * 15_000)).unwrap();
    assert_eq!(samples(&history, "gauge", end, end + DAY_MS / 4).len(), 100);
    let minutes = history.query(HOST, &[name("gauge")], from, Unix(end), 50);
    assert_eq!(minutes.tier, Tier::Minutes, "the buckets are still there");
    assert!(!minutes.at.is_empty());
}

#[test]
fn without_a_catalogue_history_begins_anew_and_keeps_the_old_aside() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("history");
    let mut history = open(&dir);
    let set = history.declare(HOST, &gauge_and_counter(), now_at(MIDNIGHT)).unwrap();
    fill(&mut history, set, MIDNIGHT, 100);
    drop(history);
    std::fs::write(dir.join("catalogue.db"), vec![0x55; 50_000]).unwrap();
    std::fs::remove_file(dir.join("catalogue.spare")).unwrap();
    let mut history = open(&dir);
    assert_eq!(history.status().counts.damaged, 1);
    assert!(parent.path().join("history.damaged-1/wal").exists());
    let set = history.declare(HOST, &gauge_and_counter(), now_at(MIDNIGHT)).unwrap();
    fill(&mut history, set, MIDNIGHT, 10);
    assert_eq!(samples(&history, "gauge", MIDNIGHT, MIDNIGHT + DAY_MS).len(), 10);
}

#[test]
fn a_damaged_catalogue_is_made_again_of_its_spare() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("history");
    let mut history = open(&dir);
    let set = history.declare(HOST, &gauge_and_counter(), now_at(MIDNIGHT)).unwrap();
    fill(&mut history, set, MIDNIGHT, 1200);
    // Not an hour later: the spare does not know it.
    let late = [def("late", MetricKind::Gauge)];
    let lost = history.declare(HOST, &late, now_at(MIDNIGHT)).unwrap();
    history
        .append(HOST, lost, Unix(MIDNIGHT), &frame(&[Item::Scaled(5)]), now_at(MIDNIGHT))
        .unwrap();
    history.sync(now_at(MIDNIGHT)).unwrap();
    drop(history);
    std::fs::write(dir.join("catalogue.db"), vec![0x55; 50_000]).unwrap();
    let mut history = open(&dir);
    let end = now_at(MIDNIGHT + 1200 * 15_000);
    history.settle(end).unwrap();
    assert_eq!(samples(&history, "gauge", MIDNIGHT, end.unix.0).len(), 1200);
    let new = [def("new", MetricKind::Gauge)];
    let set = history.declare(HOST, &new, end).unwrap();
    assert!(set.number > lost.number, "frames of the lost set must not become those of another");
    assert!(dir.join("aside-1/catalogue.db").exists());
}

#[test]
fn a_full_disk_stops_history_which_goes_on_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let plan = FaultPlan::counting();
    let disk = Disk::breaking(Arc::clone(&plan));
    let mut history = History::open_on(dir.path(), Settings::default(), disk).unwrap();
    let now = now_at(MIDNIGHT);
    let set = history.declare(HOST, &gauge_and_counter(), now).unwrap();
    fill(&mut history, set, MIDNIGHT, 100);
    plan.fill(true);
    let full = now_at(MIDNIGHT + 100 * 15_000);
    history.append(HOST, set, full.unix, &both(1, 1), full).unwrap();
    assert_eq!(history.sync(full), Err(AppendError::Stopped));
    let status = history.status();
    let stopped = status.stopped.unwrap();
    assert_eq!(stopped.fault, Fault::Full);
    assert!(stopped.reason.contains("disk is full"), "{}", stopped.reason);
    assert_eq!(history.append(HOST, set, full.unix, &both(1, 1), full), Err(AppendError::Stopped));
    assert_eq!(history.status().counts.refused, 2);
    assert_eq!(samples(&history, "gauge", MIDNIGHT, full.unix.0).len(), 100, "still readable");
    let later = full.after(Duration::from_secs(10));
    assert!(!history.maintain(later, 4) && !history.is_running(), "still full");
    plan.fill(false);
    assert!(!history.maintain(later.after(Duration::from_secs(9)), 4) && !history.is_running());
    let later = later.after(Duration::from_secs(10));
    history.maintain(later, 4);
    assert!(history.is_running());
    let old = history.append(HOST, set, later.unix, &both(1, 1), later);
    assert_eq!(old, Err(AppendError::Undeclared));
    let set = history.declare(HOST, &gauge_and_counter(), later).unwrap();
    history.append(HOST, set, later.unix, &both(1, 1), later).unwrap();
    history.sync(later).unwrap();
    while history.maintain(later, 4) {}
    let all = samples(&history, "gauge", MIDNIGHT, later.unix.0 + 1);
    assert_eq!(all.len(), 101, "all that was acknowledged, and nothing else");
}

/// A script of writing, sealing, compacting and dropping: run it and return what was acknowledged.
fn script(history: &mut History) -> Vec<i64> {
    let mut acknowledged = Vec::new();
    let mut sent = Vec::new();
    for k in 0..1100 {
        let at = MIDNIGHT + k * 15_000;
        let now = now_at(at);
        let Ok(set) = history.declare(HOST, &gauge_and_counter(), now) else { break };
        if history.append(HOST, set, Unix(at), &both(k, k), now).is_err() {
            break;
        }
        sent.push(at);
        if k % 100 == 99 {
            if history.sync(now).is_err() {
                break;
            }
            acknowledged.append(&mut sent);
            history.maintain(now, 4);
        }
    }
    let end = now_at(MIDNIGHT + 1100 * 15_000);
    if history.is_running() && history.settle(end).is_ok() {
        history.maintain(end.after(Duration::from_mins(2)), 4);
    }
    acknowledged
}

/// Every write point of the script is in turn the last thing that happens, torn in the middle.
#[test]
fn wherever_the_machine_dies_what_was_acknowledged_is_there_once() {
    let counting = FaultPlan::counting();
    {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::breaking(Arc::clone(&counting));
        let mut history = History::open_on(dir.path(), Settings::default(), disk).unwrap();
        assert_eq!(script(&mut history).len(), 1100);
        assert_eq!(history.status().counts.chunks, 2);
    }
    let points = counting.points();
    assert!(points > 40, "{points}");
    for point in 0..points {
        let breaks = [Break::Crash, Break::Tear(700), Break::Full, Break::Io];
        // Failures that do not kill are rarer here: they have a test of their own.
        let n_breaks = if point % 3 == 0 { 4 } else { 2 };
        for what in breaks.into_iter().take(n_breaks) {
            let dir = tempfile::tempdir().unwrap();
            let disk = Disk::breaking(FaultPlan::at(point, what));
            let opened = History::open_on(dir.path(), Settings::default(), disk);
            let acknowledged = match opened {
                Ok(mut history) => {
                    let acknowledged = script(&mut history);
                    #[expect(clippy::mem_forget, reason = "a dead machine runs no destructors")]
                    std::mem::forget(history);
                    acknowledged
                }
                Err(_) => Vec::new(),
            };
            let mut history = open(dir.path());
            let end = now_at(MIDNIGHT + 1100 * 15_000);
            while history.maintain(end, 4) {}
            history.settle(end).unwrap();
            let found = samples(&history, "gauge", MIDNIGHT, MIDNIGHT + 1100 * 15_000);
            let times: Vec<i64> = found.iter().map(|(at, _)| *at).collect();
            // A batch that was written but whose sync failed may be there whole.
            assert!(times.len() >= acknowledged.len(), "{what:?} at {point}");
            assert_eq!(times[..acknowledged.len()], acknowledged, "{what:?} at {point}");
            assert_eq!(times.len() % 100, 0, "{what:?} at {point}");
            for (at, value) in &found {
                #[expect(clippy::cast_precision_loss, reason = "below 1100")]
                let expected = ((at - MIDNIGHT) / 15_000) as f64 / 10.0;
                assert!((value - expected).abs() < 1e-12);
            }
            let mut n = 0;
            for path in history.partitions.paths(Tier::Hours, MIDNIGHT, MIDNIGHT + DAY_MS) {
                let all = (0, i64::MAX);
                assert!(partition::read(
                    &mut Readers::default(),
                    &path,
                    HOST.0,
                    &[1],
                    all,
                    i64::MAX,
                    |_, body| {
                        n += tier::decode(body).unwrap().frames.iter().sum::<u64>();
                    }
                ));
            }
            assert_eq!(n, times.len() as u64, "hours count each frame once: {what:?} at {point}");
        }
    }
}

/// What the first version has written: the log and the blocks, byte for byte. Never change these
/// files: a new version gets new ones.
#[test]
fn log_and_blocks_of_the_first_version_are_read() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/v1");
    let dir = tempfile::tempdir().unwrap();
    let mut log = Wal::open(&dir.path().join("wal"), Disk::real()).unwrap();
    let (mut blocks, _) = Level0::open(&dir.path().join("level0"), Disk::real()).unwrap();
    for (host, at) in [(1, MIDNIGHT), (200_000, MIDNIGHT + 15_000), (1, MIDNIGHT - 1)] {
        log.push(host, 7, at, &both(852, -1));
        let block = [3, 2, 1];
        blocks.push(host, 7, &block, 1, (at, at)).unwrap();
    }
    log.sync().unwrap();
    blocks.sync().unwrap();
    for (written, stored) in [
        ("wal/0000000001.log", "wal.log"),
        ("level0/0000000001.dat", "level0.dat"),
        ("level0/0000000001.idx", "level0.idx"),
    ] {
        let written = std::fs::read(dir.path().join(written)).unwrap();
        let stored = std::fs::read(golden.join(stored)).unwrap();
        assert_eq!(written, stored, "a changed form needs a new version");
    }
}

proptest! {
    #[test]
    fn bytes_with_a_right_checksum_and_wrong_contents_make_nothing_panic(
        body in prop::collection::vec(any::<u8>(), 0..300), version in 0u8..3,
    ) {
        let mut bytes = vec![version];
        bytes.extend(body);
        let crc = crc32fast::hash(&bytes);
        bytes.extend(crc.to_le_bytes());
        if let Some(chunk) = chunk::Chunk::open(&bytes) {
            drop(chunk.times());
            for series in 0..5 {
                drop(chunk.column(series));
            }
        }
        drop(tier::decode(&bytes));
        prop_assert!(BlockFrames::new(&bytes).count() <= bytes.len());
        prop_assert!(wal::Frames::new(&bytes).count() <= bytes.len());
    }
}

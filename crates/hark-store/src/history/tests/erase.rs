//! Samples erased for good: what is meant is nowhere on the disk, all else is as it was.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use hark_model::frame::ValueReader;

use super::*;

const OTHER: HostId = HostId(4);
const N: i64 = 1400;
const END: i64 = MIDNIGHT + DAY_MS;

/// A host whose series nobody else has.
fn theirs() -> Vec<SeriesDef> {
    let mut own = gauge_and_counter();
    for def in &mut own {
        def.name.instance = "/srv/letters-of-anna".to_owned();
    }
    own
}

fn of(instance: &str, metric: &str) -> SeriesName {
    SeriesName { instance: instance.to_owned(), ..name(metric) }
}

/// Two hosts over `n` frames: in chunks, in blocks and in the log.
fn lived_for(history: &mut History, n: i64) {
    let sets = [(HOST, theirs()), (OTHER, gauge_and_counter())];
    for k in 0..n {
        let at = MIDNIGHT + k * 45_000;
        let now = now_at(at);
        for (host, series) in &sets {
            let set = history.declare(*host, series, now).unwrap();
            history.append(*host, set, Unix(at), &both(k % 1000, k * 10), now).unwrap();
        }
        if k % 100 == 99 {
            history.sync(now).unwrap();
            history.maintain(now, 4);
        }
        if k == n * 3 / 4 {
            history.sync(now).unwrap();
            history.settle(now).unwrap();
        }
    }
    history.sync(now_at(MIDNIGHT + n * 45_000)).unwrap();
}

/// The same over most of a day.
fn lived(history: &mut History) {
    lived_for(history, N);
}

/// Has the upkeep done until an order is carried out; nothing if history stops.
fn carried_out(history: &mut History, order: u64) -> Option<()> {
    let mut now = now_at(END);
    for _ in 0..5000 {
        if history.erasing(order).is_none() && history.is_running() {
            return Some(());
        }
        history.maintain(now, 4);
        if !history.is_running() {
            return None;
        }
        now = now.after(Duration::from_secs(1));
    }
    panic!("never carried out: {:?}", history.erasing(order))
}

/// The samples of a series, read out of the files.
pub(super) fn values(dir: &Path, host: HostId, series: &SeriesName) -> Vec<(i64, f64)> {
    let mut view = View::open(dir, &|_| true).unwrap();
    let mut found = Vec::new();
    let ended = view.samples(host, series, (Unix(0), Unix(i64::MAX)), &mut |samples| {
        found.extend(samples.iter().map(|(at, value)| (at.0, *value)));
        ControlFlow::Continue(())
    });
    assert!(ended.unwrap().is_continue());
    assert_eq!(view.damaged(), 0);
    found
}

/// Frames of a host in a coarser tier, counted.
pub(super) fn coarse_frames(history: &History, tier: Tier, host: HostId) -> u64 {
    let mut n = 0;
    for path in history.partitions.paths(tier, MIDNIGHT, END) {
        let sets: Vec<u32> = (1..10).collect();
        let all = (0, i64::MAX);
        let mut readers = Readers::default();
        assert!(partition::read(&mut readers, &path, host.0, &sets, all, i64::MAX, |_, body| {
            n += tier::decode(body).unwrap().frames.iter().sum::<u64>();
        }));
    }
    n
}

/// Looks for anything of a host in every file.
fn is_nowhere(dir: &Path, host: HostId) {
    for (tier, numbers) in examine::present(dir).unwrap() {
        for number in numbers {
            let connection = examine::open(&partition::path_of(dir, tier, number)).unwrap();
            let sql = "SELECT count(*) FROM chunk WHERE host = ?1";
            let n: i64 = connection.query_row(sql, [host.0], |row| row.get(0)).unwrap();
            assert_eq!(n, 0, "{tier:?} {number}");
        }
    }
    for folder in ["wal", "followed"].map(|name| dir.join(name)) {
        for path in examine::numbered(&folder, "log").unwrap().into_values() {
            let bytes = std::fs::read(&path).unwrap();
            for batch in wal::scan::Scan::of(&bytes).batches {
                assert!(wal::Frames::new(&bytes[batch]).all(|frame| frame.host != host.0));
            }
        }
    }
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            let is_there = bytes.windows(16).any(|part| part == b"letters-of-anna\"");
            assert!(!is_there, "the name of a series is in {}", path.display());
        }
    }
}

/// The blocks of a host, as they lie in their files: those that are zeros, and the others.
fn blocks_of(dir: &Path, host: HostId) -> (usize, usize) {
    let (mut zeros, mut others) = (0, 0);
    for path in examine::numbered(&dir.join("level0"), "idx").unwrap().into_values() {
        let index = std::fs::read(&path).unwrap();
        // Of a pair that goes the index goes last.
        let Ok(data) = std::fs::read(path.with_extension("dat")) else { continue };
        for entry in index.chunks_exact(56) {
            let word = |at: usize| u32::from_le_bytes(entry[at..at + 4].try_into().unwrap());
            if word(0) != 1 || word(4) != host.0 {
                continue;
            }
            let (begin, len) = (word(16) as usize, word(24) as usize);
            if data[begin..begin + len].iter().all(|byte| *byte == 0) {
                zeros += 1;
            } else {
                others += 1;
            }
        }
    }
    (zeros, others)
}

pub(super) fn is_sound(dir: &Path) {
    let found = examine(dir, &mut |_| ControlFlow::Continue(())).unwrap();
    assert!(found.is_sound(), "{:?}", found.findings);
}

#[test]
fn nothing_of_a_dropped_host_is_left_on_the_disk_and_others_are_as_they_were() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = open(dir.path());
    lived(&mut history);
    let before = values(dir.path(), OTHER, &name("gauge"));
    assert_eq!(before.len(), usize::try_from(N).unwrap());
    history.level0.sync().unwrap();
    assert_ne!(blocks_of(dir.path(), HOST), (0, 0), "there is something to overwrite");
    let order = history.erase(&Erasure::Host(HOST), now_at(END)).unwrap();
    assert!(history.series_of(HOST).is_empty() && history.latest(HOST).is_empty());
    let again = history.declare(HOST, &theirs(), now_at(END));
    assert!(matches!(again, Err(DeclareError::Gone)));
    assert_eq!(history.erase(&Erasure::Host(HOST), now_at(END)).unwrap(), order, "ordered once");
    carried_out(&mut history, order).unwrap();
    is_nowhere(dir.path(), HOST);
    assert_eq!(blocks_of(dir.path(), HOST).1, 0);
    is_sound(dir.path());
    assert_eq!(values(dir.path(), OTHER, &name("gauge")), before);
    // The chunk that was made last was theirs; its number stays, or the other's coarser rows were left over.
    let counted = [Tier::Minutes, Tier::Hours].map(|tier| coarse_frames(&history, tier, OTHER));
    drop(history);
    let mut history = open(dir.path());
    while history.maintain(now_at(END), 4) {}
    let after = [Tier::Minutes, Tier::Hours].map(|tier| coarse_frames(&history, tier, OTHER));
    assert_eq!(after, counted);
    assert_eq!(values(dir.path(), OTHER, &name("gauge")), before);
    let new = history.declare(HostId(9), &theirs(), now_at(END)).unwrap();
    assert!(new.number > 2, "a number of a set is not given again: {}", new.number);
}

#[test]
fn what_was_sent_of_a_dropped_host_is_refused_and_not_read_from_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = open(dir.path());
    let now = now_at(MIDNIGHT);
    let set = history.declare(HOST, &gauge_and_counter(), now).unwrap();
    history.append(HOST, set, now.unix, &both(1, 1), now).unwrap();
    history.sync(now).unwrap();
    // This one waits to be written when the order comes.
    history.append(HOST, set, now.unix, &both(2, 2), now).unwrap();
    history.erase(&Erasure::Host(HOST), now).unwrap();
    assert_eq!(history.append(HOST, set, now.unix, &both(3, 3), now), Err(AppendError::Gone));
    let sample = Brought { host: HOST, def: def("gauge", MetricKind::Gauge), samples: Vec::new() };
    assert!(history.import(&[sample], now).is_err());
    history.sync(now).unwrap();
    assert!(history.hosts.get(3).is_none_or(Vec::is_empty));
    #[expect(clippy::mem_forget, reason = "a killed process runs no destructors")]
    std::mem::forget(history);
    let mut history = open(dir.path());
    assert_eq!(history.append(HOST, set, now.unix, &both(3, 3), now), Err(AppendError::Gone));
    let mut later = now;
    for _ in 0..50 {
        history.maintain(later, 4);
        later = later.after(Duration::from_secs(1));
    }
    assert!(history.erasing(1).is_none());
    assert_eq!(history.status().counts.replayed, 0);
    is_nowhere(dir.path(), HOST);
    is_sound(dir.path());
}

#[test]
fn who_has_read_half_of_the_log_reads_nothing_more_of_what_was_erased() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = open(dir.path());
    history.keep_log(Some(0), u64::MAX).unwrap();
    lived_for(&mut history, 300);
    let mut reader = LogReader::new(dir.path(), LogPlace::default());
    assert!(reader.read(history.log_end()).unwrap());
    let order = history.erase(&Erasure::Host(HOST), now_at(END)).unwrap();
    carried_out(&mut history, order).unwrap();
    let mut n_others = 0;
    while reader.read(history.log_end()).unwrap() {
        assert!(reader.frames().all(|frame| frame.host != HOST));
        n_others += reader.frames().filter(|frame| frame.host == OTHER).count();
    }
    assert_eq!((n_others, reader.missing()), (200, 0));
}

#[test]
fn a_part_goes_out_of_every_tier_and_the_rest_stays() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = open(dir.path());
    lived(&mut history);
    let (gauge, counter) =
        (of("/srv/letters-of-anna", "gauge"), of("/srv/letters-of-anna", "counter"));
    let all = values(dir.path(), HOST, &gauge);
    let other = values(dir.path(), OTHER, &name("gauge"));
    let before = MIDNIGHT + 700 * 45_000 + 1;
    let what =
        Erasure::Part { host: HOST, series: Some(vec![gauge.clone()]), before: Unix(before) };
    let order = history.erase(&what, now_at(END)).unwrap();
    carried_out(&mut history, order).unwrap();
    is_sound(dir.path());
    let left: Vec<_> = all.iter().copied().filter(|(at, _)| *at >= before).collect();
    assert_eq!(left.len(), 699);
    assert_eq!(values(dir.path(), HOST, &gauge), left);
    assert_eq!(values(dir.path(), HOST, &counter).len(), all.len(), "the other series of the set");
    assert_eq!(values(dir.path(), OTHER, &name("gauge")), other);
    for points in [500, 20] {
        let asked =
            history.query(HOST, std::slice::from_ref(&gauge), Unix(MIDNIGHT), Unix(END), points);
        let first = asked.at.iter().zip(&asked.lines[0].avg).find(|(_, value)| !value.is_nan());
        // The bucket in which it lies begins earlier, and so does the point that this is in.
        assert!(first.unwrap().0.0 >= before - 3_600_000 - asked.step_ms, "{:?}", asked.tier);
    }
    // And then all of it, up to now.
    let what = Erasure::Part { host: HOST, series: None, before: Unix(END) };
    let order = history.erase(&what, now_at(END)).unwrap();
    let mut now = now_at(END).after(Duration::from_hours(2));
    while history.erasing(order).is_some() {
        history.maintain(now, 4);
        now = now.after(Duration::from_secs(1));
    }
    assert!(values(dir.path(), HOST, &counter).is_empty());
    assert_eq!(coarse_frames(&history, Tier::Hours, HOST), 0);
    is_sound(dir.path());
    // The host goes on.
    let set = history.declare(HOST, &theirs(), now_at(END)).unwrap();
    history.append(HOST, set, Unix(END - 1000), &both(5, 5), now_at(END)).unwrap();
    history.sync(now_at(END)).unwrap();
    assert_eq!(values(dir.path(), HOST, &gauge), [(END - 1000, 0.5)]);
}

#[test]
fn coarser_values_go_also_where_their_samples_have_expired() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = open(dir.path());
    lived(&mut history);
    history.settle(now_at(END)).unwrap();
    let far = now_at(END + 30 * DAY_MS);
    let set = history.declare(OTHER, &gauge_and_counter(), far).unwrap();
    history.append(OTHER, set, far.unix, &both(1, 1), far).unwrap();
    history.sync(far).unwrap();
    history.settle(far).unwrap();
    history.partitions.expire(Tier::Raw, END + 20 * DAY_MS).unwrap();
    let frames = coarse_frames(&history, Tier::Hours, HOST);
    assert_eq!(frames, N.unsigned_abs());
    let before = MIDNIGHT + 6 * 3_600_000 + 1_800_000;
    let order = Erasure::Part { host: HOST, series: None, before: Unix(before) };
    let order = history.erase(&order, far).unwrap();
    carried_out(&mut history, order).unwrap();
    // Each hour has 80 frames; that in which it lies stays.
    assert_eq!(coarse_frames(&history, Tier::Hours, HOST), frames - 6 * 80);
    assert_eq!(coarse_frames(&history, Tier::Minutes, HOST), frames - 6 * 80 - 40);
    assert_eq!(coarse_frames(&history, Tier::Hours, OTHER), frames + 1);
    is_sound(dir.path());
}

#[test]
fn the_room_is_given_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = open(dir.path());
    lived(&mut history);
    history.settle(now_at(END)).unwrap();
    // Something that does not compress, of one host of ten.
    let mut state = 7u64;
    let mut random = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 20).cast_signed()
    };
    for host in 10..20 {
        let set = history.declare(HostId(host), &gauge_and_counter(), now_at(END)).unwrap();
        for k in 0..2000 {
            let at = Unix(MIDNIGHT + k * 20_000);
            history.append(HostId(host), set, at, &both(random(), random()), now_at(END)).unwrap();
        }
        history.sync(now_at(END)).unwrap();
    }
    history.settle(now_at(END)).unwrap();
    let path = partition::path_of(dir.path(), Tier::Raw, partition_of_day());
    let size = || std::fs::metadata(&path).unwrap().len();
    history.partitions.give_back((Tier::Raw, partition_of_day())).unwrap();
    let before = size();
    let mut last = 0;
    for host in 10..15 {
        last = history.erase(&Erasure::Host(HostId(host)), now_at(END)).unwrap();
    }
    carried_out(&mut history, last).unwrap();
    let after = size();
    assert!(after * 10 < before * 6, "half of it went: {before} to {after}");
}

fn partition_of_day() -> i64 {
    partition::partition_of(Tier::Raw, MIDNIGHT)
}

#[test]
fn how_much_it_would_be_is_what_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = open(dir.path());
    lived(&mut history);
    let gauge = of("/srv/letters-of-anna", "gauge");
    let part = |series: Option<Vec<SeriesName>>, before: i64| Erasure::Part {
        host: HOST,
        series,
        before: Unix(before),
    };
    let middle = MIDNIGHT + 700 * 45_000;
    for (what, expected) in [
        (part(None, END), 2 * N),
        (part(Some(vec![gauge.clone()]), END), N),
        (part(Some(vec![gauge.clone()]), middle), 700),
        (part(Some(vec![name("nonsense")]), END), 0),
        (part(None, MIDNIGHT), 0),
        (Erasure::Host(HOST), 2 * N),
    ] {
        let mut before_settling = weigh(dir.path(), &what).unwrap();
        before_settling.samples += history.loose(&what);
        assert_eq!(before_settling.samples, expected.unsigned_abs(), "{what:?}");
        assert_eq!(before_settling.bytes == 0, expected == 0);
    }
    history.settle(now_at(END)).unwrap();
    assert_eq!(history.loose(&Erasure::Host(HOST)), 0);
    let all = weigh(dir.path(), &Erasure::Host(HOST)).unwrap();
    assert_eq!(all.samples, 2 * N.unsigned_abs());
}

#[test]
fn an_order_that_is_taken_back_leaves_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = open(dir.path());
    lived(&mut history);
    let what = Erasure::Part { host: HOST, series: None, before: Unix(END) };
    let order = history.erase(&what, now_at(END)).unwrap();
    assert!(!history.keep_the_rest(order + 1, now_at(END)).unwrap(), "there is none");
    assert!(history.keep_the_rest(order, now_at(END)).unwrap());
    assert!(history.erasing(order).is_none());
    let whole = history.erase(&Erasure::Host(OTHER), now_at(END)).unwrap();
    assert!(!history.keep_the_rest(whole, now_at(END)).unwrap(), "a host that is gone is gone");
    carried_out(&mut history, whole).unwrap();
    let gauge = of("/srv/letters-of-anna", "gauge");
    assert_eq!(values(dir.path(), HOST, &gauge).len(), usize::try_from(N).unwrap());
    assert!(values(dir.path(), OTHER, &name("gauge")).is_empty());
}

/// Until when a part of the other host is erased.
const CUT: i64 = MIDNIGHT + 100 * 45_000;

/// Orders that a host goes and a part of the other one; nothing if the machine dies or history stops.
fn both_orders(history: &mut History) -> Option<()> {
    history.erase(&Erasure::Host(HOST), now_at(END)).ok()?;
    let series = Some(vec![name("gauge")]);
    let part = Erasure::Part { host: OTHER, series, before: Unix(CUT) };
    let last = history.erase(&part, now_at(END)).ok()?;
    carried_out(history, last)
}

/// What those read who follow the log of a host: when, and which of its two values are there.
fn followed(history: &History, host: HostId, when: &str) -> Vec<(i64, [bool; 2])> {
    let mut reader = LogReader::new(history.dir(), LogPlace::default());
    let mut found = Vec::new();
    while reader.read(history.log_end()).unwrap() {
        for frame in reader.frames().filter(|frame| frame.host == host) {
            let mut items =
                ValueReader::new(frame.values).map(|item| item.unwrap() != Item::Absent);
            found.push((frame.at.0, [(); 2].map(|()| items.next().unwrap())));
        }
    }
    assert_eq!(reader.missing(), 0, "{when}");
    found
}

/// Starts on what a machine has left that died: every order is carried out as a whole or was none. Returns
/// which of the two was one, and how many there were to go on with.
fn after_death(dir: &Path, all: &[(i64, f64)], when: &str) -> (bool, bool, usize) {
    let mut history = open(dir);
    history.keep_log(Some(0), u64::MAX).unwrap();
    let pending = history.erasures.orders().len();
    while history.maintain(now_at(END), 4) {}
    for order in 1..=2 {
        carried_out(&mut history, order).unwrap();
    }
    is_sound(dir);
    let is_host_gone = history.series_of(HOST).is_empty();
    if is_host_gone {
        is_nowhere(dir, HOST);
        assert_eq!(blocks_of(dir, HOST).1, 0, "{when}");
    } else {
        let gauge = of("/srv/letters-of-anna", "gauge");
        assert_eq!(values(dir, HOST, &gauge).len(), all.len(), "{when}");
    }
    let found = values(dir, OTHER, &name("gauge"));
    let is_part_gone = found.len() < all.len();
    let left = if is_part_gone { CUT } else { MIDNIGHT };
    let expected: Vec<_> = all.iter().copied().filter(|(at, _)| *at >= left).collect();
    assert_eq!(found, expected, "{when}");
    assert!(is_host_gone || !is_part_gone, "in the order in which they came: {when}");
    assert_eq!(values(dir, OTHER, &name("counter")).len(), all.len(), "{when}");
    let frames = |tier| coarse_frames(&history, tier, OTHER);
    assert_eq!(frames(Tier::Hours), frames(Tier::Minutes), "{when}");
    // Whoever reads the log has not read any of it yet.
    let read = followed(&history, OTHER, when);
    let expected: Vec<_> = all.iter().map(|(at, _)| (*at, [*at >= left, true])).collect();
    assert_eq!(read, expected, "{when}");
    let read = followed(&history, HOST, when);
    assert_eq!(read.len(), if is_host_gone { 0 } else { all.len() }, "{when}");
    (is_host_gone, is_part_gone, pending)
}

/// Every write point from the orders on is in turn the last thing that happens.
#[test]
fn wherever_the_machine_dies_an_erasure_is_ordered_or_not_and_then_done() {
    let whole = tempfile::tempdir().unwrap();
    let mut history = open(whole.path());
    history.keep_log(Some(0), u64::MAX).unwrap();
    lived_for(&mut history, 300);
    drop(history);
    let all = values(whole.path(), OTHER, &name("gauge"));
    let begin = |dir: &Path, plan: &Arc<FaultPlan>| {
        let disk = Disk::breaking(Arc::clone(plan));
        let mut history = History::open_on(dir, Settings::default(), disk).unwrap();
        history.keep_log(Some(0), u64::MAX).unwrap();
        while history.maintain(now_at(END), 4) {}
        history
    };
    let counting = FaultPlan::counting();
    let dir = damage::copy(whole.path());
    let mut history = begin(dir.path(), &counting);
    let begun = counting.points();
    both_orders(&mut history).unwrap();
    let points = counting.points();
    assert!(points > begun + 30, "{begun} to {points}");
    let mut met = BTreeSet::new();
    for point in begun..points {
        let breaks = [Break::Crash, Break::Tear(700), Break::Full, Break::Io];
        // A write that is torn differs only where something is overwritten; failures that do not kill have a
        // test of their own.
        let n_breaks = [4, 1, 1, 2, 1][usize::try_from(point % 5).unwrap()];
        for what in breaks.into_iter().take(n_breaks) {
            let dir = damage::copy(whole.path());
            let mut history = begin(dir.path(), &FaultPlan::at(point, what));
            if both_orders(&mut history).is_some() {
                assert!(!matches!(what, Break::Crash | Break::Tear(_)), "{what:?} at {point}");
            }
            #[expect(clippy::mem_forget, reason = "a dead machine runs no destructors")]
            std::mem::forget(history);
            met.insert(after_death(dir.path(), &all, &format!("{what:?} at {point}")));
        }
    }
    // Both ends and what is between were met: nothing ordered, and all left for the next start.
    assert!(met.contains(&(false, false, 0)) && met.contains(&(true, true, 2)), "{met:?}");
}

//! Bounds on bytes where some series are kept longer than the rest.

use std::collections::BTreeSet;

use super::*;

/// Frames of a host in a day.
const OF_DAY: usize = 300;

/// Hosts of which one series is kept longer, and one of the others.
const LONGER: std::ops::Range<u32> = 10..16;
const REST: HostId = HostId(29);

/// All of the hosts over some days, in chunks.
fn lived_days(history: &mut History, days: i64) {
    let mut state = 11u64;
    let mut random = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 24).cast_signed()
    };
    for day in 0..days {
        let midnight = MIDNIGHT + day * DAY_MS;
        for host in MORE.map(HostId) {
            let set = history.declare(host, &gauge_and_counter(), now_at(midnight)).unwrap();
            for k in 0..i64::try_from(OF_DAY).unwrap() {
                let at = midnight + k * 60_000;
                history.append(host, set, Unix(at), &both(random(), random()), now_at(at)).unwrap();
            }
        }
        let evening = now_at(midnight + 20 * HOUR_MS);
        history.sync(evening).unwrap();
        history.settle(evening).unwrap();
        // Else the log has them for some hours more.
        history.wal.end_segment();
    }
}

fn longer() -> Exceptions {
    kept("gauge", 60, &LONGER.map(HostId).collect::<Vec<_>>())
}

/// Bytes of all samples on the disk, once all else was done and is in its files.
fn size(history: &mut History, at: i64) -> u64 {
    kept_up(history, at).unwrap();
    for key in history.partitions.keys() {
        assert_eq!(history.partitions.give_back(key).unwrap(), partition::GivenBack::All);
    }
    history.partitions.measure().unwrap();
    history.partitions.bytes(Tier::Raw)
}

fn bounded(raw: u64) -> Settings {
    Settings { max_tier_bytes: [Some(raw), None, None], ..with_exceptions() }
}

/// On which days each of three series has all of its samples: one that is kept longer, the other series of its
/// host, and one of the rest. On the others it has none.
fn days(dir: &Path) -> [Vec<i64>; 3] {
    let of = |host: u32, metric: &str| {
        let mut counts = BTreeMap::new();
        for (at, _) in values(dir, HostId(host), &name(metric)) {
            *counts.entry((at - MIDNIGHT) / DAY_MS).or_insert(0) += 1;
        }
        assert!(counts.values().all(|n| *n == OF_DAY), "{host} {metric}: {counts:?}");
        counts.into_keys().collect()
    };
    [of(LONGER.start, "gauge"), of(LONGER.start, "counter"), of(REST.0, "gauge")]
}

/// Which tier a question about an hour of the first day is answered of.
fn answered(history: &History, host: u32) -> Tier {
    let to = Unix(MIDNIGHT + HOUR_MS);
    history.query(HostId(host), &[name("gauge")], Unix(MIDNIGHT), to, 1000).tier
}

#[test]
fn what_is_kept_longer_is_the_last_that_a_bound_on_bytes_takes() {
    let dir = tempfile::tempdir().unwrap();
    let then = MIDNIGHT + 8 * DAY_MS;
    let mut history = History::open(dir.path(), with_exceptions()).unwrap();
    lived_days(&mut history, 6);
    let all: Vec<i64> = (0..6).collect();
    let before = size(&mut history, then);
    // Until it is known what is kept longer, nothing goes.
    history.settings = bounded(before * 3 / 4);
    kept_up(&mut history, then + HOUR_MS).unwrap();
    assert_eq!(days(dir.path()), [all.clone(), all.clone(), all.clone()]);

    history.keep(bounded(before * 3 / 4), longer());
    kept_up(&mut history, then + 2 * HOUR_MS).unwrap();
    let small = size(&mut history, then + 3 * HOUR_MS);
    let [gauge, counter, rest] = days(dir.path());
    assert_eq!(gauge, all);
    assert_eq!(counter, rest, "of a host what is kept no longer than usual is as all else");
    assert!((2..6).contains(&rest.len()) && all.ends_with(&rest), "the oldest first: {rest:?}");
    assert!(small <= before * 3 / 4, "{small} of {before}");
    is_sound(dir.path());
    // Charts know where samples are, also after a start, which takes nothing out again.
    assert_eq!([answered(&history, 10), answered(&history, 29)], [Tier::Raw, Tier::Minutes]);
    drop(history);
    let mut history = History::open(dir.path(), with_exceptions()).unwrap();
    history.keep(bounded(before * 3 / 4), longer());
    assert_eq!([answered(&history, 10), answered(&history, 29)], [Tier::Raw, Tier::Minutes]);
    kept_up(&mut history, then + DAY_MS).unwrap();
    assert_eq!(days(dir.path()), [gauge, counter, rest]);

    // Room for nothing: first all else but of the newest file, then file after file.
    history.keep(bounded(1), longer());
    let mut met = BTreeSet::new();
    for hour in 2..12 {
        kept_up(&mut history, then + DAY_MS + hour * HOUR_MS).unwrap();
        let [gauge, _, rest] = days(dir.path());
        assert!(gauge.len() == 6 || rest == [5], "{gauge:?} {rest:?}");
        met.insert(gauge.len());
    }
    assert_eq!(days(dir.path()), [[5], [5], [5]], "the newest file stays: {met:?}");
    is_sound(dir.path());
}

#[test]
fn a_bound_on_all_bytes_takes_of_the_finest_tier_what_is_kept_no_longer() {
    let dir = tempfile::tempdir().unwrap();
    let then = MIDNIGHT + 8 * DAY_MS;
    let mut history = History::open(dir.path(), with_exceptions()).unwrap();
    lived_days(&mut history, 4);
    let raw = size(&mut history, then);
    let coarse: u64 =
        [Tier::Minutes, Tier::Hours].map(|t| history.partitions.bytes(t)).iter().sum();
    let beside = history.wal.bytes() + history.level0.bytes();
    let most = coarse + beside + raw * 3 / 4;
    history.keep(Settings { max_bytes: most, ..with_exceptions() }, longer());
    let frames = coarse_frames(&history, Tier::Hours, REST);
    kept_up(&mut history, then + HOUR_MS).unwrap();
    let [gauge, _, rest] = days(dir.path());
    assert_eq!(gauge, [0, 1, 2, 3]);
    assert!((1..4).contains(&rest.len()) && rest.ends_with(&[3]), "{rest:?}");
    assert_eq!(coarse_frames(&history, Tier::Hours, REST), frames);
}

#[test]
fn without_anything_that_is_kept_longer_whole_files_go() {
    let dir = tempfile::tempdir().unwrap();
    let then = MIDNIGHT + 8 * DAY_MS;
    let mut history = History::open(dir.path(), with_exceptions()).unwrap();
    lived_days(&mut history, 4);
    let most = size(&mut history, then) * 3 / 4;
    history.keep(bounded(most), kept("gauge", 10, &[HostId(10)]));
    kept_up(&mut history, then + HOUR_MS).unwrap();
    assert_eq!(days(dir.path()), [[1, 2, 3], [1, 2, 3], [1, 2, 3]]);
}

/// Every write point of the work is in turn the last thing that happens.
#[test]
fn wherever_the_machine_dies_what_is_kept_longer_is_there() {
    let whole = tempfile::tempdir().unwrap();
    let then = MIDNIGHT + 8 * DAY_MS;
    let mut history = History::open(whole.path(), with_exceptions()).unwrap();
    lived_days(&mut history, 3);
    let most = size(&mut history, then) * 3 / 4;
    drop(history);
    let work = |history: &mut History| {
        history.keep(bounded(most), longer());
        kept_up(history, then)
    };
    let run = |dir: &Path, plan: &Arc<FaultPlan>| {
        let disk = Disk::breaking(Arc::clone(plan));
        let mut history = History::open_on(dir, with_exceptions(), disk).unwrap();
        let begun = plan.points();
        // Whether it came to an end is all the same.
        let _ended = work(&mut history);
        #[expect(clippy::mem_forget, reason = "a dead machine runs no destructors")]
        std::mem::forget(history);
        begun
    };
    let done = |dir: &Path, when: &str| {
        let mut history = History::open(dir, with_exceptions()).unwrap();
        work(&mut history).unwrap();
        let [gauge, counter, rest] = days(dir);
        assert_eq!((gauge, &counter), (vec![0, 1, 2], &rest), "{when}");
        assert!(rest.len() < 3 && rest.ends_with(&[2]), "{when}: {rest:?}");
        assert_eq!(answered(&history, 29), Tier::Minutes, "{when}");
        is_sound(dir);
    };
    let counting = FaultPlan::counting();
    let dir = damage::copy(whole.path());
    let begun = run(dir.path(), &counting);
    let points = counting.points();
    assert!(points >= begun + 4, "{begun} to {points}");
    for point in begun..points {
        for what in [Break::Crash, Break::Tear(700), Break::Full, Break::Io] {
            let dir = damage::copy(whole.path());
            run(dir.path(), &FaultPlan::at(point, what));
            let when = format!("{what:?} at {point} of {begun} to {points}");
            let gauge = values(dir.path(), HostId(LONGER.start), &name("gauge"));
            assert_eq!(gauge.len(), 3 * OF_DAY, "{when}");
            done(dir.path(), &when);
        }
    }
}

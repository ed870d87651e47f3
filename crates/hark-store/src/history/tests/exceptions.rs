//! Series that are kept shorter or longer than the rest.

mod room;

use super::erase::{coarse_frames, is_sound, values};
use super::*;

const OTHER: HostId = HostId(4);
/// Frames of a day: one each 45 s, over most of it.
const N: i64 = 1400;
const DAY: Duration = Duration::from_hours(24);
const HOUR_MS: i64 = 3_600_000;

fn with_exceptions() -> Settings {
    Settings { has_exceptions: true, ..Settings::default() }
}

/// A metric of some hosts, kept so many days as samples; the coarser tiers as ever.
fn kept(metric: &'static str, raw_days: u32, hosts: &[HostId]) -> Exceptions {
    let settings = Settings::default();
    let minutes = settings.minutes.max(DAY * raw_days);
    let exception = Exception {
        words: format!("{metric} {raw_days}"),
        fits: Arc::new(move |def| def.name.metric == metric),
        kept: [DAY * raw_days, minutes, settings.hours],
    };
    Exceptions::new(vec![exception], hosts.iter().map(|host| (*host, Arc::from([0u16]))))
}

/// Hosts beside the two, with a few frames each that do not compress.
const MORE: std::ops::Range<u32> = 10..30;

/// Gives the other hosts their frames.
fn more_lived(history: &mut History) {
    let mut state = 7u64;
    let mut random = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 20).cast_signed()
    };
    for host in MORE.map(HostId) {
        let set = history.declare(host, &gauge_and_counter(), now_at(MIDNIGHT)).unwrap();
        for k in 0..500 {
            let at = MIDNIGHT + k * 60_000;
            history.append(host, set, Unix(at), &both(random(), random()), now_at(at)).unwrap();
        }
        history.sync(now_at(MIDNIGHT + DAY_MS)).unwrap();
    }
}

/// How many samples each of the other hosts has: gauge, then counter.
fn more_left(dir: &Path) -> Vec<[usize; 2]> {
    let of = |host| ["gauge", "counter"].map(|metric| values(dir, host, &name(metric)).len());
    MORE.map(|host| of(HostId(host))).collect()
}

/// Frames of the two hosts in the coarser tiers.
fn coarse(history: &History) -> [u64; 4] {
    let of = |host| [Tier::Minutes, Tier::Hours].map(|tier| coarse_frames(history, tier, host));
    let ([a, b], [c, d]) = (of(HOST), of(OTHER));
    [a, b, c, d]
}

/// Two hosts over the first day, in chunks, and a frame of each at `then`.
fn lived(history: &mut History, then: i64) {
    for host in [HOST, OTHER] {
        let set = history.declare(host, &gauge_and_counter(), now_at(MIDNIGHT)).unwrap();
        for k in 0..N {
            let at = MIDNIGHT + k * 45_000;
            history.append(host, set, Unix(at), &both(k % 1000, k * 10), now_at(at)).unwrap();
            if k % 100 == 99 {
                history.sync(now_at(at)).unwrap();
            }
        }
    }
    history.sync(now_at(MIDNIGHT + DAY_MS)).unwrap();
    history.settle(now_at(MIDNIGHT + DAY_MS)).unwrap();
    // After some hours it is a new one, and the upkeep of these is not done here.
    history.wal.end_segment();
    for host in [HOST, OTHER] {
        let set = history.declare(host, &gauge_and_counter(), now_at(then)).unwrap();
        history.append(host, set, Unix(then), &both(1, 1), now_at(then)).unwrap();
    }
    history.sync(now_at(then)).unwrap();
    history.settle(now_at(then)).unwrap();
}

/// Has the upkeep done until there is no more; nothing if history stops.
fn kept_up(history: &mut History, at: i64) -> Option<()> {
    let mut now = now_at(at);
    // Each minute it is looked for what is due: what is over, then files in which nothing is left.
    for _ in 0..4 {
        for _ in 0..5000 {
            let goes_on = history.maintain(now, 4);
            if !history.is_running() {
                return None;
            }
            if !goes_on {
                break;
            }
        }
        now = now.after(Duration::from_secs(61));
    }
    Some(())
}

/// How many samples there are of the first day, of each host: gauge, then counter.
fn left(dir: &Path) -> [usize; 4] {
    let count = |host, metric| {
        let all = values(dir, host, &name(metric));
        all.iter().filter(|(at, _)| *at < MIDNIGHT + DAY_MS).count()
    };
    [count(HOST, "gauge"), count(HOST, "counter"), count(OTHER, "gauge"), count(OTHER, "counter")]
}

fn all() -> usize {
    usize::try_from(N).unwrap()
}

fn file_of_first_day(dir: &Path) -> PathBuf {
    partition::path_of(dir, Tier::Raw, partition::partition_of(Tier::Raw, MIDNIGHT))
}

#[test]
fn a_series_that_is_kept_shorter_goes_out_of_the_samples_alone() {
    let dir = tempfile::tempdir().unwrap();
    let then = MIDNIGHT + 6 * DAY_MS;
    let mut history = History::open(dir.path(), with_exceptions()).unwrap();
    lived(&mut history, then);
    let of_five_minutes = |history: &History| {
        history.query(HOST, &[name("gauge")], Unix(MIDNIGHT), Unix(then), 6 * 288)
    };
    let before = of_five_minutes(&history);
    let coarse_before = coarse(&history);
    history.keep(with_exceptions(), kept("gauge", 2, &[HOST]));
    kept_up(&mut history, then).unwrap();
    assert_eq!(left(dir.path()), [0, all(), all(), all()]);
    is_sound(dir.path());
    assert_eq!(coarse(&history), coarse_before);
    // What is asked for closely comes from what is there: of the other series that is the samples.
    let ask = |history: &History, metric: &str, points: u32| {
        history.query(HOST, &[name(metric)], Unix(MIDNIGHT), Unix(MIDNIGHT + 3 * HOUR_MS), points)
    };
    let gauge = ask(&history, "gauge", 1000);
    assert_eq!((gauge.tier, gauge.at.len()), (Tier::Minutes, 36));
    let counter = ask(&history, "counter", 1000);
    assert_eq!(counter.tier, Tier::Raw);
    let both = [name("counter"), name("gauge")];
    let asked = history.query(HOST, &both, Unix(MIDNIGHT), Unix(MIDNIGHT + 3 * HOUR_MS), 1000);
    assert_eq!(asked.tier, Tier::Minutes, "what is read must be there of each");
    assert_eq!(of_five_minutes(&history), before);
    let wanted = [(1, vec![0])];
    let (from, now) = (Unix(MIDNIGHT), Unix(then));
    assert_eq!(history.finest(HOST, &wanted, from, now), Tier::Minutes);
    assert_eq!(history.finest(HOST, &[(1, vec![1])], from, now), Tier::Raw);
    assert_eq!(history.finest(OTHER, &wanted, from, now), Tier::Raw);
    assert_eq!(history.kept(HOST, &def("gauge", MetricKind::Gauge))[0], DAY * 2);
    // A repair finds nothing to mend: what is not in the samples any more is no mistake of the rest.
    drop(history);
    assert_eq!(
        repair(dir.path(), &mut |_| std::ops::ControlFlow::Continue(())).unwrap().mended,
        []
    );
}

#[test]
fn a_series_that_is_kept_longer_stays_in_a_file_that_is_small_and_goes_at_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let then = MIDNIGHT + 20 * DAY_MS;
    let mut history = History::open(dir.path(), with_exceptions()).unwrap();
    more_lived(&mut history);
    lived(&mut history, then);
    let coarse_before = coarse(&history);
    let path = file_of_first_day(dir.path());
    history.partitions.give_back((Tier::Raw, MIDNIGHT / DAY_MS)).unwrap();
    kept_up(&mut history, then).unwrap();
    assert_eq!(left(dir.path()), [all(); 4], "nothing goes before it is known what is kept longer");
    let before = std::fs::metadata(&path).unwrap().len();
    history.keep(with_exceptions(), kept("gauge", 60, &[OTHER]));
    kept_up(&mut history, then).unwrap();
    assert_eq!(left(dir.path()), [0, 0, all(), 0]);
    assert!(more_left(dir.path()).iter().all(|left| *left == [0, 0]));
    let after = std::fs::metadata(&path).unwrap().len();
    assert!(after * 2 < before, "{before} to {after}");
    is_sound(dir.path());
    let asked = |history: &History, host| {
        let to = Unix(MIDNIGHT + 3 * HOUR_MS);
        history.query(host, &[name("gauge")], Unix(MIDNIGHT), to, 1000).tier
    };
    assert_eq!((asked(&history, OTHER), asked(&history, HOST)), (Tier::Raw, Tier::Minutes));
    assert_eq!(coarse(&history), coarse_before);
    let end = MIDNIGHT + 62 * DAY_MS;
    let set = history.declare(HOST, &gauge_and_counter(), now_at(end)).unwrap();
    history.append(HOST, set, Unix(end), &both(1, 1), now_at(end)).unwrap();
    history.sync(now_at(end)).unwrap();
    history.settle(now_at(end)).unwrap();
    kept_up(&mut history, end).unwrap();
    assert!(!path.exists(), "the day is over for whatever was in it");
    is_sound(dir.path());
}

#[test]
fn a_file_in_which_nothing_is_left_goes_when_it_is_the_oldest() {
    let dir = tempfile::tempdir().unwrap();
    let then = MIDNIGHT + 20 * DAY_MS;
    let mut history = History::open(dir.path(), with_exceptions()).unwrap();
    lived(&mut history, then);
    // Of this host there is nothing in the file of the first day.
    history.keep(with_exceptions(), kept("gauge", 60, &[HostId(9)]));
    kept_up(&mut history, then).unwrap();
    assert!(!file_of_first_day(dir.path()).exists());
    is_sound(dir.path());
}

#[test]
fn a_start_does_nothing_again_and_other_exceptions_are_carried_out() {
    let dir = tempfile::tempdir().unwrap();
    let then = MIDNIGHT + 6 * DAY_MS;
    let mut history = History::open(dir.path(), with_exceptions()).unwrap();
    lived(&mut history, then);
    history.keep(with_exceptions(), kept("gauge", 2, &[HOST]));
    kept_up(&mut history, then).unwrap();
    drop(history);
    let mut history = History::open(dir.path(), with_exceptions()).unwrap();
    let rows = |dir: &Path| {
        let path = file_of_first_day(dir);
        let connection = examine::open(&path).unwrap();
        let sql = "SELECT group_concat(id || ' ' || length(body)) FROM chunk";
        connection.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap()
    };
    let before = rows(dir.path());
    history.keep(with_exceptions(), kept("gauge", 2, &[HOST]));
    kept_up(&mut history, then).unwrap();
    assert_eq!(rows(dir.path()), before);
    assert_eq!(left(dir.path()), [0, all(), all(), all()]);
    history.keep(with_exceptions(), kept("gauge", 2, &[HOST, OTHER]));
    kept_up(&mut history, then).unwrap();
    assert_eq!(left(dir.path()), [0, all(), 0, all()]);
    history.keep(with_exceptions(), kept("counter", 2, &[OTHER]));
    kept_up(&mut history, then).unwrap();
    assert_eq!(left(dir.path()), [0, all(), 0, 0]);
    is_sound(dir.path());
}

#[test]
fn what_comes_later_than_it_is_kept_counts_in_no_tier_and_what_is_imported_in_the_coarser_ones() {
    let dir = tempfile::tempdir().unwrap();
    let then = MIDNIGHT + 6 * DAY_MS;
    let mut history = History::open(dir.path(), with_exceptions()).unwrap();
    lived(&mut history, then);
    history.keep(with_exceptions(), kept("gauge", 2, &[HOST]));
    kept_up(&mut history, then).unwrap();
    let coarse_before = coarse(&history);
    // Sent again by an agent that has not heard that it arrived.
    let set = history.declare(HOST, &gauge_and_counter(), now_at(then)).unwrap();
    for k in 0..N {
        let at = Unix(MIDNIGHT + k * 45_000);
        history.append(HOST, set, at, &both(k % 1000, k * 10), now_at(then)).unwrap();
    }
    history.sync(now_at(then)).unwrap();
    history.settle(now_at(then)).unwrap();
    history.wal.end_segment();
    history.settle(now_at(then)).unwrap();
    kept_up(&mut history, then).unwrap();
    assert_eq!(left(dir.path()), [0, all(), all(), all()]);
    assert_eq!(coarse(&history), coarse_before, "none twice");
    // An hour of which nothing was there.
    let at = MIDNIGHT + 22 * HOUR_MS;
    let samples = (0..10).map(|n| (Unix(at + n * 1000), 1.0)).collect();
    let brought = Brought { host: HOST, def: def("gauge", MetricKind::Gauge), samples };
    assert_eq!(history.import(&[brought], now_at(then)).unwrap().taken, 10);
    assert_eq!(left(dir.path())[0], 10, "they stay until the import has ended");
    kept_up(&mut history, then + HOUR_MS).unwrap();
    assert_eq!(left(dir.path()), [0, all(), all(), all()]);
    assert_eq!(coarse_frames(&history, Tier::Hours, HOST), coarse_before[1] + 10);
    is_sound(dir.path());
}

#[test]
fn the_log_of_a_server_with_little_to_do_is_empty_of_what_can_be_over() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = open(dir.path());
    let set = history.declare(HOST, &gauge_and_counter(), now_at(MIDNIGHT)).unwrap();
    let n = 5 * 24 * 12;
    for k in 0..n {
        let now = now_at(MIDNIGHT + k * 300_000);
        history.append(HOST, set, now.unix, &both(k, k), now).unwrap();
        history.sync(now).unwrap();
        for _ in 0..3 {
            history.maintain(now, 4);
        }
    }
    let mut oldest = i64::MAX;
    for path in examine::numbered(&dir.path().join("wal"), "log").unwrap().into_values() {
        let bytes = std::fs::read(&path).unwrap();
        for batch in wal::scan::Scan::of(&bytes).batches {
            oldest =
                wal::Frames::new(&bytes[batch]).map(|frame| frame.at).min().unwrap().min(oldest);
        }
    }
    let age = MIDNIGHT + n * 300_000 - oldest;
    assert!(age < 36 * HOUR_MS, "{} hours", age / HOUR_MS);
    let found = samples(&history, "gauge", MIDNIGHT, MIDNIGHT + n * 300_000).len();
    assert_eq!(i64::try_from(found), Ok(n));
}

/// Every write point of the work is in turn the last thing that happens.
#[test]
fn wherever_the_machine_dies_only_what_is_over_goes() {
    let whole = tempfile::tempdir().unwrap();
    let then = MIDNIGHT + 20 * DAY_MS;
    let mut history = History::open(whole.path(), with_exceptions()).unwrap();
    more_lived(&mut history);
    lived(&mut history, then);
    let coarse_before = coarse(&history);
    drop(history);
    // One series of some is kept longer than the rest, so all rows of the day are worked on.
    let longer: Vec<HostId> = MORE.map(HostId).chain([OTHER]).collect();
    let work = |history: &mut History| {
        history.keep(with_exceptions(), kept("gauge", 60, &longer));
        kept_up(history, then)
    };
    let is_done = |dir: &Path| {
        let rest = more_left(dir).iter().all(|left| *left == [500, 0]);
        rest && left(dir) == [0, 0, all(), 0]
    };
    let begin = |dir: &Path, plan: &Arc<FaultPlan>| {
        let disk = Disk::breaking(Arc::clone(plan));
        let mut history = History::open_on(dir, with_exceptions(), disk).unwrap();
        kept_up(&mut history, then).unwrap();
        history
    };
    let counting = FaultPlan::counting();
    let dir = damage::copy(whole.path());
    let mut history = begin(dir.path(), &counting);
    let begun = counting.points();
    work(&mut history).unwrap();
    assert!(is_done(dir.path()));
    let points = counting.points();
    assert!(points >= begun + 8, "{begun} to {points}");
    let mut met = std::collections::BTreeSet::new();
    for point in begun..points {
        for what in [Break::Crash, Break::Tear(700), Break::Full, Break::Io] {
            let dir = damage::copy(whole.path());
            let when = format!("{what:?} at {point} of {begun} to {points}");
            let mut history = begin(dir.path(), &FaultPlan::at(point, what));
            // Whether it came to an end is all the same.
            let _ended = work(&mut history);
            #[expect(clippy::mem_forget, reason = "a dead machine runs no destructors")]
            std::mem::forget(history);
            assert_eq!(left(dir.path())[2], all(), "{when}");
            let rest = more_left(dir.path());
            assert!(rest.iter().all(|left| left[0] == 500), "{when}: {rest:?}");
            met.insert(rest.iter().filter(|left| left[1] == 0).count());
            let mut history = History::open(dir.path(), with_exceptions()).unwrap();
            work(&mut history).unwrap();
            assert!(is_done(dir.path()), "{when}");
            assert_eq!(coarse(&history), coarse_before, "{when}");
            is_sound(dir.path());
        }
    }
    assert!(
        met.contains(&0) && met.contains(&20) && met.len() > 2,
        "cut off in the middle: {met:?}"
    );
}

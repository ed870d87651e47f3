//! Samples one by one, wherever they lie.

use super::*;
use crate::history::Fetched;

fn fetch(history: &History, set: SetId, from: i64, to: i64, tier: Tier) -> Vec<Fetched> {
    let wanted = [(set.number, vec![1, 0])];
    let plan = history.fetch(HOST, &wanted, Unix(from), Unix(to), tier);
    // As on another thread.
    std::thread::scope(|scope| scope.spawn(|| plan.run(&mut Readers::default())).join().unwrap())
}

fn raw(fetched: &Fetched) -> Vec<(i64, f64)> {
    match &fetched.samples {
        Kept::Samples(samples) => samples.clone(),
        Kept::Buckets(buckets) => panic!("{buckets:?}"),
    }
}

fn buckets(fetched: &Fetched) -> Vec<KeptBucket> {
    match &fetched.samples {
        Kept::Buckets(buckets) => buckets.clone(),
        Kept::Samples(samples) => panic!("{samples:?}"),
    }
}

#[test]
fn samples_come_from_chunks_blocks_and_heads_alike() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = open(dir.path());
    let set = history.declare(HOST, &gauge_and_counter(), now_at(MIDNIGHT)).unwrap();
    // Some are in chunks after this, some in blocks (written or not), the last ones in the head.
    fill(&mut history, set, MIDNIGHT, 2100);
    let end = MIDNIGHT + 2100 * 15_000;
    let all = fetch(&history, set, MIDNIGHT, end, Tier::Raw);
    assert_eq!(all.iter().map(|one| one.place).collect::<Vec<_>>(), [1, 0], "as asked");
    let expected: Vec<(i64, f64)> =
        (0..2100).map(|k| (MIDNIGHT + k * 15_000, f64::from(i32::try_from(k).unwrap()))).collect();
    assert_eq!(raw(&all[0]), expected, "counters as they count");
    assert_eq!(raw(&all[1]).len(), 2100);
    // Both ends are included.
    let some = fetch(&history, set, MIDNIGHT + 15_000, MIDNIGHT + 45_000, Tier::Raw);
    assert_eq!(raw(&some[0]), expected[1..4]);
    history.settle(now_at(end)).unwrap();
    assert_eq!(fetch(&history, set, MIDNIGHT, end, Tier::Raw), all, "all in chunks");
    // A set of another life is not there.
    assert_eq!(fetch(&history, SetId { number: 99, epoch: 1 }, 0, end, Tier::Raw), []);
}

#[test]
fn a_plan_is_of_one_moment() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = open(dir.path());
    let set = history.declare(HOST, &gauge_and_counter(), now_at(MIDNIGHT)).unwrap();
    fill(&mut history, set, MIDNIGHT, 500);
    let end = MIDNIGHT + 500 * 15_000;
    let wanted = [(set.number, vec![0])];
    let plan = history.fetch(HOST, &wanted, Unix(MIDNIGHT), Unix(end), Tier::Raw);
    // Everything moves, and the files of blocks go, before it is run.
    history.settle(now_at(end)).unwrap();
    while history.maintain(now_at(end + 120_000), 50) {}
    assert_eq!(raw(&plan.run(&mut Readers::default())[0]).len(), 500);
}

#[test]
fn buckets_are_whole_wherever_their_parts_lie() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = open(dir.path());
    let set = history.declare(HOST, &gauge_and_counter(), now_at(MIDNIGHT)).unwrap();
    fill(&mut history, set, MIDNIGHT, 2100);
    let end = MIDNIGHT + 2100 * 15_000;
    for settled in [false, true] {
        if settled {
            history.settle(now_at(end)).unwrap();
        }
        let all = fetch(&history, set, MIDNIGHT, end, Tier::Minutes);
        let counter = buckets(&all[0]);
        assert_eq!(counter.len(), 105);
        assert!(counter.iter().all(|bucket| (bucket.count - 20.0).abs() < 1e-9));
        assert!(counter.windows(2).all(|pair| pair[1].from - pair[0].from == 300_000));
        let grown: f64 = counter.iter().map(|bucket| bucket.sum).sum();
        assert!((grown - 2099.0).abs() < 1e-9, "from the first sample to the last: {grown}");
        assert_eq!((counter[1].min, counter[1].max, counter[1].last), (20.0, 39.0, 39.0));
        let gauge = buckets(&all[1]);
        assert!((gauge[1].sum - f64::from((20..40).sum::<i32>()) / 10.0).abs() < 1e-9);
    }
}

/// The growth of the hours from `from` on, in which the counter counts up by one a minute but for `missing` ones.
fn hours_grown(missing: std::ops::Range<i64>, from: i64, to: i64) -> Vec<f64> {
    let dir = tempfile::tempdir().unwrap();
    let mut history = open(dir.path());
    let now = now_at(MIDNIGHT + 5 * DAY_MS);
    #[expect(clippy::cast_precision_loss, reason = "small")]
    let samples = (0..3 * 24 * 60)
        .filter(|minute| !missing.contains(minute))
        .map(|minute| (Unix(MIDNIGHT + minute * 60_000), minute as f64))
        .collect();
    // What is imported lies in chunks of whole days.
    let brought = Brought { host: HOST, def: def("counter", MetricKind::Counter), samples };
    history.import(&[brought], now).unwrap();
    while history.maintain(now, 50) {}
    history.settle(now).unwrap();
    let (number, _) = history.catalogue.sets_of(HOST.0).next().unwrap();
    let wanted = [(number, vec![0])];
    let plan = history.fetch(HOST, &wanted, Unix(from), Unix(to), Tier::Hours);
    buckets(&plan.run(&mut Readers::default())[0]).iter().map(|bucket| bucket.sum).collect()
}

#[test]
fn a_counter_grows_over_the_ends_of_chunks_as_its_samples_do() {
    let hour = 3_600_000;
    let end = MIDNIGHT + 3 * DAY_MS;
    let all = hours_grown(0..0, MIDNIGHT, end);
    assert_eq!((all.len(), all[0]), (72, 59.0), "nothing is known of before the first sample");
    assert!(all[1..].iter().all(|grown| (grown - 60.0).abs() < 1e-9), "{all:?}");
    // Asked from the beginning of a chunk on: what it goes on from is read as well.
    let later = hours_grown(0..0, MIDNIGHT + DAY_MS, MIDNIGHT + DAY_MS + 6 * hour);
    assert!(later[1..].iter().all(|grown| (grown - 60.0).abs() < 1e-9), "{later:?}");
    // An hour without samples before midnight: nobody knows when it grew.
    let gap = hours_grown(23 * 60..24 * 60, MIDNIGHT + DAY_MS, end);
    assert!((gap[0] - 59.0).abs() < 1e-9, "{gap:?}");
}

#[test]
fn what_is_too_old_for_samples_is_read_from_what_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = open(dir.path());
    let now = Unix(MIDNIGHT + 30 * DAY_MS);
    assert_eq!(history.finest(HOST, &[], Unix(MIDNIGHT), now), Tier::Raw, "there is nothing");
    let set = history.declare(HOST, &gauge_and_counter(), now_at(MIDNIGHT)).unwrap();
    fill(&mut history, set, MIDNIGHT + 3 * DAY_MS, 1000);
    history.settle(now_at(MIDNIGHT + 4 * DAY_MS)).unwrap();
    // Before the first sample, and none was thrown away: nothing coarser knows more.
    let then = Unix(MIDNIGHT + 4 * DAY_MS);
    assert_eq!(history.finest(HOST, &[], Unix(MIDNIGHT + DAY_MS), then), Tier::Raw);
    assert_eq!(history.finest(HOST, &[], Unix(MIDNIGHT + 3 * DAY_MS), then), Tier::Raw);
    // Older than samples are kept.
    assert_eq!(history.finest(HOST, &[], Unix(MIDNIGHT), now), Tier::Minutes);
}

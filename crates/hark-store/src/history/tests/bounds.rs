//! What is old, and what is too large, goes as whole files.

use super::*;

#[test]
fn old_partitions_are_dropped_whole() {
    let dir = tempfile::tempdir().unwrap();
    let day = Duration::from_hours(24);
    let settings =
        Settings { raw: 2 * day, minutes: 20 * day, hours: 400 * day, ..Settings::default() };
    let mut history = History::open(dir.path(), settings).unwrap();
    let mut set = history.declare(HOST, &gauge_and_counter(), now_at(MIDNIGHT)).unwrap();
    for n in 0..30 {
        let begin = MIDNIGHT + n * DAY_MS;
        set = history.declare(HOST, &gauge_and_counter(), now_at(begin)).unwrap();
        fill(&mut history, set, begin, 20);
        history.settle(now_at(begin + DAY_MS - 1)).unwrap();
        history.maintain(now_at(begin + DAY_MS - 1), 1);
    }
    let end = MIDNIGHT + 30 * DAY_MS;
    assert_eq!(history.partitions.paths(Tier::Raw, MIDNIGHT, end).len(), 3);
    assert!(history.partitions.paths(Tier::Minutes, MIDNIGHT, end).len() <= 4);
    let answer = history.query(HOST, &[name("gauge")], Unix(MIDNIGHT), Unix(end), 4000);
    assert_eq!(answer.tier, Tier::Hours, "the tier that reaches back");
    assert_eq!(answer.at.first(), Some(&Unix(MIDNIGHT)));
    assert_eq!(answer.at.len(), 30);
    let _ = set;
}

#[test]
fn the_oldest_samples_go_when_history_is_too_large() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = open(dir.path());
    for n in 0..5 {
        let begin = MIDNIGHT + n * DAY_MS;
        let set = history.declare(HOST, &gauge_and_counter(), now_at(begin)).unwrap();
        fill(&mut history, set, begin, 20);
        history.settle(now_at(begin)).unwrap();
    }
    history.settings.max_bytes = 1;
    history.maintain(now_at(MIDNIGHT + 5 * DAY_MS), 1);
    let end = MIDNIGHT + 5 * DAY_MS;
    let left = history.partitions.paths(Tier::Raw, MIDNIGHT, end);
    assert_eq!(left.len(), 1, "the newest one stays");
    assert!(history.is_running());
}

/// Half a year of a host, by the upkeep of each day: what is dropped is of the tier that has a bound.
#[test]
fn the_oldest_of_a_tier_go_when_that_is_too_large() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = open(dir.path());
    let n_days = 180;
    let kept = |history: &History| {
        Tier::ALL
            .map(|tier| history.partitions.paths(tier, MIDNIGHT, MIDNIGHT + n_days * DAY_MS).len())
    };
    history.settings.raw = Duration::from_hours(24 * 400);
    let day = |history: &mut History, n: i64| {
        let begin = MIDNIGHT + n * DAY_MS;
        let set = history.declare(HOST, &gauge_and_counter(), now_at(begin)).unwrap();
        for k in 0..24 {
            let at = Unix(begin + k * 3_600_000);
            history.append(HOST, set, at, &both(k, n * 24 + k), now_at(at.0)).unwrap();
        }
        history.sync(now_at(begin + DAY_MS - 1)).unwrap();
        history.settle(now_at(begin + DAY_MS - 1)).unwrap();
        history.maintain(now_at(begin + DAY_MS - 1), 1);
    };
    for n in 0..n_days - 1 {
        day(&mut history, n);
    }
    let [raw, minutes, hours] = kept(&history);
    assert_eq!((raw, hours), (179, 2), "each day is a file, and 120 of them are one of hours");
    let before: u64 = history.status().tier_bytes[0];
    history.settings.max_tier_bytes = [Some(before / 3), None, None];
    day(&mut history, n_days - 1);
    let [fewer, same_minutes, same_hours] = kept(&history);
    let after = history.status().tier_bytes[0];
    assert!(after <= before / 3 && after > before / 4, "{before} to {after}");
    assert!((55..=60).contains(&fewer), "a third of {raw}: {fewer}");
    assert_eq!((same_minutes, same_hours), (minutes, hours), "no other tier has paid for it");
    // The newest file stays, however small the bound.
    history.settings.max_tier_bytes = [Some(1), Some(1), Some(1)];
    history.maintain(now_at(MIDNIGHT + n_days * DAY_MS + 120_000), 1);
    assert_eq!(kept(&history), [1, 1, 1]);
    assert!(history.is_running());
}

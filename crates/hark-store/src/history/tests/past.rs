//! Samples brought of the past, and everything read out again.

use std::ops::ControlFlow;

use super::*;

fn brought(name: &str, samples: &[(i64, f64)]) -> Brought {
    let samples = samples.iter().map(|(at, value)| (Unix(*at), *value)).collect();
    Brought { host: HOST, def: def(name, MetricKind::Gauge), samples }
}

/// Reads a series out of the files.
fn read(dir: &Path, metric: &str) -> Vec<(i64, f64)> {
    let mut view = View::open(dir, &|_| true).unwrap();
    let mut found = Vec::new();
    let all = (Unix(0), Unix(i64::MAX));
    let ended = view.samples(HOST, &name(metric), all, &mut |samples| {
        found.extend(samples.iter().map(|(at, value)| (at.0, *value)));
        ControlFlow::Continue(())
    });
    assert!(ended.unwrap().is_continue());
    assert_eq!(view.damaged(), 0);
    found
}

fn buckets(dir: &Path) -> u64 {
    let folder = dir.join("hours");
    let mut n = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "db") {
            continue;
        }
        let connection = rusqlite::Connection::open(path).unwrap();
        let mut statement = connection.prepare("SELECT body FROM chunk").unwrap();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let body: Vec<u8> = row.get(0).unwrap();
            n += tier::decode(&body).unwrap().frames.iter().sum::<u64>();
        }
    }
    n
}

#[test]
fn samples_of_the_past_in_any_order_and_again_are_there_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = open(dir.path());
    let now = now_at(MIDNIGHT + 10 * DAY_MS);
    #[expect(clippy::cast_precision_loss, reason = "small")]
    let all: Vec<(i64, f64)> =
        (0..9000).map(|n| (MIDNIGHT + n * 60_000, (n % 100) as f64 / 8.0)).collect();
    let mut mixed = all.clone();
    // A fixed disorder: every piece backwards, the pieces backwards.
    mixed.reverse();
    for piece in mixed.chunks_mut(700) {
        piece.reverse();
    }
    let mut taken = 0;
    for piece in mixed.chunks(1100) {
        let done = history.import(&[brought("value", piece)], now).unwrap();
        taken += done.taken;
    }
    assert_eq!(taken, 9000);
    assert_eq!(read(dir.path(), "value"), all);
    for piece in all.chunks(3000) {
        let again = history.import(&[brought("value", piece)], now).unwrap();
        assert_eq!((again.taken, again.known), (0, 3000));
    }
    assert_eq!(buckets(dir.path()), 9000, "nor are they counted twice in the coarser tiers");
    let found = examine(dir.path(), &mut |_| ControlFlow::Continue(())).unwrap();
    assert!(found.is_sound(), "{:?}", found.findings);
}

#[test]
fn values_that_came_from_the_host_itself_stay_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = open(dir.path());
    let set = history.declare(HOST, &gauge_and_counter(), now_at(MIDNIGHT)).unwrap();
    fill(&mut history, set, MIDNIGHT, 1000);
    history.settle(now_at(MIDNIGHT + 1000 * 15_000)).unwrap();
    fill(&mut history, set, MIDNIGHT + 1000 * 15_000, 70);
    let own = read(dir.path(), "gauge");
    assert_eq!(own.len(), 1070);
    // Everything once more with other values, and one in between that is new.
    let mut again: Vec<(i64, f64)> = own.iter().map(|(at, _)| (*at, 77.0)).collect();
    again.push((MIDNIGHT + 1000, 5.5));
    let now = now_at(MIDNIGHT + 1070 * 15_000);
    let done = history.import(&[brought("gauge", &again)], now).unwrap();
    assert_eq!((done.taken, done.known), (1, 1070));
    let after = read(dir.path(), "gauge");
    assert_eq!(after.len(), 1071);
    assert_eq!(after[1], (MIDNIGHT + 1000, 5.5));
    assert_eq!((after[0], &after[2..]), (own[0], &own[1..]));
}

#[test]
fn what_is_older_than_samples_are_kept_is_left_as_coarser_values_and_counted_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = open(dir.path());
    let set = history.declare(HOST, &gauge_and_counter(), now_at(MIDNIGHT)).unwrap();
    fill(&mut history, set, MIDNIGHT, 100);
    history.settle(now_at(MIDNIGHT + DAY_MS)).unwrap();
    let old = MIDNIGHT - 60 * DAY_MS;
    let begin = now_at(MIDNIGHT + 1_600_000);
    while history.maintain(begin, 10) {}
    let samples: Vec<(i64, f64)> = (0..200).map(|n| (old + n * 60_000, 4.0)).collect();
    // An hour in two batches.
    for piece in samples.chunks(90) {
        assert_eq!(history.import(&[brought("value", piece)], begin).unwrap().known, 0);
        let later = Now { mono: begin.mono + Duration::from_mins(2), unix: begin.unix };
        history.maintain(later, 10);
    }
    assert_eq!(buckets(dir.path()), 300);
    let ask = |history: &History| {
        let (from, to) = (Unix(old), Unix(old + DAY_MS));
        history.query(HOST, &[name("value")], from, to, 500)
    };
    assert!(!ask(&history).at.is_empty());
    // The oldest day is no beginning of the tier: between it and today there is nothing.
    let before = Unix(MIDNIGHT - 10 * DAY_MS);
    let recent = history.query(HOST, &[name("gauge")], before, begin.unix, 4000);
    assert_eq!(recent.tier, Tier::Minutes);
    let over = Now { mono: begin.mono + Duration::from_mins(30), unix: begin.unix };
    history.maintain(over, 10);
    assert!(read(dir.path(), "value").is_empty(), "samples expire");
    let answer = ask(&history);
    assert_eq!(answer.tier, Tier::Minutes);
    assert!(answer.lines[0].avg.iter().all(|value| (value - 4.0).abs() < 1e-9));
    let again = history.import(&[brought("value", &samples)], over).unwrap();
    assert_eq!((again.taken, again.known), (0, 200));
    assert_eq!(buckets(dir.path()), 300);
    drop(history);
    // The numbers of these rows are higher than those of all samples that are left.
    let history = open(dir.path());
    assert_eq!(buckets(dir.path()), 300, "a start takes them for no left-overs");
    assert!(!ask(&history).at.is_empty());
}

#[test]
fn values_come_back_exactly_and_what_cannot_be_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = open(dir.path());
    let now = now_at(MIDNIGHT + DAY_MS);
    let odd = [0.1, -3.25, 1e300, 123_456_789.125, f64::INFINITY, 1.0 / 3.0, 5e-324, 0.0];
    let samples: Vec<(i64, f64)> = (0..).zip(odd).map(|(n, v)| (MIDNIGHT + n * 1000, v)).collect();
    history.import(&[brought("odd", &samples)], now).unwrap();
    assert_eq!(read(dir.path(), "odd"), samples);
    let wrong = [(-5, 1.0), (MIDNIGHT + 3 * DAY_MS, 1.0), (MIDNIGHT, f64::NAN)];
    let done = history.import(&[brought("odd", &wrong)], now).unwrap();
    assert_eq!((done.taken, done.refused), (0, 3));
    let many = vec![(MIDNIGHT, 1.0); MAX_IMPORTED + 1];
    let refused = history.import(&[brought("odd", &many)], now).unwrap_err();
    assert!(matches!(refused, ImportError::Many));
}

#[test]
fn what_was_measured_together_shares_its_times_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = open(dir.path());
    let now = now_at(MIDNIGHT + 2 * DAY_MS);
    #[expect(clippy::cast_precision_loss, reason = "small")]
    let series = |factor: f64, shift: i64, n: i64| -> Vec<(i64, f64)> {
        (0..n).map(|n| (MIDNIGHT + n * 60_000 + shift, n as f64 * factor)).collect()
    };
    let all = [
        ("a", series(0.25, 0, 2000)),
        // No decimal numbers, which are kept as they are.
        ("b", series(1.0 / 3.0, 0, 2000)),
        ("later", series(1.0, 1, 2000)),
        ("few", series(1.0, 7, 100)),
        ("few-too", series(2.0, 7, 100)),
    ];
    let batch: Vec<Brought> = all.iter().map(|(name, samples)| brought(name, samples)).collect();
    let done = history.import(&batch, now).unwrap();
    assert_eq!((done.taken, done.known, done.refused), (6200, 0, 0));
    let mut sets: Vec<Vec<String>> = history
        .catalogue
        .sets_of(HOST.0)
        .map(|(_, defs)| defs.iter().map(|def| def.name.metric.clone()).collect())
        .collect();
    sets.sort();
    assert_eq!(sets, [vec!["a", "b"], vec!["few"], vec!["few-too"], vec!["later"]]);
    for (name, samples) in &all {
        assert_eq!(&read(dir.path(), name), samples, "{name}");
    }
    // Two days of each but the few.
    assert_eq!(buckets(dir.path()), 2000 + 2000 + 200);
    let again = history.import(&batch, now).unwrap();
    assert_eq!((again.taken, again.known), (0, 6200));
    let found = examine(dir.path(), &mut |_| ControlFlow::Continue(())).unwrap();
    assert!(found.is_sound(), "{:?}", found.findings);
}

#[test]
fn a_series_that_cannot_be_is_named_also_among_others_of_its_times() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = open(dir.path());
    let now = now_at(MIDNIGHT + DAY_MS);
    let samples: Vec<(i64, f64)> = (0..300).map(|n| (MIDNIGHT + n * 1000, 1.0)).collect();
    let long = "x".repeat(4000);
    let batch = [brought("a", &samples), brought(&long, &samples), brought("b", &samples)];
    let refused = history.import(&batch, now).unwrap_err();
    assert!(matches!(&refused, ImportError::Series(path, _) if path.contains(&long)), "{refused}");
    // The same one twice is no set, and no mistake.
    let twice = [brought("a", &samples), brought("a", &samples), brought("b", &samples)];
    history.import(&twice, now).unwrap();
    assert_eq!(read(dir.path(), "a"), samples);
    assert_eq!(read(dir.path(), "b"), samples);
}

#[test]
fn a_view_sees_what_is_in_the_log_in_blocks_and_in_chunks_while_they_move() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = open(dir.path());
    let set = history.declare(HOST, &gauge_and_counter(), now_at(MIDNIGHT)).unwrap();
    fill(&mut history, set, MIDNIGHT, 7000);
    history.level0.sync().unwrap();
    let end = now_at(MIDNIGHT + 7000 * 15_000);
    let mut view = View::open(dir.path(), &|host| host == HOST).unwrap();
    // All that was loose becomes chunks between the opening and the reading.
    history.settle(end).unwrap();
    let mut found = Vec::new();
    let names: Vec<_> = view.series_of(HOST).into_iter().map(|def| def.name).collect();
    assert_eq!(names, [name("counter"), name("gauge")]);
    let times = (Unix(MIDNIGHT + 15_000), Unix(MIDNIGHT + 6999 * 15_000));
    let ended = view.samples(HOST, &name("gauge"), times, &mut |samples| {
        found.extend(samples.iter().map(|(at, _)| at.0));
        ControlFlow::Continue(())
    });
    assert!(ended.unwrap().is_continue());
    assert_eq!(found, (1..6999).map(|n| MIDNIGHT + n * 15_000).collect::<Vec<_>>());
    assert_eq!(read(dir.path(), "gauge").len(), 7000);
}

//! What other programs bring of one time comes in pieces.

use super::*;

fn some(gauge: Option<i64>, counter: Option<i64>) -> Vec<u8> {
    let item = |value: Option<i64>| value.map_or(Item::Absent, Item::Scaled);
    frame(&[item(gauge), item(counter)])
}

#[test]
fn pieces_of_one_time_complete_each_other_wherever_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = open(dir.path());
    let set = history.declare(HOST, &gauge_and_counter(), now_at(MIDNIGHT)).unwrap();
    let end = MIDNIGHT + 300_000;
    let now = now_at(end);
    let put = |history: &mut History, n: i64, values: Vec<u8>| {
        history.append(HOST, set, Unix(MIDNIGHT + n * 1000), &values, now).unwrap();
        history.sync(now).unwrap();
    };
    let line = |history: &History, metric: &str| -> Vec<(i64, i64)> {
        let all = samples(history, metric, MIDNIGHT, end);
        #[expect(clippy::cast_possible_truncation, reason = "small whole numbers")]
        all.into_iter().map(|(at, value)| ((at - MIDNIGHT) / 1000, (value * 10.0) as i64)).collect()
    };
    put(&mut history, 0, some(Some(1), None));
    put(&mut history, 0, some(None, Some(5)));
    assert_eq!(line(&history, "gauge"), [(0, 1)], "both in the head");
    let latest: Vec<f64> = history.latest(HOST).iter().map(|l| l.value * 10.0).collect();
    assert_eq!(latest, [5.0, 1.0], "the newest values are those of all pieces");
    put(&mut history, 1, some(Some(2), None));
    history.settle(now).unwrap();
    put(&mut history, 1, some(Some(9), Some(6)));
    assert_eq!(line(&history, "gauge"), [(0, 1), (1, 2)], "one in a chunk, one in the head");
    history.settle(now).unwrap();
    put(&mut history, 1, some(Some(9), Some(9)));
    history.settle(now).unwrap();
    assert_eq!(line(&history, "gauge"), [(0, 1), (1, 2)], "in two chunks; the first value counts");
    let counters = |history: &History| {
        let plan = history.plan(HOST, &[name("counter")], Unix(MIDNIGHT), Unix(end), 300);
        plan.run().lines[0].avg.clone()
    };
    // From 0.5 to 0.6 within a second.
    let [rate] = counters(&history)[..] else { panic!("{:?}", counters(&history)) };
    assert!((rate - 0.1).abs() < 1e-9, "{rate}");
    drop(history);
    let mut history = open(dir.path());
    while history.maintain(now, 4) {}
    assert_eq!(line(&history, "gauge"), [(0, 1), (1, 2)], "after a start as well");
    assert_eq!(history.status().counts.damaged, 0);
}

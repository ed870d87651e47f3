#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::float_cmp,
    reason = "small numbers of a test, which are exact"
)]

use proptest::prelude::*;

use super::*;

const START: i64 = 1_700_000_000_000;
const SPACING: Duration = Duration::from_secs(15);

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn at(seconds: i64) -> Unix {
    Unix(START + seconds * 1000)
}

fn fed(over: u64, by: By, values: &[(i64, f64)]) -> Window {
    let mut window = Window::new(secs(over), by);
    for (seconds, value) in values {
        window.push(at(*seconds), *value);
    }
    window
}

fn read(over: u64, by: By, values: &[(i64, f64)]) -> f64 {
    fed(over, by, values).read(by, SPACING).map_or(f64::NAN, |reading| reading.value)
}

#[test]
fn each_word_is_what_it_says() {
    let values = [(0, 4.0), (15, 1.0), (30, 9.0), (45, 2.0)];
    for (by, expected) in [
        ("avg", 4.0),
        ("min", 1.0),
        ("max", 9.0),
        ("sum", 16.0),
        ("count", 4.0),
        ("p50", 3.0),
        ("p100", 9.0),
        ("delta", -2.0),
        // 4, then a fall: it began again and counted 1, then 8 more, then again a fall and 2.
        ("rate", 11.0 / 45.0),
    ] {
        let by = By::parse(by).unwrap();
        assert!((read(600, by, &values) - expected).abs() < 1e-12, "{by:?}");
    }
}

#[test]
fn words_are_read_as_they_are_written() {
    for word in ["avg", "min", "max", "sum", "count", "rate", "delta", "p95", "p99.9", "p0"] {
        assert_eq!(By::parse(word).unwrap().word(), word);
    }
    for word in ["", "mean", "p", "p101", "p-1", "pNaN", "95"] {
        assert_eq!(By::parse(word), None, "{word}");
    }
}

#[test]
fn what_is_older_than_the_window_is_gone() {
    let values = [(0, 100.0), (30, 1.0), (60, 2.0), (90, 3.0)];
    assert!((read(60, By::Avg, &values) - 2.5).abs() < 1e-12);
    assert!((read(61, By::Avg, &values) - 2.0).abs() < 1e-12);
}

#[test]
fn one_value_is_no_growth_and_none_is_nothing() {
    assert!(read(600, By::Rate, &[(0, 4.0)]).is_nan());
    assert!(read(600, By::Delta, &[(0, 4.0)]).is_nan());
    assert_eq!(Window::new(secs(60), By::Avg).read(By::Avg, SPACING), None);
}

#[test]
fn values_that_are_late_double_or_no_number_are_left_out() {
    let values = [(30, 5.0), (30, 90.0), (10, 90.0), (45, f64::NAN), (60, 7.0)];
    let window = fed(600, By::Max, &values);
    let reading = window.read(By::Max, SPACING).unwrap();
    assert_eq!((reading.value, reading.values), (7.0, 2));
}

#[test]
fn a_long_window_keeps_sixty_points_and_its_extremes() {
    let values: Vec<(i64, f64)> =
        (0..5760).map(|n| (n * 15, if n == 3000 { 99.0 } else { 10.0 })).collect();
    for by in [By::Avg, By::Max, By::Min, By::Count, By::Sum] {
        let window = fed(86_400, by, &values);
        assert!(window.len() <= 61, "{}", window.len());
        let reading = window.read(by, SPACING).unwrap();
        assert_eq!(reading.values, 5760, "{by:?}");
        assert!(reading.covered > 0.98, "{}", reading.covered);
    }
    assert_eq!(read(86_400, By::Max, &values), 99.0);
    assert_eq!(read(86_400, By::Min, &values), 10.0);
    assert!((read(86_400, By::Avg, &values) - (10.0 + 89.0 / 5760.0)).abs() < 1e-9);
    assert!((read(86_400, By::Sum, &values) - 57_689.0).abs() < 1e-6);
}

#[test]
fn how_much_of_it_is_covered_goes_by_the_usual_distance() {
    let full: Vec<(i64, f64)> = (0..40).map(|n| (n * 15, 1.0)).collect();
    let covered = |values: &[(i64, f64)]| fed(600, By::Avg, values).covered(SPACING);
    assert!((covered(&full) - 1.0).abs() < 1e-9);
    // Eight minutes without values: of ten minutes two are covered, whatever came before.
    let mut gap: Vec<(i64, f64)> = (0..10).map(|n| (n * 15, 1.0)).collect();
    gap.extend((0..8).map(|n| (630 + n * 15, 1.0)));
    assert!((covered(&gap) - 0.225).abs() < 0.03, "{}", covered(&gap));
    assert!((covered(&[(0, 1.0)]) - 0.025).abs() < 1e-9, "a single one stands for the spacing");
}

#[test]
fn what_history_has_is_put_in_front_and_nothing_counts_twice() {
    let all: Vec<(i64, f64)> = (0..40).map(|n| (n * 15, f64::from(n as i32 % 7))).collect();
    let past: Vec<(Unix, f64)> = all.iter().take(30).map(|(s, v)| (at(*s), *v)).collect();
    for by in [By::Avg, By::Min, By::Max, By::Sum, By::Count, By::Quantile(0.9), By::Delta] {
        let whole = fed(600, by, &all);
        // History was read late: five values are here already that it has as well.
        let mut late = fed(600, by, &all[25..]);
        late.recall(&past);
        assert_eq!(late.read(by, SPACING), whole.read(by, SPACING), "{by:?}");
    }
}

#[test]
fn a_counter_goes_on_where_history_ends() {
    // The counter began again at zero while the server was away: history counts on.
    let past: Vec<(Unix, f64)> = (0..30).map(|n| (at(n * 15), 1000.0 + n as f64 * 30.0)).collect();
    let mut window = Window::new(secs(600), By::Rate);
    for n in 25..40 {
        window.push(at(n * 15), 7.0 + n as f64 * 30.0);
    }
    window.recall(&past);
    let reading = window.read(By::Rate, SPACING).unwrap();
    assert!((reading.value - 2.0).abs() < 1e-9, "{reading:?}");
    assert_eq!(reading.values, 40);
    // And goes on counting.
    window.push(at(600), 7.0 + 40.0 * 30.0);
    assert!((window.read(By::Rate, SPACING).unwrap().value - 2.0).abs() < 1e-9);
}

#[test]
fn history_alone_fills_an_empty_window() {
    let past: Vec<(Unix, f64)> = (0..200).map(|n| (at(n * 15), n as f64)).collect();
    let mut window = Window::new(secs(600), By::Delta);
    window.recall(&past);
    assert_eq!(window.len(), 40);
    assert_eq!(window.read(By::Delta, SPACING).unwrap().value, 39.0);
    window.recall(&[]);
    assert_eq!(window.len(), 40, "and an empty answer takes nothing away");
}

#[test]
fn a_point_is_sixteen_bytes() {
    assert_eq!(size_of::<Slot>(), 16);
    let slot = Slot::new(START, 3, 1.0);
    assert_eq!((slot.at(), slot.count()), (START, 3));
    assert_eq!(Slot::new(START, u64::MAX, 1.0).at(), START, "a count never reaches the time");
}

proptest! {
    /// Below sixty values a window is exact: it says what all of them say.
    #[test]
    fn short_windows_are_exact(
        values in prop::collection::vec((15i64..600, -1e6f64..1e6), 1..120),
        over in 900u64..3600,
    ) {
        let mut now = 0;
        let all: Vec<(i64, f64)> = values
            .iter()
            .map(|(gap, value)| {
                // Never nearer than a sixtieth of the window.
                now += gap.max(&(over as i64 / 60 + 1));
                (now, *value)
            })
            .collect();
        let held: Vec<f64> =
            all.iter().filter(|(s, _)| *s > now - over as i64).map(|(_, v)| *v).collect();
        let n = held.len() as f64;
        prop_assert_eq!(read(over, By::Count, &all), n);
        let mean = held.iter().sum::<f64>() / n;
        prop_assert!((read(over, By::Avg, &all) - mean).abs() <= 1e-6);
        prop_assert_eq!(read(over, By::Max, &all), held.iter().copied().fold(f64::MIN, f64::max));
        prop_assert_eq!(read(over, By::Min, &all), held.iter().copied().fold(f64::MAX, f64::min));
    }

    /// However many values come, a window stays small, its points ascend, and its extremes enclose the rest.
    #[test]
    fn windows_are_bounded(
        values in prop::collection::vec((1i64..100_000, -1e9f64..1e9), 1..2000),
        over_s in 1u64..1_000_000,
    ) {
        let mut windows = [By::Min, By::Avg, By::Quantile(0.3), By::Max]
            .map(|by| (by, Window::new(secs(over_s), by)));
        let mut now = START;
        for (gap, value) in &values {
            now += gap;
            for (_, window) in &mut windows {
                window.push(Unix(now), *value);
            }
        }
        let read = windows.map(|(by, window)| {
            assert!(window.len() <= 62, "{}", window.len());
            assert!(window.points().zip(window.points().skip(1)).all(|((a, _), (b, _))| a < b));
            window.read(by, SPACING).unwrap()
        });
        let [least, mean, some, most] = read.map(|reading| reading.value);
        let slack = 1e-3;
        prop_assert!(least <= mean + slack && mean <= most + slack);
        prop_assert!(least <= some + slack && some <= most + slack);
    }
}

#![expect(clippy::cast_precision_loss, reason = "small numbers of a test")]

use proptest::prelude::*;

use super::*;

const START: i64 = 1_700_000_000_000;
const MINUTE: i64 = 60_000;

/// Points six minutes apart: sixty of them are six hours.
fn points(values: impl IntoIterator<Item = f64>) -> Vec<(Unix, f64)> {
    (0..).zip(values).map(|(n, value)| (Unix(START + n * 6 * MINUTE), value)).collect()
}

fn hours(per_hour: f64) -> f64 {
    per_hour / 3600.0
}

/// Numbers between -1 and 1 that look like chance and are the same each time.
fn noise(seed: u64) -> impl Iterator<Item = f64> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / f64::from(1 << 23) - 1.0
    })
}

fn in_hours(outlook: Outlook) -> f64 {
    match outlook {
        Outlook::Reached => 0.0,
        Outlook::Reaches { in_s, .. } => in_s / 3600.0,
        Outlook::Quiet(..) => f64::INFINITY,
    }
}

fn full(values: impl IntoIterator<Item = f64>) -> Outlook {
    let points = points(values);
    let newest = points.last().unwrap().1;
    outlook(&points, newest, Toward::Up(100.0), &Teeth::default(), false)
}

#[test]
fn the_line_is_that_of_the_definition() {
    // By hand: the slopes of the 28 pairs of (0,0) (1,1) (2,4) (3,3) (4,4) (5,20) (6,6) (7,7) are, in order, -14
    // -6.5 -1 0 0.5 0.6, fifteen times 1, then 2 3 4 4.75 5.33 8.5 16: the 14th and the 15th are 1. Values less
    // slope times time, seen from the last point, are 7 7 9 7 7 22 7 7: their median is 7.
    let values = [0.0, 1.0, 4.0, 3.0, 4.0, 20.0, 6.0, 7.0];
    let at: Vec<(Unix, f64)> =
        (0..).zip(values).map(|(n, v)| (Unix(START + n * 1000), v)).collect();
    let fit = theil_sen(&at).unwrap();
    assert!((fit.slope - 1.0).abs() < 1e-12, "{fit:?}");
    assert!((fit.level - 7.0).abs() < 1e-12, "{fit:?}");
    assert_eq!((fit.points, fit.span_s, fit.scatter), (8, 7.0, 0.0));
    assert!((fit.value_at(Unix(START + 17_000)) - 17.0).abs() < 1e-9);
}

#[test]
fn too_few_points_make_no_line() {
    assert_eq!(theil_sen(&points((0..7).map(f64::from))), None);
    assert_eq!(theil_sen(&[]), None);
    assert!(theil_sen(&points((0..8).map(f64::from))).is_some());
}

#[test]
fn what_grows_steadily_is_full_in_time() {
    // 2 an hour from 80 on: at the 60th point 91.8, so in 4.1 hours.
    let found = in_hours(full((0..60).map(|n| 80.0 + 0.2 * f64::from(n))));
    assert!((found - 4.1).abs() < 1e-6, "{found}");
    // With noise of half a percent nearly the same.
    let noisy = (0..60).zip(noise(7)).map(|(n, e)| 80.0 + 0.2 * f64::from(n) + e * 0.5);
    let found = in_hours(full(noisy));
    assert!((3.4..4.8).contains(&found), "{found}");
}

#[test]
fn what_is_full_is_full() {
    assert_eq!(full([100.0; 60]), Outlook::Reached);
    assert_eq!(full([101.0]), Outlook::Reached);
}

#[test]
fn a_single_jump_is_no_growth() {
    for at in [3, 20, 30, 40, 50, 57] {
        for (from, to) in [(40.0, 90.0), (88.0, 92.0), (90.0, 40.0)] {
            let step = (0..60).map(|n| if n < at { from } else { to });
            let found = full(step.clone());
            assert!(matches!(found, Outlook::Quiet(..)), "{at}: {found:?}");
            let noisy = step.zip(noise(at)).map(|(v, e)| v + e * 0.3);
            let found = full(noisy);
            assert!(matches!(found, Outlook::Quiet(..)), "{at}, noisy: {found:?}");
        }
    }
    // A jump within steady growth leaves the growth what it is.
    let values = (0..60).map(|n| 60.0 + 0.2 * f64::from(n) + if n > 45 { 10.0 } else { 0.0 });
    let Outlook::Reaches { fit, .. } = full(values) else { panic!("it grows") };
    assert!((fit.slope - hours(2.0)).abs() < hours(0.2), "{fit:?}");
}

#[test]
fn noise_and_flat_lines_say_nothing() {
    assert_eq!(full([50.0; 60]), Outlook::Quiet(Quiet::Still, theil_sen(&points([50.0; 60]))));
    for seed in 0..200 {
        let found = full(noise(seed).take(60).map(|e| 95.0 + e * 4.0));
        assert!(matches!(found, Outlook::Quiet(..)), "{seed}: {found:?}");
    }
}

#[test]
fn growth_that_has_ended_says_nothing_and_that_which_began_does() {
    let ended = (0..60).map(|n| 80.0 + 0.4 * f64::from(n.min(38)));
    assert!(matches!(full(ended), Outlook::Quiet(Quiet::Stopped, Some(_))));
    // Two hours of growth after four of none: 10 an hour, 18.5 are done, so full in about 1.2 hours.
    let began = (0..60).map(|n| 70.0 + f64::from((n - 41_i32).max(0)));
    let found = in_hours(full(began));
    assert!((found - 1.2).abs() < 0.2, "{found}");
}

#[test]
fn what_falls_runs_dry() {
    let falling = points((0..60).map(|n| 40.0 - 0.5 * f64::from(n)));
    let newest = falling[59].1;
    let found = outlook(&falling, newest, Toward::Down(0.0), &Teeth::default(), false);
    assert!((in_hours(found) - 2.1).abs() < 1e-6, "{found:?}");
    let found = outlook(&falling, newest, Toward::Up(100.0), &Teeth::default(), false);
    assert!(matches!(found, Outlook::Quiet(Quiet::Away, Some(_))));
}

#[test]
fn a_daily_sawtooth_does_not_fill_up() {
    // Up from 45 to 95 within each day, back at midnight; looked at each hour over six hours.
    let value = |minute: i64| 45.0 + 50.0 * (minute.rem_euclid(1440)) as f64 / 1440.0;
    let mut teeth = Teeth::default();
    let mut said = Vec::new();
    for minute in (0..8 * 1440_i64).step_by(6) {
        teeth.push(Unix(START + minute * MINUTE), value(minute));
        if minute % 60 != 0 || minute < 360 {
            continue;
        }
        let window: Vec<(Unix, f64)> = (0..60)
            .rev()
            .map(|n| minute - n * 6)
            .map(|minute| (Unix(START + minute * MINUTE), value(minute)))
            .collect();
        let found = outlook(&window, value(minute), Toward::Up(100.0), &teeth, false);
        if in_hours(found) < 4.0 {
            said.push(minute / 1440);
        }
    }
    // On the first days nobody can know: it has come back twice only on the third.
    assert!(said.iter().all(|day| *day < 2), "{said:?}");
    assert!(!said.is_empty(), "on the first evening it looks as if it would be full");
}

#[test]
fn a_forecast_is_kept_while_it_becomes_less_clear() {
    let values: Vec<f64> =
        (0..60).zip(noise(5)).map(|(n, e)| 80.0 + 0.1 * f64::from(n) + e * 2.5).collect();
    let points = points(values);
    let clear = theil_sen(&points).unwrap().clearness();
    assert!((CLEAR / 2.0..CLEAR).contains(&clear), "{clear}");
    assert!(steady(&points, false).is_err());
    assert!(steady(&points, true).is_ok());
}

proptest! {
    /// Whatever up to a quarter of the points are, the slope of the others is found.
    #[test]
    fn a_quarter_of_the_points_may_be_anything(
        slope in -10.0f64..10.0,
        wild in prop::collection::btree_map(0usize..60, -1e6f64..1e6, 0..9),
    ) {
        let mut values: Vec<f64> = (0..60).map(|n| 50.0 + slope * f64::from(n) * 0.1).collect();
        for (at, value) in &wild {
            values[*at] = *value;
        }
        let fit = theil_sen(&points(values)).unwrap();
        prop_assert!((fit.slope - hours(slope)).abs() < 1e-6, "{:?}", fit);
    }

    /// Shifted and stretched values give a shifted and stretched line, and never a number that is none.
    #[test]
    fn lines_go_with_their_points(
        values in prop::collection::vec(-1e3f64..1e3, 8..60),
        by in -1e3f64..1e3,
        times in 0.1f64..10.0,
    ) {
        let one = theil_sen(&points(values.clone())).unwrap();
        let other = theil_sen(&points(values.iter().map(|v| v * times + by))).unwrap();
        prop_assert!((other.slope - one.slope * times).abs() < 1e-6);
        prop_assert!((other.level - (one.level * times + by)).abs() < 1e-6);
        prop_assert!(one.surely.is_finite() && !one.clearness().is_nan());
    }

    /// Nothing is expected in the past, and nothing of what moves away.
    #[test]
    fn outlooks_are_in_the_future(values in prop::collection::vec(0.0f64..99.0, 1..60)) {
        let points = points(values);
        let newest = points.last().unwrap().1;
        for toward in [Toward::Up(99.5), Toward::Down(-0.5)] {
            match outlook(&points, newest, toward, &Teeth::default(), true) {
                Outlook::Reached => prop_assert!(false, "{newest} is not there"),
                Outlook::Reaches { in_s, fit } => {
                    prop_assert!(in_s > 0.0 && fit.slope * toward.sign() > 0.0);
                }
                Outlook::Quiet(..) => {}
            }
        }
    }
}

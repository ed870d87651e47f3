//! When something that grows will be at its bound.
//!
//! The slope is the median of the slopes between all pairs of points (Theil, 1950; Sen, 1968): a file
//! that was deleted, or one wrong value, moves it little, where a straight line by least squares would
//! follow it.

use hark_model::Unix;

/// A value at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// When.
    pub at: Unix,
    /// What.
    pub value: f64,
}

/// So many points are looked at; of more, every second one and so on. The work is its square.
const MOST: usize = 128;

/// Fewer points say nothing.
const LEAST: usize = 8;

/// Returns when `points`, in the order of time, will reach `bound` from below if they go on as they
/// did; `None` if they do not rise, there are too few of them, or it is further away than the points
/// go back ten times: a line is no prophecy.
pub fn crossing(points: &[Point], bound: f64) -> Option<Unix> {
    let step = points.len().div_ceil(MOST).max(1);
    let few: Vec<Point> =
        points.iter().rev().step_by(step).filter(|p| p.value.is_finite()).copied().collect();
    let (newest, oldest) = (few.first()?, few.last()?);
    if few.len() < LEAST {
        return None;
    }
    let mut slopes = Vec::with_capacity(few.len() * few.len() / 2);
    for (place, later) in few.iter().enumerate() {
        for earlier in few.iter().skip(place + 1) {
            let seconds = later.at.since(earlier.at).as_secs_f64();
            if seconds > 0.0 {
                slopes.push((later.value - earlier.value) / seconds);
            }
        }
    }
    let slope = median(&mut slopes)?;
    if slope <= 0.0 {
        return None;
    }
    // The line goes through the median of what is left over, so that one last wrong value does not
    // shift it either.
    let mut heights: Vec<f64> =
        few.iter().map(|p| p.value + slope * newest.at.since(p.at).as_secs_f64()).collect();
    let level = median(&mut heights)?;
    let seconds = ((bound - level) / slope).max(0.0);
    let seen = newest.at.since(oldest.at);
    let away = std::time::Duration::try_from_secs_f64(seconds).ok()?;
    (away <= seen * 10).then(|| newest.at + away)
}

fn median(values: &mut [f64]) -> Option<f64> {
    let middle = values.len() / 2;
    if values.is_empty() {
        return None;
    }
    let (_, value, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    Some(*value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hourly(values: impl IntoIterator<Item = f64>) -> Vec<Point> {
        let at = |n: i64| Unix(1_000_000_000_000 + n * 3_600_000);
        (0..).map(at).zip(values).map(|(at, value)| Point { at, value }).collect()
    }

    fn hours(points: &[Point], bound: f64) -> Option<f64> {
        let found = crossing(points, bound)?;
        Some(found.since(points.last().unwrap().at).as_secs_f64() / 3600.0)
    }

    #[test]
    fn a_straight_line_is_followed() {
        let points = hourly((0..100).map(|n| f64::from(n) * 0.5));
        let left = hours(&points, 100.0).unwrap();
        assert!((left - 101.0).abs() < 0.01, "{left}");
    }

    #[test]
    fn wrong_values_and_a_deleted_file_change_little() {
        let mut values: Vec<f64> = (0..100).map(|n| f64::from(n) * 0.5).collect();
        values[20] = 1e9;
        values[60] = 0.0;
        values[99] = 99.0;
        let left = hours(&hourly(values), 100.0).unwrap();
        assert!((left - 101.0).abs() < 2.0, "{left}");
    }

    #[test]
    fn what_stands_falls_or_is_far_away_runs_out_never() {
        assert_eq!(hours(&hourly((0..100).map(|_| 50.0)), 100.0), None);
        assert_eq!(hours(&hourly((0..100).map(|n| 50.0 - f64::from(n))), 100.0), None);
        assert_eq!(hours(&hourly((0..100).map(|n| f64::from(n) * 0.001)), 100.0), None);
        assert_eq!(hours(&hourly((0..7).map(f64::from)), 100.0), None);
        assert_eq!(crossing(&[], 100.0), None);
    }

    #[test]
    fn what_is_over_its_bound_is_there_now() {
        let left = hours(&hourly((0..100).map(|n| 60.0 + f64::from(n) * 0.5)), 100.0).unwrap();
        assert!(left.abs() < 1e-9, "{left}");
    }

    #[test]
    fn many_points_are_thinned_and_say_the_same() {
        let points = hourly((0..5000).map(|n| f64::from(n) * 0.01));
        let left = hours(&points, 100.0).unwrap();
        assert!((left - 5001.0).abs() < 1.0, "{left}");
    }
}

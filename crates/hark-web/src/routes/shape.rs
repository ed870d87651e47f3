//! How series are answered: at which points, what stands where there is no value, and which of several.
//!
//! What history answers is taken and put in form here: nothing below knows of it.

use std::cmp::Ordering;

use hark_api::series::{By, DEFAULT_POINTS, Fill, MAX_POINTS, Series};
use hark_model::{HostName, Unix};

use crate::backend::{Answer, Backend, SeriesOrder};
use crate::failure::{Failure, Reply};

/// The form that is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shape {
    step_ms: Option<i64>,
    fill: Fill,
    top: Option<usize>,
    by: By,
}

impl Shape {
    /// Reads it, for the time from `from` to `to`.
    pub(super) fn new(
        (step, fill, top, by): (Option<u32>, Option<Fill>, Option<u32>, Option<By>),
        (from, to): (Unix, Unix),
        most: usize,
    ) -> Reply<Self> {
        if step == Some(0) {
            return Err(Failure::field("step", "give at least a second"));
        }
        let step_ms = step.map(|step| i64::from(step) * 1000);
        if step_ms.is_some_and(|step| n_points(aligned(from, to, step), step) > MAX_POINTS) {
            let text = format!("these are more than {MAX_POINTS} points: ask for a longer step");
            return Err(Failure::field("step", text));
        }
        let top = top.map(|top| usize::try_from(top).unwrap_or(usize::MAX));
        if top.is_some_and(|top| top == 0 || top > most) {
            return Err(Failure::field("top", format!("give 1 to {most}")));
        }
        Ok(Self { step_ms, fill: fill.unwrap_or_default(), top, by: by.unwrap_or_default() })
    }

    /// Returns how many are wanted.
    pub(super) fn top(&self) -> Option<usize> {
        self.top
    }

    /// Asks for the series of a host, as they are: [`Shape::finish`] is still to come.
    pub(super) fn ask(
        &self,
        backend: &dyn Backend,
        host: &HostName,
        order: &SeriesOrder,
    ) -> Answer<Series> {
        let Some(mut step) = self.step_ms else { return backend.series(host, order) };
        loop {
            let (from, to) = aligned(order.from, order.to, step);
            let points = n_points((from, to), step);
            let asked = SeriesOrder { from, to, points, ..order.clone() };
            let series = backend.series(host, &asked)?;
            // Values that are kept in a coarser form have its step: then these are aligned.
            let found = step_of(&series);
            if found <= step || series.at_unix_s.is_empty() {
                return Ok(series);
            }
            step = found;
        }
    }

    /// Fills what is not there.
    pub(super) fn finish(&self, series: &mut Series, order: &SeriesOrder) {
        let step = step_of(series);
        if self.fill == Fill::None || step <= 0 {
            return;
        }
        let (from, to) = match self.step_ms {
            Some(_) => aligned(order.from, order.to, step),
            None => (order.from, order.to),
        };
        let count = usize::try_from(n_points((from, to), step)).unwrap_or(0);
        let at = |n: i64| Unix(from.0.saturating_add(n.saturating_mul(step))).seconds();
        let grid: Vec<i64> = (0i64..).take(count).map(at).collect();
        for columns in [&mut series.min, &mut series.avg, &mut series.max] {
            for column in columns {
                *column = filled(&series.at_unix_s, column, &grid, self.fill);
            }
        }
        series.at_unix_s = grid;
    }

    /// Leaves the series with the highest values, the highest first.
    pub(super) fn choose(&self, series: &mut Series) {
        fn pick<T: Clone>(all: &[T], places: &[usize]) -> Vec<T> {
            places.iter().filter_map(|place| all.get(*place).cloned()).collect()
        }
        let Some(top) = self.top else { return };
        let mut places: Vec<usize> = (0..series.names.len()).collect();
        places.sort_by(|a, b| higher(self.height(series, *a), self.height(series, *b)));
        places.truncate(top);
        series.names = pick(&series.names, &places);
        series.units = pick(&series.units, &places);
        series.kinds = pick(&series.kinds, &places);
        series.min = pick(&series.min, &places);
        series.avg = pick(&series.avg, &places);
        series.max = pick(&series.max, &places);
        let names = &series.names;
        series.limits.retain(|name, _| names.contains(name));
    }

    /// Returns by what a series is compared; one without any value is below all others.
    pub(super) fn height(&self, series: &Series, place: usize) -> f64 {
        let column = series.avg.get(place).map_or(&[][..], Vec::as_slice);
        let values = || column.iter().flatten().copied();
        let found = match self.by {
            By::Max => values().reduce(f64::max),
            By::Min => values().reduce(f64::min),
            By::Last => values().next_back(),
            By::Avg => {
                #[expect(clippy::cast_precision_loss, reason = "some thousands")]
                let count = values().count() as f64;
                (count > 0.0).then(|| values().sum::<f64>() / count)
            }
        };
        found.unwrap_or(f64::NEG_INFINITY)
    }
}

/// Compares two heights: the higher one comes first.
pub(super) fn higher(a: f64, b: f64) -> Ordering {
    b.total_cmp(&a)
}

/// How many points a chart has at most.
pub(super) fn points(asked: Option<u32>) -> u32 {
    asked.unwrap_or(DEFAULT_POINTS).clamp(1, MAX_POINTS)
}

/// Returns the multiples of `step` around a time.
fn aligned(from: Unix, to: Unix, step: i64) -> (Unix, Unix) {
    let floor = |at: i64| at.div_euclid(step).saturating_mul(step);
    (Unix(floor(from.0)), Unix(floor(to.0.saturating_add(step - 1))))
}

/// Returns how many steps there are; more than can be counted is as bad as too many.
fn n_points((from, to): (Unix, Unix), step: i64) -> u32 {
    let span = to.0.saturating_sub(from.0).max(1);
    u32::try_from(span / step + i64::from(span % step != 0)).unwrap_or(u32::MAX)
}

#[expect(clippy::cast_possible_truncation, reason = "at most ten years")]
fn step_of(series: &Series) -> i64 {
    (series.step_s * 1000.0).round() as i64
}

/// Puts a column on a grid whose points are those of `at` and others between them.
fn filled(at: &[i64], column: &[Option<f64>], grid: &[i64], fill: Fill) -> Vec<Option<f64>> {
    let mut known = at.iter().zip(column).peekable();
    let mut on_grid: Vec<Option<f64>> = Vec::with_capacity(grid.len());
    for point in grid {
        while known.next_if(|(at, _)| *at < point).is_some() {}
        on_grid.push(known.next_if(|(at, _)| *at == point).and_then(|(_, value)| *value));
    }
    match fill {
        Fill::None | Fill::Null => on_grid,
        Fill::Zero => on_grid.into_iter().map(|value| Some(value.unwrap_or(0.0))).collect(),
        Fill::Previous => {
            let mut last = None;
            on_grid
                .into_iter()
                .map(|value| {
                    last = value.or(last);
                    last
                })
                .collect()
        }
        Fill::Linear => with_lines(on_grid),
    }
}

/// Draws lines through what is between two values.
fn with_lines(mut column: Vec<Option<f64>>) -> Vec<Option<f64>> {
    let mut before: Option<(usize, f64)> = None;
    for place in 0..column.len() {
        let Some(value) = column.get(place).copied().flatten() else { continue };
        if let Some((first, height)) = before {
            let gap = column.get_mut(first + 1..place).unwrap_or_default();
            #[expect(clippy::cast_precision_loss, reason = "some thousands")]
            let slope = (value - height) / (place - first) as f64;
            for (n, missing) in (1u32..).zip(gap) {
                *missing = Some(height + slope * f64::from(n));
            }
        }
        before = Some((place, value));
    }
    column
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The same, each point looked up by itself.
    fn naive(at: &[i64], column: &[Option<f64>], point: i64, fill: Fill) -> Option<f64> {
        let values: Vec<(i64, f64)> =
            at.iter().zip(column).filter_map(|(at, v)| Some((*at, (*v)?))).collect();
        let here = values.iter().find(|(at, _)| *at == point).map(|(_, v)| *v);
        let before = values.iter().rev().find(|(at, _)| *at <= point);
        let after = values.iter().find(|(at, _)| *at >= point);
        match fill {
            Fill::None | Fill::Null => here,
            Fill::Zero => Some(here.unwrap_or(0.0)),
            Fill::Previous => before.map(|(_, v)| *v),
            Fill::Linear => here.or_else(|| {
                let ((t0, v0), (t1, v1)) = (before?, after?);
                #[expect(clippy::cast_precision_loss, reason = "small")]
                let share = (point - t0) as f64 / (t1 - t0) as f64;
                Some(v0 + (v1 - v0) * share)
            }),
        }
    }

    proptest! {
        #[test]
        fn every_point_is_filled_as_one_would_by_hand(
            points in prop::collection::vec(prop::option::of(prop::option::of(-1e3f64..1e3)), 0..60),
            from in -100i64..100,
            step in 1i64..500,
        ) {
            let grid: Vec<i64> = (0i64..).take(points.len()).map(|n| (from + n) * step).collect();
            // A point that is not there, one without a value, and one with one.
            let there = grid.iter().zip(&points).filter_map(|(at, point)| Some((*at, (*point)?)));
            let (at, column): (Vec<i64>, Vec<Option<f64>>) = there.unzip();
            for fill in [Fill::Null, Fill::Zero, Fill::Previous, Fill::Linear] {
                let filled = filled(&at, &column, &grid, fill);
                prop_assert_eq!(filled.len(), grid.len());
                for (point, value) in grid.iter().zip(filled) {
                    let expected = naive(&at, &column, *point, fill);
                    let is_same = match (value, expected) {
                        (Some(a), Some(b)) => (a - b).abs() < 1e-9,
                        (a, b) => a.is_none() && b.is_none(),
                    };
                    prop_assert!(is_same, "{:?} at {}: {:?}, not {:?}", fill, point, value, expected);
                }
            }
        }

        #[test]
        fn points_lie_at_multiples_and_cover_what_is_asked(
            from in -10_000_000i64..10_000_000, length in 1i64..10_000_000, seconds in 1i64..100_000,
        ) {
            let step = seconds * 1000;
            let (begin, end) = aligned(Unix(from), Unix(from + length), step);
            prop_assert!(begin.0 % step == 0 && end.0 % step == 0);
            prop_assert!(begin.0 <= from && from - begin.0 < step);
            prop_assert!(end.0 >= from + length && end.0 - from - length < step);
            prop_assert_eq!(i64::from(n_points((begin, end), step)) * step, end.0 - begin.0);
        }

        #[test]
        fn the_highest_come_first(
            columns in prop::collection::vec(
                prop::collection::vec(prop::option::of(-100i32..100), 5), 1..8),
            top in 1usize..8,
        ) {
            let columns: Vec<Vec<Option<f64>>> = columns
                .into_iter()
                .map(|column| column.into_iter().map(|v| v.map(f64::from)).collect())
                .collect();
            for by in [By::Max, By::Avg, By::Min, By::Last] {
                let shape = Shape { top: Some(top), by, ..Shape::default() };
                let mut series = Series {
                    names: (0..columns.len()).map(|n| n.to_string()).collect(),
                    avg: columns.clone(),
                    min: columns.clone(),
                    max: columns.clone(),
                    ..Series::default()
                };
                let all: Vec<f64> = (0..columns.len()).map(|n| shape.height(&series, n)).collect();
                shape.choose(&mut series);
                prop_assert_eq!(series.names.len(), top.min(columns.len()));
                let place = |name: &String| name.parse::<usize>().unwrap();
                let chosen: Vec<f64> = series.names.iter().map(|name| all[place(name)]).collect();
                let mut sorted = all.clone();
                sorted.sort_by(|a, b| b.total_cmp(a));
                prop_assert_eq!(&chosen[..], &sorted[..chosen.len()]);
                for (name, column) in series.names.iter().zip(&series.avg) {
                    prop_assert_eq!(column, &columns[place(name)]);
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let hour = (Unix(0), Unix(3_600_000));
        let shape = |step, top| Shape::new((step, None, top, None), hour, 10).is_ok();
        assert!(shape(Some(1), None) && shape(None, Some(10)) && shape(Some(u32::MAX), None));
        assert!(!shape(Some(0), None) && !shape(None, Some(0)) && !shape(None, Some(11)));
        let day = (Unix(0), Unix(86_400_000));
        assert!(Shape::new((Some(21), None, None, None), day, 10).is_err(), "4115 points");
        assert!(Shape::new((Some(22), None, None, None), day, 10).is_ok());
    }
}

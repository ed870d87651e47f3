//! Functions of what lies in a window, as Prometheus has them: with the same order of additions and
//! the same compensation of what floats lose, so that the last digits agree too.

use std::cmp::Ordering;
use std::collections::HashSet;

use super::aggregate::quantile;
use super::{Each, Eval, Result};
use crate::Grid;
use crate::error::QueryError;
use crate::labels::NAME;
use crate::matcher::Test;
use crate::node::{Node, Over, Window, Windowed};
use crate::source::{Need, Samples};

/// What lies in a window.
struct Frame<'f> {
    times: &'f [i64],
    values: &'f [f64],
    weights: &'f [f64],
    /// Where the window begins and ends.
    from: i64,
    to: i64,
    /// The time of the question.
    at: i64,
}

impl Over {
    fn need(self) -> Need {
        match self {
            Self::Rate | Self::Increase => Need::Growth,
            Self::Min => Need::Min,
            Self::Max => Need::Max,
            Self::Avg | Self::Sum | Self::Count | Self::Present => Need::Sum,
            Self::Delta
            | Self::Irate
            | Self::Idelta
            | Self::Deriv
            | Self::PredictLinear
            | Self::HoltWinters
            | Self::Quantile
            | Self::Stddev
            | Self::Stdvar
            | Self::Last
            | Self::Changes
            | Self::Resets => Need::Last,
        }
    }
}

impl Eval<'_> {
    pub(super) fn over(
        &self,
        over: Over,
        window: &Window,
        with: &[Node],
        grid: Grid,
        each: &mut Each<'_>,
    ) -> Result<()> {
        let with = with.iter().map(|node| self.scalar(node, grid)).collect::<Result<Vec<_>>>()?;
        let mut seen = HashSet::new();
        let mut numbers = Vec::new();
        self.samples(window, over.need(), grid, &mut |labels, samples| {
            let labels = if over == Over::Last { labels } else { labels.without_name() };
            if !is_named(window) && !seen.insert(labels.clone()) {
                return Err(QueryError::same_labels());
            }
            let mut series = self.empty(labels, grid)?;
            let (mut first, mut end, mut any) = (0, 0, false);
            for (step, slot) in series.values.iter_mut().enumerate() {
                // What does not move with the question is asked once, at its first time.
                let asked = if window.shift.at.is_some() { 0 } else { step };
                let to = window.shift.of(grid.at(asked), self.top);
                let from = to.saturating_sub(window.range);
                while samples.times.get(first).is_some_and(|time| samples.is_before(*time, from)) {
                    first += 1;
                }
                end = end.max(first);
                while samples.times.get(end).is_some_and(|time| *time <= to) {
                    end += 1;
                }
                self.budget.worked((end - first) / 8)?;
                numbers.clear();
                numbers.extend(with.iter().filter_map(|numbers| numbers.get(step)).copied());
                let value = if samples.width_ms > 0 && over.need() == Need::Growth {
                    grown(over, samples, from, to)
                } else {
                    let frame = Frame {
                        times: samples.times.get(first..end).unwrap_or_default(),
                        values: samples.values.get(first..end).unwrap_or_default(),
                        weights: samples.weights.get(first..end).unwrap_or_default(),
                        from,
                        to,
                        at: grid.at(step),
                    };
                    frame.apply(over, &numbers)?
                };
                if let Some(value) = value {
                    (*slot, any) = (value, true);
                }
            }
            if any { each(series) } else { Ok(()) }
        })
    }
}

/// Returns true if all series of the window are of one metric: they are different without its name.
fn is_named(window: &Window) -> bool {
    match &window.of {
        Windowed::Select(matchers) => {
            matchers.iter().any(|m| m.name == NAME && matches!(m.test, Test::Is(_)))
        }
        Windowed::Subquery { .. } => false,
    }
}

/// By how much what is kept in buckets has grown within a window: of those that lie in it in part, that
/// part.
fn grown(over: Over, samples: &Samples, from: i64, to: i64) -> Option<f64> {
    let after = samples.times.partition_point(|time| *time <= from);
    let (mut growth, mut covered) = (0.0, 0.0);
    let pairs = samples.times.iter().zip(&samples.values).skip(after.saturating_sub(1));
    for ((begin, low), (end, high)) in pairs.clone().zip(pairs.skip(1)) {
        if *begin >= to {
            break;
        }
        let length = end - begin;
        // What is longer is a gap.
        if length > samples.width_ms || length <= 0 {
            continue;
        }
        let inside = (*end).min(to) - (*begin).max(from);
        if inside > 0 {
            growth += (high - low) * inside as f64 / length as f64;
            covered += inside as f64;
        }
    }
    let rate = (covered > 0.0).then(|| growth / (covered / 1000.0))?;
    Some(if over == Over::Rate { rate } else { rate * (to - from) as f64 / 1000.0 })
}

impl Frame<'_> {
    fn apply(&self, over: Over, with: &[f64]) -> Result<Option<f64>> {
        let number = |n: usize| with.get(n).copied().unwrap_or(f64::NAN);
        let Some((&first, rest)) = self.values.split_first() else { return Ok(None) };
        let last = rest.last().copied().unwrap_or(first);
        let count = self.values.len() as f64;
        let weight = || if self.weights.is_empty() { count } else { self.weights.iter().sum() };
        let pairs = || self.values.iter().zip(rest);
        Ok(match over {
            Over::Rate | Over::Increase | Over::Delta => self.extrapolated(over, first, last),
            Over::Irate => self.instant(true),
            Over::Idelta => self.instant(false),
            Over::Deriv | Over::PredictLinear if rest.is_empty() => None,
            Over::Deriv => Some(self.regression(self.times.first().copied().unwrap_or(0)).0),
            Over::PredictLinear => {
                let (slope, intercept) = self.regression(self.at);
                Some(slope * number(0) + intercept)
            }
            Over::HoltWinters => self.smoothed(number(0), number(1))?,
            Over::Avg if self.weights.is_empty() => Some(mean(self.values)),
            Over::Avg => Some(sum(self.values) / weight()),
            Over::Sum => Some(sum(self.values)),
            Over::Min => {
                Some(rest.iter().fold(first, |min, value| {
                    if *value < min || min.is_nan() { *value } else { min }
                }))
            }
            Over::Max => {
                Some(rest.iter().fold(first, |max, value| {
                    if *value > max || max.is_nan() { *value } else { max }
                }))
            }
            Over::Count => Some(weight()),
            Over::Quantile => Some(quantile(number(0), &mut self.values.to_vec())),
            Over::Stddev => Some(variance(self.values).sqrt()),
            Over::Stdvar => Some(variance(self.values)),
            Over::Last => Some(last),
            Over::Present => Some(1.0),
            Over::Changes => Some(pairs().filter(|(a, b)| is_other(**a, **b)).count() as f64),
            Over::Resets => Some(pairs().filter(|(a, b)| b < a).count() as f64),
        })
    }

    /// The growth between the first and the last sample, extended to the ends of the window where
    /// samples reach near to them.
    fn extrapolated(&self, over: Over, first: f64, last: f64) -> Option<f64> {
        let (begin, end) = (*self.times.first()?, *self.times.last()?);
        if self.times.len() < 2 {
            return None;
        }
        let mut growth = last - first;
        let is_counter = over != Over::Delta;
        if is_counter {
            for (before, value) in self.values.iter().zip(self.values.iter().skip(1)) {
                if value < before {
                    growth += before;
                }
            }
        }
        let seconds = |ms: i64| ms as f64 / 1000.0;
        let mut to_start = seconds(begin - self.from);
        let to_end = seconds(self.to - end);
        let sampled = seconds(end - begin);
        let distance = sampled / (self.times.len() - 1) as f64;
        if is_counter && growth > 0.0 && first >= 0.0 {
            // Counters are never below zero: there they began.
            to_start = to_start.min(sampled * (first / growth));
        }
        let near = |distance_to: f64| {
            if distance_to < distance * 1.1 { distance_to } else { distance / 2.0 }
        };
        let mut factor = (sampled + near(to_start) + near(to_end)) / sampled;
        if over == Over::Rate {
            factor /= seconds(self.to - self.from);
        }
        Some(growth * factor)
    }

    /// Of the last two samples.
    fn instant(&self, is_rate: bool) -> Option<f64> {
        let last = self.times.len().checked_sub(1)?;
        let before = last.checked_sub(1)?;
        let (value, earlier) = (*self.values.get(last)?, *self.values.get(before)?);
        let ms = self.times.get(last)? - self.times.get(before)?;
        if ms == 0 {
            return None;
        }
        let growth = if is_rate && value < earlier { value } else { value - earlier };
        Some(if is_rate { growth / (ms as f64 / 1000.0) } else { growth })
    }

    /// Slope in a second and value at `at` of the line nearest to the samples.
    fn regression(&self, at: i64) -> (f64, f64) {
        let first = self.values.first().copied().unwrap_or(f64::NAN);
        if self.values.iter().skip(1).all(|value| !is_other(*value, first) && !value.is_nan()) {
            return if first.is_infinite() { (f64::NAN, f64::NAN) } else { (0.0, first) };
        }
        let (mut x, mut y, mut xy, mut xx) = <(Sum, Sum, Sum, Sum)>::default();
        for (time, value) in self.times.iter().zip(self.values) {
            let seconds = (time - at) as f64 / 1000.0;
            x.add(seconds);
            y.add(*value);
            xy.add(seconds * value);
            xx.add(seconds * seconds);
        }
        let n = self.values.len() as f64;
        let (x, y, xy, xx) = (x.all(), y.all(), xy.all(), xx.all());
        let slope = (xy - x * y / n) / (xx - x * x / n);
        (slope, y / n - slope * x / n)
    }

    /// Holt and Winters' double exponential smoothing.
    fn smoothed(&self, smoothing: f64, trend: f64) -> Result<Option<f64>> {
        let is_factor = |factor: f64| factor > 0.0 && factor < 1.0;
        if !is_factor(smoothing) || !is_factor(trend) {
            return Err(QueryError::Execution(format!(
                "invalid smoothing or trend factor. Expected: 0 < factor < 1, got: {smoothing}, {trend}"
            )));
        }
        let [first, second, ..] = self.values else { return Ok(None) };
        let (mut level, mut slope) = (*first, second - first);
        for (n, value) in self.values.iter().enumerate().skip(1) {
            let x = smoothing * value;
            // The slope of the first step is known, not smoothed.
            let before = level;
            let y = (1.0 - smoothing) * (level + slope);
            level = x + y;
            if n + 1 < self.values.len() {
                slope = trend * (level - before) + (1.0 - trend) * slope;
            }
        }
        Ok(Some(level))
    }
}

#[expect(clippy::float_cmp, reason = "any change is one")]
fn is_other(a: f64, b: f64) -> bool {
    a != b && !(a.is_nan() && b.is_nan())
}

/// A sum that keeps what additions lose: Kahan's, with Neumaier's turn.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    sum: f64,
    lost: f64,
}

impl Sum {
    fn add(&mut self, value: f64) {
        let sum = self.sum + value;
        self.lost += if sum.is_infinite() {
            // There is nothing to keep, and it would be no number.
            -self.lost
        } else if self.sum.abs() >= value.abs() {
            (self.sum - sum) + value
        } else {
            (value - sum) + self.sum
        };
        self.sum = sum;
    }

    fn all(self) -> f64 {
        self.sum + self.lost
    }
}

fn sum(values: &[f64]) -> f64 {
    let mut sum = Sum::default();
    for value in values {
        sum.add(*value);
    }
    if sum.sum.is_infinite() { sum.sum } else { sum.all() }
}

fn mean(values: &[f64]) -> f64 {
    let mut mean = Sum::default();
    for (value, count) in values.iter().zip(1u32..) {
        if mean.sum.is_infinite() {
            let is_same = value.is_infinite() && (*value > 0.0) == (mean.sum > 0.0);
            if is_same || value.is_finite() {
                continue;
            }
        }
        let count = f64::from(count);
        mean.add(value / count - mean.sum / count);
    }
    if mean.sum.is_infinite() { mean.sum } else { mean.all() }
}

/// Welford's way.
fn variance(values: &[f64]) -> f64 {
    let (mut mean, mut squares) = (Sum::default(), Sum::default());
    for (value, count) in values.iter().zip(1u32..) {
        let delta = value - mean.all();
        mean.add(delta / f64::from(count));
        squares.add(delta * (value - mean.all()));
    }
    squares.all() / values.len() as f64
}

/// NaN goes first, as in Prometheus.
pub(super) fn nan_first(a: f64, b: f64) -> Ordering {
    match (a.is_nan(), b.is_nan()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => a.total_cmp(&b),
    }
}

//! Samples at each time of a grid.

use super::{Each, Eval, LOOK_BACK_MS, Result};
use crate::Grid;
use crate::answer::Line;
use crate::node::{Select, Shift, Window, Windowed};
use crate::source::{ABSENT, Need, Samples, Selection, is_absent};

impl Eval<'_> {
    pub(super) fn select(&self, select: &Select, grid: Grid, each: &mut Each<'_>) -> Result<()> {
        let (from, to) = self.reach(select.shift, grid);
        let selection = Selection {
            matchers: &select.matchers,
            from: from.saturating_sub(LOOK_BACK_MS),
            to,
            step: grid.step,
            window: LOOK_BACK_MS,
            need: Need::Last,
        };
        self.source.read(&selection, &mut |labels, samples| {
            self.budget.read(samples.times.len())?;
            let mut series = self.empty(labels, grid)?;
            let look_back = LOOK_BACK_MS.max(samples.width_ms);
            let mut next = 0;
            for (step, slot) in series.values.iter_mut().enumerate() {
                let at = select.shift.of(grid.at(step), self.top);
                if select.shift.at.is_some() {
                    next = samples.times.partition_point(|time| *time <= at);
                }
                while samples.times.get(next).is_some_and(|time| *time <= at) {
                    next += 1;
                }
                let Some(found) = next.checked_sub(1) else { continue };
                let (Some(time), Some(value)) =
                    (samples.times.get(found), samples.values.get(found))
                else {
                    continue;
                };
                if at.saturating_sub(*time) <= look_back && !is_absent(*value) {
                    *slot = if select.times { *time as f64 / 1000.0 } else { *value };
                }
            }
            if select.times {
                series.labels = std::mem::take(&mut series.labels).without_name();
            }
            if series.values.iter().all(|value| is_absent(*value)) {
                return Ok(());
            }
            each(series)
        })
    }

    /// Returns the first and the last time that are meant.
    pub(super) fn reach(&self, shift: Shift, grid: Grid) -> (i64, i64) {
        (shift.of(grid.start, self.top), shift.of(grid.end(), self.top))
    }

    /// Hands over the samples of each series in a window, wherever it lies, without those that stand
    /// for none.
    pub(super) fn samples(
        &self,
        window: &Window,
        need: Need,
        grid: Grid,
        each: &mut dyn FnMut(crate::Labels, &Samples) -> Result<()>,
    ) -> Result<()> {
        let (from, to) = self.reach(window.shift, grid);
        let from = from.saturating_sub(window.range);
        match &window.of {
            Windowed::Select(matchers) => {
                let selection =
                    Selection { matchers, from, to, step: grid.step, window: window.range, need };
                self.source.read(&selection, &mut |labels, samples| {
                    self.budget.read(samples.times.len())?;
                    if samples.values.iter().any(|value| is_absent(*value)) {
                        each(labels, &present(samples))
                    } else {
                        each(labels, samples)
                    }
                })
            }
            Windowed::Subquery { node, step } => {
                // At the multiples of the step, whatever the time of the question: neighbouring
                // answers are made of the same samples.
                let first = from.div_euclid(*step).saturating_mul(*step);
                let first = if first < from { first.saturating_add(*step) } else { first };
                let len = to.saturating_sub(first).div_euclid(*step).saturating_add(1);
                let len = usize::try_from(len).unwrap_or(0);
                if len == 0 {
                    return Ok(());
                }
                // Refuses what is too long before anything is made for it.
                drop(self.budget.hold(len)?);
                let inner = Grid { start: first, step: *step, len };
                for series in self.vector(node, inner)? {
                    let mut samples = Samples::default();
                    for (time, value) in inner.times().zip(series.values) {
                        if !is_absent(value) {
                            samples.times.push(time);
                            samples.values.push(value);
                        }
                    }
                    self.budget.worked(samples.times.len())?;
                    each(series.labels, &samples)?;
                }
                Ok(())
            }
        }
    }

    /// Returns the samples themselves.
    pub(super) fn matrix(&self, window: &Window, grid: Grid) -> Result<Vec<Line>> {
        let (from, to) = (
            window.shift.of(grid.start, self.top).saturating_sub(window.range),
            window.shift.of(grid.start, self.top),
        );
        let mut lines = Vec::new();
        let mut leases = Vec::new();
        self.samples(window, Need::Last, grid, &mut |labels, samples| {
            let all = samples.times.iter().copied().zip(samples.values.iter().copied());
            let points: Vec<_> = all.filter(|(time, _)| (from..=to).contains(time)).collect();
            if !points.is_empty() {
                // A time beside each value.
                leases.push(self.budget.hold(points.len() * 2)?);
                lines.push(Line { labels, points });
            }
            Ok(())
        })?;
        lines.sort_by(|a, b| a.labels.cmp(&b.labels));
        Ok(lines)
    }

    /// Returns 1 for each time at which nothing lies in the window.
    pub(super) fn missing_over(&self, window: &Window, grid: Grid) -> Result<Vec<f64>> {
        let mut missing = vec![1.0; grid.len];
        self.samples(window, Need::Sum, grid, &mut |_, samples| {
            for (step, missing) in missing.iter_mut().enumerate() {
                let to = window.shift.of(grid.at(step), self.top);
                let from = to.saturating_sub(window.range);
                let first = samples.times.partition_point(|time| samples.is_before(*time, from));
                if samples.times.get(first).is_some_and(|time| *time <= to) {
                    *missing = ABSENT;
                }
            }
            Ok(())
        })?;
        Ok(missing)
    }
}

/// Returns the samples but for those that stand for none.
fn present(samples: &Samples) -> Samples {
    let is_there = |n: &usize| samples.values.get(*n).is_some_and(|value| !is_absent(*value));
    let kept: Vec<usize> = (0..samples.times.len()).filter(is_there).collect();
    let pick = |all: &[f64]| kept.iter().filter_map(|n| all.get(*n).copied()).collect();
    Samples {
        times: kept.iter().filter_map(|n| samples.times.get(*n).copied()).collect(),
        values: pick(&samples.values),
        weights: pick(&samples.weights),
        width_ms: samples.width_ms,
    }
}

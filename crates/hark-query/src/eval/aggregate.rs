//! One series of many.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::over::nan_first;
use super::{Each, Eval, Result, Series};
use crate::Grid;
use crate::budget::Lease;
use crate::error::QueryError;
use crate::labels::{Labels, NAME};
use crate::node::{Aggregate, Grouping, How};
use crate::source::{ABSENT, is_absent};

impl Grouping {
    /// Returns the labels by which a series belongs to others.
    pub(super) fn key(&self, labels: &Labels) -> Labels {
        match self {
            Self::By(names) => labels.only(|name| names.iter().any(|known| known == name)),
            Self::Without(names) => {
                labels.only(|name| name != NAME && !names.iter().any(|known| known == name))
            }
        }
    }
}

/// What is known of one group at one time.
#[derive(Clone, Copy, Debug, Default)]
struct Part {
    count: f64,
    value: f64,
    squares: f64,
}

impl Part {
    #[expect(clippy::float_cmp, reason = "the number of values, which is whole")]
    fn add(&mut self, how: &How, value: f64) {
        self.count += 1.0;
        let is_first = self.count == 1.0;
        match how {
            How::Sum => self.value = if is_first { value } else { self.value + value },
            How::Avg if is_first => self.value = value,
            How::Avg => {
                if self.value.is_infinite() {
                    let is_same = value.is_infinite() && (value > 0.0) == (self.value > 0.0);
                    if is_same || value.is_finite() {
                        return;
                    }
                }
                self.value += value / self.count - self.value / self.count;
            }
            How::Min if is_first || self.value > value || self.value.is_nan() => self.value = value,
            How::Max if is_first || self.value < value || self.value.is_nan() => self.value = value,
            How::Stddev | How::Stdvar => {
                let delta = value - self.value;
                self.value += delta / self.count;
                self.squares += delta * (value - self.value);
            }
            How::Min
            | How::Max
            | How::Count
            | How::Group
            | How::Top(_)
            | How::Bottom(_)
            | How::Quantile(_)
            | How::CountValues(_) => {}
        }
    }

    fn end(self, how: &How) -> f64 {
        if self.count == 0.0 {
            return ABSENT;
        }
        match how {
            How::Count => self.count,
            How::Group => 1.0,
            How::Stddev => (self.squares / self.count).sqrt(),
            How::Stdvar => self.squares / self.count,
            How::Sum
            | How::Avg
            | How::Min
            | How::Max
            | How::Top(_)
            | How::Bottom(_)
            | How::Quantile(_)
            | How::CountValues(_) => self.value,
        }
    }
}

/// Series that belong together.
struct Group {
    labels: Labels,
    members: Vec<Series>,
}

impl Eval<'_> {
    pub(super) fn aggregate(
        &self,
        aggregate: &Aggregate,
        grid: Grid,
        each: &mut Each<'_>,
    ) -> Result<()> {
        let Aggregate { how, of: _, grouping: _ } = aggregate;
        match how {
            How::Top(k) => {
                let counts = self.scalar(k, grid)?;
                self.extremes(aggregate, &counts, true, grid, each)
            }
            How::Bottom(k) => {
                let counts = self.scalar(k, grid)?;
                self.extremes(aggregate, &counts, false, grid, each)
            }
            How::Quantile(q) => {
                let quantiles = self.scalar(q, grid)?;
                for group in self.groups(aggregate, grid)? {
                    let mut series = self.empty(group.labels, grid)?;
                    for (step, slot) in series.values.iter_mut().enumerate() {
                        let at = |member: &Series| member.values.get(step).copied();
                        let values = group.members.iter().filter_map(at);
                        let mut values: Vec<f64> = values.filter(|v| !is_absent(*v)).collect();
                        self.budget.worked(values.len())?;
                        if !values.is_empty() {
                            let q = quantiles.get(step).copied().unwrap_or(f64::NAN);
                            *slot = quantile(q, &mut values);
                        }
                    }
                    each(series)?;
                }
                Ok(())
            }
            How::CountValues(label) => self.count_values(aggregate, label, grid, each),
            How::Sum
            | How::Avg
            | How::Min
            | How::Max
            | How::Count
            | How::Group
            | How::Stddev
            | How::Stdvar => self.simple(aggregate, grid, each),
        }
    }

    /// Those that need no more than what was seen so far.
    fn simple(&self, aggregate: &Aggregate, grid: Grid, each: &mut Each<'_>) -> Result<()> {
        let Aggregate { how, of, grouping } = aggregate;
        let mut places: HashMap<Labels, usize> = HashMap::new();
        let mut groups: Vec<(Labels, Vec<Part>, Lease)> = Vec::new();
        self.stream(of, grid, &mut |series| {
            let labels = grouping.key(&series.labels);
            let place = places.get(&labels).copied().unwrap_or(groups.len());
            if place == groups.len() {
                // A part is three values.
                let lease = self.budget.hold(grid.len * 3)?;
                groups.push((labels.clone(), vec![Part::default(); grid.len], lease));
                places.insert(labels, place);
            }
            let Some((_, parts, _)) = groups.get_mut(place) else { return Ok(()) };
            for (part, value) in parts.iter_mut().zip(&series.values) {
                if !is_absent(*value) {
                    part.add(how, *value);
                }
            }
            self.budget.worked(grid.len)
        })?;
        for (labels, parts, lease) in groups {
            let values = parts.into_iter().map(|part| part.end(how)).collect();
            drop(lease);
            each(self.series(labels, values)?)?;
        }
        Ok(())
    }

    fn groups(&self, aggregate: &Aggregate, grid: Grid) -> Result<Vec<Group>> {
        let mut places: HashMap<Labels, usize> = HashMap::new();
        let mut groups: Vec<Group> = Vec::new();
        for series in self.vector(&aggregate.of, grid)? {
            let labels = aggregate.grouping.key(&series.labels);
            let place = *places.entry(labels.clone()).or_insert(groups.len());
            match groups.get_mut(place) {
                Some(group) => group.members.push(series),
                None => groups.push(Group { labels, members: vec![series] }),
            }
        }
        Ok(groups)
    }

    /// The highest or lowest members of each group, with all their labels.
    fn extremes(
        &self,
        aggregate: &Aggregate,
        counts: &[f64],
        falling: bool,
        grid: Grid,
        each: &mut Each<'_>,
    ) -> Result<()> {
        let ends = i64::MIN as f64..=i64::MAX as f64;
        if let Some(count) = counts.iter().find(|count| !ends.contains(count)) {
            return Err(QueryError::Execution(format!("Scalar value {count} overflows int64")));
        }
        for mut group in self.groups(aggregate, grid)? {
            for (step, count) in counts.iter().enumerate() {
                let at = |(n, member): (usize, &Series)| {
                    let value = member.values.get(step).copied().unwrap_or(ABSENT);
                    (!is_absent(value)).then_some((n, value))
                };
                let mut all: Vec<(usize, f64)> =
                    group.members.iter().enumerate().filter_map(at).collect();
                self.budget.worked(all.len())?;
                all.sort_by(|a, b| order(a.1, b.1, falling));
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "looked at above"
                )]
                let most = if *count >= 1.0 { *count as usize } else { 0 };
                for (n, _) in all.into_iter().skip(most) {
                    let member = group.members.get_mut(n);
                    if let Some(slot) = member.and_then(|m| m.values.get_mut(step)) {
                        *slot = ABSENT;
                    }
                }
            }
            if grid.len == 1 {
                group.members.sort_by(|a, b| order(super::first(a), super::first(b), falling));
            }
            group.members.into_iter().try_for_each(&mut *each)?;
        }
        Ok(())
    }

    fn count_values(
        &self,
        aggregate: &Aggregate,
        label: &str,
        grid: Grid,
        each: &mut Each<'_>,
    ) -> Result<()> {
        for group in self.groups(aggregate, grid)? {
            let mut places: HashMap<u64, usize> = HashMap::new();
            let mut counted: Vec<Series> = Vec::new();
            for member in &group.members {
                for (step, value) in member.values.iter().enumerate() {
                    if is_absent(*value) {
                        continue;
                    }
                    let place = places.get(&value.to_bits()).copied().unwrap_or(counted.len());
                    if place == counted.len() {
                        let mut labels = group.labels.clone();
                        labels.set(label, &plain(*value));
                        counted.push(self.empty(labels, grid)?);
                        places.insert(value.to_bits(), place);
                    }
                    let slot = counted.get_mut(place).and_then(|s| s.values.get_mut(step));
                    if let Some(slot) = slot {
                        *slot = if is_absent(*slot) { 1.0 } else { *slot + 1.0 };
                    }
                }
            }
            counted.into_iter().try_for_each(&mut *each)?;
        }
        Ok(())
    }
}

/// A number as the value of a label: without an exponent, as short as can be.
fn plain(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
    } else {
        value.to_string()
    }
}

/// The order of values in an answer; what is no number comes last either way.
pub(super) fn order(a: f64, b: f64, falling: bool) -> Ordering {
    match (a.is_nan(), b.is_nan()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) if falling => b.partial_cmp(&a).unwrap_or(Ordering::Equal),
        (false, false) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
    }
}

/// The value below which so many lie, between its two neighbours.
pub(super) fn quantile(q: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    values.sort_by(|a, b| nan_first(*a, *b));
    let last = values.len() - 1;
    let rank = q * last as f64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "from 0 to the last, as q is from 0 to 1"
    )]
    let lower = (rank.floor() as usize).min(last);
    let weight = rank - rank.floor();
    let at = |n: usize| values.get(n).copied().unwrap_or(f64::NAN);
    at(lower) * (1.0 - weight) + at((lower + 1).min(last)) * weight
}

impl QueryError {
    /// Two series of one side belong to one of the other.
    pub(super) fn ambiguous(key: &Labels, a: &Labels, b: &Labels, side: &str) -> Self {
        let mut key = key.to_string();
        if key.starts_with('{') {
            key = key.trim_matches(['{', '}']).to_owned();
        }
        Self::Execution(format!(
            "found duplicate series for the match group {{{key}}} on the {side} hand-side of the \
             operation: [{a}, {b}];many-to-many matching not allowed: matching labels must be unique on \
             one side"
        ))
    }
}

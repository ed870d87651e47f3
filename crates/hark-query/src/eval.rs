//! From a tree to its answer.
//!
//! A part of the tree gives, for every series, one value at each time of the grid, [`ABSENT`] where it
//! has none. Where it can, a part hands over one series after the other and holds none of them
//! ([`Eval::stream`]), so that the sum over all hosts needs room for one host and the sum.

mod aggregate;
mod binary;
mod histogram;
mod over;
mod relabel;
mod select;

use std::collections::HashMap;

use crate::answer::{Answer, Line};
use crate::budget::{Budget, Lease, Limits};
use crate::error::QueryError;
use crate::labels::Labels;
use crate::node::{At, How, Map, Node, Root, Shift};
use crate::source::{ABSENT, Source, is_absent};
use crate::{Grid, LOOK_BACK_MS};

type Result<T> = std::result::Result<T, QueryError>;

/// One series with a value for each time of a grid.
#[derive(Debug)]
struct Series {
    labels: Labels,
    values: Vec<f64>,
    _lease: Lease,
}

/// Takes one series after the other.
type Each<'e> = dyn FnMut(Series) -> Result<()> + 'e;

struct Eval<'q> {
    source: &'q dyn Source,
    budget: Budget<'q>,
    /// The times that are asked for at the top: what `start()` and `end()` mean everywhere.
    top: Grid,
}

/// Answers a question.
pub(crate) fn run(
    root: &Root,
    source: &dyn Source,
    grid: Grid,
    limits: &Limits<'_>,
) -> Result<Answer> {
    let eval = Eval { source, budget: Budget::new(limits), top: grid };
    let node = match root {
        Root::Window(_) if grid.len > 1 => {
            return Err(QueryError::bad(
                "invalid expression type \"range vector\" for range query, must be Scalar or instant \
                 Vector",
            ));
        }
        Root::Window(window) => return eval.matrix(window, grid).map(Answer::Matrix),
        Root::Node(Node::Text(_)) if grid.len > 1 => {
            return Err(QueryError::bad(
                "invalid expression type \"string\" for range query, must be Scalar or instant \
                 Vector",
            ));
        }
        Root::Node(Node::Text(text)) => return Ok(Answer::Text(grid.start, text.clone())),
        Root::Node(node) => node,
    };
    if node.is_scalar() {
        let values = eval.scalar(node, grid)?;
        return Ok(Answer::Scalar(grid.times().zip(values).collect()));
    }
    let mut lines = Vec::new();
    for series in eval.vector(node, grid)? {
        let points = grid.times().zip(series.values).filter(|(_, value)| !is_absent(*value));
        let points: Vec<_> = points.collect();
        if !points.is_empty() {
            lines.push(Line { labels: series.labels, points });
        }
    }
    if grid.len > 1 || !is_ordered(node) {
        lines.sort_by(|a, b| a.labels.cmp(&b.labels));
    }
    Ok(Answer::Vector(lines))
}

/// Returns whether the order of an answer is a part of it.
fn is_ordered(node: &Node) -> bool {
    if let Node::Aggregate(aggregate) = node {
        return matches!(aggregate.how, How::Top(_) | How::Bottom(_));
    }
    matches!(node, Node::Sort { .. })
}

/// A value of the wrong type where the parser has let none through.
fn mistyped() -> QueryError {
    QueryError::Execution("an expression has the wrong type".to_owned())
}

impl Shift {
    /// Returns the time that is meant where `at` is asked.
    fn of(self, at: i64, top: Grid) -> i64 {
        let at = match self.at {
            None => at,
            Some(At::Time(fixed)) => fixed,
            Some(At::Start) => top.start,
            Some(At::End) => top.end(),
        };
        at.saturating_sub(self.offset)
    }
}

impl Eval<'_> {
    fn series(&self, labels: Labels, values: Vec<f64>) -> Result<Series> {
        let lease = self.budget.hold(values.len())?;
        Ok(Series { labels, values, _lease: lease })
    }

    fn empty(&self, labels: Labels, grid: Grid) -> Result<Series> {
        let lease = self.budget.hold(grid.len)?;
        Ok(Series { labels, values: vec![ABSENT; grid.len], _lease: lease })
    }

    /// Returns one number for each time.
    fn scalar(&self, node: &Node, grid: Grid) -> Result<Vec<f64>> {
        self.budget.worked(grid.len)?;
        Ok(match node {
            Node::Number(number) => vec![*number; grid.len],
            Node::Time => grid.times().map(|at| at as f64 / 1000.0).collect(),
            Node::Pi => vec![std::f64::consts::PI; grid.len],
            Node::Negate(of) => self.scalar(of, grid)?.into_iter().map(|value| -value).collect(),
            Node::Scalar(of) => {
                let mut values = vec![f64::NAN; grid.len];
                let mut counts = vec![0u8; grid.len];
                self.stream(of, grid, &mut |series| {
                    let slots = values.iter_mut().zip(&mut counts);
                    for ((value, count), found) in slots.zip(series.values) {
                        if !is_absent(found) {
                            *count = count.saturating_add(1);
                            *value = if *count == 1 { found } else { f64::NAN };
                        }
                    }
                    Ok(())
                })?;
                values
            }
            Node::Binary(binary) => {
                let left = self.scalar(&binary.left, grid)?;
                let right = self.scalar(&binary.right, grid)?;
                left.into_iter()
                    .zip(right)
                    .map(|(l, r)| binary::of_scalars(binary.op, l, r))
                    .collect()
            }
            Node::Text(_)
            | Node::Select(_)
            | Node::Map { .. }
            | Node::Over { .. }
            | Node::AbsentOver { .. }
            | Node::Absent { .. }
            | Node::Relabel { .. }
            | Node::HistogramQuantile { .. }
            | Node::Sort { .. }
            | Node::Vector(_)
            | Node::Aggregate(_) => return Err(mistyped()),
        })
    }

    /// Returns all series of a vector, each once.
    fn vector(&self, node: &Node, grid: Grid) -> Result<Vec<Series>> {
        let mut all: Vec<Series> = Vec::new();
        let mut places: HashMap<Labels, usize> = HashMap::new();
        self.stream(node, grid, &mut |series| {
            let place = places.entry(series.labels.clone()).or_insert(all.len());
            match all.get_mut(*place) {
                None => all.push(series),
                Some(same) => merge(same, &series)?,
            }
            Ok(())
        })?;
        Ok(all)
    }

    /// Hands over the series of a vector, one after the other. Two may have the same labels, which is
    /// a mistake of the question if they have values at the same time.
    fn stream(&self, node: &Node, grid: Grid, each: &mut Each<'_>) -> Result<()> {
        match node {
            Node::Select(select) => self.select(select, grid, each),
            Node::Map { map, of, with } => self.map(*map, of, with, grid, each),
            Node::Over { over, window, with } => self.over(*over, window, with, grid, each),
            Node::AbsentOver { window, labels } => {
                let missing = self.missing_over(window, grid)?;
                each(self.series(labels.clone(), missing)?)
            }
            Node::Absent { of, labels } => {
                let mut missing = vec![1.0; grid.len];
                self.stream(of, grid, &mut |series| {
                    for (missing, value) in missing.iter_mut().zip(series.values) {
                        if !is_absent(value) {
                            *missing = ABSENT;
                        }
                    }
                    Ok(())
                })?;
                each(self.series(labels.clone(), missing)?)
            }
            Node::Relabel { relabel, of } => self.stream(of, grid, &mut |mut series| {
                relabel::relabel(relabel, &mut series.labels);
                each(series)
            }),
            Node::HistogramQuantile { quantile, of } => {
                self.histogram_quantile(quantile, of, grid, each)
            }
            Node::Sort { of, falling } => {
                let mut all = self.vector(of, grid)?;
                if grid.len == 1 {
                    all.sort_by(|a, b| aggregate::order(first(a), first(b), *falling));
                }
                all.into_iter().try_for_each(each)
            }
            Node::Vector(of) => each(self.series(Labels::default(), self.scalar(of, grid)?)?),
            Node::Negate(of) => self.stream(of, grid, &mut |mut series| {
                change(&mut series.values, |value| -value);
                series.labels = std::mem::take(&mut series.labels).without_name();
                each(series)
            }),
            Node::Binary(binary) => self.binary(binary, grid, each),
            Node::Aggregate(aggregate) => self.aggregate(aggregate, grid, each),
            Node::Number(_) | Node::Text(_) | Node::Scalar(_) | Node::Time | Node::Pi => {
                Err(mistyped())
            }
        }
    }

    fn map(
        &self,
        map: Map,
        of: &Node,
        with: &[Node],
        grid: Grid,
        each: &mut Each<'_>,
    ) -> Result<()> {
        let with = with.iter().map(|node| self.scalar(node, grid)).collect::<Result<Vec<_>>>()?;
        let number = |n: usize, step: usize, default: f64| {
            with.get(n).and_then(|numbers| numbers.get(step)).copied().unwrap_or(default)
        };
        self.stream(of, grid, &mut |mut series| {
            for (step, value) in series.values.iter_mut().enumerate() {
                if is_absent(*value) {
                    continue;
                }
                *value = match map {
                    Map::Plain(function) => function(*value),
                    Map::Round => {
                        // Multiplied with the inverse, as 0.1 has no exact form and 10 has.
                        let inverse = 1.0 / number(0, step, 1.0);
                        (*value * inverse + 0.5).floor() / inverse
                    }
                    Map::Clamp => {
                        let (low, high) = (number(0, step, f64::NAN), number(1, step, f64::NAN));
                        if high < low { ABSENT } else { most(low, least(high, *value)) }
                    }
                    Map::ClampMin => most(number(0, step, f64::NAN), *value),
                    Map::ClampMax => least(number(0, step, f64::NAN), *value),
                    Map::Date(function) => {
                        #[expect(clippy::cast_possible_truncation, reason = "it ends at the ends")]
                        let at = *value as i64;
                        // Beyond some million years there is no calendar, and sums would overflow.
                        function(at.clamp(-MAX_DATE, MAX_DATE)) as f64
                    }
                    Map::Timestamp => grid.at(step) as f64 / 1000.0,
                };
            }
            series.labels = std::mem::take(&mut series.labels).without_name();
            each(series)
        })
    }
}

/// Seconds of some three million years.
const MAX_DATE: i64 = 100_000_000_000_000;

fn first(series: &Series) -> f64 {
    series.values.first().copied().unwrap_or(ABSENT)
}

/// Changes the values that are there.
fn change(values: &mut [f64], change: impl Fn(f64) -> f64) {
    for value in values.iter_mut().filter(|value| !is_absent(**value)) {
        *value = change(*value);
    }
}

/// Adds the values of `other` to those of a series with the same labels.
fn merge(series: &mut Series, other: &Series) -> Result<()> {
    for (value, other) in series.values.iter_mut().zip(&other.values) {
        if is_absent(*other) {
            continue;
        }
        if !is_absent(*value) {
            return Err(QueryError::same_labels());
        }
        *value = *other;
    }
    Ok(())
}

/// As Go has it: a NaN is the greatest of all.
fn most(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) }
}

/// As Go has it: a NaN is the least of all.
fn least(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.min(b) }
}

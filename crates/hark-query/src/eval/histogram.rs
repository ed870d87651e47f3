//! Quantiles of histograms that are series with a label `le`.

use std::collections::HashMap;

use super::{Each, Eval, Result, Series};
use crate::Grid;
use crate::labels::{Labels, NAME};
use crate::node::Node;
use crate::source::{ABSENT, is_absent};

/// The label with the upper bound of a bucket.
const BOUND: &str = "le";

#[derive(Clone, Copy, Debug)]
struct Bucket {
    bound: f64,
    count: f64,
}

impl Eval<'_> {
    pub(super) fn histogram_quantile(
        &self,
        quantile: &Node,
        of: &Node,
        grid: Grid,
        each: &mut Each<'_>,
    ) -> Result<()> {
        let quantiles = self.scalar(quantile, grid)?;
        let mut places: HashMap<Labels, usize> = HashMap::new();
        let mut groups: Vec<(Labels, Vec<(f64, Series)>)> = Vec::new();
        self.stream(of, grid, &mut |series| {
            // What has no bound is no bucket.
            let Ok(bound) = series.labels.get(BOUND).parse::<f64>() else { return Ok(()) };
            let labels = series.labels.only(|name| name != BOUND && name != NAME);
            let place = *places.entry(labels.clone()).or_insert(groups.len());
            match groups.get_mut(place) {
                Some((_, buckets)) => buckets.push((bound, series)),
                None => groups.push((labels, vec![(bound, series)])),
            }
            Ok(())
        })?;
        for (labels, buckets) in groups {
            let mut series = self.empty(labels, grid)?;
            let slots = series.values.iter_mut().zip(&quantiles);
            for (step, (slot, quantile)) in slots.enumerate() {
                let at = |(bound, series): &(f64, Series)| Bucket {
                    bound: *bound,
                    count: series.values.get(step).copied().unwrap_or(ABSENT),
                };
                let present = buckets.iter().map(at).filter(|bucket| !is_absent(bucket.count));
                let mut present: Vec<Bucket> = present.collect();
                self.budget.worked(present.len())?;
                if !present.is_empty() {
                    *slot = of_buckets(*quantile, &mut present);
                }
            }
            each(series)?;
        }
        Ok(())
    }
}

/// The value below which so many lie, where they are spread evenly within their bucket.
fn of_buckets(quantile: f64, buckets: &mut Vec<Bucket>) -> f64 {
    if quantile.is_nan() {
        return f64::NAN;
    }
    if quantile < 0.0 {
        return f64::NEG_INFINITY;
    }
    if quantile > 1.0 {
        return f64::INFINITY;
    }
    buckets.sort_by(|a, b| a.bound.total_cmp(&b.bound));
    if buckets.last().is_none_or(|last| last.bound < f64::INFINITY) {
        return f64::NAN;
    }
    buckets.dedup_by(|bucket, kept| {
        let is_same = bucket.bound.total_cmp(&kept.bound).is_eq();
        if is_same {
            kept.count += bucket.count;
        }
        is_same
    });
    // Counts of neighbours are not of one moment, and may seem to fall.
    let mut highest = f64::NEG_INFINITY;
    for bucket in buckets.iter_mut() {
        highest = highest.max(bucket.count);
        bucket.count = highest;
    }
    let [.., before_last, last] = buckets.as_slice() else { return f64::NAN };
    if last.count == 0.0 {
        return f64::NAN;
    }
    let rank = quantile * last.count;
    let finite = buckets.len() - 1;
    let found = buckets.iter().take(finite).position(|bucket| bucket.count >= rank);
    let Some((at, bucket)) = found.and_then(|at| Some((at, buckets.get(at)?))) else {
        return before_last.bound;
    };
    let below = at.checked_sub(1).and_then(|at| buckets.get(at));
    if below.is_none() && bucket.bound <= 0.0 {
        return bucket.bound;
    }
    let (begin, fewer) = below.map_or((0.0, 0.0), |below| (below.bound, below.count));
    begin + (bucket.bound - begin) * ((rank - fewer) / (bucket.count - fewer))
}

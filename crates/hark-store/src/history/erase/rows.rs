//! What is left of a row when a part of it is erased.

use std::collections::BTreeSet;

use hark_model::frame::Item;
use hark_model::{SeriesDef, SeriesName};

use crate::history::chunk::{Column, Columns};
use crate::history::examine::{buckets_of, columns_of};
use crate::history::maintain::rows_of;
use crate::history::partition::Row;
use crate::history::tier::{self, Aggregate, Bucket, Buckets, Tier};

/// What is erased of a host's rows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part<'p> {
    /// Which series; all if there is nothing.
    pub(super) series: Option<&'p BTreeSet<SeriesName>>,
    /// What is from before.
    pub(super) before: i64,
}

/// What is left of a row.
#[derive(Debug, PartialEq)]
pub(super) enum Left<T> {
    /// All: nothing of it is to be erased.
    All,
    /// Some of it.
    Some(T),
    /// Nothing.
    Nothing,
}

impl Part<'_> {
    /// Returns which columns of a set it is about.
    pub(super) fn columns(&self, defs: &[SeriesDef]) -> Vec<bool> {
        let is_meant = |def: &SeriesDef| self.series.is_none_or(|all| all.contains(&def.name));
        defs.iter().map(is_meant).collect()
    }

    /// Returns what is left of a chunk, with the rows of the coarser tiers that belong to it; why not, if
    /// it cannot be read.
    pub(super) fn of_samples(
        &self,
        row: &Row,
        defs: &[SeriesDef],
    ) -> Result<Left<Box<[Row; 3]>>, String> {
        let meant = self.columns(defs);
        if row.from >= self.before || !meant.contains(&true) {
            return Ok(Left::All);
        }
        let mut columns = columns_of(row, defs)?;
        let n_before = columns.times.partition_point(|at| *at < self.before);
        if meant.iter().all(|is_meant| *is_meant) {
            if n_before == columns.times.len() {
                return Ok(Left::Nothing);
            }
            let keep = n_before..columns.times.len();
            columns = Columns {
                times: columns.times.split_off(n_before),
                series: columns.series.iter().map(|column| cut(column, keep.clone())).collect(),
                damaged: 0,
            };
        } else {
            let mut is_changed = false;
            for (column, _) in columns.series.iter_mut().zip(meant).filter(|(_, meant)| *meant) {
                is_changed |= empty(column, n_before);
            }
            if !is_changed {
                return Ok(Left::All);
            }
        }
        let rows = rows_of(row.host, row.set, &columns, defs);
        Ok(rows.map_or(Left::Nothing, |rows| Left::Some(Box::new(rows))))
    }

    /// Returns what is left of a row of a coarser tier of which the samples are not there any more. A bucket
    /// that lies across the time stays: what is in it cannot be told apart.
    pub(super) fn of_buckets(
        &self,
        row: &Row,
        tier: Tier,
        defs: &[SeriesDef],
    ) -> Result<Left<Row>, String> {
        let meant = self.columns(defs);
        if row.from >= self.before || !meant.contains(&true) {
            return Ok(Left::All);
        }
        let mut buckets = buckets_of(row, tier, defs)?;
        let width = tier.width_ms();
        let end = |number: i64| number.saturating_add(1).saturating_mul(width);
        let n_before = buckets.numbers.partition_point(|number| end(*number) <= self.before);
        if n_before == 0 {
            return Ok(Left::All);
        }
        let mut from = row.from;
        if meant.iter().all(|is_meant| *is_meant) {
            let Some(first) = buckets.numbers.get(n_before) else { return Ok(Left::Nothing) };
            from = first.saturating_mul(width).max(row.from);
            buckets = Buckets {
                numbers: buckets.numbers.split_off(n_before),
                spans: buckets.spans.split_off(n_before),
                frames: buckets.frames.split_off(n_before),
                series: buckets.series.into_iter().map(|series| after(series, n_before)).collect(),
            };
        } else {
            let mut is_changed = false;
            for (series, _) in buckets.series.iter_mut().zip(meant).filter(|(_, meant)| *meant) {
                is_changed |= empty_buckets(series, n_before);
            }
            if !is_changed {
                return Ok(Left::All);
            }
        }
        Ok(Left::Some(Row { from, body: tier::encode(&buckets), ..row.clone() }))
    }
}

/// Returns the items of these frames.
fn cut(column: &Column, frames: std::ops::Range<usize>) -> Column {
    match column {
        Column::Integers(all) => Column::Integers(all.get(frames).unwrap_or_default().to_vec()),
        Column::Items(all) => Column::Items(all.get(frames).unwrap_or_default().to_vec()),
    }
}

/// Makes the first `n` items absent; returns whether one of them was there.
fn empty(column: &mut Column, n: usize) -> bool {
    let n_items = match column {
        Column::Integers(all) => all.len(),
        Column::Items(all) => all.len(),
    };
    let mut items: Vec<Item> = (0..n_items).map(|at| column.item(at)).collect();
    let mut was_there = false;
    for item in items.iter_mut().take(n) {
        was_there |= *item != Item::Absent;
        *item = Item::Absent;
    }
    if was_there {
        *column = Column::Items(items);
    }
    was_there
}

/// Returns what comes after the first `n` buckets.
fn after(series: Aggregate, n: usize) -> Aggregate {
    fn rest<T: Clone>(all: &[T], n: usize) -> Vec<T> {
        all.get(n..).unwrap_or_default().to_vec()
    }
    match series {
        Aggregate::Absent => Aggregate::Absent,
        Aggregate::Gauge(all) => Aggregate::Gauge(rest(&all, n)),
        Aggregate::Counter(all) => Aggregate::Counter(rest(&all, n)),
        Aggregate::Floats(all) => Aggregate::Floats(rest(&all, n)),
    }
}

/// Empties the first `n` buckets; returns whether there was something in one of them.
fn empty_buckets(series: &mut Aggregate, n: usize) -> bool {
    fn clear<T: Clone + Default>(all: &mut [Bucket<T>], n: usize) -> (bool, bool) {
        let mut was_there = false;
        for bucket in all.iter_mut().take(n) {
            was_there |= bucket.count > 0;
            *bucket = Bucket::default();
        }
        (was_there, all.iter().all(|bucket| bucket.count == 0))
    }
    let (was_there, is_empty) = match series {
        Aggregate::Absent => (false, false),
        Aggregate::Gauge(all) | Aggregate::Counter(all) => clear(all, n),
        Aggregate::Floats(all) => clear(all, n),
    };
    if was_there && is_empty {
        *series = Aggregate::Absent;
    }
    was_there
}

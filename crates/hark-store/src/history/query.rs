//! Questions about the past: planned by the owner of history in microseconds, answered anywhere.
//!
//! A [`QueryPlan`] holds copies of the few frames that are not in chunks yet and the paths of the
//! partitions that may hold the rest. Running it opens these files for reading, so a slow question
//! never keeps a frame from being stored.

use std::path::PathBuf;
use std::sync::Arc;

use hark_model::frame::scale;
use hark_model::{HostId, MetricKind, SeriesDef, SeriesName, Unix};

use super::chunk::{Chunk, Columns};
use super::merge;
use super::strand::BlockFrames;
use super::tier::{self, Aggregate, Bucket, Buckets, Tier};
use super::{History, partition};

/// Bound on the points of an answer: more than a screen has columns.
pub const MAX_POINTS: u32 = 4000;

/// Bound on the series of one question.
pub const MAX_LINES: usize = 128;

/// How far before the asked time samples are read, so that the first rate has a sample before it.
pub(super) const LOOK_BACK_MS: i64 = 300_000;

/// A question with all that is needed to answer it.
#[derive(Debug)]
pub struct QueryPlan {
    pub(super) host: u32,
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) step: i64,
    pub(super) tier: Tier,
    pub(super) lines: Vec<SeriesDef>,
    pub(super) sets: Vec<PlannedSet>,
    pub(super) paths: Vec<PathBuf>,
    /// Chunks with numbers from here on were made after the plan: their frames are in the blocks.
    pub(super) below: i64,
}

/// A set with series that are asked for.
#[derive(Debug)]
pub(super) struct PlannedSet {
    pub(super) number: u32,
    pub(super) defs: Arc<[SeriesDef]>,
    /// Number of the line, number of the series within the set.
    pub(super) wanted: Vec<(usize, usize)>,
    /// Frames that are not in chunks.
    pub(super) blocks: Vec<Vec<u8>>,
}

/// What was asked for: one row of numbers for each series over common points in time. Points at
/// which no series has a value are left out.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The resolution that was read.
    pub tier: Tier,
    /// How much time one point stands for, in milliseconds.
    pub step_ms: i64,
    /// The usual distance between two samples (or buckets), in milliseconds; 0 if there are none. A
    /// larger gap between two points is a gap in the data.
    pub interval_ms: i64,
    /// When each point begins; ascending.
    pub at: Vec<Unix>,
    /// One for each series asked for, in the order asked.
    pub lines: Vec<Line>,
    /// Chunks that were damaged and left out.
    pub damaged: u64,
}

/// One series over the points; NaN where it has no value.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The series, as it was declared last. Counters are given as rates per second.
    pub def: SeriesDef,
    /// The lowest value of each point.
    pub min: Vec<f64>,
    /// The mean of each point.
    pub avg: Vec<f64>,
    /// The highest value of each point.
    pub max: Vec<f64>,
}

/// Returns the resolution to read for points of `step` milliseconds from `from` on, given when the
/// oldest data of each tier begins.
fn choose(step: i64, from: i64, begins: [Option<i64>; 3]) -> Tier {
    let mut chosen = Tier::Raw;
    for tier in Tier::ALL {
        if tier.width_ms() <= step {
            chosen = tier;
        }
    }
    let [raw, minutes, hours] = begins;
    let reaches = |begin: Option<i64>| begin.is_none_or(|b| b <= from);
    if chosen == Tier::Raw && !reaches(raw) && minutes < raw && minutes.is_some() {
        chosen = Tier::Minutes;
    }
    if chosen == Tier::Minutes && !reaches(minutes) && hours < minutes && hours.is_some() {
        chosen = Tier::Hours;
    }
    chosen
}

impl History {
    /// Prepares the answer to a question about `names` of `host` from `from` to before `to` in about
    /// `points` points. Run the plan on another thread. Names that are not known are left out, and so
    /// is what is above [`MAX_LINES`] and [`MAX_POINTS`].
    pub fn plan(
        &self,
        host: HostId,
        names: &[SeriesName],
        from: Unix,
        to: Unix,
        points: u32,
    ) -> QueryPlan {
        let points = i64::from(points.clamp(1, MAX_POINTS));
        let (from, to) = (from.0.clamp(0, i64::MAX / 4), to.0.clamp(0, i64::MAX / 4));
        let to = to.max(from);
        let step = (to - from).div_euclid(points).max(1);
        let sets: Vec<_> = self.catalogue.sets_of(host.0).collect();
        let newest = |name: &SeriesName| {
            sets.iter().rev().find_map(|(_, defs)| defs.iter().find(|def| def.name == *name))
        };
        let lines: Vec<SeriesDef> =
            names.iter().take(MAX_LINES).filter_map(newest).cloned().collect();
        let kept = self.kept_of(host, lines.iter());
        let tier = choose(step, from, self.begins(kept));
        let mut plan = QueryPlan {
            host: host.0,
            from,
            to,
            step: if (to - from) % points == 0 { step } else { step + 1 },
            tier,
            lines,
            sets: Vec::new(),
            paths: self.partitions.paths(tier, from - LOOK_BACK_MS.max(tier.width_ms()), to),
            below: self.partitions.next_id(),
        };
        for (number, defs) in sets {
            let wanted: Vec<(usize, usize)> = plan
                .lines
                .iter()
                .enumerate()
                .filter_map(|(line, def)| {
                    Some((line, defs.iter().position(|d| d.name == def.name)?))
                })
                .collect();
            if !wanted.is_empty() {
                let defs = Arc::clone(defs);
                let blocks = self.blocks(host, number, from - LOOK_BACK_MS, to);
                plan.sets.push(PlannedSet { number, defs, wanted, blocks });
            }
        }
        plan
    }

    /// Returns copies of the frames of a set that are not in chunks, if they touch that time.
    pub(super) fn blocks(&self, host: HostId, set: u32, from: i64, to: i64) -> Vec<Vec<u8>> {
        let strands = self.hosts.get(host.0 as usize);
        let Some(strand) = strands.into_iter().flatten().find(|s| s.set == set) else {
            return Vec::new();
        };
        let mut blocks = Vec::new();
        for block in strand.sealed.iter().filter(|b| b.newest >= from && b.oldest < to) {
            match self.level0.read(block) {
                Ok(Some(bytes)) => blocks.push(bytes),
                Ok(None) => tracing::warn!(host = host.0, "damaged block left out of an answer"),
                Err(error) => tracing::warn!(%error, host = host.0, "block not read"),
            }
        }
        if strand.n_open > 0 {
            blocks.push(strand.open.clone());
        }
        blocks
    }

    /// Answers a question on this thread: for tests and commands.
    pub fn query(
        &self,
        host: HostId,
        names: &[SeriesName],
        from: Unix,
        to: Unix,
        points: u32,
    ) -> Answer {
        self.plan(host, names, from, to, points).run()
    }
}

impl QueryPlan {
    /// Reads the answer from the disk. Damaged chunks are left out and counted.
    pub fn run(self) -> Answer {
        match self.tier {
            Tier::Raw => self.run_raw(),
            Tier::Minutes | Tier::Hours => self.run_tier(),
        }
    }

    /// Calls `each` with the rows of the partitions.
    fn rows(&self, from: i64, mut each: impl FnMut(&PlannedSet, &[u8])) {
        let numbers: Vec<u32> = self.sets.iter().map(|s| s.number).collect();
        let mut readers = partition::Readers::default();
        for path in &self.paths {
            partition::read(
                &mut readers,
                path,
                self.host,
                &numbers,
                (from, self.to),
                self.below,
                |set, body| {
                    if let Some(set) = self.sets.iter().find(|s| s.number == set) {
                        each(set, body);
                    }
                },
            );
        }
    }

    fn run_raw(self) -> Answer {
        let mut samples: Vec<Vec<(i64, f64)>> = vec![Vec::new(); self.lines.len()];
        let mut damaged = 0;
        let from = self.from - LOOK_BACK_MS;
        let to = self.to;
        self.rows(from, |set, body| {
            let mut read = || -> Option<()> {
                let chunk = Chunk::open(body)?;
                let times = chunk.times()?;
                for (line, series) in &set.wanted {
                    let column = chunk.column(*series)?;
                    let decimals = set.defs.get(*series)?.decimals;
                    let line = samples.get_mut(*line)?;
                    for (n, at) in times.iter().enumerate() {
                        if (from..to).contains(at) {
                            line.push((*at, scale(column.item(n), decimals)));
                        }
                    }
                }
                Some(())
            };
            damaged += u64::from(read().is_none());
        });
        for set in &self.sets {
            let columns = columns_of(&set.blocks, set.defs.len());
            damaged += columns.damaged;
            for (line, series) in &set.wanted {
                let (Some(column), Some(def), Some(line)) =
                    (columns.series.get(*series), set.defs.get(*series), samples.get_mut(*line))
                else {
                    continue;
                };
                for (n, at) in columns.times.iter().enumerate() {
                    if (from..to).contains(at) {
                        line.push((*at, scale(column.item(n), def.decimals)));
                    }
                }
            }
        }
        let mut grid = Grid::new(&self, self.step);
        let mut distances = Vec::new();
        for (line, samples) in samples.iter_mut().enumerate() {
            // A series may be in several sets, and a time in several frames: absent in one, it may have a
            // value in the other.
            samples.retain(|(_, value)| !value.is_nan());
            samples.sort_by_key(|(at, _)| *at);
            samples.dedup_by_key(|(at, _)| *at);
            let pairs = samples.iter().zip(samples.iter().skip(1));
            distances.extend(pairs.map(|((a, _), (b, _))| b - a));
            let counter = self.lines.get(line).is_some_and(|d| d.kind == MetricKind::Counter);
            if counter { grid.rates(line, samples) } else { grid.values(line, samples) }
        }
        grid.answer(self, median(distances), damaged)
    }

    fn run_tier(mut self) -> Answer {
        let width = self.tier.width_ms();
        self.step = self.step.max(width);
        let mut grid = Grid::new(&self, self.step);
        let mut damaged = 0;
        self.rows(self.from - width, |set, body| match tier::decode(body) {
            Some(buckets) => grid.buckets(set, &buckets, width),
            None => damaged += 1,
        });
        for set in &self.sets {
            let columns = columns_of(&set.blocks, set.defs.len());
            damaged += columns.damaged;
            grid.buckets(set, &Buckets::of(&columns, &set.defs, width), width);
        }
        grid.answer(self, width, damaged)
    }
}

/// Puts the frames of blocks into order, one of each time, as columns.
pub(super) fn columns_of(blocks: &[Vec<u8>], n_series: usize) -> Columns {
    let mut frames: Vec<(i64, &[u8])> = blocks.iter().flat_map(|b| BlockFrames::new(b)).collect();
    frames.sort_by_key(|(at, _)| *at);
    let (frames, _) = merge::join(frames);
    Columns::of(frames.iter().map(|(at, values)| (*at, values.as_ref())), n_series)
}

fn median(mut distances: Vec<i64>) -> i64 {
    distances.sort_unstable();
    distances.get(distances.len() / 2).copied().unwrap_or(0)
}

/// The points of an answer while they are gathered.
struct Grid {
    from: i64,
    to: i64,
    step: i64,
    lines: Vec<Vec<Point>>,
    kinds: Vec<MetricKind>,
}

/// One point of one line: `sum / weight` is the mean.
#[derive(Clone, Copy)]
struct Point {
    min: f64,
    max: f64,
    sum: f64,
    weight: f64,
}

const EMPTY: Point = Point { min: f64::INFINITY, max: f64::NEG_INFINITY, sum: 0.0, weight: 0.0 };

impl Point {
    fn add(&mut self, min: f64, max: f64, sum: f64, weight: f64) {
        self.min = self.min.min(min);
        self.max = self.max.max(max);
        self.sum += sum;
        self.weight += weight;
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds and counts, far below 2^53")]
impl Grid {
    fn new(plan: &QueryPlan, step: i64) -> Self {
        let n = usize::try_from((plan.to - plan.from).div_euclid(step) + 1).unwrap_or(0);
        Self {
            from: plan.from,
            to: plan.to,
            step,
            lines: vec![vec![EMPTY; n]; plan.lines.len()],
            kinds: plan.lines.iter().map(|d| d.kind).collect(),
        }
    }

    fn point(&mut self, line: usize, at: i64) -> Option<&mut Point> {
        if at < self.from || at >= self.to {
            return None;
        }
        let point = usize::try_from((at - self.from) / self.step).ok()?;
        self.lines.get_mut(line)?.get_mut(point)
    }

    fn values(&mut self, line: usize, samples: &[(i64, f64)]) {
        for (at, value) in samples {
            if let Some(point) = self.point(line, *at) {
                point.add(*value, *value, *value, 1.0);
            }
        }
    }

    fn rates(&mut self, line: usize, samples: &[(i64, f64)]) {
        for ((before, last), (at, value)) in samples.iter().zip(samples.iter().skip(1)) {
            let seconds = (at - before) as f64 / 1000.0;
            let growth = if value >= last { value - last } else { value.max(0.0) };
            if let Some(point) = self.point(line, *at) {
                let rate = growth / seconds;
                point.add(rate, rate, growth, seconds);
            }
        }
    }

    fn buckets(&mut self, set: &PlannedSet, buckets: &Buckets, width: i64) {
        for (line, series) in &set.wanted {
            let (Some(values), Some(def)) = (buckets.series.get(*series), set.defs.get(*series))
            else {
                continue;
            };
            let unit = 10f64.powi(i32::from(def.decimals));
            for (n, number) in buckets.numbers.iter().enumerate() {
                let span = buckets.spans.get(n).copied().unwrap_or(0);
                let bucket = match values {
                    Aggregate::Absent => None,
                    Aggregate::Gauge(all) | Aggregate::Counter(all) => {
                        all.get(n).map(|b| scaled(b, unit))
                    }
                    Aggregate::Floats(all) => all.get(n).copied(),
                };
                let Some(bucket) = bucket.filter(|b| b.count > 0) else { continue };
                self.bucket(*line, number.saturating_mul(width), width, span, &bucket);
            }
        }
    }

    fn bucket(&mut self, line: usize, at: i64, width: i64, span: u64, bucket: &Bucket<f64>) {
        // A bucket that begins before the asked time still reaches into it.
        let at = if at < self.from && at + width > self.from { self.from } else { at };
        let counter = self.kinds.get(line) == Some(&MetricKind::Counter);
        let Some(point) = self.point(line, at) else { return };
        if counter {
            if span > 0 {
                let seconds = span as f64 / 1000.0;
                let rate = bucket.sum / seconds;
                point.add(rate, rate, bucket.sum, seconds);
            }
        } else {
            point.add(bucket.min, bucket.max, bucket.sum, bucket.count as f64);
        }
    }

    fn answer(self, plan: QueryPlan, interval_ms: i64, damaged: u64) -> Answer {
        let n = self.lines.first().map_or(0, Vec::len);
        let filled: Vec<usize> = (0..n)
            .filter(|n| self.lines.iter().any(|l| l.get(*n).is_some_and(|p| p.weight > 0.0)))
            .collect();
        let pick = |points: &[Point], value: fn(&Point) -> f64| -> Vec<f64> {
            filled
                .iter()
                .map(|n| match points.get(*n) {
                    Some(point) if point.weight > 0.0 => value(point),
                    _ => f64::NAN,
                })
                .collect()
        };
        let lines = plan
            .lines
            .into_iter()
            .zip(&self.lines)
            .map(|(def, points)| Line {
                def,
                min: pick(points, |p| p.min),
                avg: pick(points, |p| (p.sum / p.weight).clamp(p.min, p.max)),
                max: pick(points, |p| p.max),
            })
            .collect();
        let at = |n: &usize| Unix(self.from + self.step * i64::try_from(*n).unwrap_or(0));
        Answer {
            tier: plan.tier,
            step_ms: self.step,
            interval_ms,
            at: filled.iter().map(at).collect(),
            lines,
            damaged,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "shown, not counted with")]
pub(super) fn scaled(bucket: &Bucket<i64>, unit: f64) -> Bucket<f64> {
    Bucket {
        count: bucket.count,
        min: bucket.min as f64 / unit,
        max: bucket.max as f64 / unit,
        sum: bucket.sum as f64 / unit,
        last: bucket.last as f64 / unit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tier_follows_the_zoom_and_how_far_back_it_reaches() {
        let (second, minutes, hours) = (1000, 300_000, 3_600_000);
        for (step, from, begins, expected) in [
            (second, 100, [Some(0), Some(0), Some(0)], Tier::Raw),
            (minutes - 1, 100, [Some(0), Some(0), Some(0)], Tier::Raw),
            (minutes, 100, [Some(0), Some(0), Some(0)], Tier::Minutes),
            (hours, 100, [Some(0), Some(0), Some(0)], Tier::Hours),
            (second, 100, [Some(200), Some(0), Some(0)], Tier::Minutes),
            (second, 100, [Some(200), Some(150), Some(0)], Tier::Hours),
            (second, 100, [Some(200), Some(200), Some(200)], Tier::Raw),
            (second, 100, [None, None, None], Tier::Raw),
        ] {
            assert_eq!(choose(step, from, begins), expected, "{step} {begins:?}");
        }
    }
}

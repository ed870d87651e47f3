//! Samples as they are, of some series of one host: for questions that go through them one by one.
//!
//! As a [`QueryPlan`](super::QueryPlan) is, a [`Fetch`] is planned by the owner of history in
//! microseconds and run anywhere; it copies the frames in memory and takes along where the others lie.

use std::path::PathBuf;
use std::sync::Arc;

use hark_model::frame::scale;
use hark_model::{HostId, MetricKind, SeriesDef, Unix};

use super::History;
use super::catalogue::{Mark, News};
use super::chunk::Chunk;
use super::level0::AtRest;
use super::partition::{self, Readers};
use super::query::{columns_of, scaled};
use super::tier::{self, Aggregate, Bucket, Buckets, DAY_MS, Tier};

/// The samples of one series of a set, by time.
#[derive(Clone, Debug, PartialEq)]
pub struct Fetched {
    /// The set.
    pub set: u32,
    /// The place of the series in it.
    pub place: usize,
    /// The series.
    pub def: SeriesDef,
    /// What there is.
    pub samples: Kept,
}

/// What is kept of samples.
#[derive(Clone, Debug, PartialEq)]
pub enum Kept {
    /// Themselves: when they were taken, and NaN where the series had no value.
    Samples(Vec<(i64, f64)>),
    /// What they come to.
    Buckets(Vec<KeptBucket>),
}

/// What the samples of some time come to. Of a counter the sum is what it has grown by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KeptBucket {
    /// When it begins, in milliseconds.
    pub from: i64,
    /// How many samples.
    pub count: f64,
    /// The lowest.
    pub min: f64,
    /// The highest.
    pub max: f64,
    /// Their sum, or the growth.
    pub sum: f64,
    /// The last one.
    pub last: f64,
    /// The chunk begins with it: what a counter had grown by when it was looked at first is not in the sum.
    pub is_first: bool,
}

impl KeptBucket {
    /// Returns what the first sample of a chunk was, where the counter has not begun anew since.
    fn first(&self) -> Option<f64> {
        let first = self.last - self.sum;
        let is_lowest = (first - self.min).abs() <= 1e-9 * self.last.abs();
        (self.is_first && is_lowest).then_some(first)
    }
}

/// A question for samples with all that is needed to answer it.
#[derive(Debug)]
pub struct Fetch {
    host: u32,
    from: i64,
    to: i64,
    tier: Tier,
    sets: Vec<FetchSet>,
    paths: Vec<PathBuf>,
    below: i64,
}

#[derive(Debug)]
struct FetchSet {
    number: u32,
    defs: Arc<[SeriesDef]>,
    places: Vec<usize>,
    /// Frames that are open.
    open: Vec<u8>,
    /// Frames that are sealed and in no chunk.
    sealed: Vec<AtRest>,
}

impl History {
    /// Returns what is new in the catalogue since `mark`.
    pub fn news(&self, mark: Mark) -> News {
        self.catalogue.news(self.epoch, mark)
    }

    /// Returns the finest tier that has what was at `from` of these series of a host, the places in each set, or
    /// as far back as there is anything.
    pub fn finest(
        &self,
        host: HostId,
        wanted: &[(u32, Vec<usize>)],
        from: Unix,
        now: Unix,
    ) -> Tier {
        let defs = wanted.iter().flat_map(|(set, places)| {
            let defs = self.catalogue.set(*set).map_or(&[][..], |defs| &defs[..]);
            places.iter().filter_map(|place| defs.get(*place))
        });
        let kept = self.kept_of(host, defs);
        let begins = self.begins(kept);
        let begin = |tier: Tier| {
            let [raw, minutes, hours] = begins;
            match tier {
                Tier::Raw => raw,
                Tier::Minutes => minutes,
                Tier::Hours => hours,
            }
        };
        // A partition begins with its days, not with its first sample: only one that begins a whole
        // partition earlier has older ones for certain.
        let is_older = |coarse: Tier, fine: Option<i64>| match (begin(coarse), fine) {
            (Some(coarse_begin), Some(fine)) => coarse_begin + coarse.days() * DAY_MS <= fine,
            (_, None) | (None, _) => false,
        };
        let [raw, minutes, _] = kept;
        let mut finest = Tier::Raw;
        for (coarse, kept) in [(Tier::Minutes, raw), (Tier::Hours, minutes)] {
            let fine = begin(finest);
            let is_gone = fine.is_some_and(|begin| begin > from.0);
            if is_gone && (from.0 < (now - kept).0 || is_older(coarse, fine)) {
                finest = coarse;
            }
        }
        finest
    }

    /// Prepares to read the series at some places of sets of a host, from `from` to `to`, both included.
    /// Sets that are not there are left out.
    pub fn fetch(
        &self,
        host: HostId,
        wanted: &[(u32, Vec<usize>)],
        from: Unix,
        to: Unix,
        tier: Tier,
    ) -> Fetch {
        let (from, to) = (from.0.clamp(0, i64::MAX / 4), to.0.clamp(0, i64::MAX / 4));
        let strands = self.hosts.get(host.0 as usize);
        let mut fetch = Fetch {
            host: host.0,
            from,
            to,
            tier,
            sets: Vec::with_capacity(wanted.len()),
            paths: self.partitions.paths(tier, from - tier.width_ms(), to),
            below: self.partitions.next_id(),
        };
        for (number, places) in wanted {
            let Some(defs) = self.catalogue.set(*number) else { continue };
            let mut set = FetchSet {
                number: *number,
                defs: Arc::clone(defs),
                places: places.clone(),
                open: Vec::new(),
                sealed: Vec::new(),
            };
            let strand = strands.into_iter().flatten().find(|strand| strand.set == *number);
            // A bucket that reaches into the asked time begins before it, and so does what a counter has grown from.
            let from = from - tier.width_ms();
            if let Some(strand) = strand {
                let touching = strand.sealed.iter().filter(|b| b.newest >= from && b.oldest <= to);
                set.sealed = touching.filter_map(|block| self.level0.at_rest(block)).collect();
                // Those of a head that is sealed stand in its block.
                if strand.n_open > 0 && strand.newest >= from && strand.oldest <= to {
                    set.open.clone_from(&strand.open);
                }
            }
            fetch.sets.push(set);
        }
        fetch
    }
}

impl Fetch {
    /// Reads the samples. What is damaged is left out, and said in the log.
    pub fn run(self, readers: &mut Readers) -> Vec<Fetched> {
        let mut fetched: Vec<Fetched> = Vec::new();
        for set in &self.sets {
            for place in &set.places {
                let Some(def) = set.defs.get(*place) else { continue };
                let samples = match self.tier {
                    Tier::Raw => Kept::Samples(Vec::new()),
                    Tier::Minutes | Tier::Hours => Kept::Buckets(Vec::new()),
                };
                fetched.push(Fetched { set: set.number, place: *place, def: def.clone(), samples });
            }
        }
        self.read_chunks(readers, &mut fetched);
        let Self { host, tier, sets, from, to, .. } = self;
        for set in sets {
            let mut blocks = Vec::with_capacity(set.sealed.len() + 1);
            for block in set.sealed {
                match block.read() {
                    Ok(Some(bytes)) => blocks.push(bytes),
                    Ok(None) => tracing::warn!(host, "damaged block left out of an answer"),
                    Err(error) => tracing::warn!(%error, host, "block not read"),
                }
            }
            if !set.open.is_empty() {
                blocks.push(set.open);
            }
            if blocks.is_empty() {
                continue;
            }
            let columns = columns_of(&blocks, set.defs.len());
            let buckets =
                (tier != Tier::Raw).then(|| Buckets::of(&columns, &set.defs, tier.width_ms()));
            for series in fetched.iter_mut().filter(|series| series.set == set.number) {
                match (&mut series.samples, &buckets) {
                    (Kept::Samples(samples), _) => {
                        let Some(column) = columns.series.get(series.place) else { continue };
                        let all = columns.times.iter().enumerate();
                        samples.extend(
                            all.filter(|(_, at)| (from..=to).contains(*at))
                                .map(|(n, at)| (*at, scale(column.item(n), series.def.decimals))),
                        );
                    }
                    (Kept::Buckets(kept), Some(buckets)) => {
                        push_buckets(kept, buckets, series.place, &series.def, tier);
                    }
                    (Kept::Buckets(_), None) => {}
                }
            }
        }
        for series in &mut fetched {
            match &mut series.samples {
                Kept::Samples(samples) => order(samples),
                Kept::Buckets(buckets) => {
                    merge(buckets, series.def.kind, tier.width_ms());
                    buckets.retain(|bucket| {
                        bucket.from + tier.width_ms() >= from && bucket.from <= to
                    });
                }
            }
        }
        fetched
    }

    fn read_chunks(&self, readers: &mut Readers, fetched: &mut [Fetched]) {
        let numbers: Vec<u32> = self.sets.iter().map(|set| set.number).collect();
        let times = (self.from - self.tier.width_ms(), self.to);
        for path in &self.paths {
            partition::read(readers, path, self.host, &numbers, times, self.below, |set, body| {
                let of_set = fetched.iter_mut().filter(|series| series.set == set);
                if self.tier == Tier::Raw {
                    let Some(chunk) = Chunk::open(body) else { return };
                    let Some(times) = chunk.times() else { return };
                    for series in of_set {
                        let (Some(column), Kept::Samples(samples)) =
                            (chunk.column(series.place), &mut series.samples)
                        else {
                            continue;
                        };
                        let all = times.iter().enumerate();
                        samples.extend(
                            all.filter(|(_, at)| (self.from..=self.to).contains(*at))
                                .map(|(n, at)| (*at, scale(column.item(n), series.def.decimals))),
                        );
                    }
                } else {
                    let Some(buckets) = tier::decode(body) else { return };
                    for series in of_set {
                        if let Kept::Buckets(kept) = &mut series.samples {
                            push_buckets(kept, &buckets, series.place, &series.def, self.tier);
                        }
                    }
                }
            });
        }
    }
}

/// Puts samples into order, one of each time: one that is a value, if there is one.
fn order(samples: &mut Vec<(i64, f64)>) {
    if !samples.is_sorted_by(|a, b| a.0 < b.0) {
        samples.sort_by_key(|(at, value)| (*at, value.is_nan()));
        samples.dedup_by_key(|(at, _)| *at);
    }
}

fn push_buckets(
    kept: &mut Vec<KeptBucket>,
    buckets: &Buckets,
    place: usize,
    def: &SeriesDef,
    tier: Tier,
) {
    let unit = 10f64.powi(i32::from(def.decimals));
    let Some(all) = buckets.series.get(place) else { return };
    let mut is_first = true;
    for (n, number) in buckets.numbers.iter().enumerate() {
        let bucket: Option<Bucket<f64>> = match all {
            Aggregate::Absent => None,
            Aggregate::Gauge(all) | Aggregate::Counter(all) => all.get(n).map(|b| scaled(b, unit)),
            Aggregate::Floats(all) => all.get(n).copied(),
        };
        let Some(bucket) = bucket.filter(|bucket| bucket.count > 0) else { continue };
        #[expect(clippy::cast_precision_loss, reason = "a number of samples")]
        kept.push(KeptBucket {
            from: number.saturating_mul(tier.width_ms()),
            count: bucket.count as f64,
            min: bucket.min,
            max: bucket.max,
            sum: bucket.sum,
            last: bucket.last,
            is_first: std::mem::replace(&mut is_first, false),
        });
    }
}

/// Makes one bucket of its parts, which lie in chunks that follow each other. By how much a counter has grown between
/// two chunks neither knows, and both together do; but not over a bucket that is missing, which is a gap.
fn merge(buckets: &mut Vec<KeptBucket>, kind: MetricKind, width: i64) {
    buckets.sort_by_key(|bucket| bucket.from);
    if kind == MetricKind::Counter {
        let mut before: Option<(i64, f64)> = None;
        for part in buckets.iter_mut() {
            let first = part.first();
            if let (Some((from, last)), Some(first)) = (before, first)
                && part.from - from <= width
            {
                // Lower: the counter has begun anew, or the chunks lie side by side.
                part.sum += (first - last).max(0.0);
            }
            before = Some((part.from, part.last));
        }
    }
    buckets.dedup_by(|part, kept| {
        if part.from != kept.from {
            return false;
        }
        kept.count += part.count;
        kept.min = kept.min.min(part.min);
        kept.max = kept.max.max(part.max);
        kept.sum += part.sum;
        kept.last = part.last;
        true
    });
}

//! What is left of samples when they are looked at from afar: buckets of five minutes and of an hour.
//!
//! A bucket keeps count, minimum, maximum, sum and the last value of each series. Of a counter the
//! sum is what it has grown by within the bucket (resets taken into account), and the bucket knows
//! over how long: their ratio is the rate. A bucket that lies across two chunks is stored in two
//! parts; parts of one bucket are merged when they are read, so nothing stored is ever changed.
//!
//! A row is: version (1 byte), number of buckets and of series (varints), then for each bucket its
//! number (start divided by width; the first one signed, the others as the difference), the
//! milliseconds its counters grew over, and its number of frames (varints), then for each series its
//! kind (0 absent, 1 gauge and 2 counter in scaled integers, 3 floats) with its values, then the
//! CRC-32 of all that.

use std::ops::Range;

use hark_model::frame::{Item, scale};
use hark_model::{MetricKind, SeriesDef};

use super::bytes::{Reader, put_signed, put_varint, unzigzag, zigzag};
use super::chunk::{Column, Columns, MAX_FRAMES, Without};

/// The resolutions in which samples are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// Every sample.
    Raw,
    /// Buckets of five minutes.
    Minutes,
    /// Buckets of an hour.
    Hours,
}

impl Tier {
    /// Every tier, finest first.
    pub const ALL: [Self; 3] = [Self::Raw, Self::Minutes, Self::Hours];

    /// Returns the width of a bucket in milliseconds; 0 for samples as they are.
    pub fn width_ms(self) -> i64 {
        match self {
            Self::Raw => 0,
            Self::Minutes => 300_000,
            Self::Hours => 3_600_000,
        }
    }

    /// Returns the name of its folder.
    pub fn word(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Minutes => "minutes",
            Self::Hours => "hours",
        }
    }

    /// Returns how many days one partition file holds: what expires at once.
    pub(super) fn days(self) -> i64 {
        match self {
            Self::Raw => 1,
            Self::Minutes => 10,
            Self::Hours => 120,
        }
    }
}

const VERSION: u8 = 1;

/// Milliseconds of a day.
pub(super) const DAY_MS: i64 = 86_400_000;

/// One series over one bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Bucket<T> {
    pub(super) count: u64,
    pub(super) min: T,
    pub(super) max: T,
    pub(super) sum: T,
    pub(super) last: T,
}

/// One series over the buckets of a row.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Aggregate {
    Absent,
    Gauge(Vec<Bucket<i64>>),
    Counter(Vec<Bucket<i64>>),
    Floats(Vec<Bucket<f64>>),
}

/// The buckets of one set over the time of one chunk.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Buckets {
    /// Number of each bucket: its start divided by the width.
    pub(super) numbers: Vec<i64>,
    /// Over how many milliseconds the counters of each have grown.
    pub(super) spans: Vec<u64>,
    /// How many frames are in each.
    pub(super) frames: Vec<u64>,
    /// One for each series of the set.
    pub(super) series: Vec<Aggregate>,
}

impl Buckets {
    /// Aggregates columns of the set `defs` into buckets of `width` milliseconds.
    pub(super) fn of(columns: &Columns, defs: &[SeriesDef], width: i64) -> Self {
        let times = &columns.times;
        let mut ranges: Vec<Range<usize>> = Vec::new();
        let mut buckets = Self::default();
        for (at, time) in times.iter().enumerate() {
            let number = time.div_euclid(width);
            let span = at
                .checked_sub(1)
                .and_then(|before| times.get(before))
                .map_or(0, |before| u64::try_from(time - before).unwrap_or(0));
            if buckets.numbers.last() == Some(&number)
                && let (Some(range), Some(total), Some(n)) =
                    (ranges.last_mut(), buckets.spans.last_mut(), buckets.frames.last_mut())
            {
                range.end = at + 1;
                *total += span;
                *n += 1;
            } else {
                ranges.push(at..at + 1);
                buckets.numbers.push(number);
                buckets.spans.push(span);
                buckets.frames.push(1);
            }
        }
        buckets.series = columns
            .series
            .iter()
            .zip(defs)
            .map(|(column, def)| aggregate(column, def, &ranges))
            .collect();
        buckets
    }

    /// Merges these buckets into ones `factor` times as wide.
    pub(super) fn coarser(&self, factor: i64) -> Self {
        let mut ranges: Vec<Range<usize>> = Vec::new();
        let mut buckets = Self::default();
        for (at, number) in self.numbers.iter().enumerate() {
            let number = number.div_euclid(factor);
            let span = self.spans.get(at).copied().unwrap_or(0);
            let frames = self.frames.get(at).copied().unwrap_or(0);
            if buckets.numbers.last() == Some(&number)
                && let (Some(range), Some(total), Some(n)) =
                    (ranges.last_mut(), buckets.spans.last_mut(), buckets.frames.last_mut())
            {
                range.end = at + 1;
                *total += span;
                *n += frames;
            } else {
                ranges.push(at..at + 1);
                buckets.numbers.push(number);
                buckets.spans.push(span);
                buckets.frames.push(frames);
            }
        }
        buckets.series = self
            .series
            .iter()
            .map(|series| match series {
                Aggregate::Absent => Aggregate::Absent,
                Aggregate::Gauge(parts) => Aggregate::Gauge(merge(parts, &ranges)),
                Aggregate::Counter(parts) => Aggregate::Counter(merge(parts, &ranges)),
                Aggregate::Floats(parts) => Aggregate::Floats(merge(parts, &ranges)),
            })
            .collect();
        buckets
    }
}

/// What buckets need of their numbers.
pub(super) trait Number: Copy + Default + PartialOrd {
    fn plus(self, other: Self) -> Self;
}

impl Number for i64 {
    fn plus(self, other: Self) -> Self {
        self.saturating_add(other)
    }
}

impl Number for f64 {
    fn plus(self, other: Self) -> Self {
        self + other
    }
}

impl<T: Number> Bucket<T> {
    /// Adds a value that adds `growth` to the sum.
    #[inline]
    fn add(&mut self, value: T, growth: T) {
        if self.count == 0 {
            (self.min, self.max) = (value, value);
        } else if value < self.min {
            self.min = value;
        } else if value > self.max {
            self.max = value;
        }
        self.count += 1;
        self.sum = self.sum.plus(growth);
        self.last = value;
    }
}

fn merge<T: Number>(parts: &[Bucket<T>], ranges: &[Range<usize>]) -> Vec<Bucket<T>> {
    let mut merged = Vec::with_capacity(ranges.len());
    for range in ranges {
        let mut bucket = Bucket::default();
        for part in parts.get(range.clone()).unwrap_or_default() {
            if part.count == 0 {
                continue;
            }
            if bucket.count == 0 {
                bucket = *part;
                continue;
            }
            if part.min < bucket.min {
                bucket.min = part.min;
            }
            if part.max > bucket.max {
                bucket.max = part.max;
            }
            bucket.count += part.count;
            bucket.sum = bucket.sum.plus(part.sum);
            bucket.last = part.last;
        }
        merged.push(bucket);
    }
    merged
}

fn aggregate(column: &Column, def: &SeriesDef, ranges: &[Range<usize>]) -> Aggregate {
    match (column, def.kind) {
        (Column::Integers(values), MetricKind::Gauge) => Aggregate::Gauge(gauges(values, ranges)),
        (Column::Integers(values), MetricKind::Counter) => {
            let at = |n: usize| values.get(n).copied();
            Aggregate::Counter(counters(ranges, at, growth))
        }
        (Column::Items(items), kind) => mixed(items, def.decimals, kind, ranges),
    }
}

/// The usual case, in a form that the compiler turns into vector instructions.
fn gauges(values: &[i64], ranges: &[Range<usize>]) -> Vec<Bucket<i64>> {
    let bucket = |range: &Range<usize>| {
        let values = values.get(range.clone()).unwrap_or_default();
        let (Some(&first), Some(&last)) = (values.first(), values.last()) else {
            return Bucket::default();
        };
        let (mut min, mut max, mut sum) = (first, first, 0i64);
        for value in values {
            min = min.min(*value);
            max = max.max(*value);
            sum = sum.saturating_add(*value);
        }
        Bucket { count: values.len() as u64, min, max, sum, last }
    };
    ranges.iter().map(bucket).collect()
}

/// By how much a counter has grown; one that is lower than before began again at zero.
fn growth(before: i64, value: i64) -> i64 {
    if value >= before { value.saturating_sub(before) } else { value.max(0) }
}

fn float_growth(before: f64, value: f64) -> f64 {
    if value >= before { value - before } else { value.max(0.0) }
}

fn counters<T: Number>(
    ranges: &[Range<usize>],
    at: impl Fn(usize) -> Option<T>,
    growth: impl Fn(T, T) -> T,
) -> Vec<Bucket<T>> {
    let mut buckets = Vec::with_capacity(ranges.len());
    let mut before = None;
    for range in ranges {
        let mut bucket = Bucket::default();
        for n in range.clone() {
            let Some(value) = at(n) else { continue };
            bucket.add(value, before.map_or_else(T::default, |b| growth(b, value)));
            before = Some(value);
        }
        buckets.push(bucket);
    }
    buckets
}

fn plain<T: Number>(ranges: &[Range<usize>], at: impl Fn(usize) -> Option<T>) -> Vec<Bucket<T>> {
    let mut buckets = Vec::with_capacity(ranges.len());
    for range in ranges {
        let mut bucket = Bucket::default();
        for value in range.clone().filter_map(&at) {
            bucket.add(value, value);
        }
        buckets.push(bucket);
    }
    buckets
}

fn mixed(items: &[Item], decimals: u8, kind: MetricKind, ranges: &[Range<usize>]) -> Aggregate {
    if items.iter().all(|i| *i == Item::Absent) {
        return Aggregate::Absent;
    }
    if items.iter().any(|i| matches!(i, Item::Float(_))) {
        let at = |n: usize| {
            let item = items.get(n).copied().unwrap_or(Item::Absent);
            (item != Item::Absent).then(|| scale(item, decimals))
        };
        return Aggregate::Floats(match kind {
            MetricKind::Gauge => plain(ranges, at),
            MetricKind::Counter => counters(ranges, at, float_growth),
        });
    }
    let at = |n: usize| match items.get(n) {
        Some(Item::Scaled(value)) => Some(*value),
        _ => None,
    };
    match kind {
        MetricKind::Gauge => Aggregate::Gauge(plain(ranges, at)),
        MetricKind::Counter => Aggregate::Counter(counters(ranges, at, growth)),
    }
}

/// Returns the row of `buckets`.
pub(super) fn encode(buckets: &Buckets) -> Vec<u8> {
    let mut out = Vec::with_capacity(buckets.numbers.len() * (buckets.series.len() + 1) * 6 + 16);
    out.push(VERSION);
    put_varint(&mut out, buckets.numbers.len() as u64);
    put_varint(&mut out, buckets.series.len() as u64);
    let mut last = 0;
    let shared = buckets.numbers.iter().zip(&buckets.spans).zip(&buckets.frames);
    for ((number, span), frames) in shared {
        put_signed(&mut out, number.wrapping_sub(last));
        put_varint(&mut out, *span);
        put_varint(&mut out, *frames);
        last = *number;
    }
    for series in &buckets.series {
        match series {
            Aggregate::Absent => out.push(0),
            Aggregate::Gauge(all) => {
                out.push(1);
                encode_integers(all, &buckets.frames, &mut out, |b| {
                    b.min.wrapping_mul(b.count.cast_signed())
                });
            }
            Aggregate::Counter(all) => {
                out.push(2);
                encode_integers(all, &buckets.frames, &mut out, |_| 0);
            }
            Aggregate::Floats(all) => {
                out.push(3);
                for bucket in all {
                    put_varint(&mut out, bucket.count);
                    for value in [bucket.min, bucket.max, bucket.sum, bucket.last] {
                        out.extend_from_slice(&value.to_bits().to_le_bytes());
                    }
                }
            }
        }
    }
    let crc = crc32fast::hash(&out);
    out.extend_from_slice(&crc.to_le_bytes());
    out
}

/// `expected` is what the sum would be if every value were the minimum.
fn encode_integers(
    all: &[Bucket<i64>],
    frames: &[u64],
    out: &mut Vec<u8>,
    expected: impl Fn(&Bucket<i64>) -> i64,
) {
    let mut last = 0;
    for (bucket, frames) in all.iter().zip(frames) {
        // 0 stands for the usual count, one value in each frame.
        put_varint(out, if bucket.count == *frames { 0 } else { bucket.count + 1 });
        if bucket.count == 0 {
            continue;
        }
        put_signed(out, bucket.min.wrapping_sub(last));
        put_varint(out, bucket.max.wrapping_sub(bucket.min).cast_unsigned());
        put_varint(out, bucket.last.wrapping_sub(bucket.min).cast_unsigned());
        put_varint(out, zigzag(bucket.sum.wrapping_sub(expected(bucket))));
        last = bucket.min;
    }
}

/// Reads a row of tier data; `None` if it is damaged or of another version.
pub(super) fn decode(bytes: &[u8]) -> Option<Buckets> {
    let (body, crc) = bytes.split_last_chunk::<4>()?;
    if crc32fast::hash(body) != u32::from_le_bytes(*crc) {
        return None;
    }
    let mut reader = Reader::new(body);
    if reader.u8()? != VERSION {
        return None;
    }
    let n_buckets = reader.count().filter(|n| *n <= MAX_FRAMES)?;
    let n_series = reader.count()?;
    let mut buckets = Buckets::default();
    let mut last = 0i64;
    for _ in 0..n_buckets {
        last = last.wrapping_add(reader.signed()?);
        buckets.numbers.push(last);
        buckets.spans.push(reader.varint()?);
        buckets.frames.push(reader.varint()?);
    }
    for _ in 0..n_series {
        let series = match reader.u8()? {
            0 => Aggregate::Absent,
            1 => Aggregate::Gauge(decode_integers(&mut reader, &buckets.frames, |b| {
                b.min.wrapping_mul(b.count.cast_signed())
            })?),
            2 => Aggregate::Counter(decode_integers(&mut reader, &buckets.frames, |_| 0)?),
            3 => Aggregate::Floats(decode_floats(&mut reader, n_buckets)?),
            _ => return None,
        };
        buckets.series.push(series);
    }
    Some(buckets)
}

/// Returns the row without what is in the series that are `gone`; `None` if it is damaged or of another version.
pub(super) fn without(bytes: &[u8], gone: &[bool]) -> Option<Without> {
    let mut buckets = decode(bytes)?;
    let mut was_there = false;
    for (series, _) in buckets.series.iter_mut().zip(gone).filter(|(_, gone)| **gone) {
        was_there |= *series != Aggregate::Absent;
        *series = Aggregate::Absent;
    }
    if buckets.series.iter().all(|series| *series == Aggregate::Absent) {
        return Some(Without::Nothing);
    }
    Some(if was_there { Without::Other(encode(&buckets)) } else { Without::Same })
}

fn decode_integers(
    reader: &mut Reader<'_>,
    frames: &[u64],
    expected: impl Fn(&Bucket<i64>) -> i64,
) -> Option<Vec<Bucket<i64>>> {
    let mut all = Vec::with_capacity(frames.len());
    let mut last = 0i64;
    for frames in frames {
        let count = match reader.varint()? {
            0 => *frames,
            n => n - 1,
        };
        let mut bucket = Bucket { count, ..Bucket::default() };
        if count > 0 {
            bucket.min = last.wrapping_add(reader.signed()?);
            bucket.max = bucket.min.wrapping_add(reader.varint()?.cast_signed());
            bucket.last = bucket.min.wrapping_add(reader.varint()?.cast_signed());
            bucket.sum = expected(&bucket).wrapping_add(unzigzag(reader.varint()?));
            last = bucket.min;
        }
        all.push(bucket);
    }
    Some(all)
}

fn decode_floats(reader: &mut Reader<'_>, n: usize) -> Option<Vec<Bucket<f64>>> {
    let mut all = Vec::with_capacity(n);
    for _ in 0..n {
        let count = reader.varint()?;
        let mut value = || reader.u64().map(f64::from_bits);
        all.push(Bucket { count, min: value()?, max: value()?, sum: value()?, last: value()? });
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use hark_model::{SeriesName, Unit};
    use proptest::prelude::*;

    use super::*;

    fn def(kind: MetricKind) -> SeriesDef {
        SeriesDef { name: SeriesName::plain("a", "b"), unit: Unit::None, kind, decimals: 1 }
    }

    fn defs() -> Vec<SeriesDef> {
        let (g, c) = (MetricKind::Gauge, MetricKind::Counter);
        [g, c, g, c, g].map(def).to_vec()
    }

    fn columns() -> Columns {
        let n = 100i64;
        let item = |n: i64| match n % 7 {
            0 => Item::Absent,
            1 => Item::Float(0.5),
            _ => Item::Scaled(n),
        };
        let gap = |n: i64| if n % 3 == 0 { Item::Absent } else { Item::Scaled(n) };
        Columns {
            times: (0..n).map(|n| n * 15_000 - 60_000).collect(),
            series: vec![
                Column::Integers((0..n).map(|n| (n * 37) % 50 - 20).collect()),
                Column::Integers((0..n).map(|n| (n % 40) * 1000).collect()),
                Column::Items((0..n).map(item).collect()),
                Column::Items((0..n).map(gap).collect()),
                Column::Items(vec![Item::Absent; 100]),
            ],
            damaged: 0,
        }
    }

    #[test]
    fn a_row_of_the_first_version_is_read() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/v1/tier.bin");
        let stored = std::fs::read(path).unwrap();
        assert_eq!(decode(&stored), Some(Buckets::of(&columns(), &defs(), 300_000)));
    }

    #[test]
    fn a_damaged_row_is_refused() {
        let bytes = encode(&Buckets::of(&columns(), &defs(), 300_000));
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x40;
            assert_eq!(decode(&damaged), None);
        }
    }

    #[test]
    fn series_are_let_go_and_the_others_stay() {
        let buckets = Buckets::of(&columns(), &defs(), 300_000);
        let bytes = encode(&buckets);
        let mut expected = buckets.clone();
        expected.series[1] = Aggregate::Absent;
        let left = without(&bytes, &[false, true, false, false, false]);
        assert_eq!(left, Some(Without::Other(encode(&expected))));
        // The last one never had a value.
        assert_eq!(without(&bytes, &[false, false, false, false, true]), Some(Without::Same));
        let all = [true, true, true, true, false];
        assert_eq!(without(&bytes, &all), Some(Without::Nothing));
        assert_eq!(without(&bytes[1..], &all), None);
    }

    #[test]
    fn a_counter_that_begins_again_grows_by_what_it_has_reached() {
        let columns = Columns {
            times: vec![0, 10_000, 20_000, 30_000],
            series: vec![Column::Integers(vec![100, 150, 20, 30])],
            damaged: 0,
        };
        let buckets = Buckets::of(&columns, &[def(MetricKind::Counter)], 300_000);
        let expected = Bucket { count: 4, min: 20, max: 150, sum: 50 + 20 + 10, last: 30 };
        assert_eq!(buckets.series, [Aggregate::Counter(vec![expected])]);
        assert_eq!((buckets.spans, buckets.frames), (vec![30_000], vec![4]));
    }

    #[test]
    fn times_before_1970_fall_into_the_right_bucket() {
        let buckets = Buckets::of(&columns(), &defs(), 300_000);
        assert_eq!(buckets.numbers[..2], [-1, 0]);
        assert_eq!(buckets.frames[..2], [4, 20]);
    }

    #[test]
    fn hours_from_minutes_are_hours_from_samples() {
        let minutes = Buckets::of(&columns(), &defs(), 300_000);
        let mut direct = Buckets::of(&columns(), &defs(), 3_600_000);
        let mut merged = minutes.coarser(12);
        // Sums of floats may differ in the last bits: compare them apart.
        let (Aggregate::Floats(a), Aggregate::Floats(b)) =
            (direct.series.remove(2), merged.series.remove(2))
        else {
            panic!("the third series has floats")
        };
        for (a, b) in a.iter().zip(&b) {
            assert_eq!((a.count, a.min, a.max, a.last), (b.count, b.min, b.max, b.last));
            assert!((a.sum - b.sum).abs() < 1e-9);
        }
        assert_eq!(merged, direct);
    }

    proptest! {
        #[test]
        fn rows_come_back(
            values in prop::collection::vec(any::<i64>(), 1..100),
            steps in prop::collection::vec(1i64..400_000, 100),
        ) {
            let mut at = 0;
            let times = values.iter().zip(steps).map(|(_, s)| { at += s; at }).collect();
            let series = vec![Column::Integers(values.clone()), Column::Integers(values)];
            let columns = Columns { times, series, damaged: 0 };
            let defs = [def(MetricKind::Gauge), def(MetricKind::Counter)];
            let buckets = Buckets::of(&columns, &defs, 300_000);
            prop_assert_eq!(decode(&encode(&buckets)), Some(buckets.clone()));
            let hours = buckets.coarser(12);
            prop_assert_eq!(decode(&encode(&hours)), Some(hours));
        }
    }
}

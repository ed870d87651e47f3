//! From what history keeps to what a question needs.

use hark_model::MetricKind;
use hark_model::labels::Foreign;
use hark_query::{ABSENT, Need, Samples};
use hark_store::history::{Fetched, Kept, KeptBucket, Tier};

/// Makes one series of its parts.
pub(super) fn samples(parts: &[&Fetched], need: Need, tier: Tier) -> Samples {
    let mut raw: Vec<(i64, f64)> = Vec::new();
    let mut buckets: Vec<KeptBucket> = Vec::new();
    let (mut is_counter, mut ends) = (false, true);
    for part in parts {
        is_counter |= part.def.kind == MetricKind::Counter;
        ends &= tells_its_end(&part.def.name.collector);
        match &part.samples {
            Kept::Samples(samples) => raw.extend(samples),
            Kept::Buckets(kept) => buckets.extend(kept),
        }
    }
    if tier == Tier::Raw {
        return of_samples(raw, ends, parts.len() > 1);
    }
    buckets.sort_by_key(|bucket| bucket.from);
    // Of two sets of one time the one with more samples.
    buckets.dedup_by(|bucket, kept| {
        let is_same = bucket.from == kept.from;
        if is_same && bucket.count > kept.count {
            *kept = *bucket;
        }
        is_same
    });
    of_buckets(&buckets, need, tier.width_ms(), is_counter)
}

/// Whether a frame without a value of a series says that it has none. What agents measure they measure all
/// at once; what comes by other ways comes in pieces, each with some series.
fn tells_its_end(collector: &str) -> bool {
    match Foreign::of(collector) {
        None | Some(Foreign::Exporter) => true,
        Some(Foreign::Prometheus | Foreign::Otlp | Foreign::Influx | Foreign::Graphite) => false,
    }
}

fn of_samples(mut raw: Vec<(i64, f64)>, ends: bool, is_mixed: bool) -> Samples {
    if !ends {
        raw.retain(|(_, value)| !value.is_nan());
    }
    if is_mixed {
        // What one set has not, another may have.
        raw.sort_by_key(|(at, value)| (*at, value.is_nan()));
        raw.dedup_by_key(|(at, _)| *at);
    }
    let value = |value: f64| if value.is_nan() { ABSENT } else { value };
    let (times, values) = raw.into_iter().map(|(at, v)| (at, value(v))).unzip();
    Samples { times, values, weights: Vec::new(), width_ms: 0 }
}

fn of_buckets(buckets: &[KeptBucket], need: Need, width: i64, is_counter: bool) -> Samples {
    let mut samples = Samples { width_ms: width, ..Samples::default() };
    if need == Need::Growth {
        grow(&mut samples, buckets, width, is_counter);
        return samples;
    }
    for bucket in buckets {
        samples.times.push(bucket.from + width);
        samples.values.push(match need {
            Need::Last | Need::Growth => bucket.last,
            Need::Min => bucket.min,
            Need::Max => bucket.max,
            // Of a counter the sum is kept of its growth: near enough is the middle of what it was.
            Need::Sum if is_counter => f64::midpoint(bucket.min, bucket.max) * bucket.count,
            Need::Sum => bucket.sum,
        });
        if need == Need::Sum {
            samples.weights.push(bucket.count);
        }
    }
    samples
}

/// What a counter has grown to since the first bucket; of what is no counter, by its last values.
fn grow(samples: &mut Samples, buckets: &[KeptBucket], width: i64, is_counter: bool) {
    let (mut total, mut last) = (0.0, None);
    for bucket in buckets {
        let growth = match last {
            _ if is_counter => bucket.sum,
            None => 0.0,
            Some(before) if bucket.last >= before => bucket.last - before,
            Some(_) => bucket.last.max(0.0),
        };
        last = Some(bucket.last);
        if samples.times.last() != Some(&bucket.from) {
            samples.times.push(bucket.from);
            samples.values.push(total);
        }
        total += growth;
        samples.times.push(bucket.from + width);
        samples.values.push(total);
    }
}

#[cfg(test)]
mod tests {
    use hark_model::{SeriesDef, SeriesName, Unit};

    use super::*;

    fn fetched(collector: &str, kind: MetricKind, samples: Kept) -> Fetched {
        let name = SeriesName::of(collector, "a.b=c", "m");
        let def = SeriesDef { name, unit: Unit::None, kind, decimals: 0 };
        Fetched { set: 1, place: 0, def, samples }
    }

    #[test]
    fn a_frame_without_a_value_ends_a_series_of_an_agent_and_no_other() {
        let raw = || Kept::Samples(vec![(1, 1.0), (2, f64::NAN), (3, 3.0)]);
        let times = |collector: &str| {
            let part = fetched(collector, MetricKind::Gauge, raw());
            let samples = samples(&[&part], Need::Last, Tier::Raw);
            assert!(samples.values.iter().all(|v| !v.is_nan() || hark_query::is_absent(*v)));
            samples.times
        };
        assert_eq!(times("cpu_monitor"), [1, 2, 3]);
        assert_eq!(times("exporter"), [1, 2, 3]);
        assert_eq!(times("prometheus"), [1, 3]);
        let other = fetched("cpu_monitor", MetricKind::Gauge, Kept::Samples(vec![(2, 2.0)]));
        let own = fetched("cpu_monitor", MetricKind::Gauge, raw());
        let both = samples(&[&own, &other], Need::Last, Tier::Raw);
        assert_eq!(both.values, [1.0, 2.0, 3.0], "what one set has not, another may have");
    }

    #[test]
    fn buckets_are_given_as_they_are_needed() {
        let bucket = |from, sum, last| KeptBucket {
            from,
            count: 4.0,
            min: 1.0,
            max: 9.0,
            sum,
            last,
            is_first: false,
        };
        let kept =
            vec![bucket(0, 20.0, 5.0), bucket(300_000, 28.0, 7.0), bucket(900_000, 8.0, 2.0)];
        let get = |kind, need| {
            let part = fetched("cpu_monitor", kind, Kept::Buckets(kept.clone()));
            samples(&[&part], need, Tier::Minutes)
        };
        let gauge = |need| get(MetricKind::Gauge, need);
        assert_eq!(gauge(Need::Last).times, [300_000, 600_000, 1_200_000]);
        assert_eq!(gauge(Need::Last).values, [5.0, 7.0, 2.0]);
        assert_eq!(gauge(Need::Min).values, [1.0; 3]);
        assert_eq!(gauge(Need::Max).values, [9.0; 3]);
        let sum = gauge(Need::Sum);
        assert_eq!((sum.values, sum.weights), (vec![20.0, 28.0, 8.0], vec![4.0; 3]));
        let growth = get(MetricKind::Counter, Need::Growth);
        assert_eq!(growth.times, [0, 300_000, 600_000, 900_000, 1_200_000]);
        assert_eq!(growth.values, [0.0, 20.0, 48.0, 48.0, 56.0]);
        assert_eq!(gauge(Need::Growth).values, [0.0, 0.0, 2.0, 2.0, 4.0]);
        assert_eq!(get(MetricKind::Counter, Need::Sum).values, [20.0; 3]);
    }
}

//! OTLP metrics, as protocol buffers and as JSON.
//!
//! | what came | series |
//! | --- | --- |
//! | gauge; cumulative sum | one of the same name; a monotonic sum counts |
//! | histogram | `NAME_count`, `NAME_sum`, `NAME_min`, `NAME_max`, and if wanted `NAME_bucket` by `le` |
//! | exponential histogram | `NAME_count`, `NAME_sum`, `NAME_min`, `NAME_max`: its buckets change their bounds |
//! | summary | `NAME` by `quantile`, `NAME_count`, `NAME_sum` |
//!
//! Deltas are refused: once one is lost, and every restart of either side loses some, the sum is wrong for
//! ever. Names and attributes stay as they came. Of a resource's attributes `host.name` tells the host,
//! `service.name` with `service.namespace` the job, `service.instance.id` is the label `instance`, and
//! others are kept where the settings name them.

mod json;
mod protobuf;

use std::borrow::Cow;

use hark_model::labels::{Foreign, INSTANCE};
use hark_model::{MetricKind, Unix};

use crate::gather::{Found, MAX_LABELS_READ, path};
use crate::{Batch, Gather, Naming, Unreadable, Why};

/// Bound on the buckets of one histogram.
const MAX_BUCKETS: usize = 512;

/// Bound on the quantiles of one summary.
const MAX_QUANTILES: usize = 64;

/// The flag of a point that says that there is no value.
const NO_VALUE: u64 = 1;

/// Reads a request of protocol buffers.
///
/// # Errors
/// If it is none, or has more than a request may have.
pub fn read(body: &[u8], naming: &Naming) -> Result<Batch, Unreadable> {
    let mut gather = Gather::new(Foreign::Otlp, naming);
    protobuf::read(body, &mut gather)?;
    Ok(gather.finish())
}

/// Reads a request of JSON.
///
/// # Errors
/// As [`read`].
pub fn read_json(body: &[u8], naming: &Naming) -> Result<Batch, Unreadable> {
    let mut gather = Gather::new(Foreign::Otlp, naming);
    json::read(body, &mut gather)?;
    Ok(gather.finish())
}

type Attributes<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// Whose the metrics are.
#[derive(Debug, Default)]
struct Resource<'a> {
    host: Option<Cow<'a, str>>,
    job: Option<Cow<'a, str>>,
    /// What of its attributes stands at every series.
    labels: Attributes<'a>,
}

impl<'a> Resource<'a> {
    fn of(attributes: &Attributes<'a>, naming: &Naming) -> Self {
        let by_name = |wanted: &str| {
            let found = attributes.iter().find(|(name, value)| name == wanted && !value.is_empty());
            found.map(|(_, value)| value.clone())
        };
        let pairs = attributes.iter().map(|(name, value)| (name.as_ref(), value.as_ref()));
        let host = naming.told(&pairs).map(|host| Cow::Owned(host.to_owned()));
        let job = match (by_name("service.namespace"), by_name("service.name")) {
            (Some(space), Some(name)) => Some(Cow::Owned(format!("{space}/{name}"))),
            (_, name) => name,
        };
        let instance = by_name("service.instance.id").map(|value| (INSTANCE.into(), value));
        let kept = |(name, _): &(Cow<'a, str>, Cow<'a, str>)| {
            naming.keep_attributes.iter().any(|wanted| wanted == name)
        };
        let mut labels: Attributes<'a> = attributes.iter().filter(|a| kept(a)).cloned().collect();
        labels.extend(instance);
        Self { host, job, labels }
    }
}

/// What kind of metric a point is of, as far as it matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Shape {
    is_delta: bool,
    kind: MetricKind,
}

impl Shape {
    /// Returns the shape of what has this temporality, by its number: 1 is delta.
    fn of(temporality: u64, is_counter: bool) -> Self {
        let kind = if is_counter { MetricKind::Counter } else { MetricKind::Gauge };
        Self { is_delta: temporality == 1, kind }
    }
}

/// A point of any metric, with those fields that its metric has.
#[derive(Debug, Default)]
struct Point<'a> {
    attributes: Attributes<'a>,
    at_ns: u64,
    flags: u64,
    value: Option<f64>,
    count: u64,
    sum: Option<f64>,
    min: Option<f64>,
    max: Option<f64>,
    bounds: Vec<f64>,
    buckets: Vec<u64>,
    quantiles: Vec<(f64, f64)>,
}

/// What of a point is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Parts {
    Number,
    Histogram,
    Exponential,
    Summary,
}

impl<'a> Point<'a> {
    fn give(
        self,
        name: &str,
        shape: Shape,
        parts: Parts,
        resource: &Resource<'a>,
        gather: &mut Gather<'_>,
    ) -> Result<(), Unreadable> {
        let mut labels = self.attributes.clone();
        for (name, value) in &resource.labels {
            // What the point itself says counts.
            if !labels.iter().any(|(own, _)| own == name) {
                labels.push((name.clone(), value.clone()));
            }
        }
        let metric = Cow::Owned(name.to_owned());
        let kind = Some(shape.kind);
        // A point may be about another host than the program that tells of it. The resource's instance
        // tells none: it is the number of a process.
        let naming = gather.naming();
        let own = self.attributes.iter().map(|(name, value)| (name.as_ref(), value.as_ref()));
        let told = naming.told(&own).map(|host| Cow::Owned(host.to_owned()));
        let host = told.or_else(|| resource.host.clone());
        let host = host.or_else(|| Some(naming.host.as_str().to_owned().into()));
        let found = Found { metric, labels, kind, host, job: resource.job.clone() };
        if shape.is_delta || self.is_too_large() || found.labels.len() > MAX_LABELS_READ {
            let why = if shape.is_delta { Why::Delta } else { Why::Labels };
            gather.refuse(why, 1, || path(&found));
            return Ok(());
        }
        let at = i64::try_from(self.at_ns / 1_000_000).ok().filter(|ms| *ms > 0).map(Unix);
        if self.flags & NO_VALUE != 0 {
            return gather.take(&found, &[(at, f64::NAN)]);
        }
        match parts {
            Parts::Number => {
                let Some(value) = self.value else {
                    gather.refuse(Why::Value, 1, || path(&found));
                    return Ok(());
                };
                gather.take(&found, &[(at, value)])
            }
            Parts::Histogram | Parts::Exponential => self.histogram(found, parts, at, gather),
            Parts::Summary => self.summary(found, at, gather),
        }
    }

    fn is_too_large(&self) -> bool {
        self.buckets.len() > MAX_BUCKETS
            || self.bounds.len() > MAX_BUCKETS
            || self.quantiles.len() > MAX_QUANTILES
    }

    #[expect(clippy::cast_precision_loss, reason = "every store of samples has doubles")]
    fn histogram(
        self,
        mut found: Found<'a>,
        parts: Parts,
        at: Option<Unix>,
        gather: &mut Gather<'_>,
    ) -> Result<(), Unreadable> {
        let name = std::mem::take(&mut found.metric);
        for (suffix, value, kind) in [
            ("_count", Some(self.count as f64), MetricKind::Counter),
            ("_sum", self.sum, MetricKind::Counter),
            ("_min", self.min, MetricKind::Gauge),
            ("_max", self.max, MetricKind::Gauge),
        ] {
            if let Some(value) = value {
                found.metric = format!("{name}{suffix}").into();
                found.kind = Some(kind);
                gather.take(&found, &[(at, value)])?;
            }
        }
        if parts == Parts::Exponential || !gather.naming().buckets {
            return Ok(());
        }
        found.metric = format!("{name}_bucket").into();
        found.kind = Some(MetricKind::Counter);
        let mut below = 0u64;
        let bounds = self.bounds.iter().map(|bound| format!("{bound:?}"));
        for (bound, n) in bounds.chain(["+Inf".to_owned()]).zip(self.buckets) {
            below = below.saturating_add(n);
            found.labels.push(("le".into(), bound.into()));
            gather.take(&found, &[(at, below as f64)])?;
            found.labels.pop();
        }
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "every store of samples has doubles")]
    fn summary(
        self,
        mut found: Found<'a>,
        at: Option<Unix>,
        gather: &mut Gather<'_>,
    ) -> Result<(), Unreadable> {
        found.kind = Some(MetricKind::Gauge);
        for (quantile, value) in &self.quantiles {
            found.labels.push(("quantile".into(), quantile.to_string().into()));
            gather.take(&found, &[(at, *value)])?;
            found.labels.pop();
        }
        found.kind = Some(MetricKind::Counter);
        let name = std::mem::take(&mut found.metric);
        for (suffix, value) in [("_count", self.count as f64), ("_sum", self.sum.unwrap_or(0.0))] {
            found.metric = format!("{name}{suffix}").into();
            gather.take(&found, &[(at, value)])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

//! Requests as JSON: the same with names in place of numbers. Whole numbers of 64 bits are texts there.

use std::borrow::Cow;

use serde_json::Value;

use super::{Attributes, MAX_BUCKETS, MAX_QUANTILES, Parts, Point, Resource, Shape};
use crate::gather::MAX_LABELS_READ;
use crate::{Gather, Unreadable};

/// The longest body of JSON: once read it takes several times as much memory.
const MAX_JSON: usize = 8 * 1024 * 1024;

pub(super) fn read(body: &[u8], gather: &mut Gather<'_>) -> Result<(), Unreadable> {
    if body.len() > MAX_JSON {
        return Err(Unreadable::Long);
    }
    let document: Value =
        serde_json::from_slice(body).map_err(|_| Unreadable::Format("the body is not JSON"))?;
    if !document.is_object() {
        return Err(Unreadable::Format("the body is not an object"));
    }
    for of_resource in list(&document, "resourceMetrics") {
        let attributes = of_resource.get("resource").map(attributes).unwrap_or_default();
        let resource = Resource::of(&attributes, gather.naming());
        for scope in list(of_resource, "scopeMetrics") {
            for metric in list(scope, "metrics") {
                read_metric(metric, &resource, gather)?;
            }
        }
    }
    Ok(())
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn attributes(value: &Value) -> Attributes<'_> {
    let one = |attribute: &'_ Value| {
        let name = attribute.get("key")?.as_str()?.to_owned();
        let value = attribute.get("value")?.as_object()?;
        let (kind, value) = value.iter().next()?;
        let text = match (kind.as_str(), value) {
            ("stringValue" | "intValue", Value::String(text)) => text.clone(),
            ("boolValue", Value::Bool(truth)) => truth.to_string(),
            ("intValue" | "doubleValue", Value::Number(number)) => number.to_string(),
            _ => return None,
        };
        Some((Cow::Owned(name), Cow::Owned(text)))
    };
    // One more than may be is enough to know that there are too many.
    list(value, "attributes").iter().filter_map(one).take(MAX_LABELS_READ + 1).collect()
}

fn read_metric(
    metric: &Value,
    resource: &Resource<'_>,
    gather: &mut Gather<'_>,
) -> Result<(), Unreadable> {
    let name = metric.get("name").and_then(Value::as_str).unwrap_or_default();
    for (key, parts) in [
        ("gauge", Parts::Number),
        ("sum", Parts::Number),
        ("histogram", Parts::Histogram),
        ("exponentialHistogram", Parts::Exponential),
        ("summary", Parts::Summary),
    ] {
        let Some(data) = metric.get(key) else { continue };
        let is_monotonic = data.get("isMonotonic").and_then(Value::as_bool).unwrap_or_default();
        let shape = Shape::of(temporality(data), is_monotonic);
        for point in list(data, "dataPoints") {
            point_of(point).give(name, shape, parts, resource, gather)?;
        }
    }
    Ok(())
}

fn temporality(data: &Value) -> u64 {
    match data.get("aggregationTemporality") {
        Some(Value::String(word)) if word == "AGGREGATION_TEMPORALITY_DELTA" => 1,
        Some(value) => whole(value).unwrap_or_default(),
        None => 0,
    }
}

fn point_of(point: &Value) -> Point<'static> {
    let double = |key: &str| point.get(key).and_then(number);
    let whole_of = |key: &str| point.get(key).and_then(whole);
    let quantile = |value: &Value| {
        let of = |key: &str| value.get(key).and_then(number).unwrap_or_default();
        (of("quantile"), of("value"))
    };
    #[expect(clippy::cast_precision_loss, reason = "every store of samples has doubles")]
    let int = point.get("asInt").and_then(signed).map(|n| n as f64);
    let attributes = attributes(point).into_iter();
    Point {
        attributes: attributes
            .map(|(name, value)| (Cow::Owned(name.into_owned()), Cow::Owned(value.into_owned())))
            .collect(),
        at_ns: whole_of("timeUnixNano").unwrap_or_default(),
        flags: whole_of("flags").unwrap_or_default(),
        value: double("asDouble").or(int),
        count: whole_of("count").unwrap_or_default(),
        sum: double("sum"),
        min: double("min"),
        max: double("max"),
        bounds: list(point, "explicitBounds")
            .iter()
            .take(MAX_BUCKETS + 1)
            .filter_map(number)
            .collect(),
        buckets: list(point, "bucketCounts")
            .iter()
            .take(MAX_BUCKETS + 1)
            .filter_map(whole)
            .collect(),
        quantiles: list(point, "quantileValues")
            .iter()
            .take(MAX_QUANTILES + 1)
            .map(quantile)
            .collect(),
    }
}

fn whole(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

fn signed(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| match value.as_str()? {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        text => text.parse().ok().filter(|value: &f64| value.is_finite()),
    })
}

//! Requests as protocol buffers: `opentelemetry.proto.collector.metrics.v1`.

use std::borrow::Cow;

use super::{Attributes, MAX_BUCKETS, MAX_QUANTILES, Parts, Point, Resource, Shape};
use crate::gather::MAX_LABELS_READ;
use crate::wire::{Fields, Value};
use crate::{Gather, Unreadable};

pub(super) fn read(body: &[u8], gather: &mut Gather<'_>) -> Result<(), Unreadable> {
    for field in Fields::new(body) {
        if let (1, of_resource) = field? {
            let resource = resource(of_resource, gather)?;
            for field in of_resource.message()? {
                if let (2, scope) = field? {
                    for field in scope.message()? {
                        if let (2, metric) = field? {
                            read_metric(metric, &resource, gather)?;
                        }
                    }
                }
            }
        }
    }
    Ok(())
}

fn resource<'a>(of_resource: Value<'a>, gather: &Gather<'_>) -> Result<Resource<'a>, Unreadable> {
    let mut all = Attributes::new();
    for field in of_resource.message()? {
        if let (1, resource) = field? {
            for field in resource.message()? {
                if let (1, attribute) = field? {
                    read_attribute(attribute, &mut all)?;
                }
            }
        }
    }
    Ok(Resource::of(&all, gather.naming()))
}

/// Reads an attribute. Lists and maps are no values of labels, and are left out.
fn read_attribute<'a>(attribute: Value<'a>, all: &mut Attributes<'a>) -> Result<(), Unreadable> {
    let (mut name, mut text) = ("", None);
    for field in attribute.message()? {
        match field? {
            (1, value) => name = value.text()?,
            (2, value) => {
                for field in value.message()? {
                    text = match field? {
                        (1, value) => Some(Cow::Borrowed(value.text()?)),
                        (2, value) => {
                            Some(Cow::Borrowed(if value.varint()? == 0 { "false" } else { "true" }))
                        }
                        (3, value) => Some(Cow::Owned(value.int64()?.to_string())),
                        (4, value) => Some(Cow::Owned(value.double()?.to_string())),
                        _ => None,
                    };
                }
            }
            _ => {}
        }
    }
    // One more than may be is enough to know that there are too many.
    if let Some(text) = text
        && all.len() <= MAX_LABELS_READ
    {
        all.push((name.into(), text));
    }
    Ok(())
}

fn read_metric<'a>(
    metric: Value<'a>,
    resource: &Resource<'a>,
    gather: &mut Gather<'_>,
) -> Result<(), Unreadable> {
    let mut name = "";
    for field in metric.message()? {
        if let (1, text) = field? {
            name = text.text()?;
        }
    }
    for field in metric.message()? {
        let (number, data) = field?;
        let parts = match number {
            5 | 7 => Parts::Number,
            9 => Parts::Histogram,
            10 => Parts::Exponential,
            11 => Parts::Summary,
            _ => continue,
        };
        let shape = shape(number, data)?;
        for field in data.message()? {
            if let (1, point) = field? {
                read_point(point, parts)?.give(name, shape, parts, resource, gather)?;
            }
        }
    }
    Ok(())
}

fn shape(number: u64, data: Value<'_>) -> Result<Shape, Unreadable> {
    let (mut temporality, mut is_monotonic) = (0, false);
    for field in data.message()? {
        match field? {
            (2, value) if matches!(number, 7 | 9 | 10) => temporality = value.varint()?,
            (3, value) if number == 7 => is_monotonic = value.varint()? != 0,
            _ => {}
        }
    }
    Ok(Shape::of(temporality, is_monotonic))
}

fn read_point(point: Value<'_>, parts: Parts) -> Result<Point<'_>, Unreadable> {
    let mut read = Point::default();
    for field in point.message()? {
        let (number, value) = field?;
        match (parts, number) {
            (_, 3) => read.at_ns = value.fixed64()?,
            (Parts::Number | Parts::Summary, 7)
            | (Parts::Histogram, 9)
            | (Parts::Exponential, 1) => {
                read_attribute(value, &mut read.attributes)?;
            }
            (Parts::Number | Parts::Summary, 8) | (Parts::Histogram | Parts::Exponential, 10) => {
                read.flags = value.varint()?;
            }
            (Parts::Number, 4) => read.value = Some(value.double()?),
            #[expect(clippy::cast_precision_loss, reason = "every store of samples has doubles")]
            (Parts::Number, 6) => read.value = Some(value.fixed64()?.cast_signed() as f64),
            (Parts::Histogram | Parts::Exponential | Parts::Summary, 4) => {
                read.count = value.fixed64()?;
            }
            (Parts::Histogram | Parts::Exponential | Parts::Summary, 5) => {
                read.sum = Some(value.double()?);
            }
            (Parts::Histogram, 6) => {
                let all = &mut read.buckets;
                value.fixed64s(|n| {
                    if all.len() <= MAX_BUCKETS {
                        all.push(n);
                    }
                })?;
            }
            (Parts::Histogram, 7) => {
                let all = &mut read.bounds;
                value.doubles(|n| {
                    if all.len() <= MAX_BUCKETS {
                        all.push(n);
                    }
                })?;
            }
            (Parts::Histogram, 11) | (Parts::Exponential, 12) => read.min = Some(value.double()?),
            (Parts::Histogram, 12) | (Parts::Exponential, 13) => read.max = Some(value.double()?),
            (Parts::Summary, 6) => {
                let quantile = quantile(value.message()?)?;
                if read.quantiles.len() <= MAX_QUANTILES {
                    read.quantiles.push(quantile);
                }
            }
            _ => {}
        }
    }
    Ok(read)
}

fn quantile(fields: Fields<'_>) -> Result<(f64, f64), Unreadable> {
    let mut read = (0.0, 0.0);
    for field in fields {
        match field? {
            (1, value) => read.0 = value.double()?,
            (2, value) => read.1 = value.double()?,
            _ => {}
        }
    }
    Ok(read)
}

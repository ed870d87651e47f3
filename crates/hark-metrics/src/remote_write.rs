//! Prometheus' remote write, versions 1.0 and 2.0, in and out.
//!
//! A native histogram is refused: it is no number, and of its parts no answer could be made that a
//! histogram is asked for. Senders can be told to send the buckets of every histogram as series.

use hark_model::labels::{Foreign, NAME};
use hark_model::{MetricKind, Unix};

use crate::gather::{Found, MAX_LABELS_READ, path};
use crate::wire::{Fields, MALFORMED, Value, Writer};
use crate::{Batch, Gather, MAX_SAMPLES, Naming, Unreadable, Why};

/// Bound on the texts of a request of version 2.0: as many as 50,000 series can have that differ in a few
/// of them. A text takes two bytes there and sixteen here.
const MAX_SYMBOLS: usize = 400_000;

/// A version of the protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// `prometheus.WriteRequest`: what everybody understands.
    #[default]
    One,
    /// `io.prometheus.write.v2.Request`: each text stands there once, and what a series is goes along.
    Two,
}

impl Version {
    /// Returns what it is called in a `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::One => "application/x-protobuf",
            Self::Two => "application/x-protobuf;proto=io.prometheus.write.v2.Request",
        }
    }

    /// Returns what it is called in `X-Prometheus-Remote-Write-Version`.
    pub fn header(self) -> &'static str {
        match self {
            Self::One => "0.1.0",
            Self::Two => "2.0.0",
        }
    }

    /// Returns the version of a `Content-Type`; without `proto` it is the first.
    pub fn of_content_type(text: &str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        if !parts.next()?.eq_ignore_ascii_case("application/x-protobuf") {
            return None;
        }
        let proto = parts.find_map(|part| {
            let (name, value) = part.split_once('=')?;
            name.trim().eq_ignore_ascii_case("proto").then(|| value.trim().trim_matches('"'))
        });
        match proto {
            None | Some("prometheus.WriteRequest") => Some(Self::One),
            Some("io.prometheus.write.v2.Request") => Some(Self::Two),
            Some(_) => None,
        }
    }
}

/// Reads a request, unpacked.
///
/// # Errors
/// If it is none, or has more than a request may have.
pub fn read(body: &[u8], version: Version, naming: &Naming) -> Result<Batch, Unreadable> {
    let mut gather = Gather::new(Foreign::Prometheus, naming);
    match version {
        Version::One => one::read(body, &mut gather)?,
        Version::Two => two::read(body, &mut gather)?,
    }
    Ok(gather.finish())
}

/// The samples of one series while they are read.
#[derive(Default)]
struct Points {
    samples: Vec<(Option<Unix>, f64)>,
    n_histograms: usize,
}

impl Points {
    fn sample(&mut self, fields: Fields<'_>) -> Result<(), Unreadable> {
        let (mut value, mut at) = (0.0, 0);
        for field in fields {
            match field? {
                (1, number) => value = number.double()?,
                (2, number) => at = number.int64()?,
                _ => {}
            }
        }
        if self.samples.len() >= MAX_SAMPLES {
            return Err(Unreadable::Samples);
        }
        self.samples.push((Some(Unix(at)), value));
        Ok(())
    }

    /// Hands them on, and is empty again.
    fn give(&mut self, found: &Found<'_>, gather: &mut Gather<'_>) -> Result<(), Unreadable> {
        gather.refuse(Why::Histogram, self.n_histograms, || path(found));
        if found.labels.len() > MAX_LABELS_READ {
            gather.refuse(Why::Labels, self.samples.len(), || path(found));
        } else if !self.samples.is_empty() {
            gather.take(found, &self.samples)?;
        }
        self.samples.clear();
        self.n_histograms = 0;
        Ok(())
    }
}

/// Puts a label where it belongs.
fn label<'a>(found: &mut Found<'a>, name: &'a str, value: &'a str) {
    if name == NAME {
        found.metric = value.into();
    } else if found.labels.len() <= MAX_LABELS_READ {
        // One more than may be is enough to know that there are too many.
        found.labels.push((name.into(), value.into()));
    }
}

/// Returns how a metric of this number of a type moves.
fn kind(number: u64, metric: &str) -> Option<MetricKind> {
    match number {
        // A histogram's and a summary's parts are told by their names.
        1 => Some(MetricKind::Counter),
        2 | 4 | 6 | 7 => Some(MetricKind::Gauge),
        5 if !metric.ends_with("_count") && !metric.ends_with("_sum") => Some(MetricKind::Gauge),
        _ => None,
    }
}

mod one {
    use std::collections::HashMap;

    use super::{Fields, Found, Gather, Points, Unreadable, Value, kind, label};

    /// Bound on the metrics of a request whose types are remembered.
    const MAX_TYPES: usize = 8192;

    pub(super) fn read(body: &[u8], gather: &mut Gather<'_>) -> Result<(), Unreadable> {
        let mut types: HashMap<&str, u64> = HashMap::new();
        for field in Fields::new(body) {
            if let (3, metadata) = field?
                && let (name, number) = type_of(metadata)?
                && types.len() < MAX_TYPES
            {
                types.insert(name, number);
            }
        }
        let (mut found, mut points) = (Found::default(), Points::default());
        for field in Fields::new(body) {
            let (1, series) = field? else { continue };
            found.labels.clear();
            (found.metric, found.kind) = ("".into(), None);
            for field in series.message()? {
                match field? {
                    (1, value) => read_label(&mut found, value)?,
                    (2, sample) => points.sample(sample.message()?)?,
                    (4, _) => points.n_histograms += 1,
                    _ => {}
                }
            }
            found.kind = types.get(found.metric.as_ref()).and_then(|n| kind(*n, &found.metric));
            points.give(&found, gather)?;
        }
        Ok(())
    }

    fn read_label<'a>(found: &mut Found<'a>, value: Value<'a>) -> Result<(), Unreadable> {
        let (mut name, mut text) = ("", "");
        for field in value.message()? {
            match field? {
                (1, value) => name = value.text()?,
                (2, value) => text = value.text()?,
                _ => {}
            }
        }
        label(found, name, text);
        Ok(())
    }

    fn type_of(metadata: Value<'_>) -> Result<(&str, u64), Unreadable> {
        let (mut name, mut number) = ("", 0);
        for field in metadata.message()? {
            match field? {
                (1, value) => number = value.varint()?,
                (2, value) => name = value.text()?,
                _ => {}
            }
        }
        Ok((name, number))
    }
}

mod two {
    use super::{
        Fields, Found, Gather, MALFORMED, MAX_SYMBOLS, Points, Unreadable, Value, kind, label,
    };

    pub(super) fn read(body: &[u8], gather: &mut Gather<'_>) -> Result<(), Unreadable> {
        let mut symbols: Vec<&str> = Vec::new();
        for field in Fields::new(body) {
            if let (4, symbol) = field? {
                if symbols.len() >= MAX_SYMBOLS {
                    return Err(Unreadable::Series);
                }
                symbols.push(symbol.text()?);
            }
        }
        if symbols.first().is_some_and(|first| !first.is_empty()) {
            return Err(Unreadable::Format("the first symbol is not empty"));
        }
        let (mut found, mut points) = (Found::default(), Points::default());
        for field in Fields::new(body) {
            if let (5, series) = field? {
                one_series(series, &symbols, &mut found, &mut points)?;
                points.give(&found, gather)?;
            }
        }
        Ok(())
    }

    fn one_series<'a>(
        series: Value<'a>,
        symbols: &[&'a str],
        found: &mut Found<'a>,
        points: &mut Points,
    ) -> Result<(), Unreadable> {
        found.labels.clear();
        (found.metric, found.kind) = ("".into(), None);
        let (mut name, mut is_complete, mut number) = (None, true, 0);
        for field in series.message()? {
            match field? {
                (1, references) => {
                    let mut wrong = None;
                    references.varints(|reference| {
                        let at = usize::try_from(reference).unwrap_or(usize::MAX);
                        let symbol = symbols.get(at).copied();
                        match (name.take(), symbol) {
                            (_, None) => wrong = Some(MALFORMED),
                            (None, symbol) => name = symbol,
                            (Some(name), Some(value)) => label(found, name, value),
                        }
                        is_complete = name.is_none();
                    })?;
                    wrong.map_or(Ok(()), Err)?;
                }
                (2, sample) => points.sample(sample.message()?)?,
                (3, _) => points.n_histograms += 1,
                (5, metadata) => {
                    for field in metadata.message()? {
                        if let (1, value) = field? {
                            number = value.varint()?;
                        }
                    }
                }
                _ => {}
            }
        }
        if !is_complete {
            return Err(Unreadable::Format("a label has a name and no value"));
        }
        found.kind = kind(number, &found.metric);
        Ok(())
    }
}

/// A series to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Outgoing<'a> {
    /// Labels, the metric's name among them, in the order of their names.
    pub labels: &'a [(String, String)],
    /// How it moves.
    pub kind: MetricKind,
    /// Samples, oldest first.
    pub samples: &'a [(Unix, f64)],
}

/// Writes a request, to be packed with Snappy.
pub fn write(series: &[Outgoing<'_>], version: Version) -> Vec<u8> {
    let mut writer = Writer::default();
    match version {
        Version::One => {
            for one in series {
                writer.message(1, |writer| {
                    for (name, value) in one.labels {
                        writer.message(1, |writer| {
                            writer.bytes(1, name.as_bytes());
                            writer.bytes(2, value.as_bytes());
                        });
                    }
                    write_samples(one.samples, writer);
                });
            }
        }
        Version::Two => write_two(series, &mut writer),
    }
    writer.finish()
}

fn write_samples(samples: &[(Unix, f64)], writer: &mut Writer) {
    for (at, value) in samples {
        writer.message(2, |writer| {
            writer.double(1, *value);
            writer.varint(2, at.0.cast_unsigned());
        });
    }
}

fn write_two<'a>(series: &[Outgoing<'a>], writer: &mut Writer) {
    let mut places = std::collections::HashMap::new();
    let mut symbols: Vec<&'a str> = vec![""];
    places.insert("", 0u64);
    let mut number = |text: &'a str| {
        *places.entry(text).or_insert_with(|| {
            symbols.push(text);
            symbols.len() as u64 - 1
        })
    };
    let references: Vec<Vec<u64>> = series
        .iter()
        .map(|one| one.labels.iter().flat_map(|(n, v)| [n, v]).map(|text| number(text)).collect())
        .collect();
    for symbol in &symbols {
        writer.bytes(4, symbol.as_bytes());
    }
    for (one, references) in series.iter().zip(references) {
        writer.message(5, |writer| {
            writer.packed(1, references);
            write_samples(one.samples, writer);
            writer.message(5, |writer| {
                writer.varint(1, if one.kind == MetricKind::Counter { 1 } else { 2 });
            });
        });
    }
}

/// Packs a request.
pub fn pack(request: &[u8]) -> Vec<u8> {
    // Only what is longer than four gigabytes is refused.
    snap::raw::Encoder::new().compress_vec(request).unwrap_or_default()
}

#[cfg(test)]
mod tests;

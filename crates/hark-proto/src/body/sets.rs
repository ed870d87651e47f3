//! Sets: which series the values of a frame belong to.
//!
//! A set's number is made from its definition, so the same ordered list of series has the same
//! number in every session and after every restart, and a number never changes its meaning: frames
//! that waited in a spool stay readable, and a server that kept its catalogue asks for nothing.

use std::collections::BTreeMap;

use hark_model::frame::{MAX_DECIMALS, MAX_SET};
use hark_model::sample::{MetricKind, SeriesDef, SeriesName, Unit};
use minicbor::{Decode, Encode};
use ring::digest::{SHA256, digest};
use thiserror::Error;

use super::{Content, MAX_CONTENT, cbor, from_cbor};
use crate::header::Kind;
use crate::refused::Refused;

/// How many sets of one agent may be incomplete at a time: it sends one after the other, so more
/// than a few means that it is mistaken.
pub const MAX_ASSEMBLIES: usize = 4;

/// Some of the series of a set, or all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetsPart {
    /// The set.
    pub set: u32,
    /// How many series the set has.
    pub total: usize,
    /// The place of the first of these in the set.
    pub first: usize,
    /// These.
    pub series: Vec<SeriesDef>,
}

/// Why a set cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SetError {
    /// It has no series, or more than [`MAX_SET`].
    #[error("a set has 1 to {MAX_SET} series, this has {0}")]
    Size(usize),
    /// A series whose path is empty, longer than a check's name or with control characters, or with
    /// more decimals than are kept.
    #[error("the series {0:?} cannot be sent: its path is too long or malformed")]
    Series(String),
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct Wire<'b> {
    #[n(0)]
    set: u32,
    #[n(1)]
    total: u16,
    #[n(2)]
    first: u16,
    #[b(3)]
    series: Vec<WireSeries<'b>>,
}

#[derive(Clone, Encode, Decode)]
#[cbor(array)]
struct WireSeries<'b> {
    #[b(0)]
    collector: &'b str,
    #[b(1)]
    instance: &'b str,
    #[b(2)]
    metric: &'b str,
    #[n(3)]
    unit: u8,
    #[n(4)]
    kind: u8,
    #[n(5)]
    decimals: u8,
}

/// Returns the number of the set with these series in this order: the first four bytes of the
/// SHA-256 of their CBOR array. Two sets of one host share a number once in four billion; the agent
/// that meets this sorts one of them differently.
pub fn set_number(series: &[SeriesDef]) -> u32 {
    let wire: Vec<WireSeries<'_>> = series.iter().map(to_wire).collect();
    let hash = digest(&SHA256, &cbor(&wire));
    hash.as_ref().first_chunk().map_or(0, |first| u32::from_be_bytes(*first))
}

/// Returns the contents that tell a set, each fitting one datagram.
///
/// # Errors
/// If it is empty, too large, or has a series that cannot be sent.
pub fn split_set(set: u32, series: &[SeriesDef]) -> Result<Vec<Content>, SetError> {
    if series.is_empty() || series.len() > MAX_SET {
        return Err(SetError::Size(series.len()));
    }
    if let Some(bad) = series.iter().find(|def| !is_sound(def)) {
        return Err(SetError::Series(bad.name.path()));
    }
    let mut contents = Vec::new();
    let mut first = 0;
    while let Some(rest) = series.get(first..).filter(|rest| !rest.is_empty()) {
        let (content, taken) = longest_part(set, series.len(), first, rest);
        contents.push(content);
        first += taken;
    }
    Ok(contents)
}

/// Encodes as many of `rest` as fit; at least one, as a sound series takes less than 300 bytes.
fn longest_part(set: u32, total: usize, first: usize, rest: &[SeriesDef]) -> (Content, usize) {
    // Enough for the map, its keys and numbers, and the array's head.
    const HEAD: usize = 24;
    let mut series = Vec::new();
    let mut length = HEAD;
    for def in rest {
        let wire = to_wire(def);
        length += cbor(&wire).len();
        if length > MAX_CONTENT {
            break;
        }
        series.push(wire);
    }
    let taken = series.len();
    let wire = Wire { set, total: narrow(total), first: narrow(first), series };
    (Content::new(Kind::Sets, cbor(&wire)), taken)
}

impl SetsPart {
    pub(super) fn decode(content: &[u8]) -> Result<Self, Refused> {
        let wire: Wire<'_> = from_cbor(content)?;
        let (total, first) = (usize::from(wire.total), usize::from(wire.first));
        let end = first + wire.series.len();
        if wire.series.is_empty() || total > MAX_SET || end > total {
            return Err(Refused::Malformed);
        }
        let series = wire.series.iter().map(from_wire).collect::<Option<Vec<_>>>();
        Ok(Self { set: wire.set, total, first, series: series.ok_or(Refused::Malformed)? })
    }
}

/// Puts parts together. Made when the first part of an incomplete set arrives, dropped when
/// [`SetAssembler::is_empty`].
#[derive(Clone, Debug, Default)]
pub struct SetAssembler {
    sets: BTreeMap<u32, Vec<Option<SeriesDef>>>,
}

impl SetAssembler {
    /// Adds a part, in any order, any number of times. Returns the set once it is complete.
    ///
    /// With [`MAX_ASSEMBLIES`] sets begun, one more pushes the lowest-numbered out; the server will
    /// ask for that one again.
    pub fn add(&mut self, part: SetsPart) -> Option<(u32, Vec<SeriesDef>)> {
        let SetsPart { set, total, first, series } = part;
        if series.len() == total {
            self.sets.remove(&set);
            return Some((set, series));
        }
        if self.sets.len() >= MAX_ASSEMBLIES && !self.sets.contains_key(&set) {
            self.sets.pop_first();
        }
        let places = self.sets.entry(set).or_default();
        // A different total is a different definition: what came before is not of this one.
        if places.len() != total {
            *places = vec![None; total];
        }
        for (place, def) in places.iter_mut().skip(first).zip(series) {
            *place = Some(def);
        }
        if places.iter().any(Option::is_none) {
            return None;
        }
        let places = self.sets.remove(&set)?;
        Some((set, places.into_iter().flatten().collect()))
    }

    /// Returns true if nothing is incomplete.
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }
}

fn is_sound(def: &SeriesDef) -> bool {
    let SeriesName { collector, metric, .. } = &def.name;
    !collector.is_empty()
        && !metric.is_empty()
        && def.decimals <= MAX_DECIMALS
        && def.name.check().is_ok()
}

fn to_wire(def: &SeriesDef) -> WireSeries<'_> {
    let unit = Unit::ALL.iter().position(|unit| *unit == def.unit);
    WireSeries {
        collector: &def.name.collector,
        instance: &def.name.instance,
        metric: &def.name.metric,
        unit: unit.and_then(|place| u8::try_from(place).ok()).unwrap_or(0),
        kind: match def.kind {
            MetricKind::Gauge => 0,
            MetricKind::Counter => 1,
        },
        decimals: def.decimals,
    }
}

fn from_wire(wire: &WireSeries<'_>) -> Option<SeriesDef> {
    let def = SeriesDef {
        name: SeriesName::of(wire.collector, wire.instance, wire.metric),
        // A unit or kind of a later version is shown as a plain number.
        unit: Unit::ALL.get(usize::from(wire.unit)).copied().unwrap_or_default(),
        kind: if wire.kind == 1 { MetricKind::Counter } else { MetricKind::Gauge },
        decimals: wire.decimals,
    };
    is_sound(&def).then_some(def)
}

/// Narrows a count that [`MAX_SET`] bounds.
fn narrow(count: usize) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn def(instance: &str, metric: &str) -> SeriesDef {
        SeriesDef {
            name: SeriesName::of("disk_monitor", instance, metric),
            unit: Unit::Percent,
            kind: MetricKind::Gauge,
            decimals: 1,
        }
    }

    fn many(n_series: usize, length: usize) -> Vec<SeriesDef> {
        (0..n_series).map(|n| def(&format!("/{n:0length$}"), "percent")).collect()
    }

    fn parts(set: u32, series: &[SeriesDef]) -> Vec<SetsPart> {
        let contents = split_set(set, series).unwrap();
        contents.iter().map(|content| SetsPart::decode(content.bytes()).unwrap()).collect()
    }

    #[test]
    fn a_common_set_is_one_datagram_and_the_largest_is_some() {
        assert_eq!(split_set(1, &many(33, 3)).unwrap().len(), 1);
        for content in split_set(1, &many(MAX_SET, 220)).unwrap() {
            assert!(content.bytes().len() <= MAX_CONTENT);
        }
    }

    #[test]
    fn parts_in_any_order_and_twice_make_the_set_once() {
        let series = many(MAX_SET, 50);
        let mut assembler = SetAssembler::default();
        let mut parts = parts(9, &series);
        assert!(parts.len() > 3);
        parts.reverse();
        let last = parts.pop().unwrap();
        for part in parts.iter().chain(&parts) {
            assert_eq!(assembler.add(part.clone()), None);
        }
        assert!(!assembler.is_empty());
        assert_eq!(assembler.add(last), Some((9, series)));
        assert!(assembler.is_empty());
    }

    #[test]
    fn unfinished_sets_are_bounded() {
        let mut assembler = SetAssembler::default();
        for set in 0..100 {
            assert_eq!(assembler.add(parts(set, &many(MAX_SET, 50)).remove(0)), None);
            assert!(assembler.sets.len() <= MAX_ASSEMBLIES);
        }
    }

    #[test]
    fn a_redefinition_with_another_length_begins_anew() {
        let mut assembler = SetAssembler::default();
        let long = parts(1, &many(MAX_SET, 50));
        assembler.add(long[0].clone());
        let short = many(2, 10);
        assert_eq!(assembler.add(parts(1, &short).remove(0)), Some((1, short)));
    }

    #[test]
    fn numbers_follow_content_and_order() {
        let (a, b) = (def("/", "percent"), def("/var", "percent"));
        let number = set_number(&[a.clone(), b.clone()]);
        assert_eq!(number, set_number(&[a.clone(), b.clone()]));
        assert_ne!(number, set_number(&[b.clone(), a.clone()]));
        let finer = SeriesDef { decimals: 2, ..b };
        assert_ne!(number, set_number(&[a, finer]));
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        assert_eq!(split_set(1, &[]), Err(SetError::Size(0)));
        assert_eq!(split_set(1, &many(MAX_SET + 1, 1)), Err(SetError::Size(MAX_SET + 1)));
        for bad in [def("\n", "percent"), def("/", ""), def(&"x".repeat(256), "percent")] {
            assert!(matches!(split_set(1, &[bad]), Err(SetError::Series(_))));
        }
    }

    #[test]
    fn parts_that_do_not_fit_their_set_are_malformed() {
        let wire = |total, first, n_series: usize| {
            let defs = many(n_series, 3);
            let series = defs.iter().map(to_wire).collect();
            SetsPart::decode(&cbor(&Wire { set: 1, total, first, series }))
        };
        assert!(wire(4, 2, 2).is_ok());
        for (total, first, n_series) in
            [(4, 3, 2), (0, 0, 0), (4, 0, 0), (121, 0, 1), (1, 65535, 1)]
        {
            assert_eq!(wire(total, first, n_series), Err(Refused::Malformed), "{total} {first}");
        }
    }

    #[test]
    fn a_unit_of_a_later_version_is_a_plain_number() {
        let base = def("/", "percent");
        let mut wire = to_wire(&base);
        wire.unit = 200;
        assert_eq!(from_wire(&wire).unwrap().unit, Unit::None);
    }

    proptest! {
        #[test]
        fn any_set_comes_back(
            series in prop::collection::vec(
                ("[a-z_]{1,20}", "[a-zA-Z0-9/ ]{0,100}", "[a-z_]{1,20}", 0usize..11, 0u8..=6), 1..120),
        ) {
            let series: Vec<_> = series.into_iter().map(|(c, i, m, unit, decimals)| SeriesDef {
                name: SeriesName::of(&c, &i, &m),
                unit: Unit::ALL[unit],
                kind: if unit % 2 == 0 { MetricKind::Gauge } else { MetricKind::Counter },
                decimals,
            }).collect();
            let mut assembler = SetAssembler::default();
            let complete: Vec<_> =
                parts(3, &series).into_iter().filter_map(|part| assembler.add(part)).collect();
            prop_assert_eq!(complete, vec![(3, series)]);
        }
    }
}

//! The bytes of one sample frame: one item per series of a set, in the set's order.
//!
//! The same bytes travel in a datagram, stand in history's write-ahead log and in its open blocks:
//! nothing between the agent and the disk encodes a value again. An item is a varint `v` (seven bits
//! a byte, low bits first, the top bit says that more follow), and what it means is in its lowest
//! bits:
//!
//! | `v` | item |
//! | --- | --- |
//! | even | the scaled integer `n`, as `v = zigzag(n) << 1` |
//! | 1 | a float: 8 bytes follow, IEEE 754 binary64, most significant byte first |
//! | 3 | absent: this series has no value in this frame |
//! | other odd | refused |
//!
//! A scaled integer is `round(value * 10^decimals)`, so that a percentage with one decimal takes two
//! bytes. Every item takes one to [`MAX_ITEM`] bytes and has exactly one form, so two frames are
//! equal if their bytes are.
//!
//! Reading allocates nothing, never panics and ends at the first thing that is wrong.

use thiserror::Error;

use crate::sample::SeriesDef;

/// Bound on the series of one host: what a page, a catalogue and a head block must hold for each of
/// 100,000 hosts. More is refused by the agent, which names the collector (fault 42).
pub const MAX_SERIES: usize = 4096;

/// Bound on the series of one set. A frame cannot be split, so the longest frame of a full set
/// (120 items of 9 bytes) must fit one datagram below 1200 bytes; a host with more series has
/// several sets.
pub const MAX_SET: usize = 120;

/// The longest item in bytes: a float, or a scaled integer of [`MAX_SCALED`].
pub const MAX_ITEM: usize = 9;

/// The largest scaled integer, 2^53: above it a float no longer holds every integer, so scaling
/// would pretend to a precision that is not there and the value travels as a float.
pub const MAX_SCALED: i64 = 1 << 53;

/// The most decimals a series can keep.
pub const MAX_DECIMALS: u8 = 6;

const FLOAT: u64 = 1;
const ABSENT: u64 = 3;
const POWERS: [f64; MAX_DECIMALS as usize + 1] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6];

/// One value as it stands in a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Item {
    /// `round(value * 10^decimals)`.
    Scaled(i64),
    /// The value itself: too large to be scaled, or infinite.
    Float(f64),
    /// No value.
    Absent,
}

/// Why bytes are not the items of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// An item ends after the bytes do.
    #[error("the frame ends within an item")]
    Short,
    /// A varint of more than 64 bits, or one that could be shorter.
    #[error("the frame has a number in a form that is not allowed")]
    Number,
    /// An odd item that is neither a float nor absent.
    #[error("the frame has an item of an unknown kind")]
    Kind,
    /// More or fewer items than the set has series.
    #[error("the frame has {found} items where its set has {expected} series")]
    Count {
        /// How many the set has.
        expected: usize,
        /// How many there are; one more than expected stands for any larger number.
        found: usize,
    },
}

/// Appends one item for each of `series` to `out`: `values` in the same order. NaN and values that
/// are missing at the end are written as absent; values beyond the series are left out.
pub fn encode_values(series: &[SeriesDef], values: &[f64], out: &mut Vec<u8>) {
    for (at, def) in series.iter().enumerate() {
        let value = values.get(at).copied().unwrap_or(f64::NAN);
        encode_item(item(value, def.decimals), out);
    }
}

/// Returns the item that stands for `value` in a series with so many decimals.
pub fn item(value: f64, decimals: u8) -> Item {
    if value.is_nan() {
        return Item::Absent;
    }
    let scaled = (value * power(decimals)).round();
    #[expect(clippy::cast_precision_loss, reason = "2^53 is exact in a float")]
    let largest = MAX_SCALED as f64;
    if scaled.abs() <= largest {
        #[expect(clippy::cast_possible_truncation, reason = "whole and at most 2^53")]
        return Item::Scaled(scaled as i64);
    }
    Item::Float(value)
}

/// Returns the value of `item` in a series with so many decimals; NaN stands for absent.
#[inline]
pub fn scale(item: Item, decimals: u8) -> f64 {
    match item {
        // Division, not multiplication by a negative power: only it gives the float nearest to the
        // decimal number, so that 852 with one decimal is shown as 85.2.
        #[expect(clippy::cast_precision_loss, reason = "the encoder keeps integers below 2^53")]
        Item::Scaled(n) => n as f64 / power(decimals),
        Item::Float(value) => value,
        Item::Absent => f64::NAN,
    }
}

/// Appends `item` to `out`. A scaled integer beyond what 63 bits hold is cut to the nearest that
/// fits; [`item`] never makes one.
pub fn encode_item(item: Item, out: &mut Vec<u8>) {
    match item {
        Item::Scaled(n) => {
            let n = n.clamp(i64::MIN / 2, i64::MAX / 2);
            put_varint(zigzag(n) << 1, out);
        }
        // NaN has many forms and one meaning.
        Item::Float(value) if value.is_nan() => put_varint(ABSENT, out),
        Item::Float(value) => {
            put_varint(FLOAT, out);
            out.extend_from_slice(&value.to_be_bytes());
        }
        Item::Absent => put_varint(ABSENT, out),
    }
}

/// Checks that `bytes` are exactly `expected` well-formed items. What passed is read by
/// [`ValueReader`] without an error ever after. A few nanoseconds an item.
///
/// # Errors
/// What is wrong first; the frame is to be refused whole.
pub fn check_values(bytes: &[u8], expected: usize) -> Result<(), FrameError> {
    let mut found = 0;
    for item in ValueReader::new(bytes) {
        item?;
        found += 1;
        if found > expected {
            break;
        }
    }
    if found == expected { Ok(()) } else { Err(FrameError::Count { expected, found }) }
}

/// Reads the items of a frame one after the other. Ends after the first error.
#[derive(Clone, Debug)]
pub struct ValueReader<'a> {
    rest: &'a [u8],
}

impl<'a> ValueReader<'a> {
    /// Reads `bytes` from the start.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    fn read(&mut self) -> Result<Item, FrameError> {
        let v = take_varint(&mut self.rest)?;
        if v & 1 == 0 {
            return Ok(Item::Scaled(unzigzag(v >> 1)));
        }
        match v {
            FLOAT => {
                let (float, rest) = self.rest.split_first_chunk::<8>().ok_or(FrameError::Short)?;
                self.rest = rest;
                let value = f64::from_be_bytes(*float);
                if value.is_nan() { Err(FrameError::Kind) } else { Ok(Item::Float(value)) }
            }
            ABSENT => Ok(Item::Absent),
            _ => Err(FrameError::Kind),
        }
    }
}

impl Iterator for ValueReader<'_> {
    type Item = Result<Item, FrameError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let item = self.read();
        if item.is_err() {
            self.rest = &[];
        }
        Some(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.rest.len().div_ceil(MAX_VARINT), Some(self.rest.len()))
    }
}

impl std::iter::FusedIterator for ValueReader<'_> {}

/// The longest varint in bytes: 64 bits by seven.
const MAX_VARINT: usize = 10;

fn power(decimals: u8) -> f64 {
    POWERS[usize::from(decimals.min(MAX_DECIMALS))]
}

fn zigzag(n: i64) -> u64 {
    (n.cast_unsigned() << 1) ^ (n >> 63).cast_unsigned()
}

fn unzigzag(v: u64) -> i64 {
    (v >> 1).cast_signed() ^ -((v & 1).cast_signed())
}

fn put_varint(mut v: u64, out: &mut Vec<u8>) {
    while v >= 0x80 {
        out.push((v & 0x7f) as u8 | 0x80);
        v >>= 7;
    }
    out.push((v & 0x7f) as u8);
}

#[inline]
fn take_varint(rest: &mut &[u8]) -> Result<u64, FrameError> {
    let (&first, after) = rest.split_first().ok_or(FrameError::Short)?;
    if first < 0x80 {
        *rest = after;
        return Ok(u64::from(first));
    }
    let mut v = u64::from(first & 0x7f);
    let mut shift = 7;
    let mut bytes = after;
    loop {
        let (&byte, after) = bytes.split_first().ok_or(FrameError::Short)?;
        bytes = after;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return Err(FrameError::Number);
        }
        v |= bits << shift;
        if byte < 0x80 {
            // A last byte of zero means that one byte less would have said the same.
            if byte == 0 {
                return Err(FrameError::Number);
            }
            *rest = bytes;
            return Ok(v);
        }
        shift += 7;
        if shift > 63 {
            return Err(FrameError::Number);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sample::{MetricKind, SeriesName, Unit};

    fn def(decimals: u8) -> SeriesDef {
        SeriesDef {
            name: SeriesName::plain("cpu_monitor", "cpu_percent"),
            unit: Unit::Percent,
            kind: MetricKind::Gauge,
            decimals,
        }
    }

    fn encoded(items: &[Item]) -> Vec<u8> {
        let mut out = Vec::new();
        for item in items {
            encode_item(*item, &mut out);
        }
        out
    }

    fn read(bytes: &[u8]) -> Result<Vec<Item>, FrameError> {
        ValueReader::new(bytes).collect()
    }

    #[test]
    fn items_have_these_bytes() {
        for (item, bytes) in [
            (Item::Scaled(0), vec![0]),
            (Item::Scaled(-1), vec![2]),
            (Item::Scaled(1), vec![4]),
            (Item::Scaled(852), vec![0xd0, 0x1a]),
            (Item::Scaled(i64::MAX / 2), vec![0xfc, 255, 255, 255, 255, 255, 255, 255, 255, 1]),
            (Item::Absent, vec![3]),
            (Item::Float(1e300), vec![1, 0x7e, 0x37, 0xe4, 0x3c, 0x88, 0, 0x75, 0x9c]),
        ] {
            assert_eq!(encoded(&[item]), bytes, "{item:?}");
            assert_eq!(read(&bytes), Ok(vec![item]));
        }
    }

    #[test]
    fn what_is_not_an_item_is_refused() {
        for (bytes, error) in [
            (vec![0x80], FrameError::Short),
            (vec![1, 0, 0], FrameError::Short),
            (vec![5], FrameError::Kind),
            (vec![0x80, 0], FrameError::Number),
            (vec![0xff; 10], FrameError::Number),
            (vec![255, 255, 255, 255, 255, 255, 255, 255, 255, 2], FrameError::Number),
            (vec![1, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0], FrameError::Kind),
        ] {
            assert_eq!(read(&bytes), Err(error), "{bytes:?}");
            let mut reader = ValueReader::new(&bytes);
            assert!(reader.next().is_some_and(|item| item.is_err()));
            assert_eq!(reader.next(), None);
        }
    }

    #[test]
    fn a_percentage_with_one_decimal_takes_two_bytes_and_comes_back_exact() {
        let mut out = Vec::new();
        encode_values(&[def(1), def(1), def(1)], &[85.2, f64::NAN], &mut out);
        assert_eq!(out.len(), 4);
        let values: Vec<f64> = ValueReader::new(&out).map(|item| scale(item.unwrap(), 1)).collect();
        assert_eq!(values[0].to_string(), "85.2");
        assert!(values[1].is_nan() && values[2].is_nan());
    }

    #[test]
    fn values_too_large_to_scale_travel_as_floats() {
        assert_eq!(item(1e15, 1), Item::Float(1e15));
        assert_eq!(item(9_007_199_254_740_992.0, 0), Item::Scaled(MAX_SCALED));
        assert_eq!(item(f64::INFINITY, 0), Item::Float(f64::INFINITY));
        assert_eq!(item(f64::MAX, 6), Item::Float(f64::MAX));
    }

    #[test]
    fn the_longest_item_is_nine_bytes() {
        for item in [Item::Scaled(MAX_SCALED), Item::Scaled(-MAX_SCALED), Item::Float(-1.0)] {
            assert!(encoded(&[item]).len() <= MAX_ITEM, "{item:?}");
        }
    }

    #[test]
    fn a_frame_has_exactly_as_many_items_as_its_set() {
        let bytes = encoded(&[Item::Scaled(1), Item::Absent]);
        assert_eq!(check_values(&bytes, 2), Ok(()));
        for expected in [0, 1, 3] {
            assert!(matches!(check_values(&bytes, expected), Err(FrameError::Count { .. })));
        }
        assert_eq!(check_values(&[], 0), Ok(()));
    }

    fn any_item() -> impl Strategy<Value = Item> {
        prop_oneof![
            (i64::MIN / 2..=i64::MAX / 2).prop_map(Item::Scaled),
            (-1000i64..1000).prop_map(Item::Scaled),
            any::<f64>().prop_filter("not a number", |v| !v.is_nan()).prop_map(Item::Float),
            Just(Item::Absent),
        ]
    }

    proptest! {
        #[test]
        fn items_come_back(items in prop::collection::vec(any_item(), 0..200)) {
            let bytes = encoded(&items);
            prop_assert_eq!(check_values(&bytes, items.len()), Ok(()));
            prop_assert_eq!(read(&bytes), Ok(items));
        }

        #[test]
        fn any_bytes_are_read_or_refused_and_have_one_form(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let items: Vec<_> = ValueReader::new(&bytes).collect();
            prop_assert!(items.len() <= bytes.len());
            if let Ok(items) = read(&bytes) {
                prop_assert_eq!(encoded(&items), bytes);
            }
        }

        #[test]
        fn values_come_back_as_near_as_their_decimals(
            value in -1e9f64..1e9, decimals in 0u8..=6,
        ) {
            let mut out = Vec::new();
            encode_values(&[def(decimals)], &[value], &mut out);
            let read = ValueReader::new(&out).next().unwrap().unwrap();
            let step = 10f64.powi(-i32::from(decimals));
            // Half a step, and what multiplying and dividing a large float itself rounds.
            let near = step * 0.5 + value.abs() * 2.0 * f64::EPSILON;
            prop_assert!((scale(read, decimals) - value).abs() <= near);
        }
    }
}

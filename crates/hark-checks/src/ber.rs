//! The part of ASN.1's basic encoding that LDAP, SNMP and OCSP need: elements of a tag, a length and
//! content, with tags of one byte and lengths of a definite form.

use crate::octets::Octets;

/// A boolean.
pub(crate) const BOOLEAN: u8 = 0x01;
/// A whole number.
pub(crate) const INTEGER: u8 = 0x02;
/// Bits, after the number of those that do not count.
pub(crate) const BITS: u8 = 0x03;
/// Bytes.
pub(crate) const OCTETS: u8 = 0x04;
/// Nothing.
pub(crate) const NULL: u8 = 0x05;
/// An object identifier.
pub(crate) const OID: u8 = 0x06;
/// One of several named numbers.
pub(crate) const ENUMERATED: u8 = 0x0a;
/// Elements in order.
pub(crate) const SEQUENCE: u8 = 0x30;
/// Elements in any order.
pub(crate) const SET: u8 = 0x31;
/// A time: `20261121095351Z`.
pub(crate) const TIME: u8 = 0x18;

/// Most numbers an object identifier may have (RFC 2578).
const MAX_OID: usize = 128;

/// Elements that are read one after another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Elements<'a> {
    octets: Octets<'a>,
}

impl<'a> Elements<'a> {
    /// Reads `bytes`.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { octets: Octets::new(bytes) }
    }

    /// Returns true if nothing follows.
    pub(crate) fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }

    /// Returns what was not read yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.octets.rest()
    }

    /// Takes the next element: its tag and its content.
    pub(crate) fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (tag, n) = header(&mut self.octets)?;
        Some((tag, self.octets.take(n)?))
    }

    /// Takes the next element with its header, as its signature is over it.
    pub(crate) fn next_whole(&mut self) -> Option<&'a [u8]> {
        let before = self.octets.rest();
        self.next()?;
        before.get(..before.len() - self.octets.rest().len())
    }

    /// Takes the next element if it has this tag.
    pub(crate) fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let mut ahead = *self;
        let (found, content) = ahead.next()?;
        if found != tag {
            return None;
        }
        *self = ahead;
        Some(content)
    }

    /// Takes an element of this tag to read what is in it.
    pub(crate) fn enter(&mut self, tag: u8) -> Option<Self> {
        self.take(tag).map(Self::new)
    }

    /// Takes a whole number.
    pub(crate) fn integer(&mut self) -> Option<i64> {
        integer(self.take(INTEGER)?)
    }
}

/// Reads a tag and a length.
fn header(octets: &mut Octets<'_>) -> Option<(u8, usize)> {
    let tag = octets.u8()?;
    // Tags of several bytes are in none of these protocols.
    if tag & 0x1f == 0x1f {
        return None;
    }
    let first = octets.u8()?;
    let length = match first {
        0..=0x7f => usize::from(first),
        // More than four bytes of length are beyond every bound of ours; 0x80 is the indefinite form.
        0x81..=0x84 => {
            let digits = octets.take(usize::from(first & 0x7f))?;
            digits.iter().try_fold(0_usize, |length, digit| {
                length.checked_mul(256)?.checked_add(usize::from(*digit))
            })?
        }
        _ => return None,
    };
    Some((tag, length))
}

/// Returns how long the first element of `bytes` is with its header, if that can be seen already.
/// `Err` if it can never be: these are no such elements.
pub(crate) fn whole_length(bytes: &[u8]) -> Result<Option<usize>, ()> {
    let mut octets = Octets::new(bytes);
    match header(&mut octets) {
        Some((_, n)) => Ok((bytes.len() - octets.rest().len()).checked_add(n)),
        // Six bytes hold every header that is taken.
        None if bytes.len() >= 6 => Err(()),
        None => Ok(None),
    }
}

/// Reads a whole number with sign.
pub(crate) fn integer(content: &[u8]) -> Option<i64> {
    let (first, rest) = content.split_first()?;
    if rest.len() > 7 {
        return None;
    }
    let sign = i64::from(i8::from_be_bytes([*first]));
    Some(rest.iter().fold(sign, |number, byte| (number << 8) | i64::from(*byte)))
}

/// Reads a whole number without sign, of at most 64 bits.
pub(crate) fn unsigned(content: &[u8]) -> Option<u64> {
    let digits = content.strip_prefix(&[0]).unwrap_or(content);
    if content.is_empty() || digits.len() > 8 {
        return None;
    }
    Some(digits.iter().fold(0, |number, byte| (number << 8) | u64::from(*byte)))
}

/// Reads an object identifier.
pub(crate) fn oid(content: &[u8]) -> Option<Vec<u32>> {
    let mut numbers = Vec::new();
    let mut number = 0_u32;
    for byte in content {
        if number > u32::MAX >> 7 || numbers.len() >= MAX_OID {
            return None;
        }
        number = number << 7 | u32::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            if numbers.is_empty() {
                let first = (number / 40).min(2);
                numbers.extend([first, number - first * 40]);
            } else {
                numbers.push(number);
            }
            number = 0;
        }
    }
    let is_whole = content.last().is_some_and(|byte| byte & 0x80 == 0);
    is_whole.then_some(numbers)
}

/// Writes an element.
pub(crate) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() + 6);
    out.push(tag);
    if let Ok(n @ 0..=0x7f) = u8::try_from(content.len()) {
        out.push(n);
    } else {
        // What is written here is far below four bytes of length.
        out.push(0x84);
        out.extend(u32::try_from(content.len()).unwrap_or(u32::MAX).to_be_bytes());
    }
    out.extend_from_slice(content);
    out
}

/// Writes elements one after another into one of `tag`.
pub(crate) fn group(tag: u8, parts: &[Vec<u8>]) -> Vec<u8> {
    element(tag, &parts.concat())
}

/// Writes a whole number under `tag`.
pub(crate) fn number(tag: u8, value: i64) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    // The shortest form: a leading byte goes if the next one has the same sign.
    let skip = bytes
        .windows(2)
        .take_while(|pair| matches!(pair, [0, 0..=0x7f] | [0xff, 0x80..=0xff]))
        .count();
    element(tag, bytes.get(skip..).unwrap_or_default())
}

/// Writes an object identifier; `None` if it has fewer than two numbers or too many.
pub(crate) fn write_oid(numbers: &[u32]) -> Option<Vec<u8>> {
    let (first, second, rest) = match numbers {
        [first @ 0..=2, second, rest @ ..] if rest.len() + 2 <= MAX_OID => (first, second, rest),
        _ => return None,
    };
    if *first < 2 && *second >= 40 {
        return None;
    }
    let mut content = Vec::new();
    push_base128(&mut content, second.checked_add(first * 40)?);
    for number in rest {
        push_base128(&mut content, *number);
    }
    Some(element(OID, &content))
}

fn push_base128(out: &mut Vec<u8>, number: u32) {
    let digits = [28, 21, 14, 7, 0].map(|shift| u8::try_from(number >> shift & 0x7f).unwrap_or(0));
    let skip = digits.iter().take(4).take_while(|digit| **digit == 0).count();
    let (last, before) = digits.split_last().unwrap_or((&0, &[]));
    out.extend(before.iter().skip(skip).map(|digit| digit | 0x80));
    out.push(*last);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_written_in_their_shortest_form() {
        for (value, bytes) in [
            (0, &[2, 1, 0][..]),
            (127, &[2, 1, 127]),
            (128, &[2, 2, 0, 128]),
            (-1, &[2, 1, 255]),
            (-129, &[2, 2, 255, 127]),
            (65_536, &[2, 3, 1, 0, 0]),
        ] {
            assert_eq!(number(INTEGER, value), bytes, "{value}");
        }
    }

    #[test]
    fn identifiers_are_written_as_the_standard_says() {
        let sys_descr = [1, 3, 6, 1, 2, 1, 1, 1, 0];
        let bytes = write_oid(&sys_descr).unwrap();
        assert_eq!(bytes, [6, 8, 0x2b, 6, 1, 2, 1, 1, 1, 0]);
        assert_eq!(write_oid(&[1, 40]), None);
        assert_eq!(write_oid(&[1]), None);
        assert_eq!(oid(&[0x2b, 0x86]), None, "cut off within a number");
        assert_eq!(oid(&[0x2b, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]), None, "beyond 32 bits");
    }

    #[test]
    fn the_length_is_seen_as_soon_as_the_header_is_there() {
        assert_eq!(whole_length(&[]), Ok(None));
        assert_eq!(whole_length(&[0x30, 0x82, 1]), Ok(None));
        assert_eq!(whole_length(&[0x30, 0x82, 1, 0]), Ok(Some(260)));
        assert_eq!(whole_length(b"HTTP/1.1 400"), Ok(Some(86)));
        assert_eq!(whole_length(&[0x30, 0x80, 0, 0, 0, 0]), Err(()));
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut elements = Elements::new(&bytes);
            while let Some((_, content)) = elements.next() {
                let _read = (oid(content), integer(content), unsigned(content));
            }
            let _length = whole_length(&bytes);
        }

        #[test]
        fn what_was_written_is_read_again(value: i64, numbers in prop::collection::vec(any::<u32>(), 0..60), n in 0_usize..300) {
            let bytes = number(INTEGER, value);
            prop_assert_eq!(Elements::new(&bytes).integer(), Some(value));
            let numbers = [vec![1, 3], numbers].concat();
            let bytes = write_oid(&numbers).unwrap();
            prop_assert_eq!(oid(Elements::new(&bytes).take(OID).unwrap()), Some(numbers));
            let content = vec![7; n];
            let bytes = element(OCTETS, &content);
            prop_assert_eq!(whole_length(&bytes), Ok(Some(bytes.len())));
            prop_assert_eq!(Elements::new(&bytes).take(OCTETS), Some(&content[..]));
        }
    }
}

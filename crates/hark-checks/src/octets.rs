//! Reading numbers and pieces out of foreign bytes: what is missing is `None`, never a panic.

use std::fmt::Write as _;

/// Bytes that are read from the front.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Octets<'a> {
    rest: &'a [u8],
}

impl<'a> Octets<'a> {
    /// Reads `bytes`.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Returns what was not read yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Returns true if everything was read.
    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Takes the next `n` bytes.
    pub(crate) fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(n)?;
        self.rest = rest;
        Some(taken)
    }

    /// Takes the bytes before the next zero, and the zero.
    pub(crate) fn until_zero(&mut self) -> Option<&'a [u8]> {
        let end = self.rest.iter().position(|byte| *byte == 0)?;
        let taken = self.take(end)?;
        self.take(1)?;
        Some(taken)
    }

    /// Takes one byte.
    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// Takes a number of two bytes, the high one first.
    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    /// Takes a number of four bytes, the high one first.
    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// Takes a number of eight bytes, the high one first.
    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// Takes a number of two bytes, the low one first.
    pub(crate) fn u16_low_first(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    /// Takes a number of four bytes, the low one first.
    pub(crate) fn u32_low_first(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// Takes so many bytes as an array.
    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*taken)
    }
}

/// Returns bytes as text; what is not UTF-8 is replaced, control characters become blanks.
pub(crate) fn text(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Returns bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut digits = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string cannot fail.
        let _written = write!(digits, "{byte:02x}");
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_none_and_nothing_is_lost() {
        let mut octets = Octets::new(&[1, 2, 3, b'a', 0, 9]);
        assert_eq!(octets.u32_low_first().map(|n| n & 0xff), Some(1));
        let mut octets = Octets::new(&[1, 2, 3, b'a', 0, 9]);
        assert_eq!(octets.u8(), Some(1));
        assert_eq!(octets.u64(), None);
        assert_eq!(octets.u16(), Some(0x0203));
        assert_eq!(octets.until_zero(), Some(&b"a"[..]));
        assert_eq!(octets.until_zero(), None);
        assert_eq!(octets.take(2), None);
        assert_eq!(octets.rest(), [9]);
        assert!(!octets.is_empty());
    }

    #[test]
    fn foreign_text_cannot_move_the_cursor() {
        assert_eq!(text(b"5.7\x1b[2J\xff"), "5.7 [2J\u{fffd}");
    }
}

//! Protocol buffers, read in place: fields of a message one after the other, nothing copied.

use crate::Unreadable;

/// What is wrong with bytes that are no message.
pub(crate) const MALFORMED: Unreadable = Unreadable::Format("not a message of this format");

/// The value of a field as it lies in the bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// Numbers and booleans.
    Varint(u64),
    /// Doubles and numbers of fixed length.
    Fixed64(u64),
    /// Texts, messages, packed numbers.
    Bytes(&'a [u8]),
    /// Floats and shorter numbers of fixed length.
    Fixed32(u32),
}

impl<'a> Value<'a> {
    /// Returns a double.
    ///
    /// # Errors
    /// If it is none.
    pub fn double(self) -> Result<f64, Unreadable> {
        self.fixed64().map(f64::from_bits)
    }

    /// Returns a number of eight bytes.
    ///
    /// # Errors
    /// If it is none.
    pub fn fixed64(self) -> Result<u64, Unreadable> {
        if let Value::Fixed64(bits) = self { Ok(bits) } else { Err(MALFORMED) }
    }

    /// Returns a number of variable length.
    ///
    /// # Errors
    /// If it is none.
    pub fn varint(self) -> Result<u64, Unreadable> {
        if let Value::Varint(number) = self { Ok(number) } else { Err(MALFORMED) }
    }

    /// Returns a number that may be negative.
    ///
    /// # Errors
    /// If it is none.
    pub fn int64(self) -> Result<i64, Unreadable> {
        self.varint().map(u64::cast_signed)
    }

    /// Returns the bytes of a text or message.
    ///
    /// # Errors
    /// If it is none.
    pub fn bytes(self) -> Result<&'a [u8], Unreadable> {
        if let Value::Bytes(bytes) = self { Ok(bytes) } else { Err(MALFORMED) }
    }

    /// Returns the fields of a message.
    ///
    /// # Errors
    /// If it is none.
    pub fn message(self) -> Result<Fields<'a>, Unreadable> {
        self.bytes().map(Fields::new)
    }

    /// Returns a text.
    ///
    /// # Errors
    /// If it is none, or not UTF-8.
    pub fn text(self) -> Result<&'a str, Unreadable> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Unreadable::Format("a text is not UTF-8"))
    }

    /// Calls `each` with the doubles of a list, packed or one of many.
    ///
    /// # Errors
    /// If it is none.
    pub fn doubles(self, mut each: impl FnMut(f64)) -> Result<(), Unreadable> {
        self.fixed64s(|bits| each(f64::from_bits(bits)))
    }

    /// Calls `each` with the numbers of eight bytes of a list, packed or one of many.
    ///
    /// # Errors
    /// If it is none.
    pub fn fixed64s(self, mut each: impl FnMut(u64)) -> Result<(), Unreadable> {
        match self {
            Value::Fixed64(bits) => each(bits),
            Value::Bytes(bytes) => {
                let (all, rest) = bytes.as_chunks::<8>();
                if !rest.is_empty() {
                    return Err(MALFORMED);
                }
                for chunk in all {
                    each(u64::from_le_bytes(*chunk));
                }
            }
            Value::Varint(_) | Value::Fixed32(_) => return Err(MALFORMED),
        }
        Ok(())
    }

    /// Calls `each` with the numbers of a list, packed or one of many.
    ///
    /// # Errors
    /// If it is none.
    pub fn varints(self, mut each: impl FnMut(u64)) -> Result<(), Unreadable> {
        match self {
            Value::Varint(number) => each(number),
            Value::Bytes(mut bytes) => {
                while !bytes.is_empty() {
                    each(varint(&mut bytes)?);
                }
            }
            Value::Fixed64(_) | Value::Fixed32(_) => return Err(MALFORMED),
        }
        Ok(())
    }
}

/// The fields of a message. Ends after the first error.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Reads a message.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    fn read(&mut self) -> Result<(u64, Value<'a>), Unreadable> {
        let key = varint(&mut self.rest)?;
        let number = key >> 3;
        if number == 0 {
            return Err(MALFORMED);
        }
        let value = match key & 7 {
            0 => Value::Varint(varint(&mut self.rest)?),
            1 => Value::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => {
                let length = varint(&mut self.rest)?;
                let length = usize::try_from(length).map_err(|_| MALFORMED)?;
                let (bytes, rest) = self.rest.split_at_checked(length).ok_or(MALFORMED)?;
                self.rest = rest;
                Value::Bytes(bytes)
            }
            5 => Value::Fixed32(u32::from_le_bytes(self.array()?)),
            // Groups are of the last century, and none of these formats has any.
            _ => return Err(MALFORMED),
        };
        Ok((number, value))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Unreadable> {
        let (bytes, rest) = self.rest.split_first_chunk::<N>().ok_or(MALFORMED)?;
        self.rest = rest;
        Ok(*bytes)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Value<'a>), Unreadable>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.read();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

fn varint(bytes: &mut &[u8]) -> Result<u64, Unreadable> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or(MALFORMED)?;
        *bytes = rest;
        // The tenth byte has one bit left; what is above is cut, as others do.
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(MALFORMED)
}

/// Writes messages.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// Returns what was written.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }

    /// Returns how many bytes were written.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Returns true if nothing was written.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn put(&mut self, mut value: u64) {
        while value >= 0x80 {
            #[expect(clippy::cast_possible_truncation, reason = "seven bits of it")]
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        #[expect(clippy::cast_possible_truncation, reason = "below 128")]
        self.bytes.push(value as u8);
    }

    /// Writes a number.
    pub fn varint(&mut self, field: u32, value: u64) {
        self.put(u64::from(field) << 3);
        self.put(value);
    }

    /// Writes a double.
    pub fn double(&mut self, field: u32, value: f64) {
        self.put(u64::from(field) << 3 | 1);
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// Writes a text, or a message that was written before.
    pub fn bytes(&mut self, field: u32, value: &[u8]) {
        self.put(u64::from(field) << 3 | 2);
        self.put(value.len() as u64);
        self.bytes.extend_from_slice(value);
    }

    /// Writes a message.
    pub fn message(&mut self, field: u32, write: impl FnOnce(&mut Self)) {
        let mut inner = Self::default();
        write(&mut inner);
        self.bytes(field, &inner.bytes);
    }

    /// Writes a list of numbers.
    pub fn packed(&mut self, field: u32, values: impl IntoIterator<Item = u64>) {
        let mut inner = Self::default();
        values.into_iter().for_each(|value| inner.put(value));
        self.bytes(field, &inner.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut writer = Writer::default();
        writer.varint(1, 300);
        writer.double(2, -1.5);
        writer.message(3, |inner| inner.bytes(1, "ä".as_bytes()));
        writer.packed(4, [0, 127, 128, u64::MAX]);
        let bytes = writer.finish();
        let fields: Vec<_> = Fields::new(&bytes).map(Result::unwrap).collect();
        let [(1, one), (2, two), (3, three), (4, four)] = fields[..] else { panic!("{fields:?}") };
        assert_eq!((one.varint(), two.double()), (Ok(300), Ok(-1.5)));
        let (_, inner) = three.message().unwrap().next().unwrap().unwrap();
        assert_eq!(inner.text(), Ok("ä"));
        let mut all = Vec::new();
        four.varints(|n| all.push(n)).unwrap();
        assert_eq!(all, [0, 127, 128, u64::MAX]);
    }

    #[test]
    fn what_ends_too_early_is_refused_and_read_no_further() {
        for bytes in [&[0x0a, 5, 1][..], &[0x08], &[0x09, 1, 2], &[0x00], &[0x0b], &[0xff; 11]] {
            let all: Vec<_> = Fields::new(bytes).collect();
            assert_eq!(all, [Err(MALFORMED)], "{bytes:?}");
        }
        let long = [0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
        assert_eq!(Fields::new(&long).next(), Some(Err(MALFORMED)), "a length that lies");
    }
}

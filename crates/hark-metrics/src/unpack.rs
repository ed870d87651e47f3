//! Unpacks bodies, never to more than they may be.

use std::borrow::Cow;
use std::io::Read;

use crate::{MAX_UNPACKED, Unreadable};

/// How a body is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// Not at all.
    None,
    /// As one block of Snappy, without its framing: what remote write has.
    Snappy,
    /// With gzip.
    Gzip,
}

impl Packing {
    /// Returns the packing with this word in a `Content-Encoding`; an empty one is none.
    pub fn of_word(word: &str) -> Option<Self> {
        match word.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Some(Self::None),
            "snappy" => Some(Self::Snappy),
            "gzip" | "x-gzip" => Some(Self::Gzip),
            _ => None,
        }
    }
}

/// Unpacks a body.
///
/// # Errors
/// If it is not packed so, or longer than [`MAX_UNPACKED`].
pub fn unpack(body: &[u8], packing: Packing) -> Result<Cow<'_, [u8]>, Unreadable> {
    match packing {
        Packing::None if body.len() > MAX_UNPACKED => Err(Unreadable::Long),
        Packing::None => Ok(Cow::Borrowed(body)),
        Packing::Snappy => {
            let broken = |_| Unreadable::Packing("snappy");
            // What the block says of its length is believed only as far as room is made for it.
            let length = snap::raw::decompress_len(body).map_err(broken)?;
            if length > MAX_UNPACKED {
                return Err(Unreadable::Long);
            }
            snap::raw::Decoder::new().decompress_vec(body).map(Cow::Owned).map_err(broken)
        }
        Packing::Gzip => {
            let mut plain = Vec::new();
            let most = MAX_UNPACKED as u64 + 1;
            let read = flate2::read::MultiGzDecoder::new(body).take(most).read_to_end(&mut plain);
            read.map_err(|_| Unreadable::Packing("gzip"))?;
            if plain.len() > MAX_UNPACKED { Err(Unreadable::Long) } else { Ok(Cow::Owned(plain)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn what_was_packed_comes_out() {
        let snappy = snap::raw::Encoder::new().compress_vec(b"hello").unwrap();
        for (body, packing) in [
            (b"hello".to_vec(), Packing::None),
            (snappy, Packing::Snappy),
            (gzip(b"hello"), Packing::Gzip),
        ] {
            assert_eq!(unpack(&body, packing).unwrap().as_ref(), b"hello", "{packing:?}");
        }
    }

    #[test]
    fn a_small_body_does_not_become_a_large_one() {
        let long = vec![0; MAX_UNPACKED + 1];
        assert_eq!(unpack(&gzip(&long), Packing::Gzip), Err(Unreadable::Long));
        let snappy = snap::raw::Encoder::new().compress_vec(&long).unwrap();
        assert_eq!(unpack(&snappy, Packing::Snappy), Err(Unreadable::Long));
        // Four gigabytes in five bytes, says the length.
        let lie = [0xff, 0xff, 0xff, 0xff, 0x0f];
        assert_eq!(unpack(&lie, Packing::Snappy), Err(Unreadable::Long));
    }

    #[test]
    fn what_is_not_packed_so_is_refused() {
        assert_eq!(unpack(b"hello", Packing::Snappy), Err(Unreadable::Packing("snappy")));
        assert_eq!(unpack(b"hello", Packing::Gzip), Err(Unreadable::Packing("gzip")));
        assert_eq!(Packing::of_word("zstd"), None);
        assert_eq!(Packing::of_word(" GZIP"), Some(Packing::Gzip));
    }
}

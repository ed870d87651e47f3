//! The data types and packets of SSH (RFC 4251, RFC 4253), as far as a first key exchange needs them.
//! Nothing is encrypted yet at that point.

/// Largest packet (RFC 4253, 6.1).
const MAX_PACKET: usize = 35_000;

/// Packets are filled up to a multiple of this.
const BLOCK: usize = 8;

/// Smallest filling.
const MIN_PADDING: usize = 4;

/// Puts a packet around `payload`. The filling is zeros: it hides nothing while nothing is encrypted.
pub(crate) fn packet(payload: &[u8]) -> Vec<u8> {
    let bare = 4 + 1 + payload.len() + MIN_PADDING;
    let padding = MIN_PADDING + (BLOCK - bare % BLOCK) % BLOCK;
    let mut out = Vec::with_capacity(bare + BLOCK);
    put_u32(&mut out, 1 + payload.len() + padding);
    out.push(u8::try_from(padding).unwrap_or(u8::MAX));
    out.extend_from_slice(payload);
    out.resize(out.len() + padding, 0);
    out
}

/// Takes the first packet out of `pending`; `None` if it is not there as a whole. Returns its payload.
///
/// # Errors
/// If no packet can begin so.
pub(crate) fn take_packet(pending: &mut Vec<u8>) -> Result<Option<Vec<u8>>, String> {
    let Some(head) = pending.first_chunk::<5>().copied() else { return Ok(None) };
    let [a, b, c, d, padding] = head;
    let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
    let padding = usize::from(padding);
    if length > MAX_PACKET || length < padding + 2 {
        return Err("what follows the greeting is no packet of SSH".to_owned());
    }
    if pending.len() < 4 + length {
        return Ok(None);
    }
    let packet: Vec<u8> = pending.drain(..4 + length).collect();
    let payload = packet.get(5..4 + length - padding).unwrap_or_default();
    Ok(Some(payload.to_vec()))
}

/// Appends a length.
pub(crate) fn put_u32(out: &mut Vec<u8>, value: usize) {
    out.extend_from_slice(&u32::try_from(value).unwrap_or(u32::MAX).to_be_bytes());
}

/// Appends bytes with their length before them.
pub(crate) fn put_string(out: &mut Vec<u8>, bytes: &[u8]) {
    put_u32(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// Appends a positive number of any length.
pub(crate) fn put_mpint(out: &mut Vec<u8>, bytes: &[u8]) {
    let bytes = trimmed(bytes);
    // The highest bit would be a sign.
    let sign = bytes.first().is_some_and(|first| first & 0x80 != 0);
    put_u32(out, bytes.len() + usize::from(sign));
    if sign {
        out.push(0);
    }
    out.extend_from_slice(bytes);
}

/// Returns a number without leading zeros.
pub(crate) fn trimmed(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(zeros..).unwrap_or_default()
}

/// Reads one field after the other. `None`: the bytes end before the field does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn bytes(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(head)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.bytes(1)?.first().copied()
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(*self.bytes(4)?.first_chunk()?))
    }

    pub(crate) fn string(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.u32()?).ok()?;
        self.bytes(length)
    }

    pub(crate) fn text(&mut self) -> Option<&'a str> {
        str::from_utf8(self.string()?).ok()
    }

    /// Reads a positive number, without leading zeros.
    pub(crate) fn mpint(&mut self) -> Option<&'a [u8]> {
        Some(trimmed(self.string()?))
    }

    /// Reads a list of names.
    pub(crate) fn names(&mut self) -> Option<Vec<&'a str>> {
        Some(self.text()?.split(',').collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_come_back_whatever_their_length() {
        for n in 1..40 {
            let payload: Vec<u8> = (1..=n).collect();
            let mut pending = packet(&payload);
            assert_eq!(pending.len() % BLOCK, 0);
            pending.extend_from_slice(b"next");
            assert_eq!(take_packet(&mut pending).unwrap().unwrap(), payload);
            assert_eq!(pending, b"next");
        }
    }

    #[test]
    fn a_packet_that_is_not_whole_waits_for_the_rest() {
        let whole = packet(b"hello");
        for n in 0..whole.len() {
            let mut pending = whole[..n].to_vec();
            assert_eq!(take_packet(&mut pending), Ok(None));
            assert_eq!(pending.len(), n);
        }
    }

    #[test]
    fn what_cannot_be_a_packet_is_refused() {
        for bytes in [&b"HTTP/1.1 400"[..], &[0, 0, 0, 5, 4, 0, 0, 0, 0], &[0xff; 20]] {
            assert!(take_packet(&mut bytes.to_vec()).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn numbers_have_no_sign_and_no_leading_zeros() {
        for (bytes, written) in [
            (&[0, 0, 0x7f][..], &[0, 0, 0, 1, 0x7f][..]),
            (&[0x80, 1], &[0, 0, 0, 3, 0, 0x80, 1]),
            (&[0, 0], &[0, 0, 0, 0]),
        ] {
            let mut out = Vec::new();
            put_mpint(&mut out, bytes);
            assert_eq!(out, written);
            assert_eq!(Fields(&out).mpint().unwrap(), trimmed(bytes));
        }
    }

    #[test]
    fn fields_that_end_too_early_are_none() {
        assert_eq!(Fields(&[0, 0, 0, 9, b'a']).string(), None);
        assert_eq!(Fields(&[0, 0]).u32(), None);
        assert_eq!(Fields(&[0, 0, 0, 3, b'a', b',', b'b']).names().unwrap(), ["a", "b"]);
    }
}

//! Digests in hexadecimal: for identifiers and signatures.

use ring::{digest, hmac};

/// Returns the SHA-256 of `text`.
pub(crate) fn sha256(text: &str) -> String {
    hex(digest::digest(&digest::SHA256, text.as_bytes()).as_ref())
}

/// Compares what must be kept secret with what came, in a time that says nothing about either.
pub(crate) fn same(secret: &[u8], given: &[u8]) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let code = hmac::sign(&key, secret);
    hmac::verify(&key, given, code.as_ref()).is_ok()
}

/// Returns `bytes` in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| DIGITS.get(usize::from(digit))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_is_the_same() {
        assert!(same(b"correct", b"correct"));
        assert!(!same(b"correct", b"correct-"));
        assert!(!same(b"correct", b""));
    }

    #[test]
    fn digests_are_those_of_the_standard() {
        // FIPS 180-2, example B.1.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256("abc"), abc);
        assert_eq!(hex(&[0, 0x0f, 0xff]), "000fff");
    }
}

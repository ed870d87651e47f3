//! Digests in hexadecimal: for identifiers and signatures.

use ring::{digest, hmac};

/// Returns the SHA-256 of `text`.
pub(crate) fn sha256(text: &str) -> String {
    hark_net::hex(digest::digest(&digest::SHA256, text.as_bytes()).as_ref())
}

/// Compares what must be kept secret with what came, in a time that says nothing about either.
pub(crate) fn same(secret: &[u8], given: &[u8]) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let code = hmac::sign(&key, secret);
    hmac::verify(&key, given, code.as_ref()).is_ok()
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
    }
}

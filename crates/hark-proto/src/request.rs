//! Requests over HTTPS: how an agent that cannot send datagrams proves that one is its own.
//!
//! The connection is already secret and the server already known; what is left is to show who asks, and
//! that nobody asks the same again. A request carries a number that only ever grows per agent (the same
//! one as that of sessions, so that one column on the disk refuses both) and a tag over it, the method,
//! the path and the digest of the body. All of that is in its head: a request that is not the agent's
//! is refused before its body is read.

use std::fmt::Write as _;

use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use ring::hmac;

use crate::header::MAX_SESSION;
use crate::key::AgentKey;
use crate::refused::Refused;

/// The length of a tag and of a digest in bytes.
pub const PROOF: usize = 32;

const SALT: &[u8] = b"hark v1 https";
const LABEL: &[u8] = b"hark v1 request";

/// What a request's tag covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signed<'a> {
    /// In capitals.
    pub method: &'a str,
    /// From the first slash, with the query if there is one.
    pub path: &'a str,
    /// Greater than that of every request and session of this agent before.
    pub number: u64,
    /// SHA-256 of the body; of nothing if there is none.
    pub digest: &'a [u8; PROOF],
}

impl Signed<'_> {
    /// Returns the tag.
    pub fn tag(&self, key: &AgentKey) -> [u8; PROOF] {
        let tag = hmac::sign(&signing_key(key), self.text().as_bytes());
        let mut bytes = [0; PROOF];
        bytes.copy_from_slice(tag.as_ref());
        bytes
    }

    /// Checks a tag in a time that does not depend on what is wrong with it.
    ///
    /// # Errors
    /// [`Refused::Forged`], or [`Refused::Header`] for a number that no session may have.
    pub fn check(&self, key: &AgentKey, tag: &[u8; PROOF]) -> Result<(), Refused> {
        if self.number == 0 || self.number > MAX_SESSION {
            return Err(Refused::Header);
        }
        hmac::verify(&signing_key(key), self.text().as_bytes(), tag).map_err(|_| Refused::Forged)
    }

    fn text(&self) -> String {
        format!("{}\n{}\n{}\n{}", self.method, self.path, self.number, hex(self.digest))
    }
}

/// Returns `bytes` in hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap_or_default();
        text
    })
}

struct Length;

impl KeyType for Length {
    fn len(&self) -> usize {
        PROOF
    }
}

fn signing_key(key: &AgentKey) -> hmac::Key {
    let extracted = Salt::new(HKDF_SHA256, SALT).extract(key.expose());
    let mut bytes = [0; PROOF];
    let filled = extracted.expand(&[LABEL], Length).and_then(|okm| okm.fill(&mut bytes));
    filled.expect("HKDF gives up to 8160 bytes: this asks for 32");
    hmac::Key::new(hmac::HMAC_SHA256, &bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::simple_identity;

    const NUMBER: u64 = 1_795_200_000_123;

    fn signed(digest: &[u8; PROOF]) -> Signed<'_> {
        Signed { method: "POST", path: "/api/0/agent/report", number: NUMBER, digest }
    }

    #[test]
    fn the_tag_is_that_of_the_document() {
        let (_, key) = simple_identity(b"correct horse battery staple", "db-1.example.net");
        let mut digest = [0; PROOF];
        digest.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, b"{}").as_ref());
        let tag = hex(&signed(&digest).tag(&key));
        let document = include_str!("../../../docs/protocol.md");
        assert!(document.contains(&tag), "docs/protocol.md lacks the tag {tag}");
    }

    #[test]
    fn a_tag_of_anything_else_is_refused() {
        let (_, key) = simple_identity(b"secret", "a");
        let (_, other) = simple_identity(b"secret", "b");
        let digest = [7; PROOF];
        let right = signed(&digest);
        let tag = right.tag(&key);
        assert_eq!(right.check(&key, &tag), Ok(()));
        assert_eq!(right.check(&other, &tag), Err(Refused::Forged));
        for wrong in [
            Signed { method: "GET", ..right },
            Signed { path: "/api/0/agent/configuration", ..right },
            Signed { number: NUMBER + 1, ..right },
            Signed { digest: &[8; PROOF], ..right },
        ] {
            assert_eq!(wrong.check(&key, &tag), Err(Refused::Forged), "{wrong:?}");
        }
    }

    #[test]
    fn numbers_that_no_session_may_have_are_refused() {
        let (_, key) = simple_identity(b"secret", "a");
        for number in [0, MAX_SESSION + 1, u64::MAX] {
            let odd = Signed { number, ..signed(&[0; PROOF]) };
            assert_eq!(odd.check(&key, &odd.tag(&key)), Err(Refused::Header), "{number}");
        }
    }
}

//! Random texts that prove something, and what is stored instead of them.
//!
//! A token is 256 random bits (the secret of an enrolment 128, so that its line stays short). The
//! server keeps the SHA-256 alone: a slow hash would add nothing to that much randomness, and a copy
//! of the store opens no door.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom, SystemRandom};

use crate::backend::TokenHash;

/// What API tokens begin with: so that people and scanners for leaked secrets know one.
const API_PREFIX: &str = "hark_";

/// What tokens for agents begin with: the version of their form.
const ENROL_PREFIX: &str = "hark1-";

/// Bytes of a certificate's fingerprint.
const FINGERPRINT: usize = 32;

/// Bytes of an enrolment's secret.
const ENROL_SECRET: usize = 16;

/// The system gave no random bytes: nothing that needs a secret can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random bytes")]
pub struct NoRandom;

/// Which kind of token a text can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bearer {
    /// An API token with this hash.
    Api(TokenHash),
    /// A session with this hash.
    Session(TokenHash),
}

/// Returns `N` random bytes.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], NoRandom> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandom)?;
    Ok(bytes)
}

/// Returns a new session's token and its hash.
pub(crate) fn new_session() -> Result<(String, TokenHash), NoRandom> {
    let text = URL_SAFE_NO_PAD.encode(random::<32>()?);
    let hash = hash(text.as_bytes());
    Ok((text, hash))
}

/// Returns a new API token and its hash.
pub(crate) fn new_api() -> Result<(String, TokenHash), NoRandom> {
    let text = format!("{API_PREFIX}{}", URL_SAFE_NO_PAD.encode(random::<32>()?));
    let hash = hash(text.as_bytes());
    Ok((text, hash))
}

/// Returns what the text of an `Authorization: Bearer` header or of a cookie stands for.
pub(crate) fn bearer(text: &str) -> Bearer {
    let hash = hash(text.as_bytes());
    if text.starts_with(API_PREFIX) { Bearer::Api(hash) } else { Bearer::Session(hash) }
}

/// Returns a new token for agents, which carries the certificate's `fingerprint`, and the hash of
/// its secret.
pub(crate) fn new_enrol(fingerprint: &[u8; FINGERPRINT]) -> Result<(String, TokenHash), NoRandom> {
    let secret = random::<ENROL_SECRET>()?;
    let mut bytes = [0; FINGERPRINT + ENROL_SECRET];
    let (head, tail) = bytes.split_at_mut(FINGERPRINT);
    head.copy_from_slice(fingerprint);
    tail.copy_from_slice(&secret);
    Ok((format!("{ENROL_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)), hash(&secret)))
}

/// Returns the hash of the secret in a token for agents; `None` if it is none.
pub(crate) fn enrol(text: &str) -> Option<TokenHash> {
    let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(ENROL_PREFIX)?).ok()?;
    let (_, secret) = bytes.split_first_chunk::<FINGERPRINT>()?;
    (secret.len() == ENROL_SECRET).then(|| hash(secret))
}

/// Returns the SHA-256 of `bytes`.
pub(crate) fn hash(bytes: &[u8]) -> TokenHash {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    let mut hash = [0; 32];
    hash.copy_from_slice(digest.as_ref());
    hash
}

/// Returns the number under which people see something stored under `hash`: its first 8 bytes, which
/// open nothing.
pub(crate) fn id(hash: &TokenHash) -> String {
    hex(&hash[..8])
}

/// Returns `bytes` in hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing into a String cannot fail.
        write!(text, "{byte:02x}").unwrap_or_default();
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_found_by_its_text_alone() {
        let (text, hash) = new_session().unwrap();
        assert_eq!(text.len(), 43, "256 bits in base64");
        assert_eq!(bearer(&text), Bearer::Session(hash));
        assert_ne!(new_session().unwrap().1, hash);
    }

    #[test]
    fn api_tokens_are_told_by_their_prefix() {
        let (text, hash) = new_api().unwrap();
        assert_eq!(bearer(&text), Bearer::Api(hash));
        assert_eq!(text.len(), 48);
    }

    #[test]
    fn a_token_for_agents_carries_the_fingerprint() {
        let (text, hash) = new_enrol(&[7; 32]).unwrap();
        assert_eq!(text.len(), 6 + 64);
        assert_eq!(enrol(&text), Some(hash));
        let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix("hark1-").unwrap()).unwrap();
        assert_eq!(bytes[..32], [7; 32]);
    }

    #[test]
    fn what_is_no_token_for_agents_is_told() {
        for text in ["", "hark1-", "hark1-AAAA", "hark2-AAAA", "hark1-*"] {
            assert_eq!(enrol(text), None, "{text:?}");
        }
        let long = format!("hark1-{}", URL_SAFE_NO_PAD.encode([0; 49]));
        assert_eq!(enrol(&long), None);
    }

    #[test]
    fn hashes_are_sha_256() {
        assert_eq!(
            hex(&hash(b"abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(id(&hash(b"abc")), "ba7816bf8f01cfea");
    }
}

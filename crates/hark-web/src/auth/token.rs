//! Random texts that prove something, and what is stored instead of them.
//!
//! A token is 256 random bits (the secret in a token for agents 128, so that its line stays short).
//! The server keeps the SHA-256 alone: a slow hash would add nothing to that much randomness, and a
//! copy of the store opens no door.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hark_model::EnrolToken;
use ring::rand::{SecureRandom, SystemRandom};

use crate::backend::TokenHash;

/// What API tokens begin with: so that people and scanners for leaked secrets know one.
const API_PREFIX: &str = "hark_";

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

/// Returns the secret of a new token for agents and its hash.
pub(crate) fn new_enrol() -> Result<([u8; EnrolToken::SECRET], TokenHash), NoRandom> {
    let secret = random()?;
    Ok((secret, hash(&secret)))
}

/// Returns the hash of the secret in a token for agents; `None` if the text is none.
pub(crate) fn enrol(text: &str) -> Option<TokenHash> {
    Some(hash(EnrolToken::decode(text).ok()?.secret()))
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

/// Returns `bytes` as base64 for addresses, without padding.
pub(crate) fn base64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Returns the bytes of a text made by [`base64`].
pub(crate) fn unbase64(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
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
    fn a_token_for_agents_is_found_by_its_secret() {
        let (secret, hash) = new_enrol().unwrap();
        let token = EnrolToken::new(secret, [7; 32], vec!["mon.example.net:50004".to_owned()]);
        assert_eq!(enrol(token.unwrap().encode().expose()), Some(hash));
        assert_eq!(enrol("hark-aaaa"), None);
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

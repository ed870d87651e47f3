//! Keys: from what an agent and the server share to the bytes that seal one datagram.
//!
//! ChaCha20-Poly1305 with HKDF-SHA-256. The keys of a session and direction come from the agent's
//! key and the session's number, so two directions and two sessions never share a nonce, and the
//! nonce can be the plain counter.

use std::fmt;

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};

use crate::header::{AgentId, SALT};
use crate::refused::Refused;

/// The length of every key in bytes.
pub const KEY: usize = 32;

const SIMPLE_SALT: &[u8] = b"hark v1 simple";
const AGENT_LABEL: &[u8] = b"hark v1 agent key ";
const ID_LABEL: &[u8] = b"hark v1 agent id ";
const TO_SERVER: &[u8] = b"hark v1 to server";
const TO_AGENT: &[u8] = b"hark v1 to agent";
const RESET: &[u8] = b"hark v1 reset";
const WAIT: &[u8] = b"hark v1 wait";
const CALL: &[u8] = b"hark v1 call";
const HERE: &[u8] = b"hark v1 here";
const TOKEN: &[u8] = b"hark v1 token";

/// The key that one agent and the server share. Random in enrolled mode, derived in simple mode.
#[derive(Clone, PartialEq, Eq)]
pub struct AgentKey([u8; KEY]);

impl AgentKey {
    /// Wraps a key.
    pub fn new(bytes: [u8; KEY]) -> Self {
        Self(bytes)
    }

    /// Makes the key of those who hold a token for the server with this certificate.
    pub(crate) fn of_token(fingerprint: &[u8; 32]) -> Self {
        Self(expand(&Salt::new(HKDF_SHA256, TOKEN).extract(fingerprint), &[TOKEN]))
    }

    /// Returns the bytes, for the store. Each call is a place to review.
    pub fn expose(&self) -> &[u8; KEY] {
        &self.0
    }
}

impl fmt::Debug for AgentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AgentKey(…)")
    }
}

/// Returns the number and the key of the host called `name` among those who share `secret`.
pub fn simple_identity(secret: &[u8], name: &str) -> (AgentId, AgentKey) {
    let shared = Salt::new(HKDF_SHA256, SIMPLE_SALT).extract(secret);
    let key = expand::<KEY>(&shared, &[AGENT_LABEL, name.as_bytes()]);
    let id = expand::<8>(&shared, &[ID_LABEL, name.as_bytes()]);
    (AgentId(u64::from_be_bytes(id)), AgentKey(key))
}

/// One key of one session and direction: what a server keeps 200,000 of.
///
/// The 32 bytes are kept and ring's ready key is made for each datagram: for this cipher that is a
/// copy of 32 bytes without a schedule (some 40 ns), while a ready key takes 544 bytes, as it has
/// room for AES.
#[derive(Clone, PartialEq, Eq)]
pub struct SealingKey([u8; KEY]);

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey(…)")
    }
}

/// The two keys of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionKeys {
    /// Seals what the agent sends.
    pub to_server: SealingKey,
    /// Seals what the server sends, resets excepted.
    pub to_agent: SealingKey,
}

impl SessionKeys {
    /// Derives both. About two microseconds: the reason that unknown sessions are rate-limited.
    pub fn derive(key: &AgentKey, session: u64) -> Self {
        let extracted = Salt::new(HKDF_SHA256, &session.to_be_bytes()).extract(&key.0);
        Self {
            to_server: SealingKey(expand(&extracted, &[TO_SERVER])),
            to_agent: SealingKey(expand(&extracted, &[TO_AGENT])),
        }
    }
}

impl SealingKey {
    /// Derives the key that seals exactly one reset.
    ///
    /// A server that was restarted does not know which counters it used in a session, so it must
    /// never again use that session's key. `salt` is random, hence the key is new for each reset and
    /// its counter may be anything.
    pub fn for_reset(key: &AgentKey, session: u64, salt: &[u8; SALT]) -> Self {
        Self::once(key, session, salt, RESET)
    }

    /// Derives the key that seals exactly one [`crate::Kind::Wait`]: its session is not on the server's disk, and may
    /// be opened later from its first counter on.
    pub fn for_wait(key: &AgentKey, session: u64, salt: &[u8; SALT]) -> Self {
        Self::once(key, session, salt, WAIT)
    }

    fn once(key: &AgentKey, session: u64, salt: &[u8; SALT], info: &[u8]) -> Self {
        let mut both = Vec::with_capacity(8 + SALT);
        both.extend_from_slice(&session.to_be_bytes());
        both.extend_from_slice(salt);
        let extracted = Salt::new(HKDF_SHA256, &both).extract(&key.0);
        Self(expand(&extracted, &[info]))
    }

    /// Derives the key that seals exactly one call, by the random number in it.
    pub(crate) fn for_call(key: &AgentKey, random: &[u8]) -> Self {
        Self(expand(&Salt::new(HKDF_SHA256, random).extract(&key.0), &[CALL]))
    }

    /// Derives the key that seals exactly one answer to a call.
    pub(crate) fn for_answer(key: &AgentKey, random: &[u8], salt: &[u8; SALT]) -> Self {
        let both = [random, salt].concat();
        Self(expand(&Salt::new(HKDF_SHA256, &both).extract(&key.0), &[HERE]))
    }

    /// Returns the bytes, for the test vectors.
    pub fn expose(&self) -> &[u8; KEY] {
        &self.0
    }

    /// Seals `datagram` in place: its first `clear` bytes are authenticated, the rest is encrypted,
    /// the tag is appended. A counter must never be used twice with one key.
    pub fn seal(&self, counter: u64, clear: usize, datagram: &mut Vec<u8>) {
        let Some((head, body)) = datagram.split_at_mut_checked(clear) else { return };
        let sealed =
            self.ready().seal_in_place_separate_tag(nonce(counter), Aad::from(&*head), body);
        // ring refuses only what is longer than 256 GiB.
        if let Ok(tag) = sealed {
            datagram.extend_from_slice(tag.as_ref());
        }
    }

    /// Opens `datagram` in place and returns the plaintext.
    ///
    /// # Errors
    /// [`Refused::Forged`] if a single bit is not as it was sealed; the bytes are then of no use.
    pub fn open<'a>(
        &self,
        counter: u64,
        clear: usize,
        datagram: &'a mut [u8],
    ) -> Result<&'a [u8], Refused> {
        let (head, body) = datagram.split_at_mut_checked(clear).ok_or(Refused::Short)?;
        let opened = self.ready().open_in_place(nonce(counter), Aad::from(&*head), body);
        opened.map(|plain| &*plain).map_err(|_| Refused::Forged)
    }

    fn ready(&self) -> LessSafeKey {
        let key = UnboundKey::new(&CHACHA20_POLY1305, &self.0);
        LessSafeKey::new(key.expect("a key of this cipher has 32 bytes: the type says so"))
    }
}

fn nonce(counter: u64) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    if let Some(last) = bytes.last_chunk_mut() {
        *last = counter.to_be_bytes();
    }
    Nonce::assume_unique_for_key(bytes)
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

fn expand<const N: usize>(from: &Prk, label: &[&[u8]]) -> [u8; N] {
    let mut out = [0; N];
    let filled = from.expand(label, Length(N)).and_then(|okm| okm.fill(&mut out));
    filled.expect("HKDF gives up to 8160 bytes: no caller asks for more than 32");
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_sessions_and_directions_have_different_keys() {
        let (id, key) = simple_identity(b"secret", "a");
        assert_eq!(simple_identity(b"secret", "a"), (id, key.clone()));
        for (secret, name) in [(&b"secret"[..], "b"), (b"secres", "a"), (b"", "a"), (b"secret", "")]
        {
            let other = simple_identity(secret, name);
            assert!(other.0 != id && other.1 != key, "{name}");
        }
        let one = SessionKeys::derive(&key, 1);
        let two = SessionKeys::derive(&key, 2);
        assert!(one.to_server != one.to_agent);
        assert!(one.to_server != two.to_server && one.to_agent != two.to_agent);
        let reset = SealingKey::for_reset(&key, 1, &[0; SALT]);
        assert!(reset != one.to_agent && reset != SealingKey::for_reset(&key, 1, &[1; SALT]));
    }

    #[test]
    fn keys_are_not_printed() {
        let (_, key) = simple_identity(b"secret", "a");
        let text = format!("{key:?} {:?}", SessionKeys::derive(&key, 1));
        assert!(!text.contains(|c: char| c.is_ascii_digit()), "{text}");
    }

    proptest! {
        #[test]
        fn what_was_sealed_opens_and_with_any_bit_flipped_does_not(
            clear in 0usize..60, body in 0usize..100, counter: u64, bit: prop::sample::Index,
        ) {
            let (_, agent) = simple_identity(b"secret", "a");
            let key = SessionKeys::derive(&agent, 1).to_server;
            let plain: Vec<u8> = (0u8..=255).cycle().take(clear + body).collect();
            let mut datagram = plain.clone();
            key.seal(counter, clear, &mut datagram);
            let mut flipped = datagram.clone();
            let bit = bit.index(flipped.len() * 8);
            flipped[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(key.open(counter, clear, &mut flipped), Err(Refused::Forged));
            let mut wrong = datagram.clone();
            prop_assert!(key.open(counter.wrapping_add(1), clear, &mut wrong).is_err());
            prop_assert_eq!(key.open(counter, clear, &mut datagram), Ok(&plain[clear..]));
        }
    }
}

//! The first packet of `OpenVPN` and its answer, bare or guarded by a static key (`tls-auth`, `tls-crypt`).
//!
//! ```text
//! bare       opcode session                                     acks id
//! tls-auth   opcode session HMAC number time                    acks id
//! tls-crypt  opcode session number time tag           encrypted(acks id)
//! ```

use ring::aead::quic::{AES_256, HeaderProtectionKey};
use ring::hmac;

/// `P_CONTROL_HARD_RESET_CLIENT_V2` and `P_CONTROL_HARD_RESET_SERVER_V2`, with key number 0.
const CLIENT_RESET: u8 = 7 << 3;
const SERVER_RESET: u8 = 8 << 3;

/// Bytes of a static key: two times a key for encryption and one for authentication.
const STATIC_KEY: usize = 256;
const HALF: usize = 64;

/// What the client says inside: nothing is acknowledged, and this is packet 0.
const INSIDE: [u8; 5] = [0; 5];

/// Number of our guarded packet: the first.
const NUMBER: [u8; 4] = 1_u32.to_be_bytes();

/// Names our side of the connection.
pub(crate) type Session = [u8; 8];

/// A static key, as `openvpn --genkey` writes it.
#[derive(Clone)]
pub(crate) struct StaticKey([u8; STATIC_KEY]);

impl StaticKey {
    /// Reads the file.
    ///
    /// # Errors
    /// What is wrong with it. Nothing of the key stands in it.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let wrong = || "this is no static key as `openvpn --genkey` writes it".to_owned();
        let (_, rest) =
            text.split_once("-----BEGIN OpenVPN Static key V1-----").ok_or_else(wrong)?;
        let (inside, _) =
            rest.split_once("-----END OpenVPN Static key V1-----").ok_or_else(wrong)?;
        let digits: Vec<u8> = inside.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let mut key = [0; STATIC_KEY];
        if digits.len() != 2 * STATIC_KEY {
            return Err(wrong());
        }
        for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
            let pair = str::from_utf8(pair).map_err(|_| wrong())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| wrong())?;
        }
        Ok(Self(key))
    }

    /// Returns the key for encryption of one half, and the one for authentication.
    fn half(&self, second: bool) -> (&[u8], &[u8]) {
        let (first, rest) = self.0.split_at(2 * HALF);
        let half = if second { rest } else { first };
        half.split_at(HALF)
    }
}

impl std::fmt::Debug for StaticKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StaticKey(…)")
    }
}

/// Which half of the key is for what is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Direction {
    /// The first, both ways: no direction was set.
    Both,
    /// The first; the server sends with the second.
    Normal,
    /// The second; the server sends with the first. Usual for clients.
    #[default]
    Inverse,
}

impl Direction {
    pub(crate) const WORDS: &'static [(&'static str, Self)] =
        &[("0", Self::Normal), ("1", Self::Inverse), ("none", Self::Both)];
}

/// How control packets are guarded.
#[derive(Clone, Debug)]
pub(crate) enum Guarding {
    None,
    Auth {
        sending: hmac::Key,
        receiving: hmac::Key,
    },
    /// The key for encryption, and those for authentication.
    Crypt {
        cipher: [u8; 32],
        sending: hmac::Key,
        receiving: hmac::Key,
    },
}

impl Guarding {
    /// `tls-auth`: packets carry a code that needs the key.
    pub(crate) fn auth(key: &StaticKey, direction: Direction, digest: hmac::Algorithm) -> Self {
        let of = |second| {
            let (_, secret) = key.half(second);
            // The key for authentication is as long as the digest.
            let length = digest.digest_algorithm().output_len();
            hmac::Key::new(digest, secret.get(..length).unwrap_or(secret))
        };
        let sending = of(direction == Direction::Inverse);
        let receiving = of(direction == Direction::Normal);
        Self::Auth { sending, receiving }
    }

    /// `tls-crypt`: packets are encrypted too; clients use the second half.
    pub(crate) fn crypt(key: &StaticKey) -> Self {
        let of = |second| {
            let (_, secret) = key.half(second);
            hmac::Key::new(hmac::HMAC_SHA256, secret.get(..32).unwrap_or(secret))
        };
        let (secret, _) = key.half(true);
        let cipher = secret.first_chunk().copied().unwrap_or_default();
        Self::Crypt { cipher, sending: of(true), receiving: of(false) }
    }
}

/// Writes the packet with which a client begins.
pub(crate) fn reset(guarding: &Guarding, session: Session, now: u32) -> Vec<u8> {
    let mut out = vec![CLIENT_RESET];
    out.extend_from_slice(&session);
    let mut numbered = NUMBER.to_vec();
    numbered.extend_from_slice(&now.to_be_bytes());
    match guarding {
        Guarding::None => out.extend_from_slice(&INSIDE),
        Guarding::Auth { sending, .. } => {
            let code = hmac::sign(sending, &[&numbered, &out, &INSIDE[..]].concat());
            out.extend_from_slice(code.as_ref());
            out.extend_from_slice(&numbered);
            out.extend_from_slice(&INSIDE);
        }
        Guarding::Crypt { cipher, sending, .. } => {
            out.extend_from_slice(&numbered);
            let tag = hmac::sign(sending, &[&out, &INSIDE[..]].concat());
            out.extend_from_slice(tag.as_ref());
            out.extend_from_slice(&encrypted(cipher, tag.as_ref()));
        }
    }
    out
}

/// Encrypts [`INSIDE`] with AES-256 in counter mode, which begins with the first half of `tag`. ring has
/// no counter mode, but what QUIC hides its headers with is the first five bytes of one block of AES:
/// exactly as many as there are to encrypt.
fn encrypted(cipher: &[u8; 32], tag: &[u8]) -> [u8; INSIDE.len()] {
    let key = HeaderProtectionKey::new(&AES_256, cipher).expect("the key has 32 bytes");
    let counter = tag.get(..16).unwrap_or_default();
    let stream = key.new_mask(counter).expect("the tag of SHA-256 has 32 bytes");
    let mut out = INSIDE;
    for (byte, mask) in out.iter_mut().zip(stream) {
        *byte ^= mask;
    }
    out
}

/// Checks the answer of a server to our packet.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check(guarding: &Guarding, session: Session, answer: &[u8]) -> Result<(), String> {
    let short = || "its answer is too short".to_owned();
    let (head, rest) = answer.split_at_checked(9).ok_or_else(short)?;
    if head.first() != Some(&SERVER_RESET) {
        let first = head.first().copied().unwrap_or_default();
        return Err(format!("its answer begins with {first:#04x}, not {SERVER_RESET:#04x}"));
    }
    let forged = |_| "its answer was not made with our key".to_owned();
    match guarding {
        Guarding::None => acknowledged(session, rest),
        Guarding::Auth { receiving, .. } => {
            let length = receiving.algorithm().digest_algorithm().output_len();
            let (code, rest) = rest.split_at_checked(length).ok_or_else(short)?;
            let (numbered, inside) = rest.split_at_checked(8).ok_or_else(short)?;
            hmac::verify(receiving, &[numbered, head, inside].concat(), code).map_err(forged)?;
            acknowledged(session, inside)
        }
        Guarding::Crypt { receiving, .. } => {
            let (numbered, rest) = rest.split_at_checked(8).ok_or_else(short)?;
            let (tag, _encrypted) = rest.split_at_checked(32).ok_or_else(short)?;
            // What stands inside is known, so it is not decrypted: the tag is over what must be there.
            let whole = [head, numbered, &inside(session)].concat();
            hmac::verify(receiving, &whole, tag).map_err(forged)
        }
    }
}

/// Returns what stands in a server's answer: it acknowledges packet 0 of our session, and is its packet 0.
fn inside(session: Session) -> Vec<u8> {
    let mut inside = vec![1, 0, 0, 0, 0];
    inside.extend_from_slice(&session);
    inside.extend_from_slice(&[0; 4]);
    inside
}

fn acknowledged(session: Session, said: &[u8]) -> Result<(), String> {
    if said.starts_with(&inside(session)) {
        return Ok(());
    }
    Err("its answer does not acknowledge our packet".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: Session = *b"ourside!";

    fn key() -> StaticKey {
        let bytes: Vec<String> = (0..=255_u8).map(|byte| format!("{byte:02x}")).collect();
        let lines: Vec<String> = bytes.chunks(16).map(<[String]>::concat).collect();
        let text = format!(
            "#\n-----BEGIN OpenVPN Static key V1-----\n{}\n-----END OpenVPN Static key V1-----\n",
            lines.join("\n")
        );
        StaticKey::read(&text).unwrap()
    }

    /// Answers as a server with this key would.
    fn answer(guarding: &Guarding) -> Vec<u8> {
        let mut head = vec![SERVER_RESET];
        head.extend_from_slice(b"theirs!!");
        let numbered = [0, 0, 0, 1, 9, 9, 9, 9];
        let inside = inside(SESSION);
        match guarding {
            Guarding::None => [&head[..], &inside].concat(),
            Guarding::Auth { receiving, .. } => {
                let code = hmac::sign(receiving, &[&numbered[..], &head, &inside].concat());
                [&head[..], code.as_ref(), &numbered, &inside].concat()
            }
            Guarding::Crypt { receiving, .. } => {
                let tag = hmac::sign(receiving, &[&head[..], &numbered, &inside].concat());
                [&head[..], &numbered, tag.as_ref(), &[0; 17]].concat()
            }
        }
    }

    fn guardings() -> [Guarding; 3] {
        let sha1 = hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY;
        [Guarding::None, Guarding::auth(&key(), Direction::Inverse, sha1), Guarding::crypt(&key())]
    }

    #[test]
    fn the_first_packet_has_the_length_of_its_guarding() {
        for (guarding, length) in guardings().iter().zip([14, 14 + 20 + 8, 14 + 8 + 32]) {
            let packet = reset(guarding, SESSION, 1_700_000_000);
            assert_eq!(packet.len(), length);
            assert_eq!(packet[0], 0x38);
            assert_eq!(packet[1..9], SESSION);
        }
    }

    #[test]
    fn an_answer_is_taken_only_with_the_key_and_for_our_session() {
        for guarding in guardings() {
            let good = answer(&guarding);
            assert_eq!(check(&guarding, SESSION, &good), Ok(()));
            assert!(check(&guarding, *b"another!", &good).is_err());
            assert!(check(&guarding, SESSION, &good[..8]).unwrap_err().contains("too short"));
            let mut other = good.clone();
            other[0] = 0x28;
            let wrong = check(&guarding, SESSION, &other).unwrap_err();
            assert_eq!(wrong, "its answer begins with 0x28, not 0x40");
            if !matches!(guarding, Guarding::None) {
                let mut forged = good;
                forged[12] ^= 1;
                assert!(check(&guarding, SESSION, &forged).unwrap_err().contains("our key"));
            }
        }
    }

    #[test]
    fn each_direction_has_its_half_of_the_key() {
        let sha1 = hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY;
        let of = |direction| Guarding::auth(&key(), direction, sha1);
        let code = |guarding: &Guarding| reset(guarding, SESSION, 7)[9..29].to_vec();
        assert_ne!(code(&of(Direction::Normal)), code(&of(Direction::Inverse)));
        assert_eq!(code(&of(Direction::Normal)), code(&of(Direction::Both)));
        let from_inverse = answer(&of(Direction::Inverse));
        assert!(check(&of(Direction::Inverse), SESSION, &from_inverse).is_ok());
        assert!(check(&of(Direction::Both), SESSION, &from_inverse).is_ok());
        assert!(check(&of(Direction::Normal), SESSION, &from_inverse).is_err());
    }

    #[test]
    fn what_is_no_key_is_said_and_a_key_is_not_shown() {
        let begin = "-----BEGIN OpenVPN Static key V1-----\n";
        let end = "\n-----END OpenVPN Static key V1-----\n";
        for text in [
            String::new(),
            format!("{begin}00{end}"),
            format!("{begin}{}{end}", "zz".repeat(256)),
            format!("{begin}{}", "00".repeat(256)),
        ] {
            assert!(StaticKey::read(&text).unwrap_err().contains("no static key"));
        }
        assert_eq!(format!("{:?}", key()), "StaticKey(…)");
    }
}

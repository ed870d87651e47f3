//! The one line that lets a new agent join: what the server mints and the agent reads.
//!
//! A token is `hark-` and base32 (lower case, without padding: it survives being read aloud, selected
//! with two clicks and pasted into any shell) of
//!
//! | bytes | what |
//! | --- | --- |
//! | 1 | version, 1 |
//! | 16 | secret, random, for one use and some time |
//! | 32 | SHA-256 of the server's certificate (DER) |
//! | n | where the server's HTTPS is, `host:port` separated by commas |
//! | 4 | CRC-32 of all before, so that a line that was cut says so |
//!
//! The fingerprint is what makes it safe to send the secret: the agent shows the token to nobody but
//! the holder of that certificate.

use std::fmt;

use thiserror::Error;

use crate::secret::Secret;

/// What stands in a token.
#[derive(Clone, PartialEq, Eq)]
pub struct EnrolToken {
    secret: [u8; EnrolToken::SECRET],
    fingerprint: [u8; EnrolToken::FINGERPRINT],
    servers: Vec<String>,
}

/// Why a text is not a token, or a token cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TokenError {
    /// It does not begin with `hark-`.
    #[error("a token begins with {PREFIX:?}")]
    Prefix,
    /// It has a character that no token has.
    #[error("a token has letters and the digits 2 to 7 only, this has {0:?}")]
    Character(char),
    /// A part is missing, or a character is wrong.
    #[error("the token is not whole: copy it again")]
    Sum,
    /// It is of a later version.
    #[error("the token is of version {0}, this agent knows version {VERSION}: update the agent")]
    Version(u8),
    /// There is no server in it, or too many, or one that is no `host:port`.
    #[error("a token names 1 to {} servers as host:port", EnrolToken::MAX_SERVERS)]
    Servers,
}

const PREFIX: &str = "hark-";
const VERSION: u8 = 1;
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Bound on the bytes in a token, before they are decoded.
const MAX_BYTES: usize = 1 + 16 + 32 + EnrolToken::MAX_SERVERS * 262 + 4;

impl EnrolToken {
    /// Bytes of the secret.
    pub const SECRET: usize = 16;
    /// Bytes of the fingerprint.
    pub const FINGERPRINT: usize = 32;
    /// Bound on the servers: a token is copied by hand.
    pub const MAX_SERVERS: usize = 8;

    /// Makes a token.
    ///
    /// # Errors
    /// [`TokenError::Servers`] if `servers` are none, too many or not each `host:port`.
    pub fn new(
        secret: [u8; Self::SECRET],
        fingerprint: [u8; Self::FINGERPRINT],
        servers: Vec<String>,
    ) -> Result<Self, TokenError> {
        let good = (1..=Self::MAX_SERVERS).contains(&servers.len());
        if !good || !servers.iter().all(|server| is_server(server)) {
            return Err(TokenError::Servers);
        }
        Ok(Self { secret, fingerprint, servers })
    }

    /// Returns the secret: its bytes are hashed and compared by the server.
    pub fn secret(&self) -> &[u8; Self::SECRET] {
        &self.secret
    }

    /// Returns the SHA-256 of the server's certificate.
    pub fn fingerprint(&self) -> &[u8; Self::FINGERPRINT] {
        &self.fingerprint
    }

    /// Returns where the server's HTTPS is, each `host:port`.
    pub fn servers(&self) -> &[String] {
        &self.servers
    }

    /// Returns the line to copy.
    pub fn encode(&self) -> Secret {
        let mut bytes = vec![VERSION];
        bytes.extend(self.secret);
        bytes.extend(self.fingerprint);
        bytes.extend(self.servers.join(",").bytes());
        bytes.extend(crc32(&bytes).to_be_bytes());
        Secret::new(format!("{PREFIX}{}", base32(&bytes)))
    }

    /// Reads a line made by [`EnrolToken::encode`]; case and white space around it do not matter.
    ///
    /// # Errors
    /// Why it is no token; the text never contains the token.
    pub fn decode(text: &str) -> Result<Self, TokenError> {
        let text = text.trim().to_ascii_lowercase();
        let bytes = unbase32(text.strip_prefix(PREFIX).ok_or(TokenError::Prefix)?)?;
        let (body, sum) = bytes.split_last_chunk::<4>().ok_or(TokenError::Sum)?;
        if crc32(body) != u32::from_be_bytes(*sum) {
            return Err(TokenError::Sum);
        }
        let (version, rest) = body.split_first().ok_or(TokenError::Sum)?;
        if *version != VERSION {
            return Err(TokenError::Version(*version));
        }
        let (secret, rest) = rest.split_first_chunk().ok_or(TokenError::Sum)?;
        let (fingerprint, rest) = rest.split_first_chunk().ok_or(TokenError::Sum)?;
        let servers = std::str::from_utf8(rest).map_err(|_| TokenError::Servers)?;
        Self::new(*secret, *fingerprint, servers.split(',').map(str::to_owned).collect())
    }
}

impl fmt::Debug for EnrolToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnrolToken").field("servers", &self.servers).finish_non_exhaustive()
    }
}

fn is_server(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._[]:%".contains(c);
    (1..=255).contains(&host.len())
        && host.chars().all(allowed)
        && port.parse::<u16>().is_ok_and(|port| port > 0)
}

fn base32(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(5) * 8);
    let (mut held, mut bits) = (0_u32, 0_u32);
    for byte in bytes {
        held = held << 8 | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(letter(held >> bits));
        }
        held &= (1 << bits) - 1;
    }
    if bits > 0 {
        text.push(letter(held << (5 - bits)));
    }
    text
}

fn letter(five_bits: u32) -> char {
    let index = usize::try_from(five_bits & 31).unwrap_or(0);
    ALPHABET.get(index).map_or('a', |letter| char::from(*letter))
}

fn unbase32(text: &str) -> Result<Vec<u8>, TokenError> {
    if text.len() > MAX_BYTES.div_ceil(5) * 8 {
        return Err(TokenError::Sum);
    }
    let mut bytes = Vec::with_capacity(text.len() * 5 / 8);
    let (mut held, mut bits) = (0_u32, 0_u32);
    for found in text.chars() {
        let value = ALPHABET.iter().zip(0_u32..).find(|(letter, _)| char::from(**letter) == found);
        let (_, value) = value.ok_or(TokenError::Character(found))?;
        held = held << 5 | value;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(held >> bits & 255).unwrap_or(0));
        }
        held &= (1 << bits) - 1;
    }
    Ok(bytes)
}

/// CRC-32 as in zip files, bit by bit: a token is read once.
fn crc32(bytes: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            let poly = if sum & 1 == 1 { 0xedb8_8320 } else { 0 };
            sum = sum >> 1 ^ poly;
        }
    }
    !sum
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token() -> EnrolToken {
        let servers = vec!["hark.example.net:50004".to_owned(), "[2001:db8::7]:443".to_owned()];
        EnrolToken::new([7; 16], [9; 32], servers).unwrap()
    }

    #[test]
    fn comes_back_whole_also_in_capitals_and_with_blanks() {
        let line = token().encode();
        assert_eq!(EnrolToken::decode(line.expose()), Ok(token()));
        let shouted = format!("  {}\n", line.expose().to_uppercase());
        assert_eq!(EnrolToken::decode(&shouted), Ok(token()));
    }

    #[test]
    fn the_form_does_not_change() {
        let token = EnrolToken::new([0; 16], [255; 32], vec!["a:1".into()]).unwrap();
        let line = token.encode();
        let expected = "hark-aeaaaaaaaaaaaaaaaaaaaaaaaaap777777777777777777777777777\
            777777777777777777777773bhiywxhvfqm";
        assert_eq!(line.expose(), expected);
        // The check value of this CRC in every catalogue.
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        // RFC 4648, section 10.
        assert_eq!(base32(b"foobar"), "mzxw6ytboi");
        assert_eq!(base32(b"fooba"), "mzxw6ytb");
    }

    #[test]
    fn says_what_is_wrong_without_showing_it() {
        let line = token().encode();
        let line = line.expose();
        assert_eq!(EnrolToken::decode("token"), Err(TokenError::Prefix));
        assert_eq!(EnrolToken::decode("hark-a1"), Err(TokenError::Character('1')));
        assert_eq!(
            EnrolToken::decode(line.strip_suffix(char::is_alphanumeric).unwrap()),
            Err(TokenError::Sum)
        );
        assert_eq!(EnrolToken::decode("hark-"), Err(TokenError::Sum));
        assert_eq!(
            EnrolToken::decode(&format!("hark-{}", "a".repeat(100_000))),
            Err(TokenError::Sum)
        );
        let mut later = vec![2; 60];
        let sum = crc32(&later);
        later.extend(sum.to_be_bytes());
        assert_eq!(
            EnrolToken::decode(&format!("hark-{}", base32(&later))),
            Err(TokenError::Version(2))
        );
        assert!(!format!("{:?}", token()).contains('7'.to_string().repeat(3).as_str()));
    }

    #[test]
    fn servers_are_host_and_port() {
        for bad in [
            vec![],
            vec!["a"],
            vec!["a:0"],
            vec![":1"],
            vec!["a b:1"],
            vec!["a:1"; 9],
            vec!["a,b:1"],
        ] {
            let servers = bad.iter().map(|s| (*s).to_owned()).collect();
            assert_eq!(
                EnrolToken::new([0; 16], [0; 32], servers),
                Err(TokenError::Servers),
                "{bad:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_wrong_letter_is_noticed(place in any::<prop::sample::Index>(), by in 1_u32..32) {
            let line = token().encode();
            let mut letters: Vec<char> = line.expose().chars().collect();
            // The last letter carries bits that belong to no byte.
            let place = 5 + place.index(letters.len() - 6);
            let old = ALPHABET.iter().position(|l| char::from(*l) == letters[place]).unwrap();
            letters[place] = letter(u32::try_from(old).unwrap() + by);
            let text: String = letters.into_iter().collect();
            prop_assert_eq!(EnrolToken::decode(&text), Err(TokenError::Sum));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "hark-[a-z2-7]{0,200}") {
            // Reading ends without a panic; a random sum is right once in four billion.
            prop_assert!(EnrolToken::decode(&text).is_err());
        }
    }
}

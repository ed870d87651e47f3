//! Packets of MySQL's and MariaDB's protocol, as many as a login and one question need.

use ring::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};

use crate::frames::Read;
use crate::octets::{Octets, text};

/// Bound on one packet: a greeting, an error, a line of figures or one value.
pub(super) const MAX_PACKET: usize = 64 * 1024;

const LONG_PASSWORD: u32 = 1;
const CONNECT_WITH_DB: u32 = 8;
const PROTOCOL_41: u32 = 0x200;
/// The server or client can speak TLS.
pub(super) const SSL: u32 = 0x800;
const TRANSACTIONS: u32 = 0x2000;
const SECURE_CONNECTION: u32 = 0x8000;
const PLUGIN_AUTH: u32 = 0x8_0000;

/// `utf8mb4_general_ci`, which both servers know.
const CHARACTERS: u8 = 45;

/// Packets that are commands.
pub(super) const QUIT: &[u8] = &[1];
pub(super) const STATISTICS: &[u8] = &[9];

/// Reads one packet from the front of `bytes`: its number, its content, and how long it is with its
/// header. `None`: it is not whole yet.
///
/// # Errors
/// If it is longer than any that is expected.
pub(super) fn read(bytes: &[u8]) -> Read<(u8, &[u8])> {
    let mut octets = Octets::new(bytes);
    let Some([low, middle, high, number]) = octets.array::<4>() else { return Ok(None) };
    let n = usize::from(low) | usize::from(middle) << 8 | usize::from(high) << 16;
    if n > MAX_PACKET {
        return Err("it does not speak the protocol of MySQL".to_owned());
    }
    Ok(octets.take(n).map(|content| ((number, content), n + 4)))
}

/// Writes a packet.
pub(super) fn packet(number: u8, content: &[u8]) -> Vec<u8> {
    // What is written comes from the configuration and is far below 16 MiB.
    let [low, middle, high, _] = u32::try_from(content.len()).unwrap_or(0).to_le_bytes();
    [&[low, middle, high, number][..], content].concat()
}

/// What the server says first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Greeting {
    pub(super) version: String,
    /// The number of this connection.
    pub(super) connection: u32,
    /// What it can do.
    abilities: u32,
    /// What passwords are mixed with.
    pub(super) salt: Vec<u8>,
    /// How it wants to know who we are.
    pub(super) method: String,
}

impl Greeting {
    /// Reads it.
    pub(super) fn read(content: &[u8]) -> Option<Self> {
        let mut octets = Octets::new(content);
        if octets.u8()? != 10 {
            return None;
        }
        let version = text(octets.until_zero()?);
        let connection = octets.u32_low_first()?;
        let mut salt = octets.take(8)?.to_vec();
        octets.take(1)?;
        let low = octets.u16_low_first()?;
        let (_characters, _status) = (octets.u8()?, octets.u16_low_first()?);
        let high = octets.u16_low_first()?;
        let n_salt = usize::from(octets.u8()?);
        octets.take(10)?;
        let rest = octets.take(n_salt.saturating_sub(8).max(13))?;
        salt.extend_from_slice(rest.strip_suffix(&[0]).unwrap_or(rest));
        let method = octets.until_zero().unwrap_or(octets.rest());
        let abilities = u32::from(low) | u32::from(high) << 16;
        Some(Self { version, connection, abilities, salt, method: text(method) })
    }

    /// Returns true if the server can speak TLS.
    pub(super) fn can_tls(&self) -> bool {
        self.abilities & SSL != 0
    }
}

/// An error of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServerError {
    pub(super) code: u16,
    pub(super) message: String,
}

impl ServerError {
    /// Reads one.
    pub(super) fn read(content: &[u8]) -> Option<Self> {
        let mut octets = Octets::new(content);
        if octets.u8()? != 0xff {
            return None;
        }
        let code = octets.u16_low_first()?;
        // A mark and the SQL state stand before the message, but not before the login.
        let rest = octets.rest();
        let message = rest.strip_prefix(b"#").and_then(|rest| rest.get(5..)).unwrap_or(rest);
        Some(Self { code, message: text(message) })
    }

    /// Returns true if the server works and just does not want us: access denied to it or to the
    /// database, an unknown database, a host that is not listed.
    pub(super) fn is_about_us(&self) -> bool {
        matches!(self.code, 1044 | 1045 | 1049 | 1130 | 1698 | 4151)
    }
}

/// Writes what asks for TLS: the first part of the login.
pub(super) fn tls_request() -> Vec<u8> {
    head(SSL)
}

fn head(more: u32) -> Vec<u8> {
    let abilities =
        LONG_PASSWORD | PROTOCOL_41 | TRANSACTIONS | SECURE_CONNECTION | PLUGIN_AUTH | more;
    let mut out = abilities.to_le_bytes().to_vec();
    out.extend(u32::try_from(MAX_PACKET).unwrap_or(0).to_le_bytes());
    out.push(CHARACTERS);
    out.extend([0; 23]);
    out
}

/// Writes the login.
pub(super) fn login(
    user: &str,
    proof: &[u8],
    database: Option<&str>,
    method: &str,
    over_tls: bool,
) -> Vec<u8> {
    let tls = if over_tls { SSL } else { 0 };
    let mut out = head(tls | if database.is_some() { CONNECT_WITH_DB } else { 0 });
    let mut push = |bytes: &[u8]| {
        out.extend_from_slice(bytes);
        out.push(0);
    };
    push(user.as_bytes());
    // No proof is longer than 32 bytes.
    out.push(u8::try_from(proof.len()).unwrap_or(0));
    out.extend_from_slice(proof);
    for word in database.into_iter().chain([method]) {
        out.extend_from_slice(word.as_bytes());
        out.push(0);
    }
    out
}

/// A way to show that one knows the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// SHA-1, the way of MariaDB and old MySQL.
    Native,
    /// SHA-256, the way of MySQL 8.
    CachingSha2,
    /// The password as it is: over TLS alone.
    Clear,
}

impl Method {
    /// Returns the method of this name.
    pub(super) fn of(name: &str) -> Option<Self> {
        [Self::Native, Self::CachingSha2, Self::Clear]
            .into_iter()
            .find(|known| known.name() == name)
    }

    /// Returns its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Native => "mysql_native_password",
            Self::CachingSha2 => "caching_sha2_password",
            Self::Clear => "mysql_clear_password",
        }
    }

    /// Returns what shows that one knows the password.
    pub(super) fn proof(self, password: &str, salt: &[u8]) -> Vec<u8> {
        if password.is_empty() {
            return Vec::new();
        }
        let salt = salt.get(..20).unwrap_or(salt);
        match self {
            Self::Native => {
                let once = hash(&SHA1_FOR_LEGACY_USE_ONLY, &[password.as_bytes()]);
                let twice = hash(&SHA1_FOR_LEGACY_USE_ONLY, &[&once]);
                xor(&once, &hash(&SHA1_FOR_LEGACY_USE_ONLY, &[salt, &twice]))
            }
            Self::CachingSha2 => {
                let once = hash(&SHA256, &[password.as_bytes()]);
                let twice = hash(&SHA256, &[&once]);
                xor(&once, &hash(&SHA256, &[&twice, salt]))
            }
            Self::Clear => [password.as_bytes(), &[0]].concat(),
        }
    }
}

fn hash(algorithm: &'static Algorithm, parts: &[&[u8]]) -> Vec<u8> {
    digest(algorithm, &parts.concat()).as_ref().to_vec()
}

fn xor(a: &[u8], b: &[u8]) -> Vec<u8> {
    a.iter().zip(b).map(|(a, b)| a ^ b).collect()
}

/// What the server says to a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// We are in.
    Welcome,
    /// No.
    Refused(ServerError),
    /// It wants another method, with this salt.
    Switch { method: String, salt: Vec<u8> },
    /// It does not have the password at hand and wants it as it is.
    WantsPassword,
    /// What was sent was right; the welcome follows.
    Continue,
}

impl Reply {
    /// Reads it.
    pub(super) fn read(content: &[u8]) -> Option<Self> {
        let mut octets = Octets::new(content);
        Some(match octets.u8()? {
            0 => Self::Welcome,
            0xff => Self::Refused(ServerError::read(content)?),
            0xfe => {
                let method = text(octets.until_zero()?);
                let salt = octets.rest();
                Self::Switch { method, salt: salt.strip_suffix(&[0]).unwrap_or(salt).to_vec() }
            }
            1 => match octets.u8()? {
                3 => Self::Continue,
                4 => Self::WantsPassword,
                _ => return None,
            },
            _ => return None,
        })
    }
}

/// Writes a question in SQL.
pub(super) fn query(sql: &str) -> Vec<u8> {
    [&[3], sql.as_bytes()].concat()
}

/// Takes the figures of `STATISTICS` apart: `Uptime: 12  Threads: 3  …`.
pub(super) fn statistics(content: &[u8]) -> Vec<(String, f64)> {
    let text = text(content);
    let pairs = text.split("  ").filter_map(|pair| pair.split_once(':'));
    let word = |name: &str| name.trim().to_ascii_lowercase().replace(' ', "_");
    pairs.filter_map(|(name, value)| Some((word(name), value.trim().parse().ok()?))).collect()
}

/// Returns true if the packet ends a list of columns or rows.
pub(super) fn is_end(content: &[u8]) -> bool {
    content.first() == Some(&0xfe) && content.len() < 9
}

/// Reads the first value of a row; `None` is NULL.
///
/// # Errors
/// If the row is broken.
pub(super) fn first_value(content: &[u8]) -> Result<Option<String>, ()> {
    let mut octets = Octets::new(content);
    let n = match octets.u8().ok_or(())? {
        0xfb => return Ok(None),
        0xfc => usize::from(octets.u16_low_first().ok_or(())?),
        short @ 0..=0xfa => usize::from(short),
        // Beyond the bound of a packet.
        _ => return Err(()),
    };
    octets.take(n).map(|value| Some(text(value))).ok_or(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn greeting() -> Vec<u8> {
        let mut out = b"\x0a5.5.5-10.11.14-MariaDB\0".to_vec();
        out.extend(7_u32.to_le_bytes());
        out.extend(b"12345678\0");
        out.extend([0xff, 0xff, 45, 2, 0, 0xff, 0xff, 21]);
        out.extend([0; 10]);
        out.extend(b"abcdefghijkl\0");
        out.extend(b"mysql_native_password\0");
        out
    }

    #[test]
    fn the_greeting_names_version_salt_and_method() {
        let greeting = Greeting::read(&greeting()).unwrap();
        assert_eq!(greeting.version, "5.5.5-10.11.14-MariaDB");
        assert_eq!((greeting.connection, &greeting.salt[..]), (7, &b"12345678abcdefghijkl"[..]));
        assert_eq!(Method::of(&greeting.method), Some(Method::Native));
        assert!(greeting.can_tls());
    }

    #[test]
    fn errors_are_read_with_and_without_their_state() {
        let denied = ServerError::read(b"\xff\x15\x04#28000Access denied").unwrap();
        assert_eq!((denied.code, &*denied.message), (1045, "Access denied"));
        assert!(denied.is_about_us());
        let many = ServerError::read(b"\xff\x10\x04Too many connections").unwrap();
        assert_eq!((many.code, many.is_about_us()), (1040, false));
    }

    /// Computed with `hashlib` of Python.
    #[test]
    fn proofs_are_those_of_the_servers() {
        let hex = |bytes: Vec<u8>| crate::octets::hex(&bytes);
        let salt = b"12345678abcdefghijkl";
        assert_eq!(
            hex(Method::Native.proof("secret", salt)),
            "4f1522d6eb54737eda413b3e219ca6caebe3df2c"
        );
        assert_eq!(
            hex(Method::CachingSha2.proof("secret", salt)),
            "7f7e3878fe488ed45081455d0d6e89e26d4ef86ef6c6aeed02397b6fe8ad5422"
        );
        assert!(Method::Native.proof("", salt).is_empty());
    }

    #[test]
    fn figures_are_taken_apart() {
        let line = b"Uptime: 12  Threads: 3  Questions: 4  Queries per second avg: 0.333";
        let figures = statistics(line);
        assert_eq!(figures[0], ("uptime".to_owned(), 12.0));
        assert_eq!(figures[3], ("queries_per_second_avg".to_owned(), 0.333));
    }

    #[test]
    fn packets_are_read_when_they_are_whole() {
        let bytes = packet(3, b"hello");
        assert_eq!(read(&bytes), Ok(Some(((3, &b"hello"[..]), 9))));
        assert_eq!(read(&bytes[..8]), Ok(None));
        assert!(read(b"HTTP/1.1 400").is_err());
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..96), cut in 0_usize..90, flip in 0_usize..90) {
            drop(read(&bytes));
            drop((Greeting::read(&bytes), Reply::read(&bytes), first_value(&bytes), statistics(&bytes)));
            let mut near = greeting();
            near.truncate(cut);
            if let Some(byte) = near.get_mut(flip) {
                *byte ^= 0xff;
            }
            drop(Greeting::read(&near));
        }
    }
}

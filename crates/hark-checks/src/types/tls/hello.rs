//! The first message of a TLS client for one old version, and what the answer to it says: whether a
//! server still speaks that version. The library for TLS knows the old versions no more, and need not:
//! the question ends with the first answer.

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    V1_0,
    V1_1,
    V1_2,
}

impl Version {
    pub(crate) const WORDS: &'static [(&'static str, Self)] =
        &[("TLSv1.0", Self::V1_0), ("TLSv1.1", Self::V1_1), ("TLSv1.2", Self::V1_2)];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::V1_0 => "TLSv1.0",
            Self::V1_1 => "TLSv1.1",
            Self::V1_2 => "TLSv1.2",
        }
    }

    fn bytes(self) -> [u8; 2] {
        match self {
            Self::V1_0 => [3, 1],
            Self::V1_1 => [3, 2],
            Self::V1_2 => [3, 3],
        }
    }
}

/// Suites of ciphers that servers of these versions know: ECDHE and RSA, GCM and CBC.
const SUITES: &[u16] = &[
    0xc02b, 0xc02f, 0xc02c, 0xc030, 0xc009, 0xc013, 0xc00a, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035,
    0x000a,
];

/// `supported_groups`: x25519, secp256r1, secp384r1.
const GROUPS: &[u8] = &[0, 6, 0, 29, 0, 23, 0, 24];

/// `ec_point_formats`: uncompressed.
const POINTS: &[u8] = &[1, 0];

/// `signature_algorithms`: ECDSA, RSA-PSS and RSA with SHA-2, and SHA-1 for the old.
const SIGNATURES: &[u8] = &[0, 16, 4, 3, 5, 3, 8, 4, 8, 5, 4, 1, 5, 1, 2, 1, 2, 3];

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;

/// Bytes of the answer that tell: the head of a record, that of a message, and a version.
pub(crate) const TELLING: usize = 5 + 4 + 2;

/// Fewest bytes of an answer: an alert.
pub(crate) const SHORTEST: usize = 5 + 2;

/// Writes the first message, for the server called `name`.
pub(crate) fn client_hello(version: Version, random: [u8; 32], name: &str) -> Vec<u8> {
    let mut body = version.bytes().to_vec();
    body.extend_from_slice(&random);
    // No session is resumed.
    body.push(0);
    let suites: Vec<u8> = SUITES.iter().flat_map(|suite| suite.to_be_bytes()).collect();
    put_with_length(&mut body, &suites);
    // No compression.
    body.extend_from_slice(&[1, 0]);
    let mut extensions = Vec::new();
    let is_address = name.parse::<std::net::IpAddr>().is_ok();
    if !is_address {
        let mut entry = vec![0];
        put_with_length(&mut entry, name.as_bytes());
        let mut names = Vec::new();
        put_with_length(&mut names, &entry);
        put_extension(&mut extensions, 0, &names);
    }
    put_extension(&mut extensions, 10, GROUPS);
    put_extension(&mut extensions, 11, POINTS);
    if version == Version::V1_2 {
        put_extension(&mut extensions, 13, SIGNATURES);
    }
    put_with_length(&mut body, &extensions);
    let mut message = vec![CLIENT_HELLO, 0];
    put_with_length(&mut message, &body);
    let mut record = vec![HANDSHAKE, 3, 1];
    put_with_length(&mut record, &message);
    record
}

fn put_with_length(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend_from_slice(bytes);
}

fn put_extension(out: &mut Vec<u8>, number: u16, content: &[u8]) {
    out.extend_from_slice(&number.to_be_bytes());
    put_with_length(out, content);
}

/// Returns whether the answer says that the version is spoken; `None` if too little of it has come.
///
/// # Errors
/// If it is no TLS.
pub(crate) fn speaks(version: Version, answer: &[u8]) -> Result<Option<bool>, String> {
    let Some((&kind, rest)) = answer.split_first() else { return Ok(None) };
    match kind {
        ALERT => Ok((answer.len() >= SHORTEST).then_some(false)),
        HANDSHAKE => {
            let Some(message) = rest.get(4..TELLING - 1) else { return Ok(None) };
            let chosen = message.get(4..).unwrap_or_default();
            Ok(Some(message.first() == Some(&SERVER_HELLO) && chosen == version.bytes()))
        }
        _ => Err("its answer is no TLS".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_the_first_message_are_right() {
        for (version, name) in [(Version::V1_0, "a.test"), (Version::V1_2, "192.0.2.7")] {
            let hello = client_hello(version, [7; 32], name);
            let length = |at: usize| usize::from(u16::from_be_bytes([hello[at], hello[at + 1]]));
            assert_eq!(length(3), hello.len() - 5);
            assert_eq!(length(7), hello.len() - 9);
            assert_eq!(hello[9..11], version.bytes());
            let has_name = hello.windows(6).any(|window| window == b"a.test");
            assert_eq!(has_name, name == "a.test", "an address is no server name");
        }
    }

    #[test]
    fn the_answer_tells_by_its_first_bytes() {
        let hello = |low: u8| [22, 3, 3, 0, 90, 2, 0, 0, 86, 3, low];
        assert_eq!(speaks(Version::V1_1, &hello(2)), Ok(Some(true)));
        assert_eq!(speaks(Version::V1_1, &hello(1)), Ok(Some(false)), "another version");
        assert_eq!(speaks(Version::V1_0, &[21, 3, 1, 0, 2, 2, 70]), Ok(Some(false)));
        for n in 0..TELLING {
            assert_eq!(speaks(Version::V1_1, &hello(2)[..n]), Ok(None), "{n}");
        }
        assert!(speaks(Version::V1_0, b"220 mx.test").is_err());
    }
}

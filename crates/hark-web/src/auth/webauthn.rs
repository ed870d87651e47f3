//! Passkeys: what a browser answers about one, checked as W3C's Web Authentication, level 2, sections 7.1
//! and 7.2, has it.
//!
//! No library that does this comes without OpenSSL or without the crate `rsa` and its known weakness, so
//! the part that is needed is here, on ring and minicbor: ES256, `EdDSA` and RS256, user verification always,
//! no attestation. What a key's maker says of it is not asked for (`none`), and what is said all the same
//! is not looked at: hark has no list of makers to hold it against.
//!
//! A passkey stands for password and code together, since it is asked to know its user by finger, face or
//! PIN ([`Answer::client_data`] and the flag for it are signed). It works under the one name of the server
//! it was made for: that is what a false page cannot bring along.

use minicbor::Decoder;
use minicbor::data::Type;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use serde::Deserialize;

use super::token;

/// The algorithms that are asked for, the best first, as COSE numbers them.
pub(crate) const ALGORITHMS: [i64; 3] = [EDDSA, ES256, RS256];
const ES256: i64 = -7;
const EDDSA: i64 = -8;
const RS256: i64 = -257;

/// The longest number of a passkey: the specification's.
const MAX_ID: usize = 1023;

/// The most entries of a map that is read: a key has five, an attestation three.
const MAX_ENTRIES: u64 = 16;

/// Flags of the authenticator's data.
const PRESENT: u8 = 0x01;
const VERIFIED: u8 = 0x04;
const MAY_BE_COPIED: u8 = 0x08;
const IS_COPIED: u8 = 0x10;
const HAS_KEY: u8 = 0x40;

/// Why an answer does not count; in words for the audit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Wrong {
    /// Its form is not the specified one.
    #[error("it cannot be read")]
    Form,
    /// It is an answer to something else.
    #[error("it is of another kind")]
    Kind,
    /// It was given on another page.
    #[error("it was given to another site")]
    Site,
    /// The user was not there, or was not recognised.
    #[error("the key has not recognised its user")]
    User,
    /// The key is of a kind that was not asked for.
    #[error("its algorithm was not asked for")]
    Algorithm,
    /// The signature is not the key's.
    #[error("its signature is wrong")]
    Signature,
    /// The key has signed more often elsewhere: there may be two of it.
    #[error("the key has counted backwards: there may be a copy of it")]
    Counter,
}

/// Which page may have asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Site<'a> {
    /// Host and port of the request.
    pub(crate) authority: &'a str,
    /// The name that the key is bound to.
    pub(crate) domain: &'a str,
}

/// A key that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Made {
    pub(crate) id: Vec<u8>,
    pub(crate) algorithm: i64,
    /// The public key in COSE's form.
    pub(crate) key: Vec<u8>,
    pub(crate) counter: u32,
}

/// A signature by a key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer<'a> {
    /// What the browser says it was asked, as JSON.
    pub(crate) client_data: &'a [u8],
    /// What the key says.
    pub(crate) authenticator_data: &'a [u8],
    /// Its signature of both.
    pub(crate) signature: &'a [u8],
}

/// What the browser says it was asked.
#[derive(Deserialize)]
struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
    origin: String,
    #[serde(default, rename = "crossOrigin")]
    cross_origin: bool,
}

/// Returns which challenge `client_data` answers, without believing anything yet.
pub(crate) fn challenge(client_data: &[u8]) -> Result<Vec<u8>, Wrong> {
    let said: ClientData = serde_json::from_slice(client_data).map_err(|_| Wrong::Form)?;
    token::unbase64(&said.challenge).ok_or(Wrong::Form)
}

/// Checks that `client_data` says what it must of an answer of `kind`, given on a page of `site`. The
/// challenge is the caller's to check.
fn check_client(client_data: &[u8], kind: &str, site: Site<'_>) -> Result<(), Wrong> {
    let said: ClientData = serde_json::from_slice(client_data).map_err(|_| Wrong::Form)?;
    if said.kind != kind {
        return Err(Wrong::Kind);
    }
    // Browsers give keys to pages over TLS alone, and to those of the machine itself.
    let on = said.origin.strip_prefix("https://").or_else(|| {
        let local = matches!(site.domain, "localhost") || site.domain.ends_with(".localhost");
        said.origin.strip_prefix("http://").filter(|_| local)
    });
    let same = on.is_some_and(|on| on.eq_ignore_ascii_case(site.authority));
    if said.cross_origin || !same { Err(Wrong::Site) } else { Ok(()) }
}

/// Reads what a new key says of itself.
pub(crate) fn made(client_data: &[u8], attestation: &[u8], site: Site<'_>) -> Result<Made, Wrong> {
    check_client(client_data, "webauthn.create", site)?;
    let data = attested_data(attestation).ok_or(Wrong::Form)?;
    let (head, rest) = Head::read(data).ok_or(Wrong::Form)?;
    head.check(site)?;
    if head.flags & HAS_KEY == 0 {
        return Err(Wrong::Form);
    }
    // Behind the head: 16 bytes that name the maker's model, the number with its length, the key.
    let rest = rest.get(16..).ok_or(Wrong::Form)?;
    let (length, rest) = rest.split_first_chunk::<2>().ok_or(Wrong::Form)?;
    let length = usize::from(u16::from_be_bytes(*length));
    let (id, rest) = rest.split_at_checked(length).ok_or(Wrong::Form)?;
    if id.is_empty() || id.len() > MAX_ID {
        return Err(Wrong::Form);
    }
    let mut decoder = Decoder::new(rest);
    decoder.skip().map_err(|_| Wrong::Form)?;
    let key = rest.get(..decoder.position()).ok_or(Wrong::Form)?;
    let algorithm = PublicKey::read(key)?.algorithm();
    Ok(Made { id: id.to_vec(), algorithm, key: key.to_vec(), counter: head.counter })
}

/// Checks a signature by the key that is stored as `key` and had counted to `counter`; returns to what it
/// has counted now.
pub(crate) fn check(
    answer: Answer<'_>,
    site: Site<'_>,
    key: &[u8],
    counter: u32,
) -> Result<u32, Wrong> {
    check_client(answer.client_data, "webauthn.get", site)?;
    let (head, _) = Head::read(answer.authenticator_data).ok_or(Wrong::Form)?;
    head.check(site)?;
    let hash = token::hash(answer.client_data);
    let signed = [answer.authenticator_data, &hash].concat();
    PublicKey::read(key)?.verify(&signed, answer.signature)?;
    // Keys that are kept in several places count nothing: nought always.
    let counts = head.counter != 0 || counter != 0;
    if counts && head.counter <= counter { Err(Wrong::Counter) } else { Ok(head.counter) }
}

/// Returns the authenticator's data of an attestation.
fn attested_data(attestation: &[u8]) -> Option<&[u8]> {
    let mut decoder = Decoder::new(attestation);
    let entries = decoder.map().ok()??;
    let mut found = None;
    for _ in 0..entries.min(MAX_ENTRIES) {
        match decoder.str().ok()? {
            "authData" => found = Some(decoder.bytes().ok()?),
            _ => decoder.skip().ok()?,
        }
    }
    found
}

/// The beginning of the authenticator's data.
struct Head {
    domain: [u8; 32],
    flags: u8,
    counter: u32,
}

impl Head {
    fn read(data: &[u8]) -> Option<(Self, &[u8])> {
        let (domain, rest) = data.split_first_chunk::<32>()?;
        let (flags, rest) = rest.split_first()?;
        let (counter, rest) = rest.split_first_chunk::<4>()?;
        let counter = u32::from_be_bytes(*counter);
        Some((Self { domain: *domain, flags: *flags, counter }, rest))
    }

    fn check(&self, site: Site<'_>) -> Result<(), Wrong> {
        if self.domain != token::hash(site.domain.as_bytes()) {
            return Err(Wrong::Site);
        }
        if self.flags & PRESENT == 0 || self.flags & VERIFIED == 0 {
            return Err(Wrong::User);
        }
        let copied_though_it_cannot_be = self.flags & (MAY_BE_COPIED | IS_COPIED) == IS_COPIED;
        if copied_though_it_cannot_be { Err(Wrong::Form) } else { Ok(()) }
    }
}

/// A public key.
#[derive(Debug, PartialEq, Eq)]
enum PublicKey<'a> {
    /// A point of P-256, uncompressed.
    Es256([u8; 65]),
    /// A point of Ed25519.
    EdDsa([u8; 32]),
    /// Modulus and exponent.
    Rs256(&'a [u8], &'a [u8]),
}

impl<'a> PublicKey<'a> {
    /// Reads a key in COSE's form.
    fn read(cose: &'a [u8]) -> Result<Self, Wrong> {
        let fields = Fields::read(cose).ok_or(Wrong::Form)?;
        // Kind of key, algorithm, curve.
        match (fields.kind, fields.algorithm, fields.curve) {
            (Some(2), Some(ES256), Some(1)) => {
                let (x, y) = fields.minus_2.zip(fields.minus_3).ok_or(Wrong::Form)?;
                let point = [&[4][..], x, y].concat();
                point.try_into().map(Self::Es256).map_err(|_| Wrong::Form)
            }
            (Some(1), Some(EDDSA), Some(6)) => {
                let x = fields.minus_2.ok_or(Wrong::Form)?;
                x.try_into().map(Self::EdDsa).map_err(|_| Wrong::Form)
            }
            (Some(3), Some(RS256), None) => {
                let (n, e) = fields.minus_1.zip(fields.minus_2).ok_or(Wrong::Form)?;
                Ok(Self::Rs256(n, e))
            }
            _ => Err(Wrong::Algorithm),
        }
    }

    fn algorithm(&self) -> i64 {
        match self {
            Self::Es256(_) => ES256,
            Self::EdDsa(_) => EDDSA,
            Self::Rs256(..) => RS256,
        }
    }

    fn verify(&self, signed: &[u8], signature: &[u8]) -> Result<(), Wrong> {
        let verified = match self {
            Self::Es256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(signed, signature)
            }
            Self::EdDsa(point) => UnparsedPublicKey::new(&ED25519, point).verify(signed, signature),
            Self::Rs256(n, e) => {
                let key = RsaPublicKeyComponents { n, e };
                key.verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature)
            }
        };
        verified.map_err(|_| Wrong::Signature)
    }
}

/// The entries of a key that are looked at.
#[derive(Default)]
struct Fields<'a> {
    kind: Option<i64>,
    algorithm: Option<i64>,
    curve: Option<i64>,
    minus_1: Option<&'a [u8]>,
    minus_2: Option<&'a [u8]>,
    minus_3: Option<&'a [u8]>,
}

impl<'a> Fields<'a> {
    fn read(cose: &'a [u8]) -> Option<Self> {
        let mut decoder = Decoder::new(cose);
        let entries = decoder.map().ok()??;
        let mut fields = Self::default();
        for _ in 0..entries.min(MAX_ENTRIES) {
            let label = decoder.i64().ok()?;
            let is_bytes = decoder.datatype().ok()? == Type::Bytes;
            match label {
                1 => fields.kind = Some(decoder.i64().ok()?),
                3 => fields.algorithm = Some(decoder.i64().ok()?),
                -1 if is_bytes => fields.minus_1 = Some(decoder.bytes().ok()?),
                -1 => fields.curve = Some(decoder.i64().ok()?),
                -2 => fields.minus_2 = Some(decoder.bytes().ok()?),
                -3 => fields.minus_3 = Some(decoder.bytes().ok()?),
                _ => decoder.skip().ok()?,
            }
        }
        Some(fields)
    }
}

#[cfg(test)]
mod tests;

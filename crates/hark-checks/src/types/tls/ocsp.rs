//! The words of OCSP (RFC 6960): what a responder is asked about one certificate, and what its answer
//! says. Pure: who is asked, and how, is the affair of `revocation`.
//!
//! No nonce is sent: most public responders answer with what they have signed before, and an answer is
//! good for its own time alone.

use hark_model::Unix;
use ring::digest::{self, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use rustls_pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;

use super::signature::{PublicKey, WithSignature, parse};
use crate::ber::{self, Elements};

/// `id-pkix-ocsp-basic`, the one kind of answer there is.
const BASIC: &[u32] = &[1, 3, 6, 1, 5, 5, 7, 48, 1, 1];

const SHA1_OID: &[u32] = &[1, 3, 14, 3, 2, 26];
const SHA256_OID: &[u32] = &[2, 16, 840, 1, 101, 3, 4, 2, 1];

/// How far the clocks of a responder and of this machine may differ.
const SKEW_MS: i64 = 5 * 60 * 1000;

/// How long an answer is good that does not say until when: newer ones are to be had at any time.
const WITHOUT_END_MS: i64 = 24 * 3600 * 1000;

/// Most certificates of an answer that are tried: one has signed it.
const MAX_CERTIFICATES: usize = 4;

/// Most certificates that an answer may tell of: some responders bundle theirs.
const MAX_ANSWERS: usize = 100;

/// Which certificate is meant, by whom it is signed and what its number is.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    /// The issuer's name, with its header.
    issuer: Vec<u8>,
    key: PublicKey,
    /// The number, without zeros before it.
    serial: Vec<u8>,
}

/// What a responder says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Good,
    Revoked,
    /// The responder does not know the certificate.
    Unknown,
}

impl Answer {
    /// Returns the word that conditions see.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Revoked => "revoked",
            Self::Unknown => "unknown",
        }
    }
}

/// An answer, and until when it is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) answer: Answer,
    pub(crate) until: Unix,
}

impl Subject {
    /// Means a certificate that the holder of `key` has signed.
    pub(crate) fn new(certificate: &X509Certificate<'_>, key: PublicKey) -> Self {
        let issuer = certificate.issuer().as_raw().to_vec();
        Self { issuer, key, serial: significant(certificate.raw_serial()).to_vec() }
    }

    /// Writes the question.
    pub(crate) fn question(&self) -> Option<Vec<u8>> {
        let hashed = |bytes: &[u8]| {
            let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, bytes);
            ber::element(ber::OCTETS, hash.as_ref())
        };
        // SHA-1 names here, it protects nothing; many responders know no other.
        let algorithm =
            ber::group(ber::SEQUENCE, &[ber::write_oid(SHA1_OID)?, ber::element(ber::NULL, &[])]);
        let sign = self.serial.first().is_none_or(|first| first & 0x80 != 0);
        let serial = [if sign { &[0][..] } else { &[] }, &self.serial].concat();
        let mut question = ber::group(
            ber::SEQUENCE,
            &[
                algorithm,
                hashed(&self.issuer),
                hashed(self.key.bits()?),
                ber::element(ber::INTEGER, &serial),
            ],
        );
        // CertID in Request in requestList in TBSRequest in OCSPRequest.
        for _shell in 0..4 {
            question = ber::element(ber::SEQUENCE, &question);
        }
        Some(question)
    }

    /// Returns true if `id` (the content of a `CertID`) means this certificate.
    fn is(&self, mut id: Elements<'_>) -> Option<bool> {
        let hash = ber::oid(id.enter(ber::SEQUENCE)?.take(ber::OID)?)?;
        let algorithm: &digest::Algorithm = match hash.as_slice() {
            SHA1_OID => &SHA1_FOR_LEGACY_USE_ONLY,
            SHA256_OID => &SHA256,
            _ => return Some(false),
        };
        let issuer = id.take(ber::OCTETS)? == digest(algorithm, &self.issuer).as_ref();
        let key = id.take(ber::OCTETS)? == digest(algorithm, self.key.bits()?).as_ref();
        Some(issuer && key && significant(id.take(ber::INTEGER)?) == self.serial)
    }

    /// Reads an answer, and believes it if it is signed by the issuer, or by one whom the issuer has named
    /// for that, and good now.
    ///
    /// # Errors
    /// Why it says nothing, for people.
    pub(crate) fn read(&self, bytes: &[u8], now: Unix) -> Result<Told, String> {
        let basic = basic(bytes)?;
        let unreadable = || "the answer cannot be read".to_owned();
        let signed = WithSignature::read(basic).ok_or_else(unreadable)?;
        if !self.is_signed(signed, now) {
            return Err("the answer is not signed by the certificate's authority".to_owned());
        }
        let answers = answers(signed.message).ok_or_else(unreadable)?;
        let mut answers = answers.into_iter();
        let single = answers.find(|single| self.is(single.id) == Some(true));
        let single = single.ok_or("the answer is about other certificates")?;
        let since = single.since.ok_or_else(unreadable)?;
        let until = single.until.unwrap_or(Unix(since.0.saturating_add(WITHOUT_END_MS)));
        if since.0.saturating_sub(SKEW_MS) > now.0 {
            return Err(format!("the answer is good only from {} on", since.rfc3339()));
        }
        if until.0.saturating_add(SKEW_MS) < now.0 {
            return Err(format!("the answer was good until {}", until.rfc3339()));
        }
        let answer = single.answer.ok_or_else(unreadable)?;
        Ok(Told { answer, until })
    }

    /// Returns true if the issuer has signed, or one whom it has named for that.
    fn is_signed(&self, signed: WithSignature<'_>, now: Unix) -> bool {
        if signed.is_by(&self.key) {
            return true;
        }
        let mut rest = signed.rest;
        let Some(mut list) = rest.enter(0xa0).and_then(|mut all| all.enter(ber::SEQUENCE)) else {
            return false;
        };
        let shown = std::iter::from_fn(|| list.next_whole()).take(MAX_CERTIFICATES);
        shown.into_iter().any(|certificate| {
            self.key.has_certified(certificate)
                && parse(&CertificateDer::from(certificate))
                    .and_then(|read| named_for_answers(&read, now))
                    .is_some_and(|key| signed.is_by(&key))
        })
    }
}

/// Returns the key of a certificate that is good now and may be used to sign answers.
fn named_for_answers(certificate: &X509Certificate<'_>, now: Unix) -> Option<PublicKey> {
    let usage = certificate.extended_key_usage().ok()??;
    let validity = certificate.validity();
    let seconds = now.seconds();
    let is_good =
        (validity.not_before.timestamp()..=validity.not_after.timestamp()).contains(&seconds);
    (usage.value.ocsp_signing && is_good).then(|| PublicKey::of(certificate))?
}

/// Takes the shell off an answer.
fn basic(bytes: &[u8]) -> Result<&[u8], String> {
    let unreadable = || "the answer cannot be read".to_owned();
    let mut shell = Elements::new(bytes).enter(ber::SEQUENCE).ok_or_else(unreadable)?;
    let status = shell.take(ber::ENUMERATED).and_then(ber::integer).ok_or_else(unreadable)?;
    let why = match status {
        0 => {
            let mut content = shell.enter(0xa0).and_then(|mut all| all.enter(ber::SEQUENCE));
            let content = content.as_mut().ok_or_else(unreadable)?;
            let kind = content.take(ber::OID).and_then(ber::oid).ok_or_else(unreadable)?;
            if kind != BASIC {
                return Err("the answer is of a kind that nobody knows".to_owned());
            }
            return content.take(ber::OCTETS).ok_or_else(unreadable);
        }
        1 => "it does not understand the question",
        2 => "an error of its own",
        3 => "it is busy",
        5 => "the question must be signed",
        6 => "it answers for others",
        _ => "for no reason that is known",
    };
    Err(format!("the responder refuses: {why}"))
}

/// What is said of one certificate.
struct Single<'a> {
    id: Elements<'a>,
    answer: Option<Answer>,
    since: Option<Unix>,
    until: Option<Unix>,
}

/// Reads what an answer says of each certificate.
fn answers(message: &[u8]) -> Option<Vec<Single<'_>>> {
    let mut data = Elements::new(message).enter(ber::SEQUENCE)?;
    // The version, which is 1 where it is absent.
    let _version = data.take(0xa0);
    // Who has answered, by name or key: whose signature it is tells that.
    data.next()?;
    data.take(ber::TIME)?;
    let mut list = data.enter(ber::SEQUENCE)?;
    let mut answers = Vec::new();
    while !list.is_empty() && answers.len() < MAX_ANSWERS {
        let mut single = list.enter(ber::SEQUENCE)?;
        let id = single.enter(ber::SEQUENCE)?;
        let answer = match single.next()?.0 {
            0x80 => Some(Answer::Good),
            0xa1 => Some(Answer::Revoked),
            0x82 => Some(Answer::Unknown),
            _ => None,
        };
        let since = time(single.take(ber::TIME)?);
        let until = single.enter(0xa0).map(|mut until| until.take(ber::TIME).and_then(time));
        // An end that cannot be read is none that holds.
        let (since, until) = match until {
            Some(None) => (None, None),
            Some(until) => (since, until),
            None => (since, None),
        };
        answers.push(Single { id, answer, since, until });
    }
    Some(answers)
}

/// Reads a time of the one form that certificates have: `20261121095351Z`.
fn time(content: &[u8]) -> Option<Unix> {
    let text = std::str::from_utf8(content).ok().filter(|text| text.len() == 15)?;
    let read = jiff::civil::DateTime::strptime("%Y%m%d%H%M%SZ", text).ok()?;
    let zoned = read.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(Unix(zoned.timestamp().as_millisecond()))
}

/// Returns a number without zeros before it.
fn significant(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

#[cfg(test)]
mod tests;

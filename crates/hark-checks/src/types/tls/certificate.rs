//! What stands in a certificate beside what every check with TLS says of it.

use ring::digest::{SHA256, digest};
use rustls_pki_types::CertificateDer;
use x509_parser::public_key::PublicKey;

/// Key and signature of a certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Signed {
    /// `RSA`, `EC`, `Ed25519`.
    pub(crate) key_type: String,
    /// Length of the key in bits.
    pub(crate) key_bits: u32,
    /// How it is signed: `sha256WithRSA`.
    pub(crate) signature: String,
    /// SHA-256 of the whole, in hexadecimal digits.
    pub(crate) fingerprint: String,
    /// Whether it vouches for itself.
    pub(crate) by_itself: bool,
}

/// The signatures that certificates have today.
const SIGNATURES: &[(&str, &str)] = &[
    ("1.2.840.113549.1.1.4", "md5WithRSA"),
    ("1.2.840.113549.1.1.5", "sha1WithRSA"),
    ("1.2.840.113549.1.1.10", "RSA-PSS"),
    ("1.2.840.113549.1.1.11", "sha256WithRSA"),
    ("1.2.840.113549.1.1.12", "sha384WithRSA"),
    ("1.2.840.113549.1.1.13", "sha512WithRSA"),
    ("1.2.840.10045.4.1", "sha1WithECDSA"),
    ("1.2.840.10045.4.3.2", "sha256WithECDSA"),
    ("1.2.840.10045.4.3.3", "sha384WithECDSA"),
    ("1.2.840.10045.4.3.4", "sha512WithECDSA"),
    (ED25519, "Ed25519"),
];

const ED25519: &str = "1.3.101.112";

impl Signed {
    /// Reads a certificate; `None` if it is none.
    pub(crate) fn read(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (_, read) = x509_parser::parse_x509_certificate(certificate).ok()?;
        let algorithm = read.signature_algorithm.algorithm.to_id_string();
        let known = SIGNATURES.iter().find(|(id, _)| *id == algorithm);
        let (key_type, key_bits) = key(&read);
        let digits: Vec<String> = digest(&SHA256, certificate)
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Some(Self {
            key_type,
            key_bits,
            signature: known.map_or(algorithm, |(_, word)| (*word).to_owned()),
            fingerprint: digits.concat(),
            by_itself: read.subject() == read.issuer(),
        })
    }
}

fn key(read: &x509_parser::certificate::X509Certificate<'_>) -> (String, u32) {
    let info = read.public_key();
    let id = info.algorithm.algorithm.to_id_string();
    if id == ED25519 {
        return ("Ed25519".to_owned(), 256);
    }
    let bits = |bits: usize| u32::try_from(bits).unwrap_or(u32::MAX);
    match info.parsed() {
        Ok(PublicKey::RSA(key)) => ("RSA".to_owned(), bits(key.key_size())),
        Ok(PublicKey::EC(point)) => ("EC".to_owned(), bits(point.key_size())),
        _ => (id, 0),
    }
}

/// Returns true if one of `names` is `wanted`, or takes its place with a star for the first part.
pub(crate) fn covers(names: &[String], wanted: &str) -> bool {
    let wanted = wanted.trim_end_matches('.').to_ascii_lowercase();
    names.iter().any(|name| {
        let name = name.to_ascii_lowercase();
        match (name.strip_prefix("*."), wanted.split_once('.')) {
            (Some(rest), Some((first, above))) => !first.is_empty() && rest == above,
            _ => name == wanted,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_one_part() {
        let names = ["example.net".to_owned(), "*.shop.example.net".to_owned()];
        for (wanted, covered) in [
            ("example.net", true),
            ("EXAMPLE.net.", true),
            ("a.shop.example.net", true),
            ("a.b.shop.example.net", false),
            ("shop.example.net", false),
            (".shop.example.net", false),
            ("www.example.net", false),
        ] {
            assert_eq!(covers(&names, wanted), covered, "{wanted}");
        }
    }

    #[test]
    fn key_and_signature_are_read() {
        for (algorithm, key_type, bits, signature) in [
            (&rcgen::PKCS_ECDSA_P256_SHA256, "EC", 256, "sha256WithECDSA"),
            (&rcgen::PKCS_ECDSA_P384_SHA384, "EC", 384, "sha384WithECDSA"),
            (&rcgen::PKCS_ED25519, "Ed25519", 256, "Ed25519"),
        ] {
            let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
            let params = rcgen::CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
            let certificate = params.self_signed(&key).unwrap();
            let read = Signed::read(certificate.der()).unwrap();
            assert_eq!((read.key_type.as_str(), read.key_bits), (key_type, bits));
            assert_eq!(read.signature, signature);
            assert!(read.by_itself);
            assert_eq!(read.fingerprint.len(), 64);
        }
        assert_eq!(Signed::read(&CertificateDer::from(vec![1, 2, 3])), None);
    }
}

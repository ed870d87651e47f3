//! Public keys of certificates, and whether something is signed with one.

use rustls_pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;

use crate::ber::{self, Elements};

/// A public key: the content of a `SubjectPublicKeyInfo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PublicKey {
    info: Vec<u8>,
}

impl PublicKey {
    /// Takes the content of a `SubjectPublicKeyInfo`.
    pub(crate) fn new(info: Vec<u8>) -> Self {
        Self { info }
    }

    /// Returns the key of a certificate.
    pub(crate) fn of(certificate: &X509Certificate<'_>) -> Option<Self> {
        let info = Elements::new(certificate.public_key().raw).take(ber::SEQUENCE)?;
        Some(Self::new(info.to_vec()))
    }

    /// Returns what the key is for, and its bits: both contents.
    fn parts(&self) -> Option<(&[u8], &[u8])> {
        let mut elements = Elements::new(&self.info);
        Some((elements.take(ber::SEQUENCE)?, bits(elements.take(ber::BITS)?)?))
    }

    /// Returns the bits of the key, which are hashed to name it.
    pub(crate) fn bits(&self) -> Option<&[u8]> {
        self.parts().map(|(_, bits)| bits)
    }

    /// Returns true if `signature`, by the algorithm of that identifier (its content), is this key's over
    /// `message`.
    pub(crate) fn has_signed(&self, message: &[u8], algorithm: &[u8], signature: &[u8]) -> bool {
        let Some((kind, key)) = self.parts() else { return false };
        let known = rustls::crypto::ring::default_provider().signature_verification_algorithms.all;
        known.iter().any(|known| {
            *known.signature_alg_id() == *algorithm
                && *known.public_key_alg_id() == *kind
                && known.verify_signature(key, message, signature).is_ok()
        })
    }

    /// Returns true if a certificate is signed with this key.
    pub(crate) fn has_certified(&self, certificate: &[u8]) -> bool {
        WithSignature::read(certificate).is_some_and(|signed| signed.is_by(self))
    }
}

/// Something with its signature beside it, as certificates and answers of OCSP are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WithSignature<'a> {
    /// What is signed, with its header.
    pub(crate) message: &'a [u8],
    algorithm: &'a [u8],
    signature: &'a [u8],
    /// What follows the signature.
    pub(crate) rest: Elements<'a>,
}

impl<'a> WithSignature<'a> {
    /// Reads it.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut elements = Elements::new(bytes).enter(ber::SEQUENCE)?;
        let message = elements.next_whole()?;
        let algorithm = elements.take(ber::SEQUENCE)?;
        let signature = bits(elements.take(ber::BITS)?)?;
        Some(Self { message, algorithm, signature, rest: elements })
    }

    /// Returns true if it is signed with `key`.
    pub(crate) fn is_by(&self, key: &PublicKey) -> bool {
        key.has_signed(self.message, self.algorithm, self.signature)
    }
}

/// Returns whole bytes of bits.
fn bits(content: &[u8]) -> Option<&[u8]> {
    content.strip_prefix(&[0])
}

/// Returns the certificate, if it is one.
pub(crate) fn parse<'a>(certificate: &'a CertificateDer<'_>) -> Option<X509Certificate<'a>> {
    x509_parser::parse_x509_certificate(certificate).ok().map(|(_, read)| read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_by_the_key_that_signed_it_and_by_no_other() {
        for algorithm in
            [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ED25519]
        {
            let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
            params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
            let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
            let issuer = rcgen::CertifiedIssuer::self_signed(params, key).unwrap();
            let params = rcgen::CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
            let own = rcgen::KeyPair::generate_for(algorithm).unwrap();
            let certificate = params.signed_by(&own, &issuer).unwrap();
            let key_of = |der| PublicKey::of(&parse(der).unwrap()).unwrap();
            assert!(key_of(issuer.der()).has_certified(certificate.der()));
            assert!(!key_of(certificate.der()).has_certified(certificate.der()));
            let mut forged = certificate.der().to_vec();
            // Within the name of the subject.
            let at = forged.windows(6).position(|window| window == b"a.test").unwrap();
            forged[at] = b'b';
            assert!(!key_of(issuer.der()).has_certified(&forged));
        }
        assert!(!PublicKey::new(vec![1, 2, 3]).has_certified(&[0x30, 0]));
    }
}

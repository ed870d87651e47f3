//! Judging a chain of certificates apart from any handshake: whom it leads to, and whether it is on a list
//! of revoked ones.

use std::io;
use std::sync::Arc;

use ring::digest::{SHA256, digest};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::{CertificateError, RootCertStore};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, ServerName, UnixTime};

use super::{SYSTEM_ROOTS, Tls, TlsError, Trust, authorities};

/// What a list of revoked certificates says of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listed {
    /// It is not on it.
    No,
    /// It was revoked.
    Revoked,
}

/// Which certificates the lists must tell of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Strictness {
    /// One for whose authority there is no list passes.
    WhereListed,
    /// There must be a list for it.
    Always,
}

impl Tls {
    /// Says whether the holder of `chain` (its own certificate first) is trusted to be `name` at that
    /// time, as [`Tls::secure`] does, and is not on one of the lists of revoked certificates. A list that
    /// has run out is an error where it is the one to ask; without one for its authority a certificate
    /// passes.
    ///
    /// # Errors
    /// What is wrong with the chain, or with the authorities.
    pub fn verify(
        &self,
        chain: &[CertificateDer<'static>],
        name: &str,
        now: UnixTime,
        revoked: Vec<CertificateRevocationListDer<'static>>,
    ) -> Result<(), TlsError> {
        match &self.trust {
            Trust::Anybody => Ok(()),
            Trust::Pinned(pin) => pinned(*pin, chain),
            Trust::System | Trust::File(_) => {
                self.follow(chain, name, now, revoked, Strictness::WhereListed)
            }
        }
    }

    /// Says whether the first certificate of a chain that is trusted is on `list`.
    ///
    /// # Errors
    /// If the list does not tell: it is not one of the certificate's authority, its signature is wrong, or
    /// it has run out. Also if the chain is not trusted by an authority.
    pub fn listed(
        &self,
        chain: &[CertificateDer<'static>],
        name: &str,
        now: UnixTime,
        list: CertificateRevocationListDer<'static>,
    ) -> Result<Listed, TlsError> {
        match self.follow(chain, name, now, vec![list], Strictness::Always) {
            Ok(()) => Ok(Listed::No),
            Err(error) if is_revoked(&error) => Ok(Listed::Revoked),
            Err(error) => Err(error),
        }
    }

    /// Returns the public keys of the trusted authorities of that name: the content of each
    /// `SubjectPublicKeyInfo`; `name` is the content of a `Name`, both in DER without their first header.
    ///
    /// # Errors
    /// If the authorities cannot be read.
    pub fn keys_of_authority(&self, name: &[u8]) -> Result<Vec<Vec<u8>>, TlsError> {
        let roots = self.roots()?;
        let named = roots.roots.iter().filter(|root| root.subject.as_ref() == name);
        Ok(named.map(|root| root.subject_public_key_info.as_ref().to_vec()).collect())
    }

    /// Returns the authorities that are trusted; none where nobody's word is asked for.
    fn roots(&self) -> Result<Arc<RootCertStore>, TlsError> {
        match &self.trust {
            Trust::Anybody | Trust::Pinned(_) => Ok(Arc::new(RootCertStore::empty())),
            Trust::System => Ok(Arc::clone(&SYSTEM_ROOTS)),
            Trust::File(path) => authorities(path),
        }
    }

    fn follow(
        &self,
        chain: &[CertificateDer<'static>],
        name: &str,
        now: UnixTime,
        lists: Vec<CertificateRevocationListDer<'static>>,
        strictness: Strictness,
    ) -> Result<(), TlsError> {
        let roots = self.roots()?;
        let bare = name.trim_start_matches('[').trim_end_matches(']').to_owned();
        let server = ServerName::try_from(bare).map_err(|_| TlsError::Name(name.to_owned()))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut builder = WebPkiServerVerifier::builder_with_provider(roots, provider);
        if !lists.is_empty() {
            builder = builder
                .with_crls(lists)
                .only_check_end_entity_revocation()
                .enforce_revocation_expiration();
            if strictness == Strictness::WhereListed {
                builder = builder.allow_unknown_revocation_status();
            }
        }
        let unusable = |error: rustls::server::VerifierBuilderError| {
            TlsError::Handshake(io::Error::new(io::ErrorKind::InvalidData, error))
        };
        let verifier = builder.build().map_err(unusable)?;
        let (own, above) = chain.split_first().ok_or_else(nothing_shown)?;
        let verdict = verifier.verify_server_cert(own, above, &server, &[], now);
        verdict.map(drop).map_err(untrusted)
    }
}

fn is_revoked(error: &TlsError) -> bool {
    let TlsError::Handshake(error) = error else { return false };
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(tls, Some(rustls::Error::InvalidCertificate(CertificateError::Revoked)))
}

fn untrusted(error: rustls::Error) -> TlsError {
    TlsError::Handshake(io::Error::new(io::ErrorKind::InvalidData, error))
}

fn nothing_shown() -> TlsError {
    untrusted(rustls::Error::NoCertificatesPresented)
}

/// Says whether the first certificate is the pinned one.
fn pinned(pin: [u8; 32], chain: &[CertificateDer<'static>]) -> Result<(), TlsError> {
    let own = chain.first().ok_or_else(nothing_shown)?;
    if digest(&SHA256, own).as_ref() == pin {
        return Ok(());
    }
    Err(untrusted(CertificateError::ApplicationVerificationFailure.into()))
}

//! TLS over any stream, and whom the other side must be.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, OnceLock};

use ring::digest::{SHA256, digest};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

mod chain;

pub use chain::Listed;

/// Whom the other side must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Whom an authority of this system vouches for; of the bundled ones where the system has none.
    System,
    /// Whom an authority in this PEM file vouches for.
    File(PathBuf),
    /// The holder of the certificate with this SHA-256 fingerprint of its DER form, whatever its name
    /// and dates.
    Pinned([u8; 32]),
    /// Anybody.
    Anybody,
}

impl Trust {
    /// Returns what the settings `ca_file` and `insecure` mean together.
    pub fn of_settings(ca_file: Option<&str>, insecure: bool) -> Self {
        match ca_file {
            _ if insecure => Self::Anybody,
            Some(path) => Self::File(path.into()),
            None => Self::System,
        }
    }
}

/// Reads the SHA-256 fingerprint of a certificate as `hark enroll` and browsers show it, with or without
/// colons.
///
/// # Errors
/// If it is none, for people.
pub fn read_fingerprint(text: &str) -> Result<[u8; 32], String> {
    let wrong = || format!("`{text}` is not a SHA-256 fingerprint: 64 hexadecimal digits");
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b':').collect();
    let mut bytes = [0; 32];
    if digits.len() != 2 * bytes.len() {
        return Err(wrong());
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
        let pair = std::str::from_utf8(pair).map_err(|_| wrong())?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| wrong())?;
    }
    Ok(bytes)
}

/// Why there is no TLS.
#[derive(Debug, Error)]
pub enum TlsError {
    /// The file of authorities cannot be used.
    #[error("cannot use the certificates in {path}")]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: io::Error,
    },
    /// The name cannot stand in a certificate.
    #[error("no certificate can be for `{0}`")]
    Name(String),
    /// The other side is not who it must be, or speaks no TLS.
    #[error("{}", said(.0))]
    Handshake(io::Error),
}

/// Returns what was wrong, and the way out where a setting is one.
fn said(error: &io::Error) -> String {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let way_out = match tls {
        Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
            " (nobody whom this machine trusts has signed it; `ca_file` names an authority of one's own)"
        }
        Some(rustls::Error::InvalidCertificate(
            CertificateError::ApplicationVerificationFailure,
        )) => " (it is not the one whose fingerprint is configured)",
        _ => "",
    };
    format!("{error}{way_out}")
}

impl TlsError {
    /// Returns true if the certificate is what was wrong.
    pub fn is_untrusted(&self) -> bool {
        let Self::Handshake(error) = self else { return false };
        let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        matches!(tls, Some(rustls::Error::InvalidCertificate(_)))
    }
}

/// TLS with one kind of trust. What it takes is read at the first use and kept: a reload of the
/// configuration makes a new one.
#[derive(Debug)]
pub struct Tls {
    trust: Trust,
    alpn: &'static [&'static [u8]],
    config: OnceLock<Arc<ClientConfig>>,
    /// What the other side of the first connection has stapled (OCSP).
    stapled: Arc<OnceLock<Vec<u8>>>,
}

impl Tls {
    /// Trusts whom `trust` says.
    pub fn new(trust: Trust) -> Self {
        Self { trust, alpn: &[], config: OnceLock::new(), stapled: Arc::default() }
    }

    /// Offers these protocols (ALPN), the best first.
    #[must_use]
    pub fn offering(mut self, alpn: &'static [&'static [u8]]) -> Self {
        self.alpn = alpn;
        self
    }

    /// Returns whom it trusts.
    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    /// Agrees on TLS over `stream` with the holder of a certificate for `name`. Nothing of what is to
    /// be said is sent before the certificate was found to be good. Cancelling drops the stream.
    ///
    /// # Errors
    /// If the authorities cannot be read, or the other side is not trusted.
    pub async fn secure<S>(&self, stream: S, name: &str) -> Result<TlsStream<S>, TlsError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let bare = name.trim_start_matches('[').trim_end_matches(']').to_owned();
        let server = ServerName::try_from(bare).map_err(|_| TlsError::Name(name.to_owned()))?;
        let connector = TlsConnector::from(self.config()?);
        connector.connect(server, stream).await.map_err(TlsError::Handshake)
    }

    /// Returns what the other side of the first connection has stapled to its certificate: the answer of
    /// an OCSP responder as it came, nothing of it is looked at here. Seen only by those who take
    /// [`Trust::Anybody`] or a pinned certificate, and judge afterwards.
    pub fn stapled(&self) -> Option<&[u8]> {
        self.stapled.get().map(Vec::as_slice)
    }

    fn config(&self) -> Result<Arc<ClientConfig>, TlsError> {
        if let Some(config) = self.config.get() {
            return Ok(Arc::clone(config));
        }
        let made = Arc::new(self.make()?);
        Ok(Arc::clone(self.config.get_or_init(|| made)))
    }

    fn make(&self) -> Result<ClientConfig, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("ring offers the suites of TLS 1.2 and 1.3");
        let by = |pin| {
            let stapled = Arc::clone(&self.stapled);
            let verifier = Arc::new(Certificate { pin, provider, stapled });
            builder.clone().dangerous().with_custom_certificate_verifier(verifier)
        };
        let by_roots = |roots| builder.clone().with_root_certificates(roots);
        let builder = match &self.trust {
            Trust::Anybody => by(None),
            Trust::Pinned(fingerprint) => by(Some(*fingerprint)),
            Trust::System => by_roots(Arc::clone(&SYSTEM_ROOTS)),
            Trust::File(path) => by_roots(authorities(path)?),
        };
        let mut config = builder.with_no_client_auth();
        config.alpn_protocols = self.alpn.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(config)
    }
}

/// Returns the certificate that the other side has shown.
pub fn certificate_of<S>(stream: &TlsStream<S>) -> Option<&CertificateDer<'static>> {
    stream.get_ref().1.peer_certificates()?.first()
}

static SYSTEM_ROOTS: LazyLock<Arc<RootCertStore>> = LazyLock::new(|| {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        // A bare container has no store.
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    Arc::new(roots)
});

fn authorities(path: &Path) -> Result<Arc<RootCertStore>, TlsError> {
    let unusable = |source| TlsError::CaFile { path: path.to_owned(), source };
    read_roots(path).map(Arc::new).map_err(unusable)
}

fn read_roots(path: &Path) -> io::Result<RootCertStore> {
    let pem = std::fs::read(path)?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(io::Error::other)?;
        roots.add(certificate).map_err(io::Error::other)?;
    }
    if roots.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "no certificate in it"));
    }
    Ok(roots)
}

/// Takes the certificate with the pinned fingerprint, or any where none is pinned.
#[derive(Debug)]
struct Certificate {
    pin: Option<[u8; 32]>,
    provider: Arc<CryptoProvider>,
    stapled: Arc<OnceLock<Vec<u8>>>,
}

impl ServerCertVerifier for Certificate {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if !ocsp_response.is_empty() {
            self.stapled.get_or_init(|| ocsp_response.to_vec());
        }
        // The fingerprint is no secret, so comparing it may take any time.
        if self.pin.is_none_or(|pin| digest(&SHA256, end_entity).as_ref() == pin) {
            return Ok(ServerCertVerified::assertion());
        }
        Err(CertificateError::ApplicationVerificationFailure.into())
    }

    // A copy of the certificate is not enough: its key must have signed this handshake.
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests;

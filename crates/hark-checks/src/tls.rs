//! TLS for checks: the certificate is verified as a browser would, and looked at for the days it has
//! left.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, OnceLock};

use hark_config::{Key, Kind, Section};
use hark_model::sample::Unit;
use hark_model::{Status, Unix};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::finding::Measure;

pub(crate) const CA_FILE_KEY: Key = Key::new(
    "ca_file",
    Kind::Text,
    "PEM file of the authorities to trust instead of the system's.",
);
pub(crate) const INSECURE_KEY: Key =
    Key::new("insecure", Kind::Bool, "Accept any certificate.").default("false");
pub(crate) const CERTIFICATE_WARNING_KEY: Key = Key::new(
    "certificate_warning",
    Kind::Number,
    "Warning if the certificate ends within so many days.",
)
.unit("days")
.default("14");
pub(crate) const CERTIFICATE_CRITICAL_KEY: Key = Key::new(
    "certificate_critical",
    Kind::Number,
    "Critical if the certificate ends within so many days.",
)
.unit("days")
.default("3");

/// Longest time a limit may name: no authority gives certificates for ten years.
const MAX_DAYS: f64 = 3650.0;

/// The settings of TLS of one check. The configuration of rustls is made at the first run and kept;
/// a reload makes a new check.
#[derive(Debug)]
pub(crate) struct Tls {
    ca_file: Option<PathBuf>,
    insecure: bool,
    warning_days: f64,
    critical_days: f64,
    alpn: &'static [&'static [u8]],
    config: OnceLock<Arc<ClientConfig>>,
}

impl Tls {
    pub(crate) fn read(section: &Section<'_>, alpn: &'static [&'static [u8]]) -> Self {
        let warning_days = section.f64("certificate_warning", 14.0, 0.0..=MAX_DAYS);
        let critical_days = section.f64("certificate_critical", 3.0, 0.0..=MAX_DAYS);
        if critical_days > warning_days {
            section.error("certificate_critical", "the critical limit is above the warning one");
        }
        Self {
            ca_file: section.opt_str("ca_file").map(PathBuf::from),
            insecure: section.bool("insecure", false),
            warning_days,
            critical_days,
            alpn,
            config: OnceLock::new(),
        }
    }

    /// Agrees on TLS with the holder of a certificate for `name`.
    pub(crate) async fn connect(
        &self,
        stream: TcpStream,
        name: &str,
    ) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        TlsConnector::from(self.config()?).connect(name, stream).await
    }

    fn config(&self) -> io::Result<Arc<ClientConfig>> {
        if let Some(config) = self.config.get() {
            return Ok(Arc::clone(config));
        }
        let made = Arc::new(self.make()?);
        Ok(Arc::clone(self.config.get_or_init(|| made)))
    }

    fn make(&self) -> io::Result<ClientConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("ring offers the suites of TLS 1.2 and 1.3");
        let mut config = if self.insecure {
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Anybody { provider }))
                .with_no_client_auth()
        } else {
            let roots = match &self.ca_file {
                Some(path) => Arc::new(read_roots(path)?),
                None => Arc::clone(&SYSTEM_ROOTS),
            };
            builder.with_root_certificates(roots).with_no_client_auth()
        };
        config.alpn_protocols = self.alpn.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(config)
    }

    /// Judges how long the certificate is still good.
    pub(crate) fn judge_days(&self, days: f64) -> (Status, Measure) {
        let measure = Measure::new("certificate_days", days, Unit::None)
            .limits(Some(self.warning_days), Some(self.critical_days));
        let status = if days < self.critical_days {
            Status::Critical
        } else if days < self.warning_days {
            Status::Warning
        } else {
            Status::Ok
        };
        (status, measure)
    }
}

/// Returns the days until the certificate of the other side ends, negative if it has; `None` if it
/// cannot be read.
pub(crate) fn days_left(stream: &TlsStream<TcpStream>, now: Unix) -> Option<f64> {
    let (_, session) = stream.get_ref();
    days_until_end(session.peer_certificates()?.first()?, now)
}

fn days_until_end(certificate: &CertificateDer<'_>, now: Unix) -> Option<f64> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let seconds = certificate.validity().not_after.timestamp().saturating_sub(now.seconds());
    let seconds = i32::try_from(seconds / 60).ok().map(f64::from)? * 60.0;
    Some(seconds / 86_400.0)
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

fn read_roots(path: &Path) -> io::Result<RootCertStore> {
    let within = |error: io::Error| io::Error::other(format!("{}: {error}", path.display()));
    let pem = std::fs::read(path).map_err(within)?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| within(io::Error::other(error)))?;
        roots.add(certificate).map_err(|error| within(io::Error::other(error)))?;
    }
    if roots.is_empty() {
        return Err(within(io::Error::other("no certificate in it")));
    }
    Ok(roots)
}

/// Believes any certificate; signatures are still checked, so that the handshake is a real one.
#[derive(Debug)]
struct Anybody {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

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
mod tests {
    use hark_config::{Document, NoSecrets};

    use super::*;

    #[test]
    fn certificates_near_their_end_are_judged_by_days() {
        let document = Document::single("certificate_warning: 30\n");
        let tls = Tls::read(&document.root(&NoSecrets), &[]);
        assert_eq!(tls.judge_days(30.0).0, Status::Ok);
        assert_eq!(tls.judge_days(29.9).0, Status::Warning);
        assert_eq!(tls.judge_days(2.9).0, Status::Critical);
        assert_eq!(tls.judge_days(-1.0).0, Status::Critical);
    }

    #[test]
    fn days_are_counted_to_the_end_of_the_certificate() {
        let mut params = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(2027, 1, 11);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let new_year_2027 = Unix(1_798_761_600_000);
        assert_eq!(days_until_end(certificate.der(), new_year_2027), Some(10.0));
    }
}

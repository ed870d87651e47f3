//! The server's own certificate: given by the administrator, or made at the first start.
//!
//! Agents and tokens pin its SHA-256 fingerprint, so a self-made one is as safe for them as any
//! other; only browsers ask once.

use std::fs;
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, ensure};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::addresses;

/// A certificate ready to be served.
#[derive(Clone, Debug)]
pub(crate) struct Certificate {
    /// For the listener.
    pub(crate) config: Arc<rustls::ServerConfig>,
    /// SHA-256 of the own certificate's DER form: what tokens carry.
    pub(crate) fingerprint: [u8; 32],
}

impl Certificate {
    /// Returns it as the page takes it.
    pub(super) fn tls(self) -> hark_web::Tls {
        hark_web::Tls { config: self.config, fingerprint: self.fingerprint }
    }

    /// Opens the administrator's certificate (chain and key, PEM) if `given`, else the one in `data_dir/tls`, which is
    /// made if it is not there.
    ///
    /// # Errors
    /// If a file cannot be read, written, or does not hold what it should.
    pub(crate) fn open(
        given: Option<&(PathBuf, PathBuf)>,
        data_dir: &Path,
    ) -> anyhow::Result<Self> {
        let own = (data_dir.join("tls/certificate.pem"), data_dir.join("tls/key.pem"));
        let (certificate, key) = given.unwrap_or(&own);
        if given.is_none() && !(certificate.exists() && key.exists()) {
            make(certificate, key).context("cannot make a certificate")?;
        }
        load(certificate, key).with_context(|| format!("cannot use {}", certificate.display()))
    }
}

fn load(certificate: &Path, key: &Path) -> anyhow::Result<Certificate> {
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_file_iter(certificate)?.collect::<Result<_, _>>()?;
    ensure!(!chain.is_empty(), "the file holds no certificate");
    let key = PrivateKeyDer::from_pem_file(key)
        .with_context(|| format!("cannot read the key {}", key.display()))?;
    let fingerprint = fingerprint(&chain[0]);
    let mut config = rustls::ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Certificate { config: Arc::new(config), fingerprint })
}

/// The one place that names the provider of cryptography for TLS.
fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn fingerprint(certificate: &CertificateDer<'_>) -> [u8; 32] {
    let digest = ring::digest::digest(&ring::digest::SHA256, certificate);
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest.as_ref());
    bytes
}

fn make(certificate_file: &Path, key_file: &Path) -> anyhow::Result<()> {
    let key = rcgen::KeyPair::generate()?;
    let names = names(crate::sys::host_name(), addresses::own());
    let mut params = rcgen::CertificateParams::new(names)?;
    params.distinguished_name.push(rcgen::DnType::CommonName, "hark");
    let certificate = params.self_signed(&key)?;
    if let Some(folder) = key_file.parent() {
        fs::create_dir_all(folder)?;
    }
    write_private(key_file, key.serialize_pem().as_bytes())?;
    write_private(certificate_file, certificate.pem().as_bytes())?;
    Ok(())
}

/// Returns the names under which this machine may be reached. A browser that was told once to trust the certificate
/// need not be told again under another of them.
fn names(host: Option<String>, own: Vec<IpAddr>) -> Vec<String> {
    let loopback = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let own = own.into_iter().map(|ip| ip.to_string());
    loopback.into_iter().chain(host).chain(own).collect()
}

/// Writes a file that only its owner can read, whole or not at all.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let part = path.with_extension("part");
    if part.exists() {
        fs::remove_file(&part)?;
    }
    let mut file = crate::sys::private_file(0o600).write(true).create_new(true).open(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&part, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn is_made_once_and_kept_private() {
        let folder = tempfile::tempdir().unwrap();
        let first = Certificate::open(None, folder.path()).unwrap();
        let again = Certificate::open(None, folder.path()).unwrap();
        assert_eq!(first.fingerprint, again.fingerprint);
        let mode = fs::metadata(folder.path().join("tls/key.pem")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_wrong_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let certificate = folder.path().join("c.pem");
        fs::write(&certificate, "nonsense").unwrap();
        let files = (certificate.clone(), certificate);
        let error = format!("{:#}", Certificate::open(Some(&files), folder.path()).unwrap_err());
        assert!(error.contains("c.pem"), "{error}");
    }

    #[test]
    fn it_holds_the_names_and_addresses_of_this_machine() {
        let own = ["203.0.113.9".parse().unwrap(), "2001:db8::7".parse().unwrap()];
        let names = names(Some("mon".to_owned()), own.to_vec());
        assert_eq!(names, ["localhost", "127.0.0.1", "::1", "mon", "203.0.113.9", "2001:db8::7"]);
        let folder = tempfile::tempdir().unwrap();
        Certificate::open(None, folder.path()).unwrap();
        let file = folder.path().join("tls/certificate.pem");
        let der = CertificateDer::from_pem_file(file).unwrap();
        for ip in addresses::own() {
            // RFC 5280: an address among the names is tagged 7 and written as its bytes.
            let mut name = vec![0x87];
            match ip {
                IpAddr::V4(v4) => name.extend([4].into_iter().chain(v4.octets())),
                IpAddr::V6(v6) => name.extend([16].into_iter().chain(v6.octets())),
            }
            assert!(der.windows(name.len()).any(|part| part == name), "{ip} is in it");
        }
    }
}

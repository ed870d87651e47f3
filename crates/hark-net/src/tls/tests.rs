//! Against a TLS server at the other end of a pipe.

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::Version;
use crate::lines::Wire;

struct Server {
    config: Arc<ServerConfig>,
    pem: String,
    fingerprint: [u8; 32],
}

/// Makes a server with a new certificate for `a.example`.
fn server(alpn: &[&[u8]]) -> Server {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["a.example".to_owned()]).unwrap();
    let der = cert.der().clone();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![der.clone()], key)
        .unwrap();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    let fingerprint = digest(&SHA256, &der).as_ref().try_into().unwrap();
    Server { config: Arc::new(config), pem: cert.pem(), fingerprint }
}

/// Agrees on TLS with `server`, which says `hi` then.
async fn agree(server: &Server, tls: &Tls, name: &str) -> Result<Version, TlsError> {
    let (ours, theirs) = duplex(16 * 1024);
    let serve = async {
        if let Ok(mut stream) = TlsAcceptor::from(Arc::clone(&server.config)).accept(theirs).await {
            stream.write_all(b"hi").await.unwrap();
            stream.shutdown().await.unwrap();
        }
    };
    let ask = async {
        // As a dialogue that began in the clear would have it.
        let plain: Box<dyn Wire> = Box::new(ours);
        let mut stream = tls.secure(plain, name).await?;
        let mut heard = [0; 2];
        stream.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"hi");
        let shown = certificate_of(&stream).unwrap();
        assert_eq!(digest(&SHA256, shown).as_ref(), server.fingerprint);
        Ok(Version::agreed(&stream))
    };
    tokio::join!(serve, ask).1
}

#[tokio::test]
async fn each_kind_of_trust_takes_whom_it_should() {
    let server = server(&[]);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ca.pem");
    std::fs::write(&file, &server.pem).unwrap();
    for (trust, name, is_taken) in [
        (Trust::System, "a.example", false),
        (Trust::File(file.clone()), "a.example", true),
        (Trust::File(file), "b.example", false),
        (Trust::Pinned(server.fingerprint), "b.example", true),
        (Trust::Pinned([7; 32]), "a.example", false),
        (Trust::Anybody, "192.0.2.1", true),
    ] {
        let agreed = agree(&server, &Tls::new(trust.clone()), name).await;
        assert_eq!(agreed.is_ok(), is_taken, "{trust:?} {name}: {agreed:?}");
        if let Err(error) = agreed {
            assert!(error.is_untrusted(), "{trust:?}: {error}");
        }
    }
}

#[tokio::test]
async fn the_first_protocol_that_both_know_is_agreed_on() {
    const BOTH: &[&[u8]] = &[b"h2", b"http/1.1"];
    for (offered, version) in
        [(&[&b"h2"[..]][..], Version::Http2), (&[&b"http/1.1"[..]][..], Version::Http1)]
    {
        let tls = Tls::new(Trust::Anybody).offering(BOTH);
        assert_eq!(agree(&server(offered), &tls, "a.example").await.unwrap(), version);
    }
}

#[tokio::test]
async fn a_file_without_authorities_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("empty.pem");
    std::fs::write(&file, "nothing").unwrap();
    let error = agree(&server(&[]), &Tls::new(Trust::File(file)), "a.example").await.unwrap_err();
    assert!(error.to_string().contains("empty.pem"), "{error}");
    assert!(!error.is_untrusted());
    let odd = agree(&server(&[]), &Tls::new(Trust::Anybody), "not a name").await.unwrap_err();
    assert!(matches!(odd, TlsError::Name(_)), "{odd}");
}

#[test]
fn a_chain_is_verified_apart_from_the_connection_as_in_it() {
    let server = server(&[]);
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, &server.pem).unwrap();
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(server.pem.as_bytes()).map(Result::unwrap).collect();
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_hours(500_000));
    let verify = |trust: Trust, name: &str| Tls::new(trust).verify(&chain, name, now, Vec::new());
    let trusting = || Trust::File(ca_file.clone());
    assert!(verify(trusting(), "a.example").is_ok());
    assert!(verify(trusting(), "b.example").unwrap_err().is_untrusted());
    assert!(verify(Trust::Anybody, "b.example").is_ok());
    assert!(verify(Trust::Pinned(server.fingerprint), "b.example").is_ok());
    assert!(verify(Trust::Pinned([0; 32]), "a.example").unwrap_err().is_untrusted());
    let nothing = Tls::new(trusting()).verify(&[], "a.example", now, Vec::new());
    assert!(nothing.is_err());
    let early = UnixTime::since_unix_epoch(std::time::Duration::from_secs(1));
    assert!(Tls::new(trusting()).verify(&chain, "a.example", early, Vec::new()).is_err());
}

#[test]
fn a_fingerprint_is_read_with_and_without_colons() {
    let plain = "0a".repeat(32);
    assert_eq!(read_fingerprint(&plain), Ok([10; 32]));
    assert_eq!(read_fingerprint(&vec!["0A"; 32].join(":")), Ok([10; 32]));
    for wrong in ["", "0a", &"zz".repeat(32), &"é".repeat(32)] {
        assert!(read_fingerprint(wrong).is_err(), "{wrong}");
    }
}

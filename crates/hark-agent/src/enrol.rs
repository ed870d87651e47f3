//! Joining a server with a token.
//!
//! The token carries the SHA-256 of the server's certificate. The connection is made first, and the
//! handshake ends unless the server shows that certificate and proves to hold its key; only then are
//! the token and the key that this agent made sent. So neither is ever told to anybody else,
//! whatever the network does. The certificate's name and dates do not matter: a server's address may
//! change, a clock may be wrong, and the fingerprint says more than both.
//!
//! Done once: the key is stored and used at each start. The short-lived runtime made here is gone
//! when the agent begins to work.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use hark_model::{EnrolToken, HostName, Secret};
use hark_proto::{AgentId, AgentKey};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use serde_json::{Value, json};
use thiserror::Error;
use tokio::net::TcpStream;

use crate::endpoint::Server;

/// Where agents enrol.
const PATH: &str = "/api/0/agents/enrol";

/// How long one server may take for everything.
const PATIENCE: Duration = Duration::from_secs(15);

/// Bound on the server's answer.
const MAX_ANSWER: usize = 64 * 1024;

/// What a server gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Enrolled {
    pub(crate) agent: AgentId,
    pub(crate) key: AgentKey,
    /// Where to send datagrams.
    pub(crate) servers: Vec<Server>,
    pub(crate) interval: Option<Duration>,
}

/// Why an agent could not join.
#[derive(Debug, Error)]
pub enum EnrolError {
    /// Nobody could be reached.
    #[error("cannot reach {server}")]
    Unreachable {
        /// Who was asked last.
        server: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Somebody else answers there, or the server has a new certificate.
    #[error("{0} has another certificate than the token says: make a new token on the server")]
    Fingerprint(String),
    /// The server does not take the token.
    #[error("the server refused the token ({status}): {text}")]
    Refused {
        /// The status of its answer.
        status: u16,
        /// What it says.
        text: String,
    },
    /// The answer was not understood.
    #[error("{0} did not answer as a hark server does")]
    Answer(String),
    /// No key could be made.
    #[error("the system has no random numbers")]
    Random,
}

impl EnrolError {
    /// Returns true if trying again may help.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Random => true,
            Self::Refused { status, .. } => *status >= 500 || *status == 429,
            Self::Fingerprint(_) | Self::Answer(_) => false,
        }
    }
}

/// Joins: asks the servers of the token one after the other, until one answers. Blocks.
pub(crate) fn enrol(
    token: &EnrolToken,
    text: &Secret,
    host: &HostName,
    facts: &BTreeMap<String, String>,
) -> Result<Enrolled, EnrolError> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| EnrolError::Random)?;
    let request = json!({
        "token": text.expose(),
        "name": host.as_str(),
        "key": BASE64.encode(bytes),
        "facts": facts,
    });
    let mut last = None;
    for server in token.servers() {
        match ask(server, *token.fingerprint(), &request.to_string()) {
            Ok(answer) => return judge(server, &answer, token, AgentKey::new(bytes)),
            Err(error @ EnrolError::Refused { .. }) => return Err(error),
            Err(error) => {
                tracing::debug!(server, %error, "cannot enrol here");
                last = Some(error);
            }
        }
    }
    Err(last.unwrap_or_else(|| EnrolError::Answer("no server".to_owned())))
}

/// Reads the answer.
fn judge(
    server: &str,
    answer: &Value,
    token: &EnrolToken,
    key: AgentKey,
) -> Result<Enrolled, EnrolError> {
    let wrong = || EnrolError::Answer(server.to_owned());
    let agent = answer.get("agent_id").and_then(Value::as_str).ok_or_else(wrong)?;
    let agent = u64::from_str_radix(agent, 16).map_err(|_| wrong())?;
    let port = answer.get("server_udp_port").and_then(Value::as_u64).ok_or_else(wrong)?;
    let port = u16::try_from(port).ok().filter(|port| *port > 0).ok_or_else(wrong)?;
    let servers = token.servers().iter().filter_map(|server| Server::parse(server).ok());
    let seconds = answer.get("interval_seconds").and_then(Value::as_f64);
    Ok(Enrolled {
        agent: AgentId(agent),
        key,
        servers: servers.map(|server| server.at_port(port)).collect(),
        interval: seconds
            .and_then(|s| Duration::try_from_secs_f64(s).ok())
            .filter(|i| !i.is_zero()),
    })
}

/// Asks one server, in a runtime of its own that ends with this. The runtime has a thread of its own
/// too, since the caller's may belong to another runtime, within which no second one can wait.
fn ask(server: &str, fingerprint: [u8; 32], body: &str) -> Result<Value, EnrolError> {
    let unreachable = |source| EnrolError::Unreachable { server: server.to_owned(), source };
    std::thread::scope(|scope| {
        let asking = std::thread::Builder::new()
            .name("hark-enrol".into())
            .spawn_scoped(scope, || ask_here(server, fingerprint, body))
            .map_err(unreachable)?;
        asking.join().unwrap_or_else(|_| Err(EnrolError::Answer(server.to_owned())))
    })
}

fn ask_here(server: &str, fingerprint: [u8; 32], body: &str) -> Result<Value, EnrolError> {
    let unreachable = |source| EnrolError::Unreachable { server: server.to_owned(), source };
    let parsed = Server::parse(server).map_err(|_| EnrolError::Answer(server.to_owned()))?;
    let addresses = parsed.resolve().map_err(unreachable)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(unreachable)?;
    let mut last = std::io::Error::from(std::io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        let asked = post(&parsed, address, fingerprint, body.to_owned());
        let outcome = runtime.block_on(async { tokio::time::timeout(PATIENCE, asked).await });
        match outcome {
            Ok(Ok((200..=299, value))) => return Ok(value),
            Ok(Ok((status, value))) => {
                return Err(EnrolError::Refused { status, text: problem(&value) });
            }
            Ok(Err(PostError::Fingerprint)) => {
                return Err(EnrolError::Fingerprint(server.to_owned()));
            }
            Ok(Err(PostError::Answer)) => return Err(EnrolError::Answer(server.to_owned())),
            Ok(Err(PostError::Io(error))) => last = error,
            Err(_) => last = std::io::ErrorKind::TimedOut.into(),
        }
    }
    Err(unreachable(last))
}

/// What a problem document says.
fn problem(value: &Value) -> String {
    let said = value.get("detail").or_else(|| value.get("title")).and_then(Value::as_str);
    said.unwrap_or("no reason given").chars().filter(|c| !c.is_control()).take(300).collect()
}

enum PostError {
    Io(std::io::Error),
    Fingerprint,
    Answer,
}

impl From<std::io::Error> for PostError {
    fn from(error: std::io::Error) -> Self {
        let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match tls {
            Some(rustls::Error::InvalidCertificate(_)) => Self::Fingerprint,
            Some(_) | None => Self::Io(error),
        }
    }
}

/// Sends the request and returns status and answer. Cancelled, it leaves a closed connection behind.
async fn post(
    server: &Server,
    address: SocketAddr,
    fingerprint: [u8; 32],
    body: String,
) -> Result<(u16, Value), PostError> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from(server.host().to_owned())
        .unwrap_or_else(|_| ServerName::IpAddress(address.ip().into()));
    let connector = tokio_rustls::TlsConnector::from(Arc::new(pinned_client_config(fingerprint)?));
    // Returns only after the certificate was checked: nothing of the request is sent before.
    let stream = connector.connect(name, stream).await?;
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|_| PostError::Answer)?;
    let request = http::Request::post(PATH)
        .header(http::header::HOST, server.to_string())
        .header(http::header::CONTENT_TYPE, "application/json")
        .header(http::header::ACCEPT, "application/json")
        .header(http::header::CONNECTION, "close")
        .body(Full::new(Bytes::from(body)))
        .map_err(|_| PostError::Answer)?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(|_| PostError::Answer)?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
        let bytes = body.map_err(|_| PostError::Answer)?.to_bytes();
        let value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Ok((status, value))
    };
    // The connection is driven here beside the exchange, as nothing may be spawned loose.
    tokio::pin!(connection);
    tokio::pin!(exchange);
    tokio::select! {
        biased;
        done = &mut exchange => done,
        ended = &mut connection => {
            ended.map_err(|_| PostError::Answer)?;
            exchange.await
        }
    }
}

/// Returns settings for TLS that take the certificate with this SHA-256 fingerprint (of its DER form)
/// and no other.
///
/// # Errors
/// If the provider of cryptography lacks what TLS needs.
pub fn pinned_client_config(fingerprint: [u8; 32]) -> Result<ClientConfig, std::io::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Arc::new(Pinned { fingerprint, provider: Arc::clone(&provider) });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(std::io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Ok(config)
}

/// Takes one certificate and no other.
#[derive(Debug)]
struct Pinned {
    fingerprint: [u8; 32],
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        // The fingerprint is no secret, so comparing it may take any time.
        if digest(&SHA256, end_entity).as_ref() == self.fingerprint {
            return Ok(ServerCertVerified::assertion());
        }
        Err(rustls::CertificateError::ApplicationVerificationFailure.into())
    }

    // A copy of the certificate is not enough: its key must have signed this handshake.
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests;

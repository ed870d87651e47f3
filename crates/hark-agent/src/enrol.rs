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
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use hark_model::{EnrolToken, HostName, Secret};
use hark_net::{End, Limits, Tls, TlsError, Trust, Version, exchange};
use hark_proto::seek::Here;
use hark_proto::{AgentId, AgentKey};
use http_body_util::Full;
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::{Value, json};
use thiserror::Error;

use crate::endpoint::{Names, Server, call};
use crate::settings::AgentConfig;

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
    config: &AgentConfig,
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
    let told = token.servers().iter().cloned();
    let called = config.servers.iter().flat_map(|server| called(token, server));
    for server in told.chain(called) {
        let server = &server;
        match ask(server, *token.fingerprint(), &request.to_string(), &config.names) {
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

/// Returns who answers on the local network, if that is where a server is to be looked for. Anybody who
/// knows the certificate can answer: whom the token is shown decides the certificate itself.
fn called(token: &EnrolToken, server: &Server) -> Vec<String> {
    let Some(port) = server.local_port() else { return Vec::new() };
    let found = call(&hark_proto::seek::token_identity(token.fingerprint()), port);
    let found = found.inspect_err(|error| tracing::debug!(%error, "nobody answers a call"));
    let to_page =
        |(address, here): (SocketAddr, Here)| SocketAddr::new(address.ip(), here.https_port);
    found.unwrap_or_default().into_iter().map(|found| to_page(found).to_string()).collect()
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
fn ask(
    server: &str,
    fingerprint: [u8; 32],
    body: &str,
    names: &Names,
) -> Result<Value, EnrolError> {
    let unreachable = |source| EnrolError::Unreachable { server: server.to_owned(), source };
    std::thread::scope(|scope| {
        let asking = std::thread::Builder::new()
            .name("hark-enrol".into())
            .spawn_scoped(scope, || ask_here(server, fingerprint, body, names))
            .map_err(unreachable)?;
        asking.join().unwrap_or_else(|_| Err(EnrolError::Answer(server.to_owned())))
    })
}

fn ask_here(
    server: &str,
    fingerprint: [u8; 32],
    body: &str,
    names: &Names,
) -> Result<Value, EnrolError> {
    let unreachable = |source| EnrolError::Unreachable { server: server.to_owned(), source };
    let parsed = Server::parse(server).map_err(|_| EnrolError::Answer(server.to_owned()))?;
    let addresses = names.addresses(&parsed).map_err(unreachable)?;
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
        Self::Io(error)
    }
}

impl From<TlsError> for PostError {
    fn from(error: TlsError) -> Self {
        match error {
            _ if error.is_untrusted() => Self::Fingerprint,
            TlsError::Handshake(error) => Self::Io(error),
            other @ (TlsError::CaFile { .. } | TlsError::Name(_)) => {
                Self::Io(std::io::Error::other(other))
            }
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
    let stream = hark_net::connect_to(address, None).await?;
    // Returns only after the certificate was checked: nothing of the request is sent before.
    let stream = Tls::new(Trust::Pinned(fingerprint)).secure(stream, server.host()).await?;
    let request = http::Request::post(PATH)
        .header(http::header::HOST, server.to_string())
        .header(http::header::CONTENT_TYPE, "application/json")
        .header(http::header::ACCEPT, "application/json")
        .header(http::header::CONNECTION, "close")
        .body(Full::new(Bytes::from(body)))
        .map_err(|_| PostError::Answer)?;
    let limits = Limits { max_body: MAX_ANSWER, time: PATIENCE };
    let answer = exchange(stream, Version::Http1, request, limits).await;
    let answer = answer.map_err(|_| PostError::Answer)?;
    if !matches!(answer.end, End::Whole) {
        return Err(PostError::Answer);
    }
    let value = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
    Ok((answer.status.as_u16(), value))
}

#[cfg(test)]
mod tests;

//! Against a server made here: a real certificate and a real TLS connection over loopback.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use ring::digest::{SHA256, digest};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::*;

const GOOD: &str = r#"{"agent_id":"00000000000000ff","server_udp_port":50003,"interval_seconds":15,"config_revision":1}"#;

struct Fake {
    address: SocketAddr,
    fingerprint: [u8; 32],
    /// What was received in clear text after the handshake; empty if the agent went away.
    heard: JoinHandle<String>,
}

/// Serves one connection with `status` and `answer`.
fn serve(status: &'static str, answer: &'static str) -> Fake {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["another.name.example".to_owned()]).unwrap();
    let der = cert.der().clone();
    let fingerprint = digest(&SHA256, &der).as_ref().try_into().unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let config =
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![der], key)
            .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let heard = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let connection = ServerConnection::new(Arc::new(config)).unwrap();
        let mut stream = StreamOwned::new(connection, stream);
        let mut heard = Vec::new();
        let mut buffer = [0; 4096];
        while !is_whole(&heard) {
            match stream.read(&mut buffer) {
                Ok(0) | Err(_) => return String::new(),
                Ok(n) => heard.extend_from_slice(&buffer[..n]),
            }
        }
        let text = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{answer}", answer.len());
        stream.write_all(text.as_bytes()).unwrap();
        stream.flush().unwrap();
        String::from_utf8(heard).unwrap()
    });
    Fake { address, fingerprint, heard }
}

fn is_whole(heard: &[u8]) -> bool {
    let text = String::from_utf8_lossy(heard);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length =
        head.lines().find_map(|l| l.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    body.len() >= length.unwrap_or(0)
}

fn token(fingerprint: [u8; 32], servers: &[SocketAddr]) -> EnrolToken {
    let servers = servers.iter().map(ToString::to_string).collect();
    EnrolToken::new([3; 16], fingerprint, servers).unwrap()
}

fn join(token: &EnrolToken) -> Result<Enrolled, EnrolError> {
    let facts = BTreeMap::from([("kernel".to_owned(), "6.1".to_owned())]);
    let config = AgentConfig::new(std::path::PathBuf::new(), crate::Access::Stored);
    enrol(token, &token.encode(), &HostName::new("web").unwrap(), &facts, &config)
}

#[test]
fn the_server_gets_token_name_and_key_and_gives_a_number() {
    let server = serve("200 OK", GOOD);
    let token = token(server.fingerprint, &[server.address]);
    let enrolled = join(&token).unwrap();
    assert_eq!(enrolled.agent, AgentId(255));
    assert_eq!(enrolled.interval, Some(Duration::from_secs(15)));
    assert_eq!(format!("{:?}", enrolled.servers), "[127.0.0.1:50003]");
    let heard = server.heard.join().unwrap();
    assert!(heard.starts_with("POST /api/0/agents/enrol HTTP/1.1\r\n"), "{heard}");
    let body: Value = serde_json::from_str(heard.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(body["token"], token.encode().expose());
    assert_eq!(body["name"], "web");
    assert_eq!(body["facts"]["kernel"], "6.1");
    assert_eq!(BASE64.decode(body["key"].as_str().unwrap()).unwrap(), enrolled.key.expose());
}

#[test]
fn an_agent_joins_once_and_is_known_at_its_next_start() {
    use crate::{Access, Agent, AgentConfig, AgentError};
    let folder = tempfile::tempdir().unwrap();
    let start = |access| {
        let mut config = AgentConfig::new(folder.path().join("agent"), access);
        config.host = Some(HostName::new("web").unwrap());
        Agent::new(&config)
    };
    let server = serve("200 OK", GOOD);
    let token_one = token(server.fingerprint, &[server.address]).encode();
    assert_eq!(start(Access::Token(token_one.clone())).unwrap().host().as_str(), "web");
    assert!(!server.heard.join().unwrap().is_empty());
    // The server is gone: the token is not used again, and no token is needed.
    start(Access::Token(token_one)).unwrap();
    start(Access::Stored).unwrap();
    let another = EnrolToken::new([4; 16], [0; 32], vec![server.address.to_string()]).unwrap();
    let error = start(Access::Token(another.encode())).unwrap_err();
    assert!(matches!(error, AgentError::Enrol(_)) && error.is_transient(), "{error:?}");
}

#[test]
fn nothing_is_said_to_a_server_with_another_certificate() {
    let server = serve("200 OK", GOOD);
    let error = join(&token([0; 32], &[server.address])).unwrap_err();
    assert!(matches!(error, EnrolError::Fingerprint(_)), "{error:?}");
    assert!(!error.is_transient());
    assert_eq!(server.heard.join().unwrap(), "");
}

#[test]
fn the_next_server_of_the_token_is_asked_when_one_is_away() {
    let away = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = away.local_addr().unwrap();
    drop(away);
    let server = serve("201 Created", GOOD);
    let token = token(server.fingerprint, &[address, server.address]);
    assert_eq!(join(&token).unwrap().servers.len(), 2);
    drop(server.heard.join().unwrap());
}

#[test]
fn joining_works_also_within_another_runtime() {
    let server = serve("200 OK", GOOD);
    let token = token(server.fingerprint, &[server.address]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    assert!(runtime.block_on(async { join(&token) }).is_ok());
    assert!(!server.heard.join().unwrap().is_empty());
}

#[test]
fn a_refusal_is_told_in_the_servers_words() {
    let server = serve("403 Forbidden", r#"{"title":"Forbidden","detail":"the token was used"}"#);
    let error = join(&token(server.fingerprint, &[server.address])).unwrap_err();
    assert_eq!(error.to_string(), "the server refused the token (403): the token was used");
    assert!(!error.is_transient());
    let server = serve("503 Service Unavailable", "");
    let error = join(&token(server.fingerprint, &[server.address])).unwrap_err();
    assert!(error.is_transient());
}

#[test]
fn an_answer_of_something_else_is_an_error() {
    for answer in [
        "",
        "<html>",
        "{}",
        r#"{"agent_id":"zz","server_udp_port":1}"#,
        r#"{"agent_id":"1","server_udp_port":0}"#,
    ] {
        let server = serve("200 OK", answer);
        let error = join(&token(server.fingerprint, &[server.address])).unwrap_err();
        assert!(matches!(error, EnrolError::Answer(_)), "{answer}: {error:?}");
    }
}

#[test]
fn with_nobody_there_it_may_be_tried_again() {
    let away = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = away.local_addr().unwrap();
    drop(away);
    assert!(join(&token([0; 32], &[address])).unwrap_err().is_transient());
}

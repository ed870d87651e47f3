use std::sync::Arc;

use hark_config::{Document, NoSecrets};
use rustls::ServerConfig;
use rustls_pki_types::PrivateKeyDer;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use hark_net::Resolver;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::*;
use crate::link::Phases;

struct Server {
    port: u16,
    _tasks: JoinSet<()>,
}

/// Starts a server that says `greeting`, then sends back what it gets, until told `bye`.
async fn server(greeting: &'static str, tls: Option<Arc<ServerConfig>>) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut dialogues = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let tls = tls.clone();
            dialogues.spawn(async move {
                match tls {
                    None => echo(stream, greeting).await,
                    Some(tls) => {
                        if let Ok(stream) = TlsAcceptor::from(tls).accept(stream).await {
                            echo(stream, greeting).await;
                        }
                    }
                }
            });
        }
    });
    Server { port, _tasks: tasks }
}

async fn write(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}

async fn echo(mut stream: impl AsyncRead + AsyncWrite + Unpin, greeting: &str) {
    // Clients that hang up are part of some tests.
    let _greeted = write(&mut stream, greeting.as_bytes()).await;
    let mut chunk = [0; 4096];
    while let Ok(n @ 1..) = stream.read(&mut chunk).await {
        if chunk[..n].starts_with(b"bye") || write(&mut stream, &chunk[..n]).await.is_err() {
            return;
        }
    }
}

async fn look(server: &Server, more: &str) -> Finding {
    look_at(&format!("address: 127.0.0.1\nport: {}\n{more}", server.port)).await
}

async fn look_at(settings: &str) -> Finding {
    let document = Document::single(settings);
    let check = Tcp.read(&document.root(&NoSecrets), Given::default()).unwrap();
    let context = Context::new(Arc::new(Resolver::default()));
    crate::run(&*check, &context).await.0
}

#[tokio::test]
async fn an_open_port_is_ok() {
    let server = server("", None).await;
    let finding = look(&server, "").await;
    assert_eq!(finding.status, Status::Ok);
    assert!(finding.text.starts_with(&format!("127.0.0.1:{} is open, ", server.port)));
    let names: Vec<_> = finding.measures.iter().map(|m| &*m.name).collect();
    assert_eq!(names, ["resolve_seconds", "connect_seconds", "total_seconds"]);
}

#[tokio::test]
async fn a_closed_port_is_critical() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let finding = look_at(&format!("address: 127.0.0.1\nport: {port}\n")).await;
    assert_eq!(finding.status, Status::Critical);
    assert!(finding.text.contains("refused"), "{}", finding.text);
}

#[tokio::test]
async fn what_comes_back_must_be_what_is_expected() {
    let server = server("220 ready\r\n", None).await;
    assert_eq!(look(&server, "expect: '220 '\n").await.status, Status::Ok);
    let other = look(&server, "expect: '250 '\ntimeout: 300ms\n").await;
    assert_eq!(other.status, Status::Critical);
    assert!(other.text.contains(r#"but this came back: "220 ready\r\n""#), "{}", other.text);
    let echoed = look(&server, "send: 'PING 7\\r\\n'\nexpect: \"PING 7\\r\\n\"\n").await;
    assert_eq!(echoed.status, Status::Ok, "{}", echoed.text);
}

#[tokio::test]
async fn a_server_that_hangs_up_or_stays_silent_is_critical() {
    let server = server("", None).await;
    let ended = look(&server, "send: bye\nexpect: x\n").await;
    assert_eq!(ended.status, Status::Critical);
    assert!(ended.text.contains("nothing came back"), "{}", ended.text);
    let silent = look(&server, "expect: x\ntimeout: 200ms\n").await;
    assert_eq!(silent.status, Status::Critical);
    assert!(silent.text.contains("nothing came back"), "{}", silent.text);
}

fn certificate() -> (Arc<ServerConfig>, String) {
    let mut params = rcgen::CertificateParams::new(vec!["svc.test".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2126, 1, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    (Arc::new(config), certificate.pem())
}

#[tokio::test]
async fn tls_is_verified_and_its_certificate_looked_at() {
    let (config, pem) = certificate();
    let server = server("hello", Some(config)).await;
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, pem).unwrap();
    let trusting = format!("tls: true\ntls_name: svc.test\nca_file: {}\n", ca_file.display());
    let good = look(&server, &format!("{trusting}expect: hello\n")).await;
    assert_eq!(good.status, Status::Ok, "{}", good.text);
    let days = good.measures.iter().find(|m| &*m.name == "certificate_days").unwrap();
    assert!(days.value > 30_000.0, "{days:?}");
    let untrusted = look(&server, "tls: true\ntls_name: svc.test\n").await;
    assert_eq!(untrusted.status, Status::Critical);
    assert!(untrusted.text.contains("UnknownIssuer"), "{}", untrusted.text);
    let other_name = look(&server, &trusting.replace("svc.test", "other.test")).await;
    assert_eq!(other_name.status, Status::Critical);
    let insecure = look(&server, "tls: true\ninsecure: true\n").await;
    assert_eq!(insecure.status, Status::Ok, "{}", insecure.text);
}

#[test]
fn time_is_judged_over_all_parts() {
    let document =
        Document::single("address: 192.0.2.7\nport: 25\nwarning: 100ms\ncritical: 300ms\n");
    let endpoint = Endpoint::read(&document.root(&NoSecrets), Given::default(), &DEFAULTS).unwrap();
    let door = Door { endpoint, send: None, expect: None };
    for (total, status) in [(90, Status::Ok), (100, Status::Warning), (300, Status::Critical)] {
        let phases = Phases { total: Duration::from_millis(total), ..Phases::default() };
        let seen = Seen { address: ([192, 0, 2, 7], 25).into(), phases, tls: None };
        let finding = door.judge(&seen, &Answer::Matched(Vec::new()));
        assert_eq!(finding.status, status, "{}", finding.text);
    }
}

#[test]
fn escapes_stand_for_what_cannot_be_typed() {
    assert_eq!(unescape(r"a\r\n\t\\n\x"), "a\r\n\t\\n\\x");
    assert_eq!(unescape("end\\"), "end\\");
}

#[tokio::test]
async fn expected_text_is_found_across_the_pieces_it_comes_in() {
    let server = server("", None).await;
    for cut in 1..6 {
        let settings = format!("address: 127.0.0.1\nport: {}\n", server.port);
        let document = Document::single(&settings);
        let root = document.root(&NoSecrets);
        let endpoint = Endpoint::read(&root, Given::default(), &DEFAULTS).unwrap();
        let mut link = endpoint.open(&Context::new(Arc::new(Resolver::default()))).await.unwrap();
        let (first, rest) = b"xx220 220-re".split_at(cut + 4);
        link.send(first).await.unwrap();
        let (found, ()) = {
            let mut n = 0;
            while n < first.len() {
                n += link.more().await.unwrap();
            }
            link.send(rest).await.unwrap();
            (read_until(&mut link, b"220-re").await, ())
        };
        assert!(found.unwrap(), "{cut}");
    }
}

//! One port for TLS and plain http, and bounds on what strangers can hold.

use std::sync::{Arc, Barrier};
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::server::{connect, start, start_tls};

#[tokio::test]
async fn who_hangs_up_in_the_middle_of_a_write_leaves_its_line_in_the_audit() {
    let running = start().await;
    let hold = Arc::new(Barrier::new(2));
    running.fake.stored().hold = Some(Arc::clone(&hold));
    let root = running.program("root");
    let met = Arc::clone(&hold);
    let met = tokio::task::spawn_blocking(move || met.wait());
    let write = root.post("/api/0/incidents/1/ack", json!({"comment": "mine"}));
    tokio::select! {
        _ = write => panic!("it was not held"),
        met = met => drop(met.unwrap()),
    }
    // The client is gone; once something else was answered the server has seen that.
    assert_eq!(running.program("root").get("/api/0/auth/me").await.status, 200);
    assert!(running.fake.stored().audit.is_empty(), "it is held");
    tokio::task::spawn_blocking(move || hold.wait()).await.unwrap();
    running.shutdown.cancel();
    running.tasks.close();
    running.tasks.wait().await;
    let audit = running.fake.stored().audit.clone();
    assert_eq!(audit.len(), 1, "{audit:?}");
    assert_eq!(audit[0].what, "incident.ack");
}

#[tokio::test]
async fn one_port_speaks_tls_and_plain_http() {
    let running = start_tls().await;
    let over_tls = running.browser("root");
    assert_eq!(over_tls.get("/api/0/auth/me").await.status, 200);
    let mut plain = running.program("root");
    plain.tls = None;
    assert_eq!(plain.get("/api/0/auth/me").await.status, 200, "from loopback plain http is fine");
}

#[tokio::test]
async fn both_versions_of_http_are_spoken_over_tls() {
    let running = start_tls().await;
    let certificate = running.certificate.clone().unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let stream = TcpStream::connect(running.address).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = connector.connect(name, stream).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let io = hyper_util::rt::TokioIo::new(stream);
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(executor, io).await.unwrap();
    let request =
        http::Request::get(format!("https://localhost:{}/healthz", running.address.port()));
    let request = request.body(http_body_util::Empty::<bytes::Bytes>::new()).unwrap();
    let mut answered = std::pin::pin!(sender.send_request(request));
    let response = tokio::select! {
        response = &mut answered => response.unwrap(),
        _ = connection => panic!("the connection ended"),
    };
    assert_eq!((response.status().as_u16(), response.version()), (200, http::Version::HTTP_2));
}

/// Returns the whole answer to a raw request.
async fn raw(address: std::net::SocketAddr, text: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_end_is_cut() {
    let running = start().await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nx-slow: ").await.unwrap();
    let mut answer = String::new();
    let cut =
        tokio::time::timeout(Duration::from_mins(2), stream.read_to_string(&mut answer)).await;
    cut.expect("it was held open").unwrap();
    assert!(!answer.contains("200 OK"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_end_is_cut() {
    let running = start().await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let head = "POST /api/0/auth/login HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
                content-length: 100\r\n\r\n{\"user";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let cut =
        tokio::time::timeout(Duration::from_mins(2), stream.read_to_string(&mut answer)).await;
    cut.expect("it was held open").unwrap();
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("/problems/timeout"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_much_and_reads_nothing_is_cut() {
    let running = start().await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let ask = "GET /api/0/openapi.json HTTP/1.1\r\nhost: a\r\n\r\n".repeat(1000);
    let asked = tokio::time::timeout(Duration::from_mins(5), async {
        // The server stops reading as well when its answers are not taken.
        while stream.write_all(ask.as_bytes()).await.is_ok() {}
    });
    assert!(asked.await.is_ok(), "it was held open");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_says_nothing_is_cut() {
    let running = start_tls().await;
    for first in [&b""[..], &[0x16], &[0x16, 3, 1, 0xff]] {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(first).await.unwrap();
        let mut rest = Vec::new();
        let cut = tokio::time::timeout(Duration::from_mins(2), stream.read_to_end(&mut rest)).await;
        cut.expect("it was held open").unwrap();
    }
}

#[tokio::test]
async fn a_head_that_is_too_long_is_refused() {
    let running = start().await;
    let head = format!("GET / HTTP/1.1\r\nhost: a\r\nx-long: {}\r\n\r\n", "a".repeat(40_000));
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    // The server may close before it has read all.
    stream.write_all(head.as_bytes()).await.ok();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.starts_with("HTTP/1.1 431") || answer.is_empty(), "{answer}");
}

#[tokio::test]
async fn noise_gets_no_answer_that_helps() {
    let running = start_tls().await;
    let answer = raw(running.address, "SSH-2.0-x\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    let stream = TcpStream::connect(running.address).await.unwrap();
    let reply = connect(stream, running.certificate.as_ref().unwrap()).await;
    assert!(reply.get_ref().1.protocol_version().is_some(), "the next client is served");
}

#[tokio::test]
async fn requests_that_began_finish_at_the_end() {
    let running = start().await;
    let root = running.browser("root");
    let login = root.post(
        "/api/0/auth/login",
        serde_json::json!({"username": "root", "password": "correct horse"}),
    );
    let (reply, ()) = tokio::join!(login, async {
        while running.fake.stored().audit.is_empty() && running.tasks.len() < 2 {
            tokio::task::yield_now().await;
        }
        running.shutdown.cancel();
    });
    assert_eq!(reply.status, 200);
    running.tasks.close();
    assert!(tokio::time::timeout(Duration::from_secs(10), running.tasks.wait()).await.is_ok());
    let refused = TcpStream::connect(running.address).await;
    assert!(refused.is_err(), "it still accepts");
}

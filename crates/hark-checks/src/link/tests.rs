use std::sync::Arc;

use hark_config::{Document, NoSecrets};
use tokio::net::TcpListener;

use super::*;
use crate::endpoint::{Defaults, Endpoint};
use crate::{Context, Given};

fn endpoint(port: u16, more: &str, defaults: &Defaults) -> Endpoint {
    let document = Document::single(&format!("address: 127.0.0.1\nport: {port}\n{more}"));
    Endpoint::read(&document.root(&NoSecrets), Given::default(), defaults).unwrap()
}

fn context() -> Context {
    Context::new(Arc::new(hark_net::Resolver::default()))
}

/// A link to a server that says `words` and then nothing more.
async fn link(words: &'static [u8], more: &str) -> (Link, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let endpoint = endpoint(port, more, &Defaults::stream(None));
    let link = endpoint.open(&context()).await.unwrap();
    let (mut stream, _) = listener.accept().await.unwrap();
    stream.write_all(words).await.unwrap();
    (link, stream)
}

#[tokio::test]
async fn lines_and_bytes_come_in_order_whoever_reads_them() {
    let (mut link, server) = link(b"220 one\r\n220 tw\xffo\n\x00\x01\x02\x03rest", "").await;
    drop(server);
    assert_eq!(link.line(100).await.unwrap(), "220 one");
    assert_eq!(link.line(100).await.unwrap(), "220 tw\u{fffd}o");
    assert_eq!(link.exactly(3).await.unwrap(), [0, 1, 2]);
    let mut rest = Vec::new();
    link.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"\x03rest");
    assert_eq!(link.line(100).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    let phases = link.seen().phases;
    assert!(phases.connect.is_some() && phases.first_byte.is_some(), "{phases:?}");
    assert!(phases.total >= phases.resolve + phases.connect.unwrap());
}

#[tokio::test]
async fn a_line_without_end_is_refused_and_a_silent_server_has_its_time() {
    let (mut flooded, _server) = link(&[b'a'; 10_000], "").await;
    assert_eq!(flooded.line(4_000).await.unwrap_err().to_string(), "the answer is too long");
    let (mut silent, _server) = link(b"", "timeout: 150ms\n").await;
    assert_eq!(silent.line(100).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert_eq!(silent.left(), Duration::ZERO);
}

#[tokio::test]
async fn words_ahead_of_tls_are_refused() {
    let (mut link, _server) = link(b"220 go\r\n250 smuggled\r\n", "").await;
    assert_eq!(link.line(100).await.unwrap(), "220 go");
    let tls = Tls::new(hark_net::Trust::Anybody);
    let error = link.upgrade(&tls, "a.example").await.unwrap_err();
    assert!(error.to_string().contains("before TLS began"), "{error}");
}

#[tokio::test]
async fn a_silent_port_does_not_keep_tls_waiting_beyond_the_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let endpoint = endpoint(port, "tls: true\ntimeout: 200ms\n", &Defaults::stream(None));
    let finding = endpoint.open(&context()).await.unwrap_err();
    assert!(finding.text.contains("no TLS with 127.0.0.1"), "{}", finding.text);
    assert!(finding.text.contains("timed out"), "{}", finding.text);
}

#[tokio::test]
async fn a_question_is_sent_again_and_foreign_answers_are_passed_over() {
    let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = server.local_addr().unwrap().port();
    let endpoint = endpoint(port, "timeout: 1s\n", &Defaults::plain(None));
    let mut datagrams = endpoint.open_udp(&context()).await.unwrap();
    let serve = async {
        let mut buffer = [0; 16];
        let (n, from) = server.recv_from(&mut buffer).await.unwrap();
        assert_eq!(&buffer[..n], b"who");
        server.send_to(b"other", from).await.unwrap();
        let (n, from) = server.recv_from(&mut buffer).await.unwrap();
        assert_eq!(&buffer[..n], b"who", "the first one counts as lost");
        server.send_to(b"me", from).await.unwrap();
    };
    let ask = datagrams.ask(b"who", 100, |answer| answer == b"me");
    let (answer, ()) = tokio::join!(ask, serve);
    assert_eq!(answer.unwrap(), b"me");
    assert!(datagrams.seen().phases.first_byte.is_some());
}

#[tokio::test]
async fn a_closed_udp_port_is_known_at_once() {
    let server = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    drop(server);
    let endpoint = endpoint(port, "", &Defaults::plain(None));
    let mut datagrams = endpoint.open_udp(&context()).await.unwrap();
    let error = datagrams.ask(b"who", 100, |_| true).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn private_addresses_can_be_kept_out() {
    let endpoint = endpoint(9, "", &Defaults::stream(None));
    let guarded = Context { guard: hark_net::Guard::PublicOnly, ..context() };
    let finding = endpoint.open(&guarded).await.unwrap_err();
    assert_eq!(finding.status, hark_model::Status::Unknown);
    assert_eq!(finding.text, "127.0.0.1 leads to the private address 127.0.0.1");
    let finding = endpoint.open_udp(&guarded).await.unwrap_err();
    assert_eq!(finding.status, hark_model::Status::Unknown);
}

use std::sync::Arc;

use tokio::net::{TcpListener, UnixDatagram};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::types::tests::server::{certificate, mistakes, problem, read, send};

/// What a whole message of the first sample looks like, for this process.
fn expected() -> String {
    format!(
        "<154>1 2027-01-15T08:00:30Z mon.example.net hark {} problem [hark@32473 incident=\"1\" \
         host=\"db1.example.net\" check=\"cpu_monitor.cpu_percent\" severity=\"critical\" \
         status=\"critical\" key=\"1/problem/0\" \
         link=\"https://hark.example.net/incidents/1\"] CRITICAL: db1 - cpu_monitor.cpu_percent = \
         95.0",
        std::process::id()
    )
}

fn over(transport: &str, port: u16, more: &str) -> Box<dyn Receiver> {
    let text = format!(
        "transport: {transport}\nserver: hook.test\nport: {port}\nfacility: local3\n{more}"
    );
    read(&Syslog, &text)
}

#[tokio::test]
async fn a_datagram_is_one_message_of_rfc_5424() {
    let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let receiver = over("udp", server.local_addr().unwrap().port(), "");
    send(&*receiver, &problem()).await.unwrap();
    let mut buffer = [0; 4096];
    let n_bytes = server.recv(&mut buffer).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&buffer[..n_bytes]), expected());
}

#[tokio::test]
async fn a_closed_port_is_no_delivery() {
    let port = {
        let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        server.local_addr().unwrap().port()
    };
    let error = send(&*over("udp", port, ""), &problem()).await.unwrap_err();
    assert!(matches!(error, SendError::Unreachable { .. }), "{error:?}");
    let error = send(&*over("tcp", port, ""), &problem()).await.unwrap_err();
    assert!(matches!(error, SendError::Unreachable { .. }), "{error:?}");
    assert!(!error.is_permanent());
}

async fn heard<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) -> String {
    let mut heard = String::new();
    stream.read_to_string(&mut heard).await.unwrap();
    heard
}

#[tokio::test]
async fn over_tcp_and_tls_messages_are_framed_by_their_length() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let framed = format!("{} {}", expected().len(), expected());
    let server = async { heard(listener.accept().await.unwrap().0).await };
    let receiver = over("tcp", port, "");
    let message = problem();
    let (told, heard_there) = tokio::join!(send(&*receiver, &message), server);
    told.unwrap();
    assert_eq!(heard_there, framed);

    let (config, pem) = certificate();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, pem).unwrap();
    let acceptor = TlsAcceptor::from(Arc::clone(&config));
    let server = async {
        let stream = listener.accept().await.unwrap().0;
        heard(acceptor.accept(stream).await.unwrap()).await
    };
    let receiver = over("tls", port, &format!("ca_file: {}\n", file.display()));
    let (told, heard_there) = tokio::join!(send(&*receiver, &message), server);
    told.unwrap();
    assert_eq!(heard_there, framed);
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_ends_it_before_a_word_is_said() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = TlsAcceptor::from(certificate().0);
    let server = async { acceptor.accept(listener.accept().await.unwrap().0).await.is_err() };
    let receiver = over("tls", port, "");
    let message = problem();
    let (told, refused) = tokio::join!(send(&*receiver, &message), server);
    assert!(matches!(told.unwrap_err(), SendError::Untrusted { .. }));
    assert!(refused);
}

#[tokio::test]
async fn the_daemon_of_this_machine_gets_what_it_reads() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let receiver = read(&Syslog, &format!("path: {}\n", path.display()));
    let error = send(&*receiver, &problem()).await.unwrap_err();
    assert!(!error.is_permanent(), "the daemon may come back: {error:?}");
    let daemon = UnixDatagram::bind(&path).unwrap();
    send(&*receiver, &problem()).await.unwrap();
    let mut buffer = [0; 4096];
    let n_bytes = daemon.recv(&mut buffer).await.unwrap();
    let line = String::from_utf8_lossy(&buffer[..n_bytes]).into_owned();
    let text = "CRITICAL: db1 - cpu_monitor.cpu_percent = 95.0";
    assert_eq!(line, format!("<26>hark[{}]: {text}", std::process::id()));
}

#[tokio::test]
async fn text_is_one_bounded_line_and_values_cannot_end_their_quotes() {
    let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let receiver = over("udp", server.local_addr().unwrap().port(), "");
    let mut message = problem();
    message.key = "a\"]\\\nb".to_owned();
    message.summary = format!("grün\nrot {}", "x".repeat(5000));
    send(&*receiver, &message).await.unwrap();
    let mut buffer = [0; 9000];
    let n_bytes = server.recv(&mut buffer).await.unwrap();
    let line = String::from_utf8_lossy(&buffer[..n_bytes]).into_owned();
    assert!(line.contains("key=\"a\\\"\\]\\\\ b\""), "{line}");
    assert!(line.contains("] \u{feff}grün rot xxx"), "{line}");
    assert_eq!(line.len(), MAX_DATAGRAM);
}

#[test]
fn severities_are_those_of_syslog() {
    let of = |severity, reason| {
        let mut n = problem();
        (n.severity, n.reason) = (severity, reason);
        super::severity(&n)
    };
    assert_eq!(of(Severity::Critical, Reason::Problem), 2);
    assert_eq!(of(Severity::Warning, Reason::Problem), 4);
    assert_eq!(of(Severity::Unknown, Reason::Problem), 5);
    assert_eq!(of(Severity::Info, Reason::Recovery), 5);
    assert_eq!(of(Severity::Info, Reason::Event), 6);
}

#[test]
fn mistakes_are_shown() {
    let errors = mistakes(&Syslog, "transport: tcp\n");
    assert!(errors.contains("server"), "{errors}");
    let errors = mistakes(&Syslog, "facility: lokal0\n");
    assert!(errors.contains("local0"), "{errors}");
    let errors = mistakes(&Syslog, "app_name: my hark\n");
    assert!(errors.contains("visible ASCII"), "{errors}");
}

use std::sync::Arc;

use hark_conditions::Fact;
use hark_config::{Document, NoSecrets};
use hark_net::{Family, Resolver};
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

use super::*;

/// Starts a port that answers each datagram with its bytes backwards, after `deaf` were ignored.
async fn mirror(address: &str, mut deaf: usize) -> (u16, JoinSet<()>) {
    let socket = UdpSocket::bind(address).await.unwrap();
    let port = socket.local_addr().unwrap().port();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut buffer = [0; 2048];
        loop {
            let (n, from) = socket.recv_from(&mut buffer).await.unwrap();
            if deaf > 0 {
                deaf -= 1;
                continue;
            }
            buffer[..n].reverse();
            socket.send_to(&buffer[..n], from).await.unwrap();
        }
    });
    (port, tasks)
}

async fn look_at(settings: &str, family: Family) -> Finding {
    let document = Document::single(settings);
    let given = Given { family, ..Given::default() };
    let check = Udp.read(&document.root(&NoSecrets), given).unwrap();
    crate::run(&*check, &Context::new(Arc::new(Resolver::default()))).await.0
}

async fn look(port: u16, more: &str) -> Finding {
    look_at(&format!("address: 127.0.0.1\nport: {port}\n{more}"), Family::Either).await
}

#[tokio::test]
async fn what_comes_back_must_be_what_is_expected() {
    let (port, _tasks) = mirror("127.0.0.1:0", 0).await;
    let good = look(port, "send: 'ab\\x00c'\nexpect: 'c\\0b'\n").await;
    assert_eq!(good.status, Status::Ok, "{}", good.text);
    assert!(good.text.starts_with("4 bytes came back, "), "{}", good.text);
    assert_eq!(good.facts.get("answer_hex"), &Fact::Text("63006261".to_owned()));
    let other = look(port, "send: 'ab'\nexpect: 'ab'\n").await;
    assert_eq!(other.status, Status::Critical);
    assert!(other.text.starts_with("this came back: \"ba\""), "{}", other.text);
    assert_eq!(look(port, "send: x\n").await.status, Status::Ok, "anything will do");
}

#[tokio::test]
async fn a_lost_datagram_is_sent_again() {
    let (port, _tasks) = mirror("127.0.0.1:0", 1).await;
    let finding = look(port, "send: ab\ntimeout: 1s\n").await;
    assert_eq!(finding.status, Status::Ok, "{}", finding.text);
}

#[tokio::test]
async fn a_silent_port_and_a_closed_one_are_critical() {
    let (port, _tasks) = mirror("127.0.0.1:0", usize::MAX).await;
    let silent = look(port, "send: ab\ntimeout: 300ms\n").await;
    assert_eq!(silent.status, Status::Critical);
    assert!(silent.text.contains("nothing came back in time"), "{}", silent.text);
    let closed = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let refused = look(closed, "send: ab\n").await;
    assert_eq!(refused.status, Status::Critical);
    assert!(refused.text.contains("nobody listens there"), "{}", refused.text);
}

#[tokio::test]
async fn a_port_of_ipv6_alone_is_reached() {
    let (port, _tasks) = mirror("[::1]:0", 0).await;
    let settings = format!("address: '::1'\nport: {port}\nsend: ab\n");
    assert_eq!(look_at(&settings, Family::V6).await.status, Status::Ok);
    assert_eq!(look_at(&settings, Family::V4).await.status, Status::Unknown, "no such address");
}

#[test]
fn bytes_are_written_as_people_write_them() {
    assert_eq!(unescape("a\\x4a\\r\\n\\\\x").unwrap(), b"aJ\r\n\\x");
    assert_eq!(unescape("8\\x01B").unwrap(), b"8\x01B");
    for wrong in ["\\x4", "\\xzz", "\\q", "end\\", "\\xä1"] {
        assert!(unescape(wrong).is_err(), "{wrong}");
    }
}

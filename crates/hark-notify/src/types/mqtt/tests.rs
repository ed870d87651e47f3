use std::net::Ipv4Addr;

use hark_config::{Document, NoSecrets};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::samples;
use crate::types::tests::server::{mistakes, problem, read as receive, recovery, send};

/// A broker that answers as the test says, and what it heard.
async fn broker(answers: &[&[u8]]) -> (u16, impl Future<Output = Vec<u8>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let answers: Vec<Vec<u8>> = answers.iter().map(|answer| answer.to_vec()).collect();
    let talk = async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut heard = Vec::new();
        for answer in answers {
            hear(&mut stream, &mut heard).await;
            stream.write_all(&answer).await.unwrap();
        }
        let _ended = stream.read_to_end(&mut heard).await;
        heard
    };
    (port, talk)
}

async fn hear(stream: &mut TcpStream, heard: &mut Vec<u8>) {
    let mut packet = [0; 4096];
    let n_bytes = stream.read(&mut packet).await.unwrap();
    heard.extend_from_slice(&packet[..n_bytes]);
}

const WELCOME: &[u8] = &[0x20, 2, 0, 0];
const CONFIRMED: &[u8] = &[0x40, 2, 0, 1];

fn at(port: u16, more: &str) -> Box<dyn Receiver> {
    receive(&Mqtt, &format!("server: hook.test\nport: {port}\ntimeout: 5s\n{more}"))
}

fn packets(heard: &[u8]) -> Vec<Packet> {
    let mut heard = BytesMut::from(heard);
    std::iter::from_fn(|| Packet::read(&mut heard, MAX_PACKET).ok()).collect()
}

#[tokio::test]
async fn a_message_is_published_once_and_confirmed() {
    let (port, talk) = broker(&[WELCOME, CONFIRMED]).await;
    let text = format!(
        "server: hook.test\nport: {port}\nuser: hark\npassword: hush-hush\nclient: me\nretain: true\n"
    );
    let document = Document::single(&text);
    let receiver = Mqtt.read(&document.root(&NoSecrets)).unwrap();
    assert_eq!(receiver.warnings(), ["the password travels unprotected"]);
    let message = problem();
    let (told, heard) = tokio::join!(send(&*receiver, &message), talk);
    assert_eq!(told.unwrap().text, "confirmed by the broker");
    let [Packet::Connect(login), Packet::Publish(published), Packet::Disconnect] =
        &packets(&heard)[..]
    else {
        unreachable!("{:?}", packets(&heard))
    };
    assert_eq!(login.client_id, "me");
    assert!(login.clean_session && login.last_will.is_none());
    assert_eq!(login.login, Some(Login::new("hark", "hush-hush")));
    assert_eq!(published.topic, "hark/db1.example.net/cpu_monitor.cpu_percent");
    assert_eq!((published.qos, published.retain, published.dup), (QoS::AtLeastOnce, true, false));
    let content: serde_json::Value = serde_json::from_slice(&published.payload).unwrap();
    assert_eq!(content, render::document(&message, "https://hark.example.net"));
}

#[test]
fn the_state_is_kept_and_an_event_is_not() {
    let context = crate::types::tests::server::context();
    let broker = Broker {
        server: "hook.test".to_owned(),
        port: 1,
        topic: Template::parse(TOPIC).unwrap(),
        content: Template::parse("{{ status }}").ok(),
        is_retained: true,
        qos: QoS::AtMostOnce,
        client: None,
        login: None,
        tls: None,
        tls_name: String::new(),
        timeout: TIMEOUT,
    };
    let over = broker.message(&recovery(None), &context).unwrap();
    assert_eq!(
        (over.topic.as_str(), over.retain),
        ("hark/db1.example.net/cpu_monitor.cpu_percent", true)
    );
    assert_eq!(&over.payload[..], b"ok");
    let event = broker.message(&samples()[2], &context).unwrap();
    assert_eq!((event.topic.as_str(), event.retain), ("hark/db1.example.net/event", false));
}

#[tokio::test]
async fn refusals_and_broken_talks_are_told_apart() {
    let (port, talk) = broker(&[&[0x20, 2, 0, 4]]).await;
    let (receiver, message) = (at(port, ""), problem());
    let (told, _) = tokio::join!(send(&*receiver, &message), talk);
    let error = told.unwrap_err();
    assert_eq!(error.text(), "the broker refuses user or password");
    assert!(!error.is_permanent(), "passwords are put right");

    // It hangs up where it should confirm: the message may have arrived.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let receiver = at(listener.local_addr().unwrap().port(), "");
    let talk = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        hear(&mut stream, &mut Vec::new()).await;
        stream.write_all(WELCOME).await.unwrap();
        hear(&mut stream, &mut Vec::new()).await;
    };
    let (told, ()) = tokio::join!(send(&*receiver, &message), talk);
    assert!(told.unwrap_err().is_outcome_unknown());

    // No broker at all.
    let (port, talk) = broker(&[&[0x20, 2, 0, 99]]).await;
    let receiver = at(port, "");
    let (told, _) = tokio::join!(send(&*receiver, &message), talk);
    let error = told.unwrap_err();
    assert!(matches!(error, SendError::Broken { doing: Doing::Greeting, .. }), "{error:?}");
}

#[test]
fn mistakes_are_shown() {
    for (text, expected) in [
        ("topic: a/b\n", "server"),
        ("server: b\ntopic: 'a/+/{{ host }}'\n", "neither `+` nor `#`"),
        ("server: b\ntopic: '{{ hots }}'\n", "fields are"),
        ("server: b\nuser: a\n", "a user without `password`"),
        ("server: b\npassword: a\n", "a password without `user`"),
        ("server: b\nuser: a\npassword: b\n", "travels unprotected"),
        ("server: b\nqos: 2\n", "qos"),
    ] {
        let errors = mistakes(&Mqtt, text);
        assert!(errors.contains(expected), "{text}: {errors}");
    }
}

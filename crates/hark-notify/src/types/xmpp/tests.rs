use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use hark_net::Resolver;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::types::tests::server::{certificate, context, mistakes, problem, read};

/// What a server says to `heard`, and whether that ends the reading of it.
fn answer(heard: &str) -> String {
    if let Some((_, rest)) = heard.split_once("<iq type='") {
        let name = rest.split("id='").nth(1).and_then(|rest| rest.split('\'').next()).unwrap_or("");
        return format!("<iq type='result' id='{name}'/>");
    }
    if heard.contains("<auth ") {
        return "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>".to_owned();
    }
    if heard.contains("<stream:stream ") {
        return "<stream:stream xmlns='jabber:client' \
                xmlns:stream='http://etherx.jabber.org/streams' id='1' version='1.0'>\
                <stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>\
                <mechanism>PLAIN</mechanism></mechanisms></stream:features>"
            .to_owned();
    }
    // Rooms are entered and never answer.
    match heard.split_once("<presence to='").and_then(|(_, rest)| rest.split_once('\'')) {
        Some((to, _)) if !heard.contains("unavailable") => {
            format!("<presence from='{to}'><x><status code='110'/></x></presence>")
        }
        Some(_) | None => String::new(),
    }
}

/// Starts a server that takes what is said to people, and has rooms that never repeat what they are told.
async fn server_with_mute_rooms() -> (u16, Arc<Mutex<String>>, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = TlsAcceptor::from(certificate().0);
    let said = Arc::new(Mutex::new(String::new()));
    let mut tasks = JoinSet::new();
    let all = Arc::clone(&said);
    tasks.spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut part = vec![0; 65_536];
            while let Ok(n_bytes) = stream.read(&mut part).await
                && n_bytes > 0
            {
                let heard = String::from_utf8_lossy(&part[..n_bytes]).into_owned();
                all.lock().unwrap().push_str(&heard);
                if stream.write_all(answer(&heard).as_bytes()).await.is_err() {
                    break;
                }
            }
        }
    });
    (port, said, tasks)
}

#[tokio::test]
async fn a_room_that_does_not_answer_repeats_nothing_to_those_who_were_told() {
    let (port, said, _tasks) = server_with_mute_rooms().await;
    let text = format!(
        "jid: hark@example.net\npassword: x\nserver: hook.test\nport: {port}\nsecurity: tls\n\
         insecure: true\nto: mira@example.net\nrooms: [a@rooms.test, b@rooms.test]\ntimeout: 400ms\n"
    );
    let receiver = read(&Xmpp, &text);
    let told = |to: &str| said.lock().unwrap().matches(&format!("<message to='{to}'")).count();
    for n_tries in 1..=2 {
        let error = receiver.send(&problem(), &context()).await.unwrap_err();
        assert!(matches!(error, SendError::Partly { .. }), "{error:?}");
        assert_eq!(told("mira@example.net"), 1, "after {n_tries} tries: {}", said.lock().unwrap());
    }
    assert_eq!([told("a@rooms.test"), told("b@rooms.test")], [1, 1], "each room has its turn");
}

/// Answers questions for services of `name` with these ports of this machine, in the order of their
/// priorities; it knows nothing else.
async fn name_server(name: &'static str, ports: Vec<u16>) -> (SocketAddr, JoinSet<()>) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let asked: Vec<u8> = name
            .split('.')
            .flat_map(|label| [&[u8::try_from(label.len()).unwrap()], label.as_bytes()].concat())
            .chain([0, 0, 33, 0, 1])
            .collect();
        let mut question = [0; 512];
        loop {
            let (n_bytes, from) = socket.recv_from(&mut question).await.unwrap();
            let question = &question[..n_bytes];
            let is_known = question[12..] == asked[..];
            // An answer, to what was asked recursively; without the name there is an error 3.
            let flags = if is_known { [0x81, 0x80] } else { [0x81, 0x83] };
            let n_answers = if is_known { u8::try_from(ports.len()).unwrap() } else { 0 };
            let head = [&question[..2], &flags, &[0, 1, 0, n_answers, 0, 0, 0, 0]].concat();
            let mut answer = [&head, &question[12..]].concat();
            for (place, port) in ports.iter().take(n_answers.into()).enumerate() {
                // The name of the question, SRV, a minute; priority, weight, port and `localhost`.
                answer.extend([0xC0, 12, 0, 33, 0, 1, 0, 0, 0, 60, 0, 17]);
                answer.extend([0, u8::try_from(place).unwrap(), 0, 0]);
                answer.extend(port.to_be_bytes());
                answer.extend(b"\x09localhost\0");
            }
            socket.send_to(&answer, from).await.unwrap();
        }
    });
    (address, tasks)
}

fn asking(server: SocketAddr) -> Context {
    Context { resolve: Arc::new(Resolver::asking(&[server])), ..context() }
}

#[tokio::test]
async fn the_server_is_the_first_of_those_that_the_domain_names_which_answers() {
    let (port, said, _tasks) = server_with_mute_rooms().await;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dead = closed.local_addr().unwrap().port();
    drop(closed);
    let (names, _names) = name_server("_xmpps-client._tcp.hark.test", vec![dead, port]).await;
    let text = "jid: hark@hark.test\npassword: x\nsecurity: tls\ninsecure: true\n\
                to: mira@example.net\n";
    let receiver = read(&Xmpp, text);
    receiver.send(&problem(), &asking(names)).await.unwrap();
    let said = said.lock().unwrap();
    assert!(said.contains("<message to='mira@example.net'"), "{said}");
    assert!(said.contains("to='hark.test'"), "the server is asked for the domain: {said}");
}

#[tokio::test]
async fn a_domain_that_names_no_server_is_one_itself_and_a_written_server_is_not_asked_for() {
    let (port, said, _tasks) = server_with_mute_rooms().await;
    let (names, _names) = name_server("_xmpps-client._tcp.other.test", vec![1]).await;
    let told = || said.lock().unwrap().matches("<message to='mira@example.net'").count();
    // Nobody listens at the usual port of this machine: that it is tried shows in the error.
    let text = "jid: hark@localhost\npassword: x\nsecurity: tls\ninsecure: true\n\
                to: mira@example.net\ntimeout: 5s\n";
    let error = read(&Xmpp, text).send(&problem(), &asking(names)).await.unwrap_err();
    assert!(error.to_string().contains("5223"), "{error}");
    // A written port is taken although the domain names a server.
    let text = format!("{}port: {port}\n", text.replace("@localhost", "@other.localhost"));
    read(&Xmpp, &text).send(&problem(), &asking(names)).await.unwrap();
    assert_eq!(told(), 1);
}

#[test]
fn mistakes_are_shown() {
    let good = Xmpp.example();
    for (from, to, expected) in [
        ("jid: hark@example.net", "jid: hark", "an address is `NAME@DOMAIN`"),
        ("to: [mira@example.net]", "to: [mira@example.net/phone]", "NAME@DOMAIN"),
        ("to: [mira@example.net]\nrooms: [ops@rooms.example.net]\n", "", "nobody would get"),
        ("password: correct-horse\n", "", "password"),
        ("password: correct-horse\n", "password: x\nsecurity: none\n", "starttls"),
    ] {
        let errors = mistakes(&Xmpp, &good.replace(from, to));
        assert!(errors.contains(expected), "{from}: {errors}");
    }
    let many: Vec<_> = (0..=MAX_RECIPIENTS).map(|n| format!("p{n}@example.net")).collect();
    let text = good.replace("mira@example.net", &many.join(", "));
    assert!(mistakes(&Xmpp, &text).contains("at most 50"), "{}", mistakes(&Xmpp, &text));
}

#[test]
fn addresses_are_compared_without_repeats() {
    let (user, domain) = read_address("Mira@Example.net").unwrap();
    assert_eq!((user.as_str(), domain.as_str()), ("Mira", "Example.net"));
    for wrong in ["@example.net", "a b@example.net", "a@", "a@b@c", "", "a@b/c"] {
        assert!(read_address(wrong).is_err(), "{wrong}");
    }
}

//! Feeds bytes to everything that reads datagrams. The first byte says what the rest is.

use std::net::{IpAddr, Ipv4Addr};

use hark_model::name::HostName;
use hark_model::time::{Micros, Now};
use hark_proto::body::Preamble;
use hark_proto::header::{HEADER, Header, Kind};
use hark_proto::{
    Body, ClientSession, Content, Fetch, Identity, MAX_DATAGRAM, MIN_REQUEST, Paper, Piece, Reply,
    ServerSession, SessionKeys, SetAssembler, TAG, decode,
};

const AT: Micros = Micros(10_000_000);
const SESSION: u64 = 1000;

/// Must end without a panic for any input.
pub(crate) fn run(input: &[u8]) {
    let Some((&mode, rest)) = input.split_first() else { return };
    let identity = Identity::simple(b"fuzz", HostName::new("host").expect("a good name"));
    match mode % 8 {
        // As it is, from the network.
        0 => {
            let mut server = ServerSession::new(0, None);
            let mut datagram = rest.to_vec();
            let from = IpAddr::V4(Ipv4Addr::LOCALHOST);
            assert!(server.open(&identity.key, &mut datagram, from, AT).is_err(), "forged");
        }
        // And so may a server.
        1 if mode / 8 % 2 == 1 => reply(&identity, Kind::ALL[6 + usize::from(mode / 16) % 4], rest),
        1 => {
            let mut client = ClientSession::begin(identity, SESSION, AT);
            assert!(client.open(&mut rest.to_vec(), Now::default(), AT).is_err(), "forged");
        }
        // Sealed by somebody who has the key: an agent may be malicious.
        2 => sealed(&identity, Kind::ALL[usize::from(mode / 8) % 6], rest),
        7 if mode / 8 % 2 == 1 => content(Kind::Fetch, rest),
        number => content(Kind::ALL[usize::from(number - 3)], rest),
    }
}

fn sealed(identity: &Identity, kind: Kind, plain: &[u8]) {
    let mut datagram = Vec::new();
    Header { kind, agent: identity.agent, session: SESSION, counter: 1 }.write(&mut datagram);
    if kind == Kind::Hello {
        datagram.push(0);
    }
    let clear = datagram.len();
    datagram.extend_from_slice(plain);
    datagram.resize(datagram.len().max(MIN_REQUEST - TAG), 0);
    SessionKeys::derive(&identity.key, SESSION).to_server.seal(1, clear, &mut datagram);
    let fits = datagram.len() <= MAX_DATAGRAM;
    let mut server = ServerSession::new(0, None);
    let from = IpAddr::V4(Ipv4Addr::LOCALHOST);
    match server.open(&identity.key, &mut datagram, from, AT) {
        Ok(received) => content(kind, received.content),
        Err(_) => assert!(!fits || plain.len() + HEADER + TAG < 16, "a sealed one opens"),
    }
}

/// Whatever a server says, an agent keeps its session until one is needed.
fn reply(identity: &Identity, kind: Kind, plain: &[u8]) {
    let mut client = ClientSession::begin(identity.clone(), SESSION, AT);
    let mut sent = Vec::new();
    let question = Fetch { paper: Paper::Configuration(1), offset: 0 };
    client.seal(&question.encode(), 1, Now::default(), AT, &mut sent).expect("the first one fits");
    let mut datagram = Vec::new();
    Header { kind, agent: identity.agent, session: SESSION, counter: 1 }.write(&mut datagram);
    let clear = datagram.len();
    datagram.extend_from_slice(plain);
    SessionKeys::derive(&identity.key, SESSION).to_agent.seal(1, clear, &mut datagram);
    if let Ok(Reply::Piece(piece)) = client.open(&mut datagram, Now::default(), AT) {
        let mut again = Vec::new();
        piece.write(&mut again);
        assert_eq!(Piece::read(&again).as_ref(), Ok(&piece));
    }
    assert_eq!(client.session(), SESSION);
}

fn content(kind: Kind, bytes: &[u8]) {
    match decode(kind, bytes) {
        Ok(Body::Beat(beat)) => frames(beat.frames),
        Ok(Body::Backlog(backlog)) => frames(backlog.frames),
        Ok(Body::Sets(part)) => {
            let mut assembler = SetAssembler::default();
            if let Some((set, series)) = assembler.add(part) {
                for content in hark_proto::split_set(set, &series).expect("a decoded set is sound")
                {
                    assert!(decode(Kind::Sets, content.bytes()).is_ok());
                }
            }
        }
        Ok(Body::Hello(hello)) => {
            if let Ok(content) = hello.encode() {
                assert_eq!(decode(Kind::Hello, content.bytes()), Ok(Body::Hello(hello)));
            }
        }
        Ok(Body::Report(report)) => {
            let mut builder = hark_proto::ReportBuilder::new(report.epoch);
            for (number, item) in &report.items {
                let full = Some(hark_proto::body::Pushed::Full);
                if item.as_ref().map(|item| builder.push(*number, item)) == full {
                    break;
                }
            }
            assert!(decode(Kind::Report, builder.finish().bytes()).is_ok());
        }
        Ok(Body::Fetch(fetch)) => {
            assert_eq!(decode(Kind::Fetch, fetch.encode().bytes()), Ok(Body::Fetch(fetch)));
        }
        Err(_) => {}
    }
    // What a spool gives back is checked the same way.
    let taken = Content::from_parts(kind, bytes.to_vec());
    assert!(taken.is_err() || decode(kind, bytes).is_ok());
    assert_eq!(Preamble::read(bytes).is_ok(), bytes.len() >= 16);
}

fn frames(frames: hark_proto::Frames<'_>) {
    let promised = frames.len();
    let mut read = 0;
    for frame in frames {
        read += 1;
        let sound = hark_model::frame::check_values(frame.values, 33).is_ok();
        assert!(!sound || frame.values.len() >= 33, "an item has at least one byte");
    }
    assert_eq!(read, promised);
}

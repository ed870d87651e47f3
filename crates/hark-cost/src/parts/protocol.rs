//! A heartbeat's way over the wire, on both sides.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use hark_model::frame::{ValueReader, encode_values};
use hark_model::name::HostName;
use hark_model::time::{Micros, Mono, Now, Unix};
use hark_proto::{
    AckFacts, AgentKey, BeatBuilder, Body, ClientSession, Content, Identity, Refused,
    ServerSession, decode, peek,
};

use super::made_up::{self, Walk};
use super::{Part, Turn};

/// The values of one heartbeat to bytes, as an agent does it.
pub(super) const ENCODE: Part = Part {
    name: "protocol.encode",
    what: "33 values to the bytes of a frame",
    turns: 20_000,
    begin: encode,
};

/// A datagram that is accepted: window, opening, reading of each value.
pub(super) const OPEN: Part = Part {
    name: "protocol.open",
    what: "a sealed heartbeat of 33 values: window, opened, each value read",
    turns: 10_000,
    begin: open,
};

/// Both sides of a heartbeat that is answered.
pub(super) const ANSWERED: Part = Part {
    name: "protocol.answered",
    what: "a heartbeat sealed, opened, acknowledged, and the acknowledgement opened",
    turns: 10_000,
    begin: answered,
};

/// A datagram of a known agent that does not authenticate.
pub(super) const FORGED: Part = Part {
    name: "protocol.forged",
    what: "a datagram of an open session that does not authenticate",
    turns: 10_000,
    begin: forged,
};

/// A datagram that came before.
pub(super) const REPLAYED: Part = Part {
    name: "protocol.replayed",
    what: "a datagram that was accepted before",
    turns: 20_000,
    begin: replayed,
};

const HOME: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const SESSION: u64 = 1_795_200_000_123;

/// The two ends of one session, with no network between them.
struct Ends {
    identity: Identity,
    client: ClientSession,
    server: ServerSession,
    content: Content,
    turn: u64,
}

impl Ends {
    fn new() -> Self {
        let name = HostName::new("db-1.example.net").expect("a good name");
        let identity = Identity::simple(b"for this measurement only", name);
        let mut walk = Walk::new(1);
        walk.step();
        let mut values = Vec::new();
        encode_values(&made_up::series(), &walk.values, &mut values);
        let mut beat = BeatBuilder::new(15_000, Some(400));
        assert!(beat.push(1, Unix(1_795_200_000_000), &values), "one frame fits");
        let server = ServerSession::new(0, Some(HOME));
        let client = ClientSession::begin(identity.clone(), SESSION, Self::at(0));
        Self { identity, client, server, content: beat.finish(), turn: 0 }
    }

    fn at(turn: u64) -> Micros {
        Micros(3_600_000_000 + turn * 15_000_000)
    }

    fn now(turn: u64) -> Now {
        let ms = turn * 15_000;
        Now {
            mono: Mono(3_600_000 + ms),
            unix: Unix(1_795_200_000_000 + i64::try_from(ms).unwrap_or_default()),
        }
    }

    fn key(&self) -> AgentKey {
        self.identity.key.clone()
    }

    /// Seals the next heartbeat.
    fn seal(&mut self, out: &mut Vec<u8>) {
        self.turn += 1;
        let (now, at) = (Self::now(self.turn), Self::at(self.turn));
        self.client.seal(&self.content, self.turn, now, at, out).expect("there is room");
    }

    /// Answers it, so that there is room for more.
    fn answer(&mut self, counter: u64, out: &mut Vec<u8>) {
        let (now, at) = (Self::now(self.turn), Self::at(self.turn));
        self.server.persisted(SESSION);
        self.server.stored(SESSION, counter);
        let facts = AckFacts { now, ..AckFacts::default() };
        assert!(self.server.ack(self.identity.agent, &facts, at, out), "an answer is due");
        black_box(self.client.open(out, now, at)).expect("our own answer");
    }

    /// Seals so many heartbeats that no server has seen yet, after one that opened its session.
    fn sealed(&mut self, turns: u32) -> (ServerSession, Vec<Vec<u8>>) {
        let mut fresh = ServerSession::new(0, Some(HOME));
        let key = self.key();
        let (mut datagram, mut answer) = (Vec::new(), Vec::new());
        let mut all = Vec::new();
        for turn in 0..=turns {
            self.seal(&mut datagram);
            let mut copy = datagram.clone();
            let at = Self::at(self.turn);
            let counter =
                self.server.open(&key, &mut copy, HOME, at).expect("our own").header.counter;
            self.answer(counter, &mut answer);
            if turn == 0 {
                fresh.open(&key, &mut datagram.clone(), HOME, at).expect("our own");
            } else {
                all.push(datagram.clone());
            }
        }
        (fresh, all)
    }
}

/// Opens a datagram and reads each of its values.
fn take(server: &mut ServerSession, key: &AgentKey, datagram: &mut [u8], at: Micros) -> f64 {
    let received = server.open(key, datagram, HOME, at).expect("our own");
    let Ok(Body::Beat(beat)) = decode(received.header.kind, received.content) else {
        unreachable!("a heartbeat was sealed")
    };
    let frames = beat.frames.clone();
    let mut sum = 0.0;
    for frame in frames {
        for item in ValueReader::new(frame.values).flatten() {
            sum += hark_model::frame::scale(item, 1);
        }
    }
    sum
}

fn encode(_turns: u32) -> Turn {
    let series = made_up::series();
    let mut walk = Walk::new(1);
    let mut out = Vec::with_capacity(512);
    Box::new(move || {
        walk.step();
        out.clear();
        encode_values(&series, black_box(&walk.values), &mut out);
        black_box(&out);
    })
}

fn open(turns: u32) -> Turn {
    let mut ends = Ends::new();
    let key = ends.key();
    let (mut server, sealed) = ends.sealed(turns);
    let mut sealed = sealed.into_iter();
    let mut turn = 1;
    Box::new(move || {
        turn += 1;
        // Who times it asks for more turns than were prepared: these do nothing.
        let Some(mut datagram) = sealed.next() else { return };
        black_box(take(&mut server, &key, &mut datagram, Ends::at(turn)));
    })
}

fn answered(_turns: u32) -> Turn {
    let mut ends = Ends::new();
    let key = ends.key();
    let (mut datagram, mut answer) = (Vec::new(), Vec::new());
    Box::new(move || {
        ends.seal(&mut datagram);
        let at = Ends::at(ends.turn);
        let counter = ends.server.open(&key, &mut datagram, HOME, at).expect("our own");
        let counter = counter.header.counter;
        ends.answer(counter, &mut answer);
    })
}

fn forged(_turns: u32) -> Turn {
    let mut ends = Ends::new();
    let key = ends.key();
    let (mut server, sealed) = ends.sealed(1);
    let mut forged = sealed.into_iter().next().expect("one was sealed");
    if let Some(last) = forged.last_mut() {
        *last ^= 1;
    }
    let mut datagram = Vec::with_capacity(forged.len());
    Box::new(move || {
        datagram.clear();
        datagram.extend_from_slice(&forged);
        let refused = server.open(&key, &mut datagram, HOME, Ends::at(2));
        assert!(matches!(refused, Err(Refused::Forged)), "it must be refused");
    })
}

fn replayed(_turns: u32) -> Turn {
    let mut ends = Ends::new();
    let key = ends.key();
    let (mut server, sealed) = ends.sealed(1);
    let mut datagram = sealed.into_iter().next().expect("one was sealed");
    server.open(&key, &mut datagram.clone(), HOME, Ends::at(1)).expect("our own");
    Box::new(move || {
        black_box(peek(&datagram)).expect("well-formed");
        let refused = server.open(&key, &mut datagram, HOME, Ends::at(2));
        assert!(matches!(refused, Err(Refused::Replayed)), "it must be refused");
    })
}

//! The two machines against each other.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use hark_model::name::HostName;
use proptest::prelude::*;

use super::*;
use crate::body::{BacklogBuilder, BeatBuilder, Content, Hello, MAX_WANTED};
use crate::client::{ClientSession, Identity, MAX_WAITING, Reply, SealError, next_session};
use crate::{Body, MAX_DATAGRAM, MAX_REPLY, MIN_REQUEST, decode};

const HOME: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const AWAY: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1));

fn identity() -> Identity {
    Identity::simple(b"secret", HostName::new("db-1").unwrap())
}

fn now(at: Micros) -> Now {
    Now { mono: at.mono(), unix: Unix(1_700_000_000_000) + Duration::from_micros(at.0) }
}

fn secs(seconds: u64) -> Micros {
    Micros(seconds * 1_000_000)
}

fn beat() -> Content {
    BeatBuilder::new(10_000, None).finish()
}

/// Shows all of a session but how many attempts are left.
fn but_for_limits(server: &ServerSession) -> String {
    let full = ServerSession::new(0, None);
    let ServerSession { attempts, attempts_at_home, resets, .. } = full;
    format!("{:?}", ServerSession { attempts, attempts_at_home, resets, ..server.clone() })
}

/// One agent and its server, talking at once.
struct Pair {
    client: ClientSession,
    server: ServerSession,
    at: Micros,
}

impl Pair {
    fn new() -> Self {
        let at = secs(1000);
        Self {
            client: ClientSession::begin(identity(), 100, at),
            server: ServerSession::new(0, None),
            at,
        }
    }

    fn sealed(&mut self, content: &Content, token: u64) -> Vec<u8> {
        let mut out = Vec::new();
        self.client.seal(content, token, now(self.at), self.at, &mut out).unwrap();
        out
    }

    fn receive(&mut self, datagram: &[u8]) -> Result<(Header, bool, bool), Refused> {
        self.receive_from(datagram, HOME)
    }

    fn receive_from(
        &mut self,
        datagram: &[u8],
        from: IpAddr,
    ) -> Result<(Header, bool, bool), Refused> {
        let mut copy = datagram.to_vec();
        let received = self.server.open(&identity().key, &mut copy, from, self.at)?;
        Ok((received.header, received.opened, received.moved))
    }

    /// Syncs, stores and acknowledges.
    fn ack(&mut self, header: Header) -> Vec<u8> {
        if let Some(session) = self.server.to_persist() {
            self.server.persisted(session);
        }
        self.server.stored(header.session, header.counter);
        let mut out = Vec::new();
        let facts = AckFacts { now: now(self.at), ..AckFacts::default() };
        assert!(self.server.ack(header.agent, &facts, self.at, &mut out));
        out
    }

    fn reset(&mut self, header: Header) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let key = identity().key;
        self.server.reset(&key, &header, [7; SALT], self.at, &mut out).then_some(out)
    }
}

#[test]
fn what_is_stored_is_acknowledged_with_round_trip_and_clock() {
    let mut pair = Pair::new();
    let datagram = pair.sealed(&beat(), 5);
    assert_eq!(datagram.len(), MIN_REQUEST, "an empty heartbeat is padded");
    let (header, opened, moved) = pair.receive(&datagram).unwrap();
    assert!(opened && moved);
    pair.at = Micros(pair.at.0 + 80_000);
    let mut ack = pair.ack(header);
    assert!(ack.len() <= MAX_REPLY);
    let later = Micros(pair.at.0 + 2_000);
    let Ok(Reply::Acked(acked)) = pair.client.open(&mut ack, now(later), later) else {
        panic!("not acknowledged")
    };
    assert_eq!(acked.stored, [5]);
    assert_eq!(acked.rtt_us, 2_000, "the time the server held it does not count");
    assert_eq!(acked.clock_offset_ms, -1, "received when sent, minus half a round trip");
    assert_eq!(pair.client.n_waiting(), 0);
}

#[test]
fn what_could_not_be_stored_is_answered_but_not_acknowledged() {
    let mut pair = Pair::new();
    let sealed = pair.sealed(&beat(), 7);
    let (header, ..) = pair.receive(&sealed).unwrap();
    pair.server.persisted(header.session);
    pair.server.received(header.session);
    let mut out = Vec::new();
    let facts =
        AckFacts { now: now(pair.at), flags: AckFlags::HISTORY_STOPPED, ..AckFacts::default() };
    assert!(pair.server.ack(header.agent, &facts, pair.at, &mut out));
    let Reply::Acked(acked) = pair.client.open(&mut out, now(pair.at), pair.at).unwrap() else {
        panic!("an acknowledgement was sent");
    };
    assert_eq!(acked.stored, []);
    assert!(acked.flags.has(AckFlags::HISTORY_STOPPED));
}

#[test]
fn loss_is_the_share_that_never_arrived() {
    let mut pair = Pair::new();
    assert_eq!(pair.server.loss(), None);
    for token in 0..10 {
        let sealed = pair.sealed(&beat(), token);
        if token != 4 {
            pair.receive(&sealed).unwrap();
        }
    }
    assert!((pair.server.loss().unwrap() - 0.1).abs() < 1e-9);
}

#[test]
fn nothing_is_answered_before_the_session_is_synced() {
    let mut pair = Pair::new();
    let datagram = pair.sealed(&beat(), 1);
    let (header, ..) = pair.receive(&datagram).unwrap();
    pair.server.stored(header.session, header.counter);
    let mut out = Vec::new();
    assert!(!pair.server.ack_due());
    assert!(!pair.server.ack(header.agent, &AckFacts::default(), pair.at, &mut out));
    assert!(!pair.server.want_sets(header.agent, &[1], &mut out));
    assert_eq!(pair.server.to_persist(), Some(100));
    pair.server.persisted(100);
    assert!(pair.server.ack_due());
    assert!(pair.server.want_sets(header.agent, &[1; 100], &mut out));
    let reply = pair.client.open(&mut out, now(pair.at), pair.at);
    assert_eq!(reply, Ok(Reply::WantSets(vec![1; MAX_WANTED])));
}

#[test]
fn a_replay_is_refused_now_and_after_a_restart() {
    let mut pair = Pair::new();
    let captured = pair.sealed(&beat(), 1);
    let (header, ..) = pair.receive(&captured).unwrap();
    pair.ack(header);
    let before = pair.server.clone();
    assert_eq!(pair.receive_from(&captured, AWAY), Err(Refused::Replayed));
    assert_eq!(pair.server.address(), Some(HOME));
    assert_eq!(format!("{before:?}"), format!("{:?}", pair.server), "nothing changed");
    pair.server = ServerSession::new(pair.server.highest(), Some(HOME));
    assert_eq!(pair.receive(&captured), Err(Refused::Stale));
    assert_eq!(pair.server.session(), None);
}

#[test]
fn a_reset_leads_to_a_higher_session_and_everything_again() {
    let mut pair = Pair::new();
    for token in [1, 2] {
        pair.sealed(&beat(), token);
    }
    // The clock of the server's store is years ahead: an agent that lost its disk must catch up.
    pair.server = ServerSession::new(5_000, None);
    let datagram = pair.sealed(&beat(), 3);
    assert_eq!(pair.receive(&datagram), Err(Refused::Stale));
    let header = peek(&datagram).unwrap().header;
    let mut reset = pair.reset(header).unwrap();
    assert!(reset.len() <= MIN_REQUEST);
    let reply = pair.client.open(&mut reset, now(pair.at), pair.at);
    assert_eq!(reply, Ok(Reply::Reset { highest: 5_000 }));
    let session = next_session(Unix(200), pair.client.session(), 5_000);
    assert_eq!(pair.client.renew(session, pair.at), [1, 2, 3]);
    let datagram = pair.sealed(&beat(), 1);
    assert!(pair.receive(&datagram).unwrap().1);
}

#[test]
fn a_reset_is_believed_only_for_what_was_sent_in_this_session() {
    let mut pair = Pair::new();
    let datagram = pair.sealed(&beat(), 1);
    let header = peek(&datagram).unwrap().header;
    let mut old = pair.reset(Header { session: 99, ..header }).unwrap();
    assert_eq!(pair.client.open(&mut old, now(pair.at), pair.at), Err(Refused::Stale));
    let mut unsent = pair.reset(Header { counter: 2, ..header }).unwrap();
    assert_eq!(pair.client.open(&mut unsent, now(pair.at), pair.at), Err(Refused::Header));
    let mut forged = pair.reset(header).unwrap();
    forged[30] ^= 1;
    assert_eq!(pair.client.open(&mut forged, now(pair.at), pair.at), Err(Refused::Forged));
}

#[test]
fn resets_and_attempts_from_strangers_are_limited() {
    let mut pair = Pair::new();
    let datagram = pair.sealed(&beat(), 1);
    let (header, ..) = pair.receive(&datagram).unwrap();
    let given = (0..100).filter(|_| pair.reset(header).is_some()).count();
    assert_eq!(given, 4);
    let mut forged = datagram.clone();
    forged[17] = 0xff;
    let limited = (0..100).filter(|_| pair.receive_from(&forged, AWAY) == Err(Refused::Limited));
    assert!(limited.count() > 80);
    let limited = (0..100).filter(|_| pair.receive_from(&forged, HOME) == Err(Refused::Limited));
    assert_eq!(limited.count(), 36, "an address can be forged as well");
    pair.at = Micros(pair.at.0 + 1_000_000);
    while pair.receive_from(&forged, AWAY) != Err(Refused::Limited) {}
    // Strangers have used up the attempts; the agent at its known address is not kept out.
    pair.client.renew(200, pair.at);
    let datagram = pair.sealed(&beat(), 2);
    assert!(pair.receive(&datagram).unwrap().1);
}

#[test]
fn a_new_address_is_taken_after_authentication() {
    let mut pair = Pair::new();
    let (first, second, third) =
        (pair.sealed(&beat(), 1), pair.sealed(&beat(), 2), pair.sealed(&beat(), 3));
    pair.receive(&first).unwrap();
    let mut forged = second.clone();
    forged[40] ^= 1;
    assert_eq!(pair.receive_from(&forged, AWAY), Err(Refused::Forged));
    assert_eq!(pair.server.address(), Some(HOME));
    assert!(pair.receive_from(&second, AWAY).unwrap().2);
    assert_eq!((pair.server.address(), pair.server.flaps()), (Some(AWAY), 0));
    assert!(pair.receive_from(&third, HOME).unwrap().2);
    assert_eq!(pair.server.flaps(), 1);
}

#[test]
fn two_agents_with_one_key_are_noticed_and_one_agent_never_is() {
    let mut pair = Pair::new();
    let mut clone = ClientSession::begin(identity(), 150, pair.at);
    let mut session = 150;
    let mut turn = |pair: &mut Pair, client: &mut ClientSession| {
        pair.at = Micros(pair.at.0 + 10_000_000);
        let mut out = Vec::new();
        client.seal(&beat(), 1, now(pair.at), pair.at, &mut out).unwrap();
        if pair.receive(&out) == Err(Refused::Stale) {
            session += 1;
            client.renew(session, pair.at);
            client.seal(&beat(), 1, now(pair.at), pair.at, &mut out).unwrap();
            pair.receive(&out).unwrap();
        }
    };
    let mut original = pair.client.clone();
    for _ in 0..5 {
        turn(&mut pair, &mut original);
        turn(&mut pair, &mut clone);
    }
    assert!(pair.server.duplicates() >= 8, "{}", pair.server.duplicates());

    let mut alone = Pair::new();
    let late = alone.sealed(&beat(), 1);
    let first = alone.sealed(&beat(), 2);
    alone.receive(&first).unwrap();
    alone.client.renew(200, alone.at);
    let second = alone.sealed(&beat(), 3);
    alone.receive(&second).unwrap();
    alone.at = Micros(alone.at.0 + 60_000_000);
    for replay in [&late, &first, &second] {
        assert!(alone.receive(replay).is_err());
    }
    assert_eq!(alone.server.duplicates(), 0);
}

#[test]
fn heartbeats_find_room_when_bulk_waits() {
    let mut pair = Pair::new();
    let bulk = BacklogBuilder::new().finish();
    let mut out = Vec::new();
    let at = pair.at;
    let mut seal = |client: &mut ClientSession, content: &Content| {
        client.seal(content, 1, now(at), at, &mut out)
    };
    while seal(&mut pair.client, &bulk).is_ok() {}
    for _ in 0..MAX_WAITING - crate::client::MAX_WAITING_BULK {
        assert!(seal(&mut pair.client, &beat()).is_ok());
    }
    assert_eq!(seal(&mut pair.client, &beat()), Err(SealError::Full));
    let due = pair.client.next_timeout().unwrap();
    assert!(due.since(at) >= 1_000_000 && due.since(at) <= 1_250_000);
    assert_eq!(pair.client.overdue(secs(10_000)).len(), MAX_WAITING);
    assert_eq!(pair.client.next_timeout(), None);
}

#[test]
fn the_longest_hello_and_its_content_fit() {
    let name = "x".repeat(253);
    let mut hello = Hello {
        host: HostName::new(&name).unwrap(),
        version: String::new(),
        interval_ms: 1,
        epoch: u64::MAX,
        booted_at: Some(Unix(i64::MAX)),
        started_at: Unix(i64::MAX),
        sets: Vec::new(),
        facts: BTreeMap::new(),
    };
    let content = loop {
        let longer = Hello { version: format!("{}x", hello.version), ..hello.clone() };
        match longer.encode() {
            Ok(_) => hello = longer,
            Err(_) => break hello.encode().unwrap(),
        }
    };
    let identity = Identity::simple(b"secret", HostName::new(&name).unwrap());
    let mut client = ClientSession::begin(identity.clone(), 1, secs(1));
    let mut out = Vec::new();
    client.seal(&content, 1, now(secs(1)), secs(1), &mut out).unwrap();
    assert_eq!(out.len(), MAX_DATAGRAM);
    assert_eq!(peek(&out).unwrap().name, Some(&*name));
    let mut server = ServerSession::new(0, None);
    let received = server.open(&identity.key, &mut out, HOME, secs(1)).unwrap();
    assert_eq!(decode(Kind::Hello, received.content), Ok(Body::Hello(hello)));
}

#[test]
fn a_heartbeat_with_33_values_is_about_160_bytes() {
    let values: Vec<u8> =
        (0..33).flat_map(|n| [0xd0, 0x1a + n % 3, 4][..2 + n as usize % 2].to_vec()).collect();
    let mut builder = BeatBuilder::new(10_000, Some(300));
    assert!(builder.push(1, Unix(1_700_000_000_000), &values));
    let length = Pair::new().sealed(&builder.finish(), 1).len();
    assert!((110..=180).contains(&length), "{length}");
}

#[test]
fn a_session_is_some_hundred_bytes() {
    assert!(size_of::<ServerSession>() <= 520, "{}", size_of::<ServerSession>());
}

#[derive(Clone, Debug)]
enum Step {
    Send,
    /// Deliver the datagram at this place among those on the way; keep a copy on the way or not.
    ToServer(prop::sample::Index, bool),
    ToAgent(prop::sample::Index, bool),
    Lose(prop::sample::Index),
    LoseReply(prop::sample::Index),
    Commit,
    Wait(u64),
    Restart,
    Overdue,
}

fn step() -> impl Strategy<Value = Step> {
    let place = any::<prop::sample::Index>;
    prop_oneof![
        6 => Just(Step::Send),
        8 => (place(), prop::bool::weighted(0.2)).prop_map(|(i, copy)| Step::ToServer(i, copy)),
        8 => (place(), prop::bool::weighted(0.2)).prop_map(|(i, copy)| Step::ToAgent(i, copy)),
        2 => place().prop_map(Step::Lose),
        2 => place().prop_map(Step::LoseReply),
        4 => Just(Step::Commit),
        4 => (0u64..3_000_000).prop_map(Step::Wait),
        1 => Just(Step::Restart),
        3 => Just(Step::Overdue),
    ]
}

/// A world of one agent and one server with a disk; contents are numbered by their token.
struct World {
    pair: Pair,
    highest_on_disk: u64,
    to_server: Vec<Vec<u8>>,
    to_agent: Vec<Vec<u8>>,
    /// In memory at the server: session, counter, content.
    received: Vec<(u64, u64, u64)>,
    /// On the server's disk, with how often it was applied.
    stored: BTreeMap<u64, u32>,
    /// What the agent believes to be stored.
    known: BTreeSet<u64>,
    contents: u64,
    salt: u8,
}

impl World {
    fn new() -> Self {
        Self {
            pair: Pair::new(),
            highest_on_disk: 0,
            to_server: Vec::new(),
            to_agent: Vec::new(),
            received: Vec::new(),
            stored: BTreeMap::new(),
            known: BTreeSet::new(),
            contents: 0,
            salt: 0,
        }
    }

    fn content(token: u64) -> Content {
        let mut builder = BeatBuilder::new(1000, None);
        assert!(builder.push(1, Unix(token.cast_signed()), &[]));
        builder.finish()
    }

    fn seal(&mut self, token: u64) {
        let (at, content) = (self.pair.at, Self::content(token));
        let mut out = Vec::new();
        if self.pair.client.seal(&content, token, now(at), at, &mut out).is_ok() {
            self.to_server.push(out);
        }
    }

    fn server_receives(&mut self, mut datagram: Vec<u8>) {
        let (key, at) = (identity().key, self.pair.at);
        let header = peek(&datagram).unwrap().header;
        match self.pair.server.open(&key, &mut datagram, HOME, at) {
            Ok(received) => {
                let Ok(Body::Beat(beat)) = decode(header.kind, received.content) else {
                    panic!("not a beat")
                };
                for frame in beat.frames {
                    let token = frame.taken_at.0.cast_unsigned();
                    self.received.push((header.session, header.counter, token));
                }
            }
            Err(Refused::Stale) => {
                self.salt += 1;
                let mut out = Vec::new();
                if self.pair.server.reset(&key, &header, [self.salt; SALT], at, &mut out) {
                    self.to_agent.push(out);
                }
            }
            Err(Refused::Replayed | Refused::Old | Refused::Limited) => {}
            Err(other) => panic!("{other}"),
        }
    }

    fn commit(&mut self) {
        if let Some(session) = self.pair.server.to_persist() {
            self.highest_on_disk = session;
            self.pair.server.persisted(session);
        }
        for (session, counter, token) in self.received.drain(..) {
            // The frame's own identity makes the second copy harmless.
            self.stored.entry(token).or_insert(1);
            self.pair.server.stored(session, counter);
        }
        let (at, mut out) = (self.pair.at, Vec::new());
        let facts = AckFacts { now: now(at), ..AckFacts::default() };
        if self.pair.server.ack(identity().agent, &facts, at, &mut out) {
            self.to_agent.push(out);
        }
    }

    fn agent_receives(&mut self, mut datagram: Vec<u8>) {
        let at = self.pair.at;
        match self.pair.client.open(&mut datagram, now(at), at) {
            Ok(Reply::Acked(acked)) => {
                for token in acked.stored {
                    assert!(self.stored.contains_key(&token), "acknowledged but not stored");
                    self.known.insert(token);
                }
            }
            Ok(Reply::Reset { highest }) => {
                let session = next_session(Unix(0), self.pair.client.session(), highest);
                for token in self.pair.client.renew(session, at) {
                    self.seal(token);
                }
            }
            Ok(Reply::WantSets(_) | Reply::Piece(_) | Reply::Wait(_)) => {
                panic!("nothing was wanted")
            }
            Err(_) => {}
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Send => {
                self.contents += 1;
                self.seal(self.contents);
            }
            Step::ToServer(place, copy) => {
                if let Some(datagram) = taken(&mut self.to_server, *place, *copy) {
                    self.server_receives(datagram);
                }
            }
            Step::ToAgent(place, copy) => {
                if let Some(datagram) = taken(&mut self.to_agent, *place, *copy) {
                    self.agent_receives(datagram);
                }
            }
            Step::Lose(place) => drop(taken(&mut self.to_server, *place, false)),
            Step::LoseReply(place) => drop(taken(&mut self.to_agent, *place, false)),
            Step::Commit => self.commit(),
            Step::Wait(micros) => self.pair.at = Micros(self.pair.at.0 + micros),
            Step::Restart => {
                self.received.clear();
                self.pair.server = ServerSession::new(self.highest_on_disk, None);
            }
            Step::Overdue => {
                for token in self.pair.client.overdue(self.pair.at) {
                    self.seal(token);
                }
            }
        }
    }

    /// A good network from now on.
    fn settle(&mut self) {
        for _ in 0..200 {
            self.pair.at = Micros(self.pair.at.0 + 5_000_000);
            let overdue = self.pair.client.overdue(self.pair.at);
            // What found no room when it was made, and what is overdue, is sent (again).
            for token in overdue {
                self.seal(token);
            }
            for datagram in std::mem::take(&mut self.to_server) {
                self.server_receives(datagram);
            }
            self.commit();
            for datagram in std::mem::take(&mut self.to_agent) {
                self.agent_receives(datagram);
            }
            if self.pair.client.n_waiting() == 0 && self.to_server.is_empty() {
                return;
            }
        }
        panic!("it does not settle: {} wait", self.pair.client.n_waiting());
    }
}

fn taken(on_the_way: &mut Vec<Vec<u8>>, place: prop::sample::Index, copy: bool) -> Option<Vec<u8>> {
    if on_the_way.is_empty() {
        return None;
    }
    let place = place.index(on_the_way.len());
    Some(if copy { on_the_way[place].clone() } else { on_the_way.swap_remove(place) })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn under_loss_copies_disorder_and_restarts_all_is_stored_once(
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut world = World::new();
        let mut sent = BTreeSet::new();
        for step in &steps {
            let before = world.to_server.len();
            world.step(step);
            if matches!(step, Step::Send) && world.to_server.len() > before {
                sent.insert(world.contents);
            }
        }
        world.settle();
        prop_assert_eq!(&world.known, &sent);
        prop_assert!(world.stored.values().all(|times| *times == 1));
        prop_assert_eq!(world.pair.server.duplicates(), 0);
    }

    #[test]
    fn any_bit_flipped_changes_nothing(bit: prop::sample::Index) {
        let mut pair = Pair::new();
        let first = pair.sealed(&beat(), 1);
        pair.receive(&first).unwrap();
        let mut bad = pair.sealed(&beat(), 2);
        let place = bit.index(bad.len() * 8);
        bad[place / 8] ^= 1 << (place % 8);
        let before = but_for_limits(&pair.server);
        prop_assert!(pair.receive(&bad).is_err());
        prop_assert_eq!(before, but_for_limits(&pair.server));
    }

    #[test]
    fn acknowledgements_agree_with_a_set(
        counters in prop::collection::vec(1u64..150, 1..200),
    ) {
        let mut stored = Stored::default();
        let mut model = BTreeSet::new();
        for counter in counters {
            stored.add(counter);
            model.insert(counter);
        }
        let newest = *model.last().unwrap();
        prop_assert_eq!(stored.newest, newest);
        for behind in 1..=64 {
            let told = stored.before >> (behind - 1) & 1 == 1;
            // One that was already too far behind when it was stored may be forgotten, never invented.
            prop_assert!(!told || newest > behind && model.contains(&(newest - behind)));
        }
    }
}

#[test]
fn who_is_not_let_in_is_told_when_to_come_again_and_nobody_else_is() {
    let (agent, key) = crate::simple_identity(b"secret", "web");
    let (_, other) = crate::simple_identity(b"secret", "db");
    let hello = Header { kind: Kind::Hello, agent, session: 7, counter: 1 };
    let mut wait = Vec::new();
    ServerSession::wait(&key, &hello, [3; SALT], 42, &mut wait);
    assert!(wait.len() < MIN_REQUEST, "shorter than any request");
    let begin = |key: &AgentKey, session| {
        let identity = Identity { agent, key: key.clone(), name: None };
        let mut client = ClientSession::begin(identity, session, Micros(0));
        let content = BeatBuilder::new(1000, None).finish();
        client.seal(&content, 1, Now::default(), Micros(0), &mut Vec::new()).unwrap();
        client
    };
    let open = |client: &mut ClientSession, datagram: &[u8]| {
        client.open(&mut datagram.to_vec(), Now::default(), Micros(0))
    };
    let told = Reply::Wait(Duration::from_secs(42));
    assert_eq!(open(&mut begin(&key, 7), &wait), Ok(told));
    assert_eq!(open(&mut begin(&other, 7), &wait), Err(Refused::Forged));
    assert_eq!(open(&mut begin(&key, 8), &wait), Err(Refused::Stale));
    // Sealed as a reset it is none, and the other way round.
    wait[1] = Kind::Reset.number();
    assert_eq!(open(&mut begin(&key, 7), &wait), Err(Refused::Forged));
    // Of a hello that was never sent.
    let unsent = Header { counter: 2, ..hello };
    ServerSession::wait(&key, &unsent, [3; SALT], 42, &mut wait);
    assert_eq!(open(&mut begin(&key, 7), &wait), Err(Refused::Header));
}

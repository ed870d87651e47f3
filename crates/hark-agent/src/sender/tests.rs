//! The real client and server machines over a network that loses, doubles and reorders, with either
//! side dying at any moment; no sockets and no waiting.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use hark_model::frame::{check_values, encode_values};
use hark_model::{CheckName, CheckResult, MetricKind, Next, SeriesDef, SeriesName, Status, Unit};
use hark_proto::{
    AckFacts, AckFlags, AgentKey, Body, ItemWindow, Paper, Piece, Refused, ServerSession,
    SetAssembler, decode, peek,
};
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::spool::Limits;

mod meeting;
mod past;
mod present;

const INTERVAL: Duration = Duration::from_secs(10);
const FROM: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn identity() -> Identity {
    Identity::simple(b"secret", HostName::new("web").unwrap())
}

fn key() -> AgentKey {
    identity().key
}

fn moment(ms: u64) -> Moment {
    let now = Now { mono: Mono(ms), unix: Unix(1_700_000_000_000 + i64::try_from(ms).unwrap()) };
    Moment { now, at: Micros(ms * 1000) }
}

fn set(series: usize) -> Set {
    let def = |n: usize| SeriesDef {
        name: SeriesName::of("disk_monitor", &format!("/a/rather/long/mount/point/{n}"), "percent"),
        unit: Unit::Percent,
        kind: MetricKind::Gauge,
        decimals: 1,
    };
    Set::of((0..series).map(def).collect())
}

/// A server of one agent: what is on its disk, and what is only in memory.
struct Server {
    highest: u64,
    sets: BTreeMap<u32, usize>,
    frames: BTreeMap<(u32, i64), Vec<u8>>,
    items: ItemWindow,
    applied: Vec<ReportItem>,
    facts: BTreeMap<String, String>,
    session: ServerSession,
    assembler: SetAssembler,
    live: Vec<i64>,
    history_stopped: bool,
    retry_after_s: u16,
    /// Nobody who introduces himself is let in, and is told to come again after so many seconds.
    wait_s: u16,
    /// What is said of shedding, and samples are not kept then.
    sheds: AckFlags,
    salt: u8,
    papers: BTreeMap<Paper, Vec<u8>>,
    pieces: Vec<Piece>,
}

impl Server {
    fn new() -> Self {
        Self {
            highest: 0,
            sets: BTreeMap::new(),
            frames: BTreeMap::new(),
            items: ItemWindow::default(),
            applied: Vec::new(),
            facts: BTreeMap::new(),
            session: ServerSession::new(0, None),
            assembler: SetAssembler::default(),
            live: Vec::new(),
            history_stopped: false,
            retry_after_s: 0,
            wait_s: 0,
            sheds: AckFlags::default(),
            salt: 0,
            papers: BTreeMap::new(),
            pieces: Vec::new(),
        }
    }

    fn restart(&mut self) {
        self.session = ServerSession::new(self.highest, Some(FROM));
        self.assembler = SetAssembler::default();
    }

    /// Takes a datagram in and returns the replies.
    fn hear(&mut self, mut datagram: Vec<u8>, moment: Moment) -> Vec<Vec<u8>> {
        let mut out = Vec::new();
        let header = peek(&datagram).unwrap().header;
        if self.wait_s > 0 {
            if header.kind != Kind::Hello {
                return Vec::new();
            }
            self.salt = self.salt.wrapping_add(1);
            ServerSession::wait(&key(), &header, [self.salt; 16], self.wait_s, &mut out);
            return vec![out];
        }
        let received = match self.session.open(&key(), &mut datagram, FROM, moment.at) {
            Ok(received) => received,
            Err(Refused::Stale) => {
                self.salt = self.salt.wrapping_add(1);
                let told =
                    self.session.reset(&key(), &header, [self.salt; 16], moment.at, &mut out);
                return if told { vec![out] } else { Vec::new() };
            }
            Err(_) => return Vec::new(),
        };
        let body = decode(received.header.kind, received.content).unwrap();
        let mut wanted = Vec::new();
        let stored = self.take(body, &mut wanted);
        if let Some(session) = self.session.to_persist() {
            self.highest = session;
            self.session.persisted(session);
        }
        let mut replies = Vec::new();
        if stored {
            self.session.stored(header.session, header.counter);
        } else if self.sheds_load() {
            self.session.received(header.session);
        }
        let agent = identity().agent;
        if self.session.want_sets(agent, &wanted, &mut out) {
            replies.push(out.clone());
        }
        let mut flags = self.sheds;
        if self.history_stopped {
            flags = flags.with(AckFlags::HISTORY_STOPPED);
        }
        let facts = AckFacts {
            now: moment.now,
            flags,
            retry_after_s: self.retry_after_s,
            revision: self.newest(|paper| match paper {
                Paper::Configuration(revision) => Some(revision),
                Paper::Order(_) => None,
            }),
            order: self.newest(|paper| match paper {
                Paper::Order(number) => Some(number),
                Paper::Configuration(_) => None,
            }),
        };
        for piece in std::mem::take(&mut self.pieces) {
            if self.session.piece(agent, &piece, &mut out) {
                replies.push(out.clone());
            }
        }
        if self.session.ack(agent, &facts, moment.at, &mut out) {
            replies.push(out);
        }
        replies
    }

    /// The newest paper of a kind, 0 if there is none.
    fn newest(&self, number: impl Fn(Paper) -> Option<u32>) -> u32 {
        self.papers.keys().filter_map(|paper| number(*paper)).max().unwrap_or(0)
    }

    fn take(&mut self, body: Body<'_>, wanted: &mut Vec<u32>) -> bool {
        match body {
            Body::Hello(hello) => {
                wanted.extend(hello.sets.iter().filter(|set| !self.sets.contains_key(set)));
                self.facts.extend(hello.facts);
                true
            }
            Body::Beat(beat) => {
                self.live.extend(beat.frames.clone().map(|frame| frame.taken_at.0));
                self.take_frames(beat.frames, wanted)
            }
            Body::Backlog(backlog) => self.take_frames(backlog.frames, wanted),
            Body::Sets(part) => {
                if let Some((number, defs)) = self.assembler.add(part) {
                    assert_eq!(hark_proto::set_number(&defs), number);
                    self.sets.insert(number, defs.len());
                }
                true
            }
            Body::Fetch(fetch) => {
                let whole = self.papers.get(&fetch.paper).map(Vec::as_slice);
                self.pieces.push(Piece::cut(fetch, whole.unwrap_or_default()));
                true
            }
            Body::Report(report) => {
                for (number, item) in report.items {
                    if self.items.take(report.epoch, number) {
                        let item = item.unwrap();
                        if let ReportItem::Facts(facts) = &item {
                            for (name, value) in facts {
                                self.facts.insert(name.clone(), value.clone());
                            }
                            self.facts.retain(|_, value| !value.is_empty());
                        }
                        self.applied.push(item);
                    }
                }
                true
            }
        }
    }

    fn sheds_load(&self) -> bool {
        self.sheds.has(AckFlags::SHEDDING)
    }

    fn take_frames(&mut self, frames: hark_proto::Frames<'_>, wanted: &mut Vec<u32>) -> bool {
        for frame in frames.clone() {
            if !self.sets.contains_key(&frame.set) {
                wanted.push(frame.set);
            }
        }
        let keeps_none = self.history_stopped || self.sheds_load();
        if !wanted.is_empty() || (keeps_none && !frames.is_empty()) {
            return false;
        }
        for frame in frames {
            check_values(frame.values, self.sets[&frame.set]).unwrap();
            self.frames.insert((frame.set, frame.taken_at.0), frame.values.to_vec());
        }
        true
    }
}

/// Loss, doubling and delay.
#[derive(Clone, Copy, Debug)]
struct Weather {
    loss: u64,
    double: u64,
    delay_ms: u64,
}

const CALM: Weather = Weather { loss: 0, double: 0, delay_ms: 2 };
const STORM: Weather = Weather { loss: 30, double: 20, delay_ms: 400 };

/// An agent, its server and the network between them.
struct World {
    folder: TempDir,
    ms: u64,
    weather: Weather,
    chance: Chance,
    sender: Sender,
    server: Server,
    server_up: bool,
    /// When it arrives, to whom, and the datagram.
    wire: Vec<(u64, bool, Vec<u8>)>,
    next_beat: u64,
    interval_ms: u64,
    sets: Vec<Set>,
    sent_frames: BTreeMap<(u32, i64), Vec<u8>>,
    sent_events: u64,
    datagrams: u64,
    wakes: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sender = open(&folder, 1000);
        Self {
            folder,
            ms: 1000,
            weather: CALM,
            chance: Chance(seed),
            sender,
            server: Server::new(),
            server_up: true,
            wire: Vec::new(),
            next_beat: 2000,
            interval_ms: 10_000,
            sets: vec![set(5), set(70)],
            sent_frames: BTreeMap::new(),
            sent_events: 0,
            datagrams: 0,
            wakes: 0,
        }
    }

    fn percent(&mut self, of: u64) -> bool {
        self.chance.below(Duration::from_millis(100)) < Duration::from_millis(of)
    }

    /// Brings a datagram onto the way.
    fn carry(&mut self, to_server: bool, datagram: &[u8]) {
        let copies = if self.percent(self.weather.loss) {
            0
        } else {
            1 + u64::from(self.percent(self.weather.double))
        };
        for _ in 0..copies {
            let delay = self.chance.below(Duration::from_millis(self.weather.delay_ms));
            let at = self.ms + 1 + u64::try_from(delay.as_millis()).unwrap();
            self.wire.push((at, to_server, datagram.to_vec()));
        }
    }

    fn event(&mut self) {
        self.sent_events += 1;
        let item = ReportItem::Event(Event {
            at: moment(self.ms).now.unix,
            kind: EventKind::Message,
            severity: Severity::Info,
            text: format!("event {}", self.sent_events),
            tags: Vec::new(),
            data: None,
        });
        self.sender.report(&item, moment(self.ms).now);
        self.pump();
    }

    /// So many checks say how they are.
    fn results(&mut self, count: usize) {
        for n in 0..count {
            let item = ReportItem::Result(CheckResult {
                check: CheckName::new(&format!("process-{n}")).unwrap(),
                status: Status::Ok,
                text: "3 running".to_owned(),
                began_at: moment(self.ms).now.unix,
                took_ms: 0,
                values: Vec::new(),
                limits: Vec::new(),
                next: Next::Within(INTERVAL),
            });
            self.sender.report(&item, moment(self.ms).now);
        }
        self.pump();
    }

    fn take(&mut self) -> Vec<Arrived> {
        std::iter::from_fn(|| self.sender.arrived()).collect()
    }

    fn pump(&mut self) {
        let mut out = Vec::new();
        let moment = moment(self.ms);
        self.sender.pump(&self.sets.iter(), moment, &mut |datagram| out.push(datagram.to_vec()));
        self.sent(&out);
    }

    fn beat(&mut self) {
        let moment = moment(self.ms);
        let frames: Vec<(u32, Vec<u8>)> = self
            .sets
            .iter()
            .map(|set| {
                let mut bytes = Vec::new();
                let defs = defs_of(set);
                // Some of them take the most bytes that a value can.
                let value = if self.ms.is_multiple_of(3) { f64::MAX } else { 50.0 };
                encode_values(&defs, &vec![value; defs.len()], &mut bytes);
                (set.number, bytes)
            })
            .collect();
        for (set, bytes) in &frames {
            self.sent_frames.insert((*set, moment.now.unix.0), bytes.clone());
        }
        let frames: Vec<(u32, &[u8])> =
            frames.iter().map(|(set, b)| (*set, b.as_slice())).collect();
        let round = Round::of(moment.now.unix, &frames);
        let mut out = Vec::new();
        self.sender.beat(&round, &self.sets.iter(), moment, &mut |d| out.push(d.to_vec()));
        self.sent(&out);
    }

    fn sent(&mut self, out: &[Vec<u8>]) {
        self.datagrams += out.len() as u64;
        for datagram in out {
            assert!(datagram.len() < 1200);
            self.carry(true, datagram);
        }
    }

    /// Goes to the next thing that happens, at most to `until`.
    fn step(&mut self, until: u64) {
        self.wakes += 1;
        let arrival = self.wire.iter().map(|(at, ..)| *at).min().unwrap_or(u64::MAX);
        let deadline = self.sender.next_deadline().0;
        self.ms = arrival.min(deadline).min(self.next_beat).min(until).max(self.ms + 1);
        let now = self.ms;
        let arrived: Vec<_> = self.wire.extract_if(.., |(at, ..)| *at <= now).collect();
        for (_, to_server, mut datagram) in arrived {
            if !to_server {
                self.sender.receive(&mut datagram, moment(self.ms));
            } else if self.server_up {
                let asked = datagram.len();
                for reply in self.server.hear(datagram, moment(self.ms)) {
                    assert!(reply.len() <= asked.max(hark_proto::MAX_REPLY), "no amplification");
                    self.carry(false, &reply);
                }
            }
        }
        if self.ms >= self.next_beat {
            self.next_beat = self.ms + self.interval_ms;
            self.beat();
        }
        self.sender.is_silent(moment(self.ms));
        self.pump();
    }

    fn run(&mut self, seconds: u64) {
        let until = self.ms + seconds * 1000;
        while self.ms < until {
            self.step(until);
        }
    }

    /// Kills the agent and starts it again.
    fn restart_agent(&mut self) {
        self.wire.retain(|(_, to_server, _)| *to_server);
        self.ms += 50;
        self.sender = open(&self.folder, self.ms);
    }

    /// Everything that was measured is at the server, and everything that happened, once.
    fn check(&self) {
        let missing = self.sent_frames.keys().filter(|key| !self.server.frames.contains_key(key));
        assert_eq!(missing.collect::<Vec<_>>(), Vec::<&(u32, i64)>::new());
        assert!(self.server.frames == self.sent_frames, "values are those that were measured");
        let mut texts: Vec<&str> = self
            .server
            .applied
            .iter()
            .filter_map(|item| match item {
                ReportItem::Event(event) => Some(event.text.as_str()),
                ReportItem::Result(_) | ReportItem::Facts(_) | ReportItem::Outcome(_) => None,
            })
            .collect();
        texts.sort_unstable();
        let mut expected: Vec<String> =
            (1..=self.sent_events).map(|n| format!("event {n}")).collect();
        expected.sort_unstable();
        assert_eq!(texts, expected);
        assert_eq!(self.sender.spool.pending().samples, 0);
        assert_eq!(self.sender.spool.pending().reports, 0);
    }
}

fn open(folder: &TempDir, ms: u64) -> Sender {
    let now = moment(ms);
    let spool = Spool::open(&folder.path().join("spool"), Limits::default(), now.now.unix).unwrap();
    let introduction = Introduction {
        host: HostName::new("web").unwrap(),
        version: "0.1.0".to_owned(),
        interval: INTERVAL,
        booted_at: None,
        started_at: now.now.unix,
    };
    Sender::begin(folder.path(), identity(), introduction, spool, now).unwrap()
}

fn defs_of(set: &Set) -> Vec<SeriesDef> {
    let mut assembler = SetAssembler::default();
    let mut parts = set.parts.iter().map(|bytes| {
        let Body::Sets(part) = decode(Kind::Sets, bytes).unwrap() else { panic!("not a set") };
        part
    });
    parts.find_map(|part| assembler.add(part)).unwrap().1
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn everything_arrives_once_whatever_dies(
        seed in any::<u64>(),
        steps in prop::collection::vec((0_u8..8, 1_u64..180), 1..25),
    ) {
        let mut world = World::new(seed);
        world.weather = STORM;
        for (what, seconds) in steps {
            match what {
                0 => world.server_up = false,
                1 => world.server_up = true,
                2 => world.server.restart(),
                3 => world.restart_agent(),
                4 => world.sender.spool.store_cursor().unwrap(),
                5 => world.sets.push(set(1 + usize::try_from(seconds % 119).unwrap())),
                6 => world.sets.truncate(1),
                _ => (0..seconds % 7).for_each(|_| world.event()),
            }
            world.run(seconds);
        }
        world.weather = CALM;
        world.server_up = true;
        world.run(1800);
        // The last heartbeat may be under way.
        world.next_beat = u64::MAX;
        world.run(5);
        world.check();
    }
}

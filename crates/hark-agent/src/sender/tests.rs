//! The real client and server machines over a network that loses, doubles and reorders, with either
//! side dying at any moment; no sockets and no waiting.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use hark_model::frame::{check_values, encode_values};
use hark_model::{CheckName, CheckResult, MetricKind, Next, SeriesDef, SeriesName, Status, Unit};
use hark_proto::{
    AckFacts, AgentKey, Body, ItemWindow, Paper, Piece, ServerSession, SetAssembler, decode, peek,
};
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::spool::Limits;

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
        }
        let agent = identity().agent;
        if self.session.want_sets(agent, &wanted, &mut out) {
            replies.push(out.clone());
        }
        let mut flags = AckFlags::default();
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

    fn take_frames(&mut self, frames: hark_proto::Frames<'_>, wanted: &mut Vec<u32>) -> bool {
        for frame in frames.clone() {
            if !self.sets.contains_key(&frame.set) {
                wanted.push(frame.set);
            }
        }
        if !wanted.is_empty() || (self.history_stopped && !frames.is_empty()) {
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

#[test]
fn a_calm_day_takes_one_datagram_a_heartbeat_and_no_retransmission() {
    let mut world = World::new(1);
    world.sets = vec![set(33)];
    world.run(3600);
    world.weather = CALM;
    assert_eq!(world.sender.counts.overdue, 0);
    assert_eq!(world.sender.counts.refused, 0);
    assert_eq!(world.server.live.len(), world.sent_frames.len());
    // One each 10 s, the hello, and the set in its parts; the first heartbeat came before the set
    // was known and came again as backlog.
    let extra = world.datagrams - world.sent_frames.len() as u64;
    assert!(extra <= 8, "{extra}");
    world.run(5);
    world.check();
}

#[test]
fn the_results_of_a_round_share_two_datagrams_and_one_answer() {
    let mut world = World::new(1);
    world.run(60);
    let (datagrams, wakes, applied) = (world.datagrams, world.wakes, world.server.applied.len());
    for _ in 0..30 {
        world.results(20);
        world.run(10);
    }
    assert_eq!(world.server.applied.len() - applied, 30 * 20);
    let (datagrams, wakes) = (world.datagrams - datagrams, world.wakes - wakes);
    assert!(datagrams <= 30 * 3, "a heartbeat and two of results: {datagrams}");
    // In this world each datagram and each answer arrives at its own time.
    assert!(wakes <= 30 * 7, "{wakes}");
    world.check();
}

#[test]
fn what_was_measured_while_the_server_was_away_comes_after_the_present() {
    let mut world = World::new(2);
    world.run(60);
    world.server_up = false;
    world.run(8 * 3600);
    let measured = world.sent_frames.len();
    assert!(world.sender.spool.pending().samples > 2000);
    world.server_up = true;
    world.server.restart();
    world.server.live.clear();
    world.run(20);
    assert!(!world.server.live.is_empty(), "the present first");
    assert!(world.server.frames.len() < measured / 2, "the past is throttled");
    world.run(1200);
    world.check();
}

#[test]
fn the_past_is_sent_no_faster_than_allowed() {
    let mut world = World::new(3);
    world.run(60);
    world.server_up = false;
    world.run(4 * 3600);
    world.server_up = true;
    let rates: Vec<u64> = (0..60)
        .map(|_| {
            let before = world.datagrams;
            world.run(1);
            world.datagrams - before
        })
        .collect();
    let most = rates.iter().max().unwrap();
    assert!((18..=27).contains(most), "{rates:?}");
}

#[test]
fn an_agent_alone_speaks_at_its_interval_and_greets_ever_less_often() {
    let mut world = World::new(4);
    world.server_up = false;
    world.run(600);
    let before = world.datagrams;
    world.run(3600);
    let extra = (world.datagrams - before).saturating_sub(2 * 360);
    assert!(extra < 200, "{extra} hellos in an hour");
    world.server_up = true;
    world.run(900);
    world.check();
}

#[test]
fn heartbeats_go_on_at_a_short_interval_though_nothing_is_acknowledged() {
    let mut world = World::new(14);
    world.interval_ms = 1000;
    world.run(30);
    world.server_up = false;
    world.run(600);
    let (sent, measured) = (world.datagrams, world.sent_frames.len());
    world.run(600);
    let beats = (world.sent_frames.len() - measured) as u64 / 2;
    assert!(world.datagrams - sent >= beats && beats >= 599);
    for _ in 0..100 {
        world.event();
    }
    world.server_up = true;
    world.run(600);
    world.next_beat = u64::MAX;
    world.run(5);
    world.check();
}

#[test]
fn the_present_goes_on_while_the_servers_history_is_stopped() {
    let mut world = World::new(5);
    world.run(30);
    world.server.history_stopped = true;
    world.event();
    world.run(3600);
    assert_eq!(world.server.applied.len(), 1, "events are stored");
    assert!(world.server.live.len() > 600, "heartbeats are heard");
    let sent = world.datagrams;
    world.run(600);
    assert!(world.datagrams - sent < 600, "no backlog is sent meanwhile");
    world.server.history_stopped = false;
    world.run(1200);
    world.check();
}

#[test]
fn asked_to_wait_it_sends_nothing_but_heartbeats() {
    let mut world = World::new(6);
    world.run(30);
    world.server.retry_after_s = 60;
    world.run(15);
    world.server.retry_after_s = 0;
    world.event();
    world.run(30);
    assert!(world.server.applied.is_empty());
    let live = world.server.live.len();
    world.run(90);
    assert!(world.server.live.len() > live);
    assert_eq!(world.server.applied.len(), 1);
}

#[test]
fn a_server_that_forgot_everything_is_told_again() {
    let mut world = World::new(7);
    world.run(3600);
    world.server = Server::new();
    world.sent_frames.clear();
    world.run(300);
    let known: Vec<u32> = world.server.sets.keys().copied().collect();
    assert_eq!(known.len(), 2, "the sets");
    world.check();
}

#[test]
fn a_suspended_machine_begins_a_new_session() {
    let mut world = World::new(8);
    world.run(60);
    let session = world.sender.client.session();
    let mut later = moment(world.ms);
    later.now.unix = later.now.unix + Duration::from_hours(1);
    world.sender.pump(&world.sets.iter(), later, &mut |_| {});
    assert!(world.sender.client.session() > session);
}

#[test]
fn frames_whose_set_nobody_knows_are_given_up() {
    let mut world = World::new(9);
    world.run(30);
    // A frame of a set that was never defined, as after damage.
    let frame: Vec<u8> = vec![2];
    let mut builder = BacklogBuilder::new();
    assert!(builder.push(4711, Unix(5), &frame));
    let number = world.sender.spool.append_samples(Unix(5), builder.finish().bytes(), []);
    world.sender.spool.samples_lost(number);
    world.run(300);
    assert_eq!(world.sender.spool.pending().samples, 0);
    world.check();
}

#[test]
fn papers_arrive_whole_and_once_over_a_bad_network() {
    for seed in 0..20 {
        let mut world = World::new(seed);
        world.weather = Weather { loss: 30, double: 20, delay_ms: 400 };
        let long: Vec<u8> = (0..20_000u32).map(|n| n.to_le_bytes()[0]).collect();
        world.server.papers.insert(Paper::Configuration(7), long.clone());
        world.server.papers.insert(Paper::Order(3), b"restart".to_vec());
        world.run(600);
        let arrived = world.take();
        assert_eq!(
            arrived,
            [
                Arrived { paper: Paper::Configuration(7), bytes: long },
                Arrived { paper: Paper::Order(3), bytes: b"restart".to_vec() },
            ],
            "{seed}"
        );
        world.run(600);
        assert_eq!(world.take(), [], "{seed}");
        world.server.papers.clear();
        world.run(120);
        let nothing = Arrived { paper: Paper::Configuration(0), bytes: Vec::new() };
        assert_eq!(world.take(), [nothing], "{seed}");
    }
}

#[test]
fn a_paper_that_changes_while_it_is_fetched_is_the_newer_one() {
    let mut world = World::new(3);
    world.weather = Weather { loss: 0, double: 0, delay_ms: 900 };
    world.server.papers.insert(Paper::Configuration(7), vec![7; 30_000]);
    world.run(15);
    world.server.papers.remove(&Paper::Configuration(7));
    world.server.papers.insert(Paper::Configuration(9), vec![9; 3000]);
    world.run(300);
    let newer = Arrived { paper: Paper::Configuration(9), bytes: vec![9; 3000] };
    assert_eq!(world.take(), [newer]);
}

#[test]
fn facts_reach_the_server_and_those_that_go_are_removed() {
    let mut world = World::new(10);
    let mut facts: BTreeMap<String, String> = (0..40)
        .map(|n| (format!("filesystem_info./mount/{n}"), "ext4 /dev/disk".to_owned()))
        .collect();
    facts.insert("kernel".to_owned(), "6.1".to_owned());
    world.sender.set_facts(facts.clone(), moment(world.ms).now);
    world.run(30);
    assert_eq!(world.server.facts, facts);
    facts.remove("filesystem_info./mount/7");
    facts.insert("kernel".to_owned(), "6.2".to_owned());
    let applied = world.server.applied.len();
    world.sender.set_facts(facts.clone(), moment(world.ms).now);
    world.run(30);
    assert_eq!(world.server.facts, facts);
    assert_eq!(world.server.applied.len(), applied + 1, "only what changed is told");
}

#[test]
fn many_reports_all_arrive_though_one_is_lost_again_and_again() {
    let mut world = World::new(11);
    world.run(30);
    for _ in 0..500 {
        world.event();
    }
    // Whatever carries the first of them is lost for a minute.
    let until = world.ms + 60_000;
    while world.ms < until {
        world.wire.retain(|(_, to_server, datagram)| !to_server || datagram.len() != 117);
        world.step(until);
    }
    world.run(300);
    world.check();
}

#[test]
fn it_sleeps_while_there_is_nothing_to_do_whatever_waits() {
    let mut world = World::new(15);
    world.run(60);
    let wakes_of = |world: &mut World, what: &str| {
        let before = world.wakes;
        world.run(600);
        let wakes = world.wakes - before;
        // A heartbeat each 10 s, its timeout or its answer, and some hellos.
        assert!(wakes < 400, "{what}: woke {wakes} times in 600 s");
    };
    wakes_of(&mut world, "calm");
    world.server_up = false;
    for _ in 0..100 {
        world.event();
    }
    wakes_of(&mut world, "server away, reports wait");
    world.server_up = true;
    world.server.history_stopped = true;
    world.run(60);
    wakes_of(&mut world, "history stopped, samples wait");
    world.server.retry_after_s = 3600;
    world.run(20);
    world.event();
    wakes_of(&mut world, "asked to wait");
}

#[test]
fn forged_and_foreign_datagrams_change_nothing() {
    let mut world = World::new(12);
    world.run(30);
    let before = world.sender.counts;
    for len in [0, 1, 26, 96, 1500] {
        world.sender.receive(&mut vec![0x5a; len], moment(world.ms));
    }
    assert_eq!(world.sender.counts.refused, before.refused + 5);
    assert_eq!(world.sender.counts.stored, before.stored);
    world.run(30);
    world.check();
}

#[test]
fn loss_of_the_spool_is_told() {
    let mut world = World::new(13);
    let small = Limits { bytes: Limits::MIN_BYTES, age: Duration::from_hours(24) };
    world.sender.spool = Spool::open(&world.folder.path().join("small"), small, Unix(1)).unwrap();
    world.server_up = false;
    world.run(4 * 3600);
    world.server_up = true;
    world.sender.report_losses(moment(world.ms).now);
    assert_eq!(world.sender.spool.pending().reports, 0, "nobody is there to be told");
    for _ in 0..60 {
        world.sender.report_losses(moment(world.ms).now);
        world.run(10);
    }
    let missing = world.sent_frames.len() - world.server.frames.len();
    assert!(missing > 0);
    let told = world.server.applied.iter().filter_map(|item| {
        let ReportItem::Event(event) = item else { return None };
        let number = event.text.split(' ').nth(4).filter(|_| event.kind.word() == "spool_gap");
        number?.parse::<usize>().ok()
    });
    // Two frames in each datagram.
    assert_eq!(told.sum::<usize>(), missing / 2);
}

#[test]
fn while_the_disk_refuses_everything_reports_and_the_present_arrive() {
    let mut world = World::new(16);
    world.run(60);
    world.sender.spool.refuse_writes(true);
    world.weather = STORM;
    for _ in 0..20 {
        world.event();
        world.run(10);
    }
    world.weather = CALM;
    world.run(60);
    assert_eq!(world.server.applied.len(), 20, "reports are kept in memory until they arrive");
    world.sender.report_losses(moment(world.ms).now);
    assert_eq!(world.sender.spool.pending().reports, 0, "nothing is told yet");
    world.sender.spool.refuse_writes(false);
    world.run(20);
    world.sender.report_losses(moment(world.ms).now);
    world.run(20);
    let told = world.server.applied.iter().any(
        |item| matches!(item, ReportItem::Event(event) if event.kind.word() == "spool_unsaved"),
    );
    assert!(told);
    assert!(world.server.live.len() >= world.sent_frames.len() * 6 / 10);
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

//! Wrong datagrams of every kind change nothing but counters: replays the fuzzer's corpus, then makes
//! mutations from a seed, on stable Rust and in every run.
//!
//! `HARK_MUTATIONS=10000000 cargo test --release -p hark-proto --test mutations` is the long form.

#![expect(clippy::unwrap_used, reason = "test code outside test functions")]

#[path = "../../../fuzz/harness/datagram.rs"]
mod datagram;
#[path = "../../../fuzz/harness/frame.rs"]
mod frame;
#[path = "../../../fuzz/harness/random.rs"]
mod random;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use self::random::{Random, mutations};
use hark_model::name::{CheckName, HostName};
use hark_model::time::{Micros, Now, Unix};
use hark_model::{
    CheckResult, MetricKind, Range, SeriesDef, SeriesLimits, SeriesName, Status, Unit,
};
use hark_proto::body::{PREAMBLE, Pushed};
use hark_proto::{
    AckFacts, BacklogBuilder, BeatBuilder, ClientSession, Content, Fetch, Hello, Identity, Kind,
    Paper, Piece, Refused, ReportBuilder, ReportItem, ServerSession, split_set,
};

/// How many mutations a common run makes: some seconds.
const MUTATIONS: u64 = 100_000;

/// No input of a datagram's size may make the reader hold more than this at a time.
const MOST_MEMORY: usize = 256 * 1024;

const HOME: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const AT: Micros = Micros(3_600_000_000);

/// Counts what this thread holds: other tests run beside.
struct Counting;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

#[expect(unsafe_code, reason = "an allocator that counts cannot be written without")]
// SAFETY: every call is passed on to the system's allocator with the same arguments.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.get().wrapping_add(layout.size());
        HELD.set(held);
        PEAK.set(PEAK.get().max(held));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.set(HELD.get().saturating_sub(layout.size()));
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Returns how many bytes `act` held at most beyond what was held before.
fn peak_of(act: impl FnOnce()) -> usize {
    let before = HELD.get();
    PEAK.set(before);
    act();
    PEAK.get().saturating_sub(before)
}

impl Random {
    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }

    /// One of the values at which something may tip.
    fn edge(&mut self) -> u64 {
        let edges = [0, 1, 23, 24, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 1 << 32, 1 << 53, u64::MAX];
        edges[self.below(edges.len())]
    }
}

/// Changes `bytes` in one to four ways; `others` are there to splice from.
fn mutate(bytes: &mut Vec<u8>, others: &[Vec<u8>], random: &mut Random) {
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() + 1);
        match random.below(8) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            1 if at < bytes.len() => bytes[at] = random.byte(),
            2 => bytes.truncate(at),
            3 => {
                let byte = random.byte();
                bytes.resize((bytes.len() + random.below(200)).min(2000), byte);
            }
            // A number of one to eight bytes, wherever one may stand.
            4 => {
                let edge = random.edge().to_be_bytes();
                let width = 1 << random.below(4);
                for (place, byte) in bytes.iter_mut().skip(at).zip(&edge[8 - width..]) {
                    *place = *byte;
                }
            }
            5 => {
                let other = &others[random.below(others.len())];
                let from = random.below(other.len());
                bytes.splice(at.min(bytes.len()).., other[from..].iter().copied());
            }
            6 if at < bytes.len() => drop(bytes.remove(at)),
            _ => bytes.insert(at, random.byte()),
        }
    }
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut files: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} has no files", folder.display());
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

fn identity() -> Identity {
    Identity::simple(b"secret", HostName::new("db-1").unwrap())
}

fn contents() -> Vec<Content> {
    let series: Vec<SeriesDef> = (0..33)
        .map(|n| SeriesDef {
            name: SeriesName::of("disk_monitor", &format!("/{n}"), "percent"),
            unit: Unit::Percent,
            kind: MetricKind::Gauge,
            decimals: 1,
        })
        .collect();
    let mut values = Vec::new();
    hark_model::frame::encode_values(&series, &[85.2; 33], &mut values);
    let mut beat = BeatBuilder::new(10_000, Some(300));
    assert!(beat.push(7, Unix(1_700_000_000_000), &values));
    let mut backlog = BacklogBuilder::new();
    while backlog.push(7, Unix(1_700_000_000_000), &values) {}
    let mut report = ReportBuilder::new(3);
    let result = ReportItem::Result(CheckResult {
        check: CheckName::new("web").unwrap(),
        status: Status::Warning,
        text: "slow".to_owned(),
        began_at: Unix(1),
        took_ms: 900,
        values: vec![(SeriesName::plain("web", "seconds"), 0.9)],
        limits: vec![SeriesLimits {
            series: SeriesName::plain("web", "seconds"),
            warning: Some(Range { low: f64::NEG_INFINITY, high: 0.5, inside: false }),
            critical: None,
            min: Some(0.0),
            max: None,
        }],
        next: hark_model::Next::Within(std::time::Duration::from_mins(5)),
    });
    assert_eq!(report.push(1, &result), Pushed::Whole);
    let hello = Hello {
        host: HostName::new("db-1").unwrap(),
        version: "0.1.0".to_owned(),
        interval_ms: 10_000,
        epoch: 3,
        booted_at: None,
        started_at: Unix(1),
        sets: vec![7],
        facts: std::collections::BTreeMap::from([("os".to_owned(), "Debian".to_owned())]),
    };
    let mut contents = vec![hello.encode().unwrap(), beat.finish(), report.finish()];
    contents.extend(split_set(7, &series).unwrap());
    contents.push(backlog.finish());
    contents.push(Fetch { paper: Paper::Configuration(3), offset: 1144 }.encode());
    contents
}

/// The second piece of a paper, as long as one can be.
fn piece() -> Piece {
    Piece::cut(Fetch { paper: Paper::Configuration(3), offset: 1144 }, &[b' '; 4000])
}

/// What can be seen of a session; all of it is compared after each wrong datagram.
fn seen(server: &ServerSession) -> impl PartialEq + std::fmt::Debug + use<> {
    (
        (server.session(), server.highest(), server.to_persist(), server.ack_due()),
        (server.address(), server.duplicates(), server.flaps()),
    )
}

#[test]
fn the_corpus_is_read_within_bounded_memory() {
    for input in corpus("datagram") {
        let peak = peak_of(|| datagram::run(&input));
        assert!(peak < MOST_MEMORY, "{peak} bytes");
    }
    for input in corpus("frame") {
        frame::run(&input);
    }
}

#[test]
fn mutated_inputs_are_read_or_refused_within_bounded_memory() {
    let mut random = Random(1);
    let mut seeds: Vec<Vec<u8>> = corpus("datagram");
    for content in contents() {
        // The harness' modes: as a content, and as the content of a sealed datagram.
        let kind = content.kind().number() - 1;
        let mode = if content.kind() == Kind::Fetch { 8 + 7 } else { kind + 3 };
        seeds.push([&[mode], content.bytes()].concat());
        seeds.push([&[kind * 8 + 2], &[0; PREAMBLE][..], content.bytes()].concat());
    }
    // And what a server says: acknowledgement, reset, want sets, piece.
    let mut plain = Vec::new();
    piece().write(&mut plain);
    seeds.push([&[3 * 16 + 8 + 1], &plain[..]].concat());
    seeds.extend((0..3).map(|kind| [&[kind * 16 + 8 + 1], &[1; 47][..]].concat()));
    for number in 0..mutations(MUTATIONS) {
        let mut input = seeds[random.below(seeds.len())].clone();
        mutate(&mut input, &seeds, &mut random);
        let peak = peak_of(|| datagram::run(&input));
        assert!(peak < MOST_MEMORY, "mutation {number} holds {peak} bytes");
    }
    let seeds = corpus("frame");
    for _ in 0..mutations(MUTATIONS) {
        let mut input = seeds[random.below(seeds.len())].clone();
        mutate(&mut input, &seeds, &mut random);
        frame::run(&input);
    }
}

#[test]
fn mutated_datagrams_leave_a_session_as_it_was() {
    let mut random = Random(2);
    let mut client = ClientSession::begin(identity(), 1000, AT);
    let mut server = ServerSession::new(0, None);
    let mut genuine = Vec::new();
    for (token, content) in (0..).zip(contents()) {
        let mut out = Vec::new();
        client.seal(&content, token, Now::default(), AT, &mut out).unwrap();
        genuine.push(out);
    }
    // One was received; the others could still come.
    server.open(&identity().key, &mut genuine[0].clone(), HOME, AT).unwrap();
    server.persisted(1000);
    let known: BTreeSet<Vec<u8>> = genuine.iter().cloned().collect();
    // Up to the limits of attempts, which are counters.
    let all = |server: &ServerSession| {
        let text = format!("{server:?}");
        text.split_once("attempts").map(|(before, _)| before.to_owned())
    };
    let (before, all_before) = (seen(&server), all(&server));
    assert!(all_before.is_some());
    let mut counters = [0u64; Refused::ALL.len()];
    for number in 0..mutations(MUTATIONS) {
        let mut wrong = genuine[random.below(genuine.len())].clone();
        mutate(&mut wrong, &genuine, &mut random);
        if known.contains(&wrong) {
            continue;
        }
        let refused = server.open(&identity().key, &mut wrong, HOME, AT).unwrap_err();
        assert_ne!(refused, Refused::Stale, "mutation {number} authenticated");
        counters[refused.index()] += 1;
        assert!(seen(&server) == before, "mutation {number}: {:?}", seen(&server));
    }
    assert_eq!(all(&server), all_before);
    for reason in [Refused::Short, Refused::Long, Refused::Magic, Refused::Kind, Refused::Forged] {
        assert!(counters[reason.index()] > 0, "no mutation was {reason:?}");
    }
    for datagram in &mut genuine[1..] {
        server.open(&identity().key, datagram, HOME, AT).unwrap();
    }
}

#[test]
fn mutated_replies_leave_an_agent_as_it_was() {
    let mut random = Random(3);
    let mut client = ClientSession::begin(identity(), 1000, AT);
    let mut server = ServerSession::new(0, None);
    let mut out = Vec::new();
    client.seal(&contents()[0], 5, Now::default(), AT, &mut out).unwrap();
    let header = server.open(&identity().key, &mut out, HOME, AT).unwrap().header;
    server.persisted(1000);
    server.stored(1000, header.counter);
    let mut replies = vec![Vec::new(); 4];
    assert!(server.ack(header.agent, &AckFacts::default(), AT, &mut replies[0]));
    assert!(server.want_sets(header.agent, &[1, 2], &mut replies[1]));
    assert!(server.piece(header.agent, &piece(), &mut replies[2]));
    assert!(server.reset(&identity().key, &header, [9; 16], AT, &mut replies[3]));
    for number in 0..mutations(MUTATIONS) {
        let mut wrong = replies[random.below(4)].clone();
        mutate(&mut wrong, &replies, &mut random);
        if replies.contains(&wrong) {
            continue;
        }
        assert!(client.open(&mut wrong, Now::default(), AT).is_err(), "mutation {number}");
        assert_eq!((client.n_waiting(), client.rtt_us(), client.session()), (1, None, 1000));
    }
    for reply in &mut replies[..3] {
        assert!(client.open(reply, Now::default(), AT).is_ok());
    }
}

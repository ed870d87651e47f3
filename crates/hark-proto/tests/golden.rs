//! The test vectors of `docs/protocol.md`: what is in `golden/v1` is what the code makes and reads.
//!
//! The files are of a released format: a difference here means that deployed agents are not
//! understood any more. `HARK_GOLDEN=write cargo test -p hark-proto --test golden` writes them, for a
//! new version's folder.

#![expect(clippy::unwrap_used, clippy::string_slice, reason = "test code outside test functions")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use hark_model::frame::{Item, ValueReader, check_values, encode_item};
use hark_model::name::{CheckName, HostName};
use hark_model::time::{Micros, Mono, Now, Unix};
use hark_model::{
    CheckResult, Event, EventKind, MetricKind, Range, SeriesDef, SeriesLimits, SeriesName,
    Severity, Status, Unit,
};
use hark_proto::body::{Body, Preamble};
use hark_proto::header::{Header, Kind, SALT, peek_reply};
use hark_proto::key::SealingKey;
use hark_proto::{
    AckFacts, AckFlags, AgentKey, BacklogBuilder, BeatBuilder, ClientSession, Content, Fetch,
    Hello, Identity, Outcome, Paper, Piece, Refused, Reply, ReportBuilder, ReportItem,
    ServerSession, SessionKeys, decode, peek, set_number, simple_identity, split_set,
};
use serde_json::{Value, json};

const SECRET: &[u8] = b"correct horse battery staple";
const HOST: &str = "db-1.example.net";
const SESSION: u64 = 1_795_200_000_123;
const SALT_BYTES: [u8; SALT] = *b"0123456789abcdef";
const AT: Micros = Micros(3_600_250_000);
const NOW: Now = Now { mono: Mono(3_600_250), unix: Unix(1_795_200_000_250) };
const HOME: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn unhex(value: &Value) -> Vec<u8> {
    let text = value.as_str().expect("hex is text");
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

/// Compares with the file, or writes it; returns what the file holds.
fn golden(name: &str, made: &Value) -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden/v1").join(name);
    #[expect(clippy::disallowed_methods, reason = "a switch of this test alone")]
    if std::env::var("HARK_GOLDEN").as_deref() == Ok("write") {
        std::fs::write(&path, serde_json::to_string_pretty(made).unwrap() + "\n").unwrap();
    }
    let held: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(&held, made, "{name} is not what the code makes");
    held
}

fn key() -> AgentKey {
    simple_identity(SECRET, HOST).1
}

fn series() -> Vec<SeriesDef> {
    let def = |name, unit, kind, decimals| SeriesDef { name, unit, kind, decimals };
    vec![
        def(SeriesName::plain("cpu_monitor", "cpu_percent"), Unit::Percent, MetricKind::Gauge, 1),
        def(SeriesName::of("disk_monitor", "/", "free_gb"), Unit::Gibibytes, MetricKind::Gauge, 2),
        def(
            SeriesName::of("network_monitor", "eth0", "received_bytes"),
            Unit::Bytes,
            MetricKind::Counter,
            0,
        ),
    ]
}

fn values() -> Vec<u8> {
    let mut bytes = Vec::new();
    hark_model::frame::encode_values(&series(), &[85.2, f64::NAN, 1e12], &mut bytes);
    bytes
}

fn hello() -> Content {
    Hello {
        host: HostName::new(HOST).unwrap(),
        version: "0.1.0".to_owned(),
        interval_ms: 10_000,
        epoch: 1_795_000_000_000,
        booted_at: Some(Unix(1_794_000_000_000)),
        started_at: Unix(1_795_200_000_000),
        sets: vec![set_number(&series())],
        facts: BTreeMap::from([("os".to_owned(), "Debian 12".to_owned())]),
    }
    .encode()
    .unwrap()
}

fn report() -> Content {
    let mut builder = ReportBuilder::new(1_795_000_000_000);
    let items = [
        ReportItem::Result(CheckResult {
            check: CheckName::new("web").unwrap(),
            status: Status::Critical,
            text: "connection refused".to_owned(),
            began_at: Unix(1_795_199_999_000),
            took_ms: 12,
            values: vec![(SeriesName::plain("web", "seconds"), 0.5)],
            limits: Vec::new(),
            next: hark_model::Next::default(),
        }),
        ReportItem::Event(Event {
            at: Unix(1_795_199_999_500),
            kind: EventKind::Boot,
            severity: Severity::Info,
            text: "booted".to_owned(),
            tags: vec!["kernel".to_owned()],
            data: None,
        }),
        ReportItem::Facts(vec![("kernel".to_owned(), "6.1.0".to_owned())]),
    ];
    for (number, item) in (7..).zip(&items) {
        assert_eq!(builder.push(number, item), hark_proto::body::Pushed::Whole);
    }
    builder.finish()
}

fn fetch() -> Fetch {
    Fetch { paper: Paper::Configuration(3), offset: 4 }
}

fn outcome() -> Content {
    let mut builder = ReportBuilder::new(1_795_000_000_000);
    let item = Outcome { order: 9, exit: Some(0), text: "restarted".to_owned() };
    let pushed = builder.push(10, &ReportItem::Outcome(item));
    assert_eq!(pushed, hark_proto::body::Pushed::Whole);
    builder.finish()
}

fn beat() -> Content {
    let mut builder = BeatBuilder::new(10_000, Some(250));
    assert!(builder.push(set_number(&series()), Unix(1_795_200_000_200), &values()));
    builder.finish()
}

fn requests() -> Vec<(&'static str, Content, bool)> {
    let mut backlog = BacklogBuilder::new();
    for at in [1_795_199_980_200, 1_795_199_990_200] {
        assert!(backlog.push(set_number(&series()), Unix(at), &values()));
    }
    vec![
        ("hello in simple mode", hello(), true),
        ("hello in enrolled mode", hello(), false),
        ("beat with one frame", beat(), true),
        ("beat without frames, padded", BeatBuilder::new(10_000, None).finish(), true),
        ("sets", split_set(set_number(&series()), &series()).unwrap().remove(0), true),
        ("report", report(), true),
        ("backlog with two frames", backlog.finish(), true),
        ("fetch of a configuration", fetch().encode(), true),
        ("report of an outcome", outcome(), true),
    ]
}

/// Seals as datagram number `counter`: no two vectors share a nonce.
fn sealed(content: &Content, simple: bool, counter: u64) -> Vec<u8> {
    let mut identity = Identity::simple(SECRET, HostName::new(HOST).unwrap());
    if !simple {
        identity.name = None;
    }
    let mut client = ClientSession::begin(identity, SESSION, AT);
    let mut out = Vec::new();
    while client.seal(content, counter, NOW, AT, &mut out).unwrap() < counter {}
    out
}

/// A result with what a plugin itself calls bad: added after the first golden reports, which have none.
fn limited() -> CheckResult {
    CheckResult {
        check: CheckName::new("load").unwrap(),
        status: Status::Warning,
        text: "load is high".to_owned(),
        began_at: Unix(1_795_199_999_000),
        took_ms: 12,
        values: Vec::new(),
        limits: vec![SeriesLimits {
            series: SeriesName::of("nagios_runner", "load", "load1"),
            warning: Some(Range { low: 0.0, high: 5.0, inside: false }),
            critical: Some(Range { low: 10.0, high: f64::INFINITY, inside: true }),
            min: Some(0.0),
            max: None,
        }],
        next: hark_model::Next::default(),
    }
}

#[test]
fn a_report_with_limits_is_the_golden_one() {
    let mut builder = ReportBuilder::new(1_795_000_000_000);
    let item = ReportItem::Result(limited());
    assert_eq!(builder.push(7, &item), hark_proto::body::Pushed::Whole);
    let content = builder.finish();
    let held = golden("report-with-limits.json", &json!({ "content": hex(content.bytes()) }));
    let bytes = unhex(&held["content"]);
    let Body::Report(report) = decode(Kind::Report, &bytes).unwrap() else { panic!("no report") };
    assert_eq!(report.items, [(7, Some(item))]);
}

/// An event with what a program added to it: added after the first golden reports, whose event has none.
#[test]
fn a_report_of_an_event_with_data_is_the_golden_one() {
    let mut builder = ReportBuilder::new(1_795_000_000_000);
    let item = ReportItem::Event(Event {
        at: Unix(1_795_199_999_500),
        kind: EventKind::from_word("backup"),
        severity: Severity::Warning,
        text: "took long".to_owned(),
        tags: vec!["nightly".to_owned()],
        data: Some(r#"{"hours":5,"volumes":["home","mail"]}"#.to_owned()),
    });
    assert_eq!(builder.push(7, &item), hark_proto::body::Pushed::Whole);
    let content = builder.finish();
    let held = golden("report-with-event-data.json", &json!({ "content": hex(content.bytes()) }));
    let bytes = unhex(&held["content"]);
    let Body::Report(report) = decode(Kind::Report, &bytes).unwrap() else { panic!("no report") };
    assert_eq!(report.items, [(7, Some(item))]);
}

#[test]
fn keys_are_the_golden_ones() {
    let (agent, key) = simple_identity(SECRET, HOST);
    let keys = SessionKeys::derive(&key, SESSION);
    golden(
        "keys.json",
        &json!({
            "secret": hex(SECRET),
            "host": HOST,
            "agent": agent.to_string(),
            "agent_key": hex(key.expose()),
            "session": SESSION,
            "key_to_server": hex(keys.to_server.expose()),
            "key_to_agent": hex(keys.to_agent.expose()),
            "reset_salt": hex(&SALT_BYTES),
            "reset_key": hex(SealingKey::for_reset(&key, SESSION, &SALT_BYTES).expose()),
        }),
    );
}

#[test]
fn values_are_the_golden_ones() {
    let items = [
        ("zero", Item::Scaled(0)),
        ("minus one", Item::Scaled(-1)),
        ("852, which is 85.2 with one decimal", Item::Scaled(852)),
        ("2^53", Item::Scaled(1 << 53)),
        ("-2^53", Item::Scaled(-(1 << 53))),
        ("the float 1e300", Item::Float(1e300)),
        ("the float minus infinity", Item::Float(f64::NEG_INFINITY)),
        ("absent", Item::Absent),
    ];
    let made: Vec<Value> = items
        .iter()
        .map(|(what, item)| {
            let mut bytes = Vec::new();
            encode_item(*item, &mut bytes);
            json!({ "what": what, "bytes": hex(&bytes) })
        })
        .collect();
    let refused = [
        ("a varint that does not end", "80"),
        ("a varint with a last byte of zero", "8000"),
        ("a varint of more than 64 bits", "ffffffffffffffffff02"),
        ("an unknown odd item", "05"),
        ("a float of seven bytes", "0100000000000000"),
        ("a float that is not a number", "017ff8000000000000"),
    ];
    let refused: Vec<Value> =
        refused.iter().map(|(what, bytes)| json!({ "what": what, "bytes": bytes })).collect();
    let held = golden(
        "values.json",
        &json!({
            "items": made,
            "refused": refused,
            "frame": {
                "decimals": [1, 2, 0],
                "values": [85.2, Value::Null, 1e12],
                "bytes": hex(&values()),
            },
        }),
    );
    for ((_, item), held) in items.iter().zip(held["items"].as_array().unwrap()) {
        let bytes = unhex(&held["bytes"]);
        assert_eq!(ValueReader::new(&bytes).collect::<Vec<_>>(), vec![Ok(*item)]);
    }
    for held in held["refused"].as_array().unwrap() {
        assert!(check_values(&unhex(&held["bytes"]), 1).is_err(), "{held}");
    }
}

#[test]
fn requests_are_the_golden_ones() {
    let made: Vec<Value> = requests()
        .iter()
        .zip(1..)
        .map(|((what, content, simple), counter)| {
            let datagram = sealed(content, *simple, counter);
            let envelope = peek(&datagram).unwrap();
            let clear = envelope.clear;
            let keys = SessionKeys::derive(&key(), SESSION);
            let mut copy = datagram.clone();
            let plain = keys.to_server.open(counter, clear, &mut copy).unwrap();
            json!({
                "what": what,
                "kind": content.kind().word(),
                "session": SESSION,
                "counter": counter,
                "clear": hex(&datagram[..clear]),
                "plain": hex(plain),
                "stamp": AT.0,
                "sent_at": NOW.unix.0,
                "content": hex(content.bytes()),
                "datagram": hex(&datagram),
            })
        })
        .collect();
    let held = golden("requests.json", &json!(made));
    for ((what, content, _), held) in requests().iter().zip(held.as_array().unwrap()) {
        let mut server = ServerSession::new(0, None);
        let mut datagram = unhex(&held["datagram"]);
        let received = server.open(&key(), &mut datagram, HOME, AT).unwrap();
        assert_eq!(received.sent_at, NOW.unix);
        let body = decode(received.header.kind, received.content).unwrap();
        assert_eq!(body, decode(content.kind(), content.bytes()).unwrap(), "{what}");
    }
}

/// A server that received counters 1, 2 and 4 and stored them.
fn replies() -> Vec<(&'static str, Vec<u8>)> {
    let mut client =
        ClientSession::begin(Identity::simple(SECRET, HostName::new(HOST).unwrap()), SESSION, AT);
    let mut server = ServerSession::new(0, None);
    let mut stale = None;
    for counter in 1..=4 {
        let mut out = Vec::new();
        client.seal(&beat(), counter, NOW, AT, &mut out).unwrap();
        if counter != 3 {
            let received = server.open(&key(), &mut out, HOME, AT).unwrap();
            server.stored(SESSION, received.header.counter);
            stale = Some(received.header);
        }
    }
    server.persisted(SESSION);
    let (agent, _) = simple_identity(SECRET, HOST);
    let mut ack = Vec::new();
    let facts = AckFacts {
        now: NOW.after(Duration::from_millis(60)),
        revision: 3,
        flags: AckFlags::HISTORY_STOPPED,
        retry_after_s: 30,
        order: 0,
    };
    assert!(server.ack(agent, &facts, Micros(AT.0 + 60_000), &mut ack));
    let mut want = Vec::new();
    assert!(server.want_sets(agent, &[set_number(&series()), 7], &mut want));
    let mut reset = Vec::new();
    assert!(server.reset(&key(), &stale.unwrap(), SALT_BYTES, AT, &mut reset));
    let mut piece = Vec::new();
    assert!(server.piece(agent, &Piece::cut(fetch(), b"interval: 10s\n"), &mut piece));
    let mut nudge = Vec::new();
    assert!(server.nudge());
    let facts = AckFacts { order: 9, ..facts };
    assert!(server.ack(agent, &facts, Micros(AT.0 + 60_000), &mut nudge));
    let mut wait = Vec::new();
    ServerSession::wait(&key(), &stale.unwrap(), SALT_BYTES, 30, &mut wait);
    vec![
        ("ack of 1, 2 and 4", ack),
        ("want sets", want),
        ("reset", reset),
        ("piece of a configuration", piece),
        ("ack unasked, with an order", nudge),
        ("wait", wait),
    ]
}

#[test]
fn replies_are_the_golden_ones() {
    let made: Vec<Value> = replies()
        .iter()
        .map(|(what, datagram)| {
            let envelope = peek_reply(datagram).unwrap();
            let Header { kind, counter, .. } = envelope.header;
            let sealing = if kind == Kind::Reset {
                SealingKey::for_reset(&key(), SESSION, &SALT_BYTES)
            } else if kind == Kind::Wait {
                SealingKey::for_wait(&key(), SESSION, &SALT_BYTES)
            } else {
                SessionKeys::derive(&key(), SESSION).to_agent
            };
            let mut copy = datagram.clone();
            let plain = sealing.open(counter, envelope.clear, &mut copy).unwrap();
            json!({
                "what": what,
                "kind": kind.word(),
                "session": SESSION,
                "counter": counter,
                "clear": hex(&datagram[..envelope.clear]),
                "plain": hex(plain),
                "datagram": hex(datagram),
            })
        })
        .collect();
    let held = golden("replies.json", &json!(made));
    let mut client =
        ClientSession::begin(Identity::simple(SECRET, HostName::new(HOST).unwrap()), SESSION, AT);
    for token in 1..=4 {
        client.seal(&beat(), token, NOW, AT, &mut Vec::new()).unwrap();
    }
    let later = Micros(AT.0 + 61_000);
    let said: Vec<Reply> = held
        .as_array()
        .unwrap()
        .iter()
        .map(|held| client.open(&mut unhex(&held["datagram"]), NOW, later).unwrap())
        .collect();
    let Reply::Acked(acked) = &said[0] else { panic!("the first is an ack") };
    assert_eq!((acked.stored.as_slice(), acked.rtt_us, acked.revision), (&[1, 2, 4][..], 1_000, 3));
    assert_eq!(acked.flags, AckFlags::HISTORY_STOPPED);
    assert_eq!(acked.retry_after, Some(Duration::from_secs(30)));
    assert_eq!(said[1], Reply::WantSets(vec![set_number(&series()), 7]));
    assert_eq!(said[2], Reply::Reset { highest: SESSION });
    let piece = Piece::cut(fetch(), b"interval: 10s\n");
    assert_eq!(piece.bytes, b"rval: 10s\n");
    assert_eq!(said[3], Reply::Piece(piece));
    assert_eq!(said[5], Reply::Wait(Duration::from_secs(30)));
    let Reply::Acked(acked) = &said[4] else { panic!("the fifth is an ack") };
    assert_eq!((acked.order, acked.stored.len()), (9, 0));
}

/// What a server must refuse, each with the word of its reason.
fn refused() -> Vec<(&'static str, Refused, Vec<u8>)> {
    let good = sealed(&beat(), true, 11);
    let named = sealed(&hello(), true, 12);
    let changed = |datagram: &[u8], at: usize, byte: u8| {
        let mut bytes = datagram.to_vec();
        bytes[at] = byte;
        bytes
    };
    let last = good.len() - 1;
    let plain = |kind: Kind, counter: u64, plain: &[u8]| {
        let (agent, key) = simple_identity(SECRET, HOST);
        let mut out = Vec::new();
        Header { kind, agent, session: SESSION, counter }.write(&mut out);
        let clear = out.len();
        out.extend_from_slice(plain);
        SessionKeys::derive(&key, SESSION).to_server.seal(counter, clear, &mut out);
        out
    };
    let mut unfinished = Vec::new();
    Preamble { stamp: AT, sent_at: NOW.unix }.write(&mut unfinished);
    // A beat that promises 200 frames and has none.
    unfinished.extend_from_slice(&[0, 0, 0x27, 0x10, 0, 0, 0, 0xfa, 200]);
    unfinished.resize(54, 0);
    vec![
        ("empty", Refused::Short, Vec::new()),
        ("95 bytes", Refused::Short, good[..95].to_vec()),
        ("1200 bytes", Refused::Long, vec![0xa1; 1200]),
        ("version 2", Refused::Magic, changed(&good, 0, 0xa2)),
        ("a text", Refused::Magic, changed(&good, 0, b'{')),
        ("an unknown kind", Refused::Kind, changed(&good, 1, 0x7f)),
        ("a reply's kind", Refused::Kind, changed(&good, 1, 0x81)),
        ("counter 0", Refused::Header, changed(&good, 25, 0)),
        ("a session above 2^53", Refused::Header, changed(&good, 10, 1)),
        ("a host name that is not UTF-8", Refused::Header, changed(&named, 27, 0xff)),
        ("a host name longer than 253 bytes", Refused::Header, changed(&named, 26, 254)),
        ("another kind than was sealed", Refused::Forged, changed(&good, 1, 5)),
        ("another agent than was sealed", Refused::Forged, changed(&good, 9, good[9] ^ 1)),
        ("another session than was sealed", Refused::Forged, changed(&good, 17, good[17] ^ 1)),
        ("another counter than was sealed", Refused::Forged, changed(&good, 25, 15)),
        ("another host name than was sealed", Refused::Forged, changed(&named, 27, b'e')),
        ("one bit of the body", Refused::Forged, changed(&good, 40, good[40] ^ 0x80)),
        ("one bit of the tag", Refused::Forged, changed(&good, last, good[last] ^ 1)),
        ("the last byte missing", Refused::Forged, named[..named.len() - 1].to_vec()),
        (
            "a beat with fewer frames than it says",
            Refused::Malformed,
            plain(Kind::Beat, 13, &unfinished),
        ),
        ("a report that is not CBOR", Refused::Malformed, plain(Kind::Report, 14, &[0xff; 80])),
    ]
}

#[test]
fn what_must_be_refused_is_refused() {
    let made: Vec<Value> = refused()
        .iter()
        .map(|(what, reason, datagram)| {
            json!({ "what": what, "reason": reason.word(), "datagram": hex(datagram) })
        })
        .collect();
    let held = golden("refused.json", &json!(made));
    for held in held.as_array().unwrap() {
        let mut server = ServerSession::new(0, None);
        let mut datagram = unhex(&held["datagram"]);
        let opened = server.open(&key(), &mut datagram, HOME, AT);
        let refused = opened.and_then(|r| decode(r.header.kind, r.content).map(drop)).unwrap_err();
        assert_eq!(refused.word(), held["reason"].as_str().unwrap(), "{held}");
    }
    let replayed = sealed(&beat(), true, 11);
    let mut server = ServerSession::new(0, None);
    assert!(server.open(&key(), &mut replayed.clone(), HOME, AT).is_ok());
    assert_eq!(server.open(&key(), &mut replayed.clone(), HOME, AT), Err(Refused::Replayed));
    let mut restarted = ServerSession::new(SESSION, None);
    assert_eq!(restarted.open(&key(), &mut replayed.clone(), HOME, AT), Err(Refused::Stale));
}

#[test]
fn the_document_shows_the_golden_datagrams() {
    let document = include_str!("../../../docs/protocol.md");
    let document: String = document.split_whitespace().collect();
    let key_to_agent = hex(SessionKeys::derive(&key(), SESSION).to_agent.expose());
    for shown in [hex(&sealed(&beat(), true, 3)), hex(&replies()[0].1), key_to_agent] {
        assert!(document.contains(&shown), "{shown}");
    }
}

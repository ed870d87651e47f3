use std::collections::BTreeMap;
use std::sync::mpsc::sync_channel;

use hark_engine::Watch;
use hark_model::frame::encode_values;
use hark_model::{
    Event, EventKind, HostId, HostName, MetricKind, SeriesDef, SeriesName, Severity, Unit, Unix,
};
use hark_proto::{
    AckFlags, AgentKey, BeatBuilder, Body, ClientSession, Hello, Identity, ItemWindow, Kind,
    Refused, Reply, Signed,
};
use hark_store::history::{History, Settings};
use hark_web::{AgentClaim, AgentProof, Batch, Item, Sample};
use tokio::sync::oneshot;

use super::super::messages::{DefineSet, Lasts, NotDefined, Part};
use super::super::tally::{Fate, Shed};
use super::pending::Samples;

use super::*;

const HOST: HostId = HostId(1);

/// The agent's number for its one set.
const SET: u32 = 77;

fn series() -> SeriesDef {
    SeriesDef {
        name: SeriesName::plain("load", "one"),
        unit: Unit::None,
        kind: MetricKind::Gauge,
        decimals: 1,
    }
}

/// Ingest after a restart: one agent is known, none of its sets, and nobody has taken anything yet.
fn restarted() -> (Intake, Receiver<ToEngine>, Receiver<ToHistory>) {
    let known = KnownAgent {
        id: 7,
        name: HostName::new("db1").unwrap(),
        key: [1; 32],
        mode: Mode::Enrolled,
        session: 1,
        items: ItemWindow::default(),
        tags: Vec::new(),
    };
    let (engine, to_engine) = sync_channel(16);
    let (history, to_history) = sync_channel(16);
    let (_, inbox) = sync_channel(1);
    let intake = Intake::new(Setup {
        sockets: Vec::new(),
        bell: Arc::new(Bell::new().unwrap()),
        agents: Agents::new(None, [(known, Some(HOST))]),
        inbox,
        engine,
        history,
        journal: None,
        probes: mpsc::channel(1).0,
        tally: Arc::default(),
        vitals: Arc::default(),
        own_limits: Arc::default(),
        live: Live::new(),
        discovery: None,
        progress: Arc::default(),
        own_datagram: Arc::default(),
        stop: Stop::default(),
    });
    (intake, to_engine, to_history)
}

/// Has it take a heartbeat with one value; returns what [`Intake::beat`] does.
fn beat(intake: &mut Intake, at: i64) -> Option<Samples> {
    let mut values = Vec::new();
    encode_values(&[series()], &[4.5], &mut values);
    let mut builder = BeatBuilder::new(1000, None);
    let now = Clock.now();
    assert!(builder.push(SET, Unix(now.unix.0 + at), &values));
    let content = builder.finish();
    let Ok(Body::Beat(beat)) = hark_proto::decode(Kind::Beat, content.bytes()) else {
        panic!("not a heartbeat")
    };
    let from = "127.0.0.1:9".parse().unwrap();
    let arrival = Arrival { slot: 0, session: 2, counter: 1, from, socket: 0, moved: false, now };
    intake.beat(arrival, &beat)
}

fn values_judged(intake: &Intake) -> usize {
    let heard =
        |input: &Input| if let Input::Heard(heard) = input { heard.values.len() } else { 0 };
    intake.inputs.iter().map(heard).sum()
}

fn watched(intake: &mut Intake, ticket: u64) {
    let watches = vec![Watch { number: 3, series: series().name }];
    intake.message(ToIntake::Watch { host: HOST, watches, ticket });
}

#[test]
fn what_came_before_the_engine_looked_at_it_is_judged_once_it_does() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = History::open(folder.path(), Settings::default()).unwrap();
    let (mut intake, to_engine, _to_history) = restarted();
    assert_eq!(beat(&mut intake, -30), None, "the set is not known");
    let catalogue = history.declare(HOST, &[series()], Clock.now()).unwrap();
    let set = DefineSet { slot: 0, host: HOST, number: SET, series: Arc::from([series()]) };
    intake.message(ToIntake::SetReady { set, outcome: Ok(catalogue) });
    let now = Clock.now().unix;
    assert_eq!(beat(&mut intake, -10), None, "the engine has not been asked yet");
    intake.close_ticket(Clock.now().mono);
    let ToEngine::Batch(batch) = to_engine.try_recv().unwrap() else { panic!("no batch") };
    watched(&mut intake, batch.ticket - 1);
    let judged = |intake: &Intake| {
        let early = |input: &Input| {
            if let Input::Sampled(sampled) = input { Some(sampled.values.clone()) } else { None }
        };
        intake.inputs.iter().find_map(early)
    };
    assert_eq!(judged(&intake), None, "that was about something else");
    watched(&mut intake, batch.ticket);
    let values = judged(&intake).unwrap();
    let [(name, at, value)] = &values[..] else { panic!("{values:?}") };
    assert_eq!((name, *value), (&series().name, 4.5));
    assert!((now.0 - 10 - 1000..=now.0 + 1000).contains(&at.0), "the newest: {at:?}, {now:?}");
    intake.inputs.clear();
    watched(&mut intake, batch.ticket);
    assert_eq!(judged(&intake), None, "once");
}

#[test]
fn after_a_reload_the_engine_is_asked_once_for_each_host() {
    let (mut intake, to_engine, _to_history) = ready();
    assert!(to_engine.try_recv().is_err());
    intake.message(reloaded(Duration::ZERO));
    assert!(intake.sweep.is_busy());
    let now = Clock.now().mono;
    intake.ask_again(now);
    intake.ask_again(now);
    assert!(matches!(&intake.inputs[..], [Input::SeriesSeen { host: HOST, .. }]));
    assert!(!intake.sweep.is_busy());
}

/// A configuration with this limit on how late it may be.
fn reloaded(shed_after: Duration) -> ToIntake {
    ToIntake::Reloaded { secret: None, configs: Arc::default(), shed_after }
}

/// As [`restarted`], and history and the engine have taken what is wanted of them.
fn ready() -> (Intake, Receiver<ToEngine>, Receiver<ToHistory>) {
    let folder = tempfile::tempdir().unwrap();
    let mut history = History::open(folder.path(), Settings::default()).unwrap();
    let (mut intake, to_engine, to_history) = restarted();
    let catalogue = history.declare(HOST, &[series()], Clock.now()).unwrap();
    let set = DefineSet { slot: 0, host: HOST, number: SET, series: Arc::from([series()]) };
    intake.message(ToIntake::SetReady { set, outcome: Ok(catalogue) });
    intake.close_ticket(Clock.now().mono);
    let ToEngine::Batch(batch) = to_engine.try_recv().unwrap() else { panic!("no batch") };
    watched(&mut intake, batch.ticket);
    (intake, to_engine, to_history)
}

#[test]
fn no_heartbeat_is_acknowledged_before_the_engine_has_said_what_it_looks_at() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = History::open(folder.path(), Settings::default()).unwrap();
    let (mut intake, to_engine, _to_history) = restarted();
    assert_eq!(beat(&mut intake, 0), None, "the set is not known");
    let catalogue = history.declare(HOST, &[series()], Clock.now()).unwrap();
    let set = DefineSet { slot: 0, host: HOST, number: SET, series: Arc::from([series()]) };
    intake.message(ToIntake::SetReady { set: set.clone(), outcome: Ok(catalogue) });
    assert_eq!(beat(&mut intake, 1), None, "the engine has not been asked yet");
    assert!(intake.frames.is_empty(), "it comes again");
    intake.close_ticket(Clock.now().mono);
    let ToEngine::Batch(batch) = to_engine.try_recv().unwrap() else { panic!("no batch") };
    // The engine's answer to something before it: it does not know the set.
    watched(&mut intake, batch.ticket - 1);
    assert_eq!(beat(&mut intake, 2), None);
    watched(&mut intake, batch.ticket);
    assert_eq!(values_judged(&intake), 0);
    assert_eq!(beat(&mut intake, 3), Some(Samples::Handed));
    assert_eq!(values_judged(&intake), 1, "what is acknowledged is judged");
    // Declared again, it is asked for again, and once however many sets there are.
    for _ in 0..3 {
        intake.message(ToIntake::SetReady { set: set.clone(), outcome: Ok(catalogue) });
    }
    let asked = |input: &&Input| matches!(input, Input::SeriesSeen { host: HOST, .. });
    assert_eq!(intake.inputs.iter().filter(asked).count(), 1);
    assert_eq!(beat(&mut intake, 4), None);
}

#[test]
fn a_set_that_is_refused_is_judged_not_kept_said_once_and_kept_when_there_is_room() {
    let (mut intake, to_engine, _to_history) = restarted();
    let set = DefineSet { slot: 0, host: HOST, number: SET, series: Arc::from([series()]) };
    let refused = |lasts| {
        let outcome = Err(NotDefined { why: "too many".to_owned(), lasts });
        ToIntake::SetReady { set: set.clone(), outcome }
    };
    intake.message(refused(Lasts::Moments));
    assert!(intake.inputs.is_empty(), "it is asked for again");
    intake.message(refused(Lasts::WhileFull));
    let told = |input: &&Input| matches!(input, Input::Event { host: HOST, event } if event.text.ends_with("not kept: too many"));
    assert_eq!(intake.inputs.iter().filter(told).count(), 1);
    settle(&mut intake, &to_engine);
    assert_eq!(beat(&mut intake, 0), Some(Samples::Handed), "the agent is answered");
    assert_eq!(values_judged(&intake), 1);
    // History is asked again, and says the same.
    let mut later = Clock.now().mono;
    let ask = |intake: &mut Intake, later: &mut Mono| {
        intake.frames = HistoryBatch::default();
        intake.ask_for_refused(*later);
        assert!(intake.frames.define.is_empty(), "not at once");
        *later += Duration::from_mins(16);
        intake.ask_for_refused(*later);
        let asked = std::mem::take(&mut intake.frames.define);
        assert_eq!(asked.len(), 1);
        assert_eq!((asked[0].slot, asked[0].number), (0, SET));
    };
    ask(&mut intake, &mut later);
    intake.inputs.clear();
    intake.message(refused(Lasts::WhileFull));
    assert!(intake.inputs.is_empty(), "it was told");
    // There is room.
    ask(&mut intake, &mut later);
    let folder = tempfile::tempdir().unwrap();
    let mut history = History::open(folder.path(), Settings::default()).unwrap();
    let catalogue = history.declare(HOST, &[series()], Clock.now()).unwrap();
    intake.message(ToIntake::SetReady { set: set.clone(), outcome: Ok(catalogue) });
    settle(&mut intake, &to_engine);
    assert_eq!(beat(&mut intake, 1), Some(Samples::Handed));
    assert_eq!(intake.frames.frames[0].set, catalogue, "it is kept");
    intake.ask_for_refused(later + Duration::from_hours(1));
    assert!(intake.frames.define.is_empty(), "and asked for no more");
}

/// Has the engine say that it wants the value of the agent's set.
fn settle(intake: &mut Intake, to_engine: &Receiver<ToEngine>) {
    intake.close_ticket(Clock.now().mono);
    let ToEngine::Batch(batch) = to_engine.try_recv().unwrap() else { panic!("no batch") };
    watched(intake, batch.ticket);
}

#[test]
fn a_journal_whose_disk_stands_still_holds_up_no_heartbeat_and_its_lost_lines_are_counted() {
    let (mut intake, _to_engine, _to_history) = ready();
    let (journal, _disk, room) = MessageJournal::standing_still();
    intake.setup.journal = Some(journal);
    let beats = 2 * room;
    for n in 0..beats {
        assert_eq!(beat(&mut intake, 0), Some(Samples::Handed), "heartbeat {n}");
        // What follows from it is not this test's matter, and would be handed on here.
        intake.frames = HistoryBatch::default();
        intake.inputs.clear();
    }
    assert_eq!(intake.setup.tally.totals().journal_dropped, (beats - room) as u64);
}

#[test]
fn where_many_come_history_gets_the_frames_of_several_tickets_at_once() {
    let (mut intake, to_engine, to_history) = ready();
    intake.are_many = true;
    let begin = Clock.now().mono;
    let mut tickets = Vec::new();
    for ms in [0, 50, 249] {
        let now = begin + Duration::from_millis(ms);
        assert!(!intake.has_gathered(now, false), "nothing is new after {ms} ms");
        assert_eq!(beat(&mut intake, 0), Some(Samples::Handed));
        assert!(intake.has_gathered(now, false));
        intake.close_ticket(now);
        // The engine is told at once.
        let ToEngine::Batch(batch) = to_engine.try_recv().unwrap() else { panic!("no batch") };
        tickets.push(batch.ticket);
        assert!(to_history.try_recv().is_err(), "history waits after {ms} ms");
    }
    let later = begin + Duration::from_millis(250);
    assert!(intake.has_gathered(later, false), "also if nothing else comes");
    intake.close_ticket(later);
    let ToHistory::Batch(all) = to_history.try_recv().unwrap() else { panic!("no batch") };
    assert_eq!((all.frames.len(), all.since), (3, Some(begin)));
    assert!(all.ticket >= tickets[2], "what history says of it holds for each of them");
    assert!(!intake.has_open());
    // Few come: each is handed on with its ticket.
    intake.are_many = false;
    assert_eq!(beat(&mut intake, 0), Some(Samples::Handed));
    intake.close_ticket(later);
    assert!(to_history.try_recv().is_ok());
}

/// Has it be late until this is shed.
fn shed(intake: &mut Intake, wanted: Shed) {
    intake.message(reloaded(Duration::from_millis(1)));
    let begin = Clock.now().mono;
    let mut now = begin;
    while intake.shedding.shed() != wanted {
        now += Duration::from_secs(1);
        intake.shed_if_late(false, now);
        assert!(now < begin + Duration::from_mins(5), "it is never shed");
    }
}

/// Returns what stays of the frames that history is given.
fn frames_of(intake: &mut Intake) -> usize {
    std::mem::take(&mut intake.frames).frames.len()
}

#[test]
fn what_is_shed_is_judged_and_neither_kept_nor_acknowledged() {
    let (mut intake, _to_engine, _to_history) = ready();
    shed(&mut intake, Shed::Resolution);
    assert!(intake.flags().has(AckFlags::SHEDDING));
    assert!(!intake.flags().has(AckFlags::SHEDDING_METRICS));
    intake.inputs.clear();
    // A round a minute, which may come in several datagrams.
    for _ in 0..2 {
        assert_eq!(beat(&mut intake, 0), Some(Samples::Handed));
        assert_eq!(frames_of(&mut intake), 1);
    }
    let began = |intake: &mut Intake, ago: u64| {
        let at = Clock.now().mono.0 - ago * 1000;
        intake.setup.agents.slot(0).round = Some(Mono(at));
    };
    began(&mut intake, 30);
    assert_eq!(beat(&mut intake, 0), Some(Samples::Shed));
    assert_eq!((frames_of(&mut intake), values_judged(&intake)), (0, 3), "every value is judged");
    began(&mut intake, 60);
    assert_eq!(beat(&mut intake, 0), Some(Samples::Handed));
    assert_eq!(intake.setup.tally.totals().samples_shed, 1);
    // More is shed: nothing is kept, and the engine misses nothing that agents leave out.
    intake.inputs.clear();
    began(&mut intake, 60);
    shed(&mut intake, Shed::Metrics);
    assert!(intake.flags().has(AckFlags::SHEDDING_METRICS));
    assert!(intake.inputs.iter().any(|input| matches!(input, Input::ValuesSpared(true))));
    assert_eq!(beat(&mut intake, 0), Some(Samples::Shed));
    let empty = BeatBuilder::new(1000, None).finish();
    let Ok(Body::Beat(bare)) = hark_proto::decode(Kind::Beat, empty.bytes()) else { panic!() };
    let (from, now) = ("127.0.0.1:9".parse().unwrap(), Clock.now());
    let arrival = Arrival { slot: 0, session: 2, counter: 1, from, socket: 0, moved: false, now };
    assert_eq!(intake.beat(arrival, &bare), Some(Samples::None), "a heartbeat is taken");
}

/// Returns what the agent of [`restarted`] sends as the head of a request.
fn claim(number: u64) -> AgentClaim {
    let digest = [5; 32];
    let signed = Signed { method: "POST", path: "/x", number, digest: &digest };
    AgentClaim {
        agent: 7,
        host: None,
        number,
        digest,
        tag: signed.tag(&AgentKey::new([1; 32])),
        method: "POST".to_owned(),
        path: "/x".to_owned(),
        address: [127, 0, 0, 1].into(),
    }
}

#[test]
fn a_number_of_a_request_is_used_once_and_shared_with_sessions() {
    let (mut intake, to_engine, _to_history) = restarted();
    assert_eq!(intake.prove(&claim(1)), AgentProof::Stale(1), "a session had it");
    assert_eq!(intake.prove(&claim(9)), AgentProof::Proven(0));
    assert_eq!(intake.prove(&claim(9)), AgentProof::Stale(9));
    assert_eq!(intake.prove(&claim(8)), AgentProof::Stale(9));
    for wrong in [
        AgentClaim { number: 11, ..claim(10) },
        AgentClaim { path: "/y".to_owned(), ..claim(10) },
        AgentClaim { agent: 8, ..claim(10) },
        AgentClaim { digest: [6; 32], ..claim(10) },
    ] {
        assert_eq!(intake.prove(&wrong), AgentProof::Wrong);
    }
    intake.close_ticket(Clock.now().mono);
    // It is on the disk with the ticket, so that a copy is refused after a restart as well.
    let ToEngine::Batch(batch) = to_engine.try_recv().unwrap() else { panic!("no batch") };
    assert_eq!(batch.changes, [Change::AgentSession { agent: 7, session: 9 }]);
}

/// Has it take a batch; returns what became of it, or where that will be told.
fn bring(intake: &mut Intake, brought: Box<Brought>) -> Result<Taken, oneshot::Receiver<Taken>> {
    let (reply, mut taken) = oneshot::channel();
    intake.message(ToIntake::Brought(brought, reply));
    taken.try_recv().map_err(|_| taken)
}

#[test]
fn a_batch_over_https_waits_for_its_sets_and_is_answered_when_it_is_on_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = History::open(folder.path(), Settings::default()).unwrap();
    let (mut intake, to_engine, to_history) = restarted();
    assert_eq!(intake.prove(&claim(9)), AgentProof::Proven(0));
    let event = Event {
        at: Unix(1),
        kind: EventKind::Message,
        severity: Severity::Info,
        text: "hello".to_owned(),
        tags: Vec::new(),
        data: None,
    };
    let taken_at = Clock.now().unix;
    let sample = |taken_at| Sample { set: 0, taken_at, values: vec![4.5] };
    let batch = Batch {
        interval_ms: Some(1000),
        sets: vec![vec![series()]],
        samples: vec![sample(taken_at)],
        backlog: vec![sample(Unix(taken_at.0 - 60_000))],
        sent_at: taken_at,
        epoch: 3,
        items: vec![(1, Item::Event(event))],
        ..Batch::default()
    };
    let brought = Box::new(Brought::new(0, [127, 0, 0, 1].into(), batch));
    let Ok(Taken::Again(brought)) = bring(&mut intake, brought) else { panic!("the set is new") };
    let count = |intake: &Intake, wanted: fn(&Input) -> bool| {
        intake.inputs.iter().filter(|input| wanted(input)).count()
    };
    let heard: fn(&Input) -> bool = |input| matches!(input, Input::Heard(_));
    let told: fn(&Input) -> bool = |input| matches!(input, Input::Event { .. });
    assert_eq!((count(&intake, heard), count(&intake, told)), (1, 1), "the host lives");
    let define = intake.frames.define.pop().unwrap();
    // Until the catalogue has answered nothing is asked or applied a second time.
    let Ok(Taken::Again(brought)) = bring(&mut intake, brought) else { panic!("still new") };
    assert!(intake.frames.define.is_empty());
    assert_eq!((count(&intake, heard), count(&intake, told)), (1, 1));
    let catalogue = history.declare(HOST, &[series()], Clock.now()).unwrap();
    intake.message(ToIntake::SetReady { set: define, outcome: Ok(catalogue) });
    intake.close_ticket(Clock.now().mono);
    let ToEngine::Batch(asked) = to_engine.try_recv().unwrap() else { panic!("no batch") };
    watched(&mut intake, asked.ticket);

    let Err(mut waits) = bring(&mut intake, brought) else { panic!("not on the disk yet") };
    assert_eq!(values_judged(&intake), 1, "the fresh sample is judged, the old one is not");
    assert_eq!(intake.frames.frames.len(), 2);
    assert_eq!(count(&intake, told), 0, "applied before");
    intake.close_ticket(Clock.now().mono);
    let ToEngine::Batch(last) = to_engine.try_recv().unwrap() else { panic!("no batch") };
    assert!(to_history.try_recv().is_ok());
    let (now, at) = (Clock.now(), Clock.micros());
    intake.message(ToIntake::Done { part: Part::State, ticket: last.ticket });
    intake.answer(now, at);
    assert!(waits.try_recv().is_err(), "the samples are not on the disk yet");
    let part = Part::History { kept: true };
    intake.message(ToIntake::Done { part, ticket: last.ticket });
    intake.answer(now, at);
    assert!(matches!(waits.try_recv(), Ok(Taken::Stored)));
}

#[test]
fn calls_are_answered_by_key_and_only_where_it_is_configured() {
    let (mut intake, _engine, _history) = restarted();
    let key = AgentKey::new([1; 32]);
    let known = Identity { agent: hark_proto::AgentId(7), key, name: None };
    let stranger = Identity { key: AgentKey::new([2; 32]), ..known.clone() };
    let token = hark_proto::seek::token_identity(&[9; 32]);
    let from = "192.0.2.1:4000".parse().unwrap();
    let called = |intake: &mut Intake, identity: &Identity| {
        let mut datagram = hark_proto::seek::call(identity, &[3; 16]);
        intake.called(&mut datagram, from, 0, Clock.micros())
    };
    let refused = |fate: &Fate, why| matches!(fate, Fate::Refused(reason) if *reason == why);
    assert!(refused(&called(&mut intake, &known), Refused::Kind));
    let here = hark_proto::seek::Here { udp_port: 1, https_port: 2 };
    intake.setup.discovery = Some(Discovery::new(here, None));
    assert!(matches!(called(&mut intake, &known), Fate::Accepted));
    assert!(refused(&called(&mut intake, &stranger), Refused::Forged));
    assert!(refused(&called(&mut intake, &token), Refused::Agent), "there is no certificate");
    intake.setup.discovery = Some(Discovery::new(here, Some([9; 32])));
    assert!(matches!(called(&mut intake, &token), Fate::Accepted));
    let other = hark_proto::seek::token_identity(&[8; 32]);
    assert!(refused(&called(&mut intake, &other), Refused::Forged));
    assert!(intake.pending.is_open_empty(), "nothing is stored for a call");
}

/// What a host that nobody knows says first, with this secret.
fn stranger(name: &str, secret: &[u8]) -> (ClientSession, Vec<u8>) {
    let now = Clock.now();
    let identity = Identity::simple(secret, HostName::new(name).unwrap());
    let mut client = ClientSession::begin(identity, 9, Micros(0));
    let hello = Hello {
        host: HostName::new(name).unwrap(),
        version: String::new(),
        interval_ms: 1000,
        epoch: 1,
        booted_at: None,
        started_at: now.unix,
        sets: Vec::new(),
        facts: BTreeMap::new(),
    };
    let mut datagram = Vec::new();
    client.seal(&hello.encode().unwrap(), 1, now, Micros(0), &mut datagram).unwrap();
    (client, datagram)
}

#[test]
fn who_may_not_introduce_himself_now_is_told_when_to_come_and_a_forger_hears_nothing() {
    let (mut intake, _to_engine, _to_history) = restarted();
    intake.message(ToIntake::Reloaded {
        secret: Some(hark_model::Secret::new("shared".to_owned())),
        configs: Arc::default(),
        shed_after: Duration::ZERO,
    });
    let from: SocketAddr = "127.0.0.9:9".parse().unwrap();
    let hear = |intake: &mut Intake, datagram: &[u8]| {
        intake.reply.clear();
        intake.datagram(&mut datagram.to_vec(), None, from, 0, Clock.now(), Micros(5))
    };
    // The address has proved nothing: forged hellos use up what it may try.
    let (_, forged) = stranger("web", b"another");
    let limited = Fate::Refused(Refused::Limited);
    let n_forged = (0..1000).take_while(|_| hear(&mut intake, &forged) != limited).count();
    assert!((1..1000).contains(&n_forged));
    assert!(intake.reply.is_empty(), "who holds no key is not answered");
    let (mut client, hello) = stranger("web", b"shared");
    assert_eq!(hear(&mut intake, &hello), limited);
    let mut reply = intake.reply.clone();
    assert!(!reply.is_empty() && reply.len() < hello.len(), "{} bytes", reply.len());
    let told = client.open(&mut reply, Clock.now(), Micros(5));
    let Ok(Reply::Wait(pause)) = told else { panic!("{told:?}") };
    assert!((10..60).contains(&pause.as_secs()), "{pause:?}");
    // Nothing has come of it: it is let in as if it had never come.
    assert_eq!(intake.setup.agents.len(), 1);
    let later = Micros(5 + 60_000_000);
    let fate = intake.datagram(&mut hello.clone(), None, from, 0, Clock.now(), later);
    assert_eq!((fate, intake.setup.agents.len()), (Fate::Accepted, 2));
}

use std::sync::mpsc::sync_channel;

use hark_engine::Watch;
use hark_model::frame::encode_values;
use hark_model::{HostId, MetricKind, SeriesDef, SeriesName, Unit};
use hark_proto::{BeatBuilder, ItemWindow, Kind};
use hark_store::history::{History, Settings};

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
        tally: Arc::default(),
        vitals: Arc::default(),
        live: Live::new(),
        stop: Stop::default(),
    });
    (intake, to_engine, to_history)
}

/// Has it take a heartbeat with one value; returns what [`Intake::beat`] does.
fn beat(intake: &mut Intake, at: i64) -> Option<bool> {
    let mut values = Vec::new();
    encode_values(&[series()], &[4.5], &mut values);
    let mut builder = BeatBuilder::new(1000, None);
    let now = Clock.now();
    assert!(builder.push(SET, hark_model::Unix(now.unix.0 + at), &values));
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
    intake.close_ticket();
    let ToEngine::Batch(batch) = to_engine.try_recv().unwrap() else { panic!("no batch") };
    // The engine's answer to something before it: it does not know the set.
    watched(&mut intake, batch.ticket - 1);
    assert_eq!(beat(&mut intake, 2), None);
    watched(&mut intake, batch.ticket);
    assert_eq!(values_judged(&intake), 0);
    assert_eq!(beat(&mut intake, 3), Some(true));
    assert_eq!(values_judged(&intake), 1, "what is acknowledged is judged");
    // Declared again, it is asked for again, and once however many sets there are.
    for _ in 0..3 {
        intake.message(ToIntake::SetReady { set: set.clone(), outcome: Ok(catalogue) });
    }
    let asked = |input: &&Input| matches!(input, Input::SeriesSeen { host: HOST, .. });
    assert_eq!(intake.inputs.iter().filter(asked).count(), 1);
    assert_eq!(beat(&mut intake, 4), None);
}

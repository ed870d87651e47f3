use std::sync::mpsc::sync_channel;

use hark_engine::{Heard, HostSeen, Plan};
use hark_model::record::{JournalKind, Snapshot};
use hark_model::{DeliveryId, Mono, Reason, ReceiverName, Severity, Status, Unix};

use super::super::messages::{EngineBatch, HandOver};
use super::*;
use crate::stop::Stop;

/// How long is waited for what must come.
const LIMIT: Duration = Duration::from_mins(1);

/// Does nothing for a while.
fn pause(time: Duration) {
    let until = Clock.now().mono + time;
    while Clock.now().mono < until {
        std::thread::park_timeout(until.since(Clock.now().mono));
    }
}

/// An engine that runs, and what it says to the store: nothing is taken from it but by the test.
struct World {
    engine: SyncSender<ToEngine>,
    commits: Receiver<ToStore>,
    stop: Stop,
    thread: std::thread::JoinHandle<()>,
}

impl World {
    fn start(plan: Plan) -> Self {
        let (engine, inbox) = sync_channel(16);
        let (store, commits) = sync_channel(0);
        let (intake, _) = sync_channel(16);
        let (probes, _) = tokio::sync::mpsc::channel(1);
        let (repairs, _) = tokio::sync::mpsc::channel(1);
        let (recall, _) = sync_channel(1);
        let outlets = Outlets {
            store,
            recall,
            intake,
            bell: Arc::new(Bell::new().unwrap()),
            probes,
            repairs,
            changed: Box::new(|_| {}),
            progress: Arc::default(),
            events: Happened::default(),
            hosts: Box::new(|_, _| {}),
            forgotten: Box::new(|_| {}),
        };
        let stop = Stop::default();
        let flag = stop.clone();
        let (machine, effects) = Engine::new(Arc::new(plan), Snapshot::default(), Clock.now());
        let thread = std::thread::spawn(move || {
            run(machine, effects, &inbox, outlets, LONGEST_SLEEP, &flag);
        });
        Self { engine, commits, stop, thread }
    }

    fn hears(&self, ticket: u64, inputs: Vec<Input>) {
        let batch = EngineBatch { ticket, inputs, changes: Vec::new() };
        self.engine.send(ToEngine::Batch(batch)).unwrap();
    }

    /// Takes commits until there are the records that are looked for; returns all of them.
    fn commits_until(&self, is_there: impl Fn(&[Record]) -> bool) -> Vec<Record> {
        let mut all = Vec::new();
        while !is_there(&all) {
            let message = self.commits.recv_timeout(LIMIT).unwrap();
            let ToStore::Commit { records, .. } = message else { panic!("{message:?}") };
            all.extend(records);
        }
        all
    }

    /// Takes commits for as long as `time`.
    fn commits_for(&self, time: Duration) -> (Vec<Record>, Vec<Change>) {
        let until = Clock.now().mono + time;
        let mut all = (Vec::new(), Vec::new());
        loop {
            let left = until.since(Clock.now().mono);
            let Ok(message) = self.commits.recv_timeout(left) else { return all };
            let ToStore::Commit { records, changes, .. } = message else { panic!("{message:?}") };
            all.0.extend(records);
            all.1.extend(changes);
        }
    }

    fn end(self) {
        self.stop.raise();
        drop(self.engine);
        drop(self.commits);
        self.thread.join().unwrap();
    }
}

#[test]
fn nobody_is_called_silent_for_the_time_in_which_the_store_took_nothing() {
    let mut plan = Plan::default();
    plan.liveness.miss = 1;
    plan.liveness.grace = Duration::ZERO;
    let world = World::start(plan);
    let interval = Duration::from_millis(400);
    let name = HostName::new("db1").unwrap();
    world.hears(1, vec![Input::HostSeen(HostSeen { name, interval, address: None })]);
    let host_of = |records: &[Record]| {
        records.iter().find_map(|r| if let Record::Host(host) = r { Some(host.id) } else { None })
    };
    let records = world.commits_until(|records| host_of(records).is_some());
    let host = host_of(&records).expect("the host is new");
    world.hears(
        2,
        vec![Input::Heard(Heard {
            host,
            interval_ms: 400,
            moved_to: None,
            rtt_us: None,
            taken_at: Clock.now().unix,
            skew_ms: 0,
            values: Vec::new(),
        })],
    );
    // The store's queue is full: the engine cannot go on, and the host's deadline passes.
    pause(PAUSE + Duration::from_millis(700));
    let is_noticed = |records: &[Record]| {
        records.iter().any(|r| {
            matches!(r, Record::Journal(line)
                if line.kind == JournalKind::Server && line.text.contains("stood still"))
        })
    };
    let mut records = world.commits_until(is_noticed);
    records.extend(world.commits_for(Duration::from_millis(300)).0);
    let blamed = records.iter().any(|r| matches!(r, Record::Incident(i) if i.host == host));
    assert!(!blamed, "{records:?}");
    world.end();
}

#[test]
fn tickets_that_brought_nothing_to_write_are_told_together_and_none_is_left() {
    const TICKETS: u64 = 200;
    let world = World::start(Plan::default());
    let begin = Clock.now().mono;
    let mut told = Vec::new();
    let mut take = |message: ToStore| {
        let ToStore::Commit { ticket, records, changes, .. } = message else {
            panic!("{message:?}")
        };
        // What the start has to write is part of it.
        told.push((ticket, records.is_empty() && changes.is_empty()));
        ticket
    };
    for ticket in 1..=TICKETS {
        world.hears(ticket, Vec::new());
        pause(Duration::from_millis(1));
        while let Ok(message) = world.commits.try_recv() {
            take(message);
        }
    }
    while take(world.commits.recv_timeout(LIMIT).unwrap()) < TICKETS {}
    let passed = Clock.now().mono.since(begin).as_millis();
    let n_told = told.iter().filter(|(ticket, is_empty)| *ticket > 0 && *is_empty).count();
    assert!(n_told as u128 <= passed / TELL.as_millis() + 2, "{n_told} in {passed} ms: {told:?}");
    assert!(told.is_sorted_by_key(|(ticket, _)| *ticket), "{told:?}");
    world.end();
}

#[test]
fn what_is_given_up_is_written_with_what_stands_in_for_it() {
    let world = World::start(Plan::default());
    let row = DeliveryRecord {
        notification: Notification {
            id: DeliveryId(1),
            key: "1/ops/problem/0".to_owned(),
            receiver: ReceiverName::new("ops").unwrap(),
            reason: Reason::Problem,
            incident: None,
            host: HostName::new("db1").unwrap(),
            check: None,
            severity: Severity::Critical,
            was: None,
            status: Status::Critical,
            summary: "CRITICAL: db1".to_owned(),
            detail: String::new(),
            since: Unix(0),
            at: Unix(0),
            sequence: 0,
            reference: None,
            document: None,
            taken_by: None,
        },
        state: DeliveryState::Dead { at: Unix(1) },
        attempts: 1,
        last_error: "404".to_owned(),
        took_ms: 1,
    };
    let stand_in = Notification {
        key: "1/ops/problem/0/for/ops".to_owned(),
        receiver: ReceiverName::new("hook").unwrap(),
        ..row.notification.clone()
    };
    let settled = Some(row.clone());
    let message = HandOver { settled, stand_in: stand_in.clone() };
    world.engine.send(ToEngine::HandOver(Box::new(message))).unwrap();
    let first = world.commits.recv_timeout(Duration::from_secs(10)).unwrap();
    let ToStore::Commit { records, changes, .. } = first else { panic!("{first:?}") };
    assert_eq!(changes, [Change::Delivery(row)]);
    let [Record::Outbox(queued)] = &records[..] else { panic!("{records:?}") };
    assert_eq!((&queued.notification.key, &queued.state), (&stand_in.key, &DeliveryState::Queued));
    world.end();
}

#[test]
fn a_round_is_too_long_whether_asleep_at_work_or_suspended() {
    let last = Now { mono: Mono(1_000_000), unix: Unix(1_800_000_000_000) };
    let sleep = Duration::from_secs(1);
    assert_eq!(stood_still(last, sleep, last.after(Duration::from_secs(3))), None);
    let late = last.after(Duration::from_millis(3_500));
    assert_eq!(stood_still(last, sleep, late), Some(Duration::from_millis(2_500)));
    let woken = Now { unix: late.unix + Duration::from_mins(10), mono: last.mono + sleep };
    let slept = Duration::from_mins(10) + Duration::from_millis(2_500);
    assert_eq!(stood_still(last, sleep, woken), Some(slept));
    let set_back = Now { unix: Unix(0), mono: last.mono + sleep };
    assert_eq!(stood_still(last, sleep, set_back), None);
}

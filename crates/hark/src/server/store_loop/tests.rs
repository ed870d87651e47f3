use std::sync::mpsc::{TrySendError, sync_channel};

use hark_model::record::JournalKind;
use hark_model::{HostName, Notification, Reason, ReceiverName, Severity, Status, Unix};
use hark_store::disk::{Disk, FaultPlan};

use super::*;

/// How long something may take that takes milliseconds on an idle machine.
const LIMIT: Duration = Duration::from_mins(1);

/// A store on a disk that can be filled, and everything it says.
struct World {
    disk: Arc<FaultPlan>,
    store: SyncSender<ToStore>,
    engine: Receiver<ToEngine>,
    intake: Receiver<ToIntake>,
    outbox: tokio::sync::mpsc::Receiver<ToOutbox>,
    thread: std::thread::JoinHandle<()>,
    _folder: tempfile::TempDir,
}

impl World {
    fn start(store_queue: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let disk = FaultPlan::counting();
        let state = State::open_on(folder.path(), Disk::breaking(Arc::clone(&disk))).unwrap();
        let (store, inbox) = sync_channel(store_queue);
        let (to_engine, engine) = sync_channel(1);
        let (to_intake, intake) = sync_channel(1024);
        let (to_outbox, outbox) = tokio::sync::mpsc::channel(16);
        // The engine is busy: its queue is full.
        to_engine.send(ToEngine::Ask(Box::new(|_| {}))).unwrap();
        let listeners = Listeners {
            intake: to_intake,
            bell: Arc::new(Bell::new().unwrap()),
            engine: to_engine,
            outbox: to_outbox,
            progress: Arc::default(),
            on_reserve: Arc::default(),
            lines: Box::new(|_| {}),
            events: Box::new(|_| {}),
        };
        let thread = std::thread::spawn(move || run(state, &inbox, listeners));
        Self { disk, store, engine, intake, outbox, thread, _folder: folder }
    }

    fn commit(&self, ticket: u64, records: Vec<Record>) -> Result<(), TrySendError<ToStore>> {
        let (changes, answers) = (Vec::new(), Vec::new());
        self.store.try_send(ToStore::Commit { ticket, records, changes, answers })
    }

    /// Waits for the next thing that the engine is told of the store.
    fn told(&self) -> Option<String> {
        loop {
            let told = self.engine.recv_timeout(LIMIT).unwrap();
            if let ToEngine::Input(hark_engine::Input::SelfCheck { part, problem }) = told {
                assert_eq!(part.as_str(), PART);
                return problem;
            }
        }
    }

    fn rows(&mut self) -> Vec<DeliveryRecord> {
        match self.outbox.blocking_recv().unwrap() {
            ToOutbox::Rows(rows) => rows,
            other @ (ToOutbox::Receivers(_) | ToOutbox::Turn(_) | ToOutbox::Hurry(..)) => {
                panic!("{other:?}")
            }
        }
    }

    fn end(self) {
        drop(self.engine);
        drop(self.store);
        self.thread.join().unwrap();
    }
}

fn message(id: u64, host: &str, check: &str) -> Record {
    Record::Outbox(DeliveryRecord {
        notification: Notification {
            id: DeliveryId(id),
            key: format!("{id}/ops/problem/0"),
            receiver: ReceiverName::new("ops").unwrap(),
            reason: Reason::Problem,
            incident: None,
            host: HostName::new(host).unwrap(),
            check: Some(hark_model::CheckName::new(check).unwrap()),
            severity: Severity::Critical,
            was: None,
            status: Status::Critical,
            summary: format!("CRITICAL: {host} - {check}"),
            detail: "for 3 s".to_owned(),
            since: Unix(0),
            at: Unix(0),
            sequence: 0,
            reference: None,
            document: None,
            taken_by: None,
        },
        state: DeliveryState::Queued,
        attempts: 0,
        last_error: String::new(),
        took_ms: 0,
    })
}

fn lines(n: usize) -> Vec<Record> {
    let line = JournalLine {
        at: Unix(1),
        host: None,
        check: None,
        incident: None,
        receiver: None,
        kind: JournalKind::Server,
        text: "something happened".to_owned(),
    };
    vec![Record::Journal(line); n]
}

#[test]
fn that_nothing_can_be_written_is_told_without_being_written_and_once() {
    let mut world = World::start(STORE_QUEUE);
    world.disk.fill(true);
    world.commit(1, lines(1)).unwrap();
    // The engine's queue was full when the disk refused: it hears of it when it has room.
    assert!(world.told().unwrap().contains("not written"));
    let messages =
        vec![message(1, "self", PART), message(2, "db1", "load"), message(3, "self", "config")];
    world.commit(2, messages).unwrap();
    let unwritten = world.rows();
    assert_eq!(unwritten.len(), 1, "what is not on the disk is not sent: {unwritten:?}");
    assert_eq!(unwritten[0].notification.id, DeliveryId(1));
    assert_eq!(unwritten[0].notification.detail, format!("for 3 s\n{UNWRITTEN}"));
    assert!(world.outbox.try_recv().is_err());
    assert!(world.intake.try_recv().is_err(), "nothing is acknowledged");
    world.disk.mend();
    assert_eq!(world.told(), None);
    let ids: Vec<_> = world.rows().iter().map(|row| row.notification.id.0).collect();
    assert_eq!(ids, [2, 3], "the first has gone out already");
    world.end();
}

#[test]
fn what_waits_for_a_full_disk_is_bounded_and_lost_nowhere() {
    const AT_ONCE: usize = 5_000;
    const QUEUE: usize = 4;
    let world = World::start(QUEUE);
    world.disk.fill(true);
    world.commit(1, lines(1)).unwrap();
    assert!(world.told().is_some());
    let (mut ticket, mut refused_since) = (1, None);
    loop {
        let now = Clock.now().mono;
        match world.commit(ticket + 1, lines(AT_ONCE)) {
            Ok(()) => (ticket, refused_since) = (ticket + 1, None),
            Err(TrySendError::Full(_)) => {
                // Longer than until the next try to commit: it is not only busy.
                if now.since(*refused_since.get_or_insert(now)) > RETRY * 3 {
                    break;
                }
                std::thread::park_timeout(Duration::from_millis(10));
            }
            Err(TrySendError::Disconnected(_)) => panic!("the store has ended"),
        }
        let most = MOST_WAITING / AT_ONCE + QUEUE + 2;
        assert!(ticket <= most as u64, "{ticket} commits were taken");
    }
    assert!(world.told().unwrap().contains("stands still"));
    world.disk.mend();
    let mut stored = 0;
    while stored < ticket {
        let ToIntake::Done { part: Part::State, ticket } =
            world.intake.recv_timeout(LIMIT).unwrap()
        else {
            panic!("not a ticket");
        };
        stored = ticket;
    }
    assert_eq!(world.told(), None);
    world.end();
}

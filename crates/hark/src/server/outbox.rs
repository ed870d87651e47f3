//! The outbox at work: carries out what `hark_notify`'s machine orders.
//!
//! ```text
//! committed row -> machine -> Send: write "leased", then send -> outcome -> Settled: write, tell the engine
//! ```
//!
//! A row is written as leased before it is sent and as sent after it arrived, so a crash between
//! the two sends that one message again, under the same key. One message a receiver is on its way at
//! a time: that is what bounds the doubles after a crash to one.
//!
//! What each try asked and heard goes with the outcome into one commit, without secrets.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use hark_engine::input::{Input, Outcome};
use hark_model::record::{AttemptRecord, DeliveryRecord, DeliveryState, Exchange};
use hark_model::time::{Clock, Unix};
use hark_model::{DeliveryId, ReceiverName};
use hark_notify::delivery::{Chance, Policy, Tried};
use hark_notify::outbox::{Attempt, Hurried, Order, Outbox};
use hark_notify::{Context, Receiver, Receivers, Trace};
use hark_store::state::Change;
use hark_web::Live;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::engine_loop::part;
use super::messages::{HandOver, ToEngine};
use super::progress::{Loop, Progress};
use super::quarantine::Quarantine;
use super::store_loop::ToStore;
use figures::End;
pub(crate) use figures::Figures;

pub(crate) mod figures;

/// Rows that may wait to be taken up by the outbox; each is small and the outbox never waits for the
/// disk while it takes them.
pub(crate) const OUTBOX_QUEUE: usize = 65_536;

/// How long the outbox sleeps at most: what the wall clock's jumps could delay.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// How long a message waits for its lease to be on the disk: longer than a slow disk takes, and short
/// against the time after which the fallback is told.
const LEASE_WRITTEN: Duration = Duration::from_secs(10);

/// How long messages on their way may take when the server ends.
const ENDING: Duration = Duration::from_secs(2);

/// What reaches the outbox.
#[derive(Debug)]
pub(crate) enum ToOutbox {
    /// Rows that were committed.
    Rows(Vec<DeliveryRecord>),
    /// Other receivers, after a reload.
    Receivers(Arc<Receivers>),
    /// Somebody wants to know that the loop turns.
    Turn(oneshot::Sender<()>),
    /// Somebody wants a message to be tried at once.
    Hurry(DeliveryId, oneshot::Sender<Hurried>),
}

/// What the outbox needs.
pub(crate) struct Setup {
    /// What reaches it.
    pub(crate) inbox: mpsc::Receiver<ToOutbox>,
    /// Where messages go.
    pub(crate) receivers: Arc<Receivers>,
    /// Rows of before this start.
    pub(crate) rows: Vec<DeliveryRecord>,
    /// For the receivers.
    pub(crate) context: Context,
    /// Where rows are written.
    pub(crate) store: SyncSender<ToStore>,
    /// Who wants to know what came of them.
    pub(crate) engine: SyncSender<ToEngine>,
    /// The page.
    pub(crate) live: Live,
    /// How receivers do.
    pub(crate) figures: Arc<Figures>,
    /// Told of each turn.
    pub(crate) progress: Arc<Progress>,
    /// Whether messages wait.
    pub(crate) quarantine: Arc<Quarantine>,
    /// Ends it.
    pub(crate) stop: CancellationToken,
}

impl std::fmt::Debug for Setup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setup").field("receivers", &self.receivers).finish_non_exhaustive()
    }
}

/// What came of one send.
struct Sent {
    receiver: ReceiverName,
    delivery: DeliveryId,
    tried: Tried,
    reference: Option<String>,
    took: Duration,
    talk: Talk,
}

/// What was asked and answered in one try.
struct Talk {
    at: Unix,
    /// Why it failed, as a word; empty if it did not.
    failure: &'static str,
    said: String,
    exchanges: Vec<Exchange>,
    omitted: u32,
}

impl Talk {
    /// That of a try of which no word came.
    fn lost(took: Duration) -> Self {
        Self {
            at: Clock.now().unix - took,
            failure: "lost",
            said: "no word came of what became of it".to_owned(),
            exchanges: Vec::new(),
            omitted: 0,
        }
    }
}

/// Delivers until the token is cancelled. What is on its way then gets [`ENDING`]; cancelling the
/// future itself leaves leased rows, which the next start sends again under the same key.
pub(crate) async fn run(setup: Setup) {
    let policy = Policy { in_flight: 1, ..Policy::default() };
    let mut driver = Driver {
        machine: Outbox::new(setup.receivers.fallbacks(), policy),
        receivers: Arc::clone(&setup.receivers),
        context: setup.context,
        store: setup.store,
        engine: setup.engine,
        live: setup.live,
        figures: setup.figures,
        sends: JoinSet::new(),
        kept: Vec::new(),
        proven: BTreeSet::new(),
    };
    let mut inbox = setup.inbox;
    driver.add(setup.rows);
    let mut idle = tokio::time::interval(LONGEST_SLEEP);
    while !setup.stop.is_cancelled() {
        setup.progress.turn(Loop::Outbox);
        let is_held = setup.quarantine.is_on();
        let sleep = if is_held { LONGEST_SLEEP } else { driver.start_due() };
        driver.figures.show(driver.machine.waiting(), Clock.now());
        tokio::select! {
            () = setup.stop.cancelled() => break,
            () = setup.quarantine.over(), if is_held => {}
            message = inbox.recv() => match message {
                Some(ToOutbox::Rows(rows)) => driver.add(rows),
                Some(ToOutbox::Receivers(receivers)) => driver.configure(receivers),
                Some(ToOutbox::Turn(asked)) => turned(asked),
                Some(ToOutbox::Hurry(delivery, asked)) => driver.hurry(delivery, asked),
                None => break,
            },
            Some(sent) = driver.sends.join_next() => driver.sent(sent),
            _ = idle.tick() => driver.close_idle().await,
            () = tokio::time::sleep(sleep) => {}
        }
    }
    setup.progress.ended(Loop::Outbox);
    let ending = async {
        while let Some(sent) = driver.sends.join_next().await {
            driver.sent(sent);
        }
    };
    if tokio::time::timeout(ENDING, ending).await.is_err() {
        tracing::warn!("messages on their way were cut off; they go out again at the next start");
    }
}

/// Answers that the loop turns, if somebody still wants to know.
fn turned(asked: oneshot::Sender<()>) {
    if asked.send(()).is_err() {
        tracing::debug!("who asked whether the outbox turns has given up");
    }
}

struct Driver {
    machine: Outbox,
    receivers: Arc<Receivers>,
    context: Context,
    store: SyncSender<ToStore>,
    engine: SyncSender<ToEngine>,
    live: Live,
    figures: Arc<Figures>,
    sends: JoinSet<Sent>,
    /// Tries that go with the next write.
    kept: Vec<Change>,
    /// Receivers that have taken a message since the start.
    proven: BTreeSet<ReceiverName>,
}

impl Driver {
    fn add(&mut self, rows: Vec<DeliveryRecord>) {
        let mut orders = Vec::new();
        for row in rows {
            self.machine.add(row, &mut orders, Clock.now().unix);
        }
        self.carry_out(orders);
    }

    fn configure(&mut self, receivers: Arc<Receivers>) {
        let mut orders = Vec::new();
        self.machine.configure(receivers.fallbacks(), &mut orders, Clock.now().unix);
        self.receivers = receivers;
        self.carry_out(orders);
    }

    fn hurry(&mut self, delivery: DeliveryId, asked: oneshot::Sender<Hurried>) {
        if asked.send(self.machine.hurry(delivery, Clock.now())).is_err() {
            tracing::debug!("who asked for a message to be tried has given up");
        }
    }

    /// Starts what is due and returns how long there is nothing else to do.
    fn start_due(&mut self) -> Duration {
        let mut orders = Vec::new();
        self.machine.step(Clock.now(), &mut orders);
        let lost = orders.iter().filter_map(settled).cloned().collect::<Vec<_>>();
        for row in lost {
            let took = Duration::from_millis(u64::from(row.took_ms));
            self.keep(&row, took, Talk::lost(took));
        }
        self.carry_out(orders);
        self.machine.sleep(Clock.now()).unwrap_or(LONGEST_SLEEP).min(LONGEST_SLEEP)
    }

    fn sent(&mut self, sent: Result<Sent, tokio::task::JoinError>) {
        let Ok(sent) = sent else {
            // The task panicked inside a receiver: the lease runs out and the message is tried again.
            tracing::error!("a receiver failed in a way that is a fault of this program");
            return;
        };
        let mut orders = Vec::new();
        let Sent { receiver, delivery, tried, reference, took, talk } = sent;
        // That it was failing is known from before the start by the engine alone.
        if matches!(tried, Tried::Arrived) && self.proven.insert(receiver.clone()) {
            self.input(part(&format!("receiver {receiver}"), None));
        }
        let attempt = Attempt { receiver, delivery, tried, reference, took, chance: chance() };
        self.machine.tried(&attempt, Clock.now(), &mut orders);
        if let Some(row) = orders.iter().find_map(settled) {
            self.keep(row, took, talk);
        }
        self.carry_out(orders);
    }

    /// Keeps and counts a try, of which `row` is the message as it stands since. It is on the disk
    /// together with that or before it.
    fn keep(&mut self, row: &DeliveryRecord, took: Duration, talk: Talk) {
        let end = match row.state {
            DeliveryState::Sent { .. } => End::Delivered,
            DeliveryState::Dead { .. } => End::GivenUp(talk.failure),
            DeliveryState::Queued
            | DeliveryState::Leased { .. }
            | DeliveryState::Retry { .. }
            | DeliveryState::Superseded { .. } => End::Failed(talk.failure),
        };
        self.figures.tried(&row.notification.receiver, took, end);
        let attempt = AttemptRecord {
            delivery: row.notification.id,
            number: row.attempts,
            at: talk.at,
            took_ms: row.took_ms,
            state: row.state.clone(),
            failure: talk.failure.to_owned(),
            said: talk.said,
            exchanges: talk.exchanges,
            omitted: talk.omitted,
        };
        self.kept.push(Change::Attempt(Box::new(attempt)));
    }

    fn carry_out(&mut self, orders: Vec<Order>) {
        for order in orders {
            match order {
                Order::Send(row) => self.send(row),
                Order::Settled(row) => {
                    self.tell(&row);
                    self.write(vec![Change::Delivery(row)], None);
                }
                Order::Folded(rows) => {
                    for row in &rows {
                        self.tell(row);
                    }
                    self.write(rows.into_iter().map(Change::Delivery).collect(), None);
                }
                Order::HandOver(stand_in) => {
                    self.hand_over(HandOver { settled: None, stand_in });
                }
                // The engine gives the number, and both rows are in the commit of that turn. If it has
                // ended, neither is written, and the message goes out again at the next start.
                Order::SettledFor { settled, stand_in } => {
                    self.tell(&settled);
                    self.hand_over(HandOver { settled: Some(settled), stand_in: *stand_in });
                }
                Order::Failing { receiver, problem } => {
                    self.figures.failing(&receiver, problem.clone());
                    self.input(part(&format!("receiver {receiver}"), problem));
                }
            }
        }
        // The engine commits what it settles; the try is ours.
        if !self.kept.is_empty() {
            self.write(Vec::new(), None);
        }
    }

    fn send(&mut self, row: DeliveryRecord) {
        let receiver = row.notification.receiver.clone();
        let delivery = row.notification.id;
        let Some(configured) = self.receivers.find(&receiver) else { return };
        let to = Arc::clone(&configured.receiver);
        let context = self.context.traced(Trace::new(Arc::clone(&configured.masks)));
        self.tell(&row);
        let (done, written) = oneshot::channel();
        let notification = row.notification.clone();
        self.write(vec![Change::Delivery(row)], Some(done));
        self.sends.spawn(async move {
            let begun = Clock.now().mono;
            // If the disk refuses the lease, a crash now could send it twice; silence is worse.
            let written = tokio::time::timeout(LEASE_WRITTEN, written).await;
            if !matches!(written, Ok(Ok(Ok(())))) {
                tracing::warn!(%receiver, "sending a message whose lease could not be written");
            }
            let (tried, reference, talk) = try_once(&*to, &notification, &context).await;
            let took = Clock.now().mono.since(begun);
            Sent { receiver, delivery, tried, reference, took, talk }
        });
    }

    fn tell(&self, row: &DeliveryRecord) {
        self.live.delivery(row.notification.id);
        let outcome = match row.state {
            DeliveryState::Sent { .. } => Outcome::Sent,
            DeliveryState::Retry { .. } => Outcome::Failed,
            DeliveryState::Dead { .. } => Outcome::Dead,
            DeliveryState::Leased { .. } => Outcome::Started,
            DeliveryState::Queued | DeliveryState::Superseded { .. } => return,
        };
        self.input(Input::Delivery {
            delivery: row.notification.id,
            incident: row.notification.incident,
            receiver: row.notification.receiver.clone(),
            outcome,
        });
    }

    fn hand_over(&self, message: HandOver) {
        self.tell_engine(ToEngine::HandOver(Box::new(message)));
    }

    fn input(&self, input: Input) {
        self.tell_engine(ToEngine::Input(input));
    }

    /// The engine always empties its queue, so this waits at most for one of its turns.
    fn tell_engine(&self, message: ToEngine) {
        tokio::task::block_in_place(|| {
            if self.engine.send(message).is_err() {
                tracing::debug!("the engine has ended before the outbox");
            }
        });
    }

    fn write(
        &mut self,
        mut changes: Vec<Change>,
        reply: Option<oneshot::Sender<Result<(), String>>>,
    ) {
        changes.append(&mut self.kept);
        let message = ToStore::Write { changes, reply };
        tokio::task::block_in_place(|| {
            if self.store.send(message).is_err() {
                tracing::debug!("the store has ended before the outbox");
            }
        });
    }

    async fn close_idle(&self) {
        for (_, configured) in self.receivers.iter() {
            configured.receiver.close_idle().await;
        }
    }
}

async fn try_once(
    to: &dyn Receiver,
    notification: &hark_model::Notification,
    context: &Context,
) -> (Tried, Option<String>, Talk) {
    let at = Clock.now().unix;
    let sent = to.send(notification, context).await;
    let trace = &context.trace;
    let (exchanges, omitted) = trace.take();
    let talk = |failure, said| Talk { at, failure, said, exchanges, omitted };
    match sent {
        Ok(delivered) => {
            for (who, why) in delivered.refused {
                tracing::warn!(receiver = %notification.receiver, who, why, "not everybody got it");
            }
            (Tried::Arrived, delivered.reference, talk("", trace.clean(&delivered.text)))
        }
        Err(error) => {
            let said = trace.clean(&error.text());
            tracing::warn!(receiver = %notification.receiver, error = said, "a message did not arrive");
            let tried = Tried::Failed {
                permanent: error.is_permanent(),
                retry_after: error.retry_after(),
                error: said.clone(),
            };
            (tried, None, talk(error.word(), said))
        }
    }
}

/// Returns the message that an order settles or puts off.
fn settled(order: &Order) -> Option<&DeliveryRecord> {
    match order {
        Order::Settled(row) | Order::SettledFor { settled: row, .. } => Some(row),
        Order::Send(_) | Order::Folded(_) | Order::HandOver(_) | Order::Failing { .. } => None,
    }
}

/// Chance for the jitter; without any the jitter is simply not random.
pub(super) fn chance() -> Chance {
    let mut bytes = [0; 8];
    let random = ring::rand::SystemRandom::new();
    if ring::rand::SecureRandom::fill(&random, &mut bytes).is_err() {
        tracing::debug!("no randomness for the jitter of a retry");
    }
    Chance::from_bits(u64::from_le_bytes(bytes))
}

//! The whole server looks at itself: each part does its work once, and says so through the next.
//!
//! | part | what it must do |
//! | --- | --- |
//! | ingest | read a datagram that is sent to the server's own address |
//! | engine | answer, with no deadline left behind |
//! | store | write a number and find it again |
//! | history | take in a sample and sync it |
//! | outbox | answer; its receivers must not all be failing |
//! | self | no part of the server may have reported a problem, the configuration included |
//!
//! Parts are asked at once, each with [`LIMIT`]. What is asked of a part that hangs waits in that part's
//! bounded queue; the next test finds the queue's place taken and does not wait for it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hark_engine::Engine;
use hark_engine::plan::SELF;
use hark_model::time::Clock;
use hark_model::{HostId, MetricKind, SeriesDef, SeriesName, Status, Unit, frame};
use hark_store::state::Change;
use tokio::sync::oneshot;

use super::history_loop::ToHistory;
use super::links::Links;
use super::messages::ToEngine;
use super::outbox::ToOutbox;
use super::store_loop::{StateWork, ToStore, chain};

/// How long each part has: far longer than any takes that works, the slowest disk included.
pub(crate) const LIMIT: Duration = Duration::from_secs(5);

/// How late the engine's oldest deadline may be.
const LATE: Duration = Duration::from_secs(5);

/// The number of nobody: hosts count from 1. Its one series is what history is tested with, and no page
/// shows it.
const NOBODY: HostId = HostId(0);

/// The setting that is written and read back.
const SETTING: &str = "self-test";

/// What was found to be wrong, for people, in the order of the parts; empty if all is well.
pub(crate) type Found = Vec<String>;

/// What is tested.
#[derive(Clone, Debug)]
pub(crate) struct SelfTest {
    /// The parts.
    pub(crate) links: Arc<Links>,
    /// Where agents send to.
    pub(crate) udp: SocketAddr,
    /// Whether samples are kept.
    pub(crate) has_history: bool,
}

impl SelfTest {
    /// Asks every part. It ends within [`LIMIT`] and a little.
    pub(crate) async fn run(&self) -> Found {
        let (ingest, engine, store, history, outbox) = tokio::join!(
            within("ingest", self.ingest()),
            within("engine", self.engine()),
            within("store", self.store()),
            within("history", self.history()),
            within("outbox", self.outbox()),
        );
        let mut found: Found = [ingest.err(), store.err(), history.err(), outbox.err()]
            .into_iter()
            .flatten()
            .collect();
        match engine {
            Ok(own) => found.extend(own),
            Err(error) => found.insert(0, error),
        }
        found
    }

    async fn ingest(&self) -> Result<(), String> {
        let sent = self.links.own_datagram.send(self.udp);
        let read = sent.map_err(|e| format!("nothing can be sent to {}: {e}", self.udp))?;
        read.await.map_err(|_| "the datagram was given up".to_owned())
    }

    /// Returns what parts of the server have said of themselves.
    async fn engine(&self) -> Result<Found, String> {
        let (to, answer) = oneshot::channel();
        let n_receivers = self.links.receivers.load().iter().count();
        let question = move |engine: &Engine| drop(to.send(own_problems(engine, n_receivers)));
        self.links
            .engine
            .try_send(ToEngine::Ask(Box::new(question)))
            .map_err(|_| "its queue is full".to_owned())?;
        answer.await.map_err(|_| "it has ended".to_owned())?
    }

    async fn store(&self) -> Result<(), String> {
        let value = Clock.now().unix.0.to_string();
        let (reply, written) = oneshot::channel();
        let change = Change::Setting { name: SETTING.to_owned(), value: Some(value.clone()) };
        let write = ToStore::Write { changes: vec![change], reply: Some(reply) };
        let full = |_| "its queue is full".to_owned();
        self.links.store.try_send(write).map_err(full)?;
        written.await.map_err(|_| "it has ended".to_owned())??;
        let (to, answer) = oneshot::channel();
        let read = move |state: &mut hark_store::state::State| {
            let found = state.reader().and_then(|reader| reader.setting(SETTING));
            drop(to.send(found.map_err(|e| chain(&e))));
        };
        let read = ToStore::With(StateWork(Box::new(read)));
        self.links.store.try_send(read).map_err(|_| "its queue is full".to_owned())?;
        let found = answer.await.map_err(|_| "it has ended".to_owned())??;
        if found.as_ref() == Some(&value) {
            return Ok(());
        }
        Err(format!("{value} was written, {} was read", found.as_deref().unwrap_or("nothing")))
    }

    async fn history(&self) -> Result<(), String> {
        if !self.has_history {
            return Ok(());
        }
        let (to, answer) = oneshot::channel();
        let ask = ToHistory::Ask(Box::new(move |history| {
            drop(to.send(history.map_or(Err("it could not be opened".to_owned()), append)));
        }));
        self.links.history.try_send(ask).map_err(|_| "its queue is full".to_owned())?;
        answer.await.map_err(|_| "it has ended".to_owned())?
    }

    async fn outbox(&self) -> Result<(), String> {
        let (to, answer) = oneshot::channel();
        let asked = self.links.outbox.try_send(ToOutbox::Turn(to));
        asked.map_err(|_| "its queue is full".to_owned())?;
        answer.await.map_err(|_| "it has ended".to_owned())
    }
}

async fn within<T>(part: &str, test: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let done = tokio::time::timeout(LIMIT, test).await;
    let late = |_elapsed| format!("no answer within {} s", LIMIT.as_secs());
    done.map_err(late).flatten().map_err(|what| format!("{part}: {what}"))
}

/// Returns what is wrong with the parts of the server, as they have said themselves. Of receivers only
/// that all are failing counts: while one works, it is told that another does not.
fn own_problems(engine: &Engine, n_receivers: usize) -> Result<Found, String> {
    let behind = engine.next_deadline().map(|at| Clock.now().mono.since(at));
    if let Some(late) = behind.filter(|late| *late > LATE) {
        return Err(format!("it is {} s behind", late.as_secs()));
    }
    let Some(own) = engine.host_named(SELF) else { return Ok(Found::new()) };
    let bad = own.checks().filter(|check| check.status().is_some_and(Status::is_problem));
    let (receivers, others): (Vec<_>, Vec<_>) =
        bad.partition(|check| check.name().as_str().starts_with("receiver "));
    let mut found: Found = others
        .iter()
        .filter(|check| check.name().as_str() != super::deadman::PART)
        .map(|check| format!("{}: {}", check.name(), check.text()))
        .collect();
    if n_receivers > 0 && receivers.len() >= n_receivers {
        found.push("outbox: every receiver is failing".to_owned());
    }
    Ok(found)
}

fn append(history: &mut hark_store::history::History) -> Result<(), String> {
    let now = Clock.now();
    let series = [SeriesDef {
        name: SeriesName::plain("self_test", "written"),
        unit: Unit::default(),
        kind: MetricKind::Gauge,
        decimals: 0,
    }];
    let set = history.declare(NOBODY, &series, now).map_err(|e| chain(&e))?;
    let mut values = Vec::new();
    frame::encode_values(&series, &[1.0], &mut values);
    history.append(NOBODY, set, now.unix, &values, now).map_err(|e| chain(&e))?;
    history.sync(now).map_err(|e| chain(&e)).map(drop)
}

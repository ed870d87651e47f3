//! Watching logs: a thread of its own, and the way from it to the spool.
//!
//! The thread blocks until something is written, reads it within its share of a processor, and hands
//! over [`Batch`]es: what was found, and how far that is. Those that somebody waits for wake the main
//! thread, the others are taken along with its next heartbeat. It waits while the main thread has no
//! room: what is not read yet stays in the logs, so nothing is dropped.

mod handover;

use std::io::{self, Read, Write};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use hark_config::{Key, Kind, Section};
use hark_logs::{Batch, Logs, Settings, State, Watch};
use hark_model::Clock;
use hark_plugin::Waited;

pub(crate) use self::handover::{Desk, Handover};
use crate::stop::Stop;
use crate::sys::{self, PipeReader, PipeWriter, pipe};

/// Bound on batches that wait for the main thread: each is up to some hundred events, and while one
/// waits the next can be made.
const MOST_WAITING: usize = 1;

/// What the thread's stack takes: the compiler of patterns is the deepest.
const STACK: usize = 512 * 1024;

/// How long a failed wait is waited out: no memory for the kernel.
const PATIENCE: Duration = Duration::from_millis(200);

/// Percent of a core that reading may take.
const SHARE: f64 = 20.0;

/// What is watched.
#[derive(Clone, Debug)]
pub struct LogsConfig {
    /// The watches.
    pub watches: Vec<Watch>,
    /// Percent of a core that reading may take.
    pub cpu_percent: f64,
    /// Its settings in words: with the same they are the same.
    identity: String,
}

impl Default for LogsConfig {
    fn default() -> Self {
        Self { watches: Vec::new(), cpu_percent: SHARE, identity: String::new() }
    }
}

/// The watches.
pub const LOGS: Key = Key::new(
    "logs",
    Kind::Named(&Kind::Section(hark_logs::settings::KEYS)),
    "Logs that are watched.",
);

/// Their share of a processor.
pub const LOGS_CPU: Key =
    Key::new("logs_cpu", Kind::Number, "How much of a core may go into reading logs, 1 to 100.")
        .default("20")
        .unit("percent");

impl LogsConfig {
    /// Reads the settings; diagnostics are in `section`.
    pub(crate) fn read(section: &Section<'_>) -> Self {
        let cpu_percent = section.f64("logs_cpu", SHARE, 1.0..=100.0);
        let watches = Watch::read_all(section, "logs");
        let identity = section.value("logs").map_or_else(String::new, |v| v.to_json().to_string());
        Self { watches, cpu_percent, identity }
    }

    /// Returns true if something else is watched, or as fast.
    pub(crate) fn is_other_than(&self, other: &Self) -> bool {
        self.identity != other.identity || self.cpu_percent.total_cmp(&other.cpu_percent).is_ne()
    }
}

/// The thread at work.
#[derive(Debug)]
pub(crate) struct LogThread {
    stop: Stop,
    thread: Option<JoinHandle<()>>,
    batches: Receiver<Batch>,
    bell: PipeReader,
}

/// What the thread has for us.
#[derive(Debug)]
pub(crate) enum Taken {
    /// This.
    Batch(Batch),
    /// Nothing now.
    Nothing,
    /// Nothing any more: it has failed.
    Ended,
}

impl LogThread {
    /// Starts the thread, which goes on where `state` says.
    ///
    /// # Errors
    /// If the system has no thread or descriptor left, or the patterns are too large.
    pub(crate) fn start(settings: Settings, state: Option<State>) -> io::Result<Self> {
        let stop = Stop::new()?;
        let (bell, rope) = pipe()?;
        let (sender, batches) = sync_channel(MOST_WAITING);
        let stopped = stop.clone();
        let run = move || match Logs::new(settings, state, Clock.now()) {
            Ok(logs) => watch(logs, &sender, rope, &stopped),
            Err(error) => tracing::error!(%error, "logs are not watched"),
        };
        let thread =
            std::thread::Builder::new().name("hark-logs".into()).stack_size(STACK).spawn(run)?;
        Ok(Self { stop, thread: Some(thread), batches, bell })
    }

    /// Returns what becomes readable with a batch.
    pub(crate) fn descriptor(&self) -> Waited<'_> {
        hark_plugin::waited(&self.bell)
    }

    /// Returns a batch if there is one. To be called when the descriptor can be read.
    pub(crate) fn take(&mut self) -> Taken {
        // One was written; at the end of the thread there is none.
        drop(self.bell.read(&mut [0]));
        self.take_along()
    }

    /// Returns a batch if there is one, also one that nobody is woken for. Whenever we are awake.
    pub(crate) fn take_along(&mut self) -> Taken {
        match self.batches.try_recv() {
            Ok(batch) => Taken::Batch(batch),
            Err(TryRecvError::Empty) => Taken::Nothing,
            Err(TryRecvError::Disconnected) => Taken::Ended,
        }
    }

    /// Asks the thread to end; what it still has comes out of [`LogThread::rest`].
    pub(crate) fn stop(&self) {
        self.stop.stop();
    }

    /// Returns the next batch of a thread that ends; none at its end.
    pub(crate) fn rest(&self) -> Option<Batch> {
        self.batches.recv().ok()
    }
}

impl Drop for LogThread {
    fn drop(&mut self) {
        self.stop.stop();
        // It may wait for room.
        while self.batches.recv().is_ok() {}
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("watching logs failed");
        }
    }
}

fn watch(mut logs: Logs, batches: &SyncSender<Batch>, mut rope: PipeWriter, stop: &Stop) {
    let mut ring = move || rope.write_all(&[1]).is_ok();
    // False if nobody takes it any more: the agent ends, and will read this again.
    let mut hand_over = |batch: Batch| {
        let urgent = batch.urgent;
        match batches.try_send(batch) {
            Ok(()) => !urgent || ring(),
            // The one before waits for a heartbeat, and has to go first.
            Err(TrySendError::Full(batch)) => {
                ring() && batches.send(batch).is_ok() && (!urgent || ring())
            }
            Err(TrySendError::Disconnected(_)) => false,
        }
    };
    loop {
        if let Some(batch) = logs.work(Clock.now())
            && !hand_over(batch)
        {
            return;
        }
        match logs.wait(stop.descriptor(), || Clock.now()) {
            Ok(true) => break,
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot wait for logs");
                if sys::readable([Some(stop.descriptor())], PATIENCE).is_ok_and(|[stop]| stop) {
                    break;
                }
            }
        }
    }
    hand_over(logs.end());
}

#[cfg(test)]
mod tests;

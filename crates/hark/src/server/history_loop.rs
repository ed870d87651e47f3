//! The thread that owns history: appends what ingest hands over, syncs groups, does the upkeep, answers
//! questions.
//!
//! Everything that arrives within [`GATHER`] shares one sync. Upkeep (sealing, compressing, expiring) is
//! done in slices between batches, so that neither waits for the other for long. Questions are planned
//! here, from the heads in memory, and run on the thread of whoever asks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::Duration;

use hark_model::time::{Clock, Mono, Now, Unix};
use hark_model::{HostId, SeriesDef, frame};
use hark_store::history::{AppendError, DeclareError, History, OpenError, SetId, Settings};
use tokio::sync::oneshot;

use super::messages::{
    DefineSet, Emptied, FrameBatch, FramesKept, HistoryBatch, Lasts, NotDefined, Part, ToEngine,
    ToIntake,
};
use super::progress::{Loop, Progress};
use super::self_report::SelfReport;
use crate::config::HistorySettings;
use crate::stop::Stop;
use crate::sys::Bell;

/// The longest that a frame waits for others before it is synced: the bound of the group commit.
const GATHER: Duration = Duration::from_millis(100);

/// Steps of upkeep (about a millisecond each) at once, when frames wait and when none do.
const STEPS: (u32, u32) = (4, 32);

/// How often there is upkeep when nothing arrives.
const UPKEEP: Duration = Duration::from_millis(250);

/// How long after a failed opening it is tried again.
const REOPEN: Duration = Duration::from_secs(10);

/// A question about samples, answered on the history thread: plan it there, run it elsewhere.
pub(crate) type Question = Box<dyn FnOnce(Option<&mut History>) + Send>;

/// What reaches the history thread.
pub(crate) enum ToHistory {
    /// Frames and sets.
    Batch(HistoryBatch),
    /// Frames of a program that is no agent.
    Frames(FrameBatch),
    /// What a check of this server measured.
    Measured(Measured),
    /// A question.
    Ask(Question),
}

impl std::fmt::Debug for ToHistory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Batch(_) => "Batch",
            Self::Frames(_) => "Frames",
            Self::Measured(_) => "Measured",
            Self::Ask(_) => "Ask",
        })
    }
}

/// The values of one run of a check.
#[derive(Debug)]
pub(crate) struct Measured {
    /// Of which host.
    pub(crate) host: HostId,
    /// When the run began.
    pub(crate) at: Unix,
    /// Their series.
    pub(crate) series: Vec<SeriesDef>,
    /// One for each series.
    pub(crate) values: Vec<f64>,
}

/// Who listens.
#[derive(Debug)]
pub(crate) struct Listeners {
    /// To ingest.
    pub(crate) intake: SyncSender<ToIntake>,
    /// Wakes ingest.
    pub(crate) bell: Arc<Bell>,
    /// To the engine.
    pub(crate) engine: SyncSender<ToEngine>,
    /// Told of each turn.
    pub(crate) progress: Arc<Progress>,
    /// Whether the disk has no room but the reserve that the state gave up for itself.
    pub(crate) on_reserve: Arc<AtomicBool>,
}

/// Translates the settings of the configuration.
pub(crate) fn settings(configured: &HistorySettings) -> Settings {
    let defaults = Settings::default();
    let [raw, minutes, hours] = configured.kept;
    Settings {
        raw,
        minutes,
        hours,
        max_bytes: configured.max_bytes.unwrap_or(defaults.max_bytes),
        max_tier_bytes: configured.max_tier_bytes,
        has_exceptions: !configured.overrides.is_empty(),
    }
}

/// Runs history in `dir` until the flag is raised and everything handed over is synced.
pub(crate) fn run(
    dir: &std::path::Path,
    settings: Settings,
    inbox: &Receiver<ToHistory>,
    listeners: Listeners,
    stop: &Stop,
) {
    let open = || History::open(dir, settings);
    let mut keeper = Keeper::new(open(), listeners);
    let mut reopen_at = Clock.now().mono + REOPEN;
    loop {
        keeper.listeners.progress.turn(Loop::History);
        match inbox.recv_timeout(keeper.patience()) {
            Ok(message) => {
                keeper.take(message);
                for message in inbox.try_iter().take(256) {
                    keeper.take(message);
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        let now = Clock.now();
        if keeper.history.is_none() && now.mono >= reopen_at {
            reopen_at = now.mono + REOPEN;
            keeper.opened(open());
        }
        keeper.sync_if_due(now);
        keeper.keep_up(now);
        if stop.is_raised() && keeper.idle_since_stop() {
            break;
        }
    }
    keeper.listeners.progress.ended(Loop::History);
    for message in inbox.try_iter() {
        keeper.take(message);
    }
    keeper.sync(Clock.now());
}

struct Keeper {
    history: Option<History>,
    listeners: Listeners,
    report: SelfReport,
    /// The newest ticket with frames that are not synced.
    waiting: Option<(u64, Mono)>,
    /// Since when values of our own checks, or frames of a program, are not synced.
    measured: Option<Mono>,
    /// Programs that wait until their frames are synced, and what became of these so far.
    bringers: Vec<(oneshot::Sender<FramesKept>, FramesKept)>,
    /// Whether every frame since the last sync was accepted.
    kept: bool,
    trouble: Option<String>,
    upkeep_left: bool,
    epoch_told: bool,
    quiet_turns: u32,
}

impl Keeper {
    fn new(opened: Result<History, OpenError>, listeners: Listeners) -> Self {
        let mut keeper = Self {
            history: None,
            report: SelfReport::new("history", listeners.engine.clone()),
            listeners,
            waiting: None,
            measured: None,
            bringers: Vec::new(),
            kept: true,
            trouble: None,
            upkeep_left: false,
            epoch_told: false,
            quiet_turns: 0,
        };
        keeper.opened(opened);
        keeper
    }

    fn opened(&mut self, opened: Result<History, OpenError>) {
        match opened {
            Ok(history) => {
                self.history = Some(history);
                self.report(None);
            }
            Err(error) => {
                let text = super::store_loop::chain(&error);
                tracing::error!(error = text, "history cannot be opened; trying again");
                self.report(Some(text));
            }
        }
    }

    fn patience(&self) -> Duration {
        let now = Clock.now().mono;
        let oldest = self.waiting.map(|(_, since)| since).into_iter().chain(self.measured).min();
        match oldest {
            Some(since) => (since + GATHER).since(now),
            None if self.upkeep_left => Duration::ZERO,
            None => UPKEEP,
        }
    }

    fn take(&mut self, message: ToHistory) {
        self.quiet_turns = 0;
        match message {
            ToHistory::Batch(batch) => self.batch(batch),
            ToHistory::Frames(frames) => self.frames(frames),
            ToHistory::Measured(measured) => self.measured(&measured),
            ToHistory::Ask(question) => question(self.history.as_mut()),
        }
    }

    fn batch(&mut self, mut batch: HistoryBatch) {
        let now = Clock.now();
        let ticket = batch.ticket;
        for set in std::mem::take(&mut batch.define) {
            let outcome = self.define(&set, now);
            self.to_intake(ToIntake::SetReady { set, outcome });
        }
        let mut start = 0;
        for frame in &batch.frames {
            let values = batch.bytes.get(start..frame.end).unwrap_or_default();
            start = frame.end;
            let appended = match &mut self.history {
                Some(history) => history.append(frame.host, frame.set, frame.taken_at, values, now),
                None => Err(AppendError::Stopped),
            };
            match appended {
                Ok(()) | Err(AppendError::Time | AppendError::Gone) => {}
                Err(AppendError::Stopped) => self.kept = false,
                Err(AppendError::Undeclared) => {
                    self.kept = false;
                    self.forget_sets();
                }
            }
        }
        let began = batch.since.unwrap_or(now.mono);
        let since = self.waiting.map_or(began, |(_, since)| since);
        self.waiting = Some((ticket, since));
        let emptied = Emptied::History(batch.emptied());
        // If its queue is full it will do without it.
        drop(self.listeners.intake.try_send(ToIntake::Emptied(emptied)));
    }

    /// Takes frames of a program, which is answered with the next sync.
    fn frames(&mut self, brought: FrameBatch) {
        let FrameBatch { frames, bytes, reply } = brought;
        let Some(history) = &mut self.history else {
            drop(reply.send(FramesKept::Stopped));
            return;
        };
        let now = Clock.now();
        let (mut start, mut late) = (0, Vec::new());
        for (place, frame) in frames.iter().enumerate() {
            let values = bytes.get(start..frame.end).unwrap_or_default();
            start = frame.end;
            match history.append(frame.host, frame.set, frame.taken_at, values, now) {
                // Of a host that was dropped this moment nothing is kept, as of its agent's samples.
                Ok(()) | Err(AppendError::Gone) => {}
                Err(AppendError::Time) => late.push(place),
                Err(AppendError::Stopped) => {
                    drop(reply.send(FramesKept::Stopped));
                    return;
                }
                Err(AppendError::Undeclared) => {
                    drop(reply.send(FramesKept::Undeclared));
                    return;
                }
            }
        }
        self.bringers.push((reply, FramesKept::Kept(late)));
        self.measured = self.measured.or(Some(now.mono));
    }

    /// Keeps what a check of this server measured. While history is stopped it is lost: its problem is
    /// told, and a check's verdict needs no history.
    fn measured(&mut self, measured: &Measured) {
        let Some(history) = &mut self.history else { return };
        let Measured { host, at, series, values } = measured;
        let now = Clock.now();
        let mut bytes = Vec::new();
        frame::encode_values(series, values, &mut bytes);
        let kept = history
            .declare(*host, series, now)
            .map_err(|error| super::store_loop::chain(&error))
            .and_then(|set| {
                let appended = history.append(*host, set, *at, &bytes, now);
                appended.map_err(|error| super::store_loop::chain(&error))
            });
        match kept {
            Ok(()) => self.measured = self.measured.or(Some(now.mono)),
            Err(error) => {
                tracing::debug!(host = host.0, error, "what a check measured is not kept");
            }
        }
    }

    fn define(&mut self, set: &DefineSet, now: Now) -> Result<SetId, NotDefined> {
        let stopped = || NotDefined { why: "history is stopped".to_owned(), lasts: Lasts::Moments };
        let Some(history) = &mut self.history else { return Err(stopped()) };
        history.declare(set.host, &set.series, now).map_err(|error| {
            let lasts = match &error {
                DeclareError::Stopped(_) => return stopped(),
                DeclareError::Gone => Lasts::Moments,
                DeclareError::TooMany { .. } => Lasts::WhileFull,
                DeclareError::Size { .. }
                | DeclareError::Twice
                | DeclareError::Name { .. }
                | DeclareError::Host(_) => Lasts::ForGood,
            };
            NotDefined { why: error.to_string(), lasts }
        })
    }

    /// History was opened anew: agents declare their sets again.
    fn forget_sets(&mut self) {
        if !std::mem::replace(&mut self.epoch_told, true) {
            self.to_intake(ToIntake::SetsForgotten);
        }
    }

    fn sync_if_due(&mut self, now: Now) {
        let is_due = |since: Mono| now.mono >= since + GATHER;
        if self.waiting.is_some_and(|(_, since)| is_due(since)) || self.measured.is_some_and(is_due)
        {
            self.sync(now);
        }
    }

    fn sync(&mut self, now: Now) {
        if self.waiting.is_none() && self.measured.is_none() {
            return;
        }
        self.measured = None;
        let synced = self.history.as_mut().is_some_and(|h| h.sync(now).is_ok());
        for (reply, kept) in self.bringers.drain(..) {
            // Whoever has gone brings it again, which changes nothing.
            drop(reply.send(if synced { kept } else { FramesKept::Stopped }));
        }
        let Some((ticket, _)) = self.waiting.take() else {
            self.look_after();
            return;
        };
        let kept = std::mem::replace(&mut self.kept, true) && synced;
        // A full queue loses nothing: the next ticket covers this one. But one that was not kept
        // must not be covered by one that was.
        let done = ToIntake::Done { part: Part::History { kept }, ticket };
        self.to_intake(done);
        self.look_after();
    }

    fn keep_up(&mut self, now: Now) {
        self.quiet_turns = self.quiet_turns.saturating_add(1);
        let steps = if self.waiting.is_some() { STEPS.0 } else { STEPS.1 };
        let is_full = self.listeners.on_reserve.load(Ordering::Relaxed);
        if let Some(history) = &mut self.history {
            history.give_way(is_full, now);
            self.upkeep_left = history.maintain(now, steps);
        }
        self.look_after();
    }

    /// Says to the engine when history stops and when it is back.
    fn look_after(&mut self) {
        self.report.tell();
        let problem = match &self.history {
            Some(history) if history.is_running() => None,
            Some(history) => history.status().stopped.map(|stopped| stopped.reason),
            None => return,
        };
        if problem != self.trouble {
            if problem.is_none() {
                self.epoch_told = false;
                self.to_intake(ToIntake::SetsForgotten);
            }
            self.report(problem);
        }
    }

    fn report(&mut self, problem: Option<String>) {
        self.trouble.clone_from(&problem);
        let stopped = problem.is_some();
        self.to_intake(ToIntake::HistoryStopped(stopped));
        self.report.say(problem);
    }

    fn to_intake(&self, message: ToIntake) {
        if self.listeners.intake.send(message).is_ok() {
            self.listeners.bell.ring();
        }
    }

    /// Nothing has come for some turns after the end was asked for: ingest has handed over all.
    fn idle_since_stop(&self) -> bool {
        self.waiting.is_none() && self.measured.is_none() && self.quiet_turns > 2
    }
}

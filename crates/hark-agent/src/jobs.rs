//! What the agent does besides measuring the kernel's figures: running programs, asking exporters,
//! listening to local programs. One thread, which waits for all of it at once and exists only if
//! something is configured.
//!
//! A `Job` is a machine with a time of its own: when that has come it may ask for one program to be
//! run (`Turn::run`), and is called again with what the program printed; or it has sockets, which are
//! waited for with everything else. What it finds goes through the `Inlet` to the main thread. A job
//! that panics is asked no more, the others go on.
//!
//! Never here: anything that blocks (name resolution, a file system that may hang), since all jobs would
//! wait for it.

mod clockwork;
mod commands;
mod custom;
mod debounce;
mod exporters;
mod listening;
mod looks;
mod orders;
mod plugins;
mod processes;
mod rights;
mod series;
mod settings;
mod told;

use std::collections::VecDeque;
use std::fmt::Debug;
use std::io::{self, Read as _, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use hark_calendar::ActiveWindow;
use hark_model::{Clock, Event, Mono, Next, Now, SeriesDef};
use hark_plugin::{
    Finished, Happened, Invocation, Output, Poller, Program, RunId, Runner, StartError, runner,
};
use hark_proto::ReportItem;

use self::clockwork::Clockwork;
pub(crate) use self::looks::Looks;
pub use self::orders::{ACTIONS, Actions};
use self::orders::{OrderedRun, Orders};
pub(crate) use self::rights::Rights;
pub use self::rights::{Allowed, PERMIT};
pub(crate) use self::settings::Made;
pub use self::settings::{
    COMMANDS, CUSTOM, EXPORTERS, JobsConfig, LINES, NAGIOS_RUNNER, PLUGINS, PROCESSES, STATSD,
};
use crate::inlet::{Batch, Found, Inlet};
use crate::source::Root;
use crate::stop::Stop;
use crate::sys::{PipeReader, PipeWriter, pipe};

/// What the thread's stack takes: enough for a regular expression and for JSON of bounded depth.
const STACK: usize = 256 * 1024;

/// Bound on programs that run on for ever, beside those that are run now and then.
const MAX_STREAMS: usize = 16;

/// Bound on what the main thread has asked for and the thread has not taken: it takes it within
/// milliseconds.
const MAX_ASKED: usize = 16;

/// How long a failed wait is waited out: no memory for the kernel.
const PATIENCE: Duration = Duration::from_millis(200);

/// When a job's time comes.
#[derive(Clone, Debug)]
pub(crate) struct Timing {
    /// Between two times; none for a job that is called once, at the start.
    pub(crate) every: Option<Duration>,
    /// Outside of it the job's time passes by.
    pub(crate) active: Option<ActiveWindow>,
}

/// Something that is done at its time.
pub(crate) trait Job: Send + Debug {
    /// Returns its name, which no other job has.
    fn name(&self) -> &str;

    /// Returns the word that decides when within its interval its time is: jobs that share a look
    /// share it, and with it the waking up.
    fn phase(&self) -> &str {
        self.name()
    }

    /// Returns when its time comes.
    fn timing(&self) -> Timing;

    /// Returns true if it runs no program, has no socket and takes no time to speak of: it needs no
    /// thread.
    fn only_looks(&self) -> bool {
        false
    }

    /// Returns the programs that it runs.
    fn programs(&self) -> Vec<&Program> {
        Vec::new()
    }

    /// Learns where the machine's files are, before anything else.
    fn settle(&mut self, _root: &Root) {}

    /// Its time has come, and no program of it runs.
    fn begin(&mut self, turn: &mut Turn<'_>);

    /// The program it asked for could not be started.
    fn refused(&mut self, _error: &StartError, _turn: &mut Turn<'_>) {}

    /// The program has printed a line.
    fn line(&mut self, _line: &[u8], _turn: &mut Turn<'_>) {}

    /// The program has ended.
    fn ended(&mut self, _finished: &Finished, _turn: &mut Turn<'_>) {}

    /// Adds its sockets.
    fn wait_for(&mut self, _poller: &mut Poller) {}

    /// Returns when it must be called besides its time.
    fn deadline(&self) -> Option<Mono> {
        None
    }

    /// Is called after every wait if it has sockets or deadlines.
    fn advance(&mut self, _poller: &Poller, _turn: &mut Turn<'_>) {}
}

/// What a job may do while it is called.
#[derive(Debug)]
pub(crate) struct Turn<'t> {
    /// The time.
    pub(crate) now: Now,
    inlet: &'t Inlet,
    wanted: Option<Invocation>,
    again_at: Option<Mono>,
    /// When the job's next time is, for its results.
    next: Next,
}

impl<'t> Turn<'t> {
    fn new(now: Now, inlet: &'t Inlet, next: Next) -> Self {
        Self { now, inlet, wanted: None, again_at: None, next }
    }

    /// Asks for a program to be run, as soon as there is room. One at a time for each job.
    pub(crate) fn run(&mut self, invocation: Invocation) {
        self.wanted = Some(invocation);
    }

    /// Asks for the job's time to come at `at`, instead of when its timing says.
    pub(crate) fn come_back(&mut self, at: Mono) {
        self.again_at = Some(at);
    }

    /// Reports a check's result or facts. A result that does not say itself when the next one comes is
    /// followed by one at the job's next time.
    pub(crate) fn report(&self, mut item: ReportItem) {
        if let ReportItem::Result(result) = &mut item
            && result.next == Next::AsBefore
        {
            result.next = self.next;
        }
        self.offer(Found::Report(item));
    }

    /// Reports an event.
    pub(crate) fn event(&self, event: Event) {
        self.report(ReportItem::Event(event));
    }

    /// Hands over values of `source`, measured now.
    pub(crate) fn values(&self, source: &Arc<str>, series: Arc<[SeriesDef]>, values: Vec<f64>) {
        if series.is_empty() {
            return;
        }
        let source = Arc::clone(source);
        self.offer(Found::Batch(Batch { source, taken_at: self.now.unix, series, values }));
    }

    fn offer(&self, found: Found) {
        // Counted in the inlet, and told by the main thread.
        let _: bool = self.inlet.offer(found);
    }
}

/// The thread at work; it ends with this.
#[derive(Debug)]
pub(crate) struct Jobs {
    stop: Stop,
    asked: SyncSender<Asked>,
    bell: PipeWriter,
    thread: Option<JoinHandle<()>>,
}

/// What the main thread asks for.
#[derive(Debug)]
enum Asked {
    /// Other jobs; those whose settings are the same go on.
    Change(JobsConfig, Root),
    /// A program run once.
    Order(Box<OrderedRun>),
}

impl Jobs {
    /// Starts the thread. `mark` is a word by which programs that an earlier life of this agent left
    /// behind are known.
    ///
    /// # Errors
    /// If the system has no thread or descriptor left.
    pub(crate) fn start(jobs: Vec<Made>, inlet: Inlet, mark: &str) -> io::Result<Self> {
        let stop = Stop::new()?;
        let mark = mark.to_owned();
        let stopped = stop.clone();
        let (asked, takes) = sync_channel(MAX_ASKED);
        let (rope, bell) = pipe()?;
        let line = Line { takes, rope };
        let run = move || Works::new(jobs, inlet, &mark, Clock.now()).run(&stopped, line);
        let thread =
            std::thread::Builder::new().name("hark-jobs".into()).stack_size(STACK).spawn(run)?;
        Ok(Self { stop, asked, bell, thread: Some(thread) })
    }

    /// Goes over to other jobs. Those whose settings are the same go on as they are.
    pub(crate) fn change(&mut self, jobs: JobsConfig, root: Root) {
        if self.ask(Asked::Change(jobs, root)).is_some() {
            tracing::error!("the thread of jobs does not take other settings");
        }
    }

    /// Runs a program once; its outcome is reported. Returns it if it cannot be taken.
    pub(crate) fn order(&mut self, run: OrderedRun) -> Option<OrderedRun> {
        match self.ask(Asked::Order(Box::new(run)))? {
            Asked::Order(run) => Some(*run),
            Asked::Change(..) => None,
        }
    }

    /// Returns what cannot be taken.
    fn ask(&mut self, asked: Asked) -> Option<Asked> {
        match self.asked.try_send(asked) {
            Ok(()) => {
                // One for each that waits, and far fewer wait than a pipe holds.
                if let Err(error) = self.bell.write_all(&[1]) {
                    tracing::error!(%error, "the thread of jobs cannot be woken");
                }
                None
            }
            Err(TrySendError::Full(asked) | TrySendError::Disconnected(asked)) => Some(asked),
        }
    }
}

/// Where what the main thread asks for comes out.
#[derive(Debug)]
struct Line {
    takes: Receiver<Asked>,
    rope: PipeReader,
}

impl Drop for Jobs {
    fn drop(&mut self) {
        self.stop.stop();
        // It ends within milliseconds: what it runs is killed.
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of jobs ended by a fault of ours");
        }
    }
}

/// The thread's own state.
#[derive(Debug)]
struct Works {
    jobs: Vec<Kept>,
    inlet: Inlet,
    clockwork: Clockwork,
    /// Programs that are run now and then.
    programs: Runner,
    /// Programs that run on.
    streams: Runner,
    orders: Orders,
    /// Which job waits for room, and with what.
    queue: VecDeque<(usize, Invocation)>,
}

#[derive(Debug)]
struct Kept {
    job: Box<dyn Job>,
    identity: Arc<str>,
    run: Option<(Output, RunId)>,
    /// In the queue.
    waits: bool,
    /// It panicked.
    broken: bool,
}

impl Kept {
    fn new(made: Made) -> Self {
        let Made { job, identity } = made;
        Self { job, identity, run: None, waits: false, broken: false }
    }
}

fn clockwork(jobs: &[Kept], now: Now) -> Clockwork {
    Clockwork::new(jobs.iter().map(|kept| (kept.job.phase().to_owned(), kept.job.timing())), now)
}

impl Works {
    fn new(jobs: Vec<Made>, inlet: Inlet, mark: &str, now: Now) -> Self {
        let jobs: Vec<Kept> = jobs.into_iter().map(Kept::new).collect();
        Self {
            clockwork: clockwork(&jobs, now),
            jobs,
            inlet,
            orders: Orders::new(&format!("{mark}-o")),
            programs: Runner::new(&format!("{mark}-p"), runner::MAX_RUNNING),
            streams: Runner::new(&format!("{mark}-s"), MAX_STREAMS),
            queue: VecDeque::new(),
        }
    }

    fn run(mut self, stop: &Stop, mut line: Line) {
        let mut poller = Poller::default();
        loop {
            poller.clear();
            let stopped = poller.readable(stop.descriptor());
            let asked = poller.readable(hark_plugin::waited(&line.rope));
            self.wait_for(&mut poller);
            let now = Clock.now();
            let until = self.deadline().map(|at| at.since(now.mono));
            if let Err(error) = poller.wait(until) {
                tracing::warn!(%error, "cannot wait for programs");
                // What it was asked to wait for is looked at anyway, a little later.
                drop(crate::sys::readable([Some(stop.descriptor())], PATIENCE));
            }
            if poller.is_ready(stopped) {
                return;
            }
            let now = Clock.now();
            self.advance(&poller, now);
            // Once for all that was found.
            self.inlet.ring();
            // After it: the poller knows the sockets of the jobs that were.
            if poller.is_ready(asked) && line.rope.read(&mut [0]).is_ok() {
                match line.takes.try_recv() {
                    Ok(Asked::Change(jobs, root)) => self.change(&jobs, &root, now),
                    Ok(Asked::Order(run)) => self.orders.start(*run, now, &self.inlet),
                    Err(_) => {}
                }
                self.inlet.ring();
            }
        }
    }

    /// Goes over to other jobs.
    fn change(&mut self, wanted: &JobsConfig, root: &Root, now: Now) {
        let identities = wanted.identities();
        let stays = |kept: &Kept| {
            let place = identities.iter().position(|identity| *identity == kept.identity);
            place.filter(|_| !kept.broken)
        };
        let places: Vec<Option<usize>> = self.jobs.iter().map(stays).collect();
        let mut jobs: Vec<Option<Kept>> = identities.iter().map(|_| None).collect();
        for (kept, place) in self.jobs.drain(..).zip(&places) {
            match place.and_then(|place| jobs.get_mut(place)) {
                Some(free) => *free = Some(kept),
                // What it listens on is free again before another is made that may want it.
                None => match kept.run {
                    Some((Output::Whole, id)) => self.programs.stop(id, now.mono),
                    Some((Output::Lines, id)) => self.streams.stop(id, now.mono),
                    None => {}
                },
            }
        }
        for (place, kept) in jobs.iter_mut().enumerate().filter(|(_, kept)| kept.is_none()) {
            *kept = wanted.make_one(place, root).map(Kept::new);
        }
        self.jobs = jobs.into_iter().flatten().collect();
        let former = std::mem::replace(&mut self.clockwork, clockwork(&self.jobs, now));
        for (from, place) in places.iter().enumerate() {
            if let Some(place) = place {
                self.clockwork.keep(*place, &former, from);
            }
        }
        let queue = std::mem::take(&mut self.queue);
        let moved = |(from, what): (usize, Invocation)| Some(((*places.get(from)?)?, what));
        self.queue = queue.into_iter().filter_map(moved).collect();
        let kept = places.iter().flatten().count();
        tracing::info!(jobs = self.jobs.len(), kept, "jobs changed");
    }

    fn wait_for(&mut self, poller: &mut Poller) {
        self.programs.wait_for(poller);
        self.streams.wait_for(poller);
        self.orders.wait_for(poller);
        for kept in self.jobs.iter_mut().filter(|kept| !kept.broken) {
            kept.job.wait_for(poller);
        }
    }

    fn deadline(&self) -> Option<Mono> {
        let jobs = self.jobs.iter().filter(|kept| !kept.broken);
        jobs.filter_map(|kept| kept.job.deadline())
            .chain(self.programs.deadline())
            .chain(self.streams.deadline())
            .chain(self.orders.deadline())
            .chain(self.clockwork.next())
            .min()
    }

    /// Does what is due.
    fn advance(&mut self, poller: &Poller, now: Now) {
        self.orders.advance(poller, now, &self.inlet);
        let mut happened = Vec::new();
        self.programs.advance(poller, now, &mut happened);
        let periodic = happened.len();
        self.streams.advance(poller, now, &mut happened);
        for (n, happened) in happened.into_iter().enumerate() {
            let kind = if n < periodic { Output::Whole } else { Output::Lines };
            self.happened(kind, happened, now);
        }
        for index in 0..self.jobs.len() {
            self.call(index, now, |job, turn| job.advance(poller, turn));
        }
        for index in self.clockwork.due(now) {
            let idle = self.jobs.get(index).is_some_and(|kept| kept.run.is_none() && !kept.waits);
            if idle {
                self.call(index, now, |job, turn| job.begin(turn));
            }
        }
        self.start_waiting(now);
    }

    fn happened(&mut self, kind: Output, happened: Happened, now: Now) {
        let id = match &happened {
            Happened::Line(id, _) | Happened::Ended(id, _) => *id,
        };
        let Some(index) = self.jobs.iter().position(|kept| kept.run == Some((kind, id))) else {
            return;
        };
        match happened {
            Happened::Line(_, line) => self.call(index, now, |job, turn| job.line(&line, turn)),
            Happened::Ended(_, finished) => {
                if let Some(kept) = self.jobs.get_mut(index) {
                    kept.run = None;
                }
                self.call(index, now, |job, turn| job.ended(&finished, turn));
            }
        }
    }

    fn start_waiting(&mut self, now: Now) {
        for _ in 0..self.queue.len() {
            let Some((index, invocation)) = self.queue.pop_front() else { return };
            let runner =
                if is_stream(&invocation) { &mut self.streams } else { &mut self.programs };
            if !runner.has_room() {
                self.queue.push_back((index, invocation));
                continue;
            }
            let started = runner.start(&invocation, now);
            let Some(kept) = self.jobs.get_mut(index) else { continue };
            kept.waits = false;
            match started {
                Ok(id) => kept.run = Some((runner_kind(&invocation), id)),
                Err(error) => self.call(index, now, |job, turn| job.refused(&error, turn)),
            }
        }
    }

    /// Calls a job, and does what it asks for.
    fn call(&mut self, index: usize, now: Now, what: impl FnOnce(&mut dyn Job, &mut Turn<'_>)) {
        let Some(kept) = self.jobs.get_mut(index).filter(|kept| !kept.broken) else { return };
        let next = self.clockwork.until_next(index, now);
        let mut turn = Turn::new(now, &self.inlet, next);
        let job = &mut kept.job;
        if catch_unwind(AssertUnwindSafe(|| what(&mut **job, &mut turn))).is_err() {
            kept.broken = true;
            tracing::error!(job = kept.job.name(), "a job failed and is switched off");
            return;
        }
        let Turn { wanted, again_at, .. } = turn;
        if let Some(invocation) = wanted {
            kept.waits = true;
            self.queue.push_back((index, invocation));
        }
        if let Some(at) = again_at {
            self.clockwork.set(index, at);
        }
    }
}

fn is_stream(invocation: &Invocation) -> bool {
    runner_kind(invocation) == Output::Lines
}

/// Which runner runs it: those whose output is read line by line run on.
fn runner_kind(invocation: &Invocation) -> Output {
    invocation.output
}

#[cfg(test)]
mod tests;

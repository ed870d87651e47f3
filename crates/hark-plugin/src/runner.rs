//! Runs programs side by side, without a thread for each and without waiting for any.
//!
//! [`Runner::start`] starts a program in its own group of processes, with nothing of our environment and
//! none of our descriptors. Whoever owns the runner waits for its descriptors ([`Runner::wait_for`])
//! together with his own, until [`Runner::deadline`], and then calls [`Runner::advance`], which says
//! what has ended.
//!
//! What a program can do, and what it costs:
//!
//! | it | then |
//! | --- | --- |
//! | prints much | [`KEPT`] bytes are kept, up to [`FLOOD`] are read and thrown away, then it is killed |
//! | runs too long | its group gets SIGTERM at its time limit, SIGKILL [`GRACE`] later |
//! | leaves children behind | they are killed with its group when it ends |
//! | starts children that leave its group | they are killed with its control group, if it has one; else those that must be are found by a mark in their environment |
//! | writes files, dumps core, burns cycles | limits of the kernel hold it and its children |
//!
//! Where the system is not Linux there are no control groups, and nobody can be asked for the environment of
//! another: a child that leaves its group is not found. Limits are set in the child there.
//!
//! Starting uses `vfork` inside the C library (std does, as long as nothing has to be run in the
//! child), so that it costs the same in an agent of 5 MB and in a server of 5 GB. Limits are therefore
//! set from outside, right after the start.

mod cgroup;
mod leftovers;
mod live;
mod places;

use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use hark_model::{Mono, Now, Unix};
use thiserror::Error;

use self::cgroup::Groups;
pub use self::leftovers::MARK;
use self::live::Live;
use self::places::Places;
use crate::program::{Permit, Program};
use crate::sys::{self, Limit, Poller};
use crate::trust::{self, Untrusted};

/// Bytes of output that are kept: what a plugin says is a line or some hundred.
pub const KEPT: usize = 64 * 1024;

/// Bytes of errors that are kept: enough to see what is wrong.
pub const KEPT_ERRORS: usize = 4 * 1024;

/// A program that prints more than this is killed: it will not stop by itself.
pub const FLOOD: u64 = 16 * 1024 * 1024;

/// Between SIGTERM and SIGKILL.
pub const GRACE: Duration = Duration::from_secs(2);

/// How long the pipes of a program that has ended may stay open in hands of others.
const LINGER: Duration = Duration::from_millis(200);

/// How many programs run at a time if nothing else is said: two processors' worth of small ones.
pub const MAX_RUNNING: usize = 8;

/// Bound on open files of a program.
const MAX_FILES: u64 = 1024;

/// Bound on a file that a program writes.
const MAX_FILE: u64 = 1 << 30;

/// What a program's time limit allows in processor time besides, in seconds.
const CPU_SPARE: u64 = 5;

/// A program that was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(u64);

/// What is to be run, and how.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// The program.
    pub program: Arc<Program>,
    /// By what right.
    pub permit: Permit,
    /// How long it may take; none for a program that is meant to run on.
    pub limit: Option<Duration>,
    /// What becomes of its output.
    pub output: Output,
    /// Bound on its address space in bytes, if it has one.
    pub memory: Option<u64>,
}

/// What becomes of a program's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// It is handed over when the program has ended.
    Whole,
    /// It is handed over line by line while the program runs. Nothing is too much over time, and
    /// the program is not killed for it: who reads slowly slows it down.
    Lines,
}

/// What a program is given beside its arguments. Most are given nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// What it reads from its standard input, whole before it starts: it need not be read, and nobody
    /// waits for it to be.
    pub input: Vec<u8>,
    /// Variables of its environment, beside the few that every program gets.
    pub variables: Vec<(String, String)>,
}

/// Why a program was not started.
#[derive(Debug, Error)]
pub enum StartError {
    /// As many run as may.
    #[error("too many programs run already")]
    Busy,
    /// A name alone that is in none of the folders.
    #[error("there is no program `{0}`")]
    Missing(String),
    /// Somebody else could have changed it.
    #[error(transparent)]
    Untrusted(#[from] Untrusted),
    /// The system refuses.
    #[error("cannot start it: {0}")]
    System(#[source] io::Error),
}

/// Looks at a program as is done before each start, without starting it.
///
/// # Errors
/// Why it would not be started.
pub fn look(program: &Program) -> Result<(), StartError> {
    let name = || program.arguments().first().cloned().unwrap_or_default();
    let path = program.path().ok_or_else(|| StartError::Missing(name()))?;
    trust::check(&path, sys::user()).map_err(StartError::from)
}

/// What happened to a program.
#[derive(Debug)]
pub enum Happened {
    /// It printed a line, without its end. Only with [`Output::Lines`].
    Line(RunId, Vec<u8>),
    /// It has ended.
    Ended(RunId, Finished),
}

/// How a run went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// How it ended.
    pub exit: Exit,
    /// What it printed: the first [`KEPT`] bytes.
    pub output: Vec<u8>,
    /// What it printed to standard error: the first [`KEPT_ERRORS`] bytes.
    pub errors: Vec<u8>,
    /// Whether it printed more than was kept.
    pub cut: bool,
    /// When it was started.
    pub began_at: Unix,
    /// How long it took.
    pub took: Duration,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// By itself.
    Code(u8),
    /// By a signal that was not ours.
    Signal(i32),
    /// By us: it ran longer than its limit.
    TimedOut(Duration),
    /// By us: it printed more than [`FLOOD`] bytes.
    Flooded,
    /// By us: it was stopped.
    Stopped,
}

/// The programs that run.
#[derive(Debug)]
pub struct Runner {
    live: Vec<Live>,
    next: u64,
    most: usize,
    user: sys::User,
    /// Stands in the environment of what we start, and of all that it starts.
    mark: String,
    buffer: Box<[u8]>,
    places: Places,
    /// `/dev/null`, which most programs read from: a copy of the descriptor costs half of opening it.
    nothing: Option<File>,
    /// Where each program gets a control group of its own, if this process may make some.
    groups: Option<Groups>,
}

/// Bytes read at once, and by program and turn: one that floods must not keep the others waiting.
const READ: usize = 64 * 1024;

impl Runner {
    /// Makes one that runs at most `most` programs at a time. `mark` is a word that no other runner on
    /// this machine has: programs of an earlier life of this runner are known by it and killed now.
    pub fn new(mark: &str, most: usize) -> Self {
        let has_groups = cfg!(all(target_os = "linux", not(feature = "portable")));
        let group = if has_groups { cgroup::own() } else { None };
        Self::within(mark, most, group.as_deref())
    }

    /// As [`Runner::new`], with control groups below `group` instead of the one of this process.
    pub fn within(mark: &str, most: usize, group: Option<&Path>) -> Self {
        sys::keep_descriptors();
        let runner = Self {
            live: Vec::new(),
            next: 1,
            most: most.max(1),
            user: sys::user(),
            mark: mark.to_owned(),
            buffer: vec![0; READ].into_boxed_slice(),
            places: Places::default(),
            nothing: if cfg!(unix) { File::open("/dev/null").ok() } else { None },
            groups: group.and_then(|group| Groups::below(group, mark)),
        };
        leftovers::kill(&format!("{}-", runner.mark));
        runner
    }

    /// Starts a program, after a look at who could have changed it.
    ///
    /// # Errors
    /// Why it was not started; then nothing of it is left.
    pub fn start(&mut self, invocation: &Invocation, now: Now) -> Result<RunId, StartError> {
        self.start_with(invocation, &Given::default(), now)
    }

    /// As [`Runner::start`], for a program that is given something.
    ///
    /// # Errors
    /// Why it was not started; then nothing of it is left.
    pub fn start_with(
        &mut self,
        invocation: &Invocation,
        given: &Given,
        now: Now,
    ) -> Result<RunId, StartError> {
        if self.live.len() >= self.most {
            return Err(StartError::Busy);
        }
        let program = &invocation.program;
        let name = || program.arguments().first().cloned().unwrap_or_default();
        let path = self.places.of(program, now.mono).ok_or_else(|| StartError::Missing(name()))?;
        if let Err(error) = trust::check(&path, self.user) {
            self.places.forget(program);
            return Err(error.into());
        }
        let id = RunId(self.next);
        self.next += 1;
        let mark = format!("{}-{}", self.mark, id.0);
        tracing::debug!(name = invocation.permit.name(), origin = ?invocation.permit.origin(),
            path = %path.display(), "running a program");
        let mut command = Command::new(path);
        command
            .args(program.arguments().iter().skip(1))
            .env_clear()
            .envs(given.variables.iter().map(|(name, value)| (name, value)))
            .env(MARK, &mark)
            .stdin(self.input(given).map_err(StartError::System)?)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        sys::surroundings(&mut command);
        sys::apart(&mut command);
        let limits = limits(invocation);
        sys::limit_at_start(&mut command, &limits);
        let child = command.spawn().map_err(StartError::System)?;
        let mut live = Live::begin(id, child, invocation, mark, now).map_err(StartError::System)?;
        live.limit(&limits);
        if let Err(error) = live.set_off() {
            live.kill_now();
            return Err(StartError::System(error));
        }
        if let Some(groups) = &mut self.groups {
            live.move_to(groups);
        }
        self.live.push(live);
        Ok(id)
    }

    /// Returns what a program reads: what it is given, or nothing.
    fn input(&self, given: &Given) -> io::Result<Stdio> {
        if !given.input.is_empty() {
            let mut file = sys::memory_file()?;
            file.write_all(&given.input)?;
            file.rewind()?;
            return Ok(Stdio::from(file));
        }
        Ok(match &self.nothing {
            Some(nothing) => Stdio::from(nothing.try_clone()?),
            None => Stdio::null(),
        })
    }

    /// Returns how many run.
    pub fn running(&self) -> usize {
        self.live.len()
    }

    /// Returns true if another can be started.
    pub fn has_room(&self) -> bool {
        self.live.len() < self.most
    }

    /// Asks a program to end, and ends it if it does not.
    pub fn stop(&mut self, id: RunId, now: Mono) {
        if let Some(live) = self.live.iter_mut().find(|live| live.id == id) {
            live.end_early(Exit::Stopped, now);
        }
    }

    /// Adds what is to be waited for.
    pub fn wait_for(&mut self, poller: &mut Poller) {
        for live in &mut self.live {
            live.wait_for(poller);
        }
    }

    /// Returns when [`Runner::advance`] has something to do, if nothing happens before.
    pub fn deadline(&self) -> Option<Mono> {
        self.live.iter().filter_map(Live::deadline).min()
    }

    /// Reads what is there, ends what is overdue, and appends what happened. `poller` is the one that
    /// [`Runner::wait_for`] was given.
    pub fn advance(&mut self, poller: &Poller, now: Now, happened: &mut Vec<Happened>) {
        let mut at = 0;
        while let Some(live) = self.live.get_mut(at) {
            match live.advance(poller, &mut self.buffer, now, happened) {
                Some(finished) => {
                    let mut live = self.live.swap_remove(at);
                    if let (Some(groups), Some(group)) = (&mut self.groups, live.group.take()) {
                        groups.give_back(group);
                    }
                    happened.push(Happened::Ended(live.id, finished));
                }
                None => at += 1,
            }
        }
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        for live in &mut self.live {
            live.kill_now();
        }
    }
}

fn limits(invocation: &Invocation) -> Vec<Limit> {
    let mut limits = vec![Limit::Core(0), Limit::Files(MAX_FILES), Limit::FileSize(MAX_FILE)];
    limits.extend(invocation.limit.map(|limit| Limit::Cpu(limit.as_secs() + CPU_SPARE)));
    limits.extend(invocation.memory.map(Limit::Memory));
    limits
}

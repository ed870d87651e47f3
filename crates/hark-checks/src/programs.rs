//! Foreign programs for checks: one thread that runs them side by side.
//!
//! The runner waits for its programs with `poll`, so it has a thread of its own, which is started with the
//! first program. Checks ask it and wait for the answer; a check that is given up has its program
//! stopped.

use std::io::{self, Read as _, Write as _};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hark_model::time::Clock;
use hark_plugin::{
    Bell as Stream, Finished, Happened, Invocation, Poller, RunId, Runner, StartError, bells,
    waited,
};
use thiserror::Error;
use tokio::sync::oneshot;

/// How many run at a time: a process each, and what they do is unknown.
const MAX_RUNNING: usize = 32;

/// Bound on those that wait for room. The scheduler starts no more checks at once than this.
const MAX_WAITING: usize = 1024;

/// How long a failed wait is waited out: no memory for the kernel.
const PATIENCE: Duration = Duration::from_millis(200);

/// Runs programs for checks, or refuses to.
#[derive(Clone, Debug, Default)]
pub struct Programs(Option<Arc<Shared>>);

#[derive(Debug)]
struct Shared {
    /// Word by which programs of an earlier life of this runner are known.
    mark: String,
    thread: Mutex<Option<Thread>>,
}

#[derive(Clone, Debug)]
struct Thread {
    asks: SyncSender<Ask>,
    bell: Arc<Stream>,
}

/// Why a program gave no result.
#[derive(Debug, Error)]
pub enum RunError {
    /// Nobody may run programs here.
    #[error("programs are not run here: the configuration of this machine itself must name them")]
    Forbidden,
    /// It was not started.
    #[error(transparent)]
    NotStarted(#[from] StartError),
    /// The thread could not be started, or has ended.
    #[error("the thread that runs programs is not there")]
    Gone,
    /// Too many wait.
    #[error("{MAX_WAITING} programs wait already")]
    Full,
}

struct Ask {
    invocation: Invocation,
    answer: oneshot::Sender<Result<Finished, StartError>>,
}

impl Programs {
    /// Refuses every program: for a place where somebody else names the checks.
    pub fn none() -> Self {
        Self(None)
    }

    /// Runs what checks name. `mark` is a word that no other runner of this machine has.
    pub fn new(mark: &str) -> Self {
        Self(Some(Arc::new(Shared { mark: mark.to_owned(), thread: Mutex::new(None) })))
    }

    /// Runs a program to its end. Dropping the future stops the program.
    ///
    /// # Errors
    /// Why there is no result.
    pub async fn run(&self, invocation: Invocation) -> Result<Finished, RunError> {
        let thread = self.0.as_ref().ok_or(RunError::Forbidden)?.thread()?;
        let (answer, end) = oneshot::channel();
        thread.asks.try_send(Ask { invocation, answer }).map_err(|error| match error {
            TrySendError::Full(_) => RunError::Full,
            TrySendError::Disconnected(_) => RunError::Gone,
        })?;
        // Rings now, and again when the future is dropped.
        let _bell = Bell::ring(thread.bell);
        Ok(end.await.map_err(|_| RunError::Gone)??)
    }
}

impl Shared {
    fn thread(&self) -> Result<Thread, RunError> {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = &*thread {
            return Ok(thread.clone());
        }
        let started = self.start().map_err(|error| {
            tracing::warn!(%error, "cannot start the thread that runs programs of checks");
            RunError::Gone
        })?;
        *thread = Some(started.clone());
        Ok(started)
    }

    fn start(&self) -> io::Result<Thread> {
        let (here, there) = bells()?;
        here.set_nonblocking(true)?;
        there.set_nonblocking(true)?;
        let (asks, asked) = sync_channel(MAX_WAITING);
        let mark = self.mark.clone();
        let work = move || {
            let runner = Runner::new(&mark, MAX_RUNNING);
            Work { runner, asked, bell: there, waiting: Vec::new(), running: Vec::new() }.serve();
        };
        std::thread::Builder::new().name("hark-programs".to_owned()).spawn(work)?;
        Ok(Thread { asks, bell: Arc::new(here) })
    }
}

/// Wakes the thread: something was asked for, or is no longer wanted.
struct Bell(Arc<Stream>);

impl Bell {
    fn ring(bell: Arc<Stream>) -> Self {
        // Full means that it is awake anyway.
        drop((&*bell).write(&[1]));
        Self(bell)
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        drop((&*self.0).write(&[1]));
    }
}

/// What the thread knows.
struct Work {
    runner: Runner,
    asked: Receiver<Ask>,
    bell: Stream,
    waiting: Vec<Ask>,
    running: Vec<(RunId, oneshot::Sender<Result<Finished, StartError>>)>,
}

impl Work {
    /// Serves until nobody can ask any more and nothing runs.
    fn serve(mut self) {
        let (mut poller, mut happened) = (Poller::default(), Vec::new());
        loop {
            poller.clear();
            let bell = poller.readable(waited(&self.bell));
            self.runner.wait_for(&mut poller);
            let now = Clock.now().mono;
            let until = self.runner.deadline().map(|deadline| deadline.since(now));
            if poller.wait(until).is_err() {
                std::thread::park_timeout(PATIENCE);
                continue;
            }
            if poller.is_ready(bell) && self.is_over() {
                return;
            }
            self.runner.advance(&poller, Clock.now(), &mut happened);
            self.answer(&mut happened);
            self.start_waiting();
            self.stop_unwanted();
        }
    }

    /// Takes what was asked for. Returns true if nobody is there any more.
    fn is_over(&mut self) -> bool {
        let mut rings = [0; 64];
        let is_closed = matches!(self.bell.read(&mut rings), Ok(0));
        self.waiting.extend(self.asked.try_iter());
        is_closed
    }

    fn answer(&mut self, happened: &mut Vec<Happened>) {
        for happened in happened.drain(..) {
            let Happened::Ended(id, finished) = happened else { continue };
            let Some(at) = self.running.iter().position(|(run, _)| *run == id) else { continue };
            let (_, answer) = self.running.swap_remove(at);
            // Who asked may have given up: then it is nobody's.
            drop(answer.send(Ok(finished)));
        }
    }

    /// Starts those that wait, in their order, as long as there is room.
    fn start_waiting(&mut self) {
        self.waiting.retain(|ask| !ask.answer.is_closed());
        while self.runner.has_room() && !self.waiting.is_empty() {
            let ask = self.waiting.remove(0);
            match self.runner.start(&ask.invocation, Clock.now()) {
                Ok(id) => self.running.push((id, ask.answer)),
                Err(error) => drop(ask.answer.send(Err(error))),
            }
        }
    }

    fn stop_unwanted(&mut self) {
        let now = Clock.now().mono;
        for (id, answer) in &self.running {
            if answer.is_closed() {
                self.runner.stop(*id, now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use hark_plugin::{Exit, Output, Permit, Program};

    use super::*;

    fn invocation(line: &str) -> Invocation {
        Invocation {
            program: Arc::new(Program::parse(line).unwrap()),
            permit: Permit::host_file("test"),
            limit: Some(Duration::from_secs(20)),
            output: Output::Whole,
            memory: None,
        }
    }

    fn block_on<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    #[test]
    fn programs_run_and_say_how_they_ended() {
        block_on(async {
            let programs = Programs::new("checks-test-run");
            let finished = programs.run(invocation("echo a b")).await.unwrap();
            assert_eq!((finished.exit, &*finished.output), (Exit::Code(0), &b"a b\n"[..]));
            let missing = programs.run(invocation("no-such-program")).await.unwrap_err();
            assert!(matches!(missing, RunError::NotStarted(StartError::Missing(_))), "{missing}");
            let (a, b) = (programs.clone(), programs.clone());
            let both = tokio::join!(a.run(invocation("true")), b.run(invocation("false")));
            assert_eq!(both.0.unwrap().exit, Exit::Code(0));
            assert_eq!(both.1.unwrap().exit, Exit::Code(1));
        });
    }

    #[test]
    fn who_may_not_run_programs_runs_none() {
        block_on(async {
            let refused = Programs::none().run(invocation("true")).await.unwrap_err();
            assert!(matches!(refused, RunError::Forbidden));
        });
    }

    #[test]
    fn a_check_that_is_given_up_has_its_program_stopped() {
        block_on(async {
            let programs = Programs::new("checks-test-stop");
            let seconds = format!("{}", 7_000 + std::process::id() % 1000);
            let run = programs.run(invocation(&format!("sleep {seconds}")));
            tokio::time::timeout(Duration::from_millis(200), run).await.unwrap_err();
            let mut is_gone = false;
            for _ in 0..100 {
                let found = programs.run(invocation(&format!("pgrep -f ^sleep.{seconds}"))).await;
                is_gone = found.unwrap().exit == Exit::Code(1);
                if is_gone {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            assert!(is_gone, "sleep {seconds} runs on");
        });
    }
}

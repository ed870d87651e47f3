//! Programs that collectors ask, one at a time, on the thread for what may take long.
//!
//! Only programs of collectors that the host's own file names are run: those are switched off unless
//! they stand there, and a server that gives settings cannot switch them on.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hark_model::{Clock, Mono};
use hark_plugin::{
    Exit, Finished, Happened, Invocation, Output, Permit, Poller, Program, Runner, StartError,
};

/// How long the runner may wait where it names no deadline; it names one as long as a program runs.
const WAIT: Duration = Duration::from_secs(1);

/// The runner that all collectors of one agent share; made when the first program is run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Programs(Arc<Mutex<Option<Runner>>>);

impl Programs {
    /// Runs a program for the collector `name`, and waits for its end, at most `limit`.
    ///
    /// # Errors
    /// If it cannot be started (not found, if there is none), or was ended by us or by a signal.
    pub(crate) fn run(
        &self,
        name: &str,
        arguments: &[&str],
        limit: Duration,
    ) -> io::Result<(u8, Finished)> {
        let owned = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let program = Program::new(owned).map_err(io::Error::other)?;
        let invocation = Invocation {
            program: Arc::new(program),
            permit: Permit::host_file(name),
            limit: Some(limit),
            output: Output::Whole,
            memory: None,
        };
        let mut runner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let runner = runner.get_or_insert_with(|| {
            // Two agents of one machine must not end each other's programs.
            Runner::new(&format!("collectors-{}", std::process::id()), 1)
        });
        runner.start(&invocation, Clock.now()).map_err(|error| match error {
            StartError::Missing(_) => io::ErrorKind::NotFound.into(),
            error @ (StartError::Busy | StartError::Untrusted(_) | StartError::System(_)) => {
                io::Error::other(error)
            }
        })?;
        let finished = wait(runner)?;
        match finished.exit {
            Exit::Code(code) => Ok((code, finished)),
            Exit::TimedOut(_) => Err(io::ErrorKind::TimedOut.into()),
            Exit::Signal(_) | Exit::Flooded | Exit::Stopped => {
                Err(io::Error::other(format!("the program was ended: {:?}", finished.exit)))
            }
        }
    }
}

fn wait(runner: &mut Runner) -> io::Result<Finished> {
    let (mut poller, mut happened) = (Poller::default(), Vec::new());
    loop {
        poller.clear();
        runner.wait_for(&mut poller);
        let now = Clock.now().mono;
        let until = runner.deadline().map_or(WAIT, |deadline: Mono| deadline.since(now));
        poller.wait(Some(until))?;
        runner.advance(&poller, Clock.now(), &mut happened);
        for happened in happened.drain(..) {
            if let Happened::Ended(_, finished) = happened {
                return Ok(finished);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_run_to_its_end_and_says_how_it_ended() {
        let programs = Programs::default();
        let limit = Duration::from_secs(20);
        let (code, finished) = programs.run("test", &["echo", "a b"], limit).unwrap();
        assert_eq!((code, finished.output.as_slice()), (0, &b"a b\n"[..]));
        assert_eq!(programs.run("test", &["false"], limit).unwrap().0, 1);
        let missing = programs.run("test", &["no-such-program"], limit).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
        let late = programs.run("test", &["sleep", "60"], Duration::from_millis(50)).unwrap_err();
        assert_eq!(late.kind(), io::ErrorKind::TimedOut);
        assert_eq!(programs.run("test", &["true"], limit).unwrap().0, 0, "it goes on");
    }
}

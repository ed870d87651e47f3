//! A program of one's own: whatever no other type of receiver does.
//!
//! No shell is between: the configuration names a program and its arguments, and what a message says
//! reaches it only as data, in its input and its environment, where nothing of it can be mistaken for an
//! argument or a command. It is run as checks run programs: in a group of its own, with bounds on time
//! and output, and only if nobody but root and the server's own user could have changed it.
//!
//! Each message has a thread of its own while its program runs: the runner waits with `poll`, messages
//! are rare, and the outbox gives a receiver one after the other.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hark_config::{Key, Kind, Section};
use hark_model::Notification;
use hark_model::time::Clock;
use hark_plugin::{
    Exit, Finished, Given, Happened, Invocation, Output, Permit, Poller, Program, Runner,
    StartError, runner,
};
use serde_json::Value;
use tokio::sync::oneshot;

use crate::deadline::read_timeout;
use crate::error::{Again, Doing, SendError, one_line};
use crate::render;
use crate::trace::Asked;
use crate::{Context, Delivered, Pending, Receiver, ReceiverType};

/// The receiver type `exec`.
#[derive(Debug)]
pub(crate) struct Exec;

pub(crate) const KEYS: &[Key] = &[
    Key::new(
        "command",
        Kind::Either(&[Kind::Text, Kind::List(&Kind::Text)]),
        "The program and its arguments: a list, or a line that is cut at white space. No shell is used.",
    )
    .required(),
    Key::new("timeout", Kind::Duration, "After it the program and all that it started is ended.")
        .default("30s"),
    Key::new("memory", Kind::Size, "Bound on its address space.").default("none"),
];

const TIMEOUT: Duration = Duration::from_secs(30);

/// What a run takes at most beyond its limit: the time between asking it to end and ending it, and a
/// moment for its pipes.
const AFTER: Duration = Duration::from_secs(1);

/// Bound on a field in the environment: the kernel refuses a variable of 128 KiB, and programs that
/// want all of a long text read their input.
const MAX_VARIABLE: usize = 8 * 1024;

/// Bound on what is kept of a program's words.
const MAX_WORDS: usize = 300;

/// The exit code (`EX_DATAERR`) with which a program says that this message can never be told.
const NEVER: u8 = 65;

/// How long a failed wait is waited out: no memory for the kernel.
const PATIENCE: Duration = Duration::from_millis(200);

impl ReceiverType for Exec {
    fn name(&self) -> &'static str {
        "exec"
    }

    fn manual(&self) -> &'static str {
        "Runs a program of your own on the server, as the server's user; no shell is used. The \
         program reads the message as one JSON document from its standard input, and finds the same \
         fields in its environment as `HARK_SUMMARY`, `HARK_SEVERITY`, `HARK_STATUS`, `HARK_HOST` and \
         so on: a field that is none is an empty variable, and what is longer than 8 KiB is cut \
         there. `HARK_REASON` is `recovery` when a problem is over. Exit code 0 means that the \
         message is told; 65 that it can never be; with any other, or when the time is up, it is \
         tried again for a day. What the program prints first stands in the delivery log. The \
         program must belong to root or to the server's user, and nobody else may be able to change \
         it or a folder above it. An example is `contrib/hark-blinkstick`, which shows the worst of \
         what goes on as the colour of a lamp."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn example(&self) -> &'static str {
        "command: [/usr/local/bin/tell, --to, operator]\ntimeout: 20s\nmemory: 256MiB\n"
    }

    fn read(&self, section: &Section<'_>) -> Option<Box<dyn Receiver>> {
        let program = section.required("command").and_then(|value| Program::read(&value));
        let limit = read_timeout(section, "timeout", TIMEOUT);
        let memory = section.opt_size("memory");
        Some(Box::new(Command { program: Arc::new(program?), limit, memory }))
    }
}

/// One configured program.
#[derive(Debug)]
struct Command {
    program: Arc<Program>,
    limit: Duration,
    memory: Option<u64>,
}

impl Receiver for Command {
    fn target(&self) -> String {
        // Arguments may hold what is nobody's business.
        self.program.arguments().first().cloned().unwrap_or_default()
    }

    fn send<'a>(
        &'a self,
        notification: &'a Notification,
        context: &'a Context,
    ) -> Pending<'a, Delivered> {
        Box::pin(async move {
            let invocation = Invocation {
                program: Arc::clone(&self.program),
                permit: Permit::host_file(notification.receiver.as_str()),
                limit: Some(self.limit),
                output: Output::Whole,
                memory: self.memory,
            };
            let given = given(notification, context);
            let question = context.trace.ask(|| Asked {
                // Without its arguments, as in `target`.
                line: format!("run {}", self.target()),
                headers: Vec::new(),
                body: String::from_utf8_lossy(&given.input).trim_end().to_owned(),
            });
            let finished = run(invocation, given).await;
            let status = finished.as_ref().map_or_else(|_| String::new(), |f| how(f.exit));
            let result = finished.and_then(|finished| self.judge(&finished));
            context.trace.ended(question, &status, &result);
            result
        })
    }
}

impl Command {
    fn judge(&self, finished: &Finished) -> Result<Delivered, SendError> {
        let printed = String::from_utf8_lossy(&finished.output);
        let errors = String::from_utf8_lossy(&finished.errors);
        let words = if errors.trim().is_empty() { printed.trim() } else { errors.trim() };
        let words = one_line(words, MAX_WORDS);
        let (how, again) = match finished.exit {
            Exit::Code(0) => {
                let text = one_line(printed.trim(), MAX_WORDS);
                return Ok(Delivered { text, ..Default::default() });
            }
            Exit::Code(NEVER) => (format!("says with exit code {NEVER} never"), Again::Never),
            Exit::Code(code) => (format!("ended with exit code {code}"), Again::Later),
            Exit::Signal(signal) => (format!("was ended by signal {signal}"), Again::Later),
            Exit::TimedOut(after) => {
                return Err(SendError::Timeout { doing: Doing::Waiting, after });
            }
            Exit::Flooded => (format!("printed more than {} bytes", runner::FLOOD), Again::Later),
            Exit::Stopped => ("was stopped".to_owned(), Again::Later),
        };
        let colon = if words.is_empty() { "" } else { ": " };
        let what = format!("{} {how}{colon}{words}", self.program.short_name());
        Err(SendError::Program { what, again })
    }
}

/// Returns how a program ended, in short.
fn how(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("exit code {code}"),
        Exit::Signal(signal) => format!("signal {signal}"),
        Exit::TimedOut(_) => "timed out".to_owned(),
        Exit::Flooded => "too much output".to_owned(),
        Exit::Stopped => "stopped".to_owned(),
    }
}

/// Returns what the program is given of a message.
fn given(notification: &Notification, context: &Context) -> Given {
    let document = render::document(notification, &context.page);
    let mut variables = Vec::new();
    if let Value::Object(fields) = &document {
        for (name, value) in fields {
            let text = match value {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                    value.to_string()
                }
            };
            // A variable ends at a zero byte.
            let text = text.replace('\0', " ");
            let cut = text.floor_char_boundary(MAX_VARIABLE);
            let text = text.get(..cut).unwrap_or_default().to_owned();
            variables.push((format!("HARK_{}", name.to_ascii_uppercase()), text));
        }
    }
    Given { input: format!("{document}\n").into_bytes(), variables }
}

/// Runs a program to its end. Dropping the future ends the program and all that it started.
async fn run(invocation: Invocation, given: Given) -> Result<Finished, SendError> {
    let not_started = |error: io::Error| SendError::Program {
        what: format!("cannot run a program: {error}"),
        again: Again::Later,
    };
    let after = invocation.limit.unwrap_or(TIMEOUT) + runner::GRACE + AFTER;
    // The thread hears when this end is closed.
    let (_held, released) = hark_plugin::bells().map_err(not_started)?;
    let (answer, end) = oneshot::channel();
    std::thread::Builder::new()
        .name("hark-exec".to_owned())
        .spawn(move || drop(answer.send(run_here(&invocation, &given, &released))))
        .map_err(not_started)?;
    match tokio::time::timeout(after, end).await {
        Ok(Ok(Ok(finished))) => Ok(finished),
        Ok(Ok(Err(error))) => {
            let what = match &error {
                // The source is part of the text already.
                StartError::Untrusted(error) => format!("the program is not run: {error}"),
                StartError::Busy | StartError::Missing(_) | StartError::System(_) => {
                    error.to_string()
                }
            };
            Err(SendError::Program { what, again: Again::Later })
        }
        Ok(Err(_gone)) => Err(not_started(io::Error::other("its thread has ended"))),
        Err(_elapsed) => Err(SendError::Timeout { doing: Doing::Waiting, after }),
    }
}

/// Runs a program on this thread, until it has ended or nobody waits for it.
fn run_here(
    invocation: &Invocation,
    given: &Given,
    released: &hark_plugin::Bell,
) -> Result<Finished, StartError> {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    let run = RUNS.fetch_add(1, Ordering::Relaxed);
    // Without a control group: those are kept for as long as their runner, and this one is gone soon.
    let mut runner = Runner::within(&format!("tell-{}-{run}", std::process::id()), 1, None);
    runner.start_with(invocation, given, Clock.now())?;
    let (mut poller, mut happened) = (Poller::default(), Vec::new());
    loop {
        poller.clear();
        let release = poller.readable(hark_plugin::waited(released));
        runner.wait_for(&mut poller);
        let now = Clock.now().mono;
        if poller.wait(runner.deadline().map(|deadline| deadline.since(now))).is_err() {
            std::thread::park_timeout(PATIENCE);
            continue;
        }
        runner.advance(&poller, Clock.now(), &mut happened);
        for happened in happened.drain(..) {
            if let Happened::Ended(_, finished) = happened {
                return Ok(finished);
            }
        }
        if poller.is_ready(release) {
            // Dropping the runner kills what runs.
            return Err(StartError::Busy);
        }
    }
}

#[cfg(test)]
mod tests;

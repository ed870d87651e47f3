//! What check types that run a program share: its settings and the run.

use std::sync::Arc;
use std::time::Duration;

use hark_config::{Bare, Key, Kind, Section};
use hark_model::Status;
use hark_plugin::{Finished, Invocation, Output, Permit, Program, runner};

use crate::finding::Finding;
use crate::programs::RunError;
use crate::{Context, net};

/// Settings of every type that runs a program.
pub(crate) const KEYS: &[Key] = &[
    Key::new(
        "command",
        Kind::Either(&[Kind::Text, Kind::List(&Kind::Text)]),
        "The program and its arguments: a line, or a list. No shell is used. It runs on the server.",
    )
    .required(),
    Key::new(
        "timeout",
        Kind::Duration,
        "After it the program and all that it started is ended.",
    )
    .default("30s"),
    Key::new("memory", Kind::Size, "Bound on its address space.").default("none"),
];

/// Time limit where none is set: as on agents.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What a run takes at most beyond its limit: a program that does not end when it is asked to.
const AFTER: Duration = Duration::from_secs(1);

/// A program that a check runs.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    program: Arc<Program>,
    /// Time that it may run.
    limit: Duration,
    memory: Option<u64>,
}

impl Command {
    /// Reads the settings.
    pub(crate) fn read(section: &Section<'_>) -> Option<Self> {
        let program = section.required("command").and_then(|value| Program::read(&value));
        let limit = section.duration("timeout", Bare::Seconds, TIMEOUT);
        let memory = section.opt_size("memory");
        if limit.is_zero() || limit > net::MAX_TIMEOUT {
            section.error("timeout", "must be more than 0s and at most 10m");
            return None;
        }
        Some(Self { program: Arc::new(program?), limit, memory })
    }

    /// Returns what is run, for people.
    pub(crate) fn target(&self) -> String {
        self.program.arguments().join(" ")
    }

    /// Returns the time that a run may take in all.
    pub(crate) fn timeout(&self) -> Duration {
        self.limit + runner::GRACE + AFTER
    }

    /// Runs it to its end. The error is the finding of a check that could not run its program: nothing
    /// is known of what it would have looked at.
    pub(crate) async fn run(&self, kind: &str, context: &Context) -> Result<Finished, Finding> {
        let invocation = Invocation {
            program: Arc::clone(&self.program),
            permit: Permit::host_file(kind),
            limit: Some(self.limit),
            output: Output::Whole,
            memory: self.memory,
        };
        context
            .programs
            .run(invocation)
            .await
            .map_err(|error: RunError| Finding::new(Status::Unknown, net::chain(&error)))
    }
}

//! Programs that are run once, because the server's operators ordered one of the actions that the host's
//! own file offers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hark_config::{Bare, Key, Kind, Section};
use hark_model::Now;
use hark_plugin::{
    Exit, Finished, Happened, Invocation, Output, Permit, Poller, Program, RunId, Runner, text,
};
use hark_proto::{Outcome, ReportItem};

use super::settings::TIMEOUT;
use crate::inlet::{Found, Inlet};

/// Bound on actions that run at the same time: they are few and asked for by people.
const MAX_RUNNING: usize = 4;

/// Bound on what an outcome shows of the output: an item of a report holds about as much.
const MAX_SHOWN: usize = 1000;

/// The longest time limit of an action.
const LONGEST: Duration = Duration::from_hours(1);

/// Bound on the names of a host's actions, with a blank between them: they travel as one fact.
const MAX_NAMES: usize = 220;

/// Bound on an action's name: it stands in addresses and on buttons.
const MAX_NAME: usize = 64;

/// The actions that this host offers.
pub const ACTIONS: Key = Key::new(
    "actions",
    Kind::Named(&Kind::Section(ACTION_KEYS)),
    "What operators may have run here by its name, with `hark cmd` or the API.",
);

const ACTION_KEYS: &[Key] = &[
    Key::new(
        "run",
        Kind::Either(&[Kind::Text, Kind::List(&Kind::Text)]),
        "The program and its arguments: a line, or a list. No shell is used.",
    )
    .required(),
    Key::new("timeout", Kind::Duration, "After it the program and all that it started is ended.")
        .default("30s"),
];

/// What can be ordered: by the host's own file alone.
#[derive(Clone, Debug, Default)]
pub struct Actions(BTreeMap<String, Action>);

#[derive(Clone, Debug)]
struct Action {
    program: Arc<Program>,
    limit: Duration,
}

impl Actions {
    /// Reads `actions`; diagnostics are in `section`.
    pub(crate) fn read(section: &Section<'_>) -> Self {
        let mut actions = BTreeMap::new();
        for (name, section) in section.children("actions") {
            let program = section.required("run").and_then(|value| Program::read(&value));
            let limit = section.duration("timeout", Bare::Seconds, TIMEOUT);
            if limit.is_zero() || limit > LONGEST {
                section.error("timeout", "a time limit is between 1ms and 1h");
            }
            section.finish(ACTION_KEYS);
            if !is_name(name.value) {
                section.diagnostics().error(
                    name.span,
                    "an action's name is 1 to 64 letters, digits, `-`, `_` and `.`, and begins \
                     with a letter or digit",
                );
                continue;
            }
            if let Some(program) = program {
                let action = Action { program: Arc::new(program), limit };
                actions.insert(name.value.to_owned(), action);
            }
        }
        let names: usize = actions.keys().map(|name| name.len() + 1).sum();
        if names > MAX_NAMES {
            section
                .error("actions", "the names of a host's actions are at most 220 bytes together");
        }
        Self(actions)
    }

    /// Returns true if nothing can be ordered.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the names, in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Returns the programs, each with its name.
    pub(crate) fn programs(&self) -> impl Iterator<Item = (&str, &Program)> {
        self.0.iter().map(|(name, action)| (name.as_str(), &*action.program))
    }

    /// Returns what is to be run for the order with this number.
    pub(crate) fn run(&self, order: u32, name: &str) -> Option<OrderedRun> {
        let Action { program, limit } = self.0.get(name)?;
        let (program, limit) = (Arc::clone(program), *limit);
        Some(OrderedRun { order, name: name.to_owned(), program, limit })
    }
}

fn is_name(name: &str) -> bool {
    name.len() <= MAX_NAME
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// What was ordered.
#[derive(Clone, Debug)]
pub(crate) struct OrderedRun {
    /// The order's number.
    pub(crate) order: u32,
    name: String,
    program: Arc<Program>,
    limit: Duration,
}

/// What was ordered and runs.
#[derive(Debug)]
pub(super) struct Orders {
    runner: Runner,
    running: Vec<(RunId, u32)>,
}

impl Orders {
    pub(super) fn new(mark: &str) -> Self {
        Self { runner: Runner::new(mark, MAX_RUNNING), running: Vec::new() }
    }

    /// Starts it, or says why not.
    pub(super) fn start(&mut self, run: OrderedRun, now: Now, inlet: &Inlet) {
        tracing::info!(order = run.order, action = run.name, "an order is carried out");
        let invocation = Invocation {
            program: run.program,
            permit: Permit::host_file(&run.name),
            limit: Some(run.limit),
            output: Output::Whole,
            memory: None,
        };
        match self.runner.start(&invocation, now) {
            Ok(id) => self.running.push((id, run.order)),
            Err(error) => tell(run.order, None, format!("not run: {error}"), inlet),
        }
    }

    pub(super) fn wait_for(&mut self, poller: &mut Poller) {
        self.runner.wait_for(poller);
    }

    pub(super) fn deadline(&self) -> Option<hark_model::Mono> {
        self.runner.deadline()
    }

    pub(super) fn advance(&mut self, poller: &Poller, now: Now, inlet: &Inlet) {
        let mut happened = Vec::new();
        self.runner.advance(poller, now, &mut happened);
        for happened in happened {
            let Happened::Ended(id, finished) = happened else { continue };
            let Some(at) = self.running.iter().position(|(running, _)| *running == id) else {
                continue;
            };
            let (_, order) = self.running.swap_remove(at);
            let (exit, text) = outcome(&finished);
            tell(order, exit, text, inlet);
        }
    }
}

/// Returns the exit status and what is shown.
fn outcome(finished: &Finished) -> (Option<u8>, String) {
    let shown = |bytes: &[u8]| text::clean(bytes.trim_ascii(), MAX_SHOWN);
    let (printed, errors) = (shown(&finished.output), shown(&finished.errors));
    let said = match (printed.is_empty(), errors.is_empty()) {
        (_, true) => printed,
        (true, false) => errors,
        (false, false) => format!("{errors}\n{printed}"),
    };
    let (exit, end) = match finished.exit {
        Exit::Code(code) => (Some(code), String::new()),
        Exit::Signal(signal) => (None, format!("ended by signal {signal}")),
        Exit::TimedOut(limit) => (
            None,
            format!("ended after its time limit of {}", hark_config::duration::format(limit)),
        ),
        Exit::Flooded => (None, "ended, as it printed too much".to_owned()),
        Exit::Stopped => (None, "stopped".to_owned()),
    };
    match (end.is_empty(), said.is_empty()) {
        (true, true) => (exit, "no output".to_owned()),
        (true, false) => (exit, said),
        (false, true) => (exit, end),
        (false, false) => (exit, format!("{end}\n{said}")),
    }
}

fn tell(order: u32, exit: Option<u8>, text: String, inlet: &Inlet) {
    let item = ReportItem::Outcome(Outcome { order, exit, text });
    // Counted in the inlet, and told by the main thread.
    let _: bool = inlet.offer(Found::Report(item));
}

//! Programs of one's own that print JSON lines: metrics, facts, events, check results.
//!
//! With `every` a program is run now and then, without it the program runs on and is started again when it
//! ends. Its series are `custom.<name>.<metric>` or `custom.<name>.<instance>.<metric>`. The check of its
//! name says whether the program itself works; checks of its own are called `<name>.<check>`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use hark_calendar::ACTIVE;
use hark_config::{Bare, Key, Kind, Section, Value};
use hark_model::{CheckName, CheckResult, Mono, Next, Status, Unix};
use hark_plugin::lines::{self, Line};
use hark_plugin::{
    Exit, Finished, Invocation, Measured, Output, Permit, Poller, Program, StartError,
};
use hark_proto::ReportItem;
use hark_proto::bucket::{Bucket, Rate};

use super::series::Source;
use super::settings::{COMMAND, Pace, Reader, TIMEOUT_KEY};
use super::{Job, Timing, Turn};

const COLLECTOR: &str = "custom";

/// Values that come within this time are one sample: a program prints a line for each of its instances.
const GATHER: Duration = Duration::from_millis(500);

/// How often a program that runs on is said to do so.
const ALIVE: Duration = Duration::from_mins(1);

/// Bound on events and results: a program that fails in a loop must not fill the spool.
const RATE: Rate = Rate { burst: 100, per_second: 5 };

/// Bound on checks of one program.
const MAX_CHECKS: usize = 64;

/// Bound on values that are gathered.
const MAX_GATHERED: usize = 2048;

/// What the settings are.
pub(super) const KEYS: &[Key] = &[
    COMMAND,
    Key::new("every", Kind::Duration, "Time between two runs.").default("it runs on"),
    TIMEOUT_KEY,
    Key::new(
        "restart",
        Kind::Duration,
        "How long after its end a program that runs on is started again.",
    )
    .default("10s"),
    ACTIVE,
];

/// Reads the section.
pub(super) fn read(reader: &mut Reader<'_, '_>) {
    let custom = reader.section.child("custom");
    for (name, value) in custom.iter().flat_map(Section::entries) {
        let Some(check) = reader.check(name.value, name.span) else { continue };
        let Some(custom) = read_one(check, &value) else { continue };
        if let Some(permit) = reader.permit("custom", name.value) {
            reader.add(Custom { permit, ..custom });
        }
    }
}

fn read_one(check: CheckName, value: &Value<'_>) -> Option<Custom> {
    let section = value.section()?;
    let program = section.required("command").and_then(|value| Program::read(&value));
    let runs_on = !section.has("every");
    let restart = section.duration("restart", Bare::Seconds, Duration::from_secs(10));
    if restart < Duration::from_secs(1) {
        section.error("restart", "a program is started again after 1s at the earliest");
    }
    let pace = Pace::read(&section, if runs_on { restart } else { ALIVE });
    if runs_on && section.has("timeout") {
        section.error("timeout", "a program without `every` runs on, and has no time limit");
    }
    section.finish(KEYS);
    Some(Custom {
        intake: Intake::new(check.as_str()),
        permit: Permit::host_file(check.as_str()),
        check,
        program: Arc::new(program?),
        pace,
        runs_on,
        running: false,
        wrong: None,
        alive_at: None,
    })
}

/// A program at work.
#[derive(Clone, Debug)]
struct Custom {
    check: CheckName,
    permit: Permit,
    program: Arc<Program>,
    pace: Pace,
    runs_on: bool,
    running: bool,
    intake: Intake,
    /// What was wrong with its last lines.
    wrong: Option<String>,
    alive_at: Option<Mono>,
}

impl Custom {
    fn report(&self, status: Status, text: String, began_at: Unix, turn: &Turn<'_>) {
        let mut result = result(self.check.clone(), status, text, began_at);
        if self.runs_on {
            result.next = Next::Within(ALIVE);
        }
        turn.report(ReportItem::Result(result));
    }

    /// Says how it runs; a wrong line is said once.
    fn alive(&mut self, turn: &Turn<'_>) {
        let (status, text) = match self.wrong.take() {
            Some(wrong) => (Status::Unknown, wrong),
            None => (Status::Ok, "runs".to_owned()),
        };
        self.report(status, text, turn.now.unix, turn);
        self.alive_at = Some(turn.now.mono + ALIVE);
    }

    fn take(&mut self, line: &[u8], turn: &Turn<'_>) {
        if line.trim_ascii().is_empty() {
            return;
        }
        match lines::read(line) {
            Ok(line) => self.intake.take(line, turn),
            Err(error) => {
                tracing::debug!(job = self.check.as_str(), %error, "a line is none");
                self.wrong = Some(format!("a line is wrong: {error}"));
            }
        }
    }
}

impl Job for Custom {
    fn name(&self) -> &str {
        self.check.as_str()
    }

    fn programs(&self) -> Vec<&Program> {
        vec![&self.program]
    }

    fn timing(&self) -> Timing {
        self.pace.timing()
    }

    fn begin(&mut self, turn: &mut Turn<'_>) {
        self.running = true;
        if self.runs_on {
            self.alive_at = Some(turn.now.mono + GATHER);
        }
        turn.run(Invocation {
            program: Arc::clone(&self.program),
            permit: self.permit.clone(),
            limit: (!self.runs_on).then_some(self.pace.timeout),
            output: if self.runs_on { Output::Lines } else { Output::Whole },
            memory: None,
        });
    }

    fn refused(&mut self, error: &StartError, turn: &mut Turn<'_>) {
        (self.running, self.alive_at) = (false, None);
        self.report(Status::Unknown, format!("not run: {error}"), turn.now.unix, turn);
    }

    fn line(&mut self, line: &[u8], turn: &mut Turn<'_>) {
        self.take(line, turn);
    }

    fn ended(&mut self, finished: &Finished, turn: &mut Turn<'_>) {
        (self.running, self.alive_at) = (false, None);
        for line in finished.output.split(|b| *b == b'\n') {
            self.take(line, turn);
        }
        self.intake.hand_over(turn);
        let wrong = self.wrong.take();
        let (status, text) = match (finished.exit, wrong) {
            (Exit::Code(0), None) if !self.runs_on => (Status::Ok, "ran".to_owned()),
            (Exit::Code(0), Some(wrong)) => (Status::Unknown, wrong),
            (_, _) => (Status::Unknown, end_text(finished, self.runs_on)),
        };
        self.report(status, text, finished.began_at, turn);
        if self.runs_on {
            turn.come_back(turn.now.mono + self.pace.every);
        }
    }

    fn deadline(&self) -> Option<Mono> {
        [self.intake.deadline(), self.alive_at].into_iter().flatten().min()
    }

    fn advance(&mut self, _poller: &Poller, turn: &mut Turn<'_>) {
        if self.intake.deadline().is_some_and(|at| at <= turn.now.mono) {
            self.intake.hand_over(turn);
        }
        if self.running && self.alive_at.is_some_and(|at| at <= turn.now.mono) {
            self.alive(turn);
        }
    }
}

fn end_text(finished: &Finished, runs_on: bool) -> String {
    let errors = hark_plugin::text::clean(finished.errors.trim_ascii(), 300);
    let end = match finished.exit {
        Exit::Code(code) => format!("ended with code {code}"),
        Exit::Signal(signal) => format!("ended by signal {signal}"),
        Exit::TimedOut(limit) => {
            format!("did not end within {}", hark_config::duration::format(limit))
        }
        Exit::Flooded => "printed without end and was killed".to_owned(),
        Exit::Stopped => "was stopped".to_owned(),
    };
    let again = if runs_on { ", is started again" } else { "" };
    if errors.is_empty() { end + again } else { format!("{end}{again}: {errors}") }
}

fn result(check: CheckName, status: Status, text: String, began_at: Unix) -> CheckResult {
    CheckResult {
        check,
        status,
        text,
        began_at,
        took_ms: 0,
        values: Vec::new(),
        limits: Vec::new(),
        next: Next::AsBefore,
    }
}

/// Where lines go: the same for programs and for the socket.
#[derive(Clone, Debug)]
pub(super) struct Intake {
    name: String,
    source: Source,
    gathered: Vec<Measured>,
    names: BTreeSet<(String, String)>,
    until: Option<Mono>,
    bucket: Bucket,
    checks: BTreeSet<CheckName>,
    refused: u64,
}

impl Intake {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            source: Source::new(COLLECTOR, name),
            gathered: Vec::new(),
            names: BTreeSet::new(),
            until: None,
            bucket: Bucket::full(RATE),
            checks: BTreeSet::new(),
            refused: 0,
        }
    }

    /// Takes in a line.
    pub(super) fn take(&mut self, line: Line, turn: &Turn<'_>) {
        for value in line.metrics {
            let name = (value.instance.clone(), value.metric.clone());
            // The same again is the next sample.
            if self.names.contains(&name) || self.gathered.len() >= MAX_GATHERED {
                self.hand_over(turn);
            }
            self.names.insert(name);
            self.gathered.push(value);
            self.until.get_or_insert(turn.now.mono + GATHER);
        }
        if !line.facts.is_empty() && self.may(turn) {
            turn.report(ReportItem::Facts(line.facts));
        }
        if let Some(event) = line.event
            && self.may(turn)
        {
            turn.event(event.at(turn.now.unix));
        }
        if let Some(verdict) = line.check
            && self.may(turn)
            && let Some(check) = self.check(&verdict.check)
        {
            let mut result = result(check, verdict.status, verdict.text, turn.now.unix);
            // How often it says so is the program's own matter.
            result.next = Next::Whenever;
            turn.report(ReportItem::Result(result));
        }
    }

    /// Its checks stand under its own name, so that no program can speak for another's check.
    fn check(&mut self, check: &CheckName) -> Option<CheckName> {
        let name = CheckName::new(&format!("{}.{check}", self.name)).ok()?;
        if !self.checks.contains(&name) {
            if self.checks.len() >= MAX_CHECKS {
                tracing::warn!(job = self.name, %check, "a check is left out: there are too many");
                return None;
            }
            self.checks.insert(name.clone());
        }
        Some(name)
    }

    fn may(&mut self, turn: &Turn<'_>) -> bool {
        if self.bucket.take(RATE, turn.now.mono) {
            return true;
        }
        self.refused += 1;
        if self.refused.is_power_of_two() {
            tracing::warn!(job = self.name, refused = self.refused, "more events than are taken");
        }
        false
    }

    pub(super) fn deadline(&self) -> Option<Mono> {
        self.until
    }

    /// Hands over what was gathered.
    pub(super) fn hand_over(&mut self, turn: &Turn<'_>) {
        self.source.tell(&self.gathered, turn);
        self.gathered.clear();
        self.names.clear();
        self.until = None;
    }
}

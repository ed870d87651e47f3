//! Plugins of Nagios: a check each, or several with one status over all (`nagios_runner` of seed 001).
//!
//! The exit code is the check's status, the output its text, the performance data are series
//! `nagios_runner.<name>.<label>`, and the plugin's own limits travel with the result, so that charts can
//! show them. `nagios_runner.<name>.exit_code` can have thresholds as any other series.

use std::sync::Arc;
use std::time::Duration;

use hark_calendar::ACTIVE;
use hark_config::{Bare, Key, Kind, Section, Spanned, Value};
use hark_model::check::SeriesLimits;
use hark_model::time::millis;
use hark_model::{CheckName, CheckResult, Status, Unix};
use hark_plugin::nagios::{self, Said};
use hark_plugin::{Finished, Invocation, Measured, Output, Permit, Program, StartError};
use hark_proto::ReportItem;

use super::debounce::Debounce;
use super::series::Source;
use super::settings::{COMMAND, Pace, Reader, TIMEOUT, TIMEOUT_KEY};
use super::{Job, Timing, Turn};

/// The collector in the names of series.
const COLLECTOR: &str = "nagios_runner";

/// Between two runs if nothing else is said, as the seed's collectors have it.
const EVERY: Duration = Duration::from_mins(5);

/// Bound on attempts.
const MAX_ATTEMPTS: u64 = 100;

/// What a plugin's settings are.
pub(super) const KEYS: &[Key] = &[
    COMMAND,
    Key::new("every", Kind::Duration, "Time between two runs.").default("5m"),
    TIMEOUT_KEY,
    Key::new("attempts", Kind::Integer, "A bad result is told after so many in a row.")
        .default("1"),
    Key::new("retry", Kind::Duration, "Time to the next run while bad results are held back.")
        .default("1m, or `every` if that is shorter"),
    Key::new("memory", Kind::Size, "Bound on its address space.").default("none"),
    ACTIVE,
];

/// What the settings of several plugins are.
pub(super) const RUNNER_KEYS: &[Key] = &[
    Key::new(
        "commands",
        Kind::OneOrMany(&Kind::Either(&[Kind::Text, Kind::Section(RUNNER_COMMAND_KEYS)])),
        "Command lines, each named by its program, or `{name: …, command: …}`.",
    ),
    Key::new("interval", Kind::Duration, "Time between two runs.").default("5m"),
    TIMEOUT_KEY,
    ACTIVE,
];

const RUNNER_COMMAND_KEYS: &[Key] =
    &[Key::new("name", Kind::Text, "Its name.").default("the program's"), COMMAND];

/// Reads both sections.
pub(super) fn read(reader: &mut Reader<'_, '_>) {
    let plugins = reader.section.child("plugins");
    for (name, value) in plugins.iter().flat_map(Section::entries) {
        let Some(check) = reader.check(name.value, name.span) else { continue };
        let Some(plugin) = read_one(check, &value) else { continue };
        if let Some(permit) = reader.permit("plugins", name.value) {
            reader.add(Plugin { permit, ..plugin });
        }
    }
    if let Some(section) = reader.section.child("nagios_runner") {
        read_runner(reader, &section);
    }
}

fn read_one(check: CheckName, value: &Value<'_>) -> Option<Plugin> {
    if !value.is_map() {
        let program = Program::read(value)?;
        return Some(Plugin::new(check, program, Pace::of(EVERY)));
    }
    let section = value.section()?;
    let program = section.required("command").and_then(|value| Program::read(&value));
    let pace = Pace::read(&section, EVERY);
    let attempts = section.u64("attempts", 1, 1..=MAX_ATTEMPTS);
    let retry = section.opt_duration("retry", Bare::Seconds);
    let memory = section.opt_size("memory");
    section.finish(KEYS);
    let mut plugin = Plugin::new(check, program?, pace);
    plugin.debounce = Debounce::new(u32::try_from(attempts).unwrap_or(1));
    plugin.retry = retry.unwrap_or(Duration::from_mins(1)).min(plugin.pace.every);
    plugin.memory = memory;
    Some(plugin)
}

fn read_runner(reader: &mut Reader<'_, '_>, section: &Section<'_>) {
    let pace = Pace {
        every: super::settings::every(section, "interval", EVERY),
        timeout: section.duration("timeout", Bare::Seconds, TIMEOUT),
        active: super::settings::active(section),
    };
    let commands: Vec<(Spanned<String>, Program)> =
        section.one_or_many("commands").iter().filter_map(runner_command).collect();
    section.finish(RUNNER_KEYS);
    let mut members = Vec::new();
    for (name, program) in commands {
        let Some(check) = reader.check(&name.value, name.span) else { continue };
        let source = Source::new(COLLECTOR, check.as_str());
        let permit = reader.permit_in("nagios_runner", "commands", check.as_str());
        let Some(permit) = permit else { continue };
        let program = Arc::new(program);
        members.push(Member { name: check, permit, program, source, said: None });
    }
    if members.is_empty() {
        return;
    }
    if let Some(check) = reader.check(COLLECTOR, section.span()) {
        reader.add(NagiosRunner { check, pace, members, at: 0, worst: None });
    }
}

/// Reads a text, or `{name, command}` (seed 001 has both).
fn runner_command(value: &Value<'_>) -> Option<(Spanned<String>, Program)> {
    if !value.is_map() {
        let program = Program::read(value)?;
        return Some((value.spanned(program.short_name().to_owned()), program));
    }
    let section = value.section()?;
    let program = section.required("command").and_then(|value| Program::read(&value));
    let name = section.opt_str("name").map(str::to_owned);
    section.finish(RUNNER_COMMAND_KEYS);
    let program = program?;
    let name = name.unwrap_or_else(|| program.short_name().to_owned());
    Some((Spanned { value: name, span: section.span() }, program))
}

/// One plugin that is a check.
#[derive(Clone, Debug)]
struct Plugin {
    check: CheckName,
    permit: Permit,
    program: Arc<Program>,
    pace: Pace,
    retry: Duration,
    debounce: Debounce,
    memory: Option<u64>,
    source: Source,
}

impl Plugin {
    fn new(check: CheckName, program: Program, pace: Pace) -> Self {
        Self {
            source: Source::new(COLLECTOR, check.as_str()),
            permit: Permit::host_file(check.as_str()),
            check,
            program: Arc::new(program),
            retry: pace.every,
            pace,
            debounce: Debounce::new(1),
            memory: None,
        }
    }

    fn judge(&mut self, result: CheckResult, turn: &mut Turn<'_>) {
        if self.debounce.take(result.status) {
            turn.report(ReportItem::Result(result));
        } else if self.debounce.is_held_back() {
            turn.come_back(turn.now.mono + self.retry);
        }
    }
}

impl Job for Plugin {
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
        let permit = self.permit.clone();
        turn.run(invocation(&self.program, permit, &self.pace, self.memory));
    }

    fn refused(&mut self, error: &StartError, turn: &mut Turn<'_>) {
        let result = refused(&self.check, error, turn.now.unix);
        self.judge(result, turn);
    }

    fn ended(&mut self, finished: &Finished, turn: &mut Turn<'_>) {
        let said = nagios::read(finished);
        let result = result(&self.check, finished, &said);
        tell(&mut self.source, finished, said, turn);
        self.judge(result, turn);
    }
}

/// Several plugins, run one after another, and one status over all.
#[derive(Clone, Debug)]
struct NagiosRunner {
    check: CheckName,
    pace: Pace,
    members: Vec<Member>,
    /// Which one runs.
    at: usize,
    /// The worst of this round, and whose it is.
    worst: Option<(Status, Unix)>,
}

#[derive(Clone, Debug)]
struct Member {
    name: CheckName,
    permit: Permit,
    program: Arc<Program>,
    source: Source,
    said: Option<Status>,
}

impl NagiosRunner {
    fn run_next(&mut self, turn: &mut Turn<'_>) {
        let Some(member) = self.members.get(self.at) else {
            self.sum_up(turn);
            return;
        };
        let permit = member.permit.clone();
        turn.run(invocation(&member.program, permit, &self.pace, None));
    }

    fn take(&mut self, result: CheckResult, turn: &mut Turn<'_>) {
        if let Some(member) = self.members.get_mut(self.at) {
            member.said = Some(result.status);
        }
        let began = self.worst.map_or(result.began_at, |(_, began)| began);
        let status = self.worst.map_or(result.status, |(worst, _)| worse(worst, result.status));
        self.worst = Some((status, began));
        turn.report(ReportItem::Result(result));
        self.at += 1;
        self.run_next(turn);
    }

    fn sum_up(&mut self, turn: &mut Turn<'_>) {
        let Some((status, began_at)) = self.worst.take() else { return };
        let bad: Vec<String> = self
            .members
            .iter()
            .filter_map(|member| Some((&member.name, member.said?)))
            .filter(|(_, status)| *status != Status::Ok)
            .map(|(name, status)| format!("{name} is {status}"))
            .collect();
        let all = self.members.len();
        let text = if bad.is_empty() {
            format!("all {all} plugins are ok")
        } else {
            format!("{} of {all} plugins: {}", bad.len(), bad.join(", "))
        };
        turn.report(ReportItem::Result(CheckResult {
            check: self.check.clone(),
            status,
            text,
            began_at,
            took_ms: u32::try_from(millis(turn.now.unix.since(began_at))).unwrap_or(u32::MAX),
            values: Vec::new(),
            limits: Vec::new(),
            next: hark_model::Next::default(),
        }));
    }
}

/// As the seed's rule is taken: critical, unknown, warning, ok. (Elsewhere unknown never hides a warning;
/// here both are shown by checks of their own.)
fn worse(a: Status, b: Status) -> Status {
    let rank = |status| match status {
        Status::Ok => 0,
        Status::Warning => 1,
        Status::Unknown => 2,
        Status::Critical => 3,
    };
    if rank(b) > rank(a) { b } else { a }
}

impl Job for NagiosRunner {
    fn name(&self) -> &str {
        self.check.as_str()
    }

    fn programs(&self) -> Vec<&Program> {
        self.members.iter().map(|member| &*member.program).collect()
    }

    fn timing(&self) -> Timing {
        self.pace.timing()
    }

    fn begin(&mut self, turn: &mut Turn<'_>) {
        (self.at, self.worst) = (0, None);
        self.run_next(turn);
    }

    fn refused(&mut self, error: &StartError, turn: &mut Turn<'_>) {
        let Some(member) = self.members.get(self.at) else { return };
        let result = refused(&member.name, error, turn.now.unix);
        self.take(result, turn);
    }

    fn ended(&mut self, finished: &Finished, turn: &mut Turn<'_>) {
        let Some(member) = self.members.get_mut(self.at) else { return };
        let said = nagios::read(finished);
        let result = result(&member.name, finished, &said);
        tell(&mut member.source, finished, said, turn);
        self.take(result, turn);
    }
}

fn invocation(
    program: &Arc<Program>,
    permit: Permit,
    pace: &Pace,
    memory: Option<u64>,
) -> Invocation {
    Invocation {
        program: Arc::clone(program),
        permit,
        limit: Some(pace.timeout),
        output: Output::Whole,
        memory,
    }
}

/// The result of a plugin that could not be run.
fn refused(check: &CheckName, error: &StartError, at: Unix) -> CheckResult {
    CheckResult {
        check: check.clone(),
        status: Status::Unknown,
        text: format!("not run: {error}"),
        began_at: at,
        took_ms: 0,
        values: Vec::new(),
        limits: Vec::new(),
        next: hark_model::Next::default(),
    }
}

fn result(check: &CheckName, finished: &Finished, said: &Said) -> CheckResult {
    let limits: Vec<SeriesLimits> = said
        .values
        .iter()
        .filter_map(|value| value.series_limits(COLLECTOR, check.as_str()))
        .collect();
    CheckResult {
        check: check.clone(),
        status: said.status,
        text: said.text.clone(),
        began_at: finished.began_at,
        took_ms: u32::try_from(millis(finished.took)).unwrap_or(u32::MAX),
        // The values are samples of series.
        values: Vec::new(),
        limits,
        next: hark_model::Next::default(),
    }
}

/// Hands over what a plugin measured, and its exit code.
fn tell(source: &mut Source, finished: &Finished, said: Said, turn: &Turn<'_>) {
    let code = Measured::number("exit_code", f64::from(nagios::exit_code(&finished.exit)));
    let mut values = vec![code];
    values.extend(said.values);
    source.tell(&values, turn);
}

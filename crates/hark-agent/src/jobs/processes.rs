//! Processes that must run: counted by name, command line, user, control group or pid file (`process` and
//! `alert_running` of seed 436).
//!
//! Each is a check: ok while as many run as should. Its series are `process_monitor.<name>.count`,
//! `.cpu_percent` (of one processor), `.memory_mb` and `.threads` of all that are counted together.
//!
//! Processes are read from `/proc` and not from the output of a command: that neither counts itself nor the
//! line of headings, and costs no process.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use hark_calendar::ACTIVE;
use hark_config::{Key, Kind, Section, Value};
use hark_model::{CheckName, CheckResult, Mono, Severity, Status, Unit};
use hark_plugin::Measured;
use hark_proto::ReportItem;
use regex::Regex;

use super::debounce::Debounce;
use super::series::Source;
use super::settings::{Reader, active, every, pattern};
use super::told::{self, EVENTS, Events, Tell, Told};
use super::{Job, Timing, Turn};
use crate::process_table::{Look, Process, Processes, number_of_user};
use crate::source::Root;

/// The collector in the names of series: the one of all processes.
const COLLECTOR: &str = "process_monitor";

/// Between two looks if nothing else is said: the seed's.
const EVERY: Duration = Duration::from_secs(20);

/// A table this old is still used: several checks at the same moment are one look.
const MAX_AGE: Duration = Duration::from_millis(500);

/// Ticks of processor time in a second, on every Linux that there is.
const TICKS: f64 = 100.0;

/// Bound on counts in the settings.
const MAX_COUNT: u64 = 1_000_000;

/// What the settings are.
pub(super) const KEYS: &[Key] = &[
    Key::new(
        "name",
        Kind::Text,
        "The program's short name, at most 15 bytes, as `ps -e` shows it.",
    ),
    Key::new("pattern", Kind::Text, "Pattern that is found in the command line."),
    Key::new("user", Kind::Text, "The user it runs as, by name or number."),
    Key::new("cgroup", Kind::Text, "Text in its control group, such as `nginx.service`."),
    Key::new("pid_file", Kind::Text, "A file with the number of the process."),
    Key::new("min", Kind::Integer, "So many must run.").default("1"),
    Key::new("max", Kind::Integer, "No more may run.").default("any number"),
    Key::new("every", Kind::Duration, "Time between two looks.").default("20s"),
    Key::new("attempts", Kind::Integer, "A wrong number is told after so many in a row.")
        .default("2"),
    Key::new("message", Kind::Text, "What is told; the number follows in brackets."),
    Key::new("severity", Kind::OneOf(&["warning", "critical"]), "How bad.").default("critical"),
    Key::new("tags", Kind::OneOrMany(&Kind::Text), "Words of the event."),
    EVENTS,
    ACTIVE,
];

/// Reads the section.
pub(super) fn read(reader: &mut Reader<'_, '_>) {
    let processes = reader.section.child("processes");
    for (name, value) in processes.iter().flat_map(Section::entries) {
        let Some(check) = reader.check(name.value, name.span) else { continue };
        if let Some(watch) = read_one(check, &value) {
            reader.add(watch);
        }
    }
}

fn read_one(check: CheckName, value: &Value<'_>) -> Option<Watch> {
    let section = value.section()?;
    let chosen = Chosen {
        name: section.opt_str("name").map(str::to_owned),
        pattern: section.value("pattern").and_then(|value| pattern(&value)),
        user: section.opt_str("user").map(str::to_owned),
        cgroup: section.opt_str("cgroup").map(str::to_owned),
        pid_file: section.opt_str("pid_file").map(PathBuf::from),
    };
    let asked = ["name", "pattern", "user", "cgroup", "pid_file"];
    if !asked.into_iter().any(|key| section.has(key)) {
        value.error(
            "which processes? one of `name`, `pattern`, `user`, `cgroup`, `pid_file` is needed",
        );
    }
    if chosen.name.as_ref().is_some_and(|name| name.len() > 15) {
        section
            .error("name", "the kernel cuts names after 15 bytes, so this one is never found")
            .hint("use `pattern`, which looks at the command line");
    }
    let min = section.u64("min", 1, 0..=MAX_COUNT);
    let max = section.u64("max", MAX_COUNT, 0..=MAX_COUNT);
    if max < min {
        section.error("max", format!("at most {max} and at least {min} cannot both be"));
    }
    let attempts = section.u64("attempts", 2, 1..=100);
    let severity = section
        .word("severity", &[("warning", Severity::Warning), ("critical", Severity::Critical)]);
    let watch = Watch {
        source: Source::new(COLLECTOR, check.as_str()),
        timing: Timing { every: Some(every(&section, "every", EVERY)), active: active(&section) },
        message: section.opt_str("message").map(str::to_owned),
        chosen,
        uid: None,
        allowed: (min, max),
        attempts: Debounce::new(u32::try_from(attempts).unwrap_or(1)),
        events: told::read(&section),
        severity: severity.unwrap_or(Severity::Critical),
        tags: told::tags(&section),
        told: Told::default(),
        root: Root::system(),
        table: None,
        before: HashMap::new(),
        looked: None,
        check,
    };
    section.finish(KEYS);
    Some(watch)
}

/// Which processes: all that is given must fit.
#[derive(Clone, Debug)]
struct Chosen {
    name: Option<String>,
    pattern: Option<Regex>,
    user: Option<String>,
    cgroup: Option<String>,
    pid_file: Option<PathBuf>,
}

/// A check of processes.
#[derive(Clone, Debug)]
struct Watch {
    check: CheckName,
    chosen: Chosen,
    timing: Timing,
    /// The number of the user, once it is known.
    uid: Option<u32>,
    allowed: (u64, u64),
    attempts: Debounce,
    message: Option<String>,
    severity: Severity,
    tags: Vec<String>,
    events: Events,
    told: Told,
    source: Source,
    root: Root,
    table: Option<Processes>,
    /// Ticks of each at the look before; a process is its number and its start.
    before: HashMap<(u32, u64), u64>,
    looked: Option<Mono>,
}

/// What those that are counted come to.
#[derive(Debug, Default)]
struct Group {
    count: u64,
    threads: u64,
    memory: u64,
    /// Ticks since the look before, of those that were there then.
    ticks: u64,
    now: HashMap<(u32, u64), u64>,
}

impl Chosen {
    fn fits(&self, process: &Process, look: &mut Look<'_>, wanted: &Wanted) -> bool {
        // A process that has ended and was not waited for does not run.
        if matches!(process.state, b'Z' | b'X') {
            return false;
        }
        // The cheap ones first: command line and group are files of their own.
        self.name.as_ref().is_none_or(|name| process.comm() == name)
            && wanted.pid.fits(process.pid)
            && wanted.uid.fits(process.uid)
            && self.pattern.as_ref().is_none_or(|pattern| {
                !process.is_kernel() && pattern.is_match(look.details.command_line(process))
            })
            && self.cgroup.as_ref().is_none_or(|part| look.details.cgroup(process).contains(part))
    }
}

/// A number that stands in a file of the machine.
#[derive(Clone, Copy, Debug)]
enum Number {
    /// None is asked for.
    Any,
    /// This one.
    This(u32),
    /// One is asked for, and the file has none.
    Unknown,
}

impl Number {
    fn found(number: Option<u32>) -> Self {
        number.map_or(Self::Unknown, Self::This)
    }

    fn fits(self, number: u32) -> bool {
        match self {
            Self::Any => true,
            Self::This(wanted) => wanted == number,
            Self::Unknown => false,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Wanted {
    pid: Number,
    uid: Number,
}

impl Watch {
    fn wanted(&mut self) -> Wanted {
        let pid = self.chosen.pid_file.as_ref().map(|file| {
            let path = file.to_string_lossy();
            let text = self.root.text(path.trim_start_matches('/'))?;
            text.split_ascii_whitespace().next()?.parse().ok()
        });
        let uid = self.chosen.user.clone().map(|user| {
            // Found once: a number goes to another name more seldom than this restarts.
            self.uid = self.uid.or_else(|| user_number(&self.root, &user));
            self.uid
        });
        Wanted {
            pid: pid.map_or(Number::Any, Number::found),
            uid: uid.map_or(Number::Any, Number::found),
        }
    }

    fn group(&mut self, at: Mono) -> Option<Group> {
        let wanted = self.wanted();
        let processes = self.table.clone()?;
        let mut table = processes.lock();
        let mut look = match table.look(at, MAX_AGE) {
            Ok(look) => look,
            Err(absent) => {
                tracing::debug!(%absent, "no processes");
                return None;
            }
        };
        let mut group = Group::default();
        for process in look.processes {
            if !self.chosen.fits(process, &mut look, &wanted) {
                continue;
            }
            group.count += 1;
            group.threads += u64::from(process.threads);
            group.memory += process.rss_bytes();
            let key = (process.pid, process.started);
            let before = self.before.get(&key).copied().unwrap_or(process.ticks);
            group.ticks += process.ticks.saturating_sub(before);
            group.now.insert(key, process.ticks);
        }
        Some(group)
    }

    fn values(&mut self, group: &mut Group, at: Mono) -> Vec<Measured> {
        let mut memory = Measured::number("memory_mb", float(group.memory) / f64::from(1 << 20));
        memory.unit = Unit::Mebibytes;
        let mut cpu = Measured::number("cpu_percent", f64::NAN);
        cpu.unit = Unit::Percent;
        let seconds = self.looked.replace(at).map_or(0.0, |then| at.since(then).as_secs_f64());
        if seconds > 0.0 {
            cpu.value = float(group.ticks) / TICKS / seconds * 100.0;
        }
        self.before = std::mem::take(&mut group.now);
        let number = |name, value| Measured::number(name, float(value));
        vec![number("count", group.count), cpu, memory, number("threads", group.threads)]
    }

    fn judge(&mut self, count: u64, turn: &Turn<'_>) {
        let (min, max) = self.allowed;
        let bad = count < min || count > max;
        let status = if bad { told::status(self.severity) } else { Status::Ok };
        if !self.attempts.take(status) {
            return;
        }
        if bad && self.events == Events::Each {
            // As the seed: after it was told it must be found as often again.
            self.attempts.begin_again();
        }
        let text = match (&self.message, bad) {
            (Some(message), true) => format!("{message} [{count}]"),
            (None, true) => format!("{} [{count}]", expected(count, min, max)),
            (_, false) => format!("{count} running"),
        };
        match self.told.take(bad, self.events) {
            Tell::Nothing => {}
            Tell::Trouble => {
                let at = turn.now.unix;
                turn.event(told::event("process", self.severity, text.clone(), &self.tags, at));
            }
            Tell::Over => {
                let text = format!("all clear: {} [{count}]", self.check);
                let at = turn.now.unix;
                turn.event(told::event("process", Severity::Info, text, &self.tags, at));
            }
        }
        turn.report(ReportItem::Result(CheckResult {
            check: self.check.clone(),
            status,
            text,
            began_at: turn.now.unix,
            took_ms: 0,
            values: Vec::new(),
            limits: Vec::new(),
            next: hark_model::Next::default(),
        }));
    }
}

fn expected(count: u64, min: u64, max: u64) -> String {
    match (count < min, min == max) {
        (_, true) => format!("{count} running instead of {min}"),
        (true, false) if count == 0 => "not running".to_owned(),
        (true, false) => format!("{count} running, at least {min} must be"),
        (false, false) => format!("{count} running, at most {max} may be"),
    }
}

/// Returns the number of a user, as the file of users has it.
fn user_number(root: &Root, user: &str) -> Option<u32> {
    if let Ok(number) = user.parse() {
        return Some(number);
    }
    if cfg!(windows) {
        return Some(number_of_user(user));
    }
    let text = root.text("etc/passwd")?;
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let is_it = fields.next()? == user;
        is_it.then(|| fields.nth(1)?.parse().ok()).flatten()
    })
}

#[expect(clippy::cast_precision_loss, reason = "2^53 bytes or ticks are more than there are")]
fn float(number: u64) -> f64 {
    number as f64
}

impl Job for Watch {
    fn name(&self) -> &str {
        self.check.as_str()
    }

    /// One look at the process table serves all.
    fn phase(&self) -> &'static str {
        "processes"
    }

    fn timing(&self) -> Timing {
        self.timing.clone()
    }

    fn only_looks(&self) -> bool {
        true
    }

    fn settle(&mut self, root: &Root) {
        self.root = root.clone();
        self.table = Some(root.processes());
    }

    fn begin(&mut self, turn: &mut Turn<'_>) {
        let at = turn.now.mono;
        let Some(mut group) = self.group(at) else { return };
        let values = self.values(&mut group, at);
        self.source.tell(&values, turn);
        self.judge(group.count, turn);
    }
}

//! The sections of jobs in the agent's configuration.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use hark_calendar::ActiveWindow;
use hark_config::{Bare, Key, Kind, Section, Span, Value};
use hark_model::CheckName;
use hark_plugin::{Permit, Program};
use regex::{Regex, RegexBuilder};
use serde_json::Value as Json;

use super::rights::Rights;
use super::{Job, Timing, commands, custom, exporters, listening, plugins, processes};
use crate::source::Root;

/// The jobs of an agent, as configured.
#[derive(Clone, Debug, Default)]
pub struct JobsConfig {
    planned: Vec<Planned>,
    refused: Vec<String>,
}

/// A job, and what tells whether it has changed.
#[derive(Clone, Debug)]
struct Planned {
    prototype: Arc<dyn Prototype>,
    identity: Arc<str>,
}

/// A job that was made.
#[derive(Debug)]
pub(crate) struct Made {
    /// The job.
    pub(super) job: Box<dyn Job>,
    /// Its settings in words: a job with the same is the same.
    pub(super) identity: Arc<str>,
}

/// A job before it works: copied when an agent begins.
trait Prototype: Send + Sync + Debug {
    fn make(&self, root: &Root) -> Box<dyn Job>;

    /// Returns the job's name.
    fn called(&self) -> &str;

    /// Returns the programs that it runs.
    fn programs(&self) -> Vec<&Program>;

    /// Returns true if it needs no thread.
    fn needs_no_thread(&self) -> bool;
}

impl<J: Job + Clone + Sync + 'static> Prototype for J {
    fn make(&self, root: &Root) -> Box<dyn Job> {
        let mut job = self.clone();
        job.settle(root);
        Box::new(job)
    }

    fn called(&self) -> &str {
        self.name()
    }

    fn programs(&self) -> Vec<&Program> {
        Job::programs(self)
    }

    fn needs_no_thread(&self) -> bool {
        self.only_looks()
    }
}

/// The key of plugins.
pub const PLUGINS: Key = Key::new(
    "plugins",
    Kind::Named(&Kind::Either(&[Kind::Text, Kind::Section(plugins::KEYS)])),
    "Plugins of Nagios, each a check: a command, or settings.",
);

/// The key of several plugins with one status.
pub const NAGIOS_RUNNER: Key = Key::new(
    "nagios_runner",
    Kind::Section(plugins::RUNNER_KEYS),
    "Plugins of Nagios with one status over all.",
);

/// The key of processes.
pub const PROCESSES: Key = Key::new(
    "processes",
    Kind::Named(&Kind::Section(processes::KEYS)),
    "Processes that must run, each a check.",
);

/// The key of commands.
pub const COMMANDS: Key = Key::new(
    "commands",
    Kind::Named(&Kind::Section(commands::KEYS)),
    "Commands whose output is looked through, each a check.",
);

/// The key of programs that print JSON lines.
pub const CUSTOM: Key = Key::new(
    "custom",
    Kind::Named(&Kind::Section(custom::KEYS)),
    "Programs that print metrics, facts, events and results as JSON lines.",
);

/// The key of exporters.
pub const EXPORTERS: Key = Key::new(
    "exporters",
    Kind::Named(&Kind::Either(&[Kind::Text, Kind::Section(exporters::KEYS)])),
    "Pages of metrics on this host, as Prometheus reads them: a URL, or settings.",
);

/// The key of `StatsD`.
pub const STATSD: Key = Key::new(
    "statsd",
    Kind::Section(listening::STATSD_KEYS),
    "Takes counters, gauges, timers and sets of local programs.",
);

/// The key of the socket for JSON lines.
pub const LINES: Key = Key::new(
    "lines",
    Kind::Section(listening::LINES_KEYS),
    "Takes JSON lines of local programs, as `custom` programs print them.",
);

impl JobsConfig {
    /// Returns the programs that are run, each with the name of what runs it.
    pub(crate) fn programs(&self) -> impl Iterator<Item = (&str, &Program)> {
        self.planned.iter().flat_map(|planned| {
            let programs = planned.prototype.programs().into_iter();
            programs.map(|program| (planned.prototype.called(), program))
        })
    }

    /// Reads the sections of the host's own file; diagnostics are in `section`.
    pub(crate) fn read(section: &Section<'_>) -> Self {
        Self::read_with(section, Rights::HostFile)
    }

    /// Reads the sections; diagnostics are in `section`. What may not be run is left out, and named
    /// in [`JobsConfig::refused`].
    pub(crate) fn read_with(section: &Section<'_>, rights: Rights<'_>) -> Self {
        let (checks, refused) = (BTreeMap::new(), Vec::new());
        let mut reader = Reader { section, rights, prototypes: Vec::new(), checks, refused };
        let all = section.to_json();
        let mut planned = Vec::new();
        for (keys, read) in KINDS {
            read(&mut reader);
            for prototype in reader.prototypes.drain(..) {
                let identity = identity(&all, keys, prototype.called()).into();
                planned.push(Planned { prototype, identity });
            }
        }
        Self { planned, refused: reader.refused }
    }

    /// Returns true if there is nothing to do.
    pub(crate) fn is_empty(&self) -> bool {
        self.planned.is_empty()
    }

    /// Returns those that need a thread, and those that are done along with heartbeats.
    pub(crate) fn parted(&self) -> (Self, Self) {
        let part = |looks: bool| {
            let planned = self.planned.iter().filter(|p| p.prototype.needs_no_thread() == looks);
            Self { planned: planned.cloned().collect(), refused: Vec::new() }
        };
        (part(false), part(true))
    }

    /// Returns the names of what the host's file does not allow, each with its section.
    pub(crate) fn refused(&self) -> &[String] {
        &self.refused
    }

    /// Returns true if its jobs are not the same.
    pub(crate) fn is_other_than(&self, other: &Self) -> bool {
        self.identities() != other.identities()
    }

    /// Returns the settings of each job in words, in order.
    pub(crate) fn identities(&self) -> Vec<Arc<str>> {
        self.planned.iter().map(|planned| Arc::clone(&planned.identity)).collect()
    }

    /// Makes the job at `place`.
    pub(super) fn make_one(&self, place: usize, root: &Root) -> Option<Made> {
        let Planned { prototype, identity } = self.planned.get(place)?;
        Some(Made { job: prototype.make(root), identity: Arc::clone(identity) })
    }

    /// Makes the jobs.
    pub(crate) fn make(&self, root: &Root) -> Vec<Made> {
        (0..self.planned.len()).filter_map(|place| self.make_one(place, root)).collect()
    }
}

/// What reads a section.
type Read = fn(&mut Reader<'_, '_>);

/// The sections, and what reads them.
const KINDS: &[(&[&str], Read)] = &[
    (&["processes"], processes::read),
    (&["commands"], commands::read),
    (&["plugins", "nagios_runner"], plugins::read),
    (&["custom"], custom::read),
    (&["exporters"], exporters::read),
    (&["statsd", "lines"], listening::read),
];

/// Returns the settings of a job in words: those of its name if it has some, else all of its
/// sections.
fn identity(all: &Json, keys: &[&str], name: &str) -> String {
    let sections = || keys.iter().filter_map(|key| Some((*key, all.get(key)?)));
    let own = sections().find_map(|(key, section)| Some((key, section.get(name)?)));
    if let Some((key, settings)) = own {
        return format!("{key} {name} {settings}");
    }
    let all: Vec<String> = sections().map(|(key, all)| format!("{key} {all}")).collect();
    format!("{} {name}", all.join(" "))
}

/// Collects what the sections say.
pub(super) struct Reader<'r, 'd> {
    pub(super) section: &'r Section<'d>,
    rights: Rights<'r>,
    prototypes: Vec<Arc<dyn Prototype>>,
    checks: BTreeMap<String, Span>,
    refused: Vec<String>,
}

impl Reader<'_, '_> {
    /// Adds a job.
    pub(super) fn add(&mut self, job: impl Job + Clone + Sync + 'static) {
        self.prototypes.push(Arc::new(job));
    }

    /// Returns the right to run the command of `name` in `section`; without it that is noted.
    pub(super) fn permit(&mut self, section: &str, name: &str) -> Option<Permit> {
        let permit = self.rights.of_entry(section, name);
        self.noted(permit, section, name)
    }

    /// As [`Reader::permit`], for one of a list.
    pub(super) fn permit_in(&mut self, section: &str, list: &str, name: &str) -> Option<Permit> {
        let permit = self.rights.of_list(section, list, name);
        self.noted(permit, section, name)
    }

    fn noted(&mut self, permit: Option<Permit>, section: &str, name: &str) -> Option<Permit> {
        if permit.is_none() {
            tracing::warn!(
                section,
                name,
                "the server names a program that this host does not allow"
            );
            self.refused.push(name.to_owned());
        }
        permit
    }

    /// Returns the check that is called `name`, if a check may be and none is yet.
    pub(super) fn check(&mut self, name: &str, span: Span) -> Option<CheckName> {
        let diagnostics = self.section.diagnostics();
        let check = match CheckName::new(name) {
            Ok(check) => check,
            Err(error) => {
                diagnostics.error(span, error.to_string());
                return None;
            }
        };
        if let Some(first) = self.checks.get(name) {
            let report = diagnostics.error(span, format!("there is a check `{name}` already"));
            drop(report.also(*first, "first one here"));
            return None;
        }
        self.checks.insert(name.to_owned(), span);
        Some(check)
    }
}

/// The shortest time between two runs: a program takes a thousand times as much as a sample.
const SHORTEST: Duration = Duration::from_secs(1);

/// The longest.
const LONGEST: Duration = Duration::from_hours(7 * 24);

/// The longest time limit: what takes longer is no check.
const LONGEST_LIMIT: Duration = Duration::from_hours(1);

/// How often a program is run, and how long it may take.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    pub(super) every: Duration,
    pub(super) timeout: Duration,
    pub(super) active: Option<ActiveWindow>,
}

/// A program's time limit if nothing else is said: the one of Nagios is 60 s, of its plugins 10 s.
pub(super) const TIMEOUT: Duration = Duration::from_secs(30);

impl Pace {
    /// Reads `every`, `timeout` and `active`.
    pub(super) fn read(section: &Section<'_>, default: Duration) -> Self {
        let every = every(section, "every", default);
        let timeout = section.duration("timeout", Bare::Seconds, TIMEOUT);
        if timeout.is_zero() || timeout > LONGEST_LIMIT {
            section.error("timeout", "a time limit is between 1ms and 1h");
        }
        Self { every, timeout, active: active(section) }
    }

    pub(super) fn of(every: Duration) -> Self {
        Self { every, timeout: TIMEOUT, active: None }
    }

    pub(super) fn timing(&self) -> Timing {
        Timing { every: Some(self.every), active: self.active.clone() }
    }
}

/// Reads how often something is done.
pub(super) fn every(section: &Section<'_>, key: &'static str, default: Duration) -> Duration {
    let every = section.duration(key, Bare::Seconds, default);
    if (SHORTEST..=LONGEST).contains(&every) {
        return every;
    }
    section.error(key, "this is done between every 1s and every 7d");
    default
}

/// Reads a window.
pub(super) fn active(section: &Section<'_>) -> Option<ActiveWindow> {
    section.value("active").and_then(|value| ActiveWindow::read(&value))
}

/// The key of a time limit.
pub(super) const TIMEOUT_KEY: Key = Key::new(
    "timeout",
    Kind::Duration,
    "After it the program and all that it started is ended, and the status is unknown.",
)
.default("30s");

/// The key of a command.
pub(super) const COMMAND: Key = Key::new(
    "command",
    Kind::Either(&[Kind::Text, Kind::List(&Kind::Text)]),
    "The program and its arguments: a line, or a list. No shell is used.",
);

/// Bound on a compiled pattern: a fleet's agents are small.
const MAX_PATTERN: usize = 256 * 1024;

/// Reads a regular expression. Its time is linear in the text, whatever it is.
pub(super) fn pattern(value: &Value<'_>) -> Option<Regex> {
    value.parse(|text| {
        let built = RegexBuilder::new(text).size_limit(MAX_PATTERN).build();
        // The last line of the message says what is wrong, those before show where.
        built.map_err(|error| {
            let text = error.to_string();
            let reason = text.lines().last().unwrap_or_default();
            format!("this pattern is wrong: {}", reason.trim_start_matches("error: "))
        })
    })
}

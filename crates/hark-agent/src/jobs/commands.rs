//! Commands whose output is looked through: patterns with limits (`run`, `alert_if`, `alert_metric` of
//! seed 436), JSON, or Prometheus text.
//!
//! A command is a check of its name: unknown while it cannot be run or fails, as bad as the worst of its
//! limits otherwise. Its values are series `command.<name>.<metric>`.

use std::sync::Arc;
use std::time::Duration;

use hark_calendar::ACTIVE;
use hark_config::{Key, Kind, Section, Value};
use hark_model::time::millis;
use hark_model::{CheckName, CheckResult, Severity, Status, Unix};
use hark_plugin::exposition::{self, Keep};
use hark_plugin::extract::{Alert, Extract, Hit, Rule, Side, Then};
use hark_plugin::{
    Exit, Finished, Invocation, Measured, Output, Permit, Program, StartError, document, nagios,
};
use hark_proto::ReportItem;
use regex::Regex;

use super::debounce::Debounce;
use super::series::Source;
use super::settings::{COMMAND, Pace, Reader, TIMEOUT_KEY, pattern};
use super::told::{self, EVENTS, Events, Tell, Told};
use super::{Job, Timing, Turn};

const COLLECTOR: &str = "command";

/// Between two runs if nothing else is said: the seed's.
const EVERY: Duration = Duration::from_mins(1);

/// Bound on the line of output that is a check's text.
const MAX_LINE: usize = 300;

/// What a command's settings are.
pub(super) const KEYS: &[Key] = &[
    COMMAND,
    Key::new("every", Kind::Duration, "Time between two runs.").default("1m"),
    TIMEOUT_KEY,
    Key::new("format", Kind::OneOf(&["text", "json", "prometheus"]), "What it prints.")
        .default("text"),
    Key::new("extract", Kind::Text, "Pattern with groups, looked for in each line of the output."),
    Key::new("metrics", Kind::OneOrMany(&Kind::Section(METRIC_KEYS)), "Groups that are values."),
    Key::new("alert_if", Kind::OneOrMany(&Kind::Section(ALERT_KEYS)), "Limits of groups."),
    Key::new("attempts", Kind::Integer, "A bad result is told after so many in a row.")
        .default("1"),
    Key::new(
        "failure",
        Kind::OneOf(&["unknown", "warning", "critical", "ignore"]),
        "The status if it ends with another code than 0.",
    )
    .default("unknown"),
    EVENTS,
    ACTIVE,
];

const METRIC_KEYS: &[Key] = &[
    MATCH,
    VALUE,
    Key::new("name", Kind::Text, "Its name; `$1` stands for what group 1 holds.").default("value"),
    Key::new(
        "tags",
        Kind::OneOrMany(&Kind::Text),
        "If there are some, each value is an event too.",
    ),
];

const ALERT_KEYS: &[Key] = &[
    MATCH,
    VALUE,
    Key::new("above", Kind::Number, "Bad above this."),
    Key::new("below", Kind::Number, "Bad below this."),
    Key::new("message", Kind::Text, "What is told.").required(),
    Key::new("severity", Kind::OneOf(&["warning", "critical"]), "How bad.").default("warning"),
    Key::new("tags", Kind::OneOrMany(&Kind::Text), "Words of the event."),
];

const MATCH: Key = Key::new(
    "match",
    Kind::List(&Kind::Text),
    "`[1, load]`: only hits in which group 1 is `load`.",
)
.default("all hits");

const VALUE: Key = Key::new("value", Kind::Integer, "The group that has the value.").required();

/// Bound on groups of a pattern, and so on their numbers.
const MAX_GROUPS: u64 = 99;

/// Reads the section.
pub(super) fn read(reader: &mut Reader<'_, '_>) {
    let commands = reader.section.child("commands");
    for (name, value) in commands.iter().flat_map(Section::entries) {
        let Some(check) = reader.check(name.value, name.span) else { continue };
        let Some(command) = read_one(check, &value) else { continue };
        if let Some(permit) = reader.permit("commands", name.value) {
            reader.add(Command { permit, ..command });
        }
    }
}

fn read_one(check: CheckName, value: &Value<'_>) -> Option<Command> {
    let section = value.section()?;
    let program = section.required("command").and_then(|value| Program::read(&value));
    let pace = Pace::read(&section, EVERY);
    let format = section.word("format", &[("text", 't'), ("json", 'j'), ("prometheus", 'p')]);
    let reading = match format.unwrap_or('t') {
        'j' => Reading::Json,
        'p' => Reading::Exposition,
        _ => Reading::Pattern(extract(&section)),
    };
    if !matches!(reading, Reading::Pattern(_)) {
        for key in ["extract", "metrics", "alert_if"] {
            if section.has(key) {
                section.error(key, format!("`{key}` is for output that is text"));
            }
        }
    }
    let attempts = section.u64("attempts", 1, 1..=100);
    let failure = [
        ("unknown", Some(Status::Unknown)),
        ("warning", Some(Status::Warning)),
        ("critical", Some(Status::Critical)),
        ("ignore", None),
    ];
    let failure = section.word("failure", &failure).unwrap_or(Some(Status::Unknown));
    let events = told::read(&section);
    section.finish(KEYS);
    let rules = match &reading {
        Reading::Pattern(Some(extract)) => extract.rules.len(),
        Reading::Pattern(None) | Reading::Json | Reading::Exposition => 0,
    };
    Some(Command {
        source: Source::new(COLLECTOR, check.as_str()),
        permit: Permit::host_file(check.as_str()),
        check,
        program: Arc::new(program?),
        pace,
        reading,
        debounce: Debounce::new(u32::try_from(attempts).unwrap_or(1)),
        failure,
        events,
        told: vec![Told::default(); rules],
    })
}

fn extract(section: &Section<'_>) -> Option<Extract> {
    let pattern: Option<Regex> = section.value("extract").and_then(|value| pattern(&value));
    let rules = section.one_or_many("metrics").into_iter().chain(section.one_or_many("alert_if"));
    let rules: Vec<(Value<'_>, Rule)> =
        rules.filter_map(|value| Some((value, rule(&value)?))).collect();
    let Some(pattern) = pattern else {
        if let Some((value, _)) = rules.first().filter(|_| !section.has("extract")) {
            value.error("this looks at groups of `extract`, which is missing");
        }
        return None;
    };
    let extract = Extract { pattern, rules: Vec::new() };
    let groups = extract.groups();
    for (value, rule) in &rules {
        let highest = rule.chosen_by.as_ref().map_or(0, |(group, _)| *group).max(rule.value);
        if highest > groups {
            value.error(format!("the pattern has {groups} groups, and no group {highest}"));
        }
    }
    Some(Extract { rules: rules.into_iter().map(|(_, rule)| rule).collect(), ..extract })
}

fn rule(value: &Value<'_>) -> Option<Rule> {
    let section = value.section()?;
    let is_alert = section.has("above") || section.has("below") || section.has("message");
    let chosen_by = chosen_by(&section);
    let group = section.required("value").and_then(|value| value.u64(0..=MAX_GROUPS));
    let then = if is_alert { alert(&section) } else { Some(metric(&section)) };
    section.finish(if is_alert { ALERT_KEYS } else { METRIC_KEYS });
    Some(Rule { chosen_by, value: usize::try_from(group?).ok()?, then: then? })
}

fn chosen_by(section: &Section<'_>) -> Option<(usize, String)> {
    let items = section.list("match");
    match items.as_slice() {
        [] => None,
        [group, text] => {
            let group = usize::try_from(group.u64(0..=MAX_GROUPS)?).ok()?;
            Some((group, text.str()?.to_owned()))
        }
        [..] => {
            section.error("match", "a match is a group and its text: `[1, load]`");
            None
        }
    }
}

fn metric(section: &Section<'_>) -> Then {
    Then::Metric { name: section.str("name", "value").to_owned(), tags: told::tags(section) }
}

fn alert(section: &Section<'_>) -> Option<Then> {
    let limit = section.exactly_one_of(&["above", "below"]);
    let message = section.required("message").and_then(|value| value.str());
    let (severity, tags) = (told::severity(section), told::tags(section));
    let (side, limit) = limit?;
    Some(Then::Alert(Alert {
        side: if side == "above" { Side::Above } else { Side::Below },
        limit: limit.f64(f64::MIN..=f64::MAX)?,
        severity,
        message: message?.to_owned(),
        tags,
    }))
}

/// What its output is.
#[derive(Clone, Debug)]
enum Reading {
    Pattern(Option<Extract>),
    Json,
    Exposition,
}

/// A command at work.
#[derive(Clone, Debug)]
struct Command {
    check: CheckName,
    permit: Permit,
    program: Arc<Program>,
    pace: Pace,
    reading: Reading,
    debounce: Debounce,
    /// The status if it fails; none if that is passed over.
    failure: Option<Status>,
    events: Events,
    /// For each rule, whether its trouble was told.
    told: Vec<Told>,
    source: Source,
}

/// What the output came to.
#[derive(Debug, Default)]
struct Judged {
    values: Vec<Measured>,
    /// The worst, and what is said of it.
    worst: Option<(Status, String)>,
}

impl Judged {
    fn add(&mut self, status: Status, text: String) {
        match &mut self.worst {
            Some((worst, said)) if status.rank() <= worst.rank() => {
                said.push_str("; ");
                said.push_str(&text);
            }
            worst => {
                let rest = worst.take().map(|(_, said)| format!("; {said}")).unwrap_or_default();
                *worst = Some((status, text + &rest));
            }
        }
    }
}

impl Command {
    fn judge(&mut self, output: &[u8], turn: &Turn<'_>) -> Judged {
        let mut judged = Judged::default();
        match &self.reading {
            Reading::Json => match document::read(output) {
                Ok(values) => judged.values = values,
                Err(error) => judged.add(Status::Unknown, error.to_string()),
            },
            Reading::Exposition => {
                let page = exposition::read(&String::from_utf8_lossy(output), &Keep::default());
                if let Some((line, text)) = page.nonsense {
                    judged.add(Status::Unknown, format!("line {line} is no sample: {text}"));
                }
                judged.values = page.samples;
            }
            Reading::Pattern(None) => {}
            Reading::Pattern(Some(extract)) => {
                // Several lines can be judged by one rule: one that is bad is enough.
                let mut bad = vec![None; extract.rules.len()];
                for hit in extract.apply(output) {
                    take(&hit, &mut judged, &mut bad, self.events, turn);
                }
                for (told, bad) in self.told.iter_mut().zip(bad) {
                    tell(told, bad, self.events, turn);
                }
            }
        }
        judged
    }

    fn result(&self, status: Status, text: String, began_at: Unix, took: Duration) -> CheckResult {
        CheckResult {
            check: self.check.clone(),
            status,
            text,
            began_at,
            took_ms: u32::try_from(millis(took)).unwrap_or(u32::MAX),
            values: Vec::new(),
            limits: Vec::new(),
            next: hark_model::Next::default(),
        }
    }

    fn report(&mut self, result: CheckResult, turn: &Turn<'_>) {
        if self.debounce.take(result.status) {
            turn.report(ReportItem::Result(result));
        }
    }
}

/// Takes in a hit. A rule that was looked at has an entry in `bad`.
fn take<'e>(
    hit: &Hit<'e>,
    judged: &mut Judged,
    bad: &mut [Option<(bool, &'e Alert)>],
    events: Events,
    turn: &Turn<'_>,
) {
    match hit {
        Hit::Metric { name, value, tags, text } => {
            judged.values.push(Measured::number(name, *value));
            if !tags.is_empty() && events != Events::Never {
                turn.event(told::event(
                    "metric",
                    Severity::Info,
                    text.clone(),
                    tags,
                    turn.now.unix,
                ));
            }
        }
        Hit::Judged { rule, alert, value, bad: is_bad } => {
            if *is_bad {
                let text = format!("{} ({})", alert.message, hark_model::sample::show(*value));
                judged.add(told::status(alert.severity), text);
            }
            if let Some(slot) = bad.get_mut(*rule) {
                let before = slot.is_some_and(|(bad, _)| bad);
                *slot = Some((*is_bad || before, *alert));
            }
        }
        Hit::NoNumber { rule, text } => {
            judged.add(Status::Unknown, format!("rule {}: `{text}` is no number", rule + 1));
        }
    }
}

fn tell(told: &mut Told, bad: Option<(bool, &Alert)>, events: Events, turn: &Turn<'_>) {
    // A rule that found no line says nothing, neither good nor bad.
    let Some((bad, alert)) = bad else { return };
    let (severity, text) = match told.take(bad, events) {
        Tell::Nothing => return,
        Tell::Trouble => (alert.severity, alert.message.clone()),
        Tell::Over => (Severity::Info, format!("all clear: {}", alert.message)),
    };
    turn.event(told::event(COLLECTOR, severity, text, &alert.tags, turn.now.unix));
}

impl Job for Command {
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
        turn.run(Invocation {
            program: Arc::clone(&self.program),
            permit: self.permit.clone(),
            limit: Some(self.pace.timeout),
            output: Output::Whole,
            memory: None,
        });
    }

    fn refused(&mut self, error: &StartError, turn: &mut Turn<'_>) {
        let text = format!("not run: {error}");
        let result = self.result(Status::Unknown, text, turn.now.unix, Duration::ZERO);
        self.report(result, turn);
    }

    fn ended(&mut self, finished: &Finished, turn: &mut Turn<'_>) {
        let failed = match finished.exit {
            Exit::Code(0) => None,
            Exit::Code(_) => self.failure,
            Exit::Signal(_) | Exit::TimedOut(_) | Exit::Flooded | Exit::Stopped => {
                Some(Status::Unknown)
            }
        };
        let mut judged = self.judge(&finished.output, turn);
        if let Some(status) = failed {
            judged.add(status, failure_text(finished));
        }
        let values = std::mem::take(&mut judged.values);
        self.source.tell(&values, turn);
        let (status, text) =
            judged.worst.unwrap_or_else(|| (Status::Ok, good_text(finished, &values)));
        let result = self.result(status, text, finished.began_at, finished.took);
        self.report(result, turn);
    }
}

fn failure_text(finished: &Finished) -> String {
    let said = nagios::read(finished);
    let first = said.text.lines().next().unwrap_or_default();
    match finished.exit {
        Exit::Code(code) => {
            let errors = hark_plugin::text::clean(finished.errors.trim_ascii(), MAX_LINE);
            let said = if errors.is_empty() { first } else { &errors };
            format!("ended with code {code}: {said}")
        }
        Exit::Signal(_) | Exit::TimedOut(_) | Exit::Flooded | Exit::Stopped => first.to_owned(),
    }
}

fn good_text(finished: &Finished, values: &[Measured]) -> String {
    let shown: Vec<String> = values
        .iter()
        .take(4)
        .map(|value| format!("{} = {}", value.metric, hark_model::sample::show(value.value)))
        .collect();
    if !shown.is_empty() {
        let more = if values.len() > shown.len() { " …" } else { "" };
        return shown.join(", ") + more;
    }
    let text = hark_plugin::text::clean(finished.output.trim_ascii(), MAX_LINE);
    text.lines().next().map_or_else(|| "no output".to_owned(), str::to_owned)
}

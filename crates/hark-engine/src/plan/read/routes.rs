//! The section `routes`, and what of `receivers` concerns the engine.

use std::ops::RangeInclusive;
use std::time::Duration;

use hark_config::{Bare, Key, Kind, Section, Value};
use hark_model::record::Matcher;
use hark_model::{EventKind, PeriodName, ReceiverName, RouteName, Severity, Tag};

use super::Places;
use super::people::read_hours;
use crate::plan::route::{MAX_DEPTH, MAX_STEPS, StormDraft, StormPlan};
use crate::plan::{Draft, GroupBy, Place, ReceiverPlan, RouteDraft, RouteMatch, StepPlan, Target};

pub(super) const SEVERITY_WORDS: &[&str] = &["info", "unknown", "warning", "critical"];
pub(super) const SEVERITIES: [(&str, Severity); 4] = [
    ("info", Severity::Info),
    ("unknown", Severity::Unknown),
    ("warning", Severity::Warning),
    ("critical", Severity::Critical),
];

const GROUP_WORDS: &[&str] = &["site", "tag", "host", "check", "cause"];

pub(super) const MATCH_KEYS: &[Key] = &[
    Key::new("hosts", Kind::OneOrMany(&Kind::Text), "Host names; `*` and `?` stand for letters."),
    Key::new("checks", Kind::OneOrMany(&Kind::Text), "Check names; `*` and `?` as well."),
    Key::new("tags", Kind::OneOrMany(&Kind::Text), "Tags of which the host must have one."),
    Key::new("severity", Kind::OneOf(SEVERITY_WORDS), "The lowest severity that matches."),
];

/// The keys of a filter on hosts alone.
pub const HOST_MATCH_KEYS: &[Key] = &[MATCH_KEYS[0], MATCH_KEYS[2]];

const ROUTE_MATCH_KEYS: &[Key] = &[
    MATCH_KEYS[0],
    MATCH_KEYS[1],
    MATCH_KEYS[2],
    MATCH_KEYS[3],
    Key::new("times", Kind::OneOrMany(&Kind::Text), "Periods of which one must be open."),
    Key::new(
        "events",
        Kind::OneOrMany(&Kind::Text),
        "Kinds of events (`boot`, `message` ...): the route is for these and nothing else.",
    ),
];

const STEP_KEYS: &[Key] = &[
    Key::new("after", Kind::Duration, "How long nobody has taken it.").unit("seconds").required(),
    Key::new("to", Kind::OneOrMany(&Kind::Text), "Who is told then, as in a route.").required(),
    Key::new(
        "severity",
        Kind::OneOf(SEVERITY_WORDS),
        "Only from this severity on, counted from when it is that bad.",
    ),
    Key::new(
        "unless",
        Kind::OneOf(&["acknowledged"]),
        "What stops the clock, beside what keeps messages back.",
    )
    .default("acknowledged"),
];

const STORM_KEYS: &[Key] = &[
    Key::new(
        "messages",
        Kind::Integer,
        "More messages than this to a receiver are a storm; 0: however many.",
    )
    .default("100"),
    Key::new("within", Kind::Duration, "They come within this time.").default("1m").unit("seconds"),
    Key::new(
        "hosts",
        Kind::Integer,
        "More hosts than this that fall silent or come back are one as well; 0: however many.",
    )
    .default("5"),
    Key::new("hosts_within", Kind::Duration, "They do so within this time.")
        .default("30s")
        .unit("seconds"),
];

/// Limits on what is a storm's time: below it nothing comes together, above it nothing is urgent.
const STORM_WITHIN: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(1);

/// The keys of a route.
pub const ROUTE_KEYS: &[Key] = &[
    Key::new("name", Kind::Text, "Its name.").required(),
    Key::new("match", Kind::Section(ROUTE_MATCH_KEYS), "What it is for; by default everything."),
    Key::new(
        "to",
        Kind::OneOrMany(&Kind::Text),
        "Receivers, `user:NAME`, `team:NAME`, `oncall:NAME`, or `owner`.",
    ),
    Key::new("delay", Kind::Duration, "Time from the confirmed problem to the first message.")
        .default("0s")
        .unit("seconds"),
    Key::new(
        "repeat",
        Kind::OneOrMany(&Kind::Duration),
        "Times between reminders, the last one again and again; by default \
         `threshold_renotify_interval`, 0 is never.",
    )
    .unit("seconds"),
    Key::new(
        "escalate",
        Kind::List(&Kind::Section(STEP_KEYS)),
        "Who is told in addition when nobody takes it.",
    ),
    Key::new(
        "group_by",
        Kind::OneOrMany(&Kind::OneOf(GROUP_WORDS)),
        "What messages that go as one have in common; without, each goes alone.",
    ),
    Key::new(
        "group_wait",
        Kind::Duration,
        "How long the first of a group waits for others; \
         what is critical at most 5s.",
    )
    .default("30s")
    .unit("seconds"),
    Key::new("group_interval", Kind::Duration, "How far apart messages of a group are.")
        .default("5m")
        .unit("seconds"),
    Key::new("storm", Kind::Section(STORM_KEYS), "When messages come summed up."),
    Key::new("continue", Kind::Bool, "Whether later routes are looked at as well.")
        .default("false"),
    Key::new(
        "routes",
        Kind::List(&Kind::Any),
        "Routes below, with the same keys: they take what they do not say from this one.",
    ),
];

pub(super) fn read(root: &Section<'_>, draft: &mut Draft, places: &mut Places) {
    for (key, section) in root.children("receivers") {
        // A name that cannot be is reported by the owner of the section.
        let Ok(name) = ReceiverName::new(key.value) else { continue };
        places.insert(Place::Receiver(name.clone()), key.span);
        let usual = ReceiverPlan::new(name);
        draft.receivers.push(ReceiverPlan {
            severity: section.word("severity", &SEVERITIES).unwrap_or(usual.severity),
            better: section.bool("better", usual.better),
            acknowledged: section.bool("acknowledged", usual.acknowledged),
            hours: read_hours(&section),
            ..usual
        });
    }
    draft.routes = read_list(root, places, 1);
}

fn read_list(section: &Section<'_>, places: &mut Places, depth: usize) -> Vec<RouteDraft> {
    if depth > MAX_DEPTH {
        section.error("routes", format!("routes may lie at most {MAX_DEPTH} deep in each other"));
        return Vec::new();
    }
    let items = section.list("routes");
    items.iter().filter_map(|item| read_route(&item.section()?, places, depth)).collect()
}

fn read_route(section: &Section<'_>, places: &mut Places, depth: usize) -> Option<RouteDraft> {
    section.finish(ROUTE_KEYS);
    section.required("name");
    let name = section.parse("name", RouteName::new)?;
    places.insert(Place::Route(name.clone()), section.value_span("name"));
    let repeat: Vec<Duration> = section
        .one_or_many("repeat")
        .iter()
        .filter_map(|value| value.duration(Bare::Seconds))
        .collect();
    if repeat.iter().rev().skip(1).any(Duration::is_zero) {
        section
            .error("repeat", "0 ends the reminders: nothing can come after it")
            .hint("write it last, or leave it out");
    }
    Some(RouteDraft {
        matches: section
            .child("match")
            .map(|part| read_route_match(&part, places))
            .unwrap_or_default(),
        to: section.has("to").then(|| read_targets(section, &name, places)),
        delay: section.opt_duration("delay", Bare::Seconds),
        repeat: (!repeat.is_empty()).then_some(repeat),
        escalate: section.has("escalate").then(|| read_steps(section, &name, places)),
        group_by: section.has("group_by").then(|| {
            let words = section.one_or_many("group_by");
            words.iter().filter_map(|word| word.word(&GroupBy::WORDS)).collect()
        }),
        group_wait: section.opt_duration("group_wait", Bare::Seconds),
        group_interval: section.opt_duration("group_interval", Bare::Seconds),
        storm: section.child("storm").map(|part| read_storm(&part)).unwrap_or_default(),
        and_on: section.bool("continue", false),
        routes: read_list(section, places, depth + 1),
        name: Some(name),
    })
}

fn read_targets(section: &Section<'_>, route: &RouteName, places: &mut Places) -> Vec<Target> {
    let mut to = Vec::new();
    for target in section.parse_many("to", Target::read) {
        places.insert(Place::RouteTarget(route.clone(), target.value.clone()), target.span);
        to.push(target.value);
    }
    to
}

fn read_storm(part: &Section<'_>) -> StormDraft {
    part.finish(STORM_KEYS);
    let most = u64::try_from(StormPlan::MOST).unwrap_or(u64::MAX);
    let count = |key| part.opt_u64(key, 0..=most).and_then(|count| usize::try_from(count).ok());
    let time = |key| {
        let time = part.opt_duration(key, Bare::Seconds)?;
        if !STORM_WITHIN.contains(&time) {
            part.error(key, "must be from 1s to 1h");
            return None;
        }
        Some(time)
    };
    StormDraft {
        messages: count("messages"),
        within: time("within"),
        hosts: count("hosts"),
        hosts_within: time("hosts_within"),
    }
}

fn read_steps(section: &Section<'_>, route: &RouteName, places: &mut Places) -> Vec<StepPlan> {
    let mut steps: Vec<StepPlan> = Vec::new();
    for item in section.list("escalate") {
        let Some(part) = item.section() else { continue };
        part.finish(STEP_KEYS);
        part.required("after");
        part.required("to");
        part.word("unless", &[("acknowledged", ())]);
        let Some(after) = part.opt_duration("after", Bare::Seconds) else { continue };
        if after.is_zero() {
            part.error("after", "a step comes after some time")
                .hint("who is told at once stands in the route's `to`");
        }
        if steps.last().is_some_and(|last| last.after > after) {
            part.error("after", "steps stand in the order of their times");
        }
        let to = read_targets(&part, route, places);
        steps.push(StepPlan { after, to, severity: part.word("severity", &SEVERITIES) });
    }
    if steps.len() > MAX_STEPS {
        section.error("escalate", format!("a route has at most {MAX_STEPS} steps"));
    }
    steps
}

fn read_route_match(section: &Section<'_>, places: &mut Places) -> RouteMatch {
    let matcher = read_matcher(section);
    let events = texts(&section.one_or_many("events"));
    let times = section.parse_many("times", PeriodName::new);
    for period in &times {
        places.insert(Place::Period(period.value.clone()), period.span);
    }
    section.finish(ROUTE_MATCH_KEYS);
    RouteMatch {
        hosts: matcher.hosts,
        checks: matcher.checks,
        tags: matcher.tags,
        severity: matcher.severity,
        times: times.into_iter().map(|period| period.value).collect(),
        events: events.iter().map(|word| EventKind::from_word(word)).collect(),
        grave_events: false,
    }
}

/// Reads a filter on hosts; what is wrong is reported to the document.
pub fn read_host_match(section: &Section<'_>) -> Matcher {
    let matcher = Matcher {
        hosts: texts(&section.one_or_many("hosts")),
        tags: section.parse_many("tags", Tag::new).into_iter().map(|tag| tag.value).collect(),
        ..Matcher::default()
    };
    section.finish(HOST_MATCH_KEYS);
    matcher
}

pub(super) fn read_matcher(section: &Section<'_>) -> Matcher {
    Matcher {
        hosts: texts(&section.one_or_many("hosts")),
        checks: texts(&section.one_or_many("checks")),
        tags: section.parse_many("tags", Tag::new).into_iter().map(|tag| tag.value).collect(),
        severity: section.word("severity", &SEVERITIES),
    }
}

fn texts(values: &[Value<'_>]) -> Vec<String> {
    values.iter().filter_map(Value::str).map(str::to_owned).collect()
}

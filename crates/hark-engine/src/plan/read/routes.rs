//! The sections `routes`, `silences` and `maintenance`, and what of `receivers` concerns the engine.

use hark_config::{Bare, Key, Kind, Section, Value};
use hark_model::record::Matcher;
use hark_model::{EventKind, ReceiverName, RouteName, Severity, Tag, Unix};

use super::Places;
use crate::overlay::LONGEST_SILENCE;
use crate::plan::{Draft, Place, ReceiverPlan, RouteMatch, RoutePlan, SilencePlan};

const SEVERITY_WORDS: &[&str] = &["info", "unknown", "warning", "critical"];
const SEVERITIES: [(&str, Severity); 4] = [
    ("info", Severity::Info),
    ("unknown", Severity::Unknown),
    ("warning", Severity::Warning),
    ("critical", Severity::Critical),
];

const MATCH_KEYS: &[Key] = &[
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
    Key::new(
        "events",
        Kind::OneOrMany(&Kind::Text),
        "Kinds of events (`boot`, `message` ...): the route is for these and nothing else.",
    ),
];

/// The keys of a route.
pub const ROUTE_KEYS: &[Key] = &[
    Key::new("name", Kind::Text, "Its name.").required(),
    Key::new("match", Kind::Section(ROUTE_MATCH_KEYS), "What it is for; by default everything."),
    Key::new("to", Kind::OneOrMany(&Kind::Text), "Receivers.").required(),
    Key::new("delay", Kind::Duration, "Time from the confirmed problem to the first message.")
        .default("0s")
        .unit("seconds"),
    Key::new(
        "repeat",
        Kind::Duration,
        "Time between reminders; by default `threshold_renotify_interval`, 0 is never.",
    )
    .unit("seconds"),
    Key::new("continue", Kind::Bool, "Whether later routes are looked at as well.")
        .default("false"),
];

/// The keys of a silence or maintenance.
pub const SILENCE_KEYS: &[Key] = &[
    Key::new("name", Kind::Text, "Its name.").required(),
    Key::new("match", Kind::Section(MATCH_KEYS), "What it covers.").required(),
    Key::new("reason", Kind::Text, "Why.").required(),
    Key::new("from", Kind::Text, "From when, such as `2026-11-20T18:00:00Z`.").required(),
    Key::new("until", Kind::Text, "Until when; a silence lasts at most 30 days.").required(),
];

pub(super) fn read(root: &Section<'_>, draft: &mut Draft, places: &mut Places) {
    for (key, section) in root.children("receivers") {
        // A name that cannot be is reported by the owner of the section.
        let Ok(name) = ReceiverName::new(key.value) else { continue };
        let usual = ReceiverPlan::new(name);
        draft.receivers.push(ReceiverPlan {
            severity: section.word("severity", &SEVERITIES).unwrap_or(usual.severity),
            better: section.bool("better", usual.better),
            ..usual
        });
    }
    for item in root.list("routes") {
        if let Some(route) = item.section().and_then(|section| read_route(&section, places)) {
            draft.routes.push(route);
        }
    }
}

fn read_route(section: &Section<'_>, places: &mut Places) -> Option<RoutePlan> {
    section.finish(ROUTE_KEYS);
    let name = section.parse("name", RouteName::new)?;
    places.insert(Place::Route(name.clone()), section.value_span("name"));
    let mut to = Vec::new();
    for receiver in section.parse_many("to", ReceiverName::new) {
        places.insert(Place::RouteReceiver(name.clone(), receiver.value.clone()), receiver.span);
        to.push(receiver.value);
    }
    Some(RoutePlan {
        matches: section.child("match").map(|part| read_route_match(&part)).unwrap_or_default(),
        delay: section.opt_duration("delay", Bare::Seconds).unwrap_or_default(),
        repeat: section.opt_duration("repeat", Bare::Seconds),
        and_on: section.bool("continue", false),
        ..RoutePlan::new(name, to)
    })
}

fn read_route_match(section: &Section<'_>) -> RouteMatch {
    let matcher = read_matcher(section);
    let events = texts(&section.one_or_many("events"));
    section.finish(ROUTE_MATCH_KEYS);
    RouteMatch {
        hosts: matcher.hosts,
        checks: matcher.checks,
        tags: matcher.tags,
        severity: matcher.severity,
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

fn read_matcher(section: &Section<'_>) -> Matcher {
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

pub(super) fn read_silences(root: &Section<'_>, draft: &mut Draft) {
    for (key, maintenance) in [("silences", false), ("maintenance", true)] {
        for item in root.list(key) {
            let silence = item.section().and_then(|part| read_silence(&part, maintenance));
            draft.silences.extend(silence);
        }
    }
}

fn read_silence(section: &Section<'_>, maintenance: bool) -> Option<SilencePlan> {
    section.finish(SILENCE_KEYS);
    let part = section.child("match");
    let matcher = part.as_ref().map(read_matcher);
    if let Some(part) = &part {
        part.finish(MATCH_KEYS);
    }
    let from = section.parse("from", time);
    let until = section.parse("until", time);
    let silence = SilencePlan {
        name: section.opt_str("name")?.to_owned(),
        matcher: matcher?,
        reason: section.opt_str("reason")?.to_owned(),
        from: from?,
        until: until?,
        maintenance,
    };
    if silence.until <= silence.from {
        section.error("until", "must be later than `from`");
        return None;
    }
    if !maintenance && silence.until.since(silence.from) > LONGEST_SILENCE {
        section
            .error("until", "a silence lasts at most 30 days")
            .hint("what is not to be told for longer is better taken out of a route");
        return None;
    }
    Some(silence)
}

pub(super) fn time(text: &str) -> Result<Unix, String> {
    text.parse::<jiff::Timestamp>().map(|at| Unix(at.as_millisecond())).map_err(|_| {
        "a time such as 2026-11-20T18:00:00Z or 2026-11-20T18:00:00+01:00 was expected".to_owned()
    })
}

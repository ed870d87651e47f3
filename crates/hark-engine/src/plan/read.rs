//! From the sections of the configuration to a [`Plan`]: what is wrong is reported at its line.
//!
//! The engine reads `interval`, `grace`, `missed`, `notifications`, `threshold_renotify_interval`,
//! `thresholds`, `threshold_configs`, `hosts`, `routes`, `silences`, `maintenance` and `flapping`; of
//! `checks` and `receivers` it takes what concerns it and leaves the rest, unknown keys included, to
//! the crates that own these sections.

mod hosts;
mod routes;
mod thresholds;

use std::collections::BTreeMap;
use std::time::Duration;

use hark_config::{Bare, Key, Kind, Section, Span};

pub use hosts::HOST_KEYS;
pub use routes::{ROUTE_KEYS, SILENCE_KEYS};
pub use thresholds::LIMIT_KEYS;

use super::{Draft, Fault, Flapping, Liveness, Place, Plan, Reminders};

/// A profile: its one key, beside which nothing stands.
const PROFILE_KEYS: &[Key] = &[Key::new(
    "thresholds",
    Kind::Any,
    "Limits in the form of the top-level `thresholds`; they lie on top of those.",
)];

const FLAPPING_KEYS: &[Key] = &[
    Key::new("enabled", Kind::Bool, "Whether flapping is looked at.").default("true"),
    Key::new("start", Kind::Number, "Weighted share of changes at which flapping begins.")
        .default("0.3"),
    Key::new("end", Kind::Number, "Share below which it ends.").default("0.2"),
];

/// The top-level keys that the engine reads whole.
pub const KEYS: &[Key] = &[
    Key::new("interval", Kind::Duration, "Heartbeat interval of agents that do not say theirs.")
        .default("30s")
        .unit("seconds"),
    Key::new("grace", Kind::Duration, "Added to the missed intervals before a host is silent.")
        .default("5s")
        .unit("seconds"),
    Key::new("missed", Kind::Integer, "Heartbeats that may be missed before a host is silent.")
        .default("3"),
    Key::new("notifications", Kind::Bool, "`false` keeps every notification back.").default("true"),
    Key::new(
        "threshold_renotify_interval",
        Kind::Duration,
        "Time between reminders of a problem that goes on; 0 is never.",
    )
    .default("1h")
    .unit("seconds"),
    Key::new("flapping", Kind::Section(FLAPPING_KEYS), "When a check changes too often."),
    Key::new("thresholds", Kind::Any, "Limits: collector, perhaps instance, metric, limits."),
    Key::new(
        "threshold_configs",
        Kind::Named(&Kind::Section(PROFILE_KEYS)),
        "Profiles: named sets of limits that hosts take on; `default` lies under every host.",
    ),
    Key::new("hosts", Kind::Named(&Kind::Section(HOST_KEYS)), "Hosts by name."),
    Key::new("routes", Kind::List(&Kind::Section(ROUTE_KEYS)), "Who is told what; in order."),
    Key::new("silences", Kind::List(&Kind::Section(SILENCE_KEYS)), "Times of no notifications."),
    Key::new("maintenance", Kind::List(&Kind::Section(SILENCE_KEYS)), "Times of planned work."),
];

/// Where things stand, for what is found out only when names are resolved.
type Places = BTreeMap<Place, Span>;

/// Reads the engine's part of the configuration. `None` if anything in it is wrong; what, stands in
/// the document's diagnostics.
pub fn read(root: &Section<'_>) -> Option<Plan> {
    let mut draft = Draft::default();
    let mut places = Places::new();
    draft.liveness = read_liveness(root);
    draft.reminders = Reminders {
        every: root.duration(
            "threshold_renotify_interval",
            Bare::Seconds,
            Reminders::default().every,
        ),
        ..Reminders::default()
    };
    draft.notify = root.bool("notifications", true);
    draft.flapping = read_flapping(root);
    if let Some(tree) = root.value("thresholds") {
        draft.thresholds = thresholds::read_tree(&tree, None, &mut places);
    }
    thresholds::read_profiles(root, PROFILE_KEYS, &mut draft, &mut places);
    hosts::read(root, &mut draft, &mut places);
    hosts::read_checks(root, &mut draft, &mut places);
    routes::read(root, &mut draft, &mut places);
    routes::read_silences(root, &mut draft);
    match Plan::resolve(&draft) {
        Ok(plan) => (!root.diagnostics().has_errors()).then_some(plan),
        Err(faults) => {
            for fault in faults {
                report(root, &places, fault);
            }
            None
        }
    }
}

fn report(root: &Section<'_>, places: &Places, fault: Fault) {
    let Fault { place, text, suggestion, hint } = fault;
    let span = places.get(&place).copied().unwrap_or_else(|| root.span());
    let mut report = root.diagnostics().error(span, text);
    if let Some(suggestion) = suggestion {
        report = report.suggest(suggestion);
    }
    if let Some(hint) = hint {
        report = report.hint(hint);
    }
    drop(report);
}

/// Heartbeats closer than this would be for another kind of tool.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);

fn read_liveness(root: &Section<'_>) -> Liveness {
    let usual = Liveness::default();
    let mut interval = root.duration("interval", Bare::Seconds, usual.interval);
    if interval < SHORTEST_INTERVAL {
        root.error("interval", "must be at least 100ms");
        interval = usual.interval;
    }
    Liveness {
        interval,
        grace: root.duration("grace", Bare::Seconds, usual.grace),
        miss: u32::try_from(root.u64("missed", u64::from(usual.miss), 1..=1000))
            .unwrap_or(usual.miss),
    }
}

fn read_flapping(root: &Section<'_>) -> Flapping {
    let usual = Flapping::default();
    let Some(section) = root.child("flapping") else { return usual };
    let read = Flapping {
        enabled: section.bool("enabled", usual.enabled),
        start: section.f64("start", usual.start, 0.0..=1.0),
        end: section.f64("end", usual.end, 0.0..=1.0),
    };
    section.finish(FLAPPING_KEYS);
    if read.end > read.start {
        section.error("end", "must not be above `start`: flapping would end as it begins");
    }
    read
}

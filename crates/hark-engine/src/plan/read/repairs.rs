//! The section `repair`, of checks and of limits.

use std::time::Duration;

use hark_config::{Bare, Key, Kind, Section};

use crate::plan::RepairPlan;

/// What stands in it.
pub(super) const REPAIR_KEYS: &[Key] = &[
    Key::new("action", Kind::Text, "Name of the action in the host's own list.").required(),
    Key::new("tries", Kind::Integer, "How often it is ordered for one incident, at most 10.")
        .default("3"),
    Key::new("wait", Kind::Duration, "Time from one try to the next, 10s to 1d.")
        .default("1m")
        .unit("seconds"),
];

/// Bound on the name of an action, as agents have it.
const MAX_ACTION: usize = 64;

/// Bound on tries: what ten did not mend, more will not.
const MAX_TRIES: u64 = 10;
/// An action needs time to show, and the check to see it.
const SHORTEST_WAIT: Duration = Duration::from_secs(10);
/// What helps only a day later helped by chance.
const LONGEST_WAIT: Duration = Duration::from_hours(24);

/// Reads it; whose section it is looks for unknown keys.
pub(super) fn read(section: &Section<'_>) -> Option<RepairPlan> {
    let tries = section.u64("tries", u64::from(RepairPlan::TRIES), 1..=MAX_TRIES);
    let wait = section.duration("wait", Bare::Seconds, RepairPlan::WAIT);
    if !(SHORTEST_WAIT..=LONGEST_WAIT).contains(&wait) {
        section.error("wait", "must be between 10s and 1d");
    }
    let action = section.required("action")?.parse(|text| {
        if is_action(text) { Ok(text.into()) } else { Err("this is no name of an action") }
    })?;
    Some(RepairPlan { action, tries: u32::try_from(tries).unwrap_or(RepairPlan::TRIES), wait })
}

/// As agents have it: what they would not offer is not asked of them.
fn is_action(name: &str) -> bool {
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    let rest = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    first && name.len() <= MAX_ACTION && name.bytes().all(rest)
}

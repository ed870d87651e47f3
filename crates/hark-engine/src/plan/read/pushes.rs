//! The section `push` of a check.

use std::time::Duration;

use hark_calendar::Recurrence;
use hark_config::{Bare, Key, Kind, Section};

use super::silences::time;
use crate::plan::PushPlan;

/// What stands in it.
pub const PUSH_KEYS: &[Key] = &[
    Key::new("every", Kind::Duration, "It is due this long after its last success, 10s to 400d."),
    Key::new("cron", Kind::Text, "Instead: when it is due, as in cron: `0 3 * * mon-fri`."),
    Key::new("timezone", Kind::Text, "Time zone of `cron`, such as `Europe/Berlin`.")
        .default("the server's"),
    Key::new("grace", Kind::Duration, "How late it may be.").default("5m").unit("seconds"),
    Key::new(
        "max_run",
        Kind::Duration,
        "How long it may run after it has said that it began; it is not called late meanwhile.",
    )
    .unit("seconds"),
    Key::new(
        "first_by",
        Kind::Text,
        "When it must have reported for the first time, such as `2026-12-01T06:00:00Z`.",
    ),
    Key::new("paused", Kind::Bool, "Nothing is expected of it for now.").default("false"),
    Key::new(
        "rotation",
        Kind::Integer,
        "Another number makes another address; the one before is void.",
    )
    .default("0"),
];

/// The shortest time between two reports: each is written to the disk.
const SHORTEST: Duration = Duration::from_secs(10);
/// The longest: what is done once a year, and a month late.
const LONGEST: Duration = Duration::from_hours(24 * 400);
/// Keys of a check that say when somebody looks; nobody looks at a job that reports itself.
const NOT_BESIDE: [&str; 5] = ["every", "retry_every", "timeout", "on_stale", "active"];

pub(super) fn read(check: &Section<'_>) -> Option<PushPlan> {
    let section = check.child("push")?;
    for key in NOT_BESIDE.into_iter().filter(|key| check.has(key)) {
        check
            .error(key, format!("`{key}` has no meaning for a job that reports itself"))
            .hint("when it is due stands in `push`: {every: 1d} or {cron: \"0 3 * * *\"}");
    }
    section.finish(PUSH_KEYS);
    let span = |key| {
        let span = section.opt_duration(key, Bare::Seconds)?;
        if span > LONGEST {
            section.error(key, "must be 400d at most");
        }
        Some(span)
    };
    let zone = section.opt_str("timezone");
    let (key, value) = section.exactly_one_of(&["every", "cron"])?;
    let due = if key == "cron" {
        value.parse(|text| Recurrence::cron(text, zone))?
    } else {
        let every = section.opt_duration("every", Bare::Seconds)?;
        if !(SHORTEST..=LONGEST).contains(&every) {
            section.error("every", "must be from 10s to 400d");
        }
        if zone.is_some() {
            section.error("timezone", "a time zone belongs to `cron`");
        }
        Recurrence::after(every)
    };
    Some(PushPlan {
        due,
        grace: span("grace").unwrap_or(PushPlan::GRACE),
        max_run: span("max_run"),
        first_by: section.parse("first_by", time),
        paused: section.bool("paused", false),
        rotation: section.u64("rotation", 0, 0..=u64::from(u32::MAX)),
    })
}

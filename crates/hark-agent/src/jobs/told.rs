//! When a trouble becomes an event, besides the status of its check.
//!
//! The check has the state: it is raised, confirmed, repeated and closed by the server's rules. Events are
//! for those who want lines: one when it begins and one when it is over, or, as seed 436 had it, one each
//! time that it is found.

use hark_config::{Key, Kind, Section, Value};
use hark_model::{Event, EventKind, Severity, Status, Unix};

/// Bound on the tags of a setting.
const MAX_TAGS: usize = 16;

/// When events are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Events {
    /// When it begins and when it is over.
    #[default]
    Change,
    /// Each time that it is found.
    Each,
    /// Never: the check says it.
    Never,
}

/// The key.
pub(super) const EVENTS: Key = Key::new(
    "events",
    Kind::OneOf(&["change", "each", "never"]),
    "When events are made besides the check's status.",
)
.default("change");

/// Reads `events`.
pub(super) fn read(section: &Section<'_>) -> Events {
    let words = [("change", Events::Change), ("each", Events::Each), ("never", Events::Never)];
    section.word("events", &words).unwrap_or_default()
}

/// Reads `tags`.
pub(super) fn tags(section: &Section<'_>) -> Vec<String> {
    let tag = |value: &Value<'_>| {
        value.parse(|text| hark_model::name::Tag::new(text).map(|tag| tag.as_str().to_owned()))
    };
    let tags: Vec<String> = section.one_or_many("tags").iter().filter_map(tag).collect();
    if tags.len() > MAX_TAGS {
        section.error("tags", "an event has at most 16 tags");
    }
    tags
}

/// Reads `severity`, which a check's status can have.
pub(super) fn severity(section: &Section<'_>) -> Severity {
    let words = [("warning", Severity::Warning), ("critical", Severity::Critical)];
    section.word("severity", &words).unwrap_or(Severity::Warning)
}

/// The status of a check in which something of this severity is wrong.
pub(super) fn status(severity: Severity) -> Status {
    match severity {
        Severity::Info => Status::Ok,
        Severity::Unknown => Status::Unknown,
        Severity::Warning => Status::Warning,
        Severity::Critical => Status::Critical,
    }
}

/// One trouble, and whether it was told.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Told {
    standing: bool,
}

/// What is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tell {
    /// Nothing.
    Nothing,
    /// The trouble.
    Trouble,
    /// That it is over.
    Over,
}

impl Told {
    /// Takes in whether it is there.
    pub(super) fn take(&mut self, bad: bool, events: Events) -> Tell {
        let before = std::mem::replace(&mut self.standing, bad);
        match (events, before, bad) {
            (Events::Never, ..) | (_, false, false) | (Events::Change, true, true) => Tell::Nothing,
            (Events::Each, _, true) | (Events::Change, false, true) => Tell::Trouble,
            (Events::Change | Events::Each, true, false) => Tell::Over,
        }
    }
}

/// Makes an event.
pub(super) fn event(
    kind: &str,
    severity: Severity,
    text: String,
    tags: &[String],
    at: Unix,
) -> Event {
    Event { at, kind: EventKind::from_word(kind), severity, text, tags: tags.to_vec(), data: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn begin_and_end_are_told_or_every_time() {
        let bad = [false, true, true, false, false, true];
        let told = |events| {
            let mut told = Told::default();
            bad.map(|bad| match told.take(bad, events) {
                Tell::Nothing => '.',
                Tell::Trouble => '!',
                Tell::Over => '-',
            })
        };
        assert_eq!(told(Events::Change), ['.', '!', '.', '-', '.', '!']);
        assert_eq!(told(Events::Each), ['.', '!', '!', '-', '.', '!']);
        assert_eq!(told(Events::Never), ['.'; 6]);
    }
}

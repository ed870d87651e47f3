//! The section `logs` of an agent: names and watches.

use std::time::Duration;

use hark_calendar::ActiveWindow;
use hark_config::{Bare, Key, Kind, Section};
use hark_model::{CheckName, SeriesName, Severity};

use crate::glob::Glob;
use crate::pattern::{Pattern, PatternError};
use crate::scan::{Scanner, Unit};
use crate::text::Template;

/// The collector's word in names of metrics and checks.
pub const COLLECTOR: &str = "log_monitor";

/// Bound on the watches of an agent: each has automata of up to a megabyte.
const MAX_WATCHES: usize = 200;

/// Bound on the patterns of one watch.
const MAX_PATTERNS: usize = 200;

/// Bound on events a minute: a hundred a second is what the way to the server carries.
const MAX_EVENTS: u64 = 6000;

/// Bound on a watch's name: it stands in every metric's name.
const MAX_NAME: usize = 64;

/// Bound on the tags of a watch: they travel with each event.
const MAX_TAGS: usize = 16;

/// What is looked for, where, and what is said of it.
#[derive(Clone, Debug)]
pub struct Watch {
    /// Its name.
    pub name: String,
    /// Where lines come from.
    pub source: Source,
    /// What is looked for: each one that is in a line is a hit of its own.
    pub patterns: Vec<Pattern>,
    /// If there are any, a line must also have one of these.
    pub include: Vec<Pattern>,
    /// A line with one of these is left alone.
    pub exclude: Vec<Pattern>,
    /// What hits lead to.
    pub kind: WatchKind,
    /// How bad that is.
    pub severity: Severity,
    /// Words on its events.
    pub tags: Vec<String>,
    /// What its events say.
    pub text: Option<Template>,
    /// What is a record.
    pub framing: Framing,
    /// Events a minute.
    pub at_most: u32,
    /// When it is active; none is always.
    pub active: Option<ActiveWindow>,
}

/// Where lines come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Files.
    Files(Vec<Glob>),
    /// The journal of systemd.
    Journal(JournalFilter),
}

/// Which entries of the journal.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct JournalFilter {
    /// Of these units; all if there is none.
    pub units: Vec<String>,
    /// With these identifiers (`SYSLOG_IDENTIFIER`); all if there is none.
    pub identifiers: Vec<String>,
    /// At least so urgent: 0 (emergency) to 7 (debug).
    pub priority: Option<u8>,
}

/// What hits lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchKind {
    /// An event for each.
    Each,
    /// An event where there were more than so many in a time, and a check.
    MoreThan {
        /// So many are allowed.
        count: u64,
        /// In this time.
        within: Duration,
    },
    /// A metric: how many in a time.
    CountEvery(Duration),
    /// An event where there was none for a time, and a check.
    SilentFor(Duration),
}

/// What is a record.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Framing {
    /// Each line.
    #[default]
    Lines,
    /// Several lines.
    Multiline(Multiline),
}

/// How lines make a record.
#[derive(Clone, Debug, PartialEq)]
pub struct Multiline {
    /// What tells.
    pub border: Border,
    /// At most so many lines.
    pub lines: usize,
    /// At most so many bytes.
    pub bytes: usize,
    /// A record is whole when nothing followed for so long.
    pub wait: Duration,
}

/// What tells where a record begins.
#[derive(Clone, Debug, PartialEq)]
pub enum Border {
    /// A line with this begins one.
    Start(Pattern),
    /// A line with this goes on with the one before.
    Continue(Pattern),
}

impl Watch {
    /// Events a minute if nothing else is said: one a second is more than anybody reads.
    pub const AT_MOST: u32 = 60;

    /// Reads all watches below `key` of `section`; what is wrong is reported there.
    pub fn read_all(section: &Section<'_>, key: &'static str) -> Vec<Self> {
        let children = section.children(key);
        if children.len() > MAX_WATCHES {
            drop(section.error(key, format!("at most {MAX_WATCHES} watches are possible")));
        }
        let named = children.into_iter().take(MAX_WATCHES);
        named
            .filter_map(|(name, section)| {
                if let Err(message) = check_name(name.value) {
                    drop(section.diagnostics().error(name.span, message));
                    return None;
                }
                Self::read(name.value, &section)
            })
            .collect()
    }

    /// Reads one watch; none if it cannot work, which is reported.
    pub fn read(name: &str, section: &Section<'_>) -> Option<Self> {
        let source = source(section);
        let patterns = patterns(section, "match");
        if patterns.is_empty() && !section.has("match") {
            section.required("match");
        }
        let (include, exclude) = (patterns_of(section, "include"), patterns_of(section, "exclude"));
        let kind = kind(section);
        let watch = Self {
            name: name.to_owned(),
            source: source.clone().unwrap_or(Source::Files(Vec::new())),
            include,
            exclude,
            kind,
            severity: section.word("severity", &SEVERITIES).unwrap_or(default_severity(kind)),
            tags: tags(section),
            text: section.parse("text", Template::new),
            framing: framing(section),
            at_most: u32::try_from(section.u64(
                "at_most",
                u64::from(Self::AT_MOST),
                1..=MAX_EVENTS,
            ))
            .unwrap_or(Self::AT_MOST),
            active: section.value("active").and_then(|value| ActiveWindow::read(&value)),
            patterns,
        };
        if matches!((&watch.source, &watch.framing), (Source::Journal(_), Framing::Multiline(_))) {
            drop(section.error("multiline", "an entry of the journal is a record already"));
        }
        watch.check_size(section);
        section.finish(KEYS);
        (source.is_some() && !watch.patterns.is_empty()).then_some(watch)
    }

    fn check_size(&self, section: &Section<'_>) {
        for (key, patterns) in
            [("match", &self.patterns), ("include", &self.include), ("exclude", &self.exclude)]
        {
            if let Some(Err(error)) =
                (!patterns.is_empty()).then(|| Scanner::new(patterns, Unit::Lines))
            {
                let report = section.error(key, error.to_string());
                drop(report.hint("a repetition such as {1000} is what makes a pattern large"));
            }
        }
    }

    /// Returns the name of its metric.
    pub fn metric(&self) -> SeriesName {
        SeriesName::of(COLLECTOR, &self.name, "count")
    }

    /// Returns the name of its check; none if it has no state.
    pub fn check(&self) -> Option<CheckName> {
        let stateful = matches!(self.kind, WatchKind::MoreThan { .. } | WatchKind::SilentFor(_));
        // For information only: nothing is wrong then.
        if !stateful || self.severity == Severity::Info {
            return None;
        }
        SeriesName::plain(COLLECTOR, &self.name).check().ok()
    }
}

const SEVERITIES: [(&str, Severity); 4] = [
    ("info", Severity::Info),
    ("unknown", Severity::Unknown),
    ("warning", Severity::Warning),
    ("critical", Severity::Critical),
];

fn default_severity(kind: WatchKind) -> Severity {
    match kind {
        WatchKind::Each | WatchKind::CountEvery(_) => Severity::Info,
        WatchKind::MoreThan { .. } | WatchKind::SilentFor(_) => Severity::Warning,
    }
}

/// What a [`Watch`] is read from.
pub const KEYS: &[Key] = &[
    Key::new(
        "file",
        Kind::OneOrMany(&Kind::Text),
        "Files, with wildcards `*`, `?` and `[a-z]`; new ones are found.",
    ),
    Key::new("journal", Kind::Section(JOURNAL_KEYS), "The journal of systemd instead of files."),
    Key::new(
        "match",
        Kind::OneOrMany(&Kind::Text),
        "Regular expressions; each one that is found in a line is a hit.",
    )
    .required(),
    Key::new("include", Kind::OneOrMany(&Kind::Text), "The line must have one of these as well."),
    Key::new("exclude", Kind::OneOrMany(&Kind::Text), "A line with one of these is no hit."),
    Key::new(
        "more_than",
        Kind::Integer,
        "Event and check if there are more hits than that `within` a time.",
    ),
    Key::new("within", Kind::Duration, "The time for `more_than`.").unit("seconds"),
    Key::new("count_every", Kind::Duration, "The number of hits in this time becomes a metric.")
        .unit("seconds"),
    Key::new("silent_for", Kind::Duration, "Event and check if there is no hit for so long.")
        .unit("seconds"),
    Key::new(
        "severity",
        Kind::OneOf(&["info", "unknown", "warning", "critical"]),
        "How bad it is; by default `info` for each hit, `warning` for `more_than` and `silent_for`.",
    ),
    Key::new("tags", Kind::OneOrMany(&Kind::Text), "Words on its events, after the watch's name."),
    Key::new(
        "text",
        Kind::Text,
        "What its events say, with `{line}`, `{file}`, `{watch}`, `{match}`, `{1}` to `{9}`, `{count}`.",
    ),
    Key::new("multiline", Kind::Section(MULTILINE_KEYS), "Several lines are one record."),
    Key::new("at_most", Kind::Integer, "Events a minute; of the others their number is told.")
        .default("60"),
    Key::new(
        "active",
        Kind::Either(&[Kind::Text, Kind::Section(hark_calendar::KEYS)]),
        "Days and hours in which it is active: `mon-fri 08:00-18:00`. Lines of other times are skipped.",
    )
    .default("always"),
];

const JOURNAL_KEYS: &[Key] = &[
    Key::new("unit", Kind::OneOrMany(&Kind::Text), "Of these units alone: `backup.service`."),
    Key::new("identifier", Kind::OneOrMany(&Kind::Text), "With these identifiers alone: `sshd`."),
    Key::new("priority", Kind::OneOf(&PRIORITIES), "At least so urgent."),
];

/// The words of syslog, most urgent first.
const PRIORITIES: [&str; 8] =
    ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];

const MULTILINE_KEYS: &[Key] = &[
    Key::new("start", Kind::Text, "A line with this begins a record."),
    Key::new("continue", Kind::Text, "A line with this belongs to the record before."),
    Key::new("lines", Kind::Integer, "Lines of a record, at most.").default("100"),
    Key::new("bytes", Kind::Size, "Bytes of a record, at most 64KiB.").default("16KiB"),
    Key::new("wait", Kind::Duration, "A record is whole when nothing followed for so long.")
        .default("2s"),
];

fn check_name(name: &str) -> Result<(), String> {
    let sign = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(sign) {
        return Err(format!(
            "a watch's name has letters, digits, `-`, `_` and `.`, at most {MAX_NAME}"
        ));
    }
    Ok(())
}

fn source(section: &Section<'_>) -> Option<Source> {
    match section.exactly_one_of(&["file", "journal"])?.0 {
        "file" => {
            let globs = section.parse_many("file", Glob::new);
            let globs: Vec<Glob> = globs.into_iter().map(|glob| glob.value).collect();
            (!globs.is_empty()).then_some(Source::Files(globs))
        }
        _ => Some(Source::Journal(journal(&section.child("journal")?))),
    }
}

fn journal(section: &Section<'_>) -> JournalFilter {
    let words = |key| {
        let words = section.parse_many(key, journal_word);
        words.into_iter().map(|word| word.value).collect()
    };
    let numbered: Vec<(&str, u8)> = PRIORITIES.into_iter().zip(0..).collect();
    let filter = JournalFilter {
        units: words("unit"),
        identifiers: words("identifier"),
        priority: section.word("priority", &numbered),
    };
    section.finish(JOURNAL_KEYS);
    filter
}

/// A word becomes an argument of `journalctl`.
fn journal_word(text: &str) -> Result<String, &'static str> {
    let bad = text.is_empty()
        || text.len() > 256
        || text.starts_with('-')
        || text.contains(|c: char| c.is_control());
    if bad { Err("this is no name of a unit or program") } else { Ok(text.to_owned()) }
}

fn patterns(section: &Section<'_>, key: &'static str) -> Vec<Pattern> {
    let read =
        section.parse_many(key, |text| -> Result<Pattern, PatternError> { Pattern::new(text) });
    if read.len() > MAX_PATTERNS {
        drop(section.error(key, format!("at most {MAX_PATTERNS} patterns are possible")));
    }
    read.into_iter().take(MAX_PATTERNS).map(|pattern| pattern.value).collect()
}

fn patterns_of(section: &Section<'_>, key: &'static str) -> Vec<Pattern> {
    patterns(section, key)
}

fn kind(section: &Section<'_>) -> WatchKind {
    const SHORTEST: Duration = Duration::from_secs(1);
    const LONGEST: Duration = Duration::from_hours(24 * 366);
    let period = |key: &'static str| {
        let period = section.opt_duration(key, Bare::Seconds)?;
        if !(SHORTEST..=LONGEST).contains(&period) {
            drop(section.error(key, "such a time is between 1s and a year"));
            return None;
        }
        Some(period)
    };
    let more_than = section.opt_u64("more_than", 0..=1_000_000_000);
    let (within, count_every, silent_for) =
        (period("within"), period("count_every"), period("silent_for"));
    let chosen = [section.has("more_than"), section.has("count_every"), section.has("silent_for")];
    if chosen.iter().filter(|chosen| **chosen).count() > 1 {
        let key = if section.has("silent_for") { "silent_for" } else { "count_every" };
        let report = section
            .error(key, "a watch has one of `more_than`, `count_every` and `silent_for`, or none");
        drop(report.hint("make another watch of the same file: it costs no second reading"));
    }
    if section.has("within") && !section.has("more_than") {
        drop(section.error("within", "`within` belongs to `more_than`, which is missing"));
    }
    if let Some(count) = more_than {
        if !section.has("within") {
            drop(section.error("more_than", "`more_than` needs `within`, the time"));
        }
        if let Some(within) = within {
            return WatchKind::MoreThan { count, within };
        }
    }
    if let Some(every) = count_every {
        return WatchKind::CountEvery(every);
    }
    silent_for.map_or(WatchKind::Each, WatchKind::SilentFor)
}

fn tags(section: &Section<'_>) -> Vec<String> {
    let word = |text: &str| {
        let bad = text.is_empty()
            || text.len() > 64
            || text.contains(|c: char| c.is_control() || c.is_whitespace());
        if bad { Err("a tag is a word of at most 64 bytes") } else { Ok(text.to_owned()) }
    };
    let tags = section.parse_many("tags", word);
    if tags.len() > MAX_TAGS {
        drop(section.error("tags", format!("at most {MAX_TAGS} tags are possible")));
    }
    tags.into_iter().take(MAX_TAGS).map(|tag| tag.value).collect()
}

fn framing(section: &Section<'_>) -> Framing {
    let Some(section) = section.child("multiline") else { return Framing::Lines };
    let border = section.exactly_one_of(&["start", "continue"]).and_then(|(key, value)| {
        let pattern = value.parse(Pattern::new)?;
        Some(if key == "start" { Border::Start(pattern) } else { Border::Continue(pattern) })
    });
    let lines = section.u64("lines", 100, 2..=10_000);
    let bytes = section.size("bytes", 16 * 1024);
    if !(256..=64 * 1024).contains(&bytes) {
        drop(section.error("bytes", "a record has 256 to 64KiB bytes at most"));
    }
    let wait = section.duration("wait", Bare::Seconds, Duration::from_secs(2));
    if !(Duration::from_millis(100)..=Duration::from_mins(1)).contains(&wait) {
        drop(section.error("wait", "such a time is between 100ms and 1m"));
    }
    section.finish(MULTILINE_KEYS);
    let Some(border) = border else { return Framing::Lines };
    Framing::Multiline(Multiline {
        border,
        lines: usize::try_from(lines).unwrap_or(100),
        bytes: usize::try_from(bytes.min(64 * 1024)).unwrap_or(16 * 1024),
        wait,
    })
}

#[cfg(test)]
mod tests;

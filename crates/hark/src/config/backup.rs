//! The section `backup`: copies that the server makes by itself.

use std::path::PathBuf;
use std::time::Duration;

use hark_calendar::Recurrence;
use hark_config::{Bare, Key, Kind, Section};
use serde_json::{Value, json};

/// The keys of the section.
pub(crate) const KEYS: &[Key] = &[
    Key::new("dir", Kind::Text, "Folder of the backups, on another disk; backups in data_dir."),
    Key::new("cron", Kind::Text, "When one is made, as a pattern of cron: `0 3 * * *`, `@daily`."),
    Key::new("every", Kind::Duration, "Instead of cron: so long after the one before."),
    Key::new("timezone", Kind::Text, "Time zone of cron; by default the system's."),
    Key::new("keep", Kind::Integer, "How many are kept; the oldest go.").default("7"),
    Key::new("history", Kind::Bool, "Whether samples are part of them.").default("true"),
];

/// The shortest time between two: each reads all that there is.
const SHORTEST: Duration = Duration::from_hours(1);

/// The longest.
const LONGEST: Duration = Duration::from_hours(24 * 400);

/// How many are kept if nobody says.
const KEEP: u64 = 7;

/// Copies that the server makes by itself.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct BackupSettings {
    /// Where they lie; `None`: in the data folder.
    pub(crate) dir: Option<PathBuf>,
    /// When one is made; `None`: when somebody asks for it.
    pub(crate) when: Option<Recurrence>,
    /// How many are kept.
    pub(crate) keep: usize,
    /// Whether samples are part of them.
    pub(crate) history: bool,
}

impl Default for BackupSettings {
    fn default() -> Self {
        Self { dir: None, when: None, keep: 7, history: true }
    }
}

impl BackupSettings {
    /// Reads the section out of the root; what is wrong is reported to its document.
    pub(crate) fn read(root: &Section<'_>) -> Self {
        let Some(section) = root.child("backup") else { return Self::default() };
        let zone = section.opt_str("timezone");
        let when = section.exactly_one_of(&["cron", "every"]).and_then(|(key, value)| {
            if key == "cron" {
                return value.parse(|text| Recurrence::cron(text, zone));
            }
            let length = section.opt_duration("every", Bare::Days)?;
            if !(SHORTEST..=LONGEST).contains(&length) {
                section.error("every", "must be from 1h to 400d");
                return None;
            }
            Some(Recurrence::after(length))
        });
        let keep = section.u64("keep", KEEP, 1..=1000);
        let settings = Self {
            dir: section.opt_str("dir").map(PathBuf::from),
            when,
            keep: usize::try_from(keep).unwrap_or(usize::MAX),
            history: section.bool("history", true),
        };
        section.finish(KEYS);
        settings
    }

    /// Returns it for `hark config show`.
    pub(crate) fn show(&self) -> Value {
        json!({
            "dir": self.dir,
            "when": self.when.as_ref().map(ToString::to_string),
            "keep": self.keep,
            "history": self.history,
        })
    }
}

#[cfg(test)]
mod tests {
    use hark_config::{Document, NoSecrets, Style};

    use super::*;

    fn read(text: &str) -> (BackupSettings, String) {
        let document = Document::single(text);
        let settings = BackupSettings::read(&document.root(&NoSecrets));
        (settings, document.diagnostics().render(Style::Plain))
    }

    #[test]
    fn without_a_section_none_is_made_by_itself() {
        let (settings, wrong) = read("");
        assert_eq!((settings.when, settings.keep, wrong.as_str()), (None, 7, ""));
    }

    #[test]
    fn when_and_where_are_read() {
        let (settings, wrong) =
            read("backup: {dir: /mnt/b, cron: '0 3 * * *', timezone: UTC, keep: 3}\n");
        assert_eq!(wrong, "");
        assert_eq!((settings.dir, settings.keep), (Some(PathBuf::from("/mnt/b")), 3));
        assert!(settings.when.is_some() && settings.history);
    }

    #[test]
    fn what_cannot_be_is_refused_with_the_way_out() {
        for (text, expected) in [
            ("backup: {dir: /b}\n", "one of `cron`, `every` is expected"),
            ("backup: {every: 5m}\n", "from 1h to 400d"),
            ("backup: {cron: '61 * * * *'}\n", "no pattern of cron"),
            ("backup: {every: 1d, keep: 0}\n", "keep"),
            ("backup: {every: 1d, kep: 3}\n", "did you mean `keep`?"),
        ] {
            let (_, wrong) = read(text);
            assert!(wrong.contains(expected), "{text}: {wrong}");
        }
    }
}

//! The part of the configuration that is about the disk.
//!
//! ```yaml
//! data_dir: /var/lib/hark
//! history: {raw: 14d, minutes: 90d, hours: 400d, max_size: 20GiB}
//! journal_enabled: true
//! journal_dir: /var/log/hark
//! ```

use std::path::{Path, PathBuf};
use std::time::Duration;

use hark_config::{Bare, Key, Kind, Section};

use crate::{history, journal};

/// The keys of the section `history`.
pub const HISTORY_KEYS: &[Key] = &[
    Key::new("raw", Kind::Duration, "How long every sample is kept.").default("14d"),
    Key::new("minutes", Kind::Duration, "How long values of five minutes are kept.").default("90d"),
    Key::new("hours", Kind::Duration, "How long values of an hour are kept.").default("400d"),
    Key::new("max_size", Kind::Size, "How much room history takes; the oldest samples go first.")
        .default("20GiB"),
];

/// The top-level keys that this crate reads.
pub const KEYS: &[Key] = &[
    Key::new("data_dir", Kind::Text, "Folder for everything that hark keeps."),
    Key::new("history", Kind::Section(HISTORY_KEYS), "For how long samples are kept."),
    Key::new("journal_enabled", Kind::Bool, "Writes every received message to a file.")
        .default("false"),
    Key::new("journal_dir", Kind::Text, "Folder of that file; the data folder if not given."),
    Key::new("journal_file", Kind::Text, "Name of that file.").default("journal.jsonl"),
    Key::new("journal_max_size", Kind::Size, "Size at which it is put aside.").default("100MiB"),
    Key::new("journal_max_backups", Kind::Integer, "How many old ones are kept.").default("10"),
];

/// A file name that people know from the name alone.
const JOURNAL_FILE: &str = "journal.jsonl";

/// More old files than this are a typing error.
const MAX_BACKUPS: u64 = 10_000;

/// What the configuration says about the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The data folder, if it is given.
    pub data_dir: Option<PathBuf>,
    /// For how long samples are kept.
    pub history: history::Settings,
    /// The journal of received messages, if it is wanted; a path that does not begin with `/` lies in
    /// the data folder: see [`Settings::journal_in`].
    pub journal: Option<journal::Settings>,
}

impl Settings {
    /// Reads the keys of [`KEYS`] from the top of the configuration; what is wrong is reported there.
    pub fn read(root: &Section<'_>) -> Self {
        Self {
            data_dir: root.opt_str("data_dir").map(PathBuf::from),
            history: root.child("history").map_or_else(history::Settings::default, |s| history(&s)),
            journal: journal(root),
        }
    }

    /// Returns the journal's settings with its file in `data_dir` if no other folder was given.
    pub fn journal_in(&self, data_dir: &Path) -> Option<journal::Settings> {
        let settings = self.journal.clone()?;
        Some(journal::Settings { path: data_dir.join(&settings.path), ..settings })
    }
}

fn history(section: &Section<'_>) -> history::Settings {
    let usual = history::Settings::default();
    let settings = history::Settings {
        raw: section.duration("raw", Bare::Days, usual.raw),
        minutes: section.duration("minutes", Bare::Days, usual.minutes),
        hours: section.duration("hours", Bare::Days, usual.hours),
        max_bytes: section.size("max_size", usual.max_bytes),
    };
    let day = Duration::from_hours(24);
    for (key, age) in
        [("raw", settings.raw), ("minutes", settings.minutes), ("hours", settings.hours)]
    {
        if age < day {
            section.error(key, format!("`{key}` must be at least a day"));
        }
    }
    section.finish(HISTORY_KEYS);
    settings
}

fn journal(root: &Section<'_>) -> Option<journal::Settings> {
    let dir = PathBuf::from(root.str("journal_dir", ""));
    let file = root.str("journal_file", JOURNAL_FILE);
    let usual = journal::Settings::new(dir.join(file));
    let settings = journal::Settings {
        max_size: root.size("journal_max_size", usual.max_size),
        max_backups: u32::try_from(root.u64(
            "journal_max_backups",
            u64::from(usual.max_backups),
            0..=MAX_BACKUPS,
        ))
        .unwrap_or(usual.max_backups),
        path: usual.path,
    };
    root.bool("journal_enabled", false).then_some(settings)
}

#[cfg(test)]
mod tests {
    use hark_config::{Document, NoSecrets, Style};

    use super::*;

    fn read(text: &str) -> (Settings, String) {
        let document = Document::single(text);
        let root = document.root(&NoSecrets);
        let settings = Settings::read(&root);
        root.finish(KEYS);
        (settings, document.diagnostics().render(Style::Plain))
    }

    #[test]
    fn an_empty_file_gives_the_usual_settings() {
        let (settings, said) = read("");
        assert_eq!(said, "");
        assert_eq!(settings.history, history::Settings::default());
        assert_eq!((settings.data_dir, settings.journal), (None, None));
    }

    #[test]
    fn what_is_given_is_read() {
        let (settings, said) = read(
            "data_dir: /srv/hark\nhistory: {raw: 3, hours: 2000d, max_size: 1GiB}\n\
             journal_enabled: true\njournal_max_size: 1000\njournal_max_backups: 2\n",
        );
        assert_eq!(said, "");
        let day = Duration::from_hours(24);
        assert_eq!((settings.history.raw, settings.history.hours), (3 * day, 2000 * day));
        assert_eq!(settings.history.max_bytes, 1 << 30);
        let journal = settings.journal_in(Path::new("/srv/hark")).unwrap();
        assert_eq!(journal.path, Path::new("/srv/hark/journal.jsonl"));
        assert_eq!((journal.max_size, journal.max_backups), (1000, 2));
        let (settings, _) = read("journal_enabled: true\njournal_dir: /var/log/hark\n");
        let journal = settings.journal_in(Path::new("/srv/hark")).unwrap();
        assert_eq!(journal.path, Path::new("/var/log/hark/journal.jsonl"));
    }

    #[test]
    fn what_cannot_be_is_reported_at_its_place() {
        let (_, said) = read("history: {raw: 3h, minuts: 4d}\njournal_max_backups: -1\n");
        for part in ["at least a day", "minuts", "journal_max_backups"] {
            assert!(said.contains(part), "{said}");
        }
    }
}

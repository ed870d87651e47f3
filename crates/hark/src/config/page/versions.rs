//! The page's file and its versions on the disk.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hark_model::time::Unix;
use serde_json::{Value as Json, json};

use super::{FILE, FOLDER};
use crate::update::write_whole;

/// The folder of versions beside the file.
const HISTORY: &str = "history";

/// What the first line of a version begins with; who and when follow as JSON.
const MARK: &str = "# version ";

/// So many versions are kept: at one change a working day, the better part of a year.
const MAX_VERSIONS: usize = 200;

/// The versions take at most so much room; a few are kept whatever they take.
const MAX_BYTES: u64 = 64 << 20;
const MIN_VERSIONS: usize = 10;

/// Longest file: as any other of the configuration.
const MAX_FILE: u64 = 16 << 20;

/// What is known of a version beside its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    /// When it began, in milliseconds.
    pub(crate) at: i64,
    /// Who made it; none: the file was found like that.
    pub(crate) by: Option<String>,
    /// What was changed.
    pub(crate) what: String,
}

impl Note {
    fn line(&self) -> String {
        json!({"at": self.at, "by": self.by, "what": self.what}).to_string()
    }

    fn read(line: &str) -> Option<Self> {
        let note: Json = serde_json::from_str(line).ok()?;
        Some(Self {
            at: note["at"].as_i64()?,
            by: note["by"].as_str().map(str::to_owned),
            what: note["what"].as_str()?.to_owned(),
        })
    }
}

/// A version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    /// Its number, from 1.
    pub(crate) number: u32,
    /// What is known of it.
    pub(crate) note: Note,
}

/// The file and its versions in a data folder.
#[derive(Clone, Debug)]
pub(crate) struct Versions {
    folder: PathBuf,
}

impl Versions {
    /// Names those of this data folder; nothing is touched.
    pub(crate) fn new(data_dir: &Path) -> Self {
        Self { folder: data_dir.join(FOLDER) }
    }

    /// Returns the text of the file; `None` if there is none.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(crate) fn text(&self) -> io::Result<Option<String>> {
        read(&self.folder.join(FILE))
    }

    /// Returns all versions, the oldest first.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub(crate) fn all(&self) -> io::Result<Vec<Version>> {
        let numbers = self.numbers()?;
        numbers
            .into_iter()
            .map(|number| Ok(Version { number, note: self.get(number)?.0 }))
            .collect()
    }

    /// Returns what is known of a version, and its text.
    ///
    /// # Errors
    /// If there is none, or it cannot be read.
    pub(crate) fn get(&self, number: u32) -> io::Result<(Note, String)> {
        let found = read(&self.place(number))?.ok_or(io::ErrorKind::NotFound)?;
        let (note, body) = found.split_once('\n').unwrap_or((&found, ""));
        let read = note.strip_prefix(MARK).and_then(Note::read);
        // Somebody has been at it by hand: what is left of it is still worth something.
        let unknown = || Note { at: 0, by: None, what: "its first line cannot be read".to_owned() };
        Ok((read.unwrap_or_else(unknown), body.to_owned()))
    }

    /// Keeps `text` as the file and as the newest version; returns its number. It is on the disk when this
    /// returns; if it fails, the file is as it was.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn keep(&self, text: &str, note: &Note) -> io::Result<u32> {
        self.note_what_is(Unix(note.at))?;
        if self.numbers()?.is_empty() {
            // So that the first change can be undone as well.
            let what = "nothing was made in the page".to_owned();
            self.put_version("", &Note { at: note.at, by: None, what })?;
        }
        let number = self.put_version(text, note)?;
        if let Err(error) = write_whole(&self.folder, FILE, text.as_bytes(), 0o600) {
            // A version that never held is none.
            drop(fs::remove_file(self.place(number)));
            return Err(error);
        }
        self.prune();
        Ok(number)
    }

    /// Keeps the file as a version if it is none: it was changed by hand, or hark was ended between the two
    /// writes of a change.
    ///
    /// # Errors
    /// If it cannot be read, or not be written.
    pub(crate) fn note_what_is(&self, now: Unix) -> io::Result<()> {
        let text = self.text()?.unwrap_or_default();
        let is_known = match self.numbers()?.last() {
            Some(newest) => self.get(*newest)?.1 == text,
            None => text.is_empty(),
        };
        if is_known {
            return Ok(());
        }
        let what = "the file was found like this: changed by hand, or hark ended while it wrote";
        let note = Note { at: now.0, by: None, what: what.to_owned() };
        self.put_version(&text, &note).map(drop)
    }

    fn put_version(&self, text: &str, note: &Note) -> io::Result<u32> {
        let history = self.folder.join(HISTORY);
        for folder in [&self.folder, &history] {
            make_private(folder)?;
        }
        let number = self.numbers()?.last().map_or(1, |last| last.saturating_add(1));
        let text = format!("{MARK}{}\n{text}", note.line());
        write_whole(&history, &format!("{number}.yaml"), text.as_bytes(), 0o600)?;
        Ok(number)
    }

    fn place(&self, number: u32) -> PathBuf {
        self.folder.join(HISTORY).join(format!("{number}.yaml"))
    }

    /// Returns the numbers of all versions, the lowest first.
    fn numbers(&self) -> io::Result<Vec<u32>> {
        let entries = match fs::read_dir(self.folder.join(HISTORY)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut numbers = Vec::new();
        for entry in entries {
            let name = entry?.file_name();
            let number =
                name.to_str().and_then(|name| name.strip_suffix(".yaml")?.parse::<u32>().ok());
            numbers.extend(number);
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Removes the oldest versions beyond what is kept. What cannot be removed is tried again next time.
    fn prune(&self) {
        let Ok(numbers) = self.numbers() else { return };
        let mut bytes = 0;
        for (number, n) in numbers.iter().rev().zip(1_usize..) {
            let place = self.place(*number);
            bytes += fs::metadata(&place).map(|found| found.len()).unwrap_or_default();
            if n > MAX_VERSIONS || (n > MIN_VERSIONS && bytes > MAX_BYTES) {
                drop(fs::remove_file(place));
            }
        }
    }
}

fn read(path: &Path) -> io::Result<Option<String>> {
    match fs::metadata(path) {
        Ok(found) if found.len() > MAX_FILE => {
            Err(io::Error::other(format!("{} is longer than {MAX_FILE} bytes", path.display())))
        }
        Ok(_) => fs::read_to_string(path).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn make_private(folder: &Path) -> io::Result<()> {
    match crate::sys::private_folder().create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn note(what: &str) -> Note {
        Note { at: 1000, by: Some("root".to_owned()), what: what.to_owned() }
    }

    fn texts(versions: &Versions) -> Vec<String> {
        let all = versions.all().unwrap();
        all.iter().map(|version| versions.get(version.number).unwrap().1).collect()
    }

    #[test]
    fn each_change_is_a_version_that_nobody_else_can_read() {
        let folder = tempfile::tempdir().unwrap();
        let versions = Versions::new(folder.path());
        assert_eq!(versions.text().unwrap(), None);
        assert!(versions.all().unwrap().is_empty());
        assert_eq!(versions.keep("a: 1\n", &note("first")).unwrap(), 2);
        assert_eq!(versions.keep("a: 2\n", &note("second")).unwrap(), 3);
        assert_eq!(versions.text().unwrap().unwrap(), "a: 2\n");
        assert_eq!(versions.all().unwrap()[1], Version { number: 2, note: note("first") });
        assert_eq!(texts(&versions), ["", "a: 1\n", "a: 2\n"], "the first is what was before");
        for file in ["configuration/page.yaml", "configuration/history/1.yaml"] {
            let mode = fs::metadata(folder.path().join(file)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{file}");
        }
    }

    #[test]
    fn what_somebody_wrote_by_hand_is_kept_before_it_is_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let versions = Versions::new(folder.path());
        versions.keep("a: 1\n", &note("first")).unwrap();
        fs::write(super::super::path(folder.path()), "a: [ broken").unwrap();
        assert_eq!(versions.keep("a: 2\n", &note("second")).unwrap(), 4);
        assert_eq!(texts(&versions), ["", "a: 1\n", "a: [ broken", "a: 2\n"]);
        assert_eq!(versions.all().unwrap()[2].note.by, None);
        fs::remove_file(super::super::path(folder.path())).unwrap();
        versions.note_what_is(Unix(7)).unwrap();
        assert_eq!(texts(&versions)[4], "", "removed by hand is a change as well");
    }

    /// As if it was killed after the version and before the file.
    #[test]
    fn a_version_that_never_held_costs_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let versions = Versions::new(folder.path());
        versions.keep("a: 1\n", &note("first")).unwrap();
        versions.put_version("a: 2\n", &note("lost")).unwrap();
        versions.note_what_is(Unix(5)).unwrap();
        assert_eq!(versions.text().unwrap().unwrap(), "a: 1\n");
        assert_eq!(
            texts(&versions),
            ["", "a: 1\n", "a: 2\n", "a: 1\n"],
            "and the newest is what holds"
        );
        versions.note_what_is(Unix(6)).unwrap();
        assert_eq!(versions.all().unwrap().len(), 4, "once");
    }

    #[test]
    fn where_nothing_can_be_written_all_stays_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let versions = Versions::new(folder.path());
        versions.keep("a: 1\n", &note("first")).unwrap();
        // A folder where the file's first half would go: as little can be written as on a full disk.
        fs::create_dir(folder.path().join("configuration/page.yaml.part")).unwrap();
        versions.keep("a: 2\n", &note("second")).unwrap_err();
        assert_eq!(versions.text().unwrap().unwrap(), "a: 1\n");
        assert_eq!(texts(&versions), ["", "a: 1\n"]);
    }

    #[test]
    fn the_oldest_versions_go() {
        let folder = tempfile::tempdir().unwrap();
        let versions = Versions::new(folder.path());
        for n in 0..MAX_VERSIONS + 3 {
            versions.put_version(&format!("a: {n}\n"), &note("x")).unwrap();
        }
        versions.prune();
        let numbers = versions.numbers().unwrap();
        assert_eq!((numbers.len(), numbers[0]), (MAX_VERSIONS, 4));
    }
}

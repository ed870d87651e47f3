//! The files that a log has become: `app.log.1`, `app.log-20260101`, `app-2026-01-01.log.gz`.

use std::fs::File;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::place::{Fingerprint, Place};
use crate::sys::{self, Facts};

/// Bound on the old files of one log that are looked at.
const MAX_RELATIVES: usize = 100;

/// Bound on the entries of a folder that are looked at.
const MAX_ENTRIES: usize = 10_000;

/// A file that is done with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Done {
    /// How it begins.
    #[serde(flatten)]
    print: Fingerprint,
    /// Which file system, and which file on it; 0 where an earlier version did not keep it.
    #[serde(default)]
    dev: u64,
    #[serde(default)]
    ino: u64,
}

impl Done {
    /// That which `place` is in.
    pub(crate) fn of(place: &Place) -> Self {
        Self { print: place.print, dev: place.dev, ino: place.ino }
    }

    /// Returns true if `relative` is the file itself, and not another that has got its number.
    fn is(&self, relative: &Relative) -> bool {
        !relative.packed
            && (self.dev, self.ino) == (relative.found.dev, relative.found.ino)
            && relative.begins(self.print)
    }
}

/// A file that may hold what a log held before.
#[derive(Debug)]
pub(crate) struct Relative {
    pub(crate) path: PathBuf,
    pub(crate) found: Facts,
    pub(crate) packed: bool,
    /// Whether its name says that it was rotated away.
    named: bool,
}

impl Relative {
    fn written(&self) -> (i64, i64) {
        self.found.written
    }

    fn open(&self) -> Option<File> {
        File::open(&self.path).ok()
    }

    /// Returns true if it is what `place` is in, under this name.
    fn holds(&self, place: &Place) -> bool {
        let long_enough =
            |file: &File| sys::facts(file).is_ok_and(|found| found.len >= place.offset);
        let Some(file) = self.open() else { return false };
        if self.packed {
            return !place.print.is_empty() && place.print.fits_packed(file).unwrap_or(false);
        }
        long_enough(&file) && place.print.fits(&file).unwrap_or(false)
    }

    /// Returns true if there is something in it.
    fn has_content(&self) -> bool {
        let print = if self.packed {
            self.open().and_then(|file| Fingerprint::of_packed(file).ok())
        } else {
            self.open().and_then(|file| Fingerprint::of_file(&file).ok())
        };
        print.is_some_and(|print| !print.is_empty())
    }

    /// Returns true if it is one of `done`, or a copy of one that is not there any more: packed, or made
    /// before the file was emptied. Logs without a time in each line may all begin alike, so another file
    /// beside one that is done with is not taken for its copy.
    fn is_one_of(&self, done: &[Done], relatives: &[Self]) -> bool {
        let is_it = |done: &Done| {
            done.is(self)
                || (self.begins(done.print)
                    && (self.packed || !relatives.iter().any(|other| done.is(other))))
        };
        done.iter().filter(|done| !done.print.is_empty()).any(is_it)
    }

    fn begins(&self, print: Fingerprint) -> bool {
        let Some(file) = self.open() else { return false };
        let fits = if self.packed { print.fits_packed(file) } else { print.fits(&file) };
        fits.unwrap_or(false)
    }
}

/// The files beside `path` that were it once, the one written first in front; `path` itself is not
/// among them. Files with other names are there only to be known by their number.
pub(crate) fn relatives(path: &Path) -> Vec<Relative> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|n| n.to_str()))
    else {
        return Vec::new();
    };
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut relatives: Vec<Relative> = entries
        .take(MAX_ENTRIES)
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let other = entry.file_name();
            let other = other.to_str().filter(|other| *other != name)?;
            let packed = is_packed(other);
            let named = was_rotated(name, other);
            let found = sys::facts_at(&entry)?;
            Some(Relative { path: entry.path(), found, packed, named })
        })
        .collect();
    // What was written in the same instant: `.2` is older than `.1`.
    relatives.sort_by(|a, b| {
        a.written().cmp(&b.written()).then_with(|| number(&b.path).cmp(&number(&a.path)))
    });
    relatives
}

/// Returns the one that `place` is in: the same file, else a copy, else a packed one.
pub(crate) fn holder<'r>(place: &Place, relatives: &'r [Relative]) -> Option<&'r Relative> {
    let same = relatives.iter().find(|r| !r.packed && place.is_in(&r.found) && r.holds(place));
    if same.is_some() || place.print.is_empty() {
        return same;
    }
    let mut named = relatives.iter().rev().filter(|r| r.named).take(MAX_RELATIVES);
    let copy = |r: &&Relative| !r.packed && r.holds(place);
    let packed = |r: &&Relative| r.packed && r.holds(place);
    named.clone().find(copy).or_else(|| named.find(packed))
}

/// Returns the next one that was written after `written`, and that is none of `done`.
pub(crate) fn next_after<'r>(
    written: (i64, i64),
    done: &[Done],
    relatives: &'r [Relative],
) -> Option<&'r Relative> {
    let later = relatives.iter().filter(|r| r.named && r.written() >= written);
    // An empty one has no beginning to be known by: it would be found again and again.
    later.take(MAX_RELATIVES).find(|r| !r.is_one_of(done, relatives) && r.has_content())
}

/// Tells whether `other` is a name that rotation gives to `name`: a number or a date after the
/// name or before its ending, and perhaps `.gz`.
pub(crate) fn was_rotated(name: &str, other: &str) -> bool {
    let other = other.strip_suffix(".gz").unwrap_or(other);
    if other == name {
        return true;
    }
    let dated = |middle: &str| {
        middle == ".old"
            || (middle.starts_with(['.', '-', '_'])
                && middle.contains(|c: char| c.is_ascii_digit())
                && middle.chars().all(|c| c.is_ascii_digit() || "._-:TZ+".contains(c)))
    };
    if other.strip_prefix(name).is_some_and(dated) {
        return true;
    }
    let Some((stem, ending)) = name.rsplit_once('.') else { return false };
    let middle = other
        .strip_prefix(stem)
        .and_then(|rest| rest.strip_suffix(ending))
        .and_then(|rest| rest.strip_suffix('.'));
    middle.is_some_and(dated)
}

/// As gzip names them.
fn is_packed(name: &str) -> bool {
    name.strip_suffix(".gz").is_some()
}

/// Returns the number at the end of a name, `.gz` aside.
fn number(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    let name = name.strip_suffix(".gz").unwrap_or(name);
    let digits = name.len() - name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    name.get(name.len() - digits..)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_rotation_gives_are_known() {
        for (name, other, rotated) in [
            ("app.log", "app.log.1", true),
            ("app.log", "app.log.12.gz", true),
            ("app.log", "app.log-20260101", true),
            ("app.log", "app.log.2026-01-01T10:00:00Z.gz", true),
            ("app.log", "app-20260101.log", true),
            ("app.log", "app.1.log.gz", true),
            ("app.log", "app.log.gz", true),
            ("app.log", "app.log.old", true),
            ("syslog", "syslog.1", true),
            ("app.log", "app-error.log", false),
            ("app.log", "app2.log", false),
            ("app.log", "application.log", false),
            ("app.log", "app.log.swp", false),
            ("app.log", "app.log.1.tmp", false),
        ] {
            assert_eq!(was_rotated(name, other), rotated, "{other}");
        }
    }

    #[test]
    fn the_oldest_stands_in_front() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join("a.log");
        for (name, seconds) in [("a.log.1", 30), ("a.log.2", 30), ("a.log.3", 10), ("a.log", 40)] {
            let path = folder.path().join(name);
            std::fs::write(&path, name).unwrap();
            let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
            File::options().append(true).open(&path).unwrap().set_modified(time).unwrap();
        }
        let names: Vec<_> = relatives(&base)
            .iter()
            .map(|r| r.path.file_name().unwrap().to_str().unwrap().to_owned())
            .collect();
        assert_eq!(names, ["a.log.3", "a.log.2", "a.log.1"]);
    }
}

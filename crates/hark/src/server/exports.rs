//! Samples that were exported by the API: files in the data folder, for a day.
//!
//! A file has its name only when it is whole. Its bounds keep somebody who exports everything each minute from
//! filling the disk that the samples themselves need, and where that has little room left nothing is written.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hark_api::Timestamp;
use hark_api::keeping::Export;
use hark_model::{Clock, HostId, Unix};
use hark_store::history::View;
use thiserror::Error;

use crate::exchange::Form;
use crate::exchange::room::{FEWER, NoRoom, Room};
use crate::exchange::write::{self, Wanted};

/// How long a file is kept.
const KEPT: Duration = Duration::from_hours(24);

/// Files that are kept, the newest.
const MAX_FILES: usize = 8;

/// Bytes of one: some thirty million samples as a table.
const MAX_BYTES: u64 = 2 * 1024 * 1024 * 1024;

/// Bytes of all that are kept, beside one that is being written.
const MAX_KEPT: u64 = 2 * MAX_BYTES;

/// What a file that is not whole ends with.
const PART: &str = ".part";

/// The files.
#[derive(Debug)]
pub(crate) struct Exports {
    dir: PathBuf,
    room: Room,
}

/// Why there is no file.
#[derive(Debug, Error)]
pub(crate) enum ExportError {
    /// No series is meant.
    #[error("no series fits")]
    Nothing,
    /// It would be too long.
    #[error("it would be longer than {} GiB: ask for fewer hosts, metrics or days", MAX_BYTES >> 30)]
    Large,
    /// The disk would be full.
    #[error(transparent)]
    Room(#[from] NoRoom),
    /// Nobody wants it any more.
    #[error("it was ended before it was whole")]
    Ended,
    /// The disk fails.
    #[error("it cannot be written")]
    Io(#[from] io::Error),
}

impl Exports {
    /// Makes those of the server with this data folder.
    pub(super) fn of(data_dir: &Path) -> Self {
        let dir = data_dir.join("exports");
        Self { room: Room::at(&dir, FEWER), dir }
    }

    /// Writes what is wanted of the history in `history` into a file; `told` hears how many series are written, of
    /// how many, and may end it. Returns in words what it has come to.
    ///
    /// # Errors
    /// If there is no file.
    pub(crate) fn make(
        &self,
        history: &Path,
        wanted: &Wanted,
        form: Form,
        told: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<String, ExportError> {
        std::fs::create_dir_all(&self.dir)?;
        self.tidy();
        self.room.takes(0)?;
        let ids: BTreeSet<HostId> = wanted.hosts.iter().map(|(id, _)| *id).collect();
        let mut view = View::open(history, &|host| ids.contains(&host))?;
        let fits = |id: &HostId| view.series_of(*id).iter().filter(|d| wanted.fits(d)).count();
        let total: u64 = ids.iter().map(|id| fits(id) as u64).sum();
        if total == 0 {
            return Err(ExportError::Nothing);
        }
        let ending = match form {
            Form::Csv => "csv",
            Form::Openmetrics => "om",
            Form::Jsonl => "jsonl",
        };
        let name = format!("samples-{}.{ending}", Clock.now().unix.0);
        let (part, whole) = (self.dir.join(format!("{name}{PART}")), self.dir.join(&name));
        let file = File::create_new(&part)?;
        let written =
            self.write_to(&file, &mut view, wanted, form, &mut |n| told(n.min(total), total));
        let kept = written.and_then(|written| {
            file.sync_all()?;
            std::fs::rename(&part, &whole)?;
            Ok(written)
        });
        match kept {
            Ok(written) => {
                let damaged = match view.damaged() {
                    0 => String::new(),
                    n => format!("; {n} damaged pieces were left out"),
                };
                let write::Written { samples, series, .. } = written;
                Ok(format!("{samples} samples of {series} series in {name}{damaged}"))
            }
            Err(error) => {
                remove(&part);
                Err(error)
            }
        }
    }

    /// Writes it into `file`; `go_on` hears how many series are written, and may end it.
    fn write_to(
        &self,
        mut file: &File,
        view: &mut View,
        wanted: &Wanted,
        form: Form,
        go_on: &mut dyn FnMut(u64) -> bool,
    ) -> Result<write::Written, ExportError> {
        let mut bytes = 0u64;
        let mut put = |text: &str, series: u64| {
            bytes += text.len() as u64;
            if bytes > MAX_BYTES {
                return Err(ExportError::Large);
            }
            if !go_on(series) {
                return Err(ExportError::Ended);
            }
            self.room.takes(text.len() as u64)?;
            Ok(file.write_all(text.as_bytes())?)
        };
        let mut failed = None;
        let mut out = |text: &str, so_far: write::Written| match put(text, so_far.series) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        };
        let written = write::write(view, wanted, form, &mut out)?;
        failed.map_or(Ok(written), Err)
    }

    /// Returns the files that there are, the newest first.
    pub(crate) fn list(&self) -> Vec<Export> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let (Some(at), Ok(about)) = (made_at(&name), entry.metadata()) else { continue };
            if !name.ends_with(PART) && Clock.now().unix.since(at) < KEPT {
                found.push(Export { name, bytes: about.len(), made_at: Timestamp(at) });
            }
        }
        found.sort_by_key(|export| std::cmp::Reverse(export.made_at.0));
        found
    }

    /// Returns where one of them lies.
    pub(crate) fn path(&self, name: &str) -> Option<PathBuf> {
        // Only what is listed: a name with another folder in it is none of these.
        let is_there = self.list().iter().any(|export| export.name == name);
        is_there.then(|| self.dir.join(name))
    }

    /// Removes those whose day is over, parts of before, and the oldest of too many or too much.
    pub(crate) fn tidy(&self) {
        let mut bytes = 0;
        let newest = self.list().into_iter().take(MAX_FILES - 1).take_while(|export| {
            bytes += export.bytes;
            bytes <= MAX_KEPT
        });
        let kept: BTreeSet<String> = newest.map(|export| export.name).collect();
        for entry in std::fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let Some(at) = made_at(&name) else { continue };
            let is_over = Clock.now().unix.since(at) >= KEPT;
            if is_over || (!name.ends_with(PART) && !kept.contains(&name)) {
                remove(&entry.path());
            }
        }
    }
}

/// Returns when a file was begun, by its name; what else lies there is nobody's business.
fn made_at(name: &str) -> Option<Unix> {
    let number = name.strip_prefix("samples-")?.split('.').next()?;
    number.parse().ok().map(Unix)
}

/// Removes a file. One that cannot be is tried again with the next one.
pub(crate) fn remove(path: &Path) {
    if let Err(error) = std::fs::remove_file(path) {
        tracing::warn!(%error, path = %path.display(), "an exported file cannot be removed");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use hark_model::frame::encode_values;
    use hark_model::{HostName, MetricKind, SeriesDef, SeriesName, Unit};
    use hark_store::disk::LEAST_ROOM;
    use hark_store::history::{History, Settings};

    use super::*;

    /// A history with some hundred kilobytes of samples of one host, as text.
    fn history(dir: &Path) -> Wanted {
        let mut history = History::open(dir, Settings::default()).unwrap();
        let name = SeriesName::plain("test_monitor", "value");
        let defs = [SeriesDef { name, unit: Unit::None, kind: MetricKind::Gauge, decimals: 0 }];
        let (host, now) = (HostId(1), Clock.now());
        let set = history.declare(host, &defs, now).unwrap();
        for n in 0..10_000 {
            let mut values = Vec::new();
            encode_values(&defs, &[1.0], &mut values);
            history.append(host, set, Unix(now.unix.0 - n * 1000), &values, now).unwrap();
        }
        history.sync(now).unwrap();
        let hosts = vec![(host, HostName::new("web1").unwrap())];
        Wanted { hosts, metrics: Vec::new(), from: Unix(0), to: Unix(i64::MAX) }
    }

    #[test]
    fn the_room_that_the_server_wants_is_left_at_the_start_and_while_it_is_written() {
        /// What is free: less each time that it is asked for.
        static FREE: AtomicU64 = AtomicU64::new(0);
        let folder = tempfile::tempdir().unwrap();
        let wanted = history(&folder.path().join("history"));
        let mut exports = Exports::of(folder.path());
        exports.room =
            Room::told_by(&exports.dir, FEWER, |_| Ok(FREE.fetch_sub(100_000, Ordering::Relaxed)));
        let make = |free: u64| {
            FREE.store(free, Ordering::Relaxed);
            let history = folder.path().join("history");
            exports.make(&history, &wanted, Form::Csv, &mut |_, _| true)
        };
        let files = || std::fs::read_dir(folder.path().join("exports")).unwrap().count();
        for enough_for in [0, 1, 3] {
            // What is asked at the start comes before the first piece.
            let refused = make(LEAST_ROOM + enough_for * 100_000 - 1).unwrap_err();
            assert!(matches!(refused, ExportError::Room(_)), "{refused}");
            let asked =
                (LEAST_ROOM + enough_for * 100_000 - 1 - FREE.load(Ordering::Relaxed)) / 100_000;
            assert_eq!(asked, enough_for + 1, "it ends where there is too little");
            assert_eq!((files(), exports.list().len()), (0, 0), "nothing is left of it");
        }
        make(LEAST_ROOM * 2).unwrap();
        assert_eq!((files(), exports.list().len()), (1, 1));
        assert!(exports.list()[0].bytes > 400_000);
    }

    #[test]
    fn the_oldest_go_where_all_of_them_are_too_long() {
        let folder = tempfile::tempdir().unwrap();
        let exports = Exports::of(folder.path());
        let dir = folder.path().join("exports");
        std::fs::create_dir(&dir).unwrap();
        let now = Clock.now().unix.0;
        let name = |n: i64| format!("samples-{}.csv", now - n * 1000);
        for (n, bytes) in [(0, MAX_BYTES), (1, MAX_BYTES - 1), (2, 1), (3, 1), (4, 1)] {
            // As long, without taking room.
            File::create_new(dir.join(name(n))).unwrap().set_len(bytes).unwrap();
        }
        exports.tidy();
        let left: Vec<String> = exports.list().into_iter().map(|export| export.name).collect();
        assert_eq!(left, [name(0), name(1), name(2)]);
    }

    #[test]
    fn files_go_after_a_day_and_where_there_are_too_many_and_no_other_name_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let exports = Exports::of(folder.path());
        assert!(exports.list().is_empty(), "there is not even a folder");
        let dir = folder.path().join("exports");
        std::fs::create_dir(&dir).unwrap();
        let now = Clock.now().unix.0;
        let name = |n: i64| format!("samples-{}.csv", now - n * 1000);
        for n in 0..10 {
            std::fs::write(dir.join(name(n)), "x").unwrap();
        }
        let old = format!("samples-{}.csv", now - 86_400_001);
        let cut_off = format!("samples-{}.csv.part", now - 86_400_001);
        let under_way = format!("samples-{}.om.part", now - 1000);
        for other in [old.as_str(), &cut_off, &under_way, "notes.txt"] {
            std::fs::write(dir.join(other), "x").unwrap();
        }
        assert_eq!((exports.list().len(), exports.list()[0].name.clone()), (10, name(0)));
        for wrong in [old.as_str(), &under_way, "notes.txt", "../exports/notes.txt", ""] {
            assert_eq!(exports.path(wrong), None, "{wrong}");
        }
        assert_eq!(exports.path(&name(1)), Some(dir.join(name(1))));
        exports.tidy();
        assert_eq!(exports.list().len(), MAX_FILES - 1, "there is room for the next one");
        let is_there = |name: &str| dir.join(name).exists();
        assert!(is_there(&under_way) && is_there("notes.txt"));
        assert!(!is_there(&old) && !is_there(&cut_off) && !is_there(&name(9)));
    }
}

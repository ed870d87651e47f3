//! Keeping all that can still be read of a damaged history.
//!
//! The owner must not be at work on it. Every file with something wrong in it is written anew from what is
//! right in it; the old one is moved aside as it is, so that nothing is lost by a repair that was there
//! before it. Five-minute and hourly values whose samples are there are made of them again.

mod partitions;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::catalogue::reading::{self, Read};
use super::examine::{Watcher, numbered, read_block};
use super::level0::Found;
use super::level0::scan::{Scan as Blocks, paths};
use super::tier::DAY_MS;
use super::wal::scan::{Scan as Log, segment};
use super::wal::{Frames, LoggedFrame};

/// What is part of a history, beside its catalogue.
const FOLDERS: [&str; 5] = ["wal", "level0", "raw", "minutes", "hours"];

/// Something that was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mended {
    /// In which file, within the folder of history.
    pub file: String,
    /// What, in words.
    pub what: String,
}

/// What a repair has come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repaired {
    /// What was done.
    pub mended: Vec<Mended>,
    /// Where the files lie that were damaged, if there were any.
    pub aside: Option<PathBuf>,
    /// Whether all was looked at.
    pub is_whole: bool,
}

/// Why a repair has ended early: what it has done until then stays.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    /// The operating system failed.
    #[error("cannot write to the history")]
    Io(#[from] io::Error),
    /// `SQLite` failed.
    #[error("cannot write a file of the history")]
    Sql(#[from] rusqlite::Error),
    /// A newer program has written it.
    #[error("the history is of a newer hark: repair it with that")]
    Newer,
}

/// Folders for what was moved aside: a disk that damages something each day must not fill itself.
const MAX_ASIDE: u32 = 100;

/// Repairs the history in `dir`, whose owner must not run. It can be done again at any time, also where it
/// was cut off.
///
/// # Errors
/// If the disk does not take what is written.
pub fn repair(dir: &Path, watcher: Watcher<'_>) -> Result<Repaired, RepairError> {
    let mut mend = Mend::of(dir);
    if dir.exists() {
        mend.done.is_whole = mend.all(watcher)?.is_continue();
    }
    mend.done.aside = mend.aside.exists().then_some(mend.aside);
    Ok(mend.done)
}

/// Writes the catalogue anew of what can be read of it, of its spare and of the chunks. Returns false if that
/// is nothing.
///
/// # Errors
/// As [`repair`].
pub(super) fn repair_catalogue(dir: &Path) -> Result<bool, RepairError> {
    let mut mend = Mend { is_owner: true, ..Mend::of(dir) };
    let ended = mend.catalogue(&mut |_| ControlFlow::Continue(()))?;
    for Mended { file, what } in &mend.done.mended {
        tracing::error!(file, what, "history was damaged");
    }
    Ok(ended.is_continue())
}

/// A repair that goes on.
struct Mend<'d> {
    dir: &'d Path,
    aside: PathBuf,
    read: Read,
    /// Whether the owner does it, who puts everything aside by himself.
    is_owner: bool,
    done: Repaired,
}

impl<'d> Mend<'d> {
    fn of(dir: &'d Path) -> Self {
        let name = |n: u32| dir.join(format!("aside-{n}"));
        let aside = (1..MAX_ASIDE).map(name).find(|path| !path.exists());
        let aside = aside.unwrap_or_else(|| name(MAX_ASIDE));
        Self { dir, aside, read: Read::default(), is_owner: false, done: Repaired::default() }
    }

    fn all(&mut self, watcher: Watcher<'_>) -> Result<ControlFlow<()>, RepairError> {
        if self.catalogue(watcher)?.is_break()
            || self.log(watcher)?.is_break()
            || self.blocks(watcher)?.is_break()
        {
            return Ok(ControlFlow::Break(()));
        }
        self.partitions(watcher)
    }

    fn say(&mut self, file: &str, what: impl Into<String>) {
        self.done.mended.push(Mended { file: file.to_owned(), what: what.into() });
    }

    /// Moves a file aside, with what belongs to it.
    fn move_aside(&mut self, file: &str) -> io::Result<()> {
        for tail in ["", "-wal", "-shm"] {
            let name = format!("{file}{tail}");
            let (from, to) = (self.dir.join(&name), self.aside.join(&name));
            if from.exists() {
                std::fs::create_dir_all(to.parent().unwrap_or(&self.aside))?;
                std::fs::rename(from, to)?;
            }
        }
        Ok(())
    }

    /// Keeps a file aside that goes on having its name until another takes it, and moves there what belongs to
    /// it and must not be beside another.
    fn keep_aside(&mut self, file: &str) -> io::Result<()> {
        let (from, to) = (self.dir.join(file), self.aside.join(file));
        if from.exists() && !to.exists() {
            std::fs::create_dir_all(to.parent().unwrap_or(&self.aside))?;
            // Where a disk knows no second names, a copy does as well.
            std::fs::hard_link(&from, &to).or_else(|_| std::fs::copy(&from, &to).map(drop))?;
        }
        for tail in ["-wal", "-shm"] {
            self.move_aside(&format!("{file}{tail}"))?;
        }
        Ok(())
    }

    /// Puts a file in the place of a damaged one, which is kept aside: `write` is given where to write. Wherever
    /// it is cut off, one of the two has the name.
    fn replace(
        &mut self,
        file: &str,
        write: impl FnOnce(&Path) -> Result<(), RepairError>,
    ) -> Result<(), RepairError> {
        let unfinished = self.dir.join(format!("{file}.new"));
        for tail in ["", "-wal", "-shm"] {
            let left = self.dir.join(format!("{file}.new{tail}"));
            if left.exists() {
                std::fs::remove_file(left)?;
            }
        }
        write(&unfinished)?;
        File::open(&unfinished)?.sync_all()?;
        self.keep_aside(file)?;
        std::fs::rename(&unfinished, self.dir.join(file))?;
        Ok(sync_folder(&self.dir.join(file))?)
    }

    fn replace_bytes(&mut self, file: &str, bytes: &[u8]) -> Result<(), RepairError> {
        self.replace(file, |path| Ok(File::create(path)?.write_all(bytes)?))
    }

    fn catalogue(&mut self, watcher: Watcher<'_>) -> Result<ControlFlow<()>, RepairError> {
        if watcher(reading::FILE).is_break() {
            return Ok(ControlFlow::Break(()));
        }
        match Read::of(self.dir) {
            Ok(read) if read.is_newer() => return Err(RepairError::Newer),
            Ok(read) => self.read = read,
            Err(_) if !self.has_samples() => return Ok(ControlFlow::Continue(())),
            Err(error) => self.read.wrong.push(error.to_string()),
        }
        if self.read.wrong.is_empty() {
            return Ok(ControlFlow::Continue(()));
        }
        self.read.add_spare(self.dir);
        if self.read.sets.is_empty() && self.is_owner {
            return Ok(ControlFlow::Break(()));
        }
        if self.read.sets.is_empty() {
            for name in FOLDERS.into_iter().chain([reading::FILE, reading::SPARE]) {
                self.move_aside(name)?;
            }
            let what = "nothing of it can be read, so that nobody knows what the samples stand for: \
                        all was moved aside, and history begins anew";
            self.say(reading::FILE, what);
            return Ok(ControlFlow::Break(()));
        }
        let mut declared = self.held_by_partitions()?;
        let mut held = |host: u32, set: u32, at: i64| {
            let day = declared.entry((host, set)).or_insert(0);
            *day = at.div_euclid(DAY_MS).max(*day);
        };
        for Found { host, set, block } in Blocks::of(&self.dir.join("level0"))?.waiting {
            held(host, set, block.newest);
        }
        for path in numbered(&self.dir.join("wal"), "log")?.into_values() {
            let bytes = std::fs::read(path)?;
            for batch in Log::of(&bytes).batches {
                for frame in Frames::new(bytes.get(batch).unwrap_or_default()) {
                    held(frame.host, frame.set, frame.at);
                }
            }
        }
        let read = std::mem::take(&mut self.read);
        self.replace(reading::FILE, |path| Ok(read.write(path, &declared)?))?;
        let what = format!("written anew with {} sets of series", read.sets.len());
        self.say(reading::FILE, what);
        self.read = read;
        Ok(ControlFlow::Continue(()))
    }

    fn has_samples(&self) -> bool {
        FOLDERS.iter().any(|folder| {
            let listed = std::fs::read_dir(self.dir.join(folder));
            listed.is_ok_and(|mut listed| listed.next().is_some())
        })
    }

    fn log(&mut self, watcher: Watcher<'_>) -> Result<ControlFlow<()>, RepairError> {
        for (number, path) in numbered(&self.dir.join("wal"), "log")? {
            let file = format!("wal/{number:010}.log");
            if watcher(&file).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            let bytes = std::fs::read(path)?;
            let scan = Log::of(&bytes);
            let is_known = |frame: &LoggedFrame<'_>| self.read.sets.contains_key(&frame.set);
            let frames = |batch: &std::ops::Range<usize>| {
                Frames::new(bytes.get(batch.clone()).unwrap_or_default())
            };
            let unknown: usize = scan
                .batches
                .iter()
                .map(|batch| frames(batch).filter(|frame| !is_known(frame)).count())
                .sum();
            if scan.damaged.is_empty() && unknown == 0 {
                continue;
            }
            let kept = scan.batches.iter().map(|batch| frames(batch).filter(is_known).collect());
            let written = segment(kept);
            self.replace_bytes(&file, &written)?;
            let lost: usize = scan.damaged.iter().map(std::ops::Range::len).sum();
            let what = format!(
                "{} whole batches kept, {lost} bytes and {unknown} frames of unknown series left out",
                scan.batches.len()
            );
            self.say(&file, what);
        }
        Ok(ControlFlow::Continue(()))
    }

    fn blocks(&mut self, watcher: Watcher<'_>) -> Result<ControlFlow<()>, RepairError> {
        let dir = self.dir.join("level0");
        let scan = Blocks::of(&dir)?;
        for (number, pair) in &scan.pairs {
            let file = format!("level0/{number:010}");
            if watcher(&file).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            let of_pair = |found: &&Found| found.block.file == *number;
            let mut lost: Vec<Found> = scan.beyond.iter().filter(of_pair).copied().collect();
            if let Ok(data) = File::open(paths(&dir, *number).0) {
                let waiting = scan.waiting.iter().filter(of_pair).copied();
                lost.extend(waiting.filter(|found| {
                    !self.read.sets.contains_key(&found.set)
                        || read_block(&data, &found.block).is_err()
                }));
            }
            let is_orphan = !pair.has_index && pair.data_len.is_some_and(|len| len > 0);
            if is_orphan {
                self.move_aside(&format!("{file}.dat"))?;
                self.say(&format!("{file}.dat"), "moved aside: nothing says what its blocks are");
                continue;
            }
            if lost.is_empty() && pair.bad_entries.is_empty() {
                continue;
            }
            self.replace_bytes(&format!("{file}.idx"), &pair.index_without(*number, &lost))?;
            if pair.data_len.is_none() {
                self.replace_bytes(&format!("{file}.dat"), &[])?;
            }
            let frames: u64 = lost.iter().map(|found| u64::from(found.block.n_frames)).sum();
            let what = format!(
                "{} blocks with {frames} frames and {} damaged entries left out",
                lost.len(),
                pair.bad_entries.len()
            );
            self.say(&format!("{file}.idx"), what);
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Returns which sets the hosts have that rows are of, with the day of the newest.
    fn held_by_partitions(&self) -> Result<BTreeMap<(u32, u32), i64>, RepairError> {
        let mut held = BTreeMap::new();
        for (tier, numbers) in super::examine::present(self.dir)? {
            for number in numbers {
                let path = super::partition::path_of(self.dir, tier, number);
                // A damaged one is dealt with later.
                let Ok(connection) = super::examine::open(&path) else { continue };
                let mut look = || -> rusqlite::Result<()> {
                    let sql = "SELECT host, series_set, max(to_ms) FROM chunk GROUP BY 1, 2";
                    let mut statement = connection.prepare(sql)?;
                    let mut rows = statement.query([])?;
                    while let Some(row) = rows.next()? {
                        let day = row.get::<_, i64>(2)?.div_euclid(DAY_MS);
                        let newest = held.entry((row.get(0)?, row.get(1)?)).or_insert(day);
                        *newest = day.max(*newest);
                    }
                    Ok(())
                };
                drop(look());
            }
        }
        Ok(held)
    }
}

/// Makes the names in the folder of `path` survive a power cut.
fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) => crate::disk::Disk::real().sync_dir(folder),
        None => Ok(()),
    }
}

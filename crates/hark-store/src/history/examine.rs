//! Looking for damage: every byte that samples hang on is read, nothing is changed.
//!
//! It can be done while a server writes. What is looked at goes the way of the samples (log, blocks,
//! chunks), so that nothing is missed that is on its way; the catalogue is read again when something
//! speaks of a set that it did not know; and files that go meanwhile are done with.

mod blocks;
mod log;
mod partitions;

use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hark_model::SeriesDef;

use super::catalogue::reading;
use super::tier::Tier;

pub(super) use blocks::read_block;
pub(super) use partitions::{
    buckets_of, coarse_of, columns_of, gaps, is_same, open, present, row_of,
};

/// Findings that are kept in words; all are counted.
const MAX_FINDINGS: usize = 1000;

/// Called with what is looked at next; it may end the look there.
pub type Watcher<'w> = &'w mut dyn FnMut(&str) -> ControlFlow<()>;

/// What a finding means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// What a kill or a power cut leaves behind; the next start puts it right, and nothing is lost that was
    /// acknowledged.
    Trace,
    /// Something is not as it was written, or not there.
    Damage,
}

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// In which file, within the folder of history.
    pub file: String,
    /// What, in words.
    pub what: String,
    /// What it means.
    pub weight: Weight,
}

/// What a look at a history has come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Examined {
    /// Frames in the log.
    pub log_frames: u64,
    /// Blocks that are not in chunks.
    pub blocks: u64,
    /// Frames in them.
    pub block_frames: u64,
    /// Chunks of samples.
    pub chunks: u64,
    /// Frames in them.
    pub chunk_frames: u64,
    /// Rows of five-minute and hourly values.
    pub rows: u64,
    /// How much damage was found.
    pub damages: u64,
    /// How many traces of kills were found.
    pub traces: u64,
    /// The first of both, in words.
    pub findings: Vec<Finding>,
    /// Whether all was looked at.
    pub is_whole: bool,
}

impl Examined {
    /// Returns true if nothing is damaged.
    pub fn is_sound(&self) -> bool {
        self.damages == 0
    }

    fn find(&mut self, file: &str, weight: Weight, what: impl Into<String>) {
        match weight {
            Weight::Trace => self.traces += 1,
            Weight::Damage => self.damages += 1,
        }
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(Finding { file: file.to_owned(), what: what.into(), weight });
        }
    }

    fn damage(&mut self, file: &str, what: impl Into<String>) {
        self.find(file, Weight::Damage, what);
    }
}

/// Looks at the history in `dir`, which may be in use. `watcher` is told of each file.
///
/// # Errors
/// If a folder or file cannot be read at all: of damage there is a finding instead.
pub fn examine(dir: &Path, watcher: Watcher<'_>) -> io::Result<Examined> {
    let mut look = Look { dir, sets: Sets::of(dir), found: Examined::default() };
    if !dir.exists() {
        look.found.is_whole = true;
        return Ok(look.found);
    }
    let ended = look.all(watcher)?;
    look.catalogue();
    look.found.is_whole = ended.is_continue();
    Ok(look.found)
}

/// A look that goes on.
struct Look<'d> {
    dir: &'d Path,
    sets: Sets,
    found: Examined,
}

impl Look<'_> {
    fn all(&mut self, watcher: Watcher<'_>) -> io::Result<ControlFlow<()>> {
        if self.log(watcher)?.is_break() || self.blocks(watcher)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        self.partitions(watcher)
    }

    /// Says what is wrong with the catalogue itself; after all else, which has read it again if need was.
    fn catalogue(&mut self) {
        let is_needed = self.found.log_frames + self.found.blocks + self.found.chunks > 0;
        match &self.sets.read {
            Ok(read) => {
                for wrong in read.wrong.clone() {
                    self.found.damage(reading::FILE, wrong);
                }
                let unknown = read.hosts.iter().flat_map(|(host, sets)| {
                    let sets = sets.keys().filter(|set| !read.sets.contains_key(set));
                    sets.map(move |set| (*host, *set))
                });
                for (host, set) in unknown.collect::<Vec<_>>() {
                    let what = format!("host {host} has the set {set}, which is not there");
                    self.found.damage(reading::FILE, what);
                }
            }
            Err(error) if is_needed => {
                let what = format!("cannot be read: {error}");
                self.found.damage(reading::FILE, what);
            }
            Err(_) => {}
        }
    }
}

/// The sets of series, read again when one is not known.
struct Sets {
    dir: PathBuf,
    read: rusqlite::Result<reading::Read>,
    /// The set that was not known although everything was read again.
    unknown: Option<u32>,
}

impl Sets {
    fn of(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), read: reading::Read::of(dir), unknown: None }
    }

    /// Returns what it means that something is not as it was made: nothing while samples are erased, which
    /// changes one file after the other.
    fn weight(&mut self) -> Weight {
        self.read = reading::Read::of(&self.dir);
        let is_erasing = self.read.as_ref().is_ok_and(reading::Read::is_erasing);
        if is_erasing { Weight::Trace } else { Weight::Damage }
    }

    fn get(&mut self, set: u32) -> Option<Arc<[SeriesDef]>> {
        let known = |read: &rusqlite::Result<reading::Read>| {
            read.as_ref().ok().and_then(|read| read.sets.get(&set).cloned())
        };
        if let Some(defs) = known(&self.read) {
            return Some(defs);
        }
        // A set has a higher number than those before it: one below the unknown one is not new.
        if self.unknown.is_some_and(|unknown| set <= unknown) {
            return None;
        }
        self.read = reading::Read::of(&self.dir);
        let found = known(&self.read);
        if found.is_none() {
            self.unknown = Some(set);
        }
        found
    }
}

/// Returns the files of a folder of history with numbers for names, in their order.
pub(super) fn numbered(dir: &Path, extension: &str) -> io::Result<BTreeMap<u64, PathBuf>> {
    let mut files = BTreeMap::new();
    let listed = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(files),
        listed => listed?,
    };
    for entry in listed {
        let path = entry?.path();
        if let Some(number) = super::wal::number_of(&path, extension) {
            files.insert(number, path);
        }
    }
    Ok(files)
}

/// Returns how a partition is called in a finding.
pub(super) fn partition_name(tier: Tier, number: i64) -> String {
    format!("{}/{number}.db", tier.word())
}

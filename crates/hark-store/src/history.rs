//! Samples, kept small: an own layout for frames of many values that come every few seconds.
//!
//! ```text
//! append ─> log (synced) ─> heads ──60 frames──> blocks ──960──> chunks ─> minutes, hours
//!           wal/*.log       memory               level0/*        raw/<day>.db    minutes/, hours/
//! ```
//!
//! A frame's value bytes are copied from the datagram to the log, the head and the block without
//! being decoded; only when some four hours of a host are gathered are they turned into columns and
//! compressed, once. What was synced is in the log until it is, synced, in a block, and in a block
//! until it is, synced, in a chunk.
//!
//! A start reads the catalogue and the index of the blocks and is ready; what the old log still holds
//! is taken in afterwards, by [`History::maintain`]. There are no threads here: whoever owns it calls
//! [`History::append`], [`History::sync`] and [`History::maintain`] in turn.
//!
//! When the disk is full or fails, history *stops*: nothing is accepted, and every ten seconds it is
//! tried whether the disk works again. Then everything is opened anew from what is on the disk, which
//! is all that was ever acknowledged. Alerting never waits for any of this.

mod aging;
mod bytes;
mod catalogue;
mod chunk;
mod erase;
mod error;
mod examine;
mod exceptions;
mod fetch;
pub(crate) mod files;
mod follow;
mod foretold;
mod heads;
mod import;
mod level0;
mod maintain;
mod merge;
mod partition;
mod query;
mod repair;
mod room;
mod strand;
mod survey;
mod thin;
mod tier;
mod view;
mod wal;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hark_model::frame::{ValueReader, scale};
use hark_model::record::HostId;
use hark_model::time::{Mono, Now, Unix};
use hark_model::{SeriesDef, SeriesName};

pub use catalogue::{Mark, News};
pub use erase::{EraseError, Erasing, Erasure, Weighed, weigh};
pub use error::{AppendError, DeclareError, OpenError, Trouble};
pub use examine::{Examined, Finding, Watcher, Weight, examine};
pub use exceptions::{Exception, Exceptions, Fits};
pub use fetch::{Fetch, Fetched, Kept, KeptBucket};
pub use follow::{LogFrame, LogPlace, LogReader};
pub use import::{Brought, ImportError, Imported, MAX_IMPORTED};
pub use partition::Readers;
pub use query::{Answer, Line, MAX_LINES, MAX_POINTS, QueryPlan};
pub use repair::{Mended, RepairError, Repaired, repair};
pub use survey::{Extent, Largest, Survey, TierSurvey, survey};
pub use tier::Tier;
pub use view::{Each, View};

use crate::disk::Disk;
use crate::fault::Fault;
use aging::Aging;
use catalogue::Catalogue;
use erase::Erasures;
use heads::{Replay, strand_of};
use level0::Level0;
use maintain::Pending;
use partition::Partitions;
use strand::Strand;
use thin::Thinning;
use tier::DAY_MS;
use wal::Wal;

/// Sealed frames after which they become a chunk: four hours at 15 seconds. With half as many they take
/// 4 % more room, with twice as many 2 % less.
const CHUNK_FRAMES: u64 = 900;

/// Hosts are numbered from one on; a number above this is a mistake, not a host.
const MAX_HOST: u32 = 4_000_000;

/// Damaged histories kept aside: a disk that damages one each day must not fill itself.
const MAX_ASIDE: u32 = 3;

/// How far in the future a frame's time may lie; more is a wrong clock.
const MAX_AHEAD_MS: i64 = DAY_MS;

/// For how long, and how much, history is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long every sample is kept.
    pub raw: Duration,
    /// How long buckets of five minutes are kept.
    pub minutes: Duration,
    /// How long buckets of an hour are kept.
    pub hours: Duration,
    /// How many bytes all of it may take, about; the oldest samples go first.
    pub max_bytes: u64,
    /// How many bytes the partitions of each tier may take, about, samples first; the oldest of that tier go
    /// first.
    pub max_tier_bytes: [Option<u64>; 3],
    /// Whether some series are kept for another time: nothing goes because of its age before
    /// [`History::keep`] says which.
    pub has_exceptions: bool,
}

impl Default for Settings {
    fn default() -> Self {
        let days = |n: u64| Duration::from_secs(n * 86_400);
        Self {
            raw: days(14),
            minutes: days(90),
            hours: days(400),
            max_bytes: 20 * 1024 * 1024 * 1024,
            max_tier_bytes: [None; 3],
            has_exceptions: false,
        }
    }
}

/// A set of series that was declared: see [`History::declare`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SetId {
    number: u32,
    epoch: u32,
}

impl SetId {
    /// The id of sets that are read and not kept: no history has it, as its epochs begin at 1. Frames of it are
    /// counted as refused.
    pub const KEPT_NOWHERE: Self = Self { number: 0, epoch: 0 };
}

/// Why and since when history is stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// What kind of failure.
    pub fault: Fault,
    /// In words.
    pub reason: String,
    /// Since when.
    pub since: Unix,
    next_try: Mono,
}

/// What was counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Frames that were synced.
    pub frames: u64,
    /// Frames that were there already.
    pub duplicates: u64,
    /// Frames that were refused or dropped unacknowledged because history was stopped.
    pub refused: u64,
    /// Frames whose time was out of range.
    pub out_of_range: u64,
    /// Frames, blocks and files that were damaged and left out.
    pub damaged: u64,
    /// Frames taken in from the log after a start.
    pub replayed: u64,
    /// Chunks made.
    pub chunks: u64,
    /// How many times history was stopped.
    pub stops: u64,
}

/// How history is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Set if it is stopped.
    pub stopped: Option<Stopped>,
    /// True while the log of the last run is taken in.
    pub is_replaying: bool,
    /// What was counted.
    pub counts: Counts,
    /// Series of all hosts.
    pub series: u64,
    /// Bytes of the log.
    pub log_bytes: u64,
    /// Bytes of the log that are kept for those alone who read it.
    pub followed_bytes: u64,
    /// Bytes of sealed blocks.
    pub block_bytes: u64,
    /// Bytes of each tier, raw first, as measured within the last minutes.
    pub tier_bytes: [u64; 3],
}

/// The newest value of a series.
#[derive(Clone, Debug, PartialEq)]
pub struct Latest {
    /// The series.
    pub def: SeriesDef,
    /// When it was taken.
    pub at: Unix,
    /// The value; a counter's is what it counts, not its rate. NaN stands for absent.
    pub value: f64,
}

/// The history, open for writing. One per data folder.
#[derive(Debug)]
pub struct History {
    dir: PathBuf,
    disk: Disk,
    settings: Settings,
    epoch: u32,
    catalogue: Catalogue,
    wal: Wal,
    level0: Level0,
    partitions: Partitions,
    /// The strands of each host, by the host's number.
    hosts: Vec<Vec<Strand>>,
    n_strands: usize,
    /// For each segment of the log how many strands have their first open frame there.
    holding: BTreeMap<u64, u64>,
    /// Strands with enough sealed frames for a chunk.
    due: VecDeque<(u32, u32)>,
    pending: Vec<Pending>,
    pending_since: Mono,
    replay: Replay,
    sweep_at: usize,
    next_sweep: Mono,
    next_minute: Mono,
    next_spare: Mono,
    /// The segment of the log that is written, and since when at least.
    segment_since: (u64, Mono),
    /// Until when samples that are too old are kept for the next batch of an import.
    holds_old_until: Option<Mono>,
    aging: Aging,
    /// The time that what is kept goes by, once that is known.
    aged: Option<Unix>,
    /// Series that are kept for another time, once they are known.
    exceptions: Option<Arc<Exceptions>>,
    thinning: Thinning,
    erasures: Erasures,
    counts: Counts,
    stopped: Option<Stopped>,
    /// Whether what room there is belongs to the state alone.
    gives_way: bool,
}

impl History {
    /// Opens the history in folder `dir`, making it if it is not there. Takes well under a second even
    /// for 100,000 hosts: what the log of the last run holds is taken in by [`History::maintain`].
    ///
    /// # Errors
    /// If it is of a newer hark, or cannot be used now: try again in some seconds, and go on without it
    /// meanwhile.
    pub fn open(dir: &Path, settings: Settings) -> Result<Self, OpenError> {
        Self::open_on(dir, settings, Disk::real())
    }

    /// Opens the history on a given disk: for the simulator and for tests.
    ///
    /// # Errors
    /// As [`History::open`].
    pub fn open_on(dir: &Path, settings: Settings, disk: Disk) -> Result<Self, OpenError> {
        Ok(Self::open_epoch(dir, settings, disk, 1)?)
    }

    fn open_epoch(dir: &Path, settings: Settings, disk: Disk, epoch: u32) -> Result<Self, Trouble> {
        std::fs::create_dir_all(dir)?;
        let (catalogue, n_lost) = match Catalogue::open(dir) {
            Err(trouble) if trouble.fault() == Fault::Corrupt => {
                if !repair::repair_catalogue(dir).is_ok_and(|is_repaired| is_repaired) {
                    tracing::error!(%trouble, "history cannot be understood any more: begun anew");
                    set_aside(dir, &disk)?;
                }
                (Catalogue::open(dir)?, 1)
            }
            opened => (opened?, 0),
        };
        let wal = Wal::open(&dir.join("wal"), disk.clone())?;
        let (level0, found) = Level0::open(&dir.join("level0"), disk.clone())?;
        let level0_damaged = level0.n_damaged();
        let partitions = Partitions::open(dir, disk.clone())?;
        let replay = Replay::of(&wal);
        let erasures = Erasures::of(catalogue.orders()?);
        let mut history = Self {
            dir: dir.to_owned(),
            disk,
            settings,
            epoch,
            catalogue,
            wal,
            level0,
            partitions,
            hosts: Vec::new(),
            n_strands: 0,
            holding: BTreeMap::new(),
            due: VecDeque::new(),
            pending: Vec::new(),
            pending_since: Mono(0),
            replay,
            sweep_at: 0,
            next_sweep: Mono(0),
            next_minute: Mono(0),
            next_spare: Mono(0),
            segment_since: (0, Mono(0)),
            holds_old_until: None,
            aging: Aging::default(),
            aged: None,
            exceptions: (!settings.has_exceptions).then(Arc::default),
            thinning: Thinning::default(),
            erasures,
            counts: Counts { damaged: n_lost + level0_damaged, ..Counts::default() },
            stopped: None,
            gives_way: false,
        };
        for found in found {
            if found.host <= MAX_HOST {
                let strand =
                    strand_of(&mut history.hosts, &mut history.n_strands, found.host, found.set);
                strand.sealed.push(found.block);
            }
        }
        history.find_due();
        Ok(history)
    }

    /// Returns the number under which frames of `series` of `host` are stored. The same list has the
    /// same number; a few microseconds if it is known.
    ///
    /// # Errors
    /// If the list cannot be, the host has too many series, or history is stopped.
    pub fn declare(
        &mut self,
        host: HostId,
        series: &[SeriesDef],
        now: Now,
    ) -> Result<SetId, DeclareError> {
        if host.0 > MAX_HOST {
            return Err(DeclareError::Host(host.0));
        }
        if self.erasures.is_gone(host.0) {
            return Err(DeclareError::Gone);
        }
        if self.stopped.is_some() {
            return Err(DeclareError::Stopped(None));
        }
        match self.catalogue.declare(host.0, series, now.unix) {
            Ok(number) => Ok(SetId { number, epoch: self.epoch }),
            Err(DeclareError::Stopped(Some(trouble))) => {
                self.stop(&trouble, now);
                Err(DeclareError::Stopped(Some(trouble)))
            }
            Err(refused) => Err(refused),
        }
    }

    /// Adds a frame to the batch that the next [`History::sync`] writes. `values` are bytes that
    /// `hark_model::frame::check_values` accepts for the set; others are stored and left out later.
    ///
    /// # Errors
    /// If the frame is not part of the batch.
    #[inline]
    pub fn append(
        &mut self,
        host: HostId,
        set: SetId,
        at: Unix,
        values: &[u8],
        now: Now,
    ) -> Result<(), AppendError> {
        if self.stopped.is_some() {
            self.counts.refused += 1;
            return Err(AppendError::Stopped);
        }
        if set.epoch != self.epoch || host.0 > MAX_HOST {
            if set == SetId::KEPT_NOWHERE {
                self.counts.refused += 1;
                return Ok(());
            }
            return Err(AppendError::Undeclared);
        }
        if self.erasures.is_gone(host.0) {
            return Err(AppendError::Gone);
        }
        let oldest = now.unix - self.settings.raw;
        if at.0 < oldest.0 || at.0 > now.unix.0.saturating_add(MAX_AHEAD_MS) {
            self.counts.out_of_range += 1;
            return Err(AppendError::Time);
        }
        self.wal.push(host.0, set.number, at.0, values);
        if self.wal.is_batch_full() && self.sync(now).is_err() {
            return Err(AppendError::Stopped);
        }
        Ok(())
    }

    /// Writes and syncs what was appended; what it returns may be acknowledged. Returns how many
    /// frames that were.
    ///
    /// # Errors
    /// If history is or becomes stopped: none of the frames appended since the last success may be
    /// acknowledged.
    pub fn sync(&mut self, now: Now) -> Result<u64, AppendError> {
        if self.stopped.is_some() {
            return Err(AppendError::Stopped);
        }
        let n_frames = self.wal.n_frames();
        let written = self.catalogue.commit().and_then(|()| Ok(self.wal.sync()?));
        if let Err(trouble) = written {
            self.counts.refused += n_frames;
            self.wal.clear();
            self.stop(&trouble, now);
            return Err(AppendError::Stopped);
        }
        self.counts.frames += n_frames;
        let taken_in = self.take_in_batch();
        self.wal.clear();
        if let Err(trouble) = taken_in {
            // The frames are safe in the log; sealing them is what failed.
            self.stop(&trouble, now);
        }
        Ok(n_frames)
    }

    fn stop(&mut self, trouble: &Trouble, now: Now) {
        if self.stopped.is_some() {
            return;
        }
        let reason = match trouble {
            Trouble::Io(error) => format!("{}: {error}", trouble.fault().words()),
            Trouble::Sql(error) => format!("{}: {error}", trouble.fault().words()),
            Trouble::Newer { .. } => trouble.to_string(),
        };
        tracing::error!(reason, "history stopped");
        self.counts.stops += 1;
        self.stopped = Some(Stopped {
            fault: trouble.fault(),
            reason,
            since: now.unix,
            next_try: now.mono + maintain::RETRY,
        });
    }

    /// Stops while `is_full`: the disk has no room left but what the state has given up for itself, and
    /// alerting comes before samples. What was appended and not synced is not acknowledged.
    pub fn give_way(&mut self, is_full: bool, now: Now) {
        self.gives_way = is_full;
        if is_full && self.stopped.is_none() {
            self.counts.refused += self.wal.n_frames();
            self.wal.clear();
            self.stop(&maintain::full().into(), now);
        }
    }

    /// Returns the series that a host has declared, by set.
    pub fn series_of(&self, host: HostId) -> Vec<SeriesDef> {
        let mut all: Vec<SeriesDef> =
            self.catalogue.sets_of(host.0).flat_map(|(_, defs)| defs.iter().cloned()).collect();
        all.sort();
        all.dedup_by(|a, b| a.name == b.name);
        all
    }

    /// Returns the sets of a host with their series: those that were declared so lately that they count
    /// towards its bound.
    pub fn sets_of(&self, host: HostId, now: Now) -> Vec<(SetId, Arc<[SeriesDef]>)> {
        let lately = self.catalogue.lately(host.0, now.unix);
        let id = |number| SetId { number, epoch: self.epoch };
        lately.map(|(number, defs)| (id(number), Arc::clone(defs))).collect()
    }

    /// Returns the newest values of a host, by name. Right after a start there are none until the host
    /// was heard or the log taken in.
    pub fn latest(&self, host: HostId) -> Vec<Latest> {
        let mut all: BTreeMap<SeriesName, Latest> = BTreeMap::new();
        for strand in self.hosts.get(host.0 as usize).into_iter().flatten() {
            let Some(defs) = self.catalogue.set(strand.set) else { continue };
            let Some((at, values)) = strand.latest() else { continue };
            for (item, def) in ValueReader::new(&values).zip(defs.iter()) {
                let Ok(item) = item else { break };
                let value = scale(item, def.decimals);
                let latest = Latest { def: def.clone(), at: Unix(at), value };
                match all.get_mut(&def.name) {
                    Some(other) if other.at.0 >= at => {}
                    Some(other) => *other = latest,
                    None => {
                        all.insert(def.name.clone(), latest);
                    }
                }
            }
        }
        all.into_values().collect()
    }

    /// Returns the folder in which it lies.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Returns how history is.
    pub fn status(&self) -> Status {
        Status {
            stopped: self.stopped.clone(),
            is_replaying: self.replay.is_going_on(),
            counts: Counts {
                damaged: self.counts.damaged + self.partitions.n_damaged,
                ..self.counts
            },
            series: self.catalogue.n_series(),
            log_bytes: self.wal.bytes(),
            followed_bytes: self.wal.followed_bytes(),
            block_bytes: self.level0.bytes(),
            tier_bytes: Tier::ALL.map(|t| self.partitions.bytes(t)),
        }
    }

    /// Returns true if frames are accepted.
    pub fn is_running(&self) -> bool {
        self.stopped.is_none()
    }
}

/// Puts everything in `dir` aside. Without the catalogue nobody knows what the numbers in the other
/// files stand for, and new ones must not be mixed with them.
fn set_aside(dir: &Path, disk: &Disk) -> io::Result<()> {
    let name = |n: u32| {
        let mut name = dir.as_os_str().to_owned();
        name.push(format!(".damaged-{n}"));
        PathBuf::from(name)
    };
    let aside = (1..=MAX_ASIDE).map(name).find(|path| !path.exists());
    let aside = aside.unwrap_or_else(|| name(MAX_ASIDE));
    if aside.exists() {
        std::fs::remove_dir_all(&aside)?;
    }
    disk.rename(dir, &aside)?;
    std::fs::create_dir_all(dir)
}

#[cfg(test)]
mod tests;

//! What was measured and has not been acknowledged, on disk within a bound.
//!
//! Everything is appended here before it is sent. Two logs, of different worth: *samples*, which go
//! first when there is no room, and *reports* (events, results, facts), which go last. An
//! acknowledged entry is done with; a file without any other is removed. Cursors are stored now and
//! then: what is lost of them in a crash is sent again, and the server drops what it has.
//!
//! A damaged or torn entry is skipped and counted; what is given up for want of room or for age is
//! counted as a gap with its times. Both are told to the server; the gap is on the disk until then.
//!
//! Age is counted while the agent runs, on the clock that never jumps: by the wall clock, one that is
//! set wrong by years would make everything old that waits.
//!
//! A kill of the process at any instant loses nothing that was appended. A power cut may lose what
//! was appended since the last [`Spool::sync`]; reports are synced at once.

mod acked;
mod log;
mod segment;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hark_model::{Mono, Unix};
use thiserror::Error;

use log::Log;
pub use log::{Damage, Gap};
use segment::Kind;

use crate::slots::Slots;

/// How much may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all files.
    pub bytes: u64,
    /// Age of samples, counted while the agent runs.
    pub age: Duration,
}

impl Limits {
    /// The least that makes sense: some files of some hundred samples.
    pub const MIN_BYTES: u64 = 256 * 1024;
}

impl Default for Limits {
    /// A week without a server at 10 s and 33 values takes some 15 MiB.
    fn default() -> Self {
        Self { bytes: 64 * 1024 * 1024, age: Duration::from_hours(7 * 24) }
    }
}

/// Why there is no spool.
#[derive(Debug, Error)]
pub enum SpoolError {
    /// The folder cannot be made or read.
    #[error("cannot open the spool in {folder}")]
    Open {
        /// Where.
        folder: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// What waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pending {
    /// Entries of samples, each what fits one datagram.
    pub samples: u64,
    /// Reports.
    pub reports: u64,
    /// Bytes on disk.
    pub bytes: u64,
}

/// The definitions of sets by number, as they are sent.
pub type SetParts<'a> = (u32, &'a [Vec<u8>]);

/// The spool.
#[derive(Debug)]
pub struct Spool {
    limits: Limits,
    samples: Log,
    reports: Log,
    /// The lowest unacknowledged sample and report.
    cursor: Slots<2>,
    cursor_stored: [u64; 2],
    /// Epoch of the report numbers, and the number from which on none was given.
    numbers: Slots<2>,
    epoch: u64,
    reserved: u64,
    gap: Gap,
    /// The gap on the disk: how many, from, until.
    gap_kept: Slots<3>,
    unsaved: u64,
}

/// Report numbers are reserved in blocks, so that none is given twice even if the entry that had it
/// was lost in a power cut or could not be written.
const BLOCK: u64 = 1024;

impl Spool {
    /// Opens the spool in `folder`, or makes it.
    ///
    /// # Errors
    /// If the folder or its files cannot be made or read. Damage within files is no error.
    pub fn open(folder: &Path, limits: Limits, now: Unix) -> Result<Self, SpoolError> {
        let open = || -> io::Result<Self> {
            crate::sys::private_folder(folder)?;
            let (cursor, cursors) = Slots::<2>::open(&folder.join("cursor"))?;
            let (gap_kept, gap) = Slots::<3>::open(&folder.join("gap"))?;
            let (numbers, known) = Slots::<2>::open(&folder.join("numbers"))?;
            let [samples_cursor, reports_cursor] = cursors.unwrap_or([1, 1]);
            let fresh = u64::try_from(now.0).unwrap_or(0).max(1);
            let [epoch, reserved] = known.unwrap_or([fresh, 1]);
            let segment_len = (limits.bytes / 32).clamp(4 * 1024, 256 * 1024);
            let open = |which, cursor, next| Log::open(folder, which, segment_len, cursor, next);
            Ok(Self {
                limits,
                samples: open(("samples-", Kind::Frames), samples_cursor, 1)?,
                reports: open(("reports-", Kind::Report), reports_cursor, reserved)?,
                cursor,
                cursor_stored: [samples_cursor, reports_cursor],
                numbers,
                epoch,
                reserved: if known.is_some() { reserved } else { 0 },
                gap: gap.map_or_else(Gap::default, |[entries, from, until]| Gap {
                    entries,
                    from: from.cast_signed(),
                    until: until.cast_signed(),
                }),
                gap_kept,
                unsaved: 0,
            })
        };
        open().map_err(|source| SpoolError::Open { folder: folder.to_owned(), source })
    }

    /// Returns the epoch within which report numbers are given once.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Returns the number that the next report gets, which stands inside it.
    pub fn next_report(&self) -> u64 {
        self.reports.next_number()
    }

    /// Returns the number that the next samples get.
    pub fn next_samples(&self) -> u64 {
        self.samples.next_number()
    }

    /// Appends the samples of one datagram, with the definitions of the sets in it, and returns
    /// their number: under way until [`Spool::samples_done`] or [`Spool::samples_lost`]. If the disk
    /// refuses, they have a number all the same, and are only in the caller's hands.
    pub fn append_samples<'a>(
        &mut self,
        at: Unix,
        payload: &[u8],
        sets: impl IntoIterator<Item = SetParts<'a>>,
    ) -> u64 {
        self.make_room(payload.len());
        let (number, written) = self.samples.append(at.0, payload, &mut sets.into_iter());
        self.note(written);
        number
    }

    /// Appends a report, made with the number [`Spool::next_report`], and returns that number and
    /// whether it was written: else it is only in the caller's hands. Not on the disk before
    /// [`Spool::sync_reports`].
    pub fn append_report(&mut self, at: Unix, payload: &[u8]) -> (u64, bool) {
        self.reserve();
        self.make_room(payload.len());
        let (number, written) = self.reports.append(at.0, payload, &mut std::iter::empty());
        let saved = written.is_ok();
        self.note(written);
        (number, saved)
    }

    fn note(&mut self, written: io::Result<()>) {
        if let Err(error) = written {
            if self.unsaved == 0 {
                tracing::warn!(%error, "cannot write to the spool: what is not acknowledged now is lost");
            }
            self.unsaved += 1;
        }
    }

    fn reserve(&mut self) {
        if self.next_report() >= self.reserved
            && let Err(error) = self.reserve_reports(1)
        {
            tracing::warn!(%error, "cannot reserve report numbers");
        }
    }

    /// Makes sure that the next `count` reports can have numbers that follow one another, and that
    /// nobody else ever gets; returns the first of them.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn reserve_reports(&mut self, count: usize) -> io::Result<u64> {
        let first = self.next_report();
        let end = first + count as u64;
        if end > self.reserved {
            let reserved = end + BLOCK;
            self.numbers.store([self.epoch, reserved], true)?;
            self.reserved = reserved;
        }
        Ok(first)
    }

    /// Returns the number after the last report that was found on the disk when the spool was
    /// opened.
    pub fn first_report_not_found(&self) -> u64 {
        self.reports.found
    }

    /// Gives up the oldest samples, at last the oldest reports, until `len` more bytes fit.
    fn make_room(&mut self, len: usize) {
        let len = len as u64 + segment::OVERHEAD as u64;
        while self.samples.len() + self.reports.len() + len > self.limits.bytes {
            if !self.give_up() {
                return;
            }
        }
    }

    fn give_up(&mut self) -> bool {
        let gap = self.samples.drop_oldest().or_else(|| self.reports.drop_oldest());
        self.lost(gap.unwrap_or_default());
        gap.is_some()
    }

    /// Gives up samples that have waited longer than the bound while this agent ran. To be called now
    /// and then.
    pub fn give_up_old(&mut self, now: Mono) {
        while let Some(gap) = self.samples.drop_old(self.limits.age, now) {
            self.lost(gap);
        }
    }

    fn lost(&mut self, gap: Gap) {
        if gap.entries > 0 {
            self.gap.add(gap);
            self.keep_gap();
        }
    }

    fn keep_gap(&mut self) {
        let Gap { entries, from, until } = self.gap;
        let kept = [entries, from.cast_unsigned(), until.cast_unsigned()];
        if let Err(error) = self.gap_kept.store(kept, false) {
            tracing::warn!(%error, entries, "what was given up is not noted on the disk");
        }
    }

    /// Returns the oldest samples that wait, and puts them under way.
    pub fn read_samples(&mut self) -> Option<(u64, Vec<u8>)> {
        self.samples.read()
    }

    /// Returns the oldest report that waits, and puts it under way.
    pub fn read_report(&mut self) -> Option<(u64, Vec<u8>)> {
        self.reports.read()
    }

    /// The server has these samples.
    pub fn samples_done(&mut self, number: u64) {
        self.samples.done(number);
    }

    /// The server has this report.
    pub fn report_done(&mut self, number: u64) {
        self.reports.done(number);
    }

    /// These samples did not arrive: they wait again.
    pub fn samples_lost(&mut self, number: u64) {
        self.samples.release(number);
    }

    /// This report did not arrive: it waits again.
    pub fn report_lost(&mut self, number: u64) {
        self.reports.release(number);
    }

    /// Nothing that is under way arrived (a new session begins).
    pub fn all_lost(&mut self) {
        self.samples.release_all();
        self.reports.release_all();
    }

    /// Returns the definition of `set` as it was sent, in parts; empty if it is not known.
    pub fn set(&self, set: u32) -> Vec<Vec<u8>> {
        self.samples.set(set).unwrap_or_else(|error| {
            tracing::warn!(%error, set, "cannot look for a set in the spool");
            Vec::new()
        })
    }

    /// Returns what waits.
    pub fn pending(&self) -> Pending {
        Pending {
            samples: self.samples.pending(),
            reports: self.reports.pending(),
            bytes: self.samples.len() + self.reports.len(),
        }
    }

    /// Returns the number of the oldest report that is not done with; the next one's if all are.
    pub fn oldest_report(&self) -> u64 {
        self.reports.acked.cursor()
    }

    /// Returns how many entries of samples are not under way.
    pub fn samples_waiting(&self) -> u64 {
        self.samples.waiting()
    }

    /// Returns how many reports are not under way.
    pub fn reports_waiting(&self) -> u64 {
        self.reports.waiting()
    }

    /// Returns what was given up and is not told yet; none if nothing.
    pub fn gap(&self) -> Option<Gap> {
        (self.gap.entries > 0).then_some(self.gap)
    }

    /// What [`Spool::gap`] returned is in a report: it is told once. After a kill between the two it
    /// is told twice, which is better than not at all.
    pub fn gap_told(&mut self) {
        self.gap = Gap::default();
        self.keep_gap();
    }

    /// Returns what was found damaged since the last call; none if nothing.
    pub fn take_damage(&mut self) -> Option<Damage> {
        let mut damage = std::mem::take(&mut self.samples.damage);
        damage.add(std::mem::take(&mut self.reports.damage));
        (!damage.is_none()).then_some(damage)
    }

    /// Returns how many entries the disk refused since the last call.
    pub fn take_unsaved(&mut self) -> u64 {
        std::mem::take(&mut self.unsaved)
    }

    /// Makes every write fail from now on, as on a full disk, or no more.
    #[cfg(test)]
    pub(crate) fn refuse_writes(&mut self, refuse: bool) {
        self.samples.refuse = refuse;
        self.reports.refuse = refuse;
    }

    /// Brings what was appended onto the disk.
    ///
    /// # Errors
    /// If the disk refuses. What was appended is still sent, and a new file is begun.
    pub fn sync(&mut self) -> io::Result<()> {
        self.samples.sync().and(self.reports.sync())
    }

    /// Brings the reports that were appended onto the disk.
    ///
    /// # Errors
    /// As [`Spool::sync`].
    pub fn sync_reports(&mut self) -> io::Result<()> {
        self.reports.sync()
    }

    /// Stores how far the server has everything, if that has changed.
    ///
    /// # Errors
    /// If the disk refuses: after a restart more is sent again than needed.
    pub fn store_cursor(&mut self) -> io::Result<()> {
        let cursors = [self.samples.acked.cursor(), self.reports.acked.cursor()];
        if cursors != self.cursor_stored {
            self.cursor.store(cursors, false)?;
            self.cursor_stored = cursors;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

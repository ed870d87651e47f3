//! Partitions that stay although a part of what is in them is over, because of exceptions: series of some hosts
//! are kept shorter than the file, or longer than all else in it.
//!
//! A partition is gone through once for each time that comes to its end in it: host by host, by number. Rows
//! of which every series is over go; of the others the columns that are over are emptied, which needs no
//! decompression. Beside the rows of a host it says in the same transaction what was taken out of them, so
//! that a start or a changed configuration looks at hosts whose words differ, and at nothing else. When all
//! hosts are gone through, the room is given back.
//!
//! Samples go before the coarser values made of them, a file at a time. What is over in samples stays in the
//! coarser tiers: a chunk without a column fits rows that have it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::exceptions::{Exceptions, Over};
use super::partition::{Change, GivenBack, Held};
use super::tier::{self, DAY_MS, Tier};
use super::{History, Trouble, chunk};

/// Hosts looked at in one step; of most of them nothing is to be done.
const LOOKS: u32 = 64;

/// Rows of a host listed at once.
const LISTED: u32 = 256;

/// Rows taken out in one step: some megabytes of pages that are let go unread.
const REMOVED: usize = 64;

/// Rows written anew in one step: one is copied in some ten microseconds, a coarser one in a hundred.
const REWRITTEN: usize = 8;

/// Where the work stands.
#[derive(Debug, Default)]
pub(super) struct Thinning {
    /// What was over of each partition when it was gone through last.
    done: BTreeMap<(Tier, i64), Over>,
    under_way: Option<Pass>,
    /// Whether it may be that there is a partition to go through.
    is_due: bool,
}

/// One partition under way.
#[derive(Debug)]
struct Pass {
    key: (Tier, i64),
    over: Over,
    /// The host that was done last.
    host: u32,
    /// The row of the next one that was looked at last.
    row: i64,
    /// Whether all hosts are done, and only room is given back.
    gives_back: bool,
}

/// What one step is to write.
#[derive(Debug, Default)]
struct Batch {
    changes: Vec<Change>,
    notes: Vec<(u32, String)>,
    removed: usize,
    rewritten: usize,
}

impl Batch {
    fn is_full(&self) -> bool {
        self.removed >= REMOVED || self.rewritten >= REWRITTEN
    }
}

impl Thinning {
    /// Has every partition looked at again.
    pub(super) fn begin_anew(&mut self) {
        *self = Self { is_due: true, ..Self::default() };
    }

    /// Has it looked whether a time has come to its end; `touched` partitions have rows that are new.
    pub(super) fn look(&mut self, touched: &BTreeSet<(Tier, i64)>) {
        self.is_due = true;
        self.done.retain(|key, _| !touched.contains(key));
        if self.under_way.as_ref().is_some_and(|pass| touched.contains(&pass.key)) {
            self.under_way = None;
        }
    }

    /// Has it looked again, as it may be that more of some partition is over.
    pub(super) fn look_again(&mut self) {
        self.is_due = true;
    }

    /// Returns true if what is no exception was taken out of a partition.
    pub(super) fn is_rest_gone(&self, key: (Tier, i64)) -> bool {
        self.done.get(&key).is_some_and(|over| over.rest)
    }
}

impl History {
    /// Takes a step; returns whether there is more to do at once.
    pub(super) fn thin_step(&mut self) -> Result<bool, Trouble> {
        let Some(exceptions) = self.exceptions.clone() else { return Ok(false) };
        let Some(mut pass) = self.thinning.under_way.take().or_else(|| self.next_pass(&exceptions))
        else {
            return Ok(false);
        };
        if !pass.gives_back {
            pass.gives_back = self.thin_rows(&mut pass, &exceptions)?;
            self.thinning.under_way = Some(pass);
            return Ok(true);
        }
        match self.partitions.give_back(pass.key)? {
            GivenBack::All => {
                self.thinning.done.insert(pass.key, pass.over);
                Ok(true)
            }
            given @ (GivenBack::Some | GivenBack::Waits) => {
                self.thinning.under_way = Some(pass);
                Ok(given == GivenBack::Some)
            }
        }
    }

    /// Returns the first partition of which something is over that was not when it was gone through last.
    fn next_pass(&mut self, exceptions: &Exceptions) -> Option<Pass> {
        if !self.thinning.is_due {
            return None;
        }
        for key in self.partitions.keys() {
            let over = self.over(exceptions, key);
            if over.is_any() && self.thinning.done.get(&key) != Some(&over) {
                return Some(Pass { key, over, host: 0, row: 0, gives_back: false });
            }
        }
        self.thinning.is_due = false;
        None
    }

    /// Returns what is over of a partition.
    pub(super) fn over(&self, exceptions: &Exceptions, (tier, number): (Tier, i64)) -> Over {
        let Some(aged) = self.aged else { return Over::default() };
        let end = number.saturating_add(1).saturating_mul(DAY_MS * tier.days());
        let pressed = self.partitions.is_pressed((tier, number));
        exceptions.over(tier, end, self.settings.kept(tier), aged, pressed)
    }

    /// Returns which series of a set of a host are over among samples of the day of `at`: what is late is not
    /// taken in any more, as it is of every series that is older than samples are kept.
    pub(super) fn over_at(
        &self,
        host: u32,
        defs: &[hark_model::SeriesDef],
        at: i64,
    ) -> Option<Vec<bool>> {
        let exceptions = self.exceptions.as_ref()?;
        let key = (Tier::Raw, super::partition::partition_of(Tier::Raw, at));
        let over = self.over(exceptions, key);
        over.is_any().then(|| exceptions.gone(host, defs, &over))
    }

    /// Goes through some rows of a partition; returns whether it was the last of them.
    fn thin_rows(&mut self, pass: &mut Pass, exceptions: &Exceptions) -> Result<bool, Trouble> {
        let hosts = self.partitions.hosts_after(pass.key, pass.host, LOOKS)?;
        let is_last = hosts.is_empty();
        let mut batch = Batch::default();
        for (host, found) in hosts {
            let note = exceptions.note(host, &pass.over);
            if note.is_some() && note != found {
                if !self.thin_host(pass, exceptions, host, &mut batch)? {
                    break;
                }
                // A host without rows is not met again.
                let stays = !exceptions.is_all_gone(host, &pass.over);
                batch.notes.extend(note.filter(|_| stays).map(|note| (host, note)));
            }
            (pass.host, pass.row) = (host, 0);
            if batch.is_full() {
                break;
            }
        }
        self.partitions.thin(pass.key, &batch.changes, &batch.notes)?;
        Ok(is_last)
    }

    /// Adds to the batch what is to become of the rows of a host; returns whether that was all of them.
    fn thin_host(
        &mut self,
        pass: &mut Pass,
        exceptions: &Exceptions,
        host: u32,
        batch: &mut Batch,
    ) -> Result<bool, Trouble> {
        let rows = self.partitions.held_by(pass.key, host, pass.row, LISTED)?;
        let is_last = rows.len() < LISTED as usize;
        let is_all_gone = exceptions.is_all_gone(host, &pass.over);
        let mut gone_of: BTreeMap<u32, Option<Vec<bool>>> = BTreeMap::new();
        for Held { id, set } in rows {
            if batch.is_full() {
                return Ok(false);
            }
            pass.row = id;
            let defs = self.catalogue.set(set).map(Arc::clone);
            let gone = gone_of
                .entry(set)
                .or_insert_with(|| defs.map(|defs| exceptions.gone(host, &defs, &pass.over)));
            match gone {
                // What a set that is not known holds goes with all else.
                None if !is_all_gone => {}
                Some(gone) if !is_all_gone && !gone.contains(&true) => {}
                Some(gone) if !is_all_gone && gone.contains(&false) => {
                    let gone = gone.clone();
                    self.thin_row(pass.key, id, &gone, batch)?;
                }
                None | Some(_) => {
                    batch.changes.push(Change::Remove(id));
                    batch.removed += 1;
                }
            }
        }
        Ok(is_last)
    }

    /// Adds to the batch what is left of a row.
    fn thin_row(
        &mut self,
        key: (Tier, i64),
        id: i64,
        gone: &[bool],
        batch: &mut Batch,
    ) -> Result<(), Trouble> {
        let Some(row) = self.partitions.row(key, id)? else { return Ok(()) };
        batch.rewritten += 1;
        let left = match key.0 {
            Tier::Raw => chunk::without(&row.body, gone),
            Tier::Minutes | Tier::Hours => tier::without(&row.body, gone),
        };
        match left {
            Some(chunk::Without::Same) => {}
            Some(chunk::Without::Nothing) => batch.changes.push(Change::Remove(id)),
            Some(chunk::Without::Other(body)) => {
                batch.changes.push(Change::Replace(id, super::partition::Row { body, ..row }));
            }
            // Nobody can read it either; a repair takes it out.
            None => tracing::warn!(row = id, "a damaged row keeps what is over of it"),
        }
        Ok(())
    }

    /// Throws away the oldest partitions of a tier in which exceptions have left nothing. One between others
    /// stays, and is small: that a day is missing among others is damage to whoever looks for it.
    pub(super) fn remove_emptied(&mut self, tier: Tier) -> Result<u64, Trouble> {
        let mut gone = 0;
        while let Some(key) = self.partitions.oldest_of_several(tier) {
            if !self.thinning.is_rest_gone(key) || !self.partitions.is_empty(key)? {
                break;
            }
            self.partitions.remove(tier, key.1)?;
            gone += 1;
        }
        Ok(gone)
    }
}

//! What waits is carried out: a step at a time, each of which can be done again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use hark_model::time::Now;
use hark_model::{SeriesDef, SeriesName};

use super::rows::{Left, Part};
use super::{Erasing, Erasure};
use crate::history::catalogue::Catalogue;
use crate::history::follow::blank::{Blanking, Meant};
use crate::history::partition::{Change, GivenBack, Row, partition_of};
use crate::history::tier::Tier;
use crate::history::wal::LoggedFrame;
use crate::history::{History, Trouble};

/// Between the beginnings of two rounds: each seals every head, which is not to be the rule.
const BETWEEN: Duration = Duration::from_mins(5);

/// Rows taken out at once: a megabyte or two.
const REMOVED: u32 = 32;

/// Rows written anew at once: to read and compress one takes a millisecond.
const REWRITTEN: u32 = 4;

/// Orders looked at in one step that have nothing in a file.
const LOOKS: usize = 64;

/// Some orders under way.
#[derive(Debug)]
pub(super) struct Round {
    orders: Vec<Order>,
    stage: Stage,
    /// Behind the newest block, and the newest segment of the log, that may hold something.
    blocks_to: (u32, u32),
    log_to: u64,
    /// Partitions out of which something was taken.
    changed: BTreeSet<(Tier, i64)>,
    done: u64,
    total: u64,
}

impl Round {
    /// Leaves orders out of what is still to be done.
    pub(super) fn leave_out(&mut self, is_left_out: impl Fn(i64, &Erasure) -> bool) {
        self.orders.retain(|order| !is_left_out(order.id, &order.what));
        // The others begin this file anew: where they stand is counted in orders.
        if let Stage::Rows(_, cursor) = &mut self.stage {
            *cursor = Cursor::default();
        }
    }

    /// Returns how far it has come, if the order is part of it.
    pub(super) fn so_far(&self, is_it: impl Fn(i64) -> bool) -> Option<Erasing> {
        let is_part = self.orders.iter().any(|order| is_it(order.id));
        is_part.then_some(Erasing { done: self.done.min(self.total), total: self.total })
    }
}

#[derive(Debug)]
struct Order {
    id: i64,
    what: Erasure,
    series: Option<BTreeSet<SeriesName>>,
}

#[derive(Debug)]
enum Stage {
    Gather,
    Rows(VecDeque<(Tier, i64)>, Cursor),
    Blocks(Vec<u32>),
    Log,
    Followed(Blanking),
    Names(bool),
}

/// Where in a partition the work stands.
#[derive(Clone, Copy, Debug, Default)]
struct Cursor {
    /// The order.
    order: usize,
    /// The number of the last row that was looked at.
    row: i64,
}

/// What a step has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// There is more to do at once.
    Goes,
    /// Something else must happen first.
    Waits,
}

impl History {
    /// Takes a step; returns whether there is more to do at once.
    pub(in crate::history) fn erase_step(&mut self, now: Now) -> Result<bool, Trouble> {
        let Some(mut round) = self.erasures.round.take() else { return self.begin_round(now) };
        let stepped = match &mut round.stage {
            Stage::Gather => self.gather(&round.orders, round.blocks_to),
            Stage::Rows(files, cursor) => {
                self.erase_rows(&round.orders, files, cursor, &mut round.changed)
            }
            Stage::Blocks(files) => self.erase_blocks(&round.orders, files, round.blocks_to),
            Stage::Log => Ok(self.drain_log(round.log_to)),
            Stage::Followed(work) => self.erase_followed(&round.orders, work, round.log_to),
            Stage::Names(are_retired) => self.erase_names(&round.orders, are_retired),
        };
        let step = match (stepped?, self.next_stage(&round)) {
            (Some(step), _) => step,
            (None, Some(next)) => {
                round.stage = next;
                Step::Goes
            }
            (None, None) => {
                self.end_round(&round.orders)?;
                return Ok(!self.erasures.orders.is_empty());
            }
        };
        if step == Step::Goes {
            round.done += 1;
        }
        self.erasures.round = Some(round);
        Ok(step == Step::Goes)
    }

    fn begin_round(&mut self, now: Now) -> Result<bool, Trouble> {
        let is_time = now.mono >= self.erasures.next_round;
        // What waits to be written may hold some of it, and so may what is not taken in yet.
        let is_quiet = self.wal.n_frames() == 0 && !self.replay.is_going_on();
        if self.erasures.orders.is_empty() || !is_time || !is_quiet {
            return Ok(false);
        }
        self.erasures.next_round = now.mono + BETWEEN;
        let orders: Vec<Order> = self
            .erasures
            .orders
            .iter()
            .map(|(id, what)| Order {
                id: *id,
                what: what.clone(),
                series: what.series().map(|all| all.iter().cloned().collect()),
            })
            .collect();
        for order in &orders {
            let host = order.what.host();
            match order.what {
                Erasure::Host(_) => self.let_go(host.0)?,
                Erasure::Part { .. } => drop(self.settle_host(host.0 as usize)?),
            }
        }
        // Before a block is overwritten it must be said to be done with.
        self.level0.sync()?;
        let is_resumed = std::mem::take(&mut self.erasures.is_resumed);
        let keys = self.partitions.keys();
        let n_files = keys.len();
        let n_pieces = self.wal.followed().n_pieces();
        self.erasures.round = Some(Round {
            total: (n_files * orders.len().div_ceil(LOOKS) + n_files + 3) as u64 + n_pieces,
            orders,
            stage: Stage::Gather,
            blocks_to: self.level0.end(),
            log_to: self.wal.end_segment(),
            changed: if is_resumed { keys.into_iter().collect() } else { BTreeSet::new() },
            done: 0,
        });
        Ok(true)
    }

    fn next_stage(&self, round: &Round) -> Option<Stage> {
        match round.stage {
            Stage::Gather => Some(Stage::Rows(self.partitions.keys().into(), Cursor::default())),
            Stage::Rows(..) => Some(Stage::Blocks(self.level0.numbers_to(round.blocks_to.0))),
            Stage::Blocks(_) => Some(Stage::Log),
            Stage::Log => Some(Stage::Followed(Blanking::default())),
            Stage::Followed(_) => Some(Stage::Names(false)),
            Stage::Names(_) => None,
        }
    }

    /// Waits until the blocks of before are in chunks.
    fn gather(&mut self, orders: &[Order], to: (u32, u32)) -> Result<Option<Step>, Trouble> {
        let mut is_gathered = true;
        for order in orders {
            let host = order.what.host().0;
            for strand in self.hosts.get(host as usize).into_iter().flatten() {
                let first = strand.sealed.first();
                if first.is_none_or(|block| (block.file, block.offset) >= to) {
                    continue;
                }
                is_gathered = false;
                let entry = (host, strand.set);
                if !strand.is_compacting && !self.due.contains(&entry) {
                    self.due.push_back(entry);
                }
            }
        }
        // That they are done with is written now, and must be on the disk before they are overwritten.
        self.level0.sync()?;
        Ok((!is_gathered).then_some(Step::Waits))
    }

    fn erase_rows(
        &mut self,
        orders: &[Order],
        files: &mut VecDeque<(Tier, i64)>,
        cursor: &mut Cursor,
        changed: &mut BTreeSet<(Tier, i64)>,
    ) -> Result<Option<Step>, Trouble> {
        let Some(key) = files.front().copied() else { return Ok(None) };
        for _ in 0..LOOKS {
            let Some(order) = orders.get(cursor.order) else { break };
            let next = match order.what {
                Erasure::Host(host) => {
                    let n = self.partitions.remove_rows_of(key, host.0, REMOVED)?;
                    if n > 0 {
                        changed.insert(key);
                    }
                    (n > 0).then_some(0)
                }
                Erasure::Part { .. } => self.rewrite(key, order, cursor.row, changed)?,
            };
            if let Some(row) = next {
                cursor.row = row;
                return Ok(Some(Step::Goes));
            }
            *cursor = Cursor { order: cursor.order + 1, row: 0 };
        }
        if cursor.order < orders.len() {
            return Ok(Some(Step::Goes));
        }
        if changed.contains(&key) {
            match self.partitions.give_back(key)? {
                GivenBack::Some => return Ok(Some(Step::Goes)),
                GivenBack::Waits => return Ok(Some(Step::Waits)),
                GivenBack::All => {}
            }
        }
        files.pop_front();
        *cursor = Cursor::default();
        Ok(Some(Step::Goes))
    }

    /// Writes some rows of a partition anew, from the one after number `after` on. Returns up to which
    /// number it has looked; `None` if there was none left.
    fn rewrite(
        &mut self,
        key: (Tier, i64),
        order: &Order,
        after: i64,
        changed: &mut BTreeSet<(Tier, i64)>,
    ) -> Result<Option<i64>, Trouble> {
        let part = Part { series: order.series.as_ref(), before: order.what.before() };
        let rows = self.partitions.rows_of_host(key, order.what.host().0, after, REWRITTEN)?;
        let last = rows.last().map(|(id, _)| *id);
        for (id, row) in rows {
            let Some(defs) = self.catalogue.set(row.set).map(Arc::clone) else { continue };
            let is_changed = match key.0 {
                Tier::Raw => self.rewrite_samples(key, part, (id, &row), &defs)?,
                Tier::Minutes | Tier::Hours => {
                    self.rewrite_buckets(key, part, (id, &row), &defs)?
                }
            };
            if is_changed && key.0 == Tier::Raw {
                changed.extend(Tier::ALL.map(|tier| (tier, partition_of(tier, row.from))));
            } else if is_changed {
                changed.insert(key);
            }
        }
        Ok(last)
    }

    fn rewrite_samples(
        &mut self,
        key: (Tier, i64),
        part: Part<'_>,
        (id, row): (i64, &Row),
        defs: &[SeriesDef],
    ) -> Result<bool, Trouble> {
        let left = match part.of_samples(row, defs) {
            Ok(left) => left,
            Err(what) => {
                // Nobody can read it either; a repair takes it out.
                tracing::warn!(row = id, what, "a damaged chunk is not looked into to erase of it");
                return Ok(false);
            }
        };
        let coarse = |tier: Tier| (tier, partition_of(tier, row.from));
        match left {
            Left::All => return Ok(false),
            Left::Nothing => {
                self.partitions.change(coarse(Tier::Hours), &[Change::Remove(id)])?;
                self.partitions.change(coarse(Tier::Minutes), &[Change::Remove(id)])?;
                self.partitions.change(key, &[Change::Remove(id)])?;
            }
            Left::Some(rows) => {
                let [raw, minutes, hours] = *rows;
                self.partitions.change(coarse(Tier::Hours), &[Change::Replace(id, hours)])?;
                self.partitions.change(coarse(Tier::Minutes), &[Change::Replace(id, minutes)])?;
                self.partitions.change(key, &[Change::Replace(id, raw)])?;
            }
        }
        Ok(true)
    }

    fn rewrite_buckets(
        &mut self,
        key: (Tier, i64),
        part: Part<'_>,
        (id, row): (i64, &Row),
        defs: &[SeriesDef],
    ) -> Result<bool, Trouble> {
        // What its samples say was said when these were looked at.
        if self.partitions.has_samples(id, row.from)? {
            return Ok(false);
        }
        let change = match part.of_buckets(row, key.0, defs) {
            Ok(Left::All) => return Ok(false),
            Ok(Left::Nothing) => Change::Remove(id),
            Ok(Left::Some(row)) => Change::Replace(id, row),
            Err(what) => {
                tracing::warn!(row = id, what, "a damaged row is not looked into to erase of it");
                return Ok(false);
            }
        };
        self.partitions.change(key, &[change])?;
        Ok(true)
    }

    /// Overwrites the blocks of before in one file.
    fn erase_blocks(
        &mut self,
        orders: &[Order],
        files: &mut Vec<u32>,
        to: (u32, u32),
    ) -> Result<Option<Step>, Trouble> {
        let Some(number) = files.pop() else { return Ok(None) };
        self.level0.sync()?;
        let hosts: BTreeSet<u32> = orders.iter().map(|order| order.what.host().0).collect();
        self.level0.erase(number, |host, place| place < to && hosts.contains(&host))?;
        Ok(Some(Step::Goes))
    }

    /// Waits until the segments of before are gone.
    fn drain_log(&mut self, to: u64) -> Option<Step> {
        let is_there = self.wal.closed().next().is_some_and(|oldest| oldest <= to);
        self.erasures.drain_to = is_there.then_some(to);
        is_there.then_some(Step::Waits)
    }

    /// Takes it out of what of the log is kept for readers: all segments of before are there now.
    fn erase_followed(
        &mut self,
        orders: &[Order],
        work: &mut Blanking,
        to: u64,
    ) -> Result<Option<Step>, Trouble> {
        let mut of_hosts: BTreeMap<u32, Vec<&Order>> = BTreeMap::new();
        for order in orders {
            of_hosts.entry(order.what.host().0).or_default().push(order);
        }
        let catalogue = &self.catalogue;
        let judge = |frame: &LoggedFrame<'_>| match of_hosts.get(&frame.host) {
            None => Meant::Nothing,
            Some(orders) => meant(orders, frame, catalogue),
        };
        let goes_on = self.wal.followed().blank(work, to, &judge, &self.disk)?;
        Ok(goes_on.then_some(Step::Goes))
    }

    /// Retires what only hosts had that are gone, in the catalogue and in its spare.
    fn erase_names(
        &mut self,
        orders: &[Order],
        are_retired: &mut bool,
    ) -> Result<Option<Step>, Trouble> {
        if !*are_retired {
            let ids: Vec<i64> = orders.iter().map(|order| order.id).collect();
            self.disk.point_with_room()?;
            self.catalogue.retire(&ids)?;
            self.catalogue.commit()?;
            self.disk.point()?;
            self.catalogue.write_spare(&self.dir, &self.disk)?;
            *are_retired = true;
        }
        Ok((!self.catalogue.checkpoint()?).then_some(Step::Waits))
    }

    fn end_round(&mut self, orders: &[Order]) -> Result<(), Trouble> {
        let ids: Vec<i64> = orders.iter().map(|order| order.id).collect();
        self.disk.point_with_room()?;
        self.catalogue.carried_out(&ids)?;
        self.catalogue.commit()?;
        self.disk.point()?;
        self.erasures.orders.retain(|(id, _)| !ids.contains(id));
        tracing::info!(orders = ids.len(), "samples were erased");
        Ok(())
    }
}

/// Returns what orders about its host say of a frame of the log.
fn meant(orders: &[&Order], frame: &LoggedFrame<'_>, catalogue: &Catalogue) -> Meant {
    let mut columns: Vec<bool> = Vec::new();
    for order in orders {
        if matches!(order.what, Erasure::Host(_)) {
            return Meant::All;
        }
        let Some(defs) = catalogue.set(frame.set) else { continue };
        if frame.at >= order.what.before() {
            continue;
        }
        let part = Part { series: order.series.as_ref(), before: order.what.before() };
        columns.resize(defs.len(), false);
        for (is_meant, also) in columns.iter_mut().zip(part.columns(defs)) {
            *is_meant |= also;
        }
    }
    match (columns.contains(&true), columns.contains(&false)) {
        (false, _) => Meant::Nothing,
        (true, false) => Meant::All,
        (true, true) => Meant::Columns(columns),
    }
}

//! Taking samples out for good: those of a host that was dropped, or a part of one's.
//!
//! An order is in the catalogue before anything else happens, and goes from there when nothing is left of
//! what it is about; a start goes on with those it finds. Each step can be done again, so a kill at any
//! moment costs nothing but time. Orders that wait are carried out together, in a *round*:
//!
//! 1. What is in heads and blocks becomes chunks at once; of a host that was dropped it is let go instead,
//!    and whatever still comes of it is refused.
//! 2. Rows of partitions go, or are written anew without what is erased: of a chunk first its coarser rows,
//!    then itself. The room is given back.
//! 3. The blocks of before, which nobody reads any more, are overwritten.
//! 4. The log: heads are sealed until the segments of before can go; of those that are kept for readers
//!    what is erased goes, see [`super::follow::blank`].
//! 5. Sets of series that only hosts had that are gone are retired.
//!
//! A step is some milliseconds, and [`History::maintain`] takes one between two batches of ingest.

mod round;
mod rows;
mod weigh;

use std::collections::BTreeSet;

use hark_model::record::HostId;
use hark_model::time::{Mono, Now};
use hark_model::{SeriesName, Unix};
use thiserror::Error;

use self::round::Round;
use self::rows::Part;
use super::{History, Trouble, heads};

pub use weigh::weigh;

/// Orders that may wait: twice the hosts of the largest fleet that drops all of them.
const MAX_ORDERS: usize = 20_000;

/// What is to be erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Erasure {
    /// Everything of a host, which is no more: what still comes of it is refused.
    Host(HostId),
    /// A part of a host's samples.
    Part {
        /// Whose.
        host: HostId,
        /// Which series; all if `None`.
        series: Option<Vec<SeriesName>>,
        /// What is from before.
        before: Unix,
    },
}

impl Erasure {
    /// Returns whose samples it is about.
    pub fn host(&self) -> HostId {
        match self {
            Self::Host(host) | Self::Part { host, .. } => *host,
        }
    }

    fn series(&self) -> Option<&[SeriesName]> {
        match self {
            Self::Host(_) => None,
            Self::Part { series, .. } => series.as_deref(),
        }
    }

    fn before(&self) -> i64 {
        match self {
            Self::Host(_) => i64::MAX,
            Self::Part { before, .. } => before.0,
        }
    }
}

/// How much an erasure would take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weighed {
    /// Samples.
    pub samples: u64,
    /// Rows of all tiers that it touches.
    pub rows: u64,
    /// Bytes in chunks and their coarser rows, about.
    pub bytes: u64,
}

/// How far an erasure has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Erasing {
    /// Steps that are done.
    pub done: u64,
    /// Steps that there are, as far as that is known.
    pub total: u64,
}

/// Why nothing is erased.
#[derive(Debug, Error)]
pub enum EraseError {
    /// History is stopped, or stops now.
    #[error("history is stopped")]
    Stopped,
    /// Too many orders wait.
    #[error("{MAX_ORDERS} orders to erase something wait already")]
    Many,
}

/// The orders, and what is being done about them.
#[derive(Debug, Default)]
pub(super) struct Erasures {
    /// Those that are not carried out.
    orders: Vec<(i64, Erasure)>,
    /// Hosts of which nothing is taken in any more. Their numbers are not given again.
    gone: BTreeSet<u32>,
    round: Option<Round>,
    /// Whether a round may have been cut off: no file is known to be free of what it has taken out.
    is_resumed: bool,
    next_round: Mono,
    /// Up to which segment the log is to be emptied.
    pub(super) drain_to: Option<u64>,
}

impl Erasures {
    /// Goes on with orders of before.
    pub(super) fn of(orders: Vec<(i64, Erasure)>) -> Self {
        let whole = orders.iter().filter(|(_, order)| matches!(order, Erasure::Host(_)));
        let gone = whole.map(|(_, order)| order.host().0).collect();
        Self { is_resumed: !orders.is_empty(), orders, gone, ..Self::default() }
    }

    /// Returns the orders that are not carried out.
    #[cfg(test)]
    pub(super) fn orders(&self) -> &[(i64, Erasure)] {
        &self.orders
    }

    /// Returns true if nothing is taken in of a host any more.
    #[inline]
    pub(super) fn is_gone(&self, host: u32) -> bool {
        !self.gone.is_empty() && self.gone.contains(&host)
    }

    /// Takes over what history knew before it was opened anew.
    pub(super) fn take_over(&mut self, before: &mut Self) {
        self.gone.append(&mut before.gone);
    }
}

impl History {
    /// Orders that samples are erased. When this returns it will be done, whatever happens; nothing of a
    /// host that goes as a whole is shown or taken in from here on. Returns the number of the order.
    ///
    /// # Errors
    /// If too many wait, or history is stopped: nothing is erased then.
    pub fn erase(&mut self, what: &Erasure, now: Now) -> Result<u64, EraseError> {
        if self.stopped.is_some() {
            return Err(EraseError::Stopped);
        }
        if let Some((id, _)) = self.erasures.orders.iter().find(|(_, order)| order == what) {
            return Ok(id.unsigned_abs());
        }
        if self.erasures.orders.len() >= MAX_ORDERS {
            return Err(EraseError::Many);
        }
        match self.take_order(what) {
            Ok(id) => Ok(id.unsigned_abs()),
            Err(trouble) => {
                self.stop(&trouble, now);
                Err(EraseError::Stopped)
            }
        }
    }

    fn take_order(&mut self, what: &Erasure) -> Result<i64, Trouble> {
        self.disk.point_with_room()?;
        let id = self.catalogue.order(what)?;
        self.catalogue.commit()?;
        self.disk.point()?;
        self.erasures.orders.push((id, what.clone()));
        if let Erasure::Host(host) = what {
            self.erasures.gone.insert(host.0);
            self.let_go(host.0)?;
        }
        Ok(id)
    }

    /// Takes an order to erase a part back: what is gone is gone, the rest stays. Returns false if there is
    /// none of that number.
    ///
    /// # Errors
    /// If history is stopped.
    pub fn keep_the_rest(&mut self, number: u64, now: Now) -> Result<bool, EraseError> {
        if self.stopped.is_some() {
            return Err(EraseError::Stopped);
        }
        let is_it = |id: i64, what: &Erasure| {
            id.unsigned_abs() == number && matches!(what, Erasure::Part { .. })
        };
        if !self.erasures.orders.iter().any(|(id, what)| is_it(*id, what)) {
            return Ok(false);
        }
        let taken_back = self
            .catalogue
            .carried_out(&[number.cast_signed()])
            .and_then(|()| self.catalogue.commit());
        if let Err(trouble) = taken_back {
            self.stop(&trouble, now);
            return Err(EraseError::Stopped);
        }
        self.erasures.orders.retain(|(id, what)| !is_it(*id, what));
        if let Some(round) = &mut self.erasures.round {
            round.leave_out(|id, what| is_it(id, what));
        }
        Ok(true)
    }

    /// Returns how far an order has come; `None` when nothing of what it is about is left.
    pub fn erasing(&self, number: u64) -> Option<Erasing> {
        let is_it = |id: i64| id.unsigned_abs() == number;
        self.erasures.orders.iter().find(|(id, _)| is_it(*id))?;
        let round = self.erasures.round.as_ref();
        let so_far = round.and_then(|round| round.so_far(is_it));
        Some(so_far.unwrap_or(Erasing { done: 0, total: 1 }))
    }

    /// Returns how many samples of what an erasure is about lie in heads and blocks.
    pub fn loose(&self, what: &Erasure) -> u64 {
        let host = what.host().0;
        let series = what.series().map(|all| all.iter().cloned().collect());
        let part = Part { series: series.as_ref(), before: what.before() };
        let mut samples = 0;
        for strand in self.hosts.get(host as usize).into_iter().flatten() {
            let Some(defs) = self.catalogue.set(strand.set) else { continue };
            let n_meant = part.columns(defs).iter().filter(|is_meant| **is_meant).count() as u64;
            let sealed = strand.sealed.iter().filter(|block| block.oldest < part.before);
            let n_sealed: u64 = sealed.map(|block| u64::from(block.n_frames)).sum();
            let is_open = strand.n_open > 0 && strand.oldest < part.before;
            samples += n_meant * (n_sealed + if is_open { u64::from(strand.n_open) } else { 0 });
        }
        samples
    }

    /// Lets go what heads and blocks hold of a host.
    pub(super) fn let_go(&mut self, host: u32) -> Result<(), Trouble> {
        self.pending.retain(|pending| !pending.is_of(host));
        self.due.retain(|(due, _)| *due != host);
        let Some(strands) = self.hosts.get_mut(host as usize).map(std::mem::take) else {
            return Ok(());
        };
        for strand in strands {
            if strand.n_open > 0 {
                heads::release(&mut self.holding, strand.segment);
            }
            self.n_strands = self.n_strands.saturating_sub(1);
            self.level0.done(host, strand.set, &strand.sealed)?;
        }
        Ok(())
    }
}

//! Deadlines: a heap whose entries are only hints.
//!
//! An entry says "look at this thing then". What is due is computed when it is looked at, so that a
//! heartbeat moves a deadline by storing one number and touches no heap. The thing remembers the
//! earliest moment at which it will be looked at; a later entry than that is void when it comes up.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use hark_model::{HostId, IncidentId};

use crate::moment::Moment;

/// What is to be looked at. The order is that within one moment: what is observed comes before what
/// people decided ends, so that a silence that ends as a host dies does not tell what the host's death
/// explains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// The ingest gate opens again.
    Gate,
    /// A host's liveness, stale checks, checkpoints.
    Host(HostId),
    /// Silences begin or end.
    Calendar,
    /// An incident's delays, reminders, releases.
    Incident(IncidentId),
    /// Messages that wait too long, and summaries.
    Outbox,
    /// Hosts that were dropped cannot come back any more.
    Dropped,
}

/// All deadlines.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(Moment, Timer)>>,
}

impl Timers {
    /// Has `timer` looked at by `due`, unless that is already so; `armed` is the thing's memory.
    pub(crate) fn arm(&mut self, armed: &mut Moment, due: Moment, timer: Timer) {
        if due < *armed {
            *armed = due;
            self.heap.push(Reverse((due, timer)));
        }
    }

    /// Returns when the next entry is due.
    pub(crate) fn next(&self) -> Option<Moment> {
        self.heap.peek().map(|Reverse((due, _))| *due)
    }

    /// Takes the next entry that is due at `now`.
    pub(crate) fn pop(&mut self, now: Moment) -> Option<(Moment, Timer)> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry)
    }

    /// Returns the number of entries, void ones included.
    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }
}

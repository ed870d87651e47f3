//! Tickets: what was received is gathered, handed on to the engine and to history under one number, and
//! waited for.

use std::sync::mpsc::TrySendError;
use std::time::Duration;

use hark_model::time::Mono;

use super::Intake;
use crate::server::history_loop::ToHistory;
use crate::server::messages::{EngineBatch, HistoryBatch, ToEngine};

/// How long what was received waits for company before it is handed on: waking the engine and history
/// for each datagram would cost more than the datagram.
pub(super) const GATHER: Duration = Duration::from_millis(10);

/// How much is handed on at once at the latest.
const GATHER_MOST: usize = 512;

impl Intake {
    /// Returns whether something waits to be handed on.
    pub(super) fn has_open(&self) -> bool {
        !(self.inputs.is_empty()
            && self.changes.is_empty()
            && self.frames.is_empty()
            && self.pending.is_open_empty())
    }

    /// Returns whether what waits has waited long enough, or is enough. Where many datagrams come they have
    /// gathered in the kernel's buffer, and `more` says whether something is left there.
    pub(super) fn has_gathered(&mut self, now: Mono, more: bool) -> bool {
        if !self.has_open() {
            return false;
        }
        if self.are_many && !more {
            return true;
        }
        let since = *self.open_since.get_or_insert(now);
        self.inputs.len() >= GATHER_MOST || now.since(since) >= GATHER
    }

    /// Gives what was found so far a ticket, if there is anything.
    pub(super) fn close_ticket(&mut self) {
        let counted = (std::mem::take(&mut self.heartbeats), std::mem::take(&mut self.samples));
        self.setup.tally.heard(counted.0, counted.1);
        if !self.has_open() {
            return;
        }
        self.open_since = None;
        self.ticket += 1;
        let ticket = self.ticket;
        let inputs = std::mem::take(&mut self.inputs);
        let changes = std::mem::take(&mut self.changes);
        let mut frames = std::mem::take(&mut self.frames);
        frames.ticket = ticket;
        self.pending.close(ticket, !frames.is_empty());
        self.unsent = Some((EngineBatch { ticket, inputs, changes }, frames));
        self.hand_on();
    }

    pub(super) fn hand_on(&mut self) {
        let Some((batch, frames)) = self.unsent.take() else { return };
        if !frames.is_empty()
            && let Err(TrySendError::Full(ToHistory::Batch(frames))) =
                self.setup.history.try_send(ToHistory::Batch(frames))
        {
            self.unsent = Some((batch, frames));
            return;
        }
        if let Err(TrySendError::Full(ToEngine::Batch(batch))) =
            self.setup.engine.try_send(ToEngine::Batch(batch))
        {
            self.unsent = Some((batch, HistoryBatch::default()));
        }
    }
}

//! Tickets: what was received is gathered, handed on to the engine and to history under one number, and
//! waited for.

use std::sync::mpsc::TrySendError;
use std::time::Duration;

use hark_engine::Input;
use hark_model::time::Mono;

use super::Intake;
use crate::server::history_loop::ToHistory;
use crate::server::messages::{EngineBatch, HistoryBatch, ToEngine};

/// How long what was received waits for company before it is handed on: waking the engine and history
/// for each datagram would cost more than the datagram.
pub(super) const GATHER: Duration = Duration::from_millis(10);

/// How long frames wait for company where many datagrams come: history syncs them at once then. The time until
/// an agent believes that a datagram is lost is at least four times this.
const COMPANY: Duration = Duration::from_millis(250);

/// How much is handed on at once at the latest.
const GATHER_MOST: usize = 512;

impl Intake {
    /// Returns whether something waits to be handed on.
    pub(super) fn has_open(&self) -> bool {
        self.has_new() || !self.frames.is_empty()
    }

    /// Returns whether something waits that has no ticket yet.
    fn has_new(&self) -> bool {
        !(self.inputs.is_empty()
            && self.changes.is_empty()
            && self.frames.len() == self.held
            && self.pending.is_open_empty())
    }

    /// Returns whether what waits has waited long enough, or is enough. Where many datagrams come they have
    /// gathered in the kernel's buffer, and `more` says whether something is left there.
    pub(super) fn has_gathered(&mut self, now: Mono, more: bool) -> bool {
        if !self.has_open() {
            return false;
        }
        if self.are_many && !more {
            return self.has_new() || !self.holds_frames(now);
        }
        let since = *self.open_since.get_or_insert(now);
        self.inputs.len() >= GATHER_MOST || now.since(since) >= GATHER
    }

    /// Returns whether frames stay here until there are more: each sync of history costs as much as taking in some
    /// hundred of them.
    fn holds_frames(&self, now: Mono) -> bool {
        let is_young = self.frames.since.is_none_or(|at| now.since(at) < COMPANY);
        self.are_many
            && is_young
            && self.frames.define.is_empty()
            && self.frames.frames.len() < GATHER_MOST
    }

    /// Gives what was found so far a ticket, if there is anything.
    pub(super) fn close_ticket(&mut self, now: Mono) {
        let counted = (std::mem::take(&mut self.heartbeats), std::mem::take(&mut self.samples));
        self.setup.tally.heard(counted.0, counted.1);
        self.setup.vitals.take(&self.news);
        self.news.clear();
        // Not before the lists have its values: whoever shows it then would show the former ones for an interval.
        if self.setup.live.is_watched() {
            for input in &self.inputs {
                if let Input::Heard(heard) = input {
                    self.setup.live.heard(heard.host);
                }
            }
        }
        if !self.has_open() {
            return;
        }
        self.open_since = None;
        self.ticket += 1;
        let ticket = self.ticket;
        let inputs = std::mem::replace(&mut self.inputs, self.rooms.inputs());
        let changes = std::mem::take(&mut self.changes);
        self.pending.close(ticket, self.frames.len() > self.held, now);
        self.frames.ticket = ticket;
        if !self.frames.is_empty() {
            self.frames.since.get_or_insert(now);
        }
        self.held = if self.holds_frames(now) { self.frames.len() } else { 0 };
        let frames = if self.held > 0 {
            HistoryBatch::default()
        } else {
            std::mem::replace(&mut self.frames, self.rooms.frames())
        };
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

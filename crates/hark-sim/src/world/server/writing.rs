//! What is staged goes to the disk, and only then is anything said.

use hark_model::record::{DeliveryRecord, DeliveryState, Record};
use hark_model::time::Micros;
use hark_model::{Notification, Now};
use hark_proto::{AckFacts, AgentId};
use hark_store::state::{Change, CommitError};

use super::{Committed, Failed, SimServer, Staged};
use crate::world::samples::Promised;

impl SimServer {
    /// Returns the messages among committed `records` that are in the outbox: one whose key was there
    /// before is not.
    pub(in crate::world) fn new_rows(
        &self,
        records: Vec<Record>,
    ) -> Result<Vec<DeliveryRecord>, CommitError> {
        let mut rows = Vec::new();
        for record in records {
            if let Record::Outbox(row) = record
                && (self.lies.sends_known_keys || self.state.has_delivery(row.notification.id)?)
            {
                rows.push(row);
            }
        }
        Ok(rows)
    }

    /// Puts a message that stands in for another into the outbox, in the same transaction as the other if
    /// that is settled by it.
    pub(in crate::world) fn hand_over(
        &mut self,
        settled: Option<DeliveryRecord>,
        notification: Notification,
    ) {
        self.staged.changes.extend(settled.map(Change::Delivery));
        let id = self.engine.delivery_number();
        self.staged.records.push(Record::Outbox(DeliveryRecord {
            notification: Notification { id, ..notification },
            state: DeliveryState::Queued,
            attempts: 0,
            last_error: String::new(),
            took_ms: 0,
        }));
    }

    /// Returns true if there is something to commit.
    pub(in crate::world) fn is_dirty(&self) -> bool {
        let Staged { records, changes, stored, sessions, wanted } = &self.staged;
        self.samples.is_dirty()
            || !(records.is_empty()
                && changes.is_empty()
                && stored.is_empty()
                && sessions.is_empty()
                && wanted.is_empty()
                && self.unwritten.is_empty())
    }

    /// Returns the keys of the messages of which it is not written where they stand.
    pub(in crate::world) fn unwritten_keys(&self) -> Vec<String> {
        let staged =
            self.staged.changes.iter().filter_map(|change| {
                if let Change::Delivery(row) = change { Some(row) } else { None }
            });
        self.unwritten.iter().chain(staged).map(|row| row.notification.key.clone()).collect()
    }

    /// Writes where messages stand, behind what waits already.
    pub(in crate::world) fn write(&mut self, rows: Vec<DeliveryRecord>) -> Result<(), Failed> {
        self.unwritten.extend(rows);
        let changes: Vec<Change> = self.unwritten.iter().cloned().map(Change::Delivery).collect();
        self.state.commit(&[], &changes).map_err(|error| self.why(error))?;
        self.unwritten.clear();
        Ok(())
    }

    /// Writes what is staged: frames first, then state in one transaction. Returns the committed
    /// records and the datagrams that may now be sent; nothing is lost if it fails.
    pub(in crate::world) fn commit(
        &mut self,
        promised: &mut Promised,
        now: Now,
        at: Micros,
    ) -> Result<Committed, Failed> {
        if !self.samples.sync(promised, now) && !self.lies.acks_without_history {
            self.staged.stored.retain(|receipt| !receipt.has_samples);
        }
        if self.samples.disk.is_dead() {
            return Err(Failed::Died);
        }
        let mut changes = self.staged.changes.clone();
        let sessions = self.staged.sessions.iter();
        changes.extend(
            sessions
                .map(|(agent, session)| Change::AgentSession { agent: agent.0, session: *session }),
        );
        changes.extend(self.unwritten.iter().cloned().map(Change::Delivery));
        if !(changes.is_empty() && self.staged.records.is_empty()) {
            let written = self.state.commit(&self.staged.records, &changes);
            written.map_err(|error| self.why(error))?;
        }
        self.unwritten.clear();
        let staged = std::mem::take(&mut self.staged);
        let replies = self.allow(&staged, now, at);
        Ok(Committed { records: staged.records, replies })
    }

    fn why(&self, error: CommitError) -> Failed {
        if self.disk.is_dead() {
            Failed::Died
        } else if error.is_transient() {
            Failed::Later
        } else {
            Failed::Broken(error)
        }
    }

    /// Returns what may be said now that `staged` is on the disk.
    fn allow(&mut self, staged: &Staged, now: Now, at: Micros) -> Vec<(AgentId, Vec<u8>)> {
        for (agent, session) in &staged.sessions {
            if let Some(known) = self.agents.get_mut(agent) {
                known.session.persisted(*session);
            }
        }
        for receipt in &staged.stored {
            if let Some(known) = self.agents.get_mut(&receipt.agent) {
                known.session.stored(receipt.session, receipt.counter);
            }
        }
        let mut replies = Vec::new();
        for (agent, known) in &mut self.agents {
            let facts = AckFacts { now, ..AckFacts::default() };
            let mut datagram = Vec::new();
            if known.session.ack(*agent, &facts, at, &mut datagram) {
                replies.push((*agent, datagram));
            }
            let wanted: Vec<u32> =
                staged.wanted.get(agent).into_iter().flatten().copied().collect();
            let mut datagram = Vec::new();
            if known.session.want_sets(*agent, &wanted, &mut datagram) {
                replies.push((*agent, datagram));
            }
        }
        replies
    }

    /// Says that everything is on the disk, which it is not.
    pub(in crate::world) fn lie(&mut self, now: Now, at: Micros) -> Vec<(AgentId, Vec<u8>)> {
        let stored = self.staged.stored.clone();
        let sessions = self.staged.sessions.clone();
        self.allow(&Staged { stored, sessions, ..Staged::default() }, now, at)
    }
}

//! Answers: acknowledgements of what both parts have kept, and questions for sets.

use std::net::SocketAddr;

use hark_model::time::{Micros, Now};
use hark_proto::AckFacts;

use super::pending::{Outcome, To};
use super::{Arrival, Intake};
use crate::sys::Sent;

impl Intake {
    /// Seals and queues the answers for everything that both parts have kept.
    pub(super) fn answer(&mut self, now: Now, at: Micros) {
        let Self { pending, setup, answers_due, waiting, shedding, .. } = self;
        for entry in pending.ready().filter(|entry| matches!(entry.to, To::Counter(_))) {
            setup.agents.expect_at(entry.slot);
        }
        pending.settle(now.mono, &mut |waited| shedding.kept(waited), |entry, outcome| {
            let agent = setup.agents.slot(entry.slot);
            agent.session.persisted(entry.session);
            match (entry.to, outcome) {
                (To::Counter(counter), Outcome::Stored) => {
                    agent.session.stored(entry.session, counter);
                }
                (To::Counter(_), Outcome::NotKept) => agent.session.received(entry.session),
                (To::Asker(asker), outcome) => return waiting.settle(asker, outcome),
            }
            if !std::mem::replace(&mut agent.answer_due, true) {
                answers_due.push(entry.slot);
            }
        });
        let flags = self.flags();
        if self.papers.is_unread() {
            return;
        }
        let mut due = std::mem::take(&mut self.answers_due);
        for slot in due.drain(..) {
            let agent = self.setup.agents.slot(slot);
            self.papers.renew(agent);
            let revision = agent.paper.revision();
            let order = self.orders.oldest(&agent.name, now.unix);
            let facts = AckFacts { now, revision, order, flags, ..AckFacts::default() };
            agent.answer_due = false;
            let Some((to, socket)) = agent.reply_to else { continue };
            if agent.session.ack(agent.id, &facts, at, &mut self.reply) {
                self.push_reply(to, socket);
            }
            let agent = self.setup.agents.slot(slot);
            let wanted = std::mem::take(&mut agent.wanted);
            if agent.session.want_sets(agent.id, &wanted, &mut self.reply) {
                self.push_reply(to, socket);
            }
        }
        self.answers_due = due;
    }

    /// Asks for the sets in `wanted`: at once, or with the first answer of a session that is not on the
    /// disk yet.
    pub(super) fn want_sets(&mut self, arrival: Arrival) {
        if self.wanted.is_empty() {
            return;
        }
        let agent = self.setup.agents.slot(arrival.slot);
        if agent.session.want_sets(agent.id, &self.wanted, &mut self.reply) {
            self.push_reply(arrival.from, arrival.socket);
        } else {
            agent.wanted.clone_from(&self.wanted);
        }
    }

    /// Queues what stands in `reply`. The batch goes out over the first socket of the family.
    pub(super) fn push_reply(&mut self, to: SocketAddr, socket: usize) {
        if self.out.push(&self.reply, to, socket) {
            self.send_answers();
        }
    }

    pub(super) fn send_answers(&mut self) {
        let Sent { taken, refused } = self.out.send(&self.setup.sockets);
        self.setup.tally.answered(taken, refused);
    }
}

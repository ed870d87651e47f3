//! To which server the agent speaks: onward after silence, back to the first when it lives.

use super::{Agent, MAX_AT_ONCE, MAX_DATAGRAM, moment};
use crate::sender::Moment;

impl Agent {
    pub(super) fn pump(&mut self, moment: Moment) {
        self.endpoint.renew(moment.now.mono);
        if self.endpoint.settle(moment.now.mono) {
            self.heart.sender.reachable(moment.now.mono);
        }
        if self.heart.sender.is_silent(moment) {
            self.endpoint.next();
        }
        self.follow(0, moment);
        self.look_back(moment);
        let endpoint = &mut self.endpoint;
        self.heart.sender.pump(&self.heart.sampler.sets(), moment, &mut |d| endpoint.send(d));
    }

    /// If another server is spoken to now, begins a session there, above `highest`: two servers must
    /// not answer in one.
    pub(super) fn follow(&mut self, highest: u64, moment: Moment) {
        let there = self.endpoint.address();
        if there != self.spoken_to {
            if self.spoken_to.is_some() {
                self.heart.sender.change_server(highest, moment);
                self.way_back.forget_question();
            }
            self.spoken_to = there;
        }
        if self.endpoint.is_at_first() {
            self.way_back.is_home();
        } else {
            self.way_back.is_away(moment.now.mono);
        }
    }

    /// Asks the first server whether it is back, if it is time to.
    pub(super) fn look_back(&mut self, moment: Moment) {
        let Some(turn) = self.way_back.due(moment.now.mono) else { return };
        self.endpoint.ask_names();
        let Some((address, socket)) = self.endpoint.way_to_first(turn) else { return };
        let sets = self.heart.sampler.sets().map(|set| set.number);
        self.heart.sender.probe(address, sets, moment, &mut |datagram| {
            // Lost is as good as not answered.
            drop(socket.send(datagram));
        });
        self.way_back.asked(address, socket);
    }

    /// Goes back to the first server if it has answered.
    pub(super) fn take_probed(&mut self) {
        let mut buffer = [0; MAX_DATAGRAM];
        let Some((address, datagram)) = self.way_back.receive(&mut buffer) else { return };
        let moment = moment(self.clock);
        let Some(highest) = self.heart.sender.probed(address, datagram, moment) else { return };
        if self.endpoint.go_to(address) {
            tracing::info!(%address, "the first server answers: going back to it");
            self.way_back.returns(moment.now.mono);
            self.follow(highest, moment);
        }
    }

    pub(super) fn take_replies(&mut self) {
        let mut buffer = [0; MAX_DATAGRAM];
        for _ in 0..MAX_AT_ONCE {
            let Some(datagram) = self.endpoint.receive(&mut buffer) else { return };
            self.heart.sender.receive(datagram, moment(self.clock));
            self.take_papers();
        }
    }
}

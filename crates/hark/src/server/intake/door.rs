//! The door: each datagram is looked at, refusals in the order of their cost.

use std::net::SocketAddr;

use hark_model::HostName;
use hark_model::time::{Micros, Now};
use hark_proto::header::SALT;
use hark_proto::{Header, Refused, ServerSession};
use hark_store::state::Change;

use super::{Arrival, Intake};
use crate::server::own_datagram::OwnDatagram;
use crate::server::tally::Fate;

impl Intake {
    /// Looks at one datagram, of the agent at `place` if it was known when the batch was received. Refusals come in
    /// the order of their cost.
    pub(super) fn datagram(
        &mut self,
        datagram: &mut [u8],
        place: Option<usize>,
        from: SocketAddr,
        socket: usize,
        now: Now,
        at: Micros,
    ) -> Fate {
        if hark_proto::seek::is_call(datagram) {
            return self.called(datagram, from, socket, at);
        }
        if OwnDatagram::is_one(datagram) && self.setup.own_datagram.take(datagram) {
            return Fate::Own;
        }
        let envelope = match hark_proto::peek(datagram) {
            Ok(envelope) => envelope,
            Err(refused) => return Fate::Refused(refused),
        };
        let header = envelope.header;
        let Some(slot) = self.setup.agents.find_again(header.agent, place) else {
            let name = envelope.name.and_then(|name| HostName::new(name).ok());
            return match name {
                Some(name) => self.stranger(&name, header, datagram, from, socket, now, at),
                None => Fate::Refused(Refused::Agent),
            };
        };
        let agent = self.setup.agents.slot(slot);
        match agent.session.open(&agent.key, datagram, from.ip(), at) {
            Ok(received) => {
                let moved = received.moved;
                let sent_at = received.sent_at;
                if received.opened {
                    self.limiter.prove(from.ip(), at);
                    let agent = header.agent.0;
                    self.changes.push(Change::AgentSession { agent, session: header.session });
                }
                agent.reply_to = Some((from, socket));
                agent.last_seen = Some(now.unix);
                agent.skew_ms = sent_at.0.saturating_sub(now.unix.0);
                let Header { session, counter, .. } = header;
                let arrival = Arrival { slot, session, counter, from, socket, moved, now };
                match hark_proto::decode(received.header.kind, received.content) {
                    Ok(body) => self.body(arrival, body),
                    Err(refused) => Fate::Refused(refused),
                }
            }
            Err(Refused::Stale) => {
                self.owe_reset(slot, header, from, socket, at);
                Fate::Refused(Refused::Stale)
            }
            Err(refused) => Fate::Refused(refused),
        }
    }

    /// Looks at the hello of somebody who is not known but may hold the shared secret.
    #[expect(clippy::too_many_arguments, reason = "the parts of one datagram, passed on once")]
    pub(super) fn stranger(
        &mut self,
        name: &HostName,
        header: Header,
        datagram: &mut [u8],
        from: SocketAddr,
        socket: usize,
        now: Now,
        at: Micros,
    ) -> Fate {
        if !self.limiter.admit(from.ip(), at) {
            if self.limiter.may_tell(at) {
                self.tell_to_wait(name, header, datagram, from, socket, at);
            }
            return Fate::Refused(Refused::Limited);
        }
        let known = match self.setup.agents.stranger(header.agent, name) {
            Ok(known) => known,
            Err(fate) => return fate,
        };
        let mut session = ServerSession::new(0, None);
        let key = hark_proto::AgentKey::new(known.key);
        let received = match session.open(&key, datagram, from.ip(), at) {
            Ok(received) => received,
            Err(refused) => return Fate::Refused(refused),
        };
        let body = match hark_proto::decode(received.header.kind, received.content) {
            Ok(body) => body,
            Err(refused) => return Fate::Refused(refused),
        };
        self.limiter.prove(from.ip(), at);
        self.changes.push(Change::Agent(known.record(now.unix, header.session)));
        let slot = self.setup.agents.admit(known);
        let agent = self.setup.agents.slot(slot);
        agent.session = session;
        agent.reply_to = Some((from, socket));
        agent.last_seen = Some(now.unix);
        let Header { session, counter, .. } = header;
        self.body(Arrival { slot, session, counter, from, socket, moved: false, now }, body)
    }

    /// Tells a host that is not let in now when to come again, if it holds the shared secret: nobody else learns
    /// anything, and who repeats its hello gets less than he has sent.
    fn tell_to_wait(
        &mut self,
        name: &HostName,
        header: Header,
        datagram: &mut [u8],
        from: SocketAddr,
        socket: usize,
        at: Micros,
    ) {
        let Ok(known) = self.setup.agents.stranger(header.agent, name) else { return };
        let key = hark_proto::AgentKey::new(known.key);
        let mut session = ServerSession::new(0, None);
        let is_true = session.open(&key, datagram, from.ip(), at).is_ok();
        if let (true, Ok(salt)) = (is_true, random_salt()) {
            let seconds = wait_seconds(u16::from(salt[0]));
            ServerSession::wait(&key, &header, salt, seconds, &mut self.reply);
            self.push_reply(from, socket);
        }
    }

    pub(super) fn owe_reset(
        &mut self,
        slot: usize,
        header: Header,
        from: SocketAddr,
        socket: usize,
        at: Micros,
    ) {
        let Ok(salt) = random_salt() else { return };
        let agent = self.setup.agents.slot(slot);
        if agent.session.reset(&agent.key, &header, salt, at, &mut self.reply) {
            self.push_reply(from, socket);
        }
    }
}

/// Returns in how many seconds a host that is not let in comes again: within a minute all that a full house keeps
/// waiting are in, and they come apart.
pub(super) fn wait_seconds(chance: u16) -> u16 {
    10 + chance % 50
}

pub(super) fn random_salt() -> Result<[u8; SALT], ring::error::Unspecified> {
    let random = ring::rand::SystemRandom::new();
    let mut salt = [0; SALT];
    ring::rand::SecureRandom::fill(&random, &mut salt)?;
    Ok(salt)
}

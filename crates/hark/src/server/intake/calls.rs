//! Calls of agents that look for their server on the local network.

use std::net::SocketAddr;

use hark_model::HostName;
use hark_model::time::Micros;
use hark_proto::{AgentId, AgentKey, Refused, seek};

use super::Intake;
use super::door::random_salt;
use crate::server::discovery::is_answerable;
use crate::server::tally::Fate;

impl Intake {
    /// Answers a call if it is of somebody known and the answer may be given.
    pub(super) fn called(
        &mut self,
        datagram: &mut [u8],
        from: SocketAddr,
        socket: usize,
        at: Micros,
    ) -> Fate {
        let (agent, random, name) = match seek::peek(datagram) {
            Ok(call) => (call.agent, call.random, call.name.and_then(|n| HostName::new(n).ok())),
            Err(refused) => return Fate::Refused(refused),
        };
        if self.setup.discovery.is_none() {
            return Fate::Refused(Refused::Kind);
        }
        if !is_answerable(from) || !self.limiter.admit(from.ip(), at) {
            return Fate::Refused(Refused::Limited);
        }
        let key = match self.key_of(agent, name.as_ref()) {
            Ok(key) => key,
            Err(fate) => return fate,
        };
        if let Err(refused) = seek::check(&key, datagram) {
            return Fate::Refused(refused);
        }
        let Some(discovery) = &mut self.setup.discovery else {
            return Fate::Refused(Refused::Kind);
        };
        if !discovery.may_answer(at.mono()) {
            return Fate::Refused(Refused::Limited);
        }
        let Ok(salt) = random_salt() else { return Fate::Refused(Refused::Limited) };
        seek::answer(&key, (agent, &random), &salt, discovery.here(), &mut self.reply);
        self.push_reply(from, socket);
        Fate::Accepted
    }

    /// Returns the key of who calls: nobody is taken on for it.
    fn key_of(&mut self, agent: AgentId, name: Option<&HostName>) -> Result<AgentKey, Fate> {
        if let Some(slot) = self.setup.agents.find(agent) {
            return Ok(self.setup.agents.slot(slot).key.clone());
        }
        if agent == AgentId(0) {
            let key = self.setup.discovery.as_ref().and_then(|discovery| discovery.token_key());
            return key.cloned().ok_or(Fate::Refused(Refused::Agent));
        }
        let name = name.ok_or(Fate::Refused(Refused::Agent))?;
        Ok(AgentKey::new(self.setup.agents.stranger(agent, name)?.key))
    }
}

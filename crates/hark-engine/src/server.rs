//! The server's own health: parts of it are checks of the pseudo host `self`.

use hark_model::{CheckName, HostId, Now, Status};

use crate::check::Kind;
use crate::effect::Effects;
use crate::engine::Engine;
use crate::judge::since;
use crate::outbox::self_name;
use crate::plan::SELF;

impl Engine {
    /// A part of the server is in trouble, or well again.
    pub(crate) fn self_check(
        &mut self,
        part: &CheckName,
        problem: Option<&str>,
        now: Now,
        fx: &mut Effects,
    ) {
        if problem.is_none() && self.hosts.id(SELF).is_none() {
            return;
        }
        let id = self.self_host(now, fx);
        let known = self.hosts.get(id).and_then(|host| host.find(part.as_str()));
        let index = match (known, problem) {
            // A part that was never in trouble needs no check to be well.
            (None, None) | (Some(0), _) => return,
            (Some(index), _) => index,
            (None, Some(_)) => match self.add_check(id, part.clone(), Kind::Part, now) {
                Some(index) => index,
                None => return,
            },
        };
        let level = if problem.is_some() { Status::Critical } else { Status::Ok };
        let text = problem.unwrap_or("well");
        self.judge_own(id, index, level, text, since(now.unix, now), now, fx);
    }

    fn self_host(&mut self, now: Now, fx: &mut Effects) -> HostId {
        if let Some(id) = self.hosts.id(SELF) {
            return id;
        }
        let id = self.learn(self_name(), now, fx);
        if let Some(host) = self.hosts.get(id) {
            fx.records.push(hark_model::record::Record::Host(host.record()));
        }
        id
    }
}

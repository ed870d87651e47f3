//! What each agent is given, and getting it there soon after it changed.
//!
//! An agent's text is made when it is first needed (its hello, or a sweep over all agents after a
//! reload) and kept beside its session. Agents learn of another revision from an acknowledgement; those
//! whose text has changed are nudged with one that nobody asked for, a few times until they fetch.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use hark_engine::input::Input;
use hark_model::check::CheckResult;
use hark_model::name::CheckName;
use hark_model::time::{Mono, Now};
use hark_model::{HostId, Status};
use hark_proto::{Fetch, Paper, Piece};

use super::Intake;
use super::agents::Slot;
use crate::config::{AgentConfigs, Given};

/// Agents looked at in one turn after a reload: making a text takes some 20 us.
const SWEEP: usize = 64;

/// When an agent is nudged, counted from the change: a datagram may be lost, and three losses in a row
/// mean that the agent is away. It learns of it from its next acknowledgement at the latest.
const NUDGES: [Duration; 3] = [Duration::ZERO, Duration::from_secs(1), Duration::from_millis(2500)];

/// The check that says that an agent cannot be given its configuration.
const CHECK: &str = "agent configuration";

/// What agents are given.
#[derive(Debug, Default)]
pub(super) struct Papers {
    configs: Arc<AgentConfigs>,
    /// Grows with each reload: tells which agents' texts are of before it.
    age: u32,
    /// The agent that is looked at next; behind the last one there is nothing to do.
    sweep: Option<usize>,
    /// The text that was made last: most agents are given the same as another, and share it.
    newest: Option<Arc<Given>>,
    /// In the order of when they are due, as all wait equally long at each try.
    nudges: [VecDeque<Nudge>; NUDGES.len()],
}

#[derive(Clone, Copy, Debug)]
struct Nudge {
    slot: usize,
    changed_at: Mono,
    revision: u32,
}

/// What one agent is given, as of the last look.
#[derive(Clone, Debug, Default)]
pub(super) struct SlotPaper {
    age: u32,
    given: Option<Arc<Given>>,
    /// The revision of which it asked for a piece last.
    fetched: u32,
    /// Why it cannot be given anything.
    trouble: Option<String>,
}

impl SlotPaper {
    /// Returns the revision that acknowledgements name.
    pub(super) fn revision(&self) -> u32 {
        self.given.as_ref().map_or(0, |given| given.revision)
    }
}

impl Papers {
    /// Takes other texts; every agent is looked at again.
    pub(super) fn change(&mut self, configs: Arc<AgentConfigs>) {
        self.configs = configs;
        self.age += 1;
        self.sweep = Some(0);
    }

    /// Returns true if there is something to do that nobody waits for.
    pub(super) fn is_busy(&self) -> bool {
        self.sweep.is_some()
    }

    /// Returns true if agents are to be nudged later.
    pub(super) fn waits(&self) -> bool {
        self.nudges.iter().any(|nudges| !nudges.is_empty())
    }

    /// Returns true before the configuration was told: then "nothing is given" would be a guess.
    pub(super) fn is_unread(&self) -> bool {
        self.age == 0
    }

    /// Makes the text of an agent if it is of before the last reload. Returns true if it has changed.
    pub(super) fn renew(&mut self, slot: &mut Slot) -> bool {
        if slot.paper.age == self.age {
            return false;
        }
        let former = slot.paper.revision();
        slot.paper.age = self.age;
        match self.configs.for_host(&slot.name, &slot.tags) {
            Ok(given) => {
                // Its making they do not share: telling which get the same would cost as much.
                slot.paper.given = given.map(|given| self.shared(given));
                slot.paper.trouble = None;
            }
            Err(trouble) => {
                // The one before goes on.
                tracing::warn!(host = %slot.name, trouble, "an agent's configuration cannot be made");
                slot.paper.trouble = Some(trouble);
            }
        }
        slot.paper.revision() != former
    }

    fn shared(&mut self, given: Given) -> Arc<Given> {
        match &self.newest {
            Some(newest) if **newest == given => Arc::clone(newest),
            Some(_) | None => Arc::clone(self.newest.insert(Arc::new(given))),
        }
    }
}

impl Intake {
    /// Looks after an agent that has just said hello.
    pub(super) fn paper_for(&mut self, place: usize) {
        let slot = self.setup.agents.slot(place);
        self.papers.renew(slot);
        self.tell_trouble(place);
    }

    /// Answers a question for a piece.
    pub(super) fn fetch(&mut self, place: usize, fetch: Fetch, now: Now) {
        if let Paper::Order(id) = fetch.paper {
            self.fetch_order(place, id, fetch, now);
            return;
        }
        let slot = self.setup.agents.slot(place);
        self.papers.renew(slot);
        let whole: &[u8] = match (fetch.paper, &slot.paper.given) {
            (Paper::Configuration(revision), Some(given)) if given.revision == revision => {
                slot.paper.fetched = revision;
                &given.text
            }
            _ => &[],
        };
        let piece = Piece::cut(fetch, whole);
        let Some((to, socket)) = slot.reply_to else { return };
        if slot.session.piece(slot.id, &piece, &mut self.reply) {
            self.push_reply(to, socket);
        }
    }

    /// Returns what an agent is given, for one that asks over HTTPS. The server serves HTTPS only after its
    /// configuration was told here.
    pub(super) fn given(&mut self, place: usize) -> Option<Arc<Given>> {
        self.paper_for(place);
        self.setup.agents.peek(place).paper.given.clone()
    }

    /// Goes on with what a reload has left to do.
    pub(super) fn spread_papers(&mut self, now: Now) {
        if let Some(from) = self.papers.sweep {
            let to = (from + SWEEP).min(self.setup.agents.len());
            for place in from..to {
                let slot = self.setup.agents.slot(place);
                // Who has not spoken since the start has no address; its hello will bring it here.
                if slot.reply_to.is_none() || !self.papers.renew(slot) {
                    self.tell_trouble(place);
                    continue;
                }
                let revision = slot.paper.revision();
                let nudge = Nudge { slot: place, changed_at: now.mono, revision };
                self.papers.nudges[0].push_back(nudge);
                self.tell_trouble(place);
            }
            self.papers.sweep = (to < self.setup.agents.len()).then_some(to);
        }
        for (n, wait) in NUDGES.iter().enumerate() {
            while let Some(nudge) = self.papers.nudges[n].front().copied() {
                if now.mono < nudge.changed_at + *wait {
                    break;
                }
                self.papers.nudges[n].pop_front();
                let slot = self.setup.agents.slot(nudge.slot);
                let is_due = slot.paper.revision() == nudge.revision
                    && slot.paper.fetched != nudge.revision
                    && slot.session.nudge();
                if !is_due {
                    continue;
                }
                if !std::mem::replace(&mut slot.answer_due, true) {
                    self.answers_due.push(nudge.slot);
                }
                if let Some(next) = self.papers.nudges.get_mut(n + 1) {
                    next.push_back(nudge);
                }
            }
        }
    }

    /// Makes it a problem of the host that it cannot be given its configuration, and its end.
    pub(super) fn tell_trouble(&mut self, place: usize) {
        let slot = self.setup.agents.slot(place);
        let Some(host) = slot.host else { return };
        let told = std::mem::replace(&mut slot.paper_trouble_told, slot.paper.trouble.is_some());
        if slot.paper.trouble.is_none() && !told {
            return;
        }
        let trouble = slot.paper.trouble.clone();
        let now = hark_model::time::Clock.now();
        self.inputs.extend(trouble_input(host, trouble, now));
    }
}

fn trouble_input(host: HostId, trouble: Option<String>, now: Now) -> Option<Input> {
    let check = CheckName::new(CHECK).ok()?;
    let status = if trouble.is_some() { Status::Warning } else { Status::Ok };
    let text = trouble.unwrap_or_else(|| "as the server's configuration says".to_owned());
    let (began_at, values) = (now.unix, Vec::new());
    let limits = Vec::new();
    let next = hark_model::Next::Whenever;
    let result = CheckResult { check, status, text, began_at, took_ms: 0, values, limits, next };
    Some(Input::Result { host, result })
}

//! Agents over HTTPS: the same keys, sets, samples and items as in datagrams, and the same way to the
//! disk. Who asks waits until its ticket has been kept, as an acknowledgement does.
//!
//! A batch names its series each time, so nobody is asked for sets: a set that is not known is entered
//! first, and the asker comes again with the same batch a moment later ([`Taken::Again`]).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hark_engine::input::{HostSeen, Input};
use hark_model::frame::encode_values;
use hark_model::time::{Clock, Now};
use hark_proto::{AgentKey, Frame, Report, ReportItem, Signed, set_number};
use hark_store::state::Change;
use hark_web::{AgentClaim, AgentProof, Batch, Item, Sample};
use tokio::sync::oneshot;

use super::door::{random_salt, wait_seconds};
use super::pending::{Entry, Outcome, Samples, To};
use super::shedding::Fresh;
use super::{Arrival, Intake};
use crate::server::messages::DefineSet;
use crate::server::tally::Fate;

/// Requests that wait for the disk. The web lets in fewer at a time; those whose asker has gone are
/// dropped when another comes.
const MOST_WAITING: usize = 256;

/// How often a host is taken to send if it has not said so yet.
const INTERVAL: Duration = Duration::from_secs(30);

/// What became of a batch.
#[derive(Debug)]
pub(crate) enum Taken {
    /// Everything is on the disk.
    Stored,
    /// All but the samples: history is out of order.
    NotKept,
    /// Not all of it could be taken yet: to be brought again, as it is now.
    Again(Box<Brought>),
}

/// A batch on its way.
#[derive(Debug)]
pub(crate) struct Brought {
    /// The agent's place.
    pub(crate) place: usize,
    /// From where.
    pub(crate) address: IpAddr,
    /// What is left of it.
    pub(crate) batch: Batch,
    /// Its sets were handed to the catalogue.
    declared: bool,
    /// It was taken for a sign of life.
    heard: bool,
}

impl Brought {
    /// Makes a batch that nobody has looked at.
    pub(crate) fn new(place: usize, address: IpAddr, batch: Batch) -> Self {
        Self { place, address, batch, declared: false, heard: false }
    }
}

/// Those who wait for their ticket.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    next: u64,
    askers: std::collections::BTreeMap<u64, oneshot::Sender<Taken>>,
}

impl Waiting {
    fn add(&mut self, asker: oneshot::Sender<Taken>) -> Option<u64> {
        if self.askers.len() >= MOST_WAITING {
            self.askers.retain(|_, asker| !asker.is_closed());
        }
        if self.askers.len() >= MOST_WAITING {
            return None;
        }
        self.next += 1;
        self.askers.insert(self.next, asker);
        Some(self.next)
    }

    /// Answers who waits as `asker`.
    pub(super) fn settle(&mut self, asker: u64, outcome: Outcome) {
        let taken = match outcome {
            Outcome::Stored => Taken::Stored,
            Outcome::NotKept => Taken::NotKept,
        };
        if let Some(asker) = self.askers.remove(&asker) {
            // Whoever has gone brings it again; both copies are known to be one.
            drop(asker.send(taken));
        }
    }
}

impl Intake {
    /// Checks who sends a request, and uses its number up.
    pub(super) fn prove(&mut self, claim: &AgentClaim) -> AgentProof {
        let (proof, fate) = self.judge(claim);
        self.setup.tally.count(fate);
        proof
    }

    fn judge(&mut self, claim: &AgentClaim) -> (AgentProof, Fate) {
        let AgentClaim { number, tag, digest, .. } = claim;
        let signed = Signed { method: &claim.method, path: &claim.path, number: *number, digest };
        let known = self.setup.agents.find(hark_proto::AgentId(claim.agent));
        let Some(place) = known else {
            return self.prove_stranger(claim, &signed);
        };
        let agent = self.setup.agents.slot(place);
        if let Err(refused) = signed.check(&agent.key, tag) {
            return (AgentProof::Wrong, Fate::Refused(refused));
        }
        let highest = agent.session.highest().max(agent.number);
        if *number <= highest {
            return (AgentProof::Stale(highest), Fate::Refused(hark_proto::Refused::Stale));
        }
        agent.number = *number;
        self.changes.push(Change::AgentSession { agent: claim.agent, session: *number });
        (AgentProof::Proven(place), Fate::Accepted)
    }

    fn prove_stranger(&mut self, claim: &AgentClaim, signed: &Signed<'_>) -> (AgentProof, Fate) {
        let refused = |reason| (AgentProof::Wrong, Fate::Refused(reason));
        let Some(name) = &claim.host else { return refused(hark_proto::Refused::Agent) };
        let at = Clock.micros();
        let is_admitted = self.limiter.admit(claim.address, at);
        if !is_admitted && !self.limiter.may_tell(at) {
            return refused(hark_proto::Refused::Limited);
        }
        let id = hark_proto::AgentId(claim.agent);
        let known = match self.setup.agents.stranger(id, name) {
            Ok(known) => known,
            Err(fate) => return (AgentProof::Wrong, fate),
        };
        if let Err(reason) = signed.check(&AgentKey::new(known.key), &claim.tag) {
            return refused(reason);
        }
        if !is_admitted {
            let chance = u16::from(random_salt().map_or(0, |salt| salt[0]));
            let wait = Duration::from_secs(wait_seconds(chance).into());
            return (AgentProof::Later(wait), Fate::Refused(hark_proto::Refused::Limited));
        }
        self.limiter.prove(claim.address, at);
        self.changes.push(Change::Agent(known.record(Clock.now().unix, claim.number)));
        let place = self.setup.agents.admit(known);
        self.setup.agents.slot(place).number = claim.number;
        (AgentProof::Proven(place), Fate::Accepted)
    }

    /// Takes a batch of an agent that is proven; `asker` is told once that is on the disk.
    pub(super) fn brought(&mut self, mut brought: Box<Brought>, asker: oneshot::Sender<Taken>) {
        let now = Clock.now();
        let Some(samples) = self.take(&mut brought, now) else {
            drop(asker.send(Taken::Again(brought)));
            return;
        };
        let place = brought.place;
        let number = self.setup.agents.slot(place).number;
        if let Some(asker) = self.waiting.add(asker) {
            let to = To::Asker(asker);
            self.pending.add(Entry { slot: place, session: number, to, samples });
        }
    }

    /// Takes as much as can be taken now; if that is all, returns what becomes of the samples.
    fn take(&mut self, brought: &mut Brought, now: Now) -> Option<Samples> {
        let place = brought.place;
        let agent = self.setup.agents.slot(place);
        let from = SocketAddr::new(brought.address, 0);
        let moved = agent.asked_from.replace(from).is_none_or(|former| former.ip() != from.ip());
        agent.last_seen = Some(now.unix);
        agent.skew_ms = brought.batch.sent_at.0.saturating_sub(now.unix.0);
        let number = agent.number;
        let Some(host) = agent.host else {
            if !brought.heard {
                brought.heard = true;
                let ms = brought.batch.interval_ms;
                let interval = ms.map_or(INTERVAL, |ms| Duration::from_millis(ms.into()));
                let (name, address) = (agent.name.clone(), Some(brought.address));
                self.inputs.push(Input::HostSeen(HostSeen { name, interval, address }));
            }
            return None;
        };
        let arrival =
            Arrival { slot: place, session: number, counter: 0, from, socket: 0, moved, now };
        let items = std::mem::take(&mut brought.batch.items);
        if !items.is_empty() {
            let items = items.into_iter().map(|(number, item)| (number, Some(wire(item))));
            let report = Report { epoch: brought.batch.epoch, items: items.collect() };
            // There is a host: a report is taken whole.
            let _kept = self.report(arrival, report);
        }
        let numbers: Vec<u32> = brought.batch.sets.iter().map(|set| set_number(set)).collect();
        if self.are_judged(place, &numbers) {
            return Some(self.take_samples(arrival, &brought.batch, &numbers));
        }
        if !std::mem::replace(&mut brought.heard, true) {
            // The host lives, even if its samples cannot be kept yet.
            self.hear(arrival, &brought.batch, &[], Fresh::Kept);
        }
        if !std::mem::replace(&mut brought.declared, true) {
            for (number, series) in numbers.iter().zip(&brought.batch.sets) {
                if self.setup.agents.peek(place).set(*number).is_none() {
                    let series = Arc::from(series.as_slice());
                    let number = *number;
                    self.frames.define.push(DefineSet { slot: place, host, number, series });
                }
            }
        }
        None
    }

    /// Returns true if every set is known, and what the engine wants of it.
    fn are_judged(&self, place: usize, numbers: &[u32]) -> bool {
        let agent = self.setup.agents.peek(place);
        numbers.iter().all(|n| agent.set(*n).is_some_and(|set| set.asked.is_none()))
    }

    fn take_samples(&mut self, arrival: Arrival, batch: &Batch, numbers: &[u32]) -> Samples {
        let fresh = self.fresh(arrival.slot, arrival.now.mono);
        self.hear(arrival, batch, &encoded(&batch.samples, batch, numbers), fresh);
        let present = Samples::of(!batch.samples.is_empty(), fresh);
        let past = encoded(&batch.backlog, batch, numbers);
        let Some(host) = self.setup.agents.peek(arrival.slot).host.filter(|_| !past.is_empty())
        else {
            return present;
        };
        // They are stored together or not at all: what is there already is a double when it comes again.
        if present == Samples::Shed || self.sheds_the_past() {
            return Samples::Shed;
        }
        let past = past.iter().map(Encoded::frame);
        let known = self.frames(arrival, host, past, None, Fresh::Kept);
        debug_assert!(known, "looked at before");
        Samples::Handed
    }

    /// Takes a sign of life with what was measured.
    fn hear(&mut self, arrival: Arrival, batch: &Batch, samples: &[Encoded], fresh: Fresh) {
        let Some(host) = self.setup.agents.peek(arrival.slot).host else { return };
        let frames = samples.iter().map(Encoded::frame);
        let Some(interval_ms) = batch.interval_ms else {
            let known = self.frames(arrival, host, frames, None, fresh);
            debug_assert!(known, "looked at before");
            return;
        };
        let agent = self.setup.agents.slot(arrival.slot);
        agent.rtt_us = batch.rtt_us.or(agent.rtt_us);
        self.lives(arrival, host, interval_ms, batch.rtt_us, frames, fresh);
    }
}

/// A sample as it travels in datagrams.
struct Encoded {
    set: u32,
    taken_at: hark_model::Unix,
    values: Vec<u8>,
}

impl Encoded {
    fn frame(&self) -> Frame<'_> {
        Frame { set: self.set, taken_at: self.taken_at, values: &self.values }
    }
}

fn encoded(samples: &[Sample], batch: &Batch, numbers: &[u32]) -> Vec<Encoded> {
    let one = |sample: &Sample| {
        let (set, number) = (batch.sets.get(sample.set)?, numbers.get(sample.set)?);
        let mut values = Vec::new();
        encode_values(set, &sample.values, &mut values);
        Some(Encoded { set: *number, taken_at: sample.taken_at, values })
    };
    samples.iter().filter_map(one).collect()
}

fn wire(item: Item) -> ReportItem {
    match item {
        Item::Result(result) => ReportItem::Result(result),
        Item::Event(event) => ReportItem::Event(event),
        Item::Facts(facts) => ReportItem::Facts(facts),
        Item::Outcome(hark_web::Outcome { order, exit, text }) => {
            ReportItem::Outcome(hark_proto::Outcome { order, exit, text })
        }
    }
}

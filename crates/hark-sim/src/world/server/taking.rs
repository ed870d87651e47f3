//! What comes in from agents: opened, understood, staged, and fed to the engine.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use hark_engine::input::{Heard, HostSeen, Input};
use hark_model::frame::{ValueReader, check_values, scale};
use hark_model::record::HostId;
use hark_model::time::Micros;
use hark_model::{HostName, Now};
use hark_proto::times::{placed, taken};
use hark_proto::{
    AgentId, Beat, Body, Frame, Header, ItemWindow, Refused, Report, ReportItem, decode, peek,
    simple_identity,
};
use hark_store::state::{AgentMode, AgentRecord, Change, ReportWindow};

use super::{Known, Receipt, SimServer, Wish, known};
use crate::world::agent::KeptFrame;

impl SimServer {
    /// Takes a datagram from the network; returns a reset if one is owed.
    pub(in crate::world) fn receive(
        &mut self,
        mut datagram: Vec<u8>,
        now: Now,
        at: Micros,
        wishes: &mut Vec<Wish>,
    ) -> Option<Vec<u8>> {
        let header = peek(&datagram).ok()?.header;
        match self.accept(&mut datagram, now, at, wishes) {
            Ok(()) => None,
            Err(refused) => {
                self.refused[refused.index()] += 1;
                if refused != Refused::Stale {
                    return None;
                }
                self.reset(header, at)
            }
        }
    }

    fn reset(&mut self, header: Header, at: Micros) -> Option<Vec<u8>> {
        self.salt += 1;
        let mut salt = [0; 16];
        salt[..8].copy_from_slice(&self.salt.to_be_bytes());
        let known = self.agents.get_mut(&header.agent)?;
        let mut out = Vec::new();
        let key = known.key.clone();
        known.session.reset(&key, &header, salt, at, &mut out).then_some(out)
    }

    fn accept(
        &mut self,
        datagram: &mut [u8],
        now: Now,
        at: Micros,
        wishes: &mut Vec<Wish>,
    ) -> Result<(), Refused> {
        let envelope = peek(datagram)?;
        let agent = envelope.header.agent;
        if !self.agents.contains_key(&agent) {
            let name = envelope.name.ok_or(Refused::Agent)?;
            let known = self.meet(agent, name, now)?;
            self.agents.insert(agent, known);
        }
        let Some(known) = self.agents.get_mut(&agent) else { return Err(Refused::Agent) };
        let from = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let key = known.key.clone();
        let received = known.session.open(&key, datagram, from, at)?;
        if let Some(session) = known.session.to_persist() {
            self.staged.sessions.insert(agent, session);
        }
        let header = received.header;
        let body = decode(header.kind, received.content)?;
        let skew_ms = received.sent_at.0.saturating_sub(now.unix.0);
        let has_samples = matches!(body, Body::Beat(_) | Body::Backlog(_));
        let is_stored = self.take(agent, body, skew_ms, now, wishes)?;
        if is_stored {
            let Header { session, counter, .. } = header;
            self.staged.stored.push(Receipt { agent, session, counter, has_samples });
        }
        Ok(())
    }

    fn meet(&mut self, agent: AgentId, name: &str, now: Now) -> Result<Known, Refused> {
        let (id, key) = simple_identity(&self.secret, name);
        let host = HostName::new(name).map_err(|_| Refused::Header)?;
        if id != agent {
            return Err(Refused::Forged);
        }
        let record = AgentRecord {
            id: id.0,
            host: host.clone(),
            mode: AgentMode::Shared,
            key: *key.expose(),
            session: 0,
            reports: ReportWindow::default(),
            created: now.unix,
            revoked: None,
        };
        self.staged.changes.push(Change::Agent(record.clone()));
        Ok(known(record).1)
    }

    /// Applies a content; false if it cannot be stored yet. `skew_ms` is to be taken off its times.
    fn take(
        &mut self,
        agent: AgentId,
        body: Body<'_>,
        skew_ms: i64,
        now: Now,
        wishes: &mut Vec<Wish>,
    ) -> Result<bool, Refused> {
        match body {
            Body::Hello(hello) => {
                let interval = Duration::from_millis(u64::from(hello.interval_ms));
                self.seen(agent, interval, now, wishes);
                let host = self.host_of(agent)?;
                let sets = hello.sets.iter().copied();
                let unknown: BTreeSet<u32> =
                    sets.filter(|set| self.samples.set(&host, *set).is_none()).collect();
                self.staged.wanted.entry(agent).or_default().extend(unknown);
                Ok(true)
            }
            Body::Beat(beat) => self.beat(agent, beat, skew_ms, now, wishes),
            Body::Backlog(backlog) => {
                let mut is_stored = true;
                for frame in backlog.frames {
                    is_stored &= self.keep(agent, frame, skew_ms, now)?;
                }
                Ok(is_stored)
            }
            Body::Sets(part) => {
                let host = self.host_of(agent)?;
                let known = self.agents.get_mut(&agent).ok_or(Refused::Agent)?;
                if let Some((set, series)) = known.assembler.add(part) {
                    known.declared = false;
                    if let Some(id) = known.host_id {
                        self.samples.declare(&host, id, set, series, now);
                    }
                }
                Ok(true)
            }
            Body::Report(report) => self.report(agent, report, now, wishes),
            // Nobody is given anything here.
            Body::Fetch(_) => Ok(true),
        }
    }

    fn beat(
        &mut self,
        agent: AgentId,
        beat: Beat<'_>,
        skew_ms: i64,
        now: Now,
        wishes: &mut Vec<Wish>,
    ) -> Result<bool, Refused> {
        let interval = Duration::from_millis(u64::from(beat.interval_ms));
        self.seen(agent, interval, now, wishes);
        self.declare(agent, now, wishes);
        let mut is_stored = true;
        let (mut values, mut taken_at) = (Vec::new(), now.unix);
        for frame in beat.frames {
            is_stored &= self.keep(agent, frame, skew_ms, now)?;
            taken_at = taken(frame.taken_at, skew_ms, now.unix);
            self.watched(agent, frame, &mut values)?;
        }
        let host = self.agents.get(&agent).and_then(|known| known.host_id);
        let host = host.ok_or(Refused::Agent)?;
        wishes.push(Wish::Fed(self.host_of(agent)?));
        let heard = Heard {
            host,
            interval_ms: beat.interval_ms,
            moved_to: None,
            rtt_us: beat.rtt_us,
            taken_at,
            skew_ms,
            values,
        };
        self.step(Input::Heard(heard), now, wishes);
        Ok(is_stored)
    }

    fn report(
        &mut self,
        agent: AgentId,
        report: Report,
        now: Now,
        wishes: &mut Vec<Wish>,
    ) -> Result<bool, Refused> {
        self.seen(agent, Duration::ZERO, now, wishes);
        let known = self.agents.get_mut(&agent).ok_or(Refused::Agent)?;
        let (host, mut items) = (known.host_id.ok_or(Refused::Agent)?, known.items);
        let fresh =
            report.items.into_iter().filter(|(number, _)| items.take(report.epoch, *number));
        let fresh: Vec<_> = fresh.filter_map(|(_, item)| item).collect();
        known.items = items;
        for item in fresh {
            self.apply(host, item, now, wishes);
        }
        let ItemWindow { epoch, newest, before } = items;
        let window = ReportWindow { epoch, newest, before };
        self.staged.changes.push(Change::AgentReports { agent: agent.0, window });
        Ok(true)
    }

    fn apply(&mut self, host: HostId, item: ReportItem, now: Now, wishes: &mut Vec<Wish>) {
        let input = match item {
            ReportItem::Result(result) => {
                self.results.push(result.began_at);
                Input::Result { host, result }
            }
            ReportItem::Event(event) => Input::Event { host, event },
            ReportItem::Facts(facts) => Input::Facts { host, facts },
            ReportItem::Outcome(outcome) => Input::Event { host, event: outcome.event(now.unix) },
        };
        self.step(input, now, wishes);
    }

    fn host_of(&self, agent: AgentId) -> Result<HostName, Refused> {
        self.agents.get(&agent).map(|known| known.host.clone()).ok_or(Refused::Agent)
    }

    /// Makes the host known to the engine.
    fn seen(&mut self, agent: AgentId, interval: Duration, now: Now, wishes: &mut Vec<Wish>) {
        let Ok(name) = self.host_of(agent) else { return };
        if self.host_id(&name).is_none() {
            let seen = HostSeen { name: name.clone(), interval, address: None };
            self.step(Input::HostSeen(seen), now, wishes);
        }
        let host = self.host_id(&name);
        if let Some(known) = self.agents.get_mut(&agent) {
            known.host_id = host;
        }
    }

    /// Tells the engine once in this life, and after each new set, which series the host has.
    fn declare(&mut self, agent: AgentId, now: Now, wishes: &mut Vec<Wish>) {
        let Some(known) = self.agents.get_mut(&agent) else { return };
        let (Some(host), false) = (known.host_id, known.declared) else { return };
        let series = self.samples.series_of(&known.host);
        if series.is_empty() {
            return;
        }
        known.declared = true;
        self.step(Input::SeriesSeen { host, series }, now, wishes);
    }

    /// Stages a frame; false if its set is not known.
    fn keep(
        &mut self,
        agent: AgentId,
        frame: Frame<'_>,
        skew_ms: i64,
        now: Now,
    ) -> Result<bool, Refused> {
        let host = self.host_of(agent)?;
        let id = self.host_id(&host).ok_or(Refused::Agent)?;
        let Some(series) = self.samples.set(&host, frame.set) else {
            self.staged.wanted.entry(agent).or_default().insert(frame.set);
            return Ok(false);
        };
        check_values(frame.values, series.len()).map_err(|_| Refused::Malformed)?;
        let kept = KeptFrame { set: frame.set, values: frame.values.to_vec() };
        self.samples.keep(host, id, placed(frame.taken_at, skew_ms, now.unix), kept);
        Ok(true)
    }

    /// Adds the values that some threshold looks at.
    fn watched(
        &self,
        agent: AgentId,
        frame: Frame<'_>,
        values: &mut Vec<(u32, f64)>,
    ) -> Result<(), Refused> {
        let Some(known) = self.agents.get(&agent) else { return Ok(()) };
        let Some(series) = self.samples.set(&known.host, frame.set) else { return Ok(()) };
        for (def, item) in series.iter().zip(ValueReader::new(frame.values)) {
            let item = item.map_err(|_| Refused::Malformed)?;
            for watch in known.watches.iter().filter(|watch| watch.series == def.name) {
                values.push((watch.number, scale(item, def.decimals)));
            }
        }
        Ok(())
    }
}

//! What datagrams say, split between the engine and history.

use std::sync::Arc;
use std::time::Duration;

use hark_checks::sites;
use hark_engine::input::{Heard, HostSeen, Input};
use hark_model::time::{Mono, millis};
use hark_model::{CheckResult, HostName};
use hark_proto::times::taken;
use hark_proto::{Body, Hello, Report, ReportItem};
use hark_store::state::Change;

use super::pending::{Entry, Samples, To};
use super::{Agents, Arrival, Intake, agents};
use crate::server::message_journal::Line;
use crate::server::messages::DefineSet;
use crate::server::polls::Vote;
use crate::server::probes::ToProbes;
use crate::server::tally::Fate;

impl Intake {
    /// Splits one decoded datagram between the engine and history. What cannot be kept yet, because
    /// its host or one of its sets is not known so far, is not acknowledged and comes again.
    pub(super) fn body(&mut self, arrival: Arrival, body: Body<'_>) -> Fate {
        let taken = match body {
            Body::Hello(hello) => {
                self.hello(arrival, &hello);
                Some(Samples::None)
            }
            Body::Beat(beat) => self.beat(arrival, &beat),
            Body::Backlog(backlog) => self.backlog(arrival, &backlog),
            Body::Sets(part) => self.set(arrival, part),
            Body::Report(report) => self.report(arrival, report),
            Body::Fetch(fetch) => {
                self.fetch(arrival.slot, fetch, arrival.now);
                Some(Samples::None)
            }
        };
        if let Some(samples) = taken {
            let Arrival { slot, session, counter, .. } = arrival;
            self.pending.add(Entry { slot, session, to: To::Counter(counter), samples });
        }
        Fate::Accepted
    }

    pub(super) fn hello(&mut self, arrival: Arrival, hello: &Hello) {
        let agent = self.setup.agents.slot(arrival.slot);
        let name = agent.name.clone();
        let interval = Duration::from_millis(u64::from(hello.interval_ms));
        let address = Some(arrival.from.ip());
        if let Some(host) = agent.host {
            let mut facts: Vec<(String, String)> =
                hello.facts.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
            facts.push(("agent_version".to_owned(), hello.version.clone()));
            self.inputs.push(Input::Facts { host, facts });
            let heard = heard(agent, arrival, host, hello.interval_ms, None);
            self.inputs.push(Input::Heard(heard));
        } else {
            // The facts come again with the next hello or report, once the host has its number.
            agent.hello = Some(Box::new(hello.clone()));
            self.inputs.push(Input::HostSeen(HostSeen { name: name.clone(), interval, address }));
        }
        let unknown = hello.sets.iter().filter(|n| agent_lacks(&self.setup.agents, arrival, **n));
        self.wanted.clear();
        self.wanted.extend(unknown);
        self.want_sets(arrival);
        self.journal(arrival, || Line::hello(&name, hello));
        self.paper_for(arrival.slot);
    }

    pub(super) fn set(&mut self, arrival: Arrival, part: hark_proto::SetsPart) -> Option<Samples> {
        let agent = self.setup.agents.slot(arrival.slot);
        let host = agent.host?;
        let assembler = agent.assembler.get_or_insert_default();
        let complete = assembler.add(part);
        if assembler.is_empty() {
            agent.assembler = None;
        }
        if let Some((number, series)) = complete {
            let series = Arc::from(series);
            self.frames.define.push(DefineSet { slot: arrival.slot, host, number, series });
        }
        Some(Samples::None)
    }

    pub(super) fn report(&mut self, arrival: Arrival, report: Report) -> Option<Samples> {
        let agent = self.setup.agents.slot(arrival.slot);
        let host = agent.host?;
        let id = agent.id.0;
        for (number, item) in report.items {
            let agent = self.setup.agents.slot(arrival.slot);
            if !agent.items.take(report.epoch, number) {
                continue;
            }
            let Some(item) = item else { continue };
            let name = agent.name.clone();
            self.journal(arrival, || Line::item(&name, &item));
            if let ReportItem::Outcome(outcome) = &item {
                self.order_ended(name.clone(), outcome, arrival.now);
            }
            self.inputs.push(match item {
                ReportItem::Result(result) if sites::reported(&result.check).is_some() => {
                    self.vote(arrival, &name, result);
                    continue;
                }
                ReportItem::Result(result) => {
                    self.setup.own_limits.take(host, &result.limits);
                    Input::Result { host, result }
                }
                ReportItem::Event(event) => Input::Event { host, event },
                ReportItem::Facts(facts) => Input::Facts { host, facts },
                ReportItem::Outcome(outcome) => {
                    Input::Event { host, event: outcome.event(arrival.now.unix) }
                }
            });
        }
        let items = self.setup.agents.slot(arrival.slot).items;
        self.changes.push(Change::AgentReports { agent: id, window: agents::stored_window(items) });
        Some(Samples::None)
    }

    /// Hands on what a site found of another host. It comes again: what there is no room for is left out.
    pub(super) fn vote(&mut self, arrival: Arrival, site: &HostName, result: CheckResult) {
        let Some((host, check)) = sites::reported(&result.check) else { return };
        let Arrival { slot, now, .. } = arrival;
        let skew_ms = self.setup.agents.peek(slot).skew_ms;
        let age = now.unix.since(taken(result.began_at, skew_ms, now.unix));
        let at = Mono(now.mono.0.saturating_sub(millis(age)));
        let CheckResult { status, text, .. } = result;
        let vote = Vote { host, check, site: site.to_string(), status, text, at };
        if self.setup.probes.try_send(ToProbes::Vote(vote)).is_err() {
            tracing::warn!(%site, "more results of sites than can be taken in");
        }
    }

    pub(super) fn journal(&self, arrival: Arrival, line: impl FnOnce() -> Line) {
        if let Some(journal) = &self.setup.journal {
            let Arrival { from, now, .. } = arrival;
            if !journal.write(now.unix, Some(from), line()) {
                self.setup.tally.journal_dropped();
            }
        }
    }
}

pub(super) fn heard(
    agent: &agents::Slot,
    arrival: Arrival,
    host: hark_model::HostId,
    interval_ms: u32,
    rtt_us: Option<u32>,
) -> Heard {
    Heard {
        host,
        interval_ms,
        moved_to: arrival.moved.then_some(arrival.from.ip()),
        rtt_us,
        taken_at: arrival.now.unix,
        skew_ms: agent.skew_ms,
        values: Vec::new(),
    }
}

fn agent_lacks(agents: &Agents, arrival: Arrival, number: u32) -> bool {
    agents.peek(arrival.slot).set(number).is_none()
}

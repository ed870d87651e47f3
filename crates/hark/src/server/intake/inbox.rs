//! What other threads tell the intake.

use hark_engine::input::Input;
use hark_model::time::Clock;
use hark_model::{Event, EventKind, HostName, Severity};
use hark_store::history::SetId;

use super::Intake;
use crate::server::messages::{DefineSet, Lasts, NotDefined, ToIntake};

impl Intake {
    pub(super) fn read_inbox(&mut self) {
        while let Ok(message) = self.setup.inbox.try_recv() {
            self.message(message);
        }
    }

    pub(super) fn message(&mut self, message: ToIntake) {
        let agents = &mut self.setup.agents;
        match message {
            ToIntake::Done { part, ticket } => {
                self.pending.done(part, ticket);
            }
            ToIntake::SetsForgotten => agents.forget_sets(),
            ToIntake::Emptied(emptied) => self.rooms.take(emptied),
            ToIntake::HistoryStopped(stopped) => self.history_stopped = stopped,
            ToIntake::Orders { host, offers } => self.take_orders(&host, offers),
            ToIntake::HostLearned { host, name } => self.learned(host, &name),
            ToIntake::HostDropped { host } => {
                agents.dropped(host);
                self.news.retain(|(of, _)| *of != host);
                self.setup.vitals.forget(host);
                self.setup.own_limits.forget(host);
            }
            ToIntake::Watch { host, watches, ticket } => {
                agents.watch(host, &watches, ticket);
                self.judge_early(host);
                self.sweep.answered();
            }
            ToIntake::SetReady { set, outcome } => self.set_ready(&set, outcome),
            ToIntake::Enrolled { agent, host, done } => {
                let name = agent.name.clone();
                agents.admit(*agent);
                agents.learned(host, &name);
                if done.send(()).is_err() {
                    tracing::debug!("whoever enrolled a host has gone");
                }
            }
            ToIntake::Reloaded { secret, configs, shed_after } => {
                self.shedding.set_limit(shed_after);
                self.papers.change(configs);
                agents.change_secret(secret);
                self.sweep.begin();
            }
            ToIntake::Prove(claim, reply) => drop(reply.send(self.prove(&claim))),
            ToIntake::Brought(brought, reply) => self.brought(brought, reply),
            ToIntake::Given(place, reply) => drop(reply.send(self.given(place))),
            ToIntake::News(place, reply) => drop(reply.send(self.news(place, Clock.now()))),
            ToIntake::TakeOrder(place, id, reply) => {
                drop(reply.send(self.hand_out(place, id, Clock.now())));
            }
            ToIntake::FactsOf(host, reply) => drop(reply.send(agents.facts_of(&host))),
            ToIntake::Facts(reply) => drop(reply.send(agents.facts())),
        }
    }

    pub(super) fn learned(&mut self, host: hark_model::HostId, name: &HostName) {
        let Some(place) = self.setup.agents.learned(host, name) else { return };
        let agent = self.setup.agents.slot(place);
        if let Some(hello) = agent.hello.take() {
            let mut facts: Vec<(String, String)> = hello.facts.into_iter().collect();
            facts.push(("agent_version".to_owned(), hello.version));
            self.inputs.push(Input::Facts { host, facts });
        }
        // Its hello came before it had a number that a check could be told of.
        self.tell_trouble(place);
    }

    pub(super) fn set_ready(&mut self, set: &DefineSet, outcome: Result<SetId, NotDefined>) {
        let catalogue = match outcome {
            Ok(catalogue) => {
                if catalogue != SetId::KEPT_NOWHERE && self.is_refused(set) {
                    tracing::info!(host = set.host.0, "a set of series that was refused is kept");
                }
                catalogue
            }
            Err(NotDefined { why, lasts }) => {
                let is_new = !self.is_refused(set);
                if lasts == Lasts::WhileFull {
                    self.refusals.note(set, Clock.now().mono);
                }
                if !is_new {
                    return;
                }
                tracing::warn!(host = set.host.0, why, "a set of series was refused");
                if lasts == Lasts::Moments {
                    return;
                }
                // Its values are judged and not kept. An agent that heard nothing would declare it, and send what it
                // has of it, again and again.
                self.inputs.push(Input::Event { host: set.host, event: not_kept(&why) });
                SetId::KEPT_NOWHERE
            }
        };
        let agents = &mut self.setup.agents;
        // The engine sees it under the ticket that is being filled, and all sets of the host at
        // once: its answer to that ticket says what it wants of this one.
        agents.define(set.slot, set.number, &set.series, catalogue, self.ticket + 1);
        let series = agents.series_of(set.slot);
        let earlier =
            |input: &Input| matches!(input, Input::SeriesSeen { host, .. } if *host == set.host);
        self.inputs.retain(|input| !earlier(input));
        self.inputs.push(Input::SeriesSeen { host: set.host, series });
    }
}

/// Returns what is told of a host whose series are too many; each time the same, so that it is told once and counted.
fn not_kept(why: &str) -> Event {
    Event {
        at: Clock.now().unix,
        kind: EventKind::Other("series_refused".to_owned()),
        severity: Severity::Warning,
        text: format!("samples of new series are not kept: {why}"),
        tags: Vec::new(),
        data: None,
    }
}

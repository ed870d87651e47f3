//! What people do, and what they can do it with: silences, receivers.

use hark_api::hosts::{DroppedHost, Looking};
use hark_api::receivers::{Receiver, TestSent};
use hark_api::silences::{CoveredIncident, Preview, Silence};
use hark_engine::input::Action;
use hark_engine::{Done, Refused as EngineRefused};
use hark_model::record::Matcher;
use hark_model::{CheckName, Clock, HostName, IncidentId, ReceiverName, SilenceId, UserName};
use hark_web::{AckOrder, Answer, Refused, Sight, SilenceOrder};

use tokio::sync::oneshot;

use super::{ServerBackend, ending};
use crate::server::probes::ToProbes;

impl ServerBackend {
    pub(super) fn act(&self, by: &UserName, action: Action) -> Answer<Done> {
        let outcome = self.links.act(by.clone(), action).ok_or_else(ending)?;
        outcome.map_err(|refused| match refused {
            EngineRefused::NotFound => Refused::Absent,
            EngineRefused::Invalid(text) => Refused::Conflict(text),
        })
    }

    pub(super) fn acknowledge(&self, incident: IncidentId, order: &AckOrder) -> Answer<()> {
        let action = Action::Acknowledge {
            incident,
            comment: order.comment.clone(),
            until: order.until,
            sticky: order.sticky,
        };
        self.act(&order.by, action).map(|_| ())
    }

    pub(super) fn unacknowledge(&self, incident: IncidentId, by: &UserName) -> Answer<()> {
        self.act(by, Action::Unacknowledge { incident }).map(|_| ())
    }

    pub(super) fn remark(&self, incident: IncidentId, by: &UserName, text: &str) -> Answer<()> {
        self.act(by, Action::Comment { incident, text: text.to_owned() }).map(|_| ())
    }

    pub(super) fn resolve_by_hand(
        &self,
        incident: IncidentId,
        by: &UserName,
        comment: &str,
    ) -> Answer<()> {
        self.act(by, Action::Resolve { incident, comment: comment.to_owned() }).map(|_| ())
    }

    pub(super) fn relate_by_hand(
        &self,
        incident: IncidentId,
        by: &UserName,
        cause: Option<IncidentId>,
    ) -> Answer<()> {
        self.act(by, Action::Relate { incident, cause }).map(|_| ())
    }

    pub(super) fn make_silence(&self, order: &SilenceOrder) -> Answer<Silence> {
        self.silenced(&order.by, Action::Silence(order.terms.clone()))
    }

    pub(super) fn change(&self, silence: SilenceId, order: &SilenceOrder) -> Answer<Silence> {
        let terms = order.terms.clone();
        self.silenced(&order.by, Action::ChangeSilence { silence, terms })
    }

    fn silenced(&self, by: &UserName, action: Action) -> Answer<Silence> {
        let Done::Silence(id) = self.act(by, action)? else {
            return Err(Refused::Unavailable("the engine made no silence".to_owned()));
        };
        let silences = self.all_silences(&Sight::Everything)?;
        silences.into_iter().find(|s| s.id == id.0).ok_or(Refused::Absent)
    }

    /// Has the probes look at once; a host without checks of the server's has nothing to look at.
    pub(super) fn hurry_checks(
        &self,
        host: &HostName,
        check: Option<&CheckName>,
    ) -> Answer<Looking> {
        let (reply, answer) = oneshot::channel();
        let now = ToProbes::Now { host: host.clone(), check: check.cloned(), reply };
        self.links.probes.blocking_send(now).map_err(|_| ending())?;
        let found = answer.blocking_recv().map_err(|_| ending())?;
        if found.checks == 0 {
            // Whether there is such a host, and whether it may be seen, was asked before.
            return Err(Refused::Conflict(match check {
                Some(check) => format!("the server runs no check {check} of {host}"),
                None => format!(
                    "the server runs no check of {host}: what its agent sees comes by itself"
                ),
            }));
        }
        self.order_looks(found.sites)?;
        Ok(Looking { checks: u64::try_from(found.checks).unwrap_or(u64::MAX) })
    }

    pub(super) fn stop_silence(&self, silence: SilenceId, by: &UserName) -> Answer<()> {
        self.act(by, Action::EndSilence { silence }).map(|_| ())
    }

    pub(super) fn forget_host(&self, host: &HostName, by: &UserName) -> Answer<()> {
        let id = self.links.hosts.number(host).ok_or(Refused::Absent)?;
        self.act(by, Action::DropHost { host: id }).map(drop)
    }

    pub(super) fn give_back(&self, host: &HostName, by: &UserName) -> Answer<()> {
        self.act(by, Action::RestoreHost { host: host.clone() }).map(drop)
    }

    pub(super) fn all_dropped(&self) -> Answer<Vec<DroppedHost>> {
        let now = Clock.now();
        self.ask(move |engine| {
            let dropped = engine.dropped(now).map(|dropped| DroppedHost {
                name: dropped.host.name().to_string(),
                by: dropped.by.to_string(),
                dropped_at: dropped.at.into(),
                until_at: dropped.until.into(),
                is_back: dropped.is_back,
            });
            dropped.collect()
        })
    }

    pub(super) fn send_test(&self, receiver: &ReceiverName, by: &UserName) -> Answer<TestSent> {
        let figures = self.links.telling.of(receiver);
        match self.act(by, Action::TestReceiver { receiver: receiver.clone() })? {
            Done::Delivery(id) => Ok(TestSent {
                delivery: id.0,
                failing: figures.problem.filter(|_| figures.is_failing),
                next: figures.is_busy,
            }),
            Done::Done | Done::Silence(_) | Done::Host(_) => {
                Err(Refused::Unavailable("the engine made no message".to_owned()))
            }
        }
    }

    pub(super) fn preview_of(&self, sight: &Sight, matcher: &Matcher) -> Answer<Preview> {
        let sight = sight.clone();
        let matcher = matcher.clone();
        self.ask(move |engine| {
            let preview = engine.preview_within(&matcher, |host| sight.covers(host.as_str()));
            let listed = preview.listed.iter().filter_map(|id| engine.incident(*id));
            Preview {
                hosts: preview.hosts as u64,
                incidents: preview.incidents as u64,
                names: preview.names.iter().map(ToString::to_string).collect(),
                incidents_list: listed
                    .map(|incident| CoveredIncident {
                        id: incident.record().id.0,
                        host: incident.host_name().to_string(),
                        check: incident.record().check.to_string(),
                        state: incident.record().status.into(),
                    })
                    .collect(),
                times: Vec::new(),
            }
        })
    }

    pub(super) fn all_receivers(&self) -> Answer<Vec<Receiver>> {
        let receivers = self.receivers.load_full();
        let failing = self.failing()?;
        let mut shown = Vec::new();
        for (name, configured) in receivers.iter() {
            let last = self.read(|reader| reader.last_delivery(name))?;
            let figures = self.links.telling.of(name);
            shown.push(Receiver {
                name: name.to_string(),
                kind: configured.kind.to_owned(),
                target: configured.receiver.target(),
                fallback: configured.fallback.as_ref().map(ToString::to_string),
                last: last.map(|row| self.shown(&row)),
                failing: failing.contains(&name.to_string()),
                waiting: figures.waiting,
                oldest_at: figures.oldest.map(Into::into),
            });
        }
        Ok(shown)
    }

    /// Returns the receivers that are failing: their problems are checks of the host `self`.
    pub(super) fn failing(&self) -> Answer<Vec<String>> {
        self.ask(|engine| {
            let own = engine.host_named("self");
            let checks = own.into_iter().flat_map(hark_engine::view::HostView::checks);
            let bad = checks.filter(|c| c.hard().is_some_and(hark_model::Status::is_problem));
            bad.filter_map(|c| c.name().as_str().strip_prefix("receiver ").map(str::to_owned))
                .collect()
        })
    }
}

//! Who is to be told about an incident: routes, people, steps.
//!
//! What is due is worked out anew at each look, from the plan, the calendar and the incident. It says
//! who would be told; whether that is done now is decided elsewhere ([`crate::decide`]).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use hark_model::{ReceiverName, RouteName, Severity, UserName};

use crate::engine::Engine;
use crate::host::Host;
use crate::incident::Incident;
use crate::matching::{self, Subject};
use crate::moment::Moment;
use crate::plan::route::{GroupBy, RouteMatch, StormPlan, routes_for};
use crate::plan::{Hours, RoutePlan, Target};
use crate::reconcile::shown_severity;
use crate::times::Times;

/// One way by which a receiver comes to hear of an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    /// The route.
    pub(crate) route: RouteName,
    /// A problem is told from here on.
    pub(crate) from: Moment,
    /// The step of the route, if it is one.
    pub(crate) step: Option<StepDue>,
    /// The route's times between reminders, if other than the general one.
    pub(crate) repeat: Option<Arc<[Duration]>>,
    /// The user who is meant.
    pub(crate) person: Option<UserName>,
    /// When the user wants to be told.
    pub(crate) hours: Option<Hours>,
    /// From which severity on.
    pub(crate) severity: Option<Severity>,
    /// The group that it waits for.
    pub(crate) group: Option<Group>,
    /// When it comes summed up.
    pub(crate) storm: StormPlan,
}

/// The group of a route that an incident belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    /// Route and what the members have in common.
    pub(crate) key: String,
    /// How long the first message waits.
    pub(crate) wait: Duration,
    /// How far messages are apart.
    pub(crate) interval: Duration,
}

/// A step of a route's escalation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StepDue {
    /// Which, from 1.
    pub(crate) number: usize,
    /// When it was taken; `None` while it is still to come.
    pub(crate) taken: Option<Moment>,
    /// How long nobody has taken the incident then.
    pub(crate) after: Duration,
}

/// Everybody who is due, each with the ways by which, in the order of the routes.
pub(crate) type Dues = BTreeMap<ReceiverName, Vec<Due>>;

impl Engine {
    /// Returns what routes are held against for an incident.
    pub(crate) fn subject<'a>(&'a self, incident: &'a Incident) -> Subject<'a> {
        let host = self.hosts.get(incident.record.host).map(Host::tags);
        Subject {
            host: incident.host_name.as_str(),
            check: Some(incident.record.check.as_str()),
            tags: host
                .unwrap_or_else(|| self.plan.host(incident.host_name.as_str()).tags.as_slice()),
            severity: Some(shown_severity(incident)),
        }
    }

    /// Returns the routes that are for an incident, in order.
    pub(crate) fn routes_of(&self, incident: &Incident, times: &Times) -> Vec<&RoutePlan> {
        let subject = self.subject(incident);
        let is_for = |matches: &RouteMatch| {
            matches.events.is_empty()
                && is_open(matches, times)
                && matching::routes(matches, subject)
        };
        routes_for(&self.plan.routes, &is_for, &|_| true)
    }

    /// Returns who is due, with the settings of the first route that leads there.
    pub(crate) fn due(&self, incident: &Incident, times: &Times, now: Moment) -> Dues {
        let mut dues = Dues::new();
        // A check that flaps is believed to be bad again and again: a delay that began anew each time would
        // keep its page back for as long as it flaps.
        let begins = if self.flaps(incident) { incident.since } else { incident.hard_since };
        for route in self.routes_of(incident, times) {
            let from = begins + route.delay;
            for target in &route.to {
                self.add_due(&mut dues, target, incident, route, times, from, None);
            }
            for (index, step) in route.escalate.iter().enumerate() {
                let Some((from, taken)) = incident.step_time(&route.name, index, step, now) else {
                    continue;
                };
                let step_due = StepDue { number: index + 1, taken, after: step.after };
                for target in &step.to {
                    self.add_due(&mut dues, target, incident, route, times, from, Some(step_due));
                }
            }
        }
        dues
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one due, put together here alone")]
    fn add_due(
        &self,
        dues: &mut Dues,
        target: &Target,
        incident: &Incident,
        route: &RoutePlan,
        times: &Times,
        from: Moment,
        step: Option<StepDue>,
    ) {
        for (receiver, person) in self.reached(target, incident.host_name.as_str(), times) {
            let known = dues.entry(receiver).or_default();
            // The first route counts; a step and another person are another way.
            if known.iter().any(|due| due.person == person && due.step.is_some() == step.is_some())
                && step.is_none()
            {
                continue;
            }
            let plan = person.as_ref().and_then(|user| self.plan.people.persons.get(user));
            known.push(Due {
                route: route.name.clone(),
                from,
                step,
                repeat: route.repeat.clone(),
                hours: plan.and_then(|plan| plan.hours.clone()),
                severity: plan.and_then(|plan| plan.severity),
                group: self.group_of(incident, route),
                storm: route.storm,
                person,
            });
        }
    }

    /// Returns the group of a route that an incident belongs to; none if the route does not group, and for
    /// what the route does not let wait.
    fn group_of(&self, incident: &Incident, route: &RoutePlan) -> Option<Group> {
        let group = &route.group;
        let by = group.by.as_ref().filter(|by| !by.is_empty())?;
        let tags = self.subject(incident).tags;
        let mut key = route.name.to_string();
        for by in by {
            let part = match by {
                GroupBy::Site => site_of(tags).unwrap_or("no site").to_owned(),
                GroupBy::Tag => {
                    tags.iter().map(hark_model::Tag::as_str).collect::<Vec<_>>().join(" ")
                }
                GroupBy::Host => incident.host_name.to_string(),
                GroupBy::Check => incident.record.check.to_string(),
                GroupBy::Cause => incident.record.cause.unwrap_or(incident.record.id).0.to_string(),
            };
            key.extend([", ", by.word(), " ", &part]);
        }
        Some(Group { key, wait: group.wait, interval: group.interval })
    }

    /// Returns the receivers that a word of `to` leads to, each with the user who is meant.
    pub(crate) fn reached(
        &self,
        target: &Target,
        host: &str,
        times: &Times,
    ) -> Vec<(ReceiverName, Option<UserName>)> {
        if let Target::Receiver(receiver) = target {
            return vec![(receiver.clone(), None)];
        }
        let people = &self.plan.people;
        let channels = |user: &UserName| {
            let person = people.persons.get(user);
            let channels = person.map(|person| person.channels.clone()).unwrap_or_default();
            let user = user.clone();
            channels.into_iter().map(move |channel| (channel, Some(user.clone())))
        };
        self.users_of(target, host, times).into_iter().flat_map(channels).collect()
    }

    fn users_of<'a>(
        &'a self,
        target: &'a Target,
        host: &str,
        times: &'a Times,
    ) -> Vec<&'a UserName> {
        match target {
            Target::Receiver(_) => Vec::new(),
            Target::User(user) => vec![user],
            Target::Team(team) => self.plan.people.teams.get(team).into_iter().flatten().collect(),
            Target::OnCall(rota) => times.on_call(rota).into_iter().collect(),
            Target::Owner => self.plan.host(host).owner.iter().collect(),
        }
    }

    /// Returns the users that a word of a route's `to` means at present, each once; none for a receiver, and for
    /// `owner`, who is a host's.
    pub fn meant(&self, target: &Target) -> Vec<UserName> {
        if *target == Target::Owner {
            return Vec::new();
        }
        let users: BTreeSet<&UserName> =
            self.users_of(target, "", &self.times).into_iter().collect();
        users.into_iter().cloned().collect()
    }
}

/// Returns the site that a host's tags name: `site:berlin`.
pub(crate) fn site_of(tags: &[hark_model::Tag]) -> Option<&str> {
    tags.iter().find_map(|tag| tag.as_str().strip_prefix("site:"))
}

/// Returns true if a route's times are open.
pub(crate) fn is_open(matches: &RouteMatch, times: &Times) -> bool {
    matches.times.is_empty() || matches.times.iter().any(|period| times.is_open(period))
}

//! Routes: who is told about what, and when first.
//!
//! Routes are a tree. A route is for what its filter and those of all routes above it match. Among
//! neighbours the first that tells somebody ends the search, unless it says `continue`; a route that
//! has routes below tells itself only what none of them does. What a route does not say it takes from
//! the one above. `routes_for` is the one place that walks the tree.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use hark_model::{EventKind, PeriodName, ReceiverName, RouteName, Severity, Tag};

use super::{Draft, Fault, Place, ReceiverPlan, people};
use crate::plan::people::Target;

/// Routes may lie this deep in each other: deeper nobody can follow.
pub const MAX_DEPTH: usize = 8;

/// Bound on the steps of one route: each is looked at for each of its incidents.
pub const MAX_STEPS: usize = 16;

/// What a route is for; all given parts must match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteMatch {
    /// Glob patterns of which one must match the host's name; empty matches all.
    pub hosts: Vec<String>,
    /// Glob patterns of which one must match the check's name; empty matches all.
    pub checks: Vec<String>,
    /// Tags of which the host must have one; empty matches all.
    pub tags: Vec<Tag>,
    /// The lowest severity that matches.
    pub severity: Option<Severity>,
    /// Periods of which one must be open; empty matches at any time.
    pub times: Vec<PeriodName>,
    /// Kinds of events (`boot`, `shutdown`, `message` ...). A route that names some is for these
    /// events and for nothing else; a route that names none is for incidents and for messages.
    pub events: Vec<EventKind>,
    /// Whether events that name no route of their own are told from [`GRAVE`] on. No file can say
    /// so: it holds for the route that is there when none is configured, because a critical event
    /// that nobody hears of is the worst default; boots and other news stay quiet.
    pub grave_events: bool,
}

/// Who is told in addition when a problem lasts and nobody takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepPlan {
    /// How long nobody has taken it, counted while nothing keeps it back.
    pub after: Duration,
    /// Who is told then.
    pub to: Vec<Target>,
    /// Only from this severity on, counted from when it is that bad.
    pub severity: Option<Severity>,
}

/// What members of a group have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupBy {
    /// The host's tag `site:…`.
    Site,
    /// All tags of the host.
    Tag,
    /// The host.
    Host,
    /// The check's name.
    Check,
    /// What it follows from.
    Cause,
}

impl GroupBy {
    /// Every word.
    pub const WORDS: [(&'static str, Self); 5] = [
        ("site", Self::Site),
        ("tag", Self::Tag),
        ("host", Self::Host),
        ("check", Self::Check),
        ("cause", Self::Cause),
    ];

    /// Returns the word used in files and messages.
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, by)| *by == self).map_or("", |(word, _)| word)
    }
}

/// Which messages of a route go as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupPlan {
    /// What they have in common; each goes alone without.
    pub by: Option<Vec<GroupBy>>,
    /// How long the first waits for others; what is critical at most 5 s.
    pub wait: Duration,
    /// How far apart messages of a group are.
    pub interval: Duration,
}

impl Default for GroupPlan {
    fn default() -> Self {
        Self { by: None, wait: Duration::from_secs(30), interval: Duration::from_mins(5) }
    }
}

/// When what goes to one receiver comes summed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StormPlan {
    /// More messages than this ...; 0: however many.
    pub messages: usize,
    /// ... within this time.
    pub within: Duration,
    /// More hosts than this that fall silent, or come back ...; 0: however many.
    pub hosts: usize,
    /// ... within this time are one piece of news (rule F6): their heartbeats come within an interval
    /// of each other, and so do their deadlines.
    pub hosts_within: Duration,
}

impl Default for StormPlan {
    fn default() -> Self {
        Self {
            messages: 100,
            within: Duration::from_mins(1),
            // With the summaries of a whole interval of 15 s that makes ten messages.
            hosts: 5,
            hosts_within: Duration::from_secs(30),
        }
    }
}

impl StormPlan {
    /// No limit can be higher: so many times are remembered for each receiver.
    pub const MOST: usize = 1000;

    /// Returns true if nothing is ever summed up.
    pub(crate) fn is_off(&self) -> bool {
        self.messages == 0 && self.hosts == 0
    }
}

/// What a route says of storms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StormDraft {
    /// How many messages are none yet.
    pub messages: Option<usize>,
    /// Within which time.
    pub within: Option<Duration>,
    /// How many hosts that fall silent, or come back, are none yet.
    pub hosts: Option<usize>,
    /// Within which time.
    pub hosts_within: Option<Duration>,
}

impl StormDraft {
    fn over(self, above: StormPlan) -> StormPlan {
        StormPlan {
            messages: self.messages.unwrap_or(above.messages),
            within: self.within.unwrap_or(above.within),
            hosts: self.hosts.unwrap_or(above.hosts),
            hosts_within: self.hosts_within.unwrap_or(above.hosts_within),
        }
    }
}

/// One route as somebody wrote it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RouteDraft {
    /// Its name; every route has one.
    pub name: Option<RouteName>,
    /// What it is for.
    pub matches: RouteMatch,
    /// Who is told.
    pub to: Option<Vec<Target>>,
    /// Time from the confirmed problem to the first message.
    pub delay: Option<Duration>,
    /// Times between reminders.
    pub repeat: Option<Vec<Duration>>,
    /// Who is told when nobody takes it.
    pub escalate: Option<Vec<StepPlan>>,
    /// What members of a group have in common.
    pub group_by: Option<Vec<GroupBy>>,
    /// How long the first message of a group waits.
    pub group_wait: Option<Duration>,
    /// How far apart messages of a group are.
    pub group_interval: Option<Duration>,
    /// When messages come summed up.
    pub storm: StormDraft,
    /// Whether routes after this one are looked at as well.
    pub and_on: bool,
    /// The routes below.
    pub routes: Vec<RouteDraft>,
}

impl RouteDraft {
    /// Makes a route for everything, without delay.
    pub fn new(name: RouteName, to: Vec<Target>) -> Self {
        Self { name: Some(name), to: Some(to), ..Self::default() }
    }
}

/// One route, with what it has from the routes above.
#[derive(Clone, Debug, PartialEq)]
pub struct RoutePlan {
    /// Its name.
    pub name: RouteName,
    /// What it is for, beside what the routes above are for.
    pub matches: RouteMatch,
    /// Who is told; nobody by a route that is there for those below alone.
    pub to: Vec<Target>,
    /// Time from the confirmed problem to the first message; a recovery before it means no message.
    pub delay: Duration,
    /// Times between reminders, the last again and again, if other than the general one; zero is
    /// never.
    pub repeat: Option<Arc<[Duration]>>,
    /// Who is told in addition when nobody takes it.
    pub escalate: Vec<StepPlan>,
    /// Which messages go as one.
    pub group: GroupPlan,
    /// When messages come summed up.
    pub storm: StormPlan,
    /// Whether routes after this one are looked at as well.
    pub and_on: bool,
    /// The routes below.
    pub routes: Vec<RoutePlan>,
}

/// The name of the route that is there when none is configured: every problem, every message of a
/// person and every grave event to everybody.
pub const EVERYTHING: &str = "everything";

/// From here on an event is told without a route that names its kind.
pub const GRAVE: Severity = Severity::Warning;

/// Returns the routes that tell, in order. `enters` says whether something is looked at in or below a
/// route, `tells` whether the route itself is for it.
pub(crate) fn routes_for<'a>(
    routes: &'a [RoutePlan],
    enters: &impl Fn(&RouteMatch) -> bool,
    tells: &impl Fn(&RouteMatch) -> bool,
) -> Vec<&'a RoutePlan> {
    let mut found = Vec::new();
    walk(routes, enters, tells, &mut found);
    found
}

fn walk<'a>(
    routes: &'a [RoutePlan],
    enters: &impl Fn(&RouteMatch) -> bool,
    tells: &impl Fn(&RouteMatch) -> bool,
    found: &mut Vec<&'a RoutePlan>,
) {
    for route in routes.iter().filter(|route| enters(&route.matches)) {
        let before = found.len();
        walk(&route.routes, enters, tells, found);
        if found.len() == before && !route.to.is_empty() && tells(&route.matches) {
            found.push(route);
        }
        if found.len() > before && !route.and_on {
            return;
        }
    }
}

pub(super) fn resolve(
    draft: &Draft,
    faults: &mut Vec<Fault>,
) -> (BTreeMap<ReceiverName, ReceiverPlan>, Vec<RoutePlan>) {
    let receivers: BTreeMap<ReceiverName, ReceiverPlan> =
        draft.receivers.iter().map(|r| (r.name.clone(), r.clone())).collect();
    let mut resolving = Resolving { draft, names: BTreeSet::new(), faults };
    let mut routes: Vec<RoutePlan> =
        draft.routes.iter().filter_map(|route| resolving.route(route, None, 1)).collect();
    if draft.routes.is_empty() && !receivers.is_empty() {
        let name = RouteName::new(EVERYTHING).expect("the word is a name: a test checks it");
        let to = receivers.keys().cloned().map(Target::Receiver).collect();
        let mut everything = RouteDraft::new(name, to);
        everything.matches.grave_events = true;
        routes.extend(resolving.route(&everything, None, 1));
    }
    (receivers, routes)
}

struct Resolving<'a> {
    draft: &'a Draft,
    names: BTreeSet<RouteName>,
    faults: &'a mut Vec<Fault>,
}

impl Resolving<'_> {
    /// Gives a route what it has from the one above.
    fn route(
        &mut self,
        route: &RouteDraft,
        above: Option<&RoutePlan>,
        depth: usize,
    ) -> Option<RoutePlan> {
        let name = route.name.clone()?;
        if !self.names.insert(name.clone()) {
            self.fault(&name, format!("there are two routes `{name}`"), None);
        }
        if depth > MAX_DEPTH {
            let text = format!("routes may lie at most {MAX_DEPTH} deep in each other");
            self.fault(&name, text, None);
            return None;
        }
        let mut plan = RoutePlan {
            name,
            matches: route.matches.clone(),
            to: own_or(route.to.as_ref(), above.map(|above| &above.to)),
            delay: route.delay.or(above.map(|above| above.delay)).unwrap_or_default(),
            repeat: route
                .repeat
                .as_deref()
                .map(Arc::from)
                .or_else(|| above.and_then(|above| above.repeat.clone())),
            escalate: own_or(route.escalate.as_ref(), above.map(|above| &above.escalate)),
            group: {
                let above = above.map(|above| above.group.clone()).unwrap_or_default();
                GroupPlan {
                    by: route.group_by.clone().or(above.by),
                    wait: route.group_wait.unwrap_or(above.wait),
                    interval: route.group_interval.unwrap_or(above.interval),
                }
            },
            storm: route.storm.over(above.map(|above| above.storm).unwrap_or_default()),
            and_on: route.and_on,
            routes: Vec::new(),
        };
        if plan.to.is_empty() && route.routes.is_empty() {
            let hint = "name receivers, users, a team or a rota under `to`";
            self.fault(&plan.name, format!("the route `{}` tells nobody", plan.name), Some(hint));
        }
        let steps = route.escalate.iter().flatten().flat_map(|step| &step.to);
        let own = route.to.iter().flatten().chain(steps);
        people::check_route(self.draft, &plan.name, own, &plan.matches.times, self.faults);
        plan.routes = route
            .routes
            .iter()
            .filter_map(|below| self.route(below, Some(&plan), depth + 1))
            .collect();
        Some(plan)
    }

    fn fault(&mut self, name: &RouteName, text: String, hint: Option<&str>) {
        let place = Place::Route(name.clone());
        let hint = hint.map(str::to_owned);
        self.faults.push(Fault { place, text, suggestion: None, hint });
    }
}

fn own_or<T: Clone>(own: Option<&Vec<T>>, above: Option<&Vec<T>>) -> Vec<T> {
    own.or(above).cloned().unwrap_or_default()
}

//! Routes: who is told about what, and when first.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hark_config::nearest;
use hark_model::{EventKind, ReceiverName, RouteName, Severity, Tag};

use super::{Draft, Fault, Place, ReceiverPlan};

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
    /// Kinds of events (`boot`, `shutdown`, `message` ...). A route that names some is for these
    /// events and for nothing else; a route that names none is for incidents and for messages.
    pub events: Vec<EventKind>,
    /// Whether events that name no route of their own are told from [`GRAVE`] on. No file can say
    /// so: it holds for the route that is there when none is configured, because a critical event
    /// that nobody hears of is the worst default; boots and other news stay quiet.
    pub grave_events: bool,
}

/// One route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutePlan {
    /// Its name.
    pub name: RouteName,
    /// What it is for.
    pub matches: RouteMatch,
    /// Who is told.
    pub to: Vec<ReceiverName>,
    /// Time from the confirmed problem to the first message; a recovery before it means no message.
    pub delay: Duration,
    /// Time between reminders, if other than the general one; zero is never.
    pub repeat: Option<Duration>,
    /// Whether routes after this one are looked at as well.
    pub and_on: bool,
}

impl RoutePlan {
    /// Makes a route for everything, without delay.
    pub fn new(name: RouteName, to: Vec<ReceiverName>) -> Self {
        Self {
            name,
            matches: RouteMatch::default(),
            to,
            delay: Duration::ZERO,
            repeat: None,
            and_on: false,
        }
    }
}

/// The name of the route that is there when none is configured: every problem, every message of a
/// person and every grave event to everybody.
pub const EVERYTHING: &str = "everything";

/// From here on an event is told without a route that names its kind.
pub const GRAVE: Severity = Severity::Warning;

pub(super) fn resolve(
    draft: &Draft,
    faults: &mut Vec<Fault>,
) -> (BTreeMap<ReceiverName, ReceiverPlan>, Vec<RoutePlan>) {
    let receivers: BTreeMap<ReceiverName, ReceiverPlan> =
        draft.receivers.iter().map(|r| (r.name.clone(), r.clone())).collect();
    let unknown = |place: Place, name: &ReceiverName| Fault {
        place,
        text: format!("there is no receiver `{name}`"),
        suggestion: nearest(name.as_str(), receivers.keys().map(ReceiverName::as_str))
            .map(str::to_owned),
        hint: Some("receivers stand under `receivers`".to_owned()),
    };
    let mut names = BTreeSet::new();
    for route in &draft.routes {
        if !names.insert(&route.name) {
            faults.push(Fault {
                place: Place::Route(route.name.clone()),
                text: format!("there are two routes `{}`", route.name),
                suggestion: None,
                hint: None,
            });
        }
        for to in route.to.iter().filter(|to| !receivers.contains_key(*to)) {
            faults.push(unknown(Place::RouteReceiver(route.name.clone(), to.clone()), to));
        }
    }
    let mut routes = draft.routes.clone();
    if routes.is_empty() && !receivers.is_empty() {
        let name = RouteName::new(EVERYTHING).expect("the word is a name: a test checks it");
        let mut everything = RoutePlan::new(name, receivers.keys().cloned().collect());
        everything.matches.grave_events = true;
        routes.push(everything);
    }
    (receivers, routes)
}

//! The plan: the resolved configuration of the engine, in which nothing is wrong any more.
//!
//! A [`Draft`] is what somebody wrote (read from files by [`read`], or made by a
//! test); [`Plan::resolve`] turns names into things and refuses what cannot be: unknown names, cycles
//! of parents (rule D1), impossible limits (rule 6.4). A reload makes a new plan; the engine computes
//! the difference (rule R3).

pub mod check;
mod layers;
pub mod people;
pub mod push;
mod read;
pub mod receiver;
pub mod repair;
pub mod route;
pub mod signal;
pub mod silence;
pub mod threshold;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hark_config::nearest;
use hark_model::{
    CheckName, HostName, PeriodName, ProfileName, ReceiverName, RotaName, RouteName, Tag, TeamName,
    UserName,
};

pub use check::CheckPlan;
pub use layers::{DEFAULT_PROFILE, Layer, Profile, TaggedPlans};
pub use people::{Hours, People, PersonPlan, Target};
pub use push::PushPlan;
pub use read::{
    Catalogue, HOST_KEYS, HOST_MATCH_KEYS, HOURS_KEYS, KEYS, LIMIT_KEYS, MAINTENANCE_KEYS,
    PERSON_KEYS, PUSH_KEYS, ROUTE_KEYS, SILENCE_KEYS, read, read_host_match, read_with,
};
pub use receiver::ReceiverPlan;
pub use repair::RepairPlan;
pub use route::{
    GroupBy, GroupPlan, RouteDraft, RouteMatch, RoutePlan, StepPlan, StormDraft, StormPlan,
};
pub use signal::{Measure, Per, Side, Signal, Terms, Usual};
pub use silence::{Repeat, SilencePlan, times};
pub use threshold::{Limits, ThresholdLayer, ThresholdPath, ThresholdSet};

use layers::Layers;

/// The name of the pseudo host that stands for the server itself.
pub const SELF: &str = "self";

/// When a host counts as silent (rule F1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Liveness {
    /// The interval of agents that do not say.
    pub interval: Duration,
    /// How many intervals may be missed.
    pub miss: u32,
    /// What is added to them.
    pub grace: Duration,
}

impl Default for Liveness {
    fn default() -> Self {
        Self { interval: Duration::from_secs(30), miss: 3, grace: Duration::from_secs(5) }
    }
}

/// When a told problem is told again (rule 6.10, seed 001 item 127).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reminders {
    /// Time between two reminders, unless the route says otherwise; zero is never.
    pub every: Duration,
    /// Share of the interval by which reminders are spread, so that many do not come at once.
    pub jitter: f64,
}

impl Default for Reminders {
    fn default() -> Self {
        Self { every: Duration::from_hours(1), jitter: 0.05 }
    }
}

/// When a check counts as flapping (rule P2).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Flapping {
    /// Whether it is looked at; checks with fewer than two attempts are never looked at.
    pub enabled: bool,
    /// It begins at this weighted share of changes.
    pub start: f64,
    /// It ends below this share.
    pub end: f64,
}

impl Default for Flapping {
    fn default() -> Self {
        Self { enabled: true, start: 0.30, end: 0.20 }
    }
}

/// A host as somebody wrote it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HostDraft {
    /// Groups of parents: one good member of each group is needed (rule D2).
    pub parents: Vec<Vec<HostName>>,
    /// Words to match on.
    pub tags: Vec<Tag>,
    /// Whose it is.
    pub owner: Option<UserName>,
    /// Who may also act on it.
    pub managers: Vec<UserName>,
    /// Who may also see it.
    pub monitors: Vec<UserName>,
    /// Its profiles, from left to right.
    pub profiles: Vec<ProfileName>,
    /// Limits of its own, which lie on top of its profiles.
    pub limits: ThresholdLayer,
    /// Where it is.
    pub address: Option<IpAddr>,
    /// Where it is in the other family of addresses.
    pub other_address: Option<IpAddr>,
}

/// The configuration as somebody wrote it: names are not yet resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// The global switch: `false` keeps every notification back.
    pub notify: bool,
    /// Silent hosts.
    pub liveness: Liveness,
    /// Reminders.
    pub reminders: Reminders,
    /// Flapping checks.
    pub flapping: Flapping,
    /// Declared hosts.
    pub hosts: BTreeMap<HostName, HostDraft>,
    /// Whose hosts are that name no owner, those that no file names too.
    pub default_owner: Option<UserName>,
    /// The global thresholds.
    pub thresholds: ThresholdLayer,
    /// The profiles.
    pub profiles: BTreeMap<ProfileName, Profile>,
    /// Declared checks.
    pub checks: Vec<CheckPlan>,
    /// Receivers.
    pub receivers: Vec<ReceiverPlan>,
    /// Routes, in order.
    pub routes: Vec<RouteDraft>,
    /// Periods, users, teams and rotas.
    pub people: People,
    /// Declared silences and maintenance.
    pub silences: Vec<SilencePlan>,
}

impl Default for Draft {
    fn default() -> Self {
        Self {
            notify: true,
            liveness: Liveness::default(),
            reminders: Reminders::default(),
            flapping: Flapping::default(),
            hosts: BTreeMap::new(),
            default_owner: None,
            thresholds: ThresholdLayer::new(),
            profiles: BTreeMap::new(),
            checks: Vec::new(),
            receivers: Vec::new(),
            routes: Vec::new(),
            people: People::default(),
            silences: Vec::new(),
        }
    }
}

/// Where in a draft something is wrong, so that a reader can show the line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A parent of a host.
    Parent(HostName, HostName),
    /// A profile of a host.
    HostProfile(HostName, ProfileName),
    /// The limits of a metric.
    Limits(Layer, ThresholdPath),
    /// Somebody that a route leads to.
    RouteTarget(RouteName, Target),
    /// A receiver.
    Receiver(ReceiverName),
    /// A user's way to be told.
    Person(UserName),
    /// A team.
    Team(TeamName),
    /// A rota.
    Rota(RotaName),
    /// A period that a route names.
    Period(PeriodName),
    /// A host that has a reserved name.
    Host(HostName),
    /// A check.
    Check(HostName, CheckName),
    /// A route.
    Route(RouteName),
}

/// One thing that is wrong in a draft.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub place: Place,
    /// What, in words.
    pub text: String,
    /// The nearest name that would be right.
    pub suggestion: Option<String>,
    /// What else may be done.
    pub hint: Option<String>,
}

/// A host with everything resolved.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HostPlan {
    /// Whether a file names it.
    pub declared: bool,
    /// Groups of parents (rule D2).
    pub parents: Vec<Vec<HostName>>,
    /// Words to match on.
    pub tags: Vec<Tag>,
    /// Whose it is.
    pub owner: Option<UserName>,
    /// Who may also act on it.
    pub managers: Vec<UserName>,
    /// Who may also see it.
    pub monitors: Vec<UserName>,
    /// Its profiles in the order in which they lie: those that its tags bring, then those that it names.
    pub profiles: Vec<ProfileName>,
    /// The profiles that it names, from left to right.
    pub named_profiles: Vec<ProfileName>,
    /// Limits of its own as they are written. Few hosts have some.
    pub own_limits: Arc<ThresholdLayer>,
    /// Where it is.
    pub address: Option<IpAddr>,
    /// Where it is in the other family of addresses.
    pub other_address: Option<IpAddr>,
    /// Its thresholds, all layers laid over each other.
    pub thresholds: Arc<ThresholdSet>,
    /// Its declared checks.
    pub checks: Vec<Arc<CheckPlan>>,
}

/// The resolved configuration of the engine.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The global switch.
    pub notify: bool,
    /// Silent hosts.
    pub liveness: Liveness,
    /// Reminders.
    pub reminders: Reminders,
    /// Flapping checks.
    pub flapping: Flapping,
    /// Receivers by name.
    pub receivers: BTreeMap<ReceiverName, ReceiverPlan>,
    /// Routes, in order; never empty when there are receivers.
    pub routes: Vec<RoutePlan>,
    /// Periods, users, teams and rotas.
    pub people: People,
    /// Declared silences and maintenance.
    pub silences: Vec<SilencePlan>,
    /// The profiles as they are written: declared hosts have them already, others may join with a tag.
    pub profiles: BTreeMap<ProfileName, Profile>,
    /// The limits of everyone as they are written.
    pub everyone: ThresholdLayer,
    hosts: BTreeMap<HostName, Arc<HostPlan>>,
    unnamed: Arc<HostPlan>,
    /// Of the server itself.
    server: Arc<HostPlan>,
}

impl Plan {
    /// Resolves a draft.
    ///
    /// # Errors
    /// Everything that is wrong, all at once, each with its place.
    pub fn resolve(draft: &Draft) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let hosts = resolve_hosts(draft, &mut faults);
        let layers = Layers::of_draft(draft);
        layers.check_tagged(&mut faults);
        let unnamed = HostPlan {
            thresholds: Arc::new(layers.resolve(&[], None, &mut faults)),
            owner: draft.default_owner.clone(),
            ..HostPlan::default()
        };
        people::check(draft, &mut faults);
        let (receivers, routes) = route::resolve(draft, &mut faults);
        if !faults.is_empty() {
            faults.sort_by(|a, b| (&a.place, &a.text).cmp(&(&b.place, &b.text)));
            faults.dedup();
            return Err(faults);
        }
        Ok(Self {
            notify: draft.notify,
            liveness: draft.liveness,
            reminders: draft.reminders,
            flapping: draft.flapping,
            receivers,
            routes,
            people: draft.people.clone(),
            silences: draft.silences.clone(),
            profiles: draft.profiles.clone(),
            everyone: draft.thresholds.clone(),
            hosts,
            server: Arc::new(HostPlan { owner: None, ..unnamed.clone() }),
            unnamed: Arc::new(unnamed),
        })
    }

    /// Returns what is known of a host; hosts that no file names share one plan. The server itself is
    /// nobody's: it is for administrators.
    pub fn host(&self, name: &str) -> &Arc<HostPlan> {
        let other = if name == SELF { &self.server } else { &self.unnamed };
        self.hosts.get(name).unwrap_or(other)
    }

    /// Returns what holds for hosts that no file names.
    pub fn unnamed(&self) -> &Arc<HostPlan> {
        &self.unnamed
    }

    /// Returns the hosts that a file names, by name.
    pub fn hosts(&self) -> impl Iterator<Item = (&HostName, &Arc<HostPlan>)> {
        self.hosts.iter()
    }
}

fn resolve_hosts(draft: &Draft, faults: &mut Vec<Fault>) -> BTreeMap<HostName, Arc<HostPlan>> {
    let mut checks: BTreeMap<&HostName, Vec<Arc<CheckPlan>>> = BTreeMap::new();
    for check in &draft.checks {
        checks.entry(&check.host).or_default().push(Arc::new(check.clone()));
    }
    let names: BTreeSet<&HostName> = draft.hosts.keys().chain(checks.keys().copied()).collect();
    check_parents(draft, &names, faults);
    let layers = Layers::of_draft(draft);
    // Hosts with the same profiles and no limits of their own share one set.
    let mut sets: BTreeMap<Vec<ProfileName>, Arc<ThresholdSet>> = BTreeMap::new();
    let no_limits = Arc::new(ThresholdLayer::new());
    let nothing = HostDraft::default();
    let mut hosts = BTreeMap::new();
    for name in names {
        let host = draft.hosts.get(name).unwrap_or(&nothing);
        if name.as_str() == SELF {
            faults.push(Fault {
                place: Place::Host(name.clone()),
                text: format!("the host name `{SELF}` stands for the server itself"),
                suggestion: None,
                hint: Some("give the machine that runs the server its own name".to_owned()),
            });
        }
        layers.missing(name, &host.profiles, faults);
        let profiles = layers.profiles_of(&host.profiles, &host.tags);
        let (set, own_limits) = if host.limits.is_empty() {
            let make = || Arc::new(layers.resolve(&profiles, None, faults));
            let set = Arc::clone(sets.entry(profiles.clone()).or_insert_with(make));
            (set, Arc::clone(&no_limits))
        } else {
            let own = Some((Layer::Host(name.clone()), &host.limits));
            (Arc::new(layers.resolve(&profiles, own, faults)), Arc::new(host.limits.clone()))
        };
        let plan = HostPlan {
            declared: true,
            parents: host.parents.clone(),
            tags: host.tags.clone(),
            owner: host.owner.clone().or_else(|| draft.default_owner.clone()),
            managers: host.managers.clone(),
            monitors: host.monitors.clone(),
            profiles,
            named_profiles: host.profiles.clone(),
            own_limits,
            address: host.address,
            other_address: host.other_address,
            thresholds: set,
            checks: checks.remove(name).unwrap_or_default(),
        };
        hosts.insert(name.clone(), Arc::new(plan));
    }
    hosts
}

/// Refuses unknown parents and cycles (rule D1).
fn check_parents(draft: &Draft, names: &BTreeSet<&HostName>, faults: &mut Vec<Fault>) {
    for (name, host) in &draft.hosts {
        for parent in host.parents.iter().flatten() {
            if !names.contains(parent) {
                faults.push(Fault {
                    place: Place::Parent(name.clone(), parent.clone()),
                    text: format!("there is no host `{parent}` that could be a parent"),
                    suggestion: nearest(parent.as_str(), names.iter().map(|n| n.as_str()))
                        .map(str::to_owned),
                    hint: Some("a parent must stand under `hosts`".to_owned()),
                });
            }
        }
    }
    for cycle in cycles(draft) {
        let (Some(first), Some(second)) = (cycle.first(), cycle.get(1).or(cycle.first())) else {
            continue;
        };
        let way: Vec<&str> = cycle.iter().chain(cycle.first()).map(|n| n.as_str()).collect();
        faults.push(Fault {
            place: Place::Parent((*first).clone(), (*second).clone()),
            text: format!("the parents go round in a circle: {}", way.join(" -> ")),
            suggestion: None,
            hint: Some("remove one of these parents".to_owned()),
        });
    }
}

/// Finds one cycle for each knot, without recursion: chains may be ten thousand hosts deep.
fn cycles(draft: &Draft) -> Vec<Vec<&HostName>> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        Open,
        Done,
    }
    let mut marks: BTreeMap<&HostName, Mark> = BTreeMap::new();
    let mut found = Vec::new();
    let parents = |name: &HostName| -> Vec<&HostName> {
        draft.hosts.get(name).map(|h| h.parents.iter().flatten().collect()).unwrap_or_default()
    };
    for start in draft.hosts.keys() {
        if marks.contains_key(start) {
            continue;
        }
        marks.insert(start, Mark::Open);
        let mut way = vec![(start, parents(start))];
        while let Some((name, left)) = way.last_mut() {
            let name = *name;
            let Some(next) = left.pop() else {
                marks.insert(name, Mark::Done);
                way.pop();
                continue;
            };
            match marks.get(next) {
                Some(Mark::Done) => {}
                Some(Mark::Open) => {
                    let from = way.iter().position(|(n, _)| *n == next).unwrap_or(0);
                    found.push(way.iter().skip(from).map(|(n, _)| *n).collect());
                }
                None => {
                    if let Some((key, _)) = draft.hosts.get_key_value(next) {
                        marks.insert(key, Mark::Open);
                        way.push((key, parents(key)));
                    }
                }
            }
        }
    }
    found
}

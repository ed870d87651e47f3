//! Reachability: what is behind something that is down is not told (design rule 6.7).
//!
//! An overlay: the state of children is what was observed, whatever their parents do (D8), and a
//! parent suppresses by its believed state alone, whether or not somebody silenced or took it (D9).
//! Parents declared as a flat list are all needed; members of an inner list are a redundancy group
//! of which one suffices (D2).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use hark_model::record::{Fresh, JournalKind, Record};
use hark_model::{HostId, IncidentId, Now, Status};

use crate::check::{Check, Feed, Kind};
use crate::decide::mix;
use crate::effect::{Effect, Effects};
use crate::engine::{About, Engine};
use crate::host::Host;
use crate::incident::{Incident, Release};
use crate::moment::Moment;

/// How long a problem waits for its parents' signs of life (rule D4).
const HOLD: Duration = Duration::from_mins(1);
/// The same for critical ones.
const HOLD_CRITICAL: Duration = Duration::from_secs(30);
/// Within this time things behind a recovered parent are looked at again (rules D6, T21).
const SPREAD: Duration = Duration::from_mins(1);
/// Incidents that follow from one another, looked through for a circle: longer chains are none.
pub(crate) const MAX_CHAIN: usize = 64;
/// A parent's result older than this is not enough when a child gets into trouble (rule D3).
const RECENT: Duration = Duration::from_secs(15);

/// Whether what is seen of a check can be the check's own fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// It can.
    Reachable,
    /// That is not known yet (rule D4).
    Held {
        /// Whose sign of life is waited for.
        parent: String,
        /// At most until then.
        until: Moment,
    },
    /// Somebody has said that it follows from another incident, which is open.
    Symptom {
        /// Of what, in words.
        of: String,
        /// Of which incident.
        incident: IncidentId,
    },
    /// Something before it is down (rule D5).
    Unreachable {
        /// What, in words.
        root: String,
        /// Its incident.
        incident: Option<IncidentId>,
    },
}

/// Who is behind whom, for the few hosts that have parents or children.
#[derive(Debug, Default)]
pub(crate) struct Links {
    by_host: BTreeMap<HostId, Link>,
}

#[derive(Debug, Default)]
struct Link {
    groups: Vec<Vec<HostId>>,
    children: Vec<HostId>,
}

impl Links {
    fn groups(&self, id: HostId) -> &[Vec<HostId>] {
        self.by_host.get(&id).map_or(&[], |link| link.groups.as_slice())
    }

    /// Returns those directly behind a host.
    pub(crate) fn children(&self, id: HostId) -> &[HostId] {
        self.by_host.get(&id).map_or(&[], |link| link.children.as_slice())
    }

    /// Returns everything behind a host, itself first; without recursion, each once.
    fn behind(&self, id: HostId) -> Vec<HostId> {
        let mut seen = BTreeSet::from([id]);
        let mut found = vec![id];
        let mut queue = VecDeque::from([id]);
        while let Some(next) = queue.pop_front() {
            for child in self.children(next) {
                if seen.insert(*child) {
                    found.push(*child);
                    queue.push_back(*child);
                }
            }
        }
        found
    }
}

impl Engine {
    /// Finds out who is behind whom; after start and reload.
    pub(crate) fn relink(&mut self) {
        let mut by_host: BTreeMap<HostId, Link> = BTreeMap::new();
        for host in self.hosts.iter().filter(|host| !host.plan.parents.is_empty()) {
            let groups: Vec<Vec<HostId>> = host
                .plan
                .parents
                .iter()
                .map(|group| group.iter().filter_map(|name| self.hosts.id(name.as_str())).collect())
                .filter(|group: &Vec<HostId>| !group.is_empty())
                .collect();
            for parent in groups.iter().flatten() {
                by_host.entry(*parent).or_default().children.push(host.id);
            }
            by_host.entry(host.id).or_default().groups = groups;
        }
        self.links = Links { by_host };
    }

    /// Returns whether an incident can be its check's own fault.
    pub(crate) fn reach(&self, incident: &Incident, now: Moment) -> Reach {
        if let Some(symptom) = self.said_to_follow(incident) {
            return symptom;
        }
        let Some(host) = self.hosts.get(incident.record.host) else { return Reach::Reachable };
        let Some(check) = host.find(incident.record.check.as_str()).map(|i| &host.checks[i]) else {
            return Reach::Reachable;
        };
        if matches!(check.rule.kind, Kind::Clock | Kind::Part) {
            return Reach::Reachable;
        }
        let is_host = check.rule.kind == Kind::Host;
        if let Some(unreachable) = self.own_host_down(host, check) {
            return unreachable;
        }
        // What an agent reports has come through: its host's parents cannot be at fault.
        let behind_parents = is_host || check.rule.feed() == Feed::Probe;
        if behind_parents && let Some(parent) = self.down_group(host.id) {
            return self.unreachable(parent);
        }
        let status = incident.record.status;
        let hold = if status == Status::Critical { HOLD_CRITICAL } else { HOLD };
        let until = incident.hard_since + hold;
        if !incident.is_open() || now >= until || check.rule.kind == Kind::Agent {
            return Reach::Reachable;
        }
        // A value that an agent has just sent is a sign of life itself; one that stays out is not.
        let sent = check.rule.feed() == Feed::Agent && check.fresh != Fresh::Stale;
        let own = (!is_host && !sent).then_some(host.id);
        let own = own.filter(|_| !gives_life_sign(host, incident.since));
        let waiting = own.or_else(|| {
            behind_parents.then(|| self.silent_group(host.id, incident.since)).flatten()
        });
        match waiting.and_then(|id| self.hosts.get(id)) {
            Some(parent) => Reach::Held { parent: parent.name.to_string(), until },
            None => Reach::Reachable,
        }
    }

    /// Returns what somebody has said that an incident follows from, while that is open.
    fn said_to_follow(&self, incident: &Incident) -> Option<Reach> {
        let id = incident.record.cause.filter(|_| incident.record.caused_by_hand)?;
        let cause = self.incidents.get(&id).filter(|cause| cause.is_open())?;
        // What is seen later may turn it round: if each waited for the other, nobody would be told.
        let mut above = cause.record.cause;
        for _ in 0..MAX_CHAIN {
            let Some(next) = above else { break };
            if next == incident.record.id {
                return None;
            }
            above = self.incidents.get(&next).and_then(|incident| incident.record.cause);
        }
        let of = format!("incident {} ({} {})", id.0, cause.host_name, cause.record.check);
        Some(Reach::Symptom { of, incident: id })
    }

    /// Lets those go on that were said to follow from an incident which is over: with a result that is
    /// newer than its end, which is asked for (release rule, 6.8).
    pub(crate) fn release_symptoms(&mut self, cause: IncidentId, now: Now, fx: &mut Effects) {
        // Most have none, and thousands may end at once: only for those that have some all are looked at.
        if self.incidents.get(&cause).is_none_or(|incident| incident.symptoms == 0) {
            return;
        }
        let moment = Moment::of(now);
        let follows = |incident: &&Incident| {
            incident.record.caused_by_hand
                && incident.record.cause == Some(cause)
                && incident.is_open()
        };
        let ids: Vec<IncidentId> =
            self.incidents.values().filter(follows).map(|i| i.record.id).collect();
        for id in ids {
            let Some(mut incident) = self.incidents.remove(&id) else { continue };
            self.link_cause(&mut incident, None);
            incident.record.caused_by_hand = false;
            fx.records.push(Record::Incident(incident.record.clone()));
            let text = "its cause is over".to_owned();
            fx.journal(now, About::incident(&incident), JournalKind::Transition, text);
            let (host, check) = (incident.record.host, incident.record.check.clone());
            let interval = self.hosts.get(host).and_then(Host::interval).unwrap_or_default();
            let limit = moment + SPREAD.max(interval);
            incident.release =
                Some(Release { since: moment, limit, after: "the end of its cause" });
            self.incidents.insert(id, incident);
            if let Some(host) = self.hosts.get_mut(host)
                && let Some(index) = host.find(check.as_str())
                && host.checks[index].rule.plan().is_some()
            {
                host.checks[index].more_mut().recheck = Some(moment);
                let id = host.id;
                self.arm_host(id, moment);
            }
            self.reconcile(id, now, fx);
        }
    }

    fn own_host_down(&self, host: &Host, check: &Check) -> Option<Reach> {
        if matches!(check.rule.kind, Kind::Host) {
            return None;
        }
        if host.is_down() {
            return Some(self.unreachable(host.id));
        }
        if check.rule.feed() == Feed::Agent && host.flags.silent {
            let agent = host.checks.iter().find(|check| check.rule.kind == Kind::Agent);
            return Some(Reach::Unreachable {
                root: format!("the agent of {}", host.name),
                incident: agent.and_then(Check::incident),
            });
        }
        None
    }

    /// Returns "unreachable" with the topmost cause above `id`, which is down.
    fn unreachable(&self, id: HostId) -> Reach {
        let mut top = id;
        // Parents have no cycle: each round goes one up.
        while let Some(parent) = self.down_group(top) {
            top = parent;
        }
        let host = self.hosts.get(top);
        Reach::Unreachable {
            root: host.map(|h| h.name.to_string()).unwrap_or_default(),
            incident: host.and_then(|h| h.liveness().incident()),
        }
    }

    /// Returns a member of the first group of parents of which all are down.
    pub(crate) fn down_group(&self, id: HostId) -> Option<HostId> {
        let down = |id: &HostId| self.hosts.get(*id).is_some_and(Host::is_down);
        let group = self.links.groups(id).iter().find(|group| group.iter().all(down))?;
        group.first().copied()
    }

    /// Returns a member of the first group of parents of which none has shown that it lives.
    fn silent_group(&self, id: HostId, since: Moment) -> Option<HostId> {
        let lives = |id: &HostId| self.hosts.get(*id).is_none_or(|h| gives_life_sign(h, since));
        let group = self.links.groups(id).iter().find(|group| !group.iter().any(lives))?;
        group.first().copied()
    }

    /// Marks those whose next sign of life lets an incident go on (rule D4).
    pub(crate) fn await_parents(&mut self, id: HostId) {
        let mut awaited: Vec<HostId> = self.links.groups(id).iter().flatten().copied().collect();
        awaited.push(id);
        for id in awaited {
            if let Some(host) = self.hosts.get_mut(id) {
                host.flags.awaited = true;
            }
        }
    }

    /// Looks again at what waited for a sign of life of `id`.
    pub(crate) fn sign_of_life(&mut self, id: HostId, now: Now, fx: &mut Effects) {
        let mut hosts = self.links.children(id).to_vec();
        hosts.push(id);
        for id in hosts {
            self.reconcile_host(id, now, fx);
        }
    }

    /// Asks those parents for a probe that have not been looked at lately (rule D3).
    pub(crate) fn ask_parents(&self, id: HostId, now: Moment, fx: &mut Effects) {
        for parent in self.links.groups(id).iter().flatten() {
            let Some(host) = self.hosts.get(*parent) else { continue };
            let Some(probe) = host.probe().map(|i| &host.checks[i]) else { continue };
            if now.since(probe.heard) > RECENT {
                fx.effects.push(Effect::Probe { host: *parent, check: probe.rule.name.clone() });
            }
        }
    }

    /// A host went down or came back: everything behind it is looked at again (rules D5, D6, T21).
    pub(crate) fn reach_changed(&mut self, id: HostId, now: Now, fx: &mut Effects) {
        let back = self.hosts.get(id).is_some_and(|host| !host.is_down());
        for behind in self.links.behind(id) {
            if back {
                self.release_host(behind, now);
            }
            self.reconcile_host(behind, now, fx);
        }
    }

    /// Lets the symptoms of a host go on only with a result that is newer than `now`, and asks for it.
    pub(crate) fn release_host(&mut self, id: HostId, now: Now) {
        let moment = Moment::of(now);
        let Some(host) = self.hosts.get_mut(id) else { return };
        let limit = moment + SPREAD.max(host.interval().unwrap_or_default());
        let spread = mix(u64::from(id.0), 0);
        for check in &mut host.checks {
            let bad = check.hard.is_some_and(Status::is_problem);
            if check.rule.feed() == Feed::Probe && bad {
                let offset = Duration::from_millis(spread % hark_model::time::millis(SPREAD));
                check.more_mut().recheck = Some(moment + offset);
            }
        }
        for incident in &host.incidents {
            let Some(incident) = self.incidents.get_mut(incident) else { continue };
            if incident.is_open() && incident.record.cause.is_some() {
                incident.release =
                    Some(Release { since: moment, limit, after: "the recovery of a parent" });
            }
        }
        self.arm_host(id, moment);
    }

    /// Notes in an incident what it is a symptom of, or that it is none (rule D5).
    pub(crate) fn link_cause(
        &mut self,
        incident: &mut Incident,
        cause: Option<IncidentId>,
    ) -> bool {
        if incident.record.cause == cause || cause == Some(incident.record.id) {
            return false;
        }
        self.count_symptom(incident, false);
        incident.record.cause = cause;
        self.count_symptom(incident, true);
        true
    }

    /// Counts an open symptom at its cause, or takes it off.
    pub(crate) fn count_symptom(&mut self, incident: &Incident, add: bool) {
        let cause = incident.record.cause.and_then(|id| self.incidents.get_mut(&id));
        let Some(cause) = cause else { return };
        cause.symptoms = if add { cause.symptoms + 1 } else { cause.symptoms.saturating_sub(1) };
    }
}

/// Returns true if a host has shown since then that it lives; one that cannot show it counts as
/// living, so that nothing waits for it.
fn gives_life_sign(host: &Host, since: Moment) -> bool {
    if !host.is_watched() {
        return true;
    }
    if host.is_down() {
        return false;
    }
    let answered = host
        .probe()
        .map(|i| &host.checks[i])
        .is_some_and(|probe| probe.level == Some(Status::Ok) && probe.heard > since);
    answered || (host.heard != Moment::LONG_AGO && host.heard > since)
}

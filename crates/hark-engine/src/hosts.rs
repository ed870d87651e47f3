//! Hosts coming, changing and going.

use std::collections::HashSet;
use std::sync::Arc;

use hark_model::record::{HostRecord, JournalKind, Record};
use hark_model::{
    CheckName, Event, EventKind, HostId, HostName, IncidentId, Now, Severity, UserName,
};

use crate::check::{Check, Kind};
use crate::effect::{Changed, Done, Effect, Effects, Refused};
use crate::engine::{About, Engine};
use crate::host::Host;
use crate::incident::is_removed;
use crate::input::{HostJoined, HostSeen};
use crate::judge::since;
use crate::moment::Moment;
use crate::plan::SELF;

/// Words are looked through for unused ones when they have doubled, and this many more have come.
const WORDS_SLACK: usize = 1024;

/// The kind of the event that a host appeared which nobody had named before.
const NEW_HOST: &str = "new_host";

/// Says that a host is there that no file names. Hosts of files are no news: whoever wrote them knows.
fn appeared(host: HostId, text: String, now: Now, fx: &mut Effects) {
    let kind = EventKind::Other(NEW_HOST.to_owned());
    let event =
        Event { at: now.unix, kind, severity: Severity::Info, text, tags: Vec::new(), data: None };
    fx.effects.push(Effect::Happened { host, event });
}

impl Engine {
    pub(crate) fn host_seen(&mut self, seen: &HostSeen, now: Now, fx: &mut Effects) {
        if seen.name.as_str() == SELF {
            return;
        }
        if let Some(host) = self.hosts.id(seen.name.as_str()) {
            // It stands in a file: whoever met it just now does not know its number yet.
            fx.effects.push(Effect::HostLearned { host, name: seen.name.clone() });
            return;
        }
        let id = self.learn(seen.name.clone(), now, fx);
        let Some(host) = self.hosts.get_mut(id) else { return };
        let interval = hark_model::time::millis(seen.interval);
        host.interval_ms = u32::try_from(interval).unwrap_or(u32::MAX);
        host.address = seen.address.or(host.address);
        fx.records.push(Record::Host(host.record()));
        let from = host.address.map(|address| format!(" from {address}")).unwrap_or_default();
        appeared(id, format!("heard for the first time{from}"), now, fx);
        if let Some(next) = self.host_deadline(id, now) {
            self.arm_host(id, next);
        }
    }

    /// Takes on a host that joined with a token, with the token's tags; one that is known already gets
    /// them in place of those it joined with before.
    pub(crate) fn join(
        &mut self,
        joined: HostJoined,
        by: &UserName,
        now: Now,
        fx: &mut Effects,
    ) -> Result<Done, Refused> {
        let HostJoined { name, address, facts, tags } = joined;
        if name.as_str() == SELF {
            return Err(Refused::Invalid(format!("`{SELF}` stands for the server itself")));
        }
        if tags.len() > HostRecord::MAX_JOINED_TAGS {
            let most = HostRecord::MAX_JOINED_TAGS;
            return Err(Refused::Invalid(format!("at most {most} tags")));
        }
        let words: Vec<&str> = tags.iter().map(hark_model::Tag::as_str).collect();
        let tagged =
            if words.is_empty() { String::new() } else { format!(", tagged {}", words.join(", ")) };
        let text = format!("joined with a token of {by}{tagged}");
        let known = self.hosts.id(name.as_str());
        let id = known.unwrap_or_else(|| self.learn(name, now, fx));
        for (name, value) in facts {
            self.fact(id, &name, &value);
        }
        let host = self.hosts.get_mut(id).ok_or(Refused::NotFound)?;
        host.address = address.or(host.address);
        let before = host.tags().to_vec();
        host.join(tags);
        let retagged = host.tags() != before;
        let plan =
            self.plan.host_with_tags(host.name.as_str(), host.joined_tags(), &mut self.tagged);
        // Tags may bring limits, or take them away.
        if plan.profiles != host.plan.profiles {
            self.lay_on_plan(id, &plan, now, fx);
        }
        let host = self.hosts.get(id).ok_or(Refused::NotFound)?;
        fx.records.push(Record::Host(host.record()));
        fx.effects.push(Effect::Changed(Changed::Host(id)));
        if known.is_none() {
            appeared(id, text.clone(), now, fx);
        }
        fx.journal(now, About::host(id), JournalKind::Operator, text);
        if retagged {
            self.retagged(id, now, fx);
        }
        if let Some(next) = self.host_deadline(id, now) {
            self.arm_host(id, next);
        }
        Ok(Done::Host(id))
    }

    /// A host has other tags: other routes may be for it, and other silences cover it.
    fn retagged(&mut self, id: HostId, now: Now, fx: &mut Effects) {
        self.refresh(id, fx);
        let incidents: Vec<IncidentId> = self
            .hosts
            .get(id)
            .map(|host| host.incidents.iter().copied().collect())
            .unwrap_or_default();
        for incident in incidents {
            self.reconcile(incident, now, fx);
        }
    }

    /// Gives a new host its number and its declared checks. The caller stores it.
    pub(crate) fn learn(&mut self, name: HostName, now: Now, fx: &mut Effects) -> HostId {
        self.numbers.host += 1;
        let id = HostId(self.numbers.host);
        let plan = Arc::clone(self.plan.host(name.as_str()));
        let liveness = self.rules.intern(CheckName::host(), Kind::Host);
        let liveness = Check::new(liveness, Moment::of(now));
        let host = Host::new(id, name.clone(), plan, liveness, now);
        self.counts.add(host.state);
        self.hosts.insert(host);
        self.add_declared(id, now);
        fx.effects.push(Effect::HostLearned { host: id, name });
        fx.effects.push(Effect::Changed(Changed::Host(id)));
        fx.journal(now, About::host(id), JournalKind::Server, "host is known now".to_owned());
        id
    }

    /// Makes the checks that a file declares for a host and that are not there yet.
    pub(crate) fn add_declared(&mut self, id: HostId, now: Now) {
        let Some(host) = self.hosts.get(id) else { return };
        let plan = Arc::clone(&host.plan);
        for check in &plan.checks {
            let there = self.hosts.get(id).and_then(|host| host.find(check.name.as_str()));
            if there.is_none() {
                let kind = Kind::Declared(Arc::clone(check));
                self.add_check(id, check.name.clone(), kind, now);
            }
        }
        self.add_awaited(id, now);
    }

    /// Forgets a host: its incidents end as `resolution` says, [`REMOVED`](crate::incident::REMOVED) or
    /// [`REPLACED`](crate::incident::REPLACED), and those told get one line each (T17). Returns what is left: a host
    /// without checks and incidents.
    pub(crate) fn drop_host(
        &mut self,
        id: HostId,
        resolution: &'static str,
        now: Now,
        fx: &mut Effects,
    ) -> Option<Box<Host>> {
        let host = self.hosts.get(id)?;
        let at = since(now.unix, now);
        for index in 0..host.checks.len() {
            self.close(id, index, resolution, at, now, fx);
        }
        let mut host = self.hosts.remove(id)?;
        self.counts.take(host.state);
        fx.records.push(Record::HostRemoved(id));
        fx.effects.push(Effect::HostDropped { host: id });
        self.relink();
        for id in std::mem::take(&mut host.incidents) {
            // What is over but not yet told to be cannot wait any longer: nothing will be left of
            // the host that it could be told of after a restart.
            if let Some(incident) = self.incidents.get_mut(&id)
                && !is_removed(&incident.record.resolution)
            {
                resolution.clone_into(&mut incident.record.resolution);
                fx.records.push(Record::Incident(incident.record.clone()));
            }
            self.reconcile(id, now, fx);
        }
        let liveness = self.rules.intern(CheckName::host(), Kind::Host);
        host.begin_anew(Check::new(liveness, Moment::of(now)), now);
        Some(host)
    }

    pub(crate) fn facts(&mut self, id: HostId, facts: Vec<(String, String)>, fx: &mut Effects) {
        if self.hosts.get(id).is_none() {
            return;
        }
        let mut changed = false;
        for (name, value) in facts {
            changed |= self.fact(id, &name, &value);
        }
        if let Some(host) = self.hosts.get(id).filter(|_| changed) {
            fx.records.push(Record::Host(host.record()));
            fx.effects.push(Effect::Changed(Changed::Host(id)));
        }
    }

    /// Puts one fact; most values are the same on many hosts and are kept once.
    fn fact(&mut self, id: HostId, name: &str, value: &str) -> bool {
        let name = self.words.intern(name);
        let value = (!value.is_empty()).then(|| self.words.intern(value));
        let Some(host) = self.hosts.get_mut(id) else { return false };
        let at = host.facts.binary_search_by(|(known, _)| known.cmp(&name));
        match (at, value) {
            (Ok(at), None) => {
                host.facts.remove(at);
                true
            }
            (Ok(at), Some(value)) => {
                let changed = host.facts[at].1 != value;
                host.facts[at].1 = value;
                changed
            }
            (Err(at), Some(value)) if host.facts.len() < HostRecord::MAX_FACTS => {
                host.facts.insert(at, (name, value));
                true
            }
            (Err(_), _) => false,
        }
    }
}

/// Texts that many hosts share, each kept once.
#[derive(Debug, Default)]
pub(crate) struct Words {
    known: HashSet<Arc<str>>,
    sweep_at: usize,
}

impl Words {
    pub(crate) fn intern(&mut self, text: &str) -> Arc<str> {
        if let Some(word) = self.known.get(text) {
            return Arc::clone(word);
        }
        if self.known.len() >= self.sweep_at {
            self.known.retain(|word| Arc::strong_count(word) > 1);
            self.sweep_at = self.known.len() * 2 + WORDS_SLACK;
        }
        let word: Arc<str> = Arc::from(text);
        self.known.insert(Arc::clone(&word));
        word
    }
}

//! Start and reload: what is stored meets a plan, and plans meet each other (design rules 6.11, T17,
//! T18).

use std::collections::BTreeSet;
use std::sync::Arc;

use hark_model::record::{
    CheckRecord, Flexible, HostRecord, IncidentRecord, JournalKind, Record, SilenceRecord, Snapshot,
};
use hark_model::{CheckName, HostId, HostName, Now, ReceiverName, SeriesName, SilenceId, Status};

use crate::check::{AGENT_CHECK, CLOCK_CHECK, Check, Kind, RTT_CHECK, Rule};
use crate::decide::Block;
use crate::effect::{Changed, Effect, Effects};
use crate::engine::{About, Engine};
use crate::escalate::Escalation;
use crate::flap::Ring;
use crate::gate::quiet;
use crate::host::{Flags, Host};
use crate::incident::{AFTER_START, Incident, REMOVED, Release, Told, again_since};
use crate::judge::{Look, since};
use crate::moment::Moment;
use crate::overlay::{DECLARED, Silence};
use crate::plan::silence::Span;
use crate::plan::{HostPlan, Measure, Plan, SELF, TaggedPlans};
use crate::sampled::MADE_BY_FACT;
use crate::times::Times;

impl Engine {
    /// Takes what was stored. Beliefs, incidents, told-states and decisions are as they were; what
    /// is not yet proven again is marked so (rule F4).
    pub(crate) fn restore(&mut self, snapshot: Snapshot, now: Now, fx: &mut Effects) {
        let Snapshot { hosts, checks, incidents, told, silences, outbox, .. } = snapshot;
        for record in hosts {
            let host = self.host_of(record, now);
            self.counts.add(host.state);
            self.hosts.insert(host);
        }
        for record in &checks {
            self.restore_check(record, now);
        }
        for record in incidents {
            self.restore_incident(record, now);
        }
        for record in &told {
            if let Some(incident) = self.incidents.get_mut(&record.incident) {
                incident.told.insert(record.receiver.clone(), Told::restored(record, now));
            }
        }
        for record in outbox {
            let row = &record.notification;
            let incident = row.incident.and_then(|id| self.incidents.get_mut(&id));
            if let Some(incident) = incident {
                // A row that stands in for another receiver has that one's key and is not ours.
                let own =
                    row.key.starts_with(&format!("{}/{}/", incident.record.id.0, row.receiver));
                if let Some(told) = incident.told.get_mut(&row.receiver).filter(|_| own) {
                    told.unsent.push(row.id);
                }
            }
            self.outbox.restore(record);
        }
        for record in silences {
            self.silences.insert(record.id, Silence::new(record));
        }
        self.recount_symptoms();
        self.settle_in(now, fx);
    }

    /// Makes a host as it was stored, without checks but the first.
    pub(crate) fn host_of(&mut self, record: HostRecord, now: Now) -> Host {
        let plan =
            self.plan.host_with_tags(record.name.as_str(), &record.joined_tags, &mut self.tagged);
        let liveness = self.rules.intern(CheckName::host(), Kind::Host);
        let liveness = Check::new(liveness, Moment::of(now));
        let mut host = Host::new(record.id, record.name, plan, liveness, now);
        host.join(record.joined_tags);
        host.first_seen = record.first_seen;
        host.interval_ms = u32::try_from(record.interval_ms).unwrap_or(u32::MAX);
        host.address = record.address.or(host.address);
        if let Some(heard) = record.last_heard {
            host.heard = Moment::past(heard, now);
            host.heard_unix = heard;
            host.stored_heard = heard;
        }
        host.flags = Flags { not_reproven: host.has_agent(), ..Flags::default() };
        host.facts = record
            .facts
            .iter()
            .map(|(name, value)| (self.words.intern(name), self.words.intern(value)))
            .collect();
        host
    }

    fn restore_check(&mut self, record: &CheckRecord, now: Now) {
        let Some(host) = self.hosts.get(record.host) else { return };
        let plan = Arc::clone(&host.plan);
        let is_self = host.name.as_str() == SELF;
        let kind = match record.name.as_str() {
            "host" => Kind::Host,
            AGENT_CHECK => Kind::Agent,
            CLOCK_CHECK => Kind::Clock,
            _ if is_self => Kind::Part,
            name => match planned(&plan, &host.name, name) {
                Some(kind) => kind,
                // Nothing in the plan: an agent's own, or one that the plan has no more. The
                // difference is made when the plan is laid on.
                None => Kind::Reported,
            },
        };
        let is_host = kind == Kind::Host;
        let rule = self.rules.intern(record.name.clone(), kind);
        let check = Check::restored(rule, record, now);
        let Some(host) = self.hosts.get_mut(record.host) else { return };
        if is_host {
            let down = check.hard == Some(Status::Critical);
            host.flags.silent = down && host.has_agent();
            host.checks[0] = check;
        } else {
            if check.rule.kind == Kind::Agent && check.hard == Some(Status::Critical) {
                host.flags.silent = true;
            }
            host.checks.push(check);
        }
    }

    fn restore_incident(&mut self, record: IncidentRecord, now: Now) {
        let Some(host) = self.hosts.get_mut(record.host) else { return };
        host.incidents.insert(record.id);
        let host_name = host.name.clone();
        let check = host.find(record.check.as_str());
        let (path, shown) = match check.map(|index| &host.checks[index]) {
            Some(check) => (check.rule.path(host_name.as_str()), check.shown()),
            None => (record.check.to_string(), record.text.clone()),
        };
        if let Some(index) = check.filter(|_| record.resolved_at.is_some()) {
            host.checks[index].more_mut().former = Some(record.id);
        }
        let incident = Incident {
            host_name,
            path,
            shown,
            again: again_since(&record),
            since: Moment::past(record.since, now),
            hard_since: Moment::past(record.hard_since, now),
            resolved: record.resolved_at.map(|at| Moment::past(at, now)),
            told: std::collections::BTreeMap::new(),
            release: None,
            given_back: None,
            symptoms: 0,
            nobody: true,
            repaired: record.repair.map(|repair| Moment::past(repair.at, now)),
            unrepaired: None,
            escalation: record
                .escalation
                .as_ref()
                .map(|escalation| Escalation::restored(escalation, record.status.into(), now)),
            armed: Moment::NEVER,
            record,
        };
        self.incidents.insert(incident.record.id, incident);
    }

    fn recount_symptoms(&mut self) {
        let causes: Vec<_> = self
            .incidents
            .values()
            .filter(|incident| incident.is_open())
            .filter_map(|incident| incident.record.cause)
            .collect();
        for cause in causes {
            if let Some(cause) = self.incidents.get_mut(&cause) {
                cause.symptoms += 1;
            }
        }
    }

    /// What start-up does once everything is back.
    fn settle_in(&mut self, now: Now, fx: &mut Effects) {
        let plan = Arc::clone(&self.plan);
        self.times = Times::at(&plan.people, now.unix);
        self.lay_on(&plan, now, fx);
        self.advance_windows(now);
        for silence in self.silences.values_mut() {
            silence.active = silence.holds(now.unix);
            // What was not needed was written down then.
            silence.unused_noted = silence.record.until <= now.unix;
        }
        self.remember_blocks(now);
        self.hold_until_proven(now);
        for id in self.hosts.ids() {
            self.refresh(id, fx);
            self.note_maintenance(id, now, fx);
            if let Some(next) = self.host_deadline(id, now) {
                self.arm_host(id, next);
            }
        }
        self.turn_silences(now, fx);
        self.arm_calendar(now);
        self.arm_outbox(Moment::of(now));
        self.reconcile_all(now, fx);
    }

    /// Finds out what kept each message back before the stop, so that it is not written twice.
    fn remember_blocks(&mut self, now: Now) {
        let ids: Vec<_> = self.incidents.keys().copied().collect();
        for id in ids {
            let Some(mut incident) = self.incidents.remove(&id) else { continue };
            let reach = self.reach(&incident, Moment::of(now));
            let covers = self.covers(&incident);
            incident.unrepaired = self.unrepaired(&incident, &reach, &covers, now);
            let due = self.due(&incident, &self.times, Moment::of(now));
            // Also those that no route leads to any more, but who know of it.
            let receivers: BTreeSet<ReceiverName> =
                due.keys().chain(incident.told.keys()).cloned().collect();
            for receiver in &receivers {
                let ways = due.get(receiver).map_or(&[][..], Vec::as_slice);
                let decision = self.decision(&incident, &reach, &covers, ways, receiver, now);
                let block = decision.block.zip(decision.reason).filter(|_| decision.due);
                let told = incident.told.entry(receiver.clone()).or_default();
                told.block = block;
                if block.is_some_and(|(block, _)| block == Block::Hours) {
                    told.deferred = Some(Moment::of(now));
                }
            }
            self.incidents.insert(id, incident);
        }
    }

    /// Rules F4, R2: what was open is reconciled when it is proven again, or after the grace.
    fn hold_until_proven(&mut self, now: Now) {
        let moment = Moment::of(now);
        for incident in self.incidents.values_mut().filter(|incident| incident.is_open()) {
            let interval = self.hosts.get(incident.record.host).and_then(Host::interval);
            let limit = moment + quiet(interval.unwrap_or_default());
            incident.release = Some(Release { since: moment, limit, after: AFTER_START });
        }
    }

    /// A new plan (rule R3): the difference is applied, what has not changed keeps its state.
    pub(crate) fn planned(&mut self, plan: &Arc<Plan>, now: Now, fx: &mut Effects) {
        self.plan = Arc::clone(plan);
        self.tagged = TaggedPlans::default();
        let text = "a new configuration is in force".to_owned();
        fx.journal(now, About::default(), JournalKind::Server, text);
        self.times = Times::at(&plan.people, now.unix);
        self.lay_on(plan, now, fx);
        self.turn_silences(now, fx);
        self.arm_calendar(now);
        for id in self.hosts.ids() {
            self.refresh(id, fx);
            if let Some(next) = self.host_deadline(id, now) {
                self.arm_host(id, next);
            }
        }
        self.rules.sweep();
        self.reconcile_all(now, fx);
    }

    /// Brings hosts, checks and declared silences in line with a plan.
    fn lay_on(&mut self, plan: &Arc<Plan>, now: Now, fx: &mut Effects) {
        for id in self.hosts.ids() {
            self.lay_on_host(id, plan, now, fx);
        }
        let new: Vec<HostName> = plan
            .hosts()
            .map(|(name, _)| name)
            .filter(|name| self.hosts.id(name.as_str()).is_none())
            .cloned()
            .collect();
        for name in new {
            let id = self.learn(name, now, fx);
            if let Some(host) = self.hosts.get(id) {
                fx.records.push(Record::Host(host.record()));
            }
        }
        self.lay_on_silences(plan);
        self.relink();
    }

    fn lay_on_host(&mut self, id: HostId, plan: &Arc<Plan>, now: Now, fx: &mut Effects) {
        let Some(host) = self.hosts.get(id) else { return };
        let new = plan.host_with_tags(host.name.as_str(), host.joined_tags(), &mut self.tagged);
        // One that joined with tags but has not been heard yet stays: nobody could tell it its tags again.
        let gone = !new.declared
            && !host.has_agent()
            && host.heard == Moment::LONG_AGO
            && host.joined_tags().is_empty()
            && !host.facts.iter().any(|(name, _)| &**name == MADE_BY_FACT);
        if gone && host.name.as_str() != SELF {
            drop(self.drop_host(id, REMOVED, now, fx));
            return;
        }
        self.lay_on_plan(id, &new, now, fx);
    }

    /// Gives a host another plan, and brings its checks in line with it.
    pub(crate) fn lay_on_plan(
        &mut self,
        id: HostId,
        new: &Arc<HostPlan>,
        now: Now,
        fx: &mut Effects,
    ) {
        let Some(host) = self.hosts.get_mut(id) else { return };
        let old = host.replace_plan(Arc::clone(new));
        if old.tags != new.tags || (new.address.is_some() && host.address != new.address) {
            host.address = new.address.or(host.address);
            fx.records.push(Record::Host(host.record()));
            fx.effects.push(Effect::Changed(Changed::Host(id)));
        }
        let before = self.hosts.get(id).map_or(0, |host| host.checks.len());
        let mut renumbered = false;
        for index in (1..before).rev() {
            renumbered |= self.lay_on_check(id, index, new, now, fx);
        }
        self.stop_flapping(id, now, fx);
        self.add_declared(id, now);
        if let Some(host) = self.hosts.get_mut(id) {
            host.reindex();
            if renumbered {
                // Numbers given before are void: a value on its way must not meet another check.
                host.watch_base += u32::try_from(before).unwrap_or(u32::MAX);
                self.watch(id, fx);
            }
        }
    }

    /// Where flapping is looked at no more nothing flaps: no result would ever end it.
    fn stop_flapping(&mut self, id: HostId, now: Now, fx: &mut Effects) {
        let enabled = self.plan.flapping.enabled;
        for index in 0..self.hosts.get(id).map_or(0, |host| host.checks.len()) {
            let Some(host) = self.hosts.get_mut(id) else { return };
            let check = &mut host.checks[index];
            if check.flapping().is_none() || (enabled && check.rule.flapping) {
                continue;
            }
            check.ring = Ring::default();
            let more = check.more_mut();
            more.flapping = None;
            more.changes.clear();
            fx.records.push(Record::Check(check.record(id)));
            self.flap_turned(id, index, now, fx);
        }
    }

    /// Brings one check in line with its host's plan; true if it is gone.
    fn lay_on_check(
        &mut self,
        id: HostId,
        index: usize,
        plan: &HostPlan,
        now: Now,
        fx: &mut Effects,
    ) -> bool {
        let Some(host) = self.hosts.get(id) else { return false };
        let check = &host.checks[index];
        let rule = Arc::clone(&check.rule);
        let name = host.name.clone();
        let kind = match &rule.kind {
            Kind::Host | Kind::Clock | Kind::Part => return false,
            Kind::Agent if plan.checks.iter().any(|check| check.probes_host) => return false,
            Kind::Agent => None,
            Kind::Threshold(threshold, series) => {
                let found = plan.thresholds.of(series, threshold.signal.measure());
                found.map(|threshold| Kind::Threshold(Arc::clone(threshold), series.clone()))
            }
            Kind::RoundTrip(_) | Kind::Declared(_) => planned(plan, &name, rule.name.as_str()),
            // A value shows that it was a metric with a threshold, which the plan has no more.
            Kind::Reported if !check.value.is_nan() => planned(plan, &name, rule.name.as_str()),
            Kind::Reported => planned(plan, &name, rule.name.as_str()).or(Some(Kind::Reported)),
        };
        match kind {
            None => {
                self.remove_check(id, index, now, fx);
                true
            }
            Some(kind) if kind == rule.kind => false,
            Some(kind) => {
                let rule = self.rules.intern(rule.name.clone(), kind);
                self.rule_changed(id, index, rule, now, fx);
                false
            }
        }
    }

    /// A check has new limits or another confirmation: its last value is judged again (T18).
    fn rule_changed(
        &mut self,
        id: HostId,
        index: usize,
        rule: Arc<Rule>,
        now: Now,
        fx: &mut Effects,
    ) {
        let Some(host) = self.hosts.get_mut(id) else { return };
        let check = &mut host.checks[index];
        let signal = |rule: &Rule| rule.threshold().map(|threshold| threshold.signal);
        let same = signal(&check.rule) == signal(&rule);
        check.rule = rule;
        if !same {
            // The last value is another thing than what the new limits are about.
            check.value = f64::NAN;
            check.forget_past();
        }
        let value = check.value;
        let Some(threshold) = check.rule.threshold() else { return };
        // Only what a fresh value says: a new limit makes nothing ok that has no data.
        if value.is_nan() || check.fresh == hark_model::record::Fresh::Stale {
            return;
        }
        if check.level.is_none() || check.level == Some(Status::Unknown) {
            return;
        }
        let level = threshold.level(value, check.remembered);
        let fresh = check.fresh;
        if check.level == Some(level) {
            return;
        }
        let about = About::check(id, &check.rule.name, check.incident());
        let text = "limits changed: the last value is judged again".to_owned();
        fx.journal(now, about, JournalKind::Transition, text);
        let look = Look { level, text: "", at: since(now.unix, now), counts: false, fresh };
        self.judge(id, index, &look, now, fx);
    }

    fn lay_on_silences(&mut self, plan: &Plan) {
        let declared = |_: &SilenceId, silence: &mut Silence| silence.declared.is_some();
        let mut former: Vec<Silence> =
            self.silences.extract_if(.., declared).map(|(_, silence)| silence).collect();
        for (number, planned) in (DECLARED..).zip(&plan.silences) {
            let id = SilenceId(number);
            let flexible = planned
                .flexible
                .map(|lasts| Flexible { lasts_ms: hark_model::time::millis(lasts), begun: None });
            let record = SilenceRecord {
                id,
                matcher: planned.matcher.clone(),
                by: config_user(),
                reason: planned.reason.clone(),
                from: planned.from,
                until: planned.until,
                maintenance: planned.maintenance,
                withheld: 0,
                flexible,
                repeats: None,
            };
            let mut silence = Silence {
                declared: Some(planned.name.clone()),
                repeat: planned.repeat.clone(),
                ..Silence::new(record)
            };
            if planned.repeat.is_some() {
                // When it holds is found out when the clock is known.
                (silence.record.from, silence.record.until) = (Span::NEVER.from, Span::NEVER.until);
            }
            let same = former.iter().position(|former| former.is_before(&silence));
            if let Some(at) = same {
                silence.carry_on(&former.swap_remove(at));
            }
            self.silences.insert(id, silence);
        }
    }
}

/// Returns what a plan says of a check of this name.
fn planned(plan: &HostPlan, host: &HostName, name: &str) -> Option<Kind> {
    if let Some(check) = plan.checks.iter().find(|check| check.name.as_str() == name) {
        return Some(Kind::Declared(Arc::clone(check)));
    }
    if name == RTT_CHECK {
        return plan.thresholds.of_rtt(host.as_str()).map(|t| Kind::RoundTrip(Arc::clone(t)));
    }
    let (path, measure) = Measure::of_check(name);
    let series = series_of(path)?;
    let threshold = plan.thresholds.of(&series, measure)?;
    Some(Kind::Threshold(Arc::clone(threshold), series))
}

/// Takes a path apart: the collector ends at the first dot, the metric begins after the last.
fn series_of(path: &str) -> Option<SeriesName> {
    let (collector, rest) = path.split_once('.')?;
    Some(match rest.rsplit_once('.') {
        Some((instance, metric)) => SeriesName::of(collector, instance, metric),
        None => SeriesName::plain(collector, rest),
    })
}

fn config_user() -> hark_model::UserName {
    hark_model::UserName::new("configuration").expect("the word is a name")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_come_apart_as_they_were_put_together() {
        for series in [
            SeriesName::plain("cpu_monitor", "cpu_percent"),
            SeriesName::of("disk_monitor", "/", "percent"),
            SeriesName::of("disk_monitor", "/mnt/a.b", "free_gb"),
        ] {
            assert_eq!(series_of(&series.path()), Some(series));
        }
    }
}

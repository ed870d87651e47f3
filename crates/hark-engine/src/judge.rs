//! From a level seen to a belief, and what a changed belief sets off (design rule 6.5).

use hark_model::record::{Fresh, IncidentRecord, JournalKind, Record};
use hark_model::{HostId, IncidentId, Now, Status, Unix};

use crate::check::{Check, Kind};
use crate::confirm::{Change, Passage, Since, advance};
use crate::effect::{Changed, Effect, Effects};
use crate::engine::{About, Engine};
use crate::host::Host;
use crate::incident::{FlapTold, Incident, RECOVERED, REMOVED, is_removed};
use crate::moment::Moment;
use crate::overlay::{break_ack, end_ack};
use crate::plan::Flapping;
use crate::plan::threshold::ConfirmRule;
use crate::turned;

/// One look at a check.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look<'a> {
    /// What it says, after hysteresis.
    pub(crate) level: Status,
    /// In words; empty for metrics, whose value says it.
    pub(crate) text: &'a str,
    /// When it began and was received.
    pub(crate) at: Since,
    /// Whether it is news of the check, and not only of our own reception (rule P5).
    pub(crate) counts: bool,
    /// How fresh it is: stale where there was no result and that is the news.
    pub(crate) fresh: Fresh,
}

/// What a look has changed at the check.
struct Seen {
    change: Change,
    before: Option<Status>,
    passage_before: Passage,
    flap: Option<bool>,
    /// It flaps, and has become critical most of the time (rule P6).
    mostly_critical: bool,
    /// Something is shown differently.
    visible: bool,
    /// The ring is to be stored although nothing is shown differently.
    ring_is_due: bool,
}

impl Check {
    /// Takes a look in, as far as the check alone is concerned.
    fn see(&mut self, look: &Look<'_>, was_problem: bool, flapping: &Flapping) -> Seen {
        let before = self.belief();
        let level_changed = self.level.is_some_and(|level| level != look.level);
        let visible = self.level != Some(look.level) || self.fresh != look.fresh;
        self.level = Some(look.level);
        self.fresh = look.fresh;
        if look.level != Status::Unknown {
            self.remembered = look.level;
        }
        if self.text() != look.text {
            self.set_text(look.text);
        }
        let ring_before = self.ring.bits;
        let mostly_before = self.flaps_critically();
        let flap = self.note_change(level_changed, look, flapping);
        // Silence has lasted several intervals already: it is not confirmed once more (T16).
        let stale = look.fresh == Fresh::Stale;
        let rule = if stale { ConfirmRule::AT_ONCE } else { self.rule.confirm };
        let (belief, change) = advance(before, look.level, look.at, &rule, was_problem);
        self.set_belief(belief);
        if belief.hard != before.hard {
            self.changed(look.at.unix);
        }
        Seen {
            change,
            before: before.hard,
            passage_before: before.passage,
            flap,
            mostly_critical: self.flaps_critically() && !mostly_before,
            visible: visible || belief != before,
            ring_is_due: ring_before != self.ring.bits && !level_changed && self.ring.is_due(),
        }
    }

    /// Keeps the ring (rule P1) and returns whether the check begins or stops to flap.
    fn note_change(&mut self, changed: bool, look: &Look<'_>, rule: &Flapping) -> Option<bool> {
        if !self.rule.flapping || !rule.enabled || !look.counts {
            return None;
        }
        let mut ring = self.ring;
        if !changed && ring.bits == 0 {
            ring.push_quiet(look.level);
            self.ring = ring;
            return None;
        }
        let at = look.at;
        let more = self.more_mut();
        ring.push(look.level, changed, at.moment, &mut more.changes);
        let was = more.flapping.is_some();
        let is = ring.flaps(was, rule, at.moment, &more.changes);
        if was != is {
            more.flapping = is.then_some(at.unix);
        }
        self.ring = ring;
        (was != is).then_some(is)
    }
}

impl Engine {
    /// Judges one look at the check `index` of `host`: belief, incident, reachability, messages.
    pub(crate) fn judge(
        &mut self,
        id: HostId,
        index: usize,
        look: &Look<'_>,
        now: Now,
        fx: &mut Effects,
    ) {
        let Some(host) = self.hosts.get_mut(id) else { return };
        let Some(check) = host.checks.get_mut(index) else { return };
        let incident = check.incident().and_then(|incident| self.incidents.get(&incident));
        let was_problem = incident.is_some_and(|incident| {
            matches!(incident.record.peak, Status::Warning | Status::Critical)
        });
        let seen = check.see(look, was_problem, &self.plan.flapping);
        let once_more = seen.change == Change::None
            && look.level.is_problem()
            && check.rule.plan().is_some_and(|plan| plan.volatile);
        if once_more {
            self.happened_again(id, index, now, fx);
        }
        let visible = seen.visible || seen.flap.is_some() || seen.mostly_critical;
        if !visible {
            if seen.ring_is_due {
                self.store_check(id, index, seen.change, fx);
            }
            self.look_again(id, index, now, fx);
            return;
        }
        self.apply(id, index, &seen, look, now, fx);
        if seen.flap.is_some() {
            self.flap_turned(id, index, now, fx);
        }
        if seen.mostly_critical
            && let Some(host) = self.hosts.get(id)
        {
            let text = format!("flaps, and was {}", host.checks[index].ring.criticals());
            self.transition(id, index, text, now, fx);
        }
        self.store_check(id, index, seen.change, fx);
        self.refresh(id, fx);
        fx.effects.push(Effect::Changed(Changed::Host(id)));
        self.after(id, index, &seen, now, fx);
    }

    /// A volatile check was bad once more: one more thing to tell those who know (T15). Too many of
    /// them become a summary, like all messages.
    fn happened_again(&mut self, id: HostId, index: usize, now: Now, fx: &mut Effects) {
        let Some(host) = self.hosts.get(id) else { return };
        let shown = host.checks[index].shown();
        let Some(incident) = host.checks[index].incident() else { return };
        self.transition(id, index, format!("happened again: {shown}"), now, fx);
        let Some(open) = self.incidents.get_mut(&incident) else { return };
        for told in open.told.values_mut().filter(|told| told.status.is_problem()) {
            told.again = true;
        }
        self.reconcile(incident, now, fx);
    }

    /// A result that changed nothing may be what a release waits for.
    fn look_again(&mut self, id: HostId, index: usize, now: Now, fx: &mut Effects) {
        let incident = self.hosts.get(id).and_then(|host| host.checks[index].incident());
        let waits = |id: &IncidentId| self.incidents.get(id).is_some_and(|i| i.release.is_some());
        if let Some(incident) = incident.filter(waits) {
            self.reconcile(incident, now, fx);
        }
    }

    fn apply(
        &mut self,
        id: HostId,
        index: usize,
        seen: &Seen,
        look: &Look<'_>,
        now: Now,
        fx: &mut Effects,
    ) {
        match seen.change {
            Change::None => {}
            Change::FirstOk => {
                // T1. Of metrics only the host's first sign of life is worth a line.
                if index == 0 {
                    self.transition(id, index, "is ok for the first time".to_owned(), now, fx);
                }
            }
            Change::Underway => self.underway(id, index, seen, look.level, now, fx),
            Change::Back => {
                let hard = seen.before.map_or("pending", Status::word);
                self.transition(id, index, format!("is {hard} again before it counted"), now, fx);
            }
            Change::Raised(since) => self.open(id, index, since, now, fx),
            Change::Turned(from) => self.turn(id, index, from, now, fx),
            Change::Recovered => self.close(id, index, RECOVERED, look.at, now, fx),
        }
    }

    /// What must be looked at after a change: the host by its probe, those behind it, the incident.
    fn after(&mut self, id: HostId, index: usize, seen: &Seen, now: Now, fx: &mut Effects) {
        let Some(host) = self.hosts.get(id) else { return };
        let check = &host.checks[index];
        let (hard, incident) = (check.hard, check.incident());
        let former = check.more().and_then(|more| more.former);
        if host.probe() == Some(index) {
            self.judge_by_probe(id, now, fx);
        }
        let down = Some(Status::Critical);
        if index == 0 && (hard == down) != (seen.before == down) {
            self.reach_changed(id, now, fx);
        }
        for incident in incident.into_iter().chain(former) {
            self.reconcile(incident, now, fx);
        }
    }

    /// Stores a check, but for metrics that are ok for the first time: that is what they are
    /// without a record as well, and there are many of them.
    fn store_check(&mut self, id: HostId, index: usize, change: Change, fx: &mut Effects) {
        let Some(host) = self.hosts.get(id) else { return };
        let check = &host.checks[index];
        if change != Change::FirstOk || check.rule.threshold().is_none() {
            fx.records.push(Record::Check(check.record(id)));
        }
    }

    fn underway(
        &mut self,
        id: HostId,
        index: usize,
        seen: &Seen,
        level: Status,
        now: Now,
        fx: &mut Effects,
    ) {
        let Some(host) = self.hosts.get(id) else { return };
        let check = &host.checks[index];
        let text = match check.passage() {
            Passage::Soft { attempt, .. } => {
                format!(
                    "looks {level}, {attempt} of {}: {}",
                    check.rule.confirm.attempts,
                    check.shown()
                )
            }
            Passage::Recovering { good, .. } => {
                format!("looks ok, {good} of {}", check.rule.confirm.clear_attempts)
            }
            Passage::Steady => return,
        };
        let first = seen.passage_before == Passage::Steady;
        self.transition(id, index, text, now, fx);
        if first && level.is_problem() {
            self.ask_parents(id, Moment::of(now), fx);
        }
    }

    fn transition(&self, id: HostId, index: usize, text: String, now: Now, fx: &mut Effects) {
        let Some(check) = self.hosts.get(id).map(|host| &host.checks[index]) else { return };
        let about = About::check(id, &check.rule.name, check.incident());
        fx.journal(now, about, JournalKind::Transition, text);
    }

    /// Opens an incident, or the last one again (T5, T13).
    fn open(&mut self, id: HostId, index: usize, since: Since, now: Now, fx: &mut Effects) {
        let moment = Moment::of(now);
        let Some(host) = self.hosts.get(id) else { return };
        let check = &host.checks[index];
        let flaps = check.flapping().is_some();
        let former = check.more().and_then(|more| more.former);
        let reopened = former.filter(|former| {
            self.incidents.get(former).is_some_and(|i| {
                flaps || i.may_reopen(moment) || i.is_believed_in(&self.plan.receivers)
            })
        });
        let again = reopened.is_some();
        let incident = if let Some(former) = reopened.and_then(|id| self.incidents.remove(&id)) {
            reopen(former, check, now)
        } else {
            self.numbers.incident += 1;
            opened(IncidentId(self.numbers.incident), host, check, since, now)
        };
        let incident_id = incident.record.id;
        let status = incident.record.status;
        let text = turned::opened(status, again, &check.told());
        fx.records.push(Record::Incident(incident.record.clone()));
        fx.journal(now, About::incident(&incident), JournalKind::Transition, text);
        fx.effects.push(Effect::Changed(Changed::Incident(incident_id)));
        self.incidents.insert(incident_id, incident);
        let Some(host) = self.hosts.get_mut(id) else { return };
        host.incidents.insert(incident_id);
        let more = host.checks[index].more_mut();
        more.incident = Some(incident_id);
        more.former = None;
        self.ask_parents(id, moment, fx);
    }

    /// A believed problem became another one (T8, T9, T13, T14).
    fn turn(&mut self, id: HostId, index: usize, from: Status, now: Now, fx: &mut Effects) {
        let Some(host) = self.hosts.get(id) else { return };
        let check = &host.checks[index];
        let status = check.hard.unwrap_or(Status::Unknown);
        let Some(incident) = check.incident().and_then(|i| self.incidents.get_mut(&i)) else {
            return;
        };
        incident.turn(status);
        incident.say(check);
        fx.records.push(Record::Incident(incident.record.clone()));
        let text = turned::became(from, status, &check.told());
        fx.journal(now, About::incident(incident), JournalKind::Transition, text);
        fx.effects.push(Effect::Changed(Changed::Incident(incident.record.id)));
        break_ack(incident, from, now, fx);
    }

    /// Ends the open incident of a check (T12, T17).
    pub(crate) fn close(
        &mut self,
        id: HostId,
        index: usize,
        resolution: &str,
        at: Since,
        now: Now,
        fx: &mut Effects,
    ) {
        let Some(host) = self.hosts.get_mut(id) else { return };
        let check = &mut host.checks[index];
        let Some(incident_id) = check.incident() else { return };
        let more = check.more_mut();
        more.incident = None;
        more.former = (!is_removed(resolution)).then_some(incident_id);
        let Some(mut incident) = self.incidents.remove(&incident_id) else { return };
        self.count_symptom(&incident, false);
        if let Some(host) = self.hosts.get(id) {
            incident.say(&host.checks[index]);
        }
        incident.resolve(resolution, at.unix, Moment::of(now));
        end_ack(&mut incident, "the acknowledgement ends with its incident", now, fx);
        fx.records.push(Record::Incident(incident.record.clone()));
        let text = turned::ended(resolution);
        fx.journal(now, About::incident(&incident), JournalKind::Transition, text);
        fx.effects.push(Effect::Changed(Changed::Incident(incident_id)));
        self.incidents.insert(incident_id, incident);
        self.release_symptoms(incident_id, now, fx);
    }

    /// A check began or stopped to flap (rules P3, P4).
    pub(crate) fn flap_turned(&mut self, id: HostId, index: usize, now: Now, fx: &mut Effects) {
        let Some(host) = self.hosts.get(id) else { return };
        let check = &host.checks[index];
        let flaps = check.flapping().is_some();
        let text = if flaps { "flaps: it changes too often" } else { "no longer flaps" };
        let oldest = check.more().and_then(|more| more.changes.last().copied());
        let former = check.more().and_then(|more| more.former);
        self.transition(id, index, text.to_owned(), now, fx);
        let incident = check.incident().or(former);
        let Some(incident) = incident.and_then(|i| self.incidents.get_mut(&i)) else { return };
        if flaps {
            // Who has not heard that it had ended knows that it flaps.
            for told in incident.told.values_mut().filter(|told| told.flap == FlapTold::No) {
                if told.sequence > 0 && oldest.is_none_or(|oldest| told.at >= oldest) {
                    told.flap = FlapTold::Due;
                }
            }
        } else {
            for told in incident.told.values_mut().filter(|told| told.flap == FlapTold::Due) {
                told.flap = FlapTold::No;
            }
        }
    }

    /// Removes a check: its incident ends as removed and those told get one line (T17).
    pub(crate) fn remove_check(&mut self, id: HostId, index: usize, now: Now, fx: &mut Effects) {
        let Some(host) = self.hosts.get(id) else { return };
        let incident = host.checks[index].incident();
        let at = Since { unix: now.unix, moment: Moment::of(now) };
        self.close(id, index, REMOVED, at, now, fx);
        let Some(host) = self.hosts.get_mut(id) else { return };
        let check = host.checks.remove(index);
        host.reindex();
        fx.records.push(Record::CheckRemoved(id, check.rule.name.clone()));
        let about = About::check(id, &check.rule.name, incident);
        fx.journal(now, about, JournalKind::Transition, "is no longer watched".to_owned());
        if let Some(incident) = incident {
            self.reconcile(incident, now, fx);
        }
    }

    /// Returns true for kinds whose trouble is the engine's own observation.
    pub(crate) fn is_own(kind: &Kind) -> bool {
        matches!(kind, Kind::Host | Kind::Agent | Kind::Clock | Kind::Part)
    }
}

/// Makes a new incident.
fn opened(id: IncidentId, host: &Host, check: &Check, since: Since, now: Now) -> Incident {
    let status = check.hard.unwrap_or(Status::Unknown);
    let name = check.rule.name.clone();
    let mut record = IncidentRecord::opened(id, host.id, name, since.unix, now.unix, status);
    record.text = check.told();
    let path = check.rule.path(host.name.as_str());
    let shown = check.shown();
    Incident::opened(record, host.name.clone(), path, shown, since.moment, Moment::of(now))
}

/// Opens an incident again (6.10).
fn reopen(mut incident: Incident, check: &Check, now: Now) -> Incident {
    incident.resolved = None;
    incident.record.resolved_at = None;
    incident.record.resolution.clear();
    incident.record.cause = None;
    incident.record.caused_by_hand = false;
    incident.record.hard_since = now.unix;
    incident.hard_since = Moment::of(now);
    incident.turn(check.hard.unwrap_or(Status::Unknown));
    incident.again = Some(now.unix);
    incident.say(check);
    incident
}

/// Returns `at` as seen now.
pub(crate) fn since(unix: Unix, now: Now) -> Since {
    Since { unix, moment: Moment::of(now) }
}

//! What people decided: silences, maintenance, acknowledgements (design rule 6.8).
//!
//! They end by the wall clock. Waiting for a wall-clock time is waiting at most a minute on the
//! monotonic one and looking again, so that a jump of the wall clock is noticed.

use std::time::Duration;

use hark_model::record::{JournalKind, Record, SilenceRecord};
use hark_model::{HostId, IncidentId, Now, SilenceId, Status, Unix};

use crate::decide::{Block, Cover};
use crate::effect::{Changed, Effect, Effects};
use crate::engine::{About, Engine};
use crate::host::HostState;
use crate::incident::{Incident, Release};
use crate::matching::{self, Subject};
use crate::moment::Moment;
use crate::plan::SELF;
use crate::plan::silence::{Repeat, Span};
use crate::reconcile::shown_severity;
use crate::timers::Timer;

/// At most this long the wall clock is not looked at.
const CALENDAR_STEP: Duration = Duration::from_mins(1);
/// After maintenance a fresh result is waited for this long (6.8, release rule).
const RELEASE_LIMIT: Duration = Duration::from_mins(1);
/// What the journal of a host says from when on planned work covers it as a whole: reports leave the time
/// until [`MAINTENANCE_OVER`], or the moment that is named, out of its availability.
pub const IN_MAINTENANCE: &str = "in maintenance";
/// What it says when that is over.
pub const MAINTENANCE_OVER: &str = "maintenance is over";
/// A silence must end within this time.
pub(crate) const LONGEST_SILENCE: Duration = Duration::from_hours(30 * 24);
/// Declared silences are numbered from here: they are never stored, and other numbers count from 1.
pub(crate) const DECLARED: u64 = 1 << 52;

/// A silence or maintenance, made by a user or declared in a file.
#[derive(Debug)]
pub(crate) struct Silence {
    pub(crate) record: SilenceRecord,
    /// The name in the file; none for one made by a user.
    pub(crate) declared: Option<String>,
    /// Whether it holds, as of the last look at the wall clock: what is decided goes by this, so that
    /// what `explain` says is what is done.
    pub(crate) active: bool,
    /// When it comes again, if it does.
    pub(crate) repeat: Option<Repeat>,
    /// Outside of which it does not come again.
    pub(crate) bounds: Span,
    /// Whether it is in the journal that it was not needed.
    pub(crate) unused_noted: bool,
}

impl Silence {
    /// Makes one that does not hold yet.
    pub(crate) fn new(record: SilenceRecord) -> Self {
        let bounds = match &record.repeats {
            Some(repeats) => Repeat::bounds(repeats),
            None => Span { from: record.from, until: record.until },
        };
        // What cannot be read any more, as with a time zone that is gone, does not hold, and is shown.
        let repeat = record.repeats.as_ref().and_then(|repeats| Repeat::of(repeats).ok());
        Self { record, declared: None, active: false, repeat, bounds, unused_noted: false }
    }

    /// Returns true if it will not hold any more.
    pub(crate) fn is_over(&self, now: Unix) -> bool {
        let end = if self.record.repeats.is_some() { self.bounds.until } else { self.end() };
        end <= now
    }
}

/// What covers an incident now: the last to end of each kind.
#[derive(Debug, Default)]
pub(crate) struct Covers {
    pub(crate) maintenance: Option<(SilenceId, Cover)>,
    pub(crate) silence: Option<(SilenceId, Cover)>,
}

/// Returns when to look at a wall-clock time again.
pub(crate) fn calendar_wake(at: Unix, now: Now) -> Moment {
    Moment::of_unix(at, now).max(Moment::of(now)).min(Moment::of(now) + CALENDAR_STEP)
}

impl Engine {
    /// Returns what covers an incident. What the server says of itself cannot be covered, so that a
    /// silence on everything does not hide that the watch itself is broken.
    pub(crate) fn covers(&self, incident: &Incident) -> Covers {
        let mut covers = Covers::default();
        if incident.host_name.as_str() == SELF {
            return covers;
        }
        let host = self.hosts.get(incident.record.host);
        let subject = Subject {
            host: incident.host_name.as_str(),
            check: Some(incident.record.check.as_str()),
            tags: host.map_or(&[], |host| host.tags()),
            severity: Some(shown_severity(incident)),
        };
        for (id, silence) in &self.silences {
            let record = &silence.record;
            if !silence.active || !matching::covers(&record.matcher, subject) {
                continue;
            }
            let until = silence.end();
            let slot =
                if record.maintenance { &mut covers.maintenance } else { &mut covers.silence };
            if slot.as_ref().is_none_or(|(_, cover)| cover.until < until) {
                let text = format!("{}: {}", record.by, record.reason);
                *slot = Some((*id, Cover { text, until }));
            }
        }
        covers
    }

    /// Counts a message kept back at the silence that did it.
    pub(crate) fn count_withheld(&mut self, covers: &Covers, block: Block, fx: &mut Effects) {
        let by = if block == Block::Maintenance {
            &covers.maintenance
        } else if block == Block::Silence {
            &covers.silence
        } else {
            return;
        };
        let Some(silence) = by.as_ref().and_then(|(id, _)| self.silences.get_mut(id)) else {
            return;
        };
        silence.record.withheld += 1;
        if silence.declared.is_none() {
            fx.records.push(Record::Silence(silence.record.clone()));
        }
    }

    /// Arms the calendar for the next beginning or end of a silence.
    pub(crate) fn arm_calendar(&mut self, now: Now) {
        let next = self
            .silences
            .values()
            .flat_map(Silence::turns)
            .chain(self.times.until())
            .filter(|at| *at > now.unix)
            .min();
        if let Some(next) = next {
            let due = calendar_wake(next, now);
            self.timers.arm(&mut self.calendar_armed, due, Timer::Calendar);
        }
    }

    pub(crate) fn calendar(&mut self, due: Moment, now: Now, fx: &mut Effects) {
        if self.calendar_armed != due {
            return;
        }
        self.calendar_armed = Moment::NEVER;
        let turned = self.turn_times(now, fx);
        self.turn_silences(now, fx);
        if turned {
            self.reconcile_all(now, fx);
        }
        self.arm_calendar(now);
    }

    /// Begins and ends silences by the wall clock, and reconciles if any did.
    pub(crate) fn turn_silences(&mut self, now: Now, fx: &mut Effects) {
        self.advance_windows(now);
        self.note_unused(now, fx);
        let turned: Vec<(SilenceId, bool)> = self
            .silences
            .iter()
            .map(|(id, silence)| (*id, silence.holds(now.unix), silence.active))
            .filter(|(_, holds, active)| holds != active)
            .map(|(id, holds, _)| (id, holds))
            .collect();
        for (id, holds) in &turned {
            self.turn_silence(*id, *holds, now, fx);
        }
        let over: Vec<SilenceId> = self
            .silences
            .iter()
            .filter(|(_, s)| s.declared.is_none() && s.is_over(now.unix))
            .map(|(id, _)| *id)
            .collect();
        for id in over {
            self.silences.remove(&id);
            fx.records.push(Record::SilenceRemoved(id));
        }
        if !turned.is_empty() {
            self.reconcile_all(now, fx);
        }
    }

    pub(crate) fn turn_silence(&mut self, id: SilenceId, holds: bool, now: Now, fx: &mut Effects) {
        let Some(silence) = self.silences.get_mut(&id) else { return };
        silence.active = holds;
        let silence_end = silence.end();
        let record = silence.record.clone();
        let what = if record.maintenance { "maintenance" } else { "silence" };
        let turn = if holds { "begins" } else { "ends" };
        let text = format!("{what} {turn}: {} ({})", record.reason, record.by);
        fx.journal(now, About::default(), JournalKind::Server, text);
        fx.effects.push(Effect::Changed(Changed::Silence(id)));
        if !record.maintenance {
            return;
        }
        if !holds {
            self.release_after_maintenance(&record, now);
        }
        for host in self.hosts.ids() {
            let before = self.hosts.get(host).map(|host| host.state);
            self.refresh(host, fx);
            let after = self.hosts.get(host).map(|host| host.state);
            let [was, is] = [before, after].map(|state| state == Some(HostState::Maintenance));
            if was != is {
                let text = if is {
                    in_maintenance(silence_end, &record.reason)
                } else {
                    MAINTENANCE_OVER.to_owned()
                };
                fx.journal(now, About::host(host), JournalKind::Server, text);
            }
        }
    }

    /// After maintenance only what a fresh result says is told (6.8, release rule).
    fn release_after_maintenance(&mut self, record: &SilenceRecord, now: Now) {
        let moment = Moment::of(now);
        let covered: Vec<IncidentId> = self
            .incidents
            .values()
            .filter(|incident| incident.is_open())
            .filter(|incident| self.is_covered_by(record, incident))
            .map(|incident| incident.record.id)
            .collect();
        for id in covered {
            let Some(incident) = self.incidents.get_mut(&id) else { continue };
            let limit = moment + RELEASE_LIMIT;
            incident.release = Some(Release { since: moment, limit, after: "maintenance" });
            let (host, check) = (incident.record.host, incident.record.check.clone());
            if let Some(host) = self.hosts.get_mut(host)
                && let Some(index) = host.find(check.as_str())
                && host.checks[index].rule.plan().is_some()
            {
                host.checks[index].more_mut().recheck = Some(moment);
                let id = host.id;
                self.arm_host(id, moment);
            }
        }
    }

    /// Recomputes a host's one-letter state.
    pub(crate) fn refresh(&mut self, id: HostId, fx: &mut Effects) {
        let Some(host) = self.hosts.get(id) else { return };
        let state = if self.in_maintenance(id) { HostState::Maintenance } else { host.worst() };
        let before = host.state;
        if before != state {
            self.counts.take(before);
            self.counts.add(state);
            if let Some(host) = self.hosts.get_mut(id) {
                host.state = state;
            }
            fx.effects.push(Effect::Changed(Changed::Host(id)));
        }
    }

    /// Returns true if planned work covers the host as a whole.
    fn in_maintenance(&self, id: HostId) -> bool {
        self.maintenance_of(id).next().is_some()
    }

    /// Returns the planned work that covers the host as a whole.
    fn maintenance_of(&self, id: HostId) -> impl Iterator<Item = &Silence> {
        let host = self.hosts.get(id);
        let covers = move |silence: &&Silence| {
            host.is_some_and(|host| {
                let (name, tags) = (host.name.as_str(), host.tags());
                let subject = Subject { host: name, check: None, tags, severity: None };
                silence.record.maintenance
                    && silence.record.matcher.checks.is_empty()
                    && silence.active
                    && matching::covers(&silence.record.matcher, subject)
            })
        };
        self.silences.values().filter(covers)
    }

    /// Writes down, at a start, which planned work covers the host: whether the time since the last such
    /// line was one piece of work, nobody has seen.
    pub(crate) fn note_maintenance(&self, id: HostId, now: Now, fx: &mut Effects) {
        if let Some(silence) = self.maintenance_of(id).max_by_key(|silence| silence.end()) {
            let text = in_maintenance(silence.end(), &silence.record.reason);
            fx.journal(now, About::host(id), JournalKind::Server, text);
        }
    }
}

fn in_maintenance(until: Unix, reason: &str) -> String {
    format!("{IN_MAINTENANCE} until {}: {reason}", until.rfc3339())
}

/// Ends an acknowledgement whose time is over: the problem is told again (6.8).
pub(crate) fn expire_ack(incident: &mut Incident, now: Now, fx: &mut Effects) {
    let expired = incident.record.ack.as_ref().and_then(|ack| ack.until);
    if expired.is_none_or(|until| until > now.unix) {
        return;
    }
    end_ack(incident, "the acknowledgement has expired", now, fx);
    for told in incident.told.values_mut().filter(|told| told.status.is_problem()) {
        told.remind_now = true;
    }
}

/// Ends an acknowledgement.
pub(crate) fn end_ack(incident: &mut Incident, why: &str, now: Now, fx: &mut Effects) {
    if incident.record.ack.take().is_some() {
        fx.records.push(Record::Incident(incident.record.clone()));
        let kind = JournalKind::Operator;
        fx.journal(now, About::incident(incident), kind, why.to_owned());
    }
}

/// Ends a normal acknowledgement because it got worse (rule T8).
pub(crate) fn break_ack(incident: &mut Incident, from: Status, now: Now, fx: &mut Effects) {
    let worse = incident.record.status.rank() > from.rank();
    if worse && incident.record.ack.as_ref().is_some_and(|ack| !ack.sticky) {
        end_ack(incident, "the acknowledgement ends: it got worse", now, fx);
    }
}

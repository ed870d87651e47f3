//! Escalation: who is told in addition when a problem lasts and nobody takes it (design rule 6.10).
//!
//! The clock of a step counts while nothing keeps the incident back (no maintenance, silence,
//! flapping, dead parent, acknowledgement) and the incident is at least as bad as the step wants. When
//! it gets less bad than that the step's clock begins anew; a step that was taken is not taken again
//! before the incident is over. What is counted and what was taken is stored with the incident.

use std::time::Duration;

use hark_model::record::{EscalationRecord, JournalKind, Record, StepRecord};
use hark_model::{Now, RouteName, Severity, Unix};

use crate::effect::Effects;
use crate::engine::{About, Engine};
use crate::incident::Incident;
use crate::message::span;
use crate::moment::Moment;
use crate::overlay::Covers;
use crate::plan::StepPlan;
use crate::reach::Reach;
use crate::times::Times;

/// The severities that have a clock; a step that names none is for all problems.
const LEVELS: [Severity; 3] = [Severity::Unknown, Severity::Warning, Severity::Critical];

/// The clocks of an incident.
#[derive(Clone, Debug, Default)]
pub(crate) struct Escalation {
    /// What was counted up to `since`, one clock for each of [`LEVELS`].
    counted: [Duration; LEVELS.len()],
    /// Since when the clocks go on; none while something keeps the incident back.
    since: Option<Moment>,
    /// How bad it was when it was counted last.
    level: Option<Severity>,
    /// What was taken.
    taken: Vec<Taken>,
}

#[derive(Clone, Debug)]
struct Taken {
    route: RouteName,
    /// From 0.
    index: usize,
    at: Moment,
    unix: Unix,
}

impl Escalation {
    pub(crate) fn restored(record: &EscalationRecord, level: Severity, now: Now) -> Self {
        let mut counted = [Duration::ZERO; LEVELS.len()];
        for (clock, ms) in counted.iter_mut().zip(record.counted_ms) {
            *clock = Duration::from_millis(ms);
        }
        let taken = record.taken.iter().map(|step| Taken {
            route: step.route.clone(),
            index: usize::try_from(step.number).unwrap_or(usize::MAX).saturating_sub(1),
            at: Moment::past(step.at, now),
            unix: step.at,
        });
        Self {
            counted,
            since: record.since.map(|since| Moment::past(since, now)),
            level: Some(level),
            taken: taken.collect(),
        }
    }

    fn record(&self, now: Now) -> EscalationRecord {
        EscalationRecord {
            counted_ms: self.counted.map(hark_model::time::millis),
            since: self.since.map(|since| since.unix(now)),
            taken: self
                .taken
                .iter()
                .map(|step| StepRecord {
                    route: step.route.clone(),
                    number: u32::try_from(step.index + 1).unwrap_or(u32::MAX),
                    at: step.unix,
                })
                .collect(),
        }
    }

    /// Returns what the clock of a severity shows.
    fn clock(&self, severity: Severity, now: Moment) -> Duration {
        let passed = LEVELS.iter().zip(self.counted).find(|(level, _)| **level >= severity);
        let counted = passed.map(|(_, counted)| counted).unwrap_or_default();
        let counts = self.level.is_some_and(|level| level >= severity);
        counted + self.since.filter(|_| counts).map_or(Duration::ZERO, |since| now.since(since))
    }

    /// Counts what has passed, and goes on at `level`, or stands. True if anything has changed.
    fn turn(&mut self, runs: bool, level: Severity, now: Moment) -> bool {
        if self.since.is_some() == runs && self.level == Some(level) {
            return false;
        }
        let clocks = LEVELS.map(|severity| self.clock(severity, now));
        for ((counted, clock), severity) in self.counted.iter_mut().zip(clocks).zip(LEVELS) {
            *counted = if level >= severity { clock } else { Duration::ZERO };
        }
        self.since = runs.then_some(now);
        self.level = Some(level);
        true
    }
}

impl Incident {
    /// Returns when a step is or was taken: from when on its receivers are told, and when that was;
    /// `None` if the incident is not bad enough for it.
    pub(crate) fn step_time(
        &self,
        route: &RouteName,
        index: usize,
        step: &StepPlan,
        now: Moment,
    ) -> Option<(Moment, Option<Moment>)> {
        let escalation = self.escalation.as_ref()?;
        let taken = escalation.taken.iter().find(|t| t.route == *route && t.index == index);
        if let Some(taken) = taken {
            return Some((taken.at, Some(taken.at)));
        }
        let severity = step.severity.unwrap_or(LEVELS[0]).max(LEVELS[0]);
        if self.severity() < severity {
            return None;
        }
        let left = step.after.saturating_sub(escalation.clock(severity, now));
        Some((escalation.since.map_or(Moment::NEVER, |_| now + left), None))
    }
}

impl Engine {
    /// Turns the clocks of an incident, and takes the steps that are due. Returns when the next one is.
    pub(crate) fn escalate(
        &self,
        incident: &mut Incident,
        reach: &Reach,
        covers: &Covers,
        times: &Times,
        now: Now,
        fx: &mut Effects,
    ) -> Moment {
        let moment = Moment::of(now);
        if !incident.is_open() {
            if incident.escalation.take().is_some() {
                incident.record.escalation = None;
                fx.records.push(Record::Incident(incident.record.clone()));
            }
            return Moment::NEVER;
        }
        let routes = self.routes_of(incident, times);
        if incident.escalation.is_none() && routes.iter().all(|route| route.escalate.is_empty()) {
            return Moment::NEVER;
        }
        let runs = self.plan.notify
            && !matches!(reach, Reach::Unreachable { .. } | Reach::Symptom { .. })
            && covers.maintenance.is_none()
            && covers.silence.is_none()
            && incident.record.ack.is_none()
            && !self.flaps(incident);
        let (level, begin) = (incident.severity(), incident.hard_since);
        let first = incident.escalation.is_none();
        let escalation = incident.escalation.get_or_insert_default();
        if first {
            // Counted from when it was believed, also under a route that is new.
            escalation.turn(runs, level, begin.min(moment));
        }
        let mut changed = escalation.turn(runs, level, moment) || first;
        let mut next = Moment::NEVER;
        for route in routes {
            for (index, step) in route.escalate.iter().enumerate() {
                let Some((due, None)) = incident.step_time(&route.name, index, step, moment) else {
                    continue;
                };
                if due > moment {
                    next = next.min(due);
                    continue;
                }
                let name = route.name.clone();
                let taken = Taken { route: name, index, at: moment, unix: now.unix };
                incident.escalation.get_or_insert_default().taken.push(taken);
                changed = true;
                let after = span(step.after.as_secs());
                let text = format!(
                    "escalation: step {} of `{}`: nobody has taken it for {after}",
                    index + 1,
                    route.name
                );
                fx.journal(now, About::incident(incident), JournalKind::Server, text);
            }
        }
        if changed {
            incident.record.escalation = incident.escalation.as_ref().map(|e| e.record(now));
            fx.records.push(Record::Incident(incident.record.clone()));
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::default() + Duration::from_secs(seconds)
    }

    #[test]
    fn clocks_stand_while_something_keeps_it_back_and_begin_anew_when_it_was_less_bad() {
        let mut clocks = Escalation::default();
        assert!(clocks.turn(true, Severity::Warning, at(0)));
        assert!(!clocks.turn(true, Severity::Warning, at(50)), "nothing has changed");
        assert!(clocks.turn(true, Severity::Critical, at(100)));
        assert!(clocks.turn(false, Severity::Critical, at(130)));
        assert!(clocks.turn(true, Severity::Critical, at(1000)));
        let shown =
            |clocks: &Escalation, now| LEVELS.map(|level| clocks.clock(level, at(now)).as_secs());
        assert_eq!(shown(&clocks, 1010), [140, 140, 40]);
        assert!(clocks.turn(true, Severity::Warning, at(1010)));
        assert_eq!(shown(&clocks, 1020), [150, 150, 0]);
        assert!(clocks.turn(true, Severity::Critical, at(1030)));
        assert_eq!(shown(&clocks, 1031), [161, 161, 1]);
    }

    #[test]
    fn clocks_come_back_from_the_store_and_have_gone_on() {
        let now = |seconds: u64| Now {
            mono: hark_model::Mono(seconds * 1000),
            unix: Unix(1_000_000_000 + i64::try_from(seconds).unwrap() * 1000),
        };
        let mut clocks = Escalation::default();
        clocks.turn(true, Severity::Critical, at(10));
        clocks.turn(true, Severity::Warning, at(40));
        let record = clocks.record(now(40));
        let back = Escalation::restored(&record, Severity::Warning, now(100));
        assert_eq!(back.clock(Severity::Warning, at(100)).as_secs(), 90);
        assert_eq!(back.clock(Severity::Critical, at(100)).as_secs(), 0);
        assert_eq!(back.record(now(100)), record);
    }
}

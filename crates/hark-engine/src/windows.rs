//! When silences and maintenance hold: once, from the first problem on, again and again (6.8).

use std::time::Duration;

use hark_model::record::{JournalKind, Record, SilenceRecord};
use hark_model::{IncidentId, Now, SilenceId, Unix};

use crate::effect::Effects;
use crate::engine::{About, Engine};
use crate::incident::Incident;
use crate::matching::{self, Subject};
use crate::overlay::Silence;
use crate::plan::SELF;
use crate::plan::silence::{Repeat, Span};
use crate::reconcile::shown_severity;

impl Silence {
    /// Returns true if it holds at `at`.
    pub(crate) fn holds(&self, at: Unix) -> bool {
        self.span().is_some_and(|span| span.has(at))
    }

    /// Returns the time in which it holds: of one that comes again the present or the next one. `None`
    /// while one that begins with a problem waits for it.
    pub(crate) fn span(&self) -> Option<Span> {
        let record = &self.record;
        match record.flexible {
            None => Some(Span { from: record.from, until: record.until }),
            Some(flexible) => flexible.begun.map(|begun| Span {
                from: begun,
                until: begun + Duration::from_millis(flexible.lasts_ms),
            }),
        }
    }

    /// Returns when it is over for good, as far as is known now.
    pub(crate) fn end(&self) -> Unix {
        self.span().map_or(self.record.until, |span| span.until)
    }

    /// Has it end at `at`.
    pub(crate) fn end_at(&mut self, at: Unix) {
        self.record.until = at;
        // Somebody has decided: nothing is left to begin, or to hold on.
        self.record.flexible = None;
        (self.record.repeats, self.repeat) = (None, None);
    }

    /// Returns the moments of the wall clock at which something turns.
    pub(crate) fn turns(&self) -> [Unix; 3] {
        let until = self.span().map_or(self.record.until, |span| span.until);
        let from = self.span().map_or(self.record.from, |span| span.from);
        [from, until, self.record.until]
    }

    /// Returns true if this is what `new` was before a reload: a new reason or other hosts do not make
    /// another one of it.
    pub(crate) fn is_before(&self, new: &Self) -> bool {
        let lasts = |silence: &Self| silence.record.flexible.map(|f| f.lasts_ms);
        self.declared == new.declared
            && self.record.maintenance == new.record.maintenance
            && self.bounds == new.bounds
            && self.repeat == new.repeat
            && lasts(self) == lasts(new)
    }

    /// Takes over what happened to the one that it was before a reload.
    pub(crate) fn carry_on(&mut self, former: &Self) {
        self.active = former.active;
        self.unused_noted = former.unused_noted;
        self.record.withheld = former.record.withheld;
        self.record.flexible = former.record.flexible;
        if self.repeat.is_some() {
            (self.record.from, self.record.until) = (former.record.from, former.record.until);
        }
    }

    /// Returns true if it waits for a problem, and one that was believed at `at` begins it.
    fn begins_with(&self, at: Unix, now: Unix) -> bool {
        let record = &self.record;
        record.flexible.is_some_and(|flexible| {
            flexible.begun.is_none()
                && record.from < at
                && at < record.until
                // After a restart: what began then may be over by now.
                && now < at + Duration::from_millis(flexible.lasts_ms)
        })
    }
}

impl Engine {
    /// Puts the present or next time to each that comes again.
    pub(crate) fn advance_windows(&mut self, now: Now) {
        for silence in self.silences.values_mut() {
            let Some(repeat) = &silence.repeat else { continue };
            let Some(mut span) = repeat.span(silence.bounds, now.unix) else { continue };
            // Within a window of the week its beginning is known from when it was still to come.
            let known = Span { from: silence.record.from, until: silence.record.until };
            if known.has(now.unix) && span.has(now.unix) {
                span.from = known.from;
            }
            (silence.record.from, silence.record.until) = (span.from, span.until);
        }
        let followed: Vec<(SilenceId, Span)> = self
            .silences
            .iter()
            .filter_map(|(id, silence)| match &silence.repeat {
                Some(Repeat::With(name)) => Some((*id, self.span_of(name, silence.bounds))),
                Some(Repeat::Cron(..) | Repeat::Weekly(_)) | None => None,
            })
            .collect();
        for (id, span) in followed {
            if let Some(silence) = self.silences.get_mut(&id) {
                (silence.record.from, silence.record.until) = (span.from, span.until);
            }
        }
    }

    /// Returns the time of the maintenance of this name, within `bounds`.
    fn span_of(&self, name: &str, bounds: Span) -> Span {
        let named = |silence: &&Silence| {
            silence.record.maintenance && silence.declared.as_deref() == Some(name)
        };
        let leader = self.silences.values().find(named);
        let span = leader.and_then(Silence::span).unwrap_or(Span::NEVER);
        let within = Span { from: span.from.max(bounds.from), until: span.until.min(bounds.until) };
        if within.from < within.until { within } else { Span::NEVER }
    }

    /// Begins what waits for the first problem, if this incident is it. It counts from when the problem
    /// was believed, so that a restart in between changes nothing.
    pub(crate) fn begin_flexible(&mut self, id: IncidentId, now: Now, fx: &mut Effects) {
        let Some(incident) = self.incidents.get(&id) else { return };
        let at = incident.record.hard_since;
        let waits = self.silences.values().any(|silence| silence.begins_with(at, now.unix));
        if !waits || !incident.is_open() || incident.host_name.as_str() == SELF {
            return;
        }
        let begun: Vec<SilenceId> = self
            .silences
            .iter()
            .filter(|(_, silence)| {
                silence.begins_with(at, now.unix) && self.is_covered_by(&silence.record, incident)
            })
            .map(|(id, _)| *id)
            .collect();
        if begun.is_empty() {
            return;
        }
        for id in begun {
            let Some(silence) = self.silences.get_mut(&id) else { continue };
            if let Some(flexible) = &mut silence.record.flexible {
                flexible.begun = Some(at);
            }
            if silence.declared.is_none() {
                fx.records.push(Record::Silence(silence.record.clone()));
            }
        }
        self.turn_silences(now, fx);
        self.arm_calendar(now);
    }

    /// Returns true if a silence's filter covers an incident.
    pub(crate) fn is_covered_by(&self, silence: &SilenceRecord, incident: &Incident) -> bool {
        let host = self.hosts.get(incident.record.host);
        let subject = Subject {
            host: incident.host_name.as_str(),
            check: Some(incident.record.check.as_str()),
            tags: host.map_or(&[], |host| host.tags()),
            severity: Some(shown_severity(incident)),
        };
        matching::covers(&silence.matcher, subject)
    }

    /// Writes down once that a maintenance was planned and no problem came.
    pub(crate) fn note_unused(&mut self, now: Now, fx: &mut Effects) {
        for silence in self.silences.values_mut() {
            let unused = silence.record.flexible.is_some_and(|f| f.begun.is_none());
            if !unused || silence.unused_noted || now.unix < silence.record.until {
                continue;
            }
            silence.unused_noted = true;
            let record = &silence.record;
            let text = format!("maintenance was not needed: {} ({})", record.reason, record.by);
            fx.journal(now, About::default(), JournalKind::Server, text);
        }
    }
}

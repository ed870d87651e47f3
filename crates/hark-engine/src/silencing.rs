//! Silences and maintenance that people make, change and end.

use std::time::Duration;

use hark_model::record::{
    Flexible, JournalKind, Matcher, Record, Repeats, RepeatsWhen, SilenceRecord, SilenceTerms,
};
use hark_model::time::millis;
use hark_model::{Now, SilenceId, Unix, UserName};

use crate::effect::{Changed, Done, Effect, Effects, Refused};
use crate::engine::{About, Engine};
use crate::operator::{bounded, refused};
use crate::overlay::{DECLARED, LONGEST_SILENCE, Silence};
use crate::plan::silence::{Span, times};

/// Bound on silences made by users: each incident is held against all of them.
const MAX_SILENCES: usize = 1000;

impl Engine {
    pub(crate) fn silence(
        &mut self,
        terms: SilenceTerms,
        by: &UserName,
        now: Now,
        fx: &mut Effects,
    ) -> Result<Done, Refused> {
        let mut record = recorded(terms, by);
        check_silence(&record, now.unix)?;
        if self.silences.len() >= MAX_SILENCES {
            return Err(refused("there are too many silences: end some first"));
        }
        self.numbers.silence += 1;
        let id = SilenceId(self.numbers.silence);
        record.id = id;
        let what = if record.maintenance { "maintenance" } else { "silence" };
        let text =
            format!("{} made a {what} {}: {}", record.by, covers(&record.matcher), record.reason);
        self.put_silence(record, text, now, fx);
        self.arm_calendar(now);
        Ok(Done::Silence(id))
    }

    /// Has a silence be what `terms` say. It is ended and begun at the same moment, so that hosts which
    /// it does not cover any more are released, and those that it covers now are noted.
    pub(crate) fn change_silence(
        &mut self,
        id: SilenceId,
        terms: SilenceTerms,
        by: &UserName,
        now: Now,
        fx: &mut Effects,
    ) -> Result<Done, Refused> {
        let mut record = recorded(terms, by);
        let former = &self.changeable(id)?.record;
        if former.maintenance != record.maintenance {
            return Err(refused("a silence does not become planned work: end it and make another"));
        }
        record.id = id;
        record.withheld = former.withheld;
        // What has begun goes on, but not in another window than that in which it began.
        let begun = former.flexible.and_then(|flexible| flexible.begun);
        let begun = begun.filter(|begun| (record.from..record.until).contains(begun));
        record.flexible = record.flexible.map(|flexible| Flexible { begun, ..flexible });
        check_silence(&record, now.unix)?;
        if let Some(Flexible { lasts_ms, begun: Some(begun) }) = record.flexible
            && begun + Duration::from_millis(lasts_ms) <= now.unix
        {
            return Err(refused("it has begun and would be over with that: end it instead"));
        }
        if self.silences.get(&id).is_some_and(|silence| silence.active) {
            self.turn_silence(id, false, now, fx);
        }
        let text =
            format!("{} changed it {}: {}", record.by, covers(&record.matcher), record.reason);
        self.put_silence(record, text, now, fx);
        self.reconcile_all(now, fx);
        self.arm_calendar(now);
        Ok(Done::Silence(id))
    }

    /// Has one hold as it is recorded, in place of what had its number.
    fn put_silence(&mut self, record: SilenceRecord, text: String, now: Now, fx: &mut Effects) {
        let id = record.id;
        fx.records.push(Record::Silence(record.clone()));
        fx.journal(now, About::default(), JournalKind::Operator, text);
        fx.effects.push(Effect::Changed(Changed::Silence(id)));
        self.silences.insert(id, Silence::new(record));
        self.turn_silences(now, fx);
    }

    /// Returns a silence that somebody has made, and not a file.
    fn changeable(&mut self, id: SilenceId) -> Result<&mut Silence, Refused> {
        let silence = self.silences.get_mut(&id).ok_or(Refused::NotFound)?;
        if id.0 >= DECLARED {
            return Err(refused("it stands in a file: change it or take it out there"));
        }
        Ok(silence)
    }

    pub(crate) fn end_silence(
        &mut self,
        id: SilenceId,
        by: &UserName,
        now: Now,
        fx: &mut Effects,
    ) -> Result<Done, Refused> {
        let silence = self.changeable(id)?;
        silence.end_at(now.unix);
        let text = format!("{by} ended it: {}", silence.record.reason);
        fx.journal(now, About::default(), JournalKind::Operator, text);
        fx.effects.push(Effect::Changed(Changed::Silence(id)));
        self.turn_silences(now, fx);
        Ok(Done::Done)
    }
}

/// Returns what is kept of a silence that has no number yet.
fn recorded(terms: SilenceTerms, by: &UserName) -> SilenceRecord {
    // When one that comes again holds is found out by the calendar.
    let Span { from, until } = match terms.repeats {
        Some(_) => Span::NEVER,
        None => Span { from: terms.from, until: terms.until },
    };
    SilenceRecord {
        id: SilenceId(0),
        matcher: terms.matcher,
        by: by.clone(),
        reason: terms.reason,
        from,
        until,
        maintenance: terms.maintenance,
        withheld: 0,
        flexible: terms.flexible.map(|lasts| Flexible { lasts_ms: millis(lasts), begun: None }),
        repeats: terms.repeats,
    }
}

fn check_silence(record: &SilenceRecord, now: Unix) -> Result<(), Refused> {
    if record.reason.trim().is_empty() {
        return Err(refused("say why: the reason cannot be empty"));
    }
    bounded(&record.reason)?;
    if let Some(repeats) = &record.repeats {
        return check_repeats(record, repeats, now);
    }
    if record.until <= record.from || record.until <= now {
        return Err(refused("it must end after it begins, and not in the past"));
    }
    if record.until.since(record.from) > LONGEST_SILENCE {
        return Err(refused("it must end within 30 days"));
    }
    if let Some(flexible) = record.flexible {
        if !record.maintenance {
            return Err(refused("only planned work can wait for the first problem"));
        }
        if flexible.lasts_ms == 0 || flexible.lasts_ms > millis(LONGEST_SILENCE) {
            return Err(refused("it must hold for more than no time, and at most 30 days"));
        }
    }
    Ok(())
}

fn check_repeats(record: &SilenceRecord, repeats: &Repeats, now: Unix) -> Result<(), Refused> {
    if !record.maintenance || record.flexible.is_some() {
        return Err(refused("only planned work with times of its own comes again"));
    }
    if let RepeatsWhen::Cron { lasts_ms, .. } = repeats.when
        && (lasts_ms == 0 || lasts_ms > millis(LONGEST_SILENCE))
    {
        return Err(refused("it must hold for more than no time, and at most 30 days"));
    }
    if times(repeats, now, 1).map_err(Refused::Invalid)?.is_empty() {
        return Err(refused("it would never hold"));
    }
    Ok(())
}

fn covers(matcher: &Matcher) -> String {
    let mut parts = Vec::new();
    if !matcher.hosts.is_empty() {
        parts.push(format!("hosts {}", matcher.hosts.join(", ")));
    }
    if !matcher.checks.is_empty() {
        parts.push(format!("checks {}", matcher.checks.join(", ")));
    }
    if !matcher.tags.is_empty() {
        let tags: Vec<&str> = matcher.tags.iter().map(hark_model::Tag::as_str).collect();
        parts.push(format!("tags {}", tags.join(", ")));
    }
    if let Some(severity) = matcher.severity {
        parts.push(format!("{severity} and worse"));
    }
    if parts.is_empty() { "on everything".to_owned() } else { format!("on {}", parts.join("; ")) }
}

//! Records of the inside turned into the API's words.

use std::time::Duration;

use hark_api::deliveries::Delivery;
use hark_api::events::Activity;
use hark_api::incidents::Ack;
use hark_api::silences::{Again, Matcher as ApiMatcher, Matches, Repeats as ApiRepeats, Silence};
use hark_api::words::{Letter, State};
use hark_engine::HostState;
use hark_engine::view::SilenceView;
use hark_model::HostName;
use hark_model::record::{
    AckRecord, DeliveryRecord, DeliveryState, JournalKind, JournalLine, Matcher, Repeats,
    RepeatsWhen,
};

/// Returns a journal line as the page shows it.
pub(crate) fn activity(line: &JournalLine, host: Option<&HostName>) -> Activity {
    Activity {
        at_unix_s: line.at.seconds(),
        kind: line.kind.into(),
        host: host.map(ToString::to_string),
        check: line.check.as_ref().map(ToString::to_string),
        incident: line.incident.map(|i| i.0),
        state: state_of(line),
        message_state: None,
        text: line.text.clone(),
    }
}

/// Transitions are written as `is STATUS …`, `was STATUS, is STATUS …` and `is over: …`.
fn state_of(line: &JournalLine) -> Option<State> {
    if line.kind != JournalKind::Transition {
        return None;
    }
    let text = line.text.as_str();
    let after = text.split_once(", is ").map(|(_, rest)| rest).or(text.strip_prefix("is "))?;
    let word = after.split([' ', ':', ',']).next()?;
    match word {
        "over" | "ok" | "up" => Some(State::Ok),
        "down" => Some(State::Crit),
        word => hark_model::Status::from_word(word).map(State::from),
    }
}

/// Returns an acknowledgement as the page shows it.
pub(super) fn ack(record: &AckRecord) -> Ack {
    Ack {
        by: record.by.to_string(),
        comment: record.comment.clone(),
        until_unix_s: record.until.map(hark_model::Unix::seconds),
        sticky: record.sticky,
    }
}

/// Returns a message as the page shows it; `kind` is the word of its receiver's type.
pub(super) fn delivery(record: &DeliveryRecord, kind: &str) -> Delivery {
    let n = &record.notification;
    let sent_at = match record.state {
        DeliveryState::Sent { at } => Some(at.into()),
        DeliveryState::Queued
        | DeliveryState::Leased { .. }
        | DeliveryState::Retry { .. }
        | DeliveryState::Dead { .. }
        | DeliveryState::Superseded { .. } => None,
    };
    Delivery {
        id: n.id.0,
        at: n.at.into(),
        sent_at,
        incident: n.incident.map(|i| i.0),
        host: n.host.to_string(),
        check: n.check.as_ref().map(ToString::to_string),
        receiver: n.receiver.to_string(),
        kind: kind.to_owned(),
        reason: n.reason.word().to_owned(),
        summary: n.summary.clone(),
        state: (&record.state).into(),
        attempts: record.attempts,
        // When its receiver is tried is the outbox's.
        next_try_at: None,
        error: record.last_error.clone(),
        took_ms: record.took_ms,
    }
}

/// Returns a silence as the page shows it.
pub(super) fn silence(view: SilenceView<'_>, matches: Matches) -> Silence {
    let record = view.record();
    let flexible = record.flexible;
    Silence {
        id: record.id.0,
        matcher: matcher(&record.matcher),
        by: record.by.to_string(),
        reason: record.reason.clone(),
        from_at: record.from.into(),
        until_at: record.until.into(),
        active: view.is_active(),
        maintenance: record.maintenance,
        flexible_seconds: flexible.map(|f| Duration::from_millis(f.lasts_ms).as_secs_f64()),
        begun_at: flexible.and_then(|f| f.begun).map(Into::into),
        repeats: view.repeats(),
        again: record.repeats.as_ref().map(again),
        withheld: record.withheld,
        matches,
        declared: None,
    }
}

fn again(repeats: &Repeats) -> Again {
    let (cron, lasts_seconds, when) = match &repeats.when {
        RepeatsWhen::Cron { pattern, lasts_ms } => {
            (Some(pattern.clone()), Some(lasts_ms / 1000), None)
        }
        RepeatsWhen::Week(hours) => (None, None, Some(hours.clone())),
    };
    let timezone = repeats.zone.clone();
    Again {
        repeats: ApiRepeats { cron, lasts_seconds, when, timezone },
        from_at: repeats.from.into(),
        until_at: repeats.until.map(Into::into),
    }
}

fn matcher(matcher: &Matcher) -> ApiMatcher {
    ApiMatcher {
        hosts: matcher.hosts.clone(),
        checks: matcher.checks.clone(),
        tags: matcher.tags.iter().map(ToString::to_string).collect(),
        severity: matcher.severity.map(Into::into),
    }
}

/// Returns the letter of a host's state.
pub(super) fn letter(state: HostState) -> Letter {
    match state {
        HostState::Pending => Letter::None,
        HostState::Ok => Letter::Ok,
        HostState::Maintenance => Letter::Maintenance,
        HostState::Unknown => Letter::Unknown,
        HostState::Warning => Letter::Warning,
        HostState::Critical => Letter::Critical,
    }
}

/// Returns seconds for the API.
pub(super) fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hark_model::Unix;

    fn state(kind: JournalKind, text: &str) -> Option<State> {
        let line = JournalLine {
            at: Unix(0),
            host: None,
            check: None,
            incident: None,
            receiver: None,
            kind,
            text: text.to_owned(),
        };
        activity(&line, None).state
    }

    #[test]
    fn transitions_tell_the_state() {
        use JournalKind::Transition;
        assert_eq!(state(Transition, "is critical: 96.2"), Some(State::Crit));
        assert_eq!(state(Transition, "is warning again: 81.0"), Some(State::Warn));
        assert_eq!(state(Transition, "was warning, is critical: 96.2"), Some(State::Crit));
        assert_eq!(state(Transition, "is over: recovered"), Some(State::Ok));
        assert_eq!(state(Transition, "is no longer watched"), None);
        assert_eq!(state(JournalKind::Told, "is critical"), None);
    }
}

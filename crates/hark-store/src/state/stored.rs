//! The records as they lie on the disk: one serde type per kind of record and version.
//!
//! A type of this file is a promise. A new version gets a new type (`StoredCheckV2`) and an arm in
//! the `decode` of its kind; the old type and its golden file stay for ever. Fields that usually have
//! their default are left out of the JSON, because 300,000 checks are read before the first beat of
//! a big server is accepted.

use std::collections::BTreeMap;
use std::net::IpAddr;

use hark_model::name::{CheckName, HostName, NameError, ReceiverName, RouteName, Tag, UserName};
use hark_model::record::{
    AckRecord, CheckRecord, Comment, Confirm, DeliveryId, DeliveryRecord, DeliveryState,
    EscalationRecord, Flexible, Fresh, HostId, HostRecord, IncidentId, IncidentRecord, Matcher,
    RepairRecord, Repeats, RepeatsWhen, SilenceId, SilenceRecord, StepRecord,
};
use hark_model::{Document, Notification, Reason, Severity, Status, Unix};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The version that new rows get.
pub(crate) const VERSION: u32 = 1;

/// Why a row cannot be read.
#[derive(Debug, Error)]
pub enum StoredError {
    /// A version that this program does not know.
    #[error("version {0} of a stored record is not known")]
    Version(u32),
    /// The JSON is not that of the version.
    #[error("a stored record is not readable")]
    Json(#[from] serde_json::Error),
    /// A name in it is none.
    #[error("a stored name is wrong")]
    Name(#[from] NameError),
    /// A word in it is none that is known.
    #[error("the stored word {0:?} is not known")]
    Word(String),
}

fn is_zero<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredStatusV1 {
    Ok,
    Warning,
    Critical,
    Unknown,
}

impl From<Status> for StoredStatusV1 {
    fn from(status: Status) -> Self {
        match status {
            Status::Ok => Self::Ok,
            Status::Warning => Self::Warning,
            Status::Critical => Self::Critical,
            Status::Unknown => Self::Unknown,
        }
    }
}

impl From<StoredStatusV1> for Status {
    fn from(status: StoredStatusV1) -> Self {
        match status {
            StoredStatusV1::Ok => Self::Ok,
            StoredStatusV1::Warning => Self::Warning,
            StoredStatusV1::Critical => Self::Critical,
            StoredStatusV1::Unknown => Self::Unknown,
        }
    }
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredSeverityV1 {
    Info,
    Unknown,
    Warning,
    Critical,
}

impl From<Severity> for StoredSeverityV1 {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Info => Self::Info,
            Severity::Unknown => Self::Unknown,
            Severity::Warning => Self::Warning,
            Severity::Critical => Self::Critical,
        }
    }
}

impl From<StoredSeverityV1> for Severity {
    fn from(severity: StoredSeverityV1) -> Self {
        match severity {
            StoredSeverityV1::Info => Self::Info,
            StoredSeverityV1::Unknown => Self::Unknown,
            StoredSeverityV1::Warning => Self::Warning,
            StoredSeverityV1::Critical => Self::Critical,
        }
    }
}

/// A host but for its number and name, which are columns.
#[derive(Serialize, Deserialize)]
struct StoredHostV1 {
    #[serde(default, skip_serializing_if = "is_zero")]
    interval_ms: u64,
    first_seen: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_heard: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<IpAddr>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    /// Left out where there are none, as in every file written before there were any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    joined_tags: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    facts: BTreeMap<String, String>,
}

/// Returns the JSON of `host`.
pub(crate) fn encode_host(host: &HostRecord) -> Result<String, StoredError> {
    Ok(serde_json::to_string(&StoredHostV1 {
        interval_ms: host.interval_ms,
        first_seen: host.first_seen.0,
        last_heard: host.last_heard.map(|t| t.0),
        address: host.address,
        tags: host.tags.iter().map(ToString::to_string).collect(),
        joined_tags: host.joined_tags.iter().map(ToString::to_string).collect(),
        facts: host.facts.clone(),
    })?)
}

/// Returns the host `id` called `name` from its JSON.
pub(crate) fn decode_host(
    version: u32,
    id: u32,
    name: &str,
    body: &str,
) -> Result<HostRecord, StoredError> {
    known(version)?;
    let stored: StoredHostV1 = serde_json::from_str(body)?;
    Ok(HostRecord {
        id: HostId(id),
        name: HostName::new(name)?,
        interval_ms: stored.interval_ms,
        first_seen: Unix(stored.first_seen),
        last_heard: stored.last_heard.map(Unix),
        address: stored.address,
        tags: tags(&stored.tags)?,
        joined_tags: tags(&stored.joined_tags)?,
        facts: stored.facts,
    })
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredConfirmV1 {
    Pending,
    Hard(StoredStatusV1),
    Soft { hard: Option<StoredStatusV1>, candidate: StoredStatusV1, attempt: u32, since: i64 },
    Recovering { hard: StoredStatusV1, good: u32, since: i64 },
}

#[derive(Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredFreshV1 {
    #[default]
    Fresh,
    Late,
    Stale,
}

/// A check but for its host and name, which are columns.
#[derive(Serialize, Deserialize)]
struct StoredCheckV1 {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    level: Option<StoredStatusV1>,
    confirm: StoredConfirmV1,
    #[serde(default, skip_serializing_if = "is_zero")]
    fresh: StoredFreshV1,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    began_at: Option<i64>,
    /// The bits of the number where JSON has no word for it (NaN, infinities).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value_bits: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<f64>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    changed_at: Option<i64>,
    #[serde(default, skip_serializing_if = "is_zero")]
    flap_ring: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    flap_filled: u8,
    #[serde(default, skip_serializing_if = "is_zero")]
    flap_critical: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    flapping_since: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    incident: Option<u64>,
}

/// Returns the JSON of `check`.
pub(crate) fn encode_check(check: &CheckRecord) -> Result<String, StoredError> {
    let confirm = match check.confirm {
        Confirm::Pending => StoredConfirmV1::Pending,
        Confirm::Hard(status) => StoredConfirmV1::Hard(status.into()),
        Confirm::Soft { hard, candidate, attempt, since } => StoredConfirmV1::Soft {
            hard: hard.map(Into::into),
            candidate: candidate.into(),
            attempt,
            since: since.0,
        },
        Confirm::Recovering { hard, good, since } => {
            StoredConfirmV1::Recovering { hard: hard.into(), good, since: since.0 }
        }
    };
    let fresh = match check.fresh {
        Fresh::Fresh => StoredFreshV1::Fresh,
        Fresh::Late => StoredFreshV1::Late,
        Fresh::Stale => StoredFreshV1::Stale,
    };
    Ok(serde_json::to_string(&StoredCheckV1 {
        level: check.level.map(Into::into),
        confirm,
        fresh,
        began_at: check.began_at.map(|t| t.0),
        value_bits: check.value.filter(|v| !v.is_finite()).map(f64::to_bits),
        value: check.value.filter(|v| v.is_finite()),
        text: check.text.clone(),
        changed_at: check.changed_at.map(|t| t.0),
        flap_ring: check.flap_ring,
        flap_filled: check.flap_filled,
        flap_critical: check.flap_critical,
        flapping_since: check.flapping_since.map(|t| t.0),
        incident: check.incident.map(|i| i.0),
    })?)
}

/// Returns the check `name` of `host` from its JSON.
pub(crate) fn decode_check(
    version: u32,
    host: u32,
    name: &str,
    body: &str,
) -> Result<CheckRecord, StoredError> {
    known(version)?;
    let stored: StoredCheckV1 = serde_json::from_str(body)?;
    let confirm = match stored.confirm {
        StoredConfirmV1::Pending => Confirm::Pending,
        StoredConfirmV1::Hard(status) => Confirm::Hard(status.into()),
        StoredConfirmV1::Soft { hard, candidate, attempt, since } => Confirm::Soft {
            hard: hard.map(Into::into),
            candidate: candidate.into(),
            attempt,
            since: Unix(since),
        },
        StoredConfirmV1::Recovering { hard, good, since } => {
            Confirm::Recovering { hard: hard.into(), good, since: Unix(since) }
        }
    };
    let fresh = match stored.fresh {
        StoredFreshV1::Fresh => Fresh::Fresh,
        StoredFreshV1::Late => Fresh::Late,
        StoredFreshV1::Stale => Fresh::Stale,
    };
    Ok(CheckRecord {
        host: HostId(host),
        name: CheckName::new(name)?,
        level: stored.level.map(Into::into),
        confirm,
        fresh,
        began_at: stored.began_at.map(Unix),
        value: stored.value.or(stored.value_bits.map(f64::from_bits)),
        text: stored.text,
        changed_at: stored.changed_at.map(Unix),
        flap_ring: stored.flap_ring,
        flap_filled: stored.flap_filled,
        flap_critical: stored.flap_critical,
        flapping_since: stored.flapping_since.map(Unix),
        incident: stored.incident.map(IncidentId),
    })
}

#[derive(Serialize, Deserialize)]
struct StoredAckV1 {
    by: String,
    comment: String,
    at: i64,
    until: Option<i64>,
    sticky: bool,
}

#[derive(Serialize, Deserialize)]
struct StoredCommentV1 {
    by: String,
    at: i64,
    text: String,
}

/// An incident but for its number, which is a column.
#[derive(Serialize, Deserialize)]
struct StoredIncidentV1 {
    host: u32,
    check: String,
    since: i64,
    hard_since: i64,
    peak: StoredStatusV1,
    status: StoredStatusV1,
    text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cause: Option<u64>,
    #[serde(default, skip_serializing_if = "is_zero")]
    caused_by_hand: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ack: Option<StoredAckV1>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    taken_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resolved_at: Option<i64>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    resolution: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    comments: Vec<StoredCommentV1>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    repair: Option<StoredRepairV1>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    escalation: Option<StoredEscalationV1>,
}

#[derive(Serialize, Deserialize)]
struct StoredEscalationV1 {
    counted_ms: [u64; 3],
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<i64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    taken: Vec<StoredStepV1>,
}

#[derive(Serialize, Deserialize)]
struct StoredStepV1 {
    route: String,
    number: u32,
    at: i64,
}

impl From<&EscalationRecord> for StoredEscalationV1 {
    fn from(escalation: &EscalationRecord) -> Self {
        let step = |s: &StepRecord| StoredStepV1 {
            route: s.route.to_string(),
            number: s.number,
            at: s.at.0,
        };
        Self {
            counted_ms: escalation.counted_ms,
            since: escalation.since.map(|t| t.0),
            taken: escalation.taken.iter().map(step).collect(),
        }
    }
}

impl TryFrom<StoredEscalationV1> for EscalationRecord {
    type Error = StoredError;

    fn try_from(stored: StoredEscalationV1) -> Result<Self, StoredError> {
        let mut taken = Vec::with_capacity(stored.taken.len());
        for s in stored.taken {
            let route = RouteName::new(&s.route)?;
            taken.push(StepRecord { route, number: s.number, at: Unix(s.at) });
        }
        let since = stored.since.map(Unix);
        Ok(Self { counted_ms: stored.counted_ms, since, taken })
    }
}

#[derive(Serialize, Deserialize)]
struct StoredRepairV1 {
    tries: u32,
    at: i64,
}

/// Returns the JSON of `incident`.
pub(crate) fn encode_incident(incident: &IncidentRecord) -> Result<String, StoredError> {
    let comment =
        |c: &Comment| StoredCommentV1 { by: c.by.to_string(), at: c.at.0, text: c.text.clone() };
    Ok(serde_json::to_string(&StoredIncidentV1 {
        host: incident.host.0,
        check: incident.check.to_string(),
        since: incident.since.0,
        hard_since: incident.hard_since.0,
        peak: incident.peak.into(),
        status: incident.status.into(),
        text: incident.text.clone(),
        cause: incident.cause.map(|i| i.0),
        caused_by_hand: incident.caused_by_hand,
        ack: incident.ack.as_ref().map(|a| StoredAckV1 {
            by: a.by.to_string(),
            comment: a.comment.clone(),
            at: a.at.0,
            until: a.until.map(|t| t.0),
            sticky: a.sticky,
        }),
        taken_at: incident.taken_at.map(|t| t.0),
        resolved_at: incident.resolved_at.map(|t| t.0),
        resolution: incident.resolution.clone(),
        comments: incident.comments.iter().map(comment).collect(),
        repair: incident.repair.map(|r| StoredRepairV1 { tries: r.tries, at: r.at.0 }),
        escalation: incident.escalation.as_ref().map(StoredEscalationV1::from),
    })?)
}

/// Returns the incident `id` from its JSON.
pub(crate) fn decode_incident(
    version: u32,
    id: u64,
    body: &str,
) -> Result<IncidentRecord, StoredError> {
    known(version)?;
    let stored: StoredIncidentV1 = serde_json::from_str(body)?;
    let ack = match stored.ack {
        None => None,
        Some(a) => Some(AckRecord {
            by: UserName::recorded(&a.by)?,
            comment: a.comment,
            at: Unix(a.at),
            until: a.until.map(Unix),
            sticky: a.sticky,
        }),
    };
    let mut comments = Vec::with_capacity(stored.comments.len());
    for c in stored.comments {
        comments.push(Comment { by: UserName::recorded(&c.by)?, at: Unix(c.at), text: c.text });
    }
    Ok(IncidentRecord {
        id: IncidentId(id),
        host: HostId(stored.host),
        check: CheckName::new(&stored.check)?,
        since: Unix(stored.since),
        hard_since: Unix(stored.hard_since),
        peak: stored.peak.into(),
        status: stored.status.into(),
        text: stored.text,
        cause: stored.cause.map(IncidentId),
        caused_by_hand: stored.caused_by_hand,
        ack,
        taken_at: stored.taken_at.map(Unix),
        resolved_at: stored.resolved_at.map(Unix),
        resolution: stored.resolution,
        comments,
        repair: stored.repair.map(|r| RepairRecord { tries: r.tries, at: Unix(r.at) }),
        escalation: stored.escalation.map(EscalationRecord::try_from).transpose()?,
    })
}

/// A silence but for its number, which is a column.
#[derive(Serialize, Deserialize)]
struct StoredSilenceV1 {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    hosts: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    checks: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    severity: Option<StoredSeverityV1>,
    by: String,
    reason: String,
    from: i64,
    until: i64,
    maintenance: bool,
    withheld: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    flexible: Option<StoredFlexibleV1>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    repeats: Option<StoredRepeatsV1>,
}

#[derive(Serialize, Deserialize)]
struct StoredRepeatsV1 {
    when: StoredRepeatsWhenV1,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    zone: Option<String>,
    from: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<i64>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredRepeatsWhenV1 {
    Cron { pattern: String, lasts_ms: u64 },
    Week(String),
}

impl From<&Repeats> for StoredRepeatsV1 {
    fn from(repeats: &Repeats) -> Self {
        let when = match &repeats.when {
            RepeatsWhen::Cron { pattern, lasts_ms } => {
                StoredRepeatsWhenV1::Cron { pattern: pattern.clone(), lasts_ms: *lasts_ms }
            }
            RepeatsWhen::Week(text) => StoredRepeatsWhenV1::Week(text.clone()),
        };
        let (zone, until) = (repeats.zone.clone(), repeats.until.map(|at| at.0));
        Self { when, zone, from: repeats.from.0, until }
    }
}

impl From<StoredRepeatsV1> for Repeats {
    fn from(stored: StoredRepeatsV1) -> Self {
        let when = match stored.when {
            StoredRepeatsWhenV1::Cron { pattern, lasts_ms } => {
                RepeatsWhen::Cron { pattern, lasts_ms }
            }
            StoredRepeatsWhenV1::Week(text) => RepeatsWhen::Week(text),
        };
        Self { when, zone: stored.zone, from: Unix(stored.from), until: stored.until.map(Unix) }
    }
}

#[derive(Serialize, Deserialize)]
struct StoredFlexibleV1 {
    lasts_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    begun: Option<i64>,
}

/// Returns the JSON of `silence`.
pub(crate) fn encode_silence(silence: &SilenceRecord) -> Result<String, StoredError> {
    Ok(serde_json::to_string(&StoredSilenceV1 {
        hosts: silence.matcher.hosts.clone(),
        checks: silence.matcher.checks.clone(),
        tags: silence.matcher.tags.iter().map(ToString::to_string).collect(),
        severity: silence.matcher.severity.map(Into::into),
        by: silence.by.to_string(),
        reason: silence.reason.clone(),
        from: silence.from.0,
        until: silence.until.0,
        maintenance: silence.maintenance,
        withheld: silence.withheld,
        flexible: silence
            .flexible
            .map(|f| StoredFlexibleV1 { lasts_ms: f.lasts_ms, begun: f.begun.map(|t| t.0) }),
        repeats: silence.repeats.as_ref().map(Into::into),
    })?)
}

/// Returns the silence `id` from its JSON.
pub(crate) fn decode_silence(
    version: u32,
    id: u64,
    body: &str,
) -> Result<SilenceRecord, StoredError> {
    known(version)?;
    let stored: StoredSilenceV1 = serde_json::from_str(body)?;
    Ok(SilenceRecord {
        id: SilenceId(id),
        matcher: Matcher {
            hosts: stored.hosts,
            checks: stored.checks,
            tags: tags(&stored.tags)?,
            severity: stored.severity.map(Into::into),
        },
        by: UserName::recorded(&stored.by)?,
        reason: stored.reason,
        from: Unix(stored.from),
        until: Unix(stored.until),
        maintenance: stored.maintenance,
        withheld: stored.withheld,
        flexible: stored
            .flexible
            .map(|f| Flexible { lasts_ms: f.lasts_ms, begun: f.begun.map(Unix) }),
        repeats: stored.repeats.map(Into::into),
    })
}

/// A message of the outbox, but for what delivery changes (state, attempts, last error), which are
/// columns.
#[derive(Serialize, Deserialize)]
struct StoredNotificationV1 {
    key: String,
    receiver: String,
    reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    incident: Option<u64>,
    host: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    check: Option<String>,
    severity: StoredSeverityV1,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    was: Option<StoredStatusV1>,
    status: StoredStatusV1,
    summary: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    detail: String,
    since: i64,
    at: i64,
    #[serde(default, skip_serializing_if = "is_zero")]
    sequence: u32,
    /// Left out where there is none, as in every file written before there were any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    document: Option<StoredDocumentV1>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    taken_by: Option<String>,
}

/// Longer forms of a message.
#[derive(Serialize, Deserialize)]
struct StoredDocumentV1 {
    html: String,
    json: String,
}

/// Returns the JSON of `notification`.
pub(crate) fn encode_notification(notification: &Notification) -> Result<String, StoredError> {
    Ok(serde_json::to_string(&StoredNotificationV1 {
        key: notification.key.clone(),
        receiver: notification.receiver.to_string(),
        reason: notification.reason.word().to_owned(),
        incident: notification.incident.map(|i| i.0),
        host: notification.host.to_string(),
        check: notification.check.as_ref().map(ToString::to_string),
        severity: notification.severity.into(),
        was: notification.was.map(Into::into),
        status: notification.status.into(),
        summary: notification.summary.clone(),
        detail: notification.detail.clone(),
        since: notification.since.0,
        at: notification.at.0,
        sequence: notification.sequence,
        reference: notification.reference.clone(),
        document: notification
            .document
            .as_deref()
            .map(|d| StoredDocumentV1 { html: d.html.clone(), json: d.json.clone() }),
        taken_by: notification.taken_by.as_ref().map(ToString::to_string),
    })?)
}

/// Returns the notification of the outbox row `id` from its JSON.
pub(crate) fn decode_notification(
    version: u32,
    id: u64,
    body: &str,
) -> Result<Notification, StoredError> {
    known(version)?;
    let stored: StoredNotificationV1 = serde_json::from_str(body)?;
    Ok(Notification {
        id: DeliveryId(id),
        key: stored.key,
        receiver: ReceiverName::new(&stored.receiver)?,
        reason: Reason::from_word(&stored.reason).ok_or(StoredError::Word(stored.reason))?,
        incident: stored.incident.map(IncidentId),
        host: HostName::new(&stored.host)?,
        check: stored.check.as_deref().map(CheckName::new).transpose()?,
        severity: stored.severity.into(),
        was: stored.was.map(Into::into),
        status: stored.status.into(),
        summary: stored.summary,
        detail: stored.detail,
        since: Unix(stored.since),
        at: Unix(stored.at),
        sequence: stored.sequence,
        reference: stored.reference,
        document: stored.document.map(|d| Box::new(Document { html: d.html, json: d.json })),
        taken_by: stored.taken_by.as_deref().map(UserName::recorded).transpose()?,
    })
}

/// Returns the word and the time that stand in the columns for a state of the outbox.
pub(crate) fn delivery_state(record: &DeliveryRecord) -> (&'static str, Unix) {
    state_words(&record.state, record.notification.at)
}

fn state_words(state: &DeliveryState, since: Unix) -> (&'static str, Unix) {
    match *state {
        DeliveryState::Queued => ("queued", since),
        DeliveryState::Leased { until } => ("leased", until),
        DeliveryState::Retry { at } => ("retry", at),
        DeliveryState::Sent { at } => ("sent", at),
        DeliveryState::Dead { at } => ("dead", at),
        DeliveryState::Superseded { at } => ("superseded", at),
    }
}

/// Returns the state of the outbox for its columns.
pub(crate) fn delivery_state_of(word: &str, at: i64) -> Result<DeliveryState, StoredError> {
    let at = Unix(at);
    match word {
        "queued" => Ok(DeliveryState::Queued),
        "leased" => Ok(DeliveryState::Leased { until: at }),
        "retry" => Ok(DeliveryState::Retry { at }),
        "sent" => Ok(DeliveryState::Sent { at }),
        "dead" => Ok(DeliveryState::Dead { at }),
        "superseded" => Ok(DeliveryState::Superseded { at }),
        other => Err(StoredError::Word(other.to_owned())),
    }
}

fn known(version: u32) -> Result<(), StoredError> {
    if version == VERSION { Ok(()) } else { Err(StoredError::Version(version)) }
}

fn tags(words: &[String]) -> Result<Vec<Tag>, StoredError> {
    words.iter().map(|w| Tag::new(w).map_err(StoredError::Name)).collect()
}

mod attempt;

pub(crate) use attempt::{decode_attempt, encode_attempt};

#[cfg(test)]
mod tests;

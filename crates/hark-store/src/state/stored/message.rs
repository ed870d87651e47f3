//! Messages of the outbox as they lie on the disk.

use hark_model::record::{DeliveryRecord, DeliveryState};
use hark_model::{
    CheckName, DeliveryId, Document, HostName, IncidentId, Notification, Reason, ReceiverName,
    Unix, UserName,
};
use serde::{Deserialize, Serialize};

use super::{StoredError, StoredSeverityV1, StoredStatusV1, is_zero, known};

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

pub(super) fn state_words(state: &DeliveryState, since: Unix) -> (&'static str, Unix) {
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

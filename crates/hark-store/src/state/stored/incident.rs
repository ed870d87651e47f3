//! Incidents as they lie on the disk.

use hark_model::record::{
    AckRecord, Comment, EscalationRecord, IncidentRecord, RepairRecord, StepRecord,
};
use hark_model::{CheckName, HostId, IncidentId, RouteName, Unix, UserName};
use serde::{Deserialize, Serialize};

use super::{StoredError, StoredStatusV1, is_zero, known};

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

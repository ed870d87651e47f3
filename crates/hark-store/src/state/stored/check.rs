//! Checks as they lie on the disk.

use hark_model::record::{CheckRecord, Confirm, Fresh};
use hark_model::{CheckName, HostId, IncidentId, Unix};
use serde::{Deserialize, Serialize};

use super::{StoredError, StoredStatusV1, is_zero, known};

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

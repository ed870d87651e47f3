//! Silences and maintenance as they lie on the disk.

use hark_model::record::{Flexible, Matcher, Repeats, RepeatsWhen, SilenceRecord};
use hark_model::{SilenceId, Unix, UserName};
use serde::{Deserialize, Serialize};

use super::{StoredError, StoredSeverityV1, known, tags};

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

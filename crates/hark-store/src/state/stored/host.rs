//! Hosts as they lie on the disk.

use std::collections::BTreeMap;
use std::net::IpAddr;

use hark_model::record::HostRecord;
use hark_model::{HostId, HostName, Unix};
use serde::{Deserialize, Serialize};

use super::{StoredError, is_zero, known, tags};

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

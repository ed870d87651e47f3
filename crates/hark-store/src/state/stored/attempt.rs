//! Tries of messages as they lie on the disk.

use hark_model::Unix;
use hark_model::record::{AttemptRecord, DeliveryId, Exchange};
use serde::{Deserialize, Serialize};

use super::message::{delivery_state_of, state_words};
use super::{StoredError, is_zero, known};

/// A try of a message.
#[derive(Serialize, Deserialize)]
struct StoredAttemptV1 {
    number: u32,
    took_ms: u32,
    state: String,
    state_at: i64,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    failure: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    said: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    exchanges: Vec<StoredExchangeV1>,
    #[serde(default, skip_serializing_if = "is_zero")]
    omitted: u32,
}

/// A question and its answer.
#[derive(Serialize, Deserialize)]
struct StoredExchangeV1 {
    asked: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    headers: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    body: String,
    body_bytes: u64,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    status: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    answer: String,
    took_ms: u32,
}

/// Returns the JSON of `attempt`, but for its message and its time, which are columns.
pub(crate) fn encode_attempt(attempt: &AttemptRecord) -> Result<String, StoredError> {
    let (state, state_at) = state_words(&attempt.state, attempt.at);
    let exchanges = attempt.exchanges.iter().map(|exchange| StoredExchangeV1 {
        asked: exchange.asked.clone(),
        headers: exchange.headers.clone(),
        body: exchange.body.clone(),
        body_bytes: exchange.body_bytes,
        status: exchange.status.clone(),
        answer: exchange.answer.clone(),
        took_ms: exchange.took_ms,
    });
    Ok(serde_json::to_string(&StoredAttemptV1 {
        number: attempt.number,
        took_ms: attempt.took_ms,
        state: state.to_owned(),
        state_at: state_at.0,
        failure: attempt.failure.clone(),
        said: attempt.said.clone(),
        exchanges: exchanges.collect(),
        omitted: attempt.omitted,
    })?)
}

/// Returns a try of the message `delivery` from its JSON.
pub(crate) fn decode_attempt(
    version: u32,
    delivery: u64,
    at: Unix,
    body: &str,
) -> Result<AttemptRecord, StoredError> {
    known(version)?;
    let stored: StoredAttemptV1 = serde_json::from_str(body)?;
    let exchanges = stored.exchanges.into_iter().map(|exchange| Exchange {
        asked: exchange.asked,
        headers: exchange.headers,
        body: exchange.body,
        body_bytes: exchange.body_bytes,
        status: exchange.status,
        answer: exchange.answer,
        took_ms: exchange.took_ms,
    });
    Ok(AttemptRecord {
        delivery: DeliveryId(delivery),
        number: stored.number,
        at,
        took_ms: stored.took_ms,
        state: delivery_state_of(&stored.state, stored.state_at)?,
        failure: stored.failure,
        said: stored.said,
        exchanges: exchanges.collect(),
        omitted: stored.omitted,
    })
}

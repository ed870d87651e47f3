//! Messages on their way and arrived.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::list::{Cursor, TimeSort};
use crate::time::Timestamp;

/// Which messages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DeliveriesQuery {
    /// Part of a host's, a check's or a receiver's name, of why or what was told, or of what the receiver said last.
    pub q: Option<String>,
    /// One state.
    pub state: Option<DeliveryState>,
    /// To this receiver alone.
    pub receiver: Option<String>,
    /// About this incident alone.
    pub incident: Option<u64>,
    /// Decided at this time or later.
    pub since: Option<Timestamp>,
    /// In which order; `-at`, the newest first, if not given.
    pub sort: Option<TimeSort>,
    /// The `next` of the page before.
    pub cursor: Option<Cursor>,
    /// How many items at most.
    pub limit: Option<u32>,
}

/// One message to one receiver.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Delivery {
    /// Its number.
    pub id: u64,
    /// When it was decided.
    pub at: Timestamp,
    /// When it arrived.
    #[schema(required = true)]
    pub sent_at: Option<Timestamp>,
    /// The incident.
    #[schema(required = true)]
    pub incident: Option<u64>,
    /// The host.
    pub host: String,
    /// The check.
    #[schema(required = true)]
    pub check: Option<String>,
    /// To whom.
    pub receiver: String,
    /// The receiver's type: `email`, `webhook` ...
    #[serde(rename = "type")]
    pub kind: String,
    /// Why: `problem`, `recovery`, `reminder` ...
    pub reason: String,
    /// The message's short form.
    pub summary: String,
    /// Where it stands.
    pub state: DeliveryState,
    /// How many times it was tried.
    pub attempts: u32,
    /// When it is tried next, not before its receiver is if that is failing; null if that is not known.
    #[schema(required = true)]
    pub next_try_at: Option<Timestamp>,
    /// What the receiver or the network said last; empty if nothing.
    pub error: String,
    /// How long the last try took.
    pub took_ms: u32,
}

/// One message with all its tries that are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DeliveryDetail {
    /// What the list shows.
    #[serde(flatten)]
    pub row: Delivery,
    /// Its tries, the first one first. They are kept for 30 days, and of all messages the newest 10,000.
    pub tries: Vec<Try>,
    /// Whether it waits, so that it can be tried at once.
    pub waits: bool,
    /// Whether what was asked and answered is left out: it names addresses of people, so it is for
    /// administrators.
    pub exchanges_hidden: bool,
}

/// One try of a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Try {
    /// The how manieth, from 1.
    pub number: u32,
    /// When it began.
    pub at: Timestamp,
    /// How long it took.
    pub took_ms: u32,
    /// What came of it.
    pub outcome: TryOutcome,
    /// When the next one is due.
    #[schema(required = true)]
    pub next_try_at: Option<Timestamp>,
    /// Why it failed, as a word: `timeout`, `refused`, `unreachable` ...; empty if it did not.
    pub failure: String,
    /// What the receiver or the network said.
    pub said: String,
    /// What was asked and answered, in order, without secrets.
    pub exchanges: Vec<Exchange>,
    /// How many more there were.
    pub omitted: u32,
}

/// What came of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TryOutcome {
    /// It arrived.
    Delivered,
    /// It is tried again.
    Retry,
    /// It was given up.
    Dead,
}

/// One question to a service and its answer, shortened and without secrets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Exchange {
    /// Method and address, command of a protocol, or program.
    pub asked: String,
    /// Headers.
    pub headers: Vec<ExchangeHeader>,
    /// The beginning of the content.
    pub body: String,
    /// How long the whole content was.
    pub body_bytes: u64,
    /// The status of the answer; empty if none came.
    pub status: String,
    /// The beginning of the answer, or why none came.
    pub answer: String,
    /// How long the answer took.
    pub took_ms: u32,
}

/// A header of a question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ExchangeHeader {
    /// Its name.
    pub name: String,
    /// Its value; `…` where it is a credential.
    pub value: String,
}

/// What came of asking for a message to be tried at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Retried {
    /// Whether it is being tried already.
    pub under_way: bool,
    /// Whether another message is on its way to the receiver, behind which this one is the next.
    #[serde(default)]
    pub next: bool,
}

/// Where a message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryState {
    /// Waits or is being sent.
    Queued,
    /// Failed, to be tried again.
    Retry,
    /// Arrived.
    Sent,
    /// Given up.
    Dead,
    /// Replaced by a newer one.
    Superseded,
}

impl From<hark_model::record::AttemptRecord> for Try {
    fn from(record: hark_model::record::AttemptRecord) -> Self {
        use hark_model::record::DeliveryState as Record;
        let (outcome, next_try_at) = match record.state {
            Record::Sent { .. } => (TryOutcome::Delivered, None),
            Record::Retry { at } => (TryOutcome::Retry, Some(at.into())),
            Record::Queued | Record::Leased { .. } => (TryOutcome::Retry, None),
            Record::Dead { .. } | Record::Superseded { .. } => (TryOutcome::Dead, None),
        };
        Self {
            number: record.number,
            at: record.at.into(),
            took_ms: record.took_ms,
            outcome,
            next_try_at,
            failure: record.failure,
            said: record.said,
            exchanges: record.exchanges.into_iter().map(Into::into).collect(),
            omitted: record.omitted,
        }
    }
}

impl From<hark_model::record::Exchange> for Exchange {
    fn from(exchange: hark_model::record::Exchange) -> Self {
        let headers = exchange.headers.into_iter();
        Self {
            asked: exchange.asked,
            headers: headers.map(|(name, value)| ExchangeHeader { name, value }).collect(),
            body: exchange.body,
            body_bytes: exchange.body_bytes,
            status: exchange.status,
            answer: exchange.answer,
            took_ms: exchange.took_ms,
        }
    }
}

impl From<&hark_model::record::DeliveryState> for DeliveryState {
    fn from(state: &hark_model::record::DeliveryState) -> Self {
        use hark_model::record::DeliveryState as Record;
        match state {
            Record::Queued | Record::Leased { .. } => Self::Queued,
            Record::Retry { .. } => Self::Retry,
            Record::Sent { .. } => Self::Sent,
            Record::Dead { .. } => Self::Dead,
            Record::Superseded { .. } => Self::Superseded,
        }
    }
}

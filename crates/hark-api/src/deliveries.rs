//! Messages on their way and arrived.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::list::Cursor;
use crate::time::Timestamp;

/// Which messages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DeliveriesQuery {
    /// One state.
    pub state: Option<DeliveryState>,
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
    /// When it is tried next.
    #[schema(required = true)]
    pub next_try_at: Option<Timestamp>,
    /// What the receiver or the network said last; empty if nothing.
    pub error: String,
    /// How long the last try took.
    pub took_ms: u32,
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

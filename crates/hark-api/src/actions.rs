//! Actions that a host offers, and orders to carry them out.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::time::Timestamp;

/// How long an order waits for its agent unless it says otherwise.
pub const EXPIRES_SECONDS: u64 = 300;

/// The longest that an order may wait: what was meant for now must not happen tomorrow.
pub const MAX_EXPIRES_SECONDS: u64 = 3600;

/// The actions of a host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Actions {
    /// What the host's own file offers.
    pub offered: Vec<String>,
    /// The newest orders, newest first.
    pub orders: Vec<Order>,
}

/// An order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Order {
    /// Its number.
    pub id: u32,
    /// For which host.
    pub host: String,
    /// Which of its actions.
    pub action: String,
    /// Who gave it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
    /// When it is given up if the agent has not fetched it.
    pub expires_at: Timestamp,
    /// Where it is.
    pub state: OrderState,
    /// The exit status of what it ran; none before its end, if nothing ran, or if a signal or the
    /// time limit ended it.
    #[schema(required = true)]
    pub exit: Option<u8>,
    /// What it printed, or why it was not carried out.
    pub text: String,
    /// When its outcome came.
    #[schema(required = true)]
    pub ended_at: Option<Timestamp>,
}

/// Where an order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OrderState {
    /// The agent has not fetched it.
    Waiting,
    /// The agent has it, and its outcome has not come.
    Taken,
    /// It ended with status 0.
    Done,
    /// It ended otherwise, or was refused by the agent.
    Failed,
    /// The agent did not fetch it in time: it is never carried out.
    Expired,
}

/// Orders an action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrderRequest {
    /// Why.
    pub reason: String,
    /// How long it may wait for the agent, 1 to 3600; 300 if not given.
    #[serde(default)]
    pub expires_seconds: Option<u64>,
}

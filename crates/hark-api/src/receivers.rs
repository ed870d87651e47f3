//! Receivers and routes.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::deliveries::Delivery;
use crate::time::Timestamp;

/// A receiver.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Receiver {
    /// Its name.
    pub name: String,
    /// Its type: `email`, `webhook` ...
    #[serde(rename = "type")]
    pub kind: String,
    /// Where it sends to, without secrets.
    pub target: String,
    /// Who is told instead if it fails.
    #[schema(required = true)]
    pub fallback: Option<String>,
    /// The last message.
    #[schema(required = true)]
    pub last: Option<Delivery>,
    /// Its last try failed.
    pub failing: bool,
    /// How many messages wait for it.
    pub waiting: u64,
    /// When the oldest of them was decided.
    #[schema(required = true)]
    pub oldest_at: Option<Timestamp>,
}

/// A test message was put into the outbox.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TestSent {
    /// The message.
    pub delivery: u64,
    /// Why the receiver has been failing, if it is; the message is tried all the same.
    #[serde(default)]
    #[schema(required = true)]
    pub failing: Option<String>,
    /// Whether another message is on its way to the receiver, behind which this one is the next.
    #[serde(default)]
    pub next: bool,
}

/// A route.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Route {
    /// Its name.
    pub name: String,
    /// What it takes, in the words of the configuration.
    #[serde(rename = "match")]
    pub matches: String,
    /// To whom.
    pub to: Vec<String>,
    /// All of it in a sentence.
    pub sentence: String,
}

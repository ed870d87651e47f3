//! Names in DNS that follow hosts.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::time::Timestamp;

/// All names and zones.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Dns {
    /// The names.
    pub names: Vec<DnsName>,
    /// The zones that they are in; empty for who may not see the server as a whole.
    pub zones: Vec<DnsZone>,
}

/// A name that follows a host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DnsName {
    /// The name.
    pub name: String,
    /// Its host.
    pub host: String,
    /// Its zone.
    pub zone: String,
    /// `published`, `unseen` (published, not yet seen at the name servers), `waiting`, `held` (another
    /// address, not yet the same for long enough), `failing`, `stopped` (not tried again unasked), `withheld`
    /// (taken out by hand) or `unknown` (no address is known).
    pub state: String,
    /// The addresses that shall stand there.
    pub wanted: Vec<String>,
    /// The addresses that are published.
    pub published: Vec<String>,
    /// When the authoritative servers said so last.
    #[schema(required = true)]
    pub verified_at: Option<Timestamp>,
    /// Why it failed, or why an address that is known is not used.
    #[schema(required = true)]
    pub error: Option<String>,
    /// When it is tried again, or no longer held back.
    #[schema(required = true)]
    pub next_try_at: Option<Timestamp>,
}

/// A zone, and how it does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DnsZone {
    /// The zone.
    pub zone: String,
    /// The kind of way that it is published.
    pub way: String,
    /// Where.
    pub target: String,
    /// How many names are in it.
    pub names: u64,
    /// How often publishing failed in a row.
    pub attempts: u32,
    /// Why.
    #[schema(required = true)]
    pub error: Option<String>,
    /// Whether nothing is sent before somebody changes something.
    pub stopped: bool,
}

/// What is done to which names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DnsOrdered {
    /// The names that it is done to.
    pub names: Vec<String>,
}

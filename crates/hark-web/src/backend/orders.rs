//! What people and programs ask for and order, as the server is told.

use std::fmt;
use std::time::Duration;

use hark_api::handling::Way;
use hark_api::incidents::IncidentRow;
use hark_model::record::SilenceTerms;
use hark_model::{CheckName, EventKind, HostName, ReceiverName, Severity, Unix, UserName};

/// Which newest values are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewestFilter {
    /// Names of hosts, with `*` and `?`; all without.
    pub hosts: Vec<String>,
    /// Collectors; all without.
    pub collectors: Vec<String>,
    /// Names of metrics as they are written, with `*` and `?`; all without.
    pub metrics: Vec<String>,
    /// Whether the time of each value stands beside it.
    pub timestamps: bool,
    /// How old a value may be at most.
    pub age_seconds: u64,
}

impl Default for NewestFilter {
    fn default() -> Self {
        // As long as Prometheus takes a value for the present one.
        let age_seconds = 300;
        let (hosts, collectors, metrics) = (Vec::new(), Vec::new(), Vec::new());
        Self { hosts, collectors, metrics, timestamps: false, age_seconds }
    }
}

/// From when to when, and how fine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeriesOrder {
    /// Paths; at least one, at most [`hark_api::series::MAX_NAMES`].
    pub names: Vec<String>,
    /// From when.
    pub from: Unix,
    /// Until when: after `from`.
    pub to: Unix,
    /// How many points at most: 1 to [`hark_api::series::MAX_POINTS`].
    pub points: u32,
}

/// What is done to names in DNS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DnsAction {
    /// They are published now.
    Update,
    /// They are taken out, until they are published by hand.
    Remove,
}

/// What a job says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobPing {
    /// It began.
    Start,
    /// It is done.
    Success,
    /// It failed, perhaps with an exit code.
    Failure(Option<u8>),
}

/// Over which period a report is made: what is not given is as usual for the report, up to now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportPeriod {
    /// From when.
    pub from: Option<Unix>,
    /// Until when.
    pub until: Option<Unix>,
}

/// Takes an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AckOrder {
    /// Who.
    pub by: UserName,
    /// Why: not empty.
    pub comment: String,
    /// Until when; without, until it is over.
    pub until: Option<Unix>,
    /// Survives a rise in severity.
    pub sticky: bool,
}

/// Acknowledges with the token of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenOrder {
    /// How the token came back.
    pub way: Way,
    /// Whom the answer says that it is from; empty if it does not.
    pub from: String,
    /// Why; may be empty.
    pub comment: String,
    /// Until when; without, until it is over.
    pub until: Option<Unix>,
    /// Survives a rise in severity.
    pub sticky: bool,
}

/// What the token of a message is for.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    /// To whom the message went.
    pub receiver: ReceiverName,
    /// Until when the token is good.
    pub until: Unix,
    /// The incident as it is now.
    pub incident: IncidentRow,
}

/// A call of the service behind a receiver.
#[derive(Clone)]
pub struct ServiceCall {
    /// Its headers, with the service's signature.
    pub headers: http::HeaderMap,
    /// Its body, as it came.
    pub body: bytes::Bytes,
    /// When it came.
    pub now: Unix,
    /// Whether its address has guessed so often that only a signature is believed.
    pub is_held: bool,
}

impl fmt::Debug for ServiceCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceCall").field("bytes", &self.body.len()).finish_non_exhaustive()
    }
}

/// What a call of a service is answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceAnswer {
    /// It bears the service's signature, or is of a service that does not sign.
    Signed {
        /// Whether it has proven itself, by the signature or by a token of ours. Else it is a guess.
        is_proven: bool,
        /// The type of the body.
        content_type: &'static str,
        /// The body, as the service wants it.
        body: String,
        /// Who did what, for the audit; none if nothing was done.
        deed: Option<(UserName, String)>,
    },
    /// It does not.
    Unsigned,
    /// It does, but is not understood; why.
    Malformed(String),
}

/// Makes or changes a silence or maintenance.
#[derive(Clone, Debug)]
pub struct SilenceOrder {
    /// Who.
    pub by: UserName,
    /// What it is to be.
    pub terms: SilenceTerms,
}

/// Asks who would be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteQuestion {
    /// Of a problem on which host.
    pub host: HostName,
    /// Of which check; of the host itself without.
    pub check: Option<CheckName>,
    /// How bad.
    pub severity: Severity,
    /// Instead of a problem: of which kind of event.
    pub event: Option<EventKind>,
    /// Beginning when; now without.
    pub at: Option<Unix>,
}

/// Orders an action of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActionOrder {
    /// For which host.
    pub host: HostName,
    /// Which of those that it offers.
    pub action: String,
    /// Who.
    pub by: UserName,
    /// Why: not empty.
    pub reason: String,
    /// How long it may wait for the agent.
    pub expires_after: Duration,
}

//! What the server knows about a period.

use hark_model::name::{CheckName, HostName};
use hark_model::record::IncidentId;
use hark_model::{Status, Unix};

use crate::Span;

/// What is known of the hosts that a report is about.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// Each host.
    pub hosts: Vec<HostFacts>,
}

/// What is known of one host.
#[derive(Clone, Debug, PartialEq)]
pub struct HostFacts {
    /// Its name.
    pub name: HostName,
    /// When it was first seen: before that it was not watched.
    pub since: Unix,
    /// Its incidents of the period: those that were open at some moment of it.
    pub incidents: Vec<IncidentFacts>,
    /// Planned work on the whole host, which does not count against its availability.
    pub planned: Vec<Span>,
    /// How long its checks took.
    pub slow: Vec<Slow>,
    /// What of it will run out.
    pub supplies: Vec<Supply>,
}

/// One incident.
#[derive(Clone, Debug, PartialEq)]
pub struct IncidentFacts {
    /// Its number.
    pub id: IncidentId,
    /// The check.
    pub check: CheckName,
    /// When it began.
    pub since: Unix,
    /// When it ended; `None` while it is open.
    pub until: Option<Unix>,
    /// The worst status.
    pub peak: Status,
    /// The present status.
    pub status: Status,
    /// What it says.
    pub text: String,
    /// Whether it only followed from another one.
    pub is_symptom: bool,
    /// When somebody took it.
    pub acknowledged: Option<Unix>,
    /// How many messages were sent about it.
    pub messages: u32,
}

/// How long a check of a host takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Slow {
    /// The check.
    pub check: String,
    /// Its usual time over the period, in seconds.
    pub average_s: f64,
    /// Its longest time, in seconds.
    pub worst_s: f64,
}

/// Something that runs out.
#[derive(Clone, Debug, PartialEq)]
pub struct Supply {
    /// What, as the metric says: `disk_monitor.percent./var`, `web.certificate_days`.
    pub what: String,
    /// When it is at its end, if it goes on like this.
    pub ends: Unix,
    /// How it stands, in words: `81 % used`, `12 days left`.
    pub now: String,
}

//! The words of hark as types: names, ids, time, samples, statuses, notifications, records.
//!
//! This crate knows nothing of wires, disks, configuration or sockets, and derives no
//! serialisation: what crosses a wire, a disk or the API has its own versioned type in
//! `hark-proto`, `hark-store` or `hark-api`.
//!
//! Start at [`status::Status`] and [`record`]: the first is what everything is about, the second is
//! what survives a restart.

pub mod check;
pub mod event;
pub mod frame;
pub mod labels;
pub mod name;
pub mod notification;
pub mod record;
pub mod sample;
pub mod secret;
pub mod status;
pub mod time;
pub mod token;

pub use check::{CheckResult, Next, Range, SeriesLimits};
pub use event::{Event, EventKind};
pub use name::{
    CheckName, HostName, NameError, PeriodName, ProfileName, ReceiverName, RotaName, RouteName,
    Tag, TeamName, UserName,
};
pub use notification::{Document, Notification, Reason};
pub use record::{DeliveryId, HostId, IncidentId, SilenceId};
pub use sample::{MetricKind, Sample, SeriesDef, SeriesName, Unit};
pub use secret::Secret;
pub use status::{Severity, Status};
pub use time::{Clock, Mono, Now, Unix};
pub use token::EnrolToken;

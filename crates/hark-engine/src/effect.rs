//! Everything the engine can want. Reading this is reading what hark can do.

use std::time::Duration;

use hark_model::Event;
use hark_model::name::{CheckName, HostName};
use hark_model::record::{DeliveryId, HostId, IncidentId, Record, SilenceId};
use hark_model::sample::SeriesName;

use crate::dropped::DroppedHost;
use crate::plan::Usual;

/// What must be done after a step. Kept between steps to save allocation: the driver drains it.
///
/// `records` of one step are one transaction; `answers` may be given and outbox rows may be sent
/// only after it is committed (durable before visible).
#[derive(Debug, Default)]
pub struct Effects {
    /// To be written, in order.
    pub records: Vec<Record>,
    /// Everything else, in order.
    pub effects: Vec<Effect>,
}

impl Effects {
    /// Returns true if nothing must be done.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.effects.is_empty()
    }

    /// Forgets everything, keeping the room.
    pub fn clear(&mut self) {
        self.records.clear();
        self.effects.clear();
    }
}

/// One thing to be done that is not a write.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// A host got its number.
    HostLearned {
        /// The number.
        host: HostId,
        /// The name.
        name: HostName,
    },
    /// A host was dropped: it has no number any more, but may come back under it.
    HostDropped {
        /// The number.
        host: HostId,
    },
    /// A host was dropped by hand and can come back for a while: to be remembered until it is back, or what history
    /// has of it is ordered to go.
    Dropped(Box<DroppedHost>),
    /// One of these is back: nothing is to be remembered of its dropping.
    DroppedBack {
        /// The number.
        host: HostId,
    },
    /// A host that was dropped by hand will not come back: its samples are nobody's.
    HostForgotten {
        /// The number that it had.
        host: HostId,
    },
    /// Ingest must pass the values of these series of this host, under these numbers, from now on;
    /// the answer to `Input::SeriesSeen`. Series without a threshold are never passed. After a
    /// reload every host's series are asked for again, and this list replaces the former one.
    Watch {
        /// Of which host.
        host: HostId,
        /// What to watch.
        watches: Vec<Watch>,
    },
    /// A probe must run now (extra look at a late host, re-check of a parent, re-check after a block).
    Probe {
        /// Of which host.
        host: HostId,
        /// Which check.
        check: CheckName,
    },
    /// What history has of a series is wanted: a check looks at more of it than the newest value, and has
    /// not seen that much. Answered by [`crate::Input::Recalled`], or never; then it is asked again.
    Recall {
        /// Of which host.
        host: HostId,
        /// For which check.
        check: CheckName,
        /// Which series.
        series: SeriesName,
        /// How much of it.
        recall: Recall,
    },
    /// An action that the host offers must be ordered there: its check is confirmed bad, and names it
    /// as its repair. The try is counted in the records of the same step.
    Order {
        /// At which host.
        host: HostName,
        /// Which of its actions.
        action: String,
        /// Why, in words.
        reason: String,
        /// For which incident.
        incident: IncidentId,
        /// How long it may wait for the agent.
        expires_after: Duration,
    },
    /// Something happened on a host that no agent says: it comes back as an event from there.
    Happened {
        /// On which host.
        host: HostId,
        /// What.
        event: Event,
    },
    /// What the page shows of this host, check or incident has changed.
    Changed(Changed),
    /// The answer to an operator's action, to be given after the commit.
    Answer {
        /// The caller's number.
        request: u64,
        /// What came of it.
        result: Result<Done, Refused>,
    },
}

/// What of the live view has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// A host's state, checks or facts.
    Host(HostId),
    /// An incident.
    Incident(IncidentId),
    /// A silence.
    Silence(SilenceId),
}

/// A series that some threshold looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// The engine's own index within the host, to be used in `Heard::values`.
    pub number: u32,
    /// Which series. Several series may match one threshold (instances); each has its own watch.
    pub series: SeriesName,
}

/// How much of the past is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recall {
    /// The values of this last while.
    pub over: Duration,
    /// Which of them, where several are kept as one.
    pub column: Column,
    /// The least and the most of each three hours, so far back; not wanted if none.
    pub extremes: Option<Duration>,
    /// What is usual at the hours around now; not wanted if none.
    pub usual: Option<Usual>,
}

/// What is wanted of values that are kept as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// Their mean.
    Mean,
    /// The least.
    Least,
    /// The most.
    Most,
    /// What a counter has counted; of what is none its mean.
    Counted,
}

/// What an operator's action has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// It is done.
    Done,
    /// A silence was made.
    Silence(SilenceId),
    /// A message was put into the outbox.
    Delivery(DeliveryId),
    /// A host joined, and has this number.
    Host(HostId),
}

/// Why an operator's action was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is no such thing, or not any more.
    NotFound,
    /// It cannot be done, and why.
    Invalid(String),
}

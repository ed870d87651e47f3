//! Everything the engine can be fed. Reading this is reading what hark can notice.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hark_model::name::{CheckName, HostName, ReceiverName, UserName};
use hark_model::record::{DeliveryId, HostId, IncidentId, SilenceId, SilenceTerms};
use hark_model::time::Unix;
use hark_model::{CheckResult, Event, SeriesName, Tag};
use hark_signals::Band;

use crate::plan::Plan;

/// One thing that happened, to be applied by [`crate::Engine::step`].
#[derive(Clone, Debug)]
pub enum Input {
    /// Time has passed. Late, twice or early is harmless.
    Tick,
    /// A host was met for the first time (first authenticated datagram, or declared). Of known names
    /// nothing changes; the engine gives the number in `Effect::HostLearned`.
    HostSeen(HostSeen),
    /// A host declared series (a new session's dictionary), or asked again after a reload: the engine
    /// answers with `Effect::Watch` for those that some threshold looks at.
    SeriesSeen {
        /// Of which host.
        host: HostId,
        /// Which series.
        series: Vec<SeriesName>,
    },
    /// An authenticated heartbeat. The hot path: no allocation where nothing changes.
    Heard(Heard),
    /// Values of series that some threshold looks at, brought by a program that is no agent.
    Sampled(Sampled),
    /// A check's result from an agent or a probe.
    Result {
        /// Of which host.
        host: HostId,
        /// What was found.
        result: CheckResult,
    },
    /// A thing happened on a host.
    Event {
        /// On which host.
        host: HostId,
        /// What.
        event: Event,
    },
    /// A host's facts or address changed.
    Facts {
        /// Of which host.
        host: HostId,
        /// Name and value; an empty value removes the fact.
        facts: Vec<(String, String)>,
    },
    /// The outcome of a delivery, already stored by the outbox.
    Delivery {
        /// Which message.
        delivery: DeliveryId,
        /// About which incident, if any.
        incident: Option<IncidentId>,
        /// To whom.
        receiver: ReceiverName,
        /// What came of it.
        outcome: Outcome,
    },
    /// Somebody did something; the answer comes as `Effect::Answer` with the same `request`.
    Operator {
        /// Number given by the caller, returned in the answer.
        request: u64,
        /// Who.
        by: UserName,
        /// What.
        action: Action,
    },
    /// A new plan after a reload; the engine computes the difference (rule R3).
    Planned(Arc<Plan>),
    /// Our own ingest fell behind, lost datagrams, or the process was paused for `gap` (rule F5).
    IngestDegraded {
        /// Why, in words.
        reason: String,
        /// How long the process stood still; zero if it did not.
        gap: Duration,
    },
    /// Ingest is healthy again.
    IngestHealthy,
    /// Whether agents are asked to send values with every other heartbeat only, as more comes than can be kept: what
    /// stays out then is not missed.
    ValuesSpared(bool),
    /// What history has of a series, asked for by `Effect::Recall`: changes no status by itself.
    Recalled {
        /// Of which host.
        host: HostId,
        /// For which check.
        check: CheckName,
        /// What there is.
        past: Recalled,
    },
    /// A part of the server itself is in trouble or well again: becomes a check of the host `self`
    /// named by `part` (history, store, receiver, config, clock).
    SelfCheck {
        /// The part, e.g. `history`.
        part: CheckName,
        /// `None` when well, else what is wrong.
        problem: Option<String>,
    },
}

/// A host met for the first time.
#[derive(Clone, Debug)]
pub struct HostSeen {
    /// Its name.
    pub name: HostName,
    /// How often its agent will send; zero for a host without an agent.
    pub interval: Duration,
    /// Where it sent from.
    pub address: Option<IpAddr>,
}

/// A host that joined with a token.
#[derive(Clone, Debug, PartialEq)]
pub struct HostJoined {
    /// Its name.
    pub name: HostName,
    /// Where it asked from.
    pub address: Option<IpAddr>,
    /// What its agent said of it: name and value.
    pub facts: Vec<(String, String)>,
    /// The token's tags, at most [`hark_model::record::HostRecord::MAX_JOINED_TAGS`]: its own from now
    /// on, beside those that a file gives it.
    pub tags: Vec<Tag>,
}

/// One authenticated heartbeat with the values that some threshold looks at.
#[derive(Clone, Debug)]
pub struct Heard {
    /// From which host.
    pub host: HostId,
    /// How often the agent sends, in milliseconds.
    pub interval_ms: u32,
    /// Where it came from; only given when it differs from the datagram before.
    pub moved_to: Option<IpAddr>,
    /// Round trip time in microseconds, measured by the agent.
    pub rtt_us: Option<u32>,
    /// When the values were taken, by our clock.
    pub taken_at: Unix,
    /// What the agent's clock is ahead of ours.
    pub skew_ms: i64,
    /// Watch number (see `Effect::Watch`) and value; NaN stands for "absent".
    pub values: Vec<(u32, f64)>,
}

/// What history has of a series, oldest first; all may be empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recalled {
    /// Its values, or what a counter has counted since some time before.
    pub values: Vec<(Unix, f64)>,
    /// The least and the most of longer whiles.
    pub extremes: Vec<(Unix, f64, f64)>,
    /// What is usual at each hour from some time on.
    pub usual: Option<Expected>,
}

/// What is usual at hours that follow one another.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expected {
    /// When the first of them begins.
    pub from: Unix,
    /// Of each; nothing where there are too few earlier ones.
    pub hours: Vec<Option<Band>>,
}

/// Values that somebody else measured of a host. They say nothing about its liveness, unless whoever
/// runs this server says that they do.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampled {
    /// Of which host.
    pub host: HostId,
    /// How often they are expected, if they are to be a sign of life: of a host whose agent was never
    /// heard, its silence is then told as an agent's is.
    pub alive: Option<Duration>,
    /// Series, time and value, oldest first; NaN stands for "absent".
    pub values: Vec<(SeriesName, Unix, f64)>,
}

/// What came of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is being sent: from now on it is not replaced by a newer message.
    Started,
    /// It arrived.
    Sent,
    /// It failed and will be tried again.
    Failed,
    /// It was given up.
    Dead,
}

/// What a user can do. Durable before it is said to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Take an incident.
    Acknowledge {
        /// Which.
        incident: IncidentId,
        /// Why; not empty.
        comment: String,
        /// Until when; `None` until recovery.
        until: Option<Unix>,
        /// Survives a rise in severity.
        sticky: bool,
    },
    /// Give an incident back.
    Unacknowledge {
        /// Which.
        incident: IncidentId,
    },
    /// Remark on an incident.
    Comment {
        /// Which.
        incident: IncidentId,
        /// What.
        text: String,
    },
    /// Keep notifications back.
    Silence(SilenceTerms),
    /// Change one that somebody has made. It keeps its number and what it has kept back.
    ChangeSilence {
        /// Which.
        silence: SilenceId,
        /// What it is to be from now on; a silence stays a silence, and planned work that.
        terms: SilenceTerms,
    },
    /// End an incident that does not end by itself: that of a volatile check, whose results are events.
    Resolve {
        /// Which.
        incident: IncidentId,
        /// Why; not empty.
        comment: String,
    },
    /// Say that an incident follows from another, or that it does not: it is told with its cause only.
    Relate {
        /// Which.
        incident: IncidentId,
        /// From which; `None` if it is a problem of its own after all.
        cause: Option<IncidentId>,
    },
    /// End a silence now.
    EndSilence {
        /// Which.
        silence: SilenceId,
    },
    /// Forget a host, for good after a while.
    DropHost {
        /// Which.
        host: HostId,
    },
    /// Give back a host that was dropped and can come back yet.
    RestoreHost {
        /// Which.
        host: HostName,
    },
    /// Take on a host that joined with a token made by the user.
    Join(HostJoined),
    /// Send a report to a receiver.
    Report(Box<ReportMessage>),
    /// Send a test message to a receiver.
    TestReceiver {
        /// Which.
        receiver: ReceiverName,
    },
}

/// A report for one receiver, already written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportMessage {
    /// To whom.
    pub receiver: ReceiverName,
    /// Unique for report, period and receiver: made a second time it is the same message.
    pub key: String,
    /// The subject.
    pub title: String,
    /// As text.
    pub text: String,
    /// As a page.
    pub html: String,
    /// As data.
    pub json: String,
}

//! What survives a restart: every dimension of the engine's state (design rule 6.2) as plain data.
//!
//! The engine emits whole records when a dimension changes and takes them back at start. The store
//! keeps them in its own versioned form. A record replaces the one with the same key; `Removed`
//! variants of the engine's effects delete it.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::name::{CheckName, HostName, ReceiverName, RouteName, Tag, UserName};
use crate::notification::Notification;
use crate::status::{Severity, Status};
use crate::time::Unix;

/// Number of a host: given once by the engine in order of appearance, never used again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(pub u32);

/// Number of an incident, counted over the whole server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IncidentId(pub u64);

/// Number of a silence or maintenance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SilenceId(pub u64);

/// Number of a row in the outbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId(pub u64);

/// A host as it is known.
#[derive(Clone, Debug, PartialEq)]
pub struct HostRecord {
    /// Its number.
    pub id: HostId,
    /// Its name, unique.
    pub name: HostName,
    /// How often its agent said it would send, in milliseconds; 0 if it has no agent.
    pub interval_ms: u64,
    /// When it was first heard or declared.
    pub first_seen: Unix,
    /// When it was last heard, as of the last checkpoint (at transitions, and every few minutes).
    pub last_heard: Option<Unix>,
    /// The address it last sent from.
    pub address: Option<std::net::IpAddr>,
    /// Words to match on: those of its file and those it joined with.
    pub tags: Vec<Tag>,
    /// The tags of the token it joined with, at most [`HostRecord::MAX_JOINED_TAGS`]. They are its
    /// own: a file may add to them, and a reload takes none of them away.
    pub joined_tags: Vec<Tag>,
    /// Facts from `os_info` and the agent: `os`, `kernel`, `arch`, `agent_version` ... At most
    /// [`HostRecord::MAX_FACTS`].
    pub facts: BTreeMap<String, String>,
}

impl HostRecord {
    /// Bound on the facts: they stand on the page and in memory for every host.
    pub const MAX_FACTS: usize = 64;

    /// Bound on the tags of a token: each filter is held against each of them, for every host.
    pub const MAX_JOINED_TAGS: usize = 32;
}

/// The confirmation of a check (design rule 6.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirm {
    /// No result yet.
    Pending,
    /// Believed.
    Hard(Status),
    /// Another level was seen, not often or long enough to be believed.
    Soft {
        /// What is believed meanwhile; `None` while pending.
        hard: Option<Status>,
        /// What was seen last.
        candidate: Status,
        /// How many times in a row.
        attempt: u32,
        /// When it was first seen.
        since: Unix,
    },
    /// Good results arrive, not yet often or long enough.
    Recovering {
        /// What is believed meanwhile.
        hard: Status,
        /// How many good results in a row.
        good: u32,
        /// Since when it is good.
        since: Unix,
    },
}

impl Confirm {
    /// Returns what is believed; `None` while pending.
    pub fn hard(self) -> Option<Status> {
        match self {
            Self::Pending => None,
            Self::Hard(status) | Self::Recovering { hard: status, .. } => Some(status),
            Self::Soft { hard, .. } => hard,
        }
    }
}

/// How fresh the newest result is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fresh {
    /// Within its interval.
    #[default]
    Fresh,
    /// Past 1.5 intervals: shown, not alerted.
    Late,
    /// Past its deadline.
    Stale,
}

/// An acknowledgement of an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AckRecord {
    /// Who.
    pub by: UserName,
    /// Why.
    pub comment: String,
    /// When.
    pub at: Unix,
    /// Until when; `None` until recovery.
    pub until: Option<Unix>,
    /// Survives a rise in severity.
    pub sticky: bool,
}

/// A check as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckRecord {
    /// Of which host.
    pub host: HostId,
    /// Its name within the host; the host's own liveness is `host`.
    pub name: CheckName,
    /// The level after hysteresis of the newest accepted result; `None` while pending.
    pub level: Option<Status>,
    /// What is believed.
    pub confirm: Confirm,
    /// How fresh the newest result was when this was written.
    pub fresh: Fresh,
    /// When the newest accepted result began.
    pub began_at: Option<Unix>,
    /// The newest value of a threshold check.
    pub value: Option<f64>,
    /// The newest text.
    pub text: String,
    /// When `confirm.hard()` last changed.
    pub changed_at: Option<Unix>,
    /// The last 20 results for flapping (rule P1), newest in bit 0: 1 where the level changed.
    pub flap_ring: u32,
    /// How many of the ring's places are filled.
    pub flap_filled: u8,
    /// Which of these results were critical (rule P6), newest in bit 0.
    pub flap_critical: u32,
    /// Since when it flaps.
    pub flapping_since: Option<Unix>,
    /// The open incident.
    pub incident: Option<IncidentId>,
}

/// An incident: from confirmed bad until confirmed good.
#[derive(Clone, Debug, PartialEq)]
pub struct IncidentRecord {
    /// Its number.
    pub id: IncidentId,
    /// The host.
    pub host: HostId,
    /// The check.
    pub check: CheckName,
    /// When the first bad result was seen.
    pub since: Unix,
    /// When it was believed.
    pub hard_since: Unix,
    /// The worst status.
    pub peak: Status,
    /// The present status; `Ok` once resolved.
    pub status: Status,
    /// What it says, in words.
    pub text: String,
    /// The incident it is a symptom of (rule D5).
    pub cause: Option<IncidentId>,
    /// Somebody says that it is: then it is told with its cause only.
    pub caused_by_hand: bool,
    /// Who took it.
    pub ack: Option<AckRecord>,
    /// When it was taken for the first time: that stays when the acknowledgement ends.
    pub taken_at: Option<Unix>,
    /// When it was resolved; a check failing again within the reopen window reopens it.
    pub resolved_at: Option<Unix>,
    /// How it ended: `recovered`, `removed` ...; empty while open.
    pub resolution: String,
    /// What people said about it.
    pub comments: Vec<Comment>,
    /// What was done by itself to mend it.
    pub repair: Option<RepairRecord>,
    /// Who was told in addition because nobody took it.
    pub escalation: Option<EscalationRecord>,
}

impl IncidentRecord {
    /// Returns an incident that begins: nothing was said or done about it.
    pub fn opened(
        id: IncidentId,
        host: HostId,
        check: CheckName,
        since: Unix,
        hard_since: Unix,
        status: Status,
    ) -> Self {
        Self {
            id,
            host,
            check,
            since,
            hard_since,
            peak: status,
            status,
            text: String::new(),
            cause: None,
            caused_by_hand: false,
            ack: None,
            taken_at: None,
            resolved_at: None,
            resolution: String::new(),
            comments: Vec::new(),
            repair: None,
            escalation: None,
        }
    }
}

/// How far an incident has escalated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EscalationRecord {
    /// How long nobody has taken it up to `since`, in milliseconds: as a problem of any kind, as a
    /// warning or worse, as critical.
    pub counted_ms: [u64; 3],
    /// Since when the time goes on; `None` while something keeps it back.
    pub since: Option<Unix>,
    /// The steps that were taken.
    pub taken: Vec<StepRecord>,
}

/// A step of an escalation that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepRecord {
    /// Of which route.
    pub route: RouteName,
    /// Which, from 1.
    pub number: u32,
    /// When.
    pub at: Unix,
}

/// How often an incident's repair was ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RepairRecord {
    /// How often.
    pub tries: u32,
    /// When last.
    pub at: Unix,
}

/// A remark of a user on an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// Who.
    pub by: UserName,
    /// When.
    pub at: Unix,
    /// What. At most [`Comment::MAX_TEXT`] bytes.
    pub text: String,
}

impl Comment {
    /// Bound on the text: a remark, not a document.
    pub const MAX_TEXT: usize = 2000;
}

/// What a receiver knows of a check that changes too often (rules P3, P4, P6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FlapsTold {
    /// Nothing, or that it does so no more.
    #[default]
    No,
    /// That it flaps.
    Flaps,
    /// That it flaps and is critical most of the time.
    MostlyCritical,
}

/// What one receiver was told about one incident (rule 6.1: level-triggered).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToldRecord {
    /// The incident.
    pub incident: IncidentId,
    /// The receiver.
    pub receiver: ReceiverName,
    /// The last status told (delivered or in the outbox).
    pub status: Status,
    /// When the last message was put into the outbox.
    pub at: Unix,
    /// When the last message was delivered; reminders count from here.
    pub delivered_at: Option<Unix>,
    /// How many messages were put into the outbox: the next one's sequence.
    pub sequence: u32,
    /// How many of the last ones were reminders: the next one comes after the gap of that number.
    pub reminders: u32,
    /// What it knows of the check's flapping, and not yet that it does so no more.
    pub flaps: FlapsTold,
    /// When the acknowledgement was made that was told last.
    pub acknowledged: Option<Unix>,
}

/// A filter on hosts and checks; all given parts must match, an empty filter matches all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matcher {
    /// Glob patterns (`*`, `?`) of which one must match the host's name; empty matches all.
    pub hosts: Vec<String>,
    /// Glob patterns of which one must match the check's name; empty matches all.
    pub checks: Vec<String>,
    /// Tags of which the host must have one; empty matches all.
    pub tags: Vec<Tag>,
    /// The lowest severity that matches.
    pub severity: Option<Severity>,
}

/// Keeps notifications back for a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SilenceRecord {
    /// Its number.
    pub id: SilenceId,
    /// What it covers.
    pub matcher: Matcher,
    /// Who made it.
    pub by: UserName,
    /// Why.
    pub reason: String,
    /// From when.
    pub from: Unix,
    /// Until when: it must end, at most 30 days after `from`.
    pub until: Unix,
    /// A planned one: also keeps the incident out of availability.
    pub maintenance: bool,
    /// How many messages it has kept back.
    pub withheld: u64,
    /// It begins with the first problem between `from` and `until`.
    pub flexible: Option<Flexible>,
    /// It comes again and again; `from` and `until` are then the present or the next time.
    pub repeats: Option<Repeats>,
}

/// What somebody wants a silence or maintenance to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SilenceTerms {
    /// What it covers.
    pub matcher: Matcher,
    /// Why; not empty.
    pub reason: String,
    /// From when.
    pub from: Unix,
    /// Until when.
    pub until: Unix,
    /// Planned work.
    pub maintenance: bool,
    /// It begins with the first problem in that time, and holds for so long; for planned work.
    pub flexible: Option<Duration>,
    /// It comes again and again: `from` and `until` are then not looked at; for planned work.
    pub repeats: Option<Repeats>,
}

/// When a maintenance comes again, as somebody has said it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeats {
    /// By what.
    pub when: RepeatsWhen,
    /// The time zone of that; the server's if there is none.
    pub zone: Option<String>,
    /// Before this it does not hold.
    pub from: Unix,
    /// From this on it holds no more; `None`: until somebody ends it.
    pub until: Option<Unix>,
}

/// By what a maintenance comes again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RepeatsWhen {
    /// It begins by a pattern of cron.
    Cron {
        /// The pattern.
        pattern: String,
        /// How long it holds each time, in milliseconds.
        lasts_ms: u64,
    },
    /// It holds in these days and hours of the week.
    Week(String),
}

/// A maintenance that begins with the first problem within its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flexible {
    /// How long it holds, in milliseconds.
    pub lasts_ms: u64,
    /// When that problem was believed.
    pub begun: Option<Unix>,
}

/// The state of one message in the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// Waits for its turn.
    Queued,
    /// Being sent by the holder of `lease`, until then.
    Leased {
        /// When the lease ends.
        until: Unix,
    },
    /// Failed, to be tried again.
    Retry {
        /// When.
        at: Unix,
    },
    /// Arrived.
    Sent {
        /// When.
        at: Unix,
    },
    /// Given up: permanent failure or older than a day.
    Dead {
        /// When.
        at: Unix,
    },
    /// Replaced by a newer message of the same incident to the same receiver.
    Superseded {
        /// When.
        at: Unix,
    },
}

/// One message in the outbox.
#[derive(Clone, Debug, PartialEq)]
pub struct DeliveryRecord {
    /// The message.
    pub notification: Notification,
    /// Where it stands.
    pub state: DeliveryState,
    /// How many times it was tried.
    pub attempts: u32,
    /// What the receiver or the network said last.
    pub last_error: String,
    /// How long the last try took, in milliseconds.
    pub took_ms: u32,
}

/// One try of one message: what was asked, what was answered, and what follows from it. No secret is in
/// it: whoever makes one has masked them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptRecord {
    /// The message.
    pub delivery: DeliveryId,
    /// The how manieth try of it, from 1.
    pub number: u32,
    /// When it began.
    pub at: Unix,
    /// How long it took, in milliseconds.
    pub took_ms: u32,
    /// Where the message stands since: sent, to be tried again, given up.
    pub state: DeliveryState,
    /// Why it failed, as a word; empty if it did not.
    pub failure: String,
    /// What the receiver or the network said, in one line.
    pub said: String,
    /// What was asked and answered, in order.
    pub exchanges: Vec<Exchange>,
    /// How many more there were.
    pub omitted: u32,
}

/// One question to a service and its answer, shortened and without secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exchange {
    /// What was asked of whom: method and address, a command of a protocol, a program.
    pub asked: String,
    /// Headers, by name.
    pub headers: Vec<(String, String)>,
    /// The beginning of the content.
    pub body: String,
    /// How long the whole content was, in bytes.
    pub body_bytes: u64,
    /// The status of the answer, such as `200` or `exit code 1`; empty if none came.
    pub status: String,
    /// The beginning of the answer, or why none came.
    pub answer: String,
    /// How long the answer took, in milliseconds.
    pub took_ms: u32,
}

/// One line of an incident's history: what happened, or why something was told or withheld.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalLine {
    /// When.
    pub at: Unix,
    /// The host, if it is about one.
    pub host: Option<HostId>,
    /// The check, if it is about one.
    pub check: Option<CheckName>,
    /// The incident, if it is about one.
    pub incident: Option<IncidentId>,
    /// The receiver, if something was told to it or withheld from it.
    pub receiver: Option<ReceiverName>,
    /// What kind of line.
    pub kind: JournalKind,
    /// In words.
    pub text: String,
}

/// The kinds of journal lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JournalKind {
    /// A check's believed status changed.
    Transition,
    /// A message was put into the outbox.
    Told,
    /// A message was kept back: the block's name, a colon and the reason.
    Withheld,
    /// Somebody did something.
    Operator,
    /// A thing happened on a host.
    Event,
    /// The server did or met something.
    Server,
}

impl JournalKind {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Transition, Self::Told, Self::Withheld, Self::Operator, Self::Event, Self::Server];

    /// Returns the word used in the API and in files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Transition => "transition",
            Self::Told => "told",
            Self::Withheld => "withheld",
            Self::Operator => "operator",
            Self::Event => "event",
            Self::Server => "server",
        }
    }

    /// Returns the kind for a word made by [`JournalKind::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.word() == word)
    }
}

/// One change to be written; the changes of one engine step are one transaction.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// A host was learned or changed.
    Host(HostRecord),
    /// A host was dropped, with its checks.
    HostRemoved(HostId),
    /// A check changed.
    Check(CheckRecord),
    /// A check was removed.
    CheckRemoved(HostId, CheckName),
    /// An incident was opened or changed.
    Incident(IncidentRecord),
    /// A receiver's told-state changed.
    Told(ToldRecord),
    /// A silence was made or changed.
    Silence(SilenceRecord),
    /// A silence was removed.
    SilenceRemoved(SilenceId),
    /// A message was put into the outbox; the same key is never inserted twice.
    Outbox(DeliveryRecord),
    /// A line for the history of an incident, check or host.
    Journal(JournalLine),
}

/// All that was stored, as the engine takes it at start.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// Every host, by number.
    pub hosts: Vec<HostRecord>,
    /// Every check that ever had a result.
    pub checks: Vec<CheckRecord>,
    /// Open incidents, those resolved within the reopen window (5 minutes), and those of which some
    /// told-state is not `ok` yet (a recovery kept back by a silence must survive a restart).
    pub incidents: Vec<IncidentRecord>,
    /// Told-states of those incidents.
    pub told: Vec<ToldRecord>,
    /// Silences and maintenance that have not ended.
    pub silences: Vec<SilenceRecord>,
    /// Messages not yet sent, dead or superseded.
    pub outbox: Vec<DeliveryRecord>,
    /// The highest host number ever given.
    pub last_host: u32,
    /// The highest incident number ever given.
    pub last_incident: u64,
    /// The highest silence number ever given.
    pub last_silence: u64,
    /// The highest delivery number ever given.
    pub last_delivery: u64,
}

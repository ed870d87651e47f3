//! What is told to people.

use crate::name::{CheckName, HostName, ReceiverName, UserName};
use crate::record::{DeliveryId, IncidentId};
use crate::status::{Severity, Status};
use crate::time::Unix;

/// Why a message is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// A new problem.
    Problem,
    /// A told problem got worse.
    Worse,
    /// A told problem got better but is not over.
    Better,
    /// A told problem is over.
    Recovery,
    /// A told problem goes on.
    Reminder,
    /// Somebody took a told problem.
    Acknowledged,
    /// A check began to flap.
    FlapStart,
    /// A check stopped flapping.
    FlapEnd,
    /// A check or host with a told problem was removed from the configuration.
    Removed,
    /// Problem and recovery in one message: the problem was still unsent when it ended.
    Merged,
    /// Many messages in one, because too many came at once (storm rule).
    Summary,
    /// A thing happened (boot, message).
    Event,
    /// A report of a period.
    Report,
    /// Somebody asked for a test message.
    Test,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 14] = [
        Self::Problem,
        Self::Worse,
        Self::Better,
        Self::Recovery,
        Self::Reminder,
        Self::Acknowledged,
        Self::FlapStart,
        Self::FlapEnd,
        Self::Removed,
        Self::Merged,
        Self::Summary,
        Self::Event,
        Self::Report,
        Self::Test,
    ];

    /// Returns the word used in the API, in files and in templates.
    pub fn word(self) -> &'static str {
        match self {
            Self::Problem => "problem",
            Self::Worse => "worse",
            Self::Better => "better",
            Self::Recovery => "recovery",
            Self::Reminder => "reminder",
            Self::Acknowledged => "acknowledged",
            Self::FlapStart => "flap_start",
            Self::FlapEnd => "flap_end",
            Self::Removed => "removed",
            Self::Merged => "merged",
            Self::Summary => "summary",
            Self::Event => "event",
            Self::Report => "report",
            Self::Test => "test",
        }
    }

    /// Returns the reason for a word made by [`Reason::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|r| r.word() == word)
    }
}

/// One message to one receiver: everything a receiver needs to render it, decided by the engine.
#[derive(Clone, Debug, PartialEq)]
pub struct Notification {
    /// The row in the outbox.
    pub id: DeliveryId,
    /// Unique key of (incident, recipient, reason, sequence): the same at each retry and after a
    /// crash, so that a receiver can drop the second copy.
    pub key: String,
    /// To whom.
    pub receiver: ReceiverName,
    /// Why.
    pub reason: Reason,
    /// The incident it is about; none for events and tests.
    pub incident: Option<IncidentId>,
    /// The host it is about.
    pub host: HostName,
    /// The check it is about; none for events.
    pub check: Option<CheckName>,
    /// How bad: decides priority, colour and sound at the receiver.
    pub severity: Severity,
    /// What the receiver was told before.
    pub was: Option<Status>,
    /// What it is now.
    pub status: Status,
    /// The short form in the seed's words (`WARNING: host - path = value`); subject and push text.
    pub summary: String,
    /// The longer text: rule in words, value, since when, what follows from it. May be empty.
    pub detail: String,
    /// When the incident began.
    pub since: Unix,
    /// When this message was decided.
    pub at: Unix,
    /// Sequence of this message within (incident, receiver): 0 opens the thread, the rest answer it.
    pub sequence: u32,
    /// What the receiver's service calls this message, once it is sent; before that what it called
    /// the newest one of the same incident that it gave a name: to answer it, edit it or close it.
    pub reference: Option<String>,
    /// Longer forms of it, for receivers that can carry them; reports have them.
    pub document: Option<Box<Document>>,
    /// Who has the incident, where the message says that somebody took it.
    pub taken_by: Option<UserName>,
}

/// A message as a page and as data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// A page of HTML: no script, no foreign address.
    pub html: String,
    /// JSON.
    pub json: String,
}

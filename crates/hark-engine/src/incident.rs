//! Incidents as the engine holds them: what is stored, and what is only needed while it runs.

use std::collections::BTreeMap;
use std::time::Duration;

use hark_model::record::{FlapsTold, IncidentRecord, ToldRecord};
use hark_model::{
    DeliveryId, HostName, IncidentId, Now, Reason, ReceiverName, Severity, Status, Unix, UserName,
};

use crate::check::Check;
use crate::decide::Block;
use crate::escalate::Escalation;
use crate::message::clock;
use crate::moment::Moment;
use crate::plan::{ReceiverPlan, SELF};
use crate::repair::Kept;

/// A check that fails again within this time reopens its incident (rule 6.10).
pub(crate) const REOPEN_WINDOW: Duration = Duration::from_mins(5);

/// What the name of the part of the server begins with that stands for a receiver.
const RECEIVER_PART: &str = "receiver ";

/// How an incident ended when the check was good again.
pub(crate) const RECOVERED: &str = "recovered";
/// How an incident ended when its check or host went away (rule T17).
pub(crate) const REMOVED: &str = "removed";
/// How an incident ended when its host made way for the one of its name that was dropped before it.
pub(crate) const REPLACED: &str = "replaced";

/// Tells whether nothing is there any more that could say that a problem is over or back.
pub(crate) fn is_removed(resolution: &str) -> bool {
    matches!(resolution, REMOVED | REPLACED)
}

/// What the text of an incident ends with that was over in between: its beginning alone would look
/// as if the problem had lasted all the time.
fn first_at(since: Unix) -> String {
    format!(" (again, first at {})", clock(since))
}

/// Returns since when a stored incident is a problem again: its text says whether it is, and it was
/// believed anew when it was.
pub(crate) fn again_since(record: &IncidentRecord) -> Option<Unix> {
    record.text.ends_with(&first_at(record.since)).then_some(record.hard_since)
}

/// After a start it is waited until what was open is proven again; what kept a message back before may
/// still do so.
pub(crate) const AFTER_START: &str = "the server's start";

/// What is waited for after a block has ended (rules D6, 6.8, R2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Release {
    /// A result must be newer than this ...
    pub(crate) since: Moment,
    /// ... or this must have passed.
    pub(crate) limit: Moment,
    /// What has ended, in words.
    pub(crate) after: &'static str,
}

/// What of the flapping a receiver was told (rules P3, P4, P6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum FlapTold {
    /// Nothing.
    #[default]
    No,
    /// It is to be told that the check flaps.
    Due,
    /// It knows that the check flaps.
    Told,
    /// And that it is critical most of the time, which is told once.
    Mostly,
}

impl FlapTold {
    /// Returns true if the receiver knows that the check flaps.
    pub(crate) fn knows(self) -> bool {
        match self {
            Self::Told | Self::Mostly => true,
            Self::No | Self::Due => false,
        }
    }

    fn restored(record: FlapsTold) -> Self {
        match record {
            FlapsTold::No => Self::No,
            FlapsTold::Flaps => Self::Told,
            FlapsTold::MostlyCritical => Self::Mostly,
        }
    }

    fn record(self) -> FlapsTold {
        match self {
            Self::No | Self::Due => FlapsTold::No,
            Self::Told => FlapsTold::Flaps,
            Self::Mostly => FlapsTold::MostlyCritical,
        }
    }
}

/// What one receiver was told about one incident.
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each set and cleared alone")]
#[derive(Clone, Debug)]
pub(crate) struct Told {
    /// The last status told; ok if nothing was.
    pub(crate) status: Status,
    /// When the last message was put into the outbox; `LONG_AGO` if none was.
    pub(crate) at: Moment,
    /// When the last message was delivered.
    pub(crate) delivered: Option<Moment>,
    /// How many messages were put into the outbox.
    pub(crate) sequence: u32,
    /// What was written to the journal last: which block kept which message back.
    pub(crate) block: Option<(Block, Reason)>,
    /// How many reminders were told since its status was: the next gap.
    pub(crate) reminders: u32,
    /// Since when something is kept back for the hours of the receiver.
    pub(crate) deferred: Option<Moment>,
    /// What of the flapping was told.
    pub(crate) flap: FlapTold,
    /// It happened once more, which is news of its own (rule T15).
    pub(crate) again: bool,
    /// A reminder is due at once: an acknowledgement has expired, or was given back.
    pub(crate) remind_now: bool,
    /// When the acknowledgement was made that was told last.
    pub(crate) taken_at: Option<Unix>,
    /// All messages were given up: what ends was never known there.
    pub(crate) dead: bool,
    /// One of the unsent ones is being sent right now.
    pub(crate) in_flight: bool,
    /// Messages that have not arrived, oldest first.
    pub(crate) unsent: Vec<DeliveryId>,
}

impl Default for Told {
    fn default() -> Self {
        Self {
            status: Status::Ok,
            at: Moment::LONG_AGO,
            delivered: None,
            sequence: 0,
            block: None,
            reminders: 0,
            deferred: None,
            flap: FlapTold::No,
            again: false,
            remind_now: false,
            taken_at: None,
            dead: false,
            in_flight: false,
            unsent: Vec::new(),
        }
    }
}

impl Told {
    /// Brings a told-state back from the store.
    pub(crate) fn restored(record: &ToldRecord, now: Now) -> Self {
        Self {
            status: record.status,
            at: Moment::past(record.at, now),
            delivered: record.delivered_at.map(|at| Moment::past(at, now)),
            sequence: record.sequence,
            reminders: record.reminders,
            flap: FlapTold::restored(record.flaps),
            taken_at: record.acknowledged,
            ..Self::default()
        }
    }

    /// Notes that a message was put into the outbox.
    pub(crate) fn hears(&mut self, reason: Reason, believed: Status, at: Moment) {
        match reason {
            Reason::FlapStart if self.flap == FlapTold::Mostly => {}
            Reason::FlapStart => self.flap = FlapTold::Told,
            Reason::FlapEnd | Reason::Recovery | Reason::Removed => {
                self.flap = FlapTold::No;
                self.status = believed;
            }
            Reason::Problem => {
                self.delivered = None;
                self.status = believed;
            }
            Reason::Worse
            | Reason::Better
            | Reason::Reminder
            | Reason::Acknowledged
            | Reason::Merged
            | Reason::Summary
            | Reason::Event
            | Reason::Report
            | Reason::Test => self.status = believed,
        }
        // That somebody took it is no news of the problem: what there is to say of that waits.
        let is_taking = reason == Reason::Acknowledged;
        if !is_taking {
            self.reminders = if reason == Reason::Reminder { self.reminders + 1 } else { 0 };
        }
        self.again &= is_taking;
        self.at = at;
        self.sequence += 1;
        self.block = None;
        self.deferred = None;
        self.remind_now = false;
        self.dead = false;
    }

    /// Returns true if messages wait and none has arrived or is about to.
    pub(crate) fn is_all_unsent(&self) -> bool {
        self.delivered.is_none() && !self.unsent.is_empty() && !self.in_flight
    }

    /// Returns true if what was told last has arrived, or nothing was told. What arrived before that says nothing
    /// of it: the last may have been given up.
    pub(crate) fn has_arrived(&self) -> bool {
        let last_has = self.delivered.is_some_and(|delivered| delivered >= self.at);
        self.sequence == 0 || self.unsent.is_empty() && last_has
    }

    /// Says what it knows and since when, in which time of day messages are written.
    pub(crate) fn knows(&self, now: Now) -> String {
        let (status, since) = (self.status, clock(self.at.unix(now)));
        if self.has_arrived() {
            format!("knows since {since} that it is {status}")
        } else if self.unsent.is_empty() {
            format!("the message of {since} that it is {status} was given up")
        } else {
            format!("the message of {since} that it is {status} has not arrived yet")
        }
    }

    /// Returns true if the last that was told is not that it is ok.
    pub(crate) fn lacks_the_end(&self) -> bool {
        self.status != Status::Ok || self.flap.knows()
    }

    /// Returns the told-state as it is stored.
    pub(crate) fn record(
        &self,
        incident: IncidentId,
        receiver: &ReceiverName,
        now: Now,
    ) -> ToldRecord {
        ToldRecord {
            incident,
            receiver: receiver.clone(),
            status: self.status,
            at: self.at.unix(now),
            delivered_at: self.delivered.map(|at| at.unix(now)),
            sequence: self.sequence,
            reminders: self.reminders,
            flaps: self.flap.record(),
            acknowledged: self.taken_at,
        }
    }
}

/// An incident.
#[derive(Debug)]
pub(crate) struct Incident {
    /// What is stored.
    pub(crate) record: IncidentRecord,
    /// The host's name: the host may be gone before the incident is told to be over.
    pub(crate) host_name: HostName,
    /// The path that stands in messages.
    pub(crate) path: String,
    /// What stood behind the `=` last.
    pub(crate) shown: String,
    /// Since when it is a problem again, if it was over in between.
    pub(crate) again: Option<Unix>,
    /// When the first bad result was received.
    pub(crate) since: Moment,
    /// When it was believed: first delays count from here.
    pub(crate) hard_since: Moment,
    /// When it was resolved.
    pub(crate) resolved: Option<Moment>,
    /// What was told to whom.
    pub(crate) told: BTreeMap<ReceiverName, Told>,
    /// What is waited for after a block.
    pub(crate) release: Option<Release>,
    /// Who gave it back last, until somebody takes it again.
    pub(crate) given_back: Option<UserName>,
    /// How many open incidents are symptoms of this one.
    pub(crate) symptoms: u32,
    /// Whether "nobody is told" is in the journal.
    pub(crate) nobody: bool,
    /// When its repair was ordered last.
    pub(crate) repaired: Option<Moment>,
    /// Why it is not repaired, as far as that is in the journal.
    pub(crate) unrepaired: Option<Kept>,
    /// Who was told in addition, if one of its routes has steps.
    pub(crate) escalation: Option<Escalation>,
    /// When it is looked at next.
    pub(crate) armed: Moment,
}

impl Incident {
    /// Makes one that begins: nobody was told of it. `since` and `hard_since` are those of `record`.
    pub(crate) fn opened(
        record: IncidentRecord,
        host_name: HostName,
        path: String,
        shown: String,
        since: Moment,
        hard_since: Moment,
    ) -> Self {
        Self {
            record,
            host_name,
            path,
            shown,
            again: None,
            since,
            hard_since,
            resolved: None,
            told: BTreeMap::new(),
            release: None,
            given_back: None,
            symptoms: 0,
            nobody: false,
            repaired: None,
            unrepaired: None,
            escalation: None,
            armed: Moment::NEVER,
        }
    }

    /// Returns true if it is not resolved.
    pub(crate) fn is_open(&self) -> bool {
        self.record.resolved_at.is_none()
    }

    /// Returns true if it says that `receiver` fails: a message of that would wait for the very thing that it is
    /// about.
    pub(crate) fn is_about(&self, receiver: &ReceiverName) -> bool {
        self.host_name.as_str() == SELF
            && self.record.check.as_str().strip_prefix(RECEIVER_PART) == Some(receiver.as_str())
    }

    /// Returns what is believed: the check's hard state, ok once resolved.
    pub(crate) fn believed(&self) -> Status {
        self.record.status
    }

    /// Returns how bad it is.
    pub(crate) fn severity(&self) -> Severity {
        self.record.status.into()
    }

    /// Returns true if it may be opened again at `now`.
    pub(crate) fn may_reopen(&self, now: Moment) -> bool {
        self.resolved.is_some_and(|at| now.since(at) <= REOPEN_WINDOW)
            && !is_removed(&self.record.resolution)
    }

    /// Returns true if one of `receivers` still believes in it, because something keeps its end
    /// back. A check that fails again then opens it again at any time: the receiver is told the
    /// difference to what it knows, not the end of one problem and the beginning of another at once
    /// (release rule, 6.8). Receivers that are not configured any more hear of no end ever, and do
    /// not count.
    pub(crate) fn is_believed_in(&self, receivers: &BTreeMap<ReceiverName, ReceiverPlan>) -> bool {
        !is_removed(&self.record.resolution)
            && self
                .told
                .iter()
                .any(|(receiver, told)| told.lacks_the_end() && receivers.contains_key(receiver))
    }

    /// Returns true if nothing is left to do with it.
    pub(crate) fn is_finished(&self, now: Moment) -> bool {
        !self.is_open()
            && !self.may_reopen(now)
            && self.told.values().all(|told| !told.lacks_the_end() && told.unsent.is_empty())
    }

    /// Puts the words of `check`: what stands in messages, and the text that is stored and listed.
    pub(crate) fn say(&mut self, check: &Check) {
        self.shown = check.shown();
        self.record.text = check.told();
        if self.again.is_some() {
            self.record.text.push_str(&first_at(self.record.since));
        }
    }

    /// Puts the present status, keeping the peak.
    pub(crate) fn turn(&mut self, status: Status) {
        self.record.status = status;
        self.record.peak = self.record.peak.worse(status);
    }

    /// Ends it.
    pub(crate) fn resolve(&mut self, resolution: &str, at: Unix, moment: Moment) {
        self.record.status = Status::Ok;
        self.record.resolved_at = Some(at);
        resolution.clone_into(&mut self.record.resolution);
        self.resolved = Some(moment);
    }
}

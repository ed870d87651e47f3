//! What becomes of a message after a try: the parts of the delivery machine (design rule 6.10),
//! each pure. [`crate::outbox`] puts them together.

use std::time::Duration;

use hark_model::record::{DeliveryRecord, DeliveryState};
use hark_model::time::Mono;
use hark_model::{Notification, Reason, ReceiverName, Status, Unix};

use crate::error::{SendError, one_line};
use crate::render::rfc3339;

/// A number from 0 up to, not including, 1. The driver draws it; tests choose it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Chance(f64);

impl Chance {
    /// Makes a chance of 64 random bits.
    pub fn from_bits(bits: u64) -> Self {
        // 53 bits fit a float exactly.
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        let chance = (bits >> 11) as f64 / (1_u64 << 53) as f64;
        Self(chance)
    }

    /// Returns this share of `whole`.
    pub fn of(self, whole: Duration) -> Duration {
        whole.mul_f64(self.0)
    }
}

/// How long to wait between tries: a random time up to a bound that doubles (full jitter), so that
/// many messages held up by one outage do not come back in step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The bound after the first failure.
    pub first: Duration,
    /// The highest bound.
    pub most: Duration,
}

/// Shortest wait whatever chance says: a refused connection costs nothing and would spin.
const LEAST_WAIT: Duration = Duration::from_millis(500);

impl Backoff {
    /// Returns the bound after `failures` failures in a row.
    pub fn bound(self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        self.first.saturating_mul(1 << doublings).min(self.most)
    }

    /// Returns the wait after `failures` failures in a row.
    pub fn wait(self, failures: u32, chance: Chance) -> Duration {
        chance.of(self.bound(failures)).max(LEAST_WAIT)
    }
}

/// The numbers of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Waits between the tries of one message, and between the trials of a failing receiver.
    pub backoff: Backoff,
    /// A message older than this is given up ...
    pub give_up_after: Duration,
    /// ... once it was tried so often: a wall clock that jumps a day ahead gives nothing up.
    pub give_up_tries: u32,
    /// An unsent critical message older than this goes to the fallback receiver.
    pub fallback_after: Duration,
    /// So many failures in a row mean that the receiver itself is failing.
    pub breaker_failures: u32,
    /// So many messages are on their way to one receiver at once.
    pub in_flight: usize,
    /// How long a lease holds: longer than any receiver's time limit.
    pub lease: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            backoff: Backoff { first: Duration::from_secs(5), most: Duration::from_mins(10) },
            give_up_after: Duration::from_hours(24),
            give_up_tries: 20,
            fallback_after: Duration::from_mins(5),
            breaker_failures: 3,
            in_flight: 4,
            lease: Duration::from_mins(10),
        }
    }
}

/// Longest time a receiver may ask to be left alone: a day in `Retry-After` would hold a message
/// until it is given up.
pub const MAX_RETRY_AFTER: Duration = Duration::from_hours(1);

/// What came of one try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tried {
    /// The receiver has it.
    Arrived,
    /// It does not, or perhaps: the same message is sent again under the same key.
    Failed {
        /// Trying again is useless.
        permanent: bool,
        /// The receiver asked to be left alone for so long.
        retry_after: Option<Duration>,
        /// Why, in one line.
        error: String,
    },
}

impl From<&SendError> for Tried {
    fn from(error: &SendError) -> Self {
        Self::Failed {
            permanent: error.is_permanent(),
            retry_after: error.retry_after(),
            error: error.text(),
        }
    }
}

/// Returns what becomes of `record` after a try that ended at `now` and took `took`.
pub fn decide(
    record: &DeliveryRecord,
    tried: &Tried,
    took: Duration,
    now: Unix,
    chance: Chance,
    policy: &Policy,
) -> DeliveryRecord {
    let attempts = record.attempts.saturating_add(1);
    let mut next = record.clone();
    next.attempts = attempts;
    next.took_ms = u32::try_from(took.as_millis()).unwrap_or(u32::MAX);
    match tried {
        Tried::Arrived => {
            next.state = DeliveryState::Sent { at: now };
            next.last_error = String::new();
        }
        Tried::Failed { permanent, retry_after, error } => {
            next.last_error.clone_from(error);
            let is_old = now.since(record.notification.at) >= policy.give_up_after
                && attempts >= policy.give_up_tries;
            next.state = if *permanent || is_old {
                DeliveryState::Dead { at: now }
            } else {
                let wait = policy.backoff.wait(attempts, chance);
                let asked = retry_after.unwrap_or_default().min(MAX_RETRY_AFTER);
                DeliveryState::Retry { at: now + wait.max(asked) }
            };
        }
    }
    next
}

/// Returns true if `state` ends a message's way.
pub fn is_settled(state: &DeliveryState) -> bool {
    match state {
        DeliveryState::Sent { .. }
        | DeliveryState::Dead { .. }
        | DeliveryState::Superseded { .. } => true,
        DeliveryState::Queued | DeliveryState::Leased { .. } | DeliveryState::Retry { .. } => false,
    }
}

/// Hours come round in a week; what is kept back for longer was written before the wall clock went back.
const LONGEST_KEPT: Duration = Duration::from_hours(8 * 24);

/// Returns when a waiting message may be tried; `None` if it is settled.
///
/// What was never tried is kept back for somebody's hours until the time that it says.
///
/// A time further away than any wait can be was written before the wall clock went back: such a
/// message may be tried now.
pub fn due(state: &DeliveryState, attempts: u32, now: Unix, policy: &Policy) -> Option<Unix> {
    let (at, longest) = match state {
        DeliveryState::Queued => return Some(now),
        DeliveryState::Retry { at } if attempts == 0 => (*at, LONGEST_KEPT),
        DeliveryState::Retry { at } => (*at, policy.backoff.most.max(MAX_RETRY_AFTER)),
        DeliveryState::Leased { until } => (*until, policy.lease),
        DeliveryState::Sent { .. }
        | DeliveryState::Dead { .. }
        | DeliveryState::Superseded { .. } => return None,
    };
    Some(if at.since(now) > longest { now } else { at })
}

/// Notices that a receiver itself is failing, and lets one trial through from time to time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Breaker {
    failures: u32,
    /// When the next trial may go; set once failing.
    trial_at: Option<Mono>,
}

/// What a try changed about a receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    None,
    /// It is failing from now on.
    Failing,
    /// It works again.
    Working,
}

impl Breaker {
    /// Returns true if the receiver is failing.
    pub fn is_open(self) -> bool {
        self.trial_at.is_some()
    }

    /// Returns when a failing receiver may be tried; `None` while it works.
    pub fn trial_at(self) -> Option<Mono> {
        self.trial_at
    }

    /// Returns how many messages may go to the receiver now, of at most `most` beside the
    /// `in_flight` that are on their way.
    pub fn room(self, now: Mono, in_flight: usize, most: usize) -> usize {
        match self.trial_at {
            None => most.saturating_sub(in_flight),
            Some(at) if at <= now && in_flight == 0 => 1,
            Some(_) => 0,
        }
    }

    /// Takes note of a success.
    pub fn succeeded(&mut self) -> Change {
        let was_open = self.is_open();
        *self = Self::default();
        if was_open { Change::Working } else { Change::None }
    }

    /// Takes note of a failure.
    pub fn failed(&mut self, now: Mono, chance: Chance, policy: &Policy) -> Change {
        let was_open = self.is_open();
        self.failures = self.failures.saturating_add(1);
        let over = self.failures.saturating_sub(policy.breaker_failures.max(1));
        if self.failures >= policy.breaker_failures {
            self.trial_at = Some(now + policy.backoff.wait(over + 1, chance));
        }
        if self.is_open() && !was_open { Change::Failing } else { Change::None }
    }
}

/// Older unsent messages of one incident to one receiver, folded into the newest.
#[derive(Clone, Debug, PartialEq)]
pub struct Collapsed {
    /// Those that will never be sent, in their new state.
    pub superseded: Vec<DeliveryRecord>,
    /// The newest, which now tells the passage.
    pub newest: DeliveryRecord,
}

/// Folds `waiting`, the unsent messages of one incident to one receiver from the oldest to the
/// newest, into one. `None` if there is nothing to fold.
///
/// A recovery whose problem was never sent becomes [`Reason::Merged`]: one message that says both.
pub fn collapse(waiting: &[&DeliveryRecord], now: Unix) -> Option<Collapsed> {
    let (newest, older) = waiting.split_last()?;
    if older.is_empty() {
        return None;
    }
    let mut newest = (*newest).clone();
    let mut passage = Vec::new();
    for record in waiting {
        // What was folded into these before.
        let (_, told) = split_passage(&record.notification.detail);
        passage.extend(told.lines().map(str::to_owned));
    }
    passage.extend(older.iter().map(|record| passage_line(&record.notification)));
    // Each line begins with its time.
    passage.sort();
    let n = &mut newest.notification;
    let first_ever = older.iter().any(|record| record.notification.was.is_none());
    if n.reason == Reason::Recovery && first_ever {
        n.reason = Reason::Merged;
    }
    // What the receiver really heard last is what it had heard before the oldest of these.
    n.was = older.first().and_then(|record| record.notification.was);
    let (own, _) = split_passage(&n.detail);
    let detail = format!("{own}{PASSAGE}{}\n", passage.join("\n"));
    detail.trim_start().clone_into(&mut n.detail);
    truncate(&mut n.detail, MAX_DETAIL);
    let superseded = older.iter().map(|record| {
        let mut record = (*record).clone();
        record.state = DeliveryState::Superseded { at: now };
        record
    });
    Some(Collapsed { superseded: superseded.collect(), newest })
}

/// Bound on the text that grows with each folded message: a check that goes to and fro during a
/// long outage.
const MAX_DETAIL: usize = 16 * 1024;

fn truncate(text: &mut String, max: usize) {
    if text.len() > max {
        let cut = text.floor_char_boundary(max);
        text.truncate(cut);
        text.push_str("…\n");
    }
}

/// What stands between a message's own text and the passage that was folded into it.
const PASSAGE: &str = "\n\nBefore this, not delivered until now:\n";

fn split_passage(detail: &str) -> (&str, &str) {
    let whole = detail.split_once(PASSAGE);
    whole.or_else(|| Some(("", detail.strip_prefix(PASSAGE.trim_start())?))).unwrap_or((detail, ""))
}

fn passage_line(n: &Notification) -> String {
    format!("{} {}", rfc3339(n.at), one_line(&n.summary, MAX_LINE))
}

/// Bound on one line of the passage.
const MAX_LINE: usize = 300;

/// What stands in the key of a message that was handed over, before the name of the receiver that
/// could not deliver it.
const HANDED: &str = "/for/";

/// Returns the message that `to` gets because the receiver of `notification` does not get it. Its
/// key is made from the original's, so that a second hand-over is the same row.
pub fn hand_over(notification: &Notification, to: &ReceiverName) -> Notification {
    let from = &notification.receiver;
    stand_in(notification, to, format!("Sent here because the receiver {from} is failing."))
}

/// As [`hand_over`], where the receiver of `notification` gets it: `to` was told in its place of what this follows.
pub fn follow_up(notification: &Notification, to: &ReceiverName) -> Notification {
    let from = &notification.receiver;
    let note = format!("Sent here as what came before it was: the receiver {from} failed then.");
    stand_in(notification, to, note)
}

fn stand_in(notification: &Notification, to: &ReceiverName, note: String) -> Notification {
    let mut handed = notification.clone();
    handed.key = format!("{}{HANDED}{}", notification.key, notification.receiver);
    handed.receiver = to.clone();
    // Another service calls it something else.
    handed.reference = None;
    handed.detail = match handed.detail.as_str() {
        "" => note,
        detail => format!("{detail}\n\n{note}"),
    };
    handed
}

/// Returns the receiver in whose place this message goes to another; `None` if it goes to its own.
pub fn handed_from(notification: &Notification) -> Option<ReceiverName> {
    let (_, from) = notification.key.rsplit_once(HANDED)?;
    ReceiverName::new(from).ok()
}

/// Returns the receiver that this message was made for, whoever gets it now; `None` if that has no name.
pub fn made_for(notification: &Notification) -> Option<ReceiverName> {
    match notification.key.split(HANDED).nth(1) {
        None => Some(notification.receiver.clone()),
        Some(name) => ReceiverName::new(name).ok(),
    }
}

/// Returns true if `receiver` already had its chance at this message.
pub fn was_tried_by(notification: &Notification, receiver: &ReceiverName) -> bool {
    notification.receiver == *receiver
        || notification.key.split(HANDED).skip(1).any(|name| name == receiver.as_str())
}

/// Returns true if this message must not wait for a failing receiver.
pub fn is_urgent(notification: &Notification) -> bool {
    notification.status == Status::Critical
        || notification.severity == hark_model::Severity::Critical
}

#[cfg(test)]
pub(crate) mod tests;

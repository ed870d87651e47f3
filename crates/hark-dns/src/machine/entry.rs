//! One name: what is wanted of it, what is published, and what it waits for.

use std::time::Duration;

use hark_model::HostName;
use hark_model::time::Unix;

use super::{Effect, Gate, LONGEST_WAIT, What, as_addresses, backoff};
use crate::addresses::Addresses;
use crate::name::DnsName;
use crate::record::NameRecord;
use crate::verify::{Found, difference};
use crate::way::{Again, Change, Failure, Scope};
use crate::zone::{Verify, Wish, Zone};

/// The time that counts for the rate limit.
const HOUR: Duration = Duration::from_hours(1);

/// How long name servers may take to say what was published: secondaries are told within seconds, big
/// services take up to a minute.
const WITHIN: Duration = Duration::from_mins(3);

/// The longest time between two questions within that.
const LONGEST_STEP: Duration = Duration::from_secs(30);

/// Whether it was seen where everybody looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checked {
    /// Nobody was asked yet.
    NotYet,
    /// At this time.
    Right(Unix),
    /// Something else stands there.
    Differs,
    /// Nobody answers.
    Unanswered,
}

/// A name as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameView {
    /// The name.
    pub name: DnsName,
    /// Its zone.
    pub zone: DnsName,
    /// Whose it is.
    pub host: HostName,
    /// What shall stand there, also if it is not yet the same for long enough.
    pub wanted: Addresses,
    /// Until when it must be the same.
    pub held_until: Option<Unix>,
    /// What is published.
    pub published: Addresses,
    /// Whether it was seen there.
    pub checked: Checked,
    /// Why it failed.
    pub error: Option<String>,
    /// When it is tried again.
    pub next_try: Option<Unix>,
    /// Whether it is not tried again unasked.
    pub stopped: bool,
    /// Whether it was taken out by hand.
    pub withheld: bool,
    /// Why an address is not used.
    pub note: Option<String>,
}

/// Asks whether a change is there.
#[derive(Debug)]
struct Asking {
    change: Change,
    since: Unix,
    tries: u32,
    at: Unix,
    /// Whether it was published is not known: the answer was lost, or the program ended meanwhile.
    is_unknown: bool,
}

#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own: all combinations occur"
)]
pub(super) struct Entry {
    name: DnsName,
    pub(super) zone: DnsName,
    pub(super) host: HostName,
    note: Option<String>,
    candidate: Addresses,
    candidate_since: Unix,
    goal: Addresses,
    pub(super) published: Addresses,
    sent: Option<Addresses>,
    asking: Option<Asking>,
    running: bool,
    recent: Vec<Unix>,
    checked: Checked,
    checked_at: Unix,
    pub(super) attempts: u32,
    next_try: Unix,
    pub(super) error: Option<String>,
    pub(super) stopped: bool,
    /// How often something else than what was published stood there, since it was right.
    unkept: u32,
    /// To be published though it seems to be: something else stands there, or nobody knows.
    again: bool,
    /// Somebody wants it now.
    by_hand: bool,
    withheld: bool,
    /// Nobody wants it any more.
    pub(super) is_gone: bool,
    pub(super) queued: Option<Unix>,
}

impl Entry {
    pub(super) fn new(name: &DnsName, wish: &Wish, now: Unix) -> Self {
        let record = NameRecord {
            zone: wish.zone.clone(),
            host: wish.host.clone(),
            goal: Addresses::NONE,
            published: Addresses::NONE,
            sent: None,
            recent: Vec::new(),
            verified_at: None,
            attempts: 0,
            next_try: now,
            error: None,
            stopped: false,
            withheld: false,
        };
        Self::remembered(name.clone(), record)
    }

    pub(super) fn remembered(name: DnsName, record: NameRecord) -> Self {
        // What was on its way when the program ended may have arrived.
        let asking = record.sent.map(|sent| Asking {
            change: Change {
                zone: record.zone.clone(),
                name: name.clone(),
                ttl: Duration::ZERO,
                set: sent,
                had: record.published,
            },
            since: record.next_try,
            tries: 0,
            at: Unix(0),
            is_unknown: true,
        });
        Self {
            name,
            zone: record.zone,
            host: record.host,
            note: None,
            candidate: record.goal,
            candidate_since: Unix(0),
            goal: record.goal,
            published: record.published,
            sent: record.sent,
            asking,
            running: false,
            recent: record.recent,
            checked: record.verified_at.map_or(Checked::NotYet, Checked::Right),
            checked_at: record.verified_at.unwrap_or(Unix(0)),
            attempts: record.attempts,
            next_try: record.next_try,
            error: record.error,
            stopped: record.stopped,
            unkept: 0,
            again: false,
            by_hand: false,
            withheld: record.withheld,
            is_gone: false,
            queued: None,
        }
    }

    pub(super) fn keep(&self) -> Effect {
        let record = NameRecord {
            zone: self.zone.clone(),
            host: self.host.clone(),
            goal: self.goal,
            published: self.published,
            sent: self.sent,
            recent: self.recent.clone(),
            verified_at: match self.checked {
                Checked::Right(at) => Some(at),
                Checked::NotYet | Checked::Differs | Checked::Unanswered => None,
            },
            attempts: self.attempts,
            next_try: self.next_try,
            error: self.error.clone(),
            stopped: self.stopped,
            withheld: self.withheld,
        };
        Effect::KeepName(self.name.clone(), Some(record))
    }

    /// Takes what is wanted now. Returns true if that is news.
    pub(super) fn see(&mut self, wish: &Wish, now: Unix) -> bool {
        let mut is_news = self.is_gone || self.zone != wish.zone || self.host != wish.host;
        self.is_gone = false;
        self.zone.clone_from(&wish.zone);
        self.host.clone_from(&wish.host);
        self.note.clone_from(&wish.note);
        let known = self.candidate;
        let candidate = Addresses { v4: wish.v4.over(known.v4), v6: wish.v6.over(known.v6) };
        if candidate != self.candidate {
            self.candidate = candidate;
            self.candidate_since = now;
            is_news = true;
        }
        is_news
    }

    /// Takes that nobody wants it any more: nothing is held back then.
    pub(super) fn go(&mut self, now: Unix) {
        self.is_gone = true;
        self.candidate = Addresses::NONE;
        self.goal = Addresses::NONE;
        self.next_try = self.next_try.min(now);
    }

    /// Makes what was the same for long enough the goal. Returns true if it did.
    pub(super) fn settle(&mut self, hold: Duration, now: Unix) -> bool {
        let is_stable = (self.candidate_since + hold) <= now;
        if !self.is_held() || !is_stable {
            return false;
        }
        self.goal = self.candidate;
        // What was refused for good stays so: whoever sends more of it is banned. The rest is tried anew.
        self.attempts = 0;
        self.next_try = self.next_try.min(now);
        true
    }

    /// Returns true while another address waits for its time.
    fn is_held(&self) -> bool {
        self.candidate != self.goal && !self.is_gone && !self.withheld
    }

    fn is_wanted(&self) -> bool {
        self.goal != self.published || self.again || self.by_hand
    }

    fn has_room(&self, zone: &Zone) -> Option<Unix> {
        // Taking a name out is its last update.
        if self.by_hand || self.is_gone || self.recent.len() < zone.per_hour {
            return None;
        }
        let nth = self.recent.len() - zone.per_hour;
        self.recent.get(nth).map(|at| *at + HOUR)
    }

    /// Returns when it has something to do.
    pub(super) fn due(&self, zone: &Zone) -> Option<Unix> {
        if self.running {
            return None;
        }
        let mut at: Option<Unix> = None;
        let mut also = |next: Unix| at = Some(at.map_or(next, |at| at.min(next)));
        if self.is_held() {
            also(self.candidate_since + zone.hold);
        }
        if let Some(asking) = self.asking.as_ref().filter(|_| zone.verify != Verify::Off) {
            also(asking.at);
        } else if self.sent.is_some() {
            also(self.next_try);
        }
        if self.is_wanted() && !self.stopped {
            also(self.has_room(zone).map_or(self.next_try, |room| room.max(self.next_try)));
        }
        let asks_again = zone.verify != Verify::Off && !zone.recheck.is_zero();
        if asks_again && !self.published.is_empty() {
            also(self.checked_at + zone.recheck);
        }
        at
    }

    /// Begins what is due, if anything is.
    pub(super) fn begin(&mut self, zone: &Zone, gate: Gate, now: Unix) -> Option<(What, Change)> {
        let verifies = zone.verify != Verify::Off;
        if let Some(asking) = &self.asking {
            // First what became of the last one.
            if asking.is_unknown && verifies && asking.at <= now {
                let change = asking.change.clone();
                self.running = true;
                return Some((What::Ask, change));
            }
            if asking.is_unknown && !verifies {
                self.asking = None;
                self.again = true;
            }
        }
        let is_unknown = self.asking.as_ref().is_some_and(|asking| asking.is_unknown);
        let may = gate == Gate::Open
            && !is_unknown
            && !self.stopped
            && self.next_try <= now
            && self.has_room(zone).is_none_or(|room| room <= now);
        if may && self.is_wanted() {
            let change = Change {
                zone: zone.name.clone(),
                name: self.name.clone(),
                ttl: zone.ttl,
                set: self.goal,
                had: self.published.or(self.sent.unwrap_or_default()),
            };
            self.asking = None;
            self.sent = Some(self.goal);
            self.running = true;
            self.recent.retain(|at| now.since(*at) < HOUR && *at <= now);
            self.recent.push(now);
            return Some((What::Publish, change));
        }
        if !verifies {
            return None;
        }
        let change = match &self.asking {
            Some(asking) if asking.at <= now => asking.change.clone(),
            Some(_) => return None,
            None if zone.recheck.is_zero()
                || self.published.is_empty()
                || (self.checked_at + zone.recheck) > now =>
            {
                return None;
            }
            None => Change {
                zone: zone.name.clone(),
                name: self.name.clone(),
                ttl: zone.ttl,
                set: self.published,
                had: Addresses::NONE,
            },
        };
        self.running = true;
        Some((What::Ask, change))
    }

    /// Takes that a change was published.
    pub(super) fn done(&mut self, zone: &Zone, change: &Change, text: &str, now: Unix) -> Effect {
        self.running = false;
        let before = std::mem::replace(&mut self.published, change.set);
        self.sent = None;
        self.again = false;
        self.by_hand = false;
        self.stopped = false;
        self.attempts = 0;
        // What was published before and did not stay is not well before it was seen.
        if self.unkept == 0 {
            self.error = None;
        }
        self.next_try = now;
        self.checked = Checked::NotYet;
        self.checked_at = now;
        self.asking = (zone.verify != Verify::Off).then(|| Asking {
            change: change.clone(),
            since: now,
            tries: 0,
            at: (now + zone.way.settle()),
            is_unknown: false,
        });
        let name = &self.name;
        let what = if change.set.is_empty() {
            format!("{name} was taken out of DNS, it was {before}")
        } else if before.is_empty() || before == change.set {
            format!("{name} is {} in DNS", change.set)
        } else {
            format!("{name} is {} in DNS, it was {before}", change.set)
        };
        let text = if text.is_empty() { what } else { format!("{what} ({text})") };
        self.said(text, false)
    }

    /// Takes that a change was not published.
    pub(super) fn failed(&mut self, failure: &Failure, next_try: Unix) -> Option<Effect> {
        self.running = false;
        self.by_hand = false;
        // What did not go out does not count.
        self.recent.pop();
        if failure.maybe_done {
            self.asking = self.sent.map(|sent| Asking {
                change: Change {
                    zone: self.zone.clone(),
                    name: self.name.clone(),
                    ttl: Duration::ZERO,
                    set: sent,
                    had: self.published,
                },
                since: next_try,
                tries: 0,
                at: next_try,
                is_unknown: true,
            });
        } else {
            self.sent = None;
            // It was wanted though it is published: it still is.
            self.again = self.again || self.goal == self.published;
        }
        self.attempts = self.attempts.saturating_add(1);
        self.next_try = next_try;
        self.stopped = failure.again == Again::Never && failure.scope == Scope::Name;
        if self.stopped {
            self.again = false;
        }
        let text = format!("{} is not published: {}", self.name, failure.text);
        let is_news = self.error.replace(failure.text.clone()).as_ref() != Some(&failure.text);
        is_news.then(|| self.said(text, true))
    }

    /// Takes what stands at the name servers, or why nobody said.
    pub(super) fn found(
        &mut self,
        zone: &Zone,
        change: &Change,
        found: Result<Found, String>,
        now: Unix,
    ) -> Option<Effect> {
        self.running = false;
        self.checked_at = now;
        let mut asking = self.asking.take();
        let is_unknown = asking.as_ref().is_some_and(|asking| asking.is_unknown);
        let (text, seen) = match found {
            Ok(found) => match difference(change, &found) {
                None => {
                    if is_unknown {
                        self.published = change.set;
                        self.sent = None;
                    }
                    self.checked = Checked::Right(now);
                    self.again = false;
                    self.error = None;
                    self.attempts = 0;
                    self.unkept = 0;
                    return None;
                }
                Some(text) => (text, Some(as_addresses(&found))),
            },
            Err(text) => (text, None),
        };
        if is_unknown {
            // To publish it once more does no harm.
            self.again = true;
            self.next_try = self.next_try.min(now);
            return None;
        }
        if let Some(mut asking) = asking.take()
            && now.since(asking.since) < WITHIN
        {
            asking.tries += 1;
            let step = Duration::from_secs(1 << asking.tries.min(5)).min(LONGEST_STEP);
            asking.at = now + step;
            self.asking = Some(asking);
            return None;
        }
        let name = &self.name;
        let text = if let Some(seen) = seen {
            self.checked = Checked::Differs;
            self.again = true;
            // Somebody else's change is undone soon, a service that does not keep ours is not driven.
            self.unkept = self.unkept.saturating_add(1);
            self.next_try = now + backoff(self.unkept);
            format!("{name} is {seen} at its name servers: {text}; it is published again")
        } else {
            self.checked = Checked::Unanswered;
            format!("whether {name} is {} is not known: {text}", zone_says(zone, change))
        };
        let is_news = self.error.replace(text.clone()).as_ref() != Some(&text);
        is_news.then(|| self.said(text, true))
    }

    pub(super) fn not_begun(&mut self, why: String, next_try: Unix) {
        self.running = false;
        self.sent = None;
        self.recent.pop();
        self.error = Some(why);
        self.next_try = next_try;
    }

    /// Returns false if there is nothing to publish.
    pub(super) fn publish_now(&mut self, now: Unix) -> bool {
        if self.candidate.is_empty() && self.published.is_empty() {
            return false;
        }
        self.withheld = false;
        self.goal = self.candidate;
        self.candidate_since = Unix(0);
        self.by_hand = true;
        self.stopped = false;
        self.next_try = now;
        true
    }

    /// Returns how often it failed in a row, one way or the other.
    pub(super) fn failures(&self) -> u32 {
        self.attempts.max(self.unkept)
    }

    pub(super) fn take_out(&mut self, now: Unix) {
        self.withheld = true;
        self.goal = Addresses::NONE;
        self.stopped = false;
        self.by_hand = !self.published.is_empty();
        self.next_try = now;
    }

    pub(super) fn reopen(&mut self, now: Unix) {
        self.stopped = false;
        self.attempts = 0;
        self.error = None;
        self.next_try = self.next_try.min(now);
    }

    pub(super) fn clock_was_set_back(&mut self, now: Unix) {
        self.next_try = self.next_try.min(now + LONGEST_WAIT);
        self.candidate_since = self.candidate_since.min(now);
        self.checked_at = self.checked_at.min(now);
        self.recent.retain(|at| *at <= now);
        if let Some(asking) = &mut self.asking {
            asking.at = asking.at.min(now + LONGEST_STEP);
            asking.since = asking.since.min(now);
        }
    }

    /// Returns true while something of it is on its way.
    pub(super) fn is_under_way(&self) -> bool {
        self.running || self.sent.is_some()
    }

    /// Returns true if nobody wants it, nothing of it is published, and that was seen or is not looked at.
    pub(super) fn is_over(&self) -> bool {
        self.is_gone && self.published.is_empty() && !self.is_under_way() && self.asking.is_none()
    }

    pub(super) fn view(&self, name: &DnsName, hold: Duration) -> NameView {
        let waits = self.is_wanted() && !self.stopped && !self.running;
        NameView {
            name: name.clone(),
            zone: self.zone.clone(),
            host: self.host.clone(),
            wanted: if self.withheld { Addresses::NONE } else { self.candidate },
            held_until: self.is_held().then(|| self.candidate_since + hold),
            published: self.published,
            checked: self.checked.clone(),
            error: self.error.clone(),
            next_try: waits.then_some(self.next_try),
            stopped: self.stopped,
            withheld: self.withheld,
            note: self.note.clone(),
        }
    }
}

fn zone_says(zone: &Zone, change: &Change) -> String {
    format!("{} in {}", change.set, zone.name)
}

//! What is published when: a function of what hosts say, what came of updates, and the time.
//!
//! ```text
//! see ──> candidate ── held long enough ──> goal ── differs from what is published ──> Job ──> done
//!                                                                                          │
//!             published anew <── differs there <── asked at its authoritative servers <────┘
//! ```
//!
//! Of a zone one job is under way at a time, the longest due first; zones do not wait for each other. What
//! must outlive the program is given as an effect before the job is: the caller writes it down first.
//!
//! Times are those of the wall clock, since rate limits and waits that a service demands must outlive a
//! restart. A clock that is set back is noticed, and no wait gets longer by it than the longest there is.

mod entry;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use hark_model::HostName;
use hark_model::time::Unix;

use crate::addresses::Addresses;
use crate::name::DnsName;
use crate::record::{NameRecord, ZoneRecord};
use crate::verify::Found;
use crate::way::{Again, Change, Failure, Scope};
use crate::zone::{Wish, Zone};
use entry::Entry;
pub use entry::{Checked, NameView};

/// Bound on names: each is a row of the state and a line of the list.
pub const MAX_NAMES: usize = 100_000;

/// The first wait after a failure; each next one is twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(10);

/// The longest wait after a failure that says nothing of its own.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// The longest wait that a service can demand.
const LONGEST_DEMAND: Duration = Duration::from_hours(24);

/// From so many failures in a row on, the server says that a part of it does not work: one lost answer is
/// everyday life.
pub const TOLERATED: u32 = 3;

/// How many names and zones a problem names.
const NAMED: usize = 3;

/// How long the clock must have been set back to be noticed.
const SET_BACK: Duration = Duration::from_mins(1);

/// Something to do.
#[derive(Clone, Debug)]
pub struct Job {
    /// In which zone.
    pub zone: Arc<Zone>,
    /// What.
    pub what: What,
    /// What it is about.
    pub change: Change,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Publish the change.
    Publish,
    /// Ask whether it is published.
    Ask,
}

/// What came of a job.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Of publishing.
    Published(Result<String, Failure>),
    /// Of asking: what stands there, or why nobody said.
    Found(Result<Found, String>),
    /// It was not begun: it could not be written down.
    NotBegun(String),
}

/// What the caller must do.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Remember this of a name, or forget it.
    KeepName(DnsName, Option<NameRecord>),
    /// Remember this of a zone, or forget it.
    KeepZone(DnsName, Option<ZoneRecord>),
    /// Say that something changed.
    Say(Said),
}

/// A change in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Of which host.
    pub host: HostName,
    /// Whether it went wrong.
    pub is_failure: bool,
    /// In words.
    pub text: String,
}

#[derive(Debug)]
struct ZoneState {
    zone: Arc<Zone>,
    attempts: u32,
    next_try: Unix,
    error: Option<String>,
    stopped: bool,
    busy: bool,
    due: BTreeSet<(Unix, DnsName)>,
}

/// How a zone is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneView {
    /// Its name.
    pub zone: DnsName,
    /// The word of its way.
    pub kind: &'static str,
    /// Where it is published.
    pub target: String,
    /// How many names it has.
    pub names: usize,
    /// How often it failed in a row.
    pub attempts: u32,
    /// Why.
    pub error: Option<String>,
    /// Whether it waits for somebody to change something.
    pub stopped: bool,
}

/// All names and zones.
#[derive(Debug, Default)]
pub struct Machine {
    zones: BTreeMap<DnsName, ZoneState>,
    names: BTreeMap<DnsName, Entry>,
    /// What was remembered of zones, until they are planned.
    remembered: BTreeMap<DnsName, ZoneRecord>,
    effects: Vec<Effect>,
    newest: Unix,
    /// Names beyond the bound.
    left_out: usize,
}

impl Machine {
    /// Takes over what was remembered of a name.
    pub fn remember_name(&mut self, name: DnsName, record: NameRecord) {
        self.names.insert(name.clone(), Entry::remembered(name, record));
    }

    /// Takes over what was remembered of a zone.
    pub fn remember_zone(&mut self, name: DnsName, record: ZoneRecord) {
        self.remembered.insert(name, record);
    }

    /// Takes over which zones there are. Names of zones that are gone are left as they are, and forgotten:
    /// nobody says how to reach them.
    pub fn plan(&mut self, zones: &[Arc<Zone>], now: Unix) {
        let mut before = std::mem::take(&mut self.zones);
        for zone in zones {
            let mut state = before.remove(&zone.name).unwrap_or_else(|| ZoneState::new(zone));
            let memory = self.remembered.remove(&zone.name);
            if let Some(memory) = memory.filter(|m| m.fingerprint == zone.fingerprint) {
                state.attempts = memory.attempts;
                state.next_try = memory.next_try;
                state.error = Some(memory.error);
                state.stopped = memory.stopped;
            }
            if state.zone.fingerprint != zone.fingerprint {
                state.reopen(now);
                for entry in self.names.values_mut().filter(|e| e.zone == zone.name) {
                    entry.reopen(now);
                }
            }
            state.zone = Arc::clone(zone);
            self.zones.insert(zone.name.clone(), state);
        }
        for gone in std::mem::take(&mut self.remembered).into_keys().chain(before.into_keys()) {
            self.effects.push(Effect::KeepZone(gone, None));
        }
        let (zones, effects) = (&self.zones, &mut self.effects);
        self.names.retain(|name, entry| {
            let stays = zones.contains_key(&entry.zone);
            if !stays {
                effects.push(Effect::KeepName(name.clone(), None));
                let text = format!(
                    "{name} is left as it is, {}: its zone {} is not configured any more",
                    entry.published, entry.zone
                );
                effects.push(entry.said(text, false));
            }
            stays
        });
        self.queue_all();
    }

    /// Takes what is wanted now, of every name: what is not named is to go.
    pub fn see(&mut self, wishes: &BTreeMap<DnsName, Wish>, now: Unix) {
        self.left_out = 0;
        for (name, wish) in wishes {
            if !self.names.contains_key(name) {
                if self.names.len() >= MAX_NAMES {
                    self.left_out += 1;
                    continue;
                }
                self.names.insert(name.clone(), Entry::new(name, wish, now));
            }
            let Some(entry) = self.names.get_mut(name) else { continue };
            if entry.zone != wish.zone
                && let (Some(at), Some(state)) =
                    (entry.queued.take(), self.zones.get_mut(&entry.zone))
            {
                state.due.remove(&(at, name.clone()));
            }
            if entry.see(wish, now) {
                self.queue(name);
            }
        }
        let gone: Vec<DnsName> = self
            .names
            .iter()
            .filter(|(name, entry)| !entry.is_gone && !wishes.contains_key(*name))
            .map(|(name, _)| name.clone())
            .collect();
        for name in gone {
            if let Some(entry) = self.names.get_mut(&name) {
                entry.go(now);
                self.effects.push(entry.keep());
            }
            self.forget_if_over(&name);
            self.queue(&name);
        }
    }

    /// Returns the jobs that may begin now. Their effects are to be carried out before they are begun.
    pub fn next(&mut self, now: Unix) -> Vec<Job> {
        self.notice_clock(now);
        let free: Vec<DnsName> = self
            .zones
            .iter()
            .filter(|(_, state)| !state.busy)
            .map(|(name, _)| name.clone())
            .collect();
        free.into_iter().filter_map(|zone| self.next_of(&zone, now)).collect()
    }

    fn next_of(&mut self, zone: &DnsName, now: Unix) -> Option<Job> {
        let state = self.zones.get(zone)?;
        let due: Vec<DnsName> = state
            .due
            .iter()
            .take_while(|(at, _)| *at <= now)
            .map(|(_, name)| name.clone())
            .collect();
        let settings = Arc::clone(&state.zone);
        for name in due {
            let gate = self.zones.get(zone)?.gate(now);
            let Some(entry) = self.names.get_mut(&name) else { continue };
            if entry.settle(settings.hold, now) {
                self.effects.push(entry.keep());
            }
            let Some((what, change)) = entry.begin(&settings, gate, now) else {
                self.queue(&name);
                continue;
            };
            if what == What::Publish {
                self.effects.push(entry.keep());
            }
            let state = self.zones.get_mut(zone)?;
            state.busy = true;
            if what == What::Publish {
                state.next_try = now + settings.way.pace();
            }
            self.queue(&name);
            return Some(Job { zone: settings, what, change });
        }
        None
    }

    /// Takes what came of a job.
    pub fn done(&mut self, job: &Job, outcome: Outcome, now: Unix) {
        let name = &job.change.name;
        if let Some(state) = self.zones.get_mut(&job.zone.name) {
            state.busy = false;
        }
        match outcome {
            Outcome::Published(result) => self.published(job, result, now),
            Outcome::Found(found) => {
                let Some(entry) = self.names.get_mut(name) else { return };
                let said = entry.found(&job.zone, &job.change, found, now);
                let keep = entry.keep();
                self.effects.push(keep);
                self.effects.extend(said);
            }
            Outcome::NotBegun(why) => {
                let Some(entry) = self.names.get_mut(name) else { return };
                entry.not_begun(why, now + FIRST_WAIT);
            }
        }
        self.forget_if_over(name);
        self.queue(name);
    }

    fn published(&mut self, job: &Job, result: Result<String, Failure>, now: Unix) {
        let Some(entry) = self.names.get_mut(&job.change.name) else { return };
        let state = self.zones.get_mut(&job.zone.name);
        match result {
            Ok(text) => {
                let said = entry.done(&job.zone, &job.change, &text, now);
                self.effects.push(entry.keep());
                self.effects.push(said);
                if let Some(state) = state
                    && state.error.is_some()
                {
                    state.reopen(now);
                    self.effects.push(Effect::KeepZone(job.zone.name.clone(), None));
                }
            }
            Err(failure) => {
                let attempts = match (&state, failure.scope) {
                    (Some(state), Scope::Zone) => state.attempts.saturating_add(1),
                    _ => entry.attempts.saturating_add(1),
                };
                let wait = match failure.again {
                    Again::Later => backoff(attempts),
                    Again::After(wait) => wait.clamp(FIRST_WAIT, LONGEST_DEMAND),
                    Again::Never => LONGEST_DEMAND,
                };
                let next_try = now + wait;
                let said = entry.failed(&failure, next_try);
                self.effects.push(entry.keep());
                if let Some(state) = state.filter(|_| failure.scope == Scope::Zone) {
                    state.attempts = attempts;
                    state.next_try = next_try;
                    state.stopped = failure.again == Again::Never;
                    state.error = Some(failure.text);
                    let record = state.record();
                    self.effects.push(Effect::KeepZone(job.zone.name.clone(), record));
                }
                self.effects.extend(said);
            }
        }
    }

    /// Publishes a name now, also if it seems to be published, has not been the same for long, or may not
    /// be tried again. Returns false if there is no such name, or no address for it.
    pub fn publish_now(&mut self, name: &DnsName, now: Unix) -> bool {
        let Some(entry) = self.names.get_mut(name).filter(|entry| !entry.is_gone) else {
            return false;
        };
        if !entry.publish_now(now) {
            return false;
        }
        self.effects.push(entry.keep());
        if let Some(state) = self.zones.get_mut(&entry.zone) {
            state.stopped = false;
            state.next_try = now;
        }
        self.queue(name);
        true
    }

    /// Takes a name out, until [`Machine::publish_now`]. Returns false if there is no such name.
    pub fn take_out(&mut self, name: &DnsName, now: Unix) -> bool {
        let Some(entry) = self.names.get_mut(name).filter(|entry| !entry.is_gone) else {
            return false;
        };
        entry.take_out(now);
        self.effects.push(entry.keep());
        if let Some(state) = self.zones.get_mut(&entry.zone) {
            state.stopped = false;
            state.next_try = now;
        }
        self.queue(name);
        true
    }

    /// Returns the names of a host.
    pub fn names_of(&self, host: &HostName) -> Vec<DnsName> {
        let of = self.names.iter().filter(|(_, entry)| entry.host == *host && !entry.is_gone);
        of.map(|(name, _)| name.clone()).collect()
    }

    /// Returns whose name it is.
    pub fn host_of(&self, name: &DnsName) -> Option<&HostName> {
        self.names.get(name).map(|entry| &entry.host)
    }

    /// Returns when [`Machine::next`], called just before, has something to do again if nothing happens.
    pub fn deadline(&self, now: Unix) -> Option<Unix> {
        let of = |state: &ZoneState| {
            let (first, _) = state.due.first()?;
            if state.busy {
                return None;
            }
            if *first > now {
                return Some(*first);
            }
            // What is due waits for the zone: until it opens, or something else gets due.
            let later = state.due.iter().find(|(at, _)| *at > now).map(|(at, _)| *at);
            let gate = (!state.stopped && state.next_try > now).then_some(state.next_try);
            gate.into_iter().chain(later).min()
        };
        self.zones.values().filter_map(of).min()
    }

    /// Takes what the caller must do, in order.
    pub fn effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// Returns every name.
    pub fn views(&self) -> Vec<NameView> {
        let view = |(name, entry): (&DnsName, &Entry)| {
            let state = self.zones.get(&entry.zone);
            let hold = state.map_or(Duration::ZERO, |state| state.zone.hold);
            let mut view = entry.view(name, hold);
            if let Some(state) = state.filter(|state| state.error.is_some())
                && (view.published != view.wanted || view.error.is_some())
            {
                view.error.clone_from(&state.error);
                view.next_try = (!state.stopped).then_some(state.next_try);
            }
            view
        };
        self.names.iter().map(view).collect()
    }

    /// Returns every zone.
    pub fn zones(&self) -> Vec<ZoneView> {
        let mut names: BTreeMap<&DnsName, usize> = BTreeMap::new();
        for entry in self.names.values() {
            *names.entry(&entry.zone).or_default() += 1;
        }
        let view = |state: &ZoneState| ZoneView {
            zone: state.zone.name.clone(),
            kind: state.zone.kind,
            target: state.zone.way.target(),
            names: names.get(&state.zone.name).copied().unwrap_or(0),
            attempts: state.attempts,
            error: state.error.clone(),
            stopped: state.stopped,
        };
        self.zones.values().map(view).collect()
    }

    /// Returns what does not work, in words, if it is more than a passing failure.
    pub fn problem(&self) -> Option<String> {
        let zones =
            self.zones.values().filter(|state| state.stopped || state.attempts >= TOLERATED);
        let mut problems: Vec<String> = zones
            .map(|state| {
                let why = state.error.as_deref().unwrap_or("it was refused");
                let after = if state.stopped {
                    "not tried again before the configuration changes or somebody asks for it"
                        .to_owned()
                } else {
                    format!("{} tries failed", state.attempts)
                };
                format!("{} is not kept up to date: {why} ({after})", state.zone.name)
            })
            .collect();
        let failing = self.names.iter().filter(|(_, entry)| {
            let zone_fails = self.zones.get(&entry.zone).is_some_and(|state| state.error.is_some());
            !zone_fails && (entry.stopped || entry.failures() >= TOLERATED)
        });
        problems.extend(failing.map(|(name, entry)| {
            format!("{name}: {}", entry.error.as_deref().unwrap_or("it was refused"))
        }));
        if self.left_out > 0 {
            problems.push(format!("{} names beyond {MAX_NAMES} are left out", self.left_out));
        }
        let more = problems.len().saturating_sub(NAMED);
        problems.truncate(NAMED);
        if more > 0 {
            problems.push(format!("{more} more"));
        }
        (!problems.is_empty()).then(|| problems.join("; "))
    }

    /// Forgets a name that is gone and out.
    fn forget_if_over(&mut self, name: &DnsName) {
        let Some(entry) = self.names.get(name) else { return };
        let cannot = self.zones.get(&entry.zone).is_some_and(|state| !state.zone.way.removes());
        if cannot && entry.is_gone && !entry.is_under_way() && !entry.published.is_empty() {
            let text = format!(
                "{name} is left as it is, {}: its service cannot take names out",
                entry.published
            );
            self.effects.push(entry.said(text, false));
        } else if !entry.is_over() {
            return;
        }
        let entry = self.names.remove(name);
        if let Some(entry) = entry {
            self.unqueue(&entry.zone.clone(), entry.queued, name);
        }
        self.effects.push(Effect::KeepName(name.clone(), None));
    }

    fn unqueue(&mut self, zone: &DnsName, at: Option<Unix>, name: &DnsName) {
        if let (Some(at), Some(state)) = (at, self.zones.get_mut(zone)) {
            state.due.remove(&(at, name.clone()));
        }
    }

    /// Puts a name to its place among those that are due.
    fn queue(&mut self, name: &DnsName) {
        let Some(entry) = self.names.get_mut(name) else { return };
        let Some(state) = self.zones.get_mut(&entry.zone) else { return };
        if let Some(at) = entry.queued.take() {
            state.due.remove(&(at, name.clone()));
        }
        entry.queued = entry.due(&state.zone);
        if let Some(at) = entry.queued {
            state.due.insert((at, name.clone()));
        }
    }

    fn queue_all(&mut self) {
        for state in self.zones.values_mut() {
            state.due.clear();
        }
        let names: Vec<DnsName> = self.names.keys().cloned().collect();
        for name in names {
            self.queue(&name);
        }
    }

    /// Shortens waits that a clock which was set back has made longer than any.
    fn notice_clock(&mut self, now: Unix) {
        let is_back = self.newest.since(now) > SET_BACK;
        self.newest = now;
        if !is_back {
            return;
        }
        for state in self.zones.values_mut() {
            state.next_try = state.next_try.min(now + LONGEST_WAIT);
        }
        for entry in self.names.values_mut() {
            entry.clock_was_set_back(now);
        }
        self.queue_all();
    }
}

impl ZoneState {
    fn new(zone: &Arc<Zone>) -> Self {
        Self {
            zone: Arc::clone(zone),
            attempts: 0,
            next_try: Unix(0),
            error: None,
            stopped: false,
            busy: false,
            due: BTreeSet::new(),
        }
    }

    fn reopen(&mut self, now: Unix) {
        self.attempts = 0;
        self.error = None;
        self.stopped = false;
        self.next_try = self.next_try.min(now + self.zone.way.pace());
    }

    /// Returns whether something may be published now.
    fn gate(&self, now: Unix) -> Gate {
        if self.stopped || self.next_try > now { Gate::Shut } else { Gate::Open }
    }

    fn record(&self) -> Option<ZoneRecord> {
        Some(ZoneRecord {
            fingerprint: self.zone.fingerprint,
            attempts: self.attempts,
            next_try: self.next_try,
            error: self.error.clone()?,
            stopped: self.stopped,
        })
    }
}

/// Whether a zone takes anything now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gate {
    Open,
    Shut,
}

/// Returns how long to wait after so many failures in a row.
fn backoff(attempts: u32) -> Duration {
    let doubled = attempts.saturating_sub(1).min(16);
    FIRST_WAIT.saturating_mul(1 << doubled).min(LONGEST_WAIT)
}

impl Entry {
    fn said(&self, text: String, is_failure: bool) -> Effect {
        Effect::Say(Said { host: self.host.clone(), is_failure, text })
    }
}

/// Returns what stands there as a set of addresses, as far as one can be said.
fn as_addresses(found: &Found) -> Addresses {
    Addresses { v4: found.v4.first().copied(), v6: found.v6.first().copied() }
}

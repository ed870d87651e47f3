//! When each check runs: a machine without a clock.
//!
//! - Phases are spread by a hash of the check's identity, so that nothing bursts after a start or a
//!   reload.
//! - A check's next time is computed from its phase, not from when it ended: nothing drifts.
//! - After the process stood still, or a burst of slow checks, missed runs are left out (rule R4).
//! - At most so many run at once, of one type and at one target too: what hangs there waits in its own
//!   lane and takes no room from others. A check never runs twice at the same time.
//! - Outside of its days and hours a check is not due; when they begin, those that wait for that are spread
//!   again. What a person wants now is looked at all the same.
//! - What is wanted now (by a person, or by the engine that doubts a parent) goes before what is due.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use hark_model::time::millis;
use hark_model::{Mono, Now, Unix};

use crate::configured::Timing;

/// Whether a check's last result needs a closer look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Run every `every`.
    Normal,
    /// A bad or good result is not yet confirmed: run every `retry_every`.
    Retry,
    /// It is confirmed bad: run every `error_every`.
    Error,
}

/// How many checks may run at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Of all.
    pub total: usize,
    /// Of one type.
    pub of_kind: usize,
    /// At one target.
    pub of_target: usize,
}

/// One check to plan. `K` names it, for instance by host and name.
#[derive(Clone, Debug)]
pub struct Wanted<K> {
    /// Its name.
    pub key: K,
    /// When it runs.
    pub timing: Timing,
    /// The word of its type.
    pub kind: &'static str,
    /// What it looks at, as far as it shares that with others.
    pub target: Arc<str>,
}

/// A check that must start now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Started<K> {
    /// Which.
    pub key: K,
    /// How much later than planned; nothing if it was not planned but wanted.
    pub late: Option<Duration>,
}

/// Says which checks are due.
#[derive(Debug)]
pub struct Schedule<K> {
    checks: BTreeMap<K, Planned>,
    /// What waits for its time or for room, by rank and then by time.
    queue: BTreeSet<Slot<K>>,
    /// What runs, with the lanes it takes room in; also checks that are gone and still run.
    running: BTreeMap<K, Lanes>,
    kinds: BTreeMap<&'static str, Lane<K>>,
    targets: BTreeMap<Arc<str>, Lane<K>>,
    limits: Limits,
}

/// What is wanted now comes before what is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Urgent,
    Due,
}

type Slot<K> = (Rank, Mono, K);

#[derive(Clone, Debug)]
struct Lanes {
    kind: &'static str,
    target: Arc<str>,
}

/// The room of one type or one target.
#[derive(Debug)]
struct Lane<K> {
    n_running: usize,
    /// Due, and waiting for room here.
    parked: BTreeSet<Slot<K>>,
}

#[derive(Debug)]
struct Planned {
    timing: Timing,
    phase: u64,
    lanes: Lanes,
    /// When it is due, unless it runs.
    waiting: Option<(Rank, Mono)>,
    pace: Pace,
    /// Somebody wants a result that begins after now: run again once this run ends.
    again: bool,
}

impl Planned {
    /// Returns when it is due by its phase.
    fn by_phase(&self, every: Duration, now: Mono) -> Mono {
        at_phase(self.phase, every, now)
    }

    /// Returns when to look at the clock again if this is none of the check's days and hours.
    fn closed(&self, rank: Rank, now: Now) -> Option<Mono> {
        let window = self.timing.active.as_ref()?;
        let is_wanted = rank == Rank::Urgent || window.contains(now.unix);
        (!is_wanted).then(|| now.mono + window.wait(now.unix, self.timing.every, self.phase))
    }

    fn next(&self, now: Mono) -> Mono {
        match self.pace {
            Pace::Normal => self.by_phase(self.timing.every, now),
            Pace::Error => self.by_phase(self.timing.error_every, now),
            // Counted from here: the confirmation is wanted soon, not at a phase.
            Pace::Retry => now + self.timing.retry_every,
        }
    }
}

impl<K: Ord + Clone + AsRef<[u8]>> Schedule<K> {
    /// Makes an empty schedule.
    pub fn new(limits: Limits) -> Self {
        Self {
            checks: BTreeMap::new(),
            queue: BTreeSet::new(),
            running: BTreeMap::new(),
            kinds: BTreeMap::new(),
            targets: BTreeMap::new(),
            limits,
        }
    }

    /// Takes the whole set of checks, at start and after a reload. What is unchanged keeps its
    /// times; what is new gets its first run within its interval, by its phase; what is gone does
    /// not run again, and a run of it that is on its way still counts until [`Schedule::done`].
    pub fn set(&mut self, checks: impl IntoIterator<Item = Wanted<K>>, now: Now) {
        let mut old = std::mem::take(&mut self.checks);
        self.queue.clear();
        // Who was parked is put back into the queue, and parked again if there is still no room.
        self.kinds.retain(|_, lane| lane.is_used_without_parked());
        self.targets.retain(|_, lane| lane.is_used_without_parked());
        for Wanted { key, timing, kind, target } in checks {
            let lanes = Lanes { kind, target };
            let planned = match old.remove(&key) {
                Some(known) if known.timing == timing => Planned { lanes, ..known },
                _ => {
                    let phase = spread(key.as_ref());
                    let first = match &timing.active {
                        Some(window) => now.mono + window.wait(now.unix, timing.every, phase),
                        None => at_phase(phase, timing.every, now.mono),
                    };
                    let due = (Rank::Due, first);
                    let waiting = (!self.running.contains_key(&key)).then_some(due);
                    Planned { timing, phase, lanes, waiting, pace: Pace::Normal, again: false }
                }
            };
            if let Some((rank, due)) = planned.waiting {
                self.queue.insert((rank, due, key.clone()));
            }
            self.checks.insert(key, planned);
        }
    }

    /// Returns the checks that must start now; they are running from here on. Late by more than an
    /// interval, a check runs once, not once for each that was missed.
    pub fn next(&mut self, moment: Now) -> Vec<Started<K>> {
        let now = moment.mono;
        let mut started = Vec::new();
        while self.running.len() < self.limits.total {
            if self.queue.first().is_none_or(|(_, at, _)| *at > now) {
                break;
            }
            let Some(slot) = self.queue.pop_first() else { break };
            let Some(planned) = self.checks.get_mut(&slot.2) else { continue };
            if let Some(due) = planned.closed(slot.0, moment) {
                planned.waiting = Some((Rank::Due, due));
                self.queue.insert((Rank::Due, due, slot.2));
                continue;
            }
            let lanes = planned.lanes.clone();
            let kind = self.kinds.entry(lanes.kind).or_default();
            let target = self.targets.entry(Arc::clone(&lanes.target)).or_default();
            // Who is sent to wait in one lane may have come from the other one: the next there has
            // its chance, or a lane with room would go on waiting.
            if target.n_running >= self.limits.of_target {
                target.parked.insert(slot);
                self.queue.extend(kind.release(self.limits.of_kind));
                continue;
            }
            if kind.n_running >= self.limits.of_kind {
                kind.parked.insert(slot);
                self.queue.extend(target.release(self.limits.of_target));
                continue;
            }
            kind.n_running += 1;
            target.n_running += 1;
            let (rank, due, key) = slot;
            self.running.insert(key.clone(), lanes);
            if let Some(planned) = self.checks.get_mut(&key) {
                planned.waiting = None;
            }
            started.push(Started { key, late: (rank == Rank::Due).then(|| now.since(due)) });
        }
        started
    }

    /// Takes note that a run has ended, and of the pace that follows from its result.
    pub fn done(&mut self, key: &K, pace: Pace, now: Mono) {
        let Some(lanes) = self.running.remove(key) else { return };
        if let Some(lane) = self.kinds.get_mut(lanes.kind) {
            lane.n_running = lane.n_running.saturating_sub(1);
            self.queue.extend(lane.release(self.limits.of_kind));
        }
        if let Some(lane) = self.targets.get_mut(&lanes.target) {
            lane.n_running = lane.n_running.saturating_sub(1);
            self.queue.extend(lane.release(self.limits.of_target));
            if lane.n_running == 0 && lane.parked.is_empty() {
                self.targets.remove(&lanes.target);
            }
        }
        let Some(planned) = self.checks.get_mut(key) else { return };
        planned.pace = pace;
        let due = if std::mem::take(&mut planned.again) {
            (Rank::Urgent, now)
        } else {
            (Rank::Due, planned.next(now))
        };
        planned.waiting = Some(due);
        self.queue.insert((due.0, due.1, key.clone()));
    }

    /// Runs a check as soon as there is room, before those that are due ("check now", or the engine
    /// wants a fresh result). One that is running runs again after that. Returns false if there is no
    /// such check.
    pub fn hurry(&mut self, key: &K, now: Mono) -> bool {
        let Some(planned) = self.checks.get_mut(key) else { return false };
        match planned.waiting {
            None => planned.again = true,
            Some((Rank::Urgent, _)) => {}
            Some((Rank::Due, _)) => self.put_off(key, (Rank::Urgent, now)),
        }
        true
    }

    /// Returns true if this is one of the check's days and hours; also if there is no such check.
    pub fn is_active(&self, key: &K, at: Unix) -> bool {
        self.checks.get(key).is_none_or(|planned| planned.timing.is_active(at))
    }

    /// Changes the pace of a check that waits: the engine learned something that its own last result
    /// did not show.
    pub fn set_pace(&mut self, key: &K, pace: Pace, now: Mono) {
        let Some(planned) = self.checks.get_mut(key) else { return };
        let old = std::mem::replace(&mut planned.pace, pace);
        let Some((Rank::Due, due)) = planned.waiting else { return };
        if old == pace || due <= now {
            return;
        }
        let next = planned.next(now);
        let next = if pace == Pace::Retry { due.min(next) } else { next };
        self.put_off(key, (Rank::Due, next));
    }

    /// Spreads what is overdue after the process stood still: each such check waits for its next
    /// phase, so that an hour of suspend is not answered with every check at once.
    pub fn resumed(&mut self, now: Mono) {
        let is_overdue =
            |planned: &Planned| matches!(planned.waiting, Some((Rank::Due, due)) if due <= now);
        let overdue: Vec<(K, Mono)> = self
            .checks
            .iter()
            .filter(|(_, planned)| is_overdue(planned))
            .map(|(key, planned)| (key.clone(), planned.by_phase(planned.timing.every, now)))
            .collect();
        for (key, next) in overdue {
            self.put_off(&key, (Rank::Due, next));
        }
    }

    /// Gives a check that waits another time.
    fn put_off(&mut self, key: &K, to: (Rank, Mono)) {
        let Some(planned) = self.checks.get_mut(key) else { return };
        let Some((rank, due)) = planned.waiting.replace(to) else { return };
        let slot = (rank, due, key.clone());
        if !self.queue.remove(&slot) {
            let kind = self.kinds.get_mut(planned.lanes.kind);
            let target = self.targets.get_mut(&planned.lanes.target);
            for lane in [kind, target].into_iter().flatten() {
                lane.parked.remove(&slot);
            }
        }
        self.queue.insert((to.0, to.1, key.clone()));
    }

    /// Returns when [`Schedule::next`] is worth calling; `None` while all room is taken or nothing
    /// is planned.
    pub fn next_deadline(&self) -> Option<Mono> {
        if self.running.len() >= self.limits.total {
            return None;
        }
        self.queue.first().map(|(_, at, _)| *at)
    }

    /// Returns how many checks run now.
    pub fn n_running(&self) -> usize {
        self.running.len()
    }

    /// Returns how many checks are planned.
    pub fn n_checks(&self) -> usize {
        self.checks.len()
    }

    /// Returns how many checks are due and wait for room in their lane.
    pub fn n_parked(&self) -> usize {
        let kinds: usize = self.kinds.values().map(|lane| lane.parked.len()).sum();
        kinds + self.targets.values().map(|lane| lane.parked.len()).sum::<usize>()
    }
}

impl<K> Default for Lane<K> {
    fn default() -> Self {
        Self { n_running: 0, parked: BTreeSet::new() }
    }
}

impl<K: Ord> Lane<K> {
    /// Returns who may try again, if there is room.
    fn release(&mut self, most: usize) -> Option<Slot<K>> {
        if self.n_running < most { self.parked.pop_first() } else { None }
    }

    fn is_used_without_parked(&mut self) -> bool {
        self.parked.clear();
        self.n_running > 0
    }
}

/// Returns the first moment after `now` that lies `phase` into an interval.
fn at_phase(phase: u64, every: Duration, now: Mono) -> Mono {
    let every = millis(every).max(1);
    let phase = phase % every;
    let into = now.0 % every;
    let wait = if phase > into { phase - into } else { every - (into - phase) };
    Mono(now.0.saturating_add(wait))
}

/// Spreads keys evenly over 64 bits (FNV-1a, and a final mix, since its high bits alone are weak
/// for short keys). The standard library's hasher may change from release to release.
fn spread(key: &[u8]) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in key {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests;

//! When each check runs: a machine without a clock.
//!
//! - Phases are spread by a hash of the check's identity, so that nothing bursts after a start or a
//!   reload.
//! - A check's next time is computed from its phase, not from when it ended: nothing drifts.
//! - After the process stood still, or a burst of slow checks, missed runs are left out (rule R4).
//! - At most so many run at once; a check never runs twice at the same time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hark_model::Mono;
use hark_model::time::millis;

use crate::configured::Timing;

/// Whether a check's last result needs a closer look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Run every `every`.
    Normal,
    /// A bad or good result is not yet confirmed: run every `retry_every`.
    Retry,
}

/// Says which checks are due. `K` names a check, for instance by host and name.
#[derive(Debug)]
pub struct Schedule<K> {
    checks: BTreeMap<K, Planned>,
    /// Due times, the earliest first.
    queue: BTreeSet<(Mono, K)>,
    /// Checks that are gone and still run.
    leaving: BTreeSet<K>,
    n_running: usize,
    most_running: usize,
}

#[derive(Debug)]
struct Planned {
    timing: Timing,
    phase: u64,
    state: State,
    pace: Pace,
    /// Somebody wants a result that begins after now: run again once this run ends.
    again: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting { due: Mono },
    Running,
}

impl<K: Ord + Clone + AsRef<[u8]>> Schedule<K> {
    /// Makes an empty schedule that runs at most `most_running` checks at once.
    pub fn new(most_running: usize) -> Self {
        Self {
            checks: BTreeMap::new(),
            queue: BTreeSet::new(),
            leaving: BTreeSet::new(),
            n_running: 0,
            most_running: most_running.max(1),
        }
    }

    /// Takes the whole set of checks, at start and after a reload. What is unchanged keeps its
    /// times; what is new gets its first run within its interval, by its phase; what is gone does
    /// not run again, and a run of it that is on its way still counts until [`Schedule::done`].
    pub fn set(&mut self, checks: impl IntoIterator<Item = (K, Timing)>, now: Mono) {
        let mut old = std::mem::take(&mut self.checks);
        self.queue.clear();
        for (key, timing) in checks {
            let planned = match old.remove(&key) {
                Some(known) if known.timing == timing => known,
                former => {
                    let is_running = self.leaving.remove(&key)
                        || former.is_some_and(|former| former.state == State::Running);
                    Self::plan(&key, timing, is_running, now)
                }
            };
            if let State::Waiting { due } = planned.state {
                self.queue.insert((due, key.clone()));
            }
            self.checks.insert(key, planned);
        }
        let gone = old.into_iter().filter(|(_, planned)| planned.state == State::Running);
        self.leaving.extend(gone.map(|(key, _)| key));
    }

    fn plan(key: &K, timing: Timing, is_running: bool, now: Mono) -> Planned {
        let phase = spread(key.as_ref());
        let due = at_phase(phase, timing.every, now);
        let state = if is_running { State::Running } else { State::Waiting { due } };
        Planned { timing, phase, state, pace: Pace::Normal, again: false }
    }

    /// Returns the checks that must start now; they are running from here on. Late by more than an
    /// interval, a check runs once, not once for each that was missed.
    pub fn next(&mut self, now: Mono) -> Vec<K> {
        let mut due = Vec::new();
        while self.n_running < self.most_running {
            match self.queue.first() {
                Some((at, _)) if *at <= now => {}
                _ => break,
            }
            let Some((_, key)) = self.queue.pop_first() else { break };
            if let Some(planned) = self.checks.get_mut(&key) {
                planned.state = State::Running;
                self.n_running += 1;
                due.push(key);
            }
        }
        due
    }

    /// Takes note that a run has ended, and of the pace that follows from its result.
    pub fn done(&mut self, key: &K, pace: Pace, now: Mono) {
        let was_running = match self.checks.get(key) {
            Some(planned) => planned.state == State::Running,
            None => self.leaving.remove(key),
        };
        if !was_running {
            return;
        }
        self.n_running = self.n_running.saturating_sub(1);
        let Some(planned) = self.checks.get_mut(key) else { return };
        planned.pace = pace;
        let due = if std::mem::take(&mut planned.again) {
            now
        } else {
            match pace {
                Pace::Normal => at_phase(planned.phase, planned.timing.every, now),
                // Counted from here: the confirmation is wanted soon, not at a phase.
                Pace::Retry => now + planned.timing.retry_every,
            }
        };
        planned.state = State::Waiting { due };
        self.queue.insert((due, key.clone()));
    }

    /// Runs a check as soon as there is room ("check now", or the engine wants a fresh result).
    /// One that is running runs again after that. Returns false if there is no such check.
    pub fn hurry(&mut self, key: &K, now: Mono) -> bool {
        let Some(planned) = self.checks.get_mut(key) else { return false };
        match planned.state {
            State::Running => planned.again = true,
            State::Waiting { due } if due > now => {
                self.queue.remove(&(due, key.clone()));
                self.queue.insert((now, key.clone()));
                planned.state = State::Waiting { due: now };
            }
            State::Waiting { .. } => {}
        }
        true
    }

    /// Changes the pace of a check that waits: the engine learned something that its own last result
    /// did not show.
    pub fn set_pace(&mut self, key: &K, pace: Pace, now: Mono) {
        let Some(planned) = self.checks.get_mut(key) else { return };
        let old = std::mem::replace(&mut planned.pace, pace);
        let State::Waiting { due } = planned.state else { return };
        if old == pace || due <= now {
            return;
        }
        let next = match pace {
            Pace::Normal => at_phase(planned.phase, planned.timing.every, now),
            Pace::Retry => due.min(now + planned.timing.retry_every),
        };
        self.queue.remove(&(due, key.clone()));
        self.queue.insert((next, key.clone()));
        planned.state = State::Waiting { due: next };
    }

    /// Spreads what is overdue after the process stood still: each such check waits for its next
    /// phase, so that an hour of suspend is not answered with every check at once.
    pub fn resumed(&mut self, now: Mono) {
        let overdue: Vec<K> = self
            .queue
            .iter()
            .take_while(|(at, _)| *at <= now)
            .map(|(_, key)| key.clone())
            .collect();
        for key in overdue {
            if let Some(planned) = self.checks.get_mut(&key)
                && let State::Waiting { due } = planned.state
            {
                let next = at_phase(planned.phase, planned.timing.every, now);
                self.queue.remove(&(due, key.clone()));
                self.queue.insert((next, key.clone()));
                planned.state = State::Waiting { due: next };
            }
        }
    }

    /// Returns when [`Schedule::next`] is worth calling; `None` while all room is taken or nothing
    /// is planned.
    pub fn next_deadline(&self) -> Option<Mono> {
        if self.n_running >= self.most_running {
            return None;
        }
        self.queue.first().map(|(at, _)| *at)
    }

    /// Returns how many checks run now.
    pub fn n_running(&self) -> usize {
        self.n_running
    }

    /// Returns how many checks are planned.
    pub fn n_checks(&self) -> usize {
        self.checks.len()
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

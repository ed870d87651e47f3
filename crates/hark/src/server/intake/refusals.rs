//! Sets that history has no room for: it is asked again now and then, so that their values are kept once there is, as
//! after old series were erased or count no more.

use std::collections::BTreeMap;
use std::time::Duration;

use hark_model::time::{Mono, millis};
use hark_store::history::SetId;

use super::Intake;
use crate::server::messages::DefineSet;

/// How long until history is asked again, and up to half as long again: those that were refused together are not asked
/// for together.
const AGAIN: Duration = Duration::from_mins(10);

/// The least time between two questions: each has history count the series of a host, which may be thousands.
const APART: Duration = Duration::from_secs(1);

/// Sets that are remembered: so many are asked for in three hours. Others are asked for when their agent or this
/// server is started.
const MOST: usize = 10_000;

/// Those that wait, by agent and number, and when they are asked for.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    waiting: BTreeMap<(usize, u32), (Mono, DefineSet)>,
    asked_at: Mono,
}

impl Refusals {
    /// Remembers a set that was refused.
    pub(super) fn note(&mut self, set: &DefineSet, now: Mono) {
        let key = (set.slot, set.number);
        if self.waiting.len() >= MOST && !self.waiting.contains_key(&key) {
            return;
        }
        // Any spread will do, and this one is the same each time.
        let spread = u64::from(set.number) ^ (set.slot as u64).wrapping_mul(0x9e37_79b9);
        let later = Duration::from_millis(spread % (millis(AGAIN) / 2));
        self.waiting.insert(key, (now + AGAIN + later, set.clone()));
    }

    /// Returns the set that is due.
    fn next(&mut self, now: Mono) -> Option<DefineSet> {
        let due = self.waiting.iter().filter(|(_, (at, _))| *at <= now);
        let key = *due.min_by_key(|(_, (at, _))| *at)?.0;
        self.waiting.remove(&key).map(|(_, set)| set)
    }
}

impl Intake {
    /// Asks history again for a set that it had no room for.
    pub(super) fn ask_for_refused(&mut self, now: Mono) {
        if now.since(self.refusals.asked_at) < APART {
            return;
        }
        while let Some(set) = self.refusals.next(now) {
            // Its agent may have declared it again meanwhile, or its host be gone.
            let is_refused = self.is_refused(&set);
            if is_refused && self.setup.agents.peek(set.slot).host == Some(set.host) {
                self.refusals.asked_at = now;
                self.frames.define.push(set);
                return;
            }
        }
    }

    /// Returns whether a set is in use and kept nowhere.
    pub(super) fn is_refused(&self, set: &DefineSet) -> bool {
        let known = self.setup.agents.peek(set.slot).set(set.number);
        known.is_some_and(|known| known.catalogue == SetId::KEPT_NOWHERE)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hark_model::HostId;

    use super::*;

    fn set(slot: usize, number: u32) -> DefineSet {
        DefineSet { slot, host: HostId(1), number, series: Arc::from([]) }
    }

    #[test]
    fn each_is_asked_for_once_and_not_all_at_the_same_time() {
        let mut refusals = Refusals::default();
        for number in 0..100 {
            refusals.note(&set(3, number * 7919), Mono(0));
        }
        assert!(refusals.next(Mono(0) + AGAIN - Duration::from_millis(1)).is_none());
        let mut times = Vec::new();
        for second in 0..=millis(AGAIN) * 3 / 2000 {
            while refusals.next(Mono(second * 1000)).is_some() {
                times.push(second);
            }
        }
        assert_eq!(times.len(), 100);
        times.dedup();
        assert!(times.len() > 50, "{times:?}");
    }

    #[test]
    fn a_host_that_goes_through_sets_costs_a_bounded_memory() {
        let mut refusals = Refusals::default();
        for number in 0..50_000 {
            refusals.note(&set(1, number), Mono(u64::from(number)));
        }
        assert_eq!(refusals.waiting.len(), MOST);
    }
}

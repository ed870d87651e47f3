//! Which datagrams wait for the disk, by ticket.

use std::collections::VecDeque;
use std::time::Duration;

use hark_model::time::Mono;

use super::super::messages::Part;
use super::shedding::Fresh;

/// Who is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum To {
    /// The agent, that the datagram with this counter is stored.
    Counter(u64),
    /// Who waits for the answer to a request under this number.
    Asker(u64),
}

impl Samples {
    /// Returns what becomes of them, if there are `any`.
    pub(super) fn of(any: bool, fresh: Fresh) -> Self {
        match fresh {
            _ if !any => Self::None,
            Fresh::Kept => Self::Handed,
            Fresh::Shed => Self::Shed,
        }
    }
}

/// One accepted datagram or request that is to be acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The agent's slot.
    pub(super) slot: usize,
    /// The session it came in; of a request its number.
    pub(super) session: u64,
    /// Who is told.
    pub(super) to: To,
    /// The samples in it.
    pub(super) samples: Samples,
}

/// What becomes of the samples of a datagram or request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Samples {
    /// It holds none.
    None,
    /// It is stored only if history keeps them.
    Handed,
    /// History is not given them: it is not stored, and comes again.
    Shed,
}

/// Tickets that may wait: a minute of a disk that does not answer. Beyond it agents keep what they have.
const MOST_GROUPS: usize = 6_000;

/// Emptied lists kept for the next tickets.
const MOST_SPARE: usize = 64;

#[derive(Debug, Default)]
struct Group {
    ticket: u64,
    closed: Mono,
    state: bool,
    history: Option<bool>,
    entries: Vec<Entry>,
}

/// What waits, oldest ticket first.
#[derive(Debug, Default)]
pub(super) struct Pending {
    open: Vec<Entry>,
    groups: VecDeque<Group>,
    spare: Vec<Vec<Entry>>,
}

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is on the disk.
    Stored,
    /// Its samples could not be kept.
    NotKept,
}

impl Pending {
    /// Adds a datagram to the ticket that is being filled.
    pub(super) fn add(&mut self, entry: Entry) {
        self.open.push(entry);
    }

    /// Returns true if the ticket that is being filled has nothing to acknowledge.
    pub(super) fn is_open_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Closes the ticket that is being filled. `frames` says whether history has a part in it.
    pub(super) fn close(&mut self, ticket: u64, frames: bool, closed: Mono) {
        let mut entries = self.spare.pop().unwrap_or_default();
        std::mem::swap(&mut entries, &mut self.open);
        if self.groups.len() >= MOST_GROUPS {
            // Never acknowledged: it comes again.
            self.groups.pop_front();
        }
        let history = if frames { None } else { Some(true) };
        self.groups.push_back(Group { ticket, closed, state: false, history, entries });
    }

    /// Notes that `part` has done with everything up to `ticket`.
    pub(super) fn done(&mut self, part: Part, ticket: u64) {
        for group in self.groups.iter_mut().take_while(|g| g.ticket <= ticket) {
            match part {
                Part::State => group.state = true,
                Part::History { kept } => {
                    group.history.get_or_insert(kept);
                }
            }
        }
    }

    /// Returns every entry that [`Pending::settle`] will hand out.
    pub(super) fn ready(&self) -> impl Iterator<Item = &Entry> {
        let is_ready = |group: &&Group| group.state && group.history.is_some();
        self.groups.iter().take_while(is_ready).flat_map(|group| &group.entries)
    }

    /// Returns since when the oldest ticket waits.
    pub(super) fn oldest(&self) -> Option<Mono> {
        self.groups.front().map(|group| group.closed)
    }

    /// Hands out every entry whose ticket both parts have done with, and says how long each ticket has waited.
    pub(super) fn settle(
        &mut self,
        now: Mono,
        waited: &mut impl FnMut(Duration),
        mut each: impl FnMut(Entry, Outcome),
    ) {
        while let Some(group) = self.groups.front() {
            let (true, Some(kept)) = (group.state, group.history) else { return };
            waited(now.since(group.closed));
            for entry in &group.entries {
                let lost = match entry.samples {
                    Samples::None => false,
                    Samples::Handed => !kept,
                    Samples::Shed => true,
                };
                each(*entry, if lost { Outcome::NotKept } else { Outcome::Stored });
            }
            if let Some(mut group) = self.groups.pop_front() {
                group.entries.clear();
                if self.spare.len() < MOST_SPARE {
                    self.spare.push(group.entries);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(counter: u64, samples: Samples) -> Entry {
        Entry { slot: 0, session: 1, to: To::Counter(counter), samples }
    }

    fn settled(pending: &mut Pending) -> Vec<(u64, Outcome)> {
        let mut all = Vec::new();
        pending.settle(Mono(9), &mut |_| {}, |entry, outcome| {
            let To::Counter(counter) = entry.to else { panic!("nobody asked") };
            all.push((counter, outcome));
        });
        all
    }

    #[test]
    fn waits_for_both_parts_in_any_order() {
        let mut pending = Pending::default();
        pending.add(entry(1, Samples::Handed));
        pending.close(1, true, Mono(0));
        pending.add(entry(2, Samples::None));
        pending.close(2, false, Mono(0));
        pending.done(Part::State, 2);
        assert_eq!(settled(&mut pending), []);
        pending.done(Part::History { kept: true }, 1);
        assert_eq!(settled(&mut pending), [(1, Outcome::Stored), (2, Outcome::Stored)]);
        assert!(pending.groups.is_empty());
    }

    #[test]
    fn samples_that_history_could_not_keep_are_not_stored_but_reports_are() {
        let mut pending = Pending::default();
        pending.add(entry(1, Samples::Handed));
        pending.add(entry(2, Samples::None));
        pending.close(1, true, Mono(0));
        pending.done(Part::History { kept: false }, 1);
        pending.done(Part::State, 1);
        // History coming back later does not make the past kept.
        pending.done(Part::History { kept: true }, 1);
        assert_eq!(settled(&mut pending), [(1, Outcome::NotKept), (2, Outcome::Stored)]);
    }

    #[test]
    fn what_was_shed_is_not_stored_whatever_history_keeps_and_waiting_is_told() {
        let mut pending = Pending::default();
        pending.add(entry(1, Samples::Shed));
        pending.add(entry(2, Samples::Handed));
        pending.close(1, true, Mono(100));
        pending.close(2, false, Mono(300));
        assert_eq!(pending.oldest(), Some(Mono(100)));
        pending.done(Part::State, 2);
        pending.done(Part::History { kept: true }, 1);
        let (mut waits, mut all) = (Vec::new(), Vec::new());
        pending.settle(Mono(500), &mut |wait| waits.push(wait.as_millis()), |entry, outcome| {
            all.push((entry.to, outcome));
        });
        assert_eq!(waits, [400, 200]);
        let to = To::Counter;
        assert_eq!(all, [(to(1), Outcome::NotKept), (to(2), Outcome::Stored)]);
        assert_eq!(pending.oldest(), None);
    }

    #[test]
    fn a_disk_that_never_answers_costs_a_bounded_memory() {
        let mut pending = Pending::default();
        for ticket in 0..20_000 {
            pending.add(entry(ticket, Samples::None));
            pending.close(ticket, false, Mono(0));
        }
        assert_eq!(pending.groups.len(), MOST_GROUPS);
        pending.done(Part::State, 20_000);
        assert_eq!(settled(&mut pending).len(), MOST_GROUPS);
        assert_eq!(pending.spare.len(), MOST_SPARE);
    }
}

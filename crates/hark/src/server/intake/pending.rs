//! Which datagrams wait for the disk, by ticket.

use std::collections::VecDeque;

use super::super::messages::Part;

/// Who is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum To {
    /// The agent, that the datagram with this counter is stored.
    Counter(u64),
    /// Who waits for the answer to a request under this number.
    Asker(u64),
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
    /// Whether it holds samples: those are stored only if history keeps them.
    pub(super) has_frames: bool,
}

/// Tickets that may wait: a minute of a disk that does not answer. Beyond it agents keep what they have.
const MOST_GROUPS: usize = 6_000;

/// Emptied lists kept for the next tickets.
const MOST_SPARE: usize = 64;

#[derive(Debug, Default)]
struct Group {
    ticket: u64,
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
    pub(super) fn close(&mut self, ticket: u64, frames: bool) {
        let mut entries = self.spare.pop().unwrap_or_default();
        std::mem::swap(&mut entries, &mut self.open);
        if self.groups.len() >= MOST_GROUPS {
            // Never acknowledged: it comes again.
            self.groups.pop_front();
        }
        let history = if frames { None } else { Some(true) };
        self.groups.push_back(Group { ticket, state: false, history, entries });
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

    /// Hands out every entry whose ticket both parts have done with.
    pub(super) fn settle(&mut self, mut each: impl FnMut(Entry, Outcome)) {
        while let Some(group) = self.groups.front() {
            let (true, Some(kept)) = (group.state, group.history) else { return };
            for entry in &group.entries {
                let lost = entry.has_frames && !kept;
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

    fn entry(counter: u64, has_frames: bool) -> Entry {
        Entry { slot: 0, session: 1, to: To::Counter(counter), has_frames }
    }

    fn settled(pending: &mut Pending) -> Vec<(u64, Outcome)> {
        let mut all = Vec::new();
        pending.settle(|entry, outcome| {
            let To::Counter(counter) = entry.to else { panic!("nobody asked") };
            all.push((counter, outcome));
        });
        all
    }

    #[test]
    fn waits_for_both_parts_in_any_order() {
        let mut pending = Pending::default();
        pending.add(entry(1, true));
        pending.close(1, true);
        pending.add(entry(2, false));
        pending.close(2, false);
        pending.done(Part::State, 2);
        assert_eq!(settled(&mut pending), []);
        pending.done(Part::History { kept: true }, 1);
        assert_eq!(settled(&mut pending), [(1, Outcome::Stored), (2, Outcome::Stored)]);
        assert!(pending.groups.is_empty());
    }

    #[test]
    fn samples_that_history_could_not_keep_are_not_stored_but_reports_are() {
        let mut pending = Pending::default();
        pending.add(entry(1, true));
        pending.add(entry(2, false));
        pending.close(1, true);
        pending.done(Part::History { kept: false }, 1);
        pending.done(Part::State, 1);
        // History coming back later does not make the past kept.
        pending.done(Part::History { kept: true }, 1);
        assert_eq!(settled(&mut pending), [(1, Outcome::NotKept), (2, Outcome::Stored)]);
    }

    #[test]
    fn a_disk_that_never_answers_costs_a_bounded_memory() {
        let mut pending = Pending::default();
        for ticket in 0..20_000 {
            pending.add(entry(ticket, false));
            pending.close(ticket, false);
        }
        assert_eq!(pending.groups.len(), MOST_GROUPS);
        pending.done(Part::State, 20_000);
        assert_eq!(settled(&mut pending).len(), MOST_GROUPS);
        assert_eq!(pending.spare.len(), MOST_SPARE);
    }
}

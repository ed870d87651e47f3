//! What a receiver knows of a thing, and how much it was told lately.

use std::collections::VecDeque;

use crate::week::model::{self, Level};

/// So many messages to one receiver in a minute, or so many about hosts in half of one, are a storm.
const STORM: (usize, u64) = (100, 60);
const MASS: (usize, u64) = (5, 30);
/// Kinds of news: an end, a problem, worse, better.
pub(super) const KINDS: usize = 4;
/// What a receiver knows of a thing.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub(super) level: Level,
    /// When it was told last.
    pub(super) at: u64,
    /// When that arrived.
    pub(super) delivered: Option<u64>,
    /// When it was taken, as far as it has heard.
    pub(super) taken: Option<u64>,
    /// Since when it knows that it flaps.
    pub(super) flaps: Option<u64>,
    /// And that it is critical most of the time, which is told once (P6).
    pub(super) paged: bool,
    /// Why it is not told, by what there is to tell (see [`Known::news`]), as the journal has it.
    pub(super) reasons: [Option<&'static str>; KINDS],
    /// The reasons are from before the last start: what changed while the server was away it does not write
    /// down again.
    pub(super) are_old: bool,
    /// What forbade it a second ago, and when that was.
    pub(super) before: (u16, u64),
    /// Since when it should have been told.
    pub(super) owed: Option<u64>,
    /// Since when something forbids it.
    pub(super) kept: Option<u64>,
    /// A summary is waited for until then.
    pub(super) summary_until: u64,
    /// This was noted already.
    pub(super) noted: bool,
}

impl Known {
    /// Returns whether it believes in a problem and has not heard that it was taken then.
    pub(super) fn lacks_taker(&self, taken: Option<u64>) -> bool {
        self.level != 0 && taken.is_some() && self.taken != taken
    }

    /// Returns whether the journal says one of `blocks` of the news of a level, and what it says.
    pub(super) fn is_explained(
        &self,
        level: Level,
        blocks: u16,
        taken: bool,
    ) -> (bool, Option<&'static str>) {
        let is_true = |word: &&str| {
            let bit = model::WORDS.iter().find(|(name, _)| name == word);
            self.are_old || bit.is_none_or(|(_, bit)| blocks & bit != 0)
        };
        let reason = self.reasons[self.news(level)];
        // The same reason is not written down again for who took it.
        let also = taken && self.reasons.iter().flatten().any(is_true);
        (reason.iter().any(is_true) || also, reason)
    }

    /// Returns what kind of news a level is.
    pub(super) fn news(&self, level: Level) -> usize {
        match (self.level, level) {
            (_, 0) => 0,
            (0, _) => 1,
            (told, level) if level > told => 2,
            _ => 3,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Storm {
    pub(super) recent: VecDeque<u64>,
    pub(super) hosts: VecDeque<u64>,
    pub(super) until: u64,
}

impl Storm {
    /// Returns whether there may be a storm.
    pub(super) fn may_be(&mut self, second: u64) -> bool {
        while self.recent.front().is_some_and(|at| *at + STORM.1 < second) {
            self.recent.pop_front();
        }
        while self.hosts.front().is_some_and(|at| *at + MASS.1 < second) {
            self.hosts.pop_front();
        }
        second <= self.until || self.recent.len() >= STORM.0 || self.hosts.len() >= MASS.0
    }
}

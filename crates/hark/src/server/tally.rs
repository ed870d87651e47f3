//! What came in, counted by what became of it.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use hark_proto::Refused;

/// What became of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Authenticated, new, decoded.
    Accepted,
    /// Not, and why.
    Refused(Refused),
    /// An enrolled host spoken for with the shared secret.
    NotEnrolled,
    /// The server already knows as many hosts as it may.
    TooManyHosts,
    /// The server sent it to itself, to know that it is read.
    Own,
}

/// What is given up while more comes than can be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shed {
    /// Nothing.
    Nothing,
    /// Most rounds of samples.
    Resolution,
    /// All samples.
    Metrics,
}

impl Shed {
    const ALL: [Self; 3] = [Self::Nothing, Self::Resolution, Self::Metrics];

    /// Returns the next step.
    pub(crate) fn more(self) -> Self {
        match self {
            Self::Nothing => Self::Resolution,
            Self::Resolution | Self::Metrics => Self::Metrics,
        }
    }

    /// Returns the step before.
    pub(crate) fn less(self) -> Self {
        match self {
            Self::Nothing | Self::Resolution => Self::Nothing,
            Self::Metrics => Self::Resolution,
        }
    }

    /// Returns what is told of it; none when all is well.
    pub(crate) fn words(self) -> Option<&'static str> {
        match self {
            Self::Nothing => None,
            Self::Resolution => Some(
                "more comes than can be kept: samples of each host are kept once a minute, the others wait at the agents",
            ),
            Self::Metrics => {
                Some("more comes than can be kept: no samples are kept, all wait at the agents")
            }
        }
    }

    /// Returns how many steps it is away from nothing.
    pub(crate) fn steps(self) -> u8 {
        self as u8
    }
}

const FATES: usize = 4 + Refused::ALL.len();

impl Fate {
    /// Returns every fate.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        [Self::Accepted, Self::NotEnrolled, Self::TooManyHosts, Self::Own]
            .into_iter()
            .chain(Refused::ALL.into_iter().map(Self::Refused))
    }

    /// Returns the word used in the API.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::NotEnrolled => "not_enrolled",
            Self::TooManyHosts => "too_many_hosts",
            Self::Own => "own",
            Self::Refused(refused) => refused.word(),
        }
    }

    fn place(self) -> usize {
        match self {
            Self::Accepted => 0,
            Self::NotEnrolled => 1,
            Self::TooManyHosts => 2,
            Self::Own => 3,
            Self::Refused(refused) => 4 + refused.index(),
        }
    }
}

/// Counters that one thread writes and others read.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    fates: [AtomicU64; FATES],
    heartbeats: AtomicU64,
    samples: AtomicU64,
    answers: AtomicU64,
    answers_refused: AtomicU64,
    lost: AtomicU64,
    journal_dropped: AtomicU64,
    event_lines_lost: AtomicU64,
    /// The place of what is shed in [`Shed::ALL`].
    sheds: AtomicU8,
    samples_shed: AtomicU64,
}

impl Tally {
    /// Counts one datagram.
    pub(crate) fn count(&self, fate: Fate) {
        self.fates[fate.place()].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts accepted heartbeats and their samples.
    pub(crate) fn heard(&self, heartbeats: u64, samples: u64) {
        self.heartbeats.fetch_add(heartbeats, Ordering::Relaxed);
        self.samples.fetch_add(samples, Ordering::Relaxed);
    }

    /// Counts answers that the system took, and those that it refused to send.
    pub(crate) fn answered(&self, taken: usize, refused: usize) {
        self.answers.fetch_add(taken as u64, Ordering::Relaxed);
        self.answers_refused.fetch_add(refused as u64, Ordering::Relaxed);
    }

    /// Sets how many datagrams the kernel dropped because we were too slow.
    pub(crate) fn lost(&self, total: u64) {
        self.lost.store(total, Ordering::Relaxed);
    }

    /// Sets what is shed from now on.
    pub(crate) fn sheds(&self, shed: Shed) {
        self.sheds.store(shed.steps(), Ordering::Relaxed);
    }

    /// Returns what is shed.
    pub(crate) fn what_is_shed(&self) -> Shed {
        let place = self.sheds.load(Ordering::Relaxed);
        Shed::ALL.get(usize::from(place)).copied().unwrap_or(Shed::Nothing)
    }

    /// Counts samples of a heartbeat that are judged and not kept.
    pub(crate) fn shed(&self, samples: usize) {
        self.samples_shed.fetch_add(samples as u64, Ordering::Relaxed);
    }

    /// Counts a line that the message journal had no room for.
    pub(crate) fn journal_dropped(&self) {
        self.journal_dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a line that the event files had no room for, and returns how many there were.
    pub(crate) fn event_line_lost(&self) -> u64 {
        self.event_lines_lost.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Returns how many datagrams met this fate.
    pub(crate) fn of(&self, fate: Fate) -> u64 {
        self.fates[fate.place()].load(Ordering::Relaxed)
    }

    /// Returns the totals: heartbeats, samples, answers, lost in the kernel, journal lines dropped ...
    pub(crate) fn totals(&self) -> Totals {
        let read = |c: &AtomicU64| c.load(Ordering::Relaxed);
        Totals {
            heartbeats: read(&self.heartbeats),
            samples: read(&self.samples),
            answers: read(&self.answers),
            answers_refused: read(&self.answers_refused),
            lost: read(&self.lost),
            journal_dropped: read(&self.journal_dropped),
            event_lines_lost: read(&self.event_lines_lost),
            samples_shed: read(&self.samples_shed),
        }
    }
}

/// One reading of the totals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Heartbeats accepted.
    pub(crate) heartbeats: u64,
    /// Samples accepted.
    pub(crate) samples: u64,
    /// Answers sent.
    pub(crate) answers: u64,
    /// Answers that the system refused to send.
    pub(crate) answers_refused: u64,
    /// Datagrams dropped by the kernel.
    pub(crate) lost: u64,
    /// Lines that the message journal had no room for.
    pub(crate) journal_dropped: u64,
    /// Lines that the event files had no room for.
    pub(crate) event_lines_lost: u64,
    /// Samples of heartbeats that were judged and not kept.
    pub(crate) samples_shed: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fate_has_its_own_place_and_word() {
        let tally = Tally::default();
        let mut words: Vec<_> = Fate::all().map(Fate::word).collect();
        for fate in Fate::all() {
            tally.count(fate);
        }
        assert!(Fate::all().all(|fate| tally.of(fate) == 1));
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), FATES);
    }
}

//! Why a datagram changes nothing.

use thiserror::Error;

/// Why a datagram was refused. Each reason is counted; none is answered but [`Refused::Stale`],
/// which authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Error)]
pub enum Refused {
    /// Shorter than any datagram of its direction.
    #[error("the datagram is too short")]
    Short,
    /// Longer than [`crate::MAX_DATAGRAM`].
    #[error("the datagram is too long")]
    Long,
    /// The first byte is not that of this protocol and version.
    #[error("the datagram is not of this protocol")]
    Magic,
    /// The kind is unknown, or belongs to the other direction.
    #[error("the datagram is of an unknown kind")]
    Kind,
    /// The clear part is not well-formed: host name, counter zero, session out of range.
    #[error("the datagram's header is malformed")]
    Header,
    /// Nobody has this agent number.
    #[error("the agent is not known")]
    Agent,
    /// The counter was seen before.
    #[error("the datagram was received before")]
    Replayed,
    /// The counter is too far behind the newest to tell.
    #[error("the datagram is too old")]
    Old,
    /// Authentication failed.
    #[error("the datagram does not authenticate")]
    Forged,
    /// Too many datagrams of unknown sessions from an unknown address: not even looked at.
    #[error("the datagram is over the limit of attempts")]
    Limited,
    /// It authenticated, but its session is over: a reset is owed.
    #[error("the datagram's session is over")]
    Stale,
    /// It authenticated, but its content cannot be read.
    #[error("the datagram's content is malformed")]
    Malformed,
}

impl Refused {
    /// Every reason, in the order of [`Refused::index`].
    pub const ALL: [Self; 12] = [
        Self::Short,
        Self::Long,
        Self::Magic,
        Self::Kind,
        Self::Header,
        Self::Agent,
        Self::Replayed,
        Self::Old,
        Self::Forged,
        Self::Limited,
        Self::Stale,
        Self::Malformed,
    ];

    /// Returns the place in [`Refused::ALL`], for a table of counters.
    pub fn index(self) -> usize {
        self as usize
    }

    /// Returns the word used in counters and in the journal.
    pub fn word(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Long => "long",
            Self::Magic => "magic",
            Self::Kind => "kind",
            Self::Header => "header",
            Self::Agent => "agent",
            Self::Replayed => "replayed",
            Self::Old => "old",
            Self::Forged => "forged",
            Self::Limited => "limited",
            Self::Stale => "stale",
            Self::Malformed => "malformed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_have_their_places_and_different_words() {
        for (place, reason) in Refused::ALL.into_iter().enumerate() {
            assert_eq!(reason.index(), place);
        }
        let mut words: Vec<_> = Refused::ALL.iter().map(|r| r.word()).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Refused::ALL.len());
    }
}

//! What an agent did, said at its end.

use crate::sender::Counts;
use crate::spool::Pending;

/// What an agent did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// What was sent and received.
    pub counts: Counts,
    /// What the server does not have yet.
    pub pending: Pending,
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Counts { sent, stored, overdue, .. } = self.counts;
        write!(
            f,
            "the agent has ended: of {sent} datagrams sent the server has stored {stored}, {overdue} \
             were not answered in time; "
        )?;
        match self.pending.samples + self.pending.reports {
            0 => f.write_str("nothing waits for the next start"),
            1 => f.write_str("1 waits on the disk for the next start"),
            n => write!(f, "{n} wait on the disk for the next start"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_agent_did_is_a_sentence() {
        let counts = Counts { sent: 12, stored: 10, overdue: 1, ..Counts::default() };
        let pending = Pending { samples: 1, reports: 1, bytes: 300 };
        assert_eq!(
            Summary { counts, pending }.to_string(),
            "the agent has ended: of 12 datagrams sent the server has stored 10, 1 were not answered \
             in time; 2 wait on the disk for the next start"
        );
    }
}

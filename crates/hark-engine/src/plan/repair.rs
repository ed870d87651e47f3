//! What is ordered at a host when one of its checks, or a limit, is confirmed bad.

use std::time::Duration;

/// An action of the host that may mend what a check calls bad.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepairPlan {
    /// Its name in the host's own list.
    pub action: Box<str>,
    /// How often it is ordered for one incident.
    pub tries: u32,
    /// Time from one try to the next.
    pub wait: Duration,
}

impl RepairPlan {
    /// How often it is ordered for one incident, unless given.
    pub const TRIES: u32 = 3;
    /// Time from one try to the next, unless given.
    pub const WAIT: Duration = Duration::from_mins(1);

    /// Says how often it was tried: in the incident's history and in messages.
    pub(crate) fn tried(&self, tries: u32) -> String {
        format!("{} tried {tries} of {}", self.action, self.tries)
    }
}

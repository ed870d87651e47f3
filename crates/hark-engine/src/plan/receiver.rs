//! Receivers, as far as the engine is concerned: how they are reached, and who steps in for them, is
//! another crate's.

use hark_model::{ReceiverName, Severity};

/// A place where messages go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiverPlan {
    /// Its name.
    pub name: ReceiverName,
    /// Nothing below this is told.
    pub severity: Severity,
    /// Whether it wants to hear that a problem got better but is not over (rule T9).
    pub better: bool,
}

impl ReceiverPlan {
    /// Makes a receiver that is told everything.
    pub fn new(name: ReceiverName) -> Self {
        Self { name, severity: Severity::Info, better: true }
    }
}

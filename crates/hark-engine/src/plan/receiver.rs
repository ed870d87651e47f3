//! Receivers, as far as the engine is concerned: how they are reached, and who steps in for them, is
//! another crate's.

use hark_model::{ReceiverName, Severity};

use super::people::Hours;

/// A place where messages go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiverPlan {
    /// Its name.
    pub name: ReceiverName,
    /// Nothing below this is told.
    pub severity: Severity,
    /// Whether it wants to hear that a problem got better but is not over (rule T9).
    pub better: bool,
    /// Whether it hears that somebody took what it was told of.
    pub acknowledged: bool,
    /// When it is told; without at any time.
    pub hours: Option<Hours>,
}

impl ReceiverPlan {
    /// Makes a receiver that is told everything.
    pub fn new(name: ReceiverName) -> Self {
        Self { name, severity: Severity::Info, better: true, acknowledged: true, hours: None }
    }
}

//! What was brought to whom, for `/metrics`.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use hark_model::Unix;

/// Figures of all receivers.
#[derive(Debug, Default)]
pub(crate) struct Figures(Mutex<BTreeMap<String, OfTarget>>);

/// Figures of one.
#[derive(Clone, Debug, Default)]
pub(crate) struct OfTarget {
    /// Requests that were taken.
    pub(crate) requests: u64,
    /// Samples that were taken.
    pub(crate) samples: u64,
    /// Requests that have to be sent again.
    pub(crate) retries: u64,
    /// Samples that were refused for good.
    pub(crate) refused: u64,
    /// Samples that were refused when they were sent again after an answer was lost.
    pub(crate) repeated: u64,
    /// Samples that were left out because they are older than the receiver takes.
    pub(crate) late: u64,
    /// Samples that were left out because they are of the future.
    pub(crate) ahead: u64,
    /// Segments of the log that were given up before they were read.
    pub(crate) lost_segments: u64,
    /// When the newest sample was taken that was brought.
    pub(crate) newest: Option<Unix>,
}

impl Figures {
    /// Changes those of one.
    pub(super) fn of(&self, name: &str, change: impl FnOnce(&mut OfTarget)) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(all.entry(name.to_owned()).or_default());
    }

    /// Forgets all but these; each of them has figures from now on.
    pub(super) fn only<'n>(&self, names: impl Iterator<Item = &'n str>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut former = std::mem::take(&mut *all);
        *all = names.map(|n| (n.to_owned(), former.remove(n).unwrap_or_default())).collect();
    }

    /// Returns those of all.
    pub(crate) fn all(&self) -> BTreeMap<String, OfTarget> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

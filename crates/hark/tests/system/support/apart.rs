//! Keeps tests apart that disturb one another.
//!
//! A browser gives up what it is loading when the machine's interfaces change (`ERR_NETWORK_CHANGED`), and
//! tests with namespaces make and remove some. Any number of tests of one kind runs at a time, and none of the
//! other kind beside them.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// What a test does that disturbs others, or is disturbed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It has a browser load pages.
    Browses,
    /// It makes interfaces come and go.
    Rewires,
}

/// The kind that is running, and how many of it.
static RUNNING: Mutex<Option<(Kind, usize)>> = Mutex::new(None);
static CHANGED: Condvar = Condvar::new();

/// As long as it lives nothing of the other kind runs.
#[derive(Debug)]
pub(crate) struct Apart;

impl Apart {
    /// Waits until nothing of the other kind runs.
    pub(crate) fn from_others(kind: Kind) -> Self {
        let runs_other = |running: &mut Option<(Kind, usize)>| {
            running.as_ref().is_some_and(|(other, _)| *other != kind)
        };
        let mut running =
            CHANGED.wait_while(running(), runs_other).unwrap_or_else(PoisonError::into_inner);
        running.get_or_insert((kind, 0)).1 += 1;
        Self
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        let mut running = running();
        *running = running.filter(|(_, count)| *count > 1).map(|(kind, count)| (kind, count - 1));
        CHANGED.notify_all();
    }
}

/// A test that failed meanwhile has let go of its own: what is counted is right.
fn running() -> MutexGuard<'static, Option<(Kind, usize)>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

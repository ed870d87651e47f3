//! Waiting for what processes do in their own time, always with an end.

use std::time::Duration;

use hark_model::Clock;
use hark_model::time::Mono;

/// How long between two looks.
const STEP: Duration = Duration::from_millis(50);

/// Looks again and again until `look` finds something, and returns it.
///
/// # Panics
/// If it finds nothing within `limit`.
pub(crate) fn until<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Deadline::after(limit);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(!end.is_over(), "{what}: not within {limit:?}");
        pause(STEP);
    }
}

/// Lets time pass: for showing that nothing more happens.
pub(crate) fn pause(length: Duration) {
    let end = Deadline::after(length);
    // Parking may end early, and this thread may have been unparked before.
    while let Some(left) = end.left() {
        std::thread::park_timeout(left);
    }
}

/// A moment that ends something.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Mono);

impl Deadline {
    /// Returns the moment `length` from now.
    pub(crate) fn after(length: Duration) -> Self {
        Self(Clock.now().mono + length)
    }

    /// Returns how long it is until then; `None` once it is over.
    pub(crate) fn left(self) -> Option<Duration> {
        let left = self.0.since(Clock.now().mono);
        (!left.is_zero()).then_some(left)
    }

    /// Returns whether it is over.
    pub(crate) fn is_over(self) -> bool {
        self.left().is_none()
    }
}

//! Results that are reported only after they came several times in a row.
//!
//! A bad result is held back until `attempts` in a row were bad; nothing is reported meanwhile, so that
//! the check keeps the status it has and never gets a good one that nobody saw. A good result is
//! reported at once.

use hark_model::Status;

/// How often in a row something must be bad.
#[derive(Clone, Copy, Debug)]
pub(super) struct Debounce {
    attempts: u32,
    bad: u32,
}

impl Debounce {
    pub(super) fn new(attempts: u32) -> Self {
        Self { attempts: attempts.max(1), bad: 0 }
    }

    /// Takes in a result; returns true if it is to be reported.
    pub(super) fn take(&mut self, status: Status) -> bool {
        if status == Status::Ok {
            self.bad = 0;
            return true;
        }
        self.bad = self.bad.saturating_add(1);
        self.bad >= self.attempts
    }

    /// Counts from the start again, as after a good result.
    pub(super) fn begin_again(&mut self) {
        self.bad = 0;
    }

    /// Returns true while bad results are held back: it is worth looking again soon.
    pub(super) fn is_held_back(self) -> bool {
        self.bad > 0 && self.bad < self.attempts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_ones_count_from_the_last_good_one() {
        use Status::{Critical, Ok, Unknown, Warning};
        let mut debounce = Debounce::new(3);
        let results = [Warning, Critical, Ok, Unknown, Critical, Warning, Critical, Ok, Warning];
        let told: Vec<bool> = results.iter().map(|status| debounce.take(*status)).collect();
        assert_eq!(told, [false, false, true, false, false, true, true, true, false]);
        assert!(debounce.is_held_back());
        let mut once = Debounce::new(0);
        assert!(once.take(Warning) && !once.is_held_back());
    }
}

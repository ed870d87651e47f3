//! How the last results of a check went, as far as its pace depends on it.

use hark_model::Status;

use crate::schedule::Pace;

/// Good and bad results in a row. The confirming itself is the engine's.
#[derive(Clone, Copy, Debug)]
pub struct Streak {
    attempts: u32,
    clear_attempts: u32,
    bad: u32,
    good: u32,
}

impl Streak {
    /// Begins with a check that was good as long as anybody knows.
    pub fn new(attempts: u32, clear_attempts: u32) -> Self {
        Self { attempts, clear_attempts, bad: 0, good: u32::MAX }
    }

    /// Takes over the counts of before a reload.
    #[must_use]
    pub fn after(self, former: &Self) -> Self {
        Self { bad: former.bad, good: former.good, ..self }
    }

    /// Returns true if it is confirmed bad.
    pub fn is_confirmed_bad(&self) -> bool {
        self.bad >= self.attempts
    }

    /// Counts a result. While it is neither confirmed bad nor confirmed good, the check is looked at
    /// more often.
    pub fn note(&mut self, status: Status) -> Pace {
        if status.is_problem() {
            self.bad = self.bad.saturating_add(1);
            if self.bad < self.attempts { Pace::Retry } else { Pace::Error }
        } else {
            if self.bad > 0 {
                // What was never confirmed bad need not be confirmed good.
                self.good = if self.bad < self.attempts { u32::MAX } else { 0 };
            }
            self.bad = 0;
            self.good = self.good.saturating_add(1);
            if self.good < self.clear_attempts { Pace::Retry } else { Pace::Normal }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_more_often_until_it_is_confirmed() {
        let mut streak = Streak::new(3, 2);
        let bad: Vec<Pace> = (0..4).map(|_| streak.note(Status::Critical)).collect();
        assert_eq!(bad, [Pace::Retry, Pace::Retry, Pace::Error, Pace::Error]);
        assert!(streak.is_confirmed_bad());
        let good: Vec<Pace> = (0..3).map(|_| streak.note(Status::Ok)).collect();
        assert_eq!(good, [Pace::Retry, Pace::Normal, Pace::Normal]);
        assert_eq!(streak.note(Status::Warning), Pace::Retry);
        assert_eq!(streak.note(Status::Ok), Pace::Normal, "it was never confirmed bad");
    }
}

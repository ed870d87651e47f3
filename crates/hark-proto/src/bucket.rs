//! A token bucket in sixteen bytes.

use hark_model::time::Mono;

/// Allows so many things at once and so many a second after that.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    /// Thousandths of a token, so that a slow rate does not round to nothing.
    milli: u32,
    at: Mono,
}

/// How fast and how deep a [`Bucket`] is.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// How many at once.
    pub burst: u32,
    /// How many a second.
    pub per_second: u32,
}

impl Bucket {
    /// Makes a full bucket.
    pub fn full(rate: Rate) -> Self {
        Self { milli: rate.burst.saturating_mul(1000), at: Mono(0) }
    }

    /// Takes one token; false if there is none. A clock that stands still or goes back gives none.
    pub fn take(&mut self, rate: Rate, now: Mono) -> bool {
        let passed = now.0.saturating_sub(self.at.0);
        // One a second is one thousandth a millisecond.
        let gained = passed.saturating_mul(u64::from(rate.per_second));
        let milli = u64::from(self.milli).saturating_add(gained);
        let full = u64::from(rate.burst.saturating_mul(1000));
        self.milli = u32::try_from(milli.min(full)).unwrap_or(u32::MAX);
        self.at = self.at.max(now);
        match self.milli.checked_sub(1000) {
            Some(left) => {
                self.milli = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { burst: 3, per_second: 2 };

    #[test]
    fn gives_the_burst_then_the_rate() {
        let mut bucket = Bucket::full(RATE);
        let given =
            |bucket: &mut Bucket, at| (0..10).filter(|_| bucket.take(RATE, Mono(at))).count();
        assert_eq!(given(&mut bucket, 1000), 3);
        assert_eq!(given(&mut bucket, 1499), 0);
        assert_eq!(given(&mut bucket, 1500), 1);
        assert_eq!(given(&mut bucket, 900_000), 3, "no more than the burst is saved up");
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing() {
        let mut bucket = Bucket::full(RATE);
        while bucket.take(RATE, Mono(5000)) {}
        assert!(!bucket.take(RATE, Mono(0)));
        assert!(!bucket.take(RATE, Mono(5000)));
    }
}

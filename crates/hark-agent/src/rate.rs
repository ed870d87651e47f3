//! Growth of counters per second.

use hark_model::Mono;

/// What is needed to turn a counter into a rate.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rate {
    last: Option<(Mono, u64)>,
}

impl Rate {
    /// Returns the growth per second since the last call. NaN ("absent") at the first call, when no
    /// time has passed, and when the counter went back: it was reset, or wrapped at 32 bits, and
    /// nothing is known of what came between.
    pub(crate) fn next(&mut self, at: Mono, count: u64) -> f64 {
        let Some((then, before)) = self.last.replace((at, count)) else { return f64::NAN };
        let seconds = at.since(then).as_secs_f64();
        if count < before || seconds <= 0.0 {
            return f64::NAN;
        }
        number(count - before) / seconds
    }
}

/// Returns `count` as a number to show or store. Above 2^53 the last digits go; for counters of
/// bytes that is after nine petabytes.
#[expect(clippy::cast_precision_loss, reason = "said above")]
pub(crate) fn number(count: u64) -> f64 {
    count as f64
}

/// Returns `part` of `whole` in percent, 0 to 100; NaN if there is no whole.
pub(crate) fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { f64::NAN } else { (100.0 * number(part) / number(whole)).min(100.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_value_reset_and_standing_clock_are_absent() {
        let mut rate = Rate::default();
        assert!(rate.next(Mono(1000), 500).is_nan());
        assert!((rate.next(Mono(3000), 700) - 100.0).abs() < 1e-9);
        assert!(rate.next(Mono(3000), 800).is_nan());
        assert!(rate.next(Mono(4000), 3).is_nan());
        assert!((rate.next(Mono(5000), 10) - 7.0).abs() < 1e-9);
    }

    #[test]
    fn percent_of_nothing_is_absent() {
        assert!(percent(1, 0).is_nan());
        assert!((percent(1, 4) - 25.0).abs() < 1e-9);
        assert!((percent(5, 4) - 100.0).abs() < 1e-9);
    }
}

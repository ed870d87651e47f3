//! How long looks took lately.

use std::time::Duration;

/// Looks at one check of which it is kept how long they took: a few are enough to tell a slow service from a slow
/// moment, and of ten thousand checks they are less than a megabyte.
const KEPT_LOOKS: usize = 16;

/// How long the newest looks at one check took.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Newest {
    took_us: [u32; KEPT_LOOKS],
    looks: u32,
}

impl Newest {
    /// Notes how long one took.
    pub(super) fn note(&mut self, took: Duration) {
        let place = self.looks as usize % KEPT_LOOKS;
        self.took_us[place] = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
        self.looks = self.looks.wrapping_add(1).max(1);
    }

    /// Returns how long they took in microseconds, in no order.
    pub(super) fn all(&self) -> &[u32] {
        &self.took_us[..KEPT_LOOKS.min(self.looks as usize)]
    }
}

/// Returns what 95 of 100 of these took at most.
pub(super) fn p95(mut took_us: Vec<u32>) -> Option<Duration> {
    let place = (took_us.len() * 95).div_ceil(100).checked_sub(1)?;
    let (_, found, _) = took_us.select_nth_unstable(place);
    Some(Duration::from_micros(u64::from(*found)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_newest_looks_the_slow_ones_are_told() {
        let mut newest = Newest::default();
        assert_eq!(p95(newest.all().to_vec()), None, "nobody has looked");
        newest.note(Duration::from_millis(7));
        assert_eq!(p95(newest.all().to_vec()), Some(Duration::from_millis(7)));
        // What is older than the newest is forgotten.
        newest.note(Duration::from_mins(1));
        for ms in 0..KEPT_LOOKS as u64 {
            newest.note(Duration::from_millis(ms));
        }
        assert_eq!(newest.all().len(), KEPT_LOOKS);
        assert_eq!(p95(newest.all().to_vec()), Some(Duration::from_millis(15)));
        let of_all: Vec<u32> = (1..=100).collect();
        assert_eq!(p95(of_all), Some(Duration::from_micros(95)));
    }
}

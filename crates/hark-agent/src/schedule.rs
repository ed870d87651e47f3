//! When heartbeats are due, and chance.

use std::time::Duration;

use hark_model::time::millis;
use hark_model::{Mono, Now};

use crate::settings::AgentConfig;

/// Due at the same place within each interval, given by the host's name: a thousand agents started
/// by one command do not speak at once. Steps of the wall clock do not move it; after a pause of the
/// machine what was missed is not made up for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    interval: Duration,
    next: Mono,
}

/// What says how often an agent sends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Intervals {
    /// The host's own file, or the command line.
    pub(crate) own: Option<Duration>,
    /// The server, as the agent joined.
    pub(crate) joined: Option<Duration>,
}

impl Intervals {
    /// Returns what holds where the server gives the agent `given` with its settings: the host's own word comes first.
    pub(crate) fn with(self, given: Option<Duration>) -> Duration {
        self.own.or(given).or(self.joined).unwrap_or(AgentConfig::DEFAULT_INTERVAL)
    }
}

/// Between the first look, which makes the base of the rates, and the first heartbeat.
const FIRST_AFTER: Duration = Duration::from_secs(1);

impl Schedule {
    /// Begins at `now`, with the first heartbeat soon, and the others in the phase of `host`.
    pub(crate) fn begin(now: Now, interval: Duration) -> Self {
        Self { interval, next: now.mono + FIRST_AFTER.min(interval) }
    }

    /// Returns when the next heartbeat is due.
    pub(crate) fn next(&self) -> Mono {
        self.next
    }

    /// Returns true if a heartbeat is due, and then sets the next one.
    pub(crate) fn is_due(&mut self, now: Now, host: &str) -> bool {
        if now.mono < self.next {
            return false;
        }
        let interval = millis(self.interval).max(1);
        // Also before 1970, where a clock that was never set may stand.
        let unix =
            now.unix.0.rem_euclid(i64::try_from(interval).unwrap_or(i64::MAX)).cast_unsigned();
        let phase = phase(host) % interval;
        let until = interval - (unix % interval + interval - phase) % interval;
        // At the joint between the first one and the phase, or after a step of the wall clock, the
        // next place may be too near: rates over so short a time are noise.
        let until = if until < interval / 4 { until + interval } else { until };
        self.next = now.mono + Duration::from_millis(until);
        true
    }

    /// Returns the interval.
    pub(crate) fn interval(&self) -> Duration {
        self.interval
    }
}

/// Spreads names evenly (FNV-1a, then mixed): the same for a host at each start.
fn phase(host: &str) -> u64 {
    let fnv = host.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    Chance(fnv).next()
}

/// Numbers that differ between agents (`SplitMix64`). Not for secrets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    /// Returns the next number.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a time from zero to below `longest`.
    pub(crate) fn below(&mut self, longest: Duration) -> Duration {
        Duration::from_millis(self.next() % millis(longest).max(1))
    }
}

#[cfg(test)]
mod tests {
    use hark_model::Unix;

    use super::*;

    const INTERVAL: Duration = Duration::from_secs(10);

    fn at(ms: u64) -> Now {
        Now { mono: Mono(5000 + ms), unix: Unix(1_700_000_000_000 + i64::try_from(ms).unwrap()) }
    }

    /// The times within `until` at which a heartbeat was due, looking each millisecond.
    fn due(host: &str, until: u64) -> Vec<u64> {
        let mut schedule = Schedule::begin(at(0), INTERVAL);
        (0..until).filter(|ms| schedule.is_due(at(*ms), host)).collect()
    }

    #[test]
    fn the_first_is_soon_and_the_others_keep_the_hosts_phase() {
        for host in ["a", "b", "web.example.net", "host-17"] {
            let times = due(host, 100_000);
            assert_eq!(times[0], 1000);
            assert!((2500..12_500).contains(&(times[1] - times[0])), "{host}: {times:?}");
            assert!(times.windows(2).skip(1).all(|w| w[1] - w[0] == 10_000), "{host}: {times:?}");
            let phase = phase(host) % 10_000;
            assert_eq!((1_700_000_000_000 + times[1]) % 10_000, phase);
        }
    }

    #[test]
    fn hosts_are_spread_over_the_interval() {
        let mut tenths = [0; 10];
        for n in 0..1000 {
            let phase = phase(&format!("host-{n}")) % 10_000;
            tenths[usize::try_from(phase / 1000).unwrap()] += 1;
        }
        assert!(tenths.iter().all(|count| (60..150).contains(count)), "{tenths:?}");
    }

    #[test]
    fn after_a_pause_one_heartbeat_is_due_and_not_all_that_were_missed() {
        let mut schedule = Schedule::begin(at(0), INTERVAL);
        assert!(schedule.is_due(at(600_000), "a"));
        assert!(!schedule.is_due(at(600_001), "a"));
        assert!(schedule.next() <= at(600_000 + 12_500).mono);
    }

    #[test]
    fn a_step_of_the_wall_clock_costs_at_most_part_of_an_interval() {
        let mut schedule = Schedule::begin(at(0), INTERVAL);
        assert!(schedule.is_due(at(1000), "a"));
        let mut last = Mono(6000);
        for unix in [1_700_003_600_000_i64, 1_699_913_600_000, 7, 0, -3_333, -5_000_000_000_007] {
            let mono = schedule.next();
            let unix = Unix(unix);
            assert!(schedule.is_due(Now { mono, unix }, "a"));
            let gap = schedule.next().since(mono);
            assert!(gap >= INTERVAL / 4 && gap <= INTERVAL * 5 / 4, "{gap:?}");
            assert!(mono > last);
            last = mono;
        }
    }

    #[test]
    fn a_clock_before_1970_keeps_the_interval() {
        for host in ["a", "b", "web.example.net", "host-17"] {
            let start = -2_000_000_000_007_i64;
            let at = |ms: u64| Now { mono: Mono(ms), unix: Unix(start + ms.cast_signed()) };
            let mut schedule = Schedule::begin(at(0), INTERVAL);
            let times: Vec<u64> =
                (0..100_000).filter(|ms| schedule.is_due(at(*ms), host)).collect();
            assert!(times.windows(2).skip(1).all(|w| w[1] - w[0] == 10_000), "{host}: {times:?}");
        }
    }

    #[test]
    fn the_hosts_own_interval_comes_first_then_the_given_one() {
        let seconds = |n: u64| (n != 0).then(|| Duration::from_secs(n));
        for (own, given, joined, expected) in
            [(2, 20, 7, 2), (2, 0, 7, 2), (0, 20, 7, 20), (0, 0, 7, 7), (0, 0, 0, 30)]
        {
            let intervals = Intervals { own: seconds(own), joined: seconds(joined) };
            let said = (own, given, joined);
            assert_eq!(intervals.with(seconds(given)), Duration::from_secs(expected), "{said:?}");
        }
    }

    #[test]
    fn chance_is_below_its_bound_and_not_always_the_same() {
        let mut chance = Chance(1);
        let found: Vec<_> = (0..100).map(|_| chance.below(Duration::from_secs(1))).collect();
        assert!(found.iter().all(|d| *d < Duration::from_secs(1)));
        assert!(found.iter().any(|d| *d < Duration::from_millis(200)));
        assert!(found.iter().any(|d| *d > Duration::from_millis(800)));
        assert_eq!(chance.below(Duration::ZERO), Duration::ZERO);
    }
}

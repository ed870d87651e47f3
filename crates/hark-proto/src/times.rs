//! Times of an agent's clock, as the server's would have shown them.
//!
//! An agent's wall clock may be wrong by years. hark's own agent puts its times right by what the server
//! tells it (and still says in each datagram what its clock shows); the first ones after a start, and
//! those of other agents, are put right here.

use hark_model::Unix;

/// A clock that is off by less is right: its times stand as they are.
const RIGHT_MS: i64 = 60_000;

/// How old a sample can be that history keeps, and how far ahead of its own clock.
const OLDEST_MS: i64 = 14 * 86_400_000;
const AHEAD_MS: i64 = 86_400_000;

/// Clocks are put right in whole steps of this, so that a sample that comes twice with another delay
/// has the same time.
const STEP_MS: i64 = 10_000;

/// Returns where a sample that was taken `at` belongs in history. `skew_ms` is what the agent's clock is
/// ahead of the server's, `now` the server's.
///
/// A time that history keeps stands, also of a clock that is wrong now: agents that were not told what time
/// it is, and are wrong by hours, have at least their order and their gaps.
pub fn placed(at: Unix, skew_ms: i64, now: Unix) -> Unix {
    let is_plausible =
        |at: i64| (now.0.saturating_sub(OLDEST_MS)..=now.0.saturating_add(AHEAD_MS)).contains(&at);
    if skew_ms.saturating_abs() <= RIGHT_MS || is_plausible(at.0) {
        return at;
    }
    let step = skew_ms.div_euclid(STEP_MS).saturating_mul(STEP_MS);
    let shifted = at.0.saturating_sub(step);
    if is_plausible(shifted) { Unix(shifted) } else { at }
}

/// Returns when fresh values that were taken `at` were taken by the server's clock: what was measured just
/// now is neither old nor of the future because a clock is wrong.
pub fn taken(at: Unix, skew_ms: i64, now: Unix) -> Unix {
    let is_near = at.0.abs_diff(now.0) <= RIGHT_MS.unsigned_abs();
    if skew_ms.saturating_abs() > RIGHT_MS && is_near {
        return at;
    }
    Unix(at.0.saturating_sub(skew_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    const YEAR: i64 = 365 * 86_400_000;
    const NOW: Unix = Unix(1_700_000_000_000);

    fn at(ms: i64) -> Unix {
        Unix(NOW.0 + ms)
    }

    #[test]
    fn times_of_a_clock_that_is_nearly_right_stand() {
        for skew in [-60_000, 0, 60_000] {
            for ms in [skew, -8 * 3_600_000, -20 * 86_400_000] {
                assert_eq!(placed(at(ms), skew, NOW), at(ms));
            }
        }
    }

    #[test]
    fn what_a_clock_wrong_by_years_says_is_placed_where_it_came_and_what_can_be_right_stands() {
        for skew in [-56 * YEAR, -YEAR, YEAR, 13 * YEAR, 90 * YEAR] {
            for ms in [-8 * 3_600_000, -10_000, 0] {
                let placed_at = placed(at(skew + ms), skew, NOW);
                assert!(placed_at.0.abs_diff(at(ms).0) < 10_000, "{skew} {ms}");
                assert_eq!(placed(at(skew + ms), skew + 3, NOW), placed_at, "another delay");
                assert_eq!(placed(at(ms), skew, NOW), at(ms), "the agent had put it right");
            }
            assert_eq!(placed(at(-3 * YEAR), skew, NOW), at(-3 * YEAR), "of neither");
        }
    }

    #[test]
    fn fresh_values_are_fresh_whatever_the_clock_says() {
        for skew in [-56 * YEAR, -40_000, 0, 59_000, 61_000, 90 * YEAR] {
            assert_eq!(taken(at(skew - 300), skew, NOW), at(-300));
        }
        assert_eq!(taken(at(-300), YEAR, NOW), at(-300), "the agent had put it right");
    }
}

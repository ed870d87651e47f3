//! How far a series has gone before it came back by itself.
//!
//! A log that is rotated at midnight, a spool that is emptied on Sundays, a cache that is trimmed: seen over a few
//! hours each of them grows steadily and will be full soon, and never is. What has come back from this height
//! more than once is expected to do so again. Once is not enough: that may have been somebody who made room.

use std::collections::VecDeque;
use std::time::Duration;

use hark_model::Unix;

use crate::trend::Toward;

/// Each point is the most and the least of so long.
const STEP_MS: i64 = 3 * 3_600_000;

/// So many points are kept: eight days, in which a day comes back often, and a week once.
const POINTS: usize = 64;

/// It must have come back so often.
const LEAST_TIMES: usize = 2;

/// The extremes of the last eight days.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Teeth {
    /// Which three hours since 1970, the least and the most.
    points: VecDeque<(u32, f32, f32)>,
}

impl Teeth {
    /// How far back they reach.
    pub const REACH: Duration = Duration::from_hours(192);

    /// Takes a value; one that is older than the newest three hours is left out.
    pub fn push(&mut self, at: Unix, value: f64) {
        let place = u32::try_from(at.0.div_euclid(STEP_MS)).unwrap_or(0);
        // Seven digits are enough to know whether a height has been reached before.
        #[expect(clippy::cast_possible_truncation, reason = "see above")]
        let value = value as f32;
        match self.points.back_mut() {
            Some((known, least, most)) if *known == place => {
                *least = least.min(value);
                *most = most.max(value);
            }
            Some((known, _, _)) if *known > place => {}
            _ => self.points.push_back((place, value, value)),
        }
        while self.points.len() > POINTS {
            self.points.pop_front();
        }
    }

    /// Puts in front what history has of the time before, oldest first: when, the least and the most.
    pub fn recall(&mut self, past: &[(Unix, f64, f64)]) {
        let here = std::mem::take(&mut self.points);
        let first = here.front().map_or(u32::MAX, |(place, _, _)| *place);
        for (at, least, most) in past {
            if u32::try_from(at.0.div_euclid(STEP_MS)).is_ok_and(|place| place <= first) {
                self.push(*at, *least);
                self.push(*at, *most);
            }
        }
        for (place, least, most) in here {
            let at = Unix(i64::from(place) * STEP_MS);
            self.push(at, f64::from(least));
            self.push(at, f64::from(most));
        }
    }

    /// Returns how often the series has gone at least as far as `newest` and has come back from there by at
    /// least `left` (what is left until it is full), and from where; `None` if not often enough.
    pub fn came_back(&self, newest: f64, left: f64, toward: Toward) -> Option<(usize, f64)> {
        let sign = toward.sign();
        // As if it always grew.
        let heights = self.points.iter().map(|(_, least, most)| match toward {
            Toward::Up(_) => (f64::from(*least), f64::from(*most)),
            Toward::Down(_) => (-f64::from(*most), -f64::from(*least)),
        });
        let newest = newest * sign;
        let mut peaks: Vec<f64> = Vec::new();
        let mut peak = f64::NEG_INFINITY;
        for (least, most) in heights {
            if peak >= newest && least <= peak - left {
                // The most of these three hours may be from before it came back: it is the same peak.
                peaks.push(peak);
                peak = f64::NEG_INFINITY;
            } else {
                peak = peak.max(most);
            }
        }
        peaks.sort_unstable_by(|a, b| b.total_cmp(a));
        let from = peaks.get(LEAST_TIMES - 1)?;
        Some((peaks.len(), from * sign))
    }
}

#[cfg(test)]
#[expect(clippy::cast_precision_loss, reason = "small numbers of a test")]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    /// Feeds a value for each hour.
    fn fed(values: impl Iterator<Item = f64>) -> Teeth {
        let mut teeth = Teeth::default();
        for (hour, value) in (0..).zip(values) {
            teeth.push(Unix(hour * HOUR), value);
        }
        teeth
    }

    /// From 45 to 95 within a day, and back at midnight.
    fn daily(hour: usize) -> f64 {
        45.0 + 50.0 * (hour % 24) as f64 / 23.0
    }

    #[test]
    fn a_sawtooth_has_come_back_each_day() {
        let teeth = fed((0..24 * 5 + 20).map(daily));
        let (times, from) = teeth.came_back(86.0, 14.0, Toward::Up(100.0)).unwrap();
        assert_eq!((times, from), (5, 95.0));
        // Higher than ever: that is new.
        assert_eq!(teeth.came_back(96.0, 4.0, Toward::Up(100.0)), None);
        // It never came back by so much.
        assert_eq!(teeth.came_back(40.0, 60.0, Toward::Up(100.0)), None);
    }

    #[test]
    fn somebody_who_made_room_once_is_no_habit() {
        let up = (0..80).map(|hour| f64::from(hour) + 10.0);
        let teeth = fed(up.clone().chain(up.take(60)));
        assert_eq!(teeth.came_back(70.0, 20.0, Toward::Up(90.0)), None);
    }

    #[test]
    fn what_runs_dry_is_the_same_upside_down() {
        let teeth = fed((0..24 * 4).map(|hour| 100.0 - daily(hour)));
        let (times, from) = teeth.came_back(10.0, 10.0, Toward::Down(0.0)).unwrap();
        assert_eq!((times, from), (3, 5.0));
        assert_eq!(teeth.came_back(4.0, 4.0, Toward::Down(0.0)), None);
    }

    #[test]
    fn history_comes_in_front_and_eight_days_are_kept() {
        let whole = fed((0..24 * 12).map(daily));
        let mut late = Teeth::default();
        let hours = || (0..).map(|hour: i64| Unix(hour * HOUR)).zip((0..24 * 12).map(daily));
        for (at, value) in hours().skip(24 * 11) {
            late.push(at, value);
        }
        let past: Vec<_> =
            hours().take(24 * 11 + 2).map(|(at, value)| (at, value, value)).collect();
        late.recall(&past);
        assert_eq!(late, whole);
        assert_eq!(whole.points.len(), POINTS);
        assert_eq!(Teeth::REACH.as_millis(), u128::try_from(STEP_MS).unwrap() * POINTS as u128);
    }
}

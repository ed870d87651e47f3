//! What is usual at an hour, from the same hour of earlier weeks.
//!
//! The middle is a median, so that a holiday or an outage is one week out of several and moves nothing. How
//! far values usually are from it is learnt from that hour and its two neighbours together: from four or five
//! weeks of one hour alone it would now and then come out as nothing, and everything would be unusual.

use crate::stats::{NORMAL, median};

/// Hours of a week.
const WEEK: usize = 168;

/// Hours of a day.
const DAY: usize = 24;

/// An hour of fewer weeks says nothing.
pub const LEAST_WEEKS: usize = 3;

/// What comes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Season {
    /// Each hour of the week is as that of the weeks before.
    #[default]
    Week,
    /// Each hour of the day is as that of the days before, whatever day of the week it is.
    Day,
}

impl Season {
    /// Every one, with its word.
    pub const WORDS: [(&'static str, Self); 2] = [("week", Self::Week), ("day", Self::Day)];

    fn hours(self) -> usize {
        match self {
            Self::Week => WEEK,
            Self::Day => DAY,
        }
    }
}

/// What is usual at an hour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Band {
    /// The middle.
    pub middle: f64,
    /// How far values usually are from it, as a standard deviation; 0 of what never moved.
    pub spread: f64,
    /// From so many earlier hours: weeks, or days.
    pub of: usize,
}

/// Returns what is usual at each hour of the season, from the means of earlier hours: of each the hour of the
/// week (0 to 167, Monday's first hour is 0) by the clock on the wall, and the mean. `least` is how many earlier
/// ones an hour needs to say something.
///
/// An hour that a change of the clocks leaves out or doubles is one week with none or two of it.
pub fn bands(
    means: impl Iterator<Item = (usize, f64)>,
    season: Season,
    least: usize,
) -> Vec<Option<Band>> {
    let hours = season.hours();
    let mut of_hour: Vec<Vec<f64>> = vec![Vec::new(); hours];
    for (hour, mean) in means.filter(|(_, mean)| mean.is_finite()) {
        if let Some(values) = of_hour.get_mut(hour % hours) {
            values.push(mean);
        }
    }
    let middles: Vec<Option<f64>> = of_hour.iter_mut().map(|values| median(values)).collect();
    let away: Vec<Vec<f64>> = of_hour
        .iter()
        .zip(&middles)
        .map(|(values, middle)| {
            // The middle of n values lies nearer to each of them than what it stands for does.
            let mended = mended(values.len());
            let middle = middle.unwrap_or_default();
            values.iter().map(|value| (value - middle).abs() * mended).collect()
        })
        .collect();
    (0..hours)
        .map(|hour| {
            let of = of_hour[hour].len();
            if of < least.max(1) {
                return None;
            }
            let near = [(hour + hours - 1) % hours, hour, (hour + 1) % hours];
            let mut away: Vec<f64> = near.iter().flat_map(|hour| away[*hour].clone()).collect();
            let spread = median(&mut away)? * NORMAL;
            Some(Band { middle: middles[hour]?, spread, of })
        })
        .collect()
}

#[expect(clippy::cast_precision_loss, reason = "a handful of weeks")]
fn mended(n: usize) -> f64 {
    if n < 2 { 1.0 } else { (n as f64 / (n as f64 - 1.0)).sqrt() }
}

#[cfg(test)]
#[expect(clippy::cast_precision_loss, reason = "small numbers of a test")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Means of so many weeks; `value` gives that of a week and an hour.
    fn weeks(n: usize, value: impl Fn(usize, usize) -> f64) -> Vec<(usize, f64)> {
        let all = (0..n).flat_map(|week| (0..WEEK).map(move |hour| (week, hour)));
        all.map(|(week, hour)| (hour, value(week, hour))).collect()
    }

    #[test]
    fn the_middle_and_the_spread_are_those_of_the_hour() {
        // Each hour 1, 2, 3, 4, 5 over the weeks: the middle is 3; away from it are 2 1 0 1 2 in each of the
        // three hours, whose median is 1, mended by the root of 5/4.
        let found = bands(weeks(5, |week, _| week as f64 + 1.0).into_iter(), Season::Week, 3);
        let expected = 1.4826 * (5.0_f64 / 4.0).sqrt();
        for band in found {
            let band = band.unwrap();
            assert_eq!((band.middle, band.of), (3.0, 5));
            assert!((band.spread - expected).abs() < 1e-12, "{band:?}");
        }
    }

    #[test]
    fn a_holiday_moves_nothing() {
        let usual = |week: usize, hour: usize| 50.0 + (hour % 24) as f64 + (week % 2) as f64;
        let free = |week, hour| if week == 2 { 0.0 } else { usual(week, hour) };
        let with = bands(weeks(6, free).into_iter(), Season::Week, 3);
        for (hour, band) in with.into_iter().enumerate() {
            let band = band.unwrap();
            assert!((band.middle - usual(0, hour)).abs() <= 1.0, "{hour}: {band:?}");
            assert!(band.spread < 2.0, "{hour}: {band:?}");
        }
    }

    #[test]
    fn too_few_weeks_say_nothing() {
        let found = bands(weeks(2, |_, _| 1.0).into_iter(), Season::Week, LEAST_WEEKS);
        assert!(found.iter().all(Option::is_none));
        // Of days there are fourteen in two weeks.
        let found = bands(weeks(2, |_, _| 1.0).into_iter(), Season::Day, LEAST_WEEKS);
        assert!(found.iter().all(|band| band.unwrap().of == 14));
        assert_eq!(found.len(), DAY);
        assert!(bands(std::iter::empty(), Season::Week, 0).iter().all(Option::is_none));
    }

    #[test]
    fn nights_are_not_as_loud_as_days() {
        let value = |week: usize, hour: usize| {
            let loud = if (8..20).contains(&(hour % 24)) { 10.0 } else { 0.5 };
            loud * ((week * 7 + hour * 3) % 5) as f64
        };
        let found = bands(weeks(8, value).into_iter(), Season::Week, 3);
        let spread = |hour: usize| found[hour].unwrap().spread;
        assert!(spread(14) > 5.0 * spread(2), "{} {}", spread(14), spread(2));
    }

    #[test]
    fn a_doubled_hour_is_one_more_and_a_skipped_one_is_one_less() {
        let mut means = weeks(5, |_, _| 7.0);
        means.push((WEEK - 22, 7.0));
        means.remove(3);
        let found = bands(means.into_iter(), Season::Week, 3);
        assert_eq!(found[WEEK - 22].unwrap().of, 6);
        assert_eq!(found[3].unwrap().of, 4);
    }

    proptest! {
        /// A week of anything among seven usual ones is not seen in the middle, and the band stays around what is
        /// usual.
        #[test]
        fn bands_hold_what_is_usual(
            wild in prop::collection::vec(-1e9f64..1e9, WEEK),
            noise in prop::collection::vec(-1.0f64..1.0, WEEK * 7),
        ) {
            let value = |week: usize, hour: usize| {
                if week == 3 { wild[hour] } else { 100.0 + noise[week * WEEK + hour] }
            };
            for band in bands(weeks(7, value).into_iter(), Season::Week, 3) {
                let band = band.unwrap();
                prop_assert!((99.0..=101.0).contains(&band.middle), "{:?}", band);
                prop_assert!(band.spread < 4.0, "{:?}", band);
            }
        }
    }
}

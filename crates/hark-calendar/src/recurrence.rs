//! When something is to happen the next time.
//!
//! Patterns of cron are read and followed by the crate `croner`. Where the clocks are put forward, what
//! would be in the missing hour is at the next minute that there is; where they are put back, what is in
//! the doubled hour is once, the first time. What is each minute or hour goes on through both.

use std::fmt;
use std::time::Duration;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use hark_model::Unix;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use thiserror::Error;

use crate::parse::zone_of;

/// Longest pattern: each field has at most 60 numbers.
const MAX_PATTERN: usize = 256;

/// From here it is tried whether a pattern is ever met: any moment is as good, a leap year comes soon.
const TRIED_FROM: Unix = Unix(1_700_000_000_000);

/// Why a text says nothing about when.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RecurrenceError {
    /// It is no pattern of cron.
    #[error(
        "`{0}` is no pattern of cron: write minute, hour, day, month and weekday, as in `0 3 * * mon-fri`"
    )]
    Pattern(String),
    /// No day is as it says.
    #[error("`{0}` is never: no day is like that")]
    Never(String),
    /// The time zone is unknown.
    #[error("`{0}` is no time zone: write one as `Europe/Berlin` or `UTC`")]
    Zone(String),
}

/// When something is to happen the next time.
#[derive(Clone, Debug)]
pub struct Recurrence(Kind);

#[derive(Clone, Debug)]
enum Kind {
    After(Duration),
    Cron { pattern: String, cron: Box<Cron>, zone: TimeZone },
}

impl Recurrence {
    /// Returns one that is this long after the last time.
    pub fn after(length: Duration) -> Self {
        Self(Kind::After(length))
    }

    /// Reads a pattern of five fields, such as `0 3 * * mon-fri` or `@daily`, in a time zone; without
    /// one, in the system's.
    ///
    /// # Errors
    /// What is wrong, in words for the person who wrote it.
    pub fn cron(text: &str, zone: Option<&str>) -> Result<Self, RecurrenceError> {
        let wrong = || RecurrenceError::Pattern(text.to_owned());
        if text.len() > MAX_PATTERN {
            return Err(wrong());
        }
        let parser =
            CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron = Box::new(parser.parse(text).map_err(|_| wrong())?);
        let zone = zone_of(zone)
            .map_err(|_| RecurrenceError::Zone(zone.unwrap_or_default().to_owned()))?;
        let pattern = text.trim().to_owned();
        let found = Self(Kind::Cron { pattern, cron, zone });
        match found.next_after(TRIED_FROM) {
            Some(_) => Ok(found),
            None => Err(RecurrenceError::Never(text.to_owned())),
        }
    }

    /// Returns the first time after `at`; `None` beyond the end of the calendar.
    pub fn next_after(&self, at: Unix) -> Option<Unix> {
        match &self.0 {
            Kind::After(length) => Some(at + *length),
            Kind::Cron { cron, zone, .. } => {
                let at = Timestamp::from_millisecond(at.0).ok()?.to_zoned(zone.clone());
                let next = cron.find_next_occurrence(&at, false).ok()?;
                Some(Unix(next.timestamp().as_millisecond()))
            }
        }
    }
}

impl PartialEq for Recurrence {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Kind::After(one), Kind::After(two)) => one == two,
            (
                Kind::Cron { pattern: one, zone: here, .. },
                Kind::Cron { pattern: two, zone: there, .. },
            ) => one == two && here == there,
            (Kind::After(_), Kind::Cron { .. }) | (Kind::Cron { .. }, Kind::After(_)) => false,
        }
    }
}

/// Writes it as people do: `every 1d`, `0 3 * * * Europe/Berlin`.
impl fmt::Display for Recurrence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::After(length) => write!(f, "every {}", hark_config::duration::format(*length)),
            Kind::Cron { pattern, zone, .. } => match zone.iana_name() {
                Some(zone) => write!(f, "{pattern} {zone}"),
                None => f.write_str(pattern),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unix(text: &str) -> Unix {
        Unix(text.parse::<Timestamp>().unwrap().as_millisecond())
    }

    /// Returns the times from `from` on.
    fn times(pattern: &str, zone: &str, from: &str, count: usize) -> Vec<String> {
        let recurrence = Recurrence::cron(pattern, Some(zone)).unwrap();
        let mut at = unix(from);
        let mut found = Vec::new();
        for _ in 0..count {
            at = recurrence.next_after(at).unwrap();
            found.push(Timestamp::from_millisecond(at.0).unwrap().to_string());
        }
        found
    }

    #[test]
    fn a_pattern_is_followed_in_its_time_zone() {
        assert_eq!(
            times("0 3 * * *", "Europe/Berlin", "2026-01-01T12:00:00Z", 2),
            ["2026-01-02T02:00:00Z", "2026-01-03T02:00:00Z"]
        );
        assert_eq!(
            times("30 8 * * mon-fri", "UTC", "2026-11-20T09:00:00Z", 2),
            ["2026-11-23T08:30:00Z", "2026-11-24T08:30:00Z"]
        );
        assert_eq!(times("@monthly", "UTC", "2026-11-20T09:00:00Z", 1), ["2026-12-01T00:00:00Z"]);
        assert_eq!(times("0 0 29 2 *", "UTC", "2026-03-01T00:00:00Z", 1), ["2028-02-29T00:00:00Z"]);
    }

    #[test]
    fn what_is_in_the_missing_hour_is_right_after_it() {
        // On 2026-03-29 Berlin goes from 02:00 to 03:00, New York on 2026-03-08.
        assert_eq!(
            times("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z", 3),
            ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]
        );
        assert_eq!(
            times("30 2 * * *", "America/New_York", "2026-03-08T00:00:00Z", 2),
            ["2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"]
        );
    }

    #[test]
    fn what_is_in_the_doubled_hour_is_once() {
        // On 2026-10-25 Berlin goes from 03:00 back to 02:00.
        assert_eq!(
            times("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2),
            ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
        );
        assert_eq!(
            times("15 1 * * *", "America/New_York", "2026-11-01T00:00:00Z", 2),
            ["2026-11-01T05:15:00Z", "2026-11-02T06:15:00Z"]
        );
        // Each hour goes on: an hour is an hour.
        assert_eq!(
            times("0 * * * *", "Europe/Berlin", "2026-10-24T23:30:00Z", 4),
            [
                "2026-10-25T00:00:00Z",
                "2026-10-25T01:00:00Z",
                "2026-10-25T02:00:00Z",
                "2026-10-25T03:00:00Z"
            ]
        );
    }

    #[test]
    fn what_cannot_be_is_refused_with_the_way_out() {
        let refused = |text: &str, zone| Recurrence::cron(text, zone).unwrap_err().to_string();
        for wrong in ["", "3", "* * * *", "61 * * * *", "0 0 3 * * *", "a b c d e"] {
            assert!(refused(wrong, None).contains("is no pattern of cron"), "{wrong}");
        }
        assert!(refused(&"1,".repeat(200), None).contains("is no pattern of cron"));
        assert!(refused("0 0 30 2 *", None).contains("is never"));
        assert!(refused("0 0 * * *", Some("Europe/Brelin")).contains("is no time zone"));
    }

    #[test]
    fn a_length_counts_from_the_last_time_and_both_read_as_words() {
        let daily = Recurrence::after(Duration::from_hours(24));
        assert_eq!(daily.next_after(Unix(5)), Some(Unix(86_400_005)));
        assert_eq!(daily.to_string(), "every 1d");
        let cron = Recurrence::cron(" 0 3 * * * ", Some("Europe/Berlin")).unwrap();
        assert_eq!(cron.to_string(), "0 3 * * * Europe/Berlin");
        assert_ne!(cron, daily);
        assert_eq!(cron, Recurrence::cron("0 3 * * *", Some("Europe/Berlin")).unwrap());
    }
}

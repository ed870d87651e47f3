//! Spans of time as people write them: `30s`, `5m`, `1h30m`, `2d`.

use std::time::Duration;

use thiserror::Error;

/// The longest span of time that is taken: a century. Longer ones are slips of the finger, and
/// deadlines computed from them could overflow.
pub const MAX: Duration = Duration::from_hours(100 * 365 * 24);

/// What a number without a unit means. The seeds' keys each have their own unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bare {
    /// It is milliseconds.
    Milliseconds,
    /// It is seconds.
    Seconds,
    /// It is minutes.
    Minutes,
    /// It is hours.
    Hours,
    /// It is days.
    Days,
    /// It is an error: the unit must be written.
    Refused,
}

/// Why a text is not a span of time.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DurationError {
    /// There is no text.
    #[error("a duration is expected, such as 30s, 5m, 1h30m or 2d")]
    Empty,
    /// It does not begin with a number, or a unit has none before it.
    #[error("`{0}` is not a duration: write a number and a unit, such as 30s, 5m, 1h30m or 2d")]
    NotNumber(String),
    /// The unit is unknown.
    #[error("`{0}` is not a unit of time: use ms, s, m, h, d or w")]
    Unit(String),
    /// A number without a unit where that is not allowed.
    #[error("`{0}` has no unit: write {0}s for seconds, {0}m for minutes, {0}h for hours")]
    NoUnit(String),
    /// It is longer than [`MAX`].
    #[error("`{0}` is longer than 100 years")]
    TooLong(String),
}

/// Reads a span of time.
///
/// # Errors
/// If `text` is not one; the error says why in words for the person who wrote it.
pub fn parse(text: &str, bare: Bare) -> Result<Duration, DurationError> {
    let whole = text.trim();
    if whole.is_empty() {
        return Err(DurationError::Empty);
    }
    let mut rest = whole;
    let mut total = 0.0;
    while !rest.is_empty() {
        let (number, after) = split(rest, |c| c.is_ascii_digit() || c == '.');
        let (unit, after) = split(after.trim_start(), char::is_alphabetic);
        let number: f64 = number.parse().map_err(|_| DurationError::NotNumber(whole.to_owned()))?;
        total += number * seconds_in(unit, bare, whole)?;
        // A number alone must be all there is: `1 30s` is not 31 seconds.
        if unit.is_empty() && number_only(whole).is_none() {
            return Err(DurationError::NotNumber(whole.to_owned()));
        }
        rest = after.trim_start();
    }
    let too_long = || DurationError::TooLong(whole.to_owned());
    let duration = Duration::try_from_secs_f64(total).map_err(|_| too_long())?;
    if duration > MAX { Err(too_long()) } else { Ok(round_to_millis(duration)) }
}

/// Returns the shortest text that [`parse`] reads back as the same whole milliseconds.
pub fn format(duration: Duration) -> String {
    const UNITS: [(&str, u128); 5] =
        [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
    let mut millis = duration.as_millis();
    let mut text = String::new();
    for (unit, size) in UNITS {
        let count = millis / size;
        millis %= size;
        if count > 0 {
            text.push_str(&count.to_string());
            text.push_str(unit);
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

fn seconds_in(unit: &str, bare: Bare, whole: &str) -> Result<f64, DurationError> {
    let seconds = match unit.to_ascii_lowercase().as_str() {
        "ms" | "millisecond" | "milliseconds" => 0.001,
        "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
        "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
        "h" | "hour" | "hours" => 3600.0,
        "d" | "day" | "days" => 86_400.0,
        "w" | "week" | "weeks" => 604_800.0,
        "" => match bare {
            Bare::Milliseconds => 0.001,
            Bare::Seconds => 1.0,
            Bare::Minutes => 60.0,
            Bare::Hours => 3600.0,
            Bare::Days => 86_400.0,
            Bare::Refused => return Err(DurationError::NoUnit(whole.to_owned())),
        },
        _ => return Err(DurationError::Unit(unit.to_owned())),
    };
    Ok(seconds)
}

fn number_only(text: &str) -> Option<&str> {
    text.chars().all(|c| c.is_ascii_digit() || c == '.').then_some(text)
}

fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c| !belongs(c)).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

fn round_to_millis(duration: Duration) -> Duration {
    let millis = (duration.as_nanos() + 500_000) / 1_000_000;
    Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected_millis: u64) {
        assert_eq!(
            parse(text, Bare::Seconds),
            Ok(Duration::from_millis(expected_millis)),
            "{text}"
        );
    }

    #[test]
    fn reads_what_people_write() {
        check("30s", 30_000);
        check("5m", 300_000);
        check("1h30m", 5_400_000);
        check("1h 30m", 5_400_000);
        check("2d", 172_800_000);
        check("1w", 604_800_000);
        check("250ms", 250);
        check("1.5 hours", 5_400_000);
        check("0", 0);
        check("10", 10_000);
        check("0.1", 100);
        check(" 5 min ", 300_000);
    }

    #[test]
    fn a_bare_number_has_the_unit_the_key_says() {
        assert_eq!(parse("5", Bare::Minutes), Ok(Duration::from_mins(5)));
        assert_eq!(parse("5", Bare::Milliseconds), Ok(Duration::from_millis(5)));
        assert_eq!(parse("5", Bare::Refused), Err(DurationError::NoUnit("5".into())));
    }

    #[test]
    fn says_what_is_wrong() {
        let error = |text| parse(text, Bare::Seconds).unwrap_err().to_string();
        assert_eq!(error("5x"), "`x` is not a unit of time: use ms, s, m, h, d or w");
        assert_eq!(
            error("soon"),
            "`soon` is not a duration: write a number and a unit, such as 30s, 5m, 1h30m or 2d"
        );
        assert_eq!(error("1 30s").split(':').next(), Some("`1 30s` is not a duration"));
        assert_eq!(error("-5s").split(':').next(), Some("`-5s` is not a duration"));
        assert_eq!(error("1..5s").split(':').next(), Some("`1..5s` is not a duration"));
        assert_eq!(error("9999999d"), "`9999999d` is longer than 100 years");
        assert_eq!(error(""), "a duration is expected, such as 30s, 5m, 1h30m or 2d");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".*") {
            let _read = parse(&text, Bare::Seconds);
        }

        #[test]
        fn what_is_written_is_read_back(millis in 0_u64..3_000_000_000_000) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse(&format(duration), Bare::Refused), Ok(duration));
        }
    }
}

//! Times and amounts as they stand in sentences about what is derived from a series.

use hark_model::time::civil;
use hark_model::{Unit, Unix};

/// Returns a number of seconds as `50 s`, `20 min`, `3 h 20 min`, `2 days 4 h`.
pub(crate) fn lasting(seconds: f64) -> String {
    if !seconds.is_finite() {
        return "no time that can be told".to_owned();
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "rounded, and a number of seconds that is too large is told as the largest"
    )]
    let seconds = seconds.round().max(0.0) as u64;
    let with = |large: u64, word: &str, small: u64, its: &str| {
        if small == 0 { format!("{large} {word}") } else { format!("{large} {word} {small} {its}") }
    };
    match seconds {
        0..=119 if !seconds.is_multiple_of(60) || seconds == 0 => format!("{seconds} s"),
        0..=3_599 => format!("{} min", (seconds + 30) / 60),
        3_600..=172_799 => {
            let minutes = (seconds + 30) / 60;
            with(minutes / 60, "h", minutes % 60, "min")
        }
        _ => {
            let hours = (seconds + 1800) / 3600;
            with(hours / 24, "days", hours % 24, "h")
        }
    }
}

/// Returns an amount with its unit, bytes in the largest unit in which they are at least one.
pub(crate) fn amount(value: f64, unit: Unit) -> String {
    let scaled = |sign: &str| {
        let mut value = value;
        let mut steps = ["", "Ki", "Mi", "Gi", "Ti", "Pi"].into_iter();
        let mut prefix = steps.next().unwrap_or_default();
        while value.abs() >= 1024.0 {
            let Some(next) = steps.next() else { break };
            prefix = next;
            value /= 1024.0;
        }
        format!("{} {prefix}{sign}", short(value))
    };
    match unit {
        Unit::Bytes => scaled("B"),
        Unit::BytesPerSecond => scaled("B/s"),
        Unit::None
        | Unit::Percent
        | Unit::Mebibytes
        | Unit::Gibibytes
        | Unit::Seconds
        | Unit::Milliseconds
        | Unit::PerSecond
        | Unit::Megahertz
        | Unit::Celsius => match unit.sign() {
            "" => short(value),
            sign => format!("{} {sign}", short(value)),
        },
    }
}

/// Returns a number with as many decimals as an estimate has: three digits, at least one decimal.
pub(crate) fn short(value: f64) -> String {
    let size = value.abs();
    if size >= 10.0 {
        format!("{value:.1}")
    } else if size >= 1.0 {
        hark_model::sample::show((value * 100.0).round() / 100.0)
    } else {
        hark_model::sample::show(value)
    }
}

/// Returns a moment as people say it: `Sunday 04:10 UTC`, with the date where it is not within six days.
pub(crate) fn weekday(at: Unix, now: Unix) -> String {
    const DAYS: [&str; 7] =
        ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];
    let days = at.seconds().div_euclid(86_400);
    let second = at.seconds().rem_euclid(86_400);
    let clock = format!("{:02}:{:02} UTC", second / 3600, second / 60 % 60);
    let day = usize::try_from(days.rem_euclid(7)).unwrap_or(0);
    if at.since(now).as_secs() < 6 * 86_400 {
        format!("{} {clock}", DAYS[day])
    } else {
        let (year, month, day) = civil(days);
        format!("{year:04}-{month:02}-{day:02} {clock}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_that_people_say() {
        for (seconds, expected) in [
            (0.0, "0 s"),
            (50.0, "50 s"),
            (60.0, "1 min"),
            (95.0, "95 s"),
            (600.0, "10 min"),
            (3599.0, "60 min"),
            (3600.0, "1 h"),
            (12_000.0, "3 h 20 min"),
            (21_600.0, "6 h"),
            (86_400.0, "24 h"),
            (187_200.0, "2 days 4 h"),
            (604_800.0, "7 days"),
            (f64::INFINITY, "no time that can be told"),
        ] {
            assert_eq!(lasting(seconds), expected, "{seconds}");
        }
    }

    #[test]
    fn amounts_have_the_unit_in_which_they_are_read() {
        for (value, unit, expected) in [
            (1_288_490_188.8, Unit::Bytes, "1.2 GiB"),
            (-2048.0, Unit::BytesPerSecond, "-2.0 KiB/s"),
            (0.0, Unit::Bytes, "0.0 B"),
            (1.234_5, Unit::Gibibytes, "1.23 GiB"),
            (45.678, Unit::Percent, "45.7 %"),
            (0.012_3, Unit::None, "0.012"),
        ] {
            assert_eq!(amount(value, unit), expected);
        }
    }

    #[test]
    fn near_moments_are_days_of_the_week() {
        // 2026-11-20 was a Friday.
        let now = Unix(1_795_132_800_000);
        assert_eq!(now.rfc3339(), "2026-11-20T00:00:00Z");
        let later = |hours: u64| now + std::time::Duration::from_hours(hours);
        assert_eq!(weekday(later(0), now), "Friday 00:00 UTC");
        assert_eq!(weekday(later(52), now), "Sunday 04:00 UTC");
        assert_eq!(weekday(later(24 * 6), now), "2026-11-26 00:00 UTC");
    }
}

//! What people write.

use jiff::tz::TimeZone;
use thiserror::Error;

use crate::window::{ActiveWindow, DAY, Days, NAMES, Piece};

/// Bound on the pieces of one window.
pub(crate) const MAX_PIECES: usize = 64;

/// Why a text is no window.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WindowError {
    /// Nothing.
    #[error("a window is days and hours, such as `mon-fri 08:00-18:00, sat 10:00-12:00`")]
    Empty,
    /// A word that is neither a day nor hours nor a zone.
    #[error(
        "`{0}` is neither a day (`mon`, `sat-sun`, `weekdays`, `daily`) nor hours (`08:00-18:00`) nor a time zone (`Europe/Berlin`)"
    )]
    Word(String),
    /// Hours that cannot be.
    #[error("`{0}` are no hours: write `08:00-18:00`, with hours from 00:00 to 24:00")]
    Hours(String),
    /// From a moment to the same moment.
    #[error("`{0}` has no length: write `00:00-24:00` for a whole day")]
    NoLength(String),
    /// A time zone that is unknown.
    #[error("`{0}` is no time zone: write one as `Europe/Berlin` or `UTC`")]
    Zone(String),
    /// The zone stands elsewhere than at the end.
    #[error("a time zone stands at the end, and for all hours: `{0}`")]
    ZonePlace(String),
    /// More than anybody means.
    #[error("a window has at most {MAX_PIECES} pieces")]
    TooMany,
    /// A piece in digits that is none.
    #[error("`{0}` is no piece in digits: write `01234;09:00-17:00`")]
    Digits(String),
    /// A digit that is no day.
    #[error("`{0}` is no day: days are digits from 0 to 6")]
    Digit(char),
}

enum Word {
    Days(Days),
    Hours(u16, u16),
    Zone(TimeZone),
}

impl ActiveWindow {
    /// Reads days and hours: `mon-fri 08:00-18:00, sat 10:00-12:00 Europe/Berlin`.
    ///
    /// Hours belong to the days before them, and to all days if there are none; days without hours are
    /// whole ones, unless hours follow the next days (`mon, wed 08:00-12:00` is both in the morning).
    /// Hours that end before they begin are over midnight, and belong to the day they begin on. The time
    /// zone is the one at the end of the text, else `zone`, else the system's.
    ///
    /// # Errors
    /// What is wrong, in words for the person who wrote it.
    pub fn parse(text: &str, zone: Option<&str>) -> Result<Self, WindowError> {
        let mut pieces = Vec::new();
        let mut given = None;
        let mut days: Option<Days> = None;
        let mut hours_since = false;
        for word in text.split(|c: char| c == ',' || c == ';' || c.is_whitespace()) {
            if word.is_empty() {
                continue;
            }
            if given.is_some() {
                return Err(WindowError::ZonePlace(text.trim().to_owned()));
            }
            match read(word)? {
                Word::Days(more) => {
                    let before = days.filter(|_| !hours_since).unwrap_or_default();
                    days = Some(before.with(more));
                    hours_since = false;
                }
                Word::Hours(begin, end) => {
                    pieces.push(Piece { days: days.unwrap_or(Days::ALL), begin, end });
                    hours_since = true;
                }
                Word::Zone(zone) => given = Some(zone),
            }
        }
        if let Some(days) = days.filter(|_| !hours_since) {
            pieces.push(Piece { days, begin: 0, end: DAY });
        }
        if pieces.is_empty() {
            return Err(WindowError::Empty);
        }
        if pieces.len() > MAX_PIECES {
            return Err(WindowError::TooMany);
        }
        let zone = given.map_or_else(|| zone_of(zone), Ok)?;
        Ok(Self { pieces, zone })
    }
}

/// Returns the zone of this name; the system's without one. A machine that does not say lives in UTC.
pub(crate) fn zone_of(name: Option<&str>) -> Result<TimeZone, WindowError> {
    match name {
        Some(name) => TimeZone::get(name).map_err(|_| WindowError::Zone(name.to_owned())),
        None => Ok(TimeZone::try_system().unwrap_or(TimeZone::UTC)),
    }
}

fn read(word: &str) -> Result<Word, WindowError> {
    let lower = word.to_ascii_lowercase();
    if word.starts_with(|c: char| c.is_ascii_digit()) {
        let (begin, end) = hours(word)?;
        return Ok(Word::Hours(begin, end));
    }
    if let Some(days) = days(&lower) {
        return Ok(Word::Days(days));
    }
    if word.contains('/') || matches!(lower.as_str(), "utc" | "gmt") {
        return zone_of(Some(word)).map(Word::Zone);
    }
    Err(WindowError::Word(word.to_owned()))
}

fn days(word: &str) -> Option<Days> {
    let range = |first: u8, last: u8| {
        let mut days = Days::default();
        // Over the end of the week: fri-mon.
        let length = (last + 7 - first) % 7;
        for day in first..=first + length {
            days.add(day);
        }
        days
    };
    match word {
        "daily" | "always" | "all" => return Some(Days::ALL),
        "weekdays" | "workdays" => return Some(range(0, 4)),
        "weekend" | "weekends" => return Some(range(5, 6)),
        _ => {}
    }
    match word.split_once('-') {
        None => day(word).map(|day| range(day, day)),
        Some((first, last)) => Some(range(day(first)?, day(last)?)),
    }
}

fn day(word: &str) -> Option<u8> {
    const LONG: [&str; 7] =
        ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    let place = NAMES
        .iter()
        .position(|name| *name == word)
        .or_else(|| LONG.iter().position(|name| *name == word))?;
    u8::try_from(place).ok()
}

/// Reads `08:00-18:00`.
pub(crate) fn hours(word: &str) -> Result<(u16, u16), WindowError> {
    let wrong = || WindowError::Hours(word.to_owned());
    let (begin, end) = word.split_once('-').ok_or_else(wrong)?;
    let (begin, end) = (minute(begin).ok_or_else(wrong)?, minute(end).ok_or_else(wrong)?);
    if begin >= DAY {
        return Err(wrong());
    }
    if begin == end {
        return Err(WindowError::NoLength(word.to_owned()));
    }
    // 22:00-00:00 ends with the day, not before it.
    Ok((begin, if end == 0 { DAY } else { end }))
}

/// Reads `08:00`, up to `24:00`.
pub(crate) fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str| {
        let digits = (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| text.parse::<u16>().ok()).flatten()
    };
    let (hour, minute) = (number(hour)?, number(minute)?);
    let minutes = hour * 60 + minute;
    (minute < 60 && minutes <= DAY).then_some(minutes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        match ActiveWindow::parse(text, Some("UTC")) {
            Ok(window) => window.to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn windows_are_read_as_people_mean_them() {
        for (text, expected) in [
            ("mon-fri 08:00-18:00, sat 10:00-12:00", "mon-fri 08:00-18:00, sat 10:00-12:00 UTC"),
            ("Monday,Wed 8:00-12:00", "mon,wed 08:00-12:00 UTC"),
            ("mon-fri 08:00-12:00 13:00-17:00", "mon-fri 08:00-12:00, mon-fri 13:00-17:00 UTC"),
            ("mon-fri 08:00-12:00, 13:00-17:00", "mon-fri 08:00-12:00, mon-fri 13:00-17:00 UTC"),
            ("08:00-18:00", "daily 08:00-18:00 UTC"),
            ("weekend", "sat,sun 00:00-24:00 UTC"),
            ("fri-mon 22:00-06:00", "mon,fri-sun 22:00-06:00 UTC"),
            ("weekdays 18:00-00:00; sun", "mon-fri 18:00-24:00, sun 00:00-24:00 UTC"),
            ("daily 00:00-24:00 Europe/Berlin", "daily 00:00-24:00 Europe/Berlin"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_the_way_out() {
        for (text, said) in [
            ("", "such as `mon-fri 08:00-18:00"),
            (" , ", "such as `mon-fri 08:00-18:00"),
            ("monn 08:00-18:00", "`monn` is neither a day"),
            ("mon 8-18", "`8-18` are no hours"),
            ("mon 08:00-24:01", "are no hours"),
            ("mon 24:00-25:00", "are no hours"),
            ("mon 08:60-09:00", "are no hours"),
            ("mon 008:00-09:00", "are no hours"),
            ("mon 08:00-08:00", "has no length"),
            ("mon 08:00-09:00 Europe/Nowhere", "is no time zone"),
            ("UTC mon 08:00-09:00", "stands at the end"),
        ] {
            assert!(shown(text).contains(said), "{text}: {}", shown(text));
        }
        assert_eq!(ActiveWindow::parse("mon", Some("x")), Err(WindowError::Zone("x".into())));
        let many = vec!["08:00-09:00"; 65].join(" ");
        assert_eq!(shown(&many), "a window has at most 64 pieces");
    }
}

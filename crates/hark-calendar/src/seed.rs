//! Windows as seed 436 has them: `01234;09:00-17:00,56;10:00-12:00`.
//!
//! Its last minute is inside (17:00 ends at 17:01), its days are digits, and what they mean depends on
//! whom one asks: the program counts from Monday as 0, both of its documents from Sunday. So whoever
//! takes over such a window says which it is. A window that ends before it begins was never open; here it
//! is over midnight, which is what was meant.

use crate::parse::{MAX_PIECES, WindowError, minute, zone_of};
use crate::window::{ActiveWindow, DAY, Days, Piece};

/// Which digit Monday is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Monday {
    /// 0, as the program counts.
    #[default]
    Zero,
    /// 1, as its documents say: Sunday is 0.
    One,
}

impl ActiveWindow {
    /// Reads a window in digits.
    ///
    /// # Errors
    /// What is wrong; the seed passed over it in silence.
    pub fn parse_digits(
        text: &str,
        monday: Monday,
        zone: Option<&str>,
    ) -> Result<Self, WindowError> {
        let zone = zone_of(zone)?;
        if text.is_empty() {
            return Ok(Self { zone, ..Self::always() });
        }
        let pieces: Result<Vec<Piece>, WindowError> =
            text.split(',').take(MAX_PIECES + 1).map(|text| piece(text, monday)).collect();
        let pieces = pieces?;
        if pieces.len() > MAX_PIECES {
            return Err(WindowError::TooMany);
        }
        Ok(Self { pieces, zone })
    }
}

fn piece(text: &str, monday: Monday) -> Result<Piece, WindowError> {
    let wrong = || WindowError::Digits(text.to_owned());
    let (digits, hours) = text.split_once(';').ok_or_else(wrong)?;
    let (begin, end) = hours.split_once('-').ok_or_else(wrong)?;
    let (begin, end) = (minute(begin).ok_or_else(wrong)?, minute(end).ok_or_else(wrong)?);
    let mut days = Days::default();
    for digit in digits.chars() {
        let day = digit.to_digit(10).filter(|day| *day < 7).and_then(|day| u8::try_from(day).ok());
        let day = day.ok_or(WindowError::Digit(digit))?;
        days.add(match monday {
            Monday::Zero => day,
            Monday::One => day + 6,
        });
    }
    if days.is_empty() || begin >= DAY {
        return Err(wrong());
    }
    // The last minute is inside.
    Ok(Piece { days, begin, end: (end + 1).min(DAY) })
}

#[cfg(test)]
mod tests {
    use hark_model::Unix;

    use super::*;

    fn shown(text: &str, monday: Monday) -> String {
        match ActiveWindow::parse_digits(text, monday, Some("UTC")) {
            Ok(window) => window.to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn digits_are_days_as_the_program_or_its_documents_count() {
        assert_eq!(shown("06;09:00-17:00", Monday::Zero), "mon,sun 09:00-17:01 UTC");
        assert_eq!(shown("06;09:00-17:00", Monday::One), "sat,sun 09:00-17:01 UTC");
        assert_eq!(
            shown("01234;00:00-24:00,5;10:00-12:30", Monday::Zero),
            "mon-fri 00:00-24:00, sat 10:00-12:31 UTC"
        );
        assert_eq!(shown("1;22:00-06:00", Monday::Zero), "tue 22:00-06:01 UTC");
        assert_eq!(shown("", Monday::Zero), "daily 00:00-24:00 UTC");
    }

    #[test]
    fn the_last_minute_is_inside() {
        let window =
            ActiveWindow::parse_digits("0;09:00-17:00", Monday::Zero, Some("UTC")).unwrap();
        // Monday, 2026-11-16, 17:00:59.999 and a millisecond later.
        let last = Unix(1_794_848_459_999);
        assert!(window.contains(last));
        assert!(!window.contains(Unix(last.0 + 1)));
    }

    #[test]
    fn what_the_seed_passed_over_in_silence_is_said() {
        for (text, said) in [
            ("mon;09:00-17:00", "`m` is no day"),
            ("7;09:00-17:00", "`7` is no day"),
            ("0 09:00-17:00", "is no piece in digits"),
            ("0;9-17", "is no piece in digits"),
            (";09:00-17:00", "is no piece in digits"),
            ("0;09:00-17:00, 1;09:00-17:00", "` ` is no day"),
            ("0;24:00-24:00", "is no piece in digits"),
        ] {
            assert!(
                shown(text, Monday::Zero).contains(said),
                "{text}: {}",
                shown(text, Monday::Zero)
            );
        }
    }
}

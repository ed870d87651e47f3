//! Amounts of bytes as people write them: `100MiB`, `1GB`, `4096`.

use thiserror::Error;

/// Why a text is not an amount of bytes.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SizeError {
    /// It does not begin with a number.
    #[error("`{0}` is not a size: write a number and a unit, such as 100MiB or 2GB")]
    NotNumber(String),
    /// The unit is unknown.
    #[error(
        "`{0}` is not a unit of size: use B, KiB, MiB, GiB, TiB (1024) or kB, MB, GB, TB (1000)"
    )]
    Unit(String),
    /// It is more than a machine has.
    #[error("`{0}` is too large")]
    TooLarge(String),
}

/// Reads an amount of bytes. A bare number is bytes. `K`, `M`, `G` and `T` alone are powers of 1024,
/// as most tools of the system take them.
///
/// # Errors
/// If `text` is not one; the error says why in words for the person who wrote it.
pub fn parse(text: &str) -> Result<u64, SizeError> {
    let whole = text.trim();
    let end = whole.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(whole.len());
    let (number, unit) = whole.split_at_checked(end).unwrap_or((whole, ""));
    let number: f64 = number.parse().map_err(|_| SizeError::NotNumber(whole.to_owned()))?;
    let bytes = (number * bytes_in(unit.trim_start())?).round();
    // Above 2^53 a floating number no longer holds every integer; 8 PiB is more than any disk here.
    if bytes > 9_007_199_254_740_992.0 {
        return Err(SizeError::TooLarge(whole.to_owned()));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is whole, not negative (no sign is read) and at most 2^53"
    )]
    Ok(bytes as u64)
}

/// Returns the shortest text that [`parse`] reads back as the same amount.
pub fn format(bytes: u64) -> String {
    const UNITS: [(&str, u64); 4] =
        [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let fits = UNITS.iter().find(|(_, size)| bytes >= *size && bytes.is_multiple_of(*size));
    fits.map_or_else(|| format!("{bytes}B"), |(unit, size)| format!("{}{unit}", bytes / size))
}

fn bytes_in(unit: &str) -> Result<f64, SizeError> {
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" | "byte" | "bytes" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        _ => return Err(SizeError::Unit(unit.to_owned())),
    };
    #[expect(clippy::cast_precision_loss, reason = "powers of 1000 and 1024 up to 2^40 are exact")]
    Ok(factor as f64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: u64) {
        assert_eq!(parse(text), Ok(expected), "{text}");
    }

    #[test]
    fn reads_what_people_write() {
        check("4096", 4096);
        check("100MiB", 100 << 20);
        check("100 MiB", 100 << 20);
        check("1GB", 1_000_000_000);
        check("2k", 2048);
        check("1.5MiB", 1_572_864);
        check("0", 0);
    }

    #[test]
    fn says_what_is_wrong() {
        let error = |text| parse(text).unwrap_err().to_string();
        assert_eq!(
            error("big"),
            "`big` is not a size: write a number and a unit, such as 100MiB or 2GB"
        );
        assert_eq!(
            error("-1"),
            "`-1` is not a size: write a number and a unit, such as 100MiB or 2GB"
        );
        assert!(error("5QB").starts_with("`QB` is not a unit of size"));
        assert_eq!(error("99999999TiB"), "`99999999TiB` is too large");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".*") {
            let _read = parse(&text);
        }

        #[test]
        fn what_is_written_is_read_back(bytes in 0_u64..(1 << 53)) {
            prop_assert_eq!(parse(&format(bytes)), Ok(bytes));
        }
    }
}

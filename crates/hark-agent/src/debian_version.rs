//! The order of Debian's version numbers (deb-version(7)).

use std::cmp::Ordering;

/// Compares two versions as `dpkg` does.
pub(crate) fn compare(a: &str, b: &str) -> Ordering {
    let ((epoch_a, a), (epoch_b, b)) = (epoch(a), epoch(b));
    let ((upstream_a, revision_a), (upstream_b, revision_b)) = (revision(a), revision(b));
    epoch_a
        .cmp(&epoch_b)
        .then_with(|| part(upstream_a.as_bytes(), upstream_b.as_bytes()))
        .then_with(|| part(revision_a.as_bytes(), revision_b.as_bytes()))
}

fn epoch(version: &str) -> (u64, &str) {
    let (epoch, rest) = version.split_once(':').unwrap_or(("", version));
    (epoch.parse().unwrap_or(0), rest)
}

fn revision(version: &str) -> (&str, &str) {
    version.rsplit_once('-').unwrap_or((version, ""))
}

/// Text and numbers in turn: text by [`weight`], numbers by their value.
fn part(mut a: &[u8], mut b: &[u8]) -> Ordering {
    while !a.is_empty() || !b.is_empty() {
        loop {
            let (first_a, first_b) = (text(a), text(b));
            if first_a.is_none() && first_b.is_none() {
                break;
            }
            match weight(first_a).cmp(&weight(first_b)) {
                Ordering::Equal => {}
                order @ (Ordering::Less | Ordering::Greater) => return order,
            }
            a = a.get(1..).unwrap_or_default();
            b = b.get(1..).unwrap_or_default();
        }
        let (number_a, number_b) = (number(&mut a), number(&mut b));
        // Without zeros before them the longer one is the larger.
        let order = number_a.len().cmp(&number_b.len()).then_with(|| number_a.cmp(number_b));
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

/// The first byte, unless a number begins there.
fn text(bytes: &[u8]) -> Option<u8> {
    bytes.first().copied().filter(|byte| !byte.is_ascii_digit())
}

/// A tilde comes before the end, letters before all else.
fn weight(byte: Option<u8>) -> i32 {
    match byte {
        Some(b'~') => -1,
        None => 0,
        Some(letter) if letter.is_ascii_alphabetic() => i32::from(letter),
        Some(other) => i32::from(other) + 256,
    }
}

/// Takes the digits off the front, and returns them without zeros before.
fn number<'b>(bytes: &mut &'b [u8]) -> &'b [u8] {
    let end = bytes.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(bytes.len());
    let (digits, rest) = bytes.split_at_checked(end).unwrap_or((bytes, &[]));
    *bytes = rest;
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    digits.get(zeros..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_as_the_manual_page_says() {
        let in_order = [
            "0",
            "0.1~rc1-1",
            "0.1-1",
            "0.1-1+b1",
            "0.1-1.1",
            "0.1-2",
            "0.1a-1",
            "0.1+x-1",
            "0.2",
            "0.10",
            "1.0~~",
            "1.0~~a",
            "1.0~",
            "1.0",
            "1:0.1~a",
            "1:0.1",
            "2:0",
        ];
        for (place, a) in in_order.iter().enumerate() {
            for (other, b) in in_order.iter().enumerate() {
                assert_eq!(compare(a, b), place.cmp(&other), "{a} {b}");
            }
        }
        assert_eq!(compare("0:1.0-0", "1.0"), Ordering::Equal);
        assert_eq!(compare("1.01", "1.1"), Ordering::Equal);
        assert_eq!(compare("7.88.1-10+deb12u12", "7.88.1-10+deb12u5"), Ordering::Greater);
    }

    #[test]
    fn dpkg_says_the_same() {
        let versions = [
            "1.0",
            "1.0-1",
            "1.0-1~bpo12+1",
            "1.0+dfsg-1",
            "1:0.9",
            "2.36-9+deb12u10",
            "2.36-9+deb12u9",
            "0~20230101",
            "0",
            "1.0a",
            "1.0.1",
            "1.00",
            "1.0-1+b2",
            "9.18.28-1~deb12u2",
            "1.0~~rc1",
        ];
        let mut sorted = versions;
        sorted.sort_by(|a, b| compare(a, b));
        for pair in sorted.windows(2) {
            let relation = if compare(pair[0], pair[1]).is_eq() { "eq" } else { "lt" };
            let status = std::process::Command::new("dpkg")
                .args(["--compare-versions", pair[0], relation, pair[1]])
                .status();
            assert!(status.unwrap().success(), "{pair:?} {relation}");
        }
    }
}

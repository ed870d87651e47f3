//! A rota for calendar programs: iCalendar, RFC 5545.
//!
//! Written here, not by a library: the ones there are bring a second crate for times, and what is needed
//! are five properties, one rule for folding and one for escaping.

use hark_model::Unix;
use jiff::Timestamp;

use crate::rota::Shift;

/// A line has at most so many bytes, its end not counted (RFC 5545, 3.1).
const MAX_LINE: usize = 75;

/// Writes the shifts of the rota `name` as a calendar made at `stamp`.
pub fn calendar(name: &str, shifts: &[Shift], stamp: Unix) -> String {
    let mut text = String::new();
    let title = escaped(&format!("On call: {name}"));
    for line in [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//hark//on call//EN",
        "CALSCALE:GREGORIAN",
        "METHOD:PUBLISH",
    ] {
        put(&mut text, line);
    }
    put(&mut text, &format!("X-WR-CALNAME:{title}"));
    for shift in shifts {
        let user = escaped(shift.user.as_str());
        put(&mut text, "BEGIN:VEVENT");
        put(&mut text, &format!("UID:{}-{}@{}.hark", shift.from.0, user, escaped(name)));
        put(&mut text, &format!("DTSTAMP:{}", moment(stamp)));
        put(&mut text, &format!("DTSTART:{}", moment(shift.from)));
        put(&mut text, &format!("DTEND:{}", moment(shift.until)));
        put(&mut text, &format!("SUMMARY:{user}: {}", escaped(name)));
        put(&mut text, "TRANSP:TRANSPARENT");
        put(&mut text, "END:VEVENT");
    }
    put(&mut text, "END:VCALENDAR");
    text
}

/// Writes a moment in UTC: `20261121T090000Z`.
fn moment(at: Unix) -> String {
    Timestamp::from_millisecond(at.0)
        .map(|at| at.strftime("%Y%m%dT%H%M%SZ").to_string())
        .unwrap_or_default()
}

/// Escapes a text (RFC 5545, 3.3.11).
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | ';' | ',' => escaped.extend(['\\', c]),
            '\n' => escaped.push_str("\\n"),
            c if c.is_control() => {}
            c => escaped.push(c),
        }
    }
    escaped
}

/// Puts a line, folded so that no character is torn apart.
fn put(text: &mut String, line: &str) {
    let mut length = 0;
    for c in line.chars() {
        if length + c.len_utf8() > MAX_LINE {
            text.push_str("\r\n ");
            length = 1;
        }
        text.push(c);
        length += c.len_utf8();
    }
    text.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use hark_model::UserName;

    use super::*;

    #[test]
    fn a_calendar_is_written_as_its_standard_says() {
        let shift = Shift {
            from: Unix(1_794_819_600_000),
            until: Unix(1_795_424_400_000),
            user: UserName::new("anna").unwrap(),
        };
        let text = calendar("berlin", &[shift], Unix(1_794_000_000_000));
        let expected = [
            "BEGIN:VCALENDAR",
            "VERSION:2.0",
            "PRODID:-//hark//on call//EN",
            "CALSCALE:GREGORIAN",
            "METHOD:PUBLISH",
            "X-WR-CALNAME:On call: berlin",
            "BEGIN:VEVENT",
            "UID:1794819600000-anna@berlin.hark",
            "DTSTAMP:20261106T212000Z",
            "DTSTART:20261116T090000Z",
            "DTEND:20261123T090000Z",
            "SUMMARY:anna: berlin",
            "TRANSP:TRANSPARENT",
            "END:VEVENT",
            "END:VCALENDAR",
            "",
        ];
        assert_eq!(text.split("\r\n").collect::<Vec<_>>(), expected);
    }

    #[test]
    fn long_lines_are_folded_between_characters_and_signs_escaped() {
        let mut text = String::new();
        put(&mut text, &"\u{e4}".repeat(100));
        assert!(text.split("\r\n").all(|line| line.len() <= MAX_LINE), "{text:?}");
        let whole = text.replace("\r\n ", "").replace("\r\n", "");
        assert_eq!(whole, "\u{e4}".repeat(100));
        assert_eq!(escaped("a,b;c\\d\ne"), "a\\,b\\;c\\\\d\\ne");
    }
}

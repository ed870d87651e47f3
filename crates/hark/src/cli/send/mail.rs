//! A mail on standard input, as a mail server's pipe gives it: for jobs that can only send mail.
//!
//! Subject and text are taken, nothing else: no part of a mail is opened, and of the text the begin is
//! kept as it stands, whatever its encoding.

use std::io::Read;

use anyhow::{Context, bail};
use hark_model::Event;

/// The longest mail that is read; of longer ones the begin.
const MAX_MAIL: u64 = 1 << 20;

/// What of a mail is of interest.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mail {
    subject: String,
    body: String,
}

impl Mail {
    /// Returns what is told of it: the subject, and the text below.
    pub(super) fn text(&self) -> String {
        format!("{}\n{}", self.subject, self.body).trim().to_owned()
    }
}

/// Reads a mail.
///
/// # Errors
/// If there is none.
pub(super) fn read(from: impl Read) -> anyhow::Result<Mail> {
    let mut bytes = Vec::new();
    from.take(MAX_MAIL).read_to_end(&mut bytes).context("cannot read the mail")?;
    let mail = parse(&String::from_utf8_lossy(&bytes));
    if mail.text().is_empty() {
        bail!("there is no mail on standard input: neither a subject nor a text");
    }
    Ok(mail)
}

/// Returns as much as an event holds.
pub(super) fn shortened(text: &str) -> String {
    const MORE: &str = " …";
    if text.len() <= Event::MAX_TEXT {
        return text.to_owned();
    }
    let mut end = Event::MAX_TEXT - MORE.len();
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let (begin, _) = text.split_at(end);
    format!("{begin}{MORE}")
}

fn parse(text: &str) -> Mail {
    let text = text.replace("\r\n", "\n");
    // A pipe of postfix begins with a line that is no header.
    let text = if text.starts_with("From ") {
        text.split_once('\n').map_or("", |(_, t)| t)
    } else {
        &text
    };
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let head = head.replace("\n ", " ").replace("\n\t", " ");
    let subject = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("subject").then(|| decoded(value.trim()))
    });
    Mail { subject: subject.unwrap_or_default(), body: body.trim().to_owned() }
}

/// Returns a header with its encoded words (RFC 2047) as they are meant, as far as they are UTF-8 or
/// ASCII; others stay as they stand.
fn decoded(value: &str) -> String {
    let mut text = String::new();
    let mut was_encoded = false;
    for (n, word) in value.split(' ').enumerate() {
        let plain = encoded_word(word);
        // The space between two encoded words is no part of them.
        if n > 0 && !(was_encoded && plain.is_some()) {
            text.push(' ');
        }
        was_encoded = plain.is_some();
        text.push_str(plain.as_deref().unwrap_or(word));
    }
    text
}

fn encoded_word(word: &str) -> Option<String> {
    let mut parts = word.strip_prefix("=?")?.strip_suffix("?=")?.splitn(3, '?');
    let (charset, encoding, data) = (parts.next()?, parts.next()?, parts.next()?);
    if !["utf-8", "us-ascii"].iter().any(|known| charset.eq_ignore_ascii_case(known)) {
        return None;
    }
    let bytes = match encoding {
        "Q" | "q" => quoted(data)?,
        "B" | "b" => base64(data)?,
        _ => return None,
    };
    String::from_utf8(bytes).ok()
}

fn quoted(data: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = data.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'_' => b' ',
            b'=' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            other => other,
        });
    }
    Some(bytes)
}

/// Returns the bytes that Base64 stands for.
fn base64(data: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let (mut held, mut n_bits) = (0u32, 0);
    for byte in data.trim_end_matches('=').bytes() {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        held = (held << 6 | u32::from(six)) & 0xffff;
        n_bits += 6;
        if n_bits >= 8 {
            n_bits -= 8;
            bytes.push(u8::try_from(held >> n_bits & 0xff).ok()?);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_is_its_subject_and_its_text() {
        let mail = "From root@web1 Sat Nov 21\r\nTo: a@b\r\nSUBJECT: Backup of\r\n web1\r\nX: y\r\n\r\n\
                    12 files\r\n\r\nbye\r\n";
        assert_eq!(parse(mail).text(), "Backup of web1\n12 files\n\nbye");
        assert_eq!(parse("Subject: x").text(), "x");
        assert!(read(&b""[..]).is_err() && read(&b"To: a\n\n \n"[..]).is_err());
        assert!(read(&b"Subject: \xff\n\ntext"[..]).unwrap().text().ends_with("text"));
    }

    #[test]
    fn encoded_words_are_read_and_what_is_none_stays() {
        for (value, plain) in [
            ("=?UTF-8?Q?S=C3=BCd_7?= is =?utf-8?B?YsO2c2U=?=", "Süd 7 is böse"),
            ("=?UTF-8?Q?a?= =?UTF-8?Q?b?= c", "ab c"),
            ("=?iso-8859-1?Q?=FC?=", "=?iso-8859-1?Q?=FC?="),
            ("=?UTF-8?Q?=F?= =?UTF-8?X?a?= =?", "=?UTF-8?Q?=F?= =?UTF-8?X?a?= =?"),
            ("50% = half", "50% = half"),
        ] {
            assert_eq!(decoded(value), plain);
        }
    }

    #[test]
    fn of_a_long_mail_an_event_holds_the_begin() {
        let long = "ä".repeat(Event::MAX_TEXT);
        let short = shortened(&long);
        assert!(short.len() <= Event::MAX_TEXT && short.ends_with(" …"), "{}", short.len());
        assert_eq!(shortened("short"), "short");
    }
}

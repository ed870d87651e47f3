//! As much of a mail's form as is needed to read what a person wrote in answer: headers, the first part
//! of plain text, and of HTML if there is no other.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The longest mail that is read, in bytes; of longer ones the begin, where the answer stands.
pub const MAX_MAIL: usize = 1 << 20;

/// Longest address that is taken from a mail (RFC 5321, 4.5.3.1.3).
const MAX_ADDRESS: usize = 254;

/// Parts within parts: mail programs use three or four.
const MAX_DEPTH: usize = 8;

/// Parts of one part that are looked at.
const MAX_PARTS: usize = 50;

/// A mail.
#[derive(Debug, Default)]
pub struct Mail {
    headers: Vec<(String, String)>,
    /// What is to be read, as text.
    pub(super) text: String,
}

impl Mail {
    /// Reads a mail; what is odd in it is left out, and what is behind [`MAX_MAIL`] too.
    pub fn read(bytes: &[u8]) -> Self {
        parse(bytes.get(..MAX_MAIL).unwrap_or(bytes))
    }

    /// Returns the address that it says it is from, in small letters. It proves nothing.
    pub fn from(&self) -> Option<String> {
        let value = self.all("from").next()?;
        let address = match value.rsplit_once('<') {
            Some((_, rest)) => rest.split_once('>')?.0,
            None => value,
        };
        let address = address.trim().to_ascii_lowercase();
        let odd = |c: char| !c.is_ascii_graphic() || matches!(c, '<' | '>' | ',' | ';' | '"');
        let whole = address.split_once('@').is_some_and(|(a, b)| !a.is_empty() && !b.is_empty());
        (whole && address.len() <= MAX_ADDRESS && !address.contains(odd)).then_some(address)
    }

    /// Returns its number among mails, with its brackets, if it has a proper one.
    pub(crate) fn id(&self) -> Option<&str> {
        let id = self.all("message-id").next()?.trim();
        let whole = id.starts_with('<') && id.ends_with('>') && id.len() <= MAX_ADDRESS;
        (whole && id.chars().all(|c| c.is_ascii_graphic())).then_some(id)
    }

    /// Returns its subject as it stands there, which may be encoded.
    pub(crate) fn subject(&self) -> &str {
        self.all("subject").next().unwrap_or_default()
    }

    /// Returns every value of a header, in the order of the mail.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> + 'a {
        let same = |(header, _): &&(String, String)| header.eq_ignore_ascii_case(name);
        self.headers.iter().filter(same).map(|(_, value)| value.as_str())
    }

    /// Returns true if a program wrote it (RFC 3834), such as that somebody is on holiday: what it quotes
    /// is not what anybody has decided.
    pub fn is_automatic(&self) -> bool {
        let submitted = self.all("auto-submitted").any(|v| !v.trim().eq_ignore_ascii_case("no"));
        let bulk = |value: &str| {
            ["bulk", "junk", "list", "auto_reply"]
                .iter()
                .any(|w| value.trim().eq_ignore_ascii_case(w))
        };
        submitted
            || self.all("precedence").any(bulk)
            || self.all("x-autoreply").next().is_some()
            || self.all("x-autorespond").next().is_some()
            || self.all("return-path").any(|path| path.trim() == "<>")
    }
}

pub(super) fn parse(bytes: &[u8]) -> Mail {
    let whole = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
    // A pipe of postfix begins with a line that is no header.
    let whole = match whole.strip_prefix("From ") {
        Some(rest) => rest.split_once('\n').map_or("", |(_, mail)| mail),
        None => &whole,
    };
    let (head, body) = split(whole);
    let headers = headers(head);
    let text = readable(&headers, body, 0).map(|(_, text)| text).unwrap_or_default();
    Mail { headers, text }
}

fn split(part: &str) -> (&str, &str) {
    match part.strip_prefix('\n') {
        Some(body) => ("", body),
        None => part.split_once("\n\n").unwrap_or((part, "")),
    }
}

fn headers(head: &str) -> Vec<(String, String)> {
    let mut headers: Vec<(String, String)> = Vec::new();
    for line in head.lines() {
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = headers.last_mut() {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            headers.push((name.trim().to_owned(), value.trim().to_owned()));
        }
    }
    headers
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let same = |(header, _): &&(String, String)| header.eq_ignore_ascii_case(name);
    headers.iter().find(same).map(|(_, value)| value.as_str())
}

/// How good a part's text is: plain text is better than what is left of HTML.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Form {
    Html,
    Plain,
}

/// Returns the text of a part, the best there is in it.
fn readable(headers: &[(String, String)], body: &str, depth: usize) -> Option<(Form, String)> {
    let kind = header(headers, "content-type").unwrap_or("text/plain");
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence.starts_with("multipart/") {
        if depth >= MAX_DEPTH {
            return None;
        }
        let boundary = parameter(kind, "boundary")?;
        let mut best: Option<(Form, String)> = None;
        for part in parts(body, &boundary) {
            let (head, body) = split(part);
            let found = readable(&self::headers(head), body, depth + 1);
            // The first of the best: what follows are attachments.
            if found.as_ref().map(|(form, _)| *form) > best.as_ref().map(|(form, _)| *form) {
                best = found;
            }
        }
        return best;
    }
    let form = match essence.as_str() {
        "text/plain" | "" => Form::Plain,
        "text/html" => Form::Html,
        _ => return None,
    };
    let attached = header(headers, "content-disposition")
        .is_some_and(|value| value.trim_start().to_ascii_lowercase().starts_with("attachment"));
    if attached {
        return None;
    }
    let encoding = header(headers, "content-transfer-encoding").unwrap_or_default();
    let bytes = match encoding.trim().to_ascii_lowercase().as_str() {
        "quoted-printable" => quoted_printable(body),
        "base64" => STANDARD.decode(body.split_whitespace().collect::<String>()).ok()?,
        _ => body.as_bytes().to_vec(),
    };
    let text = String::from_utf8_lossy(&bytes).replace("\r\n", "\n");
    Some((form, if form == Form::Html { without_tags(&text) } else { text }))
}

fn parameter(kind: &str, name: &str) -> Option<String> {
    kind.split(';').skip(1).find_map(|part| {
        let (key, value) = part.split_once('=')?;
        let value = value.trim().trim_matches('"');
        (key.trim().eq_ignore_ascii_case(name) && !value.is_empty()).then(|| value.to_owned())
    })
}

fn parts<'a>(body: &'a str, boundary: &str) -> Vec<&'a str> {
    let mark = format!("--{boundary}");
    let mut found = Vec::new();
    let mut begin = None;
    let mut at = 0;
    for line in body.split_inclusive('\n') {
        let bare = line.trim_end();
        let is_end = bare.strip_suffix("--") == Some(mark.as_str());
        if bare == mark || is_end {
            if let Some(part) = begin.and_then(|begin| body.get(begin..at)) {
                found.push(part);
            }
            if is_end || found.len() >= MAX_PARTS {
                return found;
            }
            begin = Some(at + line.len());
        }
        at += line.len();
    }
    // A mail that was cut off: its last part has no end.
    found.extend(begin.and_then(|begin| body.get(begin..)));
    found
}

fn quoted_printable(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let bare = line.trim_end_matches(['\n', ' ', '\t']);
        let (bare, soft) = match bare.strip_suffix('=') {
            Some(bare) => (bare, true),
            None => (bare, false),
        };
        let mut rest = bare.bytes();
        while let Some(byte) = rest.next() {
            let mut after = rest.clone();
            let pair = (byte == b'=').then(|| [after.next(), after.next()]);
            let decoded = match pair {
                Some([Some(high), Some(low)]) => std::str::from_utf8(&[high, low])
                    .ok()
                    .and_then(|digits| u8::from_str_radix(digits, 16).ok()),
                _ => None,
            };
            match decoded {
                Some(decoded) => {
                    bytes.push(decoded);
                    rest = after;
                }
                None => bytes.push(byte),
            }
        }
        if !soft && line.ends_with('\n') {
            bytes.push(b'\n');
        }
    }
    bytes
}

/// Returns the text of HTML as lines; what is quoted begins with `>` as in plain text.
fn without_tags(html: &str) -> String {
    let mut text = String::new();
    // As long as the original, so that places in one are places in the other: made once, not for each tag.
    let small = html.to_ascii_lowercase();
    let mut rest = html;
    let mut quoted = 0usize;
    while let Some((before, after)) = rest.split_once('<') {
        text.push_str(&entities(before));
        let Some((tag, after)) = after.split_once('>') else { return text };
        rest = after;
        let name: String = tag
            .trim_start_matches('/')
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .collect::<String>()
            .to_ascii_lowercase();
        match (name.as_str(), tag.starts_with('/')) {
            ("style" | "script" | "head", false) => {
                let end = format!("</{name}");
                let small = small.get(html.len() - rest.len()..).unwrap_or_default();
                rest = small.find(&end).and_then(|at| rest.get(at..)).unwrap_or_default();
            }
            ("blockquote", false) => quoted += 1,
            ("blockquote", true) => quoted = quoted.saturating_sub(1),
            ("br" | "p" | "div" | "tr" | "li", _) => {}
            _ => continue,
        }
        text.push('\n');
        if quoted > 0 {
            text.push_str("> ");
        }
    }
    text.push_str(&entities(rest));
    text
}

fn entities(text: &str) -> String {
    [
        ("&nbsp;", " "),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&amp;", "&"),
    ]
    .iter()
    .fold(text.replace('\n', " "), |text, (name, is)| text.replace(name, is))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_plain_text_is_read_however_it_is_packed() {
        let nested = "Content-Type: multipart/mixed; boundary=\"A\"\n\nnot this\n--A\n\
            Content-Type: multipart/alternative; boundary=B\n\n--B\nContent-Type: text/html\n\n\
            <p>html</p>\n--B\nContent-Type: text/plain; charset=utf-8\n\
            Content-Transfer-Encoding: quoted-printable\n\nack s=C3=BC=\nd = 1\n--B--\n--A\n\
            Content-Type: text/plain\nContent-Disposition: attachment; filename=x\n\nattached\n--A--\n";
        assert_eq!(parse(nested.as_bytes()).text, "ack süd = 1\n");
        let coded = "Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\nYWNr\nIDJo\n";
        assert_eq!(parse(coded.as_bytes()).text, "ack 2h");
        assert_eq!(parse(b"To: a\r\n\r\nack\r\n").text, "ack\n");
        assert_eq!(parse(b"\nack\n").text, "ack\n");
    }

    #[test]
    fn of_html_alone_the_words_are_read_and_quotes_stay_quotes() {
        let html = "Content-Type: text/html\n\n<head><title>x</title></head><style>p {}</style>\
            <div>ack&nbsp;2h<br></div><blockquote><p>silence 9d</p></blockquote>";
        let text = parse(html.as_bytes()).text;
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
        assert_eq!(lines.first(), Some(&"ack 2h"), "{text}");
        assert!(lines.contains(&"> silence 9d"), "{text}");
    }

    #[test]
    fn a_mail_of_nothing_but_styles_takes_no_longer_than_another() {
        let styles = "<STYLE></style>".repeat(MAX_MAIL / 15 - 10);
        let mail = format!("Content-Type: text/html\n\n{styles}ack 2h");
        // A copy of the rest for each of the 70,000 styles would take some minutes.
        let begun = hark_model::time::Clock.now().mono;
        assert_eq!(parse(mail.as_bytes()).text.trim(), "ack 2h");
        let took = hark_model::time::Clock.now().mono.since(begun);
        assert!(took < std::time::Duration::from_secs(10), "{took:?}");
    }

    #[test]
    fn folded_headers_are_one_and_the_envelopes_first_line_is_none() {
        let mail = parse(b"From a@b Sat Nov 21\nReferences: <a@b>\n <c@d>\nX: 1\nx: 2\n\nack\n");
        assert_eq!(mail.all("references").collect::<Vec<_>>(), ["<a@b> <c@d>"]);
        assert_eq!(mail.all("X").collect::<Vec<_>>(), ["1", "2"]);
    }

    #[test]
    fn whom_a_mail_says_it_is_from_is_one_address_or_none() {
        let from = |value: &str| parse(format!("From: {value}\n\nack").as_bytes()).from();
        assert_eq!(from("Mira <Mira@Example.net>").as_deref(), Some("mira@example.net"));
        assert_eq!(from("mira@example.net").as_deref(), Some("mira@example.net"));
        for none in ["", "Mira", "a@b, c@d", "<a@b\"c>", "@b", "a@", "Mira <a@b"] {
            assert_eq!(from(none), None, "{none}");
        }
        assert_eq!(from(&format!("{}@b", "a".repeat(300))), None);
    }

    #[test]
    fn what_a_program_sent_is_known() {
        for header in [
            "Auto-Submitted: auto-replied",
            "Precedence: bulk",
            "X-Autoreply: yes",
            "Return-Path: <>",
        ] {
            assert!(parse(format!("{header}\n\nack").as_bytes()).is_automatic(), "{header}");
        }
        assert!(!parse(b"Auto-Submitted: no\nReturn-Path: <a@b>\n\nack").is_automatic());
    }

    #[test]
    fn no_form_of_mail_is_followed_without_end() {
        let deep = (0..100).fold(String::new(), |deep, n| {
            format!("{deep}Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n")
        });
        assert_eq!(parse(deep.as_bytes()).text, "");
        let many =
            format!("Content-Type: multipart/mixed; boundary=b\n\n{}", "--b\n\nx\n".repeat(9999));
        assert_eq!(parse(many.as_bytes()).text, "x\n");
        assert_eq!(parse(b"Content-Type: multipart/mixed\n\nx").text, "");
    }
}

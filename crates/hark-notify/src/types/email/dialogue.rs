//! A mail as the log of deliveries shows it.

use crate::trace::Asked;

/// Returns what is asked of a mail server, without logging in. The content is decoded: in a coded one a
/// line can end in the middle of a token that must not be shown.
pub(super) fn asked(server: &str, from: &str, to: &[&str], mail: &[u8]) -> Asked {
    let mail = String::from_utf8_lossy(mail);
    let (head, body) = mail.split_once("\r\n\r\n").unwrap_or((&mail, ""));
    let mut headers: Vec<(String, String)> = Vec::new();
    for line in head.split("\r\n") {
        let folded = line.strip_prefix([' ', '\t']);
        match (folded, headers.last_mut(), line.split_once(':')) {
            (Some(more), Some((_, value)), _) => {
                value.push(' ');
                value.push_str(more.trim());
            }
            (_, _, Some((name, value))) => headers.push((name.to_owned(), value.trim().to_owned())),
            (_, _, None) => {}
        }
    }
    let to: Vec<String> = to.iter().map(|to| format!(" RCPT TO:<{to}>")).collect();
    let line = format!("{server} MAIL FROM:<{from}>{} DATA", to.concat());
    Asked { line, headers, body: decoded(body) }
}

/// Returns what a quoted-printable text says.
fn decoded(text: &str) -> String {
    let text = text.replace("=\r\n", "").replace("\r\n", "\n");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, behind)) = rest.split_first() {
        let code = behind.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let code = code.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        if let (b'=', Some(code)) = (byte, code) {
            bytes.push(code);
            rest = behind.get(2..).unwrap_or_default();
        } else {
            bytes.push(*byte);
            rest = behind;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_is_shown_as_people_read_it() {
        let mail = b"From: a@b\r\nReferences: <1@b>\r\n <2@b>\r\n\r\nl=C3=A4st ov=\r\ner =\r\n3=3D3\r\n100=%\r\n";
        let asked = asked("mx:25", "a@b", &["c@d", "e@f"], mail);
        assert_eq!(asked.line, "mx:25 MAIL FROM:<a@b> RCPT TO:<c@d> RCPT TO:<e@f> DATA");
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(asked.headers, [header("From", "a@b"), header("References", "<1@b> <2@b>")]);
        assert_eq!(asked.body, "läst over 3=3\n100=%\n");
    }
}

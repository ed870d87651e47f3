//! A mail of the server's own to somebody who is no recipient of its messages.

use hark_model::time::Clock;
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Message};

use super::compose::{header, message_id, part};
use crate::OwnMail;
use crate::error::{SendError, one_line};

/// Longest subject in bytes.
const MAX_SUBJECT: usize = 200;

/// Puts the mail together. Mail programs find the way out in its head (RFC 2369), and the button of theirs
/// that needs no second click (RFC 8058).
pub(super) fn own(from: &Mailbox, to: &Mailbox, mail: &OwnMail<'_>) -> Result<Vec<u8>, SendError> {
    let now = Clock.now().unix;
    let domain = from.email.domain();
    let at = std::time::Duration::from_secs(u64::try_from(now.seconds()).unwrap_or(0));
    // The same at each try: whoever gets it twice after a crash can drop the second.
    let unique = format!("own\0{}\0{}", to.email, mail.key);
    let mut builder = Message::builder()
        .from(from.clone())
        .to(to.clone())
        .subject(one_line(mail.subject, MAX_SUBJECT))
        .date(std::time::UNIX_EPOCH + at)
        .message_id(Some(message_id(&unique, domain)))
        .raw_header(header("Auto-Submitted", "auto-generated"))
        .raw_header(header("X-Auto-Response-Suppress", "All"));
    if let Some(leave) = mail.leave {
        builder = builder
            .raw_header(header("List-Id", &format!("<{}.status.hark.{domain}>", mail.list)))
            .raw_header(header("List-Unsubscribe", &format!("<{leave}>")))
            .raw_header(header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"));
    }
    let message = builder.singlepart(part(ContentType::TEXT_PLAIN, mail.text.to_owned())?);
    let message = message.map_err(|error| SendError::Compose { what: error.to_string() })?;
    Ok(message.formatted())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(leave: Option<&str>) -> String {
        let (from, to) = ("hark@example.net".parse().unwrap(), "mira@example.org".parse().unwrap());
        let mail = OwnMail {
            to: "mira@example.org",
            subject: "Shop:\r\nX: y",
            text: "All is well.\n",
            key: "1",
            list: "shop",
            leave,
        };
        String::from_utf8(own(&from, &to, &mail).unwrap()).unwrap()
    }

    #[test]
    fn mail_programs_find_the_way_out() {
        let text = sent(Some("https://hark.example.net/status/shop/leave/x"));
        for line in [
            "To: mira@example.org\r\n",
            "Subject: Shop:  X: y\r\n",
            "Auto-Submitted: auto-generated\r\n",
            "List-Unsubscribe: <https://hark.example.net/status/shop/leave/x>\r\n",
            "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n",
        ] {
            assert!(text.contains(line), "no {line:?}: {text}");
        }
        assert!(!sent(None).contains("List-"), "who has not confirmed is in no list");
    }
}

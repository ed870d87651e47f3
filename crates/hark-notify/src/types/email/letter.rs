//! An answer to somebody's answer: what to write instead, or why it was not obeyed.

use hark_model::time::Clock;
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Message};

use super::compose::{header, message_id, part};
use crate::error::{SendError, one_line};
use crate::handling::Letter;

/// Longest subject in bytes.
const MAX_SUBJECT: usize = 200;

/// Puts the mail together. It says that a program has sent it, so that no other program answers.
pub(super) fn letter(
    from: &Mailbox,
    to: &Mailbox,
    letter: &Letter<'_>,
) -> Result<Vec<u8>, SendError> {
    let mail = letter.mail;
    let subject = one_line(mail.subject(), MAX_SUBJECT);
    let begins = subject.get(..3).is_some_and(|begin| begin.eq_ignore_ascii_case("re:"));
    let subject = if begins { subject } else { format!("Re: {subject}") };
    let now = Clock.now().unix;
    let unique = format!("letter\0{}\0{}\0{}", to.email, mail.id().unwrap_or_default(), now.0);
    let at = std::time::Duration::from_secs(u64::try_from(now.seconds()).unwrap_or(0));
    let mut builder = Message::builder()
        .from(from.clone())
        .to(to.clone())
        .subject(subject)
        .date(std::time::UNIX_EPOCH + at)
        .message_id(Some(message_id(&unique, from.email.domain())))
        .raw_header(header("Auto-Submitted", "auto-replied"))
        .raw_header(header("X-Auto-Response-Suppress", "All"));
    if let Some(id) = mail.id() {
        builder = builder.in_reply_to(id.to_owned()).references(id.to_owned());
    }
    let text = part(ContentType::TEXT_PLAIN, format!("{}\n", letter.text))?;
    let message = builder.singlepart(text);
    let message = message.map_err(|error| SendError::Compose { what: error.to_string() })?;
    Ok(message.formatted())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handling::Mail;

    fn sent(mail: &str) -> String {
        let mail = Mail::read(mail.as_bytes());
        let (from, to) = ("hark@example.net".parse().unwrap(), "mira@example.net".parse().unwrap());
        let bytes = letter(&from, &to, &Letter { mail: &mail, text: "Begin with `ack`." }).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn an_answer_stands_below_what_it_answers_and_says_that_a_program_wrote_it() {
        let text = sent("Subject: Re: [hark] db1\nMessage-ID: <1@mira>\n\nthanks");
        for line in [
            "Subject: Re: [hark] db1\r\n",
            "In-Reply-To: <1@mira>\r\n",
            "References: <1@mira>\r\n",
            "Auto-Submitted: auto-replied\r\n",
            "\r\n\r\nBegin with `ack`.",
        ] {
            assert!(text.contains(line), "no {line:?}: {text}");
        }
        assert!(Mail::read(text.as_bytes()).is_automatic(), "no loop of two");
    }

    #[test]
    fn nothing_of_a_foreign_mail_becomes_a_header_of_its_own() {
        let text = sent("Subject: a\r b: c\nMessage-ID: <1@mira> <2@x\n\nthanks");
        assert!(text.contains("Subject: Re: a  b: c\r\n"), "{text}");
        assert!(!text.contains("In-Reply-To"), "{text}");
    }
}

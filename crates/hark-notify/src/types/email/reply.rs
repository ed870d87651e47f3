//! What makes an answer to a mail an acknowledgement: the token of the message, in the address that the
//! answer goes to and in the chain of references that mail programs carry on.

use lettre::message::Mailbox;

use super::mailbox;
use crate::handling::TOKEN_CHARS;

/// Where the token stands in `reply_to`.
const TOKEN: &str = "{token}";

/// Longest part of a mail address before the `@` (RFC 5321, 4.5.3.1.1).
const MAX_LOCAL: usize = 64;

/// Where answers go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ReplyTo {
    /// The same for all mails.
    Fixed(Box<Mailbox>),
    /// An address of its own for each mail that can be answered: the text before and after the token.
    Each(String, String),
}

impl ReplyTo {
    /// Reads an address, with or without a place for the token.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let Some((before, after)) = text.split_once(TOKEN) else {
            return mailbox(text).map(|mailbox| Self::Fixed(Box::new(mailbox)));
        };
        let sample = mailbox(&format!("{before}{}{after}", "a".repeat(TOKEN_CHARS)))?;
        let local = sample.email.user().len();
        if !sample.email.user().contains(&"a".repeat(TOKEN_CHARS)) {
            return Err(format!("`{TOKEN}` must stand before the @"));
        }
        if local > MAX_LOCAL {
            let room = MAX_LOCAL - TOKEN_CHARS;
            return Err(format!("at most {room} characters fit before the @ beside `{TOKEN}`"));
        }
        Ok(Self::Each(before.to_owned(), after.to_owned()))
    }

    /// Returns where the answers to one mail go; `None` if to its sender.
    pub(super) fn of(&self, token: Option<&str>) -> Option<Mailbox> {
        match (self, token) {
            (Self::Fixed(mailbox), _) => Some((**mailbox).clone()),
            (Self::Each(before, after), Some(token)) => {
                mailbox(&format!("{before}{token}{after}")).ok()
            }
            (Self::Each(..), None) => None,
        }
    }
}

/// Returns the reference that carries the token through an answer, whatever address it goes to.
pub(super) fn reference(token: &str, domain: &str) -> String {
    format!("<{token}.hark@{domain}>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mail_has_an_address_of_its_own_or_all_have_one() {
        let token = "a2".repeat(TOKEN_CHARS / 2);
        let each = ReplyTo::parse("hark <ops+{token}@example.net>").unwrap();
        let address = each.of(Some(&token)).unwrap().to_string();
        assert!(address.contains(&format!("ops+{token}@example.net")), "{address}");
        assert_eq!(each.of(None), None, "a recovery is not answered");
        let fixed = ReplyTo::parse("ops@example.net").unwrap();
        assert_eq!(fixed.of(Some(&token)), fixed.of(None));
    }

    #[test]
    fn an_address_without_room_is_refused_before_the_first_mail() {
        let refused = |text: &str| ReplyTo::parse(text).unwrap_err();
        assert!(refused("ops@{token}.example.net").contains("before the @"));
        assert!(refused("a-very-long-name-of-ops+{token}@example.net").len() > 10);
        assert!(refused("{token}").contains("not a mail address"));
        assert!(ReplyTo::parse("fifteen-letter-{token}@example.net").is_ok());
    }
}

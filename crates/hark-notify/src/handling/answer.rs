//! What an answer to a mail wants: the tokens that it carries, and the words of its first own line.
//!
//! Who a mail says that it is from proves nothing, and neither does a signature of his mail server: the
//! token alone counts.

use std::time::Duration;

use hark_config::{Bare, duration};
use hark_model::Secret;

use super::TOKEN_CHARS;
use super::mail::Mail;

/// Tokens of one mail that are tried: its own, and those of the mails before it.
const MAX_TOKENS: usize = 4;

/// Where an address stands that the mail went to, as mail servers note it.
const ADDRESSES: &[&str] = &["x-original-to", "delivered-to", "envelope-to", "to", "cc"];

/// Where mail programs name the mails that one answers.
const CHAIN: &[&str] = &["in-reply-to", "references"];

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailOrder {
    /// For how long.
    pub held: Option<Duration>,
    /// Also if it gets worse.
    pub sticky: bool,
    /// What the person says.
    pub comment: String,
}

/// Said to a person whose mail was not understood.
const USAGE: &str = "hark: begin the answer with `ack`, `ack 2h` or `silence 2h` in a line of its own; \
                     a comment may follow";

impl Mail {
    /// Returns what the first own line of the mail says.
    ///
    /// # Errors
    /// What to write instead, for the person.
    pub fn order(&self) -> Result<MailOrder, String> {
        let line = own_line(&self.text).ok_or(USAGE)?;
        let mut words = line.split_whitespace().peekable();
        let word = words.next().unwrap_or_default().trim_matches(|c: char| !c.is_alphanumeric());
        let sticky = match word.to_lowercase().as_str() {
            "ack" | "acknowledge" | "acknowledged" => false,
            "silence" => true,
            _ => return Err(format!("{USAGE}\nThe line that was read: {line}")),
        };
        let held = words.peek().and_then(|word| duration::parse(word, Bare::Refused).ok());
        if held.is_some() {
            words.next();
        } else if sticky {
            return Err("hark: say for how long, as in `silence 2h`".to_owned());
        }
        let comment: Vec<&str> = words.collect();
        Ok(MailOrder { held, sticky, comment: comment.join(" ") })
    }

    /// Returns the tokens that the mail carries, the likeliest first: that of the address it went to,
    /// those of the mails that it answers, the newest first, those of links that it quotes.
    pub fn tokens(&self) -> Vec<Secret> {
        let mut found: Vec<String> = Vec::new();
        for header in ADDRESSES {
            self.all(header).for_each(|value| found.extend(words(value)));
        }
        for header in CHAIN {
            self.all(header).for_each(|value| found.extend(words(value).into_iter().rev()));
        }
        for after in self.text.split("/a/").skip(1) {
            let token: String = after.chars().take_while(char::is_ascii_alphanumeric).collect();
            found.extend(words(&token));
        }
        let mut tokens: Vec<Secret> = Vec::new();
        for token in found {
            let token = Secret::new(token.to_ascii_lowercase());
            if !tokens.contains(&token) && tokens.len() < MAX_TOKENS {
                tokens.push(token);
            }
        }
        tokens
    }
}

/// Returns the first line that its writer wrote: what is quoted, and the line that says whom it quotes,
/// are not.
fn own_line(text: &str) -> Option<&str> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty()).peekable();
    while let Some(line) = lines.next() {
        let is_quoted = line.starts_with('>');
        let introduces =
            line.ends_with(':') && lines.peek().is_none_or(|next| next.starts_with('>'));
        if line == "--" || line.starts_with("-----") || line.starts_with("_____") {
            // A signature, or a forwarded mail: nothing below is an answer.
            return None;
        }
        if !is_quoted && !introduces {
            return Some(line);
        }
    }
    None
}

/// Returns what may be a token in a text: as long as one, and of its characters.
fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| word.len() == TOKEN_CHARS)
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::mail;
    use super::*;

    fn mail(head: &str, text: &str) -> Mail {
        mail::parse(format!("{head}\n\n{text}").as_bytes())
    }

    fn token(letter: char) -> String {
        letter.to_string().repeat(TOKEN_CHARS)
    }

    fn read(text: &str) -> Result<(Option<u64>, bool, String), String> {
        let order = mail("To: a@b", text).order()?;
        Ok((order.held.map(|held| held.as_secs()), order.sticky, order.comment))
    }

    #[test]
    fn the_first_own_line_says_what_is_to_be_done() {
        let said = |held, sticky, comment: &str| Ok((held, sticky, comment.to_owned()));
        assert_eq!(read("ack\n"), said(None, false, ""));
        assert_eq!(read("\n  Ack! on it \n> silence 9d\n"), said(None, false, "on it"));
        assert_eq!(
            read("acknowledge 2h disk is ordered"),
            said(Some(7200), false, "disk is ordered")
        );
        assert_eq!(read("SILENCE 90m\n-- \nMira\n"), said(Some(5400), true, ""));
        let below = "On Saturday ops wrote:\n> CRITICAL: db1\n> ack\n\nack below\n";
        assert_eq!(read(below), said(None, false, "below"));
    }

    #[test]
    fn what_is_quoted_or_says_something_else_does_nothing() {
        for text in [
            "",
            "> ack\n",
            "On Saturday ops wrote:\n> ack\n",
            "thanks\nack\n",
            "-----Original Message-----\nack\n",
            "-- \nack\n",
            "do not ack",
        ] {
            assert!(read(text).unwrap_err().contains("begin the answer with `ack`"), "{text}");
        }
        assert!(read("silence\n").unwrap_err().contains("for how long"));
        assert!(read("silence forever\n").unwrap_err().contains("for how long"));
    }

    #[test]
    fn the_token_is_found_wherever_a_mail_program_leaves_it() {
        let found = |head: &str, text: &str| -> Vec<String> {
            mail(head, text).tokens().iter().map(|token| token.expose().to_owned()).collect()
        };
        let (a, b, c) = (token('a'), token('b'), token('c'));
        assert_eq!(found(&format!("To: Ops <ops+{a}@example.net>"), ""), [a.as_str()]);
        assert_eq!(found(&format!("To: ops+{}@x", a.to_uppercase()), ""), [a.as_str()]);
        let chain =
            format!("References: <{a}.hark@x> <0123.hark@x>\n <{b}.hark@x>\nIn-Reply-To: <9@x>");
        assert_eq!(found(&chain, ""), [b.as_str(), a.as_str()], "the newest first");
        let quoted = format!("ack\n> Acknowledge:\n> https://hark.example.net/a/{c}\n");
        assert_eq!(found("To: ops@x", &quoted), [c.as_str()]);
        assert_eq!(found("To: ops@x", &format!("ack {a}")), [""; 0], "a word is no link");
        assert_eq!(found(&chain, &quoted).len(), 3);
    }
}

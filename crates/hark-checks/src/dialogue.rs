//! Dialogues of lines: a machine hears one line at a time and says what comes next. It decides, and
//! does nothing itself; what carries its steps out is [`crate::session`].
//!
//! SMTP, IMAP, POP3 and FTP are such machines. Replies with a number at their head, which SMTP and FTP
//! share, are put together here.

use std::fmt;

use hark_conditions::Fact;

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Hear the next line.
    Hear,
    /// Say this line, then hear the next one.
    Say(String),
    /// Agree on TLS, then go on with [`Dialogue::secured`].
    Secure,
    /// All that was to be seen was seen; say this line as farewell, and do not wait for an answer.
    Part(&'static str),
}

/// A dialogue of lines, on the side of the client.
pub(crate) trait Dialogue: Send {
    /// Takes one line of the server, without what ends it.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    fn hear(&mut self, line: &str) -> Result<Step, String>;

    /// Goes on after TLS was agreed on in the midst of it.
    fn secured(&mut self) -> Step;

    /// Returns what was seen until now: a word, and its value.
    fn facts(&self) -> Vec<(&'static str, Fact)>;
}

/// Most lines of one reply: a server that goes on longer does not mean to end.
const MAX_LINES: usize = 200;

/// How much of what a server said is shown.
const MAX_SHOWN: usize = 120;

/// Writes what a server said so that it does no harm where it is read, and is not long.
pub(crate) fn shown(text: &str) -> String {
    let mut out = String::new();
    for (n, c) in text.chars().enumerate() {
        if n == MAX_SHOWN {
            out.push('…');
            break;
        }
        match c {
            '\n' => out.push_str(" / "),
            c if c.is_control() => out.push(char::REPLACEMENT_CHARACTER),
            c => out.push(c),
        }
    }
    out
}

/// A reply with a number at its head (RFC 5321, RFC 959).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) code: u16,
    /// Its lines, without the numbers.
    pub(crate) lines: Vec<String>,
}

impl Reply {
    /// Returns true if it says that all is well, or that the other side waits for more.
    pub(crate) fn is_good(&self) -> bool {
        (200..400).contains(&self.code)
    }

    /// Returns the text of its first line.
    pub(crate) fn first(&self) -> &str {
        self.lines.first().map_or("", String::as_str)
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, line) in self.lines.iter().enumerate() {
            let gap = if n == 0 { "" } else { "\n" };
            let space = if line.is_empty() { "" } else { " " };
            write!(f, "{gap}{}{space}{line}", self.code)?;
        }
        Ok(())
    }
}

/// Puts the lines of a reply together.
#[derive(Debug, Default)]
pub(crate) struct Replies {
    begun: Option<Reply>,
}

impl Replies {
    /// Takes one line; returns the reply when this was its last.
    ///
    /// # Errors
    /// If it cannot be a line of a reply.
    pub(crate) fn hear(&mut self, line: &str) -> Result<Option<Reply>, String> {
        let head = numbered(line);
        let Some(reply) = &mut self.begun else {
            let Some((code, last, text)) = head else {
                return Err(format!("this is no reply: {}", shown(line)));
            };
            let reply = Reply { code, lines: vec![text.to_owned()] };
            if last {
                return Ok(Some(reply));
            }
            self.begun = Some(reply);
            return Ok(None);
        };
        if reply.lines.len() >= MAX_LINES {
            return Err(format!("a reply has more than {MAX_LINES} lines"));
        }
        match head {
            // Servers of FTP write lines without a number between the first and the last.
            Some((code, last, text)) if code == reply.code => {
                reply.lines.push(text.to_owned());
                Ok(if last { self.begun.take() } else { None })
            }
            _ => {
                reply.lines.push(line.trim_start().to_owned());
                Ok(None)
            }
        }
    }
}

/// Takes a line apart: its number, whether it is the last of its reply, and its text.
fn numbered(line: &str) -> Option<(u16, bool, &str)> {
    let (head, rest) = line.split_at_checked(3)?;
    if !head.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let code = head.parse().ok()?;
    match rest.split_at_checked(1) {
        None => Some((code, true, "")),
        Some((" ", text)) => Some((code, true, text)),
        Some(("-", text)) => Some((code, false, text)),
        Some(_) => None,
    }
}

/// Plays a dialogue in a test: `server` are the lines it says, in order. Returns what the client said
/// (`<TLS>` where TLS began), and how it ended: `Ok` if it parted, `Err` with what was wrong.
#[cfg(test)]
pub(crate) fn play(
    dialogue: &mut impl Dialogue,
    server: &[&str],
) -> (Vec<String>, Result<(), String>) {
    let mut said = Vec::new();
    for line in server {
        let mut step = match dialogue.hear(line) {
            Ok(step) => step,
            Err(wrong) => return (said, Err(wrong)),
        };
        if step == Step::Secure {
            said.push("<TLS>".to_owned());
            step = dialogue.secured();
        }
        match step {
            Step::Hear => {}
            Step::Say(line) => said.push(line),
            Step::Part(farewell) => {
                said.push(farewell.to_owned());
                return (said, Ok(()));
            }
            Step::Secure => unreachable!("TLS twice"),
        }
    }
    (said, Err("the server has no more lines".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replies(lines: &[&str]) -> Vec<Result<Option<Reply>, String>> {
        let mut replies = Replies::default();
        lines.iter().map(|line| replies.hear(line)).collect()
    }

    #[test]
    fn a_reply_ends_with_the_line_that_has_a_space_after_its_number() {
        let heard = replies(&["250-mail.example", "250-SIZE 1000", "250 STARTTLS", "221"]);
        assert_eq!(heard[0], Ok(None));
        assert_eq!(heard[1], Ok(None));
        let reply = heard[2].clone().unwrap().unwrap();
        assert_eq!(reply.to_string(), "250 mail.example\n250 SIZE 1000\n250 STARTTLS");
        assert_eq!(heard[3], Ok(Some(Reply { code: 221, lines: vec![String::new()] })));
    }

    #[test]
    fn lines_without_number_stand_between_the_first_and_the_last() {
        let heard = replies(&["220-Welcome", " to this 200 server", "230 not ours", "220 ready"]);
        let reply = heard[3].clone().unwrap().unwrap();
        assert_eq!(reply.code, 220);
        assert_eq!(reply.lines, ["Welcome", "to this 200 server", "230 not ours", "ready"]);
    }

    #[test]
    fn what_is_no_reply_is_said() {
        for line in ["", "hello", "22 x", "2200 x", "+OK", "ééé x"] {
            let wrong = replies(&[line])[0].clone().unwrap_err();
            assert!(wrong.starts_with("this is no reply"), "{line}: {wrong}");
        }
    }

    #[test]
    fn a_reply_without_end_is_cut_off() {
        let lines = vec!["250-more"; MAX_LINES + 1];
        let heard = replies(&lines);
        assert!(heard[MAX_LINES - 1].is_ok());
        assert!(heard[MAX_LINES].is_err());
    }

    #[test]
    fn what_is_shown_is_short_and_without_control_characters() {
        assert_eq!(shown("a\u{1b}[31mb\nc"), "a\u{fffd}[31mb / c");
        assert_eq!(shown(&"x".repeat(500)).chars().count(), MAX_SHOWN + 1);
    }
}

//! The dialogue with a mailbox server (RFC 3501, RFC 9051; RFC 2177 for waiting), over any stream.

use std::fmt;
use std::io;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hark_model::Secret;
use hark_model::time::Unix;
use hark_net::{Lines, Wire};
use tokio::io::AsyncWriteExt as _;

use crate::deadline::Deadline;
use crate::error::{Again, Doing, SendError, one_line};
use crate::handling::MAX_MAIL;

/// Longest line of an answer: the numbers of some thousand unread mails of the last days.
const MAX_LINE: usize = 64 * 1024;

/// Lines of one answer: what opening a folder says of it, and what others do to it meanwhile.
const MAX_LINES: usize = 1000;

/// Bound on what is kept of an answer's words.
const MAX_TEXT: usize = 300;

/// Names of months as they stand in commands.
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// One line of the server with the longer texts that were announced in it.
#[derive(Debug, Default)]
struct Said {
    text: String,
    literals: Vec<Vec<u8>>,
}

impl Said {
    /// Returns the words of an untagged line whose first word is `name`.
    fn untagged(&self, name: &str) -> Option<std::str::SplitAsciiWhitespace<'_>> {
        let mut words = self.text.strip_prefix("* ")?.split_ascii_whitespace();
        words.next().filter(|word| word.eq_ignore_ascii_case(name))?;
        Some(words)
    }
}

/// An open dialogue.
pub(super) struct Session {
    lines: Lines<Box<dyn Wire>>,
    host: String,
    tag: u32,
    abilities: Vec<String>,
    /// Something has come since mails were last searched: servers say so whenever they are asked
    /// anything.
    has_news: bool,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("host", &self.host).finish_non_exhaustive()
    }
}

impl Session {
    /// Reads the greeting of `host`.
    pub(super) async fn greeted(
        stream: Box<dyn Wire>,
        host: &str,
        deadline: Deadline,
    ) -> Result<Self, SendError> {
        let mut session = Self::resumed(stream, host);
        let greeting = session.hear(Doing::Greeting, deadline).await?;
        if greeting.untagged("OK").is_none() {
            return Err(refused("does not greet", &greeting.text));
        }
        Ok(session)
    }

    /// Goes on after TLS was agreed on, without believing anything that was said before.
    pub(super) fn resumed(stream: Box<dyn Wire>, host: &str) -> Self {
        Self {
            lines: Lines::new(stream),
            host: host.to_owned(),
            tag: 0,
            abilities: Vec::new(),
            has_news: false,
        }
    }

    /// Gives the stream back, ready for TLS.
    pub(super) async fn starttls(mut self, deadline: Deadline) -> Result<Box<dyn Wire>, SendError> {
        self.ask_abilities(deadline).await?;
        if !self.is_able("STARTTLS") {
            return Err(SendError::Lacks { host: self.host, what: "STARTTLS" });
        }
        self.command("STARTTLS", "refuses TLS", Doing::Securing, deadline).await?;
        let broken = |source| SendError::Broken { doing: Doing::Securing, source };
        self.lines.into_stream().map_err(broken)
    }

    /// Logs in, by PLAIN where it is offered, else by LOGIN.
    pub(super) async fn log_in(
        &mut self,
        user: &str,
        password: &Secret,
        deadline: Deadline,
    ) -> Result<(), SendError> {
        let (doing, refusal) = (Doing::Greeting, "refuses the log-in");
        self.ask_abilities(deadline).await?;
        if self.is_able("AUTH=PLAIN") {
            let token = STANDARD.encode(format!("\0{user}\0{}", password.expose()));
            let tag = self.say("AUTHENTICATE PLAIN", doing, deadline).await?;
            self.until_ready(&tag, refusal, doing, deadline).await?;
            self.write(&token, doing, deadline).await?;
            self.until_done(&tag, refusal, doing, deadline).await?;
        } else if self.is_able("LOGINDISABLED") {
            let what = "a way to log in that hark knows (PLAIN, LOGIN)";
            return Err(SendError::Lacks { host: self.host.clone(), what });
        } else {
            let (user, password) = (quoted(user)?, quoted(password.expose())?);
            let line = format!("LOGIN {user} {password}");
            self.command(&line, refusal, doing, deadline).await?;
        }
        // Many servers offer more to those they know.
        self.ask_abilities(deadline).await
    }

    /// Opens a folder, to change what is in it.
    pub(super) async fn select(
        &mut self,
        folder: &str,
        deadline: Deadline,
    ) -> Result<(), SendError> {
        let line = format!("SELECT {}", quoted(folder)?);
        let refusal = "does not open the folder";
        let said = self.command(&line, refusal, Doing::Reading, deadline).await?;
        let last = said.last().map(|said| said.text.as_str()).unwrap_or_default();
        if last.to_ascii_uppercase().contains("[READ-ONLY]") {
            return Err(refused("lets the folder only be read", last));
        }
        Ok(())
    }

    /// Returns the numbers of the unread mails that came on the day of `since` or later.
    pub(super) async fn unread(
        &mut self,
        since: Unix,
        deadline: Deadline,
    ) -> Result<Vec<u32>, SendError> {
        self.has_news = false;
        let line = format!("UID SEARCH UNSEEN SINCE {}", day(since));
        let said = self.command(&line, "does not search", Doing::Reading, deadline).await?;
        let numbers = said.iter().filter_map(|said| said.untagged("SEARCH")).flatten();
        Ok(numbers.filter_map(|number| number.parse().ok()).collect())
    }

    /// Returns a mail, without marking it as read; `None` if it is gone.
    pub(super) async fn fetch(
        &mut self,
        number: u32,
        deadline: Deadline,
    ) -> Result<Option<Vec<u8>>, SendError> {
        let line = format!("UID FETCH {number} (BODY.PEEK[]<0.{MAX_MAIL}>)");
        let said =
            self.command(&line, "does not hand a mail out", Doing::Reading, deadline).await?;
        let is_fetched = |said: &Said| said.text.split(' ').nth(2) == Some("FETCH");
        Ok(said.into_iter().filter(is_fetched).find_map(|mut said| said.literals.pop()))
    }

    /// Marks a mail as read, or takes it away.
    pub(super) async fn mark(
        &mut self,
        number: u32,
        delete: bool,
        deadline: Deadline,
    ) -> Result<(), SendError> {
        let (doing, refusal) = (Doing::Reading, "does not mark a mail");
        let flags = if delete { r"(\Seen \Deleted)" } else { r"(\Seen)" };
        let line = format!("UID STORE {number} +FLAGS.SILENT {flags}");
        self.command(&line, refusal, doing, deadline).await?;
        if delete {
            // Where one mail cannot be taken out alone, those that others have marked go with it.
            let alone = self.is_able("UIDPLUS");
            let line = if alone { format!("UID EXPUNGE {number}") } else { "EXPUNGE".to_owned() };
            self.command(&line, refusal, doing, deadline).await?;
        }
        Ok(())
    }

    /// Returns true if the server says by itself that something has come.
    pub(super) fn can_wait(&self) -> bool {
        self.is_able("IDLE")
    }

    /// Waits for the server's word that something has come, at most for `longest`. `step` is the time
    /// for what is said before and after.
    pub(super) async fn idle(
        &mut self,
        longest: Duration,
        step: Duration,
    ) -> Result<(), SendError> {
        let (doing, refusal) = (Doing::Reading, "does not let us wait");
        let deadline = Deadline::start(step);
        let tag = self.say("IDLE", doing, deadline).await?;
        self.until_ready(&tag, refusal, doing, deadline).await?;
        let end = Deadline::start(longest);
        while !self.has_news {
            // That nothing comes is what is expected most of the time.
            let Ok(heard) = tokio::time::timeout(end.left(), self.lines.read(MAX_LINE)).await
            else {
                break;
            };
            let line = heard.map_err(|source| SendError::Broken { doing, source })?;
            self.note(&line);
            if line.to_ascii_uppercase().starts_with("* BYE") {
                return Err(refused("says farewell", &line));
            }
        }
        let deadline = Deadline::start(step);
        self.write("DONE", doing, deadline).await?;
        self.until_done(&tag, refusal, doing, deadline).await.map(drop)
    }

    /// Does nothing: whether the connection still lives.
    pub(super) async fn noop(&mut self, deadline: Deadline) -> Result<(), SendError> {
        self.command("NOOP", "does not answer", Doing::Reading, deadline).await.map(drop)
    }

    /// Says goodbye; whether the server answers does not matter any more.
    pub(super) async fn log_out(&mut self, deadline: Deadline) {
        let _ended = self.say("LOGOUT", Doing::Reading, deadline).await;
    }

    async fn ask_abilities(&mut self, deadline: Deadline) -> Result<(), SendError> {
        let refusal = "does not say what it can";
        let said = self.command("CAPABILITY", refusal, Doing::Greeting, deadline).await?;
        let found = said.iter().filter_map(|said| said.untagged("CAPABILITY")).flatten();
        self.abilities = found.map(str::to_ascii_uppercase).collect();
        Ok(())
    }

    fn is_able(&self, name: &str) -> bool {
        self.abilities.iter().any(|ability| ability == name)
    }

    /// Says a command and returns all that is answered, the line with its end last.
    async fn command(
        &mut self,
        line: &str,
        refusal: &str,
        doing: Doing,
        deadline: Deadline,
    ) -> Result<Vec<Said>, SendError> {
        let tag = self.say(line, doing, deadline).await?;
        self.until_done(&tag, refusal, doing, deadline).await
    }

    async fn say(
        &mut self,
        line: &str,
        doing: Doing,
        deadline: Deadline,
    ) -> Result<String, SendError> {
        self.tag = self.tag.wrapping_add(1);
        let tag = format!("h{}", self.tag);
        self.write(&format!("{tag} {line}"), doing, deadline).await?;
        Ok(tag)
    }

    async fn write(
        &mut self,
        line: &str,
        doing: Doing,
        deadline: Deadline,
    ) -> Result<(), SendError> {
        // The last gate before a line break could become a second command.
        if line.contains(['\r', '\n', '\0']) {
            return Err(SendError::Compose { what: "a line break in an IMAP command".to_owned() });
        }
        deadline.io(doing, self.lines.stream().write_all(format!("{line}\r\n").as_bytes())).await?;
        deadline.io(doing, self.lines.stream().flush()).await
    }

    /// Hears until the server waits for more of what was begun.
    async fn until_ready(
        &mut self,
        tag: &str,
        refusal: &str,
        doing: Doing,
        deadline: Deadline,
    ) -> Result<(), SendError> {
        for _ in 0..MAX_LINES {
            let said = self.hear(doing, deadline).await?;
            if said.text.starts_with('+') {
                return Ok(());
            }
            if outcome(&said.text, tag).is_some() {
                return Err(refused(refusal, &said.text));
            }
        }
        Err(endless(doing))
    }

    async fn until_done(
        &mut self,
        tag: &str,
        refusal: &str,
        doing: Doing,
        deadline: Deadline,
    ) -> Result<Vec<Said>, SendError> {
        let mut all = Vec::new();
        for _ in 0..MAX_LINES {
            let said = self.hear(doing, deadline).await?;
            match outcome(&said.text, tag) {
                Some(true) => {
                    all.push(said);
                    return Ok(all);
                }
                Some(false) => return Err(refused(refusal, &said.text)),
                None if said.untagged("BYE").is_some() => {
                    return Err(refused("says farewell", &said.text));
                }
                None => all.push(said),
            }
        }
        Err(endless(doing))
    }

    async fn hear(&mut self, doing: Doing, deadline: Deadline) -> Result<Said, SendError> {
        let said = deadline.io(doing, self.read()).await?;
        self.note(&said.text);
        Ok(said)
    }

    fn note(&mut self, line: &str) {
        let mut words = line.split(' ');
        let is_news = words.next() == Some("*")
            && words.nth(1).is_some_and(|word| word.eq_ignore_ascii_case("EXISTS"));
        self.has_news |= is_news;
    }

    async fn read(&mut self) -> io::Result<Said> {
        let mut said = Said::default();
        let mut size = 0;
        loop {
            let line = self.lines.read(MAX_LINE).await?;
            let Some((before, n)) = announced(&line) else {
                said.text.push_str(&line);
                return Ok(said);
            };
            size += n.saturating_add(line.len());
            if size > MAX_MAIL + MAX_LINE {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the answer is too long"));
            }
            said.literals.push(self.lines.take(n).await?);
            said.text.push_str(before);
        }
    }
}

/// Returns what stands before a text that a line announces, and how many bytes that has.
fn announced(line: &str) -> Option<(&str, usize)> {
    let (before, number) = line.strip_suffix('}')?.rsplit_once('{')?;
    Some((before, number.parse().ok()?))
}

/// Returns whether the command with `tag` was done; `None` if the line is not its end.
fn outcome(line: &str, tag: &str) -> Option<bool> {
    let rest = line.strip_prefix(tag)?.strip_prefix(' ')?;
    Some(rest.split(' ').next().is_some_and(|word| word.eq_ignore_ascii_case("OK")))
}

fn refused(what: &str, line: &str) -> SendError {
    let words = line.split_once(' ').map_or(line, |(_, words)| words);
    let what = format!("the mailbox server {what}: {}", one_line(words, MAX_TEXT));
    SendError::Program { what, again: Again::Later }
}

fn endless(doing: Doing) -> SendError {
    let source = io::Error::new(io::ErrorKind::InvalidData, "the answer has too many lines");
    SendError::Broken { doing, source }
}

/// Puts a text into quotes.
fn quoted(text: &str) -> Result<String, SendError> {
    if !super::is_plain(text) {
        let what = "this mailbox server takes only names and passwords in ASCII".to_owned();
        return Err(SendError::Compose { what });
    }
    Ok(format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
}

/// Returns the day of a moment as it stands in commands.
fn day(at: Unix) -> String {
    let text = at.rfc3339();
    let mut parts = text.split(['-', 'T']);
    let mut part = || parts.next().unwrap_or_default();
    let (year, month, day) = (part(), part(), part());
    let month = month.parse::<usize>().ok().and_then(|month| MONTHS.get(month.checked_sub(1)?));
    format!("{day}-{}-{year}", month.unwrap_or(&"Jan"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_texts_and_ends_are_as_the_protocol_has_them() {
        assert_eq!(day(Unix(1_800_000_000_000)), "15-Jan-2027");
        assert_eq!(quoted("a\"b\\").unwrap(), "\"a\\\"b\\\\\"");
        assert!(quoted("pässword").is_err());
        assert_eq!(announced("* 1 FETCH (BODY[]<0> {12}"), Some(("* 1 FETCH (BODY[]<0> ", 12)));
        assert_eq!(announced("* OK {x}"), None);
        assert_eq!(outcome("h1 OK done", "h1"), Some(true));
        assert_eq!(outcome("h1 NO never", "h1"), Some(false));
        assert_eq!(outcome("h12 OK", "h1"), None);
    }
}

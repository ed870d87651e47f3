//! The dialogue with a mail server (RFC 5321), over any stream.
//!
//! It is our own because a delivery needs to know more than "sent or not": which recipients were
//! refused and how, whether the server may already have the message, and that nothing was smuggled
//! in before TLS began (what a server sends ahead of the handshake is refused, not read afterwards).
//! Messages are put together elsewhere; what comes in here is bytes with CR LF at the end of lines.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hark_model::Secret;
use hark_net::{Lines, Wire};
use tokio::io::AsyncWriteExt as _;

use crate::deadline::Deadline;
use crate::error::{Again, Doing, SendError, one_line};

/// Bound on one answer of the server, all its lines together: long greetings exist, a flood must
/// not fill memory.
const MAX_REPLY: usize = 16 * 1024;

/// Bound on what is kept of an answer's text.
const MAX_REPLY_TEXT: usize = 300;

/// What the server said.
#[derive(Debug)]
struct Reply {
    code: u16,
    lines: Vec<String>,
}

impl Reply {
    fn is(&self, class: u16) -> bool {
        self.code / 100 == class
    }

    fn text(&self) -> String {
        one_line(&self.lines.join(" "), MAX_REPLY_TEXT)
    }

    fn refusal(&self) -> SendError {
        let again = if self.is(5) { Again::Never } else { Again::Later };
        SendError::Refused { code: self.code, text: self.text(), again }
    }
}

/// What the server can do, from its answer to EHLO.
#[derive(Debug, Default)]
struct Abilities {
    starttls: bool,
    plain: bool,
    login: bool,
}

impl Abilities {
    fn from_reply(reply: &Reply) -> Self {
        let mut abilities = Self::default();
        for line in reply.lines.iter().skip(1) {
            let line = line.to_ascii_uppercase();
            // Some old servers write `AUTH=PLAIN`.
            let mut words = line.split([' ', '=']);
            match words.next() {
                Some("STARTTLS") => abilities.starttls = true,
                Some("AUTH") => {
                    for mechanism in words {
                        abilities.plain |= mechanism == "PLAIN";
                        abilities.login |= mechanism == "LOGIN";
                    }
                }
                _ => {}
            }
        }
        abilities
    }
}

/// A recipient the server does not serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) recipient: String,
    pub(crate) code: u16,
    pub(crate) text: String,
}

impl Refusal {
    /// Returns true if the recipient may be served later.
    pub(crate) fn is_temporary(&self) -> bool {
        self.code / 100 != 5
    }
}

/// The server has the message.
#[derive(Debug)]
pub(crate) struct Accepted {
    /// Its code.
    pub(crate) code: u16,
    /// What it said, with its queue number if it gives one.
    pub(crate) text: String,
    /// For whom it has not.
    pub(crate) refused: Vec<Refusal>,
}

/// An open dialogue. Dropping it closes the connection, at any point: the server then forgets what
/// was not ended by the final dot.
pub(crate) struct Session {
    lines: Lines<Box<dyn Wire>>,
    host: String,
    abilities: Abilities,
}

impl Session {
    fn over(stream: Box<dyn Wire>, host: &str) -> Self {
        let lines = Lines::new(stream);
        Self { lines, host: host.to_owned(), abilities: Abilities::default() }
    }

    /// Reads the greeting of `host` and says hello as `hello`.
    pub(crate) async fn open(
        stream: Box<dyn Wire>,
        host: &str,
        hello: &str,
        deadline: Deadline,
    ) -> Result<Self, SendError> {
        let mut session = Self::over(stream, host);
        let greeting = session.reply(Doing::Greeting, deadline).await?;
        if !greeting.is(2) {
            return Err(greeting.refusal());
        }
        session.hello(hello, deadline).await?;
        Ok(session)
    }

    /// Gives the stream back, ready for TLS.
    pub(crate) async fn starttls(mut self, deadline: Deadline) -> Result<Box<dyn Wire>, SendError> {
        if !self.abilities.starttls {
            return Err(SendError::Lacks { host: self.host, what: "STARTTLS" });
        }
        let reply = self.command("STARTTLS", Doing::Securing, deadline).await?;
        if !reply.is(2) {
            return Err(reply.refusal());
        }
        let broken = |source| SendError::Broken { doing: Doing::Securing, source };
        self.lines.into_stream().map_err(broken)
    }

    /// Goes on after TLS was agreed on over the stream from [`Session::starttls`].
    pub(crate) async fn resume(
        stream: Box<dyn Wire>,
        host: &str,
        hello: &str,
        deadline: Deadline,
    ) -> Result<Self, SendError> {
        let mut session = Self::over(stream, host);
        session.hello(hello, deadline).await?;
        Ok(session)
    }

    async fn hello(&mut self, hello: &str, deadline: Deadline) -> Result<(), SendError> {
        let reply = self.command(&format!("EHLO {hello}"), Doing::Greeting, deadline).await?;
        if reply.is(2) {
            self.abilities = Abilities::from_reply(&reply);
            return Ok(());
        }
        let old = self.command(&format!("HELO {hello}"), Doing::Greeting, deadline).await?;
        if old.is(2) { Ok(()) } else { Err(old.refusal()) }
    }

    /// Logs in, by PLAIN where it is offered, else by LOGIN.
    pub(crate) async fn log_in(
        &mut self,
        user: &str,
        password: &Secret,
        deadline: Deadline,
    ) -> Result<(), SendError> {
        let doing = Doing::Greeting;
        let reply = if self.abilities.plain {
            let token = STANDARD.encode(format!("\0{user}\0{}", password.expose()));
            self.command(&format!("AUTH PLAIN {token}"), doing, deadline).await?
        } else if self.abilities.login {
            let mut reply = self.command("AUTH LOGIN", doing, deadline).await?;
            for answer in [user, password.expose()] {
                if reply.code != 334 {
                    break;
                }
                reply = self.command(&STANDARD.encode(answer), doing, deadline).await?;
            }
            reply
        } else {
            return Err(SendError::Lacks {
                host: self.host.clone(),
                what: "a way to log in that hark knows (PLAIN, LOGIN)",
            });
        };
        if reply.is(2) { Ok(()) } else { Err(reply.refusal()) }
    }

    /// Forgets a half-said message; also shows whether a kept connection still lives.
    pub(crate) async fn reset(&mut self, deadline: Deadline) -> Result<(), SendError> {
        let reply = self.command("RSET", Doing::Greeting, deadline).await?;
        if reply.is(2) { Ok(()) } else { Err(reply.refusal()) }
    }

    /// Sends one message to those of `recipients` whom the server serves.
    ///
    /// # Errors
    /// If nobody was served, or the connection failed. After a `Refused` the session can be used
    /// again, after a [`Session::reset`].
    pub(crate) async fn send(
        &mut self,
        from: &str,
        recipients: &[&str],
        message: &[u8],
        deadline: Deadline,
    ) -> Result<Accepted, SendError> {
        let doing = Doing::Sending;
        let sender = self.command(&format!("MAIL FROM:<{from}>"), doing, deadline).await?;
        if !sender.is(2) {
            return Err(sender.refusal());
        }
        let mut refused = Vec::new();
        for recipient in recipients {
            let reply = self.command(&format!("RCPT TO:<{recipient}>"), doing, deadline).await?;
            if !reply.is(2) {
                let (code, text) = (reply.code, reply.text());
                refused.push(Refusal { recipient: (*recipient).to_owned(), code, text });
            }
        }
        if refused.len() == recipients.len() {
            return Err(nobody(refused));
        }
        let ready = self.command("DATA", doing, deadline).await?;
        if ready.code != 354 {
            return Err(ready.refusal());
        }
        let mut body = stuff_dots(message);
        body.extend_from_slice(b".\r\n");
        deadline.io(doing, self.lines.stream().write_all(&body)).await?;
        deadline.io(Doing::Waiting, self.lines.stream().flush()).await?;
        let reply = self.reply(Doing::Waiting, deadline).await?;
        if !reply.is(2) {
            return Err(reply.refusal());
        }
        Ok(Accepted { code: reply.code, text: reply.text(), refused })
    }

    /// Says goodbye; whether the server answers does not matter any more.
    pub(crate) async fn quit(mut self, deadline: Deadline) -> Result<(), SendError> {
        self.command("QUIT", Doing::Greeting, deadline).await.map(drop)
    }

    async fn command(
        &mut self,
        line: &str,
        doing: Doing,
        deadline: Deadline,
    ) -> Result<Reply, SendError> {
        // Addresses and names were checked when the configuration was read; this is the last gate
        // before a line break could become a second command.
        if line.contains(['\r', '\n', '\0']) {
            return Err(SendError::Compose { what: "a line break in an SMTP command".to_owned() });
        }
        deadline.io(doing, self.lines.stream().write_all(format!("{line}\r\n").as_bytes())).await?;
        deadline.io(doing, self.lines.stream().flush()).await?;
        self.reply(doing, deadline).await
    }

    async fn reply(&mut self, doing: Doing, deadline: Deadline) -> Result<Reply, SendError> {
        deadline.io(doing, self.read_reply()).await
    }

    async fn read_reply(&mut self) -> io::Result<Reply> {
        let mut lines = Vec::new();
        let mut size = 0;
        loop {
            let line = self.lines.read(MAX_REPLY.saturating_sub(size)).await?;
            size += line.len();
            let code = line.get(..3).and_then(|code| code.parse().ok());
            let Some(code @ 200..=599) = code else {
                return Err(broken("the answer is not SMTP"));
            };
            let more = line.as_bytes().get(3) == Some(&b'-');
            lines.push(line.get(4..).unwrap_or_default().to_owned());
            if !more {
                return Ok(Reply { code, lines });
            }
        }
    }
}

fn broken(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// The failure of a message that nobody may have: for good only if no recipient is merely put off.
fn nobody(refused: Vec<Refusal>) -> SendError {
    let temporary = refused.iter().position(Refusal::is_temporary);
    let again = if temporary.is_some() { Again::Later } else { Again::Never };
    let worst = refused.into_iter().nth(temporary.unwrap_or(0));
    worst.map_or_else(
        || SendError::Compose { what: "no recipients".to_owned() },
        |r| SendError::Refused {
            code: r.code,
            text: format!("{}: {}", r.recipient, r.text),
            again,
        },
    )
}

/// Doubles the dot at the start of a line and ends the last line, so that only our own final dot
/// ends the message.
fn stuff_dots(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + message.len() / 32 + 8);
    let mut at_start = true;
    for &byte in message {
        if at_start && byte == b'.' {
            out.push(b'.');
        }
        out.push(byte);
        at_start = byte == b'\n';
    }
    if !at_start {
        out.extend_from_slice(b"\r\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use tokio::io::{DuplexStream, duplex};

    use super::*;

    #[test]
    fn dots_cannot_end_a_message_early() {
        assert_eq!(stuff_dots(b"a\r\n.\r\n..b"), b"a\r\n..\r\n...b\r\n");
        assert_eq!(stuff_dots(b".x\r\n"), b"..x\r\n");
        assert_eq!(stuff_dots(b""), b"");
    }

    #[test]
    fn abilities_are_read_in_both_spellings() {
        let reply = |lines: &[&str]| Reply {
            code: 250,
            lines: lines.iter().map(|line| (*line).to_owned()).collect(),
        };
        let a = Abilities::from_reply(&reply(&["mx", "StartTLS", "AUTH LOGIN plain"]));
        assert!(a.starttls && a.plain && a.login);
        let b = Abilities::from_reply(&reply(&["STARTTLS", "AUTH=LOGIN"]));
        assert!(!b.starttls && !b.plain && b.login, "the first line is the server's name");
    }

    #[test]
    fn one_put_off_recipient_keeps_the_message_alive() {
        let refusal = |code| Refusal { recipient: "a@b".to_owned(), code, text: "no".to_owned() };
        assert!(nobody(vec![refusal(550), refusal(553)]).is_permanent());
        assert!(!nobody(vec![refusal(550), refusal(451)]).is_permanent());
    }

    /// Opens a session with a server that says all its lines at once and then only listens.
    async fn open_against(answers: &[u8]) -> (Result<Session, SendError>, DuplexStream) {
        let (ours, mut theirs) = duplex(64 * 1024);
        theirs.write_all(answers).await.unwrap();
        theirs.shutdown().await.unwrap();
        let deadline = Deadline::start(Duration::from_secs(5));
        (Session::open(Box::new(ours), "mx", "here", deadline).await, theirs)
    }

    #[tokio::test]
    async fn nonsense_and_floods_are_refused() {
        assert!(open_against(b"220-a\r\n220 b\r\n250 ok\r\n").await.0.is_ok());
        for bad in [&b"hello\r\n"[..], b"22\r\n", b"999 x\r\n", b"", b"220 x", b"\xff\xfe\r\n"] {
            let error = open_against(bad).await.0.err().unwrap();
            assert!(!error.is_permanent(), "{error}");
        }
        let flood = "220-a very long greeting\r\n".repeat(1000);
        let error = open_against(flood.as_bytes()).await.0.err().unwrap();
        assert!(error.text().ends_with("too long"), "{}", error.text());
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let (opened, _server) = runtime.block_on(open_against(&bytes));
            // Nothing but a greeting and an answer to EHLO opens a session.
            prop_assert!(opened.is_err() || bytes.starts_with(b"2"));
        }
    }

    #[tokio::test]
    async fn words_before_tls_are_refused() {
        let answers = b"220 mx\r\n250-mx\r\n250 STARTTLS\r\n220 go\r\n250 smuggled\r\n";
        let (session, _server) = open_against(answers).await;
        let session = session.unwrap();
        let error = session.starttls(Deadline::start(Duration::from_secs(5))).await.err().unwrap();
        assert!(error.text().contains("before TLS began"), "{}", error.text());
    }

    #[tokio::test]
    async fn a_line_break_never_becomes_a_second_command() {
        let (session, _server) = open_against(b"220 mx\r\n250 mx\r\n250 ok\r\n").await;
        let mut session = session.unwrap();
        let deadline = Deadline::start(Duration::from_secs(5));
        let error =
            session.send("a@b\r\nRCPT TO:<x@y>", &["c@d"], b"", deadline).await.unwrap_err();
        assert!(matches!(error, SendError::Compose { .. }));
    }
}

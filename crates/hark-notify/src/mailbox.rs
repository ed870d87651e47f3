//! The mailbox to which people answer mails of hark, read over IMAP.
//!
//! What is in a mail, and what follows from it, is [`crate::handling`]. Here a connection is kept to one
//! folder: which mails are new, one of them, that one is done with, and waiting for the next.
//!
//! The dialogue (`session`) is our own, as that with mail servers is: five commands are needed, each with
//! bounds on time and size that the kept crates do not have (async-imap buffers answers of half a gigabyte
//! and brings twenty crates, a second calendar among them), and nothing that a server says before TLS may
//! count. How a mail itself is packed is read in [`crate::handling`], too.

use std::fmt;
use std::time::Duration;

use hark_config::{Bare, Key, Kind, Section};
use hark_model::Secret;
use hark_model::time::Unix;
use hark_net::Wire;

use crate::Context;
use crate::deadline::Deadline;
use crate::error::SendError;
use crate::mail_server::{self, Dialogue, MailServer, Security, Usual};
use crate::service;

mod session;

use session::Session;

/// The section `mailbox`.
pub const MAILBOX_KEYS: &[Key] = &[
    Key::new("server", Kind::Text, "Name or address of the mailbox server (IMAP).").required(),
    Key::new("port", Kind::Integer, "Its port; by default 993 for `tls`, else 143."),
    Key::new(
        "security",
        Kind::OneOf(&["tls", "starttls", "none"]),
        "How the connection is protected.",
    )
    .default("tls"),
    Key::new("user", Kind::Text, "Name to log in with.").required(),
    Key::new("password", Kind::Secret, "Password to log in with.").required(),
    Key::new("folder", Kind::Text, "The folder that answers come to.").default("INBOX"),
    Key::new(
        "every",
        Kind::Duration,
        "How often is asked for news, where the server does not say so by itself; at least 5s.",
    )
    .default("30s"),
    Key::new("delete", Kind::Bool, "Answers are deleted, and not only marked as read.")
        .default("false"),
    mail_server::TLS_NAME,
    service::CA_FILE,
    Key::new("insecure", Kind::Bool, "Accept any certificate.").default("false"),
    Key::new("timeout", Kind::Duration, "Time for one step, such as logging in.").default("30s"),
];

/// The shortest time between two looks: each is a question to somebody's server.
const SHORTEST: Duration = Duration::from_secs(5);

/// The longest that one step may take.
const LONGEST_STEP: Duration = Duration::from_mins(5);

/// How long the server's word that something has come is waited for at a time: shorter than the half
/// hour after which servers end the wait, and than routers forget a silent connection.
const IDLE: Duration = Duration::from_mins(4);

/// Mails that are looked at in one go: what is left over comes in the next.
const MAX_MAILS: usize = 50;

/// What is usual for mail that is read.
const USUAL: Usual = Usual { server: None, security: Security::Tls, ports: [993, 143, 143] };

/// A mailbox, as configured.
pub struct Mailbox {
    server: MailServer,
    user: String,
    password: Secret,
    folder: String,
    every: Duration,
    delete: bool,
    timeout: Duration,
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailbox").field("target", &self.target()).finish_non_exhaustive()
    }
}

impl Mailbox {
    /// Reads the section `mailbox` of the root. `None`: there is none, or what is wrong was reported.
    pub fn read(root: &Section<'_>) -> Option<Self> {
        let section = root.child("mailbox")?;
        let server = MailServer::read(&section, USUAL);
        let user = section.required("user").and_then(|value| value.str());
        let password = section.required("password").and_then(|value| value.secret());
        let folder = section.str("folder", "INBOX").to_owned();
        if folder.is_empty() || !is_plain(&folder) {
            section.error("folder", "a folder's name has only ASCII letters and signs");
        }
        if user.is_some_and(|user| user.is_empty() || user.contains(char::is_control)) {
            section.error("user", "a name without line breaks is needed");
        }
        let every = section.duration("every", Bare::Seconds, Duration::from_secs(30));
        if every < SHORTEST {
            section.error("every", "must be at least 5s");
        }
        let timeout = section.duration("timeout", Bare::Seconds, Duration::from_secs(30));
        if timeout.is_zero() || timeout > LONGEST_STEP {
            section.error("timeout", "must be more than 0s and at most 5m");
        }
        let delete = section.bool("delete", false);
        section.finish(MAILBOX_KEYS);
        Some(Self {
            server: server?,
            user: user?.to_owned(),
            password: password?,
            folder,
            every,
            delete,
            timeout,
        })
    }

    /// Returns which folder of which server it is, for people, without anything secret.
    pub fn target(&self) -> String {
        format!("{}@{}:{}/{}", self.user, self.server.host, self.server.port, self.folder)
    }

    /// Returns how often is asked for news.
    pub fn every(&self) -> Duration {
        self.every
    }

    /// Connects, logs in and opens the folder. Cancelling it closes the connection.
    ///
    /// # Errors
    /// Why that is not possible now.
    pub async fn open(&self, context: &Context) -> Result<Open<'_>, SendError> {
        let deadline = Deadline::start(self.timeout);
        let mut session = self.server.open(&Reading, context, deadline).await?;
        session.log_in(&self.user, &self.password, deadline).await?;
        session.select(&self.folder, deadline).await?;
        Ok(Open { mailbox: self, session })
    }
}

/// Reading mail.
struct Reading;

impl Dialogue for Reading {
    type Session = Session;

    async fn greeted(
        &self,
        stream: Box<dyn Wire>,
        host: &str,
        deadline: Deadline,
    ) -> Result<Session, SendError> {
        Session::greeted(stream, host, deadline).await
    }

    async fn starttls(
        &self,
        clear: Session,
        deadline: Deadline,
    ) -> Result<Box<dyn Wire>, SendError> {
        clear.starttls(deadline).await
    }

    async fn resumed(
        &self,
        stream: Box<dyn Wire>,
        host: &str,
        _: Deadline,
    ) -> Result<Session, SendError> {
        Ok(Session::resumed(stream, host))
    }
}

/// Returns true if a text can stand between quotes in a command.
fn is_plain(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii() && !c.is_ascii_control())
}

/// A mailbox that is open. Dropping it closes the connection; mails that are not done with stay new.
#[derive(Debug)]
pub struct Open<'a> {
    mailbox: &'a Mailbox,
    session: Session,
}

impl Open<'_> {
    fn deadline(&self) -> Deadline {
        Deadline::start(self.mailbox.timeout)
    }

    /// Returns the numbers of unread mails that came at `since` or later (by the day), at most 50 of
    /// those that `is_wanted`, the oldest first.
    ///
    /// # Errors
    /// If the server does not say so; the connection is of no use then.
    pub async fn unread(
        &mut self,
        since: Unix,
        is_wanted: impl Fn(u32) -> bool,
    ) -> Result<Vec<u32>, SendError> {
        let mut found = self.session.unread(since, self.deadline()).await?;
        found.retain(|number| is_wanted(*number));
        found.sort_unstable();
        found.truncate(MAX_MAILS);
        Ok(found)
    }

    /// Returns a mail as it lies there, at most [`crate::handling::MAX_MAIL`] bytes of it; `None` if it
    /// is gone. It stays unread.
    ///
    /// # Errors
    /// As [`Open::unread`].
    pub async fn mail(&mut self, number: u32) -> Result<Option<Vec<u8>>, SendError> {
        self.session.fetch(number, self.deadline()).await
    }

    /// Marks a mail as read, or deletes it if that is configured.
    ///
    /// # Errors
    /// As [`Open::unread`]; the mail stays new.
    pub async fn done(&mut self, number: u32) -> Result<(), SendError> {
        self.session.mark(number, self.mailbox.delete, self.deadline()).await
    }

    /// Waits until there may be new mails. Cancelling it closes the connection.
    ///
    /// # Errors
    /// If the connection is of no use any more.
    pub async fn wait(&mut self) -> Result<(), SendError> {
        if self.session.can_wait() {
            return self.session.idle(IDLE, self.mailbox.timeout).await;
        }
        tokio::time::sleep(self.mailbox.every).await;
        self.session.noop(self.deadline()).await
    }

    /// Says goodbye.
    pub async fn close(mut self) {
        let deadline = self.deadline();
        self.session.log_out(deadline).await;
    }
}

#[cfg(test)]
mod tests;

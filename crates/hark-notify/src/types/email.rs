//! E-mail over SMTP.
//!
//! One message is one SMTP transaction with all recipients. The connection is kept for the next
//! message and replaced when it turns out dead. What a mail program needs to show an incident as
//! one thread is computed from the message alone (see `thread_id`), so it survives restarts of the
//! server and needs no memory of what was sent.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hark_config::{Bare, Key, Kind, Section};
use hark_model::time::{Clock, Mono};
use hark_model::{HostName, Notification, Secret};
use hark_net::{BoxFuture, Wire};
use lettre::message::Mailbox;

use crate::deadline::{Deadline, read_timeout};
use crate::error::SendError;
use crate::handling::Letter;
use crate::mail_server::{self, Dialogue, MailServer, Security, Usual};
use crate::recent::Recent;
use crate::render::{Template, read_template};
use crate::service;
use crate::smtp::{Accepted, Refusal, Session};
use crate::{Context, Delivered, OwnMail, Pending, Receiver, ReceiverType};

mod compose;
mod dialogue;
mod letter;
mod own;
mod page;
mod reply;

use compose::compose;
use reply::ReplyTo;

/// The receiver type `email`.
#[derive(Debug)]
pub(crate) struct Email;

/// What is usual for mail that is handed in.
const USUAL: Usual =
    Usual { server: Some("localhost"), security: Security::StartTls, ports: [465, 587, 25] };

pub(crate) const KEYS: &[Key] = &[
    Key::new(
        "to",
        Kind::OneOrMany(&Kind::Text),
        "Who gets the mail: `ops@example.net` or `Ops <ops@example.net>`.",
    )
    .required(),
    Key::new("from", Kind::Text, "The sender.").required(),
    Key::new(
        "reply_to",
        Kind::Text,
        "Where answers go, if not to the sender; with `{token}` in it, as in \
         `ops+{token}@example.net`, each mail has an address of its own (docs/handling.md).",
    ),
    Key::new("server", Kind::Text, "Name or address of the mail server.").default("localhost"),
    Key::new(
        "port",
        Kind::Integer,
        "Its port; by default 587 for `starttls`, 465 for `tls`, 25 for `none`.",
    ),
    Key::new(
        "security",
        Kind::OneOf(&["starttls", "tls", "none"]),
        "How the connection is protected.",
    )
    .default("starttls"),
    Key::new("user", Kind::Text, "Name to log in with; no log-in without it."),
    Key::new("password", Kind::Secret, "Password to log in with."),
    mail_server::TLS_NAME,
    service::CA_FILE,
    Key::new("insecure", Kind::Bool, "Accept any certificate. The page shows that.")
        .default("false"),
    Key::new("hello", Kind::Text, "Name to greet with, if not that of this machine."),
    Key::new("subject", Kind::Text, "Template of the subject.").default(SUBJECT),
    Key::new(
        "template",
        Kind::Text,
        "Template of the text; by default summary, detail and the facts one a line.",
    ),
    Key::new(
        "html",
        Kind::Bool,
        "Whether a part in HTML with colours and buttons goes with the text.",
    )
    .default("true"),
    Key::new("timeout", Kind::Duration, "Time for one delivery, all steps together.")
        .default("60s"),
    Key::new("keepalive", Kind::Duration, "How long a connection is kept for the next mail.")
        .default("60s"),
];

const SUBJECT: &str = "[hark] {{ summary }}";

/// Most recipients of one receiver: mail servers refuse more than 100 in one transaction.
const MAX_RECIPIENTS: usize = 100;

/// Most messages whose put-off recipients are remembered: enough for an hour's greylisting of a
/// busy receiver. What is forgotten is sent to all recipients again, under the same Message-ID.
const MAX_PARTLY: usize = 1000;

/// Longest time a kept connection is given to show that it lives.
const PROBE: Duration = Duration::from_secs(5);

/// Time for saying goodbye on a connection that is not needed any more.
const GOODBYE: Duration = Duration::from_secs(2);

const TIMEOUT: Duration = Duration::from_mins(1);
const KEEPALIVE: Duration = Duration::from_mins(1);

impl ReceiverType for Email {
    fn name(&self) -> &'static str {
        "email"
    }

    fn manual(&self) -> &'static str {
        "Sends mail: plain text in UTF-8, and beside it (unless `html: false`) the same as a page with a \
         colour by severity and buttons that open and acknowledge the incident, without anything that \
         would be loaded from elsewhere. All messages about one incident form one thread: the first has a \
         Message-ID made from the incident, the others refer to it. The Message-ID is the same when \
         a mail is sent again after an unclear outcome, so that the mail server or program can drop \
         the second copy. Recipients that the server refuses are shown; the others get the mail. \
         Replies 4xx are tried again for a day, replies 5xx end the message."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn example(&self) -> &'static str {
        "to: [ops@example.net, \"Mira <mira@example.net>\"]\n\
         from: hark <hark@example.net>\n\
         server: smtp.example.net\n\
         security: starttls\n\
         user: hark\n\
         password: correct-horse\n"
    }

    fn read(&self, section: &Section<'_>) -> Option<Box<dyn Receiver>> {
        let settings = Settings {
            to: read_recipients(section),
            from: section.required("from").and_then(|_| section.parse("from", mailbox)),
            reply_to: section.parse("reply_to", ReplyTo::parse),
            server: MailServer::read(section, USUAL)?,
            login: read_login(section),
            hello: section.parse("hello", HostName::new),
            subject: read_template(section, "subject").or_else(|| Template::parse(SUBJECT).ok()),
            body: read_template(section, "template"),
            html: section.bool("html", true),
            timeout: read_timeout(section, "timeout", TIMEOUT),
            keepalive: section.duration("keepalive", Bare::Seconds, KEEPALIVE),
        };
        let complete = !settings.to.is_empty() && settings.from.is_some();
        complete.then(|| Box::new(Mailer::new(settings)) as Box<dyn Receiver>)
    }
}

fn read_recipients(section: &Section<'_>) -> Vec<Mailbox> {
    if section.required("to").is_none() {
        return Vec::new();
    }
    let mut seen = BTreeSet::new();
    let mut recipients = Vec::new();
    if section.one_or_many("to").is_empty() {
        section
            .error("to", "nobody would get the mail")
            .hint("write for example `[ops@example.net]`");
    }
    for recipient in section.parse_many("to", mailbox) {
        if seen.insert(recipient.value.email.to_string()) {
            recipients.push(recipient.value);
        }
    }
    if recipients.len() > MAX_RECIPIENTS {
        let what = format!("at most {MAX_RECIPIENTS} recipients, these are {}", recipients.len());
        section
            .error("to", what)
            .hint("mail servers refuse more in one transaction: use a mailing list");
    }
    recipients
}

fn read_login(section: &Section<'_>) -> Option<(String, Secret)> {
    let password = section.opt_secret("password");
    let Some(user) = section.opt_str("user") else {
        if password.is_some() {
            section.error("password", "a password without `user`");
        }
        return None;
    };
    let Some(password) = password else {
        if !section.has("password") {
            section.error("user", "a user without `password`");
        }
        return None;
    };
    Some((user.to_owned(), password))
}

fn mailbox(text: &str) -> Result<Mailbox, String> {
    let mailbox: Mailbox = text.parse().map_err(|error| format!("not a mail address: {error}"))?;
    // Also keeps SMTPUTF8 out, which few servers offer.
    if !mailbox.email.to_string().is_ascii() {
        return Err("a mail address must be ASCII; write the domain in its xn-- form".to_owned());
    }
    Ok(mailbox)
}

#[derive(Debug)]
struct Settings {
    to: Vec<Mailbox>,
    from: Option<Mailbox>,
    reply_to: Option<ReplyTo>,
    server: MailServer,
    login: Option<(String, Secret)>,
    hello: Option<HostName>,
    subject: Option<Template>,
    body: Option<Template>,
    html: bool,
    timeout: Duration,
    keepalive: Duration,
}

/// A connection that waits for the next mail.
struct Idle {
    session: Session,
    since: Mono,
}

/// One configured e-mail receiver.
struct Mailer {
    settings: Settings,
    idle: Mutex<Option<Idle>>,
    /// Who already has a message of which others were put off, by the message's key.
    partly: Mutex<Recent<BTreeSet<String>>>,
}

impl std::fmt::Debug for Mailer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mailer").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Receiver for Mailer {
    fn target(&self) -> String {
        let to: Vec<_> = self.settings.to.iter().map(|m| m.email.to_string()).collect();
        to.join(", ")
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.settings.server.trusts_anybody() {
            warnings.push("the mail server's certificate is not verified".to_owned());
        }
        if self.settings.server.security == Security::None && self.settings.login.is_some() {
            warnings.push("the password travels unprotected".to_owned());
        }
        warnings
    }

    fn send<'a>(
        &'a self,
        notification: &'a Notification,
        context: &'a Context,
    ) -> Pending<'a, Delivered> {
        Box::pin(self.deliver(notification, context))
    }

    fn write_back<'a>(
        &'a self,
        letter: &'a Letter<'a>,
        context: &'a Context,
    ) -> Option<Pending<'a, ()>> {
        Some(Box::pin(self.write_to(letter, context)))
    }

    fn write_own<'a>(
        &'a self,
        mail: &'a OwnMail<'a>,
        context: &'a Context,
    ) -> Option<Pending<'a, ()>> {
        Some(Box::pin(self.own(mail, context)))
    }

    fn close_idle(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let stale = lock(&self.idle).take_if(|idle| !self.is_young(idle));
            if let Some(idle) = stale {
                goodbye(idle.session).await;
            }
        })
    }
}

impl Mailer {
    fn new(settings: Settings) -> Self {
        Self { settings, idle: Mutex::new(None), partly: Mutex::new(Recent::new(MAX_PARTLY)) }
    }

    async fn deliver(&self, n: &Notification, context: &Context) -> Result<Delivered, SendError> {
        let mail = compose(&self.settings, n, context)?;
        let deadline = Deadline::start(self.settings.timeout);
        let recipients = self.recipients(&n.key);
        let from = self.settings.from.as_ref().map(|m| m.email.to_string()).unwrap_or_default();
        let addresses: Vec<&str> = recipients.iter().map(String::as_str).collect();
        let server = format!("{}:{}", self.settings.server.host, self.settings.server.port);
        let asked = || dialogue::asked(&server, &from, &addresses, &mail);
        let question = context.trace.ask(asked);
        let accepted = self.hand_over(&from, &addresses, &mail, (context, deadline)).await;
        let status = accepted.as_ref().map_or_else(|_| String::new(), |a| a.code.to_string());
        let result = accepted.and_then(|accepted| self.account(&n.key, &recipients, accepted));
        context.trace.ended(question, &status, &result);
        result
    }

    /// Hands a mail to the server.
    async fn hand_over(
        &self,
        from: &str,
        to: &[&str],
        mail: &[u8],
        (context, deadline): (&Context, Deadline),
    ) -> Result<Accepted, SendError> {
        let mut session = self.session(context, deadline).await?;
        let accepted = session.send(from, to, mail, deadline).await;
        if matches!(accepted, Ok(_) | Err(SendError::Refused { .. })) {
            self.keep(session).await;
        }
        accepted
    }

    /// Answers somebody, once. Without a sender on the envelope, so that what cannot be delivered does
    /// not come back.
    async fn write_to(&self, letter: &Letter<'_>, context: &Context) -> Result<(), SendError> {
        let nobody = |what: &str| SendError::Compose { what: what.to_owned() };
        let from = self.settings.from.as_ref().ok_or_else(|| nobody("no sender"))?;
        let to = letter.mail.from().ok_or_else(|| nobody("it does not say whom it is from"))?;
        let to = mailbox(&to).map_err(|what| nobody(&what))?;
        let mail = letter::letter(from, &to, letter)?;
        let deadline = Deadline::start(self.settings.timeout);
        let mut session = self.session(context, deadline).await?;
        let sent = session.send("", &[to.email.as_ref()], &mail, deadline).await;
        if sent.is_ok() {
            self.keep(session).await;
        }
        sent.map(drop)
    }

    /// Writes a mail of the server's own. What cannot be delivered comes back to the sender's address.
    async fn own(&self, mail: &OwnMail<'_>, context: &Context) -> Result<(), SendError> {
        let nobody = |what: &str| SendError::Compose { what: what.to_owned() };
        let from = self.settings.from.as_ref().ok_or_else(|| nobody("no sender"))?;
        // The address alone: a name beside it would be a stranger's words.
        let to = Mailbox::new(None, mailbox(mail.to).map_err(|what| nobody(&what))?.email);
        let bytes = own::own(from, &to, mail)?;
        let deadline = Deadline::start(self.settings.timeout);
        let mut session = self.session(context, deadline).await?;
        let sent = session.send(from.email.as_ref(), &[to.email.as_ref()], &bytes, deadline).await;
        if sent.is_ok() {
            self.keep(session).await;
        }
        sent.map(drop)
    }

    /// Returns who does not have the message with `key` yet.
    fn recipients(&self, key: &str) -> Vec<String> {
        let partly = lock(&self.partly);
        let served = partly.get(key);
        let all = self.settings.to.iter().map(|mailbox| mailbox.email.to_string());
        all.filter(|to| served.is_none_or(|served| !served.contains(to))).collect()
    }

    /// Remembers who was served if others were put off.
    fn account(
        &self,
        key: &str,
        asked: &[String],
        accepted: Accepted,
    ) -> Result<Delivered, SendError> {
        let mut partly = lock(&self.partly);
        let (put_off, refused): (Vec<_>, Vec<_>) =
            accepted.refused.into_iter().partition(Refusal::is_temporary);
        let Some(first) = put_off.first() else {
            drop(partly.take(key));
            let refused =
                refused.into_iter().map(|r| (r.recipient, format!("{} {}", r.code, r.text)));
            return Ok(Delivered {
                text: accepted.text,
                refused: refused.collect(),
                ..Delivered::default()
            });
        };
        let text = format!("{} {}", first.code, first.text);
        let waiting: Vec<_> = put_off.into_iter().map(|refusal| refusal.recipient).collect();
        let mut served = partly.take(key).unwrap_or_default();
        served.extend(asked.iter().filter(|to| !waiting.contains(to)).cloned());
        partly.put(key, served);
        Err(SendError::Partly { waiting, text })
    }

    /// Returns a session that answers: the kept one if it is young and alive, else a new one.
    async fn session(&self, context: &Context, deadline: Deadline) -> Result<Session, SendError> {
        let kept = lock(&self.idle).take();
        if let Some(mut idle) = kept
            && self.is_young(&idle)
            && idle.session.reset(self.probe()).await.is_ok()
        {
            return Ok(idle.session);
        }
        self.open(context, deadline).await
    }

    /// How long a kept connection may take to show that it lives: one whose other end vanished
    /// without a word must leave time for a new one.
    fn probe(&self) -> Deadline {
        Deadline::start(PROBE.min(self.settings.timeout / 4))
    }

    async fn open(&self, context: &Context, deadline: Deadline) -> Result<Session, SendError> {
        let s = &self.settings;
        let hello = s.hello.as_ref().map_or_else(|| hello(&context.own_name), ToString::to_string);
        let mut session = s.server.open(&Greeting(hello), context, deadline).await?;
        if let Some((user, password)) = &s.login {
            session.log_in(user, password, deadline).await?;
        }
        Ok(session)
    }

    fn is_young(&self, idle: &Idle) -> bool {
        Clock.now().mono.since(idle.since) < self.settings.keepalive
    }

    /// Keeps the session for the next mail. One is enough: mails to one receiver seldom overlap, and
    /// servers limit connections.
    async fn keep(&self, session: Session) {
        if self.settings.keepalive.is_zero() {
            return goodbye(session).await;
        }
        let idle = Idle { session, since: Clock.now().mono };
        let surplus = lock(&self.idle).replace(idle);
        if let Some(surplus) = surplus {
            goodbye(surplus.session).await;
        }
    }
}

/// Handing mail in, by who greets.
struct Greeting(String);

impl Dialogue for Greeting {
    type Session = Session;

    async fn greeted(
        &self,
        stream: Box<dyn Wire>,
        host: &str,
        deadline: Deadline,
    ) -> Result<Session, SendError> {
        Session::open(stream, host, &self.0, deadline).await
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
        deadline: Deadline,
    ) -> Result<Session, SendError> {
        Session::resume(stream, host, &self.0, deadline).await
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What these hold is whole at every moment: a panic elsewhere does not spoil it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn goodbye(session: Session) {
    // Nothing depends on it: the server also notices that the connection closes.
    let _ended = session.quit(Deadline::start(GOODBYE)).await;
}

/// Returns the name to greet with: RFC 5321 wants a domain or an address in brackets.
fn hello(own_name: &str) -> String {
    match own_name.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V4(address)) => format!("[{address}]"),
        Ok(std::net::IpAddr::V6(address)) => format!("[IPv6:{address}]"),
        Err(_) => match HostName::new(own_name) {
            Ok(name) => name.to_string(),
            Err(_) => "[127.0.0.1]".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests;
